"""Samples of more than 8 bits: white as 0, planes, and samples that use fewer bits than they have."""

import struct
import zlib

import numpy as np
import pytest
from image_samples import encode, noise, read_all, write_folder
from PIL import Image

import jaxeval
from jaxeval.errors import InputError
from jaxeval.images import Item, Preparation, ReadReport, decode_exact, open_source, pixel_layout, read_batches, remarks
from jaxeval.images.decoding import decode_file
from jaxeval.pairs import score_pairs

HEIGHT, WIDTH = 6, 9


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int | None,
    *,
    order: str = "<",
    rows_per_strip: int = HEIGHT,
    tile: int | None = None,
    compressed: bool = False,
    planes: bool = False,
    long_tags: bool = False,
    extra: bool = True,
    big: bool = False,
) -> bytes:
    """A TIFF of samples [H, W] or [H, W, C], written here so that no library is both its writer and its reader.

    Args:
      samples: as they are to be stored.
      bits: of each: 8, 12 or 16.
      photometric: what 0 means: 0 for white, 1 for black, 2 for RGB; None leaves the tag out.
      order: of the bytes.
      rows_per_strip: how many rows lie together.
      tile: side of the tiles that the image is cut into, instead of strips.
      compressed: whether strips are deflated.
      planes: whether each colour lies by itself.
      long_tags: whether tags of one value are 32-bit numbers and not 16-bit ones.
      extra: whether a fourth channel beside RGB is said to be alpha.
      big: whether it is a BigTIFF, with numbers of 64 bits for places.
    """
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    parts = np.moveaxis(samples, -1, 0) if planes and samples.ndim == 3 else [samples]
    chunks = []
    for part in parts:
        if tile is None:
            chunks += [
                packed(part[row : row + rows_per_strip], bits, order) for row in range(0, height, rows_per_strip)
            ]
            continue
        for row in range(0, height, tile):
            for column in range(0, width, tile):
                block = np.zeros((tile, tile, *part.shape[2:]), part.dtype)
                found = part[row : row + tile, column : column + tile]
                block[: found.shape[0], : found.shape[1]] = found
                chunks.append(packed(block, bits, order))
    if compressed:
        chunks = [zlib.compress(chunk) for chunk in chunks]
    kind = 4 if long_tags else 3
    tags: dict[int, tuple[int, list[int]]] = {
        256: (kind, [width]),
        257: (kind, [height]),
        258: (3, [bits] * channels),
        259: (kind, [8 if compressed else 1]),
        277: (kind, [channels]),
        284: (kind, [2 if planes else 1]),
    }
    tags |= {} if photometric is None else {262: (kind, [photometric])}
    tags |= {338: (3, [2])} if extra and photometric == 2 and channels == 4 else {}
    header, entry, room, number = (16, 20, 8, "Q") if big else (8, 12, 4, "I")
    where = header + np.cumsum([0, *(len(chunk) for chunk in chunks)])
    places, sizes = (4, where[:-1].tolist()), (4, [len(chunk) for chunk in chunks])
    if tile is None:
        tags |= {273: places, 278: (kind, [rows_per_strip]), 279: sizes}
    else:
        tags |= {322: (kind, [tile]), 323: (kind, [tile]), 324: places, 325: sizes}
    after = int(where[-1]) + int(where[-1]) % 2
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    long_at = after + len(count) + entry * len(tags) + room
    entries, long = b"", b""
    for tag, (form, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{'HI'[form == 4]}", *values)
        if len(content) > room:
            content, long = struct.pack(f"{order}{number}", long_at + len(long)), long + content
        entries += struct.pack(f"{order}HH{number}", tag, form, len(values)) + content.ljust(room, b"\0")
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if big else 42)
    start += struct.pack(f"{order}HHQ", 8, 0, after) if big else struct.pack(f"{order}I", after)
    body = b"".join(chunks).ljust(after - header, b"\0")
    return start + body + count + entries + bytes(room) + long


