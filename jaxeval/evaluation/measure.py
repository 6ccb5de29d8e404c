"""What a metric of `jaxeval evaluate` is: what it needs, and the numbers it gives with definition and interval.

A measure takes features and knows nothing of images, files or processes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxeval.errors import InputError
from jaxeval.evaluation.collecting import Wanted
from jaxeval.evaluation.intervals import half_widths
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading import Rows
from jaxeval.evaluation.statistics import FeatureStatistics
from jaxeval.extractors import Extractor

__all__ = [
    "DEVIATIONS",
    "NO_SPREAD",
    "Contrast",
    "Features",
    "Interval",
    "Measure",
    "Number",
    "Pair",
    "Sets",
    "attempted",
    "normal_interval",
    "subsampled",
    "with_held_out",
]

DEVIATIONS = 1.959964
"""Of a normal distribution, on either side of its mean, that 95% of it are within."""

NO_SPREAD = "none: the images show no spread, so that nothing tells how far the number may be off"
"""Why there is no interval where the standard error comes out as 0, or as rounding."""

Interval = tuple[float, float]

Sets = Mapping[str, Any]
"""Arrays of one row an image, by the names that `jaxeval.ops` has for them; they become its keywords."""


@dataclasses.dataclass(frozen=True)
class Features:
    """One kind of feature of one set of images.

    Attributes:
      name: of the set.
      statistics: mean and covariance; None where no measure wanted them.
      rows: the features, [N, d]; None where no measure wanted them, or a statistics file stands for the images.
      labels: class of each row, as integers that mean the same in all sets; None where the images have none.
      texts: embedding of each image's caption; None where there are none.
      classes: names of the classes, in the order of the integers; nothing where they are not known.
    """

    name: str
    statistics: FeatureStatistics | None = None
    rows: Rows | None = None
    labels: Int[np.ndarray, " n"] | None = None
    texts: Rows | None = None
    classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Pair:
    """What a measure is given.

    Attributes:
      reference: the real images.
      generated: the others.
      held_out: real images that the generator has not seen, where there are any.
      protocol: whose definition is followed.
      seed: of what is random in it.
      with_intervals: whether intervals are wanted, where they take work of their own.
    """

    reference: Features
    generated: Features
    held_out: Features | None
    protocol: Protocol
    seed: int
    with_intervals: bool = True

    def generated_rows(self) -> Rows:
        """The generated features."""
        assert self.generated.rows is not None
        return self.generated.rows

    def rows(self) -> dict[str, Any]:
        """Both sides' features, under the names that `jaxeval.ops` has for them."""
        assert self.reference.rows is not None
        return {"reference": self.reference.rows, "generated": self.generated_rows()}


@dataclasses.dataclass(frozen=True)
class Number:
    """One number that a measure gives.

    Attributes:
      stem: its name, of `NUMBERS`.
      value: in float64.
      definition: in words.
      interval: of 95%, or None where there is none.
      interval_method: how it was found, what it covers, or why there is none.
      parameters: what the definition leaves open.
      warnings: what a reader should know of this number.
      undefined: why there is no value, where it is not finite.
    """

    stem: str
    value: float
    definition: str
    interval: Interval | None
    interval_method: str
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    undefined: str = ""


@dataclasses.dataclass(frozen=True)
class Contrast:
    """How much one number differs between two generators, the reference being the same.

    Attributes:
      stem: the number's name, of `NUMBERS`.
      interval: of the first one's number less the second one's.
      interval_method: how it was found.
      p_value: of the hypothesis that both make the same distribution.
      p_value_method: how it was found.
    """

    stem: str
    interval: Interval | None
    interval_method: str
    p_value: float | None
    p_value_method: str


