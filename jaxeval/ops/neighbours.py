"""Nearest neighbours and ball tests over all pairs of two sets, exact in float64, in memory that does not grow as N M.

The device computes squared distances |x|^2 + |y|^2 - 2 x.y in float32, a strip of rows at a time. Rounding moves each
by no more than `slack * (|x|^2 + |y|^2)` (see `_slack`), so nearly every comparison is decided there; the few pairs
within that margin of a decision go to the host, which takes the sum of squared differences of the original rows in
float64. The answers are therefore those of a float64 computation, on every device and for every block size, and ties,
as between copies of one row, are ties. Copies share one computation, so that a generator that makes the same image
over and over, all of whose distances are ties, takes no longer than one whose images differ.

Neighbours are found by k rounds of a masked minimum over the strip: a sort or a top-k over N is several times slower on
a CPU than the products themselves.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, device_rows, row_blocks

Tie = Literal["inclusive", "exclusive"]

# A strip of float32 distances: 32 MB whatever N is.
_STRIP_ELEMENTS = 1 << 23
_STRIP_ROWS = 1024
# Pairs gathered in float64 at a time, in numbers: 1 MB.
_GATHERED = 1 << 17
# Pairs of a strip looked through for doubtful ones at a time: should all be, their indices take 64 MB.
_SLAB_ELEMENTS = 1 << 22
# Far below any distance between scaled rows, far above what underflow takes away from one.
TINY = 1e-30


class PreparedRows(NamedTuple):
    """One of several sets that were centred and scaled together.

    Attributes:
      original: the rows as given, [N, D]; distances for the record come from these.
      rows: centred and scaled, float32 on the device, filled up with zero rows, [P, D].
      norms: squared norms of `rows`, infinite in the filling, float32, [P].
      scale: the common factor, a power of two.
      slack: bound on the error of a float32 squared distance, as a share of both squared norms.
      strip: how many of the rows are paired with all columns at a time; P is a multiple of it.
      firsts: for each row the first row that it equals, mostly itself, [N].
    """

    original: np.ndarray
    rows: Float[Array, "p d"]
    norms: Float[Array, " p"]
    scale: float
    slack: float
    strip: int
    firsts: Int[np.ndarray, " n"]


class Neighbours(NamedTuple):
    """The k nearest rows of another (or the same) set, nearest first; equal distances in order of index.

    Attributes:
      squared_distances: [N, k], float64.
      indices: [N, k].
    """

    squared_distances: Float[np.ndarray, "n k"]
    indices: Int[np.ndarray, "n k"]


class BallCounts(NamedTuple):
    """How two sets of balls hold one another's centres.

    Attributes:
      held: for each centre, how many points its ball holds, [N].
      holding: for each point, how many of the centres' balls hold it, [M].
      reached: for each centre, how many of the points' balls hold it, [N].
    """

    held: Int[np.ndarray, " n"]
    holding: Int[np.ndarray, " m"]
    reached: Int[np.ndarray, " n"]


def check_neighbours(k: int, **counts: int) -> None:
    """Raises InputError unless each set, by name, has more than k rows and k is at least 1."""
    if k < 1:
        raise InputError(f"k is {k}; the number of neighbours is at least 1")
    for name, count in counts.items():
        if count <= k:
            raise InputError(f"{name} has {count} rows, too few for their {k} nearest neighbours; pass more or lower k")


def prepare_rows(*sets: np.ndarray, centred: bool = True) -> tuple[PreparedRows, ...]:
    """Takes the common centre off all sets, scales them to norms of at most 2, and brings them to the device.

    Args:
      sets: checked features of one size.
      centred: False to leave the centre where it is, for directions, which are seen from the origin.
    """
    width = sets[0].shape[1]
    centre = common_centre(*sets) if centred else np.zeros(width)
    largest = max(
        float(np.einsum("nd,nd->n", offset, offset).max())
        for rows in sets
        for offset in (block - centre for block in row_blocks(rows))
    )
    if not math.isfinite(largest):
        raise InputError("the features are so large that float64 cannot hold their squares; scale them down")
    scale = 2.0 ** -math.floor(math.log2(largest) / 2) if largest > 0 else 1.0
    prepared = []
    at_most = max(1, min(_STRIP_ROWS, _STRIP_ELEMENTS // max(map(len, sets))))
    for rows in sets:
        strips = -(-len(rows) // at_most)
        strip = -(-len(rows) // strips)
        size = strips * strip
        on_device, norms, _ = device_rows(rows, centre, scale, size)
        filled = np.full(size, np.inf, np.float32)
        filled[: len(rows)] = norms
        prepared.append(
            PreparedRows(rows, on_device, jax.device_put(filled), scale, _slack(width), strip, _firsts(rows))
        )
    return tuple(prepared)


def nearest(
    rows: PreparedRows, columns: PreparedRows, k: int, *, weights: Float[np.ndarray, " m"] | None = None
) -> Neighbours:
    """The k nearest of `columns` for each of `rows`; a row is not its own neighbour where both are the same set.

    Args:
      rows: from `prepare_rows`.
      columns: from the same call, with at least k rows (k + 1 if it is the same set).
      k: how many.
      weights: positive factors on the squared distances to each column, at least k of them finite; a column whose
        factor is infinite is never chosen. The distances of the result carry them.
    """
    count, size = len(columns.original), columns.rows.shape[0]
    factors = np.ones(count) if weights is None else weights
    usable = np.isfinite(factors)
    ready = np.ones(size, np.float32)
    # Weighted distances are only compared with one another, so the factors' common size is free.
    ready[:count] = np.where(usable, np.minimum(factors / np.median(factors[usable]), 1e37), np.inf)
    same = rows is columns
    compute = functools.partial(
        _nearest_strip, k=k, arrays=(*strip_arrays(rows, columns), jax.device_put(ready)), slack=rows.slack, same=same
    )
    distances, indices = np.empty((len(rows.original), k)), np.empty((len(rows.original), k), np.int64)
    for start, stop, mask in pair_strips(rows, compute):
        mask = mask[: stop - start, :count] & usable
        for part, row, column, exact in exact_pairs(mask, start, rows, columns):
            exact *= factors[column]
            order = np.lexsort((column, exact, row))
            first = np.searchsorted(row, np.arange(part.start, part.stop))  # `row` is sorted, so places are per row
            chosen = order[first[:, None] + np.arange(k)]
            distances[part], indices[part] = exact[chosen], column[chosen]
    return Neighbours(distances, indices)


def ball_counts(
    centres: PreparedRows,
    points: PreparedRows,
    *,
    centre_radii: Float[np.ndarray, " n"],
    point_radii: Float[np.ndarray, " m"] | None = None,
    tie: Tie,
) -> BallCounts:
    """Counts for two sets of balls which of the other set's centres they hold.

    Args:
      centres: from `prepare_rows`.
      points: from the same call.
      centre_radii: squared radius of the ball around each centre.
      point_radii: squared radius of the ball around each point; without them nothing is `reached`.
      tie: whether a distance equal to the radius is inside ("inclusive") or outside ("exclusive").
    """
    n, m = len(centres.original), len(points.original)
    other = np.full(m, -1.0) if point_radii is None else point_radii
    radii = device_radii(centre_radii, centres), device_radii(other, points)
    compute = functools.partial(_ball_strip, arrays=(*strip_arrays(centres, points), *radii), slack=centres.slack)
    held, holding, reached = np.zeros(n, np.int64), np.zeros(m, np.int64), np.zeros(n, np.int64)
    inside = np.less_equal if tie == "inclusive" else np.less
    for start, stop, (by_row, by_column, other_by_row, doubtful) in pair_strips(centres, compute):
        held[start:stop] = by_row[: stop - start]
        reached[start:stop] = other_by_row[: stop - start]
        holding += by_column[:m]
        for _, row, column, exact in exact_pairs(doubtful[: stop - start], start, centres, points):
            held_now, reached_now = inside(exact, centre_radii[row]), inside(exact, other[column])
            held += np.bincount(row[held_now], minlength=n)
            holding += np.bincount(column[held_now], minlength=m)
            reached += np.bincount(row[reached_now], minlength=n)
    return BallCounts(held, holding, reached)


def exact_pairs(
    mask: Bool[np.ndarray, "b q"], start: int, rows: PreparedRows, columns: PreparedRows
) -> Iterator[tuple[slice, Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]]:
    """The pairs that a strip leaves to the host, some of its rows at a time, with their exact squared distances.

    Args:
      mask: the pairs, for the rows from `start` on.
      start: the strip's first row.
      rows: what the strip was computed from.
      columns: as rows.

    Yields:
      The rows at hand as a slice of the set; row, column (row by row) and squared distance of each pair.
    """
    step = max(1, _SLAB_ELEMENTS // mask.shape[1])
    distinct = all(np.array_equal(side.firsts, np.arange(len(side.firsts))) for side in (rows, columns))
    for begin in range(0, len(mask), step):
        part = slice(start + begin, start + min(begin + step, len(mask)))
        row, column = places(mask[begin : begin + step])
        row += part.start
        if distinct:
            yield part, row, column, squared_distances(rows.original, row, columns.original, column)
            continue
        first, place = np.unique(rows.firsts[row], return_inverse=True)
        keys = place * mask.shape[1] + columns.firsts[column]
        needed = np.zeros(len(first) * mask.shape[1], bool)
        needed[keys] = True
        chosen = np.flatnonzero(needed)
        which, of = np.divmod(chosen, mask.shape[1])
        table = np.empty(len(needed))
        table[chosen] = squared_distances(rows.original, first[which], columns.original, of)
        yield part, row, column, table[keys]


def squared_distances(
    rows: np.ndarray, at: Int[np.ndarray, " p"], columns: np.ndarray, of: Int[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    """|rows[at] - columns[of]|^2 in float64, pair by pair; equal rows have equal distances, to the last bit."""
    result = np.empty(len(at))
    step = max(1, _GATHERED // rows.shape[1])
    for start in range(0, len(at), step):
        part = slice(start, start + step)
        offsets = rows[at[part]].astype(np.float64)
        offsets -= columns[of[part]].astype(np.float64)
        result[part] = np.einsum("pd,pd->p", offsets, offsets)
    return result


def pair_strips(
    rows: PreparedRows, compute: Callable[..., Any], wanted: Bool[np.ndarray, " n"] | None = None
) -> Iterator[tuple[int, int, Any]]:
    """Runs `compute(start, block=...)` for strips of `rows`; yields (start, stop, results on the host).

    Strips without a row that is wanted are left out.

    The next strip is under way on the device while the caller works on the last one.
    """
    block, count = rows.strip, len(rows.original)
    waiting: tuple[int, Any] | None = None
    starts = [start for start in range(0, count, block) if wanted is None or wanted[start : start + block].any()]
    for start in [*starts, None]:
        following = None if start is None else (start, compute(np.int32(start), block=block))
        if waiting is not None:
            yield waiting[0], min(waiting[0] + block, count), jax.tree.map(np.asarray, waiting[1])
        waiting = following


def strip_arrays(
    rows: PreparedRows, columns: PreparedRows
) -> tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]]:
    """What `float32_pairs` takes of both sets."""
    return rows.rows, rows.norms, columns.rows, columns.norms


def float32_pairs(
    start: Int[Array, ""] | np.int32,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]],
    slack: Float[Array, ""] | float,
    block: int,
) -> tuple[Float[Array, "b q"], Float[Array, "b q"]]:
    """Squared distances of a strip in float32, and the bound on each one's error."""
    rows, row_norms, columns, column_norms = arrays
    strip = lax.dynamic_slice_in_dim(rows, start, block)
    sums = lax.dynamic_slice_in_dim(row_norms, start, block)[:, None] + column_norms[None, :]
    products = jnp.matmul(strip, columns.T, precision=lax.Precision.HIGHEST)
    return sums - 2 * products, slack * sums + TINY


