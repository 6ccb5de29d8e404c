"""NIQE: how far an image's statistics of natural scenes are from those of undistorted photographs.

Both conventions cut the luma into blocks of 96 x 96 pixels and fit 18 numbers to each at two scales. They differ in

| convention   | luma of RGB      | beyond the borders      | halved by        | diagonal products' scales |
|--------------|------------------|-------------------------|------------------|---------------------------|
| matlab       | in whole numbers | the border pixel, again | MATLAB's bicubic | left and right            |
| scikit-video | not rounded      | black                   | Pillow's bicubic | the left one twice        |

and in their models of photographs, which go with their own convention only. "matlab" is the authors'.

Reference: Mittal, Soundararajan, Bovik, "Making a 'completely blind' image quality analyzer", IEEE SPL 20(3), 2013.
"""

import dataclasses
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import map_sum
from jaxeval.ops.image_quality.batches import (
    Scores,
    check_choice,
    check_data_range,
    check_images,
)
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, luma_yiq, rounded_mix
from jaxeval.ops.image_quality.natural_scene import (
    FLAT_PIXELS,
    SHIFTS,
    FlatPixels,
    contrast_normalised,
    fits_of_neighbours,
)
from jaxeval.ops.image_quality.resampling import cubic, resampled

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "_ _"]

NiqeConvention = Literal["matlab", "scikit-video"]
CONVENTIONS: tuple[NiqeConvention, ...] = ("matlab", "scikit-video")
BLOCK = 96
FEATURES = 36
_SINGULAR = 1e-12  # directions with a smaller share of the largest variance are no directions of the model


