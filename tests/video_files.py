"""Videos for tests: the same planes as .y4m, written byte by byte, and in containers, written by PyAV without loss."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

STEPS = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "411": (1, 4), "440": (2, 1), "410": (4, 4)}

Planes = Sequence[np.ndarray]


def random_frames(chroma: str, height: int, width: int, bits: int, count: int, seed: int = 0) -> list[list[np.ndarray]]:
    """Frames of Y, Cb and Cr (of Y for "gray", of R, G and B for "rgb") with every code that there is."""
    shapes = [(height, width)]
    if chroma == "rgb":
        shapes *= 3
    elif chroma != "gray":
        down, across = STEPS[chroma]
        shapes += [(-(-height // down), -(-width // across))] * 2
    rng = np.random.default_rng(seed)
    kind = np.uint8 if bits == 8 else np.uint16
    return [[rng.integers(0, 1 << bits, shape).astype(kind) for shape in shapes] for _ in range(count)]


def write_y4m(
    path: Path, frames: Sequence[Planes], chroma: str = "420", tags: str = "F25:1", mark: bytes = b"FRAME"
) -> Path:
    """A .y4m; samples of more than 8 bits are little-endian."""
    height, width = frames[0][0].shape if len(frames) else (4, 4)
    body = b"".join(
        mark + b"\n" + b"".join(plane.astype(plane.dtype.newbyteorder("<")).tobytes() for plane in planes)
        for planes in frames
    )
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} {tags} C{chroma}\n".encode() + body)
    return path


def av_frame(samples: Planes, pixels: str, *, width: int | None = None, planes: int | None = None) -> av.VideoFrame:
    """A frame of PyAV that holds these planes; R, G and B go to where "gbrp" has them.

    `width` is in pixels, where lines hold other than one sample each; `planes` how many there are to be filled.
    """
    frame = av.VideoFrame(samples[0].shape[1] if width is None else width, len(samples[0]), pixels)
    if pixels.startswith("gbr"):
        red, green, blue, *rest = samples
        samples = [green, blue, red, *rest]
    for plane, own in zip(frame.planes[:planes], samples, strict=True):
        lines = np.zeros((plane.height, plane.line_size), np.uint8)
        data = np.ascontiguousarray(own.astype(own.dtype.newbyteorder(">" if pixels.endswith("be") else "<")))
        data = data.view(np.uint8).reshape(len(own), -1)
        lines[: len(data), : data.shape[1]] = data
        plane.update(lines.tobytes())
    return frame


def write_container(
    path: Path,
    frames: Sequence[Planes | av.VideoFrame],
    pixels: str = "yuv420p",
    codec: str = "ffv1",
    *,
    rate: int | Fraction = 25,
    times: Sequence[int] | None = None,
    matrix: int = 2,
    full_range: bool | None = None,
    streams: int = 1,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """A container of one video or several alike; `times` are in frames of the rate, `matrix` as in ITU-T H.273."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        opened = []
        for _ in range(streams):
            stream = container.add_stream(codec, rate=rate, options=options or {})
            assert isinstance(stream, av.VideoStream)
            first = frames[0] if isinstance(frames[0], av.VideoFrame) else av_frame(frames[0], pixels)
            stream.width, stream.height, stream.pix_fmt = first.width, first.height, pixels
            context = stream.codec_context
            context.time_base = 1 / Fraction(rate)
            context.colorspace = matrix
            context.color_range = 0 if full_range is None else 1 + full_range
            opened.append(stream)
        for number, one in enumerate(frames):
            for stream in opened:
                frame = one if isinstance(one, av.VideoFrame) else av_frame(one, pixels)
                frame.pts = number if times is None else times[number]
                frame.time_base = 1 / Fraction(rate)
                frame.colorspace = matrix
                frame.color_range = 0 if full_range is None else 1 + full_range
                container.mux(stream.encode(frame))
        for stream in opened:
            container.mux(stream.encode(None))
    return path


def damaged(path: Path, number: int, byte: bytes | None = None) -> None:
    """Fills the packet of a frame with one byte, or a third of it with noise."""
    with av.open(str(path)) as container:
        packet = bytes([one for one in container.demux(video=0) if one.size][number])
    data = bytearray(path.read_bytes())
    place, size = data.index(packet), len(packet)
    if byte is None:
        noise = np.random.default_rng(0).integers(0, 256, size // 3).astype(np.uint8)
        data[place + size // 3 : place + size // 3 + len(noise)] = noise.tobytes()
    else:
        data[place : place + size] = byte * size
    path.write_bytes(data)
