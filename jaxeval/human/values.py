"""Tables of values to be compared: scores of metrics, and what people say of the same images or systems."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path
from jaxeval.tables import Table, read_table

Key = tuple[str, str]
"""The names of an item and of a system; "" where the table has none."""

_ITEM, _SYSTEM = ("item", "image"), ("system", "set")
_OF_PAIRS = ("set", "image", "height", "width", "channels", "bits")  # of scores.csv, before the metrics
_VALUES = ("value", "mos", "score", "strength", "win_rate")
_BETTER = ("lower", "higher")


@dataclasses.dataclass(frozen=True)
class Scores:
    """The values of metrics in one file.

    Attributes:
      path, sha256: of the file.
      kind: what it was taken for: "pairs", "evaluate" or "table".
      keys: of each row.
      values: by metric, of each row; NaN where there is none.
      better: by metric "lower" or "higher", where the file says so.
      ignored: columns that hold no numbers.
    """

    path: str
    sha256: str
    kind: str
    keys: tuple[Key, ...]
    values: Mapping[str, Float[np.ndarray, " n"]]
    better: Mapping[str, str]
    ignored: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class HumanValues:
    """What people say, larger for what they find better.

    Attributes:
      path, sha256: of the file.
      keys: of each row.
      values: of each row; NaN where there is none.
      reach: half the width of the interval of 95% of each; NaN where it is not known.
      value: name of the column, or what the values are.
      systems: the same of whole systems, where the file has both.
    """

    path: str
    sha256: str
    keys: tuple[Key, ...]
    values: Float[np.ndarray, " n"]
    reach: Float[np.ndarray, " n"]
    value: str
    systems: "HumanValues | None" = None


def read_scores(path: str | Path, metrics: Sequence[str] | None = None) -> Scores:
    """Reads the metrics' values from `scores.csv` of pairs, `result.json` of an evaluation, or a table.

    A table (.csv, .tsv, .jsonl, .parquet) has a column `item` (or `image`) or `system` (or `set`), or both, and a
    column of numbers for each metric. An empty cell is no value.

    Args:
      path: the file.
      metrics: those that are wanted; None takes every column that has numbers.

    Raises:
      InputError: the file cannot be read, lacks a column or a metric, has a cell that is no number among numbers, or a
        row twice.
    """
    if local_path(path).suffix.lower() == ".json":
        return _of_evaluation(path, metrics)
    table = read_table(path)
    _refuse_broken(table)
    keys = _keys(table)
    names = [name for name in table.columns if name not in (*_ITEM, *_SYSTEM)]
    of_pairs = all(name in table.columns for name in _OF_PAIRS)
    if of_pairs:
        names = [name for name in names if name not in (*_OF_PAIRS, "time")]
    chosen = names if metrics is None else list(metrics)
    missing = [name for name in chosen if name not in names]
    if missing:
        raise InputError(f"{table.path} has no metric {missing[0]!r}; it has {', '.join(names) or 'none'}")
    ignored = () if metrics is not None else tuple(name for name in names if not _has_numbers(table.columns[name]))
    values = {name: _numbers(table, name) for name in chosen if name not in ignored}
    if not values:
        raise InputError(f"{table.path} has no column of numbers beside the names; give one for each metric")
    better = _better_of_pairs(table.path, values) if of_pairs else {}
    return Scores(table.path, table.sha256, "pairs" if of_pairs else "table", keys, values, better, ignored)


def read_human_values(path: str | Path, *, value: str | None = None, question: str | None = None) -> HumanValues:
    """Reads what people say from an analysis of votes (`analysis.json`), or from a table.

    A table has a column `item` (or `image`) or `system` (or `set`), or both, one of `value`, `mos`, `score`, `strength`
    and `win_rate`, and, where it is known, the interval of 95% in `low` and `high`, or the standard deviation `std` of
    `n` opinions. A larger value is a better one.

    Args:
      path: the file.
      value: the column of the values, where there are several or it has another name.
      question: the question of an analysis of several.

    Raises:
      InputError: the file cannot be read, lacks a column, has a cell that is no number, or a row twice.
    """
    if local_path(path).suffix.lower() == ".json":
        return _of_analysis(path, question)
    if question is not None:
        raise InputError(f"{path} is a table, which has no questions; give the rows of one question")
    table = read_table(path)
    _refuse_broken(table)
    keys = _keys(table)
    known = [name for name in _VALUES if name in table.columns]
    if value is None and len(known) != 1:
        has = f"has {' and '.join(known)}" if known else f"has none of {', '.join(_VALUES)}"
        raise InputError(f"{table.path} {has}; say which column people's values are in (--value NAME)")
    column = known[0] if value is None else value
    if column not in table.columns:
        raise InputError(f"{table.path} has no column {column!r}; it has {', '.join(table.columns)}")
    return HumanValues(table.path, table.sha256, keys, _numbers(table, column), _reaches(table), column)


def _refuse_broken(table: Table) -> None:
    if table.broken:
        place, reason = table.broken[0]
        more = f", and {len(table.broken) - 1:,} more rows are broken" if len(table.broken) > 1 else ""
        raise InputError(f"{table.path}: {place} {reason}{more}; mend the file")
    if not len(table):
        raise InputError(f"{table.path} has no rows; give a row for each item or system")


def _keys(table: Table) -> tuple[Key, ...]:
    """The names of each row, each pair of them once."""
    found = []
    for names in (_ITEM, _SYSTEM):
        own = [name for name in names if name in table.columns]
        if len(own) > 1:
            raise InputError(f"{table.path} has both {own[0]!r} and {own[1]!r}; keep the column that names the rows")
        found.append(own[0] if own else None)
    if found == [None, None]:
        raise InputError(
            f"{table.path} has neither a column 'item' (or 'image') nor 'system' (or 'set') to match rows by; it has "
            + ", ".join(table.columns)
        )
    columns = [[""] * len(table) if name is None else table.columns[name] for name in found]
    for name, column in zip(found, columns, strict=True):
        empty = next((place for place, cell in zip(table.places, column, strict=True) if not cell), None)
        if name is not None and empty is not None:
            raise InputError(f"{table.path}: {empty} has no {name}; name every row")
    return _once(table.path, list(zip(*columns, strict=True)), table.places)


def _once(path: str, keys: list[Key], places: Sequence[str]) -> tuple[Key, ...]:
    seen: dict[Key, str] = {}
    for key, place in zip(keys, places, strict=True):
        if key in seen:
            raise InputError(f"{path}: {place} has {named(key)} again, which {seen[key]} has; keep one of them")
        seen[key] = place
    return tuple(keys)


def named(key: Key) -> str:
    """A row's names, for messages."""
    item, system = key
    parts = ([f"item {item!r}"] if item else []) + ([f"system {system!r}"] if system else [])
    return " of ".join(parts)


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python's own 1_000 is no number of a table's
    except ValueError:
        return None


