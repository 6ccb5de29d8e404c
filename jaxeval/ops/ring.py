"""Sums over all pairs of rows, where the rows are spread over the devices of a mesh axis.

Each device keeps its own rows and passes a second copy around a ring (`ppermute`); after as many steps as there are
devices, every row has met every other. A device never holds the features of more than two devices, and never more than
one square block of pairs. Without an axis the same code runs block by block on one device.

The functions are pure and jit-able: call them inside `shard_map` or `pmap` with `axis_name`, or anywhere without.
Rows of float32 are taken relative to their common centre, as everywhere in these ops (`_features`).

Reference: Liu, Zaharia, Abbeel, "Ring Attention with Blockwise Transformers", 2023 (arXiv:2310.01889), for the ring.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval.errors import InputError
from jaxeval.ops._features import square_block
from jaxeval.ops.compensated import CompensatedSum, add_terms, empty_sum, reduce_sum
from jaxeval.ops.kernels import Polynomial, deviations
from jaxeval.ops.neighbours import Tie

AxisName = str | tuple[str, ...]
Tree = TypeVar("Tree")


class ManifoldShares(NamedTuple):
    """Improved precision and recall, density and coverage, float32 scalars on the device."""

    precision: Float[Array, ""]
    recall: Float[Array, ""]
    density: Float[Array, ""]
    coverage: Float[Array, ""]


class _Rows(NamedTuple):
    """Rows in blocks, and which of them count."""

    rows: Any  # [blocks, block, d]
    counts: Any  # [blocks, block]
    extra: Any = ()  # pytree of [blocks, block] arrays


def kernel_distance_on_device(
    *,
    reference: Float[Array, "n d"],
    generated: Float[Array, "m d"],
    reference_mask: Bool[Array, " n"] | None = None,
    generated_mask: Bool[Array, " m"] | None = None,
    axis_name: AxisName | None = None,
    kernel: Polynomial | None = None,
) -> Float[Array, ""]:
    """Unbiased squared maximum mean discrepancy over all pairs, float32, differentiable: KID without subsets.

    Args:
      reference: shape [N, D], of this device.
      generated: shape [M, D], of this device.
      reference_mask: shape [N]; rows where it is False do not count.
      generated_mask: shape [M], likewise.
      axis_name: inside `shard_map` or `pmap`, the axis (or axes) over which the rows are spread; every device must
        have the same N and the same M, which masks make up for.
      kernel: (gamma x.y + coef0)^degree; cubic by default.

    Returns:
      The same number on every device, shape []; NaN where a side has fewer than two rows.

    Raises:
      InputError: feature sizes differ.
    """
    kernel = kernel or Polynomial()
    reference, reference_mask, n = _counted(reference, reference_mask, axis_name)
    generated, generated_mask, m = _counted(generated, generated_mask, axis_name)
    reference, generated, centre = _centred(reference, reference_mask, generated, generated_mask, axis_name)
    gamma = 1.0 / reference.shape[1] if kernel.gamma is None else kernel.gamma
    at_centre = gamma * jnp.square(centre).sum() + kernel.coef0
    powers = range(1, kernel.degree + 1)
    # (t + delta)^degree - t^degree in powers of delta: the constant cancels in the distance, its rounding would not.
    terms = [math.comb(kernel.degree, p) * at_centre ** (kernel.degree - p) for p in powers]
    coefficients = jnp.stack([jnp.asarray(term, jnp.float32) for term in terms])

    def block_sum(x: _Rows, y: _Rows, same: Bool[Array, ""]) -> Float[Array, ""]:
        scale = math.sqrt(gamma)
        values = deviations("polynomial", coefficients, scale * x.rows, x.extra, scale * y.rows, y.extra)
        counted = x.counts[:, None] & y.counts[None, :] & ~(same & jnp.eye(len(x.counts), len(y.counts), dtype=bool))
        return jnp.where(counted, values, 0.0).sum()

    def sum_pairs(x: _Rows, y: _Rows, same: Bool[Array, ""], total: CompensatedSum) -> CompensatedSum:
        # Recomputed for a gradient: the blocks of all pairs together would not fit.
        return _over_blocks(jax.checkpoint(block_sum, prevent_cse=False), add_terms, x, y, same, total)

    def prepared(rows: Float[Array, "n d"], mask: Bool[Array, " n"]) -> _Rows:
        products = gamma * jnp.einsum("nd,d->n", rows, centre, precision=lax.Precision.HIGHEST)
        return _in_blocks(rows, mask, products)

    x, y = prepared(reference, reference_mask), prepared(generated, generated_mask)

    def meet(step: Int[Array, ""], visiting: tuple[_Rows, _Rows], sums: tuple[CompensatedSum, ...]) -> Any:
        home, never = step == 0, jnp.zeros((), bool)
        within_x, within_y, across = sums
        return visiting, (
            sum_pairs(x, visiting[0], home, within_x),
            sum_pairs(y, visiting[1], home, within_y),
            sum_pairs(x, visiting[1], never, across),
        )

    empty = tuple(_varying(empty_sum(), axis_name) for _ in range(3))
    _, sums = _ring(meet, (x, y), empty, axis_name)
    if axis_name is not None:
        sums = tuple(reduce_sum(part, axis_name) for part in sums)
    n, m = n.astype(jnp.float32), m.astype(jnp.float32)
    pairs = (n * (n - 1), m * (m - 1), n * m)
    xx, yy, xy = (part.total / count for part, count in zip(sums, pairs, strict=True))
    rests = [part.rest / count for part, count in zip(sums, pairs, strict=True)]
    return jnp.stack([xx - xy, yy - xy, rests[0] + rests[1] - 2 * rests[2]]).sum()


def manifold_on_device(
    *,
    reference: Float[Array, "n d"],
    generated: Float[Array, "m d"],
    k: int,
    tie: Tie,
    reference_mask: Bool[Array, " n"] | None = None,
    generated_mask: Bool[Array, " m"] | None = None,
    axis_name: AxisName | None = None,
) -> ManifoldShares:
    """Precision, recall, density and coverage from k-nearest-neighbour balls, float32 distances.

    Args:
      reference: shape [N, D], of this device.
      generated: shape [M, D], of this device.
      k: a ball reaches to the k-th nearest other row of its own side.
      tie: whether a row at exactly the radius lies inside, "inclusive" or "exclusive"; as the distances here are
        rounded, so is the tie: a copy of the row that a ball reaches to may fall on either side.
      reference_mask: shape [N]; rows where it is False do not count.
      generated_mask: shape [M], likewise.
      axis_name: as in `kernel_distance_on_device`.

    Returns:
      The same shares on every device. A side of no more than k rows has balls without bound.

    Raises:
      InputError: feature sizes differ, or k below 1.
    """
    if k < 1:
        raise InputError(f"k is {k}; it is 1 or more")
    reference, reference_mask, n = _counted(reference, reference_mask, axis_name)
    generated, generated_mask, m = _counted(generated, generated_mask, axis_name)
    reference, generated, _ = _centred(reference, reference_mask, generated, generated_mask, axis_name)
    x, y = (
        _in_blocks(rows, mask, jnp.square(rows).sum(1))
        for rows, mask in ((reference, reference_mask), (generated, generated_mask))
    )
    inside = jnp.less_equal if tie == "inclusive" else jnp.less
    radii_x, radii_y = _radii(x, y, k, axis_name)

    def meet(step: Int[Array, ""], visiting: Any, resident: Any) -> Any:
        del step
        return _meet_balls(y, radii_y, inside, visiting, resident)

    none_x, none_y = (_varying(jnp.zeros(part.counts.shape, bool), axis_name) for part in (x, y))
    hits = _varying(jnp.zeros(y.counts.shape, jnp.int32), axis_name)
    (_, _, covered, recalled), (precise, hits) = _ring(meet, (x, radii_x, none_x, none_x), (none_y, hits), axis_name)

    def mean(values: Array, count: Int[Array, ""]) -> Float[Array, ""]:
        total = values.astype(jnp.float32).sum()
        return (total if axis_name is None else lax.psum(total, axis_name)) / count.astype(jnp.float32)

    return ManifoldShares(mean(precise, m), mean(recalled, n), mean(hits, m) / k, mean(covered, n))


def _meet_balls(
    y: _Rows,
    radii_y: Float[Array, "blocks block"],
    inside: Callable[..., Bool[Array, "..."]],
    visiting: tuple[_Rows, Array, Array, Array],
    resident: tuple[Array, Array],
) -> Any:
    """Which of the visiting reference rows and the resident generated rows lie in each other's balls."""

    def resident_block(flags: tuple[Array, Array], block: Any) -> Any:
        own, radius_own, precise, hits = block

        def visiting_block(carry: tuple[Array, Array], other_block: Any) -> Any:
            other, radius_other, covered, recalled = other_block
            distances = jnp.where(own.counts[:, None] & other.counts[None, :], _squared_distances(own, other), jnp.inf)
            in_reference = inside(distances, radius_other[None, :]) & jnp.isfinite(distances)
            in_generated = inside(distances, radius_own[:, None]) & jnp.isfinite(distances)
            precise, hits = carry
            carry = (precise | in_reference.any(1), hits + in_reference.sum(1, dtype=jnp.int32))
            return carry, (covered | in_reference.any(0), recalled | in_generated.any(0))

        counted, flags = lax.scan(visiting_block, (precise, hits), (x, radii_x, *flags))
        return flags, counted

    x, radii_x, covered, recalled = visiting
    (covered, recalled), resident = lax.scan(resident_block, (covered, recalled), (y, radii_y, *resident))
    return (x, radii_x, covered, recalled), resident


