"""Streaming metrics for training loops: frozen configuration, a pytree of state, pure functions under any transform."""

from jaxeval.metrics.average_precision import AveragePrecision as AveragePrecision
from jaxeval.metrics.buffered import BufferedMetric as BufferedMetric
from jaxeval.metrics.buffered import BufferedState as BufferedState
from jaxeval.metrics.clu_adapter import to_clu as to_clu
from jaxeval.metrics.collection import Collection as Collection
from jaxeval.metrics.feature_buffer import FeatureBuffer as FeatureBuffer
from jaxeval.metrics.feature_buffer import FeatureBufferState as FeatureBufferState
from jaxeval.metrics.frechet_distance import FrechetDistance as FrechetDistance
from jaxeval.metrics.frechet_distance import FrechetState as FrechetState
from jaxeval.metrics.image_quality import PSNR as PSNR
from jaxeval.metrics.image_quality import SSIM as SSIM
from jaxeval.metrics.image_quality import ImageQuality as ImageQuality
from jaxeval.metrics.image_quality import MsSsim as MsSsim
from jaxeval.metrics.image_quality import PairScores as PairScores
from jaxeval.metrics.image_quality import PooledPSNR as PooledPSNR
from jaxeval.metrics.inception_score import InceptionScore as InceptionScore
from jaxeval.metrics.inception_score import InceptionScoreState as InceptionScoreState
from jaxeval.metrics.kernel_distance import KernelDistance as KernelDistance
from jaxeval.metrics.manifold import Manifold as Manifold
from jaxeval.metrics.mean import Mean as Mean
from jaxeval.metrics.metric import Metric as Metric
from jaxeval.metrics.nnx_adapter import NnxMetric as NnxMetric
from jaxeval.metrics.nnx_adapter import to_nnx as to_nnx
from jaxeval.metrics.of_features import OfFeatures as OfFeatures
from jaxeval.metrics.value import MetricValue as MetricValue

__all__ = [
    "PSNR",
    "SSIM",
    "AveragePrecision",
    "BufferedMetric",
    "BufferedState",
    "Collection",
    "FeatureBuffer",
    "FeatureBufferState",
    "FrechetDistance",
    "FrechetState",
    "ImageQuality",
    "InceptionScore",
    "InceptionScoreState",
    "KernelDistance",
    "Manifold",
    "Mean",
    "Metric",
    "MetricValue",
    "MsSsim",
    "NnxMetric",
    "OfFeatures",
    "PairScores",
    "PooledPSNR",
    "to_clu",
    "to_nnx",
]
