"""Means, ratios and paired differences of values that come in clusters, as of several images of one prompt.

Images of one prompt are alike, so that ten images of each of 100 prompts tell less than 1,000 of 1,000. Every standard
error here is that between clusters, by linearisation: the root of c / (c - 1) times the sum over c clusters of the
squared sum of their rows' residuals (the "sandwich" of Liang and Zeger with the usual factor for few clusters), and
intervals are Student's of c - 1 degrees of freedom.

Where rows are of fixed strata, as of classes that all weigh the same however many images they have, residuals are from
the ratio of their own stratum: other prompts would be of the same classes.

That fails for what cannot leave its limits and lies near one: none of 20 prompts right has no spread at all. So where
both limits are known, the interval is Clopper and Pearson's for an effective number of independent rows, as Korn and
Graubard have it for surveys. The effective number is what the variance says, with two cautions: the variance is never
taken to be less than that of independent rows, and one imagined cluster is counted with those on the rarer side of the
values, whose rows are wholly alike. Without any cluster on the rarer side the effective number is then Kish's of rows
wholly alike within clusters: the number of clusters, where they are equally large.

The interval of a difference of two such numbers is made of theirs and of the correlation of both over the clusters
that they share, as Newcombe has it for paired shares and Zou and Donner in general; with symmetric intervals it is
Student's of the differences. Its p-value is that of exchanging both sides' values within clusters at random.

References: Liang and Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986; Cameron
and Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50, 2015; Kish, "Survey
Sampling", 1965; Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", Survey Methodology 24, 1998; Clopper and Pearson, "The use of confidence or fiducial
limits illustrated in the case of the binomial", Biometrika 26, 1934; Newcombe, "Improved confidence intervals for the
difference between binomial proportions based on paired data", Statistics in Medicine 17, 1998; Zou and Donner,
"Construction of confidence limits about effect measures: a general approach", Statistics in Medicine 27, 2008; Phipson
and Smyth, "Permutation p-values should never be zero", 2010.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from jaxeval._arguments import number as real_number
from jaxeval._arguments import shown, whole_number
from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.resampling import Interval
from jaxeval.ops.resampling import interval as student_interval

Clusters = Iterable[Hashable] | np.ndarray | jax.Array
"""Of each row, what it belongs to: numbers or names."""

_LEAST, _LARGEST = 1e-50, 1e50  # of numbers whose squared sums and ratios are neither infinite nor 0

_MOST_EXACT = 14  # clusters whose values differ; half of all 2^14 exchanges are told from the others
_CELLS = 1 << 18  # of the arrays that exchanges are computed in, which stay in the processor's cache


class ClusteredMean(NamedTuple):
    """A mean or a ratio of clustered values.

    Attributes:
      value: the number.
      standard_error: between clusters; NaN of a single one.
      degrees: degrees of freedom of the standard error: clusters less one.
      interval: of the expectation over other clusters; None where nothing tells it: of a single cluster, and of values
        that are all alike where no limits are known.
      n: number of rows.
      n_clusters: number of clusters.

    Example:
      >>> from jaxeval import ops
      >>> ops.clustered_mean([1.0, 2.0, 3.0, 6.0], ["a", "a", "b", "b"]).value
      3.0
    """

    value: float
    standard_error: float
    degrees: float
    interval: Interval | None
    n: int
    n_clusters: int


class ClusteredDifference(NamedTuple):
    """A difference of two means or ratios over the clusters that both have: the second's less the first's.

    Attributes:
      value: the difference.
      standard_error: between clusters, with what both have in common; NaN of a single one.
      degrees: degrees of freedom of the standard error: clusters less one.
      interval: of its expectation over other clusters; None where nothing tells it.
      p_value: two-sided, of the hypothesis that in each cluster both sides could be exchanged; never 0.
      first: the first's number over the clusters that both have.
      second: the second's.
      n_clusters: the number of these clusters.

    Example:
      >>> from jaxeval import ops
      >>> found = ops.paired_clustered_difference([1.0, 2.0, 9.0], ["a", "b", "c"], [2.0, 4.0], ["a", "b"])
      >>> found.value, found.p_value, found.n_clusters
      (1.5, 0.5, 2)
    """

    value: float
    standard_error: float
    degrees: float
    interval: Interval | None
    p_value: float
    first: float
    second: float
    n_clusters: int


class _Ratio(NamedTuple):
    """What the rows say, summed over clusters, in units of the limits where both are known.

    Attributes:
      value: sum of numerators over sum of denominators.
      residuals: of each cluster, what it adds to the value's error.
      variance: of the value, with the cautions for values near a limit; 0 where they are not known.
      effective: the number of independent rows that tell as much; 0 where limits are not known.
      weight: of the clusters in the variance; the imagined one has the rest.
      bounded: whether both limits are known.
      rows: how many there are.
    """

    value: float
    residuals: Float[np.ndarray, " c"]
    variance: float
    effective: float
    weight: float
    bounded: bool
    rows: int


@takes_arrays
def clustered_mean(
    values: Numbers,
    clusters: Clusters,
    *,
    limits: tuple[float, float] | None = None,
    confidence: float = 0.95,
) -> ClusteredMean:
    """The mean of the rows, with an interval over other clusters.

    Args:
      values: shape [N]; 1 and 0 for shares.
      clusters: of each row, what it belongs to, [N].
      limits: the least and the largest that a value can be, either perhaps infinite; between two finite ones the
        interval is made as for shares.
      confidence: of the interval, between 0 and 1.

    Raises:
      InputError: no value, one that is not finite or beyond the limits, values that are all too large or too small for
        their squares to be told, another number of clusters than of values, a cluster that is NaN, limits that are
        none, or a confidence that is not between 0 and 1.

    Example:
      >>> from jaxeval import ops
      >>> found = ops.clustered_mean([1, 1, 0, 1, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3], limits=(0, 1))
      >>> found.value, found.n_clusters, round(found.interval.low, 2), round(found.interval.high, 2)
      (0.625, 4, 0.04, 1.0)
    """
    _check_options(limits, confidence)
    rows = _values("values", values)
    return _estimate(rows, np.ones(len(rows)), _names("clusters", clusters), limits, confidence)


@takes_arrays
def clustered_ratio(
    numerators: Numbers,
    denominators: Numbers,
    clusters: Clusters,
    *,
    strata: Clusters | None = None,
    limits: tuple[float, float] | None = None,
    confidence: float = 0.95,
) -> ClusteredMean:
    """The sum of numerators over the sum of denominators, with an interval over other clusters.

    For pooled rates, as all wrong letters over all letters that were asked for. With denominators of 1 it is
    `clustered_mean`.

    Args:
      numerators: shape [N].
      denominators: shape [N], none negative and not all 0.
      clusters: of each row, what it belongs to, [N].
      strata: of each row, which of the fixed strata it is of, [N]; None where there are none.
      limits: the least and the largest that a row's numerator can be of its denominator; as of `clustered_mean`.
      confidence: of the interval, between 0 and 1.

    Raises:
      InputError: as of `clustered_mean`; or a denominator that is negative or too small, denominators that are all 0, a
        ratio beyond the limits, or unequal numbers of rows.

    Example:
      >>> from jaxeval import ops
      >>> found = ops.clustered_ratio([1, 0, 3, 0], [5, 5, 8, 2], ["a", "a", "b", "c"])
      >>> found.value, round(found.standard_error, 3)
      (0.2, 0.108)
    """
    _check_options(limits, confidence)
    over, under = _values("numerators", numerators), _denominators("denominators", denominators)
    own = None if strata is None else _names("strata", strata)
    return _estimate(over, under, _names("clusters", clusters), limits, confidence, own)


@takes_arrays
def paired_clustered_difference(
    first: Numbers,
    first_clusters: Clusters,
    second: Numbers,
    second_clusters: Clusters,
    *,
    first_denominators: Numbers | None = None,
    second_denominators: Numbers | None = None,
    first_strata: Clusters | None = None,
    second_strata: Clusters | None = None,
    limits: tuple[float, float] | None = None,
    confidence: float = 0.95,
    exchanges: int = 9999,
    seed: int = 0,
) -> ClusteredDifference:
    """The second mean (or ratio) less the first, over the clusters that both have.

    The p-value exchanges both sides' rows within clusters, all of a cluster together. Where no more than 14 clusters
    differ all exchanges are tried, so that it is exact; otherwise as many random ones as `exchanges` says.

    Args:
      first: shape [A].
      first_clusters: of each of these rows, what it belongs to, [A].
      second: shape [B].
      second_clusters: the same of these, [B].
      first_denominators: of ratios, [A]; None for means.
      second_denominators: of ratios, [B]; of both sides or of none.
      first_strata: as of `clustered_ratio`, [A].
      second_strata: the same of the second's rows, [B]; of both sides or of none.
      limits: of a value, or of a numerator per denominator, as of `clustered_mean`.
      confidence: of the interval, between 0 and 1.
      exchanges: number of random exchanges.
      seed: seeds them.

    Raises:
      InputError: as of `clustered_mean` and `clustered_ratio`; the sides have no cluster in common; no exchange; a
        seed below 0; or denominators of one side alone.

    Example:
      >>> from jaxeval import ops
      >>> prompts = [0, 0, 1, 1, 2, 2, 3, 3]
      >>> found = ops.paired_clustered_difference(
      ...     [0, 0, 0, 1, 0, 0, 1, 1], prompts, [1, 1, 1, 1, 0, 1, 1, 1], prompts, limits=(0, 1))
      >>> found.value, found.p_value
      (0.5, 0.25)
    """
    exchanges, seed = whole_number("exchanges", exchanges, 1), whole_number("seed", seed, 0)
    _check_options(limits, confidence)
    if (first_denominators is None) != (second_denominators is None):
        raise InputError("denominators of one side alone are given; give those of both, or none")
    if (first_strata is None) != (second_strata is None):
        raise InputError("strata of one side alone are given; give those of both, or none")
    sides = []
    for name, values, under, own, strata in (
        ("first", first, first_denominators, first_clusters, first_strata),
        ("second", second, second_denominators, second_clusters, second_strata),
    ):
        over = _values(name, values)
        below = np.ones(len(over)) if under is None else _denominators(f"{name}_denominators", under)
        clusters = _names(f"{name}_clusters", own)
        _check(over, below, clusters, limits)
        of = None if strata is None else _names(f"{name}_strata", strata)
        sides.append((over, below, clusters, _strata(of, len(over))))
    others = set(sides[1][2])
    shared = [name for name in dict.fromkeys(sides[0][2]) if name in others]
    if not shared:
        raise InputError("first and second have no cluster in common; there is nothing to compare")
    numbers = {name: number for number, name in enumerate(shared)}
    sums, ratios = [], []
    for over, below, names, strata in sides:
        kept = np.array([name in numbers for name in names])
        number = np.array([numbers[name] for name in names if name in numbers], np.int64)
        over, below = over[kept], below[kept]
        if below.sum() == 0:
            raise InputError("the denominators of the clusters in common are all 0; there is nothing to compare")
        sums.append(np.stack([np.bincount(number, part, len(shared)) for part in (over, below)]))
        ratios.append(_ratio(over, below, number, len(shared), limits, strata[kept]))
    old, new = ratios
    value = new.value - old.value
    degrees = len(shared) - 1
    apart = new.residuals - old.residuals
    error = math.sqrt(len(shared) / degrees * float(apart @ apart)) if degrees else math.nan
    return ClusteredDifference(
        value=value * _span(limits),
        standard_error=error * _span(limits),
        degrees=degrees,
        interval=_difference_interval(old, new, error, degrees, limits, confidence),
        p_value=_exchange_p_value(*sums, exchanges=exchanges, seed=seed),
        first=_unscaled(old.value, limits),
        second=_unscaled(new.value, limits),
        n_clusters=len(shared),
    )


def _estimate(
    over: Float[np.ndarray, " n"],
    under: Float[np.ndarray, " n"],
    names: Sequence[Hashable],
    limits: tuple[float, float] | None,
    confidence: float,
    strata: Sequence[Hashable] | None = None,
) -> ClusteredMean:
    _check(over, under, names, limits)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    number = np.array([numbers[name] for name in names], np.int64)
    ratio = _ratio(over, under, number, len(numbers), limits, _strata(strata, len(over)))
    degrees = len(numbers) - 1
    error = math.sqrt(len(numbers) / degrees * float(ratio.residuals @ ratio.residuals)) if degrees else math.nan
    found = _interval(ratio, error, degrees, confidence)
    ends = None
    if found is not None:
        ends = Interval(_unscaled(found.low, limits), _unscaled(found.high, limits))
        ends = ends if limits is None else ends.within(_unscaled(ratio.value, limits), limits)
    return ClusteredMean(
        value=_unscaled(ratio.value, limits),
        standard_error=error * _span(limits),
        degrees=degrees,
        interval=ends,
        n=len(over),
        n_clusters=len(numbers),
    )


def _ratio(
    over: Float[np.ndarray, " n"],
    under: Float[np.ndarray, " n"],
    number: Int[np.ndarray, " n"],
    count: int,
    limits: tuple[float, float] | None,
    strata: Int[np.ndarray, " n"],
) -> _Ratio:
    """The ratio of `count` clusters; in units of the limits, from 0 to 1, where both are finite."""
    bounded = _bounded(limits)
    if limits is not None and bounded:
        over = (over - limits[0] * under) / (limits[1] - limits[0])
    total = under.sum()
    value = float(over.sum() / total)
    if bounded:
        value = min(1.0, max(0.0, value))
    sums = np.stack([np.bincount(strata, part) for part in (over, under)])
    own = np.divide(sums[0], sums[1], out=np.zeros_like(sums[0]), where=sums[1] > 0)
    rows = (over - own[strata] * under) / total
    residuals = np.bincount(number, rows, count)
    if not bounded:
        return _Ratio(value, residuals, 0.0, 0.0, 1.0, bounded, len(over))
    sizes = np.bincount(number, under, count) / total
    alike = float(sizes @ sizes)  # one over Kish's effective number of rows that are alike within clusters
    rarer = min(_holding(over > 0, number, count), _holding(over < under, number, count))
    weight = rarer / (rarer + 1)
    between = count / max(count - 1, 1) * float(residuals @ residuals)
    independent = float(rows @ rows)
    spread = value * (1 - value)
    variance = max(weight * between + (1 - weight) * spread * alike, independent)
    effective = spread / variance if variance > 0 else 1 / alike
    return _Ratio(value, residuals, variance, effective, weight, bounded, len(over))


def _holding(rows: Bool[np.ndarray, " n"], number: Int[np.ndarray, " n"], count: int) -> int:
    """The clusters that have such a row."""
    return int(np.count_nonzero(np.bincount(number, rows, count)))


def _interval(ratio: _Ratio, error: float, degrees: int, confidence: float) -> Interval | None:
    if degrees == 0:
        return None
    if not ratio.bounded:
        # Values that are all alike have no spread, which does not say that others would be so too.
        return None if error == 0 else student_interval(ratio.value, error, degrees=degrees, confidence=confidence)
    return _share_interval(ratio, degrees, confidence)


def _share_interval(ratio: _Ratio, degrees: int, confidence: float) -> Interval:
    """Clopper and Pearson's interval for the effective number of rows."""
    tail = (1 - confidence) / 2
    share = ratio.value
    # Of independent rows, which are their own clusters, the variance is no more in doubt than theirs: then this is 1.
    wider = float(stats.t.ppf(1 - tail, ratio.rows - 1) / stats.t.ppf(1 - tail, degrees)) ** 2
    rows = wider * ratio.effective
    hits, misses = rows * share, rows * (1 - share)
    low = float(stats.beta.ppf(tail, hits, misses + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, misses)) if share < 1 else 1.0
    return Interval(min(low, share), max(high, share))


