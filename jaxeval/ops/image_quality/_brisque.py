"""BRISQUE: quality from statistics of natural scenes by a support vector regression on people's opinions.

| convention | luma of RGB             | shapes       | products of neighbours | halved by                       |
|------------|-------------------------|--------------|------------------------|---------------------------------|
| matlab     | YIQ's, in whole numbers | in 0.001s    | around the edges       | MATLAB's bicubic                |
| brisque    | Rec. 709's, not rounded | not rounded  | inside                 | OpenCV's bicubic, which aliases |

"matlab" is the authors' (and piq's for even sides), "brisque" that of the Python package. A model goes with the
convention of the features that it was fitted to.

Reference: Mittal, Moorthy, Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 21(12), 2012.
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
from jaxeval.ops.image_quality.batches import (
    Scores,
    check_choice,
    check_data_range,
    check_images,
)
from jaxeval.ops.image_quality.colour import Colour, check_colour, each_in_colour, rounded_mix, transform
from jaxeval.ops.image_quality.natural_scene import (
    FLAT_PIXELS,
    FlatPixels,
    contrast_normalised,
    fits_of_neighbours,
    shape_of_symmetric,
    skewed_fit,
)
from jaxeval.ops.image_quality.resampling import cubic, resampled

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "_ _"]

BrisqueConvention = Literal["matlab", "brisque"]
CONVENTIONS: tuple[BrisqueConvention, ...] = ("matlab", "brisque")
FEATURES = 36
_REC709 = np.array([[0.2125, 0.7154, 0.0721]])
_LEAST_SIDE = 16
_CUBIC = (-0.09375, 0.59375, 0.59375, -0.09375)  # OpenCV's, halfway between two pixels


@dataclasses.dataclass(frozen=True, eq=False)
class BrisqueModel:
    """BRISQUE's support vector regression, with a Gaussian kernel.

    Attributes:
        low: least value of each feature where the model was fitted, float64 [36]; it is scaled to -1.
        high: largest value of each feature there, float64 [36]; it is scaled to 1.
        support: scaled features of the support vectors, float64 [S, 36].
        coefficients: factor of each support vector's kernel, float64 [S].
        gamma: width of the kernel exp(-gamma * squared distance).
        rho: number that is subtracted from the weighted sum of kernels.
        convention: rules by which the features were computed.

    Example:
        >>> import numpy as np
        >>> from jaxeval.ops import image_quality
        >>> model = image_quality.BrisqueModel(
        ...     low=np.zeros(36), high=np.ones(36), support=np.zeros((5, 36)), coefficients=np.ones(5),
        ...     gamma=0.05, rho=-10.0, convention="matlab",
        ... )
        >>> model.support.shape, model.convention
        ((5, 36), 'matlab')
    """

    low: Float[np.ndarray, " f"]
    high: Float[np.ndarray, " f"]
    support: Float[np.ndarray, "s f"]
    coefficients: Float[np.ndarray, " s"]
    gamma: float
    rho: float
    convention: BrisqueConvention

    def __post_init__(self):
        check_choice("BrisqueModel", "convention", self.convention, CONVENTIONS)
        if self.low.shape != (FEATURES,) or self.high.shape != (FEATURES,) or self.support.shape[1:] != (FEATURES,):
            raise InputError(f"BrisqueModel: ranges and support vectors of {FEATURES} features are expected")
        if not (self.high > self.low).all():
            raise InputError("BrisqueModel: a feature's range is empty")


@takes_arrays
def brisque(
    x: Numbers,
    *,
    model: BrisqueModel,
    data_range: float | None = None,
    colour: Colour = "own",
    flat_pixels: FlatPixels = "convention",
) -> Scores:
    """Blind image spatial quality evaluator (BRISQUE) of single images.

    Args:
      x: RGB or gray images, [N, H, W, 3 or 1], any real dtype, of at least 16 x 16 pixels.
      model: a fitted regression; docs/image_quality.md says how published ones are loaded.
      data_range: width of the values' range, such as 1.0 or 255.
      colour: "own", the luma as the reference has it; or another gray, or each channel, by a name of `Colour`.
      flat_pixels: where pixels count that equal the mean of their neighbourhood, in flat and clipped areas: "neither"
        side of 0, or "left" or "right" of it by a rounding error, whose products with neighbours have signs. By default
        as the convention's code has zeros: "neither" for "matlab"; for "brisque" they and their products count to
        the right. docs/image_quality.md says what that makes of such images.

    Returns:
      [N], about 0 to 100: lower is better. Not-a-number for images without texture.

    Raises:
      InputError: shape, dtype, values or the data range do not fit, a value is not finite, or images are too small.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> model = image_quality.BrisqueModel(  # published ones: docs/image_quality.md
      ...     low=np.zeros(36), high=np.ones(36), support=np.zeros((5, 36)), coefficients=np.ones(5),
      ...     gamma=0.05, rho=-10.0, convention="matlab",
      ... )
      >>> images = jax.ShapeDtypeStruct((4, 64, 64, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.brisque(x, model=model, data_range=1.0), images).shape
      (4,)
    """
    check_choice("brisque", "flat_pixels", flat_pixels, FLAT_PIXELS)
    check_images("brisque", "x", x, least_side=_LEAST_SIDE, colours=(1, 3))
    peak = check_data_range("brisque", {"x": x}, data_range)
    check_colour("brisque", x, colour)
    return each_in_colour(_brisque, x, data_range=peak, colour=colour, model=model, flat=flat_pixels)


@takes_arrays
def brisque_features(
    x: Numbers,
    *,
    data_range: float | None = None,
    colour: Colour = "own",
    convention: BrisqueConvention = "matlab",
    flat_pixels: FlatPixels = "convention",
) -> Float[Array, "*n 36"]:
    """The features, [N, 36]: 18 of the image and 18 of the image halved; arguments and errors as for `brisque`.

    Example:
      >>> import jax
      >>> from jaxeval.ops import image_quality
      >>> images = jax.ShapeDtypeStruct((4, 64, 64, 3), "float32")  # shapes alone, as nothing is computed here
      >>> jax.eval_shape(lambda x: image_quality.brisque_features(x, data_range=1.0), images).shape
      (4, 36)
    """
    check_choice("brisque", "convention", convention, CONVENTIONS)
    check_choice("brisque", "flat_pixels", flat_pixels, FLAT_PIXELS)
    check_images("brisque", "x", x, least_side=_LEAST_SIDE, colours=(1, 3))
    peak = check_data_range("brisque", {"x": x}, data_range)
    check_colour("brisque_features", x, colour)
    return each_in_colour(_features, x, data_range=peak, colour=colour, convention=convention, flat=flat_pixels)


def _brisque(x: Pixels, *, data_range: float, model: BrisqueModel, flat: FlatPixels) -> Float[Array, ""]:
    low, high, support, coefficients = (
        jnp.asarray(a.astype(np.float32)) for a in (model.low, model.high, model.support, model.coefficients)
    )
    features = _features(x, data_range=data_range, convention=model.convention, flat=flat)
    scaled = 2.0 * (features - low) / (high - low) - 1.0
    kernels = jnp.exp(-model.gamma * ((scaled - support) ** 2).sum(-1))
    return contract("s,s->", kernels, coefficients) - model.rho


def _features(x: Pixels, *, data_range: float, convention: BrisqueConvention, flat: FlatPixels) -> Float[Array, " f"]:
    x = x * (255.0 / data_range)
    if x.shape[-1] == 1:
        plane = x[..., 0]
    elif convention == "matlab":
        plane = rounded_mix(x, (299, 587, 114), 1000)[..., 0]
    else:
        plane = transform(x, _REC709)[..., 0]
    halved = _halved(plane, convention)
    return jnp.concatenate([_of_scale(p, convention, flat) for p in (plane, halved)])


def _of_scale(plane: Plane, convention: BrisqueConvention, flat: FlatPixels) -> Float[Array, " half"]:
    coefficients = contrast_normalised(plane, "zero", flat)
    ours = convention == "matlab"
    zeros_right = not ours and flat != "neither"
    if ours:
        values = list(shape_of_symmetric(coefficients))
    else:
        fit = skewed_fit(coefficients, on_grid=False, zeros_right=zeros_right)
        values = [fit.shape, 0.5 * (fit.left**2 + fit.right**2)]
    fits = fits_of_neighbours(coefficients, ours, on_grid=ours, zeros_right=zeros_right)
    of_fits = jnp.stack([fits.shape, fits.mean(), fits.left**2, fits.right**2], axis=1)
    return jnp.concatenate([jnp.stack(values), of_fits.reshape(-1)])


def _halved(plane: Plane, convention: BrisqueConvention) -> Plane:
    if convention == "matlab":
        return resampled(plane, *(cubic(size, -(-size // 2), 0.5) for size in plane.shape))
    for axis in (0, 1):
        to = round(plane.shape[axis] / 2)  # half to even
        widths = [(1, 3) if i == axis else (0, 0) for i in range(2)]
        padded = jnp.pad(plane, widths, mode="edge")
        slices = (lax.slice_in_dim(padded, i, i + 2 * to - 1, 2, axis) for i in range(4))
        plane = sum((tap * part for tap, part in zip(_CUBIC, slices, strict=True)), start=jnp.float32(0.0))
    return plane
