"""From votes to what they say: `analyse`."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from jaxeval._arguments import first_of, shown, whole_number
from jaxeval._packages import needed
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.human.estimating import DEFINITIONS, Estimator, estimator_of
from jaxeval.human.findings import findings_of
from jaxeval.human.raters import FLAGS, flagged, rater_reports
from jaxeval.human.resampled import Draws, groupings_of, resample
from jaxeval.human.results import (
    HumanAnalysis,
    ItemValue,
    PairOfSystems,
    Part,
    RaterReport,
    SystemValue,
    VotesNeeded,
)
from jaxeval.human.vote_files import OnError, read_votes
from jaxeval.human.votes import ChoiceAnswers, OpinionAnswers, PairAnswers, RealnessAnswers, Votes
from jaxeval.ops import preference
from jaxeval.progress import Progress
from jaxeval.records import versions

_WIN_RATES = (0.55, 0.6, 0.65, 0.7, 0.75)
_FEW_RATERS = 5
_MOST_REPEATS = 1_000_000
_NO_QUESTION = "(no question)"
_FEW_IN_CATEGORY = 10  # votes, below which a category is not fitted


def analyse(
    votes: str | Path | Votes,
    *,
    model: str | None = None,
    systems: Sequence[str] | None = None,
    penalty: float | None = None,
    exclude: Sequence[str] = (),
    fast_ms: float = 500.0,
    repeats: int = 1000,
    seed: int = 0,
    on_error: OnError | str = "fail",
    database: str | None = None,
    progress: Progress | None = None,
) -> HumanAnalysis:
    r"""What people's votes say of the systems, with intervals over other raters and other items.

    Args:
      votes: a file of votes (docs/human.md lists its columns), the folder of a study, or what `read_votes` gives.
      model: of pairs `bradley-terry` (the default without ties), `davidson` (that with ties), `rao-kupper`,
        `thurstone` or `glenn-david`; of opinion scores `opinion-scores` (with raters' biases, the default) or
        `mean-opinion`; of others there is one.
      systems: that there are; by default those that the file names.
      penalty: lambda of a normal prior of variance 1 / lambda on strengths; by default none where votes make them
        finite, and 0.1 where not, which a warning names.
      exclude: flags (`contrary`, `fast`, `checks`, `repeats`, `one side`) whose raters are left out; the record names
        them. By default nobody is.
      fast_ms: milliseconds below which an answer is too fast.
      repeats: of the bootstrap over raters and over items.
      seed: of the bootstrap.
      on_error: what to do about a row that is no vote: "fail", or "skip" to leave it out and count it.
      database: of a study that is not kept in its folder.
      progress: is told how far the bootstrap is.

    Raises:
      InputError: the file cannot be read, a row is no vote, or an argument is out of its range.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import analyse
      >>> rows = [f"{i},r{i % 5},i{i % 7},{'AB'[i % 2]},{'BA'[i % 2]},{'left' if (i * 7) % 10 < 6 else 'right'}"
      ...         for i in range(70)]
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "votes.csv")
      ...     _ = file.write_text("\n".join(["vote,rater,item,left,right,choice", *rows]))
      ...     found = analyse(file, repeats=20)
      >>> found.design, found.parts[0].model, [system.rank for system in found.parts[0].systems]
      ('2afc', 'bradley-terry', [1, 1])
    """
    whole_number("repeats", repeats, 2, _MOST_REPEATS)
    whole_number("seed", seed, 0)
    if not fast_ms >= 0:
        raise InputError(f"fast_ms is {shown(fast_ms)}; give milliseconds, 0 or more")
    if isinstance(exclude, str) or not set(exclude) <= set(FLAGS):
        raise InputError(f"exclude is {shown(exclude)}; give a list of {', '.join(FLAGS)}")
    read = _read(votes, systems, database, on_error)
    reports = _reports(read, model, penalty, fast_ms)
    out = flagged(reports, exclude)
    kept = read
    if out:
        numbers = [read.raters.index(name) for name in out]
        kept = read.only(~np.isin(read.rater, numbers))
        if not len(kept):
            raise InputError(f"{read.path}: every rater has one of the flags {', '.join(exclude)}; exclude fewer")
    masks = _masks(kept)
    parts = tuple(
        _part(
            kept.only(mask), question, category, model=model, penalty=penalty, repeats=repeats, seed=seed, told=progress
        )
        for question, category, mask in masks
    )
    needed = _needed(kept, parts)
    manifest = {
        "kind": "human-analysis",
        "votes": {
            "path": read.path,
            "sha256": read.sha256,
            "rows": read.rows,
            "used": len(kept),
            "skipped": sum(read.skipped),
            "checks": sum(checks for _, checks in read.checked),
            "bad": [str(one) for one in read.bad],
        },
        "excluded": {"flags": list(exclude), "raters": list(out)},
        "interval": "95%, bootstrap over raters and over items, each by itself; see docs/human.md",
        "repeats": repeats,
        "seed": seed,
        "fast_ms": fast_ms,
        "elo": "in the order of the rows, which it depends on: from 1,000, by 4 a vote, 400 for odds of 10 to 1",
        "dtype": "float64",
        "versions": versions(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "warnings": _warnings(read, kept, reports, out),
        "not_computed": [],
    }
    return HumanAnalysis(read.design, parts, reports, needed, manifest)


def _read(
    votes: str | Path | Votes, systems: Sequence[str] | None, database: str | None, on_error: OnError | str
) -> Votes:
    if isinstance(votes, Votes):
        return votes
    if not local_path(votes).is_dir():
        return read_votes(votes, systems=systems, on_error=on_error)
    needed("sqlalchemy", "reading the votes of a study", package="'jaxeval[human]'")
    from jaxeval.human.study_votes import read_study_votes

    return read_study_votes(votes, database=database)


def _masks(votes: Votes) -> list[tuple[str, str, Bool[np.ndarray, " n"]]]:
    """What is analysed by itself: the question, the category ("" for all), and the answers."""
    found = []
    numbers = np.unique(votes.question).tolist()
    for number in numbers:
        own = votes.question == number
        question = "" if len(numbers) == 1 else votes.questions[number] if number >= 0 else _NO_QUESTION
        found.append((question, "", own))
        for category in np.unique(votes.category[own]).tolist():
            part = own & (votes.category == category)
            if category >= 0 and part.sum() < own.sum() and part.sum() >= _FEW_IN_CATEGORY:
                found.append((question, votes.categories[category], part))
    return found


def _reports(votes: Votes, model: str | None, penalty: float | None, fast_ms: float) -> tuple[RaterReport, ...]:
    if isinstance(votes.answers, OpinionAnswers):
        # Every question has scales of its own: an image and a question make a stimulus.
        several = votes.answers
        item = np.unique(np.stack([votes.item, votes.question, several.system]), axis=1, return_inverse=True)[1].ravel()
        rater = np.where(votes.rater < 0, len(votes.raters), votes.rater)
        opinions = preference.fit_opinions(
            several.score, rater, item, raters=len(votes.raters) + 1, stimuli=int(item.max()) + 1
        )
    else:
        opinions = None
    return rater_reports(votes, estimator_of(votes, model, penalty), opinions, fast_ms=fast_ms)


def _part(
    votes: Votes,
    question: str,
    category: str,
    *,
    model: str | None,
    penalty: float | None,
    repeats: int,
    seed: int,
    told: Progress | None,
) -> Part:
    seen = _seen(votes).tolist()
    unseen = [name for number, name in enumerate(votes.systems) if number not in seen]
    votes = votes.of_systems(seen)
    estimator = estimator_of(votes, model, penalty)
    name = " ".join(filter(None, ("resampling", question, category)))
    if told is not None:
        told.begin(name, repeats * len(groupings_of(votes)), "resamples")
    draws = resample(
        votes, estimator, repeats=repeats, seed=seed, progress=told.advance if told is not None else lambda done: None
    )
    if told is not None:
        told.end()
    warnings = []
    if estimator.why_penalty:
        warnings.append(
            f"{_where(question, category)}strengths would be infinite ({estimator.why_penalty}): they are held by a "
            f"penalty of {estimator.penalty:g}, a normal prior of deviation {estimator.penalty**-0.5:.2g}"
        )
    if not (draws.interval(lambda rows: rows)[1] > 0).any():
        warnings.append(
            f"{_where(question, category)}no resample differs from the votes: there are too few for intervals"
        )
    answers = votes.answers
    if isinstance(answers, RealnessAnswers) and (answers.system >= 0).all():
        warnings.append(
            f"{_where(question, category)}nobody was asked about real images: the error rate is of generated ones alone"
        )
    if unseen:
        warnings.append(f"{_where(question, category)}there are no votes on {', '.join(unseen)}")
    robust = estimator.covariance(votes, [one.group for one in groupings_of(votes)][:2])
    raters = np.unique(votes.rater[votes.rater >= 0])
    items = np.unique(votes.item[votes.item >= 0])
    return Part(
        question=question,
        category=category,
        model=estimator.model,
        definition=DEFINITIONS[estimator.model],
        unit=estimator.unit,
        penalty=estimator.penalty,
        systems=_systems(votes, draws, robust, _won(votes)),
        pairs=_pairs(votes, estimator, draws),
        items=() if category else _items(votes, estimator),
        findings=findings_of(votes, estimator, draws.values, repeats=repeats, seed=seed),
        votes=len(votes),
        raters=len(raters),
        item_count=len(items),
        parameters=estimator.parameters(),
        design_effect=_effect(votes, estimator, robust),
        warnings=tuple(warnings),
    )


def _where(question: str, category: str) -> str:
    found = ", ".join(filter(None, (question, category)))
    return f"{found}: " if found else ""


def _seen(votes: Votes) -> np.ndarray:
    """Numbers of the systems that answers are about."""
    answers = votes.answers
    if isinstance(answers, PairAnswers):
        return np.unique(np.concatenate([answers.left, answers.right]))
    found = np.unique(answers.shown if isinstance(answers, ChoiceAnswers) else answers.system)
    return found[found >= 0]


def _systems(
    votes: Votes,
    draws: Draws,
    robust: Float[np.ndarray, "k k"] | None,
    shares: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[SystemValue, ...]:
    value, error, low, high = draws.interval(lambda rows: rows)
    if isinstance(votes.answers, RealnessAnswers):
        low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    # What no resample moves has too few votes to say how sure it is, and is not exact.
    low, high = (np.where(error > 0, end, np.nan) for end in (low, high))
    ranks = preference.rank_sets(value, draws.moved())
    if not (error > 0).any():
        ranks = ranks._replace(best=np.ones_like(ranks.best), worst=np.full_like(ranks.worst, len(value)))
    sandwich = None if robust is None else np.sqrt(np.maximum(np.diag(robust), 0.0))
    won, asked = (np.zeros(len(value)), np.zeros(len(value))) if shares is None else shares
    ratings = None
    if isinstance(votes.answers, PairAnswers):
        own = votes.answers
        ratings = preference.elo(own.left, own.right, own.outcome, systems=len(votes.systems))
    taking_part = _taking_part(votes)
    found = []
    for row in range(len(value)):
        share = None if not asked[row] else float(won[row] / asked[row])
        wilson = None if share is None else preference.wilson_interval(float(won[row]), float(asked[row]))
        found.append(
            SystemValue(
                system=votes.systems[row],
                value=float(value[row]),
                low=float(low[row]),
                high=float(high[row]),
                standard_error=float(error[row]),
                sandwich_error=None if sandwich is None else float(sandwich[row]),
                rank=int(ranks.rank[row]),
                rank_low=int(ranks.best[row]),
                rank_high=int(ranks.worst[row]),
                votes=int(taking_part[row]),
                share=share,
                share_low=None if wilson is None else wilson.low,
                share_high=None if wilson is None else wilson.high,
                elo=None if ratings is None else float(ratings[row]),
            )
        )
    return tuple(sorted(found, key=lambda one: one.rank))


def _taking_part(votes: Votes) -> np.ndarray:
    """Of each system the answers that it takes part in."""
    answers, size = votes.answers, len(votes.systems)
    if isinstance(answers, PairAnswers):
        return np.bincount(answers.left, minlength=size) + np.bincount(answers.right, minlength=size)
    numbers = answers.shown if isinstance(answers, ChoiceAnswers) else answers.system
    return np.bincount(numbers[numbers >= 0], minlength=size)


def _won(votes: Votes) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each system the votes that it won and those that it was in; of fakes those judged real; None of scores."""
    answers, size = votes.answers, len(votes.systems)
    if isinstance(answers, RealnessAnswers):
        fake = answers.system >= 0
        asked = np.bincount(answers.system[fake], minlength=size)
        return np.bincount(answers.system[fake & answers.judged_real], minlength=size), asked
    if isinstance(answers, OpinionAnswers):
        return None
    won = _wins(votes)
    return won.sum(1), (won + won.T).sum(1)


