"""Precision, recall, density and coverage by nearest-neighbour balls, and scores of single samples.

Around every row of a set lies a ball that reaches to the row's k-th nearest neighbour in the same set. Comparisons are
exact in float64 (see `neighbours`). References disagree on a sample that lies on a ball's surface, as a copy of a
reference row may: `tie` names the rule.

References: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019;
Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020; Han et al., "Rarity Score",
ICLR 2023.
"""

import functools
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
    BallCounts,
    PreparedRows,
    Tie,
    ball_counts,
    check_neighbours,
    device_radii,
    exact_pairs,
    float32_pairs,
    nearest,
    pair_strips,
    prepare_rows,
    strip_arrays,
)


class PRDC(NamedTuple):
    """Precision, recall and coverage, from 0 to 1, and density, about 1 for the reference's own distribution.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.prdc(reference=reference, generated=0.5 * generated)
      >>> scores.precision, scores.recall
      (1.0, 0.21)
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Membership(NamedTuple):
    """Which samples count for precision and recall.

    Attributes:
      generated: for each generated sample, whether a reference ball holds it, [M]; precision is the mean.
      reference: for each reference sample, whether a generated ball holds it, [N]; recall is the mean.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> inside = ops.membership(reference=reference, generated=generated)
      >>> inside.generated.shape, float(inside.generated.mean())
      ((100,), 0.88)
    """

    generated: Bool[np.ndarray, " m"]
    reference: Bool[np.ndarray, " n"]


@takes_arrays
def prdc(
    *,
    reference: Numbers,
    generated: Numbers,
    k: int = 5,
    tie: Tie | str = "exclusive",
    reference_neighbours: OwnNeighbours | None = None,
    generated_neighbours: OwnNeighbours | None = None,
) -> PRDC:
    """Precision, recall, density and coverage of generated samples by nearest-neighbour balls.

    precision: share of generated samples in at least one reference ball; recall: share of reference samples in at
    least one generated ball; density: mean number of reference balls that hold a generated sample, over k; coverage:
    share of reference balls that hold a generated sample. One outlier in the reference has a huge ball and can lift
    precision to 1: look at density and coverage too.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      k: which neighbour a ball reaches to, not counting the sample itself; 5 in the package prdc, 3 elsewhere.
      tie: whether a sample on the surface is inside: "exclusive" in prdc and dgm-eval, "inclusive" in torch-fidelity,
        StyleGAN3 and ADM.
      reference_neighbours: of the reference, where `own_neighbours` has found them already.
      generated_neighbours: the same of the generated set.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has no more than k rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> ops.prdc(reference=reference, generated=generated, k=5)
      PRDC(precision=0.94, recall=0.94, density=1.092, coverage=0.99)
    """
    counts = manifold_counts(reference, generated, k, tie, reference_neighbours, generated_neighbours)
    return prdc_of_counts(counts, k)


@takes_arrays
def membership(*, reference: Numbers, generated: Numbers, k: int = 3, tie: Tie | str = "inclusive") -> Membership:
    """Which generated samples lie in the reference's manifold, and which reference samples in the generated one's.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      k: which neighbour a ball reaches to.
      tie: whether a sample on a ball's surface is inside.

    Raises:
      InputError: as `prdc`.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference = np.arange(6.0)[:, None]
      >>> generated = np.array([[2.5], [99.0]])
      >>> ops.membership(reference=reference, generated=np.repeat(generated, 2, 0), k=1).generated
      array([ True,  True, False, False])
    """
    counts = manifold_counts(reference, generated, k, tie)
    return Membership(counts.holding > 0, counts.reached > 0)


@takes_arrays
def realism(
    *, reference: Numbers, generated: Numbers, k: int = 3, reference_neighbours: OwnNeighbours | None = None
) -> Float[np.ndarray, " m"]:
    """Realism of each generated sample: the largest ratio of a ball's radius to the distance from its centre.

    Only balls smaller than the median ball take part (and larger than a point). At least 1 means inside such a ball;
    a copy of a ball's centre has realism infinity.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      k: which neighbour a ball reaches to.
      reference_neighbours: of the reference, where `own_neighbours` has found them already.

    Returns:
      Shape [M], float64; NaN if no ball is smaller than the median one.

    Raises:
      InputError: a shape, dtype or value is wrong, or the reference has no more than k rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference = np.random.default_rng(0).normal(size=(100, 8))
      >>> generated = np.stack([reference.mean(0), np.full(8, 9.0)])
      >>> ops.realism(reference=reference, generated=generated).round(1)
      array([1.5, 0.1])
    """
    centres, points, radii = _reference_balls(reference, generated, k, reference_neighbours)
    eligible = (radii > 0) & (np.sqrt(radii) < np.median(np.sqrt(radii)))
    if not eligible.any():
        return np.full(len(points.original), np.nan)
    weights = np.full(len(radii), np.inf)
    weights[eligible] = 1 / radii[eligible]
    best = nearest(points, centres, 1, weights=weights).squared_distances[:, 0]
    return np.sqrt(np.divide(1.0, best, out=np.full(len(best), np.inf), where=best > 0))


@takes_arrays
def rarity(
    *,
    reference: Numbers,
    generated: Numbers,
    k: int = 3,
    tie: Tie | str = "exclusive",
    reference_neighbours: OwnNeighbours | None = None,
) -> Float[np.ndarray, " m"]:
    """Rarity of each generated sample: the radius of the smallest reference ball that holds it.

    The authors' published code lets balls reach to neighbour k + 1 and scores samples outside of all balls as 0.

    Args:
      reference: shape [N, D].
      generated: shape [M, D].
      k: which neighbour a ball reaches to.
      tie: whether a sample on a ball's surface is inside.
      reference_neighbours: of the reference, where `own_neighbours` has found them already.

    Returns:
      Shape [M], float64, in units of the features; NaN for a sample that no ball holds.

    Raises:
      InputError: a shape, dtype or value is wrong, or the reference has no more than k rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference = np.array([[0.0], [1.0], [2.0], [10.0], [14.0]])
      >>> generated = np.array([[0.5], [12.0], [99.0]])
      >>> ops.rarity(reference=reference, generated=generated, k=1)
      array([ 1.,  4., nan])
    """
    tie = _checked_tie(tie)
    centres, points, radii = _reference_balls(reference, generated, k, reference_neighbours)
    rank = np.empty(len(radii), np.int64)
    rank[np.argsort(radii, kind="stable")] = np.arange(len(radii))
    ranks = np.zeros(centres.rows.shape[0], np.int32)
    ranks[: len(rank)] = rank
    arrays = (*strip_arrays(points, centres), device_radii(radii, centres), jnp.asarray(ranks))
    inside = np.less_equal if tie == "inclusive" else np.less
    none = len(radii)
    smallest = np.full(len(points.original), none, np.int64)
    compute = functools.partial(_smallest_ball, arrays=arrays, none=np.int32(none), slack=points.slack)
    for start, stop, (found, doubtful) in pair_strips(points, compute):
        smallest[start:stop] = found[: stop - start]
        for _, row, column, exact in exact_pairs(doubtful[: stop - start], start, points, centres):
            held = inside(exact, radii[column])
            np.minimum.at(smallest, row[held], rank[column[held]])
    return np.append(np.sqrt(np.sort(radii)), np.nan)[smallest]


def manifold_counts(
    reference: Numbers,
    generated: Numbers,
    k: int,
    tie: Tie | str,
    reference_neighbours: OwnNeighbours | None = None,
    generated_neighbours: OwnNeighbours | None = None,
) -> BallCounts:
    """The counts that precision, recall, density and coverage are made of; arguments as for `prdc`."""
    rows = feature_pair(reference, generated)
    check_neighbours(k, reference=len(rows[0]), generated=len(rows[1]))
    tie = _checked_tie(tie)
    centres, points = prepare_rows(*rows)
    return ball_counts(
        centres,
        points,
        centre_radii=kth_or_known("reference", centres, k, reference_neighbours),
        point_radii=kth_or_known("generated", points, k, generated_neighbours),
        tie=tie,
    )


def prdc_of_counts(counts: BallCounts, k: int) -> PRDC:
    """Precision, recall, density and coverage from `manifold_counts`."""
    return PRDC(
        precision=float((counts.holding > 0).mean()),
        recall=float((counts.reached > 0).mean()),
        density=float(counts.held.sum() / (k * len(counts.holding))),
        coverage=float((counts.held > 0).mean()),
    )


def _reference_balls(
    reference: Numbers, generated: Numbers, k: int, known: OwnNeighbours | None
) -> tuple[PreparedRows, PreparedRows, Float[np.ndarray, " n"]]:
    rows = feature_pair(reference, generated)
    check_neighbours(k, reference=len(rows[0]))
    centres, points = prepare_rows(*rows)
    return centres, points, kth_or_known("reference", centres, k, known)


def _checked_tie(tie: Tie | str) -> Tie:
    if tie not in ("inclusive", "exclusive"):
        raise InputError(f"tie is {tie!r}; choose inclusive or exclusive")
    return tie


@functools.partial(jax.jit, static_argnames=("block",))
def _smallest_ball(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[
        Float[Array, "p d"],
        Float[Array, " p"],
        Float[Array, "q d"],
        Float[Array, " q"],
        Float[Array, " q"],
        Int[Array, " q"],
    ],
    none: Int[Array, ""] | np.int32,
    slack: Float[Array, ""] | float,
    block: int,
) -> tuple[Int[Array, " b"], Bool[Array, "b q"]]:
    """For each row, the least rank of a ball that surely holds it, and balls of less rank that may."""
    distances, error = float32_pairs(start, arrays[:4], slack, block)
    radii, ranks = arrays[4][None, :], arrays[5][None, :]
    surely = distances + error < radii
    found = jnp.where(surely, ranks, none).min(1)
    return found, ~surely & (distances - error <= radii) & (ranks < found[:, None])