@dataclasses.dataclass(frozen=True, eq=False)
class NiqeModel:
    """What blocks of undistorted photographs are like.

    Attributes:
        mean: mean of their features, float64 [36].
        covariance: covariance of their features, float64 [36, 36].
        convention: rules by which the features were computed.

    Example:
        >>> import numpy as np
        >>> from jaxeval.ops import image_quality
        >>> model = image_quality.NiqeModel(mean=np.zeros(36), covariance=np.eye(36), convention="matlab")
        >>> model.whitening().shape
        (36, 36)
    """

    mean: Float[np.ndarray, " f"]
    covariance: Float[np.ndarray, "f f"]
    convention: NiqeConvention

    def __post_init__(self):
        check_choice("NiqeModel", "convention", self.convention, CONVENTIONS)
        if self.mean.shape != (FEATURES,) or self.covariance.shape != (FEATURES, FEATURES):
            raise InputError(
                f"NiqeModel: mean of shape {self.mean.shape} and covariance of {self.covariance.shape}; ({FEATURES},) "
                f"and ({FEATURES}, {FEATURES}) are expected"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise InputError("NiqeModel: values that are not finite")

    def whitening(self) -> Float[np.ndarray, "f k"]:
        """What turns features less the mean into uncorrelated ones of variance 1, without empty directions."""
        values, basis = np.linalg.eigh(self.covariance.astype(np.float64))
        kept = values > _SINGULAR * values[-1]
        return basis[:, kept] / np.sqrt(values[kept])


@takes_arrays
def niqe(
    x: Numbers,
    *,
    model: NiqeModel,
    data_range: float | None = None,
    colour: Colour = "own",
    flat_pixels: FlatPixels = "convention",
) -> Scores:
    """Natural image quality evaluator (NIQE) of single images.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 193 x 193 pixels; what does not fill a block
        of 96 x 96 is left out.
      model: what undistorted images are like; docs/image_quality.md says how published ones are loaded.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      flat_pixels: where pixels count that equal the mean of their neighbourhood, in flat and clipped areas: "neither"
        side of 0, or "left" or "right" of it by a rounding error, whose products with neighbours have signs. By default
        as the convention's code has zeros: "neither" for "matlab"; for "scikit-video" they and their products count to
        the right. docs/image_quality.md says what that makes of such images.

    Returns:
      [N], from 0 upwards: lower is better; undistorted photographs have about 3 to 5 by the authors' model, 10 to 12 by
      scikit-video's. Blocks without texture do not count; not-a-number if fewer than two blocks are left.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, a value is not finite, or images are too small.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> model = image_quality.NiqeModel(  # published ones: docs/image_quality.md
      ...     mean=np.zeros(36), covariance=np.eye(36), convention="matlab"
      ... )
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.niqe(x, model=model, data_range=1.0), images).shape
      (4,)
    """
    check_choice("niqe", "flat_pixels", flat_pixels, FLAT_PIXELS)
    check_images("niqe", "x", x, least_side=2 * BLOCK + 1, colours=(1, 3))
    peak = check_data_range("niqe", {"x": x}, data_range)
    check_colour("niqe", x, colour)
    return each_in_colour(niqe_of_image, x, data_range=peak, colour=colour, model=model, flat=flat_pixels)


@takes_arrays
def niqe_features(
    x: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    convention: NiqeConvention = "matlab",
    flat_pixels: FlatPixels = "convention",
) -> Float[Array, "*n blocks 36"]:
    """The features of every block of 96 x 96 pixels, 18 of the image and 18 of the image halved; as `niqe`.

    Returns:
      [N, (H // 96) * (W // 96), 36]; not-a-number for blocks without texture.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 256, 384, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.niqe_features(x, data_range=1.0), images).shape
      (4, 8, 36)
    """
    check_choice("niqe", "convention", convention, CONVENTIONS)
    check_choice("niqe", "flat_pixels", flat_pixels, FLAT_PIXELS)
    check_images("niqe", "x", x, least_side=2 * BLOCK + 1, colours=(1, 3))
    peak = check_data_range("niqe", {"x": x}, data_range)
    check_colour("niqe_features", x, colour)
    return each_in_colour(_features, x, data_range=peak, colour=colour, convention=convention, flat=flat_pixels)


def niqe_of_image(x: Pixels, *, data_range: float, model: NiqeModel, flat: FlatPixels) -> Float[Array, ""]:
    """`niqe` of one image [H, W, C]."""
    features = _features(x, data_range=data_range, convention=model.convention, flat=flat)
    # Of whitened features the model's covariance is the identity: what is inverted below is far from singular.
    white = jnp.asarray(model.whitening().astype(np.float32))
    whole = jnp.isfinite(features).all(-1, keepdims=True)
    centred = jnp.where(whole, features - jnp.asarray(model.mean.astype(np.float32))[None], 0.0)
    features = contract("pf,fk->pk", centred, white)
    count = map_sum(whole.astype(jnp.float32))
    shift = features.sum(0) / count
    rest = jnp.where(whole, features - shift[None], 0.0)
    scatter = contract("pj,pk->jk", rest, rest) / (count - 1.0)
    unit = jnp.eye(white.shape[1], dtype=white.dtype)
    covariance = 0.5 * (unit + scatter)
    # Not-a-number through and through would be found by the solver on some platforms only.
    usable = count > 1
    solved = jnp.linalg.solve(jnp.where(usable, covariance, unit), jnp.where(usable, shift, 0.0))
    # A pixel that is not a number spoils its block, and with it the image.
    return (
        jnp.where(usable, jnp.sqrt(jnp.where(usable, contract("k,k->", shift, solved), 1.0)), jnp.nan) + 0.0 * x.mean()
    )


def _features(x: Pixels, *, data_range: float, convention: NiqeConvention, flat: FlatPixels) -> Float[Array, "b f"]:
    x = x * (255.0 / data_range)
    matlab = convention == "matlab"
    plane = rounded_mix(x, (299, 587, 114), 1000)[..., 0] if matlab and x.shape[-1] == 3 else luma_yiq(x)
    height, width = (size // BLOCK * BLOCK for size in plane.shape)
    plane = plane[:height, :width]
    tall, wide = (cubic(size, size // 2, 0.5, "mirror" if matlab else "cut") for size in plane.shape)
    halved = resampled(plane, tall, wide)
    of_scales = [_of_blocks(p, side, convention, flat) for p, side in ((plane, BLOCK), (halved, BLOCK // 2))]
    return jnp.concatenate(of_scales, axis=-1)


def _of_blocks(plane: Plane, side: int, convention: NiqeConvention, flat: FlatPixels) -> Float[Array, "b half"]:
    coefficients = contrast_normalised(plane, "edge" if convention == "matlab" else "zero", flat)
    down, across = (size // side for size in plane.shape)
    blocks = coefficients.reshape(down, side, across, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
    return lax.map(lambda block: _of_block(block, convention, flat), blocks)


def _of_block(block: Plane, convention: NiqeConvention, flat: FlatPixels) -> Float[Array, " half"]:
    ours = convention == "matlab"
    zeros_right = not ours and flat != "neither"
    fits = fits_of_neighbours(block, True, itself=True, zeros_right=zeros_right)
    left, right = fits.scales()
    diagonal = np.array([not ours and 0 not in shift for shift in SHIFTS])
    of_neighbours = [fits.shape[1:], fits.mean()[1:], left[1:], jnp.where(diagonal, left[1:], right[1:])]
    return jnp.concatenate(
        [jnp.stack([fits.shape[0], 0.5 * (left[0] + right[0])]), jnp.stack(of_neighbours, axis=1).reshape(-1)]
    )
