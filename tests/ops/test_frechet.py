"""Fréchet distance on the host: closed forms, fifty-digit references, SciPy, invariances, and every rank."""

import functools

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from decimal_oracle import frechet_from_features, frechet_from_statistics
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops import (
    Gaussian,
    feature_moments,
    frechet,
    frechet_distance,
    frechet_distance_between,
    frechet_distance_from_features,
    gaussian_from_features,
    gaussian_from_moments,
    merge_moments,
)

FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def statistics(x, y):
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (x, y)]
    return {"mean_x": x.mean(0), "cov_x": covariances[0], "mean_y": y.mean(0), "cov_y": covariances[1]}


def from_statistics(x, y):
    return frechet_distance(**statistics(x, y))


def from_features(x, y):
    return frechet_distance_from_features(reference=x, generated=y)


def orthogonal(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def nuclear(x, y):
    """The distance by NumPy's singular values of the centred rows."""
    a, b = ((f - f.mean(0)) / np.sqrt(len(f) - 1) for f in (x.astype(np.float64), y.astype(np.float64)))
    trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2.0 * trace


# Pairs of sets that are hard in one way each. Tolerances are shares of the distance: rounding of float64 (2e-16) times
# a few hundred operations, times what the pair's own conditioning adds: sqrt(trace / distance) where the two nearly
# agree, the mean over the spread where features lie far from zero.
def _pairs():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 7)), 1.3 * rng.standard_normal((20, 7)) + 0.3
    turn = orthogonal(rng, 7)
    first, last = np.where(np.arange(7) < 5, x, 0.0), np.where(np.arange(7) > 1, y, 0.0)
    wide = np.logspace(-6, 6, 7)
    dead, sums = x.copy(), x.copy()
    dead[:, [2, 5]] = 7.3, 0.0
    sums[:, 6] = sums[:, 0] + sums[:, 1]
    return {
        "one feature": (x[:, :1], y[:, :1], 1e-13),
        "two rows": (x[:2], y[:2], 1e-13),
        "two rows, one feature": (x[:2, :1], y[:2, :1], 1e-13),
        "two rows and many": (x[:2], y, 1e-13),
        "fewer rows than features": (x[:5], y[:6], 1e-13),
        "as many rows as features": (x[:7], y[:7], 1e-13),
        "one row more": (x[:8], y[:8], 1e-13),
        "tall": (x, y, 1e-13),
        "ranges that meet in part": (first, last, 1e-13),
        "ranges that meet in part, turned": (first @ turn, last @ turn, 1e-13),
        "ranges that do not meet, turned": (first * [1, 1, 0, 0, 0, 0, 0] @ turn, last @ turn, 1e-13),
        "one singular": (first @ turn, y, 1e-13),
        "constant features on one side": (dead, y, 1e-13),
        "constant features on both": (dead, 1.1 * dead[:18], 1e-13),
        "a feature that is a sum": (sums, y, 1e-13),
        "a point and a cloud": (np.ones((3, 7)), y, 1e-13),
        "two points": (np.ones((3, 7)), np.zeros((2, 7)), 1e-13),
        "small": (1e-6 * x, 1.1e-6 * y, 1e-13),
        "large": (1e6 * x, 1.1e6 * y, 1e-13),
        "scales of all sizes": (x * wide, y[:, ::-1] * wide, 1e-12),
        "scales of all sizes, turned": (x * wide @ turn, y * wide @ turn, 1e-12),
        "one row moved": (x, np.where(np.arange(24)[:, None] == 3, x + 0.01, x), 1e-11),
        "nearly equal": (x, x + 1e-5 * rng.standard_normal(x.shape), 1e-9),
        "far from zero": (1e4 + x, 1e4 + y, 1e-11),
    }


PAIRS = _pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_features_give_the_exact_distance(name):
    x, y, tolerance = PAIRS[name]
    exact = frechet_from_features(x, y)
    assert from_features(x, y) == pytest.approx(exact, rel=tolerance)
    assert from_features(y, x) == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("name", PAIRS)
