"""GenEval: 553 prompts in six tasks, judged on a detector's boxes by its own rules and thresholds.

Reference: Ghosh, Hajishirzi and Schmidt, "GenEval: An Object-Focused Framework for Evaluating Text-to-Image Alignment",
NeurIPS 2023, and its scripts `evaluate_images.py` and `summary_scores.py`.
"""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxeval._arguments import at_least, checked, shown
from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.results import DetectionDifference, DetectionEvaluation, DetectionScore, ImageOutcome
from jaxeval.detection.rules.colours import COLOUR_NAMES, Colours, FoundColour, load_colours
from jaxeval.detection.rules.format import nearest, parsed, read_limited
from jaxeval.detection.rules.judging import Judge, Judged, judged, sets_given, sources_of
from jaxeval.detection.rules.logic import (
    ImageBoxes,
    Verdict,
    direction_words,
    found_words,
    place_words,
    relative_directions,
)
from jaxeval.detection.rules.scoring import CORRECT, check_detector
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.progress import Progress
from jaxeval.records import device_name, versions

TASKS: Mapping[str, int] = {
    "single_object": 80,
    "two_object": 99,
    "counting": 80,
    "colors": 94,
    "position": 100,
    "color_attr": 100,
}
"""GenEval's tasks and how many of its prompts each has."""

PROMPTS = sum(TASKS.values())
IMAGES_PER_PROMPT = 4
COCO_NAMES: Mapping[str, str] = {"computer mouse": "mouse", "tv remote": "remote", "computer keyboard": "keyboard"}
"""What COCO, and so most detectors, call classes that GenEval calls otherwise."""

_COLOUR_TASKS = ("colors", "color_attr")
_DIRECTIONS = {"left of": "left_of", "right of": "right_of", "above": "above", "below": "below"}
_MOST_BYTES = 64 << 20
_LONGEST = 2000


@dataclasses.dataclass(frozen=True)
class GenevalOptions:
    """GenEval's thresholds; numbers under others are not GenEval's.

    Attributes:
      confidence: that a box must exceed.
      counting_confidence: that a box must exceed where the task is `counting`.
      most_objects: how many boxes of a class are kept.
      margin: of positions, as of `relative_directions`.

    Example:
      >>> from jaxeval.detection.geneval import GenevalOptions
      >>> GenevalOptions()
      GenevalOptions(confidence=0.3, counting_confidence=0.9, most_objects=16, margin=0.1)
    """

    confidence: float = 0.3
    counting_confidence: float = 0.9
    most_objects: int = 16
    margin: float = 0.1

    def threshold(self, task: str) -> float:
        """The confidence that a box must exceed in a task."""
        return self.counting_confidence if task == "counting" else self.confidence


@dataclasses.dataclass(frozen=True)
class GenevalGroup:
    """Objects of one class that a prompt asks for, or must not have.

    Attributes:
      label: GenEval's name of the class.
      count: how many; of what must not be there, the least number that is wrong.
      colour: that each of them must have; None where any will do.
      direction: on which side of each of another group's objects each of them must lie; None where nothing is asked.
      target: the place of that group among those that are asked for.

    Example:
      >>> from jaxeval.detection.geneval import GenevalGroup
      >>> GenevalGroup("clock", 2).count
      2
    """

    label: str
    count: int
    colour: str | None = None
    direction: str | None = None
    target: int = -1


@dataclasses.dataclass(frozen=True)
class GenevalPrompt:
    """One of GenEval's prompts.

    Attributes:
      name: by which its images are found: the number of its line with five digits, or its folder's.
      task: one of `TASKS`.
      prompt: the text.
      include: what must be there, in the file's order.
      exclude: what must not be there.

    Example:
      >>> from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt
      >>> GenevalPrompt("00000", "single_object", "a photo of a bench", (GenevalGroup("bench", 1),)).category
      'single_object'
    """

    name: str
    task: str
    prompt: str
    include: tuple[GenevalGroup, ...]
    exclude: tuple[GenevalGroup, ...] = ()

    @property
    def cluster(self) -> str:
        """What its images have in common."""
        return self.prompt

    @property
    def category(self) -> str:
        """The task."""
        return self.task


