"""From an item to RGB levels, as the reference implementations' `PIL.Image.open(...).convert("RGB")` gives them.

Alpha is dropped, palettes are expanded, gray is replicated, CMYK is converted, orientation tags are left alone (but for
TIFF, where Pillow itself applies them). The one departure: what has more than 8 bits a value is scaled by the bits that
count, where Pillow's convert clips gray at 255; `reduction` has it done by Pillow here too.
"""

import dataclasses
import io
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFile

from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.compositing import converted, has_alpha, orientation_of
from jaxeval.images.depths import bits_of
from jaxeval.images.formats import reader_of
from jaxeval.images.headers import readable_gray, significant_bits, tiff_orientation
from jaxeval.images.ranges import level_notes, range_notes, rounded_levels, to_levels
from jaxeval.images.source import Item
from jaxeval.images.wide import gray_samples, png_samples, rescaled, stretched, unused_bits, whole_planes

Reduction = Literal["scale", "pillow"]
"""How files of more than 8 bits a value become 8 bits: their range is scaled, or as Pillow's `convert("RGB")` does."""

MAX_PIXELS = 89_478_485
"""Images with more pixels are refused before decoding. It is Pillow's own limit, which only warns up to twice this."""

DECODING_VERSION = 3
"""What is kept of an earlier reading is believed only if it was read by this version: raise it whenever the same bytes
come to give other pixels or other notes."""

