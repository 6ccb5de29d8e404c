"""What a detector's own code gives back, checked and brought to one form: arrays of NumPy, JAX or torch, or lists."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from jaxeval.detection.boxes import Mask
from jaxeval.detection.documents import has_half
from jaxeval.detection.masks import mask_of_pixels
from jaxeval.detection.parts_of_sides import too_far
from jaxeval.errors import InputError, said_by

BoxLayout = Literal["xyxy", "xywh", "cxcywh", "normalised-xyxy", "normalised-xywh", "normalised-cxcywh"]

_FIELDS = ("boxes", "scores", "labels", "masks", "texts")
_NEEDED = 3  # of these
_MOST_BOXES = 100_000  # of one image
_ROUNDING = 2.0**-20  # what a softmax of float32 may exceed 1 by


def _corners(given: np.ndarray) -> np.ndarray:
    return np.concatenate([given[:, :2], given[:, 2:] - given[:, :2]], 1)


def _as_it_is(given: np.ndarray) -> np.ndarray:
    return given


def _centres(given: np.ndarray) -> np.ndarray:
    return np.concatenate([given[:, :2] - given[:, 2:] / 2, given[:, 2:]], 1)


BOX_LAYOUTS: Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], bool]] = {
    "xyxy": (_corners, False),
    "xywh": (_as_it_is, False),
    "cxcywh": (_centres, False),
    "normalised-xyxy": (_corners, True),
    "normalised-xywh": (_as_it_is, True),
    "normalised-cxcywh": (_centres, True),
}
"""How boxes are given, and whether in parts of the image's sides: two corners; the left upper corner, width and height;
or the centre, width and height."""


@dataclasses.dataclass(frozen=True, eq=False)
class Raw:
    """A detector's row of one image: as `Findings`, but for labels that may be numbers still."""

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    labels: Shaped[np.ndarray, " n"]
    texts: tuple[str, ...] | None
    masks: tuple[Mask, ...] | None


def check_box_layout(layout: Any, whose: str) -> Any:
    """The layout; raises InputError unless it is one of `BOX_LAYOUTS`."""
    if not isinstance(layout, str) or layout not in BOX_LAYOUTS:
        raise InputError(f"{whose} has box layout {layout!r}; choose from {', '.join(BOX_LAYOUTS)}")
    return layout


def left_top_width_height(
    boxes: Float[np.ndarray, "n 4"], layout: str, size: tuple[int, int]
) -> Float[np.ndarray, "n 4"]:
    """Boxes of a layout as left, top, width and height in pixels.

    Args:
      boxes: as given.
      layout: one of `BOX_LAYOUTS`.
      size: height and width of the image.
    """
    change, normalised = BOX_LAYOUTS[layout]
    height, width = size
    found = change(boxes)
    return found * np.array([width, height, width, height], np.float64) if normalised else found


def materialised(returned: Any, count: int) -> Any:
    """What a detector gave back, of which rows that are yet to be made are made now, up to one too many.

    Args:
      returned: a list, an array or a mapping, which stay what they are; or a generator or another iterable.
      count: of images.
    """
    if isinstance(returned, Mapping | str | bytes | Sized) or not isinstance(returned, Iterable):
        return returned
    return list(itertools.islice(returned, count + 1))


def rows_returned(returned: Any, count: int, detector: str, of: str) -> Sequence[Any]:
    """The rows, one for each of `count` images.

    Raises:
      InputError: there are more or fewer, or none can be told.
    """
    one_row = isinstance(returned, Mapping | str | bytes) or not isinstance(returned, Iterable)
    if one_row:
        raise InputError(
            f"the detector {detector} gives a {type(returned).__name__} for {of}; a list with one row for each image "
            "is expected"
        )
    rows = list(returned)
    if len(rows) != count:
        number = f"more than {count}" if len(rows) == count + 1 else f"{len(rows)}"
        raise InputError(f"the detector {detector} gives {number} rows for {of}; one for each image is expected")
    return rows


