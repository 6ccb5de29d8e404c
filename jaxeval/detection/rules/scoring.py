"""`score_rules`: sets of images judged by rules of what each must show."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval._arguments import a_text, at_least, checked, optional
from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.detectors import load_detector
from jaxeval.detection.judged_sets import Looking, a_share, judged_sets, manifest_of
from jaxeval.detection.results import DetectionEvaluation
from jaxeval.detection.rules.asked import AskedObject, ObjectRule, PromptRule, Rules, objects_of
from jaxeval.detection.rules.colours import Colours, colours_way, load_colours
from jaxeval.detection.rules.format import DEFAULT_CONFIDENCE, check_labels, check_rules, nearest, read_rules
from jaxeval.detection.rules.judging import Judge, judged, merged, sources_of
from jaxeval.detection.rules.known_labels import with_known_labels
from jaxeval.detection.rules.logic import judge, rows_to_colour
from jaxeval.detection.summary import SummaryMetric, summarise
from jaxeval.errors import InputError
from jaxeval.images import open_source
from jaxeval.progress import Progress

CORRECT = "share of images for which their prompt's rule holds"


@checked(
    batch_size=at_least(1),
    colours=optional(colours_way),
    pattern=optional(a_text("a text with * in it")),
    unmatched=a_text("'error' or 'skip'"),
)
def score_rules(
    rules: Rules | str | Path | Mapping[str, Any],
    images: Any = None,
    *,
    detector: Any = None,
    found: Any = None,
    colours: str | Colours | None = None,
    cache: str | Path | None = None,
    unmatched: str = "error",
    pattern: str | None = None,
    weights_dir: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Judges sets of images by rules on the boxes that a detector finds in them.

    A label that boxes have in other capitals alone is that one, and a warning says so.

    Args:
      rules: of `read_rules` or `check_rules`, or what these take: a file, or plain values.
      images: one or several sets of images; also with `found` where a rule asks for a colour.
      detector: looks at the images; whatever `load_detector` takes.
      found: what it found already, in the place of a detector: one or several sets of boxes, as `FoundBoxes` or files.
      colours: how colours are told: `named` or `clip`, or a way such as `ClipColours(network)`. By default as the rules
        say, and `named` where they do not.
      cache: a folder that keeps what a detector finds.
      unmatched: what becomes of images without a prompt and prompts without an image: `error`, or `skip` to leave them
        out and say so.
      pattern: what images are called, as of `jaxeval.detection.pairing.paired`.
      weights_dir: the weights folder; by default `WeightsStore`'s own.
      batch_size: images that the detector is called with.
      threads: how many decode images; by default one for each processor.
      on_error: what an image that cannot be read is: the end (`fail`), or left out and said (`skip`).
      progress: who is told how far it has come.

    Returns:
      The share of images for which their rule holds (`correct`), of all and of each category, with intervals over
      prompts; and each image with the boxes that were found and why it fails, in words.

    Raises:
      InputError: the rules or the boxes are none, a rule asks for a label that the detector does not know or for a
        colour that the way does not, or images do not fit the prompts.
      WeightsMissingError: CLIP is to tell colours, and its weights or its vocabulary are not there.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes
      >>> from jaxeval.detection.rules import score_rules
      >>> found = FoundBoxes("ours", ("a.png", "b.png"), ("cat",), np.array([0]), np.array([0]),
      ...     np.array([[10.0, 20.0, 30.0, 40.0]]), np.array([0.9]))
      >>> rules = {"format": "jaxeval rules 1", "prompts": [
      ...     {"name": "a", "rule": {"object": "cat"}}, {"name": "b", "rule": {"object": "cat"}}]}
      >>> result = score_rules(rules, found=found)
      >>> result.scores[0].value, result.outcomes[1].reasons
      (0.5, ('asked for a box of cat, found none',))
    """
    read = _read(rules)
    way = colours if colours is not None else read.colours or "named"
    asks = [prompt for prompt in read.prompts if any(one.colour for one in objects_of(prompt.rule))]
    teller = load_colours(way, weights_dir=weights_dir) if asks else None
    if teller is not None:
        _check_colours(read, asks, teller)
    if detector is not None:
        detector = load_detector(detector, weights_dir=weights_dir)
        if detector.labels is not None:
            known, _ = with_known_labels(read, detector.labels)
            check_labels(known, detector.labels, f"the detector {detector.name}")
    sets = judged_sets(
        images,
        detector=detector,
        found=found,
        looking=Looking(cache, batch_size, threads, on_error, progress),
    )
    of_set = {name: with_known_labels(read, own.labels) for name, own in sets.items()}
    sources = sources_of(images, sets) if teller is not None else {}
    result = merged(
        judged(
            of_set[name][0].prompts,
            {name: own},
            _JUDGE,
            images=sources,
            colours=teller,
            pattern=pattern,
            unmatched=unmatched,
            progress=progress,
        )
        for name, own in sets.items()
    )
    metrics = {"correct": SummaryMetric("Correct images", "higher", CORRECT, limits=(0, 1))}
    scores, differences = summarise(result.outcomes, metrics, sets=list(sets))
    taken = {name: labels for name, (_, labels) in of_set.items()}
    warnings = [*result.warnings, *_taken_for_others(taken), *_never_found(read, sets, taken)]
    manifest = manifest_of(
        sets,
        images=images,
        found=found,
        parameters={
            "rules": read.name,
            "rules_sha256": read.sha256,
            "colours": None if teller is None else dict(teller.identity),
            "pattern": pattern,
            "unmatched": unmatched,
        },
        counts=result.counts(sets, len(read.prompts)),
        warnings=warnings,
    )
    return DetectionEvaluation("rules", scores, differences, result.outcomes, "correct", manifest)


