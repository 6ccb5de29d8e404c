"""Tables with a row for each box: CSV, TSV, JSON lines or Parquet."""

import dataclasses
import re
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval.detection.box_columns import CORNERS, SIDES, named_columns
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.image_names import places_of_names, said_of_others
from jaxeval.detection.parts_of_sides import pixels_of_parts, said_or_seen, too_far
from jaxeval.errors import InputError
from jaxeval.tables import Table

_SIZE = ("image_height", "image_width")
_OF_TRUTH = ("image", "label", "area", "crowd", "iscrowd", "difficult", "ignore", "prompt", *_SIZE)
_OF_FOUND = ("image", "label", "text", "score", *_SIZE)
_NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
"""Python's numbers may be 1_000 too, or have the digits of any script."""
_WHOLE = re.compile(r"-?[0-9]{1,15}")  # up to 2**53 and a little less
_OF_BOXES = ("score", "text", "area", "id")  # which an image without a box has not
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no", "")


def true_boxes_of_table(table: Table, name: str, normalised: bool | None) -> TrueBoxes:
    """What a table says is in images, or is asked for.

    Args:
      table: with columns image, label, and x, y, width, height (or x1, y1, x2, y2); perhaps area, crowd, difficult, id,
        prompt, image_width and image_height; or by the names of `box_columns`. A row with an image and no label and box
        says that nothing is in it.
      name: of the set.
      normalised: whether boxes are given in parts of the image's sides; None if nothing was said of it.

    Raises:
      InputError: a column is missing, or a cell has no value that it can have.
    """
    table = named_columns(table, _OF_TRUTH)
    rows = _Rows(table)
    sizes = rows.sizes()
    boxes = pixels_of_parts(rows.boxes(), sizes, rows.image, rows.images, table.path, normalised)
    areas = boxes[:, 2] * boxes[:, 3]
    if "area" in table.columns and not normalised:
        areas = rows.numbers("area", least=0)
    return TrueBoxes(
        name=name,
        images=rows.images,
        labels=rows.labels,
        image=rows.image,
        label=rows.label,
        boxes=boxes,
        areas=areas,
        crowd=rows.flags("crowd"),
        ignored=rows.flags("difficult"),
        ids=rows.ids(),
        sizes=sizes,
        prompts=rows.prompts(),
    )


def found_boxes_of_table(table: Table, name: str, truth: TrueBoxes | None, normalised: bool | None) -> FoundBoxes:
    """What a table says was found in images.

    Args:
      table: as for `true_boxes_of_table`, with a column score, and perhaps text.
      name: of the set.
      truth: whose images were looked at; None if those of the table are all.
      normalised: as for `true_boxes_of_table`.

    Raises:
      InputError: as for `true_boxes_of_table`, or an image is none of the truth's.
    """
    table = named_columns(table, _OF_FOUND)
    rows = _Rows(table)
    scores = rows.numbers("score")
    images, labels, image, sizes = rows.images, rows.labels, rows.image, rows.sizes()
    label, warnings = rows.label, []
    if truth is not None:
        own_places, others = places_of_names(images, truth.images, extension=True)
        if (own_places < 0).any():
            unknown = images[int(np.argmin(own_places))]
            raise InputError(
                f"{table.path} has the image {unknown!r}, which {truth.name} has not, or more than one that may be "
                "meant"
            )
        if len(set(own_places.tolist())) != len(own_places):
            raise InputError(f"{table.path} calls one image of {truth.name} by two names; name it as that does")
        warnings, own_sizes = said_of_others(table.path, others), sizes
        image = own_places[image]
        images, sizes = truth.images, np.zeros((len(truth.images), 2), np.int64)
        sizes[own_places] = own_sizes
        if truth.sizes is not None:
            sizes = np.where((truth.sizes > 0).all(1, keepdims=True), truth.sizes, sizes)
        merged = tuple(dict.fromkeys((*truth.labels, *labels)))
        label = np.array([merged.index(own) for own in labels], np.int64)[label]
        labels = merged
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        warnings.append(
            f"{table.path}: {outside:,} of {len(scores):,} scores are not from 0 to 1; only their order counts"
        )
    return FoundBoxes(
        name=name,
        images=images,
        labels=labels,
        image=image,
        label=label,
        boxes=pixels_of_parts(rows.boxes(), sizes, image, images, table.path, said_or_seen(normalised, truth)),
        scores=scores,
        texts=tuple(rows.cells("text")) if "text" in table.columns else None,
        sizes=sizes,
        identity={"file": table.path, "sha256": table.sha256, "format": "table", "warnings": warnings},
    )


