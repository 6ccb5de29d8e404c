"""Timing: contenders in processes of their own take turns, so that load on the machine hits all alike."""

import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.kernel import Kernel, Size


@dataclasses.dataclass
class Measured:
    """One contender's figures.

    Attributes:
      seconds: of every run but the first.
      first_seconds: of the first run, compilation included.
      compile_seconds: what XLA's compilations took of it.
      compilations: how many there were in the first run.
      compilations_later: and in all later ones.
      peak_bytes: the most memory that the process held.
      input_bytes: of it before the first run: the interpreter, libraries and inputs.
      value: the number that it found.
      version: of its package.
      device_peak_bytes: the most memory that it held on the device, where the device tells.
    """

    seconds: list[float]
    first_seconds: float
    compile_seconds: float
    compilations: int
    compilations_later: int
    peak_bytes: int | None
    input_bytes: int | None
    value: float | None
    version: str | None
    device_peak_bytes: int | None = None


def median(seconds: Sequence[float]) -> float:
    """Of the runs."""
    return statistics.median(seconds)


def spread(seconds: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median; with fewer than four runs, half the range."""
    ordered = sorted(seconds)
    if len(ordered) < 4:
        width = ordered[-1] - ordered[0]
    else:
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
        width = high - low
    return width / 2 / statistics.median(ordered)


class ContenderError(Exception):
    """A contender's process ended before it answered."""


class Worker:
    """The other end of a `benchmarks.worker`."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    @functools.cached_property
    def greeting(self) -> dict[str, Any]:
        """The answer to its start, waited for: several can start at a time."""
        return self._read()

    def ask(self, order: str) -> dict[str, Any]:
        """Sends an order and waits for the answer."""
        assert self.greeting is not None  # it comes before every answer
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ContenderError(f"its process ended with status {self._process.wait()}; its last words are above")
        return json.loads(line)


@contextmanager
def worker(kernel: str, contender: str, size: Size) -> Iterator[Worker]:
    """A contender in a process of its own, on one device."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # contenders share an accelerator
    command = [sys.executable, "-m", "benchmarks.worker", kernel, contender, json.dumps(dict(size))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def measure(
    kernel: Kernel,
    size: Size,
    contenders: Sequence[str],
    machine: Worker,
    *,
    repeats: int,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Measured], dict[str, str], dict[str, list[float]]]:
    """Times the contenders of a kernel at a size, in turns, and the machine itself before each turn.

    A contender whose process ends is left out like one that is missing; those beside it are measured all the same.

    Returns:
      The figures by contender, why others could not be had, and the machine's rates.
    """
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        answers: dict[str, list[dict[str, Any]]] = {}

        def leave_out(name: str, why: str) -> None:
            workers.pop(name, None)
            skipped[name] = why
            told(f"{kernel.name}: {name} left out: {why}")

        def ask(name: str, order: str) -> None:
            try:
                answers[name].append(workers[name].ask(order))
            except ContenderError as ended:
                leave_out(name, str(ended))

        for name in contenders:
            workers[name] = stack.enter_context(worker(kernel.name, name, size))
        for name, started in list(workers.items()):
            answers[name] = []
            try:
                if "missing" in started.greeting:
                    leave_out(name, started.greeting["missing"])
            except ContenderError as ended:
                leave_out(name, str(ended))
        for name in list(workers):
            ask(name, "first")
        rates: dict[str, list[float]] = {}
        for number in range(repeats):
            for name, rate in machine.ask("rates").items():
                rates.setdefault(name, []).append(rate)
            for name in list(workers):
                ask(name, "run")
                if name in workers:
                    told(f"{kernel.name}: {name} {number + 1}/{repeats} {answers[name][-1]['seconds']:.3f} s")
        for name in list(workers):
            ask(name, "end")
        found = {name: _measured(one.greeting["ready"], *answers[name]) for name, one in workers.items()}
        return found, skipped, rates


def _measured(version: str | None, first: dict[str, Any], *others: dict[str, Any]) -> Measured:
    """From the answers to `first`, to each `run` and to `end`."""
    *runs, end = others
    return Measured(
        seconds=[run["seconds"] for run in runs],
        first_seconds=first["seconds"],
        compile_seconds=first["compile_seconds"],
        compilations=first["compilations"],
        compilations_later=sum(run["compilations"] for run in runs),
        peak_bytes=end["peak_bytes"],
        input_bytes=end["input_bytes"],
        value=first["value"],
        version=version,
        device_peak_bytes=end["device_peak_bytes"],
    )
