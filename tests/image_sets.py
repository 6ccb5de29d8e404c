"""Small sets of real pictures for the tests: seeded crops of scikit-image's photographs."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image


@functools.cache
def _photographs() -> tuple[np.ndarray, ...]:
    from skimage import data

    return data.astronaut(), data.coffee(), data.chelsea(), data.rocket()


def crops(count: int, size: tuple[int, int] = (16, 16), seed: int = 0) -> np.ndarray:
    """Random crops, [count, *size, 3] uint8."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        photograph = _photographs()[rng.integers(len(_photographs()))]
        top, left = (rng.integers(0, photograph.shape[axis] - size[axis] + 1) for axis in (0, 1))
        found.append(photograph[top : top + size[0], left : left + size[1]])
    return np.stack(found)


def write_pngs(folder: Path, images: np.ndarray) -> Path:
    """One PNG an image, named by its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:05d}.png")
    return folder
