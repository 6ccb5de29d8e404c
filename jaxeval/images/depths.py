"""How many bits a value of a file has, which Pillow tells of few formats."""

from typing import Any

from PIL import Image

_BITS_PER_SAMPLE = 258  # a TIFF's tag
_PNG_BITS = 24  # the place in a PNG
_CODESTREAM = b"\xff\x4f\xff\x51"  # a JPEG 2000's start and its SIZ
_SIZ_BITS = 42  # from there to the first component's bits
_SAMPLE_BITS = 0x7F  # less one; the uppermost bit is for signed samples
_AV1_CONFIGURATION = b"av1C"
_HIGH, _TWELVE = 0x40, 0x20  # bits of its third byte


def bits_of(image: Image.Image, data: bytes) -> int:
    """Bits of a value in a file, 8 where it has fewer; the most of all its channels.

    A PNM file with more than 255 levels has 16, as Pillow scales its values to that.

    Args:
      image: the opened file, before its pixels are loaded.
      data: the file; empty where it is not at hand, and then a PNG's values count as the 8 bits that Pillow gives.
    """
    found: Any = 8
    if image.format == "PNG" and data:
        found = data[_PNG_BITS]
    elif image.format == "TIFF":
        found = max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,)))
    elif image.format == "PPM" and (tiles := getattr(image, "tile", [])):
        arguments: Any = tiles[0].args
        wide = image.mode == "I" or (isinstance(arguments, tuple) and int(arguments[-1]) > 255)
        found = 16 if wide else 8
    elif image.format == "JPEG2000":
        start = data.find(_CODESTREAM)
        found = (data[start + _SIZ_BITS] & _SAMPLE_BITS) + 1 if 0 <= start < len(data) - _SIZ_BITS else 8
    elif image.format == "AVIF":
        start = data.find(_AV1_CONFIGURATION)
        flags = data[start + len(_AV1_CONFIGURATION) + 2] if 0 <= start < len(data) - 6 else 0
        found = (12 if flags & _TWELVE else 10) if flags & _HIGH else 8
    return max(8, int(found))
