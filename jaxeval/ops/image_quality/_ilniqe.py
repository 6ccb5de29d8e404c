"""IL-NIQE: how far each part of an image is from what parts of undistorted photographs are like, by 468 features.

An image is brought to 524 x 524 pixels and cut into 36 blocks of 84 x 84. Of each block, at two scales, distributions
are fitted to the contrast-normalised luma and products of its neighbours, to gradients and colours, and to log-Gabor
responses and their gradients. Principal components of the features are compared with those of photographs.

Reference: Zhang, Zhang, Bovik, "A feature-enriched completely blind image quality evaluator", IEEE TIP 24(8), 2015.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import filtered, magnitude, map_mean
from jaxeval.ops.image_quality.batches import Scores, check_data_range, check_images, each_enlarged
from jaxeval.ops.image_quality.natural_scene import (
    SkewedFit,
    contrast_normalised,
    fits_of_neighbours,
    skewed_fit,
)
from jaxeval.ops.image_quality.resampling import resized_in_levels
from jaxeval.ops.image_quality.windows import Taps, blurred_stack, columns, fenced, gaussian_taps, rows

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]
Planes = Float[Array, "m h w"]
Blocks = Float[Array, "*m b side side"]

FEATURES = 468
_SIDE, _BLOCK = 524, 84
_WINDOW = gaussian_taps(5, 5 / 6)  # of local contrast
_HALVING = gaussian_taps(6, 0.9)
_SLOPE_SIGMA, _SLOPE_SHRINK = 1.66, 0.28  # of the gradients' Gaussian; what it shrinks by at the second scale
_SCALES, _ORIENTATIONS = 3, 4
_SHORTEST, _SHORTER, _FACTOR = 2.4, 0.87, 1.31  # wavelengths in pixels; what they shrink by at the second scale
_SIGMA_F, _SPREAD = 0.55, 1.10
_LEAST_LEVEL = 1e-5  # what is added before logarithms of levels
_LEAST_SLOPE = 2.220446049250313e-16  # float64's epsilon, which the authors add to gradients
_INFINITE = 1e4  # what stands for an infinite feature: the shape of what has one value only
_SINGULAR = 1e-14  # directions with a smaller share of the largest variance are no directions of the model
_WEIBULL_STEPS = 8
_COUNTS_AS = 1 << 19  # an image needs 90 MiB, its gradient 240


@dataclasses.dataclass(frozen=True, eq=False)
class IlniqeModel:
    """What blocks of undistorted photographs are like, in principal components of their features.

    Attributes:
        mean: mean of the components, float64 [K].
        covariance: covariance of the components, float64 [K, K].
        centre: what is subtracted from the features, float64 [468].
        components: directions that the features are then projected on, as columns, float64 [468, K].

    Example:
        >>> import numpy as np
        >>> from jaxeval.ops import image_quality
        >>> model = image_quality.IlniqeModel(
        ...     mean=np.zeros(430), covariance=np.eye(430), centre=np.zeros(468), components=np.eye(468, 430)
        ... )
        >>> model.components.shape
        (468, 430)
    """

    mean: Float[np.ndarray, " _"]
    covariance: Float[np.ndarray, "_ _"]
    centre: Float[np.ndarray, " _"]
    components: Float[np.ndarray, "_ _"]

    def __post_init__(self):
        count = self.components.shape[1]
        if self.centre.shape != (FEATURES,) or self.components.shape[0] != FEATURES:
            raise InputError(
                f"IlniqeModel: centre of shape {self.centre.shape} and components of {self.components.shape}; "
                f"({FEATURES},) and ({FEATURES}, K) are expected"
            )
        if self.mean.shape != (count,) or self.covariance.shape != (count, count):
            raise InputError(
                f"IlniqeModel: mean of shape {self.mean.shape} and covariance of {self.covariance.shape}; ({count},) "
                f"and ({count}, {count}) are expected, as there are {count} components"
            )
        if not all(np.isfinite(a).all() for a in (self.mean, self.covariance, self.centre, self.components)):
            raise InputError("IlniqeModel: values that are not finite")

    @functools.cached_property
    def whitening(self) -> tuple[Float[np.ndarray, "f k"], Float[np.ndarray, " k"]]:
        """The matrix that turns features less `centre` into uncorrelated ones of variance 1, and then their mean.

        Empty directions are left out.
        """
        values, basis = np.linalg.eigh(self.covariance.astype(np.float64))
        kept = values > _SINGULAR * values[-1]
        white = basis[:, kept] / np.sqrt(values[kept])
        return self.components.astype(np.float64) @ white, self.mean.astype(np.float64) @ white


@takes_arrays
def ilniqe(x: Numbers, *, model: IlniqeModel, data_range: float | None = None) -> Scores:
    """Integrated local natural image quality evaluator (IL-NIQE) of single images.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype and size. As in the authors' code levels are of 8 bits, and an image
        is brought to 524 x 524 pixels whatever its shape.
      model: what undistorted photographs are like; docs/image_quality.md says how the published one is loaded.
      data_range: width of the values' range, such as 1.0 or 255.

    Returns:
      [N], from 0 upwards: lower is better; undistorted photographs have about 20. A block without texture counts as
      the mean of the others; not-a-number if fewer than two blocks have any.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, or a value is not finite.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> model = image_quality.IlniqeModel(  # the published one: docs/image_quality.md
      ...     mean=np.zeros(430), covariance=np.eye(430), centre=np.zeros(468), components=np.eye(468, 430)
      ... )
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.ilniqe(x, model=model, data_range=1.0), images).shape
      (4,)
    """
    check_images("ilniqe", "x", x, colours=(3,))
    peak = check_data_range("ilniqe", {"x": x}, data_range)
    return each_enlarged(_ilniqe, _COUNTS_AS, x, data_range=peak, model=model)


@takes_arrays
def ilniqe_features(x: Numbers, *, data_range: float | None = None) -> Float[Array, "*n 36 468"]:
    """The features of the 36 blocks, 234 of each of two scales; arguments and errors as for `ilniqe`.

    Returns:
      [N, 36, 468]; not-a-number for features of blocks without texture.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.ilniqe_features(x, data_range=1.0), images).shape
      (4, 36, 468)
    """
    check_images("ilniqe_features", "x", x, colours=(3,))
    peak = check_data_range("ilniqe_features", {"x": x}, data_range)
    return each_enlarged(_features, _COUNTS_AS, x, data_range=peak)


def _ilniqe(x: Pixels, *, data_range: float, model: IlniqeModel) -> Float[Array, ""]:
    features = _features(x, data_range=data_range)
    matrix, shift = (jnp.asarray(a.astype(np.float32)) for a in model.whitening)
    whole = jnp.isfinite(features).all(-1, keepdims=True)
    centred = jnp.where(whole, features - jnp.asarray(model.centre.astype(np.float32))[None], 0.0)
    # Of whitened features the model's covariance is the identity: what is inverted below is far from singular.
    white = jnp.where(whole, contract("bf,fk->bk", centred, matrix) - shift[None], 0.0)
    count = whole.sum().astype(jnp.float32)
    mean = white.sum(0, keepdims=True) / count
    rest = jnp.where(whole, white - mean, 0.0)
    white = jnp.where(whole, white, mean)
    scatter = contract("bj,bk->jk", rest, rest) / (count - 1.0)
    unit = jnp.eye(white.shape[1], dtype=white.dtype)
    # Not-a-number through and through would be found by the solver on some platforms only.
    usable = count > 1
    covariance, white = jnp.where(usable, 0.5 * (unit + scatter), unit), jnp.where(usable, white, 1.0)
    distances = jnp.sqrt((white * jnp.linalg.solve(covariance, white.T).T).sum(-1))
    # A pixel that is not a number spoils its block, and with it the image.
    return jnp.where(usable, distances.mean(), jnp.nan) + 0.0 * x.mean()


def _features(x: Pixels, *, data_range: float) -> Float[Array, "b f"]:
    levels = x * (255.0 / data_range)
    levels = levels + lax.stop_gradient(jnp.clip(jnp.round(levels), 0.0, 255.0) - levels)
    size = _SIDE // _BLOCK * _BLOCK
    large = jnp.moveaxis(resized_in_levels(levels, _SIDE)[:size, :size], -1, 0)
    before = (len(_HALVING) - 1) // 2
    padded = jnp.pad(large, ((0, 0),) + ((before, len(_HALVING) - 1 - before),) * 2, mode="edge")
    small = blurred_stack(padded, _HALVING)[:, ::2, ::2]
    return jnp.concatenate([_of_scale(large, 1), _of_scale(small, 2)], axis=-1)


def _of_scale(levels: Planes, scale: int) -> Float[Array, "b half"]:
    """The features of one scale, 1 or 2, of red, green and blue, [3, H, W]."""
    luma, opponents = _opponents(levels)
    blocks = functools.partial(_blocks, side=_BLOCK // scale)
    structure = jax.vmap(_of_structure)(blocks(contrast_normalised(luma, "edge", "neither", _WINDOW)))
    of_colours = _moments(blocks(_log_opponents(levels)))
    responses = _responses(luma, _SHORTEST / scale**_SHORTER)
    taps = _slope_taps(_SLOPE_SIGMA / scale**_SLOPE_SHRINK)

    def of_plane(plane: Plane) -> Float[Array, "b 2"]:
        return _shape_and_scale(skewed_fit(blocks(plane)))

    def of_slopes(plane: Plane) -> tuple[Float[Array, "2 b 2"], Float[Array, "b 2"]]:
        slopes = _slopes(plane, taps)
        lengths = blocks(magnitude(slopes[0], slopes[1])) + _LEAST_SLOPE
        return lax.map(_again(of_plane), slopes), _weibull(lengths.reshape(lengths.shape[0], -1))

    # Planes of one shape: loops, whose bodies are compiled once, and which gradients go through again.
    slopes, lengths = lax.map(_again(of_slopes), jnp.concatenate([opponents, responses]))
    parts = [
        structure,
        _by_block(lengths[:3]),
        _by_block(of_colours),
        _by_block(slopes[:3]),
        _by_block(lax.map(_again(of_plane), responses)),
        _by_block(slopes[3:]),
        _by_block(lengths[3:]),
    ]
    return jnp.concatenate(parts, axis=-1)


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    """A loop's body of which gradients keep the arguments alone: what it computes are maps by the hundred."""
    return jax.checkpoint(function, prevent_cse=False)


