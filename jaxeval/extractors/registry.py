"""Extractors by name."""

import os
import re
from collections.abc import Mapping
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from jaxeval.errors import InputError
from jaxeval.extractors.efficientnet_lite import LITE0_SIZE, LITE0_TAPS, EfficientNetLite0
from jaxeval.extractors.extractor import Extractor, Normalisation
from jaxeval.extractors.inception import INCEPTION_SIZE, INCEPTION_TAPS, InceptionV3
from jaxeval.extractors.store import LoadedWeights, WeightsStore
from jaxeval.extractors.weightless import pixels, random_convolutions

__all__ = ["extractor_names", "load_extractor"]


def extractor_names() -> tuple[str, ...]:
    """Every name that `load_extractor` knows."""
    return ("inception", "lite0", "pixels", "random-conv")


def load_extractor(name: str, *, weights_dir: str | os.PathLike[str] | None = None, seed: int = 0) -> Extractor:
    """The extractor of that name, with its weights.

    Args:
        name: one of `extractor_names()`; `random-conv-7` is `random-conv` with seed 7.
        weights_dir: the weights folder; by default `WeightsStore`'s own.
        seed: of random weights.

    Raises:
        InputError: unknown name.
        WeightsMissingError: its weights are not there; the message says which commands get them.
        WeightsError: its weights are damaged.
    """
    if name == "pixels":
        return pixels()
    seeded = re.fullmatch(r"random-conv(?:-(\d+))?", name)
    if seeded:
        return random_convolutions(seed if seeded[1] is None else int(seeded[1]))
    if name == "inception":
        weights = WeightsStore(weights_dir).open(name)
        return _from_network(
            InceptionV3(weights.tensors),
            weights,
            name=name,
            image_size=INCEPTION_SIZE,
            resize="tf1-bilinear",
            normalisation=Normalisation(128.0, 1 / 128),
            taps=INCEPTION_TAPS,
            default_tap="2048",
            description="FID Inception v3",
        )
    if name == "lite0":
        weights = WeightsStore(weights_dir).open(name)
        return _from_network(
            EfficientNetLite0(weights.tensors),
            weights,
            name=name,
            image_size=LITE0_SIZE,
            resize="pil-bicubic-uint8",
            normalisation=Normalisation(127.0, 1 / 128),
            taps=LITE0_TAPS,
            default_tap="1280",
            description="EfficientNet-Lite0, ImageNet-1k",
        )
    raise InputError(f"unknown extractor {name!r}: choose one of {', '.join(extractor_names())}")


def _from_network(
    network: nnx.Module, weights: LoadedWeights, *, name: str, taps: Mapping[str, int], **facts: Any
) -> Extractor:
    graph, params = nnx.split(network)

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        return nnx.merge(graph, params)(images, taps)  # pyright: ignore[reportCallIssue]  (both networks are callable)

    return Extractor(
        name=name,
        taps=dict(taps),
        params=params,
        forward=forward,
        weights_hash=weights.sha256,
        weights_published=weights.published,
        fingerprint=f"{name}:1:{weights.sha256}",
        **facts,
    )
