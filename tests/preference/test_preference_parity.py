"""Against the packages that the field fits votes with."""

import contextlib
import io
import types

import numpy as np
import pytest
from preference.votes_by_chance import pair_votes, rankings

from jaxeval.ops import preference

pytestmark = pytest.mark.parity
STRENGTHS = np.linspace(1.2, -1.2, 8)


def centred(values) -> np.ndarray:
    return np.asarray(values) - np.mean(values)


@pytest.fixture(scope="module")
def votes():
    return pair_votes(STRENGTHS, 3000, 0)


def test_bradley_terry_is_choix(votes):
    choix = pytest.importorskip("choix")
    first, second, outcome = votes
    data = [(a, b) if o > 0 else (b, a) for a, b, o in zip(first.tolist(), second.tolist(), outcome, strict=True)]
    fit = preference.fit_pairs(*preference.pair_counts(*votes, systems=8))
    np.testing.assert_allclose(fit.strengths, centred(choix.ilsr_pairwise(8, data, tol=1e-12)), atol=1e-9)
    # Its penalty is alpha times the sum of squares, without the half.
    held = preference.fit_pairs(*preference.pair_counts(*votes, systems=8), penalty=2.0)
    other = choix.opt_pairwise(8, data, alpha=1.0, tol=1e-10)
    np.testing.assert_allclose(held.strengths, centred(other), atol=1e-6)


def test_plackett_luce_is_choix():
    choix = pytest.importorskip("choix")
    orders = rankings(STRENGTHS, 4, 400, 1)
    shown, best = preference.choices_of_rankings(orders)
    fit = preference.fit_choices(shown, best, systems=8)
    np.testing.assert_allclose(
        fit.strengths, centred(choix.ilsr_rankings(8, [tuple(row) for row in orders.tolist()], tol=1e-12)), atol=1e-9
    )
    top = [(row[0], tuple(row[1:])) for row in orders.tolist()]
    first = preference.fit_choices(orders, orders[:, 0], systems=8)
    np.testing.assert_allclose(first.strengths, centred(choix.ilsr_top1(8, top, tol=1e-12)), atol=1e-9)


def test_bradley_terry_elo_and_win_rates_are_evalica():
    evalica = pytest.importorskip("evalica")
    first, second, outcome = pair_votes(STRENGTHS, 3000, 2, "davidson")
    names = [f"s{number}" for number in range(8)]
    winners = [{1: evalica.Winner.X, -1: evalica.Winner.Y, 0: evalica.Winner.Draw}[o] for o in outcome.tolist()]
    sides = [names[a] for a in first], [names[b] for b in second]
    counts = preference.pair_counts(first, second, outcome, systems=8)
    fit = preference.fit_pairs(*counts)
    other = evalica.bradley_terry(*sides, winners, tolerance=1e-13, limit=100_000)
    np.testing.assert_allclose(fit.strengths, centred(np.log(other.scores[names].to_numpy())), atol=1e-6)
    rated = preference.elo(first, second, outcome, systems=8, k=4.0)
    np.testing.assert_allclose(rated, evalica.elo(*sides, winners).scores[names].to_numpy(), rtol=1e-12)
    won = counts.wins + 0.5 * counts.ties
    with np.errstate(invalid="ignore"):
        rates = won / (won + won.T)
    expected = evalica.average_win_rate(*sides, winners).scores[names].to_numpy()
    np.testing.assert_allclose(np.nansum(rates, 1) / 7, expected, rtol=1e-12)
    strengths = np.exp(fit.strengths)
    scores = evalica.pairwise_scores(strengths)
    np.testing.assert_allclose(preference.outcome_probabilities(fit.strengths)[0], scores, rtol=1e-10)


def test_bradley_terry_is_arena_rank(votes):
    models = pytest.importorskip("arena_rank.models.bradley_terry")
    data = pytest.importorskip("arena_rank.utils.data_utils")
    pandas = pytest.importorskip("pandas")
    first, second, outcome = votes
    frame = pandas.DataFrame(
        {
            "model_a": [f"s{a}" for a in first],
            "model_b": [f"s{b}" for b in second],
            "winner": np.where(outcome > 0, "model_a", "model_b"),
        }
    )
    dataset = data.PairDataset.from_pandas(frame)
    model = models.BradleyTerry(n_competitors=len(dataset.competitors), scale=1.0, base=np.e, init_rating=0.0)
    ratings = model.compute_ratings_and_cis(dataset)
    order = [list(ratings["competitors"]).index(f"s{number}") for number in range(8)]
    fit = preference.fit_pairs(*preference.pair_counts(*votes, systems=8))
    found = np.asarray(ratings["ratings"])[order]
    np.testing.assert_allclose(fit.strengths, centred(found), atol=1e-5)  # it stops at a slope, not at rest


