"""Opinion scores: the quality of what was rated, freed of how each rater uses the scale.

Reference: Li, Bampis, Krasula, Janowski, Katsavounidis, "A simple model for subject behavior in subjective
experiments", Human Vision and Electronic Imaging 2020; the same model is ITU-T P.910 (2023), Annex E.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._float64 import in_float64
from jaxeval.ops.preference._newton import in_batches

_MOST_ROUNDS = 10_000
_QUARTER = 0.25  # of the scores' deviation, below which no rater's is believed


class OpinionFit(NamedTuple):
    """What raters say of stimuli, and of themselves.

    Attributes:
      quality: [..., J], of each stimulus, in the scale's unit; not-a-number where nobody rated it.
      quality_error: [..., J], standard error of each under the model.
      bias: [..., I], by how much each rater scores above the others; of mean 0 over raters.
      inconsistency: [..., I], standard deviation of each rater's scores about quality and bias.
      rounds: [...], of the alternating projections.
      converged: [...], whether they came to rest.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> fit = preference.fit_opinions(
      ...     np.array([1.0, 3.0, 2.0, 4.0]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), raters=2, stimuli=2
      ... )
      >>> fit.quality.tolist(), fit.bias.tolist()
      ([1.5, 3.5], [-0.5, 0.5])
    """

    quality: Float[np.ndarray, "*b j"]
    quality_error: Float[np.ndarray, "*b j"]
    bias: Float[np.ndarray, "*b i"]
    inconsistency: Float[np.ndarray, "*b i"]
    rounds: Int[np.ndarray, "*b"]
    converged: Bool[np.ndarray, "*b"]


@takes_arrays
def fit_opinions(
    score: Numbers,
    rater: Numbers,
    stimulus: Numbers,
    *,
    raters: int,
    stimuli: int,
    weights: Numbers | None = None,
    least_inconsistency: float | None = None,
) -> OpinionFit:
    """Quality, bias and inconsistency by maximum likelihood, on the host in float64.

    A score is the stimulus' quality plus the rater's bias plus normal noise of the rater's own deviation. Alternating
    projections (the authors' solver AP, of the package SUREAL) find the maximum: each stimulus' quality is the mean of
    its scores less biases, weighted by the raters' inverse variances; a bias the mean of a rater's scores less
    qualities. Every rater may have rated any part of the stimuli, and one more than once.

    Args:
      score: [N], finite numbers.
      rater: [N], numbers of raters from 0.
      stimulus: [N], numbers of stimuli from 0.
      raters: how many there are, I.
      stimuli: how many there are, J.
      weights: of the scores, [N], or [B, N] for resamples that are fitted side by side; 1 by default.
      least_inconsistency: what a rater's deviation counts as at least. The likelihood is infinite where qualities meet
        one rater exactly, who then counts for everybody. By default it is the larger of what rounding to the scale's
        step leaves, step / sqrt(12), where the step is the least difference of two scores, and of a quarter of the
        deviation of all scores about plain means of stimuli and raters; SUREAL has 0.0001.

    Raises:
      InputError: shapes or numbers do not fit, or a score is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import preference
      >>> rater, stimulus = np.divmod(np.arange(60), 10)
      >>> score = np.clip(np.round(stimulus / 2.5 + 1 + np.random.default_rng(0).normal(size=60) * 0.5), 1, 5)
      >>> fit = preference.fit_opinions(score, rater, stimulus, raters=6, stimuli=10)
      >>> bool(fit.converged), fit.quality.round(1)[[0, 9]].tolist()
      (True, [1.0, 4.7])
    """
    score, rater, stimulus = (np.asarray(one) for one in (score, rater, stimulus))
    if score.ndim != 1 or rater.shape != score.shape or stimulus.shape != score.shape or not score.size:
        shapes = f"{score.shape}, {rater.shape} and {stimulus.shape}"
        raise InputError(f"score, rater and stimulus have shapes {shapes}; give [N] each, of one score or more")
    for name, numbers, count in (("rater", rater, raters), ("stimulus", stimulus, stimuli)):
        if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= count:
            raise InputError(f"{name} holds other values than integers from 0 to {count - 1}")
    score = score.astype(np.float64)
    if not np.isfinite(score).all():
        raise InputError(f"score {int((~np.isfinite(score)).argmax())} is not finite")
    each = np.ones(len(score)) if weights is None else np.asarray(weights, np.float64)
    if each.ndim not in (1, 2) or each.shape[-1] != len(score) or not (np.isfinite(each).all() and (each >= 0).all()):
        raise InputError(f"weights have shape {each.shape}; give [N] or [B, N] numbers of 0 or more")
    if least_inconsistency is None:
        least_inconsistency = _least_inconsistency(score, rater, stimulus)
    if not least_inconsistency > 0:
        raise InputError(f"least_inconsistency is {least_inconsistency}; give a positive number")
    with in_float64():
        fitted = functools.partial(
            _fitted,
            score=jnp.asarray(score),
            rater=jnp.asarray(rater, jnp.int32),
            stimulus=jnp.asarray(stimulus, jnp.int32),
            floor=least_inconsistency,
            raters=raters,
            stimuli=stimuli,
        )
        if each.ndim == 2:
            return OpinionFit(*in_batches(fitted, each))
        return OpinionFit(*(np.asarray(one) for one in fitted(jnp.asarray(each))))


class _State(NamedTuple):
    quality: Float[Array, " j"]
    bias: Float[Array, " i"]
    variance: Float[Array, " i"]
    change: Float[Array, ""]
    rounds: Int[Array, ""]


def _least_inconsistency(score: np.ndarray, rater: np.ndarray, stimulus: np.ndarray) -> float:
    levels = np.unique(score)
    if len(levels) < 2:
        return 1.0
    rest = score.copy()
    for group in (stimulus, rater):
        rest -= (np.bincount(group, rest) / np.maximum(np.bincount(group), 1))[group]
    return max(float(np.diff(levels).min()) / 12**0.5, _QUARTER * float(rest.std()))


@functools.partial(jax.jit, static_argnames=("raters", "stimuli"))
def _fitted(
    weights: Float[Array, "*b n"],
    *,
    score: Float[Array, " n"],
    rater: Int[Array, " n"],
    stimulus: Int[Array, " n"],
    floor: Float[Array, ""],
    raters: int,
    stimuli: int,
) -> tuple[Array, ...]:
    def one(weights: Float[Array, " n"]) -> tuple[Array, ...]:
        return _fit_one(weights, score, rater, stimulus, floor, raters, stimuli)

    return one(weights) if weights.ndim == 1 else lax.map(one, weights)


def _fit_one(
    weights: Float[Array, " n"],
    score: Float[Array, " n"],
    rater: Int[Array, " n"],
    stimulus: Int[Array, " n"],
    floor: Float[Array, ""],
    raters: int,
    stimuli: int,
) -> tuple[Array, ...]:
    def by_rater(values: Array) -> Array:
        return jnp.zeros(raters, values.dtype).at[rater].add(values)

    def by_stimulus(values: Array) -> Array:
        return jnp.zeros(stimuli, values.dtype).at[stimulus].add(values)

    def ratio(above: Array, below: Array) -> Array:
        return jnp.where(below > 0, above / jnp.where(below > 0, below, 1.0), 0.0)

    scores_of_rater, scores_of_stimulus = by_rater(weights), by_stimulus(weights)

    def quality_of(bias: Array, precision: Array) -> Array:
        own = weights * precision[rater]
        return ratio(by_stimulus(own * (score - bias[rater])), by_stimulus(own))

    def bias_of(quality: Array) -> Array:
        return ratio(by_rater(weights * (score - quality[stimulus])), scores_of_rater)

    def variance_of(quality: Array, bias: Array) -> Array:
        rest = score - quality[stimulus] - bias[rater]
        mean = ratio(by_rater(weights * rest), scores_of_rater)
        found = ratio(by_rater(weights * (rest - mean[rater]) ** 2), scores_of_rater)
        return jnp.maximum(found, floor**2)

    def project(state: _State) -> _State:
        variance = variance_of(state.quality, state.bias)
        quality = quality_of(state.bias, 1.0 / variance)
        change = jnp.abs(quality - state.quality).max()
        return _State(quality, bias_of(quality), variance, change, state.rounds + 1)

    span = jnp.maximum(jnp.abs(score).max(), 1.0)
    still = 64 * jnp.finfo(score.dtype).eps * span
    none = jnp.zeros(raters, score.dtype)
    quality = quality_of(none, none + 1.0)
    first = _State(quality, bias_of(quality), none, jnp.asarray(jnp.inf, score.dtype), jnp.zeros((), jnp.int32))
    last = lax.while_loop(lambda s: (s.change > still) & (s.rounds < _MOST_ROUNDS), project, first)
    variance = variance_of(last.quality, last.bias)
    heard = scores_of_rater > 0
    shift = ratio(jnp.where(heard, last.bias, 0.0).sum(), heard.sum().astype(score.dtype))
    known = by_stimulus(weights / variance[rater])
    rated = scores_of_stimulus > 0
    return (
        jnp.where(rated, last.quality + shift, jnp.nan),
        jnp.where(rated, 1.0 / jnp.sqrt(jnp.where(rated, known, 1.0)), jnp.nan),
        jnp.where(heard, last.bias - shift, jnp.nan),
        jnp.where(heard, jnp.sqrt(variance), jnp.nan),
        last.rounds,
        last.change <= still,
    )
