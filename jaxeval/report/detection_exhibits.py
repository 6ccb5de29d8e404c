"""The worst images of judging by detection as pictures: boxes on each, and below it in words why it is no better."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from jaxeval.detection import DetectionEvaluation, ImageOutcome
from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.images import Source, open_source
from jaxeval.images.upright import upright_pixels
from jaxeval.report.box_drawing import Drawn, draw_boxes, legend
from jaxeval.report.drawing import FAINT, INK, PAPER, file_names, png_bytes
from jaxeval.report.lettering import drawable, lacking, shortened, wrapped, write
from jaxeval.report.table import format_value

_WIDTH, _HEIGHT, _GAP, _HEAD = 480, 420, 16, 64
_COLUMNS = 2
_OF_SHEET = 24  # images of one file
_MOST_PROMPT, _MOST_READ, _MOST_REASONS, _MOST_LINES = 3, 4, 5, 3
_BEYOND_TABLES = {"found50": "share of boxes asked for that were found (IoU 0.5)"}  # what only images have
_LACKING = "letters that no font of this machine has are written as their numbers in Unicode (U+...)"


def draw_detection(
    evaluation: DetectionEvaluation, folder: str | Path, *, images: Any = None, count: int = 8
) -> list[Path]:
    """Draws the worst images of each set into a folder, which is made if need be.

    A set has a sheet, `SET.png`, and more (`SET_2.png`, ...) where it is of more than 24 images. Each image has its
    place, name, numbers and prompt above it, and why it is no better below. Boxes that were asked for are dashed, those
    that were found solid, and marked with \u2713 and \u2717. Images are turned as EXIF says where the detector saw them
    so.

    Args:
      evaluation: what a task of `jaxeval.detection` gave back.
      folder: where to.
      images: the images that were judged: sets by name, each whatever `jaxeval.images.open_source` takes. By default
        they are taken from where the evaluation says that they were.
      count: images of each set; at least 1.

    Returns:
      The sheets.

    Raises:
      InputError: there are no images of a set, one is gone, or the folder cannot be written.
    """
    if count < 1:
        raise InputError(f"the number of exhibits is {count}; at least 1 can be drawn")
    folder = local_path(folder)
    check_writable(folder)
    sets = list(dict.fromkeys(outcome.set for outcome in evaluation.outcomes))
    places = dict(evaluation.manifest["sets"]) if images is None else images
    sheets = []
    for name, own in zip(sets, file_names(sets), strict=True):
        ordered = worst_outcomes(evaluation, name)
        chosen = ordered[:count]
        pixels = _pixels(_source(places, name), name, chosen, _exif(evaluation, name))
        title = f"worst {len(chosen):,} of {len(ordered):,} images by {_label(evaluation)}"
        if len(chosen) == len(ordered):
            title = f"{len(ordered):,} image{'' if len(ordered) == 1 else 's'} by {_label(evaluation)}, worst first"
        cards = [
            _card(rank, outcome, image, evaluation)
            for rank, (outcome, image) in enumerate(zip(chosen, pixels, strict=True), start=1)
        ]
        for number, start in enumerate(range(0, len(cards), _OF_SHEET), start=1):
            path = folder / f"{own}{'' if number == 1 else f'_{number}'}.png"
            sheet = _sheet(name, title, cards[start : start + _OF_SHEET])
            write_atomically(path, png_bytes(sheet))
            sheets.append(path)
    return sheets


def worst_outcomes(evaluation: DetectionEvaluation, set_name: str) -> list[ImageOutcome]:
    """The images of a set from the worst to the best by the evaluation's order; those without a number come last.

    Equally bad ones are in the order of their names.
    """
    better = next((one.better for one in evaluation.scores if one.metric == evaluation.order), "higher")
    sign = -1.0 if better == "lower" else 1.0

    def key(outcome: ImageOutcome) -> tuple[bool, float, str]:
        value = outcome.values.get(evaluation.order)
        if value is None or math.isnan(value):
            return True, 0.0, outcome.image
        return False, sign * value, outcome.image

    return sorted((one for one in evaluation.outcomes if one.set == set_name), key=key)


def _label(evaluation: DetectionEvaluation) -> str:
    usual = _BEYOND_TABLES.get(evaluation.order, evaluation.order)
    return drawable(next((one.label for one in evaluation.scores if one.metric == evaluation.order), usual))


def _source(places: Mapping[str, Any], name: str) -> Source:
    place = places.get(name)
    if place is None or (isinstance(place, str) and not place):
        raise InputError(f"there are no images of the set {name!r} to draw boxes on; give images by this name")
    return open_source(place, name=name)


def _exif(evaluation: DetectionEvaluation, name: str) -> str:
    """Whether the detector saw images turned as EXIF says; detectors' own tools do."""
    detectors = evaluation.manifest.get("detector")
    identity = detectors.get(name) if isinstance(detectors, Mapping) else None
    said = identity.get("exif") if isinstance(identity, Mapping) else None
    return said if isinstance(said, str) else "apply"


def _pixels(source: Source, name: str, chosen: Sequence[ImageOutcome], exif: str) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """The images, as the detector saw them."""
    wanted = {outcome.image for outcome in chosen}
    found = {item.name: upright_pixels(item, turn=exif == "apply")[0] for item in source.items() if item.name in wanted}
    gone = next((outcome.image for outcome in chosen if outcome.image not in found), None)
    if gone is not None:
        raise InputError(f"{name} has no image {gone!r} any more; judge it again, or give the images that were judged")
    return [found[outcome.image] for outcome in chosen]


