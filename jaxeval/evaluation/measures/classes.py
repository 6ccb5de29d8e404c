"""Numbers of labelled sets: class-conditional Fréchet distance, classification accuracy, diversity of classes."""

import dataclasses
from typing import Any

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.demands import (
    need_classes,
    need_directions,
    one_class,
)
from jaxeval.evaluation.measures.frechet import debiased
from jaxeval.evaluation.measures.intervals import interval_about
from jaxeval.evaluation.measures.measure import (
    SAME,
    Measure,
    Number,
    Pair,
    Sets,
    attempted,
    normal_interval,
    same_rows,
    subsampled,
)
from jaxeval.evaluation.measures.number_name import POSITIVE, UNIT, NumberName

_CLASS_FD = NumberName("class-fd", "Class FD", "lower", "Class FID", range=POSITIVE)
_CLASS_ACCURACY = NumberName(
    "class-accuracy", "Class accuracy", "higher", range=UNIT, mean_over="reference", share=True
)
_DIVERSITY_WITHIN = NumberName("diversity-within", "Diversity within classes", "higher", range=(0.0, 2.0))
_DIVERSITY_BETWEEN = NumberName("diversity-between", "Diversity between classes", None, range=(0.0, 2.0))


def by_class(pair: Pair) -> list[Number]:
    """Class-conditional Fréchet distance and classification accuracy."""
    assert pair.reference.labels is not None
    assert pair.generated.labels is not None
    given = {
        **pair.rows(),
        "reference_labels": pair.reference.labels,
        "generated_labels": pair.generated.labels,
    }
    return [
        attempted(_CLASS_FD, lambda: _distance_of_classes(pair, given)),
        attempted(_CLASS_ACCURACY, lambda: _accuracy_of_classes(pair, given)),
    ]


def _accuracy_of_classes(pair: Pair, given: Sets) -> Number:
    if one_class(pair.generated):
        raise InputError(f"all images of {pair.generated.name!r} are of one class, and a classifier needs two")
    need_classes(1, pair.reference, pair.generated)
    options: dict[str, Any] = {"regularisation": 1e-3}
    accuracy = ops.classification_accuracy_score(**given, **options)
    interval = interval_about(_CLASS_ACCURACY, accuracy.accuracy, 0.0, {"reference": len(accuracy.correct)})
    method = "95%, binomial over the reference images (Clopper and Pearson, 1934), for this classifier"
    definition = "share of reference images that a linear classifier of generated images labels right"
    return Number(_CLASS_ACCURACY, accuracy.accuracy, definition, interval, method, options)


def _distance_of_classes(pair: Pair, given: Sets) -> Number:
    """The class-conditional Fréchet distance, and without its bias where every class has more images than features."""
    need_classes(2, pair.reference, pair.generated)
    distances = ops.class_frechet(**given)
    parts = [
        [given[side][given[f"{side}_labels"] == label] for side in ("reference", "generated")]
        for label in distances.classes
    ]
    value = 0.0 if all(same_rows(*part) for part in parts) else distances.mean
    definition = "mean over the classes of the Fréchet distance of their images"
    number = Number(_CLASS_FD, value, definition, None, SAME, {"classes": len(parts)})
    if value == 0 or not pair.with_intervals:
        return number
    found = [_frechet_uncertainty(*part) for part in parts]
    whole = ops.FrechetUncertainty(
        bias=float(np.mean([one.bias for one in found])),
        standard_error=float(np.sqrt(np.square([one.standard_error for one in found]).sum())) / len(found),
        bias_shortfall=float(np.mean([one.bias_shortfall for one in found])),
    )
    how = "influence of single images, about the value and its bias"
    interval, method = normal_interval(_CLASS_FD, value, whole.standard_error, how)
    number = dataclasses.replace(number, interval=interval, interval_method=method)
    fewest, size = min(len(side) for part in parts for side in part), parts[0][0].shape[1]
    if fewest <= size or interval is None:
        return number
    return dataclasses.replace(number, debiased=debiased(_CLASS_FD, value, whole))


def _frechet_uncertainty(reference: np.ndarray, generated: np.ndarray) -> ops.FrechetUncertainty:
    return ops.frechet_uncertainty(
        reference=ops.gaussian_from_features(reference),
        generated=ops.gaussian_from_features(generated),
        reference_rows=reference,
        generated_rows=generated,
        n_reference=len(reference),
        n_generated=len(generated),
    )


def class_diversity(pair: Pair) -> list[Number]:
    """Diversity within classes and between them."""
    need_classes(2, pair.generated)
    need_directions(pair.generated)

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.class_diversity(rows["generated"], rows["generated_labels"])
        return {"diversity-within": found.within, "diversity-between": found.between}

    definitions = {
        _DIVERSITY_WITHIN: "mean cosine distance of two generated images of one class",
        _DIVERSITY_BETWEEN: "mean cosine distance of two generated images of different classes",
    }
    undefined = {"diversity-between": f"all images of {pair.generated.name!r} are of one class"}
    return subsampled(pair, compute, definitions, {}, labelled=True, alone=True, undefined=undefined)


MEASURES = (
    Measure(
        "by-class",
        (_CLASS_FD, _CLASS_ACCURACY),
        by_class,
        needs_labels=True,
        what="class-conditional Fréchet distance, classification accuracy",
        blind_to="which classes are confused with which",
    ),
    Measure(
        "class-diversity",
        (_DIVERSITY_WITHIN, _DIVERSITY_BETWEEN),
        class_diversity,
        needs_labels=True,
        what="mean distances within classes and between them",
        blind_to="the reference",
    ),
)
