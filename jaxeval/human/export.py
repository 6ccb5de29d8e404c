"""The answers of a study as a file of votes: a row an answer."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxeval._packages import needed
from jaxeval.errors import InputError
from jaxeval.files import local_path, replace_file
from jaxeval.human.database import open_engine
from jaxeval.human.designs import answer_columns
from jaxeval.human.schedule import CHECK
from jaxeval.human.store import standing_votes
from jaxeval.human.study import Study, load_study
from jaxeval.tables import guarded

_WHOLE = ("trial", "milliseconds", "exposure_ms")
_COMMON = (
    "vote",
    "rater",
    "item",
    "question",
    "category",
    "prompt",
    "trial",
    "kind",
    "repeats",
    "milliseconds",
    "time",
    "comment",
    "focus_lost",
    "expected",
)
_OF_DESIGN = {
    "2afc": ("left", "right", "choice"),
    "best-of-n": ("shown_1", "shown_2", "shown_3", "shown_4", "best", "worst"),
    "mos": ("system", "score"),
    "real-or-fake": ("system", "truth", "answer", "exposure_ms"),
}


def rater_name(number: int) -> str:
    """How a rater is called in files, by number from 0."""
    return f"r{number + 1:04d}"


def export_votes(folder: str | Path, out: str | Path, *, database: str | None = None) -> int:
    """Writes the answers of a study that stand as a file of votes, also while it is served; returns their number.

    Args:
      folder: of the study.
      out: `.csv` (RFC 4180, UTF-8), `.parquet` or `.jsonl`; it is written whole or not at all.
      database: as for serving.

    Raises:
      InputError: the study or its database cannot be read, or the file cannot be written.
      MissingPackageError: it is a Parquet file, and pyarrow is not installed.
    """
    place = local_path(out)
    writers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    writer = writers.get(place.suffix.lower())
    if writer is None:
        raise InputError(f"{str(out)!r} must end in .csv, .jsonl or .parquet, the kinds of files of votes")
    if place.suffix.lower() == ".parquet":
        needed("pyarrow", "writing Parquet files")
    _, columns, rows = rows_of_study(folder, database)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, writer(columns, rows))
    except OSError as error:
        raise InputError(f"cannot write {str(out)!r} ({error.strerror}); choose another place") from error
    return len(rows)


def rows_of_study(
    folder: str | Path, database: str | None = None
) -> tuple[Study, tuple[str, ...], list[dict[str, Any]]]:
    """A study, the columns of its votes, and the answers that stand, a row each.

    Args:
      folder: of the study.
      database: as for serving.

    Raises:
      InputError: the study or its database cannot be read.
    """
    study = load_study(folder)
    engine = open_engine(study, database, make=False)
    try:
        rows = list(_rows(study, standing_votes(engine)))
    finally:
        engine.dispose()
    return study, (*_COMMON[:3], *_OF_DESIGN[study.design], *_COMMON[3:]), rows


def _rows(study: Study, votes: Iterable[Any]) -> Iterator[dict[str, Any]]:
    given: dict[tuple[int, int], str] = {}
    for row in votes:
        given[row.rater, row.trial] = row.id
        item, shown = study.items[row.item], [int(one) for one in row.shown.split(",")]
        check = None if row.known is None else study.known[row.known]
        labels = [study.labels[one] for one in shown] if check is None else [check.shown[one][0] for one in shown]
        found = {
            "vote": row.id,
            "rater": rater_name(row.rater),
            "item": item.name,
            "question": None if row.question is None else study.options.questions[row.question],
            "category": item.category or None,
            "prompt": item.prompt or None,
            "trial": row.trial,
            "kind": row.kind,
            "repeats": None if row.repeats is None else given.get((row.rater, row.repeats)),
            "milliseconds": row.milliseconds,
            "time": row.time,
            "comment": row.comment or None,
            "focus_lost": "true" if row.focus_lost else "false",
            "expected": None,
        } | answer_columns(study.design, row.answer, labels)
        if study.design == "real-or-fake":
            found["truth"] = "real" if check is None and shown[0] == len(study.systems) else "fake"
            found["exposure_ms"] = row.exposure
        if row.kind == CHECK and check is not None:
            found["expected"] = _expected(study.design, check.expected, labels, shown.index(check.right))
        yield found


def _expected(design: str, named: str, labels: Sequence[str], place: int) -> str:
    """The right answer of a check, as the column of answers has it."""
    if design == "2afc":
        return ("left", "right")[place]
    return labels[place] if design == "best-of-n" else named


def _csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns)
    for row in rows:
        cells = [row[column] for column in columns]
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in cells])
    return stream.getvalue().encode()


def _jsonl(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    lines = [json.dumps({column: row[column] for column in columns}, ensure_ascii=False) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def _parquet(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    arrow, parquet = needed("pyarrow", "writing Parquet files"), needed("pyarrow.parquet", "writing Parquet files")
    schema = arrow.schema([(name, arrow.int64() if name in _WHOLE else arrow.string()) for name in columns])
    stream = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(list(rows), schema=schema), stream)
    return stream.getvalue()
