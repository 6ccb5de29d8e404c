"""Metrics against people: SciPy, published examples, the values of mt-metrics-eval's tests, and plain resampling."""

import math
from typing import Any

import jax
import numpy as np
import pytest
from default_values import Default, Example, assert_complete, assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxpr_checks import equations
from scipy import stats

from jaxeval.errors import InputError
from jaxeval.ops import agreement
from jaxeval.ops.agreement import _pair_tiles, pair_accuracy
from jaxeval.ops.agreement._draws import draws_of, spread

OPS: Any = agreement  # lists become arrays at the door of an op, which its annotations do not say
pearson, spearman, kendall_tau = OPS.pearson, OPS.spearman, OPS.kendall_tau
pairwise_accuracy, paired_difference = OPS.pairwise_accuracy, OPS.paired_difference
meng_test, williams_test, prediction_errors = OPS.meng_test, OPS.williams_test, OPS.prediction_errors
CORRELATIONS = {
    "pearson": (pearson, stats.pearsonr),
    "spearman": (spearman, stats.spearmanr),
    "kendall_tau": (kendall_tau, stats.kendalltau),
}
EVERY = pytest.mark.parametrize("name", CORRELATIONS)


def sample(n: int = 60, *, seed: int = 0, noise: float = 1.0, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A metric and people's values, of which some tie."""
    rng = np.random.default_rng(seed)
    human = rng.normal(size=n)
    return np.round(human + noise * rng.normal(size=n), digits), np.round(human, digits)


def drawn_rows(count: int, repeat: int, clusters: np.ndarray | None = None, repeats: int = 20) -> np.ndarray:
    """The rows of one repeat of the bootstrap, as often as they are drawn."""
    weights = np.concatenate(list(draws_of(count, clusters, repeats, 0.95, 0).batches()))[repeat]
    return np.repeat(np.arange(count), weights.astype(int))


@EVERY
@pytest.mark.parametrize("digits", [0, 1, 12])
def test_correlations_are_scipys(name, digits):
    ours, theirs = CORRELATIONS[name]
    metric, human = sample(digits=digits)
    assert ours(metric, human).value == pytest.approx(theirs(metric, human).statistic, rel=1e-12)
    assert ours(-metric, human).value == pytest.approx(-theirs(metric, human).statistic, rel=1e-12)


@EVERY
@pytest.mark.parametrize("clustered", [False, True])
def test_a_repeat_is_scipys_correlation_of_the_rows_drawn(name, clustered):
    ours, theirs = CORRELATIONS[name]
    metric, human = sample(90)
    clusters = np.arange(90) // 3 if clustered else None
    found = ours(metric, human, clusters=clusters, repeats=20)
    for repeat, value in enumerate(found.replicates):
        rows = drawn_rows(90, repeat, clusters)
        # Sums of float32 over 90 rows.
        assert value == pytest.approx(theirs(metric[rows], human[rows]).statistic, abs=1e-6)


def test_clusters_are_drawn_whole_and_two_ways_at_once():
    items, systems = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5)
    draws = draws_of(20, np.column_stack([items, systems]), 50, 0.95, 0)
    for weights in np.concatenate(list(draws.batches())).reshape(50, 5, 4):
        assert np.linalg.matrix_rank(weights) <= 1
    alone = np.concatenate(list(draws_of(20, items, 50, 0.95, 0).batches())).reshape(50, 5, 4)
    assert (alone == alone[:, :, :1]).all()
    np.testing.assert_array_equal(alone[:, :, 0].sum(1), 5)


def test_intervals_are_moved_against_the_bias():
    replicates = 3.1 + np.random.default_rng(1).normal(size=5000) / 5
    share = np.mean(replicates < 3)
    found = spread(3.0, replicates, 0.9)[0]
    z = 2 * stats.norm.ppf(share)
    ends = stats.norm.cdf([z - stats.norm.ppf(0.95), z + stats.norm.ppf(0.95)])
    assert found == pytest.approx(np.quantile(replicates, ends), rel=1e-12)
    # Twice the shift is taken off: replicates lie 0.1 too high, and the interval about 0.1 too low.
    assert np.mean(found) == pytest.approx(2.9, abs=0.03)
    assert spread(math.nan, replicates, 0.9)[1] is math.nan


