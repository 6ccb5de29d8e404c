"""FD-infinity: the Fréchet distance extrapolated to infinitely many generated samples.

Reference: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and Where to Find Them", CVPR 2020; the
schedule of sizes is dgm-eval's (Stein et al., NeurIPS 2023).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, feature_rows
from jaxeval.ops.frechet import frechet_distance_between
from jaxeval.ops.gaussian import Gaussian, gaussian_from_features

_LARGEST_FIRST_SIZE = 5000


class ExtrapolatedFrechet(NamedTuple):
    """The line through Fréchet distances of growing samples.

    Attributes:
      value: the line's height at 1/M = 0; a small distance may come out below 0.
      standard_error: standard error of `value` by least squares; NaN for two sizes. The samples overlap, so that the
        true error is larger.
      slope: distance per 1/M: the bias of M samples is about slope / M.
      counts: sample sizes, [P].
      distances: Fréchet distance at each size, [P].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 500, 4))
      >>> line = ops.fd_infinity(reference=reference, generated=generated, points=5)
      >>> line.counts, line.distances.shape, line.slope > 0
      (array([ 50, 162, 275, 387, 500], dtype=int32), (5,), True)
    """

    value: float
    standard_error: float
    slope: float
    counts: Int[np.ndarray, " p"]
    distances: Float[np.ndarray, " p"]


@takes_arrays
def fd_infinity(
    *, reference: Numbers | Gaussian, generated: Numbers, points: int = 15, seed: int = 0
) -> ExtrapolatedFrechet:
    """Fréchet distances of random subsets of the generated samples, fitted by a line in 1/M and extended to 0.

    Sizes are evenly spaced from a tenth of the samples (at most 5,000) to all; each subset is drawn afresh without
    replacement by `numpy.random.default_rng(seed)`. Only the generated side is extrapolated: a reference of N samples
    keeps its own bias, d(d+5)/(4N) where the distributions are alike.

    Args:
      reference: shape [N, D], or a Gaussian whose statistics are known.
      generated: shape [M, D], any real dtype, NumPy or JAX.
      points: number of sample sizes.
      seed: seeds the draw of the subsets.

    Raises:
      InputError: a shape, dtype or value is wrong, or too few samples for two different sizes.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 500, 4))
      >>> line = ops.fd_infinity(reference=reference, generated=generated + 1)
      >>> round(line.value, 2), round(float(line.distances[-1]), 2)
      (4.35, 4.24)
    """
    if isinstance(reference, Gaussian):
        rows, fixed = feature_rows("generated", generated), reference
    else:
        known, rows = feature_pair(reference, generated)
        fixed = gaussian_from_features(known, name="reference")
    total = len(rows)
    counts = np.linspace(min(_LARGEST_FIRST_SIZE, max(total // 10, 2)), total, max(points, 0)).astype(np.int32)
    if len(np.unique(counts)) < 2:
        raise InputError(f"points is {points} for {total} generated samples; a line needs two different sizes")
    state = np.random.default_rng(seed)
    distances = np.array(
        [
            frechet_distance_between(
                fixed, gaussian_from_features(rows[state.choice(total, count, replace=False)], name="generated")
            )
            for count in counts
        ]
    )
    inverse = 1 / counts
    offsets = inverse - inverse.mean()
    spread = float(offsets @ offsets)
    slope = float(offsets @ distances) / spread
    value = float(distances.mean() - slope * inverse.mean())
    residuals = distances - value - slope * inverse
    error = math.nan
    if len(counts) > 2:
        variance = float(residuals @ residuals) / (len(counts) - 2)
        error = math.sqrt(variance * (1 / len(counts) + float(inverse.mean()) ** 2 / spread))
    return ExtrapolatedFrechet(value, error, slope, counts, distances)
