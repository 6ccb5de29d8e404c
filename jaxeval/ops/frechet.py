"""Fréchet distance between two Gaussians, on the host in float64: the number that is reported.

    FD = |mean_x - mean_y|^2 + tr(cov_x) + tr(cov_y) - 2 tr sqrt(cov_x cov_y)

Everything hard is in the last term. With factors, cov = F^T F, it is the nuclear norm |F_x F_y^T|_*, the sum of
singular values. Three routes, from the fastest to the most exact; each states its error, and a result is accepted
once the error is below 1e-10 of the distance:

1. the roots of the eigenvalues of L^T cov_y L, where cov_x = L L^T: fast, but an eigenvalue close to zero loses half of
   its digits in the root;
2. the singular values of F_x F_y^T from rank-revealing factors, which need no root: any rank, no epsilon; but two
   nearly equal Gaussians still lose their difference in the subtraction;
3. the distance as what it is, |F_x - U F_y|^2 at the rotation U that singular vectors give: a sum of squares, which
   subtracts nothing large, cannot be negative, and forgives errors of U to second order.

References: Dowson, Landau, "The Fréchet distance between multivariate normal distributions", 1982; Heusel et al.,
"GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017 (arXiv:1706.08500).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from jaxeval._arrays import Numbers, as_float64, check_shape
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.gaussian import Gaussian, covariance_factor, gaussian_from_features, semidefinite_covariance

_potrf, _sygst = scipy.linalg.get_lapack_funcs(("potrf", "sygst"), dtype=np.float64)

_EPSILON = float(np.finfo(np.float64).eps)
_ACCEPTED_ERROR = 1e-10  # as a share of the distance: a tenth of what is promised


class _Side(NamedTuple):
    """A checked Gaussian in float64."""

    mean: Float[np.ndarray, " d"]
    matrix: Float[np.ndarray, "r d"]  # the covariance, or a factor of it
    is_factor: bool
    name: str  # what messages call the matrix

    def trace(self) -> float:
        """Total variance."""
        return float(np.vdot(self.matrix, self.matrix) if self.is_factor else np.trace(self.matrix))

    def factor(self) -> Float[np.ndarray, "r d"]:
        """A factor of the covariance."""
        return self.matrix if self.is_factor else covariance_factor(self.matrix, self.name, _EPSILON)


@takes_arrays
def frechet_distance(*, mean_x: Numbers, cov_x: Numbers, mean_y: Numbers, cov_y: Numbers) -> float:
    """Fréchet distance from two sets of statistics, in float64 on the host.

    Args:
      mean_x: feature means of one side, shape [d], any real dtype.
      cov_x: their covariance, shape [d, d], symmetric positive semidefinite, of any rank. Its dtype says to how many
        digits it is known: eigenvalues that are below zero by no more than rounding explains count as zero
        (`semidefinite_covariance`). Give one that was computed in float32 as float32.
      mean_y: feature means of the other side.
      cov_y: their covariance.

    Returns:
      The distance, in squared feature units; never negative. It is within 1e-9 of the exact distance of the given
      statistics, except where a covariance is singular to rounding: there the rounding of its own entries, 1e-16 of
      their size, leaves an uncertainty of about 1e-8 of sqrt(tr cov_x tr cov_y), which only features can remove
      (`frechet_distance_from_features`).

    Raises:
      InputError: shapes disagree, a value is not finite, or a covariance is not symmetric positive semidefinite.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> mean, covariance = np.zeros(3), np.eye(3)
      >>> round(ops.frechet_distance(mean_x=mean, cov_x=covariance, mean_y=mean + 1, cov_y=4 * covariance), 6)
      6.0
    """
    x = _side(Gaussian(mean_x, covariance=cov_x), mean="mean_x", covariance="cov_x", factor="")
    y = _side(Gaussian(mean_y, covariance=cov_y), mean="mean_y", covariance="cov_y", factor="")
    return _distance(x, y, "mean_x", "mean_y")


@takes_arrays
def frechet_distance_between(x: Gaussian, y: Gaussian) -> float:
    """Fréchet distance of two Gaussians, each by its covariance or by a factor of it, in float64 on the host.

    Args:
      x: exactly one of its `covariance` and `factor` is given.
      y: as x; the two may differ in which one.

    Returns:
      The distance, in squared feature units; never negative.

    Raises:
      InputError: as `frechet_distance`, or a Gaussian has both or neither of covariance and factor.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.random.default_rng(0).normal(size=(100, 4))
      >>> x, y = ops.gaussian_from_features(features), ops.gaussian_from_features(features + 1)
      >>> round(ops.frechet_distance_between(x, y), 6)
      4.0
    """
    left = _side(x, mean="x.mean", covariance="x.covariance", factor="x.factor")
    right = _side(y, mean="y.mean", covariance="y.covariance", factor="y.factor")
    return _distance(left, right, "x.mean", "y.mean")


@takes_arrays
def frechet_distance_from_features(*, reference: Numbers, generated: Numbers, ddof: int = 1) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features, in float64 on the host.

    Exact for any rank: where there are fewer rows than dimensions, or features depend on each other, no covariance
    is formed (`gaussian_from_features`).

    Args:
      reference: shape [N, d], any real dtype.
      generated: shape [M, d].
      ddof: 1 for unbiased covariances, 0 to divide by the counts.

    Returns:
      The distance, in squared feature units; never negative; within 1e-9 of the exact distance of the features.

    Raises:
      InputError: a shape is wrong, feature sizes differ, rows are too few, or a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 1000, 8))
      >>> round(ops.frechet_distance_from_features(reference=reference, generated=generated), 3)
      0.06
      >>> round(ops.frechet_distance_from_features(reference=reference, generated=generated + 1), 3)
      8.199
    """
    x = gaussian_from_features(reference, ddof=ddof, name="reference")
    y = gaussian_from_features(generated, ddof=ddof, name="generated")
    left = _side(x, mean="reference", covariance="reference", factor="reference")
    right = _side(y, mean="generated", covariance="generated", factor="generated")
    return _distance(left, right, "reference", "generated")


