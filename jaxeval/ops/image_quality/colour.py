"""Colour spaces, each with the coefficients of the implementation whose numbers are to be met; and colours by name.

All take RGB as the last axis and keep the values' scale unless they say otherwise. A gray image, one channel, is its
own luma. Ops that compute on gray, or on each channel, take `colour`:

| colour       | what is compared                                                                            |
|--------------|---------------------------------------------------------------------------------------------|
| own          | what the op's reference compares: the default                                               |
| each-channel | red, green and blue by themselves; the mean of their scores                                 |
| y            | Y of ITU-R BT.601 in studio swing, 16 to 235 of 255: MATLAB's rgb2ycbcr before it rounds    |
| y-rounded    | the same in whole numbers of 8 bits                                                         |
| rgb2gray     | MATLAB's rgb2gray, 0.2989 R + 0.5870 G + 0.1140 B in whole levels; in 255ths of a range below 255 |
| bt601        | 0.299 R + 0.587 G + 0.114 B, not rounded                                                    |
| bt709        | 0.2126 R + 0.7152 G + 0.0722 B, not rounded                                                 |
"""

from collections.abc import Callable, Hashable
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arguments import renamed
from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import added
from jaxeval.ops.image_quality.batches import check_choice, check_data_range, check_images, each_image
from jaxeval.ops.image_quality.windows import fenced

Pixels = Float[Array, "_ _ _"]
Plane = Float[Array, "h w"]
Planes = Float[Array, "_ _ _"]  # channels first
Colour = Literal["own", "each-channel", "y", "y-rounded", "rgb2gray", "bt601", "bt709"]
View = Literal["all", "y", "y-rounded"]  # what `channels` took, the former name of `colour`
COLOURS: tuple[Colour, ...] = get_args(Colour)
IN_WHOLE_NUMBERS: tuple[Colour, ...] = ("y-rounded", "rgb2gray")

# ITU-R BT.601, studio swing: 8-bit codes from RGB in [0, 1] (MATLAB's rgb2ycbcr, which super-resolution papers use).
_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
_YCBCR_OFFSET = (16.0, 128.0, 128.0)
# MATLAB's rgb2gray, and the luma of its rgb2ntsc: the inverse of the NTSC matrix.
_RGB2GRAY = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]
_MILLION = 1000000
_RGB2GRAY_WHOLE = tuple(int(weight) for weight in np.rint(_RGB2GRAY * _MILLION))
_BT709 = np.array([[0.2126, 0.7152, 0.0722]])
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
LHM = np.array([[0.2989, 0.587, 0.114], [0.3, 0.04, -0.35], [0.34, -0.6, 0.17]])  # MDSI
LMN = np.array([[0.06, 0.63, 0.27], [0.30, 0.04, -0.35], [0.34, -0.6, 0.17]])  # VSI
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_D50 = np.array([0.9642119944211994, 1.0, 0.8251882845188288])


@takes_arrays
def rgb_to_ycbcr(x: Numbers, *, data_range: float | None = None) -> Float[Array, "n h w 3"]:
    """RGB to YCbCr after ITU-R BT.601 in studio swing, as MATLAB's and scikit-image's rgb2ycbcr, without rounding.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype.
      data_range: width of the values' range.

    Returns:
      [N, H, W, 3] in float32 on the scale of `x`: black is Y = 16/255 of the data range and white 235/255.

    Raises:
      InputError: the images or the data range are not that.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> white = np.full((1, 8, 8, 3), 255, np.uint8)
      >>> print(np.asarray(image_quality.rgb_to_ycbcr(white, data_range=255)[0, 0, 0]).round(2))
      [235. 128. 128.]
    """
    check_images("rgb_to_ycbcr", "x", x, colours=(3,))
    return each_image(_ycbcr, x, data_range=check_data_range("rgb_to_ycbcr", {"x": x}, data_range))


@takes_arrays
def rgb_to_y(x: Numbers, *, data_range: float | None = None, rounded: bool = False) -> Float[Array, "n h w 1"]:
    """The Y channel of `rgb_to_ycbcr`, on which super-resolution papers report PSNR and SSIM.

    Args:
      x: RGB images, [N, H, W, 3], any real dtype.
      data_range: width of the values' range.
      rounded: round to 8-bit codes, as MATLAB does with uint8 images; gradients pass as if it had not been.

    Returns:
      [N, H, W, 1] in float32, on the scale of `x`.

    Raises:
      InputError: the images or the data range are not that.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> white = np.ones((1, 8, 8, 3))
      >>> luma = image_quality.rgb_to_y(white, data_range=1.0)
      >>> luma.shape, round(float(luma.max()), 4)
      ((1, 8, 8, 1), 0.9216)
    """
    check_images("rgb_to_y", "x", x, colours=(3,))
    peak = check_data_range("rgb_to_y", {"x": x}, data_range)
    return each_image(gray, x, data_range=peak, colour="y-rounded" if rounded else "y")


