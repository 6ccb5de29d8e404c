"""Text of the user's in pictures: wrapped, of any script, and what the font lacks said as a number."""

import functools
import unicodedata
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

from jaxeval.report.drawing import INK

_FONT = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size)


@functools.cache
def _letters() -> frozenset[int]:
    return frozenset(FT2Font(_FONT).get_charmap())


def drawable(text: str) -> str:
    """The text with what can be drawn: letters without a picture in the font are written as `U+6F22`.

    Line breaks and other letters that are none become spaces.
    """
    composed = unicodedata.normalize("NFC", text)
    return "".join(_one(letter) for letter in composed)


def _one(letter: str) -> str:
    if letter.isspace():
        return " "
    if ord(letter) in _letters() and letter.isprintable():
        return letter
    return f"U+{ord(letter):04X} "


def lacking(text: str) -> bool:
    """Whether the font has no picture of a letter."""
    return any(
        not letter.isspace() and (ord(letter) not in _letters() or not letter.isprintable())
        for letter in unicodedata.normalize("NFC", text)
    )


def text_width(text: str, size: int) -> float:
    """How many pixels a drawable line is wide."""
    return _font(size).getlength(text)


def shortened(text: str, size: int, width: float) -> str:
    """A drawable line that is at most so wide; a longer one loses its end."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, min(len(text), 4 * int(width) + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(f"{text[:middle]}\u2026", size) <= width else (low, middle - 1)
    return f"{text[:low].rstrip()}\u2026"


def wrapped(text: str, size: int, width: float, most: int) -> list[str]:
    """A drawable text in lines that are at most so wide; what exceeds `most` lines is cut with an ellipsis.

    Lines end between words, and within those that are wider than a line.
    """
    lines: list[str] = []
    words = text.split()
    line = ""
    while words:
        word = words.pop(0)
        joined = f"{line} {word}" if line else word
        if text_width(joined, size) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
            line = ""
            words.insert(0, word)
        else:
            part = shortened(word, size, width).removesuffix("\u2026") or word[0]
            lines.append(part)
            words.insert(0, word[len(part) :])
            if not words[0]:
                words.pop(0)
        if len(lines) > most:
            break
    if line:
        lines.append(line)
    if len(lines) > most:
        last = shortened(f"{lines[most - 1]} \u2026", size, width)
        lines = [*lines[: most - 1], last if last.endswith("\u2026") else f"{last}\u2026"]
    return lines


def write(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, colour: tuple[int, int, int] = INK
) -> None:
    """Writes a drawable line."""
    draw.text(place, text, fill=colour, font=_font(size))
