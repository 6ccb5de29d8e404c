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

from jaxeval._arguments import shown, whole_number
from jaxeval._arrays import AnyArray, contract
from jaxeval.errors import InputError
from jaxeval.metrics.keywords import own_input, require_input
from jaxeval.metrics.metric import AxisName, Metric, check_whole, counted_rows, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.ops.compensated import CompensatedSum, add_terms, empty_sum, merge_sums, reduce_sum, sum_on_host

_SUM_TOLERANCE = 1e-3  # of probabilities, as `ops.inception_score` takes them


class InceptionScoreState(NamedTuple):
    """Sums over the samples of each split, a pytree.

    Attributes:
      samples: how many, shape [splits], int32.
      probabilities: sum of the class probabilities, shape [splits, num_classes].
      negentropies: sum over samples and classes of p log p, shape [splits].
      like_probabilities: samples whose row is not negative and of sum 1 (to 1e-3), shape [], int32.

    Example:
      >>> from jaxeval import metrics
      >>> state = metrics.InceptionScore(num_classes=10, splits=5).init()
      >>> state.samples.shape, state.probabilities.total.shape
      ((5,), (5, 10))
    """

    samples: AnyArray
    probabilities: CompensatedSum
    negentropies: CompensatedSum
    like_probabilities: AnyArray


