"""YUV4MPEG2 (.y4m), the plain format of uncompressed video: 8 to 16 bits, every chroma that ffmpeg writes, and gray."""

import dataclasses
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8, UInt16

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images.decoding import MAX_PIXELS
from jaxeval.images.files import printable
from jaxeval.images.planes import PlaneFormat

_LONGEST_LINE = 4096
_CHROMA = {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4", "411": "4:1:1"}
_WIDE = ("9", "10", "12", "14", "16")
_KNOWN = (
    ["mono", *(f"mono{bits}" for bits in _WIDE), *_CHROMA, "420jpeg", "420mpeg2", "420paldv", "444alpha"]
    + [f"{name}p{bits}" for name in ("420", "422", "444") for bits in _WIDE]
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Y4MVideo:
    """A video as its header says.

    Attributes:
      path: of the file.
      format: of its planes. The format has no word for the matrix of the colours.
      rate: frames a second; None if the file does not say.
    """

    path: str
    format: PlaneFormat
    rate: Fraction | None

    def planes(self) -> Iterator[tuple[UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"], ...]]:
        """The planes of each frame as stored: Y, or Y, Cb and Cr.

        Raises:
          InputError: a frame is damaged or cut short; the message says which.
        """
        shapes = self.format.shapes
        wide = self.format.bits > 8
        kind = np.dtype("<u2" if wide else np.uint8)
        sizes = [height * width for height, width in shapes]
        size = self._frame_bytes()
        with _opened(self.path) as stream:
            _line(stream, self.path)
            number = 0
            while self._begins(stream, number):
                data = stream.read(size)
                if len(data) < size:
                    raise self._cut(number)
                samples = np.frombuffer(data, kind, sum(sizes))
                if wide and self.format.bits < 16 and int(samples.max()) >> self.format.bits:
                    raise InputError(
                        f"{printable(self.path)}: frame {number} has values of more than {self.format.bits} bits; "
                        "it is damaged"
                    )
                parts = np.split(samples.astype(np.uint16) if wide else samples, np.cumsum(sizes)[:-1])
                yield tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
                number += 1

    def count(self) -> int:
        """The number of frames, which are passed over unread.

        Raises:
          InputError: as `planes`.
        """
        size, end = self._frame_bytes(), local_path(self.path).stat().st_size
        with _opened(self.path) as stream:
            _line(stream, self.path)
            number = 0
            while self._begins(stream, number):
                if stream.tell() + size > end:
                    raise self._cut(number)
                stream.seek(size, 1)
                number += 1
        return number

    def _frame_bytes(self) -> int:
        samples = sum(height * width for height, width in self.format.shapes)
        samples += self.format.height * self.format.width if self.format.alpha else 0
        return samples * (1 if self.format.bits == 8 else 2)

    def _begins(self, stream: BinaryIO, number: int) -> bool:
        """Whether a frame begins where the stream is; it is at its end otherwise."""
        line = stream.readline(_LONGEST_LINE)
        if not line:
            return False
        if line.startswith(b"FRAME"[: len(line)]) and not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            raise self._cut(number)
        if not re.match(rb"FRAME[ \n]", line) or not line.endswith(b"\n"):
            raise InputError(f"{printable(self.path)}: frame {number} does not begin with FRAME; it is damaged")
        return True

    def _cut(self, number: int) -> InputError:
        return InputError(f"{printable(self.path)} ends within frame {number}; it is cut short")


def open_y4m(path: str | Path) -> Y4MVideo:
    """Reads the header.

    Raises:
      InputError: it cannot be read, is not YUV4MPEG2, or has an unknown layout.
    """
    text = str(path)
    with _opened(text) as stream:
        words = _line(stream, text).split(b" ")
    if words[0] != b"YUV4MPEG2":
        raise InputError(f"{printable(text)} is not YUV4MPEG2: it does not begin with that word")
    tags = [word.decode("ascii", "replace") for word in words[1:] if word]
    found = {tag[0]: tag[1:] for tag in tags if tag[0] != "X"}
    extra = dict(tag[1:].split("=", 1) for tag in tags if tag[0] == "X" and "=" in tag)
    name = found.get("C", extra.get("YSCSS", "420jpeg").lower())
    if name not in _KNOWN:
        raise InputError(f"{printable(text)} has the layout C{name}; those read are C{', C'.join(_KNOWN)}")
    sides = [found.get(key, "") for key in "HW"]
    if not all(re.fullmatch(r"[1-9]\d{0,5}", side) for side in sides):
        raise InputError(f"{printable(text)} does not say its height and width as H and W in its first line")
    height, width = map(int, sides)
    if height * width > MAX_PIXELS:
        raise InputError(f"{printable(text)} claims {width} x {height} pixels; up to {MAX_PIXELS} are read")
    bits = re.fullmatch(r"(?:mono|4\d\dp)(\d+)", name)
    gray = name.startswith("mono")
    ranges = {"FULL": True, "LIMITED": False}
    form = PlaneFormat(
        height,
        width,
        int(bits[1]) if bits else 8,
        "gray" if gray else "ycbcr",
        "4:4:4" if gray else _CHROMA[name[:3]],
        full_range=ranges.get(extra.get("COLORRANGE", "")),
        interlaced=found.get("I") in ("t", "b", "m"),
        alpha=name == "444alpha",
    )
    return Y4MVideo(text, form, _rate(found.get("F", "")))


def _rate(text: str) -> Fraction | None:
    parts = re.fullmatch(r"(\d+):(\d+)", text)
    return Fraction(int(parts[1]), int(parts[2])) if parts and int(parts[1]) and int(parts[2]) else None


def _opened(path: str) -> BinaryIO:
    try:
        return open(local_path(path), "rb")
    except OSError as error:
        raise InputError(f"{printable(path)} cannot be read: {error.strerror}") from error


def _line(stream: BinaryIO, path: str) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise InputError(f"{printable(path)} is not YUV4MPEG2: its first line has no end")
    return line[:-1]
