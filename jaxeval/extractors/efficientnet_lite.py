"""EfficientNet-Lite0, trained on ImageNet-1k: a small network whose weights a Python package carries.

EfficientNet-B0 without squeeze-and-excitation, with ReLU6, in TensorFlow's geometry ("SAME" padding). Batch norms are
folded into the convolutions.

References: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019; TensorFlow TPU's
`efficientnet/lite`, converted for `efficientnet_lite_pytorch`, whose tensor names are used here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.extractors.layers import (
    Convolution,
    Linear,
    convolve,
    depthwise,
    fold_batch_norm,
    pointwise,
    same_padding,
)

LITE0_SIZE = (224, 224)
LITE0_TAPS: dict[str, int] = {"1280": 1280, "logits": 1000}
_EPSILON = 1e-3


class _BlockSpec(NamedTuple):
    """One inverted bottleneck: channels in, within and out, kernel side, stride."""

    inputs: int
    inner: int
    outputs: int
    side: int
    stride: int

    @property
    def expands(self) -> bool:
        return self.inner != self.inputs

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.inputs == self.outputs


# (kernel side, repeats, stride of the first, expansion, input channels, output channels) of each stage.
_STAGES = (
    (3, 1, 1, 1, 32, 16),
    (3, 2, 2, 6, 16, 24),
    (5, 2, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (5, 3, 1, 6, 80, 112),
    (5, 4, 2, 6, 112, 192),
    (3, 1, 1, 6, 192, 320),
)


def _blocks() -> list[_BlockSpec]:
    blocks = []
    for side, repeats, stride, expansion, inputs, outputs in _STAGES:
        blocks.append(_BlockSpec(inputs, inputs * expansion, outputs, side, stride))
        blocks += [_BlockSpec(outputs, outputs * expansion, outputs, side, 1)] * (repeats - 1)
    return blocks


def lite0_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the checkpoint, in torch's layout."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(convolution: str, norm: str, shape: tuple[int, ...]) -> None:
        shapes[f"{convolution}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = shape[:1]

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    for number, spec in enumerate(_blocks()):
        name = f"_blocks.{number}."
        if spec.expands:
            add(f"{name}_expand_conv", f"{name}_bn0", (spec.inner, spec.inputs, 1, 1))
        add(f"{name}_depthwise_conv", f"{name}_bn1", (spec.inner, 1, spec.side, spec.side))
        add(f"{name}_project_conv", f"{name}_bn2", (spec.outputs, spec.inner, 1, 1))
    add("_conv_head", "_bn1", (1280, 320, 1, 1))
    return shapes | {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def _relu6(images: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.clip(images, 0.0, 6.0)


def _convolution(state: Mapping[str, np.ndarray], convolution: str, norm: str) -> Convolution:
    return Convolution(*fold_batch_norm(state, convolution, norm, epsilon=_EPSILON))


class _Block(nnx.Module):
    """An inverted bottleneck: expand, filter each channel, project; with a residual where shapes allow."""

    def __init__(self, name: str, spec: _BlockSpec, state: Mapping[str, np.ndarray]):
        self.spec = spec
        if spec.expands:
            self.expand = _convolution(state, f"{name}_expand_conv", f"{name}_bn0")
        self.filter = _convolution(state, f"{name}_depthwise_conv", f"{name}_bn1")
        self.project = _convolution(state, f"{name}_project_conv", f"{name}_bn2")

    def __call__(self, images: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 o"]:
        x = images
        if self.spec.expands:
            x = _relu6(pointwise(x, self.expand) + self.expand.bias[...])
        x = _relu6(depthwise(x, self.filter, stride=self.spec.stride))
        x = pointwise(x, self.project) + self.project.bias[...]
        return x + images if self.spec.residual else x


class EfficientNetLite0(nnx.Module):
    """The network with inference-time batch norms folded in.

    Args:
        state: the tensors of `lite0_shapes()`, float32.
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        self.stem = _convolution(state, "_conv_stem", "_bn0")
        self.blocks = nnx.List([_Block(f"_blocks.{number}.", spec, state) for number, spec in enumerate(_blocks())])
        self.head = _convolution(state, "_conv_head", "_bn1")
        self.fc = Linear(state["_fc.weight"].T, state["_fc.bias"])

    def __call__(self, images: Float[Array, "b 224 224 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        """Features at `taps`: `1280` (pooled) and `logits` (ImageNet-1k's classes in their usual order).

        Args:
            images: `[B, 224, 224, 3]`, normalised to about -1..1.
            taps: the features to return.
        """
        pads = tuple(same_padding(size, 3, 2) for size in images.shape[1:3])
        x = _relu6(convolve(images, self.stem, stride=2, padding=(pads[0], pads[1])))
        for block in self.blocks:
            x = block(x)
        x = _relu6(pointwise(x, self.head) + self.head.bias[...]).mean((1, 2))
        features: dict[str, jax.Array] = {"1280": x}
        if "logits" in taps:
            features["logits"] = self.fc.product(x) + self.fc.bias[...]
        return {tap: features[tap] for tap in taps}
