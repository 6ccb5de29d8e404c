"""Correlations of a metric with people, with bootstrap intervals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import AnyArray, Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.ops.agreement._draws import Estimate, draws_of
from jaxeval.ops.agreement._pair_tiles import Rows, pair_sums, pair_total
from jaxeval.ops.agreement._pairs_of_values import value_pair
from jaxeval.ops.agreement._ranks import Order, drawn_ranks, mid_ranks, order_of, tied_squares

_ENTRIES = 1 << 22  # of an array over repeats and rows: 16 MiB


@takes_arrays
def pearson(
    metric: Numbers,
    human: Numbers,
    *,
    clusters: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Pearson's correlation of a metric with people's values, with a bootstrap interval.

    Args:
      metric: of each row (an item, a system, or an item of a system), shape [N].
      human: people's value of the same rows.
      clusters: a number for each row; rows of the same number are drawn together, as those of one item. Shape [N, C]
        is of C ways at once, as items and systems: each is drawn by itself, and a row counts as often as both say. None
        stands for rows that are drawn one by one.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: seeds the bootstrap; estimates of the same rows, clusters, repeats and seed are of the same draws.

    Returns:
      The estimate; NaN where one side is constant.

    Raises:
      InputError: shapes or values do not fit, or an option is out of its range.

    Reference: Pearson, "Notes on regression and inheritance in the case of two parents", 1895; Field and Welsh,
    "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69(3), 2007.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.pearson([0.1, 0.4, 0.35, 0.8, 0.9], [1.0, 2.5, 2.0, 4.5, 4.0])
      >>> round(found.value, 3)
      0.971
    """
    x, y = value_pair(metric, human)
    draws = draws_of(len(x), clusters, repeats, confidence, seed)
    orders = [_on_device(order_of(side)) for side in (x, y)]
    sides = [jnp.asarray(_standard(side), jnp.float32) for side in (x, y)]
    batches = draws.batches(max(len(x), _ENTRIES))
    parts = [np.asarray(_pearson(*sides, *orders, jnp.asarray(weights))) for weights in batches]
    return draws.estimate(correlation(x, y), parts)


