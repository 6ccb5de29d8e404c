"""Structural similarity (SSIM), as each reference implementation computes it.

    SSIM = (2 mean_x mean_y + c1) (2 cov_xy + c2) / ((mean_x^2 + mean_y^2 + c1) (var_x + var_y + c2))

in windows of 11 x 11 pixels weighted by a Gaussian of sigma 1.5, with c1 = (0.01 data_range)^2 and
c2 = (0.03 data_range)^2; per channel, averaged over windows and channels. Conventions differ in what happens before
(colour, size), at the borders, and in the kind of variance:

| convention           | differs by                                                                                   |
|----------------------|----------------------------------------------------------------------------------------------|
| scikit-image         | nothing: Wang's settings (gaussian_weights=True, use_sample_covariance=False, sigma=1.5); windows that fit |
| scikit-image-default | its defaults: 7 x 7 uniform windows, sample covariance                                       |
| pytorch-msssim       | nothing: windows that fit; the same number as scikit-image                                    |
| dm-pix               | nothing: windows that fit; its clips touch rounding errors only                              |
| torchmetrics         | reflects at the borders and averages over the whole map                                      |
| piq                  | first averages squares of round(least side / 256) pixels, if that is more than 1             |
| pyiqa                | luma of YIQ in whole numbers from 0 to 255; contrast * structure below 0 counts as 0          |

Reference: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 13(4), 2004.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import root
from jaxeval.ops.image_quality._moments_of_windows import losses_by_channel
from jaxeval.ops.image_quality.batches import Scores, check_choice, each_image, image_pair
from jaxeval.ops.image_quality.colour import View, check_view, rounded_mix, view
from jaxeval.ops.image_quality.windows import Taps, blur, gaussian_taps, pad_image, pool, uniform_taps

Pixels = Float[Array, "_ _ _"]

SsimConvention = Literal[
    "scikit-image", "scikit-image-default", "pytorch-msssim", "dm-pix", "torchmetrics", "piq", "pyiqa"
]
CONVENTIONS: tuple[SsimConvention, ...] = (
    "scikit-image",
    "scikit-image-default",
    "pytorch-msssim",
    "dm-pix",
    "torchmetrics",
    "piq",
    "pyiqa",
)
K1, K2 = 0.01, 0.03


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


@takes_arrays
def ssim(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    convention: SsimConvention = "scikit-image",
    channels: View = "all",
    crop_border: int = 0,
) -> Scores:
    """Structural similarity of each pair of images.

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; values are expected in [0, data_range].
      convention: the implementation whose number it is; the module lists how they differ.
      channels: "all"; "y", the luma of `rgb_to_y`; or "y-rounded", rounded to 8 bits as in MATLAB.
      crop_border: pixels left out along every edge, before anything else.

    Returns:
      [N], in [-1, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are smaller than
        the window.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.ssim(y, y, data_range=1.0))
      [1. 1. 1. 1.]
      >>> print(np.asarray(image_quality.ssim(y / 2, y, data_range=1.0)).round(1))
      [0.6 0.6 0.6 0.6]
    """
    return each_image(_ssim, x, y, **_checked("ssim", x, y, data_range, convention, channels, crop_border))


@takes_arrays
def ssim_terms(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    convention: SsimConvention = "scikit-image",
    channels: View = "all",
    crop_border: int = 0,
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
    return each_image(_terms, x, y, **_checked("ssim_terms", x, y, data_range, convention, channels, crop_border))


def _checked(
    op: str,
    x: Numbers,
    y: Numbers,
    data_range: float | None,
    convention: SsimConvention,
    channels: View,
    crop_border: int,
) -> dict:
    check_choice(op, "convention", convention, CONVENTIONS)
    colours = (1, 3) if convention == "pyiqa" else ()
    peak = image_pair(op, x, y, data_range, colours=colours)
    size = len(window_of(convention))
    check_view(op, x, channels, crop_border, size // 2 + 1 if convention == "torchmetrics" else size)
    return {"data_range": peak, "convention": convention, "channels": channels, "crop_border": crop_border}


def window_of(convention: SsimConvention) -> Taps:
    """A convention's window along either axis."""
    return uniform_taps(7) if convention == "scikit-image-default" else gaussian_taps(11, 1.5)


def sample_of(convention: SsimConvention) -> float:
    """What a convention multiplies variances by: n / (n - 1) where it takes the window for a sample."""
    return 49.0 / 48.0 if convention == "scikit-image-default" else 1.0


def prepared(
    x: Pixels, *, data_range: float, convention: SsimConvention, channels: View, crop_border: int
) -> tuple[Pixels, float]:
    """One image as a convention takes windows from it, without its padding, and the data range it then has."""
    x = view(x, data_range=data_range, channels=channels, crop_border=crop_border)
    if convention == "piq":
        return pool(x, max(1, round(min(x.shape[:2]) / 256))), data_range
    if convention == "pyiqa":
        x = x * (255.0 / data_range)
        # Gray images are rounded too; as colours with equal channels they are their own luma.
        return rounded_mix(jnp.broadcast_to(x, (*x.shape[:2], 3)), (299, 587, 114), 1000), 255.0
    return x, data_range


def _ssim(x: Pixels, y: Pixels, **options) -> Float[Array, ""]:
    convention = options["convention"]
    taps = window_of(convention)
    (x, peak), (y, _) = prepared(x, **options), prepared(y, **options)
    if convention == "torchmetrics":
        x, y = _padded(x, taps, "reflect"), _padded(y, taps, "reflect")
    losses = losses_by_channel(
        x,
        y,
        taps,
        (K1 * peak) ** 2,
        (K2 * peak) ** 2,
        sample=sample_of(convention),
        clip=convention == "pyiqa",
    )
    return 1.0 - losses.ssim.mean()


def _padded(x: Pixels, taps: Taps, mode: str) -> Float[Array, "higher wider c"]:
    margin = len(taps) // 2
    return pad_image(x, (margin, margin), (margin, margin), mode)


def _terms(x: Pixels, y: Pixels, **options) -> SsimTerms:
    convention = options["convention"]
    taps = window_of(convention)
    (x, peak), (y, _) = prepared(x, **options), prepared(y, **options)
    pads = {"torchmetrics": "reflect", "scikit-image": "symmetric", "scikit-image-default": "symmetric"}
    if convention in pads:
        x, y = _padded(x, taps, pads[convention]), _padded(y, taps, pads[convention])
    margin = len(taps) // 2 if convention.startswith("scikit-image") else 0  # the mean is of the windows that fit
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    height, _, colours = x.shape

    def windows(*maps: Pixels) -> list[Pixels]:
        means = blur(tuple(m.reshape(height, -1) for m in maps), taps, colours)
        return [m.reshape(height - len(taps) + 1, -1, colours) for m in means]

    s, d = x + y, x - y
    centre_s, centre_d = jnp.mean(s), jnp.mean(d)
    s, d = s - centre_s, d - centre_d
    mean_s, mean_d, square_s, square_d, product = windows(s, d, s * s, d * d, s * d)
    sample = sample_of(convention)
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
