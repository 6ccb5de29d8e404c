"""Makes the quickstart's sets of images out of Fashion-MNIST, or of scikit-learn's digits without it.

    python -m scripts.prepare_data FOLDER [--quick]

`reference` and `held-out` are disjoint random real images that no generator learns from; `blurred` and `noisy` are the
held-out ones, spoilt; `one-class` shows a single kind of thing, as a generator does whose modes have collapsed.
`train.npy` holds what the generators learn from. `--quick`: sets of a sixth of the size.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from models.fashion_mnist import find_fashion_mnist

_PER_SET, _PER_SET_QUICK = 600, 100
_BLUR = 1.0  # standard deviation, pixels
_NOISE = 32.0  # standard deviation, gray levels


def load_real() -> tuple[str, np.ndarray, np.ndarray, int]:
    """Name, images [N, H, W] uint8 and labels [N] of the best real data within reach; the first so many to train on."""
    found = find_fashion_mnist()
    if found is not None:
        return "Fashion-MNIST", found.images, found.labels, found.train
    print("Fashion-MNIST is out of reach (no Debian package, no download): using scikit-learn's 8 x 8 digits")
    images, labels = _from_scikit_learn()
    return "digits", images, labels, len(images) // 3


def _from_scikit_learn() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "scikit-learn"], check=True)
        from sklearn.datasets import load_digits
    digits: Any = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target


def make_sets(images: np.ndarray, labels: np.ndarray, per_set: int) -> dict[str, list[Image.Image]]:
    """The five sets, of one size where there are enough, and none sharing an image with the reference."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    size = min(per_set, len(images) // 2)
    reference, held_out = order[:size], order[size : 2 * size]
    others = np.setdiff1d(order, reference)
    kinds, counts = np.unique(labels[others], return_counts=True)
    one_class = others[labels[others] == kinds[counts.argmax()]][:size]
    real = [Image.fromarray(image) for image in images[held_out]]
    noise = rng.normal(0.0, _NOISE, (size, *images.shape[1:]))
    noisy = np.clip(np.rint(images[held_out] + noise), 0, 255).astype(np.uint8)
    return {
        "reference": [Image.fromarray(image) for image in images[reference]],
        "held-out": real,
        "blurred": [image.filter(ImageFilter.GaussianBlur(_BLUR)) for image in real],
        "noisy": [Image.fromarray(image) for image in noisy],
        "one-class": [Image.fromarray(image) for image in images[one_class]],
    }


def contact_sheet(sets: dict[str, list[Image.Image]], columns: int = 16, zoom: int = 2) -> Image.Image:
    """A few images of every set, a row each, in the order of the sets."""
    width, height = next(iter(sets.values()))[0].size
    sheet = Image.new("L", (columns * width, len(sets) * height))
    for row, images in enumerate(sets.values()):
        for column, image in enumerate(images[:columns]):
            sheet.paste(image, (column * width, row * height))
    return sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST)


def main() -> None:
    """Writes the sets, unless a finished run has written the same before."""
    folder = Path(sys.argv[1])
    record = folder / "sets.json"
    per_set = _PER_SET_QUICK if "--quick" in sys.argv[2:] else _PER_SET
    settings = {"per_set": per_set, "blur": _BLUR, "noise": _NOISE}
    if record.exists() and json.loads(record.read_text())["settings"] == settings:
        return
    name, images, labels, train = load_real()
    sets = make_sets(images[train:], labels[train:], per_set)
    for kind, pictures in sets.items():
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            picture.save(folder / kind / f"{number:05d}.png")
    np.save(folder / "train.npy", images[:train, ..., None])
    contact_sheet(sets).save(folder / "samples.png")
    counts = {kind: len(pictures) for kind, pictures in sets.items()}
    record.write_text(
        json.dumps({"data": name, "settings": settings, "shape": [*images.shape[1:], 1], "images": counts}, indent=1)
    )
    print(f"{name}: {', '.join(f'{kind} {count:,}' for kind, count in counts.items())}")


if __name__ == "__main__":
    main()
