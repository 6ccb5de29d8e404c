"""GenEval's prompts: what each asks for, read from its own file or folders."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval.detection.documents import parsed_json, read_limited
from jaxeval.detection.rules.colours import COLOUR_NAMES
from jaxeval.detection.rules.format import MOST_BYTES, told
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError
from jaxeval.files import local_path

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
MOST_OBJECTS = 16
"""How many boxes of a class count at most."""

PUBLISHED = "3639d2f4108d37af88e916ae166859a5e446ec8288a8fea92cba2a304cc90c25"
"""The `digest_of` the prompts in GenEval's repository."""

_DIRECTIONS = {"left of": "left_of", "right of": "right_of", "above": "above", "below": "below"}
_LONGEST = 2000


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
        lines = [(name, file, parsed_json(read_limited(file, MOST_BYTES), file, finite=True)) for name, file in files]
    else:
        content = read_limited(path, MOST_BYTES)
        rows = [(number, row) for number, row in enumerate(content.split(b"\n"), start=1) if row.strip()]
        if not rows:
            raise InputError(f"{path} is empty; give GenEval's file of prompts")
        lines = [
            (f"{place:05d}", f"{path}: line {number}", parsed_json(row, f"{path}: line {number}", finite=True))
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


def digest_of(prompts: Sequence[GenevalPrompt]) -> str:
    """Of what is asked for, whatever the file's layout."""
    rows = [dataclasses.astuple(prompt)[1:] for prompt in prompts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _prompt(name: str, where: str, given: Any) -> GenevalPrompt:
    fields = _fields(given, where, ("tag", "include", "prompt"), ("exclude",))
    for key in ("tag", "prompt"):
        if not isinstance(fields[key], str) or not 1 <= len(fields[key]) <= _LONGEST:
            raise InputError(f"{where}: {key} is {told(fields[key])}; give a text of up to {_LONGEST:,} letters")
        _check_whole(fields[key], f"{where}: {key}")
    groups = {}
    for key in ("include", "exclude"):
        many = fields.get(key, [])
        if not isinstance(many, list) or (key == "include" and not many):
            raise InputError(f"{where}: {key} is {told(many)}; give a list of objects")
        groups[key] = tuple(
            _group(f"{where}: {key}[{number}]", number, one, with_more=key == "include")
            for number, one in enumerate(many)
        )
    return GenevalPrompt(name, fields["tag"], fields["prompt"], groups["include"], groups["exclude"])


def _group(where: str, number: int, given: Any, *, with_more: bool) -> GenevalGroup:
    fields = _fields(given, where, ("class", "count"), ("color", "position") if with_more else ())
    label, count, most = fields["class"], fields["count"], MOST_OBJECTS
    if not isinstance(label, str) or not 1 <= len(label) <= _LONGEST:
        raise InputError(f"{where}.class is {told(label)}; give the name of a class")
    _check_whole(label, f"{where}.class")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise InputError(f"{where}.count is {told(count)}; give 1 to {most}, as no more boxes of a class are kept")
    colour = fields.get("color")
    if "color" in fields and (not isinstance(colour, str) or colour not in COLOUR_NAMES["clip"]):
        raise InputError(f"{where}.color is {told(colour)}; give one of {', '.join(COLOUR_NAMES['clip'])}")
    if "position" not in fields:
        return GenevalGroup(label, count, colour)
    position = fields["position"]
    if not isinstance(position, list) or len(position) != 2 or position[0] not in list(_DIRECTIONS):
        raise InputError(
            f"{where}.position is {told(position)}; give one of {', '.join(_DIRECTIONS)} and the place of an earlier "
            'object, as in ["above", 0]'
        )
    target = position[1]
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < number:
        raise InputError(f"{where}.position refers to object {told(target)}; give the place of an earlier one, from 0")
    return GenevalGroup(label, count, colour, _DIRECTIONS[position[0]], target)


def _check_whole(text: str, where: str) -> None:
    fault = fault_of([text])
    if fault is not None:
        raise InputError(f"{where} is {told(text)}, which has {fault}")


def _fields(given: Any, where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{where} is {told(given)}; give an object with {', '.join(required)}")
    for key in given:
        if key not in (*required, *optional):
            raise InputError(f"{where} has {told(key)}, which GenEval does not know; give {', '.join(required)}")
    for key in required:
        if key not in given:
            raise InputError(f"{where} has no {key!r}; give it")
    return given
