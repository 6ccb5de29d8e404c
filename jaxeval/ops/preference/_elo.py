"""Elo ratings: strengths that each vote moves in turn, so that the order of the votes is part of the number.

Reference: Elo, "The rating of chessplayers, past and present", 1978.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxeval._arrays import AnyArray, Numbers, on_host
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._float64 import in_float64
from jaxeval.ops.preference.pairs import check_votes


@takes_arrays
def elo(
    first: Numbers,
    second: Numbers,
    outcome: Numbers,
    *,
    systems: int,
    k: float = 4.0,
    scale: float = 400.0,
    base: float = 10.0,
    start: float = 1000.0,
) -> Float[AnyArray, " k"]:
    """Ratings after the last vote; another order of the same votes gives other ratings (see `fit_pairs`).

    Each vote moves both ratings by k times what the result exceeds the expected one, 1 / (1 + base^(-d / scale)) of a
    difference d, a tie being half a win.

    Args:
      first: numbers of the systems on one side, [N] integers from 0, in the order in which votes count.
      second: of the other side, [N].
      outcome: [N]: 1 where the first won, -1 where the second won, 0 for a tie.
      systems: how many there are, K.
      k: how far one vote moves ratings at most.
      scale: the difference at which the odds are `base` to 1.
      base: of the odds.
      start: the rating before the first vote.

    Returns:
      [K]; float64 of NumPy arguments, float32 of JAX ones.

    Raises:
      InputError: as `pair_counts` does, or k, scale or base are not positive.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.elo(np.array([0, 0]), np.array([1, 1]), np.array([1, -1]), systems=2, k=32.0).round(2).tolist()
      [998.53, 1001.47]
    """
    if not (k > 0 and scale > 0 and base > 1):
        raise InputError(f"k, scale and base are {k}, {scale} and {base}; give positive numbers, and a base above 1")
    check_votes(first, second, outcome, systems)
    settings = (k, scale, base, start)
    if on_host(first) and on_host(second) and on_host(outcome):
        with in_float64():
            votes = tuple(jnp.asarray(one) for one in (first, second, outcome))
            return np.asarray(_rated(votes, jnp.asarray(settings, jnp.float64), systems))
    votes = tuple(jnp.asarray(one) for one in (first, second, outcome))
    return _rated(votes, jnp.asarray(settings, jnp.float32), systems)


@functools.partial(jax.jit, static_argnames=("systems",))
def _rated(
    votes: tuple[Int[Array, " n"], ...],
    settings: Float[Array, "4"],
    systems: int,
) -> Float[Array, " k"]:
    k, scale, base, start = settings
    slope = jnp.log(base) / scale

    def move(ratings: Array, vote: tuple[Array, ...]) -> tuple[Array, None]:
        one, other, outcome = vote
        expected = jax.nn.sigmoid(slope * (ratings[one] - ratings[other]))
        by = k * (0.5 * (outcome.astype(ratings.dtype) + 1.0) - expected)
        return ratings.at[one].add(by).at[other].add(-by), None

    return lax.scan(move, jnp.full(systems, start), votes)[0]
