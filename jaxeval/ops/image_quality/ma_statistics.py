"""The statistics by which Ma et al. tell how good a super-resolved image is: of one plane, 138 numbers.

They are of 7 x 7 cosine transforms about every third pixel, of a steerable pyramid whose bands are divided by the size
of their neighbourhoods, and singular values of 5 x 5 patches: docs/image_quality.md has where other code differs.

References: Ma, Yang, Yang, Yang, "Learning a no-reference quality metric for single-image super-resolution", CVIU 158,
2017, and its authors' code; Simoncelli, Freeman, "The steerable pyramid", ICIP 1995, and matlabPyrTools.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer

from jaxeval._arrays import contract
from jaxeval.ops.image_quality._maths import added, filtered, map_mean, map_sum, order_statistic
from jaxeval.ops.image_quality.natural_scene import shape_of_ratio
from jaxeval.ops.image_quality.resampling import cubic, resampled
from jaxeval.ops.image_quality.windows import blurred_stack, gaussian_taps

Plane = Float[Array, "_ _"]
Planes = Float[Array, "_ _ _"]

FEATURES = (18, 45, 75)  # of the three kinds
LEAST_SIDE = 84  # at a quarter of it there are 25 patches
_SCALES = 3
_WINDOW, _STEP, _BORDER = 7, 3, 2  # of cosine transforms
_PATCH = 5
_ORIENTATIONS = 6
_GUARD = (16, 8)  # pixels of a band's border that are left out, at both levels
_STABILITY = (0.03 * 255) ** 2
_EVERY, _ORIENTED = 1e-7, 1e-8  # what is added to means of transforms before they divide
_FLOOR = 1e-6  # variances below this share of the greatest are beyond the digits of a float32 product: two rounds
_EMPTY = 0.1  # what is left of a direction that both rounds enlarged, and that counts as none


def ma_statistics(plane: Plane) -> Float[Array, " f"]:
    """All statistics of whole levels from 0 to 255, [138]; not-a-number if a pixel is. They have no gradient."""
    plane = lax.stop_gradient(plane)
    whole = jnp.isfinite(plane).all()
    plane = jnp.where(whole, plane, 0.0)
    scales = [plane]
    for _ in range(_SCALES - 1):
        scales.append(_halved(scales[-1]))
    parts = [*(_of_transforms(s) for s in scales), _of_pyramid(plane), *(_of_patches(s) for s in scales)]
    return jnp.where(whole, jnp.concatenate(parts), jnp.nan)


def _halved(plane: Plane) -> Plane:
    """Every second pixel from the second on, after a 3 x 3 Gaussian of sigma 0.5 with black beyond the borders.

    A pixel is moved towards its neighbours by differences, which are exactly 0 where nothing changes: features of flat
    areas would be rounding errors otherwise.
    """
    side = math.exp(-2.0) / (1.0 + 2.0 * math.exp(-2.0))
    padded = jnp.pad(plane, 1)
    middle = padded[1:-1]
    tall = middle + side * ((padded[:-2] - middle) + (padded[2:] - middle))
    middle = tall[:, 1:-1]
    return (middle + side * ((tall[:, :-2] - middle) + (tall[:, 2:] - middle)))[1::2, 1::2]


def _of_transforms(plane: Plane) -> Float[Array, " six"]:
    """Of cosine transforms of windows of 7 x 7 pixels about squares of 3 x 3, black beyond the borders.

    The means of all windows, and of a tenth of them, of three numbers each: the shape of the coefficients'
    distribution, their variation, and how much that varies between three bundles of directions.
    """
    coefficients = _coefficients(plane)
    down, across, size = coefficients.shape
    count = down * across
    rest = coefficients - coefficients.mean(-1, keepdims=True)
    shape = _shape((rest * rest).sum(-1) / (size - 1.0), jnp.abs(rest).mean(-1))
    absolute = jnp.abs(coefficients)

    def variation_of(group: tuple[Array, Array]) -> Plane:
        members, least = group
        number = members.sum()
        mean = contract("ijk,k->ij", absolute, members / number)
        rest = absolute - mean[..., None]
        return jnp.sqrt(contract("ijk,k->ij", rest * rest, members / (number - 1.0))) / (mean + least)

    groups = (jnp.asarray(_transform().members), jnp.array([_EVERY] + [_ORIENTED] * 3, jnp.float32))
    every, *oriented = lax.map(variation_of, groups)  # one at a time, as each needs all coefficients again
    mean = added(oriented) / 3.0
    directions = added([(own - mean) ** 2 for own in oriented]) / 2.0
    values = jnp.stack([shape, every, directions])
    tails = _means_of_tails(values, math.ceil(count * 0.1), count - int(count * 0.9) + 1)
    return jnp.stack([tails, jax.vmap(map_mean)(values)], axis=1).reshape(-1)


class _Transform(NamedTuple):
    rows: Float[np.ndarray, "k i j"]  # coefficients that vary down the window alone
    columns: Float[np.ndarray, "k i j"]
    both: Float[np.ndarray, "k i j"]
    members: Float[np.ndarray, "g k"]  # 1 where a coefficient belongs to: all of them, or one of three directions


@functools.cache
def _transform() -> _Transform:
    """The orthonormal cosine transform of levels over 255, but for its constant."""
    frequency, at = np.arange(_WINDOW)[:, None], np.arange(_WINDOW)[None]
    waves = np.sqrt(2 / _WINDOW) * np.cos(np.pi * (2 * at + 1) * frequency / (2 * _WINDOW))
    waves[0] /= np.sqrt(2)
    basis = waves[:, None, :, None] * waves[None, :, None, :] / 255.0
    places = [(k, 0) for k in range(1, _WINDOW)] + [(0, k) for k in range(1, _WINDOW)]
    places += [(k, m) for k in range(1, _WINDOW) for m in range(1, _WINDOW)]
    # Coefficients of a row, or a column, from one on: across edges that stand, or lie; the others are between.
    first = (1, 2, 4, 5)
    across = [[k < len(first) and m >= first[k] for k, m in pairs] for pairs in (places, [p[::-1] for p in places])]
    members = np.array([[True] * len(places), across[0], ~np.any(across, axis=0), across[1]], np.float32)
    return _Transform(
        basis[1:, 0].astype(np.float32),
        basis[0, 1:].astype(np.float32),
        basis[1:, 1:].reshape(-1, _WINDOW, _WINDOW).astype(np.float32),
        members,
    )


def _coefficients(plane: Plane) -> Float[Array, "a b k"]:
    """Cosine transforms of levels over 255, but for their constants.

    Of differences with the windows' middle row and column, which of whole levels are exactly 0 where nothing changes in
    that direction: coefficients that are to be 0 would be rounding errors otherwise, divided by one another.
    """
    border = [(_BORDER, _BORDER + -size % _STEP) for size in plane.shape]
    padded = jnp.pad(plane, border)
    starts = [np.arange(0, size, _STEP, dtype=np.int32) for size in plane.shape]
    rows, columns = (start[:, None] + np.arange(_WINDOW, dtype=np.int32)[None] for start in starts)
    windows = padded[rows][:, :, columns]
    middle = _WINDOW // 2
    down = windows - windows[:, middle : middle + 1]
    across = windows - windows[..., middle : middle + 1]
    both = down - down[..., middle : middle + 1]
    parts = zip((down, across, both), _transform()[:3], strict=True)
    found = [contract("aibj,kij->abk", part, jnp.asarray(basis)) for part, basis in parts]
    return jnp.concatenate(found, axis=-1)


def _means_of_tails(values: Planes, least: int, largest: int) -> Float[Array, " m"]:
    """Of values that are not negative: the mean of the first map's `least` smallest, of the others' `largest`."""
    upper = np.arange(len(values)) > 0
    ranks, counts = np.where(upper, values[0].size - largest, least - 1), np.where(upper, largest, least)

    def mean_of(row: tuple[Plane, Array, Array, Array]) -> Float[Array, ""]:
        x, rank, count, from_above = row
        last = order_statistic(x.reshape(-1), rank)
        beyond = jnp.where(from_above, x > last, x < last)
        missing = count - map_sum(beyond.astype(x.dtype))
        return (map_sum(jnp.where(beyond, x, 0.0)) + missing * last) / count

    given = (values, jnp.array(ranks, jnp.int32), jnp.array(counts, jnp.float32), jnp.array(upper))
    return lax.map(mean_of, given)


def _shape(variance: Float[Array, "*n"], deviation: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Shapes of generalised Gaussians of these variances and mean absolute deviations."""
    return shape_of_ratio(variance / (deviation * deviation + _EVERY))