def check_colour(op: str, x: Numbers, colour: str) -> None:
    """Raises InputError unless `colour` is one of `COLOURS`, and the images have what it is made of."""
    check_choice(op, "colour", colour, COLOURS)
    if colour not in ("own", "each-channel") and x.shape[-1] not in (1, 3):
        raise InputError(f"{op}: colour={colour!r} needs RGB or gray images; x has {x.shape[-1]} channels")


def of_channels(value: str) -> str:
    """The colour that `channels`, its former name, meant by a value."""
    return "own" if value == "all" else value


took_channels = renamed("channels", "colour", of_channels)


def check_gray(op: str, colour: str, chromatic: bool) -> None:
    """Raises InputError if images are to be seen as gray, and their chroma is to be compared too."""
    if chromatic and colour != "own":
        raise InputError(f"{op}: colour={colour!r} leaves no chroma to compare; give chromatic=False with it")


def check_crop(op: str, x: Numbers, crop_border: int, least_side: int) -> None:
    """Raises InputError unless `crop_border` is a number of pixels that leaves sides of at least `least_side`."""
    if not isinstance(crop_border, int) or crop_border < 0:
        raise InputError(f"{op}: crop_border={crop_border!r} is not a number of pixels >= 0")
    side = min(x.shape[1], x.shape[2])
    if side < least_side:
        raise InputError(
            f"{op}: x has images of {x.shape[1]} x {x.shape[2]} pixels; at least {least_side} x {least_side} are needed"
        )
    if side - 2 * crop_border < least_side:
        raise InputError(
            f"{op}: crop_border={crop_border} leaves {side - 2 * crop_border} of {side} pixels; at least {least_side} "
            "are needed"
        )


def each_in_colour(
    function: Callable[..., Any], *images: Numbers, colour: Colour, data_range: float, **options: Hashable
) -> Any:
    """`each_image`, of the images in a colour: `function(*images, data_range=data_range, **options)` of their planes.

    With "each-channel" it is the mean of what the function gives for the channels.
    """
    if colour == "own" or (colour == "each-channel" and images[0].shape[-1] == 1):
        return each_image(function, *images, data_range=data_range, **options)
    return each_image(_in_colour, *images, of=function, colour=colour, data_range=data_range, **options)


def _in_colour(*images: Pixels, of: Callable[..., Any], colour: Colour, data_range: float, **options: Hashable) -> Any:
    if colour != "each-channel":
        planes = [gray(i, data_range=data_range, colour=colour) for i in images]
        return of(*planes, data_range=data_range, **options)
    channels = tuple(jnp.moveaxis(i, -1, 0)[..., None] for i in images)
    found = lax.map(lambda planes: of(*planes, data_range=data_range, **options), channels)
    return jax.tree.map(lambda values: values.mean(0), found)


def gray(x: Pixels, *, data_range: float, colour: Colour) -> Float[Array, "h w 1"]:
    """One image as one plane of a colour; a gray image as it is."""
    if x.shape[-1] == 1:
        return x
    if colour == "bt601":
        return transform(x, YIQ[:1])
    if colour == "bt709":
        return transform(x, _BT709)
    if colour == "rgb2gray":
        return _rgb2gray(x, data_range)
    if colour == "y-rounded":
        codes = rounded_mix(x * (255.0 / data_range), (65481, 128553, 24966), 255000) + _YCBCR_OFFSET[0]
        return codes * (data_range / 255.0)
    return transform(x, _YCBCR[:1] / 255.0) + _YCBCR_OFFSET[0] / 255.0 * data_range


def _rgb2gray(x: Pixels, data_range: float) -> Float[Array, "h w 1"]:
    """MATLAB's rgb2gray in whole numbers of the data range; of 8 bits where that is no whole number of 255 or more."""
    whole = data_range >= 255 and data_range == round(data_range)
    return rounded_luma(x) if whole else rounded_luma(x * (255.0 / data_range)) * (data_range / 255.0)


def cropped(x: Pixels, crop_border: int) -> Pixels:
    """One image without its border."""
    return x[crop_border:-crop_border, crop_border:-crop_border] if crop_border else x


