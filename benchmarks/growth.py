"""`python -m benchmarks.growth`: how time grows with the number of images, features, pixels, and devices.

Draws docs/images/growth.png and writes the points to benchmarks/results/growth.json. Devices are simulated, so that
their curve is the work of one device (see `benchmarks.scaling`) and not time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.kernels_of_features import features, statistics
from benchmarks.machine import describe
from jaxeval import ops
from jaxeval.files import local_path
from jaxeval.ops import image_quality

_ROOT = Path(__file__).parents[1]


class Curve(NamedTuple):
    """What grows along which axis.

    Attributes:
      sizes: along the axis.
      axis: what they count.
      expected: the power of the size that time grows as.
      make: a size's function to time.
    """

    sizes: tuple[int, ...]
    axis: str
    expected: float
    make: Callable[[int], Callable[[], Any]]


_ENOUGH_SECONDS = 10.0
_COUNTS = (1000, 2000, 5000, 10000, 20000, 50000)
_WIDTH = 128


def _moments(n: int) -> Callable[[], Any]:
    rows = features(n, _WIDTH, 0)
    return lambda: ops.feature_moments(rows)


def _kid(n: int) -> Callable[[], Any]:
    rows = features(n, _WIDTH, 0), features(n, _WIDTH, 1)
    return lambda: ops.kid_full(reference=rows[0], generated=rows[1])


def _prdc(n: int) -> Callable[[], Any]:
    rows = features(n, _WIDTH, 0), features(n, _WIDTH, 1)
    return lambda: ops.prdc(reference=rows[0], generated=rows[1])


def _frechet(d: int) -> Callable[[], Any]:
    (mean_x, cov_x), (mean_y, cov_y) = (statistics(d, seed) for seed in (0, 1))
    return lambda: ops.frechet_distance(mean_x=mean_x, cov_x=cov_x, mean_y=mean_y, cov_y=cov_y)


def _ssim(side: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    x, y = (jax.numpy.asarray(rng.random((1, side, side, 3), np.float32)) for _ in range(2))
    compiled = jax.jit(lambda x, y: image_quality.ssim(x, y, data_range=1.0))
    return lambda: compiled(x, y)


CURVES: dict[str, Curve] = {
    f"moments, d = {_WIDTH}": Curve(_COUNTS, "rows", 1, _moments),
    f"KID over all pairs, d = {_WIDTH}": Curve(_COUNTS, "rows", 2, _kid),
    f"precision/recall/density/coverage, d = {_WIDTH}": Curve(_COUNTS, "rows", 2, _prdc),
    "Fréchet distance": Curve((64, 128, 256, 512, 1024, 2048, 4096), "features", 3, _frechet),
    "SSIM of one pair": Curve((64, 128, 256, 512, 1024, 2048, 4096), "pixels on a side", 2, _ssim),
}


def measure(curve: Curve, *, repeats: int = 3) -> list[float]:
    """Median seconds at every size, after one run that compiles; fewer repeats where they take long."""
    points = []
    for size in curve.sizes:
        run = curve.make(size)
        jax.block_until_ready(run())
        seconds = []
        for _ in range(repeats):
            begun = time.perf_counter()
            jax.block_until_ready(run())
            seconds.append(time.perf_counter() - begun)
            if sum(seconds) > _ENOUGH_SECONDS:
                break
        points.append(float(np.median(seconds)))
    return points


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The power that time grows as at the end of a curve: the slope over its last three points, in logarithms."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(seconds[-3:]), 1)[0])


def draw(growth: Mapping[str, Any], path: Path) -> None:
    """One panel an axis; a thin line shows the power that is expected, through the last point."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = list(dict.fromkeys(curve["axis"] for curve in growth["curves"].values()))
    figure, panels = pyplot.subplots(1, len(axes) + 1, figsize=(4.2 * (len(axes) + 1), 4.0), layout="constrained")
    for panel, axis in zip(panels, axes, strict=False):
        for name, curve in growth["curves"].items():
            if curve["axis"] != axis:
                continue
            sizes, seconds = np.array(curve["sizes"], float), curve["seconds"]
            (drawn,) = panel.loglog(sizes, seconds, "o-", label=name.split(",")[0], markersize=4)
            ideal = seconds[-1] * (sizes / sizes[-1]) ** curve["expected"]
            panel.loglog(sizes, ideal, ":", color=drawn.get_color(), linewidth=1)
        panel.set(xlabel=axis, ylabel="seconds" if panel is panels[0] else "")
        panel.legend(fontsize=7)
        panel.grid(alpha=0.3)
    panel = panels[-1]
    for name, row in growth["per_device"].items():
        devices = [int(count) for count in row]
        work = [figures["operations"] for figures in row.values()]
        panel.loglog(devices, np.array(work) / work[0], "o-", label=name.split(",")[0], markersize=4, alpha=0.7)
    panel.set(xlabel="devices (simulated)", ylabel="work of one device, as a share")
    panel.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"], minor=False)
    panel.set_yticks([1, 1 / 2, 1 / 4, 1 / 8], ["1", "1/2", "1/4", "1/8"], minor=False)
    panel.minorticks_off()
    panel.legend(fontsize=7)
    panel.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _work_per_device() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scaling.json"
        command = [sys.executable, "-m", "benchmarks.scaling", "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())["per_device"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures all curves, writes the points, draws them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--most", type=int, default=50000, metavar="N", help="leave out sizes above N")
    parser.add_argument(
        "--json", type=local_path, default=_ROOT / "benchmarks" / "results" / "growth.json", metavar="FILE"
    )
    parser.add_argument("--png", type=local_path, default=_ROOT / "docs" / "images" / "growth.png", metavar="FILE")
    options = parser.parse_args(arguments)
    curves = {}
    for name, curve in CURVES.items():
        curve = curve._replace(sizes=tuple(size for size in curve.sizes if size <= options.most))
        seconds = measure(curve)
        slope = exponent(curve.sizes, seconds)
        curves[name] = {
            "axis": curve.axis,
            "expected": curve.expected,
            "sizes": list(curve.sizes),
            "seconds": seconds,
            "exponent": slope,
        }
        print(
            f"{name}: as {curve.axis} to the power {slope:.2f}; {seconds[-1]:.3g} s at {curve.sizes[-1]:,}", flush=True
        )
    growth = {"machine": describe(), "curves": curves, "per_device": _work_per_device()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(growth, indent=1) + "\n")
    draw(growth, options.png)
    print(f"wrote {options.json} and {options.png}")


if __name__ == "__main__":
    main()