def test_draws_do_not_depend_on_batches():
    draws = draws_of(7, None, 50, 0.95, 3)
    np.testing.assert_array_equal(np.concatenate(list(draws.batches(1))), np.concatenate(list(draws.batches())))
    assert np.concatenate(list(draws.batches())).sum(1).tolist() == [7] * 50


@EVERY
def test_more_noise_within_clusters_does_not_hide_their_number(name):
    """Rows of ten clusters that are copies have the intervals of ten rows, not of a hundred."""
    metric, human = (np.repeat(side, 10) for side in sample(10, digits=6))
    clustered = CORRELATIONS[name][0](metric, human, clusters=np.repeat(np.arange(10), 10))
    alone = CORRELATIONS[name][0](metric, human)
    assert clustered.standard_error > 2 * alone.standard_error


@EVERY
@pytest.mark.slow
def test_intervals_cover_what_the_distribution_has(name):
    """95% of 300 draws of 80 rows, to within 4.5 standard deviations of a share: 89.3% and more."""
    ours, _ = CORRELATIONS[name]
    r = 1 / math.sqrt(2)
    truth = {"pearson": r, "spearman": 6 / math.pi * math.asin(r / 2), "kendall_tau": 2 / math.pi * math.asin(r)}[name]
    found = [ours(*sample(80, seed=seed, digits=12), repeats=500).interval for seed in range(300)]
    assert 0.893 <= np.mean([low <= truth <= high for low, high in found]) <= 0.99


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(list(CORRELATIONS)))
def test_laws_of_correlations(seed, name):
    function = CORRELATIONS[name][0]
    metric, human = sample(15, seed=seed)
    order = np.random.default_rng(seed).permutation(15)

    def value(x, y):
        return function(x, y, repeats=1).value

    found = value(metric, human)
    assert value(metric[order], human[order]) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert value(human, metric) == pytest.approx(found, rel=1e-12)
    assert value(-metric, human) == pytest.approx(-found, rel=1e-12)
    assert value(3 * metric + 5, human) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert value(metric, metric) == 1
    assert -1 <= found <= 1
    if name != "pearson":
        assert value(np.exp(metric), human**3) == found


@EVERY
def test_constant_values_have_no_correlation(name):
    found = CORRELATIONS[name][0](np.ones(9), np.arange(9))
    assert math.isnan(found.value)
    assert found.undefined == 1000
    assert all(map(math.isnan, found.interval))


@EVERY
def test_repeats_of_equal_rows_are_not_a_number(name):
    found = CORRELATIONS[name][0]([0.1, 0.7, 0.3], [0.2, 0.6, 0.4])
    assert found.undefined == pytest.approx(1000 / 9, abs=45)  # 3 of 27 draws; 4.5 standard deviations


# --- pairs in tiles


def test_tiles_count_what_all_pairs_do(monkeypatch):
    metric, human = sample(70)
    whole = kendall_tau(metric, human, repeats=30)
    accuracy = pairwise_accuracy(metric, human, repeats=30)
    jax.clear_caches()
    monkeypatch.setattr(_pair_tiles, "_SIDE", 16)
    np.testing.assert_array_equal(kendall_tau(metric, human, repeats=30).replicates, whole.replicates)
    again = pairwise_accuracy(metric, human, repeats=30)
    np.testing.assert_array_equal(again.accuracy.replicates, accuracy.accuracy.replicates)
    jax.clear_caches()


def test_no_array_has_all_pairs():
    rows = tuple(jax.ShapeDtypeStruct((_pair_tiles._SIDE,), np.int32) for _ in range(4))
    weights = jax.ShapeDtypeStruct((100, _pair_tiles._SIDE), np.float32)
    jaxpr = jax.make_jaxpr(lambda a, b, v, w: _pair_tiles._tile(a, b, v, w, pair_accuracy._agreement, alone=True))(
        rows, rows, weights, weights
    )
    largest = max(math.prod(variable.aval.shape) for equation in equations(jaxpr) for variable in equation.outvars)
    assert largest <= _pair_tiles._SIDE**2


