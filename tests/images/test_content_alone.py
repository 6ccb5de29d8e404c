"""Pixels come from the bytes that were given and from nothing else, whatever lies where a file of that name would."""

import builtins
import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from image_samples import encode, noise, write_folder, write_tar, write_zip
from PIL import Image

import jaxeval
from jaxeval.evaluation.reading import reader
from jaxeval.images import Item, Preparation, decode_exact, open_source, pixel_layout, read_batches
from jaxeval.images.decoding import decode_file
from jaxeval.pairs import score_pairs

HEIGHT, WIDTH = 5, 8

# What each orientation asks for, after the TIFF 6.0 specification (tag 274), of rows that begin top left.
TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def picture(mode: str, seed: int = 0) -> tuple[Image.Image, np.ndarray]:
    """An image and the RGB levels that it stands for."""
    if mode == "1":
        bits = noise(HEIGHT, WIDTH, seed=seed) > 127
        return Image.fromarray(bits), np.repeat(np.uint8(255) * bits[..., None], 3, 2)
    if mode == "P":
        indices, palette = noise(HEIGHT, WIDTH, seed=seed), noise(256, 3, seed=seed + 1)
        image = Image.frombytes("P", (WIDTH, HEIGHT), indices.tobytes())
        image.putpalette(palette.tobytes())
        return image, palette[indices]
    if mode == "I;16":
        values = noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16)
        return Image.fromarray(values), np.repeat(np.rint(values / 257).astype(np.uint8)[..., None], 3, 2)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    values = noise(HEIGHT, WIDTH, *channels, seed=seed)
    image = Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes())
    return image, np.asarray(image.convert("RGB"))


def tiff(mode: str, orientation: int, compression: str, seed: int = 0) -> bytes:
    compression = {"raw": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}[compression]
    return encode(picture(mode, seed)[0], "TIFF", compression=compression, tiffinfo={274: orientation})


def read_each(spec) -> dict[str, np.ndarray]:
    """The images by name, which may have different sizes."""
    found = {}
    for item in open_source(spec).items():
        content = item.read()
        assert isinstance(content, bytes)
        found[item.name] = decode_file(content, item.where).pixels
    return found


