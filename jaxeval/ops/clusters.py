"""Weighted k-means on the device, several seeded runs at once."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int


def cluster_labels(
    rows: Float[Array, "n d"],
    weights: Float[np.ndarray, " n"],
    *,
    clusters: int,
    runs: int,
    state: np.random.RandomState,
    iterations: int = 100,
) -> Int[np.ndarray, "n r"]:
    """Cluster numbers of every row in each of several runs of Lloyd's algorithm from k-means++ starts.

    One product serves all runs, so ten runs read the rows as often as one.

    Args:
      rows: centred, float32; float32 resolves distances to 1e-6 of the rows' norms, enough for a partition.
      weights: positive weight of each row.
      clusters: number of clusters.
      runs: number of runs.
      state: draws the starts; the result depends on nothing else that is random.
      iterations: at most so many; a run stops moving when its labels do.
    """
    device_weights = jnp.asarray(weights / weights.sum(), jnp.float32)
    starts = np.stack([_spread_starts(rows, weights, clusters, state) for _ in range(runs)])
    centres = rows[jnp.asarray(starts)]
    labels = _assign(rows, centres)
    for _ in range(iterations):
        centres = _move(rows, device_weights, labels, centres)
        following = _assign(rows, centres)
        if bool((following == labels).all()):
            break
        labels = following
    return np.asarray(labels)


def _spread_starts(
    rows: Float[Array, "n d"], weights: Float[np.ndarray, " n"], clusters: int, state: np.random.RandomState
) -> Int[np.ndarray, " c"]:
    """k-means++: each start is drawn with probability proportional to its squared distance from the nearest so far."""
    chosen = [int(state.choice(len(weights), p=weights / weights.sum()))]
    nearest = np.full(len(weights), np.inf)
    while len(chosen) < clusters:
        nearest = np.minimum(nearest, np.asarray(_distances_to(rows, np.int32(chosen[-1])), np.float64))
        share = nearest * weights
        if not share.sum() > 0:  # fewer different rows than clusters: the rest stay empty
            share = weights
        chosen.append(int(state.choice(len(weights), p=share / share.sum())))
    return np.array(chosen)


@jax.jit
def _distances_to(rows: Float[Array, "n d"], index: Int[Array, ""] | np.int32) -> Float[Array, " n"]:
    return jnp.square(rows - rows[index][None]).sum(1)


@jax.jit
def _assign(rows: Float[Array, "n d"], centres: Float[Array, "r c d"]) -> Int[Array, "n r"]:
    products = jnp.einsum("nd,rcd->nrc", rows, centres, precision=lax.Precision.HIGHEST)
    return (jnp.square(centres).sum(-1)[None] - 2 * products).argmin(-1)


@jax.jit
def _move(
    rows: Float[Array, "n d"], weights: Float[Array, " n"], labels: Int[Array, "n r"], centres: Float[Array, "r c d"]
) -> Float[Array, "r c d"]:
    members = jax.nn.one_hot(labels, centres.shape[1], dtype=jnp.float32) * weights[:, None, None]
    totals = jnp.einsum("nrc,nd->rcd", members, rows, precision=lax.Precision.HIGHEST)
    mass = members.sum(0)[..., None]
    return jnp.where(mass > 0, totals / jnp.where(mass > 0, mass, 1), centres)
