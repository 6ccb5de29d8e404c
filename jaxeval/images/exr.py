"""OpenEXR files: light as floats of 16 or 32 bits, read by the library OpenEXR (the extra `exr`)."""

import functools
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from jaxeval._packages import needed
from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.decoding import check_size
from jaxeval.images.float_pixels import FloatImage

_START = b"v/1\x01"
_DEEP, _SEVERAL_PARTS = 0x08, 0x10  # bits of the sixth byte
_HALF, _FLOAT = 1, 2  # pixel types; 0 is for whole numbers
_DTYPES = {_HALF: np.float16, _FLOAT: np.float32}
_NAMED = 6  # channels in messages


class _Window(NamedTuple):
    """A rectangle of pixels: its first column and row, and its size."""

    left: int
    top: int
    width: int
    height: int


def is_exr(data: bytes) -> bool:
    """Whether a file begins as an EXR does."""
    return data.startswith(_START)


def exr_image(data: bytes, where: str) -> FloatImage:
    """What the RGB, or else the Y, of an EXR file is.

    Pixels are those of the display window. Where the data window does not reach they are 0; what it has beyond is cut
    off. Of several parts the first is read, of tiles the largest level, of layers the channels R, G, B or Y that have
    no layer's name. The primaries are not looked at.

    Args:
      data: the file.
      where: its name, for messages.

    Raises:
      InputError: it is damaged or too large, has deep pixels, subsampled chroma, whole numbers, or no such channels.
      MissingPackageError: OpenEXR is not installed.

    Reference: https://openexr.com/en/latest/OpenEXRFileLayout.html
    """
    library = needed("OpenEXR", f"reading {where}", package="'jaxeval[exr]'")
    if len(data) < 8:
        raise InputError(f"{where} cannot be decoded: it is cut short")
    if data[5] & _DEEP:
        raise InputError(f"{where} is a deep EXR, with several samples a pixel; flatten it")
    try:
        file = library.InputFile(io.BytesIO(data))
        header = file.header()
        stored, shown = (_window(header[name]) for name in ("dataWindow", "displayWindow"))
        kinds = {name: (int(one.type.v), one.xSampling, one.ySampling) for name, one in header["channels"].items()}
    except Exception as error:  # the library raises several types, and what it says is about its own code
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error
    for window in (stored, shown):
        check_size((window.width, window.height), where)
    names = _colours(kinds, where)
    notes = [] if stored == shown else [report.DATA_WINDOW]
    if data[5] & _SEVERAL_PARTS:
        notes.append(report.ANIMATION)
    if set(kinds) - {*names, "A"}:
        notes.append(report.EXTRA_CHANNELS)
    read = functools.partial(_values, file, names, [kinds[name][0] for name in names], stored, shown)
    return FloatImage(shown.height, shown.width, len(names), "A" in kinds, tuple(notes), read)


def _colours(kinds: Mapping[str, tuple[int, int, int]], where: str) -> list[str]:
    """The names of the channels that are read."""
    listed = ", ".join(sorted(kinds)[:_NAMED]) + (", ..." if len(kinds) > _NAMED else "")
    names = ["R", "G", "B"] if {"R", "G", "B"} <= set(kinds) else ["Y"]
    if names == ["Y"] and {"RY", "BY"} & set(kinds):
        raise InputError(f"{where} has luminance and subsampled chroma ({listed}); save it as RGB")
    if not set(names) <= set(kinds):
        raise InputError(f"{where} has neither the channels R, G and B nor Y, but {listed}; save it with those")
    for name in names:
        kind, *steps = kinds[name]
        if steps != [1, 1]:
            raise InputError(f"{where} has the channel {name} subsampled; save it with all of its pixels")
        if kind not in _DTYPES:
            raise InputError(f"{where} has whole numbers in the channel {name}; save it as half or float")
    return names


def _values(
    file: Any, names: list[str], kinds: list[int], stored: _Window, shown: _Window
) -> Float32[np.ndarray, "h w c"]:
    """The values of these channels over the display window."""
    found = np.zeros((shown.height, shown.width, len(names)), np.float32)
    rows, source_rows = _overlap(stored.top, stored.height, shown.top, shown.height)
    columns, source_columns = _overlap(stored.left, stored.width, shown.left, shown.width)
    for place, (plane, kind) in enumerate(zip(file.channels(names), kinds, strict=True)):
        values = np.frombuffer(plane, _DTYPES[kind]).reshape(stored.height, stored.width)
        found[rows, columns, place] = values[source_rows, source_columns]
    return found


def _overlap(start: int, size: int, shown_start: int, shown_size: int) -> tuple[slice, slice]:
    """Where a range of pixels lies in the one that is shown, and which part of it is seen."""
    first, last = max(start, shown_start), min(start + size, shown_start + shown_size)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first - shown_start, last - shown_start), slice(first - start, last - start)


def _window(box: Any) -> _Window:
    return _Window(box.min.x, box.min.y, box.max.x - box.min.x + 1, box.max.y - box.min.y + 1)
