"""Most apparent distortion (MAD): what is seen of faint distortions, and how strong ones change statistics."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import absolute, filtered, magnitude, map_mean, power, root
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq

Plane = Float[Array, "_ _"]
Pair = Float[Array, "2 h w"]
Tiles = Float[Array, "_ _"]  # one value for every 4 x 4 pixels

_TILE, _WINDOW = 4, 16  # windows of 16 x 16 pixels begin at every fourth
_BORDER = 16  # pixels left out before; after, one more
_LEAST_SIDE = 2 * _BORDER + 2

# Faint distortions.
_LUMINANCE, _GAMMA = 0.02874, 2.2 / 3.0
_CYCLES = 32.0  # per degree, that half of the width's frequencies are
_DARK = 0.5  # mean luminance below which nothing is seen
_LOG_THRESHOLD = -5.0
_FACTOR = 200.0

# Strong ones: log-Gabor filters.
_WEIGHTS = np.array([0.5, 0.75, 1.0, 5.0, 6.0]) / 13.25  # of wavelengths of 3, 9, 27, 81 and 243 pixels
_ORIENTATIONS = 4
_SIGMA_F = 0.55
_SPREAD = math.pi / _ORIENTATIONS / 1.5
_FLAT = 1e-18  # mean square below which a window has no shape

_BLEND = math.exp(-2.55 / 3.35), 1.0 / (math.log(10.0) * 3.35)


class _Moments(NamedTuple):
    """Of the pixels of blocks or windows: the mean, and sums of powers of what differs from it."""

    mean: Tiles
    second: Tiles
    third: Tiles
    fourth: Tiles


@takes_arrays
def mad(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Most apparent distortion, as the authors' MAD_index.m of October 2011.

    A blend of two numbers. The first is the squared error in windows of 16 x 16 pixels, for how far its contrast is
    visible beside the reference's. The second is the difference of standard deviation, skewness and kurtosis of both
    images' log-Gabor responses in such windows, coarse scales for more. 16 pixels at each border are left out.

    Args:
      x: distorted images, RGB or gray, [N, H, W, 3 or 1], any real dtype, of at least 34 x 34 pixels; the luma, not
        rounded, is measured. Values below 0 count as 0.
      y: reference images, as x; the order matters.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], from 0, exactly, for identical images and for differences that are nowhere visible, upwards: lower is better.
      Black pixels, where luminance has no slope, take no part in gradients.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Larson, Chandler, "Most apparent distortion: full-reference image quality assessment and the role of
    strategy", Journal of Electronic Imaging 19(1), 2010.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(2, 40, 40, 1))
      >>> print(image_quality.mad(y, y, data_range=1.0))
      [0. 0.]
    """
    peak = image_pair("mad", x, y, data_range, least_side=_LEAST_SIDE, colours=(1, 3))
    check_colour("mad", x, colour)
    return each_in_colour(_mad, x, y, data_range=peak, colour=colour)


def _mad(x: Float[Array, "_ _ _"], y: Float[Array, "_ _ _"], *, data_range: float) -> Float[Array, ""]:
    both = jnp.stack([jnp.maximum(luma_yiq(i * (255.0 / data_range)), 0.0) for i in (x, y)])
    faint, strong = _faint(both), _strong(both)
    share = 1.0 / (1.0 + _BLEND[0] * power(faint, _BLEND[1]))
    seen = (faint > 0) & (strong > 0)
    logs = [jnp.log(jnp.where(seen, part, 1.0)) for part in (faint, strong)]
    blend = jnp.exp(share * logs[0] + (1.0 - share) * logs[1])
    # Not-a-number in either is on neither side of 0.
    return jnp.where(seen, blend, 0.0 * (faint + strong))


