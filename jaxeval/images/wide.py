"""Samples of more than 8 bits, whole: Pillow gives some of them by halves, and tells nobody how many bits count."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt16
from PIL import Image, ImageFile

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.headers import white_is_zero

_BITS_PER_SAMPLE, _PHOTOMETRIC, _FILL_ORDER = 258, 262, 266  # tags of a TIFF
_SAMPLES_PER_PIXEL, _PLANAR, _EXTRA_SAMPLES = 277, 284, 338
_RGB = 2
_BITS = 16
_MOST = (1 << _BITS) - 1

# How the decoder of a PNG takes two bytes a sample (Pillow gives the upper ones), and how to make it give the lower
# ones: in their own place, or for gray with alpha all four bytes of a pixel as they lie.
HALVED = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def whole_planes(image: ImageFile.ImageFile, where: str) -> None:
    """Has the planes of an uncompressed TIFF with 16-bit colour read by two bytes a sample, where Pillow takes one.

    Raises:
      InputError: planes that Pillow cannot be made to read.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_PLANAR, 1) != 2:
        return
    raw = all(tile.codec_name == "raw" for tile in image.tile)
    wide = raw and tags.get(_BITS_PER_SAMPLE, (8,))[0] == _BITS
    unnamed = tags.get(_PHOTOMETRIC) == _RGB and tags.get(_SAMPLES_PER_PIXEL, 1) > 3 and _EXTRA_SAMPLES not in tags
    reversed_bits = raw and tags.get(_FILL_ORDER, 1) != 1
    if unnamed or reversed_bits or (wide and image.mode not in ("RGB", "RGBA")):
        raise InputError(f"{where} has its colours in planes in a way that is not understood; save it as a PNG")
    if wide:
        order = "L" if tags.prefix == b"II" else "B"
        image.tile = [
            tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))
            for tile in image.tile
            if isinstance(tile.args, tuple)
        ]


class WideGray(NamedTuple):
    """Gray of more than 8 bits.

    Attributes:
      samples: with black as 0.
      bits: of each.
      largest: of the values that are stored, which may have white as 0.
    """

    samples: UInt16[np.ndarray, "h w 1"]
    bits: int
    largest: int


def gray_samples(image: Image.Image, data: bytes, where: str) -> WideGray:
    """The samples of an opened file of wide gray.

    Args:
      image: the file as Pillow has opened it, or any image of Pillow's with such samples.
      data: the file; empty where there is none.
      where: its name, for messages.

    Raises:
      InputError: a number of bits that is not understood.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (_BITS,))[0]
    turned = white_is_zero(data) if data else bool(tags) and tags.get(_PHOTOMETRIC, 0) == 0
    if not 8 < bits <= _BITS:
        raise InputError(f"{where} has {bits} bits a pixel, which is not understood; save it with 8 or 16 bits")
    image.load()
    stored = np.asarray(image).astype(np.uint16)[:, :, None]
    samples = np.uint16((1 << bits) - 1) - stored if turned else stored
    return WideGray(samples, bits, int(stored.max()))


def png_samples(upper: Image.Image, lower: ImageFile.ImageFile) -> UInt16[np.ndarray, "h w c"]:
    """Both bytes of a PNG's 16-bit colour, or of its 16-bit gray with alpha, without the alpha.

    Args:
      upper: the opened file, whose raw mode is a key of `HALVED`.
      lower: the same, opened once more.
    """
    raw_mode = str(lower.tile[0].args)
    lower.tile = [lower.tile[0]._replace(args=HALVED[raw_mode])]
    channels = slice(1) if raw_mode == "LA;16B" else slice(3)
    high, low = np.asarray(upper)[:, :, channels], np.asarray(lower)
    low = low[:, :, 1:2] if raw_mode == "LA;16B" else low[:, :, channels]
    return high.astype(np.uint16) << 8 | low


def stretched(
    samples: UInt16[np.ndarray, "h w c"], significant: Sequence[int], bits: int
) -> UInt16[np.ndarray, "h w c"] | None:
    """16-bit samples at full range where a PNG holds them as a sensor of fewer bits gave them; None where it does not.

    PNG asks writers to scale the samples of fewer bits to the full range of 16, and to say in sBIT how many bits they
    had. Some say so and do not scale: then no sample is above 2^s - 1, and the samples are not what scaling makes (its
    lower bits are zero, or repeat the upper ones, or come from a division), but for a black image, which is the same.

    Args:
      samples: as stored.
      significant: of each channel, as sBIT says.
      bits: to scale to.
    """
    channels = samples.shape[2]
    if len(significant) < channels or not all(0 < count < _BITS for count in significant[:channels]):
        return None
    scaled = True
    result = np.empty(samples.shape, np.uint16)
    for channel, count in enumerate(significant[:channels]):
        values = samples[:, :, channel]
        if values.max() >> count:
            return None
        scaled = scaled and bool(_looks_scaled(values, count).all())
        result[:, :, channel] = rescaled(values, count, bits)
    return None if scaled else result


def rescaled(values: UInt16[np.ndarray, "..."], bits: int, wanted: int) -> UInt16[np.ndarray, "..."]:
    """Round(value * (2^wanted - 1) / (2^bits - 1)), in integers."""
    most, full = (1 << bits) - 1, (1 << wanted) - 1
    return ((values.astype(np.uint64) * (2 * full) + most) // (2 * most)).astype(np.uint16)


def unused_bits(largest: float, *, below: int = _MOST) -> list[str]:
    """What to note of an image whose values go up to `largest` only, and could go up to `below`."""
    return next(([note] for most, note in report.UNUSED_BITS.items() if largest <= most < below), [])


def _looks_scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Which values are those that scaling from so many bits to 16 gives, in any of the usual ways."""
    top = values >> (_BITS - bits)
    repeated = np.zeros_like(top, np.uint32)
    for shift in range(_BITS - bits, -bits, -bits):
        repeated |= (top.astype(np.uint32) << shift) if shift >= 0 else (top.astype(np.uint32) >> -shift)
    return (values == top << (_BITS - bits)) | (values == repeated) | (values == rescaled(top, bits, _BITS))
