"""The choice of pairs: information against integrals, the approximation against SciPy, and what it saves."""

import numpy as np
import pytest
from scipy import optimize, stats

from jaxeval.human._adaptive import PRIOR_DEVIATION, expected_information, pairs_by_information, posterior


def entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p) + (1 - p) * np.log1p(-p))


def wins_of(seed: int, systems: int = 5, votes: int = 60) -> np.ndarray:
    draw = np.random.default_rng(seed)
    wins = np.zeros((systems, systems))
    for _ in range(votes):
        i, j = draw.choice(systems, 2, replace=False)
        wins[i, j] += 1
    return wins


def test_information_is_that_between_the_answer_and_all_strengths():
    """By brute force over a grid of three correlated strengths."""
    factor = np.random.default_rng(1).normal(size=(3, 3))
    mean, covariance = np.array([0.4, -0.3, 1.1]), factor @ factor.T / 2 + np.eye(3) * 0.2
    axis = np.linspace(-9, 9, 121)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    away = grid - mean
    weight = np.exp(-(away @ np.linalg.inv(covariance) * away).sum(1) / 2)
    weight /= weight.sum()
    found = expected_information(mean, covariance)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        p = 1 / (1 + np.exp(grid[:, j] - grid[:, i]))
        expected = entropy(np.array((weight * p).sum())) - (weight * entropy(p)).sum()
        assert found[i, j] == found[j, i] == pytest.approx(expected, rel=1e-6)
    assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_approximation_is_the_mode_and_the_curvature_there(seed):
    wins = wins_of(seed)
    wins[0, 1] += 0.5
    wins[1, 0] += 0.5

    def negative(s: np.ndarray) -> float:
        difference = s[:, None] - s[None, :]
        return float((wins * np.log1p(np.exp(-difference))).sum() + (s**2).sum() / (2 * PRIOR_DEVIATION**2))

    mean, covariance = posterior(wins)
    best = optimize.minimize(negative, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(mean, best.x, atol=1e-6)
    step = 1e-3
    hessian = np.zeros((5, 5))
    for a in range(5):
        for b in range(5):
            moves = [step * (x * np.eye(5)[a] + y * np.eye(5)[b]) for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            values = [negative(mean + move) for move in moves]
            hessian[a, b] = (values[0] - values[1] - values[2] + values[3]) / (4 * step**2)
    np.testing.assert_allclose(np.linalg.inv(hessian), covariance, rtol=1e-4, atol=1e-6)


def test_without_answers_all_pairs_tell_the_same_and_each_answer_takes_from_its_pair():
    wins = np.zeros((4, 4))
    before = expected_information(*posterior(wins))
    assert np.ptp(before[np.triu_indices(4, 1)]) < 1e-12
    wins[0, 1] = wins[1, 0] = 2
    assert pairs_by_information(wins)[0] != (0, 1)
    assert pairs_by_information(wins)[-1] == (0, 1)
    assert sorted(pairs_by_information(wins)) == [(i, j) for i in range(4) for j in range(i + 1, 4)]


def test_a_system_that_always_wins_has_finite_strength_and_is_asked_less():
    wins = np.zeros((3, 3))
    wins[0, 1] = wins[0, 2] = 500
    wins[1, 2] = wins[2, 1] = 5
    mean, covariance = posterior(wins)
    assert np.isfinite(mean).all()
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert pairs_by_information(wins)[0] == (1, 2)


def test_the_order_does_not_depend_on_how_systems_are_numbered():
    wins = wins_of(7, systems=6, votes=100)
    order = np.random.default_rng(0).permutation(6)
    renamed = [sorted((int(order[i]), int(order[j]))) for i, j in pairs_by_information(wins[np.ix_(order, order)])]
    assert list(map(tuple, renamed)) == pairs_by_information(wins)


def kendall_after(votes: tuple[int, ...], seed: int, adaptive: bool) -> list[float]:
    """How well planted strengths are ranked after so many votes."""
    draw = np.random.default_rng(seed)
    strengths = draw.normal(0, 1.5, 10)
    wins, found, deck = np.zeros((10, 10)), [], []
    for count in range(1, votes[-1] + 1):
        if not adaptive and not deck:
            deck = [(i, j) for i in range(10) for j in range(i + 1, 10)]
            draw.shuffle(deck)
        i, j = pairs_by_information(wins)[0] if adaptive else deck.pop()
        won = draw.random() < 1 / (1 + np.exp(strengths[j] - strengths[i]))
        wins[(i, j) if won else (j, i)] += 1
        if count in votes:
            found.append(stats.kendalltau(posterior(wins)[0], strengths)[0])
    return found


@pytest.mark.slow
def test_planted_strengths_are_ranked_with_fewer_votes_than_by_uniform_pairs():
    seeds = range(30)
    chosen = np.mean([kendall_after((135,), seed, True) for seed in seeds])
    uniform = np.mean([kendall_after((135, 180), seed, False) for seed in seeds], 0)
    assert chosen > uniform[0] + 0.01
    assert chosen > uniform[1]  # with a third more votes
