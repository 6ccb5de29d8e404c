"""`score_objects`: whether images show the objects that they were asked for, by semantic object accuracy.

Reference: Hinz, Heinrich, Wermter, "Semantic Object Accuracy for Generative Text-to-Image Synthesis", TPAMI 44, 2022
(arXiv:1910.13321), and its authors' repository. An image counts for a class that its caption names if a detector finds
at least one object of that class:

- SOA-C is the mean over classes of the share of images that do,
- SOA-I the share over all images, of each class together; an image that was asked for two objects counts twice,
- SOA-C-Top40 and SOA-C-Bot40 are SOA-C of the 40 of COCO's 80 classes that have the most images, and of the others.

Theirs are these numbers with YOLOv3 at 256 x 256 pixels, an objectness of 0.5 or more (not a class's own confidence),
boxes that overlap by more than 0.4 taken together, the captions of COCO's validation images that they chose by words
for each class, three images a caption, and for people one image of each of 30,000 captions. Other detectors and
captions give numbers that are not to be compared with theirs.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxeval import _arguments
from jaxeval._arguments import first_of
from jaxeval.detection.asked_objects import SOA_FOLDERS, AskedObjects, read_objects
from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.judged_sets import Looking, a_share, judged_sets, manifest_of
from jaxeval.detection.pairing import paired
from jaxeval.detection.results import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    ImageOutcome,
    ShownBox,
)
from jaxeval.errors import InputError
from jaxeval.ops import clustered_ratio, paired_clustered_difference
from jaxeval.progress import Progress

_COCO_CLASSES, _HALF = 80, 40
_NEAR = 0.8  # of spellings
# Darknet's names of six of COCO's classes, and two more that are used for them.
_OTHER_NAMES = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "tv monitor": "tv",
    "hair dryer": "hair drier",
}
_LABELS = {
    "soa-c": ("SOA-C", "mean over classes of the share of images asked for a class in which it is found (Hinz et al.)"),
    "soa-c-top40": ("SOA-C-Top40", "SOA-C of the 40 classes of 80 with the most images (Hinz et al.)"),
    "soa-c-bot40": ("SOA-C-Bot40", "SOA-C of the 40 classes of 80 with the fewest images (Hinz et al.)"),
    "soa-i": ("SOA-I", "share of all images, once for each class asked for, in which it is found (Hinz et al.)"),
    "all-objects": ("All objects", "share of images in which all objects asked for are found"),
}


class _Item(NamedTuple):
    """An object that an image was asked for, and whether it is there."""

    prompt: str
    label: str
    found: float


@_arguments.checked(
    asked=lambda name, value: value if isinstance(value, AskedObjects | Mapping) else _arguments.path(name, value),
    batch_size=_arguments.at_least(1),
    confidence=a_share,
    pattern=_arguments.optional(_arguments.a_text("a text with * in it")),
    unmatched=_arguments.a_text("'error' or 'skip'"),
)
def score_objects(
    asked: AskedObjects | str | Path | Mapping[str, Any],
    images: Any = None,
    *,
    detector: Any = None,
    found: Any = None,
    confidence: float = 0.5,
    pattern: str | None = None,
    unmatched: str = "error",
    cache: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Semantic object accuracy: whether the objects that images were asked for are found in them.

    Labels are compared without regard to capitals, and six of Darknet's names are COCO's (`sofa` is `couch`, ...).

    Args:
      asked: the objects: a file for `read_objects`, labels by name, or "soa-folders" where images lie in folders that
        are called by COCO's classes, as in `label_16_dog/0001.png` (`AskedObjects.of_folders`).
      images: sets of images, as of `sets_of_boxes`. Which objects are whose is told by names: `NAME.png`, `NAME_0.png`
        and others, or by `pattern`.
      detector: what looks at them.
      found: in the place of a detector, files of boxes for each set; or `FoundBoxes`.
      confidence: that a box has at least, from 0 to 1.
      pattern: what images are called, with `*` for the name that is asked.
      unmatched: what an image that nothing is asked of, or a name without an image is: an "error", or left out and said
        ("skip").
      cache: a folder that keeps what a detector found.
      batch_size: how many images a detector is called with.
      threads: how many decode; by default one for each processor.
      on_error: what an image that cannot be read is: the end ("fail"), or left out and said ("skip").
      progress: who is told how far it has come.

    Returns:
      SOA-C and SOA-I, of each class its share, and of COCO's 80 classes SOA-C-Top40 and -Bot40, each set with intervals
      over other prompts of the same classes; and paired differences of each two sets.

    Raises:
      InputError: an argument is wrong, names and images do not match, or no object asked for is one that boxes have.
      OutOfMemoryError: a batch does not fit into memory.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, score_objects
      >>> found = FoundBoxes("ours", ("park.png", "street.png"), ("dog", "car"), np.array([0, 1]), np.array([0, 1]),
      ...     np.array([[0.0, 0.0, 50.0, 10.0], [0.0, 0.0, 50.0, 10.0]]), np.array([0.9, 0.31]))
      >>> result = score_objects({"park": "dog", "street": "car"}, found=found)
      >>> [(score.metric, score.category, score.value) for score in result.scores][:2]
      [('soa-c', '', 0.5), ('soa-i', '', 0.5)]
      >>> result.outcomes[1].reasons
      ("asked for 'car' and found none (best 0.31)",)
    """
    # Read before a detector looks at thousands of images, so that a misspelt file costs nothing.
    named = asked if isinstance(asked, str) and asked == SOA_FOLDERS else _objects(asked)
    looking = Looking(cache, batch_size, threads, on_error, progress)
    sets = judged_sets(images, detector=detector, found=found, looking=looking)
    objects = named if isinstance(named, AskedObjects) else _of_folders(sets)
    wanted = [tuple(dict.fromkeys(map(_plain, labels))) for labels in objects.labels]
    warnings = _unknown(sets, wanted)
    if objects.path == SOA_FOLDERS:
        warnings.append(
            "which images have a caption in common is not told by folders: intervals take each image for one of a "
            "caption of its own, and are too narrow where captions have several"
        )
    outcomes: list[ImageOutcome] = []
    items: dict[str, list[_Item]] = {}
    for name, own in sets.items():
        pairing = paired(objects.names, own.images, pattern=pattern, unmatched=unmatched, name=name, what="prompt")
        warnings += [f"{name}: {one}" for one in pairing.unmatched]
        boxes = _boxes_of(own)
        items[name] = []
        for image, place in enumerate(pairing.prompt_of_image):
            if place >= 0:
                prompt = objects.prompts[place]
                outcome, there = _outcome(own, image, boxes[image], prompt, wanted[place], confidence)
                outcomes.append(outcome)
                items[name] += [_Item(prompt, label, float(one)) for label, one in there.items()]
    halves = _halves(items)
    scores = [score for name in sets for score in _scores(name, items[name], outcomes, halves)]
    differences = [
        difference for pair in combinations(sets, 2) for difference in _differences(pair, items, outcomes, halves)
    ]
    labels = {item.label for own in items.values() for item in own}
    manifest = manifest_of(
        sets,
        images=images,
        found=found,
        parameters={
            "asked": objects.path,
            "sha256": objects.sha256,
            "confidence": confidence,
            "pattern": pattern,
            "unmatched": unmatched,
        },
        counts={"prompts": len(objects), "images": len(outcomes), "classes": len(labels)},
        warnings=warnings,
    )
    if halves is None:
        sentence = (
            f"SOA-C-Top40 and SOA-C-Bot40 are of COCO's 80 classes, and these images were asked for {len(labels)}"
        )
        manifest["not_computed"] = [{"sentence": sentence, "missing": False}]
    return DetectionEvaluation("objects", tuple(scores), tuple(differences), tuple(outcomes), "soa-i", manifest)