def _wins(votes: Votes) -> Float[np.ndarray, "k k"]:
    """Votes of the row's system over the column's, a tie being half of one."""
    answers, size = votes.answers, len(votes.systems)
    if isinstance(answers, PairAnswers):
        counts = preference.pair_counts(answers.left, answers.right, answers.outcome, systems=size)
        return np.asarray(counts.wins) + 0.5 * np.asarray(counts.ties)
    assert isinstance(answers, ChoiceAnswers)
    winner, loser, _ = preference.pairs_of_choices(answers.shown, answers.best, answers.worst)
    found = np.zeros((size, size))
    np.add.at(found, (winner, loser), 1.0)
    return found


def _pairs(votes: Votes, estimator: Estimator, draws: Draws) -> tuple[PairOfSystems, ...]:
    order = np.argsort(-draws.values, kind="stable").tolist()
    if len(order) < 2:
        return ()
    firsts, seconds = (np.array(side) for side in zip(*itertools.combinations(order, 2), strict=True))
    apart, error, low, high = draws.interval(lambda rows: rows[:, firsts] - rows[:, seconds])
    low, high = (np.where(error > 0, end, np.nan) for end in (low, high))
    answers = votes.answers
    tables: dict[str, Any] = {}
    if draws.shares is not None:
        error, share_low, share_high = draws.share_interval()
        share_low, share_high = _of_single_votes(_wins(votes), error, share_low, share_high)
        tables = {"share": draws.shares, "low": np.clip(share_low, 0, 1), "high": np.clip(share_high, 0, 1)}
    wins = ties = None
    expected = None
    if isinstance(answers, PairAnswers):
        wins, ties = (
            np.asarray(one)
            for one in preference.pair_counts(answers.left, answers.right, answers.outcome, systems=len(votes.systems))
        )
        tie = estimator.parameters().get("tie")
        name = preference.link_named(estimator.model).name
        win, draw = preference.outcome_probabilities(draws.values, None if tie is None else np.asarray(tie), model=name)
        expected = np.asarray(win) + 0.5 * np.asarray(draw)
    elif isinstance(answers, ChoiceAnswers):
        wins, ties = _wins(votes), np.zeros((len(votes.systems),) * 2)
        expected = 1.0 / (1.0 + np.exp(draws.values[None, :] - draws.values[:, None]))
    found = []
    for place, (one, other) in enumerate(zip(firsts.tolist(), seconds.tolist(), strict=True)):
        ends = float(low[place]), float(high[place])
        found.append(
            PairOfSystems(
                first=votes.systems[one],
                second=votes.systems[other],
                wins=None if wins is None else int(wins[one, other]),
                ties=None if ties is None else int(ties[one, other]),
                losses=None if wins is None else int(wins[other, one]),
                share=float(tables["share"][one, other]) if tables else float("nan"),
                low=float(tables["low"][one, other]) if tables else float("nan"),
                high=float(tables["high"][one, other]) if tables else float("nan"),
                expected=None if expected is None else float(expected[one, other]),
                difference=float(apart[place]),
                difference_low=ends[0],
                difference_high=ends[1],
                surely=ends[0] > 0 or ends[1] < 0,
            )
        )
    return tuple(found)


