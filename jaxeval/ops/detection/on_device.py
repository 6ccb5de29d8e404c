"""The same on devices, in float32 and under any transform: boxes of padded batches matched, and average precision."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxeval.ops.detection.boxes import iou_of_pairs
from jaxeval.ops.detection.matching import greedy
from jaxeval.ops.detection.protocols import DetectionProtocol


class MatchedBatch(NamedTuple):
    """Found boxes of a batch of images, in each by falling confidence, and true ones as they were given.

    Attributes:
      boxes: found boxes, [B, N, 4].
      scores, label, rank: of each found box, [B, N]; the rank is its place among those of its image and category.
      mask: which found boxes there are, and are not beyond the greatest number of detections, [B, N].
      hits, counted: as of `MatchedBoxes`, [B, A, T, N].
      true_counts: which true boxes count, by range of areas, [B, A, M].
      true_mask: which true boxes there are, [B, M].
    """

    boxes: Float[Array, "b n 4"]
    scores: Float[Array, "b n"]
    label: Int[Array, "b n"]
    rank: Int[Array, "b n"]
    mask: Bool[Array, "b n"]
    hits: Bool[Array, "b a t n"]
    counted: Bool[Array, "b a t n"]
    true_counts: Bool[Array, "b a m"]
    true_mask: Bool[Array, "b m"]


def match_batch(
    *,
    boxes: Float[Array, "b n 4"],
    scores: Float[Array, "b n"],
    label: Int[Array, "b n"],
    true_boxes: Float[Array, "b m 4"],
    true_label: Int[Array, "b m"],
    true_areas: Float[Array, "b m"],
    crowd: Bool[Array, "b m"],
    ignored: Bool[Array, "b m"],
    protocol: DetectionProtocol,
) -> MatchedBatch:
    """Matches the found boxes of a batch of images, `xywh`, with the true ones; a label below 0 is padding."""
    mask, true_mask = label >= 0, true_label >= 0
    # Padding may hold anything; it comes last, and overlaps with nothing.
    order = jnp.argsort(jnp.where(mask, -scores, jnp.inf), axis=1, stable=True)
    boxes = jnp.take_along_axis(jnp.where(mask[..., None], boxes, 0), order[..., None], axis=1)
    scores, label, mask = (jnp.take_along_axis(one, order, axis=1) for one in (scores, label, mask))
    true_boxes = jnp.where(true_mask[..., None], true_boxes, 0)
    true_areas = jnp.where(true_mask, true_areas, 0)
    alike = label[:, :, None] == label[:, None, :]
    places = np.arange(label.shape[1])
    rank = (alike & (places[None, :] < places[:, None])).sum(-1, dtype=jnp.int32)
    sides = boxes, true_boxes
    if protocol.inclusive:
        sides = tuple(side + np.array([0, 0, 1, 1], np.float32) for side in sides)
    iou = iou_of_pairs(sides[0][:, :, None], sides[1][:, None, :], crowd[:, None, :])
    together = (label[:, :, None] == true_label[:, None, :]) & mask[:, :, None] & true_mask[:, None, :]
    iou = jnp.where(together, iou, -1)
    low, high = (np.array([area[end] for area in protocol.areas], np.float32)[:, None] for end in (1, 2))
    leaves_out = (ignored | crowd)[:, None] | (true_areas[:, None] < low) | (true_areas[:, None] > high)
    partner = greedy(iou, protocol.least_overlaps, leaves_out, crowd & true_mask, protocol.matching)
    has = partner >= 0
    if true_label.shape[1]:
        of = jnp.broadcast_to(leaves_out[:, :, None], (*partner.shape[:3], true_label.shape[1]))
        out = jnp.take_along_axis(of, jnp.maximum(partner, 0), axis=-1) & has
    else:
        out = has
    sizes = (boxes[..., 2] * boxes[..., 3])[:, None]
    foreign = ((sizes < low) | (sizes > high))[:, :, None]
    if protocol.max_detections:
        mask = mask & (rank < protocol.max_detections[-1])
    there = mask[:, None, None]
    return MatchedBatch(
        boxes,
        scores,
        label,
        rank,
        mask,
        hits=has & ~out & there,
        counted=~out & (has | ~foreign) & there,
        true_counts=~leaves_out & true_mask[:, None],
        true_mask=true_mask,
    )


def precision_on_device(
    *,
    scores: Float[Array, " n"],
    label: Int[Array, " n"],
    image: UInt[Array, " n"],
    rank: Int[Array, " n"],
    mask: Bool[Array, " n"],
    hits: Bool[Array, "l n"],
    counted: Bool[Array, "l n"],
    positives: Int[Array, "l k"],
    recalls: tuple[float, ...] | None,
) -> Float[Array, "l k"]:
    """Average precision of L ranges of areas or thresholds and K categories; not-a-number without a true box.

    Recalls are compared in float32, so that a box may answer for a recall that rounding moves; see docs/precision.md.
    """
    categories = positives.shape[1]
    label = jnp.where(mask, label, categories)  # what does not count comes last
    order = jnp.lexsort((rank, image, -scores, label))
    label = label[order]
    begins = jnp.searchsorted(label, jnp.arange(categories + 1, dtype=label.dtype))
    ends = jnp.append(label[1:] != label[:-1], True)
    points = None if recalls is None else np.array(recalls, np.float32)

    def line(given: tuple[Array, Array, Array]) -> Array:
        right, counts, total = given
        right, counts = (right & mask)[order], (counts & mask)[order]

        def within(flags: Array) -> Array:
            so_far = jnp.cumsum(flags, dtype=jnp.int32)
            return so_far - jnp.append(jnp.zeros(1, jnp.int32), so_far)[begins][label]

        found = within(right)
        precision = jnp.where(right, found / jnp.maximum(within(counts), 1), 0.0).astype(jnp.float32)
        envelope = _greatest_from_here_on(precision, ends)
        whole = jnp.append(total, 1)[label]
        share = 1 / jnp.maximum(whole, 1)
        if points is not None:
            answered, earlier = (
                jnp.searchsorted(points, count / jnp.maximum(whole, 1), side="right") for count in (found, found - 1)
            )
            share = (answered - jnp.where(found == 1, 0, earlier)) / len(points)
        area = jax.ops.segment_sum(jnp.where(right, envelope * share, 0.0), label, categories + 1)[:-1]
        return jnp.where(total > 0, area, jnp.nan)

    return lax.map(line, (hits, counted, positives))


def _greatest_from_here_on(values: Float[Array, " n"], ends: Bool[Array, " n"]) -> Float[Array, " n"]:
    """The greatest value from each place to the end of its stretch."""

    def joined(later: tuple[Array, Array], here: tuple[Array, Array]) -> tuple[Array, Array]:
        greatest, closed = later
        value, ends_here = here
        return jnp.where(ends_here, value, jnp.maximum(greatest, value)), closed | ends_here

    return lax.associative_scan(joined, (values, ends), reverse=True)[0]
