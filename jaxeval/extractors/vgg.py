"""VGG16 and VGG19 without batch norm, as torchvision has them: a trunk of convolutions, and the classifier on top.

The trunk's maps are what perceptual, content and style losses compare; the classifier's hidden layer is what
torch-fidelity and StyleGAN measure precision and recall on.

References: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014;
torchvision's `vgg16` and `vgg19`, whose tensor names are used here.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.extractors.layers import Convolution, Linear, convolve, max_pool_2x2

VGG_SIZE = (224, 224)
_POOLED = 7  # side of the last map at 224 x 224, where torchvision's adaptive average pool does nothing


class VGGPlan(NamedTuple):
    """Shape of the network: convolutions and channels of each block, and the width of the classifier's layers."""

    convolutions: tuple[int, ...]
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 4096
    classes: int = 1000

    @property
    def maps(self) -> dict[str, tuple[int, int]]:
        """Channels and stride of each map: `relu1_1` and on, after the ReLU of that block's convolution."""
        return {layer.name: (layer.outputs, 2**layer.block) for layer in self.layers()}

    @property
    def least_sides(self) -> dict[str, int]:
        """Least height and width of images for each map."""
        return {name: stride for name, (_, stride) in self.maps.items()}

    @property
    def taps(self) -> dict[str, int]:
        """The classifier's taps: the feature size of each, by name."""
        return {"fc2": self.hidden, "fc2_relu": self.hidden, "logits": self.classes}

    def layers(self) -> list["_Layer"]:
        """The convolutions, in the order in which an image meets them."""
        layers, index, inputs = [], 0, 3
        for block, (count, outputs) in enumerate(zip(self.convolutions, self.channels, strict=True)):
            for number in range(1, count + 1):
                layers.append(_Layer(f"relu{block + 1}_{number}", f"features.{index}", inputs, outputs, block))
                index, inputs = index + 2, outputs  # a convolution and its ReLU
            index += 1  # the pool
        return layers

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the checkpoint, in torch's layout."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers():
            shapes[f"{layer.tensor}.weight"] = (layer.outputs, layer.inputs, 3, 3)
            shapes[f"{layer.tensor}.bias"] = (layer.outputs,)
        widths = (self.channels[-1] * _POOLED**2, self.hidden, self.hidden, self.classes)
        for index, (inputs, outputs) in zip((0, 3, 6), itertools.pairwise(widths), strict=True):
            shapes[f"classifier.{index}.weight"] = (outputs, inputs)
            shapes[f"classifier.{index}.bias"] = (outputs,)
        return shapes

    def trunk(self, state: Mapping[str, np.ndarray]) -> "VGGTrunk":
        """The convolutional trunk built from a checkpoint's tensors."""
        return VGGTrunk(state, self)


class _Layer(NamedTuple):
    """One convolution: its map's name, its tensors' prefix, channels, and the block that it belongs to."""

    name: str
    tensor: str
    inputs: int
    outputs: int
    block: int


VGG16 = VGGPlan((2, 2, 3, 3, 3))
VGG19 = VGGPlan((2, 2, 4, 4, 4))


class VGGTrunk(nnx.Module):
    """The convolutions alone; they take images of any size.

    Args:
        state: at least the `features.*` tensors of `plan.shapes()`, float32.
        plan: `VGG16` or `VGG19`.
    """

    def __init__(self, state: Mapping[str, np.ndarray], plan: VGGPlan):
        self.plan = plan
        for layer in plan.layers():
            kernel = state[f"{layer.tensor}.weight"].transpose(2, 3, 1, 0)
            setattr(self, layer.name, Convolution(kernel, state[f"{layer.tensor}.bias"]))

    def __call__(
        self,
        images: Float[Array, "b h w 3"],
        maps: Iterable[str],
        *,
        pool: Callable[[Array], Array] = max_pool_2x2,
    ) -> dict[str, Float[Array, "b _ _ _"]]:
        """The maps asked for, `[B, H / stride, W / stride, C]`; nothing behind the last of them is computed.

        Args:
            images: `[B, H, W, 3]`, normalised; sides of at least the last map's stride.
            maps: names from `plan.maps`.
            pool: what comes between the blocks; DISTS replaces it.
        """
        wanted = tuple(maps)
        found: dict[str, Array] = {}
        x, block = images, 0
        for layer in self.plan.layers():
            if found.keys() >= set(wanted):
                break
            if layer.block > block:
                x, block = pool(x), layer.block
            x = jax.nn.relu(convolve(x, getattr(self, layer.name), padding=((1, 1), (1, 1))))
            if layer.name in wanted:
                found[layer.name] = x
        return {name: found[name] for name in wanted}


class VGG(nnx.Module):
    """The network with its classifier; dropout does nothing at inference.

    Args:
        state: the tensors of `plan.shapes()`, float32.
        plan: `VGG16` or `VGG19`.
    """

    def __init__(self, state: Mapping[str, np.ndarray], plan: VGGPlan):
        self.trunk = VGGTrunk(state, plan)
        # torch flattens [C, H, W]; here the channels come last.
        first = state["classifier.0.weight"].reshape(plan.hidden, plan.channels[-1], _POOLED, _POOLED)
        first = first.transpose(2, 3, 1, 0).reshape(-1, plan.hidden)
        self.fc1 = Linear(first, state["classifier.0.bias"])
        self.fc2 = Linear(state["classifier.3.weight"].T, state["classifier.3.bias"])
        self.fc3 = Linear(state["classifier.6.weight"].T, state["classifier.6.bias"])

    def __call__(self, images: Float[Array, "b 224 224 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        """Features at `taps`: `fc2` (the second hidden layer), `fc2_relu` (after its ReLU), `logits`.

        Args:
            images: `[B, 224, 224, 3]`, normalised.
            taps: the features to return.
        """
        last = self.trunk.plan.layers()[-1].name
        x = max_pool_2x2(self.trunk(images, (last,))[last])
        x = x.reshape(x.shape[0], -1)
        x = jax.nn.relu(self.fc1.product(x) + self.fc1.bias[...])
        hidden = self.fc2.product(x) + self.fc2.bias[...]
        features: dict[str, jax.Array] = {"fc2": hidden, "fc2_relu": jnp.maximum(hidden, 0.0)}
        if "logits" in taps:
            features["logits"] = self.fc3.product(features["fc2_relu"]) + self.fc3.bias[...]
        return {tap: features[tap] for tap in taps}
