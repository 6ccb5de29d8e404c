"""The registry: extractors and convolutional trunks, loaded by name."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval._arguments import text
from jaxeval.errors import InputError
from jaxeval.extractors.alexnet import ALEXNET, AlexNetPlan
from jaxeval.extractors.clip import CLIPS, load_clip
from jaxeval.extractors.dinov2 import DINOV2_B14, DINOV2_L14, DINOV2_SIZE, DINOv2, DINOv2Plan
from jaxeval.extractors.efficientnet_lite import LITE0_SIZE, LITE0_TAPS, EfficientNetLite0
from jaxeval.extractors.extractor import Extractor
from jaxeval.extractors.inception import INCEPTION_LEAST_SIDE, INCEPTION_SIZE, INCEPTION_TAPS, InceptionV3
from jaxeval.extractors.normalisation import IMAGENET_NORMALISATION, Normalisation
from jaxeval.extractors.precision import in_float32
from jaxeval.extractors.preprocessing import ShortSideCrop
from jaxeval.extractors.squeezenet import SQUEEZENET, SqueezeNetPlan
from jaxeval.extractors.store import LoadedWeights, WeightsStore
from jaxeval.extractors.trunk import Trunk
from jaxeval.extractors.vgg import VGG, VGG16, VGG19, VGG_SIZE, VGGPlan
from jaxeval.extractors.weightless import pixels, random_convolutions

_WITHOUT_WEIGHTS = ("pixels", "random-conv")


@dataclasses.dataclass(frozen=True)
class _Network:
    """What makes an extractor of a network's weights; `facts` are the extractor's own attributes."""

    build: Callable[[Mapping[str, np.ndarray]], nnx.Module]
    taps: Mapping[str, int]
    facts: Mapping[str, Any]


def _dinov2(plan: DINOv2Plan, title: str) -> _Network:
    return _Network(
        build=lambda tensors: DINOv2(tensors, plan),
        taps=plan.taps,
        facts={
            "default_tap": "cls",
            "image_size": DINOV2_SIZE,
            "resize": "pil-bicubic-uint8",  # dgm-eval's
            "normalisation": IMAGENET_NORMALISATION,
            "family": "dinov2",
            "description": f"DINOv2 {title}",
            "prepare": ShortSideCrop(256, 224, "bicubic"),
        },
    )


_NETWORKS = {
    "inception": _Network(
        build=InceptionV3,
        taps=INCEPTION_TAPS,
        facts={
            "default_tap": "2048",
            "image_size": INCEPTION_SIZE,
            "least_side": INCEPTION_LEAST_SIDE,
            "resize": "tf1-bilinear",
            "normalisation": Normalisation(128.0, 1 / 128),
            "family": "inception",
            "description": "FID Inception v3",
        },
    ),
    "lite0": _Network(
        build=EfficientNetLite0,
        taps=LITE0_TAPS,
        facts={
            "default_tap": "1280",
            "image_size": LITE0_SIZE,
            "resize": "pil-bicubic-uint8",
            "normalisation": Normalisation(127.0, 1 / 128),
            "family": "lite0",
            "description": "EfficientNet-Lite0, ImageNet-1k",
        },
    ),
    "vgg16": _Network(
        build=lambda tensors: VGG(tensors, VGG16),
        taps=VGG16.taps,
        facts={
            "default_tap": "fc2_relu",
            "image_size": VGG_SIZE,
            "resize": "tf1-bilinear",  # torch-fidelity's, whose precision and recall are measured on it
            "normalisation": IMAGENET_NORMALISATION,
            "family": "vgg16",
            "description": "VGG16, ImageNet-1k",
            "prepare": ShortSideCrop(256, 224, "bilinear"),
        },
    ),
    "dinov2-vit-b-14": _dinov2(DINOV2_B14, "ViT-B/14"),
    "dinov2-vit-l-14": _dinov2(DINOV2_L14, "ViT-L/14"),
}

_TRUNKS: dict[str, VGGPlan | AlexNetPlan | SqueezeNetPlan] = {
    "alexnet": ALEXNET,
    "squeezenet": SQUEEZENET,
    "vgg16": VGG16,
    "vgg19": VGG19,
}


def extractor_names() -> tuple[str, ...]:
    """Every name that `load_extractor` knows.

    Example:
      >>> from jaxeval.extractors import extractor_names
      >>> "inception" in extractor_names(), "pixels" in extractor_names()
      (True, True)
    """
    return (*_NETWORKS, *CLIPS, *_WITHOUT_WEIGHTS)


def trunk_names() -> tuple[str, ...]:
    """The names of all trunks that `load_trunk` knows."""
    return tuple(_TRUNKS)


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

    Example:
        >>> import numpy as np
        >>> from jaxeval.extractors import load_extractor
        >>> pixels = load_extractor("pixels")  # has no weights; "inception" needs those of the network of 2015
        >>> images = np.zeros((2, 8, 8, 3), np.float32)
        >>> pixels.apply(pixels.params, images)[pixels.default_tap].shape
        (2, 192)
    """
    text("name", name, f"the name of an extractor: {', '.join(extractor_names())}")
    if name == "pixels":
        return pixels()
    seeded = re.fullmatch(r"random-conv(?:-(\d+))?", name)
    if seeded:
        return random_convolutions(seed if seeded[1] is None else int(seeded[1]))
    if name in CLIPS:
        return load_clip(name, weights_dir=weights_dir)
    if name not in _NETWORKS:
        raise InputError(f"unknown extractor {name!r}: choose one of {', '.join(extractor_names())}")
    network = _NETWORKS[name]
    weights = WeightsStore(weights_dir).open(name)
    return _from_network(network.build(weights.tensors), weights, name=name, taps=network.taps, **network.facts)


def load_trunk(name: str, *, weights_dir: str | os.PathLike[str] | None = None) -> Trunk:
    """The convolutional trunk of that name, with its weights; the classifier's weights are not kept.

    Args:
        name: one of `trunk_names()`.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: unknown name.
        WeightsMissingError: its weights are not there; the message says which commands get them.
        WeightsError: its weights are damaged.
    """
    text("name", name, f"the name of a trunk: {', '.join(trunk_names())}")
    if name not in _TRUNKS:
        raise InputError(f"unknown trunk {name!r}: choose one of {', '.join(trunk_names())}")
    plan = _TRUNKS[name]
    weights = WeightsStore(weights_dir).open(name)
    graph, params = nnx.split(plan.trunk(weights.tensors))

    def forward(params: Any, images: Float[Array, "b h w 3"], maps: tuple[str, ...]) -> dict[str, Any]:
        return nnx.merge(graph, in_float32(params))(images, maps)

    return Trunk(
        name=name,
        maps=plan.maps,
        least_sides=plan.least_sides,
        normalisation=IMAGENET_NORMALISATION,
        params=params,
        forward=forward,
        weights_hash=weights.sha256,
        weights_published=weights.published,
        description=f"convolutions of {name.upper()}, ImageNet-1k",
    )


def _from_network(
    network: nnx.Module, weights: LoadedWeights, *, name: str, taps: Mapping[str, int], **facts: Any
) -> Extractor:
    graph, params = nnx.split(network)

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        merged: Any = nnx.merge(graph, in_float32(params))
        return merged(images, taps)

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
