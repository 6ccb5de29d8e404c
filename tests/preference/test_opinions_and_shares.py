"""Opinion scores, shares of votes, places and circles."""

import functools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.errors import InputError
from jaxeval.ops import preference


def scores(raters: int, stimuli: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    truth = {
        "quality": generator.uniform(1.5, 4.5, stimuli),
        "bias": generator.normal(0, 0.4, raters),
        "inconsistency": generator.uniform(0.4, 1.0, raters),
    }
    truth["bias"] -= truth["bias"].mean()
    rater, stimulus = (one.ravel() for one in np.indices((raters, stimuli)))
    noise = truth["inconsistency"][rater] * generator.normal(size=len(rater))
    return truth["quality"][stimulus] + truth["bias"][rater] + noise, rater, stimulus, truth


def test_planted_qualities_biases_and_inconsistencies_are_found():
    score, rater, stimulus, truth = scores(40, 400, 0)
    fit = preference.fit_opinions(score, rater, stimulus, raters=40, stimuli=400)
    assert fit.converged
    np.testing.assert_allclose(fit.bias, truth["bias"], atol=0.15)
    np.testing.assert_allclose(fit.inconsistency, truth["inconsistency"], rtol=0.15)
    apart = (fit.quality - truth["quality"]) / fit.quality_error
    assert 0.9 < apart.std() < 1.1  # the errors are those that it says
    # Raters who are surer count for more, so that errors are smaller than those of plain means.
    plain = np.array([score[stimulus == j].mean() for j in range(400)])
    assert ((fit.quality - truth["quality"]) ** 2).sum() < ((plain - truth["quality"]) ** 2).sum()


def test_slopes_of_the_likelihood_vanish():
    score, rater, stimulus, _ = scores(7, 20, 1)
    kept = np.random.default_rng(1).random(len(score)) < 0.7  # not everybody rated everything
    score, rater, stimulus = score[kept], rater[kept], stimulus[kept]
    fit = preference.fit_opinions(score, rater, stimulus, raters=7, stimuli=20)
    rest = score - fit.quality[stimulus] - fit.bias[rater]
    precision = 1 / fit.inconsistency[rater] ** 2
    np.testing.assert_allclose(np.bincount(stimulus, rest * precision), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.bincount(rater, rest), 0.0, atol=1e-9)
    own = np.bincount(rater, rest**2) / np.bincount(rater)
    least = fit.inconsistency.min()  # of one rater, whom qualities would meet exactly
    np.testing.assert_allclose(np.maximum(own, least**2), fit.inconsistency**2, rtol=1e-9)
    assert (own < least**2).sum() == 1


def test_a_rater_who_is_met_exactly_does_not_count_infinitely():
    generator = np.random.default_rng(2)
    rater, stimulus = (one.ravel() for one in np.indices((6, 10)))
    score = np.clip(np.round(generator.normal(3, 1, 60)), 1, 5)
    only = rater == 0
    score[only] = 3.0
    score = np.append(score[~only], 5.0)  # one answer: it can be met exactly
    rater, stimulus = np.append(rater[~only], 0), np.append(stimulus[~only], 4)
    fit = preference.fit_opinions(score, rater, stimulus, raters=6, stimuli=10)
    assert fit.converged
    np.testing.assert_allclose(fit.inconsistency[0], 1 / math.sqrt(12))
    assert np.isfinite(fit.quality).all()


def test_what_nobody_rated_is_not_a_number():
    fit = preference.fit_opinions(
        np.array([1.0, 2.0, 4.0]), np.array([0, 0, 2]), np.array([0, 3, 3]), raters=4, stimuli=5
    )
    assert np.isnan(fit.quality).tolist() == [False, True, True, False, True]
    assert np.isnan(fit.bias).tolist() == [False, True, False, True]


def test_weights_are_repetitions():
    score, rater, stimulus, _ = scores(5, 12, 3)
    weights = np.random.default_rng(3).integers(0, 3, (9, len(score)))
    fit = functools.partial(preference.fit_opinions, raters=5, stimuli=12, least_inconsistency=0.1)
    found = fit(score, rater, stimulus, weights=weights)
    for place in range(9):
        again = np.repeat(np.arange(len(score)), weights[place])
        alone = fit(score[again], rater[again], stimulus[again])
        np.testing.assert_allclose(found.quality[place], alone.quality, rtol=1e-9)


@pytest.mark.parametrize(
    ("score", "rater", "stimulus", "said"),
    [
        ([1.0, np.nan], [0, 0], [0, 1], "score 1 is not finite"),
        ([1.0, 2.0], [0, 2], [0, 1], "rater holds other values than integers from 0 to 1"),
        ([1.0, 2.0], [0, 1], [0, -1], "stimulus holds"),
        ([1.0], [0, 1], [0, 1], "shapes"),
        ([], [], [], "one score or more"),
    ],
)
def test_what_are_no_scores_is_refused(score, rater, stimulus, said):
    with pytest.raises(InputError, match=said):
        preference.fit_opinions(np.array(score), np.array(rater, int), np.array(stimulus, int), raters=2, stimuli=2)


@pytest.mark.parametrize(("count", "votes"), [(0, 5), (5, 5), (3, 7), (123, 456), (1, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_is_scipys(count, votes, confidence):
    expected = scipy.stats.binomtest(count, votes).proportion_ci(confidence, method="wilson")
    found = preference.wilson_interval(count, votes, confidence=confidence)
    np.testing.assert_allclose(found, (expected.low, expected.high), rtol=1e-12, atol=1e-16)


@given(st.integers(1, 2000), st.data())
@settings(max_examples=50, deadline=None)
def test_wilson_is_symmetric_and_holds_the_share(votes, data):
    count = data.draw(st.integers(0, votes))
    low, high = preference.wilson_interval(count, votes)
    assert 0 <= low <= count / votes <= high <= 1
    other = preference.wilson_interval(votes - count, votes)
    np.testing.assert_allclose((1 - other.high, 1 - other.low), (low, high), atol=1e-12)


def test_votes_needed_have_their_power():
    for rate in (0.55, 0.6, 0.7):
        votes = preference.votes_needed(rate, power=0.8)
        # Of the normal test itself: the chance to leave one half's acceptance region.
        edge = 0.5 + scipy.stats.norm.ppf(0.975) * math.sqrt(0.25 / votes)
        power = scipy.stats.binom.sf(math.floor(edge * votes), votes, rate)
        assert 0.77 < power < 0.84
    assert preference.votes_needed(0.4) == preference.votes_needed(0.6)
    assert preference.votes_needed(0.6, design_effect=3.0) == pytest.approx(3 * preference.votes_needed(0.6), abs=2)


def test_places_by_what_is_sure():
    values = np.array([3.0, 1.0, 0.9, -2.0])
    draws = values + np.random.default_rng(0).normal(size=(4000, 4)) * 0.2
    sets = preference.rank_sets(values, draws)
    assert sets.rank.tolist() == [1, 2, 3, 4]
    assert sets.best.tolist() == [1, 2, 2, 4]
    assert sets.worst.tolist() == [1, 3, 3, 4]
    alone = preference.rank_sets(np.ones(1), np.random.default_rng(0).normal(size=(9, 1)))
    assert (alone.rank.tolist(), alone.best.tolist(), alone.worst.tolist()) == ([1], [1], [1])
    alike = preference.rank_sets(np.ones(3), np.ones((5, 3)) + np.random.default_rng(0).normal(size=(5, 3)))
    assert alike.rank.tolist() == [1, 1, 1]
    assert (alike.best.tolist(), alike.worst.tolist()) == ([1] * 3, [3] * 3)


def test_sets_of_places_cover():
    """In 400 repeats of equal systems each place's set holds the true places, all of them, at 95%."""
    generator = np.random.default_rng(1)
    truth, error = np.array([0.0, 0.0, 1.0, 1.2, 3.0]), 0.5
    place = np.array([4, 4, 3, 2, 1])
    missed = np.zeros(5)
    for _ in range(400):
        values = truth + error * generator.normal(size=5)
        sets = preference.rank_sets(values, values + error * generator.normal(size=(300, 5)))
        missed += (sets.best > place) | (sets.worst < place)
    # A binomial of 400 with 5% stays below 33 but for one in 1,000.
    assert (missed <= 33).all()


def test_circles():
    order = np.triu(np.ones((7, 7)), 1)
    assert preference.circular_triads(order) == (0, 35, 1.0)
    regular = np.array([[1.0 if (j - i) % 5 in (1, 2) else 0.0 for j in range(5)] for i in range(5)])
    np.fill_diagonal(regular, 0.0)
    assert preference.circular_triads(regular) == (5, 10, 0.0)  # the most that five can have (Kendall 1940)
    assert math.isnan(preference.circular_triads(np.zeros((3, 3))).consistency)
