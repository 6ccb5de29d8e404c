"""AlexNet's convolutions, as torchvision has them: the trunk that LPIPS measures with by default.

References: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; torchvision's
`alexnet`, whose tensor names are used here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.extractors.layers import Convolution, convolve, max_pool_3x3

_POOLED = 6  # side of the last map at 224 x 224, where torchvision's adaptive average pool does nothing


class _Layer(NamedTuple):
    """One convolution: its map, its tensors' prefix, window, stride, padding, and whether a pool comes before."""

    name: str
    tensor: str
    window: int
    stride: int
    padding: int
    pooled: bool


_LAYERS = (
    _Layer("relu1", "features.0", 11, 4, 2, False),
    _Layer("relu2", "features.3", 5, 1, 2, True),
    _Layer("relu3", "features.6", 3, 1, 1, True),
    _Layer("relu4", "features.8", 3, 1, 1, False),
    _Layer("relu5", "features.10", 3, 1, 1, False),
)
_STRIDES = (4, 8, 16, 16, 16)
_LEAST_SIDES = (7, 15, 31, 31, 31)  # so that every window before the map finds pixels


class AlexNetPlan(NamedTuple):
    """Shape of the network: channels of the convolutions, and the width of the classifier's layers."""

    channels: tuple[int, ...] = (64, 192, 384, 256, 256)
    hidden: int = 4096
    classes: int = 1000

    @property
    def maps(self) -> dict[str, tuple[int, int]]:
        """Channels and stride of each map: `relu1` to `relu5`, after the ReLU of that convolution."""
        return {
            layer.name: (count, stride) for layer, count, stride in zip(_LAYERS, self.channels, _STRIDES, strict=True)
        }

    @property
    def least_sides(self) -> dict[str, int]:
        """Least height and width of images for each map."""
        return {layer.name: side for layer, side in zip(_LAYERS, _LEAST_SIDES, strict=True)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the checkpoint, in torch's layout."""
        shapes: dict[str, tuple[int, ...]] = {}
        inputs = 3
        for layer, outputs in zip(_LAYERS, self.channels, strict=True):
            shapes[f"{layer.tensor}.weight"] = (outputs, inputs, layer.window, layer.window)
            shapes[f"{layer.tensor}.bias"] = (outputs,)
            inputs = outputs
        widths = (inputs * _POOLED**2, self.hidden, self.hidden, self.classes)
        for index, size, outputs in zip((1, 4, 6), widths[:-1], widths[1:], strict=True):
            shapes[f"classifier.{index}.weight"] = (outputs, size)
            shapes[f"classifier.{index}.bias"] = (outputs,)
        return shapes

    def trunk(self, state: Mapping[str, np.ndarray]) -> "AlexNetTrunk":
        """The convolutional trunk built from a checkpoint's tensors."""
        return AlexNetTrunk(state)


ALEXNET = AlexNetPlan()


class AlexNetTrunk(nnx.Module):
    """The convolutions alone; they take images of any size from 31 x 31.

    Args:
        state: at least the `features.*` tensors of `AlexNetPlan.shapes()`, float32.
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        for layer in _LAYERS:
            kernel = state[f"{layer.tensor}.weight"].transpose(2, 3, 1, 0)
            setattr(self, layer.name, Convolution(kernel, state[f"{layer.tensor}.bias"]))

    def __call__(self, images: Float[Array, "b h w 3"], maps: Iterable[str]) -> dict[str, Float[Array, "b _ _ _"]]:
        """The maps asked for; nothing behind the last of them is computed.

        Args:
            images: `[B, H, W, 3]`, normalised; sides of at least the last map's `least_sides`.
            maps: names from `AlexNetPlan.maps`.
        """
        wanted = tuple(maps)
        found: dict[str, Array] = {}
        x = images
        for layer in _LAYERS:
            if found.keys() >= set(wanted):
                break
            if layer.pooled:
                x = max_pool_3x3(x, stride=2)
            padding = ((layer.padding, layer.padding), (layer.padding, layer.padding))
            x = jax.nn.relu(convolve(x, getattr(self, layer.name), stride=layer.stride, padding=padding))
            if layer.name in wanted:
                found[layer.name] = x
        return {name: found[name] for name in wanted}
