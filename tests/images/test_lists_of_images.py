"""Pictures in a list are one set, one picture is none; what could be either must be said."""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from image_samples import encode, noise, read_all, write_folder
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.images import ReadReport, open_source
from jaxeval.images.decoding import decode

SIZES = ((6, 7), (9, 5), (6, 7))
PICTURES = [noise(*size, 3, seed=number) for number, size in enumerate(SIZES)]
STACK = np.stack([noise(6, 7, 3, seed=number) for number in range(5)])


def decoded(spec) -> list[np.ndarray]:
    """The images in order, whatever their sizes."""
    return [decode(item).pixels for item in open_source(spec).items()]


@pytest.mark.parametrize("make", [list, tuple, lambda stack: [jnp.asarray(one) for one in stack]])
def test_a_list_of_arrays_is_the_stack_of_them(make):
    source = open_source(make(STACK))
    assert len(source) == 5
    assert source.fingerprint() == open_source(STACK).fingerprint()
    np.testing.assert_array_equal(list(read_all(source).values()), STACK)


def test_torch_tensors_have_their_channels_first():
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(one).permute(2, 0, 1) for one in STACK]
    np.testing.assert_array_equal(list(read_all(tensors).values()), STACK)
    with pytest.raises(InputError, match=r"image 0 of list of 1 image cannot be read .*detach"):
        open_source([torch.zeros(3, 8, 8, requires_grad=True)])


def test_sizes_and_kinds_may_differ(tmp_path):
    path = tmp_path / "c.png"
    path.write_bytes(encode(PICTURES[2], "PNG"))
    mixed = [PICTURES[0], Image.fromarray(PICTURES[1]), path]
    source = open_source(mixed)
    assert [item.name for item in source.items()] == ["0", "1", "2"]
    for found, expected in zip(decoded(mixed), PICTURES, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_gray_images_stand_beside_colour():
    report = ReadReport()
    images = read_all([STACK[0], STACK[1, ..., 0], STACK[2, ..., :1]], report=report)
    np.testing.assert_array_equal(images["1"], np.repeat(STACK[1, ..., :1], 3, axis=2))
    np.testing.assert_array_equal(images["2"], np.repeat(STACK[2, ..., :1], 3, axis=2))
    assert report.notes == {"gray to RGB": 2}


def test_floats_need_a_range_and_stand_beside_levels():
    with pytest.raises(InputError, match="image 0 of list of 2 images has dtype float64; say which values"):
        open_source([STACK[0] / 255, STACK[1]])
    images = read_all([STACK[0] / 255, STACK[1]], value_range=(0, 1))
    np.testing.assert_array_equal(list(images.values()), STACK[:2])


def test_channels_are_on_one_side_of_all():
    ambiguous = noise(3, 9, 3)
    with pytest.raises(
        InputError, match=r"image 0 .* \[H, W, C\] or as \[C, H, W\]; say layout='NHWC' or layout='NCHW'"
    ):
        open_source([ambiguous])
    np.testing.assert_array_equal(read_all([ambiguous], layout="NHWC")["0"], ambiguous)
    np.testing.assert_array_equal(read_all([ambiguous], layout="NCHW")["0"], ambiguous.transpose(1, 2, 0))
    # The other image leaves no doubt of this one.
    np.testing.assert_array_equal(decoded([ambiguous, STACK[0]])[0], ambiguous)
    np.testing.assert_array_equal(decoded([ambiguous, STACK[0].transpose(2, 0, 1)])[0], ambiguous.transpose(1, 2, 0))
    with pytest.raises(InputError, match=r"image 1 of list of 2 images .* on the other side"):
        open_source([STACK[0], STACK[1].transpose(2, 0, 1)])
    with pytest.raises(InputError, match=r"image 0 .* which is not HWC"):
        open_source([STACK[0].transpose(2, 0, 1)], layout="NHWC")


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((64, 64, 3), r"a single image .*array\[None\].*layout='NHW'"),
        ((64, 64, 4), r"a single image .*array\[None\].*layout='NHW'"),
        ((64, 64, 1), r"a single image .*array\[None\].*layout='NHW'"),
        ((64, 64, 2), "its last axis .*layout='NHW'"),
        ((3, 64, 64), r"a single image .*array\[None\].*layout='NHW'"),
        ((64, 64), r"single gray image .*array\[None\]"),
    ],
)
def test_one_picture_is_no_set(shape, advice, tmp_path):
    image = np.zeros(shape, np.uint8)
    with pytest.raises(InputError, match=advice):
        open_source(image)
    np.save(tmp_path / "a.npy", image)
    with pytest.raises(InputError, match=advice):
        open_source(tmp_path / "a.npy")
    if len(shape) == 3:
        assert len(open_source(image, layout="NHW")) == shape[0]
        assert len(open_source(f"{tmp_path}/a.npy?layout=NHW")) == shape[0]
    if 2 not in shape:
        assert len(open_source(image[None])) == 1
        assert len(open_source([image])) == 1


