"""GenEval's verdict on one image, to the letter of its script."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxeval._arguments import whole_number
from jaxeval.detection.geneval.prompts import MOST_OBJECTS, GenevalGroup, GenevalPrompt
from jaxeval.detection.judged_sets import a_share
from jaxeval.detection.rules.colours import FoundColour
from jaxeval.detection.rules.logic import (
    ImageBoxes,
    Verdict,
    direction_words,
    found_words,
    place_words,
    relative_directions,
)
from jaxeval.errors import InputError


@dataclasses.dataclass(frozen=True)
class GenevalOptions:
    """GenEval's thresholds; numbers under others are not GenEval's.

    Attributes:
      confidence: that a box must exceed.
      counting_confidence: that a box must exceed where the task is `counting`.
      most_objects: how many boxes of a class are kept.
      margin: of positions, as of `relative_directions`.

    Raises:
      InputError: a confidence or the margin is not from 0 to 1, or no box of a class would be kept.

    Example:
      >>> from jaxeval.detection.geneval import GenevalOptions
      >>> GenevalOptions()
      GenevalOptions(confidence=0.3, counting_confidence=0.9, most_objects=16, margin=0.1)
    """

    confidence: float = 0.3
    counting_confidence: float = 0.9
    most_objects: int = MOST_OBJECTS
    margin: float = 0.1

    def __post_init__(self):
        for field in ("confidence", "counting_confidence", "margin"):
            a_share(field, getattr(self, field))
        whole_number("most_objects", self.most_objects, 1)

    def threshold(self, task: str) -> float:
        """The confidence that a box must exceed in a task."""
        return self.counting_confidence if task == "counting" else self.confidence


DEFAULT_OPTIONS = GenevalOptions()


def judge_geneval(
    prompt: GenevalPrompt,
    boxes: ImageBoxes,
    colours: Mapping[int, FoundColour] | None = None,
    options: GenevalOptions = DEFAULT_OPTIONS,
) -> Verdict:
    """GenEval's verdict on one image.

    As its script does, to the letter:

    - Of each class, boxes count whose confidence exceeds 0.3, or 0.9 where the task is `counting`; the 16 most
      confident at most, of equal ones the later first. Boxes that overlap all count. Confidences and positions are
      compared in single precision, which they have there.
    - What is asked for is "so many or more". `counting` asks for n and forbids n + 1 or more of the same class.
    - Of a group, only its n most confident boxes are looked at: all of them must have the colour, and each must lie on
      the side that is asked of each of the other group's n boxes. Where only a less confident one has the colour, the
      image is wrong.
    - A group that fails in any way is no target for another's position.
    - In other tasks nothing is forbidden: three benches are a bench, and a cup may lie on any number of tables.

    Two things differ. Where a class has more than 16 boxes with equal confidences, its order is that of an unstable
    sort. And where a box whose colour is asked for has no pixel, its script ends; here the image is wrong.

    Args:
      prompt: of `read_geneval`.
      boxes: of the image, with labels as GenEval has them.
      colours: by row, of the boxes that `geneval_rows_to_colour` names.
      options: other thresholds.

    Raises:
      InputError: a colour decides and is not given.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt, judge_geneval
      >>> from jaxeval.detection.rules import ImageBoxes
      >>> clocks = GenevalPrompt("00002", "counting", "a photo of two clocks", (GenevalGroup("clock", 2),),
      ...     (GenevalGroup("clock", 3),))
      >>> boxes = ImageBoxes(("clock", "clock"), np.array([[1.0, 1, 9, 9], [20, 1, 9, 9]]), np.array([0.95, 0.85]))
      >>> judge_geneval(clocks, boxes).reasons
      ('asked for 2 boxes or more of clock above a confidence of 0.9, found 1 (confidence 0.95 at 1,1 9x9)',)
    """
    kept = _kept(prompt, boxes, options)
    above = f"above a confidence of {options.threshold(prompt.task):g}"
    wrong: list[str] = []
    held: list[str] = []
    refused: list[int] = []
    groups: list[tuple[int, ...] | None] = []
    for group in prompt.include:
        rows = kept.get(group.label, ())[: group.count]
        asked = f"asked for {_boxes(group.count)} or more of {group.label} {above}, {found_words(boxes, rows)}"
        if len(rows) < group.count:
            wrong.append(asked)
            groups.append(None)
            continue
        lack = _colour_lack(group, rows, boxes, colours)
        if lack is None and group.direction is not None:
            lack = _position_lack(group, rows, groups[group.target], prompt, boxes, options)
        (held if lack is None else wrong).append(asked if lack is None else lack)
        groups.append(rows if lack is None else None)
    for group in prompt.exclude:
        rows = kept.get(group.label, ())
        said = f"asked for less than {_boxes(group.count)} of {group.label} {above}, {found_words(boxes, rows)}"
        if len(rows) >= group.count:
            wrong.append(said)
            refused += rows[group.count - 1 :]
        else:
            held.append(said)
    matched = dict.fromkeys(row for rows in groups for row in rows or ())
    return Verdict(not wrong, tuple(wrong or held), tuple(matched), tuple(row for row in refused if row not in matched))


def geneval_rows_to_colour(
    prompt: GenevalPrompt, boxes: ImageBoxes, options: GenevalOptions = DEFAULT_OPTIONS
) -> tuple[int, ...]:
    """The boxes whose colour decides on a prompt, by their row.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt, geneval_rows_to_colour
      >>> from jaxeval.detection.rules import ImageBoxes
      >>> cup = GenevalPrompt("00300", "colors", "a photo of a red cup", (GenevalGroup("cup", 1, "red"),))
      >>> geneval_rows_to_colour(cup, ImageBoxes(("cup", "cup"), np.zeros((2, 4)), np.array([0.4, 0.8])))
      (1,)
    """
    kept = _kept(prompt, boxes, options)
    rows: dict[int, None] = {}
    for group in prompt.include:
        own = kept.get(group.label, ())[: group.count]
        if group.colour is not None and len(own) == group.count:
            rows |= dict.fromkeys(own)
    return tuple(rows)


def _kept(prompt: GenevalPrompt, boxes: ImageBoxes, options: GenevalOptions) -> dict[str, tuple[int, ...]]:
    """By class, the boxes that count, the most confident first; only classes that the prompt speaks of."""
    least = np.float32(options.threshold(prompt.task))
    with np.errstate(over="ignore"):
        scores = boxes.scores.astype(np.float32)
    kept = {}
    for label in {group.label for group in (*prompt.include, *prompt.exclude)}:
        rows = np.array([row for row, own in enumerate(boxes.labels) if own == label], np.int64)
        ordered = rows[np.argsort(scores[rows], kind="stable")[::-1]]
        kept[label] = tuple(ordered[scores[ordered] > least][: options.most_objects].tolist())
    return kept


def _colour_lack(
    group: GenevalGroup, rows: Sequence[int], boxes: ImageBoxes, colours: Mapping[int, FoundColour] | None
) -> str | None:
    if group.colour is None:
        return None
    missing = [row for row in rows if colours is None or row not in colours]
    if missing or colours is None:
        raise InputError(
            f"whether the {group.label} at {place_words(boxes, missing[0])} is {group.colour} is not known; give the "
            "colours of the boxes that geneval_rows_to_colour names"
        )
    if all(colours[row].name == group.colour for row in rows):
        return None
    each = ", ".join(f"the one at {place_words(boxes, row)} is {colours[row]}" for row in rows)
    which = "the most confident one" if group.count == 1 else f"the {group.count} most confident ones"
    return f"asked for {group.colour} {group.label}, by {which}; {each}"


def _position_lack(
    group: GenevalGroup,
    rows: Sequence[int],
    targets: Sequence[int] | None,
    prompt: GenevalPrompt,
    boxes: ImageBoxes,
    options: GenevalOptions,
) -> str | None:
    other, words = prompt.include[group.target].label, direction_words([group.direction or ""])
    if targets is None:
        return f"asked for {group.label} {words} {other}, and there is no {other} as it was asked for"
    for row in rows:
        for target in targets:
            found = relative_directions(_corners(boxes, row), _corners(boxes, target), options.margin)
            if group.direction not in found:
                return (
                    f"asked for {group.label} {words} {other}; the one at {place_words(boxes, row)} is "
                    f"{direction_words(found)} the {other} at {place_words(boxes, target)}"
                )
    return None


def _corners(boxes: ImageBoxes, row: int) -> np.ndarray:
    left, top, width, height = boxes.boxes[row]
    with np.errstate(over="ignore"):
        return np.array([left, top, left + width, top + height], np.float32)


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"
