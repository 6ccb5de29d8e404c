"""Makes the quickstart's five sets of PNG images out of Fashion-MNIST, or of scikit-learn's digits without it.

    python scripts/prepare_data.py FOLDER

`reference` and `held-out` are disjoint random real images; `blurred` and `noisy` are the held-out ones, spoilt;
`one-class` shows a single kind of thing, as a generator does whose modes have collapsed.
"""

import gzip
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

_INSTALLED = Path("/usr/share/datasets/fashion-mnist")
_PER_SET = 1300
_BLUR = 1.0  # standard deviation, pixels
_NOISE = 32.0  # standard deviation, grey levels


def load_real() -> tuple[str, np.ndarray, np.ndarray]:
    """Name, images [N, H, W] uint8 and labels [N] of the best real data within reach."""
    for attempt in (_from_debian, _from_tfds):
        found = attempt()
        if found is not None:
            return "Fashion-MNIST", *found
    print("Fashion-MNIST is out of reach (no Debian package, no download): using scikit-learn's 8 x 8 digits")
    return "digits", *_from_scikit_learn()


def _from_debian() -> tuple[np.ndarray, np.ndarray] | None:
    if _INSTALLED.is_dir():
        return _read_idx(_INSTALLED)
    if shutil.which("apt-get") is None:
        return None
    print("fetching Fashion-MNIST (Debian package dataset-fashion-mnist, 31 MB) ...", flush=True)
    # Downloaded and unpacked, not installed: that needs no rights on the machine.
    with tempfile.TemporaryDirectory() as folder:
        # apt's own sandbox user has to be able to write here.
        Path(folder).chmod(0o777)
        download = ["apt-get", "download", "dataset-fashion-mnist"]
        if subprocess.run(download, cwd=folder, capture_output=True).returncode != 0:
            subprocess.run(["apt-get", "update"], capture_output=True)  # a fresh machine has no package lists
            if subprocess.run(download, cwd=folder, capture_output=True).returncode != 0:
                return None
        (package,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        return _read_idx(Path(folder) / _INSTALLED.relative_to("/"))


def _read_idx(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for part in ("train", "t10k"):
        images.append(_idx(folder / f"{part}-images-idx3-ubyte.gz"))
        labels.append(_idx(folder / f"{part}-labels-idx1-ubyte.gz"))
    return np.concatenate(images), np.concatenate(labels)


def _idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _from_tfds() -> tuple[np.ndarray, np.ndarray] | None:
    import tensorflow_datasets as tfds

    print("fetching Fashion-MNIST through TensorFlow Datasets ...", flush=True)
    try:
        examples = tfds.data_source("fashion_mnist", split="train+test")
    except Exception as error:  # whatever a download can fail with: the next source takes over
        print(f"  not possible: {type(error).__name__}")
        return None
    pairs = [(example["image"][..., 0], example["label"]) for example in examples]
    images, labels = zip(*pairs, strict=True)
    return np.stack(images), np.asarray(labels)


def _from_scikit_learn() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "scikit-learn"], check=True)
        from sklearn.datasets import load_digits
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target


def make_sets(images: np.ndarray, labels: np.ndarray) -> dict[str, list[Image.Image]]:
    """The five sets, each of the same size and none sharing an image with the reference."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    size = min(_PER_SET, len(images) // 3)
    reference, held_out, rest = order[:size], order[size : 2 * size], order[2 * size :]
    kinds, counts = np.unique(labels[rest], return_counts=True)
    one_class = rest[labels[rest] == kinds[counts.argmax()]][:size]
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
    settings = {"per_set": _PER_SET, "blur": _BLUR, "noise": _NOISE}
    if record.exists() and json.loads(record.read_text())["settings"] == settings:
        return
    name, images, labels = load_real()
    sets = make_sets(images, labels)
    for kind, pictures in sets.items():
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            picture.save(folder / kind / f"{number:05d}.png")
    contact_sheet(sets).save(folder / "samples.png")
    counts = {kind: len(pictures) for kind, pictures in sets.items()}
    record.write_text(json.dumps({"data": name, "settings": settings, "images": counts}, indent=1))
    print(f"{name}: {', '.join(f'{kind} {count:,}' for kind, count in counts.items())}")


if __name__ == "__main__":
    main()
