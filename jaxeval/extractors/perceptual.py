"""LPIPS and DISTS: distances of images that pair a trunk with the weights that were fitted to its maps, and no others.

Every distance has one weights entry for its trunk and one for its heads; which belong together stands here and cannot
be chosen by a caller.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.extractors.normalisation import IMAGENET_NORMALISATION, Normalisation
from jaxeval.extractors.precision import in_float32
from jaxeval.extractors.registry import load_trunk
from jaxeval.extractors.store import WeightsStore
from jaxeval.extractors.vgg import VGG16
from jaxeval.ops.image_quality import LpipsConvention, dists_distance, lpips_distance
from jaxeval.ops.image_quality.batches import Scores, check_choice, image_pair

# Each network's trunk, weights of its heads, and maps.
LPIPS_NETWORKS = {
    "alex": ("alexnet", "lpips-alex", ("relu1", "relu2", "relu3", "relu4", "relu5")),
    "vgg16": ("vgg16", "lpips-vgg16", ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")),
    "squeeze": (
        "squeezenet",
        "lpips-squeeze",
        ("relu1", "relu2", "relu3", "relu4", "relu5", "relu6", "relu7"),
    ),
}
_DISTS_MAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
DISTS_CHANNELS = (3, *(VGG16.maps[name][0] for name in _DISTS_MAPS))


def _lpips_normalisation() -> Normalisation:
    """LPIPS' scaling of values in [-1, 1], for values in 0..255."""
    shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
    red, green, blue = ((1 + s) * 127.5 for s in shift)
    return Normalisation((red, green, blue), (1 / (127.5 * scale[0]), 1 / (127.5 * scale[1]), 1 / (127.5 * scale[2])))


LPIPS_NORMALISATION = _lpips_normalisation()


@dataclasses.dataclass(frozen=True, eq=False)
class PerceptualDistance:
    """A distance of images over the maps of a network.

    Call `apply` inside your own jit, grad, vmap or shard_map, with `params` passed in; call the object itself for a
    jitted evaluation. Two distances are equal when they are the same object.

    Attributes:
        name: such as `lpips-alex`.
        params: pytree of arrays: the trunk's, and the weights of its channels.
        least_side: least height and width of images.
        forward: `(params, x, y) -> [N]` of images in 0..255, pure.
        trunk_hash: SHA-256 of the trunk's weights.
        heads_hash: SHA-256 of the channels' weights.
        weights_published: whether both are the published ones, by checksum.
        description: one line for tables.
    """

    name: str
    params: Any = dataclasses.field(repr=False)
    least_side: int
    forward: Callable[[Any, Float[Array, "n h w 3"], Float[Array, "n h w 3"]], Scores] = dataclasses.field(repr=False)
    trunk_hash: str
    heads_hash: str
    weights_published: bool
    description: str = ""

    @takes_arrays
    def apply(self, params: Any, x: Numbers, y: Numbers, *, data_range: float | None = None) -> Scores:
        """Distances of pairs of images: pure and differentiable.

        Args:
            params: this distance's `params`.
            x: RGB or gray images, `[N, H, W, 3 or 1]`, any real dtype; gray ones count as RGB of equal channels.
            y: as x.
            data_range: width of the values' range, such as 1.0 or 255; values are expected in [0, data_range].

        Returns:
            `[N]` float32, from 0, for identical images, upwards: lower is better. The same for (y, x).

        Raises:
            InputError: shapes, dtypes, values or the data range do not fit, a value is not finite, or images are too
                small.
        """
        peak = image_pair(self.name, x, y, data_range, least_side=self.least_side, colours=(1, 3))
        images = (jnp.asarray(i, jnp.float32) * (255.0 / peak) for i in (x, y))
        whole = in_float32(params)
        return self.forward(whole, *(i if i.shape[-1] == 3 else jnp.concatenate([i, i, i], -1) for i in images))

    @takes_arrays
    def __call__(self, x: Numbers, y: Numbers, *, data_range: float | None = None) -> Scores:
        """`apply` with this distance's parameters, jitted; images may be uint8."""
        image_pair(self.name, x, y, data_range, least_side=self.least_side, colours=(1, 3))
        return self._jitted(self.params, x, y, data_range=data_range)

    @functools.cached_property
    def _jitted(self) -> Callable[..., Scores]:
        return jax.jit(self.apply, static_argnames=("data_range",))


def lpips_names() -> tuple[str, ...]:
    """The names of all networks that `load_lpips` knows."""
    return tuple(LPIPS_NETWORKS)


