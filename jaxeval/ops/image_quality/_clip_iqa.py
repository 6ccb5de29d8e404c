"""CLIP-IQA: which of two opposite descriptions CLIP finds the nearer to an image."""

from collections.abc import Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import root

# The paper's pairs, under the names that torchmetrics gives them (its "colorfullness" is misspelt there).
CLIP_IQA_PROMPTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "quality": ("Good photo.", "Bad photo."),
        "brightness": ("Bright photo.", "Dark photo."),
        "noisiness": ("Clean photo.", "Noisy photo."),
        "colourfulness": ("Colorful photo.", "Dull photo."),
        "sharpness": ("Sharp photo.", "Blurry photo."),
        "contrast": ("High contrast photo.", "Low contrast photo."),
        "complexity": ("Complex photo.", "Simple photo."),
        "natural": ("Natural photo.", "Synthetic photo."),
        "happy": ("Happy photo.", "Sad photo."),
        "scary": ("Scary photo.", "Peaceful photo."),
        "new": ("New photo.", "Old photo."),
        "warm": ("Warm photo.", "Cold photo."),
        "real": ("Real photo.", "Abstract photo."),
        "beautiful": ("Beautiful photo.", "Ugly photo."),
        "lonely": ("Lonely photo.", "Sociable photo."),
        "relaxing": ("Relaxing photo.", "Stressful photo."),
    }
)


@takes_arrays
def clip_iqa(*, images: Numbers, prompts: Numbers, logit_scale: float = 100.0) -> Float[Array, "n p"]:
    """Share of the first of two opposite texts in a softmax over both, by cosine to an image's embedding.

    Args:
      images: CLIP's embeddings of images, [N, D], of any length but 0.
      prompts: its embeddings of P pairs of opposite texts, [P, 2, D] (docs/image_quality.md).
      logit_scale: what cosines are multiplied by; torchmetrics and piq take 100.

    Returns:
      [N, P] float32, from 0 to 1: higher is nearer to the first text. The paper reads CLIP's ResNet-50 without
      positions; over the vision transformers it is the number of torchmetrics with those models.

    Raises:
      InputError: shapes that do not fit.

    Reference: Wang, Chan, Loy, "Exploring CLIP for assessing the look and feel of images", AAAI 2023.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> images = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # embeddings
      >>> prompts = np.array([[[1.0, 0.0], [0.0, 1.0]]])  # of one pair of texts
      >>> print(np.asarray(image_quality.clip_iqa(images=images, prompts=prompts)[:, 0]).round(2))
      [1.  0.  0.5]
    """
    if images.ndim != 2 or prompts.ndim != 3 or prompts.shape[1:] != (2, images.shape[1]):
        raise InputError(
            f"clip_iqa: images of shape {tuple(images.shape)} and prompts of {tuple(prompts.shape)}; [N, D] and "
            "[P, 2, D], embedded by the same CLIP, are expected"
        )
    unit_images, unit_prompts = (_unit(jnp.asarray(e, jnp.float32)) for e in (images, prompts))
    cosines = jnp.einsum("nd,pad->npa", unit_images, unit_prompts, precision=lax.Precision.HIGHEST)
    return jax.nn.softmax(logit_scale * cosines, axis=-1)[..., 0]


def _unit(embeddings: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    return embeddings / root((embeddings * embeddings).sum(-1, keepdims=True))