def _slack(width: int) -> float:
    """Error of a float32 squared distance, as a share of |x|^2 + |y|^2.

    A product of length d is off by at most d u |x| |y|, u = 2^-24, in any order of summation, so twice it by at most
    d u (|x|^2 + |y|^2). For long rows the roundings' signs mix: 8 sqrt(d) u fails for one product in 10^14 (Higham and
    Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019). Rounding the centred rows, their norms,
    the sums, radii and weights is within the other 24 u.
    """
    return (min(width, 8 * math.sqrt(width)) + 24) * 2.0**-24


def device_radii(squared: Float[np.ndarray, " n"], of: PreparedRows) -> Float[Array, " p"]:
    """Squared radii in the units of the device's rows; balls of the filling hold nothing."""
    filled = np.full(of.rows.shape[0], -1, np.float32)
    filled[: len(squared)] = np.minimum(squared * of.scale**2, np.finfo(np.float32).max)
    return jax.device_put(filled)


def places(mask: Bool[np.ndarray, "b q"]) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Row and column of each True, row by row."""
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return row, column


@functools.partial(jax.jit, static_argnames=("k", "block", "same"))
def _nearest_strip(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"], Float[Array, " q"]],
    slack: Float[Array, ""] | float,
    k: int,
    block: int,
    same: bool,
) -> Bool[Array, "b q"]:
    """For each row of a strip, which columns can be among its k nearest."""
    distances, error = float32_pairs(start, arrays[:4], slack, block)
    scale = arrays[4][None]
    upper, lower = (distances + error) * scale, (distances - error) * scale
    if same:
        own = own_pairs(start, upper)
        upper, lower = jnp.where(own, jnp.inf, upper), jnp.where(own, jnp.inf, lower)
    return lower <= within_reach(upper, k)[:, None]


def _firsts(rows: np.ndarray) -> Int[np.ndarray, " n"]:
    """For each row the first one that it equals, found by hashes of their bytes."""
    firsts = np.arange(len(rows))
    seen: dict[int, int] = {}
    for index, row in enumerate(rows):
        first = seen.setdefault(hash(row.tobytes()), index)
        if first != index and np.array_equal(rows[first], row):
            firsts[index] = first
    return firsts


def own_pairs(start: Int[Array, ""] | np.int32, pairs: Float[Array, "b q"]) -> Bool[Array, "b q"]:
    """Where a strip of a set's pairs with itself meets the diagonal."""
    return (start + jnp.arange(pairs.shape[0], dtype=jnp.int32))[:, None] == jnp.arange(
        pairs.shape[1], dtype=jnp.int32
    )[None, :]


