"""Alpha-precision and beta-recall: how much of each set lies in the typical region of the other, at every level.

The published metrics embed both sets into a ball by a network trained for it. Without training, as in the authors'
later library, the features themselves serve: the region of level alpha is the ball around the mean that holds a share
alpha of the set.

Reference: Alaa et al., "How Faithful is your Synthetic Data? Sample-level Metrics for Evaluating and Auditing
Generative Models", ICML 2022; synthcity's `AlphaPrecision` (its variant without a one-class network).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, feature_pair, row_blocks
from jaxeval.ops._own_neighbours import OwnNeighbours, kth_or_known
from jaxeval.ops.neighbours import check_neighbours, nearest, prepare_rows


class AlphaPrecision(NamedTuple):
    """Scores and the curves that they sum up.

    Attributes:
      precision: integrated alpha-precision, 1 - 2 times the area between its curve and the diagonal, from 0 to 1.
      recall: integrated beta-recall, the same; below 0 where the curve falls short of the diagonal throughout.
      levels: alpha and beta, [S], from 0 to 1.
      precision_curve: share of generated samples in the reference's ball of each level, [S].
      recall_curve: share of reference samples that are covered at each level, [S].
      levels_of_generated: for each generated sample, the share of reference samples nearer to the centre, [M].
      covered: for each reference sample, whether a generated sample is no farther than its nearest fellow, [N].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.alpha_precision(reference=reference, generated=generated)
      >>> scores.levels.shape, scores.precision_curve.shape, scores.covered.shape
      ((30,), (30,), (100,))
    """

    precision: float
    recall: float
    levels: Float[np.ndarray, " s"]
    precision_curve: Float[np.ndarray, " s"]
    recall_curve: Float[np.ndarray, " s"]
    levels_of_generated: Float[np.ndarray, " m"]
    covered: Bool[np.ndarray, " n"]


@takes_arrays
def alpha_precision(
    *,
    reference: Numbers,
    generated: Numbers,
    steps: int = 30,
    signed: bool = False,
    reference_neighbours: OwnNeighbours | None = None,
) -> AlphaPrecision:
    """Alpha-precision and beta-recall of features, without training.

    alpha-precision: share of generated samples no farther from the reference's mean than the alpha-quantile of the
    reference samples; ideally alpha. beta-recall: share of reference samples whose nearest generated sample is no
    farther than their nearest fellow, and within the beta-quantile, among these nearest samples, of the distance to
    the generated mean. Ideally beta in the paper; but even samples of the data's own distribution cover only about
    half of the reference, so that they score near .5 in integrated recall: compare with held-out data.

    In high dimensions all samples lie at nearly one distance from the mean, so a small change of scale moves the
    curve from one end to the other.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      steps: how many levels, evenly spaced from 0 to 1.
      signed: True to count area where a curve lies above the diagonal as negative, so that scores go beyond 1. Near
        1 the scores' own spread is that of noise folded over and understates how much they vary; this one's does not.
      reference_neighbours: of the reference, where `own_neighbours` has found them already.

    Raises:
      InputError: a shape, dtype or value is wrong, fewer than two reference samples, or fewer than two steps.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.alpha_precision(reference=reference, generated=generated)
      >>> round(scores.precision, 2), round(scores.recall, 2)
      (0.92, 0.39)
    """
    rows = feature_pair(reference, generated)
    check_neighbours(1, reference=len(rows[0]))
    if steps < 2:
        raise InputError(f"steps is {steps}; a curve needs at least 2")
    levels = np.linspace(0, 1, steps)
    centre, generated_centre = (common_centre(part) for part in rows)
    own, others = _distances(rows[0], centre), _distances(rows[1], centre)
    precision_curve = (others[:, None] <= np.quantile(own, levels)).mean(0)
    x, y = prepare_rows(*rows)
    found = nearest(x, y, 1)
    covered = found.squared_distances[:, 0] <= kth_or_known("reference", x, 1, reference_neighbours)
    remote = _distances(rows[1], generated_centre)[found.indices[:, 0]]
    recall_curve = (covered[:, None] & (remote[:, None] <= np.quantile(remote, levels))).mean(0)
    return AlphaPrecision(
        precision=_integrated(levels, precision_curve, signed),
        recall=_integrated(levels, recall_curve, signed),
        levels=levels,
        precision_curve=precision_curve,
        recall_curve=recall_curve,
        levels_of_generated=np.searchsorted(np.sort(own), others) / len(own),
        covered=covered,
    )


def _distances(rows: np.ndarray, centre: Float[np.ndarray, " d"]) -> Float[np.ndarray, " n"]:
    return np.concatenate([np.linalg.norm(block - centre, axis=1) for block in row_blocks(rows)])


def _integrated(levels: Float[np.ndarray, " s"], curve: Float[np.ndarray, " s"], signed: bool) -> float:
    """The library's sum: every level counts one step, the first and the last too."""
    short = levels - curve if signed else np.abs(levels - curve)
    return float(1 - 2 * short.sum() * (levels[1] - levels[0]))
