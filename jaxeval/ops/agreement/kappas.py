"""Kappas: agreement of two raters, and of any number of raters, on categories."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import draws_of, spread, weighted_sums
from jaxeval.ops.agreement._ratings import RaterAgreement, beyond_chance, with_gaps

Weights = Literal["none", "linear", "quadratic"]


@takes_arrays
def cohen_kappa(
    first: Numbers,
    second: Numbers,
    *,
    weights: Weights | str = "none",
    categories: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> RaterAgreement:
    """Cohen's kappa: how much two raters agree on categories beyond chance, 1 - D_o / D_e.

    D_o is the observed disagreement and D_e that of two raters who give the same shares of answers independently. Each
    pair of different answers counts 1 (`none`), the distance of the two categories' places in their order (`linear`),
    or its square (`quadratic`).

    All that is needed of the items is how often each pair of answers occurs, so that a bootstrap over items draws that
    table: its cost does not depend on the number of items.

    Args:
      first: one rater's answers, shape [N], a number for each category; NaN where there is none.
      second: the other's, of the same items.
      weights: how much a disagreement counts.
      categories: all categories in their order, where answers may lack some; None stands for those that occur, from the
        least. Weights go by places in this order, not by the categories' numbers.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: seeds the bootstrap.

    Returns:
      The coefficient; items that only one rater has answered are left out. NaN where both raters gave one and the same
      answer everywhere: chance would agree as well. `over_raters` is None.

    Raises:
      InputError: shapes, values, categories or weights do not fit, or no item has both answers.

    Reference: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20(1),
    1960; "Weighted kappa", Psychological Bulletin 70(4), 1968.

    Example:
      >>> from jaxeval.ops import agreement
      >>> first, second = [1, 2, 3, 4, 5, 3, 2, 1], [1, 2, 3, 5, 5, 2, 2, 1]
      >>> [round(agreement.cohen_kappa(first, second, weights=kind).value, 3) for kind in ("none", "quadratic")]
      [0.68, 0.937]
    """
    given = {"first": first, "second": second}
    sides = [with_gaps(name, of, "an answer to each item", dimensions=1) for name, of in given.items()]
    if len(sides[0]) != len(sides[1]):
        raise InputError(f"first has {len(sides[0])} answers and second {len(sides[1])}; give both for the same items")
    both = ~np.isnan(sides[0]) & ~np.isnan(sides[1])
    answered = [side[both] for side in sides]
    items = int(both.sum())
    if not items:
        raise InputError("no item has an answer of both raters; give NaN only where an answer is missing")
    known = np.unique(np.concatenate(answered)) if categories is None else _categories(categories)
    table = _table(answered, known)
    penalties = _penalties(len(known), weights)
    draws = draws_of(items, None, repeats, confidence, seed)
    drawn = np.random.default_rng(draws.seed).multinomial(items, table.reshape(-1) / items, size=draws.repeats)
    replicates = _kappas(drawn.reshape(-1, *table.shape).astype(np.float64), penalties)[0]
    value, observed, expected = (float(part[0]) for part in _kappas(table[None], penalties))
    most = float(penalties.max()) or 1.0
    return RaterAgreement(
        value,
        *spread(value, replicates, draws.confidence),
        None,
        observed / most,
        expected / most,
        items,
        2 * items,
        int(np.isnan(replicates).sum()),
    )


def _categories(categories: Numbers) -> Float[np.ndarray, " k"]:
    known = with_gaps("categories", categories, "the categories in their order", dimensions=1)
    if np.isnan(known).any() or len(np.unique(known)) < len(known) or not len(known):
        raise InputError("categories has none, or one twice, or NaN; give each category once, in order")
    return known


def _table(answered: list[np.ndarray], known: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k k"]:
    """How often the raters gave each pair of answers."""
    places = []
    order = np.argsort(known)
    for name, side in zip(("first", "second"), answered, strict=True):
        found = order[np.minimum(np.searchsorted(known, side, sorter=order), len(known) - 1)]
        strange = known[found] != side
        if strange.any():
            raise InputError(f"{name} has the answer {side[strange][0]:g}, which is not among categories")
        places.append(found)
    size = len(known)
    return np.bincount(places[0] * size + places[1], minlength=size**2).reshape(size, size).astype(np.float64)


def _penalties(size: int, weights: str) -> Float[np.ndarray, "k k"]:
    powers = {"none": 0, "linear": 1, "quadratic": 2}
    if weights not in powers:
        raise InputError(f"weights {weights!r} is not known; choose 'none', 'linear' or 'quadratic'")
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    return np.sign(apart) if weights == "none" else apart ** powers[weights]


def _kappas(tables: Float[np.ndarray, "b k k"], penalties: Float[np.ndarray, "k k"]) -> tuple[np.ndarray, ...]:
    """Kappa, observed and expected disagreement of each table of counts."""
    total = tables.sum((1, 2))
    observed = np.einsum("bij,ij->b", tables, penalties) / total
    expected = np.einsum("bi,ij,bj->b", tables.sum(2), penalties, tables.sum(1), optimize=True) / total**2
    return beyond_chance(observed, expected), observed, expected


@takes_arrays
def fleiss_kappa(counts: Numbers, *, repeats: int = 1000, confidence: float = 0.95, seed: int = 0) -> RaterAgreement:
    """Fleiss' kappa: how much raters, who may be others for each item, agree on categories beyond chance.

    For equal numbers of ratings an item it is that of Fleiss (1971). For unequal ones it is the mean of the categories'
    own kappas, 1 - sum_i x_i (m_i - x_i) / m_i / (N (m - 1) p q), weighted by p q: x_i of the m_i ratings of item i
    are of the category, p is the category's share of all ratings, q = 1 - p, and m the mean of the m_i. That is the
    definition of Fleiss and Cuzick (1979) for two categories and of Fleiss, Levin and Paik (2003, 18.3) for more; it is
    Fleiss' own where all m_i are equal.

    Args:
      counts: how many raters gave each item each answer, shape [N, K], whole numbers.
      repeats: number of bootstrap repeats.
      confidence: of the interval.
      seed: seeds the bootstrap.

    Returns:
      The coefficient. Items without a rating are left out; an item with one rating tells of the shares alone. NaN where
      all ratings are of one category, or no item has two ratings. `over_raters` is None, as counts do not tell raters
      apart.

    Raises:
      InputError: not a table of counts, or no rating at all.

    Reference: Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76(5), 1971; Fleiss
    and Cuzick, "The reliability of dichotomous judgments: unequal numbers of judges per subject", Applied Psychological
    Measurement 3(4), 1979; Fleiss, Levin, Paik, "Statistical Methods for Rates and Proportions", 3rd edition, 2003.

    Example:
      >>> from jaxeval.ops import agreement
      >>> found = agreement.fleiss_kappa([[3, 0], [2, 1], [0, 3], [0, 3], [3, 0]])
      >>> round(found.value, 3), found.items, found.ratings
      (0.732, 5, 15)
    """
    table = with_gaps("counts", counts, "how many raters gave each item each answer", dimensions=2)
    wrong = np.isnan(table) | (table < 0) | (table != np.floor(table))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise InputError(
            f"counts has {table[tuple(place)]:g} at [{place[0]}, {place[1]}]; counts are whole numbers from 0"
        )
    table = table[table.sum(1) > 0]
    if not len(table):
        raise InputError("counts has no rating; give how many raters gave each item each answer")
    each = table.sum(1)
    apart = (table * (each[:, None] - table)).sum(1) / each
    columns = np.column_stack([table, each - 1, apart])
    draws = draws_of(len(table), None, repeats, confidence, seed)
    replicates = _fleiss(weighted_sums(draws, columns))[0]
    value, observed, expected = (float(part[0]) for part in _fleiss(columns.sum(0, keepdims=True)))
    return RaterAgreement(
        value,
        *spread(value, replicates, draws.confidence),
        None,
        observed,
        expected,
        len(table),
        int(each.sum()),
        int(np.isnan(replicates).sum()),
    )


def _fleiss(sums: Float[np.ndarray, "b c"]) -> tuple[np.ndarray, ...]:
    """Kappa, observed and expected disagreement from sums of counts, of ratings beyond the first, and of conflicts."""
    counts, further, apart = sums[:, :-2], sums[:, -2], sums[:, -1]
    shares = counts / counts.sum(1, keepdims=True)
    expected = (shares * (1 - shares)).sum(1)
    observed = np.where(further > 0, apart / np.where(further > 0, further, 1.0), np.nan)
    return beyond_chance(observed, expected), observed, expected
