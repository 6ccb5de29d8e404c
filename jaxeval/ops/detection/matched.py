"""The found boxes of many images matched with the true ones by a protocol: from flat arrays, on the host."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval._arguments import whole_number
from jaxeval._arrays import AnyArray, Numbers, as_float64
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.detection.boxes import Layout, convert_boxes, iou_of_pairs
from jaxeval.ops.detection.matching import match_boxes
from jaxeval.ops.detection.protocols import DetectionProtocol, detection_protocol

_LARGEST = 1e100  # whose square is still a number
_MOST_PAIRS = 1 << 22  # whose overlaps are held at a time
_MOST_CELLS = 1 << 22  # of flags in one step of the matching


class MatchedBoxes(NamedTuple):
    """Found boxes with what their protocol makes of them, and the true boxes that count.

    Found boxes stand by category and falling confidence, equal ones by image and as they were given. Those beyond the
    protocol's greatest number of detections are not among them.

    Attributes:
      image: of each found box its image's number, [N].
      label: of each its category's number, ascending, [N].
      rank: of each its place among those of its image and category, from 0, [N].
      scores: of each the confidence, [N].
      row: of each its place among those that were given, [N].
      hits: which are a true box that counts, by range of areas and threshold, [A, T, N].
      counted: which are right or wrong at all, [A, T, N]; the others are of true boxes that do not count, or of another
        size than the range.
      partner: of each the place of its true box as given, in the first range at the first threshold; -1 where it has
        none, [N].
      true_image, true_label: of each true box, [M].
      true_counts: which true boxes count, by range of areas, [A, M].
      images, labels: how many there are.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0, 0]), label=np.array([0, 0]), boxes=np.array([[0, 0, 9, 9], [0, 0, 10, 10]]),
      ...     scores=np.array([0.3, 0.8]), true_image=np.array([0]), true_label=np.array([0]),
      ...     true_boxes=np.array([[0, 0, 10, 10]]), images=1, labels=1)
      >>> matched.scores.tolist(), matched.hits[0, 0].tolist(), matched.partner.tolist()
      ([0.8, 0.3], [True, False], [0, -1])
    """

    image: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    rank: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    row: Int[np.ndarray, " n"]
    hits: Bool[np.ndarray, "a t n"]
    counted: Bool[np.ndarray, "a t n"]
    partner: Int[np.ndarray, " n"]
    true_image: Int[np.ndarray, " m"]
    true_label: Int[np.ndarray, " m"]
    true_counts: Bool[np.ndarray, "a m"]
    images: int
    labels: int


@takes_arrays
def match_detections(
    *,
    image: Numbers,
    label: Numbers,
    boxes: Numbers,
    scores: Numbers,
    true_image: Numbers,
    true_label: Numbers,
    true_boxes: Numbers,
    images: int,
    labels: int,
    areas: Numbers | None = None,
    true_areas: Numbers | None = None,
    crowd: AnyArray | None = None,
    ignored: AnyArray | None = None,
    unmatchable: AnyArray | None = None,
    protocol: DetectionProtocol | str = "coco",
    layout: Layout | str = "xywh",
) -> MatchedBoxes:
    """Matches the found boxes of many images with the true ones, in float64 on the host.

    Overlaps are computed of boxes of one image and category alone, and only boxes that compete for each other go
    through the greedy matching (`match_boxes`); what comes out is the same to the last bit.

    Args:
      image: of each found box its image's number from 0, [N]; their order decides between boxes of equal confidence.
      label: of each found box its category's number from 0, [N].
      boxes: found boxes, [N, 4].
      scores: confidences, [N], any finite numbers.
      true_image: of each true box its image's number, [M].
      true_label: of each true box its category's number, [M].
      true_boxes: true boxes, [M, 4].
      images: how many images there are.
      labels: how many categories there are.
      areas: by which found boxes are small, medium or large, [N]; the boxes' areas by default.
      true_areas: the same of true boxes, [M].
      crowd: which true boxes are around crowds, [M]; none by default. They do not count.
      ignored: which true boxes do not count, [M]; none by default.
      unmatchable: which true boxes take the box that finds them and leave it wrong, [M], as pycocotools does with those
        whose id is 0; none by default.
      protocol: `coco`, `voc2007`, `voc2010`, or one of your own.
      layout: of all boxes; `xywh` gives the overlaps of COCO's reference to the last bit.

    Raises:
      InputError: shapes do not fit, a number of an image or a category is out of range, a value is not finite, a box
        or an area is negative, a flag is neither true nor false, or an unknown protocol or layout.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0]), label=np.array([0]), boxes=np.array([[0, 0, 10, 10]]), scores=np.array([0.8]),
      ...     true_image=np.array([0]), true_label=np.array([0]), true_boxes=np.array([[0, 0, 10, 16]]),
      ...     images=1, labels=1)
      >>> matched.hits[0, :, 0].astype(int).tolist()  # of an overlap of 0.625
      [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    """
    chosen = detection_protocol(protocol)
    images, labels = whole_number("images", images, 0), whole_number("labels", labels, 0)
    found = _rows("", image, label, boxes, images, labels, layout)
    true = _rows("true_", true_image, true_label, true_boxes, images, labels, layout)
    confidence = as_float64("scores", np.asarray(scores))
    if confidence.shape != found.image.shape:
        raise InputError(f"scores has shape {confidence.shape}; {found.image.shape} is expected")
    own_areas, areas = _areas("areas", areas, found), _areas("true_areas", true_areas, true)
    around, out, void = (
        _flags(name, given, true.image.shape)
        for name, given in (("crowd", crowd), ("ignored", ignored), ("unmatchable", unmatchable))
    )
    low, high = (np.array([area[end] for area in chosen.areas])[:, None] for end in (1, 2))
    leaves_out = (out | around) | (areas < low) | (areas > high)

    kept, rank = _by_cell(found, confidence, labels, chosen)
    # By category and confidence; those of equal confidence stay by image, and in it as they are.
    order = np.lexsort((-confidence[kept], found.label[kept]))
    matches = _matches(found, kept, true, around, leaves_out, labels, chosen)
    sizes = own_areas[kept]
    foreign = (sizes < low) | (sizes > high)  # in a range of areas, unless it is a true box of that range
    hits = np.zeros((len(chosen.areas), len(chosen.thresholds), len(kept)), bool)
    counted = np.broadcast_to(~foreign[:, None], hits.shape).copy()
    partner = np.full(len(kept), -1, np.int64)
    for places, partners in matches:  # [P] and [A, T, P]
        has = partners >= 0
        does_not_count = np.stack([row[of] for row, of in zip(leaves_out, partners, strict=True)]) & has
        right = has & ~void[partners]
        hits[:, :, places] = right & ~does_not_count
        counted[:, :, places] = ~does_not_count & (right | ~foreign[:, None, places])
        partner[places] = partners[0, 0]
    rows = kept[order]
    return MatchedBoxes(
        image=found.image[rows],
        label=found.label[rows],
        rank=rank[order],
        scores=confidence[rows],
        row=rows,
        hits=hits[:, :, order],
        counted=counted[:, :, order],
        partner=partner[order],
        true_image=true.image,
        true_label=true.label,
        true_counts=~leaves_out,
        images=images,
        labels=labels,
    )


class _Rows(NamedTuple):
    """Boxes `xywh` with their images and categories."""

    image: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]


def _rows(prefix: str, image: Numbers, label: Numbers, boxes: Numbers, images: int, labels: int, layout: str) -> _Rows:
    places = []
    for name, given, count in ((f"{prefix}image", image, images), (f"{prefix}label", label, labels)):
        numbers = np.asarray(given)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise InputError(
                f"{name} has shape {numbers.shape} and dtype {numbers.dtype}; [N] whole numbers are needed"
            )
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < count):
            known = f"give 0 to {count - 1}" if count else f"there are no {name.removeprefix('true_')}s"
            raise InputError(f"{name} has numbers from {numbers.min()} to {numbers.max()}; {known}")
        places.append(numbers.astype(np.int64))
    given = np.asarray(boxes)
    if given.size == 0:
        given = given.reshape(0, 4)
    if given.shape != (len(places[0]), 4) or len(places[0]) != len(places[1]):
        raise InputError(
            f"{prefix}boxes has shape {given.shape} beside {len(places[0])} images and {len(places[1])} labels; "
            "[N, 4] is expected"
        )
    sides = as_float64(f"{prefix}boxes", given)
    if sides.size and np.abs(sides).max() > _LARGEST:
        raise InputError(f"{prefix}boxes has a side or a place of {np.abs(sides).max():g}; no image is as large")
    own = convert_boxes(sides, given=layout, wanted="xywh")
    negative = np.flatnonzero((own[:, 2:] < 0).any(1))
    if len(negative):
        raise InputError(f"{prefix}boxes: that at {negative[0]} has a negative width or height, {given[negative[0]]}")
    return _Rows(places[0], places[1], np.asarray(own))


def _areas(name: str, given: Numbers | None, rows: _Rows) -> Float[np.ndarray, " n"]:
    if given is None:
        return rows.boxes[:, 2] * rows.boxes[:, 3]
    areas = as_float64(name, given)
    if areas.shape != rows.image.shape:
        raise InputError(f"{name} has shape {areas.shape}; {rows.image.shape} is expected")
    if areas.size and areas.min() < 0:
        raise InputError(f"{name} has {areas.min():g}; areas are 0 or more")
    return areas


def _flags(name: str, given: AnyArray | None, shape: tuple[int, ...]) -> Bool[np.ndarray, " m"]:
    if given is None:
        return np.zeros(shape, bool)
    flags = np.asarray(given)
    if flags.shape != shape:
        raise InputError(f"{name} has shape {flags.shape}; {shape} is expected")
    if flags.dtype != bool and not np.isin(flags, (0, 1)).all():
        raise InputError(f"{name} has values that are neither true nor false; give truth values, or 0 and 1")
    return flags.astype(bool)


def _by_cell(
    found: _Rows, scores: Float[np.ndarray, " n"], labels: int, protocol: DetectionProtocol
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Rows by image and category, in each by falling confidence, up to the greatest number; and their ranks there."""
    cell = found.image * labels + found.label
    order = np.lexsort((-scores, cell))
    ordered = cell[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    if protocol.max_detections:
        within = rank < protocol.max_detections[-1]
        order, rank = order[within], rank[within]
    return order, rank


def _matches(
    found: _Rows,
    kept: Int[np.ndarray, " k"],
    true: _Rows,
    crowd: Bool[np.ndarray, " m"],
    leaves_out: Bool[np.ndarray, "a m"],
    labels: int,
    protocol: DetectionProtocol,
) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, "a t p"]]]:
    """For places among `kept`, the true boxes of each range of areas and threshold; places without one are left out."""
    levels = np.array(protocol.least_overlaps)
    # True boxes by image and category, in each as they were given.
    by_cell = np.argsort(true.image * labels + true.label, kind="stable")
    cells = (true.image * labels + true.label)[by_cell]
    own = (found.image * labels + found.label)[kept]
    extra = np.array([0, 0, 1, 1]) if protocol.inclusive else 0
    place, other, iou = _close_pairs(
        found.boxes[kept] + extra, own, true.boxes[by_cell] + extra, cells, crowd[by_cell], levels.min()
    )
    alone = (np.bincount(place, minlength=len(kept))[place] == 1) & (np.bincount(other, minlength=1)[other] == 1)
    if alone.any():
        enough = iou[alone] >= levels[:, None]
        partners = np.where(enough, by_cell[other[alone]], -1)
        yield place[alone], np.broadcast_to(partners, (len(leaves_out), *partners.shape))
    place, other, iou = place[~alone], other[~alone], iou[~alone]
    if not len(place):
        return
    places, others = np.unique(place), np.unique(other)
    groups = np.unique(own[places])
    group, seat = _seats(own[places], groups)
    true_group, true_seat = _seats(cells[others], groups)
    seats, true_seats = np.bincount(group), np.bincount(true_group)
    at, of = np.searchsorted(places, place), np.searchsorted(others, other)
    sizes = np.stack([_power_of_two(seats), _power_of_two(true_seats)])
    for rows, columns in np.unique(sizes, axis=1).T:
        of_size = np.flatnonzero((sizes[0] == rows) & (sizes[1] == columns))
        at_a_time = max(1, _MOST_CELLS // int(columns * leaves_out.shape[0] * len(levels)))
        for start in range(0, len(of_size), at_a_time):
            some = of_size[start : start + at_a_time]
            number = np.full(len(groups), -1)
            number[some] = np.arange(len(some))
            pairs = number[group[at]] >= 0
            overlap = np.full((len(some), rows, columns), -1.0)
            overlap[number[group[at[pairs]]], seat[at[pairs]], true_seat[of[pairs]]] = iou[pairs]
            theirs = np.flatnonzero(number[true_group] >= 0)
            member = np.full((len(some), columns), -1)
            member[number[true_group[theirs]], true_seat[theirs]] = by_cell[others[theirs]]
            found_places = match_boxes(
                overlap,
                thresholds=tuple(levels),
                ignored=np.moveaxis(leaves_out[:, member], 0, 1),
                crowd=crowd[member] & (member >= 0),
                matching=protocol.matching,
            ).true
            mine = np.flatnonzero(number[group] >= 0)
            seated = np.moveaxis(np.asarray(found_places), -1, 1)[number[group[mine]], seat[mine]]  # [P, A, T]
            whose = np.take_along_axis(member[number[group[mine]]][:, None], np.maximum(seated, 0), axis=2)
            yield places[mine], np.moveaxis(np.where(seated >= 0, whose, -1), 0, -1)


def _close_pairs(
    boxes: Float[np.ndarray, "k 4"],
    cell: Int[np.ndarray, " k"],
    true_boxes: Float[np.ndarray, "m 4"],
    true_cell: Int[np.ndarray, " m"],
    crowd: Bool[np.ndarray, " m"],
    least: float,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Pairs of one cell that overlap enough, both sides of which stand by cell: their places, and how much."""
    begin, end = np.searchsorted(true_cell, cell), np.searchsorted(true_cell, cell, side="right")
    counts = end - begin
    total = np.cumsum(counts)
    parts = []
    first = 0
    while first < len(cell):
        before = total[first] - counts[first]
        last = max(first + 1, int(np.searchsorted(total, before + _MOST_PAIRS, side="right")))
        some = counts[first:last]
        place = np.repeat(np.arange(first, last), some)
        offset = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        other = begin[place] + offset
        iou = iou_of_pairs(boxes[place], true_boxes[other], crowd[other])
        close = iou >= least
        parts.append((place[close], other[close], iou[close]))
        first = last
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    place, other, iou = (np.concatenate(part) for part in zip(*parts, strict=True))
    return place, other, iou


def _seats(
    cell: Int[np.ndarray, " p"], groups: Int[np.ndarray, " g"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The group of each row, which stand by group, and its number in it."""
    group = np.searchsorted(groups, cell)
    begins = np.searchsorted(group, np.arange(len(groups)))
    return group, np.arange(len(group)) - begins[group]


def _power_of_two(counts: Int[np.ndarray, " g"]) -> Int[np.ndarray, " g"]:
    return 1 << np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64)