def _side(gaussian: Gaussian, *, mean: str, covariance: str, factor: str) -> _Side:
    """The Gaussian in float64; raises InputError under the given names of its parts."""
    centre = as_float64(mean, gaussian.mean)
    check_shape(mean, centre, (None,), "one mean a feature")
    size = centre.shape[0]
    if size == 0:
        raise InputError(f"{mean} is empty; a feature has at least one dimension")
    meaning = f"{mean} has {size} features"
    if gaussian.covariance is not None and gaussian.factor is None:
        check_shape(covariance, gaussian.covariance, (size, size), meaning)
        matrix = as_float64(covariance, gaussian.covariance)
        dtype = gaussian.covariance.dtype
        precision = float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.floating) else _EPSILON
        if np.abs(matrix - matrix.T).max(initial=0.0) > np.sqrt(precision) * np.abs(matrix).max(initial=0.0):
            raise InputError(f"{covariance} is not symmetric; a covariance matrix is expected")
        if precision > _EPSILON:
            matrix = semidefinite_covariance(gaussian.covariance, mean=centre, name=covariance).matrix
        return _Side(centre, matrix, False, covariance)
    if gaussian.factor is not None and gaussian.covariance is None:
        check_shape(factor, gaussian.factor, (None, size), meaning)
        return _Side(centre, as_float64(factor, gaussian.factor), True, factor)
    raise InputError(f"exactly one of {covariance} and {factor} must be given")


def _distance(x: _Side, y: _Side, name_x: str, name_y: str) -> float:
    if x.mean.shape != y.mean.shape:
        raise InputError(f"{name_x} has {x.mean.shape[0]} features, {name_y} has {y.mean.shape[0]}")
    shift = float(np.square(x.mean - y.mean).sum())
    if not x.is_factor and not y.is_factor:
        if np.array_equal(x.matrix, y.matrix):
            return shift
        distance, error = _by_eigenvalues(x.matrix, y.matrix)
        if error <= _ACCEPTED_ERROR * (shift + distance):
            return shift + distance
    factors = x.factor(), y.factor()
    traces = x.trace() + y.trace()
    cross = factors[0] @ factors[1].T
    distance = traces - 2.0 * float(np.linalg.svd(cross, compute_uv=False).sum())
    if _cancellation(traces) <= _ACCEPTED_ERROR * (shift + distance):
        return shift + distance
    return shift + _by_rotation(*factors, cross)


def _cancellation(traces: float) -> float:
    """What rounding leaves of sums of this size after they cancel; measured, d = 16 to 2048: below 0.7 epsilon."""
    return 2.0 * _EPSILON * traces


def _by_eigenvalues(a: Float[np.ndarray, "d d"], b: Float[np.ndarray, "d d"]) -> tuple[float, float]:
    """The covariance part of the distance, and its error: infinite where `a` is singular or `b` has no full rank."""
    lower, failed = _potrf(a.T, lower=1, clean=1)
    if failed:
        return 0.0, np.inf
    inner, _ = _sygst(b.T, lower, itype=2, lower=1)  # L^T b L, using its symmetry
    eigenvalues = scipy.linalg.eigvalsh(inner, lower=True, overwrite_a=True, check_finite=False)
    if eigenvalues[0] <= 0.0:
        return 0.0, np.inf
    roots = np.sqrt(eigenvalues)
    traces = float(np.trace(a) + np.trace(b))
    # Each eigenvalue is off by epsilon |a| |b| at worst, its root by that over twice the root; signs are independent.
    roots_error = _EPSILON * _largest_eigenvalue(a) * _largest_eigenvalue(b) * np.sqrt((0.25 / eigenvalues).sum())
    return traces - 2.0 * float(roots.sum()), _cancellation(traces) + 2.0 * float(roots_error)


def _largest_eigenvalue(matrix: Float[np.ndarray, "d d"]) -> float:
    """Its size, mostly within a few per cent and never above it: eight steps of the power method."""
    vector = matrix[int(np.argmax(np.diag(matrix)))]
    for _ in range(8):
        norm = np.linalg.norm(vector)
        if norm == 0.0:
            return 0.0
        vector = matrix @ (vector / norm)
    return float(np.linalg.norm(vector))


def _by_rotation(x: Float[np.ndarray, "r d"], y: Float[np.ndarray, "s d"], cross: Float[np.ndarray, "r s"]) -> float:
    """The covariance part of the distance of factors x and y, without subtracting anything large."""
    left, _, right = np.linalg.svd(cross, full_matrices=False)
    turned_x, turned_y = left.T @ x, right @ y
    # Rows of the longer factor that no rotation can match count in full.
    rest_x, rest_y = x - left @ turned_x, y - right.T @ turned_y
    return float(sum(np.square(part).sum() for part in (turned_x - turned_y, rest_x, rest_y)))
