"""What makes two folders one set of pairs: names by a pattern, Unicode, sides cropped to multiples, gray beside RGB."""

import unicodedata
import zipfile
from typing import Any

import numpy as np
import pytest
from pair_folders import save
from PIL import Image

import jaxeval.ops.image_quality as iq
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.images import PixelRules, decode_exact, stored_image
from jaxeval.images import report as notes_of
from jaxeval.images.matching import match_pairs, open_images
from jaxeval.pairs import score_pairs
from jaxeval.report import draw_exhibits

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def picture(seed, height=21, width=26, channels=3):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


def folder_of(place, names, **images):
    for seed, name in enumerate(names):
        save(place / f"{name}.png", picture(seed, **images))
    return place


@pytest.mark.parametrize(
    ("pattern", "called"),
    [
        ("*x4", "{}x4"),
        ("SR_*", "SR_{}"),
        ("a-*_out.final", "a-{}_out.final"),
    ],
)
def test_names_by_a_pattern(tmp_path, pattern, called):
    names = ["0801", "0802", "sub/0803"]
    reference = folder_of(tmp_path / "hr", names)
    others = ["/".join([*name.split("/")[:-1], called.format(name.split("/")[-1])]) for name in names]
    distorted = folder_of(tmp_path / "sr", others)
    found = score_pairs(reference, distorted, metrics="mae", pattern=pattern)
    assert [one.image for one in found.scores] == names
    assert {one.values["mae"] for one in found.scores} == {0.0}
    assert found.manifest["patterns"] == {str(distorted): pattern}
    with pytest.raises(InputError, match="pairs are matched by relative name without extension"):
        score_pairs(reference, distorted, metrics="mae")


def test_the_refusal_names_the_pattern_that_would_do(tmp_path):
    reference, distorted = folder_of(tmp_path / "hr", ["01", "02"]), folder_of(tmp_path / "sr", ["01x4", "02x4"])
    with pytest.raises(InputError, match=r"\(--pattern '\*x4' would pair them\)"):
        score_pairs(reference, distorted, metrics="mae")
    with pytest.raises(InputError, match=r"here by the pattern '\*x2'"):
        score_pairs(reference, distorted, metrics="mae", pattern="*x2")


def test_images_that_the_pattern_does_not_make_have_no_partner(tmp_path):
    reference = folder_of(tmp_path / "hr", ["01", "02"])
    distorted = folder_of(tmp_path / "sr", ["01x4", "02x4", "01x2"])
    with pytest.raises(InputError, match=r"1 of 3 images of .*sr' have no partner in .*hr': 01x2"):
        score_pairs(reference, distorted, metrics="mae", pattern="*x4")
    found = score_pairs(reference, distorted, metrics="mae", pattern="*x4", unmatched="skip")
    assert [one.image for one in found.scores] == ["01", "02"]


def test_a_pattern_for_each_set_and_its_exhibits(tmp_path):
    reference = folder_of(tmp_path / "hr", ["01", "02"])
    two, four = folder_of(tmp_path / "two", ["01x2", "02x2"]), folder_of(tmp_path / "four", ["01x4", "02x4"])
    found = score_pairs(reference, {"two": two, "four": four}, metrics="psnr", pattern=["*x2", "*x4"])
    assert [(one.set, one.image) for one in found.scores] == [
        ("two", "01"), ("two", "02"), ("four", "01"), ("four", "02"),
    ]  # fmt: skip
    sheets = draw_exhibits(found, tmp_path / "exhibits", count=1)
    assert [sheet.name for sheet in sheets] == ["two.png", "four.png"]


def test_a_pattern_of_an_archive_whose_images_lie_in_one_folder(tmp_path):
    reference, distorted = folder_of(tmp_path / "hr", ["01", "02"]), folder_of(tmp_path / "sr", ["01x4", "02x4"])
    with zipfile.ZipFile(tmp_path / "sr.zip", "w") as archive:
        for path in distorted.iterdir():
            archive.write(path, f"sr/{path.name}")
    found = score_pairs(reference, tmp_path / "sr.zip", metrics="psnr", pattern="*x4")
    assert [one.image for one in found.scores] == ["01", "02"]
    assert any("all lie in 'sr', which was left out of their names" in sentence for sentence in found.warnings)
    assert draw_exhibits(found, tmp_path / "exhibits")


