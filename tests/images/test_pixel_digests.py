"""Digests of pixels: equal for one picture in whatever it lies, different for all others; and the names of items."""

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest
from image_samples import encode, noise, smooth, write_folder, write_tar, write_zip
from PIL import Image

from jaxeval.images import (
    DIGEST_BYTES,
    Preparation,
    Source,
    SourcePart,
    decode_exact,
    open_source,
    pixel_digest,
    read_batches,
)
from jaxeval.images.tars import TarSource

COLOUR = noise(7, 5, 3, seed=1)
GRAY = noise(7, 5, seed=2)


def digests(spec, preparation: Preparation | None = None, **options) -> np.ndarray:
    source = spec if isinstance(spec, Source) else open_source(spec, **options)
    found = list(read_batches(source, [preparation or Preparation((8, 8))], 2))
    assert all(len(batch.digests) == len(batch.names) for batch in found)
    return np.concatenate([batch.digests for batch in found])


def palette() -> Image.Image:
    image = Image.fromarray(GRAY // 16).convert("P")
    image.putpalette(np.arange(48, dtype=np.uint8).tobytes())
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_of_one_picture_agree(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    folder = write_folder(tmp_path, {f"a.{kind.lower()}": encode(COLOUR, kind, **options)})
    assert digests(folder).tobytes() == pixel_digest(COLOUR)


@pytest.mark.parametrize("write", [write_folder, write_zip, write_tar])
def test_containers_of_one_picture_agree(tmp_path, write):
    where = write(tmp_path / ("a.tar" if write is write_tar else "a.zip"), {"x.png": encode(COLOUR, "PNG")})
    assert digests(str(where)).tobytes() == pixel_digest(COLOUR)


def test_arrays_agree_with_files(tmp_path):
    channels_first = COLOUR.transpose(2, 0, 1)
    np.save(tmp_path / "a.npy", COLOUR[None])
    np.savez(tmp_path / "a.npz", images=channels_first[None])
    floats = COLOUR.astype(np.float32) / 255
    cases: list[tuple[Any, dict[str, Any]]] = [
        (COLOUR[None], {}),
        (channels_first[None], {}),
        (np.asfortranarray(COLOUR[None]), {}),
        (str(tmp_path / "a.npy"), {}),
        (str(tmp_path / "a.npz"), {}),
        (floats[None], {"value_range": (0, 1)}),
        (2 * floats.astype(np.float64)[None] - 1, {"value_range": (-1, 1)}),
        (COLOUR[None].astype(np.int32), {"value_range": (0, 255)}),
        (lambda count, seed: np.stack([COLOUR] * count), {"num_samples": 1}),
    ]
    for spec, options in cases:
        assert digests(spec, **options).tobytes() == pixel_digest(COLOUR)


def test_gray_is_its_replicated_picture_and_alpha_does_not_count(tmp_path):
    replicated = pixel_digest(np.repeat(GRAY[..., None], 3, axis=2))
    opaque = np.concatenate([COLOUR, noise(7, 5, 1, seed=3)], axis=2)
    wide = Image.fromarray(GRAY.astype(np.uint16) * 257)
    folder = write_folder(
        tmp_path,
        {
            "a.png": encode(GRAY, "PNG"),
            "b.png": encode(np.repeat(GRAY[..., None], 3, axis=2), "PNG"),
            "c.png": encode(wide, "PNG"),
            "d.png": encode(opaque, "PNG"),
            "e.png": encode(palette(), "PNG"),
            "f.png": encode(palette().convert("RGB"), "PNG"),
        },
    )
    found = [row.tobytes() for row in digests(folder)]
    assert found[:3] == [replicated] * 3
    assert found[3] == pixel_digest(COLOUR)
    assert found[4] == found[5]
    assert digests(GRAY[None]).tobytes() == replicated


def test_another_level_size_or_compression_is_another_picture(tmp_path):
    changed = COLOUR.copy()
    changed[3, 2, 1] ^= 1
    pictures = [COLOUR, changed, COLOUR[::-1], COLOUR.transpose(1, 0, 2), COLOUR.reshape(5, 7, 3), COLOUR[:, :, ::-1]]
    found = {pixel_digest(picture) for picture in pictures}
    assert len(found) == len(pictures)
    assert all(len(digest) == DIGEST_BYTES for digest in found)
    picture = smooth(16, 16)
    lossy = write_folder(tmp_path, {f"{quality}.jpg": encode(picture, "JPEG", quality=quality) for quality in (80, 90)})
    assert len({row.tobytes() for row in digests(lossy)} | {pixel_digest(picture)}) == 3


def test_equal_exactly_where_shapes_and_bytes_are():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 2, (*rng.integers(1, 3, 2), 3), np.uint8) for _ in range(400)]
    keys = [(picture.shape, picture.tobytes()) for picture in pictures]
    found = [pixel_digest(picture) for picture in pictures]
    for (a, b), (x, y) in zip(itertools.combinations(keys, 2), itertools.combinations(found, 2), strict=True):
        assert (a == b) == (x == y)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 7), (300, 301)])
