"""Pixel-wise errors: mean squared and absolute error, its root, and the peak signal-to-noise ratio."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import absolute, map_mean, root
from jaxeval.ops.image_quality.batches import Scores, each_image, image_pair
from jaxeval.ops.image_quality.colour import View, check_view, view

_DECIBELS = 4.342944819032518  # 10 / ln 10


@takes_arrays
def mse(
    x: Numbers, y: Numbers, *, data_range: float | None = None, channels: View = "all", crop_border: int = 0
) -> Scores:
    """Mean squared error of each image.

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; it only guards against mixed-up scales here.
      channels: "all"; "y", the luma of `rgb_to_y`; or "y-rounded", rounded to 8 bits as in MATLAB.
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
    return _errors("mse", x, y, data_range, channels, crop_border)


@takes_arrays
def mae(
    x: Numbers, y: Numbers, *, data_range: float | None = None, channels: View = "all", crop_border: int = 0
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
    return _errors("mae", x, y, data_range, channels, crop_border)


@takes_arrays
def rmse(
    x: Numbers, y: Numbers, *, data_range: float | None = None, channels: View = "all", crop_border: int = 0
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
    return _errors("rmse", x, y, data_range, channels, crop_border)


@takes_arrays
def psnr(
    x: Numbers, y: Numbers, *, data_range: float | None = None, channels: View = "all", crop_border: int = 0
) -> Scores:
    """Peak signal-to-noise ratio of each image: 10 log10(data_range^2 / mse).

    Args:
      x: images, [N, H, W, C], any real dtype.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; the peak, also for Y, as papers have it.
      channels: "all"; "y", the luma of `rgb_to_y`; or "y-rounded", rounded to 8 bits as in MATLAB.
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
    return _errors("psnr", x, y, data_range, channels, crop_border)


def _errors(op: str, x: Numbers, y: Numbers, data_range: float | None, channels: View, crop_border: int) -> Scores:
    # Rounding to whole codes depends on where 0 is; nothing else here does.
    peak = image_pair(op, x, y, data_range, of_differences=channels != "y-rounded")
    check_view(op, x, channels, crop_border, 1)
    return each_image(_error, x, y, kind=op, data_range=peak, channels=channels, crop_border=crop_border)


def _error(
    x: Float[Array, "h w c"],
    y: Float[Array, "h w c"],
    *,
    kind: str,
    data_range: float,
    channels: View,
    crop_border: int,
) -> Float[Array, ""]:
    x, y = (view(i, data_range=data_range, channels=channels, crop_border=crop_border) for i in (x, y))
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
