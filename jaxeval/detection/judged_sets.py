"""Sets of images whose boxes are judged by what their prompts asked for, and the record of how they were found."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval._arguments import number, shown
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.finding import sets_of_boxes, warnings_of
from jaxeval.errors import InputError
from jaxeval.progress import Progress
from jaxeval.records import device_name, versions


@dataclasses.dataclass(frozen=True)
class Looking:
    """How boxes are had: the arguments of `sets_of_boxes`, which all tasks have in common.

    Attributes:
      cache: a folder that keeps what a detector found.
      batch_size: how many images a detector is called with.
      threads: how many decode.
      on_error: what an image that cannot be read is.
      progress: who is told how far it has come.
    """

    cache: str | Path | None = None
    batch_size: int = 8
    threads: int | None = None
    on_error: str = "fail"
    progress: Progress | None = None


def judged_sets(images: Any, *, detector: Any, found: Any, looking: Looking) -> dict[str, FoundBoxes]:
    """The boxes of each set by its name, from a detector, from files, or as they are given.

    Args:
      images: as of `sets_of_boxes`.
      detector: as there.
      found: as there; or `FoundBoxes`, one, several as a list, or several by name.
      looking: how a detector looks.

    Raises:
      InputError: as `sets_of_boxes`; or nothing is given to judge, or boxes at hand and a detector, or what was found
        is of another kind, or two sets of boxes have one name.
    """
    at_hand = boxes_by_name(found)
    if isinstance(at_hand, Mapping) and any(isinstance(one, FoundBoxes) for one in at_hand.values()):
        strange = [name for name, one in at_hand.items() if not isinstance(one, FoundBoxes)]
        if strange or detector is not None:
            what = f"found has boxes and, as {strange[0]!r}, none" if strange else "found and a detector are given"
            raise InputError(f"{what}; give boxes of every set, or a detector that looks at the images")
        return {str(name): dataclasses.replace(one, name=str(name)) for name, one in at_hand.items()}
    if images is None and found is None:
        raise InputError("there is nothing to judge; give images, or files of what was found in them")
    options = {field.name: getattr(looking, field.name) for field in dataclasses.fields(looking)}
    return sets_of_boxes(images, detector=detector, found=at_hand, **options)


def a_share(name: str, value: Any) -> float:
    """A check, as `jaxeval._arguments.checked` takes it, for a number from 0 to 1.

    Raises:
      InputError: it is none.
    """
    if not 0 <= number(name, value) <= 1:
        raise InputError(f"{name} is {value:g}; give a number from 0 to 1")
    return value


def boxes_by_name(found: Any) -> Any:
    """Boxes at hand by their names; files, and None, as they are given.

    Args:
      found: `FoundBoxes` or files of boxes: one, several as a list, or several by name.

    Raises:
      InputError: it is something else, or empty, or a list of boxes and files, or two boxes of one name.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes
      >>> from jaxeval.detection.judged_sets import boxes_by_name
      >>> rows = (*np.zeros((2, 0), int), np.zeros((0, 4)), np.zeros(0))
      >>> sets = [FoundBoxes(name, ("a.png",), ("cat",), *rows) for name in ("a", "b")]
      >>> list(boxes_by_name(sets)), boxes_by_name("boxes.json")
      (['a', 'b'], 'boxes.json')
    """
    if isinstance(found, FoundBoxes):
        return {found.name: found}
    if found is None or isinstance(found, str | os.PathLike):
        return found
    several = list(found.values()) if isinstance(found, Mapping) else found
    if not isinstance(several, list | tuple):
        several = [found]
    elif not several:
        raise InputError("found is empty; give FoundBoxes, or files of boxes, of one set at least")
    for one in several:
        if not isinstance(one, FoundBoxes | str | os.PathLike):
            what = f"true boxes ({one.name})" if isinstance(one, TrueBoxes) else shown(one)
            raise InputError(f"found has {what}; give FoundBoxes or files of boxes, one, several as a list, or by name")
    boxes = [one for one in several if isinstance(one, FoundBoxes)]
    if isinstance(found, Mapping) or not boxes:
        return found
    if len(boxes) < len(several):
        raise InputError("found has boxes and files; give boxes of every set, or files of all")
    names = [one.name for one in boxes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"found has two sets of boxes of the name {twice!r}; give them by names of their own")
    return dict(zip(names, boxes, strict=True))


def manifest_of(
    sets: Mapping[str, FoundBoxes],
    *,
    images: Any,
    found: Any,
    parameters: Mapping[str, Any],
    counts: Mapping[str, int],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The manifest of a `DetectionEvaluation`.

    Args:
      sets: the boxes.
      images: where the images are, as it was given.
      found: where the boxes are, as it was given.
      parameters: what was asked for.
      counts: of images and others.
      warnings: sentences.
    """
    return {
        "sets": _sources(list(sets), images if images is not None else found),
        "detector": {name: dict(own.identity) for name, own in sets.items()},
        "parameters": dict(parameters),
        "counts": dict(counts),
        "warnings": [*warnings_of(sets), *warnings],
        "not_computed": [],
        "versions": versions(),
        "device": device_name(),
    }


def _sources(names: Sequence[str], given: Any) -> dict[str, str]:
    """Where each set is from, as it was given; "" of what has no place."""
    if isinstance(given, Mapping):
        places = [given.get(name) for name in names]
    elif isinstance(given, str | Path | FoundBoxes):
        places = [given]
    else:
        places = list(given)
    return {
        name: str(place) if isinstance(place, str | Path) else "" for name, place in zip(names, places, strict=True)
    }
