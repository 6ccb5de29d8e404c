"""Formats by what files begin with: Netpbm by hand, JPEG 2000, AVIF and JFIF by Pillow, and missing decoders."""

import io

import numpy as np
import pytest
from image_samples import encode, noise, read_all, smooth, write_folder, write_zip
from PIL import Image, features

from jaxeval.errors import InputError
from jaxeval.images import Item, PixelLayout, decode_exact, formats, open_source, pixel_layout
from jaxeval.images.decoding import decode_file
from jaxeval.images.depths import bits_of
from jaxeval.images.formats import EXTENSIONS, extensions_read

GRAY, COLOUR = noise(5, 7), noise(5, 7, 3)
WIDE = noise(5, 7, dtype=np.uint16)
WIDE_COLOUR = noise(5, 7, 3, dtype=np.uint16)
BITS = GRAY > 127


def netpbm(kind: str, values: np.ndarray, most: int | None = None) -> bytes:
    """A file of the kind P1 to P6, by the format's definition."""
    height, width = values.shape[:2]
    header = f"{kind}\n# a comment\n{width} {height}\n" + ("" if most is None else f"{most}\n")
    if kind in ("P1", "P2", "P3"):
        body = "\n".join(" ".join(map(str, row)) for row in values.reshape(height, -1).tolist()).encode()
    elif kind == "P4":
        body = np.packbits(values, axis=1).tobytes()
    else:
        body = values.astype(">u2" if most is not None and most > 255 else "u1").tobytes()
    return header.encode() + body


def scaled(values: np.ndarray, most: int) -> np.ndarray:
    """Levels of 0..255, by definition; half a level more or less where that is a tie."""
    return np.rint(values.astype(float) * 255 / most).astype(np.uint8)


NETPBM = {
    "P1.pbm": (netpbm("P1", BITS.astype(int)), np.where(BITS, 0, 255)),  # 1 is black
    "P4.pbm": (netpbm("P4", BITS), np.where(BITS, 0, 255)),
    "P2.pgm": (netpbm("P2", GRAY, 255), GRAY),
    "P5.pgm": (netpbm("P5", GRAY, 255), GRAY),
    "P5.pnm": (netpbm("P5", GRAY % 16, 15), GRAY % 16 * 17),
    "P2-16.pgm": (netpbm("P2", WIDE, 65535), scaled(WIDE, 65535)),
    "P5-16.pgm": (netpbm("P5", WIDE, 65535), scaled(WIDE, 65535)),
    "P5-12.pgm": (netpbm("P5", WIDE % 4096, 4095), scaled(WIDE % 4096, 4095)),
    "P3.ppm": (netpbm("P3", COLOUR, 255), COLOUR),
    "P6.ppm": (netpbm("P6", COLOUR, 255), COLOUR),
    "P6-16.ppm": (netpbm("P6", WIDE_COLOUR, 65535), scaled(WIDE_COLOUR, 65535)),
    "P3-12.ppm": (netpbm("P3", WIDE_COLOUR % 4096, 4095), scaled(WIDE_COLOUR % 4096, 4095)),
}


@pytest.mark.parametrize("name", NETPBM)
def test_netpbm_files_are_read_by_their_definition(name, tmp_path):
    data, expected = NETPBM[name]
    if expected.ndim == 2:
        expected = np.repeat(expected[:, :, None], 3, axis=2)
    (image,) = read_all(write_folder(tmp_path, {name: data})).values()
    np.testing.assert_array_equal(image, expected)
    notes = set(decode_file(data, name).notes)
    wide = "16-bit scaled" if name.endswith("pgm") else "16-bit colour cut to 8 bits"
    assert ({wide} <= notes) == ("-" in name)


