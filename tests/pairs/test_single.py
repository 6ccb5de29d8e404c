"""Images without a reference: their scores, sets beside each other, what is refused, and what is drawn."""

import json

import numpy as np
import pytest
from pair_folders import save
from PIL import Image

import jaxeval.ops.image_quality as iq
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.pairs import score_images, score_pairs
from jaxeval.report import draw_contact_sheets

pytestmark = pytest.mark.usefixtures("quickly_compiled")

METRICS = "piqe,entropy,sharpness"


def picture(seed, height=24, width=28, channels=3):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("single")
    for own in range(2):
        for seed in range(3):
            save(root / f"set{own}" / f"{seed}.png", picture(10 * own + seed))
    save(root / "set0" / "gray.png", picture(7, channels=1))
    save(root / "set1" / "wide.png", picture(8, height=32))
    return root / "set0", root / "set1"


def test_scores_are_those_of_the_ops(sets):
    found = score_images(sets[0], metrics=METRICS)
    assert [one.image for one in found.scores] == ["0", "1", "2", "gray"]
    for seed, one in enumerate(found.scores[:3]):
        image = picture(seed)[None]
        for name in ("piqe", "entropy", "sharpness"):
            assert one.values[name] == pytest.approx(float(getattr(iq, name)(image, data_range=255)[0]), rel=1e-6)
    mean = found.means[0]
    assert (mean.metric, mean.set, mean.reference, mean.n) == ("piqe", str(sets[0]), None, 4)
    assert str(mean).startswith(f"PIQE {mean.value:.6g} [")
    assert str(mean).endswith(f"] ({sets[0]}, 4 images)")
    assert found.manifest["reference"] is None
    assert json.loads(found.to_json())["means"][0]["reference"] is None


def test_scores_are_those_beside_a_reference(sets):
    alone = score_images({"own": sets[1]}, metrics=METRICS, colour="bt709", crop_border=2)
    paired = score_pairs(sets[1], {"own": sets[1]}, metrics=f"{METRICS},mae", colour="bt709", crop_border=2)
    expected = [one.values for one in paired.scores if one.set == "own"]
    assert [dict(one.values) for one in alone.scores] == [
        {name: value for name, value in values.items() if name != "mae"} for values in expected
    ]


def test_sets_are_compared_over_the_names_that_they_share(sets):
    found = score_images({"a": sets[0], "b": sets[1]}, metrics="entropy")
    (difference,) = found.differences
    assert (difference.first, difference.second, difference.n) == ("a", "b", 3)
    assert any("the sets hold different images (3 are common to all)" in sentence for sentence in found.warnings)


def test_sets_without_a_common_name_are_no_fault(sets, tmp_path):
    save(tmp_path / "other/x.png", picture(0))
    found = score_images([sets[0], tmp_path / "other"], metrics="entropy")
    assert found.differences == ()
    assert found.warnings == ()


def test_all_is_all_without_a_reference(sets, tmp_path):
    everything, alone = (
        score_images(sets[1] / "0.png", metrics=name, weights_dir=tmp_path, crop_border=9)
        for name in ("all", "no-reference")
    )
    assert everything.metrics == alone.metrics
    assert everything.scores == alone.scores


def test_what_compares_with_a_reference_is_refused(sets):
    with pytest.raises(InputError, match=r"ssim, psnr compare an image with its reference \(jaxeval pairs"):
        score_images(sets[0], metrics="ssim,psnr,piqe")


@pytest.mark.slow
def test_weights_that_are_not_there_leave_their_measures_out(sets, tmp_path):
    found = score_images(sets[0], weights_dir=tmp_path)
    assert "entropy" in found.metrics
    assert {"clip-iqa", "niqe"} <= {one["metric"] for one in found.manifest["not_computed"]}


def test_images_that_cannot_be_read(sets, tmp_path):
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b.png .*--on-error skip"):
        score_images(tmp_path, metrics="entropy")
    found = score_images(tmp_path, metrics="entropy", on_error="skip")
    assert [one.image for one in found.scores] == ["a"]
    assert any("1 images of" in sentence and "b.png" in sentence for sentence in found.warnings)
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"no image is left to score: .*b.png"):
        score_images(tmp_path, metrics="entropy", on_error="skip")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": []}, "no set of images was given"),
        ({"images": "nowhere"}, "'nowhere' does not exist"),
        ({"metrics": "beauty"}, "metric 'beauty' of pairs is not known"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_arguments_are_named(sets, given, message):
    with pytest.raises(InputError, match=message):
        score_images(**{"images": sets[0], "metrics": "entropy", **given})


def test_a_video_by_itself(tmp_path):
    rows, columns = 16, 16
    path = tmp_path / "a.y4m"
    frames = [np.full((rows, columns), level, np.uint8).tobytes() for level in (0, 128, 255)]
    path.write_bytes(b"YUV4MPEG2 W16 H16 F25:1 Cmono\n" + b"".join(b"FRAME\n" + frame for frame in frames))
    found = score_images(path, metrics="brightness")
    assert [one.image for one in found.scores] == ["000000", "000001", "000002"]
    assert found.manifest["kind"] == "frames"
    assert found.means[0].interval is None
    (sheet,) = draw_contact_sheets(score_images(path, metrics="piqe"), tmp_path / "sheets")
    assert Image.open(sheet).width >= 640


def test_contact_sheets_have_the_worst_first(sets, tmp_path):
    found = score_images(sets, metrics=METRICS)
    sheets = draw_contact_sheets(found, tmp_path / "sheets", count=2)
    assert [sheet.name for sheet in sheets] == ["set0.png", "set1.png"]
    assert Image.open(sheets[0]).width == 3 * 310 + 10  # the worst two, and the best
    with pytest.raises(InputError, match="no order from worst to best by 'entropy'; choose from piqe"):
        draw_contact_sheets(found, tmp_path / "sheets", metric="entropy")
    with pytest.raises(InputError, match="the number of exhibits is 0"):
        draw_contact_sheets(found, tmp_path / "sheets", count=0)
    assert draw_contact_sheets(score_images(sets[0], metrics="entropy"), tmp_path / "none") == []


def test_the_command_prints_and_writes(sets, tmp_path, capfd):
    out = tmp_path / "out"
    assert main(["score", *map(str, sets), "--metrics", "piqe,entropy", "--out", str(out), "--quiet"]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith("by themselves, means [95%]")
    assert "PIQE" in printed
    assert {path.name for path in out.iterdir()} == {
        "exhibits", "scores.csv", "scores.json", "scores.parquet", "summary.json",
    }  # fmt: skip
    assert main(["score", str(sets[0]), "--metrics", "entropy", "--json", "--quiet"]) == 0
    printed, progress = capfd.readouterr()
    assert json.loads(printed)["means"][0]["metric"] == "entropy"
    assert progress == ""


def test_the_command_lists_what_it_takes(capfd):
    assert main(["score", "--list"]) == 0
    printed = capfd.readouterr().out
    assert "piqe" in printed
    assert "psnr" not in printed


def test_the_command_refuses_in_a_sentence(sets, capfd):
    assert main(["score", str(sets[0]), "--metrics", "ssim", "--quiet"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("jaxeval: ssim compare an image with its reference")
