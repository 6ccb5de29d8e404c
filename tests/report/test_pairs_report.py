"""What `jaxeval pairs` prints and draws: order, maps, sheets and curves."""

import io
from typing import Any

import numpy as np
import pytest
from image_sets import crops
from pair_folders import noisy, save, write_pairs
from PIL import Image
from rich.console import Console

from jaxeval.errors import InputError
from jaxeval.pairs import score_pairs
from jaxeval.report import draw_curves, draw_exhibits, print_pairs
from jaxeval.report.drawing import coloured, fitted, shown
from jaxeval.report.exhibits import difference_maps, worst_first


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    reference, little, much = write_pairs(root)
    return score_pairs(reference, {"little": little, "much": much}, metrics="psnr,mae")


def test_maps_are_those_of_the_pixels():
    x = crops(1, (20, 24), 3)[0]
    y = noisy(x, 20)
    y[:12, :12] = x[:12, :12]
    maps = difference_maps(x, y)
    np.testing.assert_allclose(maps.absolute, np.abs(x.astype(float) - y).mean(2) / 255)
    assert maps.ssim is not None
    assert maps.ssim.shape == x.shape[:2]
    assert maps.ssim[:6, :6].min() > 0.999
    assert maps.ssim[13:].mean() < 0.95
    assert difference_maps(x[:10], y[:10]).ssim is None


def test_colours_grow_lighter_and_images_keep_their_proportions():
    lightness = coloured(np.linspace(0, 1, 9)[None]).astype(float).sum(2)[0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[0] < 15
    assert shown(np.full((2, 2, 1), 65535, np.uint16)).tolist() == np.full((2, 2, 3), 255).tolist()
    assert fitted(np.zeros((10, 20, 3), np.uint8), 100, 100).size == (100, 50)
    assert fitted(np.zeros((300, 150, 3), np.uint8), 100, 100).size == (50, 100)


def test_the_worst_come_first(scored):
    for metric, sign in (("psnr", 1), ("mae", -1)):
        values = [sign * one.values[metric] for one in worst_first(scored, "much", metric)]
        assert values == sorted(values)
        assert len(values) == 9
    with pytest.raises(InputError, match=r"no order from worst to best by 'ssim'; choose from psnr, mae"):
        worst_first(scored, "much", "ssim")


def test_sheets_and_maps_are_written(scored, tmp_path):
    sheets = draw_exhibits(scored, tmp_path / "x", count=3)
    assert [path.name for path in sheets] == ["little.png", "much.png"]
    worst = worst_first(scored, "much", "psnr")[:3]
    maps = sorted(path.name for path in (tmp_path / "x" / "much").iterdir())
    expected = [
        f"{rank:02d}_{one.image.replace('/', '_')}_{kind}.png"
        for rank, one in enumerate(worst, start=1)
        for kind in ("difference", "ssim")
    ]
    assert maps == sorted(expected)
    assert read(tmp_path / "x" / "much" / expected[0]).shape == (worst[0].height, worst[0].width, 3)
    sheet = read(sheets[1])
    assert sheet.shape[1] == 4 * 308 + 8
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 100
    with pytest.raises(InputError, match="number of exhibits is 0"):
        draw_exhibits(scored, tmp_path, count=0)


def test_names_of_sets_cannot_lead_out_of_the_folder(tmp_path):
    images = crops(2, (12, 12), 4)
    save(tmp_path / "r" / "a.png", images[0])
    for name in ("one", "two"):
        save(tmp_path / name / "set" / "a.png", noisy(images[0], 5))
    sets = {"../../set": tmp_path / "one" / "set", "/x/set": tmp_path / "two" / "set"}
    found = score_pairs(tmp_path / "r", sets, metrics="mae")
    sheets = draw_exhibits(found, tmp_path / "out" / "exhibits")
    assert [path.relative_to(tmp_path / "out" / "exhibits").as_posix() for path in sheets] == ["set.png", "set-2.png"]


def test_the_table_has_means_differences_and_warnings(scored):
    console = Console(file=io.StringIO(), width=160)
    print_pairs(scored, console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for mean in scored.means:
        assert f"{mean.value:.4g}"[:4] in text
    for part in ("PSNR (dB) \u2191", "MAE \u2193", "less little, image by image", "warning: there are images of 8"):
        assert part in text


def test_curves_have_a_panel_a_measure(scored, tmp_path):
    path = draw_curves(scored, tmp_path / "c" / "frames.png")
    one = score_pairs(scored.manifest["reference"], scored.manifest["distorted"]["much"], metrics="psnr")
    single = draw_curves(one, tmp_path / "single.png")
    assert read(path).shape[0] > read(single).shape[0] > 100


def test_exhibits_show_what_was_scored(tmp_path):
    pixels = np.zeros((20, 24, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, level in (("r", 40), ("d", 90)):
        pixels[..., :3] = level
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "a.png", exif=exif)  # transparent throughout
    turned: dict[str, Any] = {"alpha": "white", "exif": "apply"}
    for rules, difference in (({}, 50), (turned, 0)):
        found = score_pairs(tmp_path / "r", {"d": tmp_path / "d"}, metrics="mae", **rules)
        assert found.scores[0].values["mae"] == pytest.approx(difference)
        draw_exhibits(found, tmp_path / "x", count=1)
        drawn = read(tmp_path / "x" / "d" / "01_a_difference.png")
        assert drawn.shape[:2] == ((24, 20) if rules else (20, 24))
        assert (drawn.max() > 60) == (not rules)
