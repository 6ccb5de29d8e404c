"""What raters were shown and what they answered, in a database: durable before it is acknowledged, and counted once."""

import dataclasses
import datetime
import functools
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from jaxeval.errors import InputError
from jaxeval.human._commits import Committer
from jaxeval.human._tally import Tally
from jaxeval.human.access import new_token, token_digest
from jaxeval.human.database import ANSWERS, FACTS, RATERS, TRIALS, open_engine, split_numbers
from jaxeval.human.schedule import REPEAT, VOTE, Schedule
from jaxeval.human.study import Study

_AHEAD = 2  # trials whose images are known: the present one and the one after it
_KNOWN_RATERS = 100_000
_FIRST = -1  # in the order of one transaction: joining, before all raters


class ConflictError(InputError):
    """An answer that does not fit: not to the present trial, or another one with the id of one that is kept."""


class FullError(InputError):
    """Nobody can join any more."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial as it is shown.

    Attributes:
      number: its place in the session, from 1.
      kind: "vote", "check" or "repeat".
      item: by number.
      shown: numbers of what stands in the places on the screen: of `Study.labels`, or of what the check shows.
      exposure: in milliseconds; None for without limit.
      question: by number; None where the study has none of its own.
      known: of a check its number.
    """

    number: int
    kind: str
    item: int
    shown: tuple[int, ...]
    exposure: int | None
    question: int | None
    known: int | None


