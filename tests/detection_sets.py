"""Data sets of found and true boxes, at random and adversarial, for comparisons of average precision."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass
class BoxSet:
    """Arguments of `match_detections`; boxes are left, top, width, height."""

    images: int
    labels: int
    true_image: np.ndarray
    true_label: np.ndarray
    true_boxes: np.ndarray
    true_areas: np.ndarray
    crowd: np.ndarray
    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    def arguments(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def box_set(
    seed: int,
    *,
    images: int = 6,
    labels: int = 3,
    true_per_image: float = 4,
    found_per_image: float = 8,
    levels: int | None = None,
    whole: bool = False,
    crowds: float = 0.1,
    spread: float = 6,
    flat: float = 0.05,
) -> BoxSet:
    """A set at random.

    Args:
      seed: of the draws.
      images, labels: how many.
      true_per_image, found_per_image: expected.
      levels: different scores; None for scores that hardly ever tie.
      whole: boxes of whole pixels, which often overlap by exactly a threshold.
      crowds: share of true boxes around crowds.
      spread: pixels by which found boxes miss true ones.
      flat: share of found and true boxes without an area.
    """
    rng = np.random.default_rng([seed, 19])
    counts = rng.poisson(true_per_image, images)
    true_image = np.repeat(np.arange(images), counts)
    true_label = rng.integers(0, labels, len(true_image))
    sides = np.exp(rng.normal(3.5, 1.0, (len(true_image), 2))).clip(2, 300)
    corner = rng.uniform(-20, 200, (len(true_image), 2))  # some lie outside of the image
    true_boxes = np.concatenate([corner, sides], axis=1)
    counts = rng.poisson(found_per_image, images)
    image = np.repeat(np.arange(images), counts)
    boxes = np.concatenate([rng.uniform(-20, 200, (len(image), 2)), rng.uniform(1, 100, (len(image), 2))], axis=1)
    label = rng.integers(0, labels, len(image))
    for row, own in enumerate(image):
        theirs = np.flatnonzero(true_image == own)
        if len(theirs) and rng.random() < 0.75:
            near = rng.choice(theirs)
            boxes[row] = true_boxes[near] + rng.normal(0, spread, 4) * (rng.random() < 0.9)
            label[row] = true_label[near] if rng.random() < 0.9 else label[row]
    boxes[:, 2:] = np.abs(boxes[:, 2:])
    if whole:
        true_boxes, boxes = np.round(true_boxes / 5) * 5, np.round(boxes / 5) * 5
    for given in (true_boxes, boxes):
        given[rng.random(len(given)) < flat, 2 + rng.integers(0, 2)] = 0.0
    areas = true_boxes[:, 2] * true_boxes[:, 3] * rng.uniform(0.4, 1.0, len(true_boxes))
    scores = rng.random(len(image)) if levels is None else rng.integers(0, levels, len(image)) / levels
    crowd = rng.random(len(true_image)) < crowds
    return BoxSet(images, labels, true_image, true_label, true_boxes, areas, crowd, image, label, boxes, scores)


def in_float32(boxes: BoxSet) -> BoxSet:
    """Rounded to what a device is given."""
    for name in ("boxes", "scores", "true_boxes", "true_areas"):
        setattr(boxes, name, getattr(boxes, name).astype(np.float32).astype(np.float64))
    return boxes


def as_coco(boxes: BoxSet, *, first_id: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The annotations and the results as COCO's files have them."""
    truth = {
        "images": [{"id": 10 * number + 3, "width": 300, "height": 300} for number in range(boxes.images)],
        "categories": [{"id": 2 * number + 1, "name": str(number)} for number in range(boxes.labels)],
        "annotations": [
            {
                "id": first_id + row,
                "image_id": 10 * int(boxes.true_image[row]) + 3,
                "category_id": 2 * int(boxes.true_label[row]) + 1,
                "bbox": boxes.true_boxes[row].tolist(),
                "area": float(boxes.true_areas[row]),
                "iscrowd": int(boxes.crowd[row]),
            }
            for row in range(len(boxes.true_image))
        ],
    }
    found = [
        {
            "image_id": 10 * int(boxes.image[row]) + 3,
            "category_id": 2 * int(boxes.label[row]) + 1,
            "bbox": boxes.boxes[row].tolist(),
            "score": float(boxes.scores[row]),
        }
        for row in range(len(boxes.image))
    ]
    return truth, found


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tied": {"levels": 3},
    "whole": {"whole": True, "levels": 10},
    "crowded": {"crowds": 0.5, "labels": 1, "spread": 10},
    "dense": {"labels": 1, "true_per_image": 25, "found_per_image": 60, "spread": 15, "images": 3},
    "many": {"labels": 1, "images": 2, "found_per_image": 160, "levels": 20},
    "one": {"images": 1, "labels": 1},
    "rare": {"labels": 20, "true_per_image": 2, "found_per_image": 3},
    "no truth": {"true_per_image": 0},
    "no detection": {"found_per_image": 0},
    "identical": {"spread": 0, "levels": 2},
    "flat": {"flat": 0.5},
}
"""Twelve kinds of data sets; each with 25 seeds makes three hundred."""