def _of_pyramid(plane: Plane) -> Float[Array, " of_bands"]:
    """Of bands: their shapes, those of both levels together, and how alike they are to the high pass and each other."""
    high, fine, coarse = _bands(plane)
    sides = list(zip(coarse.shape[1:], plane.shape, strict=True))
    doubled = _enlarged(coarse, [cubic(own, 2 * own, 2.0)[:to] for own, to in sides])
    # In the authors' code the last orientation's bands have no parent: zeros as neighbours change nothing.
    has_parent = np.arange(_ORIENTATIONS) < _ORIENTATIONS - 1
    parents = jnp.where(has_parent[:, None, None], doubled, 0.0)
    fine_divided = _divided(fine, parents, 9.0 + has_parent, _GUARD[0])
    coarse_divided = _divided(coarse, None, np.full(_ORIENTATIONS, 9.0), _GUARD[1])
    moments = [_Moments.of(bands) for bands in (fine_divided, coarse_divided)]
    enlarged = _enlarged(coarse, [cubic(own, to, to / own) for own, to in sides])
    planes = jnp.concatenate([fine, enlarged, high[None]])
    across = [(band, len(planes) - 1) for band in range(len(planes) - 1)]
    each_other = [(i, j) for i in range(_ORIENTATIONS) for j in range(i + 1, _ORIENTATIONS)]
    shapes = [own.shapes() for own in (*moments, moments[0].beside(moments[1]))]
    return jnp.concatenate([*shapes, _structures(planes, across), _structures(fine_divided, each_other)])


