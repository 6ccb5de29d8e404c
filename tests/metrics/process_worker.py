"""One of several processes that update metrics on a common mesh; run by test_processes.py."""

import json
import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

import functools

import jax
import numpy as np
import ways
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from metric_cases import CASES, STEPS, make_batches


def main(port: str, number: int, processes: int, out: str) -> None:
    jax.distributed.initialize(f"localhost:{port}", processes, number)
    devices = jax.device_count()
    mesh = jax.make_mesh((devices,), (ways.AXIS,), axis_types=(AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec(ways.AXIS))
    batches = make_batches(devices)
    states = {name: case.metric.init_on(mesh, ways.AXIS) for name, case in CASES.items()}
    update = jax.jit(functools.partial(ways.update_all, CASES), donate_argnums=0)
    for step in range(STEPS):
        mine = {name: np.split(values, processes)[number] for name, values in ways.step_of(batches, step).items()}
        batch = {name: jax.make_array_from_process_local_data(rows, values) for name, values in mine.items()}
        states = update(states, batch)
    results = {name: case.metric.compute(states[name]).to_dict() for name, case in CASES.items()}
    with open(out, "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
