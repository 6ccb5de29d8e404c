"""Statistics of natural scenes: what BRISQUE and NIQE measure of a plane.

Values are divided by their neighbourhood's contrast (mean-subtracted, contrast-normalised coefficients, MSCN); of them
and of products of neighbours, generalised Gaussians are fitted by moments. A fit's shape parameter is looked up in a
table with steps of 0.001, as the authors' code does it; its gradient is that of the table's linear interpolation.

References: Mittal, Moorthy, Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 21(12),
2012; Lasmar, Stitou, Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import lax
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from jaxeval._arrays import contract
from jaxeval.ops.image_quality._maths import map_mean, root
from jaxeval.ops.image_quality.windows import Taps, blur, gaussian_taps, stacked

Plane = Float[Array, "_ _"]
Scalar = Float[Array, ""]
Scalars = Float[Array, "*n"]
FlatPixels = Literal["convention", "neither", "left", "right"]
FLAT_PIXELS: tuple[FlatPixels, ...] = ("convention", "neither", "left", "right")

SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # to the right, down, and along both diagonals
_TAPS = gaussian_taps(7, 7 / 6)
# Of float32's rounding of a local mean. In flat areas its sign would decide on which side of 0 a pixel counts, as that
# of float64's does in other implementations.
_ROUNDING = 2e-5
_ASIDE = 1e-15  # the size of a difference that only its sign is wanted of: its square adds nothing to a float32 sum
_SHAPES = np.arange(0.2, 10.0005, 0.001)
_RATIOS = np.exp(
    2 * scipy.special.gammaln(2 / _SHAPES) - scipy.special.gammaln(1 / _SHAPES) - scipy.special.gammaln(3 / _SHAPES)
)
_SYMMETRIC_SHAPES = np.arange(0.03, 10.0005, 0.001)  # another table, of wider range
_SYMMETRIC_RATIOS = np.exp(
    scipy.special.gammaln(1 / _SYMMETRIC_SHAPES)
    + scipy.special.gammaln(3 / _SYMMETRIC_SHAPES)
    - 2 * scipy.special.gammaln(2 / _SYMMETRIC_SHAPES)
)


class SkewedFit(NamedTuple):
    """Asymmetric generalised Gaussians: their shapes, and the deviations of what lies left and right of 0."""

    shape: Scalars
    left: Scalars
    right: Scalars

    def scales(self) -> tuple[Scalars, Scalars]:
        """The scale parameters on either side: deviation * sqrt(Gamma(1 / shape) / Gamma(3 / shape))."""
        factor = jnp.exp(0.5 * (gammaln(1.0 / self.shape) - gammaln(3.0 / self.shape)))
        return self.left * factor, self.right * factor

    def mean(self) -> Scalars:
        """The means: (right scale - left scale) * Gamma(2 / shape) / Gamma(1 / shape)."""
        left, right = self.scales()
        return (right - left) * jnp.exp(gammaln(2.0 / self.shape) - gammaln(1.0 / self.shape))


def contrast_normalised(x: Plane, edges: str, flat: FlatPixels, taps: Taps = _TAPS) -> Plane:
    """(x - local mean) / (local deviation + 1) of values from 0 to 255, in Gaussian windows.

    Args:
      x: [H, W].
      edges: "zero" or "edge": what is beyond the borders.
      flat: beside which side of 0 pixels are put that equal their local mean: "left" or "right"; otherwise they are 0.
      taps: of the windows; by default 7 x 7 with sigma 7/6.
    """
    margin = len(taps) // 2
    padded = jnp.pad(x, margin, mode="edge") if edges == "edge" else jnp.pad(x, margin)
    # Deviations do not depend on the level, and without it keep their digits.
    centre = lax.stop_gradient(map_mean(x))
    padded = padded - centre
    mean, square = blur((padded, padded * padded), taps)
    difference = x - centre - mean
    aside = {"left": -_ASIDE, "right": _ASIDE}.get(flat, 0.0)
    difference = jnp.where(jnp.abs(difference) < _ROUNDING, 0.0 * difference + aside, difference)
    return difference / (root(jnp.abs(square - mean * mean)) + 1.0)


def neighbours(x: Plane, shift: tuple[int, int], circular: bool) -> Plane:
    """Products of values with their neighbours; `circular` takes those beyond an edge from the opposite one."""
    if circular:
        return x * jnp.roll(x, shift, axis=(0, 1))
    (down, across), (height, width) = shift, x.shape
    first = x[: height - down, max(-across, 0) : width - max(across, 0)]
    return first * x[down:, max(across, 0) : width + min(across, 0)]


def fits_of_neighbours(x: Plane, circular: bool, *, itself: bool = False, **options: bool) -> SkewedFit:
    """The fits of the products with the neighbours of `SHIFTS`, and before them of `x` itself if asked for.

    Args:
      x: [H, W].
      circular: as `neighbours` takes it.
      itself: only where `circular`.
      **options: of `skewed_fit`.
    """

    def planes(x: Plane) -> tuple[Plane, ...]:
        return (*[x] * itself, *(neighbours(x, shift, circular) for shift in SHIFTS))

    if circular:  # planes of one shape, whose program is there once
        return skewed_fit(stacked(planes, x), **options)
    return jax.tree.map(lambda *parts: jnp.stack(parts), *(skewed_fit(plane, **options) for plane in planes(x)))


def skewed_fit(x: Float[Array, "*n h w"], *, on_grid: bool = True, zeros_right: bool = False) -> SkewedFit:
    """The asymmetric generalised Gaussians that have the moments of planes.

    Args:
      x: a plane or several.
      on_grid: round the shape to the table's nearest.
      zeros_right: count values of 0 to the right side; otherwise to neither.

    Returns:
      Not-a-number where one side has no values.
    """
    squares = x * x
    left, right = x < 0, (x >= 0) if zeros_right else (x > 0)
    below, above = (
        root(_sums(jnp.where(side, squares, 0.0 * x)) / _sums(side.astype(x.dtype))) for side in (left, right)
    )
    ratio = below / above
    flatness = _sums(jnp.abs(x)) ** 2 / (_sums(squares) * (x.shape[-2] * x.shape[-1]))
    flatness = flatness * (ratio**3 + 1.0) * (ratio + 1.0) / (ratio**2 + 1.0) ** 2
    return SkewedFit(_shape(flatness, _RATIOS, on_grid), below, above)


def _sums(x: Float[Array, "*n h w"]) -> Float[Array, "*n"]:
    """Sums of planes, by a product with ones as in `map_sum`."""
    return contract("...w,w->...", x, jnp.ones(x.shape[-1], x.dtype)).sum(-1)


def shape_of_symmetric(x: Plane) -> tuple[Scalar, Scalar]:
    """Shape of the generalised Gaussian about 0 that has the moments of `x`, and their mean square."""
    square = map_mean(x * x)
    # The authors compare reciprocals here, which settles ties of the table otherwise.
    return _shape(-square / map_mean(jnp.abs(x)) ** 2, -1.0 / _RATIOS, True), square


def shape_of_ratio(ratio: Scalars) -> Scalars:
    """Shapes, 0.03 to 10 in steps of 0.001, of the generalised Gaussians whose ratio is nearest.

    It is that of the variance to the square of the mean absolute deviation.
    """
    return _shape(-ratio, -_SYMMETRIC_RATIOS, True, _SYMMETRIC_SHAPES)


def _shape(value: Scalars, table: np.ndarray, on_grid: bool, table_shapes: np.ndarray = _SHAPES) -> Scalars:
    """The shapes whose entries of a rising table are nearest."""
    entries, shapes = (jnp.asarray(a.astype(np.float32)) for a in (table, table_shapes))
    upper = jnp.clip(jnp.searchsorted(entries, lax.stop_gradient(value)), 1, len(table) - 1)
    low, high = entries[upper - 1], entries[upper]
    share = jnp.clip((value - low) / (high - low), 0.0, 1.0)
    between = shapes[upper - 1] + share * (shapes[upper] - shapes[upper - 1])
    if not on_grid:
        return between
    nearest = jnp.where(share > 0.5, shapes[upper], shapes[upper - 1]) + 0.0 * value
    return between + lax.stop_gradient(nearest - between)
