"""Outcomes of images summed up: scores of sets and of categories, and differences of sets that share prompts."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxeval.detection.results import DetectionDifference, DetectionScore, ImageOutcome
from jaxeval.errors import InputError
from jaxeval.ops import clustered_ratio, paired_clustered_difference


@dataclasses.dataclass(frozen=True)
class SummaryMetric:
    """A number of each image as tables have it for a set.

    Attributes:
      label: what tables print.
      better: whether `higher` or `lower` is better.
      definition: whose number it is, in words.
      limits: the least and the largest that it can be of an image; one may be infinite, and None says that nothing is
        known. Between two finite limits intervals are made as for shares.
      pooled_by: the number of each image that the set's number is per, as `letters` for errors per letter: the set's
        number is then the sum of this number over the sum of that one. None for the mean over images.
      sum_of: the number of each image that is summed up, where images have another number by the metric's own name, as
        `letter-errors`; None where it is that one.

    Example:
      >>> from jaxeval.detection import SummaryMetric
      >>> metric = SummaryMetric("CER", "lower", "wrong letters per letter", (0.0, float("inf")), "letters")
      >>> metric.pooled_by
      'letters'
    """

    label: str
    better: Literal["higher", "lower"] | str = "higher"
    definition: str = ""
    limits: tuple[float, float] | None = (0.0, 1.0)
    pooled_by: str | None = None
    sum_of: str | None = None


class _Rows(NamedTuple):
    values: Float[np.ndarray, " n"]
    per: Float[np.ndarray, " n"]
    prompts: list[str]


def summarise(
    outcomes: Sequence[ImageOutcome], metrics: Mapping[str, SummaryMetric], *, sets: Sequence[str]
) -> tuple[tuple[DetectionScore, ...], tuple[DetectionDifference, ...]]:
    """The numbers of sets from those of their images, with intervals over other prompts.

    Images of one prompt are one cluster (`jaxeval.ops.clustered_mean`). An image that has no value of a metric (None)
    is left out of it: a score's `n` counts the others, and `left_out` says which are missing. Where no image has one,
    the score has no value.

    Args:
      outcomes: of images.
      metrics: by the name that `ImageOutcome.values` has them by.
      sets: names of the sets, in the order of the tables.

    Returns:
      Scores, of each set and metric first of all images and then of each category; and differences of each two sets
      that share prompts, of each metric in the same way, over the prompts that both have a value of.

    Raises:
      InputError: an image is of another set, or a value is not finite or beyond its limits; the sentence names it.

    Example:
      >>> from jaxeval.detection import ImageOutcome, SummaryMetric, summarise
      >>> outcomes = [
      ...     ImageOutcome(f"{prompt}.png", name, prompt, "", {"exact": float(prompt in right)})
      ...     for name, right in (("old", "a"), ("new", "abc")) for prompt in "abcd"]
      >>> scores, differences = summarise(outcomes, {"exact": SummaryMetric("Exact match")}, sets=["old", "new"])
      >>> [score.value for score in scores], differences[0].value, differences[0].p_value
      ([0.25, 0.75], 0.5, 0.5)
    """
    of_set: dict[str, list[ImageOutcome]] = {name: [] for name in sets}
    for outcome in outcomes:
        if outcome.set not in of_set:
            raise InputError(f"the image {outcome.image} is of the set {outcome.set!r}; the sets are {', '.join(sets)}")
        of_set[outcome.set].append(outcome)
    categories = ["", *dict.fromkeys(outcome.category for outcome in outcomes if outcome.category)]
    rows = {
        (name, metric, category): _rows(own, metric, about, category)
        for name, own in of_set.items()
        for metric, about in metrics.items()
        for category in categories
    }
    scores = tuple(
        _score(rows[name, metric, category], name, metric, metrics[metric], category) for name, metric, category in rows
    )
    prompts = {name: {outcome.prompt for outcome in own} for name, own in of_set.items()}
    pairs = [pair for pair in itertools.combinations(of_set, 2) if prompts[pair[0]] & prompts[pair[1]]]
    differences = tuple(
        _difference(rows, pair, metric, about, category)
        for pair in pairs
        for metric, about in metrics.items()
        for category in categories
    )
    return scores, differences


def left_out(
    outcomes: Sequence[ImageOutcome], metrics: Mapping[str, SummaryMetric], *, sets: Sequence[str]
) -> tuple[str, ...]:
    """Which images have no value of a metric, a sentence for each set and metric; for a manifest's warnings.

    Args:
      outcomes: of images.
      metrics: by name, as of `summarise`.
      sets: names of the sets.

    Example:
      >>> from jaxeval.detection import ImageOutcome, SummaryMetric
      >>> from jaxeval.detection.summary import left_out
      >>> outcomes = [ImageOutcome("a.png", "ours", "a", "", {"exact": None})]
      >>> left_out(outcomes, {"exact": SummaryMetric("Exact match")}, sets=["ours"])
      ('ours: 1 of 1 images has no Exact match and is left out of it, first a.png',)
    """
    return tuple(_left_out(outcomes, metrics, sets))


def _left_out(
    outcomes: Sequence[ImageOutcome], metrics: Mapping[str, SummaryMetric], sets: Sequence[str]
) -> Iterator[str]:
    for name in sets:
        own = [outcome for outcome in outcomes if outcome.set == name]
        for metric, about in metrics.items():
            missing = [outcome.image for outcome in own if _pair(outcome, metric, about) is None]
            if missing:
                have, are = ("has", "is") if len(missing) == 1 else ("have", "are")
                yield (
                    f"{name}: {len(missing):,} of {len(own):,} images {have} no {about.label} and {are} left out of "
                    f"it, first {missing[0]}"
                )


def _pair(outcome: ImageOutcome, metric: str, about: SummaryMetric) -> tuple[float, float] | None:
    """An image's number, and what it is per."""
    summed = about.sum_of or metric
    value = outcome.values.get(summed)
    per = 1.0 if about.pooled_by is None else outcome.values.get(about.pooled_by)
    if value is None or per is None:
        return None
    for name, one in ((summed, value), (about.pooled_by, per)):
        if not math.isfinite(one):
            raise InputError(f"the image {outcome.image} of {outcome.set} has {name} {one}; values must be finite")
    return float(value), float(per)


