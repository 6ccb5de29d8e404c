"""One set of data with every hazard in it, the metrics under test, and what NumPy and SciPy say in float64."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from scipy.spatial.distance import cdist
from scipy.special import softmax

from jaxeval.metrics import (
    PSNR,
    AveragePrecision,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    Manifold,
    Mean,
    Metric,
)
from jaxeval.ops import detection

STEPS, BATCH, FEATURES, CLASSES, K = 6, 16, 5, 7, 3
IMAGE = (6, 5, 3)
TRUE, FOUND, LABELS = 4, 9, 3  # boxes of an image, some of them padding, and their categories
CAPACITY = 2 * STEPS * BATCH  # a buffer's shards are equal: of two hosts, one may get all rows


def make_batches(devices: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of [STEPS, BATCH, ...]: one step is masked throughout, and so is the first of several devices.

    What is masked is NaN, means are large beside the spread, and the sides have different masks.
    """
    rng = np.random.default_rng(seed)
    shape = (STEPS, BATCH, FEATURES)
    mix = rng.normal(size=(FEATURES, FEATURES))
    batches: dict[str, np.ndarray] = {
        "reference": 10 + rng.normal(size=shape) @ mix,
        "generated": 10.3 + 1.2 * rng.normal(size=shape) @ mix,
        "logits": 3 * rng.normal(size=(STEPS, BATCH, CLASSES)),
    }
    masks = {name: rng.random((STEPS, BATCH)) < 0.8 for name in ("reference_mask", "generated_mask")}
    for mask in masks.values():
        mask[2] = False
        if devices > 1:
            mask[:, : BATCH // devices] = False
    images = rng.uniform(size=(STEPS, BATCH, *IMAGE))
    batches["reference_images"] = images
    batches["images"] = np.clip(images + 0.1 * rng.normal(size=images.shape), 0, 1)
    true_boxes = np.concatenate(
        [rng.uniform(0, 50, (*shape[:2], TRUE, 2)), rng.uniform(5, 120, (*shape[:2], TRUE, 2))], -1
    )
    near = rng.integers(0, TRUE, (*shape[:2], FOUND))
    boxes = np.take_along_axis(true_boxes, near[..., None], axis=2) + rng.normal(0, 3, (*shape[:2], FOUND, 4))
    boxes[..., 2:] = np.abs(boxes[..., 2:])
    batches |= {"true_boxes": true_boxes, "boxes": boxes, "scores": rng.random((*shape[:2], FOUND))}
    true_labels = rng.integers(0, LABELS, (*shape[:2], TRUE))
    labels = np.take_along_axis(true_labels, near, axis=2)
    others = {
        "true_labels": np.where(rng.random(true_labels.shape) < 0.3, -1, true_labels).astype(np.int32),
        "labels": np.where(rng.random(labels.shape) < 0.1, -1, labels).astype(np.int32),
        "crowd": rng.random(true_labels.shape) < 0.1,
    }
    for name, values in batches.items():
        mask = masks["reference_mask" if name.startswith("reference") else "generated_mask"]
        mask = mask.reshape(STEPS, BATCH, *[1] * (values.ndim - 2))
        batches[name] = np.where(mask, values, np.nan).astype(np.float32)
    index = np.arange(STEPS * BATCH, dtype=np.int32).reshape(STEPS, BATCH)
    return {**batches, **others, **masks, "index": index}


def squared_error(reference: Any, generated: Any) -> Any:
    """A per-sample function of both sides."""
    return ((reference - generated) ** 2).mean(-1)


@dataclasses.dataclass(frozen=True)
class Case:
    """A metric, which arrays of a batch it gets by which keyword, and its value by an independent computation."""

    metric: Metric
    inputs: dict[str, str]
    expected: Callable[[dict[str, np.ndarray]], Any]
    tolerance: float  # of the host value, relative to `scale`; see docs/precision.md
    device_tolerance: float  # of the device value, likewise
    scale: Callable[[dict[str, np.ndarray]], float] | None = None  # what rounding is relative to; the value if None

    def close_to(self, batches: dict[str, np.ndarray], *, device: bool = False) -> Any:
        """What the metric's value has to equal on these rows."""
        expected, tolerance = self.expected(batches), self.device_tolerance if device else self.tolerance
        if self.scale is None:
            return pytest.approx(expected, rel=tolerance)
        return pytest.approx(expected, rel=0, abs=tolerance * self.scale(batches))

    def pick(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {key: batch[name] for key, name in self.inputs.items()}


def counted(batches: dict[str, np.ndarray], name: str, mask: str) -> np.ndarray:
    """The rows that count, float64."""
    return batches[name][batches[mask]].astype(np.float64)


def sides(batches: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return counted(batches, "reference", "reference_mask"), counted(batches, "generated", "generated_mask")


def frechet_by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.sqrt(np.real(np.asarray(scipy.linalg.eigvals(a @ b)))).sum()
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * root


def kernel_distance_by_numpy(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray, b: np.ndarray, off: bool) -> float:
        values = (a @ b.T / a.shape[1] + 1) ** 3
        return (values.sum() - off * np.trace(values)) / (len(a) * (len(b) - off))

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def kernel_scale(x: np.ndarray, y: np.ndarray) -> float:
    """Mean size of the kernel's deviation from its value at the centre, which is what is rounded to float32."""
    both = np.concatenate([x, y])
    centre = both.mean(0)
    values = (both @ both.T / both.shape[1] + 1) ** 3 - (centre @ centre / both.shape[1] + 1) ** 3
    return float(np.abs(values).mean())


def manifold_by_scipy(x: np.ndarray, y: np.ndarray, k: int = K) -> dict[str, float]:
    radius_x, radius_y = (np.sort(cdist(rows, rows), axis=1)[:, k] for rows in (x, y))
    distances = cdist(x, y)
    return {
        "precision": (distances < radius_x[:, None]).any(0).mean(),
        "recall": (distances < radius_y[None, :]).any(1).mean(),
        "density": (distances < radius_x[:, None]).sum() / (k * len(y)),
        "coverage": (distances < radius_x[:, None]).any(1).mean(),
    }


def inception_score_by_numpy(batches: dict[str, np.ndarray], splits: int) -> float:
    p = softmax(counted(batches, "logits", "generated_mask"), axis=1)
    index = batches["index"][batches["generated_mask"]]
    scores = []
    for split in range(splits):
        part = p[index % splits == split]
        scores.append(np.exp((part * np.log(part / part.mean(0))).sum(1).mean()))
    return float(np.mean(scores))


def mean_squared_error(batches: dict[str, np.ndarray]) -> float:
    both = batches["reference_mask"] & batches["generated_mask"]
    x, y = (batches[name][both].astype(np.float64) for name in ("reference", "generated"))
    return float(np.square(x - y).mean())


def mean_psnr(batches: dict[str, np.ndarray]) -> float:
    both = batches["reference_mask"] & batches["generated_mask"]
    x, y = (batches[name][both].astype(np.float64) for name in ("reference_images", "images"))
    return float(np.mean(-10 * np.log10(np.square(x - y).mean((1, 2, 3)))))


def average_precision(batches: dict[str, np.ndarray]) -> float:
    """From flat arrays, in float64, as it is compared with COCO's own evaluation."""
    counts = batches["generated_mask"].reshape(-1)
    flat = {
        name: values.reshape(len(counts), *values.shape[batches["index"].ndim :]) for name, values in batches.items()
    }
    found, true = ((flat[name] >= 0) & counts[:, None] for name in ("labels", "true_labels"))
    place = np.argsort(np.argsort(flat["index"]))[:, None]
    matched = detection.match_detections(
        image=np.broadcast_to(place, found.shape)[found],
        label=flat["labels"][found],
        boxes=flat["boxes"][found],
        scores=flat["scores"][found],
        true_image=np.broadcast_to(place, true.shape)[true],
        true_label=flat["true_labels"][true],
        true_boxes=flat["true_boxes"][true],
        crowd=flat["crowd"][true],
        images=len(counts),
        labels=LABELS,
    )
    return detection.precision_recall(matched).summary()["ap"]


_BOTH = {name: name for name in ("reference", "generated", "reference_mask", "generated_mask")}
_BOXES = {name: name for name in ("boxes", "scores", "labels", "true_boxes", "true_labels", "crowd", "index")}
_LOGITS = {"generated": "logits", "mask": "generated_mask", "index": "index"}

CASES: dict[str, Case] = {
    "average precision": Case(
        AveragePrecision(labels=LABELS, capacity=2 * STEPS * BATCH * FOUND, layout="xywh"),
        {**_BOXES, "mask": "generated_mask"},
        average_precision,
        1e-12,
        1e-6,
    ),
    "frechet distance": Case(FrechetDistance(FEATURES), _BOTH, lambda b: frechet_by_scipy(*sides(b)), 5e-7, 1e-5),
    "inception score": Case(
        InceptionScore(CLASSES, splits=4), _LOGITS, lambda b: inception_score_by_numpy(b, 4), 2e-7, 5e-7
    ),
    "kernel distance": Case(
        KernelDistance(FEATURES, CAPACITY),
        _BOTH,
        lambda b: kernel_distance_by_numpy(*sides(b)),
        2e-7,
        5e-7,
        scale=lambda b: kernel_scale(*sides(b)),
    ),
    "manifold": Case(
        Manifold(FEATURES, CAPACITY, "reservoir", k=K),
        {**_BOTH, "index": "index"},
        lambda b: manifold_by_scipy(*sides(b)),
        1e-12,
        1e-6,
    ),
    "mean": Case(
        Mean("squared error", squared_error, ("reference", "generated")), _BOTH, mean_squared_error, 2e-7, 5e-7
    ),
    "psnr": Case(
        PSNR(data_range=1.0),
        {**_BOTH, "reference": "reference_images", "generated": "images"},
        mean_psnr,
        2e-7,
        5e-7,
    ),
}