def _has_numbers(column: Sequence[str]) -> bool:
    return any(_number(cell) is not None for cell in column)


def _numbers(table: Table, name: str) -> Float[np.ndarray, " n"]:
    found = np.full(len(table), np.nan)
    for row, (cell, place) in enumerate(zip(table.columns[name], table.places, strict=True)):
        if cell.strip():
            number = _number(cell)
            if number is None:
                raise InputError(f"{table.path}: {place} has {cell!r} for {name}; give a number, or an empty cell")
            found[row] = number
    return found


def _reaches(table: Table) -> Float[np.ndarray, " n"]:
    """Half the widths of the intervals, as far as the table tells them."""
    has = table.columns.keys()
    if "low" in has and "high" in has:
        low, high = _numbers(table, "low"), _numbers(table, "high")
        for row in np.flatnonzero(high < low)[:1]:
            raise InputError(f"{table.path}: {table.places[row]} has low {low[row]:g} above high {high[row]:g}")
        return (high - low) / 2
    if "std" in has and "n" in has:
        spread, count = _numbers(table, "std"), _numbers(table, "n")
        for row in np.flatnonzero((spread < 0) | (count < 1))[:1]:
            raise InputError(f"{table.path}: {table.places[row]} has std {spread[row]:g} of n {count[row]:g}")
        several = count >= 2
        count = np.where(several, count, 2.0)
        return np.where(several, stats.t.ppf(0.975, count - 1) * spread / np.sqrt(count), np.nan)
    return np.full(len(table), np.nan)


def _document(path: str | Path) -> tuple[dict[str, Any], str]:
    """A JSON object, and the SHA-256 of its file."""
    try:
        content = local_path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is no JSON ({said_by(error)}); give a result.json, an analysis.json or a table"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no JSON object; give a result.json, an analysis.json or a table")
    return found, hashlib.sha256(content).hexdigest()


