"""Standard errors and p-values by drawing from the samples at hand, always without replacement.

A bootstrap draws rows repeatedly. A repeated row is a neighbour at distance 0 and adds nothing to a covariance's rank,
so it shifts every metric here before it tells its spread. What is used instead:

- `jackknife`, groups of rows left out in turn: for smooth functions of means, such as a Fréchet distance, whose bias
  it finds too. Where one nearest neighbour decides, leaving rows out moves a metric more than new rows would: it then
  overstates the error, by half for precision and coverage.
- `subsampling`, the spread between disjoint thirds of the sets: for everything else. A third has fewer neighbours, so
  its value differs, but its spread, scaled by the root of the sizes, is nearly that of the whole.
- `permutation_p_value`, for two sets that would be exchangeable if they were equally good.

References: Shao and Tu, "The Jackknife and Bootstrap", 1995; Politis, Romano, Wolf, "Subsampling", 1999; Phipson and
Smyth, "Permutation P-values Should Never Be Zero", 2010; Wilson, "Probable Inference, the Law of Succession, and
Statistical Inference", 1927; Clopper and Pearson, "The Use of Confidence or Fiducial Limits", 1934.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError


class Interval(NamedTuple):
    """Where the expectation of an estimate lies with a given confidence.

    Attributes:
      low: lower end.
      high: upper end.

    Example:
      >>> from jaxeval import ops
      >>> ends = ops.interval(10.0, 1.0)
      >>> round(ends.low, 2), round(ends.high, 2)
      (8.04, 11.96)
    """

    low: float
    high: float

    def within(self, value: float, limits: tuple[float, float]) -> "Interval":
        """Without what lies beyond what the quantity can be; where its estimate lies there itself, up to that.

        Args:
          value: the estimate.
          limits: the least and the largest that the quantity can be.
        """
        return Interval(max(self.low, min(limits[0], value)), min(self.high, max(limits[1], value)))


class Difference(NamedTuple):
    """How much two generators differ against one reference: the second one's number less the first one's.

    Attributes:
      value: the difference, in the metric's unit.
      standard_error: standard error of `value`; the reference is the same on both sides, so what its choice does to
        both cancels.
      degrees: degrees of freedom of the standard error; infinite where it is a closed form.
      p_value: two-sided, of the hypothesis that both generators make the same distribution.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> first, second = np.random.default_rng(0).normal(size=(2, 50))
      >>> difference = ops.mean_difference(first=first, second=second - 1, permutations=99)
      >>> ends = ops.interval(difference.value, difference.standard_error, degrees=difference.degrees)
      >>> round(ends.low, 2), round(ends.high, 2)
      (-1.48, -0.71)
    """

    value: float
    standard_error: float
    degrees: float
    p_value: float


class Jackknife(NamedTuple):
    """What leaving out groups of rows in turn tells of a statistic; arrays if the statistic has several values.

    Attributes:
      value: the statistic of all rows.
      bias: estimate of how far `value` is from its limit for infinitely many rows, if that falls as one over them.
      standard_error: standard error of `value`.
      degrees: degrees of freedom of the standard error, for Student's t.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> rows = np.random.default_rng(0).normal(size=100)
      >>> result = ops.jackknife(lambda i: rows[i].std(), {"i": len(rows)})
      >>> result.value.shape, result.degrees
      ((), 19)
    """

    value: Float[np.ndarray, "..."]
    bias: Float[np.ndarray, "..."]
    standard_error: Float[np.ndarray, "..."]
    degrees: float


class Subsampling(NamedTuple):
    """Spread of a statistic between disjoint parts of the rows; an array if the statistic has several values.

    Attributes:
      standard_error: standard error of the statistic of all rows.
      degrees: degrees of freedom of the standard error, for Student's t.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> rows = np.random.default_rng(0).normal(size=99)
      >>> result = ops.subsampling(lambda i: np.median(rows[i]), {"i": len(rows)})
      >>> result.standard_error.shape, result.degrees
      ((), 10)
    """

    standard_error: Float[np.ndarray, "..."]
    degrees: float


def interval(value: float, standard_error: float, *, degrees: float = math.inf, confidence: float = 0.95) -> Interval:
    """`value` plus and minus Student's (or for infinite degrees the normal) quantile times its standard error.

    Raises:
      InputError: confidence is not between 0 and 1.

    Example:
      >>> from jaxeval import ops
      >>> low, high = ops.interval(10.0, 1.0, degrees=4, confidence=0.9)
      >>> round(low, 2), round(high, 2)
      (7.87, 12.13)
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    reach = float(stats.t.ppf((1 + confidence) / 2, degrees)) * standard_error
    return Interval(value - reach, value + reach)


