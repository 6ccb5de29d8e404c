"""One process of a two-process run: `python distributed_worker.py COORDINATOR COUNT INDEX FOLDER`; prints JSON."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from jaxeval.evaluation.reading.merging import merge_digests


@contextlib.contextmanager
def without_float64() -> Iterator[list[str]]:
    """A backend that has no numbers of 64 bits: a program that would have one is refused. Gives those that are not."""
    from jax._src import compiler

    original, compiled = compiler.backend_compile_and_load, []

    def refusing(backend: Any, module: Any, *more: Any, **named: Any) -> Any:
        text = str(module)
        assert not re.search(r"[x<](f|i|ui)64>", text), text
        compiled.append(text)
        return original(backend, module, *more, **named)

    compiler.backend_compile_and_load = refusing
    try:
        yield compiled
    finally:
        compiler.backend_compile_and_load = original


def main() -> None:
    coordinator, count, index, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    processes = start(coordinator, count, index)
    found: dict[str, object] = {"processes": [processes.index, processes.count], "writes": processes.writes}

    rng = np.random.default_rng(index)
    part = rng.standard_normal((5, 5)) + 1e8  # float32 would keep no digit behind the point
    found["sum"] = [value.hex() for value in sum_over_processes(part).ravel().tolist()]
    other = np.random.default_rng(100 + index)
    wide = other.standard_normal((6, 5)) * 10.0 ** other.integers(-200, 200, (6, 5))
    with_rest = 1e-20 * other.standard_normal((6, 5))
    wide[0, 0], with_rest[0, 0] = (1.0, 2.0**-60) if index else (-1.0, 2.0**-70)  # all but what rounding cuts off
    wide[0, 1] = np.inf if index else 1.0
    with without_float64() as programs:
        found["exact sum"] = [value.hex() for value in sum_over_processes(wide, with_rest).ravel().tolist()]
    found["programs"] = len(programs)
    rows = rng.standard_normal((3 * index, 4))  # process 0 has none
    found["rows"] = [value.hex() for value in gather_rows(rows).ravel().tolist()]
    # Process 0 has the first, the third and so on, so that one of the items is left over for it.
    whole = np.random.default_rng(9).integers(0, 256, (7, 16), dtype=np.uint8)
    places = np.arange(index, len(whole), count)
    found["digests"] = bool(np.array_equal(merge_digests(whole[places], places), whole))
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
