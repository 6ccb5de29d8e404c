"""Correlation with long windows, several at once, as products with banded matrices, the image's edges repeated.

A window of twenty pixels is twenty shifted slices for each of its filters otherwise, which take long to compile.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import contract

_LEAST_BLOCK = 32  # pixels of one product's result; 16 and 64 are slower on a CPU


def banded(x: Float[Array, "h ..."], taps: Float[np.ndarray, "filters size"]) -> Float[Array, "filters h ..."]:
    """Correlation along the first axis with each row of `taps`, whose length is odd: a value for each pixel."""
    filters, size = taps.shape
    reach, length = size // 2, x.shape[0]
    block = max(_LEAST_BLOCK, 2 * reach)
    blocks = -(-length // block)
    wide = x.reshape(length, -1)
    padded = jnp.concatenate(
        [
            jnp.broadcast_to(wide[:1], (reach, wide.shape[1])),
            wide,
            jnp.broadcast_to(wide[-1:], ((blocks + 1) * block - length - reach, wide.shape[1])),
        ]
    )
    here = padded[:-block].reshape(blocks, block, -1)
    beyond = padded[block:].reshape(blocks, block, -1)[:, : 2 * reach]
    windows = jnp.concatenate([here, beyond], axis=1)
    band = np.zeros((filters, block, block + 2 * reach), np.float32)
    for at in range(block):
        band[:, at, at : at + size] = taps
    found = contract("koi,nip->knop", jnp.asarray(band), windows)
    return found.reshape(filters, blocks * block, *x.shape[1:])[:, :length]
