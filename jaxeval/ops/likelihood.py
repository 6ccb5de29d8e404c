"""Feature likelihood divergence (FLD): held-out data under a mixture of Gaussians centred at the generated samples.

Each generated sample gets a Gaussian of its own width; the widths are fitted to the training set. A generator that
copies training samples gets widths near 0 there, which then explain nothing of the held-out data: unlike a Fréchet
distance, FLD rises when samples are copies. Few samples with wide Gaussians explain features well whose distribution
is nearly one Gaussian: there it is blind to a lack of diversity.

Reference: Jiralerspong et al., "Feature Likelihood Divergence: Evaluating the Generalization of Generative Models
Using Samples", NeurIPS 2023, and its authors' code.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, feature_trio, row_blocks, squared_deviations
from jaxeval.ops.neighbours import PreparedRows, exact_pairs, float32_pairs, pair_strips, prepare_rows, strip_arrays

_LEARNING_RATE = 0.5
_ADAM = optax.adam(_LEARNING_RATE)
_EPOCHS = 50
_BATCH = 10_000
_SHARE_OF_ORIGIN = 0.1  # how far towards their mean the background's distances are drawn
_LEAST, _LARGEST = -40.0, 20.0  # of the logarithm of a variance
_FLOOR = 1e-3  # added to a squared distance before the first variance is made of it
_SCALE = 100.0
# Squared distances kept over the epochs, as float32: 1 GiB. Above it each epoch computes them anew, block by block.
_KEPT_ELEMENTS = 1 << 28
# Pairs so near that float32 knows their distance to less than one part in this are computed in float64.
_NEAR = 1024.0


# Logarithms of the variances, and of the background's.
_Parameters = tuple[Float[Array, " m"], Float[Array, ""]]


class FeatureLikelihood(NamedTuple):
    """FLD and what it is made of; all but `nll` and `train_nll` in units of 1/100 nat a dimension.

    Attributes:
      value: FLD: how much worse the generated samples explain held-out data than half of the training set does. About
        0 for perfect samples; tens for bad ones; without bound for copies.
      gap: generalisation gap, the training set's mean negative log-likelihood less the held-out set's: below 0 where
        samples are closer to the training set than to held-out data; strongly so for copies.
      nll: negative log-likelihood of each held-out sample, over the number of dimensions, [L].
      train_nll: its mean over the training set.
      baseline_nll: the mean over the held-out set under a mixture at one half of the training set, fitted to the other.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, held_out, generated = np.random.default_rng(0).normal(size=(3, 100, 4))
      >>> likelihood = ops.fld(reference=reference, held_out=held_out, generated=generated)
      >>> likelihood.nll.shape, likelihood.baseline_nll > likelihood.train_nll
      ((100,), True)
    """

    value: float
    gap: float
    nll: Float[np.ndarray, " l"]
    train_nll: float
    baseline_nll: float


@takes_arrays
def fld(
    *, reference: Numbers, held_out: Numbers, generated: Numbers, at_most: int = 10_000, seed: int = 0
) -> FeatureLikelihood:
    """Feature likelihood divergence with its generalisation gap.

    Features are centred and scaled by the held-out set's mean and standard deviation. Variances are fitted by Adam
    with learning rate 1/2 in 50 epochs over batches of 10,000 training samples, beside a background Gaussian at the
    training mean that the fit alone sees. Features that are constant in the held-out set, as those of units that never
    fire, are left out (the published code divides by their deviation, zero). The draws are the published code's after
    `numpy.random.seed(seed)`.

    Work is (reference + held-out) x generated pairs; a matrix of pairs is kept only up to 1 GiB.

    Args:
      reference: the training set, shape [N, D], any real dtype, NumPy or JAX.
      held_out: samples of the data that the generator has not seen, shape [L, D].
      generated: shape [M, D].
      at_most: so many generated samples are drawn if there are more.
      seed: seeds the draws.

    Raises:
      InputError: a shape, dtype or value is wrong, or too few rows in a set.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, held_out, generated = np.random.default_rng(0).normal(size=(3, 100, 4))
      >>> honest = ops.fld(reference=reference, held_out=held_out, generated=generated)
      >>> copies = ops.fld(reference=reference, held_out=held_out, generated=reference)
      >>> copies.value > honest.value, copies.gap < honest.gap
      (True, True)
    """
    sets = feature_trio(reference, held_out, generated)
    if len(sets[0]) < 2 or len(sets[1]) < 2 or at_most < 1:
        raise InputError(
            f"reference has {len(sets[0])} rows and held_out {len(sets[1])}, at_most is {at_most}; "
            "FLD needs two rows of each and at least one generated"
        )
    state = np.random.RandomState(seed)
    if len(sets[2]) > at_most:
        sets[2] = sets[2][state.choice(len(sets[2]), at_most, replace=False)]
    train, test, made = _standardised(sets)
    variances = _fit(made, train, state)
    nll, train_nll = _negative_log_likelihoods(test, made, variances), _negative_log_likelihoods(train, made, variances)
    shuffled = train[state.choice(len(train), len(train), replace=False)]
    half = min(len(made), len(train) // 2)
    baseline = _negative_log_likelihoods(test, shuffled[:half], _fit(shuffled[:half], shuffled[half:], state)).mean()
    return FeatureLikelihood(
        value=float(_SCALE * (nll.mean() - baseline)),
        gap=float(_SCALE * (train_nll.mean() - nll.mean())),
        nll=nll,
        train_nll=float(train_nll.mean()),
        baseline_nll=float(baseline),
    )


def _standardised(sets: list[np.ndarray]) -> list[np.ndarray]:
    """All sets by the held-out set's mean and deviation, float32, without the features that are constant there."""
    held_out = sets[1]
    mean = common_centre(held_out)
    squares = squared_deviations(held_out, mean)
    # Compared, not by their deviation: that of a constant may be a rounding and not zero.
    varying = np.flatnonzero(held_out.max(0) != held_out.min(0))
    if not len(varying):
        raise InputError("held_out has the same features in every sample, so that FLD has nothing to scale by")
    deviation = np.sqrt(squares[varying] / (len(held_out) - 1))
    result = []
    for rows in sets:
        scaled = np.empty((len(rows), len(varying)), np.float32)
        start = 0
        for block in row_blocks(rows):
            scaled[start : start + len(block)] = (block - mean)[:, varying] / deviation
            start += len(block)
        result.append(scaled)
    return result