def test_a_function_may_end_with_three_gray_images():
    """Of 67 images the last chunk has three: not one picture of three channels."""
    source = open_source(lambda count, seed: np.zeros((count, 8, 8), np.uint8), num_samples=67)
    assert sum(1 for _ in source.items()) == 67
    with pytest.raises(InputError, match=r"the array returned .* a single image"):
        list(open_source(lambda count, seed: np.zeros((64, 8, 3), np.uint8), num_samples=64).items())


def test_files_keep_the_folders_below_their_common_one(tmp_path):
    files = {"cat/1.png": encode(PICTURES[0], "PNG"), "cat/0.png": encode(PICTURES[1], "PNG"), "dog/a.jpg": b""}
    folder = write_folder(tmp_path, files)
    given = [folder / name for name in files]
    source = open_source(given)
    assert [item.name for item in source.items()] == list(files)  # in the order given
    assert source.name == f"{folder} (3 files)"
    assert [item.name for item in open_source(given[:2]).items()] == ["1.png", "0.png"]
    assert open_source(sorted(given)).fingerprint() == open_source(folder).fingerprint()
    assert open_source([str(path) for path in given]).fingerprint() == source.fingerprint()
    assert open_source([path.as_uri() for path in given]).fingerprint() == source.fingerprint()
    beside = [os.path.relpath(given[0]), given[2]]
    assert [item.name for item in open_source(beside).items()] == ["cat/1.png", "dog/a.jpg"]
    with pytest.raises(InputError, match=r"nowhere\.png does not exist"):
        open_source([*given, folder / "nowhere.png"])
    (folder / "b.png").mkdir()
    with pytest.raises(InputError, match=r"item 1 .*b\.png, is not an image, but item 0.*is one"):
        open_source([given[0], folder / "b.png"])


MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "La", "RGBa", "RGBX")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow_is_decoded_as_its_file_is(mode):
    source = (
        Image.fromarray(noise(9, 8, 4, seed=3), "RGBA") if mode in ("RGBA", "RGBa") else Image.fromarray(PICTURES[1])
    )
    if mode == "I;16":
        image = Image.fromarray(noise(9, 8, seed=3, dtype=np.uint16))
        expected = np.rint(np.asarray(image) / 257.0)[..., None].repeat(3, 2)
    else:
        via = {"PA": "P", "La": "LA", "RGBa": "RGBA", "LAB": None}.get(mode, mode)
        image = Image.new("LAB", (5, 9), (120, 130, 140)) if via is None else source.convert(via)
        image = image if via in (None, mode) else image.convert(mode)
        # Pillow has no way of its own from gray with premultiplied alpha to colour.
        expected = np.asarray((image.convert("LA") if mode == "La" else image).convert("RGB"))
    assert image.mode == mode
    report = ReadReport()
    (found,) = read_all([image], report=report).values()
    np.testing.assert_array_equal(found, expected)
    notes = {
        "1": {"gray to RGB"},
        "L": {"gray to RGB"},
        "LA": {"gray to RGB", "alpha dropped"},
        "La": {"gray to RGB", "alpha dropped"},
        "P": {"palette expanded"},
        "PA": {"palette expanded", "alpha dropped"},
        "RGBA": {"alpha dropped"},
        "RGBa": {"alpha dropped"},
        "CMYK": {"CMYK converted"},
        "YCbCr": {"YCbCr converted"},
        "I;16": {"gray to RGB", "16-bit scaled"},
    }
    assert set(report.notes) == notes.get(mode, set())


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_a_range_are_refused(mode):
    with pytest.raises(InputError, match="image 0 of list of 1 image has 32-bit"):
        read_all([Image.new(mode, (4, 4))])


