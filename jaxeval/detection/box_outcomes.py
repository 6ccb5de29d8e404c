"""What became of each image whose boxes were compared: what is missing, and what is there that should not be."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.results import ImageOutcome, ShownBox
from jaxeval.ops import detection as ops

_SHOWN = 0.3  # confidence from which a box that is not asked for is drawn, and said
_MOST_REASONS = 8


class Judged(NamedTuple):
    """A set's boxes beside those that they are compared with.

    Attributes:
      found: the boxes.
      truth: the true boxes, of the same images in the same order.
      place: of each found box, its label's place among those of `truth`; -1 of others.
      cluster: of each image, the number of its prompt or layout.
      prompts: of each image, what it was made from.
    """

    found: FoundBoxes
    truth: TrueBoxes
    place: Int[np.ndarray, " n"]
    cluster: Int[np.ndarray, " images"]
    prompts: tuple[str, ...]


def outcomes_of_boxes(name: str, one: Judged, matched: ops.MatchedBoxes) -> list[ImageOutcome]:
    """What became of each image at the protocol's first threshold, with boxes of any size.

    Its `found50` is the share of its true boxes that were found; None of an image that has none.

    Args:
      name: of the set.
      one: its boxes.
      matched: the same, matched.
    """
    truth, found = one.truth, one.found
    owner = np.full(len(truth), -1)  # of each true box, the row that found it
    hit = matched.partner >= 0
    owner[matched.partner[hit]] = matched.row[hit]
    right = np.zeros(len(found), bool)
    right[matched.row[matched.hits[0, 0]]] = True
    neither = np.zeros(len(found), bool)
    neither[matched.row[~matched.counted[0, 0]]] = True
    drawn = (one.place >= 0) & (right | (found.scores >= _SHOWN)) & ~neither
    counts = matched.true_counts[0]
    true_rows, found_rows = _by_image(truth.image, len(truth.images)), _by_image(found.image, len(truth.images))
    outcomes = []
    for place, image in enumerate(truth.images):
        asked = [row for row in true_rows[place] if counts[row]]
        missed = [row for row in asked if owner[row] < 0 or not right[owner[row]]]
        wrong = [row for row in found_rows[place] if drawn[row] and not right[row]]
        reasons = [_missed(one, row, found_rows[place]) for row in missed]
        reasons += [
            f"found {_a(truth.labels[one.place[row]])} ({found.scores[row]:.2f}) at {_at(found.boxes[row])}, which is "
            "not asked for there"
            for row in sorted(wrong, key=lambda row: -found.scores[row])
        ]
        if len(reasons) > _MOST_REASONS:
            reasons = [*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more"]
        share = (len(asked) - len(missed)) / len(asked) if asked else None
        outcomes.append(
            ImageOutcome(
                image,
                name,
                one.prompts[place],
                "",
                {"found50": share, "asked": float(len(asked)), "wrong": float(len(wrong))},
                tuple(reasons),
                tuple(_shown_true(truth, row, row not in missed) for row in asked),
                tuple(_shown_found(one, row, bool(right[row])) for row in found_rows[place] if drawn[row]),
            )
        )
    return outcomes


def _by_image(image: Int[np.ndarray, " n"], images: int) -> list[list[int]]:
    rows = np.argsort(image, kind="stable")
    ends = np.searchsorted(image[rows], np.arange(1, images + 1))
    return [part.tolist() for part in np.split(rows, ends[:-1])] if images else []


def _missed(one: Judged, row: int, candidates: Sequence[int]) -> str:
    truth, found = one.truth, one.found
    alike = [each for each in candidates if one.place[each] == truth.label[row]]
    said = f"asked for {_a(truth.labels[truth.label[row]])} at {_at(truth.boxes[row])}, "
    if not alike:
        return f"{said}found none in the image"
    iou = ops.box_iou(found.boxes[alike], truth.boxes[[row]], layout="xywh")[:, 0]
    best = int(np.argmax(iou))
    if iou[best] >= 0.5:
        return f"{said}and the box that overlaps with it by {iou[best]:.2f} was taken for another"
    if not iou[best]:
        surest = max(alike, key=lambda row: found.scores[row])
        return f"{said}found elsewhere only (confidence {found.scores[surest]:.2f} at {_at(found.boxes[surest])})"
    score = found.scores[alike[best]]
    return f"{said}the nearest found overlaps with it by {iou[best]:.2f} (confidence {score:.2f})"


def _a(label: str) -> str:
    return f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"


def _at(box: Float[np.ndarray, " 4"]) -> str:
    left, top, width, height = box
    return f"{left:.0f},{top:.0f} {width:.0f}x{height:.0f}"


def _shown_true(truth: TrueBoxes, row: int, good: bool) -> ShownBox:
    left, top, width, height = truth.boxes[row].tolist()
    return ShownBox(truth.labels[truth.label[row]], (left, top, width, height), good=good)


def _shown_found(one: Judged, row: int, good: bool) -> ShownBox:
    left, top, width, height = one.found.boxes[row].tolist()
    label = one.found.labels[one.found.label[row]]
    return ShownBox(label, (left, top, width, height), float(one.found.scores[row]), good=good)
