"""C_T: is the generated set nearer to the training set than held-out data are? A three-sample test of data-copying.

Reference: Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", AISTATS
2020, and its authors' code; the choice of cells is that of Jiralerspong et al., "Feature Likelihood Divergence",
NeurIPS 2023.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_trio, row_blocks
from jaxeval.ops.clusters import cluster_labels
from jaxeval.ops.moments import covariance, host_moments
from jaxeval.ops.neighbours import nearest, prepare_rows

_RUNS = 10


class DataCopying(NamedTuple):
    """A z-score, and those of the cells that it averages.

    Attributes:
      value: far below 0 (-3 and less): generated samples are too near to the training set, they are copies; about 0
        for held-out data; above 0: they are farther from it than held-out data, the model underfits.
      scores: z-score of each cell, [C]; NaN for a cell without generated samples.
      shares: share of the held-out samples that each cell holds, [C]: the weights of the average.
      counts: generated samples in each cell, [C].
      included: whether a cell counts, [C].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, held_out, generated = np.random.default_rng(0).normal(size=(3, 200, 4))
      >>> score = ops.c_t_score(reference=reference, held_out=held_out, generated=generated)
      >>> score.scores.shape, score.counts.shape, score.included.tolist()
      ((3,), (3,), [True, True, True])
    """

    value: float
    scores: Float[np.ndarray, " c"]
    shares: Float[np.ndarray, " c"]
    counts: Int[np.ndarray, " c"]
    included: np.ndarray


@takes_arrays
def c_t_score(
    *,
    reference: Numbers,
    held_out: Numbers,
    generated: Numbers,
    cells: int = 3,
    components: int | None = 64,
    least: int = 20,
    seed: int = 0,
) -> DataCopying:
    """C_T score: Mann-Whitney's U of distances to the nearest training sample, generated against held-out, as z-score.

    The space is divided into cells by k-means of the training set; within each cell, distances to the cell's training
    samples are compared, U is centred (with the authors' continuity correction, 1/2) and divided by its deviation
    under the null hypothesis, and the cells' scores are averaged with the held-out shares as weights. Exact copies of
    the training set score about -sqrt(3nm/(n+m+1)) in one cell with n held-out and m generated samples.

    Args:
      reference: the training set, shape [N, D], any real dtype, NumPy or JAX.
      held_out: samples of the data that the generator has not seen, shape [L, D].
      generated: shape [M, D].
      cells: number of cells; 1 for the global test.
      components: wider features are first projected onto so many principal components of the training set; None for
        all of them.
      least: cells with no more generated samples than this are left out of the average.
      seed: seeds the clustering's starts.

    Raises:
      InputError: a shape, dtype or value is wrong, a cell has no training or no held-out sample, or no cell has more
        than `least` generated samples.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, held_out, generated = np.random.default_rng(0).normal(size=(3, 200, 4))
      >>> honest = ops.c_t_score(reference=reference, held_out=held_out, generated=generated)
      >>> copies = ops.c_t_score(reference=reference, held_out=held_out, generated=reference)
      >>> round(honest.value, 1), round(copies.value, 1)
      (1.4, -10.0)
    """
    sets = feature_trio(reference, held_out, generated)
    if not 1 <= cells <= len(sets[0]) or (components is not None and components < 1):
        raise InputError(
            f"cells is {cells} and components {components}; both are at least 1, and cells at most the training samples"
        )
    if components is not None and sets[0].shape[1] > components:
        sets = _project(sets, components)
    members = _cells(sets, cells, seed)
    counts = np.stack([np.bincount(part, minlength=cells) for part in members])
    for name, per_cell in zip(("reference", "held_out"), counts, strict=False):
        if not per_cell.all():
            raise InputError(f"cell {int(np.argmin(per_cell))} of {cells} has no {name} sample; choose fewer cells")
    included = counts[2] > least
    if not included.any():
        raise InputError(f"no cell has more than {least} generated samples; generate more, or lower cells or least")
    scores = np.full(cells, np.nan)
    for cell in np.flatnonzero(counts[2]):
        scores[cell] = _z_score(*(rows[part == cell] for rows, part in zip(sets, members, strict=True)))
    shares = counts[1] / counts[1].sum()
    value = float(shares[included] @ scores[included] / shares[included].sum())
    return DataCopying(value, scores, shares, counts[2], included)


def _project(sets: list[np.ndarray], components: int) -> list[np.ndarray]:
    moments = host_moments(sets[0], name="reference")
    _, vectors = np.linalg.eigh(np.asarray(covariance(moments, ddof=0)))
    leading = vectors[:, ::-1][:, :components]
    return [np.concatenate([(block - moments.mean) @ leading for block in row_blocks(rows)]) for rows in sets]


def _cells(sets: list[np.ndarray], cells: int, seed: int) -> list[Int[np.ndarray, " _"]]:
    """Cell numbers of all sets by the best of several clusterings of the first."""
    if cells == 1:
        return [np.zeros(len(rows), int) for rows in sets]
    training = sets[0].astype(np.float64)
    centre = training.mean(0)
    runs = cluster_labels(
        jnp.asarray((training - centre).astype(np.float32)),
        np.ones(len(training)),
        clusters=cells,
        runs=_RUNS,
        state=np.random.RandomState(seed),
    )
    best, least = None, np.inf
    for labels in runs.T:
        used = np.unique(labels)
        centres = np.stack([training[labels == label].mean(0) for label in used])
        spread = sum(((training[labels == label] - c) ** 2).sum() for label, c in zip(used, centres, strict=True))
        if spread < least:
            best, least = centres, spread
    assert best is not None
    return [_closest(rows, best) for rows in sets]


def _closest(rows: np.ndarray, centres: Float[np.ndarray, "c d"]) -> Int[np.ndarray, " n"]:
    return np.concatenate([((block[:, None, :] - centres) ** 2).sum(-1).argmin(1) for block in row_blocks(rows)])


def _z_score(training: np.ndarray, held_out: np.ndarray, generated: np.ndarray) -> float:
    x, t, y = prepare_rows(training, held_out, generated)
    far, near = (nearest(part, x, 1).squared_distances[:, 0] for part in (y, t))
    m, n = len(far), len(near)
    u = rankdata(np.concatenate([far, near]))[:m].sum() - m * (m + 1) / 2
    return float((u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12))
