"""DINOv2: vision transformers trained without labels, whose class token FD-DINOv2 compares images by.

References: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023, and its code, whose
tensor names are used here; Stein et al., "Exposing flaws of generative model evaluation metrics and their unfair
treatment of diffusion models", 2023 (dgm-eval), for its use as a metric. Hugging Face's `Dinov2Model` has the same
tensors under other names, and interpolates positions a little differently.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval.extractors.transformer import (
    BlockTensors,
    LayerNorm,
    TransformerBlock,
    embed_patches,
)

DINOV2_SIZE = (224, 224)
_EPSILON = 1e-6
_A = -0.75  # of torch's bicubic kernel


class DINOv2Plan(NamedTuple):
    """Shape of the network; `grid` is the side of the table of positions that it was trained with."""

    width: int
    blocks: int
    heads: int
    patch: int = 14
    grid: int = 37

    @property
    def taps(self) -> dict[str, int]:
        """The network's taps: the feature size of each, by name."""
        return {"cls": self.width}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the checkpoint, in torch's layout."""
        width = self.width
        shapes: dict[str, tuple[int, ...]] = {
            "cls_token": (1, 1, width),
            "pos_embed": (1, self.grid**2 + 1, width),
            "patch_embed.proj.weight": (width, 3, self.patch, self.patch),
            "patch_embed.proj.bias": (width,),
        }
        for number in range(self.blocks):
            for name, shape in self._block_shapes().items():
                shapes[f"blocks.{number}.{name}"] = shape
        return shapes | {"norm.weight": (width,), "norm.bias": (width,)}

    def hugging_face_shapes(self) -> dict[str, tuple[int, ...]]:
        """The same under Hugging Face's names, where query, key and value are apart."""
        width = self.width
        shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in self.shapes().items():
            for theirs in _hugging_face_names(name):
                shapes[theirs] = (width, *shape[1:]) if ".attn.qkv." in name else shape
        return shapes

    def _block_shapes(self) -> dict[str, tuple[int, ...]]:
        width = self.width
        shapes: dict[str, tuple[int, ...]] = {}
        for name, inputs, outputs in (
            ("attn.qkv", width, 3 * width),
            ("attn.proj", width, width),
            ("mlp.fc1", width, 4 * width),
            ("mlp.fc2", 4 * width, width),
        ):
            shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[name] = (width,)
        return shapes


DINOV2_B14 = DINOv2Plan(768, 12, 12)
DINOV2_L14 = DINOv2Plan(1024, 24, 16)

_RENAMED = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "blocks.": "encoder.layer.",
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}


def _hugging_face_names(name: str) -> tuple[str, ...]:
    if name.startswith("norm."):
        return (f"layernorm{name.removeprefix('norm')}",)
    for ours, theirs in _RENAMED.items():
        name = name.replace(ours, theirs)
    if "attn.qkv" not in name:
        return (name,)
    return tuple(name.replace("attn.qkv", f"attention.attention.{part}") for part in ("query", "key", "value"))


def from_hugging_face(tensors: Mapping[str, np.ndarray], plan: DINOv2Plan) -> dict[str, np.ndarray]:
    """The tensors of `plan.hugging_face_shapes()` under the names of `plan.shapes()`."""
    return {
        name: np.concatenate([tensors[theirs] for theirs in _hugging_face_names(name)])
        if ".attn.qkv." in name
        else tensors[_hugging_face_names(name)[0]]
        for name in plan.shapes()
    }


def resample_positions(
    positions: Float[np.ndarray, "n d"], size: tuple[int, int], *, offset: float
) -> Float[np.ndarray, "m d"]:
    """A square table of positions for another grid of patches, as torch's bicubic interpolation gives it.

    Args:
        positions: a square number of rows, row by row.
        size: rows and columns wanted.
        offset: added to `size` in the scale alone. DINOv2's own code has 0.1 there, against rounding in torch's choice
            of the output size; Hugging Face has 0.

    Returns:
        `[rows * columns, D]`, computed in float64.
    """
    side = round(len(positions) ** 0.5)
    if side * side != len(positions):
        raise ValueError(f"{len(positions)} positions are not a square")
    rows, columns = (_bicubic(side, count, offset) for count in size)
    table = positions.astype(np.float64).reshape(side, side, -1)
    return np.einsum("yh,xw,hwd->yxd", rows, columns, table, optimize=True).reshape(-1, table.shape[-1])


def _bicubic(inputs: int, outputs: int, offset: float) -> Float[np.ndarray, "o i"]:
    # torch takes 1 / scale_factor for the step between outputs where a scale factor is given; no antialiasing.
    place = inputs / (outputs + offset) * (np.arange(outputs) + 0.5) - 0.5
    first = np.floor(place).astype(int) - 1
    weights = np.zeros((outputs, inputs))
    for tap in range(4):
        distance = np.abs(place - (first + tap))
        near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
        far = ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
        index = np.clip(first + tap, 0, inputs - 1)
        np.add.at(weights, (np.arange(outputs), index), np.where(distance <= 1, near, far))
    return weights


class DINOv2(nnx.Module):
    """The network, for images of one size.

    Args:
        state: the tensors of `plan.shapes()`, float32.
        plan: `DINOV2_B14` or `DINOV2_L14`.
        size: height and width of the images, multiples of the patch's side.
        offset: see `resample_positions`.
    """

    def __init__(
        self,
        state: Mapping[str, np.ndarray],
        plan: DINOv2Plan,
        *,
        size: tuple[int, int] = DINOV2_SIZE,
        offset: float = 0.1,
    ):
        grid = (size[0] // plan.patch, size[1] // plan.patch)
        positions = state["pos_embed"][0].astype(np.float64)
        patches = positions[1:]
        if grid != (plan.grid, plan.grid):
            patches = resample_positions(patches, grid, offset=offset)
        table = np.concatenate([positions[:1] + state["cls_token"][0], patches])
        self.positions = nnx.Param(jax.device_put(table.astype(np.float32)))
        self.patch_kernel = nnx.Param(jax.device_put(state["patch_embed.proj.weight"].transpose(2, 3, 1, 0)))
        self.patch_bias = nnx.Param(jax.device_put(state["patch_embed.proj.bias"]))
        self.blocks = nnx.List([_block(state, f"blocks.{number}.", plan) for number in range(plan.blocks)])
        self.norm = LayerNorm((state["norm.weight"], state["norm.bias"]), epsilon=_EPSILON)

    def __call__(self, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        """Features at `taps`: `cls`, the class token after the last layer norm.

        Args:
            images: `[B, H, W, 3]` of the network's size, normalised.
            taps: the features to return.
        """
        x = embed_patches(images, self.patch_kernel[...], self.patch_bias[...], self.positions[...])
        blocks = list(self.blocks)
        for block in blocks[:-1]:
            x = block(x)
        token = self.norm(blocks[-1](x, queries=1)[:, 0])
        return dict.fromkeys(taps, token)


def _block(state: Mapping[str, np.ndarray], prefix: str, plan: DINOv2Plan) -> TransformerBlock:
    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        return state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"]

    tensors = BlockTensors(
        norm1=pair("norm1"),
        qkv=pair("attn.qkv"),
        out=pair("attn.proj"),
        norm2=pair("norm2"),
        expand=pair("mlp.fc1"),
        contract=pair("mlp.fc2"),
        gamma1=state[f"{prefix}ls1.gamma"],
        gamma2=state[f"{prefix}ls2.gamma"],
    )
    exact_gelu = functools.partial(jax.nn.gelu, approximate=False)
    return TransformerBlock(tensors, heads=plan.heads, activation=exact_gelu, epsilon=_EPSILON)
