"""Gaussians fitted to feature vectors, held in whichever form keeps their digits, on the host in float64.

The Fréchet distance needs a root of the covariance. Two forms lead there:

- `factor`, a matrix F with covariance F^T F: the centred rows over sqrt(N - ddof), or the triangle of their QR
  decomposition. Nothing was squared, so a singular Gaussian is as good as any other;
- `covariance`, whose size does not depend on N. Squaring turned relative errors of 1e-16 in the rows into absolute
  errors of 1e-16 in the smallest eigenvalues, of 1e-8 in their roots. Where that matters, and the rows are at hand,
  `gaussian_from_features` keeps a factor instead.

A covariance that was rounded, or computed, in fewer than float64's digits can have eigenvalues below zero, and beside
them as many above zero that mean as little: `semidefinite_covariance` tells them from an indefinite matrix.
"""

import contextlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from jaxeval._arrays import AnyArray, Numbers, as_float64, check_shape
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.moments import Moments, covariance, host_moments, moments_on_host

_potrf, _pstrf = scipy.linalg.get_lapack_funcs(("potrf", "pstrf"), dtype=np.float64)

_FLOAT64 = float(np.finfo(np.float64).eps)
# Least share of a feature's variance that the features before it must leave unexplained for the covariance to do:
# the error of the root, about 1e-16 / sqrt(share), then stays far below the 1e-9 that a distance is promised to.
_WELL_CONDITIONED = 1e-8
# Error of an entry of a covariance that float32 sums of products gave, as a share of the root of both features' mean
# squares: twice the random walk of 64 products; sums of more terms run in blocks.
_COMPUTED = 16.0 * 2.0**-24
# Beside an eigenvalue of -e that rounding made stand others of up to e, for its errors have either sign; half as much
# again is room for the edge of their distribution.
_NOISE_EDGE = 1.5
_QR_ROWS_PER_COLUMN = 4  # rows folded into the triangle at once: a quarter more work than one QR, memory O(d^2)


class Gaussian(NamedTuple):
    """Mean, and either covariance or factor, of a Gaussian; what `frechet_distance_between` compares.

    Attributes:
      mean: shape [d].
      covariance: shape [d, d], symmetric positive semidefinite of any rank, or None.
      factor: shape [r, d] with covariance factor^T factor, any r, or None.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> standard = ops.Gaussian(mean=np.zeros(3), covariance=np.eye(3))
      >>> wider = ops.Gaussian(mean=np.zeros(3), factor=2 * np.eye(3))
      >>> round(ops.frechet_distance_between(standard, wider), 6)
      3.0
    """

    mean: AnyArray
    covariance: AnyArray | None = None
    factor: AnyArray | None = None


@takes_arrays
def gaussian_from_moments(moments: Moments, *, ddof: int = 1) -> Gaussian:
    """The Gaussian of a state of streaming moments, by its covariance, in float64.

    Args:
      moments: a host or a device state of more than `ddof` rows.
      ddof: 1 for the unbiased covariance, 0 to divide by the count.

    Raises:
      InputError: the state has no more than `ddof` rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> moments = ops.feature_moments(np.array([[0.0, 0.0], [2.0, 4.0]]))
      >>> gaussian = ops.gaussian_from_moments(moments)
      >>> gaussian.mean, gaussian.covariance.tolist()
      (array([1., 2.]), [[2.0, 4.0], [4.0, 8.0]])
    """
    moments = moments_on_host(moments)
    return Gaussian(mean=moments.mean, covariance=covariance(moments, ddof))


@takes_arrays
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

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.random.default_rng(0).normal(size=(100, 4))
      >>> gaussian = ops.gaussian_from_features(features)
      >>> gaussian.mean.shape, gaussian.covariance.shape
      ((4,), (4, 4))
      >>> ops.gaussian_from_features(features[:3]).factor.shape
      (3, 4)
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
        hint = "" if precision > _FLOAT64 else ", and one that was computed in float32 as float32"
        raise InputError(f"{name} is not positive semidefinite; a covariance matrix is expected{hint}")
    factor = np.zeros((rank, matrix.shape[0]))
    factor[:, np.flatnonzero(live)[order]] = lower.T * deviation[order]
    return factor


