"""Images as they are stored, for comparison pixel by pixel: gray stays gray, 16 bits stay 16, and floats stay floats.

(`decoding` gives what the references of distances between sets give: 8-bit RGB.)
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
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
from jaxeval.images.exr import exr_image, is_exr
from jaxeval.images.float_pixels import FloatImage, single_floats
from jaxeval.images.float_tiff import float_tiff
from jaxeval.images.headers import loaded_size, significant_bits, tiff_orientation
from jaxeval.images.source import Item
from jaxeval.images.stored_arrays import StoredPixels, check_stored_type
from jaxeval.images.wide import HALVED, gray_samples, png_samples, stretched

_GRAY_MODES = ("1", "L", "LA", "La")
_MODE_NOTES = {"P": report.PALETTE, "PA": report.PALETTE, "CMYK": report.CMYK, "YCbCr": report.YCBCR}
_GRAY_WITH_ALPHA = "LA;16B"  # a raw mode of PNGs, which Pillow makes RGBA
_KINDS = {"TIFF": "a TIFF", "PPM": "a PPM", "JPEG2000": "a JPEG 2000", "AVIF": "an AVIF"}
_AS_STORED = PixelRules()
_FLOAT_BITS = 32

Pixels = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"] | Float32[np.ndarray, "h w c"]


@dataclasses.dataclass(frozen=True)
class PixelLayout:
    """What the pixels of an image are.

    Attributes:
      height, width: in pixels.
      channels: 1 for gray, 3 for RGB.
      bits: of a value: 8 or 16, of videos others between too; 32 for floats.
    """

    height: int
    width: int
    channels: int
    bits: int

    @property
    def is_float(self) -> bool:
        """Whether the values are floats, of which none is the largest."""
        return self.bits == _FLOAT_BITS

    @property
    def data_range(self) -> int | None:
        """The largest value that a pixel can have: 255 of 8 bits, 1,023 of 10, 65,535 of 16; None for floats."""
        return None if self.is_float else (1 << self.bits) - 1

    def __str__(self) -> str:
        colour = {1: "gray", 3: "RGB"}[self.channels]
        values = "float values" if self.is_float else f"{self.bits} bits"
        return f"{self.height} x {self.width} {colour} with {values}"


class StoredImage(NamedTuple):
    """What is known of an image from its header.

    Attributes:
      layout: of its pixels, as `decode_exact` gives them.
      notes: what is done to them, as keys of `ReadReport.notes`.
    """

    layout: PixelLayout
    notes: tuple[str, ...]


def pixel_layout(item: Item, rules: PixelRules = _AS_STORED) -> PixelLayout:
    """What the pixels of a file or of an array's image are, from its header.

    Raises:
      InputError: it cannot be read, or is no image that `decode_exact` takes.
    """
    return stored_image(item, rules).layout


def stored_image(item: Item, rules: PixelRules = _AS_STORED) -> StoredImage:
    """What the pixels of a file or of an array's image are and what is done to them, from its header.

    Raises:
      InputError: as `pixel_layout`.
    """
    layout, notes = _from_header(item, rules)
    notes = list(notes)
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


def _from_header(item: Item, rules: PixelRules) -> StoredImage:
    """What the pixels of a file are, whole and of their own channels."""
    if (of_array := _array_of(item)) is not None:
        return _stored_array(of_array, item.where, rules)
    data = _read(item)
    if (light := _float_image(data, item.where, rules)) is not None:
        notes = [*light.notes, *([rules.alpha_note] if light.alpha else [])]
        return StoredImage(PixelLayout(light.height, light.width, light.channels, _FLOAT_BITS), tuple(notes))
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
    return StoredImage(layout, tuple(notes))


def decode_exact(item: Item, rules: PixelRules = _AS_STORED) -> Pixels:
    """The pixels of a file or of an array's image, [H, W, 1] or [H, W, 3], as uint8, uint16 or float32.

    Palettes are expanded, CMYK and YCbCr are converted to RGB, the orientation of a TIFF is applied, as Pillow does so
    itself, gray in which 0 is white is turned, and the samples of a PNG that were not scaled to 16 bits, though its
    sBIT chunk says that they have fewer, are scaled. The floats of an EXR (by `exr_image`) or a TIFF are taken as they
    are, half ones exactly, those of 64 bits rounded.

    Args:
      item: the file; or the image of an array of uint8, uint16 or floats, as `open_source(..., as_stored=True)` has it.
      rules: what becomes of alpha, which is dropped by default, of EXIF orientation and gray, which are left alone, and
        of sides that are no multiples.

    Raises:
      InputError: it cannot be read, is damaged, has a float that is not finite, or has pixels that cannot be had whole
        (whole numbers of 32 bits, numbers of bits such as 12, colour of more than 8 bits in other formats than PNG).
      MissingPackageError: it is an EXR, and the library that reads it is not installed.
    """
    pixels = _whole(item, rules)
    height, width, channels = pixels.shape
    pixels = pixels[: height - height % rules.modcrop, : width - width % rules.modcrop]
    return np.repeat(pixels, 3, 2) if rules.gray == "as-rgb" and channels == 1 else pixels


def _whole(item: Item, rules: PixelRules) -> Pixels:
    """The pixels of a file, whole and of their own channels."""
    if (of_array := _array_of(item)) is not None:
        return _array_pixels(of_array, item.where, rules)
    data = _read(item)
    if (light := _float_image(data, item.where, rules)) is not None:
        return _float_values(light, item.where)
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
    return turned(pixels, orientation)


def _array_of(item: Item) -> StoredPixels | None:
    """The array's image that an item is, if it is one."""
    if isinstance(item.content, np.ndarray):
        pixels = item.content
        return StoredPixels(pixels.shape, pixels.dtype, lambda: pixels)
    return item.content if isinstance(item.content, StoredPixels) else None


