"""Speed as a part of the device check: `python -m benchmarks.device_kernels SCALE`.

Every kernel of `python -m benchmarks` at its small size with the peers that are installed, a row as JSON for each as it
is measured; networks and the whole path come first where there is an accelerator, and last on a CPU, where they take
the longest.
"""

import json
import sys
from typing import Any

from benchmarks.device_parts import absent_package
from benchmarks.timing import measure, worker

__all__ = ["main"]

_HEAVY = ("reading", "lite0", "end-to-end", "inception")


def main(arguments: list[str]) -> int:
    """Measures, and writes a row a kernel."""
    (scale,) = arguments
    try:
        from benchmarks.kernels import KERNELS, OURS
    except ImportError as error:
        _tell({"name": "kernels", "skipped": f"{absent_package(error)} is not installed"})
        return 0
    first, *others = (KERNELS[name] for name in _HEAVY)
    light = [kernel for kernel in KERNELS.values() if kernel.name not in _HEAVY]
    with worker("-", OURS, {}) as machine:
        for kernel in [first, *light, *others] if scale == "small" else [first, *reversed(others), *light]:
            _tell(_row(kernel, machine, repeats=1 if scale == "small" else 3))
    return 0


def _row(kernel: Any, machine: Any, *, repeats: int) -> dict[str, Any]:
    from benchmarks.kernel import OURS
    from benchmarks.results import lines, row_of

    size = kernel.sizes["small"]
    try:
        measured, skipped, rates = measure(kernel, size, list(kernel.contenders), machine, repeats=repeats)
    except RuntimeError as error:  # a contender's process ended
        return {"name": kernel.name, "error": str(error), "holds": False}
    if OURS not in measured:
        return {"name": kernel.name, "skipped": skipped[OURS]}
    row = row_of(kernel, size, measured, skipped, rates)
    text = "\n".join([f"  {kernel.describe(size)}", *(f"    {line}" for line in lines(row))])
    ours = measured[OURS]
    peaks = {"peak_host_bytes": ours.peak_bytes, "peak_device_bytes": ours.device_peak_bytes}
    return {"name": kernel.name, "text": text, "figures": row, **peaks}


def _tell(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