def load_lpips(
    network: str = "alex",
    *,
    convention: LpipsConvention = "lpips",
    weights_dir: str | os.PathLike[str] | None = None,
) -> PerceptualDistance:
    """LPIPS v0.1 over one of its three networks, with the heads that were fitted to it.

    Args:
        network: `alex` (the authors' choice for a metric), `vgg16` (for a loss) or `squeeze`.
        convention: whose number it is, `lpips` or `torchmetrics`; see `lpips_distance`.
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        InputError: unknown network or convention.
        WeightsMissingError: weights are not there; the message says which commands get them.
        WeightsError: weights are damaged.
    """
    if network not in LPIPS_NETWORKS:
        raise InputError(f"unknown LPIPS network {network!r}: choose one of {', '.join(LPIPS_NETWORKS)}")
    check_choice("load_lpips", "convention", convention, ("lpips", "torchmetrics"))
    trunk_name, heads_name, maps = LPIPS_NETWORKS[network]
    heads = WeightsStore(weights_dir).open(heads_name)
    trunk = load_trunk(trunk_name, weights_dir=weights_dir)

    def forward(params: Any, x: Float[Array, "n h w 3"], y: Float[Array, "n h w 3"]) -> Scores:
        # Each on its own: side by side in one batch they would need another sharding.
        found = [trunk.apply(params["trunk"], i, maps=maps, normalisation=LPIPS_NORMALISATION) for i in (x, y)]
        of_x, of_y = ([f[name] for name in maps] for f in found)
        return lpips_distance(of_x, of_y, params["heads"], convention=convention)

    return PerceptualDistance(
        name=f"lpips-{network}",
        params={
            "trunk": trunk.params,
            "heads": [jnp.asarray(heads.tensors[f"lin{i}.model.1.weight"].reshape(-1)) for i in range(len(maps))],
        },
        least_side=max(trunk.least_sides[name] for name in maps),
        forward=forward,
        trunk_hash=trunk.weights_hash,
        heads_hash=heads.sha256,
        weights_published=trunk.weights_published and heads.published,
        description=f"LPIPS v0.1 over {trunk_name}, {convention}'s scaling of features",
    )


def load_dists(*, weights_dir: str | os.PathLike[str] | None = None) -> PerceptualDistance:
    """DISTS over VGG16 with L2 pooling, with the weights that were fitted to it.

    Args:
        weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
        WeightsMissingError: weights are not there; the message says which commands get them.
        WeightsError: weights are damaged.
    """
    store = WeightsStore(weights_dir)
    heads = store.open("dists")
    weights = store.open("vgg16")
    graph, trunk_params = nnx.split(VGG16.trunk(weights.tensors))

    def features(params: Any, images: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
        trunk = nnx.merge(graph, params)
        found = trunk(IMAGENET_NORMALISATION(images), _DISTS_MAPS, pool=l2_pool)
        return [images / 255.0, *(found[name] for name in _DISTS_MAPS)]

    def forward(params: Any, x: Float[Array, "n h w 3"], y: Float[Array, "n h w 3"]) -> Scores:
        of_x, of_y = (features(params["trunk"], i) for i in (x, y))
        return dists_distance(of_x, of_y, params["alpha"], params["beta"])

    return PerceptualDistance(
        name="dists",
        params={"trunk": trunk_params} | {name: _by_map(heads.tensors[name].reshape(-1)) for name in ("alpha", "beta")},
        least_side=1,
        forward=forward,
        trunk_hash=weights.sha256,
        heads_hash=heads.sha256,
        weights_published=weights.published and heads.published,
        description="DISTS over VGG16",
    )


def l2_pool(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Root of the blurred squares at every other pixel: DISTS' pool, which unlike a maximum does not alias.

    The window is 3 x 3, (1, 2, 1) / 4 along either axis, with zeros beyond the edges; a side of H becomes ceil(H / 2).
    """
    squares = x * x
    for axis in (1, 2):
        size = (squares.shape[axis] + 1) // 2
        padded = jnp.pad(squares, [(1, 1) if i == axis else (0, 0) for i in range(4)])
        slices = (jax.lax.slice_in_dim(padded, i, i + 2 * size - 1, 2, axis) for i in range(3))
        first, middle, last = slices
        squares = 0.25 * (first + last) + 0.5 * middle
    return jnp.sqrt(squares + 1e-12)


def _by_map(weights: Float[np.ndarray, " n"]) -> list[Float[Array, " _"]]:
    ends = [0, *itertools.accumulate(DISTS_CHANNELS)]
    return [jnp.asarray(weights[start:end]) for start, end in itertools.pairwise(ends)]
