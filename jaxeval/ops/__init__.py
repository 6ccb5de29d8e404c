"""Pure functions on arrays: what every metric is made of.

NumPy arguments are computed on the host in float64, JAX arguments on the device in float32 under any transformation.
Lists, torch tensors on the CPU and arrays of the other byte order count as NumPy arguments.

Image quality has a face of its own, `jaxeval.ops.image_quality`, and so have losses, `jaxeval.ops.losses`, votes of
people, `jaxeval.ops.preference`, agreement with them, `jaxeval.ops.agreement`, and boxes of detectors,
`jaxeval.ops.detection`. Here are the functions on features, in groups, each with what it returns:

- Moments and Gaussians: `Moments`, `empty_moments`, `feature_moments`, `merge_moments`, `reduce_moments`,
  `moments_on_device`, `moments_on_host`, `covariance`, `Gaussian`, `gaussian_from_features`, `gaussian_from_moments`,
  `matrix_sqrt`, `MatrixSqrt`.
- Fréchet distance: `frechet_distance`, `frechet_distance_between`, `frechet_distance_from_features`,
  `frechet_distance_on_device`, `fd_infinity`, `ExtrapolatedFrechet`, `frechet_uncertainty`, `FrechetUncertainty`,
  `frechet_jackknife`, `frechet_jackknife_of_groups`, `FrechetJackknife`, `frechet_witness`.
- Kernel distances: `kid`, `KernelDistance`, `kid_full`, `mmd`, `Discrepancy`, `cmmd`, `median_distance`.
- Sliced distances: `sliced_wasserstein`, `mind`, `sliced_costs`, `SlicedDistance`.
- Shapes of sets: `msid`, `geometry_score`, `relative_living_times`.
- Inception score: `inception_score`, `InceptionScore`, `inception_score_error`.
- Neighbours and manifold: `own_neighbours`, `OwnNeighbours`, `prdc`, `PRDC`, `membership`, `Membership`, `realism`,
  `rarity`, `clipped_density_coverage`, `ClippedDensityCoverage`, `probabilistic_precision_recall`,
  `ProbabilisticPrecisionRecall`, `alpha_precision`, `AlphaPrecision`.
- Precision and recall of clusters: `precision_recall_distribution`, `prd_curve`, `prd_f_scores`, `PRDCurve`.
- Diversity: `vendi_score`, `vendi_score_of_similarities`, `rke`, `class_diversity`, `ClassDiversity`.
- Copying and memorisation: `authenticity`, `memorisation_distance`, `mifid`, `MemorisationInformedFrechet`,
  `c_t_score`, `DataCopying`, `fld`, `FeatureLikelihood`.
- Classes and captions: `class_frechet`, `ClassFrechet`, `classification_accuracy_score`, `ClassificationAccuracy`,
  `clip_score`, `ClipScore`.
- Differences of two generators: `frechet_difference`, `mmd_difference`, `cmmd_difference`, `prdc_difference`,
  `PRDCDifference`, `inception_score_difference`, `mean_difference`, `Difference`.
- Standard errors, intervals and p-values: `interval`, `Interval`, `mean_interval`, `share_interval`, `jackknife`,
  `Jackknife`, `subsampling`, `Subsampling`, `group_numbers`, `permutation_p_value`, `two_sided_p_value`.
- Several images of one prompt: `clustered_mean`, `clustered_ratio`, `ClusteredMean`, `paired_clustered_difference`,
  `ClusteredDifference`.
"""

