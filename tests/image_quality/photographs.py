"""scikit-image's photographs and what may happen to them: pairs on which metrics are compared."""

import io

import numpy as np
import scipy.ndimage
import skimage.data
from PIL import Image

COLOUR = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "hubble_deep_field", "retina")
GRAY = ("camera", "moon", "coins", "page", "brick", "grass")


def photograph(name: str, height: int | None = None, width: int | None = None) -> np.ndarray:
    """A photograph, or the middle of it, as uint8 [H, W, C]."""
    image = getattr(skimage.data, name)()
    image = image[..., None] if image.ndim == 2 else image
    top, left = ((image.shape[i] - (size or image.shape[i])) // 2 for i, size in enumerate((height, width)))
    return np.ascontiguousarray(image[top : top + (height or image.shape[0]), left : left + (width or image.shape[1])])


def jpeg(image: np.ndarray, strength: float) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, format="JPEG", quality=int(90 - 16 * strength))
    return np.asarray(Image.open(file)).reshape(image.shape)


def noise(image: np.ndarray, strength: float) -> np.ndarray:
    draws = np.random.default_rng(7).standard_normal(image.shape)
    return np.clip(image + 6 * strength * draws, 0, 255).astype(np.uint8)


def blur(image: np.ndarray, strength: float) -> np.ndarray:
    spread = (0.5 * strength, 0.5 * strength, 0)
    return np.clip(np.rint(scipy.ndimage.gaussian_filter(image.astype(float), spread)), 0, 255).astype(np.uint8)


def brightness(image: np.ndarray, strength: float) -> np.ndarray:
    return np.clip(image.astype(int) + int(9 * strength), 0, 255).astype(np.uint8)


DISTORTIONS = {"jpeg": jpeg, "noise": noise, "blur": blur, "brightness": brightness}


def pairs(size: tuple[int | None, int | None] = (None, None), names=("astronaut", "camera", "chelsea")):
    """(label, reference, distorted), a distortion of every kind for each photograph, at several strengths."""
    for name in names:
        reference = photograph(name, *size)
        for i, (kind, distort) in enumerate(DISTORTIONS.items()):
            strength = 1 + (i + len(name)) % 4
            yield f"{name} {kind} {strength}", reference, distort(reference, strength)
