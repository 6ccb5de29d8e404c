"""Images as they are stored, for comparison pixel by pixel: gray stays gray, and 16 bits stay 16.

(`decoding` gives what the references of distances between sets give: 8-bit RGB.)
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageFile

from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.compositing import (
    PixelRules,
    converted,
    has_alpha,
    laid_over,
    orientation_of,
    png_gray_and_alpha,
    turned,
    with_alpha_of_8_bits,
    with_alpha_of_16_bits,
)
from jaxeval.images.decoding import check_size, has_more_frames, open_file
from jaxeval.images.depths import bits_of
from jaxeval.images.headers import loaded_size, significant_bits, tiff_orientation
from jaxeval.images.source import Item
from jaxeval.images.wide import HALVED, gray_samples, png_samples, stretched

_GRAY_MODES = ("1", "L", "LA", "La")
_MODE_NOTES = {"P": report.PALETTE, "PA": report.PALETTE, "CMYK": report.CMYK, "YCbCr": report.YCBCR}
_GRAY_WITH_ALPHA = "LA;16B"  # a raw mode of PNGs, which Pillow makes RGBA
_KINDS = {"TIFF": "a TIFF", "PPM": "a PPM", "JPEG2000": "a JPEG 2000", "AVIF": "an AVIF"}
_AS_STORED = PixelRules()


@dataclasses.dataclass(frozen=True)
class PixelLayout:
    """What the pixels of an image are.

    Attributes:
      height, width: in pixels.
      channels: 1 for gray, 3 for RGB.
      bits: of a value: 8 or 16, of videos others between too.
    """

    height: int
    width: int
    channels: int
    bits: int

    @property
    def data_range(self) -> int:
        """The largest value that a pixel can have: 255 of 8 bits, 1,023 of 10, 65,535 of 16."""
        return (1 << self.bits) - 1

    def __str__(self) -> str:
        colour = {1: "gray", 3: "RGB"}[self.channels]
        return f"{self.height} x {self.width} {colour} with {self.bits} bits"


class StoredImage(NamedTuple):
    """What is known of an image from its header.

    Attributes:
      layout: of its pixels, as `decode_exact` gives them.
      notes: what is done to them, as keys of `ReadReport.notes`.
    """

    layout: PixelLayout
    notes: tuple[str, ...]


def pixel_layout(item: Item, rules: PixelRules = _AS_STORED) -> PixelLayout:
    """What the pixels of a file are, from its header.

    Raises:
      InputError: it cannot be read, or is no image that `decode_exact` takes.
    """
    return stored_image(item, rules).layout


def stored_image(item: Item, rules: PixelRules = _AS_STORED) -> StoredImage:
    """What the pixels of a file are and what is done to them, from its header.

    Raises:
      InputError: as `pixel_layout`.
    """
    data = _read(item)
    with _opened(data, item.where) as image:
        layout = _layout(image, data, item.where)
        notes = [_MODE_NOTES[image.mode]] if image.mode in _MODE_NOTES else []
        if tiff_orientation(image) != 1:
            notes.append(report.TIFF_ORIENTATION)
        if has_more_frames(image):
            notes.append(report.ANIMATION)
        if has_alpha(image):
            notes.append(rules.alpha_note)
        orientation = _orientation(image, data, item.where)
        if orientation != 1:
            notes.append(rules.exif_note)
        if rules.exif == "apply" and orientation > 4:
            layout = dataclasses.replace(layout, height=layout.width, width=layout.height)
        if rules.gray == "as-rgb" and layout.channels == 1:
            layout = dataclasses.replace(layout, channels=3)
            notes.append(report.GRAY)
        kept = [side - side % rules.modcrop for side in (layout.height, layout.width)]
        if 0 in kept:
            raise InputError(f"{item.where} is {layout}, of which modcrop {rules.modcrop} leaves nothing")
        if kept != [layout.height, layout.width]:
            layout = dataclasses.replace(layout, height=kept[0], width=kept[1])
            notes.append(report.MODCROPPED)
    return StoredImage(layout, tuple(notes))


def decode_exact(
    item: Item, rules: PixelRules = _AS_STORED
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """The pixels of a file, [H, W, 1] or [H, W, 3], as uint8 or uint16.

    Palettes are expanded, CMYK and YCbCr are converted to RGB, the orientation of a TIFF is applied, as Pillow does so
    itself, gray in which 0 is white is turned, and the samples of a PNG that were not scaled to 16 bits, though its
    sBIT chunk says that they have fewer, are scaled.

    Args:
      item: the file.
      rules: what becomes of alpha, which is dropped by default, of EXIF orientation and gray, which are left alone, and
        of sides that are no multiples.

    Raises:
      InputError: it cannot be read, is damaged, or has pixels that cannot be had whole (32 bits, numbers of bits
        such as 12, colour of more than 8 bits in other formats than PNG).
    """
    data = _read(item)
    with _opened(data, item.where) as image:
        layout = _layout(image, data, item.where)
        try:
            pixels = _pixels(image, data, item.where, layout, rules)
            orientation = orientation_of(image, data) if rules.exif == "apply" else 1
        except InputError:
            raise
        except Exception as error:  # Pillow's readers raise a dozen types on damaged files
            raise InputError(f"{item.where} cannot be decoded: {said_by(error)}") from error
    if pixels.shape != (layout.height, layout.width, layout.channels):
        raise InputError(f"{item.where} is {layout} by its header, but its pixels have shape {list(pixels.shape)}")
    pixels = turned(pixels, orientation)
    height, width, channels = pixels.shape
    pixels = pixels[: height - height % rules.modcrop, : width - width % rules.modcrop]
    return np.repeat(pixels, 3, 2) if rules.gray == "as-rgb" and channels == 1 else pixels


def _pixels(
    image: ImageFile.ImageFile, data: bytes, where: str, layout: PixelLayout, rules: PixelRules
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    over = rules.alpha != "drop" and has_alpha(image)
    if layout.bits == 8:
        if over:
            return laid_over(*with_alpha_of_8_bits(image, data, layout.channels), rules.alpha)
        pixels = converted(image, "L" if layout.channels == 1 else "RGB")
        return pixels[:, :, None] if layout.channels == 1 else pixels
    if _raw_mode(image) == _GRAY_WITH_ALPHA:
        samples = png_gray_and_alpha(_opened(data, where))[:, :, :1]
    elif layout.channels == 1:
        samples = gray_samples(image, data, where).samples
    else:
        samples = png_samples(image, _opened(data, where))
    significant = significant_bits(data)
    whole = stretched(samples, significant, 16)
    pixels = samples if whole is None else whole
    if not over:
        return pixels
    alpha = with_alpha_of_16_bits(samples, image, lambda: _opened(data, where))
    whole = stretched(alpha, significant[layout.channels :], 16)
    return laid_over(pixels, alpha if whole is None else whole, rules.alpha)


def _read(item: Item) -> bytes:
    data = item.read()
    if not isinstance(data, bytes):
        raise InputError(f"{item.where} is an array; images as files are expected")
    if not data:
        raise InputError(f"{item.where} is empty (0 bytes)")
    return data


def _opened(data: bytes, where: str) -> ImageFile.ImageFile:
    try:
        image = open_file(data, where)
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error
    check_size(image.size, where)
    return image


def _orientation(image: ImageFile.ImageFile, data: bytes, where: str) -> int:
    try:
        return orientation_of(image, data)
    except Exception as error:  # as above: a PNG whose pixels lie before its orientation
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error


def _layout(image: ImageFile.ImageFile, data: bytes, where: str) -> PixelLayout:
    try:
        width, height = loaded_size(image)
    except Exception as error:  # as above: a damaged directory of tags
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error
    wide_gray = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    bits = bits_of(image, data)
    if wide_gray and bits == 16:
        return PixelLayout(height, width, 1, 16)
    if image.mode in ("I", "F") or wide_gray:
        raise InputError(f"{where} has pixels of other than 8 or 16 bits, whose range is not known; save it as a PNG")
    if bits > 8 and _raw_mode(image) not in HALVED:
        kind = _KINDS.get(str(image.format), str(image.format))
        raise InputError(f"{where} has {bits}-bit colour in {kind}, which cannot be read whole; save it as a PNG")
    gray = image.mode in _GRAY_MODES or _raw_mode(image) == _GRAY_WITH_ALPHA
    return PixelLayout(height, width, 1 if gray else 3, 16 if bits > 8 else 8)


def _raw_mode(image: Image.Image) -> str:
    """How the decoder of a PNG takes its bytes; empty for other formats."""
    tiles = getattr(image, "tile", [])
    return str(tiles[0].args) if image.format == "PNG" and tiles else ""