def _difference_interval(
    old: _Ratio, new: _Ratio, error: float, degrees: int, limits: tuple[float, float] | None, confidence: float
) -> Interval | None:
    value = new.value - old.value
    if degrees == 0 or not (old.bounded or error > 0):
        return None
    if not old.bounded:
        return student_interval(value, error, degrees=degrees, confidence=confidence)
    ends = [_share_interval(side, degrees, confidence) for side in (old, new)]
    below, above = ([side.value - one.low, one.high - side.value] for side, one in zip((old, new), ends, strict=True))
    alike = _correlation(old, new)
    reach = [
        math.sqrt(max(0.0, first**2 - 2 * alike * first * second + second**2))
        for first, second in ((below[1], above[0]), (below[0], above[1]))
    ]
    span = _span(limits)
    return Interval(span * max(-1.0, value - reach[0]), span * min(1.0, value + reach[1]))


def _correlation(old: _Ratio, new: _Ratio) -> float:
    """Of the errors of both numbers; 0 where one has no spread, which is the widest of what is likely."""
    product = old.variance * new.variance
    if product == 0:
        return 0.0
    count = len(old.residuals)
    common = count / (count - 1) * float(old.residuals @ new.residuals)
    return min(1.0, max(-1.0, min(old.weight, new.weight) * common / math.sqrt(product)))


