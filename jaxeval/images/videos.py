"""Videos as streams of frames: .y4m by a reader of our own, containers by PyAV, their planes converted by one code."""

import dataclasses
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt16

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images.containers import count_packets, open_container, stored_frames
from jaxeval.images.exact import PixelLayout
from jaxeval.images.files import printable
from jaxeval.images.planes import PlaneFormat
from jaxeval.images.y4m import open_y4m

VIDEO_EXTENSIONS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm", ".y4m"})


class TimedFrame(NamedTuple):
    """A frame and when it is shown.

    Attributes:
      time: in seconds, as the file has it; None if it does not say.
      pixels: [H, W, 1] or [H, W, 3], uint8, or of more than 8 bits uint16.
    """

    time: float | None
    pixels: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]


@dataclasses.dataclass(frozen=True)
class Video:
    """A video that can be read several times.

    Attributes:
      path: as the user wrote it.
      planes: what is stored.
      luma: whether the frames are the luma plane.
      rate: frames a second as the file has it; None if it does not say, or they do not come evenly.
      rotation: by how many degrees the file asks players to turn the frames, which is not done.
      notes: what else a reader should know of how it is read, sentences that begin with the path.
    """

    path: str
    planes: PlaneFormat
    luma: bool
    rate: Fraction | None
    rotation: int = 0
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> PixelLayout:
        """Of the frames as they are delivered."""
        return self.planes.layout(luma=self.luma)

    @property
    def conversion(self) -> str:
        """How stored values become those of the frames, in words."""
        return self.planes.conversion(luma=self.luma)

    def frames(self) -> Iterator[UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]]:
        """The frames in order, each once as it is stored.

        Raises:
          InputError: the video cannot be read on.
        """
        return (frame.pixels for frame in self.timed_frames())

    def timed_frames(self, tell: Callable[[str], None] = lambda sentence: None) -> Iterator[TimedFrame]:
        """The frames in order with their times: a container's own, or by the rate of a .y4m.

        Args:
          tell: is told, at the end, if fewer frames came than are stored, in a sentence.

        Raises:
          InputError: the video cannot be read on.
        """
        if _is_y4m(self.path):
            for number, planes in enumerate(open_y4m(self.path).planes()):
                time = float(number / self.rate) if self.rate else None
                yield TimedFrame(time, self.planes.pixels(planes, luma=self.luma))
        else:
            for frame in stored_frames(self.path, tell):
                yield TimedFrame(frame.time, frame.format.pixels(frame.planes, luma=self.luma))

    def stated_count(self) -> str:
        """How many frames it has, in words that say how that is known, without decoding them.

        Raises:
          InputError: it cannot be read.
        """
        if _is_y4m(self.path):
            return f"{open_y4m(self.path).count():,}"
        return f"{count_packets(self.path):,} by its packets"


def is_video(path: str | Path) -> bool:
    """Whether a path has the extension of a video."""
    return Path(path).suffix.lower() in VIDEO_EXTENSIONS and not local_path(path).is_dir()


def open_video(path: str | Path, *, luma: bool = False) -> Video:
    """A video, read as far as its first frame.

    Args:
      path: of the file.
      luma: whether frames are to be the luma plane as stored, where the file has one and not RGB.

    Raises:
      InputError: it cannot be read, is empty or cut short, holds no frames, has colours that are not converted, or
        what reads it is not installed.
    """
    text = str(path)
    file = local_path(text)
    if not file.is_file():
        raise InputError(f"{text!r} does not exist; give a video file")
    if file.stat().st_size == 0:
        raise InputError(f"{printable(text)} is empty (0 bytes)")
    if _is_y4m(text):
        found = open_y4m(text)
        if next(found.planes(), None) is None:
            raise InputError(f"{printable(text)} holds no frames")
        rotation, notes, rate, planes = 0, [], found.rate, found.format
    else:
        said = open_container(text)
        rotation, notes, rate, planes = said.rotation, [], said.rate, said.format
        if said.streams > 1:
            notes.append(f"{text} holds {said.streams} videos; the first is read")
    if planes.alpha:
        notes.append(f"{text} has an alpha channel, which is left out")
    reason = planes.refusal(luma=luma)
    if reason is not None:
        raise InputError(f"{printable(text)} {reason}")
    return Video(text, planes, luma and planes.has_luma, rate, rotation, tuple(notes))


def _is_y4m(path: str) -> bool:
    return Path(path).suffix.lower() == ".y4m"
