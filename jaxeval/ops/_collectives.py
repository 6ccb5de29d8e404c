"""Sums over devices with the derivative of the one value that all devices then share.

Where JAX tracks which values differ between devices (`shard_map`), a sum over them is one value, and its derivative is
that of one value. Where it does not (`pmap`, `shard_map(check_vma=False)`), every device counts as having a value of
its own, and the gradient of a loss that each of them computes from the shared sum comes out as many times too large as
there are devices. The two functions here say which values are shared, so that both ways give the same gradient.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxeval.ops._derivatives import Arrays, linear

AxisName = str | tuple[str, ...]


def sum_over(values: Any, axis_name: AxisName) -> Any:
    """The sum over all devices of a mapped axis, of every array of a pytree: one value, the same on each device."""
    if _tracks(axis_name):
        return lax.psum(values, axis_name)
    leaves, tree = jax.tree.flatten(values)
    # Counts, which have no derivative, are added as they are.
    counts = lax.psum([leaf for leaf in leaves if not _is_real(leaf)], axis_name)
    sums = linear(_Summed(axis_name), _kept, [jnp.asarray(leaf) for leaf in leaves if _is_real(leaf)])
    found = iter(sums), iter(counts)
    return jax.tree.unflatten(tree, [next(found[0] if _is_real(leaf) else found[1]) for leaf in leaves])


def differ(values: Any, axis_name: AxisName) -> Any:
    """A shared value where each device goes on with it in its own way: what they do with it is added in gradients."""
    if _tracks(axis_name):
        return values
    leaves, tree = jax.tree.flatten(values)
    return jax.tree.unflatten(tree, linear(_kept, _Summed(axis_name), [jnp.asarray(leaf) for leaf in leaves]))


def _tracks(axis_name: AxisName) -> bool:
    """Whether JAX knows here which values differ between devices."""
    of = jax.typeof(lax.pcast(jnp.zeros(()), axis_name, to="varying"))
    of = getattr(of, "manual_axis_type", of)  # newer releases of JAX keep it there
    return bool(getattr(of, "varying", None) or getattr(of, "vma", None))


def _is_real(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


@dataclasses.dataclass(frozen=True)
class _Summed:
    axis_name: AxisName

    def __call__(self, _: Arrays, values: Arrays) -> Arrays:
        return lax.psum(values, self.axis_name)


def _kept(_: Arrays, values: Arrays) -> Arrays:
    return values
