"""Floats as they are stored: TIFFs, EXRs and arrays against what was written."""

import io
import struct
import sys

import numpy as np
import OpenEXR
import pytest
import tifffile
from float_files import exr, light, tiff
from image_samples import encode, noise
from PIL import Image

from jaxeval.errors import InputError, MissingPackageError
from jaxeval.images import Item, PixelLayout, PixelRules, decode_exact, open_source, pixel_layout, stored_image

PIXELS = light(21, 34, 4)


def item(data: bytes) -> Item:
    return Item("a", data, "a.tif")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "rowsperstrip": 5},
        {"planarconfig": "separate", "rowsperstrip": 4, "compression": "lzma"},
        {"tile": (16, 32), "bigtiff": True},
        {"tile": (16, 16), "planarconfig": "separate", "compression": "zlib"},
    ],
)
def test_tiffs_give_the_floats_that_were_written(dtype, order, channels, options):
    pixels = (PIXELS[..., 0] if channels == 1 else PIXELS[..., :channels]).astype(dtype)
    if channels == 1:
        options = {key: value for key, value in options.items() if key != "planarconfig"}
    separate = options.get("planarconfig") == "separate"
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    written = np.moveaxis(pixels, 2, 0) if separate else pixels
    photometric = "minisblack" if channels == 1 else "rgb"
    data = tiff(written, byteorder=order, photometric=photometric, **options, **extra)
    found = decode_exact(item(data))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels.reshape(21, 34, channels)[..., :3].astype(np.float32))
    stored = stored_image(item(data))
    assert stored.layout == PixelLayout(21, 34, min(channels, 3), 32)
    assert str(stored.layout) == f"21 x 34 {'gray' if channels == 1 else 'RGB'} with float values"
    assert stored.notes == (("alpha dropped",) if channels == 4 else ())


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_lzma"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_libtiffs_compressions_and_predictors_are_undone(compression, predictor):
    stream = io.BytesIO()
    Image.fromarray(PIXELS[..., 0]).save(stream, "TIFF", compression=compression, tiffinfo={317: predictor})
    np.testing.assert_array_equal(decode_exact(item(stream.getvalue()))[..., 0], PIXELS[..., 0])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}])
def test_differences_of_the_bits_of_rgb_are_summed_by_channel(order, options):
    """Whole numbers of 32 bits that tifffile has taken differences of, said to be floats."""
    bits = np.ascontiguousarray(PIXELS[..., :3]).view(np.int32)
    data = bytearray(tiff(bits, byteorder=order, compression="zlib", predictor=2, **options))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place = file.pages.first.tags[339].valueoffset
    struct.pack_into(f"{order}3H", data, place, 3, 3, 3)
    np.testing.assert_array_equal(decode_exact(item(bytes(data))), PIXELS[..., :3])


