"""Variational autoencoders: images [N, H, W, C] in 0..1 to codes [N, Z] and back.

Reference: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014 (arXiv:1312.6114).
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxeval.ops import losses
from models.config import VaeConfig
from models.layers import Upsample, leaky_relu, with_labels

Images = Float[Array, "n h w c"]
Labels = Int[Array, " n"] | None
_LOG_VARIANCE = (-12.0, 4.0)  # beyond them a float32 density overflows, and no 8-bit image needs it


class Autoencoder(nnx.Module):
    """An encoder, a decoder, and the likelihood between them.

    Args:
      config: sizes and the likelihood.
      rngs: of the first weights.
    """

    def __init__(self, config: VaeConfig, *, rngs: nnx.Rngs):
        self.config = config
        parts = {"dense": (DenseEncoder, DenseDecoder), "convolutional": (ConvEncoder, ConvDecoder)}
        encoder, decoder = parts[config.architecture]
        self.encoder, self.decoder = encoder(config, rngs=rngs), decoder(config, rngs=rngs)
        self.log_variance = nnx.Param(jnp.full((), -2.0)) if config.likelihood == "gaussian" else None

    def encode(self, images: Images, labels: Labels = None) -> tuple[Float[Array, "n z"], Float[Array, "n z"]]:
        """Mean and log-variance of each image's code."""
        mean, log_variance = jnp.split(self.encoder(images, labels), 2, axis=1)
        return mean, jnp.clip(log_variance, *_LOG_VARIANCE)

    def decode(self, codes: Float[Array, "n z"], labels: Labels = None) -> Images:
        """Logits of the pixels, or their means under the Gaussian likelihood."""
        return self.decoder(with_labels(codes, labels, self.config.classes))

    def nll(self, decoded: Images, images: Images) -> Float[Array, " n"]:
        """-log p(image) in nats under what `decode` returned."""
        if self.log_variance is None:
            return losses.bernoulli_nll(logits=decoded, targets=images)
        log_variance = jnp.clip(self.log_variance[...], *_LOG_VARIANCE)
        return losses.gaussian_nll(mean=decoded, log_variance=log_variance, targets=images)

    def pictures(self, decoded: Images) -> Images:
        """The expected images, in 0..1, of what `decode` returned."""
        return jax.nn.sigmoid(decoded) if self.log_variance is None else jnp.clip(decoded, 0.0, 1.0)

    def log_weights(self, images: Images, key: Array, draws: int, labels: Labels = None) -> Float[Array, "k n"]:
        """Log importance weights of `draws` codes of each image, for `losses.importance_weighted_bound`."""
        mean, log_variance = self.encode(images, labels)

        def one(key: Array) -> Float[Array, " n"]:
            codes = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
            prior = losses.gaussian_log_density(values=codes, mean=jnp.zeros(()), log_variance=jnp.zeros(()))
            posterior = losses.gaussian_log_density(values=codes, mean=mean, log_variance=log_variance)
            return prior - self.nll(self.decode(codes, labels), images) - posterior

        # A Python loop: its few draws are unrolled, and Flax's modules cannot be closed over by a scan.
        return jnp.stack([one(key) for key in jax.random.split(key, draws)])


class DenseEncoder(nnx.Module):
    """Two hidden layers on flattened pixels."""

    def __init__(self, config: VaeConfig, *, rngs: nnx.Rngs):
        self.classes = config.classes
        hidden = 8 * config.width
        self.first = nnx.Linear(math.prod(config.image_shape) + config.classes, 2 * hidden, rngs=rngs)
        self.second = nnx.Linear(2 * hidden, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 2 * config.latent_size, rngs=rngs)

    def __call__(self, images: Images, labels: Labels) -> Float[Array, "n d"]:
        """Means and log-variances side by side."""
        x = with_labels(images.reshape(images.shape[0], -1), labels, self.classes)
        return self.out(leaky_relu(self.second(leaky_relu(self.first(x)))))


class DenseDecoder(nnx.Module):
    """Two hidden layers."""

    def __init__(self, config: VaeConfig, *, rngs: nnx.Rngs):
        self.image_shape = config.image_shape
        hidden = 8 * config.width
        self.first = nnx.Linear(config.latent_size + config.classes, hidden, rngs=rngs)
        self.second = nnx.Linear(hidden, 2 * hidden, rngs=rngs)
        self.out = nnx.Linear(2 * hidden, math.prod(config.image_shape), rngs=rngs)

    def __call__(self, codes: Float[Array, "n d"]) -> Images:
        """One number a pixel."""
        x = leaky_relu(self.second(leaky_relu(self.first(codes))))
        return self.out(x).reshape(-1, *self.image_shape)


class ConvEncoder(nnx.Module):
    """Two strided convolutions and a hidden layer, which also sees the label."""

    def __init__(self, config: VaeConfig, *, rngs: nnx.Rngs):
        self.classes = config.classes
        height, width, channels = config.image_shape
        self.first = nnx.Conv(channels, config.width, (4, 4), 2, rngs=rngs)
        self.second = nnx.Conv(config.width, 2 * config.width, (4, 4), 2, rngs=rngs)
        flat = height // 4 * (width // 4) * 2 * config.width
        self.hidden = nnx.Linear(flat + config.classes, 8 * config.width, rngs=rngs)
        self.out = nnx.Linear(8 * config.width, 2 * config.latent_size, rngs=rngs)

    def __call__(self, images: Images, labels: Labels) -> Float[Array, "n d"]:
        """Means and log-variances side by side."""
        x = leaky_relu(self.second(leaky_relu(self.first(images))))
        x = with_labels(x.reshape(x.shape[0], -1), labels, self.classes)
        return self.out(leaky_relu(self.hidden(x)))


class ConvDecoder(nnx.Module):
    """A hidden layer and two transposed convolutions."""

    def __init__(self, config: VaeConfig, *, rngs: nnx.Rngs):
        height, width, channels = config.image_shape
        self.base = (height // 4, width // 4, 2 * config.width)
        self.hidden = nnx.Linear(config.latent_size + config.classes, 8 * config.width, rngs=rngs)
        self.spread = nnx.Linear(8 * config.width, math.prod(self.base), rngs=rngs)
        self.up = Upsample(self.base[2], config.width, rngs=rngs)
        self.up_again = Upsample(config.width, config.width, rngs=rngs)
        self.out = nnx.Conv(config.width, channels, (3, 3), rngs=rngs)

    def __call__(self, codes: Float[Array, "n d"]) -> Images:
        """One number a pixel."""
        x = leaky_relu(self.spread(leaky_relu(self.hidden(codes)))).reshape(-1, *self.base)
        return self.out(leaky_relu(self.up_again(leaky_relu(self.up(x)))))