def by_enumeration(metric: np.ndarray, human: np.ndarray, epsilon: float, rows: np.ndarray | None = None) -> float:
    """The accuracy over all pairs of rows, of which some may be there several times."""
    rows = np.arange(len(metric)) if rows is None else rows
    said = [
        np.sign(human[i] - human[j]) == (0 if abs(metric[i] - metric[j]) <= epsilon else np.sign(metric[i] - metric[j]))
        for place, i in enumerate(rows)
        for j in rows[:place]
        if i != j
    ]
    return float(np.mean(said))


@pytest.mark.parametrize(
    ("human", "shares", "epsilon"),
    [([1, 2, 3, 4], [6, 4, 3, 1, 0], 0), ([1, 1, 1, 4], [3, 3, 4, 4, 3], 4)],
)
def test_accuracies_of_mt_metrics_eval(human, shares, epsilon):
    """Of its tests of tie calibration, at the commit 0b82d96."""
    metric = [0, 2, 6, 8]
    found = [pairwise_accuracy(metric, human, epsilon=of, repeats=1).accuracy.value for of in (0.0, 2.0, 4.0, 6.0, 8.0)]
    np.testing.assert_allclose(found, np.array(shares) / 6, rtol=1e-12)
    calibrated = pairwise_accuracy(metric, human, repeats=1)
    assert calibrated.epsilon == epsilon
    assert calibrated.accuracy.value == pytest.approx(max(shares) / 6, rel=1e-12)


def test_grouped_accuracies_of_mt_metrics_eval():
    """The same, its example of matrices: pairs of one row, averaged over the rows that have any."""
    gap = math.nan
    metric = np.array([[0, 5, 2, 3, 2], [gap, 2, 1, 5, 3], [9, 1, 5, 3, 8], [9, 3, 4, 4, 1], [gap] * 5])
    human = np.array([[1, 5, 2, 1, 1], [4, 2, 2, 1, 4], [5, 9, 2, 8, 7], [7, 6, gap, 3, 2], [gap] * 5])
    known = ~np.isnan(metric) & ~np.isnan(human)
    groups = np.repeat(np.arange(5), 5).reshape(5, 5)[known]
    expected = [7 / 15, 59 / 120, 23 / 60, 7 / 24, 4 / 15, 1 / 5, 19 / 120, 19 / 120, 7 / 60]
    sides = metric[known], human[known]
    found = [pairwise_accuracy(*sides, groups=groups, epsilon=float(of), repeats=1).accuracy.value for of in range(9)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    calibrated = pairwise_accuracy(*sides, groups=groups)
    assert (calibrated.epsilon, calibrated.uncalibrated) == (1, pytest.approx(7 / 15))
    assert (calibrated.pairs, calibrated.tied) == (32, 4)


def test_accuracy_is_that_of_all_pairs_in_a_repeat_too():
    metric, human = sample(40)
    found = pairwise_accuracy(metric, human, repeats=10)
    assert found.accuracy.value == pytest.approx(by_enumeration(metric, human, found.epsilon), rel=1e-12)
    assert found.uncalibrated == pytest.approx(by_enumeration(metric, human, 0.0), rel=1e-12)
    assert found.tied == sum(human[i] == human[j] for i in range(40) for j in range(i))
    for repeat, value in enumerate(found.accuracy.replicates):
        rows = drawn_rows(40, repeat, repeats=10)
        agreed = [
            (
                np.sign(human[i] - human[j])
                == (0 if abs(metric[i] - metric[j]) <= found.epsilon else np.sign(metric[i] - metric[j]))
            )
            for a, i in enumerate(rows)
            for j in rows[:a]
            if i != j
        ]
        assert value == pytest.approx(np.mean(agreed), rel=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.booleans())
def test_no_other_epsilon_is_better(seed, grouped):
    metric, human = sample(14, seed=seed)
    groups = np.arange(14) % 3 if grouped else None
    found = pairwise_accuracy(metric, human, groups=groups, repeats=1)
    others = np.unique(np.abs(metric[:, None] - metric[None]))
    values = {
        epsilon: pairwise_accuracy(metric, human, groups=groups, epsilon=float(epsilon), repeats=1).accuracy.value
        for epsilon in others
    }
    assert found.accuracy.value == pytest.approx(max(values.values()), rel=1e-12)
    assert found.epsilon == min(e for e, value in values.items() if value >= max(values.values()) - 1e-12)


@pytest.mark.parametrize("digits", [1, 12])
@pytest.mark.parametrize("grouped", [False, True])
def test_calibration_of_many_pairs_is_that_of_few(digits, grouped, monkeypatch):
    metric, human = sample(120, digits=digits)
    human = np.round(human)
    groups = np.arange(120) % 2 if grouped else None
    expected = pairwise_accuracy(metric, human, groups=groups, repeats=1).epsilon
    assert expected > 0
    for name, value in (("_HELD", 10), ("_BLOCK", 100), ("_BINS", 50)):
        monkeypatch.setattr(pair_accuracy, name, value)
    assert pairwise_accuracy(metric, human, groups=groups, repeats=1).epsilon == expected


def test_groups_are_drawn_whole():
    metric, human = sample(60)
    groups = np.repeat(np.arange(20), 3)
    found = pairwise_accuracy(metric, human, groups=groups, repeats=10)
    shares = [by_enumeration(metric[i : i + 3], human[i : i + 3], found.epsilon) for i in range(0, 60, 3)]
    assert found.accuracy.value == pytest.approx(np.mean(shares), rel=1e-12)
    for repeat, value in enumerate(found.accuracy.replicates):
        assert value == pytest.approx(np.mean(np.array(shares)[drawn_rows(20, repeat, repeats=10)]), rel=1e-6)


# --- comparisons


def test_published_comparisons():
    assert meng_test(first=0.63, second=-0.03, between=-0.19, count=15).statistic == pytest.approx(1.68, abs=5e-3)
    # R's psych, r.test, "Steiger case A".
    found = williams_test(first=0.4, second=0.5, between=0.1, count=103)
    assert (found.statistic, found.p_value) == (pytest.approx(-0.89, abs=5e-3), pytest.approx(0.37, abs=6e-3))
    assert found.degrees == 100


@pytest.mark.parametrize("test", [meng_test, williams_test])
def test_equal_correlations_are_refused_as_often_as_the_level_says(test):
    """4,000 draws of 30 rows of two metrics that are equally good; 5% to within 4 standard deviations of a share."""
    rng = np.random.default_rng(0)
    human = rng.normal(size=(4000, 30))
    metrics = human + rng.normal(size=(2, 4000, 30)) + 0.7 * rng.normal(size=(4000, 30))

    def r(x, y):
        return [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(x, y, strict=True)]

    values = zip(r(metrics[0], human), r(metrics[1], human), r(*metrics), strict=True)
    p = np.array([test(first=a, second=b, between=c, count=30).p_value for a, b, c in values])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.014)


