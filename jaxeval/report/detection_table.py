"""The tables of `jaxeval detect`: numbers of sets, of categories, differences, and what was found."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxeval.detection import DetectionDifference, DetectionEvaluation, DetectionScore, FoundBoxes
from jaxeval.report.table import format_count, format_value, interval_text, print_warnings

_MOST_CATEGORIES = 15
_MOST_LABELS = 15
_MOST_WIDTH = 100_000
_LONGEST_NAME = 60
_LONGEST_LABEL = 26  # of a metric's column
_SURE = 0.05
_ARROWS = {"lower": " \u2193", "higher": " \u2191"}
_TITLES = {
    "average-precision": "average precision of boxes",
    "layout": "boxes found where layouts ask for them",
    "objects": "objects that were asked for",
    "rules": "images that keep the rules",
    "geneval": "GenEval",
    "text": "text that was asked for",
}

_Scores = Mapping[tuple[str, str, str], DetectionScore]


def print_detection(evaluation: DetectionEvaluation, console: Console) -> None:
    """Prints the numbers of every set with intervals, categories, differences, and what a reader should know.

    Sets make columns where these fit, and rows where not. Of the categories there is one number, that by which images
    are put in order if categories have it; the document has all. With three or more sets, differences are from the
    first.
    """
    found = {(score.set, score.metric, score.category): score for score in evaluation.scores}
    sets = list(dict.fromkeys(score.set for score in evaluation.scores))
    whole = list(dict.fromkeys(score.metric for score in evaluation.scores if not score.category))
    rows = [(metric, "") for metric in whole]
    title = Text.assemble((_TITLES.get(evaluation.task, plain(evaluation.task)), "bold"), (" [95%]", "dim"))
    if rows:
        _print(title, _of_sets("metric", rows, sets, found, console), console)
        _print_definitions(evaluation.scores, whole, console)
    _print_categories(evaluation, sets, found, console)
    _print_differences(evaluation, console)
    for line in _counted(evaluation, sets):
        console.print(Text(line, "dim"), soft_wrap=True)
    print_warnings([plain(warning) for warning in evaluation.warnings], console)
    for one in evaluation.not_computed:
        console.print(Text.assemble(("not computed: ", "dim"), plain(one)), soft_wrap=True)


def print_found(sets: Mapping[str, FoundBoxes], console: Console) -> None:
    """Prints what a detector found: of each set its images and boxes, and of the commonest labels how many there are.

    Args:
      sets: boxes by the set's name.
      console: where to.
    """
    table = _table()
    table.add_column("images", overflow="fold", min_width=8)
    for heading in ("looked at", "without a box", "boxes", "median score"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, found in sets.items():
        empty = len(found.images) - len(np.unique(found.image))
        median = format_value(float(np.median(found.scores))) if len(found) else "none"
        table.add_row(
            _name(name), format_count(len(found.images)), format_count(empty), format_count(len(found)), median
        )
    _print(Text("boxes", "bold"), table, console)
    _print_labels(sets, console)
    conversions = {name: found.identity.get("notes", {}) for name, found in sets.items()}
    for name, notes in conversions.items():
        if notes:
            each = ", ".join(f"{what} ({format_count(count)})" for what, count in notes.items())
            console.print(Text(plain(f"{name}: {each}"), "dim"), soft_wrap=True)
    warnings = [f"{name}: {one}" for name, found in sets.items() for one in found.identity.get("warnings", ())]
    print_warnings([plain(warning) for warning in warnings], console)


def plain(text: str) -> str:
    """A text as one line that moves no cursor and changes no colours: letters that would are written as their codes."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _name(text: str) -> Text:
    """A name of the user's; a very long one loses its beginning, where paths are alike."""
    shown = plain(text)
    return Text(shown if len(shown) <= _LONGEST_NAME else f"\u2026{shown[1 - _LONGEST_NAME :]}")


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _print(title: Text, table: Table, console: Console) -> None:
    """Prints a table under its title, which may be wider."""
    console.print(title)
    console.print(table)


def _heading(score: DetectionScore | DetectionDifference) -> str:
    return f"{plain(score.label)}{_ARROWS.get(score.better, '')}"


def _value(score: DetectionScore | None, usual: int | None) -> Text:
    """A number with its interval; how many images it is of where these are not all."""
    if score is None:
        return Text("")
    left_out = f" of {format_count(score.n)}" if usual is not None and score.n != usual else ""
    if score.value is None or not math.isfinite(score.value):
        return Text.assemble(("none", "dim"), (left_out, "dim"))
    interval = interval_text(_ends(score.interval))
    return Text.assemble(format_value(score.value), (f" {interval}" if interval else "", "dim"), (left_out, "dim"))


