"""Files of votes: what they say, row by row, checked and counted.

A file holds the answers of one design, a row each; docs/human.md lists the columns. Rows that are wrong are named with
their place and their reason, and either end the reading or are left out and counted, as the caller says.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from jaxeval.errors import InputError
from jaxeval.human.votes import (
    DESIGNS,
    Answers,
    BadRow,
    ChoiceAnswers,
    Design,
    OpinionAnswers,
    PairAnswers,
    RealnessAnswers,
    Votes,
)
from jaxeval.tables import Table, read_table

OnError = Literal["fail", "skip"]

_MOST_SHOWN = 4
_MOST_NAMED = 5  # bad rows that a message names one by one
_SKIPPED = "skip"
_REAL = "real"
# Files of the field's arenas: other names of the same columns, and of the same answers.
_OTHER_COLUMNS = {
    "model_a": "left",
    "model_b": "right",
    "winner": "choice",
    "judge": "rater",
    "worker": "rater",
    "user": "rater",
    "annotator": "rater",
    "question_id": "item",
    "image": "item",
    "stimulus": "item",
    "rating": "score",
    "opinion": "score",
    "id": "vote",
}
_COLUMNS = (
    *("vote", "rater", "item", "question", "category", "trial", "kind", "repeats", "expected", "milliseconds"),
    *("left", "right", "choice", "shown_1", "shown_2", "shown_3", "shown_4", "shown_5", "best", "worst"),
    *("system", "score", "truth", "answer", "exposure_ms"),
)
_NAMES = (
    "rater",
    "item",
    "question",
    "category",
    "left",
    "right",
    "system",
    "shown_1",
    "shown_2",
    "shown_3",
    "shown_4",
)
_LARGEST_SCORE = 1e6
# Of each row one of three is 1: another way to say a choice.
_WINNERS = {"winner_model_a": "left", "winner_model_b": "right", "winner_tie": "tie"}
_ONLY_SYSTEM = "all"  # of opinion scores of images that are of no systems
_CHOICES = {
    "left": 1,
    "model_a": 1,
    "right": -1,
    "model_b": -1,
    "tie": 0,
    "draw": 0,
    "tie (bothbad)": 0,
    "both_bad": 0,
    "bothbad": 0,
}
_ANSWERS = {"2afc": (*_CHOICES, _SKIPPED), "best-of-n": (_SKIPPED,)}  # names that no system can have


def read_votes(
    path: str | Path,
    *,
    systems: Sequence[str] | None = None,
    on_error: OnError | str = "fail",
) -> Votes:
    r"""Reads a file of votes.

    Args:
      path: a .csv, .tsv, .jsonl or .parquet file; its columns say which design it is of.
      systems: the systems that there are, in the order of the tables; by default those that the file names.
      on_error: what to do about a row that is no vote: "fail", or "skip" to leave it out and count it in `bad`.

    Raises:
      InputError: the file cannot be read, its columns are of no design, a row is no vote (unless they are skipped), or
        none is.
      MissingPackageError: pyarrow, which reads Parquet, is not installed.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import read_votes
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "votes.csv")
      ...     _ = file.write_text("vote,rater,item,left,right,choice\n1,r,cat,A,B,left\n2,r,dog,B,A,tie\n")
      ...     votes = read_votes(file)
      >>> votes.design, votes.systems, votes.answers.outcome.tolist()
      ('2afc', ('A', 'B'), [1, 0])
    """
    table = read_table(path)
    return votes_of_table(table, systems=systems, on_error=on_error)


def votes_of_table(table: Table, *, systems: Sequence[str] | None = None, on_error: OnError | str = "fail") -> Votes:
    """The votes of a table that is read already; arguments and errors as of `read_votes`."""
    if on_error not in get_args(OnError):
        raise InputError(f"on_error is {on_error!r}; choose from fail, skip")
    columns = _columns(table)
    design = _design(columns, table.path)
    rows = _Rows(columns, len(table), systems, table.path)
    reader: dict[Design, Callable[[_Rows], None]] = {
        "2afc": _read_pairs,
        "best-of-n": _read_choices,
        "mos": _read_opinions,
        "real-or-fake": _read_realness,
    }
    _check_ids(rows)
    reader[design](rows)
    _check_repeats(rows)
    named = next((name for name in rows.systems if name.lower() in _ANSWERS.get(design, ())), None)
    if named is not None:
        raise InputError(f"{table.path}: the system {named!r} has the name of an answer; give it another")
    bad = [BadRow(*one) for one in table.broken]
    bad += [BadRow(table.places[row], reason) for row, reason in sorted(rows.bad.items())]
    if bad and on_error == "fail":
        named = "; ".join(map(str, bad[:_MOST_NAMED]))
        more = f"; and {len(bad) - _MOST_NAMED:,} more" if len(bad) > _MOST_NAMED else ""
        noun = "row is no vote" if len(bad) == 1 else "rows are no votes"
        raise InputError(
            f"{table.path}: {len(bad):,} {noun}: {named}{more}; mend the file, or leave them out (--on-error skip)"
        )
    return _collected(table, design, rows, bad)


class _Rows:
    """A table's rows on their way to answers: what each means, which are bad, checks, or skipped.

    Attributes:
      columns: by name.
      count: of rows.
      systems: numbers by name; those that the caller knows, or found on the way.
      bad: reasons by row.
      skipped: rows that give no answer.
      expected: of checks, whether the answer is the right one.
      arrays: the answers of good rows, by field, filled by the design's reader.
    """

    def __init__(self, columns: dict[str, list[str]], count: int, systems: Sequence[str] | None, path: str):
        self.path = path
        self.columns, self.count = columns, count
        known = [_name(name) for name in systems or ()]
        twice = next((name for name in known if known.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"systems has {twice!r} twice; give each once")
        self.known = None if systems is None else frozenset(known)
        self.systems = {name: number for number, name in enumerate(known)}
        self.bad: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.passed: dict[int, bool] = {}
        self.arrays: dict[str, np.ndarray] = {}
        kinds = columns.get("kind", [""] * count)
        self.is_check = [kind == "check" for kind in kinds]
        for row, kind in enumerate(kinds):
            if kind not in ("", "vote", "check", "repeat"):
                self.bad.setdefault(row, f"has the kind {kind!r}; vote, check and repeat are known")

        for name in _NAMES:
            if name in columns:
                columns[name] = [_name(cell) for cell in columns[name]]
                for row, cell in enumerate(columns[name]):
                    if not _is_plain(cell):
                        self.bad.setdefault(row, f"has control characters in its {name}, {cell!r}")
        for name in ("milliseconds", "trial"):
            for row, cell in enumerate(columns.get(name, ())):
                value = _number(cell) if cell.strip() else 0.0
                if value is None or not 0 <= value < np.inf:
                    self.bad.setdefault(row, f"has the {name} {cell!r}; a number from 0 is expected")

    def cells(self, name: str) -> list[str]:
        return self.columns.get(name) or [""] * self.count

    def open_rows(self) -> Iterable[int]:
        return (row for row in range(self.count) if row not in self.bad)

    def system(self, row: int, name: str, place: str) -> int:
        """A system's number; -1, and a bad row, where it is missing or unknown."""
        if name == "":
            self.bad.setdefault(row, f"has no system in the column {place}")
            return -1
        if self.known is not None and name not in self.known:
            self.bad.setdefault(row, f"has the unknown system {name!r}")
            return -1
        return self.systems.setdefault(name, len(self.systems))

    def check(self, row: int, passed: bool) -> None:
        self.passed[row] = passed


