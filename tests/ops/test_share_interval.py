"""Intervals of shares against SciPy's, exact coverage close to the edges, and the limits that they must keep."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy import stats

from jaxeval.errors import InputError
from jaxeval.ops import share_interval


@pytest.mark.parametrize(("hits", "count"), [(0, 50), (1, 50), (7, 30), (30, 30), (199, 200), (4000, 5000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_a_binomial_share_has_the_wider_of_both_classical_intervals(hits, count, confidence):
    found = share_interval(hits / count, count, confidence=confidence)
    test = stats.binomtest(hits, count)
    exact, score = (test.proportion_ci(confidence, method=method) for method in ("exact", "wilson"))
    assert found.low == pytest.approx(min(exact.low, score.low), abs=1e-12)
    assert found.high == pytest.approx(max(exact.high, score.high), abs=1e-12)


def test_none_of_n_is_not_known_better_than_to_some_of_n():
    low, high = share_interval(0.0, 50)
    assert low == 0
    assert 3.6 / 50 > high > 3.5 / 50
    assert share_interval(1.0, 50) == pytest.approx((1 - high, 1), abs=1e-12)


@pytest.mark.parametrize("count", [10, 50, 400])
def test_the_share_of_the_population_is_covered_as_often_as_said(count):
    """Exactly, by summing the binomial: at every share, those next to the edges too."""
    intervals = np.array([share_interval(hits / count, count) for hits in range(count + 1)])
    for truth in np.concatenate([np.geomspace(0.01 / count, 0.5, 60), 1 - np.geomspace(0.01 / count, 0.5, 60)]):
        held = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
        assert stats.binom.pmf(np.arange(count + 1), count, truth)[held].sum() >= 0.95


def test_a_wider_spread_counts_in_the_middle_as_it_is():
    low, high = share_interval(0.5, 400, reach=0.1)
    # The interval of a share is a little nearer to one half than the share.
    assert (low, high) == pytest.approx((0.4, 0.6), abs=2e-3)
    assert share_interval(0.5, 400, reach=0.01) == share_interval(0.5, 400)


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.98, 1.0])
def test_a_wider_spread_at_the_edge_stays_inside_and_is_seen_on_the_open_side(share):
    narrow, wide = share_interval(share, 200), share_interval(share, 200, reach=0.08)
    assert 0 <= wide.low <= narrow.low <= share <= narrow.high <= wide.high <= 1
    open_side = wide.high - share if share < 0.5 else share - wide.low
    assert 0.08 <= open_side <= 0.12


def test_intervals_change_without_a_step():
    shares = np.linspace(0, 1, 2001)
    for reach in (0.0, 0.05):
        ends = np.array([share_interval(share, 100, reach=reach) for share in shares])
        assert (np.diff(ends, axis=0) >= 0).all()
        assert np.abs(np.diff(ends, axis=0)).max() < 0.02


@defaults_of(DEFAULTS, "share_interval")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 1.2, "count": 5}, "share is 1.2 of 5 samples"),
        ({"share": 0.2, "count": 0}, "share is 0.2 of 0 samples"),
        ({"share": 0.2, "count": 5, "reach": -1.0}, "reach is -1.0"),
        ({"share": 0.2, "count": 5, "reach": float("nan")}, "reach is nan"),
        ({"share": 0.2, "count": 5, "confidence": 1.0}, "confidence is 1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        share_interval(**arguments)