def _stored_array(pixels: StoredPixels, where: str, rules: PixelRules) -> StoredImage:
    check_stored_type(pixels.dtype, where)
    height, width, channels = pixels.shape if len(pixels.shape) == 3 else (*pixels.shape, 1)
    check_size((width, height), where)
    if channels not in (1, 3, 4):
        raise InputError(f"{where} has {channels} channels; 1, 3 or 4 are expected, as the last axis")
    floats = pixels.dtype.kind == "f"
    _check_alpha_of_floats(floats and channels == 4, where, rules)
    notes = [rules.alpha_note] if channels == 4 else []
    notes += [report.DOUBLE] if floats and pixels.dtype.itemsize == 8 else []
    bits = _FLOAT_BITS if floats else 8 * pixels.dtype.itemsize
    return StoredImage(PixelLayout(height, width, min(channels, 3), bits), tuple(notes))


def _array_pixels(content: StoredPixels, where: str, rules: PixelRules) -> Pixels:
    layout = _stored_array(content, where, rules).layout
    pixels = content().reshape(layout.height, layout.width, -1)
    colours, alpha = pixels[:, :, : layout.channels], pixels[:, :, layout.channels :]
    if layout.is_float:
        return single_floats(colours, where)
    native = content.dtype.newbyteorder("=")
    colours = np.ascontiguousarray(colours, native)
    if rules.alpha == "drop" or not alpha.shape[2]:
        return colours
    return laid_over(colours, alpha.astype(native), rules.alpha)


def _float_image(data: bytes, where: str, rules: PixelRules) -> FloatImage | None:
    """What a file of floats is; None for others."""
    light = exr_image(data, where) if is_exr(data) else float_tiff(data, where)
    if light is not None:
        _check_alpha_of_floats(light.alpha, where, rules)
    return light


def _float_values(light: FloatImage, where: str) -> Float32[np.ndarray, "h w c"]:
    try:
        values = light.read()
    except Exception as error:  # as in `decode_exact`
        raise InputError(f"{where} cannot be decoded: {said_by(error)}") from error
    return single_floats(values, where)


def _check_alpha_of_floats(alpha: bool, where: str, rules: PixelRules) -> None:
    if alpha and rules.alpha != "drop":
        raise InputError(
            f"{where} has float values with alpha, which are not laid over {rules.alpha}; drop it (--alpha drop), or "
            "save the image without alpha"
        )


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
        raise InputError(f"{item.where} is an image of Pillow's; files and arrays are expected")
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
