"""Visual information fidelity (VIF) of the paper, in the wavelet domain."""

import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import added, map_mean, map_sum
from jaxeval.ops.image_quality.batches import Scores, check_positive, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq
from jaxeval.ops.image_quality.resampling import Weights, resampled
from jaxeval.ops.image_quality.spectra import spectrum
from jaxeval.ops.image_quality.windows import columns, fenced

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]
Filtered = Float[Array, "h2 w2"]
Windows = Float[Array, "p q"]
Scalar = Float[Array, ""]
Taps = tuple[tuple[float, ...], ...]

_LEVELS = 4
_BLOCK = 3
NOISE = 0.4  # variance of the visual noise, of values from 0 to 255
_NO_VARIANCE = 1e-8  # windows, and directions of blocks, below it count as constant
_ROW = 128  # windows that are added side by side


class _Band(NamedTuple):
    """Of one band, or of several of a level: eigenvalues, and maps of windows."""

    eigenvalues: Float[Array, "*n k"]
    energy: Float[Array, "*n p q"]
    noise: Float[Array, "*n p q"]
    squared: Float[Array, "*n p q"]  # the gain's square


def _mirrored(quarter: str) -> Taps:
    """Rows down to the middle one of a filter that is the same from left to right, given up to its middle column."""
    half = [tuple(float(value) for value in line.split()) for line in quarter.splitlines()]
    return tuple((*row, *row[-2::-1]) for row in half)


# Filters of the steerable pyramid of six orientations (Simoncelli and Portilla's sp5Filters): both low passes are the
# same upside down, the band is the negative; of the orientations, VIF has those along the axes.
_LOW_FIRST = _mirrored("""0.00341614 -0.01551246 -0.03848215
-0.01551246 0.05586982 0.15925570
-0.03848215 0.15925570 0.40304148""")
_LOW = _mirrored("""0.00170808 -0.00489834 -0.00775624 -0.01888864 -0.01924108
-0.00489834 -0.01046562 -0.01322234 0.00821200 0.02005976
-0.00775624 -0.01322234 0.02793492 0.06554076 0.07962786
-0.01888864 0.00821200 0.06554076 0.12852666 0.16339236
-0.01924108 0.02005976 0.07962786 0.16339236 0.20193080""")
_BAND = _mirrored("""0.00277643 0.00496194 0.01026699 0.01455399
-0.00986904 -0.00893064 0.01189859 0.02755155
-0.01021852 -0.03075356 -0.08226445 -0.11732297
0 0 0 0""")


@takes_arrays
def vif(
    x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own", noise: float = NOISE
) -> Scores:
    """Visual information fidelity of the luma, by the wavelets and vectors of the paper, as in the authors' vifvec.m.

    The information about the reference's bands of a steerable pyramid (four levels, along both axes, blocks of 3 x 3
    coefficients by a Gaussian scale mixture) that is left in the distorted image, over all that the reference has.
    `vifp` is the authors' other release, in the pixel domain, which is faster and has other values.

    Args:
      x: distorted images, RGB or gray, [N, H, W, 3 or 1], any real dtype, of at least 65 x 65 pixels.
      y: reference images, as x; the order matters.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      noise: variance of the visual noise, of values from 0 to 255.

    Returns:
      [N]; 1 for identical images, above 1 where `x` has more contrast than `y`; 1 if `y` is constant.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Sheikh, Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006, and vifvec_release.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 96, 96, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x, y: image_quality.vif(x, y, data_range=1.0), images, images).shape
      (4,)
    """
    peak = image_pair("vif", x, y, data_range, least_side=65, colours=(1, 3))
    check_colour("vif", x, colour)
    check_positive("vif", noise=noise)
    return each_in_colour(_vif, x, y, data_range=peak, colour=colour, visual=float(noise))


def _vif(x: Pixels, y: Pixels, *, data_range: float, visual: float) -> Float[Array, ""]:
    # From the difference, what is lost of identical images is 0 exactly, however a compiler rounds. The level is no
    # part of any band, and without it values keep their digits.
    d, y = (luma_yiq(i * (255.0 / data_range)) for i in (x - y, y))
    d, y = (i - lax.stop_gradient(map_mean(i)) for i in (d, y))
    # Loops, whose bodies are compiled once for both images or bands, and which unlike `vmap` leave branches apart.
    both = lax.map(functools.partial(_filtered, rows=_LOW_FIRST, sign=1.0), jnp.stack([d, y]))
    levels = []
    for level in range(_LEVELS, 0, -1):
        down, across = (lax.map(of_axis, both) for of_axis in (_band_down, _band_across))
        levels.append(lax.map(functools.partial(_of_band, size=2**level + 1, visual=visual), jnp.stack([down, across])))
        if level > 1:
            both = lax.map(functools.partial(_filtered, rows=_LOW, sign=1.0, step=2), both)
    lost, available = _information(levels, visual)
    has_content = available > 0
    return 1.0 - lost / jnp.where(has_content, available, 1.0)


def _filtered(x: Plane, rows: Taps, sign: float, step: int = 1) -> Filtered:
    """Correlation with a filter at every `step`-th pixel, mirrored at the borders about their pixels.

    Args:
      x: [H, W].
      rows: of the filter, down to its middle one.
      sign: by which the others are those again, upwards.
      step: from pixel to pixel.
    """
    reach = len(rows) - 1

    def passed(padded: Plane) -> tuple[Filtered]:
        height = padded.shape[0] - 2 * reach
        total = jnp.float32(0.0)
        for i, taps in enumerate(rows):
            if any(taps):
                above, below = padded[i : i + height : step], padded[2 * reach - i : 2 * reach - i + height : step]
                mirrored = above if i == reach else above + below if sign > 0 else above - below
                total = total + columns(mirrored, taps)[:, ::step]
        return (total,)

    return fenced(passed, jnp.pad(x, reach, mode="reflect"))[0]


