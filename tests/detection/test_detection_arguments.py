"""Arguments of the tasks: sets of boxes in every form, and what is refused, each in one short sentence."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from jaxeval.detection import FoundBoxes, TrueBoxes, score_objects, score_texts
from jaxeval.detection.geneval import GenevalGroup, GenevalOptions, GenevalPrompt, score_geneval
from jaxeval.detection.rules import score_rules
from jaxeval.errors import InputError

ROWS = (np.array([0]), np.array([0]), np.array([[1.0, 2.0, 30.0, 40.0]]))
RULES = {"format": "jaxeval rules 1", "prompts": [{"name": "a", "rule": {"object": "cat"}}]}
PROMPTS = (GenevalPrompt("a", "single_object", "a photo of a cat", (GenevalGroup("cat", 1),)),)


def boxes(name: str = "ours", label: str = "cat") -> FoundBoxes:
    return FoundBoxes(name, ("a.png",), (label,), *ROWS, np.array([0.9]), texts=("Sale",))


TASKS: Mapping[str, Callable[..., Any]] = {
    "objects": lambda **given: score_objects({"a": "cat"}, **given),
    "texts": lambda **given: score_texts({"a": "Sale"}, **given),
    "rules": lambda **given: score_rules(RULES, **given),
    "geneval": lambda **given: score_geneval(PROMPTS, **given),
}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@each_task
def test_a_list_of_boxes_is_of_sets_by_their_names(task):
    listed = task(found=[boxes("old"), boxes("new")])
    by_name = task(found={"old": boxes(), "new": boxes()})
    assert {one.set for one in listed.scores} == {"old", "new"}
    assert listed.scores == by_name.scores
    assert listed.differences == by_name.differences
    assert listed.manifest["sets"] == {"old": "", "new": ""}


@each_task
@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "nothing to judge|give either a detector"),
        (3, "found has 3; give FoundBoxes or files of boxes"),
        ({}, "found is empty; give FoundBoxes"),
        ([], "found is empty; give FoundBoxes"),
        ([boxes(), 3], "found has 3; give FoundBoxes"),
        ([boxes(), "boxes.json"], "found has boxes and files"),
        ([boxes("ours"), boxes("ours")], "two sets of boxes of the name 'ours'"),
        ({"a": boxes(), "b": None}, "found has None; give FoundBoxes"),
        (
            TrueBoxes("asked", ("a.png",), ("cat",), *ROWS, np.ones(1)),
            r"found has true boxes \(asked\); give FoundBoxes",
        ),
    ],
)
def test_what_is_no_set_of_boxes_is_refused(task, found, message):
    with pytest.raises(InputError, match=message) as raised:
        task(found=found)
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("task", [TASKS["objects"], TASKS["texts"]])
@pytest.mark.parametrize("confidence", [float("nan"), -1, 2, "x", True])
def test_a_confidence_is_a_share(task, confidence):
    with pytest.raises(InputError, match=r"confidence is .*; give a number"):
        task(found=boxes(), confidence=confidence)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": float("nan")}, "confidence is nan; give a number from 0 to 1"),
        ({"counting_confidence": 2}, "counting_confidence is 2; give a number from 0 to 1"),
        ({"margin": -1}, "margin is -1; give a number from 0 to 1"),
        ({"most_objects": 0}, "most_objects is 0; give a whole number of 1 or more"),
        ({"most_objects": 1.5}, "most_objects is 1.5; give a whole number"),
    ],
)
def test_thresholds_of_geneval_are_shares(options, message):
    made = object.__new__(GenevalOptions)
    with pytest.raises(InputError, match=message):  # without the tests' checks of types, which come before its own
        inspect.unwrap(GenevalOptions.__init__)(made, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "x"}, "labels is 'x'; give the detector's names of classes by GenEval's"),
        ({"labels": {"bench": 3}}, "labels calls 'bench' 3; give the names of classes as texts"),
        ({"options": 3}, "options is 3; give GenevalOptions"),
        ({"check_share": 3}, "check_share is 3; give a number from 0 to 1"),
        ({"check_share": float("nan")}, "check_share is nan; give a number from 0 to 1"),
        ({"colours": "foo"}, "colours is 'foo'; give 'named' or 'clip'"),
        ({"colours": np.zeros(2)}, "colours is array.*; give 'named' or 'clip'"),
        ({"pattern": 3}, "pattern is 3; give a text"),
        ({"unmatched": 3}, "unmatched is 3; give 'error' or 'skip'"),
    ],
)
def test_wrong_arguments_of_geneval_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        score_geneval(PROMPTS, found=boxes(), **arguments)


@pytest.mark.parametrize("metadata", [3, [3], {"a": 3}, None])
def test_what_is_no_prompt_of_geneval_is_refused(metadata):
    with pytest.raises(InputError, match=r"metadata has .*; give GenEval's file"):
        score_geneval(metadata, found=boxes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"colours": "foo"}, "colours is 'foo'; give 'named' or 'clip'"),
        ({"pattern": 3}, "pattern is 3; give a text"),
        ({"unmatched": 3}, "unmatched is 3; give 'error' or 'skip'"),
    ],
)
def test_wrong_arguments_of_rules_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        score_rules(RULES, found=boxes(), **arguments)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"a": None}, "the text for 'a' is None; give a text, or a list of lines"),
        ({"a": "Sale", "b": 3}, "the text for 'b' is 3"),
        ({"a": ["Sale", None]}, "the text for 'a' is .'Sale', None.; give a text"),
    ],
)
def test_what_is_no_text_is_refused(asked, message):
    with pytest.raises(InputError, match=message):
        score_texts(asked, found=boxes())


@pytest.mark.parametrize("metrics", [3, [3], [None], ""])
def test_what_is_no_metric_is_refused(metrics):
    with pytest.raises(InputError, match=r"metrics (is|has) .*; (give|choose)"):
        score_texts({"a": "Sale"}, found=boxes(), metrics=metrics)


@pytest.mark.parametrize("asked", [{"a": None}, {"a": 3}, {"a": ["cat", 3]}])
def test_what_is_no_object_is_refused(asked):
    with pytest.raises(InputError, match=r"the object for 'a' is .*; give a label"):
        score_objects(asked, found=boxes())


def test_classes_of_geneval_are_exact():
    result = score_geneval(PROMPTS, found=boxes(label="Cat"))
    assert result.scores[0].value == 0.0
    assert any("did you mean 'Cat'?" in warning for warning in result.warnings)
    assert score_geneval(PROMPTS, found=boxes(label="Cat"), labels={"cat": "Cat"}).scores[0].value == 1.0
