"""Gradients through states that devices share: in every mapped way those of the same rows on one device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from jaxeval.metrics import FrechetDistance, InceptionScore, KernelDistance, Mean

DEVICES, ROWS, FEATURES = 4, 6, 3
AXIS = "device"
ROWS_OF = PartitionSpec(AXIS)
METRICS: dict[str, Any] = {
    "frechet distance": FrechetDistance(FEATURES),
    "inception score": InceptionScore(FEATURES),
    "kernel distance": KernelDistance(FEATURES, DEVICES * ROWS),
    "mean": Mean("generated"),
}


def value_of(metric: Any, axis_name: str | None, per_step: bool) -> Callable[[Any, Any], Any]:
    """The metric of this device's rows and the others', as a training step would have it."""

    def loss(reference: Any, generated: Any) -> Any:
        inputs = {"reference": reference, "generated": generated}
        if isinstance(metric, Mean):
            inputs["generated"] = jnp.square(generated).sum(1)
        if axis_name is None:
            return metric.compute_on_device(metric.update(metric.init(), **inputs))
        if per_step:
            # Sums are whole before and after; a buffer is this device's part.
            empty: Any = metric.init(axis_name=axis_name if isinstance(metric, KernelDistance) else None)
            state: Any = metric.accumulate(empty, axis_name=axis_name, **inputs)
        else:
            state = metric.reduce(metric.update(metric.init(axis_name=axis_name), **inputs), axis_name)
        return metric.compute_on_device(state, axis_name=axis_name)

    return loss


def by_pmap(gradient: Callable[..., Any], reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    parts = (part.reshape(DEVICES, ROWS, FEATURES) for part in (reference, generated))
    return np.asarray(jax.pmap(gradient, axis_name=AXIS)(*parts)).reshape(-1, FEATURES)


def by_shard_map(check: bool) -> Callable[..., np.ndarray]:
    def run(gradient: Callable[..., Any], reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
        mesh = jax.make_mesh((DEVICES,), (AXIS,), axis_types=(AxisType.Auto,), devices=jax.devices()[:DEVICES])
        mapped = jax.shard_map(gradient, mesh=mesh, in_specs=(ROWS_OF, ROWS_OF), out_specs=ROWS_OF, check_vma=check)
        return np.asarray(jax.jit(mapped)(reference, generated))

    return run


WAYS = {"pmap": by_pmap, "shard_map": by_shard_map(True), "shard_map, unchecked": by_shard_map(False)}


@pytest.mark.parametrize("per_step", [True, False], ids=["accumulate", "reduce"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METRICS)
def test_a_gradient_is_that_of_all_rows_on_one_device(name: str, way: str, per_step: bool):
    rng = np.random.default_rng(3)
    shape = (DEVICES * ROWS, FEATURES)
    reference = rng.normal(size=shape).astype(np.float32)
    generated = (2 * rng.normal(size=shape) + np.arange(len(reference))[:, None] / 8).astype(np.float32)
    metric = METRICS[name]
    expected = jax.jit(jax.grad(value_of(metric, None, True), argnums=1))(reference, generated)
    found = WAYS[way](jax.grad(value_of(metric, AXIS, per_step), argnums=1), reference, generated)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * float(np.abs(expected).max()))


@pytest.mark.parametrize("way", WAYS)
def test_parameters_that_every_device_holds_get_each_devices_share(way: str):
    """The sum of what the devices give, as `psum` of gradients has it, is the gradient of the whole."""
    rng = np.random.default_rng(4)
    reference, noise = (rng.normal(size=(DEVICES * ROWS, FEATURES)).astype(np.float32) for _ in range(2))
    scale = jnp.asarray([1.5, 0.7, 2.0])
    metric = METRICS["frechet distance"]

    def share(reference: Any, noise: Any) -> Any:
        own = jax.lax.pcast(scale, AXIS, to="varying")
        gradient = jax.grad(lambda scale: value_of(metric, AXIS, True)(reference, scale * noise))(own)
        return jnp.broadcast_to(jax.lax.psum(gradient, AXIS), noise.shape)

    expected = jax.grad(lambda scale: value_of(metric, None, True)(reference, scale * noise))(scale)
    found = WAYS[way](share, reference, noise)
    np.testing.assert_allclose(found[0], expected, rtol=2e-5)
