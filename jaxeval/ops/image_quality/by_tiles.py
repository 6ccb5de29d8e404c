"""Pixel errors and SSIM of images of many sizes by one program each: images are cut into tiles of one size.

What lies beyond an image's end in its last tiles has weight 0, and sums of tiles are added on the host, in float64.
Values are those of `psnr`, `ssim` and the others but for rounding. Only what is a mean over pixels, or over windows
that fit into the image, can be had so; FSIM, MS-SSIM and others see a whole image at once.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import contract
from jaxeval.ops.image_quality._maths import absolute
from jaxeval.ops.image_quality._moments_of_windows import Settings, sums_of_windows
from jaxeval.ops.image_quality._ssim import K1, K2, SsimConvention, Windows, prepared, windows_of
from jaxeval.ops.image_quality.batches import each_image, image_pair
from jaxeval.ops.image_quality.colour import IN_WHOLE_NUMBERS, Colour, check_colour, gray

Pixels = Float[Array, "_ _ _"]
Weights = Float[Array, "_"]
Sum = Float[Array, ""]
PixelError = Literal["mse", "rmse", "mae", "psnr"]

SSIM_BY_TILES: tuple[SsimConvention, ...] = (
    "scikit-image",
    "scikit-image-default",
    "pytorch-msssim",
    "dm-pix",
    "tensorflow",
    "pyiqa",
)
"""The conventions whose windows fit into the image, and that do not make it smaller first."""

_SIDE = 256  # pixels of a tile
_AT_ONCE = 16  # tiles; their number is part of the program's shape


def pixel_error_by_tiles(
    x: np.ndarray, y: np.ndarray, *, kind: PixelError, data_range: float, colour: Colour = "own"
) -> Float[np.ndarray, " n"]:
    """`mse`, `rmse`, `mae` or `psnr` of images [N, H, W, C] of any size, by a program that knows no sizes.

    Args:
      x: images.
      y: as x.
      kind: which.
      data_range: width of the values' range.
      colour: of the op; "each-channel" for MSE and MAE alone, as the others are no means over channels.

    Raises:
      InputError: as for the op.
    """
    peak = image_pair(kind, x, y, data_range, of_differences=colour not in IN_WHOLE_NUMBERS)
    check_colour(kind, x, colour)
    _, height, width, channels = x.shape
    planes = channels if colour in ("own", "each-channel") else 1
    total = _added(x, y, 0, of=_errors, colour=colour, data_range=peak, absolutes=kind == "mae")
    mean = total / (height * width * planes)
    if kind == "mae":
        return mean * peak
    if kind == "mse":
        return mean * peak**2
    if kind == "rmse":
        return np.sqrt(mean) * peak
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(mean)


def ssim_by_tiles(
    x: np.ndarray, y: np.ndarray, *, data_range: float, convention: SsimConvention, colour: Colour = "own"
) -> Float[np.ndarray, " n"]:
    """`ssim` of images [N, H, W, C] of any size, by a program that knows no sizes.

    Args:
      x: images.
      y: as x.
      data_range: width of the values' range.
      convention: one of `SSIM_BY_TILES`.
      colour: of the op.

    Raises:
      InputError: as for the op.
    """
    windows = windows_of("ssim", convention, None, None, None, K1, K2)
    size = len(windows.taps)
    peak = image_pair("ssim", x, y, data_range, least_side=size, colours=(1, 3) if convention == "pyiqa" else ())
    check_colour("ssim", x, colour)
    _, height, width, channels = x.shape
    planes = channels if colour == "each-channel" or (colour == "own" and convention != "pyiqa") else 1
    settings = {"of": _ssim_losses, "windows": windows, "convention": convention}
    total = _added(x, y, size - 1, colour=colour, data_range=peak, **settings)
    return 1.0 - total / ((height - size + 1) * (width - size + 1) * planes)


def _errors(x: Pixels, y: Pixels, tall: Weights, wide: Weights, *, data_range: float, absolutes: bool) -> Sum:
    difference = (x - y) / data_range
    errors = absolute(difference) if absolutes else difference * difference
    return contract("w,w->", contract("h,hwc->wc", tall, errors).sum(-1), wide)


def _ssim_losses(
    x: Pixels,
    y: Pixels,
    tall: Weights,
    wide: Weights,
    *,
    data_range: float,
    windows: Windows,
    convention: SsimConvention,
) -> Sum:
    (x, peak), (y, _) = (prepared(i, data_range=data_range, convention=convention, crop_border=0) for i in (x, y))
    c1, c2 = (windows.k1 * peak) ** 2, (windows.k2 * peak) ** 2
    settings = Settings(windows.taps, c1, c2, windows.sample, convention == "pyiqa", 0)
    return sums_of_windows(x, y, jnp.stack([tall, tall]), jnp.stack([wide, wide]), settings)[0].sum()


def _of_tile(
    x: Pixels, y: Pixels, ends: Float[Array, "2"], *, of: Callable[..., Sum], colour: Colour, reach: int, **options: Any
) -> Sum:
    """The sum over those windows of a tile that begin before its ends; of every plane that a colour makes of it."""
    tall, wide = ((jnp.arange(_SIDE - reach) < end).astype(jnp.float32) for end in (ends[0], ends[1]))
    if colour == "each-channel":
        sides = [(x[..., c : c + 1], y[..., c : c + 1]) for c in range(x.shape[-1])]
    elif colour == "own":
        sides = [(x, y)]
    else:
        sides = [tuple(gray(i, data_range=options["data_range"], colour=colour) for i in (x, y))]
    return sum((of(*side, tall, wide, **options) for side in sides), start=jnp.float32(0.0))


def _added(x: np.ndarray, y: np.ndarray, reach: int, **options: Any) -> Float[np.ndarray, " n"]:
    """Sums over the windows of each image, which are `reach` pixels longer than one."""
    count, height, width, _ = x.shape
    step = _SIDE - reach
    tiles = [
        (image, top, left)
        for image in range(count)
        for top in range(0, height - reach, step)
        for left in range(0, width - reach, step)
    ]
    sums = np.zeros(count)
    for start in range(0, len(tiles), _AT_ONCE):
        part = tiles[start : start + _AT_ONCE]
        sides = [np.zeros((_AT_ONCE, _SIDE, _SIDE, x.shape[-1]), x.dtype) for _ in range(2)]
        ends = np.zeros((_AT_ONCE, 2), np.float32)  # tiles that are missing end before they begin
        for place, (image, top, left) in enumerate(part):
            # Beyond the image its last pixels, so that the tile's mean, from which variances are taken, is the image's.
            down, across = (np.minimum(at + np.arange(_SIDE), end - 1) for at, end in ((top, height), (left, width)))
            for side, images in zip(sides, (x, y), strict=True):
                side[place] = images[image, down[:, None], across]
            ends[place] = height - reach - top, width - reach - left
        found = each_image(_of_tile, *sides, ends, reach=reach, **options)
        np.add.at(sums, [image for image, _, _ in part], np.asarray(found, np.float64)[: len(part)])
    return sums