def test_suffix_on_the_command_line(tmp_path, capfd):
    reference, distorted = folder_of(tmp_path / "hr", ["01", "02"]), folder_of(tmp_path / "sr", ["01x4", "02x4"])
    run = ["pairs", str(reference), str(distorted), "--metrics", "mae", "--quiet"]
    assert main([*run, "--suffix", "x4"]) == 0
    assert "MAE" in capfd.readouterr().out
    assert main([*run, "--suffix", "x4", "--pattern", "*x4"]) == 2
    assert "give one of them" in capfd.readouterr().err


def test_names_are_one_whether_accents_are_composed_or_not(tmp_path):
    name = "Café 한글"
    composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != apart
    reference, distorted = folder_of(tmp_path / "a", [composed, "b"]), folder_of(tmp_path / "b", [apart, "b"])
    found = score_pairs(reference, distorted, metrics="mae")
    assert [one.image for one in found.scores] == [composed, "b"]
    both = folder_of(tmp_path / "c", [composed, apart])
    with pytest.raises(InputError, match="which are one name with its accents composed and not"):
        match_pairs("a", open_images(reference), "c", open_images(both), skip=True)


@pytest.mark.parametrize(("modcrop", "size"), [(4, (20, 24)), (3, (21, 24)), (1, (21, 26))])
def test_sides_are_cropped_at_their_ends_to_multiples(tmp_path, modcrop, size):
    image = picture(0)
    save(tmp_path / "a.png", image)
    item = open_images(tmp_path)["a"]
    rules = PixelRules(modcrop=modcrop)
    np.testing.assert_array_equal(decode_exact(item, rules), image[: size[0], : size[1]])
    found = stored_image(item, rules)
    assert (found.layout.height, found.layout.width) == size
    assert (notes_of.MODCROPPED in found.notes) == (modcrop > 1)


def test_references_that_were_cropped_before_they_were_reduced(tmp_path):
    image = picture(0)
    save(tmp_path / "hr/a.png", image)
    save(tmp_path / "sr/a.png", image[:20, :24] // 2)
    with pytest.raises(InputError, match=r"21 x 26 RGB with 8 bits \(--modcrop 4 makes them one size"):
        score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr")
    found = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", modcrop=4, crop_border=4, colour="y")
    expected = iq.psnr(image[None, :20, :24] // 2, image[None, :20, :24], data_range=255, colour="y", crop_border=4)
    assert found.scores[0].values["psnr"] == pytest.approx(float(expected[0]), rel=1e-6)
    assert (found.scores[0].height, found.scores[0].width) == (20, 24)
    reports = found.manifest["reports"]
    assert reports[str(tmp_path / "hr")]["notes"] == {notes_of.MODCROPPED: 1}
    assert reports[str(tmp_path / "sr")]["notes"] == {}
    assert draw_exhibits(found, tmp_path / "exhibits")


def test_gray_files_beside_rgb_files(tmp_path):
    colour, gray = picture(0), picture(1, channels=1)
    save(tmp_path / "hr/a.png", colour)
    save(tmp_path / "sr/a.png", gray)
    with pytest.raises(InputError, match=r"gray with 8 bits, but .* RGB with 8 bits \(--gray as-rgb takes gray images"):
        score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="mae")
    as_rgb = np.repeat(gray[..., None], 3, -1)
    found = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="mae,ssim,fsim", gray="as-rgb")
    expected = np.abs(as_rgb.astype(float) - colour).mean()
    assert found.scores[0].values["mae"] == pytest.approx(expected, rel=1e-6)
    assert "fsim" in found.scores[0].values
    luma = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", gray="as-rgb", colour="rgb2gray")
    expected = iq.psnr(as_rgb[None], colour[None], data_range=255, colour="rgb2gray")
    assert luma.scores[0].values["psnr"] == pytest.approx(float(expected[0]), rel=1e-6)
    assert luma.manifest["reports"][str(tmp_path / "sr")]["notes"] == {notes_of.GRAY: 1}
    assert draw_exhibits(luma, tmp_path / "exhibits")


def test_y_of_gray_files_is_said_and_both_can_be_had(tmp_path):
    for seed, name in enumerate(("hr/a.png", "sr/a.png")):
        save(tmp_path / name, picture(seed, channels=1))
    as_is, as_rgb = (
        score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", colour="y", gray=gray)
        for gray in ("as-is", "as-rgb")
    )
    assert any("1.32 dB" in sentence for sentence in as_is.warnings)
    assert not any("1.32 dB" in sentence for sentence in as_rgb.warnings)
    difference = as_rgb.means[0].value - as_is.means[0].value
    assert difference == pytest.approx(20 * np.log10(255 / 219), abs=1e-4)


