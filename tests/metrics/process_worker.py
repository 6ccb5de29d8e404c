"""One of several processes that update metrics on common devices; run by test_processes.py."""

import json
import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

from typing import Any

import jax
import numpy as np
import ways
from metric_cases import BATCH, CASES, make_batches

from jaxeval.distributed import largest

# Where the rows of the first process end and those of the next begin.
SHARES = {"uneven": 67, "none": 0}


def share(batches: dict[str, np.ndarray], number: int, end: int) -> dict[str, np.ndarray]:
    """This process's stretch of all rows in batches of the one static size, as many as the process with most needs."""
    stretch = slice(0, end) if number == 0 else slice(end, None)
    mine = {name: values.reshape(-1, *values.shape[2:])[stretch] for name, values in batches.items()}
    size = BATCH // jax.process_count()
    steps = largest(-(-len(mine["index"]) // size))
    return {
        name: _filled(values, steps * size).reshape(steps, size, *values.shape[1:]) for name, values in mine.items()
    }


def _filled(values: np.ndarray, rows: int) -> np.ndarray:
    """Masks with False; features with NaN, which must not count."""
    filling = np.full(
        (rows - len(values), *values.shape[1:]), np.nan if values.dtype == np.float32 else 0, values.dtype
    )
    return np.concatenate([values, filling])


def values_of(states: dict[str, Any]) -> dict[str, Any]:
    return {name: case.metric.compute(states[name]).to_dict() for name, case in CASES.items()}


def main(port: str, number: int, processes: int, out: str) -> None:
    jax.distributed.initialize(f"localhost:{port}", processes, number)
    devices = jax.device_count()
    batches = make_batches(devices)
    halves = {name: np.split(values, processes, axis=1)[number] for name, values in batches.items()}
    found = {name: values_of(way(halves, devices)) for name, way in ways.SPREAD.items()}
    for name, end in SHARES.items():
        found[name] = values_of(ways.auto_mesh(share(batches, number, end), devices))
    with open(out, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