def _exchange_p_value(
    first: Float[np.ndarray, "2 c"], second: Float[np.ndarray, "2 c"], *, exchanges: int, seed: int
) -> float:
    """The share of exchanges after which both sides differ as much as they do, or more.

    Args:
      first: sums of numerators and denominators of each cluster.
      second: the same.
      exchanges: random ones, where all are too many.
      seed: seeds them.
    """
    change = (first - second)[:, (first != second).any(0)]
    differing = change.shape[1]
    if differing == 0:
        return 1.0
    totals = np.stack([first.sum(1), second.sum(1)])
    observed = abs(totals[1, 0] / totals[1, 1] - totals[0, 0] / totals[0, 1])
    # Sums of the same values in another order differ by rounding.
    least = observed - 1e-12 * float((np.abs([first[0], second[0]]).sum(1) / totals[:, 1]).sum())

    def as_large(exchanged: Float[np.ndarray, "e c"]) -> int:
        moved = exchanged @ change.T
        with np.errstate(divide="ignore", invalid="ignore"):
            new, old = totals[1] + moved, totals[0] - moved
            apart = np.abs(new[:, 0] / new[:, 1] - old[:, 0] / old[:, 1])
        # Where one side would be left without any denominator, nothing says that the difference were smaller.
        return int(np.count_nonzero(~(apart < least)))

    if differing <= _MOST_EXACT:
        # Exchanging all other clusters gives the same with the other sign: the last one stays where it is.
        every = np.arange(1 << (differing - 1))
        return as_large((every[:, None] >> np.arange(differing) & 1).astype(np.float64)) / len(every)
    state = np.random.default_rng(seed)
    # Of clusters that change both sides alike it only matters how many are exchanged: of shares there are few kinds.
    change, alike = np.unique(change, axis=1, return_counts=True)
    found, left = 0, exchanges
    while left:
        rows = min(left, max(1, _CELLS // len(alike)))
        if len(alike) == differing:
            exchanged = state.integers(0, 2, (rows, differing), np.int8)
        else:
            exchanged = state.binomial(alike, 0.5, (rows, len(alike)))
        found += as_large(exchanged.astype(np.float64))
        left -= rows
    return (1 + found) / (exchanges + 1)


def _check_options(limits: Any, confidence: Any) -> None:
    if not 0 < real_number("confidence", confidence) < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    if limits is not None and not _are_limits(limits):
        raise InputError(f"limits are {shown(limits)}; give the least and the largest that a value can be")


def _values(name: str, values: Any) -> Float[np.ndarray, " n"]:
    rows = np.asarray(values)
    if rows.dtype.kind in "cOSUmM":
        raise InputError(f"{name} holds {rows.dtype} values; real numbers are expected")
    rows = rows.astype(np.float64)
    if rows.ndim != 1 or len(rows) == 0 or not np.isfinite(rows).all():
        raise InputError(f"{name} has shape {rows.shape}; expected a vector of one or more finite values")
    largest = float(np.abs(rows).max())
    if not (largest == 0 or _LEAST <= largest <= _LARGEST):
        raise InputError(
            f"the largest of {name} is {largest:g} in size; give {name} in a unit in which it is from {_LEAST:g} to "
            f"{_LARGEST:g}"
        )
    return rows


def _denominators(name: str, values: Any) -> Float[np.ndarray, " n"]:
    rows = _values(name, values)
    small = rows[(rows > 0) & (rows < _LEAST)]
    if len(small):
        raise InputError(f"{name} has {small[0]:g}; give 0, or denominators of {_LEAST:g} or more")
    return rows


def _names(name: str, clusters: Any) -> Sequence[Hashable]:
    """Of each row, what it belongs to, as plain values."""
    if isinstance(clusters, str | bytes | Mapping | Set) or not isinstance(clusters, Iterable):
        raise InputError(f"{name} is {shown(clusters)}; give a number or a name for each row, in order")
    if hasattr(clusters, "__array__"):
        array = np.asarray(clusters)
        if array.ndim != 1:
            raise InputError(f"{name} has shape {array.shape}; expected a vector of numbers or names, one for each row")
        names: list[Any] = array.tolist()
    else:
        names = [one.item() if isinstance(one, jax.Array) and one.ndim == 0 else one for one in clusters]
    for row, one in enumerate(names):
        if not _is_hashable(one):
            raise InputError(f"{name}[{row}] is {shown(one)}; give a number or a name")
        if isinstance(one, float | np.floating) and math.isnan(one):
            raise InputError(f"{name}[{row}] is NaN; give a number or a name")
    return names


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:  # a tuple of lists has a hash by its type alone
        return False
    return True


def _are_limits(limits: Any) -> bool:
    numbers = isinstance(limits, Sequence) and len(limits) == 2
    if not numbers or not all(isinstance(one, int | float | np.number) for one in limits):
        return False
    return limits[0] < limits[1] and all(math.isinf(one) or abs(one) <= _LARGEST for one in limits)


def _strata(strata: Sequence[Hashable] | None, rows: int) -> Int[np.ndarray, " n"]:
    """The number of each row's stratum; one for all where there are none."""
    if strata is None:
        return np.zeros(rows, np.int64)
    if len(strata) != rows:
        raise InputError(f"there are {rows} values and {len(strata)} strata; give one for each row")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(strata))}
    return np.array([numbers[name] for name in strata], np.int64)


