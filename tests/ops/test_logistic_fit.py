"""Logistic curves against SciPy's fits, planted curves and plain refits; errors against their definitions."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit

from jaxeval.errors import InputError
from jaxeval.ops import agreement
from jaxeval.ops.agreement._draws import draws_of

OPS: Any = agreement  # lists become arrays at the door of an op, which its annotations do not say
fit_logistic, pearson, prediction_errors = OPS.fit_logistic, OPS.pearson, OPS.prediction_errors
CURVES = ("logistic-4", "logistic-5")
EVERY = pytest.mark.parametrize("curve", CURVES)


def four(x, b1, b2, b3, b4):
    return b2 + (b1 - b2) * expit((x - b3) / np.abs(b4))


def five(x, b1, b2, b3, b4, b5):
    return b1 * (0.5 - expit(-b2 * (x - b3))) + b4 * x + b5


def sample(n: int = 80, *, seed: int = 0, noise: float = 0.3, falling: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    metric = 20 + 10 * rng.random(n)
    human = 1 + 4 / (1 + np.exp(-(metric - 25) / 1.3))
    return metric, (6 - human if falling else human) + noise * rng.normal(size=n)


def scipys(metric: np.ndarray, human: np.ndarray, curve: str) -> tuple[np.ndarray, float]:
    """SciPy's best of several starts in both directions, and its sum of squares."""
    best, found = math.inf, np.array([])
    function = four if curve == "logistic-4" else five
    for sign in (1, -1):
        for width in (0.5, 1.0, 3.0):
            low, high = sorted((human.min(), human.max()), reverse=sign < 0)
            start = (
                [high, low, metric.mean(), width]
                if curve == "logistic-4"
                else [high - low, 1 / width, metric.mean(), 0, human.mean()]
            )
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OptimizeWarning)  # of covariances, which nobody asks for
                    values, _ = curve_fit(function, metric, human, start, maxfev=20_000, xtol=1e-13, ftol=1e-13)
            except RuntimeError:
                continue
            squares = float(np.square(human - function(metric, *values)).sum())
            if squares < best:
                best, found = squares, values
    return found, best


@EVERY
@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_fits_are_scipys(curve, falling, noise):
    metric, human = sample(noise=noise, falling=falling)
    fit = fit_logistic(metric, human, curve=curve)
    expected, squares = scipys(metric, human, curve)
    function = four if curve == "logistic-4" else five
    # Squares are differences of products of all rows: a root of their rounding, of the spread, is left.
    np.testing.assert_allclose(fit.predict(metric), function(metric, *expected), atol=1e-5)
    assert fit.rmse == pytest.approx(math.sqrt(squares / (80 - len(fit.parameters))), rel=1e-9, abs=5e-8)
    assert fit.rising is not falling
    assert fit.remark == ""


@pytest.mark.slow
@EVERY
def test_no_fit_of_scipys_is_better(curve):
    """Samples of many noises, widths and units: the least squares, but for those at a bound that a remark names."""
    rng = np.random.default_rng(5)
    remarks = 0
    for _ in range(60):
        n = int(rng.integers(10, 300))
        metric = 10 * rng.normal() + 10 ** rng.uniform(-3, 3) * rng.normal(size=n)
        level = 1 / (
            1
            + np.exp(
                -(metric - np.quantile(metric, rng.uniform(0.1, 0.9))) / (metric.std() * 10 ** rng.uniform(-1, 0.5))
            )
        )
        human = 3 + rng.choice([-2, 2]) * level + 10 ** rng.uniform(-3, 0) * rng.normal(size=n)
        fit = fit_logistic(metric, human, curve=curve)
        unit = float(np.ptp(metric))
        _, squares = scipys(metric / unit * 10, human, curve)
        ours = float(np.square(human - fit.predict(metric)).sum())
        remarks += bool(fit.remark)
        assert ours <= squares * (1 + (1e-3 if fit.remark else 1e-7))
    assert remarks < 30


def test_planted_parameters_are_found():
    metric = np.linspace(0, 10, 60)
    assert fit_logistic(metric, four(metric, 5, 1, 4, 0.7)).parameters == pytest.approx((5, 1, 4, 0.7), rel=1e-6)
    assert fit_logistic(metric, four(metric, 1, 5, 4, 0.7)).parameters == pytest.approx((1, 5, 4, 0.7), rel=1e-6)
    planted = (-3, 1.5, 6, 0.2, 2)
    found = fit_logistic(metric, five(metric, *planted), curve="logistic-5")
    assert found.parameters == pytest.approx(planted, rel=1e-5)
    assert (found.rising, found.monotone) == (False, False)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from(CURVES), st.floats(-3, 3), st.booleans())
def test_units_and_order_do_not_matter(seed, curve, magnitude, falling):
    metric, human = sample(40, seed=seed, falling=falling)
    fit = fit_logistic(metric, human, curve=curve)
    order = np.random.default_rng(seed).permutation(40)
    unit = 10**magnitude
    other = fit_logistic(unit * (metric - 7)[order], 100 * human[order] - 3, curve=curve)
    predicted = (other.predict(unit * (metric - 7)) + 3) / 100
    np.testing.assert_allclose(predicted, fit.predict(metric), atol=2e-4)
    turned = fit_logistic(-metric, human, curve=curve)
    np.testing.assert_allclose(turned.predict(-metric), fit.predict(metric), atol=2e-4)
    assert turned.rising is not fit.rising


