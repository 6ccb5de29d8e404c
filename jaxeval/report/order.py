"""The order of a set's images from the worst to the best, and their values as text."""

import math
from collections.abc import Sequence

from jaxeval.pairs import PAIR_MEASURES, PairScores, PairsEvaluation
from jaxeval.report.table import format_value

_MOST_VALUES = 5


def from_worst(evaluation: PairsEvaluation, set_name: str, metric: str) -> list[PairScores]:
    """The scores of a set from the worst to the best by a measure that has a better direction; NaN comes first."""
    sign = -1.0 if PAIR_MEASURES[metric].better == "lower" else 1.0

    def key(score: PairScores) -> tuple[bool, float]:
        value = score.values[metric]
        return (False, 0.0) if math.isnan(value) else (True, sign * value)

    return sorted((score for score in evaluation.scores if score.set == set_name), key=key)


def values_as_text(score: PairScores, first: str, others: Sequence[str]) -> str:
    """Up to five values of an image with their labels: that of one measure, then of others."""
    names = [first, *(name for name in others if name != first)][:_MOST_VALUES]
    return "   ".join(f"{PAIR_MEASURES[name].label} {_text(score.values[name])}" for name in names)


def _text(value: float) -> str:
    return format_value(value) if math.isfinite(value) else "infinite" if math.isinf(value) else "not a number"
