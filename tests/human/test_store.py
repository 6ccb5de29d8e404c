"""Votes in a database: durable, counted once, taken back but not lost, and the same from several processes."""

import collections
import contextlib
import itertools
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from human_studies import make_study
from sqlalchemy import exc

from jaxeval.errors import InputError
from jaxeval.human import Study, create_study
from jaxeval.human.database import ANSWERS, RATERS, TRIALS, database_url, open_engine
from jaxeval.human.schedule import Schedule
from jaxeval.human.store import Answer, ConflictError, FullError, Store, standing_votes


@contextlib.contextmanager
def opened(study: Study, database: str | None) -> Iterator[Store]:
    store = Store(study, database)
    try:
        yield store
    finally:
        store.close()


def an_answer(trial: int, answer: str = "left", **more) -> Answer:
    values = {"milliseconds": 5, "comment": "", "focus_lost": False, "id": str(uuid.uuid4())} | more
    return Answer(trial=trial, answer=answer, **values)


def kept(study: Study, database: str | None) -> list[sa.Row]:
    engine = open_engine(study, database, make=False)
    try:
        return list(standing_votes(engine))
    finally:
        engine.dispose()


def joined(store: Store) -> int:
    (token,) = store.join(1, 1000)
    number = store.rater(token)
    assert number is not None
    return number


