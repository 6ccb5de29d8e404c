"""Whether a rule holds for the boxes of one image, and why, in words."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jaxeval.detection.boxes import FoundBoxes, Mask
from jaxeval.detection.rules.asked import (
    DIRECTIONS,
    AskedObject,
    GroupRule,
    NotRule,
    ObjectRule,
    Relation,
    Rule,
)
from jaxeval.detection.rules.colours import FoundColour
from jaxeval.errors import InputError

INSIDE_SHARE = 0.9
_NAMED = 4  # boxes in a sentence
_TINY = 1e-3  # pixels; GenEval's
_LARGEST_PLAIN = 1e100  # pixels, whose squares are finite


@dataclasses.dataclass(frozen=True, eq=False)
class ImageBoxes:
    """What was found in one image, in the detector's order.

    Attributes:
      labels: of each box.
      boxes: left, top, width and height in pixels, float64, shape [n, 4].
      scores: the detector's confidence, float64, shape [n].
      masks: the object's pixels, where the detector gives them.

    Raises:
      InputError: there are not as many of one as of another.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import ImageBoxes
      >>> len(ImageBoxes(("cat",), np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.9])))
      1
    """

    labels: tuple[str, ...]
    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    masks: tuple[Mask | None, ...] | None = None

    def __post_init__(self):
        if not len(self.labels) == len(self.boxes) == len(self.scores):
            raise InputError(
                f"there are {len(self.labels)} labels, {len(self.boxes)} boxes and {len(self.scores)} scores; give as "
                "many of each"
            )

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a rule holds for an image.

    Attributes:
      holds: whether it does.
      reasons: why, a sentence each: of what fails, where something does; otherwise of all that holds.
      matched: the boxes, by their row, that are as the rule asks: those it counts, and those they lie to.
      refused: boxes that a rule which must not hold is about, and those that are too many, the least confident.

    Example:
      >>> from jaxeval.detection.rules import Verdict
      >>> Verdict(True, ("asked for a box of cat, found 1",)).value
      1.0
    """

    holds: bool
    reasons: tuple[str, ...]
    matched: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()

    @property
    def value(self) -> float:
        """1 or 0."""
        return float(self.holds)


def boxes_by_image(found: FoundBoxes) -> list[ImageBoxes]:
    """The boxes of each image of a set.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes
      >>> from jaxeval.detection.rules import boxes_by_image
      >>> found = FoundBoxes("ours", ("a.png", "b.png"), ("cat",), np.array([1]), np.array([0]),
      ...     np.array([[10.0, 20.0, 30.0, 40.0]]), np.array([0.9]))
      >>> [one.labels for one in boxes_by_image(found)]
      [(), ('cat',)]
    """
    order = np.argsort(found.image, kind="stable")
    ends = np.searchsorted(found.image[order], np.arange(len(found.images) + 1))
    by_image = []
    for begin, end in itertools.pairwise(ends):
        rows = order[begin:end]
        by_image.append(
            ImageBoxes(
                tuple(found.labels[place] for place in found.label[rows]),
                found.boxes[rows],
                found.scores[rows],
                None if found.masks is None else tuple(found.masks[row] for row in rows),
            )
        )
    return by_image


def rows_to_colour(rule: Rule, boxes: ImageBoxes) -> tuple[int, ...]:
    """The boxes whose colour decides on a rule, by their row.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import AskedObject, ImageBoxes, ObjectRule, rows_to_colour
      >>> boxes = ImageBoxes(("cup", "cat", "cup"), np.zeros((3, 4)), np.array([0.9, 0.9, 0.1]))
      >>> rows_to_colour(ObjectRule(AskedObject("cup", "red")), boxes)
      (0,)
    """
    if isinstance(rule, ObjectRule):
        asked = [rule.object, *(relation.target for relation in rule.relations)]
        return tuple(dict.fromkeys(row for one in asked if one.colour is not None for row in _sure(one, boxes)))
    parts = rule.parts if isinstance(rule, GroupRule) else (rule.part,)
    return tuple(dict.fromkeys(row for part in parts for row in rows_to_colour(part, boxes)))


