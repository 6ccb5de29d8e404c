"""The tables of `jaxeval human analyse`: systems and their places, pairs, findings, and raters."""

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.human import Finding, HumanAnalysis, Part, RaterReport
from jaxeval.report.table import format_count, print_warnings

_MOST_PAIRS = 15
_MOST_RATERS = 10
_SURE = 0.05
_HEADINGS = {"2afc": "strength", "best-of-n": "strength", "mos": "score", "real-or-fake": "error rate"}
_SHARES = {"2afc": "wins", "best-of-n": "wins", "real-or-fake": "judged real"}


def print_analysis(analysis: HumanAnalysis, console: Console) -> None:
    """Prints what votes say, within 80 columns: the most of it; the document has all."""
    votes = analysis.manifest["votes"]
    for part in analysis.parts:
        _print_systems(analysis, part, console)
        if not part.category:
            _print_pairs(part, console)
            _print_findings(part, console)
    _print_raters(analysis.raters, console)
    _print_needed(analysis, console)
    left_out = [f"{format_count(votes['skipped'])} skipped"] if votes["skipped"] else []
    left_out += [f"{format_count(len(votes['bad']))} that are no votes"] if votes["bad"] else []
    rest = f"; {' and '.join(left_out)} of its {format_count(votes['rows'])} rows" if left_out else ""
    console.print(Text(f"{votes['path']}: {_counted(votes['used'], 'vote')}{rest}", "dim"))
    print_warnings(analysis.warnings, console)


def _counted(count: int, noun: str) -> str:
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def _interval(ends: tuple[float, float]) -> str:
    """The ends with three digits, or with two where that tells them apart."""
    low, high = ends
    if math.isnan(low) or math.isnan(high):
        return ""
    digits = 2 if high - low >= 0.1 else 3
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _table(title: Text) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)


def _print_systems(analysis: HumanAnalysis, part: Part, console: Console) -> None:
    named = ", ".join(filter(None, (part.question, part.category)))
    counts = (
        f"{format_count(part.votes)} votes, {format_count(part.raters)} raters, {format_count(part.item_count)} items"
    )
    title = Text.assemble(*(((named, "bold"), ": ") if named else ()), part.model, (f" of {counts} [95%]", "dim"))
    table = _table(title)
    table.add_column("place", justify="right", no_wrap=True)
    table.add_column("system", overflow="fold", min_width=8)
    table.add_column(_HEADINGS[analysis.design], justify="right", no_wrap=True)
    share = _SHARES.get(analysis.design)
    if share is not None:
        table.add_column(share, justify="right", no_wrap=True)
    rated = any(one.elo is not None for one in part.systems)
    if rated:
        table.add_column("Elo*", justify="right", no_wrap=True)
    table.add_column("votes", justify="right", no_wrap=True)
    for one in part.systems:
        places = f" [{one.rank_low}-{one.rank_high}]" if one.rank_low < one.rank_high else ""
        interval = _interval((one.low, one.high))
        cells = [
            Text.assemble(str(one.rank), (places, "dim")),
            Text(one.system),
            Text.assemble(f"{one.value:.3f}", (f" {interval}", "dim")),
        ]
        if share is not None:
            cells.append(Text("" if one.share is None else f"{100 * one.share:.1f}%"))
        if rated:
            cells.append(Text("" if one.elo is None else f"{one.elo:,.0f}"))
        table.add_row(*cells, format_count(one.votes))
    console.print(table)
    if not part.category:
        console.print(Text(f"{part.model}: {part.definition}; in {part.unit}", "dim"))
        if rated:
            console.print(Text("* depends on the order of the votes", "dim"))


