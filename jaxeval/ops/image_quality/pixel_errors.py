"""Pixel-wise errors: mean squared and absolute error, its root, and the peak signal-to-noise ratio."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import absolute, map_mean, root
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import (
    IN_WHOLE_NUMBERS,
    Colour,
    check_colour,
    check_crop,
    cropped,
    each_in_colour,
    took_channels,
)

_DECIBELS = 4.342944819032518  # 10 / ln 10


@took_channels
@takes_arrays
def mse(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", crop_border: int = 0
) -> Scores:
    """Mean squared error of each image.

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; it only guards against mixed-up scales here.
      colour: "own", all channels together; or each channel, or a gray, by a name of `Colour`, such as "y", on which
        super-resolution papers report.
      crop_border: pixels left out along every edge.

    Returns:
      [N], in squared units of the images.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, or a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.zeros((2, 16, 16, 3))
      >>> print(image_quality.mse(y + 0.5, y, data_range=1.0))
      [0.25 0.25]
    """
    return _errors("mse", x, y, data_range, colour, crop_border)


@took_channels
@takes_arrays
def mae(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", crop_border: int = 0
) -> Scores:
    """Mean absolute error of each image; arguments and errors as for `mse`.

    Returns:
      [N], in units of the images.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.zeros((2, 16, 16, 3))
      >>> print(image_quality.mae(y + 0.5, y, data_range=1.0))
      [0.5 0.5]
    """
    return _errors("mae", x, y, data_range, colour, crop_border)


@took_channels
@takes_arrays
def rmse(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", crop_border: int = 0
) -> Scores:
    """Root of the mean squared error of each image; arguments and errors as for `mse`.

    Returns:
      [N], in units of the images. Its gradient is 0 where the images are identical.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.zeros((2, 16, 16, 3))
      >>> print(image_quality.rmse(y + 0.5, y, data_range=1.0))
      [0.5 0.5]
    """
    return _errors("rmse", x, y, data_range, colour, crop_border)


@took_channels
@takes_arrays
def psnr(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", crop_border: int = 0
) -> Scores:
    """Peak signal-to-noise ratio of each image: 10 log10(data_range^2 / mse).

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; the peak, also for Y, as papers have it.
      colour: "own", all channels together; or each channel, or a gray, by a name of `Colour`, such as "y", on which
        super-resolution papers report.
      crop_border: pixels left out along every edge; super-resolution papers leave out as many as the factor.

    Returns:
      [N], in decibels; infinite for identical images, with gradient 0 there. No epsilon is added, unlike in piq,
      whose values stop at 80 dB.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, or a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.zeros((2, 16, 16, 3))
      >>> print(np.asarray(image_quality.psnr(y + 0.1, y, data_range=1.0)).round(3))
      [20. 20.]
    """
    return _errors("psnr", x, y, data_range, colour, crop_border)


def _errors(op: str, x: Numbers, y: Numbers, data_range: float | None, colour: Colour, crop_border: int) -> Scores:
    # Rounding to whole codes depends on where 0 is; nothing else here does.
    peak = image_pair(op, x, y, data_range, of_differences=colour not in IN_WHOLE_NUMBERS)
    check_colour(op, x, colour)
    check_crop(op, x, crop_border, 1)
    return each_in_colour(_error, x, y, colour=colour, data_range=peak, kind=op, crop_border=crop_border)


def _error(
    x: Float[Array, "h w c"], y: Float[Array, "h w c"], *, kind: str, data_range: float, crop_border: int
) -> Float[Array, ""]:
    x, y = cropped(x, crop_border), cropped(y, crop_border)
    difference = x - y
    if kind == "mae":
        return map_mean(absolute(difference))
    # The range is taken out before squaring, so that no scale of the images overflows or loses small errors.
    error = map_mean(jnp.square(difference / data_range))
    if kind == "mse":
        return error * data_range**2
    if kind == "rmse":
        return root(error) * data_range
    different = error > 0
    return jnp.where(different, -_DECIBELS * jnp.log(jnp.where(different, error, 1.0)), jnp.inf + 0.0 * error)
