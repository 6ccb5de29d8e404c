"""Whether rules hold for made-up boxes, and what is said of it."""

import itertools

import numpy as np
import pytest

from jaxeval.detection import FoundBoxes, Mask
from jaxeval.detection.rules import (
    FoundColour,
    ImageBoxes,
    boxes_by_image,
    check_rules,
    judge,
    relative_directions,
    rows_to_colour,
)
from jaxeval.errors import InputError


def rule_of(rule, **defaults):
    document = {"format": "jaxeval rules 1", "defaults": defaults, "prompts": [{"name": "p", "rule": rule}]}
    return check_rules(document).prompts[0].rule


def boxes_of(*rows):
    """Rows of label, box and confidence."""
    return ImageBoxes(
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[2] for row in rows], np.float64),
    )


def named(**colours):
    return {int(row[1:]): FoundColour(colour, 0.75, "named") for row, colour in colours.items()}


LEFT, RIGHT, LOW = (0, 0, 20, 20), (100, 0, 20, 20), (0, 100, 20, 20)
DOGS = boxes_of(("dog", LEFT, 0.91), ("cat", LOW, 0.8), ("dog", RIGHT, 0.45), ("dog", LOW, 0.2))


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"object": "dog"}, True),
        ({"object": "cow"}, False),
        ({"object": "dog", "exactly": 2}, True),
        ({"object": "dog", "exactly": 1}, False),
        ({"object": "dog", "exactly": 3}, False),
        ({"object": "dog", "at_least": 2}, True),
        ({"object": "dog", "at_least": 3}, False),
        ({"object": "dog", "at_most": 2}, True),
        ({"object": "dog", "at_most": 1}, False),
        ({"object": "dog", "at_least": 1, "at_most": 2}, True),
        ({"object": "cow", "at_most": 2}, True),
        ({"object": "cow", "exactly": 0}, True),
        ({"object": "dog", "exactly": 0}, False),
        ({"object": {"label": "dog", "confidence": 0.2}, "exactly": 3}, True),
        ({"object": {"label": "dog", "confidence": 0.91}, "exactly": 1}, True),
        ({"object": {"label": "dog", "confidence": 0.92}, "exactly": 0}, True),
        ({"object": "dog", "above": "cat"}, True),
        ({"object": "dog", "above": "cat", "exactly": 2}, True),
        ({"object": "dog", "left_of": "cat"}, False),
        ({"object": "dog", "right_of": "cat", "exactly": 1}, True),
        ({"object": "dog", "right_of": "dog", "exactly": 1}, True),
        ({"object": "dog", "right_of": "cat", "above": "cat", "exactly": 1}, True),
        ({"object": "cat", "below": "cow"}, False),
        ({"object": "cat", "left_of": "cat"}, False),
        ({"not": {"object": "dog"}}, False),
        ({"not": {"object": "cow"}}, True),
        ({"not": {"not": {"object": "dog"}}}, True),
        ({"all": [{"object": "dog"}, {"object": "cat"}]}, True),
        ({"all": [{"object": "dog"}, {"object": "cow"}]}, False),
        ({"any": [{"object": "dog"}, {"object": "cow"}]}, True),
        ({"any": [{"object": "emu"}, {"object": "cow"}]}, False),
        ({"not": {"any": [{"object": "emu"}, {"all": [{"object": "cow"}, {"object": "dog"}]}]}}, True),
    ],
)
def test_rules_hold_or_not(rule, holds):
    verdict = judge(rule_of(rule), DOGS)
    assert verdict.holds is holds
    assert verdict.value == float(holds)
    assert verdict.reasons
    assert all("asked for" in reason for reason in verdict.reasons)


