"""Average precision of found boxes against true ones or against those that were asked for, set by set."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval._arguments import checked, first_of, shown, whole_number
from jaxeval.detection.box_files import read_found_boxes, read_true_boxes
from jaxeval.detection.box_outcomes import Judged, outcomes_of_boxes
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.image_names import places_of_names, said_of_others
from jaxeval.detection.judged_sets import boxes_by_name, manifest_of
from jaxeval.detection.masks import area_of_mask
from jaxeval.detection.results import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    ImageOutcome,
)
from jaxeval.errors import InputError
from jaxeval.images.matching import named_sets
from jaxeval.ops import detection as ops
from jaxeval.progress import Progress

_ZERO_IDS = ("unmatched", "matched")
_IGNORED = ("reference", "honoured")


@checked(zero_ids=lambda name, value: _one_of(name, value, _ZERO_IDS), ignored=lambda n, v: _one_of(n, v, _IGNORED))
def score_boxes(
    truth: TrueBoxes | str | Path,
    found: FoundBoxes | str | Path | Sequence[str | Path] | Mapping[str, FoundBoxes | str | Path],
    *,
    protocol: ops.DetectionProtocol | str = "coco",
    max_detections: Sequence[int] | None = None,
    zero_ids: str = "unmatched",
    ignored: str = "reference",
    normalised: bool | None = None,
    groups: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Average precision of found boxes against true ones, by COCO's protocol or Pascal VOC's.

    Args:
      truth: the true boxes, or a file for `read_true_boxes`: COCO's annotations, or a table. An image of it that has no
        found box counts: what is in it was not found.
      found: boxes, or files for `read_found_boxes`: COCO's results, tables, or jaxeval's own; one set or several,
        perhaps by name.
      protocol: `coco`, `voc2007`, `voc2010`, or one of your own.
      max_detections: of one category in one image, in the place of the protocol's; ascending. AP is of the last.
      zero_ids: what a true box is whose id in its file is 0: `unmatched`, as pycocotools has it (what finds it is
        wrong), or `matched`, as it should be. Of COCO's protocol.
      ignored: whether true boxes count that a file says to ignore: by the `reference`, which is that COCO's reads
        crowds only and VOC's leaves difficult ones out, or `honoured`.
      normalised: whether found boxes of files are in parts of their images' sides, as of `read_found_boxes`.
      groups: of images (or prompts), that the jackknife leaves out in turn.
      seed: of the division into groups.
      progress: who is told how far it has come.

    Returns:
      AP, AP50, AP75, AP and AR by area, AR by number of detections, of each set and in all categories, with intervals
      of 95% over other images; of each two sets the differences, paired by image.

    Raises:
      InputError: a file is not what it should be; a found box is of an image or a category that the truth has not; or
        an argument is wrong.

    Reference: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014 (arXiv:1405.0312); Everingham et al.,
    "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, TrueBoxes, score_boxes
      >>> box = np.array([[10.0, 20.0, 30.0, 40.0]])
      >>> truth = TrueBoxes("true", ("a.png",), ("cat",), np.array([0]), np.array([0]), box, np.array([1200.0]))
      >>> found = FoundBoxes("ours", ("a.png",), ("cat",), np.array([0]), np.array([0]), box + 1, np.array([0.9]))
      >>> print(score_boxes(truth, found).scores[0])
      AP 0.7 (ours, 1 image)
    """
    if isinstance(truth, FoundBoxes):
        raise InputError(f"truth has found boxes ({truth.name}); give TrueBoxes, or a file of them")
    true = truth if isinstance(truth, TrueBoxes) else read_true_boxes(truth)
    true = _in_order_of_ids(true)
    if progress is not None:
        progress.begin("matching boxes", total=len(true.images))
    sets = {name: _of_truth(one, true) for name, one in _given(found, true, normalised).items()}
    evaluation = judged_precision(
        "average-precision",
        sets,
        protocol=protocol,
        max_detections=max_detections,
        zero_ids=zero_ids,
        ignored=ignored,
        groups=groups,
        seed=seed,
        images=None,
        source=found,
        parameters={"truth": true.name},
        warnings=(),
    )
    if progress is not None:
        progress.end()
    return evaluation


