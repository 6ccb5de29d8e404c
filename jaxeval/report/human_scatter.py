"""Metrics against people as a figure: the rows, and the logistic with its band."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.human import CurvePoints, HumanCorrelation, MetricAgreement

_COLUMNS = 3
_MOST_BARS = 150  # rows whose intervals can be told apart
_MOST_ROWS = 5000  # that are drawn; a cloud of more looks the same


def draw_human_scatter(correlation: HumanCorrelation, path: str | Path) -> Path:
    """Draws people's values over each metric, with the logistic of four parameters and its interval, as a PNG.

    Up to 150 rows have people's intervals as bars. Of more than 5,000 rows every so-manieth is drawn.

    Raises:
      InputError: the file cannot be written.
    """
    path = local_path(path)
    check_writable(path.parent)
    count = len(correlation.metrics)
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(0.6 + 3.6 * columns, 0.5 + 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel, one, points in zip(axes, correlation.metrics, correlation.points, strict=False):
        _draw(panel, one, points)
    for panel in axes[count:]:
        panel.set_visible(False)
    for panel in axes[::columns]:
        panel.set_ylabel(f"people ({correlation.manifest['human']['value']})")
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    write_atomically(path, stream.getvalue())
    return path


def _draw(panel: Axes, one: MetricAgreement, points: CurvePoints) -> None:
    step = math.ceil(len(points.values) / _MOST_ROWS)
    values, human = points.values[::step], points.human[::step]
    if points.reach is not None and len(values) <= _MOST_BARS:
        panel.errorbar(values, human, points.reach, fmt="none", ecolor="0.75", elinewidth=0.8, zorder=1)
    alpha = float(np.clip(60 / math.sqrt(len(values)) / 6, 0.15, 0.8))
    panel.plot(values, human, "o", color="C0", markersize=3.5, markeredgewidth=0, alpha=alpha, zorder=2)
    if points.places.size:
        panel.fill_between(points.places, points.low, points.high, color="C1", alpha=0.3, linewidth=0, zorder=3)
        panel.plot(points.places, points.curve, color="C1", linewidth=1.6, zorder=4)
    better = f" ({one.better} is better)" if one.better else ""
    panel.set_xlabel(one.metric + better)
    title = f"Spearman {one.spearman.value:.3f}, logistic {one.curves[0].pearson.value:.3f}"
    panel.set_title(title.replace("nan", "none"), loc="left", fontsize=10)
    panel.grid(alpha=0.3, linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
