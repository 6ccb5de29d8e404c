"""Sums over all pairs of rows, weighted by how often both are drawn, tile by tile: no array has a side of all rows."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxeval._arrays import contract
from jaxeval.ops.agreement._draws import Draws

_SIDE = 1024  # of a tile: sums over one are whole numbers below 2^24 but for rows that are drawn very often

Rows = tuple[Int[Array, " s"], ...]
Relation = Callable[[Rows, Rows], Float[Array, "s s"]]
"""What a pair of rows counts, the same in either order, from whole numbers of each; a whole number."""


def pair_total(rows: tuple[Int[np.ndarray, " n"], ...], relation: Relation) -> int:
    """The sum of a relation over all pairs of two rows, exactly.

    Args:
      rows: int32 arrays that the relation looks at.
      relation: a function of rows and others, to be compiled.
    """
    return int(_sums(rows, relation, [np.ones((1, len(rows[0])), np.float32)])[0])


def pair_sums(rows: tuple[Int[np.ndarray, " n"], ...], relation: Relation, draws: Draws) -> Float[np.ndarray, " b"]:
    """The same in every repeat, over all pairs of drawn rows: copies of two rows, not of one.

    Args:
      rows: as of `pair_total`.
      relation: as of `pair_total`.
      draws: of the repeats.
    """
    return _sums(rows, relation, draws.batches())


def _sums(
    rows: tuple[Int[np.ndarray, " n"], ...], relation: Relation, batches: Iterable[Float[np.ndarray, "_ n"]]
) -> Float[np.ndarray, " b"]:
    count = len(rows[0])
    side = min(_SIDE, 1 << max(3, (count - 1).bit_length()))
    padding = -count % side
    padded = tuple(jnp.asarray(np.pad(part, (0, padding)).reshape(-1, side)) for part in rows)
    return np.concatenate([_batch(padded, np.pad(weights, ((0, 0), (0, padding))), relation) for weights in batches])


def _batch(padded: tuple[Any, ...], weights: Float[np.ndarray, "b n"], relation: Relation) -> Float[np.ndarray, " b"]:
    side = padded[0].shape[1]
    tiles = [jnp.asarray(weights[:, start : start + side]) for start in range(0, weights.shape[1], side)]
    found = np.zeros(len(weights))
    for a, b in _pairs(len(tiles)):
        rows, others = (tuple(part[number] for part in padded) for number in (a, b))
        own = np.asarray(_tile(rows, others, tiles[a], tiles[b], relation, alone=a == b), np.float64)
        found += own / 2 if a == b else own
    return found


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(count) for b in range(a, count))


@functools.partial(jax.jit, static_argnames=("relation", "alone"))
def _tile(
    rows: Rows,
    others: Rows,
    weights: Float[Array, "b s"],
    other_weights: Float[Array, "b s"],
    relation: Relation,
    *,
    alone: bool,
) -> Float[Array, " b"]:
    """The sums over one tile; of rows with themselves (`alone`) over ordered pairs of different ones."""
    related = relation(rows, others)
    if alone:
        related = jnp.where(jnp.eye(len(related), dtype=bool), 0.0, related)
    return (contract("bi,ij->bj", weights, related) * other_weights).sum(1)