def _band_down(x: Plane) -> Plane:
    return _filtered(x, _BAND, -1.0)


def _band_across(x: Plane) -> Plane:
    return _filtered(x.T, _BAND, -1.0).T


def _of_band(bands: Float[Array, "2 h w"], size: int, visual: float) -> _Band:
    """What is seen of a band `y`, and of `y + d`, in windows of `size`."""
    height, width = (side // _BLOCK * _BLOCK for side in bands[0].shape)
    d, y = (band[:height, :width] for band in bands)
    tall, wide = (_window_means(side, size) for side in d.shape)
    mean_d, mean_y, dd, yy, dy = (resampled(m, tall, wide) for m in (d, y, d * d, y * y, d * y))
    var_d, covariance_dy = dd - mean_d * mean_d, dy - mean_d * mean_y
    var_y = jnp.maximum(yy - mean_y * mean_y, 0.0)
    var_x = var_y + 2.0 * covariance_dy + var_d
    textured = (var_x >= _NO_VARIANCE) & (var_y >= _NO_VARIANCE) & (var_y + covariance_dy > 0)
    change = jnp.where(textured, covariance_dy, 0.0) / jnp.where(textured, var_y, 1.0)
    gain = jnp.where(textured, 1.0 + change, 0.0)
    noise = jnp.maximum(jnp.where(textured, var_d - change * covariance_dy, 0.0 * var_d), 0.0) + visual
    eigenvalues, energy = _mixture(y)
    left_out = math.ceil(size // 2 / _BLOCK)
    inner = slice(left_out, -left_out)
    return _Band(eigenvalues, energy[inner, inner], noise[inner, inner], jnp.square(gain)[inner, inner])


def _information(levels: list[_Band], visual: float) -> tuple[Scalar, Scalar]:
    """The information about the bands of all levels that is lost, and all of it.

    Windows of all bands stand in one row: logarithms, slow to compile, are so in one loop.
    """
    count = sum(level.energy.size for level in levels)
    rest = -count % _ROW

    def joined(parts: list[Array], fill: float) -> Windows:
        return jnp.concatenate([*(p.reshape(-1) for p in parts), jnp.full(rest, fill, parts[0].dtype)]).reshape(
            -1, _ROW
        )

    energy, noise, squared = fenced(
        lambda *parts: tuple(
            joined(list(parts[i :: len(_Band._fields) - 1]), fill) for i, fill in enumerate((0.0, 1.0, 0.0))
        ),
        *(part for level in levels for part in level[1:]),
    )

    def add(found: tuple[Windows, Windows], eigenvalues: list[Array]) -> tuple[tuple[Windows, Windows], None]:
        parts = [
            jnp.broadcast_to(of_bands[:, None, None], level.energy.shape)
            for of_bands, level in zip(eigenvalues, levels, strict=True)
        ]
        signal = energy * joined(parts, 0.0)
        lost = jnp.log1p(signal * (noise - visual * squared) / (visual * (noise + squared * signal)))
        return (found[0] + lost, found[1] + jnp.log1p(signal / visual)), None

    nothing = (jnp.zeros_like(energy), jnp.zeros_like(energy))
    lost, available = lax.scan(add, nothing, [level.eigenvalues.T for level in levels])[0]
    return map_sum(lost), map_sum(available)


@functools.lru_cache(64)
def _window_means(side: int, size: int) -> Weights:
    """Weights of the means of windows about the middle of each block, mirrored at the borders about their pixels."""
    at = np.arange(_BLOCK // 2, side, _BLOCK)[:, None] + np.arange(-(size // 2), size // 2 + 1)
    at = np.abs(at)
    weights = np.zeros((side // _BLOCK, side))
    np.add.at(weights, (np.arange(side // _BLOCK)[:, None], np.minimum(at, 2 * (side - 1) - at)), 1.0 / size)
    return weights.astype(np.float32)


def _mixture(y: Plane) -> tuple[Float[Array, " k"], Windows]:
    """A band as a Gaussian scale mixture of blocks: eigenvalues of their covariance, and the scale of each block.

    The covariance is that of all blocks, one at each pixel; scales are of those that lie side by side.
    """
    height, width = y.shape
    down, across = height - _BLOCK + 1, width - _BLOCK + 1
    vectors = jnp.stack([y[i : i + down, j : j + across] for i in range(_BLOCK) for j in range(_BLOCK)])
    vectors = vectors.reshape(_BLOCK**2, -1)
    vectors = vectors - contract("in,n->i", vectors, jnp.full(vectors.shape[1], 1.0 / vectors.shape[1]))[:, None]
    eigenvalues, inverse = spectrum(contract("in,jn->ij", vectors, vectors) / vectors.shape[1])
    blocks = y.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(1, 3, 0, 2)
    blocks = blocks.reshape(_BLOCK**2, -1)
    energy = added(contract("ij,jm->im", inverse, blocks) * blocks) / _BLOCK**2
    eigenvalues = jnp.where(eigenvalues > _NO_VARIANCE, eigenvalues, 0.0)
    return eigenvalues, jnp.maximum(energy, 0.0).reshape(height // _BLOCK, width // _BLOCK)
