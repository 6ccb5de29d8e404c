"""Every network with random weights, in every way of running it, beside itself in float64 on the host."""

import functools
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import WAYS, Comparison, Finding, rows_for_devices
from benchmarks.kernels_of_images import import_random_weights, pictures
from benchmarks.wide import in_float64
from jaxeval.extractors.catalogue import CATALOGUE

_ALLOWED, _ALLOWED_OF_PERCEPTUAL = 1e-5, 1e-4  # of the largest value
_LIMITS = {"small": 24, "full": 1000}
_PERCEPTUAL = {"lpips-alex": "alexnet", "lpips-squeeze": "squeezenet", "lpips-vgg16": "vgg16", "dists": "vgg16"}
_ANY_SIDE = 32  # of images for a network that takes all sizes


@functools.cache
def millions() -> dict[str, int]:
    """Every network with its parameters in millions, to begin with the small ones."""
    from jaxeval.extractors import extractor_names, trunk_names

    def count(name: str) -> int:
        shapes = CATALOGUE[name].shapes() if name in CATALOGUE else {}
        return sum(map(math.prod, shapes.values())) + (count(_PERCEPTUAL[name]) if name in _PERCEPTUAL else 0)

    found = {name: count(name) for name in dict.fromkeys([*extractor_names(), *trunk_names(), *_PERCEPTUAL])}
    return {name: round(size / 1e6) for name, size in sorted(found.items(), key=lambda item: item[1])}


def comparisons(scale: str) -> Iterator[Comparison]:
    """The smallest network first; jit of all, then the other ways of those that are worth it."""
    for name in (name for name, size in millions().items() if size <= _LIMITS[scale]):
        yield Comparison(name, "jit", functools.partial(_of_network, name, ("jit",)))
    others = tuple(way for way in WAYS if way != "jit")
    for name in ("lite0",) if scale == "small" else ("lite0", "inception", "dinov2-vit-b-14"):
        yield Comparison(name, "other ways", functools.partial(_of_network, name, others))


def left_out(scale: str) -> dict[str, str]:
    """Networks that this scale leaves out, and why."""
    limit = _LIMITS[scale]
    return {
        name: f"{size} million parameters, over {limit} million of this scale"
        for name, size in millions().items()
        if size > limit
    }


def _of_network(name: str, ways: tuple[str, ...]) -> Iterator[Finding]:
    function, params, side = _network(name)
    rows = (pictures(rows_for_devices(2), side, side, 0).astype(np.float32),)
    perceptual = name in _PERCEPTUAL
    if perceptual:
        rows += ((0.8 * rows[0] + 0.2 * pictures(len(rows[0]), side, side, 1)).astype(np.float32),)
    expected = in_float64(function, params, *rows)
    allowed = (_ALLOWED_OF_PERCEPTUAL if perceptual else _ALLOWED) * np.abs(expected).max()
    for way in ways:
        found = np.asarray(WAYS[way](function, params, rows))
        yield Finding(way, found, expected, allowed, "the network in float64 on the host")


def _network(name: str) -> tuple[Any, Any, int]:
    """`function(params, *images)`, its parameters, and the side of the images."""
    from jaxeval import extractors

    if name in extractors.extractor_names() and name not in CATALOGUE:
        network = extractors.load_extractor(name)
        return _features(network), network.params, _side(network)
    with tempfile.TemporaryDirectory() as holder:
        folder = Path(holder)
        if name in _PERCEPTUAL:
            import_random_weights(_PERCEPTUAL[name], folder)
            weights = import_random_weights(name, folder)
            distance: Any
            if name == "dists":
                distance = extractors.load_dists(weights_dir=weights)
            else:
                distance = extractors.load_lpips(name.removeprefix("lpips-"), weights_dir=weights)
            return (lambda params, x, y: distance.forward(params, x, y)), distance.params, 64
        weights = import_random_weights(name, folder)
        if name in extractors.extractor_names():
            network = extractors.load_extractor(name, weights_dir=weights)
            return _features(network), network.params, _side(network)
        trunk = extractors.load_trunk(name, weights_dir=weights)
        deepest = list(trunk.maps)[-1]

        def maps(params: Any, images: Any) -> Any:
            return trunk.forward(params, trunk.normalisation(images), (deepest,))[deepest]

        return maps, trunk.params, 64


def _side(network: Any) -> int:
    return _ANY_SIDE if network.image_size is None else network.image_size[0]


def _features(network: Any) -> Any:
    tap = network.default_tap
    return lambda params, images: network.forward(params, network.normalisation(images), (tap,))[tap]
