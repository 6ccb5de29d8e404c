"""Every default value of the streaming metrics, seen in what they compute."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from default_values import Default, Example, assert_complete, assert_default, defaults_of

from jaxeval import metrics, ops
from jaxeval.ops.image_quality import psnr


def rows(count: int, size: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return (shift + np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


SIDES = {"reference": rows(20, 3, 0), "generated": rows(18, 3, 1, 0.4)}
MANY = {"reference": rows(20, 3, 2), "generated": rows(9, 3, 3)}
ON_A_LINE = {side: np.arange(10, dtype=np.float32)[:, None] * np.ones(3, np.float32) for side in SIDES}
LOGITS = {"generated": rows(40, 5, 4), "index": np.arange(40)}
BOXES = {
    "boxes": np.array([[[0, 0, 40, 10], [30, 30, 45, 44], [5, 9, 10, 15]]], np.float32),
    "scores": np.array([[0.9, 0.8, 0.7]], np.float32),
    "labels": np.array([[0, 0, 0]]),
    "true_boxes": np.array([[[0, 0, 40, 12], [32, 30, 45, 48]]], np.float32),
    "true_labels": np.array([[0, 0]]),
}
IMAGES = {
    side: np.random.default_rng(seed).random((3, 16, 17, 3)).astype(np.float32)
    for side, seed in (("reference", 5), ("generated", 6))
}
BUFFERED = {
    "overflow": Default("error", ("reservoir",), {"capacity": 12, "batch": MANY}),
    "seed": Default(0, (1,), {"capacity": 12, "overflow": "reservoir", "batch": MANY}),
}
NAMED = {"name": Default("", ("other",))}
OF_PIXELS = {"colour": Default("own", ("y",)), "crop_border": Default(0, (1,))}


def rows_seen(*alone: np.ndarray, **sides: np.ndarray) -> float:
    """A function that takes whatever it is called with."""
    return float(sum(map(len, (*alone, *sides.values()))))


class Computed:
    """What a metric of some configuration says of a `batch`; its signature is the configuration's."""

    def __init__(self, metric: Callable[..., metrics.Metric]):
        self.metric = metric
        self.__signature__ = inspect.signature(metric)

    def __call__(self, *, batch: Mapping[str, Any], **configuration: Any) -> dict[str, Any]:
        made = self.metric(**configuration)
        return made.compute(made.update(made.init(), **batch)).to_dict()


DEFAULTS: dict[str, Example] = {
    "AveragePrecision": Example(
        Computed(metrics.AveragePrecision),
        {"labels": 2, "capacity": 20, "batch": BOXES},
        {
            "protocol": Default("coco", ("voc2007", "voc2010")),
            "layout": Default("xyxy", ("xywh", "cxcywh")),
            "name": Default("average_precision", ("ap",)),
        },
    ),
    "FrechetDistance": Example(
        Computed(metrics.FrechetDistance),
        {"feature_size": 3, "batch": SIDES},
        {"ddof": Default(1, (0,)), "name": Default("frechet_distance", ("fid",))},
    ),
    "ImageQuality": Example(
        Computed(metrics.ImageQuality),
        {"op": psnr, "data_range": 1.0, "batch": IMAGES},
        {"name": Default("", ("other",))},
    ),
    "InceptionScore": Example(
        Computed(metrics.InceptionScore),
        {"num_classes": 5, "batch": LOGITS},
        {
            "splits": Default(1, (2,)),
            "probabilities": Default(False, (True,)),
            "name": Default("inception_score", ("is",)),
        },
    ),
    "KernelDistance": Example(
        Computed(metrics.KernelDistance),
        {"feature_size": 3, "capacity": 20, "batch": SIDES},
        {
            **BUFFERED,
            "degree": Default(3, (2, 4)),
            "gamma": Default(None, (1.0, 0.3)),
            "coef0": Default(1.0, (0.9, 0.0)),
            "name": Default("kernel_distance", ("kid",)),
        },
    ),
    "Manifold": Example(
        Computed(metrics.Manifold),
        {"feature_size": 3, "capacity": 20, "batch": SIDES},
        {
            **BUFFERED,
            "k": Default(5, (4, 6)),
            "tie": Default("exclusive", ("inclusive",), {"batch": ON_A_LINE}),
            "name": Default("manifold", ("prdc",)),
        },
    ),
    "Mean": Example(
        Computed(metrics.Mean),
        {"name": "loss", "batch": {"loss": rows(9, 1, 9)[:, 0], "x": rows(9, 1, 10)[:, 0]}},
        {"function": Default(None, (np.abs,)), "inputs": Default((), (("x",),))},
    ),
    # Its five scales take 161 pixels a side: `ms_ssim`'s own tests see what its options do.
    "MsSsim": Example(
        Computed(metrics.MsSsim),
        {"data_range": 1.0, "batch": IMAGES},
        {"convention": Default("pytorch-msssim", ()), "colour": Default("own", ()), "crop_border": Default(0, ())},
    ),
    "OfFeatures": Example(
        Computed(metrics.OfFeatures),
        {"feature_size": 3, "capacity": 20, "function": ops.kid_full, "batch": SIDES},
        {
            **BUFFERED,
            "function": Default(None, (ops.kid_full,)),
            "alone": Default(False, (True,), {"function": rows_seen}),
            "options": Default((), ((("degree", 2),),)),
            "least": Default(2, (1, 3), {"batch": {"reference": rows(2, 3, 7), "generated": rows(1, 3, 8)}}),
            **NAMED,
        },
    ),
    "PSNR": Example(Computed(metrics.PSNR), {"data_range": 1.0, "batch": IMAGES}, OF_PIXELS),
    "SSIM": Example(
        Computed(metrics.SSIM),
        {"data_range": 1.0, "batch": IMAGES},
        {"convention": Default("scikit-image", ("torchmetrics",)), **OF_PIXELS},
    ),
}


def test_every_default_is_in_the_table():
    for name, example in DEFAULTS.items():
        assert_complete(name, example)
    buffer = inspect.signature(metrics.FeatureBuffer).parameters
    assert (buffer["overflow"].default, buffer["seed"].default) == ("error", 0)


@defaults_of(DEFAULTS, *DEFAULTS)
def test_default_values_are_the_documented_ones(example: Example, parameter: str):
    assert_default(example, parameter)