def test_logic_is_that_of_truth_tables():
    """All formulas of three presences, nested two deep, against Python's own logic, in all eight worlds."""
    leaves = [{"object": label} for label in "abc"]
    formulas = [
        {outer: [{inner: [x, {"not": y}]}, z]}
        for outer, inner in itertools.product(("all", "any"), repeat=2)
        for x, y, z in itertools.permutations(leaves)
    ]
    combine = {"all": all, "any": any}
    for world in itertools.product((False, True), repeat=3):
        there = dict(zip("abc", world, strict=True))
        boxes = boxes_of(*((label, LEFT, 0.9) for label, present in there.items() if present))
        for formula in formulas:
            ((outer, (middle, last)),) = formula.items()
            ((inner, (first, second)),) = middle.items()
            expected = combine[outer](
                [combine[inner]([there[first["object"]], not there[second["not"]["object"]]]), there[last["object"]]]
            )
            for rule, wanted in ((formula, expected), ({"not": formula}, not expected)):
                assert judge(rule_of(rule), boxes).holds == wanted


def test_why_a_count_fails():
    (said,) = judge(rule_of({"object": "dog", "exactly": 3}), DOGS).reasons
    assert said == (
        "asked for exactly 3 boxes of dog, found 2 (confidences 0.91 at 0,0 20x20, 0.45 at 100,0 20x20); not counted: "
        "the one at 0,100 20x20 has a confidence of 0.2, under 0.3"
    )


def test_why_a_place_fails():
    (said,) = judge(rule_of({"object": "cat", "right_of": "dog"}), DOGS).reasons
    assert said == (
        "asked for a box of cat right of dog, found none; not counted: the one at 0,100 20x20 is below the dog at "
        "0,0 20x20, left of and below the dog at 100,0 20x20"
    )
    (said,) = judge(rule_of({"object": "cat", "above": "cow"}), DOGS).reasons
    assert said.endswith("the one at 0,100 20x20 has no cow to be above")


def test_why_a_colour_fails():
    rule = rule_of({"object": {"label": "dog", "colour": "brown"}, "exactly": 2})
    assert rows_to_colour(rule, DOGS) == (0, 2)
    verdict = judge(rule, DOGS, named(_0="brown", _2="black"))
    assert verdict.matched == (0,)
    assert verdict.reasons == (
        "asked for exactly 2 boxes of brown dog, found 1 (confidence 0.91 at 0,0 20x20), brown (by colour names, 75% "
        "of its pixels); not counted: the one at 100,0 20x20 is black (by colour names, 75% of its pixels), the one at "
        "0,100 20x20 has a confidence of 0.2, under 0.3",
    )
    assert judge(rule, DOGS, named(_0="brown", _2="brown")).holds


def test_a_colour_that_is_not_given_is_asked_for():
    rule = rule_of({"object": {"label": "dog", "colour": "brown"}})
    for colours in (None, {}, named(_0="brown")):
        with pytest.raises(InputError, match="is brown is not known; give the colours of the boxes"):
            judge(rule, DOGS, colours)


def test_colours_bind_to_their_objects():
    """A red cube left of a blue ball is not a blue cube left of a red ball."""
    boxes = boxes_of(("cube", LEFT, 0.9), ("ball", RIGHT, 0.9))
    rule = rule_of({"object": {"label": "cube", "colour": "red"}, "left_of": {"label": "ball", "colour": "blue"}})
    assert rows_to_colour(rule, boxes) == (0, 1)
    assert judge(rule, boxes, named(_0="red", _1="blue")).holds
    verdict = judge(rule, boxes, named(_0="blue", _1="red"))
    assert not verdict.holds
    assert "is blue (by colour names" in verdict.reasons[0]
    assert "has no blue ball to be left of" in judge(rule, boxes, named(_0="red", _1="red")).reasons[0]


def test_reasons_inside_of_and_or_and_not():
    both = judge(rule_of({"all": [{"object": "cow"}, {"object": "dog"}, {"object": "emu"}]}), DOGS)
    assert [reason.partition(",")[0] for reason in both.reasons] == ["asked for a box of cow", "asked for a box of emu"]
    either = judge(rule_of({"any": [{"object": "cow"}, {"not": {"object": "cat"}}]}), DOGS)
    assert either.reasons == (
        "none of the 2 rules holds of which any would do: (1) asked for a box of cow, found none; (2) this must not "
        "hold and does: asked for a box of cat, found 1 (confidence 0.8 at 0,100 20x20)",
    )
    held = judge(rule_of({"not": {"object": "cow"}}), DOGS)
    assert held.reasons == ("this does not hold, as it must not: asked for a box of cow, found none",)


