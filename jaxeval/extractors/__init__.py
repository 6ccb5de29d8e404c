"""Feature extractors: networks that turn images into features, and the weights that they need."""

from jaxeval.extractors.clip import Clip, load_clip
from jaxeval.extractors.clip_tokenizer import ClipTokenizer
from jaxeval.extractors.extractor import Extractor, from_function
from jaxeval.extractors.normalisation import Normalisation
from jaxeval.extractors.perceptual import PerceptualDistance, load_dists, load_lpips, lpips_names
from jaxeval.extractors.precision import PRECISIONS, Precision, check_precision
from jaxeval.extractors.preprocessing import ShortSideCrop, SquareCrop
from jaxeval.extractors.quality_models import (
    ScoreHead,
    embed_prompts,
    load_brisque,
    load_ilniqe,
    load_niqe,
    load_nrqm,
    load_score_head,
)
from jaxeval.extractors.registry import extractor_names, load_extractor, load_trunk, trunk_names
from jaxeval.extractors.store import LoadedWeights, WeightsRow, WeightsStore
from jaxeval.extractors.trunk import Trunk

__all__ = [
    "PRECISIONS",
    "Clip",
    "ClipTokenizer",
    "Extractor",
    "LoadedWeights",
    "Normalisation",
    "PerceptualDistance",
    "Precision",
    "ScoreHead",
    "ShortSideCrop",
    "SquareCrop",
    "Trunk",
    "WeightsRow",
    "WeightsStore",
    "check_precision",
    "embed_prompts",
    "extractor_names",
    "from_function",
    "load_brisque",
    "load_clip",
    "load_dists",
    "load_extractor",
    "load_ilniqe",
    "load_lpips",
    "load_niqe",
    "load_nrqm",
    "load_score_head",
    "load_trunk",
    "lpips_names",
    "trunk_names",
]