def _radii(x: _Rows, y: _Rows, k: int, axis_name: AxisName | None) -> tuple[Array, Array]:
    """Squared distance from each row to the k-th nearest other row of its own side; infinite where there is none."""

    def nearest(own: _Rows, other: _Rows, same: Bool[Array, ""], best: Array) -> Array:
        distances = jnp.where(other.counts[None, :], _squared_distances(own, other), jnp.inf)
        distances = jnp.where(same & jnp.eye(*distances.shape, dtype=bool), jnp.inf, distances)
        return _smallest(jnp.concatenate([best, distances], axis=1), k)

    def meet(step: Int[Array, ""], visiting: tuple[_Rows, _Rows], best: tuple[Array, Array]) -> Any:
        pairs = zip((x, y), visiting, best, strict=True)
        return visiting, tuple(_update_rows(nearest, own, other, step == 0, found) for own, other, found in pairs)

    best = tuple(_varying(jnp.full((*part.counts.shape, k), jnp.inf), axis_name) for part in (x, y))
    _, (best_x, best_y) = _ring(meet, (x, y), best, axis_name)
    return best_x[..., -1], best_y[..., -1]


def _smallest(values: Float[Array, "n m"], k: int) -> Float[Array, "n k"]:
    """The k smallest of each row in rising order, by k rounds of a masked minimum: on a CPU far faster than `top_k`."""
    levels, counts = [], []
    below = jnp.full(values.shape[:1], -jnp.inf)
    for _ in range(k):
        below = jnp.where(values > below[:, None], values, jnp.inf).min(1)
        levels.append(below)
        counts.append((values == below[:, None]).sum(1, dtype=jnp.int32))
    # A value that occurs several times takes several places.
    reach = jnp.cumsum(jnp.stack(counts, 1), axis=1)
    place = (reach[:, None, :] <= jnp.arange(k, dtype=jnp.int32)[None, :, None]).sum(2)
    return jnp.take_along_axis(jnp.stack(levels, 1), jnp.minimum(place, k - 1), axis=1)