def test_sandwich_errors_are_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    first, second, outcome = pair_votes(STRENGTHS, 1500, 3)
    rater = np.random.default_rng(3).integers(0, 40, 1500)
    fit = preference.fit_pairs(*preference.pair_counts(first, second, outcome, systems=8))
    design = np.zeros((1500, 8))
    design[np.arange(1500), first], design[np.arange(1500), second] = 1.0, -1.0
    # One system is the zero of the scale there: its errors are of differences from that system.
    model = api.Logit((outcome > 0).astype(float), design[:, 1:])
    plain = model.fit(disp=0, tol=1e-12, method="newton")
    robust = model.fit(disp=0, method="newton", cov_type="cluster", cov_kwds={"groups": rater, "use_correction": False})
    apart = np.column_stack([-np.ones(7), np.eye(7)])
    np.testing.assert_allclose(apart @ fit.strengths, plain.params, atol=1e-7)
    own = preference.pair_covariance(first, second, outcome, fit.strengths)
    np.testing.assert_allclose(apart @ own @ apart.T, plain.cov_params(), rtol=1e-5, atol=1e-9)
    own = preference.pair_covariance(first, second, outcome, fit.strengths, clusters=[rater])
    np.testing.assert_allclose(apart @ own @ apart.T * 39 / 40, robust.cov_params(), rtol=1e-5, atol=1e-9)


def test_two_way_errors_are_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    first, second, outcome = pair_votes(STRENGTHS[:4], 1500, 4)
    generator = np.random.default_rng(4)
    groups = generator.integers(0, 30, 1500), generator.integers(0, 25, 1500)
    fit = preference.fit_pairs(*preference.pair_counts(first, second, outcome, systems=4))
    design = np.zeros((1500, 4))
    design[np.arange(1500), first], design[np.arange(1500), second] = 1.0, -1.0
    model = api.Logit((outcome > 0).astype(float), design[:, 1:]).fit(disp=0, method="newton")
    from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

    both, one, other = cov_cluster_2groups(model, groups[0], groups[1], use_correction=False)
    apart = np.column_stack([-np.ones(3), np.eye(3)])
    crossing = groups[0] * 25 + groups[1]
    own = {}
    for name, number in (("one", groups[0]), ("other", groups[1]), ("crossing", crossing)):
        count = len(np.unique(number))
        found = preference.pair_covariance(first, second, outcome, fit.strengths, clusters=[number])
        own[name] = apart @ found @ apart.T * (count - 1) / count  # there without a correction for few groups
    np.testing.assert_allclose(own["one"], one, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(own["other"], other, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(own["one"] + own["other"] - own["crossing"], both, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_opinion_scores_are_sureal(missing):
    model = pytest.importorskip("sureal.subjective_model")
    reader = pytest.importorskip("sureal.dataset_reader")
    generator = np.random.default_rng(5)
    table = generator.normal(3, 0.7, (18, 25)) + np.linspace(-1, 1, 25) + generator.normal(0, 0.4, (18, 1))
    table = np.clip(np.round(table), 1, 5)
    heard = generator.random(table.shape) >= missing

    films = [
        {"content_id": 0, "asset_id": j, "path": f"p{j}", "os": np.where(heard[:, j], table[:, j], np.nan).tolist()}
        for j in range(25)
    ]
    reference = [{"content_id": 0, "content_name": "c", "path": "r"}]
    data = types.SimpleNamespace(dataset_name="made up", ref_score=5.0, ref_videos=reference, dis_videos=films)
    solver = model.SubjectMLEModelProjectionSolver(reader.RawDatasetReader(data))
    with contextlib.redirect_stdout(io.StringIO()):
        solver.run_modeling()
    other = solver.model_result
    rater, stimulus = np.nonzero(heard)
    fit = preference.fit_opinions(table[heard], rater, stimulus, raters=18, stimuli=25)
    # It stops at a change of 1e-8, and adds 1e-8 to variances.
    np.testing.assert_allclose(fit.quality, other["quality_scores"], atol=1e-6)
    np.testing.assert_allclose(fit.bias, other["observer_bias"], atol=1e-6)
    np.testing.assert_allclose(fit.inconsistency, other["observer_inconsistency"], atol=1e-6)
    np.testing.assert_allclose(fit.quality_error, other["quality_scores_std"], atol=1e-6)