def test_statistics_give_the_exact_distance_to_the_rounding_of_their_entries(name):
    x, y, tolerance = PAIRS[name]
    exact = frechet_from_features(x, y)
    # An eigenvalue that is zero but for rounding, 1e-16, must not count: its root, 1e-8, would be seen here.
    unknown = 1e-10 * np.sqrt(x.var(0, ddof=1).sum() * y.var(0, ddof=1).sum())
    assert from_statistics(x, y) == pytest.approx(exact, rel=max(tolerance, 1e-12), abs=unknown)
    mixed = frechet_distance_between(gaussian_from_features(x), gaussian_from_moments(feature_moments(y)))
    assert mixed == pytest.approx(exact, rel=max(tolerance, 1e-12), abs=unknown)


@pytest.mark.parametrize("condition", [1e0, 1e4, 1e8, 1e11])
def test_definite_statistics_give_the_exact_distance(condition):
    rng = np.random.default_rng(4)
    covariances = []
    for _ in range(2):
        turn = orthogonal(rng, 8)
        matrix = (turn * np.geomspace(1.0, 1.0 / condition, 8)) @ turn.T
        covariances.append((matrix + matrix.T) / 2.0)
    means = rng.standard_normal((2, 8))
    exact = frechet_from_statistics(means[0], covariances[0], means[1], covariances[1])
    ours = frechet_distance(mean_x=means[0], cov_x=covariances[0], mean_y=means[1], cov_y=covariances[1])
    assert ours == pytest.approx(exact, rel=1e-13)


def aligned(condition, seed, size=6):
    """Two definite covariances with the same axes: the product's smallest eigenvalue is 1 / condition^2."""
    rng = np.random.default_rng(seed)
    turn, spectrum = orthogonal(rng, size), np.geomspace(1.0, 1.0 / condition, size)
    pair = ((turn * values) @ turn.T for values in (spectrum, spectrum * (1 + 0.3 * rng.random(size))))
    return [(matrix + matrix.T) / 2 for matrix in pair]


@pytest.mark.parametrize("condition", [1e8, 1e9, 1e10, 1e11])
def test_what_eigenvalues_cannot_resolve_is_left_to_factors(condition):
    """Roots of the product's eigenvalues would be off by more than is promised; their bound says so."""
    cov_x, cov_y = aligned(condition, seed=7)
    exact = frechet_from_statistics(np.zeros(6), cov_x, np.zeros(6), cov_y)
    by_eigenvalues, error = frechet._by_eigenvalues(cov_x, cov_y)
    assert 1e-9 * exact < abs(by_eigenvalues - exact) <= error
    ours = frechet_distance(mean_x=np.zeros(6), cov_x=cov_x, mean_y=np.zeros(6), cov_y=cov_y)
    assert ours == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("condition", [1e0, 1e2, 1e4, 1e6, 1e8])
def test_the_bound_of_the_eigenvalues_holds(condition):
    shares = []
    for seed in range(6):
        covariances = aligned(condition, seed)
        exact = frechet_from_statistics(np.zeros(6), covariances[0], np.zeros(6), covariances[1])
        by_eigenvalues, error = frechet._by_eigenvalues(*covariances)
        shares.append(abs(by_eigenvalues - exact) / error)
    assert max(shares) < 1
    assert condition > 1e2 or max(shares) > 1e-2  # the bound is of use


def diagonal(values_x, values_y):
    """Distance of diagonal covariances, and the eigenvalues' bound: first-order perturbation of each root by itself."""
    distance = np.square(np.sqrt(values_x) - np.sqrt(values_y)).sum()
    step = np.finfo(float).eps * values_x.max() * values_y.max()
    roots = np.sqrt(np.square(step / (2 * np.sqrt(values_x * values_y))).sum())
    return distance, 2 * np.finfo(float).eps * (values_x.sum() + values_y.sum()) + 2 * roots


def test_the_bound_of_the_eigenvalues_is_their_perturbation():
    rng = np.random.default_rng(3)
    for least in (1e-1, 1e-4, 1e-7):
        x, y = rng.permutation(np.geomspace(1, least, 5)), 3 * rng.permutation(np.geomspace(1, least, 5))
        found, error = frechet._by_eigenvalues(np.diag(x), np.diag(y))
        distance, bound = diagonal(x, y)
        assert found == pytest.approx(distance, rel=1e-12)
        assert error == pytest.approx(bound, rel=1e-6)  # of the largest eigenvalues, by the power method
    assert frechet._by_eigenvalues(np.diag([1.0, 0.0]), np.eye(2)) == (0, np.inf)
    assert frechet._by_eigenvalues(np.eye(2), np.diag([1.0, 0.0])) == (0, np.inf)
    assert frechet._by_eigenvalues(np.eye(2), np.diag([1.0, -0.1])) == (0, np.inf)