from jaxeval.ops._alpha_precision import AlphaPrecision as AlphaPrecision
from jaxeval.ops._alpha_precision import alpha_precision as alpha_precision
from jaxeval.ops._clip_score import ClipScore as ClipScore
from jaxeval.ops._clip_score import clip_score as clip_score
from jaxeval.ops._frechet_uncertainty import FrechetUncertainty as FrechetUncertainty
from jaxeval.ops._frechet_uncertainty import frechet_uncertainty as frechet_uncertainty
from jaxeval.ops._inception_score import InceptionScore as InceptionScore
from jaxeval.ops._inception_score import inception_score as inception_score
from jaxeval.ops._inception_score import inception_score_error as inception_score_error
from jaxeval.ops._kid import KernelDistance as KernelDistance
from jaxeval.ops._kid import kid as kid
from jaxeval.ops._matrix_sqrt import MatrixSqrt as MatrixSqrt
from jaxeval.ops._matrix_sqrt import matrix_sqrt as matrix_sqrt
from jaxeval.ops._mmd import Discrepancy as Discrepancy
from jaxeval.ops._mmd import cmmd as cmmd
from jaxeval.ops._mmd import kid_full as kid_full
from jaxeval.ops._mmd import median_distance as median_distance
from jaxeval.ops._mmd import mmd as mmd
from jaxeval.ops._own_neighbours import OwnNeighbours as OwnNeighbours
from jaxeval.ops._own_neighbours import own_neighbours as own_neighbours
from jaxeval.ops.class_conditional import ClassFrechet as ClassFrechet
from jaxeval.ops.class_conditional import ClassificationAccuracy as ClassificationAccuracy
from jaxeval.ops.class_conditional import class_frechet as class_frechet
from jaxeval.ops.class_conditional import classification_accuracy_score as classification_accuracy_score
from jaxeval.ops.clipped import ClippedDensityCoverage as ClippedDensityCoverage
from jaxeval.ops.clipped import clipped_density_coverage as clipped_density_coverage
from jaxeval.ops.clustered import ClusteredDifference as ClusteredDifference
from jaxeval.ops.clustered import ClusteredMean as ClusteredMean
from jaxeval.ops.clustered import clustered_mean as clustered_mean
from jaxeval.ops.clustered import clustered_ratio as clustered_ratio
from jaxeval.ops.clustered import paired_clustered_difference as paired_clustered_difference
from jaxeval.ops.data_copying import DataCopying as DataCopying
from jaxeval.ops.data_copying import c_t_score as c_t_score
from jaxeval.ops.differences import PRDCDifference as PRDCDifference
from jaxeval.ops.differences import cmmd_difference as cmmd_difference
from jaxeval.ops.differences import inception_score_difference as inception_score_difference
from jaxeval.ops.differences import mean_difference as mean_difference
from jaxeval.ops.differences import mmd_difference as mmd_difference
from jaxeval.ops.differences import prdc_difference as prdc_difference
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
from jaxeval.ops.frechet_resampling import FrechetJackknife as FrechetJackknife
from jaxeval.ops.frechet_resampling import frechet_difference as frechet_difference
from jaxeval.ops.frechet_resampling import frechet_jackknife as frechet_jackknife
from jaxeval.ops.frechet_resampling import frechet_jackknife_of_groups as frechet_jackknife_of_groups
from jaxeval.ops.frechet_resampling import frechet_witness as frechet_witness
from jaxeval.ops.gaussian import Gaussian as Gaussian
from jaxeval.ops.gaussian import gaussian_from_features as gaussian_from_features
from jaxeval.ops.gaussian import gaussian_from_moments as gaussian_from_moments
from jaxeval.ops.intrinsic import msid as msid
from jaxeval.ops.likelihood import FeatureLikelihood as FeatureLikelihood
from jaxeval.ops.likelihood import fld as fld
from jaxeval.ops.manifold import PRDC as PRDC
from jaxeval.ops.manifold import Membership as Membership
from jaxeval.ops.manifold import membership as membership
from jaxeval.ops.manifold import prdc as prdc
from jaxeval.ops.manifold import rarity as rarity
from jaxeval.ops.manifold import realism as realism
from jaxeval.ops.memorisation import MemorisationInformedFrechet as MemorisationInformedFrechet
from jaxeval.ops.memorisation import authenticity as authenticity
from jaxeval.ops.memorisation import memorisation_distance as memorisation_distance
from jaxeval.ops.memorisation import mifid as mifid
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
from jaxeval.ops.resampling import Difference as Difference
from jaxeval.ops.resampling import Interval as Interval
from jaxeval.ops.resampling import Jackknife as Jackknife
from jaxeval.ops.resampling import Subsampling as Subsampling
from jaxeval.ops.resampling import group_numbers as group_numbers
from jaxeval.ops.resampling import interval as interval
from jaxeval.ops.resampling import jackknife as jackknife
from jaxeval.ops.resampling import mean_interval as mean_interval
from jaxeval.ops.resampling import permutation_p_value as permutation_p_value
from jaxeval.ops.resampling import share_interval as share_interval
from jaxeval.ops.resampling import subsampling as subsampling
from jaxeval.ops.resampling import two_sided_p_value as two_sided_p_value
from jaxeval.ops.sliced import SlicedDistance as SlicedDistance
from jaxeval.ops.sliced import mind as mind
from jaxeval.ops.sliced import sliced_costs as sliced_costs
from jaxeval.ops.sliced import sliced_wasserstein as sliced_wasserstein
from jaxeval.ops.topology import geometry_score as geometry_score
from jaxeval.ops.topology import relative_living_times as relative_living_times