def judged_precision(
    task: str,
    sets: Mapping[str, Judged],
    *,
    protocol: ops.DetectionProtocol | str,
    max_detections: Sequence[int] | None,
    zero_ids: str,
    ignored: str,
    groups: int,
    seed: int,
    images: Any,
    source: Any,
    parameters: Mapping[str, Any],
    warnings: Sequence[str],
) -> DetectionEvaluation:
    """The numbers of sets whose boxes stand beside those that they are compared with.

    Args:
      task: of the evaluation.
      sets: by name.
      protocol: as of `score_boxes`, and so those that follow.
      max_detections: as there.
      zero_ids: as there.
      ignored: as there.
      groups: as there.
      seed: as there.
      images: where the images are, as it was given; None where there are none.
      source: where the boxes are, as it was given.
      parameters: what else was asked for.
      warnings: what else a reader should know.
    """
    chosen = ops.detection_protocol(protocol)
    if max_detections is not None:
        given = max_detections if isinstance(max_detections, Sequence) else [max_detections]
        limits = tuple(whole_number("max_detections", one, 1) for one in given)
        chosen = dataclasses.replace(chosen, max_detections=limits)
    said = list(warnings)
    for sentence in dict.fromkeys(_said_of_truth(one.truth, chosen, ignored) for one in sets.values()):
        said.extend(sentence)
    matched = {name: _matched(one, chosen, zero_ids == "unmatched", ignored) for name, one in sets.items()}
    scores: list[DetectionScore] = []
    outcomes: list[ImageOutcome] = []
    for name, one in sets.items():
        intervals = ops.precision_intervals(
            matched[name], protocol=chosen, clusters=one.cluster, groups=groups, seed=seed
        )
        whole = ops.precision_recall(matched[name], protocol=chosen)
        scores += _scores(name, one, whole, intervals)
        outcomes += outcomes_of_boxes(name, one, matched[name])
        mark = f"{name}: " if len(sets) > 1 else ""
        said += [mark + sentence for sentence in _said_of_matches(one, matched[name], whole, chosen, zero_ids, ignored)]
    differences = [
        difference
        for place, first in enumerate(sets)
        for second in list(sets)[place + 1 :]
        for difference in _differences(first, second, sets, matched, chosen, groups, seed)
    ]
    counts = {
        "images": sum(len(one.truth.images) for one in sets.values()),
        "true boxes": sum(len(one.truth) for one in sets.values()),
        "found boxes": sum(len(one.found) for one in sets.values()),
        "found boxes of other categories": sum(int((one.place < 0).sum()) for one in sets.values()),
        "found boxes beyond the greatest number": sum(
            int((one.place >= 0).sum()) - len(matched[name].row) for name, one in sets.items()
        ),
    }
    manifest = manifest_of(
        {name: one.found for name, one in sets.items()},
        images=images,
        found=source,
        parameters={
            "protocol": chosen.name,
            "thresholds": list(chosen.thresholds),
            "areas": [list(area) for area in chosen.areas],
            "max_detections": list(chosen.max_detections),
            "zero_ids": zero_ids,
            "ignored": ignored,
            "groups": groups,
            "seed": seed,
            **parameters,
        },
        counts=counts,
        warnings=said,
    )
    return DetectionEvaluation(task, tuple(scores), tuple(differences), tuple(outcomes), "found50", manifest)


def placed_labels(found: FoundBoxes, truth: TrueBoxes) -> Int[np.ndarray, " n"]:
    """Of each found box, its label's place among those of the truth; -1 of labels that the truth has not.

    A label that the truth has in other capitals alone is that one.
    """
    exact = {label: place for place, label in enumerate(truth.labels)}
    folded: dict[str, int] = {}
    for place, label in enumerate(truth.labels):
        folded[label.casefold()] = -1 if label.casefold() in folded else place
    places = np.array([exact.get(label, folded.get(label.casefold(), -1)) for label in found.labels], np.int64)
    return places[found.label] if len(found) else np.zeros(0, np.int64)


def _one_of(name: str, value: Any, choices: Sequence[str]) -> Any:
    if value not in choices:
        raise InputError(f"{name} is {shown(value)}; give {' or '.join(choices)}")
    return value


def _given(found: Any, truth: TrueBoxes, normalised: bool | None) -> dict[str, FoundBoxes]:
    at_hand = boxes_by_name(found)
    files = at_hand if isinstance(at_hand, Mapping) else dict(named_sets(at_hand, "file of boxes"))
    return {
        str(name): dataclasses.replace(one, name=str(name))
        if isinstance(one, FoundBoxes)
        else read_found_boxes(one, truth=truth, name=str(name), normalised=normalised)
        for name, one in files.items()
    }


