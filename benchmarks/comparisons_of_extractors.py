"""Every network with random weights, in every way of running it, beside itself in float64 on the host."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import WAYS, Comparison, Finding, rows_for_devices
from benchmarks.kernels_of_images import import_random_weights, pictures
from benchmarks.wide import in_float64

_ALLOWED, _ALLOWED_OF_PERCEPTUAL = 1e-5, 1e-4  # of the largest value
# Parameters in millions, to begin with the small ones; those above the limit of a scale are left out by name.
_MILLIONS = {
    "pixels": 0,
    "random-conv": 0,
    "squeezenet": 1,
    "lpips-squeeze": 1,
    "lite0": 5,
    "inception": 24,
    "lpips-alex": 61,
    "alexnet": 61,
    "dinov2-vit-b-14": 87,
    "vgg16": 138,
    "lpips-vgg16": 138,
    "dists": 138,
    "vgg19": 144,
    "clip-vit-b-32": 151,
    "dinov2-vit-l-14": 304,
    "clip-vit-l-14-336": 428,
}
_LIMITS = {"small": 24, "full": 1000}
_SIDES = {"lite0": 224, "inception": 299, "clip-vit-l-14-336": 336}


def comparisons(scale: str) -> Iterator[Comparison]:
    """The smallest network first; jit of all, then the other ways of those that are worth it."""
    for name in (name for name, size in _MILLIONS.items() if size <= _LIMITS[scale]):
        yield Comparison(name, "jit", functools.partial(_of_network, name, ("jit",)))
    others = tuple(way for way in WAYS if way != "jit")
    for name in ("lite0",) if scale == "small" else ("lite0", "inception", "dinov2-vit-b-14"):
        yield Comparison(name, "other ways", functools.partial(_of_network, name, others))


def left_out(scale: str) -> dict[str, str]:
    """Networks that this scale leaves out, and why."""
    limit = _LIMITS[scale]
    return {
        name: f"{size} million parameters, over {limit} million of this scale"
        for name, size in _MILLIONS.items()
        if size > limit
    }


def _of_network(name: str, ways: tuple[str, ...]) -> Iterator[Finding]:
    function, params, side = _network(name)
    rows = (pictures(rows_for_devices(2), side, side, 0).astype(np.float32),)
    perceptual = "lpips" in name or name == "dists"
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

    if name in ("pixels", "random-conv"):
        network = extractors.load_extractor(name)
        return _features(network), network.params, 32
    with tempfile.TemporaryDirectory() as holder:
        folder = Path(holder)
        if name.startswith("lpips") or name == "dists":
            trunk = {"lpips-alex": "alexnet", "lpips-squeeze": "squeezenet"}.get(name, "vgg16")
            import_random_weights(trunk, folder)
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
            return _features(network), network.params, _SIDES.get(name, 224)
        trunk = extractors.load_trunk(name, weights_dir=weights)
        deepest = list(trunk.maps)[-1]

        def maps(params: Any, images: Any) -> Any:
            return trunk.forward(params, trunk.normalisation(images), (deepest,))[deepest]

        return maps, trunk.params, 64


def _features(network: Any) -> Any:
    tap = network.default_tap
    return lambda params, images: network.forward(params, network.normalisation(images), (tap,))[tap]
