"""How far an estimated Fréchet distance is from that of the distributions: its bias and its standard error.

The distance is a smooth function of two means and two covariances, so that both follow from how far a single sample
moves it. With Sigma = F^T F on either side and F_x F_y^T = U diag(r) V^T, a sample x - mean_x = F_x^T w moves the
distance of its side by (Efron's infinitesimal jackknife; the derivative of the Bures distance is I - T, with T the
optimal transport map):

    2 (mean_x - mean_y).(x - mean_x) + |x - mean_x|^2 - sum_i r_i (w U)_i^2, less its mean,

and the second derivative gives the bias of a side of n samples, to order 1/n, without assuming a distribution:

    (tr Sigma + 1/2 sum_ij (E[(w U)_i^2 (w U)_j^2] - delta_ij) r_i r_j / (r_i + r_j)) / n.

For two equal standard normals of d dimensions that is d(d+5)/4 (1/N + 1/M). Where the distributions are equal the first
derivative vanishes; what is left of the variance then is that of the second-order term, for normal samples.

References: Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982; Malagò, Montrucchio, Pistone,
"Wasserstein Riemannian geometry of Gaussian densities", 2018; Chong and Forsyth, CVPR 2020 (the bias).
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.gaussian import Gaussian, gaussian_factor

# The bias is too small by at most this share of it, times the features over the images of the smaller set: a quarter to
# a third for normal features, a third to a half for those of a network (docs/interval_coverage.md).
_SHORTFALL = 0.5

# Singular values below this share of the largest are rounding of the eigenvalues they come from.
_NEGLIGIBLE = 1e-7


class FrechetUncertainty(NamedTuple):
    """Bias and standard error of a Fréchet distance of samples, in squared feature units as the distance.

    Attributes:
      bias: by how much the estimate exceeds the distance of the distributions on average; to first order in 1/N, 1/M.
      standard_error: standard deviation of the estimate; 0 where no set varies, which tells nothing of an error.
      bias_shortfall: by how much more than `bias` it may be, as its next orders in 1/N are not known; for sets of more
        samples than features.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> rows = np.random.default_rng(0).normal(size=(200, 4))
      >>> known = ops.Gaussian(mean=np.zeros(4), covariance=np.eye(4))
      >>> uncertainty = ops.frechet_uncertainty(
      ...     reference=known, generated=ops.gaussian_from_features(rows),
      ...     reference_rows=None, generated_rows=rows, n_reference=None, n_generated=200,
      ... )
      >>> round(uncertainty.bias, 3), round(uncertainty.standard_error, 3), round(uncertainty.bias_shortfall, 4)
      (0.045, 0.018, 0.0005)
    """

    bias: float
    standard_error: float
    bias_shortfall: float


class _Side(NamedTuple):
    factor: Float[np.ndarray, "r d"]
    rows: Float[np.ndarray, "n d"]  # centred
    coordinates: Float[np.ndarray, "n r"]  # rows = coordinates @ factor
    share: float  # 1 / number of samples; 0 for a Gaussian that is exact


@takes_arrays
def frechet_uncertainty(
    *,
    reference: Gaussian,
    generated: Gaussian,
    reference_rows: Float[np.ndarray, "n d"] | None,
    generated_rows: Float[np.ndarray, "m e"],
    n_reference: int | None,
    n_generated: int,
) -> FrechetUncertainty:
    """Bias and standard error of the Fréchet distance between two Gaussians that were fitted to samples.

    Args:
      reference: mean and covariance (over n_reference - 1) of all reference features.
      generated: mean and covariance (over n_generated - 1) of all generated features.
      reference_rows: features of some of the samples, drawn at random; some thousands are enough. None if there are
        none: the reference then counts as exact.
      generated_rows: features of some of the generated samples, drawn at random; they are needed.
      n_reference: number of samples that the Gaussian was fitted to; None for an exact one.
      n_generated: number of samples that the generated Gaussian was fitted to.

    Returns:
      Estimates in float64. They are asymptotic, for more samples than features; with fewer the bias is far too small.

    Raises:
      InputError: fewer than two rows, or shapes that disagree.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> uncertainty = ops.frechet_uncertainty(
      ...     reference=ops.gaussian_from_features(x), generated=ops.gaussian_from_features(y),
      ...     reference_rows=x, generated_rows=y, n_reference=200, n_generated=200,
      ... )
      >>> round(uncertainty.bias, 3), round(uncertainty.standard_error, 3)
      (0.088, 0.035)
    """
    x = _side(reference, reference_rows, n_reference, "reference")
    y = _side(generated, generated_rows, n_generated, "generated")
    if x.rows.shape[1] != y.rows.shape[1]:
        raise InputError(f"reference has {x.rows.shape[1]} features, generated has {y.rows.shape[1]}")
    left, roots, right = _singular_vectors(x.factor @ y.factor.T)
    shift = np.asarray(reference.mean, np.float64) - np.asarray(generated.mean, np.float64)
    # r_i r_j / (r_i + r_j), which is 0 where both are.
    pairs = roots[:, None] * roots[None, :] / np.maximum(roots[:, None] + roots[None, :], np.finfo(float).tiny)
    of_means = of_root = variance = 0.0  # the first two are parts of the bias
    spread = np.zeros((x.rows.shape[1],) * 2)
    for side, turn, sign in ((x, left, 1.0), (y, right, -1.0)):
        if side.share == 0.0:
            continue
        turned = np.square(side.coordinates @ turn)
        influence = 2.0 * sign * (side.rows @ shift) + np.square(side.rows).sum(1) - turned @ roots
        variance += float(influence.var(ddof=1)) * side.share
        fourth = turned.T @ turned / len(turned) - np.eye(len(roots))
        of_means += float(np.square(side.factor).sum()) * side.share
        of_root += 0.5 * float((fourth * pairs).sum()) * side.share
        spread += side.factor.T @ side.factor * side.share
    # Of the second-order term: each of its independent squares has twice its mean squared as variance.
    both = x.share + y.share
    squares = 2.0 * np.square(spread).sum() + np.square(both * pairs).sum() + np.square(both * np.diag(pairs)).sum()
    # Noise in the first derivative adds twice as much to its square as there is variance of second order.
    standard_error = np.sqrt(max(variance - squares, squares))
    bias, root = of_means + of_root, float(roots.sum())
    shortfall = 0.0
    if root > 0.0:
        # The next order in 1/N: measured for normal samples of equal and other covariances, d = 16 and 64, N = 6 d to
        # 80 d. It comes from the root, as its first order does: the means' part is exact.
        more = min(bias**2 / root, max(of_root, 0.0))
        bias += more
        crowding = len(roots) * max(x.share, y.share)  # features that vary, for each image
        shortfall = min(_SHORTFALL * crowding * bias, max(of_root, 0.0) + more)
    return FrechetUncertainty(bias, float(standard_error), shortfall)


def _side(gaussian: Gaussian, rows: Float[np.ndarray, "n d"] | None, count: int | None, name: str) -> _Side:
    if rows is None or count is None:
        factor = gaussian_factor(gaussian, name)
        none = np.zeros((0, factor.shape[1]))
        return _Side(factor, none, none @ factor.T, 0.0)
    rows = np.asarray(rows, np.float64) - np.asarray(gaussian.mean, np.float64)
    if len(rows) < 2:
        raise InputError(f"{name}_rows has {len(rows)} rows; a variance needs at least 2")
    if gaussian.factor is not None:
        factor = np.asarray(gaussian.factor, np.float64)
        if len(factor) == count == len(rows):
            # The factor is the rows: coordinates are unit vectors, whatever the rank.
            return _Side(factor, rows, np.sqrt(count - 1.0) * np.eye(count), 1.0 / count)
    factor = gaussian_factor(gaussian, name)
    orthogonal, triangle = np.linalg.qr(factor.T)
    pivots = np.abs(np.diag(triangle))
    if len(pivots) and pivots.min() > _NEGLIGIBLE * pivots.max():
        coordinates = scipy.linalg.solve_triangular(triangle, (rows @ orthogonal).T, check_finite=False).T
    else:  # features that depend on one another, or never vary
        coordinates = rows @ np.linalg.pinv(factor, rcond=_NEGLIGIBLE)
    return _Side(factor, rows, coordinates, 1.0 / count)


def _singular_vectors(
    cross: Float[np.ndarray, "r s"],
) -> tuple[Float[np.ndarray, "r k"], Float[np.ndarray, " k"], Float[np.ndarray, "s k"]]:
    """Those whose singular value counts; by eigenvectors of the smaller square, which is a third of an SVD's work."""
    if cross.shape[0] > cross.shape[1]:
        right, roots, left = _singular_vectors(cross.T)
        return left, roots, right
    squares, left = np.linalg.eigh(cross @ cross.T)
    roots = np.sqrt(np.maximum(squares, 0.0))
    kept = roots > _NEGLIGIBLE * roots.max(initial=0.0)
    left, roots = left[:, kept], roots[kept]
    return left, roots, cross.T @ left / roots
