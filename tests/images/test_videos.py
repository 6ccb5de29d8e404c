"""Videos: what is in a .y4m, by which conversion it becomes RGB, and what is refused."""

import sys
from fractions import Fraction

import numpy as np
import pytest

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError, MissingPackageError
from jaxeval.images import is_video, open_video
from jaxeval.images.planes import to_rgb
from jaxeval.images.y4m import open_y4m

RNG = np.random.default_rng(0)


def y4m(path, frames, header=b"YUV4MPEG2 W5 H3 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG", mark=b"FRAME"):
    path.write_bytes(header + b"\n" + b"".join(mark + b"\n" + frame for frame in frames))
    return path


@pytest.mark.parametrize(
    ("chroma", "shapes"),
    [
        ("420jpeg", [(3, 5), (2, 3), (2, 3)]),
        ("422", [(3, 5), (3, 3), (3, 3)]),
        ("444", [(3, 5), (3, 5), (3, 5)]),
        ("411", [(3, 5), (3, 2), (3, 2)]),
        ("mono", [(3, 5)]),
    ],
)
def test_planes_and_colours_of_every_layout(tmp_path, chroma, shapes):
    frames = [[RNG.integers(0, 256, shape).astype(np.uint8) for shape in shapes] for _ in range(3)]
    data = [b"".join(plane.tobytes() for plane in planes) for planes in frames]
    path = y4m(tmp_path / "a.y4m", data, f"YUV4MPEG2 W5 H3 C{chroma}".encode(), b"FRAME Ip")
    for found, planes in zip(open_y4m(path).planes(), frames, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, planes, strict=True))
    luma = list(open_video(path, luma=True).frames())
    assert [frame.shape for frame in luma] == [(3, 5, 1)] * 3
    np.testing.assert_array_equal(luma[2][..., 0], frames[2][0])
    video = open_video(path)
    colours = list(video.frames())
    assert colours[1].shape == (3, 5, 1 if chroma == "mono" else 3)
    assert ("BT.601" in video.conversion) == (chroma != "mono")
    if chroma != "mono":
        # Of the last pixel: its own luma, and the last chroma samples.
        y, cb, cr = (float(plane[-1, -1]) for plane in frames[1])
        y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
        red, blue = y + 1.402 * cr, y + 1.772 * cb
        green = (y - 0.299 * red - 0.114 * blue) / 0.587
        expected = np.clip(np.rint(255 * np.array([red, green, blue])), 0, 255)
        np.testing.assert_array_equal(colours[1][-1, -1], expected)


def test_rgb_is_the_inverse_of_ycbcr():
    codes = RNG.integers(0, 256, (1, 40, 40, 3)).astype(np.float32)
    planes = np.rint(np.asarray(iq.rgb_to_ycbcr(codes, data_range=255))[0]).astype(np.uint8)
    found = to_rgb(*(np.ascontiguousarray(planes[..., i]) for i in range(3)), chroma="4:4:4")
    # Half a code of each plane, times the largest sums of the coefficients' sizes: (1.164 + 2.017) / 2, and rounding.
    assert np.abs(found - codes[0]).max() <= 2
    gray = np.full((2, 2), 77, np.uint8)
    none = np.full((1, 1), 128, np.uint8)
    assert (to_rgb(gray, none, none, chroma="4:2:0", full_range=True) == 77).all()


def test_the_header_says_what_it_is(tmp_path):
    video = open_y4m(y4m(tmp_path / "a.y4m", [bytes(15 + 12)]))
    planes = video.format
    assert (planes.height, planes.width, planes.chroma, planes.bits) == (3, 5, "4:2:0", 8)
    assert (video.rate, video.count()) == (Fraction(30000, 1001), 1)
    assert (planes.full_range, planes.matrix, planes.interlaced, planes.alpha) == (None, None, False, False)
    full = open_y4m(y4m(tmp_path / "b.y4m", [], b"YUV4MPEG2 W5 H3 It XCOLORRANGE=FULL"))
    assert (full.format.full_range, full.format.interlaced, full.rate) == (True, True, None)
    assert (list(full.planes()), full.count()) == ([], 0)
    narrow = open_y4m(y4m(tmp_path / "c.y4m", [], b"YUV4MPEG2 W5 H3 XYSCSS=422P10 XCOLORRANGE=LIMITED"))
    assert (narrow.format.chroma, narrow.format.bits, narrow.format.full_range) == ("4:2:2", 10, False)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"RIFF", "is not YUV4MPEG2: it does not begin with that word"),
        (b"YUV4MPEG2 W5 H3 C420p11", "has the layout C420p11; those read are Cmono, Cmono9, .* C444p16"),
        (b"YUV4MPEG2 W5", "does not say its height and width"),
        (b"YUV4MPEG2 W-5 H3", "does not say its height and width"),
        (b"YUV4MPEG2 W99999 H99999", "99999 x 99999 pixels"),
        (b"YUV4MPEG2" + 5000 * b" ", "its first line has no end"),
    ],
)
def test_wrong_headers_are_named(tmp_path, header, message):
    with pytest.raises(InputError, match=message):
        open_y4m(y4m(tmp_path / "a.y4m", [], header))


def test_damaged_frames_are_named(tmp_path):
    frame = bytes(15 + 12)
    with pytest.raises(InputError, match="ends within frame 1"):
        list(open_y4m(y4m(tmp_path / "a.y4m", [frame, frame[:-1]])).planes())
    with pytest.raises(InputError, match="frame 1 does not begin with FRAME"):
        list(open_y4m(y4m(tmp_path / "b.y4m", [frame + b"x", frame])).planes())
    for lacking in range(1, 33):  # within the samples, and within the line that begins a frame
        path = y4m(tmp_path / "c.y4m", [frame, frame])
        path.write_bytes(path.read_bytes()[:-lacking])
        for read in (lambda video: list(video.planes()), lambda video: video.count()):
            with pytest.raises(InputError, match=r"c\.y4m ends within frame 1; it is cut short$"):
                read(open_y4m(path))
    wide = y4m(tmp_path / "d.y4m", [b"\xff\x03" * 27, b"\x00\x04" * 27], b"YUV4MPEG2 W5 H3 C420p10")
    with pytest.raises(InputError, match="frame 1 has values of more than 10 bits; it is damaged"):
        list(open_y4m(wide).planes())


def test_other_videos_need_the_extra(tmp_path, monkeypatch):
    assert is_video("a.MP4")
    assert not is_video("a.png")
    (tmp_path / "a.mp4").write_bytes(b"\0" * 64)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"a\.mp4 needs PyAV .*jaxeval\[video\].*OUT\.y4m") as caught:
        open_video(tmp_path / "a.mp4")
    assert caught.value.name == "av"
    with pytest.raises(InputError, match="does not exist"):
        open_video(tmp_path / "b.mp4")