def _faint(both: Pair) -> Float[Array, ""]:
    """The error for how visible it is, of the distorted and the reference image."""
    height, width = both.shape[1:]
    sensitivity = jnp.asarray(_contrast_sensitivity(height, width))

    def as_seen(image: Plane) -> Plane:
        mean = map_mean(image)
        spectrum = jnp.fft.rfft2(image - mean)
        return jnp.fft.irfft2(filtered(spectrum, sensitivity), (height, width)) + sensitivity[0, 0] * mean

    luminances = _LUMINANCE * power(both, _GAMMA)
    # The difference by itself, which keeps its digits.
    difference, reference = lax.map(as_seen, jnp.stack([luminances[0] - luminances[1], luminances[1]]))
    of_reference = _of_blocks(reference)
    luminance = _of_windows(of_reference, _WINDOW).mean
    error = root(_of_windows(_of_blocks(difference), _WINDOW).second / (_WINDOW**2 - 1))
    contrast = root(_of_windows(of_reference, _WINDOW // 2).second[: luminance.shape[0], : luminance.shape[1]] / 63.0)
    contrast = _least_of_neighbours(contrast, height, width)
    # The logarithms of both contrasts differ by this, and no less than the threshold is seen.
    hidden = jnp.maximum(contrast, math.exp(_LOG_THRESHOLD) * luminance)
    visible = (luminance >= _DARK) & (error > hidden)
    mask = jnp.log(jnp.where(visible, error, 1.0)) - jnp.log(jnp.where(visible & (hidden > 0), hidden, 1.0))
    mask = jnp.where(visible, mask, 0.0 * (error + luminance))
    return _FACTOR * root(map_mean((_spread_out(mask, height, width) * _local_error(both[0] - both[1])) ** 2))


@functools.lru_cache(16)
def _contrast_sensitivity(height: int, width: int) -> Float[np.ndarray, "h half"]:
    """Weights of the spectrum of a real image.

    The authors' frequencies are half a step off the zero, so that their filtered image is complex; of its real part,
    which counts, the weights are the means of opposite frequencies'.
    """
    down = (np.arange(height) - (height - 1) / 2) * (2 * _CYCLES / width)
    across = (np.arange(width) - (width - 1) / 2) * (2 * _CYCLES / width)
    frequency = np.hypot(down[:, None], across)
    frequency /= 0.15 * np.cos(4 * np.arctan2(down[:, None], across)) + 0.85
    weights = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    weights = np.fft.ifftshift(np.where(frequency < 7.8909, 0.9809, weights))
    opposite = np.roll(weights[::-1, ::-1], 1, (0, 1))
    return ((weights + opposite) / 2)[:, : width // 2 + 1].astype(np.float32)


def _least_of_neighbours(tiles: Tiles, height: int, width: int) -> Tiles:
    """The least of each tile and of the next ones down and across.

    The last tile counts as a neighbour only if it is not the image's last window, by the authors' bounds.
    """
    for axis, size in enumerate((height, width)):
        starts = _TILE * np.arange(tiles.shape[axis])
        has_next = starts + 5 < size - 15
        following = jnp.roll(tiles, -1, axis)
        tiles = jnp.where(np.expand_dims(has_next, 1 - axis), jnp.minimum(tiles, following), tiles)
    return tiles


def _local_error(difference: Plane) -> Plane:
    """The mean square in windows of 16 x 16, from 7 pixels before to 8 after each pixel within the border."""
    before = _BORDER - 7
    sums = (difference * difference)[before : difference.shape[0] - 9, before : difference.shape[1] - 9]
    for step in (1, 2, 4, 8):
        sums = sums[:-step] + sums[step:]
    for step in (1, 2, 4, 8):
        sums = sums[:, :-step] + sums[:, step:]
    return sums * (1.0 / _WINDOW**2)


def _strong(both: Pair) -> Float[Array, ""]:
    """The difference of the statistics of log-Gabor responses."""
    height, width = both.shape[1:]
    spectra = lax.map(lambda image: jnp.fft.fft2(image - lax.stop_gradient(map_mean(image))), both)
    radius, angle, usual = (jnp.asarray(part) for part in _polar_frequencies(height, width))

    def step(total: Tiles, filter_: tuple[Array, Array, Array]) -> tuple[Tiles, None]:
        centre, orientation, weight = filter_
        apart = jnp.abs(angle - orientation)
        apart = jnp.minimum(apart, 2.0 * math.pi - apart)
        gain = jnp.exp(-((radius - centre) ** 2) / (2.0 * math.log(_SIGMA_F) ** 2) - apart * apart / (2.0 * _SPREAD**2))

        def statistics(spectrum: Array) -> Float[Array, "3 _ _"]:
            response = jnp.fft.ifft2(filtered(spectrum, usual * gain))
            return _statistics(magnitude(response.real, response.imag))

        # One image after the other: equal ones have equal statistics, to the last bit.
        found = lax.map(jax.checkpoint(statistics, prevent_cse=False), spectra)
        deviation, skewness, kurtosis = absolute(found[0] - found[1])
        return total + weight * (deviation + 2.0 * skewness + kurtosis), None

    scales, turns = (part.reshape(-1) for part in np.indices((len(_WEIGHTS), _ORIENTATIONS)))
    centres, orientations, weights = (
        jnp.asarray(part, both.dtype)
        for part in (-math.log(1.5) - scales * math.log(3.0), turns * (math.pi / _ORIENTATIONS), _WEIGHTS[scales])
    )
    tall, wide = ((size - _WINDOW) // _TILE + 1 for size in (height, width))
    nothing = jnp.broadcast_to(0.0 * both[0, 0, 0], (tall, wide))
    total, _ = lax.scan(step, nothing, (centres, orientations, weights))
    return root(map_mean(_spread_out(total, height, width) ** 2))


@functools.lru_cache(16)
def _polar_frequencies(height: int, width: int) -> tuple[Float[np.ndarray, "h w"], ...]:
    """Logarithm of the radius, 1 being half a cycle a pixel; the angle; and 0 for the mean, 1 for the others.

    For odd sizes the authors' zero lies half a step beside the mean, as here.
    """
    down, across = ((np.roll(np.arange(size), -((size + 1) // 2)) - size / 2) / (size / 2) for size in (height, width))
    radius = np.hypot(down[:, None], across)
    radius[0, 0] = 1.0
    usual = np.ones_like(radius)
    usual[0, 0] = 0.0
    angle = np.arctan2(-down[:, None], across)
    log_radius, angle, usual = (part.astype(np.float32) for part in (np.log(radius), angle, usual))
    return log_radius, angle, usual


def _statistics(x: Plane) -> Float[Array, "3 _ _"]:
    """Sample deviation, skewness and kurtosis in windows; the latter two 0 where a window is flat."""
    moments = _of_windows(_of_blocks(x), _WINDOW)
    count = _WINDOW**2
    square = moments.second / count
    shaped = square > _FLAT
    spread = root(jnp.where(shaped, square, 1.0))
    skewness = jnp.where(shaped, moments.third / count / spread**3, 0.0 * square)
    kurtosis = jnp.where(shaped, moments.fourth / count / spread**4, 0.0 * square)
    return jnp.stack([root(moments.second / (count - 1)), skewness, kurtosis])


def _of_blocks(x: Plane) -> _Moments:
    """Of blocks of 4 x 4 pixels, side by side."""
    down, across = (size // _TILE for size in x.shape)
    blocks = x[: down * _TILE, : across * _TILE].reshape(down, _TILE, across, _TILE)
    mean = blocks.mean((1, 3))
    centred = blocks - mean[:, None, :, None]
    squares = centred * centred
    return _Moments(mean, squares.sum((1, 3)), (squares * centred).sum((1, 3)), (squares * squares).sum((1, 3)))


def _of_windows(blocks: _Moments, side: int) -> _Moments:
    """Of windows of `side` x `side` pixels that begin at each block, from those of their blocks.

    About each block's own mean, and moved to the window's: sums of powers about 0 would have lost their digits where
    responses are large and nearly even.
    """
    reach = side // _TILE
    down, across = (size - reach + 1 for size in blocks.mean.shape)
    mean, second, third, fourth = (
        jnp.stack([part[i : i + down, j : j + across] for i in range(reach) for j in range(reach)]) for part in blocks
    )
    centre = mean.mean(0)
    move = mean - centre[None]
    square, pixels = move * move, float(_TILE**2)
    return _Moments(
        centre,
        (second + pixels * square).sum(0),
        (third + 3.0 * move * second + pixels * square * move).sum(0),
        (fourth + 4.0 * move * third + 6.0 * square * second + pixels * square * square).sum(0),
    )


def _spread_out(tiles: Tiles, height: int, width: int) -> Plane:
    """Each tile's value at its 4 x 4 pixels, within the border."""
    rows, columns = tiles.shape
    pixels = jnp.broadcast_to(tiles[:, None, :, None], (rows, _TILE, columns, _TILE))
    pixels = pixels.reshape(rows * _TILE, columns * _TILE)
    return pixels[_BORDER : height - _BORDER - 1, _BORDER : width - _BORDER - 1]
