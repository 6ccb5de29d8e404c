"""Every way of running metrics over batches: transform by transform, mesh by mesh."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from metric_cases import STEPS, Case

AXIS = "batch"
States = dict[str, Any]
Cases = dict[str, Case]


def update_all(cases: Cases, states: States, batch: dict[str, Any]) -> States:
    return {name: case.metric.update(states[name], **case.pick(batch)) for name, case in cases.items()}


def accumulate_all(cases: Cases, states: States, batch: dict[str, Any]) -> States:
    return {
        name: case.metric.accumulate(states[name], axis_name=AXIS, **case.pick(batch)) for name, case in cases.items()
    }


def init_all(cases: Cases, **options: Any) -> States:
    return {name: case.metric.init(**options) for name, case in cases.items()}


def specs_of(cases: Cases) -> States:
    return {name: case.metric.state_specs(AXIS) for name, case in cases.items()}


def mesh_of(devices: int, axis_type: AxisType = AxisType.Auto) -> Mesh:
    return jax.make_mesh((devices,), (AXIS,), axis_types=(axis_type,), devices=jax.devices()[:devices])


def step_of(batches: dict[str, Any], step: int) -> dict[str, Any]:
    return {name: values[step] for name, values in batches.items()}


def eager(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    states = init_all(cases)
    for step in range(STEPS):
        states = update_all(cases, states, step_of(batches, step))
    return states


def jit(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    states = init_all(cases)
    update = jax.jit(functools.partial(update_all, cases), donate_argnums=0)
    for step in range(STEPS):
        states = update(states, step_of(batches, step))
    return states


def scan(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    return _scan(cases, init_all(cases), jax.tree.map(jnp.asarray, batches))


def _scan(cases: Cases, states: States, batches: dict[str, Any]) -> States:
    return lax.scan(lambda states, batch: (update_all(cases, states, batch), None), states, batches)[0]


def _scan_then_reduce(cases: Cases, batches: dict[str, Any]) -> States:
    states = _scan(cases, init_all(cases, axis_name=AXIS), batches)
    return {name: case.metric.reduce(states[name], AXIS) for name, case in cases.items()}


def pmap(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    """Each device scans over its part of all batches; one reduction at the end."""
    parts = {name: np.stack(np.split(values, devices, axis=1)) for name, values in batches.items()}
    run = jax.pmap(functools.partial(_scan_then_reduce, cases), axis_name=AXIS, devices=jax.devices()[:devices])
    return _from_pmap(cases, run(parts))


def pmap_steps(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    """A mapped step at a time, states whole after each."""
    chosen = jax.devices()[:devices]
    init = jax.pmap(lambda _: init_all(cases, axis_name=AXIS), axis_name=AXIS, devices=chosen)
    update = jax.pmap(functools.partial(accumulate_all, cases), axis_name=AXIS, devices=chosen, donate_argnums=0)
    states = init(np.arange(devices))
    for step in range(STEPS):
        parts = {
            name: values.reshape(devices, -1, *values.shape[1:]) for name, values in step_of(batches, step).items()
        }
        states = update(states, parts)
    return _from_pmap(cases, states)


def _from_pmap(cases: Cases, states: States) -> States:
    return {name: case.metric.from_pmap(states[name]) for name, case in cases.items()}


def shard_map(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    """A mapped step at a time, states whole after each."""
    mesh, specs = mesh_of(devices), specs_of(cases)
    states = {name: case.metric.init_on(mesh, AXIS) for name, case in cases.items()}
    mapped = jax.shard_map(
        functools.partial(accumulate_all, cases), mesh=mesh, in_specs=(specs, PartitionSpec(AXIS)), out_specs=specs
    )
    update = jax.jit(mapped, donate_argnums=0)
    for step in range(STEPS):
        states = update(states, step_of(batches, step))
    return states


def shard_map_scan(cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    """Each device scans over its part of all batches; one reduction at the end."""
    mapped = jax.shard_map(
        functools.partial(_scan_then_reduce, cases),
        mesh=mesh_of(devices),
        in_specs=PartitionSpec(None, AXIS),
        out_specs=specs_of(cases),
    )
    return jax.jit(mapped)(batches)


def _on_mesh(axis_type: AxisType, cases: Cases, batches: dict[str, np.ndarray], devices: int) -> States:
    mesh = mesh_of(devices, axis_type)
    states = {name: case.metric.init_on(mesh, AXIS) for name, case in cases.items()}
    update = jax.jit(functools.partial(update_all, cases), donate_argnums=0)
    for step in range(STEPS):
        before = jax.tree.map(_layout, states)
        batch = jax.device_put(step_of(batches, step), NamedSharding(mesh, PartitionSpec(AXIS)))
        states = update(states, batch)
        assert jax.tree.map(_layout, states) == before, "an update changed a type or a sharding"
    return states


def _layout(leaf: jax.Array) -> Any:
    return leaf.shape, leaf.dtype, leaf.weak_type, leaf.sharding.devices_indices_map(leaf.shape)


auto_mesh = functools.partial(_on_mesh, AxisType.Auto)
explicit_mesh = functools.partial(_on_mesh, AxisType.Explicit)

Way = Callable[[Cases, dict[str, np.ndarray], int], States]
SINGLE: dict[str, Way] = {"eager": eager, "jit": jit, "scan": scan}
SPREAD: dict[str, Way] = {
    "pmap": pmap,
    "shard_map": shard_map,
    "Auto mesh": auto_mesh,
    "Explicit mesh": explicit_mesh,
}
VARIANTS: dict[str, Way] = {"pmap, step by step": pmap_steps, "shard_map over a scan": shard_map_scan}
