"""Records of boxes: what is given as lists is kept as arrays, and what is not boxes is refused in a sentence."""

import inspect
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
import pytest

from jaxeval.detection import FoundBoxes, Mask, TrueBoxes
from jaxeval.errors import InputError

COMMON: dict[str, Any] = {
    "name": "ours",
    "images": ["a.png", "b.png"],
    "labels": ["cat"],
    "image": [0, 1],
    "label": [0, 0],
    "boxes": [[1, 2, 30, 40], [0, 0, 8.5, 8]],
}


Record = TypeVar("Record", FoundBoxes, TrueBoxes)


def record(kind: type[Record], **fields: Any) -> Record:
    """As users make one: without the checks of types that the tests put around it, which come before its own."""
    made = object.__new__(kind)
    inspect.unwrap(kind.__init__)(made, **fields)
    return made


def found(**changes: Any) -> FoundBoxes:
    return record(FoundBoxes, **{**COMMON, "scores": [0.9, 1], **changes})


def true(**changes: Any) -> TrueBoxes:
    return record(TrueBoxes, **{**COMMON, "areas": [1200, 68], **changes})


def test_lists_are_kept_as_arrays_and_tuples():
    boxes = found(texts=["a", "b"], masks=[None, Mask(1, 1, (1,))], sizes=[[50, 60], [0, 0]])
    assert (boxes.images, boxes.labels, boxes.texts) == (("a.png", "b.png"), ("cat",), ("a", "b"))
    assert [boxes.image.dtype, boxes.label.dtype, boxes.boxes.dtype, boxes.scores.dtype] == [int, int, float, float]
    assert boxes.sizes is not None
    assert boxes.sizes.tolist() == [[50, 60], [0, 0]]
    assert boxes.boxes.tolist() == [[1, 2, 30, 40], [0, 0, 8.5, 8]]
    truth = true(crowd=[0, 1], ignored=[True, False], ids=[7, 8], image_ids=[1, "b"], label_ids=[np.int64(3)])
    assert truth.crowd is not None
    assert truth.ignored is not None
    assert (truth.crowd.tolist(), truth.ignored.tolist()) == ([False, True], [True, False])
    assert (truth.image_ids, truth.label_ids, truth.areas.tolist()) == ((1, "b"), (3,), [1200, 68])


def test_arrays_of_jax_and_of_texts_are_read():
    boxes = found(images=np.array(["a.png", "b.png"]), image=jnp.array([0, 1]), scores=jnp.array([0.5, 0.25]))
    assert (boxes.images, boxes.image.tolist(), boxes.scores.tolist()) == (("a.png", "b.png"), [0, 1], [0.5, 0.25])