def within_reach(upper: Float[Array, "b q"], k: int) -> Float[Array, " b"]:
    """A distance that at least k columns of each row are within, if each distance is at most `upper`."""

    def widen(_: Int[Array, ""], reach: Float[Array, " b"]) -> Float[Array, " b"]:
        following = jnp.where(upper > reach[:, None], upper, jnp.inf).min(1)
        return jnp.where(jnp.isinf(following), reach, following)

    # After each round one more column lies surely within reach, or all do; equal bounds are passed in one round.
    return lax.fori_loop(0, k, widen, jnp.full(upper.shape[0], -jnp.inf))


@functools.partial(jax.jit, static_argnames=("block",))
def _ball_strip(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[
        Float[Array, "p d"],
        Float[Array, " p"],
        Float[Array, "q d"],
        Float[Array, " q"],
        Float[Array, " p"],
        Float[Array, " q"],
    ],
    slack: Float[Array, ""] | float,
    block: int,
) -> tuple[Int[Array, " b"], Int[Array, " q"], Int[Array, " b"], Bool[Array, "b q"]]:
    """Pairs surely inside by row's and by column's radius, counted, and those for the host to decide."""
    distances, error = float32_pairs(start, arrays[:4], slack, block)
    upper, lower = distances + error, distances - error
    row_radii, column_radii = lax.dynamic_slice_in_dim(arrays[4], start, block)[:, None], arrays[5][None, :]
    in_row, in_column = upper < row_radii, upper < column_radii
    doubtful = (~in_row & (lower <= row_radii)) | (~in_column & (lower <= column_radii))
    in_row, in_column = in_row & ~doubtful, in_column & ~doubtful
    return in_row.sum(1), in_row.sum(0), in_column.sum(1), doubtful