@dataclasses.dataclass(frozen=True)
class Session:
    """Where a rater is.

    Attributes:
      rater: by number.
      total: trials of the session.
      done: those that are answered.
      rested: of these the last after which a break was taken.
      trials: the present one and the next, as far as there are.
    """

    rater: int
    total: int
    done: int
    rested: int
    trials: tuple[Trial, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer that was checked.

    Attributes:
      id: the client's, a UUID in lower case.
      trial: by number.
      answer: as `designs.kept_answer` gives it.
      milliseconds: from when the images were seen.
      comment: empty for none.
      focus_lost: whether the page was left meanwhile.
    """

    id: str
    trial: int
    answer: str
    milliseconds: int
    comment: str
    focus_lost: bool


class Store:
    """The votes of a study.

    Args:
      study: the study.
      database: `postgresql://...`; None for SQLite in the study's folder.

    Raises:
      InputError: as `open_engine`.
    """

    def __init__(self, study: Study, database: str | None = None):
        self._study = study
        self._engine = open_engine(study, database, make=True)
        self._schedule = Schedule(study)
        self._commits = Committer(self._engine)
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        self._tally = Tally(len(study.systems))

    def close(self) -> None:
        """Ends once everything that was asked for is written."""
        self._commits.close()
        self._engine.dispose()

    def join(self, count: int, most: int) -> list[str]:
        """Makes sessions of further raters, and returns the secrets of their links; only digests of them are kept.

        Args:
          count: how many.
          most: how many raters there may be in all; of `count` only as many are made.

        Raises:
          FullError: there are so many already.
        """
        tokens = [new_token() for _ in range(count)]
        made = self._commits.submit(functools.partial(self._join, tokens, most), _FIRST).result()
        if count and not made:
            raise FullError(f"there are {most:,} raters, which is the most that were allowed")
        return tokens[:made]

    def _join(self, tokens: Sequence[str], most: int, connection: sa.Connection) -> int:
        # The row is locked, so that of several processes one joins raters at a time; SQLite has one writer anyway.
        connection.execute(sa.select(FACTS).where(FACTS.c.name == "study").with_for_update())
        first = connection.execute(sa.select(sa.func.count()).select_from(RATERS)).scalar_one()
        digests = [token_digest(token) for token in tokens]
        there = connection.execute(sa.select(sa.func.count()).where(RATERS.c.token.in_(digests))).scalar_one()
        if there:  # the connection was lost after they were committed, and before that was known
            return there
        tokens = tokens[: max(0, most - first)]
        for number, token in enumerate(tokens, first):
            plan = self._schedule.session(number)
            connection.execute(
                sa.insert(RATERS).values(
                    number=number, token=token_digest(token), joined=_now(), done=0, rested=0, total=len(plan)
                )
            )
            rows = [
                {
                    "rater": number,
                    "number": trial.number,
                    "entry": trial.entry,
                    "kind": trial.kind,
                    "drawn": trial.drawn,
                    "item": None if trial.comparison is None else trial.comparison.item,
                    "shown": None if trial.comparison is None else _joined(trial.comparison.shown),
                    "exposure": None if trial.comparison is None else trial.comparison.exposure,
                    "question": trial.question,
                    "known": trial.known,
                    "repeats": trial.repeats,
                }
                for trial in plan
            ]
            connection.execute(sa.insert(TRIALS), rows)
            self._choose_ahead(connection, number, 0)
        return len(tokens)

    def raters(self) -> int:
        """How many have joined."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(RATERS)).scalar_one()

    def rater(self, token: str) -> int | None:
        """The number of the rater whose link has this secret; None for nobody's."""
        digest = token_digest(token)
        number = self._numbers.get(digest)
        if number is None:
            with self._engine.connect() as connection:
                number = connection.execute(sa.select(RATERS.c.number).where(RATERS.c.token == digest)).scalar()
            if number is not None:
                with self._lock:
                    if len(self._numbers) >= _KNOWN_RATERS:
                        self._numbers.clear()
                    self._numbers[digest] = number
        return number

    def session(self, rater: int) -> Session:
        """Where a rater is."""
        with self._engine.connect() as connection:
            return self._session(connection, rater)

    def _session(self, connection: sa.Connection, rater: int) -> Session:
        row = connection.execute(sa.select(RATERS).where(RATERS.c.number == rater)).one()
        ahead = _trials(connection, rater, row.done + 1, row.done + _AHEAD)
        return Session(rater, row.total, row.done, row.rested, ahead)

    def trial(self, rater: int, number: int) -> Trial | None:
        """A trial that a rater has seen, sees or sees next; None of others."""
        with self._engine.connect() as connection:
            done = connection.execute(sa.select(RATERS.c.done).where(RATERS.c.number == rater)).scalar_one()
            if number > done + _AHEAD:
                return None
            return next(iter(_trials(connection, rater, number, number)), None)

    def answer(self, rater: int, answer: Answer) -> "Future[Session]":
        """Keeps an answer to the present trial, and gives where the rater is then, once it is durable.

        An answer that is kept already, by its id, changes nothing. The future has a ConflictError where it is to
        another trial, or another answer of that id is kept.
        """
        return self._commits.submit(functools.partial(self._answer, rater, answer), rater)

    def _answer(self, rater: int, answer: Answer, connection: sa.Connection) -> Session:
        if not self._is_kept(connection, rater, answer):
            moved = connection.execute(
                sa.update(RATERS)
                .where(RATERS.c.number == rater, RATERS.c.done == answer.trial - 1, RATERS.c.total >= answer.trial)
                .values(done=answer.trial)
            )
            if moved.rowcount:
                values = dataclasses.asdict(answer)
                try:
                    connection.execute(sa.insert(ANSWERS).values(rater=rater, time=_now(), undone=None, **values))
                except exc.IntegrityError as error:  # another process has kept one of this id a moment ago
                    raise ConflictError("another answer with this id is kept; give each an id of its own") from error
                self._choose_ahead(connection, rater, answer.trial)
            elif not self._is_kept(connection, rater, answer):  # it may have come by another process meanwhile
                raise ConflictError(f"trial {answer.trial} is not the present one; load the page again")
        return self._session(connection, rater)

    def _is_kept(self, connection: sa.Connection, rater: int, answer: Answer) -> bool:
        row = connection.execute(sa.select(ANSWERS).where(ANSWERS.c.id == answer.id)).first()
        if row is None:
            return False
        kept = Answer(row.id, row.trial, row.answer, row.milliseconds, row.comment, bool(row.focus_lost))
        if row.rater != rater or kept != answer:
            raise ConflictError("another answer with this id is kept; give each answer an id of its own")
        return True

    def undo(self, rater: int, trial: int) -> "Future[Session]":
        """Takes the last answer back, if it is still the one to this trial; what it was stays in the database."""
        return self._commits.submit(functools.partial(self._undo, rater, trial), rater)

    def _undo(self, rater: int, trial: int, connection: sa.Connection) -> Session:
        back = connection.execute(
            sa.update(RATERS)
            .where(RATERS.c.number == rater, RATERS.c.done == trial, RATERS.c.done > 0)
            .values(done=trial - 1, rested=sa.case((RATERS.c.rested > trial - 1, trial - 1), else_=RATERS.c.rested))
        )
        if back.rowcount:
            connection.execute(
                sa.update(ANSWERS)
                .where(ANSWERS.c.rater == rater, ANSWERS.c.trial == trial, ANSWERS.c.undone.is_(None))
                .values(undone=_now())
            )
        return self._session(connection, rater)

    def rest(self, rater: int) -> "Future[Session]":
        """Notes that the rater has taken the break that was offered."""
        return self._commits.submit(functools.partial(self._rest, rater), rater)

    def _rest(self, rater: int, connection: sa.Connection) -> Session:
        connection.execute(sa.update(RATERS).where(RATERS.c.number == rater).values(rested=RATERS.c.done))
        return self._session(connection, rater)

    def _choose_ahead(self, connection: sa.Connection, rater: int, done: int) -> None:
        """Chooses what is shown in the trials after the last answer, where that was left open."""
        wanted = (
            sa.select(TRIALS)
            .where(TRIALS.c.rater == rater, TRIALS.c.number > done, TRIALS.c.number <= done + _AHEAD)
            .where(TRIALS.c.shown.is_(None))
            .order_by(TRIALS.c.number)
        )
        chosen: set[int] = set()
        for row in connection.execute(wanted).all():
            if row.entry in chosen:  # the same comparison, and another question
                continue
            chosen.add(row.entry)
            draw = random.Random(f"jaxeval choice {self._study.seed} {rater} {row.entry}")
            if row.kind == REPEAT:
                source = connection.execute(
                    sa.select(TRIALS).where(TRIALS.c.rater == rater, TRIALS.c.number == row.repeats)
                ).one()
                shown = split_numbers(source.shown)
                values = {
                    "item": source.item,
                    "shown": _joined(draw.sample(shown, len(shown))),
                    "exposure": source.exposure,
                }
            else:
                values = self._informative(connection, rater, draw)
            connection.execute(
                sa.update(TRIALS)
                .where(TRIALS.c.rater == rater, TRIALS.c.entry == row.entry, TRIALS.c.shown.is_(None))
                .values(values)
            )

    def _informative(self, connection: sa.Connection, rater: int, draw: random.Random) -> dict[str, Any]:
        """The pair of most expected information that has an item which the rater has not seen it for."""
        own = connection.execute(
            sa.select(TRIALS.c.item, TRIALS.c.shown).where(
                TRIALS.c.rater == rater, TRIALS.c.kind == VOTE, TRIALS.c.shown.is_not(None)
            )
        ).all()
        seen = {(row.item, tuple(sorted(split_numbers(row.shown)))) for row in own}
        for pair in self._tally.pairs(connection):
            free = [item for item in range(len(self._study.items)) if (item, pair) not in seen]
            if not free:
                continue
            sides = [_joined(pair), _joined(reversed(pair))]
            used = connection.execute(
                sa.select(TRIALS.c.item, TRIALS.c.shown, sa.func.count().label("times"))
                .where(TRIALS.c.shown.in_(sides), TRIALS.c.kind == VOTE)
                .group_by(TRIALS.c.item, TRIALS.c.shown)
            ).all()
            times = dict.fromkeys(free, 0)
            for row in used:
                if row.item in times:
                    times[row.item] += row.times
            least = min(times.values())
            item = draw.choice([item for item in free if times[item] == least])
            left = [sum(row.times for row in used if row.shown == side) for side in sides]
            side = draw.randrange(2) if left[0] == left[1] else int(left[1] < left[0])
            self._tally.chosen(pair)
            return {"item": item, "shown": sides[side], "exposure": None}
        raise AssertionError("a session has no more trials than there are comparisons")


def standing_votes(engine: sa.Engine) -> Iterator[sa.Row[Any]]:
    """All answers that stand, by rater and trial, with what was shown, as one moment has them.

    Args:
      engine: of the database.
    """
    rows = (
        sa.select(ANSWERS, *(column for column in TRIALS.c if column.name != "rater"))
        .join(TRIALS, (TRIALS.c.rater == ANSWERS.c.rater) & (TRIALS.c.number == ANSWERS.c.trial))
        .where(ANSWERS.c.undone.is_(None))
        .order_by(ANSWERS.c.rater, ANSWERS.c.trial)
    )
    with engine.connect().execution_options(yield_per=1000) as connection:
        yield from connection.execute(rows)


def _trials(connection: sa.Connection, rater: int, first: int, last: int) -> tuple[Trial, ...]:
    rows = connection.execute(
        sa.select(TRIALS)
        .where(TRIALS.c.rater == rater, TRIALS.c.number >= first, TRIALS.c.number <= last, TRIALS.c.shown.is_not(None))
        .order_by(TRIALS.c.number)
    )
    return tuple(
        Trial(row.number, row.kind, row.item, split_numbers(row.shown), row.exposure, row.question, row.known)
        for row in rows
    )


def _joined(numbers: Any) -> str:
    return ",".join(map(str, numbers))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