def _ends(interval: Any) -> tuple[float, float] | None:
    if interval is None or not all(math.isfinite(end) for end in interval[:2]):
        return None
    return float(interval[0]), float(interval[1])


def _of_sets(
    heading: str, rows: Sequence[tuple[str, str]], sets: Sequence[str], found: _Scores, console: Console
) -> Table:
    """A table of metrics, or of the categories of one, with a column for each set; or with a row, if these do not fit.

    Args:
      heading: of the rows: `metric`, or else they are of categories.
      rows: metric and category of each.
      sets: names.
      found: the numbers.
      console: whose width counts.
    """
    usual = {name: _most_images(name, found) for name in sets}
    across, down = _table(), _table()
    for table in (across, down):
        table.add_column(heading, overflow="fold", min_width=8, max_width=_LONGEST_LABEL)
    of_categories = heading != "metric"
    if of_categories:
        across.add_column("images", justify="right", no_wrap=True)
    for name in sets:
        count = "" if of_categories else f"\n{format_count(usual[name])} image{'' if usual[name] == 1 else 's'}"
        across.add_column(Text.assemble(_name(name), (count, "dim")), justify="right", no_wrap=True)
    if len(sets) > 1:
        down.add_column("images", overflow="fold", min_width=8, max_width=34)
    down.add_column("value", justify="right", no_wrap=True)
    down.add_column("of", justify="right", no_wrap=True)
    for metric, category in rows:
        scores = {name: found.get((name, metric, category)) for name in sets}
        known = next((one for one in scores.values() if one is not None), None)
        if known is None:
            continue
        label = _name(category) if of_categories else Text(_heading(known))
        counts = dict.fromkeys(format_count(one.n) for one in scores.values() if one is not None)
        cells = [Text(" / ".join(counts), "dim")] if of_categories else []
        cells += [_value(one, None if of_categories else usual[name]) for name, one in scores.items()]
        across.add_row(label, *cells)
        for place, (name, one) in enumerate(scores.items()):
            if one is not None:
                cells = [label if place == 0 else Text("")]
                cells += [_name(name)] if len(sets) > 1 else []
                down.add_row(*cells, _value(one, None), Text(format_count(one.n), "dim"))
    unbounded = console.options.update(max_width=_MOST_WIDTH)
    fits = console.measure(across, options=unbounded).maximum <= console.width
    return across if fits else down


def _most_images(name: str, found: _Scores) -> int:
    """Of how many images the numbers of a whole set are."""
    return max((one.n for (own, _, category), one in found.items() if own == name and not category), default=0)


def _print_definitions(scores: Sequence[DetectionScore], metrics: Sequence[str], console: Console) -> None:
    """Each definition once, behind the numbers that it is of."""
    of: dict[str, list[str]] = {}
    for metric in metrics:
        one = next(score for score in scores if score.metric == metric)
        if one.definition:
            of.setdefault(one.definition, []).append(one.label)
    lines = [plain(f"{', '.join(labels)}: {definition}") for definition, labels in of.items()]
    if lines:
        console.print(Text("\n".join(lines) + "\n", "dim"))


def _print_categories(evaluation: DetectionEvaluation, sets: Sequence[str], found: _Scores, console: Console) -> None:
    of_categories = [score for score in evaluation.scores if score.category]
    if not of_categories:
        return
    metrics = list(dict.fromkeys(score.metric for score in of_categories))
    metric = evaluation.order if evaluation.order in metrics else metrics[0]
    own = [score for score in of_categories if score.metric == metric]
    categories = list(dict.fromkeys(score.category for score in own))
    total, which = len(categories), ""
    if total > _MOST_CATEGORIES:
        categories = sorted(categories, key=lambda category: _badness(own, category))[:_MOST_CATEGORIES]
        which = f", the worst {_MOST_CATEGORIES}"
    title = Text.assemble((_heading(own[0]), "bold"), f" by category{which}", (" [95%]", "dim"))
    rows = [(metric, category) for category in categories]
    _print(title, _of_sets("category", rows, sets, found, console), console)
    others = [
        next(score.label for score in of_categories if score.metric == name) for name in metrics if name != metric
    ]
    said = [f"{total - len(categories):,} more categories"] if total > len(categories) else []
    if others:
        more = f" and {len(others) - 3} more numbers" if len(others) > 3 else ""
        said.append(f"{', '.join(map(plain, others[:3]))}{more} of each")
    if said:
        console.print(Text(f"and {', and '.join(said)} in {evaluation.file_name}\n", "dim"))


def _badness(scores: Sequence[DetectionScore], category: str) -> tuple[bool, float]:
    """Orders categories from the worst on; those without a number come last."""
    own = [one for one in scores if one.category == category and one.value is not None]
    if not own:
        return True, 0.0
    mean = sum(one.value or 0.0 for one in own) / len(own)
    return False, -mean if own[0].better == "lower" else mean