def test_settings_that_make_answers_durable(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store, store._engine.connect() as connection:
        if database is None:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_session_is_kept_as_it_was_planned_and_goes_on_after_a_restart(tmp_path, database):
    study = make_study(tmp_path, questions=["one", "two"], repeats=0.2)
    with opened(study, database) as store:
        tokens = store.join(2, 10)
        rater = store.rater(tokens[1])
        assert rater == 1
        plan = Schedule(study).session(1)
        assert store.session(1).total == len(plan)
        for trial in plan[:7]:
            session = store.session(1)
            assert session.trials[0].number == trial.number
            if trial.comparison is not None:
                assert session.trials[0].shown == trial.comparison.shown
            store.answer(1, an_answer(trial.number)).result()
    with opened(study, database) as store:
        assert store.rater(tokens[1]) == 1
        assert store.rater("x" * 43) is None
        session = store.session(1)
        assert (session.done, session.trials[0].number, session.trials[1].number) == (7, 8, 9)
        assert store.session(0).done == 0
    assert [(row.rater, row.trial) for row in kept(study, database)] == [(1, number) for number in range(1, 8)]


def test_only_digests_of_links_are_kept(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        tokens = store.join(3, 10)
        assert all(len(token) == 43 for token in tokens)
        with store._engine.connect() as connection:
            rows = connection.execute(sa.select(RATERS)).all()
    assert not any(token in str(row) for token in tokens for row in rows)


def test_an_answer_that_is_sent_twice_counts_once(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        rater, other = joined(store), joined(store)
        first = an_answer(1, comment="so")
        assert store.answer(rater, first).result() == store.answer(rater, first).result()
        for wrong in (
            Answer(first.id, 1, "right", 5, "so", False),
            Answer(first.id, 1, "left", 6, "so", False),
            Answer(first.id, 1, "left", 5, "", False),
            Answer(first.id, 2, "left", 5, "so", False),
        ):
            with pytest.raises(ConflictError, match="another answer with this id"):
                store.answer(rater, wrong).result()
        with pytest.raises(ConflictError, match="another answer with this id"):
            store.answer(other, first).result()
        for trial in (1, 3, 10**6):
            with pytest.raises(ConflictError, match=f"trial {trial} is not the present one"):
                store.answer(rater, an_answer(trial)).result()
        # Also later, as from a page whose connection was gone for a while.
        store.answer(rater, an_answer(2)).result()
        assert store.answer(rater, first).result().done == 2
    assert len(kept(study, database)) == 2


def test_undo_keeps_what_was(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        rater = joined(store)
        answers = [an_answer(1), an_answer(2, "right")]
        for answer in answers:
            store.answer(rater, answer).result()
        assert store.undo(rater, 2).result().done == 1
        assert store.undo(rater, 2).result().done == 1  # sent twice, it takes back one
        assert store.undo(rater, 1).result().done == 0
        assert store.undo(rater, 0).result().done == 0
        # What was taken back and comes again late changes nothing.
        assert store.answer(rater, answers[1]).result().done == 0
        store.answer(rater, an_answer(1, "tie")).result()
        with store._engine.connect() as connection:
            rows = connection.execute(sa.select(ANSWERS).order_by(ANSWERS.c.sequence)).all()
        assert [(row.trial, row.answer, row.undone is None) for row in rows] == [
            (1, "left", False),
            (2, "right", False),
            (1, "tie", True),
        ]
    assert [row.answer for row in kept(study, database)] == ["tie"]


def test_the_last_answer_ends_a_session(tmp_path, database):
    study = make_study(tmp_path, trials=3, checks=0, repeats=0)
    with opened(study, database) as store:
        rater = joined(store)
        for number in (1, 2, 3):
            session = store.answer(rater, an_answer(number)).result()
        assert session.trials == ()
        with pytest.raises(ConflictError):
            store.answer(rater, an_answer(4)).result()
        assert store.undo(rater, 3).result().trials[0].number == 3


def test_no_more_raters_than_are_allowed(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        assert len(store.join(5, 3)) == 3
        with pytest.raises(FullError, match="3 raters"):
            store.join(1, 3)
        assert store.join(0, 3) == []


def test_processes_that_join_raters_at_once_number_each_once(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as one, opened(study, database) as two, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: (one, two)[i % 2].join(1, 1000)[0], range(24)))
        assert {one.rater(token) for token in made} == {two.rater(token) for token in made} == set(range(24))
        with one._engine.connect() as connection:
            rows = connection.execute(
                sa.select(TRIALS.c.rater, TRIALS.c.item, TRIALS.c.shown).order_by("rater", "number")
            )
            found = collections.defaultdict(list)
            for row in rows:
                found[row.rater].append((row.item, row.shown))
    schedule = Schedule(study)
    for number in range(24):
        plan = [trial.comparison for trial in schedule.session(number)]
        own = [None if one is None else (one.item, ",".join(map(str, one.shown))) for one in plan]
        assert all(a == b for a, b in zip(found[number], own, strict=True) if b is not None)


def test_an_answer_that_two_processes_get_at_once_counts_once(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as one, opened(study, database) as two, ThreadPoolExecutor(8) as pool:
        rater = joined(one)
        for number in range(1, 9):
            same, barrier = an_answer(number), threading.Barrier(4)

            def send(store: Store, answer: Answer = same, barrier: threading.Barrier = barrier) -> int:
                barrier.wait()
                return store.answer(rater, answer).result().done

            assert list(pool.map(send, [one, two, one, two])) == [number] * 4
        # Different answers to one trial: one of them stands, the others are told so.
        rivals = [an_answer(9, choice) for choice in ("left", "right", "tie", "skip")]
        results = list(pool.map(lambda i: _outcome((one, two)[i % 2], rater, rivals[i]), range(4)))
        assert sorted(results) == ["ConflictError"] * 3 + ["kept"]
    assert [row.trial for row in kept(study, database)] == list(range(1, 10))


def _outcome(store: Store, rater: int, answer: Answer) -> str:
    try:
        store.answer(rater, answer).result()
    except InputError as error:
        return type(error).__name__
    return "kept"


def test_one_refusal_in_a_shared_transaction_leaves_the_others(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        raters = [joined(store) for _ in range(10)]
        futures = [store.answer(rater, an_answer(1 + rater % 2)) for rater in raters]
        for rater, future in zip(raters, futures, strict=True):
            if rater % 2:
                with pytest.raises(ConflictError):
                    future.result()
            else:
                assert future.result().done == 1
    assert [row.rater for row in kept(study, database)] == [0, 2, 4, 6, 8]


def test_work_that_nobody_waits_for_any_more_stops_no_other(tmp_path):
    """As where a server that ends gives up on a request."""
    study = make_study(tmp_path)
    with opened(study, None) as store:
        rater, held = joined(store), threading.Event()
        waiting = store._commits.submit(lambda _: held.wait(10), 0)
        given_up = store.answer(rater, an_answer(1))
        assert given_up.cancel()
        held.set()
        assert waiting.result()
        assert store.answer(rater, an_answer(1)).result().done == 1
    assert len(kept(study, None)) == 1


def test_work_that_fails_in_an_unforeseen_way_stops_no_other(tmp_path, database):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        rater = joined(store)
        with pytest.raises(ZeroDivisionError):
            store._commits.submit(lambda _: 1 // 0, 0).result()
        with pytest.raises(exc.ProgrammingError if database else exc.OperationalError):
            store._commits.submit(lambda connection: connection.exec_driver_sql("SELECT nothing"), 0).result()
        assert store.answer(rater, an_answer(1)).result().done == 1


def test_what_was_committed_before_the_connection_was_lost_is_not_done_again(tmp_path, database, monkeypatch):
    study = make_study(tmp_path)
    with opened(study, database) as store:
        together, lost = store._commits._together, []

        def losing(batch):
            results = together(batch)
            if len(lost) < limit:
                lost.append(len(batch))
                raise exc.OperationalError("COMMIT", {}, Exception("the connection was lost"))
            return results

        monkeypatch.setattr(store._commits, "_together", losing)
        limit = 2
        tokens = store.join(3, 5)
        assert (len(tokens), store.raters()) == (3, 3)
        limit = 4
        assert store.answer(0, an_answer(1)).result().done == 1
        assert store.answer(0, an_answer(2)).result().done == 2
        limit = 6
        assert store.undo(0, 2).result().done == 1
        assert len(lost) == 6
    assert [row.trial for row in kept(study, database)] == [1]


def test_one_that_cannot_be_done_does_not_take_others_with_it(tmp_path):
    study = make_study(tmp_path)
    with opened(study, None) as store:
        raters, held = [joined(store) for _ in range(3)], threading.Event()
        store._commits.submit(lambda _: held.wait(10), 0)
        futures = [store.answer(rater, an_answer(1)) for rater in raters]
        broken = store._commits.submit(lambda connection: connection.exec_driver_sql("SELECT nothing"), 1)
        held.set()
        assert [future.result().done for future in futures] == [1, 1, 1]
        with pytest.raises(exc.OperationalError):
            broken.result()
    assert len(kept(study, None)) == 3


def test_adaptive_pairs_are_chosen_once_and_repeats_show_what_was_chosen(tmp_path, database):
    study = make_study(tmp_path, adaptive=1.0, trials=12, repeats=0.25, checks=0, questions=["one", "two"])
    with opened(study, database) as one, opened(study, database) as two, ThreadPoolExecutor(6) as pool:
        raters = [joined(one) for _ in range(6)]

        def rate(rater: int) -> list[tuple]:
            seen = []
            for turn in itertools.count():
                store = (one, two)[turn % 2]
                session = store.session(rater)
                if not session.trials:
                    return seen
                seen.append((session.trials[0].number, session.trials[0].item, session.trials[0].shown))
                answer = "left" if min(session.trials[0].shown) == session.trials[0].shown[0] else "right"
                store.answer(rater, an_answer(session.trials[0].number, answer)).result()
            raise AssertionError

        seen = dict(zip(raters, pool.map(rate, raters), strict=True))
    with opened(study, database) as store, store._engine.connect() as connection:
        rows = connection.execute(sa.select(TRIALS).order_by(TRIALS.c.rater, TRIALS.c.number)).all()
    by_place = {(row.rater, row.number): row for row in rows}
    sides, pairs = collections.Counter(), collections.Counter()
    for rater in raters:
        own = [row for row in rows if row.rater == rater]
        assert [(row.number, row.item, tuple(map(int, row.shown.split(",")))) for row in own] == seen[rater]
        votes = [row for row in own if row.kind == "vote" and row.question == 0]
        comparisons = [(row.item, frozenset(row.shown.split(","))) for row in votes]
        assert len(comparisons) == len(set(comparisons)) == 12
        for row in own:
            source = by_place[rater, row.repeats] if row.kind == "repeat" else by_place[rater, row.number]
            assert (row.item, set(row.shown)) == (source.item, set(source.shown))
            assert row.question == (row.number - own[0].number) % 2
        sides.update(row.shown for row in votes)
        pairs.update(frozenset(row.shown.split(",")) for row in votes)
    # The lower number wins always, so that the first against the last tells least.
    assert min(pairs, key=lambda pair: pairs[pair]) == frozenset("02")
    for left, right in itertools.combinations("012", 2):
        assert abs(sides[f"{left},{right}"] - sides[f"{right},{left}"]) <= 2


def test_adaptive_pairs_are_those_that_are_hard_to_tell(tmp_path):
    study = make_study(tmp_path, adaptive=0.75, trials=16, checks=0, repeats=0)
    with opened(study, None) as store:
        for _ in range(12):
            rater = joined(store)
            while (session := store.session(rater)).trials:
                # A loses always; B and C are alike.
                shown = session.trials[0].shown
                answer = ("right", "left")[shown[1] == 0] if 0 in shown else "tie"
                store.answer(rater, an_answer(session.trials[0].number, answer)).result()
        with store._engine.connect() as connection:
            rows = connection.execute(sa.select(TRIALS.c.shown, TRIALS.c.drawn)).all()
    counts = collections.Counter((row.drawn, "0" in row.shown) for row in rows)
    assert counts["uniform", True] == 2 * counts["uniform", False] == 32
    # Of 6 items a rater can see the one pair six times at most, and nearly all do.
    assert counts["adaptive", False] + counts["uniform", False] >= 68


def test_the_database_of_another_study_is_refused(tmp_path, database):
    study = make_study(tmp_path)
    other = create_study({name: tmp_path / "sets" / name for name in "AB"}, tmp_path / "other", design="2afc")
    with opened(study, database) as store:
        store.join(1, 1)
    if database is None:
        (other.folder / "votes.db").write_bytes((study.folder / "votes.db").read_bytes())
    with pytest.raises(InputError, match=r"has the votes of another study; give each study a database of its own"):
        Store(other, database)


def test_a_study_that_was_made_anew_under_its_votes_is_refused(tmp_path, database):
    import dataclasses

    study = make_study(tmp_path)
    with opened(study, database) as store:
        store.join(1, 1)
    changed = dataclasses.replace(study, title="Which is worse?")
    with pytest.raises(InputError, match=r"study\.json' is not what the votes in .* were given to"):
        Store(changed, database)


def test_another_schema_is_refused(tmp_path):
    study = make_study(tmp_path)
    with opened(study, None) as store:
        store.join(1, 1)
    with contextlib.closing(sqlite3.connect(study.folder / "votes.db")) as connection, connection:
        connection.execute("UPDATE jaxeval_facts SET value = '7' WHERE name = 'schema'")
    with pytest.raises(InputError, match=r"has schema '7', and this jaxeval reads 1"):
        Store(study)


@pytest.mark.parametrize("where", [0, 4096 * 2])
def test_a_damaged_database_is_refused_by_name(tmp_path, where):
    study = make_study(tmp_path)
    with opened(study, None) as store:
        store.join(20, 20)
    file = Path(study.folder / "votes.db")
    data = bytearray(file.read_bytes())
    data[where : where + 900] = b"\xff" * 900
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"the database .*votes\.db (is damaged|cannot be used)"):
        Store(study)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mysql://a/b", "mysql://, which is not supported"),
        ("nonsense", "is no URL"),
        ("postgresql://u:secret@127.0.0.1:1/x", r"the database postgresql://u:\*\*\*@127\.0\.0\.1:1/x cannot be used"),
    ],
)
def test_databases_that_cannot_be_reached_are_refused_without_their_password(tmp_path, given, said):
    study = make_study(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        Store(study, given)
    assert "secret" not in str(caught.value)


def test_the_file_of_votes_lies_in_the_study(tmp_path):
    study = make_study(tmp_path)
    assert database_url(study, None).database == str(study.folder / "votes.db")
    with pytest.raises(InputError, match="has no votes yet; serve it first"):
        open_engine(study, None, make=False)


def test_a_database_that_goes_away_says_so_and_comes_back(tmp_path, postgres):
    study, url = make_study(tmp_path), postgres.database()
    with opened(study, url) as store:
        rater = joined(store)
        store.answer(rater, an_answer(1)).result()
        answer = an_answer(2)
        postgres.stop()
        try:
            with pytest.raises(exc.OperationalError):
                store.answer(rater, answer).result()
        finally:
            postgres.start()
        assert store.answer(rater, answer).result().done == 2
        assert store.answer(rater, answer).result().done == 2
    assert [row.trial for row in kept(study, url)] == [1, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM jaxeval_answers WHERE trial = 1", "trials of rater 1 are done, and 1 answers are not to these"),
        ("UPDATE jaxeval_raters SET done = 5", "5 trials of rater 1 are done"),
        ("UPDATE jaxeval_trials SET item = 99 WHERE number = 3", "an item that the study does not have"),
        ("UPDATE jaxeval_trials SET shown = '0,7' WHERE number = 3", "a trial shows '0,7', which is not in the study"),
        ("UPDATE jaxeval_trials SET shown = '../x' WHERE number = 3", r"a trial shows '\.\./x'"),
        ("DELETE FROM jaxeval_facts", "has schema None"),
    ],
)
def test_a_database_that_was_tampered_with_is_refused_by_name(tmp_path, change, said):
    study = make_study(tmp_path)
    with opened(study, None) as store:
        rater = joined(store)
        for number in (1, 2, 3):
            store.answer(rater, an_answer(number)).result()
        store.undo(rater, 3).result()
    with opened(study, None):
        pass  # as it was left, it is fine
    with contextlib.closing(sqlite3.connect(study.folder / "votes.db")) as connection, connection:
        connection.execute(change)
    with pytest.raises(InputError, match=rf"the database .*votes\.db .*{said}"):
        Store(study)
    with pytest.raises(InputError, match=rf"the database .*votes\.db .*{said}"):
        open_engine(study, None, make=False)
