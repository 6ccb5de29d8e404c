"""Pairs from archives, arrays and files of floats: the scores of the same images in folders, and what is refused."""

import io
import itertools
import json
import sys
import zipfile

import numpy as np
import pytest
from float_files import exr, light, tiff, write
from image_samples import encode, noise, write_folder, write_tar, write_zip

import jaxeval.ops.image_quality as iq
from jaxeval.cli import main
from jaxeval.errors import InputError, MissingPackageError
from jaxeval.pairs import PairsEvaluation, score_images, score_pairs
from jaxeval.report import draw_contact_sheets, draw_exhibits

pytestmark = pytest.mark.usefixtures("quickly_compiled")

NAMES = ["a", "b", "sub/c", "sub/d"]
OURS = np.stack([noise(13, 14, 3, seed=seed) for seed in range(4)])
THEIRS = np.stack([noise(13, 14, 3, seed=seed) for seed in range(10, 14)])
KINDS = ["folder", "zip", "tar", "tar.gz", "npy", "npz"]
LIGHT = light(3, 13, 14, 3), light(3, 13, 14, 3, seed=1)


def put(place, kind: str, images: np.ndarray, ending: str = "png"):
    """These images as a folder, an archive or an array."""
    files = {f"{name}.{ending}": encode(image, ending.upper()) for name, image in zip(NAMES, images, strict=True)}
    path = place / f"{kind}.{kind}"
    if kind == "folder":
        return write_folder(place / "folder", files)
    if kind.startswith("tar"):
        return write_tar(path, files)
    if kind == "zip":
        return write_zip(path, files)
    {"npy": np.save, "npz": np.savez_compressed}[kind](path, images)
    return path


