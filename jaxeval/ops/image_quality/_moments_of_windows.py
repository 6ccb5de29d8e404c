"""Means and variances in every window of two images, as SSIM needs them, from their sum and difference.

With s = x + y and d = x - y, whatever SSIM asks of x and y can be had from the windows' means and variances of s and d:

    2 mean_x mean_y = (mean_s^2 - mean_d^2) / 2        mean_x^2 + mean_y^2 = (mean_s^2 + mean_d^2) / 2
    2 cov_xy        = (var_s - var_d) / 2              var_x + var_y       = (var_s + var_d) / 2

so that luminance and contrast-structure terms are 1 - a and 1 - b with

    a = 2 mean_d^2 / (mean_s^2 + mean_d^2 + 2 c1)      b = 2 var_d / (var_s + var_d + 2 c2)

Four blurs instead of five; identical images give a = b = 0, exactly, and nearly identical ones keep their digits.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxeval._arrays import contract
from jaxeval.ops._derivatives import Arrays, Tangents, filled, linear, sloped
from jaxeval.ops.image_quality._maths import map_mean
from jaxeval.ops.image_quality.windows import Taps, blur, blurred_stack, stacked

Pixels = Float[Array, "_ _ _"]
Rows = Float[Array, "_ _"]
Channels = Float[Array, " c"]

_CACHED_VALUES = 1 << 18  # of a tile: loops over its five maps find them in a core's cache


class WindowMoments(NamedTuple):
    """Of the sum and difference of two images, one value a window; squares of means with their centre put back."""

    mean_s: Rows
    mean_d: Rows
    var_s: Rows
    var_d: Rows

    def losses(self, c1: float, c2: float, sample: float = 1.0) -> tuple[Rows, Rows]:
        """(1 - luminance, 1 - contrast * structure); `sample` scales variances to n - 1."""
        squared_s, squared_d = self.mean_s * self.mean_s, self.mean_d * self.mean_d
        a = 2.0 * squared_d / (squared_s + squared_d + 2.0 * c1)
        b = 2.0 * self.var_d / (self.var_s + self.var_d + 2.0 * c2 / sample)
        return a, b


class Losses(NamedTuple):
    """Means over windows, one a channel: of 1 - SSIM and of 1 - contrast * structure."""

    ssim: Channels
    contrast_structure: Channels


def window_moments(s: Rows, d: Rows, taps: Taps, step: int, centres: tuple[Array, Array]) -> WindowMoments:
    """Moments in the windows of centred sums and differences, [H, W * C] with `step` = C channels interleaved."""
    means_and_squares = _MeansAndSquares(taps, step), _MeansAndSquaresSlope(taps, step)
    mean_s, mean_d, square_s, square_d = sloped(*means_and_squares, (s, d))
    # A shift leaves variances as they are, and being small, centred means cost them few digits.
    return WindowMoments(
        mean_s + centres[0], mean_d + centres[1], square_s - mean_s * mean_s, square_d - mean_d * mean_d
    )


@dataclasses.dataclass(frozen=True)
class _MeansAndSquares:
    """Windows' means of s, d and of their squares."""

    taps: Taps
    step: int

    def __call__(self, maps: Arrays) -> tuple[Rows, ...]:
        s, d = maps
        return tuple(blurred_stack(stacked(lambda s, d: (s, d, s * s, d * d), s, d), self.taps, self.step))


@dataclasses.dataclass(frozen=True)
class _MeansAndSquaresSlope:
    """The derivative of `_MeansAndSquares`."""

    taps: Taps
    step: int

    def __call__(self, maps: Arrays, _: Arrays, tangents: Tangents) -> tuple[Rows, ...]:
        s, d = maps
        moved_s, moved_d = filled(maps, tangents)
        return blur((moved_s, moved_d, 2.0 * s * moved_s, 2.0 * d * moved_d), self.taps, self.step)


