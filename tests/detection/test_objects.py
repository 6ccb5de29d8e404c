"""Semantic object accuracy against its definition, counted by hand, and what is said of each image."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxeval.detection import FoundBoxes, score_objects
from jaxeval.errors import InputError
from jaxeval.ops import clustered_mean, clustered_ratio

DOG, CAT, CAR = "dog", "cat", "car"


def found(
    name: str, images: dict[str, list[tuple[str, float]]], labels: tuple[str, ...] = (DOG, CAT, CAR)
) -> FoundBoxes:
    """Images with boxes of a label and a confidence."""
    rows = [(image, label, score) for image, own in enumerate(images.values()) for label, score in own]
    return FoundBoxes(
        name=name,
        images=tuple(images),
        labels=labels,
        image=np.array([image for image, _, _ in rows], np.int64),
        label=np.array([labels.index(label) for _, label, _ in rows], np.int64),
        boxes=np.array([(1, 2, 30, 40) for _ in rows], np.float64).reshape(-1, 4),
        scores=np.array([score for _, _, score in rows], np.float64),
    )


ASKED = {"a": DOG, "b": [DOG, CAT], "c": CAR}
OURS = {
    "a_0.png": [(DOG, 0.5)],
    "a_1.png": [(CAT, 0.9), (DOG, 0.31)],
    "b_0.png": [(DOG, 0.8), (CAT, 0.7), (CAT, 0.6)],
    "b_1.png": [(CAT, 0.8)],
    "c_0.png": [],
    "c_1.png": [(CAR, 0.99)],
}


def scores(result, name: str = "ours") -> dict[tuple[str, str], float | None]:
    return {(one.metric, one.category): one.value for one in result.scores if one.set == name}


def test_numbers_are_those_of_the_definition():
    result = score_objects(ASKED, found=found("ours", OURS))
    classes = {DOG: (2, 4), CAT: (2, 2), CAR: (1, 2)}
    assert scores(result) == {
        ("soa-c", ""): pytest.approx(np.mean([hits / images for hits, images in classes.values()])),
        ("soa-i", ""): 5 / 8,
        ("all-objects", ""): 3 / 6,
        ("soa-i", DOG): 0.5,
        ("soa-i", CAT): 1.0,
        ("soa-i", CAR): 0.5,
    }
    by_name = {(one.metric, one.category): one for one in result.scores}
    assert (by_name["soa-i", ""].n, by_name["soa-i", ""].n_prompts) == (6, 3)
    assert (by_name["soa-i", DOG].n, by_name["soa-i", DOG].n_prompts) == (4, 2)
    assert result.scores[0].metric == "soa-c"
    assert result.manifest["not_computed"][0]["sentence"].startswith("SOA-C-Top40 and SOA-C-Bot40 are of COCO's 80")
    assert result.manifest["counts"] == {"prompts": 3, "images": 6, "classes": 3}
    assert result.order == "soa-i"
    json.loads(result.to_json())


def test_intervals_are_over_prompts_of_fixed_classes():
    result = score_objects(ASKED, found=found("ours", OURS))
    by_name = {(one.metric, one.category): one for one in result.scores}
    dogs = clustered_mean(np.array([1.0, 0, 1, 0]), ["a", "a", "b", "b"], limits=(0, 1))
    assert by_name["soa-i", DOG].interval == dogs.interval
    # Items in the order of images: dog, dog, dog and cat, dog and cat, car, car.
    hits = np.array([1.0, 0, 1, 1, 0, 1, 0, 1])
    labels = [DOG, DOG, DOG, CAT, DOG, CAT, CAR, CAR]
    prompts = ["a", "a", "b", "b", "b", "b", "c", "c"]
    weights = np.array([1 / labels.count(label) for label in labels])
    mean = clustered_ratio(hits * weights, weights, prompts, strata=labels, limits=(0, 1))
    assert by_name["soa-c", ""].interval == pytest.approx(mean.interval)
    assert by_name["soa-i", CAR].interval is None  # of one prompt


def test_what_became_of_each_image_is_said():
    result = score_objects(ASKED, found=found("ours", OURS))
    by_image = {one.image: one for one in result.outcomes}
    assert by_image["a_0.png"].reasons == ()
    assert by_image["a_1.png"].reasons == ("asked for 'dog' and found none (best 0.31)",)
    assert by_image["b_1.png"].reasons == ("asked for 'dog' and found none",)
    assert by_image["b_1.png"].values == {"soa-i": 0.5, "all-objects": 0.0, "objects": 2.0}
    assert [(one.label, one.good) for one in by_image["a_1.png"].found] == [(CAT, False), (DOG, False)]
    assert [(one.label, one.good) for one in by_image["b_0.png"].found] == [(DOG, True), (CAT, True), (CAT, True)]
    assert by_image["a_0.png"].found[0].box == (1, 2, 30, 40)
    assert (by_image["a_0.png"].category, by_image["b_0.png"].category) == (DOG, "")


def test_confidence_decides_inclusively():
    own = found("ours", OURS)
    assert scores(score_objects(ASKED, found=own, confidence=0.51))["soa-i", DOG] == 0.25
    assert scores(score_objects(ASKED, found=own, confidence=0.3))["soa-i", DOG] == 0.75


def test_sets_are_compared_over_their_common_prompts():
    old = found("old", {"a.png": [], "b.png": [], "c.png": [(CAR, 0.9)]})
    new = found("new", {"a.png": [(DOG, 0.9)], "b.png": [(DOG, 0.9), (CAT, 0.9)]})
    result = score_objects(ASKED, found={"old": old, "new": new}, unmatched="skip")
    differences = {(one.metric, one.category): one for one in result.differences}
    overall = differences["soa-c", ""]
    assert (overall.first, overall.second, overall.value, overall.n_prompts) == ("old", "new", 1.0, 2)
    assert overall.p_value == 0.5
    assert differences["soa-i", DOG].value == 1.0
    assert ("soa-i", CAR) not in differences
    assert any("c" in one for one in result.warnings)


def test_labels_are_compared_without_capitals_and_by_cocos_names():
    own = found("ours", {"a.png": [("Sofa", 0.9)], "b.png": [("tvmonitor", 0.9)]}, ("Sofa", "tvmonitor"))
    assert scores(score_objects({"a": "couch", "b": "TV"}, found=own))["soa-i", ""] == 1


def test_of_80_classes_there_are_halves():
    """The 40 with more images are the upper half, as in the authors' code."""
    labels = tuple(f"class {number:02d}" for number in range(80))
    asked, images = {}, {}
    for number, label in enumerate(labels):
        for image in range(1 if number < 40 else 2):
            asked[f"{number}-{image}"] = label
            images[f"{number}-{image}.png"] = [(label, 0.9)] if number % 4 == 0 or number >= 60 else []
    result = score_objects(asked, found=found("ours", images, labels))
    top, bottom = [1.0 if number % 4 == 0 or number >= 60 else 0.0 for number in range(40, 80)], 10 / 40
    assert scores(result)["soa-c-top40", ""] == pytest.approx(np.mean(top))
    assert scores(result)["soa-c-bot40", ""] == pytest.approx(bottom)
    assert scores(result)["soa-c", ""] == pytest.approx((np.mean(top) + bottom) / 2)
    assert result.manifest["not_computed"] == []


