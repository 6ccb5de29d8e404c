"""Gaussians fitted to feature vectors, held in whichever form keeps their digits, on the host in float64.

The Fréchet distance needs a root of the covariance. Two forms lead there:

- `factor`, a matrix F with covariance F^T F: the centred rows over sqrt(N - ddof), or the triangle of their QR
  decomposition. Nothing was squared, so a singular Gaussian is as good as any other;
- `covariance`, whose size does not depend on N. Squaring turned relative errors of 1e-16 in the rows into absolute
  errors of 1e-16 in the smallest eigenvalues, of 1e-8 in their roots. Where that matters, and the rows are at hand,
  `gaussian_from_features` keeps a factor instead.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from jaxeval.errors import InputError
from jaxeval.ops._arrays import AnyArray, Numbers, as_float64, check_shape
from jaxeval.ops.moments import Moments, covariance, host_moments, moments_on_host

__all__ = ["Gaussian", "covariance_factor", "gaussian_from_features", "gaussian_from_moments"]

_potrf, _pstrf = scipy.linalg.get_lapack_funcs(("potrf", "pstrf"), dtype=np.float64)

# Least share of a feature's variance that the features before it must leave unexplained for the covariance to do:
# the error of the root, about 1e-16 / sqrt(share), then stays far below the 1e-9 that a distance is promised to.
_WELL_CONDITIONED = 1e-8
_QR_ROWS_PER_COLUMN = 4  # rows folded into the triangle at once: a quarter more work than one QR, memory O(d^2)


class Gaussian(NamedTuple):
    """Mean, and either covariance or factor, of a Gaussian; what `frechet_distance_between` compares.

    Attributes:
      mean: shape [d].
      covariance: shape [d, d], symmetric positive semidefinite of any rank, or None.
      factor: shape [r, d] with covariance factor^T factor, any r, or None.
    """

    mean: AnyArray
    covariance: AnyArray | None = None
    factor: AnyArray | None = None


def gaussian_from_moments(moments: Moments, *, ddof: int = 1) -> Gaussian:
    """The Gaussian of a state of streaming moments, by its covariance, in float64.

    Args:
      moments: a host or a device state of more than `ddof` rows.
      ddof: 1 for the unbiased covariance, 0 to divide by the count.

    Raises:
      InputError: the state has no more than `ddof` rows.
    """
    moments = moments_on_host(moments)
    return Gaussian(mean=moments.mean, covariance=covariance(moments, ddof))


def gaussian_from_features(features: Numbers, *, ddof: int = 1, name: str = "features") -> Gaussian:
    """The Gaussian of the rows of `features`, in float64, in the form that keeps its digits.

    That is a factor of N rows where N <= d, a factor of d rows (blocked QR) where the covariance is close to
    singular, and the covariance otherwise.

    Args:
      features: shape [N, d], N > ddof, any real dtype; JAX arrays are copied to the host.
      ddof: 1 for the unbiased covariance, 0 to divide by the count.
      name: what messages call the features.

    Raises:
      InputError: a shape is wrong, rows are too few, or a value is not finite.
    """
    features = np.asarray(features)
    check_shape(name, features, (None, None), "one row a sample")
    rows, size = features.shape
    if rows <= ddof:
        raise InputError(f"{name} has {rows} rows; a covariance with ddof={ddof} needs more than {ddof}")
    if rows <= size:
        values = as_float64(name, features)
        mean = values.mean(0)
        return Gaussian(mean=mean, factor=(values - mean) / np.sqrt(rows - ddof))
    moments = host_moments(features, name=name)
    matrix, mean = np.asarray(covariance(moments, ddof)), np.asarray(moments.mean)
    if _least_pivot(matrix) >= _WELL_CONDITIONED:
        return Gaussian(mean=mean, covariance=matrix)
    return Gaussian(mean=mean, factor=_triangle(features, mean) / np.sqrt(rows - ddof))


def covariance_factor(matrix: Float[np.ndarray, "d d"], name: str, precision: float) -> Float[np.ndarray, "r d"]:
    """F with F^T F = matrix and as many rows as the matrix has rank: a pivoted Cholesky decomposition.

    The decomposition runs on the correlation matrix, so that features on different scales are judged alike, and stops
    where what is left is rounding: about sqrt(d) times `precision`, measured for covariances of streamed features.

    Args:
      matrix: symmetric, float64.
      name: what messages call the matrix.
      precision: machine epsilon of the dtype that the matrix came in.

    Raises:
      InputError: the matrix is not positive semidefinite.
    """
    variance = np.diag(matrix)
    live = variance > 0
    deviation = np.sqrt(variance[live])
    correlation = matrix[np.ix_(live, live)] / np.outer(deviation, deviation)
    size = len(deviation)
    if size == 0:
        lower, order, rank = np.zeros((0, 0)), np.zeros(0, int), 0
    else:
        noise = 4.0 * (4.0 + np.sqrt(size)) * precision
        packed, pivots, rank, _ = _pstrf(correlation.T, tol=noise, lower=1)
        lower, order = np.tril(packed)[:, :rank], pivots - 1  # LAPACK counts from one
    allowed = np.sqrt(precision)
    unexplained = 1.0 - np.square(lower).sum(1)
    dead = np.abs(matrix[~live])
    if (unexplained < -allowed).any() or (dead.size and dead.max() > allowed * np.abs(matrix).max()):
        raise InputError(f"{name} is not positive semidefinite; a covariance matrix is expected")
    factor = np.zeros((rank, matrix.shape[0]))
    factor[:, np.flatnonzero(live)[order]] = lower.T * deviation[order]
    return factor


def _least_pivot(matrix: Float[np.ndarray, "d d"]) -> float:
    """The least share of a feature's variance that the features before it leave unexplained; 0 if any has none."""
    lower, failed = _potrf(matrix.T, lower=1)
    if failed:
        return 0.0
    return float((np.square(np.diag(lower)) / np.diag(matrix)).min())


def _triangle(features: np.ndarray, mean: Float[np.ndarray, " d"]) -> Float[np.ndarray, "d d"]:
    """R of the QR decomposition of the centred rows, folding in a block at a time."""
    size = features.shape[1]
    step = _QR_ROWS_PER_COLUMN * size
    triangle = np.zeros((0, size))
    for start in range(0, features.shape[0], step):
        rows = np.concatenate([triangle, features[start : start + step] - mean])
        triangle = np.asarray(np.linalg.qr(rows, mode="r"))
    return triangle
