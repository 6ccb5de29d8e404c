"""In what numbers are not GenEval's as published, and signs that a detector does not work."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.geneval.prompts import (
    IMAGES_PER_PROMPT,
    PROMPTS,
    PUBLISHED,
    TASKS,
    GenevalPrompt,
    digest_of,
)
from jaxeval.detection.geneval.verdicts import DEFAULT_OPTIONS, GenevalOptions
from jaxeval.detection.rules.colours import GENEVAL_CLIP, Colours
from jaxeval.detection.rules.format import nearest
from jaxeval.detection.rules.judging import Judged
from jaxeval.errors import InputError

COCO_NAMES: Mapping[str, str] = {"computer mouse": "mouse", "tv remote": "remote", "computer keyboard": "keyboard"}
"""What COCO, and so most detectors, call classes that GenEval calls otherwise."""

_COLOUR_TASKS = ("colors", "color_attr")


def renamed(known: Sequence[str], labels: Mapping[str, str] | None, whose: str) -> tuple[str, ...]:
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


def check_classes(prompts: Sequence[GenevalPrompt], known: Sequence[str], name: str) -> None:
    """Raises InputError if there is a class that the detector does not know, with the nearest that it does."""
    missing = [label for label in _classes(prompts) if label not in set(known)]
    if missing:
        more = f" and {len(missing) - 1} more classes" if len(missing) > 1 else ""
        raise InputError(
            f"GenEval asks for {missing[0]!r}{more}, which the detector {name} does not know"
            f"{nearest(missing[0], list(known))}; say what it calls them with labels"
        )


def departures(
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
    elif digest_of(prompts) != PUBLISHED:
        said.append("the prompts are not those that GenEval has published; numbers do not compare with those of them")
    for name, pairing in result.pairings.items():
        counts = Counter(pairing.images_per_prompt)
        if set(counts) != {IMAGES_PER_PROMPT}:
            each = ", ".join(f"{count:,} of each of {times:,}" for count, times in sorted(counts.items()))
            said.append(
                f"{name}: GenEval's numbers are of {IMAGES_PER_PROMPT} images of each of {PROMPTS} prompts, and here "
                f"are {each}; numbers do not compare with those of all"
            )
    if options != DEFAULT_OPTIONS:
        said.append("thresholds are not GenEval's; numbers do not compare with those under its own")
    if teller is not None and not (teller.way == "clip" and teller.identity.get("network") == GENEVAL_CLIP):
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


def signs_of_failure(
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
