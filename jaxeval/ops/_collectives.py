"""Sums over devices with the derivative of the one value that all devices then share.

Where JAX tracks which values differ between devices (`shard_map`), a sum over them is one value, and its derivative is
that of one value. Where it does not (`pmap`, `shard_map(check_vma=False)`), every device counts as having a value of
its own, and the gradient of a loss that each of them computes from the shared sum comes out as many times too large as
there are devices. The two functions here say which values are shared, so that both ways give the same gradient.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["differ", "sum_over"]

AxisName = str | tuple[str, ...]


def sum_over(values: Any, axis_name: AxisName) -> Any:
    """The sum over all devices of a mapped axis, of every array of a pytree: one value, the same on each device."""
    return lax.psum(values, axis_name) if _tracks(axis_name) else _sum(axis_name, values)


def differ(values: Any, axis_name: AxisName) -> Any:
    """A shared value where each device goes on with it in its own way: what they do with it is added in gradients."""
    return values if _tracks(axis_name) else _each(axis_name, values)


def _tracks(axis_name: AxisName) -> bool:
    """Whether JAX knows here which values differ between devices."""
    of = jax.typeof(lax.pcast(jnp.zeros(()), axis_name, to="varying"))
    of = getattr(of, "manual_axis_type", of)  # newer releases of JAX keep it there
    return bool(getattr(of, "varying", None) or getattr(of, "vma", None))


def _summed(axis_name: AxisName, values: Any) -> Any:
    return lax.psum(values, axis_name)


def _kept(axis_name: AxisName, values: Any) -> Any:
    del axis_name
    return values


_sum = jax.custom_vjp(_summed, nondiff_argnums=(0,))
_sum.defvjp(lambda axis, values: (_summed(axis, values), None), lambda axis, _, cotangents: (_kept(axis, cotangents),))

_each = jax.custom_vjp(_kept, nondiff_argnums=(0,))
_each.defvjp(lambda axis, values: (values, None), lambda axis, _, cotangents: (_summed(axis, cotangents),))
