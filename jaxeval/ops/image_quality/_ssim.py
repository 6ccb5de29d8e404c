"""Structural similarity (SSIM), as each reference implementation computes it.

    SSIM = (2 mean_x mean_y + c1) (2 cov_xy + c2) / ((mean_x^2 + mean_y^2 + c1) (var_x + var_y + c2))

in windows of 11 x 11 pixels weighted by a Gaussian of sigma 1.5, with c1 = (k1 data_range)^2 and
c2 = (k2 data_range)^2, k1 = 0.01 and k2 = 0.03; per channel, averaged over windows and channels. Conventions differ in
what happens before (colour, size), at the borders, and in the kind of variance:

| convention           | differs by                                                                                   |
|----------------------|----------------------------------------------------------------------------------------------|
| scikit-image         | nothing: Wang's settings (gaussian_weights=True, use_sample_covariance=False, sigma=1.5); windows that fit |
| scikit-image-default | its defaults: 7 x 7 uniform windows, sample covariance                                       |
| pytorch-msssim       | nothing: windows that fit; the same number as scikit-image                                    |
| dm-pix               | nothing: windows that fit; its clips touch rounding errors only                              |
| tensorflow           | nothing: windows that fit                                                                     |
| torchmetrics         | reflects at the borders and averages over the whole map                                      |
| piq                  | first averages squares of round(least side / 256) pixels, if that is more than 1             |
| pyiqa                | luma of YIQ in whole numbers from 0 to 255; contrast * structure below 0 counts as 0          |
| authors              | Wang's ssim.m, which averages as piq does, but about every n-th pixel and with mirrored borders, which differs for n = 3 and more; ssim.m takes gray images |
| matlab               | repeats the border and averages over the whole map, as MATLAB's own ssim of gray images (of RGB it takes volumes; these are its channels) |
| gaussian-splatting   | zeros beyond the borders, averaged over the whole map, as pytorch-ssim and after it 3D Gaussian Splatting |

Reference: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 13(4), 2004.
"""

import dataclasses
import math
from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import root
from jaxeval.ops.image_quality._moments_of_windows import losses_by_channel
from jaxeval.ops.image_quality.batches import Scores, check_choice, check_positive, image_pair
from jaxeval.ops.image_quality.colour import (
    Colour,
    check_colour,
    check_crop,
    cropped,
    each_in_colour,
    rounded_mix,
    took_channels,
)
from jaxeval.ops.image_quality.windows import Taps, blur, gaussian_taps, pad_image, pool, uniform_taps

Pixels = Float[Array, "_ _ _"]

SsimConvention = Literal[
    "scikit-image",
    "scikit-image-default",
    "pytorch-msssim",
    "dm-pix",
    "torchmetrics",
    "piq",
    "pyiqa",
    "tensorflow",
    "authors",
    "matlab",
    "gaussian-splatting",
]
Weighting = Literal["gaussian", "uniform"]
CONVENTIONS: tuple[SsimConvention, ...] = get_args(SsimConvention)
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
K1, K2 = 0.01, 0.03

# Beyond the borders of these, in words of `jnp.pad`; of others only windows that fit count.
_BORDERS = {"torchmetrics": "reflect", "matlab": "edge", "gaussian-splatting": "constant"}
_OF_ANY_SIZE = ("dm-pix", "tensorflow", "authors")  # whose windows may have an even side, and so no middle


@dataclasses.dataclass(frozen=True)
class Windows:
    """The windows of SSIM, and its two constants.

    Attributes:
      taps: weights along either axis.
      k1: of luminance: its stabiliser is (k1 * data_range)^2.
      k2: of contrast.
      sample: what variances are multiplied by: n / (n - 1) where the window is taken for a sample of its n pixels.
    """

    taps: Taps
    k1: float = K1
    k2: float = K2
    sample: float = 1.0


class SsimTerms(NamedTuple):
    """SSIM with its factors: `ssim` is the mean of the map, the others are means of their own maps.

    Attributes:
      ssim: [N].
      luminance: [N], of (2 mean_x mean_y + c1) / (mean_x^2 + mean_y^2 + c1).
      contrast: [N], of (2 sd_x sd_y + c2) / (var_x + var_y + c2).
      structure: [N], of (cov_xy + c2 / 2) / (sd_x sd_y + c2 / 2).
      contrast_structure: [N], of the product of the last two.
      map: [N, H', W', C], SSIM in every window: as large as the image where the convention continues the image
        (scikit-image, torchmetrics), otherwise of the windows that fit.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> terms = image_quality.ssim_terms(x, y, data_range=1.0)
      >>> terms.ssim.shape, terms.contrast.shape, terms.map.shape
      ((4,), (4,), (4, 32, 32, 3))
    """

    ssim: Float[Array, "*n"]
    luminance: Float[Array, "*n"]
    contrast: Float[Array, "*n"]
    structure: Float[Array, "*n"]
    contrast_structure: Float[Array, "*n"]
    map: Float[Array, "*n h w c"]


