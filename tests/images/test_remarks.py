"""What is said of a reading: from its counts, and from the sizes and colours of two sets."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import encode, noise, write_folder

from jaxeval.images import Preparation, ReadReport, contrasts, open_source, read_batches, remarks
from jaxeval.images.report import Sizes


def reading(spec, *, size=(8, 8), **options) -> ReadReport:
    report = ReadReport()
    list(read_batches(open_source(spec, **options), [Preparation(size, "bilinear")], 4, report=report))
    return report


def test_each_conversion_and_omission_is_one_sentence_with_its_count():
    report = ReadReport(count=1234)
    for what, times in {
        "alpha dropped": 1000,
        "exif-orientation ignored": 3,
        "first frame of several": 2,
        "CMYK converted": 1,
        "file in a format that is not read ignored: .heic": 2,
        "file in a format that is not read ignored: .jxl": 1,
        "file without an image extension ignored": 1,
        "link, pipe or device ignored": 4,
        "duplicate entry name": 5,
        "hidden file or folder ignored": 6,
        "palette expanded": 7,
    }.items():
        report.note(what, times)
    assert remarks("a/", report) == [
        "a/: alpha dropped (1,000 of 1,234 images)",
        "a/: EXIF orientation ignored (3 of 1,234 images)",
        "a/: only the first of several frames read (2 of 1,234 images)",
        "a/: CMYK converted without its colour profile (1 of 1,234 images)",
        "a/: 3 files left out, in formats that are not read (2 .heic, 1 .jxl)",
        "a/: 1 file left out, without an image's extension",
        "a/: 4 files left out, links, pipes or devices",
        "a/: 5 entries have the name of another one; all are read",
    ]
    assert remarks("a/", ReadReport(count=9)) == []


def test_gray_against_colour_is_of_the_pixels_and_not_of_how_they_are_stored(tmp_path):
    grays, colours = noise(4, 6, 6), noise(4, 6, 6, 3, seed=1)
    as_gray = write_folder(tmp_path / "g", {f"{i}.png": encode(image, "PNG") for i, image in enumerate(grays)})
    as_rgb = np.repeat(grays[..., None], 3, axis=3)
    gray, rgb, colour = reading(as_gray), reading(as_rgb), reading(colours)
    assert (gray.colourless, rgb.colourless, colour.colourless) == (4, 4, 0)
    assert contrasts("gray", gray, "rgb", rgb) == []
    for first in (gray, rgb):
        assert contrasts("a", first, "b", colour) == [
            "gray against colour: images without colour are 4 of 4 in a, 0 of 4 in b"
        ]
        assert contrasts("b", colour, "a", first) == [
            "gray against colour: images without colour are 0 of 4 in b, 4 of 4 in a"
        ]


def test_gray_and_colour_mixed_in_a_set(tmp_path):
    files = {f"{i}.png": encode(noise(6, 6, *((3,) if i else ()), seed=i), "PNG") for i in range(40)}
    mixed, colour = reading(write_folder(tmp_path / "m", files)), reading(noise(40, 6, 6, 3))
    assert contrasts("c", colour, "m", mixed) == ["m: gray and colour are mixed (1 of 40 images are gray)"]
    # A black picture among those of colour, stored like them, is no mixture.
    images = noise(40, 6, 6, 3)
    images[7] = 0
    assert contrasts("c", colour, "d", reading(images)) == []
    images[::4] = 9
    assert contrasts("c", colour, "d", reading(images)) == ["d: gray and colour are mixed (11 of 40 images are gray)"]


def test_sizes_that_differ_or_are_mixed_are_said(tmp_path):
    def folder(name, *sizes):
        files = {f"{i}.png": encode(noise(*size, 3, seed=i), "PNG") for i, size in enumerate(sizes)}
        return reading(write_folder(tmp_path / name, files))

    small, large = folder("s", (8, 9), (8, 9)), folder("l", (16, 16))
    two = folder("t", (8, 9), (16, 16), (16, 16))
    many = folder("m", *((8 + i, 20 - i) for i in range(6)))
    assert contrasts("s", small, "s", small) == []
    assert contrasts("s", small, "l", large) == ["sizes differ (height x width): s 8 x 9, l 16 x 16"]
    assert contrasts("t", two, "m", many) == ["sizes differ (height x width): t 8 x 9 and 16 x 16, m 8 x 15 to 13 x 20"]
    assert contrasts("m", many, "n", many) == ["sizes are mixed (height x width): m and n 8 x 15 to 13 x 20"]
    assert two.sizes == Sizes((8, 9), (16, 16), {"8 x 9": 1, "16 x 16": 2})


def test_what_a_set_does_not_know_is_not_spoken_of():
    known = reading(noise(3, 6, 6, 3))
    assert contrasts("statistics", ReadReport(), "b", known) == []


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=200), st.integers(1, 5))
def test_sizes_do_not_depend_on_order_and_parts(sizes, parts):
    def tally(some):
        found = Sizes()
        for size in some:
            found.add(*size)
        return found

    whole = tally(sizes)
    merged = Sizes()
    for part in reversed([tally(sizes[start::parts]) for start in range(parts)]):
        merged.merge(part)
    assert merged == whole
    if sizes:
        assert whole.least == tuple(min(size[axis] for size in sizes) for axis in (0, 1))
        assert whole.most == tuple(max(size[axis] for size in sizes) for axis in (0, 1))
    if len(set(sizes)) > 64:
        assert whole.counts is None
    else:
        assert whole.counts == {f"{h} x {w}": sizes.count((h, w)) for h, w in set(sizes)}


@pytest.mark.parametrize("count", [0, 3, 65])
def test_a_report_comes_back_from_json(count):
    report = ReadReport(3, [("a", "bad")], {"alpha dropped": 2}, colourless=1)
    for number in range(count):
        report.sizes.add(number + 1, 2)
    plain = json.loads(json.dumps(dataclasses.asdict(report)))
    assert ReadReport.from_plain(plain) == report
    copy = report.copy()
    assert copy == report
    copy.sizes.add(1, 1)
    copy.note("alpha dropped")
    assert copy != report
    assert ReadReport.from_plain(plain) == report


def test_reports_of_before_sizes_were_kept_are_read():
    old = {"count": 3, "skipped": [["a", "bad"]], "notes": {"gray to RGB": 2}}
    assert ReadReport.from_plain(old) == ReadReport(3, [("a", "bad")], {"gray to RGB": 2}, Sizes(), 2)


def test_the_readings_of_parts_add_up_to_that_of_the_whole():
    images = noise(9, 6, 6, 3)
    images[::4] = 7
    gray_and_alpha = np.concatenate([images, images[..., :1]], axis=3)
    whole, merged = reading(gray_and_alpha), ReadReport()
    for start in range(3):
        merged.merge(reading(gray_and_alpha[start::3]))
    assert merged == whole
    assert (whole.count, whole.colourless, whole.notes["alpha dropped"]) == (9, 3, 9)
