"""Decoding against Pillow's own conversion, format by format and oddity by oddity; and damaged files."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from image_samples import encode, noise, read_all, smooth, write_folder, write_tar, write_zip
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.images import Preparation, ReadReport
from jaxeval.images.decoding import MAX_PIXELS, decode_file

PHOTO = smooth(37, 53)
FORMATS = {
    "png": encode(PHOTO, "PNG"),
    "jpg": encode(PHOTO, "JPEG", quality=90),
    "webp": encode(PHOTO, "WEBP", quality=90),
    "bmp": encode(PHOTO, "BMP"),
    "gif": encode(PHOTO, "GIF"),
    "tiff": encode(PHOTO, "TIFF", compression="tiff_lzw"),
}


def pillow_rgb(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_decodes_as_pillow_does(kind):
    np.testing.assert_array_equal(decode_file(FORMATS[kind], "x").pixels, pillow_rgb(FORMATS[kind]))


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_lossless_formats_give_the_pixels_that_were_written(kind):
    np.testing.assert_array_equal(decode_file(FORMATS[kind], "x").pixels, PHOTO)


def rotated_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(PHOTO, "JPEG", exif=exif)


def animation(kind):
    frames = [Image.fromarray(noise(9, 11, 3, seed=seed)) for seed in range(3)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


def palette_with_transparency():
    image = Image.fromarray(PHOTO).quantize(16)
    return encode(image, "PNG", transparency=3)


ODDITIES = {
    "alpha": (encode(noise(9, 11, 4), "PNG"), {"alpha dropped"}),
    "webp alpha": (encode(noise(9, 11, 4), "WEBP", lossless=True), {"alpha dropped"}),
    "gray": (encode(noise(9, 11), "PNG"), {"gray to RGB"}),
    "gray jpeg": (encode(noise(9, 11), "JPEG"), {"gray to RGB"}),
    "gray alpha": (encode(Image.fromarray(noise(9, 11, 2), "LA"), "PNG"), {"gray to RGB", "alpha dropped"}),
    "one bit": (encode(Image.fromarray(noise(9, 11)).convert("1"), "PNG"), {"gray to RGB"}),
    "palette": (encode(Image.fromarray(PHOTO).quantize(16), "PNG"), {"palette expanded"}),
    "transparent palette": (palette_with_transparency(), {"palette expanded", "alpha dropped"}),
    "colour key": (encode(PHOTO, "PNG", transparency=tuple(int(x) for x in PHOTO[0, 0])), {"alpha dropped"}),
    "CMYK jpeg": (encode(Image.fromarray(noise(9, 11, 4), "CMYK"), "JPEG"), {"CMYK converted"}),
    "CMYK tiff": (encode(Image.fromarray(noise(9, 11, 4), "CMYK"), "TIFF"), {"CMYK converted"}),
    "EXIF jpeg": (rotated_jpeg(), {"exif-orientation ignored"}),
    "animated gif": (animation("GIF"), {"palette expanded", "first frame of several"}),
    "animated webp": (animation("WEBP"), {"first frame of several"}),
    "animated png": (animation("PNG"), {"first frame of several"}),
    "paged tiff": (animation("TIFF"), {"first frame of several"}),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddities_follow_pillows_rgb_and_are_noted(oddity):
    data, notes = ODDITIES[oddity]
    decoded = decode_file(data, "x")
    assert set(decoded.notes) == notes
    np.testing.assert_array_equal(decoded.pixels, pillow_rgb(data))


def test_transparent_pixels_keep_their_colour():
    pixels = noise(9, 11, 4)
    pixels[..., 3] = 0
    np.testing.assert_array_equal(decode_file(encode(pixels, "PNG"), "x").pixels, pixels[..., :3])


def test_orientation_is_ignored_but_for_tiff():
    assert decode_file(rotated_jpeg(), "x").pixels.shape == PHOTO.shape
    turned = decode_file(encode(PHOTO, "TIFF", tiffinfo={274: 6}), "x")
    assert turned.notes == ("TIFF orientation applied",)
    np.testing.assert_array_equal(turned.pixels, np.rot90(PHOTO, -1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_not_clipped(kind):
    values = noise(9, 11, dtype=np.uint16)
    values[0, :3] = 0, 65535, 32768
    decoded = decode_file(encode(values, kind), "x")
    expected = np.rint(values * (255 / 65535)).astype(np.uint8)  # 255/65535 is 1/257, odd: no ties
    np.testing.assert_array_equal(decoded.pixels, np.repeat(expected[..., None], 3, axis=2))
    assert set(decoded.notes) == {"16-bit scaled", "gray to RGB"}


def png(bits, colour_type, rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_16_bit_colour_loses_its_low_byte_with_a_note():
    values = noise(9, 11, 3, dtype=np.uint16)
    decoded = decode_file(png(16, 2, values.astype(">u2")), "x")
    np.testing.assert_array_equal(decoded.pixels, (values >> 8).astype(np.uint8))
    assert decoded.notes == ("16-bit colour cut to 8 bits",)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_tiffs_have_no_known_range(dtype):
    with pytest.raises(InputError, match=r"x\.tif has 32-bit .* range is not known"):
        decode_file(encode(Image.fromarray(noise(9, 11).astype(dtype)), "TIFF"), "x.tif")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_cut_files_are_named(kind, share):
    data = FORMATS[kind]
    with pytest.raises(InputError, match="cut-short"):
        decode_file(data[: int(len(data) * share)], "cut-short")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")  # Pillow's about damaged tags
def test_damaged_files_are_input_errors_or_decode(kind):
    rng = np.random.default_rng(len(kind))
    outcomes = set()
    for _ in range(60):
        data = bytearray(FORMATS[kind])
        for position in rng.integers(0, min(len(data), 600), 4):
            data[position] = rng.integers(0, 256)
        try:
            outcomes.add(decode_file(bytes(data), "x.img").pixels.shape[2])
        except InputError as error:
            outcomes.add(str(error).partition(" ")[0])
    assert outcomes <= {3, "x.img"}
    assert "x.img" in outcomes


def test_other_content_is_named():
    with pytest.raises(InputError, match=r"notes\.png is not an image"):
        decode_file(b"these are only words", "notes.png")
    with pytest.raises(InputError, match=r"hollow\.png is empty \(0 bytes\)"):
        decode_file(b"", "hollow.png")


def claim_size(data, kind, width, height):
    data = bytearray(data)
    if kind == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    else:
        data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
@pytest.mark.parametrize(("width", "height"), [(65535, 65535), (10_000, MAX_PIXELS // 10_000 + 1)])
def test_decompression_bombs_are_refused_before_decoding(kind, width, height):
    bomb = claim_size(encode(noise(4, 4, 3), kind), kind, width, height)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow would only warn about the smaller one
        with pytest.raises(InputError, match=rf"bomb claims {width} x {height} pixels; up to {MAX_PIXELS}"):
            decode_file(bomb, "bomb")


def test_pixels_do_not_depend_on_the_container(tmp_path):
    files = {f"{kind}.{kind}": data for kind, data in FORMATS.items()}
    files |= {f"{i}.{'tif' if 'tiff' in name else 'png'}": data for i, (name, (data, _)) in enumerate(ODDITIES.items())}
    places = [
        write_folder(tmp_path / "folder", files),
        write_zip(tmp_path / "a.zip", files),
        write_tar(tmp_path / "a.tar", files),
        write_tar(tmp_path / "a.tar.gz", files),
    ]
    reports = [ReadReport() for _ in places]
    everything = [
        read_all(place, preparation=Preparation((8, 8), "bilinear"), report=report)
        for place, report in zip(places, reports, strict=True)
    ]
    assert len(everything[0]) == len(files)
    for images, report in zip(everything, reports, strict=True):
        assert images.keys() == everything[0].keys()
        assert report.notes == reports[0].notes
        for name, image in images.items():
            np.testing.assert_array_equal(image, everything[0][name])
