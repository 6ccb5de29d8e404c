"""What a header says and Pillow does not: how pixels lie once loaded, what 0 means, how many bits count."""

import struct
from typing import NamedTuple

from PIL import Image

_ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 256, 257
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLES_PER_PIXEL, _PLANAR = 258, 262, 277, 284
_TURNED = range(5, 9)  # orientations that exchange rows and columns

_PNG_START, _CHUNK = b"\x89PNG\r\n\x1a\n", struct.Struct(">I4s")
_INTEGERS = {1: "B", 3: "H", 4: "I"}  # a TIFF's types
_MOST_ENTRIES = 65_535  # what the count of a TIFF can say; that of a BigTIFF could keep one busy for ever


def tiff_orientation(image: Image.Image) -> int:
    """The orientation that Pillow applies to an image while it loads it: 1 for all formats but TIFF.

    A TIFF's own tag counts, and where it has none the `tiff:Orientation` of its XMP. To be asked before the image is
    loaded, as loading removes both.
    """
    if image.format != "TIFF":
        return 1
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def loaded_size(image: Image.Image) -> tuple[int, int]:
    """Width and height that the pixels have once they are loaded, told before they are."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return image.size
    width, height = tags[_WIDTH], tags[_HEIGHT]
    return (height, width) if tiff_orientation(image) in _TURNED else (width, height)


class _Entry(NamedTuple):
    """A whole number in a TIFF's directory: its value, where that lies in the file, and its form for `struct`."""

    value: int
    place: int
    form: str


def white_is_zero(data: bytes) -> bool:
    """Whether a file is a TIFF with gray of more than 8 bits in which 0 is white.

    Pillow turns such gray of 8 bits and less into gray in which 0 is black; wider gray it gives as stored, or not at
    all. As there, a file that does not say what 0 means has 0 for white.
    """
    entries = _whole_numbers(data)
    bits, photometric = entries.get(_BITS_PER_SAMPLE), entries.get(_PHOTOMETRIC)
    return bits is not None and bits.value > 8 and (photometric is None or photometric.value == 0)


def readable_gray(data: bytes) -> bytes:
    """The TIFF with its tags changed where Pillow would misread gray or a palette, but for what `white_is_zero` tells.

    Wide gray is said to be black where it is 0, so that its samples are read as they are stored; and one sample a pixel
    is said to lie in pixels and not in planes, which is the same.
    """
    entries = _whole_numbers(data)
    wrong = []
    if white_is_zero(data):
        wrong.append(_PHOTOMETRIC)
    if _SAMPLES_PER_PIXEL not in entries or entries[_SAMPLES_PER_PIXEL].value == 1:
        wrong.append(_PLANAR)
    changes = [entries[tag] for tag in wrong if tag in entries and entries[tag].value != 1]
    if not changes:
        return data
    changed = bytearray(data)
    for entry in changes:
        struct.pack_into(entry.form, changed, entry.place, 1)
    return bytes(changed)


def _whole_numbers(data: bytes) -> dict[int, _Entry]:
    """The entries of a TIFF's first directory that are one whole number each; none in other or damaged files."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    big = 43 in data[2:4]
    count_form, size, offset_form = ("Q", 20, "Q") if big else ("H", 12, "I")
    entries: dict[int, _Entry] = {}
    try:
        (start,) = struct.unpack_from(order + offset_form, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + count_form, data, start)
        first = start + struct.calcsize(count_form)
        for place in range(first, first + min(count, _MOST_ENTRIES) * size, size):
            tag, kind, values = struct.unpack_from(f"{order}HH{offset_form}", data, place)
            if values == 1 and kind in _INTEGERS:
                form = order + _INTEGERS[kind]
                at = place + 4 + struct.calcsize(offset_form)
                entries[tag] = _Entry(struct.unpack_from(form, data, at)[0], at, form)
    except struct.error:  # cut short: the reader says so
        return {}
    return entries


def significant_bits(data: bytes) -> tuple[int, ...]:
    """How many bits of each channel's samples a PNG says to be significant (sBIT); empty where it says nothing."""
    if not data.startswith(_PNG_START):
        return ()
    place = len(_PNG_START)
    while place + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack_from(data, place)
        if kind == b"sBIT":
            return tuple(data[place + _CHUNK.size :][:length])
        if kind in (b"IDAT", b"IEND"):
            break
        place += _CHUNK.size + length + 4  # and its checksum
    return ()
