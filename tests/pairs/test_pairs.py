"""Pairs of images: every score against NumPy on the files, matching, what is left out, and the statistics of sets."""

import csv
import json

import jax.numpy as jnp
import numpy as np
import pyarrow.parquet
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from pair_folders import noisy, reference_images, save, write_pairs
from PIL import Image

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.images import Item, PixelLayout
from jaxeval.ops.image_quality import batches
from jaxeval.pairs import PAIR_MEASURES, score_pairs
from jaxeval.pairs.batches import Task, batches_of
from jaxeval.pairs.files import save_scores
from jaxeval.pairs.measures import pair_measures

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def scored(folders):
    reference, little, much = folders
    return score_pairs(reference, {"little": little, "much": much}, metrics="psnr,mae", batch_size=3)


def stored(folder, name: str) -> np.ndarray:
    (path,) = (path for path in folder.glob(f"{name}.*"))
    return np.asarray(Image.open(path))


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    error = np.square(x.astype(np.float64) - y).mean()
    return float(10 * np.log10(np.iinfo(x.dtype).max ** 2 / error))


def test_every_score_is_that_of_the_files_whatever_their_size_colour_and_depth(folders, scored):
    names = list(reference_images())
    assert sorted((one.set, one.image) for one in scored.scores) == sorted(
        (own, name) for own in ("little", "much") for name in names
    )
    for one in scored.scores:
        x, y = stored(folders[0], one.image), stored(folders[1 if one.set == "little" else 2], one.image)
        assert one.values["psnr"] == pytest.approx(psnr(x, y), rel=1e-6), one
        assert one.values["mae"] == pytest.approx(np.abs(x.astype(float) - y).mean(), rel=1e-6), one
        assert (one.height, one.width, one.bits) == (*x.shape[:2], 8 * x.dtype.itemsize)


def test_means_intervals_and_differences_are_those_of_scipy(scored):
    sets = {
        own: np.array([one.values["psnr"] for one in scored.scores if one.set == own]) for own in ("little", "much")
    }
    for mean in scored.means:
        if mean.metric == "psnr":
            values = sets[mean.set]
            expected = scipy.stats.t.interval(0.95, len(values) - 1, values.mean(), scipy.stats.sem(values))
            assert mean.value == pytest.approx(values.mean())
            assert mean.interval == pytest.approx(expected)
            assert (mean.n, mean.n_infinite) == (9, 0)
    found = next(one for one in scored.differences if one.metric == "psnr")
    test = scipy.stats.ttest_rel(sets["much"], sets["little"])
    assert found.value == pytest.approx((sets["much"] - sets["little"]).mean())
    assert found.p_value == pytest.approx(test.pvalue)
    assert found.interval == pytest.approx(tuple(test.confidence_interval()))
    assert found.better == "little"
    assert scored.manifest["data_ranges"] == [255.0, 65535.0]
    assert scored.warnings == ("there are images of 8 and of 16 bits: mae in levels of each, so their means mix both",)


def test_a_difference_is_the_second_set_less_the_first(folders):
    reference, little, much = folders
    found = score_pairs(reference, {"much": much, "little": little}, metrics="psnr").differences[0]
    assert (found.first, found.second, found.better) == ("much", "little", "little")
    assert found.value > 0


def test_options_reach_the_ops_and_the_record(folders):
    reference, little, _ = folders
    found = score_pairs(
        reference / "a0.png",
        little / "a0.png",
        metrics="psnr,ssim",
        convention="torchmetrics",
        colour="y",
        crop_border=2,
    )
    x, y = stored(reference, "a0")[None], stored(little, "a0")[None]
    options = {"data_range": 255, "colour": "y", "crop_border": 2}
    values = found.scores[0].values
    assert values["psnr"] == pytest.approx(float(iq.psnr(y, x, **options)[0]), rel=1e-6)
    assert values["ssim"] == pytest.approx(float(iq.ssim(y, x, convention="torchmetrics", **options)[0]), rel=1e-6)
    (mean,) = (mean for mean in found.means if mean.metric == "ssim")
    assert mean.parameters == {"convention": "torchmetrics", "colour": "y", "data_range": 255.0}
    assert mean.interval is None
    assert "torchmetrics" in found.to_json()


