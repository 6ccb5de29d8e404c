"""Pairwise accuracy with tie calibration: how often a metric orders, or ties, two rows as people do."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxeval._arguments import number
from jaxeval._arrays import Numbers, check_shape
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import Estimate, draws_of, weighted_sums
from jaxeval.ops.agreement._pair_tiles import Rows, pair_sums, pair_total
from jaxeval.ops.agreement._pairs_of_values import value_pair
from jaxeval.ops.agreement._ranks import order_of

_BLOCK = 1 << 20  # pairs at a time, 8 MiB an array
_HELD = 1 << 22  # pairs that are sorted at once
_BINS = 1 << 18
_ROUNDING = 1e-12  # of sums of a million shares: a gain below is none

Pairs = Iterator[tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]]
"""Blocks of pairs: how far apart the metric's values are, and what the accuracy gains by taking these for a tie."""


class PairwiseAccuracy(NamedTuple):
    """How often a metric and people say the same of two rows: the one, the other, or a tie.

    Attributes:
      accuracy: the share of pairs, with its interval at this `epsilon`.
      epsilon: values of the metric that are no farther apart count as a tie.
      uncalibrated: the share where only equal values tie, `epsilon` 0.
      pairs: number of pairs.
      tied: number of pairs that people tie.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.pairwise_accuracy([0, 2, 6, 8], [1, 1, 1, 4])
      >>> round(found.accuracy.value, 3), found.epsilon, found.uncalibrated, found.pairs, found.tied
      (0.667, 4.0, 0.5, 6, 3)
    """

    accuracy: Estimate
    epsilon: float
    uncalibrated: float
    pairs: int
    tied: int


