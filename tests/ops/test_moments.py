"""One law, every way of running it: the moments of all rows, whatever the split, the transform and the mesh."""

import functools
import tracemalloc

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import equations
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops import (
    Moments,
    covariance,
    empty_moments,
    feature_moments,
    frechet_distance_between,
    gaussian_from_moments,
    merge_moments,
    moments_on_device,
    moments_on_host,
    reduce_moments,
)

ROWS, FEATURES, DEVICES = 64, 7, 8
UNIT = 2.0**-24  # rounding of one float32 operation
BATCH = 16 * UNIT  # 64 products summed: a random walk of 8 roundings, and as much again
FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def batch(seed=3, rows=ROWS, mean=30.0):
    rng = np.random.default_rng(seed)
    features = (mean + rng.standard_normal((rows, FEATURES)) @ rng.standard_normal((FEATURES, FEATURES))).astype("f4")
    mask = rng.random(rows) < 0.8
    features[~mask] = np.nan
    return features, mask


def assert_numpys_moments(state: Moments, rows: np.ndarray, rounding: float):
    """`rounding` is the error allowed in a covariance, in units of the two standard deviations; a mean has a fourth."""
    rows = rows.astype(np.float64)
    state = moments_on_host(state)
    deviation = rows.std(0, ddof=1)
    assert int(state.count) == len(rows)
    np.testing.assert_array_less(np.abs(state.mean - rows.mean(0)), rounding / 4.0 * deviation + 1e-13)
    error = np.abs(covariance(state) - np.cov(rows, rowvar=False))
    np.testing.assert_array_less(error, rounding * np.outer(deviation, deviation))


def assert_same(a: Moments, b: Moments, rounding: float):
    a, b = moments_on_host(a), moments_on_host(b)
    assert int(a.count) == int(b.count)
    deviation = np.sqrt(np.diag(covariance(b)))
    np.testing.assert_array_less(np.abs(a.mean - b.mean), rounding * deviation)
    np.testing.assert_array_less(np.abs(covariance(a) - covariance(b)), rounding * np.outer(deviation, deviation))


def _whole(features, mask):
    return feature_moments(features, mask)


def _scan(features, mask):
    steps = (features.reshape(8, -1, FEATURES), mask.reshape(8, -1))
    return jax.lax.scan(_merge_batch, empty_moments(FEATURES), steps)[0]


def _merge_batch(state, batch):
    return merge_moments(state, feature_moments(*batch)), None


@functools.cache
def _mesh(axis_type):
    return jax.make_mesh((DEVICES,), ("batch",), axis_types=(axis_type,))


_step = jax.jit(lambda state, features, mask: merge_moments(state, feature_moments(features, mask)))


def _jit_on_mesh(axis_type, features, mask):
    place = functools.partial(jax.device_put, device=NamedSharding(_mesh(axis_type), PartitionSpec("batch")))
    with jax.set_mesh(_mesh(axis_type)):
        return _step(empty_moments(FEATURES), place(features), place(mask))


def _reduced(features, mask):
    return reduce_moments(feature_moments(features, mask), "batch")


@functools.cache
def _mapped():
    spec = PartitionSpec("batch")
    return jax.jit(jax.shard_map(_reduced, mesh=_mesh(AxisType.Auto), in_specs=spec, out_specs=PartitionSpec()))


def _shard_map(features, mask):
    return _mapped()(features, mask)


_pmapped = jax.pmap(_reduced, axis_name="batch")


def _pmap(features, mask):
    states = _pmapped(features.reshape(DEVICES, -1, FEATURES), mask.reshape(DEVICES, -1))
    return jax.tree.map(lambda leaf: leaf[-1], states)


WAYS = {
    "eager": _whole,
    "jit": jax.jit(_whole),
    "scan": _scan,
    "jit of scan": jax.jit(_scan),
    "auto mesh": functools.partial(_jit_on_mesh, AxisType.Auto),
    "explicit mesh": functools.partial(_jit_on_mesh, AxisType.Explicit),
    "shard_map": _shard_map,
    "pmap": _pmap,
}


@pytest.mark.parametrize("mean", [0.0, 100.0, 1e4])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_every_way_gives_numpys_moments(way, mean):
    features, mask = batch(mean=mean)
    state = way(jnp.asarray(features), jnp.asarray(mask))
    assert_numpys_moments(state, features[mask], BATCH)


@pytest.mark.parametrize("size", [511, 513, 1031])
def test_scatters_made_in_strips_are_numpys(size):
    rows = (np.random.default_rng(size).standard_normal((ROWS, size)) + 30).astype(np.float32)
    assert_numpys_moments(feature_moments(jnp.asarray(rows)), rows, BATCH)
    mesh = _mesh(AxisType.Explicit)
    with jax.set_mesh(mesh):
        placed = jax.device_put(rows, NamedSharding(mesh, PartitionSpec("batch")))
        assert_numpys_moments(jax.jit(feature_moments)(placed), rows, BATCH)


