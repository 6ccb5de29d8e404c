"""Strengths of systems from paired comparisons, by maximum likelihood: one Newton solver for every model.

The log-likelihood of counts W_ij (votes of i over j) and T_ij (ties) is a sum over pairs of W_ij log P(i over j) + T_ij
log P(tie). It is concave, and strengths that differ by a constant are equally likely, so that they are made to sum to
0. It has a finite maximum if and only if the systems cannot be split into two groups of which one never lost a vote (or
tied) against the other (Ford, "Solution of a ranking problem from binary comparisons", American Mathematical Monthly
64, 1957). A penalty of lambda / 2 times the sum of squared strengths, the logarithm of a normal prior of variance 1 /
lambda, makes it finite always.

NumPy arguments are computed on the host in float64, JAX arguments on the device in float32, under jit and vmap too.
"""

import contextlib
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse.csgraph
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import AnyArray, Numbers, on_host
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._float64 import in_float64
from jaxeval.ops.preference._newton import in_batches, minimised
from jaxeval.ops.preference.links import Link, PairModel, link_named

_Counts = Float[Array, "*b k k"]


class PairCounts(NamedTuple):
    """Votes on pairs of systems, counted.

    Attributes:
      wins: [..., K, K], votes of the row's system over the column's.
      ties: [..., K, K], symmetric: each tie of a pair stands in both places.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> counts = preference.pair_counts(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([1, 0, 0]), systems=2)
      >>> counts.wins.tolist(), counts.ties.tolist()
      ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]])
    """

    wins: Float[np.ndarray, "*b k k"]
    ties: Float[np.ndarray, "*b k k"]


class PairFit(NamedTuple):
    """Strengths that make the votes most likely.

    Attributes:
      strengths: [..., K], of mean 0; the model says in what unit (`LINKS[model].unit`).
      tie: [...], the model's parameter of ties; not-a-number for models without one, and where there was no tie.
      log_likelihood: [...], of the votes, without the penalty.
      steps: [...], Newton steps taken.
      converged: [...], whether the last step was as small as rounding lets it be.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> fit = preference.fit_pairs(np.array([[0.0, 30.0], [10.0, 0.0]]))
      >>> bool(np.isclose(fit.strengths[0] - fit.strengths[1], np.log(3.0)))
      True
    """

    strengths: Float[AnyArray, "*b k"]
    tie: Float[AnyArray, "*b"]
    log_likelihood: Float[AnyArray, "*b"]
    steps: Int[AnyArray, "*b"]
    converged: Bool[AnyArray, "*b"]


@takes_arrays
def pair_counts(
    first: Numbers, second: Numbers, outcome: Numbers, *, systems: int, weights: Numbers | None = None
) -> PairCounts:
    """Counts the votes of each pair, on the host.

    Args:
      first: numbers of the systems on one side, [N] integers from 0.
      second: of the other side, [N].
      outcome: [N]: 1 where the first won, -1 where the second won, 0 for a tie.
      systems: how many there are, K.
      weights: of the votes, [N] or for several resamples [B, N]; 1 by default.

    Returns:
      float64 matrices [K, K], or [B, K, K].

    Raises:
      InputError: lengths differ, a number of a system or an outcome is out of range, or a vote is of one system with
        itself.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.pair_counts(np.array([0, 1]), np.array([1, 0]), np.array([1, 1]), systems=2).wins.tolist()
      [[0.0, 1.0], [1.0, 0.0]]
    """
    check_votes(first, second, outcome, systems)
    one, other, result = (np.asarray(each) for each in (first, second, outcome))
    cell = one.astype(np.int32 if systems <= 20_000 else np.int64)
    cell *= systems
    cell += other.astype(cell.dtype)
    cell *= 3
    cell += result.astype(cell.dtype)
    cell += 1
    size = systems * systems * 3
    if weights is None:
        table = np.bincount(cell, minlength=size).astype(np.float64)
    else:
        each = np.asarray(weights, np.float64)
        if each.shape[-1:] != cell.shape or each.ndim > 2:
            raise InputError(f"pair_counts: weights of shape {each.shape} for {len(cell):,} votes; give [N] or [B, N]")
        rows = [np.bincount(cell, row, minlength=size) for row in np.atleast_2d(each)]
        table = rows[0] if each.ndim == 1 else np.stack(rows)
    table = table.reshape(*table.shape[:-1], systems, systems, 3)
    lost, tied, won = (table[..., i] for i in range(3))
    return PairCounts(won + np.swapaxes(lost, -1, -2), tied + np.swapaxes(tied, -1, -2))


