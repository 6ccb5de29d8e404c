"""Each row's distance to its k-th nearest fellow in the same set, exact in float64.

The distance of two rows is that of the second to the first as well. So the pairs of a large set are computed once, tile
by tile from the diagonal on, which halves the products; each tile gives its rows and, across, its columns what it has
among the nearest so far. Of every row a few more than k are kept. Where these leave no doubt, the host decides in
float64 which of them is the k-th (see `neighbours`); the few rows where others may be as near, and sets too small or
too narrow to gain, are compared with all rows, a strip of them at a time.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval.ops.neighbours import (
    TINY,
    PreparedRows,
    exact_pairs,
    float32_pairs,
    own_pairs,
    pair_strips,
    squared_distances,
    strip_arrays,
    within_reach,
)

_TILE_ROWS = 1024  # on a CPU, whose caches hold such a tile
_ON_ACCELERATORS = 4  # times as many where the launch of a program costs more than the memory of a tile
# With less, compiling a larger program (half a second to a second more) costs more than half of the products does.
_LEAST_TILES = 5
_LEAST_WIDTH = 256
# So many more than k neighbours are kept of a row: all that may be the k-th, but for the rarest rows. A row in doubt
# costs a strip: with 2, the 3 such rows of 10,000 random ones took back what the tiles had saved.
_SPARE = 8
_NO_INDEX = np.iinfo(np.int32).max


class _Nearest(NamedTuple):
    """The nearest rows so far, nearest first, infinitely far where there are none yet."""

    distances: Float[Array, "n m"]
    indices: Int[Array, "n m"]


def kth_squared_distances(rows: PreparedRows, k: int) -> Float[np.ndarray, " n"]:
    """Squared distance of each row to its k-th nearest fellow in the same set, [N], float64.

    The last column of `nearest`, at less cost: neighbours that are surely nearer are only counted, and pairs of large
    sets computed once.

    Args:
      rows: from `prepare_rows`, with more than k rows.
      k: which neighbour.
    """
    return several_kth_squared_distances(rows, (k,))[0]


def several_kth_squared_distances(rows: PreparedRows, ks: tuple[int, ...]) -> Float[np.ndarray, "k n"]:
    """The same for several k, each bit as for it alone, from one search of the pairs.

    Args:
      rows: from `prepare_rows`, with more rows than the largest k.
      ks: which neighbours.
    """
    count = len(rows.original)
    copies = np.bincount(rows.firsts, minlength=count)[rows.firsts]
    copied = copies > np.asarray(ks)[:, None]  # k copies at least: the distance is 0
    distances, decided = np.zeros((len(ks), count)), copied
    # Copies are ties, which only strips can tell apart.
    mostly_distinct = len(np.unique(rows.firsts)) > 0.9 * count
    if count > (_LEAST_TILES - 1) * _tile_rows() and rows.original.shape[1] >= _LEAST_WIDTH and mostly_distinct:
        found, sure = _by_tiles(rows, ks)
        distances, decided = np.where(sure & ~copied, found, distances), sure | copied
    if not decided.all():
        _by_strips(rows, ks, distances, ~decided)
    return distances


def _tile_rows() -> int:
    """Rows of a tile at most, by what the default backend is."""
    return _TILE_ROWS if jax.default_backend() == "cpu" else _ON_ACCELERATORS * _TILE_ROWS


def _by_strips(
    rows: PreparedRows, ks: tuple[int, ...], distances: Float[np.ndarray, "k n"], wanted: Bool[np.ndarray, "k n"]
) -> None:
    """Fills in the distances of the rows that are wanted, from all pairs of the strips that they are in."""
    largest = np.asarray(rows.norms)[: len(rows.original)].max()
    arrays = strip_arrays(rows, rows)
    compute = functools.partial(_kth_strip, arrays=arrays, slack=rows.slack, largest=largest, ks=ks)
    for start, stop, found in pair_strips(rows, compute, np.asarray(wanted.any(0))):
        for k, (nearer, mask), own, needed in zip(ks, found, distances, wanted, strict=True):
            mask = mask[: stop - start] & needed[start:stop, None]
            for part, row, _, exact in exact_pairs(mask, start, rows, rows):
                order = np.lexsort((exact, row))
                at = np.flatnonzero(needed[part])
                first = np.searchsorted(row, part.start + at)
                place = k - 1 - nearer[part.start - start : part.stop - start][at]
                own[part.start + at] = exact[order[first + place]]


@functools.partial(jax.jit, static_argnames=("ks", "block"))
def _kth_strip(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]],
    slack: Float[Array, ""] | float,
    largest: Float[Array, ""] | np.float32,
    ks: tuple[int, ...],
    block: int,
) -> tuple[tuple[Int[Array, " b"], Bool[Array, "b q"]], ...]:
    """For each k and row, how many columns are surely nearer than its k-th nearest, and which may be that one."""
    distances, error = float32_pairs(start, arrays, slack, block)
    own = own_pairs(start, distances)
    upper, lower = jnp.where(own, jnp.inf, distances + error), jnp.where(own, jnp.inf, distances - error)
    # No pair of the row is known worse than this. Where the reach is the k-th smallest bound, and not beyond it because
    # of bounds that are equal, the k-th distance is therefore at least the reach less twice as much; `_slack` has room
    # for the rounding of that difference.
    worst = slack * (lax.dynamic_slice_in_dim(arrays[1], start, block) + largest) + TINY
    found = []
    for k in ks:
        reach = within_reach(upper, k)
        tied = (upper < reach[:, None]).sum(1) >= k
        surely = (upper < (reach - 2 * worst)[:, None]) & ~tied[:, None]
        found.append((surely.sum(1), ~surely & (lower <= reach[:, None])))
    return tuple(found)


def _by_tiles(rows: PreparedRows, ks: tuple[int, ...]) -> tuple[Float[np.ndarray, "k n"], Bool[np.ndarray, "k n"]]:
    """Distances from each pair once, and the rows whose distance is decided by that."""
    count, size = len(rows.original), rows.rows.shape[0]
    tiles, kept = -(-size // _tile_rows()), max(ks) + _SPARE
    nearest = _Nearest(jnp.full((size, kept), jnp.inf, jnp.float32), jnp.full((size, kept), _NO_INDEX, jnp.int32))
    for tile in range(tiles):
        nearest = _absorb_tiles(np.int32(tile), nearest, rows.rows, rows.norms, side=-(-size // tiles))
    distances = np.asarray(nearest.distances)[:count].astype(np.float64)
    indices = np.asarray(nearest.indices)[:count]
    decided = [_decided(rows, distances, indices, k) for k in ks]
    return np.stack([found for found, _ in decided]), np.stack([sure for _, sure in decided])


def _decided(
    rows: PreparedRows, distances: Float[np.ndarray, "n m"], indices: Int[np.ndarray, "n m"], k: int
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """The distance to the k-th of each row's nearest, which float32 has put in order, and where it is sure."""
    count = len(distances)
    norms = np.asarray(rows.norms)[:count].astype(np.float64)
    # Every pair of the row is known at least so well, and therefore its k-th distance, too.
    worst = (rows.slack * (norms + norms.max()) + TINY)[:, None]
    kth = distances[:, k - 1 : k]
    sure = distances[:, -1] > (kth + 2 * worst)[:, 0]
    nearer = (distances < kth - 2 * worst).sum(1)
    row, place = np.nonzero((np.abs(distances - kth) <= 2 * worst) & sure[:, None])
    exact = squared_distances(rows.original, row, rows.original, indices[row, place])
    found, at = np.zeros(count), np.flatnonzero(sure)
    order = np.lexsort((exact, row))
    found[at] = exact[order[np.searchsorted(row, at) + k - 1 - nearer[at]]]
    return found, sure