def test_scatters_made_in_strips_have_their_gradient():
    rows = np.random.default_rng(5).standard_normal((20, 600)).astype(np.float32)
    weights = np.random.default_rng(6).standard_normal((600, 600)).astype(np.float32)
    gradient = jax.grad(lambda rows: (feature_moments(rows).scatter * weights).sum())(jnp.asarray(rows))
    centred = rows - rows.mean(0, dtype=np.float64)
    expected = centred @ (weights + weights.T).astype(np.float64)
    expected -= expected.mean(0)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("empty", [[0], [0, 3, 7], [1, 2, 3, 4, 5, 6, 7]], ids=["one", "three", "all but one"])
@pytest.mark.parametrize("way", [_shard_map, _pmap, _scan], ids=["shard_map", "pmap", "scan"])
def test_shards_without_a_row_change_nothing(way, empty):
    features, mask = batch(mean=100.0)
    for shard in empty:
        mask[shard * ROWS // DEVICES : (shard + 1) * ROWS // DEVICES] = False
    state = way(jnp.asarray(features), jnp.asarray(mask))
    assert_numpys_moments(state, features[mask], BATCH)


def test_reduce_gathers_nothing():
    features, mask = jnp.zeros((ROWS, FEATURES)), jnp.ones(ROWS, bool)
    names = {equation.primitive.name for equation in equations(jax.make_jaxpr(_mapped())(features, mask))}
    assert any(name.startswith("psum") for name in names)
    assert not [name for name in names if "gather" in name or "all_to_all" in name or "permute" in name]


def test_state_keeps_its_types_from_empty_to_merged():
    empty = empty_moments(FEATURES)
    merged = jax.eval_shape(_step, empty, jnp.zeros((3, FEATURES), jnp.bfloat16), jnp.ones(3, bool))
    assert [(leaf.shape, leaf.dtype) for leaf in empty] == [(leaf.shape, leaf.dtype) for leaf in merged]
    host = empty_moments(FEATURES, host=True)
    merged = merge_moments(host, feature_moments(np.zeros((3, FEATURES), np.uint8)))
    assert [(leaf.shape, leaf.dtype) for leaf in host] == [(leaf.shape, leaf.dtype) for leaf in merged]


def test_a_million_rows_far_from_the_origin_keep_their_digits_on_the_device():
    rows, size, block = 1_000_000, 6, 500
    reference = 100.0 + np.random.default_rng(8).standard_normal((rows, size), np.float32)
    generated = np.float32(1.05) * reference - np.float32(4.95)

    @jax.jit
    def accumulate(batches):
        return jax.lax.scan(_merge_batch, empty_moments(size), (batches,))[0]

    device, host = [], []
    for features in (reference, generated):
        device.append(moments_on_host(accumulate(features.reshape(-1, block, size))))
        host.append(feature_moments(features))
        # The 500 products of a batch's entry are off by some 10 roundings, and 2,000 batches average that away.
        np.testing.assert_allclose(device[-1].mean, features.mean(0, np.float64), rtol=0, atol=1e-9)
        np.testing.assert_allclose(covariance(device[-1]), np.cov(features, rowvar=False), rtol=0, atol=UNIT)
    distances = [frechet_distance_between(*map(gaussian_from_moments, pair)) for pair in (device, host)]
    assert distances[0] == pytest.approx(distances[1], rel=1e-6)


KINDS = {
    "host": (np.asarray, feature_moments, merge_moments, 1e-12),
    "device": (jnp.asarray, jax.jit(feature_moments), jax.jit(merge_moments), 16 * UNIT),
}


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=SEEDS, parts=st.integers(1, 6), mean=st.sampled_from([0.0, 1.0, 50.0]))
def test_any_split_in_any_order_gives_the_whole(kind, seed, parts, mean):
    convert, moments, merge, rounding = KINDS[kind]
    rng = np.random.default_rng(seed)
    features = convert((mean + rng.standard_normal((24, 4))).astype("f4"))
    owner = rng.integers(parts, size=24)
    states = [moments(features, convert(owner == part)) for part in rng.permutation(parts)]
    whole = moments(features)
    assert_same(functools.reduce(merge, states), whole, rounding)
    assert_same(functools.reduce(lambda late, early: merge(early, late), states), whole, rounding)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=SEEDS)
