"""Haar wavelet-based perceptual similarity index (HaarPSI)."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import map_sum
from jaxeval.ops.image_quality.batches import Scores, check_positive, each_image, image_pair
from jaxeval.ops.image_quality.colour import YIQ, transform
from jaxeval.ops.image_quality.windows import columns, pad_image, pool, rows

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]

STABILITY = 30.0  # of the similarity of coefficients, of values from 0 to 255
ALPHA = 4.2


@takes_arrays
def haarpsi(
    x: Numbers,
    y: Numbers,
    *,
    data_range: float | None = None,
    stability: float = STABILITY,
    alpha: float = ALPHA,
    halved: bool = True,
) -> Scores:
    """Haar wavelet-based perceptual similarity index, as in piq and the authors' code.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 16 x 16 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      stability: constant C of the similarity of coefficients, of values from 0 to 255.
      alpha: steepness of the logistic function that similarities go through.
      halved: whether images are first averaged in squares of 2 x 2 pixels, as for the viewing distance of the paper;
        as `subsample` in piq and `preprocess_with_subsampling` in the authors' code.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images, and the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, images are too small, or a
        setting is out of its range.

    Reference: Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity index for image
    quality assessment", Signal Processing: Image Communication 61, 2018.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.haarpsi(y, y, data_range=1.0))
      [1. 1. 1. 1.]
    """
    peak = image_pair("haarpsi", x, y, data_range, least_side=16, colours=(1, 3))
    check_positive("haarpsi", stability=stability, alpha=alpha)
    settings = {"stability": float(stability), "alpha": float(alpha), "halved": bool(halved)}
    return each_image(_haarpsi, x, y, data_range=peak, **settings)


def _haarpsi(
    x: Pixels, y: Pixels, *, data_range: float, stability: float, alpha: float, halved: bool
) -> Float[Array, ""]:
    x, y = (_seen(i * (255.0 / data_range), halved) for i in (x, y))
    weights, losses = [], []
    for transposed in (False, True):
        fine, middle, coarse = (
            (_haar(x[..., 0], size, transposed), _haar(y[..., 0], size, transposed)) for size in (2, 4, 8)
        )
        losses.append((_loss(*fine, stability) + _loss(*middle, stability)) / 2.0)
        weights.append(jnp.maximum(*coarse))
    if x.shape[-1] == 3:
        chroma = [(_smoothed(x[..., c]), _smoothed(y[..., c])) for c in (1, 2)]
        losses.append((_loss(*chroma[0], stability) + _loss(*chroma[1], stability)) / 2.0)
        weights.append((weights[0] + weights[1]) / 2.0)
    # The score is the square of 1/alpha of the logit of the weighted mean of sigmoid(alpha * similarity). Written with
    # that mean's distance from sigmoid(alpha), and its complement's, it is exactly 1 for equal images.
    small = math.exp(-alpha)
    total, below, above = (jnp.float32(0.0) for _ in range(3))
    for weight, loss in zip(weights, losses, strict=True):
        exponent = alpha * loss
        total = total + map_sum(weight)
        below = below + map_sum(weight * small * jnp.expm1(exponent) / (1.0 + small * jnp.exp(exponent)))
        above = above - map_sum(weight * jnp.expm1(-exponent) / (small + jnp.exp(-exponent)))
    total = jnp.where(total > 0, total, 1.0)  # two black images
    logit = 1.0 + (jnp.log1p(-below / total) - jnp.log1p(above / total)) / alpha
    return logit * logit


def _seen(x: Pixels, halved: bool) -> Pixels:
    """YIQ, or gray; halved, averaged in 2 x 2 squares; if a side is odd, both get a row of zeros at their end."""
    x = x if x.shape[-1] == 1 else transform(x, YIQ)
    if not halved:
        return x
    odd = max(x.shape[0] % 2, x.shape[1] % 2)
    return pool(pad_image(x, (0, 0), (odd, odd), "constant"), 2)


def _haar(x: Plane, size: int, transposed: bool) -> Plane:
    """Magnitudes of Haar coefficients: the difference of the halves of a square, over its side."""
    half = size // 2
    x = pad_image(x, (half - 1, half - 1), (half, half), "constant")
    steps, ones = (1.0 / size,) * half + (-1.0 / size,) * half, (1.0,) * size
    return jnp.abs(rows(columns(x, steps), ones) if transposed else columns(rows(x, steps), ones))


def _smoothed(x: Plane) -> Plane:
    """Magnitudes of means of 2 x 2 squares, one at each pixel."""
    halves = (0.5, 0.5)
    return jnp.abs(columns(rows(pad_image(x, (0, 0), (1, 1), "constant"), halves), halves))


def _loss(a: Plane, b: Plane, stability: float) -> Plane:
    """1 - similarity."""
    return (a - b) ** 2 / (a * a + b * b + stability)