def _in_order_of_ids(truth: TrueBoxes) -> TrueBoxes:
    """Images by their ids, the order in which COCO's reference reads them, which decides between equal scores."""
    ids = truth.image_ids
    if ids is None or len({type(one) for one in ids}) > 1:
        return truth
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))

    def sorted_by_id(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return None if values is None else tuple(values[one] for one in order)

    return dataclasses.replace(
        truth,
        images=sorted_by_id(truth.images) or (),
        image=place[truth.image],
        sizes=None if truth.sizes is None else truth.sizes[order],
        image_ids=sorted_by_id(ids),
        prompts=sorted_by_id(truth.prompts),
    )


def _of_truth(found: FoundBoxes, truth: TrueBoxes) -> Judged:
    """The boxes of the truth's images; what was not looked at has none."""
    where, others = places_of_names(found.images, truth.images, extension=False)
    used = where[np.unique(found.image)]
    if len(np.unique(used[used >= 0])) < (used >= 0).sum():
        raise InputError(f"{found.name} calls one image of {truth.name} by two names; name it once")
    image = where[found.image] if len(found) else np.zeros(0, np.int64)
    if len(image) and image.min() < 0:
        name = found.images[found.image[int(np.argmin(image))]]
        raise InputError(f"{found.name} has boxes of the image {name!r}, which {truth.name} has not")
    place = placed_labels(found, truth)
    if len(place) and place.min() < 0:
        label = found.labels[found.label[int(np.argmin(place))]]
        raise InputError(
            f"{found.name} has boxes of the category {label!r}, which is none of {truth.name}: "
            f"{first_of(truth.labels, 5)}"
        )
    sizes = None if truth.sizes is None else truth.sizes
    said = [*found.identity.get("warnings", ()), *said_of_others(found.name, others)]
    identity = {**found.identity, **({"warnings": said} if said else {})}
    own = dataclasses.replace(found, images=truth.images, image=image, sizes=sizes, identity=identity)
    # Images of one prompt are one cluster; an image without a prompt is one by itself.
    prompts = tuple(prompt or image for prompt, image in zip(truth.prompts or truth.images, truth.images, strict=True))
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    return Judged(own, truth, place, np.array([numbers[prompt] for prompt in prompts], np.int64), prompts)


def _matched(one: Judged, protocol: ops.DetectionProtocol, zero: bool, ignored: str) -> ops.MatchedBoxes:
    known = np.flatnonzero(one.place >= 0)
    truth = one.truth
    out = truth.ignored if protocol.matching == "voc" or ignored == "honoured" else None
    void = truth.ids == 0 if zero and truth.ids is not None and protocol.matching == "coco" else None
    matched = ops.match_detections(
        image=one.found.image[known],
        label=one.place[known],
        boxes=one.found.boxes[known],
        areas=_areas_of_masks(one.found, known),
        scores=one.found.scores[known],
        true_image=truth.image,
        true_label=truth.label,
        true_boxes=truth.boxes,
        images=len(truth.images),
        labels=len(truth.labels),
        true_areas=truth.areas,
        crowd=truth.crowd,
        ignored=out,
        unmatchable=void,
        protocol=protocol,
    )
    return matched._replace(row=known[matched.row])


def _areas_of_masks(found: FoundBoxes, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"] | None:
    """Of COCO's results that have masks and no boxes the areas of the masks, as the reference has it; else None."""
    if found.masks is None or found.identity.get("areas") != "masks":
        return None
    boxes = found.boxes[:, 2] * found.boxes[:, 3]
    masks = (found.masks[row] for row in rows)
    areas = [boxes[row] if mask is None else area_of_mask(mask) for row, mask in zip(rows, masks, strict=True)]
    return np.array(areas, np.float64)


def _said_of_truth(truth: TrueBoxes, protocol: ops.DetectionProtocol, ignored: str) -> tuple[str, ...]:
    said = []
    out = 0 if truth.ignored is None else int((truth.ignored & ~_crowd(truth)).sum())
    if out and protocol.matching == "coco" and ignored == "reference":
        said.append(
            f"{truth.name}: {out:,} boxes are marked to be ignored and are no crowd; they count, as COCO's reference "
            "does not read that mark (--ignored honoured leaves them out)"
        )
    if protocol.matching == "coco" and protocol.max_detections and protocol.max_detections[-1] != 100:
        said.append(
            f"AP is of {protocol.max_detections[-1]} detections of a category in an image and not of COCO's 100; "
            "pycocotools prints -1 in its place"
        )
    return tuple(said)


def _crowd(truth: TrueBoxes) -> Bool[np.ndarray, " n"]:
    return np.zeros(len(truth), bool) if truth.crowd is None else truth.crowd


def _said_of_matches(
    one: Judged,
    matched: ops.MatchedBoxes,
    whole: ops.PrecisionRecall,
    protocol: ops.DetectionProtocol,
    zero_ids: str,
    ignored: str,
) -> list[str]:
    said = []
    first = next(iter(whole.summary()))
    value = whole.summary()[first]
    ids = one.truth.ids
    if ids is not None and (ids == 0).any() and protocol.matching == "coco" and zero_ids == "unmatched":
        right = ops.precision_recall(_matched(one, protocol, zero=False, ignored=ignored), protocol=protocol).summary()[
            first
        ]
        if right != value:
            said.append(
                "a true box has the id 0, which pycocotools takes for no box: what finds it counts as wrong here, "
                f"too, and {_name(first)} is {value:.4f}; counted as found it is {right:.4f} (--zero-ids matched)"
            )
    tied = ops.tied_scores(matched, protocol=protocol)
    low, high = tied.low[first], tied.high[first]
    if tied.boxes and high - low >= 5e-5:
        said.append(
            f"{tied.boxes:,} boxes have the confidence of another, and {_name(first)} is from {low:.4f} to "
            f"{high:.4f} by their order; here it is by image and as they were given"
        )
    beyond = (one.found.scores < 0) | (one.found.scores > 1)
    if beyond.any():
        worst = one.found.scores[beyond][0]
        said.append(
            f"{int(beyond.sum()):,} boxes have a confidence that is not from 0 to 1, such as {worst:g}; only their "
            "order counts"
        )
    return said


def _scores(
    name: str, one: Judged, whole: ops.PrecisionRecall, intervals: ops.SummaryIntervals
) -> list[DetectionScore]:
    images, prompts = len(one.truth.images), len(np.unique(one.cluster))
    found = [
        DetectionScore(
            key,
            _name(key),
            name,
            "",
            _known(value),
            intervals.intervals[key],
            images,
            prompts,
            "higher",
            _definition(key, whole.protocol),
        )
        for key, value in whole.summary().items()
    ]
    with_box = [np.unique(one.truth.image[one.truth.label == label]) for label in range(len(one.truth.labels))]
    for key, values in whole.categories().items():
        for label, value in enumerate(values.tolist()):
            found.append(
                DetectionScore(
                    key,
                    _name(key),
                    name,
                    one.truth.labels[label],
                    _known(value),
                    intervals.categories[key][label],
                    len(with_box[label]),
                    len(np.unique(one.cluster[with_box[label]])),
                    "higher",
                    _definition(key, whole.protocol),
                )
            )
    return found


def _differences(
    first: str,
    second: str,
    sets: Mapping[str, Judged],
    matched: Mapping[str, ops.MatchedBoxes],
    protocol: ops.DetectionProtocol,
    groups: int,
    seed: int,
) -> list[DetectionDifference]:
    one, other = sets[first], sets[second]
    shared = len(np.intersect1d(one.cluster, other.cluster))
    if not shared:
        return []
    found = ops.precision_differences(
        matched[first],
        matched[second],
        protocol=protocol,
        clusters=one.cluster,
        second_clusters=other.cluster,
        groups=groups,
        seed=seed,
    )
    rows = [(key, "", value) for key, value in found.summary.items()]
    rows += [
        (key, one.truth.labels[label], value)
        for key, values in found.categories.items()
        for label, value in enumerate(values)
    ]
    return [
        DetectionDifference(
            key, _name(key), first, second, category, _known(value.value), value.interval, value.p_value, shared
        )
        for key, category, value in rows
    ]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _name(key: str) -> str:
    """`ap50` as AP50, `ap-small` as AP small, `ar10` as AR10."""
    return key[:2].upper() + key[2:].replace("-", " ")


def _definition(key: str, protocol: ops.DetectionProtocol) -> str:
    """Whose number it is, and what it is the mean of; one sentence for all that differ by overlap, area or count."""
    whose = {"coco": "COCO", "voc2007": "Pascal VOC 2007", "voc2010": "Pascal VOC 2010"}.get(
        protocol.name, protocol.name
    )
    overlaps = "an overlap" if len(protocol.thresholds) == 1 else "overlaps"
    first, last = (f"{one:.2f}".lstrip("0") for one in (protocol.thresholds[0], protocol.thresholds[-1]))
    at = f"{overlaps} (IoU) of {first}" + (
        "" if len(protocol.thresholds) == 1 else f" to {last}, or that which is named"
    )
    if key.startswith("ar"):
        return f"average recall ({whose}): mean over categories and {at}, with so many boxes of a category in an image"
    recalls = "all recalls" if protocol.recalls is None else f"{len(protocol.recalls)} recalls"
    return f"average precision ({whose}): mean over categories and {recalls}, at {at}"