def _of_folders(sets: Mapping[str, FoundBoxes]) -> AskedObjects:
    return AskedObjects.of_folders(list(dict.fromkeys(image for own in sets.values() for image in own.images)))


def _objects(asked: AskedObjects | str | Path | Mapping[str, Any]) -> AskedObjects:
    if isinstance(asked, AskedObjects):
        return asked
    return AskedObjects.of(asked) if isinstance(asked, Mapping) else read_objects(asked)


def _plain(label: str) -> str:
    """A label as it is compared."""
    folded = " ".join(label.casefold().split())
    return _OTHER_NAMES.get(folded, folded)


def _unknown(sets: Mapping[str, FoundBoxes], wanted: Sequence[Sequence[str]]) -> list[str]:
    """Sentences on labels that are asked for and that no box of a set can have.

    Raises:
      InputError: that is so of all.
    """
    asked = Counter(label for labels in wanted for label in labels)
    warnings = []
    for name, own in sets.items():
        known = sorted({_plain(label) for label in own.labels})
        strange = [label for label in asked if label not in known]
        if known and len(strange) == len(asked):
            raise InputError(
                f"{name}: none of the objects asked for ({first_of(strange, quoted=True)}) is one that boxes have "
                f"({first_of(known, quoted=True)}); name them alike"
            )
        for label in strange:
            near = difflib.get_close_matches(label, known, 1, _NEAR)
            hint = f"; {near[0]!r} is one: name them alike" if near else ""
            warnings.append(
                f"{name}: {label!r} is asked for by {asked[label]:,} prompt{'s'[: asked[label] != 1]} and is no label "
                f"that boxes have{hint}"
            )
    return warnings