def read_geneval(path: str | Path) -> tuple[GenevalPrompt, ...]:
    """Reads GenEval's prompts: its `evaluation_metadata.jsonl`, or folders `00000/metadata.jsonl` of one line each.

    The file is in GenEval's repository (github.com/djghosh13/geneval, `prompts/`), and jaxeval does not ship it.

    Args:
      path: the file, or the folder that has these folders.

    Raises:
      InputError: it cannot be read or is none; the sentence names the line, the place in it, and the value. Also two
        lines with one text that ask for different things.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection.geneval import read_geneval
      >>> line = '{"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"}'
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder) / "evaluation_metadata.jsonl"
      ...     _ = file.write_text(line)
      ...     read_geneval(file)[0].include
      (GenevalGroup(label='bench', count=1, colour=None, direction=None, target=-1),)
    """
    place = local_path(path)
    if place.is_dir():
        folders = sorted(one.name for one in place.iterdir() if one.is_dir() and re.fullmatch("[0-9]+", one.name))
        if not folders:
            raise InputError(f"{path} has no folders 00000, 00001 and so on; give GenEval's file of prompts")
        files = ((name, f"{path}/{name}/metadata.jsonl") for name in folders)
        lines = [(name, file, parsed(read_limited(file), file)) for name, file in files]
    else:
        content = read_limited(path, _MOST_BYTES)
        rows = [(number, row) for number, row in enumerate(content.split(b"\n"), start=1) if row.strip()]
        if not rows:
            raise InputError(f"{path} is empty; give GenEval's file of prompts")
        lines = [
            (f"{place:05d}", f"{path}: line {number}", parsed(row, f"{path}: line {number}"))
            for place, (number, row) in enumerate(rows)
        ]
    prompts = tuple(_prompt(name, where, value) for name, where, value in lines)
    seen: dict[str, GenevalPrompt] = {}
    for prompt, (_, where, _) in zip(prompts, lines, strict=True):
        before = seen.setdefault(prompt.prompt, prompt)
        if dataclasses.replace(before, name=prompt.name) != prompt:
            raise InputError(
                f"{where} has the text {prompt.prompt!r}, which {before.name} has with other objects; give each "
                "prompt a text of its own"
            )
    return prompts


