"""The other implementations, each behind one function that imports it: a missing one is said and left out."""

import functools
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

# Contender -> the packages that it needs, the one whose version is stated first.
PACKAGES: dict[str, tuple[str, ...]] = {
    "torch-fidelity": ("torch_fidelity", "torch"),
    "torch-fidelity, channels last": ("torch_fidelity", "torch"),
    "scipy sqrtm": ("scipy",),
    "prdc": ("prdc", "sklearn"),
    "torchmetrics": ("torchmetrics", "torch"),
    "pytorch_msssim": ("pytorch_msssim", "torch"),
    "dm-pix": ("dm_pix",),
    "Pillow": ("PIL",),
    "choix": ("choix",),
    "evalica": ("evalica", "pandas"),
    "arena-rank": ("arena_rank", "pandas"),
}


def missing(contender: str) -> str | None:
    """Which package a contender lacks here."""
    absent = [name for name in PACKAGES.get(contender, ()) if importlib.util.find_spec(name) is None]
    return absent[0] if absent else None


def version(contender: str) -> str | None:
    """Of a contender's package."""
    if contender not in PACKAGES:
        return None
    module = PACKAGES[contender][0]
    name = {"sklearn": "scikit-learn", "PIL": "pillow", "arena_rank": "arena-rank"}.get(module, module)
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_module() -> Any:
    """Torch, with torchvision importable beside a build that it was not compiled for."""
    import torch

    _importable_torchvision()
    return torch


@functools.cache
def _importable_torchvision() -> Any:
    import torch

    try:
        importlib.import_module("torchvision")
        return None
    except ImportError:
        return None
    except RuntimeError:
        # Compiled for another build of torch, it registers fake kernels at import of operators that it could not load.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def torch_device() -> str:
    """Where torch computes what jaxeval computes on JAX's default device: on the same GPU where its build can."""
    return "cuda" if jax.default_backend() == "gpu" and torch_module().cuda.is_available() else "cpu"


class FidelityCommand:
    """The command `fidelity` in a process of its own: FID, KID and precision/recall of two folders."""

    _PROGRAM = (
        "from benchmarks.peers import torch_module; torch_module(); import torch_fidelity.fidelity as f; f.main()"
    )

    def __init__(
        self, weights: Path, generated: Path, reference: Path, subset_size: int, batch_size: int, subsets: int
    ):
        device = ["--cpu"] if torch_device() == "cpu" else ["--gpu", "0"]
        options = [
            *device,
            "--fid",
            "--kid",
            "--prc",
            "--json",
            "--silent",
            "--no-cache",
            "--kid-subsets",
            str(subsets),
        ]
        options += ["--kid-subset-size", str(subset_size), "--batch-size", str(batch_size)]
        # By default precision and recall are over VGG16, with these weights too.
        options += ["--feature-extractor", "inception-v3-compat", "--feature-extractor-weights-path", str(weights)]
        self.arguments = [
            sys.executable, "-W", "ignore", "-c", self._PROGRAM, *options,
            "--input1", str(generated), "--input2", str(reference),
        ]  # fmt: skip


def save_torch_checkpoint(state: dict[str, np.ndarray], path: Path) -> Path:
    """Tensors by name, as torch keeps them."""
    torch = torch_module()
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)
    return path