def judge(rule: Rule, boxes: ImageBoxes, colours: Mapping[int, FoundColour] | None = None) -> Verdict:
    """Whether a rule holds for the boxes of one image.

    An object rule counts the boxes of its label that are confident enough, have the colour that is asked for, and lie
    to a box of each other object as they should. A box is never related to itself. Of directions
    `relative_directions` has the definition.

    Args:
      rule: of `check_rules` or `read_rules`.
      boxes: of the image.
      colours: by row, of those that `rows_to_colour` names.

    Raises:
      InputError: a colour decides and is not given.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import AskedObject, ImageBoxes, ObjectRule, judge
      >>> boxes = ImageBoxes(("dog", "dog", "dog"), np.array([[10.0, 20, 30, 40], [60, 20, 30, 40], [0, 0, 9, 9]]),
      ...     np.array([0.91, 0.45, 0.2]))
      >>> verdict = judge(ObjectRule(AskedObject("dog"), 3, 3), boxes)
      >>> verdict.holds, verdict.matched
      (False, (0, 1))
      >>> print(verdict.reasons[0])  # doctest: +NORMALIZE_WHITESPACE
      asked for exactly 3 boxes of dog, found 2 (confidences 0.91 at 10,20 30x40, 0.45 at 60,20 30x40); not counted:
      the one at 0,0 9x9 has a confidence of 0.2, under 0.3
    """
    if isinstance(rule, ObjectRule):
        return _object_verdict(rule, boxes, colours)
    if isinstance(rule, NotRule):
        inner = judge(rule.part, boxes, colours)
        if inner.holds:
            said = tuple(f"this must not hold and does: {reason}" for reason in inner.reasons)
            return Verdict(False, said, inner.refused, inner.matched)
        return Verdict(True, tuple(f"this does not hold, as it must not: {reason}" for reason in inner.reasons))
    verdicts = [judge(part, boxes, colours) for part in rule.parts]
    kept = verdicts if rule.kind == "all" else ([one for one in verdicts if one.holds] or verdicts)
    matched = tuple(dict.fromkeys(row for one in kept for row in one.matched))
    refused = tuple(dict.fromkeys(row for one in kept for row in one.refused))
    if rule.kind == "all":
        failed = [one for one in verdicts if not one.holds]
        said = [reason for one in failed or verdicts for reason in one.reasons]
        return Verdict(not failed, tuple(said), matched, refused)
    if any(one.holds for one in verdicts):
        return Verdict(True, tuple(reason for one in kept for reason in one.reasons), matched, refused)
    parts = "; ".join(f"({number}) {'; '.join(one.reasons)}" for number, one in enumerate(verdicts, start=1))
    what = "the one rule does not hold" if len(verdicts) == 1 else f"none of the {len(verdicts)} rules holds"
    return Verdict(False, (f"{what} of which any would do: {parts}",), matched, refused)


def relative_directions(
    first: Float[np.ndarray, " 4"], second: Float[np.ndarray, " 4"], margin: float
) -> frozenset[str]:
    """On which sides of a second box a first one lies: `left_of`, `right_of`, `above`, `below`, none or two of them.

    GenEval's definition: the offset between both centres is brought nearer to zero by `margin` times the sum of both
    widths, and of both heights. What is left, over the length of the whole offset, must be more than one half in a
    direction. Less than a thousandth of a pixel in both directions is none.

    Args:
      first: left, top, right and bottom in pixels, float64, or float32 as GenEval has them.
      second: the same.
      margin: GenEval's is 0.1.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import relative_directions
      >>> sorted(relative_directions(np.array([0.0, 0, 10, 10]), np.array([40.0, 40, 50, 50]), 0.1))
      ['above', 'left_of']
    """
    corners = np.stack([first, second]).reshape(2, 2, 2)
    with np.errstate(over="ignore", invalid="ignore"):  # boxes far out of any image lie on no side of another
        centres = corners.mean(1)
        sizes = np.abs(corners[:, 1] - corners[:, 0])
        offset = centres[0] - centres[1]
        beyond = np.maximum(np.abs(offset) - margin * (sizes[0] + sizes[1]), 0) * np.sign(offset)
        if (np.abs(beyond) < _TINY).all():
            return frozenset()
        x, y = beyond / np.linalg.norm(offset)
    found = {"left_of": x < -0.5, "right_of": x > 0.5, "above": y < -0.5, "below": y > 0.5}
    return frozenset(direction for direction, holds in found.items() if holds)


