"""Content, style and perceptual losses against NumPy and piq, and in a training step through a trunk."""

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision
from parity_stub import torchvision_stub

from jaxeval.errors import InputError
from jaxeval.extractors.vgg import VGGPlan, VGGTrunk
from jaxeval.ops import image_quality as iq
from jaxeval.ops import losses

RNG = np.random.default_rng(0)
X = {
    name: jnp.asarray(1 + RNG.normal(size=size), jnp.float32)
    for name, size in (("a", (4, 5, 7, 3)), ("b", (4, 3, 4, 6)))
}
Y = {name: jnp.asarray(values + 0.3 * RNG.normal(size=values.shape), jnp.float32) for name, values in X.items()}
PLAN = VGGPlan((1, 1, 1, 1, 1), (4, 4, 6, 6, 8))
NAMES = ("relu1_1", "relu2_1", "relu3_1")


def gram(values):
    rows = np.asarray(values, np.float64).reshape(len(values), -1, values.shape[-1])
    return np.einsum("npc,npd->ncd", rows, rows)


def trunk_state():
    shapes = {name: shape for name, shape in PLAN.shapes().items() if name.startswith("features")}
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=s).astype(np.float32) / np.sqrt(np.prod(s[1:]) or 1) for n, s in shapes.items()}


def test_content_is_the_mean_squared_error():
    squares = {name: np.asarray(X[name] - Y[name], np.float64) ** 2 for name in X}
    expected = sum(values.mean((1, 2, 3)) for values in squares.values())
    np.testing.assert_allclose(losses.content_loss(X, Y), expected, rtol=2e-6)
    expected = sum(factor * squares[name].mean((1, 2)).sum(1) for name, factor in (("a", 2.0), ("b", 0.5)))
    found = losses.content_loss(X, Y, weights={"a": 2.0, "b": 0.5}, reduction="sum-of-channels")
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_style_in_every_normalisation():
    sums, sizes = {}, {}
    for name in X:
        sums[name] = ((gram(X[name]) - gram(Y[name])) ** 2).sum((1, 2))
        _, height, width, channels = X[name].shape
        sizes[name] = channels, height * width
    shares: list[tuple[losses.StyleNormalisation, Any]] = [
        ("none", lambda c, p: c**2),
        ("johnson", lambda c, p: (c * p) ** 2),
        ("gatys", lambda c, p: 4 * c**2 * p**2),
    ]
    for normalisation, share in shares:
        expected = sum(sums[name] / share(*sizes[name]) for name in X)
        np.testing.assert_allclose(losses.style_loss(X, Y, normalisation=normalisation), expected, rtol=1e-5)
    np.testing.assert_allclose(losses.gram_matrix(X["a"]), gram(X["a"]) / 35, rtol=1e-5, atol=1e-6)


@pytest.mark.parity
@pytest.mark.slow
def test_content_and_style_are_piqs():
    import torch

    torchvision_stub()
    piq = importlib.import_module("piq")
    torch.manual_seed(0)
    layers = {"first": torch.nn.Conv2d(3, 8, 3, padding=1), "relu": torch.nn.ReLU(), "pool": torch.nn.MaxPool2d(2)}
    layers |= {"second": torch.nn.Conv2d(8, 12, 3, padding=1)}
    trunk = torch.nn.Sequential()
    for name, layer in layers.items():
        trunk.add_module(name, layer)
    trunk = trunk.double()
    x = torch.rand(3, 3, 23, 18, dtype=torch.float64)
    y = (x + 0.2 * torch.rand_like(x)).clamp(0, 1)
    weights = {"relu": 0.7, "second": 2.0}
    options = {"feature_extractor": trunk, "layers": list(weights), "weights": list(weights.values())}
    expected = {
        name: getattr(piq, name)(**options, reduction="none")(x, y).numpy() for name in ("ContentLoss", "StyleLoss")
    }
    extract = piq.ContentLoss(**options).get_features
    maps = [
        {
            name: jnp.asarray(found.numpy().transpose(0, 2, 3, 1), jnp.float32)
            for name, found in zip(weights, extract(images), strict=True)
        }
        for images in (x, y)
    ]
    found = losses.content_loss(*maps, weights=weights, reduction="sum-of-channels")
    np.testing.assert_allclose(found, expected["ContentLoss"], rtol=2e-6)
    found = losses.style_loss(*maps, weights=weights, normalisation="none")
    np.testing.assert_allclose(found, expected["StyleLoss"], rtol=1e-5)


def test_perceptual_is_their_sum():
    found = losses.perceptual_loss(X, Y, content={"b": 2.0}, style={"a": 3.0}, normalisation="gatys")
    only = [{name: maps[name]} for name in ("b", "a") for maps in (X, Y)]
    expected = 2 * losses.content_loss(*only[:2]) + 3 * losses.style_loss(*only[2:], normalisation="gatys")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


