"""Containers by PyAV: stored planes come out as they were put in, become pixels as those of a .y4m do, and in order."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from video_files import av_frame, damaged, random_frames, write_container, write_y4m

from jaxeval.errors import InputError
from jaxeval.images import open_video

RNG = np.random.default_rng(1)


def same(first, second) -> None:
    """Asserts that two videos have the same frames to the last bit, in the same words."""
    assert first.conversion == second.conversion
    assert first.layout == second.layout
    both = list(zip(first.frames(), second.frames(), strict=True))
    assert len(both) == 3
    for ours, theirs in both:
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("luma", [False, True])
@pytest.mark.parametrize(
    ("chroma", "bits"),
    [
        *((chroma, bits) for chroma in ("420", "422", "444") for bits in (8, 9, 10, 12, 14, 16)),
        *(("gray", bits) for bits in (8, 9, 10, 12, 16)),
        ("411", 8),
    ],
)
def test_equal_planes_are_equal_frames_in_either_kind_of_file(tmp_path, chroma, bits, luma):
    frames = random_frames(chroma, 7, 9, bits, 3)
    if chroma == "gray":
        pixels, word = f"gray{bits}le" if bits > 8 else "gray", f"mono{bits}" if bits > 8 else "mono"
    else:
        pixels, word = (f"yuv{chroma}p{bits}le", f"{chroma}p{bits}") if bits > 8 else (f"yuv{chroma}p", chroma)
    plain = open_video(write_y4m(tmp_path / "a.y4m", frames, word), luma=luma)
    boxed = open_video(write_container(tmp_path / "a.mkv", frames, pixels), luma=luma)
    same(plain, boxed)
    assert (boxed.layout.bits, boxed.layout.data_range) == (bits, 2**bits - 1)
    assert max(int(frame.max()) for frame in boxed.frames()) < 2**bits
    if luma or chroma == "gray":
        for found, planes in zip(boxed.frames(), frames, strict=True):
            np.testing.assert_array_equal(found[..., 0], planes[0])


@pytest.mark.parametrize(
    ("matrix", "name", "red", "blue"),
    [
        (1, "ITU-R BT.709", 0.2126, 0.0722),
        (5, "ITU-R BT.601", 0.299, 0.114),
        (6, "ITU-R BT.601", 0.299, 0.114),
        (7, "SMPTE 240M", 0.212, 0.087),
        (9, "ITU-R BT.2020", 0.2627, 0.0593),
    ],
)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_tags_choose_matrix_and_range(tmp_path, matrix, name, red, blue, full, bits):
    [[y, cb, cr]] = random_frames("444", 6, 8, bits, 1)
    pixels = "yuv444p" if bits == 8 else "yuv444p10le"
    video = open_video(write_container(tmp_path / "a.mkv", [[y, cb, cr]], pixels, matrix=matrix, full_range=full))
    step, most = 2 ** (bits - 8), 2**bits - 1
    span = f"0 to {most}" if full else f"{16 * step} to {235 * step}"
    assert video.conversion == f"RGB by {name} from Y of {span}, chroma 4:4:4, rounded to {bits} bits"
    luma = y / most if full else (y - 16.0 * step) / (219 * step)
    scale = most if full else 224 * step
    r = luma + 2 * (1 - red) * (cr - 128.0 * step) / scale
    b = luma + 2 * (1 - blue) * (cb - 128.0 * step) / scale
    g = (luma - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(np.rint(most * np.stack([r, g, b], -1)), 0, most)
    np.testing.assert_array_equal(next(video.frames()), expected)


def test_full_range_of_a_y4m_is_that_of_a_container(tmp_path):
    frames = random_frames("420", 5, 6, 8, 3)
    for full, word in ((True, "FULL"), (False, "LIMITED")):
        plain = open_video(write_y4m(tmp_path / "a.y4m", frames, tags=f"F25:1 XCOLORRANGE={word}"))
        same(plain, open_video(write_container(tmp_path / "a.mkv", frames, full_range=full)))
    jpeg = write_container(tmp_path / "j.mov", [av_frame(planes, "yuvj420p") for planes in frames], "yuvj420p", "mjpeg")
    assert "from Y of 0 to 255" in open_video(jpeg).conversion


def together(pixels: str, y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> list[np.ndarray]:
    """The planes of a layout in which samples lie together."""
    if pixels in ("nv12", "nv21"):
        both = (cb, cr) if pixels == "nv12" else (cr, cb)
        return [y, np.stack(both, -1).reshape(len(cb), -1)]
    if pixels == "vuya":
        return [np.stack([cr, cb, y, y // 2], -1).reshape(len(y), -1)]
    of = {"y": [y[:, ::2], y[:, 1::2]], "u": [cb], "v": [cr]}
    order = {"yuyv422": "yuyv", "yvyu422": "yvyu", "uyvy422": "uyvy", "y210le": "yuyv"}[pixels]
    return [np.stack([of[letter].pop(0) for letter in order], -1).reshape(len(y), -1) << (6 if "10" in pixels else 0)]


@pytest.mark.parametrize("full", [None, True])
@pytest.mark.parametrize(
    ("pixels", "planar", "name"),
    [
        ("nv12", "yuv420p", "a.mkv"),
        ("nv21", "yuv420p", "a.avi"),
        ("yuyv422", "yuv422p", "a.mkv"),
        ("yvyu422", "yuv422p", "a.mkv"),
        ("uyvy422", "yuv422p", "a.mkv"),
        ("y210le", "yuv422p10le", "a.mkv"),
        ("vuya", "yuva444p", "a.mkv"),
    ],
)
def test_samples_that_do_not_lie_in_planes_are_the_same_samples(tmp_path, pixels, planar, name, full):
    if name.endswith("avi"):
        full = None  # it has no tag
    alpha = planar.startswith("yuva")
    frames = random_frames("444" if alpha else planar[3:6], 6, 8, 10 if "10" in planar else 8, 3)
    packed = [av_frame(together(pixels, *planes), pixels, width=8) for planes in frames]
    path = write_container(tmp_path / name, packed, pixels, "rawvideo", full_range=full)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).format.name == pixels
    if alpha:
        frames = [[*planes, planes[0] // 2] for planes in frames]
    same(open_video(path), open_video(write_container(tmp_path / "b.mkv", frames, planar, full_range=full)))


def test_numbers_of_colours_are_looked_up(tmp_path):
    numbers = RNG.integers(0, 256, (5, 6)).astype(np.uint8)
    colours = RNG.integers(0, 256, (256, 3)).astype(np.uint32)
    frame = av_frame([numbers], "pal8", width=6, planes=1)
    argb = (255 << 24) | (colours[:, 0] << 16) | (colours[:, 1] << 8) | colours[:, 2]
    frame.planes[1].update(argb.astype(np.uint32).tobytes())
    found = next(open_video(write_container(tmp_path / "a.mov", [frame], "pal8", "png")).frames())
    np.testing.assert_array_equal(found, colours.astype(np.uint8)[numbers])


@pytest.mark.parametrize(
    ("pixels", "codec", "bits", "name"),
    [
        ("bgr0", "ffv1", 8, "a.mkv"),
        ("gbrp10le", "ffv1", 10, "a.mkv"),
        ("gbrp16le", "ffv1", 16, "a.mkv"),
        ("rgb24", "png", 8, "a.mov"),
        ("rgb48be", "png", 16, "a.mov"),
        ("bgr24", "rawvideo", 8, "a.avi"),
        ("rgba", "png", 8, "a.mov"),
        ("rgba64be", "png", 16, "a.mov"),
        ("argb", "qtrle", 8, "a.mov"),
    ],
)
def test_stored_rgb_stays_as_it_is(tmp_path, pixels, codec, bits, name):
    frames = random_frames("rgb", 5, 6, bits, 3)
    alpha = "a" in pixels
    planar = f"gbr{'a' if alpha else ''}p{'' if bits == 8 else f'{bits}le'}"
    full = [[*planes, planes[0] // 2] if alpha else planes for planes in frames]
    moved = [av_frame(planes, planar).reformat(format=pixels) for planes in full]
    video = open_video(write_container(tmp_path / name, moved, pixels, codec), luma=True)  # there is no luma to take
    assert (video.layout.channels, video.layout.bits, video.luma) == (3, bits, False)
    assert video.conversion.startswith("RGB as stored (")
    assert [("alpha" in note) for note in video.notes] == [True] * alpha
    for found, planes in zip(video.frames(), frames, strict=True):
        np.testing.assert_array_equal(found, np.stack(planes, -1))


def test_gray_with_alpha_and_black_and_white(tmp_path):
    gray, alpha = (np.array(RNG.integers(0, 256, (5, 6)), np.uint8) for _ in range(2))
    frame = av_frame([np.stack([gray, alpha], -1).reshape(5, 12)], "ya8", width=6)
    video = open_video(write_container(tmp_path / "a.mov", [frame], "ya8", "png"))
    np.testing.assert_array_equal(next(video.frames())[..., 0], gray)
    assert video.planes.alpha
    white = gray > 127
    bits = av_frame([np.packbits(white, axis=1)], "monob", width=6)
    video = open_video(write_container(tmp_path / "b.mov", [bits], "monob", "png"))
    np.testing.assert_array_equal(next(video.frames())[..., 0], 255 * white)
    assert video.layout.bits == 8


def test_alpha_of_luma_and_chroma_is_left_out_and_said(tmp_path):
    frames = [[*planes, planes[0] // 2] for planes in random_frames("444", 5, 6, 8, 3)]
    boxed = open_video(write_container(tmp_path / "a.mkv", frames, "yuva444p"))
    same(boxed, open_video(write_y4m(tmp_path / "a.y4m", frames, "444alpha")))
    assert boxed.notes == (f"{boxed.path} has an alpha channel, which is left out",)


def test_lines_from_the_bottom_up_are_turned(tmp_path):
    frames = random_frames("rgb", 5, 6, 8, 3)
    moved = [av_frame(planes, "gbrp").reformat(format="bgr24") for planes in frames]
    path = write_container(tmp_path / "a.avi", moved, "bgr24", "rawvideo")
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 8 + 8
    height = struct.unpack_from("<i", data, place)[0]
    assert abs(height) == 5
    struct.pack_into("<i", data, place, -height)
    path.write_bytes(data)
    for found, planes in zip(open_video(path).frames(), frames, strict=True):
        np.testing.assert_array_equal(found, np.stack(planes, -1)[::-1])


def test_every_frame_of_a_variable_rate_comes_once_with_its_time(tmp_path):
    frames = random_frames("420", 4, 6, 8, 6)
    frames[3] = frames[2]
    times = [0, 1, 2, 7, 8, 30]
    for name, codec in (("a.mkv", "ffv1"), ("a.mov", "libx264")):
        options = {"qp": "0"} if codec == "libx264" else {}
        path = write_container(tmp_path / name, frames, codec=codec, times=times, options=options)
        video = open_video(path, luma=True)
        found = list(video.timed_frames())
        assert [frame.time for frame in found] == pytest.approx([time / 25 for time in times], abs=1e-3)
        for frame, planes in zip(found, frames, strict=True):
            np.testing.assert_array_equal(frame.pixels[..., 0], planes[0])
        assert video.stated_count() == "6 by its packets"
    assert open_video(tmp_path / "a.mov").rate is None


def test_reordered_frames_come_as_they_are_shown(tmp_path):
    """B-frames are stored after those that they depend on."""
    level = [np.full((32, 32), 30 + 10 * number, np.uint8) for number in range(12)]
    frames = [[luma, np.full((16, 16), 128, np.uint8), np.full((16, 16), 128, np.uint8)] for luma in level]
    for name in ("a.mp4", "a.mkv"):
        path = write_container(tmp_path / name, frames, codec="libx264", options={"qp": "0", "bf": "3"})
        video = open_video(path, luma=True)
        assert [int(frame[0, 0, 0]) for frame in video.frames()] == [int(luma[0, 0]) for luma in level]
        assert (video.rate, video.stated_count()) == (25, "12 by its packets")


def test_the_rate_is_what_the_file_says(tmp_path):
    frames = random_frames("420", 4, 6, 8, 3)
    film = Fraction(24000, 1001)
    assert open_video(write_container(tmp_path / "a.mov", frames, codec="mpeg4", rate=film)).rate == film
    assert open_video(write_y4m(tmp_path / "a.y4m", frames, tags="F24000:1001")).rate == film
    assert open_video(write_y4m(tmp_path / "b.y4m", frames, tags="F0:0")).rate is None
    none = open_video(write_y4m(tmp_path / "c.y4m", frames, tags="Ip"))
    assert (none.rate, next(none.timed_frames()).time) == (None, None)


def test_interlaced_frames_are_taken_whole_and_said(tmp_path):
    frames = random_frames("420", 32, 32, 8, 3)
    plain = open_video(write_y4m(tmp_path / "a.y4m", frames, tags="F25:1 It"))
    boxed = open_video(
        write_container(tmp_path / "a.mkv", frames, codec="mpeg2video", options={"flags": "+ildct+ilme"})
    )
    for video in (plain, boxed):
        assert video.conversion.endswith(", rounded to 8 bits, interlaced frames taken whole")
        assert len(list(video.frames())) == 3


def test_rotation_is_left_to_players(tmp_path):
    path = write_container(tmp_path / "a.mov", random_frames("420", 4, 6, 8, 3), codec="mpeg4")
    data = bytearray(path.read_bytes())
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    video = open_video(path)
    assert (video.rotation, video.layout.height, video.layout.width) == (270, 4, 6)  # 90 degrees clockwise


def test_of_several_videos_the_first_is_read_and_said(tmp_path):
    frames = random_frames("420", 4, 6, 8, 3)
    video = open_video(write_container(tmp_path / "a.mkv", frames, streams=2))
    assert video.notes == (f"{video.path} holds 2 videos; the first is read",)
    assert len(list(video.frames())) == 3


def test_files_without_frames_are_blamed_by_name(tmp_path):
    for name in ("a.mp4", "a.y4m"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=rf"{name} is empty \(0 bytes\)$"):
            open_video(tmp_path / name)
    with pytest.raises(InputError, match=r"none\.y4m holds no frames$"):
        open_video(write_y4m(tmp_path / "none.y4m", []))
    (tmp_path / "text.mkv").write_text("no video\n" * 50)
    with pytest.raises(InputError, match=r"text\.mkv cannot be read as a video: Invalid data found"):
        open_video(tmp_path / "text.mkv")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame("s16", "mono", 800)
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match=r"sound\.mkv holds no video, only audio$"):
        open_video(tmp_path / "sound.mkv")
    with av.open(str(tmp_path / "bare.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8, 8, "yuv420p"
        container.start_encoding()
    with pytest.raises(InputError, match=r"bare\.mkv holds no frames$"):
        open_video(tmp_path / "bare.mkv")


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4", "a.mov", "a.avi"])
@pytest.mark.parametrize("share", [0.4, 0.9, 0.999])
def test_files_that_are_cut_short_say_so(tmp_path, name, share):
    frames = random_frames("420", 32, 32, 8, 12)
    codec = {"a.webm": "libvpx-vp9", "a.mp4": "mpeg4", "a.mov": "mpeg4"}.get(name, "ffv1")
    path = write_container(tmp_path / name, frames, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=rf"{name} (is cut short: it has [\d,]+ bytes of [\d,]+|holds no index)"):
        list(open_video(path).frames())


def test_an_index_at_the_front_does_not_hide_that_the_end_is_gone(tmp_path):
    path = write_container(
        tmp_path / "a.mp4", random_frames("420", 32, 32, 8, 12), codec="mpeg4", muxer={"movflags": "faststart"}
    )
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    path.write_bytes(data[:-500])
    with pytest.raises(InputError, match=r"a\.mp4 is cut short: it has"):
        open_video(path)


def test_bytes_after_the_end_are_no_lack(tmp_path):
    for name, codec in (("a.mp4", "mpeg4"), ("a.mkv", "ffv1"), ("a.avi", "ffv1")):
        path = write_container(tmp_path / name, random_frames("420", 32, 32, 8, 4), codec=codec)
        path.write_bytes(path.read_bytes() + b"\0" * 40)
        assert len(list(open_video(path).frames())) == 4


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "mpeg4"), ("a.mov", "mjpeg")])
def test_a_damaged_frame_is_an_error_and_no_guess(tmp_path, name, codec):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_container(tmp_path / name, random_frames("420", 48, 64, 8, 9), pixels, codec)
    assert len(list(open_video(path).frames())) == 9
    damaged(path, 5)
    with pytest.raises(InputError, match=rf"{name} cannot be decoded after \d+ frames"):
        list(open_video(path).frames())


def test_packets_without_a_frame_are_said(tmp_path):
    path = write_container(tmp_path / "a.mkv", random_frames("420", 48, 64, 8, 9), codec="mpeg2video")
    told = []
    assert len(list(open_video(path).timed_frames(told.append))) == 9
    assert not told
    damaged(path, 5, b"\xff")
    assert len(list(open_video(path).timed_frames(told.append))) == 8
    assert told == [f"{path}: 9 packets gave 8 frames; the others are repeats without pixels, or damaged"]


def test_colours_that_are_not_converted_are_named(tmp_path):
    frames = random_frames("444", 4, 6, 8, 3)
    path = write_container(tmp_path / "a.mkv", frames, "yuv444p", matrix=8)
    with pytest.raises(
        InputError, match=r"a\.mkv has colours by YCgCo, and those converted are ITU-R BT\.601, .*--colour y"
    ):
        open_video(path)
    np.testing.assert_array_equal(next(open_video(path, luma=True).frames())[..., 0], frames[0][0])
    five = write_container(
        tmp_path / "b.mov",
        [av_frame([np.zeros((4, 6), np.uint8)] * 3, "gbrp").reformat(format="rgb555be")] * 2,
        "rgb555be",
        "qtrle",
    )
    with pytest.raises(InputError, match=r"b\.mov has pixels of the kind rgb555le, which are not read; convert it: ff"):
        open_video(five)


def test_frames_hidden_by_an_edit_list_are_left_out_and_said(tmp_path):
    frames = random_frames("420", 16, 16, 8, 8)
    path = write_container(
        tmp_path / "a.mp4",
        frames,
        codec="libx264",
        times=range(-3, 5),
        options={"qp": "0", "bf": "0"},
        muxer={"avoid_negative_ts": "disabled"},
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12
    timescale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    assert struct.unpack_from(">I", data, place)[0] == 5 * timescale // 25
    for shown in (5, 2):
        struct.pack_into(">I", data, place, shown * timescale // 25)
        path.write_bytes(data)
        told = []
        video = open_video(path, luma=True)
        found = list(video.timed_frames(told.append))
        assert told == [f"{path}: {8 - shown} of the 8 frames that it stores are hidden by an edit list, and left out"]
        for frame, planes in zip(found, frames[3 : 3 + shown], strict=True):
            np.testing.assert_array_equal(frame.pixels[..., 0], planes[0])
        assert video.stated_count() == f"{shown} by its packets"


def test_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_container(tmp_path / "plain.mkv", random_frames("420", 4, 6, 8, 3)).rename(tmp_path / "data:a%d.mkv")
    assert len(list(open_video("data:a%d.mkv").frames())) == 3