def direction_words(directions: Sequence[str] | frozenset[str]) -> str:
    """Directions as a sentence has them: "left of and above"."""
    ordered = [direction.replace("_", " ") for direction in DIRECTIONS if direction in directions]
    return " and ".join(ordered) or "on no side of"


def place_words(boxes: ImageBoxes, row: int) -> str:
    """Where a box is, in few words: "10,20 30x40"."""
    left, top, width, height = (f"{round(float(value), 1):g}" for value in boxes.boxes[row])
    return f"{left},{top} {width}x{height}"


def found_words(boxes: ImageBoxes, rows: Sequence[int]) -> str:
    """How many boxes were found, how confident each is and where it lies."""
    if not rows:
        return "found none"
    each = [f"{boxes.scores[row]:.4g} at {place_words(boxes, row)}" for row in rows[:_NAMED]]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"found {len(rows)} (confidence{'s' if len(rows) > 1 else ''} {', '.join(each)}{more})"


def _object_verdict(rule: ObjectRule, boxes: ImageBoxes, colours: Mapping[int, FoundColour] | None) -> Verdict:
    asked, matched, misses = rule.object, [], []
    beside: list[int] = []
    for row in _of_label(asked.label, boxes):
        lack = _lack(asked, boxes, row, colours)
        partners: list[int] = []
        for relation in rule.relations if lack is None else ():
            own, lack = _related(relation, rule, boxes, row, colours)
            partners += own
            if lack is not None:
                break
        if lack is None:
            matched.append(row)
            beside += partners
        else:
            misses.append(f"the one at {place_words(boxes, row)} {lack}")
    holds = rule.least <= len(matched) and (rule.most is None or len(matched) <= rule.most)
    said = f"asked for {rule}, {found_words(boxes, matched)}"
    if asked.colour is not None and matched and colours is not None:
        said += f", {_named_colours(matched, colours)}"
    if misses:
        more = f" and {len(misses) - _NAMED} more" if len(misses) > _NAMED else ""
        said += f"; not counted: {', '.join(misses[:_NAMED])}{more}"
    # Of too many, those with the least confidence are what is wrong.
    surplus = () if rule.most is None else tuple(matched[rule.most :])
    good = tuple(row for row in dict.fromkeys([*matched, *beside]) if row not in surplus)
    return Verdict(holds, (said,), good, surplus)


def _named_colours(rows: Sequence[int], colours: Mapping[int, FoundColour]) -> str:
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return ", ".join(str(colours[row]) for row in rows[:_NAMED]) + more


def _of_label(label: str, boxes: ImageBoxes) -> list[int]:
    """The boxes of a label, the most confident first, equal ones in the detector's order."""
    rows = [row for row, own in enumerate(boxes.labels) if own == label]
    return sorted(rows, key=lambda row: -boxes.scores[row])


def _sure(asked: AskedObject, boxes: ImageBoxes) -> list[int]:
    return [row for row in _of_label(asked.label, boxes) if boxes.scores[row] >= asked.confidence]


