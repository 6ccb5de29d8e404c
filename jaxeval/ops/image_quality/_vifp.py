"""Visual information fidelity in the pixel domain (VIFp)."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import map_mean, map_sum
from jaxeval.ops.image_quality.batches import Scores, check_positive, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.windows import blur, gaussian_taps

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

NOISE = 2.0  # variance of the visual noise, of values from 0 to 255
_NO_VARIANCE = 1e-8  # windows below it count as constant


@takes_arrays
def vifp(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", noise: float = NOISE
) -> Scores:
    """Visual information fidelity in the pixel domain, of the luma on four scales, as in piq and the authors' code.

    Args:
      x: distorted images, RGB or gray, [N, H, W, 3 or 1], any real dtype, of at least 41 x 41 pixels.
      y: reference images, as x; the order matters.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      noise: variance of the visual noise, of values from 0 to 255.

    Returns:
      [N]; 1 for identical images, above 1 where `x` has more contrast than `y`; 1 if `y` is constant.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Sheikh, Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006, and vifp_mscale.m.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 48, 48, 3))
      >>> image_quality.vifp(x, y, data_range=1.0).shape
      (4,)
    """
    peak = image_pair("vifp", x, y, data_range, least_side=41, colours=(1, 3))
    check_colour("vifp", x, colour)
    check_positive("vifp", noise=noise)
    return each_in_colour(_vifp, x, y, data_range=peak, colour=colour, visual=float(noise))


def _vifp(x: Pixels, y: Pixels, *, data_range: float, visual: float) -> Float[Array, ""]:
    # From the difference, what is lost of identical images is 0 exactly, however a compiler rounds.
    d, y = (luma_yiq(i * (255.0 / data_range)) for i in (x - y, y))
    # Variances do not depend on the level, and without it keep their digits.
    d, y = (i - lax.stop_gradient(map_mean(i)) for i in (d, y))
    lost, available = jnp.float32(0.0), jnp.float32(0.0)
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        taps = gaussian_taps(size, size / 5)
        if scale > 0:
            d, y = (i[::2, ::2] for i in blur((d, y), taps))
        mean_d, mean_y, dd, yy, dy = blur((d, y, d * d, y * y, d * y), taps)
        var_d, covariance_dy = dd - mean_d * mean_d, dy - mean_d * mean_y
        var_y = jnp.maximum(yy - mean_y * mean_y, 0.0)
        var_x = jnp.maximum(var_y + 2.0 * covariance_dy + var_d, 0.0)
        covariance = var_y + covariance_dy
        textured = (var_x >= _NO_VARIANCE) & (var_y >= _NO_VARIANCE) & (covariance > 0)
        change = jnp.where(textured, covariance_dy, 0.0) / jnp.where(textured, var_y, 1.0)
        gain = jnp.where(textured, 1.0 + change, 0.0)
        noise = jnp.maximum(jnp.where(textured, var_d - change * covariance_dy, var_x), 0.0) + visual
        var_y = jnp.where(var_y < _NO_VARIANCE, 0.0, var_y)  # asked so that NaN stays
        squared = gain * gain
        lost = lost + map_sum(jnp.log1p(var_y * (noise - visual * squared) / (visual * (noise + squared * var_y))))
        available = available + map_sum(jnp.log1p(var_y / visual))
    has_content = available > 0
    return 1.0 - lost / jnp.where(has_content, available, 1.0)