def _name(cell: str) -> str:
    """A name as it is compared: without spaces around it, letters with their accents as one."""
    return unicodedata.normalize("NFC", cell.strip())


def _is_plain(cell: str) -> bool:
    """Whether a terminal shows a name as it is: no control characters, and none that turn the direction of text."""
    return cell.isprintable() or not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in cell)


def _columns(table: Table) -> dict[str, list[str]]:
    """The columns by the names that are used here, whatever their case."""
    as_written = {name.strip().lower(): name for name in reversed(table.columns)}
    renamed = {as_written[own]: own for own in _COLUMNS if own in as_written and own not in table.columns}
    present = {*table.columns, *renamed.values()}
    renamed |= {
        as_written[other]: own for other, own in _OTHER_COLUMNS.items() if other in as_written and own not in present
    }
    found = {renamed.get(name, name): cells for name, cells in table.columns.items()}
    if "choice" not in found and set(_WINNERS) <= set(found):
        rows = zip(*(found[name] for name in _WINNERS), strict=True)
        found["choice"] = [_one_of_three(row) for row in rows]
    if "score" in found and "item" in found and "system" not in found:
        found["system"] = [_ONLY_SYSTEM] * len(table)
    return found


def _one_of_three(row: Sequence[str]) -> str:
    yes = ("1", "1.0", "true")
    chosen = [choice for choice, cell in zip(_WINNERS.values(), row, strict=True) if cell.strip().lower() in yes]
    return chosen[0] if len(chosen) == 1 else " and ".join(chosen)


