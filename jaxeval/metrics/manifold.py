"""Precision, recall, density and coverage as a buffered metric."""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.buffered import BufferedMetric, DeviceRows
from jaxeval.metrics.metric import AxisName
from jaxeval.metrics.value import MetricValue
from jaxeval.ops.manifold import PRDC, prdc
from jaxeval.ops.neighbours import Tie
from jaxeval.ops.ring import ManifoldShares, manifold_on_device


@dataclasses.dataclass(frozen=True)
class Manifold(BufferedMetric):
    """Precision, recall, density and coverage by balls that reach to each row's k-th nearest neighbour.

    `compute` decides every comparison in float64. `compute_on_device`, and `compute` on several processes, compare
    float32 distances, whose rounding (about 1e-7 of the rows' squared distance from their mean) decides where a
    distance equals a radius: a copy of the very row that a ball reaches to may count as inside or outside, whatever
    `tie` says. Of continuous features only copies tie, and only density changes visibly, by up to 1 / k.

    Attributes:
      feature_size, capacity, overflow, seed: as those of every `BufferedMetric`.
      k: which neighbour a ball reaches to, not counting the row itself; 5 in the package prdc, 3 elsewhere.
      tie: whether a row on a ball's surface is inside: "exclusive" in prdc, "inclusive" in torch-fidelity.
      name: what results call it.

    References: Kynkäänniemi et al., NeurIPS 2019 (arXiv:1904.06991); Naeem et al., ICML 2020 (arXiv:2002.09797).

    Raises:
      InputError: a size or k below 1, or an unknown overflow or tie.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> manifold = metrics.Manifold(feature_size=4, capacity=200, k=3)
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 4))
      >>> state = manifold.update(manifold.init(), reference=reference, generated=generated)
      >>> sorted(manifold.compute(state).values)
      ['coverage', 'density', 'precision', 'recall']
    """

    k: int = 5
    tie: Tie = "exclusive"
    name: str = "manifold"

    def __post_init__(self):
        super().__post_init__()
        whole_number("k", self.k, 1, enforce=False)
        if self.k < 1:
            raise InputError(f"k is {self.k}; the number of neighbours is at least 1")
        if self.tie not in ("exclusive", "inclusive"):
            raise InputError(f"tie is {self.tie!r}; choose 'exclusive' or 'inclusive'")

    @property
    def least_rows(self) -> int:
        """A row and its k neighbours on each side."""
        return self.k + 1

    def _compute_on_host(
        self, *, reference: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
    ) -> MetricValue:
        found = prdc(reference=reference, generated=generated, k=self.k, tie=self.tie)
        return self._as_value(found, len(reference), len(generated))

    def _compute_rows(self, reference: DeviceRows, generated: DeviceRows, axis_name: AxisName | None) -> ManifoldShares:
        return manifold_on_device(
            reference=reference.rows,
            generated=generated.rows,
            k=self.k,
            tie=self.tie,
            reference_mask=reference.mask,
            generated_mask=generated.mask,
            axis_name=axis_name,
        )

    def _as_value(self, computed: PRDC | ManifoldShares, n_reference: int, n_generated: int) -> MetricValue:
        values = {name: float(value) for name, value in computed._asdict().items()}
        return MetricValue(self.name, values["precision"], values, n_reference=n_reference, n_generated=n_generated)
