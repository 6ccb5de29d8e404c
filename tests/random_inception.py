"""Seeded random weights for the FID Inception network, in pytorch-fid's naming, made with NumPy alone.

The table of layers is written out by hand here, away from the library's own, so that the two check one another.
He-like convolutions and batch statistics near the true ones keep activations of order one from the first layer to the
last; the statistics are far enough from (0, 1) that a batch norm that is folded wrongly shows.

    save_random_inception(tmp_path / "random.safetensors", seed=7)
    WeightsStore(tmp_path / "weights").import_file("inception", tmp_path / "random.safetensors", unverified=True)
"""

from pathlib import Path

import numpy as np

from jaxeval.extractors import WeightsStore


def _block_a(inputs, pool):
    return [
        ("branch1x1", inputs, 64, 1, 1),
        ("branch5x5_1", inputs, 48, 1, 1),
        ("branch5x5_2", 48, 64, 5, 5),
        ("branch3x3dbl_1", inputs, 64, 1, 1),
        ("branch3x3dbl_2", 64, 96, 3, 3),
        ("branch3x3dbl_3", 96, 96, 3, 3),
        ("branch_pool", inputs, pool, 1, 1),
    ]


def _block_b(inputs):
    return [
        ("branch3x3", inputs, 384, 3, 3),
        ("branch3x3dbl_1", inputs, 64, 1, 1),
        ("branch3x3dbl_2", 64, 96, 3, 3),
        ("branch3x3dbl_3", 96, 96, 3, 3),
    ]


def _block_c(inputs, middle):
    return [
        ("branch1x1", inputs, 192, 1, 1),
        ("branch7x7_1", inputs, middle, 1, 1),
        ("branch7x7_2", middle, middle, 1, 7),
        ("branch7x7_3", middle, 192, 7, 1),
        ("branch7x7dbl_1", inputs, middle, 1, 1),
        ("branch7x7dbl_2", middle, middle, 7, 1),
        ("branch7x7dbl_3", middle, middle, 1, 7),
        ("branch7x7dbl_4", middle, middle, 7, 1),
        ("branch7x7dbl_5", middle, 192, 1, 7),
        ("branch_pool", inputs, 192, 1, 1),
    ]


def _block_d(inputs):
    return [
        ("branch3x3_1", inputs, 192, 1, 1),
        ("branch3x3_2", 192, 320, 3, 3),
        ("branch7x7x3_1", inputs, 192, 1, 1),
        ("branch7x7x3_2", 192, 192, 1, 7),
        ("branch7x7x3_3", 192, 192, 7, 1),
        ("branch7x7x3_4", 192, 192, 3, 3),
    ]


def _block_e(inputs):
    return [
        ("branch1x1", inputs, 320, 1, 1),
        ("branch3x3_1", inputs, 384, 1, 1),
        ("branch3x3_2a", 384, 384, 1, 3),
        ("branch3x3_2b", 384, 384, 3, 1),
        ("branch3x3dbl_1", inputs, 448, 1, 1),
        ("branch3x3dbl_2", 448, 384, 3, 3),
        ("branch3x3dbl_3a", 384, 384, 1, 3),
        ("branch3x3dbl_3b", 384, 384, 3, 1),
        ("branch_pool", inputs, 192, 1, 1),
    ]


_STEM = [
    ("Conv2d_1a_3x3", 3, 32, 3, 3),
    ("Conv2d_2a_3x3", 32, 32, 3, 3),
    ("Conv2d_2b_3x3", 32, 64, 3, 3),
    ("Conv2d_3b_1x1", 64, 80, 1, 1),
    ("Conv2d_4a_3x3", 80, 192, 3, 3),
]

_BLOCKS = {
    "Mixed_5b": _block_a(192, 32),
    "Mixed_5c": _block_a(256, 64),
    "Mixed_5d": _block_a(288, 64),
    "Mixed_6a": _block_b(288),
    "Mixed_6b": _block_c(768, 128),
    "Mixed_6c": _block_c(768, 160),
    "Mixed_6d": _block_c(768, 160),
    "Mixed_6e": _block_c(768, 192),
    "Mixed_7a": _block_d(768),
    "Mixed_7b": _block_e(1280),
    "Mixed_7c": _block_e(2048),
}


def random_inception_state_dict(seed: int, *, batches_tracked: bool = False) -> dict[str, np.ndarray]:
    """Every tensor of the published checkpoint, float32, with random values.

    Args:
        seed: two calls with one seed give the same arrays.
        batches_tracked: whether to add the int64 counters that newer torch writes beside each batch norm.
    """
    rng = np.random.default_rng(seed)
    layers = [*_STEM, *((f"{block}.{row[0]}", *row[1:]) for block, rows in _BLOCKS.items() for row in rows)]
    state: dict[str, np.ndarray] = {}
    for name, inputs, outputs, height, width in layers:
        scale = np.float32(np.sqrt(2.0 / (inputs * height * width)))
        state[f"{name}.conv.weight"] = rng.standard_normal((outputs, inputs, height, width), np.float32) * scale
        state[f"{name}.bn.weight"] = rng.uniform(0.8, 1.2, outputs).astype(np.float32)
        state[f"{name}.bn.bias"] = rng.normal(0.0, 0.2, outputs).astype(np.float32)
        state[f"{name}.bn.running_mean"] = rng.normal(0.0, 0.3, outputs).astype(np.float32)
        state[f"{name}.bn.running_var"] = rng.uniform(0.5, 1.5, outputs).astype(np.float32)
        if batches_tracked:
            state[f"{name}.bn.num_batches_tracked"] = np.array(1000, np.int64)
    state["fc.weight"] = rng.standard_normal((1008, 2048), np.float32) * np.float32(1 / np.sqrt(2048))
    state["fc.bias"] = rng.normal(0.0, 0.5, 1008).astype(np.float32)
    return state


def save_random_inception(path: Path, seed: int) -> Path:
    """Writes `random_inception_state_dict(seed)` as a safetensors file, ready for `WeightsStore.import_file`."""
    import safetensors.numpy

    safetensors.numpy.save_file(random_inception_state_dict(seed), path)
    return path


def random_inception_for_both(folder: Path, seed: int = 3) -> tuple[Path, Path]:
    """A torch checkpoint for the references, and a weights folder for jaxeval with the same numbers."""
    import torch

    checkpoint = folder / "random.pth"
    state = random_inception_state_dict(seed)
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, checkpoint)
    saved = save_random_inception(folder / "random.safetensors", seed)
    WeightsStore(folder / "store").import_file("inception", saved, unverified=True)
    return checkpoint, folder / "store"