def _boxes_of(found: FoundBoxes) -> list[list[int]]:
    boxes: list[list[int]] = [[] for _ in found.images]
    for row, image in enumerate(found.image.tolist()):
        boxes[image].append(row)
    return boxes


def _outcome(
    found: FoundBoxes, image: int, rows: Sequence[int], prompt: str, wanted: Sequence[str], confidence: float
) -> tuple[ImageOutcome, dict[str, bool]]:
    """What became of an image, and of each object that it was asked for."""
    labels = [_plain(found.labels[found.label[row]]) for row in rows]
    best = dict.fromkeys(wanted, -np.inf)
    for row, label in zip(rows, labels, strict=True):
        if label in best:
            best[label] = max(best[label], float(found.scores[row]))
    there = {label: score >= confidence for label, score in best.items()}
    reasons = []
    for label, score in best.items():
        if not there[label]:
            seen = f" (best {score:.2g})" if score > -np.inf else ""
            reasons.append(f"asked for {label!r} and found none{seen}")
    shown = [
        ShownBox(
            label=found.labels[found.label[row]],
            box=_plain_box(found.boxes[row]),
            score=float(found.scores[row]),
            good=label in best and bool(found.scores[row] >= confidence),
        )
        for row, label in zip(rows, labels, strict=True)
        if found.scores[row] >= confidence or label in best
    ]
    share = sum(there.values()) / len(there)
    outcome = ImageOutcome(
        image=found.images[image],
        set=found.name,
        prompt=prompt,
        category=wanted[0] if len(wanted) == 1 else "",
        values={"soa-i": share, "all-objects": float(all(there.values())), "objects": float(len(there))},
        reasons=tuple(reasons),
        found=tuple(shown),
    )
    return outcome, there


def _halves(items: Mapping[str, Sequence[_Item]]) -> dict[str, frozenset[str]] | None:
    """The 40 classes with the most images and the 40 with the fewest; None where there are not 80 in all.

    Of classes with equally many, those earlier in the alphabet are taken for the ones with fewer.
    """
    counts = Counter(item.label for own in items.values() for item in own)
    if len(counts) != _COCO_CLASSES:
        return None
    order = sorted(counts, key=lambda label: (counts[label], label))
    return {"soa-c-top40": frozenset(order[_HALF:]), "soa-c-bot40": frozenset(order[:_HALF])}


class _Column(NamedTuple):
    """What a number of a set is made of: the rows, each with a weight."""

    metric: str
    category: str
    values: np.ndarray
    weights: np.ndarray
    prompts: list[str]
    strata: list[str] | None
    images: int


