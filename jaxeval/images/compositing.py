"""Alpha and orientation of images as they are stored: what is wanted, and pixels laid over a colour or turned."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image, ImageFile

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.wide import HALVED

_ALPHA = {"drop": report.ALPHA, "white": report.ALPHA_OVER_WHITE, "black": report.ALPHA_OVER_BLACK}
_GRAY = ("as-is", "as-rgb")
_EXIF = {"ignore": report.EXIF, "apply": report.EXIF_APPLIED}
_ORIENTATION = 0x0112
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
_PNG_BITS = 24  # place of the number of bits in a PNG
# Chunks of a PNG that can hold an orientation; Pillow sees those behind the pixels only once it has decoded them.
_LATE_CHUNKS = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")


@dataclasses.dataclass(frozen=True)
class PixelRules:
    """What is done about alpha, orientation and colour where pixels are otherwise taken as they are stored.

    Attributes:
      alpha: `drop` it and take the colours under it as they are, or lay the image over `white` or `black`.
      exif: `ignore` the orientation in EXIF or XMP, or `apply` it. That of a TIFF is always applied, by Pillow itself.
      gray: leave gray images `as-is`, or take them `as-rgb`, with three equal channels.
      modcrop: rows at the bottom and columns on the right are left out until sides are multiples of it, as MATLAB code
        of super-resolution does before it makes an image smaller; 1 leaves out none.

    Raises:
      InputError: one of them is another word, or `modcrop` no whole number of 1 or more.
    """

    alpha: str = "drop"
    exif: str = "ignore"
    gray: str = "as-is"
    modcrop: int = 1

    def __post_init__(self):
        for name, value, known in (
            ("alpha", self.alpha, _ALPHA),
            ("exif", self.exif, _EXIF),
            ("gray", self.gray, _GRAY),
        ):
            if value not in known:
                raise InputError(f"{name} {value!r} is not known; choose from {', '.join(known)}")
        if self.modcrop < 1:
            raise InputError(f"modcrop is {self.modcrop}; give a whole number of 1 or more")

    @property
    def alpha_note(self) -> str:
        """The note, a key of `ReadReport.notes`, that an image with alpha gets."""
        return _ALPHA[self.alpha]

    @property
    def exif_note(self) -> str:
        """The note, a key of `ReadReport.notes`, that an image with an orientation gets."""
        return _EXIF[self.exif]


def has_alpha(image: Image.Image) -> bool:
    """Whether an opened file has an alpha channel or a transparent colour."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def converted(image: Image.Image, mode: str) -> UInt8[np.ndarray, "..."]:
    """The pixels of an opened file as gray ("L") or "RGB", without its alpha."""
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.copy()
        del image.info["transparency"]  # Pillow would warn that it is lost, once in a process and of no file by name
    return np.asarray(image if image.mode == mode else image.convert(mode))


def orientation_of(image: Image.Image, data: bytes) -> int:
    """The orientation that an opened file asks for and Pillow does not apply: 1, or 2 to 8.

    Args:
      image: the opened file. A PNG that may have its orientation behind the pixels is loaded.
      data: the file.
    """
    if image.format == "TIFF":
        return 1
    if image.format == "PNG" and any(data.rfind(chunk) > data.find(b"IDAT") for chunk in _LATE_CHUNKS):
        image.load()
    if not any(key in image.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return 1  # getexif() would parse to find the same
    try:
        found: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged tag in an image that decodes
        return 1
    return found if found in range(2, 9) else 1


def turned(pixels: Shaped[np.ndarray, "h w c"], orientation: int) -> Shaped[np.ndarray, "a b c"]:
    """Pixels as an orientation of 1 to 8 wants them seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def laid_over(
    pixels: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"],
    alpha: UInt8[np.ndarray, "h w 1"] | UInt16[np.ndarray, "h w 1"],
    colour: str,
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """Round((pixel * alpha + under * (most - alpha)) / most) in integers, in the depth of the pixels.

    Args:
      pixels: colours that are not multiplied by alpha.
      alpha: of the same type; its largest value is opaque.
      colour: `white` or `black`.
    """
    most = int(np.iinfo(pixels.dtype).max)
    under = most if colour == "white" else 0
    wide, opaque = pixels.astype(np.uint64), alpha.astype(np.uint64)
    return ((2 * (wide * opaque + under * (most - opaque)) + most) // (2 * most)).astype(pixels.dtype)


def with_alpha_of_8_bits(
    image: ImageFile.ImageFile, data: bytes, channels: int
) -> tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w 1"]]:
    """Gray or RGB of an opened file with alpha, and the alpha.

    Args:
      image: of 8 bits and less.
      data: the file.
      channels: 1 or 3.
    """
    if image.mode in ("1", "L"):
        key = _level(image.info["transparency"], image, data)
        gray = np.asarray(image.convert("L"))[:, :, None]
        return gray, np.where(gray == key, 0, 255).astype(np.uint8)
    both = np.asarray(image.convert("LA" if channels == 1 else "RGBA"))
    return both[:, :, :channels], both[:, :, channels:]


def with_alpha_of_16_bits(
    samples: UInt16[np.ndarray, "h w c"], image: ImageFile.ImageFile, reopened: Callable[[], ImageFile.ImageFile]
) -> UInt16[np.ndarray, "h w 1"]:
    """The alpha of a PNG of 16 bits.

    Args:
      samples: gray or RGB as stored.
      image: the opened file, whose pixels may have been loaded.
      reopened: opens it once more.
    """
    if "transparency" in image.info:
        key = np.atleast_1d(np.asarray(image.info["transparency"]))
        return np.where((samples == key).all(axis=2, keepdims=True), 0, 65535).astype(np.uint16)
    if samples.shape[2] == 1:
        return png_gray_and_alpha(reopened())[:, :, 1:]
    upper, lower = reopened(), reopened()
    lower.tile = [lower.tile[0]._replace(args=HALVED[str(lower.tile[0].args)])]
    high, low = (np.asarray(half)[:, :, 3:].astype(np.uint16) for half in (upper, lower))
    return high << 8 | low


def png_gray_and_alpha(image: ImageFile.ImageFile) -> UInt16[np.ndarray, "h w 2"]:
    """Both bytes of both samples of a PNG of gray with alpha of 16 bits, of which Pillow gives the upper ones.

    Args:
      image: the opened file, not loaded.
    """
    # Four bytes a pixel, which are taken as those of RGBA are.
    image.tile = [image.tile[0]._replace(args="RGBA")]
    found = np.asarray(image).astype(np.uint16)
    return found[:, :, 0::2] << 8 | found[:, :, 1::2]


def _level(key: int, image: ImageFile.ImageFile, data: bytes) -> int:
    """The transparent shade of gray in 0..255: PNG has it in the file's own bits."""
    bits = data[_PNG_BITS] if image.format == "PNG" else 8
    return key * 255 // ((1 << bits) - 1) if image.mode == "L" and bits < 8 else key