@pytest.mark.parametrize(
    ("metric", "human", "remark"),
    [
        (np.ones(20), np.arange(20), "the metric is constant"),
        (np.arange(20), np.ones(20), "people's values are constant"),
        ([1, 2, 3, 4], [1, 2, 3, 5], "4 rows with 4 different values of the metric cannot tell"),
        (np.arange(20) % 3, np.arange(20), "20 rows with 3 different values of the metric cannot tell"),
    ],
)
@EVERY
def test_what_cannot_be_fitted_is_not_a_number_and_says_why(metric, human, remark, curve):
    fit = fit_logistic(metric, human, curve=curve)
    assert fit.remark.startswith(remark)
    assert all(map(math.isnan, (*fit.parameters, fit.rmse)))
    assert np.isnan(fit.predict(np.zeros(2))).all()
    found = prediction_errors(metric, human, curve=curve, reach=np.ones(len(metric)), band_at=[1.0, 2.0], repeats=5)
    assert found.rmse_star is not None
    assert math.isnan(found.pearson.value)
    assert found.rmse_star.undefined == 5
    assert found.band is not None
    assert np.isnan(found.band).all()


def test_bounds_are_said():
    metric = np.linspace(0, 1, 40)
    assert "a step" in fit_logistic(metric, (metric > 0.5) * 1.0).remark
    assert "a straight line" in fit_logistic(metric, 2 * metric).remark
    exponential = fit_logistic(metric, np.exp(3 * metric))
    assert "exponential" in exponential.remark
    np.testing.assert_allclose(exponential.predict(metric), np.exp(3 * metric), rtol=2e-2, atol=2e-2)


# --- prediction errors


def test_errors_are_the_definitions():
    metric, human = sample(50)
    reach = np.linspace(0.05, 0.5, 50)
    found = prediction_errors(metric, human, reach=reach, curve="logistic-4")
    assert found.fit is not None
    assert found.rmse_star is not None
    assert found.outlier_ratio is not None
    errors = human - found.fit.predict(metric)
    assert found.rmse.value == pytest.approx(math.sqrt((errors**2).sum() / 46), rel=1e-12) == found.fit.rmse
    beyond = np.clip(np.abs(errors) - reach, 0, None)
    assert found.rmse_star.value == pytest.approx(math.sqrt((beyond**2).sum() / 46), rel=1e-12)
    assert found.outlier_ratio.value == np.mean(np.abs(errors) > reach)
    assert found.pearson.value == pytest.approx(stats.pearsonr(found.fit.predict(metric), human)[0], rel=1e-12)


def test_without_a_curve_nothing_is_fitted():
    rng = np.random.default_rng(0)
    human = 1 + 4 * rng.random(30)
    metric = human + rng.normal(size=30) / 3
    found = prediction_errors(metric, human, curve="none", repeats=10)
    assert found.fit is None
    assert found.rmse_star is None
    assert found.rmse.value == pytest.approx(math.sqrt(((metric - human) ** 2).sum() / 29), rel=1e-12)
    plain = pearson(metric, human, repeats=10)
    assert found.pearson.value == plain.value
    np.testing.assert_allclose(found.pearson.replicates, plain.replicates, atol=1e-6)


@EVERY
def test_a_repeat_is_the_fit_of_the_rows_drawn(curve):
    metric, human = sample(60)
    reach = np.full(60, 0.2)
    places = np.linspace(21, 29, 7)
    found = prediction_errors(metric, human, curve=curve, reach=reach, band_at=places, repeats=12)
    weights = np.concatenate(list(draws_of(60, None, 12, 0.95, 0).batches()))
    curves = []
    for repeat in range(12):
        rows = np.repeat(np.arange(60), weights[repeat].astype(int))
        alone = prediction_errors(metric[rows], human[rows], curve=curve, reach=reach[rows], repeats=1)
        assert alone.fit is not None
        curves.append(alone.fit.predict(places))
        for name in ("pearson", "rmse", "rmse_star"):
            # A descent ends where squares fall by 1e-11, and leaves a root of it in the curve. Bounds are in ranges of
            # the metric, and what is drawn has another one.
            ours, theirs = getattr(found, name).replicates[repeat], getattr(alone, name).value
            assert ours == pytest.approx(theirs, rel=1e-3 if alone.fit.remark else 1e-5), name
    assert found.band is not None
    np.testing.assert_allclose(found.band, np.quantile(curves, [0.025, 0.975], axis=0), atol=2e-3)


@pytest.mark.slow
@EVERY
def test_intervals_of_errors_cover(curve):
    """95% of 120 draws of 80 rows, to within 4.5 standard deviations of a share: 86% and more."""
    found = [prediction_errors(*sample(80, seed=seed), curve=curve, repeats=300) for seed in range(120)]
    covered = np.mean([one.rmse.interval.low <= 0.3 <= one.rmse.interval.high for one in found])
    assert covered >= 0.86
    many = prediction_errors(*sample(50_000, seed=9), curve=curve, repeats=1).pearson.value
    covered = np.mean([one.pearson.interval.low <= many <= one.pearson.interval.high for one in found])
    assert covered >= 0.86


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: fit_logistic([1, 2], [1, 2], curve="logistic-3"), "curve 'logistic-3' is not known"),
        (lambda: prediction_errors([1, 2], [1, 2], curve="cubic"), "curve 'cubic' is not known"),
        (lambda: prediction_errors([1, 2], [1, 2], reach=[1]), r"reach has shape \(1,\)"),
        (lambda: prediction_errors([1, 2], [1, 2], reach=[1, -1]), "reach has the value -1"),
        (lambda: prediction_errors([1, 2], [1, 2], curve="none", band_at=[1]), "band_at is given without a curve"),
        (lambda: fit_logistic(*sample(9)).predict(np.zeros((2, 2))), r"metric has shape \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_said(function, sentence):
    with pytest.raises(InputError, match=sentence):
        function()
