"""Fréchet distance on the device against the host's: values, gradients, and every way of running it."""

import functools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops import (
    feature_moments,
    frechet_distance_from_features,
    frechet_distance_on_device,
    moments_on_device,
    reduce_moments,
)
from jaxeval.ops import frechet_on_device as on_device
from jaxeval.ops._polar import polar_factor

UNIT = 2.0**-24  # rounding of one float32 operation
DEVICES = 8
# Relative tolerance of a value and of a directional derivative: some twenty roundings in a row of float32, more where
# a covariance was squared and rooted again.
VALUE, DERIVATIVE = 40 * UNIT, 300 * UNIT


def _features(rows_x, rows_y, size, mean=0.3):
    rng = np.random.default_rng(rows_x * rows_y + size)
    x, y = rng.standard_normal((rows_x, size)), 1.3 * rng.standard_normal((rows_y, size)) + mean
    return x.astype(np.float32), y.astype(np.float32)


def on_host(x, y):
    return frechet_distance_from_features(reference=np.asarray(x), generated=np.asarray(y))


def by_features(x, y):
    return frechet_distance_on_device(reference=x, generated=y)


def by_moments(x, y):
    return frechet_distance_on_device(reference=feature_moments(x), generated=feature_moments(y))


def by_both(x, y):
    return frechet_distance_on_device(reference=feature_moments(x), generated=y)