def packed(samples: np.ndarray, bits: int, order: str) -> bytes:
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    if bits == 16:
        return samples.astype(f"{order}u2").tobytes()
    rows = [bytes(np.packbits((row[:, None] >> np.arange(11, -1, -1)) & 1).tolist()) for row in samples]
    return b"".join(rows)


def png(samples: np.ndarray, significant: tuple[int, ...] | None = None, *, interlaced: bool = False) -> bytes:
    """A PNG of samples [H, W] or [H, W, C], uint8 or uint16, with an sBIT chunk if wanted."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.dtype.itemsize, colour, 0, 0, interlaced)
    stored = samples.astype(samples.dtype.newbyteorder(">"))
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    parts = [stored[a::b, c::d] for a, b, c, d in passes] if interlaced else [stored]
    raw = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    middle = b"" if significant is None else chunk(b"sBIT", bytes(significant))
    ends = chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"gAMA", struct.pack(">I", 45455)) + middle + ends


def item(data: bytes) -> Item:
    return Item("a", data, "a")


def gray_levels(values: np.ndarray, bits: int) -> np.ndarray:
    """Round(value * 255 / (2^bits - 1)); no ties, as 2^bits - 1 is odd."""
    levels = np.rint(values.astype(np.float64) * (255 / ((1 << bits) - 1))).astype(np.uint8)
    return np.repeat(levels[..., None], 3, 2)


LAYOUTS = {
    "one strip": {},
    "strips": {"rows_per_strip": 2},
    "tiles": {"tile": 16},
    "deflated": {"compressed": True},
    "deflated strips": {"compressed": True, "rows_per_strip": 4},
    "a plane": {"planes": True},
    "long tags": {"long_tags": True},
    "BigTIFF": {"big": True},
    "BigTIFF deflated": {"big": True, "compressed": True},
}


# Pillow does not read big-endian BigTIFFs.
ORDERED = [(layout, order) for layout in LAYOUTS for order in "<>" if not (layout.startswith("Big") and order == ">")]


@pytest.mark.parametrize(("layout", "order"), ORDERED)
@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero_at_every_depth(bits, layout, order):
    values = noise(HEIGHT, WIDTH, dtype={8: np.uint8, 16: np.uint16}[bits])
    most = (1 << bits) - 1
    values[0, :2] = 0, most
    data = tiff(most - values, bits, 0, order=order, **LAYOUTS[layout])
    np.testing.assert_array_equal(decode_file(data, "a.tif").pixels, gray_levels(values, bits))
    assert pixel_layout(item(data)).bits == bits
    np.testing.assert_array_equal(decode_exact(item(data))[..., 0], values)
    black = tiff(values, bits, 1, order=order, **LAYOUTS[layout])
    assert decode_file(black, "a.tif").notes == decode_file(data, "a.tif").notes
    np.testing.assert_array_equal(decode_file(black, "a.tif").pixels, decode_file(data, "a.tif").pixels)
    np.testing.assert_array_equal(decode_exact(item(black)), decode_exact(item(data)))


@pytest.mark.parametrize("photometric", [0, 1])
def test_twelve_bits_in_either_sense(photometric):
    values = noise(HEIGHT, 8, dtype=np.uint16) >> 4
    data = tiff(4095 - values if photometric == 0 else values, 12, photometric)
    decoded = decode_file(data, "a.tif")
    np.testing.assert_array_equal(decoded.pixels, gray_levels(values, 12))
    assert set(decoded.notes) == {"16-bit scaled", "gray to RGB"}
    with pytest.raises(InputError, match="other than 8 or 16 bits"):
        decode_exact(item(data))


def test_gray_that_does_not_say_what_zero_is_is_read_alike_at_every_depth():
    values = noise(HEIGHT, WIDTH)
    narrow = decode_file(tiff(values, 8, None), "a.tif").pixels
    wide = decode_file(tiff(values.astype(np.uint16) * 257, 16, None), "a.tif").pixels
    np.testing.assert_array_equal(wide, narrow)


def test_white_is_zero_turned_by_its_orientation():
    values = noise(HEIGHT, WIDTH, dtype=np.uint16)
    data = encode(65535 - values, "TIFF", tiffinfo={262: 0, 274: 6})
    turned = np.rot90(values, -1)
    np.testing.assert_array_equal(decode_file(data, "a.tif").pixels, gray_levels(turned, 16))
    np.testing.assert_array_equal(decode_exact(item(data))[..., 0], turned)


def test_white_is_zero_has_distance_zero_from_the_same_in_black(tmp_path):
    pictures = [noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16) for seed in range(6)]
    white = {f"{i}.tif": tiff(65535 - picture, 16, 0) for i, picture in enumerate(pictures)}
    black = {f"{i}.tif": tiff(picture, 16, 1) for i, picture in enumerate(pictures)}
    sets = [write_folder(tmp_path / name, files) for name, files in (("white", white), ("black", black))]
    (result,) = jaxeval.evaluate(*sets, extractor="pixels").results
    assert abs(result.value) < 1e-20
    assert {score.values["mse"] for score in score_pairs(sets[1], sets[0], metrics="mse").scores} == {0.0}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"rows_per_strip": 2}, {"tile": 16}, {"compressed": True}])
@pytest.mark.parametrize("channels", [3, 4])
def test_planes_of_16_bit_colour(channels, layout, order):
    values = noise(HEIGHT, WIDTH, channels, dtype=np.uint16)
    data = tiff(values, 16, 2, order=order, planes=True, **layout)
    np.testing.assert_array_equal(decode_file(data, "a.tif").pixels, (values[..., :3] >> 8).astype(np.uint8))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("photometric", "layout"), [(5, {}), (2, {"tile": 16}), (2, {"compressed": True})])
def test_planes_that_pillow_would_misread_are_refused_or_right(photometric, layout, bits):
    values = noise(HEIGHT, WIDTH, 4, dtype={8: np.uint8, 16: np.uint16}[bits])
    data = tiff(values, bits, photometric, planes=True, extra=False, **layout)
    if (photometric, bits) == (5, 8):
        expected = Image.frombytes("CMYK", (WIDTH, HEIGHT), values.tobytes()).convert("RGB")
        np.testing.assert_array_equal(decode_file(data, "a.tif").pixels, np.asarray(expected))
        return
    with pytest.raises(InputError, match=r"a\.tif has its colours in planes"):
        decode_file(data, "a.tif")


# Significant bits of PNGs.


def scaled(values: np.ndarray, bits: int, way: str) -> np.ndarray:
    """Samples of so many bits at the full range of 16, in the ways that the PNG specification describes."""
    wide = values.astype(np.uint64)
    if way == "shifted":
        return (wide << (16 - bits)).astype(np.uint16)
    if way == "divided":
        return np.rint(values * (65535 / ((1 << bits) - 1))).astype(np.uint16)
    text = np.vectorize(lambda value: int((format(int(value), f"0{bits}b") * 16)[:16], 2))  # repeated
    return text(values).astype(np.uint16)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
def test_unscaled_gray_is_scaled_by_its_significant_bits(bits):
    values = noise(HEIGHT, WIDTH, dtype=np.uint16) >> (16 - bits)
    values[0, 0] = (1 << bits) - 1
    data = png(values, (bits,))
    decoded = decode_file(data, "a.png")
    np.testing.assert_array_equal(decoded.pixels, gray_levels(values, bits))
    assert set(decoded.notes) == {"16-bit scaled", "gray to RGB", "16-bit scaled from its significant bits"}
    exact = decode_exact(item(data))
    assert exact.dtype == np.uint16
    np.testing.assert_array_equal(exact[..., 0], scaled(values, bits, "divided"))


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_unscaled_gray_of_few_bits(bits):
    values = noise(HEIGHT, WIDTH, dtype=np.uint16) >> (16 - bits)
    np.testing.assert_array_equal(decode_file(png(values, (bits,)), "a.png").pixels, gray_levels(values, bits))


@pytest.mark.parametrize("way", ["shifted", "divided", "repeated"])
@pytest.mark.parametrize("bits", [5, 8, 10, 12, 14, 15])
@pytest.mark.parametrize("dark", [False, True])
def test_gray_that_was_scaled_as_png_asks_stays_as_it_is(way, bits, dark):
    values = scaled(noise(HEIGHT, WIDTH, dtype=np.uint16) >> (16 - bits), bits, way)
    if dark:  # every sample below 2^bits, as if it had not been scaled
        few = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) % max(1, (1 << bits) >> (16 - bits))
        values = scaled(few, bits, way)
        assert values.max() < 1 << bits
    plain, marked = (decode_file(png(values, significant), "a.png") for significant in (None, (bits,)))
    np.testing.assert_array_equal(marked.pixels, plain.pixels)
    np.testing.assert_array_equal(decode_exact(item(png(values, (bits,))))[..., 0], values)
    assert "16-bit scaled from its significant bits" not in marked.notes


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_unscaled_colour_and_alpha(channels, interlaced):
    values = noise(HEIGHT, WIDTH, channels, dtype=np.uint16) >> 4
    if channels in (2, 4):
        values[..., -1] = 65535  # opaque, whatever sBIT says of it
    data = png(values, (12,) * channels, interlaced=interlaced)
    decoded = decode_file(data, "a.png")
    colours = values[..., :1] if channels == 2 else values[..., :3]
    expected = scaled(colours, 12, "repeated") >> 8
    np.testing.assert_array_equal(decoded.pixels, np.broadcast_to(expected, (HEIGHT, WIDTH, 3)))
    assert {"16-bit colour cut to 8 bits", "16-bit scaled from its significant bits"} <= set(decoded.notes)
    if channels != 2:
        np.testing.assert_array_equal(decode_exact(item(data)), scaled(colours, 12, "divided"))
    right = png(scaled(values, 12, "shifted"), (12,) * channels, interlaced=interlaced)
    np.testing.assert_array_equal(
        decode_file(right, "a.png").pixels, np.broadcast_to(colours >> 4, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    )


def test_each_colour_has_its_own_significant_bits():
    bits = (10, 12, 11)
    values = np.stack([noise(HEIGHT, WIDTH, seed=n, dtype=np.uint16) >> (16 - n) for n in bits], -1)
    expected = np.stack([scaled(values[..., c], n, "divided") for c, n in enumerate(bits)], -1)
    np.testing.assert_array_equal(decode_exact(item(png(values, bits))), expected)


@pytest.mark.parametrize("significant", [(16,), (0,), (), (17,), (200, 1, 1)])
def test_significant_bits_that_say_nothing_are_ignored(significant):
    values = noise(HEIGHT, WIDTH, dtype=np.uint16) >> 4
    np.testing.assert_array_equal(decode_file(png(values, significant), "a.png").pixels, gray_levels(values, 16))


def test_8_bit_files_follow_pillow_whatever_their_significant_bits():
    values = noise(HEIGHT, WIDTH) >> 3
    np.testing.assert_array_equal(decode_file(png(values, (5,)), "a.png").pixels[..., 0], values)


# Whole sets that leave their upper bits unused.


def report_of(folder) -> ReadReport:
    report = ReadReport()
    for _ in read_batches(open_source(folder), [Preparation()], 4, report=report):
        pass
    return report


@pytest.mark.parametrize("kind", ["png", "tif", "white tif", "colour png"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_set_without_high_values_is_said(tmp_path, kind, bits):
    files = {}
    for seed in range(5):
        shape = (HEIGHT, WIDTH, 3) if kind.startswith("colour") else (HEIGHT, WIDTH)
        values = noise(*shape, seed=seed, dtype=np.uint16) >> (16 - bits + seed % 2)  # some images are dark too
        values.flat[0] = ((1 << bits) - 1) >> (seed % 2)
        data = {"tif": lambda v: tiff(v, 16, 1), "white tif": lambda v: tiff(v, 16, 0)}.get(kind, png)(values)
        files[f"{seed}.{kind[-3:]}"] = data
    (sentence,) = remarks("photos", report_of(write_folder(tmp_path / "set", files)))
    assert sentence.startswith(f"photos: no value of its images of more than 8 bits is above {(1 << bits) - 1:,},")
    assert f"the value range 0 to {(1 << bits) - 1}" in sentence
    files["high.png"] = png(noise(HEIGHT, WIDTH, dtype=np.uint16))
    assert "more than 8 bits" not in "".join(remarks("photos", report_of(write_folder(tmp_path / "set", files))))


def test_files_of_8_bits_among_them_change_nothing(tmp_path):
    files = {f"{seed}.png": png(noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16) >> 4) for seed in range(3)}
    files["narrow.png"] = png(noise(HEIGHT, WIDTH))
    (sentence,) = remarks("x", report_of(write_folder(tmp_path, files)))
    assert "above 4,095," in sentence


def test_what_has_its_range_is_not_suspected(tmp_path):
    files = {f"{seed}.tif": tiff(noise(HEIGHT, 8, seed=seed, dtype=np.uint16) >> 4, 12, 1) for seed in range(3)}
    assert remarks("x", report_of(write_folder(tmp_path / "a", files))) == []
    files = {f"{seed}.png": png(noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16) >> 4, (12,)) for seed in range(3)}
    (sentence,) = remarks("x", report_of(write_folder(tmp_path / "b", files)))
    assert "as their sBIT chunk says, scaled to full range (all 3 images)" in sentence


def test_wide_arrays_are_suspected_too(tmp_path):
    images = noise(4, HEIGHT, WIDTH, dtype=np.uint16) >> 4
    np.save(tmp_path / "a.npy", images)
    for spec, stated, said in (
        (images, (0, 65535), "above 4,095,"),
        (f"{tmp_path}/a.npy?range=0,65535", None, "above 4,095,"),
        (images.astype(np.float32), (0, 65535), "above 4,095,"),
        (images >> 4, (0, 4095), "above 255,"),
        (images, (0, 4095), None),
    ):
        report = ReadReport()
        read_all(spec, value_range=stated, report=report)
        found = remarks("x", report)
        assert (found == []) if said is None else (len(found) == 1 and said in found[0])


def test_evaluate_warns_of_them_and_again_from_its_cache(tmp_path):
    sets = []
    for name, shift in (("whole", 0), ("part", 4)):
        files = {f"{seed}.png": png(noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16) >> shift) for seed in range(6)}
        sets.append(write_folder(tmp_path / name, files))
    for _ in range(2):
        (result,) = jaxeval.evaluate(*sets, extractor="pixels", cache=tmp_path / "cache").results
        (warning,) = [text for text in result.warnings if "more than 8 bits" in text]
        assert warning.startswith(f"{sets[1]}: no value of its images of more than 8 bits is above 4,095,")


def test_pairs_warn_of_them_unless_their_range_is_given(tmp_path):
    def files(shift: int, significant: tuple[int, ...] | None = None) -> dict[str, bytes]:
        values = [noise(HEIGHT, WIDTH, seed=seed, dtype=np.uint16) >> shift for seed in range(3)]
        return {f"{seed}.png": png(value, significant) for seed, value in enumerate(values)}

    sets = {name: write_folder(tmp_path / name, files(shift)) for name, shift in (("whole", 0), ("part", 4))}
    marked = write_folder(tmp_path / "marked", files(4, (12,)))

    def warned(reference, distorted, **options) -> list[str]:
        warnings = score_pairs(reference, {"x": distorted}, metrics="psnr", **options).manifest["warnings"]
        return [text for text in warnings if "16-bit images" in text]

    assert warned(sets["whole"], sets["part"]) == [
        "x: no value of its 16-bit images is above 4,095, but 0 to 65,535 was taken for their range; if they have 12 "
        "bits, give that range (--data-range 4095)"
    ]
    assert [text.partition(":")[0] for text in warned(sets["part"], sets["part"])] == ["x", str(sets["part"])]
    assert warned(sets["part"], sets["part"], data_range=4095) == []
    assert warned(sets["whole"], marked) == []
