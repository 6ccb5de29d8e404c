"""Generators and discriminators: dense, convolutional, and a small one after R3GAN.

Generators turn latents [N, Z] (and labels) into images [N, H, W, C] in -1..1; discriminators those into logits [N].
"""

import itertools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from models.config import GanConfig
from models.layers import GroupedConv, SpectralNorm, Upsample, leaky_relu, one_hot, with_labels

Images = Float[Array, "n h w c"]
Labels = Int[Array, " n"] | None


def make_generator(config: GanConfig, *, rngs: nnx.Rngs) -> nnx.Module:
    """The generator: `(latents, labels, train=bool) -> images`."""
    kinds = {"dense": DenseGenerator, "convolutional": ConvGenerator, "r3gan": ResidualGenerator}
    return kinds[config.architecture](config, rngs=rngs)


def make_discriminator(config: GanConfig, *, rngs: nnx.Rngs) -> nnx.Module:
    """The discriminator: `(images, labels, train=bool) -> logits`."""
    kinds = {"dense": DenseDiscriminator, "convolutional": ConvDiscriminator, "r3gan": ResidualDiscriminator}
    return kinds[config.architecture](config, rngs=rngs)


class DenseGenerator(nnx.Module):
    """Two hidden layers and a tanh: the network of the first GAN tutorials."""

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        hidden = 8 * config.width
        self.first = nnx.Linear(config.latent_size + config.classes, hidden, rngs=rngs)
        self.second = nnx.Linear(hidden, 2 * hidden, rngs=rngs)
        self.out = nnx.Linear(2 * hidden, math.prod(config.image_shape), rngs=rngs)

    def __call__(self, latents: Float[Array, "n z"], labels: Labels = None, *, train: bool = False) -> Images:
        """Images of latents; the same in training."""
        del train
        x = with_labels(latents, labels, self.config.classes)
        x = leaky_relu(self.second(leaky_relu(self.first(x))))
        return jnp.tanh(self.out(x)).reshape(-1, *self.config.image_shape)


class DenseDiscriminator(nnx.Module):
    """Two hidden layers on flattened pixels."""

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        hidden = 8 * config.width
        self.first = nnx.Linear(math.prod(config.image_shape) + config.classes, 2 * hidden, rngs=rngs)
        self.second = nnx.Linear(2 * hidden, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 1, rngs=rngs)

    def __call__(self, images: Images, labels: Labels = None, *, train: bool = False) -> Float[Array, " n"]:
        """Logits of images; the same in training."""
        del train
        x = with_labels(images.reshape(images.shape[0], -1), labels, self.config.classes)
        return self.out(leaky_relu(self.second(leaky_relu(self.first(x)))))[:, 0]


