"""What tells the pixels of one image from those of all others, so that copies are found in whatever they lie."""

import hashlib

import numpy as np
from jaxtyping import Float, UInt8

from jaxeval.images.preparation import quantised

__all__ = ["DIGEST_BYTES", "pixel_digest"]

DIGEST_BYTES = 16
"""Length of a digest: among ten million images two different ones share it with a probability below 1e-24."""

_VERSION = b"jaxeval pixels 1"


def pixel_digest(pixels: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"]) -> bytes:
    """SHA-256 of an image's size and 8-bit RGB levels, cut to `DIGEST_BYTES`.

    It is that of the image as decoded, before any resizing, so that a PNG, the same pixels in an array, and a gray
    image that was replicated to three channels share it. A JPEG that was compressed again has other pixels.

    Args:
      pixels: uint8 levels, or float levels in 0..255, which are rounded to 8 bits.
    """
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(b"%s %d %d " % (_VERSION, height, width))
    digest.update(np.ascontiguousarray(quantised(pixels, "round")).data)
    return digest.digest()[:DIGEST_BYTES]
