"""Images as raters see them: 8-bit PNGs without metadata, under names that say nothing."""

import io
import re
import secrets

import numpy as np
from jaxtyping import UInt8

from jaxeval._packages import needed
from jaxeval.errors import InputError
from jaxeval.images import Item, PixelRules, decode_exact

NAME = re.compile(r"[0-9a-f]{32}\.png")
"""What the files of a study are called, and nothing else is."""

_MOSAIC = 8  # squares across the shorter side of a degraded image
_NOISE = 48.0  # levels; with the squares nobody takes such an image for the better one


def opaque_name() -> str:
    """A new name of an image file, of 128 random bits: neither its order nor its text tells where it is from."""
    return f"{secrets.token_hex(16)}.png"


def display_pixels(item: Item, rules: PixelRules) -> UInt8[np.ndarray, "h w c"]:
    """The pixels that a screen shows, [H, W, 1] or [H, W, 3].

    16 bits are rounded to 8. Orientation and alpha become what the rules say; colour profiles are not applied, as in
    all measurements of files.

    Raises:
      InputError: the image cannot be read, or has floats, for which no level is white.
    """
    pixels = decode_exact(item, rules)
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise InputError(f"{item.where} has float values, which no screen shows; save it with 8 or 16 bits, as a PNG")
    return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def png(pixels: UInt8[np.ndarray, "h w c"]) -> bytes:
    """The pixels as a PNG file: header, pixels and end, and no other chunk."""
    stream = io.BytesIO()
    plain = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image = needed("PIL.Image", "writing images", package="pillow")
    image.fromarray(plain).save(stream, "PNG")
    return stream.getvalue()


def degraded(pixels: UInt8[np.ndarray, "h w c"], seed: int) -> UInt8[np.ndarray, "h w c"]:
    """A copy that anyone sees to be the worse one: a mosaic of large squares under strong noise."""
    height, width, _ = pixels.shape
    side = max(2, min(height, width) // _MOSAIC)
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), rows, 0), columns, 1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))[:, :, None]
    squares = np.repeat(np.repeat(sums / counts, side, 0)[:height], side, 1)[:, :width]
    return _levels(squares + np.random.default_rng(seed).normal(0, _NOISE, pixels.shape))


def noise(height: int, width: int, seed: int) -> UInt8[np.ndarray, "h w 3"]:
    """An image of noise alone, which is nobody's photograph."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
