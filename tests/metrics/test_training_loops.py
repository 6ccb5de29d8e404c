"""The examples of docs/metrics.md: a generator in training that is evaluated every few steps, on the device."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import ways
from flax import nnx
from metric_cases import frechet_by_scipy

from jaxeval.extractors import from_function
from jaxeval.metrics import Collection, FrechetDistance, KernelDistance

SIZE, BATCH, EVERY, STEPS = 4, 32, 5, 10
WEIGHTS = np.random.default_rng(0).normal(size=(SIZE * SIZE * 3, 6)).astype(np.float32) / 10
EXTRACTOR = from_function(
    lambda params, images: jnp.tanh(images.reshape(len(images), -1) / 128 - 1) @ params, name="tiny", params=WEIGHTS
)
METRICS = Collection({"fd": FrechetDistance(6), "kid": KernelDistance(6, 256)}, extractor=EXTRACTOR)


class Generator(nnx.Module):
    """A linear map from noise to images in 0..255."""

    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(8, SIZE * SIZE * 3, rngs=rngs)

    def __call__(self, noise: Any) -> jax.Array:
        return 255 * nnx.sigmoid(self.linear(noise)).reshape(len(noise), SIZE, SIZE, 3)


def real_images(step: int) -> np.ndarray:
    rng = np.random.default_rng(step)
    return rng.normal(170, 25, (BATCH, SIZE, SIZE, 3)).clip(0, 255).astype(np.float32)


def noise(step: int) -> np.ndarray:
    return np.random.default_rng(1000 + step).normal(size=(BATCH, 8)).astype(np.float32)


def moment_loss(generator: Generator, noise: Any, images: Any) -> jax.Array:
    made = generator(noise)
    return (jnp.square(made.mean(0) - images.mean(0)).mean() + jnp.square(made.std(0) - images.std(0)).mean()) / 255


def expected_distance(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    x, y = (
        np.concatenate([np.asarray(EXTRACTOR(images)["features"], np.float64) for images in side])
        for side in zip(*pairs, strict=True)
    )
    return frechet_by_scipy(x, y)


def test_nnx_training_step_that_evaluates_without_leaving_the_device():
    generator = Generator(nnx.Rngs(0))
    optimizer = nnx.Optimizer(generator, optax.adam(0.05), wrt=nnx.Param)

    @nnx.jit
    def train_step(generator, optimizer, state, params, noise, images):
        gradients = nnx.grad(moment_loss)(generator, noise, images)
        optimizer.update(generator, gradients)
        return METRICS.update(state, params=params, images=generator(noise), reference_images=images)

    on_device = jax.jit(METRICS.compute_on_device)
    curve, pairs = [], []
    state = last = METRICS.init()
    with jax.transfer_guard_device_to_host("disallow"):
        for step in range(STEPS):
            images = real_images(step)
            state = train_step(generator, optimizer, state, EXTRACTOR.params, noise(step), images)
            pairs.append((images, generator(noise(step))))
            if (step + 1) % EVERY == 0:
                curve.append(on_device(state))
                last, state = state, METRICS.init()
    assert float(curve[1]["fd"]) < float(curve[0]["fd"]) / 2  # it learns
    assert float(curve[1]["kid"]) < float(curve[0]["kid"])
    expected = expected_distance([(images, np.asarray(made)) for images, made in pairs[EVERY:]])
    assert METRICS.compute(last)["fd"].value == pytest.approx(expected, rel=1e-4)
    assert float(curve[1]["fd"]) == pytest.approx(expected, rel=1e-3)


def test_pmap_training_step_that_evaluates():
    devices = 4
    graph, initial = nnx.split(Generator(nnx.Rngs(0)))
    adam = optax.adam(0.05)
    chosen = jax.devices()[:devices]

    def train_step(weights, moments, state, params, noise, images):
        def loss(weights):
            return moment_loss(nnx.merge(graph, weights), noise, images)

        gradients = jax.lax.pmean(jax.grad(loss)(weights), "batch")
        updates, moments = adam.update(gradients, moments)
        weights = optax.apply_updates(weights, updates)
        made = nnx.merge(graph, weights)(noise)
        state = METRICS.accumulate(state, axis_name="batch", params=params, images=made, reference_images=images)
        return weights, moments, state, made

    step = jax.pmap(train_step, axis_name="batch", in_axes=(0, 0, 0, None, 0, 0), devices=chosen)
    fresh = jax.pmap(lambda _: METRICS.init(axis_name="batch"), axis_name="batch", devices=chosen)
    on_device = jax.pmap(
        lambda state: METRICS.compute_on_device(state, axis_name="batch"), axis_name="batch", devices=chosen
    )
    weights, moments = (
        jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), tree) for tree in (initial, adam.init(initial))
    )
    state = fresh(np.arange(devices))
    pairs = []
    for number in range(EVERY):
        images = real_images(number)
        parts = [values.reshape(devices, -1, *values.shape[1:]) for values in (noise(number), images)]
        weights, moments, state, made = step(weights, moments, state, EXTRACTOR.params, *parts)
        pairs.append((images, np.asarray(made).reshape(images.shape)))
    expected = expected_distance(pairs)
    values = on_device(state)
    assert np.asarray(values["fd"]) == pytest.approx(np.full(devices, expected), rel=1e-3)
    whole = METRICS.compute(METRICS.from_pmap(state))
    assert whole["fd"].value == pytest.approx(expected, rel=1e-4)
    assert np.asarray(values["kid"]) == pytest.approx(np.full(devices, whole["kid"].value), rel=1e-3)


def test_a_distance_can_be_a_loss():
    metric = FrechetDistance(6)
    reference = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)
    state = metric.update(metric.init(), reference=reference)

    @jax.jit
    @jax.value_and_grad
    def loss(generated):
        return metric.compute_on_device(metric.update(state, generated=generated))

    generated = 0.5 + 2 * np.random.default_rng(2).normal(size=(48, 6)).astype(np.float32)
    first, gradient = loss(generated)
    direction = np.random.default_rng(3).normal(size=generated.shape)
    bound = 1e-3
    ends = [
        frechet_by_scipy(reference.astype(np.float64), generated + sign * bound * direction) for sign in (1.0, -1.0)
    ]
    assert float(first) == pytest.approx(frechet_by_scipy(reference.astype(np.float64), generated), rel=1e-4)
    slope = (ends[0] - ends[1]) / (2 * bound)
    assert float((np.asarray(gradient) * direction).sum()) == pytest.approx(slope, rel=2e-3)


@pytest.mark.parametrize("devices", [1, 4])
def test_a_kernel_distance_can_be_a_loss_on_one_device_and_around_a_ring(devices: int):
    metric = KernelDistance(6, 64)
    reference = np.random.default_rng(1).normal(size=(32, 6)).astype(np.float32)
    generated = 0.5 + np.random.default_rng(2).normal(size=(32, 6)).astype(np.float32)
    mesh = ways.mesh_of(devices)

    def loss(generated):
        state = metric.update(metric.init(shards=devices), reference=reference, generated=generated)
        return metric.compute_on_device(state, mesh=mesh, axis_name=ways.AXIS)

    gradient = jax.jit(jax.grad(loss))(generated)
    n, wide, other = len(generated), generated.astype(np.float64), reference.astype(np.float64)
    # d/dy of k(x, y) = (x.y / d + 1)^3 is 3 (x.y / d + 1)^2 x / d.
    within = 3 * (wide @ wide.T / 6 + 1) ** 2
    np.fill_diagonal(within, 0)
    across = 3 * (wide @ other.T / 6 + 1) ** 2
    expected = (2 / (n * (n - 1))) * within @ wide / 6 - (2 / n**2) * across @ other / 6
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
