"""`score_pairs`: how far are distorted images from their references, image by image and set by set?"""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval.errors import InputError
from jaxeval.evaluation.pair_matching import Matching, match_pairs, open_images
from jaxeval.evaluation.pair_measures import PairMeasure, pair_measures
from jaxeval.evaluation.pair_results import (
    PairDifference,
    PairMean,
    PairScores,
    PairsEvaluation,
    difference_of,
    mean_of,
)
from jaxeval.evaluation.pair_scoring import Chosen, Task, score_tasks
from jaxeval.evaluation.reading import Progress
from jaxeval.evaluation.run import device_name, versions
from jaxeval.images import Item, PixelLayout, pixel_layout

__all__ = ["PairSettings", "choose_conventions", "score_pairs"]

_MOST_THREADS = 32
_MANY_SHAPES = 8


def score_pairs(
    reference: str | Path,
    distorted: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    metrics: str | Sequence[str] = "psnr,ssim",
    convention: str | None = None,
    channels: str = "all",
    crop_border: int = 0,
    data_range: float | None = None,
    unmatched: str = "error",
    on_error: str = "fail",
    batch_size: int = 16,
    threads: int | None = None,
    progress: Progress | None = None,
) -> PairsEvaluation:
    """Scores distorted images against the reference images of the same name.

    Args:
      reference: a folder of images (at any depth), or one image.
      distorted: one such set or several, perhaps by name.
      metrics: names (`jaxeval.evaluation.PAIR_MEASURES`), or `all`, `full-reference`, `no-reference`; also as
        comma-separated text.
      convention: whose SSIM and MS-SSIM: a name, given to each that has it, or `ssim=NAME,ms-ssim=NAME`.
      channels: "all"; "y", the luma; or "y-rounded", rounded to 8 bits; for the measures that do not choose themselves.
      crop_border: pixels left out along every edge, before anything else.
      data_range: width of the values' range; by default that of the images' bits, 255 or 65,535.
      unmatched: what an image without a partner is: an "error", or left out and said ("skip").
      on_error: what an image that cannot be read, or whose partner has another size, is: the end ("fail"), or left out
        and said ("skip").
      batch_size: most images at a time; images of one shape go together.
      threads: how many decode; by default one for each processor.
      progress: who is told how far it has come.

    Returns:
      A score of each image, means with 95% intervals over the images, and paired differences of each two sets.

    Raises:
      InputError: an argument is wrong, names do not match, sizes do not agree, an image cannot be read or is too small
        for a measure that was asked for by name, or nothing is left to score.
    """
    settings = PairSettings(metrics, convention, channels, crop_border, data_range)
    for name, value, allowed in (("unmatched", unmatched, ("error", "skip")), ("on_error", on_error, ("fail", "skip"))):
        if value not in allowed:
            raise InputError(f"{name} {value!r} must be {allowed[0]!r} or {allowed[1]!r}")
    if batch_size < 1:
        raise InputError(f"batch size {batch_size} must be 1 or more")
    if threads is not None and threads < 1:
        raise InputError(f"threads {threads} must be 1 or more")
    sets = _named(distorted)
    skip, name = on_error == "skip", str(reference)
    threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    ours = open_images(reference)
    matchings = [match_pairs(name, ours, own, open_images(path), skip=unmatched == "skip") for own, path in sets]
    if name in dict(sets):
        raise InputError(f"{name!r} is the reference and a distorted set; give other sets, or name them")
    with ThreadPoolExecutor(threads) as pool:
        tasks, left_out = _tasks(matchings, skip, pool)
    if not tasks:
        raise InputError(f"no pair is left to score: {left_out[0][1]}")
    chosen, not_computed = settings.suited(sorted({task.layout for task in tasks}, key=str), _example(tasks))
    tasks += _of_the_reference(name, tasks, chosen)
    if progress is not None:
        shapes = len({task.layout for task in tasks})
        note = f"pairs ({shapes} shapes, each compiled once)" if shapes > _MANY_SHAPES else "pairs"
        progress.begin(note, len(tasks))
    skipped: list[tuple[Task, str]] = []
    found: dict[tuple[str, str], PairScores] = {}
    for task, values in score_tasks(
        tasks,
        chosen,
        crop_border=crop_border,
        batch_size=batch_size,
        threads=threads,
        skipped=skipped,
        skip=skip,
        advance=(lambda count: None) if progress is None else progress.advance,
    ):
        layout = task.layout
        found[task.set, task.image] = PairScores(
            task.image, task.set, layout.height, layout.width, layout.channels, layout.bits, values
        )
    if progress is not None:
        progress.end()
    left_out += skipped
    if not found:
        raise InputError(f"no pair is left to score: {left_out[0][1]}")
    scores = tuple(found[task.set, task.image] for task in tasks if (task.set, task.image) in found)
    means = tuple(_means(scores, chosen, name))
    differences = tuple(_differences(scores, chosen, [own for own, _ in sets]))
    unmatched_sentences = [sentence for matching in matchings for sentence in matching.unmatched]
    manifest = {
        "reference": name,
        "distorted": {own: str(path) for own, path in sets},
        "images": {own: sum(score.set == own for score in scores) for own in [*dict(sets), name]},
        "settings": settings.record(),
        "definitions": {one.measure.name: _record(one) for one in chosen},
        "data_ranges": sorted({_data_range(task.layout, data_range) for task in tasks}),
        "layouts": sorted({str(task.layout) for task in tasks}),
        "unmatched": unmatched_sentences,
        "skipped": [{"set": task.set, "image": task.image, "reason": reason} for task, reason in left_out],
        "not_computed": not_computed,
        "warnings": _warnings(means, scores, [own for own, _ in sets], unmatched_sentences, left_out, chosen, channels),
        "device": device_name(),
        "versions": versions(),
    }
    return PairsEvaluation(means, differences, scores, manifest)


