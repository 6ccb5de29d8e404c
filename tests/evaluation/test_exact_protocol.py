"""What preparation did is said, and `exact_protocol` follows the reference where jaxeval departs from it."""

import json

import numpy as np
import pytest
from image_sets import crops
from parity_stub import torchvision_stub
from PIL import Image

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import PROTOCOLS, Protocol, get_protocols, statistics_remarks
from jaxeval.extractors import load_extractor

SCALED = "16-bit gray is scaled, where {} clips it at 255 (12 of {}, 12 of {}): see --exact-protocol"


def wide_images(seed: int, count: int = 12) -> np.ndarray:
    return crops(count, (8, 8), seed)[..., 1].astype(np.uint16) * 3


def write(folder, images, extension="png"):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:02d}.{extension}")
    return folder


@pytest.fixture
def wide(tmp_path):
    return write(tmp_path / "real", wide_images(1)), write(tmp_path / "fake", wide_images(2), "tif")


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Of the pixels of images [N, H, W, 3], by singular values of the centred rows."""
    x, y = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (x, y))
    a, b = ((rows - rows.mean(0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * root)


def as_pillow(folder) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())])


def as_scaled(seed: int) -> np.ndarray:
    levels = np.rint(wide_images(seed) * (255 / 65535))
    return np.repeat(levels[..., None], 3, axis=3)


def only(evaluation):
    (result,) = evaluation.results
    return result


@pytest.mark.parametrize("protocol", [name for name, one in PROTOCOLS.items() if one.by_pillow])
def test_references_that_read_files_by_pillow_are_followed_exactly(wide, protocol):
    ours = only(jaxeval.evaluate(*wide, extractor="pixels", protocol=protocol))
    exact = only(jaxeval.evaluate(*wide, extractor="pixels", protocol=protocol, exact_protocol=True))
    unit = 1 / 255  # the extractor's levels are 0..1
    assert ours.value == pytest.approx(frechet(as_scaled(1) * unit, as_scaled(2) * unit), rel=1e-5)
    assert exact.value == pytest.approx(frechet(as_pillow(wide[0]) * unit, as_pillow(wide[1]) * unit), rel=1e-5)
    assert exact.value > 2 * ours.value
    assert SCALED.format(protocol, *wide) in ours.warnings
    clipped = f"gray of more than 8 bits is clipped at 255, as {protocol} does (12 of {wide[0]}, 12 of {wide[1]})"
    assert clipped in exact.warnings
    assert "exact_protocol" not in ours.parameters
    assert exact.parameters["exact_protocol"] is True


def test_each_protocol_of_a_run_gets_its_own_pixels(wide):
    found = jaxeval.evaluate(*wide, extractor="pixels", protocol="pytorch-fid,edm2", exact_protocol=True)
    exact, without = found.results
    alone = [
        only(jaxeval.evaluate(*wide, extractor="pixels", protocol="pytorch-fid", exact_protocol=True)),
        only(jaxeval.evaluate(*wide, extractor="pixels", protocol="edm2")),
    ]
    assert [exact.value, without.value] == [one.value for one in alone]
    assert without.warnings[0].startswith("16-bit gray is scaled; edm2 says nothing of such files (12 of ")
    assert found.manifest["exact_protocol"] is True
    reductions = {name.partition(",")[0]: one["reduction"] for name, one in found.manifest["features"].items()}
    assert reductions == {"pytorch-fid": "pillow", "edm2": "scale"}
    notes = found.manifest["reference"]["report"]["notes"]
    assert notes.items() >= {"more than 8 bits clipped at 255": 12, "16-bit scaled": 12, "gray to RGB": 12}.items()


def test_exact_protocol_changes_nothing_where_there_is_no_departure(tmp_path):
    folders = write(tmp_path / "a", crops(12, (8, 8), 1)), write(tmp_path / "b", crops(12, (8, 8), 2))
    ours = only(jaxeval.evaluate(*folders, extractor="pixels"))
    exact = only(jaxeval.evaluate(*folders, extractor="pixels", exact_protocol=True))
    assert exact.value == ours.value
    assert exact.warnings == ours.warnings


def test_files_of_32_bits_are_what_the_reference_makes_of_them(tmp_path):
    images = [wide_images(seed).astype(np.float32) / 3 for seed in (1, 2)]
    folders = [write(tmp_path / name, one, "tif") for name, one in zip("ab", images, strict=True)]
    with pytest.raises(InputError, match="32-bit float pixels"):
        jaxeval.evaluate(*folders, extractor="pixels")
    found = only(jaxeval.evaluate(*folders, extractor="pixels", exact_protocol=True))
    expected = frechet(as_pillow(folders[0]) / 255, as_pillow(folders[1]) / 255)
    assert found.value == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match="32-bit float pixels"):  # of which edm2 knows nothing
        jaxeval.evaluate(*folders, extractor="pixels", protocol="torch-fidelity,edm2", exact_protocol=True)


def test_compare_and_features_follow_it_too(wide, tmp_path):
    rows = jaxeval.features(wide[0], extractor="pixels", exact_protocol=True)
    np.testing.assert_allclose(rows.reshape(-1, 8, 8, 3) * 255, as_pillow(wide[0]), atol=1e-4)
    folders = [write(tmp_path / f"{seed}", wide_images(seed, 40)) for seed in (3, 4, 5)]
    options = {"extractor": "pixels", "metrics": "fd", "exact_protocol": True}
    found = jaxeval.compare(*folders[1:], reference=folders[0], **options)
    assert found.differences[0].second.value == only(jaxeval.evaluate(folders[0], folders[2], **options)).value
    said = "gray of more than 8 bits is clipped at 255, as torch-fidelity does (40 of "
    assert found.differences[0].second.warnings[0].startswith(said)


def test_the_cache_and_checkpoints_tell_them_apart(wide, tmp_path):
    def run(exact, **options):
        found = jaxeval.evaluate(*wide, extractor="pixels", exact_protocol=exact, **options)
        return only(found).value, found.manifest["reference"]["cached"], only(found).warnings

    plain, exact = run(False), run(True)
    assert plain[0] != exact[0]
    found = []
    for _ in range(2):
        found = [run(flag, cache=tmp_path / "cache") for flag in (False, True)]
        assert [one[0] for one in found] == [plain[0], exact[0]]
        assert [one[2] for one in found] == [plain[2], exact[2]]
    assert [one[1] for one in found] == [True, True]
    assert run(False, checkpoint=tmp_path / "checkpoint")[0] == plain[0]
    with pytest.raises(InputError, match=r"is of another run .*other features"):
        run(True, checkpoint=tmp_path / "checkpoint")
    again = run(False, checkpoint=tmp_path / "checkpoint")
    assert (again[0], again[2]) == (plain[0], plain[2])


def test_statistics_tell_them_apart_where_it_matters(wide, tmp_path):
    plain, exact = tmp_path / "plain.npz", tmp_path / "exact.npz"
    jaxeval.reference_statistics(wide[0], plain, extractor="pixels")
    jaxeval.reference_statistics(wide[0], exact, extractor="pixels", exact_protocol=True)
    for path, flag, message in (
        (plain, True, r"made with reduction 'scale'.*`jaxeval stats --exact-protocol`"),
        (exact, False, r"made with reduction 'pillow'.*`jaxeval stats` without --exact-protocol"),
    ):
        with pytest.raises(InputError, match=message):
            jaxeval.evaluate(path, wide[1], extractor="pixels", exact_protocol=flag)
    expected = only(jaxeval.evaluate(*wide, extractor="pixels", exact_protocol=True)).value
    found = only(jaxeval.evaluate(exact, wide[1], extractor="pixels", exact_protocol=True))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert statistics_remarks(plain) == [
        f"16-bit gray is scaled, where torch-fidelity clips it at 255 (12 of {wide[0]}): see --exact-protocol",
        *[text for text in statistics_remarks(plain)[1:] if "nearly of one shade" in text],
    ]
    assert "is clipped at 255" in statistics_remarks(exact)[0]
    # Without such an image they are the same statistics.
    ordinary = write(tmp_path / "ordinary", crops(12, (8, 8), 3))
    jaxeval.reference_statistics(ordinary, plain, extractor="pixels")
    assert statistics_remarks(plain) == []
    values = {
        only(jaxeval.evaluate(plain, ordinary, extractor="pixels", exact_protocol=flag)).value for flag in (False, True)
    }
    assert len(values) == 1


def test_statistics_from_before_say_nothing_of_it_and_scaled(wide, tmp_path):
    path = tmp_path / "old.npz"
    jaxeval.reference_statistics(wide[0], path, extractor="pixels")
    with np.load(path) as file:
        arrays = dict(file)
    record = json.loads(str(arrays["metadata"][()]))
    assert record.pop("reduction") == "scale"
    del record["report"]["sizes"], record["report"]["colourless"]
    np.savez(path, **{**arrays, "metadata": np.asarray(json.dumps(record))})
    result = only(jaxeval.evaluate(path, wide[1], extractor="pixels"))
    assert result.value == pytest.approx(only(jaxeval.evaluate(*wide, extractor="pixels")).value, rel=1e-9)
    assert SCALED.format("torch-fidelity", path, wide[1]) in result.warnings
    record["report"] = [1]
    np.savez(path, **{**arrays, "metadata": np.asarray(json.dumps(record))})
    with pytest.raises(InputError, match=r"the record in .* of how it was made is damaged"):
        jaxeval.evaluate(path, wide[1], extractor="pixels")


def test_a_protocol_can_be_exact_by_itself():
    (exact,) = get_protocols("clean-fid", exact=True)
    assert isinstance(exact, Protocol)
    network = load_extractor("pixels")
    assert exact.preparation(network).reduction == "pillow"
    assert get_protocols(exact)[0].exact
    (arrays,) = get_protocols("torchmetrics-1.8", exact=True)
    assert arrays.preparation(network).reduction == "scale"


def mixed_folder(folder):
    images = crops(12, (8, 8), 4)
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, image in enumerate(images):
        picture = Image.fromarray(image)
        if number < 2:
            picture.convert("RGBA").save(folder / f"{number}.png")
        elif number < 5:
            picture.save(folder / f"{number}.jpg", exif=exif)
        elif number < 6:
            picture.save(folder / f"{number}.png", save_all=True, append_images=[picture.rotate(90)])
        elif number < 10:
            picture.convert("L").save(folder / f"{number}.pgm")
        else:
            picture.resize((8, 9)).save(folder / f"{number}.png")
    (folder / "a.heic").write_bytes(b"x")
    (folder / "b.txt").write_bytes(b"x")
    return folder


@pytest.mark.parametrize("processes_of_reading", ["once", "cached", "resumed", "from statistics"])
def test_what_preparation_did_is_said_however_the_reading_came_about(tmp_path, processes_of_reading):
    mixed = mixed_folder(tmp_path / "mixed")
    colour = write(tmp_path / "colour", crops(12, (9, 9), 5))
    options = {"extractor": "random-conv", "limit": None}
    reference, generated = colour, mixed
    if processes_of_reading == "cached":
        options["cache"] = tmp_path / "cache"
        jaxeval.evaluate(reference, generated, **options)
    elif processes_of_reading == "resumed":
        options["checkpoint"] = tmp_path / "checkpoint"
        jaxeval.evaluate(reference, generated, **options)
    elif processes_of_reading == "from statistics":
        reference, generated = tmp_path / "mixed.npz", colour
        jaxeval.reference_statistics(mixed, reference, extractor="random-conv")
    found = jaxeval.evaluate(reference, generated, **options)
    name = reference if processes_of_reading == "from statistics" else mixed
    sizes = {colour: "9 x 9", name: "8 x 8 and 9 x 8"}
    expected = [
        f"{name}: alpha dropped (2 of 12 images)",
        f"{name}: EXIF orientation ignored (3 of 12 images)",
        f"{name}: only the first of several frames read (1 of 12 images)",
        f"{name}: 1 file left out, in formats that are not read (1 .heic)",
        f"{name}: 1 file left out, without an image's extension",
        f"{name}: gray and colour are mixed (4 of 12 images are gray)",
        "sizes differ (height x width): " + ", ".join(f"{one} {sizes[one]}" for one in (reference, generated)),
    ]
    assert [text for text in only(found).warnings if text in expected] == expected
    side = found.manifest["reference" if name == reference else "generated"]
    report = (side if isinstance(side, dict) else side[0])["report"]
    assert json.loads(json.dumps(report))["sizes"] == {
        "least": [8, 8],
        "most": [9, 8],
        "counts": {"8 x 8": 10, "9 x 8": 2},
    }
    assert report["colourless"] == 4


def test_the_held_out_sets_reading_is_said_where_it_counts(tmp_path):
    unseen = mixed_folder(tmp_path / "unseen")
    real, fake = (write(tmp_path / name, crops(12, (8, 8), seed)) for name, seed in (("real", 6), ("fake", 7)))
    found = jaxeval.evaluate(real, fake, held_out=unseen, metrics="fd,fld", extractor="random-conv")
    said = f"{unseen}: alpha dropped (2 of 12 images)"
    assert {one.metric: said in one.warnings for one in found.results} == {
        "fd-random-conv-0": False,
        "fld-random-conv-0": True,
        "fld-gap-random-conv-0": True,
    }


@pytest.mark.parity
def test_pytorch_fids_own_loading_of_wide_gray(wide):
    torchvision_stub()
    from pytorch_fid.fid_score import ImagePathDataset
    from torchvision.transforms import ToTensor

    for folder in wide:
        files = sorted(folder.iterdir())
        theirs = np.stack([np.asarray(one) for one in ImagePathDataset(files, transforms=ToTensor())])
        ours = jaxeval.features(folder, extractor="pixels", protocol="pytorch-fid", exact_protocol=True)
        np.testing.assert_allclose(ours.reshape(-1, 8, 8, 3), theirs.transpose(0, 2, 3, 1), atol=1e-6)
    # The case: that package's distance of such sets, over the pixels that its loader gives.
    loaded = [
        np.stack([np.asarray(one) for one in ImagePathDataset(sorted(folder.iterdir()), transforms=ToTensor())])
        for folder in wide
    ]
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = (one.reshape(len(one), -1).astype(np.float64) for one in loaded)
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = calculate_frechet_distance(x.mean(0), covariances[0], y.mean(0), covariances[1])
    found = only(jaxeval.evaluate(*wide, extractor="pixels", protocol="pytorch-fid", exact_protocol=True)).value
    assert found == pytest.approx(float(expected), rel=1e-4)
