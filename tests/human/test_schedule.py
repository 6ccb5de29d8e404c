"""Sessions of raters: balanced over systems, items and sides, whatever the study, and each with its own order."""

import collections
import itertools
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.human.schedule import PlannedTrial, Schedule
from jaxeval.human.study import KnownTrial, Study, StudyItem, StudyOptions

NAMES = "ABCDEF"


def a_study(
    design: str, systems: int, items: int, trials: int, *, real: int = 0, known: int = 0, seed: int = 0, **options
) -> Study:
    """A study without files."""
    names = tuple(NAMES[:systems])
    shown = {"2afc": 2, "best-of-n": options.get("n", 3)}.get(design, 1)
    found = [StudyItem(f"{i}", dict.fromkeys(names, ""), "r" if i < real else None) for i in range(max(items, real))]
    return Study(
        folder=Path(),
        id="",
        design=design,
        systems=names,
        reference="R" if real else None,
        items=tuple(found),
        images={},
        known=tuple(KnownTrial(i, (("A", ""),) * shown) for i in range(known)),
        options=StudyOptions(trials=trials, **options),
        title="",
        instructions="",
        seed=seed,
        access=None,
        remarks=(),
        versions={},
    )


def spread(counts: Iterable[int]) -> int:
    found = list(counts)
    return max(found) - min(found)


@st.composite
def studies(draw) -> tuple[Study, int]:
    design = draw(st.sampled_from(["2afc", "best-of-n", "mos"]))
    shown = {"2afc": 2, "best-of-n": draw(st.sampled_from([3, 4]))}.get(design, 1)
    systems, items = draw(st.integers(shown, 6)), draw(st.integers(1, 9))
    trials = draw(st.integers(1, math.comb(systems, shown) * items))
    n = shown if design == "best-of-n" else 3
    return a_study(design, systems, items, trials, seed=draw(st.integers(0, 99)), n=n), shown


@given(case=studies(), raters=st.integers(1, 12))
@settings(max_examples=150)
def test_every_comparison_group_and_place_is_as_frequent_as_every_other(case, raters):
    study, shown = case
    schedule = Schedule(study)
    groups = list(itertools.combinations(range(len(study.systems)), shown))
    of_group = collections.Counter(dict.fromkeys(groups, 0))
    of_comparison = collections.Counter({(i, group): 0 for i in range(len(study.items)) for group in groups})
    of_place = collections.Counter({(group, s, place): 0 for group in groups for s in group for place in range(shown)})
    for number in range(raters):
        plan = schedule.session(number)
        own = []
        for trial in plan:
            assert trial.comparison is not None
            group = tuple(sorted(trial.comparison.shown))
            own.append((trial.comparison.item, group))
            of_group[group] += 1
            for place, system in enumerate(trial.comparison.shown):
                of_place[group, system, place] += 1
        assert len(own) == len(set(own)) == study.options.trials
        of_comparison.update(own)
        # At any time, and not only in the end.
        assert spread(of_group.values()) <= 2
        assert spread(of_comparison.values()) <= 2
        for group in groups:
            assert spread(of_place[group, s, place] for s in group for place in range(shown)) <= 1


@given(systems=st.integers(1, 4), items=st.integers(1, 9), real=st.integers(1, 12), data=st.data())
@settings(max_examples=60)
def test_real_and_fake_are_halves_and_exposures_as_frequent(systems, items, real, data):
    trials = data.draw(st.integers(2, min(2 * real, 2 * systems * items)))
    exposures = data.draw(st.sampled_from([(None,), (100, 500), (100, 250, 500, 1000, None)]))
    schedule = Schedule(a_study("real-or-fake", systems, items, trials, real=real, exposures=exposures))
    of_system = collections.Counter(dict.fromkeys(range(systems), 0))
    of_exposure = collections.Counter({(s, one): 0 for s in range(systems + 1) for one in exposures})
    reals = 0
    for number in range(5):
        plan = schedule.session(number)
        shown = [trial.comparison for trial in plan if trial.comparison is not None]
        assert len({(one.item, one.shown) for one in shown}) == trials
        assert abs(2 * sum(one.shown == (systems,) for one in shown) - trials) <= 1
        reals += sum(one.shown == (systems,) for one in shown)
        for one in shown:
            of_exposure[one.shown[0], one.exposure] += 1
            if one.shown[0] < systems:
                of_system[one.shown[0]] += 1
        assert spread(of_system.values()) <= 2
        for system in range(systems + 1):
            assert spread(of_exposure[system, one] for one in exposures) <= 1
    assert abs(2 * reals - 5 * trials) <= 1