@pytest.mark.parametrize("kind", ["P5", "P2", "P6"])
def test_cut_netpbm_files_are_named(kind):
    data = netpbm(kind, COLOUR if kind == "P6" else WIDE, 255 if kind == "P6" else 65535)
    with pytest.raises(InputError, match=r"cut\.pgm cannot be decoded"):
        decode_file(data[: len(data) * 2 // 3], "cut.pgm")
    with pytest.raises(InputError, match=r"bomb claims 99999 x 99999 pixels"):
        decode_file(b"P5 99999 99999 255\n", "bomb")


def test_exact_pixels_of_netpbm_files_are_those_that_were_written():
    for name, values, layout in (
        ("P5.pgm", GRAY, PixelLayout(5, 7, 1, 8)),
        ("P5-16.pgm", WIDE, PixelLayout(5, 7, 1, 16)),
        ("P2-16.pgm", WIDE, PixelLayout(5, 7, 1, 16)),
        ("P6.ppm", COLOUR, PixelLayout(5, 7, 3, 8)),
    ):
        item = Item(name, NETPBM[name][0], name)
        assert pixel_layout(item) == layout
        np.testing.assert_array_equal(np.squeeze(decode_exact(item)), values)
    for name in ("P6-16.ppm", "P3-12.ppm"):
        with pytest.raises(InputError, match=r"ppm has 16-bit colour in a PPM, which cannot be read whole"):
            pixel_layout(Item(name, NETPBM[name][0], name))


@pytest.mark.parametrize(("kind", "extension"), [("JPEG2000", "jp2"), ("AVIF", "avif"), ("JPEG", "jfif")])
def test_newer_formats_are_read_as_pillow_reads_them(kind, extension, tmp_path):
    files = {f"a.{extension}": encode(smooth(24, 32), kind), f"b.{extension.upper()}": encode(noise(9, 8), kind)}
    found = read_all(write_folder(tmp_path / "f", files), batch_size=1, preparation=_as_is(12))
    assert list(found) == list(files)
    data = files[f"a.{extension}"]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_file(data, "x").pixels, expected)
    assert abs(expected.astype(int) - smooth(24, 32)).mean() < 20  # Pillow read it at all
    zipped = read_all(write_zip(tmp_path / "a.zip", files), batch_size=1, preparation=_as_is(12))
    for name, image in found.items():
        np.testing.assert_array_equal(image, zipped[name])


def _as_is(size):
    from jaxeval.images import Preparation

    return Preparation((size, size), "bilinear")


def test_wide_jpeg_2000_is_scaled_and_kept_whole():
    data = encode(WIDE, "JPEG2000")  # lossless unless told otherwise
    np.testing.assert_array_equal(decode_file(data, "x").pixels[:, :, 0], scaled(WIDE, 65535))
    item = Item("a", data, "a.jp2")
    assert pixel_layout(item) == PixelLayout(5, 7, 1, 16)
    np.testing.assert_array_equal(decode_exact(item)[:, :, 0], WIDE)
    start = data.index(b"\xff\x4f\xff\x51")
    colour = bytearray(encode(COLOUR, "JPEG2000"))
    colour[colour.index(b"\xff\x4f\xff\x51") + 42] = 11  # 12 bits, less one
    assert start > 0
    with pytest.raises(InputError, match=r"c\.jp2 has 12-bit colour in a JPEG 2000, which cannot be read whole"):
        pixel_layout(Item("c", bytes(colour), "c.jp2"))


@pytest.mark.parametrize(("flag", "bits"), [(0x00, 8), (0x40, 10), (0x60, 12)])
def test_the_bits_of_an_avif_are_those_of_its_configuration(flag, bits):
    data = bytearray(encode(smooth(16, 16), "AVIF"))
    assert pixel_layout(Item("a", bytes(data), "a.avif")) == PixelLayout(16, 16, 3, 8)
    with Image.open(io.BytesIO(data)) as image:  # Pillow writes none of more than 8 bits
        data[data.index(b"av1C") + 6] |= flag
        assert bits_of(image, bytes(data)) == bits  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("kind", "extension"), [("AVIF", ".avif"), ("JPEG2000", ".jp2"), ("WEBP", ".webp")])
def test_a_pillow_without_the_decoder_is_said(kind, extension, monkeypatch, tmp_path):
    data = encode(smooth(16, 16), kind)
    feature = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}[kind]
    monkeypatch.setattr(features, "check", lambda name: name != feature)
    with pytest.raises(InputError, match=rf"^a{extension} is {kind}, for which this Pillow \([\d.]+\) has no"):
        decode_file(data, f"a{extension}")
    assert extension not in extensions_read()
    assert set(extensions_read().split(", ")) == EXTENSIONS - {extension}
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="the extensions read are") as caught:
        open_source(tmp_path)
    assert extension not in str(caught.value)
    # The set is the same one: the file counts as an image that cannot be read.
    (tmp_path / f"a{extension}").write_bytes(data)
    assert len(open_source(tmp_path)) == 1


def test_an_avif_for_a_pillow_from_before_it_is_said(monkeypatch):
    data = encode(smooth(16, 16), "AVIF")
    monkeypatch.setattr(formats, "_READERS", formats._READERS[:-1])
    monkeypatch.delitem(features.modules, "avif")
    with pytest.raises(InputError, match=r"^a\.avif is AVIF, for which this Pillow"):
        decode_file(data, "a.avif")
    assert ".avif" not in extensions_read()


def test_files_in_formats_that_are_not_read_are_counted_by_name(tmp_path):
    png = encode(COLOUR, "PNG")
    files = {"a.png": png, "b.heic": b"x", "c/d.HEIC": b"x", "e.jxl": b"x", "f.txt": b"x", "g": b"x"}
    expected = {
        "file in a format that is not read ignored: .heic": 2,
        "file in a format that is not read ignored: .jxl": 1,
        "file without an image extension ignored": 2,
    }
    assert open_source(write_folder(tmp_path / "f", files)).notes == expected
    assert open_source(write_zip(tmp_path / "a.zip", files)).notes == expected


GRAYS = {
    "PNG of 16 bits": encode(WIDE, "PNG"),
    "TIFF of 16 bits": encode(WIDE, "TIFF"),
    "PGM of 16 bits": netpbm("P5", WIDE, 65535),
    "JPEG 2000 of 16 bits": encode(WIDE, "JPEG2000"),
    "TIFF of 32 bits": encode(Image.fromarray(WIDE.astype(np.int32) - 30000), "TIFF"),
    "TIFF of floats": encode(Image.fromarray((WIDE / 100 - 50).astype(np.float32)), "TIFF"),
}


@pytest.mark.parametrize("name", GRAYS)
def test_pillows_reduction_is_what_convert_gives(name):
    expected = np.asarray(Image.open(io.BytesIO(GRAYS[name])).convert("RGB"))
    found = decode_file(GRAYS[name], "x", "pillow")
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.notes == ("more than 8 bits clipped at 255", "gray to RGB")


def test_clipped_gray_is_white_above_255():
    found = decode_file(GRAYS["PNG of 16 bits"], "x", "pillow").pixels
    np.testing.assert_array_equal(found, np.repeat(np.minimum(WIDE, 255)[:, :, None], 3, axis=2))


def test_pillows_reduction_changes_nothing_of_8_bits():
    for data in (encode(COLOUR, "PNG"), encode(GRAY, "TIFF"), encode(noise(9, 8, 4), "PNG"), NETPBM["P6-16.ppm"][0]):
        ours, theirs = decode_file(data, "x"), decode_file(data, "x", "pillow")
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        assert set(ours.notes) == set(theirs.notes)
