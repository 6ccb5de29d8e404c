"""Spectral residual-based similarity (SR-SIM)."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import filtered, magnitude, power, similarity, stretched, weighted_similarity
from jaxeval.ops.image_quality.batches import Scores, each_image, image_pair
from jaxeval.ops.image_quality.colour import YIQ, transform
from jaxeval.ops.image_quality.gradients import scharr
from jaxeval.ops.image_quality.resampling import cubic, resampled
from jaxeval.ops.image_quality.windows import blur, columns, gaussian_taps, pad_image, pool, rows, uniform_taps

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

_SALIENCY, _GRADIENT, _CHROMA = 0.40, 225.0, 200.0  # constants of the similarities, for values from 0 to 255
_CHROMA_POWER = 0.03
_SCALE = 0.25  # saliency is found on images so much smaller
_LEAST = float(np.finfo(np.float32).eps)  # added to amplitudes before their logarithm, as in piq


@takes_arrays
def sr_sim(x: Numbers, y: Numbers, *, data_range: float | None = None, chromatic: bool = False) -> Scores:
    """Spectral residual-based similarity of each pair of images, as in piq for one image at a time.

    (piq stretches the saliency of a batch by the batch's extremes, so that its values depend on the other images.)
    Images whose least side is much above 256 are first averaged in squares of round(side / 256) pixels.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 37 x 37 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      chromatic: compare chroma (I and Q) too; RGB only.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Zhang, Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", ICIP 2012.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 48, 48, 3))
      >>> image_quality.sr_sim(x, y, data_range=1.0).shape
      (4,)
    """
    peak = image_pair("sr_sim", x, y, data_range, least_side=37, colours=(3,) if chromatic else (1, 3))
    return each_image(_sr_sim, x, y, data_range=peak, chromatic=chromatic)


def _sr_sim(x: Pixels, y: Pixels, *, data_range: float, chromatic: bool) -> Float[Array, ""]:
    x, y = (_prepared(i * (255.0 / data_range), chromatic) for i in (x, y))
    luma_x, luma_y = x[..., 0], y[..., 0]
    saliency_x, saliency_y = _saliency(luma_x), _saliency(luma_y)
    similar = similarity(saliency_x, saliency_y, _SALIENCY)
    similar = similar * power(similarity(scharr(luma_x), scharr(luma_y), _GRADIENT), 0.5)
    if chromatic:
        chroma = similarity(x[..., 1], y[..., 1], _CHROMA) * similarity(x[..., 2], y[..., 2], _CHROMA)
        similar = similar * power(jnp.abs(chroma), _CHROMA_POWER)
    return weighted_similarity(similar, jnp.maximum(saliency_x, saliency_y))


def _prepared(x: Pixels, chromatic: bool) -> Pixels:
    x = x if x.shape[-1] == 1 else transform(x, YIQ if chromatic else YIQ[:1])
    size = max(1, round(min(x.shape[:2]) / 256))
    before, after = (size - 1) // 2, size // 2
    return pool(pad_image(x, (before, before), (after, after), "constant"), size)


def _saliency(x: Plane) -> Plane:
    """Saliency in [0, 1]: what is left of the spectrum without its local mean amplitude."""
    height, width = x.shape
    small = resampled(
        x, cubic(height, math.ceil(height * _SCALE), _SCALE), cubic(width, math.ceil(width * _SCALE), _SCALE)
    )
    spectrum = jnp.fft.fft2(small)
    amplitude = magnitude(spectrum.real, spectrum.imag)
    logarithm = jnp.log(amplitude + _LEAST)
    thirds = uniform_taps(3)
    residual = jnp.exp(logarithm - columns(rows(jnp.pad(logarithm, 1, mode="edge"), thirds), thirds))
    # The phase, as a number of length 1; where there is no amplitude it is 1.
    present = amplitude > 0
    length = jnp.where(present, amplitude, 1.0)
    phase = lax.complex(
        jnp.where(present, spectrum.real / length, 1.0), jnp.where(present, spectrum.imag / length, 0.0)
    )
    back = jnp.fft.ifft2(filtered(phase, residual))
    energy = back.real**2 + back.imag**2
    # Ten taps about a point between pixels: the window covers the four before a pixel, itself and the five after it.
    (smooth,) = blur((jnp.pad(energy, ((4, 5), (4, 5))),), gaussian_taps(10, 3.8))
    even = stretched(smooth)
    return resampled(
        even, cubic(even.shape[0], height, height / even.shape[0]), cubic(even.shape[1], width, width / even.shape[1])
    )
