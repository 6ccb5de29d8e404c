"""Kernels on boxes: average precision of a detector, by COCO's protocol."""

import contextlib
import functools
import io
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.kernel import OURS, Goal, Kernel, Run, Size
from jaxeval.metrics import AveragePrecision
from jaxeval.ops import detection

_BYTES = 60  # of a found box: four sides and a confidence of 8 bytes, and image, category and id rounded to as much
_TRUE = 7  # boxes of an image, as in COCO's validation set


@functools.cache
def _boxes(images: int, found: int, labels: int) -> dict[str, np.ndarray]:
    """Arguments of `match_detections`: true boxes of about three categories an image, and found ones around them."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(_TRUE, images)
    true_image = np.repeat(np.arange(images), counts)
    own = rng.integers(0, labels, (images, 3))
    true_label = own[true_image, rng.integers(0, 3, len(true_image))]
    sides = np.exp(rng.normal(4, 1, (len(true_image), 2))).clip(4, 400)
    true_boxes = np.concatenate([rng.uniform(0, 1, sides.shape) * (640 - sides), sides], axis=1)
    image = np.repeat(np.arange(images), found)
    first = np.cumsum(counts) - counts
    near = first[image] + (rng.random(len(image)) * counts[image]).astype(int)
    near = np.minimum(near, len(true_image) - 1)
    boxes = true_boxes[near] + rng.normal(0, 8, (len(image), 4))
    label = np.where(rng.random(len(image)) < 0.7, true_label[near], rng.integers(0, labels, len(image)))
    elsewhere = rng.random(len(image)) < 0.4
    boxes[elsewhere, :2] = rng.uniform(0, 500, (elsewhere.sum(), 2))
    boxes[:, 2:] = np.abs(boxes[:, 2:]) + 1
    return {
        "image": image,
        "label": label,
        "boxes": boxes.round(2),
        "scores": rng.random(len(image)).round(5),
        "true_image": true_image,
        "true_label": true_label,
        "true_boxes": true_boxes.round(2),
        "crowd": rng.random(len(true_image)) < 0.01,
    }


def _of_size(size: Size) -> dict[str, Any]:
    return _boxes(size["images"], size["found"], size["labels"])


def _ours(size: Size) -> Run:
    boxes = _of_size(size)

    def run() -> float:
        matched = detection.match_detections(**boxes, images=size["images"], labels=size["labels"])
        return detection.precision_recall(matched).summary()["ap"]

    return run


def _annotations(size: Size) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same as COCO's files have it."""
    boxes = _of_size(size)
    true = zip(*(boxes[name].tolist() for name in ("true_image", "true_label", "true_boxes", "crowd")), strict=True)
    truth = {
        "images": [{"id": image, "width": 640, "height": 640} for image in range(size["images"])],
        "categories": [{"id": label, "name": str(label)} for label in range(size["labels"])],
        "annotations": [
            {"id": row, "image_id": i, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": int(crowd)}
            for row, (i, c, b, crowd) in enumerate(true, start=1)
        ],
    }
    found = zip(*(boxes[name].tolist() for name in ("image", "label", "boxes", "scores")), strict=True)
    return truth, [{"image_id": i, "category_id": c, "bbox": b, "score": s} for i, c, b, s in found]


def _pycocotools(size: Size) -> Run:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = _annotations(size)
    with contextlib.redirect_stdout(io.StringIO()):
        own: Any = COCO()  # its stubs know files alone
        own.dataset = truth
        own.createIndex()
        theirs = own.loadRes(found)

    def run() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(own, theirs, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return float(evaluation.stats[0])

    return run


def _faster_coco_eval(size: Size) -> Run:
    from faster_coco_eval import COCO, COCOeval_faster

    truth, found = _annotations(size)
    with contextlib.redirect_stdout(io.StringIO()):
        own = COCO(truth)
        theirs = own.loadRes(found)

    def run() -> float:
        evaluation = COCOeval_faster(own, theirs, "bbox", print_function=lambda *_: None)
        evaluation.run()
        return float(evaluation.stats[0])

    return run


def _stream(size: Size) -> Run:
    boxes = _of_size(size)
    images, found = size["images"], size["found"]
    counts = np.bincount(boxes["true_image"], minlength=images)
    most, batch = int(counts.max()), size["batch"]
    row, column = (
        boxes["true_image"],
        np.arange(len(boxes["true_image"])) - np.repeat(np.cumsum(counts) - counts, counts),
    )
    true_labels = np.full((images, most), -1, np.int32)
    true_boxes, crowd = np.zeros((images, most, 4), np.float32), np.zeros((images, most), bool)
    for array, name in ((true_labels, "true_label"), (true_boxes, "true_boxes"), (crowd, "crowd")):
        array[row, column] = boxes[name]
    arrays = {
        "boxes": boxes["boxes"].reshape(images, found, 4).astype(np.float32),
        "scores": boxes["scores"].reshape(images, found).astype(np.float32),
        "labels": boxes["label"].reshape(images, found).astype(np.int32),
        "true_boxes": true_boxes,
        "true_labels": true_labels,
        "crowd": crowd,
        "index": np.arange(images, dtype=np.int32),
    }
    metric = AveragePrecision(labels=size["labels"], capacity=images * found, layout="xywh")
    update = jax.jit(metric.update, donate_argnums=0)
    batches = [
        {name: jnp.asarray(values[start : start + batch]) for name, values in arrays.items()}
        for start in range(0, images, batch)
    ]

    def run() -> float:
        state = metric.init()
        for one in batches:
            state = update(state, **one)
        return float(metric.by_category(state).summary()["ap"])

    return run


KERNELS = (
    Kernel(
        name="average-precision",
        title="average precision of {found} boxes in each of {images} images, {labels} categories",
        sizes={
            "small": {"images": 500, "found": 36, "labels": 80, "batch": 250},
            "paper": {"images": 5000, "found": 36, "labels": 80, "batch": 500},
        },
        contenders={
            OURS: _ours,
            f"{OURS}, streaming": _stream,
            "faster-coco-eval": _faster_coco_eval,
            "pycocotools": _pycocotools,
        },
        work=lambda size: float(size["images"] * size["found"] * _BYTES),
        rate="copy",
        goal=Goal(ratio=1.0, peer="faster-coco-eval"),
        alike=1e-4,  # the stream has boxes in float32, whose overlaps may fall on the other side of a threshold
        remark="all of COCO's twelve numbers from boxes in memory; what the peers index before is not timed",
    ),
)
