"""FLIP, the difference that is seen when two images alternate: of images for a screen, and of high dynamic range."""

import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import absolute, magnitude, map_mean, order_statistic, power
from jaxeval.ops.image_quality.bands import banded
from jaxeval.ops.image_quality.batches import Scores, check_choice, check_light, each_image, image_pair
from jaxeval.ops.image_quality.colour import transform

Pixels = Float[Array, "_ _ _"]
Pair = Float[Array, "2 h w 3"]
Plane = Float[Array, "_ _"]
Exposures = tuple[float, float, int]

ToneMapper = Literal["aces", "hable", "reinhard"]

# A screen of 3,840 pixels on 0.7 m, seen from 0.7 m.
_PIXELS_PER_DEGREE = 3840 * math.pi / 180
# sRGB to XYZ over the white of D65.
_XYZ = np.array(
    [
        [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
        [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
        [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
    ]
)
_XYZ_OF_WHITE = _XYZ / np.array([[0.950428545], [1.0], [1.088900371]])
# Luminance, red against green, yellow against blue. The factors and the offset of YCxCz cancel where it is left again.
_OPPONENT = np.array([[0.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]) @ _XYZ_OF_WHITE
_LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]])  # by which exposures are found and Reinhard's operator divides

# Contrast sensitivity as sums of Gaussians: (a, b) of a sqrt(pi / b) exp(-pi^2 z / b), z in squared degrees.
_SENSITIVITY = {"y": ((1.0, 0.0047),), "rg": ((1.0, 0.0053),), "by": ((34.1, 0.04), (13.5, 0.025))}
_EDGE_WIDTH = 0.082  # degrees between the peak and the trough of the detector of edges
_COLOUR_POWER, _FEATURE_POWER = 0.7, 0.5
_KNEE, _AT_KNEE = 0.4, 0.95  # of the largest colour difference, and the error there

# Numerator and denominator of tone curves, (x^2, x, 1) each; ACES without its exposure of 0.6.
_CURVES = {
    "aces": ((0.36 * 2.51, 0.6 * 0.03, 0.0), (0.36 * 2.43, 0.6 * 0.59, 0.14)),
    "hable": ((0.231683, 0.013791, 0.0), (0.18, 0.3, 0.018)),
    "reinhard": ((0.0, 1.0, 0.0), (0.0, 1.0, 1.0)),
}
_END = 0.85  # the tone that ends the range of exposures
_MOST_EXPOSURES = 32
_BRIGHTEST = 1e9  # all curves have ended long before; squares of float32 do not overflow


@takes_arrays
def flip(
    x: Numbers, y: Numbers, *, data_range: float | None = None, pixels_per_degree: float = _PIXELS_PER_DEGREE
) -> Scores:
    """LDR-FLIP: the mean difference that a person sees when two images for a screen alternate, as in NVIDIA's code.

    Colours are blurred by the eye's contrast sensitivity and compared in a Hunt-adjusted L*a*b*; differences of edges
    and points amplify them.

    Args:
      x: images in sRGB, [N, H, W, 3], any real dtype; gray ones, [N, H, W, 1], count as RGB with equal channels. Values
        outside of the data range are cut.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      pixels_per_degree: of visual angle; by default those of a screen 3,840 pixels and 0.7 m wide, 0.7 m away: 67.02.

    Returns:
      [N], in [0, 1]: lower is better, 0 for identical images; the same for (y, x).

    Raises:
      InputError: shapes, dtypes, values, the data range or the pixels per degree do not fit, or a value is not finite.

    Reference: Andersson, Nilsson, Akenine-Möller, Oskarsson, Åström, Fairchild, "FLIP: a difference evaluator for
    alternating images", Proceedings of the ACM on Computer Graphics and Interactive Techniques 3(2), 2020.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> print(image_quality.flip(y, y, data_range=1.0))
      [0. 0. 0. 0.]
    """
    peak = image_pair("flip", x, y, data_range, colours=(1, 3))
    return each_image(_flip, x, y, data_range=peak, pixels_per_degree=_checked_density("flip", pixels_per_degree))


@takes_arrays
def hdr_flip(
    x: Numbers,
    y: Numbers,
    *,
    pixels_per_degree: float = _PIXELS_PER_DEGREE,
    tone_mapper: ToneMapper = "aces",
    exposures: Exposures | None = None,
) -> Scores:
    """HDR-FLIP: the mean over pixels of the largest LDR-FLIP over exposures, as in NVIDIA's code.

    Args:
      x: distorted images in linear light with sRGB's primaries, [N, H, W, 3], any real dtype, of values from 0 upwards
        in any unit; gray ones, [N, H, W, 1], count as RGB with equal channels.
      y: reference images, as x; the order matters.
      pixels_per_degree: as for `flip`.
      tone_mapper: the curve that takes light to the screen: "aces", "hable" or "reinhard".
      exposures: (first, last, number), in stops; by default those of each reference image, from where its brightest
        pixel to where its median becomes the tone 0.85, about one a stop: at least 2, and 32 at the most. Off the CPU
        all 32 are computed unless they are given.

    Returns:
      [N], in [0, 1]: lower is better, 0 for identical images. Not-a-number where exposures are to be found and half of
      the reference's pixels are black. Gradients take the exposures as given.

    Raises:
      InputError: shapes, dtypes, values or options do not fit, or a value is negative or not finite.

    Reference: Andersson, Nilsson, Shirley, Akenine-Möller, "Visualizing errors in rendered high dynamic range images",
    Eurographics short papers, 2021.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).exponential(size=(2, 16, 16, 3))
      >>> print(image_quality.hdr_flip(y, y, exposures=(-1.0, 3.0, 5)))
      [0. 0.]
    """
    check_light("hdr_flip", x, y)
    check_choice("hdr_flip", "tone_mapper", tone_mapper, get_args(ToneMapper))
    if exposures is not None:
        first, last, number = exposures
        if not (math.isfinite(first) and math.isfinite(last) and first <= last and number >= 2):
            raise InputError(
                f"hdr_flip: exposures={exposures} are not (first, last, number) with first <= last and at least two"
            )
        exposures = (float(first), float(last), int(number))
    density = _checked_density("hdr_flip", pixels_per_degree)
    return each_image(_hdr_flip, x, y, pixels_per_degree=density, tone_mapper=tone_mapper, exposures=exposures)


def _checked_density(op: str, pixels_per_degree: float) -> float:
    density = float(pixels_per_degree)
    if not (math.isfinite(density) and density >= 1):
        raise InputError(f"{op}: pixels_per_degree={pixels_per_degree} is not a number of at least 1")
    return density


def _flip(x: Pixels, y: Pixels, *, data_range: float, pixels_per_degree: float) -> Float[Array, ""]:
    def linear(image: Pixels) -> Pixels:
        levels = jnp.clip(image * (1.0 / data_range), 0.0, 1.0)
        dark = levels <= 0.04045
        return jnp.where(dark, levels / 12.92, ((jnp.where(dark, 1.0, levels) + 0.055) / 1.055) ** 2.4)

    return map_mean(_error_map(linear, _rgb(x, y), pixels_per_degree))


def _hdr_flip(
    x: Pixels, y: Pixels, *, pixels_per_degree: float, tone_mapper: ToneMapper, exposures: Exposures | None
) -> Float[Array, ""]:
    both = _rgb(x, y)

    def error_map(light: Pair, exposure: Float[Array, ""]) -> Plane:
        return _error_map(lambda image: _tone_mapped(image * 2.0**exposure, tone_mapper), light, pixels_per_degree)

    # Gradients redo an exposure: the maps of all of them take too much memory.
    error_map = jax.checkpoint(error_map, prevent_cse=False)
    nothing = 0.0 * both[0, ..., 0]
    if exposures is not None:
        levels = jnp.linspace(*exposures, dtype=both.dtype)
        return map_mean(lax.scan(lambda most, at: (jnp.maximum(most, error_map(both, at)), None), nothing, levels)[0])
    first, last = _range_of_exposures(lax.stop_gradient(both[1]), tone_mapper)
    found = jnp.isfinite(first) & jnp.isfinite(last)
    first, last = jnp.where(found, first, 0.0), jnp.where(found, last, 0.0)
    number = jnp.clip(jnp.ceil(last - first), 2, _MOST_EXPOSURES)

    def step(most: Plane, at: Float[Array, ""]) -> tuple[Plane, None]:
        level = first + at * ((last - first) / (number - 1.0))
        return jnp.maximum(most, lax.cond(at < number, error_map, lambda *_: nothing, both, level)), None

    errors = lax.scan(step, nothing, jnp.arange(_MOST_EXPOSURES, dtype=both.dtype))[0]
    return jnp.where(found, map_mean(errors), jnp.nan)


def _rgb(x: Pixels, y: Pixels) -> Pair:
    return jnp.broadcast_to(jnp.stack([x, y]), (2, *x.shape[:2], 3))


def _tone_mapped(light: Pixels, tone_mapper: ToneMapper) -> Pixels:
    if tone_mapper == "reinhard":
        return jnp.clip(light / (1.0 + transform(light, _LUMINANCE)), 0.0, 1.0)
    (a, b, c), (d, e, f) = _CURVES[tone_mapper]
    light = jnp.minimum(light, _BRIGHTEST)
    return jnp.clip((a * light * light + b * light + c) / (d * light * light + e * light + f), 0.0, 1.0)


def _range_of_exposures(reference: Pixels, tone_mapper: ToneMapper) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Exposures that give the brightest pixel, and the median, the tone `_END`; infinite for black ones."""
    a, b, c = (above - _END * below for above, below in zip(*_CURVES[tone_mapper], strict=True))
    end = -c / b if a == 0 else max(np.roots([a, b, c]))
    luminance = transform(reference, _LUMINANCE).reshape(-1)
    median = order_statistic(luminance, luminance.shape[0] // 2)
    return jnp.log2(float(end) / luminance.max()), jnp.log2(float(end) / median)


def _error_map(linear: Callable[[Pixels], Pixels], both: Pair, pixels_per_degree: float) -> Plane:
    """The error at each pixel of two images, of which `linear` makes linear RGB from 0 to 1."""
    # One after the other, by the same code: equal images have equal maps, to the last bit.
    maps = lax.map(lambda image: jnp.stack(_seen(linear(image), pixels_per_degree)), both)
    lightness, a, b, edges, points = (maps[:, i] for i in range(maps.shape[1]))

    distance = absolute(lightness[0] - lightness[1]) + magnitude(a[0] - a[1], b[0] - b[1])
    distance = power(distance, _COLOUR_POWER)
    largest = _largest_distance()
    knee = _KNEE * largest
    beyond = _AT_KNEE + (distance - knee) * ((1.0 - _AT_KNEE) / (largest - knee))
    colour = jnp.where(distance < knee, distance * (_AT_KNEE / knee), beyond)

    feature = jnp.maximum(absolute(edges[0] - edges[1]), absolute(points[0] - points[1]))
    amplified = power(feature * math.sqrt(0.5), _FEATURE_POWER)
    different = colour > 0
    return jnp.where(different, jnp.where(different, colour, 1.0) ** (1.0 - amplified), 0.0 * colour)


def _seen(linear: Pixels, pixels_per_degree: float) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """Of an image in linear RGB, as it is seen: L*, and a* and b* times L* / 100; the strengths of edges and points."""
    filters = _filters(pixels_per_degree)
    luminance, red_green, blue_yellow = (transform(linear, _OPPONENT)[..., i] for i in range(3))
    # Down, then across. Of luminance, what both paths need at once.
    blurred, smooth, edges, points = banded(luminance, np.stack([filters.y, *filters.features]))
    colours = [_across(blurred, filters.y), _across(banded(red_green, filters.rg[None])[0], filters.rg)]
    wide, narrow = banded(blue_yellow, filters.by)
    colours.append(_across(wide, filters.by[0]) + _across(narrow, filters.by[1]))
    seen = jnp.clip(transform(jnp.stack(colours, axis=-1), np.linalg.inv(_OPPONENT)), 0.0, 1.0)

    gaussian, first, second = filters.features
    of_edges = magnitude(_across(edges, gaussian), _across(smooth, first))
    of_points = magnitude(_across(points, gaussian), _across(smooth, second))
    return *_hunt(seen), of_edges, of_points


def _across(plane: Plane, taps: Float[np.ndarray, " size"]) -> Plane:
    return banded(plane.T, taps[None])[0].T


def _hunt(linear: Pixels) -> tuple[Plane, Plane, Plane]:
    """L*, and a* and b* times L* / 100."""
    xyz = transform(linear, _XYZ_OF_WHITE)
    cut = (6 / 29) ** 3
    f = jnp.where(xyz > cut, jnp.cbrt(jnp.maximum(xyz, cut)), xyz * (29 / 6) ** 2 / 3.0 + 4 / 29)
    x, y, z = (f[..., i] for i in range(3))
    lightness = 116.0 * y - 16.0
    return lightness, 5.0 * lightness * (x - y), 2.0 * lightness * (y - z)


@functools.cache
def _largest_distance() -> float:
    """Between green and blue, the two colours of a screen that are farthest apart."""
    f = np.cbrt(_XYZ_OF_WHITE[:, 1:])  # of Y, Z and X of both colours, all of them above the cut
    lightness = 116 * f[1] - 16
    a, b = 5 * lightness * (f[0] - f[1]), 2 * lightness * (f[1] - f[2])
    return float((abs(lightness[0] - lightness[1]) + math.hypot(a[0] - a[1], b[0] - b[1])) ** _COLOUR_POWER)


class _Filters(NamedTuple):
    """Windows of one length; those of blue against yellow are two, whose products are added."""

    y: Float[np.ndarray, " size"]
    rg: Float[np.ndarray, " size"]
    by: Float[np.ndarray, "2 size"]
    features: Float[np.ndarray, "3 size"]  # a Gaussian, and its first and second derivative


@functools.lru_cache(16)
def _filters(pixels_per_degree: float) -> _Filters:
    widest = max(b for parts in _SENSITIVITY.values() for _, b in parts)
    radius = math.ceil(3 * math.sqrt(widest / (2 * math.pi**2)) * pixels_per_degree)
    spread = 0.5 * _EDGE_WIDTH * pixels_per_degree
    reach = math.ceil(3 * spread)
    at = np.arange(-max(radius, reach), max(radius, reach) + 1)

    def sensitivity(parts: tuple[tuple[float, float], ...]) -> np.ndarray:
        squared = (at / pixels_per_degree) ** 2
        waves = np.stack([np.sqrt(a * np.sqrt(np.pi / b)) * np.exp(-(np.pi**2) * squared / b) for a, b in parts])
        waves[:, abs(at) > radius] = 0.0
        return waves / np.sqrt((waves.sum(1) ** 2).sum())

    gaussian = np.exp(-(at**2) / (2 * spread**2)) * (abs(at) <= reach)
    features = []
    for values in (gaussian, -at * gaussian, (at**2 / spread**2 - 1) * gaussian):
        positive, negative = values.clip(0).sum(), -values.clip(None, 0).sum()
        features.append(values / np.where(values < 0, negative, positive))
    y, rg, by = (sensitivity(_SENSITIVITY[name]) for name in ("y", "rg", "by"))
    return _Filters(y[0], rg[0], by, np.stack(features))