def _opponents(levels: Planes) -> tuple[Plane, Planes]:
    """The luma of red, green and blue, and the opponent colours, of which it is the third.

    Opponents are mixed from differences: of gray, whose weights all but cancel, they keep their digits.
    """
    red, green, blue = levels
    luma = 0.06 * red + 0.63 * green + 0.27 * blue
    first = 0.3 * (red - blue) + 0.04 * (green - blue) - 0.01 * blue
    second = 0.34 * (red - green) + 0.17 * (blue - green) - 0.09 * green
    return luma, jnp.stack([first, second, luma])


def _by_block(values: Float[Array, "*m b two"]) -> Float[Array, "b all"]:
    """Values of maps and blocks as one row for each block."""
    return jnp.moveaxis(values, -2, 0).reshape(values.shape[-2], -1)


def _blocks(planes: Float[Array, "*m h w"], side: int) -> Blocks:
    *maps, height, width = planes.shape
    down, across = height // side, width // side
    return jnp.moveaxis(planes.reshape(*maps, down, side, across, side), -2, -3).reshape(*maps, -1, side, side)


def _of_structure(block: Plane) -> Float[Array, " 18"]:
    """The fit of contrast-normalised luma in a block, and those of its products with neighbours, as NIQE has them."""
    fits = fits_of_neighbours(block, True, itself=True)
    left, right = fits.scales()
    of_neighbours = jnp.stack([fits.shape[1:], fits.mean()[1:], left[1:], right[1:]], axis=1)
    return jnp.concatenate([jnp.stack([fits.shape[0], 0.5 * (left[0] + right[0])]), of_neighbours.reshape(-1)])


