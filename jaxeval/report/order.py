"""What exhibits have in common: the order from the worst to the best, values as text, and how bright white is."""

import math
from collections.abc import Sequence

import numpy as np

from jaxeval.images import PixelLayout
from jaxeval.pairs import PAIR_MEASURES, PairScores, PairsEvaluation
from jaxeval.report.table import format_value

_MOST_VALUES = 5
_BRIGHT = 0.995  # share of the values of floats that are drawn as they are


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


def drawn_ranges(images: Sequence[np.ndarray], scores: Sequence[PairScores], data_range: float | None) -> list[float]:
    """The value that is drawn white in each image: what its bits can hold, and one for all images of floats.

    Args:
      images: in float32 where they are of floats.
      scores: of the same images.
      data_range: the user's; where it is None, floats are drawn to what one value in 200 of them exceeds.
    """
    floats = [image.ravel() for image in images if image.dtype == np.float32]
    light = 1.0
    if floats:
        found = float(np.quantile(np.concatenate(floats), _BRIGHT)) if data_range is None else data_range
        light = found if found > 0 else 1.0
    layouts = [PixelLayout(score.height, score.width, score.channels, score.bits) for score in scores]
    return [light if layout.data_range is None else float(layout.data_range) for layout in layouts]


def within(image: np.ndarray, data_range: float) -> np.ndarray:
    """An image of floats cut to what can be drawn; others as they are."""
    return np.clip(image, 0, data_range) if image.dtype == np.float32 else image
