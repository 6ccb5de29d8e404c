"""Columns of tables of boxes by the names that other tools write too: TensorFlow's, VOC's, COCO's and others'.

Capitals, spaces and hyphens of a header make no difference: `File Name` is file_name.
"""

import dataclasses
import difflib
import re
from collections.abc import Sequence

from jaxeval.errors import InputError
from jaxeval.tables import Table

SIDES = ("x", "y", "width", "height")
CORNERS = ("x1", "y1", "x2", "y2")

_OTHER_NAMES = {
    "image": ("filename", "file_name", "image_name", "image_path", "image_id", "imageid"),
    "label": ("class", "class_name", "category", "category_name", "labelname", "label_name", "name"),
    "score": ("confidence", "conf"),
    "x": ("left",),
    "y": ("top",),
    "x1": ("xmin", "x_min", "left"),
    "y1": ("ymin", "y_min", "top"),
    "x2": ("xmax", "x_max", "right"),
    "y2": ("ymax", "y_max", "bottom"),
    "prompt": ("caption",),
}
_MARKS = {  # of each, any of several columns may say so
    "crowd": ("crowd", "iscrowd", "is_crowd"),
    "difficult": ("difficult", "is_difficult", "ignore", "ignored"),
}
_NEAR = 0.8  # of two names that one may be meant for the other


def named_columns(table: Table, expected: Sequence[str]) -> Table:
    """The table with its columns by the names that are read here; others are as they were.

    Args:
      table: of a file.
      expected: columns that are read if they are there, and that a misspelt one may be meant for.

    Raises:
      InputError: two columns may be the same one, or one has nearly the name of another that is not there.
    """
    folded: dict[str, list[str]] = {}
    for column in table.columns:
        folded.setdefault(re.sub(r"[\s-]+", "_", column.strip().lower()), []).append(column)
    marks = {one for ones in _MARKS.values() for one in ones}
    # `left` begins a box by its corners where `right` is there too, and else one by its sides.
    corners = bool({"right", "bottom", "x2", "y2", "xmax", "ymax", "x_max", "y_max"} & set(folded))
    found: dict[str, list[str]] = {}
    used: set[str] = set()
    known = [*_OTHER_NAMES, "width", "height", "area", "id", "text", "image_width", "image_height"]
    for name in known:
        others = _OTHER_NAMES.get(name, ()) if name not in (SIDES[:2] if corners else CORNERS) else ()
        given = [column for own in (name, *others) for column in folded.get(own, ())]
        exact = folded.get(name, [])
        given = [name] if name in table.columns else exact or given
        if len(given) > 1:
            raise InputError(
                f"{table.path} has the columns {' and '.join(map(repr, given))}, each of which may be the {name}; call "
                f"the right one {name!r}"
            )
        if given:
            found[name] = table.columns[given[0]]
            used.add(given[0])
    for name, ones in _MARKS.items():
        given = [column for own in ones for column in folded.get(own, ())]
        used.update(given)
        if given:
            found[name] = _either([table.columns[column] for column in given])
    for column in table.columns:
        own = re.sub(r"[\s-]+", "_", column.strip().lower())
        near = difflib.get_close_matches(own, [name for name in expected if name not in found], 1, _NEAR)
        if near and column not in used and own not in marks:
            raise InputError(
                f"{table.path} has a column {column!r}, which is not read; call it {near[0]!r} if it is that, or leave "
                "it out"
            )
    rest = {column: cells for column, cells in table.columns.items() if column not in used and column not in found}
    return dataclasses.replace(table, columns={**found, **rest})


def _either(columns: Sequence[Sequence[str]]) -> list[str]:
    """Of each row the first cell that says anything but no; else the first."""
    return [
        next((cell for cell in cells if cell.strip().lower() not in ("", "0", "false", "no")), cells[0])
        for cells in zip(*columns, strict=True)
    ]
