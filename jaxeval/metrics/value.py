"""What a metric computes on the host: a number, or a few, with the counts behind it."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


@dataclasses.dataclass(frozen=True)
class MetricValue:
    """A metric's value on the host, in float64.

    Attributes:
      name: name of the metric.
      value: the number; of a metric that has several, the first of `values`.
      values: every number by name; empty for a metric that has one.
      standard_error: standard error of `value`, where the metric has a closed form for it.
      n_reference: reference rows that counted; None for a metric that takes none.
      n_generated: generated rows that counted, or samples of a metric without sides.
      warnings: what a reader should know before trusting the number.

    Example:
      >>> from jaxeval import metrics
      >>> value = metrics.MetricValue("frechet_distance", 12.3456789, n_reference=50_000, n_generated=10_000)
      >>> print(value)
      frechet_distance 12.3457 (10,000 vs 50,000)
      >>> float(value)
      12.3456789
    """

    name: str
    value: float
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    standard_error: float | None = None
    n_reference: int | None = None
    n_generated: int | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        if self.values:
            numbers = ", ".join(f"{name} {value:.6g}" for name, value in self.values.items())
        else:
            numbers = f"{self.value:.6g}"
            if self.standard_error is not None:
                numbers += f" ± {self.standard_error:.2g}"
        counts = " vs ".join(f"{n:,}" for n in (self.n_generated, self.n_reference) if n is not None)
        return "\n  warning: ".join([f"{self.name} {numbers}" + (f" ({counts})" if counts else ""), *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """The value as a dictionary that `json.dumps` takes."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"values": dict(self.values), "warnings": list(self.warnings)}
