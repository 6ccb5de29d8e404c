"""Alpha laid over a colour and orientation applied, in the stored depth: against Pillow, fractions, and by hand."""

import io
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from image_samples import encode, noise, smooth
from PIL import Image, ImageOps

from jaxeval.errors import InputError
from jaxeval.images import Item, PixelLayout, PixelRules, decode_exact, pixel_layout, stored_image

ORIENTATIONS = range(1, 9)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows: np.ndarray, colour: int, *, bits: int | None = None, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG by its definition; rows of fewer than 8 bits are given packed, with their width in `bits`' place."""
    height, width = rows.shape[:2]
    depth = 8 * rows.dtype.itemsize if bits is None else bits
    if bits is not None:
        width = width * 8 // bits
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    big = rows.astype(rows.dtype.newbyteorder(">")).reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in big))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + before + chunk(b"IDAT", data) + after + chunk(b"IEND", b"")


def exact(data: bytes, alpha="drop", exif="ignore") -> np.ndarray:
    rules = PixelRules(alpha, exif)
    item = Item("a", data, "a.img")
    pixels, layout = decode_exact(item, rules), pixel_layout(item, rules)
    height, width, channels = pixels.shape
    assert layout == PixelLayout(height, width, channels, 8 * pixels.dtype.itemsize)
    return pixels


def over(pixels: np.ndarray, alpha: np.ndarray, colour: str) -> np.ndarray:
    """Laid over a colour in exact fractions, rounded half up."""
    most = int(np.iinfo(pixels.dtype).max)
    under = most if colour == "white" else 0
    found = np.empty_like(pixels)
    for place in np.ndindex(pixels.shape):
        value, opaque = int(pixels[place]), int(alpha[place[:2]])
        found[place] = int(Fraction(value * opaque + under * (most - opaque), most) + Fraction(1, 2))
    return found


def by_pillow(data: bytes, colour: str) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    ground = Image.new("RGB", image.size, colour)
    ground.paste(image, mask=image.getchannel("A"))
    return np.asarray(ground)


def palette_image() -> Image.Image:
    return Image.fromarray(smooth(9, 8)).quantize(16)


EIGHT_BITS = {
    "RGBA png": encode(noise(9, 8, 4), "PNG"),
    "RGBA tiff": encode(noise(9, 8, 4), "TIFF"),
    "RGBA webp": encode(noise(9, 8, 4), "WEBP", lossless=True),
    "RGBA jp2": encode(noise(9, 8, 4), "JPEG2000"),
    "RGBA avif": encode(noise(9, 8, 4), "AVIF", quality=100),
    "palette with alphas": encode(palette_image(), "PNG", transparency=bytes(range(0, 256, 16))),
    "palette with a transparent colour": encode(palette_image(), "PNG", transparency=3),
    "gif": encode(palette_image(), "GIF", transparency=2),
    "colour key": encode(smooth(9, 8), "PNG", transparency=tuple(int(x) for x in smooth(9, 8)[4, 4])),
}


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("name", EIGHT_BITS)
def test_colour_of_8_bits_is_laid_over_as_pillow_pastes_it(name, colour):
    found = exact(EIGHT_BITS[name], colour)
    np.testing.assert_array_equal(found, by_pillow(EIGHT_BITS[name], colour))
    assert (found != exact(EIGHT_BITS[name])).any()