def _fit(
    centres: Float[np.ndarray, "m d"], rows: Float[np.ndarray, "n d"], state: np.random.RandomState
) -> Float[Array, " m"]:
    """Logarithms of the variances under which the mixture at `centres` explains `rows` best."""
    width = rows.shape[1]
    origin_distances = np.empty(len(rows), np.float32)
    mean = common_centre(rows)
    start = 0
    for block in row_blocks(rows):
        origin_distances[start : start + len(block)] = ((1 - _SHARE_OF_ORIGIN) ** 2) * np.square(block - mean).sum(1)
        start += len(block)
    order = state.choice(len(rows), len(rows), replace=False)
    rows, origin_distances = rows[order], jnp.asarray(origin_distances[order])
    prepared = prepare_rows(rows, centres)
    kept = list(_distance_strips(*prepared)) if len(rows) * len(centres) <= _KEPT_ELEMENTS else None

    def strips() -> Iterator[tuple[int, int, Array]]:
        return iter(kept) if kept is not None else _distance_strips(*prepared)

    nearest = functools.reduce(jnp.minimum, (distances.min(0) for _, _, distances in strips()))
    parameters = (jnp.log((nearest + _FLOOR) / width), jnp.zeros((), jnp.float32))
    moments = _ADAM.init(parameters)
    for _ in range(_EPOCHS):
        gradient, counted = jax.tree.map(jnp.zeros_like, parameters), 0
        for start, stop, distances in strips():
            # Batches of the published size end within strips: the strip is then summed in two parts.
            begin = start
            while begin < stop:
                end = min(stop, (begin // _BATCH + 1) * _BATCH)
                part = slice(begin - start, end - start)
                sums = _gradient_sums(parameters, distances[part], origin_distances[begin:end], width)
                gradient = jax.tree.map(jnp.add, gradient, sums)
                counted += end - begin
                if end % _BATCH == 0 or end == len(rows):
                    mean_gradient = tuple(total / (counted * width) for total in gradient)
                    parameters, moments = _step(parameters, moments, mean_gradient)
                    gradient, counted = jax.tree.map(jnp.zeros_like, parameters), 0
                begin = end
    return parameters[0]


@jax.jit
def _step(
    parameters: _Parameters,
    moments: Any,  # optax's own; the lowest version's type for it cannot be checked
    gradient: _Parameters,
) -> tuple[_Parameters, Any]:
    with jax.numpy_dtype_promotion("standard"):  # optax raises floats to the power of its count
        updates, moments = _ADAM.update(gradient, moments)
    variances, origin = (part + update for part, update in zip(parameters, jax.tree.leaves(updates), strict=True))
    return (jnp.clip(variances, _LEAST, _LARGEST), origin), moments


def _distance_strips(rows: PreparedRows, centres: PreparedRows) -> Iterator[tuple[int, int, Float[Array, "b m"]]]:
    """Squared distances, float32 but for near pairs, which would drown in it: those of copies decide the fit."""
    compute = functools.partial(_near_pairs, arrays=strip_arrays(rows, centres), slack=rows.slack)
    count = len(centres.original)
    for start, stop, (distances, near) in pair_strips(rows, compute):
        found = distances[: stop - start, :count] / np.float32(rows.scale**2)
        for _, row, column, exact in exact_pairs(near[: stop - start], start, rows, centres):
            found[row - start, column] = exact
        yield start, stop, jnp.asarray(found)


def _negative_log_likelihoods(
    rows: Float[np.ndarray, "n d"], centres: Float[np.ndarray, "m d"], variances: Float[Array, " m"]
) -> Float[np.ndarray, " n"]:
    """Of each row under the mixture, over the number of dimensions."""
    result = np.empty(len(rows))
    for start, stop, distances in _distance_strips(*prepare_rows(rows, centres)):
        result[start:stop] = -np.asarray(_log_likelihoods(variances, distances, rows.shape[1]), np.float64)
    return result / rows.shape[1]


@functools.partial(jax.jit, static_argnames=("block",))
def _near_pairs(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]],
    slack: Float[Array, ""] | float,
    block: int,
) -> tuple[Float[Array, "b q"], Bool[Array, "b q"]]:
    distances, error = float32_pairs(start, arrays, slack, block)
    return distances, distances < _NEAR * error