def test_single_images_are_measured_in_every_set_and_in_the_reference(folders):
    reference, little, much = folders
    found = score_pairs(reference, [little, much], metrics="brightness")
    assert {mean.set for mean in found.means} == {str(folder) for folder in folders}
    gray = next(one for one in found.scores if (one.set, one.image) == (str(reference), "gray"))
    assert gray.values["brightness"] == pytest.approx(stored(reference, "gray").mean() / 255, rel=1e-6)


def test_images_without_a_partner(folders, tmp_path):
    reference = folders[0]
    for name in ("a0", "a1", "zzz"):
        save(tmp_path / "d" / f"{name}.bmp", noisy(reference_images()["a0"], 9))
    with pytest.raises(
        InputError, match=r"7 of 9 images .* have no partner .*: a2, a3, b0 and 4 more; 1 of 3 images .*zzz"
    ):
        score_pairs(reference, tmp_path / "d", metrics="mae")
    found = score_pairs(reference, tmp_path / "d", metrics="mae", unmatched="skip")
    assert [one.image for one in found.scores] == ["a0", "a1"]
    assert len(found.warnings) == 2
    save(tmp_path / "other" / "nothing.png", reference_images()["a0"])
    save(tmp_path / "other" / "like.png", reference_images()["a0"])
    with pytest.raises(InputError, match=r"no image of .* has the name of one in"):
        score_pairs(reference, tmp_path / "other", unmatched="skip")
    save(tmp_path / "d" / "a0.png", reference_images()["a0"])
    with pytest.raises(InputError, match=r"a0\.bmp and a0\.png, which differ only in their extension"):
        score_pairs(reference, tmp_path / "d")


def test_pairs_that_cannot_be_compared(folders, tmp_path):
    reference = folders[0]
    images = reference_images()
    for name in ("a0", "a1", "gray", "wide", "b0"):
        save(tmp_path / f"{name}.png", images[name])
    save(tmp_path / "a0.png", images["b0"])
    save(tmp_path / "gray.png", images["a0"])
    save(tmp_path / "wide.png", images["gray"])
    (tmp_path / "b0.png").write_bytes(b"no image")
    with pytest.raises(
        InputError, match=r"a0\.png is 12 x 17 RGB with 8 bits, but .*a0\.png is 13 x 12 RGB with 8 bits"
    ):
        score_pairs(reference, tmp_path, metrics="mae", unmatched="skip")
    found = score_pairs(reference, tmp_path, metrics="mae", unmatched="skip", on_error="skip")
    assert [one.image for one in found.scores] == ["a1"]
    assert [one["image"] for one in found.manifest["skipped"]] == ["a0", "b0", "gray", "wide"]
    assert any("4 images of" in warning and "were left out" in warning for warning in found.warnings)


