"""The pairs of images that the package pyiqa carries, for which authors' own code was run, without importing it."""

import importlib.metadata

import numpy as np
from PIL import Image

NAMES = ("I03", "I04", "I06", "I08", "I19")


def published_pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Distorted and reference image as uint8, [H, W, 3]."""
    distribution = importlib.metadata.distribution("pyiqa")
    paths = (distribution.locate_file(f"ResultsCalibra/{kind}_dir/{name}.bmp") for kind in ("dist", "ref"))
    distorted, reference = (np.asarray(Image.open(str(path)).convert("RGB")) for path in paths)
    return distorted, reference