@settings(max_examples=40)
@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.integers(4, 500))
def test_exchanging_the_metrics_changes_the_sign(first, second, count):
    between = first * second  # always possible
    for test in (meng_test, williams_test):
        one = test(first=first, second=second, between=between, count=count)
        other = test(first=second, second=first, between=between, count=count)
        assert other.statistic == pytest.approx(-one.statistic, rel=1e-9, abs=1e-12)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


def test_metrics_that_are_the_same_leave_nothing_to_compare():
    assert math.isnan(meng_test(first=0.5, second=0.5, between=1.0, count=20).p_value)
    assert math.isnan(williams_test(first=0.5, second=0.5, between=1.0, count=20).p_value)
    assert math.isnan(meng_test(first=1.0, second=0.5, between=0.5, count=20).p_value)
    assert math.isnan(williams_test(first=math.nan, second=0.5, between=0.5, count=20).p_value)


@EVERY
def test_paired_differences_are_of_the_same_draws(name):
    function = CORRELATIONS[name][0]
    near, human = sample(50, noise=0.5)
    far, _ = sample(50, noise=2.0)
    first, second = function(near, human), function(far, human)
    found = paired_difference(first, second)
    assert found.value == first.value - second.value
    assert found.standard_error == np.std(first.replicates - second.replicates, ddof=1)
    assert found.p_value < 0.01
    # The draws are shared: a metric less itself differs by nothing.
    same = paired_difference(first, function(near, human))
    assert (same.interval.low, same.interval.high, same.p_value) == (0, 0, 1)