def raw_findings(row: Any, where: str, layout: str, size: tuple[int, int], *, bounded: bool) -> Raw:
    """One row, checked.

    Args:
      row: a mapping with `boxes`, `scores` and `labels`, perhaps `masks` and `texts`; or the first three as a tuple.
      where: the beginning of messages, which name the detector and the image.
      layout: of the boxes.
      size: height and width of the image.
      bounded: whether scores must lie from 0 to 1.

    Raises:
      InputError: a part is missing, of another shape or length, not finite, or out of range.
    """
    parts = _parts(row, where)
    boxes = _numbers(parts["boxes"], "boxes", where)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"{where} boxes of shape {list(boxes.shape)}; [n, 4] is expected")
    count = len(boxes)
    if count > _MOST_BOXES:
        raise InputError(f"{where} {count:,} boxes; up to {_MOST_BOXES:,} of an image are taken")
    scores = _numbers(parts["scores"], "scores", where)
    _check_length(scores, "scores", count, where)
    for name, values in (("boxes", boxes), ("scores", scores)):
        if not np.isfinite(values).all():
            raise InputError(f"{where} {name} that are not finite; every value must be a number")
    if bounded and count and not (scores.min() >= 0 and scores.max() <= 1 + _ROUNDING):
        wrong = scores[(scores < 0) | (scores > 1 + _ROUNDING)][0]
        raise InputError(
            f"{where} the score {wrong:g}; scores are from 0 to 1, unless the callable has a true attribute "
            "`unbounded_scores`"
        )
    if too_far(boxes).any():
        raise InputError(f"{where} the box {boxes[too_far(boxes)][0].tolist()}; no image is so large")
    boxes = left_top_width_height(boxes, layout, size)
    if (boxes[:, 2:] < 0).any():
        _, _, width, height = boxes[(boxes[:, 2:] < 0).any(1)][0].tolist()
        raise InputError(
            f"{where} a box of width {width:g} and height {height:g} by the layout {layout}; give the layout that its "
            f"boxes have ({', '.join(BOX_LAYOUTS)})"
        )
    labels = _labels(parts["labels"], count, where)
    return Raw(boxes, scores, labels, _texts(parts.get("texts"), count, where), _masks(parts, count, size, where))


def _parts(row: Any, where: str) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        missing = [name for name in _FIELDS[:_NEEDED] if name not in row]
        if missing:
            raise InputError(f"{where} a row without {', '.join(missing)}; boxes, scores and labels are expected")
        return row
    if isinstance(row, tuple | list) and len(row) == _NEEDED:
        return dict(zip(_FIELDS, row, strict=False))
    if all(hasattr(row, name) for name in _FIELDS[:_NEEDED]):
        return {name: getattr(row, name) for name in _FIELDS if getattr(row, name, None) is not None}
    raise InputError(
        f"{where} a {type(row).__name__}; a mapping with boxes, scores and labels, or these three as a tuple, is "
        "expected"
    )


def _array(values: Any, name: str, where: str) -> np.ndarray:
    try:
        if isinstance(values, list | tuple) and any(hasattr(one, "detach") for one in values):
            return np.asarray([_of_tensor(one) for one in values])
        return np.asarray(_of_tensor(values))
    except Exception as error:  # lists of lists of several lengths, and tensors of any library
        raise InputError(f"{where} {name} that are no array ({said_by(error)})") from error


def _of_tensor(values: Any) -> Any:
    """A tensor of torch, which may be on a device, part of a graph, or of a type that NumPy has not, as an array."""
    if not hasattr(values, "detach"):
        return values
    values = values.detach().cpu()
    try:
        return np.asarray(values)
    except TypeError:  # bfloat16
        return np.asarray(values.float())


