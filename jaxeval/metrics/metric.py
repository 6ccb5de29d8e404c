"""The one interface of every streaming metric: a frozen configuration, and pure functions on a pytree of state."""

import abc
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float

from jaxeval._arrays import AnyArray, Numbers
from jaxeval._door import native_or_numbers, takes_arrays
from jaxeval.errors import InputError

AxisName = str | tuple[str, ...]
State = TypeVar("State")


class Metric(abc.ABC, Generic[State]):
    """A streaming metric: configuration only, frozen and hashable; every array lives in the state that it makes.

    `update` and `merge` are pure and keep dtypes, shapes and shardings, so that a state can be carried through
    `lax.scan`, donated to a jitted step, and updated under jit with sharded inputs (Auto and Explicit mesh axes),
    `shard_map` and `pmap`. States form a commutative monoid under `merge`, with `init()` as its neutral element.

    A state has leaves of two kinds, which `state_specs` tells apart: sums, of constant size, whole on every device;
    and buffers of rows, whose leading axis is sharded. Inside `shard_map` or `pmap` there are two ways to accumulate:

    - every step, from a whole state to a whole state: `accumulate(state, axis_name=..., ...)`;
    - at the end: start from `init(axis_name=...)`, `update` at each step, and `reduce` once, after the last. A state
      that is already reduced must not be updated and reduced again: its sums would count once per device.

    Attributes:
      name: what results call the metric.
      inputs: the keywords of `update` that carry its data; at least one of them must be given.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> from jaxeval import metrics
      >>> metric = metrics.Mean("loss")  # any metric is used in this way
      >>> update = jax.jit(metric.update)
      >>> state = update(metric.init(), loss=jnp.array([1.0, 3.0]))
      >>> print(metric.compute(state))
      loss 2 ± 1 (2)
    """

    name: str
    inputs: tuple[str, ...]

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        for method in ("update", "accumulate"):
            if method in vars(cls):  # the door of every metric, as every op has one
                given = ("self", "state", "params")
                setattr(cls, method, takes_arrays(vars(cls)[method], but=given, others=native_or_numbers))

    @abc.abstractmethod
    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> State:
        """The state of no data.

        Args:
          shards: into how many parts buffers are divided: the size of the mesh axis that they will lie on. Without
            meaning for metrics that hold sums only.
          axis_name: inside `shard_map` or `pmap`, the mapped axis: gives this device's part of the state.
        """

    @abc.abstractmethod
    def update(self, state: State, **inputs: Any) -> State:
        """The state with one batch added. Keywords that the metric does not know are ignored.

        Raises:
          InputError: none of the metric's inputs is given, one has the wrong shape or dtype, or a keyword is one of
            them, misspelt.
        """

    @abc.abstractmethod
    def merge(self, a: State, b: State) -> State:
        """The state of both sets of data together; associative and commutative."""

    @abc.abstractmethod
    def reduce(self, state: State, axis_name: AxisName) -> State:
        """The state of all devices of a mapped axis, from each device's own, inside `shard_map` or `pmap`.

        Sums become the same on every device; buffers stay as they are, each device with its part.
        """

    @abc.abstractmethod
    def compute(self, state: State) -> Any:
        """The metric's value, in float64 on the host: a `MetricValue`, or a mapping of them by name.

        Raises:
          InputError: there are too few rows, rows were lost, a value is not finite, or the state has a leading axis
            of devices.
        """

    @abc.abstractmethod
    def compute_on_device(self, state: State, *, axis_name: AxisName | None = None, mesh: Mesh | None = None) -> Any:
        """The metric's value in float32 on the device, jit-able; differentiable where the metric is.

        It is not a number where `compute` would raise for too few or lost rows, so that no loop takes it for a good
        one.

        Args:
          state: a whole state; inside `shard_map` or `pmap`, as `reduce` leaves it.
          axis_name: the axis over which buffers are sharded: needed inside `shard_map` and `pmap`, and inside jit
            on Auto axes; otherwise it is found out. Without meaning for metrics that hold sums only.
          mesh: beside `axis_name` inside jit on Auto axes.
        """

    def accumulate(self, state: State, *, axis_name: AxisName, **inputs: Any) -> State:
        """`update` inside `shard_map` or `pmap`, from a whole state to a whole state.

        Args:
          state: as `reduce` leaves it.
          axis_name: the mapped axis.
          inputs: keywords of `update`, with this device's rows.
        """
        return self.merge(state, self.reduce(self.update(self.init(axis_name=axis_name), **inputs), axis_name))

    def init_on(self, mesh: Mesh, axis_name: AxisName) -> State:
        """The state of no data, placed on a mesh: sums on every device, buffers divided along `axis_name`."""
        return _initialiser(self, mesh, axis_name)()

    def state_specs(self, axis_name: AxisName) -> State:
        """How a whole state lies on a mesh, as a pytree of `PartitionSpec`, for `in_specs`, `out_specs`, placement."""
        del axis_name
        return jax.tree.map(lambda _: PartitionSpec(), jax.eval_shape(self.init))

    def from_pmap(self, states: State, *, devices: Sequence[Any] | None = None) -> State:
        """A whole state from what `pmap` returns, with a leading axis over devices, of a reduced state.

        Args:
          states: each leaf of shape [devices of this process, ...].
          devices: those that were given to `pmap`; all devices of all processes if none were. Without meaning where
            there is one process.

        Raises:
          InputError: the devices hold different sums, as states do that were updated and not reduced.
        """
        everyone = list(jax.devices() if devices is None else devices)
        apart = len({device.process_index for device in everyone}) > 1

        def join(leaf: Array, spec: PartitionSpec) -> Array:
            if spec == PartitionSpec():
                return self._shared(leaf)
            return _join_over_processes(leaf, everyone) if apart else leaf.reshape(-1, *leaf.shape[2:])

        return jax.tree.map(join, states, self.state_specs("devices"))

    def _shared(self, leaf: Array) -> Array:
        """The one value that every device must hold."""
        parts = [np.asarray(part) for part in leaf]
        if not all(np.array_equal(part, parts[0], equal_nan=part.dtype.kind == "f") for part in parts):
            raise InputError(
                f"{self.name}: the devices' states differ: each has added its own rows only. Inside pmap, call "
                "reduce(state, axis_name) once after the last update, or accumulate(state, axis_name=...) for update"
            )
        return leaf[0]

    def keep_reference(self, state: State) -> State:
        """The state for the next evaluation against the same reference: its reference side alone, where it has one.

        What is kept is a copy: donating the new state to a jitted step does not take it away from the old.

        Args:
          state: a whole state.
        """
        return emptied(self.init(), state)

    def resharded(self, state: State, mesh: Mesh | None = None, axis_name: AxisName = "data") -> State:
        """A whole state for another mesh, or for another number of devices: what a checkpoint holds, where it goes on.

        Args:
          state: a whole state on any devices, or on the host, as a checkpoint is restored.
          mesh: where it is to lie; None for one device.
          axis_name: the mesh's axis along which buffers are divided.

        Raises:
          InputError: rows of a buffer were lost, or do not fit into it.
        """
        return placed(on_host(state), mesh, self.state_specs(axis_name))

    @property
    def accumulates(self) -> tuple[Any, ...]:
        """What the state holds: metrics for which this is equal, fed the same inputs, can share one state."""
        return (self,)


