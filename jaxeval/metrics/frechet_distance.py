"""Fréchet distance as a streaming metric: two sets of moments, whose size does not depend on the number of rows."""

import dataclasses
import functools
import os
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxeval._arguments import shown, whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.keywords import own_input, require_input
from jaxeval.metrics.metric import AxisName, Metric, check_whole, copied, counted_rows, emptied, on_device, vary_over
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


class FrechetState(NamedTuple):
    """Moments of both sides: a pytree.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> fid = metrics.FrechetDistance(feature_size=4)
      >>> state = fid.update(fid.init(), reference=np.ones((100, 4)))
      >>> int(state.reference.count), int(state.generated.count), state.reference.scatter.shape
      (100, 0, (4, 4))
    """

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

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> fid = metrics.FrechetDistance(feature_size=4)
      >>> state = fid.init()
      >>> for reference, generated in np.random.default_rng(0).normal(size=(3, 2, 100, 4)):
      ...     state = fid.update(state, reference=reference, generated=generated + 1)
      >>> value = fid.compute(state)
      >>> round(value.value, 2), value.n_reference, value.n_generated
      (4.65, 300, 300)
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
        """The state of no data."""
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
        require_input(self.name, self.inputs, inputs)
        return FrechetState(*(self._add(getattr(state, side), side, inputs) for side in self.inputs))

    def _add(self, moments: Moments, side: str, inputs: dict[str, Any]) -> Moments:
        if inputs.get(side) is None:
            return moments
        rows, mask = counted_rows(side, inputs[side], self.feature_size, own_input(side, "mask", inputs))
        return merge_moments(on_device(moments), feature_moments(rows, mask))

    def merge(self, a: FrechetState, b: FrechetState) -> FrechetState:
        """The state of both sets of data together."""
        return FrechetState(*map(merge_moments, on_device(a), on_device(b)))

    def reduce(self, state: FrechetState, axis_name: AxisName) -> FrechetState:
        """The state of all devices together, by sums, inside `shard_map` or `pmap`."""
        return FrechetState(*(reduce_moments(moments, axis_name) for moments in state))

    def keep_reference(self, state: FrechetState) -> FrechetState:
        """The state with its reference side alone, a copy."""
        return FrechetState(copied(state.reference), emptied(empty_moments(self.feature_size), state.generated))

    def from_statistics(self, statistics: Any, *, count: int | None = None) -> FrechetState:
        """The state of a reference that was measured before, and of no generated rows.

        For instance `state = fid.from_statistics("cifar10.npz")` in the place of `fid.init()`: a training run then
        reads no image of the reference. Place it on a mesh with `fid.resharded(state, mesh, "data")`.

        Args:
          statistics: a file of statistics or of features, jaxeval's own or another tool's (docs/statistics.md), or what
            has its `mean`, `covariance` (over count - 1) and `count`, such as `jaxeval.statistics.FeatureStatistics`.
          count: of how many images, where the statistics do not say. Without it their reference is complete: `compute`
            gives no `n_reference`, and refuses a state whose reference got further rows.

        What the file gives reason to say, such as eigenvalues below zero that rounding explains, is a `UserWarning`.

        Raises:
          InputError: the file cannot be read, holds no statistics of `feature_size` features, or says another count.
        """
        moments = _moments_of(statistics, self.feature_size, self.ddof, count)
        return FrechetState(moments, empty_moments(self.feature_size))

    def compute(self, state: FrechetState) -> MetricValue:
        """The distance, in squared feature units; never negative.

        Raises:
          InputError: a side has no more than `ddof` rows, or a feature was not finite.
        """
        check_whole(self, state)
        sides = dict(zip(self.inputs, map(moments_on_host, state), strict=True))
        counts = {side: int(moments.count) for side, moments in sides.items()}
        for side, moments in sides.items():
            if counts[side] <= self.ddof:
                raise InputError(f"{self.name} needs at least {self.ddof + 1} rows of {side}; it has {counts[side]}")
            if side == "reference" and counts[side] > UNKNOWN_COUNT:
                raise InputError(
                    "rows of reference were added to statistics of an unknown number of images; give their count to "
                    "from_statistics"
                )
            if not np.isfinite(moments.scatter).all():
                raise InputError(f"a counted row of {side} held values that are not finite; mask such rows")
        value = frechet_distance_between(*(self._gaussian(side, moments) for side, moments in sides.items()))
        said = tuple(
            f"{side} has {count} rows for {self.feature_size} dimensions: its covariance is singular, "
            "and the distance biased upwards"
            for side, count in counts.items()
            if count <= self.feature_size
        )
        return MetricValue(
            self.name,
            value,
            n_reference=None if counts["reference"] == UNKNOWN_COUNT else counts["reference"],
            n_generated=counts["generated"],
            warnings=said,
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
        """The distance in float32, jit-able, differentiable; not a number where a side has no more than `ddof` rows."""
        del axis_name, mesh
        check_whole(self, state)
        return _distance(reference=state.reference, generated=state.generated, ddof=self.ddof)

    @property
    def accumulates(self) -> tuple[Any, ...]:
        """Moments: metrics that differ in `ddof` can share them."""
        return ("moments", self.feature_size)


UNKNOWN_COUNT = 1 << 30
"""Stands for the number of images behind statistics that do not say it; twice of it is no int32, so none is added."""


@functools.partial(jax.jit, static_argnames="ddof")
def _distance(*, reference: Moments, generated: Moments, ddof: int) -> Float[Array, ""]:
    distance = frechet_distance_on_device(reference=reference, generated=generated, ddof=ddof)
    enough = (jnp.asarray(reference.count) > ddof) & (jnp.asarray(generated.count) > ddof)
    return jnp.where(enough, distance, jnp.nan)


def _moments_of(statistics: Any, feature_size: int, ddof: int, count: int | None) -> Moments:
    """Statistics in float64 as a device state, whose two parts of 24 bits hold them to 1e-14."""
    if count is not None:
        count = whole_number("count", count, ddof + 1, UNKNOWN_COUNT - 1)
    if isinstance(statistics, str | os.PathLike):
        # Only here does a metric read a file, as the user asks it to; without one, the readers are not loaded.
        from jaxeval.statistics import statistics_in

        statistics = statistics_in(statistics, feature_size)
    for said in getattr(statistics, "warnings", ()):
        warnings.warn(said, stacklevel=3)
    missing = [name for name in ("mean", "covariance", "count") if not hasattr(statistics, name)]
    if missing:
        raise InputError(
            f"statistics is {shown(statistics)}, without {missing[0]}; give a file's path, or an object with mean, "
            "covariance and count"
        )
    mean, matrix = np.asarray(statistics.mean, np.float64), statistics.covariance
    if matrix is None and hasattr(statistics, "full_covariance"):  # kept as its factor while that is the smaller
        matrix = statistics.full_covariance()
    matrix = np.asarray(matrix, np.float64)
    if mean.shape != (feature_size,) or matrix.shape != (feature_size, feature_size):
        raise InputError(
            f"the statistics are of {mean.shape[-1] if mean.ndim else 'no'} features; the metric was made for "
            f"{feature_size}"
        )
    known = None if statistics.count is None else int(statistics.count)
    if known is not None and count is not None and known != count:
        raise InputError(f"count is {count}, and the statistics say {known}; leave it out")
    known = known if count is None else count
    number = UNKNOWN_COUNT if known is None else known
    # `covariance` is over count - 1; with ddof 0 the metric takes the same rows over count, if it is known.
    scatter = matrix * (number - (ddof if known is None else 1))
    parts = (np.float32(mean), np.float32(scatter))
    rests = (np.float32(mean - parts[0]), np.float32(scatter - parts[1]))
    return Moments(jnp.asarray(number, jnp.int32), *(jnp.asarray(part) for part in (*parts, *rests)))
