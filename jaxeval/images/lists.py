"""Lists of images in memory or in files: what in a list is an image, and a list of images as a source."""

import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path
from jaxeval.images.arrays import Layout, array_item, as_array, check_value_range, image_layouts
from jaxeval.images.files import printable, read_file
from jaxeval.images.formats import EXTENSIONS
from jaxeval.images.source import Item, OutOfRange, Source, ValueRange


def is_image(thing: Any, layout: Layout | None = None) -> bool:
    """Whether an item of a list is an image and not a set of images.

    Images are Pillow's; arrays [H, W], [H, W, C] and [C, H, W] with C of 1, 3 or 4; and names of image files. An array
    of three axes that has no such C, or for which `layout` says NHW, is a set of gray images.
    """
    if isinstance(thing, Image.Image) or is_image_file(thing):
        return True
    if not hasattr(thing, "__array__"):
        return False
    shape = tuple(getattr(thing, "shape", ()))
    return len(shape) == 2 or (len(shape) == 3 and layout != "NHW" and bool(image_layouts(shape)))


def is_image_file(thing: Any) -> bool:
    """Whether it is the name of an image file, by its extension; a pattern or folder of such a name is none."""
    if not isinstance(thing, str | os.PathLike) or not str(thing).lower().endswith(tuple(EXTENSIONS)):
        return False
    path = local_path(thing)
    return not path.is_dir() if os.path.lexists(path) else not any(sign in str(path) for sign in "*?[{")


def describe(thing: Any) -> str:
    """What it is, in a few words, for messages."""
    if isinstance(thing, str | os.PathLike):
        return printable(os.fspath(thing))
    if isinstance(thing, Image.Image):
        return f"a picture of {thing.width} x {thing.height}"
    if hasattr(thing, "__array__"):
        return f"an array {list(getattr(thing, 'shape', ()))}"
    kind = type(thing).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


class ListSource(Source):
    """Images of a list, each an array, one of Pillow's or a file, of one size or of many; named by their place.

    Args:
      images: arrays [H, W], [H, W, C] or [C, H, W] with C of 1, 3 or 4; Pillow's images in any mode, decoded by the
        rules of files; names of image files.
      name: for messages.
      value_range: the values that mean black and white in arrays; needed unless they are uint8.
      layout: of all arrays with channels, NHWC or NCHW, as a stack of them would have it; needed only where the shapes
        can be read in two ways.
      out_of_range: what values of arrays outside the range do.

    Raises:
      InputError: there is no image, an item is none, or arrays are not as above.
    """

    named_by_index = True

    def __init__(
        self,
        images: Sequence[Any],
        *,
        name: str,
        value_range: ValueRange | None = None,
        layout: Layout | None = None,
        out_of_range: OutOfRange = "fail",
    ):
        self.name = name
        self._out_of_range: OutOfRange = out_of_range
        if not images:
            raise InputError(f"{name} holds no images")
        # One image may be in the list twice, and Pillow reads files when it is asked for pixels.
        self._lock = threading.Lock()
        self._images = [
            thing
            if isinstance(thing, Image.Image) or is_image_file(thing)
            else as_array(thing, f"image {index} of {name}")
            for index, thing in enumerate(images)
        ]
        arrays = {index: thing for index, thing in enumerate(self._images) if isinstance(thing, np.ndarray)}
        self._layout: Layout = _common_layout(arrays, layout, name)
        self._ranges = {
            index: check_value_range(array.dtype, value_range, f"image {index} of {name}")
            for index, array in arrays.items()
        }

    def __len__(self) -> int:
        return len(self._images)

    def items(self) -> Iterator[Item]:
        """The images, in the order of the list."""
        for index, thing in enumerate(self._images):
            if isinstance(thing, np.ndarray):
                layout = "NHW" if thing.ndim == 2 else self._layout
                yield array_item(thing, index, layout, self._ranges[index], self.name, self._out_of_range)
            elif isinstance(thing, Image.Image):
                where = f"image {index} of {self.name}"
                yield Item(str(index), functools.partial(self._loaded, thing, where), where=where)
            else:
                path = str(local_path(thing))
                yield Item(str(index), functools.partial(read_file, path), where=printable(path))

    def _loaded(self, image: Image.Image, where: str) -> Image.Image:
        try:
            with self._lock:
                image.load()
        except Exception as error:  # Pillow's readers raise a dozen types on damaged files
            raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error
        return image


def _common_layout(arrays: Mapping[int, np.ndarray], layout: Layout | None, name: str) -> Layout:
    """The one layout that all arrays with channels can have."""
    possible: set[Layout] = {"NHWC", "NCHW"}
    ambiguous = ""
    for index, array in arrays.items():
        about = f"image {index} of {name} has shape {list(array.shape)}"
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise InputError(f"{about}; an image has [H, W], [H, W, C] or [C, H, W] and is not empty")
        if array.ndim == 2:
            continue
        if layout == "NHW":
            raise InputError(f"{about}, which is not one gray image of layout NHW")
        own = set(image_layouts(array.shape))
        if not own:
            raise InputError(f"{about}; expected 1, 3 or 4 channels on the last or the first axis")
        if layout is not None and layout not in own:
            raise InputError(f"{about}, which is not {layout[1:]}")
        if layout is None and not own & possible:
            raise InputError(
                f"{about}, whose channels are on the other side than those of images before it; bring all to [H, W, C]"
            )
        possible &= own
        ambiguous = about
    if layout is not None:
        return layout
    if len(possible) == 2 and ambiguous:
        raise InputError(
            f"{ambiguous}, which can be read as [H, W, C] or as [C, H, W]; say layout='NHWC' or layout='NCHW'"
        )
    return "NHWC" if "NHWC" in possible else "NCHW"
