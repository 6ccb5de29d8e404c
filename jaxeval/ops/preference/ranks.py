"""Which places systems may have, and whether votes agree on an order at all.

References: Mogstad, Romano, Shaikh, Wilhelm, "Inference for ranks with applications to mobility across neighbourhoods
and academic achievement across countries", Review of Economic Studies 91, 2024; Kendall, Babington Smith, "On the
method of paired comparisons", Biometrika 31, 1940.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxeval._arrays import Numbers, as_float64, check_shape
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError


class RankSets(NamedTuple):
    """The places that each system may have; 1 is the best.

    Attributes:
      rank: [K], by the values themselves; equal values share the better place.
      best: [K], the best place that its set holds.
      worst: [K], the worst one.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> draws = np.array([2.0, 0.1, 0.0]) + np.random.default_rng(0).normal(size=(500, 3)) * 0.1
      >>> sets = preference.rank_sets(np.array([2.0, 0.1, 0.0]), draws)
      >>> sets.best.tolist(), sets.worst.tolist()
      ([1, 2, 2], [1, 3, 3])
    """

    rank: Int[np.ndarray, " k"]
    best: Int[np.ndarray, " k"]
    worst: Int[np.ndarray, " k"]


class Triads(NamedTuple):
    """How far majorities are from an order.

    Attributes:
      circular: triples of systems of which each beats the next by a majority.
      triples: of which every pair has a majority.
      consistency: Kendall and Babington Smith's zeta, 1 less the circular ones' share of the most there can be, where
        every pair has a majority; not-a-number elsewhere.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.circular_triads(np.array([[0, 3, 1], [1, 0, 3], [3, 1, 0]]))
      Triads(circular=1, triples=1, consistency=0.0)
    """

    circular: int
    triples: int
    consistency: float


@takes_arrays
def rank_sets(values: Numbers, draws: Numbers, *, confidence: float = 0.95) -> RankSets:
    """For each system the places that it may have, so that its true one is among them with the given confidence.

    Differences from one system to all others are bounded together, by the bootstrap distribution of the largest of
    them in units of their own errors: whoever is surely better takes a place before it, whoever is surely worse one
    behind it.

    Args:
      values: [K], higher is better.
      draws: [B, K], bootstrap draws of the values.
      confidence: for each system's set, between 0 and 1.

    Raises:
      InputError: shapes do not fit, a value is not finite, or confidence is not between 0 and 1.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> draws = np.array([1.0, 0.0]) + np.random.default_rng(0).normal(size=(200, 2))
      >>> preference.rank_sets(np.array([1.0, 0.0]), draws).worst.tolist()
      [2, 2]
    """
    own, drawn = as_float64("values", values), as_float64("draws", draws)
    check_shape("values", own, (None,), "a value a system")
    check_shape("draws", drawn, (None, len(own)), "a draw of every system's value a row")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    count = len(own)
    rank = np.array([1 + int((own > value).sum()) for value in own])
    best, worst = np.ones(count, np.int64), np.full(count, count)
    for one in range(count):
        others = np.arange(count) != one
        apart = (own - own[one])[others]
        moved = (drawn - drawn[:, one : one + 1])[:, others] - apart
        errors = moved.std(0, ddof=1)
        # A difference that no draw moves is exact: it bounds nothing, and its sign is sure.
        scaled = np.divide(np.abs(moved), errors, out=np.zeros_like(moved), where=errors > 0)
        reach = np.quantile(scaled.max(1, initial=0.0), confidence) * errors
        best[one] = 1 + int((apart - reach > 0).sum())
        worst[one] = count - int((apart + reach < 0).sum())
    return RankSets(rank, best, worst)


@takes_arrays
def circular_triads(wins: Numbers) -> Triads:
    """Counts triples of systems that beat each other in a circle, by majorities of votes.

    Args:
      wins: [K, K], votes of the row's system over the column's. A pair with as many votes either way, or none, has no
        majority.

    Raises:
      InputError: not a square matrix of finite numbers.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.circular_triads(np.array([[0, 3, 3], [1, 0, 3], [1, 1, 0]])).consistency
      1.0
    """
    counts = as_float64("wins", wins)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise InputError(f"wins has shape {counts.shape}; give [K, K]")
    beats = (counts > counts.T).astype(np.int64)
    size = len(beats)
    decided = beats + beats.T
    circles = int(np.trace(beats @ beats @ beats)) // 3
    triples = int(np.trace(decided @ decided @ decided)) // 6
    whole = triples == size * (size - 1) * (size - 2) // 6 and size > 2
    most = (size**3 - size) / 24 if size % 2 else (size**3 - 4 * size) / 24
    return Triads(circles, triples, 1.0 - circles / most if whole else float("nan"))
