"""Distance of the intrinsic shapes of two sets, from the heat that diffuses over their graphs of neighbours (MSID).

Reference: Tsitsulin, Munkhoeva, Mottin, Karras, Bronstein, Oseledets, Müller, "The shape of data: intrinsic distance
for data distributions", ICLR 2020.
"""

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows
from jaxeval.ops.neighbours import check_neighbours, nearest, prepare_rows

_TEMPERATURES = np.logspace(-1, 1, 256)
_FACTOR = 1e6
_EXHAUSTED = 1e-10  # length of a remainder below which a vector's Krylov space holds it all


@takes_arrays
def msid(
    *,
    reference: Numbers,
    generated: Numbers,
    k: int = 5,
    vectors: int | None = 100,
    steps: int = 10,
    seed: int = 0,
) -> float:
    """Multi-scale intrinsic distance: the largest weighted difference of two sets' heat traces, as the authors'.

    Each set becomes a graph, in which two rows are joined if one is among the k nearest of the other. Of the graph's
    normalised Laplacian L, the trace of exp(-t L) over the number of rows is found at 256 temperatures t from 0.1 to
    10, weighted by exp(-2 (t + 1/t)). Sets may have different numbers of rows and of features: only distances within
    each count, so that a set and its mirror image, or its copy elsewhere, are at distance 0.

    Args:
      reference: features, shape [N, D], any real dtype, NumPy or JAX; N above k.
      generated: as reference; its M and E may be others.
      k: neighbours of a row, not counting itself.
      vectors: random vectors by which traces are estimated; None for the traces themselves, from all eigenvalues, in a
        time that grows as N^3.
      steps: of the Lanczos iteration from each vector.
      seed: of the vectors, which each set draws from the start.

    Returns:
      From 0 upwards, lower is better; in the authors' unit, 1e-6. At 1,000 rows estimates have a standard deviation of
      about 4 from one seed to the next.

    Raises:
      InputError: a shape, dtype or value is wrong, a set has no more than k rows, or an option is not positive.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> rng = np.random.default_rng(0)
      >>> plane, space = rng.normal(size=(200, 2)), rng.normal(size=(200, 9))
      >>> ops.msid(reference=plane, generated=space, vectors=None) > 100
      True
    """
    if steps < 1 or (vectors is not None and vectors < 1):
        raise InputError(f"msid: vectors={vectors} and steps={steps} must be positive numbers")
    sets = {"reference": feature_rows("reference", reference), "generated": feature_rows("generated", generated)}
    check_neighbours(k, **{name: len(rows) for name, rows in sets.items()})
    traces = [_heat_trace(_laplacian(rows, k), len(rows), vectors, steps, seed) for rows in sets.values()]
    weights = np.exp(-2.0 * (_TEMPERATURES + 1.0 / _TEMPERATURES))
    return float(_FACTOR * (weights * np.abs(traces[0] - traces[1])).max())


def _laplacian(rows: np.ndarray, k: int) -> scipy.sparse.csr_array:
    """The normalised Laplacian of the graph of k nearest neighbours, joined where either has the other."""
    (prepared,) = prepare_rows(rows)
    indices = nearest(prepared, prepared, k).indices
    count = len(rows)
    joined = scipy.sparse.csr_array(
        (np.ones(count * k), (np.repeat(np.arange(count), k), indices.reshape(-1))), (count,) * 2
    )
    joined = joined.maximum(joined.T)
    scale = scipy.sparse.diags_array(1.0 / np.sqrt(joined.sum(axis=1)))
    return scipy.sparse.csr_array(scipy.sparse.eye_array(count) - scale @ joined @ scale)


def _heat_trace(
    laplacian: scipy.sparse.csr_array, count: int, vectors: int | None, steps: int, seed: int
) -> Float[np.ndarray, " t"]:
    """The mean over the rows of exp(-t L) at every temperature."""
    if vectors is None:
        values = scipy.linalg.eigvalsh(laplacian.toarray(), overwrite_a=True, check_finite=False)
        return np.exp(-np.outer(_TEMPERATURES, values)).mean(axis=1)
    nodes, weights = _quadrature(laplacian, count, vectors, min(steps, count), seed)
    exponents = -_TEMPERATURES[:, None, None] * nodes
    # The mean of -t L is -t: what the estimate of that is off by is taken from it, for how much both go together.
    estimate = ((np.exp(exponents) - exponents * np.exp(-_TEMPERATURES)[:, None, None]) * weights).sum(-1).mean(-1)
    return estimate - _TEMPERATURES * np.exp(-_TEMPERATURES)


def _quadrature(
    matrix: scipy.sparse.csr_array, count: int, vectors: int, steps: int, seed: int
) -> tuple[Float[np.ndarray, "v s"], Float[np.ndarray, "v s"]]:
    """Gauss's nodes and weights of each vector: sums of weights times f(nodes) are v^T f(matrix) v.

    By the Lanczos iteration, each new direction made orthogonal to all earlier ones twice over.
    """
    start = np.random.default_rng(seed).standard_normal((count, vectors))
    direction = start / np.linalg.norm(start, axis=0)
    basis, diagonals = np.zeros((steps, count, vectors)), np.zeros((vectors, steps, steps))
    for step in range(steps):
        basis[step] = direction
        following = matrix @ direction
        diagonals[:, step, step] = np.einsum("nv,nv->v", following, direction)
        for _ in range(2):
            known = np.einsum("snv,nv->sv", basis[: step + 1], following)
            following -= np.einsum("snv,sv->nv", basis[: step + 1], known)
        length = np.linalg.norm(following, axis=0)
        goes_on = length > _EXHAUSTED
        direction = np.where(goes_on, following / np.where(goes_on, length, 1.0), 0.0)
        if step + 1 < steps:
            diagonals[:, step, step + 1] = diagonals[:, step + 1, step] = np.where(goes_on, length, 0.0)
    nodes, directions = np.linalg.eigh(diagonals)
    return nodes, directions[:, 0, :] ** 2
