"""Kernel distance as a buffered metric: KID over all pairs, without subsets."""

import dataclasses
import math

import numpy as np
from jaxtyping import Array, Float

from jaxeval.metrics.buffered import BufferedMetric, DeviceRows
from jaxeval.metrics.metric import AxisName
from jaxeval.metrics.value import MetricValue
from jaxeval.ops import kid_full
from jaxeval.ops.kernels import Polynomial
from jaxeval.ops.ring import kernel_distance_on_device


@dataclasses.dataclass(frozen=True)
class KernelDistance(BufferedMetric):
    """Squared maximum mean discrepancy under a polynomial kernel, unbiased, over all pairs, with its standard error.

    The kernel Inception distance averages it over random subsets; all pairs estimate the same with less variance.

    Attributes:
      feature_size, capacity, overflow, seed: as those of every `BufferedMetric`.
      degree, gamma, coef0: numbers of the kernel (gamma x.y + coef0)^degree; gamma None is 1 / feature_size.
      name: what results call it.

    Reference: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018 (arXiv:1801.01401).

    Raises:
      InputError: a size below 1, an unknown overflow, or a kernel out of range.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> distance = metrics.KernelDistance(feature_size=4, capacity=200)
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 4))
      >>> state = distance.update(distance.init(), reference=reference, generated=generated + 1)
      >>> value = distance.compute(state)
      >>> round(value.value, 2), round(value.standard_error, 2)
      (9.22, 1.6)
    """

    degree: int = 3
    gamma: float | None = None
    coef0: float = 1.0
    name: str = "kernel_distance"

    def __post_init__(self):
        super().__post_init__()
        Polynomial(self.degree, self.gamma, self.coef0)

    @property
    def least_rows(self) -> int:
        """Two rows on each side, since a kernel distance averages over pairs."""
        return 2

    def _compute_on_host(
        self, *, reference: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
    ) -> MetricValue:
        value, error = kid_full(
            reference=reference, generated=generated, degree=self.degree, gamma=self.gamma, coef0=self.coef0
        )
        known = None if math.isnan(error) else error
        return MetricValue(
            self.name, value, standard_error=known, n_reference=len(reference), n_generated=len(generated)
        )

    def _compute_rows(
        self, reference: DeviceRows, generated: DeviceRows, axis_name: AxisName | None
    ) -> Float[Array, ""]:
        return kernel_distance_on_device(
            reference=reference.rows,
            generated=generated.rows,
            reference_mask=reference.mask,
            generated_mask=generated.mask,
            axis_name=axis_name,
            kernel=Polynomial(self.degree, self.gamma, self.coef0),
        )

    def _as_value(self, computed: Float[Array, ""], n_reference: int, n_generated: int) -> MetricValue:
        return MetricValue(self.name, float(computed), n_reference=n_reference, n_generated=n_generated)