class _Rows:
    """The rows of a table that have a box, and all images."""

    def __init__(self, table: Table):
        if table.broken:
            place, reason = table.broken[0]
            raise InputError(f"{table.path}: {place} {reason}")
        for column in ("image", "label"):
            if column not in table.columns:
                raise InputError(f"{table.path} has no column {column!r}; name the columns in its first line")
        stripped = {column: [cell.strip() for cell in table.columns[column]] for column in ("image", "label")}
        self._table = table = dataclasses.replace(table, columns={**table.columns, **stripped})
        ways = [way for way in (SIDES, CORNERS) if set(way) <= set(table.columns)]
        if len(ways) != 1:
            both = "both" if ways else "neither"
            raise InputError(
                f"{table.path} has {both} the columns {', '.join(SIDES)} and {', '.join(CORNERS)}; give boxes in one "
                "of these ways"
            )
        self._way = ways[0]
        boxed = [column for column in ("label", *self._way) if column in table.columns]
        self._kept: list[int] = []
        for row in range(len(table)):
            if not table.columns["image"][row]:
                self._fail(row, "names no image")
            filled = [bool(table.columns[column][row].strip()) for column in boxed]
            if all(filled):
                self._kept.append(row)
            elif any(filled):
                self._fail(row, f"has no {boxed[filled.index(False)]}; fill it in, or leave label and box out together")
            else:
                of_box = [one for one in _OF_BOXES if one in table.columns and table.columns[one][row].strip()]
                if of_box:
                    self._fail(row, f"has {of_box[0]} {table.columns[of_box[0]][row][:40]!r} and no label and box")
        self.images = tuple(dict.fromkeys(table.columns["image"]))
        self.image = self._places("image", self.images)
        self.labels = tuple(sorted(set(self.cells("label"))))
        self.label = self._places("label", self.labels)

    def cells(self, column: str) -> list[str]:
        """The cells of the rows with a box."""
        cells = self._table.columns[column]
        return [cells[row] for row in self._kept]

    def boxes(self) -> Float[np.ndarray, "n 4"]:
        """Left, top, width and height."""
        boxes = np.stack([self.numbers(column) for column in self._way], 1)
        far = too_far(boxes)
        if far.any():
            row = int(np.flatnonzero(far)[0])
            self._fail(self._kept[row], f"has the box {boxes[row].tolist()}; no image is so large")
        if self._way == CORNERS:
            boxes[:, 2:] -= boxes[:, :2]
        negative = (boxes[:, 2:] < 0).any(1)
        if negative.any():
            row = int(np.flatnonzero(negative)[0])
            width, height = boxes[row, 2:]
            self._fail(self._kept[row], f"has a box of width {width:g} and height {height:g}; neither may be negative")
        return boxes

    def numbers(self, column: str, least: float | None = None) -> Float[np.ndarray, " n"]:
        """A column of finite numbers."""
        if column not in self._table.columns:
            raise InputError(f"{self._table.path} has no column {column!r}; name the columns in its first line")
        cells = self.cells(column)
        found = np.array([float(cell) if _NUMBER.fullmatch(cell) else np.nan for cell in cells], np.float64)
        wrong = ~np.isfinite(found) | (found < (-np.inf if least is None else least))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            above = "" if least is None else f" of {least:g} or more"
            self._fail(self._kept[row], f"has {column} {cells[row][:40]!r}; give a finite number{above}")
        return found

    def flags(self, column: str) -> Bool[np.ndarray, " n"] | None:
        """A column of 0 and 1; None where there is none."""
        if column not in self._table.columns:
            return None
        cells = [cell.strip().lower() for cell in self.cells(column)]
        for row, cell in zip(self._kept, cells, strict=True):
            if cell not in (*_YES, *_NO):
                self._fail(row, f"has {column} {cell[:40]!r}; give 0 or 1")
        return np.array([cell in _YES for cell in cells], bool)

    def ids(self) -> Int[np.ndarray, " n"] | None:
        """The boxes' numbers; None where they have none, or texts."""
        cells = [cell.strip() for cell in self.cells("id")] if "id" in self._table.columns else []
        if not any(cells):
            return None
        whole = all(map(_WHOLE.fullmatch, cells))
        ids = [int(cell) if whole else cell for cell in cells]
        seen: set[int | str] = set()
        for row, own in zip(self._kept, ids, strict=True):
            if own == "":
                self._fail(row, "has no id, and others have; give each its own")
            if own in seen:
                self._fail(row, f"has the id {own}, which another one has; give each its own")
            seen.add(own)
        return np.array(ids, np.int64) if whole else None

    def sizes(self) -> Int[np.ndarray, "images 2"]:
        """Height and width of each image, zeros where the table does not say."""
        found = np.zeros((len(self.images), 2), np.int64)
        if not set(_SIZE) <= set(self._table.columns):
            return found
        places = {own: place for place, own in enumerate(self.images)}
        for row, own in enumerate(self._table.columns["image"]):
            cells = [self._table.columns[column][row].strip() for column in _SIZE]
            if cells == ["", ""]:
                continue
            if not all(cell.isascii() and cell.isdigit() and len(cell) < 10 for cell in cells):
                self._fail(row, f"has image_height {cells[0][:40]!r} and image_width {cells[1][:40]!r}; give pixels")
            size = list(map(int, cells))
            known = found[places[own]]
            if known.any() and known.tolist() != size:
                self._fail(row, f"says that {own} is {size[0]} x {size[1]}, and another row {known[0]} x {known[1]}")
            found[places[own]] = size
        return found

    def prompts(self) -> tuple[str, ...] | None:
        """The text of each image; None where the table has no such column."""
        if "prompt" not in self._table.columns:
            return None
        found = dict.fromkeys(self.images, "")
        for row, (own, text) in enumerate(
            zip(self._table.columns["image"], self._table.columns["prompt"], strict=True)
        ):
            if text and found[own] not in ("", text):
                self._fail(row, f"has another prompt of {own} than a row before it")
            found[own] = text or found[own]
        return tuple(found.values())

    def _places(self, column: str, names: Sequence[str]) -> Int[np.ndarray, " n"]:
        places = {own: place for place, own in enumerate(names)}
        return np.array([places[cell] for cell in self.cells(column)], np.int64)

    def _fail(self, row: int, why: str) -> NoReturn:
        raise InputError(f"{self._table.path}: {self._table.places[row]} {why}")