def test_the_largest_eigenvalue_is_within_a_few_per_cent():
    shares = []
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((40, 12)) * np.geomspace(1, 0.1, 12)
        matrix = np.cov(x.T)
        shares.append(frechet._largest_eigenvalue(matrix) / np.linalg.eigvalsh(matrix)[-1])
    assert np.median(shares) > 0.97
    assert 0.85 < min(shares) <= max(shares) <= 1 + 1e-12
    assert frechet._largest_eigenvalue(np.zeros((3, 3))) == 0


@pytest.fixture
def routes(monkeypatch):
    """The names of the routes that were gone on to."""
    taken = []

    def recorded(name, route, *arguments):
        taken.append(name)
        return route(*arguments)

    for name in ("covariance_factor", "_by_rotation"):
        monkeypatch.setattr(frechet, name, functools.partial(recorded, name, getattr(frechet, name)))
    return taken


@pytest.mark.parametrize(("share", "enough"), [(0.8e-10, True), (1.25e-10, False)])
@pytest.mark.parametrize(("least", "largest"), [(1e-7, 1.5), (1e-8, 1.5), (1.9e-6, 100.0)])
def test_eigenvalues_are_accepted_to_1e_10_of_the_distance(routes, least, largest, share, enough):
    """Of all of it: means that are far apart, in the last case covariances that are."""
    x, y = np.array([1.0, least]), np.array([largest, least])
    distance, error = diagonal(x, y)
    shift = error / share - distance
    assert shift > 0
    means = np.zeros(2), np.array([0.0, np.sqrt(shift)])
    found = frechet_distance(mean_x=means[0], cov_x=np.diag(x), mean_y=means[1], cov_y=np.diag(y))
    assert found == pytest.approx(shift + distance, rel=1e-12)
    assert not routes if enough else routes[:2] == ["covariance_factor"] * 2


@pytest.mark.parametrize("share_of_shift", [0.0, 0.9])
@pytest.mark.parametrize(("share", "enough"), [(0.8e-10, True), (1.25e-10, False)])
def test_singular_values_are_accepted_to_1e_10_of_the_distance(routes, share, enough, share_of_shift):
    """Twice the rounding of the traces that are subtracted, 4 here, is what their difference may be off by."""
    distance = 2 * np.finfo(float).eps * 4 / share
    step = np.sqrt((1 - share_of_shift) * distance)
    x = Gaussian(np.zeros(2), factor=np.eye(2))
    y = Gaussian(np.array([np.sqrt(share_of_shift * distance), 0.0]), factor=np.diag([1 + step / np.sqrt(2)] * 2))
    assert frechet_distance_between(x, y) == pytest.approx(distance, rel=1e-9)
    assert routes == ([] if enough else ["_by_rotation"])


def test_a_difference_that_subtraction_would_lose():
    rng = np.random.default_rng(5)
    turn = orthogonal(rng, 16)
    spectrum = np.geomspace(1.0, 1e-3, 16)
    cov_x, cov_y = ((turn * values) @ turn.T for values in (spectrum, spectrum * 1.000001))
    mean = np.zeros(16)
    # Commuting covariances: the sum of (sqrt(a) - sqrt(b))^2, 2.5e-13 of a trace whose rounding is 2e-16.
    exact = np.square(np.sqrt(spectrum * 1.000001) - np.sqrt(spectrum)).sum()
    ours = frechet_distance(mean_x=mean, cov_x=(cov_x + cov_x.T) / 2, mean_y=mean, cov_y=(cov_y + cov_y.T) / 2)
    assert ours == pytest.approx(
        exact, rel=2e-8
    )  # the rounding of the covariances themselves: 16 entries, 1e-16 / 1e-6


