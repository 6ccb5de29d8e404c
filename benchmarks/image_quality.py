"""Speed of every full-reference measure beside its peers, and growth with pixels: `python -m benchmarks.image_quality`.

Each op and each peer's function of the same name runs in this process, in turns, on the same float32 photographs with
noise, 32 x 256 x 256 x 3 unless told otherwise. Compilation (the first call less the median of the others) is apart.
The ratio is the peer's median time over ours: above 1, ours is faster. Peers that are not installed are said. Ours
looks at the values of the images in every call, as it does for users outside of jit.
"""

import argparse
import functools
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import skimage.data
from jaxtyping import Float32

from jaxeval.files import local_path
from jaxeval.pairs import PAIR_MEASURES

Batch = Float32[np.ndarray, "n h w c"]
Call = Callable[[], Any]

_PIXEL_ERRORS = ("psnr", "mse", "rmse", "mae")
_SIDES = (64, 128, 256, 512, 1024, 2048, 4096)


class Timing(NamedTuple):
    """How long a call takes.

    Attributes:
      first: seconds of the first call less the median of the others: compilation and warming up.
      median: seconds of the others.
      spread: half the range of the middle half of them, in seconds.
    """

    first: float
    median: float
    spread: float


def images(count: int, height: int, width: int) -> tuple[Batch, Batch]:
    """Photographs with values in [0, 1], repeated to the size, and noisy copies."""
    photographs = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    batch = []
    for number in range(count):
        tile = np.roll(photographs[number % 3], 17 * number, axis=(0, 1))
        repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
        batch.append(np.tile(tile, repeats)[:height, :width])
    x = np.stack(batch).astype(np.float32) / 255
    noise = np.random.default_rng(0).standard_normal(x.shape, np.float32)
    return x, np.clip(x + 0.05 * noise, 0, 1)


def timed(calls: dict[str, Call], repeats: int) -> dict[str, Timing]:
    """Times calls in turns, so that what else the machine does falls on all of them; each must wait for its result."""
    firsts: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            elapsed = time.perf_counter() - begun
            if turn == 0:
                firsts[name] = elapsed
            else:
                times[name].append(elapsed)
    found = {}
    for name, own in times.items():
        median = statistics.median(own)
        low, high = np.quantile(own, [0.25, 0.75])
        found[name] = Timing(max(0.0, firsts[name] - median), median, float(high - low) / 2)
    return found


def ours(measure: str, x: Batch, y: Batch, *, jitted: bool = False) -> Call:
    """A call of our op on arrays that lie on the device; inside of jit it cannot look at their values."""
    op = functools.partial(PAIR_MEASURES[measure].load(), data_range=1.0)
    op = jax.jit(op) if jitted else op
    on_device = jax.device_put((jnp.asarray(y), jnp.asarray(x)))
    return lambda: jax.block_until_ready(op(*on_device))


def _torch() -> Any:
    """torch, beside which torchvision can be imported; the peers import it."""
    torch = importlib.import_module("torch")
    tests = str(Path(__file__).parents[1] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    importlib.import_module("parity_stub").torchvision_stub()
    return torch


def _piq(function: str, x: Batch, y: Batch, **options: Any) -> Call:
    torch = _torch()
    piq = importlib.import_module("piq")
    tensors = _tensors(torch, x, y)

    def call() -> Any:
        with torch.no_grad():
            return getattr(piq, function)(*tensors, data_range=1.0, reduction="none", **options)

    return call


def _torchmetrics(function: str, x: Batch, y: Batch, **options: Any) -> Call:
    torch = _torch()
    functions = importlib.import_module("torchmetrics.functional.image")
    tensors = _tensors(torch, x, y)

    def call() -> Any:
        with torch.no_grad():
            return getattr(functions, function)(*tensors, data_range=1.0, **options)

    return call


def _pytorch_msssim(function: str, x: Batch, y: Batch) -> Call:
    torch = _torch()
    package = importlib.import_module("pytorch_msssim")
    tensors = _tensors(torch, x, y)

    def call() -> Any:
        with torch.no_grad():
            return getattr(package, function)(*tensors, data_range=1.0, size_average=False)

    return call


def _dm_pix(function: str, x: Batch, y: Batch) -> Call:
    package = importlib.import_module("dm_pix")
    compiled = jax.jit(getattr(package, function))
    on_device = jax.device_put((jnp.asarray(y), jnp.asarray(x)))
    return lambda: jax.block_until_ready(compiled(*on_device))


def _skimage(function: str, x: Batch, y: Batch, **options: Any) -> Call:
    package = importlib.import_module("skimage.metrics")
    op = getattr(package, function)
    return lambda: [op(a, b, **options) for a, b in zip(y, x, strict=True)]


def _tensors(torch: Any, x: Batch, y: Batch) -> list[Any]:
    return [torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2))) for batch in (y, x)]


_WANG = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5, "channel_axis": -1, "data_range": 1.0}
_EACH = {"reduction": "none"}

