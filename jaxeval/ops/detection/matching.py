"""Which found box is which true one: greedy matching by confidence, of many images and thresholds side by side."""

import math
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import AnyArray, Numbers, on_host
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError

Matching = Literal["coco", "voc"]


class Matches(NamedTuple):
    """What a greedy matching finds.

    Attributes:
      true: of each found box the place of its true one, -1 where it has none; int32, [..., A, T, N] by ranges of areas
        and thresholds.
      ignored: whether a found box counts neither as right nor as wrong because its true one does not count; bool, of
        the same shape.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matches = detection.match_boxes(np.array([[0.6], [0.9]]), thresholds=(0.5,))
      >>> matches.true.tolist()  # the first box, the surer one, has it
      [[[0, -1]]]
    """

    true: Int[AnyArray, "*b a t n"]
    ignored: Bool[AnyArray, "*b a t n"]


@takes_arrays
def match_boxes(
    iou: Numbers,
    *,
    thresholds: tuple[float, ...],
    ignored: AnyArray | None = None,
    crowd: AnyArray | None = None,
    matching: Matching | str = "coco",
) -> Matches:
    """Gives each found box a true one, in the order in which they stand, which is by falling confidence.

    By COCO's rule a found box takes, of the true boxes that overlap with it enough and are still free, the one that it
    overlaps with most, and of equal ones the last; one that is ignored only where no other is to be had. Boxes around
    crowds are never used up. By VOC's rule it takes the one that it overlaps with most of all, and of equal ones the
    first; it has none if that one is taken or does not overlap with it enough.

    Args:
      iou: overlaps [..., N, M] of N found boxes with M true ones, of one category; negative where a box is padding, or
        where two boxes are of different categories.
      thresholds: T overlaps from which a box is found.
      ignored: which true boxes do not count, [..., M], or by A ranges of areas [..., A, M]; none by default.
      crowd: which true boxes are around crowds, [..., M]; none by default.
      matching: "coco" or "voc".

    Returns:
      NumPy's arrays for NumPy's, JAX's for JAX's; there it is one program under jit, with a loop over N.

    Raises:
      InputError: shapes do not fit, or an unknown matching.

    Reference: `COCOeval.evaluateImg` of Lin et al., "Microsoft COCO", ECCV 2014 (arXiv:1405.0312); `VOCevaldet` of
    Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> iou = np.array([[0.6, 0.7], [0.9, 0.8]])  # the first box takes the second true box
      >>> detection.match_boxes(iou, thresholds=(0.5, 0.75)).true.tolist()
      [[[1, 0], [-1, 0]]]
      >>> detection.match_boxes(iou, thresholds=(0.5,), matching="voc").true.tolist()
      [[[1, 0]]]
    """
    if matching not in ("coco", "voc"):
        raise InputError(f"matching is {matching!r}; give coco or voc")
    if iou.ndim < 2:
        raise InputError(f"iou has shape {iou.shape}; [..., N, M] is expected")
    leading, true = iou.shape[:-2], iou.shape[-1]
    for name, given in (("ignored", ignored), ("crowd", crowd)):
        by_area = name == "ignored" and given is not None and given.ndim == len(leading) + 2
        if given is not None and (given.shape[: len(leading)] != leading or given.shape[-1:] != (true,)):
            raise InputError(f"{name} has shape {given.shape}; {(*leading, true)} is expected")
        if given is not None and given.ndim != len(leading) + 1 + by_area:
            raise InputError(f"{name} has shape {given.shape}; {(*leading, true)} is expected")
    xp = np if all(one is None or on_host(one) for one in (iou, ignored, crowd)) else jnp
    none = xp.zeros((*leading, true), bool)
    out = none if ignored is None else xp.asarray(ignored).astype(bool)
    out = out if out.ndim == len(leading) + 2 else out[..., None, :]
    around = none if crowd is None else xp.asarray(crowd).astype(bool)
    batch = math.prod(leading)
    sides = xp.asarray(iou).reshape(batch, *iou.shape[-2:])
    flags: Any = out.reshape(batch, *out.shape[-2:])
    crowds: Any = around.reshape(batch, true)
    if isinstance(sides, np.ndarray):
        places = _on_host(sides.astype(np.float64), thresholds, flags, crowds, matching)
    else:
        places = greedy(sides.astype(jnp.float32), thresholds, flags, crowds, matching)
    whole = places.reshape(*leading, *places.shape[1:])
    return Matches(whole, _taken(xp, out[..., None, :], whole))


