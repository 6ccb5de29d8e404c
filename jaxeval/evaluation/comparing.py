"""`jaxeval.compare`: is one generator better than another, by the same reference, or is it chance?"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.intervals import Debiased, difference_interval, no_difference, spread
from jaxeval.evaluation.measures.measure import (
    FEW,
    NO_SPREAD,
    Contrast,
    Features,
    Measure,
    Number,
    Pair,
    Sets,
)
from jaxeval.evaluation.results import SCHEMA_VERSION, Result
from jaxeval.ops import Interval
from jaxeval.records import Document

_NO_DIFFERENCE = "of no difference, by the standard error of the interval"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One number of two generators, and how far they differ.

    Attributes:
      first, second: the results of both, with all their provenance.
      value: the second one's number less the first one's: an improvement of a later model has the metric's own sign.
      interval: of 95%, about `value`; or None where there is none.
      interval_method: how it was found, or why there is none.
      p_value: of no difference, by the interval's own standard error: below 0.05 where the interval leaves 0 out. None
        where there is no interval.
      p_value_method: how it was found.
      alike_p_value: of the hypothesis that both make the same distribution, by permutation. It may be small beside an
        interval that holds 0: distributions can differ where this number does not. None where there is none.
      alike_p_value_method: how it was found.
      debiased: the difference without what each number exceeds that of its distribution by, which unequal counts of
        images leave in `value`; None where one of the two is not known.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, first, second = np.random.default_rng(0).integers(0, 256, size=(3, 64, 5, 5, 3), dtype=np.uint8)
      >>> sets = {"a": first}, {"b": second // 2}
      >>> comparison = jaxeval.compare(*sets, reference=real, metrics="fd", extractor="pixels")
      >>> difference = comparison.differences[0]
      >>> difference.first.metric, difference.better
      ('fd-pixels', 'a')
    """

    first: Result
    second: Result
    value: float
    interval: Interval | None
    interval_method: str
    p_value: float | None
    p_value_method: str
    alike_p_value: float | None = None
    alike_p_value_method: str = ""
    debiased: Debiased | None = None

    @property
    def better(self) -> str | None:
        """Name of the better set, where no interval leaves a doubt of it and the metric has a better direction."""
        if self.first.better is None or self.interval is None:
            return None
        intervals = [self.interval] if self.debiased is None else [self.interval, self.debiased.interval]
        if all(high < 0 for _, high in intervals):
            return (self.second if self.first.better == "lower" else self.first).generated
        if all(low > 0 for low, _ in intervals):
            return (self.first if self.first.better == "lower" else self.second).generated
        return None

    def __str__(self) -> str:
        interval = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        chance = "" if self.p_value is None else f", p = {self.p_value:.2g} of no difference"
        alike = "" if self.alike_p_value is None else f", p = {self.alike_p_value:.2g} of one distribution"
        sides = ", ".join(f"{one.generated} {one.value:.6g}" for one in (self.first, self.second))
        return f"{self.first.label}: {sides}, difference {self.value:.4g}{interval}{chance}{alike}"


@dataclasses.dataclass(frozen=True)
class Comparison(Document):
    """What one call of `compare` found: the differences, and a manifest of how; saved as `comparison.json`.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, first, second = np.random.default_rng(0).integers(0, 256, size=(3, 64, 5, 5, 3), dtype=np.uint8)
      >>> comparison = jaxeval.compare(first, second, reference=real, metrics="fd", extractor="pixels")
      >>> len(comparison.differences), sorted(comparison.to_dict())
      (1, ['differences', 'manifest', 'schema_version'])
    """

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
    """How well the differences of a measure's numbers between two pairs with one reference are known, by stem."""
    if measure.contrast is not None:
        return {one.name.stem: one for one in measure.contrast(first, second)}

    def compute(kept: Sets) -> dict[str, float]:
        pairs = (_pair(pair, kept, name) for pair, name in ((first, "first"), (second, "second")))
        one, other = (_values(measure.compute(pair)) for pair in pairs)
        return {stem: other[stem] - one[stem] for stem in one}

    try:
        found = spread(compute, _all_rows(first, second), first.seed)
    except InputError:  # a third of the images is too few for this measure
        found = None
    if found is None:
        return {name.stem: Contrast(name, None, math.inf, FEW) for name in measure.numbers}
    errors, degrees = found
    method, drawn = "spread between thirds of the images, the reference shared", {}
    if measure.draws is not None:
        drawn = measure.draws(first, second)
        method += "; and between the random draws, which both share"
    contrasts = {}
    for name in measure.numbers:
        stem = name.stem
        if stem not in errors:
            contrasts[stem] = Contrast(name, None, math.inf, "none: not every third of the images has a value")
            continue
        error = math.hypot(errors[stem], drawn.get(stem, 0.0))
        contrasts[stem] = Contrast(name, error, degrees, method, with_draws=measure.draws is not None)
    return contrasts


def difference_of(numbers: tuple[Number, Number], results: tuple[Result, Result], contrast: Contrast) -> Difference:
    """The difference of one number between two generators, with the interval and the p-values that go with it."""
    values = (numbers[0].value, numbers[1].value)
    value = values[1] - values[0]
    alike = contrast.alike_p_value, contrast.alike_method and f"of one distribution, by {contrast.alike_method}"
    if contrast.standard_error is None:
        return Difference(*results, value, None, contrast.method, None, contrast.method, *alike)
    # Draws of the definition that the contrast has none of, as of subsets: of each side by itself.
    draws = () if contrast.with_draws else (one.drawing_error for one in numbers)
    error = math.hypot(contrast.standard_error, *draws)
    reach = ops.interval(0.0, error, degrees=contrast.degrees).high
    counts = tuple(
        {name: count for name, count in (("reference", one.n_reference), ("generated", one.n_generated)) if count}
        for one in results
    )
    interval = difference_interval(contrast.name, values, reach, (counts[0], counts[1]))
    if interval is None:
        return Difference(*results, value, None, NO_SPREAD, None, NO_SPREAD, *alike)
    p_value = no_difference(value, interval, contrast.degrees)
    debiased = _debiased(numbers, error, contrast.degrees)
    return Difference(*results, value, interval, f"95%, {contrast.method}", p_value, _NO_DIFFERENCE, *alike, debiased)


def _debiased(numbers: tuple[Number, Number], error: float, degrees: float) -> Debiased | None:
    first, second = (one.debiased for one in numbers)
    if first is None or second is None:
        return None
    bias, value = second.bias - first.bias, second.value - first.value
    middle = numbers[1].value - numbers[0].value - bias  # other than the value where a distance would be below 0
    reach = ops.interval(0.0, error, degrees=degrees).high
    # Either bias may be more than what is known of it.
    low, high = middle - reach - second.bias_shortfall, middle + reach + first.bias_shortfall
    interval = Interval(min(low, value), max(high, value))
    method = f"95%, of the difference without its bias of {bias:.4g}, by the same standard error"
    return Debiased(value, bias, max(first.bias_shortfall, second.bias_shortfall), interval, method)


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
        for_spread=True,
    )


def _values(numbers: Sequence[Number]) -> dict[str, float]:
    return {number.stem: number.value for number in numbers}
