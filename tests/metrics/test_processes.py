"""Two processes of two devices: the same numbers on both, equal to those of all rows, however these are shared."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ways
from metric_cases import CASES, make_batches

HERE = Path(__file__).parent
PROCESSES = 2


@pytest.mark.slow
def test_two_processes_compute_the_value_of_all_rows(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    compiled = {name: value for name, value in os.environ.items() if name.startswith("JAX_") and "CACHE" in name}
    outputs = [tmp_path / f"{number}.json" for number in range(PROCESSES)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "process_worker.py"), port, str(number), str(PROCESSES), str(out)],
            # Of numbers that cross the processes; the machine code's own are those of the other ways.
            env={"PYTHONPATH": f"{HERE.parents[1]}", "PATH": "", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", **compiled},
            stderr=subprocess.PIPE,
        )
        for number, out in enumerate(outputs)
    ]
    try:
        messages = [worker.communicate(timeout=600)[1].decode() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], messages
    first, second = (json.loads(out.read_text()) for out in outputs)
    assert first == second
    assert set(first) == {*ways.SPREAD, "uneven", "none"}
    batches = make_batches(devices=4)
    for way, values in first.items():
        for name, case in CASES.items():
            found = values[name]["values"] if name == "manifold" else values[name]["value"]
            buffered = name in ("kernel distance", "manifold")
            assert found == case.close_to(batches, device=buffered), (way, name)
            said = any("computed in float32 on the devices" in warning for warning in values[name]["warnings"])
            assert said == buffered