@takes_arrays
def spearman(
    metric: Numbers,
    human: Numbers,
    *,
    clusters: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Spearman's rank correlation of a metric with people's values, with a bootstrap interval.

    It is Pearson's correlation of the ranks; equal values have the mean of theirs. Ranks are found anew in each repeat.

    Args:
      metric: of each row, shape [N].
      human: people's value of the same rows.
      clusters: as of `pearson`.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: as of `pearson`.

    Returns:
      The estimate; NaN where one side is constant.

    Raises:
      InputError: shapes or values do not fit, or an option is out of its range.

    Reference: Spearman, "The proof and measurement of association between two things", American Journal of Psychology
    15(1), 1904.

    Example:
      >>> from jaxeval.ops import agreement
      >>> round(agreement.spearman([0.1, 0.4, 0.35, 0.8, 0.9], [1.0, 2.5, 2.0, 4.5, 4.0]).value, 3)
      0.9
    """
    x, y = value_pair(metric, human)
    draws = draws_of(len(x), clusters, repeats, confidence, seed)
    orders = [_on_device(order_of(side)) for side in (x, y)]
    parts = [np.asarray(_spearman(*orders, jnp.asarray(weights))) for weights in draws.batches(max(len(x), _ENTRIES))]
    return draws.estimate(correlation(mid_ranks(x), mid_ranks(y)), parts)


@takes_arrays
def kendall_tau(
    metric: Numbers,
    human: Numbers,
    *,
    clusters: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Kendall's tau-b of a metric with people's values, with a bootstrap interval.

    (C - D) / sqrt((P - T) (P - U)) of P pairs of rows, of which C have one order on both sides and D opposite ones, and
    T and U tie on one side. Pairs are counted in tiles, for all repeats at once, so that memory does not grow with
    their number; time does. A row that is drawn twice ties with itself on both sides.

    Args:
      metric: of each row, shape [N].
      human: people's value of the same rows.
      clusters: as of `pearson`.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: as of `pearson`.

    Returns:
      The estimate; NaN where one side is constant.

    Raises:
      InputError: shapes or values do not fit, or an option is out of its range.

    Reference: Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945.

    Example:
      >>> from jaxeval.ops import agreement
      >>> round(agreement.kendall_tau([0.1, 0.4, 0.35, 0.8, 0.9], [1.0, 2.5, 2.0, 4.5, 4.0]).value, 3)
      0.8
    """
    x, y = value_pair(metric, human)
    draws = draws_of(len(x), clusters, repeats, confidence, seed)
    orders = [order_of(side) for side in (x, y)]
    codes = np.asarray(orders[0].codes), np.asarray(orders[1].codes)
    value, drawn = pair_total(codes, _concordance), pair_sums(codes, _concordance, draws)
    held = [_on_device(order) for order in orders]
    squares = [
        np.asarray(_untied(*held, jnp.asarray(weights)), np.float64) for weights in draws.batches(max(len(x), _ENTRIES))
    ]
    apart = [(len(x) ** 2 - tied_squares(order)) / 2 for order in orders]
    return draws.estimate(float(_tau(value, *apart)), _tau(drawn, *np.concatenate(squares).T))


def _tau(concordant: float | np.ndarray, first: float | np.ndarray, second: float | np.ndarray) -> np.ndarray:
    possible = np.sqrt(np.multiply(first, second))
    return np.where(possible > 0, concordant / np.where(possible > 0, possible, 1.0), np.nan)


def _concordance(rows: Rows, others: Rows) -> Float[Array, "s s"]:
    """1 for pairs that both sides order alike, -1 for opposite orders, 0 where one ties."""
    signs = [jnp.sign(own[:, None] - other[None, :]) for own, other in zip(rows, others, strict=True)]
    return (signs[0] * signs[1]).astype(jnp.float32)


def _on_device(order: Order) -> Order:
    return Order(*(jnp.asarray(part) for part in order))


def _standard(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """About the mean, in units of the spread, where float32 loses least."""
    return (values - values.mean()) / (float(np.ptp(values)) or 1.0)


def correlation(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Pearson's correlation in float64; NaN where one side is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    x, y = _standard(x), _standard(y)
    found = float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))
    return max(-1.0, min(1.0, found))


def _weighted(x: Float[Array, "b n"], y: Float[Array, "b n"], weights: Float[Array, "b n"]) -> Float[Array, " b"]:
    """The correlation of deviations from their means."""
    products = [contract("bn,bn,bn->b", weights, a, b) for a, b in ((x, y), (x, x), (y, y))]
    below = jnp.sqrt(products[1]) * jnp.sqrt(products[2])
    known = below > 0
    return jnp.where(known, jnp.clip(products[0] / jnp.where(known, below, 1.0), -1, 1), jnp.nan)


@jax.jit
def _pearson(
    x: Float[Array, " n"], y: Float[Array, " n"], of_x: Order, of_y: Order, weights: Float[Array, "b n"]
) -> Float[Array, " b"]:
    total = weights.sum(1)
    total = jnp.where(total > 0, total, 1.0)
    x_apart, y_apart = (side[None] - (contract("bn,n->b", weights, side) / total)[:, None] for side in (x, y))
    varied = _varied(of_x.codes, weights) & _varied(of_y.codes, weights)
    return jnp.where(varied, _weighted(x_apart, y_apart, weights), jnp.nan)


def _varied(codes: Int[AnyArray, " n"], weights: Float[Array, "b n"]) -> Bool[Array, " b"]:
    """Whether two different values are drawn, which rounding of a mean does not tell."""
    drawn = weights > 0
    highest = jnp.where(drawn, codes[None], -1).max(1)
    lowest = jnp.where(drawn, codes[None], codes.max() + 1).min(1)
    return highest > lowest


@jax.jit
def _spearman(of_x: Order, of_y: Order, weights: Float[Array, "b n"]) -> Float[Array, " b"]:
    total = weights.sum(1, keepdims=True)
    total = jnp.where(total > 0, total, 1.0)
    return _weighted(drawn_ranks(of_x, weights)[0] / total, drawn_ranks(of_y, weights)[0] / total, weights)


@jax.jit
def _untied(of_x: Order, of_y: Order, weights: Float[Array, "b n"]) -> Float[Array, "b 2"]:
    """The pairs of drawn rows that do not tie on each side."""
    total = weights.sum(1)
    sides = []
    for order in (of_x, of_y):
        others = total[:, None] - drawn_ranks(order, weights)[1]
        sides.append(contract("bn,bn->b", weights, others) / 2)
    return jnp.stack(sides, axis=1)
