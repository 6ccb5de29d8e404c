"""Kernel discrepancies against plain NumPy in float64, closed forms, and exact enumeration."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilation import quick_compilation
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist

from jaxeval.errors import InputError
from jaxeval.ops import _mmd, cmmd, kernels, kid_full, median_distance, mmd
from jaxeval.ops.ring import kernel_distance_on_device


def gram(kernel, x, y, bandwidths=(2.0,)):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if kernel == "rbf":
        return np.sum([np.exp(-cdist(x, y, "sqeuclidean") / (2 * b * b)) for b in bandwidths], axis=0)
    if kernel == "laplacian":
        return np.sum([np.exp(-cdist(x, y, "cityblock") / b) for b in bandwidths], axis=0)
    if kernel == "linear":
        return x @ y.T
    return (x @ y.T / x.shape[1] + 1) ** 3


def expected(kernel, x, y, biased, **options):
    xx, yy, xy = (gram(kernel, a, b, **options) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    if biased:
        return xx.mean() + yy.mean() - 2 * xy.mean()
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * xy.mean()


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (kernels, _mmd):
        monkeypatch.setattr(module, "square_block", lambda: 16)


def samples(n, m, d, shift=0.3, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + offset, rng.standard_normal((m, d)) + shift + offset


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear", "polynomial"])
def test_every_kernel_equals_numpy(small_blocks, kernel, biased):
    x, y = samples(53, 41, 7)
    value = mmd(reference=x, generated=y, kernel=kernel, bandwidth=2.0, biased=biased).value
    assert value == pytest.approx(expected(kernel, x, y, biased), abs=2e-7)


def test_several_bandwidths_are_the_sum_of_their_kernels():
    x, y = samples(40, 30, 5)
    value = mmd(reference=x, generated=y, bandwidth=(0.5, 1.0, 4.0)).value
    assert value == pytest.approx(expected("rbf", x, y, False, bandwidths=(0.5, 1.0, 4.0)), abs=2e-7)


def test_median_bandwidth_is_the_median_distance():
    x, y = samples(40, 30, 5)
    together = np.concatenate([x, y])
    distances = cdist(together, together)[np.triu_indices(70, 1)]
    assert median_distance(reference=x, generated=y) == pytest.approx(np.median(distances), rel=1e-12)
    by_name = mmd(reference=x, generated=y, bandwidth="median")
    assert by_name == mmd(reference=x, generated=y, bandwidth=float(np.median(distances)))


def test_jax_and_numpy_features_give_one_number():
    x, y = (a.astype(np.float32) for a in samples(30, 30, 8))
    assert kid_full(reference=jnp.asarray(x), generated=jnp.asarray(y)) == kid_full(reference=x, generated=y)


def test_large_mean_keeps_its_digits():
    # In float32 without a centre, k is near 1e12 and a difference of 1e-2 would be lost.
    x, y = samples(60, 60, 16, offset=100.0)
    reference = expected("polynomial", x, y, False)
    assert kid_full(reference=x, generated=y).value == pytest.approx(reference, rel=2e-6)
    rbf = mmd(reference=x, generated=y, bandwidth=4.0).value
    assert rbf == pytest.approx(expected("rbf", x - 100, y - 100, False, bandwidths=(4.0,)), abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 20), st.integers(2, 20), st.integers(1, 6), st.integers(0, 2**31))
def test_swapping_roles_and_shuffling_rows_change_nothing(n, m, d, seed):
    x, y = samples(n, m, d, seed=seed)
    rng = np.random.default_rng(seed)
    value = mmd(reference=x, generated=y, bandwidth=1.5)
    other = mmd(reference=rng.permutation(y), generated=rng.permutation(x), bandwidth=1.5)
    np.testing.assert_allclose(value, other, rtol=1e-4, atol=5e-7)


def test_blocks_are_compiled_once(small_blocks):
    compiled: Any = kernels._block_sums
    compiled.clear_cache()
    mmd(reference=samples(53, 41, 7)[0], generated=samples(53, 41, 7)[1], bandwidth=2.0)
    # One shape for each pairing of set sizes, whatever the number of blocks and the rest in the last one.
    assert compiled._cache_size() <= 3


def test_contractions_name_full_precision():
    x, t, c = jnp.ones((4, 3)), jnp.ones(4), jnp.ones(2)
    for form in ("polynomial", "l2"):
        jaxpr = jax.make_jaxpr(lambda *a, form=form: kernels.deviations(form, *a))(c, x, t, x, t)
        dots = [e for e in jaxpr.eqns if e.primitive.name == "dot_general"]
        assert dots
        assert all(set(e.params["precision"]) == {lax.Precision.HIGHEST} for e in dots)


# --- closed forms (population values; the tolerance is four standard errors of the estimate itself) ---


def within_four_errors(result, truth):
    assert result.standard_error > 0
    assert abs(result.value - truth) < 4 * result.standard_error


def test_kid_of_a_shift():
    d, m = 64, 0.64
    x, y = samples(2000, 2000, d, shift=0.1)
    truth = 3 * m / d + 3 * m**2 / d**2 + (m**3 + 6 * m**2 + 3 * m * (d + 2)) / d**3
    assert truth == pytest.approx(0.030794, abs=5e-7)
    within_four_errors(kid_full(reference=x, generated=y), truth)


def test_kid_of_a_scale():
    x, y = samples(2000, 2000, 64, shift=0.0, seed=1)
    within_four_errors(kid_full(reference=x, generated=2 * y), 0.421875)


def test_kid_of_one_distribution():
    x, y = samples(1000, 1000, 64, shift=0.0, seed=2)
    within_four_errors(kid_full(reference=x, generated=y), 0.0)
    biased = mmd(reference=x, generated=y, kernel="polynomial", biased=True).value
    # (E k(x, x) - E k(x, x')) 2/n; one measured draw of it was .0146.
    bias = 2 / 1000 * (4 + 3 * (1 + 2 / 64) + 1 + 6 / 64 + 8 / 64**2 - 1 - 3 / 64)
    assert biased - kid_full(reference=x, generated=y).value == pytest.approx(bias, rel=0.02)
    assert biased == pytest.approx(0.0146, abs=0.002)


def test_rbf_of_a_shift_and_its_bias():
    d, n, g = 64, 1000, 1 / 200
    x, y = samples(n, n, d, shift=0.1, seed=3)
    same = (1 + 4 * g) ** (-d / 2)
    truth = 2 * same * (1 - math.exp(-g * 0.64 / (1 + 4 * g)))
    unbiased, biased = (mmd(reference=x, generated=y, bandwidth=10.0, biased=b) for b in (False, True))
    assert 1000 * truth == pytest.approx(3.324, rel=5e-4)
    within_four_errors(unbiased, truth)
    assert 1000 * biased.value == pytest.approx(4.263, abs=4000 * unbiased.standard_error)
    assert biased.value - unbiased.value == pytest.approx((1 - same) * 2 / n, rel=0.02)


def test_cmmd_normalises_scales_and_takes_bandwidth_ten():
    x, y = samples(50, 40, 12)
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y)]
    for biased in (True, False):
        value = cmmd(reference=x, generated=y, biased=biased).value
        assert value == pytest.approx(1000 * expected("rbf", unit[0], unit[1], biased, bandwidths=(10.0,)), abs=1e-5)
    assert cmmd(reference=x, generated=y) == cmmd(reference=x, generated=y, biased=True)


def test_linear_biased_discrepancy_is_the_squared_distance_of_means():
    x, y = samples(50, 70, 9)
    value = mmd(reference=x, generated=y, kernel="linear", biased=True).value
    assert value == pytest.approx(((x.mean(0) - y.mean(0)) ** 2).sum(), rel=1e-6)


# --- standard error ---


def enumerated_variance(xx, yy, xy):
    """The same unbiased variance components by enumerating distinct rows, without any shortcut."""
    n, m = len(xx), len(yy)

    def mean(values):
        return float(np.mean(list(values)))

    def within(k):
        rows = tuple(range(len(k)))
        square = mean(k[a, b] * k[c, d] for a, b, c, d in itertools.permutations(rows, 4))
        first = mean(k[a, b] * k[a, c] for a, b, c in itertools.permutations(rows, 3)) - square
        return first, mean(k[a, b] ** 2 for a, b in itertools.permutations(rows, 2)) - square - 2 * first

    pairs = [(a, b) for a in range(n) for b in range(m)]
    square = mean(xy[a, b] * xy[c, d] for (a, b), (c, d) in itertools.product(pairs, pairs) if a != c and b != d)
    by_row = mean(xy[a, b] * xy[a, c] for a in range(n) for b, c in itertools.permutations(range(m), 2)) - square
    by_column = mean(xy[a, b] * xy[c, b] for b in range(m) for a, c in itertools.permutations(range(n), 2)) - square
    rest = (xy**2).mean() - square - by_row - by_column

    def joint(k, across, others):
        rows = range(len(k))
        tied = mean(k[a, b] * across[a, c] for a, b in itertools.permutations(rows, 2) for c in range(others))
        free = mean(k[a, b] * across[c, d] for a, b, c in itertools.permutations(rows, 3) for d in range(others))
        return tied - free

    first_x, rest_x = within(xx)
    first_y, rest_y = within(yy)
    firsts = [4 / n * (first_x + by_row - 2 * joint(xx, xy, m)), 4 / m * (first_y + by_column - 2 * joint(yy, xy.T, n))]
    rests = [2 / (n * (n - 1)) * rest_x, 2 / (m * (m - 1)) * rest_y, 4 / (n * m) * rest]
    rest = sum(max(part, 0) for part in rests)
    return max(sum(firsts) + rest, rest / 2)


@pytest.mark.parametrize("seed", range(4))
def test_standard_error_equals_enumeration(seed):
    x, y = samples(6, 5, 3, shift=0.8, seed=seed)
    parts = [gram("polynomial", a, b) for a, b in ((x, x), (y, y), (x, y))]
    error = kid_full(reference=x, generated=y).standard_error
    assert error == pytest.approx(math.sqrt(enumerated_variance(*parts)), rel=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear"])
def test_standard_errors_of_every_kernel_equal_enumeration(kernel):
    x, y = samples(6, 5, 3, shift=0.8, seed=7)
    parts = [gram(kernel, a, b) for a, b in ((x, x), (y, y), (x, y))]
    for biased in (False, True):  # the error is that of the unbiased estimate
        error = mmd(reference=x, generated=y, kernel=kernel, bandwidth=2.0, biased=biased).standard_error
        assert error == pytest.approx(math.sqrt(enumerated_variance(*parts)), rel=1e-4)


def test_standard_error_of_cmmd_is_in_its_unit():
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in samples(6, 5, 3, shift=0.8)]
    parts = [gram("rbf", a, b, bandwidths=(10.0,)) for a, b in ((unit[0],) * 2, (unit[1],) * 2, unit)]
    for biased in (False, True):
        error = cmmd(reference=unit[0], generated=unit[1], biased=biased).standard_error
        assert error == pytest.approx(1000 * math.sqrt(enumerated_variance(*parts)), rel=2e-4)


def test_an_error_needs_four_rows_of_each():
    x, y = samples(4, 4, 3)
    assert kid_full(reference=x, generated=y).standard_error > 0
    assert math.isnan(kid_full(reference=x[:3], generated=y).standard_error)
    assert math.isnan(kid_full(reference=x, generated=y[:3]).standard_error)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_standard_error_is_the_spread_over_repeats(shift):
    results = [
        mmd(reference=x, generated=y, bandwidth=2.0) for x, y in (samples(60, 40, 4, shift, seed=s) for s in range(150))
    ]
    spread = np.std([r.value for r in results], ddof=1)
    stated = math.sqrt(np.mean([r.standard_error**2 for r in results]))
    # 150 repeats know a standard deviation to about 6%.
    assert 0.85 < stated / spread < 1.18


# --- errors ---


def test_kernels_by_default():
    assert kernels.Polynomial() == kernels.Polynomial(degree=3, gamma=None, coef0=1.0)
    assert kernels.Exponential((2.0,)) == kernels.Exponential((2.0,), norm="l2")
    x, y = (rows.astype(np.float32) for rows in samples(20, 15, 4))
    with quick_compilation():
        cubic = jax.jit(kernel_distance_on_device)(reference=jnp.asarray(x), generated=jnp.asarray(y))
    assert float(cubic) == pytest.approx(expected("polynomial", x, y, False), rel=1e-5)


@defaults_of(DEFAULTS, "cmmd", "kid_full", "median_distance", "mmd")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"generated": np.ones((5, 3))}, "same extractor"),
        ({"generated": np.ones(4)}, r"\[N, D\]"),
        ({"generated": np.ones((0, 4))}, "at least one row"),
        ({"generated": np.ones((1, 4))}, "two rows"),
        ({"generated": np.array([[1.0, np.nan, 0, 0]] * 3)}, "first is row 0"),
        ({"kernel": "cauchy"}, "cauchy"),
        ({"bandwidth": 0.0}, "positive"),
        ({"bandwidth": "mean"}, "median"),
        ({"kernel": "polynomial", "degree": 0}, "degree"),
        ({"kernel": "polynomial", "gamma": -1.0}, "gamma"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    rng = np.random.default_rng(0)
    valid = {"reference": rng.standard_normal((6, 4)), "generated": rng.standard_normal((5, 4))}
    with pytest.raises(InputError, match=message):
        mmd(**(valid | arguments))


def test_degenerate_sets_are_named():
    with pytest.raises(InputError, match="median distance between rows is 0"):
        mmd(reference=np.ones((4, 2)), generated=np.ones((4, 2)))
    with pytest.raises(InputError, match="row 1"):
        cmmd(reference=np.array([[1.0, 0], [0, 0]]), generated=np.ones((3, 2)))
    with pytest.raises(InputError, match="overflow"):
        kid_full(reference=np.eye(5) * 1e12, generated=np.ones((5, 5)))
    with pytest.raises(InputError, match="float32 cannot hold"):
        kid_full(reference=np.eye(5) * 1e25, generated=np.ones((5, 5)))