__all__ = [
    "PRDC",
    "AlphaPrecision",
    "ClassDiversity",
    "ClassFrechet",
    "ClassificationAccuracy",
    "ClipScore",
    "ClippedDensityCoverage",
    "ClusteredDifference",
    "ClusteredMean",
    "DataCopying",
    "Difference",
    "Discrepancy",
    "ExtrapolatedFrechet",
    "FeatureLikelihood",
    "FrechetJackknife",
    "FrechetUncertainty",
    "Gaussian",
    "InceptionScore",
    "Interval",
    "Jackknife",
    "KernelDistance",
    "MatrixSqrt",
    "Membership",
    "MemorisationInformedFrechet",
    "Moments",
    "OwnNeighbours",
    "PRDCDifference",
    "PRDCurve",
    "ProbabilisticPrecisionRecall",
    "SlicedDistance",
    "Subsampling",
    "alpha_precision",
    "authenticity",
    "c_t_score",
    "class_diversity",
    "class_frechet",
    "classification_accuracy_score",
    "clip_score",
    "clipped_density_coverage",
    "clustered_mean",
    "clustered_ratio",
    "cmmd",
    "cmmd_difference",
    "covariance",
    "empty_moments",
    "fd_infinity",
    "feature_moments",
    "fld",
    "frechet_difference",
    "frechet_distance",
    "frechet_distance_between",
    "frechet_distance_from_features",
    "frechet_distance_on_device",
    "frechet_jackknife",
    "frechet_jackknife_of_groups",
    "frechet_uncertainty",
    "frechet_witness",
    "gaussian_from_features",
    "gaussian_from_moments",
    "geometry_score",
    "group_numbers",
    "inception_score",
    "inception_score_difference",
    "inception_score_error",
    "interval",
    "jackknife",
    "kid",
    "kid_full",
    "matrix_sqrt",
    "mean_difference",
    "mean_interval",
    "median_distance",
    "membership",
    "memorisation_distance",
    "merge_moments",
    "mifid",
    "mind",
    "mmd",
    "mmd_difference",
    "moments_on_device",
    "moments_on_host",
    "msid",
    "own_neighbours",
    "paired_clustered_difference",
    "permutation_p_value",
    "prd_curve",
    "prd_f_scores",
    "prdc",
    "prdc_difference",
    "precision_recall_distribution",
    "probabilistic_precision_recall",
    "rarity",
    "realism",
    "reduce_moments",
    "relative_living_times",
    "rke",
    "share_interval",
    "sliced_costs",
    "sliced_wasserstein",
    "subsampling",
    "two_sided_p_value",
    "vendi_score",
    "vendi_score_of_similarities",
]
