"""Clipped density and clipped coverage: manifold metrics whose value is the share of good samples.

Clipping keeps outliers from counting more than once, and calibration against what the reference itself would score
makes a set with a share x of bad samples score 1 - x.

Reference: Salvy, Talbot, Thirion, "Enhanced Generative Model Evaluation with Clipped Density and Coverage", ICLR 2026
(arXiv 2507.01761), and its authors' code.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.ops._features import feature_pair
from jaxeval.ops._own_neighbours import OwnNeighbours, nearest_or_known
from jaxeval.ops.neighbours import ball_counts, check_neighbours, prepare_rows


class ClippedDensityCoverage(NamedTuple):
    """The shares of generated samples that are as good as reference samples, both from 0 to 1 (unless not cut).

    Attributes:
      density: fidelity.
      coverage: how much of the reference the generated samples cover.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> scores = ops.clipped_density_coverage(reference=reference, generated=generated)
      >>> 0 <= scores.density <= 1, 0 <= scores.coverage <= 1
      (True, True)
    """

    density: float
    coverage: float


@takes_arrays
def clipped_density_coverage(
    *,
    reference: Numbers,
    generated: Numbers,
    k: int = 5,
    cut: bool = True,
    reference_neighbours: OwnNeighbours | None = None,
) -> ClippedDensityCoverage:
    """Clipped density and clipped coverage of generated samples.

    density: each generated sample's number of reference balls around it (of radii no larger than the median radius,
    surface included), at most k, over k; the mean, divided by the same mean for the reference samples, at most 1.
    coverage: each reference ball's number of generated samples (surface excluded), at most k, over k; the mean y is
    turned into (number of i from 0 to M with f(i) < y) / (M + 1), where f(i) is what i good samples are expected to
    score (0 below k samples, as in the authors' code).

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      k: which neighbour a ball reaches to.
      cut: False to leave both as they are beyond 1, coverage along its calibration's last slope. A sample of the
        data's own distribution is above 1 half of the time; the spread of the values that were cut understates how
        much they vary.
      reference_neighbours: of the reference, with their lists, where `own_neighbours` has found them already.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has no more than k rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> generated[:50] += 100
      >>> scores = ops.clipped_density_coverage(reference=reference, generated=generated)
      >>> round(scores.density, 2), round(scores.coverage, 2)
      (0.42, 0.43)
    """
    rows = feature_pair(reference, generated)
    check_neighbours(k, reference=len(rows[0]), generated=len(rows[1]))
    centres, points = prepare_rows(*rows)
    own = nearest_or_known("reference", centres, k, reference_neighbours)
    squared = own.squared_distances[:, -1]
    radii = np.sqrt(squared)
    # The median may be one of the radii: then its own square is used, so that ties on its surface stay ties.
    clipped = np.where(radii <= np.median(radii), squared, np.median(radii) ** 2)
    holding = ball_counts(centres, points, centre_radii=clipped, tie="inclusive").holding
    # A reference sample within a ball no larger than the k-th neighbour's is among that ball's k neighbours.
    among_own = np.bincount(own.indices[own.squared_distances <= clipped[:, None]], minlength=len(squared))
    density = np.minimum(holding / k, 1).mean() / np.minimum(among_own / k, 1).mean()
    held = ball_counts(centres, points, centre_radii=squared, tie="exclusive").held
    covered = np.minimum(held / k, 1).mean()
    expected = expected_clipped_coverage(len(rows[0]), len(rows[1]), k)
    expected[:k] = 0
    coverage = float(np.searchsorted(expected, covered))
    if not cut and covered > expected[-1]:
        coverage += float((covered - expected[-1]) / (expected[-1] - expected[-2]))
    return ClippedDensityCoverage(float(min(density, 1.0) if cut else density), coverage / (len(rows[1]) + 1))


def expected_clipped_coverage(n: int, m: int, k: int) -> Float[np.ndarray, " m1"]:
    """Expected uncalibrated clipped coverage of 0, 1, ... m samples of the distribution of n reference samples.

    Whatever the distribution, a reference sample's n - 1 fellows and i generated samples lie around it in random
    order, so the number J of generated samples before its k-th fellow is negative hypergeometric:
    P(J = j) = C(k - 1 + j, j) C(n - 1 - k + i - j, i - j) / C(n - 1 + i, i). Returned is E min(J, k) / k, [m + 1].
    """
    i = np.arange(m + 1.0)
    expected = np.full(m + 1, float(k))
    for j in range(k):
        at_least = np.maximum(i, j)  # rows with fewer than j samples are masked below
        log_probability = (
            _log_binomial(k - 1.0 + j, j)
            + _log_binomial(n - 1 - k + at_least - j, at_least - j)
            - _log_binomial(n - 1 + at_least, at_least)
        )
        expected -= np.where(i >= j, (k - j) * np.exp(log_probability), 0)
    return np.maximum(expected, 0) / k


def _log_binomial(top: Float[np.ndarray, " i"] | float, bottom: Float[np.ndarray, " i"] | float):
    return gammaln(top + 1.0) - gammaln(bottom + 1.0) - gammaln(top - bottom + 1.0)