def _squared_distances(x: _Rows, y: _Rows) -> Float[Array, "n m"]:
    products = jnp.einsum("nd,md->nm", x.rows, y.rows, precision=lax.Precision.HIGHEST)
    return jnp.maximum(x.extra[:, None] + y.extra[None, :] - 2 * products, 0.0)


def _update_rows(function: Callable[..., Array], x: _Rows, y: _Rows, same: Bool[Array, ""], state: Array) -> Array:
    """`function(x_block, y_block, whether they are the same block, state_block)` over all pairs of blocks."""

    def row_block(_: None, block: Any) -> Any:
        i, own, found = block

        def column_block(found: Array, other: Any) -> Any:
            j, visiting = other
            return function(own, visiting, same & (i == j), found), None

        return None, lax.scan(column_block, found, (jnp.arange(len(y.counts), dtype=jnp.int32), y))[0]

    return lax.scan(row_block, None, (jnp.arange(len(x.counts), dtype=jnp.int32), x, state))[1]


def _over_blocks(
    function: Callable[..., Array],
    add: Callable[[Tree, Array], Tree],
    x: _Rows,
    y: _Rows,
    same: Bool[Array, ""],
    total: Tree,
) -> Tree:
    """`total` with `function(x_block, y_block, whether they are the same block)` of all pairs of blocks added."""

    def row_block(total: Tree, block: Any) -> Any:
        i, own = block

        def column_block(total: Tree, other: Any) -> Any:
            j, visiting = other
            return add(total, function(own, visiting, same & (i == j))), None

        return lax.scan(column_block, total, (jnp.arange(len(y.counts), dtype=jnp.int32), y))[0], None

    return lax.scan(row_block, total, (jnp.arange(len(x.counts), dtype=jnp.int32), x))[0]