def judge_geneval(
    prompt: GenevalPrompt,
    boxes: ImageBoxes,
    colours: Mapping[int, FoundColour] | None = None,
    options: GenevalOptions = GenevalOptions(),
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
    prompt: GenevalPrompt, boxes: ImageBoxes, options: GenevalOptions = GenevalOptions()
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


@checked(batch_size=at_least(1))
def score_geneval(
    metadata: str | Path | Sequence[GenevalPrompt],
    images: Any = None,
    *,
    detector: Any = None,
    found: Any = None,
    colours: str | Colours = "clip",
    labels: Mapping[str, str] | None = None,
    options: GenevalOptions = GenevalOptions(),
    check: Any = None,
    check_images: Any = None,
    check_share: float = 0.9,
    cache: str | Path | None = None,
    unmatched: str = "error",
    pattern: str | None = None,
    weights_dir: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """GenEval of sets of images, on the boxes that a detector finds in them.

    Images lie as GenEval's own generation writes them, `00000/samples/0000.png`, or flat: `00000_0.png` and others that
    `jaxeval.detection.pairing.paired` knows, where 00000 is the prompt's line in the file, from 0 on. Of GenEval's
    folders only what lies under `samples` by a number is an image, as in its script.

    The verdict on an image is `judge_geneval`'s. Each task's number is the share of its images that are correct, and
    GenEval's is the mean over tasks, so that each of the 99 prompts of one counts a little more than each of the 100
    of another. Its intervals are over other prompts of the same tasks. GenEval's own numbers are those of a
    Mask2Former with a Swin-S trunk (COCO, mmdetection) with masks; under another detector they compare with each other
    and not with published ones.

    Args:
      metadata: GenEval's file of prompts, the folder with its folders, or what `read_geneval` gives.
      images: one or several sets of images; also with `found`, where colours are asked for.
      detector: looks at the images; whatever `load_detector` takes.
      found: what it found already, as `FoundBoxes` or files.
      colours: how colours are told: `clip`, GenEval's way, or `named`, which needs no weights and is not GenEval's.
      labels: by GenEval's names of classes, what the detector calls them. COCO's three other names (`mouse`, `remote`
        and `keyboard`) are known.
      options: other thresholds.
      check: rules of what is seen in `check_images`; None where these lie in folders that are called by it.
      check_images: photographs that the detector must know before anything else is done, as of `check_detector`.
      check_share: the least share of them of which the rules must hold.
      cache: a folder that keeps what a detector finds.
      unmatched: what becomes of images without a prompt and prompts without an image: `error` or `skip`.
      pattern: what images are called, as of `paired`.
      weights_dir: the weights folder; by default `WeightsStore`'s own.
      batch_size: images that the detector is called with.
      threads: how many decode images.
      on_error: what an image that cannot be read is: the end (`fail`), or left out and said (`skip`).
      progress: who is told how far it has come.

    Returns:
      `geneval` (the mean over tasks), `correct` (the share of images, of all and of each task) and `correct-prompts`
      (the share of prompts with one correct image at least), with intervals; and each image with what was found and
      why it fails. Warnings say where these are not 553 prompts with 4 images each, where other ways or thresholds
      than GenEval's were taken, and where the detector seems not to work: in most images of single objects nothing is
      found, or a class is never found.

    Raises:
      InputError: the prompts or boxes are none, the detector fails the check or does not know a class, or images do
        not fit the prompts.
      WeightsMissingError: CLIP's weights or vocabulary are not there.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes
      >>> from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt, score_geneval
      >>> prompts = [GenevalPrompt("00000", "single_object", "a photo of a bench", (GenevalGroup("bench", 1),))]
      >>> found = FoundBoxes("ours", ("00000/samples/0000.png",), ("bench",), np.array([0]), np.array([0]),
      ...     np.array([[10.0, 20.0, 30.0, 40.0]]), np.array([0.9]))
      >>> result = score_geneval(prompts, found=found)
      >>> result.scores[0].metric, result.scores[0].value
      ('geneval', 1.0)
    """
    from jaxeval.detection.detectors import load_detector
    from jaxeval.detection.finding import warnings_of
    from jaxeval.detection.summary import SummaryMetric, summarise

    prompts = read_geneval(metadata) if isinstance(metadata, str | Path) else tuple(metadata)
    if not prompts:
        raise InputError("there are no prompts; give GenEval's file of them")
    asks_colours = any(group.colour for prompt in prompts for group in prompt.include)
    teller = load_colours(colours, weights_dir=weights_dir) if asks_colours else None
    detector = None if detector is None else load_detector(detector, weights_dir=weights_dir)
    if detector is not None and detector.labels is not None:
        _check_classes(prompts, _renamed(detector.labels, labels, detector.name), detector.name)
    if check is not None or check_images is not None:
        if detector is None or check_images is None:
            raise InputError("a check takes images and a detector; give check_images and detector")
        check_detector(
            check,
            check_images,
            detector,
            least=check_share,
            weights_dir=weights_dir,
            batch_size=batch_size,
            progress=progress,
        )
    given = sets_given(
        images,
        found,
        detector=detector,
        cache=cache,
        batch_size=batch_size,
        threads=threads,
        on_error=on_error,
        progress=progress,
    )
    sets = {name: dataclasses.replace(one, labels=_renamed(one.labels, labels, name)) for name, one in given.items()}
    result = judged(
        prompts,
        sets,
        _judge(options),
        images=sources_of(images, sets) if teller is not None else {},
        colours=teller,
        pattern=pattern,
        unmatched=unmatched,
        progress=progress,
        ignored=_beside_samples({prompt.name for prompt in prompts}) if pattern is None else lambda image: False,
    )
    names = list(sets)
    images_metric = {"correct": SummaryMetric("Correct images", "higher", CORRECT, limits=(0, 1))}
    prompts_metric = {
        "correct-prompts": SummaryMetric(
            "Correct prompts", "higher", "share of prompts with one correct image at least", limits=(0, 1)
        )
    }
    by_images = summarise(result.outcomes, images_metric, sets=names)
    by_prompts = summarise(_of_prompts(result.outcomes), prompts_metric, sets=names)
    whole = _mean_over_tasks(result.outcomes, *by_images)
    warnings = [
        *result.warnings,
        *_departures(prompts, sets, result, options, teller),
        *_signs_of_failure(prompts, sets, result, options),
        *warnings_of(sets),
    ]
    manifest = {
        "sets": {name: one.name for name, one in given.items()},
        "detector": {name: dict(one.identity) for name, one in sets.items()},
        "parameters": {
            "prompts": str(metadata) if isinstance(metadata, str | Path) else None,
            "prompts_sha256": _digest(prompts),
            "colours": None if teller is None else dict(teller.identity),
            "labels": dict(labels or {}),
            **dataclasses.asdict(options),
            "pattern": pattern,
            "unmatched": unmatched,
        },
        "counts": result.counts(sets, len(prompts)),
        "warnings": warnings,
        "not_computed": [],
        "versions": versions(),
        "device": device_name(),
    }
    return DetectionEvaluation(
        "geneval",
        (*whole[0], *by_images[0], *by_prompts[0]),
        (*whole[1], *by_images[1], *by_prompts[1]),
        result.outcomes,
        "correct",
        manifest,
    )


def _prompt(name: str, where: str, given: Any) -> GenevalPrompt:
    fields = _fields(given, where, ("tag", "include", "prompt"), ("exclude",))
    for key in ("tag", "prompt"):
        if not isinstance(fields[key], str) or not 1 <= len(fields[key]) <= _LONGEST:
            raise InputError(f"{where}: {key} is {shown(fields[key])}; give a text")
    groups = {}
    for key in ("include", "exclude"):
        many = fields.get(key, [])
        if not isinstance(many, list) or (key == "include" and not many):
            raise InputError(f"{where}: {key} is {shown(many)}; give a list of objects")
        groups[key] = tuple(
            _group(f"{where}: {key}[{number}]", number, one, with_more=key == "include")
            for number, one in enumerate(many)
        )
    return GenevalPrompt(name, fields["tag"], fields["prompt"], groups["include"], groups["exclude"])


def _group(where: str, number: int, given: Any, *, with_more: bool) -> GenevalGroup:
    fields = _fields(given, where, ("class", "count"), ("color", "position") if with_more else ())
    label, count, most = fields["class"], fields["count"], GenevalOptions().most_objects
    if not isinstance(label, str) or not 1 <= len(label) <= _LONGEST:
        raise InputError(f"{where}.class is {shown(label)}; give the name of a class")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise InputError(f"{where}.count is {shown(count)}; give 1 to {most}, as no more boxes of a class are kept")
    colour = fields.get("color")
    if "color" in fields and (not isinstance(colour, str) or colour not in COLOUR_NAMES["clip"]):
        raise InputError(f"{where}.color is {shown(colour)}; give one of {', '.join(COLOUR_NAMES['clip'])}")
    if "position" not in fields:
        return GenevalGroup(label, count, colour)
    position = fields["position"]
    if not isinstance(position, list) or len(position) != 2 or position[0] not in list(_DIRECTIONS):
        raise InputError(
            f"{where}.position is {shown(position)}; give one of {', '.join(_DIRECTIONS)} and the place of an earlier "
            'object, as in ["above", 0]'
        )
    target = position[1]
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < number:
        raise InputError(f"{where}.position refers to object {shown(target)}; give the place of an earlier one, from 0")
    return GenevalGroup(label, count, colour, _DIRECTIONS[position[0]], target)


def _fields(given: Any, where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{where} is {shown(given)}; give an object with {', '.join(required)}")
    for key in given:
        if key not in (*required, *optional):
            raise InputError(f"{where} has {shown(key)}, which GenEval does not know; give {', '.join(required)}")
    for key in required:
        if key not in given:
            raise InputError(f"{where} has no {key!r}; give it")
    return given


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


def _judge(options: GenevalOptions) -> Judge[GenevalPrompt]:
    return Judge(
        coloured=lambda prompt, boxes: geneval_rows_to_colour(prompt, boxes, options),
        verdict=lambda prompt, boxes, colours: judge_geneval(prompt, boxes, colours, options),
        confidence=lambda prompt, label: options.threshold(prompt.task),
        asked=lambda prompt: frozenset(group.label for group in (*prompt.include, *prompt.exclude)),
    )


def _beside_samples(names: set[str]) -> Any:
    """Tells what lies in a prompt's folder and is no sample, such as the grid that GenEval's generation writes."""

    def beside(image: str) -> bool:
        folders = image.split("/")[:-1]
        stem = image.rpartition("/")[2].rpartition(".")[0]
        parent = folders[-2:-1] if folders[-1:] == ["samples"] else folders[-1:]
        inside = not names.isdisjoint(parent)
        return inside and re.fullmatch("[0-9]+", stem) is None

    return beside


def _renamed(known: Sequence[str], labels: Mapping[str, str] | None, whose: str) -> tuple[str, ...]:
    """A detector's labels under GenEval's names; one that stands twice, as a filler of gaps, is one."""
    known = tuple(dict.fromkeys(known))
    wanted = {**COCO_NAMES, **(labels or {})}
    for own, theirs in (labels or {}).items():
        if theirs not in known:
            raise InputError(
                f"labels calls {own!r} {theirs!r}, and {whose} has no such label{nearest(theirs, list(known))}"
            )
    back = {theirs: own for own, theirs in wanted.items() if own not in known or own in (labels or {})}
    renamed = tuple(back.get(label, label) for label in known)
    if len(set(renamed)) != len(renamed):
        twice = next(label for label, times in Counter(renamed).items() if times > 1)
        raise InputError(f"{whose}: two labels would be {twice!r}; name each class once in labels")
    return renamed


def _classes(prompts: Sequence[GenevalPrompt]) -> list[str]:
    groups = (group for prompt in prompts for group in (*prompt.include, *prompt.exclude))
    return list(dict.fromkeys(group.label for group in groups))


def _check_classes(prompts: Sequence[GenevalPrompt], known: Sequence[str], name: str) -> None:
    missing = [label for label in _classes(prompts) if label not in set(known)]
    if missing:
        more = f" and {len(missing) - 1} more classes" if len(missing) > 1 else ""
        raise InputError(
            f"GenEval asks for {missing[0]!r}{more}, which the detector {name} does not know"
            f"{nearest(missing[0], list(known))}; say what it calls them with labels"
        )


def _of_prompts(outcomes: Sequence[ImageOutcome]) -> list[ImageOutcome]:
    """Of each set and prompt one outcome: whether any of its images is correct."""
    any_of: dict[tuple[str, str], ImageOutcome] = {}
    for outcome in outcomes:
        key = (outcome.set, outcome.prompt)
        best = max(
            outcome.values["correct"] or 0.0, any_of[key].values["correct-prompts"] or 0.0 if key in any_of else 0
        )
        any_of[key] = ImageOutcome(
            outcome.prompt, outcome.set, outcome.prompt, outcome.category, {"correct-prompts": best}
        )
    return list(any_of.values())


def _mean_over_tasks(
    outcomes: Sequence[ImageOutcome], scores: Sequence[DetectionScore], differences: Sequence[DetectionDifference]
) -> tuple[list[DetectionScore], list[DetectionDifference]]:
    """GenEval's number of each set, and differences, from the shares of correct images.

    The mean over tasks is the mean over images of which each weighs one over the number of its task's; and tasks are
    what they are, so that errors are those within them.
    """
    from jaxeval.ops import clustered_ratio, paired_clustered_difference

    whole, apart = [], []
    for every in (one for one in scores if not one.category):
        rows = _weighed([one for one in outcomes if one.set == every.set])
        tasks = len(set(rows.tasks))
        found = clustered_ratio(rows.values, rows.weights, rows.prompts, strata=rows.tasks, limits=(0, 1))
        whole.append(
            dataclasses.replace(
                every,
                metric="geneval",
                label="GenEval",
                value=found.value,
                interval=found.interval,
                definition=f"mean over {tasks} tasks of the share of correct images, as summary_scores.py has it",
            )
        )
    for every in (one for one in differences if not one.category):
        sides = [[one for one in outcomes if one.set == name] for name in (every.first, every.second)]
        shared = {one.prompt for one in sides[0]} & {one.prompt for one in sides[1]}
        old, new = (_weighed([one for one in side if one.prompt in shared]) for side in sides)
        found = paired_clustered_difference(
            old.values,
            old.prompts,
            new.values,
            new.prompts,
            first_denominators=old.weights,
            second_denominators=new.weights,
            first_strata=old.tasks,
            second_strata=new.tasks,
            limits=(0, 1),
        )
        apart.append(
            dataclasses.replace(
                every,
                metric="geneval",
                label="GenEval",
                value=found.value,
                interval=found.interval,
                p_value=found.p_value,
            )
        )
    return whole, apart


class _Weighed(NamedTuple):
    values: np.ndarray
    weights: np.ndarray
    prompts: list[str]
    tasks: list[str]


def _weighed(outcomes: Sequence[ImageOutcome]) -> _Weighed:
    """Images of one set, each with one over the number of images of its task."""
    tasks = [one.category for one in outcomes]
    sizes = Counter(tasks)
    weights = np.array([1 / sizes[task] for task in tasks])
    values = np.array([one.values["correct"] for one in outcomes], np.float64)
    return _Weighed(values * weights, weights, [one.prompt for one in outcomes], tasks)


def _departures(
    prompts: Sequence[GenevalPrompt],
    sets: Mapping[str, FoundBoxes],
    result: Judged,
    options: GenevalOptions,
    teller: Colours | None,
) -> list[str]:
    """In what the numbers are not of GenEval as published."""
    said = []
    if dict(Counter(prompt.task for prompt in prompts)) != dict(TASKS):
        said.append(
            f"GenEval has {PROMPTS} prompts in six tasks, and these are {len(prompts):,} in "
            f"{len({prompt.task for prompt in prompts})}; numbers do not compare with those of all"
        )
    elif _digest(prompts) != _PUBLISHED:
        said.append("the prompts are not those that GenEval has published; numbers do not compare with those of them")
    for name, pairing in result.pairings.items():
        counts = Counter(pairing.images_per_prompt)
        if set(counts) != {IMAGES_PER_PROMPT}:
            each = ", ".join(f"{count:,} of each of {times:,}" for count, times in sorted(counts.items()))
            said.append(
                f"{name}: GenEval's numbers are of {IMAGES_PER_PROMPT} images of each of {PROMPTS} prompts, and here "
                f"are {each}; numbers do not compare with those of all"
            )
    if options != GenevalOptions():
        said.append("thresholds are not GenEval's; numbers do not compare with those under its own")
    if teller is not None and not (teller.way == "clip" and teller.identity.get("network") == "clip-vit-l-14"):
        said.append(
            f"colours are told by {teller.identity.get('network', teller.way)!r}, and GenEval's by CLIP ViT-L/14; "
            f"{' and '.join(_COLOUR_TASKS)} do not compare with numbers of it"
        )
    for name, found in sets.items():
        if teller is not None and len(found) and found.masks is None:
            said.append(
                f"{name}: the detector gives no masks, by which GenEval paints out what is around an object before its "
                f"colour is told; {' and '.join(_COLOUR_TASKS)} do not compare with numbers under masks"
            )
    return said


def _signs_of_failure(
    prompts: Sequence[GenevalPrompt], sets: Mapping[str, FoundBoxes], result: Judged, options: GenevalOptions
) -> list[str]:
    """What a detector that does not work does, which says nothing of itself."""
    said = []
    classes = _classes(prompts)
    ever: set[str] = set()
    for name, found in sets.items():
        sure = found.scores > np.float32(options.confidence)
        ever |= {found.labels[place] for place in np.unique(found.label[sure])}
        own = result.pairings[name].prompt_of_image
        single = [place for place, prompt in enumerate(own) if prompt >= 0 and prompts[prompt].task == "single_object"]
        filled = set(np.unique(found.image[sure]).tolist())
        empty = sum(place not in filled for place in single)
        if 2 * empty > len(single):
            said.append(
                f"{name}: in {empty:,} of {len(single):,} images of single objects nothing at all is found; the "
                "detector's weights, labels or order of colours may be wrong"
            )
    never = [label for label in classes if label not in ever]
    if never:
        known = list(dict.fromkeys(label for found in sets.values() for label in found.labels))
        strange = next((label for label in never if label not in known), None)
        hint = nearest(strange, known) if strange is not None else ""
        named = ", ".join(map(repr, [*([strange] if strange else []), *(one for one in never if one != strange)][:3]))
        more = f" and {len(never) - 3:,} more" if len(never) > 3 else ""
        said.append(
            f"{len(never):,} of {len(classes):,} classes that are asked for are found in no image: {named}{more}; the "
            f"detector may call them otherwise{hint}"
        )
    return said


def _digest(prompts: Sequence[GenevalPrompt]) -> str:
    """Of what is asked for, whatever the file's layout."""
    rows = [dataclasses.astuple(prompt)[1:] for prompt in prompts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


_PUBLISHED = "3639d2f4108d37af88e916ae166859a5e446ec8288a8fea92cba2a304cc90c25"
"""Of the prompts in GenEval's repository."""
