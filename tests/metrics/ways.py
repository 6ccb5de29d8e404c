"""Every way of running metrics over batches: transform by transform, mesh by mesh.

`batches` are the rows of this process, `devices` those of all processes; where there is one process, simply all.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from metric_cases import CASES

AXIS = "batch"
States = dict[str, Any]


def update_all(states: States, batch: dict[str, Any]) -> States:
    return {name: case.metric.update(states[name], **case.pick(batch)) for name, case in CASES.items()}


def accumulate_all(states: States, batch: dict[str, Any]) -> States:
    return {
        name: case.metric.accumulate(states[name], axis_name=AXIS, **case.pick(batch)) for name, case in CASES.items()
    }


def init_all(**options: Any) -> States:
    return {name: case.metric.init(**options) for name, case in CASES.items()}


def all_specs() -> States:
    return {name: case.metric.state_specs(AXIS) for name, case in CASES.items()}


def mesh_of(devices: int, axis_type: AxisType = AxisType.Auto) -> Mesh:
    return jax.make_mesh((devices,), (AXIS,), axis_types=(axis_type,), devices=jax.devices()[:devices])


def placed(mesh: Mesh, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    """Each process's rows on its own devices, as arrays over the whole mesh."""
    rows = NamedSharding(mesh, PartitionSpec(AXIS))
    return {name: jax.make_array_from_process_local_data(rows, values) for name, values in batch.items()}


def steps_in(batches: dict[str, Any]) -> int:
    return len(batches["index"])


def step_of(batches: dict[str, Any], step: int) -> dict[str, Any]:
    return {name: values[step] for name, values in batches.items()}


def eager(batches: dict[str, np.ndarray], devices: int) -> States:
    states = init_all()
    for step in range(steps_in(batches)):
        states = update_all(states, step_of(batches, step))
    return states


def jit(batches: dict[str, np.ndarray], devices: int) -> States:
    states = init_all()
    update = jax.jit(update_all, donate_argnums=0)
    for step in range(steps_in(batches)):
        states = update(states, step_of(batches, step))
    return states


def scan(batches: dict[str, np.ndarray], devices: int) -> States:
    return _scan(init_all(), jax.tree.map(jnp.asarray, batches))


def _scan(states: States, batches: dict[str, Any]) -> States:
    return lax.scan(lambda states, batch: (update_all(states, batch), None), states, batches)[0]


def _scan_then_reduce(batches: dict[str, Any]) -> States:
    states = _scan(init_all(axis_name=AXIS), batches)
    return {name: case.metric.reduce(states[name], AXIS) for name, case in CASES.items()}


def pmap(batches: dict[str, np.ndarray], devices: int) -> States:
    """Each device scans over its part of all batches; one reduction at the end."""
    local = devices // jax.process_count()
    parts = {name: np.stack(np.split(values, local, axis=1)) for name, values in batches.items()}
    run = jax.pmap(_scan_then_reduce, axis_name=AXIS, devices=jax.devices()[:devices])
    return _from_pmap(run(parts))


def pmap_steps(batches: dict[str, np.ndarray], devices: int) -> States:
    """A mapped step at a time, states whole after each."""
    chosen, local = jax.devices()[:devices], devices // jax.process_count()
    init = jax.pmap(lambda _: init_all(axis_name=AXIS), axis_name=AXIS, devices=chosen)
    update = jax.pmap(accumulate_all, axis_name=AXIS, devices=chosen, donate_argnums=0)
    states = init(np.arange(local))
    for step in range(steps_in(batches)):
        parts = {name: values.reshape(local, -1, *values.shape[1:]) for name, values in step_of(batches, step).items()}
        states = update(states, parts)
    return _from_pmap(states)


def _from_pmap(states: States) -> States:
    return {name: case.metric.from_pmap(states[name]) for name, case in CASES.items()}


def shard_map(batches: dict[str, np.ndarray], devices: int) -> States:
    """A mapped step at a time, states whole after each."""
    mesh, specs = mesh_of(devices), all_specs()
    states = {name: case.metric.init_on(mesh, AXIS) for name, case in CASES.items()}
    mapped = jax.shard_map(accumulate_all, mesh=mesh, in_specs=(specs, PartitionSpec(AXIS)), out_specs=specs)
    update = jax.jit(mapped, donate_argnums=0)
    for step in range(steps_in(batches)):
        states = update(states, placed(mesh, step_of(batches, step)))
    return states


def shard_map_scan(batches: dict[str, np.ndarray], devices: int) -> States:
    """Each device scans over its part of all batches; one reduction at the end."""
    mapped = jax.shard_map(
        _scan_then_reduce,
        mesh=mesh_of(devices),
        in_specs=PartitionSpec(None, AXIS),
        out_specs=all_specs(),
    )
    return jax.jit(mapped)(batches)


def _on_mesh(axis_type: AxisType, batches: dict[str, np.ndarray], devices: int) -> States:
    mesh = mesh_of(devices, axis_type)
    states = {name: case.metric.init_on(mesh, AXIS) for name, case in CASES.items()}
    update = jax.jit(update_all, donate_argnums=0)
    for step in range(steps_in(batches)):
        before = jax.tree.map(_layout, states)
        states = update(states, placed(mesh, step_of(batches, step)))
        assert jax.tree.map(_layout, states) == before, "an update changed a type or a sharding"
    return states


def _layout(leaf: jax.Array) -> Any:
    return leaf.shape, leaf.dtype, leaf.weak_type, leaf.sharding.devices_indices_map(leaf.shape)


auto_mesh = functools.partial(_on_mesh, AxisType.Auto)
explicit_mesh = functools.partial(_on_mesh, AxisType.Explicit)

Way = Callable[[dict[str, np.ndarray], int], States]
SINGLE: dict[str, Way] = {"eager": eager, "jit": jit, "scan": scan}
SPREAD: dict[str, Way] = {
    "pmap": pmap,
    "shard_map": shard_map,
    "Auto mesh": auto_mesh,
    "Explicit mesh": explicit_mesh,
}
VARIANTS: dict[str, Way] = {"pmap, step by step": pmap_steps, "shard_map over a scan": shard_map_scan}
