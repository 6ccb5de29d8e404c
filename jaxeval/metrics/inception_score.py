"""Inception score as a streaming metric: sums of class probabilities and of their logarithms."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.metric import AxisName, Metric, counted_rows, own_input, require_input, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.ops._arrays import AnyArray, contract
from jaxeval.ops.compensated import CompensatedSum, add_terms, empty_sum, merge_sums, reduce_sum, sum_on_host

__all__ = ["InceptionScore", "InceptionScoreState"]


class InceptionScoreState(NamedTuple):
    """Sums over the samples of each split, a pytree.

    Attributes:
      samples: how many, shape [splits], int32.
      probabilities: sum of the class probabilities, shape [splits, num_classes].
      negentropies: sum over samples and classes of p log p, shape [splits].
    """

    samples: AnyArray
    probabilities: CompensatedSum
    negentropies: CompensatedSum


@dataclasses.dataclass(frozen=True)
class InceptionScore(Metric[InceptionScoreState]):
    """exp of the mean KL divergence of p(class | sample) from p(class), from logits; between 1 and num_classes.

    With several splits the score is the mean over splits. A sample belongs to split `index % splits`, where `index` is
    its number in the whole data set, so that the score does not depend on batches, devices or hosts; reference
    implementations split a shuffled list into stretches instead, which a stream cannot do.

    Attributes:
      num_classes: number of logits.
      splits: number of splits.
      name: what results call it.
      inputs: the keywords of `update` that carry its data.

    Reference: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016 (arXiv:1606.03498).

    Raises:
      InputError: num_classes or splits below 1.
    """

    num_classes: int
    splits: int = 1
    name: str = "inception_score"
    inputs: tuple[str, ...] = dataclasses.field(default=("generated",), init=False, repr=False)

    def __post_init__(self):
        for name in ("num_classes", "splits"):
            whole_number(name, getattr(self, name), 1, enforce=False)
        if self.num_classes < 1 or self.splits < 1:
            raise InputError(f"num_classes is {self.num_classes} and splits {self.splits}; both are 1 or more")

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> InceptionScoreState:
        """The state of no samples."""
        del shards
        sums = empty_sum((self.splits, self.num_classes)), empty_sum((self.splits,))
        return vary_over(InceptionScoreState(jnp.zeros((self.splits,), jnp.int32), *sums), axis_name)

    def update(self, state: InceptionScoreState, **inputs: Any) -> InceptionScoreState:
        """The state with a batch added; a batch of the reference alone changes nothing.

        Args:
          state: before.
          inputs: `generated`, logits of shape [N, num_classes]; `mask` or `generated_mask`, [N] truth values; `index`
            or `generated_index`, [N] integers, each sample's number in the whole data set, needed for several splits.

        Raises:
          InputError: as `Metric.update`, or `index` is missing.
        """
        if inputs.get("generated") is None and inputs.get("reference") is not None:
            return state
        require_input(self, inputs)
        mask = own_input("generated", "mask", inputs)
        logits, mask = counted_rows("generated", inputs["generated"], self.num_classes, mask)
        return self._add(state, logits, mask, self._split(inputs, logits.shape[0]) if self.splits > 1 else None)

    @functools.partial(jax.jit, static_argnums=0)
    def _add(
        self,
        state: InceptionScoreState,
        logits: Float[Array, "n k"],
        mask: Bool[Array, " n"],
        split: Int[Array, " n"] | None,
    ) -> InceptionScoreState:
        member = mask[:, None]
        if split is not None:
            member &= jax.nn.one_hot(split, self.splits, dtype=bool)
        log_p = jax.nn.log_softmax(jnp.where(mask[:, None], logits, 0.0))
        p = jnp.exp(log_p)
        weights = member.astype(jnp.float32)
        # A probability that underflows adds nothing: p log p tends to 0.
        terms = jnp.where(p > 0, p * log_p, 0.0).sum(1)
        return InceptionScoreState(
            state.samples + member.sum(0, dtype=jnp.int32),
            add_terms(state.probabilities, contract("ns,nk->sk", weights, p)),
            add_terms(state.negentropies, contract("ns,n->s", weights, terms)),
        )

    def _split(self, inputs: dict[str, Any], rows: int) -> Array:
        index = own_input("generated", "index", inputs)
        if index is None:
            raise InputError(
                f"{self.name} with {self.splits} splits needs index=, each sample's number in the data set"
            )
        index = jnp.asarray(index)
        if index.shape != (rows,) or not jnp.issubdtype(index.dtype, jnp.integer):
            raise InputError(f"index has shape {index.shape} and dtype {index.dtype}; [{rows}] integers are expected")
        return index % self.splits

    def merge(self, a: InceptionScoreState, b: InceptionScoreState) -> InceptionScoreState:
        """The state of both."""
        return InceptionScoreState(
            a.samples + b.samples,
            merge_sums(a.probabilities, b.probabilities),
            merge_sums(a.negentropies, b.negentropies),
        )

    def reduce(self, state: InceptionScoreState, axis_name: AxisName) -> InceptionScoreState:
        """The state of all devices, by sums."""
        return InceptionScoreState(
            lax.psum(state.samples, axis_name),
            reduce_sum(state.probabilities, axis_name),
            reduce_sum(state.negentropies, axis_name),
        )

    def compute(self, state: InceptionScoreState) -> MetricValue:
        """The score, and with several splits its mean and standard deviation (ddof 0) over them.

        Raises:
          InputError: a split has no sample, or a logit was not finite.
        """
        samples = np.asarray(state.samples, np.int64)
        if (samples == 0).any():
            raise InputError(
                f"{self.name} with {self.splits} splits needs a sample in each; {samples.sum()} were added"
            )
        mean_p = sum_on_host(state.probabilities) / samples[:, None]
        negentropy = sum_on_host(state.negentropies) / samples
        if not (np.isfinite(mean_p).all() and np.isfinite(negentropy).all()):
            raise InputError("a counted row of logits held values that are not finite; leave such rows out by mask")
        logarithms = np.log(mean_p, where=mean_p > 0, out=np.zeros_like(mean_p))
        scores = np.exp(negentropy - (mean_p * logarithms).sum(1))
        values = {"mean": float(scores.mean()), "std": float(scores.std())} if self.splits > 1 else {}
        return MetricValue(self.name, float(scores.mean()), values, n_generated=int(samples.sum()))

    def compute_on_device(
        self, state: InceptionScoreState, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Float[Array, ""]:
        """The mean score over splits in float32, jit-able, differentiable; NaN where a split has no sample."""
        del axis_name, mesh
        return _mean_score(state)


@jax.jit
def _mean_score(state: InceptionScoreState) -> Float[Array, ""]:
    samples = jnp.asarray(state.samples, jnp.float32)
    mean_p = state.probabilities.rounded() / samples[:, None]
    logarithms = jnp.log(jnp.where(mean_p > 0, mean_p, 1.0))
    scores = jnp.exp(state.negentropies.rounded() / samples - (mean_p * logarithms).sum(1))
    return scores.mean()
