"""Building blocks of the vision and text transformers: pre-norm blocks of attention and a two-layer perceptron."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from jaxeval.extractors.layers import Linear
from jaxeval.extractors.precision import network_precision

Pair = tuple[np.ndarray, np.ndarray]  # weight and bias, in torch's layout


def quick_gelu(features: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """OpenAI's approximation of the Gaussian error linear unit, `x * sigmoid(1.702 x)`."""
    return features * jax.nn.sigmoid(1.702 * features)


class LayerNorm(nnx.Module):
    """Layer norm over the last axis, with the biased variance, as in torch."""

    def __init__(self, tensors: Pair, *, epsilon: float):
        self.epsilon = epsilon
        self.scale = nnx.Param(jax.device_put(tensors[0]))
        self.bias = nnx.Param(jax.device_put(tensors[1]))

    def __call__(self, features: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
        """The features after the norm, scaled and shifted."""
        centred = features - features.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * lax.rsqrt(variance + self.epsilon) * self.scale[...] + self.bias[...]


class BlockTensors(NamedTuple):
    """One block's tensors. `qkv` has the rows of query, key and value one after the other; gammas scale a branch."""

    norm1: Pair
    qkv: Pair
    out: Pair
    norm2: Pair
    expand: Pair
    contract: Pair
    gamma1: np.ndarray | None = None
    gamma2: np.ndarray | None = None


class TransformerBlock(nnx.Module):
    """`x + attention(norm1(x))`, then `x + mlp(norm2(x))`; the layer scales of both branches are folded into them.

    Args:
        tensors: float32.
        heads: of the attention.
        activation: between the perceptron's layers.
        epsilon: of the layer norms.
    """

    def __init__(self, tensors: BlockTensors, *, heads: int, activation: Callable[[Array], Array], epsilon: float):
        self.heads = heads
        self.activation = activation
        self.norm1 = LayerNorm(tensors.norm1, epsilon=epsilon)
        self.qkv = _linear(tensors.qkv)
        self.out = _linear(tensors.out, tensors.gamma1)
        self.norm2 = LayerNorm(tensors.norm2, epsilon=epsilon)
        self.expand = _linear(tensors.expand)
        self.contract = _linear(tensors.contract, tensors.gamma2)

    def __call__(
        self, tokens: Float[Array, "b n d"], *, causal: bool = False, queries: int | None = None
    ) -> Float[Array, "b q d"]:
        """The tokens after this block.

        Args:
            tokens: `[B, N, D]`.
            causal: whether a token sees only itself and those before it.
            queries: how many tokens to compute, from the first; all by default. The last block of a network whose first
                token alone is read needs no more than one.
        """
        count = tokens.shape[1] if queries is None else queries
        normed = self.norm1(tokens)
        width = tokens.shape[2]
        kernel, bias = self.qkv.kernel[...], self.qkv.bias[...]
        query = _product(normed[:, :count], kernel[:, :width]) + bias[:width]
        key, value = jnp.split(_product(normed, kernel[:, width:]) + bias[width:], 2, axis=-1)
        mixed = self._attend(query, key, value, causal=causal)
        x = tokens[:, :count] + self.out.product(mixed) + self.out.bias[...]
        hidden = self.activation(self.expand.product(self.norm2(x)) + self.expand.bias[...])
        return x + self.contract.product(hidden) + self.contract.bias[...]

    def _attend(self, query: Array, key: Array, value: Array, *, causal: bool) -> Array:
        query, key, value = (part.reshape(*part.shape[:2], self.heads, -1) for part in (query, key, value))
        query = query * query.shape[-1] ** -0.5
        scores = jnp.einsum("bqhk,bnhk->bhqn", query, key, precision=network_precision())
        if causal:
            seen = np.tri(*scores.shape[2:], dtype=bool)
            scores = jnp.where(seen, scores, -jnp.inf)
        shares = jax.nn.softmax(scores, axis=-1)
        mixed = jnp.einsum("bhqn,bnhk->bqhk", shares, value, precision=network_precision())
        return mixed.reshape(*mixed.shape[:2], -1)


def embed_patches(
    images: Float[Array, "b h w 3"],
    kernel: Float[Array, "p p 3 d"],
    bias: Float[Array, " d"] | None,
    positions: Float[Array, "n d"],
) -> Float[Array, "b n d"]:
    """Tokens of an image: one for the class, then one for each patch, row by row, all with their positions.

    Args:
        images: `[B, H, W, 3]`, sides that are multiples of the patch's.
        kernel: of the convolution whose stride is its own size.
        bias: of the projection.
        positions: one row more than there are patches; the first is the class token itself with its position.
    """
    count, height, width, channels = images.shape
    side = kernel.shape[0]
    rows, columns = height // side, width // side
    # One axis at a time, and the rest by the product: on an Explicit mesh no other reshape keeps the batch's sharding.
    patches = images.reshape(count, rows, side, width, channels).reshape(count, rows, side, columns, side, channels)
    tokens = jnp.einsum("brycxi,yxid->brcd", patches, kernel, precision=network_precision())
    tokens = tokens.reshape(count, rows * columns, -1)
    if bias is not None:
        tokens = tokens + bias
    # A row of zeros in front, rather than a class token joined to it: that would have no sharding to agree with.
    return jnp.pad(tokens, ((0, 0), (1, 0), (0, 0))) + positions


def _product(features: Array, kernel: Array) -> Array:
    return jnp.matmul(features, kernel, precision=network_precision())


def _linear(tensors: Pair, gamma: np.ndarray | None = None) -> Linear:
    weight, bias = tensors
    if gamma is not None:
        weight, bias = (
            (array.astype(np.float64) * gamma.reshape(-1, *[1] * (array.ndim - 1))).astype(np.float32)
            for array in tensors
        )
    return Linear(weight.T, bias)