@takes_arrays
def fit_pairs(
    wins: Numbers, ties: Numbers | None = None, *, model: PairModel | str = "bradley-terry", penalty: float = 0.0
) -> PairFit:
    """Strengths of K systems from counts of votes on pairs, by Newton's method.

    Args:
      wins: [..., K, K], votes of the row's system over the column's; any non-negative numbers. Leading axes are
        resamples, which are fitted side by side.
      ties: [..., K, K], symmetric; none by default.
      model: `bradley-terry` and `thurstone` count a tie as half a win of either; `davidson`, `rao-kupper` and
        `glenn-david` have a parameter of ties.
      penalty: lambda, 0 or more: of a normal prior of variance 1 / lambda on each strength. Without one, a fit of votes
        of which no finite strengths are most likely (`is_separated`) does not converge, and says so.

    Raises:
      InputError: shapes, negative counts, ties that are not symmetric, votes of a system against itself, an unknown
        model, or a negative penalty.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> wins = np.array([[0.0, 8.0, 9.0], [2.0, 0.0, 7.0], [1.0, 3.0, 0.0]])
      >>> fit = preference.fit_pairs(wins)
      >>> fit.strengths.round(2).tolist(), bool(fit.converged)
      ([1.2, -0.18, -1.02], True)
    """
    link = link_named(model)
    if not penalty >= 0:
        raise InputError(f"penalty is {penalty}; give 0 or more")
    ties = wins * 0 if ties is None else ties
    _check_counts(wins, ties)
    if on_host(wins) and on_host(ties):
        counts = wins.astype(np.float64), ties.astype(np.float64)
        leading, shape = wins.shape[:-2], wins.shape[-2:]
        fitted = functools.partial(_fitted, penalty=penalty, link=link)
        with in_float64():
            # A single matrix goes through the program of resamples, too: compiling takes longer than any fit.
            found = in_batches(fitted, *(one.reshape(-1, *shape) for one in counts))
        return PairFit(*(field.reshape((*leading, *field.shape[1:])) for field in found))
    return _fitted(jnp.asarray(wins, jnp.float32), jnp.asarray(ties, jnp.float32), penalty=penalty, link=link)


@takes_arrays
def outcome_probabilities(
    strengths: Numbers, tie: Numbers | None = None, *, model: PairModel | str = "bradley-terry"
) -> tuple[Float[AnyArray, "*b k k"], Float[AnyArray, "*b k k"]]:
    """What strengths say of each pair: the chance that the row's system wins, and that of a tie, [..., K, K] each.

    Args:
      strengths: [..., K].
      tie: [...], of the fit; not-a-number, and None, are no ties.
      model: of the fit.

    Raises:
      InputError: an unknown model.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> win, tie = preference.outcome_probabilities(np.array([1.0, 0.0]))
      >>> win.round(3).tolist()
      [[0.5, 0.731], [0.269, 0.5]]
    """
    link = link_named(model)
    host = on_host(strengths)
    if tie is None:
        tie = strengths[..., 0] * np.nan
    with in_float64() if host else contextlib.nullcontext():
        win, draw = _probabilities(jnp.asarray(strengths), jnp.asarray(tie), link=link)
        return (np.asarray(win), np.asarray(draw)) if host else (win, draw)


@takes_arrays
def is_separated(wins: Numbers, ties: Numbers | None = None) -> bool:
    """Whether no finite strengths are most likely: a group of systems never lost a vote, or tied, against the others.

    Args:
      wins: [K, K], NumPy.
      ties: [K, K], or None.

    Raises:
      InputError: shapes or values are not those of counts.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.is_separated(np.array([[0.0, 5.0], [0.0, 0.0]]))
      True
    """
    return len(unbeaten_groups(wins, ties)) > 1


@takes_arrays
def unbeaten_groups(wins: Numbers, ties: Numbers | None = None) -> tuple[tuple[int, ...], ...]:
    """Systems in groups within which each has lost (or tied) to each other along some chain of votes.

    One group means that finite strengths are most likely; between groups all votes go one way, or there are none.

    Args:
      wins: [K, K], NumPy.
      ties: [K, K], or None.

    Raises:
      InputError: shapes or values are not those of counts.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.unbeaten_groups(np.array([[0.0, 5.0, 1.0], [2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
      ((0, 1), (2,))
    """
    return _groups(wins, ties, "strong")


@takes_arrays
def compared_groups(wins: Numbers, ties: Numbers | None = None) -> tuple[tuple[int, ...], ...]:
    """Systems in groups that votes connect: what is known of two systems in different groups is nothing.

    Args:
      wins: [K, K], NumPy.
      ties: [K, K], or None.

    Raises:
      InputError: shapes or values are not those of counts.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> preference.compared_groups(np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
      ((0, 1), (2,))
    """
    return _groups(wins, ties, "weak")


