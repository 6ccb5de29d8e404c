"""Losses of feature maps: content, style, and Johnson's perceptual loss of both, given a trunk's maps of both images.

Maps go by their layers' names (docs/image_quality.md has trunks that give them). Where a pure function of the images
makes them, a train step differentiates through it. Every loss has one value an image, [N]; take the mean over the
batch yourself.
"""

from collections.abc import Mapping
from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.image_quality.batches import check_choice
from jaxeval.ops.image_quality.perceptual import spatial_mean

Maps = Mapping[str, Float[Array, "_ _ _ _"]]
Weights = Mapping[str, float]

ContentReduction = Literal["mean", "sum-of-channels"]
StyleNormalisation = Literal["none", "johnson", "gatys"]
_REDUCTIONS: tuple[ContentReduction, ...] = ("mean", "sum-of-channels")
_NORMALISATIONS: tuple[StyleNormalisation, ...] = ("none", "johnson", "gatys")


@takes_arrays
def content_loss(
    features_x: Maps, features_y: Maps, *, weights: Weights | None = None, reduction: ContentReduction = "mean"
) -> Float[Array, " n"]:
    """Squared error of feature maps, summed over the maps.

    Args:
      features_x: maps by name, each [N, H', W', C].
      features_y: the same maps of the other images.
      weights: a factor for each map; 1 by default.
      reduction: "mean" over height, width and channels (Johnson's feature reconstruction loss); "sum-of-channels",
        means over height and width, added up (piq's `ContentLoss`).

    Returns:
      [N], from 0 for identical maps upwards.

    Raises:
      InputError: no maps, maps of different names or shapes, weights of other maps, or an unknown reduction.

    References: Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016; Johnson,
    Alahi, Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> x, y = {"relu2_2": jnp.ones((4, 8, 8, 16))}, {"relu2_2": jnp.zeros((4, 8, 8, 16))}
      >>> print(losses.content_loss(x, y))
      [1. 1. 1. 1.]
    """
    check_choice("content_loss", "reduction", reduction, _REDUCTIONS)
    total = jnp.float32(0.0)
    for name, weight in _weighted_maps("content_loss", features_x, features_y, weights).items():
        x, y = _float32(features_x[name]), _float32(features_y[name])
        errors = spatial_mean((x - y) ** 2)
        total = total + weight * (errors.mean(1) if reduction == "mean" else errors.sum(1))
    return total


@takes_arrays
def style_loss(
    features_x: Maps, features_y: Maps, *, weights: Weights | None = None, normalisation: StyleNormalisation = "johnson"
) -> Float[Array, " n"]:
    """Squared error of the Gram matrices of feature maps, which know what occurs together and not where.

    With G the Gram matrix, the sum over height and width of products of channels:

    | normalisation | loss of a map                                                                            |
    |---------------|------------------------------------------------------------------------------------------|
    | none          | mean over the C x C entries of (Gx - Gy)^2, as piq's `StyleLoss`; grows with H'W'          |
    | johnson       | sum of (Gx - Gy)^2 / (C H' W')^2: the squared Frobenius norm of matrices over C H' W'      |
    | gatys         | sum of (Gx - Gy)^2 / (4 C^2 (H' W')^2)                                                    |

    Args:
      features_x: maps by name, each [N, H', W', C].
      features_y: the same maps of the other images.
      weights: a factor for each map; 1 by default.
      normalisation: see above.

    Returns:
      [N], from 0 for identical maps upwards.

    Raises:
      InputError: no maps, maps of different names or shapes, weights of other maps, or an unknown normalisation.

    References: as of `content_loss`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> x, y = {"relu2_2": jnp.ones((4, 8, 8, 16))}, {"relu2_2": jnp.zeros((4, 8, 8, 16))}
      >>> print(losses.style_loss(x, y))
      [1. 1. 1. 1.]
    """
    check_choice("style_loss", "normalisation", normalisation, _NORMALISATIONS)
    total = jnp.float32(0.0)
    for name, weight in _weighted_maps("style_loss", features_x, features_y, weights).items():
        x, y = _float32(features_x[name]), _float32(features_y[name])
        _, height, width, _ = x.shape
        pixels = height * width
        # Divided by the pixels before it is squared: sums over a large map would leave float32's range.
        squares = ((gram_matrix(x) - gram_matrix(y)) ** 2).mean((1, 2))
        scale = {"none": float(pixels) ** 2, "johnson": 1.0, "gatys": 0.25}[normalisation]
        total = total + weight * scale * squares
    return total


@takes_arrays
def perceptual_loss(
    features_x: Maps,
    features_y: Maps,
    *,
    content: Weights,
    style: Weights | None = None,
    normalisation: StyleNormalisation = "johnson",
) -> Float[Array, " n"]:
    """Content and style losses of named maps, added up (Johnson et al.); LPIPS is the learned one.

    Args:
      features_x: maps by name, each [N, H', W', C].
      features_y: the same maps of the other images.
      content: each map's factor of `content_loss` ("mean").
      style: each map's factor of `style_loss`; none by default.
      normalisation: that of `style_loss`.

    Returns:
      [N], from 0 for identical maps upwards.

    Raises:
      InputError: a map that a factor is for is missing, or as for the other two.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> x, y = {"relu2_2": jnp.ones((4, 8, 8, 16))}, {"relu2_2": jnp.zeros((4, 8, 8, 16))}
      >>> print(losses.perceptual_loss(x, y, content={"relu2_2": 1.0}, style={"relu2_2": 10.0}))
      [11. 11. 11. 11.]
    """
    total = content_loss(*_only(content, features_x, features_y), weights=content)
    if style:
        total = total + style_loss(*_only(style, features_x, features_y), weights=style, normalisation=normalisation)
    return total


@takes_arrays
def gram_matrix(features: Float[Array, "n h w c"]) -> Float[Array, "n c c"]:
    """Means over height and width of products of two channels: the Gram matrix over H' W'.

    Args:
      features: [N, H', W', C].

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> losses.gram_matrix(jnp.ones((4, 8, 8, 16))).shape
      (4, 16, 16)
    """
    _, height, width, _ = features.shape
    maps = _float32(features)
    products = jnp.einsum("nhwc,nhwd->ncd", maps, maps, precision=lax.Precision.HIGHEST)
    return products / (height * width)


def _float32(features: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """In full precision, whatever the trunk computes in."""
    return jnp.asarray(features, jnp.float32)


def _weighted_maps(op: str, x: Maps, y: Maps, weights: Weights | None) -> dict[str, float]:
    shapes = [{name: tuple(m.shape) for name, m in maps.items()} for maps in (x, y)]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise InputError(f"{op}: maps {shapes[0]} and {shapes[1]}; the same maps of both images are expected")
    if weights is not None and weights.keys() != x.keys():
        raise InputError(f"{op}: weights of {', '.join(weights)} and maps {', '.join(x)}; one weight a map is expected")
    return dict.fromkeys(x, 1.0) if weights is None else dict(weights)


def _only(wanted: Weights, *features: Maps) -> list[dict[str, Array]]:
    missing = [name for maps in features for name in wanted if name not in maps]
    if missing:
        raise InputError(f"perceptual_loss: no map {missing[0]!r} among {', '.join(features[0])}")
    return [{name: maps[name] for name in wanted} for maps in features]
