"""Complex wavelet structural similarity (CW-SSIM)."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import filtered, magnitude, map_sum
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.windows import blur, gaussian_taps

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]

_LEVELS, _ORIENTATIONS = 4, 8
_WINDOW = 7
_NOTHING = 1e-14  # energies of coefficients that are rounding: below 1e-7 of the data range


@takes_arrays
def cw_ssim(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Complex wavelet SSIM of the luma, which small shifts, rotations and scalings change little.

    As pyiqa's: the coarsest of four levels and eight orientations of a complex steerable pyramid, windows of 7 x 7
    coefficients, K = 0, a Gaussian weight about the centre; but the luma is not rounded to whole numbers first.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 64 x 64 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; the value does not depend on it.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, also for constant ones, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Sampat, Wang, Gupta, Bovik, Markey, "Complex wavelet structural similarity: a new image similarity
    index", IEEE TIP 18(11), 2009; Portilla, Simoncelli's buildSCFpyr.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 64, 64, 3))
      >>> image_quality.cw_ssim(x, y, data_range=1.0).shape
      (4,)
    """
    peak = image_pair("cw_ssim", x, y, data_range, least_side=64, colours=(1, 3))
    check_colour("cw_ssim", x, colour)
    return each_in_colour(_cw_ssim, x, y, data_range=peak, colour=colour)


def _cw_ssim(x: Pixels, y: Pixels, *, data_range: float) -> Float[Array, ""]:
    x, y = (luma_yiq(i * (1.0 / data_range)) for i in (x, y))
    filters, (top, left) = _filters(*x.shape)
    height, width = filters.shape[1:]

    def bands(image: Plane) -> tuple[Float[Array, "o p q"], Float[Array, "o p q"]]:
        # Without a constant, which no band passes; a pixel's, so that nothing at all is left of constant images.
        spectrum = jnp.fft.fftshift(jnp.fft.fft2(image - lax.stop_gradient(image[0, 0])))
        low = spectrum[top : top + height, left : left + width]
        coefficients = jnp.fft.ifft2(jnp.fft.ifftshift(filtered(low[None], filters), axes=(1, 2)))
        return coefficients.real, coefficients.imag

    (a, b), (c, d) = bands(x), bands(y)
    taps = (1.0 / _WINDOW,) * _WINDOW
    weights = np.outer(
        *(np.array(gaussian_taps(side - _WINDOW + 1, height / 4), np.float32) for side in (height, width))
    )
    real, imaginary, energy = blur((a * c + b * d, b * c - a * d, a**2 + b**2 + c**2 + d**2), taps)
    content = energy > _NOTHING
    loss = jnp.where(content, energy - 2.0 * magnitude(real, imaginary), 0.0 * energy)
    loss = loss / jnp.where(content, energy, 1.0) * weights[None]
    return 1.0 - map_sum(loss.reshape(-1, loss.shape[-1])) / _ORIENTATIONS


@functools.lru_cache(16)
def _filters(height: int, width: int) -> tuple[Float[np.ndarray, "o p q"], tuple[int, int]]:
    """The coarsest level's oriented filters on the part of the shifted spectrum that they pass, and where it begins.

    The pyramid's steps, each a low pass and the spectrum's inner half, are multiplied into one filter an orientation.
    """
    down, right = (_axis(size) for size in (height, width))
    angle = np.arctan2(down[:, None], right)
    radius = np.hypot(down[:, None], right)
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    radius = np.log2(radius)
    at, high = _raised_cosine()
    low = np.sqrt(1 - high**2)
    filters = np.interp(radius, at, low)
    start = np.zeros(2, int)
    for level in range(_LEVELS):
        at = at - 1.0
        if level == _LEVELS - 1:
            break
        shape = np.array(filters.shape)
        length = np.ceil((shape - 0.5) / 2).astype(int)
        first = (np.ceil((shape + 0.5) / 2) - np.ceil((length + 0.5) / 2)).astype(int)
        inner = tuple(slice(f, f + n) for f, n in zip(first, length, strict=True))
        filters, radius, angle = filters[inner], radius[inner], angle[inner]
        filters = filters * np.interp(radius, at, low)
        start += first
    filters = filters * np.interp(radius, at, high)
    order = _ORIENTATIONS - 1
    size = 2 ** (2 * order) * math.factorial(order) ** 2 / (_ORIENTATIONS * math.factorial(2 * order))
    oriented = []
    for o in range(_ORIENTATIONS):
        turned = np.mod(angle - np.pi * o / _ORIENTATIONS + np.pi, 2 * np.pi) - np.pi
        oriented.append(filters * 2 * math.sqrt(size) * np.cos(turned) ** order * (np.abs(turned) < np.pi / 2))
    return np.stack(oriented).astype(np.float32), (int(start[0]), int(start[1]))


def _axis(size: int) -> Float[np.ndarray, " size"]:
    """Shifted frequencies, 1 at half the sampling rate."""
    return (np.arange(size) - size // 2) / (size / 2)


def _raised_cosine() -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """A transition over an octave below 1, in log2 of the radius: where, and the root of a raised cosine."""
    steps = np.pi * np.arange(-257, 2) / 512
    values = np.cos(steps) ** 2
    values[0], values[-1] = values[1], values[-2]
    return -0.5 + 2 / np.pi * (steps + np.pi / 4), np.sqrt(values)
