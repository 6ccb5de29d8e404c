"""Means and variances in every window of two images, as SSIM needs them, from their sum and difference.

With s = x + y and d = x - y, whatever SSIM asks of x and y can be had from the windows' means and variances of s and d:

    2 mean_x mean_y = (mean_s^2 - mean_d^2) / 2        mean_x^2 + mean_y^2 = (mean_s^2 + mean_d^2) / 2
    2 cov_xy        = (var_s - var_d) / 2              var_x + var_y       = (var_s + var_d) / 2

so that luminance and contrast-structure terms are 1 - a and 1 - b with

    a = 2 mean_d^2 / (mean_s^2 + mean_d^2 + 2 c1)      b = 2 var_d / (var_s + var_d + 2 c2)

Four blurs instead of five; identical images give a = b = 0, exactly, and nearly identical ones keep their digits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval.ops._arrays import contract
from jaxeval.ops.image_quality._maths import map_mean
from jaxeval.ops.image_quality.windows import Taps, blur_transposed, columns, fenced, rows

__all__ = ["Losses", "WindowMoments", "losses_by_channel", "window_moments"]

Pixels = Float[Array, "_ _ _"]
Rows = Float[Array, "_ _"]
Channels = Float[Array, " c"]

_CACHED_VALUES = 1 << 18  # of one plane: five of them stay in a core's second-level cache


class WindowMoments(NamedTuple):
    """Of the sum and difference of two images, one value a window; squares of means with their centre put back."""

    mean_s: Rows
    mean_d: Rows
    var_s: Rows
    var_d: Rows

    def losses(self, c1: float, c2: float, sample: float = 1.0) -> tuple[Rows, Rows]:
        """(1 - luminance, 1 - contrast * structure); `sample` scales variances to n - 1."""
        squared_s, squared_d = self.mean_s * self.mean_s, self.mean_d * self.mean_d
        a = 2.0 * squared_d / (squared_s + squared_d + 2.0 * c1)
        b = 2.0 * self.var_d / (self.var_s + self.var_d + 2.0 * c2 / sample)
        return a, b


class Losses(NamedTuple):
    """Means over windows, one a channel: of 1 - SSIM and of 1 - contrast * structure."""

    ssim: Channels
    contrast_structure: Channels


def window_moments(s: Rows, d: Rows, taps: Taps, step: int, centres: tuple[Array, Array]) -> WindowMoments:
    """Moments in the windows of centred sums and differences, [H, W * C] with `step` = C channels interleaved."""
    mean_s, mean_d, square_s, square_d = _means_and_squares(s, d, taps, step)
    # A shift leaves variances as they are, and being small, centred means cost them few digits.
    return WindowMoments(
        mean_s + centres[0], mean_d + centres[1], square_s - mean_s * mean_s, square_d - mean_d * mean_d
    )


def _means_and_squares_plain(s: Rows, d: Rows, taps: Taps, step: int) -> tuple[Rows, Rows, Rows, Rows]:
    """Windows' means of s, d and of their squares, which are never stored."""

    def vertical(s: Rows, d: Rows) -> tuple[Float[Array, "fewer j"], ...]:
        return rows(s, taps), rows(d, taps), rows(s * s, taps), rows(d * d, taps)

    mean_s, mean_d, square_s, square_d = (columns(v, taps, step) for v in fenced(vertical, s, d))
    return mean_s, mean_d, square_s, square_d


def _means_and_squares_forward(s: Rows, d: Rows, taps: Taps, step: int):
    # Kept, as in `blur`, for the derivatives of what follows.
    return fenced(lambda s, d: _means_and_squares(s, d, taps, step), s, d), (s, d)


def _means_and_squares_backward(taps: Taps, step: int, maps: tuple[Rows, Rows], cotangents: tuple[Rows, ...]):
    s, d = maps
    mean_s, mean_d, square_s, square_d = blur_transposed(cotangents, taps, step)
    return mean_s + 2.0 * s * square_s, mean_d + 2.0 * d * square_d


_means_and_squares = jax.custom_vjp(_means_and_squares_plain, nondiff_argnums=(2, 3))
_means_and_squares.defvjp(_means_and_squares_forward, _means_and_squares_backward)


def losses_by_channel(
    x: Pixels,
    y: Pixels,
    taps: Taps,
    c1: float,
    c2: float,
    *,
    sample: float = 1.0,
    clip: bool = False,
    margin: int = 0,
) -> Losses:
    """Means over all windows that fit, strip by strip of rows.

    Args:
      x: one image.
      y: as x.
      taps: the window along either axis.
      c1: stabilises the luminance term; in squared units of the images.
      c2: stabilises contrast and structure.
      sample: n / (n - 1) for sample variances.
      clip: count contrast-structure below 0 as 0.
      margin: windows to leave out along every edge, in the contrast-structure mean only.
    """
    height, width, channels = x.shape
    x, y = x.reshape(height, -1), y.reshape(height, -1)
    s, d = x + y, x - y
    centres = (lax.stop_gradient(map_mean(s)), lax.stop_gradient(map_mean(d)))
    s, d = s - centres[0], d - centres[1]
    windows = (height - len(taps) + 1, width - len(taps) + 1)

    def strip(s: Rows, d: Rows, weights: Float[Array, "2 r"]) -> Float[Array, "2 j"]:
        a, b = window_moments(s, d, taps, channels, centres).losses(c1, c2, sample)
        b = jnp.minimum(b, 1.0) if clip else b
        return jnp.stack([contract("h,hj->j", weights[0], a + b - a * b), contract("h,hj->j", weights[1], b)])

    weights = jnp.zeros((2, windows[0]), jnp.float32).at[0].set(1.0).at[1, margin : windows[0] - margin].set(1.0)
    rows_at_a_time = max(_CACHED_VALUES // s.shape[1], 2 * len(taps))
    if windows[0] <= rows_at_a_time:
        sums = strip(s, d, weights)
    else:
        strips = _strips(s, rows_at_a_time, len(taps) - 1), _strips(d, rows_at_a_time, len(taps) - 1)
        count = strips[0].shape[0]
        padded = jnp.pad(weights, ((0, 0), (0, count * rows_at_a_time - windows[0])))
        parts = padded.reshape(2, count, rows_at_a_time).transpose(1, 0, 2)
        sums = lax.map(lambda part: strip(*part), (*strips, parts)).sum(0)
    by_channel = sums.reshape(2, windows[1], channels)
    ssim = by_channel[0].sum(0) / (windows[0] * windows[1])
    inner_columns = by_channel[1, margin : windows[1] - margin]
    return Losses(ssim, inner_columns.sum(0) / ((windows[0] - 2 * margin) * (windows[1] - 2 * margin)))


def _strips(x: Rows, length: int, halo: int) -> Float[Array, "n r j"]:
    """Strips of `length` + `halo` rows, each starting where the last's `length` ends; zeros after the end."""
    count = -(-(x.shape[0] - halo) // length)
    x = jnp.pad(x, ((0, (count + 1) * length - x.shape[0]), (0, 0)))
    blocks = x.reshape(count + 1, length, -1)
    return jnp.concatenate([blocks[:-1], blocks[1:, :halo]], axis=1)
