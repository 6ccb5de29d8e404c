"""The table on the console: one row a result, and below it what a reader should know before trusting the numbers."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.evaluation import Result, metric_label

__all__ = ["format_count", "format_value", "output_console", "print_results"]

_FILE_WIDTH = 200


def output_console() -> Console:
    """The console on stdout; where that is a file or a pipe, wide enough for no column to be cut."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)


def format_value(value: float) -> str:
    """A number with the digits that a comparison needs: six significant ones, no exponent where it can be avoided."""
    magnitude = abs(value)
    if magnitude != 0.0 and (magnitude < 1e-3 or magnitude >= 1e7):
        return f"{value:.3e}"
    digits = max(0, 4 - (len(str(int(magnitude))) - 1)) if magnitude >= 1.0 else 5
    return f"{value:,.{digits}f}"


def format_count(count: int | None) -> str:
    """A count of images; `?` where a statistics file does not say."""
    return "?" if count is None else f"{count:,}"


def print_results(results: Sequence[Result], console: Console) -> None:
    """Prints one row for each generated set, with a column for each metric under each protocol."""
    columns = list(dict.fromkeys((result.metric, result.protocol) for result in results))
    rows = list(dict.fromkeys(result.generated for result in results))
    values = {(result.generated, result.metric, result.protocol): result for result in results}
    reference = results[0]
    title = Text.assemble("against ", (reference.reference, "bold"), f" ({format_count(reference.n_reference)} images)")
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("generated", overflow="fold")
    table.add_column("images", justify="right")
    for metric, protocol in columns:
        table.add_column(Text.assemble(metric_label(metric), "\n", (protocol, "dim")), justify="right", no_wrap=True)
    for row in rows:
        found = [values.get((row, *column)) for column in columns]
        count = next(result.n_generated for result in found if result is not None)
        cells = ["" if result is None else format_value(result.value) for result in found]
        table.add_row(Text(row), format_count(count), *cells)
    console.print(table)
    for warning in dict.fromkeys(warning for result in results for warning in result.warnings):
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
