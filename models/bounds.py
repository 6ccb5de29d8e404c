"""An autoencoder's bounds of log p(image) on images that nothing has seen."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.distributed import batch_mesh, replicate_on
from jaxeval.errors import InputError
from jaxeval.ops import losses
from models.config import VaeConfig
from models.data import DataSet, load_splits
from models.functional import Weights, structure
from models.runs import Run
from models.sampling import Sampler
from models.training_config import VaeTraining
from models.vae_training import network_input
from models.vaes import Autoencoder

_BATCH = 250
_TOGETHER = 10  # draws in one program


class Bounds(NamedTuple):
    """Means over images, in nats, with their standard errors.

    Attributes:
      elbo: the plain bound, by the mean log weight of all draws.
      elbo_error: of it, over images.
      importance_weighted: the bound of `draws` draws together.
      importance_weighted_error: of it, over images.
      draws: of each image's code.
      images: how many.
    """

    elbo: float
    elbo_error: float
    importance_weighted: float
    importance_weighted_error: float
    draws: int
    images: int


def bounds_of(
    config: VaeConfig, training: VaeTraining, weights: Weights, data: DataSet, *, draws: int = 100, seed: int = 0
) -> Bounds:
    """Both bounds of an autoencoder.

    Where it was trained on images that are black and white at random, so are these, once and by the seed: the bounds
    are of probabilities then. Of gray levels under the Bernoulli cross-entropy they are not comparable with any.

    Args:
      config: of the network.
      training: how it was trained.
      weights: its own.
      data: the images.
      draws: of each image's code.
      seed: of the draws and of the black and white images.

    Raises:
      InputError: no draws.
    """
    if draws < 1:
        raise InputError(f"draws is {draws}; a bound needs 1 or more")
    graph = structure(functools.partial(_make, config))[0]

    @functools.partial(jax.jit, static_argnames="count")
    def weigh(weights: Weights, images: Array, labels: Array | None, key: Array, count: int) -> Float[Array, "k n"]:
        model: Any = nnx.merge(graph, weights.params, weights.rest)
        return model.log_weights(images, key, count, labels)

    elbos, tighter = [], []
    for number, start in enumerate(range(0, len(data), _BATCH)):
        part = data.take(np.arange(start, min(start + _BATCH, len(data))))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number))
        images = network_input(jax.numpy.asarray(part.images), keys[0], binarise=training.binarise)
        labels = jax.numpy.asarray(part.labels) if config.classes else None
        found = [
            np.asarray(weigh(weights, images, labels, jax.random.fold_in(keys[1], done), min(_TOGETHER, draws - done)))
            for done in range(0, draws, _TOGETHER)
        ]
        log_weights = np.concatenate(found)
        elbos.append(log_weights.mean(0, dtype=np.float64))
        tighter.append(np.asarray(losses.importance_weighted_bound(log_weights), np.float64))
    return Bounds(*_mean(elbos), *_mean(tighter), draws, len(data))


def bounds_of_run(run: str | Path, *, checkpoint: str = "best", draws: int = 100, limit: int | None = None) -> Bounds:
    """Both bounds of a run's autoencoder on its held-out images.

    Args:
      run: the folder that training wrote.
      checkpoint: "best", "last" or a step.
      draws: of each image's code.
      limit: at most so many images.

    Raises:
      InputError: there is no such run or checkpoint, or it is not an autoencoder's.
    """
    found = Run.open(run)
    config = found.config
    if not isinstance(config.network, VaeConfig) or not isinstance(config.training, VaeTraining):
        raise InputError(f"{str(run)!r} is a GAN's run, which has no bound; name an autoencoder's")
    part = config.evaluation
    splits = load_splits(
        config.data,
        validation=part.validation,
        held_out=part.held_out,
        seed=config.training.seed,
        limit=config.limit,
        image_size=None if config.data == "fashion-mnist" else config.network.image_shape[:2],
    )
    mesh = batch_mesh(jax.local_devices()[:1])
    weights = replicate_on(mesh, found.weights(checkpoint, like=Sampler(config.network, mesh).template))
    data = splits.held_out
    data = data if limit is None else data.take(np.arange(min(limit, len(data))))
    return bounds_of(config.network, config.training, weights, data, draws=draws)


def _make(config: VaeConfig) -> Autoencoder:
    return Autoencoder(config, rngs=nnx.Rngs(0))


def _mean(parts: list[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate(parts)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
