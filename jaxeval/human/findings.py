"""What votes as a whole are like: sides, order, ties, circles, whether the model fits, and whether raters agree."""

from typing import Literal

import numpy as np
import scipy.stats
from jaxtyping import Float

from jaxeval.human.estimating import Estimator
from jaxeval.human.results import Finding
from jaxeval.human.votes import ChoiceAnswers, OpinionAnswers, PairAnswers, RealnessAnswers, Votes
from jaxeval.ops import agreement, preference

_LEAST_EXPECTED = 1.0  # votes of a cell of a chi-square test
_MOST_CELLS = 10_000_000  # of a table of questions and raters
_FEW = 6  # answers of a rater whose session has a beginning and an end


def findings_of(
    votes: Votes, estimator: Estimator, values: Float[np.ndarray, " k"], *, repeats: int, seed: int
) -> tuple[Finding, ...]:
    """All findings that the design has.

    Args:
      votes: of one question.
      estimator: of these votes.
      values: of the systems.
      repeats: of the bootstraps.
      seed: of the bootstraps.
    """
    answers = votes.answers
    found: list[Finding | None] = []
    if isinstance(answers, PairAnswers):
        found += [_left_side(answers), _ties(answers), _fit(estimator, answers, values)]
    if isinstance(answers, ChoiceAnswers):
        found += [_places(answers)]
    if isinstance(answers, RealnessAnswers):
        found += [_errors(answers)]
    if isinstance(answers, PairAnswers | ChoiceAnswers):
        found += [_circles(estimator)]
    found += [_session(votes, values), _consistency(votes)]
    found += list(_agreement(votes, repeats=repeats, seed=seed))
    return tuple(one for one in found if one is not None)


def _left_side(answers: PairAnswers) -> Finding | None:
    decided = int((answers.outcome != 0).sum())
    left = int((answers.outcome > 0).sum())
    if not decided:
        return None
    low, high = preference.wilson_interval(left, decided)
    return Finding(
        "left side",
        left / decided,
        low,
        high,
        preference.binomial_p_value(left, decided),
        decided,
        "share of decided votes for the left side; tested against one half, exactly",
    )


def _ties(answers: PairAnswers) -> Finding:
    tied, count = int((answers.outcome == 0).sum()), len(answers.outcome)
    low, high = preference.wilson_interval(tied, count)
    return Finding("ties", tied / count, low, high, None, count, "share of votes that are ties")


def _fit(estimator: Estimator, answers: PairAnswers, values: Float[np.ndarray, " k"]) -> Finding | None:
    """Whether pairs' counts are those that the model expects, by the likelihood ratio."""
    systems = len(values)
    counts = preference.pair_counts(answers.left, answers.right, answers.outcome, systems=systems)
    model = preference.link_named(estimator.model).name
    tie = estimator.parameters().get("tie")
    win, draw = preference.outcome_probabilities(values, None if tie is None else np.asarray(tie), model=model)
    wins, ties = np.asarray(counts.wins), np.asarray(counts.ties)
    upper = np.triu_indices(systems, 1)
    if tie is None:  # a tie is half a win of either
        observed = np.stack([(wins + 0.5 * ties)[upper], (wins.T + 0.5 * ties)[upper]])
        expected = np.stack([win[upper], win.T[upper]])
    else:
        observed = np.stack([wins[upper], ties[upper], wins.T[upper]])
        expected = np.stack([win[upper], draw[upper], win.T[upper]])
    total = observed.sum(0)
    asked = total > 0
    observed, expected = observed[:, asked], (expected * total)[:, asked]
    degrees = int(asked.sum()) * (len(observed) - 1) - (systems - 1) - (tie is not None)
    if degrees < 1 or estimator.penalty > 0:
        return None
    ratio = np.where(observed > 0, observed * np.log(np.where(observed > 0, observed, 1.0) / expected), 0.0)
    statistic = max(2.0 * float(ratio.sum()), 0.0)
    small = "" if expected.min() >= _LEAST_EXPECTED else "; some expected counts are below 1, where it is rough"
    return Finding(
        "fit of the model",
        statistic / degrees,
        None,
        None,
        float(scipy.stats.chi2.sf(statistic, degrees)),
        int(asked.sum()),
        f"likelihood ratio over its {degrees:,} degrees of freedom, of pairs' counts against the model's{small}",
    )


