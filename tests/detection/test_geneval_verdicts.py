"""GenEval's verdicts on made-up boxes against those of its own script.

`geneval_verdicts.json` was made by running `evaluate_image` of GenEval's `evaluate_images.py` (github.com/djghosh13/
geneval at af4902f, NumPy's sort without vector instructions) outside of this repository, with its detector replaced by
one that gives back the boxes of each case, and its colours by those that were planted in them. Prompts are drawn from
its 553, and 130 are of groups that these do not have: several of one colour, positions on groups that fail, one class
twice, chains of positions. In 40 more the order among equal confidences decides, and in 40 each of several objects
must lie so to each of several others. Boxes are random, on a grid so that offsets meet margins exactly, and planted on
the side that is asked for; confidences are random, tied, exactly at the thresholds, and the next single-precision
number above them. Classes with more than 16 boxes and ties among them are left out: their order is that of an unstable
sort.

A case is [task, groups to include, groups to exclude, boxes, verdict]; a group is [class, count, colour or -1], with
[direction, group] behind it where a position is asked for; a box is [class, left, top, width, height, confidence,
colour].
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt, geneval_rows_to_colour, judge_geneval
from jaxeval.detection.rules import FoundColour, ImageBoxes

TABLE = json.loads((Path(__file__).parent / "geneval_verdicts.json").read_text())
TAGS, LABELS, COLOURS = (TABLE[key] for key in ("tags", "labels", "colours"))


def group_of(row):
    label, count, colour, *position = row if len(row) > 2 else (*row, -1)
    own = GenevalGroup(LABELS[label], count, None if colour < 0 else COLOURS[colour])
    if not position:
        return own
    direction, target = position
    return GenevalGroup(own.label, count, own.colour, str(direction).replace(" ", "_"), target)


def case_of(row):
    tag, include, exclude, rows, verdict = row
    prompt = GenevalPrompt("00000", TAGS[tag], "", tuple(map(group_of, include)), tuple(map(group_of, exclude)))
    boxes = ImageBoxes(
        tuple(LABELS[one[0]] for one in rows),
        np.array([one[1:5] for one in rows], np.float64).reshape(-1, 4),
        np.array([one[5] for one in rows], np.float64),
    )
    planted = {place: FoundColour(COLOURS[one[6]], 1.0, "clip") for place, one in enumerate(rows)}
    return prompt, boxes, planted, bool(verdict)


@pytest.mark.parametrize("tag", TAGS)
def test_verdicts_are_those_of_its_own_script(tag):
    seen = Counter()
    for row in TABLE["cases"]:
        prompt, boxes, planted, expected = case_of(row)
        if prompt.task != tag:
            continue
        asked = geneval_rows_to_colour(prompt, boxes)
        verdict = judge_geneval(prompt, boxes, {place: planted[place] for place in asked})
        assert verdict.holds == expected, (row, verdict.reasons)
        assert verdict.reasons
        seen[expected] += 1
    assert min(seen[True], seen[False]) >= 20, seen


def test_the_order_of_boxes_matters_only_among_equals():
    """Reversing the detector's order of boxes changes a verdict only where confidences are equal."""
    changed = 0
    for row in TABLE["cases"]:
        prompt, boxes, planted, expected = case_of(row)
        turned = ImageBoxes(boxes.labels[::-1], boxes.boxes[::-1], boxes.scores[::-1])
        count = len(boxes)
        colours = {place: planted[count - 1 - place] for place in range(count)}
        found = judge_geneval(prompt, turned, colours).holds
        ties = len(set(zip(boxes.labels, boxes.scores, strict=True))) < count
        assert found == expected or ties
        changed += found != expected
    assert changed >= 10
