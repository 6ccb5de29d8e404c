"""TIFFs of floats: gray and RGB of 16, 32 and 64 bits, which Pillow reads in part or not at all.

Pillow unpacks the bytes: the file is given a directory of its own, in which a row of pixels is a row of bytes. What a
predictor did to them is undone here.

Reference: Adobe, "TIFF revision 6.0", 1992; Adobe, "Adobe Photoshop TIFF technical note 3", 2005, for predictor 3.
"""

import functools
import io
import math
import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import TiffImagePlugin

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.compositing import turned
from jaxeval.images.decoding import MAX_PIXELS, check_size
from jaxeval.images.float_pixels import FloatImage

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES = 266, 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 284, 317, 322, 323, 324, 325
_FORMAT, _XMP = 339, 700
_WANTED = frozenset(
    {
        _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _ORIENTATION, _SAMPLES, _ROWS,
        _STRIP_BYTES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _FORMAT, _XMP,
    }
)  # fmt: skip
_STARTS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_WHOLE = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}  # types; 7 for XMP alone
_MOST_ENTRIES, _MOST_VALUES = 65_535, 1 << 20
_FLOATS, _UNSIGNED, _GRAY, _RGB = 3, 1, 1, 2
_LOSSLESS = {1: "none", 5: "LZW", 8: "deflate", 32773: "PackBits", 32946: "deflate", 34925: "LZMA", 50000: "Zstandard"}
_WITHOUT_PREDICTOR = (1, 32773)  # libtiff looks at no predictor there
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


class _Layout(NamedTuple):
    """How the samples of a file lie: in bytes of `bits`/8, in rows of `columns`, in blocks of one column or more."""

    order: str
    height: int
    width: int
    samples: int
    bits: int
    planar: bool
    predictor: int
    tile: tuple[int, int] | None

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """Height and width with the last tiles filled."""
        if self.tile is None:
            return self.height, self.width
        across, down = self.tile[1], self.tile[0]
        return math.ceil(self.height / down) * down, math.ceil(self.width / across) * across


def float_tiff(data: bytes, where: str) -> FloatImage | None:
    """What the first page of a TIFF of floats is; None for other files.

    Args:
      data: the file.
      where: its name, for messages.

    Raises:
      InputError: it is a TIFF of floats that is damaged, too large, or has values that are no colours.
    """
    if data[:4] not in _STARTS:
        return None
    try:
        tags, more = _directory(data)
    except struct.error:
        return None  # cut short: Pillow says so
    formats = tags.get(_FORMAT, ())
    if _FLOATS not in formats:
        return None
    if not all(tags.get(tag) for tag in (_WIDTH, _HEIGHT, _BITS)):
        raise InputError(f"{where} cannot be decoded: its directory of tags is damaged")
    width, height, bits = tags[_WIDTH][0], tags[_HEIGHT][0], tags[_BITS]
    check_size((width, height), where)
    samples = tags.get(_SAMPLES, (1,))[0]
    photometric = tags.get(_PHOTOMETRIC, (_RGB if samples > 2 else _GRAY,))[0]
    compression = tags.get(_COMPRESSION, (1,))[0]
    predictor = 1 if compression in _WITHOUT_PREDICTOR else tags.get(_PREDICTOR, (1,))[0]
    unlike = {*bits} - {bits[0]} or {*formats} != {_FLOATS} or bits[0] not in (16, 32, 64)
    if unlike or not 1 <= samples <= 4 or photometric not in (_GRAY, _RGB) or (photometric == _RGB and samples < 3):
        raise InputError(
            f"{where} has floats that are no gray or RGB of 16, 32 or 64 bits with black as 0; save it as such"
        )
    if compression not in _LOSSLESS or predictor not in (1, 2, 3) or tags.get(_FILL_ORDER, (1,))[0] != 1:
        known = ", ".join(dict.fromkeys(_LOSSLESS.values()))
        raise InputError(
            f"{where} has floats that are compressed in a way that is not read; save it with one of {known}"
        )
    tile = None
    if _TILES in tags:
        tile = tags.get(_TILE_HEIGHT, (0,))[0], tags.get(_TILE_WIDTH, (0,))[0]
        if min(tile) < 1 or max(tile) > MAX_PIXELS:
            raise InputError(f"{where} cannot be decoded: its directory of tags is damaged")
    planar = tags.get(_PLANAR, (1,))[0] == 2 and samples > 1
    layout = _Layout(_STARTS[data[:4]][0], height, width, samples, bits[0], planar, predictor, tile)
    rows, columns = layout.rows_and_columns
    check_size((columns, rows), where)
    orientation = _orientation(tags)
    if orientation > 4:
        width, height = height, width
    notes = [*([report.TIFF_ORIENTATION] if orientation != 1 else []), *([report.ANIMATION] if more else [])]
    return FloatImage(
        height,
        width,
        3 if samples > 2 else 1,
        samples in (2, 4),
        tuple(notes),
        functools.partial(_values, data, tags, layout, orientation),
    )


def _values(
    data: bytes, tags: dict[int, tuple[int, ...]], layout: _Layout, orientation: int
) -> Shaped[np.ndarray, "h w c"]:
    """The samples of a file, turned, without alpha."""
    colours = 3 if layout.samples > 2 else 1
    if layout.planar:
        one = layout._replace(samples=1)
        planes = [_samples(_bytes(data, tags, one, (plane, layout.samples)), one) for plane in range(colours)]
        found = np.concatenate(planes, axis=2)
    else:
        found = _samples(_bytes(data, tags, layout, (0, 1)), layout)[:, :, :colours]
    return turned(found, orientation)