def values(found: PairsEvaluation, name) -> list[float]:
    return [one.values["mae"] for one in found.scores if one.set == str(name)]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    place = tmp_path_factory.mktemp("ours")
    return {kind: put(place, kind, OURS) for kind in KINDS}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    place = tmp_path_factory.mktemp("theirs")
    return {kind: put(place, kind, THEIRS, "bmp" if kind == "zip" else "png") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_set_against_every_other_has_the_same_scores(ours, theirs, kind, tmp_path):
    found = score_pairs(ours[kind], list(theirs.values()), metrics="mae", threads=3, batch_size=2)
    expected = np.abs(OURS.astype(float) - THEIRS).mean((1, 2, 3))
    for place in theirs.values():
        np.testing.assert_allclose(values(found, place), expected, rtol=1e-6)
    assert {one.image for one in found.scores} == set(NAMES)
    in_order = [text for text in found.warnings if "have no names and are matched" in text]
    assert len(in_order) == sum(place.suffix in (".npy", ".npz") for place in [ours[kind], *theirs.values()])
    assert all(text.endswith("in order: the first with a, the last with sub/d") for text in in_order)
    assert len(draw_exhibits(found, tmp_path, count=1)) == len(theirs)


def test_arrays_are_matched_by_number(ours, tmp_path):
    np.save(tmp_path / "less.npy", THEIRS[:3])
    found = score_pairs(ours["npz"], ours["npy"], metrics="mae")
    assert [one.image for one in found.scores] == ["000000", "000001", "000002", "000003"]
    assert values(found, ours["npy"]) == [0.0] * 4
    with pytest.raises(InputError, match=r"1 of 4 images of .*npz' have no partner in .*less\.npy': 000003"):
        score_pairs(ours["npz"], tmp_path / "less.npy", metrics="mae")
    found = score_pairs(ours["npz"], tmp_path / "less.npy", metrics="mae", unmatched="skip")
    expected = np.abs(OURS.astype(float) - THEIRS).mean((1, 2, 3))
    np.testing.assert_allclose(values(found, tmp_path / "less.npy"), expected[:3], rtol=1e-6)


@pytest.mark.parametrize("unmatched", ["error", "skip"])
def test_an_array_with_another_number_of_images_than_names_is_refused(ours, tmp_path, unmatched):
    np.save(tmp_path / "less.npy", THEIRS[:3])
    with pytest.raises(InputError, match=r"less\.npy' has 3 images without names and .*folder' 4 with names"):
        score_pairs(ours["folder"], tmp_path / "less.npy", metrics="mae", unmatched=unmatched)


@pytest.mark.parametrize("names", [["im1", "im2", "im10"], ["a", "a-b", "c"]])
def test_names_that_can_be_ordered_in_two_ways_have_no_array_beside_them(tmp_path, names):
    write_folder(tmp_path / "f", {f"{name}.png": encode(OURS[0], "PNG") for name in names})
    np.save(tmp_path / "a.npy", OURS[:3])
    with pytest.raises(InputError, match="can be put in more than one order; give them numbers of one length"):
        score_pairs(tmp_path / "a.npy", tmp_path / "f", metrics="mae")


def test_a_tar_that_is_not_in_order_has_no_array_beside_it_but_a_folder(ours, tmp_path):
    files = {f"{name}.png": encode(image, "PNG") for name, image in zip(NAMES[::-1], OURS[::-1], strict=True)}
    place = write_tar(tmp_path / "a.tar", files)
    assert values(score_pairs(ours["folder"], place, metrics="mae"), place) == [0.0] * 4
    with pytest.raises(InputError, match="more than one order"):
        score_pairs(ours["npy"], place, metrics="mae")


def test_an_archive_of_a_folder_has_the_names_below_it_where_only_these_match(ours, tmp_path):
    files = {f"{name}.png": encode(image, "PNG") for name, image in zip(NAMES, OURS, strict=True)}
    inside = {top: {f"{top}/{name}": data for name, data in files.items()} for top in ("x", "y")}
    x, y = write_zip(tmp_path / "x.zip", inside["x"]), write_tar(tmp_path / "y.tar", inside["y"])
    np.save(tmp_path / "a.npy", OURS)
    for reference, sets, moved in (
        (ours["folder"], [x, y], {x, y}),
        (x, [y, ours["tar"], tmp_path / "a.npy"], {x, y}),
        (tmp_path / "a.npy", [y, x], {x, y}),
        (x, [write_folder(tmp_path / "f", inside["x"])], set()),
    ):
        found = score_pairs(reference, sets, metrics="mae")
        assert [one.values["mae"] for one in found.scores] == [0.0] * 4 * len(sets)
        said = [text for text in found.warnings if "left out of their names" in text]
        assert len(said) == len(moved)
        assert all(any(repr(str(place)) in text for text in said) for place in moved)
        assert len(draw_exhibits(found, tmp_path / "e", count=1)) == len(sets)
    with pytest.raises(InputError, match="has the name of one in"):
        score_pairs(x, write_zip(tmp_path / "o.zip", {"o/z1.png": PNG, "o/z2.png": PNG}), metrics="mae")


def test_a_pattern_is_for_sets_with_names(ours, tmp_path):
    files = {f"{name}x4.png": encode(image, "PNG") for name, image in zip(NAMES, OURS, strict=True)}
    named = write_zip(tmp_path / "a.zip", files)
    found = score_pairs(ours["folder"], [named, ours["npy"]], metrics="mae", pattern=["*x4", "*"])
    assert [one.values["mae"] for one in found.scores] == [0.0] * 8
    for reference, distorted in ((ours["npy"], named), (ours["folder"], ours["npy"])):
        with pytest.raises(InputError, match=r"pattern '\*x4' is of names, and the images of .*npy' have none"):
            score_pairs(reference, distorted, metrics="mae", pattern="*x4")


def test_what_else_an_archive_holds_is_counted(ours, tmp_path):
    files = {f"{name}.png": encode(image, "PNG") for name, image in zip(NAMES, OURS, strict=True)}
    junk = {"notes.txt": b"x", "__MACOSX/._a.png": b"x", "clip.heic": b"x"}
    for place in (write_zip(tmp_path / "a.zip", files | junk), write_tar(tmp_path / "a.tar", files | junk)):
        found = score_pairs(ours["folder"], place, metrics="mae")
        notes = found.manifest["reports"][str(place)]["notes"]
        assert notes == {
            "file without an image extension ignored": 1,
            "hidden file or folder ignored": 1,
            "file in a format that is not read ignored: .heic": 1,
        }
        assert f"{place}: 1 file left out, without an image's extension" in found.warnings


def encrypted(data: bytes) -> bytes:
    """The archive with the flag of encryption in both headers of its entries."""
    changed = bytearray(data)
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(start)
        while at >= 0:
            changed[at + place] |= 1
            at = changed.find(start, at + 1)
    return bytes(changed)


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


PNG = encode(OURS[0], "PNG")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.zip", zipped({"a.png": PNG})[:-40], r"a\.zip is not a readable zip archive"),
        ("a.zip", zipped({}), r"a\.zip holds no images"),
        ("a.zip", zipped({"a.txt": b"x"}), r"a\.zip holds no images \(file without an image extension ignored: 1\)"),
        ("a.zip", zipped({"a.png": PNG, "a.jpg": PNG}), r"a\.jpg and a\.png, which differ only in their extension"),
        ("a.zip", encrypted(zipped({"a.png": PNG})), r"'a\.png' is encrypted"),
        ("a.zip", zipped({"../a.png": PNG}), r"'\.\./a\.png' points outside"),
        ("a.tar", b"", r"a\.tar is an empty tar archive|not a readable tar archive"),
        ("a.tar", bytes(10240), r"a\.tar is an empty tar archive"),
        ("a.npy", b"no array", r"a\.npy cannot be read"),
        ("a.npz", b"no array", r"a\.npz is not a readable \.npz file"),
        ("a.txt", b"x", r"a\.txt' is not an image file .* or an array file \(\.npy, \.npz\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sources_that_cannot_be_had_are_refused(ours, tmp_path, name, data, message):
    place = write(tmp_path / name, data)
    with pytest.raises(InputError, match=message) as error:
        score_pairs(ours["folder"], place, metrics="mae")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"nowhere\.np[yz].* does not exist"):
        score_pairs(tmp_path / "nowhere.npy", place, metrics="mae")


def test_a_tar_that_breaks_off_is_refused_and_a_broken_entry_of_a_zip_left_out(ours, tmp_path):
    data = ours["tar"].read_bytes()
    with pytest.raises(InputError, match="not a readable tar archive, or is cut short"):
        score_pairs(ours["folder"], write(tmp_path / "a.tar", data[: len(data) // 3]), metrics="mae")
    whole = ours["zip"].read_bytes()
    at = whole.find(b"IDAT")
    place = write(tmp_path / "a.zip", whole[: at + 9] + b"\0\0\0\0" + whole[at + 13 :])
    with pytest.raises(InputError, match=r"a\.png' cannot be unpacked.*--on-error skip"):
        score_pairs(ours["folder"], place, metrics="mae")
    found = score_pairs(ours["folder"], place, metrics="mae", on_error="skip")
    assert [one.image for one in found.scores] == NAMES[1:]


@pytest.fixture(scope="module")
def lights(tmp_path_factory):
    """The same floats as EXRs, TIFFs, a zip of both, and an array."""
    found = []
    for side, images in zip(("ours", "theirs"), LIGHT, strict=True):
        place = tmp_path_factory.mktemp(side)
        files = {f"{name}.exr": exr({"RGB": image}) for name, image in zip("abc", images, strict=True)}
        tiffs = {f"{name}.tif": tiff(image) for name, image in zip("abc", images, strict=True)}
        np.savez(place / "a.npz", images.astype(np.float64))
        mixed = dict(list(files.items())[:1] + list(tiffs.items())[1:])
        folders = write_folder(place / "exr", files), write_folder(place / "tif", tiffs)
        found.append([*folders, write_zip(place / "a.zip", mixed), place / "a.npz"])
    return found


def test_floats_are_scored_as_stored_in_every_kind_of_set(lights, tmp_path):
    ours, theirs = lights
    expected = np.asarray(iq.hdr_flip(LIGHT[1], LIGHT[0]))
    psnr = 10 * np.log10(4.0**2 / np.square(LIGHT[0].astype(float) - LIGHT[1]).mean((1, 2, 3)))
    every = [score_pairs(place, theirs, metrics="hdr-flip,psnr,ssim", data_range=4.0) for place in ours]
    for found, name in itertools.product(every, theirs):
        own = [one for one in found.scores if one.set == str(name)]
        np.testing.assert_allclose([one.values["hdr-flip"] for one in own], expected, rtol=1e-5)
        np.testing.assert_allclose([one.values["psnr"] for one in own], psnr, rtol=1e-5)
        assert {one.bits for one in own} == {32}
    found = every[0]
    assert found.manifest["layouts"] == ["13 x 14 RGB with float values"]
    assert found.manifest["data_ranges"] == [4.0]
    by_metric = {mean.metric: mean.parameters for mean in found.means}
    assert by_metric["hdr-flip"] == {}
    assert by_metric["psnr"]["data_range"] == 4.0
    assert f"{theirs[3]}: 64-bit floats rounded to 32 bits (3 of 3 images)" in found.warnings
    assert len(draw_exhibits(found, tmp_path, count=2)) == len(theirs)


def test_light_needs_no_range_and_is_drawn_without_one(lights, tmp_path):
    ours, theirs = lights
    found = score_pairs(ours[0], theirs[3], metrics="hdr-flip")
    assert found.manifest["data_ranges"] == []
    json.loads(found.to_json())
    (sheet,) = draw_exhibits(found, tmp_path / "e", count=1)
    assert sheet.exists()


@pytest.mark.parametrize("metrics", ["psnr,ssim", "hdr-flip,psnr", "all"])
def test_the_range_of_floats_is_never_guessed(lights, metrics):
    with pytest.raises(InputError, match=r"a\.exr is 13 x 14 RGB with float values, whose range .*--data-range 1\.0"):
        score_pairs(lights[0][0], lights[1][0], metrics=metrics)


def test_hdr_flip_is_for_floats_alone(ours, theirs):
    with pytest.raises(InputError, match=r"hdr-flip needs linear light in float values .* RGB with 8 bits"):
        score_pairs(ours["folder"], theirs["folder"], metrics="hdr-flip")


def test_floats_against_8_bits_are_no_pair(ours, tmp_path):
    np.save(tmp_path / "a.npy", OURS / np.float32(255))
    with pytest.raises(InputError, match=r"image 0 of .*a\.npy is .* with float values, but .*a\.png is .* 8 bits"):
        score_pairs(ours["folder"], tmp_path / "a.npy", metrics="mae", data_range=1.0)


def test_values_that_a_measure_does_not_take_are_named_with_their_image(lights, tmp_path):
    for name, image in zip("abc", LIGHT[1], strict=True):
        changed = -image if name == "b" else image
        write(tmp_path / f"{name}.exr", exr({"RGB": changed}))
    with pytest.raises(InputError, match=r"b\.exr has values down to -[\d.]+, and light is not neg.*leave hdr-flip"):
        score_pairs(lights[0][0], tmp_path, metrics="hdr-flip")
    write(tmp_path / "b.exr", exr({"RGB": 100 * LIGHT[1][1]}))
    with pytest.raises(InputError, match=r"psnr: .*b\.exr has values from .*, which data_range=4 does not fit"):
        score_pairs(lights[0][0], tmp_path, metrics="psnr", data_range=4.0)


def test_a_value_that_is_not_finite_is_named_or_its_image_left_out(lights, tmp_path):
    for name, image in zip("abc", LIGHT[1], strict=True):
        write(
            tmp_path / f"{name}.tif", tiff(np.where(image == image[3, 4, 2], np.inf, image) if name == "c" else image)
        )
    with pytest.raises(InputError, match=r"c\.tif has 1 of 546 values .* blue in row 3, column 4 .*--on-error skip"):
        score_pairs(lights[0][0], tmp_path, metrics="hdr-flip")
    found = score_pairs(lights[0][0], tmp_path, metrics="hdr-flip", on_error="skip")
    assert [one.image for one in found.scores] == ["a", "b"]


def test_images_by_themselves_come_from_every_kind_of_set(ours, lights, tmp_path):
    found = score_images(list(ours.values()), metrics="brightness")
    for place in ours.values():
        own = [one.values["brightness"] for one in found.scores if one.set == str(place)]
        expected = [one.values["brightness"] for one in found.scores if one.set == str(ours["folder"])]
        np.testing.assert_allclose(own, expected, rtol=1e-6)
    with pytest.raises(InputError, match=r"whose range is not known, and brightness needs it; say it \(--data-range"):
        score_images(lights[0][0], metrics="brightness")
    large = [light(40, 40, 3, seed=seed) for seed in range(3)]
    files = {f"{name}.tif": tiff(image) for name, image in zip("abc", large, strict=True)}
    found = score_images(write_zip(tmp_path / "a.zip", files), metrics="piqe", data_range=2.0)
    assert len(draw_contact_sheets(found, tmp_path / "e")) == 1


def test_gray_and_sides_of_floats_follow_the_rules_of_other_images(tmp_path):
    gray = light(2, 13, 14)
    np.save(tmp_path / "a.npy", gray)
    write_folder(tmp_path / "f", {f"{i}.tif": tiff(np.repeat(gray[i][:12, :12, None], 3, 2)) for i in range(2)})
    found = score_pairs(tmp_path / "f", tmp_path / "a.npy", metrics="mae", data_range=4.0, gray="as-rgb", modcrop=4)
    assert [(one.height, one.width, one.channels, one.values["mae"]) for one in found.scores] == [(12, 12, 3, 0.0)] * 2
    notes = found.manifest["reports"][str(tmp_path / "a.npy")]["notes"]
    assert set(notes.values()) == {2}
    assert len(notes) == 2


def test_floats_of_many_sizes_and_around_zero(tmp_path):
    """Of more than eight sizes some measures are computed by tiles."""
    sides = range(20, 30)
    for name, seed in (("r", 0), ("d", 1)):
        write_folder(tmp_path / name, {f"{n}.tif": tiff(light(n, n + 3, 3, seed=seed) - 0.1) for n in sides})
    found = score_pairs(tmp_path / "r", tmp_path / "d", metrics="psnr,mae,ssim", data_range=4.0)
    for one in found.scores:
        n = int(one.image)
        x, y = light(n, n + 3, 3, seed=1)[None] - 0.1, light(n, n + 3, 3)[None] - 0.1
        expected = {"psnr": iq.psnr, "mae": iq.mae, "ssim": iq.ssim}
        for metric, op in expected.items():
            np.testing.assert_allclose(one.values[metric], op(x, y, data_range=4.0)[0], rtol=1e-4)
    with pytest.raises(InputError, match=r"psnr: .* has values from .*, which data_range=0\.1 does not fit"):
        score_pairs(tmp_path / "r", tmp_path / "d", metrics="psnr", data_range=0.1)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_missing_package_is_no_fault_of_an_image(lights, monkeypatch, on_error):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'jaxeval\[exr\]'$"):
        score_pairs(lights[0][0], lights[1][0], metrics="hdr-flip", on_error=on_error)


def test_the_command_takes_them(lights, tmp_path, capfd):
    ours, theirs = lights
    out = tmp_path / "out"
    arguments = ["pairs", str(ours[2]), str(theirs[3]), "--metrics", "hdr-flip", "--quiet", "--out", str(out)]
    assert main(arguments) == 0
    assert "HDR-FLIP" in capfd.readouterr().out
    assert (out / "exhibits" / "a.npz.png").exists()
    assert main(["pairs", str(ours[2]), str(theirs[3]), "--quiet"]) == 2
    assert "--data-range 1.0" in capfd.readouterr().err