@dataclasses.dataclass(frozen=True)
class InceptionScore(Metric[InceptionScoreState]):
    """exp of the mean KL divergence of p(class | sample) from p(class); between 1 and num_classes.

    With several splits the score is the mean over splits. A sample belongs to split `index % splits`, where `index` is
    its number in the whole data set, so that the score does not depend on batches, devices or hosts; reference
    implementations split a shuffled list into stretches instead, which a stream cannot do.

    Attributes:
      num_classes: number of logits, or of probabilities.
      splits: number of splits.
      probabilities: whether `generated` holds probabilities, used as they are, and not logits. Either is told from the
        other by its rows: `compute` refuses logits that are all probabilities, and probabilities that are none.
      name: what results call it.
      inputs: the keywords of `update` that carry its data.

    Reference: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016 (arXiv:1606.03498).

    Raises:
      InputError: num_classes or splits below 1.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> score = metrics.InceptionScore(num_classes=4)
      >>> logits = 50 * np.eye(4)[np.arange(40) % 4]  # sure of each image, and all classes are as frequent
      >>> state = score.update(score.init(), generated=logits)
      >>> round(score.compute(state).value, 3)
      4.0
    """

    num_classes: int
    splits: int = 1
    probabilities: bool = False
    name: str = "inception_score"
    inputs: tuple[str, ...] = dataclasses.field(default=("generated",), init=False, repr=False)

    def __post_init__(self):
        for name in ("num_classes", "splits"):
            whole_number(name, getattr(self, name), 1, enforce=False)
        if self.num_classes < 1 or self.splits < 1:
            raise InputError(f"num_classes is {self.num_classes} and splits {self.splits}; both are 1 or more")
        if not isinstance(self.probabilities, bool | np.bool_):
            raise InputError(f"probabilities is {shown(self.probabilities)}; give True or False")

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> InceptionScoreState:
        """The state of no data."""
        del shards
        sums = empty_sum((self.splits, self.num_classes)), empty_sum((self.splits,))
        counts = jnp.zeros((self.splits,), jnp.int32), jnp.zeros((), jnp.int32)
        return vary_over(InceptionScoreState(counts[0], *sums, counts[1]), axis_name)

    def update(self, state: InceptionScoreState, **inputs: Any) -> InceptionScoreState:
        """The state with a batch added; a batch of the reference alone changes nothing.

        Args:
          state: before.
          inputs: `generated`, logits or `probabilities`, shape [N, num_classes]; `mask` or `generated_mask`, [N] truth
            values; `index` or `generated_index`, [N] integers, each sample's number in the whole data set, needed for
            several splits.

        Raises:
          InputError: as `Metric.update`, or `index` is missing.
        """
        if inputs.get("generated") is None and inputs.get("reference") is not None:
            return state
        require_input(self.name, self.inputs, inputs)
        mask = own_input("generated", "mask", inputs)
        rows, mask = counted_rows("generated", inputs["generated"], self.num_classes, mask)
        return self._add(state, rows, mask, self._split(inputs, rows.shape[0]) if self.splits > 1 else None)

    @functools.partial(jax.jit, static_argnums=0)
    def _add(
        self,
        state: InceptionScoreState,
        rows: Float[Array, "n k"],
        mask: Bool[Array, " n"],
        split: Int[Array, " n"] | None,
    ) -> InceptionScoreState:
        member = mask[:, None]
        if split is not None:
            member &= jax.nn.one_hot(split, self.splits, dtype=bool)
        rows = jnp.where(mask[:, None], rows, 0.0)
        like = mask & (rows >= 0).all(1) & (jnp.abs(rows.sum(1) - 1.0) <= _SUM_TOLERANCE)
        if self.probabilities:
            p, log_p = rows, jnp.log(jnp.where(rows > 0, rows, 1.0))
        else:
            log_p = jax.nn.log_softmax(rows)
            p = jnp.exp(log_p)
        weights = member.astype(jnp.float32)
        # A probability of 0, or that underflows, adds nothing: p log p tends to 0.
        terms = jnp.where(p > 0, p * log_p, 0.0).sum(1)
        return InceptionScoreState(
            state.samples + member.sum(0, dtype=jnp.int32),
            add_terms(state.probabilities, contract("ns,nk->sk", weights, p)),
            add_terms(state.negentropies, contract("ns,n->s", weights, terms)),
            state.like_probabilities + like.sum(dtype=jnp.int32),
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
        """The state of both sets of data together."""
        return InceptionScoreState(
            a.samples + b.samples,
            merge_sums(a.probabilities, b.probabilities),
            merge_sums(a.negentropies, b.negentropies),
            a.like_probabilities + b.like_probabilities,
        )

    def reduce(self, state: InceptionScoreState, axis_name: AxisName) -> InceptionScoreState:
        """The state of all devices together, by sums, inside `shard_map` or `pmap`."""
        return InceptionScoreState(
            lax.psum(state.samples, axis_name),
            reduce_sum(state.probabilities, axis_name),
            reduce_sum(state.negentropies, axis_name),
            lax.psum(state.like_probabilities, axis_name),
        )

    def compute(self, state: InceptionScoreState) -> MetricValue:
        """The score, and with several splits its mean and standard deviation (ddof 0) over them.

        Raises:
          InputError: a split has no sample, a logit was not finite, or the rows are probabilities for logits or logits
            for probabilities.
        """
        check_whole(self, state)
        samples = np.asarray(state.samples, np.int64)
        if (samples == 0).any():
            raise InputError(
                f"{self.name} with {self.splits} splits needs a sample in each; {samples.sum()} were added"
            )
        self._check_kind(int(samples.sum()), int(state.like_probabilities))
        mean_p = sum_on_host(state.probabilities) / samples[:, None]
        negentropy = sum_on_host(state.negentropies) / samples
        if not (np.isfinite(mean_p).all() and np.isfinite(negentropy).all()):
            raise InputError("a counted row of logits held values that are not finite; leave such rows out by mask")
        logarithms = np.log(mean_p, where=mean_p > 0, out=np.zeros_like(mean_p))
        scores = np.exp(negentropy - (mean_p * logarithms).sum(1))
        values = {"mean": float(scores.mean()), "std": float(scores.std())} if self.splits > 1 else {}
        return MetricValue(self.name, float(scores.mean()), values, n_generated=int(samples.sum()))

    def _check_kind(self, samples: int, like_probabilities: int) -> None:
        if self.probabilities and like_probabilities < samples:
            raise InputError(
                f"{samples - like_probabilities} of {samples} rows of generated are no probabilities, which are not "
                "negative and of sum 1; make the metric without probabilities=True to add logits"
            )
        if not self.probabilities and self.num_classes > 1 and like_probabilities == samples:
            raise InputError(
                "every row of generated is not negative and of sum 1, as probabilities are and logits are not; make "
                "the metric with probabilities=True, or add the logits"
            )

    def compute_on_device(
        self, state: InceptionScoreState, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Float[Array, ""]:
        """The mean score over splits in float32, jit-able, differentiable; not a number where `compute` would raise."""
        del axis_name, mesh
        check_whole(self, state)
        return _mean_score(state, self.probabilities, self.num_classes > 1)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _mean_score(state: InceptionScoreState, probabilities: bool, several_classes: bool) -> Float[Array, ""]:
    samples = jnp.asarray(state.samples, jnp.float32)
    mean_p = state.probabilities.rounded() / samples[:, None]
    logarithms = jnp.log(jnp.where(mean_p > 0, mean_p, 1.0))
    scores = jnp.exp(state.negentropies.rounded() / samples - (mean_p * logarithms).sum(1))
    all_like = jnp.asarray(state.like_probabilities) == jnp.asarray(state.samples).sum(dtype=jnp.int32)
    right = all_like if probabilities else ~all_like | (not several_classes)
    return jnp.where(right, scores.mean(), jnp.nan)
