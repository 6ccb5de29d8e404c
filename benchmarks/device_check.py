"""`python -m benchmarks.device_check OUT_DIR`: is every number of this device right, and how fast is it?

One command in a bounded time, for a machine that is lent for minutes: every metric, op and network beside its value in
float64, what the faster modes of products cost, speed beside other implementations, and the most memory of each. What
is found is written to OUT_DIR/device-check.json and OUT_DIR/device-check.log as it is found. Each part is a process of
its own with a share of the time that is left; one that runs out of it is ended, what it had found is kept, and the
time that it leaves goes to those that follow. The exit status is 0 if every comparison that was made holds, else 1.
"""

import argparse
import contextlib
import dataclasses
import datetime
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

SCHEMA = 1
_LEAST_SECONDS = 1.0  # that a part is started for
_ROOT = Path(__file__).parents[1]
# What the parts use beyond NumPy, SciPy and JAX, by the module's name: what is left out without it.
_PACKAGES = {
    "flax": "extractors",
    "jaxtyping": "everything",
    "safetensors": "extractors and precision modes, as their random weights are kept with it",
    "PIL": "reading and the whole path (Pillow)",
    "rich": "the whole path",
    "click": "the whole path",
    "pytest": "metrics in every way of running",
    "torch": "the peers",
    "torchmetrics": "similarities beside torchmetrics",
    "torch_fidelity": "the whole path and networks beside torch-fidelity",
    "prdc": "neighbours beside prdc",
    "pytorch_msssim": "similarities beside pytorch-msssim",
    "platformdirs": "nothing here: folders are named",
    "matplotlib": "nothing here: curves are not drawn",
    "array_record": "nothing here: TFDS data sets are not read",
    "tensorflow_datasets": "nothing here: TFDS data sets are not read",
}


@dataclasses.dataclass(frozen=True)
class Part:
    """A process of the check.

    Attributes:
      name: of its rows.
      command: writes rows as lines of JSON to its standard output.
      weight: its share of the time that is left, beside the weights of itself and the parts that follow.
      compares: whether its rows are comparisons, of which there has to be one.
    """

    name: str
    command: tuple[str, ...]
    weight: float
    compares: bool = True


def parts(scale: str) -> tuple[Part, ...]:
    """The parts in their order."""
    comparing = {"metrics": 1.6, "ops": 0.8, "images": 1.6, "extractors": 1.5}
    python = (sys.executable, "-m")
    found = [
        Part(name, (*python, "benchmarks.device_parts", name, scale), weight) for name, weight in comparing.items()
    ]
    found.append(Part("modes", (*python, "benchmarks.device_parts", "modes", scale), 1.3, compares=False))
    found.append(Part("kernels", (*python, "benchmarks.device_kernels", scale), 2.0, compares=False))
    return tuple(found)


class Record:
    """What is found, in one JSON file and one log that are whole at every moment.

    Args:
      folder: of both files; it is made.
      about: what stands at the head of the JSON.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._log_path = folder / "device-check.json", folder / "device-check.log"
        self.document: dict[str, Any] = {"schema": SCHEMA, **about, "finished": False, "parts": {}}
        self._log = self._log_path.open("w")
        self._lock = threading.Lock()
        self.save()

    def say(self, line: str) -> None:
        """A line for the log and for the screen."""
        print(line, flush=True)
        self.note(line + "\n")

    def note(self, text: str) -> None:
        """Text for the log alone."""
        with self._lock:
            self._log.write(text)
            self._log.flush()

    def save(self) -> None:
        """Replaces the JSON by the present state."""
        written = self.path.with_suffix(".json.part")
        written.write_text(json.dumps(self.document, indent=1) + "\n")
        written.replace(self.path)

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row with the name of its part."""
        for name, part in self.document["parts"].items():
            for row in part["rows"]:
                yield name, row

    def wrong(self) -> list[str]:
        """The comparisons that do not hold, by name."""
        return [f"{part}: {_label(row)}" for part, row in self.rows() if row.get("holds") is False]


def _label(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[key]) for key in ("name", "way", "what") if row.get(key))


def _line(row: Mapping[str, Any]) -> str:
    """A row as a line of text."""
    if "skipped" in row:
        return f"  left out  {_label(row)}: {row['skipped']}"
    if "error" in row:
        return f"  WRONG     {_label(row)}: {row['error']}"
    if "holds" not in row:
        figures = {key: value for key, value in row.items() if isinstance(value, (int, float)) and "bytes" not in key}
        return row.get("text") or f"  {_label(row)}: " + ", ".join(f"{k} {v:.6g}" for k, v in figures.items())
    state = "holds    " if row["holds"] else "WRONG    "
    return f"  {state} {_label(row)}: off by {row['difference']:.1e}, allowed {row['allowed']:.1e} ({row['against']})"


def check(record: Record, chosen: Sequence[Part], *, seconds: float) -> int:
    """Runs the parts one after the other within so many seconds; the exit status."""
    ends = time.monotonic() + seconds
    for number, part in enumerate(chosen):
        left = ends - time.monotonic()
        share = left * part.weight / sum(one.weight for one in chosen[number:])
        if share < _LEAST_SECONDS:
            record.document["parts"][part.name] = {"ended": "there was no time left for it", "rows": []}
            record.save()
            continue
        _run(record, part, share)
    record.document["finished"] = True
    wrong = record.wrong()
    without = [
        part.name
        for part in chosen
        if part.compares and not any("holds" in row for row in record.document["parts"][part.name]["rows"])
    ]
    record.document["wrong"] = wrong + [f"{name}: nothing was compared" for name in without]
    record.save()
    _summary(record)
    return 1 if record.document["wrong"] else 0