@took_channels
@takes_arrays
def ssim(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    convention: SsimConvention = "scikit-image",
    colour: Colour = "own",
    crop_border: int = 0,
    window_size: int | None = None,
    sigma: float | None = None,
    weighting: Weighting | None = None,
    k1: float = K1,
    k2: float = K2,
) -> Scores:
    """Structural similarity of each pair of images.

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; values are expected in [0, data_range].
      convention: the implementation whose number it is; the module lists how they differ.
      colour: "own", each channel, in pyiqa a luma; or a gray by a name of `Colour`, such as "y".
      crop_border: pixels left out along every edge, before anything else.
      window_size: pixels along a side of the window, as the convention has it by default: 11, and 7 in
        scikit-image-default. With `sigma`, scikit-image and torchmetrics choose 2 * floor(3.5 sigma + 0.5) + 1, and
        MATLAB 2 * ceil(3 sigma) + 1. Odd, but for the conventions authors, tensorflow and dm-pix.
      sigma: of a Gaussian window, in pixels; 1.5 by default.
      weighting: "gaussian" or "uniform" windows; as the convention has it by default.
      k1: the luminance term's stabiliser is (k1 * data_range)^2.
      k2: that of contrast and structure is (k2 * data_range)^2.

    Returns:
      [N], in [-1, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, images are smaller than the
        window, or the window is none.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.ssim(y, y, data_range=1.0))
      [1. 1. 1. 1.]
      >>> print(np.asarray(image_quality.ssim(y / 2, y, data_range=1.0)).round(1))
      [0.6 0.6 0.6 0.6]
    """
    windows = windows_of("ssim", convention, window_size, sigma, weighting, k1, k2)
    return each_in_colour(_ssim, x, y, **_checked("ssim", x, y, data_range, convention, colour, crop_border, windows))


@took_channels
@takes_arrays
def ssim_terms(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    convention: SsimConvention = "scikit-image",
    colour: Colour = "own",
    crop_border: int = 0,
    window_size: int | None = None,
    sigma: float | None = None,
    weighting: Weighting | None = None,
    k1: float = K1,
    k2: float = K2,
) -> SsimTerms:
    """SSIM with its luminance, contrast and structure terms and its map; arguments and errors as for `ssim`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> terms = image_quality.ssim_terms(y / 2, y, data_range=1.0)
      >>> print(np.asarray(terms.contrast).round(1), np.asarray(terms.structure).round(1))
      [0.8 0.8 0.8 0.8] [1. 1. 1. 1.]
    """
    windows = windows_of("ssim_terms", convention, window_size, sigma, weighting, k1, k2)
    checked = _checked("ssim_terms", x, y, data_range, convention, colour, crop_border, windows)
    return each_in_colour(_terms, x, y, **checked)


