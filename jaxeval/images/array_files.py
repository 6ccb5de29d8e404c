"""Images in .npy and .npz files, streamed: no more than one image of the array is in memory at a time."""

import functools
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxeval._npy import read_header
from jaxeval.errors import InputError, said_by
from jaxeval.images.arrays import Layout, array_item, array_layout, check_value_range
from jaxeval.images.source import Item, OutOfRange, Source, ValueRange
from jaxeval.images.stored_arrays import InOrder, StoredPixels, check_stored_type

_PREFERRED_KEYS = ("arr_0", "images", "samples")
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class ArrayFileSource(Source):
    """One array of a .npy or .npz file, read in order as a stream.

    A memory map would count as resident memory as it is read, and a compressed archive cannot be mapped; a stream has
    neither fault. Nothing is unpickled.

    Args:
      path: the file.
      name: for messages.
      key: the array's name in a .npz; by default the only array, or `arr_0` (as ADM's samples), `images` or `samples`.
      value_range: the values that mean black and white; needed unless the array is uint8.
      layout: needed only where the shape can be read in two ways.
      out_of_range: what values outside the range do.
      as_stored: as for `open_source`; channels are then on the last axis unless `layout` says otherwise.

    Attributes:
      dtype: of the array.

    Raises:
      InputError: not such a file, an array that needs pickle, a file of statistics, or as in `ArraySource`.
    """

    named_by_index = True

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        key: str | None = None,
        value_range: ValueRange | None = None,
        layout: Layout | None = None,
        out_of_range: OutOfRange = "fail",
        as_stored: bool = False,
    ):
        self.name = name
        self._as_stored = as_stored
        self._path = path
        self._member = None if path.suffix.lower() == ".npy" else self._choose_member(key)
        with self._opened() as (_, shape, dtype):
            self._shape, self.dtype = shape, dtype
        self._layout: Layout = array_layout(self._shape, self._label, layout)
        if as_stored and layout is None and self._layout == "NCHW":
            raise InputError(
                f"{self._label} has shape {list(self._shape)}; [N, H, W, C] is expected: save it so, or say that its "
                "channels come first (?layout=NCHW after the file's name)"
            )
        if as_stored:
            check_stored_type(self.dtype, self._label)
        self._range = None if as_stored else check_value_range(self.dtype, value_range, self._label)
        self._out_of_range: OutOfRange = out_of_range

    def __len__(self) -> int:
        return self._shape[0]

    def items(self) -> Iterator[Item]:
        """The images in the array's order, each named by its index."""
        return self._stored() if self._as_stored else self._read(range(self._shape[0]))

    def select(self, places: Int[np.ndarray, " n"]) -> Iterator[Item]:
        """The images at these places; what lies between them is passed over, and unpacked where it is compressed."""
        return self._read(places.tolist())

    def _stored(self) -> Iterator[Item]:
        """The images as they are stored, each read when it is wanted."""
        count, *shape = self._shape
        if self._layout == "NCHW":
            shape = [*shape[1:], shape[0]]
        images = InOrder(self._pixels_from, int(np.prod(shape)) * self.dtype.itemsize)
        for index in range(count):
            content = StoredPixels(tuple(shape), self.dtype, functools.partial(images.read, index))
            yield Item(str(index), content, where=f"image {index} of {self._label}")

    def _pixels_from(self, place: int) -> Iterator[np.ndarray]:
        for item in self._read(range(place, self._shape[0])):
            yield np.asarray(item.read())

    def _read(self, places: Sequence[int]) -> Iterator[Item]:
        shape = self._shape[1:]
        size = int(np.prod(shape)) * self.dtype.itemsize
        with self._opened() as (stream, _, _):
            start, before = stream.tell(), -1
            for index in places:
                if index != before + 1:
                    stream.seek(start + index * size)
                before = index
                data = stream.read(size)
                if len(data) < size:
                    raise InputError(f"{self._label} is cut short: it ends inside image {index} of {self._shape[0]}")
                pixels = np.frombuffer(data, self.dtype).reshape(shape)
                yield array_item(pixels, index, self._layout, self._range, self._label, self._out_of_range)

    @property
    def _label(self) -> str:
        return self.name if self._member is None else f"{self.name}: array {self._member.removesuffix('.npy')!r}"

    def _choose_member(self, key: str | None) -> str:
        try:
            with zipfile.ZipFile(self._path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        except _READ_ERRORS as error:
            raise InputError(f"{self.name} is not a readable .npz file: {said_by(error)}") from error
        if key is not None:
            if key not in names:
                raise InputError(f"{self.name} holds no array {key!r}; it holds {', '.join(names) or 'none'}")
            return f"{key}.npy"
        if {"mu", "sigma"} <= set(names):
            raise InputError(
                f"{self.name} holds statistics (mu, sigma), not images; only `jaxeval evaluate` and `compare` take it"
            )
        for name in names if len(names) == 1 else _PREFERRED_KEYS:
            if name in names:
                return f"{name}.npy"
        raise InputError(
            f"{self.name} holds the arrays {', '.join(names) or '(none)'}; say which are the images with ?key=NAME "
            "after its name"
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, tuple[int, ...], np.dtype]]:
        try:
            if self._member is None:
                with self._path.open("rb") as stream:
                    shape, dtype = _plain_header(stream)
                    yield stream, shape, dtype
            else:
                with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
                    shape, dtype = _plain_header(stream)
                    yield stream, shape, dtype
        except _READ_ERRORS as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self._label} cannot be read: {said_by(error)}") from error


def _plain_header(stream: Any) -> tuple[tuple[int, ...], np.dtype]:
    shape, dtype, fortran = read_header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which would have to be unpickled; save a plain array")
    if fortran and len(shape) > 1:
        raise ValueError("it is stored in Fortran order; save numpy.ascontiguousarray(array) instead")
    return shape, dtype
