"""Pictures of a run's metrics by step."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# What shares a panel: its title and the columns that it draws, where they are there.
_PANELS: dict[str, tuple[str, ...]] = {
    "adversarial losses": ("discriminator_loss", "generator_loss", "penalty"),
    "discriminator's mean logits": ("real_logit", "fake_logit"),
    "length of the gradient": ("discriminator_gradient", "generator_gradient", "gradient"),
    "bound in nats": ("elbo", "elbo_train", "elbo_validation"),
    "KL divergence in nats": ("kl", "kl_train", "kl_validation"),
    "reconstruction SSIM": ("ssim_train", "ssim_validation"),
    "Fréchet distance": ("fd_train", "fd_validation"),
    "kernel distance": ("kd_train", "kd_validation"),
    "precision and recall": ("precision", "recall", "density", "coverage"),
}
_COLUMNS = 3
_LOG = {"Fréchet distance", "kernel distance", "length of the gradient"}


def curves_png(rows: Sequence[Mapping[str, float]], title: str) -> bytes:
    """A PNG with one panel for each kind of number that the rows hold.

    Args:
      rows: each with a "step".
      title: of the picture.
    """
    present = {name for row in rows for name in row}
    panels = {panel: [name for name in names if name in present] for panel, names in _PANELS.items()}
    panels = {panel: names for panel, names in panels.items() if names}
    lines = max(1, -(-len(panels) // _COLUMNS))
    figure = Figure(figsize=(4 * _COLUMNS, 2.6 * lines), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for number, (panel, names) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, _COLUMNS, number)
        values = []
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            # What an untrained network scores would make a flat line of the rest.
            points = points[1:] if len(points) > 2 and points[0][0] == 0 else points
            # Evaluations are few and come by themselves; losses are many.
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "", linewidth=1, label=name)
            values += [value for _, value in points]
        if panel in _LOG and min(values) > 0:
            axes.set_yscale("log")
        axes.set_title(panel, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
