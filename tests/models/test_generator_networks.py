"""The networks: shapes and ranges, what labels change, and spectral norms against SciPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import linalg

from jaxeval.errors import InputError
from models.config import GanConfig, VaeConfig, network_config
from models.gans import make_discriminator, make_generator
from models.layers import GroupedConv, SpectralNorm, Upsample
from models.vaes import Autoencoder

SHAPES = [(28, 28, 1), (32, 32, 3)]
LABELS = jnp.asarray([0, 1, 2])


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["dense", "convolutional", "r3gan"])
def test_gans(architecture: str, shape: tuple[int, int, int], classes: int) -> None:
    config = GanConfig(architecture, shape, latent_size=5, width=4, classes=classes)
    labels = LABELS if classes else None
    generator, discriminator = (make(config, rngs=nnx.Rngs(0)) for make in (make_generator, make_discriminator))
    latents = jax.random.normal(jax.random.key(0), (3, 5))
    images = generator(latents, labels, train=True)
    assert images.shape == (3, *shape)
    assert float(jnp.abs(images).max()) <= 1
    assert float(jnp.ptp(images, axis=0).max()) > 0  # each latent has an image of its own
    logits = discriminator(images, labels, train=True)
    assert logits.shape == (3,)
    if classes:
        assert not np.allclose(logits, discriminator(images, LABELS[::-1], train=True))
        same = jnp.tile(latents[:1], (3, 1))
        assert float(jnp.ptp(generator(same, labels, train=False), axis=0).max()) > 0


def test_a_generator_in_use_treats_each_latent_alone() -> None:
    generator = make_generator(GanConfig(latent_size=5, width=4), rngs=nnx.Rngs(0))
    latents = jax.random.normal(jax.random.key(0), (6, 5))
    generator(latents, train=True)
    together = generator(latents, train=False)
    np.testing.assert_allclose(together[:2], generator(latents[:2], train=False), atol=1e-6)


def test_a_residual_block_starts_as_the_identity_whatever_its_depth() -> None:
    config = GanConfig("r3gan", width=4, latent_size=5)
    generator: Any = make_generator(config, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 7, 7, 16))
    np.testing.assert_array_equal(generator.blocks[0](x), x)


@pytest.mark.parametrize(
    "layer",
    [
        lambda rngs: nnx.Conv(3, 5, (3, 3), use_bias=False, rngs=rngs),
        lambda rngs: nnx.Linear(7, 4, use_bias=False, rngs=rngs),
    ],
)
def test_spectral_norm_divides_by_the_largest_singular_value(layer) -> None:
    rngs = nnx.Rngs(1)
    plain = layer(rngs)
    normed = SpectralNorm(plain, rngs=rngs)
    shape = (2, 6, 6, 3) if isinstance(plain, nnx.Conv) else (2, 7)
    inputs = jax.random.normal(jax.random.key(2), shape)
    before = np.asarray(plain.kernel[...])
    for _ in range(200):
        normed(inputs, train=True)
    largest = linalg.svdvals(before.astype(np.float64).reshape(-1, before.shape[-1]))[0]
    np.testing.assert_allclose(normed(inputs, train=False), plain(inputs) / largest, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(plain.kernel[...], before)
    settled = np.asarray(normed.vector[...])
    normed(inputs, train=False)
    np.testing.assert_array_equal(normed.vector[...], settled)


def test_upsampling_is_the_transposed_convolution() -> None:
    ours, theirs = Upsample(3, 5, rngs=nnx.Rngs(0)), nnx.ConvTranspose(3, 5, (4, 4), 2, rngs=nnx.Rngs(1))
    theirs.kernel[...] = ours.kernel[...]
    ours.bias[...] = theirs.bias[...] = jnp.arange(5.0)  # pyright: ignore[reportOptionalSubscript]
    inputs = jax.random.normal(jax.random.key(2), (2, 3, 4, 3))
    np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-5)


@pytest.mark.parametrize(("channels", "groups"), [(6, 2), (8, 8), (24, 8)])
def test_a_grouped_convolution_is_flaxs_with_its_gradients(channels: int, groups: int) -> None:
    ours = GroupedConv(channels, groups, kernel_init=nnx.initializers.he_normal(), rngs=nnx.Rngs(0))
    theirs = nnx.Conv(channels, channels, (3, 3), feature_group_count=groups, rngs=nnx.Rngs(1))
    theirs.kernel[...] = ours.kernel[...]
    ours.bias[...] = theirs.bias[...] = jnp.arange(float(channels))  # pyright: ignore[reportOptionalSubscript]
    inputs = jax.random.normal(jax.random.key(2), (2, 5, 6, channels))

    def values_and_gradients(layer):
        def loss(layer, inputs):
            maps = layer(inputs)
            return (maps**3).mean(), maps

        (of_layer, of_inputs), maps = nnx.grad(loss, argnums=(0, 1), has_aux=True)(layer, inputs)
        return maps, of_layer["kernel"][...], of_layer["bias"][...], of_inputs

    for found, expected in zip(values_and_gradients(ours), values_and_gradients(theirs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * float(jnp.abs(expected).max()))
    by_group = ours._by_group(inputs, ours.kernel[...]) + ours.bias[...]  # what other devices run
    np.testing.assert_allclose(by_group, ours(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
def test_autoencoders(architecture: str, shape: tuple[int, int, int], classes: int, likelihood: str) -> None:
    config = VaeConfig(architecture, shape, latent_size=5, width=4, classes=classes, likelihood=likelihood)
    labels = LABELS if classes else None
    model = Autoencoder(config, rngs=nnx.Rngs(0))
    images = jax.random.uniform(jax.random.key(0), (3, *shape))
    mean, log_variance = model.encode(images, labels)
    assert mean.shape == log_variance.shape == (3, 5)
    decoded = model.decode(mean, labels)
    assert decoded.shape == images.shape
    assert model.nll(decoded, images).shape == (3,)
    pictures = model.pictures(decoded)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
    assert model.log_weights(images, jax.random.key(1), 4, labels).shape == (4, 3)
    if classes:
        assert not np.allclose(decoded, model.decode(mean, LABELS[::-1]))


def test_conditional_networks_need_labels() -> None:
    generator = make_generator(GanConfig("dense", latent_size=5, width=4, classes=3), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="needs labels"):
        generator(jnp.zeros((2, 5)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "gan", "architecture": "linear"}, "architecture is 'linear'"),
        ({"kind": "gan", "image_shape": [30, 28, 1]}, "in fours"),
        ({"kind": "vae", "latent_size": 0}, "sizes start at 1"),
        ({"kind": "vae", "likelihood": "laplace"}, "choose bernoulli or gaussian"),
        ({"kind": "vae", "spectral_norm": True}, "no setting 'spectral_norm'"),
        ({"kind": "gan", "architecture": "dense", "spectral_norm": True}, "spectral_norm is for"),
        ({"kind": "flow"}, "choose gan or vae"),
    ],
)
def test_configurations_that_are_refused(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_config(values)


def test_a_configuration_survives_json() -> None:
    assert network_config({"kind": "gan", "image_shape": [32, 32, 3], "width": 8}) == GanConfig(
        image_shape=(32, 32, 3), width=8
    )