def _groups(wins: Numbers, ties: Numbers | None, connection: str) -> tuple[tuple[int, ...], ...]:
    ties = wins * 0 if ties is None else ties
    _check_counts(wins, ties)
    if wins.ndim != 2:
        raise InputError(f"wins has shape {wins.shape}; give one matrix [K, K]")
    links = (np.asarray(wins) > 0) | (np.asarray(ties) > 0)
    count, labels = scipy.sparse.csgraph.connected_components(links, directed=True, connection=connection)
    groups = [tuple(np.flatnonzero(labels == label).tolist()) for label in range(count)]
    return tuple(sorted(groups))


def check_votes(first: Numbers, second: Numbers, outcome: Numbers, systems: int) -> None:
    """Raises InputError unless the arrays are votes on pairs of so many systems."""
    shapes = [np.shape(one) for one in (first, second, outcome)]
    if len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise InputError(f"first, second and outcome have shapes {', '.join(map(str, shapes))}; give [N] each")
    if any(isinstance(one, Tracer) for one in (first, second, outcome)):
        return
    one, other, result = (np.asarray(each) for each in (first, second, outcome))
    for name, side in (("first", one), ("second", other)):
        if side.dtype.kind not in "iu":
            raise InputError(f"{name} holds {side.dtype} values; numbers of systems, integers from 0, are expected")
        if side.size and not (side.min() >= 0 and side.max() < systems):
            raise InputError(f"{name} holds numbers from {side.min()} to {side.max()}; there are {systems} systems")
    if result.dtype.kind not in "iu" or (result.size and (result.min() < -1 or result.max() > 1)):
        raise InputError("outcome holds values other than the integers 1 (the first won), -1 and 0 (a tie)")
    alike = one == other
    if alike.any():
        raise InputError(f"vote {int(alike.argmax())} is of system {one[alike.argmax()]} with itself")


def _check_counts(wins: Numbers, ties: Numbers) -> None:
    if wins.ndim < 2 or wins.shape[-1] != wins.shape[-2] or wins.shape[-1] < 2 or ties.shape != wins.shape:
        raise InputError(
            f"wins and ties have shapes {wins.shape} and {ties.shape}; give [..., K, K] of 2 or more systems"
        )
    if isinstance(wins, Tracer) or isinstance(ties, Tracer):
        return
    for name, counts in (("wins", np.asarray(wins)), ("ties", np.asarray(ties))):
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise InputError(f"{name} holds values that are negative or not finite; counts are expected")
        if np.diagonal(counts, axis1=-2, axis2=-1).any():
            raise InputError(f"{name} holds votes of a system against itself")
    if not np.array_equal(ties, np.swapaxes(ties, -1, -2)):
        raise InputError("ties is not symmetric: a tie of i with j is one of j with i")


@functools.partial(jax.jit, static_argnames=("link",))
def _fitted(wins: _Counts, ties: _Counts, *, penalty: float | Float[Array, ""], link: Link) -> PairFit:
    leading, systems = wins.shape[:-2], wins.shape[-1]
    penalty = jnp.asarray(penalty, wins.dtype)

    def one(counts: tuple[Array, Array]) -> PairFit:
        return _fit_one(*counts, penalty, link)

    if not leading:
        return one((wins, ties))
    found = jax.vmap(one)((wins.reshape(-1, systems, systems), ties.reshape(-1, systems, systems)))
    return PairFit(*(field.reshape(*leading, *field.shape[1:]) for field in found))


def _fit_one(wins: Float[Array, "k k"], ties: Float[Array, "k k"], penalty: Float[Array, ""], link: Link) -> PairFit:
    systems, dtype = wins.shape[0], wins.dtype
    if link.log_tie is None:
        wins, ties = wins + 0.5 * ties, jnp.zeros_like(ties)
    pairs = 0.5 * ties.sum()
    drawn = pairs > 0
    total = wins.sum() + pairs

    def difference(point: Array) -> Array:
        return point[:systems, None] - point[None, :systems]

    def log_likelihood(point: Array) -> Array:
        d, t = difference(point), point[systems]
        found = jnp.where(wins > 0, wins * link.log_win(d, t), 0.0).sum()
        if link.log_tie is not None:
            found += 0.5 * jnp.where(ties > 0, ties * link.log_tie(d, t), 0.0).sum()
        return found

    def cost(point: Array) -> Array:
        return 0.5 * penalty * (point[:systems] ** 2).sum() - log_likelihood(point)

    derivatives = functools.partial(_derivatives, wins=wins, ties=ties, penalty=penalty, link=link, drawn=drawn)
    begin = jnp.where(drawn, link.start, link.without_ties).astype(dtype)
    found = minimised(cost, derivatives, jnp.concatenate([jnp.zeros(systems, dtype), begin[None]]), total)
    strengths = found.point[:systems] - found.point[:systems].mean()
    tie = jnp.where(drawn, found.point[systems], jnp.nan)
    return PairFit(strengths, tie, log_likelihood(found.point), found.steps, found.converged)


