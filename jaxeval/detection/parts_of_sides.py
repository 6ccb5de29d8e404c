"""Boxes that are given in parts of an image's sides, which nobody can tell from boxes of a pixel or less."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxeval.errors import InputError

_ROUNDING = 1e-6  # of parts that were written with six digits and more


def pixels_of_parts(
    boxes: Float[np.ndarray, "n 4"],
    sizes: Int[np.ndarray, "images 2"],
    image: Int[np.ndarray, " n"],
    names: Sequence[str],
    path: str,
    normalised: bool | None,
) -> Float[np.ndarray, "n 4"]:
    """The boxes in pixels.

    Args:
      boxes: left, top, width and height.
      sizes: height and width of each image, zeros where they are not known.
      image: of each box.
      names: of the images.
      path: of the file, for messages.
      normalised: whether boxes are given in parts of the image's sides; None if nothing was said of it.

    Raises:
      InputError: a box is larger than its image, or an image has no size; or nothing was said, and no box reaches
        beyond the first pixel.
    """
    if not normalised:
        if normalised is None and len(boxes) and boxes.max() > 0 and (boxes[:, :2] + boxes[:, 2:]).max() <= 1:
            raise InputError(
                f"{path}: no box reaches beyond 1; say whether boxes are in parts of the image's sides "
                "(normalised=True) or in pixels (normalised=False)"
            )
        return boxes
    ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    outside = ((ends < -_ROUNDING) | (ends > 1 + _ROUNDING)).any(1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"{path}: a box of {names[image[row]]} is {boxes[row].tolist()}, beyond 0 to 1; boxes in pixels are not "
            "normalised"
        )
    unknown = (sizes[image] == 0).any(1)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(f"{path}: {names[image[row]]} has no width and height, which its boxes are parts of; add them")
    return boxes * sizes[image][:, [1, 0, 1, 0]]
