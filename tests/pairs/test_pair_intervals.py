"""Intervals of means of pairs of images: within what a measure can be, and none where nothing tells the spread."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from jaxeval.pairs import PAIR_MEASURES
from jaxeval.pairs.results import difference_of, mean_of


def difference(*arguments) -> Any:
    """The difference of two sets."""
    return difference_of(*arguments)


def interval_of(metric, values):
    return mean_of(metric, "made", "real", [str(i) for i in range(len(values))], np.array(values))["interval"]


@pytest.mark.parametrize("metric", PAIR_MEASURES)
def test_means_end_where_the_measure_does(metric):
    least, largest = PAIR_MEASURES[metric].range
    start = least if math.isfinite(least) else 0.0
    values = np.array([start, start, min(largest, start + 1)])
    low, high = interval_of(metric, values)
    student = scipy.stats.t.interval(0.95, 2, values.mean(), scipy.stats.sem(values))
    assert low == pytest.approx(max(least, student[0]))
    assert high == pytest.approx(min(largest, student[1]))


def test_a_mean_ssim_of_one_half_of_the_images_does_not_leave_its_range():
    low, high = interval_of("ssim", [0.999, 1.0, 0.4])
    student = scipy.stats.t.interval(0.95, 2, np.mean([0.999, 1, 0.4]), scipy.stats.sem([0.999, 1, 0.4]))
    assert student[1] > 1 == high
    assert low == pytest.approx(max(-1, student[0]))


def test_scores_that_are_all_the_same_have_no_spread():
    assert interval_of("ssim", [1.0, 1.0, 1.0]) is None
    found = difference("brightness", "a", "b", {"x": 0.5, "y": 0.25}, {"x": 0.75, "y": 0.5})
    assert (found.value, found.interval, found.p_value, found.better) == (0.25, None, None, None)


def test_differences_end_where_they_do():
    ours, theirs = {"x": 0.0, "y": 1.0, "z": 0.0}, {"x": 1.0, "y": 1.0, "z": 1.0}
    found = difference("fsim", "a", "b", ours, theirs)
    assert found.interval[1] == 1
    found = difference("ssim", "a", "b", ours, theirs)
    assert found.interval[1] == 2
