"""DCT subband similarity (DSS)."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import root
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.windows import gaussian_taps

Pixels = Float[Array, "_ _ _"]
Subbands = Float[Array, "bands h w"]

_SIDE = 8
_SPREAD = 1.55  # of the subbands' weights, in steps of frequency
_LEAST_WEIGHT = 1e-2  # subbands below it are left out
_DC, _AC = 1000.0, 300.0  # of values from 0 to 255
_TAPS = gaussian_taps(3, 1.5)
_WORST = 0.05  # share of a subband that counts


@takes_arrays
def dss(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """DCT subband similarity of the luma, as in the authors' dss_index.m and in piq.

    Blocks of 8 x 8 pixels are transformed; the coefficients of one frequency make a small image, a subband. Subbands
    are compared by their local deviations in windows of 3 x 3 blocks, and that of the blocks' means by its correlation
    too. The worst 5% of each subband count, low frequencies for more. A rest at the right and the bottom is left out.

    The authors' code takes gray images; of RGB ones the luma is compared, which is not rounded.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 8 x 8 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], at most 1, which is that of identical images, and nearly always from 0 upwards; the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Balanov, Schwartz, Moshe, Peleg, "Image quality assessment based on DCT subband similarity", ICIP 2015.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.dss(y, y, data_range=1.0))
      [1. 1. 1. 1.]
    """
    peak = image_pair("dss", x, y, data_range, least_side=_SIDE, colours=(1, 3))
    check_colour("dss", x, colour)
    return each_in_colour(_dss, x, y, data_range=peak, colour=colour)


def _dss(x: Pixels, y: Pixels, *, data_range: float) -> Float[Array, ""]:
    basis, weights = _frequencies()
    x, y = (_subbands(luma_yiq(i * (255.0 / data_range)), basis) for i in (x, y))
    variance_x, variance_y, covariance = _local_moments(x, y)
    constants = np.full((len(basis), 1, 1), _AC)
    constants[0] = _DC
    # In distances from 1, which are exactly 0 for identical images.
    difference = root(variance_x) - root(variance_y)
    losses = _worst(difference * difference / (variance_x + variance_y + jnp.asarray(constants, jnp.float32)))
    product = root(variance_x[:1] * variance_y[:1])
    of_means = _worst((product - covariance) / (product + _DC))[0]
    losses = jnp.concatenate([losses[:1] + of_means - losses[:1] * of_means, losses[1:]])
    return 1.0 - (losses * jnp.asarray(weights)).sum()


@functools.cache
def _frequencies() -> tuple[Float[np.ndarray, "bands 8 8"], Float[np.ndarray, " bands"]]:
    """The cosine waves whose weight is not too small, that of the mean first, and their weights with sum 1."""
    frequency, at = np.arange(_SIDE)[:, None], np.arange(_SIDE)
    waves = np.sqrt(2 / _SIDE) * np.cos(np.pi * (2 * at + 1) * frequency / (2 * _SIDE))
    waves[0] /= np.sqrt(2)
    far = (np.arange(_SIDE) + 0.5) ** 2
    weights = np.exp(-(far[:, None] + far) / (2 * _SPREAD**2))
    down, across = np.nonzero(weights >= _LEAST_WEIGHT)
    kept = weights[down, across]
    basis = waves[down][:, :, None] * waves[across][:, None, :]
    return basis.astype(np.float32), (kept / kept.sum()).astype(np.float32)


def _subbands(x: Float[Array, "_ _"], basis: Float[np.ndarray, "bands 8 8"]) -> Subbands:
    height, width = (size // _SIDE for size in x.shape)
    blocks = x[: height * _SIDE, : width * _SIDE].reshape(height, _SIDE, width, _SIDE)
    return contract("hiwj,kij->khw", blocks, jnp.asarray(basis))


def _local_moments(x: Subbands, y: Subbands) -> tuple[Subbands, Subbands, Float[Array, "1 h w"]]:
    """Both variances, and the covariance of the first subband, in 3 x 3 windows with zeros around the subbands.

    Of differences from the window's middle: float32 has too few digits for means of squares of the blocks' means.
    """
    height, width = x.shape[1:]
    around_x, around_y = (jnp.pad(i, ((0, 0), (1, 1), (1, 1))) for i in (x, y))
    sums = [jnp.zeros_like(x) for _ in range(4)] + [jnp.zeros_like(x[:1])]
    for down, tall in enumerate(_TAPS):
        for across, wide in enumerate(_TAPS):
            part = (slice(None), slice(down, down + height), slice(across, across + width))
            a, b = around_x[part] - x, around_y[part] - y
            terms = (a, b, a * a, b * b, a[:1] * b[:1])
            sums = [total + tall * wide * term for total, term in zip(sums, terms, strict=True)]
    mean_x, mean_y, square_x, square_y, product = sums
    return (
        jnp.maximum(square_x - mean_x * mean_x, 0.0),
        jnp.maximum(square_y - mean_y * mean_y, 0.0),
        product - mean_x[:1] * mean_y[:1],
    )


def _worst(losses: Subbands) -> Float[Array, " bands"]:
    """The mean of the greatest losses of each subband."""
    flat = losses.reshape(len(losses), -1)
    # MATLAB's round; where it leaves nothing, fewer than ten blocks, the authors' code has no number.
    count = max(1, math.floor(_WORST * flat.shape[1] + 0.5))
    return -jnp.sort(-flat, axis=-1)[:, :count].mean(axis=-1)