@dataclasses.dataclass(frozen=True)
class Measure:
    """One or several numbers that are found together.

    Attributes:
      name: what `--metrics` takes, beside the stems of its numbers.
      stems: names of its numbers.
      compute: from a pair to numbers.
      contrast: how far two generators differ in them, from the pairs that both make with the reference; None where
        only subsets of the images can tell.
      wanted: what it needs of the features.
      taps: which layer: the first of these that the extractor has; its default where there are none.
      extractors: how the names of extractors begin over which it is defined; any if empty.
      alone: whether the generated images are all that counts.
      needs_held_out: whether it needs a third set.
      needs_labels: whether it needs classes.
      needs_captions: whether it needs captions of the generated images.
    """

    name: str
    stems: tuple[str, ...]
    compute: Callable[[Pair], list[Number]]
    contrast: Callable[[Pair, Pair], list[Contrast]] | None = None
    wanted: Wanted = dataclasses.field(default_factory=lambda: Wanted(statistics=False, rows=True))
    taps: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ()
    alone: bool = False
    needs_held_out: bool = False
    needs_labels: bool = False
    needs_captions: bool = False

    def tap_of(self, extractor: Extractor) -> str:
        """The layer whose features it needs."""
        return next((tap for tap in self.taps if tap in extractor.taps), extractor.default_tap)

    def obstacle(self, extractor: Extractor) -> str | None:
        """Why it cannot be computed over an extractor, if it cannot."""
        if self.extractors and not extractor.name.startswith(self.extractors):
            return f"it is defined over {' and '.join(self.extractors)} features, not over those of {extractor.name!r}"
        if self.taps and not any(tap in extractor.taps for tap in self.taps):
            return f"extractor {extractor.name!r} has no layer {self.taps[-1]!r}"
        return None


def subsampled(
    pair: Pair,
    compute: Callable[[Sets], dict[str, float]],
    definitions: Mapping[str, str],
    parameters: Mapping[str, Any],
    *,
    alone: bool = False,
    held_out: bool = False,
    labelled: bool = False,
    warnings: tuple[str, ...] = (),
    undefined: Mapping[str, str] | None = None,
) -> list[Number]:
    """Numbers with intervals by subsampling.

    Args:
      pair: of features.
      compute: values by stem, from arrays under the names that `jaxeval.ops` has for them.
      definitions: of each number, by stem.
      parameters: for the record.
      alone: whether the generated images are all that counts.
      held_out: whether the held-out set takes part.
      labelled: whether the labels do.
      warnings: what a reader should know of each number.
      undefined: by stem, why there may be no finite value.
    """
    rows: dict[str, Any] = {"generated": pair.generated_rows()} if alone else pair.rows()
    if held_out:
        rows = with_held_out(pair)
    if labelled:
        sides = (pair.generated,) if alone else (pair.reference, pair.generated)
        for name, side in zip(list(rows), sides, strict=True):
            assert side.labels is not None
            rows[f"{name}_labels"] = side.labels
    values = compute(rows)
    found = _reach(compute, rows, pair.seed) if pair.with_intervals else None
    reach = {} if found is None else found
    method = "95%, spread between thirds of the images, about the value and its bias"
    return [
        Number(
            stem,
            values[stem],
            definition,
            (values[stem] - reach[stem], values[stem] + reach[stem]) if stem in reach else None,
            method if stem in reach else "none: there are too few images for subsets of them",
            parameters,
            warnings,
            "" if undefined is None else undefined.get(stem, ""),
        )
        for stem, definition in definitions.items()
    ]


def _reach(compute: Callable[[Sets], dict[str, float]], rows: Sets, seed: int) -> dict[str, float] | None:
    try:
        return half_widths(compute, rows, seed)
    except InputError:  # a third of the images is too few for this metric, though all of them are enough
        return None


def attempted(stem: str, work: Callable[[], Number]) -> Number:
    """One number of several, whose refusal costs no other: then it has no value, and says why."""
    try:
        return work()
    except InputError as error:
        return Number(stem, float("nan"), "", None, "none: there is no value", undefined=str(error))


def with_held_out(pair: Pair) -> dict[str, Any]:
    """The features of all three sets, under the names that `jaxeval.ops` has for them."""
    assert pair.held_out is not None
    assert pair.held_out.rows is not None
    return {**pair.rows(), "held_out": pair.held_out.rows}


def normal_interval(value: float, standard_error: float, how: str) -> tuple[Interval | None, str]:
    """An interval of 95% about a value with a normal error, and its description."""
    if not np.isfinite(standard_error):
        return None, "none: there are too few images"
    if standard_error == 0.0:
        return None, NO_SPREAD
    reach = DEVIATIONS * standard_error
    return (value - reach, value + reach), f"95%, {how}"
