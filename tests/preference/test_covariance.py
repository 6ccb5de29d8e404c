"""Errors of strengths: closed forms, and what repeats of a study show."""

import numpy as np
import pytest
from preference.votes_by_chance import pair_votes, rankings

from jaxeval.errors import InputError
from jaxeval.ops import preference

MODELS = list(preference.LINKS)


def fitted(votes, systems, model):
    fit = preference.fit_pairs(*preference.pair_counts(*votes, systems=systems), model=model)
    return fit


def test_of_two_systems_it_is_that_of_a_logit():
    votes = np.zeros(50, int), np.ones(50, int), np.array([1] * 35 + [-1] * 15)
    model = "bradley-terry"
    fit = fitted(votes, 2, model)
    found = preference.pair_covariance(*votes, fit.strengths, fit.tie, model=model)
    of_difference = 1 / (50 * 0.7 * 0.3)
    np.testing.assert_allclose(found, of_difference / 4 * np.array([[1, -1], [-1, 1]]), rtol=1e-10)
    # Each vote a cluster: with the model true for every vote it is the same but for N / (N - 1).
    robust = preference.pair_covariance(*votes, fit.strengths, fit.tie, clusters=[np.arange(50)], model=model)
    np.testing.assert_allclose(robust, found * 50 / 49, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_errors_are_the_spread_of_repeats(model):
    strengths = np.array([0.8, 0.0, -0.8])
    found, errors = [], []
    for seed in range(200):
        votes = pair_votes(strengths, 400, seed, model)
        fit = fitted(votes, 3, model)
        found.append(fit.strengths)
        if seed < 20:
            errors.append(np.sqrt(np.diag(preference.pair_covariance(*votes, fit.strengths, fit.tie, model=model))))
    # A standard deviation of 200 values is known to 5%: four of those.
    np.testing.assert_allclose(np.mean(errors, 0), np.std(found, 0, ddof=1), rtol=0.2)


def test_votes_that_are_cast_twice_tell_nothing_more():
    votes = pair_votes(np.linspace(1, -1, 4), 300, 1)
    strengths = fitted(votes, 4, "bradley-terry").strengths
    voters = np.arange(300)
    once = preference.pair_covariance(*votes, strengths, clusters=[voters])
    first, second, outcome = (np.concatenate([one, one]) for one in votes)
    again = preference.pair_covariance(first, second, outcome, strengths, clusters=[np.concatenate([voters, voters])])
    np.testing.assert_allclose(again, once, rtol=1e-9)
    crossed = preference.pair_covariance(*votes, strengths, clusters=[voters, voters])
    np.testing.assert_allclose(crossed, once, rtol=1e-9)


def test_of_choices_of_two_it_is_that_of_pairs():
    orders = rankings(np.linspace(1, -1, 4), 2, 300, 2)
    rater = np.random.default_rng(2).integers(0, 20, 300)
    pairs = orders[:, 0], orders[:, 1], np.ones(300, int)
    model = "bradley-terry"
    fit = fitted(pairs, 4, model)
    for clusters in ([], [rater]):
        np.testing.assert_allclose(
            preference.choice_covariance(orders, orders[:, 0], orders[:, 1], fit.strengths, clusters=clusters),
            preference.pair_covariance(*pairs, fit.strengths, clusters=clusters, model=model),
            rtol=1e-8,
        )


@pytest.mark.slow
@pytest.mark.parametrize("shown", [3, 4])
def test_errors_of_choices_are_the_spread_of_repeats(shown):
    strengths = np.linspace(1, -1, 5)
    found, errors = [], []
    for seed in range(200):
        orders = rankings(strengths, shown, 150, seed)
        fit = preference.fit_choices(orders, orders[:, 0], orders[:, -1], systems=5)
        found.append(fit.strengths)
        if seed < 20:
            covariance = preference.choice_covariance(orders, orders[:, 0], orders[:, -1], fit.strengths)
            errors.append(np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose(np.mean(errors, 0), np.std(found, 0, ddof=1), rtol=0.2)


def test_more_than_two_groupings_are_refused():
    votes = pair_votes(np.zeros(3), 30, 3)
    with pytest.raises(InputError, match="none, one or two"):
        preference.pair_covariance(*votes, np.zeros(3), clusters=[np.arange(30)] * 3)
    with pytest.raises(InputError, match=r"give \[30\] each"):
        preference.pair_covariance(*votes, np.zeros(3), clusters=[np.arange(3)])
