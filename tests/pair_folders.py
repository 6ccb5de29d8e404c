"""Folders of pairs for the tests: crops of photographs, and copies that are noisy, dark or equal."""

from pathlib import Path

import numpy as np
from image_sets import crops
from PIL import Image


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + draws), 0, np.iinfo(image.dtype).max).astype(image.dtype)


def reference_images() -> dict[str, np.ndarray]:
    """Five of one size, two of another, a gray one and a gray one of 16 bits; one lies in a folder of its own."""
    found = {f"a{i}": image for i, image in enumerate(crops(4, (13, 12), 5))}
    found["sub/a0"] = crops(1, (13, 12), 6)[0]
    found |= {f"b{i}": image for i, image in enumerate(crops(2, (12, 17), 7))}
    found["gray"] = crops(1, (13, 12), 8)[0, :, :, 0]
    found["wide"] = crops(1, (13, 12), 9)[0, :, :, 0].astype(np.uint16) * 257
    return found


def write_pairs(root: Path) -> tuple[Path, Path, Path]:
    """`reference`, and `little` and `much` noise; the images of `much` are TIFFs."""
    folders = root / "reference", root / "little", root / "much"
    for number, (name, image) in enumerate(reference_images().items()):
        scale = 257 if image.dtype == np.uint16 else 1
        save(folders[0] / f"{name}.png", image)
        save(folders[1] / f"{name}.png", noisy(image, (2 + number) * scale, number))
        save(folders[2] / f"{name}.tiff", noisy(image, (20 + number) * scale, number))
    return folders
