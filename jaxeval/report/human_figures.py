"""What votes say, as figures: values with intervals, who beats whom, and how raters agree."""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.human import HumanAnalysis, Part

_LABELS = {
    "2afc": "strength",
    "best-of-n": "strength",
    "mos": "opinion score",
    "real-or-fake": "human error rate",
}
_MOST_IN_CELLS = 25  # systems whose shares can be read in their cells
_LONGEST = 28  # letters of a name beside an axis


def draw_analysis(analysis: HumanAnalysis, folder: str | Path) -> list[Path]:
    """Draws `values.png`, where systems were compared `wins.png`, and where there are raters `raters.png`.

    Args:
      analysis: from `jaxeval.human.analyse`.
      folder: where the PNG files go; it is made if need be.

    Raises:
      InputError: the folder cannot be written.
    """
    folder = local_path(folder)
    check_writable(folder)
    whole = [part for part in analysis.parts if not part.category]
    figures = {"values.png": _values(analysis, whole)}
    compared = [part for part in whole if part.pairs and part.pairs[0].wins is not None]
    if compared:
        figures["wins.png"] = _wins(compared)
    if any(one.agreement is not None for one in analysis.raters):
        figures["raters.png"] = _raters(analysis)
    written = []
    for name, figure in figures.items():
        stream = io.BytesIO()
        FigureCanvasAgg(figure).print_png(stream)
        write_atomically(folder / name, stream.getvalue())
        written.append(folder / name)
    return written


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"\u2026{name[1 - _LONGEST :]}"


def _plain(panel, grid: str) -> None:
    panel.grid(axis=grid, alpha=0.3, linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _values(analysis: HumanAnalysis, parts: list[Part]) -> Figure:
    """A panel a question: a dot and its interval a system, the best above."""
    most = max(len(part.systems) for part in parts)
    figure = Figure(figsize=(7.2, len(parts) * (1.1 + 0.28 * most)), dpi=120, layout="constrained")
    axes = figure.subplots(len(parts), 1, squeeze=False)[:, 0]
    for panel, part in zip(axes, parts, strict=True):
        place = np.arange(len(part.systems))
        value = np.array([one.value for one in part.systems])
        ends = np.array([(one.value - one.low, one.high - one.value) for one in part.systems]).T
        panel.errorbar(
            value, place, xerr=np.maximum(np.nan_to_num(ends), 0.0), fmt="o", color="C0", markersize=5, capsize=3
        )
        panel.set_yticks(place, [_short(one.system) for one in part.systems])
        panel.invert_yaxis()
        panel.margins(y=0.5 / max(len(place), 1))
        panel.set_xlabel(f"{_LABELS[analysis.design]} ({part.unit}), with 95% over raters and items")
        panel.set_title(f"{part.question + ': ' if part.question else ''}{part.model}", loc="left", fontsize=10)
        _plain(panel, "x")
    return figure


def _wins(parts: list[Part]) -> Figure:
    """A panel a question: the share of votes of the row's system over the column's."""
    most = max(len(part.systems) for part in parts)
    side = 1.6 + 0.42 * most
    figure = Figure(figsize=(side + 1.8, len(parts) * (side + 0.3)), dpi=120, layout="compressed")
    axes = figure.subplots(len(parts), 1, squeeze=False)[:, 0]
    for panel, part in zip(axes, parts, strict=True):
        names = [one.system for one in part.systems]
        place = {name: number for number, name in enumerate(names)}
        share = np.full((len(names), len(names)), np.nan)
        for pair in part.pairs:
            share[place[pair.first], place[pair.second]] = pair.share
            share[place[pair.second], place[pair.first]] = 1.0 - pair.share
        drawn = panel.imshow(share, vmin=0.0, vmax=1.0, cmap="RdBu")
        if len(names) <= _MOST_IN_CELLS:
            for row, column in np.argwhere(~np.isnan(share)):
                strong = abs(share[row, column] - 0.5) > 0.3
                colour = "white" if strong else "black"
                text = f"{100 * share[row, column]:.0f}"
                panel.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        short = [_short(name) for name in names]
        panel.set_xticks(range(len(names)), short, rotation=90)
        panel.set_yticks(range(len(names)), short)
        panel.set_title(part.question or "% of votes of the row over the column", loc="left", fontsize=10)
        figure.colorbar(drawn, ax=panel, shrink=0.7)
    return figure


def _raters(analysis: HumanAnalysis) -> Figure:
    """A dot a rater: agreement with the others over the time that an answer took, or in order where it is not known."""
    known = [one for one in analysis.raters if one.agreement is not None]
    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    panel = figure.subplots()
    timed = all(one.median_seconds is not None for one in known)
    if not timed:
        known = sorted(known, key=lambda one: one.agreement or 0.0)
    for flagged, colour, label in ((False, "C0", "raters"), (True, "C3", "flagged raters")):
        rows = [(number, one) for number, one in enumerate(known) if bool(one.flags) == flagged]
        if not rows:
            continue
        across = [float((one.median_seconds or 0.0) if timed else number) for number, one in rows]
        panel.plot(across, [one.agreement or 0.0 for _, one in rows], "o", color=colour, markersize=5, label=label)
        if flagged:
            for x, (_, one) in zip(across, rows, strict=True):
                panel.annotate(
                    f"{_short(one.rater)}: {', '.join(one.flags)}",
                    (x, one.agreement or 0.0),
                    textcoords="offset points",
                    xytext=(6, 4),
                    fontsize=8,
                )
    if timed:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("median seconds an answer")
    else:
        panel.set_xlabel("raters, in order of agreement")
        panel.set_xticks([])
    panel.set_ylabel("agreement with the others")
    panel.margins(0.15)
    panel.legend(fontsize=9, frameon=False)
    _plain(panel, "both")
    return figure