class PairSettings:
    """What the user asked for, checked once for images and videos alike.

    Args:
      metrics, convention, channels, crop_border, data_range: of `score_pairs`.

    Raises:
      InputError: one of them is wrong.
    """

    def __init__(
        self,
        metrics: str | Sequence[str],
        convention: str | None,
        channels: str,
        crop_border: int,
        data_range: float | None,
    ):
        self.measures, self._in_groups = pair_measures(metrics)
        if channels not in ("all", "y", "y-rounded"):
            raise InputError(f"channels {channels!r} is not known; choose from all, y, y-rounded")
        if crop_border < 0:
            raise InputError(f"crop border {crop_border} must be 0 or more")
        if data_range is not None and not (np.isfinite(data_range) and data_range > 0):
            raise InputError(f"data range {data_range} must be a positive number, such as 255")
        self.channels, self.crop_border, self.data_range = channels, crop_border, data_range
        self.conventions = choose_conventions(self.measures, convention)

    def suited(
        self, layouts: Iterable[PixelLayout], example: Mapping[PixelLayout, str]
    ) -> tuple[list[Chosen], list[dict[str, str]]]:
        """The measures that take all of these images, and what was left out of a group because they do not.

        Raises:
          InputError: a measure that was asked for by name does not take an image; or none is left.
        """
        layouts = list(layouts)
        for layout in layouts:
            if min(layout.height, layout.width) - 2 * self.crop_border < 1:
                raise InputError(f"crop border {self.crop_border} leaves nothing of {example[layout]} ({layout})")
        chosen, left_out = [], []
        for measure in self.measures:
            reason = next(filter(None, (self._refusal(measure, one, example[one]) for one in layouts)), None)
            if reason is None:
                options = {}
                if measure.conventions:
                    options["convention"] = self.conventions[measure.name]
                if measure.takes_channels:
                    options["channels"] = self.channels
                chosen.append(Chosen(measure, measure.load(), options, self.data_range))
            elif measure.name in self._in_groups:
                left_out.append({"metric": measure.name, "sentence": reason})
            else:
                raise InputError(f"{reason}; leave {measure.name} out")
        if not chosen:
            raise InputError(f"no metric can be computed: {left_out[0]['sentence']}")
        return chosen, left_out

    def _refusal(self, measure: PairMeasure, layout: PixelLayout, example: str) -> str | None:
        least = measure.smallest(self.conventions.get(measure.name))
        if min(layout.height, layout.width) - 2 * self.crop_border < least:
            crop = f" after {self.crop_border} are cropped along every edge" if self.crop_border else ""
            return f"{measure.name} needs sides of at least {least} pixels{crop}, but {example} is {layout}"
        if layout.channels not in measure.colours:
            return f"{measure.name} needs colour, but {example} is {layout}"
        return None

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "metrics": [measure.name for measure in self.measures],
            "conventions": self.conventions,
            "channels": self.channels,
            "crop_border": self.crop_border,
            "data_range": self.data_range,
        }


