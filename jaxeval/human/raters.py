"""How each rater answered: against the others, against the clock, the checks, and themselves."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int

from jaxeval.human.estimating import Estimator, kinds_by_group
from jaxeval.human.results import RaterReport
from jaxeval.human.votes import ChoiceAnswers, OpinionAnswers, PairAnswers, RealnessAnswers, Votes
from jaxeval.ops import preference
from jaxeval.ops.preference import OpinionFit

FLAGS = ("contrary", "fast", "checks", "repeats", "one side")
_LEVEL = 0.01  # of tests of single raters, by Holm's rule over all of them
_PASSED = 0.75  # of the checks
_CONSISTENT = 0.5  # of the repeats
_FEW = 4  # repeats that tell nothing
_AT_ONCE = 100  # raters that are left out side by side


@dataclasses.dataclass(frozen=True)
class _Against:
    """How often raters go with the others.

    Attributes:
      share: of each rater; not-a-number where it cannot be told.
      count: answers that it is of.
      p_value: that a rater who goes with the others by chance does so as rarely.
    """

    share: Float[np.ndarray, " r"]
    count: np.ndarray
    p_value: Float[np.ndarray, " r"]


def rater_reports(
    votes: Votes, estimator: Estimator, opinions: OpinionFit | None, *, fast_ms: float
) -> tuple[RaterReport, ...]:
    """A report on each rater.

    Args:
      votes: of all questions.
      estimator: of these votes.
      opinions: the fit of opinion scores; None of other designs.
      fast_ms: milliseconds below which an answer is too fast.
    """
    count = len(votes.raters)
    if count == 0:
        return ()
    against = _agreement(votes, estimator)
    contrary = _rejected(against.p_value)
    decided, left = _sides(votes)
    p_left = np.array([preference.binomial_p_value(int(a), int(n)) for a, n in zip(left, decided, strict=True)])
    one_sided = _rejected(np.where(decided > 0, p_left, np.nan))
    reports = []
    for rater, (name, own) in enumerate(zip(votes.raters, votes.by_rater(), strict=True)):
        times = votes.milliseconds[own]
        times = times[~np.isnan(times)]
        fast = float((times < fast_ms).mean()) if len(times) else None
        passed, checks = votes.checked[rater]
        repeats, consistent = _repeats(votes, own)
        flags = [
            ("contrary", bool(contrary[rater])),
            ("fast", fast is not None and fast > 0.5),
            ("checks", checks > 0 and passed < _PASSED * checks),
            ("repeats", repeats >= _FEW and consistent < _CONSISTENT * repeats),
            ("one side", bool(one_sided[rater])),
        ]
        share = float(against.share[rater])
        reports.append(
            RaterReport(
                rater=name,
                votes=len(own),
                skipped=votes.skipped[rater],
                median_seconds=float(np.median(times)) / 1000 if len(times) else None,
                fast=fast,
                checks=checks,
                passed=passed,
                repeats=repeats,
                consistent=consistent,
                agreement=None if math.isnan(share) else share,
                agreement_n=int(against.count[rater]),
                left=float(left[rater] / decided[rater]) if decided[rater] else None,
                bias=None if opinions is None else float(opinions.bias[rater]),
                inconsistency=None if opinions is None else float(opinions.inconsistency[rater]),
                flags=tuple(flag for flag, raised in flags if raised),
            )
        )
    return tuple(reports)


def _rejected(p_values: Float[np.ndarray, " r"]) -> Bool[np.ndarray, " r"]:
    """Which hypotheses Holm's step-down rule rejects; not-a-number is none."""
    found = np.zeros(len(p_values), bool)
    known = np.flatnonzero(~np.isnan(p_values))
    for place, row in enumerate(known[np.argsort(p_values[known], kind="stable")]):
        if p_values[row] > _LEVEL / (len(known) - place):
            break
        found[row] = True
    return found