def _places(answers: ChoiceAnswers) -> Finding | None:
    """Whether places on the screen are chosen as best alike, among answers that show as many as most do."""
    shown = (answers.shown >= 0).sum(1)
    size = int(np.bincount(shown).argmax())
    rows = shown == size
    place = (answers.shown[rows] == answers.best[rows, None]).argmax(1)
    counts = np.bincount(place, minlength=size)
    found = scipy.stats.chisquare(counts)
    return Finding(
        "places",
        float(counts.max() / counts.sum()),
        None,
        None,
        float(found.pvalue),
        int(counts.sum()),
        f"share of the place that is chosen as best most often, of {size}; tested by chi-square against equal shares",
    )


def _errors(answers: RealnessAnswers) -> Finding:
    wrong = int((answers.judged_real != (answers.system < 0)).sum())
    count = len(answers.system)
    low, high = preference.wilson_interval(wrong, count)
    p_value = preference.binomial_p_value(wrong, count)
    return Finding(
        "wrong answers", wrong / count, low, high, p_value, count, "share of wrong answers; tested against one half"
    )


def _circles(estimator: Estimator) -> Finding | None:
    counts = np.bincount(estimator.kind, minlength=estimator.kinds).astype(np.float64)[None]
    shares = estimator.shares(counts)
    if shares is None or len(shares[0]) < 3:
        return None
    triads = preference.circular_triads(np.nan_to_num(shares[0], nan=0.5))
    return Finding(
        "circles",
        float(triads.circular),
        None,
        None,
        None,
        triads.triples,
        "triples of systems of which each beats the next by a majority; 0 for votes that agree on an order",
    )


def _session(votes: Votes, values: Float[np.ndarray, " k"]) -> Finding | None:
    """Whether raters answer otherwise at the end of their session than at its beginning."""
    answers = votes.answers
    if np.isnan(votes.trial).all():
        return None
    if isinstance(answers, PairAnswers):
        rows = answers.outcome != 0
        measure = ((values[answers.left] - values[answers.right]) * answers.outcome > 0).astype(np.float64)
        what = "share of answers that go with the systems' strengths"
    elif isinstance(answers, OpinionAnswers):
        rows = np.ones(len(votes), bool)
        measure = answers.score - values[answers.system]
        what = "mean score less the system's"
    elif isinstance(answers, RealnessAnswers):
        rows = np.ones(len(votes), bool)
        measure = (answers.judged_real == (answers.system < 0)).astype(np.float64)
        what = "share of right answers"
    else:
        rows = np.ones(len(votes), bool)
        top = np.where(answers.shown >= 0, values[answers.shown], -np.inf).max(1)
        measure = (values[answers.best] == top).astype(np.float64)
        what = "share of answers that choose the strongest system shown"
    changes = []
    told = rows & ~np.isnan(votes.trial)
    for of_rater in votes.by_rater():
        own = of_rater[told[of_rater]]
        if len(own) < _FEW:
            continue
        ordered = measure[own[np.argsort(votes.trial[own], kind="stable")]]
        third = len(ordered) // 3
        changes.append(ordered[-third:].mean() - ordered[:third].mean())
    if len(changes) < 2 or np.ptp(changes) == 0:
        return None
    mean, error = float(np.mean(changes)), float(np.std(changes, ddof=1)) / len(changes) ** 0.5
    reach = float(scipy.stats.t.ppf(0.975, len(changes) - 1)) * error
    p_value = float(2 * scipy.stats.t.sf(abs(mean / error), len(changes) - 1))
    return Finding(
        "order",
        mean,
        mean - reach,
        mean + reach,
        p_value,
        len(changes),
        f"{what} in the last third of a session less that in the first; tested against 0 by Student's t over raters",
    )


def _consistency(votes: Votes) -> Finding | None:
    from jaxeval.human.raters import same_answer

    again = np.flatnonzero(votes.repeats >= 0)
    if not len(again):
        return None
    same = int(same_answer(votes, again, votes.repeats[again]).sum())
    low, high = preference.wilson_interval(same, len(again))
    return Finding(
        "repeats",
        same / len(again),
        low,
        high,
        None,
        len(again),
        "share of repeated questions that got the same answer",
    )