def test_16_bit_gray_as_rgb(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (21, 26)).astype(np.uint16)
    (tmp_path / "a").mkdir()
    Image.fromarray(values).save(tmp_path / "a/a.png")
    (item,) = open_images(tmp_path / "a").values()
    pixels = decode_exact(item, PixelRules(gray="as-rgb"))
    assert (pixels.dtype, pixels.shape) == (np.uint16, (21, 26, 3))
    np.testing.assert_array_equal(pixels, np.repeat(values[..., None], 3, -1))


def test_every_colour_reaches_the_measures_that_take_one(tmp_path):
    for seed, name in enumerate(("hr/a.png", "sr/a.png")):
        save(tmp_path / name, picture(seed))
    x, y = picture(1)[None], picture(0)[None]
    for colour in ("each-channel", "bt709", "rgb2gray"):
        found = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="gmsd,fsim-gray,sharpness,vsi", colour=colour)
        values = found.scores[0].values
        assert values["gmsd"] == pytest.approx(float(iq.gmsd(x, y, data_range=255, colour=colour)[0]), rel=1e-6)
        assert values["sharpness"] == pytest.approx(float(iq.sharpness(x, data_range=255, colour=colour)[0]), rel=1e-6)
        parameters = {mean.metric: mean.parameters for mean in found.means}
        assert parameters["fsim-gray"]["colour"] == colour
        assert "colour" not in parameters["vsi"]
        assert [s for s in found.warnings if "vsi" in s] == [
            f"colour '{colour}' is not for vsi, which look at colours as their references do"
        ]


def test_the_former_name_of_colour(tmp_path):
    for seed, name in enumerate(("hr/a.png", "sr/a.png")):
        save(tmp_path / name, picture(seed))
    with pytest.warns(DeprecationWarning, match="channels is called colour now"):
        former = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", channels="y")  # pyright: ignore[reportCallIssue]
    assert former.means == score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", colour="y").means
    assert main(["pairs", str(tmp_path / "hr"), str(tmp_path / "sr"), "--channels", "all", "--quiet"]) == 0


def test_many_sizes_have_the_values_of_few(tmp_path):
    """Of many sizes, errors and SSIM come from programs that know no sizes."""
    for number in range(11):
        image = picture(number, 20 + number, 31 + 2 * number)
        save(tmp_path / f"hr/{number:02d}.png", image)
        save(tmp_path / f"sr/{number:02d}.png", 255 - image)
    said = []

    class Listener:
        def begin(self, name, total, unit="images"):
            said.append(name)

        def advance(self, count):
            pass

        def end(self, note=""):
            pass

        def doing(self, text):
            said.append(text)

    metrics = "psnr,mae,ssim"
    many = score_pairs(tmp_path / "hr", tmp_path / "sr", metrics=metrics, progress=Listener())
    assert said[0] == "pairs"
    assert [text for text in said[1:] if text] == ["compiling PSNR", "compiling MAE", "compiling SSIM"]
    assert said[-1] == ""
    for number, one in enumerate(many.scores):
        x, y = (picture(number, 20 + number, 31 + 2 * number) for _ in range(2))
        for name, value in one.values.items():
            expected = float(getattr(iq, name)((255 - x)[None], y[None], data_range=255)[0])
            assert value == pytest.approx(expected, rel=1e-6, abs=1.2e-7), name


def test_one_size_is_compiled_once_a_metric_and_said(tmp_path):
    for number in range(3):
        save(tmp_path / f"hr/{number}.png", picture(number))
        save(tmp_path / f"sr/{number}.png", picture(number + 5))
    said = []
    listener: Any = type("Listener", (), {name: lambda self, *given: None for name in ("begin", "advance", "end")})()
    listener.doing = said.append
    score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr,gmsd", batch_size=1, progress=listener)
    assert [text for text in said if text] == [
        "compiling PSNR for 21 x 26 pixels",
        "compiling GMSD for 21 x 26 pixels",
    ]
    del listener.doing
    score_pairs(tmp_path / "hr", tmp_path / "sr", metrics="psnr", progress=listener)  # it need not listen to that