def test_equal_covariances_leave_the_squared_mean_shift_exactly():
    x = np.random.default_rng(0).standard_normal((500, 16))
    mean, cov = x.mean(0), np.cov(x, rowvar=False)
    shift = np.linspace(0.5, 2.0, 16)
    moved = mean + shift
    assert frechet_distance(mean_x=mean, cov_x=cov, mean_y=moved, cov_y=cov) == np.square(mean - moved).sum()
    assert from_features(x, x + shift) == pytest.approx(np.square(shift).sum(), rel=1e-13)


def test_the_rank_deficient_oracle():
    x, y = np.ones((100, 2)), np.full((100, 2), 9.0)
    x[:50, 0] = 2.0
    y[50:, 0] = 2.0
    for distance in (from_features, from_statistics):
        assert distance(x, y) == pytest.approx(89.0909, abs=5e-5)


@pytest.mark.parametrize(("rows", "size"), [(300, 8), (20, 64), (2, 5)])
def test_identical_features_in_another_order_are_at_no_distance(rows, size):
    x = 5.0 + np.random.default_rng(6).standard_normal((rows, size))
    for distance in (from_features, from_statistics):
        assert 0.0 <= distance(x, x[::-1]) <= 1e-25 * rows * size
        assert 0.0 <= distance(x, x) <= 1e-25 * rows * size


def test_bias_of_two_estimated_sides():
    # d (d + 5) / 4 (1/N + 1/M) = 33.41 to first order; 33.55 +- .19 measured with plain NumPy.
    rng = np.random.default_rng(7)
    values = [from_features(*rng.standard_normal((2, 1000, 256))) for _ in range(2)]
    assert np.mean(values) == pytest.approx(33.55, abs=4 * 0.19 / np.sqrt(2))


def test_bias_of_one_estimated_side():
    rng, size, rows = np.random.default_rng(8), 64, 10_000
    exact = Gaussian(mean=np.zeros(size), covariance=np.eye(size))
    values = [
        frechet_distance_between(exact, gaussian_from_features(rng.standard_normal((rows, size)))) for _ in range(6)
    ]
    assert np.mean(values) == pytest.approx(size * (size + 5) / (4 * rows), rel=0.065)  # .1104; six draws of 3.9% each


def test_extrapolation_to_infinitely_many_samples():
    rng, size = np.random.default_rng(9), 64
    features = rng.standard_normal((10_000, size))
    counts = np.arange(2000, 10_001, 1000)
    exact = Gaussian(mean=np.zeros(size), covariance=np.eye(size))
    values = [frechet_distance_between(exact, gaussian_from_features(features[:count])) for count in counts]
    assert np.polyfit(1.0 / counts, values, 1)[1] == pytest.approx(0.0, abs=0.012)  # +- .006, two deviations


@pytest.mark.parametrize(("rows", "size"), [(300, 8), (300, 64), (129, 128)])
def test_full_rank_agrees_with_scipys_root(rows, size):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((rows, size)), 1.3 * rng.standard_normal((rows, size)) + 0.2
    s = statistics(x, y)
    root = np.real(scipy.linalg.sqrtm(s["cov_x"] @ s["cov_y"]))
    expected = np.square(s["mean_x"] - s["mean_y"]).sum() + np.trace(s["cov_x"] + s["cov_y"] - 2.0 * root)
    assert from_statistics(x, y) == pytest.approx(expected, rel=1e-9)
    assert from_features(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "size"), [(20, 30, 64), (63, 64, 64), (65, 30, 64), (100, 300, 256), (2, 2, 2048)])
def test_fewer_samples_than_features_agrees_with_the_nuclear_norm(n, m, size):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((n, size)), 1.3 * rng.standard_normal((m, size)) + 0.2
    assert from_features(x, y) == pytest.approx(nuclear(x, y), rel=1e-12)
    if size < 2048:
        assert from_statistics(x, y) == pytest.approx(nuclear(x, y), rel=1e-9)


