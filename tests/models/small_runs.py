"""Data and configurations small enough to train within a test."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxeval.distributed import batch_mesh
from models.config import GanConfig, VaeConfig
from models.data import DataSet, Splits
from models.training_config import EvaluationConfig, GanTraining, RunConfig, VaeTraining

SHAPE = (12, 12, 1)
WATCHED = EvaluationConfig("pixels", images=20, every=3, manifold_every=1, validation=20, held_out=20, log_every=1)


def mesh_of(devices: int) -> Mesh:
    return batch_mesh(jax.devices()[:devices])


def rectangles(count: int, seed: int = 0, classes: int = 2) -> DataSet:
    """Bright rectangles on black: wide ones are class 0, high ones class 1."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, *SHAPE), np.uint8)
    labels = rng.integers(0, classes, count).astype(np.int32)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, 6, 2)
        height, width = (2, 6) if label == 0 else (6, 2)
        image[top : top + height, left : left + width] = rng.integers(100, 256)
    return DataSet("rectangles", images, labels)


def small_splits(count: int = 100) -> Splits:
    whole = rectangles(count + 40)
    parts = np.split(np.arange(len(whole)), [count, count + 20])
    return Splits(*(whole.take(part) for part in parts))


def gan_config(network: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    options = {"architecture": "dense", "width": 4, "latent_size": 5, **(network or {})}
    settings = {"steps": 6, "batch_size": 8, **training}
    return RunConfig(GanConfig(image_shape=SHAPE, **options), GanTraining(**settings), "rectangles", None, WATCHED)


def vae_config(network: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    options = {"architecture": "dense", "width": 4, "latent_size": 3, **(network or {})}
    settings = {"steps": 6, "batch_size": 8, **training}
    return RunConfig(VaeConfig(image_shape=SHAPE, **options), VaeTraining(**settings), "rectangles", None, WATCHED)


def with_evaluation(config: RunConfig, **changes: Any) -> RunConfig:
    return dataclasses.replace(config, evaluation=dataclasses.replace(config.evaluation, **changes))
