"""Resizing one plane by weight matrices, as the metrics' own code does it before or after looking for saliency."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import contract

Weights = Float[np.ndarray, "_ _"]  # of rows and of columns, whose sizes are their own
_TIE = 1e-6  # what lies this close below a half is one, but for the weights' rounding


def resampled(x: Float[Array, "h w"], tall: Weights, wide: Weights) -> Float[Array, "h2 w2"]:
    """Rows and columns mixed by the weights of `tall` [h2, h] and `wide` [w2, w]."""
    x = x if _keeps(wide) else contract("hw,pw->hp", x, jnp.asarray(wide))
    return x if _keeps(tall) else contract("oh,hp->op", jnp.asarray(tall), x)


def resized_in_levels(levels: Float[Array, "h w c"], to: int) -> Float[Array, "to to c"]:
    """MATLAB's imresize of 8 bits, bicubic: whole levels from 0 to 255, made whole again after each of both passes.

    Halves are rounded upwards. The longer side goes first. The gradient is that of the passes without rounding.

    Args:
      levels: whole numbers from 0 to 255.
      to: both sides' new size.
    """
    height, width, _ = levels.shape
    passes = [(height, "oh,hwc->owc"), (width, "ow,hwc->hoc")]
    for size, subscripts in passes if height >= width else passes[::-1]:
        if size == to:
            continue
        coarse, rest = (contract(subscripts, jnp.asarray(part), levels) for part in cubic_in_parts(size, to))
        below = jnp.floor(coarse)
        whole = below + jnp.floor((coarse - below) + rest + (0.5 + _TIE))
        smooth = coarse + rest
        levels = smooth + lax.stop_gradient(jnp.clip(whole, 0.0, 255.0) - smooth)
    return levels


def _keeps(weights: Weights) -> bool:
    """Whether weights are those of a size that stays."""
    return weights.shape[0] == weights.shape[1] and np.array_equal(weights, np.eye(len(weights)))


@functools.lru_cache(64)
def bilinear(size: int, to: int, align_corners: bool) -> Weights:
    """Weights of linear interpolation between the two nearest pixels, without antialiasing."""
    if align_corners:
        at = np.arange(to) * ((size - 1) / max(to - 1, 1))
    else:
        at = np.maximum((np.arange(to) + 0.5) * (size / to) - 0.5, 0.0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    weights = np.zeros((to, size))
    np.add.at(weights, (np.arange(to), low), 1.0 - (at - low))
    np.add.at(weights, (np.arange(to), high), at - low)
    return _frozen(weights)


@functools.lru_cache(64)
def cubic(size: int, to: int, scale: float, edges: str = "mirror") -> Weights:
    """Weights of Keys' cubic (a = -0.5), widened when shrinking.

    Edges are mirrored, as in MATLAB's imresize; or, with edges="cut", windows end there, as in Pillow.
    """
    return _frozen(_cubic(size, to, scale, edges))


@functools.lru_cache(64)
def cubic_in_parts(size: int, to: int) -> tuple[Weights, Weights]:
    """`cubic` of one size to another, as multiples of 1/4096 and what is left.

    Float32 holds the multiples' products with levels of 8 bits, and their sums, exactly.
    """
    weights = _cubic(size, to, to / size, "mirror")
    coarse = np.round(weights * 4096.0) / 4096.0
    return _frozen(coarse), _frozen(weights - coarse)


def _cubic(size: int, to: int, scale: float, edges: str) -> Weights:
    stretch = min(scale, 1.0)
    reach = math.ceil(4 / stretch) + 2
    at = (np.arange(to) + 0.5) / scale - 0.5
    first = np.floor(at).astype(int) - reach // 2 + 1
    taps = first[:, None] + np.arange(reach)
    distance = np.abs(at[:, None] - taps) * stretch
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1.0
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4.0 * distance + 2.0
    values = np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))
    if edges == "cut":
        values = np.where((taps >= 0) & (taps < size), values, 0.0)
    values /= values.sum(1, keepdims=True)
    mirrored = np.mod(taps, 2 * size)
    mirrored = np.minimum(mirrored, 2 * size - 1 - mirrored)
    weights = np.zeros((to, size))
    np.add.at(weights, (np.arange(to)[:, None], mirrored), values)
    return weights


def _frozen(weights: np.ndarray) -> Weights:
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights
