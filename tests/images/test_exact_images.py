"""Pixels as they are stored: every depth and colour, against what was written."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.images import Item, PixelLayout, decode_exact, pixel_layout

RNG = np.random.default_rng(3)


def png(pixels: np.ndarray, colour: int) -> bytes:
    """A PNG, written here so that no library is both its writer and its reader."""
    height, width = pixels.shape[:2]
    bits = 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def item(data: bytes) -> Item:
    return Item("a", data, "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "colour"), [(1, 0), (3, 2), (4, 6)])
def test_pixels_are_those_that_were_written(dtype, channels, colour):
    pixels = RNG.integers(0, np.iinfo(dtype).max + 1, (5, 7, channels)).astype(dtype)
    found = item(png(pixels, colour))
    assert pixel_layout(found) == PixelLayout(5, 7, min(channels, 3), 8 * pixels.dtype.itemsize)
    decoded = decode_exact(found)
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, pixels[..., :3])


def test_sixteen_bits_by_another_writer_with_filters_and_palettes(tmp_path):
    gray = RNG.integers(0, 65536, (40, 30)).cumsum(0).astype(np.uint16)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(decode_exact(item((tmp_path / "gray.png").read_bytes()))[..., 0], gray)
    palette = Image.fromarray(np.eye(9, dtype=np.uint8)).convert("P")
    palette.putpalette([1, 2, 3, 200, 100, 50])
    palette.save(tmp_path / "palette.png")
    decoded = decode_exact(item((tmp_path / "palette.png").read_bytes()))
    assert decoded[0, 0].tolist() == [200, 100, 50]
    assert decoded[0, 1].tolist() == [1, 2, 3]


def _wide_colour_tiff() -> bytes:
    """One pixel of 16-bit RGB, by the format's definition."""
    tags = [(256, 1), (257, 1), (259, 1), (262, 2), (273, 8 + 2 + 12 * 8 + 4 + 6), (277, 3), (278, 1)]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries.insert(2, struct.pack("<HHII", 258, 3, 3, 8 + 2 + 12 * 8 + 4))
    directory = struct.pack("<H", 8) + b"".join(entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<3H", 16, 16, 16) + struct.pack("<3H", 1, 2, 3)


def test_what_cannot_be_had_whole_is_refused(tmp_path):
    with pytest.raises(InputError, match="16-bit colour in a TIFF"):
        pixel_layout(item(_wide_colour_tiff()))
    Image.fromarray(np.zeros((3, 3), np.int32)).save(tmp_path / "whole.tif")
    with pytest.raises(InputError, match="other than 8 or 16 bits"):
        decode_exact(item((tmp_path / "whole.tif").read_bytes()))
    whole = png(RNG.integers(0, 65536, (50, 50, 3)).astype(np.uint16), 2)
    with pytest.raises(InputError, match=r"a\.png cannot be decoded"):
        decode_exact(item(whole[: len(whole) // 2]))
    with pytest.raises(InputError, match="is empty"):
        pixel_layout(item(b""))
    with pytest.raises(InputError, match="is not an image"):
        pixel_layout(item(b"no image at all"))
