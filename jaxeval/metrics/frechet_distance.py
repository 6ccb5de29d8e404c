"""Fréchet distance as a streaming metric: two sets of moments, whose size does not depend on the number of rows."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.metric import AxisName, Metric, counted_rows, on_device, own_input, require_input, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.ops.frechet import frechet_distance_between
from jaxeval.ops.frechet_on_device import frechet_distance_on_device
from jaxeval.ops.gaussian import Gaussian, covariance_factor, gaussian_from_moments
from jaxeval.ops.moments import (
    Moments,
    empty_moments,
    feature_moments,
    merge_moments,
    moments_on_host,
    reduce_moments,
)

__all__ = ["FrechetDistance", "FrechetState"]


class FrechetState(NamedTuple):
    """Moments of both sides: a pytree."""

    reference: Moments
    generated: Moments


@dataclasses.dataclass(frozen=True)
class FrechetDistance(Metric[FrechetState]):
    """Fréchet distance of features; the Fréchet Inception distance where they are that network's.

    Attributes:
      feature_size: d.
      ddof: what is subtracted from the count in a covariance's denominator: 1, or 0 as some protocols do.
      name: what results call it.
      inputs: the keywords of `update` that carry its data.

    Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017 (arXiv:1706.08500).

    Raises:
      InputError: feature_size below 1, or another ddof.
    """

    feature_size: int
    ddof: int = 1
    name: str = "frechet_distance"
    inputs: tuple[str, ...] = dataclasses.field(default=("reference", "generated"), init=False, repr=False)

    def __post_init__(self):
        whole_number("feature_size", self.feature_size, 1, enforce=False)
        if self.feature_size < 1:
            raise InputError(f"feature_size is {self.feature_size}; a feature has at least one dimension")
        if self.ddof not in (0, 1):
            raise InputError(f"ddof is {self.ddof}; it is 1, or 0 to divide by the count")

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> FrechetState:
        """The state of no rows."""
        del shards
        # Made twice: a donated state must not hold one array in two places.
        return vary_over(FrechetState(*(empty_moments(self.feature_size) for _ in self.inputs)), axis_name)

    def update(self, state: FrechetState, **inputs: Any) -> FrechetState:
        """The state with a batch of one side or of both added.

        Args:
          state: before.
          inputs: `reference` and `generated`, features of shape [N, feature_size] and [M, feature_size]; `mask`,
            [N] truth values, or `reference_mask` and `generated_mask`: rows where it is False do not count.
        """
        require_input(self, inputs)
        return FrechetState(*(self._add(getattr(state, side), side, inputs) for side in self.inputs))

    def _add(self, moments: Moments, side: str, inputs: dict[str, Any]) -> Moments:
        if inputs.get(side) is None:
            return moments
        rows, mask = counted_rows(side, inputs[side], self.feature_size, own_input(side, "mask", inputs))
        return merge_moments(on_device(moments), feature_moments(rows, mask))

    def merge(self, a: FrechetState, b: FrechetState) -> FrechetState:
        """The state of both."""
        return FrechetState(*map(merge_moments, on_device(a), on_device(b)))

    def reduce(self, state: FrechetState, axis_name: AxisName) -> FrechetState:
        """The state of all devices, by sums."""
        return FrechetState(*(reduce_moments(moments, axis_name) for moments in state))

    def compute(self, state: FrechetState) -> MetricValue:
        """The distance, in squared feature units; never negative.

        Raises:
          InputError: a side has no more than `ddof` rows, or a feature was not finite.
        """
        sides = dict(zip(self.inputs, map(moments_on_host, state), strict=True))
        counts = {side: int(moments.count) for side, moments in sides.items()}
        for side, moments in sides.items():
            if counts[side] <= self.ddof:
                raise InputError(f"{self.name} needs at least {self.ddof + 1} rows of {side}; it has {counts[side]}")
            if not np.isfinite(moments.scatter).all():
                raise InputError(f"a counted row of {side} held values that are not finite; mask such rows")
        value = frechet_distance_between(*(self._gaussian(side, moments) for side, moments in sides.items()))
        warnings = tuple(
            f"{side} has {count} rows for {self.feature_size} dimensions: its covariance is singular, "
            "and the distance biased upwards"
            for side, count in counts.items()
            if count <= self.feature_size
        )
        return MetricValue(
            self.name,
            value,
            n_reference=counts["reference"],
            n_generated=counts["generated"],
            warnings=warnings,
        )

    def _gaussian(self, side: str, moments: Moments) -> Gaussian:
        gaussian = gaussian_from_moments(moments, ddof=self.ddof)
        matrix = np.asarray(gaussian.covariance)
        # Rows came in float32, so directions without variance hold its rounding, whose root must not count.
        factor = covariance_factor(matrix, side, float(jnp.finfo(jnp.float32).eps))
        return gaussian if len(factor) == len(matrix) else Gaussian(gaussian.mean, factor=factor)

    def compute_on_device(
        self, state: FrechetState, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Float[Array, ""]:
        """The distance in float32, jit-able, differentiable. A side of no more than `ddof` rows counts as one point."""
        del axis_name, mesh
        return _distance(reference=state.reference, generated=state.generated, ddof=self.ddof)

    @property
    def accumulates(self) -> tuple[Any, ...]:
        """Moments: metrics that differ in `ddof` can share them."""
        return ("moments", self.feature_size)


_distance = jax.jit(frechet_distance_on_device, static_argnames="ddof")