def test_a_number_has_always_the_same_session_and_raters_have_different_ones():
    study = a_study("2afc", 4, 10, 20, known=4, repeats=0.2, checks=0.1)
    first = Schedule(study)
    plans = [first.session(number) for number in range(6)]
    again = Schedule(study)
    assert again.session(3) == plans[3]
    assert again.session(1) == plans[1]  # backwards too, as where a transaction was taken back
    assert again.session(5) == plans[5]
    orders = [[trial.comparison for trial in plan if trial.kind == "vote"] for plan in plans]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    other = Schedule(a_study("2afc", 4, 10, 20, known=4, repeats=0.2, checks=0.1, seed=1))
    assert other.session(0) != plans[0]


@pytest.mark.parametrize("design", ["2afc", "best-of-n", "mos", "real-or-fake"])
@pytest.mark.parametrize("questions", [(), ("one", "two", "three")])
def test_repeats_and_checks_are_where_they_belong(design, questions):
    real, n = (10, 3) if design == "real-or-fake" else (0, 3)
    exposures = (100, None) if real else ()
    study = a_study(
        design, 4, 10, 20, real=real, known=3, repeats=0.25, checks=0.1, questions=questions, n=n, exposures=exposures
    )
    schedule, asked = Schedule(study), max(1, len(questions))
    for number in range(20):
        plan = schedule.session(number)
        assert [trial.number for trial in plan] == list(range(1, len(plan) + 1))
        kinds = collections.Counter(trial.kind for trial in plan)
        assert kinds == {"vote": 20 * asked, "repeat": 5 * asked, "check": 2}
        by_number = {trial.number: trial for trial in plan}
        for trial in plan:
            check_one(trial, by_number)
        for _, entry in itertools.groupby((trial for trial in plan if trial.kind != "check"), lambda one: one.entry):
            assert [trial.question for trial in entry] == (list(range(asked)) if questions else [None])


def check_one(trial: PlannedTrial, by_number: dict[int, PlannedTrial]) -> None:
    if trial.kind == "repeat":
        assert trial.repeats is not None
        source = by_number[trial.repeats]
        assert source.kind == "vote"
        assert source.question == trial.question
        assert trial.entry - source.entry >= 10  # half of the 20 votes
        assert trial.comparison is None
    if trial.kind == "check":
        assert trial.comparison is not None
        assert trial.known is not None
        assert sorted(trial.comparison.shown) == list(range(len(trial.comparison.shown)))
        assert trial.comparison.exposure is None  # as long as the rater wants: nobody can miss it


def test_checks_of_a_session_are_spread_over_it():
    study = a_study("2afc", 4, 20, 100, known=10, checks=0.04)
    for number in range(20):
        plan = Schedule(study).session(number)
        places = [trial.number for trial in plan if trial.kind == "check"]
        assert all((quarter - 1) * 25 <= place <= quarter * 25 + 4 for quarter, place in enumerate(places, 1))
        assert len({trial.known for trial in plan if trial.kind == "check"}) == 4


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_adaptive_trials_are_the_stated_share(share):
    plan = Schedule(a_study("2afc", 4, 10, 40, adaptive=share)).session(0)
    assert sum(trial.drawn == "adaptive" for trial in plan) == 40 * share
    assert all((trial.comparison is None) == (trial.drawn == "adaptive") for trial in plan)
