"""Votes on systems of known strengths, for tests."""

import numpy as np
from scipy.special import expit
from scipy.stats import norm


def chances(model: str, d: np.ndarray, tie: float) -> tuple[np.ndarray, np.ndarray]:
    """Of a difference of strengths, the chance that the first wins, and that of a tie; from the papers' formulas."""
    if model == "bradley-terry":
        return expit(d), np.zeros_like(d)
    if model == "thurstone":
        return norm.cdf(d), np.zeros_like(d)
    if model == "davidson":
        first, second = np.exp(d / 2), np.exp(-d / 2)
        whole = first + second + np.exp(tie)
        return first / whole, np.exp(tie) / whole
    if model == "rao-kupper":
        return 1 / (1 + np.exp(tie - d)), 1 - 1 / (1 + np.exp(tie - d)) - 1 / (1 + np.exp(tie + d))
    low = -np.abs(d)  # in the lower tail, where the difference keeps its digits
    return norm.cdf(d - tie), norm.cdf(low + tie) - norm.cdf(low - tie)


def pair_votes(
    strengths: np.ndarray, count: int, seed: int, model: str = "bradley-terry", tie: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First, second, outcome."""
    generator = np.random.default_rng(seed)
    systems = len(strengths)
    first = generator.integers(0, systems, count)
    second = (first + generator.integers(1, systems, count)) % systems
    win, draw = chances(model, strengths[first] - strengths[second], tie)
    drawn = generator.random(count)
    return first, second, np.where(drawn < win, 1, np.where(drawn < win + draw, 0, -1))


def rankings(strengths: np.ndarray, shown: int, count: int, seed: int) -> np.ndarray:
    """[count, shown] systems from the best to the worst, by Luce's choice axiom."""
    generator = np.random.default_rng(seed)
    systems = np.argsort(generator.random((count, len(strengths))), axis=1)[:, :shown]
    utilities = strengths[systems] + generator.gumbel(size=systems.shape)
    return np.take_along_axis(systems, np.argsort(-utilities, axis=1), axis=1)
