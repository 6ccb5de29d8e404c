"""Krippendorff's alpha: agreement of any number of raters, on any scale, with gaps."""

import functools
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxeval._arrays import Numbers, contract
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import Draws, draws_of, spread, weighted_sums
from jaxeval.ops.agreement._ratings import RaterAgreement, beyond_chance, over_raters, with_gaps

Level = Literal["nominal", "ordinal", "interval", "ratio"]
_LEVELS = ("nominal", "ordinal", "interval", "ratio")
_ENTRIES = 1 << 22  # of arrays over repeats and answers, or over pairs of answers: 16 to 32 MiB
_TILE = 1024  # values against values


class _Answers(NamedTuple):
    """The items that at least two raters rated, each with its different answers; gaps have the count 0.

    Attributes:
      values: the different values of all answers, from the least, shape [K].
      codes: of each item the numbers of its values, shape [N, P], P the most different answers of an item.
      counts: how many raters gave each.
    """

    values: Float[np.ndarray, " k"]
    codes: Int[np.ndarray, "n p"]
    counts: Float[np.ndarray, "n p"]

    @property
    def raters(self) -> Float[np.ndarray, " n"]:
        """The number of ratings of each item."""
        return self.counts.sum(1)


@takes_arrays
def krippendorff_alpha(
    ratings: Numbers,
    *,
    level: Level | str = "nominal",
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> RaterAgreement:
    """Krippendorff's alpha: 1 - D_o / D_e, for any number of raters and with gaps.

    D_o is the mean squared difference of two raters' answers to one item, and D_e that of any two of all answers. The
    difference of answers c and k is 0 or 1 (`nominal`), the number of answers between them and half of their own
    (`ordinal`), c - k (`interval`), or (c - k) / (c + k) (`ratio`).

    An item's answers are counted once, so that many raters of few categories cost little, and a repeat of the bootstrap
    weighs those counts. Items are drawn with all their ratings, as Zapf and others recommend; with them the shares of
    the answers, and for `ordinal` the distances that follow from these, are found anew.

    Args:
      ratings: of each item by each rater, shape [N, R], NaN where there is none.
      level: the scale of the answers.
      repeats: number of bootstrap repeats.
      confidence: of the intervals.
      seed: seeds the bootstrap.

    Returns:
      The coefficient; items with fewer than two ratings tell nothing, and are left out. NaN where all answers are
      equal: chance would agree as well. `disagreement` and `by_chance` are D_o and D_e, of ordinal answers in squares
      of the number of all answers.

    Raises:
      InputError: shapes or values do not fit, the level is not known, negative answers on a ratio scale, or no item
        has two ratings (a single rater agrees with nobody).

    Reference: Krippendorff, "Content Analysis: An Introduction to Its Methodology", 2nd edition, 2004, chapter 11;
    Zapf, Castell, Morawietz, Karch, "Measuring inter-rater reliability for nominal data", BMC Medical Research
    Methodology 16:93, 2016.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> ratings = np.array([[1, 1, 1], [2, 2, 3], [3, 3, 3], [1, 1, 2], [4, 4, np.nan]])
      >>> [round(agreement.krippendorff_alpha(ratings, level=level).value, 3) for level in ("nominal", "ordinal")]
      [0.634, 0.875]
    """
    table = with_gaps("ratings", ratings, "a rating of each item by each rater", dimensions=2)
    if level not in _LEVELS:
        raise InputError(f"level {level!r} is not known; choose {', '.join(map(repr, _LEVELS))}")
    if level == "ratio" and (table < 0).any():
        raise InputError("ratings has negative values; a ratio scale begins at 0, choose the level 'interval'")
    answers = _answers(table)
    if answers is None:
        raise InputError("no item of ratings has two of them; agreement needs two raters of the same item")
    draws = draws_of(len(answers.codes), None, repeats, confidence, seed)
    own = None if level == "ordinal" else _within(answers, answers.values, level)
    replicates = _ordinal_replicates(answers, draws) if own is None else _replicates(answers, own, draws, level)
    value, observed, expected = _alpha(answers, level)

    def of_raters(chosen: np.ndarray) -> float:
        some = _answers(table[:, chosen])
        return np.nan if some is None else _alpha(some, level)[0]

    return RaterAgreement(
        value,
        *spread(value, replicates, draws.confidence),
        over_raters(of_raters, table.shape[1], value, draws.confidence),
        observed,
        expected,
        len(answers.codes),
        int(answers.counts.sum()),
        int(np.isnan(replicates).sum()),
    )


def _answers(table: Float[np.ndarray, "n r"]) -> _Answers | None:
    """The different answers of each item with their counts; None where no item has two ratings."""
    table = table[(~np.isnan(table)).sum(1) >= 2]
    if not len(table):
        return None
    items, raters = np.nonzero(~np.isnan(table))
    values, codes = np.unique(table[items, raters], return_inverse=True)
    pairs, counts = np.unique(items * len(values) + codes.reshape(-1), return_counts=True)
    items, codes = pairs // len(values), pairs % len(values)
    begin = np.searchsorted(items, np.arange(len(table)))
    places = np.arange(len(items)) - begin[items]
    shape = len(table), int(places.max()) + 1
    padded_codes, padded_counts = np.zeros(shape, np.int32), np.zeros(shape)
    padded_codes[items, places], padded_counts[items, places] = codes, counts
    return _Answers(values, padded_codes, padded_counts)


def _within(answers: _Answers, values: Float[np.ndarray, " k"], level: str) -> Float[np.ndarray, " n"]:
    """Of each item the squared differences of all ordered pairs of its ratings, over the number of the others."""
    counts, raters = answers.counts, answers.raters
    if level == "nominal":
        squares = raters**2 - np.square(counts).sum(1)
    elif level == "ratio":
        squares = np.concatenate([_of_ratios(answers, rows) for rows in _rows(answers)])
    else:
        own = values[answers.codes]
        mean = (counts * own).sum(1, keepdims=True) / raters[:, None]
        squares = 2 * raters * (counts * np.square(own - mean)).sum(1)
    return squares / (raters - 1)


def _rows(answers: _Answers) -> Iterator[slice]:
    size = max(1, _ENTRIES // answers.codes.shape[1] ** 2)
    return (slice(start, start + size) for start in range(0, len(answers.codes), size))


def _of_ratios(answers: _Answers, rows: slice) -> Float[np.ndarray, " n"]:
    own, counts = answers.values[answers.codes[rows]], answers.counts[rows]
    return np.einsum("np,npq,nq->n", counts, _squared_ratios(own[:, :, None], own[:, None, :]), counts)


def _squared_ratios(c: np.ndarray, k: np.ndarray) -> np.ndarray:
    total = c + k
    return np.square(np.divide(c - k, total, out=np.zeros_like(total), where=total > 0))


def _alpha(answers: _Answers, level: str) -> tuple[float, float, float]:
    """Alpha, and the observed and expected mean squared difference, in float64."""
    shares = np.bincount(answers.codes.reshape(-1), answers.counts.reshape(-1), len(answers.values))
    total = float(shares.sum())
    values = answers.values
    if level == "ordinal":
        values = (np.cumsum(shares) - shares / 2) / total
    observed = float(_within(answers, values, level).sum()) / total
    expected = float(_between(shares[None], values, level)[0]) / (total * (total - 1))
    return float(beyond_chance(observed, expected)), observed, expected


def _on_host(x: Float[np.ndarray, "b i"], tile: Float[np.ndarray, "i j"], y: Float[np.ndarray, "b j"]) -> np.ndarray:
    return ((x @ tile) * y).sum(1)


def _on_device(x: Float[np.ndarray, "b i"], tile: Float[np.ndarray, "i j"], y: Float[np.ndarray, "b j"]) -> np.ndarray:
    return np.asarray(_form(*(jnp.asarray(part, jnp.float32) for part in (x, tile, y))), np.float64)


@jax.jit
def _form(x: Float[Array, "b i"], tile: Float[Array, "i j"], y: Float[Array, "b j"]) -> Float[Array, " b"]:
    return (contract("bi,ij->bj", x, tile) * y).sum(1)


def _between(
    shares: Float[np.ndarray, "b k"],
    values: Float[np.ndarray, " k"],
    level: str,
    form: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = _on_host,
) -> Float[np.ndarray, " b"]:
    """The squared differences of all ordered pairs of answers, for each row of their counts; `form` sums a tile's."""
    total = shares.sum(1)
    if level == "nominal":
        return total**2 - np.square(shares).sum(1)
    if level == "ratio":
        found = np.zeros(len(shares))
        for a in range(0, len(values), _TILE):
            for b in range(a, len(values), _TILE):
                tile = _squared_ratios(values[a : a + _TILE, None], values[None, b : b + _TILE])
                own = form(shares[:, a : a + _TILE], tile, shares[:, b : b + _TILE])
                found += own if a == b else 2 * own
        return found
    mean = (shares @ values) / np.where(total > 0, total, 1.0)
    return 2 * total * (shares @ np.square(values) - total * np.square(mean))


def _replicates(answers: _Answers, own: Float[np.ndarray, " n"], draws: Draws, level: str) -> Float[np.ndarray, " b"]:
    """Alpha in each repeat, where the differences of answers do not depend on what is drawn."""
    centre, scale = float(answers.values.mean()), float(np.ptp(answers.values)) or 1.0
    if level == "interval":  # about the centre, where float32 loses least
        values, own = (answers.values - centre) / scale, own / scale**2
        moments = [(answers.counts * values[answers.codes] ** power).sum(1) for power in (0, 1, 2)]
        sums = weighted_sums(draws, np.column_stack([own, *moments]))
        observed, total, first, second = sums.T
        expected = 2 * (total * second - first**2)
        # A repeat of equal answers has no spread but for rounding.
        expected = np.where(expected > 1e-6 * total * second, expected, 0.0)
        return beyond_chance((total - 1) * observed, expected)
    observed, shares = [], []
    own_on_device, codes, counts = (
        jnp.asarray(own, jnp.float32),
        jnp.asarray(answers.codes),
        jnp.asarray(answers.counts),
    )
    for weights in draws.batches(max(len(own), _ENTRIES // answers.codes.shape[1])):
        found = _drawn_sums(jnp.asarray(weights), own_on_device, codes, counts.astype(jnp.float32), len(answers.values))
        observed.append(np.asarray(found[0], np.float64))
        shares.append(np.asarray(found[1], np.float64))
    drawn = np.concatenate(shares)
    expected = _between(drawn, answers.values, level, _on_device)
    return beyond_chance((drawn.sum(1) - 1) * np.concatenate(observed), expected)


@functools.partial(jax.jit, static_argnames="size")
def _drawn_sums(
    weights: Float[Array, "b n"],
    own: Float[Array, " n"],
    codes: Int[Array, "n p"],
    counts: Float[Array, "n p"],
    size: int,
) -> tuple[Float[Array, " b"], Float[Array, "b k"]]:
    return contract("bn,n->b", weights, own), _drawn_counts(weights, codes, counts, size)


def _drawn_counts(
    weights: Float[Array, "b n"], codes: Int[Array, "n p"], counts: Float[Array, "n p"], size: int
) -> Float[Array, "b k"]:
    """How often each value is drawn in each repeat; whole numbers."""
    drawn = (weights[:, :, None] * counts[None]).reshape(len(weights), -1)
    return jnp.zeros((len(weights), size), jnp.float32).at[:, codes.reshape(-1)].add(drawn)


def _ordinal_replicates(answers: _Answers, draws: Draws) -> Float[np.ndarray, " b"]:
    """Alpha in each repeat, where the differences of answers are those of their ranks among what is drawn."""
    parts = []
    codes, counts = jnp.asarray(answers.codes), jnp.asarray(answers.counts, jnp.float32)
    for weights in draws.batches(max(len(answers.codes), _ENTRIES // answers.codes.shape[1])):
        observed, expected, total = _ordinal(jnp.asarray(weights), codes, counts, len(answers.values))
        above = (np.asarray(total, np.float64) - 1) * np.asarray(observed, np.float64)
        parts.append(beyond_chance(above, np.asarray(expected, np.float64)))
    return np.concatenate(parts)


@functools.partial(jax.jit, static_argnames="size")
def _ordinal(
    weights: Float[Array, "b n"], codes: Int[Array, "n p"], counts: Float[Array, "n p"], size: int
) -> tuple[Float[Array, " b"], Float[Array, " b"], Float[Array, " b"]]:
    """Observed and expected squared differences of ranks, in squares of the number of answers, and that number."""
    shares = _drawn_counts(weights, codes, counts, size)
    total = shares.sum(1)
    below = jnp.cumsum(shares, axis=1)
    # Halves below 2^24, which a repeat of equal answers has exactly 0 of.
    ranks = (below - shares / 2 - total[:, None] / 2) / total[:, None]
    expected = 2 * total * contract("bk,bk->b", shares, jnp.square(ranks))  # the mean rank is 0
    own = ranks[:, codes]
    raters = counts.sum(1)
    mean = contract("np,bnp->bn", counts, own) / raters[None]
    squares = contract("np,bnp->bn", counts, jnp.square(own - mean[:, :, None]))
    return contract("bn,n,bn->b", weights, 2 * raters / (raters - 1), squares), expected, total
