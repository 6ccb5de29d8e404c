"""What callers give as sets: lists of images, names of their own, layouts; the same on every way in."""

from typing import Any

import numpy as np
import pytest
from image_sets import crops, write_pngs
from PIL import Image

import jaxeval
from jaxeval.errors import InputError

REAL = crops(90, (5, 6), 1)
FAKE = (0.8 * crops(60, (5, 6), 2) + 20).astype(np.uint8)


def evaluated(reference, generated, **more):
    return jaxeval.evaluate(reference, generated, extractor="pixels", **more)


@pytest.fixture(scope="module")
def expected():
    return evaluated(REAL, FAKE).results[0].value


def test_a_list_of_arrays_is_one_set_on_both_sides(expected):
    for reference, generated in ((REAL, list(FAKE)), (list(REAL), FAKE), (tuple(REAL), tuple(FAKE))):
        (found,) = evaluated(reference, generated).results
        assert found.value == expected
        assert (found.n_reference, found.n_generated) == (90, 60)
    (named,) = evaluated(REAL, list(FAKE)).results
    assert named.generated == "list of 60 images"


def test_lists_of_pictures_and_of_files_are_one_set(tmp_path, expected):
    write_pngs(tmp_path / "real", REAL)
    write_pngs(tmp_path / "fake", FAKE)
    files = [sorted((tmp_path / name).glob("*.png")) for name in ("real", "fake")]
    assert evaluated(*files).results[0].value == expected
    texts = [[str(path) for path in paths] for paths in files]
    (found,) = evaluated(*texts).results
    assert (found.value, found.generated) == (expected, f"{tmp_path / 'fake'} (60 files)")
    pictures = [[Image.fromarray(image) for image in images] for images in (REAL, FAKE)]
    assert evaluated(*pictures).results[0].value == expected


def test_lists_of_sets_are_several_sets(tmp_path, expected):
    folder = write_pngs(tmp_path / "fake", FAKE)
    found = evaluated(REAL, [FAKE, folder, list(FAKE), {"mine": FAKE, "yours": list(FAKE)}]).results
    assert [one.value for one in found] == [expected] * 5
    assert [one.generated for one in found[2:]] == ["list of 60 images", "mine", "yours"]


def test_stacks_of_gray_images_are_sets_unless_they_could_be_pictures():
    gray = REAL[..., 0]
    assert len(evaluated(gray, [gray, gray[:20]]).results) == 2
    with pytest.raises(InputError, match=r"item 1 of the generated images.*\[3, 5, 6\].*say layout='NHW'"):
        evaluated(gray, [gray, gray[:3]])
    assert [one.n_generated for one in evaluated(gray, [gray, gray[:3]], layout="NHW").results] == [90, 3]


def test_images_beside_sets_are_one_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"item 0 of the generated.*\[5, 6, 3\], is an image, and item 1,.*is none"):
        evaluated(REAL, [FAKE[0], FAKE])
    with pytest.raises(InputError, match="is an image, and item 0"):
        evaluated(REAL, [tmp_path, tmp_path / "a.png"])


@pytest.mark.parametrize("role", ["reference", "generated", "held_out"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (REAL[0], r"\[5, 6, 3\]: a single image .*array\[None\]"),
        (Image.fromarray(REAL[0]), r"single image .*\[image\]"),
        ([], "no (generated )?images"),
        ((one for one in REAL), "read only once"),
        ([[REAL[0]], REAL[0]], "is (not )?an image"),
    ],
)
def test_what_is_no_set_is_refused_in_every_place(role, data, words):
    places = {"reference": REAL, "generated": FAKE} | {role: data}
    with pytest.raises(InputError, match=words):
        jaxeval.evaluate(**places, extractor="pixels", metrics="fld" if role == "held_out" else None)


@pytest.mark.parametrize("role", ["reference", "held_out"])
def test_a_list_of_sets_is_not_one_set(role):
    places = {"reference": REAL} | {role: [REAL, REAL]}
    with pytest.raises(InputError, match=r"item 0 of a list of 2, an array \[90, 5, 6, 3\], is not an image"):
        evaluated(places.pop("reference"), FAKE, metrics="fd,fld" if role == "held_out" else None, **places)


