"""Strengths from choices: against pairs, whole rankings, and the likelihood as the model defines it."""

import itertools

import numpy as np
import pytest
from preference.votes_by_chance import rankings

from jaxeval.errors import InputError
from jaxeval.ops import preference

STRENGTHS = np.array([1.2, 0.4, 0.0, -0.5, -1.1])


def chance_of_order(weights: dict[int, float], order: tuple[int, ...]) -> float:
    """Plackett's urn: without replacement, each with a chance in proportion to its weight."""
    left, found = dict(weights), 1.0
    for one in order:
        found *= left[one] / sum(left.values())
        del left[one]
    return found


def log_likelihood(strengths: np.ndarray, shown: np.ndarray, best: np.ndarray, worst: np.ndarray) -> float:
    """By adding up all rankings that begin with the best and end with the worst."""
    total = 0.0
    for row, first, last in zip(shown.tolist(), best.tolist(), worst.tolist(), strict=True):
        weights = {one: float(np.exp(strengths[one])) for one in row if one >= 0}
        orders = [o for o in itertools.permutations(weights) if o[0] == first and last in (-1, o[-1])]
        total += np.log(sum(chance_of_order(weights, order) for order in orders))
    return total


@pytest.mark.parametrize("shown", [2, 3, 4])
@pytest.mark.parametrize("with_worst", [False, True])
def test_likelihood_and_its_maximum(shown, with_worst):
    orders = rankings(STRENGTHS, shown, 150, shown)
    worst = orders[:, -1] if with_worst else np.full(len(orders), -1)
    fit = preference.fit_choices(orders, orders[:, 0], worst, systems=5)
    assert fit.converged
    found = log_likelihood(fit.strengths, orders, orders[:, 0], worst)
    np.testing.assert_allclose(fit.log_likelihood, found, rtol=1e-12)
    for system in range(5):
        for step in (-1e-3, 1e-3):
            moved = fit.strengths.copy()
            moved[system] += step
            assert log_likelihood(moved, orders, orders[:, 0], worst) < found


def test_mixed_sizes_and_some_without_a_worst():
    three, four = rankings(STRENGTHS, 3, 80, 1), rankings(STRENGTHS, 4, 80, 2)
    shown = np.full((160, 4), -1)
    shown[:80, :3], shown[80:] = three, four
    best = np.concatenate([three[:, 0], four[:, 0]])
    worst = np.concatenate([three[:, -1], four[:, -1]])
    worst[::3] = -1
    fit = preference.fit_choices(shown, best, worst, systems=5)
    np.testing.assert_allclose(fit.log_likelihood, log_likelihood(fit.strengths, shown, best, worst), rtol=1e-12)


def test_of_two_systems_it_is_bradley_terry():
    orders = rankings(STRENGTHS, 2, 500, 3)
    choices = preference.fit_choices(orders, orders[:, 0], orders[:, 1], systems=5)
    counts = preference.pair_counts(orders[:, 0], orders[:, 1], np.ones(500, int), systems=5)
    np.testing.assert_allclose(choices.strengths, preference.fit_pairs(*counts).strengths, atol=1e-10)


def test_arrangement_on_the_screen_does_not_matter():
    orders = rankings(STRENGTHS, 4, 200, 4)
    generator = np.random.default_rng(4)
    moved = generator.permuted(orders, axis=1)
    one = preference.fit_choices(orders, orders[:, 0], orders[:, -1], systems=5)
    other = preference.fit_choices(moved, orders[:, 0], orders[:, -1], systems=5)
    np.testing.assert_array_equal(one.strengths, other.strengths)


def test_best_and_worst_of_three_are_a_whole_ranking():
    orders = rankings(STRENGTHS, 3, 300, 5)
    one = preference.fit_choices(orders, orders[:, 0], orders[:, -1], systems=5)
    shown, best = preference.choices_of_rankings(orders)
    other = preference.fit_choices(shown, best, systems=5)
    np.testing.assert_allclose(one.strengths, other.strengths, atol=1e-10)


def test_resamples_are_fitted_as_one_by_one():
    orders = rankings(STRENGTHS, 4, 300, 6)
    weights = np.random.default_rng(6).integers(0, 3, (10, 300))
    together = preference.fit_choices(orders, orders[:, 0], orders[:, -1], systems=5, weights=weights)
    for place in range(10):
        repeated = np.repeat(orders, weights[place], axis=0)
        alone = preference.fit_choices(repeated, repeated[:, 0], repeated[:, -1], systems=5)
        np.testing.assert_allclose(together.strengths[place], alone.strengths, atol=1e-9)


def test_pairs_that_follow_from_a_choice():
    winners, losers, rows = preference.pairs_of_choices(
        np.array([[3, 1, 2, 0], [0, 2, -1, -1]]), np.array([2, 0]), np.array([1, -1])
    )
    found = sorted(zip(rows.tolist(), winners.tolist(), losers.tolist(), strict=True))
    assert found == [(0, 0, 1), (0, 2, 0), (0, 2, 1), (0, 2, 3), (0, 3, 1), (1, 0, 2)]


@pytest.mark.parametrize(
    ("shown", "best", "worst", "said"),
    [
        ([[0, 0, 1]], [1], [0], "choice 0 shows a system twice"),
        ([[0, 1, 2], [0, 1, 2]], [1, 3], [0, 0], "choice 1 has a best that is none"),
        ([[0, 1, 2]], [1], [3], "has a worst that is none"),
        ([[0, 1, 2]], [1], [1], "as best and as worst"),
        ([[0, -1, -1]], [0], [-1], "fewer than two"),
        ([[0, 1, 5]], [0], [-1], "there are 5 systems"),
        ([[0, 1, 2, 3, 4]], [0], [1], "a worst of more than 4"),
        ([[0.5, 1, 2]], [1], [2], "no integers"),
        ([[0, 1, 2]], [1, 1], [2, 2], "shapes"),
    ],
)
def test_what_is_no_choice_is_refused(shown, best, worst, said):
    with pytest.raises(InputError, match=said):
        preference.fit_choices(np.array(shown), np.array(best), np.array(worst), systems=5)
