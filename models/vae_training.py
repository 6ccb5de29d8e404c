"""One step of a variational autoencoder, and its bound on any images, compiled for a mesh."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from jaxeval.distributed import replicate_on
from jaxeval.ops import losses
from models.config import VaeConfig
from models.data import TrainingBatch
from models.functional import Weights, average_weights, is_finite, split_module, structure
from models.training_config import VaeTraining, make_optimizer
from models.vaes import Autoencoder


class VaeState(NamedTuple):
    """Everything that a step changes: a pytree; the attributes are those of `GanState`, with one network."""

    step: Int[Array, ""]
    bad: Int[Array, ""]
    weights: Weights
    optimizer: Any
    average: Weights


def network_input(images: Array, key: Array, *, binarise: bool) -> Float[Array, "n h w c"]:
    """Levels as an autoencoder takes them: in 0..1, or black and white with the levels as probabilities."""
    levels = images.astype(jnp.float32) / 255
    return jax.random.bernoulli(key, levels).astype(jnp.float32) if binarise else levels


class VaeTrainer:
    """Trains an autoencoder; see `GanTrainer` for what holds of both.

    Args:
      config: of the network.
      training: how.
      mesh: of one axis, which divides the batch.
    """

    kind = "vae"

    def __init__(self, config: VaeConfig, training: VaeTraining, mesh: Mesh):
        self.config, self.training, self.mesh = config, training, mesh
        self.images_per_step = training.batch_size
        self.graph = structure(lambda: Autoencoder(config, rngs=nnx.Rngs(0)))[0]
        self._adam = make_optimizer(training)
        self._rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
        whole = NamedSharding(mesh, PartitionSpec())
        self.step = jax.jit(self._step, donate_argnums=0, out_shardings=(whole, whole))

    def init(self) -> VaeState:
        """The state before the first step, on every device of the mesh."""
        weights = split_module(Autoencoder(self.config, rngs=nnx.Rngs(self.training.seed)))
        optimizer = self._adam.init(weights.params)
        zero, none = jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32)
        # Donated states must not hold one array in two places.
        return replicate_on(self.mesh, VaeState(zero, none, weights, optimizer, jax.tree.map(jnp.copy, weights)))

    def sampled(self, state: VaeState) -> Weights:
        """The weights to sample from and to judge."""
        return state.average

    def _step(self, state: VaeState, batch: TrainingBatch) -> tuple[VaeState, dict[str, Array]]:
        training = self.training
        keys = jax.random.split(jax.random.fold_in(jax.random.key(training.seed + 1), state.step))
        images = network_input(batch.images, keys[0], binarise=training.binarise)
        images = jax.lax.with_sharding_constraint(images, self._rows)
        labels = batch.labels if self.config.classes else None
        noise = jax.random.normal(keys[1], (training.batch_size, self.config.latent_size))
        noise = jax.lax.with_sharding_constraint(noise, self._rows)

        def loss(params: Any) -> tuple[Array, dict[str, Array]]:
            model: Any = nnx.merge(self.graph, params, state.weights.rest)
            mean, log_variance = model.encode(images, labels)
            nll = model.nll(model.decode(mean + jnp.exp(log_variance / 2) * noise, labels), images)
            kl = losses.gaussian_kl(mean=mean, log_variance=log_variance)
            bound = losses.elbo(reconstruction_nll=nll, kl=kl)
            counted = losses.free_bits(kl, nats=training.free_bits)
            value = nll.mean() + training.beta * counted
            return value, {"loss": value, "nll": nll.mean(), "kl": kl.sum(1).mean(), "elbo": bound.mean()}

        gradient, found = jax.grad(loss, has_aux=True)(state.weights.params)
        found["gradient"] = optax.tree.norm(gradient)
        changes, optimizer = self._adam.update(gradient, state.optimizer, state.weights.params)
        weights = Weights(optax.apply_updates(state.weights.params, changes), state.weights.rest)
        bad = jnp.where((state.bad < 0) & ~is_finite(*found.values()), state.step, state.bad)
        average = average_weights(state.average, weights, decay=training.ema, step=state.step)
        return VaeState(state.step + 1, bad, weights, optimizer, average), found
