"""The FID Inception network: Inception v3 as TensorFlow's 2015 graph has it, with every tap that metrics read.

It differs from torchvision's Inception v3 in its weights, its 1008 classes, average pools that do not count padding,
and a maximum pool in the last block. Batch norms are folded into the convolutions, the 1 x 1 convolutions that read the
same input are one matrix product, and the average pool comes after the 1 x 1 convolution that follows it in the
original (they commute, and the product is narrower).

References: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015; Heusel et al., "GANs
Trained by a Two Time-Scale Update Rule", 2017; pytorch-fid and torch-fidelity, whose tensor names are used here.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from jaxeval.extractors.layers import (
    Convolution,
    Linear,
    average_pool_3x3,
    convolve,
    fold_batch_norm,
    max_pool_3x3,
    pointwise,
)
from jaxeval.extractors.precision import network_precision

INCEPTION_SIZE = (299, 299)
INCEPTION_LEAST_SIDE = 75  # of which the last convolutions without padding leave one pixel
INCEPTION_TAPS: dict[str, int] = {
    "64": 64,
    "192": 192,
    "768": 768,
    "2048": 2048,
    "sfid": 17 * 17 * 7,
    "logits": 1008,
    "logits_unbiased": 1008,
}
_SFID_CHANNELS = 7
_EPSILON = 1e-3


class _Layer(NamedTuple):
    """One convolution of the original network, by torch's name; `same` means that padding keeps the size."""

    name: str
    inputs: int
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    same: bool = True


class _Spec(NamedTuple):
    """A block: branches, each a chain of layers (the last may be a fork), and how its pooling branch goes.

    `pool` is `average` (before a 1 x 1 layer), `max` (before a 1 x 1 layer), or `stride` (maximum pool alone).
    """

    branches: tuple[tuple[_Layer | tuple[_Layer, ...], ...], ...]
    pool: str
    pool_layer: _Layer | None = None


def _stem() -> tuple[_Layer, ...]:
    return (
        _Layer("Conv2d_1a_3x3", 3, 32, (3, 3), stride=2, same=False),
        _Layer("Conv2d_2a_3x3", 32, 32, (3, 3), same=False),
        _Layer("Conv2d_2b_3x3", 32, 64, (3, 3)),
        _Layer("Conv2d_3b_1x1", 64, 80),
        _Layer("Conv2d_4a_3x3", 80, 192, (3, 3), same=False),
    )


def _block_a(inputs: int, pool: int) -> _Spec:
    return _Spec(
        branches=(
            (_Layer("branch1x1", inputs, 64),),
            (_Layer("branch5x5_1", inputs, 48), _Layer("branch5x5_2", 48, 64, (5, 5))),
            (
                _Layer("branch3x3dbl_1", inputs, 64),
                _Layer("branch3x3dbl_2", 64, 96, (3, 3)),
                _Layer("branch3x3dbl_3", 96, 96, (3, 3)),
            ),
        ),
        pool="average",
        pool_layer=_Layer("branch_pool", inputs, pool),
    )


def _block_b(inputs: int) -> _Spec:
    return _Spec(
        branches=(
            (_Layer("branch3x3", inputs, 384, (3, 3), stride=2, same=False),),
            (
                _Layer("branch3x3dbl_1", inputs, 64),
                _Layer("branch3x3dbl_2", 64, 96, (3, 3)),
                _Layer("branch3x3dbl_3", 96, 96, (3, 3), stride=2, same=False),
            ),
        ),
        pool="stride",
    )


def _block_c(inputs: int, middle: int) -> _Spec:
    return _Spec(
        branches=(
            (_Layer("branch1x1", inputs, 192),),
            (
                _Layer("branch7x7_1", inputs, middle),
                _Layer("branch7x7_2", middle, middle, (1, 7)),
                _Layer("branch7x7_3", middle, 192, (7, 1)),
            ),
            (
                _Layer("branch7x7dbl_1", inputs, middle),
                _Layer("branch7x7dbl_2", middle, middle, (7, 1)),
                _Layer("branch7x7dbl_3", middle, middle, (1, 7)),
                _Layer("branch7x7dbl_4", middle, middle, (7, 1)),
                _Layer("branch7x7dbl_5", middle, 192, (1, 7)),
            ),
        ),
        pool="average",
        pool_layer=_Layer("branch_pool", inputs, 192),
    )


