"""Roots and powers with finite gradients, sums that are fast and exact enough, and the similarity of two maps."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float, Integer

from jaxeval._arrays import AnyArray, contract

Map = Float[Array, "*shape"]


def absolute(x: Map) -> Map:
    """Absolute value, whose gradient at 0 is 0 (JAX's own is 1)."""
    return x * lax.stop_gradient(jnp.sign(x))


def root(x: Map) -> Map:
    """Square root of values >= 0, whose gradient at 0 is 0 instead of infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0 * x)


def power(x: Map, exponent: float) -> Map:
    """`x ** exponent` for values >= 0 and a positive exponent, whose gradient at 0 is 0 instead of infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** exponent, 0.0 * x)


def magnitude(a: Map, b: Map) -> Map:
    """Length of the vector (a, b), with gradient 0 where it is 0."""
    return root(a * a + b * b)


def similarity(a: Map, b: Map, constant: float, masking: float = 0.0) -> Map:
    """(2ab + c) / (a^2 + b^2 + c), from |a - b| so that equal maps give exactly 1; `masking` * ab leaves both sides."""
    product, difference = a * b, a - b
    return 1.0 - difference * difference / (difference * difference + (2.0 - masking) * product + constant)


def filtered(spectrum: Complex[Array, "..."], weights: Float[AnyArray, "..."]) -> Complex[Array, "..."]:
    """A spectrum times real weights."""
    weights = jnp.asarray(weights, spectrum.real.dtype)
    return lax.complex(spectrum.real * weights, spectrum.imag * weights)


def added(maps: Float[Array, "k *shape"] | list[Map]) -> Map:
    """The sum of a few maps, one after the other: XLA:CPU's sum over a leading axis runs down each pixel, slowly."""
    return sum(maps[1:], start=maps[0])


def map_sum(x: Float[Array, "h ..."]) -> Float[Array, ""]:
    """Sum of all values.

    Rows are added by a product with ones, which runs along columns side by side; a plain sum on XLA:CPU is one long
    chain of additions, slow and inexact on large images, and drags what it is fused with along.
    """
    rows = contract("h,hw->w", jnp.ones(x.shape[0], jnp.float32), x.reshape(x.shape[0], -1))
    return rows.sum()


def map_mean(x: Float[Array, "h ..."]) -> Float[Array, ""]:
    """Mean of all values."""
    return map_sum(x) / x.size


def order_statistic(x: Float[Array, " n"], rank: int | Integer[Array, ""]) -> Float[Array, ""]:
    """The value of that rank, the least being 0, of float32 values >= 0; its gradient is shared by those equal to it.

    Found bit by bit from the top, by counting: a sort costs many times as much.
    """
    codes = lax.bitcast_convert_type(lax.stop_gradient(x), jnp.int32)  # of values >= 0, in the same order

    def settle(i: Array, found: Array) -> Array:
        bit = jnp.left_shift(jnp.int32(1), 30 - i)
        return jnp.where((codes < found + bit).sum() <= rank, found + bit, found)

    zero = codes[0] & 0  # which varies over the axes of a `shard_map` that the values vary over
    found = lax.fori_loop(0, 31, settle, zero)
    equal = codes == found
    return jnp.where(equal, x, 0.0).sum() / equal.sum().astype(x.dtype)


def weighted_similarity(similar: Float[Array, "h w"], weights: Float[Array, "h w"]) -> Float[Array, ""]:
    """The weighted mean of a map, as distance from 1: maps of ones give exactly 1, whatever the weights."""
    total = map_sum(weights)
    positive = total > 0
    return 1.0 - map_sum((1.0 - similar) * weights) / jnp.where(positive, total, 1.0) + 0.0 * total


def stretched(x: Float[Array, "h w"], least: float = 0.0) -> Float[Array, "h w"]:
    """Values shifted and scaled to [0, 1]; 0 if they span no more than `least`."""
    low, span = x.min(), jnp.ptp(x)
    wide = span > least
    return jnp.where(wide, (x - low) / jnp.where(wide, span, 1.0), 0.0 * x)
