"""PSNR-HVS and PSNR-HVS-M: the error of 8 x 8 blocks' cosine transforms, weighted by contrast sensitivity."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import map_sum, root
from jaxeval.ops.image_quality.batches import Scores, image_pair
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq

Pixels = Float[Array, "h w c"]
Plane = Float[Array, "h w"]
Blocks = Float[Array, "8 8 n"]

_SIDE = 8
_DECIBELS = 4.342944819032518  # 10 / ln 10
# JPEG's quantisation table for luminance, which both of the authors' tables are made of.
_QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_SENSITIVITY = 25.735088  # over the table: the contrast sensitivity of each coefficient


@takes_arrays
def psnr_hvs(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Peak signal-to-noise ratio of cosine coefficients weighted by the eye's contrast sensitivity.

    As the authors' psnrhvsm.m on the luma, in blocks of 8 x 8 pixels side by side; a rest at the right and the bottom
    is left out, as there.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 8 x 8 pixels.
      y: as x.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], in decibels; infinite for identical images (100,000 in the authors' code), with gradient 0 there. The same
      for (y, x).

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Egiazarian, Astola, Ponomarenko, Lukin, Battisti, Carli, "New full-reference quality metrics based on
    HVS", VPQM 2006.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).uniform(size=(2, 4, 32, 32, 3))
      >>> image_quality.psnr_hvs(x, y, data_range=1.0).shape
      (4,)
    """
    peak = image_pair("psnr_hvs", x, y, data_range, least_side=_SIDE, colours=(1, 3))
    check_colour("psnr_hvs", x, colour)
    return each_in_colour(_psnr_hvs, x, y, data_range=peak, colour=colour, masking=False)


@takes_arrays
def psnr_hvs_m(x: Numbers, y: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """PSNR-HVS without the differences that the block's own contrast masks; arguments and errors as for `psnr_hvs`.

    Returns:
      [N], in decibels; infinite where nothing of the difference is visible. The same for (y, x).

    Reference: Ponomarenko, Silvestri, Egiazarian, Carli, Astola, Lukin, "On between-coefficient contrast masking of DCT
    basis functions", VPQM 2007, and psnrhvsm.m.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> image_quality.psnr_hvs_m(y, y, data_range=1.0)
      Array([inf, inf, inf, inf], dtype=float32)
    """
    peak = image_pair("psnr_hvs_m", x, y, data_range, least_side=_SIDE, colours=(1, 3))
    check_colour("psnr_hvs_m", x, colour)
    return each_in_colour(_psnr_hvs, x, y, data_range=peak, colour=colour, masking=True)


def _psnr_hvs(x: Pixels, y: Pixels, *, data_range: float, masking: bool) -> Float[Array, ""]:
    # Everything is relative to the range, so that any scale of the images keeps its digits.
    blocks_x, blocks_y = (_blocks(luma_yiq(i * (1.0 / data_range))) for i in (x, y))
    table = np.array(_QUANTISATION, np.float64)[..., None]
    difference = jnp.abs(_cosines(blocks_x - blocks_y))
    if masking:
        visible = (10.0 / table) ** 2
        threshold = jnp.maximum(_masking(blocks_x, visible), _masking(blocks_y, visible))
        hidden = threshold[None, None] / jnp.asarray(visible, jnp.float32)
        beyond = jnp.maximum(difference - hidden, 0.0)
        difference = jnp.concatenate([jnp.concatenate([difference[:1, :1], beyond[:1, 1:]], 1), beyond[1:]], 0)
    weighted = difference * jnp.asarray(_SENSITIVITY / table, jnp.float32)
    error = map_sum(weighted * weighted) / weighted.size
    different = error > 0
    return jnp.where(different, -_DECIBELS * jnp.log(jnp.where(different, error, 1.0)), jnp.inf + 0.0 * error)


def _blocks(x: Plane) -> Blocks:
    rows, columns = (size // _SIDE for size in x.shape)
    blocks = x[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    return blocks.transpose(1, 3, 0, 2).reshape(_SIDE, _SIDE, -1)


def _cosines(blocks: Blocks) -> Blocks:
    """The orthonormal two-dimensional cosine transform of each block."""
    basis = jnp.asarray(_basis())
    return contract("ki,iln->kln", basis, contract("lj,ijn->iln", basis, blocks))


@functools.cache
def _basis() -> Float[np.ndarray, "8 8"]:
    frequency, at = np.arange(_SIDE)[:, None], np.arange(_SIDE)
    basis = np.sqrt(2 / _SIDE) * np.cos(np.pi * (2 * at + 1) * frequency / (2 * _SIDE))
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _masking(blocks: Blocks, visible: Float[np.ndarray, "8 8 1"]) -> Float[Array, " n"]:
    """How strongly a block masks: its visible energy, less where it is uneven between the block's quarters."""
    without_mean = visible.copy()
    without_mean[0, 0] = 0.0
    energy = (_cosines(blocks) ** 2 * jnp.asarray(without_mean, jnp.float32)).sum((0, 1))
    half = _SIDE // 2
    quarters = [blocks[i : i + half, j : j + half] for i in (0, half) for j in (0, half)]
    whole = _variation(blocks)
    varied = whole > 0
    parts = sum((_variation(q) for q in quarters[1:]), start=_variation(quarters[0]))
    return root(energy * jnp.where(varied, parts, 0.0) / jnp.where(varied, whole, 1.0)) / 32.0


def _variation(blocks: Float[Array, "a b n"]) -> Float[Array, " n"]:
    """Sample variance times the number of pixels, as in the authors' code."""
    count = blocks.shape[0] * blocks.shape[1]
    return ((blocks - blocks.mean((0, 1), keepdims=True)) ** 2).sum((0, 1)) * (count / (count - 1))
