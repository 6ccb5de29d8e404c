"""Clips [N, T, H, W, C]: any op of images, frame by frame."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError


@takes_arrays
def frame_scores(
    op: Callable[..., Any], x: Numbers, y: Numbers | None = None, *, data_range: float | None = None, **options: Any
) -> Float[Array, "n t"]:
    """The series of an op over the frames of each clip; its mean over the last axis is the clip's value.

    Args:
      op: an op of `jaxeval.ops.image_quality` that returns one value an image, such as `psnr`.
      x: clips, [N, T, H, W, C], any real dtype.
      y: as x; None for an op of single images.
      data_range: width of the values' range.
      options: further keywords of the op.

    Returns:
      [N, T], one value a frame.

    Raises:
      InputError: not clips of one shape, or what the op raises.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> y = np.zeros((2, 5, 16, 16, 3))  # two clips of five frames
      >>> scores = image_quality.frame_scores(image_quality.psnr, y + 0.1, y, data_range=1.0)
      >>> scores.shape
      (2, 5)
    """
    clips = (x,) if y is None else (x, y)
    shapes = [tuple(clip.shape) for clip in clips]
    if any(len(shape) != 5 for shape in shapes) or len(set(shapes)) > 1:
        found = " and ".join(map(str, shapes))
        raise InputError(f"clips of shape {found}; [N, T, H, W, C] is expected, the same for both")
    images = (clip.reshape(-1, *clip.shape[2:]) for clip in clips)
    return jnp.asarray(op(*images, data_range=data_range, **options)).reshape(shapes[0][:2])
