"""The table of `jaxeval pairs`: means with intervals, and what differs between the sets."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.pairs import ALL_MEASURES, PairMean, PairsEvaluation
from jaxeval.report.table import format_count, format_value, interval_text, print_warnings

_MOST_COLUMNS = 4
_ARROWS = {"lower": " \u2193", "higher": " \u2191", None: ""}


def print_pairs(evaluation: PairsEvaluation, console: Console) -> None:
    """Prints the means of every set with their intervals, paired differences, and what a reader should know.

    Few measures make columns beside the sets; many make rows. With three or more sets, differences are from the first.
    """
    sets = list(dict.fromkeys(mean.set for mean in evaluation.means))
    found = {(mean.set, mean.metric): mean for mean in evaluation.means}
    noun = evaluation.manifest["kind"]
    means = ", means" if noun == "frames" else ", means [95%]"
    reference = evaluation.manifest["reference"]
    against = ("against ", (reference, "bold")) if reference is not None else ("by themselves",)
    title = Text.assemble(*against, (means, "dim"))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    counts = {own: format_count(evaluation.manifest["images"][own]) for own in sets}
    if len(evaluation.metrics) <= _MOST_COLUMNS:
        table.add_column("distorted" if reference is not None else "set", overflow="fold")
        table.add_column(noun, justify="right")
        for metric in evaluation.metrics:
            heading = Text.assemble(_heading(metric), "\n", (_settings(found, sets, metric), "dim"))
            table.add_column(heading, justify="right", no_wrap=True)
        for own in sets:
            table.add_row(Text(own), counts[own], *(_cell(found.get((own, metric))) for metric in evaluation.metrics))
    else:
        table.add_column("metric", no_wrap=True)
        table.add_column("by", no_wrap=True)
        for own in sets:
            table.add_column(Text.assemble(own, "\n", (f"{counts[own]} {noun}", "dim")), justify="right")
        for metric in evaluation.metrics:
            cells = (_cell(found.get((own, metric))) for own in sets)
            table.add_row(_heading(metric), Text(_settings(found, sets, metric), "dim"), *cells)
    console.print(table)
    _print_differences(evaluation, console)
    print_warnings(evaluation.warnings, console)
    for one in evaluation.not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), one), soft_wrap=True)


def _print_differences(evaluation: PairsEvaluation, console: Console) -> None:
    if not evaluation.differences:
        return
    first = evaluation.differences[0].first
    shown = [one for one in evaluation.differences if one.first == first]
    noun = evaluation.manifest["kind"]
    title = Text.assemble("less ", (first, "bold"), f", {noun.removesuffix('s')} by {noun.removesuffix('s')}")
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("distorted" if evaluation.manifest["reference"] is not None else "set", overflow="fold")
    for heading in (noun, "difference", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("better", overflow="fold")
    for one in shown:
        interval = interval_text(one.interval)
        table.add_row(
            _heading(one.metric),
            Text(one.second),
            format_count(one.n),
            Text.assemble(format_value(one.value) if one.n else "", (f" {interval}" if interval else "", "dim")),
            "" if one.p_value is None else f"{one.p_value:.2g}",
            Text(one.better or ""),
        )
    console.print(table)


def _heading(metric: str) -> str:
    measure = ALL_MEASURES[metric]
    unit = f" ({measure.unit})" if measure.unit else ""
    return f"{measure.label}{unit}{_ARROWS[measure.better]}"


def _settings(found: dict[tuple[str, str], PairMean], sets: Sequence[str], metric: str) -> str:
    """The convention and colour of a measure, where there is a choice of them."""
    mean = next(found[own, metric] for own in sets if (own, metric) in found)
    colour = mean.parameters.get("colour", "own")
    parts = [mean.parameters.get("convention", ""), "" if colour == "own" else f"of {colour}"]
    return " ".join(filter(None, parts))


def _cell(mean: PairMean | None) -> Text:
    if mean is None:
        return Text("")
    if mean.n == 0:
        return Text("infinite" if mean.n_infinite else "not a number")
    interval = interval_text(mean.interval)
    left_out = f" of {mean.n:,}" if mean.n_infinite or mean.n_nan else ""
    return Text.assemble(format_value(mean.value), (f" {interval}" if interval else "", "dim"), left_out)
