"""How likely a difference of strengths makes a win and a tie: the models of paired comparisons.

Each is a pair of functions of the difference d = s_i - s_j and of one parameter of ties, t: log P(i wins) and, where
the model has ties, log P(neither). Both are concave in (d, t), so that a fit has one maximum.

- Bradley-Terry: P(i wins) = 1 / (1 + exp(-d)). A tie counts as half a win of either.
- Davidson: weights exp(d/2), exp(-d/2) and exp(t), divided by their sum; exp(t) is the paper's nu.
- Rao-Kupper: P(i wins) = 1 / (1 + exp(t - d)), t > 0; exp(t) is the paper's theta.
- Thurstone-Mosteller (case V): P(i wins) = Phi(d): a unit of strength is the deviation of a difference of two
  impressions. A tie counts as half a win of either.
- Glenn-David: Thurstone-Mosteller with ties, P(i wins) = Phi(d - t), t > 0.

References: Bradley, Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952; Davidson, "On extending
the Bradley-Terry model to accommodate ties in paired comparison experiments", JASA 65, 1970; Rao, Kupper, "Ties in
paired-comparison experiments", JASA 62, 1967; Thurstone, "A law of comparative judgment", Psychological Review 34,
1927; Mosteller, "Remarks on the method of paired comparisons: I", Psychometrika 16, 1951; Glenn, David, "Ties in
paired-comparison experiments using a modified Thurstone-Mosteller model", Biometrics 16, 1960.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from jaxeval.errors import InputError

Values = Float[Array, "..."]
PairModel = Literal["bradley-terry", "davidson", "rao-kupper", "thurstone", "glenn-david"]
"""Names of the models of paired comparisons."""


@dataclasses.dataclass(frozen=True)
class Link:
    """One model.

    Attributes:
      name: by which it is asked for.
      log_win: of d and t.
      log_tie: of d and t; None where ties count as half a win of either.
      start: where the search for t begins.
      without_ties: the t at which ties have no chance.
      unit: what a difference of 1 in strength is, in words.
    """

    name: PairModel
    log_win: Callable[[Values, Values], Values]
    log_tie: Callable[[Values, Values], Values] | None
    start: float
    without_ties: float
    unit: str


def _bradley_terry_win(d: Values, t: Values) -> Values:
    return jax.nn.log_sigmoid(d)


def _davidson_norm(d: Values, t: Values) -> Values:
    return jnp.logaddexp(jnp.logaddexp(0.5 * d, -0.5 * d), t)


def _davidson_win(d: Values, t: Values) -> Values:
    return 0.5 * d - _davidson_norm(d, t)


def _davidson_tie(d: Values, t: Values) -> Values:
    return t - _davidson_norm(d, t)


def _rao_kupper_win(d: Values, t: Values) -> Values:
    return jax.nn.log_sigmoid(d - t)


def _rao_kupper_tie(d: Values, t: Values) -> Values:
    # (exp(2t) - 1) times both wins: the difference of two sigmoids without its cancellation.
    return 2.0 * t + jnp.log(-jnp.expm1(-2.0 * t)) + jax.nn.log_sigmoid(d - t) + jax.nn.log_sigmoid(-d - t)


def _thurstone_win(d: Values, t: Values) -> Values:
    return log_ndtr(d)


def _glenn_david_win(d: Values, t: Values) -> Values:
    return log_ndtr(d - t)


def _glenn_david_tie(d: Values, t: Values) -> Values:
    # In the lower tail, where the two normal shares differ in their leading digits; it is even in d.
    low = jnp.where(d > 0, -d, d)
    upper, lower = log_ndtr(low + t), log_ndtr(low - t)
    return upper + jnp.log(-jnp.expm1(lower - upper))


LINKS = {
    link.name: link
    for link in (
        Link("bradley-terry", _bradley_terry_win, None, 0.0, 0.0, "log odds"),
        Link("davidson", _davidson_win, _davidson_tie, -1.0, -1e4, "log odds among decided votes"),
        Link("rao-kupper", _rao_kupper_win, _rao_kupper_tie, 0.5, 0.0, "log odds before a threshold"),
        Link("thurstone", _thurstone_win, None, 0.0, 0.0, "standard deviations of a difference"),
        Link("glenn-david", _glenn_david_win, _glenn_david_tie, 0.3, 0.0, "standard deviations of a difference"),
    )
}


def link_named(model: str) -> Link:
    """The model of a name.

    Args:
      model: one of `LINKS`.

    Raises:
      InputError: an unknown one.

    Example:
      >>> from jaxeval.ops import preference
      >>> preference.link_named("thurstone").unit
      'standard deviations of a difference'
    """
    if model not in LINKS:
        raise InputError(f"model is {model!r}; choose from {', '.join(LINKS)}")
    return LINKS[model]