def _ring(
    meet: Callable[[Int[Array, ""], Any, Any], tuple[Any, Any]],
    visiting: Any,
    resident: Any,
    axis_name: AxisName | None,
) -> tuple[Any, Any]:
    """`visiting, resident = meet(step, visiting, resident)` on every device for every device's `visiting`.

    At step 0 the visitors are at home; after the last step they have come home again, with what they gathered.
    """
    if axis_name is None:
        return meet(jnp.zeros((), jnp.int32), visiting, resident)
    devices = lax.axis_size(axis_name)
    to_next = [(device, (device + 1) % devices) for device in range(devices)]

    def step(state: tuple[Any, Any], number: Int[Array, ""]) -> Any:
        visiting, resident = meet(number, *state)
        return (
            jax.tree.map(functools.partial(lax.ppermute, axis_name=axis_name, perm=to_next), visiting),
            resident,
        ), None

    return lax.scan(step, (visiting, resident), jnp.arange(devices, dtype=jnp.int32))[0]


def _counted(
    rows: Float[Array, "n d"], mask: Bool[Array, " n"] | None, axis_name: AxisName | None
) -> tuple[Float[Array, "n d"], Bool[Array, " n"], Int[Array, ""]]:
    """Rows in float32 with zeros where they do not count, the mask, and how many count on all devices."""
    everyone = _varying(jnp.ones(rows.shape[:1], bool), axis_name)
    mask = everyone if mask is None else mask & everyone
    count = mask.sum(dtype=jnp.int32)
    rows = jnp.where(mask[:, None], rows.astype(jnp.float32), 0.0)
    return rows, mask, count if axis_name is None else lax.psum(count, axis_name)


def _centred(
    x: Float[Array, "n d"],
    x_mask: Bool[Array, " n"],
    y: Float[Array, "m d"],
    y_mask: Bool[Array, " m"],
    axis_name: AxisName | None,
) -> tuple[Float[Array, "n d"], Float[Array, "m d"], Float[Array, " d"]]:
    """Both sides relative to the mean of all rows, and that mean: any other centre would give the same distances."""
    if x.shape[1] != y.shape[1]:
        raise InputError(f"reference has {x.shape[1]} features, generated has {y.shape[1]}")
    total, count = x.sum(0) + y.sum(0), (x_mask.sum() + y_mask.sum()).astype(jnp.float32)
    if axis_name is not None:
        total, count = lax.psum((total, count), axis_name)
    centre = lax.stop_gradient(total / jnp.maximum(count, 1.0))
    return jnp.where(x_mask[:, None], x - centre[None], 0.0), jnp.where(y_mask[:, None], y - centre[None], 0.0), centre


def _in_blocks(rows: Float[Array, "n d"], mask: Bool[Array, " n"], extra: Float[Array, " n"]) -> _Rows:
    """Rows in square blocks of pairs, filled up with rows that do not count."""
    count = rows.shape[0]
    block = min(square_block(), max(count, 1))
    missing = -count % block
    parts = [jnp.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1)) for part in (rows, mask, extra)]
    return _Rows(*(part.reshape(-1, block, *part.shape[1:]) for part in parts))


def _varying(tree: Tree, axis_name: AxisName | None) -> Tree:
    """Constants as values of each device's own, as the carries of a scan inside `shard_map` have to be."""
    return tree if axis_name is None else lax.pcast(tree, axis_name, to="varying")