@functools.partial(jax.jit, static_argnames=("link",))
def curvature_of(
    wins: _Counts,
    ties: _Counts,
    strengths: Float[Array, " k"],
    tie: Float[Array, ""],
    penalty: float | Float[Array, ""],
    *,
    link: Link,
) -> Float[Array, "p p"]:
    """The information of votes at strengths and, last, at the parameter of ties, which has none where it has no say."""
    if link.log_tie is None:
        wins, ties = wins + 0.5 * ties, jnp.zeros_like(ties)
    known = ~jnp.isnan(tie)
    point = jnp.concatenate([strengths, jnp.where(known, tie, link.without_ties)[None]])
    return _derivatives(point, wins=wins, ties=ties, penalty=jnp.asarray(penalty), link=link, drawn=known)[1]


def _derivatives(
    point: Float[Array, " p"],
    wins: Float[Array, "k k"],
    ties: Float[Array, "k k"],
    penalty: Float[Array, ""],
    link: Link,
    drawn: Bool[Array, ""],
) -> tuple[Float[Array, " p"], Float[Array, "p p"]]:
    """Slope and curvature of the negative penalised log-likelihood at strengths and the ties' parameter.

    The curvature has 1 added in the direction in which all strengths grow alike, which the likelihood does not see; a
    parameter of ties that nothing depends on has a curvature of 1 and no slope.
    """
    systems = wins.shape[0]
    d, t = point[:systems, None] - point[None, :systems], point[systems]
    each = [(wins, link.log_win)]
    if link.log_tie is not None:
        each.append((0.5 * ties, link.log_tie))
    slope_d = slope_t = bend_dd = bend_dt = bend_tt = jnp.zeros_like(wins)
    for weight, function in each:
        over_pairs = functools.partial(_over_pairs, weight)
        slopes = jax.grad(function, argnums=(0, 1))
        bends = jax.hessian(function, argnums=(0, 1))
        of_d, of_t = over_pairs(slopes, d, t)
        (dd, dt), (_, tt) = over_pairs(bends, d, t)
        slope_d, slope_t = slope_d + of_d, slope_t + of_t
        bend_dd, bend_dt, bend_tt = bend_dd + dd, bend_dt + dt, bend_tt + tt
    ridge = penalty * jnp.eye(systems, dtype=wins.dtype)
    slope = (slope_d.sum(1) - slope_d.sum(0)) - penalty * point[:systems]
    between = bend_dd + bend_dd.T
    square = jnp.diag(between.sum(1)) - between - ridge - 1.0 / systems * _scale(between)
    mixed = bend_dt.sum(1) - bend_dt.sum(0)
    moves = drawn & (link.log_tie is not None)
    last = jnp.where(moves, bend_tt.sum(), -1.0)
    mixed = jnp.where(moves, mixed, 0.0)
    curvature = jnp.block([[square, mixed[:, None]], [mixed[None, :], last[None, None]]])
    slope = jnp.concatenate([slope, jnp.where(moves, slope_t.sum(), 0.0)[None]])
    return -slope, -curvature


def _scale(between: Float[Array, "k k"]) -> Float[Array, ""]:
    """What the direction in which all strengths grow alike is given as curvature: about that of the others."""
    return jnp.maximum(-between.sum() / between.shape[0], 1e-30)


def _over_pairs(weight, function, d, t):
    """A function's values at every pair, times the votes; exactly 0 where there are none, however far the pair is."""
    values = jax.vmap(jax.vmap(function, in_axes=(0, None)), in_axes=(0, None))(d, t)
    return jax.tree.map(lambda v: jnp.where(weight > 0, weight * v, 0.0), values)


@functools.partial(jax.jit, static_argnames=("link",))
def _probabilities(strengths: Float[Array, "*b k"], tie: Float[Array, "*b"], *, link: Link) -> tuple[Array, Array]:
    d = strengths[..., :, None] - strengths[..., None, :]
    t = tie[..., None, None]
    if link.log_tie is None:
        win = jnp.exp(link.log_win(d, t))
        return win, jnp.zeros_like(win)
    known = ~jnp.isnan(t)
    win = jnp.exp(link.log_win(d, jnp.where(known, t, link.without_ties)))
    draw = jnp.where(known, jnp.exp(link.log_tie(d, jnp.where(known, t, link.start))), 0.0)
    return win, draw