def _columns(
    items: Sequence[_Item], outcomes: Sequence[ImageOutcome], halves: Mapping[str, frozenset[str]] | None
) -> list[_Column]:
    """All numbers of a set, first those of all images."""
    labels = sorted({item.label for item in items})
    columns = [_of_classes("soa-c", items, frozenset(labels), len(outcomes))]
    columns += [
        _of_classes(metric, items, chosen, sum(item.label in chosen for item in items))
        for metric, chosen in (halves or {}).items()
    ]
    columns.append(_of_items("soa-i", "", items, len(outcomes)))
    whole = [_Item(one.prompt, "", float(one.values["all-objects"] or 0.0)) for one in outcomes]
    columns.append(_of_items("all-objects", "", whole, len(outcomes)))
    for label in labels:
        own = [item for item in items if item.label == label]
        columns.append(_of_items("soa-i", label, own, len(own)))
    return columns


def _of_items(metric: str, category: str, items: Sequence[_Item], images: int) -> _Column:
    values = np.array([item.found for item in items], np.float64)
    return _Column(metric, category, values, np.ones(len(items)), [item.prompt for item in items], None, images)


def _of_classes(metric: str, items: Sequence[_Item], chosen: Iterable[str], images: int) -> _Column:
    """Each class weighs the same, whatever the number of its images."""
    own = [item for item in items if item.label in chosen]
    counts = Counter(item.label for item in own)
    weights = np.array([1 / counts[item.label] for item in own], np.float64)
    values = weights * np.array([item.found for item in own], np.float64)
    strata = [item.label for item in own]
    return _Column(metric, "", values, weights, [item.prompt for item in own], strata, images)


def _scores(
    name: str,
    items: Sequence[_Item],
    outcomes: Sequence[ImageOutcome],
    halves: Mapping[str, frozenset[str]] | None,
) -> list[DetectionScore]:
    scores = []
    for column in _columns(items, [one for one in outcomes if one.set == name], halves):
        value, interval = None, None
        if len(column.values):
            found = clustered_ratio(
                column.values, column.weights, column.prompts, strata=column.strata, limits=(0.0, 1.0)
            )
            value, interval = found.value, found.interval
        label, definition = _LABELS[column.metric]
        scores.append(
            DetectionScore(
                metric=column.metric,
                label=label,
                set=name,
                category=column.category,
                value=value,
                interval=interval,
                n=column.images,
                n_prompts=len(set(column.prompts)),
                definition=definition,
            )
        )
    return scores


def _differences(
    pair: tuple[str, str],
    items: Mapping[str, Sequence[_Item]],
    outcomes: Sequence[ImageOutcome],
    halves: Mapping[str, frozenset[str]] | None,
) -> list[DetectionDifference]:
    """Of two sets over the prompts that both have; classes weigh the same in these."""
    shared = frozenset.intersection(*(frozenset(item.prompt for item in items[name]) for name in pair))
    if not shared:
        return []
    sides = [
        {
            (column.metric, column.category): column
            for column in _columns(
                [item for item in items[name] if item.prompt in shared],
                [one for one in outcomes if one.set == name and one.prompt in shared],
                halves,
            )
        }
        for name in pair
    ]
    differences = []
    for key, old in sides[0].items():
        new = sides[1].get(key)
        if new is None or not len(old.values) or not len(new.values):
            continue
        found = paired_clustered_difference(
            old.values,
            old.prompts,
            new.values,
            new.prompts,
            first_denominators=old.weights,
            second_denominators=new.weights,
            first_strata=old.strata,
            second_strata=new.strata,
            limits=(0.0, 1.0),
        )
        differences.append(
            DetectionDifference(
                metric=old.metric,
                label=_LABELS[old.metric][0],
                first=pair[0],
                second=pair[1],
                category=old.category,
                value=found.value,
                interval=found.interval,
                p_value=found.p_value,
                n_prompts=found.n_clusters,
            )
        )
    return differences


def _plain_box(box: np.ndarray) -> tuple[float, float, float, float]:
    left, top, width, height = box.tolist()
    return left, top, width, height