def _shape_and_scale(fits: SkewedFit) -> Float[Array, "*m 2"]:
    left, right = fits.scales()
    return jnp.stack([fits.shape, 0.5 * (left + right)], axis=-1)


def _log_opponents(levels: Planes) -> Planes:
    """Opponents of the logarithms of levels less their means: intensity, blue-yellow, red-green."""
    logarithms = jnp.log(levels + _LEAST_LEVEL)
    red, green, blue = (plane - map_mean(plane) for plane in logarithms)
    mixes = ((red + green + blue) / 3**0.5, (red + green - 2.0 * blue) / 6**0.5, (red - green) / 2**0.5)
    return jnp.stack(mixes)


def _moments(blocks: Float[Array, "m b side side"]) -> Float[Array, "m b 2"]:
    """Mean and unbiased variance of each block."""
    values = blocks.reshape(*blocks.shape[:2], -1)
    mean = _last_mean(values)
    rest = values - mean[..., None]
    return jnp.stack([mean, _last_mean(rest * rest) * (values.shape[-1] / (values.shape[-1] - 1.0))], axis=-1)


def _last_mean(x: Float[Array, "*m n"]) -> Float[Array, "*m"]:
    """Means over the last axis, by a product, as `map_sum` takes sums."""
    return contract("...n,n->...", x, jnp.ones(x.shape[-1], jnp.float32)) / x.shape[-1]


def _slope_taps(sigma: float) -> tuple[Taps, Taps]:
    """A Gaussian, and what it is times the distance: at 0 to 3 sigma, rounded up, from the middle."""
    at = np.arange(math.ceil(3 * sigma) + 1)
    bell = np.exp(-(at**2) / (2 * sigma**2))
    return tuple(bell.tolist()), tuple((at * bell).tolist())