def test_empty_lists_are_no_boxes():
    boxes = found(image=[], label=[], boxes=[], scores=[], texts=[], masks=[])
    assert (len(boxes), boxes.boxes.shape, boxes.scores.dtype) == (0, (0, 4), float)
    assert true(images=[], labels=[], image=[], label=[], boxes=[], areas=[], sizes=[]).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("name", 3, "the name of a set of boxes is 3; give a text"),
        ("name", "a\ud800", "the name 'a\\\\ud800' of a set of boxes has half of a character"),
        ("images", None, "ours: images is None; give a list of texts"),
        ("images", "ab", "ours: images is 'ab'; give a list of texts"),
        ("images", ["a.png", 3], r"ours: images\[1\] is 3; give a text"),
        ("images", ["a.png", "b\0"], r"ours: images\[1\] is 'b.x00', which has a NUL character"),
        ("labels", {"cat"}, "ours: labels is {'cat'}; give a list of texts"),
        ("labels", ["\udc80"], r"ours: labels\[0\] is '.udc80', which has half of a character"),
        ("image", [0.0, 1.0], "ours: image has 0.0; give whole numbers"),
        ("image", [True, False], "ours: image has True; give whole numbers"),
        ("image", np.array([0, 2**64 - 1], np.uint64), "ours: image has 18446744073709551615; give whole numbers"),
        ("image", None, "ours: image is None; give a list or an array of whole numbers"),
        ("image", [[0], [1]], r"ours: image has shape \[2, 1\]"),
        ("label", ["cat", "cat"], "ours: label has 'cat'; give whole numbers"),
        ("label", [0], "ours: there are 1 places in label and 2 in image"),
        ("boxes", [[1, 2, 3], [4, 5, 6]], r"ours: boxes have shape \[2, 3\]; \[2, 4\] is expected"),
        ("boxes", [[1, 2, 3, 4], [5]], "ours: boxes is no array, as its rows are not alike; give numbers"),
        ("boxes", [["a", 2, 3, 4]] * 2, "ours: boxes has 'a'; give numbers"),
        ("boxes", [[0, 0, 2e100, 1]] * 2, "ours: boxes of a.png has 2e.100; no coordinate may be beyond 1e.100"),
        ("boxes", [[0, 0, 1, 1], [0, np.nan, 1, 1]], "ours: boxes of b.png has .*every value must be finite"),
        ("boxes", [[0, 0, 1, 1], [0, 0, -1, 1]], "ours: a box of b.png has width -1"),
        ("sizes", [[1, 2]], r"ours: sizes have shape \[1, 2\]; \[2, 2\] is expected"),
        ("sizes", [[1.5, 2]] * 2, "ours: sizes has 1.5; give whole numbers"),
        ("sizes", [[1, 2], [-1, 2]], "ours: sizes of b.png has a negative number"),
        ("scores", ["0.5", "high"], "ours: scores has '0.5'; give numbers"),
        ("scores", [object(), 0.5], "ours: scores has .*; give numbers"),
        ("scores", [None, 0.5], "ours: scores has None; give numbers"),
        ("scores", [0.5], "ours: there are 1 scores for 2 boxes"),
        ("scores", [0.5, np.inf], "ours: scores of b.png has inf"),
        ("texts", "aa", "ours: texts is 'aa'; give a list of texts"),
        ("texts", ["a", None], r"ours: texts\[1\] is None; give a text"),
        ("texts", ["a\0", "b"], r"ours: texts\[0\] is 'a.x00', which has a NUL character; leave it out"),
        ("texts", ["a"], "ours: there are 1 texts for 2 boxes"),
        ("masks", [3, None], r"ours: masks\[0\] is 3; give a Mask, or None"),
        ("masks", [None], "ours: there are 1 masks for 2 boxes"),
        ("identity", "ocr", "ours: identity is 'ocr'; give plain values by name"),
        ("identity", None, "ours: identity is None; give plain values by name"),
    ],
)
def test_what_is_no_found_box_is_refused_by_its_field(field, given, message):
    with pytest.raises(InputError, match=message):
        found(**{field: given})


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("areas", [1200, -1], "ours: areas of b.png has -1; none may be negative"),
        ("areas", ["a", "b"], "ours: areas has 'a'; give numbers"),
        ("areas", [1], "ours: there are 1 areas for 2 boxes"),
        ("crowd", [np.nan, 0], "ours: crowd has nan; give True or False of each box"),
        ("crowd", ["x", "y"], "ours: crowd has 'x'; give True or False of each box"),
        ("crowd", [0, 0.5], "ours: crowd has .*; give True or False of each box"),
        ("ignored", [0, 2], "ours: ignored has 2; give True or False of each box"),
        ("ignored", [True], "ours: there are 1 ignored for 2 boxes"),
        ("crowd", True, "ours: crowd is True; give a list"),
        ("ids", [1.5, 2], "ours: ids has 1.5; give whole numbers"),
        ("ids", [1], "ours: there are 1 ids for 2 boxes"),
        ("image_ids", [1], "ours: there are 1 image_ids for 2 images"),
        ("image_ids", [1, 2.5], r"ours: image_ids\[1\] is 2.5; give a whole number or a text"),
        ("label_ids", [1, 2], "ours: there are 2 label_ids for 1 labels"),
        ("prompts", "ab", "ours: prompts is 'ab'; give a list of texts"),
        ("prompts", ["a cat"], "ours: there are 1 prompts for 2 images"),
        ("labels", None, "ours: labels is None; give a list of texts"),
    ],
)
def test_what_is_no_true_box_is_refused_by_its_field(field, given, message):
    with pytest.raises(InputError, match=message):
        true(**{field: given})


def test_boxes_are_told_without_their_arrays():
    assert repr(found()) == "<FoundBoxes ours: 2 boxes of 1 category in 2 images>"
    assert repr(true()) == "<TrueBoxes ours: 2 boxes of 1 category in 2 images>"
