"""YUV4MPEG2 (.y4m), the plain format of uncompressed video: 8 bits, 4:2:0, 4:2:2, 4:4:4 and gray."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float, UInt8

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images.decoding import MAX_PIXELS
from jaxeval.images.files import printable

_LONGEST_LINE = 4096
_CHROMA = {  # width and height of a chroma sample in pixels
    "mono": None,
    "420": (2, 2),
    "420jpeg": (2, 2),
    "420mpeg2": (2, 2),
    "420paldv": (2, 2),
    "422": (2, 1),
    "444": (1, 1),
}
# ITU-R BT.601: R, G, B from Y, Cb - 128, Cr - 128, all of one scale.
_BT601 = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136286, -0.714136286], [1.0, 1.772, 0.0]], np.float32)


@dataclasses.dataclass(frozen=True)
class Y4MVideo:
    """A video as its header says.

    Attributes:
      path: of the file.
      height, width: in pixels.
      chroma: as the file names it, such as "420jpeg" or "mono".
      full_range: whether the luma goes from 0 to 255 (XCOLORRANGE=FULL) and not from 16 to 235.
      rate: frames a second as the file has it, such as "30000:1001"; empty if it does not say.
    """

    path: str
    height: int
    width: int
    chroma: str
    full_range: bool
    rate: str

    def planes(self) -> Iterator[tuple[UInt8[np.ndarray, "h w"], ...]]:
        """The planes of each frame as stored: Y, or Y, Cb and Cr.

        Raises:
          InputError: a frame is damaged or cut short; the message says which.
        """
        step = _CHROMA[self.chroma]
        shapes = [(self.height, self.width)]
        if step is not None:
            shapes += [(-(-self.height // step[1]), -(-self.width // step[0]))] * 2
        sizes = [height * width for height, width in shapes]
        with _opened(self.path) as stream:
            _line(stream, self.path)
            number = 0
            while line := stream.readline(_LONGEST_LINE):
                if not re.match(rb"FRAME[ \n]", line) or not line.endswith(b"\n"):
                    raise InputError(f"{printable(self.path)}: frame {number} does not begin with FRAME; it is damaged")
                data = stream.read(sum(sizes))
                if len(data) < sum(sizes):
                    raise InputError(f"{printable(self.path)} ends within frame {number}; it is cut short")
                parts = np.split(np.frombuffer(data, np.uint8), np.cumsum(sizes)[:-1])
                yield tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
                number += 1

    def frames(self, *, luma: bool = False) -> Iterator[UInt8[np.ndarray, "h w c"]]:
        """Each frame as RGB, or as its luma plane as stored ([H, W, 1]; gray videos always).

        RGB is ITU-R BT.601's, rounded to 8 bits, each chroma sample repeated over its pixels.
        """
        for planes in self.planes():
            if luma or len(planes) == 1:
                yield planes[0][:, :, None]
            else:
                yield to_rgb(*planes, full_range=self.full_range)


def open_y4m(path: str | Path) -> Y4MVideo:
    """Reads the header.

    Raises:
      InputError: it cannot be read, is not YUV4MPEG2, or has more than 8 bits, alpha or another layout.
    """
    text = str(path)
    with _opened(text) as stream:
        words = _line(stream, text).split(b" ")
    if words[0] != b"YUV4MPEG2":
        raise InputError(f"{printable(text)} is not YUV4MPEG2: it does not begin with that word")
    tags = [word.decode("ascii", "replace") for word in words[1:] if word]
    found = {tag[0]: tag[1:] for tag in tags if tag[0] != "X"}
    chroma = found.get("C", "420jpeg")
    if chroma not in _CHROMA:
        raise InputError(
            f"{printable(text)} has the layout C{chroma}; those read are C{', C'.join(_CHROMA)}, of 8 bits"
        )
    sides = [found.get(key, "") for key in "HW"]
    if not all(re.fullmatch(r"[1-9]\d{0,5}", side) for side in sides):
        raise InputError(f"{printable(text)} does not say its height and width as H and W in its first line")
    height, width = map(int, sides)
    if height * width > MAX_PIXELS:
        raise InputError(f"{printable(text)} claims {width} x {height} pixels; up to {MAX_PIXELS} are read")
    return Y4MVideo(text, height, width, chroma, "XCOLORRANGE=FULL" in tags, found.get("F", ""))


def to_rgb(
    y: UInt8[np.ndarray, "h w"],
    cb: UInt8[np.ndarray, "ch cw"],
    cr: UInt8[np.ndarray, "ch cw"],
    *,
    full_range: bool = False,
) -> UInt8[np.ndarray, "h w 3"]:
    """RGB by ITU-R BT.601, rounded and clipped to 8 bits; each chroma sample is repeated over its pixels.

    Args:
      y: luma, 16 (black) to 235 (white); with `full_range` 0 to 255.
      cb: of the blue difference; 128 is none.
      cr: of the red one.
      full_range: as above.
    """
    height, width = y.shape
    tall, wide = -(-height // cb.shape[0]), -(-width // cb.shape[1])

    def spread(plane: np.ndarray) -> Float[np.ndarray, "h w"]:
        whole = plane.repeat(tall, axis=0).repeat(wide, axis=1)[:height, :width]
        return (whole.astype(np.float32) - 128.0) * np.float32(1.0 if full_range else 255.0 / 224.0)

    luma = y.astype(np.float32) if full_range else (y.astype(np.float32) - 16.0) * np.float32(255.0 / 219.0)
    colours = np.stack([luma, spread(cb), spread(cr)], axis=-1) @ _BT601.T
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


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
