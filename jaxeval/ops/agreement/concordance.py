"""Kendall's coefficient of concordance: how alike raters order the same items."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import draws_of, spread
from jaxeval.ops.agreement._ranks import Order, drawn_ranks, mid_ranks, order_of
from jaxeval.ops.agreement._ratings import RaterAgreement, over_raters, with_gaps

_ENTRIES = 1 << 22  # of an array over repeats and items: 16 MiB


@takes_arrays
def kendall_w(ratings: Numbers, *, repeats: int = 1000, confidence: float = 0.95, seed: int = 0) -> RaterAgreement:
    """Kendall's coefficient of concordance W, corrected for ties.

    Each rater's ratings are ranked; W is the variance of the items' sums of ranks over the largest that it could be, R
    times the sum of the variances of each rater's ranks. From 0 (no common order) to 1 (one order); its mean under
    chance is 1 / R. It is (1 + (R - 1) r) / R for the mean Spearman correlation r of two raters, where no ratings tie.

    In the bootstrap an item that is drawn twice ties with itself, which the correction takes account of. Leaving raters
    out keeps R itself: what varies is r.

    Args:
      ratings: of each item by each rater, shape [N, R]; only their order within a rater counts. NaN where there is
        none; items that some rater has not rated are left out for all.
      repeats: number of bootstrap repeats.
      confidence: of the intervals.
      seed: seeds the bootstrap.

    Returns:
      The coefficient, `items` those that all rated. NaN where every rater rates all items the same. `disagreement`
      is 1 - W, and `by_chance` 1 - 1 / R.

    Raises:
      InputError: shapes or values do not fit, fewer than two raters, or fewer than two items that all have rated.

    Reference: Kendall and Babington Smith, "The problem of m rankings", Annals of Mathematical Statistics 10(3), 1939;
    Kendall, "Rank Correlation Methods", 1948, chapter 6 (ties).

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> found = agreement.kendall_w(np.array([[1, 2, 1], [2, 1, 3], [3, 3, 2], [4, 4, 4]]))
      >>> round(found.value, 3), found.items
      (0.778, 4)
    """
    table = with_gaps("ratings", ratings, "a rating of each item by each rater", dimensions=2)
    complete = table[~np.isnan(table).any(1)]
    raters = table.shape[1]
    if raters < 2 or len(complete) < 2:
        raise InputError(
            f"ratings has {raters} raters and {len(complete)} items that all of them rated; concordance needs two of "
            "each, leave out raters with many gaps"
        )
    draws = draws_of(len(complete), None, repeats, confidence, seed)
    orders = [order_of(column) for column in complete.T]
    stacked = Order(*(jnp.asarray(np.stack(part)) for part in zip(*orders, strict=True)))
    parts = [_concordance(stacked, jnp.asarray(weights)) for weights in draws.batches(max(len(complete), _ENTRIES))]
    replicates = np.concatenate([np.asarray(part, np.float64) for part in parts])
    ranks = np.column_stack([mid_ranks(column) for column in complete.T])
    value = _value(ranks)

    def of_raters(chosen: np.ndarray) -> float:
        alike = (_value(ranks[:, chosen]) * len(chosen) - 1) / (len(chosen) - 1)
        return (1 + (raters - 1) * alike) / raters

    return RaterAgreement(
        value,
        *spread(value, replicates, draws.confidence),
        over_raters(of_raters, raters, value, draws.confidence),
        1 - value,
        1 - 1 / raters,
        len(complete),
        complete.size,
        int(np.isnan(replicates).sum()),
    )


def _value(ranks: Float[np.ndarray, "n r"]) -> float:
    apart = ranks - (len(ranks) + 1) / 2
    most = ranks.shape[1] * np.square(apart).sum()
    return float(np.square(apart.sum(1)).sum() / most) if most > 0 else np.nan


@jax.jit
def _concordance(orders: Order, weights: Float[Array, "b n"]) -> Float[Array, " b"]:
    """W in each repeat, from the orders of all raters."""
    total = weights.sum(1, keepdims=True)

    def add(
        sums: tuple[Float[Array, "b n"], Float[Array, " b"]], order: Order
    ) -> tuple[tuple[Float[Array, "b n"], Float[Array, " b"]], None]:
        ranks = drawn_ranks(order, weights)[0] / total
        return (sums[0] + ranks, sums[1] + contract("bn,bn->b", weights, jnp.square(ranks))), None

    start = jnp.zeros_like(weights), jnp.zeros_like(weights[:, 0])
    (sums, squares), _ = lax.scan(add, start, orders)
    most = orders.rows.shape[0] * squares
    known = most > 0
    return jnp.where(known, contract("bn,bn->b", weights, jnp.square(sums)) / jnp.where(known, most, 1.0), jnp.nan)
