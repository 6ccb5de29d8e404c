"""Resampling against closed forms, SciPy and exact enumeration."""

import math

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_defaults import DEFAULTS
from scipy import stats

from jaxeval.errors import InputError
from jaxeval.ops.resampling import (
    group_numbers,
    interval,
    jackknife,
    mean_interval,
    permutation_p_value,
    subsampling,
    two_sided_p_value,
)


@pytest.mark.parametrize("degrees", [3.0, math.inf])
def test_interval_has_students_quantiles(degrees):
    found = interval(2.0, 0.5, degrees=degrees, confidence=0.9)
    law = stats.norm if math.isinf(degrees) else stats.t(degrees)
    assert found == pytest.approx((2 + 0.5 * law.ppf(0.05), 2 + 0.5 * law.ppf(0.95)), rel=1e-12)


def test_mean_interval_is_scipys():
    values = np.random.default_rng(0).standard_normal(40) + 3
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx(tuple(expected), rel=1e-12)


def test_leaving_out_single_rows_of_a_mean_gives_its_closed_form():
    x = np.random.default_rng(1).standard_normal(30)
    found = jackknife(lambda x_rows: x[x_rows].mean(), {"x_rows": 30}, groups=30)
    assert found.value == pytest.approx(x.mean())
    assert found.standard_error == pytest.approx(x.std(ddof=1) / np.sqrt(30), rel=1e-12)
    assert found.bias == pytest.approx(0, abs=1e-13)
    assert found.degrees == 29


def test_the_bias_of_a_variance_is_found_exactly():
    x = np.random.default_rng(2).standard_normal(24)
    found = jackknife(lambda rows: x[rows].var(), {"rows": 24}, groups=24)
    assert found.value - found.bias == pytest.approx(x.var(ddof=1), rel=1e-12)


def test_several_sets_and_several_values():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(40), rng.standard_normal(60) * 2

    def statistic(x_rows, y_rows):
        return [x[x_rows].mean() - y[y_rows].mean(), x[x_rows].mean()]

    errors = [
        [found.standard_error for found in (jackknife(statistic, sizes, seed=s), subsampling(statistic, sizes, seed=s))]
        for sizes in [{"x_rows": 40, "y_rows": 60}]
        for s in range(60)
    ]
    expected = [np.sqrt(x.var(ddof=1) / 40 + y.var(ddof=1) / 60), np.sqrt(x.var(ddof=1) / 40)]
    # Both variances are unbiased over the draws; 60 draws know their root mean square to 3%.
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)), [expected] * 2, rtol=0.09)


def test_subsampling_is_the_spread_within_each_division():
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal(41), rng.standard_normal(60)
    variances = []
    for repeat in range(5):
        parts = [group_numbers(len(v), 3, seed=3 + 1000 * repeat, name=name) for name, v in (("a", x), ("b", y))]
        values = [np.median(x[parts[0] == third]) - np.median(y[parts[1] == third]) for third in range(3)]
        variances.append(np.var(values, ddof=1))
    found = subsampling(lambda a, b: np.median(x[a]) - np.median(y[b]), {"a": 41, "b": 60}, seed=3)
    assert found.standard_error == pytest.approx(np.sqrt(np.mean(variances) / 3), rel=1e-12)
    assert found.degrees == 10
    assert subsampling(lambda a: x[a].mean(), {"a": 41}, parts=4, repeats=2).degrees == 6


def test_a_jackknife_of_groups_is_the_spread_of_what_is_left():
    x = np.random.default_rng(9).standard_normal(40)
    of = group_numbers(40, 8, seed=5, name="chosen")
    left = np.array([np.exp(x[of != group].mean()) for group in range(8)])
    found = jackknife(lambda chosen: np.exp(x[chosen].mean()), {"chosen": 40}, groups=8, seed=5)
    assert found.standard_error == pytest.approx(np.sqrt(7 * left.var()), rel=1e-12)
    assert found.bias == pytest.approx(7 * (left.mean() - np.exp(x.mean())), rel=1e-9)
    assert found.degrees == 7


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 50), st.integers(0, 100), st.integers(0, 2**31))
def test_groups_are_equal_to_one_row(groups, more, seed):
    numbers = group_numbers(groups + more, groups, seed=seed)
    sizes = np.bincount(numbers, minlength=groups)
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) == groups


def test_sets_are_divided_independently_and_a_seed_repeats():
    assert (group_numbers(50, 5, name="a") == group_numbers(50, 5, name="a")).all()
    assert (group_numbers(50, 5, name="a") != group_numbers(50, 5, name="b")).any()
    assert (group_numbers(50, 5, seed=1) != group_numbers(50, 5, seed=2)).any()


@pytest.mark.parametrize(("a", "b"), [(5, 5), (3, 7)])
def test_p_value_agrees_with_all_permutations(a, b):
    rng = np.random.default_rng(a)
    x, y = rng.standard_normal(a) + 1, rng.standard_normal(b)

    def difference(x, y, axis=-1):
        return x.mean(axis) - y.mean(axis)

    exact = stats.permutation_test((x, y), difference, n_resamples=10**6, vectorized=True)
    # SciPy doubles the smaller tail; with all permutations of symmetric sizes that is the share of larger sizes.
    larger = (np.abs(exact.null_distribution) >= abs(difference(x, y)) - 1e-12).mean()
    found = permutation_p_value(x, y, permutations=20_000, seed=1)
    assert found == pytest.approx(larger, abs=4 * np.sqrt(larger * (1 - larger) / 20_000) + 1e-4)


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(5)
    found = [
        permutation_p_value(rng.exponential(size=30), rng.exponential(size=40), permutations=199, seed=s)
        for s in range(300)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert min(found) >= 1 / 200


def test_equal_values_are_no_evidence():
    assert permutation_p_value(np.ones(20), np.ones(10), permutations=99) == 1
    assert two_sided_p_value(0.0, 0.0) == 1
    assert two_sided_p_value(1.0, 0.0) == 0
    assert two_sided_p_value(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6)


@defaults_of(
    DEFAULTS,
    "group_numbers",
    "interval",
    "jackknife",
    "mean_interval",
    "permutation_p_value",
    "subsampling",
    "two_sided_p_value",
)
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval(0.0, 1.0, confidence=1.0), "confidence is 1"),
        (lambda: mean_interval(np.ones(1)), "at least two finite"),
        (lambda: jackknife(np.sum, {"x": 5}, groups=6), "5 rows of x"),
        (lambda: subsampling(np.sum, {"x": 2}), "2 rows of x"),
        (lambda: subsampling(np.sum, {"x": 9}, repeats=0), "repeats is 0"),
        (lambda: permutation_p_value(np.ones(2), np.array([1, np.nan])), "second has shape"),
        (lambda: permutation_p_value(np.ones(2), np.ones(2), permutations=0), "permutations is 0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
