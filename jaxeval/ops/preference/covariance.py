"""How sure strengths are: the model's own errors, and sandwich errors that let votes of a rater or an item be alike.

References: Huber, "The behavior of maximum likelihood estimates under nonstandard conditions", Berkeley Symposium 1967;
Liang, Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986; Cameron, Gelbach,
Miller, "Robust inference with multiway clustering", Journal of Business and Economic Statistics 29, 2011.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._float64 import in_float64
from jaxeval.ops.preference.choices import check_choices, local_slopes
from jaxeval.ops.preference.links import Link, PairModel, link_named
from jaxeval.ops.preference.pairs import check_votes, curvature_of, pair_counts


@takes_arrays
def pair_covariance(
    first: Numbers,
    second: Numbers,
    outcome: Numbers,
    strengths: Numbers,
    tie: Numbers | float = float("nan"),
    *,
    model: PairModel | str = "bradley-terry",
    clusters: Sequence[Numbers] = (),
    penalty: float = 0.0,
) -> Float[np.ndarray, "k k"]:
    """Covariance of the strengths that `fit_pairs` found, on the host in float64.

    Args:
      first: numbers of the systems on one side, [N] integers from 0.
      second: of the other side, [N].
      outcome: [N]: 1 where the first won, -1 where the second won, 0 for a tie.
      strengths: [K], of the fit.
      tie: of the fit.
      model: of the fit.
      clusters: of each grouping, such as raters and items, the number of each vote's group, [N]. None: the inverse of
        the information, right if votes are independent and the model true. One: the sandwich of Liang and Zeger, with
        G / (G - 1) for G groups. Two: that of both groupings less that of their crossings, as Cameron, Gelbach and
        Miller have it, or the larger of both where that is more.
      penalty: of the fit.

    Raises:
      InputError: shapes or numbers do not fit, or there are more than two groupings.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> first, second, outcome = np.zeros(8, int), np.ones(8, int), np.array([1, 1, 1, -1, 1, -1, 0, 1])
      >>> counts = preference.pair_counts(first, second, outcome, systems=2)
      >>> fit = preference.fit_pairs(*counts, model="davidson")
      >>> preference.pair_covariance(first, second, outcome, fit.strengths, fit.tie, model="davidson").round(2).tolist()
      [[0.18, -0.18], [-0.18, 0.18]]
    """
    link = link_named(model)
    strengths, tie = np.asarray(strengths, np.float64), float(np.asarray(tie))
    systems = len(strengths)
    check_votes(first, second, outcome, systems)
    first, second, outcome = (np.asarray(one) for one in (first, second, outcome))
    counts = pair_counts(first, second, outcome, systems=systems)
    with in_float64():
        fitted = jnp.asarray(strengths), jnp.asarray(tie)
        curvature = np.asarray(curvature_of(*map(jnp.asarray, counts), *fitted, penalty, link=link))
        slopes = np.asarray(_slopes(*fitted, link=link))
    kinds = {1: 0, 0: 1, -1: 2}
    kind = np.array([kinds[-1], kinds[0], kinds[1]])[outcome + 1]
    of_d, of_t = slopes[0][first, second, kind], slopes[1][first, second, kind]
    rows = np.arange(len(first))
    entries = (
        np.concatenate([rows, rows, rows]),
        np.concatenate([first, second, np.full(len(first), systems)]),
        np.concatenate([of_d, -of_d, of_t]),
    )
    return _covariance(curvature, systems, entries, clusters, len(first))


@takes_arrays
def choice_covariance(
    shown: Numbers,
    best: Numbers,
    worst: Numbers | None,
    strengths: Numbers,
    *,
    clusters: Sequence[Numbers] = (),
    penalty: float = 0.0,
) -> Float[np.ndarray, "k k"]:
    """Covariance of the strengths that `fit_choices` found, on the host in float64.

    Args:
      shown: [N, n] numbers of systems; -1 fills rows of fewer.
      best: [N].
      worst: [N], -1 where none was chosen; or None.
      strengths: [K], of the fit.
      clusters: as of `pair_covariance`.
      penalty: of the fit.

    Raises:
      InputError: shapes or numbers do not fit, or there are more than two groupings.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> shown, best = np.tile([0, 1], (8, 1)), np.array([0, 0, 0, 1, 0, 1, 0, 0])
      >>> fit = preference.fit_choices(shown, best, systems=2)
      >>> preference.choice_covariance(shown, best, None, fit.strengths).round(2).tolist()
      [[0.17, -0.17], [-0.17, 0.17]]
    """
    strengths = np.asarray(strengths, np.float64)
    systems = len(strengths)
    shown, best, worst = check_choices(shown, best, worst, systems)
    places, slopes, curvature = local_slopes(shown, best, worst, strengths, penalty)
    rows = np.broadcast_to(np.arange(len(best))[:, None], places.shape)
    known = places >= 0
    entries = rows[known], places[known], slopes[known]
    return _covariance(curvature, systems, entries, clusters, len(best))


def _covariance(
    curvature: np.ndarray,
    systems: int,
    entries: tuple[np.ndarray, np.ndarray, np.ndarray],
    clusters: Sequence[Numbers],
    votes: int,
) -> np.ndarray:
    """The sandwich of the slopes of single votes, given as (vote, parameter, slope), within its bread."""
    if len(clusters) > 2:
        raise InputError(f"clusters has {len(clusters)} groupings; give none, one or two")
    groupings = [np.asarray(one) for one in clusters]
    if any(one.shape != (votes,) for one in groupings):
        raise InputError(f"clusters have shapes {[one.shape for one in groupings]}; give [{votes}] each")
    # Strengths are of mean 0: of the direction in which all grow alike there is no error.
    apart = np.eye(len(curvature))
    apart[:systems, :systems] -= 1.0 / systems
    bread = apart @ np.linalg.pinv(curvature, hermitian=True) @ apart
    if not groupings:
        return bread[:systems, :systems]

    def sandwich(groups: np.ndarray) -> np.ndarray:
        _, number = np.unique(groups, return_inverse=True)
        count, width = int(number.max()) + 1, len(curvature)
        rows, parameters, slopes = entries
        sums = np.bincount(number[rows] * width + parameters, slopes, minlength=count * width).reshape(count, width)
        filling = sums.T @ sums * (count / max(count - 1, 1))
        return (bread @ filling @ bread)[:systems, :systems]

    found = [sandwich(one) for one in groupings]
    if len(found) == 1:
        return found[0]
    _, crossing = np.unique(np.stack(groupings), axis=1, return_inverse=True)
    both = found[0] + found[1] - sandwich(crossing.ravel())
    # A difference of estimates may fall below what one of the groupings alone accounts for.
    return max((both, *found), key=np.trace)


@functools.partial(jax.jit, static_argnames=("link",))
def _slopes(strengths: jax.Array, tie: jax.Array, *, link: Link) -> jax.Array:
    """Slopes of log chances in the difference and in the parameter of ties: [2, K, K, 3], of win, tie, loss."""
    d = strengths[:, None] - strengths[None, :]
    known = ~jnp.isnan(tie)
    t = jnp.where(known, tie, link.without_ties)

    def over(function, d):
        return jnp.stack(jax.vmap(jax.vmap(jax.grad(function, argnums=(0, 1)), (0, None)), (0, None))(d, t))

    win = over(link.log_win, d)
    loss = over(link.log_win, -d) * jnp.array([-1.0, 1.0])[:, None, None]
    draw = 0.5 * (win + loss)
    if link.log_tie is not None:
        draw = over(link.log_tie, jnp.where(jnp.eye(len(d), dtype=bool), 0.0, d))
    found = jnp.stack([win, draw, loss], axis=-1)
    moves = known & (link.log_tie is not None)
    return found.at[1].set(jnp.where(moves, found[1], 0.0))
