"""Fashion-MNIST, from wherever it can be had: the Debian package, or TensorFlow Datasets.

Reference: Xiao et al., "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms"
(arXiv:1708.07747).
"""

import gzip
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs
from jaxtyping import Int, UInt8

_INSTALLED = Path("/usr/share/datasets/fashion-mnist")


class FashionMnist(NamedTuple):
    """All images: the 60,000 of the training set first, then the 10,000 of the test set.

    Attributes:
      images: levels.
      labels: 0 to 9.
      train: how many of them are the training set.
    """

    images: UInt8[np.ndarray, "n 28 28"]
    labels: Int[np.ndarray, " n"]
    train: int


def find_fashion_mnist() -> FashionMnist | None:
    """The data set; None where it is neither installed nor to be downloaded."""
    for attempt in (_from_debian, _from_tfds):
        found = attempt()
        if found is not None:
            return found
    return None


def _from_debian() -> FashionMnist | None:
    kept = platformdirs.user_cache_path("jaxeval") / "fashion-mnist"
    for folder in (_INSTALLED, kept):
        if folder.is_dir():
            return _read_idx(folder)
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
        # Under another name first: a copy that is cut short must not be taken for the data set.
        half = kept.with_name(f".{kept.name}.{os.getpid()}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(Path(folder) / _INSTALLED.relative_to("/"), half)
        half.rename(kept)
        return _read_idx(kept)


def _read_idx(folder: Path) -> FashionMnist:
    images = [_idx(folder / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
    labels = [_idx(folder / f"{part}-labels-idx1-ubyte.gz") for part in ("train", "t10k")]
    return FashionMnist(np.concatenate(images), np.concatenate(labels).astype(np.int32), len(images[0]))


def _idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _from_tfds() -> FashionMnist | None:
    import tensorflow_datasets as tfds

    print("fetching Fashion-MNIST through TensorFlow Datasets ...", flush=True)
    try:
        parts: list[Any] = [tfds.data_source("fashion_mnist", split=split) for split in ("train", "test")]
    except Exception as error:  # whatever a download can fail with: the next source takes over
        print(f"  not possible: {type(error).__name__}")
        return None
    pairs = [(example["image"][..., 0], example["label"]) for part in parts for example in part]
    images, labels = zip(*pairs, strict=True)
    return FashionMnist(np.stack(images), np.asarray(labels, np.int32), len(parts[0]))
