"""Strengths from choices among several systems, by the Plackett-Luce model.

A rater ranks what is shown as if drawing without replacement, each system with a chance that is exp(strength) over the
sum of those left. Whoever names the best alone has made the first draw. Whoever names the best and the worst of three
has made a whole ranking, and of four one of the two rankings that differ in the middle: their chances are added up.
Of two systems it is the Bradley-Terry model.

Whatever the arguments are, choices are counted and fitted on the host in float64.

References: Luce, "Individual choice behavior", 1959; Plackett, "The analysis of permutations", Applied Statistics 24,
1975; Hunter, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32, 2004.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._float64 import in_float64
from jaxeval.ops.preference._newton import in_batches, minimised

_MOST_SHOWN = 64  # of a first choice; of best and worst it is four, as people see no more at once
_MOST_WITH_WORST = 4
_FEW = 20_000  # different choices


class ChoiceFit(NamedTuple):
    """Strengths that make the choices most likely.

    Attributes:
      strengths: [..., K], log weights, of mean 0.
      log_likelihood: [...], of the choices, without the penalty.
      steps: [...], Newton steps taken.
      converged: [...], whether the last step was as small as rounding lets it be.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> shown = np.array([[0, 1, 2], [0, 1, 2], [2, 1, 0]])
      >>> fit = preference.fit_choices(shown, np.array([0, 1, 2]), systems=3)
      >>> np.abs(fit.strengths).max() < 1e-12
      np.True_
    """

    strengths: Float[np.ndarray, "*b k"]
    log_likelihood: Float[np.ndarray, "*b"]
    steps: Int[np.ndarray, "*b"]
    converged: Bool[np.ndarray, "*b"]


@takes_arrays
def fit_choices(
    shown: Numbers,
    best: Numbers,
    worst: Numbers | None = None,
    *,
    systems: int,
    weights: Numbers | None = None,
    penalty: float = 0.0,
) -> ChoiceFit:
    """Strengths of K systems from choices of the best, and perhaps the worst, of those shown, by Newton's method.

    Args:
      shown: [N, n] numbers of systems, from 0; -1 fills rows of fewer. Two to 64 are shown for a best alone, three or
        four with a worst.
      best: [N], the system that was chosen of each row.
      worst: [N], the system that was chosen as worst, -1 where none was; or None.
      systems: how many there are.
      weights: of the choices, [N], or [B, N] for B resamples that are fitted side by side; 1 by default.
      penalty: lambda, 0 or more: of a normal prior of variance 1 / lambda on each strength.

    Raises:
      InputError: shapes or numbers do not fit, a system is shown twice, or a choice is none of those shown.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> shown = np.tile([0, 1], (4, 1))
      >>> fit = preference.fit_choices(shown, np.array([0, 0, 0, 1]), systems=2)
      >>> bool(np.isclose(fit.strengths[0] - fit.strengths[1], np.log(3.0)))
      True
    """
    if not penalty >= 0:
        raise InputError(f"penalty is {penalty}; give 0 or more")
    shown, best, worst = check_choices(shown, best, worst, systems)
    each = np.ones(len(best)) if weights is None else np.asarray(weights, np.float64)
    if each.ndim not in (1, 2) or each.shape[-1] != len(best):
        raise InputError(f"weights have shape {each.shape} for {len(best):,} choices; give [N] or [B, N]")
    if not (np.isfinite(each).all() and (each >= 0).all()):
        raise InputError("weights hold values that are negative or not finite")
    cells = list(_cells(shown, best, worst, np.atleast_2d(each)))
    kinds = tuple(kind for kind, _, _ in cells)
    with in_float64():
        rows = tuple(jnp.asarray(own, jnp.int32) for _, own, _ in cells)
        fitted = functools.partial(_fitted, rows, penalty=penalty, kinds=kinds, systems=systems)
        # Few choices go through the program of resamples also once: compiling takes longer than their fit.
        if each.ndim == 1 and sum(len(own) for own in rows) > _FEW:
            found = fitted(*(jnp.asarray(counts[0]) for _, _, counts in cells))
            return ChoiceFit(*(np.asarray(one) for one in found))
        fields = in_batches(fitted, *(counts for _, _, counts in cells))
        return ChoiceFit(*(fields if each.ndim == 2 else (field[0] for field in fields)))


@takes_arrays
def pairs_of_choices(
    shown: Numbers, best: Numbers, worst: Numbers | None = None
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """What choices say of pairs: the best wins over all that were shown, and all that were shown over the worst.

    Args:
      shown: [N, n] numbers of systems; -1 fills rows of fewer.
      best: [N].
      worst: [N], -1 where none was chosen; or None.

    Returns:
      Winners, losers, and the row that each pair is of.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> winners, losers, rows = preference.pairs_of_choices(np.array([[0, 1, 2]]), np.array([1]), np.array([0]))
      >>> sorted(zip(winners.tolist(), losers.tolist()))
      [(1, 0), (1, 2), (2, 0)]
    """
    shown, best = np.asarray(shown), np.asarray(best)
    worst = np.full(len(best), -1) if worst is None else np.asarray(worst)
    beaten = (shown >= 0) & (shown != best[:, None])
    rows, places = np.nonzero(beaten)
    winners, losers = [best[rows]], [shown[rows, places]]
    own = [rows]
    above = beaten & (shown != worst[:, None]) & (worst >= 0)[:, None]
    rows, places = np.nonzero(above)
    winners.append(shown[rows, places])
    losers.append(worst[rows])
    own.append(rows)
    return np.concatenate(winners), np.concatenate(losers), np.concatenate(own)


@takes_arrays
def choices_of_rankings(orders: Numbers) -> tuple[Int[np.ndarray, "m n"], Int[np.ndarray, " m"]]:
    """Whole rankings as the choices that they are made of: the best of all, of all but the best, and so on.

    Args:
      orders: [N, n] numbers of systems, the best first; -1 fills rows of fewer at the end.

    Returns:
      What `fit_choices` takes: shown and best.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> shown, best = preference.choices_of_rankings(np.array([[2, 0, 1]]))
      >>> shown.tolist(), best.tolist()
      ([[2, 0, 1], [0, 1, -1]], [2, 0])
    """
    orders = np.asarray(orders)
    if orders.ndim != 2 or orders.shape[1] < 2:
        raise InputError(f"orders has shape {orders.shape}; give [N, n] of two or more systems")
    count, size = orders.shape
    shown, best = [], []
    for start in range(size - 1):
        left = np.full((count, size), -1, orders.dtype)
        left[:, : size - start] = orders[:, start:]
        kept = left[:, 1] >= 0
        shown.append(left[kept])
        best.append(left[kept, 0])
    return np.concatenate(shown), np.concatenate(best)


def check_choices(
    shown: Numbers, best: Numbers, worst: Numbers | None, systems: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three as NumPy arrays, a missing worst as -1; an InputError unless they are choices among so many systems."""
    shown, best = np.asarray(shown), np.asarray(best)
    worst = np.full(best.shape, -1) if worst is None else np.asarray(worst)
    if shown.ndim != 2 or best.shape != shown.shape[:1] or worst.shape != best.shape:
        shapes = f"{shown.shape}, {best.shape} and {worst.shape}"
        raise InputError(f"shown, best and worst have shapes {shapes}; give [N, n], [N] and [N]")
    if any(one.dtype.kind not in "iu" for one in (shown, best, worst)):
        raise InputError("shown, best and worst hold values that are no integers; numbers of systems are expected")
    if not 2 <= shown.shape[1] <= _MOST_SHOWN:
        raise InputError(f"shown has {shown.shape[1]} columns; from 2 to {_MOST_SHOWN} systems can be shown")
    if shown.size and not (shown.min() >= -1 and shown.max() < systems):
        raise InputError(f"shown holds numbers from {shown.min()} to {shown.max()}; there are {systems} systems")
    ordered = np.sort(shown, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1)
    several = (shown >= 0).sum(1)
    named = worst >= 0
    for bad, what in (
        (twice, "shows a system twice"),
        (several < 2, "shows fewer than two systems"),
        (~((shown == best[:, None]) & (shown >= 0)).any(1), "has a best that is none of those shown"),
        (named & ~(shown == worst[:, None]).any(1), "has a worst that is none of those shown"),
        (named & (worst == best), "has one system as best and as worst"),
        (named & (several > _MOST_WITH_WORST), f"has a worst of more than {_MOST_WITH_WORST} systems"),
    ):
        if bad.any():
            raise InputError(f"choice {int(bad.argmax())} {what}")
    return shown, best, worst


