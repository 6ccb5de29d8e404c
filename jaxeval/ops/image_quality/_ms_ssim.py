"""Multi-scale structural similarity (MS-SSIM), as each reference implementation computes it.

The product over scales, each half as large as the last, of the mean contrast-structure term to the power of the scale's
weight; at the coarsest scale, of mean SSIM. Negative means count as 0. Or the weighted mean of these means. Conventions:

| convention     | halves an odd side by                      | borders  | channels                            |
|----------------|--------------------------------------------|----------|-------------------------------------|
| pytorch-msssim | zeros on both ends of it                   | cut      | a product each, then their mean     |
| piq            | a copied pixel before each side, if one is odd | cut  | a product each, then their mean     |
| torchmetrics   | dropping the last pixel                    | reflected | averaged first                     |
| authors        | a copy of the last pixel                   | cut      | a product each, then their mean; the authors' msssim.m takes gray images |
| tensorflow     | a copy of the last pixel                   | cut      | a product each, then their mean     |
| pyiqa          | zeros on both ends of it                   | cut      | luma of YIQ in whole numbers; contrast-structure below 0 counts as 0 in each window |

Reference: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003.
"""

from typing import Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import power
from jaxeval.ops.image_quality._moments_of_windows import losses_by_channel
from jaxeval.ops.image_quality._ssim import K1, K2, Weighting, Windows, prepared, windows_of
from jaxeval.ops.image_quality.batches import Scores, check_choice, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, check_crop, each_in_colour, took_channels
from jaxeval.ops.image_quality.windows import pad_image, pool

Pixels = Float[Array, "_ _ _"]

MsSsimConvention = Literal["pytorch-msssim", "piq", "torchmetrics", "authors", "pyiqa", "tensorflow"]
CONVENTIONS: tuple[MsSsimConvention, ...] = get_args(MsSsimConvention)
_BY_CHANNEL = ("pytorch-msssim", "piq", "authors", "tensorflow")  # others mix the channels before the product
COMBINATIONS = ("product", "sum")
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@took_channels
@takes_arrays
def ms_ssim(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    convention: MsSsimConvention = "pytorch-msssim",
    weights: tuple[float, ...] = MS_SSIM_WEIGHTS,
    combination: str = "product",
    colour: Colour = "own",
    crop_border: int = 0,
    window_size: int | None = None,
    sigma: float | None = None,
    weighting: Weighting | None = None,
    k1: float = K1,
    k2: float = K2,
) -> Scores:
    """Multi-scale structural similarity of each pair of images.

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; values are expected in [0, data_range].
      convention: the implementation whose number it is; the module lists how they differ.
      weights: exponents, from the finest scale to the coarsest; fewer of them take smaller images.
      combination: "product" of powers; or "sum", the mean of the scales' means by their weights, as the authors' msssim.m
        with "wtd_sum", whose values pyiqa's table of official ones has.
      colour: "own", each channel, in pyiqa a luma; or a gray by a name of `Colour`, such as "y".
      crop_border: pixels left out along every edge, before anything else.
      window_size: pixels along a side of the window, as for `ssim`; 11 by default.
      sigma: of a Gaussian window, in pixels; 1.5 by default.
      weighting: "gaussian", the default, or "uniform" windows.
      k1: the luminance term's stabiliser is (k1 * data_range)^2.
      k2: that of contrast and structure is (k2 * data_range)^2.

    Returns:
      [N], in [0, 1], as a sum from -1 upwards; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small
        for that many scales: with five, sides of at least 161 (torchmetrics: 176) pixels are needed; or the window is
        none.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> image_quality.ms_ssim(x, y, data_range=1.0, weights=(0.5, 0.5)).shape
      (4,)
    """
    check_choice("ms_ssim", "convention", convention, CONVENTIONS)
    check_choice("ms_ssim", "combination", combination, COMBINATIONS)
    weights = tuple(float(w) for w in weights)
    if not weights or min(weights) <= 0:
        raise InputError(f"ms_ssim: weights={weights} must be positive numbers, one a scale")
    windows = windows_of("ms_ssim", convention, window_size, sigma, weighting, k1, k2)
    scales, size = len(weights), len(windows.taps)
    least = size * max(1, scales - 1) ** 2 if convention == "torchmetrics" else (size - 1) * 2 ** (scales - 1) + 1
    peak = image_pair("ms_ssim", x, y, data_range, colours=(1, 3) if convention == "pyiqa" else ())
    check_colour("ms_ssim", x, colour)
    check_crop("ms_ssim", x, crop_border, max(least, 2**scales))
    return each_in_colour(
        _ms_ssim,
        x,
        y,
        data_range=peak,
        convention=convention,
        weights=weights,
        combination=combination,
        colour="own" if colour == "each-channel" and convention in _BY_CHANNEL else colour,
        crop_border=crop_border,
        windows=windows,
    )


def _ms_ssim(
    x: Pixels,
    y: Pixels,
    *,
    data_range: float,
    convention: MsSsimConvention,
    weights: tuple[float, ...],
    combination: str,
    crop_border: int,
    windows: Windows,
) -> Float[Array, ""]:
    # Of SSIM's preparations only pyiqa's is MS-SSIM's too: piq does not shrink images first here.
    of_ssim = "pyiqa" if convention == "pyiqa" else "scikit-image"
    x, peak = prepared(x, data_range=data_range, convention=of_ssim, crop_border=crop_border)
    y, _ = prepared(y, data_range=data_range, convention=of_ssim, crop_border=crop_border)
    margin = len(windows.taps) // 2 if convention == "torchmetrics" else 0
    losses_of_scales = []
    for scale in range(len(weights)):
        if scale > 0:
            x, y = _halved(x, convention), _halved(y, convention)
        sides = [pad_image(i, (margin, margin), (margin, margin), "reflect") for i in (x, y)]
        losses = losses_by_channel(
            *sides,
            windows.taps,
            (windows.k1 * peak) ** 2,
            (windows.k2 * peak) ** 2,
            clip=convention == "pyiqa",
            margin=margin,
        )
        loss = losses.ssim if scale == len(weights) - 1 else losses.contrast_structure
        losses_of_scales.append(loss.mean(keepdims=True) if convention == "torchmetrics" else loss)
    if combination == "sum":
        shares = jnp.asarray([weight / sum(weights) for weight in weights], jnp.float32)
        return 1.0 - (shares[:, None] * jnp.stack(losses_of_scales)).sum(0).mean()
    product = jnp.ones_like(losses_of_scales[0])
    for loss, weight in zip(losses_of_scales, weights, strict=True):
        product = product * power(1.0 - loss, weight)
    return product.mean()


def _halved(x: Pixels, convention: MsSsimConvention) -> Pixels:
    """Means of 2 x 2 squares, with a convention's way with odd sides."""
    odd = (x.shape[0] % 2, x.shape[1] % 2)
    if convention in ("pytorch-msssim", "pyiqa"):
        x = pad_image(x, odd, odd, "constant")
    if convention in ("authors", "tensorflow"):
        x = pad_image(x, (0, 0), odd, "edge")
    if convention == "piq":
        x = pad_image(x, (max(odd), max(odd)), (0, 0), "edge")
    return pool(x, 2)
