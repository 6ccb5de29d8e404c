"""What every op shares: the host/device rule, contractions at full precision, and checks that name the argument."""

from typing import TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Real

from jaxeval.errors import InputError

AnyArray = Array | np.ndarray
# Shapes are left open where a wrong one is a user's mistake, which has to reach them as an InputError.
Numbers = Real[AnyArray, "..."]


def on_host(array: object) -> TypeGuard[np.ndarray]:
    """Whether an array is NumPy's: then work runs on the host in float64, otherwise on the device in float32."""
    return isinstance(array, np.ndarray)


def contract(subscripts: str, *operands: Float[Array, "..."]) -> Float[Array, "..."]:
    """`jnp.einsum` in full float32, whatever the accelerator's default, with a result that every device holds."""
    return jnp.einsum(subscripts, *operands, precision=lax.Precision.HIGHEST, out_sharding=_plain_sharding(operands[0]))


def replicate(array: Array) -> Array:
    """The same array on every device of an Explicit mesh, for factorisations, which do not run on shards."""
    sharding = _plain_sharding(array)
    return array if sharding is None else jax.sharding.reshard(array, sharding)


def check_shape(name: str, array: AnyArray, expected: tuple[int | None, ...], meaning: str) -> None:
    """Raises InputError unless `array` has the expected shape; None stands for any size."""
    fits = array.ndim == len(expected) and all(e in (None, s) for e, s in zip(expected, array.shape, strict=True))
    if not fits:
        sizes = ", ".join("any" if e is None else str(e) for e in expected)
        raise InputError(f"{name} has shape {tuple(array.shape)}; expected ({sizes}): {meaning}")


def as_float64(name: str, array: AnyArray) -> np.ndarray:
    """The values on the host in float64; raises InputError if they are no real numbers or one is NaN or infinite."""
    values = np.asarray(array)
    if values.dtype.kind in "cOSU":
        raise InputError(f"{name} holds {values.dtype} values; real numbers are expected")
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        bad = np.argwhere(~finite)
        place = ", ".join(str(i) for i in bad[0])
        raise InputError(f"{name} has {len(bad)} values that are not finite, the first at [{place}]; mend them")
    return values


def _plain_sharding(array: Array) -> NamedSharding | None:
    """The replicated sharding on an array's mesh if that mesh has Explicit axes, where results must name theirs."""
    mesh = jax.typeof(array).sharding.mesh
    return NamedSharding(mesh, PartitionSpec()) if AxisType.Explicit in mesh.axis_types else None
