"""Bootstrap draws as weights: how often each row is drawn in each repeat.

A statistic of a resample is then a weighted statistic of the rows that are there, so that one compiled program serves
all repeats, ranks are sorted once, and two statistics of the same rows and seed are of the same draws.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import ndtr, ndtri

from jaxeval._arguments import number, whole_number
from jaxeval._arrays import AnyArray, contract
from jaxeval.errors import InputError
from jaxeval.ops.resampling import Interval

_ENTRIES = 1 << 24  # of the weights of one batch of repeats: 64 MiB
_LARGEST = 1 << 24  # float32 counts up to here
_ROUNDING = 2e-6  # of a replicate in float32


class Estimate(NamedTuple):
    """A statistic of a sample, with what a bootstrap tells of it.

    Attributes:
      value: the statistic of all rows, in float64; NaN where it is not defined.
      interval: bias-corrected percentiles of the replicates, at the confidence that was asked for; NaN where the value
        or more than half of the replicates are not defined.
      standard_error: the standard deviation of the replicates; NaN where `interval` is.
      replicates: the statistic in each repeat of the bootstrap, shape [repeats]; NaN where it is not defined in one.
      drawn: a number that two estimates share if their replicates are of the same draws of the same number of rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> metric, human = np.random.default_rng(0).normal(size=(2, 200)) + np.linspace(0, 3, 200)
      >>> found = agreement.pearson(metric, human)
      >>> found.replicates.shape, found.interval.low < found.value < found.interval.high
      ((1000,), True)
    """

    value: float
    interval: Interval
    standard_error: float
    replicates: Float[np.ndarray, " b"]
    drawn: int

    @property
    def undefined(self) -> int:
        """The number of repeats in which the statistic is not defined."""
        return int(np.isnan(self.replicates).sum())


class Draws(NamedTuple):
    """How rows are drawn.

    Attributes:
      rows: their number.
      clusters: of each row, the number of its cluster, for each way in which rows are clustered; rows are drawn by
        whole clusters, and by several ways at once their weights are multiplied.
      repeats: number of bootstrap repeats.
      confidence: of the intervals.
      seed: seeds the draws, which depend on nothing else but the clusters.
    """

    rows: int
    clusters: tuple[Int[np.ndarray, " n"], ...]
    repeats: int
    confidence: float
    seed: int

    @property
    def fingerprint(self) -> int:
        """A number that says which draws these are."""
        text = f"{self.rows} {self.repeats} {self.seed}".encode()
        return zlib.crc32(b"".join([text, *(labels.tobytes() for labels in self.clusters)]))

    def batches(self, entries: int = _ENTRIES) -> Iterator[Float[np.ndarray, "b n"]]:
        """The weights of all repeats, in float32, in batches of about `entries` of them; the same in any batches."""
        generator = np.random.default_rng([self.seed, self.rows])
        size = max(1, entries // max(1, self.rows))
        for start in range(0, self.repeats, size):
            yield np.stack([self._one(generator) for _ in range(min(size, self.repeats - start))])

    def _one(self, generator: np.random.Generator) -> Float[np.ndarray, " n"]:
        weights = np.ones(self.rows, np.float32)
        for labels in self.clusters:
            units = int(labels.max()) + 1
            drawn = np.bincount(generator.integers(units, size=units), minlength=units)
            weights *= drawn[labels].astype(np.float32)
        return weights

    def estimate(self, value: float, replicates: Sequence[np.ndarray] | np.ndarray) -> Estimate:
        """The estimate that follows from a statistic and from its replicates, batch by batch."""
        every = np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in replicates])
        return Estimate(float(value), *spread(float(value), every, self.confidence), every, self.fingerprint)


def spread(value: float, replicates: Float[np.ndarray, " b"], confidence: float) -> tuple[Interval, float]:
    """Bias-corrected percentile interval of a statistic, and the standard deviation of its replicates.

    What a statistic of N rows exceeds that of the distribution by, as the fit of a curve does, its replicates exceed it
    by once more. The percentiles are moved by twice the normal quantile of the share of replicates below the value
    (Efron, "Nonparametric standard errors and confidence intervals", Canadian Journal of Statistics 9(2), 1981); those
    that equal it count half.

    Returns:
      NaN where the value is not defined, or more than half of the replicates are not.
    """
    known = replicates[~np.isnan(replicates)]
    if math.isnan(value) or len(known) < max(2, len(replicates) / 2):
        return Interval(math.nan, math.nan), math.nan
    # float32 tells replicates of all rows from the value in float64 by some rounding.
    near = _ROUNDING * max(1.0, abs(value))
    share = (np.sum(known < value - near) + np.sum(np.abs(known - value) <= near) / 2) / len(known)
    least = 1 / (len(known) + 1)
    moved = 2 * ndtri(min(max(float(share), least), 1 - least))
    reach = ndtri((1 + confidence) / 2)
    low, high = np.quantile(known, ndtr([moved - reach, moved + reach]))
    return Interval(float(low), float(high)), float(known.std(ddof=1))


def draws_of(count: int, clusters: AnyArray | None, repeats: int, confidence: float, seed: int) -> Draws:
    """The draws that a public function's arguments ask for.

    Args:
      count: number of rows.
      clusters: labels of the rows' clusters, shape [N], or [N, C] for C ways at once; None where rows are drawn one by
        one.
      repeats: number of repeats.
      confidence: of intervals.
      seed: of the draws.

    Raises:
      InputError: an argument is out of its range, or the labels are not of these rows.
    """
    repeats = whole_number("repeats", repeats, 1)
    seed = whole_number("seed", seed, 0)
    if not 0 < number("confidence", confidence) < 1:
        raise InputError(f"confidence is {confidence}; it must be between 0 and 1")
    if count >= _LARGEST:
        raise InputError(f"there are {count:,} rows; give fewer than {_LARGEST:,}")
    if clusters is None:
        return Draws(count, (np.arange(count),), repeats, float(confidence), seed)
    labels = np.asarray(clusters)
    if labels.ndim not in (1, 2) or len(labels) != count or labels.size == 0:
        raise InputError(
            f"clusters has shape {labels.shape}; expected ({count},) or ({count}, any): a label of each row"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("clusters has labels that are not finite; give a number to each cluster")
    ways = labels[:, None] if labels.ndim == 1 else labels
    numbered = (np.unique(way, return_inverse=True)[1].reshape(-1) for way in ways.T)
    return Draws(count, tuple(way.astype(np.int64) for way in numbered), repeats, float(confidence), seed)


def weighted_sums(draws: Draws, columns: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "b k"]:
    """Sums of columns in every repeat, in float32 on the device: counts below 2^24 are exact."""
    held = jnp.asarray(columns, jnp.float32)
    parts = [np.asarray(_sums(jnp.asarray(weights), held), np.float64) for weights in draws.batches()]
    return np.concatenate(parts)


@jax.jit
def _sums(weights: Float[Array, "b n"], columns: Float[Array, "n k"]) -> Float[Array, "b k"]:
    return contract("bn,nk->bk", weights, columns)
