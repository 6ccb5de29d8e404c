"""Boxes and how much two of them overlap.

Layouts: `xyxy` is left, top, right, bottom; `xywh` is left, top, width, height; `cxcywh` is the centre, width, height;
all in one unit, pixels or shares of a side, in which the upper left corner of an image is 0, 0.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxeval._arrays import AnyArray, Numbers, on_host
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError

Layout = Literal["xyxy", "xywh", "cxcywh"]
LAYOUTS = ("xyxy", "xywh", "cxcywh")


@takes_arrays
def convert_boxes(
    boxes: Numbers, *, given: Layout | str = "xyxy", wanted: Layout | str = "xywh"
) -> Float[AnyArray, "*b 4"]:
    """The same boxes in another layout.

    Args:
      boxes: [..., 4] in the layout `given`.
      given: `xyxy`, `xywh` or `cxcywh`.
      wanted: one of the same.

    Returns:
      float64 on the host for NumPy's arrays, float32 on the device for JAX's.

    Raises:
      InputError: an unknown layout, or boxes that are not [..., 4].

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> detection.convert_boxes(np.array([10, 20, 40, 60]), wanted="cxcywh").tolist()
      [25.0, 40.0, 30.0, 40.0]
    """
    check_layout("given", given)
    check_layout("wanted", wanted)
    own = _as_boxes("boxes", boxes)
    xp = np if on_host(own) else jnp
    if given == wanted:
        return own
    first, second = own[..., :2], own[..., 2:]
    if given == "xyxy":
        corner, size = first, second - first
    elif given == "xywh":
        corner, size = first, second
    else:
        corner, size = first - second / 2, second
    if wanted == "xywh":
        parts = (corner, size)
    elif wanted == "xyxy":
        parts = (corner, corner + size)
    else:
        parts = (corner + size / 2, size)
    return xp.concatenate(parts, axis=-1)


@takes_arrays
def box_areas(boxes: Numbers, *, layout: Layout | str = "xyxy") -> Float[AnyArray, "*b"]:
    """Areas of boxes, width times height.

    Args:
      boxes: [..., 4].
      layout: `xyxy`, `xywh` or `cxcywh`.

    Raises:
      InputError: an unknown layout, or boxes that are not [..., 4].

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> float(detection.box_areas(np.array([10, 20, 40, 60])))
      1200.0
    """
    sides = convert_boxes(boxes, given=layout, wanted="xywh")
    areas = sides[..., 2] * sides[..., 3]
    return np.asarray(areas) if on_host(sides) else areas  # a single box has an array, too


@takes_arrays
def box_iou(
    first: Numbers, second: Numbers, *, crowd: AnyArray | None = None, layout: Layout | str = "xyxy"
) -> Float[AnyArray, "*b n m"]:
    """Intersection over union of every box of one list with every box of another; 0 where they do not overlap.

    In the order of COCO's own reference (`maskApi.c`), so that on the host values are equal to its to the last bit for
    boxes in the layout `xywh`.

    Args:
      first: found boxes, [..., N, 4].
      second: true boxes, [..., M, 4], with the same leading axes.
      crowd: [..., M], which true boxes are around crowds: there the intersection is divided by the found box's area.
      layout: of both.

    Returns:
      float64 on the host for NumPy's arrays, float32 on the device for JAX's.

    Raises:
      InputError: an unknown layout, or shapes that do not fit.

    Reference: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014 (arXiv:1405.0312).

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> found, true = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 20], [50, 50, 60, 60]])
      >>> detection.box_iou(found, true).tolist()
      [[0.5, 0.0]]
      >>> detection.box_iou(found, true, crowd=np.array([True, False])).tolist()
      [[1.0, 0.0]]
    """
    found, true = (convert_boxes(boxes, given=layout, wanted="xywh") for boxes in (first, second))
    if found.ndim < 2 or true.ndim < 2 or found.shape[:-2] != true.shape[:-2]:
        raise InputError(
            f"box_iou: shapes {found.shape} and {true.shape} do not fit; give [..., N, 4] and [..., M, 4] with the "
            "same leading axes"
        )
    if crowd is not None and crowd.shape != true.shape[:-1]:
        raise InputError(f"box_iou: crowd has shape {crowd.shape}; {true.shape[:-1]} is expected")
    if not (on_host(found) and on_host(true)):
        found, true = jnp.asarray(found, jnp.float32), jnp.asarray(true, jnp.float32)
    crowded = None if crowd is None else crowd[..., None, :].astype(bool)
    return iou_of_pairs(found[..., :, None, :], true[..., None, :, :], crowded)


def iou_of_pairs(
    found: Float[AnyArray, "*b 4"], true: Float[AnyArray, "*c 4"], crowd: Bool[AnyArray, "*d"] | None
) -> Float[AnyArray, "*e"]:
    """Intersection over union of boxes `xywh` that stand beside each other, or that broadcast.

    Boxes without an area have an overlap of 0 with every box, as the reference has it.
    """
    xp = np if on_host(found) and on_host(true) else jnp
    ends, others = found[..., :2] + found[..., 2:], true[..., :2] + true[..., 2:]
    width, height = (
        xp.minimum(ends[..., side], others[..., side]) - xp.maximum(found[..., side], true[..., side])
        for side in (0, 1)
    )
    overlaps = (width > 0) & (height > 0)
    shared = xp.where(overlaps, width * height, 0)
    own = found[..., 2] * found[..., 3]
    union = own + true[..., 2] * true[..., 3] - shared
    if crowd is not None:
        union = xp.where(crowd, own, union)
    return xp.where(overlaps, shared / xp.where(overlaps, union, 1), 0)


def check_layout(name: str, layout: str) -> None:
    """Raises InputError for a layout that is not known."""
    if layout not in LAYOUTS:
        raise InputError(f"{name} is {layout!r}; give one of {', '.join(LAYOUTS)}")


def _as_boxes(name: str, boxes: AnyArray) -> Float[AnyArray, "*b 4"]:
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise InputError(f"{name} has shape {tuple(boxes.shape)}; [..., 4] is expected")
    return boxes.astype(np.float64) if on_host(boxes) else jnp.asarray(boxes, jnp.float32)
