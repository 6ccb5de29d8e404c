"""Metrics of class-conditional generators: a Fréchet distance for each class, and classification accuracy score.

References: Benny et al., "Evaluation Metrics for Conditional Image Generation", IJCV 2021 (within-class FID); Ravuri
and Vinyals, "Classification Accuracy Score for Conditional Generative Models", NeurIPS 2019.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float, Int
from scipy.special import log_softmax

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, feature_pair, row_blocks, squared_deviations
from jaxeval.ops.frechet import frechet_distance_from_features

_ITERATIONS = 500


class ClassFrechet(NamedTuple):
    """Fréchet distances between the two sets' samples of one class.

    Attributes:
      mean: mean of the classes' distances, each class counting once.
      values: distance of each class, [C].
      classes: their labels, ascending, [C].
      counts: samples of each class, reference and generated, [C, 2].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 60, 4))
      >>> labels = np.arange(60) % 3
      >>> distances = ops.class_frechet(
      ...     reference=reference, reference_labels=labels, generated=generated, generated_labels=labels
      ... )
      >>> distances.classes, distances.values.shape, distances.counts.tolist()
      (array([0, 1, 2]), (3,), [[20, 20], [20, 20], [20, 20]])
    """

    mean: float
    values: Float[np.ndarray, " c"]
    classes: Int[np.ndarray, " c"]
    counts: Int[np.ndarray, "c 2"]


class ClassificationAccuracy(NamedTuple):
    """How well a classifier that learned from generated samples knows the reference's classes.

    Attributes:
      accuracy: share of reference samples that it labels right.
      per_class: that share for each class, [C].
      classes: their labels, ascending, [C].
      correct: for each reference sample, whether its label is right, [N]; `accuracy` is the mean.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> labels = np.arange(60) % 3
      >>> reference, generated = 9 * np.eye(4)[labels] + np.random.default_rng(0).normal(size=(2, 60, 4))
      >>> score = ops.classification_accuracy_score(
      ...     reference=reference, reference_labels=labels, generated=generated, generated_labels=labels
      ... )
      >>> score.classes, score.per_class.shape, score.correct.shape
      (array([0, 1, 2]), (3,), (60,))
    """

    accuracy: float
    per_class: Float[np.ndarray, " c"]
    classes: Int[np.ndarray, " c"]
    correct: Bool[np.ndarray, " n"]


@takes_arrays
def class_frechet(
    *, reference: Numbers, reference_labels: Numbers, generated: Numbers, generated_labels: Numbers
) -> ClassFrechet:
    """Class-conditional (intra-class) Fréchet distance: one for each class, and their mean.

    A generator that ignores its labels, or that makes one image a class, may have a small distance over all classes
    together; here it does not. Classes have few samples each, so the bias d(d+5)/4 (1/n + 1/m) of each distance is
    large: compare only at equal numbers.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      reference_labels: shape [N], integers.
      generated: shape [M, D].
      generated_labels: shape [M], integers; the class each sample was asked for.

    Raises:
      InputError: a shape, dtype or value is wrong, or a class has fewer than two samples on one side.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference = np.random.default_rng(0).normal(size=(60, 4))
      >>> labels = np.arange(60) % 3
      >>> distances = ops.class_frechet(
      ...     reference=reference, reference_labels=labels, generated=reference + 1, generated_labels=labels
      ... )
      >>> round(distances.mean, 6)
      4.0
    """
    rows = feature_pair(reference, generated)
    labels = [_labels("reference", reference_labels, rows[0]), _labels("generated", generated_labels, rows[1])]
    classes = np.unique(np.concatenate(labels))
    counts = np.stack([(side[:, None] == classes).sum(0) for side in labels], axis=1)
    for side, name in enumerate(("reference", "generated")):
        if counts[:, side].min() < 2:
            few = int(np.argmin(counts[:, side]))
            raise InputError(
                f"class {classes[few]} has {counts[few, side]} {name} samples; its Fréchet distance needs two a side"
            )
    values = np.array(
        [
            frechet_distance_from_features(reference=rows[0][labels[0] == label], generated=rows[1][labels[1] == label])
            for label in classes
        ]
    )
    return ClassFrechet(float(values.mean()), values, classes, counts)


@takes_arrays
def classification_accuracy_score(
    *,
    reference: Numbers,
    reference_labels: Numbers,
    generated: Numbers,
    generated_labels: Numbers,
    regularisation: float = 1e-3,
) -> ClassificationAccuracy:
    """Classification accuracy score on features: train on the generated samples, test on the reference.

    The published score trains a ResNet-50 on generated images; here the classifier is multinomial logistic regression
    on the extractor's features: the mean cross-entropy plus `regularisation` / 2 times the sum of the squared weights
    (intercepts are free), to its minimum by L-BFGS in float64. Features are first centred and divided by their
    standard deviation over the generated samples. Nothing in it is random.

    Compare with the same classifier trained on held-out data, which bounds what these features can tell.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      reference_labels: shape [N], integers.
      generated: shape [M, D].
      generated_labels: shape [M], integers; the class each sample was asked for.
      regularisation: weight of the squared weights in the loss; positive.

    Raises:
      InputError: a shape, dtype or value is wrong, fewer than two generated classes, or a reference class that no
        generated sample has.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> labels = np.arange(60) % 3
      >>> reference, generated = 9 * np.eye(4)[labels] + np.random.default_rng(0).normal(size=(2, 60, 4))
      >>> score = ops.classification_accuracy_score(
      ...     reference=reference, reference_labels=labels, generated=generated, generated_labels=labels
      ... )
      >>> score.accuracy
      1.0
    """
    rows = feature_pair(reference, generated)
    labels = [_labels("reference", reference_labels, rows[0]), _labels("generated", generated_labels, rows[1])]
    if not (np.isfinite(regularisation) and regularisation > 0):
        raise InputError(f"regularisation is {regularisation}; it must be a positive number")
    classes, targets = np.unique(labels[1], return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"all generated samples have class {classes[0]}; a classifier needs two classes")
    unknown = np.setdiff1d(labels[0], classes)
    if unknown.size:
        raise InputError(f"no generated sample has class {unknown[0]}, which the reference has; generate some")
    mean = common_centre(rows[1])
    variance = squared_deviations(rows[1], mean) / len(rows[1])
    live = variance > 0
    scale = np.sqrt(variance[live])
    weights = _fit(_standard(rows[1], mean, live, scale), targets, len(classes), regularisation)
    scores = _standard(rows[0], mean, live, scale) @ weights[:-1] + weights[-1]
    correct = classes[scores.argmax(1)] == labels[0]
    present, members = np.unique(labels[0], return_inverse=True)
    per_class = np.full(len(classes), np.nan)
    per_class[np.searchsorted(classes, present)] = np.bincount(members, correct) / np.bincount(members)
    return ClassificationAccuracy(float(correct.mean()), per_class, classes, correct)


def _labels(name: str, labels: Numbers, rows: np.ndarray) -> Int[np.ndarray, " n"]:
    values = np.asarray(labels)
    if values.shape != rows.shape[:1] or not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            f"{name}_labels has shape {values.shape} and dtype {values.dtype}; expected an integer for each of the "
            f"{len(rows)} {name} rows"
        )
    return values


def _standard(
    rows: np.ndarray, mean: Float[np.ndarray, " d"], live: Bool[np.ndarray, " d"], scale: Float[np.ndarray, " e"]
) -> Float[np.ndarray, "n e"]:
    return np.concatenate([(block - mean)[:, live] / scale for block in row_blocks(rows)])


def _fit(
    features: Float[np.ndarray, "n d"], targets: Int[np.ndarray, " n"], classes: int, regularisation: float
) -> Float[np.ndarray, "d1 c"]:
    """Weights, and intercepts in the last row, of the regularised logistic regression."""
    count, width = features.shape
    shape = (width + 1, classes)

    def loss(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        weights = flat.reshape(shape)
        log_p = log_softmax(features @ weights[:-1] + weights[-1], axis=1)
        cross_entropy = -log_p[np.arange(count), targets].mean()
        errors = np.exp(log_p)
        errors[np.arange(count), targets] -= 1
        errors /= count
        gradient = np.concatenate([features.T @ errors + regularisation * weights[:-1], errors.sum(0)[None]])
        return float(cross_entropy + regularisation / 2 * np.square(weights[:-1]).sum()), gradient.ravel()

    options = {"maxiter": _ITERATIONS, "gtol": 1e-7, "ftol": 0.0, "maxcor": 20}
    found = scipy.optimize.minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(shape)