def _of_single_votes(
    won: Float[np.ndarray, "k k"],
    error: Float[np.ndarray, "k k"],
    low: Float[np.ndarray, "k k"],
    high: Float[np.ndarray, "k k"],
) -> tuple[Float[np.ndarray, "k k"], Float[np.ndarray, "k k"]]:
    """Wilson's intervals of shares that no resample moves, as where all votes go one way."""
    low, high, asked = low.copy(), high.copy(), won + won.T
    for row, column in np.argwhere((asked > 0) & ~(error > 0)).tolist():
        low[row, column], high[row, column] = preference.wilson_interval(won[row, column], asked[row, column])
    return low, high


def _items(votes: Votes, estimator: Estimator) -> tuple[ItemValue, ...]:
    """What was said of each image: an item of a system."""
    answers = votes.answers
    if not votes.items:
        return ()
    if isinstance(answers, OpinionAnswers):
        return _item_scores(votes, answers, estimator)
    if isinstance(answers, PairAnswers):
        half = 0.5 * (answers.outcome + 1.0)
        item = np.concatenate([votes.item, votes.item])
        system = np.concatenate([answers.left, answers.right])
        won = np.concatenate([half, 1.0 - half])
    elif isinstance(answers, ChoiceAnswers):
        winner, loser, rows = preference.pairs_of_choices(answers.shown, answers.best, answers.worst)
        item = np.concatenate([votes.item[rows], votes.item[rows]])
        system = np.concatenate([winner, loser])
        won = np.concatenate([np.ones(len(rows)), np.zeros(len(rows))])
    else:
        item, system, won = votes.item, answers.system, answers.judged_real.astype(np.float64)
    own = (item >= 0) & (system >= 0)
    code = item[own] * len(votes.systems) + system[own]
    sums, counts = np.bincount(code, won[own]), np.bincount(code)
    found = []
    for number in np.flatnonzero(counts).tolist():
        place, system_number = divmod(number, len(votes.systems))
        count, total = int(counts[number]), float(sums[number])
        low, high = preference.wilson_interval(total, count)
        found.append(ItemValue(votes.items[place], votes.systems[system_number], total / count, low, high, count))
    return tuple(found)