@FEW
@given(seed=SEEDS, rows=st.integers(2, 40), size=st.integers(1, 12), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_turning_and_moving_both_sides_changes_nothing(seed, rows, size, scale):
    rng = np.random.default_rng(seed)
    x, y = scale * rng.standard_normal((rows, size)), scale * (rng.standard_normal((rows + 3, size)) + 0.5)
    turn, move = orthogonal(rng, size), scale * rng.normal(0.0, 10.0, size)
    distance = from_features(x, y)
    assert from_features(x @ turn, y @ turn) == pytest.approx(distance, rel=1e-10)
    assert from_features(x + move, y + move) == pytest.approx(distance, rel=1e-10)
    assert from_features(y, x) == pytest.approx(distance, rel=1e-10)
    assert from_features(3.0 * x, 3.0 * y) == pytest.approx(9.0 * distance, rel=1e-10)


@FEW
@given(seed=SEEDS, rows=st.integers(2, 40), parts=st.integers(1, 5))
def test_order_and_split_change_nothing(seed, rows, parts):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((rows, 6)), rng.standard_normal((30, 6)) + 0.5
    distance = from_features(x, y)
    assert from_features(rng.permutation(x), rng.permutation(y)) == pytest.approx(distance, rel=1e-12)
    states = [feature_moments(part) for part in np.array_split(rng.permutation(x), min(parts, rows))]
    streamed = gaussian_from_moments(functools.reduce(merge_moments, states))
    assert frechet_distance_between(streamed, gaussian_from_features(y)) == pytest.approx(distance, rel=1e-7)


@FEW
@given(seed=SEEDS, size=st.integers(1, 8))
def test_it_is_a_metric_squared(seed, size):
    rng = np.random.default_rng(seed)
    shapes = rng.integers(2, 12, 3)
    x, y, z = (rng.uniform(0.1, 3.0) * rng.standard_normal((rows, size)) + rng.normal() for rows in shapes)
    xy, yz, xz = (np.sqrt(from_features(*pair)) for pair in ((x, y), (y, z), (x, z)))
    assert min(xy, yz, xz) >= 0.0
    assert xz <= (xy + yz) * (1.0 + 1e-12)


def test_gaussians_keep_the_form_that_keeps_their_digits():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 6))
    assert gaussian_from_features(x[:6]).covariance is None
    assert gaussian_from_features(x).factor is None
    dependent = gaussian_from_features(np.concatenate([x, x[:, :1] + 1e-7 * x[:, 1:2]], 1))
    assert dependent.factor is not None
    assert dependent.factor.shape == (7, 7)


@pytest.mark.parametrize(("share", "squared"), [(1.25e-8, True), (0.8e-8, False)])
def test_a_factor_is_kept_where_less_than_1e_8_of_a_variance_is_left_unexplained(share, squared):
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((12, 2))
    first, second = np.linalg.qr(rows - rows.mean(0))[0].T
    features = np.column_stack([first, np.sqrt(1 - share) * first + np.sqrt(share) * second]) * [1e3, 1e-3]
    assert (gaussian_from_features(features).factor is None) == squared


def test_a_factor_of_any_height_is_a_covariance():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((40, 6)), rng.standard_normal((30, 6))
    rows = (x - x.mean(0)) / np.sqrt(39)
    tall, other = Gaussian(x.mean(0), factor=rows), gaussian_from_features(y)
    assert frechet_distance_between(tall, other) == pytest.approx(from_features(x, y), rel=1e-12)


def test_ddof_zero_divides_by_the_count():
    rng = np.random.default_rng(3)
    for rows in (4, 40):
        x, y = rng.standard_normal((rows, 6)), rng.standard_normal((30, 6))
        ours = frechet_distance_from_features(reference=x, generated=y, ddof=0)
        assert ours == pytest.approx(frechet_from_features(x, y, ddof=0), rel=1e-12)


def test_float32_integer_and_jax_inputs_are_taken_at_their_value():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (40, 5)).astype(np.uint8), rng.integers(0, 200, (30, 5)).astype(np.uint8)
    expected = from_features(*(p.astype(np.float64) for p in pixels))
    for convert in (np.asarray, lambda p: jnp.asarray(p, jnp.float32), lambda p: p.astype(np.float16)):
        assert from_features(*map(convert, pixels)) == pytest.approx(expected, rel=1e-12)


def test_statistics_stored_in_float32_are_trusted_to_their_precision():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((20, 64)), rng.standard_normal((300, 64)) + 0.2
    stored = {name: value.astype(np.float32) for name, value in statistics(x, y).items()}
    assert frechet_distance(**stored) == pytest.approx(nuclear(x, y), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "size"), [(2, 2048), (2047, 2048), (2049, 2048), (20_000, 2048)])
