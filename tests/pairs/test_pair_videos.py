"""Videos against a reference: the series of each frame, on RGB and on the luma plane."""

import numpy as np
import pytest
from PIL import Image

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.pairs import score_pairs

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(16, 236, (5, 9, 8)).astype(np.uint8)
NOISY = np.clip(FRAMES + RNG.normal(0, 5, FRAMES.shape), 0, 255).astype(np.uint8)
NOISY[3] = FRAMES[3]


def write(path, luma: np.ndarray, rate: str = "25:1"):
    chroma = np.full((2, 5, 4), 128, np.uint8).tobytes()
    body = b"".join(b"FRAME\n" + frame.tobytes() + chroma for frame in luma)
    path.write_bytes(f"YUV4MPEG2 W{luma.shape[2]} H{luma.shape[1]} F{rate} C420\n".encode() + body)
    return path


@pytest.fixture
def videos(tmp_path):
    return write(tmp_path / "a.y4m", FRAMES), write(tmp_path / "b.y4m", NOISY)


def test_each_frame_has_its_score_and_the_mean_has_no_interval(videos):
    found = score_pairs(videos[0], {"b": videos[1]}, metrics="psnr,mae", colour="y", batch_size=2)
    errors = np.square(FRAMES.astype(float) - NOISY).mean((1, 2))
    with np.errstate(divide="ignore"):
        expected = 10 * np.log10(255**2 / errors)
    assert [one.image for one in found.scores] == [f"{number:06d}" for number in range(5)]
    assert [one.values["psnr"] for one in found.scores] == pytest.approx(list(expected), rel=1e-6)
    psnr, pooled, _ = found.means
    assert (psnr.value, psnr.interval) == (pytest.approx(expected[np.isfinite(expected)].mean(), rel=1e-6), None)
    assert (psnr.n, psnr.n_infinite) == (4, 1)
    assert any("1 of 5 frames of b are identical" in warning for warning in found.warnings)
    assert (pooled.metric, pooled.label, pooled.n, pooled.n_infinite) == ("psnr-pooled", "PSNR pooled", 5, 0)
    assert pooled.value == pytest.approx(10 * np.log10(255**2 / errors.mean()), rel=1e-6)
    assert (pooled.interval, pooled.worst, pooled.better) == (None, None, "higher")
    assert "over the frames of MSE" in found.manifest["definitions"]["psnr-pooled"]["definition"]
    assert {one["metric"] for one in found.to_dict()["means"]} == {"psnr", "psnr-pooled", "mae"}
    assert found.manifest["conversions"]["b"] == "the luma plane as stored (its range is not said)"


