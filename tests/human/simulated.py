"""Votes of people who are made up: raters with tastes, items with looks, systems of known strengths."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def pair_rows(
    strengths: Sequence[float],
    *,
    raters: int,
    each: int,
    items: int,
    seed: int,
    taste: float = 0.0,
    looks: float = 0.0,
    ties: float = 0.0,
) -> list[list[Any]]:
    """Rows of vote, rater, item, left, right, choice, trial; tastes and looks move strengths by rater and by item."""
    generator = np.random.default_rng(seed)
    own = np.asarray(strengths, float)
    of_rater = generator.normal(size=(raters, len(own))) * taste
    of_item = generator.normal(size=(items, len(own))) * looks
    rows = []
    for rater in range(raters):
        for trial in range(each):
            one, other = generator.choice(len(own), 2, replace=False)
            item = generator.integers(items)
            felt = own + of_rater[rater] + of_item[item]
            d = felt[one] - felt[other]
            weights = np.array([np.exp(d / 2), ties, np.exp(-d / 2)])
            choice = generator.choice(["left", "tie", "right"], p=weights / weights.sum())
            rows.append([f"v{len(rows)}", f"r{rater}", f"i{item}", f"S{one}", f"S{other}", choice, trial])
    return rows


PAIR_HEADER = ("vote", "rater", "item", "left", "right", "choice", "trial")


def opinion_rows(
    qualities: Sequence[float], *, raters: int, items: int, seed: int, bias: float = 0.3, noise: float = 0.6
) -> list[list[Any]]:
    """Rows of vote, rater, item, system, score; every rater rates everything."""
    generator = np.random.default_rng(seed)
    biases = generator.normal(size=raters) * bias
    looks = generator.normal(size=items) * 0.4
    rows = []
    for rater in range(raters):
        for item in range(items):
            for system, quality in enumerate(qualities):
                felt = quality + looks[item] + biases[rater] + noise * generator.normal()
                score = int(np.clip(np.round(felt), 1, 5))
                rows.append([f"v{len(rows)}", f"r{rater}", f"i{item}", f"S{system}", score])
    return rows


OPINION_HEADER = ("vote", "rater", "item", "system", "score")
