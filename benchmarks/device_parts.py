"""A part of the device check in a process of its own: `python -m benchmarks.device_parts PART SCALE`.

Each line written is a row as JSON, as soon as it is known, so that the part can be ended at any moment: a comparison
(`holds`), something that was left out (`skipped`), or what went wrong (`error`, which does not hold).
"""

import concurrent.futures
import functools
import importlib
import json
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Tell = Callable[[dict[str, Any]], None]


def peaks() -> dict[str, int | None]:
    """The most memory that this process held so far, on the host and on its first device where the device tells."""
    import jax

    stats = jax.local_devices()[0].memory_stats()
    return {
        "peak_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_device_bytes": None if stats is None else stats.get("peak_bytes_in_use"),
    }


def absent_package(error: BaseException) -> str | None:
    """Which package it is that an error is about; None for every other error."""
    return (error.name or str(error)).partition(".")[0] if isinstance(error, ImportError) else None


def run_comparisons(comparisons: Iterable[Any], tell: Tell, threads: int = 1) -> None:
    """Runs each, and tells a row of every value; a failure is a row too, and the others go on.

    Args:
      comparisons: `benchmarks.comparison.Comparison`s, the most telling first.
      tell: takes a row.
      threads: comparisons at a time: most of their time is compilation, which has a core each.
    """
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(_run_one, comparison, tell) for comparison in comparisons]:
            done.result()


def _run_one(comparison: Any, tell: Tell) -> None:
    from benchmarks.comparison import judged

    label = {"name": comparison.name, "way": comparison.way}
    begun = time.perf_counter()
    try:
        for finding in comparison.run():
            seconds, begun = time.perf_counter() - begun, time.perf_counter()
            tell(label | judged(finding) | {"seconds": round(seconds, 3)} | peaks())
    except Exception as error:  # whatever it is, the other comparisons are worth having
        if package := absent_package(error):
            tell(label | {"skipped": f"{package} is not installed"})
            return
        traceback.print_exc()
        words = (str(error) or type(error).__name__).splitlines()[0]
        tell(label | {"holds": False, "error": f"{type(error).__name__}: {words}"})


def _compared(module: str, scale: str, tell: Tell) -> None:
    import jax

    if scale == "small":  # where a CPU compiles for itself: half the time, and the same values but for the last bits
        jax.config.update("jax_disable_most_optimizations", True)
    room = importlib.import_module(f"benchmarks.{module}")
    for name, reason in getattr(room, "left_out", lambda _: {})(scale).items():
        tell({"name": name, "skipped": reason})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Of several devices, two programs that both wait for all of them would wait for each other.
    threads = max(1, min(6, cores // 2)) if jax.device_count() == 1 else 1
    run_comparisons(room.comparisons(scale), tell, threads)


def _modes(scale: str, tell: Tell) -> None:
    """The error of each precision mode; on a CPU all modes are one product, and there is nothing to measure."""
    import jax

    if jax.default_backend() == "cpu":
        tell({"name": "modes", "skipped": "no accelerator is here: on a CPU every mode is the same float32 product"})
        return
    from benchmarks import modes

    network, sets = modes.inception_and_images(16)
    modes.measure(network, sets, batch=16, side=8192, told=lambda name, mode: tell({"name": name, **mode} | peaks()))


# Nothing is compared in parts without `comparisons`: their rows are figures.
PARTS: dict[str, Callable[[str, Tell], None]] = {
    "metrics": functools.partial(_compared, "comparisons_of_metrics"),
    "ops": functools.partial(_compared, "comparisons_of_ops"),
    "images": functools.partial(_compared, "comparisons_of_images"),
    "extractors": functools.partial(_compared, "comparisons_of_extractors"),
    "modes": _modes,
}


def main(arguments: list[str]) -> int:
    """Runs one part."""
    part, scale = arguments
    rows = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints goes to the log
    lock = threading.Lock()

    def tell(row: dict[str, Any]) -> None:
        with lock:
            rows.write(json.dumps(row) + "\n")
            rows.flush()

    sys.path.insert(0, str(Path(__file__).parents[1]))
    try:
        PARTS[part](scale, tell)
    except ImportError as error:
        tell({"name": part, "skipped": f"{absent_package(error)} is not installed"})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
