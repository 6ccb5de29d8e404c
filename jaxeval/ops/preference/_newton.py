"""Newton's method with a line search, compiled: for convex functions of few parameters, many side by side."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

_MOST_STEPS = 100
_MOST_HALVINGS = 40
_ENOUGH = 1e-4  # of the gain that the slope promises: Armijo's rule

_SIDE_BY_SIDE = 8

Point = Float[Array, " p"]


class Minimum(NamedTuple):
    """Where the search is, or ended.

    Attributes:
      point: the parameters.
      cost: the function's value there.
      steps: taken so far.
      moving: whether the search goes on.
      converged: whether the last step was as small as rounding lets it be.
    """

    point: Point
    cost: Float[Array, ""]
    steps: Int[Array, ""]
    moving: Bool[Array, ""]
    converged: Bool[Array, ""]


def minimised(
    cost: Callable[[Point], Float[Array, ""]],
    derivatives: Callable[[Point], tuple[Point, Float[Array, "p p"]]],
    start: Point,
    total: Float[Array, ""],
) -> Minimum:
    """The minimum of a convex function; under jit and vmap.

    Args:
      cost: the function; not-a-number, or infinite, where a parameter is out of its range.
      derivatives: its slope and its curvature, positive definite.
      start: where its value is finite.
      total: what its values are divided by, so that tolerances mean the same for ten and for ten million votes.
    """
    dtype = start.dtype
    epsilon = jnp.finfo(dtype).eps
    total = jnp.maximum(total, 1.0)

    def advance(state: Minimum) -> Minimum:
        slope, curvature = derivatives(state.point)
        direction = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(curvature), slope)
        gain = -(slope * direction).sum() / total

        def too_long(search: tuple[Array, Array, Array]) -> Array:
            share, found, tries = search
            slack = 4 * epsilon * jnp.abs(state.cost)
            return ~(found <= state.cost - _ENOUGH * share * gain + slack) & (tries < _MOST_HALVINGS)

        def shorter(search: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            share, _, tries = search
            share = 0.5 * share
            return share, cost(state.point + share * direction) / total, tries + 1

        begin = (jnp.ones((), dtype), cost(state.point + direction) / total, jnp.zeros((), jnp.int32))
        share, found, tries = lax.while_loop(too_long, shorter, begin)
        better = tries < _MOST_HALVINGS
        point = jnp.where(better, state.point + share * direction, state.point)
        # Steps shrink quadratically: after one as small as this the next is below rounding.
        small = jnp.abs(direction).max() <= 0.1 * jnp.sqrt(epsilon) * (1.0 + jnp.abs(state.point).max())
        return Minimum(point, jnp.where(better, found, state.cost), state.steps + 1, better & ~small, small)

    first = Minimum(start, cost(start) / total, jnp.zeros((), jnp.int32), jnp.ones((), bool), jnp.zeros((), bool))
    last = lax.while_loop(lambda state: state.moving & (state.steps < _MOST_STEPS), advance, first)
    return last._replace(cost=last.cost * total)


def in_batches(fit: Callable[..., tuple[Array, ...]], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a compiled function gives for each row, in NumPy arrays, computed some rows at a time.

    As many as the caches hold, and always as many: the program is compiled once, however many rows there are.

    Args:
      fit: of arrays of rows, arrays of rows.
      arrays: of as many rows each.
    """
    count = len(arrays[0])
    parts = []
    for start in range(0, count, _SIDE_BY_SIDE):
        place = np.minimum(np.arange(start, start + _SIDE_BY_SIDE), count - 1)
        parts.append(fit(*(jnp.asarray(array[place]) for array in arrays)))
    fields = zip(*parts, strict=True)
    return tuple(np.concatenate([np.asarray(part) for part in field])[:count] for field in fields)
