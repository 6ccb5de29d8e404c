"""Intervals of numbers and of differences: within what they can be, honest at the edges, beside p-values that agree."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jaxeval.evaluation.measures import NUMBERS, intervals
from jaxeval.evaluation.measures.intervals import no_difference
from jaxeval.ops import Interval

COUNTS = {"reference": 100, "generated": 50}


def interval_about(stem, *arguments, **more) -> Any:
    """An interval, or None."""
    return intervals.interval_about(NUMBERS[stem], *arguments, **more)


def difference_interval(stem, *arguments, **more) -> Any:
    """An interval, or None."""
    return intervals.difference_interval(NUMBERS[stem], *arguments, **more)


def images_of(stem):
    """How many images a number is a mean over."""
    name = NUMBERS[stem].mean_over
    assert name is not None
    return COUNTS[name]


SHARES = [stem for stem, name in NUMBERS.items() if name.share]
BOUNDED = [stem for stem, name in NUMBERS.items() if math.isfinite(name.range[0])]


@pytest.mark.parametrize("stem", BOUNDED)
def test_intervals_end_where_numbers_do(stem):
    least, largest = NUMBERS[stem].range
    inner = least + 0.01 * (min(largest, least + 1) - least)
    low, high = interval_about(stem, inner, 1e6, COUNTS)
    assert low == least
    assert high == largest or high == pytest.approx(1e6, rel=1e-3)
    if math.isfinite(largest):
        low, high = interval_about(stem, largest, 0.01 * largest, COUNTS)
        assert low < high == largest


@pytest.mark.parametrize("stem", ["kd", "kd-full", "mmd-rbf", "fld", "fld-gap"])
def test_numbers_with_a_sign_keep_it(stem):
    assert interval_about(stem, 0.1, 0.5, COUNTS) == pytest.approx((-0.4, 0.6))


def test_a_value_beyond_the_edge_is_still_held():
    """An extrapolation below 0; integrated beta-recall, which its published sum lets fall below 0."""
    assert interval_about("fd-infinity", -0.2, 0.5) == pytest.approx((-0.2, 0.3))
    assert interval_about("beta-recall", -0.03, 0.2, COUNTS) == pytest.approx((-0.03, 0.17))
    low, high = interval_about("beta-recall", -0.03, 0.01, COUNTS)
    assert low == -0.03
    assert high == interval_about("beta-recall", 0.0, 0.0, COUNTS)[1] > 0.03


def test_a_number_may_be_bounded_by_the_images():
    assert interval_about("vendi", 49.0, 5.0, COUNTS, most=50.0) == pytest.approx((44, 50))
    assert interval_about("is", 1.2, 0.5, COUNTS, most=10.0) == pytest.approx((1, 1.7))


@pytest.mark.parametrize("stem", SHARES)
def test_none_and_all_of_the_images_have_intervals_of_some_width(stem):
    count, (least, largest) = images_of(stem), NUMBERS[stem].range
    chance = 1 - 0.025 ** (1 / count)  # Clopper and Pearson: 3.7 over the count
    low, high = interval_about(stem, least, 0.0, COUNTS)
    assert low == least
    assert chance <= (high - least) / (largest - least) < 1.1 * chance
    low, high = interval_about(stem, largest, 0.0, COUNTS)
    assert chance <= (largest - low) / (largest - least) < 1.1 * chance
    assert high == largest


@pytest.mark.parametrize("stem", SHARES)
def test_shares_in_the_middle_have_the_wider_of_both_spreads(stem):
    count, largest = images_of(stem), NUMBERS[stem].range[1]
    low, high = interval_about(stem, largest / 2, 0.2 * largest, COUNTS)
    assert (low, high) == pytest.approx((0.3 * largest, 0.7 * largest), abs=0.02 * largest)
    exact = stats.binomtest(count // 2, count).proportion_ci(method="exact")
    low, high = interval_about(stem, largest / 2, 0.001, COUNTS)
    assert (low, high) == pytest.approx((exact.low * largest, exact.high * largest), abs=1e-3 * largest)


@pytest.mark.parametrize("stem", ["density", "p-precision", "clipped-coverage", "alpha-precision"])
def test_other_means_at_an_edge_have_the_same_where_nothing_varies(stem):
    count = images_of(stem)
    low, high = interval_about(stem, 0.0, 0.0, COUNTS)
    assert low == 0
    assert 1 - 0.025 ** (1 / count) <= high < 4 / count


@pytest.mark.parametrize("stem", ["vendi", "fd", "kd", "fld", "p-precision"])
def test_nothing_that_varies_means_no_interval(stem):
    assert interval_about(stem, 0.5, 0.0, COUNTS) is None


def test_differences_end_where_they_do():
    assert difference_interval("precision", (0.1, 0.9), 0.5, (COUNTS, COUNTS))[1] == 1
    assert difference_interval("recall", (0.9, 0.1), 0.5, (COUNTS, COUNTS))[0] == -1
    assert difference_interval("authenticity", (10.0, 90.0), 50.0, (COUNTS, COUNTS))[1] == 100
    assert difference_interval("fd", (1.0, 3.0), 5.0) == pytest.approx((-3, 7))


def test_differences_at_an_edge_have_newcombes_interval():
    both = difference_interval("precision", (0.0, 0.0), 0.0, (COUNTS, {"generated": 200}))
    single = [interval_about("precision", 0.0, 0.0, {"generated": count})[1] for count in (50, 200)]
    assert both == pytest.approx((-single[0], single[1]))
    # Recall is over the same reference images on both sides: the spread of two independent shares is not its own.
    assert difference_interval("recall", (0.4, 0.5), 0.01, (COUNTS, COUNTS)) == pytest.approx((0.09, 0.11))
    assert difference_interval("recall", (0.0, 0.0), 0.0, (COUNTS, COUNTS)) == pytest.approx((-0.037, 0.037), abs=1e-3)
    assert difference_interval("fd", (3.0, 1.0), 0.0) is None


@pytest.mark.parametrize("degrees", [10, 19, math.inf])
@pytest.mark.parametrize("value", [0.3, -0.3])
def test_p_values_agree_with_their_intervals(value, degrees):
    error = 0.15
    reach = stats.t.ppf(0.975, degrees) * error
    p = no_difference(value, Interval(value - reach, value + reach), degrees)
    assert p == pytest.approx(2 * stats.t.sf(0.3 / error, degrees), rel=1e-9)
    for end in (1e-9, -1e-9):  # an interval that just leaves 0 out, or just does not
        interval = Interval(end, 1.0) if value > 0 else Interval(-1.0, -end)
        assert (no_difference(value, interval, degrees) < 0.05) == (end > 0)
    assert no_difference(0.0, Interval(-0.1, 0.1), degrees) == 1


def test_every_number_has_a_range_that_its_shares_fill():
    for stem, name in NUMBERS.items():
        assert name.range[0] < name.range[1], stem
        assert not name.share or (name.mean_over is not None and np.isfinite(name.range).all()), stem
