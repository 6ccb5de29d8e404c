"""`python -m benchmarks [KERNEL ...]`: how fast jaxeval's kernels are, beside the machine and other implementations.

Every kernel is compiled and run once, then timed in turns with its peers, half a second or one call at a time. The
table has the median, the spread (half the distance between the quartiles), the rate as a share of what the machine was
measured to do in between, the memory that the run takes in a process of its own, and how many times as fast as each
peer that is.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.kernel import OURS, Kernel
from benchmarks.kernels import KERNELS, chosen
from benchmarks.results import lines, row_of
from benchmarks.timing import Worker, measure, worker
from jaxeval.files import local_path

SCHEMA = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line a contender, and writes JSON where it is told to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").split("\n\n", 1)[1],
        epilog="kernels: " + ", ".join(KERNELS),
    )
    parser.add_argument(
        "kernels", nargs="*", metavar="KERNEL", help="which; all by default; the beginning of a name will do"
    )
    parser.add_argument("--peers", action="store_true", help="run the other implementations too")
    parser.add_argument("--sizes", choices=("small", "paper"), default="small", help="default: small, seconds a kernel")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="timed runs of each; default: 5")
    parser.add_argument(
        "--json", type=local_path, metavar="FILE", help="also write the figures to FILE; rows in it are kept"
    )
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; it is 1 or more")
    kernels = chosen(options.kernels)
    # The machine's rates are measured in a process of their own: what they hold would count as a kernel's memory.
    with worker("-", OURS, {}) as machine:
        _run(kernels, machine, options)


def _run(kernels: Sequence[Kernel], machine: Worker, options: argparse.Namespace) -> None:
    about = machine.greeting["machine"]
    print(f"{about['device']}, {about['processor']}, {about['cores']} cores; sizes: {options.sizes}")
    if about["platform"] == "cpu":
        print("no accelerator is here: device kernels run on the CPU, where precision modes do not differ")
    rows = _earlier_rows(options.json, about, options.sizes)
    show = sys.stderr.isatty()
    for kernel in kernels:
        size = kernel.sizes[options.sizes]
        contenders = [name for name in kernel.contenders if options.peers or name.startswith(OURS)]
        told = _say if show else _nothing
        measured, skipped, rates = measure(kernel, size, contenders, machine, repeats=options.repeats, told=told)
        row = rows[kernel.name] = row_of(kernel, size, measured, skipped, rates)
        print("\n".join(["", kernel.describe(size), *(f"  {text}" for text in lines(row))]), flush=True)
        if options.json is not None:
            document = {
                "schema": SCHEMA,
                "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "sizes": options.sizes,
                "machine": about,
                "rows": {name: rows[name] for name in KERNELS if name in rows},
            }
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(document, indent=1) + "\n")


def _earlier_rows(path: Path | None, about: dict[str, Any], sizes: str) -> dict[str, Any]:
    """Rows of an earlier run on the same machine with the same versions; others do not belong beside this run's."""
    if path is None or not path.exists():
        return {}
    before = json.loads(path.read_text())
    return before["rows"] if (before["machine"], before["sizes"]) == (about, sizes) else {}


def _say(text: str) -> None:
    print(f"\r{text:<78}", end="", file=sys.stderr)


def _nothing(_: str) -> None:
    pass


if __name__ == "__main__":
    main()
