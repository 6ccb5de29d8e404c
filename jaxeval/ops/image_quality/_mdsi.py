"""Mean deviation similarity index (MDSI)."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import magnitude, map_mean, power, similarity
from jaxeval.ops.image_quality.batches import Scores, check_choice, each_image, image_pair
from jaxeval.ops.image_quality.colour import LHM, transform
from jaxeval.ops.image_quality.gradients import prewitt
from jaxeval.ops.image_quality.windows import pad_image, pool

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

_C1, _C2, _C3 = 140.0, 55.0, 550.0  # of values from 0 to 255
_ALPHA = 0.6  # share of gradients against chroma in a sum
_LOG_OF_NOTHING = -1e4  # whose exponential is 0 also after the powers below
_GAMMA, _BETA = 0.2, 0.1  # powers of gradients and chroma in a product

_COMBINATIONS = ("sum", "mult")


@takes_arrays
def mdsi(x: Numbers, y: Numbers, *, data_range: float | None = None, combination: str = "sum") -> Scores:
    """Mean deviation similarity index, combined by sum or by product, as in the authors' MDSI.m.

    The mean absolute deviation of the fourth roots of a map of gradient and chroma similarity, to the power of 1/4.
    Roots of negative similarities are complex, on the principal branch.

    Args:
      x: distorted images, RGB, [N, H, W, 3], any real dtype; gray ones, [N, H, W, 1], count as RGB with equal channels.
      y: reference images, as x; the order matters.
      data_range: width of the values' range, such as 1.0 or 255.
      combination: "sum", 0.6 of the gradients' similarity and 0.4 of the chroma's, the authors' default; or "mult", the
        product of their powers of 0.2 and 0.1, in which piq adds up the imaginary parts instead.

    Returns:
      [N], from 0, exactly, for identical images upwards: lower is better.

    Raises:
      InputError: shapes, dtypes, values, the data range or the combination do not fit, or a value is not finite.

    Reference: Nafchi, Shahkolaei, Hedjam, Cheriet, "Mean deviation similarity index", IEEE Access 4, 2016.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.mdsi(y, y, data_range=1.0))
      [0. 0. 0. 0.]
    """
    check_choice("mdsi", "combination", combination, _COMBINATIONS)
    peak = image_pair("mdsi", x, y, data_range, colours=(1, 3))
    return each_image(_mdsi, x, y, data_range=peak, combination=combination)


def _mdsi(x: Pixels, y: Pixels, *, data_range: float, combination: str) -> Float[Array, ""]:
    x, y = (_lhm(i * (255.0 / data_range)) for i in (x, y))
    luma_x, luma_y = x[..., 0], y[..., 0]
    edges_x, edges_y, edges_mean = prewitt(luma_x), prewitt(luma_y), prewitt((luma_x + luma_y) / 2.0)
    # All in distances from 1: the roots below would magnify the rounding of similarities near 1.
    gradient_loss = (
        (1.0 - similarity(edges_x, edges_y, _C1))
        + (1.0 - similarity(edges_x, edges_mean, _C2))
        - (1.0 - similarity(edges_y, edges_mean, _C2))
    )
    difference = jnp.sum((x[..., 1:] - y[..., 1:]) ** 2, axis=-1)
    size = jnp.sum(x[..., 1:] ** 2 + y[..., 1:] ** 2, axis=-1)
    chroma_loss = difference / (size + _C3)
    if combination == "sum":
        length, angle = _log_polar(_ALPHA * gradient_loss + (1.0 - _ALPHA) * chroma_loss)
    else:
        (of_gradients, gradients_turn), (of_chroma, chromas_turn) = map(_log_polar, (gradient_loss, chroma_loss))
        length = _GAMMA * of_gradients + _BETA * of_chroma
        angle = _GAMMA * gradients_turn + _BETA * chromas_turn
    # The fourth root, less 1.
    length, angle = length / 4.0, angle / 4.0
    real = jnp.expm1(length) * jnp.cos(angle) - 2.0 * jnp.sin(angle / 2.0) ** 2
    imaginary = jnp.exp(length) * jnp.sin(angle)
    deviation = magnitude(real - map_mean(real), imaginary - map_mean(imaginary))
    return power(map_mean(deviation), 0.25)


def _lhm(x: Pixels) -> Pixels:
    """L, H and M, averaged in squares of round(least side / 256) pixels, with zeros around the image."""
    size = max(1, round(min(x.shape[:2]) / 256))
    before, after = (size - 1) // 2, size // 2
    if x.shape[-1] == 1:
        x = jnp.broadcast_to(x, (*x.shape[:2], 3))
    return pool(pad_image(transform(x, LHM), (before, before), (after, after), "constant"), size)


def _log_polar(loss: Plane) -> tuple[Plane, Plane]:
    """Logarithm of the size and the angle of 1 - loss; of 0, where the gradient is 0, that of a very small number."""
    positive, negative = loss < 1.0, loss > 1.0
    of_positive = jnp.log1p(-jnp.where(positive, loss, 0.0))
    of_negative = jnp.log(jnp.where(negative, loss - 1.0, 1.0))
    length = jnp.where(positive, of_positive, jnp.where(negative, of_negative, _LOG_OF_NOTHING + 0.0 * loss))
    return length, jnp.where(positive, 0.0, math.pi)
