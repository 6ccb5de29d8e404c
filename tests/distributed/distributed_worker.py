"""One process of a two-process run: `python distributed_worker.py COORDINATOR COUNT INDEX FOLDER`; prints JSON."""

import json
import sys
from pathlib import Path

import jax
import numpy as np

from jaxeval.distributed import (
    Checkpointer,
    agree_on,
    batch_mesh,
    gather_rows,
    largest,
    pad_batch,
    shard_batch,
    start,
    sum_over_processes,
)
from jaxeval.errors import InputError
from jaxeval.evaluation.merging import merge_digests


def main() -> None:
    coordinator, count, index, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    processes = start(coordinator, count, index)
    found: dict[str, object] = {"processes": [processes.index, processes.count], "writes": processes.writes}

    rng = np.random.default_rng(index)
    part = rng.standard_normal((5, 5)) + 1e8  # float32 would keep no digit behind the point
    found["sum"] = [value.hex() for value in sum_over_processes(part).ravel().tolist()]
    rows = rng.standard_normal((3 * index, 4))  # process 0 has none
    found["rows"] = [value.hex() for value in gather_rows(rows).ravel().tolist()]
    # Process 0 has the first, the third and so on, so that one of the items is left over for it.
    whole = np.random.default_rng(9).integers(0, 256, (7, 16), dtype=np.uint8)
    found["digests"] = bool(np.array_equal(merge_digests(whole[index::count]), whole))
    found["largest"] = largest(10 - index)
    agree_on("seed", "the same")
    try:
        agree_on("seed", f"seed {index}")
        found["disagreement"] = None
    except InputError as error:
        found["disagreement"] = str(error)

    padded, mask = pad_batch(np.full((1 + 2 * index, 2), index + 1, np.float32), 4)
    mesh = batch_mesh()
    batch, valid = shard_batch(mesh, padded), shard_batch(mesh, mask)
    total = jax.jit(lambda batch, valid: (batch.sum(1) * valid).sum())(batch, valid)
    found["batch"] = [list(batch.shape), float(total)]

    configuration = {"data": "abc", "batch_size": 32}
    states = {step: bytes([step, index]) * (7 + index) for step in (1, 2, 3)}
    with_steps = Checkpointer(folder, configuration)
    found["nothing yet"] = with_steps.restore() is None
    for state in states.values():
        with_steps.save(state)
    with_steps.close()
    again = Checkpointer(folder, configuration)
    restored = again.restore()
    found["restored"] = restored is not None and restored == states[3]
    again.close()
    try:
        other = Checkpointer(folder, configuration | {"batch_size": 64})
        other.restore()
        found["other"] = None
    except InputError as error:
        found["other"] = str(error)
    print("found", json.dumps(found), flush=True)


main()
