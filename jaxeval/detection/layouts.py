"""Layout to image: is what was asked for found where it was asked for?"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval._arguments import checked, first_of
from jaxeval.detection.box_files import read_true_boxes
from jaxeval.detection.box_outcomes import Judged
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.judged_sets import Looking, judged_sets
from jaxeval.detection.pairing import paired
from jaxeval.detection.precision import judged_precision, placed_labels
from jaxeval.detection.results import DetectionEvaluation
from jaxeval.errors import InputError
from jaxeval.ops import detection as ops
from jaxeval.progress import Progress


@checked()
def score_layouts(
    layouts: TrueBoxes | str | Path,
    images: Any = None,
    *,
    detector: Any = None,
    found: Any = None,
    protocol: ops.DetectionProtocol | str = "coco",
    pattern: str | None = None,
    unmatched: str = "error",
    normalised: bool | None = None,
    cache: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    groups: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Average precision of what a detector finds in generated images, against the boxes that they were asked to have.

    Each image is compared with its layout; of several images of one layout each counts, and for intervals they are one
    cluster. What a detector finds of categories that no layout asks for does not count. Boxes of a layout are compared
    in the pixels of its image: where a file says how large images are, and an image is of another size, its boxes are
    scaled to it and that is said.

    Args:
      layouts: what was asked for, or a file for `read_true_boxes`: COCO's annotations, or a table.
      images: one or several sets of generated images. Whose layout is whose is told by names: a layout's image `a.png`
        is `a.png`, `a_0.png` and others (`jaxeval.detection.pairing.paired`), or by `pattern`.
      detector: what looks at them.
      found: in the place of a detector, files of boxes for each set; or `FoundBoxes`.
      protocol: `coco`, `voc2007`, `voc2010`, or one of your own.
      pattern: what images are called, with `*` for the layout's name.
      unmatched: what an image without a layout, or a layout without an image is: an "error", or left out and said
        ("skip").
      normalised: whether the file's boxes are in parts of sides, as of `read_true_boxes`.
      cache: a folder that keeps what a detector finds.
      batch_size: how many images a detector is called with.
      threads: how many decode.
      on_error: what an image that cannot be read is: the end ("fail"), or left out and said ("skip").
      groups: of layouts, that the jackknife leaves out in turn.
      seed: of the division into groups.
      progress: who is told how far it has come.

    Returns:
      The numbers of `score_boxes`; differences are paired by layout.

    Raises:
      InputError: a file or an image is not what it should be, no label of the layouts is one that boxes have, or an
        argument is wrong.
      MissingPackageError: the detector's package is not installed.
      OutOfMemoryError: a batch does not fit into memory.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, TrueBoxes, score_layouts
      >>> box = np.array([[10.0, 20.0, 30.0, 40.0]])
      >>> asked = TrueBoxes("layouts", ("a.png",), ("cat",), np.array([0]), np.array([0]), box, np.array([1200.0]))
      >>> found = FoundBoxes("ours", ("a_0.png", "a_1.png"), ("cat",), np.array([0]), np.array([0]), box,
      ...     np.array([0.9]))
      >>> evaluation = score_layouts(asked, found=found)
      >>> {score.metric: round(score.value, 3) for score in evaluation.scores[:2]}
      {'ap': 0.505, 'ap50': 0.505}
    """
    asked = layouts if isinstance(layouts, TrueBoxes) else read_true_boxes(layouts, normalised=normalised)
    looking = Looking(cache, batch_size, threads, on_error, progress)
    boxes = judged_sets(images, detector=detector, found=found, looking=looking)
    said: list[str] = []
    sets = {}
    for name, one in boxes.items():
        sets[name], sentences = _beside(one, asked, pattern, unmatched)
        said += [f"{name}: {sentence}" if len(boxes) > 1 else sentence for sentence in sentences]
    return judged_precision(
        "layout",
        sets,
        protocol=protocol,
        max_detections=None,
        zero_ids="matched",
        ignored="honoured",
        groups=groups,
        seed=seed,
        images=images,
        source=found,
        parameters={"layouts": asked.name, "pattern": pattern, "unmatched": unmatched},
        warnings=said,
    )


def _beside(found: FoundBoxes, asked: TrueBoxes, pattern: str | None, unmatched: str) -> tuple[Judged, list[str]]:
    """Images of the set beside a copy of the layout of each."""
    pairing = paired(asked.images, found.images, pattern=pattern, unmatched=unmatched, name=found.name, what="layout")
    said = list(pairing.unmatched)
    layout = np.array(pairing.prompt_of_image, np.int64)
    kept = np.flatnonzero(layout >= 0)
    if not len(kept):
        raise InputError(
            f"no image of {found.name} is of a layout of {asked.name}; say what they are called (--pattern)"
        )
    place = np.full(len(layout), -1)
    place[kept] = np.arange(len(kept))
    rows = np.flatnonzero(place[found.image] >= 0) if len(found) else np.zeros(0, np.int64)
    own = dataclasses.replace(
        found,
        images=tuple(found.images[one] for one in kept),
        image=place[found.image[rows]],
        label=found.label[rows],
        boxes=found.boxes[rows],
        scores=found.scores[rows],
        texts=None if found.texts is None else tuple(found.texts[row] for row in rows),
        masks=None if found.masks is None else tuple(found.masks[row] for row in rows),
        sizes=None if found.sizes is None else found.sizes[kept],
    )
    truth, scaled = _copied(asked, layout[kept], own)
    if scaled:
        said.append(f"{scaled:,} images are of another size than their layout says, whose boxes were scaled to them")
    known = placed_labels(own, truth)
    missing = [
        label
        for place, label in enumerate(asked.labels)
        if not any(label.casefold() == other.casefold() for other in found.labels) and (asked.label == place).any()
    ]
    if missing and len(missing) == len(np.unique(asked.label)) and len(found.labels):
        raise InputError(
            f"none of the labels of {asked.name} ({first_of(missing)}) is one of {found.name} "
            f"({first_of(found.labels)}); give one spelling to both"
        )
    said += [f"no box has the label {label!r}, which layouts ask for; it counts as never found" for label in missing]
    prompts = tuple(
        (asked.prompts[one] if asked.prompts is not None else "") or asked.images[one] for one in layout[kept]
    )
    return Judged(own, truth, known, layout[kept], prompts), said


def _copied(asked: TrueBoxes, layout: np.ndarray, images: FoundBoxes) -> tuple[TrueBoxes, int]:
    """The layout of each image, in its pixels; and how many had to be scaled."""
    by_layout: list[np.ndarray] = [np.flatnonzero(asked.image == one) for one in range(len(asked.images))]
    parts = [by_layout[one] for one in layout]
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    image = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    factors = np.ones((len(parts), 2))  # of widths and heights
    if asked.sizes is not None and images.sizes is not None:
        before, after = asked.sizes[layout], images.sizes
        known = (before > 0).all(1) & (after > 0).all(1)
        factors[known] = (after[known] / before[known])[:, ::-1]
    scale = np.tile(factors, 2)[image]
    return (
        TrueBoxes(
            asked.name,
            images.images,
            asked.labels,
            image,
            asked.label[rows],
            asked.boxes[rows] * scale,
            asked.areas[rows] * scale[:, 0] * scale[:, 1],
            None if asked.crowd is None else asked.crowd[rows],
            None if asked.ignored is None else asked.ignored[rows],
            sizes=images.sizes,
        ),
        int((factors != 1).any(1).sum()),
    )