@dataclasses.dataclass(frozen=True)
class _Card:
    """One image of a sheet.

    Attributes:
      lines: above the image: text, size and colour.
      drawn: the image.
      below: lines under it.
      lacks: whether the font lacks a letter of it.
    """

    lines: list[tuple[str, int, tuple[int, int, int]]]
    drawn: Drawn
    below: list[tuple[str, int, tuple[int, int, int]]]
    lacks: bool

    @property
    def head(self) -> int:
        return _height(self.lines)

    @property
    def height(self) -> int:
        return self.head + self.drawn.picture.height + 4 + _height(self.below)


def _height(lines: Sequence[tuple[str, int, tuple[int, int, int]]]) -> int:
    return sum(size + 5 for _, size, _ in lines)


def _card(
    rank: int, outcome: ImageOutcome, pixels: UInt8[np.ndarray, "h w 3"], evaluation: DetectionEvaluation
) -> _Card:
    drawn = draw_boxes(pixels, outcome.asked, outcome.found, width=_WIDTH, height=_HEIGHT)
    name = shortened(f"{rank}. {drawable(outcome.image)}", 14, _WIDTH)
    lines = [(name, 14, INK), (shortened(_values(outcome, evaluation), 12, _WIDTH), 12, FAINT)]
    if not outcome.image.startswith(outcome.prompt):  # a prompt that is none but a name
        prompt = wrapped(f"\u201c{drawable(outcome.prompt)}\u201d", 13, _WIDTH, _MOST_PROMPT)
        lines += [(line, 13, INK) for line in prompt]
    below = [(line, 12, FAINT) for line in wrapped("; ".join(drawn.read), 12, _WIDTH, _MOST_READ)]
    for reason in outcome.reasons[:_MOST_REASONS]:
        own = wrapped(drawable(reason), 12, _WIDTH - 12, _MOST_LINES)
        below += [(f"{'- ' if number == 0 else '  '}{line}", 12, INK) for number, line in enumerate(own)]
    if len(outcome.reasons) > _MOST_REASONS:
        below.append((f"and {len(outcome.reasons) - _MOST_REASONS:,} more reasons", 12, FAINT))
    for remark in drawn.remarks:
        below += [(line, 12, FAINT) for line in wrapped(remark, 12, _WIDTH, _MOST_LINES)]
    texts = [outcome.image, outcome.prompt, *outcome.reasons]
    texts += [box.text or box.label for box in (*outcome.asked, *outcome.found)]
    return _Card(lines, drawn, below, any(map(lacking, texts)))


def _values(outcome: ImageOutcome, evaluation: DetectionEvaluation) -> str:
    """The image's numbers that tables have too, that of the order first."""
    labels = {one.metric: one.label for one in evaluation.scores if not one.category}
    names = [evaluation.order, *(name for name in labels if name != evaluation.order)]
    told = []
    for name in names:
        if name not in outcome.values:
            continue
        value = outcome.values[name]
        number = "none" if value is None else f"{value:,.0f}" if value == int(value) else format_value(value)
        told.append(f"{labels.get(name, _BEYOND_TABLES.get(name, name))} {number}")
    category = f"{outcome.category}   " if outcome.category else ""
    return drawable(category + "   ".join(told[:4]))


def _sheet(name: str, title: str, cards: Sequence[_Card]) -> Image.Image:
    columns = min(_COLUMNS, len(cards))
    rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
    heads = [max(card.head for card in row) for row in rows]
    tails = [max(card.height - card.head for card in row) + 2 * _GAP for row in rows]
    width = max(columns * (_WIDTH + _GAP) + _GAP, 2 * _WIDTH)
    kinds = frozenset(kind for card in cards for kind in card.drawn.kinds)
    meanings = legend(kinds, width - 2 * _GAP)
    note = any(card.lacks for card in cards) or lacking(name)
    top = _HEAD + (0 if meanings is None else meanings.height + 8)
    sheet = Image.new("RGB", (width, top + sum(heads) + sum(tails) + (22 if note else 0)), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (_GAP, 8), shortened(drawable(name), 18, width - 2 * _GAP), 18)
    write(draw, (_GAP, 36), shortened(title, 13, width - 2 * _GAP), 13, FAINT)
    if meanings is not None:
        sheet.paste(meanings, (_GAP, _HEAD))
    for row, head, tail in zip(rows, heads, tails, strict=True):
        for column, card in enumerate(row):
            _paste(sheet, draw, (_GAP + column * (_WIDTH + _GAP), top), head, card)
        top += head + tail
    if note:
        write(draw, (_GAP, top), _LACKING, 12, FAINT)
    return sheet


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], head: int, card: _Card) -> None:
    """Puts a card on the sheet; images of one row begin at one height."""
    left, top = place
    _write(draw, left, top, card.lines)
    sheet.paste(card.drawn.picture, (left, top + head))
    _write(draw, left, top + head + card.drawn.picture.height + 4, card.below)


def _write(
    draw: ImageDraw.ImageDraw, left: int, top: int, lines: Sequence[tuple[str, int, tuple[int, int, int]]]
) -> None:
    for text, size, colour in lines:
        write(draw, (left, top), text, size, colour)
        top += size + 5
