"""Boxes on a picture: outlines that are told apart without colours too, and labels that do not lie on each other."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from jaxeval.detection import ShownBox
from jaxeval.report.drawing import PAPER, fitted
from jaxeval.report.lettering import drawable, shortened, text_width, write

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]

MOST_BOXES = 200
"""Boxes that are drawn on one image."""

_MOST_TAGS = 40
_SIZE, _TAG = 11, 15
_WIDEST_TAG = 150
_DASH, _BETWEEN = 8, 9
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


@dataclasses.dataclass(frozen=True)
class Style:
    """How boxes of one kind are drawn.

    Attributes:
      colour: of Okabe's and Ito's palette, which people with any colour vision tell apart.
      dashed: whether the line is.
      mark: before the label.
      meaning: for the legend.
    """

    colour: Colour
    dashed: bool
    mark: str
    meaning: str


STYLES = {
    ("found", True): Style((0, 158, 115), False, "\u2713 ", "found, as asked"),
    ("found", False): Style((213, 94, 0), False, "\u2717 ", "found, not as asked"),
    ("found", None): Style((153, 153, 153), False, "", "found beside"),
    ("asked", True): Style((86, 180, 233), True, "\u2713 ", "asked for, found"),
    ("asked", False): Style((230, 159, 0), True, "\u2717 ", "asked for, not found"),
    ("asked", None): Style((86, 180, 233), True, "", "asked for"),
}
"""By whether boxes were asked for or found, and whether they are good."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A picture with boxes.

    Attributes:
      picture: of the width that was asked for.
      kinds: of the boxes that are on it, keys of `STYLES`.
      remarks: what of the boxes is not on it, a sentence each.
    """

    picture: Image.Image
    kinds: frozenset[tuple[str, bool | None]]
    remarks: tuple[str, ...]


def draw_boxes(
    pixels: UInt8[np.ndarray, "h w 3"],
    asked: Sequence[ShownBox],
    found: Sequence[ShownBox],
    *,
    width: int,
    height: int,
) -> Drawn:
    """An image with the boxes that were asked for and found; what reaches beyond it is cut off at its edge.

    The most confident boxes are on top, and labelled first.

    Args:
      pixels: of the image.
      asked: dashed.
      found: solid.
      width: of the picture, in which the image is as large as fits.
      height: that the image may have.
    """
    image = fitted(pixels, width, height)
    picture = Image.new("RGB", (width, image.height + _TAG), PAPER)  # labels may stand above boxes at the upper edge
    picture.paste(image, (0, _TAG))
    draw = ImageDraw.Draw(picture)
    scale = image.width / pixels.shape[1], image.height / pixels.shape[0]
    ordered = sorted(found, key=lambda one: 0.0 if one.score is None else -one.score)
    rows = [("asked", one) for one in asked] + [("found", one) for one in ordered]
    outside = [row for row in rows if _outside(row[1].box, pixels.shape)]
    shown = [row for row in rows if row not in outside] if outside else rows
    remarks = []
    if outside:
        few = "1 box lies" if len(outside) == 1 else f"{len(outside):,} boxes lie"
        remarks.append(f"{few} outside of the image: {_some([one for _, one in outside])}")
    if len(shown) > MOST_BOXES:
        remarks.append(f"{len(shown) - MOST_BOXES:,} more boxes, the least confident, are not drawn")
        shown = shown[:MOST_BOXES]
    places = [_on_picture(one.box, scale, image.size) for _, one in shown]
    thick = 2 if len(shown) <= _MOST_TAGS else 1
    for (kind, one), place in reversed(list(zip(shown, places, strict=True))):
        _outline(draw, place, STYLES[kind, one.good], thick)
    taken: list[Rectangle] = []
    untold = 0
    # Misses and what is wrong are what a reader looks for.
    order = sorted(range(len(shown)), key=lambda row: shown[row][1].good is not False)
    for row in order:
        kind, one = shown[row]
        told = len(taken) < _MOST_TAGS and _tag(draw, places[row], kind, one, picture.size, taken)
        untold += not told
    if untold:
        few = "1 box has" if untold == 1 else f"{untold:,} boxes have"
        remarks.append(f"{few} no label, for want of room")
    kinds = frozenset((kind, one.good) for kind, one in shown)
    return Drawn(picture, kinds, tuple(remarks))


def tag_text(kind: str, box: ShownBox) -> str:
    """What stands on a box: what was read in it, or else its label, and the confidence."""
    mark = STYLES[kind, box.good].mark
    name = f"\u201c{drawable(box.text)}\u201d" if box.text is not None else drawable(box.label)
    score = "" if box.score is None else f" {box.score:.2f}"
    return f"{mark}{shortened(name, _SIZE, _WIDEST_TAG)}{score}"


def legend(kinds: frozenset[tuple[str, bool | None]], width: int) -> Image.Image | None:
    """A line of what the outlines mean; None where there are no boxes."""
    chosen = [style for kind, style in STYLES.items() if kind in kinds]
    if not chosen:
        return None
    picture = Image.new("RGB", (width, 22), PAPER)
    draw = ImageDraw.Draw(picture)
    left = 0.0
    for style in chosen:
        _outline(draw, (left + 1, 4, left + 25, 17), style, 2)
        said = f"{style.mark}{style.meaning}"
        write(draw, (left + 32, 4), said, 12)
        left += 32 + text_width(said, 12) + 24
    return picture


def _some(boxes: Sequence[ShownBox]) -> str:
    more = f" and {len(boxes) - 3:,} more" if len(boxes) > 3 else ""
    return ", ".join(drawable(one.label) for one in boxes[:3]) + more


def _outside(box: Rectangle, shape: tuple[int, ...]) -> bool:
    left, top, width, height = box
    return left >= shape[1] or top >= shape[0] or left + width < 0 or top + height < 0


def _on_picture(box: Rectangle, scale: tuple[float, float], size: tuple[int, int]) -> Rectangle:
    """Left, top, right and bottom of a box on the picture, cut off at the image's edges."""
    left, top, width, height = box
    corners = left * scale[0], top * scale[1], (left + width) * scale[0], (top + height) * scale[1]
    within = [min(max(value, 0.0), size[axis % 2] - 1.0) for axis, value in enumerate(corners)]
    return within[0], within[1] + _TAG, within[2], within[3] + _TAG