@pytest.mark.slow
def test_a_bootstraps_p_value_is_as_often_small_as_it_says():
    """400 draws of 60 rows of two equally good metrics: 5% to within 4.5 standard deviations of a share."""
    rng = np.random.default_rng(1)
    small = 0
    for _ in range(400):
        human = rng.normal(size=60)
        first, second = (pearson(human + rng.normal(size=60), human, repeats=400) for _ in range(2))
        small += paired_difference(first, second).p_value < 0.05
    assert small / 400 <= 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: pearson([1, 2], [1, 2, 3]), "metric has 2 values and human 3"),
        (lambda: pearson([1], [1]), "metric has 1 values and human 1"),
        (lambda: spearman([1, math.nan], [1, 2]), r"metric has 1 values that are not finite, the first at \[1\]"),
        (lambda: kendall_tau([[1, 2]], [1, 2]), r"metric has shape \(1, 2\)"),
        (lambda: pearson([1, 2], [1, 2], clusters=[1]), r"clusters has shape \(1,\)"),
        (lambda: pearson([1, 2], [1, 2], clusters=[1, math.nan]), "clusters has labels that are not finite"),
        (lambda: pearson([1, 2], [1, 2], repeats=0), "repeats is 0"),
        (lambda: pairwise_accuracy([1, 2], [1, 2], epsilon=-1.0), "epsilon is -1.0"),
        (lambda: pairwise_accuracy([1, 2], [1, 2], groups=[1, 2]), "groups has no group of two rows"),
        (lambda: pairwise_accuracy([1, 2], [1, 2], groups=[1, 1], clusters=[1, 1]), "groups and clusters are both"),
        (lambda: pairwise_accuracy([1, 2], [1, 2], groups=[1, 1, 1]), r"groups has shape \(3,\)"),
        (lambda: meng_test(first=1.1, second=0.5, between=0.5, count=20), "first is 1.1"),
        (lambda: williams_test(first=0.1, second=0.5, between=0.5, count=3), "count is 3"),
        (lambda: paired_difference(pearson(*sample(9)), pearson(*sample(8))), "not of the same draws"),
        (lambda: paired_difference(pearson(*sample(9)), pearson(*sample(9)), confidence=0.0), "confidence is 0.0"),
    ],
)
def test_what_does_not_fit_is_said(function, sentence):
    with pytest.raises(InputError, match=sentence):
        function()


# --- defaults

PAIR: dict[str, Any] = dict(zip(("metric", "human"), sample(30), strict=True))
BOOTSTRAP = {"repeats": Default(1000, (999, 1001)), "confidence": Default(0.95, (0.9,)), "seed": Default(0, (1,))}
CLUSTERED = {"clusters": Default(None, (np.arange(30) // 2,)), **BOOTSTRAP}
FIRST, SECOND = pearson(*sample(30)), pearson(*sample(30, noise=2))
DEFAULTS = {
    **{name: Example(function, PAIR, CLUSTERED) for name, (function, _) in CORRELATIONS.items()},
    "pairwise_accuracy": Example(
        pairwise_accuracy,
        PAIR,
        {
            "epsilon": Default(None, (0.0, 3.0), {"human": np.round(PAIR["human"])}),
            "groups": Default(None, (np.arange(30) // 5,)),
            **CLUSTERED,
        },
    ),
    "paired_difference": Example(
        paired_difference, {"first": FIRST, "second": SECOND}, {"confidence": Default(0.95, (0.9,))}
    ),
    "fit_logistic": Example(agreement.fit_logistic, PAIR, {"curve": Default("logistic-4", ("logistic-5",))}),
    "prediction_errors": Example(
        prediction_errors,
        PAIR,
        {
            "curve": Default("logistic-4", ("logistic-5", "none")),
            "reach": Default(None, (np.ones(30),)),
            "band_at": Default(None, (np.zeros(2),)),
            **CLUSTERED,
        },
    ),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_in_the_table(name):
    assert DEFAULTS[name].function is getattr(agreement, name)
    assert_complete(name, DEFAULTS[name])


@defaults_of(DEFAULTS, *DEFAULTS)
def test_defaults_are_what_the_documentation_says(example, parameter):
    assert_default(example, parameter)
