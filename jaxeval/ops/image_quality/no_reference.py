"""Statistics of single images: total variation, sharpness, colourfulness, exposure and entropy."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import absolute, magnitude, map_mean, map_sum, root
from jaxeval.ops.image_quality.batches import Scores, check_choice, check_data_range, check_images, each_image
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]

_NORMS = ("l1", "l2", "l2-squared")


class Exposure(NamedTuple):
    """How an image's range is used.

    Attributes:
      mean: [N], mean luma over the data range.
      deviation: [N], standard deviation of the luma over the data range (RMS contrast).
      black: [N], share of pixels of which a channel is at 0 or below: clipped shadows.
      white: [N], share of pixels of which a channel is at the data range or above: clipped highlights.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.array([0, 255], np.uint8).repeat(128).reshape(1, 16, 16, 1)
      >>> exposure = image_quality.exposure(images, data_range=255)
      >>> print(exposure.black, exposure.white)
      [0.5] [0.5]
    """

    mean: Float[Array, "*n"]
    deviation: Float[Array, "*n"]
    black: Float[Array, "*n"]
    white: Float[Array, "*n"]


@takes_arrays
def total_variation(x: Numbers, *, data_range: float | None = None, norm: str = "l1") -> Scores:
    """Total variation: the sum over neighbours, along both axes and in all channels, of their differences.

    Args:
      x: images, [N, H, W, C], any real dtype.
      data_range: width of the values' range; it only guards against mixed-up scales here.
      norm: "l1", absolute differences (also tf.image's); "l2-squared", squares; "l2", the root of that sum. As in piq.

    Returns:
      [N], in units of the images ("l2-squared": squared); 0 for constant images, with gradient 0 there.

    Raises:
      InputError: shape, dtype, values, the data range or the norm do not fit, or a value is not finite.

    Reference: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60, 1992.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.zeros((2, 16, 16, 1))
      >>> images[1, 8:] = 1.0
      >>> print(image_quality.total_variation(images, data_range=1.0))
      [ 0. 16.]
    """
    check_choice("total_variation", "norm", norm, _NORMS)
    _checked("total_variation", x, data_range, of_differences=True)
    return each_image(_total_variation, x, norm=norm)


@takes_arrays
def sharpness(x: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Variance of the Laplacian of the luma, for values from 0 to 255: low for blurred images.

    The Laplacian is 4-connected with the border mirrored, as in `cv2.Laplacian(gray, cv2.CV_64F).var()`.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 2 x 2 pixels.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], from 0 upwards; 0 for constant images.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia, "Diatom autofocusing in brightfield
    microscopy: a comparative study", ICPR 2000.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.full((2, 16, 16, 3), 0.5)
      >>> images[1, 8:] = 1.0
      >>> image_quality.sharpness(images, data_range=1.0) > 0
      Array([False,  True], dtype=bool)
    """
    peak = _checked("sharpness", x, data_range, least_side=2, colours=(1, 3), of_differences=True)
    check_colour("sharpness", x, colour)
    return each_in_colour(_sharpness, x, data_range=peak, colour=colour)


@takes_arrays
def colourfulness(x: Numbers, *, data_range: float | None = None) -> Scores:
    """Colourfulness of RGB images from 0 to 255 after Hasler and Suesstrunk (their M-hat 3).

    With rg = R - G and yb = (R + G) / 2 - B: the root of the sum of both variances, and 0.3 times the length of both
    means.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype.
      data_range: width of the values' range, such as 1.0 or 255.

    Returns:
      [N], from 0, for gray images, upwards; 109 is called extremely colourful.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, or a value is not finite.

    Reference: Hasler, Suesstrunk, "Measuring colorfulness in natural images", Human Vision and Electronic Imaging 2003.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> gray, red = np.full((2, 16, 16, 3), 128.0)
      >>> red[..., 1:] = 0
      >>> print(np.asarray(image_quality.colourfulness(np.stack([gray, red]), data_range=255)).round(2))
      [ 0.   42.93]
    """
    return each_image(_colourfulness, x, data_range=_checked("colourfulness", x, data_range, colours=(3,)))


@takes_arrays
def exposure(x: Numbers, *, data_range: float | None = None) -> Exposure:
    """Brightness, contrast, and the shares of pixels clipped to black and to white.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype.
      data_range: width of the values' range, such as 1.0 or 255.

    Returns:
      Four numbers an image, each in [0, 1]; the shares have no gradient.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, or a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.full((2, 16, 16, 3), 0.25)
      >>> exposure = image_quality.exposure(images, data_range=1.0)
      >>> print(np.asarray(exposure.mean).round(2), np.asarray(exposure.deviation).round(2))
      [0.25 0.25] [0. 0.]
    """
    return each_image(_exposure, x, data_range=_checked("exposure", x, data_range, colours=(1, 3)))


@takes_arrays
def entropy(x: Numbers, *, data_range: float | None = None, colour: Colour = "own", bins: int = 256) -> Scores:
    """Shannon entropy, in bits, of the luma's histogram.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      bins: codes that the range is rounded to: 256 gives the entropy of 8-bit luma.

    Returns:
      [N], from 0, for constant images, to log2(bins). It has no gradient.

    Raises:
      InputError: shape, dtype, values, the data range or `bins` do not fit, or a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.array([0, 85, 170, 255], np.uint8).repeat(64).reshape(1, 16, 16, 1)
      >>> print(np.asarray(image_quality.entropy(images, data_range=255)).round(4))
      [2.]
    """
    if bins < 2:
        raise InputError(f"entropy: bins={bins} is not a number of codes, 2 or more")
    peak = _checked("entropy", x, data_range, colours=(1, 3))
    check_colour("entropy", x, colour)
    return each_in_colour(_entropy, x, colour=colour, data_range=peak, bins=bins)


def _checked(
    op: str,
    x: Numbers,
    data_range: float | None,
    least_side: int = 1,
    colours: tuple[int, ...] = (),
    of_differences: bool = False,
) -> float:
    check_images(op, "x", x, least_side=least_side, colours=colours)
    return check_data_range(op, {"x": x}, data_range, of_differences=of_differences)


def _total_variation(x: Pixels, *, norm: str) -> Float[Array, ""]:
    total = jnp.float32(0.0)
    for difference in (x[1:] - x[:-1], x[:, 1:] - x[:, :-1]):
        if difference.size:
            total = total + map_sum(absolute(difference) if norm == "l1" else difference * difference)
    return root(total) if norm == "l2" else total


def _sharpness(x: Pixels, *, data_range: float) -> Float[Array, ""]:
    plane = luma_yiq(x * (255.0 / data_range))
    padded = jnp.pad(plane, 1, mode="reflect")
    laplacian = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4.0 * plane
    return map_mean((laplacian - map_mean(laplacian)) ** 2)


def _colourfulness(x: Pixels, *, data_range: float) -> Float[Array, ""]:
    red, green, blue = (x[..., c] * (255.0 / data_range) for c in range(3))
    opponents = red - green, 0.5 * (red + green) - blue
    means = [map_mean(o) for o in opponents]
    variances = [map_mean((o - m) ** 2) for o, m in zip(opponents, means, strict=True)]
    return root(variances[0] + variances[1]) + 0.3 * magnitude(means[0], means[1])


def _exposure(x: Pixels, *, data_range: float) -> Exposure:
    x = x * (1.0 / data_range)
    plane = luma_yiq(x)
    mean = map_mean(plane)
    # Not-a-number stays one: comparisons alone would lose it.
    black, white = ((clipped.any(-1).astype(plane.dtype) + 0.0 * plane) for clipped in (x <= 0.0, x >= 1.0))
    return Exposure(mean, root(map_mean((plane - mean) ** 2)), map_mean(black), map_mean(white))


def _entropy(x: Pixels, *, data_range: float, bins: int) -> Float[Array, ""]:
    plane = luma_yiq(x * ((bins - 1) / data_range))
    codes = jnp.clip(jnp.round(plane), 0, bins - 1).astype(jnp.int32).reshape(-1)
    shares = jnp.zeros(bins, jnp.float32).at[codes].add(1.0) / codes.size
    present = shares > 0
    bits = -(jnp.where(present, shares, 0.0) * jnp.log2(jnp.where(present, shares, 1.0))).sum()
    return bits + 0.0 * map_mean(plane)
