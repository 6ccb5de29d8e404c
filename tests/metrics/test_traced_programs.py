"""What the programs contain: properties that no value on a CPU can show, read from jaxprs and compiled modules."""

import functools
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
import ways
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision, equations
from metric_cases import BATCH, CASES, CLASSES, FEATURES

from jaxeval.metrics import BufferedMetric, FrechetDistance, InceptionScore, KernelDistance, Manifold, Metric

PAIRS = 50_000
WIDTH = 2048
BUFFERED = {"kernel distance": KernelDistance(WIDTH, PAIRS), "manifold": Manifold(WIDTH, PAIRS, k=5)}


def structures(devices: int = 1) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of one batch for every case."""
    rows = BATCH * devices
    floats = {"reference": (rows, FEATURES), "generated": (rows, FEATURES), "logits": (rows, CLASSES)}
    masks = {name: jax.ShapeDtypeStruct((rows,), bool) for name in ("reference_mask", "generated_mask")}
    index = {"index": jax.ShapeDtypeStruct((rows,), jnp.int32)}
    return {**{name: jax.ShapeDtypeStruct(s, jnp.float32) for name, s in floats.items()}, **masks, **index}


@pytest.mark.parametrize("name", ["frechet distance", "inception score"])
def test_update_multiplies_in_full_precision(name: str):
    case = CASES[name]
    state = jax.eval_shape(case.metric.init)
    # An Inception score multiplies nothing: there is then nothing that could be cut.
    least = 1 if name == "frechet distance" else 0
    update = lambda state, inputs: case.metric.update(state, **inputs)  # noqa: E731
    assert_full_precision(update, state, case.pick(structures()), at_least=least)


@pytest.mark.parametrize("name", ["frechet distance", "kernel distance", "manifold"])
def test_value_on_the_device_multiplies_in_full_precision(name: str):
    metric = CASES[name].metric
    assert_full_precision(metric.compute_on_device, jax.eval_shape(metric.init))


@pytest.mark.parametrize("metric", [FrechetDistance(WIDTH), InceptionScore(1008, splits=10)])
def test_reducing_sums_gathers_nothing(metric: Metric):
    """Sums only: a gathered d x d state would cost as many times the memory as there are devices."""
    mesh, rows = ways.mesh_of(8), PartitionSpec(ways.AXIS)
    size = WIDTH if isinstance(metric, FrechetDistance) else 1008
    features = jax.ShapeDtypeStruct((64, size), jnp.float32)
    index = jax.ShapeDtypeStruct((64,), jnp.int32)

    def step(state: Any, features: Any, index: Any) -> Any:
        return metric.accumulate(state, axis_name=ways.AXIS, reference=features, generated=features, index=index)

    specs = metric.state_specs(ways.AXIS)
    mapped = jax.shard_map(step, mesh=mesh, in_specs=(specs, rows, rows), out_specs=specs)
    jaxpr = jax.make_jaxpr(mapped)(jax.eval_shape(metric.init), features, index)
    names = {equation.primitive.name for equation in equations(jaxpr)}
    assert any(name.startswith("psum") for name in names)
    assert not any("gather" in name and name.startswith("all") for name in names)
    assert not {"all_to_all", "ppermute"} & names


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=["Auto", "Explicit"])
@pytest.mark.parametrize("name", ["frechet distance", "kernel distance", "manifold"])
def test_a_sharded_update_moves_a_batch_at_most(name: str, axis_type: AxisType):
    """Compiled for a mesh, sums need only reductions, and buffers their batch on every device, to be dealt out."""
    case, mesh = CASES[name], ways.mesh_of(8, axis_type)
    state = case.metric.init_on(mesh, ways.AXIS)
    rows = NamedSharding(mesh, PartitionSpec(ways.AXIS))
    batch = {
        key: jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=rows)
        for key, value in case.pick(structures(8)).items()
    }
    compiled = jax.jit(case.metric.update, donate_argnums=0).lower(state, **batch).compile()
    text = str(compiled.as_text())
    assert " all-to-all" not in text
    assert " collective-permute" not in text
    # What a line says it makes, before the operation's name.
    gathered = re.findall(r"= \(?(\w+)\[([\d,]*)\][^=]* all-gather", text)
    if name == "frechet distance":
        assert not gathered
        assert " all-reduce" in text
    else:
        sizes = [math.prod(map(int, shape.split(","))) if shape else 1 for _, shape in gathered]
        assert max(sizes) == 8 * BATCH * FEATURES
        assert sum(sizes) <= 2 * 8 * BATCH * (FEATURES + 4) + 64, gathered
    layout = jax.tree.map(lambda leaf: leaf.sharding.devices_indices_map(leaf.shape), state)
    shardings = jax.tree.map(
        lambda leaf, sharding: sharding.devices_indices_map(leaf.shape), state, compiled.output_shardings
    )
    assert shardings == layout


def largest(jaxpr: Any) -> int:
    """Numbers in the largest array that a traced program makes."""
    sizes = [
        math.prod(variable.aval.shape)
        for equation in equations(jaxpr)
        for variable in equation.outvars
        if hasattr(variable.aval, "shape")
    ]
    return max(sizes)


def ring_program(metric: BufferedMetric, devices: int) -> Any:
    mesh = ways.mesh_of(devices)
    state = jax.eval_shape(functools.partial(metric.init, shards=devices))
    return functools.partial(metric.compute_on_device, axis_name=ways.AXIS, mesh=mesh), state


@pytest.mark.parametrize("name", BUFFERED)
def test_no_array_of_all_pairs_on_one_device(name: str):
    metric = BUFFERED[name]
    jaxpr = jax.make_jaxpr(metric.compute_on_device)(jax.eval_shape(metric.init))
    # The features themselves, filled up to whole blocks, are the largest array: 25 times less than all pairs.
    assert largest(jaxpr) <= 1.05 * PAIRS * WIDTH < PAIRS * PAIRS / 20


@pytest.mark.parametrize("name", BUFFERED)
def test_no_device_of_a_ring_holds_all_features(name: str):
    metric, devices = BUFFERED[name], 8
    program, state = ring_program(metric, devices)
    jaxpr = jax.make_jaxpr(program)(state)
    (inner,) = [equation for equation in equations(jaxpr) if equation.primitive.name == "shard_map"]
    body = inner.params["jaxpr"]
    assert largest(body) <= 1.2 * PAIRS * WIDTH / devices
    names = {equation.primitive.name for equation in equations(body)}
    assert "ppermute" in names
    assert not any("gather" in name and name.startswith("all") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUFFERED)
def test_compiled_memory_and_work_fall_with_the_number_of_devices(name: str):
    metric = BUFFERED[name]
    found = {}
    for devices in (1, 2, 8):
        program, state = ring_program(metric, devices)
        compiled = jax.jit(program).lower(state).compile()
        analysis: Any = compiled.memory_analysis()
        found[devices] = analysis.temp_size_in_bytes
        # Four copies of this device's share of both sides, and some blocks of pairs.
        share = 2 * 4 * PAIRS * WIDTH / devices
        assert found[devices] < 5 * share + 256 * 2**20
    assert found[8] < found[2] / 2