def _block_d(inputs: int) -> _Spec:
    return _Spec(
        branches=(
            (_Layer("branch3x3_1", inputs, 192), _Layer("branch3x3_2", 192, 320, (3, 3), stride=2, same=False)),
            (
                _Layer("branch7x7x3_1", inputs, 192),
                _Layer("branch7x7x3_2", 192, 192, (1, 7)),
                _Layer("branch7x7x3_3", 192, 192, (7, 1)),
                _Layer("branch7x7x3_4", 192, 192, (3, 3), stride=2, same=False),
            ),
        ),
        pool="stride",
    )


def _block_e(inputs: int, pool: str) -> _Spec:
    return _Spec(
        branches=(
            (_Layer("branch1x1", inputs, 320),),
            (
                _Layer("branch3x3_1", inputs, 384),
                (_Layer("branch3x3_2a", 384, 384, (1, 3)), _Layer("branch3x3_2b", 384, 384, (3, 1))),
            ),
            (
                _Layer("branch3x3dbl_1", inputs, 448),
                _Layer("branch3x3dbl_2", 448, 384, (3, 3)),
                (_Layer("branch3x3dbl_3a", 384, 384, (1, 3)), _Layer("branch3x3dbl_3b", 384, 384, (3, 1))),
            ),
        ),
        pool=pool,
        pool_layer=_Layer("branch_pool", inputs, 192),
    )


_BLOCKS: dict[str, _Spec] = {
    "Mixed_5b": _block_a(192, 32),
    "Mixed_5c": _block_a(256, 64),
    "Mixed_5d": _block_a(288, 64),
    "Mixed_6a": _block_b(288),
    "Mixed_6b": _block_c(768, 128),
    "Mixed_6c": _block_c(768, 160),
    "Mixed_6d": _block_c(768, 160),
    "Mixed_6e": _block_c(768, 192),
    "Mixed_7a": _block_d(768),
    "Mixed_7b": _block_e(1280, "average"),
    "Mixed_7c": _block_e(2048, "max"),
}


def _layers_of(spec: _Spec) -> Iterator[_Layer]:
    for step in itertools.chain.from_iterable(spec.branches):
        yield from (step,) if isinstance(step, _Layer) else step
    if spec.pool_layer is not None:
        yield spec.pool_layer


