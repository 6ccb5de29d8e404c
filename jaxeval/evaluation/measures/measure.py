"""What a metric of `jaxeval evaluate` is: what it needs, and the numbers it gives with definition and interval.

A measure takes features and knows nothing of images, files or processes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.intervals import Debiased, half_widths, interval_about
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading.features import Balls, Rows, Wanted
from jaxeval.extractors import Extractor
from jaxeval.ops import Interval, OwnNeighbours
from jaxeval.statistics import FeatureStatistics

DEVIATIONS = 1.959964
"""Of a normal distribution, on either side of its mean, that 95% of it are within."""

FEW = "none: there are too few images"
SAME = "none: both sets have the same features, which say nothing of chance"
NO_SPREAD = "none: the images show no spread, so that nothing tells how far the number may be off"
"""Why there is no interval where the standard error comes out as 0, or as rounding."""

_Found = TypeVar("_Found")

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
      balls: the neighbours that all measures of a run want of these features.
      known: what measures have found of them, for others.
    """

    name: str
    statistics: FeatureStatistics | None = None
    rows: Rows | None = None
    labels: Int[np.ndarray, " n"] | None = None
    texts: Rows | None = None
    classes: tuple[str, ...] = ()
    balls: Balls | None = None
    known: dict[Any, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def once(self, what: Any, work: Callable[[], _Found]) -> _Found:
        """What the work gives, done by the first measure that asks for it; `what` names it with all it depends on."""
        if what not in self.known:
            self.known[what] = work()
        return self.known[what]

    def neighbours(self) -> OwnNeighbours | None:
        """How near all rows are to one another; None where no measure of the run asks, or there are too few rows."""
        balls = self.balls
        if balls is None or self.rows is None or not (ks := [k for k in balls.ks if k < len(self.rows)]):
            return None
        rows = self.rows
        return self.once(("neighbours", balls), lambda: ops.own_neighbours(rows, ks, lists=balls.lists))

    def count(self) -> int | None:
        """Number of images; None where a statistics file does not say."""
        if self.rows is not None:
            return len(self.rows)
        return None if self.statistics is None else self.statistics.count


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two sets of features, and what else a measure is given.

    Attributes:
      reference: the real images.
      generated: the others.
      held_out: real images that the generator has not seen, where there are any.
      protocol: whose definition is followed.
      seed: of what is random in it.
      with_intervals: whether intervals are wanted, where they take work of their own.
      for_spread: whether only the spread of the numbers between such pairs is wanted: a number that ends at an edge
        then goes on beyond it, since the spread of values that were cut understates how much they vary.
      family: of the network whose features they are, as `Extractor.family`; None where that is not known.
    """

    reference: Features
    generated: Features
    held_out: Features | None
    protocol: Protocol
    seed: int
    with_intervals: bool = True
    for_spread: bool = False
    family: str | None = None

    def generated_rows(self) -> Rows:
        """The generated features."""
        assert self.generated.rows is not None
        return self.generated.rows

    def rows(self) -> dict[str, Any]:
        """Both sides' features, under the names that `jaxeval.ops` has for them."""
        assert self.reference.rows is not None
        return {"reference": self.reference.rows, "generated": self.generated_rows()}

    def neighbours(self, *sides: str) -> dict[str, Any]:
        """Both sides' neighbours among themselves, or those of one, under the names that `jaxeval.ops` has for them."""
        known = {"reference": self.reference, "generated": self.generated}
        return {f"{name}_neighbours": known[name].neighbours() for name in sides or known}

    def once(self, what: Any, work: Callable[[], _Found]) -> _Found:
        """What the work gives, done by the first measure over this pair that asks for it, as `Features.once`."""
        return self.generated.once((id(self.reference.known), what), work)

    def counts(self) -> dict[str, int]:
        """Images of both sides, as far as they are known."""
        sides = {"reference": self.reference, "generated": self.generated}
        return {name: count for name, side in sides.items() if (count := side.count()) is not None}

    def same_rows(self) -> bool:
        """Whether both sides have the same features, in whatever order."""
        ours, theirs = self.reference.rows, self.generated.rows
        return ours is not None and theirs is not None and same_rows(ours, theirs)


def same_rows(ours: Float[np.ndarray, "n d"], theirs: Float[np.ndarray, "m e"]) -> bool:
    """Whether two arrays have the same rows, bit by bit, in whatever order."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype or not ours.size:
        return False
    # Few sets that differ agree in one feature.
    if not np.array_equal(np.sort(ours[:, 0]), np.sort(theirs[:, 0])):
        return False
    return np.array_equal(np.sort(_as_bytes(ours)), np.sort(_as_bytes(theirs)))


def all_copied(rows: Float[np.ndarray, "n d"], others: Float[np.ndarray, "m d"]) -> bool:
    """Whether each of the rows is one of the others, bit by bit."""
    return rows.dtype == others.dtype and bool(np.isin(_as_bytes(rows), _as_bytes(others)).all())


def _as_bytes(rows: Rows) -> np.ndarray:
    """Each row as one item, which compares by its bytes."""
    whole = np.ascontiguousarray(rows)
    return whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()


@dataclasses.dataclass(frozen=True)
class Number:
    """One number that a measure gives.

    Attributes:
      name: what it is called.
      value: in float64.
      definition: in words.
      interval: of 95%, or None where there is none.
      interval_method: how it was found, what it covers, or why there is none.
      parameters: what the definition leaves open.
      warnings: what a reader should know of this number.
      undefined: why there is no value, where it is not finite.
      debiased: the same number for infinitely many images, where that can be told.
      drawing_error: standard error over what the definition itself draws at random, the images being these; the
        interval holds it.
    """

    name: NumberName
    value: float
    definition: str
    interval: Interval | None
    interval_method: str
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    undefined: str = ""
    debiased: Debiased | None = None
    drawing_error: float = 0.0

    @property
    def stem(self) -> str:
        """The short name of the number, without the network."""
        return self.name.stem

    def without_meaning(self, why: str) -> "Number":
        """The number in the place of a value that says nothing."""
        return dataclasses.replace(self, value=math.nan, interval=None, undefined=f"not meaningful: {why}")


@dataclasses.dataclass(frozen=True)
class Contrast:
    """How well the difference of one number between two generators is known, the reference being the same.

    Attributes:
      name: the number's.
      standard_error: of the second one's number less the first one's; None where there is none.
      degrees: of freedom of the standard error.
      method: how it was found, or why there is none.
      alike_p_value: of the hypothesis that both make the same distribution, by a test that need not agree with the
        standard error: it also sees what does not move the number's expectation. None where there is none.
      alike_method: how it was found.
      with_draws: whether the standard error holds that of the definition's own random draws.
    """

    name: NumberName
    standard_error: float | None
    degrees: float
    method: str
    alike_p_value: float | None = None
    alike_method: str = ""
    with_draws: bool = False


@dataclasses.dataclass(frozen=True)
class Measure:
    """One or several numbers that are found together.

    Attributes:
      name: what `--metrics` takes, beside the stems of its numbers.
      numbers: names of its numbers.
      compute: from a pair to numbers.
      what: its numbers in words, for tables.
      blind_to: what they do not see, or what misleads them, for tables.
      contrast: how well the differences of two generators are known, from the pairs that both make with the reference;
        None where only subsets of the images can tell.
      wanted: what it needs of the features.
      taps: which layer: the first of these that the extractor has; its default where there are none.
      families: of networks over which it is defined; any if empty.
      alone: whether the generated images are all that counts.
      needs_held_out: whether it needs a third set.
      needs_labels: whether it needs classes.
      needs_captions: whether it needs captions of the generated images.
      balls: which neighbours of the reference's and the generated features it wants, under a protocol.
      draws: standard errors of the differences of two generators, by stem, over what the definition draws at random and
        all subsets of the images share; None where there is nothing of that kind.

    Example:
      >>> from jaxeval.evaluation import MEASURES
      >>> MEASURES["prdc"].stems, MEASURES["fld"].needs
      (('precision', 'recall', 'density', 'coverage'), ('--held-out',))
    """

    name: str
    numbers: tuple[NumberName, ...]
    compute: Callable[[Pair], list[Number]]
    contrast: Callable[[Pair, Pair], list[Contrast]] | None = None
    wanted: Wanted = dataclasses.field(default_factory=lambda: Wanted(statistics=False, rows=True))
    taps: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    alone: bool = False
    needs_held_out: bool = False
    needs_labels: bool = False
    needs_captions: bool = False
    balls: Callable[[Protocol], tuple[Balls | None, Balls | None]] = lambda protocol: (None, None)
    draws: Callable[[Pair, Pair], dict[str, float]] | None = None
    what: str = ""
    blind_to: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """What it needs beside two sets of images, in words."""
        return (
            *(["class logits"] if "logits" in self.taps else ["a spatial layer"] if self.taps else []),
            *([f"{' or '.join(self.families)} features"] if self.families else []),
            *(["--held-out"] if self.needs_held_out else []),
            *(["--captions"] if self.needs_captions else []),
            *(["a folder for each class"] if self.needs_labels else []),
        )

    @property
    def directions(self) -> tuple[str, ...]:
        """Which direction of its numbers is better, each once: `lower`, `higher` or `neither`."""
        return tuple(dict.fromkeys(number.better or "neither" for number in self.numbers))

    @property
    def stems(self) -> tuple[str, ...]:
        """The short names of its numbers, without the network."""
        return tuple(name.stem for name in self.numbers)

    def tap_of(self, extractor: Extractor) -> str:
        """The layer whose features it needs."""
        return next((tap for tap in self.taps if tap in extractor.taps), extractor.default_tap)

    def obstacle(self, extractor: Extractor) -> str | None:
        """Why it cannot be computed over an extractor, if it cannot."""
        if self.families and extractor.family not in self.families:
            return f"it is defined over {' and '.join(self.families)} features, not over those of {extractor.name!r}"
        if self.taps and not any(tap in extractor.taps for tap in self.taps):
            return f"extractor {extractor.name!r} has no layer {self.taps[-1]!r}"
        return None


def subsampled(
    pair: Pair,
    compute: Callable[[Sets], dict[str, float]],
    definitions: Mapping[NumberName, str],
    parameters: Mapping[str, Any],
    *,
    alone: bool = False,
    held_out: bool = False,
    labelled: bool = False,
    warnings: tuple[str, ...] = (),
    undefined: Mapping[str, str] | None = None,
    known: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    uncut: Callable[[Sets], dict[str, float]] | None = None,
    drawing_errors: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
) -> list[Number]:
    """Numbers with intervals by subsampling.

    Args:
      pair: of features.
      compute: values by stem, from arrays under the names that `jaxeval.ops` has for them.
      definitions: of each number.
      parameters: for the record.
      alone: whether the generated images are all that counts.
      held_out: whether the held-out set takes part.
      labelled: whether the labels do.
      warnings: what a reader should know of each number.
      undefined: by stem, why there may be no finite value.
      known: what `compute` takes beside the arrays of all images, where it has been found already.
      values: those of all images, where they are known already.
      uncut: the same values where numbers end at an edge, beyond which these go on; their spread is taken then.
      drawing_errors: by stem, standard errors over what the definition draws at random, which all subsets share.
      most: by stem, the largest that a number can be, where that depends on the images.
    """
    rows: dict[str, Any] = {"generated": pair.generated_rows()} if alone else pair.rows()
    if held_out:
        rows = with_held_out(pair)
    if labelled:
        sides = (pair.generated,) if alone else (pair.reference, pair.generated)
        for name, side in zip(list(rows), sides, strict=True):
            assert side.labels is not None
            rows[f"{name}_labels"] = side.labels
    if values is None:
        values = (uncut if pair.for_spread and uncut is not None else compute)({**rows, **(known or {})})
    reaches = (_reach(uncut or compute, rows, pair.seed) if pair.with_intervals else None) or {}
    reasons, drawn, largest = undefined or {}, drawing_errors or {}, most or {}
    numbers = []
    for name, definition in definitions.items():
        stem = name.stem
        interval, method = None, "none: there are too few images for subsets of them"
        if stem in reaches and math.isfinite(values[stem]):
            reach = math.hypot(reaches[stem], DEVIATIONS * drawn.get(stem, 0.0))
            interval = interval_about(name, values[stem], reach, pair.counts(), largest.get(stem, math.inf))
            method = "95%, spread between thirds of the images, about the value and its bias"
            if stem in drawn:
                method += "; and spread between the directions"
            if name.share:
                method += "; never less than a binomial's (Clopper and Pearson, 1934)"
            if interval is None:
                method = NO_SPREAD
        number = Number(name, values[stem], definition, interval, method, parameters, warnings, reasons.get(stem, ""))
        numbers.append(dataclasses.replace(number, drawing_error=drawn.get(stem, 0.0)))
    return numbers


def _reach(compute: Callable[[Sets], dict[str, float]], rows: Sets, seed: int) -> dict[str, float] | None:
    try:
        return half_widths(compute, rows, seed)
    except InputError:  # a third of the images is too few for this metric, though all of them are enough
        return None


def attempted(name: NumberName, work: Callable[[], Number]) -> Number:
    """One number of several, whose refusal costs no other: then it has no value, and says why."""
    try:
        return work()
    except InputError as error:
        return Number(name, float("nan"), "", None, "none: there is no value", undefined=str(error))


def with_held_out(pair: Pair) -> dict[str, Any]:
    """The features of all three sets, under the names that `jaxeval.ops` has for them."""
    assert pair.held_out is not None
    assert pair.held_out.rows is not None
    return {**pair.rows(), "held_out": pair.held_out.rows}


def normal_interval(
    name: NumberName,
    value: float,
    standard_error: float,
    how: str,
    *,
    counts: Mapping[str, int] | None = None,
    most: float = math.inf,
) -> tuple[Interval | None, str]:
    """An interval of 95% about a value with a normal error, within what the number can be, and its description.

    Args:
      name: the number's.
      value: the number.
      standard_error: of it; not finite where there is none.
      how: it was found.
      counts: images of the "reference" and "generated" sets.
      most: the largest that the number can be, where that depends on the images.
    """
    if not np.isfinite(standard_error):
        return None, FEW
    interval = interval_about(name, value, DEVIATIONS * standard_error, counts, most)
    return interval, NO_SPREAD if interval is None else f"95%, {how}"
