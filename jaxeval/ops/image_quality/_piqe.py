"""Perception-based image quality evaluator (PIQE), which needs neither a reference nor a fitted model."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops.image_quality._maths import root
from jaxeval.ops.image_quality.batches import Scores, check_data_range, check_images
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, rounded_luma
from jaxeval.ops.image_quality.windows import gaussian_taps

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "_ _"]
Blocks = Float[Array, "blocks 16 16"]
OfBlocks = Float[Array, " blocks"]

_SIDE = 16
_SEGMENT = 6  # pixels of a block's edge
_ACTIVE, _FLAT = 0.1, 0.1  # least variance of a block that counts; deviation below which a segment is an artifact
_TAPS = gaussian_taps(7, 7 / 6)


@takes_arrays
def piqe(x: Numbers, *, data_range: float | None = None, colour: Colour = "own") -> Scores:
    """Perception-based image quality evaluator, as MATLAB's piqe.

    The contrast-normalised luma is cut into blocks of 16 x 16 pixels. Of those with a variance above 0.1, one with a
    flat segment of six pixels in its edge adds 1 less its variance, and one that is noise in its middle columns as
    elsewhere adds its variance.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 16 x 16 pixels. The luma is rounded to 8
        bits, and stretched so that the brightest pixel is 255; sides that are not multiples of 16 are continued by
        their mirror image.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.

    Returns:
      [N], about 0 to 100: lower is better, 100 for constant images. The gradient is that of the variances of the blocks
      that add them, as if blocks never changed sides.

    Raises:
      InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too small.

    Reference: Venkatanath, Praneeth, Chandrasekhar, Channappayya, Medasani, "Blind image quality evaluation using
    perception based features", NCC 2015, and the documentation of MATLAB's piqe.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> print(image_quality.piqe(np.full((2, 32, 32, 3), 0.5), data_range=1.0))
      [100. 100.]
    """
    check_images("piqe", "x", x, least_side=_SIDE, colours=(1, 3))
    check_colour("piqe", x, colour)
    return each_in_colour(_piqe, x, colour=colour, data_range=check_data_range("piqe", {"x": x}, data_range))


def _piqe(x: Pixels, *, data_range: float) -> Float[Array, ""]:
    levels = x * (255.0 / data_range)
    plane = jnp.clip(_rounded(levels[..., 0]) if x.shape[-1] == 1 else rounded_luma(levels)[..., 0], 0.0, 255.0)
    plane = _stretched(plane)
    plane = jnp.pad(plane, [(0, -size % _SIDE) for size in plane.shape], mode="symmetric")
    down, across = (size // _SIDE for size in plane.shape)
    blocks = _contrast_normalised(plane).reshape(down, _SIDE, across, _SIDE).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(-1, _SIDE, _SIDE)
    variance = _variance(blocks.reshape(-1, _SIDE * _SIDE))
    active = variance > _ACTIVE
    added = jnp.where(_has_artifact(blocks), 1.0 - variance, 0.0) + jnp.where(
        _is_noise(blocks, variance), variance, 0.0
    )
    count = active.astype(jnp.float32).sum()
    # A pixel that is not a number is on neither side of a threshold.
    return 100.0 * (jnp.where(active, added, 0.0).sum() + 1.0) / (count + 1.0) + 0.0 * x.mean()


def _stretched(plane: Plane) -> Plane:
    """Whole levels from 0 upwards, times 255 over the greatest, rounded; in integers, which know halves."""
    greatest = lax.stop_gradient(jnp.maximum(plane.max(), 1.0))
    twice = greatest.astype(jnp.int32) * 2
    code = (plane.astype(jnp.int32) * 510 + twice // 2) // twice
    real = plane * (255.0 / greatest)
    return real + lax.stop_gradient(code.astype(jnp.float32) - real)


def _rounded(x: Plane) -> Plane:
    """Rounded, halves upwards as in MATLAB; the gradient is that of x."""
    return x + lax.stop_gradient(jnp.floor(x + 0.5) - x)


def _contrast_normalised(plane: Plane) -> Plane:
    """(x - local mean) / (local deviation + 1) in Gaussian windows of 7 x 7, edges repeated.

    Of differences of whole levels, which are exact: means of squares in float32 would move blocks over the thresholds.
    One offset of the window at a time, in a loop: 49 slices would be a long program.
    """
    reach = len(_TAPS) // 2
    padded = jnp.pad(plane, reach, mode="edge")
    weights = np.outer(_TAPS, _TAPS).astype(np.float32)
    offsets = np.indices(weights.shape).reshape(2, -1).T

    def step(sums: tuple[Plane, Plane], at: tuple[Array, Array]) -> tuple[tuple[Plane, Plane], None]:
        (mean, square), (offset, weight) = sums, at
        difference = lax.dynamic_slice(padded, (offset[0], offset[1]), plane.shape) - plane
        return (mean + weight * difference, square + weight * difference * difference), None

    nothing = 0.0 * plane
    (mean, square), _ = lax.scan(step, (nothing, nothing), (jnp.asarray(offsets), jnp.asarray(weights.reshape(-1))))
    return -mean / (root(jnp.maximum(square - mean * mean, 0.0)) + 1.0)


def _variance(values: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """The sample variance of each row."""
    centred = values - values.mean(-1, keepdims=True)
    return (centred * centred).sum(-1) / (values.shape[-1] - 1)


def _has_artifact(blocks: Blocks) -> Bool[Array, " blocks"]:
    """Whether a segment of one of the block's four edges is flat."""
    edges = jnp.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    count = _SIDE - _SEGMENT + 1
    segments = jnp.stack([edges[..., i : i + count] for i in range(_SEGMENT)], axis=-1)
    return (_variance(segments) < _FLAT**2).any(axis=(1, 2))


def _is_noise(blocks: Blocks, variance: OfBlocks) -> Bool[Array, " blocks"]:
    """Whether deviations are alike in the block's middle and around it, for how large the block's own is.

    The middle is its eighth and ninth column; around it are all but the eighth and the tenth, as MATLAB takes them.
    """
    around = np.delete(np.arange(_SIDE), [7, 9])
    middle, rest = (
        root(_variance(blocks[..., columns].reshape(len(blocks), -1))) for columns in (np.array([7, 8]), around)
    )
    deviation = root(variance)
    # Against a flat rest nothing is noise, unless the middle is flat too.
    ratio = jnp.where(rest > 0, middle / jnp.where(rest > 0, rest, 1.0), 0.0)
    largest = jnp.maximum(deviation, ratio)
    unlike = jnp.abs(deviation - ratio) / jnp.where(largest > 0, largest, 1.0)
    return (deviation > 2.0 * unlike) & ((rest > 0) | (middle == 0))