def _design(columns: dict[str, list[str]], path: str) -> Design:
    needed: Mapping[Design, tuple[str, ...]] = {
        "2afc": ("left", "right", "choice"),
        "best-of-n": ("shown_1", "shown_2", "best"),
        "mos": ("system", "score"),
        "real-or-fake": ("system", "truth", "answer"),
    }
    found: list[Design] = [design for design in needed if all(name in columns for name in needed[design])]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise InputError(f"{path} has the columns of {' and of '.join(found)}; keep those of one design")
    closest = max(DESIGNS, key=lambda design: sum(name in columns for name in needed[design]))
    lacking = [name for name in needed[closest] if name not in columns]
    if len(lacking) < len(needed[closest]):
        noun = "column" if len(lacking) == 1 else "columns"
        raise InputError(f"{path} has no {noun} {', '.join(lacking)}, which votes of {closest} have")
    choices = "; ".join(f"{design}: {', '.join(names)}" for design, names in needed.items())
    raise InputError(f"{path} has the columns {', '.join(columns)}, which are no votes; what they need: {choices}")


def _check_ids(rows: _Rows) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(rows.cells("vote")):
        if name and seen.setdefault(name, row) != row:
            rows.bad.setdefault(row, f"has the id {name!r} of a row before it")


def _check_repeats(rows: _Rows) -> None:
    """A repeat is of another answer of its rater, which may have been skipped."""
    raters = rows.cells("rater")
    row_of = {name: row for row, name in enumerate(rows.cells("vote")) if name}
    for row, first in enumerate(rows.cells("repeats")):
        if not first or row in rows.bad:
            continue
        other = row_of.get(first)
        if other is None or other == row or raters[other] != raters[row]:
            rows.bad[row] = f"repeats {first!r}, which is no other vote of its rater"


def _read_pairs(rows: _Rows) -> None:
    left, right, choice = (rows.cells(name) for name in ("left", "right", "choice"))
    expected = rows.cells("expected")
    sides = np.zeros((rows.count, 2), np.int64)
    outcome = np.zeros(rows.count, np.int64)
    for row in rows.open_rows():
        answer = choice[row].strip()
        if answer.lower() == _SKIPPED:
            rows.skipped.add(row)
            continue
        value = _CHOICES.get(answer.lower())
        if value is None and answer and _name(answer) in (left[row], right[row]):
            value = 1 if _name(answer) == left[row] else -1
        if value is None:
            known = "left, right, tie, skip or one of the two systems"
            rows.bad[row] = f"has the choice {answer!r}; {known} is expected" if answer else "has no choice"
            continue
        if rows.is_check[row]:
            right_answer = _CHOICES.get(expected[row].strip().lower())
            if right_answer is None:
                rows.bad[row] = f"is a check whose expected answer is {expected[row]!r}"
            else:
                rows.check(row, value == right_answer)
            continue
        if left[row] == right[row] != "":
            rows.bad[row] = f"compares {left[row]} with itself"
            continue
        sides[row] = rows.system(row, left[row], "left"), rows.system(row, right[row], "right")
        outcome[row] = value
    rows.arrays = {"left": sides[:, 0], "right": sides[:, 1], "outcome": outcome}