def _item_scores(votes: Votes, answers: OpinionAnswers, estimator: Estimator) -> tuple[ItemValue, ...]:
    code = np.where(votes.item < 0, len(votes.items), votes.item) * len(votes.systems) + answers.system
    names, stimulus = np.unique(code, return_inverse=True)
    stimulus = stimulus.ravel()
    counts = np.bincount(stimulus)
    if estimator.model == "opinion-scores":
        rater = np.where(votes.rater < 0, len(votes.raters), votes.rater)
        fit = preference.fit_opinions(answers.score, rater, stimulus, raters=len(votes.raters) + 1, stimuli=len(names))
        value, reach = fit.quality, 1.959964 * fit.quality_error
    else:
        value = np.bincount(stimulus, answers.score) / counts
        rest = np.bincount(stimulus, (answers.score - value[stimulus]) ** 2)
        degrees = np.maximum(counts - 1, 1)
        reach = np.where(counts > 1, scipy.stats.t.ppf(0.975, degrees) * np.sqrt(rest / degrees / counts), np.nan)
    found = []
    for place, number in enumerate(names.tolist()):
        item, system = divmod(number, len(votes.systems))
        if item == len(votes.items):
            continue
        own, apart = float(value[place]), float(reach[place])
        found.append(
            ItemValue(votes.items[item], votes.systems[system], own, own - apart, own + apart, int(counts[place]))
        )
    return tuple(found)


