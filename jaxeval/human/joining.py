"""Rows of metrics and rows of people brought together by their names."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float, Int

from jaxeval.errors import InputError
from jaxeval.human.values import HumanValues, Key, Scores, named

LEVELS = ("auto", "item", "system")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jxl", ".exr", ".ppm", ".jp2")
_SHOWN = 3  # names in a sentence


@dataclasses.dataclass(frozen=True)
class Joined:
    """The rows that metrics and people have in common, each with a value of all metrics and of people.

    Attributes:
      level: "item" for rows of single items, "system" for whole systems.
      keys: of each row, as people's file has them.
      human: people's values.
      reach: half the widths of their intervals, all of them; None where one is not known.
      metrics: by name, of each row.
      notes: what was left out or averaged, a sentence each.
    """

    level: str
    keys: tuple[Key, ...]
    human: Float[np.ndarray, " n"]
    reach: Float[np.ndarray, " n"] | None
    metrics: dict[str, Float[np.ndarray, " n"]]
    notes: tuple[str, ...]

    def labels(self, part: int) -> Int[np.ndarray, " n"]:
        """A number for each row's item (0) or system (1)."""
        return np.unique([key[part] for key in self.keys], return_inverse=True)[1].reshape(-1)

    def several(self, part: int) -> bool:
        """Whether the rows have items (0) or systems (1), and one of them has more than one row."""
        return bool(self.keys[0][part]) and len({key[part] for key in self.keys}) < len(self.keys)


def join(scores: Scores, human: HumanValues, *, level: str = "auto", unmatched: str = "error") -> Joined:
    """Brings the rows together.

    Rows of items are matched by item and, where both files have systems, by system. On the level of systems the side
    that has items is averaged over them. Names are the same, or, where no two are, the same without the ending of an
    image (items) or without the folders before (systems), which is said.

    Args:
      scores: of metrics.
      human: of people.
      level: "item", "system", or "auto": items where both sides have them.
      unmatched: "error" refuses rows without a partner or a value, "skip" leaves them out and says so.

    Raises:
      InputError: nothing or not everything matches, or a level that a side does not have.
    """
    have = [any(key[0] for key in side.keys) for side in (scores, human)]
    chosen = ("item" if all(have) else "system") if level == "auto" else level
    notes: list[str] = []
    if chosen == "item":
        for side, has in zip((scores, human), have, strict=True):
            if not has:
                raise InputError(f"{side.path} has no items; choose the level 'system', or give a column 'item'")
        ours, theirs = _items_alone(scores, human, notes)
        values = scores.values
    else:
        scores, human = _of_systems(scores, notes), _people_of_systems(human, notes)
        ours, theirs, values = list(scores.keys), list(human.keys), scores.values
    ours, theirs = _alike(ours, theirs, notes)
    places = {key: row for row, key in enumerate(ours)}
    lone = [[key for key in ours if key not in set(theirs)], [key for key in theirs if key not in places]]
    if len(lone[0]) == len(ours):
        raise InputError(
            f"{scores.path} and {human.path} have no name in common: {named(ours[0])} against {named(theirs[0])}; name "
            "items and systems alike"
        )
    for side, own in zip((scores, human), lone, strict=True):
        _leave_out(f"{len(own):,} rows of {side.path} have no partner", [named(key) for key in own], unmatched, notes)
    rows = np.array([places[key] for key in theirs if key in places])
    own_rows = np.array([row for row, key in enumerate(theirs) if key in places])
    known = np.isfinite(human.values[own_rows])
    _without_value(human.path, "people's value", known, own_rows, human.keys, unmatched, notes)
    for name, column in values.items():
        finite = np.isfinite(column[rows])
        _without_value(scores.path, f"finite {name}", finite | ~known, own_rows, human.keys, unmatched, notes)
        known &= finite
    rows, own_rows = rows[known], own_rows[known]
    if len(rows) < 2:
        raise InputError(
            f"{scores.path} and {human.path} have {len(rows)} rows in common with values; give two at least"
        )
    reach = human.reach[own_rows]
    if np.isnan(reach).any() and not np.isnan(reach).all():
        notes.append(
            f"{int(np.isnan(reach).sum()):,} rows of {human.path} have no interval, so that there is no RMSE* and no "
            "outlier ratio"
        )
    return Joined(
        chosen,
        tuple(human.keys[row] for row in own_rows),
        human.values[own_rows],
        None if np.isnan(reach).any() else reach,
        {name: column[rows] for name, column in values.items()},
        tuple(notes),
    )


