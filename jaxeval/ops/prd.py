"""Precision-recall curves of distributions (PRD): trade-offs between quality and diversity over shared clusters.

Reference: Sajjadi et al., "Assessing Generative Models via Precision and Recall", NeurIPS 2018.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair
from jaxeval.ops.clusters import cluster_labels
from jaxeval.ops.neighbours import prepare_rows

_EDGE = 1e-10  # angle from either end, where the slope is 0 or infinite


class PRDCurve(NamedTuple):
    """Points of a curve, from all recall to all precision.

    Attributes:
      precision: shape [A], float64, from 0 to 1.
      recall: shape [A].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> curve = ops.prd_curve(reference=np.array([5, 5]), generated=np.array([10, 0]), angles=101)
      >>> curve.precision.shape, float(curve.recall.max().round(3))
      ((101,), 0.5)
    """

    precision: Float[np.ndarray, " a"]
    recall: Float[np.ndarray, " a"]


@takes_arrays
def precision_recall_distribution(
    *, reference: Numbers, generated: Numbers, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> PRDCurve:
    """PRD curve of two sets: both are clustered together, and their histograms over the clusters compared.

    The published code asks for equal numbers of samples, because the larger set would pull the clusters; here every
    sample weighs 1 / (its set's size) in the clustering instead.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      clusters: number of clusters.
      runs: clusterings whose curves are averaged, each from its own start.
      angles: points of the curve.
      seed: seeds the clusterings' starts.

    Raises:
      InputError: a shape, dtype or value is wrong, or there are fewer samples than clusters.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> curve = ops.precision_recall_distribution(reference=reference, generated=generated, clusters=5, runs=2)
      >>> curve.precision.shape, curve.recall.shape
      ((1001,), (1001,))
    """
    rows = feature_pair(reference, generated)
    n, m = map(len, rows)
    if clusters < 2 or runs < 1 or n + m < clusters:
        raise InputError(
            f"clusters is {clusters} and runs {runs} for {n + m} rows; at least 2 clusters, 1 run and a row a cluster"
        )
    x, y = prepare_rows(*rows)
    weights = np.repeat([1 / n, 1 / m], [n, m])
    labels = cluster_labels(
        jnp.concatenate([x.rows[:n], y.rows[:m]]),
        weights,
        clusters=clusters,
        runs=runs,
        state=np.random.RandomState(seed),
    )
    curves = [
        prd_curve(
            reference=np.bincount(run[:n], minlength=clusters),
            generated=np.bincount(run[n:], minlength=clusters),
            angles=angles,
        )
        for run in labels.T
    ]
    return PRDCurve(*(np.mean(part, axis=0) for part in zip(*curves, strict=True)))


@takes_arrays
def prd_curve(*, reference: Numbers, generated: Numbers, angles: int = 1001) -> PRDCurve:
    """PRD curve of two discrete distributions: precision sum_i min(slope r_i, g_i), recall the same over the slope.

    Args:
      reference: counts or probabilities of each state, shape [S], not negative.
      generated: the same for the generated distribution, shape [S].
      angles: how many slopes tan(angle), at equal angles between 0 and 90 degrees.

    Raises:
      InputError: shapes differ, a value is negative or not finite, a distribution is empty, or fewer than 3 angles.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> curve = ops.prd_curve(reference=np.array([0.5, 0.5]), generated=np.array([1.0, 0.0]), angles=3)
      >>> curve.precision.round(3), curve.recall.round(3)
      (array([0. , 0.5, 1. ]), array([0.5, 0.5, 0. ]))
    """
    shares = []
    for name, counts in (("reference", reference), ("generated", generated)):
        values = np.asarray(counts, np.float64)
        if values.ndim != 1 or not values.size or not np.isfinite(values).all() or values.min() < 0 or not values.sum():
            raise InputError(f"{name} must be a vector of counts, none negative and not all zero")
        shares.append(values / values.sum())
    if shares[0].shape != shares[1].shape:
        raise InputError(f"reference has {len(shares[0])} states and generated {len(shares[1])}; they must be the same")
    if angles < 3:
        raise InputError(f"angles is {angles}; a curve needs at least 3")
    slopes = np.tan(np.linspace(_EDGE, np.pi / 2 - _EDGE, angles))
    precision = np.minimum(slopes[:, None] * shares[0], shares[1]).sum(1)
    # Sums of shares end within rounding of 1.
    return PRDCurve(np.minimum(precision, 1), np.minimum(precision / slopes, 1))


@takes_arrays
def prd_f_scores(curve: PRDCurve, *, beta: float = 8.0) -> tuple[float, float]:
    """Largest F_beta (recall weighs beta times precision) and F_(1/beta) on a curve: its two published summaries.

    Raises:
      InputError: beta is not above 1.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> curve = ops.prd_curve(reference=np.array([0.5, 0.5]), generated=np.array([1.0, 0.0]))
      >>> recall, precision = ops.prd_f_scores(curve)
      >>> round(recall, 2), round(precision, 2)
      (0.5, 0.98)
    """
    if not beta > 1:
        raise InputError(f"beta is {beta}; it must be above 1")
    return _largest_f(curve, beta), _largest_f(curve, 1 / beta)


def _largest_f(curve: PRDCurve, beta: float) -> float:
    precision, recall = curve
    weighted = beta**2 * precision + recall
    scores = np.divide((1 + beta**2) * precision * recall, weighted, out=np.zeros_like(weighted), where=weighted > 0)
    return float(scores.max())