def _read_choices(rows: _Rows) -> None:
    places = [rows.cells(f"shown_{number}") for number in range(1, _MOST_SHOWN + 1)]
    best, worst, expected = ([_name(cell) for cell in rows.cells(name)] for name in ("best", "worst", "expected"))
    if any(rows.cells("shown_5")):
        raise InputError(f"{rows.path} shows five systems or more at once; {_MOST_SHOWN} are the most that are fitted")
    shown = np.full((rows.count, _MOST_SHOWN), -1)
    chosen = np.full((rows.count, 2), -1)
    for row in rows.open_rows():
        if best[row].strip().lower() == _SKIPPED:
            rows.skipped.add(row)
            continue
        names = [cells[row] for cells in places if cells[row] != ""]
        if rows.is_check[row]:
            if expected[row] not in names:
                rows.bad[row] = f"is a check whose expected answer, {expected[row]!r}, was not shown"
            else:
                rows.check(row, best[row] == expected[row])
            continue
        if len(names) < 2:
            rows.bad[row] = "shows fewer than two systems"
        elif len(set(names)) < len(names):
            rows.bad[row] = f"shows {next(name for name in names if names.count(name) > 1)} twice"
        elif best[row] not in names:
            rows.bad[row] = f"has {best[row]!r} as best, which was not shown" if best[row] else "has no best"
        elif worst[row] and worst[row] not in names:
            rows.bad[row] = f"has {worst[row]!r} as worst, which was not shown"
        elif worst[row] == best[row]:
            rows.bad[row] = f"has {best[row]} as best and as worst"
        else:
            numbers = [rows.system(row, name, f"shown_{place}") for place, name in enumerate(names, start=1)]
            shown[row, : len(numbers)] = numbers
            chosen[row, 0] = numbers[names.index(best[row])]
            chosen[row, 1] = numbers[names.index(worst[row])] if worst[row] else -1
    rows.arrays = {"shown": shown, "best": chosen[:, 0], "worst": chosen[:, 1]}


def _read_opinions(rows: _Rows) -> None:
    names, scores, expected = (rows.cells(name) for name in ("system", "score", "expected"))
    system, score = np.zeros(rows.count, np.int64), np.zeros(rows.count)
    for row in rows.open_rows():
        if scores[row].strip().lower() == _SKIPPED:
            rows.skipped.add(row)
            continue
        value = _number(scores[row])
        if value is None or not abs(value) <= _LARGEST_SCORE:
            rows.bad[row] = f"has the score {scores[row]!r}; a number is expected" if scores[row] else "has no score"
        elif rows.is_check[row]:
            limits = _range(expected[row])
            if limits is None:
                rows.bad[row] = f"is a check whose expected answer is {expected[row]!r}; give a score, or two as in 1-2"
            else:
                rows.check(row, limits[0] <= value <= limits[1])
        else:
            system[row], score[row] = rows.system(row, names[row], "system"), value
    rows.arrays = {"system": system, "score": score}


def _read_realness(rows: _Rows) -> None:
    names, truth, answers, limits = (rows.cells(name) for name in ("system", "truth", "answer", "exposure_ms"))
    expected = rows.cells("expected")
    system, judged = np.full(rows.count, -1), np.zeros(rows.count, bool)
    exposure = np.full(rows.count, np.inf)
    for row in rows.open_rows():
        answer = answers[row].strip().lower()
        if answer == _SKIPPED:
            rows.skipped.add(row)
            continue
        if answer not in (_REAL, "fake"):
            rows.bad[row] = f"has the answer {answers[row]!r}; real, fake and skip are known"
            continue
        if rows.is_check[row]:
            if expected[row] not in (_REAL, "fake"):
                rows.bad[row] = f"is a check whose expected answer is {expected[row]!r}; real and fake are known"
            else:
                rows.check(row, answer == expected[row])
            continue
        time = np.inf if limits[row].strip().lower() in ("", "unlimited") else _number(limits[row])
        if truth[row] not in (_REAL, "fake"):
            rows.bad[row] = f"has the truth {truth[row]!r}; real and fake are known"
        elif time is None or not time > 0:
            rows.bad[row] = f"has the exposure {limits[row]!r}; milliseconds are expected"
        else:
            system[row] = -1 if truth[row] == _REAL else rows.system(row, names[row], "system")
            judged[row], exposure[row] = answer == _REAL, time
    rows.arrays = {"system": system, "judged_real": judged, "exposure": exposure}