def local_slopes(
    shown: np.ndarray, best: np.ndarray, worst: np.ndarray, strengths: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each choice the systems, and its slope in the strength of each, [N, n]; and the information of all, [K, K].

    Systems that are not there are -1.
    """
    places = np.full(shown.shape, -1)
    slopes = np.zeros(shown.shape)
    information = penalty * np.eye(len(strengths))
    for kind, chosen, own in _forms(shown, best, worst):
        with in_float64():
            local = _KINDS[kind](jnp.asarray(strengths[own]))
            places[chosen, : own.shape[1]] = own
            slopes[chosen, : own.shape[1]] = np.asarray(local.slope)
            np.add.at(information, (own[:, :, None], own[:, None, :]), -np.asarray(local.curvature))
    return places, slopes, information


def _forms(shown: np.ndarray, best: np.ndarray, worst: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Choices by their form: its kind, which choices are of it, and their systems: the best first, the worst last."""
    rest = np.where((shown == best[:, None]) | ((shown == worst[:, None]) & (worst >= 0)[:, None]), -1, shown)
    rest = -np.sort(-rest, axis=1)  # equal choices are equal rows, however they were arranged; what is missing is last
    several = (shown >= 0).sum(1)
    for size in np.unique(several).tolist():
        for kind, mask in (("first", worst < 0), ("both", worst >= 0)):
            chosen = (several == size) & mask
            if not chosen.any():
                continue
            if kind == "both":  # of two the worst is no news
                own = np.column_stack([best[chosen], rest[chosen, : size - 2], worst[chosen]])
                yield "both" if size > 2 else "first", chosen, own
            else:
                yield "first", chosen, np.column_stack([best[chosen], rest[chosen, : size - 1]])


def _cells(
    shown: np.ndarray, best: np.ndarray, worst: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Choices by their form, equal ones as one with the sum of their weights."""
    for kind, chosen, own in _forms(shown, best, worst):
        rows, places = np.unique(own, axis=0, return_inverse=True)
        counts = [np.bincount(places.ravel(), row, minlength=len(rows)) for row in weights[:, chosen]]
        yield kind, rows, np.stack(counts)


class _Local(NamedTuple):
    """A log chance, its slope and its curvature in the strengths of those shown."""

    value: Float[Array, " m"]
    slope: Float[Array, "m n"]
    curvature: Float[Array, "m n n"]


def _plus(one: _Local, other: _Local) -> _Local:
    return _Local(*(a + b for a, b in zip(one, other, strict=True)))


def _drawn(strengths: Float[Array, "m n"], places: Sequence[int]) -> _Local:
    """Of drawing the first of `places` from all of them."""
    shown = strengths.shape[1]
    among = np.zeros(shown, bool)
    among[list(places)] = True
    left = jnp.where(among, strengths, -jnp.inf)
    top = left.max(1, keepdims=True)
    weights = jnp.exp(left - top)
    norm = weights.sum(1, keepdims=True)
    shares = weights / norm
    won = jnp.zeros(shown, strengths.dtype).at[places[0]].set(1.0)
    value = strengths[:, places[0]] - top[:, 0] - jnp.log(norm[:, 0])
    unit = jnp.eye(shown, dtype=strengths.dtype)
    return _Local(value, won - shares, shares[:, :, None] * (shares[:, None, :] - unit))


def _first(strengths: Float[Array, "m n"]) -> _Local:
    """That the first is chosen as best."""
    return _drawn(strengths, range(strengths.shape[1]))


def _both(strengths: Float[Array, "m n"]) -> _Local:
    """That the first is chosen as best and the last as worst, of three or four."""
    if strengths.shape[1] == 3:
        return _plus(_first(strengths), _drawn(strengths, (1, 2)))
    one, other = (_plus(_drawn(strengths, (a, b, 3)), _drawn(strengths, (b, 3))) for a, b in ((1, 2), (2, 1)))
    value = jnp.logaddexp(one.value, other.value)
    share = jnp.exp(one.value - value)[:, None]
    slope = share * one.slope + (1.0 - share) * other.slope
    apart = one.slope - other.slope
    curvature = share[..., None] * one.curvature + (1.0 - share[..., None]) * other.curvature
    spread = (share * (1.0 - share))[..., None] * apart[:, :, None] * apart[:, None, :]
    return _plus(_first(strengths), _Local(value, slope, curvature + spread))


_KINDS: dict[str, Callable[[Float[Array, "m n"]], _Local]] = {"first": _first, "both": _both}


@functools.partial(jax.jit, static_argnames=("kinds", "systems"))
def _fitted(
    rows: tuple[Int[Array, "_ _"], ...],
    *counts: Float[Array, "*b _"],
    penalty: Float[Array, ""],
    kinds: tuple[str, ...],
    systems: int,
) -> tuple[Array, ...]:
    def one(*counts: Float[Array, " _"]) -> tuple[Array, ...]:
        return _fit_one(rows, counts, penalty=jnp.asarray(penalty, counts[0].dtype), kinds=kinds, systems=systems)

    return (jax.vmap(one) if counts[0].ndim == 2 else one)(*counts)


def _fit_one(
    rows: tuple[Int[Array, "_ _"], ...],
    counts: tuple[Float[Array, " _"], ...],
    *,
    penalty: Float[Array, ""],
    kinds: tuple[str, ...],
    systems: int,
) -> tuple[Array, ...]:
    dtype = counts[0].dtype
    total = jnp.stack([own.sum() for own in counts]).sum()

    def log_likelihood(point: Array) -> Array:
        chosen = zip(kinds, rows, counts, strict=True)
        parts = [(own * _KINDS[kind](point[place]).value).sum() for kind, place, own in chosen]
        return sum(parts[1:], start=parts[0])

    def cost(point: Array) -> Array:
        return 0.5 * penalty * (point**2).sum() - log_likelihood(point)

    def derivatives(point: Array) -> tuple[Array, Array]:
        slope = -penalty * point
        curvature = -penalty * jnp.eye(systems, dtype=dtype)
        for kind, place, own in zip(kinds, rows, counts, strict=True):
            local = _KINDS[kind](point[place])
            slope = slope.at[place].add(own[:, None] * local.slope)
            curvature = curvature.at[place[:, :, None], place[:, None, :]].add(own[:, None, None] * local.curvature)
        # Strengths that all grow alike change no chance: that direction is given the average curvature of the others.
        common = jnp.maximum(-jnp.trace(curvature) / systems, 1e-30) / systems
        return -slope, common - curvature

    found = minimised(cost, derivatives, jnp.zeros(systems, dtype), total)
    strengths = found.point - found.point.mean()
    return (strengths, log_likelihood(found.point), found.steps, found.converged)