def test_the_digest_is_what_it_was(shape):
    """By integers of Python: files of statistics keep digests, so that they must never change."""
    picture = noise(*shape, 3, seed=shape[1])
    content, sums = picture.tobytes(), b""
    stream = hashlib.shake_256(b"jaxeval pixels 1").digest(16 << 15)
    weights = [int.from_bytes(stream[at : at + 8], "little") for at in range(0, len(stream), 8)]
    lanes = [content[at : at + 8] for at in range(0, len(content) - len(content) % 8, 8)]
    for start in range(0, len(lanes), 1 << 15):
        block = lanes[start : start + (1 << 15)]
        for numbers, own in (
            ([int.from_bytes(lane, "little") for lane in block], weights[: 1 << 15]),
            ([int.from_bytes(lane, "big") for lane in block], weights[1 << 15 :]),
        ):
            total = sum(number * weight for number, weight in zip(numbers, own, strict=False))
            sums += (total % 2**64).to_bytes(8, "little")
    header = f"jaxeval pixels 1 {shape[0]} {shape[1]} ".encode() + content[8 * len(lanes) :]
    assert pixel_digest(picture) == hashlib.sha256(header + sums).digest()[:16]


def test_every_bit_of_every_byte_counts():
    picture = noise(4, 7, 3, seed=4)
    found = {pixel_digest(picture)}
    for place, bit in itertools.product(range(picture.size), range(8)):
        changed = picture.copy()
        changed.reshape(-1)[place] ^= 1 << bit
        found.add(pixel_digest(changed))
        changed[:, :, :] ^= 1 << bit  # all the others, too
        found.add(pixel_digest(changed))
    assert len(found) == 1 + 2 * 8 * picture.size


def test_where_an_array_lies_in_memory_does_not_count():
    picture = noise(9, 5, 3, seed=5)
    buffer = np.zeros(picture.size + 8, np.uint8)
    for offset in range(8):
        there = buffer[offset : offset + picture.size].reshape(picture.shape)
        there[:] = picture
        assert pixel_digest(there) == pixel_digest(picture)
    assert pixel_digest(np.asfortranarray(picture)) == pixel_digest(picture)
    assert pixel_digest(picture[:, ::-1]) == pixel_digest(picture[:, ::-1].copy())


def test_neither_preparation_nor_batch_decides_a_digest():
    pictures = np.stack([noise(6, 6, 3, seed=seed) for seed in range(5)])
    expected = b"".join(map(pixel_digest, pictures))
    preparations = (
        Preparation(),
        Preparation((3, 4), "pil-bicubic-uint8"),
        Preparation((6, 6), "bilinear", quantise="truncate"),
    )
    for preparation in preparations:
        assert digests(pictures, preparation).tobytes() == expected
    (batch,) = read_batches(open_source(pictures), [], 8)
    assert batch.digests.tobytes() == expected
    assert batch.digests.dtype == np.uint8


def test_a_protocol_that_clips_does_not_decide_a_digest(tmp_path):
    """16-bit gray is known as it is scaled, 32 bits as the only reading that they have."""
    wide = encode(Image.fromarray(GRAY.astype(np.uint16) * 257), "PNG")
    folder = write_folder(tmp_path, {"a.png": wide, "b.tif": encode(Image.fromarray(GRAY.astype(np.float32)), "TIFF")})
    found = digests(folder, Preparation((8, 8), reduction="pillow"))
    assert [row.tobytes() for row in found] == [pixel_digest(np.repeat(GRAY[..., None], 3, axis=2))] * 2


def test_float_levels_are_rounded_to_8_bits():
    levels = np.array([[[0.0, 0.49, 0.5], [126.51, 254.5, 254.49]]])
    assert pixel_digest(levels) == pixel_digest(np.array([[[0, 0, 1], [127, 255, 254]]], np.uint8))


def test_names_are_those_of_the_items(tmp_path):
    files = {name: encode(COLOUR, "PNG") for name in ("b.png", "a/c.png", "a.png", "a/b.png", "é.png")}
    np.save(tmp_path / "array.npy", np.stack([COLOUR] * 4))
    specs = [
        str(write_folder(tmp_path / "folder", files)),
        str(write_zip(tmp_path / "a.zip", files)),
        str(write_tar(tmp_path / "a.tar", files)),
        str(write_tar(tmp_path / "a.tar.gz", files)),
        str(tmp_path / "array.npy"),
        np.stack([COLOUR] * 4),
    ]
    for spec in specs:
        source = open_source(spec)
        expected = [item.name for item in source.items()]
        assert list(source.names()) == expected
        assert list(SourcePart(source, 1, 4, 2).names()) == expected[1:4:2]


def test_names_of_a_function_take_no_call_and_those_of_a_tar_no_content(tmp_path, monkeypatch):
    calls = []

    def draw(count, seed):
        calls.append(count)
        return np.zeros((count, 2, 2, 3), np.uint8)

    assert list(open_source(draw, num_samples=70).names()) == [str(index) for index in range(70)]
    assert calls == []
    tar = open_source(str(write_tar(tmp_path / "a.tar", {"x.png": encode(COLOUR, "PNG")})))
    assert isinstance(tar, TarSource)
    monkeypatch.setattr("jaxeval.images.tars._Archive.read", None)
    assert list(tar.names()) == ["x.png"]


def test_the_digest_is_of_what_decode_exact_gives_too(tmp_path):
    """By another path of decoding: 8-bit colour as stored."""
    source = open_source(str(write_folder(tmp_path, {"a.png": encode(COLOUR, "PNG"), "b.bmp": encode(COLOUR, "BMP")})))
    assert {pixel_digest(decode_exact(item)) for item in source.items()} == {pixel_digest(COLOUR)}
