"""Intervals of metrics: from the spread between disjoint thirds of the images, and within what each number can be."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np
from scipy import stats

from jaxeval import ops
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.ops import Interval

_FEWEST = 60  # images a side; a third of them is 20


@dataclasses.dataclass(frozen=True)
class Debiased:
    """A number less what it exceeds that of the distributions by on average, since the images are so few.

    Attributes:
      value: the estimate for infinitely many images; where it would be below what the number can be, that.
      bias: what was taken off the number.
      bias_shortfall: by how much more than `bias` that may be.
      interval: of 95%, of the number of the distributions.
      interval_method: how it was found.
    """

    value: float
    bias: float
    bias_shortfall: float
    interval: Interval
    interval_method: str


def spread(
    compute: Callable[[Mapping[str, Any]], Mapping[str, float]], rows: Mapping[str, Any], seed: int
) -> tuple[dict[str, float], float] | None:
    """Standard errors by subsampling without replacement (`jaxeval.ops.subsampling`), and their degrees of freedom.

    Args:
      compute: from arrays to values by name.
      rows: arrays of one row an image; `x_labels` is cut to the same rows as `x`.
      seed: of the draws.

    Returns:
      The errors of those values that all thirds of the images have; None where there are too few images, or no such
      value.
    """
    sizes = {name: len(values) for name, values in rows.items() if not name.endswith("_labels")}
    if min(sizes.values()) < _FEWEST:
        return None
    names: list[str] = []

    def statistic(**indices: np.ndarray) -> list[float]:
        kept = {name: np.asarray(values[indices[name.removesuffix("_labels")]]) for name, values in rows.items()}
        found = compute(kept)
        names[:] = list(found)
        return list(found.values())

    with np.errstate(invalid="ignore"):  # a value that is infinite, or none, has no spread
        found = ops.subsampling(statistic, sizes, seed=seed)
    errors = {name: error for name, error in zip(names, found.standard_error.tolist(), strict=True) if isfinite(error)}
    return (errors, found.degrees) if errors else None


def half_widths(
    compute: Callable[[Mapping[str, Any]], Mapping[str, float]], rows: Mapping[str, Any], seed: int
) -> dict[str, float] | None:
    """Half-widths of the 95% intervals that follow from `spread`."""
    found = spread(compute, rows, seed)
    if found is None:
        return None
    errors, degrees = found
    return {name: ops.interval(0.0, error, degrees=degrees).high for name, error in errors.items()}


def interval_about(
    name: NumberName, value: float, reach: float, counts: Mapping[str, int] | None = None, most: float = math.inf
) -> Interval | None:
    """The 95% interval of a number, within what it can be.

    A share has an interval that holds close to its edges (`jaxeval.ops.share_interval`). Any other mean over images
    that lies at an edge, where thirds of the images may all do, is not known better than none of so many images.

    Args:
      name: the number's.
      value: the number.
      reach: half-width of the interval before it is cut.
      counts: images of the "reference" and "generated" sets.
      most: the largest that the number can be, where that depends on the images.

    Returns:
      None where nothing varies, so that nothing tells how far the number is from its expectation.
    """
    least, largest = name.range[0], min(name.range[1], most)
    low, high = value - reach, value + reach
    count = None if counts is None or name.mean_over is None else counts.get(name.mean_over)
    if count is not None and (name.share or value <= least or value >= largest):
        unit = largest - least if math.isfinite(largest) else 1.0
        share = min(max((value - least) / unit, 0.0), 1.0)
        ends = ops.share_interval(share, count, reach=reach / unit if name.share else 0.0)
        own_low, own_high = (least + unit * end for end in ends)
        low, high = (own_low, own_high) if name.share else (min(low, own_low), max(high, own_high))
    return None if low == high else Interval(low, high).within(value, (least, largest))


def difference_interval(
    name: NumberName,
    values: tuple[float, float],
    reach: float,
    counts: tuple[Mapping[str, int] | None, Mapping[str, int] | None] = (None, None),
) -> Interval | None:
    """The 95% interval of the second generator's number less the first one's, to one reference, within what it can be.

    Shares of the generated images, which are drawn independently, differ by chance at least as Newcombe's interval of
    two shares says; and so do two means at an edge, where nothing else varies.

    Args:
      name: the number's.
      values: the number of either.
      reach: half-width of the interval before it is cut.
      counts: images of the "reference" and "generated" sets of either.

    Returns:
      None where nothing varies.
    """
    value = values[1] - values[0]
    low, high = value - reach, value + reach
    first, second = (interval_about(name, one, 0.0, images) for one, images in zip(values, counts, strict=True))
    if first is not None and second is not None and (reach == 0 or name.mean_over == "generated"):
        (first_low, first_high), (second_low, second_high) = first, second
        low = min(low, value - math.hypot(values[1] - second_low, first_high - values[0]))
        high = max(high, value + math.hypot(second_high - values[1], values[0] - first_low))
    if low == high:
        return None
    widest = name.range[1] - name.range[0]
    return Interval(low, high).within(value, (-widest, widest))


def no_difference(value: float, interval: Interval, degrees: float) -> float:
    """The two-sided p-value of no difference that goes with a 95% interval: below 0.05 where that leaves 0 out.

    Reference: Newcombe, "Interval Estimation for the Difference Between Independent Proportions", 1998, for intervals
    that are not symmetric.
    """
    if value == 0:
        return 1.0
    reach = value - interval[0] if value > 0 else interval[1] - value
    return float(2 * stats.t.sf(stats.t.ppf(0.975, degrees) * abs(value) / reach, degrees)) if reach else 0.0
