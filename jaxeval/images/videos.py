"""Videos as streams of frames: .y4m by a reader of our own, others by imageio and ffmpeg where they are installed."""

import dataclasses
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images.exact import PixelLayout
from jaxeval.images.files import printable
from jaxeval.images.y4m import open_y4m

VIDEO_EXTENSIONS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm", ".y4m"})


@dataclasses.dataclass(frozen=True)
class Video:
    """A video that can be read several times.

    Attributes:
      path: as the user wrote it.
      layout: of its frames as they are delivered.
      conversion: how its stored values become those of the frames, in words.
      rate: frames a second as the file has it; empty if it does not say.
      luma: whether the frames are the luma plane.
    """

    path: str
    layout: PixelLayout
    conversion: str
    rate: str
    luma: bool

    def frames(self) -> Iterator[UInt8[np.ndarray, "h w c"]]:
        """The frames in order.

        Raises:
          InputError: the video cannot be read on.
        """
        if _is_y4m(self.path):
            yield from open_y4m(local_path(self.path)).frames(luma=self.luma)
        else:
            yield from _by_ffmpeg(self.path)


def is_video(path: str | Path) -> bool:
    """Whether a path has the extension of a video."""
    return Path(path).suffix.lower() in VIDEO_EXTENSIONS and not local_path(path).is_dir()


def open_video(path: str | Path, *, luma: bool = False) -> Video:
    """A video, with its first frame's layout.

    Args:
      path: of the file.
      luma: whether frames are to be the luma plane as stored, where the file has one (.y4m).

    Raises:
      InputError: it cannot be read, or what reads it is not installed.
    """
    text = str(path)
    if not local_path(text).is_file():
        raise InputError(f"{text!r} does not exist; give a video file")
    if _is_y4m(text):
        found = open_y4m(local_path(text))
        gray = luma or found.chroma == "mono"
        scale = "0 to 255" if found.full_range else "16 to 235"
        conversion = (
            f"the luma plane as stored ({scale})"
            if gray
            else f"RGB by ITU-R BT.601 from Y of {scale}, chroma {found.chroma} repeated, rounded to 8 bits"
        )
        return Video(text, PixelLayout(found.height, found.width, 1 if gray else 3, 8), conversion, found.rate, gray)
    first = next(_by_ffmpeg(text), None)
    if first is None:
        raise InputError(f"{text!r} holds no frames")
    return Video(
        text, PixelLayout(first.shape[0], first.shape[1], 3, 8), "RGB of 8 bits as ffmpeg converts it", "", False
    )


def _is_y4m(path: str) -> bool:
    return Path(path).suffix.lower() == ".y4m"


def _by_ffmpeg(path: str) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    if importlib.util.find_spec("imageio") is None or importlib.util.find_spec("imageio_ffmpeg") is None:
        raise InputError(
            f"{path!r} needs ffmpeg to be read; install the extra (pip install 'jaxeval[video]'), or convert it: "
            "ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"
        )
    import imageio.v3  # pyright: ignore[reportMissingImports]

    try:
        for frame in imageio.v3.imiter(local_path(path), plugin="FFMPEG"):
            yield np.asarray(frame, np.uint8)
    except Exception as error:  # imageio and ffmpeg raise many types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(". ")
        raise InputError(f"{printable(path)} cannot be decoded: {reason}") from error
