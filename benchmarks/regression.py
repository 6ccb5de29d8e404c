"""`python -m benchmarks.regression OLD NEW`: fails where a kernel has become slower by more than the measured noise.

Two files that `python -m benchmarks --json` wrote, at the same sizes. A kernel counts as slower when its median time
has grown, and its share of the machine's own rate has fallen, both by more than five per cent and by more than three
times the noise of the two runs: a machine that is slower or busy today is not a regression. Noise of a run is the
spread of its times, and of the machine's rates, over the root of their number.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.kernel import OURS
from benchmarks.results import achieved
from benchmarks.timing import median, spread
from jaxeval.files import local_path

_LEAST = 0.05
_NOISES = 3.0


class Change(NamedTuple):
    """How a kernel's speed went from one run to another.

    Attributes:
      kernel: its name.
      time: new median time over the old one.
      share: old share of the machine's rate over the new one.
      noise: what either may be off by.
    """

    kernel: str
    time: float
    share: float
    noise: float

    @property
    def slower(self) -> bool:
        """Beyond the noise."""
        return min(self.time, self.share) > 1 + max(_LEAST, _NOISES * self.noise)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every kernel that both documents have.

    Raises:
      ValueError: they are of different sizes, or have no kernel in common.
    """
    if old["sizes"] != new["sizes"]:
        raise ValueError(f"the old file is of {old['sizes']} sizes and the new one of {new['sizes']} sizes")
    changes = []
    for name, before in old["rows"].items():
        after = new["rows"].get(name)
        if after is None or before["size"] != after["size"]:
            continue
        times = [row["contenders"][OURS]["seconds"] for row in (before, after)]
        rates = [row["rates"][row["rate"]] for row in (before, after)]
        noise = math.sqrt(sum(_noise(values) ** 2 for values in (*times, *rates)))
        changes.append(
            Change(name, median(times[1]) / median(times[0]), achieved(before)[1] / achieved(after)[1], noise)
        )
    if not changes:
        raise ValueError("the files have no kernel of one size in common")
    return changes


def _noise(values: Sequence[float]) -> float:
    return spread(values) / math.sqrt(len(values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints every change; 1 if a kernel has become slower, 2 if the files cannot be compared."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regression", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("old", type=local_path)
    parser.add_argument("new", type=local_path)
    options = parser.parse_args(arguments)
    try:
        changes = compare(*(json.loads(path.read_text()) for path in (options.old, options.new)))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for change in changes:
        verdict = "SLOWER" if change.slower else "ok"
        print(f"{change.kernel:<18} time x{change.time:.2f}  share of the machine /{change.share:.2f}  "
              f"noise {change.noise:.0%}  {verdict}")  # fmt: skip
    return int(any(change.slower for change in changes))


if __name__ == "__main__":
    sys.exit(main())
