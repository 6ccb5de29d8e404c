"""P-precision and P-recall: precision and recall with a soft membership instead of hard balls.

Reference: Park and Kim, "Probabilistic Precision and Recall Towards Reliable Evaluation of Generative Models", ICCV
2023.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair
from jaxeval.ops._own_neighbours import OwnNeighbours, kth_or_known
from jaxeval.ops.neighbours import (
    PreparedRows,
    check_neighbours,
    exact_pairs,
    float32_pairs,
    pair_strips,
    prepare_rows,
    strip_arrays,
)

# Pairs so near that float32 knows their distance to less than one part in this go to the host.
_NEAR = 1024.0


class ProbabilisticPrecisionRecall(NamedTuple):
    """P-precision and P-recall, both from 0 to 1.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.probabilistic_precision_recall(reference=reference, generated=0.5 * generated)
      >>> scores.precision > scores.recall
      True
    """

    precision: float
    recall: float


@takes_arrays
def probabilistic_precision_recall(
    *,
    reference: Numbers,
    generated: Numbers,
    k: int = 4,
    stretch: float = 1.2,
    strict: bool = True,
    reference_neighbours: OwnNeighbours | None = None,
    generated_neighbours: OwnNeighbours | None = None,
) -> ProbabilisticPrecisionRecall:
    """P-precision and P-recall of two sets, whose samples belong to each other's manifolds by degrees.

    P-precision is the mean over generated samples y of 1 - prod_x min(|x - y| / R, 1) over reference samples x, where R
    is `stretch` times the mean distance of a reference sample to its k-th neighbour; P-recall the same with the
    roles swapped.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      k: which neighbour, not counting the sample itself.
      stretch: positive factor.
      strict: whether a set in which every row has k copies, so that R is 0, is an error. If not, the number that
        needs this R, P-precision for the reference and P-recall for the generated set, is NaN.
      reference_neighbours: of the reference, where `own_neighbours` has found them already.
      generated_neighbours: the same of the generated set.

    Raises:
      InputError: a shape, dtype or value is wrong, a set has no more than k rows, or (if strict) all its rows coincide.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.probabilistic_precision_recall(reference=reference, generated=generated)
      >>> round(scores.precision, 2), round(scores.recall, 2)
      (0.76, 0.72)
    """
    rows = feature_pair(reference, generated)
    check_neighbours(k, reference=len(rows[0]), generated=len(rows[1]))
    if not (stretch > 0 and math.isfinite(stretch)):
        raise InputError(f"stretch is {stretch}; it must be a positive number")
    x, y = prepare_rows(*rows)
    return ProbabilisticPrecisionRecall(
        precision=_soft_membership(y, x, stretch * _mean_radius("reference", x, k, strict, reference_neighbours)),
        recall=_soft_membership(x, y, stretch * _mean_radius("generated", y, k, strict, generated_neighbours)),
    )


def _mean_radius(name: str, rows: PreparedRows, k: int, strict: bool, known: OwnNeighbours | None) -> float:
    radius = float(np.sqrt(kth_or_known(name, rows, k, known)).mean())
    if strict and not radius > 0:
        raise InputError(f"every row of {name} has {k} copies, so its samples have no distance to compare with")
    return radius


def _soft_membership(points: PreparedRows, centres: PreparedRows, radius: float) -> float:
    """Mean over the points of 1 - prod over the centres of min(distance / radius, 1); NaN for a radius of 0."""
    if radius == 0:
        return math.nan
    reach = radius**2
    compute = functools.partial(
        _log_distances,
        arrays=strip_arrays(points, centres),
        reach=np.float32(reach * points.scale**2),
        slack=points.slack,
    )
    total = np.zeros(len(points.original))
    for start, stop, (logs, near) in pair_strips(points, compute):
        total[start:stop] = logs[: stop - start]
        for _, row, _, exact in exact_pairs(near[: stop - start], start, points, centres):
            with np.errstate(divide="ignore"):  # a copy is a member for certain: log 0
                np.add.at(total, row, np.log(np.minimum(exact / reach, 1)))
    return float(-np.expm1(total / 2).mean())


@functools.partial(jax.jit, static_argnames=("block",))
def _log_distances(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]],
    reach: Float[Array, ""] | np.float32,
    slack: Float[Array, ""] | float,
    block: int,
) -> tuple[Float[Array, " b"], Bool[Array, "b q"]]:
    """For each row, the sum of log min(squared distance / reach, 1), without the pairs too near for float32."""
    distances, error = float32_pairs(start, arrays, slack, block)
    near = distances < _NEAR * error
    shares = jnp.where(near | (distances > reach), 1.0, distances / reach)
    return jnp.log(shares).sum(1), near
