"""Images in an array: layouts, arrays in memory, and what is one image rather than a set of them."""

from collections.abc import Iterator
from typing import Any, Literal, cast, get_args

import numpy as np

from jaxeval.errors import InputError, said_by
from jaxeval.images.source import Item, OutOfRange, Source, ValueRange

Layout = Literal["NHWC", "NCHW", "NHW"]

_CHANNELS = (1, 3, 4)
# Gray images as narrow as this, or as many as RGB has channels, are likelier the channels of one image.
_MOST_CHANNELS = 4
_RGB = 3


class ArraySource(Source):
    """An array in memory: uint8, or any real type with a stated range of values.

    Args:
      array: [N, H, W, C] or [N, C, H, W] with C of 1, 3 or 4, or [N, H, W]; NumPy, JAX or whatever NumPy understands.
      name: for messages.
      value_range: the values that mean black and white; needed unless the array is uint8.
      layout: needed only where the shape can be read in two ways: as NHWC and as NCHW, or as gray images and as one
        image with channels.
      out_of_range: what values outside the range do.

    Raises:
      InputError: a shape, type or range that is not as above, a single image, or no image at all.
    """

    named_by_index = True

    def __init__(
        self,
        array: Any,
        *,
        name: str,
        value_range: ValueRange | None = None,
        layout: Layout | None = None,
        out_of_range: OutOfRange = "fail",
    ):
        self.name = name
        self._array = as_array(array, name)
        self._layout: Layout = array_layout(self._array.shape, name, layout)
        self._range = check_value_range(self._array.dtype, value_range, name)
        self._out_of_range: OutOfRange = out_of_range

    def __len__(self) -> int:
        return len(self._array)

    def items(self) -> Iterator[Item]:
        """The images, views of the array, each named by its index."""
        for index, pixels in enumerate(self._array):
            yield array_item(pixels, index, self._layout, self._range, self.name, self._out_of_range)


def array_item(
    pixels: np.ndarray,
    index: int,
    layout: Layout,
    value_range: ValueRange | None,
    name: str,
    out_of_range: OutOfRange = "fail",
) -> Item:
    """The item of one image of an array; channels are moved last, so that equal images have equal fingerprints."""
    if layout == "NCHW":
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype == np.uint8:
        out_of_range = "fail"  # nothing can be, and equal images have equal fingerprints
    return Item(
        str(index), pixels, where=f"image {index} of {name}", value_range=value_range, out_of_range=out_of_range
    )


def as_array(thing: Any, name: str) -> np.ndarray:
    """Anything that has `__array__`, as NumPy has it.

    Raises:
      InputError: it does not give its numbers away, as tensors on a GPU or with a gradient do not.
    """
    try:
        return np.asarray(thing)
    except Exception as error:  # each library raises its own types
        raise InputError(f"{name} cannot be read as an array of NumPy: {said_by(error)}") from error


def check_layout(layout: str | None) -> Layout | None:
    """The layout, if there is one of that name.

    Raises:
      InputError: there is none.
    """
    if layout is not None and layout not in get_args(Layout):
        raise InputError(f"layout {layout!r} is not known; choose from {', '.join(get_args(Layout))}")
    return cast("Layout | None", layout)


def image_layouts(shape: tuple[int, ...]) -> list[Layout]:
    """The layouts NHWC and NCHW that arrays of three axes permit as images with channels."""
    sides: dict[Layout, int] = {"NHWC": shape[2], "NCHW": shape[0]}
    return [kind for kind, channels in sides.items() if channels in _CHANNELS]