PEERS: dict[str, dict[str, Callable[[Batch, Batch], Call]]] = {
    "psnr": {
        "torchmetrics": functools.partial(_torchmetrics, "peak_signal_noise_ratio", reduction="none", dim=(1, 2, 3)),
        "piq": functools.partial(_piq, "psnr"),
        "dm-pix": functools.partial(_dm_pix, "psnr"),
        "scikit-image": functools.partial(_skimage, "peak_signal_noise_ratio", data_range=1.0),
    },
    "ssim": {
        "torchmetrics": functools.partial(_torchmetrics, "structural_similarity_index_measure", **_EACH),
        "pytorch_msssim": functools.partial(_pytorch_msssim, "ssim"),
        "piq": functools.partial(_piq, "ssim", downsample=False),
        "dm-pix": functools.partial(_dm_pix, "ssim"),
        "scikit-image": functools.partial(_skimage, "structural_similarity", **_WANG),
    },
    "ms-ssim": {
        "torchmetrics": functools.partial(_torchmetrics, "multiscale_structural_similarity_index_measure", **_EACH),
        "pytorch_msssim": functools.partial(_pytorch_msssim, "ms_ssim"),
        "piq": functools.partial(_piq, "multi_scale_ssim"),
    },
    "mse": {
        "dm-pix": functools.partial(_dm_pix, "mse"),
        "scikit-image": functools.partial(_skimage, "mean_squared_error"),
    },
    "rmse": {"dm-pix": functools.partial(_dm_pix, "rmse")},
    "mae": {"dm-pix": functools.partial(_dm_pix, "mae")},
    "iw-ssim": {"piq": functools.partial(_piq, "information_weighted_ssim")},
    "vifp": {"piq": functools.partial(_piq, "vif_p")},
    "fsim": {"piq": functools.partial(_piq, "fsim")},
    "sr-sim": {"piq": functools.partial(_piq, "srsim")},
    "vsi": {"piq": functools.partial(_piq, "vsi")},
    "gmsd": {"piq": functools.partial(_piq, "gmsd")},
    "ms-gmsd": {"piq": functools.partial(_piq, "multi_scale_gmsd", chromatic=False)},
    "mdsi": {"piq": functools.partial(_piq, "mdsi")},
    "haarpsi": {"piq": functools.partial(_piq, "haarpsi")},
    "dss": {"piq": functools.partial(_piq, "dss")},
}
"""By measure and package: from reference and distorted images to a call that waits for its result."""


def peers_of(measure: str, x: Batch, y: Batch) -> tuple[dict[str, Call], dict[str, str]]:
    """The calls of the peers that can be had, and why others cannot."""
    calls: dict[str, Call] = {}
    missing: dict[str, str] = {}
    for package, make in PEERS.get(measure, {}).items():
        try:
            calls[package] = make(x, y)
        except ImportError as error:
            missing[package] = f"not installed ({error.name or error})"
    return calls, missing


def growth(measure: str, sides: Sequence[int], repeats: int) -> list[tuple[int, Timing]]:
    """Times of one image of each side."""
    found = []
    for side in sides:
        x, y = images(1, side, side)
        found.append((side, timed({"ours": ours(measure, x, y)}, repeats)["ours"]))
    return found


def _machine() -> str:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = jax.devices()[0]
    packages = ("jax", "torch", "torchmetrics", "pytorch-msssim", "piq", "dm-pix", "scikit-image")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    return f"{device.platform} ({device.device_kind}), {platform.machine()}, {threads} threads; {', '.join(versions)}"


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables, and writes the figures where it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--metrics", metavar="NAME,...", help="some measures only")
    parser.add_argument("--count", type=int, default=32, metavar="N", help="images in the batch")
    parser.add_argument("--side", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument(
        "--growth", default="psnr,ssim,ms-ssim", metavar="NAME,...", help="measures to grow; none if empty"
    )
    parser.add_argument("--largest", type=int, default=4096, metavar="PIXELS", help="side where growth ends")
    parser.add_argument("--json", type=local_path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(arguments)
    pairs = [name for name, measure in PAIR_MEASURES.items() if not (measure.alone or measure.weights)]
    wanted = pairs if options.metrics is None else options.metrics.split(",")
    figures: dict[str, Any] = {"machine": _machine(), "batch": {}, "growth": {}}
    print(figures["machine"])
    print(f"\n{options.count} x {options.side} x {options.side} x 3, median of {options.repeats} in turns")
    print(f"{'measure':<12}{'package':<16}{'first, s':>10}{'median, ms':>12}{'spread, ms':>12}{'ratio':>8}")
    x, y = images(options.count, options.side, options.side)
    for name in wanted:
        calls, missing = peers_of(name, x, y)
        own = {"jaxeval": ours(name, x, y)}
        if name in _PIXEL_ERRORS:  # where that look takes as long as all else
            own["jaxeval, in jit"] = ours(name, x, y, jitted=True)
        timings = timed({**own, **calls}, options.repeats)
        figures["batch"][name] = {package: timing._asdict() for package, timing in timings.items()}
        for package, timing in timings.items():
            ratio = timing.median / timings["jaxeval"].median
            label = PAIR_MEASURES[name].label if package == "jaxeval" else ""
            shown = "" if package == "jaxeval" else f"{ratio:>8.1f}"
            first, median, spread = timing.first, 1e3 * timing.median, 1e3 * timing.spread
            print(f"{label:<12}{package:<16}{first:>10.2f}{median:>12.1f}{spread:>12.1f}{shown}", flush=True)
        for package, reason in missing.items():
            print(f"{'':<12}{package:<16}  {reason}", flush=True)
    grown = list(filter(None, options.growth.split(",")))
    if grown:
        print(f"\n{'measure':<12}{'side':>8}{'first, s':>10}{'median, ms':>12}{'ns a pixel':>12}")
    for name in grown:
        sides = [side for side in _SIDES if PAIR_MEASURES[name].least_side <= side <= options.largest]
        figures["growth"][name] = {}
        for side, timing in growth(name, sides, options.repeats):
            figures["growth"][name][str(side)] = timing._asdict()
            a_pixel = 1e9 * timing.median / side**2
            print(f"{name:<12}{side:>8}{timing.first:>10.2f}{1e3 * timing.median:>12.1f}{a_pixel:>12.1f}", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
