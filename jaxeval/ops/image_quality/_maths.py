"""Roots and powers with finite gradients, sums that are fast and exact enough, and the similarity of two maps."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval.ops._arrays import contract

__all__ = ["magnitude", "map_mean", "map_sum", "power", "root", "similarity"]

Map = Float[Array, "*shape"]


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