def rounded_luma(levels: Pixels) -> Float[Array, "h w 1"]:
    """The luma of MATLAB's rgb2gray of whole levels of up to 16 bits, rounded, halves upwards.

    The gradient is that of the mix without rounding. In millionths, as whole numbers, to which fractions are added
    last: float32 alone would round some pixels the other way. A level's high byte goes first, as 65,535 millions are
    more than 32 bits hold.
    """
    mix = transform(levels, _RGB2GRAY[None])
    whole = jnp.round(levels)
    codes = whole.astype(jnp.int32)
    high = codes // 256
    weights = jnp.array(_RGB2GRAY_WHOLE, jnp.int32)[None, None]
    of_high, of_low = ((part * weights).sum(-1, keepdims=True) for part in (high, codes - 256 * high))
    quotient = of_high // _MILLION
    count = (of_high - quotient * _MILLION) * 256 + of_low + _MILLION // 2
    below = (_RGB2GRAY - np.array(_RGB2GRAY_WHOLE) / _MILLION)[None]
    fraction = transform(levels - whole, _RGB2GRAY[None]) + transform(whole, below)
    code = count // _MILLION
    rest = (count - code * _MILLION).astype(jnp.float32) + fraction * _MILLION
    found = (quotient * 256 + code).astype(jnp.float32) + jnp.floor(rest / _MILLION)
    return mix + lax.stop_gradient(found - mix)


def rounded_mix(x: Pixels, weights: tuple[int, int, int], denominator: int) -> Float[Array, "h w 1"]:
    """The mix (w . colour) / denominator of RGB from 0 to 255, rounded half to even, as one plane [H, W, 1].

    For whole colours it is exact, in integers: in float32 one pixel in ten thousand would round the other way. The
    gradient is that of the mix without rounding.
    """
    mix = transform(x, np.array([weights]) / denominator)
    whole = jnp.round(x)
    count = (whole.astype(jnp.int32) * jnp.array(weights, jnp.int32)[None, None]).sum(-1, keepdims=True)
    fraction = transform(x - whole, np.array([weights], float))
    quotient = count // denominator
    rest = ((count - quotient * denominator).astype(jnp.float32) + fraction) / denominator
    # Half to even of the whole code, not of the rest.
    odd = (quotient % 2).astype(jnp.float32)
    code = quotient.astype(jnp.float32) + jnp.round(rest + odd) - odd
    return mix + lax.stop_gradient(code - mix)


def transform(x: Pixels, matrix: np.ndarray) -> Float[Array, "h w out"]:
    """Each pixel's colour times a matrix of [channels out, 3].

    Written out as sums of planes: a product over an axis of three is slow everywhere.
    """
    planes = [x[..., i] for i in range(3)]
    return jnp.stack([sum(float(m) * p for m, p in zip(row, planes, strict=True)) for row in matrix], axis=-1)


def luma_yiq(x: Pixels) -> Plane:
    """Luma, 0.299 R + 0.587 G + 0.114 B, of an RGB image; a gray image's only plane."""
    return x[..., 0] if x.shape[-1] == 1 else transform(x, YIQ[:1])[..., 0]


def planes_of(x: Pixels) -> Planes:
    """An image [H, W, C] as [C, H, W], kept: loops over planes run along pixels that lie side by side."""
    return fenced(lambda x: (jnp.moveaxis(x, -1, 0),), x)[0]


def mixed(x: Planes, matrix: np.ndarray) -> tuple[Plane, ...]:
    """`transform` from planes to planes."""
    return tuple(added([float(m) * p for m, p in zip(row, x, strict=True)]) for row in matrix)


def lab(x: Planes) -> Planes:
    """CIE L*a*b* under D50 of sRGB in [0, 1], with piq's rounded constants; kept.

    Powers are made of exponentials and logarithms, of which XLA:CPU computes several at once.
    """
    return fenced(lambda x: (_lab(x),), x)[0]


def _lab(x: Planes) -> Planes:
    light = (jnp.maximum(x, 0.04045) + 0.055) / 1.055
    linear = jnp.where(x <= 0.04045, x / 12.92, light * light * jnp.exp(0.4 * jnp.log(light)))
    cut = 0.008856

    def curved(value: Plane) -> Plane:
        above = jnp.maximum(value, cut)
        cube_root = jnp.exp(jnp.log(above) / 3.0)
        cube_root = cube_root - (cube_root - above / (cube_root * cube_root)) / 3.0  # a step of Newton's iteration
        return jnp.where(value > cut, cube_root, (903.3 * value + 16.0) / 116.0)

    fx, fy, fz = fenced(lambda x: tuple(curved(v) for v in mixed(x, _XYZ / _D50[:, None])), linear)
    return jnp.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)])


def _ycbcr(x: Pixels, *, data_range: float) -> Pixels:
    return transform(x, _YCBCR / 255.0) + jnp.asarray([[[o / 255.0 * data_range for o in _YCBCR_OFFSET]]], jnp.float32)