def _print_differences(evaluation: DetectionEvaluation, console: Console) -> None:
    if not evaluation.differences:
        return
    first = evaluation.differences[0].first
    shown = [one for one in evaluation.differences if one.first == first and not one.category]
    if not shown:
        return
    several = len({one.second for one in shown}) > 1
    noun = "image" if evaluation.task == "average-precision" else "prompt"
    title = Text.assemble("less ", (_name(first).plain, "bold"), f", {noun} by {noun}")
    if not several:
        title = Text.assemble((_name(shown[0].second).plain, "bold"), " ", title)
    table = _table()
    table.add_column("metric", overflow="fold", min_width=8, max_width=_LONGEST_LABEL)
    if several:
        table.add_column("images", overflow="fold", min_width=8)
    for heading in (f"{noun}s", "difference", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("better", overflow="fold", min_width=6)
    for one in shown:
        cells = [Text(_heading(one))]
        cells += [_name(one.second)] if several else []
        table.add_row(
            *cells,
            format_count(one.n_prompts),
            _signed(one),
            "" if one.p_value is None else f"{one.p_value:.2g}" if one.p_value >= 1e-4 else "<0.0001",
            _name(_better(one)),
        )
    _print(title, table, console)
    rest = len(evaluation.differences) - len(shown)
    if rest:
        more = "1 more difference is" if rest == 1 else f"{rest:,} more differences are"
        console.print(Text(f"{more} in {evaluation.file_name}\n", "dim"))


def _signed(one: DetectionDifference) -> Text:
    if one.value is None or not math.isfinite(one.value):
        return Text("none", "dim")
    sign = "+" if one.value > 0 else ""
    interval = interval_text(_ends(one.interval))
    return Text.assemble(f"{sign}{format_value(one.value)}", (f" {interval}" if interval else "", "dim"))


def _better(one: DetectionDifference) -> str:
    """The set that is better with a p-value of less than 0.05; empty where that is not known."""
    if one.value is None or one.p_value is None or one.p_value >= _SURE or one.value == 0:
        return ""
    return one.second if (one.value > 0) == (one.better == "higher") else one.first


def _counted(evaluation: DetectionEvaluation, sets: Sequence[str]) -> Iterator[str]:
    """Of each set how many prompts and images were judged, and whose boxes they are."""
    counts = evaluation.manifest.get("counts", {})
    by_set = counts.get("sets", {}) if isinstance(counts.get("sets", {}), Mapping) else {}
    detectors = evaluation.manifest.get("detector")
    for name in sets:
        own = by_set.get(name, {})
        if "least_images_of_a_prompt" in own:
            least, most = own["least_images_of_a_prompt"], own["most_images_of_a_prompt"]
            each = f"{least}" if least == most else f"{least} to {most}"
            images = f"{each} image{'' if each == '1' else 's'}"
            told = f"{format_count(own['prompts'])} of {format_count(counts['prompts'])} prompts x {images}"
        else:
            first = next(score for score in evaluation.scores if score.set == name and not score.category)
            told = f"{format_count(first.n)} image{'' if first.n == 1 else 's'}"
            if evaluation.task != "average-precision":
                told += f" of {format_count(first.n_prompts)} prompt{'' if first.n_prompts == 1 else 's'}"
        identity = detectors.get(name) if isinstance(detectors, Mapping) else None
        detector = identity.get("detector") if isinstance(identity, Mapping) else None
        by = f", boxes by {detector}" if isinstance(detector, str) else ""
        yield plain(f"{name}: {told}{by}")


def _print_labels(sets: Mapping[str, FoundBoxes], console: Console) -> None:
    counts: dict[str, dict[str, int]] = {}
    for name, found in sets.items():
        numbers = np.bincount(found.label, minlength=len(found.labels)).tolist()
        for label, count in zip(found.labels, numbers, strict=True):
            if count:
                counts.setdefault(label, {})[name] = count
    if not counts:
        return
    order = sorted(counts, key=lambda label: (-sum(counts[label].values()), label))
    table = _table()
    table.add_column("label", overflow="fold", min_width=8)
    if len(sets) > 1:
        table.add_column("images", overflow="fold", min_width=8)
    table.add_column("boxes", justify="right", no_wrap=True)
    for label in order[:_MOST_LABELS]:
        for place, (name, count) in enumerate(counts[label].items()):
            cells = [_name(label) if place == 0 else Text("")]
            cells += [_name(name)] if len(sets) > 1 else []
            table.add_row(*cells, format_count(count))
    _print(Text("by label"), table, console)
    if len(order) > _MOST_LABELS:
        console.print(Text(f"and {len(order) - _MOST_LABELS:,} more labels", "dim"))
