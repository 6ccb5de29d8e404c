"""Text of the user's in pictures: wrapped, of any script, and what fonts lack said as a number."""

import functools
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

from jaxeval.report.drawing import INK

_OWN = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
_TRIED_SIZE = 12
_BLOCK = 8  # bits; letters of one such stretch of Unicode are in one font, or in none


class Fonts:
    """Which font has which letter: DejaVu Sans, which comes with matplotlib, or else one that is installed.

    Installed fonts are looked at in the order of their paths, and not before a letter asks for it.

    Args:
      installed: gives their paths.
    """

    def __init__(self, installed: Callable[[], Sequence[str]]):
        self._installed = installed
        self._own = frozenset(FT2Font(str(_OWN)).get_charmap())
        self._useful: dict[str, frozenset[int]] = {}
        self._none: set[int] = set()
        self._of_size: dict[tuple[str, int], ImageFont.FreeTypeFont] = {}

    def of(self, letter: str) -> str | None:
        """The path of the font that has a letter; None if there is none."""
        code = ord(letter)
        if code in self._own:
            return str(_OWN)
        known = next((path for path, letters in self._useful.items() if code in letters), None)
        if known is not None or code >> _BLOCK in self._none:
            return known
        for path in sorted(self._installed()):
            letters = self._letters(path)
            if code in letters:
                self._useful[path] = letters
                return path
        self._none.add(code >> _BLOCK)
        return None

    def sized(self, path: str, size: int) -> ImageFont.FreeTypeFont:
        """A font in a size."""
        if (path, size) not in self._of_size:
            self._of_size[path, size] = ImageFont.truetype(path, size)
        return self._of_size[path, size]

    def runs(self, text: str) -> list[tuple[str, str]]:
        """A text in parts of one font each: the font's path and the part."""
        found: list[tuple[str, str]] = []
        for letter in text:
            path = self.of(letter) or str(_OWN)
            if found and (found[-1][0] == path or letter.isspace()):
                found[-1] = found[-1][0], found[-1][1] + letter
            else:
                found.append((path, letter))
        return found

    @staticmethod
    def _letters(path: str) -> frozenset[int]:
        """The letters of a font; none of one that cannot be drawn with, or draws a placeholder for every letter."""
        if "lastresort" in path.lower():
            return frozenset()
        try:
            letters = FT2Font(path).get_charmap()
            ImageFont.truetype(path, _TRIED_SIZE)  # which fonts of pictures refuse
        except (OSError, RuntimeError, ValueError):
            return frozenset()
        return frozenset(letters)


@functools.cache
def _fonts() -> Fonts:
    return Fonts(font_manager.findSystemFonts)


def drawable(text: str) -> str:
    """The text with what can be drawn: letters that no font has are written as `U+732B`.

    Line breaks and other letters that are none become spaces.
    """
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        " " if letter.isspace() else letter if _has(letter) else f"U+{ord(letter):04X} " for letter in composed
    )


def lacking(text: str) -> bool:
    """Whether there is a letter that no font has."""
    return any(not letter.isspace() and not _has(letter) for letter in unicodedata.normalize("NFC", text))


def _has(letter: str) -> bool:
    return letter.isprintable() and _fonts().of(letter) is not None


def text_width(text: str, size: int) -> float:
    """How many pixels a drawable line is wide."""
    fonts = _fonts()
    return sum(fonts.sized(path, size).getlength(part) for path, part in fonts.runs(text))


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
    """Writes a drawable line, its upper edge at the place."""
    fonts = _fonts()
    left, top = place
    baseline = top + fonts.sized(str(_OWN), size).getmetrics()[0]
    for path, part in fonts.runs(text):
        font = fonts.sized(path, size)
        draw.text((left, baseline), part, fill=colour, font=font, anchor="ls")
        left += font.getlength(part)