def test_labels_that_no_box_can_have_are_said():
    own = found("ours", {"a.png": [(DOG, 0.9)], "b.png": []})
    result = score_objects({"a": DOG, "b": "dogs"}, found=own)
    assert result.warnings == (
        "ours: 'dogs' is asked for by 1 prompt and is no label that boxes have; 'dog' is one: name them alike",
    )
    with pytest.raises(InputError, match="none of the objects asked for \\('zebra', 'yak'\\) is one that boxes have"):
        score_objects({"a": "zebra", "b": "yak"}, found=own)


def test_sets_without_a_box_score_0():
    own = found("ours", {"a.png": [], "b.png": []}, ())
    result = score_objects({"a": DOG, "b": CAT}, found=own)
    assert scores(result)["soa-c", ""] == scores(result)["soa-i", ""] == 0
    assert result.scores[0].interval is not None
    assert 0 == result.scores[0].interval[0] < result.scores[0].interval[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"asked": 7}, "asked is 7"),
        ({"confidence": "high"}, "confidence is 'high'"),
        ({"found": None}, "there is nothing to judge"),
        ({"asked": {"z": DOG}}, r"a\.png"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        score_objects(**{"asked": {"a": DOG}, "found": found("ours", {"a.png": [(DOG, 0.9)]}), **arguments})


def test_a_detector_looks_at_the_images_of_a_folder(tmp_path):
    for stem, level in (("night_0", 0), ("night_1", 9), ("day_0", 255), ("day_1", 10)):
        Image.new("RGB", (16, 16), (level, level, level)).save(tmp_path / f"{stem}.png")

    def looker(batch):
        return [
            {"boxes": [[0, 0, 9, 9]], "scores": [0.8], "labels": ["sun" if one.max() > 99 else "moon"]} for one in batch
        ]

    result = score_objects({"night": "moon", "day": "sun"}, tmp_path, detector=looker)
    (name,) = result.manifest["sets"]
    assert name == str(tmp_path)
    assert scores(result, name) == {
        ("soa-c", ""): 0.75,
        ("soa-i", ""): 0.75,
        ("all-objects", ""): 0.75,
        ("soa-i", "moon"): 1.0,
        ("soa-i", "sun"): 0.5,
    }


def test_objects_are_told_by_folders():
    images = {
        "label_16_dog/1_0.png": [(DOG, 0.9)],
        "all/label_16_dog/1_1.png": [],
        "label_02/x.png": [(CAR, 0.9)],
    }
    result = score_objects("soa-folders", found=found("ours", images))
    assert (scores(result)["soa-i", DOG], scores(result)["soa-i", CAR]) == (0.5, 1.0)
    assert "which images have a caption in common is not told by folders" in result.warnings[0]
    for strange in ("dog/1.png", "label_80/1.png", "label_161/1.png", "label_16.png", "label_01/label_02/1.png"):
        with pytest.raises(InputError, match="lies in no folder that is called label_00 to label_79"):
            score_objects("soa-folders", found=found("ours", {strange: [(DOG, 0.9)]}))