MODES = ("L", "P", "RGB", "RGBA", "CMYK", "I;16", "1")
OTHERS = [("PNG", mode) for mode in MODES if mode != "CMYK"] + [
    ("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("compression", ["raw", "lzw", "deflate"])
def test_every_container_gives_the_turned_pixels(tmp_path, mode, compression):
    files = {f"{way}.tif": tiff(mode, way, compression, seed=way) for way in TURNED}
    folder = write_folder(tmp_path / "folder", files)
    expected = {f"{way}.tif": turn(picture(mode, seed=way)[1]) for way, turn in TURNED.items()}
    places = [folder, write_zip(tmp_path / "a.zip", files), write_tar(tmp_path / "a.tar", files), f"{folder}/*.tif"]
    for place in places:
        found = read_each(place)
        assert found.keys() == expected.keys()
        for name, pixels in found.items():
            np.testing.assert_array_equal(pixels, expected[name], f"{name} of {place}")
    for name, pixels in expected.items():
        np.testing.assert_array_equal(read_each(folder / name)[name], pixels)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("compression", ["raw", "lzw"])
def test_layouts_tell_the_shape_that_is_decoded(mode, compression):
    for way, turn in TURNED.items():
        item = Item("a", tiff(mode, way, compression), "a.tif")
        expected = turn(picture(mode)[1])
        if mode == "I;16":
            expected = turn(np.asarray(picture(mode)[0])[..., None])
        elif mode in ("L", "1"):
            expected = expected[..., :1]
        layout, pixels = pixel_layout(item), decode_exact(item)
        assert (layout.height, layout.width, layout.channels) == expected.shape
        np.testing.assert_array_equal(pixels, expected)


def test_an_orientation_that_only_the_xmp_has():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    image, levels = picture("RGB")
    data = encode(image, "TIFF", tiffinfo={700: xmp})
    expected = TURNED[6](levels)
    decoded = decode_file(data, "a.tif")
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert decoded.notes == ("TIFF orientation applied",)
    layout = pixel_layout(Item("a", data, "a.tif"))
    assert (layout.height, layout.width) == expected.shape[:2]
    np.testing.assert_array_equal(decode_exact(Item("a", data, "a.tif")), expected)


def mapped_files() -> dict[str, bytes]:
    """Of each kind that Pillow would read from a file of the name that it is given, and of some that it would not."""
    files = {f"{mode}.tif": tiff(mode, 1, "raw") for mode in MODES}
    files |= {f"{mode}.{kind.lower()}": encode(picture(mode)[0], kind) for kind, mode in OTHERS}
    return files | {"photo.jpg": encode(picture("RGB")[0], "JPEG"), "photo.webp": encode(picture("RGB")[0], "WEBP")}


@pytest.mark.parametrize("name", mapped_files())
def test_pixels_are_of_the_bytes_and_not_of_a_file_of_that_name(tmp_path, name):
    data = mapped_files()[name]
    path = tmp_path / name
    mode = name.partition(".")[0]
    if mode in MODES:
        kind = {".tif": "TIFF", ".png": "PNG", ".bmp": "BMP"}[path.suffix]
        path.write_bytes(encode(picture(mode, seed=9)[0], kind))
    else:
        path.write_bytes(b"other bytes")
    elsewhere, here = decode_file(data, "no such file").pixels, decode_file(data, str(path)).pixels
    np.testing.assert_array_equal(here, elsewhere)
    if mode in MODES:
        np.testing.assert_array_equal(here, picture(mode)[1])
    exact = [decode_exact(Item("a", data, where)) for where in ("no such file", str(path))]
    np.testing.assert_array_equal(exact[0], exact[1])


def test_no_reader_opens_a_file(tmp_path, monkeypatch):
    files = mapped_files() | {f"turned {way}.tif": tiff("L", way, "raw") for way in TURNED}
    write_folder(tmp_path, files)
    for name, data in files.items():
        decode_file(data, name)  # what is imported late, is by now

    def refuse(*arguments, **options):
        raise AssertionError(f"a reader has touched the file system: {arguments}")

    for owner, name in ((builtins, "open"), (os, "open"), (mmap, "mmap"), (Path, "open")):
        monkeypatch.setattr(owner, name, refuse)
    for name, data in files.items():
        where = str(tmp_path / name)
        assert decode_file(data, where).pixels.ndim == 3
        assert decode_exact(Item(name, data, where)).ndim == 3


def test_pipes_and_folders_in_a_name_do_no_harm(tmp_path):
    data = tiff("L", 1, "raw")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for where in (tmp_path, tmp_path / "pipe"):
        np.testing.assert_array_equal(decode_file(data, str(where)).pixels, picture("L")[1])


def turned_sets(tmp_path) -> tuple[Path, Path, Path]:
    """Eight gray pictures as rotated TIFFs in a folder, the same in a zip, and as upright PNGs."""
    files, pngs = {}, {}
    for seed in range(8):
        image, levels = picture("L", seed)
        files[f"{seed}.tif"] = encode(image, "TIFF", compression="raw", tiffinfo={274: 6})
        pngs[f"{seed}.png"] = encode(np.ascontiguousarray(TURNED[6](levels)[..., 0]), "PNG")
    return (
        write_folder(tmp_path / "tiffs", files),
        write_zip(tmp_path / "tiffs.zip", files),
        write_folder(tmp_path / "pngs", pngs),
    )


def test_distances_do_not_depend_on_the_container(tmp_path):
    folder, archive, pngs = turned_sets(tmp_path)
    evaluation = jaxeval.evaluate(pngs, {"folder": folder, "zip": archive}, extractor="pixels", cache=tmp_path / "c")
    from_folder, from_archive = (result.value for result in evaluation.results)
    assert from_folder == from_archive
    assert from_folder < 1e-20


def test_turned_tiffs_and_upright_images_are_pairs(tmp_path):
    folder, _, pngs = turned_sets(tmp_path)
    scores = score_pairs(pngs, folder, metrics="mse").scores
    assert {(score.height, score.width, score.values["mse"]) for score in scores} == {(WIDTH, HEIGHT, 0.0)}


def test_what_another_version_read_is_read_again(tmp_path, monkeypatch):
    folder, _, pngs = turned_sets(tmp_path)
    options = {"extractor": "pixels", "cache": tmp_path / "cache"}

    def cached() -> list[bool]:
        manifest = jaxeval.evaluate(pngs, folder, **options).manifest
        return [side["cached"] for side in (manifest["reference"], *manifest["generated"])]

    assert cached() == [False, False]
    assert cached() == [True, True]
    monkeypatch.setattr(reader, "DECODING_VERSION", reader.DECODING_VERSION + 1)
    assert cached() == [False, False]


def test_rotated_batches_have_one_shape(tmp_path):
    folder, archive, _ = turned_sets(tmp_path)
    for place in (folder, archive):
        (batch,) = read_batches(open_source(place), [Preparation()], 8)
        assert batch.images[0].shape == (8, WIDTH, HEIGHT, 3)