def choose_conventions(measures: Sequence[PairMeasure], convention: str | None) -> dict[str, str]:
    """The convention of each measure that has several.

    Args:
      measures: those that are wanted.
      convention: a name, given to each measure that has it; or `measure=NAME`, comma-separated; or None.

    Raises:
      InputError: no wanted measure has it.
    """
    chosen = {measure.name: measure.conventions[0] for measure in measures if measure.conventions}
    known = {measure.name: measure.conventions for measure in measures if measure.conventions}
    for part in filter(None, (piece.strip() for piece in (convention or "").split(","))):
        own, _, value = part.rpartition("=")
        own = own.strip().replace("_", "-")
        takers = [name for name, all_of_it in known.items() if value.strip() in all_of_it and own in ("", name)]
        if not takers:
            choices = "; ".join(f"{name}: {', '.join(values)}" for name, values in known.items())
            raise InputError(
                f"convention {part!r} is not one of a wanted metric"
                + (f"; there are {choices}" if choices else "; none of the wanted metrics has conventions")
            )
        chosen.update(dict.fromkeys(takers, value.strip()))
    return chosen


def _named(distorted: str | Path | Sequence[str | Path] | Mapping[str, str | Path]) -> list[tuple[str, Path]]:
    if isinstance(distorted, Mapping):
        named = [(str(name), Path(path)) for name, path in distorted.items()]
    else:
        several = [distorted] if isinstance(distorted, str | Path) else list(distorted)
        named = [(str(path), Path(path)) for path in several]
    if not named:
        raise InputError("no distorted set was given; name at least one folder")
    twice = [name for name, _ in named if sum(name == other for other, _ in named) > 1]
    if twice:
        raise InputError(f"the distorted set {twice[0]!r} is given twice")
    return named


def _tasks(
    matchings: Sequence[Matching], skip: bool, pool: ThreadPoolExecutor
) -> tuple[list[Task], list[tuple[Task, str]]]:
    """What to score, and pairs that are left out as they cannot be compared."""
    tasks: list[Task] = []
    left_out: list[tuple[Task, str]] = []
    of_reference: dict[str, PixelLayout | InputError] = {}
    for matching in matchings:
        stems = list(matching.pairs)
        theirs = list(pool.map(_layout_or_error, (pair[1] for pair in matching.pairs.values())))
        unknown = [stem for stem in stems if stem not in of_reference]
        ours = pool.map(_layout_or_error, (matching.pairs[stem][0] for stem in unknown))
        of_reference.update(zip(unknown, ours, strict=True))
        for stem, own in zip(stems, theirs, strict=True):
            reference, distorted = matching.pairs[stem]
            known = of_reference[stem]
            reason = _disagreement(reference, known, distorted, own)
            layout = own if isinstance(own, PixelLayout) else PixelLayout(0, 0, 1, 8)
            task = Task(stem, matching.name, layout, distorted, reference)
            if reason is None:
                tasks.append(task)
            elif skip:
                left_out.append((task, reason))
            else:
                raise InputError(f"{reason}; mend or remove it, or have such images left out (--on-error skip)")
    return tasks, left_out


def _layout_or_error(item: Item) -> PixelLayout | InputError:
    try:
        return pixel_layout(item)
    except InputError as error:
        return error


def _disagreement(
    reference: Item, known: PixelLayout | InputError, distorted: Item, own: PixelLayout | InputError
) -> str | None:
    """Why two images cannot be compared; None if they can."""
    for layout in (known, own):
        if isinstance(layout, InputError):
            return str(layout).rstrip(".")
    return None if known == own else f"{distorted.where} is {own}, but {reference.where} is {known}"


def _example(tasks: Sequence[Task]) -> dict[PixelLayout, str]:
    """An image of each layout, for messages."""
    return {task.layout: task.distorted.where for task in reversed(tasks)}


