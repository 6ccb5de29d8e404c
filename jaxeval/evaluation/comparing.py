"""`jaxeval.compare`: is one generator better than another, by the same reference, or is it chance?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.intervals import spread
from jaxeval.evaluation.measure import Contrast, Features, Measure, Number, Pair, Sets
from jaxeval.evaluation.names import metric_label
from jaxeval.evaluation.results import SCHEMA_VERSION, Document, Result

__all__ = ["Comparison", "Difference", "contrasts_of"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One number of two generators, and how far they differ.

    Attributes:
      first, second: the results of both, with all their provenance.
      value: the first one's number less the second one's.
      interval: of 95%, or None where there is none; it may be over all pairs where the values are over subsets.
      interval_method: how it was found, or why there is none.
      p_value: of the hypothesis that both make the same distribution; None where there is none.
      p_value_method: how it was found.
    """

    first: Result
    second: Result
    value: float
    interval: tuple[float, float] | None
    interval_method: str
    p_value: float | None
    p_value_method: str

    @property
    def better(self) -> str | None:
        """Name of the better set, where the interval leaves no doubt of it and the metric has a better direction."""
        if self.first.better is None or self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return None
        first_is_less = self.interval[1] < 0
        return (self.first if first_is_less == (self.first.better == "lower") else self.second).generated

    def __str__(self) -> str:
        interval = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        chance = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        sides = ", ".join(f"{one.generated} {one.value:.6g}" for one in (self.first, self.second))
        return f"{metric_label(self.first.metric)}: {sides}, difference {self.value:.4g}{interval}{chance}"


@dataclasses.dataclass(frozen=True)
class Comparison(Document):
    """What one call of `compare` found: the differences, and a manifest of how; saved as `comparison.json`."""

    file_name = "comparison.json"

    differences: tuple[Difference, ...]
    manifest: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: `schema_version`, `differences`, `manifest`."""
        found = [dataclasses.asdict(one) | {"better": one.better} for one in self.differences]
        return {"schema_version": SCHEMA_VERSION, "differences": found, "manifest": dict(self.manifest)}

    def __str__(self) -> str:
        return "\n".join(map(str, self.differences))


def contrasts_of(measure: Measure, first: Pair, second: Pair) -> dict[str, Contrast]:
    """The differences of a measure's numbers between two pairs with one reference, by stem."""
    if measure.contrast is not None:
        return {one.stem: one for one in measure.contrast(first, second)}
    rows = _all_rows(first, second)

    def compute(kept: Sets) -> dict[str, float]:
        pairs = (_pair(pair, kept, name) for pair, name in ((first, "first"), (second, "second")))
        one, other = (_values(measure.compute(pair)) for pair in pairs)
        return {stem: one[stem] - other[stem] for stem in one}

    try:
        found = spread(compute, rows, first.seed)
    except InputError:  # a third of the images is too few for this measure
        found = None
    whole = compute(rows)
    if found is None:
        few = "none: there are too few images"
        return {stem: Contrast(stem, None, few, None, few) for stem in whole}
    errors, degrees = found
    method = "95%, spread between thirds of the images, the reference shared"
    contrasts = {}
    for stem, value in whole.items():
        if stem not in errors:
            few = "none: not every third of the images has a value"
            contrasts[stem] = Contrast(stem, None, few, None, few)
            continue
        low, high = ops.interval(value, errors[stem], degrees=degrees)
        p_value = ops.two_sided_p_value(value, errors[stem], degrees)
        contrasts[stem] = Contrast(stem, (low, high), method, p_value, "Student's t of the same spread")
    return contrasts


def _all_rows(first: Pair, second: Pair) -> dict[str, Any]:
    sides = {"reference": first.reference, "first": first.generated, "second": second.generated}
    if first.held_out is not None:
        sides["held_out"] = first.held_out
    rows = {name: side.rows for name, side in sides.items() if side.rows is not None}
    labels = {f"{name}_labels": side.labels for name, side in sides.items() if side.labels is not None}
    return {**rows, **labels}


def _pair(pair: Pair, kept: Sets, generated: str) -> Pair:
    def features(side: Features, name: str) -> Features:
        return Features(side.name, None, kept.get(name), kept.get(f"{name}_labels"))

    return dataclasses.replace(
        pair,
        reference=features(pair.reference, "reference"),
        generated=features(pair.generated, generated),
        held_out=None if pair.held_out is None else features(pair.held_out, "held_out"),
        with_intervals=False,
    )


def _values(numbers: Sequence[Number]) -> dict[str, float]:
    return {number.stem: number.value for number in numbers}
