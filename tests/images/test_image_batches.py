"""Batches: padding, order, several preparations, errors, threads and memory."""

import gc
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_samples import encode, noise, read_all, rows, write_folder
from peak_memory import printed_by, reads_proc

from jaxeval.errors import InputError
from jaxeval.images import Item, Preparation, ReadReport, Source, open_source, read_batches, resize

MIXED = {f"{i}.png": encode(noise(5 + i, 9 - i, 3, seed=i), "PNG") for i in range(7)}
PREPARATIONS = (
    Preparation((12, 13), "tf1-bilinear"),
    Preparation((6, 5), "pil-bicubic-float"),
    Preparation((12, 13), "antialiased-bilinear"),
    Preparation((12, 13), "pil-bicubic-uint8"),
)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("jaxeval-images")]


def test_each_preparation_gets_every_image_and_the_last_batch_is_padded(tmp_path):
    source = open_source(write_folder(tmp_path, MIXED))
    batches = list(read_batches(source, PREPARATIONS, 3))
    assert [batch.mask.tolist() for batch in batches] == [[True] * 3, [True] * 3, [True, False, False]]
    assert [name for batch in batches for name in batch.names] == sorted(MIXED)
    for batch in batches:
        for images, preparation in zip(batch.images, PREPARATIONS, strict=True):
            assert preparation.size is not None
            assert images.shape == (3, *preparation.size, 3)
            assert images.dtype == np.float32
            assert not images[~batch.mask].any()
            for name, image in zip(batch.names, images, strict=False):
                index = int(name[0])
                original = noise(5 + index, 9 - index, 3, seed=index)
                np.testing.assert_array_equal(image, resize(original, preparation.size, preparation.resize))


class Counting(Source):
    def __init__(self, count):
        self.name = "counting"
        self.count = count
        self.given = 0
        self.reads = 0

    def __len__(self):
        return self.count

    def items(self) -> Iterator[Item]:
        for index in range(self.count):
            self.given += 1
            yield Item(str(index), self.read, where=f"image {index}")

    def read(self):
        self.reads += 1
        return np.full((4, 5, 3), 7, np.uint8)


def test_each_image_is_read_once_for_all_preparations():
    source = Counting(11)
    list(read_batches(source, PREPARATIONS, 4))
    assert source.reads == 11


def test_reading_ahead_is_bounded():
    source = Counting(1000)
    batches = read_batches(source, [Preparation()], 8, threads=2)
    next(batches)
    assert 8 <= source.given <= 8 + 8 + 2 * 2
    batches.close()


@given(batch_size=st.integers(1, 9), threads=st.integers(1, 5), limit=st.one_of(st.none(), st.integers(1, 12)))
@settings(max_examples=25, deadline=None)
def test_batch_size_and_threads_change_nothing(batch_size, threads, limit):
    images = np.stack([noise(5, 6, 3, seed=seed) for seed in range(7)])
    actual = read_all(images, batch_size=batch_size, threads=threads, limit=limit)
    count = min(7, limit or 7)
    assert list(actual) == [str(index) for index in range(count)]
    np.testing.assert_array_equal(list(actual.values()), images[:count])


def test_order_holds_when_early_images_are_slow():
    last = threading.Event()

    class Slow(Counting):
        def items(self):
            for index in range(self.count):
                yield Item(str(index), lambda index=index: self.wait(index), where=str(index))

        def wait(self, index):
            if index == 0:
                assert last.wait(20)
            if index == 5:
                last.set()
            return np.full((4, 5, 3), index, np.uint8)

    (batch,) = read_batches(Slow(6), [Preparation()], 6, threads=6)
    assert batch.images[0][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


BAD = {"words.png": b"not an image", "empty.png": b"", "cut.jpg": encode(noise(40, 40, 3), "JPEG")[:600]}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_image_fails_by_name(tmp_path, bad):
    write_folder(tmp_path, MIXED | {bad: BAD[bad]})
    with pytest.raises(InputError, match=bad):
        list(read_batches(open_source(tmp_path), PREPARATIONS, 3))
    assert our_threads() == []


def test_bad_images_are_skipped_and_reported(tmp_path):
    source = open_source(write_folder(tmp_path, MIXED | BAD))
    report = ReadReport()
    batches = list(read_batches(source, PREPARATIONS[:1], 3, on_error="skip", report=report))
    assert [len(batch.names) for batch in batches] == [3, 3, 1]
    assert [name for batch in batches for name in batch.names] == sorted(MIXED)
    assert report.count == 7
    assert [name for name, _ in report.skipped] == ["cut.jpg", "empty.png", "words.png"]
    assert all(name in reason for name, reason in report.skipped)


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path):
    source = open_source(write_folder(tmp_path, BAD))
    with pytest.raises(InputError, match=r"none of the 3 images of .* could be read; the first: .*cut\.jpg"):
        list(read_batches(source, [Preparation()], 3, on_error="skip"))


def test_limit_counts_bad_images_too(tmp_path):
    source = open_source(write_folder(tmp_path, MIXED | {"1.png": b"bad"}))
    report = ReadReport()
    (batch,) = read_batches(source, PREPARATIONS[:1], 9, limit=3, on_error="skip", report=report)
    assert batch.names == ("0.png", "2.png")
    assert [name for name, _ in report.skipped] == ["1.png"]


def test_without_a_size_all_shapes_must_agree(tmp_path):
    source = open_source(write_folder(tmp_path, MIXED))
    with pytest.raises(InputError, match=r"1\.png is 6 x 8 pixels but .*0\.png is 5 x 9; choose"):
        list(read_batches(source, [Preparation()], 1))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"limit": 0}, {"threads": 0}])
def test_bad_arguments_fail_at_once(options):
    with pytest.raises(InputError, match="0 must be 1 or more"):
        read_batches(Counting(3), [Preparation()], **({"batch_size": 2} | options))


def test_threads_end_when_the_reader_stops_early():
    batches = read_batches(Counting(1000), [Preparation()], 4, threads=3)
    next(batches)
    assert len(our_threads()) > 0
    batches.close()
    assert our_threads() == []
    abandoned = read_batches(Counting(1000), [Preparation()], 4, threads=3)
    next(abandoned)
    del abandoned
    gc.collect()
    assert our_threads() == []


def test_threads_end_when_the_source_breaks():
    class Breaking(Counting):
        def items(self):
            yield from super().items()
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(read_batches(Breaking(5), [Preparation()], 2))
    assert our_threads() == []


def test_names_are_of_real_rows_only():
    (batch,) = read_batches(Counting(2), [Preparation()], 5)
    assert batch.names == ("0", "1")
    assert len(dict(rows(batch))) == 2


MEMORY_SCRIPT = """
import sys
from jaxeval.images import Preparation, open_source, read_batches
source = open_source(sys.argv[1])
limit = int(sys.argv[2])
count = sum(int(batch.mask.sum()) for batch in read_batches(source, [Preparation((64, 64))], 32, limit=limit))
assert count == limit, count
print(peak())
"""


@reads_proc
@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_peak_memory_does_not_grow_with_the_number_of_images(tmp_path, name):
    path = tmp_path / name
    images = np.zeros((20_000, 48, 48, 3), np.uint8)  # 138 MB: it would show
    np.save(path, images) if name.endswith("npy") else np.savez(path, images)
    peaks = [printed_by(MEMORY_SCRIPT, path, n) for n in (2_000, 20_000)]
    assert peaks[1] < 1.1 * peaks[0]