def _number(text: str) -> float | None:
    """A number as tables have it: no 1_000, and no other digits than 0 to 9."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _range(text: str) -> tuple[float, float] | None:
    """A score, or two with a hyphen between them."""
    low, separator, high = text.partition("-")
    ends = _number(low), _number(high if separator else low)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _collected(table: Table, design: Design, rows: _Rows, bad: Sequence[BadRow]) -> Votes:
    good = np.array(
        [row not in rows.bad and row not in rows.skipped and row not in rows.passed for row in range(rows.count)], bool
    )
    if not good.any():
        counts = f"{rows.count:,} rows, {len(rows.skipped):,} of them skipped and {len(rows.passed):,} checks"
        raise InputError(f"{table.path} holds no vote: {counts}")
    raters, rater = _numbered(rows.cells("rater"))
    items, item = _numbered(rows.cells("item"))
    questions, question = _numbered(rows.cells("question"))
    categories, category = _numbered(rows.cells("category"))
    ids = [name or place for name, place in zip(rows.cells("vote"), table.places, strict=True)]
    of_id = {ids[row]: number for number, row in enumerate(np.flatnonzero(good).tolist())}
    repeated = rows.cells("repeats")
    checked = np.zeros((len(raters), 2), np.int64)
    for row, passed in rows.passed.items():
        if row not in rows.bad and rater[row] >= 0:
            checked[rater[row]] += (passed, 1)
    skipped = np.zeros(len(raters), np.int64)
    for row in rows.skipped:
        if rater[row] >= 0:
            skipped[rater[row]] += 1
    kinds: dict[Design, type[Answers]] = {
        "2afc": PairAnswers,
        "best-of-n": ChoiceAnswers,
        "mos": OpinionAnswers,
        "real-or-fake": RealnessAnswers,
    }
    rows_of_good = np.flatnonzero(good).tolist()
    return Votes(
        design=design,
        answers=kinds[design](**{name: array[good] for name, array in rows.arrays.items()}),
        systems=tuple(rows.systems),
        rater=rater[good],
        item=item[good],
        question=question[good],
        category=category[good],
        raters=raters,
        items=items,
        questions=questions,
        categories=categories,
        vote=tuple(ids[row] for row in rows_of_good),
        milliseconds=_numbers(rows.cells("milliseconds"))[good],
        trial=_numbers(rows.cells("trial"))[good],
        repeats=np.array([of_id.get(repeated[row], -1) if repeated[row] else -1 for row in rows_of_good], np.int64),
        checked=tuple((int(passed), int(all_)) for passed, all_ in checked),
        skipped=tuple(skipped.tolist()),
        path=table.path,
        sha256=table.sha256,
        rows=len(table) + len(table.broken),
        bad=tuple(bad),
    )


def _numbered(cells: Sequence[str]) -> tuple[tuple[str, ...], Int[np.ndarray, " n"]]:
    """Names in the order in which they come, and each cell's number; -1 of empty ones."""
    numbers: dict[str, int] = {}
    found = np.array([numbers.setdefault(cell, len(numbers)) if cell else -1 for cell in cells], np.int64)
    return tuple(numbers), found


def _numbers(cells: Sequence[str]) -> Float[np.ndarray, " n"]:
    found = [_number(cell) if cell else None for cell in cells]
    return np.array([np.nan if value is None else value for value in found])