@functools.lru_cache(maxsize=128)
def _initialiser(metric: Metric[State], mesh: Mesh, axis_name: AxisName) -> Callable[[], State]:
    """A compiled function that makes the empty state on a mesh, kept for the next evaluation."""
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), metric.state_specs(axis_name))
    return jax.jit(functools.partial(metric.init, shards=shards_on(mesh, axis_name)), out_shardings=shardings)


def shards_on(mesh: Mesh, axis_name: AxisName) -> int:
    """Into how many parts an axis of a mesh, or several, divide an array."""
    axes = (axis_name,) if isinstance(axis_name, str) else axis_name
    return math.prod(mesh.shape[axis] for axis in axes)


def _join_over_processes(leaf: Array, devices: list[Any]) -> Array:
    """The shards of all processes as one array: `pmap` hands each process its own, as an array by itself."""
    parts = [shard.data.reshape(leaf.shape[1:]) for shard in leaf.addressable_shards]
    sharding = NamedSharding(Mesh(np.asarray(devices), ("devices",)), PartitionSpec("devices"))
    return jax.make_array_from_single_device_arrays((len(devices) * leaf.shape[1], *leaf.shape[2:]), sharding, parts)


def check_whole(metric: Metric[State], state: State) -> None:
    """Raises InputError if a state has a leading axis of devices, as what pmap returns has."""
    given, whole = jax.tree.leaves(state), _ranks(metric)
    if len(given) == len(whole) and all(np.ndim(leaf) == rank + 1 for leaf, rank in zip(given, whole, strict=True)):
        raise InputError(
            f"{metric.name}: the state has a leading axis of {np.shape(given[0])[0]} devices, as pmap returns it; make "
            "it one state first: from_pmap(states)"
        )