def _better_of_pairs(path: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    """What the summary beside `scores.csv` says of the directions; nothing where there is none."""
    beside = local_path(path).with_name("summary.json")
    if not beside.is_file():
        return {}
    manifest = _document(beside)[0].get("manifest")
    definitions = manifest.get("definitions") if isinstance(manifest, dict) else None
    if not isinstance(definitions, dict):
        return {}
    each = {name: definitions.get(name) for name in metrics}
    found = {name: one.get("better") for name, one in each.items() if isinstance(one, dict)}
    return {name: better for name, better in found.items() if better in _BETTER}


def _of_evaluation(path: str | Path, metrics: Sequence[str] | None) -> Scores:
    """The numbers of a `result.json`, a row a generated set."""
    document, sha256 = _document(path)
    results = document.get("results")
    if not isinstance(results, list) or not results:
        raise InputError(f"{path} has no results; give the result.json of an evaluation, or a table")
    values: dict[str, dict[str, float]] = {}
    better: dict[str, str] = {}
    try:
        several = len({one["protocol"] for one in results}) > 1
        for one in results:
            name = f"{one['metric']} ({one['protocol']})" if several else str(one["metric"])
            own = values.setdefault(name, {})
            system = str(one["generated"])
            if system in own:
                raise InputError(f"{path} has {name} of {system!r} twice; give one reference's results")
            own[system] = float(one["value"])
            if one["better"] in _BETTER:
                better[name] = one["better"]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is no result.json of an evaluation ({type(error).__name__}: {said_by(error)})"
        ) from error
    missing = [name for name in metrics or () if name not in values]
    if missing:
        raise InputError(f"{path} has no metric {missing[0]!r}; it has {', '.join(values)}")
    systems = list(dict.fromkeys(system for own in values.values() for system in own))
    columns = {
        name: np.array([own.get(system, np.nan) for system in systems])
        for name, own in values.items()
        if metrics is None or name in metrics
    }
    return Scores(str(path), sha256, "evaluate", tuple(("", system) for system in systems), columns, better)


def _of_analysis(path: str | Path, question: str | None) -> HumanValues:
    """The values of an `analysis.json`: of items of systems, and of the systems as wholes."""
    document, sha256 = _document(path)
    parts = {name: document.get(name) for name in ("systems", "items")}
    if not all(isinstance(part, list) for part in parts.values()):
        raise InputError(f"{path} is no analysis.json: it has no lists 'systems' and 'items'")
    rows = [one for part in parts.values() for one in part or ()]
    questions = list(dict.fromkeys(str(one.get("question", "")) for one in rows if isinstance(one, dict)))
    if question is None and len(questions) > 1:
        raise InputError(
            f"{path} is of {len(questions)} questions; choose one (--question): {', '.join(map(repr, questions))}"
        )
    if question is not None and question not in questions:
        raise InputError(f"{path} has no question {question!r}; it has {', '.join(map(repr, questions))}")
    chosen = questions[0] if question is None and questions else question or ""
    found = {}
    for name, part in parts.items():
        own = [one for one in part or () if isinstance(one, dict) and str(one.get("question", "")) == chosen]
        found[name] = _rows_of_analysis(str(path), sha256, name, own)
    systems, items = found["systems"], found["items"]
    if items is None and systems is None:
        raise InputError(f"{path} has no values of systems or items")
    return systems if items is None else dataclasses.replace(items, systems=systems)


def _rows_of_analysis(path: str, sha256: str, name: str, rows: Sequence[Mapping[str, Any]]) -> HumanValues | None:
    keys, places = [], []
    numbers = np.full((len(rows), 3), np.nan)
    for place, row in enumerate(rows):
        where = f"{name}[{place}]"
        key = str(row.get("item", "") if name == "items" else ""), str(row.get("system", ""))
        if not any(key) or "value" not in row:
            raise InputError(f"{path}: {where} has no name or no value")
        for column, field in enumerate(("value", "low", "high")):
            cell = row.get(field)
            if cell is not None and (isinstance(cell, bool) or not isinstance(cell, int | float)):
                raise InputError(f"{path}: {where} has {cell!r} for {field}; a number is expected")
            try:
                numbers[place, column] = np.nan if cell is None else cell
            except OverflowError as error:
                raise InputError(f"{path}: {where} has a number of too many digits for {field}") from error
        keys.append(key)
        places.append(where)
    if not keys:
        return None
    reach = (numbers[:, 2] - numbers[:, 1]) / 2
    return HumanValues(path, sha256, _once(path, keys, places), numbers[:, 0], np.where(reach < 0, np.nan, reach), name)
