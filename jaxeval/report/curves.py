"""Scores over the frames of videos as curves."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.pairs import PAIR_MEASURES, PairsEvaluation


def draw_curves(evaluation: PairsEvaluation, path: str | Path) -> Path:
    """Draws each measure over the frames, a panel a measure and a line a video, as a PNG.

    Infinite values (identical frames) are dots along the panel's upper edge.

    Raises:
      InputError: the file cannot be written.
    """
    path = local_path(path)
    check_writable(path.parent)
    metrics = [name for name in evaluation.metrics if name in PAIR_MEASURES]  # others are not of single frames
    figure = Figure(figsize=(9, 0.6 + 2.1 * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    sets = list(dict.fromkeys(score.set for score in evaluation.scores))
    for panel, metric in zip(axes, metrics, strict=True):
        measure = PAIR_MEASURES[metric]
        for number, name in enumerate(sets):
            values = np.array([s.values.get(metric, math.nan) for s in evaluation.scores if s.set == name])
            if np.isnan(values).all():
                continue
            frames, finite = np.arange(len(values)), np.isfinite(values)
            marker = "o" if finite.sum() < 2 else None
            colour = f"C{number}"
            line = np.where(finite, values, np.nan)
            panel.plot(frames, line, color=colour, linewidth=1.3, label=name, marker=marker, markersize=4)
            infinite = np.isinf(values)
            if infinite.any():
                top = np.full(int(infinite.sum()), 0.98)
                panel.plot(frames[infinite], top, ".", color=colour, transform=panel.get_xaxis_transform())
        unit = f" ({measure.unit})" if measure.unit else ""
        better = f", {measure.better} is better" if measure.better else ""
        panel.set_title(f"{measure.label}{unit}{better}", loc="left", fontsize=10)
        panel.grid(alpha=0.3, linewidth=0.6)
        panel.margins(x=0.01)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    axes[-1].set_xlabel("frame")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    handles = {label: h for panel in axes for h, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=3, fontsize=9, frameon=False)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    write_atomically(path, stream.getvalue())
    return path