def test_merge_is_associative_commutative_and_has_a_neutral_element(kind, seed):
    convert, moments, merge, rounding = KINDS[kind]
    rng = np.random.default_rng(seed)
    a, b, c = (moments(convert(rng.normal(m, 1.0, (9, 4)).astype("f4"))) for m in (3.0, 4.0, -20.0))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)), rounding)
    assert_same(merge(a, c), merge(c, a), rounding)
    empty = empty_moments(4, host=kind == "host")
    for state in (merge(a, empty), merge(empty, a)):
        jax.tree.map(np.testing.assert_array_equal, state, a)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=SEEDS, poison=st.sampled_from([np.nan, np.inf, 3e38]))
def test_a_mask_is_indexing_whatever_the_masked_rows_hold(kind, seed, poison):
    convert, moments, _, rounding = KINDS[kind]
    rng = np.random.default_rng(seed)
    features, mask = rng.standard_normal((24, 4)).astype("f4"), rng.random(24) < 0.7
    mask[:2] = True
    features[~mask] = poison
    assert_same(moments(convert(features), convert(mask)), feature_moments(features[mask]), rounding)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=SEEDS)
def test_the_order_of_rows_does_not_matter(kind, seed):
    convert, moments, _, rounding = KINDS[kind]
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((24, 4)).astype("f4")
    assert_same(moments(convert(features[rng.permutation(24)])), moments(convert(features)), rounding)


def test_a_masked_nan_leaks_into_no_gradient():
    features, mask = batch()
    gradient = jax.jit(jax.grad(lambda f: covariance(feature_moments(f, mask)).sum()))(features)
    assert np.isfinite(gradient).all()
    assert not np.asarray(gradient)[~mask].any()


def test_all_rows_masked_is_the_empty_state():
    features, mask = batch()
    for convert in (np.asarray, jnp.asarray):
        state = feature_moments(convert(features), convert(mask & False))
        jax.tree.map(np.testing.assert_array_equal, state, empty_moments(FEATURES, host=convert is np.asarray))
    assert not np.asarray(covariance(state)).any()  # on the device: zero, never NaN


def test_host_states_are_float64_from_any_dtype_and_many_blocks():
    rng = np.random.default_rng(1)
    tall = (50.0 + rng.standard_normal((150_000, 64))).astype(np.float16)  # 65,536 rows a block
    assert_numpys_moments(feature_moments(tall), tall, 1e-12)
    pixels = rng.integers(0, 256, (500, 12)).astype(np.uint8)
    assert_numpys_moments(feature_moments(pixels), pixels, 1e-13)


def test_host_moments_never_copy_all_rows_in_float64():
    features = np.ones((200_000, 128), np.float32)  # 195 MiB in float64
    tracemalloc.start()
    feature_moments(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_states_move_between_host_and_device_without_loss():
    features, mask = batch(mean=100.0)
    host = feature_moments(features, mask)
    there_and_back = moments_on_host(moments_on_device(host))
    assert_same(there_and_back, host, 1e-12)  # two float32 parts hold 48 bits
    assert moments_on_host(host) is host
    with pytest.raises(InputError, match="count is 3000000000"):
        moments_on_device(host._replace(count=np.asarray(3_000_000_000)))


def test_covariance_takes_ddof():
    features = np.random.default_rng(2).standard_normal((9, 3))
    for convert, tolerance in ((np.asarray, 1e-12), (lambda f: jnp.asarray(f, jnp.float32), 1e-5)):
        for ddof in (0, 1):
            expected = np.cov(features, rowvar=False, ddof=ddof)
            np.testing.assert_allclose(covariance(feature_moments(convert(features)), ddof), expected, rtol=tolerance)


@defaults_of(DEFAULTS, "covariance", "empty_moments", "feature_moments")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: feature_moments(np.zeros(3)), r"features has shape \(3,\)"),
        (lambda: feature_moments(jnp.zeros((2, 3, 4))), r"features has shape \(2, 3, 4\)"),
        (lambda: feature_moments(np.zeros((3, 0))), "at least one dimension"),
        (lambda: feature_moments(np.zeros((3, 2)), np.ones(2, bool)), r"mask has shape \(2,\); expected \(3\)"),
        (lambda: feature_moments(np.array([[1.0], [np.nan], [np.inf]])), "features has 2 rows .* first is row 1"),
        (lambda: feature_moments(np.full((3, 1), 1e308)), "overflows"),
        (lambda: empty_moments(0), "feature_size is 0"),
        (lambda: merge_moments(empty_moments(3), empty_moments(4)), "3 and 4 features"),
        (lambda: merge_moments(empty_moments(3), empty_moments(3, host=True)), "moments_on_host"),
        (lambda: covariance(feature_moments(np.ones((1, 3)))), "needs more than 1 rows; 1 counted"),
    ],
)
def test_mistakes_are_named(call, message):
    with np.errstate(over="ignore"), pytest.raises(InputError, match=message):
        call()