def rules_of_folders(images: Any) -> Rules:
    """Rules of images that lie in folders which are called by what is seen in them, as in `bench/photograph.jpg`.

    Args:
      images: one set of images, as `score_rules` takes it.

    Raises:
      InputError: an image lies in no folder.

    Example:
      >>> import pathlib, tempfile
      >>> from PIL import Image
      >>> from jaxeval.detection.rules import rules_of_folders
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     (pathlib.Path(folder) / "bench").mkdir()
      ...     Image.new("RGB", (8, 8)).save(pathlib.Path(folder) / "bench" / "photograph.png")
      ...     rules = rules_of_folders(folder)
      >>> rules.prompts[0].name, str(rules.prompts[0].rule)
      ('bench/photograph.png', 'a box of bench')
    """
    source = open_source(images)
    prompts = []
    for name in source.names():
        label = name.rpartition("/")[0].rpartition("/")[2]
        if not label:
            raise InputError(
                f"{source.name}: {name} lies in no folder; put each image into one that is called by what is seen in it"
            )
        prompts.append(PromptRule(name, ObjectRule(AskedObject(label, None, DEFAULT_CONFIDENCE)), label, label))
    return Rules(source.name, tuple(prompts))


def check_detector(
    rules: Rules | str | Path | Mapping[str, Any] | None,
    images: Any,
    detector: Any,
    *,
    least: float = 0.9,
    weights_dir: str | Path | None = None,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> float:
    """The share of images that a detector judges as it must; ends with a sentence where it is too low.

    A detector whose weights do not go with its configuration finds next to nothing, and says nothing of it. A few
    photographs whose content is known, and rules that say what it is, tell it before hours are spent.

    Args:
      rules: what is known of the images, as `score_rules` takes them; None where they lie in folders that say it, as of
        `rules_of_folders`.
      images: one set of images.
      detector: as `score_rules` takes it.
      least: the share of images that must be judged so, from 0 to 1.
      weights_dir: the weights folder.
      batch_size: images that the detector is called with.
      progress: who is told how far it has come.

    Raises:
      InputError: the share is lower; the sentence says of the first image why. Or as of `score_rules`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import check_detector
      >>> def find(batch):
      ...     return [([[1, 1, 5, 5]], [0.9], ["cat"]) for image in batch]
      >>> rules = {"format": "jaxeval rules 1", "prompts": [{"name": "0", "rule": {"object": "cat"}}]}
      >>> check_detector(rules, {"photographs": np.zeros((1, 8, 8, 3), np.uint8)}, find)
      1.0
    """
    a_share("the least share of a check", least)
    known = rules_of_folders(_alone(images)) if rules is None else rules
    result = score_rules(
        known, images, detector=detector, weights_dir=weights_dir, batch_size=batch_size, progress=progress
    )
    passed = [outcome.values["correct"] == 1 for outcome in result.outcomes]
    share = sum(passed) / len(passed)
    if share < least:
        first = result.outcomes[passed.index(False)]
        raise InputError(
            f"the detector judges {sum(passed)} of {len(passed)} images of the check as it must, and {least:.0%} are "
            f"needed; its weights, its labels or the order of its colours may be wrong (first {first.image}: "
            f"{first.reasons[0]})"
        )
    return share


def _alone(images: Any) -> Any:
    """The one set of images."""
    return next(iter(images.values())) if isinstance(images, Mapping) and len(images) == 1 else images


def _read(rules: Rules | str | Path | Mapping[str, Any]) -> Rules:
    if isinstance(rules, Rules):
        return rules
    return read_rules(rules) if isinstance(rules, str | Path) else check_rules(rules)


def _check_colours(rules: Rules, asks: Sequence[PromptRule], teller: Colours) -> None:
    for prompt in asks:
        for one in objects_of(prompt.rule):
            if one.colour is not None and one.colour not in teller.names:
                raise InputError(
                    f"{rules.name}: prompt {prompt.name!r} asks for a {one}, and colours by {teller.way!r} are "
                    f"{', '.join(teller.names)}; ask for one of these, or tell colours in another way"
                )


def _taken_for_others(taken: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        f"{name}: the rules ask for {label!r}, which is taken for the label {own!r}, as they differ in capitals alone"
        for name, labels in taken.items()
        for label, own in labels.items()
    ]


def _never_found(rules: Rules, sets: Mapping[str, FoundBoxes], taken: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is asked for and not among the labels that are known of the boxes: perhaps it is only misspelt."""
    known = list(dict.fromkeys(label for found in sets.values() for label in found.labels))
    told = {*known, *(label for labels in taken.values() for label in labels)}
    asking: dict[str, int] = {}
    for prompt in rules.prompts:
        for label in {one.label for one in objects_of(prompt.rule)} - told:
            asking[label] = asking.get(label, 0) + 1
    return [
        f"no box has the label {label!r}, which {count:,} prompt{'s ask' if count > 1 else ' asks'} for"
        f"{nearest(label, known)}"
        for label, count in sorted(asking.items())
    ]


def _confidence(prompt: PromptRule, label: str) -> float:
    return _confidences(prompt).get(label, DEFAULT_CONFIDENCE)


@functools.lru_cache(maxsize=1024)
def _confidences(prompt: PromptRule) -> dict[str, float]:
    least: dict[str, float] = {}
    for one in objects_of(prompt.rule):
        least[one.label] = min(one.confidence, least.get(one.label, 1.0))
    return least


_JUDGE: Judge[PromptRule] = Judge(
    coloured=lambda prompt, boxes: rows_to_colour(prompt.rule, boxes),
    verdict=lambda prompt, boxes, colours: judge(prompt.rule, boxes, colours),
    confidence=_confidence,
    asked=lambda prompt: frozenset(_confidences(prompt)),
)
