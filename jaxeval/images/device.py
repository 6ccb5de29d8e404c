"""Resizing on the device: two contractions with the host's weight matrices."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Float32

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.images.resizing import ROUNDED_KINDS, ResizeKind, check_size, resize_weights


@takes_arrays
def resize_on_device(
    images: Float[Array, "b h w c"], size: tuple[int, int], kind: ResizeKind
) -> Float32[Array, "b out_h out_w c"]:
    """Images at another size, under jit, differentiable.

    The weights are `resize_weights`, rounded to float32; results are within a few units in the last place of 255 of the
    host's `resize`. `pil-bicubic-float` is clipped to 0..255, where its gradient is zero.

    Args:
      images: levels in 0..255.
      size: height and width wanted; static.
      kind: as for `resize`, static, except `ROUNDED_KINDS`: they round between their passes, so that they have no
        gradient, and halves that float32 does not keep would fall on either side.

    Raises:
      InputError: an unknown kind, one of `ROUNDED_KINDS`, or a size below 1.
    """
    if kind in ROUNDED_KINDS:
        raise InputError(f"{kind} rounds between its passes and is done on the host only; use prepare()")
    height, width = check_size(size)
    rows = jnp.asarray(resize_weights(images.shape[1], height, kind), jnp.float32)
    columns = jnp.asarray(resize_weights(images.shape[2], width, kind), jnp.float32)
    highest = lax.Precision.HIGHEST
    images = images.astype(jnp.float32)
    images = jnp.einsum("xw,bhwc->bhxc", columns, images, precision=highest)
    images = jnp.einsum("yh,bhxc->byxc", rows, images, precision=highest)
    return images.clip(0.0, 255.0) if kind == "pil-bicubic-float" else images
