"""Meshes over which batches are split, and batches placed on them."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Num

from jaxeval.errors import InputError


def batch_mesh(devices: Sequence[Any] | None = None, *, axis_name: str = "batch", explicit: bool = False) -> Mesh:
    """A mesh of one axis over which the rows of a batch are split.

    Args:
      devices: all devices of all processes if None; `jax.local_devices()` for those of this process.
      axis_name: of the axis.
      explicit: whether shardings are part of the arrays' types (`jax.sharding.AxisType.Explicit`).
    """
    chosen = np.asarray(jax.devices() if devices is None else list(devices))
    return Mesh(chosen, (axis_name,), axis_types=(AxisType.Explicit if explicit else AxisType.Auto,))


def pad_batch(rows: Num[np.ndarray, "n ..."], size: int) -> tuple[Num[np.ndarray, "m ..."], Bool[np.ndarray, " m"]]:
    """A batch of exactly `size` rows, the missing ones zero, and the mask of the real ones.

    Args:
      rows: at most `size` of them; none at all for a host whose share is used up.
      size: the one static size of the run.

    Raises:
      InputError: there are more rows than `size`.
    """
    count = rows.shape[0]
    if count > size:
        raise InputError(f"a batch of {count} rows does not fit the size {size}; split it")
    padded = np.zeros((size, *rows.shape[1:]), rows.dtype)
    padded[:count] = rows
    return padded, np.arange(size) < count


def shard_batch(mesh: Mesh, local_rows: Num[np.ndarray, "n ..."]) -> Num[Array, "m ..."]:
    """This process's rows as its part of one array that is split over the mesh's axis.

    Args:
      mesh: of one axis.
      local_rows: the same number on every process, a multiple of its devices in the mesh (see `pad_batch`).

    Returns:
      The global array, whose rows are those of process 0, 1, ... in order.

    Raises:
      InputError: the rows cannot be split evenly over this process's devices.
    """
    local_devices = sum(device.process_index == jax.process_index() for device in mesh.devices.flat)
    if local_devices == 0 or local_rows.shape[0] % local_devices:
        raise InputError(
            f"{local_rows.shape[0]} rows cannot be split evenly over this process's {local_devices} devices; pad them"
        )
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
    return jax.make_array_from_process_local_data(sharding, local_rows)


def replicate_on(mesh: Mesh, tree: Any) -> Any:
    """A pytree of arrays with a copy on every device of the mesh, so that no call has to move it again."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))
