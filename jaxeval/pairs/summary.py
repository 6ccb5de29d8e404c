"""From scores of single images to means, differences, and what a reader should know before trusting them."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxeval.images import PixelLayout, ReadReport, remarks
from jaxeval.pairs.batches import Chosen, Task
from jaxeval.pairs.measures import POOLED_FROM, POOLED_MEASURES
from jaxeval.pairs.results import (
    PairDifference,
    PairMean,
    PairScores,
    PairsEvaluation,
    difference_of,
    mean_of,
    pooled_psnr,
)
from jaxeval.pairs.settings import PairSettings
from jaxeval.records import device_name, versions


def summarise(
    scores: Sequence[PairScores],
    chosen: Sequence[Chosen],
    *,
    reference: str | None,
    sets: Mapping[str, str],
    settings: PairSettings,
    not_computed: Sequence[Mapping[str, str]],
    left_out: Sequence[tuple[Task, str]] = (),
    reports: Mapping[str, ReadReport] | None = None,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    frames: Mapping[str, str] | None = None,
    patterns: Mapping[str, str] | None = None,
) -> PairsEvaluation:
    """The evaluation that follows from the scores.

    Args:
      scores: set by set, the reference's own last.
      chosen: the measures.
      reference: as the user named it; None if there is none.
      sets: the distorted sets' paths by name.
      settings: of the run.
      not_computed: measures of a group that were left out.
      left_out: images that were, with the reason.
      reports: of images, how each set was read.
      notes: sentences for the reader, on matching.
      warnings: on the images' values.
      patterns: of images, what each set calls them.
      frames: for videos, how each became frames; their frames are no sample, so that there are no intervals.
    """
    own = list(sets)
    means = tuple(_means(scores, chosen, reference))
    differences = tuple(_differences(scores, chosen, own))
    if frames is not None:
        means = tuple(one for mean in means for one in _of_frames(mean, scores))
        differences = tuple(one for found in differences for one in _differences_of_frames(found, scores))
    everything = own if reference is None else [*own, reference]
    layouts = sorted({(score.height, score.width, score.channels, score.bits) for score in scores})
    shapes = [PixelLayout(*layout) for layout in layouts]
    manifest = {
        "kind": "images" if frames is None else "frames",
        "reference": reference,
        "distorted": dict(sets),
        "images": {name: sum(score.set == name for score in scores) for name in everything},
        "patterns": dict(patterns or {}),
        "settings": settings.record(),
        "definitions": {one.measure.name: _record(one) for one in chosen}
        | {name: _pooled_record(name, chosen) for name in _pooled(chosen) if frames is not None},
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
            *_warnings(means, scores, own, notes, left_out, chosen, settings, frames is not None),
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


def _pooled(chosen: Sequence[Chosen]) -> list[str]:
    """The measures of a video's frames together that come with the chosen ones."""
    names = {one.measure.name for one in chosen}
    return [name for name, source in POOLED_FROM.items() if source in names]


def _pooled_record(name: str, chosen: Sequence[Chosen]) -> dict[str, Any]:
    source = next(one for one in chosen if one.measure.name == POOLED_FROM[name])
    return _record(source) | {"definition": POOLED_MEASURES[name].definition}


def _values(scores: Sequence[PairScores], own: str, metric: str) -> dict[str, float]:
    return {score.image: score.values[metric] for score in scores if score.set == own and metric in score.values}


def _of_frames(mean: PairMean, scores: Sequence[PairScores]) -> Iterable[PairMean]:
    """A mean of a video's frames, without an interval, and what is pooled from the same scores."""
    yield dataclasses.replace(mean, interval=None)
    for name, source in POOLED_FROM.items():
        if source == mean.metric:
            values = np.array(list(_values(scores, mean.set, source).values()))
            known = values[~np.isnan(values)]
            pooled = pooled_psnr(known) if known.size else math.nan
            yield dataclasses.replace(
                mean,
                metric=name,
                value=pooled,
                interval=None,
                n=int(known.size) if math.isfinite(pooled) else 0,
                n_infinite=int(known.size) if math.isinf(pooled) else 0,
                worst=None,
                definition=POOLED_MEASURES[name].definition,
            )


