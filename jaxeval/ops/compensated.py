"""Float32 sums that keep what rounding cuts off: the state under every streaming average.

A float32 sum of a million terms keeps four to five digits. Here the sum is held as two float32 parts, the rounded
total and what rounding cut off it, which together keep about twelve.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import AnyArray
from jaxeval.ops._collectives import sum_over
from jaxeval.ops._error_free import fast_two_sum, two_sum

__all__ = ["CompensatedSum", "add_terms", "empty_sum", "merge_sums", "reduce_sum", "sum_on_host"]


class CompensatedSum(NamedTuple):
    """A sum as the unevaluated `total + rest`, both of one shape, float32 on the device: a pytree."""

    total: AnyArray
    rest: AnyArray

    def rounded(self) -> Float[Array, "..."]:
        """The sum as one float32 array."""
        return jnp.add(self.total, self.rest)


def empty_sum(shape: tuple[int, ...] = ()) -> CompensatedSum:
    """A sum of no terms: the neutral element of `merge_sums`."""
    return CompensatedSum(jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.float32))


def add_terms(state: CompensatedSum, terms: Float[Array, "..."]) -> CompensatedSum:
    """The sum with `terms`, of the same shape, added; a product among them must be `_error_free.settled`."""
    return merge_sums(state, CompensatedSum(terms, jnp.zeros_like(terms)))


def merge_sums(a: CompensatedSum, b: CompensatedSum) -> CompensatedSum:
    """The sum of both; associative and commutative to rounding of the `rest`."""
    total, cut = two_sum(a.total, b.total)
    return CompensatedSum(*fast_two_sum(total, a.rest + b.rest + cut))


def reduce_sum(state: CompensatedSum, axis_name: str | tuple[str, ...]) -> CompensatedSum:
    """The sum over all devices of a mapped axis, inside `shard_map` or `pmap`; rounded once, by the collective."""
    return sum_over(state, axis_name)


def sum_on_host(state: CompensatedSum) -> Float[np.ndarray, "..."]:
    """The sum in float64 on the host."""
    return np.asarray(np.asarray(state.total, np.float64) + np.asarray(state.rest, np.float64))
