"""The table on the console: one row a result, and below it what a reader should know before trusting the numbers."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.evaluation import Comparison, Difference, Result

_FILE_WIDTH = 200
_MOST_COLUMNS = 4
_MOST_WIDTH = 100_000
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


def interval_text(interval: tuple[float, float] | None) -> str:
    """An interval, its ends with as many digits as tell them apart; empty where there is none."""
    if interval is None:
        return ""
    low, high = interval
    if max(abs(low), abs(high)) < _SMALL:
        return f"[{low:.1e}, {high:.1e}]"
    digits = max(0, min(5, 2 - math.floor(math.log10(high - low)) - 1)) if high > low else 5
    return f"[{low:,.{digits}f}, {high:,.{digits}f}]"


def print_results(results: Sequence[Result], console: Console, not_computed: Sequence[str] = ()) -> None:
    """Prints the numbers with their intervals, and what a reader should know before trusting them.

    Few metrics make columns beside the sets; many make rows. A number that is known without its bias too is two, each
    with its own name and interval.

    Args:
      results: of one reference; none if nothing could be computed.
      console: where to.
      not_computed: what was asked for and could not be had.
    """
    if results:
        console.print(_results_table(results, console))
    print_warnings([warning for result in results for warning in result.warnings], console)
    for one in not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), one), soft_wrap=True)


def print_warnings(warnings: Sequence[str], console: Console) -> None:
    """Prints what a reader should know, each sentence once."""
    for warning in dict.fromkeys(warnings):
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What a column or a row of the table shows of each set: a metric under a protocol."""

    metric: str
    protocol: str
    label: str
    better: str | None
    debiased: bool = False

    @classmethod
    def of(cls, result: Result, *, debiased: bool = False) -> "_Kind":
        """The kind of a result, or of the same result less its bias."""
        return cls(result.metric, result.protocol, result.label, result.better, debiased)

    def heading(self, extractor: str = "") -> str:
        """The number's name, without the extractor's if that is given, and the direction that is better."""
        name = self.label.removesuffix(f"-{extractor}") if extractor else self.label
        arrow = {None: "", "lower": " \u2193", "higher": " \u2191"}[self.better]
        return name + (" less bias" if self.debiased else "") + arrow


_Found = Mapping[tuple[str, str, str], Result]


def _results_table(results: Sequence[Result], console: Console) -> Table:
    # The set with the most numbers has them in the order that was asked for; others may lack some.
    counts = Counter(result.generated for result in results)
    kinds: dict[_Kind, None] = {}
    for result in sorted(results, key=lambda result: -counts[result.generated]):
        kinds[_Kind.of(result)] = None
        pair = result.metric, result.protocol
        if any(one.debiased is not None for one in results if (one.metric, one.protocol) == pair):
            kinds[_Kind.of(result, debiased=True)] = None
    sets = list(dict.fromkeys(result.generated for result in results))
    found = {(result.generated, result.metric, result.protocol): result for result in results}
    reference = next((result for result in results if result.n_reference is not None), results[0])
    title = Text.assemble("against ", (reference.reference, "bold"), f" ({format_count(reference.n_reference)} images)")
    tables = []
    for fill in (_fill_with_sets, _fill_with_metrics):
        table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
        fill(table, list(kinds), sets, found)
        tables.append(table)
    if len(kinds) > _MOST_COLUMNS:
        return tables[1]
    # Columns that do not fit would be cut.
    unbounded = console.options.update(max_width=_MOST_WIDTH)
    return min(tables, key=lambda table: max(0, console.measure(table, options=unbounded).maximum - console.width))


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
        heading = Text.assemble("difference\n", ("second less first", "dim"))
        table.add_column(heading, justify="right", no_wrap=True)
        for hypothesis in ("no difference", "one distribution"):
            table.add_column(Text.assemble("p\n", (hypothesis, "dim")), justify="right", no_wrap=True)
        table.add_column("better", overflow="fold")
        for extractor in dict.fromkeys(each.first.extractor for each in differences):
            table.add_row(Text(f"over {extractor} features", "italic"))
            for each in differences:
                if each.first.extractor == extractor:
                    for cells in _comparison_rows(each, several):
                        table.add_row(*cells)
        console.print(table)
    print_warnings(
        [text for each in differences for one in (each.first, each.second) for text in one.warnings], console
    )
    for text in comparison.not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), text), soft_wrap=True)


def _comparison_rows(each: Difference, several: bool) -> Iterator[list[Text | str]]:
    protocol = [each.first.protocol] if several else []
    kind = _Kind.of(each.first)
    yield [
        kind.heading(each.first.extractor),
        *protocol,
        format_value(each.first.value),
        format_value(each.second.value),
        _with_interval(each.value, each.interval),
        "" if each.p_value is None else f"{each.p_value:.2g}",
        "" if each.alike_p_value is None else f"{each.alike_p_value:.2g}",
        each.better or "",
    ]
    first, second, rest = each.first.debiased, each.second.debiased, each.debiased
    if first is not None and second is not None and rest is not None:
        label = dataclasses.replace(kind, debiased=True).heading(each.first.extractor)
        values = [format_value(first.value), format_value(second.value), _with_interval(rest.value, rest.interval)]
        yield [label, *protocol, *values, "", "", ""]


def _fill_with_sets(table: Table, kinds: Sequence[_Kind], sets: Sequence[str], found: _Found) -> None:
    table.add_column("generated", overflow="fold")
    table.add_column("images", justify="right")
    for kind in kinds:
        heading = Text.assemble(kind.heading(), "\n", (kind.protocol, "dim"))
        table.add_column(heading, justify="right", no_wrap=True)
    for name in sets:
        row = [found.get((name, kind.metric, kind.protocol)) for kind in kinds]
        count = next(result.n_generated for result in row if result is not None)
        cells = (_cell(result, kind.debiased) for result, kind in zip(row, kinds, strict=True))
        table.add_row(Text(name), format_count(count), *cells)


def _fill_with_metrics(table: Table, kinds: Sequence[_Kind], sets: Sequence[str], found: _Found) -> None:
    several = len({kind.protocol for kind in kinds}) > 1
    table.add_column("metric", no_wrap=True)
    if several:
        table.add_column("protocol", no_wrap=True)
    for name in sets:
        count = next(result.n_generated for result in found.values() if result.generated == name)
        heading = Text.assemble(name, "\n", (f"{format_count(count)} images", "dim"))
        table.add_column(heading, justify="right", overflow="fold")
    extractors = {(result.metric, result.protocol): result.extractor for result in found.values()}
    for extractor in dict.fromkeys(extractors[kind.metric, kind.protocol] for kind in kinds):
        table.add_row(Text(f"over {extractor} features", "italic"))
        for kind in kinds:
            if extractors[kind.metric, kind.protocol] == extractor:
                cells = [_cell(found.get((name, kind.metric, kind.protocol)), kind.debiased) for name in sets]
                table.add_row(kind.heading(extractor), *([kind.protocol] if several else []), *cells)


def _cell(result: Result | None, debiased: bool) -> Text:
    if result is None:
        return Text("")
    if not debiased:
        return _with_interval(result.value, result.interval)
    if result.debiased is None:
        return Text("not known", "dim")
    return _with_interval(result.debiased.value, result.debiased.interval)


def _with_interval(value: float, interval: tuple[float, float] | None) -> Text:
    shown = interval_text(interval)
    return Text.assemble(format_value(value), (f" {shown}" if shown else "", "dim"))