def _rows(outcomes: Sequence[ImageOutcome], metric: str, about: SummaryMetric, category: str) -> _Rows:
    found = [
        (outcome.prompt, pair)
        for outcome in outcomes
        if category in ("", outcome.category) and (pair := _pair(outcome, metric, about)) is not None
    ]
    values, per = np.array([pair for _, pair in found], np.float64).reshape(-1, 2).T
    return _Rows(values, per, [prompt for prompt, _ in found])


def _score(rows: _Rows, name: str, metric: str, about: SummaryMetric, category: str) -> DetectionScore:
    value, interval = None, None
    if rows.per.any():
        found = clustered_ratio(rows.values, rows.per, rows.prompts, limits=about.limits)
        value, interval = found.value, found.interval
    return DetectionScore(
        metric=metric,
        label=about.label,
        set=name,
        category=category,
        value=value,
        interval=interval,
        n=len(rows.values),
        n_prompts=len(set(rows.prompts)),
        better=about.better,
        definition=about.definition,
    )


def _difference(
    rows: Mapping[tuple[str, str, str], _Rows],
    sets: tuple[str, str],
    metric: str,
    about: SummaryMetric,
    category: str,
) -> DetectionDifference:
    old, new = (rows[name, metric, category] for name in sets)
    shared = set(old.prompts) & set(new.prompts)
    value, interval, p_value = None, None, None
    if _has_any(old, shared) and _has_any(new, shared):
        found = paired_clustered_difference(
            old.values,
            old.prompts,
            new.values,
            new.prompts,
            first_denominators=old.per,
            second_denominators=new.per,
            limits=about.limits,
        )
        value, interval, p_value = found.value, found.interval, found.p_value
    return DetectionDifference(
        metric=metric,
        label=about.label,
        first=sets[0],
        second=sets[1],
        category=category,
        value=value,
        interval=interval,
        p_value=p_value,
        n_prompts=len(shared),
        better=about.better,
    )


def _has_any(rows: _Rows, prompts: Set[str]) -> bool:
    """Whether there is anything that the number of these prompts could be per."""
    return any(per > 0 for per, prompt in zip(rows.per, rows.prompts, strict=True) if prompt in prompts)
