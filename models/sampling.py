"""Images from trained generators: from weights in memory, and from a run's folder by name.

jaxeval evaluate REFERENCE 'call:models.sampling:from_run?run=RUN_DIR' --num-samples 10000
"""

import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt8

from jaxeval.distributed import batch_mesh, pad_batch, replicate_on
from jaxeval.errors import InputError
from models.config import GanConfig, VaeConfig
from models.data import TrainingBatch, on_mesh
from models.functional import Weights, call, structure
from models.gans import make_generator
from models.vaes import Autoencoder


class Sampler:
    """Draws from a network.

    An autoencoder's samples are the expected images of codes drawn from the prior, without the noise of their pixels.

    Args:
      config: of the network.
      mesh: of one axis, over which each call's images are divided.

    Attributes:
      template: the shapes of the weights.
    """

    def __init__(self, config: GanConfig | VaeConfig, mesh: Mesh):
        self.config, self.mesh = config, mesh
        self._graph, self.template = structure(functools.partial(_make, config))
        self._draw = jax.jit(self._images)

    def __call__(
        self, weights: Weights, count: int, seed: int, *, labels: Int[np.ndarray, " n"] | None = None
    ) -> UInt8[np.ndarray, "n h w c"]:
        """So many images: the same for the same weights and seed on any number of devices, but for rounding.

        Args:
          weights: on the mesh.
          count: how many.
          seed: of the latents, and of the labels where none are given.
          labels: for a class-conditional network; drawn uniformly by default.
        """
        keys = jax.random.split(jax.random.key(seed))
        latents = np.asarray(jax.random.normal(keys[0], (count, self.config.latent_size)))
        if self.config.classes and labels is None:
            labels = np.asarray(jax.random.randint(keys[1], (count,), 0, self.config.classes))
        size = -(-count // self.mesh.size) * self.mesh.size
        rows, _ = pad_batch(latents, size)
        told = None if labels is None or not self.config.classes else pad_batch(np.asarray(labels, np.int32), size)[0]
        placed = on_mesh(self.mesh, TrainingBatch(rows, told))
        return np.asarray(self._draw(weights, placed.images, placed.labels))[:count]

    def _images(
        self, weights: Weights, latents: Float[Array, "n z"], labels: Int[Array, " n"] | None
    ) -> UInt8[Array, "n h w c"]:
        if isinstance(self.config, GanConfig):
            images = (call(self._graph, weights, latents, labels, train=False)[0] + 1) / 2
        else:
            decoded, _ = call(self._graph, weights, latents, labels, method="decode")
            images, _ = call(self._graph, weights, decoded, method="pictures")
        return jnp.clip(jnp.rint(255 * images), 0, 255).astype(jnp.uint8)


def _make(config: GanConfig | VaeConfig) -> nnx.Module:
    rngs = nnx.Rngs(0)
    return make_generator(config, rngs=rngs) if isinstance(config, GanConfig) else Autoencoder(config, rngs=rngs)


def from_run(
    *, run: str | Path, checkpoint: str = "best", label: str | int | None = None
) -> Callable[[int, int], UInt8[np.ndarray, "n h w c"]]:
    """A function `(num_images, seed) -> images` that draws from a trained generator, on all devices of this process.

    What is read is data only, and checked: no checkpoint can run anything.

    Args:
      run: the folder that training wrote.
      checkpoint: "best" by the run's metric, "last", or the number of a step whose weights were kept.
      label: draw this class only.

    Raises:
      InputError: the folder holds no such run or checkpoint, or it is damaged.
    """
    from models.runs import Run

    found = Run.open(run)
    config = found.config.network
    chosen = None
    if label is not None:
        chosen = int(label) if str(label).isascii() and str(label).isdigit() else -1
        if not 0 <= chosen < config.classes:
            raise InputError(f"label is {label!r}; the run {str(run)!r} has {config.classes} classes, counted from 0")
    mesh = batch_mesh(jax.local_devices())
    sampler = Sampler(config, mesh)
    weights = replicate_on(mesh, found.weights(checkpoint, like=sampler.template))
    return functools.partial(_draw, sampler, weights, chosen)


def _draw(
    sampler: Sampler, weights: Weights, label: int | None, num_images: int, seed: int
) -> UInt8[np.ndarray, "n h w c"]:
    labels = None if label is None else np.full(num_images, label, np.int32)
    return sampler(weights, num_images, seed, labels=labels)
