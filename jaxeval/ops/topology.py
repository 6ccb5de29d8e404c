"""Geometry score: do two sets have holes alike?

Reference: Khrulkov, Oseledets, "Geometry score: a method for comparing generative adversarial networks", ICML 2018.
"""

import numpy as np
import scipy.spatial.distance
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval._packages import needed
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows

_ROWS_AT_GAMMA = 5000  # rows for which the authors' relaxation is 1/128 of the largest distance


@takes_arrays
def geometry_score(
    *,
    reference: Numbers,
    generated: Numbers,
    landmarks: int = 64,
    gamma: float | None = None,
    most_holes: int = 100,
    draws: int = 1000,
    seed: int = 0,
) -> float:
    """Squared distance of the mean relative living times of two sets' one-dimensional holes, as the authors'.

    Sets may have different numbers of rows and of features: only distances within each count.

    Args:
      reference: features, shape [N, D], any real dtype, NumPy or JAX.
      generated: as reference; its M and E may be others.
      landmarks: of `relative_living_times`, as are the others.
      gamma: as above.
      most_holes: as above.
      draws: as above.
      seed: of the landmarks, which each set draws from the start.

    Returns:
      From 0 upwards, lower is better. What landmarks are drawn moves it: with 1,000 draws by a few per cent.

    Raises:
      InputError: a shape, dtype or value is wrong, or an option is out of its range.
      MissingPackageError: gudhi, which finds the holes, is not installed (the extra `topology`).

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
      >>> circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
      >>> ops.geometry_score(reference=circle, generated=2.0 * circle, draws=5)
      0.0
    """
    options = {"landmarks": landmarks, "gamma": gamma, "most_holes": most_holes, "draws": draws, "seed": seed}
    times = [relative_living_times(rows, **options) for rows in (reference, generated)]
    return float(np.square(times[0] - times[1]).sum())


@takes_arrays
def relative_living_times(
    features: Numbers,
    *,
    landmarks: int = 64,
    gamma: float | None = None,
    most_holes: int = 100,
    draws: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, " holes"]:
    """For what share of all scales a set has no, one, two ... one-dimensional holes: means over drawn landmarks (MRLT).

    From every draw of landmarks among the rows, a complex of witnesses grows: its corners are the landmarks, and its
    simplices those that a row sees as its nearest landmarks, up to a relaxation that grows from 0 to `gamma` times the
    largest distance between a row and a landmark. Holes are classes of its first homology over Z/2.

    Args:
      features: shape [N, D], any real dtype, NumPy or JAX.
      landmarks: how many rows are drawn, with repetition, as by the authors.
      gamma: the largest relaxation, as a share of the largest distance; N / 5000 / 128 by default.
      most_holes: numbers of holes that are told apart, from 0; scales with more count for none.
      draws: of landmarks.
      seed: of the draws.

    Returns:
      [most_holes], from 0 to 1; the sum is 1 unless there are scales with more holes.

    Raises:
      InputError: a shape, dtype or value is wrong, or an option is out of its range.
      MissingPackageError: gudhi, which finds the holes, is not installed (the extra `topology`).

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
      >>> circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
      >>> int(ops.relative_living_times(circle, landmarks=16, gamma=0.5, draws=5).argmax())
      1
    """
    for name, value, least in (("landmarks", landmarks, 2), ("most_holes", most_holes, 1), ("draws", draws, 1)):
        if value < least:
            raise InputError(f"{name} is {value}; give a whole number of {least} or more")
    if gamma is not None and not gamma > 0:
        raise InputError(f"gamma is {gamma}; give a positive number, such as 0.0078")
    rows = feature_rows("features", features)
    share = len(rows) / _ROWS_AT_GAMMA / 128 if gamma is None else gamma
    rng = np.random.default_rng(seed)
    times = np.zeros(most_holes)
    for _ in range(draws):
        drawn = rows[rng.integers(len(rows), size=landmarks)]
        distances = scipy.spatial.distance.cdist(rows, drawn)
        largest = share * distances.max()
        times += _shares(_holes(distances, largest), largest, most_holes)
    return times / draws


def _holes(distances: Float[np.ndarray, "n l"], largest: float) -> Float[np.ndarray, "h 2"]:
    """Where each hole begins and ends as the relaxation grows; those that last end at the largest."""
    gudhi = needed("gudhi", "the geometry score", package="'jaxeval[topology]'")
    order = np.argsort(distances, axis=1, kind="stable")
    # Of every row, landmarks from the nearest on, each with its distance.
    table = np.dstack([order, np.take_along_axis(distances, order, axis=1)])
    tree = gudhi.WitnessComplex(table).create_simplex_tree(max_alpha_square=largest, limit_dimension=2)
    tree.persistence(homology_coeff_field=2)
    found = np.asarray(tree.persistence_intervals_in_dimension(1), np.float64).reshape(-1, 2)
    return np.minimum(found, largest)


def _shares(holes: Float[np.ndarray, "h 2"], largest: float, most_holes: int) -> Float[np.ndarray, " holes"]:
    """Of all relaxations up to the largest, the share with no, one, two ... holes."""
    shares = np.zeros(most_holes)
    if not largest > 0:  # all rows are one point
        shares[0] = 1.0
        return shares
    ends = np.unique(np.concatenate([[0.0, largest], holes.ravel()]))
    middles = (ends[1:] + ends[:-1]) / 2
    counts = ((holes[:, :1] <= middles) & (middles < holes[:, 1:])).sum(axis=0)
    kept = counts < most_holes
    np.add.at(shares, counts[kept], np.diff(ends)[kept] / largest)
    return shares