def _numbers(values: Any, name: str, where: str) -> np.ndarray:
    found = _array(values, name, where)
    if found.dtype.kind not in "iuf" and str(found.dtype) != "bfloat16" and found.size:
        raise InputError(f"{where} {name} of type {found.dtype}; numbers are expected")
    return found.astype(np.float64)


def _check_length(values: Any, name: str, count: int, where: str) -> None:
    shape = list(np.shape(values)) if isinstance(values, np.ndarray) else [len(values)]
    if shape != [count]:
        raise InputError(f"{where} {name} of shape {shape} for {count} boxes; [{count}] is expected")


def _labels(values: Any, count: int, where: str) -> np.ndarray:
    kinds = {isinstance(one, str) for one in values} if isinstance(values, list | tuple) else set()
    if len(kinds) > 1:
        raise InputError(f"{where} labels that are names and numbers; give the one or the other")
    found = _array(values, "labels", where)
    if found.dtype.kind in "OT" and all(isinstance(one, str) for one in found.reshape(-1)):
        found = found.astype(str)
    _check_length(found, "labels", count, where)
    if not count:
        return np.zeros(0, np.str_)
    if found.dtype.kind == "U":
        if not all(name.strip() for name in found.tolist()):
            raise InputError(f"{where} a label without a letter; give each category a name")
        if any(map(has_half, found.tolist())):
            raise InputError(f"{where} a label with half of a character; give whole Unicode texts")
        return found
    if found.dtype.kind == "f" and np.isfinite(found).all() and (found == np.floor(found)).all():
        found = found.astype(np.int64)
    if found.dtype.kind not in "iu":
        raise InputError(f"{where} labels of type {found.dtype}; names or whole numbers are expected")
    if not (found.min() >= -(2**31) and found.max() < 2**31):
        raise InputError(f"{where} label {found.max()}; numbers of labels are below 2^31")
    return found.astype(np.int64)


def _texts(values: Any, count: int, where: str) -> tuple[str, ...] | None:
    if values is None:
        return None
    texts = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise InputError(f"{where} texts that are not a list of texts; give one for each box")
    _check_length(texts, "texts", count, where)
    if any(map(has_half, texts)):
        raise InputError(f"{where} a text with half of a character; give whole Unicode texts")
    return tuple(texts)


def _masks(parts: Mapping[str, Any], count: int, size: tuple[int, int], where: str) -> tuple[Mask, ...] | None:
    given = parts.get("masks")
    if given is None:
        return None
    if isinstance(given, list | tuple) and all(isinstance(one, Mask) for one in given):
        _check_length(given, "masks", count, where)
        wrong = [one for one in given if (one.height, one.width) != size]
        if wrong:
            raise InputError(
                f"{where} a mask of {wrong[0].height} x {wrong[0].width} pixels for an image of {size[0]} x {size[1]}"
            )
        return tuple(given)
    found = _array(given, "masks", where)
    if found.size == 0 and not count:
        return ()
    if found.ndim == 4 and found.shape[1] == 1:
        found = found[:, 0]
    expected = [count, *size]
    if list(found.shape) != expected:
        raise InputError(f"{where} masks of shape {list(found.shape)}; {expected} is expected")
    if found.dtype.kind == "f" or str(found.dtype) == "bfloat16":
        if not (found.min() >= 0 and found.max() <= 1 + _ROUNDING and math.isfinite(float(found.sum()))):
            raise InputError(f"{where} masks with values out of 0 to 1; give True and False, or probabilities")
        found = found >= 0.5  # as torchvision advises for its own
    elif found.dtype.kind not in "biu":
        raise InputError(f"{where} masks of type {found.dtype}; give True and False, or probabilities")
    elif found.dtype.kind in "iu" and found.size and (found.max() > 1 or found.min() < 0):
        wrong = found.max() if found.max() > 1 else found.min()
        raise InputError(f"{where} masks with the value {wrong}; give 0 and 1, or probabilities")
    return tuple(mask_of_pixels(one.astype(bool)) for one in found)