def _checked(
    op: str,
    x: Numbers,
    y: Numbers,
    data_range: float | None,
    convention: SsimConvention,
    colour: Colour,
    crop_border: int,
    windows: Windows,
) -> dict:
    peak = image_pair(op, x, y, data_range, colours=(1, 3) if convention == "pyiqa" else ())
    check_colour(op, x, colour)
    size = len(windows.taps)
    # What is reflected has to be there; a repeated border, or zeros, continue any image.
    least = {"torchmetrics": size // 2 + 1, "matlab": 1, "gaussian-splatting": 1}.get(convention, size)
    check_crop(op, x, crop_border, least)
    return {
        "data_range": peak,
        "convention": convention,
        "colour": "own" if colour == "each-channel" and convention != "pyiqa" else colour,
        "crop_border": crop_border,
        "windows": windows,
    }


def windows_of(
    op: str,
    convention: SsimConvention,
    size: int | None,
    sigma: float | None,
    weighting: Weighting | None,
    k1: float,
    k2: float,
) -> Windows:
    """The windows of a convention, with the settings that are given in place of its own.

    Raises:
      InputError: the convention is unknown, or a setting is out of its range.
    """
    check_choice(op, "convention", convention, CONVENTIONS)
    default = convention == "scikit-image-default"
    weighting = weighting or ("uniform" if default else "gaussian")
    check_choice(op, "weighting", weighting, WEIGHTINGS)
    check_positive(op, k1=k1, k2=k2, sigma=1.5 if sigma is None else sigma)
    if weighting == "uniform" and sigma is not None:
        raise InputError(f"{op}: sigma={sigma!r} is of Gaussian windows; leave it out for uniform ones")
    if size is None:
        size = 7 if default else 11
        if sigma is not None and convention == "matlab":
            size = 2 * math.ceil(3 * sigma) + 1
        elif sigma is not None and (convention == "torchmetrics" or convention.startswith("scikit-image")):
            size = 2 * math.floor(3.5 * sigma + 0.5) + 1
    if isinstance(size, bool) or not isinstance(size, int) or size < 2:
        raise InputError(f"{op}: window_size={size!r} is not a whole number of 2 or more pixels")
    if size % 2 == 0 and convention not in _OF_ANY_SIZE:
        raise InputError(f"{op}: window_size={size} is even; the convention {convention} needs a middle pixel")
    taps = uniform_taps(size) if weighting == "uniform" else gaussian_taps(size, 1.5 if sigma is None else float(sigma))
    return Windows(taps, float(k1), float(k2), size**2 / (size**2 - 1) if default else 1.0)


def prepared(x: Pixels, *, data_range: float, convention: SsimConvention, crop_border: int) -> tuple[Pixels, float]:
    """One image as a convention takes windows from it, without its padding, and the data range it then has."""
    x = cropped(x, crop_border)
    if convention == "piq":
        return pool(x, max(1, round(min(x.shape[:2]) / 256))), data_range
    if convention == "authors":
        return _averaged(x, max(1, math.floor(min(x.shape[:2]) / 256 + 0.5))), data_range
    if convention == "pyiqa":
        x = x * (255.0 / data_range)
        # Gray images are rounded too; as colours with equal channels they are their own luma.
        return rounded_mix(jnp.broadcast_to(x, (*x.shape[:2], 3)), (299, 587, 114), 1000), 255.0
    return x, data_range


def _averaged(x: Pixels, size: int) -> Float[Array, "h2 w2 c"]:
    """Means of squares about every `size`-th pixel, the image mirrored at its borders: imfilter's, as ssim.m has it."""
    before = (size - 1) // 2
    after = [max(-(-side // size) * size - side - before, 0) for side in x.shape[:2]]
    return pool(pad_image(x, (before, before), (after[0], after[1]), "symmetric"), size)


def _ssim(x: Pixels, y: Pixels, *, windows: Windows, **options) -> Float[Array, ""]:
    convention = options["convention"]
    (x, peak), (y, _) = prepared(x, **options), prepared(y, **options)
    if convention in _BORDERS:
        x, y = (_padded(i, windows.taps, _BORDERS[convention]) for i in (x, y))
    losses = losses_by_channel(
        x,
        y,
        windows.taps,
        (windows.k1 * peak) ** 2,
        (windows.k2 * peak) ** 2,
        sample=windows.sample,
        clip=convention == "pyiqa",
    )
    return 1.0 - losses.ssim.mean()


def _padded(x: Pixels, taps: Taps, mode: str) -> Float[Array, "higher wider c"]:
    margin = len(taps) // 2
    return pad_image(x, (margin, margin), (margin, margin), mode)


def _terms(x: Pixels, y: Pixels, *, windows: Windows, **options) -> SsimTerms:
    convention = options["convention"]
    taps = windows.taps
    (x, peak), (y, _) = prepared(x, **options), prepared(y, **options)
    pads = _BORDERS | {"scikit-image": "symmetric", "scikit-image-default": "symmetric"}
    if convention in pads:
        x, y = _padded(x, taps, pads[convention]), _padded(y, taps, pads[convention])
    margin = len(taps) // 2 if convention.startswith("scikit-image") else 0  # the mean is of the windows that fit
    c1, c2 = (windows.k1 * peak) ** 2, (windows.k2 * peak) ** 2
    height, _, colours = x.shape

    def averaged(*maps: Pixels) -> list[Pixels]:
        means = blur(tuple(m.reshape(height, -1) for m in maps), taps, colours)
        return [m.reshape(height - len(taps) + 1, -1, colours) for m in means]

    s, d = x + y, x - y
    centre_s, centre_d = jnp.mean(s), jnp.mean(d)
    s, d = s - centre_s, d - centre_d
    mean_s, mean_d, square_s, square_d, product = averaged(s, d, s * s, d * d, s * d)
    sample = windows.sample
    var_s = sample * (square_s - mean_s * mean_s)
    var_d = sample * (square_d - mean_d * mean_d)
    cov_sd = sample * (product - mean_s * mean_d)
    mean_s, mean_d = mean_s + centre_s, mean_d + centre_d
    a = 2.0 * mean_d**2 / (mean_s**2 + mean_d**2 + 2.0 * c1)
    b = 2.0 * var_d / (var_s + var_d + 2.0 * c2)
    b = jnp.minimum(b, 1.0) if convention == "pyiqa" else b
    deviations = root(var_s + var_d + 2.0 * cov_sd) * root(var_s + var_d - 2.0 * cov_sd) / 4.0
    contrast = (2.0 * deviations + c2) / (0.5 * (var_s + var_d) + c2)
    structure = (0.25 * (var_s - var_d) + 0.5 * c2) / (deviations + 0.5 * c2)

    def mean(values: Pixels) -> Float[Array, ""]:
        return jnp.mean(values[margin : values.shape[0] - margin, margin : values.shape[1] - margin])

    loss = a + b - a * b
    return SsimTerms(1.0 - mean(loss), 1.0 - mean(a), mean(contrast), mean(structure), 1.0 - mean(b), 1.0 - loss)