def test_boxes_that_must_not_be_there_are_refused_and_not_matched():
    rule = rule_of({"all": [{"object": "cat"}, {"not": {"object": "dog"}}]})
    verdict = judge(rule, DOGS)
    assert verdict.matched == (1,)
    assert verdict.refused == (0, 2)
    twice = judge(rule_of({"not": {"not": {"object": "cat"}}}), DOGS)
    assert twice.holds
    assert "cat" in twice.reasons[0]


def test_what_an_object_lies_to_is_matched_too():
    verdict = judge(rule_of({"object": "cat", "below": "dog"}), DOGS)
    assert verdict.holds
    assert set(verdict.matched) >= {0, 1}


@pytest.mark.parametrize(
    ("first", "second", "rule", "holds"),
    [
        ((10, 10, 10, 10), (0, 0, 40, 40), {"inside": "b"}, True),
        ((35, 0, 10, 10), (0, 0, 40, 40), {"inside": "b"}, False),
        ((35, 0, 10, 10), (0, 0, 40, 40), {"inside": "b", "share": 0.5}, True),
        ((36, 0, 10, 10), (0, 0, 40, 40), {"inside": "b", "share": 0.5}, False),
        ((0, 0, 40, 40), (10, 10, 10, 10), {"inside": "b"}, False),
        ((35, 0, 10, 10), (0, 0, 40, 40), {"overlaps": "b"}, True),
        ((40, 0, 10, 10), (0, 0, 40, 40), {"overlaps": "b"}, False),
        ((0, 0, 10, 10), (5, 0, 10, 10), {"overlaps": "b", "share": 1 / 3}, True),
        ((0, 0, 10, 10), (5, 0, 10, 10), {"overlaps": "b", "share": 0.34}, False),
        ((5, 5, 0, 0), (0, 0, 10, 10), {"overlaps": "b"}, False),
        ((5, 5, 0, 0), (0, 0, 10, 10), {"inside": "b"}, False),
    ],
)
def test_inside_and_overlaps(first, second, rule, holds):
    boxes = boxes_of(("a", first, 0.9), ("b", second, 0.9))
    verdict = judge(rule_of({"object": "a", **rule}), boxes)
    assert verdict.holds is holds
    assert ("the b at" in verdict.reasons[0]) is not holds


CENTRE = np.array([100.0, 100.0, 120.0, 120.0])


def moved(x, y, size=20.0):
    return CENTRE[:2].mean() + 10 + np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])


@pytest.mark.parametrize(
    ("x", "y", "directions"),
    [
        (0, 0, set()),
        (-30, 0, {"left_of"}),
        (30, 0, {"right_of"}),
        (0, -30, {"above"}),
        (0, 30, {"below"}),
        (-30, -30, {"left_of", "above"}),
        (40, 40, {"right_of", "below"}),
        # The margin is 4 pixels of 20 + 20: the offset without it is just one half of the offset at 8.
        (8, 0, set()),
        (8.01, 0, {"right_of"}),
        (4, 0, set()),
        # 100 pixels right and 50 down: (50 - 4) / 111.8 is under one half.
        (100, 50, {"right_of"}),
        (100, 70, {"right_of", "below"}),
    ],
)
def test_directions_by_hand(x, y, directions):
    assert relative_directions(moved(x, y), CENTRE, 0.1) == directions


def test_what_is_less_than_a_thousandth_of_a_pixel_is_none():
    small = np.array([0.0, 0.0, 0.004, 0.004])
    assert relative_directions(small + 0.1, small, 0.1) == {"right_of", "below"}
    assert relative_directions(small + np.array([0.004, 0, 0.004, 0]), small, 0.1) == {"right_of"}
    assert relative_directions(small + np.array([0.0017, 0, 0.0017, 0]), small, 0.1) == frozenset()