def inception_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the checkpoint, in torch's layout."""
    layers = [(layer.name, layer) for layer in _stem()]
    layers += [(f"{block}.{layer.name}", layer) for block, spec in _BLOCKS.items() for layer in _layers_of(spec)]
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in layers:
        shapes[f"{name}.conv.weight"] = (layer.outputs, layer.inputs, *layer.kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{part}"] = (layer.outputs,)
    return shapes | {"fc.weight": (1008, 2048), "fc.bias": (1008,)}


def _folded(state: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    return fold_batch_norm(state, f"{name}.conv", f"{name}.bn", epsilon=_EPSILON)


def _run(layer: _Layer, convolution: Convolution, images: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 o"]:
    if layer.kernel == (1, 1):
        return jax.nn.relu(pointwise(images, convolution) + convolution.bias[...])
    height, width = (side // 2 if layer.same else 0 for side in layer.kernel)
    padding = ((height, height), (width, width))
    return jax.nn.relu(convolve(images, convolution, stride=layer.stride, padding=padding))


class _Block(nnx.Module):
    """One `Mixed_*` block. `merged` holds every 1 x 1 convolution that reads the block's input."""

    def __init__(self, name: str, spec: _Spec, state: Mapping[str, np.ndarray]):
        self.spec = spec
        merged = [_folded(state, f"{name}.{layer.name}") for layer in self._merged_layers()]
        kernels, biases = zip(*merged, strict=True)
        self.merged = Convolution(np.concatenate(kernels, axis=-1), np.concatenate(biases))
        names = {layer.name for layer in self._merged_layers()}
        for layer in _layers_of(spec):
            if layer.name not in names:
                setattr(self, layer.name, Convolution(*_folded(state, f"{name}.{layer.name}")))

    def _merged_layers(self) -> list[_Layer]:
        heads = [branch[0] for branch in self.spec.branches]
        merged = [head for head in heads if isinstance(head, _Layer) and head.kernel == (1, 1)]
        if self.spec.pool == "average" and self.spec.pool_layer is not None:
            merged.append(self.spec.pool_layer)
        return merged

    def __call__(self, images: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 o"]:
        layers = self._merged_layers()
        bounds = np.cumsum([0, *(layer.outputs for layer in layers)])
        product, bias = pointwise(images, self.merged), self.merged.bias[...]
        heads = {
            layer.name: (lax.slice_in_dim(product, start, stop, axis=3), bias[start:stop])
            for layer, start, stop in zip(layers, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        }
        outputs = []
        for branch in self.spec.branches:
            current = [images]
            for step in branch:
                fork = (step,) if isinstance(step, _Layer) else step
                current = [self._step(layer, current[0], heads) for layer in fork]
            outputs += current
        return jnp.concatenate([*outputs, self._pool(images, heads)], axis=3)

    def _step(self, layer: _Layer, images: Array, heads: Mapping[str, tuple[Array, Array]]) -> Array:
        if layer.name in heads:
            product, bias = heads[layer.name]
            return jax.nn.relu(product + bias)
        return _run(layer, getattr(self, layer.name), images)

    def _pool(self, images: Array, heads: Mapping[str, tuple[Array, Array]]) -> Array:
        if self.spec.pool_layer is None:
            return max_pool_3x3(images, stride=2)
        if self.spec.pool == "max":
            return self._step(self.spec.pool_layer, max_pool_3x3(images, stride=1, padding=1), heads)
        product, bias = heads[self.spec.pool_layer.name]
        return jax.nn.relu(average_pool_3x3(product) + bias)


class InceptionV3(nnx.Module):
    """The network with inference-time batch norms folded in.

    Args:
        state: the tensors of `inception_shapes()`, float32.
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        for layer in _stem():
            setattr(self, layer.name, Convolution(*_folded(state, layer.name)))
        for name, spec in _BLOCKS.items():
            setattr(self, name, _Block(name, spec, state))
        self.fc = Linear(state["fc.weight"].T, state["fc.bias"])

    def __call__(self, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        """Features at `taps`, names from `INCEPTION_TAPS`, computed no deeper than they need.

        Args:
            images: `[B, H, W, 3]`, normalised to about -1..1; 299 x 299 pixels, or what a protocol has.
            taps: the features to return.
        """
        features: dict[str, Array] = {}
        for tap, value in self._walk(images, frozenset(taps)):
            features[tap] = value
            if features.keys() >= set(taps):
                break
        return {tap: features[tap] for tap in taps}

    def _walk(self, x: Array, taps: frozenset[str]) -> Iterator[tuple[str, Array]]:
        stem = _stem()
        for layer in stem[:3]:
            x = _run(layer, getattr(self, layer.name), x)
        x = max_pool_3x3(x, stride=2)
        yield "64", x.mean((1, 2))
        for layer in stem[3:]:
            x = _run(layer, getattr(self, layer.name), x)
        x = max_pool_3x3(x, stride=2)
        yield "192", x.mean((1, 2))
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c"):
            x = getattr(self, name)(x)
        if "sfid" in taps:
            yield "sfid", self._spatial(x)
        for name in ("Mixed_6d", "Mixed_6e"):
            x = getattr(self, name)(x)
        yield "768", x.mean((1, 2))
        for name in ("Mixed_7a", "Mixed_7b", "Mixed_7c"):
            x = getattr(self, name)(x)
        x = x.mean((1, 2))
        yield "2048", x
        unbiased = self.fc.product(x)
        yield "logits_unbiased", unbiased
        yield "logits", unbiased + self.fc.bias[...]

    def _spatial(self, x: Float[Array, "b h w 768"]) -> Float[Array, "b _"]:
        # TF's `mixed_6/conv` is Mixed_6d.branch1x1, the first columns of that block's merged product.
        merged = getattr(self, "Mixed_6d").merged  # noqa: B009 (set by name)
        kernel = merged.kernel[0, 0, :, :_SFID_CHANNELS]
        product = jnp.einsum("bhwi,io->bhwo", x, kernel, precision=network_precision())
        return jax.nn.relu(product + merged.bias[:_SFID_CHANNELS]).reshape(x.shape[0], -1)
