"""Images as they are stored, for comparison pixel by pixel: gray stays gray, and 16 bits stay 16.

(`decoding` gives what the references of distances between sets give: 8-bit RGB.)
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageFile

from jaxeval.errors import InputError
from jaxeval.images.decoding import check_size, open_file
from jaxeval.images.headers import loaded_size, significant_bits
from jaxeval.images.source import Item
from jaxeval.images.wide import HALVED, gray_samples, png_samples, stretched

__all__ = ["PixelLayout", "decode_exact", "pixel_layout"]

_BITS_PER_SAMPLE = 258  # a TIFF's tag
_GRAY_MODES = ("1", "L", "LA", "La")


@dataclasses.dataclass(frozen=True)
class PixelLayout:
    """What the pixels of an image are.

    Attributes:
      height, width: in pixels.
      channels: 1 for gray, 3 for RGB.
      bits: of a value, 8 or 16.
    """

    height: int
    width: int
    channels: int
    bits: int

    @property
    def data_range(self) -> int:
        """The largest value: 255 or 65,535."""
        return (1 << self.bits) - 1

    def __str__(self) -> str:
        colour = {1: "gray", 3: "RGB"}[self.channels]
        return f"{self.height} x {self.width} {colour} with {self.bits} bits"


def pixel_layout(item: Item) -> PixelLayout:
    """What the pixels of a file are, from its header.

    Raises:
      InputError: it cannot be read, or is no image that `decode_exact` takes.
    """
    data = _read(item)
    with _opened(data, item.where) as image:
        return _layout(image, item.where)


def decode_exact(item: Item) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """The pixels of a file, [H, W, 1] or [H, W, 3], as uint8 or uint16.

    Alpha is dropped, palettes are expanded, CMYK and YCbCr are converted to RGB, orientation tags are left alone (but
    for TIFF, where Pillow itself applies them), gray in which 0 is white is turned, and the samples of a PNG that were
    not scaled to 16 bits, though its sBIT chunk says that they have fewer, are scaled.

    Raises:
      InputError: it cannot be read, is damaged, or has pixels that cannot be had whole (32 bits, numbers of bits
        such as 12, 16-bit colour in a TIFF, 16-bit gray with alpha).
    """
    data = _read(item)
    with _opened(data, item.where) as image:
        layout = _layout(image, item.where)
        try:
            if layout.bits == 8:
                pixels = np.asarray(image.convert("L" if layout.channels == 1 else "RGB"))
                pixels = pixels[:, :, None] if layout.channels == 1 else pixels
            elif layout.channels == 1:
                pixels = gray_samples(image, data, item.where).samples
            else:
                with _opened(data, item.where) as again:
                    pixels = png_samples(image, again)
        except InputError:
            raise
        except Exception as error:  # Pillow's readers raise a dozen types on damaged files
            raise InputError(f"{item.where} cannot be decoded: {str(error) or type(error).__name__}.") from error
    if pixels.shape != (layout.height, layout.width, layout.channels):
        raise InputError(f"{item.where} is {layout} by its header, but its pixels have shape {list(pixels.shape)}.")
    whole = stretched(pixels, significant_bits(data), 16) if layout.bits == 16 else None
    return pixels if whole is None else whole


def _read(item: Item) -> bytes:
    data = item.read()
    if not isinstance(data, bytes):
        raise InputError(f"{item.where} is an array; images as files are expected.")
    if not data:
        raise InputError(f"{item.where} is empty (0 bytes).")
    return data


def _opened(data: bytes, where: str) -> ImageFile.ImageFile:
    try:
        image = open_file(data, where)
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(f"{where} cannot be decoded: {str(error) or type(error).__name__}.") from error
    check_size(image.size, where)
    return image


def _layout(image: Image.Image, where: str) -> PixelLayout:
    try:
        width, height = loaded_size(image)
    except Exception as error:  # as above: a damaged directory of tags
        raise InputError(f"{where} cannot be decoded: {str(error) or type(error).__name__}.") from error
    bits = max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))) if image.format == "TIFF" else 16
    wide_gray = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if wide_gray and bits == 16:
        return PixelLayout(height, width, 1, 16)
    if image.mode in ("I", "F") or wide_gray:
        raise InputError(f"{where} has pixels of other than 8 or 16 bits, whose range is not known; save it as a PNG.")
    raw_mode = _raw_mode(image)
    if raw_mode == "LA;16B" or (image.format == "TIFF" and bits > 8):
        kind = "gray with alpha" if raw_mode else "colour in a TIFF"
        raise InputError(f"{where} has 16-bit {kind}, which cannot be read whole; save it as a PNG without alpha.")
    return PixelLayout(height, width, 1 if image.mode in _GRAY_MODES else 3, 16 if raw_mode in HALVED else 8)


def _raw_mode(image: Image.Image) -> str:
    """How the decoder of a PNG takes its bytes; empty for other formats."""
    tiles = getattr(image, "tile", [])
    return str(tiles[0].args) if image.format == "PNG" and tiles else ""