def _run(record: Record, part: Part, limit: float) -> None:
    """One part's process, ended with all of its own when its time is over."""
    begun = time.monotonic()
    entry: dict[str, Any] = {"limit_seconds": round(limit, 1), "ended": "unfinished", "rows": []}
    record.document["parts"][part.name] = entry
    record.say(f"{part.name} (up to {limit:.0f} s)")
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        part.command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, cwd=_ROOT, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log = threading.Thread(target=_copy_to_log, args=(process.stderr, record), daemon=True)
    log.start()
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(limit, end)
    timer.start()
    try:
        for text in process.stdout:
            _keep(record, entry, text)
        process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
    log.join(timeout=2)
    entry["seconds"] = round(time.monotonic() - begun, 1)
    if late.is_set():
        entry["ended"] = f"its {limit:.0f} s were over: what it had measured is kept"
        record.say(f"  {part.name}: {entry['ended']}")
    elif process.returncode:
        entry["ended"] = f"its process ended with status {process.returncode}; its last words are in the log"
        _keep(record, entry, json.dumps({"name": part.name, "holds": False, "error": entry["ended"]}))
    else:
        entry["ended"] = "finished"
    record.save()


def _keep(record: Record, entry: dict[str, Any], text: str) -> None:
    try:
        row = json.loads(text)
    except ValueError:
        record.note(text)  # the last line of a process that was ended, or what a library printed
        return
    if not isinstance(row, dict):
        record.note(text)
        return
    entry["rows"].append(row)
    record.save()
    line = _line(row)
    if row.get("holds") is True:
        record.note(line + "\n")
    else:
        record.say(line)


def _copy_to_log(stream: TextIO, record: Record) -> None:
    for text in stream:
        record.note(f"    | {text}")


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _summary(record: Record) -> None:
    for name, part in record.document["parts"].items():
        rows = part["rows"]
        made, held = sum("holds" in row for row in rows), sum(row.get("holds") is True for row in rows)
        text = f"{held} of {made} comparisons hold" if made else f"{len(rows)} rows"
        peaks = {key: max((row.get(key) or 0 for row in rows), default=0) for key in _PEAKS}
        text += "".join(f", {title} {peaks[key] / 2**20:,.0f} MB" for key, title in _PEAKS.items() if peaks[key])
        ended = "" if part["ended"] == "finished" else f"; {part['ended']}"
        record.say(f"{name:<12}{part.get('seconds', 0):>6.1f} s  {text}{ended}")
    for name in record.document["wrong"]:
        record.say(f"WRONG  {name}")
    record.say(f"written to {record.path}")


_PEAKS = {"peak_host_bytes": "host", "peak_device_bytes": "device"}


def _missing() -> dict[str, str]:
    return {name: loss for name, loss in _PACKAGES.items() if importlib.util.find_spec(name) is None}


def _environment() -> None:
    """What the parts inherit: the CPU beside the accelerator, memory that they share, no cache of the user's."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and "cpu" not in platforms.split(","):
        os.environ["JAX_PLATFORMS"] = platforms + ",cpu"  # float64 is computed there
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("JAXEVAL_COMPILATION_CACHE", "off")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))


_PROBE = """
import json, jax
from benchmarks.machine import describe
print(json.dumps(describe() | {"devices": jax.device_count()}))
"""


def _machine() -> dict[str, Any] | str:
    """What the machine is, asked in a process of its own, so that this one holds no device; or why that failed."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, cwd=_ROOT, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return "JAX did not start within two minutes"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["JAX does not start"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole check."""
    begun = time.monotonic()
    parser = argparse.ArgumentParser(prog="scripts/device-check", description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="of the JSON and the log")
    parser.add_argument("--scale", choices=("auto", "small", "full"), default="auto", help="default: small on a CPU")
    parser.add_argument("--seconds", type=float, default=450, metavar="S", help="for all of it; default: 450")
    parser.add_argument("--parts", metavar="A,B", help="only these; default: all")
    options = parser.parse_args(arguments)
    if not options.seconds > 0:
        parser.error(f"--seconds is {options.seconds}; it is more than 0")
    _environment()
    about = {"when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "seconds": options.seconds}
    record = Record(options.folder, about)
    machine = _machine()
    if isinstance(machine, str):
        record.document |= {"finished": True, "wrong": [f"nothing was compared: {machine}"]}
        record.save()
        record.say(record.document["wrong"][0])
        return 1
    scale = options.scale if options.scale != "auto" else "small" if machine["platform"] == "cpu" else "full"
    record.document |= {"machine": machine, "scale": scale, "missing": _missing()}
    record.save()
    count = machine["devices"]
    record.say(f"{count} x {machine['device']}, {machine['processor']}, {machine['cores']} cores; scale: {scale}")
    for name, loss in record.document["missing"].items():
        record.say(f"{name} is not installed; without it: {loss}")
    chosen = parts(scale)
    if options.parts:
        names = options.parts.split(",")
        if unknown := sorted(set(names) - {part.name for part in chosen}):
            parser.error(f"--parts {unknown[0]}: there are {', '.join(part.name for part in chosen)}")
        chosen = tuple(part for part in chosen if part.name in names)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return check(record, chosen, seconds=options.seconds - (time.monotonic() - begun))


if __name__ == "__main__":
    raise SystemExit(main())
