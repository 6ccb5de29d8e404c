"""OpenEXR files: light as floats of 16 or 32 bits, unpacked by the library OpenEXR (the extra `exr`).

The header is read here: OpenEXR 3.5 ends the program where a damaged one has a name that is not UTF-8.
"""

import functools
import io
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from jaxeval._packages import needed
from jaxeval.errors import InputError
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
    try:
        attributes = _attributes(data)
        stored, shown = (_window(attributes[name]) for name in (b"dataWindow", b"displayWindow"))
        kinds = _channels(attributes[b"channels"])
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise InputError(f"{where} cannot be decoded: its header is damaged or cut short") from error
    if data[5] & _DEEP or attributes.get(b"type", b"").startswith(b"deep"):
        raise InputError(f"{where} is a deep EXR, with several samples a pixel; flatten it")
    for window in (stored, shown):
        check_size((window.width, window.height), where)
    names = _colours(kinds, where)
    notes = [] if stored == shown else [report.DATA_WINDOW]
    if data[5] & _SEVERAL_PARTS:
        notes.append(report.ANIMATION)
    if set(kinds) - {*names, "A"}:
        notes.append(report.EXTRA_CHANNELS)
    read = functools.partial(_values, library, data, names, [kinds[name][0] for name in names], stored, shown)
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
    library: Any, data: bytes, names: list[str], kinds: list[int], stored: _Window, shown: _Window
) -> Float32[np.ndarray, "h w c"]:
    """The values of these channels over the display window."""
    found = np.zeros((shown.height, shown.width, len(names)), np.float32)
    rows, source_rows = _overlap(stored.top, stored.height, shown.top, shown.height)
    columns, source_columns = _overlap(stored.left, stored.width, shown.left, shown.width)
    planes = library.InputFile(io.BytesIO(data)).channels(names)
    for place, (plane, kind) in enumerate(zip(planes, kinds, strict=True)):
        values = np.frombuffer(plane, _DTYPES[kind]).reshape(stored.height, stored.width)
        found[rows, columns, place] = values[source_rows, source_columns]
    return found


def _overlap(start: int, size: int, shown_start: int, shown_size: int) -> tuple[slice, slice]:
    """Where a range of pixels lies in the one that is shown, and which part of it is seen."""
    first, last = max(start, shown_start), min(start + size, shown_start + shown_size)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first - shown_start, last - shown_start), slice(first - start, last - start)


def _window(box: bytes) -> _Window:
    left, top, right, bottom = struct.unpack("<4i", box)
    return _Window(left, top, right - left + 1, bottom - top + 1)


def _attributes(data: bytes) -> dict[bytes, bytes]:
    """The attributes of the first part by name."""
    found: dict[bytes, bytes] = {}
    place = 8
    while data[place]:
        name, place = _name(data, place)
        _, place = _name(data, place)
        (size,) = struct.unpack_from("<I", data, place)
        place += 4 + size
        found[name] = data[place - size : place]
    return found


def _channels(listed: bytes) -> dict[str, tuple[int, int, int]]:
    """The pixel type and the steps across and down of each channel by name."""
    found: dict[str, tuple[int, int, int]] = {}
    place = 0
    while listed[place]:
        name, place = _name(listed, place)
        kind, across, down = struct.unpack_from("<I4x2i", listed, place)
        found[name.decode("utf-8", "backslashreplace")] = kind, across, down
        place += 16
    return found


def _name(data: bytes, place: int) -> tuple[bytes, int]:
    """A text that ends with a zero byte, and the place behind it."""
    end = data.index(0, place)
    return data[place:end], end + 1