def _slopes(plane: Plane, taps: tuple[Taps, Taps]) -> Float[Array, "2 h w"]:
    """Derivatives of a Gaussian to the right and down, not scaled; black is beyond the borders.

    They are sums of differences of equally weighted pixels, so that they are exactly 0 where nothing changes.
    """
    bell, slope = taps
    reach = len(bell) - 1
    whole_bell = (*bell[:0:-1], *bell)
    padded = jnp.pad(plane, reach)

    def smoothed(x: Plane) -> tuple[Array, Array]:
        return rows(x, whole_bell), columns(x, whole_bell)

    tall, wide = fenced(smoothed, padded)

    def differences(tall: Array, wide: Array) -> tuple[Array]:
        height, width = plane.shape

        def pairs(x: Array, axis: int, length: int) -> Plane:
            before = [lax.slice_in_dim(x, reach - i, reach - i + length, axis=axis) for i in range(1, reach + 1)]
            after = [lax.slice_in_dim(x, reach + i, reach + i + length, axis=axis) for i in range(1, reach + 1)]
            terms = [t * (b - a) for t, b, a in zip(slope[1:], before, after, strict=True)]
            return sum(terms[1:], start=terms[0])

        return (jnp.stack([pairs(tall, 1, width), pairs(wide, 0, height)]),)

    return fenced(differences, tall, wide)[0]


def _responses(luma: Plane, shortest: float) -> Float[Array, "24 h w"]:
    """Even and odd log-Gabor responses: 4 orientations of the finest scale first."""
    radial, angular = _filters(*luma.shape, shortest)
    spectrum = jnp.fft.fft2(luma - lax.stop_gradient(map_mean(luma)))  # whose mean passes none of the filters

    def of_scale(own: Plane) -> Float[Array, "o 2 h w"]:
        found = jnp.fft.ifft2(filtered(spectrum[None], own[None] * jnp.asarray(angular)))
        return jnp.stack([found.real, found.imag], axis=1)

    return lax.map(of_scale, jnp.asarray(radial)).reshape(-1, *luma.shape)


@functools.lru_cache(16)
def _filters(height: int, width: int, shortest: float) -> tuple[np.ndarray, np.ndarray]:
    """The filters' parts by scale, [3, H, W], and by orientation, [4, H, W]; sides are even."""
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    radius, theta = np.hypot(down, right), np.arctan2(-down, right)
    radius[0, 0] = 1.0
    radial = []
    for scale in range(_SCALES):
        centre = 1.0 / (shortest * _FACTOR**scale)
        radial.append(np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(_SIGMA_F) ** 2)))
        radial[-1][0, 0] = 0.0
    sigma = math.pi / (_ORIENTATIONS * _SPREAD)
    apart = [np.angle(np.exp(1j * (theta - i * math.pi / _ORIENTATIONS))) for i in range(_ORIENTATIONS)]
    angular = [np.exp(-(a**2) / (2 * sigma**2)) for a in apart]
    return np.stack(radial).astype(np.float32), np.stack(angular).astype(np.float32)


def _weibull(x: Float[Array, "b n"]) -> Float[Array, "b 2"]:
    """Scale and shape of the Weibull distributions that are likeliest to have given positive values.

    The shape k is where k times A(k) is 1, A being the mean of log x weighted by x^k less its plain mean. The logarithm
    of that product is all but a straight line in log k, so that Newton's method gets there from afar.
    """
    logarithms = jnp.log(x)
    mean = _last_mean(logarithms)
    y = logarithms - mean[:, None]
    top = y.max(-1)
    varied = top > y.min(-1)
    y = jnp.where(varied[:, None], y, jnp.linspace(-1.0, 1.0, y.shape[-1], dtype=y.dtype))  # any that have a fit
    top = jnp.where(varied, lax.stop_gradient(top), 1.0)

    def step(k: Float[Array, " b"], y: Float[Array, "b n"]) -> Float[Array, " b"]:
        weights = jnp.exp(k[:, None] * (y - top[:, None]))
        total, first = _last_mean(weights), _last_mean(weights * y)
        above = first / total
        spread = _last_mean(weights * (y - above[:, None]) ** 2) / total
        return k * jnp.exp(-jnp.log(k * above) / (1.0 + k * spread / above))

    given = lax.stop_gradient(y)
    k = 1.28 / jnp.sqrt(_last_mean(given * given))  # as far as the deviation of log x tells
    k = lax.fori_loop(0, _WEIBULL_STEPS - 2, lambda _, k: step(k, given), k)
    # Derivatives, first and second, are those of the last two steps.
    k = step(step(lax.stop_gradient(k), y), y)
    scale = jnp.exp(mean + top + jnp.log(_last_mean(jnp.exp(k[:, None] * (y - top[:, None])))) / k)
    return jnp.stack([jnp.where(varied, scale, jnp.exp(mean)), jnp.where(varied, k, _INFINITE)], axis=-1)