class SemidefiniteCovariance(NamedTuple):
    """A covariance whose eigenvalues are none below zero.

    Attributes:
      matrix: shape [d, d], float64, symmetric.
      negative: size of the least eigenvalue of the matrix as it was given, as a share of its trace; 0.0 where rounding
        to float64 explains it, and nothing was changed.
    """

    matrix: Float[np.ndarray, "d d"]
    negative: float


def semidefinite_covariance(matrix: AnyArray, *, mean: Float[np.ndarray, " d"], name: str) -> SemidefiniteCovariance:
    """The covariance that a matrix of whatever precision stands for; it is changed only where it is not semidefinite.

    Rounding moves an eigenvalue by no more than the norm of what it did to the entries (Weyl, 1912). Rounding to the
    matrix's own dtype, of unit u, moved them by u |matrix| in the Frobenius norm at most; float32 arithmetic, whatever
    dtype kept its results, by 16 * 2^-24 of the mean squared length of a feature vector. An eigenvalue below zero by no
    more than both together counts as zero, and so does every one up to 1.5 times its size: those are the positive half
    of the same noise, and their roots would show in a distance.

    Args:
      matrix: shape [d, d], finite and symmetric to its precision; its dtype says to which unit it was rounded.
      mean: of the features, which a covariance may have been computed without subtracting.
      name: what messages call the matrix.

    Raises:
      InputError: an eigenvalue is further below zero.

    Reference: Weyl, "Das asymptotische Verteilungsgesetz der Eigenwerte", Mathematische Annalen 71, 1912.
    """
    values = np.asarray(matrix, np.float64)
    values = (values + values.T) / 2.0
    if not _potrf(values.T, lower=1)[1]:
        return SemidefiniteCovariance(values, 0.0)
    dtype = np.asarray(matrix).dtype
    rounding = jnp.finfo(dtype) if jnp.issubdtype(dtype, jnp.floating) else jnp.finfo(np.float64)
    if float(rounding.eps) <= _FLOAT64:
        with contextlib.suppress(InputError):
            covariance_factor(values, name, float(rounding.eps))
            return SemidefiniteCovariance(values, 0.0)
    eigenvalues, vectors = scipy.linalg.eigh(values, check_finite=False)
    trace, least = float(np.trace(values)), float(-eigenvalues[0])
    squares = max(trace, 0.0) + float(np.square(mean).sum())
    units = np.maximum(float(rounding.eps) / 2 * np.abs(values), float(rounding.smallest_subnormal) / 2)
    if least > float(np.linalg.norm(units)) + _COMPUTED * squares:
        size = f"{-least / trace:.2g} of its trace" if trace > 0 else f"{-least:.2g}"
        raise InputError(
            f"{name} is not positive semidefinite: its least eigenvalue is {size}, further below zero than rounding "
            "explains; a covariance matrix is expected"
        )
    noise = max(_NOISE_EDGE * least, len(values) * _FLOAT64 * float(eigenvalues[-1]))
    kept = eigenvalues > noise
    factor = (vectors[:, kept] * np.sqrt(eigenvalues[kept])).T
    of_float64 = least <= _COMPUTED * 2.0**-29 * squares
    return SemidefiniteCovariance(factor.T @ factor, 0.0 if of_float64 or trace <= 0 else least / trace)


def gaussian_factor(gaussian: Gaussian, name: str) -> Float[np.ndarray, "r d"]:
    """A factor of the covariance of a Gaussian in either form, of whatever precision.

    Args:
      gaussian: with `covariance` or `factor`.
      name: what messages call the covariance.

    Raises:
      InputError: the covariance is not positive semidefinite.
    """
    if gaussian.factor is not None:
        return np.asarray(gaussian.factor, np.float64)
    assert gaussian.covariance is not None
    matrix = np.asarray(gaussian.covariance)
    if matrix.dtype != np.float64:
        matrix = semidefinite_covariance(matrix, mean=np.asarray(gaussian.mean, np.float64), name=name).matrix
    return covariance_factor(matrix, name, _FLOAT64)


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
