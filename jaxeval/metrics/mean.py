"""Averages of per-sample values: losses, and metrics of one image at a time."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxeval.errors import InputError
from jaxeval.metrics.keywords import own_input, require_input
from jaxeval.metrics.metric import AxisName, Metric, check_whole, counted_rows, on_device, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.ops.moments import (
    Moments,
    empty_moments,
    feature_moments,
    merge_moments,
    moments_on_host,
    reduce_moments,
)


@dataclasses.dataclass(frozen=True)
class Mean(Metric[Moments]):
    """The mean of one value a sample, with its standard error.

    `Mean("loss")` averages what `update(state, loss=...)` gets: [N] values, or a scalar, which counts as one value.
    `Mean("psnr", psnr, ("reference", "generated"))` averages `psnr(reference=..., generated=...)`, a function of whole
    batches that returns one value a sample.

    Attributes:
      name: what results call it.
      function: of the inputs, by keyword, to [N] values; None to take the one input as the values. It must be
        hashable, as functions are: two metrics are equal only if their functions are the same object.
      inputs: keywords of `update` that the function takes, all needed; the name itself where there is no function.

    Raises:
      InputError: a function without inputs, or inputs without a function.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> mean = metrics.Mean("loss")
      >>> state = mean.init()
      >>> for losses in (np.array([1.0, 2.0]), np.array([3.0, 6.0])):
      ...     state = mean.update(state, loss=losses)
      >>> mean.compute(state).value
      3.0
    """

    name: str
    function: Callable[..., Any] | None = None
    inputs: tuple[str, ...] = ()

    def __post_init__(self):
        if (self.function is None) != (not self.inputs):
            raise InputError(f"Mean({self.name!r}) needs a function and the inputs that it takes, or neither")
        object.__setattr__(self, "inputs", tuple(self.inputs) or (self.name,))

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> Moments:
        """The state of no data."""
        del shards
        return vary_over(empty_moments(1), axis_name)

    def update(self, state: Moments, **inputs: Any) -> Moments:
        """The state with a batch added.

        Args:
          state: before.
          inputs: the metric's own; `mask`, [N] truth values: samples where it is False do not count, nor those that
            `reference_mask` or `generated_mask` leaves out. A scalar, such as the loss of a step, is one value,
            whatever masks its batch has.

        Raises:
          InputError: an input is missing, or there is neither one value a sample nor a scalar.
        """
        require_input(self.name, self.inputs, inputs)
        missing = [name for name in self.inputs if inputs.get(name) is None]
        if missing:
            raise InputError(f"{self.name} needs {' and '.join(self.inputs)}; {' and '.join(missing)} is missing")
        given = {name: inputs[name] for name in self.inputs}
        values = jnp.asarray(given[self.name] if self.function is None else self.function(**given))
        if values.ndim == 0:
            return merge_moments(on_device(state), feature_moments(values[None, None]))
        if values.ndim != 1:
            raise InputError(
                f"{self.name} has shape {tuple(values.shape)}; [N] is expected, one value a sample, or a scalar"
            )
        rows = values[:, None]
        keep = jnp.ones(values.shape, bool)
        for side in ("reference", "generated"):
            keep &= counted_rows(self.name, rows, 1, own_input(side, "mask", inputs))[1]
        return merge_moments(on_device(state), feature_moments(rows, keep))

    def merge(self, a: Moments, b: Moments) -> Moments:
        """The state of both sets of data together."""
        return merge_moments(on_device(a), on_device(b))

    def reduce(self, state: Moments, axis_name: AxisName) -> Moments:
        """The state of all devices together, by sums, inside `shard_map` or `pmap`."""
        return reduce_moments(state, axis_name)

    def compute(self, state: Moments) -> MetricValue:
        """The mean of all values that counted, with its standard error.

        Raises:
          InputError: there is no sample, or a value was not finite.
        """
        check_whole(self, state)
        moments = moments_on_host(state)
        count, value, scatter = int(moments.count), float(moments.mean[0]), float(moments.scatter[0, 0])
        if count == 0:
            raise InputError(f"{self.name} is a mean of no samples; update it first")
        if not np.isfinite(value):
            raise InputError(f"a counted value of {self.name} was not finite; leave such samples out by mask")
        error = float(np.sqrt(scatter / (count - 1) / count)) if count > 1 else None
        return MetricValue(self.name, value, standard_error=error, n_generated=count)

    def compute_on_device(
        self, state: Moments, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Float[Array, ""]:
        """The mean in float32, jit-able, differentiable; not a number of no samples."""
        del axis_name, mesh
        check_whole(self, state)
        return jnp.where(jnp.asarray(state.count) > 0, jnp.asarray(state.mean + state.mean_lo)[0], jnp.nan)