def _outline(draw: ImageDraw.ImageDraw, place: Rectangle, style: Style, thick: int) -> None:
    """A rectangle with black inside its line, so that it is seen on any ground.

    Through the gaps of a dashed one is seen what is below, perhaps another box at the same place.
    """
    left, top, right, bottom = (round(value) for value in place)
    if not style.dashed:
        draw.rectangle((left, top, right, bottom), outline=_BLACK, width=thick + 1)
        draw.rectangle((left, top, right, bottom), outline=style.colour, width=thick)
        return
    dashes: list[tuple[int, int, int, int]] = []
    inner = thick - 1
    for start in range(left, right + 1, _DASH + _BETWEEN):
        end = min(start + _DASH, right)
        dashes += [(start, top, end, top + inner), (start, max(top, bottom - inner), end, bottom)]
    for start in range(top, bottom + 1, _DASH + _BETWEEN):
        end = min(start + _DASH, bottom)
        dashes += [(left, start, left + inner, end), (max(left, right - inner), start, right, end)]
    for x, y, x_end, y_end in dashes:
        draw.rectangle((x - 1, y - 1, x_end + 1, y_end + 1), fill=_BLACK)
    for dash in dashes:
        draw.rectangle(dash, fill=style.colour)


def _tag(
    draw: ImageDraw.ImageDraw,
    place: Rectangle,
    kind: str,
    box: ShownBox,
    size: tuple[int, int],
    taken: list[Rectangle],
) -> bool:
    """Writes a box's label at the first of its places that is free; whether there is one."""
    style = STYLES[kind, box.good]
    said = tag_text(kind, box)
    width = text_width(said, _SIZE) + 6
    left, top, right, bottom = place
    corners = [(left, top - _TAG), (left, bottom + 1), (left, top), (right - width, top - _TAG), (left, bottom - _TAG)]
    corners += [(right - width, bottom - _TAG), (right + 2, top), (right - width, bottom + 1), (left, top + _TAG)]
    for x, y in corners:
        x = round(min(max(x, 0), size[0] - width))
        if x < 0 or y < 0 or y + _TAG > size[1]:
            continue
        own = x, y, x + width, y + _TAG
        if any(own[0] < b[2] and b[0] < own[2] and own[1] < b[3] and b[1] < own[3] for b in taken):
            continue
        taken.append(own)
        draw.rectangle((x, round(y), round(x + width) - 1, round(y) + _TAG - 1), fill=style.colour)
        write(draw, (x + 3, round(y) + 1), said, _SIZE, _readable(style.colour))
        return True
    return False


def _readable(ground: Colour) -> Colour:
    """Black or white, whichever has more contrast."""
    linear = [(value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4) for value in ground]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return _BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else _WHITE