def greedy(
    iou: Float[Array, "b n m"],
    thresholds: tuple[float, ...],
    ignored: Bool[Array, "b a m"],
    crowd: Bool[Array, "b m"],
    matching: str,
) -> Int[Array, "b a t n"]:
    """The places of `Matches.true`, on the device."""
    levels = jnp.asarray(thresholds, iou.dtype)[:, None]
    step = _coco_step if matching == "coco" else _voc_step

    def advance(free: Array, row: Array) -> tuple[Array, Array]:
        return step(jnp, free, row[:, None, None, :], levels, ignored[:, :, None, :], crowd[:, None, None, :])

    batch, found, true = iou.shape
    if not (found and true):
        return jnp.full((batch, ignored.shape[1], len(thresholds), found), -1, jnp.int32)
    # All free, and varying over the devices of a mapped axis wherever the overlaps do.
    free = jnp.broadcast_to((iou[:, :1] == iou[:, :1])[:, None], (batch, ignored.shape[1], len(thresholds), true))
    _, places = lax.scan(advance, free, jnp.moveaxis(iou, 1, 0))
    return jnp.moveaxis(places, 0, -1)


def _on_host(
    iou: Float[np.ndarray, "b n m"],
    thresholds: tuple[float, ...],
    ignored: Bool[np.ndarray, "b a m"],
    crowd: Bool[np.ndarray, "b m"],
    matching: str,
) -> Int[np.ndarray, "b a t n"]:
    """The same steps in float64, without a program to be compiled for each shape."""
    levels = np.asarray(thresholds)[:, None]
    step = _coco_step if matching == "coco" else _voc_step
    batch, found, true = iou.shape
    free = np.ones((batch, ignored.shape[1], len(thresholds), true), bool)
    places = np.full((*free.shape[:3], found), -1, np.int32)
    for number in range(found if true else 0):
        row = iou[:, number, None, None, :]
        free, places[..., number] = step(np, free, row, levels, ignored[:, :, None, :], crowd[:, None, None, :])
    return places


def _coco_step(xp: Any, free: Any, iou: Any, levels: Any, ignored: Any, crowd: Any) -> tuple[Any, Any]:
    """The next found box of each group: what is free after it, and the place of its true one."""
    close = (free | crowd) & (iou >= levels)
    regular = close & ~ignored
    pool = xp.where(regular.any(-1, keepdims=True), regular, close)
    most = xp.where(pool, iou, -1).max(-1, keepdims=True)
    numbers = xp.arange(1, iou.shape[-1] + 1, dtype=np.int32)
    last = xp.where(pool & (iou == most), numbers, 0).max(-1)
    return free & (numbers != last[..., None]), last - 1


def _voc_step(xp: Any, free: Any, iou: Any, levels: Any, ignored: Any, crowd: Any) -> tuple[Any, Any]:
    """As `_coco_step`; a box that does not count can be found again and again."""
    del crowd
    most = iou.max(-1, keepdims=True)
    numbers = xp.arange(iou.shape[-1], dtype=np.int32)
    first = xp.where(iou == most, numbers, iou.shape[-1]).min(-1, keepdims=True)
    best = (numbers == first) & (most >= levels) & (free | ignored)
    place = xp.where(best, numbers, -1).max(-1)
    return free & ~best, place


def _taken(xp: Any, flags: Any, places: Any) -> Any:
    """The flag of each found box's true one; False where it has none."""
    if not flags.shape[-1]:
        return xp.zeros(places.shape, bool)
    flags = xp.broadcast_to(flags, (*places.shape[:-1], flags.shape[-1]))
    return xp.take_along_axis(flags, xp.maximum(places, 0), axis=-1) & (places >= 0)
