"""Any function of every feature as a buffered metric: the ops that have no metric of their own."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.metrics.buffered import BufferedMetric, BufferedState, DeviceRows
from jaxeval.metrics.metric import AxisName, check_whole, on_host
from jaxeval.metrics.value import MetricValue


@dataclasses.dataclass(frozen=True)
class OfFeatures(BufferedMetric):
    """A function of all features, as those of `jaxeval.ops` are.

    For instance `OfFeatures(2048, 50_000, function=ops.vendi_score, alone=True)`. The function is called on the host by
    `compute`; on several processes every one of them then holds all rows, so choose `capacity` accordingly. There is
    no value on the device.

    Attributes:
      feature_size, capacity, overflow, seed: as those of every `BufferedMetric`.
      function: called with `reference=` and `generated=`, or with the generated features alone; returns a number, a
        tuple of named numbers, or something whose `value` (or first number) it is. Not a lambda, if the metric is to
        be equal to another one of its kind.
      alone: whether the function takes the generated features alone.
      options: further keywords of the function, as pairs.
      least: rows that each side must have.
      name: what results call it; the function's own name if empty.

    Raises:
      InputError: a size below 1, an unknown overflow, or no function.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics, ops
      >>> vendi = metrics.OfFeatures(feature_size=4, capacity=200, function=ops.vendi_score, alone=True)
      >>> state = vendi.update(vendi.init(), generated=np.eye(4))
      >>> round(vendi.compute(state).value, 4)
      4.0
    """

    function: Callable[..., Any] | None = None
    alone: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    least: int = 2
    name: str = ""

    def __post_init__(self):
        super().__post_init__()
        if self.function is None:
            raise InputError("no function was given; name one, such as jaxeval.ops.vendi_score")
        if not callable(self.function):
            raise InputError(f"function is {shown(self.function)}; give a function, such as jaxeval.ops.vendi_score")
        if not self.name:
            object.__setattr__(self, "name", getattr(self.function, "__name__", "function"))
        if self.alone:
            object.__setattr__(self, "inputs", ("generated",))

    @property
    def least_rows(self) -> int:
        """How many rows each side must have, as it was given."""
        return self.least

    def compute(self, state: BufferedState) -> MetricValue:
        """The value, in float64 on the host.

        Raises:
          InputError: rows were lost to overflow, there are too few, or the function refuses them.
        """
        check_whole(self, state)
        state = on_host(state)
        sides = {side: getattr(state, side) for side in self.inputs}
        rows = {side: self.buffer.rows(part, side) for side, part in sides.items()}
        seen = [int(np.asarray(part.seen, np.int64).sum()) for part in sides.values()]
        warnings = self._checked_counts([len(part) for part in rows.values()], seen)
        return dataclasses.replace(self._compute_on_host(**rows), warnings=warnings)

    def _compute_on_host(
        self,
        *,
        generated: Float[np.ndarray, "m d"],
        reference: Float[np.ndarray, "n d"] | None = None,
    ) -> MetricValue:
        assert self.function is not None
        if self.alone:
            found = self.function(generated, **dict(self.options))
        else:
            found = self.function(reference=reference, generated=generated, **dict(self.options))
        return self._as_value(found, 0 if reference is None else len(reference), len(generated))

    def _as_value(self, computed: Any, n_reference: int, n_generated: int) -> MetricValue:
        counts = {"n_reference": None if self.alone else n_reference, "n_generated": n_generated}
        if np.ndim(computed) == 0 and not hasattr(computed, "_asdict"):
            return MetricValue(self.name, float(computed), **counts)
        fields = computed._asdict() if hasattr(computed, "_asdict") else dict(enumerate(computed))
        values = {str(name): float(value) for name, value in fields.items() if np.ndim(value) == 0}
        if not values:
            raise InputError(f"function {self.name!r} returned no number but {type(computed).__name__}")
        error = values.pop("standard_error", None)
        first = values.get("value", next(iter(values.values()), float("nan")))
        several = values if len(values) > 1 else {}
        return MetricValue(self.name, first, several, standard_error=error, **counts)

    def _compute_rows(self, reference: DeviceRows, generated: DeviceRows, axis_name: AxisName | None) -> Any:
        raise InputError(f"{self.name} is a function of the host and has no value on the device; use compute")
