"""Visual saliency-induced index (VSI) with the saliency SDSP."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import added, filtered, power, root, similarity, stretched, weighted_similarity
from jaxeval.ops.image_quality.batches import Scores, each_image, image_pair
from jaxeval.ops.image_quality.colour import LMN, Planes, lab, mixed, planes_of
from jaxeval.ops.image_quality.gradients import scharr
from jaxeval.ops.image_quality.resampling import bilinear, resampled
from jaxeval.ops.image_quality.windows import pad_image, pool

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]
Reduced = Float[Array, "h2 w2"]

_SALIENCY, _GRADIENT, _CHROMA = 1.27, 386.0, 130.0  # constants of the similarities, for values from 0 to 255
_GRADIENT_POWER, _CHROMA_POWER = 0.4, 0.02
_SIDE = 256  # saliency is found on squares of this side
_OMEGA, _SIGMA_F, _SIGMA_D, _SIGMA_C = 0.021, 1.34, 145.0, 0.001
_COLOURLESS = 1e-2  # a range of a* and b* that is rounding


@takes_arrays
def vsi(x: Numbers, y: Numbers, *, data_range: float | None = None) -> Scores:
    """Visual saliency-induced index of each pair of images, as in piq.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype; gray ones, [N, H, W, 1], count as RGB with equal channels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255; values are expected in [0, data_range].

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x). Images without colour are equally warm
      everywhere here; in other implementations their saliency follows the rounding of L*a*b*.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, or a value is not finite.

    Reference: Zhang, Shen, Li, "VSI: a visual saliency-induced index for perceptual image quality assessment", IEEE TIP
    23(10), 2014.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> image_quality.vsi(x, y, data_range=1.0).shape
      (4,)
    """
    peak = image_pair("vsi", x, y, data_range, least_side=2, colours=(1, 3))
    return each_image(_vsi, x, y, data_range=peak)


def _vsi(x: Pixels, y: Pixels, *, data_range: float) -> Float[Array, ""]:
    x, y = (planes_of(i) * (1.0 / data_range) for i in (x, y))
    x, y = (jnp.broadcast_to(i, (3, *i.shape[1:])) for i in (x, y))
    saliency_x, saliency_y = (_averaged(saliency) for saliency in lax.map(_sdsp, jnp.stack([x, y])))
    of_x, of_y = (tuple(_averaged(plane) for plane in mixed(i * 255.0, LMN)) for i in (x, y))
    chroma = similarity(of_x[1], of_y[1], _CHROMA) * similarity(of_x[2], of_y[2], _CHROMA)
    # The real part of a power of what may be negative.
    turned = jnp.where(chroma < 0, math.cos(math.pi * _CHROMA_POWER), 1.0)
    similar = (
        similarity(saliency_x, saliency_y, _SALIENCY)
        * power(similarity(scharr(of_x[0]), scharr(of_y[0]), _GRADIENT), _GRADIENT_POWER)
        * power(jnp.abs(chroma), _CHROMA_POWER)
        * turned
    )
    return weighted_similarity(similar, jnp.maximum(saliency_x, saliency_y))


def _averaged(x: Plane) -> Reduced:
    """Means of squares of round(least side / 256) pixels, with copied borders."""
    size = max(1, round(min(x.shape) / 256))
    before, after = size // 2, (size - 1) // 2
    return pool(pad_image(x, (before, before), (after, after), "edge"), size)


def _sdsp(x: Planes) -> Plane:
    """Saliency in [0, 1]: band-passed colour, near the centre, of warm colours."""
    _, height, width = x.shape
    down, across = bilinear(height, _SIDE, False), bilinear(width, _SIDE, False)
    colours = lab(jnp.stack([resampled(plane, down, across) for plane in x]))
    gabor, centre = _filters()
    # A shift of the colours is what the filter removes; without it their spectrum keeps more digits.
    spectrum = jnp.fft.rfft2(colours - colours[:, :1, :1])
    passed = jnp.fft.irfft2(filtered(spectrum, gabor[None]), s=(_SIDE, _SIDE))
    warmth = stretched(colours[1], _COLOURLESS) ** 2 + stretched(colours[2], _COLOURLESS) ** 2
    spread = jnp.ptp(colours[1:], axis=(1, 2)).max()
    warm = jnp.where(spread > _COLOURLESS, -jnp.expm1(-warmth / _SIGMA_C**2), 1.0)
    saliency = root(added(passed**2)) * centre * warm
    return stretched(resampled(saliency, bilinear(_SIDE, height, True), bilinear(_SIDE, width, True)))


@functools.lru_cache(1)
def _filters() -> tuple[Float[np.ndarray, "256 129"], Float[np.ndarray, "256 256"]]:
    """The log-Gabor filter on the half spectrum, and the weight of places, about the centre."""
    at = np.arange(_SIDE) / _SIDE - 0.5
    radius = np.hypot(at[:, None], at)
    radius = np.fft.ifftshift(np.where(radius <= 0.5, radius, 0.0))
    with np.errstate(divide="ignore"):
        gabor = np.exp(-(np.log(radius / _OMEGA) ** 2) / (2 * _SIGMA_F**2))  # 0 where the radius is
    place = at * _SIDE + 1
    centre = np.exp(-(place[:, None] ** 2 + place**2) / _SIGMA_D**2)
    return gabor[:, : _SIDE // 2 + 1].astype(np.float32), centre.astype(np.float32)