class ConvGenerator(nnx.Module):
    """Transposed convolutions with batch normalisation from a quarter of the size, after DCGAN.

    Reference: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks", ICLR 2016 (arXiv:1511.06434).
    """

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        height, width, channels = config.image_shape
        self.base = (height // 4, width // 4, 4 * config.width)
        # No biases before a normalisation: it takes them away, and their gradient is rounding that Adam would blow up.
        self.first = nnx.Linear(config.latent_size + config.classes, math.prod(self.base), use_bias=False, rngs=rngs)
        self.first_norm = nnx.BatchNorm(self.base[2], rngs=rngs)
        self.up = Upsample(self.base[2], 2 * config.width, use_bias=False, rngs=rngs)
        self.up_norm = nnx.BatchNorm(2 * config.width, rngs=rngs)
        self.up_again = Upsample(2 * config.width, config.width, use_bias=False, rngs=rngs)
        self.up_again_norm = nnx.BatchNorm(config.width, rngs=rngs)
        self.out = nnx.Conv(config.width, channels, (3, 3), rngs=rngs)

    def __call__(self, latents: Float[Array, "n z"], labels: Labels = None, *, train: bool = False) -> Images:
        """Images of latents; in training normalised by this batch, whose statistics are remembered."""
        x = self.first(with_labels(latents, labels, self.config.classes)).reshape(-1, *self.base)
        x = jax.nn.relu(self.first_norm(x, use_running_average=not train))
        x = jax.nn.relu(self.up_norm(self.up(x), use_running_average=not train))
        x = jax.nn.relu(self.up_again_norm(self.up_again(x), use_running_average=not train))
        return jnp.tanh(self.out(x))


class ConvDiscriminator(nnx.Module):
    """Strided convolutions without normalisation, or with the spectral one; labels come in by projection.

    Reference for the labels: Miyato, Koyama, "cGANs with Projection Discriminator", ICLR 2018 (arXiv:1802.05637).
    """

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        height, width, channels = config.image_shape
        biased = not config.spectral_norm
        features = height // 4 * (width // 4) * 4 * config.width
        layers = [
            nnx.Conv(channels, config.width, (3, 3), use_bias=biased, rngs=rngs),
            nnx.Conv(config.width, 2 * config.width, (4, 4), 2, use_bias=biased, rngs=rngs),
            nnx.Conv(2 * config.width, 4 * config.width, (4, 4), 2, use_bias=biased, rngs=rngs),
            nnx.Linear(features, 1, use_bias=biased, rngs=rngs),
        ]
        self.layers = nnx.List([SpectralNorm(layer, rngs=rngs) if config.spectral_norm else layer for layer in layers])
        self.classes = nnx.Linear(config.classes, features, use_bias=False, rngs=rngs) if config.classes else None

    def __call__(self, images: Images, labels: Labels = None, *, train: bool = False) -> Float[Array, " n"]:
        """Logits of images; in training the spectral norms' guesses are improved."""
        x = images
        for layer in list(self.layers)[:-1]:
            x = leaky_relu(_apply(layer, x, train))
        x = x.reshape(x.shape[0], -1)
        logits = _apply(self.layers[-1], x, train)[:, 0]
        if self.classes is not None:
            direction = self.classes(one_hot(labels, self.config.classes, x.shape[0]))
            logits = logits + (x * direction).sum(1) / math.sqrt(x.shape[1])
        return logits


class ResidualBlock(nnx.Module):
    """1 x 1, grouped 3 x 3 and 1 x 1 convolutions around an identity that they start as: no normalisation is needed.

    Reference: Huang et al., "The GAN is dead; long live the GAN!" (R3GAN), NeurIPS 2024 (arXiv:2501.05441), section 3;
    the zero start is that of Zhang et al., "Fixup Initialization", ICLR 2019 (arXiv:1901.09321).
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        inner = 2 * channels
        groups = math.gcd(inner, 16)
        start = nnx.initializers.he_normal()
        self.expand = nnx.Conv(channels, inner, (1, 1), kernel_init=start, rngs=rngs)
        self.mix = GroupedConv(inner, groups, kernel_init=start, rngs=rngs)
        self.project = nnx.Conv(
            inner, channels, (1, 1), use_bias=False, kernel_init=nnx.initializers.zeros_init(), rngs=rngs
        )

    def __call__(self, x: Images) -> Images:
        """The input plus what the block adds."""
        return x + self.project(leaky_relu(self.mix(leaky_relu(self.expand(x)))))


class ResidualGenerator(nnx.Module):
    """A learned base image scaled by the latents, then twice: two blocks, and bilinear doubling."""

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        height, width, channels = config.image_shape
        sizes = [4 * config.width, 2 * config.width, config.width]
        self.basis = nnx.Param(jax.random.normal(rngs.params(), (height // 4, width // 4, sizes[0])))
        self.scales = nnx.Linear(config.latent_size + config.classes, sizes[0], rngs=rngs)
        self.blocks = nnx.List([ResidualBlock(size, rngs=rngs) for size in sizes for _ in range(2)])
        self.narrow = nnx.List(
            [nnx.Conv(wide, less, (1, 1), use_bias=False, rngs=rngs) for wide, less in itertools.pairwise(sizes)]
        )
        self.out = nnx.Conv(sizes[-1], channels, (1, 1), rngs=rngs)

    def __call__(self, latents: Float[Array, "n z"], labels: Labels = None, *, train: bool = False) -> Images:
        """Images of latents; the same in training."""
        del train
        scales = self.scales(with_labels(latents, labels, self.config.classes))
        x = self.basis[...] * scales[:, None, None]
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in (1, 3):
                n, height, width, _ = x.shape
                x = self.narrow[number // 2](x)
                x = jax.image.resize(x, (n, 2 * height, 2 * width, x.shape[-1]), "bilinear")
        return jnp.tanh(self.out(x))


class ResidualDiscriminator(nnx.Module):
    """The generator's mirror: twice two blocks and bilinear halving, then one learned filter of the whole map."""

    def __init__(self, config: GanConfig, *, rngs: nnx.Rngs):
        self.config = config
        height, width, channels = config.image_shape
        sizes = [config.width, 2 * config.width, 4 * config.width]
        self.first = nnx.Conv(channels, sizes[0], (1, 1), rngs=rngs)
        self.blocks = nnx.List([ResidualBlock(size, rngs=rngs) for size in sizes for _ in range(2)])
        self.widen = nnx.List(
            [nnx.Conv(less, wide, (1, 1), use_bias=False, rngs=rngs) for less, wide in itertools.pairwise(sizes)]
        )
        start = nnx.initializers.lecun_normal(in_axis=(0, 1), out_axis=(), batch_axis=2)
        self.whole = nnx.Param(start(rngs.params(), (height // 4, width // 4, sizes[-1])))
        self.out = nnx.Linear(sizes[-1], max(config.classes, 1), use_bias=False, rngs=rngs)

    def __call__(self, images: Images, labels: Labels = None, *, train: bool = False) -> Float[Array, " n"]:
        """Logits of images, of a class-conditional one those of each image's own class; the same in training."""
        del train
        x = self.first(images)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in (1, 3):
                n, height, width, _ = x.shape
                x = jax.image.resize(x, (n, height // 2, width // 2, x.shape[-1]), "bilinear")
                x = self.widen[number // 2](x)
        logits = self.out((x * self.whole[...]).sum((1, 2)))
        if self.config.classes:
            return (logits * one_hot(labels, self.config.classes, logits.shape[0])).sum(1)
        return logits[:, 0]


def _apply(layer: nnx.Module, inputs: Float[Array, "n ..."], train: bool) -> Float[Array, "n ..."]:
    if isinstance(layer, SpectralNorm):
        return layer(inputs, train=train)
    assert isinstance(layer, nnx.Linear | nnx.Conv)
    return layer(inputs)
