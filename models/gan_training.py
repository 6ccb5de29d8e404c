"""One step of a GAN: the discriminator's updates, then the generator's, compiled together for a mesh."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from jaxeval.distributed import replicate_on
from jaxeval.ops import losses
from models.config import GanConfig
from models.data import TrainingBatch
from models.functional import Weights, average_weights, call, is_finite, split_module, structure
from models.gans import make_discriminator, make_generator
from models.training_config import GanTraining, make_optimizer


class GanState(NamedTuple):
    """Everything that a step changes: a pytree.

    Attributes:
      step: how many were made.
      bad: the first step whose losses or gradients were not finite, or -1.
      generator, discriminator: their weights.
      generator_optimizer, discriminator_optimizer: their optimisers' states.
      average: the generator's weights averaged over steps.
    """

    step: Int[Array, ""]
    bad: Int[Array, ""]
    generator: Weights
    discriminator: Weights
    generator_optimizer: Any
    discriminator_optimizer: Any
    average: Weights


class GanTrainer:
    """Trains a generator against a discriminator.

    Each step is a function of the state and the batch alone: its noise comes from the seed and the step's number. With
    the batch divided over a mesh, sums over it (means of losses, batch normalisation) run over all devices, so that any
    number of devices computes the same but for rounding.

    Args:
      config: of the networks.
      training: how.
      mesh: of one axis, which divides the batch.
    """

    kind = "gan"

    def __init__(self, config: GanConfig, training: GanTraining, mesh: Mesh):
        self.config, self.training, self.mesh = config, training, mesh
        self.images_per_step = training.batch_size * training.discriminator_steps
        self._generator = structure(lambda: make_generator(config, rngs=nnx.Rngs(0)))[0]
        self._discriminator = structure(lambda: make_discriminator(config, rngs=nnx.Rngs(0)))[0]
        self._adversarial = losses.ADVERSARIAL_LOSSES[training.loss]
        self._rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
        self._generator_adam = make_optimizer(training)
        self._discriminator_adam = make_optimizer(training, scale=training.discriminator_rate)
        whole = NamedSharding(mesh, PartitionSpec())
        self.step = jax.jit(self._step, donate_argnums=0, out_shardings=(whole, whole))

    def init(self) -> GanState:
        """The state before the first step, on every device of the mesh."""
        keys = jax.random.split(jax.random.key(self.training.seed))
        generator = split_module(make_generator(self.config, rngs=nnx.Rngs(keys[0])))
        discriminator = split_module(make_discriminator(self.config, rngs=nnx.Rngs(keys[1])))
        state = GanState(
            jnp.zeros((), jnp.int32),
            jnp.full((), -1, jnp.int32),
            generator,
            discriminator,
            self._generator_adam.init(generator.params),
            self._discriminator_adam.init(discriminator.params),
            jax.tree.map(jnp.copy, generator),  # donated states must not hold one array in two places
        )
        return replicate_on(self.mesh, state)

    def sampled(self, state: GanState) -> Weights:
        """The weights to sample from."""
        return state.average

    def _step(self, state: GanState, batch: TrainingBatch) -> tuple[GanState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.key(self.training.seed + 1), state.step)
        parts, found = self._parts(batch), {}
        for number, (real, labels) in enumerate(parts):
            state, found = self._discriminator_step(state, real, labels, jax.random.fold_in(key, number))
        generator_key = jax.random.fold_in(key, self.training.discriminator_steps)
        state, more = self._generator_step(state, *parts[-1], generator_key)
        found |= more
        fine = is_finite(*found.values())
        bad = jnp.where((state.bad < 0) & ~fine, state.step, state.bad)
        average = average_weights(state.average, state.generator, decay=self.training.ema, step=state.step)
        return state._replace(step=state.step + 1, bad=bad, average=average), found

    def _parts(self, batch: TrainingBatch) -> list[tuple[Array, Array | None]]:
        """The images, in -1..1, and labels of each of the discriminator's steps."""
        parts = self.training.discriminator_steps
        images = jnp.split(batch.images.astype(jnp.float32) / 127.5 - 1, parts)
        labels = jnp.split(batch.labels, parts) if self.config.classes else [None] * parts
        images = [jax.lax.with_sharding_constraint(part, self._rows) for part in images]
        return list(zip(images, labels, strict=True))

    def _latents(self, key: Array) -> Float[Array, "n z"]:
        latents = jax.random.normal(key, (self.training.batch_size, self.config.latent_size))
        return jax.lax.with_sharding_constraint(latents, self._rows)

    def _discriminator_step(
        self, state: GanState, real: Array, labels: Array | None, key: Array
    ) -> tuple[GanState, dict[str, Array]]:
        training = self.training
        latents_key, mix_key = jax.random.split(key)
        fake, rest = call(self._generator, state.generator, self._latents(latents_key), labels, train=True)
        fake = jax.lax.stop_gradient(fake)
        before = state.discriminator

        def loss(params: Any) -> tuple[Array, tuple[dict[str, Array], Any]]:
            real_logits, after = call(self._discriminator, Weights(params, before.rest), real, labels, train=True)
            fake_logits, after = call(self._discriminator, Weights(params, after), fake, labels, train=True)

            def judge(images: Array) -> Array:
                return call(self._discriminator, Weights(params, before.rest), images, labels, train=False)[0]

            adversarial = self._adversarial(real=real_logits, fake=fake_logits).discriminator
            penalty = jnp.zeros(())
            if training.r1:
                penalty += training.r1 * losses.r1_penalty(judge, real)
            if training.r2:
                penalty += training.r2 * losses.r2_penalty(judge, fake)
            if training.gradient_penalty:
                penalty += training.gradient_penalty * losses.gradient_penalty(judge, real=real, fake=fake, key=mix_key)
            found = {
                "discriminator_loss": adversarial,
                "penalty": penalty,
                "real_logit": real_logits.mean(),
                "fake_logit": fake_logits.mean(),
            }
            return adversarial + penalty, (found, after)

        gradient, (found, after) = jax.grad(loss, has_aux=True)(before.params)
        changes, optimizer = self._discriminator_adam.update(gradient, state.discriminator_optimizer, before.params)
        state = state._replace(
            generator=Weights(state.generator.params, rest),
            discriminator=Weights(optax.apply_updates(before.params, changes), after),
            discriminator_optimizer=optimizer,
        )
        return state, found | {"discriminator_gradient": optax.tree.norm(gradient)}

    def _generator_step(
        self, state: GanState, real: Array, labels: Array | None, key: Array
    ) -> tuple[GanState, dict[str, Array]]:
        latents, before = self._latents(key), state.generator

        def loss(params: Any) -> tuple[Array, Any]:
            fake, rest = call(self._generator, Weights(params, before.rest), latents, labels, train=True)
            fake_logits, _ = call(self._discriminator, state.discriminator, fake, labels, train=False)
            real_logits, _ = call(self._discriminator, state.discriminator, real, labels, train=False)
            return self._adversarial(real=real_logits, fake=fake_logits).generator, rest

        (value, rest), gradient = jax.value_and_grad(loss, has_aux=True)(before.params)
        changes, optimizer = self._generator_adam.update(gradient, state.generator_optimizer, before.params)
        state = state._replace(
            generator=Weights(optax.apply_updates(before.params, changes), rest), generator_optimizer=optimizer
        )
        return state, {"generator_loss": value, "generator_gradient": optax.tree.norm(gradient)}