@pytest.mark.parametrize(
    "file",
    [
        encode(noise(5, 6, 3), "PNG"),
        encode(noise(5, 6, 4), "PNG"),
        encode(noise(5, 6, dtype=np.uint16), "PNG"),
        encode(noise(5, 6), "GIF"),
        encode(noise(5, 6, 3), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        encode(noise(5, 6), "TIFF"),
        encode(noise(5, 6, dtype=np.uint16), "TIFF"),
        # The same with white as 0.
        encode(noise(5, 6, dtype=np.uint16), "TIFF").replace(b"\x06\x01\3\0\1\0\0\0\1", b"\x06\x01\3\0\1\0\0\0\0"),
    ],
)
def test_files_that_pillow_has_opened_are_as_the_files(file, tmp_path):
    (tmp_path / "a.png").write_bytes(file)
    expected, found = ReadReport(), ReadReport()
    (pixels,) = read_all(tmp_path / "a.png", report=expected).values()
    with Image.open(tmp_path / "a.png") as image:
        (same,) = read_all([image], report=found).values()
    np.testing.assert_array_equal(same, pixels)
    assert found.notes == expected.notes


def test_fingerprints_of_pictures_are_of_what_they_show():
    image = Image.fromarray(PICTURES[0])

    def fingerprint(one):
        return open_source([one]).fingerprint()

    assert fingerprint(image) == fingerprint(Image.fromarray(PICTURES[0].copy()))
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    other = palette.copy()
    other.putpalette(bytes(reversed(palette.getpalette() or [])))
    turned = image.copy()
    turned.info["exif"] = b"Exif\0\0MM\0*"
    changed = PICTURES[0].copy()
    changed[0, 0, 0] ^= 1
    prints = [fingerprint(one) for one in (image, palette, other, turned, Image.fromarray(changed), image.convert("L"))]
    assert len(set(prints)) == len(prints)


def test_a_damaged_picture_is_named_and_can_be_skipped(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(noise(64, 64, 3), "PNG")[:2000])
    cut, report = Image.open(tmp_path / "a.png"), ReadReport()
    with pytest.raises(InputError, match="image 1 of list of 2 images cannot be decoded"):
        read_all([Image.fromarray(STACK[0]), cut])
    assert list(read_all([Image.fromarray(STACK[0]), cut], on_error="skip", report=report)) == ["0"]
    assert [name for name, _ in report.skipped] == ["1"]
    assert open_source([cut]).fingerprint() is not None


def test_one_picture_twice_is_read_by_two_threads(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(noise(40, 50, 3), "PNG"))
    with Image.open(tmp_path / "a.png") as image:
        images = read_all([image] * 30, threads=8)
    assert len(images) == 30
    assert len({pixels.tobytes() for pixels in images.values()}) == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Image.new("RGB", (4, 4)), r"a picture of 4 x 4 is a single image .*\[image\]"),
        ((one for one in STACK), "a generator can be read only once.*list"),
        (map(np.asarray, STACK), "a map can be read only once"),
        ({1, 2}, "cannot read images from a set"),
        (dict.fromkeys("ab").values(), "cannot read images from a dict_values"),
        (range(4), "cannot read images from a range"),
        (None, "cannot read images from a NoneType"),
        (b"data", "cannot read images from a bytes"),
        ([], "an empty list holds no images"),
        ((), "an empty list holds no images"),
        ([1, 2], "item 0 of a list of 2, an int, is not an image"),
        (STACK.tolist(), "item 0 of a list of 5, a list, is not an image"),
        (["readme.txt"], r"item 0 of a list of 1, readme\.txt, is not an image"),
        ([STACK], r"item 0 of a list of 1, an array \[5, 6, 7, 3\], is not an image"),
        ([STACK[0], "folder"], r"item 1 of a list of 2, folder, is not an image, but item 0, an array \[6, 7, 3\], is"),
        ([np.zeros((0, 5), np.uint8)], r"has shape \[0, 5\]; an image has"),
        (np.array(["a.png", "b.png"]), r"array of names or objects; give a list, array\.tolist\(\)"),
        (np.array([PICTURES[0], PICTURES[1], None], dtype=object)[:2], "array of names or objects"),
    ],
)
def test_what_is_no_set_gets_a_sentence(spec, words):
    with pytest.raises(InputError, match=words):
        open_source(spec)


def test_the_advice_on_arrays_of_objects_works():
    objects = np.array([PICTURES[0], PICTURES[1], None], dtype=object)[:2]
    assert len(open_source(objects.tolist())) == 2


def test_patterns_in_a_list_are_no_images(tmp_path):
    write_folder(tmp_path, {"a/0.png": encode(STACK[0], "PNG"), "a/[1].png": encode(STACK[1], "PNG")})
    with pytest.raises(InputError, match=r"\*\.png, is not an image"):
        open_source([Path(tmp_path / "a" / "*.png")])
    assert len(open_source([tmp_path / "a" / "[1].png"])) == 1  # a file of that name