def _items_alone(scores: Scores, human: HumanValues, notes: list[str]) -> tuple[list[Key], list[Key]]:
    """The keys by which rows of items are matched: without systems where one side has none."""
    sides = (scores, human)
    named_systems = [sorted({key[1] for key in side.keys} - {""}) for side in sides]
    if all(named_systems):
        return list(scores.keys), list(human.keys)
    for side, other, systems in zip(sides, sides[::-1], named_systems, strict=True):
        if len(systems) > 1:
            raise InputError(
                f"{side.path} is of {len(systems)} systems ({', '.join(systems[:_SHOWN])}), and {other.path} does not "
                "say which; give it a column 'system'"
            )
        if systems:
            notes.append(f"{other.path} names no system: its items are taken for those of {systems[0]}")
    return [(key[0], "") for key in scores.keys], [(key[0], "") for key in human.keys]


def _of_systems(scores: Scores, notes: list[str]) -> Scores:
    """The metrics of whole systems; means over the items that have a value, where the file has items."""
    if not any(key[0] for key in scores.keys):
        return scores
    keys, groups = _grouped(scores.path, scores.keys)
    values = {name: _means(column, groups) for name, column in scores.values.items()}
    notes.append(f"metrics of a system are the means over its items in {scores.path}")
    for name, column in scores.values.items():
        lost = int((~np.isfinite(column)).sum())
        if lost:
            notes.append(f"{lost:,} values of {name} are not finite, and not in the means")
    return dataclasses.replace(scores, keys=keys, values=values)


def _people_of_systems(human: HumanValues, notes: list[str]) -> HumanValues:
    if human.systems is not None:
        return human.systems
    if not any(key[0] for key in human.keys):
        return human
    keys, groups = _grouped(human.path, human.keys)
    notes.append(f"people's values of a system are the means over its items in {human.path}, without intervals")
    return dataclasses.replace(human, keys=keys, values=_means(human.values, groups), reach=np.full(len(keys), np.nan))


def _grouped(path: str, keys: Sequence[Key]) -> tuple[tuple[Key, ...], list[list[int]]]:
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key[1], []).append(row)
    if "" in groups:
        raise InputError(f"{path} names no systems; choose the level 'item', or give a column 'system'")
    return tuple(("", system) for system in groups), list(groups.values())


def _means(column: Float[np.ndarray, " n"], groups: Sequence[list[int]]) -> Float[np.ndarray, " s"]:
    found = []
    for rows in groups:
        own = column[rows]
        finite = own[np.isfinite(own)]
        found.append(finite.mean() if finite.size else np.nan)
    return np.array(found)


def _alike(ours: list[Key], theirs: list[Key], notes: list[str]) -> tuple[list[Key], list[Key]]:
    """The keys with names that are less exact where the exact ones have nothing in common."""
    for part, kind, loose, what in (
        (0, "items", _without_ending, "without the ending of an image"),
        (1, "systems", _last_part, "by the last part of the path"),
    ):
        sides = [{key[part] for key in keys} for keys in (ours, theirs)]
        if sides[0] & sides[1]:
            continue
        looser = [{loose(name) for name in side} for side in sides]
        unique = all(len(new) == len(old) for new, old in zip(looser, sides, strict=True))
        if unique and looser[0] & looser[1]:
            notes.append(f"{kind} are matched {what}, as no two names are the same")
            ours, theirs = ([_with(key, part, loose) for key in keys] for keys in (ours, theirs))
    return ours, theirs


def _with(key: Key, part: int, loose: Callable[[str], str]) -> Key:
    return (loose(key[0]), key[1]) if part == 0 else (key[0], loose(key[1]))


def _without_ending(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in _ENDINGS else name


def _last_part(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _without_value(
    path: str,
    what: str,
    known: np.ndarray,
    rows: Int[np.ndarray, " n"],
    keys: Sequence[Key],
    unmatched: str,
    notes: list[str],
) -> None:
    lost = [named(keys[row]) for row in rows[~known]]
    _leave_out(f"{len(lost):,} rows of {path} have no {what}", lost, unmatched, notes)


def _leave_out(sentence: str, names: Sequence[str], unmatched: str, notes: list[str]) -> None:
    """Refuses rows, or says that they are left out."""
    if not names:
        return
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    if unmatched != "skip":
        raise InputError(f"{sentence}: {shown}; mend the names or values, or leave such rows out (--unmatched skip)")
    notes.append(f"{sentence} and are left out: {shown}")