@takes_arrays
def mean_interval(values: Numbers, *, confidence: float = 0.95) -> Interval:
    """Interval of the mean of one independent value a sample, by Student's t.

    For scores of single images (or pairs of images); for shares, as of correct labels, see `share_interval`. It answers
    for what the values say: not for a reference or a classifier that they were computed with.

    Raises:
      InputError: not a vector of at least two finite values.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> low, high = ops.mean_interval(np.array([28.0, 30.0, 32.0]))
      >>> round(low, 2), round(high, 2)
      (25.03, 34.97)
    """
    rows = _vector("values", values)
    error = float(rows.std(ddof=1)) / math.sqrt(len(rows))
    return interval(float(rows.mean()), error, degrees=len(rows) - 1, confidence=confidence)


def share_interval(share: float, count: int, *, reach: float = 0.0, confidence: float = 0.95) -> Interval:
    """Interval of a share of `count` samples, from 0 to 1, that holds close to 0 and 1 too.

    A share of samples that are drawn one by one varies as a binomial; one that depends on the others too, as through
    the balls of a precision, varies more, by what `reach` says. The interval holds every expectation p that the share
    is no farther from than z^2 p (1 - p) / count + extra, squared, z the normal quantile and `extra` what the square
    of `reach` exceeds the binomial's at the share itself: Wilson's score interval where there is no excess, and the
    share plus and minus `reach` in the middle. It is never narrower than Clopper and Pearson's, so that 0 of n gives
    [0, 3.7 / n] and all of n the like.

    Args:
      share: from 0 to 1.
      count: number of samples that the share is of.
      reach: half-width of the interval that another estimate of the share's spread gives, of the same confidence.
      confidence: confidence of the interval, between 0 and 1.

    Raises:
      InputError: a share outside of 0 to 1, no sample, a reach that is negative or not finite, or a confidence that is
        not between 0 and 1.

    Example:
      >>> from jaxeval import ops
      >>> low, high = ops.share_interval(0.0, 50)
      >>> round(low, 3), round(high, 3)
      (0.0, 0.071)
    """
    if not 0 <= share <= 1 or count < 1:
        raise InputError(f"share is {share} of {count} samples; it must be from 0 to 1, of at least 1 sample")
    if not 0 <= reach < math.inf:
        raise InputError(f"reach is {reach}; it must be 0 or more")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    tail = (1 - confidence) / 2
    square = float(stats.norm.ppf(1 - tail)) ** 2 / count
    extra = max(0.0, reach**2 - square * share * (1 - share))
    # (share - p)^2 = square p (1 - p) + extra, solved for p.
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4 + extra * (1 + square)) / (1 + square)
    hits = share * count
    low = float(stats.beta.ppf(tail, hits, count - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return Interval(max(0.0, min(low, middle - half)), min(1.0, max(high, middle + half)))


def jackknife(statistic: Callable[..., Any], sizes: Mapping[str, int], *, groups: int = 20, seed: int = 0) -> Jackknife:
    """Delete-a-group jackknife of a statistic of one or several sets.

    Each set is divided at random into `groups` groups; replicate g leaves out group g of every set. It costs `groups`
    + 1 evaluations.

    Args:
      statistic: called with an index array for each set by its name, `statistic(reference=..., generated=...)`;
        returns a number or an array of them.
      sizes: number of rows of each set.
      groups: number of groups.
      seed: seeds the division into groups.

    Raises:
      InputError: fewer than two groups, or a set has fewer rows than groups.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> x, y = np.random.default_rng(0).normal(size=(2, 100))
      >>> result = ops.jackknife(lambda i, j: x[i].mean() - y[j].mean(), {"i": len(x), "j": len(y)})
      >>> round(float(result.value), 2), round(float(result.standard_error), 2)
      (0.13, 0.12)
    """
    numbers = {name: group_numbers(size, groups, seed=seed, name=name) for name, size in sizes.items()}
    value = np.asarray(statistic(**{name: np.arange(size) for name, size in sizes.items()}), np.float64)
    replicates = [
        np.asarray(statistic(**{name: np.flatnonzero(of != group) for name, of in numbers.items()}), np.float64)
        for group in range(groups)
    ]
    return jackknife_of_replicates(value, np.stack(replicates))


def jackknife_of_replicates(value: Float[np.ndarray, "*v"] | float, replicates: Float[np.ndarray, "g *v"]) -> Jackknife:
    """Bias and standard error from a value and its replicates, each with another of g equal groups left out."""
    groups = len(replicates)
    bias = (groups - 1) * (replicates.mean(0) - value)
    variance = (groups - 1) / groups * np.square(replicates - replicates.mean(0)).sum(0)
    return Jackknife(np.asarray(value), np.asarray(bias), np.asarray(np.sqrt(variance)), groups - 1)


def subsampling(
    statistic: Callable[..., Any], sizes: Mapping[str, int], *, parts: int = 3, repeats: int = 5, seed: int = 0
) -> Subsampling:
    """Standard error of a statistic by its spread between disjoint parts of its sets.

    Each set is divided at random into `parts` parts, `repeats` times over; the variance between the parts of one
    division, averaged over the divisions and divided by `parts`, is that of the whole, as variances fall as one over
    the number of rows. (Where the statistic's first-order part vanishes, as for a distance between equal
    distributions, they fall faster, and the error is overstated, by the root of `parts` at most.)

    It costs parts * repeats evaluations of sets smaller by `parts`: 5/3 evaluations of a statistic of all pairs.

    Args:
      statistic: called with an index array for each set by its name; returns a number or an array of them.
      sizes: number of rows of each set.
      parts: number of parts.
      repeats: number of divisions.
      seed: seeds the divisions.

    Raises:
      InputError: fewer than two parts or no division, or a set has fewer rows than parts.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> x, y = np.random.default_rng(0).normal(size=(2, 99))
      >>> result = ops.subsampling(lambda i, j: np.median(x[i]) - np.median(y[j]), {"i": len(x), "j": len(y)})
      >>> round(float(result.standard_error), 2)
      0.18
    """
    if repeats < 1:
        raise InputError(f"repeats is {repeats}; at least one division is needed")
    variances = []
    for repeat in range(repeats):
        numbers = {
            name: group_numbers(size, parts, seed=seed + 1000 * repeat, name=name) for name, size in sizes.items()
        }
        values = [
            np.asarray(statistic(**{name: np.flatnonzero(of == part) for name, of in numbers.items()}), np.float64)
            for part in range(parts)
        ]
        variances.append(np.var(values, axis=0, ddof=1))
    return Subsampling(np.asarray(np.sqrt(np.mean(variances, axis=0) / parts)), repeats * (parts - 1))


def group_numbers(count: int, groups: int, *, seed: int = 0, name: str = "a set") -> Int[np.ndarray, " n"]:
    """A random division of `count` rows into groups of equal size, to one row: each row's group.

    Sets of different names are divided independently, even if they are equally large.

    Raises:
      InputError: fewer than two groups, or fewer rows than groups.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> groups = ops.group_numbers(10, 3)
      >>> groups.shape, np.bincount(groups)
      ((10,), array([4, 3, 3]))
    """
    if not 2 <= groups <= count:
        raise InputError(f"groups is {groups} for {count} rows of {name}; it must be from 2 to the number of rows")
    state = np.random.default_rng([seed, count, *name.encode()])
    return state.permutation(np.arange(count) % groups)


@takes_arrays
def permutation_p_value(first: Numbers, second: Numbers, *, permutations: int = 9999, seed: int = 0) -> float:
    """Two-sided p-value of the difference of two means of values, by exchanging rows between the two sets.

    Exact if the rows of both sets are exchangeable under the hypothesis: if both generators make the same distribution,
    and each row's value depends only on the row, the shared reference and both sets together.

    Args:
      first: a value for each row of one set, shape [A].
      second: the same for the other set, shape [B].
      permutations: number of random permutations; the p-value is at least 1 / (permutations + 1).
      seed: seeds the permutations.

    Raises:
      InputError: not vectors of at least two finite values, or no permutation.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> first, second = np.random.default_rng(0).normal(size=(2, 50))
      >>> ops.permutation_p_value(first, second + 2, permutations=99)
      0.01
    """
    sides = [_vector(name, values) for name, values in (("first", first), ("second", second))]
    if permutations < 1:
        raise InputError(f"permutations is {permutations}; at least one is needed")
    together = np.concatenate(sides)
    together = together - together.mean()
    count, total = len(sides[0]), len(together)
    observed = abs(together[:count].sum())
    state = np.random.default_rng(seed)
    # Which rows make up the smaller set is all that matters; the sums of both are opposite.
    smaller = min(count, total - count)
    sums = np.array(
        [together[state.choice(total, smaller, replace=False, shuffle=False)].sum() for _ in range(permutations)]
    )
    # Sums of the same values in another order differ by rounding.
    slack = 1e-12 * np.abs(together).sum()
    return float((1 + np.count_nonzero(np.abs(sums) >= observed - slack)) / (permutations + 1))


def two_sided_p_value(value: float, standard_error: float, degrees: float = math.inf) -> float:
    """Two-sided p-value of a value against 0 by Student's t; 1 for a value of 0 without error, NaN without one.

    Example:
      >>> from jaxeval import ops
      >>> round(ops.two_sided_p_value(1.96, 1.0), 3)
      0.05
    """
    if standard_error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / standard_error, degrees))


def _vector(name: str, values: Numbers) -> Float[np.ndarray, " n"]:
    rows = np.asarray(values, np.float64)
    if rows.ndim != 1 or len(rows) < 2 or not np.isfinite(rows).all():
        raise InputError(f"{name} has shape {rows.shape}; expected a vector of at least two finite values")
    return rows