_MODE_NOTES = {
    "1": report.GRAY,
    "L": report.GRAY,
    "LA": report.GRAY,
    "La": report.GRAY,
    "P": report.PALETTE,
    "PA": report.PALETTE,
    "CMYK": report.CMYK,
    "YCbCr": report.YCBCR,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """Pixels of one image and what was done to them.

    Attributes:
      pixels: uint8 levels, or floats in 0..255 that are still to be quantised.
      notes: keys of `ReadReport.notes`.
      rounded: the levels by rounding, where they are found from the values themselves and not from `pixels`.
    """

    pixels: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"]
    notes: tuple[str, ...]
    rounded: UInt8[np.ndarray, "h w 3"] | None = None


def decode(item: Item, reduction: Reduction = "scale") -> Decoded:
    """Reads and decodes one item.

    Args:
      item: a file or pixels.
      reduction: how files of more than 8 bits a value become 8 bits; pixels have a range that was stated.

    Raises:
      InputError: it cannot be read, is not an image of the formats read, is damaged or too large, or has values outside
        the stated range.
    """
    content = item.read()
    if isinstance(content, bytes):
        return decode_file(content, item.where, reduction)
    if isinstance(content, Image.Image):
        return _decode_image(content, item.where, reduction)
    return _decode_pixels(item, content)


def decode_file(data: bytes, where: str, reduction: Reduction = "scale") -> Decoded:
    """Decodes one PNG, JPEG, WebP, BMP, GIF (first frame), TIFF (first page), PNM, JPEG 2000 or AVIF file.

    Args:
      data: the file.
      where: its name, for messages.
      reduction: how more than 8 bits a value become 8 bits; with `pillow` all is as `PIL.Image.open` reads it.

    Returns:
      uint8 pixels.

    Raises:
      InputError: empty, of another format, damaged, cut short, larger than `MAX_PIXELS`, or of a pixel type that has no
        agreed meaning as RGB (32-bit integers and floats, unless Pillow is to reduce them).
    """
    if not data:
        raise InputError(f"{where} is empty (0 bytes)")
    try:
        with open_file(data, where) if reduction == "scale" else _plainly_opened(data, where) as image:
            check_size(image.size, where)
            return _to_rgb(image, data, where, reduction)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise a dozen types on damaged files
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error


def _decode_image(image: Image.Image, where: str, reduction: Reduction) -> Decoded:
    """An image that Pillow has read or made already, by the rules of files; its file, if it had one, is not at hand."""
    try:
        check_size(image.size, where)
        return _to_rgb(image.convert("LA") if image.mode == "La" else image, b"", where, reduction)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # as above
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error


def open_file(data: bytes, where: str) -> ImageFile.ImageFile:
    """The file with its header read, by the reader of its format; Pillow's own errors pass.

    Wide gray has its samples as stored, even if 0 is white (`gray_samples` turns them).

    Raises:
      InputError: it is of another format, this Pillow has no decoder for it, or it is a TIFF whose pixels Pillow would
        misread.
    """
    image = _plainly_opened(readable_gray(data), where)
    whole_planes(image, where)
    return image


def _plainly_opened(data: bytes, where: str) -> ImageFile.ImageFile:
    # No name: Pillow takes it for a path, and the pixels of some formats from the file that lies there.
    return reader_of(data, where)(io.BytesIO(data), "")


def check_size(size: tuple[int, int], where: str) -> None:
    """Raises InputError unless an image of this width and height may be decoded."""
    width, height = size
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise InputError(f"{where} claims {width} x {height} pixels; up to {MAX_PIXELS} are decoded")


def _to_rgb(image: Image.Image, data: bytes, where: str, reduction: Reduction) -> Decoded:
    wide_colour = bits_of(image, data) > 8  # loading takes away what tells it
    turned = tiff_orientation(image) != 1  # loading takes the tag away
    notes = []
    mode = image.mode
    if reduction == "pillow" and mode.startswith(("I", "F")):
        pixels = np.asarray(image.convert("RGB"))
        notes += [report.WIDE_CLIPPED, report.GRAY]
    elif mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        pixels, found = _wide_gray(image, data, where)
        notes += [report.WIDE_GRAY, report.GRAY, *found]
    elif mode in ("I", "F"):
        raise InputError(
            f"{where} has 32-bit {'float' if mode == 'F' else 'integer'} pixels, whose range is not known; save it "
            "with 8 or 16 bits, or give the pixels as an array with value_range"
        )
    elif wide_colour and reduction == "scale":
        pixels, found = _wide_colour(image, data, where)
        notes += [report.WIDE_COLOUR, *found]
    else:
        pixels = converted(image, "RGB")
        notes += [*([report.WIDE_COLOUR] if wide_colour else []), *_mode_notes(mode), *level_notes(pixels)]
    if has_alpha(image):
        notes.append(report.ALPHA)
    if turned:
        notes.append(report.TIFF_ORIENTATION)
    elif orientation_of(image, data) != 1:
        notes.append(report.EXIF)
    if has_more_frames(image):
        notes.append(report.ANIMATION)
    return Decoded(pixels, tuple(notes))


def _wide_gray(image: Image.Image, data: bytes, where: str) -> tuple[UInt8[np.ndarray, "h w 3"], list[str]]:
    """Round(value * 255 / (2^bits - 1)), with the bits that count."""
    gray = gray_samples(image, data, where)
    samples = stretched(gray.samples, significant_bits(data), 8)
    notes = [report.STRETCHED]
    if samples is None:
        samples = rescaled(gray.samples, gray.bits, 8)
        notes = unused_bits(gray.largest) if gray.bits == 16 else []
    levels = samples.astype(np.uint8)
    return np.repeat(levels, 3, axis=2), [*notes, *level_notes(levels)]


def _wide_colour(image: Image.Image, data: bytes, where: str) -> tuple[UInt8[np.ndarray, "h w 3"], list[str]]:
    """The upper byte, as Pillow gives it, of what counts."""
    if significant_bits(data):
        samples = stretched(png_samples(image, open_file(data, where)), significant_bits(data), 16)
        if samples is not None:
            upper = (samples >> 8).astype(np.uint8)
            return np.broadcast_to(upper, (*upper.shape[:2], 3)), [report.STRETCHED]
    pixels = converted(image, "RGB")
    notes = _mode_notes(image.mode) or unused_bits(int(pixels.max()) << 8 | 255)
    return pixels, [*notes, *level_notes(pixels)]


def _mode_notes(mode: str) -> list[str]:
    return [_MODE_NOTES[mode]] if mode in _MODE_NOTES else []


def has_more_frames(image: Image.Image) -> bool:
    """Whether an opened file holds further frames or pages."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second frame is no reason to refuse the first, which alone is read
        return True


def _decode_pixels(item: Item, pixels: np.ndarray) -> Decoded:
    notes, rounded = [], None
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    colours = pixels[:, :, :3]
    if pixels.dtype == np.uint8:
        notes += level_notes(colours) + ([report.RANGE_IGNORED] if item.value_range is not None else [])
    elif item.value_range is not None:
        pixels, clipped = to_levels(pixels, item.value_range, item.out_of_range, item.where)
        notes += range_notes(colours, item.value_range) + ([report.CLIPPED] if clipped else [])
        rounded = rounded_levels(colours, item.value_range)
        colours = pixels[:, :, :3]
    if pixels.shape[2] == 4:
        notes.append(report.ALPHA)
    elif pixels.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
        rounded = None if rounded is None else np.repeat(rounded, 3, axis=2)
        notes.append(report.GRAY)
    return Decoded(colours, tuple(notes), rounded)
