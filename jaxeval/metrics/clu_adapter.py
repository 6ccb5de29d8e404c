"""Metrics as `clu.metrics.Metric` classes, for training loops built on CommonLoopUtils."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import flax.struct
import jax
from jax.core import Tracer

from jaxeval.errors import InputError
from jaxeval.metrics.buffered import BufferedMetric
from jaxeval.metrics.collection import Collection
from jaxeval.metrics.keywords import own_input, renamed
from jaxeval.metrics.metric import Metric


def to_clu(metric: Metric, *, value: str | None = None, names: Mapping[str, str] | None = None) -> type:
    """A `clu.metrics.Metric` class of a metric, for use by itself or as a field of a `clu.metrics.Collection`.

    `compute()` gives a float, or inside jit a float32 array. `clu` gathers states from all devices; for a buffered
    metric that means all rows, so keep those to moderate capacities, or update them without `clu`.

    Args:
      metric: a metric of this package, but no `Collection`.
      value: which number of a metric that has several; its first by default.
      names: for an input of the metric, the model output that it is, `{"generated": "logits"}`.

    Raises:
      InputError: `clu` is not installed, or `metric` is a `Collection`.
      InputError: on updates, a reservoir gets no `index`: batches come one by one, so no order of arrival is known.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> Loss = metrics.to_clu(metrics.Mean("loss"))
      >>> state = Loss.empty().merge(Loss.from_model_output(loss=np.array([1.0, 3.0])))
      >>> float(state.compute())
      2.0
    """
    if isinstance(metric, Collection):
        raise InputError("to_clu takes one metric; put the metrics of a Collection into a clu.metrics.Collection")
    clu_metrics = _clu()
    own_names = dict(names or {})

    class CluMetric(clu_metrics.Metric):
        """The given jaxeval metric as a class of `clu.metrics.Metric`."""

        state: Any

        @classmethod
        def empty(cls) -> "CluMetric":
            return cls(state=metric.init())

        @classmethod
        def from_model_output(cls, **outputs: Any) -> "CluMetric":
            inputs = renamed(outputs, own_names)
            _check_index(metric, inputs)
            return cls(state=metric.update(metric.init(), **inputs))

        def merge(self, other: "CluMetric") -> "CluMetric":
            return type(self)(state=metric.merge(self.state, other.state))

        def compute(self) -> Any:
            if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self.state)):
                return _on_device(metric.compute_on_device(self.state), value)
            found = metric.compute(self.state)
            return found.value if value is None else found.values[value]

    CluMetric.__name__ = CluMetric.__qualname__ = f"Clu{type(metric).__name__}"
    return flax.struct.dataclass(CluMetric)


def _on_device(computed: Any, value: str | None) -> Any:
    if isinstance(computed, jax.Array):
        return computed
    return computed[0] if value is None else getattr(computed, value)


def _check_index(metric: Metric, inputs: Mapping[str, Any]) -> None:
    if not isinstance(metric, BufferedMetric) or metric.overflow == "error":
        return
    for side in metric.inputs:
        if inputs.get(side) is not None and own_input(side, "index", inputs) is None:
            raise InputError(f"a reservoir under clu needs index=, each row's number in the data set, for {side}")


def _clu() -> ModuleType:
    try:
        from clu import metrics
    except ImportError as error:
        raise InputError("to_clu needs the package clu; install it: pip install clu") from error
    return metrics
