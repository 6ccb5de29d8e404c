"""Non-maximum suppression: of boxes that overlap, only the one with the highest score is kept."""

import numpy as np
from jaxtyping import Float, Int


def kept_boxes(
    boxes: Float[np.ndarray, "n 4"],
    scores: Float[np.ndarray, " n"],
    classes: Int[np.ndarray, " n"],
    threshold: float,
    *,
    agnostic: bool = False,
    most: int | None = None,
) -> Int[np.ndarray, " kept"]:
    """The places of the boxes that are kept, by falling score; of equal ones the first comes first.

    Boxes are taken by falling score, and one is dropped if its intersection over union with one that was kept is above
    the threshold. A box without an area overlaps with none.

    Args:
      boxes: left, top, right and bottom.
      scores: of each box.
      classes: of each box; boxes of different classes do not touch each other.
      threshold: the largest overlap that both boxes are kept with.
      agnostic: whether classes do not count.
      most: how many are kept; None for all.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.suppression import kept_boxes
      >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30.0]])
      >>> kept_boxes(boxes, np.array([0.5, 0.9, 0.7]), np.zeros(3, int), 0.5).tolist()
      [1, 2]
    """
    groups = np.zeros_like(classes) if agnostic else classes
    order = np.argsort(-scores, kind="stable")
    places = [_of_one_class(boxes, order[groups[order] == group], threshold, most) for group in np.unique(groups)]
    kept = np.concatenate([np.zeros(0, np.int64), *places])
    # Back into the order of all, in which equal scores stand as they were given.
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return kept[np.argsort(ranks[kept])][:most]


def _of_one_class(
    boxes: Float[np.ndarray, "n 4"], order: Int[np.ndarray, " m"], threshold: float, most: int | None
) -> Int[np.ndarray, " kept"]:
    left, top, right, bottom = boxes[order].T
    areas = (right - left) * (bottom - top)
    rest = np.arange(len(order))
    kept: list[int] = []
    while len(rest) and (most is None or len(kept) < most):
        first, rest = rest[0], rest[1:]
        kept.append(first)
        width = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest])
        height = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = areas[first] + areas[rest] - shared
        overlaps = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        rest = rest[overlaps <= threshold]
    return order[kept]
