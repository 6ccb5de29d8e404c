"""A process that runs one contender when it is told to: `python -m benchmarks.worker KERNEL CONTENDER SIZE-AS-JSON`.

Contenders live in processes of their own, so that one's threads, allocator and memory are not the other's, and take
turns. Each line read from standard input is an order, each line written an answer:

    first one timed call: seconds, seconds of compilation in it, compilations, and the number that it found
    run   the same of calls one after the other until half a second is over, in seconds a call: short ones would else be
          measured while threads wake up and caches fill
    rates one measurement of the machine's rates
    end   the most memory that the process held, what its inputs take of it, and the most on the device
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

_LEAST_SECONDS = 0.5


class _Compilations:
    """Counts and times XLA's compilations in this process."""

    EVENT = "/jax/core/compile/backend_compile_duration"

    def __init__(self):
        import jax.monitoring

        self.count, self.seconds = 0, 0.0
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **_: Any) -> None:
        if event == self.EVENT:
            self.count += 1
            self.seconds += duration_secs


def _memory(line: str) -> int | None:
    """A line of /proc/self/status, in bytes; None where there is no such file."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(row.split()[1]) * 1024 for row in status.splitlines() if row.startswith(line))


def main(arguments: list[str]) -> None:
    """Follows orders until `end` or the end of the input."""
    kernel, contender, size = arguments[0], arguments[1], json.loads(arguments[2])
    # Whatever prints goes to stderr: the answers alone are on stdout.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if contender.startswith("jaxeval") and "library" not in contender:
        from jaxeval.cli.process import keep_freed_memory

        keep_freed_memory()
    import jax

    from benchmarks import machine, peers
    from benchmarks.kernels import KERNELS

    if absent := peers.missing(contender):
        _answer(answers, {"missing": f"{absent} is not installed"})
        return
    compilations = _Compilations()
    try:
        run = None if kernel == "-" else KERNELS[kernel].contenders[contender](size)
    except ImportError as error:
        _answer(answers, {"missing": f"{error.name} is not installed" if error.name else str(error)})
        return
    held = _memory("VmRSS:")
    _answer(answers, {"ready": peers.version(contender), "machine": machine.describe()})
    for order in map(str.strip, sys.stdin):
        if order == "rates":
            _answer(answers, machine.measure_rates())
        elif order in ("first", "run") and run is not None:
            before = compilations.count, compilations.seconds
            calls, seconds, value, begun = 0, 0.0, None, time.perf_counter()
            while calls == 0 or (order == "run" and seconds < _LEAST_SECONDS):
                value = jax.block_until_ready(run())
                calls, seconds = calls + 1, time.perf_counter() - begun
            found = {"seconds": seconds / calls, "compilations": compilations.count - before[0]}
            found |= {"compile_seconds": compilations.seconds - before[1], "value": value}
            _answer(answers, found)
        else:
            peak = getattr(run, "peak_bytes", None)
            peak = _memory("VmHWM:") if peak is None else peak
            inputs = 0 if hasattr(run, "peak_bytes") else held
            on_device = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
            _answer(answers, {"peak_bytes": peak, "input_bytes": inputs, "device_peak_bytes": on_device})
            return


def _answer(stream: TextIO, content: dict[str, Any]) -> None:
    stream.write(json.dumps(content) + "\n")
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
