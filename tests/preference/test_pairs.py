"""Strengths from votes on pairs: against closed forms, against a general optimiser, and by the laws that hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from preference.votes_by_chance import chances, pair_votes
from scipy.special import logit
from scipy.stats import norm

from jaxeval.errors import InputError
from jaxeval.ops import preference

MODELS = list(preference.LINKS)
WITH_TIES = ["davidson", "rao-kupper", "glenn-david"]


def two_systems(wins: float, losses: float, ties: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[0.0, wins], [losses, 0.0]]), np.array([[0.0, ties], [ties, 0.0]])


@pytest.mark.parametrize(("wins", "losses", "ties"), [(30, 10, 0), (30, 10, 8), (5, 6, 1), (1, 1, 100), (900, 1, 3)])
def test_two_systems_have_closed_forms(wins, losses, ties):
    counts = two_systems(wins, losses, ties)
    total = wins + losses + ties
    half = (wins + 0.5 * ties) / total

    def apart(model: str) -> float:
        fit = preference.fit_pairs(*counts, model=model)
        assert fit.converged
        return float(fit.strengths[0] - fit.strengths[1])

    np.testing.assert_allclose(apart("bradley-terry"), logit(half), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(apart("thurstone"), norm.ppf(half), rtol=1e-11, atol=1e-13)
    # Two chances, two parameters: the fit gives the observed shares exactly.
    np.testing.assert_allclose(apart("davidson"), np.log(wins / losses), rtol=1e-11, atol=1e-12)
    upper, lower = logit(wins / total), logit(losses / total)
    np.testing.assert_allclose(apart("rao-kupper"), (upper - lower) / 2, rtol=1e-10, atol=1e-12)
    upper, lower = norm.ppf(wins / total), norm.ppf(losses / total)
    np.testing.assert_allclose(apart("glenn-david"), (upper - lower) / 2, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model", WITH_TIES)
def test_the_parameter_of_ties_is_the_papers(model):
    wins, losses, ties = 30, 10, 20
    fit = preference.fit_pairs(*two_systems(wins, losses, ties), model=model)
    win, draw = chances(model, np.array(fit.strengths[0] - fit.strengths[1]), float(fit.tie))
    np.testing.assert_allclose([win, draw], [30 / 60, 20 / 60], rtol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_no_other_strengths_are_more_likely(model):
    strengths = np.linspace(1.5, -1.5, 6)
    counts = preference.pair_counts(*pair_votes(strengths, 900, 1, model), systems=6)
    fit = preference.fit_pairs(*counts, model=model)
    wins, ties = counts
    tied = model in WITH_TIES

    def cost(point: np.ndarray) -> float:
        d = point[:6, None] - point[None, :6]
        win, draw = chances(model, d, point[6])
        won = wins if tied else wins + 0.5 * ties
        found = (won * np.log(np.where(won > 0, win, 1.0))).sum()
        return -(found + (0.5 * ties * np.log(np.where(ties > 0, draw, 1.0))).sum() if tied else found)

    start = np.append(np.zeros(6), 0.3)
    bounds = [(-9, 9)] * 6 + [(1e-6 if model != "davidson" else -9, 9)]
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000}
    other = scipy.optimize.minimize(cost, start, method="L-BFGS-B", bounds=bounds, options=options)
    np.testing.assert_allclose(fit.strengths, other.x[:6] - other.x[:6].mean(), atol=2e-4)
    assert -fit.log_likelihood <= other.fun + 1e-9
    np.testing.assert_allclose(-fit.log_likelihood, other.fun, rtol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_strengths_of_many_votes_are_those_that_made_them(model):
    strengths = np.linspace(1.0, -1.0, 5)
    counts = preference.pair_counts(*pair_votes(strengths, 400_000, 2, model), systems=5)
    fit = preference.fit_pairs(*counts, model=model)
    np.testing.assert_allclose(fit.strengths, strengths, atol=0.03)
    if model in WITH_TIES:
        np.testing.assert_allclose(fit.tie, 0.3, atol=0.03)


@given(st.permutations(range(5)), st.sampled_from(MODELS))
@settings(max_examples=20, deadline=None)
def test_the_order_of_systems_does_not_matter(order, model):
    counts = preference.pair_counts(*pair_votes(np.linspace(1, -1, 5), 300, 3, "davidson"), systems=5)
    fit = preference.fit_pairs(*counts, model=model)
    place = np.array(order)
    moved = preference.fit_pairs(*(one[np.ix_(place, place)] for one in counts), model=model)
    np.testing.assert_allclose(moved.strengths, fit.strengths[place], atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_votes_the_other_way_round_turn_strengths_over(model):
    counts = preference.pair_counts(*pair_votes(np.linspace(1, -1, 4), 300, 4, "davidson"), systems=4)
    fit = preference.fit_pairs(*counts, model=model)
    turned = preference.fit_pairs(counts.wins.T, counts.ties, model=model)
    np.testing.assert_allclose(turned.strengths, -fit.strengths, atol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_resamples_are_fitted_as_one_by_one(model):
    generator = np.random.default_rng(5)
    counts = preference.pair_counts(*pair_votes(np.linspace(1, -1, 4), 2000, 5, "davidson"), systems=4)
    wins = generator.poisson(counts.wins, (11, 4, 4)).astype(float)
    drawn = np.triu(generator.poisson(counts.ties, (11, 4, 4)), 1).astype(float)
    ties = drawn + np.swapaxes(drawn, 1, 2)
    together = preference.fit_pairs(wins, ties, model=model)
    for place in range(11):
        alone = preference.fit_pairs(wins[place], ties[place], model=model)
        np.testing.assert_allclose(together.strengths[place], alone.strengths, atol=1e-10)
    shaped = preference.fit_pairs(wins[:10].reshape(2, 5, 4, 4), ties[:10].reshape(2, 5, 4, 4), model=model)
    assert shaped.strengths.shape == (2, 5, 4)
    assert shaped.tie.shape == (2, 5)


@pytest.mark.parametrize("model", MODELS)
def test_the_device_agrees_with_the_host_under_jit_and_vmap(model):
    counts = preference.pair_counts(*pair_votes(np.linspace(1, -1, 6), 200_000, 6, "davidson"), systems=6)
    host = preference.fit_pairs(*counts, model=model)
    wins, ties = (jnp.asarray(one, jnp.float32) for one in counts)
    fit = jax.jit(lambda w, t: preference.fit_pairs(w, t, model=model))(wins, ties)
    assert fit.strengths.dtype == jnp.float32
    assert fit.converged
    # Counts of thousands in float32: slopes, sums of K counts, are known to K times their rounding.
    np.testing.assert_allclose(fit.strengths, host.strengths, atol=2e-5)
    both = jax.vmap(lambda w, t: preference.fit_pairs(w, t, model=model).strengths)(
        jnp.stack([wins, wins.T]), jnp.stack([ties, ties])
    )
    np.testing.assert_allclose(both[1], -host.strengths, atol=2e-5)
    assert jnp.zeros(1).dtype == jnp.float32


def test_votes_that_separate_are_named_and_held():
    wins = np.array([[0.0, 5, 9], [0, 0, 4], [0, 3, 0]])  # the first never lost
    assert preference.is_separated(wins)
    assert preference.unbeaten_groups(wins) == ((0,), (1, 2))
    assert preference.compared_groups(wins) == ((0, 1, 2),)
    assert not preference.fit_pairs(wins).converged
    held = preference.fit_pairs(wins, penalty=0.1)
    assert held.converged
    assert held.strengths.argmax() == 0
    # The slope of the penalised log-likelihood vanishes there.
    strengths = np.asarray(held.strengths)
    win = chances("bradley-terry", strengths[:, None] - strengths[None, :], 0.0)[0]
    slope = (wins - (wins + wins.T) * win).sum(1) - 0.1 * held.strengths
    np.testing.assert_allclose(slope, 0.0, atol=1e-9)


def test_a_tie_is_enough_to_connect_systems():
    wins = np.array([[0.0, 5], [0, 0]])
    ties = np.array([[0.0, 1], [1, 0]])
    assert not preference.is_separated(wins, ties)
    assert preference.fit_pairs(wins, ties).converged


def test_systems_that_no_vote_connects():
    wins = np.zeros((4, 4))
    wins[0, 1] = wins[1, 0] = wins[2, 3] = wins[3, 2] = 3
    assert preference.compared_groups(wins) == ((0, 1), (2, 3))


def test_ten_million_votes_keep_their_digits():
    wins, losses = 7_654_321, 2_345_679
    fit = preference.fit_pairs(*two_systems(wins, losses, 0))
    np.testing.assert_allclose(fit.strengths[0] - fit.strengths[1], np.log(wins / losses), rtol=1e-13)


@pytest.mark.parametrize("model", MODELS)
def test_probabilities_sum_to_one(model):
    strengths = np.array([3.0, 0.5, -4.0])
    win, draw = preference.outcome_probabilities(strengths, np.array(0.4), model=model)
    np.testing.assert_allclose(win + win.T + draw, 1.0, rtol=1e-13)
    expected = chances(model, strengths[:, None] - strengths[None, :], 0.4)
    np.testing.assert_allclose(win, expected[0], rtol=1e-12)
    np.testing.assert_allclose(draw, expected[1], rtol=1e-11, atol=1e-300)


def test_counts_are_those_of_a_loop():
    first, second, outcome = pair_votes(np.zeros(4), 500, 7, "davidson")
    weights = np.random.default_rng(7).integers(0, 4, (3, 500))
    counts = preference.pair_counts(first, second, outcome, systems=4, weights=weights)
    wins, ties = np.zeros((3, 4, 4)), np.zeros((3, 4, 4))
    for place, (one, other, result) in enumerate(zip(first, second, outcome, strict=True)):
        if result == 0:
            ties[:, one, other] += weights[:, place]
            ties[:, other, one] += weights[:, place]
        else:
            winner, loser = (one, other) if result > 0 else (other, one)
            wins[:, winner, loser] += weights[:, place]
    np.testing.assert_array_equal(counts.wins, wins)
    np.testing.assert_array_equal(counts.ties, ties)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: preference.pair_counts(np.array([0]), np.array([0]), np.array([1]), systems=2), "with itself"),
        (lambda: preference.pair_counts(np.array([0]), np.array([2]), np.array([1]), systems=2), "there are 2 systems"),
        (lambda: preference.pair_counts(np.array([0]), np.array([1]), np.array([2]), systems=2), "outcome holds"),
        (lambda: preference.pair_counts(np.array([0.0]), np.array([1]), np.array([1]), systems=2), "float64 values"),
        (lambda: preference.pair_counts(np.array([0, 1]), np.array([1]), np.array([1]), systems=2), "give .N. each"),
        (lambda: preference.fit_pairs(np.ones((2, 2))), "against itself"),
        (lambda: preference.fit_pairs(-np.eye(2)[::-1]), "negative"),
        (lambda: preference.fit_pairs(np.zeros((2, 3))), "shapes"),
        (lambda: preference.fit_pairs(np.zeros((1, 1))), "2 or more systems"),
        (lambda: preference.fit_pairs(np.zeros((2, 2)), np.triu(np.ones((2, 2)), 1)), "not symmetric"),
        (lambda: preference.fit_pairs(np.zeros((2, 2)), model="elo"), "choose from bradley-terry"),
        (lambda: preference.fit_pairs(np.zeros((2, 2)), penalty=-1.0), "penalty is -1"),
        (lambda: preference.elo(np.array([0]), np.array([1]), np.array([1]), systems=2, k=0.0), "positive"),
    ],
)
def test_what_is_no_vote_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_elo_depends_on_the_order_and_sums_to_what_it_began_with():
    first, second, outcome = pair_votes(np.linspace(1, -1, 4), 400, 8, "davidson")
    rated = preference.elo(first, second, outcome, systems=4, k=16.0)
    turned = preference.elo(first[::-1], second[::-1], outcome[::-1], systems=4, k=16.0)
    assert np.abs(rated - turned).max() > 1.0
    np.testing.assert_allclose([rated.sum(), turned.sum()], 4000.0, rtol=1e-12)
    on_device = preference.elo(*(jnp.asarray(one) for one in (first, second, outcome)), systems=4, k=16.0)
    np.testing.assert_allclose(on_device, rated, rtol=1e-5)
