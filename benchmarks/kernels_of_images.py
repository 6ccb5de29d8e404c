"""Kernels on images: similarities of pairs, and the networks that turn images into features."""

import functools
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.kernel import OURS, Goal, Kernel, Run, Size
from benchmarks.peers import save_torch_checkpoint, torch_device, torch_module
from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.ops import image_quality


def pictures(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Images with the spectrum of photographs, [count, height, width, 3] uint8."""
    rng = np.random.default_rng(seed)
    made = np.zeros((count, height, width, 3), np.float32)
    for octave in range(2, 1 + int(np.log2(min(height, width)))):
        cells = 2**octave
        grid = rng.standard_normal((count, cells, cells, 3)).astype(np.float32) / cells
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        made += grid[:, rows][:, :, columns]
    made = (made - made.mean()) / made.std() * 45 + 128
    return made.clip(0, 255).astype(np.uint8)


def random_weights(network: str, seed: int) -> dict[str, np.ndarray]:
    """Every tensor of a network's checkpoint with values that keep activations of order one, float32.

    Arithmetic takes as long as with the published weights, which cannot be shipped.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in CATALOGUE[network].shapes().items():
        if name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, shape)
        elif name.endswith(("running_mean", "bias")):
            values = rng.normal(0, 0.2, shape)
        elif len(shape) == 1:
            values = rng.uniform(0.8, 1.2, shape)
        else:
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)  # CLIP has a tensor of no axes
    return state


def import_random_weights(network: str, folder: Path, seed: int = 0) -> Path:
    """A weights folder that holds `random_weights`."""
    import safetensors.numpy

    path = folder / "random.safetensors"
    safetensors.numpy.save_file(random_weights(network, seed), path)
    WeightsStore(folder / "weights").import_file(network, path, unverified=True)
    return folder / "weights"


def _pairs(size: Size) -> tuple[np.ndarray, np.ndarray]:
    x, y = (pictures(size["n"], size["side"], size["side"], seed).astype(np.float32) / 255 for seed in (0, 1))
    return x, 0.8 * x + 0.2 * y


def _ours(op: Callable[..., Any]) -> Callable[[Size], Run]:
    def make(size: Size) -> Run:
        x, y = map(jax.numpy.asarray, _pairs(size))
        compiled = jax.jit(functools.partial(op, data_range=1.0))
        return lambda: float(compiled(x, y).mean())

    return make


def _torch_pairs(size: Size) -> tuple[Any, Any]:
    torch, device = torch_module(), torch_device()
    planes = (np.ascontiguousarray(part.transpose(0, 3, 1, 2)) for part in _pairs(size))
    x, y = (torch.from_numpy(part).to(device) for part in planes)
    return x, y


def _torchmetrics(name: str) -> Callable[[Size], Run]:
    def make(size: Size) -> Run:
        x, y = _torch_pairs(size)
        from torchmetrics.functional import image

        op = getattr(image, name)

        def run() -> None:
            float(op(x, y, data_range=1.0))

        return run

    return make


def _pytorch_msssim(name: str) -> Callable[[Size], Run]:
    def make(size: Size) -> Run:
        x, y = _torch_pairs(size)
        import pytorch_msssim

        op = getattr(pytorch_msssim, name)
        return lambda: float(op(x, y, data_range=1.0))

    return make


def _dm_pix(size: Size) -> Run:
    x, y = map(jax.numpy.asarray, _pairs(size))
    compiled = jax.jit(importlib.import_module("dm_pix").ssim)
    return lambda: float(compiled(x, y).mean())


def _network(name: str, side: int) -> Callable[[Size], Run]:
    def make(size: Size) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            network = load_extractor(name, weights_dir=import_random_weights(name, Path(folder)))
        images = pictures(size["n"], side, side, 0)
        batches = np.split(images, size["n"] // size["batch"])
        # Features of the first are fetched while the second is under way, as in an evaluation.
        return lambda: float(np.mean([np.asarray(part[network.default_tap]) for part in map(network, batches)]))

    return make


def _inception_fidelity(channels_last: bool) -> Callable[[Size], Run]:
    def make(size: Size) -> Run:
        torch, device = torch_module(), torch_device()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        with tempfile.TemporaryDirectory() as folder:
            path = save_torch_checkpoint(random_weights("inception", 0), Path(folder) / "random.pth")
            network: Any = FeatureExtractorInceptionV3("network", ["2048"], feature_extractor_weights_path=str(path))
        network = network.to(device)
        images = torch.from_numpy(pictures(size["n"], 299, 299, 0).transpose(0, 3, 1, 2).copy())
        if channels_last:
            network = network.to(memory_format=torch.channels_last)  # its first convolution turns the images

        def run() -> float:
            with torch.inference_mode():
                batches = images.split(size["batch"])
                return float(np.mean([network(part.to(device))[0].cpu().numpy() for part in batches]))

        return run

    return make


def _similarity_work(size: Size) -> float:
    # The least there is to move: both images, once.
    return 2.0 * size["n"] * size["side"] ** 2 * 3 * 4


_SIMILARITY: dict[str, Any] = {
    "sizes": {"small": {"n": 8, "side": 256}, "paper": {"n": 32, "side": 256}},
    "work": _similarity_work,
    "rate": "copy",
    "images": lambda size: size["n"],
}

KERNELS = (
    Kernel(
        name="ssim",
        title="SSIM of {n} pairs {side} x {side} x 3",
        contenders={
            OURS: _ours(image_quality.ssim),
            "torchmetrics": _torchmetrics("structural_similarity_index_measure"),
            "pytorch_msssim": _pytorch_msssim("ssim"),
            "dm-pix": _dm_pix,
        },
        goal=Goal(ratio=20, peer="torchmetrics"),
        alike=1e-5,
        remark="torchmetrics reflects at the borders; the others leave them out",
        **_SIMILARITY,
    ),
    Kernel(
        name="ms-ssim",
        title="MS-SSIM of {n} pairs {side} x {side} x 3",
        contenders={
            OURS: _ours(image_quality.ms_ssim),
            "torchmetrics": _torchmetrics("multiscale_structural_similarity_index_measure"),
            "pytorch_msssim": _pytorch_msssim("ms_ssim"),
        },
        goal=Goal(ratio=20, peer="torchmetrics"),
        alike=1e-5,
        **_SIMILARITY,
    ),
    Kernel(
        name="inception",
        title="FID Inception features of {n} images 299 x 299, batches of {batch}",
        sizes={"small": {"n": 16, "batch": 8}, "paper": {"n": 64, "batch": 32}},
        contenders={
            OURS: _network("inception", 299),
            "torch-fidelity": _inception_fidelity(False),
            "torch-fidelity, channels last": _inception_fidelity(True),
        },
        work=lambda size: 11.4e9 * size["n"],  # 5.7 thousand million multiplications and additions an image
        rate="gemm_f32",
        goal=Goal(ratio=2.5, peer="torch-fidelity"),
        images=lambda size: size["n"],
        alike=1e-4,
    ),
    Kernel(
        name="lite0",
        title="EfficientNet-Lite0 features of {n} images 224 x 224, batches of {batch}",
        sizes={"small": {"n": 32, "batch": 16}, "paper": {"n": 256, "batch": 32}},
        contenders={OURS: _network("lite0", 224)},
        work=lambda size: 0.8e9 * size["n"],
        rate="gemm_f32",
        images=lambda size: size["n"],
        remark="no package of the network to compare with",
    ),
)