def _agreement(votes: Votes, *, repeats: int, seed: int) -> list[Finding]:
    """How much raters agree: alpha, and Fleiss' kappa of answers without an order or Kendall's W of scores."""
    asked = _same_questions(votes)
    if asked is None:
        return []
    unit, rater, value = asked
    levels, what = _scale(votes)
    options = {"repeats": repeats, "seed": seed}
    # For alpha and kappa it does not matter who answered: columns are the answers to a question, however many raters
    # there are.
    table = _table(unit, _columns(unit), value)
    found = [
        _coefficient(
            f"alpha, {level}",
            agreement.krippendorff_alpha(table, level=level, **options),
            f"Krippendorff's alpha over {what}, 1 for full agreement and 0 for that of chance",
        )
        for level in levels
    ]
    if levels == ("nominal",):
        answers = np.unique(value)
        counts = np.stack([(table == answer).sum(1) for answer in answers], axis=1)
        kappa = agreement.fleiss_kappa(counts, **options)
        found.append(_coefficient("kappa", kappa, f"Fleiss' kappa over {what}, raters not told apart"))
    elif (unit.max() + 1) * (rater.max() + 1) <= _MOST_CELLS:
        whole = _table(unit, rater, value)
        if whole.shape[1] > 1 and (~np.isnan(whole).any(1)).sum() > 1:
            w = agreement.kendall_w(whole, **options)
            found.append(_coefficient("W", w, f"Kendall's W over {what} that all rated, 1 for one order, 0 for none"))
    return [one for one in found if one is not None]


def _coefficient(name: str, found: agreement.RaterAgreement, meaning: str) -> Finding | None:
    if np.isnan(found.value):
        return None
    low, high = found.interval
    known = not (np.isnan(low) or np.isnan(high))
    return Finding(name, found.value, low if known else None, high if known else None, None, found.items, meaning)


def _scale(votes: Votes) -> tuple[tuple[Literal["nominal", "ordinal", "interval"], ...], str]:
    """The scales that answers are of, and what is asked."""
    if isinstance(votes.answers, PairAnswers):
        return ("nominal",), "an item's pair of systems: which of them, or a tie"
    if isinstance(votes.answers, ChoiceAnswers):
        return ("nominal",), "the best of an item's systems"
    if isinstance(votes.answers, OpinionAnswers):
        return ("ordinal", "interval"), "scores of an image"
    return ("nominal",), "an image: real or fake"


def _same_questions(votes: Votes) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Answers to questions that several raters had: question, rater and answer, numbered; None where there are none."""
    answers = votes.answers
    if isinstance(answers, PairAnswers):
        low, high = np.minimum(answers.left, answers.right), np.maximum(answers.left, answers.right)
        asked = np.stack([votes.item, low, high], axis=1)
        value = np.where(answers.left == low, answers.outcome, -answers.outcome).astype(np.float64)
    elif isinstance(answers, ChoiceAnswers):
        asked = np.column_stack([votes.item, -np.sort(-answers.shown, axis=1)])
        value = answers.best.astype(np.float64)
    elif isinstance(answers, OpinionAnswers):
        asked, value = np.stack([votes.item, answers.system], axis=1), answers.score
    else:
        asked, value = np.stack([votes.item, answers.system], axis=1), answers.judged_real.astype(np.float64)
    # A repeat is no second opinion, and neither is whatever else a rater says to the same question later.
    known = np.flatnonzero((votes.rater >= 0) & (votes.item >= 0) & (votes.repeats < 0))
    if not len(known):
        return None
    unit = np.unique(asked[known], axis=0, return_inverse=True)[1].ravel()
    rater = votes.rater[known]
    _, first = np.unique(unit * len(votes.raters) + rater, return_index=True)
    unit, rater, value = unit[first], rater[first], value[known][first]
    several = np.bincount(unit)[unit] > 1
    if not several.any():
        return None
    unit, rater = (np.unique(one[several], return_inverse=True)[1].ravel() for one in (unit, rater))
    return unit, rater, value[several]


def _columns(unit: np.ndarray) -> np.ndarray:
    """Of each answer its number among those to the same question; questions are in order."""
    first = np.searchsorted(unit, np.arange(unit.max() + 1))
    return np.arange(len(unit)) - first[unit]


def _table(unit: np.ndarray, column: np.ndarray, value: np.ndarray) -> Float[np.ndarray, "n m"]:
    found = np.full((int(unit.max()) + 1, int(column.max()) + 1), np.nan)
    found[unit, column] = value
    return found