CALLS = {
    "content": losses.content_loss,
    "style": losses.style_loss,
    "perceptual": lambda x, y: losses.perceptual_loss(x, y, content={"b": 1.0}, style={"a": 1.0}),
    "lpips": lambda x, y: iq.lpips_distance(list(x.values()), list(y.values()), [jnp.ones(3), jnp.ones(6)]),
    "dists": lambda x, y: iq.dists_distance(list(x.values()), list(y.values()), *[[jnp.ones(3), jnp.ones(6)]] * 2),
}


@pytest.mark.parametrize("name", CALLS)
def test_identity_finite_gradients_and_precision(name):
    call = CALLS[name]
    np.testing.assert_array_equal(call(X, X), np.zeros(4))
    flat = {key: jnp.zeros_like(values) for key, values in X.items()}
    for x, y in ((X, X), (flat, flat), (flat, Y)):
        gradients = jax.grad(lambda x, y=y: call(x, y).sum())(x)
        assert all(np.isfinite(g).all() for g in gradients.values())
    assert_full_precision(call, X, Y)
    small = {key: jnp.asarray(values, jnp.bfloat16) for key, values in X.items()}
    assert np.isfinite(call({k: v.astype(jnp.float32) for k, v in small.items()}, Y)).all()


@pytest.mark.parametrize("name", CALLS)
def test_gradients_are_those_of_finite_differences(name):
    call = jax.jit(lambda x, y: CALLS[name](x, y).sum())
    gradients = jax.grad(call)(X, Y)
    rng = np.random.default_rng(2)
    for _ in range(3):
        step = {key: 3e-3 * rng.normal(size=values.shape).astype(np.float32) for key, values in X.items()}
        ends = [float(call({k: X[k] + sign * step[k] for k in X}, Y)) for sign in (-1, 1)]
        slope = sum(np.vdot(gradients[key], 2 * step[key]) for key in X)
        np.testing.assert_allclose(slope, ends[1] - ends[0], rtol=0.01, atol=2e-5 * abs(ends[0]))


@pytest.mark.slow
@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_sharded_batches_and_vmap_give_the_same(axis_type):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        placed = jax.device_put((X, Y), NamedSharding(mesh, PartitionSpec("batch")))
        for name, call in CALLS.items():
            np.testing.assert_allclose(jax.jit(call)(*placed), call(X, Y), rtol=1e-5, err_msg=name)
    by_pairs = jax.tree.map(lambda v: v.reshape(2, 2, *v.shape[1:]), (X, Y))
    for name, call in CALLS.items():
        np.testing.assert_allclose(jax.vmap(call)(*by_pairs).reshape(-1), call(X, Y), rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_train_step_through_a_trunk_learns():
    trunk = VGGTrunk(trunk_state(), PLAN)
    target = jnp.asarray(np.random.default_rng(3).random((2, 16, 16, 3)), jnp.float32)
    wanted = trunk(target, NAMES)

    class Painter(nnx.Module):
        def __init__(self):
            self.image = nnx.Param(jnp.full(target.shape, 0.5))

    @nnx.jit
    def step(painter, optimizer):
        def loss(painter):
            image = painter.image[...]
            terms = losses.perceptual_loss(
                trunk(image, NAMES), wanted, content={"relu2_1": 1.0}, style={"relu1_1": 1.0}
            )
            return (terms + losses.structure_loss(image, target, data_range=1.0)).mean()

        value, gradients = nnx.value_and_grad(loss)(painter)
        optimizer.update(painter, gradients)
        return value

    painter = Painter()
    optimizer = nnx.Optimizer(painter, optax.adam(0.02), wrt=nnx.Param)
    values = [float(step(painter, optimizer)) for _ in range(12)]
    assert np.isfinite(values).all()
    assert values[-1] < 0.6 * values[0]


def test_what_does_not_fit_is_named():
    for call in (losses.content_loss, losses.style_loss):
        with pytest.raises(InputError, match="the same maps of both images are expected"):
            call(X, {"a": Y["a"]})
        with pytest.raises(InputError, match=r"_loss: weights of a and maps a, b"):
            call(X, Y, weights={"a": 1.0})
    with pytest.raises(InputError, match="no map 'c' among a, b"):
        losses.perceptual_loss(X, Y, content={"c": 1.0})
    x, y = (list(features.values()) for features in (X, Y))
    with pytest.raises(InputError, match=r"channels and heads of .* another network"):
        iq.lpips_distance(x, y, [jnp.ones(3), jnp.ones(5)])
    with pytest.raises(InputError, match=r"dists_distance: maps of .* channels and beta of"):
        iq.dists_distance(x, y, [jnp.ones(3), jnp.ones(6)], [jnp.ones(3), jnp.ones(5)])
