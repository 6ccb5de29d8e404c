"""Batches no larger than the sets, memory that runs out in words, and sets that are given twice."""

from typing import Any

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError, OutOfMemoryError, lack_of_memory
from jaxeval.extractors import from_function
from jaxeval.pairs import score_pairs

pytestmark = pytest.mark.usefixtures("quickly_compiled")

REAL, MADE = crops(40, (12, 12), seed=1) // 2 + 60, crops(25, (12, 12), seed=2) // 2 + 60


def counting(calls, fail=None):
    def features(batch):
        calls.append(len(batch))
        if fail is not None and len(calls) > fail[0]:
            raise fail[1]
        return np.asarray(batch).reshape(len(batch), -1)[:, :6]

    return from_function(features, name="counting", image_size=(12, 12), feature_size=6, jittable=False)


def test_a_batch_is_no_larger_than_the_largest_set():
    calls = []
    huge = jaxeval.evaluate(REAL, MADE, extractor=counting(calls), batch_size=100_000_000, metrics="fd,vendi")
    assert calls == [40, 40]  # one size for both sets, so that a network is compiled once
    plain = jaxeval.evaluate(REAL, MADE, extractor=counting([]), batch_size=40, metrics="fd,vendi")
    assert [one.value for one in huge.results] == [one.value for one in plain.results]
    assert huge.manifest["batch_size"] == 40


def test_every_call_that_reads_images_fits_its_batches(tmp_path):
    huge: dict[str, Any] = {"batch_size": 100_000_000}
    calls = []
    rows = jaxeval.features(MADE, extractor=counting(calls), **huge)
    assert (calls, rows.shape) == ([25], (25, 6))
    jaxeval.reference_statistics(MADE, tmp_path / "made.npz", extractor=counting(calls), **huge)
    jaxeval.compare(MADE, MADE - 9, reference=REAL[:30], extractor=counting(calls), metrics="vendi", limit=12, **huge)
    assert calls[1:] == [25, 12, 12]
    folder = str(write_pngs(tmp_path / "real", REAL[:5]))
    scores = score_pairs(folder, {"dark": str(write_pngs(tmp_path / "dark", REAL[:5] - 9))}, metrics="psnr", **huge)
    assert len(scores.scores) == 5


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (MemoryError("Unable to allocate 876. GiB for an array"), "Unable to allocate 876. GiB for an array"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 40 bytes."), "RESOURCE_EXHAUSTED: Out of memory"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (OSError(12, "Cannot allocate memory"), "Cannot allocate memory"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_memory_that_runs_out_says_what_to_lower(error, detail):
    network = counting([], (2, error))
    with pytest.raises(OutOfMemoryError, match=r"not enough memory to read 'second' with --batch-size 20 \(") as caught:
        jaxeval.evaluate(REAL[:20], {"first": MADE[:20], "second": MADE}, extractor=network, batch_size=20)
    assert detail in str(caught.value)
    assert str(caught.value).endswith("; lower it, or read fewer images (--limit)")
    assert [one.generated for one in caught.value.partial.results] == ["first"]


def test_other_errors_are_no_lack_of_memory():
    for error in (RuntimeError("INVALID_ARGUMENT"), OSError(28, "No space left on device"), ValueError("memory")):
        assert lack_of_memory(error) is None
    with pytest.raises(RuntimeError, match="INVALID"):
        jaxeval.features(MADE, extractor=counting([], (0, RuntimeError("INVALID"))))


def test_threads_are_named_where_they_were_chosen():
    with pytest.raises(OutOfMemoryError, match=r"--batch-size 25 and --threads 3 .*; lower one of them"):
        jaxeval.features(MADE, extractor=counting([], (0, MemoryError())), threads=3)


def test_the_command_line_says_it_too(tmp_path, capsys, monkeypatch):
    folders = [str(write_pngs(tmp_path / name, images)) for name, images in (("real", REAL), ("made", MADE))]

    def fails(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("jaxeval.images.source.Source.fingerprint", fails)
    assert main(["evaluate", *folders, "--extractor", "pixels", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "there is not enough memory (Unable to allocate 9 TiB); lower --batch-size, --threads or --limit" in said


@pytest.mark.parametrize("kept", [False, True])
def test_a_set_that_is_given_twice_is_said(tmp_path, kept):
    made = write_pngs(tmp_path / "made", MADE)
    again = write_pngs(tmp_path / "again", MADE)
    more: dict[str, Any] = {"cache": tmp_path / "cache"} if kept else {}
    results = jaxeval.evaluate(REAL, [str(made), str(again), str(made)], extractor="pixels", **more).results
    said = [
        [text for text in one.warnings if text.endswith(("hold the same images", "given twice"))] for one in results
    ]
    assert said[0] == []
    assert f"{again} and {made} hold the same images" in said[1]
    assert f"{made} is given twice" in said[2]


def test_a_set_of_unknown_content_is_known_by_itself():
    def draw(count, seed):
        return np.random.default_rng(seed).integers(0, 256, (count, 12, 12, 3)).astype(np.uint8)

    def other(count, seed):
        return draw(count, seed + 1)

    sets = {"a": draw, "b": draw, "c": other}
    results = jaxeval.evaluate(REAL, sets, extractor="pixels", num_samples=20).results
    said = [[text for text in one.warnings if text.endswith("hold the same images")] for one in results]
    assert said == [[], ["b and a hold the same images"], []]


def test_the_reference_given_again_and_one_set_against_itself_are_said():
    (result,) = jaxeval.evaluate(REAL, {"again": REAL}, extractor="pixels").results
    assert any(text.endswith("hold the same images") for text in result.warnings)
    comparison = jaxeval.compare(MADE, MADE, reference=REAL, extractor="pixels", metrics="fd")
    assert any("is given twice" in text for text in comparison.differences[0].second.warnings)
    with pytest.raises(InputError, match="no generated images"):
        jaxeval.evaluate(REAL, [], extractor="pixels")