def losses_by_channel(
    x: Pixels,
    y: Pixels,
    taps: Taps,
    c1: float,
    c2: float,
    *,
    sample: float = 1.0,
    clip: bool = False,
    margin: int = 0,
) -> Losses:
    """Means over all windows that fit.

    Args:
      x: one image.
      y: as x.
      taps: the window along either axis.
      c1: stabilises the luminance term; in squared units of the images.
      c2: stabilises contrast and structure.
      sample: n / (n - 1) for sample variances.
      clip: count contrast-structure below 0 as 0.
      margin: windows to leave out along every edge, in the contrast-structure mean only.
    """
    settings = Settings(taps, c1, c2, sample, clip, margin)
    height, width, channels = x.shape
    windows = (height - len(taps) + 1, width - len(taps) + 1)
    if windows[0] * windows[1] * channels <= _CACHED_VALUES:
        sums = _whole(x, y, settings)
    else:
        sums = lax.platform_dependent(
            x,
            y,
            cpu=lambda x, y: _tiled((x, y), _SumsOfTile(settings), settings),
            default=lambda x, y: _whole(x, y, settings),
        )
    inner = (windows[0] - 2 * margin) * (windows[1] - 2 * margin)
    return Losses(sums[0] / (windows[0] * windows[1]), sums[1] / inner)


class Settings(NamedTuple):
    """Of `losses_by_channel`."""

    taps: Taps
    c1: float
    c2: float
    sample: float
    clip: bool
    margin: int


class _Tile(NamedTuple):
    """Where a tile's windows begin along an axis, and which of them count in either mean; one or many."""

    start: Int[Array, "*n"]
    weights: Float[Array, "*n 2 k"]


