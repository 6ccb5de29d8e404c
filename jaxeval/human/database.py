"""The database of a study: its tables, and how it is opened.

SQLite in the study's folder (write-ahead log, `synchronous=FULL`), or PostgreSQL (`synchronous_commit=on`), where
several server processes share a study. Either way what was committed survives a killed process and a lost power supply.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from jaxeval.errors import InputError, said_by
from jaxeval.human.study import Study

SQLITE_FILE = "votes.db"
SCHEMA = "1"
_WAIT_S = 30  # for another process that writes

AWAY = (exc.OperationalError, exc.InternalError, exc.InterfaceError)
"""What a database raises that may do the same a moment later: a deadlock, a server that went away, a full disk."""

METADATA = sa.MetaData()

FACTS = sa.Table(
    "jaxeval_facts",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Whose votes these are: schema, id and digest of the study."""

RATERS = sa.Table(
    "jaxeval_raters",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("joined", sa.String(32), nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("rested", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
)
"""By number, in the order of joining: the digest of the link's secret, how many trials are answered, and the last of
these after which a break was taken."""

TRIALS = sa.Table(
    "jaxeval_trials",
    METADATA,
    sa.Column("rater", sa.ForeignKey(RATERS.c.number), primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("drawn", sa.String(8), nullable=False),
    sa.Column("item", sa.Integer),
    sa.Column("shown", sa.String(64)),
    sa.Column("exposure", sa.Integer),
    sa.Column("question", sa.Integer),
    sa.Column("known", sa.Integer),
    sa.Column("repeats", sa.Integer),
    sa.Index("jaxeval_trials_shown", "shown", "item"),
)
"""As `schedule.PlannedTrial`; `item` and `shown` are empty until they are chosen, `shown` is numbers with commas."""

ANSWERS = sa.Table(
    "jaxeval_answers",
    METADATA,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("rater", sa.Integer, nullable=False),
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("answer", sa.String(64), nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("focus_lost", sa.Boolean, nullable=False),
    sa.Column("time", sa.String(32), nullable=False),
    sa.Column("undone", sa.String(32)),
    sa.ForeignKeyConstraint(["rater", "trial"], [TRIALS.c.rater, TRIALS.c.number]),
    sa.Index(
        "jaxeval_answers_standing",
        "rater",
        "trial",
        unique=True,
        sqlite_where=sa.text("undone IS NULL"),
        postgresql_where=sa.text("undone IS NULL"),
    ),
)
"""All that were ever given, by the client's id; of a trial at most one stands, the others were undone at some time."""


def database_url(study: Study, given: str | None) -> sa.URL:
    """Where the votes of a study are.

    Args:
      study: the study.
      given: `postgresql://user@host/name`; None for the SQLite file in the study's folder.

    Raises:
      InputError: it is no such URL.
    """
    if given is None:
        return sa.URL.create("sqlite", database=str(study.folder / SQLITE_FILE))
    try:
        url = sa.make_url(given)
    except (exc.ArgumentError, ValueError) as error:
        raise InputError("--database is no URL; give postgresql://USER:PASSWORD@HOST/NAME") from error
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise InputError(
            f"--database begins with {url.drivername}://, which is not supported; give postgresql://USER@HOST/NAME, or "
            "leave it out for SQLite in the study's folder"
        )
    return url.set(drivername="postgresql+psycopg")


def open_engine(study: Study, given: str | None, *, make: bool) -> sa.Engine:
    """The database of a study, with its tables, once it was found to be this study's.

    Args:
      study: the study.
      given: as for `database_url`.
      make: whether tables are made where there are none.

    Raises:
      InputError: it cannot be reached, is damaged, or has the votes of another study or another version's.
      MissingPackageError: it is PostgreSQL, and psycopg is not installed.
    """
    url = database_url(study, given)
    where = str(study.folder / SQLITE_FILE) if given is None else url.set(drivername="postgresql").render_as_string()
    if given is None:
        if not make and not (study.folder / SQLITE_FILE).exists():
            raise InputError(f"{str(study.folder)!r} has no votes yet; serve it first: jaxeval human serve")
        engine = sa.create_engine(url, connect_args={"timeout": _WAIT_S}, pool_size=10, max_overflow=50)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        from jaxeval._packages import needed

        needed("psycopg", "votes in PostgreSQL", package="'jaxeval[postgres]'")
        engine = sa.create_engine(
            url, pool_pre_ping=True, pool_size=10, max_overflow=10, connect_args={"connect_timeout": 10}
        )
        event.listen(engine, "connect", _set_up_postgresql)
    try:
        with writing(engine) if make else engine.begin() as connection:
            if make:
                _make(connection)
            _check(connection, study, where, make=make)
    except exc.SQLAlchemyError as error:
        engine.dispose()
        raise InputError(f"the database {where} cannot be used: {_reason(error)}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes; where SQLite allows one at a time, the others wait."""
    with engine.connect().execution_options(jaxeval_writes=True) as connection, connection.begin():
        yield connection


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's own rules
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that began by reading could not go on to write once another process has written.
    writes = connection.get_execution_options().get("jaxeval_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO on")
        cursor.execute("SET idle_in_transaction_session_timeout TO '60s'")
    connection.commit()


def _make(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('jaxeval human'))"))
    METADATA.create_all(connection)


def _check(connection: sa.Connection, study: Study, where: str, *, make: bool) -> None:
    if connection.dialect.name == "sqlite":
        damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if damage != "ok":
            raise InputError(f"the database {where} is damaged ({damage}); take it from a copy that is not")
    if not sa.inspect(connection).has_table(FACTS.name):
        raise InputError(f"the database {where} has no votes of this study yet; serve it first: jaxeval human serve")
    ours = {"schema": SCHEMA, "study": study.id, "digest": study.digest}
    found: dict[str, str] = {row.name: row.value for row in connection.execute(sa.select(FACTS))}
    empty = connection.execute(sa.select(RATERS.c.number).limit(1)).first() is None
    if make and empty and not found:
        connection.execute(sa.insert(FACTS), [{"name": name, "value": value} for name, value in ours.items()])
        return
    if found.get("schema") != SCHEMA:
        raise InputError(
            f"the database {where} has schema {found.get('schema')!r}, and this jaxeval reads {SCHEMA}; use the "
            "version that made it"
        )
    if found.get("study") != study.id:
        raise InputError(f"the database {where} has the votes of another study; give each study a database of its own")
    if found.get("digest") != study.digest:
        raise InputError(
            f"{str(study.folder / 'study.json')!r} is not what the votes in {where} were given to; take the study from "
            "a copy that was not changed"
        )
    wrong = _contradiction(connection, study)
    if wrong is not None:
        raise InputError(
            f"the database {where} was changed by something else: {wrong}; take it from a copy that was not"
        )


def _contradiction(connection: sa.Connection, study: Study) -> str | None:
    """What of the votes cannot be so, if anything."""
    answers = (
        sa.select(ANSWERS.c.rater, sa.func.count().label("given"), sa.func.max(ANSWERS.c.trial).label("last"))
        .where(ANSWERS.c.undone.is_(None))
        .group_by(ANSWERS.c.rater)
        .subquery()
    )
    given, last = (sa.func.coalesce(column, 0) for column in (answers.c.given, answers.c.last))
    row = connection.execute(
        sa.select(RATERS.c.number, RATERS.c.done, given.label("given"))
        .outerjoin(answers, answers.c.rater == RATERS.c.number)
        .where((given != RATERS.c.done) | (last != RATERS.c.done))
    ).first()
    if row is not None:
        return f"{row.done} trials of rater {row.number + 1} are done, and {row.given} answers are not to these"
    items, known = len(study.items), len(study.known)
    beyond = (TRIALS.c.item < 0) | (TRIALS.c.item >= items) | (TRIALS.c.known < 0) | (TRIALS.c.known >= known)
    if connection.execute(sa.select(TRIALS.c.item).where(beyond).limit(1)).first() is not None:
        return "a trial shows an item that the study does not have"
    ways = sa.select(TRIALS.c.shown, TRIALS.c.known).where(TRIALS.c.shown.is_not(None)).distinct()
    for row in connection.execute(ways):
        most = len(study.labels) if row.known is None else len(study.known[row.known].shown)
        shown = row.shown.split(",")
        if not all(one.isdecimal() and int(one) < most for one in shown) or len(shown) != study.places:
            return f"a trial shows {row.shown!r}, which is not in the study"
    return None


def split_numbers(text: str) -> tuple[int, ...]:
    """What a column `shown` holds, as numbers."""
    return tuple(map(int, text.split(",")))


def _reason(error: exc.SQLAlchemyError) -> str:
    original = getattr(error, "orig", None)
    return said_by(error if original is None else original)
