"""The README's examples: a generator in training that is evaluated every few steps; and distances as losses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import ways
from flax import nnx
from metric_cases import frechet_by_scipy, kernel_distance_by_numpy

from jaxeval import extractors
from jaxeval.extractors import from_function
from jaxeval.images import resize_on_device
from jaxeval.metrics import Collection, FrechetDistance, KernelDistance

README = Path(__file__).parents[2] / "README.md"
SIZE, BATCH, EVERY, STEPS = 6, 32, 5, 10
WEIGHTS = np.random.default_rng(0).normal(size=(4 * 4 * 3, 6)).astype(np.float32) / 10
NETWORK = from_function(
    lambda params, images: jnp.tanh(images.reshape(len(images), -1) / 128 - 1) @ params,
    name="tiny",
    params=WEIGHTS,
    image_size=(4, 4),
)
RESIZE: Any = NETWORK.resize


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


def features_of(images: list[Any]) -> np.ndarray:
    """By NumPy in float64, but for the resize, which has tests of its own."""
    small = np.concatenate([np.asarray(resize_on_device(jnp.asarray(part), (4, 4), RESIZE)) for part in images])
    return np.tanh(small.reshape(len(small), -1).astype(np.float64) / 128 - 1) @ WEIGHTS.astype(np.float64)


def examples() -> list[str]:
    """The code blocks of the README's section."""
    section = README.read_text().split("## Inside your training code\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def check_values(found: dict[str, Any], pairs: list[tuple[Any, Any]], printed: str) -> None:
    """Both points of the curve and the printed distance, from what was generated and shown at each step."""
    assert len(found["curve"]) == STEPS // EVERY
    for values, part in zip(found["curve"], (pairs[:EVERY], pairs[EVERY:]), strict=True):
        x, y = (features_of(list(side)) for side in zip(*part, strict=True))
        assert np.asarray(values["fid"]) == pytest.approx(frechet_by_scipy(x, y), rel=1e-5)
        assert np.asarray(values["kid"]) == pytest.approx(kernel_distance_by_numpy(x, y), rel=1e-5)
    assert np.mean(found["curve"][1]["fid"]) < np.mean(found["curve"][0]["fid"]) / 2  # it learns
    assert printed.startswith("frechet_distance ")
    assert float(printed.split()[1]) == pytest.approx(float(np.mean(found["curve"][1]["fid"])), rel=1e-5)
    assert f"({EVERY * BATCH} vs {EVERY * BATCH})" in printed


@pytest.mark.parametrize("mesh", ["the README's", "1, Explicit", "4, Explicit"])
def test_the_readme_trains_and_evaluates_on_a_mesh(
    mesh: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(extractors, "load_extractor", lambda name: NETWORK)
    example = examples()[0]
    if mesh == "the README's":
        return _train_on_a_mesh(example, jax.device_count(), capsys)
    # As it says beside the loop: a mesh of `jax.make_mesh` is set before the model is made.
    (line,) = re.findall(r"^mesh = .*$", example, re.MULTILINE)
    devices = int(mesh[0])
    with jax.set_mesh(jax.make_mesh((devices,), ("data",), devices=jax.devices()[:devices])):
        _train_on_a_mesh(example.replace(line, "import jax\n\nmesh = jax.sharding.get_mesh()"), devices, capsys)


def _train_on_a_mesh(example: str, devices: int, capsys: pytest.CaptureFixture[str]):
    generator, pairs = Generator(nnx.Rngs(0)), []

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for step in range(STEPS):
            yield noise(step), real_images(step)
            pairs.append((real_images(step), generator(noise(step))))  # the step has been made by now

    given = {
        "generator": generator,
        "optimizer": nnx.Optimizer(generator, optax.adam(0.05), wrt=nnx.Param),
        "loss": moment_loss,
        "batches": batches(),
        "batch_size": BATCH,
        "k": EVERY,
    }
    exec(example, given)
    assert given["state"]["kid"].reference.rows.sharding.num_devices == devices
    check_values(given, pairs, capsys.readouterr().out)


def test_the_readme_trains_and_evaluates_with_pmap(capsys: pytest.CaptureFixture[str]):
    devices, adam = jax.local_device_count(), optax.adam(0.05)
    graph, initial = nnx.split(Generator(nnx.Rngs(0)))
    made = jax.jit(lambda weights, noise: nnx.merge(graph, weights)(noise))
    pairs = []

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        for step in range(STEPS):
            yield tuple(values.reshape(devices, -1, *values.shape[1:]) for values in (noise(step), real_images(step)))
            weights = jax.tree.map(lambda leaf: leaf[0], given["weights"])
            pairs.append((real_images(step), made(weights, noise(step))))

    given: dict[str, Any] = {
        "metrics": Collection({"fid": FrechetDistance(6), "kid": KernelDistance(6, EVERY * BATCH)}, extractor=NETWORK),
        "network": NETWORK,
        "fit": lambda images: resize_on_device(images, (4, 4), RESIZE),
        "adam": adam,
        "generate": lambda weights, noise: nnx.merge(graph, weights)(noise),
        "loss": lambda weights, noise, images: moment_loss(nnx.merge(graph, weights), noise, images),
        "weights": jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), initial),
        "moments": jax.tree.map(lambda leaf: jnp.stack([leaf] * devices), adam.init(initial)),
        "batches": batches(),
        "k": EVERY,
    }
    exec(examples()[1], given)
    check_values(given, pairs, capsys.readouterr().out)


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
