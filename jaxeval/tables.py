"""Tables of rows as files: CSV, JSON lines and Parquet, each value as text, each row with its place in the file."""

import codecs
import csv
import dataclasses
import hashlib
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval._packages import needed
from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path

_MARKS = (  # that of UTF-16 begins that of UTF-32
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_GZIP = b"\x1f\x8b"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_OF_LINES = ("comment", "prompt", "caption", "text", "texts")  # columns whose texts may have several lines
_LONGEST_CELL = 1 << 20  # letters; of a file whose quotes never close, one cell would be all the rest


@dataclasses.dataclass(frozen=True)
class Table:
    """A file's rows.

    Attributes:
      path: as the user named it.
      sha256: of the file.
      columns: by name, the text of each row; "" where there is none.
      places: of each row, for messages: "line 7" or "row 7".
      broken: of rows that could not be read at all, the place and the reason.
    """

    path: str
    sha256: str
    columns: dict[str, list[str]]
    places: list[str]
    broken: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.places)


def read_table(path: str | Path) -> Table:
    """Reads a `.csv`, `.jsonl` (or `.ndjson`) or `.parquet` file.

    Raises:
      InputError: no such file, another kind of file, no header, or one in which a column stands twice.
      MissingPackageError: pyarrow, which reads Parquet, is not installed.
    """
    own = local_path(path)
    try:
        content = own.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    reader = readers.get(own.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no table that is known by its name; give a .csv, .tsv, .jsonl or .parquet file")
    columns, places, broken = reader(content, str(path))
    return Table(str(path), hashlib.sha256(content).hexdigest(), columns, places, broken)


def table_of_rows(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of plain values as a table; its digest is that of their text.

    Args:
      name: of where they come from, for messages and records.
      columns: of the table.
      rows: with these columns.
    """
    cells = {column: [_as_text(row[column]) for row in rows] for column in columns}
    digest = hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()
    return Table(name, digest, cells, [f"answer {number + 1}" for number in range(len(rows))], [])


_Found = tuple[dict[str, list[str]], list[str], list[tuple[str, str]]]


def _decoded(content: bytes, path: str) -> str:
    """Text in which a byte that is no UTF-8 is a lone surrogate, so that the row it stands in can be named."""
    check_plain(content, path)
    return content.decode("utf-8-sig", errors="surrogateescape")


def check_plain(content: bytes, path: str) -> None:
    """Raises InputError for what is compressed, or text of another encoding than UTF-8 that says so."""
    if content.startswith(_GZIP):
        raise InputError(f"{path} is gzip; unpack it")
    for mark, name in _MARKS:
        if content.startswith(mark):
            raise InputError(f"{path} is {name}; save it as UTF-8")


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; for `json.loads` as `object_pairs_hook`, which would take the last of two values by one name.

    Raises:
      InputError: a name stands twice; the sentence goes on behind the place.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"has {twice[:40]!r} twice in one object; give each name once")
    return found


def _is_text(cell: str) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in cell)


def _csv(content: bytes, path: str) -> _Found:
    """Cells between commas; or, as spreadsheets write them where the comma is the decimal point, between semicolons."""
    header = content.partition(b"\n")[0]
    return _separated(content, path, ";" if b";" in header and b"," not in header else ",")


def _tsv(content: bytes, path: str) -> _Found:
    return _separated(content, path, "\t")


def _separated(content: bytes, path: str, separator: str) -> _Found:
    reader = csv.reader(io.StringIO(_decoded(content, path), newline=""), delimiter=separator, strict=True)
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path)
        rows: list[list[str]] = []
        places: list[str] = []
        broken: list[tuple[str, str]] = []
        spanning = {number for number, name in enumerate(header) if name.lower() not in _OF_LINES}
        while True:
            begin = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                # The reader has taken all that followed for one cell: what is lost is not one row.
                raise InputError(
                    f"{path}: line {begin} cannot be read, nor what follows ({error}); a quotation mark is not closed"
                ) from error
            if row is None:
                break
            if not any(cell.strip() for cell in row):
                continue
            place = f"line {begin}"
            if reader.line_num > begin and any("\n" in row[number] for number in spanning if number < len(row)):
                raise InputError(
                    f"{path}: a cell of line {begin} goes on to line {reader.line_num}; a quotation mark is too many, "
                    "or not closed"
                )
            if len(row) != len(header):
                broken.append((place, f"has {len(row)} cells for {len(header)} columns"))
            elif not all(map(_is_text, row)):
                broken.append((place, "is not UTF-8"))
            else:
                rows.append([_unguarded(cell) for cell in row])
                places.append(place)
    finally:
        csv.field_size_limit(limit)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    return columns, places, broken


def guarded(cell: str) -> str:
    """A cell of a CSV that no spreadsheet takes for a formula; `read_table` gives back what it was.

    One quotation mark more is put before a cell that begins like a formula, also where it has some already.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def _check_header(header: list[str], path: str) -> None:
    if not any(header):
        raise InputError(f"{path} is empty; its first line should name the columns")
    if not all(map(_is_text, header)):
        raise InputError(f"{path}: line 1 is not UTF-8; save the file as UTF-8")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} has two columns {twice!r}; name each once")


def _jsonl(content: bytes, path: str) -> _Found:
    rows: list[dict[str, str]] = []
    places: list[str] = []
    broken: list[tuple[str, str]] = []
    for number, line in enumerate(_decoded(content, path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        if not _is_text(line):
            broken.append((place, "is not UTF-8"))
            continue
        try:
            found = json.loads(line, object_pairs_hook=each_once)
        except InputError as error:
            broken.append((place, str(error)))
            continue
        except (ValueError, RecursionError) as error:
            broken.append((place, f"is no JSON ({said_by(error)})"))
            continue
        if not isinstance(found, dict):
            broken.append((place, "is no JSON object"))
            continue
        row = {name: _as_text(value) for name, value in found.items()}
        if any("\ud800" <= letter <= "\udfff" for cell in row.values() for letter in cell):
            broken.append((place, "has half of a character"))
            continue
        rows.append(row)
        places.append(place)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name, "") for row in rows] for name in names}, places, broken


def _parquet(content: bytes, path: str) -> _Found:
    check_plain(content, path)
    parquet = needed("pyarrow.parquet", f"reading {path}")
    try:
        table = parquet.read_table(io.BytesIO(content))
        columns = {name: [_as_text(value) for value in table.column(name).to_pylist()] for name in table.column_names}
    except Exception as error:  # pyarrow raises a dozen types on damaged files
        raise InputError(f"{path} is no Parquet file, or damaged ({said_by(error)})") from error
    if len(columns) != table.num_columns:
        raise InputError(f"{path} has two columns of one name; name each once")
    return columns, [f"row {number + 1}" for number in range(table.num_rows)], []


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):  # such as a whole conversation, which no column here is
        return json.dumps(value, default=str)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
