"""What every full-reference op promises, in every way of running it."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from compilation import quick_compilation
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import contractions
from quality_ops import FULL_REFERENCE, OF_PAIRS, QUICK, one_by_one, small_pairs, sorted_median

from jaxeval.errors import InputError
from jaxeval.ops.image_quality import batches, phase_congruency

EVERY = pytest.mark.parametrize("op", FULL_REFERENCE.values(), ids=FULL_REFERENCE.keys())


@pytest.mark.parametrize("name", OF_PAIRS)
def test_records_of_measures_say_what_their_ops_are(name):
    measure, op = OF_PAIRS[name], FULL_REFERENCE[name]
    assert (measure.symmetric, measure.colours) == (op.symmetric, op.channels)
    assert measure.range[0] <= op.identity <= measure.range[1]


def _marks(name, quick):
    """One worker runs all tests of an op, so that what it compiled serves them all; compiling takes seconds."""
    return [pytest.mark.xdist_group(name), *([] if quick else [pytest.mark.slow])]


EVERY_COMPILED = pytest.mark.parametrize(
    "op", [pytest.param(op, id=name, marks=_marks(name, name in QUICK)) for name, op in FULL_REFERENCE.items()]
)


def _summed(op):
    """The sum of finite values, as something to differentiate."""
    return lambda x, y: jnp.where(jnp.isfinite(v := op.op(x, y, data_range=1.0)), v, 0.0).sum()


@EVERY_COMPILED
def test_values_and_finite_gradients_at_full_precision(op):
    x, y = small_pairs(op)
    values = np.asarray(op.op(x, y, data_range=1.0))
    assert values.shape == (5,)
    assert values.dtype == np.float32
    assert not np.isnan(values).any()
    assert values[2] == op.identity
    traced = jax.jit(jax.grad(_summed(op), argnums=(0, 1))).trace(x, y)
    for equation in contractions(traced.jaxpr):
        assert str(equation.params["precision"]).count("HIGHEST") == 2, equation
    with quick_compilation():
        gradients = traced.lower().compile()(x, y)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        assert all(np.abs(gradient[i]).max() > 0 for i in (0, 1)), "no gradient where the images differ"


@pytest.mark.parametrize("name", ["psnr", pytest.param("ssim", marks=_marks("ssim", False)), "gms"])
def test_bytes_count_as_the_same_values_in_float32(name):
    op = FULL_REFERENCE[name]
    x, y = (np.rint(i * 255).astype(np.uint8) for i in small_pairs(op))
    expected = op.op(x.astype(np.float32), y.astype(np.float32), data_range=255)
    np.testing.assert_array_equal(op.op(x, y, data_range=255), expected)


@EVERY_COMPILED
@pytest.mark.parametrize("size", ["usual", "smallest"])
def test_symmetry_identity_and_independence_of_the_batch(op, size):
    x, y = small_pairs(op)
    if size == "smallest":  # gray where that is allowed
        x, y = (i[:, : op.least, : op.least, : min(op.channels)] for i in (x, y))
    values = np.asarray(op.op(x, y, data_range=1.0))
    assert np.isfinite(values[[0, 1, 3, 4]]).all()
    if op.symmetric:
        np.testing.assert_allclose(op.op(y, x, data_range=1.0), values, rtol=1e-6, atol=1e-6)
    order = [3, 0, 4, 4, 1]
    np.testing.assert_allclose(op.op(x[order], y[order], data_range=1.0), values[order], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(op.op(y, y, data_range=1.0), np.full(5, op.identity))


def _jit(op, x, y):
    return jax.jit(op)(x, y)


def _vmap(op, x, y):
    return jax.vmap(op)(x.reshape(2, 4, *x.shape[1:]), y.reshape(2, 4, *y.shape[1:])).reshape(-1)


def _on_mesh(axis_type, op, x, y):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(axis_type,))
    place = functools.partial(jax.device_put, device=NamedSharding(mesh, PartitionSpec("batch")))
    with jax.set_mesh(mesh):
        return jax.jit(op)(place(x), place(y))


def _all_at_once(op, x, y):
    """Mapped and sharded, from bfloat16."""
    x, y = (i[:, None].astype(ml_dtypes.bfloat16) for i in (x, y))
    return np.asarray(_on_mesh(AxisType.Explicit, jax.vmap(op), x, y)).reshape(-1)


def _shard_map(op, x, y):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("batch")
    return jax.jit(jax.shard_map(op, mesh=mesh, in_specs=(spec, spec), out_specs=spec))(x, y)


def _pmap(op, x, y):
    return jax.pmap(op)(x[:, None], y[:, None]).reshape(-1)


WAYS = {
    "jit": _jit,
    "vmap": _vmap,
    "auto mesh": functools.partial(_on_mesh, AxisType.Auto),
    "explicit mesh": functools.partial(_on_mesh, AxisType.Explicit),
    "shard_map": _shard_map,
    "pmap": _pmap,
    "all at once": _all_at_once,
}
# Batches are cut into images in one place for all ops: what depends on an op is seen without taking ways apart.
SEEN_IN_EVERY_WAY = ("psnr", "ssim", "gms")
SLOW = [
    pytest.param(name, way, marks=_marks(name, name == "psnr"))
    for name in FULL_REFERENCE
    for way in (WAYS if name in SEEN_IN_EVERY_WAY else ("all at once",))
]


@pytest.mark.parametrize(("name", "way"), SLOW)
def test_every_way_of_running_gives_the_same_values(name, way):
    op = FULL_REFERENCE[name]
    x, y = (i.astype(ml_dtypes.bfloat16).astype(np.float32) for i in small_pairs(op))
    again = [0, 1, 2, 3, 4, 0, 1, 2]
    expected = np.asarray(op.op(x, y, data_range=1.0))[again]
    x, y = x[again], y[again]
    x[5, op.side // 2, op.side // 2] = expected[5] = np.nan  # refused at hand, and kept under transformations
    values = WAYS[way](functools.partial(op.op, data_range=1.0), x, y)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name", [name if name in ("gms", "fsim") else pytest.param(name, marks=pytest.mark.slow) for name in FULL_REFERENCE]
)
def test_every_op_and_its_gradient_vary_over_the_axes_of_a_shard_map(name):
    """As `shard_map` checks when it traces, by default: constants in loops and branches do not vary of themselves."""
    op = FULL_REFERENCE[name]
    x, y = (i[:2] for i in small_pairs(op))
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("batch")

    def both(x, y):
        return jax.value_and_grad(lambda x: op.op(x, y, data_range=1.0).sum())(x)[1], op.op(x, y, data_range=1.0)

    found = jax.eval_shape(jax.shard_map(both, mesh=mesh, in_specs=(spec, spec), out_specs=spec), x, y)
    assert jax.tree.leaves(found)[-1].shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, op in FULL_REFERENCE.items() if op.slope == "float64"])
def test_gradients_are_those_of_finite_differences(name, monkeypatch):
    # Steps that do not reach the kinks of maxima, medians and absolute values, at which float32 sees only rounding.
    monkeypatch.setattr(batches, "_each_image", one_by_one)
    monkeypatch.setattr(phase_congruency, "lower_median", sorted_median)  # the op's own reads the bits of float32
    op = FULL_REFERENCE[name]
    with quick_compilation(), jax.enable_x64(True):
        x, y = (jnp.asarray(i[:2], jnp.float64) for i in small_pairs(op))
        total_and_gradient = jax.jit(jax.value_and_grad(_summed(op)))
        gradient = np.asarray(total_and_gradient(x, y)[1])
        assert gradient.dtype == np.float64
        direction = np.random.default_rng(1).standard_normal(x.shape)
        step = 1e-7
        above, below = (float(total_and_gradient(x + s * direction, y)[0]) for s in (step, -step))
        slope = (above - below) / (2 * step)
    np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, op in FULL_REFERENCE.items() if op.slope == "float32"])
def test_gradients_are_those_of_finite_differences_in_float32(name):
    op = FULL_REFERENCE[name]
    x, y = (i[:2] for i in small_pairs(op))
    total = jax.jit(_summed(op))
    gradient = np.asarray(jax.grad(_summed(op))(x, y))
    rng = np.random.default_rng(1)
    for _ in range(3):
        direction = rng.standard_normal(x.shape).astype(np.float32)
        step = 2e-3
        slope = (float(total(x + step * direction, y)) - float(total(x - step * direction, y))) / (2 * step)
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=0.02, atol=2e-3)


@EVERY
def test_what_is_wrong_with_arguments_is_named(op):
    x, y = small_pairs(op)
    call = functools.partial(op.op, data_range=1.0)
    with pytest.raises(InputError, match="data_range is missing"):
        op.op(x, y)
    with pytest.raises(InputError, match=r"y has values from 0\.?.* to .*, which data_range=1 does not fit"):
        call(x, 255 * y)
    for planes in (x.transpose(0, 3, 1, 2), y.transpose(0, 3, 1, 2)[:, :1]):
        with pytest.raises(InputError, match=r"x has shape .*, which looks like \[N, C, H, W\]; \[N, H, W, C\] is exp"):
            call(planes, planes)
    with pytest.raises(InputError, match=r"fractions from .* with data_range=255; give 1\.0"):
        op.op(x, y, data_range=255)
    with pytest.raises(InputError, match="uint8 values with data_range=1"):
        call((x * 255).astype(np.uint8), (y * 255).astype(np.uint8))
    with pytest.raises(InputError, match="uint8 values, which cannot span data_range=65535"):
        op.op((x * 255).astype(np.uint8), (y * 255).astype(np.uint8), data_range=65535)
    with pytest.raises(InputError, match="data_range=-1 is not a positive number"):
        op.op(x, y, data_range=-1)
    with pytest.raises(InputError, match=r"x has shape \(\d+, \d+, \d+\); a batch"):
        call(x[0], y[0])
    with pytest.raises(InputError, match="must be the same"):
        call(x, y[:3])
    bad = y.copy()
    bad[1, 2, 3, 0], bad[2, 0, 0, 1] = np.nan, np.inf
    with pytest.raises(InputError, match=r"y has 2 values that are not finite, the first at \[1, 2, 3, 0\]"):
        call(x, bad)
    if op.least > 1:
        small = x[:, : op.least - 1], y[:, : op.least - 1]
        with pytest.raises(InputError, match=r"at least \S+"):
            call(*small)


@EVERY
def test_values_around_zero_are_refused_where_they_give_another_number(op):
    x, y = small_pairs(op)
    centred = [np.clip(2 * image - 1, -1, 1) for image in (x, y)]
    if op in (FULL_REFERENCE[name] for name in ("mse", "mae", "rmse", "psnr", "psnr of y")):
        values = [op.op(*images, data_range=2) for images in (centred, (2 * x, 2 * y))]
        np.testing.assert_allclose(*values, rtol=2e-5)  # pixel errors do not see where 0 is
        return
    with pytest.raises(InputError, match=r"x has values from -1 to .* around 0; shift them to \[0, data_range=2\]$"):
        op.op(*centred, data_range=2)


@EVERY_COMPILED
def test_values_on_the_device_are_checked_too_unless_traced(op):
    x, y = (jnp.asarray(i) for i in small_pairs(op))
    with pytest.raises(InputError, match="does not fit"):
        op.op(x * 255, y, data_range=1.0)
    with pytest.raises(InputError, match="not finite"):
        op.op(x.at[0, 0, 0, 0].set(jnp.nan), y, data_range=1.0)
    # A constant that a traced function closes over is at hand too.
    with pytest.raises(InputError, match="does not fit"):
        jax.eval_shape(lambda x: op.op(x, 255 * np.asarray(y), data_range=1.0), x)