@functools.lru_cache(maxsize=128)
def _ranks(metric: Metric[Any]) -> tuple[int, ...]:
    return tuple(leaf.ndim for leaf in jax.tree.leaves(jax.eval_shape(metric.init)))


def emptied(empty: State, state: State) -> State:
    """The state of no data on the devices where another lies."""

    def like(blank: Any, leaf: Any) -> Any:
        concrete = isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer)
        return jax.device_put(blank, leaf.sharding) if concrete else blank

    return jax.tree.map(like, empty, state)


def copied(state: State) -> State:
    """A state of its own, which a donated copy does not take away."""
    return jax.tree.map(jnp.copy, state)


def on_host(state: State) -> State:
    """A state as NumPy arrays, also one that is spread over processes, each of which then holds all of it."""

    def fetch(leaf: Any) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return np.asarray(leaf)

    return jax.tree.map(fetch, state)


def placed(state: State, mesh: Mesh | None, specs: State) -> State:
    """A state of host arrays on a mesh, by the `PartitionSpec`s of its leaves; on the default device without a mesh."""
    if mesh is None:
        return jax.tree.map(jnp.asarray, state)
    return jax.tree.map(lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh, spec)), state, specs)


def counted_rows(
    side: str, features: Numbers, size: int, mask: AnyArray | None
) -> tuple[Float[Array, "n d"], Bool[Array, " n"]]:
    """A batch on the device, float32, and which of its rows count.

    Raises:
      InputError: `features` is not [N, size] or `mask` is not [N] of truth values.
    """
    rows = _whole_rows(jnp.asarray(features))
    if rows.ndim != 2 or rows.shape[1] != size:
        raise InputError(f"{side} has shape {tuple(rows.shape)}; the metric was made for [N, {size}]")
    if mask is None:
        return rows.astype(jnp.float32), jnp.ones(rows.shape[:1], bool)
    mask = jnp.asarray(mask)
    if mask.shape != rows.shape[:1] or mask.dtype != bool:
        raise InputError(
            f"the mask of {side} has shape {tuple(mask.shape)} and dtype {mask.dtype}; "
            f"[{rows.shape[0]}] and bool are expected"
        )
    return rows.astype(jnp.float32), mask


def _whole_rows(rows: Array) -> Array:
    """Rows whose features a mesh with Explicit axes has divided, each as a whole on the devices of its batch axis."""
    spec = jax.typeof(rows).sharding.spec
    if rows.ndim != 2 or len(spec) < 2 or spec[1] is None:
        return rows
    return jax.sharding.reshard(rows, PartitionSpec(spec[0], None))


def on_device(state: State) -> State:
    """A state as device arrays, also one that was fetched to the host or restored from a checkpoint."""
    return jax.tree.map(jnp.asarray, state)


def vary_over(tree: State, axis_name: AxisName | None) -> State:
    """Constants as values of each device's own, which is what a `scan` inside `shard_map` carries."""
    return tree if axis_name is None else lax.pcast(tree, axis_name, to="varying")