@takes_arrays
def pairwise_accuracy(
    metric: Numbers,
    human: Numbers,
    *,
    epsilon: float | None = None,
    groups: Numbers | None = None,
    clusters: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairwiseAccuracy:
    """Pairwise accuracy acc_eq of a metric: the share of pairs of rows of which it says what people say.

    Metrics hardly ever tie, and people often do. So the metric is given ties: values that are no farther apart than
    `epsilon`, which is calibrated as the difference of two of its values (or 0) for which the accuracy is largest; the
    smallest one where several are. With `groups` pairs are of one group, as of the systems for one item, and the
    accuracy is the mean of the groups'.

    The calibration looks at the same rows, so that the accuracy is a little too good where rows are few; the bootstrap
    keeps the epsilon, and answers for the rows alone. Pairs are looked at in blocks, so that memory does not grow with
    their number; time does.

    Args:
      metric: of each row, shape [N], larger for what is better: give the negative of an error.
      human: people's value of the same rows, larger for what is better.
      epsilon: a calibration that is known, from other rows; None calibrates.
      groups: a number for each row; pairs are made within the rows of one number, and whole groups are drawn in the
        bootstrap. None makes pairs of all rows.
      clusters: as of `pearson`; not together with `groups`.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: as of `pearson`; with groups, of the draws of groups.

    Returns:
      The accuracy; groups of one row have no pair, and are left out.

    Raises:
      InputError: shapes or values do not fit, an option is out of its range, or no group has two rows.

    Reference: Deutsch, Foster, Freitag, "Ties matter: Meta-evaluating modern metrics with pairwise accuracy and tie
    calibration", EMNLP 2023.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> human = np.repeat([1.0, 2, 3, 4], 25)
      >>> metric = human + np.random.default_rng(0).normal(size=100)
      >>> found = agreement.pairwise_accuracy(metric, human)
      >>> found.accuracy.value > found.uncalibrated
      True
    """
    x, y = value_pair(metric, human)
    if epsilon is not None and not 0 <= number("epsilon", epsilon) < math.inf:
        raise InputError(f"epsilon is {epsilon}; it must be 0 or more")
    if groups is not None:
        if clusters is not None:
            raise InputError("groups and clusters are both given; groups are drawn whole, give one of them")
        return _of_groups(x, y, _groups(groups, len(x)), epsilon, repeats, confidence, seed)
    draws = draws_of(len(x), clusters, repeats, confidence, seed)
    size = len(x) * (len(x) - 1) // 2
    if epsilon is None:
        epsilon = _calibrated(lambda: _pairs(x, y))
    rows = _relation_rows(x, y, epsilon)
    value, drawn = pair_total(rows, _agreement), pair_sums(rows, _agreement, draws)
    counts = np.concatenate([_pairs_of(weights) for weights in draws.batches()])
    plain = pair_total(_relation_rows(x, y, 0.0), _agreement)
    replicates = np.where(counts > 0, drawn / np.where(counts > 0, counts, 1.0), np.nan)
    codes = order_of(y)
    tied = int((np.asarray(codes.after, np.int64) - np.asarray(codes.first) - 1).sum()) // 2
    return PairwiseAccuracy(draws.estimate(value / size, replicates), float(epsilon), plain / size, size, tied)


def _groups(groups: Numbers, count: int) -> list[Int[np.ndarray, " _"]]:
    """The rows of each group of two and more, by the groups' numbers."""
    check_shape("groups", groups, (count,), "a number of each row's group")
    labels = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    rows = np.argsort(labels, kind="stable")
    found = [part for part in np.split(rows, np.cumsum(np.bincount(labels))[:-1]) if len(part) > 1]
    if not found:
        raise InputError("groups has no group of two rows; give the rows that are to be compared one number")
    return found


def _of_groups(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    groups: list[Int[np.ndarray, " _"]],
    epsilon: float | None,
    repeats: int,
    confidence: float,
    seed: int,
) -> PairwiseAccuracy:
    draws = draws_of(len(groups), None, repeats, confidence, seed)

    def blocks() -> Pairs:
        for rows in groups:
            count = len(rows) * (len(rows) - 1) // 2
            for apart, gain in _pairs(x[rows], y[rows]):
                yield apart, gain / count

    if epsilon is None:
        epsilon = _calibrated(blocks)
    found = np.array([[_share(x[rows], y[rows], each) for each in (epsilon, 0.0)] for rows in groups])
    sums = weighted_sums(draws, np.column_stack([found[:, 0], np.ones(len(groups))]))
    estimate = draws.estimate(float(found[:, 0].mean()), sums[:, 0] / sums[:, 1])
    sizes = [len(rows) * (len(rows) - 1) // 2 for rows in groups]
    tied = sum(
        int((np.bincount(np.unique(y[rows], return_inverse=True)[1]) ** 2).sum() - len(rows)) // 2 for rows in groups
    )
    return PairwiseAccuracy(estimate, float(epsilon), float(found[:, 1].mean()), sum(sizes), tied)


def _share(x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"], epsilon: float) -> float:
    """The accuracy among the rows of one group."""
    agreed = 0
    for i, j in _index_blocks(len(x)):
        apart, order = x[i] - x[j], np.sign(y[i] - y[j])
        said = np.where(np.abs(apart) <= epsilon, 0.0, np.sign(apart))
        agreed += int((said == order).sum())
    return agreed / (len(x) * (len(x) - 1) // 2)


def _index_blocks(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of different rows in blocks: columns of first rows beside the rows after each."""
    if count * (count - 1) // 2 <= _BLOCK:
        yield np.triu_indices(count, 1)
        return
    size = max(1, _BLOCK // count)
    for start in range(0, count - 1, size):
        i, j = np.nonzero(np.arange(count)[None] > np.arange(start, min(start + size, count))[:, None])
        yield i + start, j


def _pairs(x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"]) -> Pairs:
    """How far apart the metric's values of each pair are, and what taking them for a tie gains.

    That is 1 where people tie, -1 where both have one order, and 0 where they have opposite ones.
    """
    for i, j in _index_blocks(len(x)):
        apart, order = x[i] - x[j], np.sign(y[i] - y[j])
        yield np.abs(apart), np.where(order == 0, 1.0, np.where(np.sign(apart) == order, -1.0, 0.0))


def _calibrated(blocks: Callable[[], Pairs]) -> float:
    """The smallest epsilon with the largest accuracy, among 0 and the differences of two values of the metric."""
    count, largest = 0, 0.0
    for apart, _ in blocks():
        count, largest = count + len(apart), max(largest, float(apart.max(initial=0.0)))
    if largest == 0.0:
        return 0.0
    if count <= _HELD:
        apart, gain = (np.concatenate(part) for part in zip(*blocks(), strict=True))
        return _best(apart, gain, 0.0)[0]
    return _best_of_many(blocks, largest)


def _best(apart: Float[np.ndarray, " p"], gain: Float[np.ndarray, " p"], before: float) -> tuple[float, float]:
    """The smallest difference up to which the sum of gains is largest, and that sum, which begins with `before`."""
    values, places = np.unique(apart, return_inverse=True)
    sums = before + np.cumsum(np.bincount(places.reshape(-1), gain))
    if values[0] > 0:
        values, sums = np.append(0.0, values), np.append(before, sums)
    place = int(np.argmax(sums >= sums.max() - _ROUNDING * max(1.0, np.abs(sums).max())))
    return float(values[place]), float(sums[place])


def _best_of_many(blocks: Callable[[], Pairs], largest: float) -> float:
    """`_best` of more pairs than are held at once.

    Gains are summed in bins of the difference. Inside of a bin the sum can rise by no more than what its pairs gain, so
    that only the bins that may hold the largest sum are looked into, the most promising first.
    """
    sums, rises = np.zeros(_BINS), np.zeros(_BINS)

    def bins(apart: Float[np.ndarray, " p"]) -> Int[np.ndarray, " p"]:
        return np.minimum((apart * (_BINS / largest)).astype(np.int64), _BINS - 1)

    for apart, gain in blocks():
        places = bins(apart)
        sums += np.bincount(places, gain, _BINS)
        rises += np.bincount(places, np.maximum(gain, 0), _BINS)
    after = np.cumsum(sums)
    before = after - sums
    least = max(0.0, float(after.max()))
    margin = _ROUNDING * max(1.0, float(np.abs(after).max()))
    promising = before + rises >= least - margin
    promising[0] = True  # 0 itself
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for apart, gain in blocks():
        places = bins(apart)
        chosen = promising[places]
        for place in np.unique(places[chosen]):
            own = chosen & (places == place)
            found.setdefault(int(place), []).append(_merged(apart[own], gain[own]))
    best = (0.0, -math.inf)
    for place, parts in sorted(found.items()):
        apart, gain = (np.concatenate(part) for part in zip(*parts, strict=True))
        here = _best(apart, gain, float(before[place]))
        if here[1] > best[1] + margin:
            best = here
    return best[0]


def _merged(apart: Float[np.ndarray, " p"], gain: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
    """Equal differences once, with the sum of their gains."""
    values, places = np.unique(apart, return_inverse=True)
    return values, np.bincount(places.reshape(-1), gain)


def _relation_rows(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], epsilon: float
) -> tuple[Int[np.ndarray, " n"], ...]:
    """People's order, and of each row its place in the metric's, and the places whose values it ties with.

    Differences are compared in float64 here, and whole numbers on the device: which values tie does not depend on what
    float32 can tell apart. They rise with the other value, so that those within `epsilon` are neighbours in the order.
    """
    order = np.argsort(x, kind="stable")
    places = np.empty(len(x), np.int64)
    places[order] = np.arange(len(x))
    ascending = x[order]

    def first_beyond(ties: Callable[[Int[np.ndarray, " n"]], np.ndarray]) -> Int[np.ndarray, " n"]:
        low, high = np.zeros(len(x), np.int64), np.full(len(x), len(x))
        while (low < high).any():
            middle = (low + high) // 2
            inside = ties(np.minimum(middle, len(x) - 1)) & (low < high)
            low, high = np.where(inside, middle + 1, low), np.where(inside | (low >= high), high, middle)
        return low

    begin = first_beyond(lambda place: x - ascending[place] > epsilon)
    end = first_beyond(lambda place: ascending[place] - x <= epsilon)
    return tuple(np.asarray(part, np.int32) for part in (order_of(y).codes, places, begin, end))


def _agreement(rows: Rows, others: Rows) -> Float[Array, "s s"]:
    """1 for pairs of which the metric says what people say, else 0."""
    human = jnp.sign(rows[0][:, None] - others[0][None, :])
    places = others[1][None, :]
    tied = (rows[2][:, None] <= places) & (places < rows[3][:, None])
    said = jnp.where(tied, 0, jnp.sign(rows[1][:, None] - places))
    return (said == human).astype(jnp.float32)


def _pairs_of(weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
    """The number of pairs of drawn rows, without those of a row with its own copies."""
    drawn = weights.astype(np.float64)
    return (drawn.sum(1) ** 2 - np.square(drawn).sum(1)) / 2