def _enlarged(bands: Planes, weights: list[Float[np.ndarray, "_ _"]]) -> Planes:
    return jax.vmap(lambda band: resampled(band, *weights))(bands)


class _Filters(NamedTuple):
    """Of a pyramid, on the spectrum as the transform has it, with the frequencies that its second level keeps."""

    high: Float[np.ndarray, "h w"]
    fine: Float[np.ndarray, "h w"]
    coarse: Float[np.ndarray, "h2 w2"]
    angular: Float[np.ndarray, "o h w"]
    down: Integer[np.ndarray, " h2"]
    right: Integer[np.ndarray, " w2"]


def _bands(plane: Plane) -> tuple[Plane, Planes, Planes]:
    """The high pass of the authors' steerable pyramid, and the bands of its two levels."""
    filters = _filters(*plane.shape)
    spectrum = jnp.fft.fft2(plane - map_mean(plane))  # whose mean passes none of the filters
    high = jnp.fft.ifft2(filtered(spectrum, filters.high)).real
    angular = jnp.asarray(filters.angular)

    def oriented(spectrum: Array, angular: Array) -> Planes:
        return lax.map(lambda own: jnp.fft.ifft2(filtered(spectrum, own)).imag, angular)

    low = filtered(spectrum[filters.down][:, filters.right], filters.coarse)
    fine = oriented(filtered(spectrum, filters.fine), angular)
    return high, fine, oriented(low, angular[:, filters.down][:, :, filters.right])