def _print_pairs(part: Part, console: Console) -> None:
    if len(part.systems) < 2:
        return
    shown = [pair for pair in part.pairs if pair.wins is not None][:_MOST_PAIRS]
    if not shown:
        _print_differences(part, console)
        return
    table = _table(Text.assemble("votes for the first of two", (", a tie half [95%]", "dim")))
    table.add_column("first", overflow="fold", min_width=6)
    table.add_column("second", overflow="fold", min_width=6)
    for heading in ("won", "tied", "lost", "share", "model"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in shown:
        asked = (pair.wins or 0) + (pair.ties or 0) + (pair.losses or 0)
        share = (
            Text.assemble(f"{100 * pair.share:.0f}%", (f" [{100 * pair.low:.0f}, {100 * pair.high:.0f}]", "dim"))
            if asked
            else Text("none", "dim")
        )
        table.add_row(
            Text(pair.first, "bold" if pair.surely else ""),
            Text(pair.second),
            format_count(pair.wins),
            format_count(pair.ties),
            format_count(pair.losses),
            share,
            "" if pair.expected is None else f"{100 * pair.expected:.0f}%",
        )
    console.print(table)
    if len(part.pairs) > _MOST_PAIRS:
        console.print(Text(f"{len(part.pairs) - _MOST_PAIRS:,} more pairs are in analysis.json", "dim"))


def _print_differences(part: Part, console: Console) -> None:
    table = _table(Text.assemble("differences", (" [95%]", "dim")))
    table.add_column("first", overflow="fold", min_width=6)
    table.add_column("second", overflow="fold", min_width=6)
    table.add_column("first less second", justify="right", no_wrap=True)
    for pair in part.pairs[:_MOST_PAIRS]:
        interval = _interval((pair.difference_low, pair.difference_high))
        table.add_row(
            Text(pair.first, "bold" if pair.surely else ""),
            Text(pair.second),
            Text.assemble(f"{pair.difference:.3f}", (f" {interval}", "dim")),
        )
    console.print(table)


def _print_findings(part: Part, console: Console) -> None:
    if not part.findings:
        return
    table = _table(Text("the votes themselves"))
    table.add_column("finding", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("what it is", overflow="fold", ratio=1)
    for one in part.findings:
        table.add_row(one.name, _finding(one), _p_value(one.p_value), Text(one.meaning, "dim"))
    console.print(table)


def _finding(one: Finding) -> Text:
    interval = "" if one.low is None or one.high is None else f"\n{_interval((one.low, one.high))}"
    value = f"{one.value:,.0f}" if one.name == "circles" else f"{one.value:.3f}"
    return Text.assemble(value, (interval, "dim"))


def _p_value(value: float | None) -> Text:
    if value is None:
        return Text("")
    text = f"{value:.2g}" if value >= 1e-4 else "<0.0001"
    return Text(text, "yellow" if value < _SURE else "")


def _print_raters(raters: tuple[RaterReport, ...], console: Console) -> None:
    """Those with flags first; of the others those who agree least."""
    if not raters:
        return
    order = sorted(raters, key=lambda one: (not one.flags, 2.0 if one.agreement is None else one.agreement))
    shown = order[: max(_MOST_RATERS, sum(bool(one.flags) for one in raters))][: 3 * _MOST_RATERS]
    table = _table(Text.assemble("raters", (", those who agree least with the others first", "dim")))
    table.add_column("rater", overflow="fold", min_width=6)
    for heading in ("votes", "agree", "seconds", "checks", "repeats"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("flags", overflow="fold")
    for one in shown:
        table.add_row(
            Text(one.rater),
            format_count(one.votes),
            "" if one.agreement is None else f"{one.agreement:.2f}",
            "" if one.median_seconds is None else f"{one.median_seconds:.1f}",
            f"{one.passed}/{one.checks}" if one.checks else "",
            f"{one.consistent}/{one.repeats}" if one.repeats else "",
            Text(", ".join(one.flags), "yellow"),
        )
    console.print(table)
    if len(shown) < len(raters):
        console.print(Text(f"{len(raters) - len(shown):,} more raters are in analysis.json", "dim"))


def _print_needed(analysis: HumanAnalysis, console: Console) -> None:
    if not analysis.needed:
        return
    effect = analysis.parts[0].design_effect or 1.0
    each = ", ".join(f"{format_count(one.votes)} for {100 * one.win_rate:.0f}%" for one in analysis.needed)
    text = (
        "votes on a pair to tell, with a power of 80%, that its better system wins a share of decided votes: "
        f"{each} (a design effect of {effect:.2f})"
    )
    console.print(Text(text, "dim"))
