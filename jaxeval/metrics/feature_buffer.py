"""A buffer of fixed capacity for feature rows, divided into shards: the state of metrics that need every feature.

Each shard takes the rows of its own part of a batch, so that on a mesh no row ever travels. When a shard is full, its
further rows are either lost, which is an error when the metric is computed, or compete for a place.

Reservoir sampling is done by random priorities: a shard keeps the rows of lowest priority, and remembers the lowest
priority that it turned away. Rows whose priority lies below everything that any shard turned away are a uniform
sample without replacement of all rows that were ever added, however unevenly the shards were fed. What a shard keeps
depends on its set of rows alone, which makes merging associative and commutative.

Reference: Cohen, Kaplan, "Summarizing Data using Bottom-k Sketches", PODC 2007.
"""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.metric import AxisName, counted_rows, vary_over
from jaxeval.ops._arrays import AnyArray

__all__ = ["FeatureBuffer", "FeatureBufferState"]

_EMPTY = np.uint32(0xFFFFFFFF)  # the priority of a place without a row; as a Python constant it initialises no backend


class FeatureBufferState(NamedTuple):
    """The rows that a buffer holds, a pytree; every leaf has the shards as its leading axis.

    Attributes:
      rows: shape [shards, places, d], float32.
      priority: shape [shards, places], uint32; the largest value where there is no row.
      seen: rows that were added to each shard, kept or not, shape [shards], int32.
      turned_away: the lowest priority that found no place in each shard, shape [shards], uint32.
      shard: each shard's number, shape [shards], uint32.
    """

    rows: Any
    priority: Any
    seen: Any
    turned_away: Any
    shard: Any


