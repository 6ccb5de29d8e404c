"""Metrics as `flax.nnx.Metric`, for `nnx.MultiMetric` and training loops in the NNX style."""

from collections.abc import Mapping
from typing import Any

import jax
from flax import nnx
from jax.core import Tracer
from jax.sharding import Mesh

from jaxeval.metrics.keywords import renamed
from jaxeval.metrics.metric import AxisName, Metric


class NnxMetric(nnx.Metric):
    """A metric together with its state, which `update` changes in place; made by `to_nnx`.

    Attributes:
      metric: the metric.
      leaves: its state, one `nnx.metrics.MetricState` a leaf.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> loss = metrics.to_nnx(metrics.Mean("loss"))
      >>> loss.update(loss=np.array([1.0, 3.0]))
      >>> loss.state.count.shape, loss.compute().value
      ((), 2.0)
    """

    def __init__(self, metric: Metric, names: Mapping[str, str], mesh: Mesh | None, axis_name: AxisName | None):
        self.metric = metric
        self._names = tuple(sorted(names.items()))
        self._mesh, self._axis_name = mesh, axis_name
        leaves, self._treedef = jax.tree.flatten(self._empty())
        self.leaves = nnx.List([nnx.metrics.MetricState(leaf) for leaf in leaves])

    def _empty(self) -> Any:
        if self._mesh is None or self._axis_name is None:
            return self.metric.init()
        return self.metric.init_on(self._mesh, self._axis_name)

    @property
    def state(self) -> Any:
        """The state, as the metric's functions take it."""
        return jax.tree.unflatten(self._treedef, [leaf[...] for leaf in self.leaves])

    # A property's setter is out of the question: NNX takes every assignment for one of a static attribute.
    def _assign(self, state: Any) -> None:
        for variable, leaf in zip(self.leaves, jax.tree.leaves(state), strict=True):
            variable.set_value(leaf)

    def reset(self, *, keep_reference: bool = False) -> None:
        """Forgets all data, or all but the reference's."""
        self._assign(self.metric.keep_reference(self.state) if keep_reference else self._empty())

    def update(self, **kwargs: Any) -> None:
        """Adds a batch; keywords that the metric does not know are ignored."""
        self._assign(self.metric.update(self.state, **renamed(kwargs, dict(self._names))))

    def compute(self) -> Any:
        """The metric's `MetricValue`, or inside jit its `compute_on_device`."""
        state = self.state
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(state)):
            return self.metric.compute_on_device(state, mesh=self._mesh, axis_name=self._axis_name)
        return self.metric.compute(state)


def to_nnx(
    metric: Metric,
    *,
    names: Mapping[str, str] | None = None,
    mesh: Mesh | None = None,
    axis_name: AxisName | None = None,
) -> NnxMetric:
    """A metric as an `nnx.Metric`: `reset`, `update`, `compute`; under `nnx.jit`, and in an `nnx.MultiMetric`.

    Args:
      metric: any metric of this package, a `Collection` too.
      names: for an input of the metric, the keyword by which the training loop passes it, `{"generated": "logits"}`.
      mesh: a mesh on which to keep the state, with `axis_name`; without them it lies where JAX puts it.
      axis_name: the axis over which batches are sharded.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> loss = metrics.to_nnx(metrics.Mean("loss"))
      >>> loss.update(loss=np.array([1.0, 3.0]))
      >>> loss.compute().value
      2.0
      >>> loss.reset()
    """
    return NnxMetric(metric, names or {}, mesh, axis_name)