def test_a_tiff_of_floats_is_turned_and_its_first_page_taken():
    for orientation in range(1, 9):
        data = tiff(PIXELS[..., :3], extratags=[(274, 3, 1, orientation, True)])
        upright = Image.fromarray((PIXELS[..., :3] * 50).astype(np.uint8))
        stream = io.BytesIO()
        upright.save(stream, "TIFF", tiffinfo={274: orientation})
        expected = decode_exact(item(stream.getvalue()))
        np.testing.assert_array_equal((decode_exact(item(data)) * 50).astype(np.uint8), expected)
        layout, notes = stored_image(item(data))
        assert (layout.height, layout.width) == expected.shape[:2]
        assert notes == (() if orientation == 1 else ("TIFF orientation applied",))
    pages = tiff(np.stack([PIXELS[..., 0], PIXELS[..., 1]]), photometric="minisblack")
    np.testing.assert_array_equal(decode_exact(item(pages))[..., 0], PIXELS[..., 0])
    assert stored_image(item(pages)).notes == ("first frame of several",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff(PIXELS[..., 0], photometric="miniswhite"), "no gray or RGB of 16, 32 or 64 bits with black as 0"),
        (tiff(np.stack([PIXELS[..., 0]] * 5, -1), photometric="minisblack", planarconfig="contig"), "no gray or RGB"),
        (tiff(PIXELS[..., 0].astype(np.complex64)), "other than 8 or 16 bits|cannot be decoded"),
        (tiff(PIXELS[..., 0])[:-900], "cannot be decoded"),
        (tiff(PIXELS[..., :3], compression="zlib")[:4000], "cannot be decoded|is not an image"),
        (
            tiff(np.full((3, 4), np.nan, np.float32)),
            "12 of 12 values .* gray in row 0, column 0 .* not a number",
        ),
        (
            tiff(np.where(PIXELS[..., :3] == PIXELS[5, 6, 1], -np.inf, PIXELS[..., :3])),
            r"a\.tif has 1 of 2,142 values that are not finite; the first, green in row 5, column 6 .* infinite",
        ),
        (tiff(np.full((3, 4), 1e300)), "is 1e.300, beyond float32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_floats_that_cannot_be_had_are_refused(data, message):
    with pytest.raises(InputError, match=message) as error:
        decode_exact(item(data))
    assert "\n" not in str(error.value)


def test_alpha_of_floats_is_dropped_or_refused():
    for data in (tiff(PIXELS, extrasamples=["unassalpha"]), exr({"RGBA": PIXELS})):
        with pytest.raises(InputError, match=r"float values with alpha, which are not laid over white; .*--alpha drop"):
            pixel_layout(item(data), PixelRules(alpha="white"))
        assert stored_image(item(data)).notes == ("alpha dropped",)


COMPRESSIONS = ["NO", "RLE", "ZIPS", "ZIP", "PIZ"]


@pytest.mark.parametrize("kind", ["scanlineimage", "tiledimage"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exrs_give_the_floats_that_were_written(kind, compression, dtype):
    tiles = {"tiles": OpenEXR.TileDescription()} if kind == "tiledimage" else {}
    options = {"type": getattr(OpenEXR, kind), "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), **tiles}
    pixels = PIXELS[..., :3].astype(dtype)
    found = item(exr({"RGB": pixels}, **options))
    np.testing.assert_array_equal(decode_exact(found), pixels.astype(np.float32))
    assert stored_image(found) == (PixelLayout(21, 34, 3, 32), ())


def test_exr_channels_of_several_types_gray_and_layers():
    red, green, blue = (np.ascontiguousarray(PIXELS[..., channel]) for channel in range(3))
    mixed = item(exr({"R": red.astype(np.float16), "G": green, "B": blue}))
    np.testing.assert_array_equal(
        decode_exact(mixed), np.stack([red.astype(np.float16).astype(np.float32), green, blue], 2)
    )
    gray = item(exr({"Y": red, "A": green, "diffuse.R": blue, "Z": blue}))
    np.testing.assert_array_equal(decode_exact(gray)[..., 0], red)
    assert stored_image(gray) == (PixelLayout(21, 34, 1, 32), ("further EXR channels ignored", "alpha dropped"))
    negative = item(exr({"Y": -red}))
    np.testing.assert_array_equal(decode_exact(negative)[..., 0], -red)


def test_an_exrs_display_window_is_what_counts():
    window = {"dataWindow": ((3, -2), (36, 18)), "displayWindow": ((0, 0), (39, 19))}
    found = item(exr({"RGB": np.ascontiguousarray(PIXELS[..., :3])}, **window))
    expected = np.zeros((20, 40, 3), np.float32)
    expected[:19, 3:37] = PIXELS[2:, :, :3]
    np.testing.assert_array_equal(decode_exact(found), expected)
    assert stored_image(found) == (PixelLayout(20, 40, 3, 32), ("EXR display window filled from another data window",))
    apart = {"dataWindow": ((100, 100), (133, 120)), "displayWindow": ((0, 0), (3, 4))}
    found = item(exr({"RGB": np.ascontiguousarray(PIXELS[..., :3])}, **apart))
    np.testing.assert_array_equal(decode_exact(found), np.zeros((5, 4, 3)))


def test_of_several_parts_the_first_is_read():
    stream = io.BytesIO()
    parts = [
        OpenEXR.Part({"name": name, "compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels)
        for name, channels in (("beauty", {"RGB": np.ascontiguousarray(PIXELS[..., :3])}), ("z", {"Z": PIXELS[..., 3]}))
    ]
    OpenEXR.File(parts).write(stream)
    np.testing.assert_array_equal(decode_exact(item(stream.getvalue())), PIXELS[..., :3])
    assert stored_image(item(stream.getvalue())).notes == ("first frame of several",)


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new, 1)


def subsampled() -> bytes:
    """Luminance with chroma of half the size each way, by the header alone."""
    gray = np.ascontiguousarray(PIXELS[:20, :, 0])
    data = exr({"BY": gray, "RY": gray, "Y": gray})
    step = struct.pack("<2i", 1, 1)
    return data.replace(step, struct.pack("<2i", 2, 2), 2)


GRAY_EXR = exr({"Y": np.ascontiguousarray(PIXELS[..., 0])})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (exr({"Y": np.zeros((4, 5), np.uint32)}), "whole numbers in the channel Y"),
        (exr({"Z": np.ascontiguousarray(PIXELS[..., 0])}), "neither the channels R, G and B nor Y, but Z"),
        (exr({"l.R": np.zeros((4, 5), np.float32)}), r"neither the channels R, G and B nor Y, but l\.R"),
        (subsampled(), r"luminance and subsampled chroma \(BY, RY, Y\)"),
        (GRAY_EXR.replace(struct.pack("<2i", 1, 1), struct.pack("<2i", 2, 2), 1), "the channel Y subsampled"),
        (GRAY_EXR[:5] + b"\x08" + GRAY_EXR[6:], "is a deep EXR"),
        (GRAY_EXR[:6], "header is damaged or cut short"),
        (GRAY_EXR[:200], "header is damaged or cut short"),
        (GRAY_EXR[: len(GRAY_EXR) // 2], "cannot be decoded"),
        (GRAY_EXR[:-1], "cannot be decoded"),
        (renamed(GRAY_EXR, b"dataWindow", b"dataWind\xffw"), "header is damaged"),
        (renamed(GRAY_EXR, struct.pack("<2i", 33, 20), struct.pack("<2i", 99_999, 99_999)), "claims 100000 x 100000"),
        (renamed(GRAY_EXR, struct.pack("<2i", 33, 20), struct.pack("<2i", -7, 20)), "claims -6 x 21 pixels"),
        (
            exr({"Y": np.where(PIXELS[..., 0] == PIXELS[2, 3, 0], np.nan, PIXELS[..., 0])}),
            "row 2, column 3 .* not a",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_exrs_that_cannot_be_had_are_refused(data, message):
    with pytest.raises(InputError, match=message) as error:
        decode_exact(item(data))
    assert "\n" not in str(error.value)


def test_an_attribute_whose_name_is_no_text_does_no_harm():
    """OpenEXR's own reading of such a header ends the program."""
    found = decode_exact(
        item(renamed(exr({"Y": np.ascontiguousarray(PIXELS[..., 0])}, note="x"), b"note", b"no\xff\xfe"))
    )
    np.testing.assert_array_equal(found[..., 0], PIXELS[..., 0])


def test_a_plain_install_names_the_extra_for_exr(monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MissingPackageError, match=r"reading a\.tif needs .*pip install 'jaxeval\[exr\]'"):
        pixel_layout(item(GRAY_EXR))


def test_other_reading_than_as_stored_leaves_exrs_out(tmp_path):
    (tmp_path / "a.exr").write_bytes(GRAY_EXR)
    (tmp_path / "b.png").write_bytes(encode(noise(5, 6, 3), "PNG"))
    assert list(open_source(tmp_path).names()) == ["b.png"]
    assert open_source(tmp_path).notes == {"file in a format that is not read ignored: .exr": 1}
    assert list(open_source(tmp_path, as_stored=True).names()) == ["a.exr", "b.png"]


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2", ">f4"])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_array_files_in_any_order_of_asking(tmp_path, kind, dtype, channels):
    shape = (9, 6, 7, channels) if channels else (9, 6, 7)
    array = (np.random.default_rng(1).uniform(0, 200, shape)).astype(dtype)
    path = tmp_path / ("a.npy" if kind == "npy" else "a.npz")
    {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[kind](path, array)
    items = list(open_source(path, as_stored=True).items())
    wide = array.reshape(9, 6, 7, -1)[..., :3] if channels != 1 else array
    expected = wide.astype(np.float32 if wide.dtype.kind == "f" else wide.dtype.newbyteorder("="))
    for place in (0, 1, 2, 5, 4, 3, 8, 0, 6):
        found = decode_exact(items[place])
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected[place])
    bits = 32 if wide.dtype.kind == "f" else 8 * wide.dtype.itemsize
    layout, notes = stored_image(items[3])
    assert layout == PixelLayout(6, 7, min(max(channels, 1), 3), bits)
    assert ("alpha dropped" in notes) == (channels == 4)
    assert ("64-bit floats rounded to 32" in notes) == (wide.dtype == np.float64)


def test_alpha_of_arrays_is_laid_over_as_that_of_files_is(tmp_path):
    array = noise(6, 7, 4)[None]
    np.save(tmp_path / "a.npy", array)
    rules = PixelRules(alpha="white")
    (of_array,) = open_source(tmp_path / "a.npy", as_stored=True).items()
    of_file = Item("a", encode(Image.fromarray(array[0]), "PNG"), "a.png")
    np.testing.assert_array_equal(decode_exact(of_array, rules), decode_exact(of_file, rules))
    assert stored_image(of_array, rules).notes == ("alpha over white",)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 6), bool), "dtype bool; images as they are stored are uint8, uint16 or floats"),
        (np.zeros((4, 5, 6, 3), np.int16), "dtype int16"),
        (np.zeros((4, 5, 6, 3), np.complex64), "dtype complex64"),
        (np.zeros((4, 5, 6, 3), object), "Python objects, which would have to be unpickled"),
        (np.zeros((4, 3, 8, 9), np.float32), r"shape \[4, 3, 8, 9\]; \[N, H, W, C\] is expected.*\?layout=NCHW"),
        (np.zeros((4, 8, 9, 2), np.float32), "expected 1, 3 or 4 channels"),
        (np.zeros((8, 9), np.float32), "a single gray image"),
    ],
)
def test_arrays_that_are_no_images_as_stored(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / "a.npy", as_stored=True)


def test_planes_are_read_where_they_are_said_to_come_first(tmp_path):
    array = light(3, 3, 8, 9)
    np.savez(tmp_path / "a.npz", other=array, images=array)
    items = list(open_source(f"{tmp_path}/a.npz?key=images&layout=NCHW", as_stored=True).items())
    assert pixel_layout(items[1]) == PixelLayout(8, 9, 3, 32)
    np.testing.assert_array_equal(decode_exact(items[1]), array[1].transpose(1, 2, 0))
    with pytest.raises(InputError, match="values are taken as they are stored; leave range= out"):
        open_source(f"{tmp_path}/a.npz?key=images&range=0,1", as_stored=True)


def test_an_array_file_that_breaks_off_has_the_images_before(tmp_path):
    np.save(tmp_path / "a.npy", noise(5, 4, 6))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-30])
    items = list(open_source(f"{tmp_path}/a.npy?layout=NHW", as_stored=True).items())
    for _ in range(2):
        assert decode_exact(items[2]).shape == (4, 6, 1)
        with pytest.raises(InputError, match=r"is cut short: it ends inside image [34] of 5"):
            decode_exact(items[4])