def _gaussians(
    variances: Float[Array, " m"] | Float[Array, ""], distances: Float[Array, "b m"] | Float[Array, " b"], width: int
) -> Float[Array, "..."]:
    """Log-density of each row under each Gaussian."""
    variances = variances[None] if variances.ndim < distances.ndim else variances
    return -0.5 * distances * jnp.exp(-variances) - width / 2 * (variances + math.log(2 * math.pi))


@functools.partial(jax.jit, static_argnames=("width",))
def _log_likelihoods(variances: Float[Array, " m"], distances: Float[Array, "b m"], width: int) -> Float[Array, " b"]:
    return jax.nn.logsumexp(_gaussians(variances, distances, width), axis=1) - math.log(variances.shape[0])


@functools.partial(jax.jit, static_argnames=("width",))
def _gradient_sums(
    parameters: _Parameters,
    distances: Float[Array, "b m"],
    origin_distances: Float[Array, " b"],
    width: int,
) -> _Parameters:
    """Gradient of the sum over rows of the negative log-likelihood, with the background beside the mixture."""

    def total(parameters: _Parameters) -> Float[Array, ""]:
        variances, origin = parameters
        mixture = _gaussians(variances, distances, width) - math.log(variances.shape[0])
        background = _gaussians(origin, origin_distances, width)
        return -jnp.logaddexp(jax.nn.logsumexp(mixture, axis=1), background).sum()

    return jax.grad(total)(parameters)
