"""Pure functions on arrays: what every metric is made of.

NumPy arguments are computed on the host in float64, JAX arguments on the device in float32 under any transformation.
"""

from jaxeval.ops.clipped import ClippedDensityCoverage as ClippedDensityCoverage
from jaxeval.ops.clipped import clipped_density_coverage as clipped_density_coverage
from jaxeval.ops.diversity import ClassDiversity as ClassDiversity
from jaxeval.ops.diversity import class_diversity as class_diversity
from jaxeval.ops.diversity import rke as rke
from jaxeval.ops.diversity import vendi_score as vendi_score
from jaxeval.ops.diversity import vendi_score_of_similarities as vendi_score_of_similarities
from jaxeval.ops.extrapolation import ExtrapolatedFrechet as ExtrapolatedFrechet
from jaxeval.ops.extrapolation import fd_infinity as fd_infinity
from jaxeval.ops.frechet import frechet_distance as frechet_distance
from jaxeval.ops.frechet import frechet_distance_between as frechet_distance_between
from jaxeval.ops.frechet import frechet_distance_from_features as frechet_distance_from_features
from jaxeval.ops.frechet_on_device import frechet_distance_on_device as frechet_distance_on_device
from jaxeval.ops.gaussian import Gaussian as Gaussian
from jaxeval.ops.gaussian import gaussian_from_features as gaussian_from_features
from jaxeval.ops.gaussian import gaussian_from_moments as gaussian_from_moments
from jaxeval.ops.inception_score import InceptionScore as InceptionScore
from jaxeval.ops.inception_score import inception_score as inception_score
from jaxeval.ops.kid import KernelDistance as KernelDistance
from jaxeval.ops.kid import kid as kid
from jaxeval.ops.manifold import PRDC as PRDC
from jaxeval.ops.manifold import Membership as Membership
from jaxeval.ops.manifold import membership as membership
from jaxeval.ops.manifold import prdc as prdc
from jaxeval.ops.manifold import rarity as rarity
from jaxeval.ops.manifold import realism as realism
from jaxeval.ops.matrix_sqrt import MatrixSqrt as MatrixSqrt
from jaxeval.ops.matrix_sqrt import matrix_sqrt as matrix_sqrt
from jaxeval.ops.memorisation import MemorisationInformedFrechet as MemorisationInformedFrechet
from jaxeval.ops.memorisation import authenticity as authenticity
from jaxeval.ops.memorisation import memorisation_distance as memorisation_distance
from jaxeval.ops.memorisation import mifid as mifid
from jaxeval.ops.mmd import Discrepancy as Discrepancy
from jaxeval.ops.mmd import cmmd as cmmd
from jaxeval.ops.mmd import kid_full as kid_full
from jaxeval.ops.mmd import median_distance as median_distance
from jaxeval.ops.mmd import mmd as mmd
from jaxeval.ops.moments import Moments as Moments
from jaxeval.ops.moments import covariance as covariance
from jaxeval.ops.moments import empty_moments as empty_moments
from jaxeval.ops.moments import feature_moments as feature_moments
from jaxeval.ops.moments import merge_moments as merge_moments
from jaxeval.ops.moments import moments_on_device as moments_on_device
from jaxeval.ops.moments import moments_on_host as moments_on_host
from jaxeval.ops.moments import reduce_moments as reduce_moments
from jaxeval.ops.prd import PRDCurve as PRDCurve
from jaxeval.ops.prd import prd_curve as prd_curve
from jaxeval.ops.prd import prd_f_scores as prd_f_scores
from jaxeval.ops.prd import precision_recall_distribution as precision_recall_distribution
from jaxeval.ops.probabilistic import ProbabilisticPrecisionRecall as ProbabilisticPrecisionRecall
from jaxeval.ops.probabilistic import probabilistic_precision_recall as probabilistic_precision_recall
from jaxeval.ops.sliced import SlicedDistance as SlicedDistance
from jaxeval.ops.sliced import mind as mind
from jaxeval.ops.sliced import sliced_wasserstein as sliced_wasserstein

__all__ = [
    "PRDC",
    "ClassDiversity",
    "ClippedDensityCoverage",
    "Discrepancy",
    "ExtrapolatedFrechet",
    "Gaussian",
    "InceptionScore",
    "KernelDistance",
    "MatrixSqrt",
    "Membership",
    "MemorisationInformedFrechet",
    "Moments",
    "PRDCurve",
    "ProbabilisticPrecisionRecall",
    "SlicedDistance",
    "authenticity",
    "class_diversity",
    "clipped_density_coverage",
    "cmmd",
    "covariance",
    "empty_moments",
    "fd_infinity",
    "feature_moments",
    "frechet_distance",
    "frechet_distance_between",
    "frechet_distance_from_features",
    "frechet_distance_on_device",
    "gaussian_from_features",
    "gaussian_from_moments",
    "inception_score",
    "kid",
    "kid_full",
    "matrix_sqrt",
    "median_distance",
    "membership",
    "memorisation_distance",
    "merge_moments",
    "mifid",
    "mind",
    "mmd",
    "moments_on_device",
    "moments_on_host",
    "prd_curve",
    "prd_f_scores",
    "prdc",
    "precision_recall_distribution",
    "probabilistic_precision_recall",
    "rarity",
    "realism",
    "reduce_moments",
    "rke",
    "sliced_wasserstein",
    "vendi_score",
    "vendi_score_of_similarities",
]
