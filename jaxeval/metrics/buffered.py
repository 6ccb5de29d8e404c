"""What metrics that need every feature share: two buffers of rows, and the choice of where to compute."""

import abc
import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float

from jaxeval.errors import InputError
from jaxeval.metrics.feature_buffer import FeatureBuffer, FeatureBufferState
from jaxeval.metrics.keywords import own_input, require_input
from jaxeval.metrics.metric import AxisName, Metric, check_whole, copied, on_host, placed, shards_on
from jaxeval.metrics.value import MetricValue


class BufferedState(NamedTuple):
    """The buffers of both sides: a pytree.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> distance = metrics.KernelDistance(feature_size=4, capacity=200)
      >>> state = distance.update(distance.init(), reference=np.ones((100, 4)))
      >>> state.reference.seen, state.generated.seen
      (Array([100], dtype=int32), Array([0], dtype=int32))
    """

    reference: FeatureBufferState
    generated: FeatureBufferState


class DeviceRows(NamedTuple):
    """One side's rows on the device, [places, d], and which places hold a row."""

    rows: Float[Array, "n d"]
    mask: Bool[Array, " n"]


@dataclasses.dataclass(frozen=True)
class BufferedMetric(Metric[BufferedState]):
    """Base of the metrics that compare every row with every other.

    Attributes:
      feature_size: d.
      capacity: rows of each side that the buffers hold, all devices together.
      overflow: what happens to further rows: "error", raised by `compute`, or "reservoir", a uniform sample.
      seed: seeds the reservoir's draws.
      inputs: the keywords of `update` that carry its data.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> distance = metrics.KernelDistance(feature_size=4, capacity=200)  # one of them
      >>> isinstance(distance, metrics.BufferedMetric), distance.overflow
      (True, 'error')
      >>> state = distance.init()
      >>> state.reference.rows.shape
      (1, 200, 4)
    """

    feature_size: int
    capacity: int
    overflow: Literal["error", "reservoir"] = "error"
    seed: int = 0
    inputs: tuple[str, ...] = dataclasses.field(default=("reference", "generated"), init=False, repr=False)

    def __post_init__(self):
        self.buffer  # noqa: B018  (its constructor checks the configuration)

    @property
    def buffer(self) -> FeatureBuffer:
        """The configuration of each side's buffer."""
        return FeatureBuffer(self.feature_size, self.capacity, self.overflow, self.seed)

    @property
    def sides(self) -> tuple[str, ...]:
        """Which of the buffers an update fills: by default those that its keywords name."""
        return self.inputs

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> BufferedState:
        """Two empty buffers: whole, in so many shards, or inside `shard_map` or `pmap` this device's shard."""
        # Made twice: a donated state must not hold one array in two places.
        return BufferedState(*(self.buffer.init(shards=shards, axis_name=axis_name) for _ in BufferedState._fields))

    def update(self, state: BufferedState, **inputs: Any) -> BufferedState:
        """The state with a batch of one side or of both added.

        Args:
          state: before.
          inputs: `reference` and `generated`, features of shape [N, feature_size] and [M, feature_size]; `mask`,
            [N] truth values, or `reference_mask` and `generated_mask`: rows where it is False do not count; `index`,
            [N] integers, or `reference_index` and `generated_index`: each row's number in its data set, by which a
            reservoir draws (see `FeatureBuffer.insert`).
        """
        require_input(self.name, self.inputs, inputs)
        return self._added(state, inputs)

    def _added(self, state: BufferedState, inputs: dict[str, Any], axis_name: AxisName | None = None) -> BufferedState:
        parts = {side: self._add(getattr(state, side), side, inputs, axis_name) for side in self.sides}
        return state._replace(**parts)

    def _add(
        self, state: FeatureBufferState, side: str, inputs: dict[str, Any], axis_name: AxisName | None = None
    ) -> FeatureBufferState:
        if inputs.get(side) is None:
            return state
        mask, index = own_input(side, "mask", inputs), own_input(side, "index", inputs)
        return self.buffer.insert(state, inputs[side], side=side, mask=mask, index=index, axis_name=axis_name)

    def merge(self, a: BufferedState, b: BufferedState) -> BufferedState:
        """The state of both sets of data together, shard by shard."""
        return BufferedState(*(self.buffer.merge(one, other) for one, other in zip(a, b, strict=True)))

    def reduce(self, state: BufferedState, axis_name: AxisName) -> BufferedState:
        """The state as it is: each device keeps its shard, and `compute_on_device` brings the rows together."""
        del axis_name
        return state

    def accumulate(self, state: BufferedState, *, axis_name: AxisName, **inputs: Any) -> BufferedState:
        """`update`, with the rows of all devices dealt out to all, so that no device's part fills up first."""
        require_input(self.name, self.inputs, inputs)
        return self._added(state, inputs, axis_name)

    def keep_reference(self, state: BufferedState) -> BufferedState:
        """The state with its reference side alone, a copy."""
        return BufferedState(copied(state.reference), self.buffer.emptied(state.generated))

    def resharded(self, state: BufferedState, mesh: Mesh | None = None, axis_name: AxisName = "data") -> BufferedState:
        """A whole state for another mesh, its rows in as many shards as the axis has devices (`Metric.resharded`)."""
        shards = 1 if mesh is None else shards_on(mesh, axis_name)
        sides = zip(BufferedState._fields, on_host(state), strict=True)
        divided = BufferedState(*(self.buffer.resharded(part, shards, side) for side, part in sides))
        return placed(divided, mesh, self.state_specs(axis_name))

    def state_specs(self, axis_name: AxisName) -> BufferedState:
        """Every leaf is sharded along its leading axis."""
        return jax.tree.map(lambda _: PartitionSpec(axis_name), jax.eval_shape(self.init))

    def compute(self, state: BufferedState) -> MetricValue:
        """The value, in float64 on the host.

        On several processes, none of which can hold all rows, it is computed by `compute_on_device` instead, in
        float32, and says so in its warnings; every process must then call this.

        Raises:
          InputError: rows were lost to overflow, there are too few, or a value is not finite.
        """
        check_whole(self, state)
        if not all(leaf.is_fully_addressable for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)):
            return self._compute_over_processes(state)
        rows = {side: self.buffer.rows(part, side) for side, part in zip(self.sides, state, strict=True)}
        seen = [int(np.asarray(part.seen, np.int64).sum()) for part in state]
        warnings = self._checked_counts([len(part) for part in rows.values()], seen)
        return dataclasses.replace(self._compute_on_host(**rows), warnings=warnings)

    def _compute_over_processes(self, state: BufferedState) -> MetricValue:
        gathered = functools.partial(multihost_utils.process_allgather, tiled=True)
        small = [part._replace(seen=gathered(part.seen)) for part in state]
        for side, part in zip(self.sides, small, strict=True):
            self.buffer.check_overflow(part, side)
        rows = _counts(self, state)
        counts = [int(count) for count in rows]
        warnings = self._checked_counts(counts, [int(np.asarray(part.seen, np.int64).sum()) for part in small])
        value = self._as_value(self.compute_on_device(state), *counts)
        said = "computed in float32 on the devices, as no process holds every row"
        return dataclasses.replace(value, warnings=(*warnings, said))

    def _checked_counts(self, counts: list[int], seen: list[int]) -> tuple[str, ...]:
        """Raises InputError if there are too few rows; says where a reservoir left rows out."""
        for side, count in zip(self.sides, counts, strict=True):
            if count < self.least_rows:
                raise InputError(f"{self.name} needs at least {self.least_rows} rows of {side}; it has {count}")
        return tuple(
            f"a sample of {count} of {total} rows of {side}"
            for side, count, total in zip(self.sides, counts, seen, strict=True)
            if count < total
        )

    @property
    @abc.abstractmethod
    def least_rows(self) -> int:
        """The least number of rows that each side needs for a value."""

    @abc.abstractmethod
    def _compute_on_host(
        self, *, reference: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
    ) -> MetricValue:
        """The metric's value from rows on the host, in float64."""

    @abc.abstractmethod
    def _compute_rows(self, reference: DeviceRows, generated: DeviceRows, axis_name: AxisName | None) -> Any:
        """The value of device rows, spread over `axis_name`."""

    @abc.abstractmethod
    def _as_value(self, computed: Any, n_reference: int, n_generated: int) -> MetricValue:
        """What `_compute_rows` returned, as a value on the host."""

    def compute_on_device(
        self, state: BufferedState, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Any:
        """The value in float32, jit-able; not a number where rows were lost or there are too few.

        Where the buffers are sharded, rows travel around a ring of devices and no device holds them all. That is
        found out from concrete arrays and on Explicit meshes; elsewhere it has to be said:

        Args:
          state: a whole state, or inside `shard_map` or `pmap` this device's part.
          axis_name: the axis over which the buffers are sharded. Without `mesh`: inside `shard_map` or `pmap`.
          mesh: for a state sharded over Auto axes inside jit.

        Returns:
          The same value on every device.
        """
        check_whole(self, state)
        if axis_name is None and mesh is None:
            mesh, axis_name = _placement(state.reference.rows)
        if mesh is not None:
            return _compute_spread(self, state, mesh, axis_name)
        return _compute_whole(self, state) if axis_name is None else self._compute_part(state, axis_name)

    def _compute_part(self, state: BufferedState, axis_name: AxisName | None) -> Any:
        def rows(part: FeatureBufferState) -> DeviceRows:
            mask = jnp.asarray(self.buffer.sampled(part, axis_name))
            return DeviceRows(part.rows.reshape(-1, self.feature_size), mask.reshape(-1))

        reference, generated = rows(state.reference), rows(state.generated)
        found = self._compute_rows(reference, generated, axis_name)
        enough = jnp.array(True)
        for part, side in ((state.reference, reference), (state.generated, generated)):
            count = side.mask.sum(dtype=jnp.int32)
            count = count if axis_name is None else lax.psum(count, axis_name)
            enough &= (count >= self.least_rows) & (self.buffer.lost(part, axis_name) == 0)
        return jax.tree.map(lambda value: jnp.where(enough, value, jnp.nan), found)

    @property
    def accumulates(self) -> tuple[Any, ...]:
        """Rows: metrics with the same buffers can share them."""
        return ("rows", self.buffer)


def _placement(rows: Array) -> tuple[Any, AxisName | None]:
    """The mesh and the axis over which the leading axis of `rows` is sharded, as far as can be seen."""
    sharding = jax.typeof(rows).sharding if isinstance(rows, Tracer) else getattr(rows, "sharding", None)
    if not isinstance(sharding, NamedSharding) or not len(sharding.spec) or sharding.spec[0] is None:
        return None, None
    return sharding.mesh, sharding.spec[0]


@functools.partial(jax.jit, static_argnums=0)
def _compute_whole(metric: BufferedMetric, state: BufferedState) -> Any:
    return metric._compute_part(state, None)


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def _compute_spread(metric: BufferedMetric, state: BufferedState, mesh: Any, axis_name: AxisName) -> Any:
    compute = functools.partial(metric._compute_part, axis_name=axis_name)
    specs = metric.state_specs(axis_name)
    return jax.shard_map(compute, mesh=mesh, in_specs=(specs,), out_specs=PartitionSpec())(state)


@functools.partial(jax.jit, static_argnums=0)
def _counts(metric: BufferedMetric, state: BufferedState) -> tuple[Array, ...]:
    return tuple(metric.buffer.sampled(part).sum(dtype=jnp.int32) for part in state)