def _check(
    over: Float[np.ndarray, " n"],
    under: Float[np.ndarray, " m"],
    clusters: Sequence[Hashable],
    limits: tuple[float, float] | None,
) -> None:
    if not len(over) == len(under) == len(clusters):
        raise InputError(
            f"there are {len(over)} values, {len(under)} denominators and {len(clusters)} clusters; give one of each "
            "for each row"
        )
    if under.min() < 0 or under.sum() == 0:
        raise InputError("a denominator is negative, or all are 0; give none below 0 and one above")
    if limits is None:
        return
    # A limit of infinity times a denominator of 0 is no number, and no limit.
    with np.errstate(invalid="ignore"):
        slack = 1e-12 * np.abs(over)
        beyond = (over < limits[0] * under - slack) | (over > limits[1] * under + slack)
    if beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        of = "" if under[row] == 1 else f" of {under[row]:g}"
        raise InputError(f"the value {over[row]:g}{of} is beyond the limits {limits[0]:g} and {limits[1]:g}")


def _bounded(limits: tuple[float, float] | None) -> bool:
    return limits is not None and math.isfinite(limits[0]) and math.isfinite(limits[1])


def _span(limits: tuple[float, float] | None) -> float:
    return limits[1] - limits[0] if limits is not None and _bounded(limits) else 1.0


def _unscaled(value: float, limits: tuple[float, float] | None) -> float:
    return limits[0] + value * _span(limits) if limits is not None and _bounded(limits) else value