def test_names_are_taken_wherever_sets_are_given(tmp_path):
    path = tmp_path / "s.npz"
    statistics = jaxeval.reference_statistics({"photos": REAL}, path, extractor="pixels")
    assert statistics.count == 90
    with np.load(path) as file:
        assert '"name": "photos"' in str(file["metadata"])
    (found,) = evaluated({"photos": path}, {"mine": FAKE}).results
    assert (found.reference, found.generated) == ("photos", "mine")
    assert jaxeval.features({"x": list(FAKE)}, extractor="pixels").shape == (60, 90)
    compared = jaxeval.compare(
        {"early": list(FAKE)}, {"late": FAKE[:45]}, reference={"photos": REAL}, metrics="fd", extractor="pixels"
    )
    (one,) = compared.differences
    assert (one.first.generated, one.second.generated, one.first.reference) == ("early", "late", "photos")
    unseen = jaxeval.evaluate(
        {"photos": REAL},
        {"mine": FAKE},
        held_out={"unseen": list(crops(90, (5, 6), 3))},
        extractor="pixels",
        metrics="c-t",
    )
    assert unseen.manifest["held_out"]["name"] == "unseen"


@pytest.mark.parametrize("mapping", [{}, {"a": REAL, "b": REAL}])
def test_one_set_has_one_name(mapping, tmp_path):
    calls = {
        "reference": lambda: evaluated(mapping, FAKE),
        "held_out": lambda: evaluated(REAL, FAKE, held_out=mapping),
        "first": lambda: jaxeval.compare(mapping, FAKE, reference=REAL, extractor="pixels"),
        "second": lambda: jaxeval.compare(FAKE, mapping, reference=REAL, extractor="pixels"),
        "data": lambda: jaxeval.features(mapping, extractor="pixels"),
    }
    for role, call in calls.items():
        with pytest.raises(InputError, match=f"{role} is one set, but the mapping has {len(mapping)} names"):
            call()
    with pytest.raises(InputError, match="data is one set"):
        jaxeval.reference_statistics(mapping, tmp_path / "s.npz", extractor="pixels")


def test_compare_takes_a_list_of_images_as_one_set():
    kwargs: dict[str, Any] = {"reference": REAL, "metrics": "fd", "extractor": "pixels"}
    (stacked,) = jaxeval.compare(FAKE, FAKE[:45], **kwargs).differences
    (listed,) = jaxeval.compare(list(FAKE), list(FAKE[:45]), **kwargs).differences
    assert (listed.value, listed.interval) == (stacked.value, stacked.interval)
    with pytest.raises(InputError, match="a single image"):
        jaxeval.compare(FAKE[0], FAKE[1], **kwargs)


def test_layout_reaches_every_way_in(tmp_path):
    narrow = np.ascontiguousarray(REAL[:, :, :4, 0])
    with pytest.raises(InputError, match="layout='NHW'"):
        evaluated(narrow, narrow[:20])
    said: dict[str, Any] = {"layout": "NHW", "extractor": "pixels"}
    assert jaxeval.evaluate(narrow, narrow[:20], **said).results[0].n_generated == 20
    assert jaxeval.features(narrow, **said).shape == (90, 60)
    assert jaxeval.reference_statistics(narrow, tmp_path / "s.npz", **said).count == 90
    both = jaxeval.compare(narrow[:45], narrow[45:], reference=narrow, metrics="fd", **said)
    assert both.differences[0].first.n_generated == 45
    square = REAL[:, :3, :4]
    by_layout = {kind: jaxeval.features(square, layout=kind, extractor="pixels")[0] for kind in ("NHWC", "NCHW")}
    np.testing.assert_array_equal(
        by_layout["NHWC"].reshape(3, 4, 3), by_layout["NCHW"].reshape(4, 3, 3).transpose(2, 0, 1)
    )
    with pytest.raises(InputError, match="layout 'HWC' is not known; choose from NHWC, NCHW, NHW"):
        evaluated(REAL, FAKE, layout="HWC")


def test_lists_are_cached_by_content_and_resumed(tmp_path, expected):
    pictures = [Image.fromarray(image) for image in FAKE]
    first = evaluated(list(REAL), pictures, cache=tmp_path / "cache")
    again = evaluated(REAL, [picture.copy() for picture in pictures], cache=tmp_path / "cache")
    assert [first.results[0].value, again.results[0].value] == [expected] * 2
    assert again.manifest["reference"]["cached"]
    assert again.manifest["generated"][0]["cached"]
    for _ in range(2):
        (found,) = evaluated(list(REAL), pictures, checkpoint=tmp_path / "kept").results
        assert found.value == expected
