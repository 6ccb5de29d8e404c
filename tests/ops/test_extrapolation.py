"""FD-infinity against its schedule in plain NumPy and its known limits."""

import numpy as np
import pytest
import scipy.linalg
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops.extrapolation import fd_infinity
from jaxeval.ops.gaussian import Gaussian


def frechet(mean, covariance, rows):
    other = np.cov(rows.T)
    root = np.trace(np.real(scipy.linalg.sqrtm(covariance @ other)))
    return ((mean - rows.mean(0)) ** 2).sum() + np.trace(covariance) + np.trace(other) - 2 * root


def test_follows_the_published_schedule():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 5)), 1.1 * rng.standard_normal((400, 5)) + 0.1
    found = fd_infinity(reference=x, generated=y, points=7, seed=3)
    draws = np.random.default_rng(3)
    counts = np.linspace(40, 400, 7).astype("int32")
    distances = [frechet(x.mean(0), np.cov(x.T), draws.choice(y, count, replace=False)) for count in counts]
    slope, value = np.polyfit(1 / counts, distances, 1)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    assert (found.value, found.slope) == pytest.approx((value, slope), rel=1e-7)
    fit, covariance = np.polyfit(1 / counts, distances, 1, cov=True)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)
    assert fit[1] == pytest.approx(found.value, rel=1e-7)


def test_the_error_of_the_line_is_least_squares():
    """Of a fit written out: residuals over their degrees of freedom, and what they do to the height at 0."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((60, 3)), 1.2 * rng.standard_normal((90, 3))
    found = fd_infinity(reference=x, generated=y, points=6)
    design = np.column_stack([np.ones(6), 1 / found.counts])
    fit, squares, *_ = np.linalg.lstsq(design, found.distances, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares[0] / (6 - 2))
    assert (found.value, found.slope) == pytest.approx(tuple(fit), rel=1e-9)
    assert found.standard_error == pytest.approx(errors[0], rel=1e-9)
    three, two = (fd_infinity(reference=x, generated=y, points=points) for points in (3, 2))
    assert three.standard_error > 0  # one degree of freedom
    assert np.isnan(two.standard_error)


def test_the_first_size_is_a_tenth_and_at_most_5000():
    rng = np.random.default_rng(6)
    exact = Gaussian(np.zeros(1), covariance=np.eye(1))
    for total, first in ((12, 2), (400, 40), (49_000, 4900), (60_000, 5000)):
        assert fd_infinity(reference=exact, generated=rng.standard_normal((total, 1)), points=2).counts[0] == first


def test_an_exact_reference_leaves_no_bias():
    d, known = 64, []
    for seed in range(2):
        y = np.random.default_rng(seed).standard_normal((10_000, d))
        known.append(fd_infinity(reference=Gaussian(np.zeros(d), covariance=np.eye(d)), generated=y))
    assert np.mean([k.value for k in known]) == pytest.approx(0, abs=0.012)
    assert known[0].distances[-1] == pytest.approx(d * (d + 5) / 4 / 10_000, rel=0.05)
    assert np.mean([k.slope for k in known]) == pytest.approx(d * (d + 5) / 4, rel=0.1)


def test_a_sampled_reference_leaves_its_own_bias():
    d, n = 32, 5000
    rng = np.random.default_rng(1)
    found = fd_infinity(reference=rng.standard_normal((n, d)), generated=rng.standard_normal((n, d)))
    assert found.value == pytest.approx(d * (d + 5) / (4 * n), rel=0.25)


def test_a_seed_repeats():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 3)), rng.standard_normal((60, 3))
    first, again, other = (fd_infinity(reference=x, generated=y, seed=s).value for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("rows", "points"), [(2, 15), (100, 1), (100, 0)])
def test_too_little_for_a_line_is_named(rows, points):
    y = np.random.default_rng(0).standard_normal((rows, 2))
    with pytest.raises(InputError, match="two different sizes"):
        fd_infinity(reference=np.random.default_rng(1).standard_normal((9, 2)), generated=y, points=points)


@defaults_of(DEFAULTS, "fd_infinity")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)
