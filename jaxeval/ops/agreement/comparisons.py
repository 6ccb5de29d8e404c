"""Whether one metric agrees with people better than another, on the same rows."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxeval._arguments import number, whole_number
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import Estimate, spread
from jaxeval.ops.resampling import Interval


class CorrelationTest(NamedTuple):
    """A test of whether two correlations with the same people's values are equal.

    Attributes:
      statistic: standard normal (`meng_test`) or Student's t (`williams_test`) under the hypothesis; positive where the
        first correlation is larger.
      degrees: degrees of freedom; infinite for the normal.
      p_value: two-sided.
      interval: of the difference of the two Fisher-transformed correlations, at 95%; None where the test has none.

    Example:
      >>> from jaxeval.ops import agreement
      >>> round(agreement.williams_test(first=0.4, second=0.5, between=0.1, count=103).p_value, 2)
      0.37
    """

    statistic: float
    degrees: float
    p_value: float
    interval: Interval | None


def meng_test(*, first: float, second: float, between: float, count: int) -> CorrelationTest:
    """Meng, Rosenthal and Rubin's test of two correlations that share a variable, by Fisher's transformation.

    It holds for Pearson's correlations of normal values; for rank correlations it is an approximation.

    Args:
      first: correlation of one metric with people.
      second: correlation of the other metric with people.
      between: correlation of the two metrics.
      count: number of rows, 4 at least.

    Returns:
      The test; NaN where a correlation is NaN, is 1 or -1, or where the metrics are the same.

    Raises:
      InputError: a correlation beyond -1 or 1, or too few rows.

    Reference: Meng, Rosenthal, Rubin, "Comparing correlated correlation coefficients", Psychological Bulletin 111(1),
    1992.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.meng_test(first=0.63, second=-0.03, between=-0.19, count=15)
      >>> round(found.statistic, 2)
      1.68
    """
    n = _checked(first, second, between, count)
    if not (abs(first) < 1 and abs(second) < 1 and between < 1):
        return CorrelationTest(math.nan, math.inf, math.nan, None)
    square = (first**2 + second**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - square)))
    h = (1 - f * square) / (1 - square)
    apart = math.atanh(first) - math.atanh(second)
    error = math.sqrt(2 * (1 - between) * h / (n - 3))
    reach = float(stats.norm.ppf(0.975)) * error
    statistic = apart / error
    interval = Interval(apart - reach, apart + reach)
    return CorrelationTest(statistic, math.inf, float(2 * stats.norm.sf(abs(statistic))), interval)


def williams_test(*, first: float, second: float, between: float, count: int) -> CorrelationTest:
    """Williams' modification of Hotelling's test of two correlations that share a variable, as Steiger advises.

    It holds for Pearson's correlations of normal values; for rank correlations it is an approximation.

    Args:
      first: correlation of one metric with people.
      second: correlation of the other metric with people.
      between: correlation of the two metrics.
      count: number of rows, 4 at least.

    Returns:
      The test, without an interval; NaN where a correlation is NaN, or where the three leave nothing to chance, as for
      two metrics that are the same.

    Raises:
      InputError: a correlation beyond -1 or 1, or too few rows.

    Reference: Williams, "The comparison of regression variables", Journal of the Royal Statistical Society B 21(2),
    1959; Steiger, "Tests for comparing elements of a correlation matrix", Psychological Bulletin 87(2), 1980.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.williams_test(first=0.4, second=0.5, between=0.1, count=103)
      >>> round(found.statistic, 2), found.degrees
      (-0.89, 100)
    """
    n = _checked(first, second, between, count)
    determinant = 1 - first**2 - second**2 - between**2 + 2 * first * second * between
    mean = (first + second) / 2
    below = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3
    if not (determinant > 0 and below > 0):
        return CorrelationTest(math.nan, n - 3, math.nan, None)
    statistic = (first - second) * math.sqrt((n - 1) * (1 + between) / below)
    return CorrelationTest(statistic, n - 3, float(2 * stats.t.sf(abs(statistic), n - 3)), None)


def _checked(first: float, second: float, between: float, count: int) -> int:
    for name, value in (("first", first), ("second", second), ("between", between)):
        if abs(number(name, value)) > 1:
            raise InputError(f"{name} is {value}; a correlation is from -1 to 1")
    return whole_number("count", count, 4)


class PairedDifference(NamedTuple):
    """How much more one statistic is than another, of the same draws of the same rows.

    Attributes:
      value: the first less the second.
      interval: bias-corrected percentiles of the replicates' differences.
      standard_error: their standard deviation.
      p_value: two-sided, of no difference: twice the smaller share of replicates on either side of 0 (those at 0 on
        both), at least 2 / (repeats + 1). NaN where `interval` is.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> human = np.linspace(0, 3, 100)
      >>> near, far = human + np.random.default_rng(0).normal(size=(2, 100)) * np.array([[0.5], [2]])
      >>> first, second = (agreement.spearman(metric, human) for metric in (near, far))
      >>> agreement.paired_difference(first, second).p_value < 0.01
      True
    """

    value: float
    interval: Interval
    standard_error: float
    p_value: float


def paired_difference(first: Estimate, second: Estimate, *, confidence: float = 0.95) -> PairedDifference:
    """The paired bootstrap of the difference of two estimates, whatever statistic they are of.

    Args:
      first: an estimate.
      second: another one of the same rows, with the same clusters, repeats and seed.
      confidence: of the interval.

    Raises:
      InputError: the estimates are not of the same draws, or a confidence that is not between 0 and 1.

    Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> human = np.linspace(0, 3, 100)
      >>> near, far = human + np.random.default_rng(0).normal(size=(2, 100)) * np.array([[0.5], [2]])
      >>> first, second = (agreement.spearman(metric, human) for metric in (near, far))
      >>> found = agreement.paired_difference(first, second)
      >>> found.interval.low > 0
      True
    """
    if first.drawn != second.drawn:
        raise InputError(
            "first and second are not of the same draws; give both the same rows, clusters, repeats and seed"
        )
    if not 0 < number("confidence", confidence) < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    apart = first.replicates - second.replicates
    interval, error = spread(first.value - second.value, apart, confidence)
    p_value = math.nan
    if not math.isnan(error):
        known = apart[~np.isnan(apart)]
        p_value = min(1.0, 2 * (1 + min(int((known <= 0).sum()), int((known >= 0).sum()))) / (len(known) + 1))
    return PairedDifference(first.value - second.value, interval, error, p_value)