def with_oddities(root, offset: int):
    """Four pictures: with alpha, lying by EXIF, of several frames, an ordinary one; and a file that is not read."""
    root.mkdir()
    rng = np.random.default_rng(offset)
    images = rng.integers(0, 256, (5, 12, 14, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(images[0]).save(root / "alpha.png")
    Image.fromarray(images[1, ..., :3]).save(root / "lying.png", exif=exif)
    frames = [Image.fromarray(images[2, ..., :3]), Image.fromarray(images[3, ..., :3])]
    frames[0].save(root / "frames.png", save_all=True, append_images=frames[1:])
    Image.fromarray(images[4, ..., :3]).save(root / "plain.ppm")
    (root / "clip.heic").write_bytes(b"x")
    return images


def test_what_was_done_to_images_is_kept_and_said(tmp_path):
    reference, distorted = tmp_path / "r", tmp_path / "d"
    with_oddities(reference, 1)
    with_oddities(distorted, 2)
    (distorted / "notes.txt").write_text("x")
    found = score_pairs(reference, {"d": distorted, "e": reference}, metrics="mae")
    notes = {
        "alpha dropped": 1,
        "exif-orientation ignored": 1,
        "first frame of several": 1,
        "file in a format that is not read ignored: .heic": 1,
    }
    more = {"file without an image extension ignored": 1}
    reports = found.manifest["reports"]
    assert {name: one["notes"] for name, one in reports.items()} == {
        str(reference): notes,
        "d": notes | more,
        "e": notes,
    }
    assert reports["d"]["count"] == 4
    assert reports["d"]["sizes"] == {"least": (12, 14), "most": (12, 14), "counts": {"12 x 14": 4}}
    for name in (str(reference), "d", "e"):
        assert found.warnings.count(f"{name}: alpha dropped (1 of 4 images)") == 1
        assert found.warnings.count(f"{name}: EXIF orientation ignored (1 of 4 images)") == 1
        assert found.warnings.count(f"{name}: only the first of several frames read (1 of 4 images)") == 1
        assert found.warnings.count(f"{name}: 1 file left out, in formats that are not read (1 .heic)") == 1
    assert "d: 1 file left out, without an image's extension" in found.warnings
    json.loads(found.to_json())


def test_alpha_is_laid_over_and_orientation_applied_before_scoring(tmp_path):
    reference, distorted = tmp_path / "r", tmp_path / "d"
    images = with_oddities(reference, 1), with_oddities(distorted, 2)

    def mae(alpha: str) -> float:
        over = []
        for image in images:
            colours, opaque = image[0, ..., :3].astype(np.float64), image[0, ..., 3:] / 255.0
            ground = {"white": 255.0, "black": 0.0}.get(alpha)
            laid = colours if ground is None else colours * opaque + ground * (1 - opaque)
            over.append(np.floor(laid + 0.5))
        return float(np.abs(over[0] - over[1]).mean())

    for alpha in ("drop", "white", "black"):
        found = score_pairs(reference, distorted, metrics="mae", alpha=alpha, exif="apply")
        values = {one.image: one.values["mae"] for one in found.scores}
        assert values["alpha"] == pytest.approx(mae(alpha), rel=1e-6)
        shapes = {one.image: (one.height, one.width) for one in found.scores}
        assert shapes["lying"] == (14, 12)
        assert shapes["plain"] == (12, 14)
        assert found.manifest["settings"]["alpha"] == alpha
        assert found.manifest["settings"]["exif"] == "apply"
        assert not any("EXIF" in text for text in found.warnings)
        assert any("alpha dropped" in text for text in found.warnings) == (alpha == "drop")
        noted = {"white": "alpha over white", "black": "alpha over black"}.get(alpha, "alpha dropped")
        assert found.manifest["reports"][str(distorted)]["notes"][noted] == 1


def test_a_picture_turned_and_one_with_a_tag_are_a_pair_once_it_is_applied(tmp_path):
    images = with_oddities(tmp_path / "r", 1)
    save(tmp_path / "d" / "lying.png", np.rot90(images[1, ..., :3], -1))
    with pytest.raises(InputError, match=r"is 14 x 12 RGB .* but .* is 12 x 14 .*--exif apply turns the pixels"):
        score_pairs(tmp_path / "r", tmp_path / "d", metrics="mae", unmatched="skip")
    found = score_pairs(tmp_path / "r", tmp_path / "d", metrics="mae", unmatched="skip", exif="apply")
    assert [one.values["mae"] for one in found.scores] == [0.0]


def test_a_file_that_breaks_off_is_an_error_or_left_out(folders, tmp_path):
    reference, little, _ = folders
    for name in ("a0", "a1"):
        data = (little / f"{name}.png").read_bytes()
        (tmp_path / f"{name}.png").write_bytes(data if name == "a1" else data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a0\.png cannot be decoded.*--on-error skip"):
        score_pairs(reference, tmp_path, metrics="mae", unmatched="skip")
    found = score_pairs(reference, tmp_path, metrics="mae", unmatched="skip", on_error="skip")
    assert [one.image for one in found.scores] == ["a1"]


def test_infinite_values_are_said_and_kept_out_of_means(folders, tmp_path):
    reference, little, _ = folders
    for name in ("a0", "a1", "a2"):
        save(tmp_path / "some" / f"{name}.png", stored(reference if name == "a1" else little, name))
        save(tmp_path / "copy" / f"{name}.png", stored(reference, name))
    sets = {"some": tmp_path / "some", "copy": tmp_path / "copy"}
    found = score_pairs(reference, sets, metrics="psnr", unmatched="skip")
    some, copy = found.means
    others = [one.values["psnr"] for one in found.scores if one.set == "some" and one.image != "a1"]
    assert (some.value, some.n, some.n_infinite) == (pytest.approx(np.mean(others)), 2, 1)
    assert (copy.value, copy.n, copy.interval) == (np.inf, 0, None)
    assert (found.differences[0].n, found.differences[0].n_left_out) == (0, 3)
    assert any("1 of 3 images of some are identical" in warning for warning in found.warnings)
    document = json.loads(found.to_json())
    assert document["means"][1]["value"] == "inf"
    paths, missing = save_scores(found.scores, tmp_path / "out")
    assert missing is None
    rows = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [row["psnr"] for row in rows][3:] == ["inf"] * 3
    table = pyarrow.parquet.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    with open(paths[0], newline="") as stream:
        for row, typed, one in zip(csv.DictReader(stream), table, found.scores, strict=True):
            assert (row["set"], row["image"]) == (typed["set"], typed["image"]) == (one.set, one.image)
            assert float(row["psnr"]) == typed["psnr"] == one.values["psnr"]


def test_sets_of_different_images_are_said(folders, tmp_path):
    reference, little, _ = folders
    for name in ("a0", "a1"):
        save(tmp_path / f"{name}.png", noisy(stored(reference, name), 8))
    found = score_pairs(reference, {"all": little, "two": tmp_path}, metrics="mae", unmatched="skip")
    assert found.differences[0].n == 2
    assert any("2 are common to all" in warning for warning in found.warnings)


def test_what_a_measure_does_not_take_is_left_out_of_groups_only(folders):
    reference, little, _ = folders
    with pytest.raises(
        InputError, match=r"ms-ssim needs sides of at least 161 pixels, but .* is 12 x 17 RGB.*leave ms-ssim out"
    ):
        score_pairs(reference, little, metrics="psnr,ms-ssim")
    measures, in_groups = pair_measures("mae,no-reference")
    assert "mae" not in in_groups
    assert {one.name for one in measures} == {"mae", *in_groups}
    found = score_pairs(reference / "gray.png", little / "gray.png", metrics="no-reference")
    reasons = {one["metric"]: one["sentence"] for one in found.manifest["not_computed"]}
    fitted = ["niqe", "niqe-authors", "ilniqe", "nrqm", "pi", "brisque", "brisque-authors"]
    assert list(reasons) == [*fitted, "piqe", "clip-iqa", "colourfulness"]
    assert "needs colour" in reasons["colourfulness"]
    assert "brisque needs sides of at least 16 pixels" in reasons["brisque"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "psnr,niceness"}, "'niceness' of pairs is not known"),
        ({"metrics": ""}, "no metric was given"),
        ({"convention": "piqa"}, "convention 'piqa' is not one of a wanted metric; there are ssim: scikit-image"),
        ({"metrics": "psnr", "convention": "piq"}, "none of the wanted metrics has conventions"),
        ({"colour": "cb"}, "colour 'cb' is not known; choose from own, each-channel, y, "),
        ({"gray": "rgb"}, "gray 'rgb' is not known; choose from as-is, as-rgb"),
        ({"modcrop": 0}, "modcrop is 0; give a whole number of 1 or more"),
        ({"modcrop": 99}, "of which modcrop 99 leaves nothing"),
        ({"pattern": "x4"}, r"pattern 'x4' must have one \*"),
        ({"pattern": ["*", "*x4"]}, "2 patterns are given for 1 distorted sets"),
        ({"crop_border": -1}, "crop border -1"),
        ({"crop_border": 6, "metrics": "mae"}, "crop border 6 leaves nothing"),
        ({"data_range": 0.0}, "data range 0.0"),
        ({"data_range": 1.0, "metrics": "mae"}, "give 255 for 8 bits"),
        ({"unmatched": "ask"}, "'ask' must be 'error' or 'skip'"),
        ({"alpha": "gray"}, "alpha 'gray' is not known; choose from drop, white, black"),
        ({"exif": "turn"}, "exif 'turn' is not known; choose from ignore, apply"),
        ({"on_error": "ask"}, "on_error 'ask' is not known; choose 'fail' or 'skip'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_arguments_are_named(folders, options, message):
    with pytest.raises(InputError, match=message):
        score_pairs(folders[0], folders[1], **options)


def test_a_set_given_twice_or_nothing_at_all(folders, tmp_path):
    with pytest.raises(InputError, match="is given twice"):
        score_pairs(folders[0], [folders[1], folders[1]])
    with pytest.raises(InputError, match="is the reference and a distorted set"):
        score_pairs(folders[0], folders[0])
    with pytest.raises(InputError, match="does not exist"):
        score_pairs(folders[0], tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match="is not an image file"):
        score_pairs(folders[0], tmp_path / "notes.txt")


@given(st.lists(st.sampled_from([(8, 8), (8, 9), (4096, 4096)]), max_size=40), st.integers(1, 7))
def test_batches_keep_every_task_and_have_one_size_a_shape(shapes, batch_size):
    nothing = Item("", b"", "")
    tasks = [Task(str(i), "", PixelLayout(h, w, 3, 8), nothing, nothing) for i, (h, w) in enumerate(shapes)]
    batches = list(batches_of(tasks, batch_size))
    assert sorted(task.image for batch, _ in batches for task in batch) == sorted(task.image for task in tasks)
    sizes: dict[PixelLayout, set[int]] = {}
    for batch, size in batches:
        assert len({task.layout for task in batch}) == 1
        assert 0 < len(batch) <= size <= batch_size
        sizes.setdefault(batch[0].layout, set()).add(size)
    assert all(len(found) == 1 for found in sizes.values())


@pytest.mark.parametrize("name", [name for name, measure in PAIR_MEASURES.items() if not measure.weights])
def test_least_sides_and_colours_are_those_of_the_ops(name, monkeypatch):
    """By the ops' own checks, with nothing computed after them."""
    measure = PAIR_MEASURES[name]
    sides = 1 if measure.alone else 2

    def zeros(function, options, *images):
        values = jnp.zeros(len(images[0]))
        return iq.Exposure(values, values, values, values) if "exposure" in function.__name__ else values

    monkeypatch.setattr(batches, "_each_image", zeros)

    def run(side: int, channels: int, **options: str) -> None:
        op = measure.load(**options)
        assert op(*[jnp.zeros((2, side, side + 1, channels), "uint8")] * sides, data_range=255).shape == (2,)

    for convention in measure.conventions or (None,):
        options = {} if convention is None else {"convention": convention}
        least = measure.smallest(convention)
        run(least, max(measure.colours), **options)
        if least > 1:
            with pytest.raises(InputError):
                run(least - 1, max(measure.colours), **options)
    for channels in (1, 3):
        if channels in measure.colours:
            run(measure.least_side, channels)
        else:
            with pytest.raises(InputError):
                run(measure.least_side, channels)