def test_pooled_psnr_of_equal_videos_and_of_two_sets(videos, tmp_path):
    equal = score_pairs(videos[0], write(tmp_path / "c.y4m", FRAMES), metrics="psnr", colour="y")
    assert [(mean.value, mean.n, mean.n_infinite) for mean in equal.means] == [(np.inf, 0, 5)] * 2
    assert equal.to_dict()["means"][1]["value"] == "inf"
    found = score_pairs(videos[0], {"b": videos[1], "c": write(tmp_path / "c.y4m", FRAMES // 2)}, metrics="psnr")
    means = {(mean.set, mean.metric): mean.value for mean in found.means}
    [frame_by_frame, pooled] = found.differences
    assert (frame_by_frame.metric, frame_by_frame.n, frame_by_frame.n_left_out) == ("psnr", 4, 1)
    assert (pooled.metric, pooled.n, pooled.n_left_out) == ("psnr-pooled", 5, 0)
    assert pooled.value == pytest.approx(means["c", "psnr-pooled"] - means["b", "psnr-pooled"])
    assert (pooled.interval, pooled.p_value, pooled.better) == (None, None, None)


def test_pooled_psnr_is_of_videos(tmp_path):
    for name in "ab":
        Image.fromarray(FRAMES[0]).save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=r"psnr-pooled is of a video's frames together; of images give psnr"):
        score_pairs(tmp_path / "a.png", tmp_path / "b.png", metrics="psnr_pooled")
    assert [mean.metric for mean in score_pairs(tmp_path / "a.png", tmp_path / "b.png", metrics="psnr").means] == [
        "psnr"
    ]


def test_colour_is_scored_as_rgb(videos):
    found = score_pairs(*videos, metrics="mae,brightness", crop_border=1)
    # Without chroma RGB is the luma stretched from 16..235 to 0..255, rounded.
    rgb = [np.clip(np.rint((frames.astype(float) - 16) * 255 / 219), 0, 255) for frames in (FRAMES, NOISY)]
    expected = np.abs(rgb[0] - rgb[1])[:, 1:-1, 1:-1].mean((1, 2))
    first = [one.values["mae"] for one in found.scores if one.set == str(videos[1])]
    assert first == pytest.approx(list(expected), rel=1e-6)
    own = [one.values["brightness"] for one in found.scores if one.set == str(videos[0])]
    assert own == pytest.approx(list(rgb[0][:, 1:-1, 1:-1].mean((1, 2)) / 255), rel=1e-5)


def test_videos_that_do_not_agree(videos, tmp_path):
    short = write(tmp_path / "short.y4m", NOISY[:3], "24:1")
    with pytest.raises(InputError, match=r"short\.y4m ends after 3 frames, but .*a\.y4m goes on"):
        score_pairs(videos[0], short, metrics="mae")
    found = score_pairs(videos[0], short, metrics="mae", unmatched="skip")
    assert len(found.scores) == 3
    assert any("24:1 frames a second" in warning for warning in found.warnings)
    with pytest.raises(InputError, match=r"is 8 x 8 RGB with 8 bits, but .* is 9 x 8 RGB"):
        score_pairs(videos[0], write(tmp_path / "small.y4m", NOISY[:, :8]), metrics="mae")
    with pytest.raises(InputError, match="videos are compared with videos"):
        score_pairs(videos[0], tmp_path, metrics="mae")
    with pytest.raises(InputError, match="holds no frames"):
        score_pairs(write(tmp_path / "none.y4m", FRAMES[:0]), write(tmp_path / "nil.y4m", FRAMES[:0]), metrics="mae")
    for rates in (("25:1", "0:0"), ("0:0", "25:1"), ("25:1", "50:2")):
        pair = (write(tmp_path / f"{name}.y4m", FRAMES, rate) for name, rate in zip("de", rates, strict=True))
        assert not any("a second" in warning for warning in score_pairs(*pair, metrics="mae").warnings)


def test_clips_are_scored_frame_by_frame():
    x, y = FRAMES.reshape(1, 5, 9, 8, 1), NOISY.reshape(1, 5, 9, 8, 1)
    clips = np.concatenate([x, y]), np.concatenate([y, y])
    found = np.asarray(iq.frame_scores(iq.mae, *clips, data_range=255, crop_border=1))
    expected = np.abs(x.astype(float) - y)[:, :, 1:-1, 1:-1].mean((2, 3, 4))
    np.testing.assert_allclose(found, np.concatenate([expected, 0 * expected]), rtol=1e-6)
    assert iq.frame_scores(iq.sharpness, x, data_range=255).shape == (1, 5)
    with pytest.raises(InputError, match=r"\[N, T, H, W, C\] is expected"):
        iq.frame_scores(iq.mae, x, y[0], data_range=255)


def test_videos_have_neither_alpha_nor_exif(videos):
    with pytest.raises(InputError, match="a pattern is of the names of images in a folder"):
        score_pairs(*videos, metrics="mae", pattern="*x4")
    for options in ({"alpha": "white"}, {"exif": "apply"}, {"gray": "as-rgb"}, {"modcrop": 4}):
        with pytest.raises(InputError, match="alpha, exif, gray and modcrop are for images, and frames of"):
            score_pairs(*videos, metrics="mae", **options)