def _samples(rows: UInt8[np.ndarray, "rows bytes"], layout: _Layout) -> Shaped[np.ndarray, "h w c"]:
    """Floats from the bytes of each row, with what a predictor did undone."""
    height, columns = layout.rows_and_columns
    size, samples = layout.bits // 8, layout.samples
    block = columns if layout.tile is None else layout.tile[1]
    shape = (height, columns, samples)
    if layout.predictor == 3:  # differences of bytes, all highest bytes of a row first, whatever the byte order
        summed = rows.reshape(-1, block * size, samples).cumsum(axis=1, dtype=np.uint8)
        planes = summed.reshape(-1, size, block * samples).swapaxes(1, 2)
        found = np.ascontiguousarray(planes).view(f">f{size}")
    elif layout.predictor == 2:  # differences of the floats' bits
        words = rows.view(f"{layout.order}u{size}").reshape(-1, block, samples)
        found = words.cumsum(axis=1, dtype=f"u{size}").view(f"f{size}")
    else:
        found = rows.view(f"{layout.order}f{size}")
    return found.reshape(shape)[: layout.height, : layout.width]


def _bytes(
    data: bytes, tags: dict[int, tuple[int, ...]], layout: _Layout, part: tuple[int, int]
) -> UInt8[np.ndarray, "rows bytes"]:
    """The bytes of each row of pixels, by Pillow, which takes them for gray of 8 bits.

    Args:
      data: the file.
      tags: of the file.
      layout: of what is wanted.
      part: the plane and the number of planes.
    """
    height, columns = layout.rows_and_columns
    size = layout.samples * layout.bits // 8
    places, lengths = (_TILES, _TILE_BYTES) if layout.tile else (_STRIPS, _STRIP_BYTES)
    if not tags.get(places) or len(tags.get(lengths, ())) != len(tags[places]) or len(tags[places]) % part[1]:
        raise ValueError("its directory of tags is damaged")
    count = len(tags[places]) // part[1]
    own = slice(part[0] * count, (part[0] + 1) * count)
    entries: dict[int, Sequence[int]] = {
        _WIDTH: [columns * size],
        _HEIGHT: [height],
        _BITS: [8],
        _COMPRESSION: tags.get(_COMPRESSION, (1,)),
        _PHOTOMETRIC: [_GRAY],
        _SAMPLES: [1],
        places: tags[places][own],
        lengths: tags[lengths][own],
        _FORMAT: [_UNSIGNED],
    }
    if layout.tile is None:
        entries[_ROWS] = [min(tags.get(_ROWS, (height,))[0], height)]
    else:
        entries |= {_TILE_HEIGHT: [layout.tile[0]], _TILE_WIDTH: [layout.tile[1] * size]}
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_with_directory(data, entries)), "") as image:
        return np.ascontiguousarray(np.asarray(image))


def _with_directory(data: bytes, entries: dict[int, Sequence[int]]) -> bytes:
    """The file as a small-endian TIFF with these tags, all of 32 bits, in place of its own."""
    padding = b"\0" * (-len(data) % 4)
    start = len(data) + len(padding)
    behind = start + 2 + 12 * len(entries) + 4
    listed, arrays = struct.pack("<H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            arrays, packed = arrays + packed, struct.pack("<I", behind + len(arrays))
        listed += struct.pack("<HHI", tag, 4, len(values)) + packed
    header = b"II*\0" + struct.pack("<I", start)
    return b"".join([header, memoryview(data)[8:], padding, listed, bytes(4), arrays])


def _directory(data: bytes) -> tuple[dict[int, tuple[int, ...]], bool]:
    """The whole numbers of a file's first directory by tag, and whether there is a further directory.

    Raises:
      struct.error: it is cut short.
    """
    order, big = _STARTS[data[:4]]
    count_form, offset_form = ("Q", "Q") if big else ("H", "I")
    (start,) = struct.unpack_from(order + offset_form, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + count_form, data, start)
    head, inline = struct.Struct(f"{order}HH{offset_form}"), struct.calcsize(offset_form)
    first, size = start + struct.calcsize(count_form), head.size + inline
    tags: dict[int, tuple[int, ...]] = {}
    for place in range(first, first + min(count, _MOST_ENTRIES) * size, size):
        tag, kind, values = head.unpack_from(data, place)
        if tag not in _WANTED or kind not in _WHOLE or not 0 < values <= _MOST_VALUES:
            continue
        form = struct.Struct(f"{order}{values}{_WHOLE[kind]}")
        at = place + head.size
        if form.size > inline:
            (at,) = struct.unpack_from(order + offset_form, data, at)
        tags[tag] = form.unpack_from(data, at)
    (following,) = struct.unpack_from(order + offset_form, data, first + min(count, _MOST_ENTRIES) * size)
    return tags, following != 0


def _orientation(tags: dict[int, tuple[int, ...]]) -> int:
    """As Pillow has it for other TIFFs: the tag, or else that of the XMP."""
    if _ORIENTATION not in tags:
        xmp = tags.get(_XMP, ())
        match = _XMP_ORIENTATION.search(bytes(xmp)) if all(value < 256 for value in xmp) else None
        return int(match[1]) if match and match[1] in b"12345678" else 1
    return tags[_ORIENTATION][0] if tags[_ORIENTATION][0] in range(1, 9) else 1
