"""Bias and standard error of the Frechet distance against many draws, closed forms and a jackknife."""

import numpy as np
import pytest
import scipy.linalg

from jaxeval.errors import InputError
from jaxeval.ops import Gaussian, frechet_jackknife, frechet_uncertainty
from jaxeval.ops.frechet import frechet_distance_between
from jaxeval.ops.gaussian import gaussian_from_features


def uncertainty(x, y, **more):
    arguments = {
        "reference": gaussian_from_features(x),
        "generated": gaussian_from_features(y),
        "reference_rows": x,
        "generated_rows": y,
        "n_reference": len(x),
        "n_generated": len(y),
        **more,
    }
    return frechet_uncertainty(**arguments)


def distance(x, y):
    return frechet_distance_between(gaussian_from_features(x), gaussian_from_features(y))


def population(cov_x, cov_y, shift=0.0):
    root = scipy.linalg.sqrtm(scipy.linalg.sqrtm(cov_x) @ cov_y @ scipy.linalg.sqrtm(cov_x))
    return len(cov_x) * shift**2 + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(np.real(root))


def test_bias_of_equal_normals_is_the_closed_form():
    rng = np.random.default_rng(0)
    d, n, m = 24, 4000, 3000
    found = uncertainty(rng.standard_normal((n, d)), rng.standard_normal((m, d)))
    assert found.bias == pytest.approx(d * (d + 5) / 4 * (1 / n + 1 / m), rel=0.02)


CASES = {
    "equal": (16, 400, 400, np.ones(16), 0.0, False),
    "shifted": (16, 600, 300, np.ones(16), 0.1, False),
    "scaled": (16, 400, 400, np.linspace(0.5, 1.5, 16), 0.0, False),
    "skewed": (12, 400, 500, np.linspace(0.5, 1.5, 12), 0.0, True),
}


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_the_distance_of_the_distributions(case):
    """95% in name; of 200 repeats 92% to 98% were seen for each case, and less than 90% would be seen once in 1,000."""
    d, n, m, scales, shift, skewed = CASES[case]
    draw = (lambda rng, size: rng.exponential(size=size)) if skewed else (lambda rng, size: rng.standard_normal(size))
    truth = population(np.eye(d), np.diag(scales**2), shift)
    if skewed:
        truth += np.square(1 - scales).sum()  # the means of exponentials move with their scale
    rng = np.random.default_rng(1)
    repeats, covered, values, found = 120, 0, [], []
    for _ in range(repeats):
        x, y = draw(rng, (n, d)), draw(rng, (m, d)) * scales + shift
        one = uncertainty(x, y)
        values.append(distance(x, y))
        found.append(one)
        covered += abs(values[-1] - one.bias - truth) <= 1.96 * one.standard_error
    assert 0.89 <= covered / repeats <= 0.998
    # Standard deviations of 120 values are known to 6.5%, their mean to a tenth of their spread.
    assert np.mean([one.standard_error for one in found]) == pytest.approx(np.std(values), rel=0.25)
    assert np.mean([one.bias for one in found]) == pytest.approx(
        np.mean(values) - truth, abs=float(0.3 * np.std(values))
    )


def test_a_jackknife_finds_the_same():
    """By leaving out groups of rows, which has nothing in common with a derivative."""
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((10, 10)) * np.geomspace(1, 0.05, 10)
    x, y = rng.standard_normal((3000, 10)) @ mixing, rng.standard_normal((2500, 10)) @ mixing * 1.2 + 0.1
    found, groups = uncertainty(x, y), frechet_jackknife(reference=x, generated=y, groups=100)
    # A jackknife of 100 groups knows the error to 7%, the bias to a tenth of the error.
    assert found.standard_error == pytest.approx(groups.standard_error, rel=0.2)
    assert found.bias == pytest.approx(groups.bias, abs=0.3 * found.standard_error)


def test_some_of_the_rows_do():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((6000, 8)), 1.2 * rng.standard_normal((5000, 8))
    whole, part = uncertainty(x, y), uncertainty(x, y, reference_rows=x[::4], generated_rows=y[1::3])
    assert part.standard_error == pytest.approx(whole.standard_error, rel=0.1)
    assert part.bias == pytest.approx(whole.bias, rel=0.1)


def test_an_exact_reference_adds_nothing():
    rng = np.random.default_rng(4)
    y = rng.standard_normal((3000, 6))
    exact = Gaussian(mean=np.zeros(6), covariance=np.eye(6))
    found = uncertainty(y, y, reference=exact, reference_rows=None, n_reference=None)
    assert found.bias == pytest.approx(6 * 11 / 4 / 3000, rel=0.1)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 30, 40), (20, 300, 40), (300, 20, 40), (60, 60, 40)])
def test_any_rank_has_an_error(n, m, d):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.2
    values = [distance(rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.2) for _ in range(150)]
    assert uncertainty(x, y).standard_error == pytest.approx(np.std(values), rel=0.4)


def test_units_that_never_fire_change_nothing():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((300, 5)), rng.standard_normal((200, 5))
    padded = [np.column_stack([rows, np.zeros(len(rows))]) for rows in (x, y)]
    assert uncertainty(*padded) == pytest.approx(uncertainty(x, y), rel=1e-6)


def test_wrong_arguments_are_named():
    x = np.random.default_rng(0).standard_normal((30, 4))
    with pytest.raises(InputError, match="reference has 4 features, generated has 3"):
        uncertainty(x, x[:, :3])
    with pytest.raises(InputError, match="generated_rows has 1 rows"):
        uncertainty(x, x, generated_rows=x[:1])
