"""Which pair to show next: the one whose answer is expected to tell most about the strengths of the systems.

Strengths s have a Gaussian prior and the answers the Bradley-Terry model, P(i beats j) = 1 / (1 + exp(s_j - s_i)). The
posterior is approximated by a Gaussian at its mode (Laplace). An answer on (i, j) depends on d = s_i - s_j alone, so
what it is expected to tell, its mutual information with all strengths, is I(y; d) = H(E[p]) - E[H(p)] under the
Gaussian of d: one integral, taken by Gauss-Hermite quadrature.

Reference: Mikhailiuk, Wilmot, Perez-Ortiz, Yue, Mantiuk, "Active Sampling for Pairwise Comparisons via Approximate
Message Passing and Information Gain Maximization", ICPR 2020 (ASAP; 2021), whose criterion this is, with a Laplace
approximation in the place of message passing.
"""

import numpy as np
from jaxtyping import Float

PRIOR_DEVIATION = 1.5
"""Of a strength: two systems win against one another nine times in ten, or less, in two pairs of three."""

_STEPS, _ENOUGH = 100, 1e-9
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def posterior(wins: Float[np.ndarray, "s s"]) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s s"]]:
    """Mean and covariance of the strengths after some answers.

    Args:
      wins: how often each system won against each; a tie is half a win of both.

    Returns:
      The mode of the posterior and the inverse of its curvature there, in units of the logistic.
    """
    count = len(wins)
    both = wins + wins.T
    precision = np.eye(count) / PRIOR_DEVIATION**2
    mean = np.zeros(count)
    # The logarithm of the posterior is concave; halving steps that do not rise makes Newton's method safe.
    value = _log_posterior(mean, wins)
    for _ in range(_STEPS):
        p = _expit(mean[:, None] - mean[None, :])
        slope = (wins - both * p).sum(1) - mean / PRIOR_DEVIATION**2
        step = np.linalg.solve(_curvature(both, p, precision), slope)
        size = 1.0
        while (new := _log_posterior(mean + size * step, wins)) < value and size > _ENOUGH:
            size /= 2
        mean, value = mean + size * step, max(new, value)
        if np.abs(step).max(initial=0) < _ENOUGH:
            break
    p = _expit(mean[:, None] - mean[None, :])
    return mean, np.linalg.inv(_curvature(both, p, precision))


def _curvature(both: np.ndarray, p: np.ndarray, precision: np.ndarray) -> np.ndarray:
    weights = both * p * (1 - p)
    return np.diag(weights.sum(1)) - weights + precision


def _log_posterior(strengths: np.ndarray, wins: np.ndarray) -> float:
    differences = strengths[:, None] - strengths[None, :]
    return float(-(wins * np.logaddexp(0, -differences)).sum() - (strengths**2).sum() / (2 * PRIOR_DEVIATION**2))


def expected_information(
    mean: Float[np.ndarray, " s"], covariance: Float[np.ndarray, "s s"]
) -> Float[np.ndarray, "s s"]:
    """What an answer on each pair is expected to tell about the strengths, in nats; symmetric, 0 on the diagonal.

    Args:
      mean: of the strengths.
      covariance: of the strengths.
    """
    centre = mean[:, None] - mean[None, :]
    own = np.diag(covariance)
    deviation = np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0))
    inner, average = np.zeros_like(centre), np.zeros_like(centre)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        p = _expit(centre + deviation * node)
        average += weight * p
        inner += weight * _entropy(p)
    found = np.maximum(_entropy(average) - inner, 0)
    np.fill_diagonal(found, 0)
    return (found + found.T) / 2


def pairs_by_information(wins: Float[np.ndarray, "s s"]) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, the one whose answer is expected to tell most first; equal ones in order of number.

    Args:
      wins: as for `posterior`.
    """
    information = expected_information(*posterior(wins))
    rows, columns = np.triu_indices(len(wins), 1)
    # Rounded, so that pairs that tell the same by symmetry are not put in order by rounding errors.
    order = np.argsort(-np.round(information[rows, columns], 9), kind="stable")
    return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))


def _expit(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def _entropy(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p), 0) + np.where(p < 1, (1 - p) * np.log1p(-p), 0)
    return -terms