def _differences_of_frames(found: PairDifference, scores: Sequence[PairScores]) -> Iterable[PairDifference]:
    """A difference over a video's frames, of which nothing tells the error, and that of the pooled values."""
    plain = dataclasses.replace(found, interval=None, p_value=None, better=None)
    yield plain
    for name, source in POOLED_FROM.items():
        if source == found.metric:
            sides = [_values(scores, own, source) for own in (found.first, found.second)]
            common = [
                image for image in sides[0] if image in sides[1] and not any(math.isnan(side[image]) for side in sides)
            ]
            first, second = (pooled_psnr(np.array([side[image] for image in common])) for side in sides)
            finite = math.isfinite(first) and math.isfinite(second)
            yield dataclasses.replace(
                plain,
                metric=name,
                value=second - first if finite else math.nan,
                n=len(common) if finite else 0,
                n_left_out=found.n + found.n_left_out - (len(common) if finite else 0),
            )


def _means(scores: Sequence[PairScores], chosen: Sequence[Chosen], reference: str | None) -> Iterable[PairMean]:
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
    settings: PairSettings,
    of_frames: bool,
) -> list[str]:
    """What a reader should know, a sentence each."""
    noun = "frames" if of_frames else "images"
    said = list(unmatched)
    for own in dict.fromkeys(task.set for task, _ in left_out):
        reasons = [reason for task, reason in left_out if task.set == own]
        said.append(f"{len(reasons):,} images of {own} were left out; the first: {reasons[0]}")
    for own in sets:
        infinite = [mean for mean in means if mean.set == own and mean.n_infinite and mean.metric not in POOLED_FROM]
        if infinite:
            names = ", ".join(mean.metric for mean in infinite)
            count, total = infinite[0].n_infinite, infinite[0].n_infinite + infinite[0].n
            pooled = ", ".join(m.metric for m in means if m.set == own and m.metric in POOLED_FROM)
            said.append(
                f"{count:,} of {total:,} {noun} of {own} are identical to the reference: their infinite {names} "
                + ("is the value" if count == total else f"is not in the mean, which is of the other {total - count:,}")
                + (f"; {pooled} is of all" if pooled and count < total else "")
            )
        said += [
            f"{mean.n_nan:,} values of {mean.metric} in {own} are not a number and not in the mean"
            for mean in means
            if mean.set == own and mean.n_nan and mean.metric not in POOLED_FROM
        ]
    common = [{score.image for score in scores if score.set == own} for own in sets]
    shared = len(set.intersection(*common)) if common else 0
    # Without a reference, sets of other names are compared as wholes; with one they are parts of the same images.
    if (
        len({frozenset(images) for images in common}) > 1
        and not of_frames
        and (shared or means[0].reference is not None)
    ):
        said.append(
            f"the sets hold different images ({shared:,} are common to all), so their means are not of the same "
            "images; the differences are of the images common to both sets"
        )
    in_levels = [one.measure.name for one in chosen if one.measure.in_levels]
    if in_levels and len({score.bits for score in scores}) > 1:
        said.append(
            f"there are images of 8 and of 16 bits: {', '.join(in_levels)} in levels of each, so their means mix both"
        )
    colour = settings.colour
    others = [one.measure.name for one in chosen if not (one.measure.takes_colour or one.measure.alone)]
    if settings.of_stored_luma and others and of_frames:
        said.append(f"colour {colour!r}: where videos store luma, {', '.join(others)} are of it too")
    elif colour != "own" and others:
        said.append(f"colour {colour!r} is not for {', '.join(others)}, which look at colours as their references do")
    takers = [one.measure.name for one in chosen if one.measure.takes_colour]
    if settings.of_stored_luma and takers and not of_frames and any(score.channels == 1 for score in scores):
        said.append(
            "y of gray images is their own level, 0 to 255; that of RGB images is 16 to 235, by which PSNR is 1.32 dB "
            "higher; --gray as-rgb takes gray images as RGB"
        )
    return said
