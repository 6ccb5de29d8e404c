"""The table on the console: one row a result, and below it what a reader should know before trusting the numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.evaluation import Comparison, Difference, Result, better, metric_label

__all__ = [
    "format_count",
    "format_interval",
    "format_value",
    "interval_text",
    "output_console",
    "print_comparison",
    "print_results",
    "print_warnings",
]

_FILE_WIDTH = 200
_MOST_COLUMNS = 4
_SMALL = 1e-3


def output_console() -> Console:
    """The console on stdout; where that is a file or a pipe, wide enough for no column to be cut."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)


def format_value(value: float) -> str:
    """A number with the digits that a comparison needs: six significant ones, no exponent where it can be avoided."""
    magnitude = abs(value)
    if magnitude != 0.0 and (magnitude < _SMALL or magnitude >= 1e7):
        return f"{value:.3e}"
    digits = max(0, 4 - (len(str(int(magnitude))) - 1)) if magnitude >= 1.0 else 5
    return f"{value:,.{digits}f}"


def format_count(count: int | None) -> str:
    """A count of images; `?` where a statistics file does not say."""
    return "?" if count is None else f"{count:,}"


def format_interval(result: Result) -> str:
    """An interval with as many digits as tell its ends apart; empty where there is none."""
    return interval_text(result.interval)


def interval_text(interval: tuple[float, float] | None) -> str:
    """Two ends with as many digits as tell them apart; empty for None."""
    if interval is None:
        return ""
    low, high = interval
    if max(abs(low), abs(high)) < _SMALL:
        return f"[{low:.1e}, {high:.1e}]"
    digits = max(0, min(5, 2 - math.floor(math.log10(high - low)) - 1)) if high > low else 5
    return f"[{low:,.{digits}f}, {high:,.{digits}f}]"


def print_results(results: Sequence[Result], console: Console, not_computed: Sequence[str] = ()) -> None:
    """Prints the numbers with their intervals, and what a reader should know before trusting them.

    Few metrics make columns beside the sets; many make rows.

    Args:
      results: at least one.
      console: where to.
      not_computed: what was asked for and could not be had.
    """
    sets = list(dict.fromkeys(result.generated for result in results))
    # The set with the most numbers has them in the order that was asked for; others may lack some.
    counts = Counter(result.generated for result in results)
    fullest = sorted(results, key=lambda result: -counts[result.generated])
    kinds = list(dict.fromkeys((result.metric, result.protocol) for result in fullest))
    found = {(result.generated, result.metric, result.protocol): result for result in results}
    reference = next((result for result in results if result.n_reference is not None), results[0])
    title = Text.assemble("against ", (reference.reference, "bold"), f" ({format_count(reference.n_reference)} images)")
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    if len(kinds) <= _MOST_COLUMNS:
        _fill_with_sets(table, kinds, sets, found)
    else:
        _fill_with_metrics(table, kinds, sets, found)
    console.print(table)
    print_warnings([warning for result in results for warning in result.warnings], console)
    for one in not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), one), soft_wrap=True)


def print_warnings(warnings: Sequence[str], console: Console) -> None:
    """Prints what a reader should know, each sentence once."""
    for warning in dict.fromkeys(warnings):
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)


_Kind = tuple[str, str]
_Found = Mapping[tuple[str, str, str], Result]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints both sets' numbers, their differences with intervals, and the probability that they are chance."""
    differences = comparison.differences
    if differences:
        one = differences[0]
        first, second = one.first.generated, one.second.generated
        reference = Text.assemble("against ", (one.first.reference, "bold"))
        table = Table(title=reference, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
        several = len({each.first.protocol for each in differences}) > 1
        table.add_column("metric", no_wrap=True)
        if several:
            table.add_column("protocol", no_wrap=True)
        for name, count in ((first, one.first.n_generated), (second, one.second.n_generated)):
            heading = Text.assemble(name, "\n", (f"{format_count(count)} images", "dim"))
            table.add_column(heading, justify="right", overflow="fold")
        for heading in ("difference", "p"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("better", overflow="fold")
        for extractor in dict.fromkeys(each.first.extractor for each in differences):
            table.add_row(Text(f"over {extractor} features", "italic"))
            for each in differences:
                if each.first.extractor == extractor:
                    table.add_row(*_comparison_cells(each, several))
        console.print(table)
    print_warnings(
        [text for each in differences for one in (each.first, each.second) for text in one.warnings], console
    )
    for text in comparison.not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), text), soft_wrap=True)


def _comparison_cells(each: Difference, several: bool) -> list[Text | str]:
    interval = interval_text(each.interval)
    return [
        metric_label(each.first.metric).removesuffix(f"-{each.first.extractor}") + _arrow(each.first.metric),
        *([each.first.protocol] if several else []),
        format_value(each.first.value),
        format_value(each.second.value),
        Text.assemble(format_value(each.value), (f" {interval}" if interval else "", "dim")),
        "" if each.p_value is None else f"{each.p_value:.2g}",
        each.better or "",
    ]


def _fill_with_sets(table: Table, kinds: Sequence[_Kind], sets: Sequence[str], found: _Found) -> None:
    table.add_column("generated", overflow="fold")
    table.add_column("images", justify="right")
    for metric, protocol in kinds:
        heading = Text.assemble(metric_label(metric), _arrow(metric), "\n", (protocol, "dim"))
        table.add_column(heading, justify="right", no_wrap=True)
    for name in sets:
        row = [found.get((name, *kind)) for kind in kinds]
        count = next(result.n_generated for result in row if result is not None)
        table.add_row(Text(name), format_count(count), *map(_cell, row))


def _fill_with_metrics(table: Table, kinds: Sequence[_Kind], sets: Sequence[str], found: _Found) -> None:
    several = len({protocol for _, protocol in kinds}) > 1
    table.add_column("metric", no_wrap=True)
    if several:
        table.add_column("protocol", no_wrap=True)
    for name in sets:
        count = next(result.n_generated for result in found.values() if result.generated == name)
        heading = Text.assemble(name, "\n", (f"{format_count(count)} images", "dim"))
        table.add_column(heading, justify="right", overflow="fold")
    extractors = {(result.metric, result.protocol): result.extractor for result in found.values()}
    for extractor in dict.fromkeys(extractors[kind] for kind in kinds):
        table.add_row(Text(f"over {extractor} features", "italic"))
        for metric, protocol in kinds:
            if extractors[metric, protocol] != extractor:
                continue
            cells = [_cell(found.get((name, metric, protocol))) for name in sets]
            label = metric_label(metric).removesuffix(f"-{extractor}") + _arrow(metric)
            table.add_row(label, *([protocol] if several else []), *cells)


def _arrow(metric: str) -> str:
    direction = better(metric)
    return "" if direction is None else " \u2193" if direction == "lower" else " \u2191"


def _cell(result: Result | None) -> Text:
    if result is None:
        return Text("")
    interval = format_interval(result)
    return Text.assemble(format_value(result.value), (f" {interval}" if interval else "", "dim"))