def _of_the_reference(name: str, tasks: Sequence[Task], chosen: Sequence[Chosen]) -> list[Task]:
    """The reference's own images, where measures of single images are wanted."""
    if not any(one.measure.alone for one in chosen):
        return []
    once: dict[str, Task] = {}
    for task in tasks:
        if task.reference is not None and task.image not in once:
            once[task.image] = Task(task.image, name, task.layout, task.reference, None)
    return list(once.values())


def _data_range(layout: PixelLayout, given: float | None) -> float:
    return float(layout.data_range if given is None else given)


def _record(one: Chosen) -> dict[str, Any]:
    """Whose number a measure is, as plain values."""
    return {
        "definition": one.measure.definition,
        "op": getattr(one.op, "__name__", one.measure.name),
        "better": one.measure.better,
        "unit": one.measure.unit,
        **one.options,
    }


def _means(scores: Sequence[PairScores], chosen: Sequence[Chosen], reference: str) -> Iterable[PairMean]:
    for own, members in itertools.groupby(scores, key=lambda score: score.set):
        rows = list(members)
        ranges = sorted({_data_range(PixelLayout(1, 1, row.channels, row.bits), chosen[0].data_range) for row in rows})
        images = [row.image for row in rows]
        for one in chosen:
            name = one.measure.name
            if name in rows[0].values:
                values = np.array([row.values[name] for row in rows])
                parameters = {**one.options, "data_range": ranges[0] if len(ranges) == 1 else ranges}
                fields = mean_of(name, own, reference, images, values)
                yield PairMean(**fields, definition=one.measure.definition, parameters=parameters)


def _differences(
    scores: Sequence[PairScores], chosen: Sequence[Chosen], sets: Sequence[str]
) -> Iterable[PairDifference]:
    for one, (first, second) in itertools.product(chosen, itertools.combinations(sets, 2)):
        sides = (
            {score.image: score.values[one.measure.name] for score in scores if score.set == side}
            for side in (first, second)
        )
        found = difference_of(one.measure.name, first, second, *sides)
        if found is not None:
            yield found


def _warnings(
    means: Sequence[PairMean],
    scores: Sequence[PairScores],
    sets: Sequence[str],
    unmatched: Sequence[str],
    left_out: Sequence[tuple[Task, str]],
    chosen: Sequence[Chosen],
    channels: str,
) -> list[str]:
    """What a reader should know, a sentence each."""
    said = list(unmatched)
    for own in dict.fromkeys(task.set for task, _ in left_out):
        reasons = [reason for task, reason in left_out if task.set == own]
        said.append(f"{len(reasons):,} images of {own} were left out; the first: {reasons[0]}")
    for own in sets:
        infinite = [mean for mean in means if mean.set == own and mean.n_infinite]
        if infinite:
            names = ", ".join(mean.metric for mean in infinite)
            count, total = infinite[0].n_infinite, infinite[0].n_infinite + infinite[0].n
            said.append(
                f"{count:,} of {total:,} images of {own} are identical to the reference: their infinite {names} "
                + ("is the value" if count == total else f"is not in the mean, which is of the other {total - count:,}")
            )
        said += [
            f"{mean.n_nan:,} values of {mean.metric} in {own} are not a number and not in the mean"
            for mean in means
            if mean.set == own and mean.n_nan
        ]
    common = [{score.image for score in scores if score.set == own} for own in sets]
    if len({frozenset(images) for images in common}) > 1:
        shared = len(set.intersection(*common))
        said.append(
            f"the sets hold different images ({shared:,} are common to all), so their means are not of the same "
            "images; the differences are of the images common to both sets"
        )
    in_levels = [one.measure.name for one in chosen if one.measure.in_levels]
    if in_levels and len({score.bits for score in scores}) > 1:
        said.append(
            f"there are images of 8 and of 16 bits: {', '.join(in_levels)} in levels of each, so their means mix both"
        )
    others = [one.measure.name for one in chosen if not (one.measure.takes_channels or one.measure.alone)]
    if channels != "all" and others:
        said.append(f"channels {channels!r} is not for {', '.join(others)}, which choose their own colours")
    return said
