"""What raters said, checked, and the result that every measure of their agreement gives."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import AnyArray
from jaxeval.errors import InputError
from jaxeval.ops.resampling import Interval, interval, jackknife

_RATER_GROUPS = 20


class RaterAgreement(NamedTuple):
    """A coefficient of the agreement of raters, with what is uncertain in it.

    Attributes:
      value: the coefficient, in float64: 1 for full agreement, and 0 for that of chance; NaN where it is not defined.
      interval: over the items: bias-corrected percentiles of a bootstrap that draws items with all their ratings. It
        answers for other items before the same raters. NaN where the value or more than half of the repeats are not
        defined.
      standard_error: the standard deviation of the same bootstrap.
      over_raters: over the raters: Student's interval by leaving raters out in turn (in 20 groups where there are
        more). It answers for other raters of the same items. A bootstrap would draw a rater twice, who then agrees with
        himself. None where raters are not told apart or are fewer than three, or where leaving some out leaves nothing
        that is defined.
      disagreement: what is observed of it, in the unit of the coefficient: for a kappa from 0 to 1.
      by_chance: what chance would give, in the same unit; but for Kendall's W the coefficient is 1 less their ratio.
      items: number of items that took part.
      ratings: number of ratings that took part.
      undefined: number of bootstrap repeats in which the coefficient is not defined.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.cohen_kappa([0, 0, 1, 1, 1, 0, 1, 0], [0, 0, 1, 1, 1, 0, 0, 0])
      >>> found.value, found.disagreement, found.by_chance, found.items
      (0.75, 0.125, 0.5, 8)
    """

    value: float
    interval: Interval
    standard_error: float
    over_raters: Interval | None
    disagreement: float
    by_chance: float
    items: int
    ratings: int
    undefined: int


def with_gaps(name: str, ratings: AnyArray, meaning: str, *, dimensions: int) -> Float[np.ndarray, "..."]:
    """Ratings in float64 on the host, in which NaN is no rating.

    Raises:
      InputError: other than real numbers, infinite ones, or another number of dimensions.
    """
    values = np.asarray(ratings)
    if values.dtype.kind in "cOSU":
        raise InputError(f"{name} holds {values.dtype} values; give a number to each answer, NaN where there is none")
    if values.ndim != dimensions:
        raise InputError(f"{name} has {values.ndim} dimensions; expected {dimensions}: {meaning}")
    values = values.astype(np.float64)
    if np.isinf(values).any():
        place = ", ".join(str(i) for i in np.argwhere(np.isinf(values))[0])
        raise InputError(f"{name} has an infinite value at [{place}]; ratings are finite, or NaN where there is none")
    return values


def beyond_chance(
    observed: Float[np.ndarray, "*b"] | float, expected: Float[np.ndarray, "*b"] | float
) -> Float[np.ndarray, "*b"]:
    """A coefficient from disagreement and that of chance: 1 less their ratio; NaN where chance cannot disagree."""
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    possible = expected > 0
    return np.where(possible, 1 - observed / np.where(possible, expected, 1.0), np.nan)


def over_raters(
    coefficient: Callable[[np.ndarray], float], raters: int, value: float, confidence: float
) -> Interval | None:
    """Student's interval of a coefficient by a jackknife over raters; None where it cannot be had."""
    if raters < 3 or math.isnan(value):
        return None
    groups = min(raters, _RATER_GROUPS)
    found = jackknife(lambda chosen: coefficient(chosen), {"chosen": raters}, groups=groups)
    error = float(found.standard_error)
    if math.isnan(error):
        return None
    return interval(value, error, degrees=groups - 1, confidence=confidence).within(value, (-math.inf, 1.0))