def array_layout(
    shape: tuple[int, ...], name: str, layout: Layout | None = None, *, count: int | None = None
) -> Layout:
    """Which axes of an array are which.

    Args:
      shape: of the array.
      name: for messages.
      layout: what the user says.
      count: how many images there are, where that is known.

    Raises:
      InputError: not a non-empty array of images; channels could be on either side, or gray images could be one image
        with channels, and `layout` does not say.
    """
    if len(shape) == 2 and 0 not in shape:
        raise InputError(
            f"{name} has shape {list(shape)}: a single gray image [H, W] is no set of images; for a set of one give "
            "array[None]"
        )
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"{name} has shape {list(shape)}; expected [N, H, W, C], [N, C, H, W] or [N, H, W], not empty")
    if len(shape) == 3:
        possible: list[Layout] = ["NHW"]
        planes = shape[0] == _RGB and count != _RGB
        if layout is None and (planes or shape[2] <= _MOST_CHANNELS):
            single = "a single image with channels is no set of images; for a set of one give array[None]"
            reading = single if image_layouts(shape) else "its last axis could be one of channels"
            raise InputError(
                f"{name} has shape {list(shape)}: {reading}; if these are gray images [N, H, W], say layout='NHW' "
                "(after a file's name: ?layout=NHW)"
            )
    else:
        possible = [kind for kind in ("NHWC", "NCHW") if shape[kind.index("C")] in _CHANNELS]
    if layout is not None and layout in possible:
        return layout
    if len(possible) == 1 and layout is None:
        return possible[0]
    if not possible:
        raise InputError(f"{name} has shape {list(shape)}; expected 1, 3 or 4 channels on the last or the second axis")
    if layout is None:
        raise InputError(
            f"{name} has shape {list(shape)}, which can be read as NHWC or as NCHW; say layout='NHWC' or layout='NCHW' "
            "(after a file's name: ?layout=NHWC)"
        )
    raise InputError(f"{name} has shape {list(shape)}, which is not {layout}")


def check_value_range(dtype: np.dtype, value_range: ValueRange | None, name: str) -> ValueRange | None:
    """The range of an array's values: None for uint8, whose values are levels, unless another one was stated.

    A range that was stated for all sets of a run is not that of a uint8 set among them, and no reason to refuse it;
    decoding notes that it was not applied.

    Raises:
      InputError: not a real type; another type than uint8 without a range; a range that is not `low < high`.
    """
    if value_range is not None:
        value_range = check_range(value_range, name)
    if dtype == np.uint8:
        return None if value_range == (0.0, 255.0) else value_range
    if dtype.kind not in "iuf" and dtype.name != "bfloat16":  # ml_dtypes' bfloat16 has no kind of its own
        raise InputError(f"{name} has dtype {dtype}; expected uint8, or floats with a value_range")
    if value_range is None:
        raise InputError(
            f"{name} has dtype {dtype}; say which values mean black and white with value_range=(low, high), "
            "for instance (0, 1) or (-1, 1) (after a file's name: ?range=-1,1), or convert it to uint8"
        )
    return value_range


def check_range(value_range: Any, name: str) -> ValueRange:
    """The range as two floats.

    Raises:
      InputError: it is not two finite numbers with `low < high`.
    """
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise InputError(f"value_range {value_range!r} of {name} must be two numbers, as in (-1, 1)") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"value_range ({low:g}, {high:g}) of {name} must be finite with low < high")
    return low, high


def check_own_range(dtype: np.dtype | None, value_range: ValueRange, name: str) -> None:
    """Refuses a range that was stated for these images alone and that they cannot have.

    Args:
      dtype: of the array; None for images that are stored as files.
      value_range: as stated.
      name: for messages.

    Raises:
      InputError: the images are files, or uint8 and the range is another than 0 to 255.
    """
    low, high = value_range
    if dtype is None:
        raise InputError(f"{name} stores its images as files, which have a range of their own; leave the range out")
    if dtype == np.uint8 and (low, high) != (0, 255):
        raise InputError(
            f"{name} has uint8 values, which are levels from 0 (black) to 255 (white), and cannot have the range "
            f"{low:g} to {high:g}; leave the range out, or save the array as floats"
        )


def check_out_of_range(out_of_range: str) -> OutOfRange:
    """The same, if it is one of the two.

    Raises:
      InputError: it is not.
    """
    if out_of_range not in get_args(OutOfRange):
        raise InputError(f"out_of_range {out_of_range!r} must be 'fail' or 'clip'")
    return out_of_range  # pyright: ignore[reportReturnType]
