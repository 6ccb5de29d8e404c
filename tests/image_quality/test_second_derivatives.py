"""Forward and second derivatives of every image op and structure loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilation import quick_compilation
from photographs import photograph
from quality_ops import FULL_REFERENCE, Op, one_by_one, sorted_median

from jaxeval.ops.image_quality import (
    _moments_of_windows,
    batches,
    brisque_features,
    ilniqe_features,
    niqe_features,
    phase_congruency,
    ssim,
)


def inner_pair(op: Op) -> tuple[np.ndarray, np.ndarray]:
    """A pair that is away from the kinks: no value is 0 or 1, no two are equal, no patch is constant."""
    height, width = op.side, op.side + 5
    rng = np.random.default_rng(3)
    x = 0.2 + 0.5 * photograph("astronaut", height, width) / 255 + 0.05 * rng.random((height, width, 3))
    return x[None], (x + 0.1 * rng.random((height, width, 3)))[None]


def products(total, pair, direction):
    """The Hessian's product with a direction, forward over reverse."""
    return jax.jvp(jax.grad(total), (pair,), (direction,))[1]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in ("psnr", "ssim", "gms") else [pytest.mark.slow]) for n in FULL_REFERENCE]
)
def test_every_op_is_differentiated_forward_and_twice(name: str) -> None:
    op = FULL_REFERENCE[name]
    shape = jax.ShapeDtypeStruct((1, op.side, op.side + 5, 3), jnp.float32)

    def total(pair):
        return op.op(*pair, data_range=1.0).sum()

    pair = (shape, shape)
    found = jax.eval_shape(lambda pair: (jax.jvp(total, (pair,), (pair,))[1], products(total, pair, pair)), pair)
    assert [part.shape for part in jax.tree.leaves(found)] == [(), shape.shape, shape.shape]


@pytest.mark.slow
@pytest.mark.parametrize("features", [brisque_features, ilniqe_features, niqe_features])
def test_features_of_one_image_are_differentiated_forward(features) -> None:
    shape = jax.ShapeDtypeStruct((1, 193, 193, 3), jnp.float32)
    moved = jax.eval_shape(lambda x: jax.jvp(lambda x: features(x, data_range=1.0), (x,), (x,))[1], shape)
    assert moved.dtype == jnp.float32


def assert_second_derivatives(total, pair, rtol: float) -> None:
    """Both directions of taking them against differences of the gradient; jitted, in float64."""
    rng = np.random.default_rng(1)
    pair = tuple(jnp.asarray(side, jnp.float64) for side in pair)
    direction = tuple(jnp.asarray(rng.standard_normal(side.shape)) for side in pair)
    gradient, step = jax.jit(jax.grad(total)), 1e-6
    ahead, behind = (gradient(jax.tree.map(lambda s, d, t=t: s + t * d, pair, direction)) for t in (step, -step))
    found = jax.jit(lambda pair: products(total, pair, direction))(pair)
    for ours, there, back in zip(found, ahead, behind, strict=True):
        expected = (there - back) / (2 * step)
        np.testing.assert_allclose(ours, expected, atol=rtol * float(jnp.abs(expected).max()))
    slope = jax.jit(lambda pair: jax.jvp(total, (pair,), (direction,))[1])(pair)
    np.testing.assert_allclose(slope, sum(map(jnp.vdot, gradient(pair), direction)), rtol=1e-10)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "psnr" else [pytest.mark.slow])
        for name, op in FULL_REFERENCE.items()
        if op.slope == "float64"
    ],
)
def test_products_with_the_hessian_are_differences_of_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_each_image", one_by_one)
    monkeypatch.setattr(phase_congruency, "lower_median", sorted_median)  # the op's own reads the bits of float32
    op = FULL_REFERENCE[name]
    with quick_compilation(), jax.enable_x64(True):
        assert_second_derivatives(lambda pair: op.op(*pair, data_range=1.0).sum(), inner_pair(op), 1e-5)


@pytest.mark.slow
def test_tiles_of_a_large_image_have_the_derivatives_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_each_image", one_by_one)
    x, y = (side[0] for side in inner_pair(FULL_REFERENCE["ssim"]._replace(side=40)))

    def total(pair):
        return ssim(*(side[None] for side in pair), data_range=1.0).sum()

    def reverse_over_reverse(pair):
        return jax.grad(lambda pair: sum(map(jnp.vdot, jax.grad(total)(pair), (y, x))))(pair)

    with quick_compilation(), jax.enable_x64(True):
        whole = jax.jit(reverse_over_reverse)((x, y))
        monkeypatch.setattr(_moments_of_windows, "_CACHED_VALUES", 3 * 21**2)
        tiled = jax.jit(lambda pair: reverse_over_reverse(pair))((x, y))
        for ours, expected in zip(tiled, whole, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-10 * float(jnp.abs(expected).max()))
        assert_second_derivatives(total, (x, y), 1e-5)
