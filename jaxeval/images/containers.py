"""Video containers (.mp4, .mkv, ...) by PyAV: the planes of every frame as its decoder gives them, and its time."""

import ctypes
import re
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt16

from jaxeval._packages import needed
from jaxeval.errors import InputError, MissingPackageError, said_by
from jaxeval.files import local_path
from jaxeval.images.decoding import MAX_PIXELS
from jaxeval.images.files import printable
from jaxeval.images.planes import CHROMA, PlaneFormat

# The matrices by the numbers of ITU-T H.273 (AVColorSpace). 2 is "not said", and so is 3, which is reserved.
_MATRICES = {
    0: "the matrix of RGB",
    1: "ITU-R BT.709",
    4: "FCC",
    5: "ITU-R BT.601",
    6: "ITU-R BT.601",
    7: "SMPTE 240M",
    8: "YCgCo",
    9: "ITU-R BT.2020",
    10: "ITU-R BT.2020 with constant luminance",
    11: "SMPTE 2085",
    12: "a matrix derived from the primaries",
    13: "a matrix derived from the primaries with constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_RANGES = {1: False, 2: True}


class _Kept(NamedTuple):
    """How samples lie in the planes of ffmpeg.

    Attributes:
      colour: as of `PlaneFormat`.
      chroma: as of `PlaneFormat`.
      bits: of a sample.
      places: of each plane of `PlaneFormat`, ffmpeg's plane, the first sample in a line, and the step to the next.
      alpha: whether there is alpha too.
      order: of the bytes of a sample.
      shift: bits below a sample.
    """

    colour: Literal["gray", "ycbcr", "rgb"]
    chroma: str
    bits: int
    places: tuple[tuple[int, int, int], ...]
    alpha: bool = False
    order: str = "<"
    shift: int = 0


def _packed() -> dict[str, _Kept]:
    """The layouts in which samples of several planes lie together, by ffmpeg's names."""
    found = {}
    found["nv12"] = _Kept("ycbcr", "4:2:0", 8, ((0, 0, 1), (1, 0, 2), (1, 1, 2)))
    found["nv21"] = _Kept("ycbcr", "4:2:0", 8, ((0, 0, 1), (1, 1, 2), (1, 0, 2)))
    found["yuyv422"] = _Kept("ycbcr", "4:2:2", 8, ((0, 0, 2), (0, 1, 4), (0, 3, 4)))
    found["yvyu422"] = _Kept("ycbcr", "4:2:2", 8, ((0, 0, 2), (0, 3, 4), (0, 1, 4)))
    found["uyvy422"] = _Kept("ycbcr", "4:2:2", 8, ((0, 1, 2), (0, 0, 4), (0, 2, 4)))
    found["y210le"] = _Kept("ycbcr", "4:2:2", 10, ((0, 0, 2), (0, 1, 4), (0, 3, 4)), shift=6)
    found["vuya"] = _Kept("ycbcr", "4:4:4", 8, ((0, 2, 4), (0, 1, 4), (0, 0, 4)), alpha=True)
    for name in ("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr", "rgba", "bgra", "argb", "abgr"):
        letters = name.rstrip("24")
        found[name] = _Kept("rgb", "4:4:4", 8, _letters(letters), alpha="a" in letters)
    for name in ("rgb48", "bgr48", "rgba64", "bgra64"):
        letters = name[:-2]
        for end, order in (("le", "<"), ("be", ">")):
            found[name + end] = _Kept("rgb", "4:4:4", 16, _letters(letters), "a" in letters, order)
    found["ya8"] = _Kept("gray", "4:4:4", 8, ((0, 0, 2),), alpha=True)
    for end, order in (("le", "<"), ("be", ">")):
        found[f"ya16{end}"] = _Kept("gray", "4:4:4", 16, ((0, 0, 2),), True, order)
    return found


def _letters(letters: str) -> tuple[tuple[int, int, int], ...]:
    """Where R, G and B are in samples that lie together, by the order of their letters."""
    return tuple((0, letters.index(letter), len(letters)) for letter in "rgb")


_PACKED = _packed()
_CODES = {name.replace(":", ""): name for name in CHROMA}
_PLANAR = re.compile(
    r"(?:(?P<ycbcr>yuvj?)(?P<a>a?)(?P<chroma>4\d\d)p|(?P<gray>gray)|gbr(?P<alpha>a?)p)(?P<bits>\d+)?(?P<end>le|be)?"
)
_ADVICE = "ffmpeg -i IN -fps_mode passthrough -strict -1 OUT.y4m"
_INDEXED: dict[str, Literal["gray", "rgb"]] = {"pal8": "rgb", "monow": "gray", "monob": "gray"}
_WITH_UNSHOWN_PACKETS = "vp8"  # of which a packet can hold a picture that only others refer to
_FULL_BY_NAME = "yuvj"  # ffmpeg's old names of the full range
_BOX = re.compile(rb"[a-zA-Z0-9 ]{4}")


class StoredFrame(NamedTuple):
    """A frame.

    Attributes:
      time: in seconds from where the container begins to count; None if it does not say.
      format: of the planes.
      planes: Y; Y, Cb and Cr; or R, G and B.
    """

    time: float | None
    format: PlaneFormat
    planes: tuple[UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"], ...]


class Container(NamedTuple):
    """What a container says of its video.

    Attributes:
      format: of the first frame's planes.
      rate: frames a second; None if it does not say, or they do not come evenly.
      rotation: by how many degrees a player turns the frames, counterclockwise. It is not done here.
      streams: of video, covers not counted; the first is read.
    """

    format: PlaneFormat
    rate: Fraction | None
    rotation: int
    streams: int


def open_container(path: str) -> Container:
    """Reads as far as the first frame.

    Raises:
      InputError: it cannot be read, is cut short, or holds no video or no frame.
      MissingPackageError: PyAV is not installed.
    """
    with _Opened(path) as opened:
        first = next(opened.frames(), None)
        if first is None:
            raise InputError(f"{printable(path)} holds no frames")
        stream = opened.stream
        even, mean = stream.base_rate, stream.average_rate
        # Where fields are counted the base is twice the mean.
        rate = mean if even and mean and min(abs(even / mean - 1), abs(even / mean - 2)) < Fraction(1, 1000) else None
        return Container(first.format, rate, opened.rotation, opened.streams)


def stored_frames(path: str, tell: Callable[[str], None]) -> Iterator[StoredFrame]:
    """The frames in the order in which they are shown, each once, whatever their times are.

    Args:
      path: of the file.
      tell: is told, at the end, if fewer frames came than are stored, in a sentence.

    Raises:
      InputError: the video is damaged, or its frames change their size or kind; the message says where.
    """
    with _Opened(path) as opened:
        count = 0
        for frame in opened.frames():
            count += 1
            yield frame
        stored = opened.stream.frames  # of these formats it is the length of the index
        if "mov" in opened.kind and stored > opened.shown:
            tell(
                f"{path}: {stored - opened.shown:,} of the {stored:,} frames that it stores are hidden by an edit "
                "list, and left out"
            )
        if opened.shown > count and opened.stream.codec_context.name != _WITH_UNSHOWN_PACKETS:
            tell(
                f"{path}: {opened.shown:,} packets gave {count:,} frames; the others are repeats without pixels, or "
                "damaged"
            )


def count_packets(path: str) -> int:
    """The number of packets of the video that are shown: for most codecs its frames, without decoding them.

    Raises:
      InputError: it cannot be read.
    """
    with _Opened(path) as opened:
        return sum(1 for packet in opened.packets() if packet.size and not packet.is_discard)


class _Opened:
    """A container that is open, as a context."""

    def __init__(self, path: str):
        self._path = path
        self.shown = 0  # packets so far
        self.rotation = 0

    def __enter__(self) -> "_Opened":
        av = _av(self._path)
        lack = _cut_short(self._path)
        if lack:
            raise InputError(f"{printable(self._path)} {lack}")
        try:
            # With the name of the protocol no other is taken from a name such as "a:b.mp4".
            self._container = av.open(f"file:{local_path(self._path)}", options={"protocol_whitelist": "file"})
        except av.EOFError as error:  # what should follow the header is not there
            raise InputError(f"{printable(self._path)} holds no frames") from error
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{printable(self._path)} cannot be read as a video: {_reason(error)}") from error
        self.kind = self._container.format.name
        streams = self._container.streams
        cover = av.stream.Disposition.attached_pic
        videos = [stream for stream in streams.video if not stream.disposition & cover]
        if not videos:
            other = " or ".join(sorted({stream.type for stream in streams} - {"video", "data", "attachment"}))
            self._container.close()
            raise InputError(f"{printable(self._path)} holds no video" + (f", only {other}" if other else ""))
        self.stream, self.streams = videos[0], len(videos)
        # A decoder mends what is damaged by guesses, without a word, unless it is told to say so.
        self.stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        self.stream.thread_type = "AUTO"
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def packets(self) -> Iterator[Any]:
        av = _av(self._path)
        try:
            yield from self._container.demux(self.stream)
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{printable(self._path)} cannot be read on: {_reason(error)}") from error

    def frames(self) -> Iterator[StoredFrame]:
        av = _av(self._path)
        number, first = 0, None
        for packet in self.packets():
            if packet.is_corrupt:
                raise InputError(f"{printable(self._path)} is damaged or cut short after frame {number}")
            self.shown += bool(packet.size and not packet.is_discard)
            try:
                found = packet.decode()
            except (av.FFmpegError, ValueError) as error:
                raise InputError(
                    f"{printable(self._path)} cannot be decoded after {number:,} frames: {_reason(error)}"
                ) from error
            for frame in found:
                if frame.is_corrupt:
                    raise InputError(f"{printable(self._path)}: frame {number} is damaged")
                stored = self._stored(frame)
                if first is None:
                    first, self.rotation = stored.format, frame.rotation % 360
                if stored.format != first:
                    now, before = (form.layout(luma=False) for form in (stored.format, first))
                    change = f"is {now}, those before are {before}" if now != before else "has another kind of planes"
                    raise InputError(f"{printable(self._path)}: frame {number} {change}; videos of one kind are read")
                yield stored
                number += 1

    def _stored(self, frame: Any) -> StoredFrame:
        path = printable(self._path)
        if frame.height * frame.width > MAX_PIXELS:
            raise InputError(f"{path} claims {frame.width} x {frame.height} pixels; up to {MAX_PIXELS} are read")
        name = frame.format.name
        kept = _kept(name)
        if kept is None and name not in _INDEXED:
            raise InputError(f"{path} has pixels of the kind {name}, which are not read; convert it: {_ADVICE}")
        colour = _INDEXED[name] if kept is None else kept.colour
        form = PlaneFormat(
            frame.height,
            frame.width,
            8 if kept is None else kept.bits,
            colour,
            "4:4:4" if kept is None else kept.chroma,
            _MATRICES.get(int(frame.colorspace)) if colour == "ycbcr" else None,
            True if name.startswith(_FULL_BY_NAME) else _RANGES.get(int(frame.color_range)),
            bool(frame.interlaced_frame),
            kept is not None and kept.alpha,
        )
        return StoredFrame(frame.time, form, _looked_up(frame) if kept is None else _samples(frame, kept, form.shapes))


def _kept(name: str) -> _Kept | None:
    """How the samples of one of ffmpeg's layouts lie; None of those that are not read in this way."""
    if name in _PACKED:
        return _PACKED[name]
    parts = _PLANAR.fullmatch(name)
    if parts is None:
        return None
    bits, chroma = int(parts["bits"] or 8), _CODES.get(parts["chroma"] or "444")
    if chroma is None or not 8 <= bits <= 16:
        return None
    order = ">" if parts["end"] == "be" else "<"
    alpha = bool(parts["a"] or parts["alpha"])
    if parts["gray"]:
        return _Kept("gray", chroma, bits, ((0, 0, 1),), alpha, order)
    if parts["ycbcr"]:
        return _Kept("ycbcr", chroma, bits, ((0, 0, 1), (1, 0, 1), (2, 0, 1)), alpha, order)
    return _Kept("rgb", chroma, bits, ((2, 0, 1), (0, 0, 1), (1, 0, 1)), alpha, order)  # G, B and R


def _samples(frame: Any, kept: _Kept, shapes: list[tuple[int, int]]) -> tuple[np.ndarray, ...]:
    """The planes of a frame, without what pads their lines."""
    kind = np.dtype(np.uint8 if kept.bits == 8 else f"{kept.order}u2")
    lines = [_lines(plane) for plane in frame.planes]
    planes = []
    for (number, first, step), (height, width) in zip(kept.places, shapes, strict=True):
        whole = lines[number][:height]
        whole = np.ascontiguousarray(whole[:, : whole.shape[1] // kind.itemsize * kind.itemsize]).view(kind)
        samples = whole[:, first : first + (width - 1) * step + 1 : step]
        planes.append((samples >> kept.shift).astype(kind.newbyteorder("=")))  # a copy: the decoder takes its own back
    return tuple(planes)


def _looked_up(frame: Any) -> tuple[np.ndarray, ...]:
    """The planes of a frame that stores numbers of colours, or bits."""
    lines = _lines(frame.planes[0])
    if frame.format.name == "pal8":
        numbers = lines[: frame.height, : frame.width]
        colours = np.frombuffer(frame.planes[1], np.uint32, 256)[numbers]
        return tuple(((colours >> shift) & 255).astype(np.uint8) for shift in (16, 8, 0))
    bits = np.unpackbits(lines[: frame.height], axis=1)[:, : frame.width]
    return ((bits ^ (frame.format.name == "monow")) * np.uint8(255),)


def _lines(plane: Any) -> UInt8[np.ndarray, "h bytes"]:
    """The bytes of a plane, a row a line from the top."""
    size = plane.line_size
    if size > 0:
        return np.frombuffer(plane, np.uint8).reshape(-1, size)
    # From the bottom up: the pointer is that of the top line, which is the last.
    start = plane.buffer_ptr + size * (plane.height - 1)
    return np.frombuffer(ctypes.string_at(start, -size * plane.height), np.uint8).reshape(-1, -size)[::-1]


def _av(path: str) -> Any:
    try:
        return needed("av", printable(path))
    except MissingPackageError as error:
        raise MissingPackageError(
            f"{printable(path)} needs PyAV to be read; install the extra (pip install 'jaxeval[video]'), or "
            f"convert it: {_ADVICE}",
            name="av",
        ) from error


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or said_by(error)).rstrip(". ")


def _cut_short(path: str) -> str | None:
    """What a file lacks of what its own outermost sizes promise; None if it is whole or they promise nothing.

    Demuxers take the end of the file for the end of the video.
    """
    size = local_path(path).stat().st_size
    with open(local_path(path), "rb") as stream:
        start = stream.read(64)
        end = None
        if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            length = struct.unpack("<I", start[4:8])[0]
            end = 8 + length if 0 < length < 0xFFFFFFFF else None
        elif start[:4] == b"\x1aE\xdf\xa3":
            end = _matroska_end(start)
        elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"):
            end, kinds = _boxes(stream, size)
            if end <= size and kinds is not None and not kinds & {b"moov", b"moof"}:
                return "holds no index (moov): it is cut short, or was never finished"
    return None if end is None or end <= size else f"is cut short: it has {size:,} bytes of {end:,}"


def _matroska_end(start: bytes) -> int | None:
    """Where the segment of a Matroska or WebM file ends; None if it does not say."""
    length, place = _vint(start, 4)
    place += length or 0
    if start[place : place + 4] != b"\x18S\x80g":
        return None
    length, place = _vint(start, place + 4)
    return None if length is None else place + length


def _vint(data: bytes, place: int) -> tuple[int | None, int]:
    """A length of EBML, None if it is unknown, and where it ends."""
    first = data[place] if place < len(data) else 0
    count = 9 - first.bit_length()
    if count > 8 or place + count > len(data):
        return None, place
    value = int.from_bytes(data[place : place + count], "big") & ((1 << 7 * count) - 1)
    return (None if value == (1 << 7 * count) - 1 else value), place + count


def _boxes(stream: BinaryIO, size: int) -> tuple[int, set[bytes] | None]:
    """Where the last box of an ISO file ends, and the kinds of all; None if other bytes follow it."""
    place, kinds = 0, set()
    while place + 8 <= size:
        stream.seek(place)
        length, kind = struct.unpack(">I4s", stream.read(8))
        if not _BOX.fullmatch(kind):
            return place, None
        kinds.add(kind)
        if length == 1:
            length = int.from_bytes(stream.read(8), "big")
        if length == 0:
            return size, kinds
        if length < 8:
            return place, None
        place += length
    return place, kinds
