"""SqueezeNet 1.1's convolutions, as torchvision has them: the smallest trunk that LPIPS measures with.

References: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016;
torchvision's `squeezenet1_1`, whose tensor names are used here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.extractors.layers import Convolution, convolve, max_pool_3x3, pointwise


class _Fire(NamedTuple):
    """One module: its tensors' prefix, its map's name if it has one, and whether a pool comes before."""

    tensor: str
    name: str | None
    pooled: bool


_FIRES = (
    _Fire("features.3", None, True),
    _Fire("features.4", "relu2", False),
    _Fire("features.6", None, True),
    _Fire("features.7", "relu3", False),
    _Fire("features.9", "relu4", True),
    _Fire("features.10", "relu5", False),
    _Fire("features.11", "relu6", False),
    _Fire("features.12", "relu7", False),
)
_STRIDES = {"relu1": 2, "relu2": 4, "relu3": 8, "relu4": 16, "relu5": 16, "relu6": 16, "relu7": 16}
# So that every window before the map finds pixels.
_LEAST_SIDES = {"relu1": 3, "relu2": 5, "relu3": 9, "relu4": 17, "relu5": 17, "relu6": 17, "relu7": 17}


class SqueezeNetPlan(NamedTuple):
    """Shape of the network: channels of the first convolution, each module's narrow and wide channels, classes.

    A module's output has twice its wide channels, half of them from 1 x 1 and half from 3 x 3 windows.
    """

    first: int = 64
    narrow: tuple[int, ...] = (16, 16, 32, 32, 48, 48, 64, 64)
    wide: tuple[int, ...] = (64, 64, 128, 128, 192, 192, 256, 256)
    classes: int = 1000

    @property
    def maps(self) -> dict[str, tuple[int, int]]:
        """Channels and stride of each map: `relu1` of the first convolution, `relu2` to `relu7` of fire modules."""
        channels = {"relu1": self.first}
        channels |= {fire.name: 2 * wide for fire, wide in zip(_FIRES, self.wide, strict=True) if fire.name}
        return {name: (count, _STRIDES[name]) for name, count in channels.items()}

    @property
    def least_sides(self) -> dict[str, int]:
        """Least height and width of images for each map."""
        return dict(_LEAST_SIDES)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the checkpoint, in torch's layout."""
        shapes: dict[str, tuple[int, ...]] = {
            "features.0.weight": (self.first, 3, 3, 3),
            "features.0.bias": (self.first,),
        }
        inputs = self.first
        for fire, narrow, wide in zip(_FIRES, self.narrow, self.wide, strict=True):
            for part, outputs, taken, window in (
                ("squeeze", narrow, inputs, 1),
                ("expand1x1", wide, narrow, 1),
                ("expand3x3", wide, narrow, 3),
            ):
                shapes[f"{fire.tensor}.{part}.weight"] = (outputs, taken, window, window)
                shapes[f"{fire.tensor}.{part}.bias"] = (outputs,)
            inputs = 2 * wide
        return shapes | {"classifier.1.weight": (self.classes, inputs, 1, 1), "classifier.1.bias": (self.classes,)}

    def trunk(self, state: Mapping[str, np.ndarray]) -> "SqueezeNetTrunk":
        """The convolutional trunk built from a checkpoint's tensors."""
        return SqueezeNetTrunk(state)


SQUEEZENET = SqueezeNetPlan()


class FireModule(nnx.Module):
    """A 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 convolutions side by side, each with a ReLU."""

    def __init__(self, state: Mapping[str, np.ndarray], prefix: str):
        self.squeeze = _convolution(state, f"{prefix}.squeeze")
        self.expand1x1 = _convolution(state, f"{prefix}.expand1x1")
        self.expand3x3 = _convolution(state, f"{prefix}.expand3x3")

    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """`[B, H, W, 2 * wide]`, the channels of the 1 x 1 windows first."""
        narrow = jax.nn.relu(pointwise(x, self.squeeze) + self.squeeze.bias[...])
        one = pointwise(narrow, self.expand1x1) + self.expand1x1.bias[...]
        three = convolve(narrow, self.expand3x3, padding=((1, 1), (1, 1)))
        return jax.nn.relu(jnp.concatenate([one, three], axis=-1))


class SqueezeNetTrunk(nnx.Module):
    """The convolutions alone; they take images of any size from 17 x 17.

    Args:
        state: at least the `features.*` tensors of `SqueezeNetPlan.shapes()`, float32.
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        self.first = _convolution(state, "features.0")
        self.fires = nnx.List([FireModule(state, fire.tensor) for fire in _FIRES])

    def __call__(self, images: Float[Array, "b h w 3"], maps: Iterable[str]) -> dict[str, Float[Array, "b _ _ _"]]:
        """The maps asked for; nothing behind the last of them is computed.

        Args:
            images: `[B, H, W, 3]`, normalised; sides of at least the last map's `least_sides`.
            maps: names from `SqueezeNetPlan.maps`.
        """
        wanted = tuple(maps)
        x = jax.nn.relu(convolve(images, self.first, stride=2))
        found = {"relu1": x}
        for fire, module in zip(_FIRES, self.fires, strict=True):
            if found.keys() >= set(wanted):
                break
            x = module(_pool(x) if fire.pooled else x)
            if fire.name:
                found[fire.name] = x
        return {name: found[name] for name in wanted}


def _pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Maximum over 3 x 3 windows at stride 2, the last of which may reach one pixel over the edge."""
    over = [(0, 0), *((0, 1 - size % 2) for size in x.shape[1:3]), (0, 0)]
    return max_pool_3x3(jnp.pad(x, over, constant_values=-jnp.inf), stride=2)


def _convolution(state: Mapping[str, np.ndarray], prefix: str) -> Convolution:
    return Convolution(state[f"{prefix}.weight"].transpose(2, 3, 1, 0), state[f"{prefix}.bias"])
