"""What networks do to pixel values before their first layer."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Channels = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """What a network does to pixel values in 0..255 before its first layer: `(x - offset) * scale`.

    Attributes:
        offset: one number, or one for each of red, green and blue.
        scale: the same.
    """

    offset: float | Channels
    scale: float | Channels

    def __call__(self, images: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The images after the offset and the scale."""
        offset, scale = (
            jnp.asarray(np.asarray(part, np.float32)) if isinstance(part, tuple) else part
            for part in (self.offset, self.scale)
        )
        return (images - offset) * scale


def _of_unit_range(mean: Channels, deviation: Channels) -> Normalisation:
    red, green, blue = mean
    return Normalisation(
        (255 * red, 255 * green, 255 * blue),
        (1 / (255 * deviation[0]), 1 / (255 * deviation[1]), 1 / (255 * deviation[2])),
    )


IMAGENET_NORMALISATION = _of_unit_range((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP_NORMALISATION = _of_unit_range((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
