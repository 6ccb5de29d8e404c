"""CLIP's two networks, of images and of text, whose embeddings of a picture and its caption lie close together.

References: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, and its code,
whose tensor names are used here. Hugging Face's `CLIPModel` has the same tensors under other names.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxeval.extractors.precision import network_precision
from jaxeval.extractors.transformer import BlockTensors, LayerNorm, TransformerBlock, embed_patches, quick_gelu

_EPSILON = 1e-5


class ClipPlan(NamedTuple):
    """The shape of CLIP's image and text networks."""

    image_side: int
    patch: int
    image_width: int
    image_blocks: int
    text_width: int
    text_blocks: int
    embedding: int
    head: int = 64
    context: int = 77
    vocabulary: int = 49_408

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that the image network takes."""
        return self.image_side, self.image_side

    @property
    def taps(self) -> dict[str, int]:
        """The image network's taps: the feature size of each, by name."""
        return {"embedding": self.embedding}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the checkpoint, in torch's layout."""
        image, text = self.image_width, self.text_width
        return {
            "visual.class_embedding": (image,),
            "visual.positional_embedding": ((self.image_side // self.patch) ** 2 + 1, image),
            "visual.proj": (image, self.embedding),
            "visual.conv1.weight": (image, 3, self.patch, self.patch),
            "visual.ln_pre.weight": (image,),
            "visual.ln_pre.bias": (image,),
            **_block_shapes("visual.transformer.resblocks", self.image_blocks, image),
            "visual.ln_post.weight": (image,),
            "visual.ln_post.bias": (image,),
            "positional_embedding": (self.context, text),
            "token_embedding.weight": (self.vocabulary, text),
            **_block_shapes("transformer.resblocks", self.text_blocks, text),
            "ln_final.weight": (text,),
            "ln_final.bias": (text,),
            "text_projection": (text, self.embedding),
            "logit_scale": (),
        }

    def hugging_face_shapes(self) -> dict[str, tuple[int, ...]]:
        """The same under Hugging Face's names: query, key and value are apart, projections the other way round."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in self.shapes().items():
            for theirs in _hugging_face_names(name):
                thirds = (shape[0] // 3, *shape[1:]) if ".in_proj_" in name else shape
                shapes[theirs] = thirds[::-1] if name in _PROJECTIONS else thirds
        return shapes


CLIP_B32 = ClipPlan(224, 32, 768, 12, 512, 12, 512)
CLIP_L14 = ClipPlan(224, 14, 1024, 24, 768, 12, 768)
CLIP_L14_336 = ClipPlan(336, 14, 1024, 24, 768, 12, 768)


def _block_shapes(prefix: str, blocks: int, width: int) -> dict[str, tuple[int, ...]]:
    one = {
        "ln_1.weight": (width,),
        "ln_1.bias": (width,),
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "ln_2.weight": (width,),
        "ln_2.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
    }
    return {f"{prefix}.{number}.{name}": shape for number in range(blocks) for name, shape in one.items()}


_PROJECTIONS = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
_RENAMED = {
    **_PROJECTIONS,
    "logit_scale": "logit_scale",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
}
_RENAMED_PARTS = {
    "visual.transformer.resblocks": "vision_model.encoder.layers",
    "transformer.resblocks": "text_model.encoder.layers",
    "visual.ln_pre": "vision_model.pre_layrnorm",  # so spelt
    "visual.ln_post": "vision_model.post_layernorm",
    "ln_final": "text_model.final_layer_norm",
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def _hugging_face_names(name: str) -> tuple[str, ...]:
    if name in _RENAMED:
        return (_RENAMED[name],)
    for ours, theirs in _RENAMED_PARTS.items():
        name = name.replace(ours, theirs)
    if ".in_proj_" not in name:
        return (name,)
    return tuple(name.replace("attn.in_proj_", f"self_attn.{part}_proj.") for part in "qkv")


def from_hugging_face(tensors: Mapping[str, np.ndarray], plan: ClipPlan) -> dict[str, np.ndarray]:
    """The tensors of `plan.hugging_face_shapes()` under the names of `plan.shapes()`."""
    renamed = {}
    for name in plan.shapes():
        parts = [tensors[theirs] for theirs in _hugging_face_names(name)]
        array = np.concatenate(parts) if len(parts) > 1 else parts[0]
        renamed[name] = np.ascontiguousarray(array.T) if name in _PROJECTIONS else array
    return renamed


class ImageTower(nnx.Module):
    """The network of images.

    Args:
        state: at least the `visual.*` tensors of `plan.shapes()`, float32.
        plan: `CLIP_B32` or `CLIP_L14_336`.
    """

    def __init__(self, state: Mapping[str, np.ndarray], plan: ClipPlan):
        positions = state["visual.positional_embedding"].copy()
        positions[0] += state["visual.class_embedding"]
        self.positions = nnx.Param(jax.device_put(positions))
        self.patch_kernel = nnx.Param(jax.device_put(state["visual.conv1.weight"].transpose(2, 3, 1, 0)))
        self.before = _norm(state, "visual.ln_pre")
        blocks = _blocks(state, "visual.transformer.resblocks", plan.image_blocks, plan.image_width // plan.head)
        self.blocks = nnx.List(blocks)
        self.after = _norm(state, "visual.ln_post")
        self.projection = nnx.Param(jax.device_put(state["visual.proj"]))

    def __call__(self, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        """Features at `taps`: `embedding`, not normalised to length 1.

        Args:
            images: `[B, H, W, 3]` of the network's size, normalised.
            taps: the features to return.
        """
        x = self.before(embed_patches(images, self.patch_kernel[...], None, self.positions[...]))
        blocks = list(self.blocks)
        for block in blocks[:-1]:
            x = block(x)
        token = self.after(blocks[-1](x, queries=1)[:, 0])
        return dict.fromkeys(taps, jnp.matmul(token, self.projection[...], precision=network_precision()))


class TextTower(nnx.Module):
    """The network of text.

    Args:
        state: at least the tensors of `plan.shapes()` that are not `visual.*`, float32.
        plan: `CLIP_B32` or `CLIP_L14_336`.
    """

    def __init__(self, state: Mapping[str, np.ndarray], plan: ClipPlan):
        self.tokens = nnx.Param(jax.device_put(state["token_embedding.weight"]))
        self.positions = nnx.Param(jax.device_put(state["positional_embedding"]))
        self.blocks = nnx.List(_blocks(state, "transformer.resblocks", plan.text_blocks, plan.text_width // plan.head))
        self.after = _norm(state, "ln_final")
        self.projection = nnx.Param(jax.device_put(state["text_projection"]))

    def __call__(self, tokens: Int[Array, "b n"]) -> Float[Array, "b _"]:
        """Embeddings, not normalised to length 1, read at the first end-of-text token, the largest number there is.

        Args:
            tokens: `[B, N]`, N at most the context; what follows the end of a text changes nothing.
        """
        x = self.tokens[...][tokens] + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, causal=True)
        end = self.after(x[jnp.arange(len(tokens)), tokens.argmax(-1)])
        return jnp.matmul(end, self.projection[...], precision=network_precision())


def _norm(state: Mapping[str, np.ndarray], name: str) -> LayerNorm:
    return LayerNorm((state[f"{name}.weight"], state[f"{name}.bias"]), epsilon=_EPSILON)


def _blocks(state: Mapping[str, np.ndarray], prefix: str, count: int, heads: int) -> list[TransformerBlock]:
    return [_block(state, f"{prefix}.{number}.", heads) for number in range(count)]


def _block(state: Mapping[str, np.ndarray], prefix: str, heads: int) -> TransformerBlock:
    def pair(weight: str, bias: str) -> tuple[np.ndarray, np.ndarray]:
        return state[f"{prefix}{weight}"], state[f"{prefix}{bias}"]

    tensors = BlockTensors(
        norm1=pair("ln_1.weight", "ln_1.bias"),
        qkv=pair("attn.in_proj_weight", "attn.in_proj_bias"),
        out=pair("attn.out_proj.weight", "attn.out_proj.bias"),
        norm2=pair("ln_2.weight", "ln_2.bias"),
        expand=pair("mlp.c_fc.weight", "mlp.c_fc.bias"),
        contract=pair("mlp.c_proj.weight", "mlp.c_proj.bias"),
    )
    return TransformerBlock(tensors, heads=heads, activation=quick_gelu, epsilon=_EPSILON)