def _sides(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Of each rater the decided answers on two sides, and those for the left one."""
    none = np.zeros(len(votes.raters), np.int64)
    if not isinstance(votes.answers, PairAnswers):
        return none, none
    own = (votes.rater >= 0) & (votes.answers.outcome != 0)
    rater = votes.rater[own]
    won = votes.answers.outcome[own] > 0
    size = len(votes.raters)
    return np.bincount(rater, minlength=size), np.bincount(rater[won], minlength=size)


def _repeats(votes: Votes, own: Int[np.ndarray, " m"]) -> tuple[int, int]:
    """How many of a rater's answers repeat an earlier one, and how many of them are the same."""
    again = own[votes.repeats[own] >= 0]
    return len(again), int(same_answer(votes, again, votes.repeats[again]).sum())


def same_answer(votes: Votes, first: np.ndarray, second: np.ndarray) -> Bool[np.ndarray, " m"]:
    """Whether answers say the same, wherever things stood on the screen; opinion scores within one point."""
    answers = votes.answers
    if isinstance(answers, PairAnswers):
        winner = np.where(answers.outcome > 0, answers.left, answers.right)
        winner = np.where(answers.outcome == 0, -1, winner)
        return winner[first] == winner[second]
    if isinstance(answers, ChoiceAnswers):
        return answers.best[first] == answers.best[second]
    if isinstance(answers, OpinionAnswers):
        return np.abs(answers.score[first] - answers.score[second]) <= 1.0
    return answers.judged_real[first] == answers.judged_real[second]


def _agreement(votes: Votes, estimator: Estimator) -> _Against:
    answers = votes.answers
    if isinstance(answers, PairAnswers | ChoiceAnswers):
        return _with_strengths(votes, estimator)
    if isinstance(answers, OpinionAnswers):
        return _with_means(votes, answers)
    return _with_majority(votes, answers)


def _of_shares(rater: np.ndarray, agrees: np.ndarray, raters: int) -> _Against:
    count = np.bincount(rater, minlength=raters)
    agreed = np.bincount(rater[agrees], minlength=raters)
    share = np.divide(agreed, count, out=np.full(raters, np.nan), where=count > 0)
    p_value = np.where(count > 0, scipy.stats.binom.cdf(agreed, count, 0.5), np.nan)
    return _Against(share, count, p_value)


def _with_strengths(votes: Votes, estimator: Estimator) -> _Against:
    """Of each rater the decided pairs in which the others' strengths say the same."""
    raters = len(votes.raters)
    known = votes.rater >= 0
    table = kinds_by_group(estimator.kind[known], estimator.kinds, votes.rater[known], raters)
    everyone = np.bincount(estimator.kind, minlength=estimator.kinds).astype(np.float64)
    chunks = [slice(start, start + _AT_ONCE) for start in range(0, raters, _AT_ONCE)]
    strengths = np.concatenate([estimator.values(everyone - table[chunk].toarray()) for chunk in chunks])
    answers = votes.answers
    if isinstance(answers, PairAnswers):
        rows = np.flatnonzero(known & (answers.outcome != 0))
        left_won = answers.outcome[rows] > 0
        winner = np.where(left_won, answers.left[rows], answers.right[rows])
        loser = np.where(left_won, answers.right[rows], answers.left[rows])
    else:
        assert isinstance(answers, ChoiceAnswers)
        winner, loser, rows = preference.pairs_of_choices(answers.shown, answers.best, answers.worst)
        winner, loser, rows = winner[known[rows]], loser[known[rows]], rows[known[rows]]
    rater = votes.rater[rows]
    apart = strengths[rater, winner] - strengths[rater, loser]
    told = apart != 0
    return _of_shares(rater[told], apart[told] > 0, raters)


def _with_means(votes: Votes, answers: OpinionAnswers) -> _Against:
    """Of each rater the correlation of scores with the means of the others' scores of the same images."""
    stimulus = np.unique(np.stack([votes.item, votes.question, answers.system], axis=1), axis=0, return_inverse=True)[
        1
    ].ravel()
    sums, counts = np.bincount(stimulus, answers.score), np.bincount(stimulus)
    raters = len(votes.raters)
    share, used, p_value = np.full(raters, np.nan), np.zeros(raters, np.int64), np.full(raters, np.nan)
    for rater, rows in enumerate(votes.by_rater()):
        # Of the rater's own stimuli alone: a table of all of them for each rater would be raters times stimuli.
        mine, place = np.unique(stimulus[rows], return_inverse=True)
        own_sums = np.bincount(place, answers.score[rows], minlength=len(mine))[place]
        own_counts = np.bincount(place, minlength=len(mine))[place]
        others = counts[stimulus[rows]] - own_counts
        told = others > 0
        mean = (sums[stimulus[rows]] - own_sums)[told] / others[told]
        score = answers.score[rows][told]
        used[rater] = len(score)
        if len(score) > 2 and np.ptp(mean) > 0 and np.ptp(score) > 0:
            found: Any = scipy.stats.pearsonr(score, mean, alternative="less")
            share[rater], p_value[rater] = found.statistic, found.pvalue
    return _Against(share, used, p_value)


def _with_majority(votes: Votes, answers: RealnessAnswers) -> _Against:
    """Of each rater the images that most others judge in the same way."""
    known = votes.rater >= 0
    image = np.unique(np.stack([votes.item, answers.system], axis=1), axis=0, return_inverse=True)[1].ravel()
    real, all_ = np.bincount(image[answers.judged_real], minlength=image.max() + 1), np.bincount(image)
    others = all_[image] - 1
    balance = 2 * (real[image] - answers.judged_real) - others
    told = known & (balance != 0) & (votes.item >= 0)
    return _of_shares(votes.rater[told], (balance[told] > 0) == answers.judged_real[told], len(votes.raters))


def flagged(reports: Sequence[RaterReport], flags: Sequence[str]) -> tuple[str, ...]:
    """The raters with one of some flags."""
    return tuple(report.rater for report in reports if set(report.flags) & set(flags))
