"""Clipped density and coverage and P-precision/P-recall against brute force, calibration and the authors' formulas."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy import integrate, stats
from scipy.spatial.distance import cdist

import jaxeval.ops.neighbours as neighbours
from jaxeval.errors import InputError
from jaxeval.ops.clipped import clipped_density_coverage, expected_clipped_coverage
from jaxeval.ops.probabilistic import probabilistic_precision_recall


@pytest.fixture
def small_strips(monkeypatch):
    monkeypatch.setattr(neighbours, "_STRIP_ROWS", 16)


def expected_by_integral(n, i, k):
    """E min(J, k) / k where J is binomial with the mass of a ball, which is Beta(k, n - k)."""
    counts = np.minimum(np.arange(i + 1), k) / k

    def weighted(mass):
        return stats.beta.pdf(mass, k, n - k) * (stats.binom.pmf(np.arange(i + 1), i, mass) * counts).sum()

    return integrate.quad(weighted, 0, 1, epsabs=1e-11)[0]


def brute(x, y, k):
    """The published procedure in plain NumPy."""
    xx, xy = cdist(x, x), cdist(x, y)
    radii = np.sort(xx, axis=1)[:, k]
    clipped = np.minimum(radii, np.median(radii))
    np.fill_diagonal(xx, np.inf)
    density = np.minimum((xy <= clipped[:, None]).sum(0) / k, 1).mean()
    density /= np.minimum((xx <= clipped[:, None]).sum(0) / k, 1).mean()
    covered = np.minimum((xy < radii[:, None]).sum(1) / k, 1).mean()
    n, m = xy.shape
    expected = [0.0] * k + [expected_by_integral(n, i, k) for i in range(k, m + 1)]
    return min(density, 1), np.searchsorted(expected, covered) / (m + 1)


@pytest.mark.parametrize(("n", "m", "k"), [(40, 30, 3), (30, 41, 5)])
def test_equals_the_published_procedure(small_strips, n, m, k):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 3)), 1.1 * rng.standard_normal((m, 3))
    assert clipped_density_coverage(reference=x, generated=y, k=k) == pytest.approx(brute(x, y, k), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "k"), [(20, 15, 1), (60, 25, 5), (12, 80, 4)])
def test_expected_coverage_is_the_integral_over_the_ball(n, m, k):
    expected = expected_clipped_coverage(n, m, k)
    np.testing.assert_allclose(expected, [expected_by_integral(n, i, k) for i in range(m + 1)], atol=1e-9)
    assert (np.diff(expected) > 0).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_the_score_is_the_share_of_good_samples(share):
    scores = []
    for seed in range(8):  # one draw spreads by .02
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((1000, 8)), rng.standard_normal((1000, 8))
        y[: int(1000 * share)] *= 10
        scores.append(clipped_density_coverage(reference=x, generated=y, k=5))
    density, coverage = np.mean(scores, axis=0)
    assert coverage == pytest.approx(1 - share, abs=0.02)
    assert density == pytest.approx(1 - share, abs=0.04)


def test_outliers_in_the_reference_do_not_raise_the_coverage():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((500, 64)), rng.standard_normal((500, 64)) + 1
    before = clipped_density_coverage(reference=x, generated=y)
    x[0] = 1.0  # amid the generated samples; a ball around it that is not clipped reaches far into both sets
    after = clipped_density_coverage(reference=x, generated=y)
    assert after.coverage == pytest.approx(before.coverage, abs=0.005)
    # Half of what precision does (0.92), but not nothing: at most one k-th for each sample near the outlier.
    assert before.density < 0.01
    assert after.density < 0.6


def test_copies_of_the_reference_score_one():
    x = np.random.default_rng(0).standard_normal((101, 6))
    assert clipped_density_coverage(reference=x, generated=x.copy()) == (1, 1)


def test_values_beyond_one_are_cut_only_if_asked_for():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((200, 4)), 0.6 * rng.standard_normal((200, 4))
    assert clipped_density_coverage(reference=x, generated=y).density == 1
    uncut = clipped_density_coverage(reference=x, generated=y, cut=False)
    inside = cdist(x, y) <= np.minimum(radii := np.sort(cdist(x, x), axis=1)[:, 5], np.median(radii))[:, None]
    own = cdist(x, x) + np.diag([np.inf] * 200) <= np.minimum(radii, np.median(radii))[:, None]
    assert uncut.density == pytest.approx(np.minimum(inside.sum(0), 5).mean() / np.minimum(own.sum(0), 5).mean())
    assert uncut.density > 1
    # As good as the data in every respect, and then doubled: more covered than by as many fresh samples.
    double = clipped_density_coverage(reference=x, generated=x.copy(), cut=False)
    assert double.coverage > clipped_density_coverage(reference=x, generated=x.copy()).coverage > 0.99
    other = rng.standard_normal((150, 4)) + 1
    both = [clipped_density_coverage(reference=x, generated=other, cut=cut) for cut in (True, False)]
    assert both[0] == both[1]


def brute_probabilistic(x, y, k, stretch):
    def membership(centres, points):
        reach = stretch * np.sort(cdist(centres, centres), axis=1)[:, k].mean()
        return (1 - np.minimum(cdist(centres, points) / reach, 1).prod(0)).mean()

    return membership(x, y), membership(y, x)


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("d", [2, 30])
def test_probabilistic_equals_brute_force(small_strips, d, offset):
    rng = np.random.default_rng(d)
    x, y = rng.standard_normal((60, d)) + offset, rng.standard_normal((45, d)) + 0.3 + offset
    y[:3] = x[:3]
    y[3] = x[3] + 1e-5
    found = probabilistic_precision_recall(reference=x, generated=y)
    # Pairs beyond 1/1024 of float32's error margin carry a relative error below 1e-3 / 50 in practice.
    assert found == pytest.approx(brute_probabilistic(x, y, 4, 1.2), abs=2e-6)


def test_a_strip_that_is_not_full_counts_for_its_rows_alone(small_strips):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((61, 3)), rng.standard_normal((47, 3)) + 0.3
    found = probabilistic_precision_recall(reference=x, generated=y)
    assert found == pytest.approx(brute_probabilistic(x, y, 4, 1.2), abs=2e-6)
    assert clipped_density_coverage(reference=x, generated=y, k=3) == pytest.approx(brute(x, y, 3), rel=1e-9)


@pytest.mark.parametrize("function", [clipped_density_coverage, probabilistic_precision_recall])
def test_too_few_rows_are_named(function):
    x = np.random.default_rng(0).standard_normal((9, 2))
    with pytest.raises(InputError, match="generated has 3 rows"):
        function(reference=x, generated=x[:3], k=4)


def test_degenerate_sets_are_named():
    with pytest.raises(InputError, match="every row of generated"):
        probabilistic_precision_recall(reference=np.arange(16.0).reshape(8, 2), generated=np.ones((8, 2)))
    with pytest.raises(InputError, match="stretch"):
        probabilistic_precision_recall(reference=np.eye(8), generated=np.eye(8), stretch=0)


@defaults_of(DEFAULTS, "clipped_density_coverage", "probabilistic_precision_recall")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)