@pytest.mark.parametrize("colour", ["white", "black"])
def test_palettes_with_an_alpha_channel(colour):
    image = palette_image().convert("PA")
    image.putalpha(Image.fromarray(noise(9, 8)))
    data = encode(image, "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "PA"
    np.testing.assert_array_equal(exact(data, colour), by_pillow(data, colour))


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "kind"), [(2, 4), (4, 6)])
def test_alpha_channels_of_both_depths_by_exact_fractions(channels, kind, dtype, colour):
    image = noise(6, 5, channels, dtype=dtype)
    image[0, :3, -1] = 0, np.iinfo(dtype).max, 1
    found = exact(png(image, kind), colour)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, over(image[..., :-1], image[..., -1], colour))
    np.testing.assert_array_equal(exact(png(image, kind)), image[..., :-1])


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_shades_of_both_depths(channels, dtype, colour):
    image = noise(6, 5, channels, dtype=dtype)
    image[2, 3] = image[4, 1]
    key = image[4, 1].astype(">u2").tobytes()
    if dtype == np.uint16:
        image[0, 0] = image[4, 1] ^ 1  # alike in the upper bytes, which are all that Pillow gives of colour
    data = png(image, 0 if channels == 1 else 2, before=chunk(b"tRNS", key))
    expected = image.copy()
    expected[(image == image[4, 1]).all(2)] = np.iinfo(dtype).max if colour == "white" else 0
    np.testing.assert_array_equal(exact(data, colour), expected)
    assert expected[0, 0, 0] == image[0, 0, 0]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_transparent_shades_of_few_bits_are_in_the_files_own_bits(bits):
    values = np.arange(3 * 8).reshape(3, 8) % (1 << bits)
    unpacked = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(unpacked.reshape(3, -1), axis=1)
    data = png(packed, 0, bits=bits, before=chunk(b"tRNS", struct.pack(">H", 1)))
    expected = (values * 255 // ((1 << bits) - 1)).astype(np.uint8)
    np.testing.assert_array_equal(exact(data)[..., 0], expected)
    expected[values == 1] = 255
    np.testing.assert_array_equal(exact(data, "white")[..., 0], expected)
    expected[values == 1] = 0
    np.testing.assert_array_equal(exact(data, "black")[..., 0], expected)


def test_images_without_alpha_are_left_alone():
    for data in (
        encode(smooth(9, 8), "PNG"),
        encode(noise(9, 8, dtype=np.uint16), "PNG"),
        encode(smooth(9, 8), "JPEG"),
    ):
        np.testing.assert_array_equal(exact(data, "white"), exact(data))


def oriented(image: Image.Image, kind: str, orientation: int, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_orientation_is_applied_as_pillow_transposes(kind, orientation):
    data = oriented(Image.fromarray(smooth(9, 14)), kind, orientation)
    seen = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(exact(data, exif="apply"), seen)
    np.testing.assert_array_equal(exact(data), np.asarray(Image.open(io.BytesIO(data))))
    item = Item("a", data, "a")
    assert stored_image(item).notes == (("exif-orientation ignored",) if orientation > 1 else ())
    applied = stored_image(item, PixelRules(exif="apply")).notes
    assert applied == (("exif-orientation applied",) if orientation > 1 else ())


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("image", [noise(5, 7, dtype=np.uint16), noise(5, 7, 3, dtype=np.uint16)], ids=["gray", "RGB"])
def test_orientation_of_16_bits_and_behind_the_pixels(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    data = png(image, 0 if image.ndim == 2 else 2, after=late)
    rows = Image.fromarray(np.arange(35, dtype=np.int32).reshape(5, 7))
    rows.getexif()[0x0112] = orientation
    places = np.asarray(ImageOps.exif_transpose(rows))
    found = exact(data, exif="apply")
    np.testing.assert_array_equal(found, image.reshape(35, -1)[places.reshape(-1)].reshape(*places.shape, -1))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("exif", ["ignore", "apply"])
def test_the_orientation_of_a_tiff_is_applied_once_whatever_is_asked(exif, orientation):
    data = encode(smooth(9, 14), "TIFF", tiffinfo={274: orientation})
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        expected = np.asarray(image)
    np.testing.assert_array_equal(exact(data, exif=exif), expected)
    notes = stored_image(Item("a", data, "a"), PixelRules(exif=exif)).notes
    assert notes == (("TIFF orientation applied",) if orientation > 1 else ())


def test_alpha_and_orientation_together():
    data = oriented(Image.fromarray(noise(9, 14, 4)), "PNG", 6)
    expected = np.rot90(by_pillow(data, "white"), -1)
    np.testing.assert_array_equal(exact(data, "white", "apply"), expected)
    notes = stored_image(Item("a", data, "a"), PixelRules("white", "apply")).notes
    assert notes == ("alpha over white", "exif-orientation applied")


def test_notes_are_those_of_the_header():
    frames = [Image.fromarray(noise(9, 11, 3, seed=seed)) for seed in range(3)]
    for data, notes in (
        (
            encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
            {"palette expanded", "first frame of several"},
        ),
        (encode(Image.fromarray(noise(9, 11, 4), "CMYK"), "JPEG"), {"CMYK converted"}),
        (encode(noise(9, 11, 4), "PNG"), {"alpha dropped"}),
        (encode(noise(9, 11), "PNG"), set()),
    ):
        assert set(stored_image(Item("a", data, "a")).notes) == notes


def test_other_words_are_refused():
    with pytest.raises(InputError, match="alpha 'gray' is not known; choose from drop, white, black"):
        PixelRules("gray")
    with pytest.raises(InputError, match="exif 'turn' is not known; choose from ignore, apply"):
        PixelRules(exif="turn")
