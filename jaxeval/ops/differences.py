"""Do two generators differ? Differences of their metrics against one reference, with standard errors and p-values.

What the choice of the reference does to both metrics cancels in their difference, so it is known better than the
intervals of the two metrics suggest. A p-value is that of the hypothesis that both generators make the same
distribution: then rows may be permuted between them. Where a metric is (or to third order is) a difference of means of
values that each row has by itself, thousands of permutations cost next to nothing, and that is how it is done here.
(For the Fréchet distance see `frechet_difference`.)
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, feature_rows, square_block, unit_rows
from jaxeval.ops._mmd import across_parts, chosen_kernel, covariance_part, standard_error, within_parts
from jaxeval.ops.kernels import Kernel, pair_sums, prepare
from jaxeval.ops.manifold import manifold_counts, prdc, prdc_of_counts
from jaxeval.ops.neighbours import Tie
from jaxeval.ops.resampling import Difference, permutation_p_value, subsampling, two_sided_p_value


class PRDCDifference(NamedTuple):
    """Differences of precision, recall, density and coverage between two generators, each with its p-value.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 100, 8))
      >>> differences = ops.prdc_difference(reference=reference, first=first, second=0.5 * second, permutations=99)
      >>> round(differences.recall.value, 2), round(differences.coverage.value, 2)
      (-0.72, -0.02)
    """

    precision: Difference
    recall: Difference
    density: Difference
    coverage: Difference


@takes_arrays
def mean_difference(*, first: Numbers, second: Numbers, permutations: int = 9999, seed: int = 0) -> Difference:
    """Difference of the means of one value a sample: scores of single images, memberships, correct labels.

    Args:
      first: shape [A].
      second: shape [B].
      permutations: number of random permutations that the p-value is found from.
      seed: seeds the permutations.

    Raises:
      InputError: not vectors of at least two finite values.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> first, second = np.random.default_rng(0).normal(size=(2, 50))
      >>> difference = ops.mean_difference(first=first, second=second - 1, permutations=99)
      >>> round(difference.value, 2), round(difference.standard_error, 2), difference.p_value
      (-1.1, 0.19, 0.01)
    """
    p_value = permutation_p_value(first, second, permutations=permutations, seed=seed)
    sides = [np.asarray(values, np.float64) for values in (first, second)]
    variances = [float(values.var(ddof=1)) / len(values) for values in sides]
    # Welch's and Satterthwaite's degrees of freedom.
    total = sum(variances)
    rest = sum(v**2 / (len(values) - 1) for v, values in zip(variances, sides, strict=True))
    degrees = total**2 / rest if rest else math.inf
    return Difference(float(sides[1].mean() - sides[0].mean()), math.sqrt(total), degrees, p_value)


@takes_arrays
def mmd_difference(
    *,
    reference: Numbers,
    first: Numbers,
    second: Numbers,
    kernel: Literal["rbf", "laplacian", "linear", "polynomial"] | str = "polynomial",
    bandwidth: float | Sequence[float] | Literal["median"] | str = "median",
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    permutations: int = 9999,
    seed: int = 0,
) -> Difference:
    """Unbiased squared discrepancy of the second generator less that of the first; by default the kernel distance's.

    The standard error is a closed form by Hoeffding's decomposition, as that of `mmd`, with the reference's part that
    both share; it takes both generators' rows as independent. The p-value permutes rows between the generators: the
    difference is that of the means of the kernel's mean over both sets less that over the reference.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      first: shape [A, D].
      second: shape [B, D].
      kernel: one of the kernels of `mmd`.
      bandwidth: "median" takes the median distance between rows of all three sets.
      degree: degree of the polynomial kernel.
      gamma: factor of the inner product in the polynomial kernel; None stands for 1 / D.
      coef0: constant of the polynomial kernel.
      permutations: number of random permutations that the p-value is found from.
      seed: seeds the permutations.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has fewer than four rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 100, 8))
      >>> difference = ops.mmd_difference(reference=reference, first=first, second=second + 1, permutations=99)
      >>> round(difference.value, 2), difference.p_value
      (6.82, 0.01)
    """
    rows = _three(reference, first, second)
    both = np.concatenate(rows[1:]) if kernel in ("rbf", "laplacian") and isinstance(bandwidth, str) else rows[1]
    chosen = chosen_kernel((rows[0], both), kernel, bandwidth, degree, gamma, coef0)
    return _kernel_difference(rows, chosen, 1.0, permutations, seed)


@takes_arrays
def cmmd_difference(
    *, reference: Numbers, first: Numbers, second: Numbers, permutations: int = 9999, seed: int = 0
) -> Difference:
    """Unbiased CMMD of the second generator less that of the first; for equal numbers of rows the biased ones' too.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      first: shape [A, D].
      second: shape [B, D].
      permutations: number of random permutations that the p-value is found from.
      seed: seeds the permutations.

    Raises:
      InputError: a shape, dtype or value is wrong, a row is all zeros, or a set has fewer than four rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 100, 8))
      >>> difference = ops.cmmd_difference(reference=reference, first=first, second=second + 1, permutations=99)
      >>> round(difference.value, 2), difference.p_value
      (4.88, 0.01)
    """
    names = ("reference", "first", "second")
    units = [unit_rows(name, rows) for name, rows in zip(names, _three(reference, first, second), strict=True)]
    chosen = chosen_kernel((units[0], units[1]), "rbf", 10.0, 3, None, 1.0)
    return _kernel_difference(units, chosen, 1000.0, permutations, seed)


@takes_arrays
def prdc_difference(
    *,
    reference: Numbers,
    first: Numbers,
    second: Numbers,
    k: int = 5,
    tie: Tie | str = "exclusive",
    permutations: int = 9999,
    seed: int = 0,
) -> PRDCDifference:
    """Precision, recall, density and coverage of the second generator less those of the first.

    Standard errors by subsampling, the same reference rows on both sides. The p-values of precision and density
    permute rows, which count for them one by one; recall and coverage depend on a generated set as a whole, theirs are
    Student's, from the standard error.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      first: shape [A, D].
      second: shape [B, D].
      k: see `prdc`.
      tie: see `prdc`.
      permutations: number of random permutations that the p-values are found from.
      seed: seeds the subsets and the permutations.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has no more than 3 k + 2 rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 100, 8))
      >>> differences = ops.prdc_difference(reference=reference, first=first, second=second + 1, permutations=99)
      >>> round(differences.precision.value, 2), differences.precision.p_value
      (-0.3, 0.01)
    """
    rows = _three(reference, first, second)
    counts = [manifold_counts(rows[0], side, k, tie) for side in rows[1:]]
    ours, theirs = (prdc_of_counts(part, k) for part in counts)
    values = np.subtract(theirs, ours)

    def difference(reference: np.ndarray, first: np.ndarray, second: np.ndarray) -> Float[np.ndarray, " 4"]:
        known = rows[0][reference]
        ones, others = (
            prdc(reference=known, generated=side[chosen], k=k, tie=tie)
            for side, chosen in ((rows[1], first), (rows[2], second))
        )
        return np.subtract(others, ones)

    sizes = {"reference": len(rows[0]), "first": len(rows[1]), "second": len(rows[2])}
    spread = subsampling(difference, sizes, seed=seed)
    singles = {
        0: [(part.holding > 0).astype(float) for part in counts],
        2: [part.holding / k for part in counts],
    }
    differences = []
    for place, (value, error) in enumerate(zip(values, spread.standard_error, strict=True)):
        if place in singles:
            p_value = permutation_p_value(*singles[place], permutations=permutations, seed=seed)
        else:
            p_value = two_sided_p_value(float(value), float(error), spread.degrees)
        differences.append(Difference(float(value), float(error), spread.degrees, p_value))
    return PRDCDifference(*differences)


@takes_arrays
def inception_score_difference(
    *, first: Numbers, second: Numbers, permutations: int = 9999, seed: int = 0
) -> Difference:
    """Inception score of the second generator less that of the first, each over all its images at once.

    The standard error is that of the delta method. The p-value is found by permuting images; to third order it is
    that of the difference of the logarithms.

    Args:
      first: logits, shape [A, C].
      second: logits, shape [B, C].
      permutations: number of random permutations that the p-value is found from.
      seed: seeds the permutations.

    Raises:
      InputError: a shape, dtype or value is wrong, or fewer than two rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> first, second = np.random.default_rng(0).normal(size=(2, 100, 10))
      >>> difference = ops.inception_score_difference(first=3 * first, second=second, permutations=99)
      >>> round(difference.value, 2), difference.p_value
      (-2.3, 0.01)
    """
    rows = feature_pair(first, second)
    logs = [log_softmax(part.astype(np.float64), axis=1) for part in rows]
    shares = [np.exp(part) for part in logs]
    own = [np.where(p > 0, p * log_p, 0).sum(1) for p, log_p in zip(shares, logs, strict=True)]

    def divergences(side: int, mean: Float[np.ndarray, " c"]) -> Float[np.ndarray, " n"]:
        return own[side] - shares[side] @ np.log(np.where(mean > 0, mean, 1))

    alone = [divergences(side, shares[side].mean(0)) for side in (0, 1)]
    if min(map(len, alone)) < 2:
        raise InputError(f"first has {len(alone[0])} rows and second {len(alone[1])}; a difference needs at least 2")
    scores = [math.exp(part.mean()) for part in alone]
    errors = [score * float(part.std(ddof=1)) / math.sqrt(len(part)) for score, part in zip(scores, alone, strict=True)]
    together = np.concatenate(shares).mean(0)
    p_value = permutation_p_value(
        divergences(0, together), divergences(1, together), permutations=permutations, seed=seed
    )
    return Difference(scores[1] - scores[0], math.hypot(*errors), math.inf, p_value)


def _three(reference: Numbers, first: Numbers, second: Numbers) -> list[np.ndarray]:
    sets = {"reference": reference, "first": first, "second": second}
    rows = [feature_rows(name, features) for name, features in sets.items()]
    if len({part.shape[1] for part in rows}) > 1:
        raise InputError(
            f"reference, first and second have {', '.join(str(part.shape[1]) for part in rows)} features a row; "
            "all must come from the same extractor"
        )
    return rows


def _kernel_difference(
    rows: Sequence[np.ndarray], kernel: Kernel, scale: float, permutations: int, seed: int
) -> Difference:
    n, a, b = map(len, rows)
    if min(n, a, b) < 4:
        raise InputError(f"the sets have {n}, {a} and {b} rows; a difference of discrepancies needs four rows of each")
    prepared = prepare(kernel, *rows, block=square_block())
    aa, bb, ab = pair_sums(prepared, 1, 1), pair_sums(prepared, 2, 2), pair_sums(prepared, 1, 2)
    ax, bx = pair_sums(prepared, 1, 0), pair_sums(prepared, 2, 0)
    value = bb.rows.sum() / (b * (b - 1)) - aa.rows.sum() / (a * (a - 1))
    value -= 2 * (bx.rows.sum() / (b * n) - ax.rows.sum() / (a * n))
    firsts, rests = [], []
    for count, within, across in ((a, aa, ax), (b, bb, bx)):
        own, shared = within_parts(within), across_parts(across)
        firsts.append(4 * (own.first + shared.first_x - 2 * covariance_part(within.rows, across.rows, n)) / count)
        rests += [2 * own.rest / (count * (count - 1)), 4 * shared.rest / (count * n)]
    # Of E[k(a, x) | x] - E[k(b, x) | x].
    alike = float(np.cov(ax.columns / a, bx.columns / b)[0, 1])
    firsts.append(4 * (across_parts(ax).first_y + across_parts(bx).first_y - 2 * alike) / n)
    error = standard_error(firsts, rests)
    others = a + b - 1
    witness = (
        (aa.rows + ab.rows) / others - ax.rows / n,
        (bb.rows + ab.columns) / others - bx.rows / n,
    )
    p_value = permutation_p_value(*witness, permutations=permutations, seed=seed)
    return Difference(scale * float(value), scale * error, math.inf, p_value)
