"""The measures of pairs that need weights, from LPIPS to CLIP-IQA, with the record of what was read."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval.extractors import (
    Clip,
    PerceptualDistance,
    WeightsStore,
    embed_prompts,
    load_brisque,
    load_clip,
    load_dists,
    load_ilniqe,
    load_lpips,
    load_niqe,
    load_nrqm,
)
from jaxeval.extractors.quality_files import BRISQUE_WEIGHTS, NIQE_WEIGHTS
from jaxeval.ops import image_quality as iq

Op = Callable[..., Any]
Folder = str | os.PathLike[str] | None

_AT_A_TIME = 16  # images that CLIP embeds together
_MOST_PIXELS = 1 << 20  # of each side at a time: VGG16's first maps of them are 256 MiB


@dataclasses.dataclass(frozen=True)
class LoadedOp:
    """An op whose options and weights are bound: `op(distorted[, reference], data_range=...)`, one value an image.

    Attributes:
      op: the same.
      weights: for the record, checksums of what was read and whether it is what was published; empty without weights.
      definition: whose number it is where the weights are the user's own; empty for the measure's own definition.
      any_size: the same number by a program that knows no sizes, for sets of images of many; None where there is none.
    """

    op: Op
    weights: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    definition: str = ""
    any_size: Op | None = None

    def __call__(self, *images: Any, data_range: float | None = None) -> Any:
        """The measure's value of each image, [N]."""
        return self.op(*images, data_range=data_range)


def lpips_op(network: str, weights_dir: Folder = None, *, convention: iq.LpipsConvention = "lpips") -> LoadedOp:
    """LPIPS over one of its networks; raises what `load_lpips` does."""
    return _distance(load_lpips(network, convention=convention, weights_dir=weights_dir))


def dists_op(weights_dir: Folder = None) -> LoadedOp:
    """DISTS with the weights in the weights folder; raises what `load_dists` does."""
    return _distance(load_dists(weights_dir=weights_dir))


def niqe_op(convention: iq.NiqeConvention, weights_dir: Folder = None, *, colour: iq.Colour = "own") -> LoadedOp:
    """NIQE with the model of a convention in the weights folder; raises what `load_niqe` does."""
    model = load_niqe(convention=convention, weights_dir=weights_dir)
    return _fitted(
        functools.partial(iq.niqe, model=model, colour=colour), NIQE_WEIGHTS[convention], convention, weights_dir
    )


def brisque_op(convention: iq.BrisqueConvention, weights_dir: Folder = None, *, colour: iq.Colour = "own") -> LoadedOp:
    """BRISQUE with the model of a convention in the weights folder; raises what `load_brisque` does."""
    model = load_brisque(convention=convention, weights_dir=weights_dir)
    return _fitted(
        functools.partial(iq.brisque, model=model, colour=colour), BRISQUE_WEIGHTS[convention], convention, weights_dir
    )


def ilniqe_op(weights_dir: Folder = None) -> LoadedOp:
    """IL-NIQE with the model in the weights folder; raises what `load_ilniqe` does."""
    return _fitted(functools.partial(iq.ilniqe, model=load_ilniqe(weights_dir=weights_dir)), "ilniqe", "", weights_dir)


def nrqm_op(weights_dir: Folder = None) -> LoadedOp:
    """NRQM with the model in the weights folder; raises what `load_nrqm` does."""
    return _fitted(functools.partial(iq.nrqm, model=load_nrqm(weights_dir=weights_dir)), "nrqm", "", weights_dir)


def perceptual_index_op(weights_dir: Folder = None) -> LoadedOp:
    """The perceptual index with both models in the weights folder; raises what `load_nrqm` and `load_niqe` do."""
    models = {
        "model": load_nrqm(weights_dir=weights_dir),
        "niqe_model": load_niqe(convention="matlab", weights_dir=weights_dir),
    }
    names = ("nrqm", NIQE_WEIGHTS["matlab"])
    parts = [_fitted(iq.perceptual_index, name, "", weights_dir) for name in names]
    return LoadedOp(
        functools.partial(iq.perceptual_index, **models),
        {name: part.weights for name, part in zip(names, parts, strict=True)},
        definition=" and ".join(part.definition for part in parts if part.definition),
    )


def clip_iqa_op(weights_dir: Folder = None, *, convention: str = "clip-vit-b-32") -> LoadedOp:
    """CLIP-IQA of the prompt `quality` over one of the CLIPs; raises what `load_clip` and `embed_prompts` do."""
    clip = load_clip(convention, weights_dir=weights_dir)
    record = {"convention": convention, "sha256": clip.weights_hash, "published": clip.weights_published}
    return LoadedOp(functools.partial(_likeness_to_quality, clip, embed_prompts(clip)), record)


def _likeness_to_quality(clip: Clip, prompts: Any, x: np.ndarray, *, data_range: float) -> Float[np.ndarray, " n"]:
    """CLIP-IQA of a batch [N, H, W, 3 or 1], each image prepared as CLIP's authors prepare photographs."""
    assert clip.prepare is not None
    levels = x if x.dtype == np.uint8 and data_range == 255 else np.clip(np.rint(x * (255.0 / data_range)), 0, 255)
    rgb = np.broadcast_to(levels, (*levels.shape[:3], 3)).astype(np.uint8)
    prepared = np.stack([clip.prepare(image) for image in rgb])
    found = [
        iq.clip_iqa(images=clip(prepared[start : start + _AT_A_TIME])["embedding"], prompts=prompts)[:, 0]
        for start in range(0, len(prepared), _AT_A_TIME)
    ]
    return np.concatenate([np.asarray(part, np.float64) for part in found])


def _distance(distance: PerceptualDistance) -> LoadedOp:
    return LoadedOp(
        functools.partial(_few_at_a_time, distance),
        {
            "trunk_sha256": distance.trunk_hash,
            "heads_sha256": distance.heads_hash,
            "published": distance.weights_published,
        },
    )


def _fitted(op: Op, name: str, convention: str, weights_dir: Folder) -> LoadedOp:
    found = WeightsStore(weights_dir).open(name)
    own = f"a model of your own ({found.sha256[:12]}, weights {name})"
    own += f", features by the convention {convention}" if convention else ""
    record = {"sha256": found.sha256, "published": found.published}
    record = {"convention": convention, **record} if convention else record
    return LoadedOp(op, record, definition="" if found.published else own)


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