@functools.partial(jax.jit, static_argnames=("side",), donate_argnames=("nearest",))
def _absorb_tiles(
    tile: Int[Array, ""] | np.int32,
    nearest: _Nearest,
    rows: Float[Array, "p d"],
    norms: Float[Array, " p"],
    *,
    side: int,
) -> _Nearest:
    """`nearest` with the pairs of a tile's rows and the rows from there on."""
    size = rows.shape[0]

    def part_of(
        tile: Int[Array, ""],
    ) -> tuple[Int[Array, ""], Int[Array, " s"], Float[Array, "s d"], Float[Array, " s"]]:
        # The last tile ends with the rows; what it repeats is infinitely far.
        start = jnp.minimum(tile * side, size - side)
        at = start + jnp.arange(side, dtype=jnp.int32)
        part = lax.dynamic_slice_in_dim(norms, start, side)
        return start, at, lax.dynamic_slice_in_dim(rows, start, side), jnp.where(at < tile * side, jnp.inf, part)

    start, at, own, own_norms = part_of(jnp.asarray(tile))

    def absorb(other: Int[Array, ""], nearest: _Nearest) -> _Nearest:
        across, place, columns, column_norms = part_of(other)
        products = jnp.matmul(own, columns.T, precision=lax.Precision.HIGHEST)
        pairs = own_norms[:, None] + column_norms[None, :] - 2 * products
        pairs = jnp.where(at[:, None] == place[None, :], jnp.inf, pairs)
        nearest = _updated(nearest, start, pairs, across, axis=1)
        # Of a tile on the diagonal the columns are the rows.
        return lax.cond(
            other == tile,
            lambda nearest: nearest,
            lambda nearest: _updated(nearest, across, pairs, start, axis=0),
            nearest,
        )

    return lax.fori_loop(tile, -(-size // side), absorb, nearest)


def _updated(
    nearest: _Nearest, start: Int[Array, ""], pairs: Float[Array, "r c"], first: Int[Array, ""], *, axis: int
) -> _Nearest:
    """`nearest` with a tile's distances along `axis`, of index `first` on, for the rows from `start` on."""
    part = _Nearest(*(lax.dynamic_slice_in_dim(whole, start, pairs.shape[1 - axis]) for whole in nearest))
    part = _merged(part, pairs, first, axis)
    return _Nearest(
        *(lax.dynamic_update_slice_in_dim(whole, new, start, 0) for whole, new in zip(nearest, part, strict=True))
    )


def _merged(nearest: _Nearest, pairs: Float[Array, "r c"], first: Int[Array, ""], axis: int) -> _Nearest:
    """The nearest of those so far and of a tile, which is searched as long as it has something for any row."""
    place = first + lax.broadcasted_iota(jnp.int32, pairs.shape, axis)

    def following(distance: Float[Array, " n"], index: Int[Array, " n"]) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
        """The next by distance, and by index among equals."""
        distance, index = jnp.expand_dims(distance, axis), jnp.expand_dims(index, axis)
        beyond = (pairs > distance) | ((pairs == distance) & (place > index))
        least = jnp.where(beyond, pairs, jnp.inf).min(axis, keepdims=True)
        beyond = (pairs == least) & ((least > distance) | (place > index))
        return jnp.squeeze(least, axis), jnp.where(beyond, place, _NO_INDEX).min(axis)

    def is_nearer(state: tuple[_Nearest, Float[Array, " n"], Int[Array, " n"]]) -> Bool[Array, ""]:
        return (state[1] < state[0].distances[:, -1]).any()

    def insert(state: tuple[_Nearest, Float[Array, " n"], Int[Array, " n"]]):
        nearest, distance, index = state
        new = _Nearest(distance[:, None], index[:, None])
        before = _Nearest(
            jnp.concatenate([jnp.full_like(new.distances, -jnp.inf), nearest.distances[:, :-1]], axis=1),
            jnp.concatenate([new.indices, nearest.indices[:, :-1]], axis=1),
        )
        moves, goes_here = new.distances < before.distances, new.distances < nearest.distances
        merged = _Nearest(
            *(
                jnp.where(moves, left, jnp.where(goes_here, found, old))
                for left, found, old in zip(before, new, nearest, strict=True)
            )
        )
        return merged, *following(distance, index)

    count = nearest.distances.shape[0]
    begun = following(jnp.full(count, -jnp.inf, jnp.float32), jnp.full(count, -1, jnp.int32))
    return lax.while_loop(is_nearer, insert, (nearest, *begun))[0]
