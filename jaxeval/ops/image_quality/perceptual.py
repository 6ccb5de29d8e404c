"""Distances of feature maps: LPIPS and DISTS, given the maps that a trunk has of both images.

The networks and their weights are elsewhere (docs/image_quality.md); here is what is done with their maps. Both are
exactly 0 for identical maps, and their gradients are finite everywhere.
"""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._maths import root
from jaxeval.ops.image_quality.batches import Scores, check_choice

Maps = Float[Array, "_ _ _ _"]
Channels = Float[Array, " _"]

LpipsConvention = Literal["lpips", "torchmetrics"]
CONVENTIONS: tuple[LpipsConvention, ...] = ("lpips", "torchmetrics")
_LPIPS_EPSILON = {"lpips": 1e-10, "torchmetrics": 1e-8}
_STABILITY = 1e-6  # of both of DISTS' quotients


@takes_arrays
def lpips_distance(
    features_x: Sequence[Maps],
    features_y: Sequence[Maps],
    heads: Sequence[Channels],
    *,
    convention: LpipsConvention = "lpips",
) -> Scores:
    """Learned perceptual image patch similarity (LPIPS v0.1) of two lists of feature maps.

    Every pixel's features are scaled to length 1; their squared differences are weighted by channel, averaged over the
    map, and summed over the maps.

    Args:
      features_x: maps of the first images, each [N, H', W', C].
      features_y: maps of the second images, of the same shapes.
      heads: a weight for each channel of each map, [C]; not negative.
      convention: how length 1 is made of features f: "lpips", f / (|f| + 1e-10); "torchmetrics",
        f / sqrt(|f|^2 + 1e-8).

    Returns:
      [N], from 0, for identical maps, upwards. The same for (y, x).

    Raises:
      InputError: lists of different lengths, maps of different shapes, heads of another number of channels, or an
        unknown convention.

    Reference: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual
    metric", CVPR 2018, and its package `lpips`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).normal(size=(2, 4, 8, 8, 16))  # maps of 16 channels of four pairs of images
      >>> weights = np.ones(16)
      >>> image_quality.lpips_distance([x], [y], [weights]).shape
      (4,)
    """
    check_choice("lpips_distance", "convention", convention, CONVENTIONS)
    check_maps("lpips_distance", features_x, features_y)
    if [m.shape[-1:] for m in features_x] != [h.shape for h in heads]:
        raise InputError(
            f"lpips_distance: maps of {[m.shape[-1] for m in features_x]} channels and heads of "
            f"{[list(h.shape) for h in heads]}; one weight a channel is expected: are they of another network?"
        )
    total = jnp.float32(0.0)
    for x, y, head in zip(*(_float32(arrays) for arrays in (features_x, features_y, heads)), strict=True):
        of_x, of_y = _reciprocal_length(x, convention), _reciprocal_length(y, convention)
        # Not as x * of_x - y * of_y, of which a compiler may round one product and not the other: equal maps give 0.
        difference = (x - y) * of_x + y * (of_x - of_y)
        weighted = jnp.einsum("nhwc,c->nhw", difference * difference, head, precision=lax.Precision.HIGHEST)
        total = total + spatial_mean(weighted[..., None])[:, 0]
    return total


@takes_arrays
def dists_distance(
    features_x: Sequence[Maps], features_y: Sequence[Maps], alpha: Sequence[Channels], beta: Sequence[Channels]
) -> Scores:
    """Deep image structure and texture similarity (DISTS) of two lists of feature maps.

    For each channel two similarities of the form of SSIM's: of the means over the map (texture), and of what varies
    about them (structure); the distance is the weighted mean of 1 less them.

    Args:
      features_x: maps of the first images, each [N, H', W', C]; the first is the image itself, from 0 to 1.
      features_y: maps of the second images, of the same shapes.
      alpha: weights of the texture of each channel of each map, [C]; not negative.
      beta: weights of the structure, as alpha. All are divided by the sum of both.

    Returns:
      [N], from 0, for identical maps, to about 1. The same for (y, x).

    Raises:
      InputError: lists of different lengths, maps of different shapes, or weights of another number of channels.

    Reference: Ding, Ma, Wang, Simoncelli, "Image quality assessment: unifying structure and texture similarity", IEEE
    TPAMI 44(5), 2022, and its package `DISTS_pytorch`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import image_quality
      >>> x, y = np.random.default_rng(0).normal(size=(2, 4, 8, 8, 16))  # maps of 16 channels of four pairs of images
      >>> weights = np.ones(16)
      >>> image_quality.dists_distance([x], [y], [weights], [weights]).shape
      (4,)
    """
    check_maps("dists_distance", features_x, features_y)
    for name, weights in (("alpha", alpha), ("beta", beta)):
        if [m.shape[-1:] for m in features_x] != [w.shape for w in weights]:
            raise InputError(
                f"dists_distance: maps of {[m.shape[-1] for m in features_x]} channels and {name} of "
                f"{[list(w.shape) for w in weights]}; one weight a channel is expected"
            )
    total = jnp.float32(0.0)
    alpha, beta = _float32(alpha), _float32(beta)
    for x, y, a, b in zip(_float32(features_x), _float32(features_y), alpha, beta, strict=True):
        mean_x, mean_y = spatial_mean(x), spatial_mean(y)
        x, y = x - mean_x[:, None, None], y - mean_y[:, None, None]
        shift = (mean_x - mean_y) ** 2
        texture = shift / (mean_x**2 + mean_y**2 + _STABILITY)
        # var_x + var_y - 2 cov_xy is the variance of x - y: no digits are lost where the images are nearly the same.
        structure = spatial_mean((x - y) ** 2) / (spatial_mean(x * x) + spatial_mean(y * y) + _STABILITY)
        total = total + _weighted(texture, a) + _weighted(structure, b)
    weight = sum(w.sum() for w in (*alpha, *beta))
    return total / weight


def _float32(arrays: Sequence[Array]) -> list[Array]:
    """In full precision, whatever the trunk computes in."""
    return [jnp.asarray(array, jnp.float32) for array in arrays]


def check_maps(op: str, features_x: Sequence[Maps], features_y: Sequence[Maps]) -> None:
    """Raises InputError unless both are lists of as many maps, [N, H', W', C], of the same shapes, at least one."""
    shapes = [[tuple(m.shape) for m in maps] for maps in (features_x, features_y)]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise InputError(f"{op}: maps of shapes {shapes[0]} and {shapes[1]}; the same maps of both images are expected")


def spatial_mean(x: Maps) -> Float[Array, "n c"]:
    """Means over height and width, [N, C].

    Rows are added by a product with ones: a plain sum of a large map is one long chain of additions.
    """
    ones = jnp.ones(x.shape[1], jnp.float32)
    rows = jnp.einsum("nhwc,h->nwc", x, ones, precision=lax.Precision.HIGHEST)
    return rows.sum(1) / (x.shape[1] * x.shape[2])


def _reciprocal_length(x: Maps, convention: LpipsConvention) -> Maps:
    """What makes a pixel's features of length 1; 0 in "lpips" where there are none, so that gradients are 0 there."""
    squares = (x * x).sum(-1, keepdims=True)
    epsilon = _LPIPS_EPSILON[convention]
    if convention == "torchmetrics":
        return 1.0 / jnp.sqrt(squares + epsilon)
    return jnp.where(squares > 0, 1.0 / (root(squares) + epsilon), 0.0 * squares)


def _weighted(values: Float[Array, "n c"], weights: Channels) -> Scores:
    return jnp.einsum("nc,c->n", values, weights, precision=lax.Precision.HIGHEST)