def _lack(asked: AskedObject, boxes: ImageBoxes, row: int, colours: Mapping[int, FoundColour] | None) -> str | None:
    """What a box of the object's label lacks, in words; None if nothing."""
    if boxes.scores[row] < asked.confidence:
        return f"has a confidence of {boxes.scores[row]:.4g}, under {asked.confidence:g}"
    if asked.colour is None:
        return None
    if colours is None or row not in colours:
        raise InputError(
            f"whether the box of {asked.label} at {place_words(boxes, row)} is {asked.colour} is not known; give the "
            "colours of the boxes that rows_to_colour names"
        )
    return None if colours[row].name == asked.colour else f"is {colours[row]}"


def _related(
    relation: Relation,
    rule: ObjectRule,
    boxes: ImageBoxes,
    row: int,
    colours: Mapping[int, FoundColour] | None,
) -> tuple[list[int], str | None]:
    """The boxes to which one lies as asked for; if there is none, what it lacks, in words."""
    targets = [
        other
        for other in _of_label(relation.target.label, boxes)
        if other != row and _lack(relation.target, boxes, other, colours) is None
    ]
    if not targets:
        return [], f"has no {relation.target} to be {_kind_words(relation.kind)}"
    holding = [other for other in targets if _lies(relation, rule, boxes, row, other)]
    if holding:
        return holding, None
    said = ", ".join(_lie_words(relation, rule, boxes, row, other) for other in targets[:2])
    more = f" and {len(targets) - 2} more" if len(targets) > 2 else ""
    return [], f"is {said}{more}"


def _kind_words(kind: str) -> str:
    return {"inside": "inside of", "overlaps": "overlapping with"}.get(kind, kind.replace("_", " "))


def _lies(relation: Relation, rule: ObjectRule, boxes: ImageBoxes, row: int, other: int) -> bool:
    if relation.kind in DIRECTIONS:
        return relation.kind in relative_directions(_corners(boxes, row), _corners(boxes, other), rule.margin)
    share, least = _shares(relation.kind, boxes, row, other), rule.share
    if relation.kind == "inside":
        return share >= (INSIDE_SHARE if least is None else least)
    return share > 0 if not least else share >= least


def _lie_words(relation: Relation, rule: ObjectRule, boxes: ImageBoxes, row: int, other: int) -> str:
    if relation.kind in DIRECTIONS:
        found = relative_directions(_corners(boxes, row), _corners(boxes, other), rule.margin)
        return f"{direction_words(found)} the {relation.target} at {place_words(boxes, other)}"
    share = _shares(relation.kind, boxes, row, other)
    how = f"with {share:.0%} of its box inside of" if relation.kind == "inside" else f"of an IoU of {share:.2f} with"
    return f"{how} the {relation.target} at {place_words(boxes, other)}"


def _corners(boxes: ImageBoxes, row: int) -> Float[np.ndarray, " 4"]:
    left, top, width, height = boxes.boxes[row]
    with np.errstate(over="ignore"):  # a box that ends beyond all numbers lies on no side of another
        return np.array([left, top, left + width, top + height])


def _shares(kind: str, boxes: ImageBoxes, row: int, other: int) -> float:
    """Of `inside`, how much of the box lies in the other; of `overlaps`, the intersection over union."""
    pair = boxes.boxes[[row, other]]
    # In a unit, a power of two, in which no area is infinite; shares are the same in every unit.
    largest = float(np.abs(pair).max())
    pair = np.ldexp(pair, -math.frexp(largest)[1]) if largest > _LARGEST_PLAIN else pair
    begin, end = pair[:, :2], pair[:, :2] + pair[:, 2:]
    width, height = map(float, end.min(0) - begin.max(0))
    if kind == "inside" and largest > _LARGEST_PLAIN:  # a small box in a huge one has no area in that unit
        return width / float(pair[0, 2]) * (height / float(pair[0, 3])) if width > 0 and height > 0 else 0.0
    common = width * height if width > 0 and height > 0 else 0.0
    own, its = (float(sides[0]) * float(sides[1]) for sides in pair[:, 2:])
    whole = own if kind == "inside" else own + its - common
    return common / whole if whole > 0 else 0.0
