"""The file of rules: what it says is read, and what is wrong in it is said in one sentence."""

import json

import pytest

from jaxeval.detection.rules import (
    RULES_SCHEMA,
    AskedObject,
    GroupRule,
    NotRule,
    ObjectRule,
    PromptRule,
    Relation,
    check_rules,
    read_rules,
)
from jaxeval.detection.rules.format import check_labels
from jaxeval.errors import InputError

FORMAT = "jaxeval rules 1"


def document(rule, **fields):
    return {"format": FORMAT, "prompts": [{"name": "p", "rule": rule}], **fields}


def rule_of(rule, **fields):
    return check_rules(document(rule, **fields)).prompts[0].rule


def nested(depth):
    rule = {"object": "cat"}
    for _ in range(depth - 1):
        rule = {"not": rule}
    return rule


def test_a_whole_file(tmp_path):
    given = {
        "format": FORMAT,
        "defaults": {"confidence": 0.5, "margin": 0.2, "colours": "clip"},
        "prompts": [
            {
                "name": "00000",
                "prompt": "two red apples left of a cup, and no dog",
                "category": "mixed",
                "rule": {
                    "all": [
                        {
                            "object": {"label": "apple", "colour": "red", "confidence": 0.7},
                            "exactly": 2,
                            "left_of": "cup",
                            "margin": 0,
                        },
                        {"not": {"object": "dog"}},
                        {"any": [{"object": "a", "at_least": 2}, {"object": "b", "at_most": 3}]},
                        {"object": "spoon", "at_least": 1, "at_most": 2, "inside": {"label": "cup"}, "share": 0.5},
                    ]
                },
            },
            {"name": "00001", "rule": {"object": "cat"}},
        ],
    }
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(given))
    rules = read_rules(path)
    cup = AskedObject("cup", None, 0.5)
    assert rules.name == str(path)
    assert len(rules.sha256) == 64
    assert rules.colours == "clip"
    assert rules.prompts[1] == PromptRule("00001", ObjectRule(AskedObject("cat", None, 0.5), margin=0.2))
    assert (rules.prompts[0].prompt, rules.prompts[0].category) == (given["prompts"][0]["prompt"], "mixed")
    assert rules.prompts[0].rule == GroupRule(
        "all",
        (
            ObjectRule(AskedObject("apple", "red", 0.7), 2, 2, (Relation("left_of", cup),), 0.0),
            NotRule(ObjectRule(AskedObject("dog", None, 0.5), margin=0.2)),
            GroupRule(
                "any",
                (
                    ObjectRule(AskedObject("a", None, 0.5), 2, None, margin=0.2),
                    ObjectRule(AskedObject("b", None, 0.5), 0, 3, margin=0.2),
                ),
            ),
            ObjectRule(AskedObject("spoon", None, 0.5), 1, 2, (Relation("inside", cup),), 0.2, 0.5),
        ),
    )


def test_a_mark_before_the_text_is_no_error(tmp_path):
    path = tmp_path / "rules.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document({"object": "cat"})).encode())
    assert str(read_rules(path)) == f"{path}: 1 prompt"


