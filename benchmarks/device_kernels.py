"""Speed as a part of the device check: `python -m benchmarks.device_kernels SCALE`.

Every kernel of `python -m benchmarks` at its small size with the peers that are installed, a row as JSON for each as it
is measured; what takes the longest comes last: an accelerator compiles a network for most of a minute.
"""

import json
import sys
from typing import Any

from benchmarks.device_parts import absent_package
from benchmarks.timing import measure, worker

_HEAVY = ("reading", "inception", "lite0", "end-to-end")


def main(arguments: list[str]) -> int:
    """Measures, and writes a row a kernel."""
    (scale,) = arguments
    try:
        from benchmarks.kernel import OURS
        from benchmarks.kernels import KERNELS
    except ImportError as error:
        _tell({"name": "kernels", "skipped": f"{absent_package(error)} is not installed"})
        return 0
    light = [kernel for kernel in KERNELS.values() if kernel.name not in _HEAVY]
    with worker("-", OURS, {}) as machine:
        for kernel in [*light, *(KERNELS[name] for name in _HEAVY)]:
            _tell(_row(kernel, machine, repeats=1 if scale == "small" else 3))
    return 0


def _row(kernel: Any, machine: Any, *, repeats: int) -> dict[str, Any]:
    from benchmarks.kernel import OURS
    from benchmarks.results import lines, row_of

    size = kernel.sizes["small"]
    measured, skipped, rates = measure(kernel, size, list(kernel.contenders), machine, repeats=repeats)
    if OURS not in measured:
        why = skipped[OURS]
        return {"name": kernel.name} | ({"skipped": why} if "not installed" in why else {"error": why, "holds": False})
    row = row_of(kernel, size, measured, skipped, rates)
    text = "\n".join([f"  {kernel.describe(size)}", *(f"    {line}" for line in lines(row))])
    ours = measured[OURS]
    peaks = {"peak_host_bytes": ours.peak_bytes, "peak_device_bytes": ours.device_peak_bytes}
    return {"name": kernel.name, "text": text, "figures": row, **peaks}


def _tell(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