@functools.lru_cache(16)
def _filters(height: int, width: int) -> _Filters:
    """By the tables of matlabPyrTools, whose values between two entries are on a straight line."""
    down, right = ((np.arange(size) - size // 2) / (size / 2) for size in (height, width))
    angle = np.arctan2(down[:, None], right[None])
    radius = np.hypot(down[:, None], right[None])
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    radius = np.log2(radius)
    at = np.pi * np.arange(-257, 2) / 512
    passed = np.cos(at) ** 2
    passed[0], passed[-1] = passed[1], passed[-2]
    at, passed = -0.5 + 2 / np.pi * (at + np.pi / 4), np.sqrt(passed)
    stopped = np.sqrt(1.0 - passed**2)
    before = np.interp(radius, at, stopped)
    order = _ORIENTATIONS - 1
    size = 2 ** (2 * order) * math.factorial(order) ** 2 / (_ORIENTATIONS * math.factorial(2 * order))
    turns = np.pi * np.arange(-2049, 1026) / 1024
    lobes = math.sqrt(size) * np.cos(turns) ** order
    angular = [np.interp(angle - np.pi * o / _ORIENTATIONS, turns, lobes) for o in range(_ORIENTATIONS)]
    kept = [np.fft.ifftshift(_inner(size)) for size in (height, width)]
    coarse = before * np.interp(radius, at - 1.0, stopped) * np.interp(radius, at - 2.0, passed)
    high, fine, coarse, *angular = (
        np.fft.ifftshift(f).astype(np.float32)
        for f in (np.interp(radius, at, passed), before * np.interp(radius, at - 1.0, passed), coarse, *angular)
    )
    return _Filters(high, fine, coarse[kept[0]][:, kept[1]], np.stack(angular), *kept)


def _inner(size: int) -> Integer[np.ndarray, " half"]:
    """Where the inner half of shifted frequencies lies in the spectrum as the transform has it."""
    length = (size + 1) // 2
    first = size // 2 - length // 2
    return np.fft.fftshift(np.arange(size, dtype=np.int32))[first : first + length]


def _divided(bands: Planes, parents: Planes | None, counts: Float[np.ndarray, " o"], guard: int) -> Planes:
    """Bands divided by the size of what is about each pixel, within a border, less their means.

    The size is that of 3 x 3 neighbours, of the other orientations and of the parent at a pixel, as if they were
    uncorrelated and of variance 1.

    Args:
      bands: of one level.
      parents: the same orientations at the next level, as large as `bands`; None for the last.
      counts: what the authors divide sums of squares by.
      guard: pixels of the border that are left out.
    """
    _, height, width = bands.shape
    inner = bands[:, 1:-1, 1:-1]

    def of_band(own: tuple[Array, Array, Plane | None]) -> Plane:
        number, count, parent = own
        band = bands[number]
        near = [band[i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
        others = inner[(number + jnp.arange(1, _ORIENTATIONS)) % _ORIENTATIONS]
        about = [jnp.stack(near), others] + ([] if parent is None else [parent[None, 1:-1, 1:-1]])
        size = jnp.sqrt(_uncorrelated_squares(jnp.concatenate(about)) / count)
        some = size > 0
        values = jnp.where(some, (inner[number] - map_mean(inner[number])) / jnp.where(some, size, 1.0), 0.0)
        values = values[guard:-guard, guard:-guard]
        return values - map_mean(values)

    return lax.map(of_band, (jnp.arange(_ORIENTATIONS), jnp.asarray(counts.astype(np.float32)), parents))


def _uncorrelated_squares(values: Float[Array, "k h w"]) -> Plane:
    """Of each pixel the sum y^T C^-1 y of its k values y, C being the mean of y y^T; directions that are empty add 0.

    C's small eigenvalues count as much as the large ones, and a product in float32 does not have their digits. So
    values are turned and scaled by what is known of C, twice with a floor, after which C is all but the identity.
    """
    flat = values.reshape(values.shape[0], -1)

    def turned(flat: Array, last: Array) -> tuple[Array, None]:
        variances, basis = jnp.linalg.eigh(contract("an,bn->ab", flat, flat) / flat.shape[1])
        floor = variances[-1] * jnp.where(last, _EMPTY, _FLOOR)
        kept, any_left = variances > floor, floor > 0
        below = jnp.where(last | ~any_left, 0.0, lax.rsqrt(jnp.where(any_left, floor, 1.0)))
        scale = jnp.where(kept, lax.rsqrt(jnp.where(kept, variances, 1.0)), below)
        return contract("ab,an->bn", basis * scale[None], flat), None

    flat, _ = lax.scan(turned, flat, jnp.array([False, False, True]))
    return (flat * flat).sum(0).reshape(values.shape[1:])


class _Moments(NamedTuple):
    """Sums of planes of mean 0: of absolute values, of squares, and how many there are."""

    absolute: Float[Array, " m"]
    squares: Float[Array, " m"]
    size: int

    @classmethod
    def of(cls, planes: Planes) -> "_Moments":
        absolute, squares = (jax.vmap(map_sum)(part) for part in (jnp.abs(planes), planes * planes))
        return cls(absolute, squares, planes.shape[1] * planes.shape[2])

    def beside(self, other: "_Moments") -> "_Moments":
        return _Moments(self.absolute + other.absolute, self.squares + other.squares, self.size + other.size)

    def shapes(self) -> Float[Array, " m"]:
        return _shape(self.squares / (self.size - 1.0), self.absolute / self.size)


def _structures(planes: Planes, pairs: list[tuple[int, int]]) -> Float[Array, " p"]:
    """Means of SSIM's contrast and structure of pairs of planes, by their numbers."""
    taps, count = gaussian_taps(11, 1.5), len(planes)
    with_one = jnp.concatenate([planes, jnp.ones_like(planes[:1])])  # a plane is its product with ones

    def blurred(pair: Integer[Array, " two"]) -> Plane:
        return blurred_stack((with_one[pair[0]] * with_one[pair[1]])[None], taps)[0]

    products = [(i, count) for i in range(count)] + [(i, i) for i in range(count)] + pairs
    blurs = lax.map(blurred, jnp.array(products, jnp.int32))

    def of_pair(row: tuple[Integer[Array, " two"], Plane]) -> Float[Array, ""]:
        (first, second), product = row
        means, squares = ((blurs[at + first], blurs[at + second]) for at in (0, count))
        variances = [square - mean * mean for square, mean in zip(squares, means, strict=True)]
        shared = product - means[0] * means[1]
        return map_mean((2.0 * shared + _STABILITY) / (variances[0] + variances[1] + _STABILITY))

    return lax.map(of_pair, (jnp.array(pairs, jnp.int32), blurs[2 * count :]))


def _of_patches(plane: Plane) -> Float[Array, " singular"]:
    """The singular values of patches of 5 x 5 levels over 255, side by side, from the greatest on.

    It is black beyond the borders.
    """
    padded = jnp.pad(plane, [(0, -size % _PATCH) for size in plane.shape])
    down, across = (size // _PATCH for size in padded.shape)
    patches = padded.reshape(down, _PATCH, across, _PATCH).transpose(0, 2, 1, 3).reshape(-1, _PATCH**2)
    return jnp.linalg.svd(jnp.linalg.qr(patches, mode="r"), compute_uv=False) * (1.0 / 255.0)
