"""From scores of single images to means, differences, and what a reader should know before trusting them."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxeval.images import PixelLayout, ReadReport, remarks
from jaxeval.pairs.batches import Chosen, Task
from jaxeval.pairs.results import (
    PairDifference,
    PairMean,
    PairScores,
    PairsEvaluation,
    difference_of,
    mean_of,
)
from jaxeval.pairs.settings import PairSettings
from jaxeval.records import device_name, versions


def summarise(
    scores: Sequence[PairScores],
    chosen: Sequence[Chosen],
    *,
    reference: str,
    sets: Mapping[str, str],
    settings: PairSettings,
    not_computed: Sequence[Mapping[str, str]],
    left_out: Sequence[tuple[Task, str]] = (),
    reports: Mapping[str, ReadReport] | None = None,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    frames: Mapping[str, str] | None = None,
) -> PairsEvaluation:
    """The evaluation that follows from the scores.

    Args:
      scores: set by set, the reference's own last.
      chosen: the measures.
      reference: as the user named it.
      sets: the distorted sets' paths by name.
      settings: of the run.
      not_computed: measures of a group that were left out.
      left_out: images that were, with the reason.
      reports: of images, how each set was read.
      notes: sentences for the reader, on matching.
      warnings: on the images' values.
      frames: for videos, how each became frames; their frames are no sample, so that there are no intervals.
    """
    own = list(sets)
    means = tuple(_means(scores, chosen, reference))
    differences = tuple(_differences(scores, chosen, own))
    if frames is not None:
        means = tuple(dataclasses.replace(one, interval=None) for one in means)
        differences = tuple(dataclasses.replace(one, interval=None, p_value=None, better=None) for one in differences)
    layouts = sorted({(score.height, score.width, score.channels, score.bits) for score in scores})
    shapes = [PixelLayout(*layout) for layout in layouts]
    manifest = {
        "kind": "images" if frames is None else "frames",
        "reference": reference,
        "distorted": dict(sets),
        "images": {name: sum(score.set == name for score in scores) for name in [*own, reference]},
        "settings": settings.record(),
        "definitions": {one.measure.name: _record(one) for one in chosen},
        "data_ranges": _data_ranges(shapes, settings.data_range),
        "layouts": [str(shape) for shape in shapes],
        "conversions": dict(frames or {}),
        "interval_method": "Student's t over the images, within what each measure can be"
        if frames is None
        else "none: the frames of a video are alike",
        "unmatched": list(notes),
        "skipped": [{"set": task.set, "image": task.image, "reason": reason} for task, reason in left_out],
        "reports": {name: _plain(report) for name, report in (reports or {}).items()},
        "not_computed": [dict(one) for one in not_computed],
        "warnings": [
            *(sentence for name, report in (reports or {}).items() for sentence in remarks(name, report)),
            *warnings,
            *_warnings(means, scores, own, notes, left_out, chosen, settings.channels, frames is not None),
        ],
        "device": device_name(),
        "versions": versions(),
    }
    return PairsEvaluation(means, differences, tuple(scores), manifest)


def _data_ranges(layouts: Iterable[PixelLayout], given: float | None) -> list[float]:
    """The different ones, from the least; floats of which none was given have none."""
    found = {layout.data_range if given is None else given for layout in layouts}
    return sorted(float(one) for one in found if one is not None)


def _plain(report: ReadReport) -> dict[str, Any]:
    # Pixels are not looked at for being gray: pairs of images of different colours are refused.
    return {key: value for key, value in dataclasses.asdict(report).items() if key != "colourless"}


def _record(one: Chosen) -> dict[str, Any]:
    """By whose definition a measure was computed, as plain values for the manifest."""
    return {
        "definition": one.definition,
        "better": one.measure.better,
        "unit": one.measure.unit,
        **one.options,
        **({"weights": dict(one.op.weights)} if one.op.weights else {}),
    }


def _means(scores: Sequence[PairScores], chosen: Sequence[Chosen], reference: str) -> Iterable[PairMean]:
    for own, members in itertools.groupby(scores, key=lambda score: score.set):
        rows = list(members)
        shapes = {PixelLayout(1, 1, row.channels, row.bits) for row in rows}
        ranges = _data_ranges(shapes, chosen[0].data_range)
        images = [row.image for row in rows]
        for one in chosen:
            name = one.measure.name
            if name in rows[0].values:
                values = np.array([row.values[name] for row in rows])
                parameters = {**one.options}
                if not one.measure.of_light:
                    parameters["data_range"] = ranges[0] if len(ranges) == 1 else ranges
                fields = mean_of(name, own, reference, images, values)
                yield PairMean(**fields, definition=one.definition, parameters=parameters)


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
    of_frames: bool,
) -> list[str]:
    """What a reader should know, a sentence each."""
    noun = "frames" if of_frames else "images"
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
                f"{count:,} of {total:,} {noun} of {own} are identical to the reference: their infinite {names} "
                + ("is the value" if count == total else f"is not in the mean, which is of the other {total - count:,}")
            )
        said += [
            f"{mean.n_nan:,} values of {mean.metric} in {own} are not a number and not in the mean"
            for mean in means
            if mean.set == own and mean.n_nan
        ]
    common = [{score.image for score in scores if score.set == own} for own in sets]
    if len({frozenset(images) for images in common}) > 1 and not of_frames:
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
    if channels != "all" and others and of_frames:
        said.append(f"channels {channels!r}: of .y4m the luma plane is taken for every metric, {', '.join(others)} too")
    elif channels != "all" and others:
        said.append(f"channels {channels!r} is not for {', '.join(others)}, which choose their own colours")
    return said
