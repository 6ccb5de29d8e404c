"""Boxes that are given in parts of an image's sides, which nobody can tell from boxes of a pixel or less."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval.detection.boxes import TrueBoxes
from jaxeval.errors import InputError

_ROUNDING = 1e-3  # of two parts that were written with three digits each, and added
_NEARLY_ALL = 0.99
_FARTHEST = 1e100  # pixels: the product of two such sides is still a number


def pixels_of_parts(
    boxes: Float[np.ndarray, "n 4"],
    sizes: Int[np.ndarray, "images 2"] | None,
    image: Int[np.ndarray, " n"],
    names: Sequence[str],
    path: str,
    normalised: bool | None,
) -> Float[np.ndarray, "n 4"]:
    """The boxes in pixels; those in parts of sides may reach beyond their image by a rounding, and keep that.

    Args:
      boxes: left, top, width and height.
      sizes: height and width of each image, zeros where they are not known; None where none is.
      image: of each box.
      names: of the images.
      path: of the file, for messages.
      normalised: whether boxes are given in parts of the image's sides; None if nothing was said of it.

    Raises:
      InputError: a box is larger than its image, or an image has no size; or nothing was said, and nearly no box
        reaches beyond the first pixel.
    """
    if not normalised:
        if normalised is None and seem_parts(boxes):
            outside = int((~_within_one(boxes)).sum())
            which = f"only {outside:,} of {len(boxes):,} boxes reach" if outside else "no box reaches"
            raise InputError(
                f"{path}: {which} beyond 1; say whether boxes are in parts of the image's sides "
                "(normalised=True) or in pixels (normalised=False)"
            )
        return boxes
    outside = ~_within_one(boxes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"{path}: a box of {names[image[row]]} is {boxes[row].tolist()}, beyond 0 to 1; boxes in pixels are not "
            "normalised"
        )
    known = np.zeros((len(names), 2), np.int64) if sizes is None else sizes
    unknown = (known[image] == 0).any(1)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(f"{path}: {names[image[row]]} has no width and height, which its boxes are parts of; add them")
    return boxes * known[image][:, [1, 0, 1, 0]]


def said_or_seen(normalised: bool | None, truth: TrueBoxes | None) -> bool | None:
    """What is said of found boxes; beside true ones that are themselves of a pixel or less, such boxes are no surprise.

    Args:
      normalised: whether boxes are given in parts of the image's sides; None if nothing was said of it.
      truth: what the boxes are to be compared with, in pixels.
    """
    return False if normalised is None and truth is not None and seem_parts(truth.boxes) else normalised


def seem_parts(boxes: Float[np.ndarray, "n 4"]) -> bool:
    """Whether (nearly) all boxes that have a place at all lie within 0 to 1.

    Args:
      boxes: left, top, width and height.
    """
    placed = boxes[(boxes != 0).any(1)]
    return len(placed) > 0 and bool(_within_one(placed).mean() >= _NEARLY_ALL)


def too_far(boxes: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Which boxes have a number that is finite and yet the place of no pixel, so that areas would be no numbers.

    Args:
      boxes: four numbers each.
    """
    return np.abs(boxes).max(1) > _FARTHEST


def _within_one(boxes: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return (ends.min(1) >= -_ROUNDING) & (ends.max(1) <= 1 + _ROUNDING)
