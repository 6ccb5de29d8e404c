"""Diversity of one set: Vendi score, Rényi kernel entropy, and mean distances within and between classes.

References: Friedman and Dieng, "The Vendi Score", TMLR 2023; Pasarkar and Dieng, "Cousins of the Vendi Score", 2023
(orders other than 1); Jalali et al., "An Information-Theoretic Evaluation of Generative Models in Learning Multi-modal
Distributions", NeurIPS 2023 (RKE).
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigvalsh

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows, row_blocks, square_block, unit_rows
from jaxeval.ops.kernels import Exponential, pair_sums, prepare


class ClassDiversity(NamedTuple):
    """Mean distances between two samples.

    Attributes:
      within: distance of two samples of one class: the mean over the classes of the mean over pairs of samples.
      between: distance of samples of two classes: the mean over pairs of different classes of the mean over pairs of
        samples; NaN if there is only one class.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
      >>> diversity = ops.class_diversity(features, np.array([0, 0, 1, 1]))
      >>> diversity.within, diversity.between
      (0.0, 1.0)
    """

    within: float
    between: float


@takes_arrays
def vendi_score(features: Numbers, *, order: float = 1.0, normalise: bool = True) -> float:
    """Vendi score under the cosine (or linear) kernel: the effective number of different samples.

    The exponential of the Rényi entropy of the eigenvalues of K / N, K_ij = x_i.x_j. Where D < N the eigenvalues come
    from the D x D matrix X^T X / N, which has the same ones. Eigenvalues within rounding of 0 (N or D times 2^-52 of
    the largest, whichever side was used) count as 0; only orders below 1 would notice them.

    Args:
      features: shape [N, D], any real dtype, NumPy or JAX.
      order: q: 1 for the Shannon entropy, 2 for the collision entropy, `inf` for the largest share alone, 0 for the
        rank; small orders weigh rare samples more.
      normalise: whether to divide each row by its length, so that K has ones on its diagonal. Without it the trace of
        K / N must be 1 for the result to be a number of samples.

    Raises:
      InputError: a shape, dtype or value is wrong, a row to be normalised is all zeros, or a negative order.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> five_different = np.eye(5)
      >>> one_thing_five_times = np.ones((5, 5))
      >>> round(ops.vendi_score(five_different), 6), round(ops.vendi_score(one_thing_five_times), 6)
      (5.0, 1.0)
    """
    rows = feature_rows("features", features)
    _check_order(order)
    count, width = rows.shape
    if normalise:
        rows = unit_rows("features", rows)
    if width < count:
        matrix = np.zeros((width, width))
        for block in row_blocks(rows):
            matrix += block.T @ block
    else:
        rows = rows.astype(np.float64)
        matrix = rows @ rows.T
    return _effective_number(eigvalsh(matrix / count, check_finite=False), order)


@takes_arrays
def vendi_score_of_similarities(similarities: Numbers, *, order: float = 1.0) -> float:
    """Vendi score of any positive semidefinite similarity matrix with ones on its diagonal.

    Args:
      similarities: shape [N, N], symmetric.
      order: see `vendi_score`.

    Raises:
      InputError: not square, not symmetric, a diagonal that is not 1 (to 1e-6), or a negative order.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> similarities = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
      >>> round(ops.vendi_score_of_similarities(similarities), 4)
      1.8899
    """
    matrix = feature_rows("similarities", similarities).astype(np.float64)
    _check_order(order)
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"similarities has shape {matrix.shape}; expected [N, N]")
    if np.abs(matrix - matrix.T).max() > 1e-6 or np.abs(np.diag(matrix) - 1).max() > 1e-6:
        raise InputError("similarities must be symmetric with ones on the diagonal")
    return _effective_number(eigvalsh(matrix / len(matrix)), order)


@takes_arrays
def rke(features: Numbers, *, bandwidth: float) -> float:
    """RKE mode count: exp of the order-2 Rényi entropy of a Gaussian kernel matrix, 1 / mean of K_ij^2.

    The Vendi score of order 2 under exp(-|x-y|^2 / (2 bandwidth^2)), without an eigenvalue and without an N x N matrix.
    Well separated Gaussian modes of scale s count (1 + 4 s^2 / bandwidth^2)^(D/2) each.

    Args:
      features: shape [N, D], any real dtype, NumPy or JAX.
      bandwidth: positive, in units of the features.

    Raises:
      InputError: a shape, dtype or value is wrong.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> modes = 10 * np.arange(4)
      >>> features = np.repeat(modes, 25)[:, None].astype(float)
      >>> round(ops.rke(features, bandwidth=1.0), 4)
      4.0
    """
    rows = feature_rows("features", features)
    count = len(rows)
    # K^2 is the kernel of a bandwidth smaller by sqrt(2); the sums are of its deviations from 1.
    prepared = prepare(Exponential((float(bandwidth) / math.sqrt(2),)), rows, block=square_block())
    return float(1 / (1 + pair_sums(prepared, 0, 0).rows.sum() / count**2))


@takes_arrays
def class_diversity(
    features: Numbers, labels: Numbers, *, distance: Literal["cosine", "squared_euclidean"] | str = "cosine"
) -> ClassDiversity:
    """Mean distance between samples of one class (intra-class) and of two classes (inter-class).

    Low distances within classes beside normal ones between them are the mark of a conditional generator that repeats
    itself. In closed form from each class's mean and spread, in float64.

    Args:
      features: shape [N, D], any real dtype, NumPy or JAX.
      labels: shape [N], integers.
      distance: 1 - cos, or |x - y|^2.

    Raises:
      InputError: a shape, dtype or value is wrong, or a class has only one sample.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.array([[0.0], [2.0], [10.0], [12.0]])
      >>> ops.class_diversity(features, np.array([0, 0, 1, 1]), distance="squared_euclidean")
      ClassDiversity(within=4.0, between=102.0)
    """
    rows = feature_rows("features", features)
    classes = np.asarray(labels)
    if classes.shape != rows.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        raise InputError(f"labels has shape {classes.shape} and dtype {classes.dtype}; expected an integer a row")
    if distance not in ("cosine", "squared_euclidean"):
        raise InputError(f"distance is {distance!r}; choose cosine or squared_euclidean")
    if distance == "cosine":
        rows = unit_rows("features", rows)
    names, members = np.unique(classes, return_inverse=True)
    means, spreads = np.empty((len(names), rows.shape[1])), np.empty(len(names))
    within = np.empty(len(names))
    for number in range(len(names)):
        indices = np.flatnonzero(members == number)
        if len(indices) < 2:
            raise InputError(f"class {names[number]} has one sample; a distance within a class needs two")
        size = len(indices)
        mean = sum(block.sum(0) for block in row_blocks(rows, indices)) / size
        spread = sum(((block - mean) ** 2).sum() for block in row_blocks(rows, indices)) / size
        # Mean |x - y|^2 over ordered pairs of different rows: twice the unbiased total variance.
        means[number], spreads[number], within[number] = mean, spread, 2 * spread * size / (size - 1)
    first, second = np.triu_indices(len(names), 1)
    between = ((means[first] - means[second]) ** 2).sum(1) + spreads[first] + spreads[second]
    scale = 0.5 if distance == "cosine" else 1.0  # |x - y|^2 = 2 (1 - cos) between unit vectors
    return ClassDiversity(float(scale * within.mean()), float(scale * between.mean()) if len(between) else math.nan)


def _check_order(order: float) -> None:
    if not order >= 0:
        raise InputError(f"order is {order}; it must be 0 or more, or infinity")


def _effective_number(eigenvalues: Float[np.ndarray, " n"], order: float) -> float:
    largest = float(eigenvalues.max())
    shares = eigenvalues[eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps * largest]
    if order == 1:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    if math.isinf(order):
        return 1 / largest
    # Relative to the largest share, so that no power underflows.
    return float(((shares / largest) ** order).sum() ** (1 / (1 - order)) * largest ** (order / (1 - order)))
