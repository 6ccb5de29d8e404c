"""Ranks of rows that are drawn several times: sorted once, and counted by weights in every repeat."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Order(NamedTuple):
    """The order of N values, of which some may be equal.

    Attributes:
      rows: the rows from the least value to the largest.
      first: of each row, the place in that order where the values that are equal to its own begin.
      after: of each row, the place after the last of them.
      codes: of each row, the number of different values below its own.
    """

    rows: Int[np.ndarray, " n"] | Int[Array, " n"]
    first: Int[np.ndarray, " n"] | Int[Array, " n"]
    after: Int[np.ndarray, " n"] | Int[Array, " n"]
    codes: Int[np.ndarray, " n"] | Int[Array, " n"]


def order_of(values: Float[np.ndarray, " n"]) -> Order:
    """The order of values that are compared in float64."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    codes = codes.reshape(-1)
    after = np.cumsum(counts)
    rows = np.argsort(codes, kind="stable")
    parts = (rows, (after - counts)[codes], after[codes], codes)
    return Order(*(part.astype(np.int32) for part in parts))


def mid_ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks from 1 in float64; equal values have the mean of theirs."""
    order = order_of(values)
    return (np.asarray(order.first) + np.asarray(order.after) + 1) / 2


def tied_squares(order: Order) -> int:
    """The sum of the squared numbers of equal values."""
    return int((np.asarray(order.after, np.int64) - np.asarray(order.first)).sum())


def drawn_ranks(order: Order, weights: Float[Array, "b n"]) -> tuple[Float[Array, "b n"], Float[Array, "b n"]]:
    """Of each row in each repeat, its rank less the mean of all, and how many drawn rows have its value.

    Both are whole numbers and halves, exact in float32 for fewer than 2^23 drawn rows.
    """
    drawn = jnp.cumsum(weights[:, order.rows], axis=1)
    drawn = jnp.concatenate([jnp.zeros_like(drawn[:, :1]), drawn], axis=1)
    below, up_to = drawn[:, order.first], drawn[:, order.after]
    return (below + up_to - drawn[:, -1:]) / 2, up_to - below
