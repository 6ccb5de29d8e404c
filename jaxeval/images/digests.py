"""What tells the pixels of one image from those of all others, so that copies are found in whatever they lie.

SHA-256 over all pixels would take 7% of the time of decoding a small JPEG, and more on processors without instructions
for it. It is taken over two sums instead, modulo 2^64: of the image's bytes, eight at a time as one number (a lane),
each lane times a weight of its own, and of the same with the bytes of each lane reversed. If b is the lowest bit in
which two images differ in a lane, a sum agrees for 2^b of the 2^64 values of its weight. What is high in a lane is low
in the reversed one, so that both sums agree for at most one in 2^58 choices of the weights, and for one in 2^114 if the
lane's first and last bytes differ. The weights are random but fixed, since digests are kept in files: they find copies,
and are no defence against images that were made to share one.
"""

import functools
import hashlib

import numpy as np
from jaxtyping import Float, UInt8, UInt64

from jaxeval.images.preparation import quantised

DIGEST_BYTES = 16
"""Length of a digest."""

_VERSION = b"jaxeval pixels 1"
_LANE = 8  # bytes
_LANES = 1 << 15  # at a time, which the second level of a processor's caches holds


def pixel_digest(pixels: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"]) -> bytes:
    """A digest of an image's size and 8-bit RGB levels, of `DIGEST_BYTES`.

    It is that of the image as decoded, before any resizing, so that a PNG, the same pixels in an array, and a gray
    image that was replicated to three channels share it. A JPEG that was compressed again has other pixels.

    Args:
      pixels: uint8 levels, or float levels in 0..255, which are rounded to 8 bits.
    """
    levels = np.ascontiguousarray(quantised(pixels, "round")).reshape(-1)
    height, width = pixels.shape[:2]
    whole = levels.size // _LANE * _LANE
    digest = hashlib.sha256(b"%s %d %d " % (_VERSION, height, width))
    digest.update(levels[whole:].tobytes())
    lanes = levels[:whole].view("<u8")
    forward, backward = _weights()
    for start in range(0, len(lanes), _LANES):
        block = lanes[start : start + _LANES]
        sums = np.dot(block, forward[: len(block)]), np.dot(block.byteswap(), backward[: len(block)])
        digest.update(np.asarray(sums, "<u8").tobytes())
    return digest.digest()[:DIGEST_BYTES]


@functools.cache
def _weights() -> UInt64[np.ndarray, "2 n"]:
    """Of the lanes of a block, in both sums: random numbers that no version of NumPy makes in another way."""
    content = hashlib.shake_256(_VERSION).digest(2 * _LANE * _LANES)
    return np.frombuffer(content, "<u8").astype(np.uint64).reshape(2, _LANES)
