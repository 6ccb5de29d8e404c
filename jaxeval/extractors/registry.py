"""The registry: extractors and convolutional trunks, loaded by name."""

import os
import re
from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from jaxeval._arguments import text
from jaxeval.errors import InputError
from jaxeval.extractors.alexnet import ALEXNET, AlexNetPlan
from jaxeval.extractors.clip import CLIPS, load_clip
from jaxeval.extractors.extractor import Extractor
from jaxeval.extractors.networks import NETWORKS, Network
from jaxeval.extractors.normalisation import IMAGENET_NORMALISATION
from jaxeval.extractors.precision import in_float32
from jaxeval.extractors.squeezenet import SQUEEZENET, SqueezeNetPlan
from jaxeval.extractors.store import WeightsStore
from jaxeval.extractors.trunk import Trunk
from jaxeval.extractors.vgg import VGG16, VGG19, VGGPlan
from jaxeval.extractors.weightless import pixels, random_convolutions

_WITHOUT_WEIGHTS = ("pixels", "random-conv")


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
    return (*NETWORKS, *CLIPS, *_WITHOUT_WEIGHTS)


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
    if name not in NETWORKS:
        raise InputError(f"unknown extractor {name!r}: choose one of {', '.join(extractor_names())}")
    return _from_network(NETWORKS[name], weights_dir)


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


def _from_network(network: Network, weights_dir: str | os.PathLike[str] | None) -> Extractor:
    weights = None if network.weights is None else WeightsStore(weights_dir).open(network.name)
    graph, params = nnx.split(network.build({} if weights is None else weights.tensors))
    digest = None if weights is None else weights.sha256

    def forward(params: Any, images: Float[Array, "b h w 3"], taps: tuple[str, ...]) -> dict[str, Float[Array, "b _"]]:
        merged: Any = nnx.merge(graph, in_float32(params))
        return merged(images, taps)

    return Extractor(
        name=network.name,
        image_size=network.image_size,
        resize=network.resize,
        normalisation=network.normalisation,
        taps=dict(network.taps),
        default_tap=network.default_tap,
        params=params,
        forward=forward,
        weights_hash=digest,
        weights_published=weights is not None and weights.published,
        fingerprint=f"{network.name}:1:{digest or ''}",
        description=network.description,
        prepare=network.prepare,
        least_side=network.least_side,
        family=network.family,
    )
