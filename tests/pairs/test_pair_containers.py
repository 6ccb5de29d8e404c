"""Videos in containers against videos: to the last bit as in a .y4m, in their own bits, and against ffmpeg's filter."""

import csv
import gc
import re
from fractions import Fraction

import av
import av.filter
import av.logging
import numpy as np
import pytest
from video_files import av_frame, random_frames, write_container, write_y4m

from jaxeval.errors import InputError
from jaxeval.images import open_video
from jaxeval.pairs import score_pairs
from jaxeval.pairs.files import save_scores
from jaxeval.report import draw_exhibits
from jaxeval.report.drawing import shown


def close_by(frames, bits: int, seed: int = 7):
    """The frames with noise, the second one without."""
    rng = np.random.default_rng(seed)
    most = (1 << bits) - 1
    noisy = [
        [np.clip(plane + rng.normal(0, most / 50, plane.shape), 0, most).astype(plane.dtype) for plane in planes]
        for planes in frames
    ]
    return [noisy[0], frames[1], *noisy[2:]]


def ffmpeg_psnr(first, second, pixels: str) -> dict[str, float]:
    """What ffmpeg's filter psnr prints at its end: by plane, and "average", the pooled one of all planes."""
    base = Fraction(1, 25)
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as said:
            graph = av.filter.Graph()
            height, width = first[0][0].shape
            kind = av.VideoFormat(pixels)
            sources = [graph.add_buffer(width=width, height=height, format=kind, time_base=base) for _ in range(2)]
            psnr, sink = graph.add("psnr"), graph.add("buffersink")
            for place, source in enumerate(sources):
                source.link_to(psnr, 0, place)
            psnr.link_to(sink)
            graph.configure()
            for source, video in zip(sources, (first, second), strict=True):
                for number, planes in enumerate(video):
                    frame = av_frame(planes, pixels)
                    frame.pts, frame.time_base = number, base
                    source.push(frame)
                source.push(None)
            for _ in first:
                sink.pull()
            del graph, sources, psnr, sink
            source = None
            gc.collect()  # it prints as it goes
    finally:
        av.logging.set_level(None)
    line = next(text for _, name, text in said if name == "psnr" and text.startswith("PSNR"))
    return {name: float(value) for name, value in re.findall(r"(\w+):([\d.]+|inf)", line)}


@pytest.mark.parametrize("colour", ["own", "y"])
@pytest.mark.parametrize(("pixels", "word", "bits"), [("yuv420p", "420", 8), ("yuv422p10le", "422p10", 10)])
def test_equal_planes_have_equal_scores_in_either_kind_of_file(tmp_path, pixels, word, bits, colour):
    frames = random_frames(word[:3], 19, 21, bits, 3)
    noisy = close_by(frames, bits)
    options = {"metrics": "psnr,ssim,mae,brightness", "colour": colour}
    plain = score_pairs(
        write_y4m(tmp_path / "a.y4m", frames, word), write_y4m(tmp_path / "b.y4m", noisy, word), **options
    )
    boxed = score_pairs(
        write_container(tmp_path / "a.mkv", frames, pixels),
        write_container(tmp_path / "b.mkv", noisy, pixels),
        **options,
    )
    mixed = score_pairs(tmp_path / "a.y4m", tmp_path / "b.mkv", **options)
    for other in (boxed, mixed):
        assert [score.values for score in other.scores] == [score.values for score in plain.scores]
        assert [mean.value for mean in other.means] == [mean.value for mean in plain.means]
        assert set(other.manifest["conversions"].values()) == set(plain.manifest["conversions"].values())
    assert [score.time for score in boxed.scores[:3]] == [score.time for score in plain.scores[:3]] == [0.0, 0.04, 0.08]
    assert {score.bits for score in boxed.scores} == {bits}
    assert boxed.manifest["data_ranges"] == [2.0**bits - 1]