def test_the_largest_problems_agree_with_the_nuclear_norm(rows, size):
    rng = np.random.default_rng(11)
    spectrum = np.geomspace(1.0, 1e-3, size).astype(np.float32)
    x = (rng.standard_normal((rows, size), np.float32) * spectrum + 0.1) ** 2
    y = (rng.standard_normal((rows, size), np.float32) * spectrum[::-1] * 1.2 + 0.1) ** 2
    a, b = ((f - f.mean(0, np.float64)) / np.sqrt(rows - 1) for f in (x, y))
    if rows > size:
        a, b = (np.asarray(np.linalg.qr(f, mode="r")) for f in (a, b))
    trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    shift = np.square(x.mean(0, np.float64) - y.mean(0, np.float64)).sum()
    expected = shift + np.square(a).sum() + np.square(b).sum() - 2.0 * trace
    assert from_features(x, y) == pytest.approx(expected, rel=1e-9)
    streamed = (gaussian_from_moments(feature_moments(f)) for f in (x, y))
    assert frechet_distance_between(*streamed) == pytest.approx(expected, rel=1e-9)


GOOD = statistics(np.random.default_rng(0).standard_normal((9, 3)), np.random.default_rng(1).standard_normal((9, 3)))
UNIT = Gaussian(mean=np.zeros(3), covariance=np.eye(3))
POISONED = np.diag([1.0, np.nan, np.inf])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cov_y": POISONED}, r"cov_y has 2 values that are not finite, the first at \[1, 1\]"),
        ({"mean_x": np.array([0.0, np.inf, 0.0])}, r"mean_x has 1 values .* at \[1\]"),
        ({"cov_x": np.eye(4)}, r"cov_x has shape \(4, 4\); expected \(3, 3\)"),
        ({"mean_y": np.zeros((3, 1))}, r"mean_y has shape \(3, 1\)"),
        ({"mean_y": np.zeros(4), "cov_y": np.eye(4)}, "mean_x has 3 features, mean_y has 4"),
        ({"cov_x": np.triu(np.ones((3, 3)))}, "cov_x is not symmetric"),
        ({"cov_y": np.ones((3, 3)) + np.diag([0.0, -0.5, 0.0])}, "cov_y is not positive semidefinite"),
        ({"cov_x": np.diag([1.0, -1.0, 1.0])}, "cov_x is not positive semidefinite"),
        ({"cov_y": np.fliplr(np.eye(3))}, "cov_y is not positive semidefinite"),
        ({name: value[..., :0][:0] for name, value in GOOD.items()}, "mean_x is empty"),
    ],
)
def test_mistakes_in_statistics_are_named(changed, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(**{**GOOD, **changed})


@defaults_of(DEFAULTS, "frechet_distance_from_features", "gaussian_from_features", "gaussian_from_moments")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_features(np.ones((1, 3)), np.ones((9, 3))), "reference has 1 rows"),
        (lambda: from_features(np.ones((9, 3)), np.ones((9, 4))), "reference has 3 features, generated has 4"),
        (lambda: from_features(np.ones((9, 3)), np.ones(3)), r"generated has shape \(3,\)"),
        (lambda: from_features(np.full((2, 3), np.nan), np.ones((9, 3))), "reference has 6 values"),
        (lambda: from_features(np.ones((9, 3)), np.full((9, 3), np.inf)), "generated has 9 rows with values"),
        (lambda: frechet_distance_between(Gaussian(np.zeros(3)), UNIT), "exactly one of x.covariance and x.factor"),
        (lambda: frechet_distance_between(UNIT, UNIT._replace(factor=np.eye(3))), "exactly one of y.covariance"),
        (
            lambda: frechet_distance_between(UNIT, Gaussian(np.zeros(3), 1j * np.eye(3))),
            "y.covariance holds complex128",
        ),
        (
            lambda: frechet_distance_between(UNIT, Gaussian(np.zeros(3), factor=np.eye(4))),
            r"y.factor has shape \(4, 4\)",
        ),
    ],
)
def test_mistakes_in_features_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