WRONG = {
    "none of the kinds": ({}, "prompt 'p', rule has none of 'object', 'all', 'any' and 'not'; give one of"),
    "a kind misspelt": ({"objekt": "cat"}, "(did you mean 'object'?)"),
    "two kinds": ({"all": [], "any": []}, "prompt 'p', rule has 'all' and 'any'; give one of"),
    "no object": (7, "prompt 'p', rule is 7; give an object with 'object', 'all', 'any' or 'not'"),
    "a list": ([{"object": "cat"}], "prompt 'p', rule is [{'object': 'cat'}]; give an object"),
    "empty all": ({"all": []}, "prompt 'p', rule.all is []; give a list of 1 to 1,000 rules"),
    "empty any": ({"any": []}, "prompt 'p', rule.any is []; give a list of 1 to 1,000 rules"),
    "all of no list": ({"all": {"object": "cat"}}, "rule.all is {'object': 'cat'}; give a list"),
    "many parts": ({"any": [{"object": "cat"}] * 1001}, "rule.any is an object of type list; give a list"),
    "beside not": ({"not": {"object": "cat"}, "exactly": 2}, "rule has 'exactly', which is not known; give not"),
    "deep place": (
        {"all": [{"object": "cat"}, {"not": {"object": "dog", "exactly": -1}}]},
        "prompt 'p', rule.all[1].not.exactly is -1; give a whole number from 0 to 100,000",
    ),
    "half a box": ({"object": "cat", "at_least": 1.5}, "rule.at_least is 1.5; give a whole number from 1"),
    "at least none": ({"object": "cat", "at_least": 0}, "rule.at_least is 0; give a whole number from 1"),
    "true boxes": ({"object": "cat", "exactly": True}, "rule.exactly is True; give a whole number"),
    "a text of boxes": ({"object": "cat", "at_most": "3"}, "rule.at_most is '3'; give a whole number"),
    "two counts": ({"object": "cat", "exactly": 1, "at_most": 2}, "rule has 'exactly' and 'at_most'; give one"),
    "crossed counts": ({"object": "cat", "at_least": 3, "at_most": 2}, "at_least is 3; give no more than at_most"),
    "no label": ({"object": {"colour": "red"}}, "rule.object has no 'label'; give it"),
    "a long label": (
        {"object": "x" * 2001},
        f"rule.object is a text of 2,001 letters that begins with '{'x' * 30}'; give a text of 1 to 2,000 letters",
    ),
    "a label with a NUL": ({"object": "cat\0"}, r"rule.object is 'cat\x00', which has a NUL character; leave it out"),
    "half of a character": ({"object": "\ud800"}, r"rule.object is '\ud800', which has half of a character"),
    "an empty label": ({"object": " "}, "rule.object is ' '; give a text of 1 to 2,000 letters"),
    "a label of no text": ({"object": {"label": 3}}, "rule.object.label is 3; give a text"),
    "an object of no kind": ({"object": ["cat"]}, "rule.object is ['cat']; give a label, or an object with 'label'"),
    "another colour": ({"object": {"label": "cat", "colour": "teal"}}, "rule.object.colour is 'teal'; give one of"),
    "colour of no text": ({"object": {"label": "cat", "colour": ["red"]}}, "rule.object.colour is ['red']; give one"),
    "American colour": (
        {"object": {"label": "cat", "color": "red"}},
        "'color', which is not known; give label, colour, confidence (did you mean 'colour'?)",
    ),
    "a large confidence": (
        {"object": {"label": "cat", "confidence": 30}},
        "confidence is 30; give a number from 0 to 1",
    ),
    "a margin for nothing": ({"object": "cat", "margin": 0.1}, "rule.margin is 0.1; it goes with left_of, right_of"),
    "a share for nothing": ({"object": "cat", "above": "dog", "share": 1}, "rule.share is 1; it goes with inside"),
    "a relation misspelt": ({"object": "cat", "left": "dog"}, "(did you mean 'left_of'?)"),
    "a target of no kind": ({"object": "cat", "below": None}, "rule.below is None; give a label"),
    "too deep": (nested(17), "lies deeper than 16 levels; make it of fewer"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_in_a_rule_is_said(what):
    rule, sentence = WRONG[what]
    with pytest.raises(InputError) as caught:
        check_rules(document(rule), name="rules.json")
    said = str(caught.value)
    assert said.startswith("rules.json: ")
    assert sentence in said
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "rules: the file is []; give an object"),
        ({}, "rules: the file has no 'format'; give it"),
        ({"format": FORMAT}, "rules: the file has no 'prompts'; give it"),
        (
            document({"object": "cat"}) | {"format": "jaxeval rules 2"},
            "format is 'jaxeval rules 2'; give 'jaxeval rules 1'",
        ),
        ({"format": FORMAT, "prompts": []}, "prompts is []; give a list of one or more prompts"),
        ({"format": FORMAT, "prompts": {}}, "prompts is {}; give a list"),
        ({"format": FORMAT, "prompts": [3]}, r"prompts[0] is 3; give an object"),
        ({"format": FORMAT, "prompts": [{"name": "a"}]}, "prompts[0] has no 'rule'; give it"),
        ({"format": FORMAT, "prompts": [{"name": "", "rule": {"object": "a"}}]}, "prompts[0].name is ''; give a text"),
        (
            {"format": FORMAT, "prompts": [{"name": "a", "rule": {"object": "a"}}] * 2},
            "prompts[1].name is 'a'; another prompt is called so",
        ),
        (
            {"format": FORMAT, "prompts": [{"name": "a", "rule": {"object": "a"}, "prompt": None}]},
            "prompts[0].prompt is None; give a text",
        ),
        (
            {"format": FORMAT, "prompts": [{"name": "a", "prompt": "x\0", "rule": {"object": "a"}}]},
            r"prompts[0].prompt is 'x\x00', which has a NUL character",
        ),
        (
            document({"object": "cat"}, default={}),
            "'default', which is not known; give format, prompts, defaults (did you",
        ),
        (
            document({"object": "cat"}, defaults={"confidence": "high"}),
            "defaults.confidence is 'high'; give a number from 0",
        ),
        (document({"object": "cat"}, defaults={"colors": "clip"}), "did you mean 'colours'?"),
        (
            document({"object": "cat"}, defaults={"colours": "vision"}),
            "defaults.colours is 'vision'; give 'named' or 'clip'",
        ),
    ],
)
def test_what_is_wrong_around_rules_is_said(given, sentence):
    with pytest.raises(InputError) as caught:
        check_rules(given)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"{", "is no JSON"),
        (b'{"format": "jaxeval rules 1", "format": "x"}', "has 'format' twice in one object"),
        (b'{"format": NaN}', "has NaN, which is no number of JSON"),
        (b'{"format": "\xff"}', "is not UTF-8 at byte 12; save it as UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"1" * 10_000, "is no JSON"),
    ],
)
def test_files_that_are_none(tmp_path, content, sentence):
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_rules(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_huge_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file"):
        read_rules(tmp_path / "none.json")
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match="is larger than 64 MiB"):
        read_rules(path)


