"""Tables of what images were asked to show, a row for each prompt: CSV, JSON, JSON lines and Parquet."""

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval.detection.documents import parsed_json, read_limited
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.tables import Table, read_table

NAMES = ("name", "image", "stem", "id")
_LARGEST = 1 << 28  # bytes of a JSON file
_NAMED = 3  # in messages


def asked_table(path: str | Path, value: str) -> Table:
    """The rows of a file; every one could be read.

    Args:
      path: a `.csv`, `.tsv`, `.jsonl` or `.parquet` table; or a `.json` file: a list of objects, or one object whose
        keys are names and whose values are objects, or are of the column `value`.
      value: the column of JSON objects that have names alone.

    Raises:
      InputError: it cannot be read, a row is damaged, or there is none.
      MissingPackageError: pyarrow, which reads Parquet, is not installed.
    """
    table = _of_json(path, value) if local_path(path).suffix.lower() == ".json" else read_table(path)
    if table.broken:
        named = "; ".join(f"{place} {reason}" for place, reason in table.broken[:_NAMED])
        more = f"; and {len(table.broken) - _NAMED:,} more" if len(table.broken) > _NAMED else ""
        raise InputError(f"{path} has rows that cannot be read: {named}{more}; mend them")
    if not len(table):
        raise InputError(f"{path} has no row; a row for each prompt is expected")
    return table


def cells_of(table: Table, names: Sequence[str]) -> list[str] | None:
    """The column that has one of some names, whatever their case; None where there is none.

    Raises:
      InputError: there are two of them.
    """
    found = [column for column in table.columns if column.strip().lower() in names]
    if len(found) > 1:
        raise InputError(f"{table.path} has the columns {' and '.join(map(repr, found))}, of which one is expected")
    return table.columns[found[0]] if found else None


def names_of(table: Table) -> list[str]:
    """What the rows are called: names of images, with or without extension and number; composed.

    Raises:
      InputError: there is no such column, or a row has no name.
    """
    cells = cells_of(table, NAMES)
    if cells is None:
        raise InputError(
            f"{table.path} has the columns {', '.join(table.columns)}; a column name (or image) is needed, with the "
            "names of images"
        )
    names = [unicodedata.normalize("NFC", cell.strip()) for cell in cells]
    empty = next((place for place, name in zip(table.places, names, strict=True) if not name), None)
    if empty is not None:
        raise InputError(f"{table.path}: {empty} has no name; give the name of an image, or what its name begins with")
    return names


def pieces_of(cell: str) -> list[str] | None:
    """The texts of a cell that is a JSON list of them; None of any other cell."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def _of_json(path: str | Path, value: str) -> Table:
    content = read_limited(path, _LARGEST)
    found = parsed_json(content, str(path))
    if isinstance(found, Mapping):
        rows = [{"name": name, **(one if isinstance(one, Mapping) else {value: one})} for name, one in found.items()]
        places = [f"the entry {name!r}" for name in found]
    elif isinstance(found, list):
        rows, places = found, [f"entry {number}" for number in range(1, len(found) + 1)]
    else:
        raise InputError(f"{path} is neither a list nor an object; give a list of objects, or {value}s by name")
    wrong = next((place for place, row in zip(places, rows, strict=True) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise InputError(f"{path}: {wrong} is no object with name and {value}")
    columns = {
        name: [_cell(row.get(name), f"{path}: {place}") for place, row in zip(places, rows, strict=True)]
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    return Table(str(path), hashlib.sha256(content).hexdigest(), columns, places, [])


def _cell(value: Any, where: str) -> str:
    if (
        isinstance(value, bool | Mapping)
        or (isinstance(value, list) and not all(isinstance(one, str) for one in value))
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise InputError(f"{where} has the value {json.dumps(value)[:40]}; give texts")
    cell = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    fault = fault_of([cell, *(value if isinstance(value, list) else ())])
    if fault is not None:
        raise InputError(f"{where} has {fault}")
    return cell
