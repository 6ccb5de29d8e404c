"""Sliced Wasserstein distances and MIND: optimal transport along random directions.

The directions are a sample as the images are: along others the mean is another. `standard_error` says how much, given
the images; directions of few dimensions say the same, in hundreds of dimensions each says little of the others.

References: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015; Berthet et al., "MIND: Monge
Inception Distance for Generative Models Evaluation", 2026 (arXiv 2605.06797); torch-fidelity 0.5's `metric_mind.py`.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, device_rows, feature_pair
from jaxeval.ops._torch_random import torch_normal, torch_permutation

MindRule = Literal["quantiles", "torch-fidelity"]

# Directions projected at a time: N x 128 numbers on the device, sorted on the host.
_DIRECTIONS = 128


class SlicedDistance(NamedTuple):
    """A mean over random directions.

    Attributes:
      value: the estimate.
      standard_error: standard error of `value` over the choice of directions alone, not over that of samples.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> distance = ops.mind(reference=reference, generated=generated + 1, projections=128)
      >>> round(distance.value), round(distance.standard_error)
      (26, 3)
    """

    value: float
    standard_error: float


@takes_arrays
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
      projections: number of directions, drawn uniformly from the sphere.
      seed: seeds the directions: rows of `RandomState(seed).standard_normal` over their lengths.

    Raises:
      InputError: a shape, dtype or value is wrong.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> distance = ops.sliced_wasserstein(reference=reference, generated=generated, projections=128)
      >>> round(distance.value, 2), round(distance.standard_error, 2)
      (0.21, 0.01)
    """
    costs = sliced_costs(reference=reference, generated=generated, p=p, projections=projections, seed=seed)
    mean, error = float(costs.mean()), _standard_error(costs)
    if p == 1 or mean == 0:
        return SlicedDistance(mean, error)
    return SlicedDistance(mean**0.5, error / (2 * mean**0.5))


@takes_arrays
def mind(
    *,
    reference: Numbers,
    generated: Numbers,
    projections: int = 1000,
    seed: int = 0,
    rule: MindRule | str = "quantiles",
) -> SlicedDistance:
    """MIND: 3 D times the squared sliced Wasserstein-2 distance.

    A shift of the mean by v adds 3 |v|^2. Two samples of one distribution do not score 0; compare at equal numbers.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      projections: number of directions.
      seed: seeds the directions, as for `sliced_wasserstein`, and under rule "torch-fidelity" all draws.
      rule: see `sliced_costs`.

    Raises:
      InputError: a shape, dtype or value is wrong.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference = np.random.default_rng(0).normal(size=(100, 8))
      >>> distance = ops.mind(reference=reference, generated=reference + 1, projections=128)
      >>> round(distance.value), round(distance.standard_error)
      (24, 2)
    """
    costs = sliced_costs(reference=reference, generated=generated, projections=projections, seed=seed, rule=rule)
    costs *= 3 * np.shape(reference)[1]
    return SlicedDistance(float(costs.mean()), _standard_error(costs))


def _standard_error(costs: Float[np.ndarray, " k"]) -> float:
    return float(costs.std(ddof=1) / len(costs) ** 0.5) if len(costs) > 1 else float("nan")


@takes_arrays
def sliced_costs(
    *,
    reference: Numbers,
    generated: Numbers,
    p: Literal[1, 2] | int = 2,
    projections: int = 1000,
    seed: int = 0,
    rule: MindRule | str = "quantiles",
) -> Float[np.ndarray, " k"]:
    """W_p^p between the projections of both sets onto each of some random directions.

    Given the sets they are independent and alike, so that their mean's error is their deviation over the root of their
    number; those of several generators along the same directions can be compared one by one.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      p: 1 or 2.
      projections: number of directions, drawn uniformly from the sphere.
      seed: seeds the draws.
      rule: "quantiles" takes all samples of both sets, by their quantile functions, and directions from
        `RandomState(seed)`. "torch-fidelity" draws as version 0.5 does after `torch.manual_seed(seed)`: first as many
        samples of the larger set as the smaller one has, then the directions.

    Returns:
      Shape [projections], float64.

    Raises:
      InputError: a shape, dtype or value is wrong, or an unknown rule.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> ops.sliced_costs(reference=reference, generated=generated, projections=128).shape
      (128,)
    """
    rows = feature_pair(reference, generated)
    if p not in (1, 2) or projections < 1:
        raise InputError(f"p is {p} and projections {projections}; p is 1 or 2, with at least 1 projection")
    if rule not in ("quantiles", "torch-fidelity"):
        raise InputError(f"rule is {rule!r}; choose quantiles or torch-fidelity")
    width, state = rows[0].shape[1], np.random.RandomState(seed)
    lines = np.zeros((0, 0))
    if rule == "torch-fidelity":
        fewest = min(map(len, rows))
        rows = [part if len(part) == fewest else part[torch_permutation(state, len(part), fewest)] for part in rows]
        lines = torch_normal(state, projections * width).reshape(projections, width)
    centre = common_centre(*rows)
    sets = [device_rows(part, centre, 1.0, len(part))[0] for part in rows]
    mass, places = _quantile_steps(*map(len, rows))
    costs = []
    for start in range(0, projections, _DIRECTIONS):
        count = min(_DIRECTIONS, projections - start)
        directions = lines[start : start + count] if len(lines) else state.standard_normal((count, width))
        # A whole block every time, so that one shape is compiled.
        filled = np.zeros((_DIRECTIONS, width), np.float32)
        filled[:count] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        x, y = (np.sort(np.asarray(_project(filled, part))[:count], axis=1) for part in sets)
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