def _tiles(count: int, size: int, margin: int) -> _Tile:
    """Tiles of `size` windows that cover `count`; the last ends with them, and what it repeats does not count again."""
    wanted = np.arange(-(-count // size)) * size
    start = np.minimum(wanted, count - size)
    place = start[:, None] + np.arange(size)
    new = place >= wanted[:, None]
    inner = new & (place >= margin) & (place < count - margin)
    return _Tile(jnp.asarray(start, jnp.int32), jnp.asarray(np.stack([new, inner], axis=1), jnp.float32))


def sums_of_windows(
    x: Pixels, y: Pixels, tall: Float[Array, "2 _"], wide: Float[Array, "2 _"], settings: Settings
) -> Float[Array, "2 c"]:
    """Weighted sums over the windows of two images or tiles, of both losses: of 1 - SSIM, and 1 - contrast * structure.

    Args:
      x: an image or a tile.
      y: as x.
      tall: weights of the windows' rows in either sum.
      wide: of their columns.
      settings: of SSIM.
    """
    height, _, channels = x.shape
    x, y = x.reshape(height, -1), y.reshape(height, -1)
    s, d = x + y, x - y
    centres = (lax.stop_gradient(map_mean(s)), lax.stop_gradient(map_mean(d)))
    moments = window_moments(s - centres[0], d - centres[1], settings.taps, channels, centres)
    a, b = moments.losses(settings.c1, settings.c2, settings.sample)
    b = jnp.minimum(b, 1.0) if settings.clip else b
    by_column = jnp.stack([contract("h,hj->j", tall[0], a + b - a * b), contract("h,hj->j", tall[1], b)])
    return (by_column.reshape(2, -1, channels) * wide[..., None]).sum(1)


def _whole(x: Pixels, y: Pixels, settings: Settings) -> Float[Array, "2 c"]:
    """Sums over an image at once."""
    windows = (size - len(settings.taps) + 1 for size in x.shape[:2])
    tall, wide = (jax.tree.map(lambda part: part[0], _tiles(count, count, settings.margin)) for count in windows)
    return sums_of_windows(x, y, tall.weights, wide.weights, settings)


# What is added up over tiles: a function of the images' pixels there.
_OfTile = Callable[[tuple[Pixels, ...], tuple[_Tile, _Tile]], Float[Array, "2 c"]]


@dataclasses.dataclass(frozen=True)
class _SumsOfTile:
    """`sums_of_windows` of a tile."""

    settings: Settings

    def __call__(self, parts: tuple[Pixels, ...], tile: tuple[_Tile, _Tile]) -> Float[Array, "2 c"]:
        x, y = parts
        return sums_of_windows(x, y, tile[0].weights, tile[1].weights, self.settings)


@dataclasses.dataclass(frozen=True)
class _SlopeOfTile:
    """The derivative of another one, at the first half of the images in the direction of the second."""

    of: _OfTile

    def __call__(self, parts: tuple[Pixels, ...], tile: tuple[_Tile, _Tile]) -> Float[Array, "2 c"]:
        half = len(parts) // 2
        return jax.jvp(lambda *at: self.of(at, tile), parts[:half], parts[half:])[1]


def _tiled(images: tuple[Pixels, ...], of: _OfTile, settings: Settings) -> Float[Array, "2 c"]:
    """Sums over images of one shape, tile by tile, each small enough to stay in a core's cache."""
    return sloped(_Tiled(of, settings), _TiledSlope(of, settings), images)[0]


@dataclasses.dataclass(frozen=True)
class _Tiled:
    """`_tiled` as a function."""

    of: _OfTile
    settings: Settings

    def __call__(self, images: Arrays) -> tuple[Float[Array, "2 c"]]:
        tiles, cut = _tiling(images[0].shape, self.settings)
        return (lax.map(lambda tile: self.of(tuple(cut(i, tile) for i in images), tile), tiles).sum(0),)


@dataclasses.dataclass(frozen=True)
class _TiledSlope:
    """Its derivative: a sum over tiles too, with a transpose of its own."""

    of: _OfTile
    settings: Settings

    def __call__(self, images: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
        back = _TiledGradient(self.of, self.settings)
        return linear(self._along, back, filled(images, tangents), images)

    def _along(self, images: Arrays, tangents: Arrays) -> tuple[Float[Array, "2 c"]]:
        return (_tiled((*images, *tangents), _SlopeOfTile(self.of), self.settings),)


def _tiling(shape: tuple[int, ...], settings: Settings):
    """Every tile of an image, and what cuts the pixels of one from it."""
    height, width, channels = shape
    reach = len(settings.taps) - 1
    side = max(int((_CACHED_VALUES / channels) ** 0.5), 2 * reach)
    # As few tiles as can be, of as equal sizes as can be.
    tall, wide = (math.ceil(count / math.ceil(count / side)) for count in (height - reach, width - reach))
    rows_of, columns_of = _tiles(height - reach, tall, settings.margin), _tiles(width - reach, wide, settings.margin)
    count = (rows_of.start.size, columns_of.start.size)
    tiles = (
        jax.tree.map(lambda part: jnp.repeat(part, count[1], axis=0), rows_of),
        jax.tree.map(lambda part: jnp.tile(part, (count[0], *[1] * (part.ndim - 1))), columns_of),
    )

    def cut(image: Pixels, tile: tuple[_Tile, _Tile]) -> Pixels:
        return lax.dynamic_slice(
            image, (tile[0].start, tile[1].start, np.int32(0)), (tall + reach, wide + reach, channels)
        )

    return tiles, cut


@dataclasses.dataclass(frozen=True)
class _TiledGradient:
    """The transpose of that derivative; that of a slice in a loop would add a whole image of zeros a tile."""

    of: _OfTile
    settings: Settings

    def __call__(self, images: Arrays, cotangents: Arrays) -> Arrays:
        tiles, cut = _tiling(images[0].shape, self.settings)

        # Derivatives of this one do a tile again: its maps are not kept for the whole image.
        @functools.partial(jax.checkpoint, prevent_cse=False)
        def of_tile(parts: tuple[Pixels, ...], tile: tuple[_Tile, _Tile], cotangent: Array) -> tuple[Pixels, ...]:
            return jax.vjp(lambda *at: self.of(at, tile), *parts)[1](cotangent)

        def add(gradients: tuple[Pixels, ...], tile: tuple[_Tile, _Tile]) -> tuple[tuple[Pixels, ...], None]:
            place = (tile[0].start, tile[1].start, np.int32(0))
            parts = of_tile(tuple(cut(i, tile) for i in images), tile, cotangents[0])
            return tuple(
                lax.dynamic_update_slice(whole, cut(whole, tile) + part, place)
                for whole, part in zip(gradients, parts, strict=True)
            ), None

        return lax.scan(add, tuple(map(jnp.zeros_like, images)), tiles)[0]