@dataclasses.dataclass(frozen=True)
class FeatureBuffer:
    """Configuration of a buffer, and the pure functions on its state.

    Attributes:
      feature_size: d.
      capacity: rows that it can hold, all shards together; rounded up to a multiple of the number of shards.
      overflow: what happens to further rows: "error", reported when the rows are asked for, or "reservoir".
      seed: of the reservoir's priorities.

    Raises:
      InputError: a size below 1, or an unknown overflow.
    """

    feature_size: int
    capacity: int
    overflow: Literal["error", "reservoir"] = "error"
    seed: int = 0

    def __post_init__(self):
        for name in ("feature_size", "capacity"):
            whole_number(name, getattr(self, name), 1, enforce=False)
        if self.feature_size < 1:
            raise InputError(f"feature_size is {self.feature_size}; a feature has at least one dimension")
        if self.capacity < 1:
            raise InputError(f"capacity is {self.capacity}; a buffer holds at least one row")
        if self.overflow not in ("error", "reservoir"):
            raise InputError(f"overflow is {self.overflow!r}; choose 'error' or 'reservoir'")

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> FeatureBufferState:
        """An empty buffer: whole, in so many shards, or inside `shard_map` or `pmap` this device's shard of it.

        Raises:
          InputError: shards below 1.
        """
        if shards < 1:
            raise InputError(f"shards is {shards}; a buffer has at least one")
        numbers = jnp.arange(shards, dtype=jnp.uint32)
        parts = shards
        if axis_name is not None:
            parts, shards = shards * lax.axis_size(axis_name), 1
            numbers = lax.axis_index(axis_name).astype(jnp.uint32)[None]
        places = -(-self.capacity // parts)
        constants = (
            jnp.zeros((shards, places, self.feature_size), jnp.float32),
            jnp.full((shards, places), _EMPTY, jnp.uint32),
            jnp.zeros((shards,), jnp.int32),
            jnp.full((shards,), _EMPTY, jnp.uint32),
        )
        return FeatureBufferState(*vary_over(constants, axis_name), numbers)

    def insert(
        self, state: FeatureBufferState, features: Any, *, side: str = "features", mask: Any = None, index: Any = None
    ) -> FeatureBufferState:
        """The buffer with a batch added, its rows dealt out to the shards in stretches, as a mesh axis does.

        Args:
          state: before.
          features: shape [N, feature_size].
          side: what messages call them.
          mask: shape [N], truth values; rows where it is False do not count.
          index: shape [N], integers below 2^32: each row's number in the whole data set. The reservoir then holds
            the rows whose numbers have the lowest priorities, whatever the batches, devices and hosts that they came
            by (several shards only keep a few fewer); without it, priorities go by the order of arrival.

        Raises:
          InputError: a shape or dtype is wrong.
        """
        rows, keep = counted_rows(side, features, self.feature_size, mask)
        if index is not None:
            index = jnp.asarray(index)
            if index.shape != keep.shape or not jnp.issubdtype(index.dtype, jnp.integer):
                raise InputError(
                    f"the index of {side} has shape {tuple(index.shape)} and dtype {index.dtype}; "
                    f"[{keep.shape[0]}] integers are expected"
                )
        given = (rows, keep) if index is None else (rows, keep, index.astype(jnp.uint32))
        return _on_auto_axes(self._insert_dealt, state, *given)

    def merge(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        """The buffer of the rows of both, shard by shard.

        Raises:
          InputError: the buffers differ in shards or places.
        """
        if jnp.shape(a.rows) != jnp.shape(b.rows):
            raise InputError(f"buffers of shapes {jnp.shape(a.rows)} and {jnp.shape(b.rows)} cannot be merged")
        return _on_auto_axes(self._merge_shards, a, b)

    def sampled(self, state: FeatureBufferState, axis_name: AxisName | None = None) -> Bool[AnyArray, "shards places"]:
        """Which places hold a row of the sample: in a buffer that never overflowed, of all rows.

        Args:
          state: the whole buffer, or one device's part inside `shard_map` or `pmap`.
          axis_name: there, the mapped axis.
        """
        threshold = state.turned_away.min()
        if axis_name is not None:
            threshold = lax.pmin(threshold, axis_name)
        return state.priority < threshold

    def rows(self, state: FeatureBufferState, side: str = "features") -> Float[np.ndarray, "n d"]:
        """The sample on the host.

        Raises:
          InputError: rows were lost to overflow.
        """
        self.check_overflow(state, side)
        keep = np.asarray(self.sampled(jax.tree.map(np.asarray, state)))
        return np.asarray(state.rows)[keep]

    def check_overflow(self, state: FeatureBufferState, side: str = "features") -> None:
        """Raises InputError if the buffer is not a reservoir and rows were lost; names a sufficient capacity."""
        if self.overflow == "reservoir":
            return
        seen, places = np.asarray(state.seen, np.int64), state.rows.shape[1]
        lost = int(np.maximum(seen - places, 0).sum())
        if lost:
            needed = int(seen.max()) * len(seen)
            shards = "" if len(seen) == 1 else f" in {len(seen)} shards"
            raise InputError(
                f"the {side} buffer of {places * len(seen)} rows{shards} overflowed and lost {lost} of "
                f"{int(seen.sum())} rows; give it capacity={needed}, or overflow='reservoir'"
            )

    @functools.partial(jax.jit, static_argnums=0)  # eagerly, each of its many steps would be compiled by itself
    def _insert_dealt(
        self,
        state: FeatureBufferState,
        rows: Float[Array, "n d"],
        keep: Bool[Array, " n"],
        index: UInt[Array, " n"] | None = None,
    ) -> FeatureBufferState:
        shards = state.rows.shape[0]
        priority = jax.vmap(self._priority_by_order)(state.shard, state.seen, _deal(keep, shards))
        if index is not None:
            priority = self._priority_by_index(_deal(index, shards))
        priority = jnp.where(_deal(keep, shards), priority, _EMPTY)
        return jax.vmap(self._insert_shard)(state, _deal(rows, shards), priority)

    def _priority_by_index(self, index: UInt[Array, "s n"]) -> UInt[Array, "s n"]:
        return self._draw(0, index)

    def _priority_by_order(
        self, shard: UInt[Array, ""], seen: Int[Array, ""], keep: Bool[Array, " n"]
    ) -> UInt[Array, " n"]:
        order = (seen + jnp.cumsum(keep, dtype=jnp.int32)).astype(jnp.uint32)
        return self._draw(1 + shard, order)

    def _draw(self, stream: Any, numbers: UInt[Array, "*n"]) -> UInt[Array, "*n"]:
        if self.overflow == "error":  # the order of arrival decides, so nothing is drawn
            return jnp.zeros(numbers.shape, jnp.uint32)
        # The generator is named, so that no setting of the user's changes which rows a seed draws.
        key = jax.random.fold_in(jax.random.key(self.seed, impl="threefry2x32"), stream)
        bits = jax.vmap(lambda number: jax.random.bits(jax.random.fold_in(key, number), dtype=jnp.uint32))
        return jnp.minimum(bits(numbers.reshape(-1)).reshape(numbers.shape), _EMPTY - 1)

    @functools.partial(jax.jit, static_argnums=0)
    def _merge_shards(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        return jax.vmap(self._merge_shard)(a, b)

    def _merge_shard(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        both = self._insert_shard(a, b.rows, b.priority)
        return both._replace(
            seen=a.seen + b.seen, turned_away=jnp.minimum(both.turned_away, b.turned_away), shard=a.shard
        )

    def _insert_shard(
        self, state: FeatureBufferState, rows: Float[Array, "n d"], priority: UInt[Array, " n"]
    ) -> FeatureBufferState:
        """One shard with rows added; those of priority `_EMPTY` do not count."""
        places = state.priority.shape[0]
        counts = priority != _EMPTY
        if self.overflow == "error":
            place = jnp.minimum(state.seen, places) + jnp.cumsum(counts, dtype=jnp.int32) - 1
            place = jnp.where(counts, place, places)
            turned_away = state.turned_away
        else:
            everyone = jnp.concatenate([state.priority, priority])
            order = jnp.argsort(everyone, stable=True)
            rank = jnp.zeros(order.shape, jnp.int32).at[order].set(jnp.arange(order.shape[0], dtype=jnp.int32))
            # As many rows enter as places fall free; places without a row rank last, so they are taken first.
            enters = counts & (rank[places:] < places)
            (free,) = jnp.nonzero(rank[:places] >= places, size=rows.shape[0], fill_value=places)
            place = jnp.where(enters, free[jnp.cumsum(enters, dtype=jnp.int32) - 1], places)
            turned_away = jnp.minimum(state.turned_away, everyone[order[places]])
        return FeatureBufferState(
            state.rows.at[place].set(rows, mode="drop"),
            state.priority.at[place].set(priority, mode="drop"),
            state.seen + counts.sum(dtype=jnp.int32),
            turned_away,
            state.shard,
        )


def _deal(values: Array, shards: int) -> Array:
    """[N, ...] as [shards, N / shards, ...], filled up with zeros (of a mask: False) where N is no multiple."""
    missing = -values.shape[0] % shards
    if missing:
        values = jnp.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
    return values.reshape(shards, -1, *values.shape[1:])


def _on_auto_axes(function: Any, state: FeatureBufferState, *others: Any) -> FeatureBufferState:
    """`function(state, *others)`, with an Explicit mesh's axes left to the compiler, and shardings as the state's.

    Scatters and sorts have no rules for Explicit axes; along the shards they need no communication, which the
    compiler finds out by itself.
    """
    meshes = [jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves((state, *others))]
    explicit = [mesh for mesh in meshes if AxisType.Explicit in mesh.axis_types]
    if not explicit:
        return function(state, *others)

    def result(leaf: Array) -> NamedSharding:
        sharding = jax.typeof(leaf).sharding
        return sharding if not sharding.mesh.empty else NamedSharding(explicit[0], PartitionSpec())

    on_auto_axes: Any = jax.sharding.auto_axes(function, out_sharding=jax.tree.map(result, state))
    return on_auto_axes(state, *others)
