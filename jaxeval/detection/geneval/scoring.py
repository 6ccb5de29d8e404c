"""`score_geneval`: sets of images judged by GenEval's prompts, and the numbers of its summary."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxeval._arguments import a_text, at_least, checked, optional, shown
from jaxeval.detection.detectors import load_detector
from jaxeval.detection.geneval.departures import check_classes, departures, renamed, signs_of_failure
from jaxeval.detection.geneval.prompts import GenevalPrompt, digest_of, read_geneval
from jaxeval.detection.geneval.verdicts import DEFAULT_OPTIONS, GenevalOptions, geneval_rows_to_colour, judge_geneval
from jaxeval.detection.judged_sets import Looking, a_share, judged_sets, manifest_of
from jaxeval.detection.results import DetectionDifference, DetectionEvaluation, DetectionScore, ImageOutcome
from jaxeval.detection.rules.colours import Colours, colours_way, load_colours
from jaxeval.detection.rules.judging import Judge, judged, sources_of
from jaxeval.detection.rules.scoring import CORRECT, check_detector
from jaxeval.detection.summary import SummaryMetric, summarise
from jaxeval.errors import InputError
from jaxeval.ops import clustered_ratio, paired_clustered_difference
from jaxeval.progress import Progress


def _prompts(name: str, value: Any) -> Any:
    if isinstance(value, str | Path):
        return value
    for one in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(one, GenevalPrompt):
            raise InputError(f"{name} has {shown(one)}; give GenEval's file of prompts, or what read_geneval gives")
    return value


def _labels(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is {shown(value)}; give the detector's names of classes by GenEval's")
    for pair in value.items():
        if not all(isinstance(one, str) for one in pair):
            raise InputError(f"{name} calls {shown(pair[0])} {shown(pair[1])}; give the names of classes as texts")
    return value


def _options(name: str, value: Any) -> Any:
    if not isinstance(value, GenevalOptions):
        raise InputError(f"{name} is {shown(value)}; give GenevalOptions")
    return value


@checked(
    metadata=_prompts,
    batch_size=at_least(1),
    colours=colours_way,
    labels=optional(_labels),
    options=_options,
    check_share=a_share,
    pattern=optional(a_text("a text with * in it")),
    unmatched=a_text("'error' or 'skip'"),
)
def score_geneval(
    metadata: str | Path | Sequence[GenevalPrompt],
    images: Any = None,
    *,
    detector: Any = None,
    found: Any = None,
    colours: str | Colours = "clip",
    labels: Mapping[str, str] | None = None,
    options: GenevalOptions = DEFAULT_OPTIONS,
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
    prompts = read_geneval(metadata) if isinstance(metadata, str | Path) else tuple(metadata)
    if not prompts:
        raise InputError("there are no prompts; give GenEval's file of them")
    asks_colours = any(group.colour for prompt in prompts for group in prompt.include)
    teller = load_colours(colours, weights_dir=weights_dir) if asks_colours else None
    detector = None if detector is None else load_detector(detector, weights_dir=weights_dir)
    if detector is not None and detector.labels is not None:
        check_classes(prompts, renamed(detector.labels, labels, detector.name), detector.name)
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
    given = judged_sets(
        images,
        detector=detector,
        found=found,
        looking=Looking(cache, batch_size, threads, on_error, progress),
    )
    sets = {name: dataclasses.replace(one, labels=renamed(one.labels, labels, name)) for name, one in given.items()}
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
        *departures(prompts, sets, result, options, teller),
        *signs_of_failure(prompts, sets, result, options),
    ]
    manifest = manifest_of(
        sets,
        images=images,
        found=found,
        parameters={
            "prompts": str(metadata) if isinstance(metadata, str | Path) else None,
            "prompts_sha256": digest_of(prompts),
            "colours": None if teller is None else dict(teller.identity),
            "labels": dict(labels or {}),
            **dataclasses.asdict(options),
            "pattern": pattern,
            "unmatched": unmatched,
        },
        counts=result.counts(sets, len(prompts)),
        warnings=warnings,
    )
    return DetectionEvaluation(
        "geneval",
        (*whole[0], *by_images[0], *by_prompts[0]),
        (*whole[1], *by_images[1], *by_prompts[1]),
        result.outcomes,
        "correct",
        manifest,
    )


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