@pytest.mark.parametrize(
    ("pixels", "bits"), [("yuv420p", 8), ("yuv420p10le", 10), ("yuv444p12le", 12), ("yuv422p16le", 16)]
)
def test_pooled_psnr_is_that_of_ffmpeg(tmp_path, pixels, bits):
    frames = random_frames(pixels[3:6], 18, 20, bits, 4)
    noisy = close_by(frames, bits)
    videos = write_container(tmp_path / "a.mkv", frames, pixels), write_container(tmp_path / "b.mkv", noisy, pixels)
    found = {mean.metric: mean for mean in score_pairs(*videos, metrics="psnr", colour="y").means}
    assert list(found) == ["psnr", "psnr-pooled"]
    errors = [np.square(x[0].astype(float) - y[0]).mean() for x, y in zip(frames, noisy, strict=True)]
    assert errors[1] == 0
    most = 2**bits - 1
    mean = np.mean([10 * np.log10(most**2 / error) for error in errors if error])
    pooled, frame_mean = found["psnr-pooled"], found["psnr"]
    assert pooled.value == pytest.approx(10 * np.log10(most**2 / np.mean(errors)), abs=1e-5)
    assert frame_mean.value == pytest.approx(mean, abs=1e-5)
    assert pooled.value > frame_mean.value + 1  # the identical frame counts as one without error
    assert (pooled.n, pooled.n_infinite, frame_mean.n, frame_mean.n_infinite) == (4, 0, 3, 1)
    assert pooled.value == pytest.approx(ffmpeg_psnr(noisy, frames, pixels)["y"], abs=1e-5)


@pytest.mark.parametrize(("pixels", "kind"), [("gray", "gray"), ("gbrp", "rgb")])
def test_pooled_psnr_of_all_planes_is_what_ffmpeg_calls_average(tmp_path, pixels, kind):
    frames = random_frames(kind, 16, 16, 8, 3)
    noisy = close_by(frames, 8)
    stored, codec, end = ("gray", "ffv1", "mkv") if kind == "gray" else ("rgb24", "png", "mov")
    videos = [
        write_container(
            tmp_path / name, [av_frame(planes, pixels).reformat(format=stored) for planes in one], stored, codec
        )
        for name, one in ((f"a.{end}", frames), (f"b.{end}", noisy))
    ]
    found = {mean.metric: mean.value for mean in score_pairs(*videos, metrics="psnr_pooled").means}
    assert found["psnr-pooled"] == pytest.approx(ffmpeg_psnr(noisy, frames, pixels)["average"], abs=1e-5)


def test_ten_bits_are_scored_in_ten_bits(tmp_path):
    frames = random_frames("420", 24, 26, 10, 2)
    noisy = [[np.clip(plane.astype(int) + 1, 0, 1023).astype(np.uint16) for plane in planes] for planes in frames]
    videos = (
        write_container(tmp_path / "a.mkv", frames, "yuv420p10le"),
        write_container(tmp_path / "b.mkv", noisy, "yuv420p10le"),
    )
    found = score_pairs(*videos, metrics="mae,psnr,psnr-pooled", colour="y")
    assert found.means[0].value == pytest.approx(1, abs=0.01)  # one level of 1,023, which 8 bits do not have
    assert found.means[1].parameters["data_range"] == 1023
    given = score_pairs(*videos, metrics="psnr", colour="y", data_range=4 * 1023)
    assert found.means[1].value - given.means[0].value == pytest.approx(-20 * np.log10(4), abs=1e-4)
    sheets = draw_exhibits(found, tmp_path / "exhibits", count=1)
    assert sheets
    pixels = next(open_video(videos[0]).frames())
    np.testing.assert_array_equal(shown(pixels, 1023), np.rint(pixels * (255 / 1023)))


