"""Gradient magnitudes of one plane, zero outside the image, as the gradient-based metrics take them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval.ops.image_quality._maths import magnitude
from jaxeval.ops.image_quality.windows import Taps, columns, rows

Plane = Float[Array, "h w"]

_DIFFERENCE: Taps = (-1.0, 0.0, 1.0)


def prewitt(x: Plane) -> Plane:
    """Length of the gradient by Prewitt's 3 x 3 kernels, which average three differences of pixels two apart."""
    return _length(x, (1 / 3, 1 / 3, 1 / 3))


def scharr(x: Plane) -> Plane:
    """Length of the gradient by Scharr's 3 x 3 kernels, which weigh three differences of pixels two apart."""
    return _length(x, (3 / 16, 10 / 16, 3 / 16))


def _length(x: Plane, smoothing: Taps) -> Plane:
    x = jnp.pad(x, 1)
    return magnitude(columns(rows(x, smoothing), _DIFFERENCE), rows(columns(x, smoothing), _DIFFERENCE))
