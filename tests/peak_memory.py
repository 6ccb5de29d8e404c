"""Programs of their own that measure their peak memory."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# Not ru_maxrss: that begins at the peak of the process that started the program, which is pytest's own.
_PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
"""

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def printed_by(program: str, *arguments: object) -> Any:
    """What the program prints as JSON, run on one device with `peak()` (bytes) at hand."""
    one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-c", _PEAK + program, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=one_device, text=True, check=True).stdout)
