"""Sets of images judged by rules: numbers, reasons, boxes that are shown, colours from pixels, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jaxeval.detection import FoundBoxes, Mask
from jaxeval.detection.detector import Detector
from jaxeval.detection.rules import NamedColours, check_detector, check_rules, rules_of_folders, score_rules
from jaxeval.errors import InputError, WeightsMissingError

RED, GREEN, BLUE = (220, 20, 20), (20, 160, 30), (20, 40, 220)
PROMPTS = [
    {"name": "a", "prompt": "a red cup", "category": "colour", "rule": {"object": {"label": "cup", "colour": "red"}}},
    {"name": "b", "prompt": "a cup and no dog", "category": "objects",
     "rule": {"all": [{"object": "cup"}, {"not": {"object": "dog"}}]}},
]  # fmt: skip
RULES = {"format": "jaxeval rules 1", "prompts": PROMPTS}
OBJECTS = {"format": "jaxeval rules 1", "prompts": PROMPTS[1:]}


def found_boxes(rows, images, name="ours", labels=("cup", "dog", "cat"), **fields):
    """Rows of image, label, box and confidence."""
    return FoundBoxes(
        name,
        tuple(images),
        labels,
        np.array([images.index(row[0]) for row in rows], np.int64),
        np.array([labels.index(row[1]) for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[3] for row in rows], np.float64),
        **fields,
    )


BOX = (4, 4, 24, 24)
IMAGES = ["a_0.png", "a_1.png", "b_0.png", "b_1.png"]
ROWS = [
    ("a_0.png", "cup", BOX, 0.9),
    ("a_1.png", "cup", BOX, 0.9),
    ("b_0.png", "cup", BOX, 0.9),
    ("b_0.png", "cat", (0, 0, 4, 4), 0.6),
    ("b_0.png", "dog", (0, 0, 4, 4), 0.1),
    ("b_1.png", "cup", BOX, 0.9),
    ("b_1.png", "dog", (1, 1, 8, 8), 0.7),
]


def paint(folder, colours):
    folder.mkdir(exist_ok=True)
    for name, colour in colours.items():
        pixels = np.zeros((32, 32, 3), np.uint8)
        pixels[4:28, 4:28] = colour
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "images", dict(zip(IMAGES, (RED, BLUE, GREEN, GREEN), strict=True)))


def test_numbers_reasons_and_boxes(folder):
    result = score_rules(RULES, {"ours": folder}, found=found_boxes(ROWS, IMAGES))
    assert result.task == "rules"
    assert {(one.category, one.value, one.n, one.n_prompts) for one in result.scores} == {
        ("", 0.5, 4, 2), ("colour", 0.5, 2, 1), ("objects", 0.5, 2, 1)
    }  # fmt: skip
    outcomes = {one.image: one for one in result.outcomes}
    assert [outcomes[name].values["correct"] for name in IMAGES] == [1, 0, 1, 0]
    assert outcomes["a_0.png"].reasons == ()
    assert outcomes["a_1.png"].reasons == (
        "asked for a box of red cup, found none; not counted: the one at 4,4 24x24 is blue (by colour names, 100% of "
        "its pixels)",
    )
    assert outcomes["b_1.png"].reasons == (
        "this must not hold and does: asked for a box of dog, found 1 (confidence 0.7 at 1,1 8x8)",
    )
    assert (outcomes["a_1.png"].prompt, outcomes["a_1.png"].category) == ("a red cup", "colour")
    # What is as asked is good, what must not be there or lacks something is not, and the rest is neither.
    shown = {name: [(box.label, box.good) for box in outcomes[name].found] for name in IMAGES}
    assert shown == {
        "a_0.png": [("cup", True)],
        "a_1.png": [("cup", False)],
        "b_0.png": [("cup", True), ("cat", None)],
        "b_1.png": [("cup", True), ("dog", False)],
    }
    assert outcomes["a_0.png"].found[0].box == (4.0, 4.0, 24.0, 24.0)
    assert outcomes["a_0.png"].found[0].score == 0.9
    assert result.manifest["parameters"]["colours"]["way"] == "named"
    assert result.manifest["counts"] == {
        "prompts": 2,
        "sets": {
            "ours": {
                "images": 4, "judged": 4, "prompts": 2, "least_images_of_a_prompt": 2, "most_images_of_a_prompt": 2,
                "boxes": 7,
            }
        },
    }  # fmt: skip
    assert json.loads(result.to_json())["images"][1]["reasons"][0].startswith("asked for a box of red cup")


def test_two_sets_are_compared_by_prompt():
    better = [row for row in ROWS if row[1] != "dog"]
    images = IMAGES[2:]
    sets = {
        name: found_boxes([row for row in rows if row[0] in images], images)
        for name, rows in (("old", ROWS), ("new", better))
    }
    result = score_rules(OBJECTS, found=sets)
    assert [(one.set, one.value) for one in result.scores if not one.category] == [("old", 0.5), ("new", 1.0)]
    (difference,) = [one for one in result.differences if not one.category]
    assert (difference.first, difference.second, difference.value) == ("old", "new", 0.5)
    assert {outcome.set for outcome in result.outcomes} == {"old", "new"}


def test_a_detector_looks_at_the_images(folder):
    def find(batch):
        """Calls what is not black a cup, and green cups dogs too."""
        for image in batch:
            rows, columns = np.nonzero(image.any(2))
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            green = image[16, 16, 1] > 100
            yield [box] * (1 + green), [0.9] * (1 + green), [0, 1][: 1 + green]

    def detector(*labels):
        return Detector("d", lambda batch: list(find(batch)), labels=labels)

    result = score_rules(RULES, folder, detector=detector("cup", "dog"))
    values = {one.image: one.values["correct"] for one in result.outcomes}
    assert values == {"a_0.png": 1, "a_1.png": 0, "b_0.png": 0, "b_1.png": 0}
    with pytest.raises(InputError, match="prompt 'a' asks for 'cup', which the detector d does not know"):
        score_rules(RULES, folder, detector=detector("mug", "dog"))


def test_colours_are_those_of_the_mask(folder):
    mask = np.zeros((32, 32), bool)
    mask[:3] = True  # of the black frame
    runs = np.flatnonzero(np.diff(np.concatenate([[False], mask.T.reshape(-1), [False]]).astype(int)))
    lengths = np.diff(np.array([0, *runs, 32 * 32])).tolist()
    masks = (Mask(32, 32, tuple(lengths)), *[None] * 6)
    np.testing.assert_array_equal(masks[0].pixels(), mask)
    rows = [(ROWS[0][0], "cup", (0, 0, 32, 32), 0.9), *ROWS[1:]]
    result = score_rules(RULES, folder, found=found_boxes(rows, IMAGES, masks=masks))
    assert "is black (by colour names, 100% of its pixels)" in result.outcomes[0].reasons[0]
    wrong = found_boxes(rows, IMAGES, masks=(Mask(4, 2, (8,)), *[None] * 6))
    with pytest.raises(InputError, match=r"a_0\.png has 32 x 32 pixels, and a mask of 2 x 4"):
        score_rules(RULES, folder, found=wrong)


def test_an_orientation_in_exif_is_applied(tmp_path):
    """As a detector sees the image: the box lies where the turned image is red."""
    pixels = np.zeros((8, 32, 3), np.uint8)
    pixels[:, :8] = RED
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right: the left end comes to the top
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images" / "a.jpg", exif=exif, quality=100, subsampling=0)
    rules = RULES | {"prompts": PROMPTS[:1]}
    found = found_boxes([("a.jpg", "cup", (0, 0, 8, 8), 0.9)], ["a.jpg"], sizes=np.array([[32, 8]]))
    assert score_rules(rules, tmp_path / "images", found=found).scores[0].value == 1
    found = dataclasses.replace(found, sizes=np.array([[8, 32]]))
    with pytest.raises(InputError, match=r"a\.jpg has 8 x 32 pixels, and its boxes are of 32 x 8"):
        score_rules(rules, tmp_path / "images", found=found)


def test_colours_need_images(folder, tmp_path):
    with pytest.raises(InputError, match=r"ours: colours of boxes in 2 images decide, and there are no images"):
        score_rules(RULES, found=found_boxes(ROWS, IMAGES))
    (folder / "a_1.png").unlink()
    with pytest.raises(InputError, match=r"ours: colours of boxes in 'a_1\.png' decide, and ours has no such image"):
        score_rules(RULES, folder, found=found_boxes(ROWS, IMAGES))
    # Rules without colours need none, and rules with colours none where no box could have one.
    assert score_rules(OBJECTS, found=found_boxes(ROWS[2:], IMAGES[2:])).scores[0].value == 0.5
    assert score_rules(RULES, found=found_boxes([], IMAGES)).scores[0].value == 0


def test_ways_of_colours(folder, tmp_path):
    found = found_boxes(ROWS, IMAGES)
    for chosen, rules in (("clip", RULES), (None, RULES | {"defaults": {"colours": "clip"}})):
        with pytest.raises(WeightsMissingError, match="clip-vit-l-14"):
            score_rules(rules, folder, found=found, weights_dir=tmp_path, colours=chosen)
    stated = score_rules(RULES | {"defaults": {"colours": "clip"}}, folder, found=found, colours="named")
    assert stated.manifest["parameters"]["colours"]["way"] == "named"
    # Without a colour in the rules no way is needed.
    assert score_rules(OBJECTS, found=found_boxes(ROWS[2:], IMAGES[2:]), colours="clip").scores[0].value == 0.5

    class Two(NamedColours):
        names: tuple[str, ...] = ("red", "blue")

    gray = RULES | {"prompts": [{"name": "a", "rule": {"object": {"label": "cup", "colour": "gray"}}}]}
    with pytest.raises(InputError, match="prompt 'a' asks for a gray cup, and colours by 'named' are red, blue;"):
        score_rules(gray, folder, found=found, colours=Two())


def test_sets_of_images_belong_to_sets_of_boxes(folder, tmp_path):
    other = paint(tmp_path / "other", dict(zip(IMAGES, (BLUE, RED, GREEN, GREEN), strict=True)))
    sets = {"one": found_boxes(ROWS, IMAGES), "two": found_boxes(ROWS, IMAGES)}
    expected = {("one", "a_0.png"), ("one", "b_0.png"), ("two", "a_1.png"), ("two", "b_0.png")}
    for images in ([folder, other], {"two": other, "one": folder}):
        result = score_rules(RULES, images, found=sets)
        assert {(one.set, one.image) for one in result.outcomes if one.values["correct"]} == expected
    with pytest.raises(InputError, match="there are no images for the boxes of 'two'"):
        score_rules(RULES, {"one": folder}, found=sets)
    with pytest.raises(InputError, match="for 2 sets of boxes; give one folder for each"):
        score_rules(RULES, folder, found=sets)


def test_images_and_prompts_without_each_other():
    found = found_boxes(ROWS[2:], [*IMAGES[2:], "z.png"])
    with pytest.raises(InputError, match=r"1 of 3 images of ours have no prompt: z\.png"):
        score_rules(OBJECTS, found=found)
    result = score_rules(OBJECTS, found=found, unmatched="skip")
    assert result.warnings == ("ours: 1 of 3 images of ours have no prompt: z.png (left out)",)
    assert len(result.outcomes) == 2
    assert result.manifest["counts"]["sets"]["ours"]["images"] == 3


def test_labels_that_no_box_has_are_said():
    result = score_rules(OBJECTS, found=found_boxes(ROWS[2:5], IMAGES[2:3], labels=("cup", "cat", "dog")))
    assert result.warnings == ()
    few = found_boxes([ROWS[2]], IMAGES[2:3], labels=("cup", "dogs"))
    (warning,) = score_rules(OBJECTS, found=few).warnings
    assert warning == "no box has the label 'dog', which 1 prompt asks for; did you mean 'dogs'?"


def test_boxes_at_hand_and_a_detector_are_too_much(folder):
    with pytest.raises(InputError, match="found and a detector are given; give boxes of every set, or a detector"):
        score_rules(OBJECTS, folder, found=found_boxes(ROWS, IMAGES), detector=lambda batch: [([], [], [])])
    with pytest.raises(InputError, match="found has boxes and, as 'two', none"):
        score_rules(OBJECTS, found={"one": found_boxes(ROWS, IMAGES), "two": "boxes.json"})


def test_rules_are_taken_in_three_forms(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(OBJECTS))
    found = found_boxes(ROWS[2:], IMAGES[2:])
    results = [score_rules(rules, found=found) for rules in (OBJECTS, check_rules(OBJECTS), path)]
    assert results[0].outcomes == results[1].outcomes == results[2].outcomes
    assert results[2].manifest["parameters"]["rules"] == str(path)
    assert len(results[2].manifest["parameters"]["rules_sha256"]) == 64


def test_a_detector_that_does_not_know_what_it_must_ends_the_run(folder):
    def detector(batch):
        return [([[4, 4, 28, 28]], [0.9], ["cup"]) if image[16, 16, 0] > 100 else ([], [], []) for image in batch]

    rules = {"format": "jaxeval rules 1", "prompts": [{"name": name, "rule": {"object": "cup"}} for name in "ab"]}
    assert check_detector(rules, folder, detector, least=0.25) == 0.25
    with pytest.raises(InputError) as caught:
        check_detector(rules, folder, detector, least=0.5)
    assert str(caught.value) == (
        "the detector judges 1 of 4 images of the check as it must, and 50% are needed; its weights, its labels or the "
        "order of its colours may be wrong (first a_1.png: asked for a box of cup, found none)"
    )
    for least in (1.5, -0.1):
        with pytest.raises(InputError, match=r"the least share of a check is .*; give a number from 0 to 1"):
            check_detector(rules, folder, detector, least=least)


def test_images_in_folders_of_their_labels_are_a_check_too(tmp_path):
    for name, colour in (("cup/one.png", RED), ("cup/2.png", RED), ("table/dog/one.png", BLUE)):
        (tmp_path / "seen" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), colour).save(tmp_path / "seen" / name)

    def find(batch):
        return [([[4, 4, 12, 12]], [0.9], ["cup" if image[0, 0, 0] > 100 else "dog"]) for image in batch]

    prompts = {one.name: str(one.rule) for one in rules_of_folders(tmp_path / "seen").prompts}
    assert prompts == {"cup/one.png": "a box of cup", "cup/2.png": "a box of cup", "table/dog/one.png": "a box of dog"}
    for images in (tmp_path / "seen", {"seen": tmp_path / "seen"}):
        assert check_detector(None, images, find, least=1) == 1
    blind = Detector("blind", lambda batch: [([], [], []) for _ in batch])
    with pytest.raises(InputError, match="the detector judges 0 of 3 images of the check as it must"):
        check_detector(None, tmp_path / "seen", blind)
    Image.new("RGB", (16, 16)).save(tmp_path / "seen" / "loose.png")
    with pytest.raises(InputError, match=r"loose\.png lies in no folder; put each image into one"):
        check_detector(None, tmp_path / "seen", blind)


def asking(*rules):
    return {"format": "jaxeval rules 1", "prompts": [{"name": f"p{n}", "rule": rule} for n, rule in enumerate(rules)]}


def test_labels_that_differ_in_capitals_alone_are_taken_for_each_other_and_it_is_said():
    rules = asking({"all": [{"object": "CUP", "left_of": "Dog"}, {"not": {"object": "CAT"}}]}, {"object": "cup"})
    rows = [("p0.png", "cup", BOX, 0.9), ("p0.png", "dog", (100, 4, 24, 24), 0.9), ("p1.png", "cup", BOX, 0.9)]
    images = ["p0.png", "p1.png"]
    result = score_rules(rules, found=found_boxes(rows, images))
    assert result.scores[0].value == 1.0
    assert result.warnings == tuple(
        f"ours: the rules ask for {asked!r}, which is taken for the label {own!r}, as they differ in capitals alone"
        for asked, own in (("CUP", "cup"), ("Dog", "dog"), ("CAT", "cat"))
    )
    assert all(box.good for outcome in result.outcomes for box in outcome.found)


def test_each_set_has_capitals_of_its_own():
    sets = [
        found_boxes([("p0.png", label, BOX, 0.9)], ["p0.png"], name=name, labels=(label,))
        for name, label in (("lower", "cat"), ("upper", "Cat"))
    ]
    result = score_rules(asking({"object": "Cat"}), found=sets)
    assert [score.value for score in result.scores] == [1.0, 1.0]
    assert [box.label for outcome in result.outcomes for box in outcome.found] == ["cat", "Cat"]
    (warning,) = result.warnings
    assert warning.startswith("lower: the rules ask for 'Cat', which is taken for the label 'cat'")


def test_a_label_that_could_be_two_by_its_capitals_is_none():
    found = found_boxes([("p0.png", "cat", BOX, 0.9)], ["p0.png"], labels=("cat", "CAT"))
    result = score_rules(asking({"object": "Cat"}), found=found)
    assert result.scores[0].value == 0.0
    assert result.warnings == ("no box has the label 'Cat', which 1 prompt asks for; did you mean 'cat'?",)


def test_a_detector_knows_labels_by_other_capitals():
    detector = Detector("cats", lambda batch: [([BOX], [0.9], [0]) for _ in batch], labels=("cat",))
    rules = asking({"object": "Cat"})
    rules["prompts"][0]["name"] = "0"
    result = score_rules(rules, {"ours": np.zeros((1, 32, 32, 3), np.uint8)}, detector=detector)
    assert result.scores[0].value == 1.0
    assert "taken for the label 'cat'" in result.warnings[-1]