def test_a_variable_rate_is_compared_frame_by_frame_and_said(tmp_path):
    frames = random_frames("420", 16, 16, 8, 6)
    even = write_container(tmp_path / "even.mkv", frames)
    for times in ([0, 1, 2, 3, 8, 9], [0, 1, 2, 3, 4, 5]):
        other = write_container(tmp_path / "other.mkv", frames, times=times)
        found = score_pairs(even, other, metrics="mae")
        assert [score.values["mae"] for score in found.scores] == [0.0] * 6
        assert [score.time for score in found.scores] == pytest.approx([time / 25 for time in times], abs=1e-3)
        sentences = [text for text in found.warnings if "by their number" in text]
        if times[-1] == 5:
            assert not sentences
        else:
            [sentence] = sentences
            assert sentence.startswith("frame 4 is shown 0.320 s after the first in ")
            assert f"other.mkv, and 0.160 s in {even}; frames are compared" in sentence
    save_scores(found.scores, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert [float(row["time"]) for row in rows] == pytest.approx([number / 25 for number in range(6)], abs=1e-3)


def test_what_files_say_of_their_rate_and_colours_is_said_only_where_it_differs(tmp_path):
    frames = random_frames("420", 16, 16, 8, 3)
    plain = write_y4m(tmp_path / "a.y4m", frames, tags="Ip")
    silent = score_pairs(plain, write_container(tmp_path / "b.mkv", frames), metrics="mae")
    assert silent.warnings == ()
    tagged = write_container(tmp_path / "c.mkv", frames, matrix=1, full_range=False)
    [warning] = score_pairs(plain, tagged, metrics="mae").warnings
    assert "c.mkv is read as RGB by ITU-R BT.709 from Y of 16 to 235, chroma 4:2:0 repeated" in warning
    assert "a.y4m as RGB by ITU-R BT.601 (assumed, the file does not say) from Y of 16 to 235 (assumed" in warning
    assert score_pairs(plain, tagged, metrics="mae", colour="y").warnings == ()
    full = write_container(tmp_path / "d.mkv", frames, full_range=True)
    [warning] = score_pairs(tagged, full, metrics="mae", colour="y").warnings
    assert "d.mkv is read as the luma plane as stored (0 to 255), but" in warning
    slow = write_container(tmp_path / "e.mkv", frames, rate=24)
    [warning] = score_pairs(tmp_path / "b.mkv", slow, metrics="mae").warnings
    assert re.fullmatch(r".*e\.mkv has 24:1 frames a second, .*b\.mkv 25:1", warning)


def test_layouts_that_differ_are_told_apart(tmp_path):
    eight = write_container(tmp_path / "a.mkv", random_frames("420", 16, 18, 8, 2))
    ten = write_container(tmp_path / "b.mkv", random_frames("420", 16, 18, 10, 2), "yuv420p10le")
    with pytest.raises(
        InputError, match=r"b\.mkv is .* with 10 bits, but .*a\.mkv is .* 8 bits; bring them to one number"
    ):
        score_pairs(eight, ten)
    gray = write_container(tmp_path / "c.mkv", random_frames("gray", 16, 18, 8, 2), "gray")
    with pytest.raises(InputError, match=r"c\.mkv is 16 x 18 gray .*; compare colour with colour, and gray with gray"):
        score_pairs(eight, gray)


def test_the_numbers_of_frames_are_both_said(tmp_path):
    frames = random_frames("420", 16, 16, 8, 5)
    whole = write_container(tmp_path / "a.mkv", frames)
    short = write_container(tmp_path / "b.mkv", frames[:3])
    with pytest.raises(
        InputError, match=r"b\.mkv ends after 3 frames, but .*a\.mkv goes on \(it has 5 by its packets\)"
    ):
        score_pairs(whole, short, metrics="mae")
    with pytest.raises(InputError, match=r"b\.mkv ends after 3 frames, but .*c\.y4m goes on \(it has 5\); cut them"):
        score_pairs(short, write_y4m(tmp_path / "c.y4m", frames), metrics="mae")


@pytest.mark.parametrize("name", ["none.y4m", "none.mkv"])
def test_a_file_without_frames_blames_itself(tmp_path, name):
    """Whichever of the two it is, and although frames without a partner may be left out."""
    frames = random_frames("420", 16, 16, 8, 3)
    whole = write_y4m(tmp_path / "a.y4m", frames)
    for data, reason in (
        (b"", "is empty"),
        (write_y4m(tmp_path / "none.y4m", [], "420").read_bytes(), "holds no frames|cannot be"),
    ):
        (tmp_path / name).write_bytes(data)
        for pair in ((whole, tmp_path / name), (tmp_path / name, whole)):
            with pytest.raises(InputError, match=rf"^[^ ]*{name} ({reason})"):
                score_pairs(*pair, metrics="mae", unmatched="skip")
