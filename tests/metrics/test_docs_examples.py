"""The code of docs/metrics.md on one device and on four, and there the README's loop with pmap."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 4])
def test_on_so_many_devices(devices: int):
    # The README's loop on meshes of one and of four needs no process of its own.
    files = [FOLDER / "docs_page.py", FOLDER / "test_training_loops.py"]
    chosen = ["-k", "with_pmap or as_it_stands"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:xdist", *map(str, files), *chosen]
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    done = subprocess.run(command, cwd=FOLDER.parents[1], env=os.environ | flags, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "2 passed" in done.stdout, done.stdout[-300:]