DISTANCES = {"features": by_features, "moments": by_moments, "moments and features": by_both}
# Compiled once for a shape: most of the time of these tests.
FORMS = {name: jax.jit(jax.value_and_grad(distance, argnums=(0, 1))) for name, distance in DISTANCES.items()}
SIZES = [(24, 24, 8), (10, 12, 32), (2, 3, 1)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_value_and_gradient_are_the_hosts(form, sizes):
    x, y = _features(*sizes)
    value, gradient = FORMS[form](x, y)
    assert float(value) == pytest.approx(on_host(x, y), rel=VALUE)
    rng = np.random.default_rng(0)
    moves, step = [rng.standard_normal(side.shape) for side in (x, y)], 1e-5
    there, back = (on_host(x + sign * step * moves[0], y + sign * step * moves[1]) for sign in (1, -1))
    directional = sum(float(np.vdot(g, m)) for g, m in zip(gradient, moves, strict=True))
    assert directional == pytest.approx((there - back) / (2.0 * step), abs=DERIVATIVE * on_host(x, y))


def _hard():
    """Pairs of one shape that are hard in one way each."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((24, 8)), 1.2 * rng.standard_normal((24, 8)) + 0.2
    dead = x.copy()
    dead[:, 2:5] = 1.5
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    return {
        "equal": (x, x),
        "equal up to order": (x, x[::-1]),
        "constant features": (dead, y),
        "constant on both sides": (dead, 0.5 * dead[::-1]),
        "ranges that meet in part, turned": (x * (np.arange(8) < 5) @ turn, y * (np.arange(8) > 2) @ turn),
        "a point and a cloud": (np.ones((24, 8)), y),
        "two points": (np.ones((24, 8)), np.zeros((24, 8))),
        "repeated singular values": (np.tile(np.eye(8), (3, 1)), np.tile(2.0 * np.eye(8), (3, 1))),
        "far from zero": (1e4 + x, 1e4 + y),
        "small": (1e-6 * x, 1e-6 * y),
        "large": (1e6 * x, 1e6 * y),
    }


@pytest.mark.parametrize("form", DISTANCES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_do_not_inherit_an_accelerators_error_of_decompositions(form, sizes, monkeypatch):
    svd, eigh, rng = jnp.linalg.svd, jnp.linalg.eigh, np.random.default_rng(0)

    def off(columns):  # by some thirty roundings, as cuSOLVER's are
        noise = 2e-6 * rng.standard_normal((columns.shape[1], columns.shape[1]))
        return jnp.asarray(np.asarray(columns, np.float64) @ (np.eye(len(noise)) + noise), jnp.float32)

    def of_cusolver(matrix, **options):
        left, values, right = svd(matrix, **options)
        return off(left), values, off(right.T).T

    monkeypatch.setattr(jnp.linalg, "svd", of_cusolver)
    monkeypatch.setattr(jnp.linalg, "eigh", lambda matrix: (eigh(matrix)[0], off(eigh(matrix)[1])))
    x, y = _features(*sizes)
    near = 0.9 * x[: len(y)] + 0.1 * y[: len(x)]  # the nearer two sets are, the more of the distance is such an error
    assert float(DISTANCES[form](x, near)) == pytest.approx(on_host(x, near), rel=VALUE)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", _hard())
def test_hard_inputs_have_finite_values_and_gradients(form, name):
    x, y = (side.astype(np.float32) for side in _hard()[name])
    value, gradient = FORMS[form](x, y)
    assert float(value) >= 0.0
    assert all(np.isfinite(g).all() for g in gradient)
    spread = np.sqrt(float(x.var(0).sum() * y.var(0).sum()))
    # Where the sets agree, rounding squared is left.
    assert float(value) == pytest.approx(on_host(x, y), rel=VALUE, abs=(100 * UNIT) ** 2 * spread)
    if name == "equal":
        assert max(np.abs(g).max() for g in gradient) < 100 * UNIT * np.sqrt(spread)


def test_one_row_counts_as_a_point():
    x, y = jnp.full((1, 4), 2.0), jnp.zeros((3, 4))
    distances = jax.jit(lambda x, y: [distance(x, y) for distance in DISTANCES.values()])(x, y)
    np.testing.assert_allclose(distances, 16.0, rtol=VALUE)


def test_a_masked_batch_is_its_valid_rows():
    x, y = _features(40, 30, 6)
    mask = np.arange(30) % 3 > 0
    padded = np.where(mask[:, None], y, np.nan)
    distance = jax.jit(lambda x, y, m: frechet_distance_on_device(reference=x, generated=feature_moments(y, m)))
    assert float(distance(x, padded, mask)) == pytest.approx(on_host(x, y[mask]), rel=VALUE)


def test_host_statistics_serve_as_the_reference_of_a_loss():
    x, y = _features(400, 20, 16, mean=50.0)
    reference = moments_on_device(feature_moments(x + np.float32(50.0)))
    loss = jax.jit(lambda generated: frechet_distance_on_device(reference=reference, generated=generated))
    assert float(loss(y)) == pytest.approx(on_host(x + np.float32(50.0), y), rel=VALUE)


def test_descending_the_gradient_moves_a_batch_onto_the_reference():
    x, y = _features(24, 24, 8, mean=2.0)
    start = on_host(x, y)
    for _ in range(60):
        y = y - 4.0 * FORMS["features"](x, y)[1][1]
    assert on_host(x, y) < 1e-4 * start


def test_ddof_zero_divides_by_the_counts():
    x, y = _features(9, 7, 5)
    expected = frechet_distance_from_features(reference=x, generated=y, ddof=0)
    for convert in (jnp.asarray, feature_moments):
        distance = jax.jit(lambda x, y, c=convert: frechet_distance_on_device(reference=c(x), generated=c(y), ddof=0))
        assert float(distance(x, y)) == pytest.approx(expected, rel=VALUE)


def _jit_on_mesh(axis_type, form, x, y):
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(axis_type,))
    place = functools.partial(jax.device_put, device=NamedSharding(mesh, PartitionSpec("batch")))
    with jax.set_mesh(mesh):
        return jax.jit(jax.value_and_grad(DISTANCES[form], argnums=(0, 1)))(place(x), place(y))


def _reduced(x, y):
    moments = (reduce_moments(feature_moments(side), "batch") for side in (x, y))
    return frechet_distance_on_device(**dict(zip(("reference", "generated"), moments, strict=True)))


def _shard_map(_, x, y):
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("batch")
    distance = jax.shard_map(_reduced, mesh=mesh, in_specs=spec, out_specs=PartitionSpec())
    return jax.jit(jax.value_and_grad(distance, argnums=(0, 1)))(x, y)


def _pmap(_, x, y):
    shards = (side.reshape(DEVICES, -1, side.shape[1]) for side in (x, y))
    return jax.pmap(_reduced, axis_name="batch")(*shards)[0], None


WAYS = {
    "auto mesh": functools.partial(_jit_on_mesh, AxisType.Auto),
    "explicit mesh": functools.partial(_jit_on_mesh, AxisType.Explicit),
    "shard_map": _shard_map,
    "pmap": _pmap,
}


@pytest.mark.parametrize(
    ("way", "form"),
    # Inside shard_map and pmap, features are reduced as moments.
    [(way, form) for way in WAYS for form in ("moments", "features") if form == "moments" or "mesh" in way],
)
def test_every_way_gives_the_hosts_value_and_the_same_gradient(way, form):
    x, y = _features(24, 24, 8)
    value, gradient = WAYS[way](form, jnp.asarray(x), jnp.asarray(y))
    assert float(value) == pytest.approx(on_host(x, y), rel=VALUE)
    if gradient is not None:
        for ours, expected in zip(gradient, FORMS[form](x, y)[1], strict=True):
            np.testing.assert_allclose(ours, expected, atol=DERIVATIVE * np.abs(expected).max())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_turning_moving_and_reordering_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((24, 8)).astype("f4"), (rng.standard_normal((24, 8)) + 0.5).astype("f4")
    turn, move = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype("f4"), rng.normal(0.0, 3.0, 8).astype("f4")
    for form in FORMS.values():
        distance = float(form(x, y)[0])
        assert distance == pytest.approx(on_host(x, y), rel=VALUE)
        assert float(form(x @ turn + move, y @ turn + move)[0]) == pytest.approx(distance, rel=4 * VALUE)
        assert float(form(rng.permutation(x), rng.permutation(y))[0]) == pytest.approx(distance, rel=VALUE)
        assert float(form(y, x)[0]) == pytest.approx(distance, rel=VALUE)


@pytest.mark.parametrize("sizes", SIZES[:2], ids=str)
def test_the_polar_route_gives_the_distance_and_gradient_of_the_other(sizes):
    """Also where there are fewer rows than features, so that one direction of each side holds rounding alone."""
    x, y = _features(*sizes)

    def by_polar(x, y):
        return frechet_distance_on_device(reference=x, generated=y, rotation="polar")

    distance = jax.jit(jax.value_and_grad(by_polar, argnums=(0, 1)))
    found, its_gradients = distance(x, y)
    expected, gradients = FORMS["features"](x, y)
    assert float(found) == pytest.approx(float(expected), rel=VALUE)
    assert float(found) == pytest.approx(on_host(x, y), rel=VALUE)
    for one, other in zip(its_gradients, gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=DERIVATIVE * float(np.abs(other).max()))
    if sizes[0] == sizes[1]:
        assert float(distance(x, x)[0]) < 1e-9 * np.square(x).sum()


def test_the_polar_route_of_moments():
    x, y = _features(10, 12, 32)  # singular covariances
    found = frechet_distance_on_device(reference=feature_moments(x), generated=feature_moments(y), rotation="polar")
    assert float(found) == pytest.approx(on_host(x, y), rel=VALUE)


def test_polar_factors_of_matrices_without_full_rank():
    rng = np.random.default_rng(4)
    thin = rng.standard_normal((12, 3)) @ rng.standard_normal((3, 9)) * 10.0 ** rng.uniform(-3, 3, 9)
    wide = np.zeros((5, 11))
    wide[:2, :4] = rng.standard_normal((2, 4))
    for matrix in (thin, wide, 1e-30 * wide, 1e30 * thin, np.zeros((3, 2))):
        found = np.asarray(jax.jit(polar_factor)(jnp.asarray(matrix, jnp.float32)), np.float64)
        assert np.linalg.svd(found, compute_uv=False).max() <= 1 + 8 * UNIT
        nuclear = np.linalg.svd(matrix, compute_uv=False).sum()
        assert (found * matrix).sum() == pytest.approx(nuclear, rel=40 * UNIT)


def test_the_route_follows_the_backend_and_the_size(monkeypatch):
    monkeypatch.setattr(on_device, "_LARGEST_JACOBI", 16)

    def program(rows, platform, **more):
        x = jax.ShapeDtypeStruct((rows, 40), jnp.float32)
        distance = jax.jit(lambda x, y: frechet_distance_on_device(reference=x, generated=y, **more))
        return distance.trace(x, x).lower(lowering_platforms=(platform,)).as_text()

    def decomposes(text):
        return any(name in text for name in ("gesdd", "gesvd", "svd"))

    assert decomposes(program(16, "cuda"))
    assert not decomposes(program(17, "cuda"))
    assert not decomposes(program(17, "tpu"))
    assert decomposes(program(17, "cpu"))
    assert decomposes(program(17, "cuda", rotation="svd"))
    assert not decomposes(program(16, "cpu", rotation="polar"))


@defaults_of(DEFAULTS, "frechet_distance_on_device")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("reference", "generated", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "reference has 2 features, generated has 4"),
        (np.zeros(3), np.zeros((3, 4)), r"reference has shape \(3,\)"),
        (feature_moments(np.zeros((3, 2))), np.zeros((3, 4)), "reference has 2 features, generated has 4"),
    ],
)
def test_mistakes_are_named(reference, generated, message):
    with pytest.raises(InputError, match=message):
        jax.eval_shape(lambda: frechet_distance_on_device(reference=reference, generated=generated))


def test_unknown_routes_are_named():
    x = np.zeros((3, 2))
    with pytest.raises(InputError, match="rotation is 'jacobi'; 'auto', 'svd' or 'polar' expected"):
        frechet_distance_on_device(reference=x, generated=x, rotation="jacobi")


@pytest.mark.parametrize("form", ["features", "moments"])
def test_fast_falling_spectra_are_off_by_rounding_of_the_traces(form):
    """What counts as zero is small beside the traces, not beside a distance that is itself small."""
    rng = np.random.default_rng(3)
    distance = jax.jit(DISTANCES[form])
    for least in (1e-1, 1e-3, 1e-5):
        spread = np.geomspace(1.0, least, 64)
        turn = np.linalg.qr(rng.standard_normal((64, 64)))[0]
        z = rng.standard_normal((400, 64))
        for gap in (1.0, 0.03, 0.003):
            near = z + gap * rng.standard_normal(z.shape)
            x, y = (((side * spread) @ turn).astype("f4") for side in (z, near))
            traces = float(x.var(0).sum() + y.var(0).sum())
            assert float(distance(x, y)) == pytest.approx(on_host(x, y), rel=0, abs=16 * UNIT * traces)


def _mixed_difference(x, y, first, second):
    """The second derivative of the host's distance along two directions, by differences of the fourth order."""

    def at(a, b):
        return on_host(*(side + a * u + b * v for side, u, v in zip((x, y), first, second, strict=True)))

    def four(h):
        return (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h)

    return (4 * four(1e-3) - four(2e-3)) / 3


def _in_a_loop(function):
    """A loop takes a derivative apart into what is known and what is not."""
    return lambda x, y: jax.lax.scan(lambda total, _: (total + function(x, y), None), 0.0, jnp.zeros(1))[0]


SECOND = {
    "features": by_features,
    "moments": by_moments,
    "in a loop": _in_a_loop(by_moments),
    "in a checkpoint": jax.checkpoint(by_features),
}
SEEN = [("in a checkpoint", (12, 15, 4)), ("in a loop", (6, 9, 10))]


@pytest.mark.usefixtures("quickly_compiled")
@pytest.mark.parametrize(
    ("form", "sizes"),
    [
        pytest.param(form, sizes, marks=[] if (form, sizes) in SEEN else [pytest.mark.slow], id=f"{form}-{sizes}")
        for form in SECOND
        for sizes in ((12, 15, 4), (6, 9, 10))
    ],
)
def test_second_derivatives_are_the_hosts(form, sizes):
    """Of more rows than features, and of fewer, where the covariances' ranks are what they are at all nearby rows."""
    x, y = _features(*sizes)
    rng = np.random.default_rng(5)
    first, second = ([rng.standard_normal(side.shape).astype("f4") for side in (x, y)] for _ in range(2))
    # Rounding of the differences, 1e-13 / 1e-6, and of float32 over the gap of the smallest singular values.
    expected = pytest.approx(_mixed_difference(x.astype(float), y.astype(float), first, second), rel=1e-4, abs=1e-4)

    @jax.jit
    def products(x, y):
        gradient = jax.grad(SECOND[form], argnums=(0, 1))
        ahead = jax.jvp(gradient, (x, y), tuple(first))[1]
        back = jax.grad(lambda x, y: sum(map(jnp.vdot, gradient(x, y), first)), argnums=(0, 1))(x, y)
        return [sum(map(jnp.vdot, side, second)) for side in (ahead, back)]

    assert [float(value) for value in products(x, y)] == [expected, expected]


def test_second_derivatives_are_finite_at_equal_sets():
    x, _ = _features(6, 6, 4)
    hessian = jax.jit(jax.hessian(lambda move: by_features(x, x + move.reshape(x.shape))))(jnp.zeros(x.size))
    assert np.isfinite(hessian).all()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-4 * np.abs(hessian).max())


def test_third_derivatives_are_refused():
    x, y = _features(6, 6, 4)

    def along(function):
        return lambda y: jax.jvp(function, (y,), (y,))[1]

    with pytest.raises(InputError, match="third derivative of frechet_distance_on_device"):
        jax.eval_shape(along(along(along(lambda y: by_features(x, y)))), y)


def test_the_polar_factor_has_no_second_derivative():
    x, y = _features(6, 6, 4)

    def slope(y):
        return jax.grad(lambda y: frechet_distance_on_device(reference=x, generated=y, rotation="polar"))(y)

    assert np.isfinite(slope(y)).all()
    with pytest.raises(InputError, match=r"second derivative .* by the polar factor was asked for"):
        jax.eval_shape(lambda y: jax.jvp(slope, (y,), (y,))[1], y)
