"""The steps from one protocol's number to another's, as a table of 80 columns."""

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.evaluation import Explanation
from jaxeval.report.table import print_warnings

_WIDTH = 80
_DIGITS = 6  # significant ones of the largest value


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Prints the steps with their shares, which sum to the difference as they are shown, and the warnings.

    Args:
      explanation: what `explain` found.
      console: where to.
    """
    first, second = explanation.protocols
    values = [explanation.first, *(step.value for step in explanation.steps)]
    places = _places(values)
    # Differences of what is shown, so that a reader can add them up.
    shown = [round(value, places) for value in values]
    title = f"{explanation.label} of {explanation.generated} against {explanation.reference}"
    console.print(Text(title), width=_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=_WIDTH)
    table.add_column("step", width=14, overflow="fold")
    for name in (first, second):
        table.add_column(Text(name), ratio=1, overflow="fold")
    for name in ("share", "distance"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(Text(first), "", "", "", f"{shown[0]:.{places}f}")
    for step, before, after in zip(explanation.steps, shown, shown[1:], strict=False):
        same = step.first == step.second
        table.add_row(
            step.name,
            Text(step.first),
            Text("the same" if same else step.second),
            _signed(after - before, places),
            f"{after:.{places}f}",
        )
    table.add_section()
    table.add_row(Text(second), "", "", _signed(shown[-1] - shown[0], places), f"{shown[-1]:.{places}f}")
    console.print(table)
    print_warnings(explanation.warnings, console)


def _signed(share: float, places: int) -> str:
    text = f"{share:+.{places}f}"
    return text if float(text) else f"{0:.{places}f}"


def _places(values: list[float]) -> int:
    largest = max(map(abs, values))
    return max(0, min(12, _DIGITS - 1 - math.floor(math.log10(largest)))) if largest > 0 else _DIGITS - 1
