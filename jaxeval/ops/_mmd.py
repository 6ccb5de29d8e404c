"""Squared maximum mean discrepancy over all pairs of two sets, with its closed-form standard error.

References: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012; Jayasumana et al., "Rethinking FID: Towards a Better
Evaluation Metric for Image Generation", CVPR 2024 (CMMD); Hoeffding, "A Class of Statistics with Asymptotically Normal
Distribution", 1948 (the variance).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, square_block, unit_rows
from jaxeval.ops.kernels import Exponential, Kernel, PairSums, Polynomial, pair_sums, prepare

_MEDIAN_ROWS = 1000
_CMMD_BANDWIDTH = 10.0
_CMMD_SCALE = 1000.0


class Discrepancy(NamedTuple):
    """A squared maximum mean discrepancy.

    Attributes:
      value: the estimate of the squared discrepancy; the unbiased one may be below 0.
      standard_error: standard error of `value`, in the same unit; NaN where a set has fewer than four rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> discrepancy = ops.mmd(reference=reference, generated=generated + 1)
      >>> round(discrepancy.value, 3), round(discrepancy.standard_error, 3)
      (0.251, 0.023)
    """

    value: float
    standard_error: float


@takes_arrays
def mmd(
    *,
    reference: Numbers,
    generated: Numbers,
    kernel: Literal["rbf", "laplacian", "linear", "polynomial"] | str = "rbf",
    bandwidth: float | Sequence[float] | Literal["median"] | str = "median",
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    biased: bool = False,
) -> Discrepancy:
    """Squared maximum mean discrepancy over all pairs.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      kernel: "rbf": exp(-|x-y|^2 / (2 b^2)); "laplacian": exp(-|x-y|_1 / b); "linear": x.y (then the biased value is
        the squared distance of the means); "polynomial": (gamma x.y + coef0)^degree.
      bandwidth: b of the first two; several give the sum of their kernels; "median" takes `median_distance` (for
        "laplacian", in the sum of absolute differences).
      degree: degree of the polynomial kernel.
      gamma: factor of the inner product in the polynomial kernel; None stands for 1 / D.
      coef0: constant of the polynomial kernel.
      biased: the mean over all pairs, a row with itself included (V-statistic, never below 0), instead of the
        unbiased mean over pairs of different rows.

    Raises:
      InputError: a shape, dtype or value is wrong, fewer than two rows in a set, or an unknown kernel.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> round(ops.mmd(reference=reference, generated=generated, bandwidth=2.0).value, 3)
      -0.004
      >>> round(ops.mmd(reference=reference, generated=generated + 1, bandwidth=2.0).value, 3)
      0.201
    """
    rows = feature_pair(reference, generated)
    return _discrepancy(*rows, chosen_kernel(rows, kernel, bandwidth, degree, gamma, coef0), biased)


@takes_arrays
def kid_full(
    *, reference: Numbers, generated: Numbers, degree: int = 3, gamma: float | None = None, coef0: float = 1.0
) -> Discrepancy:
    """Kernel distance over all pairs at once: unbiased, without subsets, with its standard error.

    It estimates what the mean over `kid`'s subsets estimates, from all pairs, so with less variance.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      degree: degree of the polynomial kernel (gamma x.y + coef0)^degree.
      gamma: factor of the inner product in that kernel; None stands for 1 / D.
      coef0: constant that is added to it.

    Raises:
      InputError: a shape, dtype or value is wrong, or fewer than two rows in a set.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> distance = ops.kid_full(reference=reference, generated=generated + 1)
      >>> round(distance.value, 2), round(distance.standard_error, 2)
      (8.48, 1.15)
    """
    return mmd(reference=reference, generated=generated, kernel="polynomial", degree=degree, gamma=gamma, coef0=coef0)


@takes_arrays
def cmmd(*, reference: Numbers, generated: Numbers, biased: bool = True) -> Discrepancy:
    """CMMD: 1000 times the squared discrepancy of L2-normalised embeddings under an RBF kernel of bandwidth 10.

    The published metric takes CLIP ViT-L/14-336 embeddings and the biased estimate.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      biased: False for the unbiased estimate, which does not depend on the numbers of samples.

    Raises:
      InputError: a shape, dtype or value is wrong, a row is all zeros, or fewer than two rows in a set.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> round(ops.cmmd(reference=reference, generated=generated + 1).value, 2)
      5.72
    """
    rows = feature_pair(reference, generated)
    units = unit_rows("reference", rows[0]), unit_rows("generated", rows[1])
    value, error = _discrepancy(*units, Exponential((_CMMD_BANDWIDTH,)), biased)
    return Discrepancy(_CMMD_SCALE * value, _CMMD_SCALE * error)


@takes_arrays
def median_distance(*, reference: Numbers, generated: Numbers, norm: Literal["l1", "l2"] = "l2") -> float:
    """Median distance between two rows of both sets together: the usual choice of a bandwidth.

    Taken over at most 1,000 rows of each set, drawn without replacement by `RandomState(0)`.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      norm: Euclidean distance, or the sum of absolute differences.

    Raises:
      InputError: a shape, dtype or value is wrong, or more than half of all pairs coincide.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.array([[0.0], [1.0]]), np.array([[4.0], [9.0]])
      >>> ops.median_distance(reference=reference, generated=generated)
      4.5
    """
    return _median_distance(feature_pair(reference, generated), norm)


def chosen_kernel(
    rows: tuple[np.ndarray, np.ndarray],
    kernel: str,
    bandwidth: float | Sequence[float] | str,
    degree: int,
    gamma: float | None,
    coef0: float,
) -> Kernel:
    """The kernel that `mmd` calls by these names; a median distance is that of both sets together.

    Raises:
      InputError: an unknown kernel, or a parameter is wrong.
    """
    if kernel in ("rbf", "laplacian"):
        norm = "l2" if kernel == "rbf" else "l1"
        return Exponential(_bandwidths(rows, bandwidth, norm), norm)
    if kernel == "polynomial":
        return Polynomial(degree, gamma, coef0)
    if kernel == "linear":
        return Polynomial(1, 1.0, 0.0)
    raise InputError(f"kernel is {kernel!r}; choose rbf, laplacian, linear or polynomial")


def _median_distance(sets: tuple[np.ndarray, np.ndarray], norm: Literal["l1", "l2"]) -> float:
    draws = np.random.RandomState(0)
    chosen = [
        rows if len(rows) <= _MEDIAN_ROWS else rows[draws.choice(len(rows), _MEDIAN_ROWS, replace=False)]
        for rows in sets
    ]
    together = np.concatenate(chosen).astype(np.float64)
    median = float(np.median(pdist(together, "cityblock" if norm == "l1" else "euclidean")))
    if not median > 0:
        raise InputError("the median distance between rows is 0, so it cannot be a bandwidth; name a bandwidth")
    return median


def _bandwidths(
    rows: tuple[np.ndarray, np.ndarray], bandwidth: float | Sequence[float] | str, norm: Literal["l1", "l2"]
) -> tuple[float, ...]:
    if isinstance(bandwidth, str):
        if bandwidth != "median":
            raise InputError(f"bandwidth is {bandwidth!r}; give numbers, or 'median'")
        return (_median_distance(rows, norm),)
    return tuple(float(b) for b in np.atleast_1d(np.asarray(bandwidth, np.float64)))


def _discrepancy(reference: np.ndarray, generated: np.ndarray, kernel: Kernel, biased: bool) -> Discrepancy:
    n, m = len(reference), len(generated)
    if min(n, m) < 2:
        raise InputError(f"a discrepancy needs two rows in each set; reference has {n} and generated {m}")
    prepared = prepare(kernel, reference, generated, block=square_block())
    xx, yy, xy = pair_sums(prepared, 0, 0), pair_sums(prepared, 1, 1), pair_sums(prepared, 0, 1)
    within = [xx.rows.sum(), yy.rows.sum()]
    pairs = [n * (n - 1), m * (m - 1)]
    if biased:
        within = [total + own for total, own in zip(within, prepared.diagonals, strict=True)]
        pairs = [n * n, m * m]
    value = within[0] / pairs[0] + within[1] / pairs[1] - 2 * xy.rows.sum() / (n * m)
    return Discrepancy(float(value), _standard_error(xx, yy, xy))


def _standard_error(xx: PairSums, yy: PairSums, xy: PairSums) -> float:
    """Square root of the estimated variance of U_xx + U_yy - 2 U_xy, by Hoeffding's decomposition.

    With h(x) = E k(x, x') - E k(x, y) and k~ the part of k that is not a sum of functions of one argument,

        4/n Var h(x) + 4/m Var h(y) + 2/(n(n-1)) Var k~_xx + 2/(m(m-1)) Var k~_yy + 4/(nm) Var k~_xy,

    each variance by its unbiased U-statistic over distinct rows, which is a polynomial in the sums at hand. A constant
    added to the kernel drops out of each. See `standard_error` for what comes out below 0.
    """
    n, m = len(xx.rows), len(yy.rows)
    if min(n, m) < 4:
        return math.nan
    x, y, both = within_parts(xx), within_parts(yy), across_parts(xy)
    first_x = x.first + both.first_x - 2 * covariance_part(xx.rows, xy.rows, m)
    first_y = y.first + both.first_y - 2 * covariance_part(yy.rows, xy.columns, n)
    rests = (2 * x.rest / (n * (n - 1)), 2 * y.rest / (m * (m - 1)), 4 * both.rest / (n * m))
    return standard_error([4 * first_x / n, 4 * first_y / m], rests)


def standard_error(firsts: Sequence[float], rests: Sequence[float]) -> float:
    """Square root of a sum of variances: those of first order, and what is left.

    Between equal distributions the former are 0, and their estimates as often below 0 as above. Were each cut off at
    0, the error would be overstated there by a tenth and its intervals would cover 99 times of 100 (measured); so they
    may take off up to half of the rest.
    """
    rest = sum(max(float(part), 0.0) for part in rests)
    return math.sqrt(max(float(sum(firsts)) + rest, rest / 2))


class WithinParts(NamedTuple):
    """Variance components of k(x, x') over different rows of one set.

    Attributes:
      first: of E[k(x, x') | x].
      rest: of what is left of k(x, x').
    """

    first: float
    rest: float


class AcrossParts(NamedTuple):
    """Variance components of k(x, y) over rows of two sets.

    Attributes:
      first_x: of E[k(x, y) | x].
      first_y: of E[k(x, y) | y].
      rest: of what is left of k(x, y).
    """

    first_x: float
    first_y: float
    rest: float


def within_parts(sums: PairSums) -> WithinParts:
    """Unbiased variance components of the kernel within one set of at least four rows, from its sums."""
    n = len(sums.rows)
    total, by_row = float(sums.rows.sum()), float(sums.rows @ sums.rows)
    mean_square = (total**2 - 4 * by_row + 2 * sums.squares) / (n * (n - 1) * (n - 2) * (n - 3))
    first = (by_row - sums.squares) / (n * (n - 1) * (n - 2)) - mean_square
    return WithinParts(first, sums.squares / (n * (n - 1)) - mean_square - 2 * first)


def across_parts(sums: PairSums) -> AcrossParts:
    """Unbiased variance components of the kernel across two sets of at least two rows each, from its sums."""
    n, m = len(sums.rows), len(sums.columns)
    total = float(sums.rows.sum())
    by_row, by_column = float(sums.rows @ sums.rows), float(sums.columns @ sums.columns)
    mean_square = (total**2 - by_row - by_column + sums.squares) / (n * (n - 1) * m * (m - 1))
    first_x = (by_row - sums.squares) / (n * m * (m - 1)) - mean_square
    first_y = (by_column - sums.squares) / (m * n * (n - 1)) - mean_square
    return AcrossParts(first_x, first_y, sums.squares / (n * m) - mean_square - first_x - first_y)


def covariance_part(within: Float[np.ndarray, " n"], across: Float[np.ndarray, " n"], m: int) -> float:
    """Cov(E[k(x, x') | x], E[k(x, y) | x]) from both sums of each row, the second one over m rows."""
    n, joint = len(within), float(within @ across)
    free = float(within.sum() * across.sum()) - 2 * joint
    return joint / (n * (n - 1) * m) - free / (n * (n - 1) * (n - 2) * m)
