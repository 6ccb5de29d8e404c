"""Scores of texts in images: numbers by hand, images without text, categories, pairs of sets, and what is refused."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from jaxeval.detection import TEXT_METRICS, Detector, FoundBoxes, Normalisation, score_texts
from jaxeval.detection.text_scores import close_words, edit_distance, normalised_edit_distance, pned
from jaxeval.errors import InputError
from jaxeval.ops import clustered_ratio


def found(name: str, images: dict[str, list[str]], **changes) -> FoundBoxes:
    """Each text in a line of its own, one under the other."""
    rows = [(image, line, text) for image, texts in enumerate(images.values()) for line, text in enumerate(texts)]
    fields = {
        "name": name,
        "images": tuple(images),
        "labels": ("text",),
        "image": np.array([image for image, _, _ in rows], np.int64),
        "label": np.zeros(len(rows), np.int64),
        "boxes": np.array([(0, 20.0 * line, 100, 10) for _, line, _ in rows], np.float64).reshape(-1, 4),
        "scores": np.full(len(rows), 0.9),
        "texts": tuple(text for _, _, text in rows),
    }
    return FoundBoxes(**{**fields, **changes})


ASKED = {"shop": ["Summer", "Sale"], "card": "Happy Birthday", "stop": "STOP"}
OURS = {
    "shop_0.png": ["SUMMER", "SALE"],
    "shop_1.png": ["SALE", "SUMMER"],
    "card_0.png": ["Hapy", "Birthday!"],
    "card_1.png": [],
    "stop_0.png": ["stop"],
    "stop_1.png": ["spot", "now"],
}


def values(result, set_name: str = "ours", category: str = "") -> dict[str, float | None]:
    return {one.metric: one.value for one in result.scores if one.set == set_name and one.category == category}


def test_numbers_are_those_by_hand():
    result = score_texts(ASKED, found=found("ours", OURS), metrics="all")
    pairs = [
        ("summer sale", "summer sale"),
        ("summer sale", "sale summer"),
        ("happy birthday", "hapy birthday"),
        ("happy birthday", ""),
        ("stop", "stop"),
        ("stop", "spot now"),
    ]
    both = [2, 2, 1, 0, 1, 0]
    asked, read = [2, 2, 2, 2, 1, 1], [2, 2, 2, 0, 1, 2]
    errors = [edit_distance(*pair) for pair in pairs]
    wanted = {
        "exact": 2 / 6,
        "same-words": 3 / 6,
        "word-accuracy": 6 / 10,
        "word-precision": np.mean([b / r if r else 0 for b, r in zip(both, read, strict=True)]),
        "word-recall": np.mean([b / a for b, a in zip(both, asked, strict=True)]),
        "word-f": np.mean([2 * b / (a + r) for b, a, r in zip(both, asked, read, strict=True)]),
        "cer": sum(errors) / sum(len(one) for one, _ in pairs),
        "cer-mean": np.mean([error / len(pair[0]) for error, pair in zip(errors, pairs, strict=True)]),
        "wer": (0 + 2 + 1 + 2 + 0 + 2) / 10,
        "edit-similarity": np.mean([1 - normalised_edit_distance(*pair) for pair in pairs]),
        # Lines asked for: summer, sale | summer, sale | happy birthday | happy birthday | stop | stop; of one line all
        # that was read is a line, too.
        "line-accuracy": (2 + 2 + 0 + 0 + 1 + 0) / 8,
        "line-similarity": (4 + 13 / 14 + 0 + 1 + 0.5) / 8,
        "pned": np.mean([pned(one.split(), other.split()) for one, other in pairs]),
        "textatlas-accuracy": (2 + 2 + 2 + 0 + 1 + 0) / 10,  # hapy is like happy, spot is not like stop
        "textatlas-f": 2 * 7 / (10 + 2 + 2 + 2 + 0 + 1 + 2),
        "lex-recall": np.mean([close_words(one.split(), other.split()) for one, other in pairs]),
    }
    assert values(result) == pytest.approx(wanted, abs=1e-12)
    assert set(wanted) == set(TEXT_METRICS)
    assert result.order == "edit-similarity"


def test_lines_that_are_joined_are_compared_as_one_line():
    """The parts of a line that a detector gives apart."""
    own = found("ours", {"card.png": ["Birthday", "Happy"]}, boxes=np.array([[60.0, 1, 50, 10], [0, 0, 50, 10]]))
    result = score_texts({"card": "Happy Birthday"}, found=own, metrics="all")
    assert values(result)["line-accuracy"] == values(result)["exact"] == 1


def test_one_line_may_be_shown_in_two():
    own = found("ours", {"card.png": ["Happy", "Birthday"], "shop.png": ["Summer", "Sale", "now"]})
    result = score_texts({"card": "Happy Birthday", "shop": ["Summer Sale", "now"]}, found=own)
    by_image = {one.image: one.values for one in result.outcomes}
    assert by_image["card.png"]["lines-read"] == 1
    assert by_image["shop.png"]["lines-read"] == 1  # of several lines each is compared with one
    assert by_image["shop.png"]["exact"] == 1


def test_images_of_one_text_are_one_cluster():
    result = score_texts(ASKED, found=found("ours", OURS), metrics=["cer"])
    (score,) = result.scores
    wanted = clustered_ratio(
        np.array([one.values["letter-errors"] for one in result.outcomes]),
        np.array([one.values["letters"] for one in result.outcomes]),
        [name.split("_")[0] for name in OURS],
        limits=(0, math.inf),
    )
    assert (score.value, score.interval, score.n, score.n_prompts) == (wanted.value, wanted.interval, 6, 3)
    assert (score.better, score.label) == ("lower", "CER")


def test_an_image_in_which_nothing_was_read_counts():
    result = score_texts({"a": "sale", "b": "now"}, found=found("ours", {"a.png": [], "b.png": []}), metrics="all")
    assert values(result)["cer"] == values(result)["wer"] == values(result)["cer-mean"] == 1
    assert values(result)["word-precision"] == values(result)["exact"] == 0
    assert result.outcomes[0].reasons == ("asked for 'sale' and read nothing",)
    assert result.manifest["counts"] == {"texts": 2, "images": 2, "images without text": 2}
    none = found("ours", {"a.png": [], "b.png": []}, texts=None)
    assert values(score_texts({"a": "sale", "b": "now"}, found=none, metrics="all")) == values(result)


def test_what_became_of_each_image_is_said():
    result = score_texts(ASKED, found=found("ours", OURS))
    by_image = {one.image: one for one in result.outcomes}
    assert by_image["shop_0.png"].reasons == ()
    assert by_image["shop_1.png"].reasons == (
        "asked for 'summer sale' and read 'sale summer'",
        "the words are in another order",
    )
    assert by_image["card_0.png"].reasons == (
        "asked for 'happy birthday' and read 'hapy birthday'",
        "these words are missing: happy",
        "these words were not asked for: hapy",
    )
    shown = by_image["card_0.png"].found
    assert [(one.text, one.good, one.score) for one in shown] == [("Hapy", False, 0.9), ("Birthday!", True, 0.9)]
    assert shown[1].box == (0, 20, 100, 10)
    assert by_image["card_0.png"].prompt == "card"


def test_categories_and_sets_are_compared(tmp_path):
    file = tmp_path / "texts.jsonl"
    rows = [{"name": f"p{i}", "text": "sale now", "category": "sign" if i % 2 else "card"} for i in range(8)]
    file.write_text("\n".join(map(json.dumps, rows)))
    old = found("old", {f"p{i}.png": ["sale" if i < 6 else "sale now"] for i in range(8)})
    new = found("new", {f"p{i}.png": ["sale now"] for i in range(8)})
    result = score_texts(file, found={"old": old, "new": new}, metrics="exact,word-accuracy")
    assert [(one.metric, one.set, one.category, one.value) for one in result.scores if one.metric == "exact"] == [
        ("exact", "old", "", 0.25),
        ("exact", "old", "card", 0.25),
        ("exact", "old", "sign", 0.25),
        ("exact", "new", "", 1.0),
        ("exact", "new", "card", 1.0),
        ("exact", "new", "sign", 1.0),
    ]
    overall = result.differences[0]
    assert (overall.first, overall.second, overall.value, overall.n_prompts) == ("old", "new", 0.75, 8)
    assert overall.p_value == 2 / 2**6
    assert overall.interval is not None
    assert 0 < overall.interval[0] < 0.75 < overall.interval[1] <= 1
    assert result.task == "text"
    assert result.manifest["parameters"]["normalisation"] == "words"
    assert json.loads(result.to_json())["order"] == "edit-similarity"


@pytest.mark.parametrize(
    ("name", "wanted"), [("exact", 0.0), ("mario-eval", 0.5), ("words", 1.0), ("alphanumeric", 1.0)]
)
def test_normalisations_say_what_is_the_same(name, wanted):
    own = found("ours", {"a.png": ["Sale!"], "b.png": ["now"]})
    assert values(score_texts({"a": "SALE", "b": "NOW"}, found=own, normalisation=name))["exact"] == wanted


def test_a_normalisation_of_ones_own():
    own = Normalisation("vowels", "without consonants", lambda text: "".join(one for one in text if one in "aeiou"))
    result = score_texts({"a": "sale"}, found=found("ours", {"a.png": ["pace"]}), normalisation=own)
    assert values(result)["exact"] == 1
    assert result.manifest["parameters"]["normalisation"] == "vowels"


def test_boxes_that_are_not_trusted_are_not_read():
    own = found("ours", {"a.png": ["sale", "now"]}, scores=np.array([0.9, 0.2]))
    assert values(score_texts({"a": "sale"}, found=own))["exact"] == 0
    assert values(score_texts({"a": "sale"}, found=own, confidence=0.5))["exact"] == 1


def test_texts_that_vanish_are_refused_or_counted():
    own = found("ours", {"a.png": ["sale"], "b.png": ["!!!"]})
    asked = {"a": ["sale", "—"], "b": "!!!"}
    with pytest.raises(
        InputError, match="1 text has nothing left by the normalisation 'words': 'b'; choose another one"
    ):
        score_texts(asked, found=own)
    result = score_texts(asked, found=own, unmatched="skip")
    assert len(result.outcomes) == 1
    assert result.warnings == (
        "1 text has nothing left by the normalisation 'words': 'b' (left out)",
        "1 text has lines of which the normalisation 'words' leaves nothing, and which are not asked for: 'a'",
    )
    with pytest.raises(InputError, match="nothing left"):
        score_texts({"b": "!!!"}, found=own, unmatched="skip")


def test_images_without_a_text_are_named():
    own = found("ours", {"a.png": ["sale"], "b.png": ["now"]})
    with pytest.raises(InputError, match=r"b\.png"):
        score_texts({"a": "sale"}, found=own)
    result = score_texts({"a": "sale"}, found=own, unmatched="skip")
    assert len(result.outcomes) == 1
    assert "b.png" in result.warnings[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": "exact,speed"}, "metrics has 'speed'; choose from exact"),
        ({"metrics": []}, "metrics has ''"),
        ({"normalisation": "none"}, "normalisation 'none' is not known"),
        ({"confidence": "high"}, "confidence is 'high'"),
        ({"found": None}, "there is nothing to judge"),
        ({"asked": 7}, "asked is 7"),
        (
            {"found": found("ours", {"a.png": ["sale"]}, texts=None)},
            "the boxes of ours say nothing of what is written in them",
        ),
        ({"found": found("ours", {"a.png": ["x" * 100_001]})}, "more than 100,000 letters"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        score_texts(**{"asked": {"a": "sale"}, "found": found("ours", {"a.png": ["sale"]}), **arguments})


def test_a_detector_reads_the_images_of_several_folders(tmp_path):
    """From files of images to scores: the detector here reads the colour."""
    colours = {"red": (255, 0, 0), "blue": (0, 0, 255)}
    for name, right in (("old", ("red", "red")), ("new", ("red", "blue"))):
        (tmp_path / name).mkdir()
        for stem, colour in zip(("first_0", "second_0"), right, strict=True):
            Image.new("RGB", (32, 16), colours[colour]).save(tmp_path / name / f"{stem}.png")

    def reader(batch):
        texts = ["Red!" if image[0, 0, 0] else "blue" for image in batch]
        return [{"boxes": [[1, 2, 30, 12]], "scores": [0.9], "labels": ["text"], "texts": [one]} for one in texts]

    folders = {name: tmp_path / name for name in ("old", "new")}
    result = score_texts({"first": "RED", "second": "BLUE"}, folders, detector=reader, metrics="exact")
    assert [(one.set, one.value) for one in result.scores] == [("old", 0.5), ("new", 1.0)]
    assert [(one.value, one.n_prompts) for one in result.differences] == [(0.5, 2)]
    assert result.manifest["sets"] == {name: str(path) for name, path in folders.items()}
    assert result.outcomes[0].found[0].text == "Red!"


def test_a_detector_that_does_not_read_is_refused_before_it_looks():
    def nothing(batch):
        raise AssertionError("it has been asked to look")

    detector = Detector("shapes", nothing, reads=False)
    with pytest.raises(InputError, match="the detector shapes does not say what is written"):
        score_texts({"a": "sale"}, {"ours": np.zeros((1, 8, 8, 3), np.uint8)}, detector=detector)