def test_labels_that_the_detector_does_not_know():
    rules = check_rules(document({"all": [{"object": "cat"}, {"object": "cat", "left_of": "sofa bed"}]}))
    check_labels(rules, ["sofa bed", "cat", "dog"], "the detector d")
    with pytest.raises(InputError) as caught:
        check_labels(rules, ["cat", "Sofa-Bed"], "the detector d")
    assert str(caught.value) == (
        "rules: prompt 'p' asks for 'sofa bed', which the detector d does not know; did you mean 'Sofa-Bed'?"
    )
    with pytest.raises(InputError, match="it knows 4 labels, such as 'cat', 'x', 'y'"):
        check_labels(rules, ["cat", "x", "y", "z"], "the detector d")


def test_the_schema_agrees_with_the_reader():
    """A validator of JSON schemas refuses what the reader refuses, but for what a schema cannot say."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(RULES_SCHEMA)
    validator.check_schema(RULES_SCHEMA)
    beyond = {"crossed counts", "a margin for nothing", "a share for nothing", "too deep", "an empty label"}
    beyond |= {"a label with a NUL", "half of a character"}
    for what, (rule, _) in WRONG.items():
        assert validator.is_valid(document(rule)) == (what in beyond), what
    for rule in (
        {"object": "cat"},
        {"object": {"label": "cat", "colour": "gray"}, "at_least": 2, "at_most": 3, "overlaps": "dog", "share": 0.1},
        {"all": [{"any": [{"not": {"object": "cat", "exactly": 0}}]}]},
    ):
        check_rules(document(rule))
        assert validator.is_valid(document(rule, defaults={"confidence": 0.1, "colours": "named"}))


def test_the_schema_is_plain():
    assert json.loads(json.dumps(RULES_SCHEMA)) == RULES_SCHEMA