def _effect(votes: Votes, estimator: Estimator, robust: Float[np.ndarray, "k k"] | None) -> float | None:
    """By how much votes of a rater or of an item being alike raises the variance of strengths; 1 or more."""
    independent = estimator.covariance(votes, [])
    if robust is None or independent is None or not np.trace(independent) > 0:
        return None
    return max(1.0, float(np.trace(robust) / np.trace(independent)))


def _needed(votes: Votes, parts: Sequence[Part]) -> tuple[VotesNeeded, ...]:
    effect = parts[0].design_effect
    if not isinstance(votes.answers, PairAnswers) or effect is None:
        return ()
    ties = float((votes.answers.outcome == 0).mean())
    if ties == 1.0:
        return ()
    return tuple(
        VotesNeeded(rate, preference.votes_needed(rate, ties=ties, design_effect=effect)) for rate in _WIN_RATES
    )


def _warnings(read: Votes, kept: Votes, reports: Sequence[RaterReport], out: Sequence[str]) -> list[str]:
    found = []
    if read.bad:
        noun = "row is no vote" if len(read.bad) == 1 else "rows are no votes"
        named = "; ".join(map(str, read.bad[:3]))
        more = "; and more, all of them in the record" if len(read.bad) > 3 else ""
        found.append(f"{len(read.bad):,} {noun} and left out: {named}{more}")
    if out:
        found.append(f"{_some(out)} left out, as asked; their votes count nowhere but in the table of raters")
    flagged_raters = [report.rater for report in reports if report.flags and report.rater not in out]
    if flagged_raters:
        found.append(f"{_some(flagged_raters)} flagged, and not left out (--exclude leaves raters out by their flags)")
    if not read.raters:
        found.append("the file names no raters: intervals take each vote for another rater's")
    elif len(np.unique(kept.rater)) < _FEW_RATERS:
        count = len(np.unique(kept.rater))
        are = "is 1 rater" if count == 1 else f"are {count} raters"
        found.append(f"there {are}: intervals say little of what others would answer")
    for names, number, noun in ((read.raters, read.rater, "a rater"), (read.items, read.item, "an item")):
        lacking = int((number < 0).sum())
        if names and lacking:
            found.append(f"{_votes(lacking)} without {noun}, each taken for another one's")
    again = _asked_again(read)
    if again:
        found.append(
            f"{_votes(again)} by a rater to a question that the same rater had before, and not marked as repeats"
        )
    if not read.items:
        found.append("the file names no items: intervals say nothing of other items")
    return found


def _votes(count: int) -> str:
    return f"{count:,} vote is" if count == 1 else f"{count:,} votes are"


def _asked_again(votes: Votes) -> int:
    """Answers of raters to what they were asked before: the same item, question and systems."""
    answers = votes.answers
    own = np.flatnonzero((votes.rater >= 0) & (votes.item >= 0) & (votes.repeats < 0))
    if isinstance(answers, PairAnswers):
        shown_systems = np.sort(np.stack([answers.left, answers.right], axis=1), axis=1)
    elif isinstance(answers, ChoiceAnswers):
        shown_systems = np.sort(answers.shown, axis=1)
    else:
        shown_systems = answers.system[:, None]
    if isinstance(answers, RealnessAnswers):
        exposure = np.unique(answers.exposure, return_inverse=True)[1].ravel()
        shown_systems = np.column_stack([shown_systems, exposure])
    asked = np.column_stack([votes.rater, votes.item, votes.question, shown_systems])[own]
    return len(own) - len(np.unique(asked, axis=0))


def _some(names: Sequence[str]) -> str:
    """Names of raters as the beginning of a sentence in which they are the subject."""
    return f"{first_of(names)} {'is' if len(names) == 1 else 'are'}"
