"""Sliced Wasserstein distances and MIND: optimal transport along random directions.

References: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015; Berthet et al., "MIND: Monge
Inception Distance for Generative Models Evaluation", 2026 (arXiv 2605.06797).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval.errors import InputError
from jaxeval.ops._arrays import Numbers
from jaxeval.ops._features import common_centre, device_rows, feature_pair

__all__ = ["SlicedDistance", "mind", "sliced_wasserstein"]

# Directions projected at a time: N x 128 numbers on the device, sorted on the host.
_DIRECTIONS = 128


class SlicedDistance(NamedTuple):
    """A mean over random directions.

    Attributes:
      value: the estimate.
      standard_error: of `value` over the choice of directions alone, not over the choice of samples.
    """

    value: float
    standard_error: float


def sliced_wasserstein(
    *, reference: Numbers, generated: Numbers, p: int = 2, projections: int = 1000, seed: int = 0
) -> SlicedDistance:
    """Sliced Wasserstein distance SW_p: the p-th root of the mean over directions of W_p^p between projections.

    Along each direction both sets are sorted; the distance of the two empirical distributions is the integral of
    |F^-1 - G^-1|^p over their quantile functions, exact for unequal numbers of samples too.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      p: 1 or 2.
      projections: how many directions, uniform on the sphere.
      seed: of the directions: rows of `RandomState(seed).standard_normal` over their lengths.

    Raises:
      InputError: a shape, dtype or value is wrong.
    """
    costs = _transport_costs(reference, generated, p, projections, seed)
    mean, error = float(costs.mean()), _standard_error(costs)
    if p == 1 or mean == 0:
        return SlicedDistance(mean, error)
    return SlicedDistance(mean**0.5, error / (2 * mean**0.5))


def mind(*, reference: Numbers, generated: Numbers, projections: int = 1000, seed: int = 0) -> SlicedDistance:
    """MIND: 3 D times the squared sliced Wasserstein-2 distance.

    A shift of the mean by v adds 3 |v|^2. Two samples of one distribution do not score 0; compare at equal numbers.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      projections: how many directions.
      seed: of the directions, as for `sliced_wasserstein`.

    Raises:
      InputError: a shape, dtype or value is wrong.
    """
    costs = (
        3
        * feature_pair(reference, generated)[0].shape[1]
        * _transport_costs(reference, generated, 2, projections, seed)
    )
    return SlicedDistance(float(costs.mean()), _standard_error(costs))


def _standard_error(costs: Float[np.ndarray, " k"]) -> float:
    return float(costs.std(ddof=1) / len(costs) ** 0.5) if len(costs) > 1 else float("nan")


def _transport_costs(
    reference: Numbers, generated: Numbers, p: int, projections: int, seed: int
) -> Float[np.ndarray, " k"]:
    """W_p^p between the projections onto each direction, float64."""
    rows = feature_pair(reference, generated)
    if p not in (1, 2) or projections < 1:
        raise InputError(f"p is {p} and projections {projections}; p is 1 or 2, with at least 1 projection")
    width = rows[0].shape[1]
    centre = common_centre(*rows)
    sets = [device_rows(part, centre, 1.0, len(part))[0] for part in rows]
    state = np.random.RandomState(seed)
    mass, places = _quantile_steps(*map(len, rows))
    costs = []
    for start in range(0, projections, _DIRECTIONS):
        directions = state.standard_normal((min(_DIRECTIONS, projections - start), width))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        # A whole block every time, so that one shape is compiled.
        filled = np.zeros((_DIRECTIONS, width), np.float32)
        filled[: len(directions)] = directions
        x, y = (np.sort(np.asarray(_project(filled, part))[: len(directions)], axis=1) for part in sets)
        offsets = np.abs(x[:, places[0]].astype(np.float64) - y[:, places[1]])
        costs.append((offsets**p) @ mass)
    return np.concatenate(costs)


def _quantile_steps(n: int, m: int) -> tuple[Float[np.ndarray, " s"], tuple[np.ndarray, np.ndarray]]:
    """Masses of the pieces on which both quantile functions are constant, and each one's order statistics."""
    # Jumps at i/n and j/m, as whole numbers in units of 1/(n m).
    jumps = np.unique(np.concatenate([np.arange(n + 1) * m, np.arange(m + 1) * n]))
    return np.diff(jumps) / (n * m), (jumps[:-1] // m, jumps[:-1] // n)


@jax.jit
def _project(directions: Float[np.ndarray | Array, "k d"], rows: Float[Array, "n d"]) -> Float[Array, "k n"]:
    return jnp.matmul(directions, rows.T, precision=lax.Precision.HIGHEST)
