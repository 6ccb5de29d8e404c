"""Information content weighted structural similarity (IW-SSIM)."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import added, map_mean, map_sum, power
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.resampling import resampled
from jaxeval.ops.image_quality.spectra import spectrum
from jaxeval.ops.image_quality.windows import blur, columns, fenced, gaussian_taps, rows, stacked, uniform_taps

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]
Reduced = Float[Array, "h2 w2"]

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
_NOISE = 0.4  # variance of the visual noise, of values from 0 to 255
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_MARGIN = 4  # from windows of 3 pixels to windows of 11


@takes_arrays
def iw_ssim(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Information content weighted SSIM of the luma, on a Laplacian pyramid of five scales, as in piq.

    Where the reference is nearly flat and the distorted image is not, the definition divides by a variance that float32
    cannot tell from rounding: values there are up to 1e-4 off float64, in which piq is right (in float32 1e-3).

    Args:
      x: distorted images, RGB or gray, [N, H, W, 3 or 1], any real dtype, of at least 161 x 161 pixels.
      y: reference images, as x; the order matters a little.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], in [0, 1]; exactly 1 for identical images. Where the reference has no content at a scale (piq fails there),
      that scale is weighted evenly.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Wang, Li, "Information content weighting for perceptual image quality assessment", IEEE TIP 20(5), 2011.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 256, 256, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x, y: image_quality.iw_ssim(x, y, data_range=1.0), images, images).shape
      (4,)
    """
    peak = image_pair("iw_ssim", x, y, data_range, least_side=161, colours=(1, 3))
    check_colour("iw_ssim", x, colour)
    return each_in_colour(_iw_ssim, x, y, data_range=peak, colour=colour)


def _iw_ssim(x: Pixels, y: Pixels, *, data_range: float) -> Float[Array, ""]:
    low = jnp.stack([luma_yiq(i * (255.0 / data_range)) for i in (x, y)])
    bands = []
    for _ in range(len(_WEIGHTS) - 1):
        low, band = lax.map(_step, low)  # a loop, whose body is compiled once for both images
        bands.append(band)
    score = power(jnp.abs(1.0 - map_mean(_losses(*low)[0])), _WEIGHTS[-1] / sum(_WEIGHTS))
    for i, (band_x, band_y) in enumerate(bands):
        parent = bands[i + 1][1] if i + 1 < len(bands) else None
        weights = _information(band_x, band_y, parent)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        total = map_sum(weights)
        weights = jnp.where(total > 0, weights, 1.0)
        total = jnp.where(total > 0, total, float(weights.size))
        loss = map_sum(_losses(band_x, band_y)[1] * weights) / total
        score = score * power(jnp.abs(1.0 - loss), _WEIGHTS[i] / sum(_WEIGHTS))
    return score


def _step(x: Plane) -> tuple[Reduced, Plane]:
    """The plane reduced by half, and what is lost by that (a step of a Laplacian pyramid)."""
    taps = tuple(t * 2**0.5 for t in _BINOMIAL)
    low = columns(jnp.pad(x, ((0, 0), (2, 2)), mode="reflect"), taps)[:, ::2]
    low = rows(jnp.pad(low, ((2, 2), (0, 0)), mode="reflect"), taps)[::2]
    return low, x - resampled(low, _expansion(x.shape[0]), _expansion(x.shape[1]))


@functools.lru_cache(64)
def _expansion(size: int) -> Float[np.ndarray, "size half"]:
    """Weights that expand (size + 1) // 2 pixels to `size`: zeros between them, mirrored ends, a binomial filter."""
    half = (size + 1) // 2
    between = np.zeros((2 * half, half))
    between[::2] = np.eye(half)
    mirrored = np.pad(between, ((2, 2), (0, 0)), mode="reflect")
    taps = np.array(_BINOMIAL) * 2**0.5
    filtered = np.sum([t * mirrored[i : i + 2 * half] for i, t in enumerate(taps)], axis=0)
    return np.asarray(filtered[:size], np.float32)


@functools.lru_cache(64)
def _enlargement(size: int, to: int) -> Float[np.ndarray, "to size"]:
    """Weights of IW-SSIM's enlargement: linear to 4 size - 3 pixels, one more at each end, every other one kept."""
    wide = 4 * size - 3
    at = np.maximum((np.arange(wide) + 0.5) * (size / wide) - 0.5, 0.0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    weights = np.zeros((wide + 2, size))
    np.add.at(weights, (np.arange(wide) + 1, low), 1.0 - (at - low))
    np.add.at(weights, (np.arange(wide) + 1, np.minimum(low + 1, size - 1)), at - low)
    weights[0] = 2 * weights[1] - weights[2]
    weights[-1] = 2 * weights[-2] - weights[-3]
    return np.asarray(weights[::2][:to], np.float32)


def _losses(x: Plane, y: Plane) -> tuple[Reduced, Reduced]:
    """1 - SSIM and 1 - contrast * structure, in windows of 11 x 11."""
    s, d = x + y, x - y
    mean_s, mean_d, square_s, square_d = blur((s, d, s * s, d * d), gaussian_taps(11, 1.5))
    a = 2.0 * mean_d**2 / (mean_s**2 + mean_d**2 + 2.0 * _C1)
    var_s, var_d = square_s - mean_s**2, square_d - mean_d**2
    b = 2.0 * var_d / (var_s + var_d + 2.0 * _C2)
    return a + b - a * b, b


def _information(x: Plane, y: Plane, parent: Float[Array, "h3 w3"] | None) -> Reduced:
    """Information in bits that each 3 x 3 window of the reference `y` shares with what is seen of it and of `x`."""
    mean_x, mean_y, xx, yy, xy = blur((x, y, x * x, y * y, x * y), uniform_taps(3))
    var_x, var_y = jnp.maximum(xx - mean_x**2, 0.0), jnp.maximum(yy - mean_y**2, 0.0)
    textured = (var_x > 0) & (var_y > 0)
    covariance = xy - mean_x * mean_y
    gain = jnp.where(textured, covariance, 0.0) / jnp.where(textured, var_y, 1.0)
    # Windows of a constant x keep no noise either.
    noise = jnp.where(var_x > 0, jnp.maximum(var_x - gain * covariance, 0.0), 0.0)
    seen = noise + (1.0 + gain * gain) * _NOISE
    height, width = mean_y.shape

    def neighbours(y: Plane, *parent: Plane) -> tuple[Reduced, ...]:
        around = [lax.slice(y, (i, j), (i + height, j + width)) for i in range(3) for j in range(3)]
        return (*around, *(enlarged[1:-1, 1:-1] for enlarged in parent))

    enlarged = ()
    if parent is not None:
        tall, wide = _enlargement(parent.shape[0], y.shape[0]), _enlargement(parent.shape[1], y.shape[1])
        enlarged = (resampled(parent, tall, wide),)
    vectors = stacked(neighbours, y, *enlarged)
    vectors = vectors.reshape(len(vectors), -1)
    eigenvalues, inverse = spectrum(contract("in,jn->ij", vectors, vectors) / vectors.shape[1])
    energy = added(contract("ij,jm->im", inverse, vectors) * vectors) / len(vectors)
    signal, noise = fenced(
        lambda s, e, n: (s * e / _NOISE**2, 1.0 + n / _NOISE), seen, energy.reshape(height, width), noise
    )

    def add(nats: Reduced, eigenvalue: Float[Array, ""]) -> tuple[Reduced, None]:
        return nats + jnp.log(noise + signal * eigenvalue), None

    return lax.scan(add, jnp.zeros_like(signal), eigenvalues)[0] / math.log(2.0)