def test_directions_of_both_sides_are_opposite():
    rng = np.random.default_rng(3)
    opposite = {"left_of": "right_of", "right_of": "left_of", "above": "below", "below": "above"}
    seen = set()
    for corners in rng.integers(0, 100, (500, 2, 4)).astype(float):
        first, second = (np.concatenate([np.sort(one[::2]), np.sort(one[1::2])])[[0, 2, 1, 3]] for one in corners)
        found = relative_directions(first, second, 0.1)
        assert relative_directions(second, first, 0.1) == {opposite[one] for one in found}
        seen |= found
    assert seen == set(opposite)


def test_boxes_of_any_size_are_compared_without_a_fault():
    far = np.array([0.0, 0.0, 1e308, 1e308])
    assert relative_directions(far, CENTRE, 0.1) == relative_directions(CENTRE, far, 0.1) == frozenset()
    boxes = boxes_of(("a", (0, 0, 1e300, 1e300), 0.9), ("b", (0, 0, 1, 1), 0.9))
    assert not judge(rule_of({"object": "a", "inside": "b"}), boxes).holds
    assert judge(rule_of({"object": "b", "inside": "a"}), boxes).holds


@pytest.mark.filterwarnings("error")
def test_shares_of_huge_boxes_are_those_of_small_ones():
    for unit in (1.0, 2.0**400, 2.0**1010):
        boxes = boxes_of(("a", (0, 0, 8 * unit, 8 * unit), 0.9), ("b", (6 * unit, 0, 4 * unit, 4 * unit), 0.9))
        inside = ({"inside": "a"}, "50% of its box inside of")
        overlaps = ({"overlaps": "a", "share": 0.5}, "IoU of 0.11")
        for rule, said in (inside, overlaps):
            verdict = judge(rule_of({"object": "b", **rule}), boxes)
            assert not verdict.holds
            assert said in verdict.reasons[0]
        judge(rule_of({"object": "b", "left_of": "a"}), boxes)


@pytest.mark.filterwarnings("error")
def test_boxes_beyond_all_numbers_lie_on_no_side():
    boxes = boxes_of(("a", (1e308, 0, 1e308, 5), 0.9), ("b", (0, 0, 1, 1), 0.9))
    for relation in ("left_of", "right_of", "above", "below"):
        verdict = judge(rule_of({"object": "b", relation: "a"}), boxes)
        assert not verdict.holds
        assert "on no side of" in verdict.reasons[0]


def test_boxes_of_each_image():
    mask = Mask(1, 1, (0, 1))
    found = FoundBoxes(
        "ours",
        ("a", "b", "c"),
        ("x", "y"),
        np.array([2, 0, 2]),
        np.array([1, 0, 0]),
        np.arange(12.0).reshape(3, 4),
        np.array([0.1, 0.2, 0.3]),
        masks=(mask, None, None),
    )
    first, second, third = boxes_by_image(found)
    assert (first.labels, second.labels, third.labels) == (("x",), (), ("y", "x"))
    np.testing.assert_array_equal(third.boxes, [[0, 1, 2, 3], [8, 9, 10, 11]])
    np.testing.assert_array_equal(third.scores, [0.1, 0.3])
    assert third.masks == (mask, None)
    assert second.boxes.shape == (0, 4)


def test_as_many_labels_as_boxes():
    with pytest.raises(InputError, match="there are 2 labels, 1 boxes and 1 scores; give as many of each"):
        ImageBoxes(("a", "b"), np.zeros((1, 4)), np.zeros(1))


def test_of_too_many_the_least_confident_are_wrong():
    boxes = boxes_of(*(("dog", [10 * row, 0, 5, 5], 0.9 - row / 10) for row in range(4)))
    rule = check_rules(
        {"format": "jaxeval rules 1", "prompts": [{"name": "a", "rule": {"object": "dog", "exactly": 2}}]}
    )
    verdict = judge(rule.prompts[0].rule, boxes, None)
    assert (verdict.holds, verdict.matched, verdict.refused) == (False, (0, 1), (2, 3))
