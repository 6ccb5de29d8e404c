"""Extractors that need no weights file: raw pixels, and seeded random convolutions."""

import hashlib
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt64

from jaxeval.extractors.extractor import Extractor
from jaxeval.extractors.normalisation import Normalisation
from jaxeval.extractors.precision import in_float32, network_precision

# (channels, kernel side, stride) of each layer: 64 x 64 -> 32 -> 16 -> 8 -> 4.
_LAYERS = ((32, 5, 2), (64, 3, 2), (128, 3, 2), (256, 3, 2))
_IMAGE_SIZE = (64, 64)


def pixels() -> Extractor:
    """Raw pixel values in 0..1, flattened row by row: tap `pixels`, `[B, H*W*3]`, for images of any one size."""

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        return dict.fromkeys(taps, images.reshape(images.shape[0], -1))

    return Extractor(
        name="pixels",
        image_size=None,
        resize="antialiased-bilinear",
        normalisation=Normalisation(0.0, 1 / 255),
        taps={"pixels": None},
        default_tap="pixels",
        params=(),
        forward=forward,
        fingerprint="pixels:1",
        family="pixels",
        description="raw pixel values in 0..1, flattened",
    )


def random_convolutions(seed: int = 0) -> Extractor:
    """Four strided convolutions with seeded random weights and ReLU: tap `512`, mean and spread of 256 channels.

    No training, so no notion of what an image shows; but cheap, everywhere the same, and sensitive to texture and
    colour: for tests, smoke runs and monitoring. Images are `[B, 64, 64, 3]`. Weights are He-uniform, made from the raw
    64-bit stream of NumPy's PCG64, which (unlike the distributions on top of it) is promised never to change.

    Args:
        seed: of the weights; the extractor's name carries it.
    """
    layers, fan_in = [], 3
    stream = np.random.PCG64(seed)
    for channels, side, _ in _LAYERS:
        raw = np.asarray(stream.random_raw(side * side * fan_in * channels), np.uint64)
        bound = math.sqrt(6.0 / (side * side * fan_in))
        layers.append((bound * _uniform(raw)).astype(np.float32).reshape(side, side, fan_in, channels))
        fan_in = channels
    digest = hashlib.sha256(b"".join(kernel.astype("<f4").tobytes() for kernel in layers)).hexdigest()
    return Extractor(
        name=f"random-conv-{seed}",
        image_size=_IMAGE_SIZE,
        resize="antialiased-bilinear",
        normalisation=Normalisation(127.5, 1 / 127.5),
        taps={"512": 2 * _LAYERS[-1][0]},
        default_tap="512",
        params=tuple(layers),
        forward=_convolve_and_pool,
        weights_hash=digest,
        fingerprint=f"random-conv:1:{digest}",
        family="random-conv",
        description=f"random strided convolutions, seed {seed}",
    )


def _uniform(raw: UInt64[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    # Top 53 bits to [-1, 1): exact in float64 on every platform.
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _convolve_and_pool(
    params: Any,
    images: Float[Array, "b h w 3"],
    taps: tuple[str, ...],
) -> dict[str, Float[Array, "b _"]]:
    activations = images
    for kernel, (_, _, stride) in zip(in_float32(params), _LAYERS, strict=True):
        activations = lax.conv_general_dilated(
            activations,
            jnp.asarray(kernel),
            window_strides=(stride, stride),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=network_precision(),
        )
        activations = jax.nn.relu(activations)
    mean = activations.mean((1, 2))
    # Mean absolute deviation: unlike a standard deviation it has a finite gradient where a channel is constant.
    deviation = jnp.abs(activations - mean[:, None, None]).mean((1, 2))
    return dict.fromkeys(taps, jnp.concatenate([mean, deviation], axis=1))
