"""Every image of sets of boxes judged by what its prompt asks for; shared by rules and by GenEval."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from jaxeval._arguments import shown
from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.pairing import Pairing, paired
from jaxeval.detection.results import ImageOutcome, ShownBox
from jaxeval.detection.rules.colours import Colours, Crop, FoundColour
from jaxeval.detection.rules.logic import ImageBoxes, Verdict, boxes_by_image
from jaxeval.errors import InputError
from jaxeval.images import Source, open_source
from jaxeval.images.upright import upright_pixels
from jaxeval.progress import Progress

_CROPS_AT_A_TIME = 16


@runtime_checkable
class Prompt(Protocol):
    """What images were made from."""

    @property
    def name(self) -> str:
        """By which its images are found."""
        ...

    @property
    def cluster(self) -> str:
        """What its images have in common."""
        ...

    @property
    def category(self) -> str:
        """Of which kind it is; "" where prompts have none."""
        ...


_Prompt = TypeVar("_Prompt", bound=Prompt)


@dataclasses.dataclass(frozen=True)
class Judge(Generic[_Prompt]):
    """How a prompt's images are judged.

    Attributes:
      coloured: of a prompt and an image's boxes, the rows whose colour decides.
      verdict: of the same and the colours of these rows, by row.
      confidence: of a prompt and a label, what a box must have to be shown.
      asked: of a prompt, the labels that it speaks of.
    """

    coloured: Callable[[_Prompt, ImageBoxes], Sequence[int]]
    verdict: Callable[[_Prompt, ImageBoxes, Mapping[int, FoundColour]], Verdict]
    confidence: Callable[[_Prompt, str], float]
    asked: Callable[[_Prompt], frozenset[str]]


@dataclasses.dataclass(frozen=True)
class Judged:
    """Images of all sets, judged.

    Attributes:
      outcomes: of each image that has a prompt.
      pairings: of each set.
      warnings: sentences on what was left out.
    """

    outcomes: tuple[ImageOutcome, ...]
    pairings: Mapping[str, Pairing]
    warnings: tuple[str, ...]

    def counts(self, sets: Mapping[str, FoundBoxes], prompts: int) -> dict[str, Any]:
        """Plain values for the record: how many prompts there are, and of each set how many images and boxes."""
        by_set = {}
        for name, pairing in self.pairings.items():
            per_prompt = [count for count in pairing.images_per_prompt if count]
            by_set[name] = {
                "images": len(sets[name].images),
                "judged": sum(per_prompt),
                "prompts": len(per_prompt),
                "least_images_of_a_prompt": min(per_prompt),
                "most_images_of_a_prompt": max(per_prompt),
                "boxes": len(sets[name]),
            }
        return {"prompts": prompts, "sets": by_set}


def judged(
    prompts: Sequence[_Prompt],
    sets: Mapping[str, FoundBoxes],
    judge: Judge[_Prompt],
    *,
    images: Mapping[str, Source],
    colours: Colours | None,
    pattern: str | None,
    unmatched: str,
    progress: Progress | None,
    ignored: Callable[[str], bool] = lambda image: False,
) -> Judged:
    """The outcome of every image.

    Args:
      prompts: what the images were made from.
      sets: what was found in them, by name.
      judge: how they are judged.
      images: of each set, where colours decide.
      colours: how they are told; None where no prompt asks for any.
      pattern: what images are called, as of `paired`.
      unmatched: what becomes of images without a prompt and prompts without an image, as of `paired`.
      progress: who is told how far the reading of colours has come.
      ignored: whether an image of this name is no sample of any prompt, as a grid of samples is.

    Raises:
      InputError: as of `paired`; a colour decides and its image is not there, or is of another size.
    """
    outcomes: list[ImageOutcome] = []
    pairings: dict[str, Pairing] = {}
    warnings: list[str] = []
    stems = [prompt.name for prompt in prompts]
    for name, found in sets.items():
        pairing, beside = _paired(stems, found.images, ignored, pattern=pattern, unmatched=unmatched, name=name)
        pairings[name] = pairing
        if beside:
            warnings.append(f"{name}: {len(beside):,} images are no samples and left out, such as {beside[0]}")
        warnings += [f"{name}: {sentence}" for sentence in pairing.unmatched]
        by_image = boxes_by_image(found)
        of_image = {place: prompts[own] for place, own in enumerate(pairing.prompt_of_image) if own >= 0}
        rows = {place: judge.coloured(prompt, by_image[place]) for place, prompt in of_image.items()}
        wanted = {place: own for place, own in rows.items() if own}
        seen: dict[int, dict[int, FoundColour]] = {}
        if wanted:
            seen = _colours(found, by_image, wanted, images.get(name), colours, progress)
        for place, prompt in of_image.items():
            verdict = judge.verdict(prompt, by_image[place], seen.get(place, {}))
            outcomes.append(
                ImageOutcome(
                    image=found.images[place],
                    set=name,
                    prompt=prompt.cluster,
                    category=prompt.category,
                    values={"correct": verdict.value},
                    reasons=() if verdict.holds else verdict.reasons,
                    found=tuple(_shown(prompt, by_image[place], verdict, judge)),
                )
            )
    return Judged(tuple(outcomes), pairings, tuple(warnings))


def merged(parts: Iterable[Judged]) -> Judged:
    """Images of several sets that were judged one after the other."""
    every = list(parts)
    return Judged(
        tuple(outcome for one in every for outcome in one.outcomes),
        {name: pairing for one in every for name, pairing in one.pairings.items()},
        tuple(warning for one in every for warning in one.warnings),
    )


def _paired(
    stems: Sequence[str], images: Sequence[str], ignored: Callable[[str], bool], **options: Any
) -> tuple[Pairing, list[str]]:
    """The prompt of each image, and the images that are no samples."""
    kept = [place for place, image in enumerate(images) if not ignored(image)]
    pairing = paired(stems, [images[place] for place in kept], **options)
    of_image = [-1] * len(images)
    for place, own in zip(kept, pairing.prompt_of_image, strict=True):
        of_image[place] = own
    beside = [image for image in images if ignored(image)]
    return dataclasses.replace(pairing, prompt_of_image=tuple(of_image)), beside


def _shown(prompt: _Prompt, boxes: ImageBoxes, verdict: Verdict, judge: Judge[_Prompt]) -> Iterator[ShownBox]:
    """Confident boxes: those of what was asked for are good or not, and others neither."""
    asked = judge.asked(prompt)
    for row, label in enumerate(boxes.labels):
        matched = row in verdict.matched
        if not matched and row not in verdict.refused and boxes.scores[row] < judge.confidence(prompt, label):
            continue
        good = True if matched else False if label in asked or row in verdict.refused else None
        left, top, width, height = map(float, boxes.boxes[row])
        yield ShownBox(label, (left, top, width, height), float(boxes.scores[row]), None, good)


def sources_of(images: Any, sets: Mapping[str, FoundBoxes]) -> dict[str, Source]:
    """The images of each set.

    Args:
      images: as `score_rules` takes them; None where there are none.
      sets: what was found in them, by name.

    Raises:
      InputError: there are other sets of images than of boxes, or one cannot be opened.
    """
    if images is None:
        return {}
    names = list(sets)
    if isinstance(images, Mapping):
        missing = [name for name in names if name not in images]
        if missing:
            raise InputError(
                f"there are no images for the boxes of {missing[0]!r}; give them under this name, beside "
                f"{', '.join(map(repr, images))}"
            )
        return {name: open_source(images[name], name=name) for name in names}
    folders = isinstance(images, list | tuple) and all(isinstance(one, str | Path) for one in images)
    if len(names) == 1:
        alone = images[0] if folders and len(images) == 1 else images
        return {names[0]: open_source(alone, name=names[0])}
    if not folders or len(images) != len(names):
        raise InputError(
            f"images is {shown(images)} for {len(names)} sets of boxes; give one folder for each, or a mapping of the "
            f"names {', '.join(map(repr, names))} to them"
        )
    return {name: open_source(one, name=name) for name, one in zip(names, images, strict=True)}


def _colours(
    found: FoundBoxes,
    by_image: Sequence[ImageBoxes],
    wanted: Mapping[int, Sequence[int]],
    source: Source | None,
    colours: Colours | None,
    progress: Progress | None,
) -> dict[int, dict[int, FoundColour]]:
    """By image and row, the colours of those boxes that decide."""
    if source is None or colours is None:
        raise InputError(
            f"{found.name}: colours of boxes in {len(wanted):,} images decide, and there are no images to see them in; "
            "give the images beside the boxes"
        )
    places = {found.images[place]: place for place in wanted}
    told: dict[int, dict[int, FoundColour]] = {place: {} for place in wanted}
    pending: list[tuple[int, int, Crop]] = []
    if progress is not None:
        progress.begin(f"colours of {found.name}", len(wanted))

    def tell(least: int) -> None:
        while pending and len(pending) >= least:
            now, pending[:] = pending[:_CROPS_AT_A_TIME], pending[_CROPS_AT_A_TIME:]
            for (place, row, _), colour in zip(now, colours([crop for _, _, crop in now]), strict=True):
                told[place][row] = colour

    for item in source.items():
        place = places.pop(item.name, None)
        if place is None:
            continue
        pixels = upright_pixels(item)[0]
        _check_size(found, place, pixels)
        pending += ((place, row, _crop(by_image[place], row, pixels, item.where)) for row in wanted[place])
        tell(_CROPS_AT_A_TIME)
        if progress is not None:
            progress.advance(1)
    if places:
        raise InputError(
            f"{found.name}: colours of boxes in {next(iter(places))!r} decide, and {source.name} has no such image; "
            "give the images that the boxes are of"
        )
    tell(1)
    if progress is not None:
        progress.end()
    return told


def _check_size(found: FoundBoxes, place: int, pixels: np.ndarray) -> None:
    if found.sizes is None or not found.sizes[place].any():
        return
    height, width = map(int, found.sizes[place])
    if pixels.shape[:2] != (height, width):
        raise InputError(
            f"{found.name}: {found.images[place]} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and its boxes are "
            f"of {width} x {height}; give the images that were looked at"
        )


def _crop(boxes: ImageBoxes, row: int, pixels: np.ndarray, where: str) -> Crop:
    mask = None if boxes.masks is None else boxes.masks[row]
    if mask is not None and (mask.height, mask.width) != pixels.shape[:2]:
        raise InputError(
            f"{where} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and a mask of {mask.width} x {mask.height}; "
            "give the images that were looked at"
        )
    left, top, width, height = map(float, boxes.boxes[row])
    return Crop(pixels, (left, top, width, height), boxes.labels[row], None if mask is None else mask.pixels())
