"""Means, ratios and differences of clustered values: closed forms, exact p-values, and how often truth is held."""

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given
from hypothesis import strategies as st
from ops_defaults import DEFAULTS
from scipy import stats

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops import (
    ClusteredDifference,
    ClusteredMean,
    Interval,
    clustered_mean,
    clustered_ratio,
    paired_clustered_difference,
)


def clustered_values(seed: int, clusters: int = 25, largest: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Values with a part that a cluster's rows share, and each row's cluster."""
    state = np.random.default_rng(seed)
    of = np.repeat(np.arange(clusters), state.integers(1, largest + 1, clusters))
    return state.normal(size=clusters)[of] + state.normal(size=len(of)), of


def ends(found: ClusteredMean | ClusteredDifference) -> Interval:
    assert found.interval is not None
    return found.interval


def test_of_clusters_of_one_it_is_students():
    values = np.random.default_rng(0).normal(size=30)
    found = clustered_mean(values, np.arange(30), confidence=0.9)
    wanted = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert found.interval == pytest.approx((wanted.low, wanted.high), rel=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=1e-12)
    assert (found.n, found.n_clusters, found.degrees) == (30, 30, 29)


def test_of_equal_clusters_it_is_students_of_their_means():
    values = np.random.default_rng(1).normal(size=(12, 4))
    found = clustered_mean(values.ravel(), np.repeat(np.arange(12), 4))
    wanted = stats.ttest_1samp(values.mean(1), 0.0).confidence_interval()
    assert found.interval == pytest.approx((wanted.low, wanted.high), rel=1e-12)


def test_pairs_of_clusters_of_one_have_the_paired_t_interval():
    first, second = np.random.default_rng(2).normal(size=(2, 20))
    found = paired_clustered_difference(first, np.arange(20), second, np.arange(20))
    wanted = stats.ttest_rel(second, first).confidence_interval()
    assert found.interval == pytest.approx((wanted.low, wanted.high), rel=1e-12)


@pytest.mark.parametrize("count", [5, 9])
def test_few_pairs_have_the_exact_p_value_of_sign_flips(count):
    first, second = np.random.default_rng(count).normal(size=(2, count))
    found = paired_clustered_difference(first, np.arange(count), second, np.arange(count))
    wanted = stats.permutation_test(
        (second, first), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=10_000
    )
    assert found.p_value == pytest.approx(wanted.pvalue, abs=1e-12)


def test_uneven_clusters_are_exchanged_whole():
    """Against every exchange, computed from the rows."""
    first, a = clustered_values(3, 6)
    second, b = clustered_values(4, 6)
    found = paired_clustered_difference(first, a, second, b)
    apart = []
    for exchanged in itertools.product((False, True), repeat=6):
        flip = np.array(exchanged)
        new = np.concatenate([second[~flip[b]], first[flip[a]]])
        old = np.concatenate([first[~flip[a]], second[flip[b]]])
        apart.append(abs(new.mean() - old.mean()))
    assert found.p_value == np.mean(np.array(apart) >= apart[0] - 1e-12)
    assert found.value == pytest.approx(second.mean() - first.mean(), abs=1e-14)


@pytest.mark.parametrize("digits", [0, 9])
def test_random_exchanges_come_near_to_all(digits):
    """Also where several clusters change both sides alike."""
    first, second = np.random.default_rng(5).normal(size=(2, 15)).round(digits)
    second += 0.5
    found = paired_clustered_difference(first, np.arange(15), second, np.arange(15), exchanges=20_000).p_value
    signs = np.array(list(itertools.product((-1, 1), repeat=15)))
    sums = np.abs(signs @ (second - first))
    exact = np.mean(sums >= abs((second - first).sum()) - 1e-12)
    assert found == pytest.approx(exact, abs=5 * math.sqrt(exact / 20_000))


def test_no_p_value_is_zero():
    few = paired_clustered_difference(np.zeros(6), np.arange(6), np.ones(6), np.arange(6), limits=(0, 1))
    assert few.p_value == 2 / 2**6
    many = paired_clustered_difference(np.zeros(60), np.arange(60), np.ones(60), np.arange(60), limits=(0, 1))
    assert many.p_value == 1 / 10_000


def test_only_clusters_of_both_sides_are_compared():
    found = paired_clustered_difference(np.array([1, 2, 50]), ["a", "b", "c"], np.array([70, 3, 2]), ["d", "b", "a"])
    assert (found.value, found.n_clusters, found.first, found.second) == (1.0, 2, 1.5, 2.5)


def test_a_ratio_by_ones_is_the_mean():
    values, of = clustered_values(6)
    assert clustered_ratio(values, np.ones(len(values)), of) == clustered_mean(values, of)


def test_a_ratio_of_clusters_of_one_has_the_textbooks_variance():
    """Cochran, Sampling Techniques, 6.3: of a ratio of sums, by linearisation."""
    state = np.random.default_rng(7)
    over, under = state.poisson(3, 40), state.integers(5, 20, 40)
    found = clustered_ratio(over, under, np.arange(40))
    ratio = over.sum() / under.sum()
    residuals = over - ratio * under
    assert found.value == ratio
    assert found.standard_error == pytest.approx(math.sqrt(residuals.var(ddof=1) / 40) / under.mean(), rel=1e-12)


def test_means_of_strata_have_the_textbooks_variance():
    """Cochran, Sampling Techniques, 5: of strata of given weights, each with its own variance."""
    state = np.random.default_rng(9)
    strata = np.repeat(np.arange(4), [5, 10, 20, 40])
    values = state.normal(size=75) + 3 * strata
    weights = (1 / np.bincount(strata))[strata] / 4
    found = clustered_ratio(weights * values, weights, np.arange(75), strata=strata)
    own = [values[strata == stratum] for stratum in range(4)]
    assert found.value == pytest.approx(np.mean([part.mean() for part in own]), rel=1e-12)
    textbook = sum(part.var() / len(part) for part in own) / 16  # of n, not n - 1 in each stratum, as linearised
    assert found.standard_error == pytest.approx(math.sqrt(75 / 74 * textbook), rel=1e-12)
    # Without strata the differences between them would count as if they were by chance.
    assert found.standard_error < clustered_ratio(weights * values, weights, np.arange(75)).standard_error / 2


def test_one_stratum_is_none():
    values, of = clustered_values(13)
    plain = clustered_ratio(values, np.ones(len(values)), of)
    assert clustered_ratio(values, np.ones(len(values)), of, strata=["all"] * len(values)) == plain
    ones = np.ones(len(values))
    stratified = paired_clustered_difference(values, of, values**2, of, first_strata=ones, second_strata=ones)
    assert stratified == paired_clustered_difference(values, of, values**2, of)


def test_differences_of_pooled_rates_pair_the_clusters():
    state = np.random.default_rng(8)
    under, of = state.integers(5, 20, 40), np.repeat(np.arange(10), 4)
    first, second = state.poisson(3, 40), state.poisson(2, 40)
    found = paired_clustered_difference(first, of, second, of, first_denominators=under, second_denominators=under)
    wanted = clustered_ratio(second - first, under, of)
    assert found.value == pytest.approx(wanted.value, rel=1e-12)
    assert found.standard_error == pytest.approx(wanted.standard_error, rel=1e-12)


@pytest.mark.parametrize(("hits", "images"), [(0, 1), (0, 4), (1, 1), (1, 4)])
def test_all_or_nothing_is_clopper_and_pearsons_of_the_clusters(hits, images):
    clusters = np.repeat(np.arange(40), images)
    found = clustered_mean(np.full(40 * images, hits), clusters, limits=(0, 1)).interval
    effective = 40 * (stats.t.ppf(0.975, 40 * images - 1) / stats.t.ppf(0.975, 39)) ** 2  # 40 of single images
    low, high = (0.0, 1 - 0.025 ** (1 / effective)) if hits == 0 else (0.025 ** (1 / effective), 1.0)
    assert found == pytest.approx((low, high), abs=1e-12)


def test_many_independent_rows_have_clopper_and_pearsons_interval():
    values = np.arange(4000) % 4 == 0
    found = clustered_mean(values.astype(float), np.arange(4000), limits=(0, 1)).interval
    exact = stats.binomtest(1000, 4000).proportion_ci()
    assert found == pytest.approx((exact.low, exact.high), abs=2e-5)  # with the cautions, a thousandth wider


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.integers(0, 7)), min_size=2, max_size=30),
    st.floats(0.5, 0.99),
)
def test_intervals_of_what_has_limits_are_inside_and_hold_the_value(rows, confidence):
    values, of = map(np.array, zip(*rows, strict=True))
    found = clustered_mean(values, of, limits=(0, 1), confidence=confidence)
    if found.interval is None:
        assert found.n_clusters == 1
        assert math.isnan(found.standard_error)
    else:
        assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1
        assert found.interval.low < found.interval.high
        mirrored = clustered_mean(1 - values, of, limits=(0, 1), confidence=confidence).interval
        assert mirrored is not None
        assert mirrored == pytest.approx((1 - found.interval.high, 1 - found.interval.low), abs=1e-9)
        scaled = clustered_mean(10 * values - 3, of, limits=(-3, 7), confidence=confidence).interval
        assert scaled is not None
        assert scaled == pytest.approx((10 * found.interval.low - 3, 10 * found.interval.high - 3), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=30))
def test_differences_turn_with_their_sides(rows):
    first, second, of = map(np.array, zip(*rows, strict=True))
    one = paired_clustered_difference(first, of, second, of, limits=(0, 1))
    other = paired_clustered_difference(second, of, first, of, limits=(0, 1))
    assert other.value == pytest.approx(-one.value, abs=1e-15)
    assert other.p_value == one.p_value > 0
    if one.interval is None:
        assert one.n_clusters == 1
    else:
        assert other.interval is not None
        assert -1 <= one.interval.low <= one.value <= one.interval.high <= 1
        assert one.interval.low < one.interval.high
        assert other.interval == pytest.approx((-one.interval.high, -one.interval.low), abs=1e-9)


def test_the_order_of_rows_and_names_of_clusters_change_nothing():
    values, of = clustered_values(9)
    order = np.random.default_rng(9).permutation(len(values))
    plain = clustered_mean(values, of)
    renamed = clustered_mean(values[order], [f"prompt {number}" for number in of[order]])
    assert renamed.interval == pytest.approx(plain.interval, rel=1e-12)


def test_without_limits_values_that_are_all_alike_tell_no_interval():
    assert clustered_mean(np.ones(5), np.arange(5)).interval is None
    assert clustered_mean(np.zeros(5), np.arange(5), limits=(0, math.inf)).interval is None
    assert paired_clustered_difference(np.ones(5), np.arange(5), np.ones(5), np.arange(5)).interval is None


def test_a_limit_on_one_side_ends_the_interval():
    found = clustered_ratio(np.array([0, 0, 9]), np.full(3, 10), [0, 1, 2], limits=(0, math.inf))
    assert ends(found).low == 0
    assert ends(found).high > 0.3


CASES = [
    (clusters, largest, alike, share)
    for clusters, largest in ((10, 6), (30, 6), (100, 3), (200, 1))
    for alike in ((0.0,) if largest == 1 else (0.0, 0.3, 1.0))
    for share in (0.02, 0.1, 0.5, 0.9, 0.98)
]


def drawn(state: np.random.Generator, of: np.ndarray, share: float, alike: float) -> np.ndarray:
    """Ones and zeros, two of one cluster correlated by `alike`."""
    clusters = of.max() + 1
    if alike in (0.0, 1.0):
        chance = np.full(clusters, share) if alike == 0 else (state.random(clusters) < share).astype(float)
    else:
        chance = state.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, clusters)
    return (state.random(len(of)) < chance[of]).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "largest", "alike", "share"), CASES)
def test_intervals_of_shares_hold_the_truth_as_often_as_said(clusters, largest, alike, share):
    state, held, draws = np.random.default_rng(clusters), 0, 1000
    for _ in range(draws):
        of = np.repeat(np.arange(clusters), state.integers(1, largest + 1, clusters))
        low, high = ends(clustered_mean(drawn(state, of, share, alike), of, limits=(0, 1)))
        held += low <= share <= high
    assert held / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.98])
@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_intervals_and_p_values_of_differences_err_as_often_as_said(share, common):
    """Both sets of 30 prompts, 4 images each; prompts are `common` to a part: then both sets have the same images."""
    state, held, small, draws = np.random.default_rng(0), 0, 0, 600
    of = np.repeat(np.arange(30), 4)
    for _ in range(draws):
        first, second = (drawn(state, of, share, 0.5) for _ in range(2))
        second = np.where((state.random(30) < common)[of], first, second)
        found = paired_clustered_difference(first, of, second, of, limits=(0, 1), exchanges=199)
        low, high = ends(found)
        held += low <= 0 <= high
        small += found.p_value <= 0.05
    slack = 3 * math.sqrt(0.95 * 0.05 / draws)
    assert held / draws >= 0.95 - slack
    assert small / draws <= 0.05 + slack


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.02, 0.5, 0.98), (0.0, 0.1, 0.3), (1.0, 0.99, 0.95)])
def test_intervals_of_means_over_strata_hold_the_truth_as_often_as_said(shares):
    """Each class weighs the same, of 10, 30 and 60 prompts with 3 images each, half alike."""
    state, held, draws = np.random.default_rng(0), 0, 1000
    strata = np.repeat(np.arange(3), [30, 90, 180])
    of = np.arange(300) // 3
    weights = (1 / np.bincount(strata))[strata]
    for _ in range(draws):
        chance = np.array(shares)[strata]
        together = np.where(state.random(100)[of] < chance, 1.0, 0.0)
        apart = np.where(state.random(300) < chance, 1.0, 0.0)
        values = np.where((state.random(100) < 0.5)[of], together, apart)
        low, high = ends(clustered_ratio(weights * values, weights, of, strata=strata, limits=(0, 1)))
        held += low <= np.mean(shares) <= high
    assert held / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)


@pytest.mark.slow
def test_intervals_of_pooled_rates_hold_the_truth_as_often_as_said():
    state, held, draws = np.random.default_rng(0), 0, 1000
    for _ in range(draws):
        of = np.repeat(np.arange(60), state.integers(1, 5, 60))
        letters = state.integers(4, 30, 60)[of]
        rate = state.beta(2, 8, 60)[of]
        low, high = ends(clustered_ratio(state.binomial(letters, rate), letters, of, limits=(0, math.inf)))
        held += low <= 0.2 <= high
    assert held / draws == pytest.approx(0.95, abs=0.03)  # few clusters: a little less than said is known of it


@defaults_of(DEFAULTS, "clustered_mean", "clustered_ratio", "paired_clustered_difference")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.array([])}, r"values has shape \(0,\)"),
        ({"values": np.array([1.0, np.nan])}, "finite"),
        ({"values": np.array([1e308, -1e308])}, "the largest of values is 1e.308 in size; give values in a unit"),
        ({"values": np.array([1e-320, 0.0])}, "the largest of values is 9.99.*e-321 in size"),
        ({"clusters": None}, "clusters is None; give a number or a name for each row"),
        ({"clusters": "ab"}, "clusters is 'ab'; give a number or a name for each row"),
        ({"clusters": {0, 1}}, "clusters is {0, 1}; give a number or a name for each row"),
        ({"clusters": np.zeros((2, 1))}, r"clusters has shape \(2, 1\); expected a vector"),
        ({"clusters": [[0], [1]]}, r"clusters\[0\] is \[0\]; give a number or a name"),
        ({"clusters": ["a", ("b", [])]}, r"clusters\[1\] is \('b', \[\]\); give a number or a name"),
        ({"clusters": np.array([0, np.nan])}, r"clusters\[1\] is NaN; give a number or a name"),
        ({"clusters": [math.nan, math.nan]}, r"clusters\[0\] is NaN; give a number or a name"),
        ({"limits": (0, 1e200)}, r"limits are .*; give the least and the largest"),
        ({"limits": (0, 1, 2)}, "limits are .*; give the least and the largest"),
        ({"limits": 3}, "limits are 3; give the least and the largest"),
        ({"limits": ("a", "b")}, "limits are .'a', 'b'.; give the least and the largest"),
        ({"confidence": "x"}, "confidence is 'x'; give a number"),
        ({"values": ["a", "b"]}, "values holds <U1 values; real numbers are expected"),
        ({"values": ["1", "2"]}, "values holds <U1 values; real numbers are expected"),
        ({"values": [1j, 2]}, "values holds complex128 values; real numbers are expected"),
        ({"clusters": [0]}, "2 values, 2 denominators and 1 clusters"),
        ({"limits": (1, 0)}, r"limits are \(1, 0\)"),
        ({"limits": (0, 1), "values": np.array([0.0, 1.5])}, "the value 1.5 is beyond the limits 0 and 1"),
        ({"confidence": 1.0}, "confidence is 1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        unchecked(clustered_mean)(**{"values": np.array([0.0, 1.0]), "clusters": [0, 1], **arguments})


def unchecked(op: Callable[..., Any]) -> Callable[..., Any]:
    """As users have it: without the checks of types that the tests put around ops, which come before their own."""
    return takes_arrays(inspect.unwrap(op))


def test_clusters_are_read_from_arrays_of_jax_and_generators():
    values = np.array([0.0, 1.0, 5.0, 2.0])
    wanted = clustered_mean(values, ["a", "a", "b", "c"])
    for clusters in (jnp.array([0, 0, 1, 2]), list(jnp.array([0, 0, 1, 2])), (one for one in "aabc")):
        assert unchecked(clustered_mean)(values, clusters) == wanted


@pytest.mark.filterwarnings("error")
def test_numbers_that_squares_do_not_tell_are_refused_without_a_warning():
    for values in ([1e308, 1e308, -1e308], [1e160, 1e160, 2e160], [1e-200, 2e-200, 1e-200]):
        with pytest.raises(InputError, match="the largest of values is"):
            clustered_mean(np.array(values), [0, 1, 2])
    with pytest.raises(InputError, match="the largest of denominators is"):
        clustered_ratio(np.ones(2), np.full(2, 1e-320), [0, 1])
    with pytest.raises(InputError, match="denominators has 1e-60; give 0, or denominators of 1e-50 or more"):
        clustered_ratio(np.ones(2), np.array([1, 1e-60]), [0, 1])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-49, 1e49])
def test_a_unit_changes_nothing_but_the_unit(unit):
    values, of = clustered_values(5)
    plain, scaled = clustered_mean(values, of), clustered_mean(values * unit / 10, of)
    assert scaled.value == pytest.approx(plain.value * unit / 10, rel=1e-12)
    assert scaled.standard_error == pytest.approx(plain.standard_error * unit / 10, rel=1e-12)
    assert ends(scaled) == pytest.approx(tuple(end * unit / 10 for end in ends(plain)), rel=1e-9)


@pytest.mark.parametrize("limits", [None, (0.0, 1.0)])
def test_equal_sides_differ_by_nothing_and_two_clusters_tell_little(limits):
    values, of = np.array([1.0, 0.0, 1.0]), [0, 0, 1]
    same = paired_clustered_difference(values, of, values, of, limits=limits)
    assert (same.value, same.p_value) == (0.0, 1.0)
    apart = paired_clustered_difference(np.zeros(3), of, np.ones(3), of, limits=limits)
    assert (apart.value, apart.p_value) == (1.0, 0.5)


def test_wrong_sides_and_denominators_are_named():
    one, two, ones = np.array([1, 2]), np.array([0, 1]), np.ones(2)
    with pytest.raises(InputError, match="no cluster in common"):
        paired_clustered_difference(one, [0, 1], one, [2, 3])
    with pytest.raises(InputError, match="one side alone"):
        paired_clustered_difference(one, [0, 1], one, [0, 1], first_denominators=ones)
    with pytest.raises(InputError, match="strata of one side alone"):
        paired_clustered_difference(one, [0, 1], one, [0, 1], first_strata=ones)
    with pytest.raises(InputError, match="2 values and 1 strata"):
        clustered_ratio(one, ones, [0, 1], strata=[0])
    with pytest.raises(InputError, match="are all 0"):
        paired_clustered_difference(two, [0, 1], two, [0, 2], first_denominators=two, second_denominators=two)
    with pytest.raises(InputError, match="exchanges is 0"):
        paired_clustered_difference(one, [0, 1], one, [0, 1], exchanges=0)
    with pytest.raises(InputError, match="seed is -1"):
        paired_clustered_difference(one, [0, 1], one, [0, 1], seed=-1)
    with pytest.raises(InputError, match="a denominator is negative"):
        clustered_ratio(one, np.array([-1, 3]), [0, 1])
    with pytest.raises(InputError, match="the value 3 of 2 is beyond"):
        clustered_ratio(np.array([1, 3]), one, [0, 1], limits=(0, 1))


@pytest.mark.parity
def test_standard_errors_are_statsmodels():
    """Of an intercept alone, by the same correction for few clusters; of a ratio, weighted by its denominators."""
    api = pytest.importorskip("statsmodels.api")
    values, of = clustered_values(10)
    found = clustered_mean(values, of)
    fit = api.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=1e-12)
    assert found.interval == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-10)
    under = np.random.default_rng(10).integers(1, 30, len(values)).astype(float)
    rate = clustered_ratio(values * under, under, of)
    fit = api.WLS(values, np.ones(len(values)), weights=under).fit(
        cov_type="cluster", cov_kwds={"groups": of}, use_t=True
    )
    assert rate.value == pytest.approx(fit.params[0], rel=1e-12)
    assert rate.standard_error == pytest.approx(fit.bse[0], rel=1e-10)


@pytest.mark.parity
def test_errors_of_differences_are_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    (first, a), (second, b) = clustered_values(11), clustered_values(12)
    found = paired_clustered_difference(first, a, second, b)
    design = np.column_stack([np.ones(len(a) + len(b)), np.repeat([0.0, 1.0], [len(a), len(b)])])
    fit = api.OLS(np.concatenate([first, second]), design).fit(
        cov_type="cluster", cov_kwds={"groups": np.concatenate([a, b]), "use_correction": False}
    )
    assert found.value == pytest.approx(fit.params[1], rel=1e-10)
    assert found.standard_error == pytest.approx(fit.bse[1] * math.sqrt(25 / 24), rel=1e-10)
