"""Spectral residual-based similarity (SR-SIM)."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import filtered, magnitude, power, similarity, stretched, weighted_similarity
from jaxeval.ops.image_quality.batches import Scores, check_positive, image_pair
from jaxeval.ops.image_quality.colour import YIQ, Colour, check_colour, check_gray, each_in_colour, transform
from jaxeval.ops.image_quality.gradients import scharr
from jaxeval.ops.image_quality.resampling import cubic, resampled
from jaxeval.ops.image_quality.windows import Taps, blur, columns, gaussian_taps, pad_image, pool, rows, uniform_taps

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

_SALIENCY, _GRADIENT, _CHROMA = 0.40, 225.0, 200.0  # constants of the similarities, for values from 0 to 255
_CHROMA_POWER = 0.03
_LEAST = float(np.finfo(np.float32).eps)  # added to amplitudes before their logarithm, as in piq


class _Saliency(NamedTuple):
    """How saliency is found: on images so much smaller, with windows of the spectrum's mean and of its smoothing."""

    scale: float
    kernel_size: int
    smoothing: Taps


@takes_arrays
def sr_sim(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    chromatic: bool = False,
    scale: float = 0.25,
    kernel_size: int = 3,
    sigma: float = 3.8,
    gaussian_size: int = 10,
) -> Scores:
    """Spectral residual-based similarity of each pair of images, as in piq for one image at a time.

    (piq stretches the saliency of a batch by the batch's extremes, so that its values depend on the other images.)
    Images whose least side is much above 256 are first averaged in squares of round(side / 256) pixels.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 37 x 37 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      chromatic: compare chroma (I and Q) too; RGB only.
      scale: saliency is found on images so much smaller, above 0 and up to 1.
      kernel_size: pixels along a side of the window of the spectrum's local mean.
      sigma: of the Gaussian that smoothes saliency, in pixels of the small image.
      gaussian_size: pixels along a side of its window.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, images are too small, or a
        setting is out of its range.

    Reference: Zhang, Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", ICIP 2012.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 48, 48, 3))
      >>> image_quality.sr_sim(x, y, data_range=1.0).shape
      (4,)
    """
    check_positive("sr_sim", scale=scale, sigma=sigma)
    if scale > 1:
        raise InputError(f"sr_sim: scale={scale!r} is above 1; saliency is found on images made smaller")
    for name, size in (("kernel_size", kernel_size), ("gaussian_size", gaussian_size)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"sr_sim: {name}={size!r} is not a whole number of 1 or more pixels")
    saliency = _Saliency(float(scale), kernel_size, gaussian_taps(gaussian_size, float(sigma)))
    # The small image has to hold both windows.
    least = math.floor((max(kernel_size, gaussian_size) - 1) / scale) + 1
    peak = image_pair("sr_sim", x, y, data_range, least_side=least, colours=(3,) if chromatic else (1, 3))
    check_colour("sr_sim", x, colour)
    check_gray("sr_sim", colour, chromatic)
    return each_in_colour(_sr_sim, x, y, data_range=peak, colour=colour, chromatic=chromatic, saliency=saliency)


def _sr_sim(x: Pixels, y: Pixels, *, data_range: float, chromatic: bool, saliency: _Saliency) -> Float[Array, ""]:
    x, y = (_prepared(i * (255.0 / data_range), chromatic) for i in (x, y))
    luma_x, luma_y = x[..., 0], y[..., 0]
    saliency_x, saliency_y = _saliency(luma_x, saliency), _saliency(luma_y, saliency)
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


def _saliency(x: Plane, settings: _Saliency) -> Plane:
    """Saliency in [0, 1]: what is left of the spectrum without its local mean amplitude."""
    height, width = x.shape
    scale, size = settings.scale, settings.kernel_size
    small = resampled(x, *(cubic(side, math.ceil(side * scale), scale) for side in (height, width)))
    spectrum = jnp.fft.fft2(small)
    amplitude = magnitude(spectrum.real, spectrum.imag)
    logarithm = jnp.log(amplitude + _LEAST)
    equal = uniform_taps(size)
    continued = jnp.pad(logarithm, ((size - 1) // 2, size // 2), mode="edge")
    residual = jnp.exp(logarithm - columns(rows(continued, equal), equal))
    # The phase, as a number of length 1; where there is no amplitude it is 1.
    present = amplitude > 0
    length = jnp.where(present, amplitude, 1.0)
    phase = lax.complex(
        jnp.where(present, spectrum.real / length, 1.0), jnp.where(present, spectrum.imag / length, 0.0)
    )
    back = jnp.fft.ifft2(filtered(phase, residual))
    energy = back.real**2 + back.imag**2
    # About a point between pixels, ten taps cover the four before a pixel, itself and the five after it.
    count = len(settings.smoothing)
    (smooth,) = blur((jnp.pad(energy, ((count - 1) // 2, count // 2)),), settings.smoothing)
    even = stretched(smooth)
    return resampled(
        even, cubic(even.shape[0], height, height / even.shape[0]), cubic(even.shape[1], width, width / even.shape[1])
    )
