"""A buffer of fixed capacity for feature rows, divided into shards: the state of metrics that need every feature.

The rows of a batch that count go to the emptiest shards, one after another, wherever they lie on a mesh: a padded or
uneven batch fills all shards alike, and as many rows fit as the capacity says. When the buffer is full, further rows
are either lost, which is an error when the metric is computed, or compete for a place.

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
from jaxeval._arrays import AnyArray
from jaxeval.errors import InputError
from jaxeval.metrics.metric import AxisName, counted_rows, vary_over

_EMPTY = np.uint32(0xFFFFFFFF)  # the priority of a place without a row; as a Python constant it initialises no backend


class FeatureBufferState(NamedTuple):
    """The rows that a buffer holds, a pytree; every leaf has the shards as its leading axis.

    Attributes:
      rows: shape [shards, places, d], float32.
      priority: shape [shards, places], uint32; the largest value where there is no row.
      seen: rows that were added to each shard, kept or not, shape [shards], int32.
      turned_away: the lowest priority that found no place in each shard, shape [shards], uint32.
      shard: each shard's number, shape [shards], uint32.

    Example:
      >>> from jaxeval import metrics
      >>> state = metrics.FeatureBuffer(feature_size=4, capacity=200).init(shards=2)
      >>> state.rows.shape, state.priority.shape, state.seen.shape
      ((2, 100, 4), (2, 100), (2,))
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
      seed: seeds the reservoir's priorities.

    Raises:
      InputError: a size below 1, or an unknown overflow.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> buffer = metrics.FeatureBuffer(feature_size=4, capacity=200)
      >>> state = buffer.insert(buffer.init(), np.ones((100, 4), np.float32))
      >>> buffer.rows(state).shape
      (100, 4)
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
        self,
        state: FeatureBufferState,
        features: Any,
        *,
        side: str = "features",
        mask: Any = None,
        index: Any = None,
        axis_name: AxisName | None = None,
    ) -> FeatureBufferState:
        """The buffer with a batch added, its rows dealt out to the emptiest shards.

        Args:
          state: before.
          features: shape [N, feature_size].
          side: what messages call them.
          mask: shape [N], truth values; rows where it is False do not count.
          index: shape [N], integers below 2^32: each row's number in the whole data set. The reservoir then holds
            the rows whose numbers have the lowest priorities, whatever the batches, devices and hosts that they came
            by (several shards only keep a few fewer); without it, priorities go by the order of arrival.
          axis_name: inside `shard_map` or `pmap`, the mapped axis over whose devices the rows are dealt out; without
            it each device keeps its own, and its part of the capacity may run out before the others'.

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
        if axis_name is not None:
            return self._insert_among(state, axis_name, *lax.all_gather(given, axis_name, tiled=True))
        return _on_auto_axes(self._insert_dealt, state, *given)

    def merge(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        """The buffer of the rows of both: shard by shard, or where that would lose rows that fit, over all shards.

        Raises:
          InputError: the buffers differ in shards or places.
        """
        if jnp.shape(a.rows) != jnp.shape(b.rows):
            raise InputError(f"buffers of shapes {jnp.shape(a.rows)} and {jnp.shape(b.rows)} cannot be merged")
        return _on_auto_axes(self._merge_shards, a, b)

    def emptied(self, state: FeatureBufferState) -> FeatureBufferState:
        """An empty buffer of the same shape, shards and placement."""
        return FeatureBufferState(
            jnp.zeros_like(state.rows),
            jnp.full_like(state.priority, _EMPTY),
            jnp.zeros_like(state.seen),
            jnp.full_like(state.turned_away, _EMPTY),
            jnp.array(state.shard),
        )

    def resharded(self, state: FeatureBufferState, shards: int, side: str = "features") -> FeatureBufferState:
        """The same rows in another number of shards, on the host; a reservoir goes on from there.

        Args:
          state: a whole buffer, on any devices of this process or on the host.
          shards: number of shards of the new buffer.
          side: what messages call the rows.

        Raises:
          InputError: rows were lost to overflow, or no whole number of shards was given.
        """
        shards = whole_number("shards", shards, 1)
        self.check_overflow(state, side)
        state = FeatureBufferState(*map(np.asarray, state))
        chosen = np.asarray(self.sampled(state))
        rows, priority = state.rows[chosen], state.priority[chosen]
        places = -(-self.capacity // shards)
        turned_away = state.turned_away.min()
        # What lies above it is no part of the sample, and never will be again.
        order = np.argsort(priority, kind="stable")
        if len(order) > places * shards:  # the old number of shards had rounded the capacity up by more
            if self.overflow == "error":
                raise InputError(
                    f"the {side} buffer holds {len(order)} rows, more than its capacity of {self.capacity}, which its "
                    f"{len(state.seen)} shards had rounded up; {shards} shards have room for {places * shards}"
                )
            turned_away = priority[order[places * shards]]
            order = order[: places * shards]
            order = order[priority[order] < turned_away]
        new = FeatureBufferState(
            np.zeros((shards, places, self.feature_size), np.float32),
            np.full((shards, places), _EMPTY, np.uint32),
            _divided(int(state.seen.astype(np.int64).sum()), shards),
            np.full((shards,), turned_away, np.uint32),
            np.arange(shards, dtype=np.uint32),
        )
        if self.overflow == "reservoir":  # streams that no shard has drawn from yet
            new = new._replace(shard=new.shard + state.shard.max() + np.uint32(1))
        number = np.arange(len(order))
        new.rows[number % shards, number // shards] = rows[order]
        new.priority[number % shards, number // shards] = priority[order]
        return new

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
            uneven = (seen < places).any()
            needed = int(seen.max()) * len(seen) if uneven else int(seen.sum())
            shards = "" if len(seen) == 1 else f" in {len(seen)} shards"
            dealt = "; let `accumulate` deal them out to all devices," if uneven else ";"
            raise InputError(
                f"the {side} buffer of {places * len(seen)} rows{shards} overflowed and lost {lost} of "
                f"{int(seen.sum())} rows{dealt} give it capacity={needed}, or overflow='reservoir'"
            )

    def lost(self, state: FeatureBufferState, axis_name: AxisName | None = None) -> Int[Array, ""]:
        """How many rows were lost to overflow, on the device; 0 of a reservoir. Arguments as of `sampled`."""
        if self.overflow == "reservoir":
            return jnp.zeros((), jnp.int32)
        lost = jnp.maximum(state.seen - state.rows.shape[1], 0).sum(dtype=jnp.int32)
        return lost if axis_name is None else lax.psum(lost, axis_name)

    @functools.partial(jax.jit, static_argnums=0)  # eagerly, each of its many steps would be compiled by itself
    def _insert_dealt(
        self,
        state: FeatureBufferState,
        rows: Float[Array, "n d"],
        keep: Bool[Array, " n"],
        index: UInt[Array, " n"] | None = None,
    ) -> FeatureBufferState:
        shards, order = _dealt(state.seen, keep)
        return self._insert_sent(
            state, rows, keep, index, jnp.arange(len(state.seen), dtype=jnp.int32), state.shard, shards, order
        )

    def _insert_among(
        self,
        state: FeatureBufferState,
        axis_name: AxisName,
        rows: Float[Array, "n d"],
        keep: Bool[Array, " n"],
        index: UInt[Array, " n"] | None = None,
    ) -> FeatureBufferState:
        """This device's shards with its part of the rows of all devices."""
        seen, streams = lax.all_gather((jnp.asarray(state.seen), jnp.asarray(state.shard)), axis_name, tiled=True)
        shards, order = _dealt(seen, keep)
        own = lax.axis_index(axis_name) * len(state.seen) + jnp.arange(len(state.seen), dtype=jnp.int32)
        return self._insert_sent(state, rows, keep, index, own, streams, shards, order)

    def _insert_sent(
        self,
        state: FeatureBufferState,
        rows: Float[Array, "n d"],
        keep: Bool[Array, " n"],
        index: UInt[Array, " n"] | None,
        own: Int[Array, " s"],
        streams: UInt[Array, " all"],
        shards: Int[Array, " n"],
        order: Int[Array, " n"],
    ) -> FeatureBufferState:
        """The shards numbered `own` with the rows that were dealt to them; `order` is a row's number in its shard."""
        if index is None:
            priority = self._draw(1 + streams[shards], 1 + order.astype(jnp.uint32))
        else:
            priority = self._draw(jnp.zeros_like(index), index)
        sent = jnp.where(keep[None] & (shards[None] == own[:, None]), priority[None], _EMPTY)
        return jax.vmap(self._insert_shard, in_axes=(0, None, 0))(state, rows, sent)

    def _draw(self, streams: UInt[Array, " n"], numbers: UInt[Array, " n"]) -> UInt[Array, " n"]:
        if self.overflow == "error":  # the order of arrival decides, so nothing is drawn
            return jnp.zeros(numbers.shape, jnp.uint32)
        # The generator is named, so that no setting of the user's changes which rows a seed draws.
        key = jax.random.key(self.seed, impl="threefry2x32")

        def bits(stream: UInt[Array, ""], number: UInt[Array, ""]) -> UInt[Array, ""]:
            return jax.random.bits(jax.random.fold_in(jax.random.fold_in(key, stream), number), dtype=jnp.uint32)

        return jnp.minimum(jax.vmap(bits)(streams, numbers), _EMPTY - 1)

    @functools.partial(jax.jit, static_argnums=0)
    def _merge_shards(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        shards, places = a.priority.shape
        if shards == 1:
            return jax.vmap(self._merge_shard)(a, b)
        seen = a.seen + b.seen
        # Sums of numbers of rows could pass what 32 bits hold; what is left of each shard's places cannot.
        fits = jnp.maximum(seen - places, 0).sum() <= jnp.maximum(places - seen, 0).sum()
        overflows = (seen > places).any()
        return lax.cond(overflows & fits, self._merge_around, jax.vmap(self._merge_shard), a, b)

    def _merge_around(self, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
        """All shards' rows of both where they fit in: what finds no place in its shard goes on to the next."""
        places = a.priority.shape[1]

        def fill(state: FeatureBufferState, rows: Array, priority: Array) -> tuple[FeatureBufferState, Array]:
            counts = priority != _EMPTY
            held = state.priority != _EMPTY
            rank = jnp.where(held, places, jnp.cumsum(~held, dtype=jnp.int32) - 1)
            free = jnp.full(places, places, jnp.int32).at[rank].set(jnp.arange(places, dtype=jnp.int32), mode="drop")
            number = jnp.cumsum(counts, dtype=jnp.int32) - 1
            enters = counts & (number < (~held).sum(dtype=jnp.int32))
            place = jnp.where(enters, free[jnp.minimum(number, places - 1)], places)
            filled = state._replace(
                rows=state.rows.at[place].set(rows, mode="drop"),
                priority=state.priority.at[place].set(priority, mode="drop"),
                seen=state.seen + enters.sum(dtype=jnp.int32),
            )
            return filled, jnp.where(enters, _EMPTY, priority)

        def step(_: Any, carried: Any) -> Any:
            state, rows, priority = carried
            state, priority = jax.vmap(fill)(state, rows, priority)
            return state, jnp.roll(rows, 1, axis=0), jnp.roll(priority, 1, axis=0)

        start = a, jnp.asarray(b.rows), jnp.asarray(b.priority)
        state, _, _ = lax.fori_loop(0, len(a.seen), step, start)
        # Rows that `b` had turned away before count as seen too.
        missing = b.seen - (b.priority != _EMPTY).sum(axis=1, dtype=jnp.int32)
        return state._replace(seen=state.seen + missing, turned_away=jnp.minimum(state.turned_away, b.turned_away))

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


def _dealt(seen: Int[Array, " s"], keep: Bool[Array, " n"]) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """For each row that counts, the shard that it goes to and its number there, from the emptiest shards on."""
    shards, rows = seen.shape[0], keep.shape[0]
    number = jnp.cumsum(keep, dtype=jnp.int32) - 1
    if shards == 1:
        return jnp.zeros_like(number), seen[0] + number
    # How many rows each shard is ahead of the emptiest. One that is ahead by more than the batch takes none of it.
    ahead = jnp.minimum(seen - seen.min(), rows)
    by_level = jnp.argsort(ahead, stable=True)
    level = ahead[by_level]
    # The rows that bring all shards below to the level of the next: from there on the next takes its turn too.
    starts = jnp.arange(shards, dtype=jnp.int32) * level - (jnp.cumsum(level, dtype=jnp.int32) - level)
    stage = jnp.searchsorted(starts, jnp.maximum(number, 0), side="right").astype(jnp.int32) - 1
    turn, shard = jnp.divmod(jnp.maximum(number, 0) - starts[stage], stage + 1)
    shard = by_level[shard]
    return shard, seen[shard] + level[stage] + turn - ahead[shard]


def _divided(total: int, parts: int) -> np.ndarray:
    """A number of rows as that of each shard, the first with what is left over."""
    return np.array([total // parts + (part < total % parts) for part in range(parts)], np.int32)


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
