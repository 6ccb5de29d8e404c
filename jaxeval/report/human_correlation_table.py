"""The tables of `jaxeval human correlate`: how well metrics agree with people, and which of two agrees better."""

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.human import Agreeing, HumanCorrelation, MetricAgreement
from jaxeval.report.table import format_count, format_value, print_warnings

_ARROWS = {"lower": " \u2193", "higher": " \u2191", None: ""}
_COMPARED = {"spearman": "Spearman", "pairwise": "pairs"}


def print_correlation(correlation: HumanCorrelation, console: Console) -> None:
    """Prints correlations, errors after the curve of four parameters and comparisons, within 80 columns.

    Intervals stand below their numbers. Of comparisons it shows Spearman's correlation and the pairwise accuracy; the
    document has them all.
    """
    manifest = correlation.manifest
    count = f"{format_count(manifest['rows'])} {manifest['level']}s"
    if manifest["level"] == "item" and len(manifest["units"]) == 1:
        count = f"{format_count(manifest['rows'])} rows of {_units(manifest['units'])}"
    table = _table(Text.assemble("agreement with ", (manifest["human"]["path"], "bold"), f" ({count})"))
    table.add_column("metric", overflow="fold", min_width=6)
    for heading in ("Spearman", "Kendall", "Pearson", "logistic", "pairs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in correlation.metrics:
        cells = [_cell(each) for each in (one.spearman, one.kendall, one.pearson, one.curves[0].pearson)]
        table.add_row(_name(one), *cells, _share(one.pairwise.accuracy))
    console.print(table)
    _print_errors(correlation.metrics, manifest["human"]["value"], console)
    _print_comparisons(correlation, console)
    print_warnings(correlation.warnings, console)


def _units(units: dict[str, int]) -> str:
    return " and ".join(f"{format_count(count)} {what}{'' if count == 1 else 's'}" for what, count in units.items())


def _table(title: Text) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)


def _name(one: MetricAgreement) -> Text:
    return Text(one.metric + _ARROWS[one.better])


def _cell(number: Agreeing) -> Text:
    if math.isnan(number.value):
        return Text("none", "dim")
    below = "" if math.isnan(number.low) else f"\n{_short(number.low)}, {_short(number.high)}"
    return Text.assemble(f"{number.value:.3f}", (below, "dim"))


def _short(value: float) -> str:
    """Three digits without the zero before the point, which intervals have no room for."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.endswith("1.000") else text


def _share(number: Agreeing) -> Text:
    if math.isnan(number.value):
        return Text("none", "dim")
    below = "" if math.isnan(number.low) else f"\n{100 * number.low:.1f}, {100 * number.high:.1f}"
    return Text.assemble(f"{100 * number.value:.1f}%", (below, "dim"))


def _in_unit(number: Agreeing | None) -> Text:
    if number is None or math.isnan(number.value):
        return Text("none", "dim")
    below = "" if math.isnan(number.low) else f"\n{format_value(number.low)}, {format_value(number.high)}"
    return Text.assemble(format_value(number.value), (below, "dim"))


def _print_errors(metrics: Sequence[MetricAgreement], unit: str, console: Console) -> None:
    table = _table(Text.assemble("errors after the logistic, in the unit of ", (unit, "bold")))
    table.add_column("metric", overflow="fold", min_width=6)
    within = any(one.within_items is not None for one in metrics)
    for heading in ("RMSE", "RMSE*", "outliers", *(["pairs per item"] if within else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in metrics:
        curve = one.curves[0]
        outliers = Text("none", "dim") if curve.outlier_ratio is None else _share(curve.outlier_ratio)
        cells = [_in_unit(curve.rmse), _in_unit(curve.rmse_star), outliers]
        if within:
            cells.append(Text("") if one.within_items is None else _share(one.within_items.accuracy))
        table.add_row(_name(one), *cells)
    console.print(table)


def _print_comparisons(correlation: HumanCorrelation, console: Console) -> None:
    shown = [one for one in correlation.comparisons if one.statistic in _COMPARED]
    if not shown:
        return
    table = _table(Text("first less second"))
    table.add_column("first", overflow="fold")
    table.add_column("second", overflow="fold")
    table.add_column("by", no_wrap=True)
    for heading in ("difference", "p", "Meng", "Williams"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in shown:
        ends = "" if math.isnan(one.low) else f"\n{_short(one.low)}, {_short(one.high)}"
        tests = ("" if p is None or math.isnan(p) else f"{p:.2g}" for p in (one.p_value, one.meng, one.williams))
        first, second = (Text(name, "bold" if name == one.better else "") for name in (one.first, one.second))
        difference = "none" if math.isnan(one.difference) else f"{one.difference:+.3f}"
        table.add_row(first, second, _COMPARED[one.statistic], Text.assemble(difference, (ends, "dim")), *tests)
    console.print(table)
