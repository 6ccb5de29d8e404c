"""Windows and what is done with them: blurs, pools and pads of one image.

A blur runs along rows of [H, W * C] with the channels left interleaved: neighbours along W are C apart, every tap is
one shifted slice, and loops run over long rows whatever C is. Maps that are blurred alike are stacked first: a program
has its taps once, whatever the number of maps.
"""

import dataclasses
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval.ops._derivatives import Arrays, linear

Taps = tuple[float, ...]
Rows = Float[Array, "*_ _ _"]
Stack = Float[Array, "*m h w"]


def gaussian_taps(size: int, sigma: float) -> Taps:
    """A Gaussian sampled at `size` points one apart, centred, with sum 1."""
    at = np.arange(size) - (size - 1) / 2
    values = np.exp(-(at**2) / (2 * sigma**2))
    return _float32_taps(values / values.sum())


def uniform_taps(size: int) -> Taps:
    """`size` equal weights with sum 1."""
    return _float32_taps(np.full(size, 1.0 / size))


def _float32_taps(values: np.ndarray) -> Taps:
    """Taps as float32 holds them, the middle one adjusted so that their sum stays 1.

    Rounding alone leaves a sum off by 1e-8, and variances, differences of large numbers, off by more, all to one side.
    """
    taps = values.astype(np.float32).astype(np.float64)
    taps[len(taps) // 2] += 1.0 - taps.sum()
    return tuple(float(t) for t in taps)


def rows(x: Float[Array, "*m h w"], taps: Taps) -> Float[Array, "*m k w"]:
    """Correlation along the last axis but one, at positions where the window fits."""
    length = x.shape[-2] - len(taps) + 1
    return _weighted((lax.slice_in_dim(x, i, i + length, axis=-2) for i in range(len(taps))), taps)


def columns(x: Float[Array, "*m h w"], taps: Taps, step: int = 1) -> Float[Array, "*m h k"]:
    """Correlation along the last axis with taps `step` apart, at positions where the window fits."""
    length = x.shape[-1] - (len(taps) - 1) * step
    return _weighted((lax.slice_in_dim(x, i * step, i * step + length, axis=-1) for i in range(len(taps))), taps)


def blur(maps: tuple[Rows, ...], taps: Taps, step: int = 1) -> tuple[Rows, ...]:
    """Correlation along the last two axes of maps of one shape, with the same taps, where the window fits."""
    return linear(_Blur(taps, step), _BlurTransposed(taps, step), maps)


@dataclasses.dataclass(frozen=True)
class _Blur:
    """`blur` as a linear map."""

    taps: Taps
    step: int

    def __call__(self, _: Arrays, maps: Arrays) -> tuple[Rows, ...]:
        return tuple(blurred_stack(stacked(lambda *m: m, *maps), self.taps, self.step))


@dataclasses.dataclass(frozen=True)
class _BlurTransposed:
    """The transpose of `blur`: from values at windows to values at pixels.

    Written as slices of padded maps: the transposes that JAX derives add up one padded map a tap, which XLA:CPU turns
    into a test for each tap of each pixel, and minutes of compilation.
    """

    taps: Taps
    step: int

    def __call__(self, _: Arrays, maps: Arrays) -> tuple[Rows, ...]:
        reach = len(self.taps) - 1

        def padded(*maps: Rows) -> tuple[Rows, ...]:
            around = ((0, 0),) * (maps[0].ndim - 2) + ((reach, reach), (reach * self.step, reach * self.step))
            return tuple(jnp.pad(m, around) for m in maps)

        return tuple(blurred_stack(stacked(padded, *maps), self.taps[::-1], self.step))


def stacked(function: Callable[..., tuple[Rows, ...]], *arrays: Array) -> Stack:
    """The maps that `function(*arrays)` returns, of one shape, as one array that is kept."""
    return fenced(lambda *a: (jnp.stack(function(*a)),), *arrays)[0]


def blurred_stack(maps: Stack, taps: Taps, step: int = 1) -> Float[Array, "*m h2 w2"]:
    """`blur` of maps that are stacked, with the derivatives that JAX makes; kept, as what follows uses values often."""
    (tall,) = fenced(lambda m: (rows(m, taps),), maps)
    return fenced(lambda m: (columns(m, taps, step),), tall)[0]


def fenced(function: Callable[..., tuple[Array, ...]], *arrays: Array) -> tuple[Array, ...]:
    """`function(*arrays)`, computed once and kept.

    XLA:CPU would fuse both passes of a separable filter into one loop that redoes the first pass for every tap of the
    second. It does not fuse across a branch, so the first pass is made one; the other side, taken where the first value
    is NaN, returns NaN.
    """
    first = arrays[0][(0,) * arrays[0].ndim]
    shapes = jax.eval_shape(function, *arrays)

    def nothing(*arrays: Array) -> tuple[Array, ...]:
        # NaN of the arrays themselves: under `shard_map` a constant would not vary over the axes that they vary over.
        firsts = [lax.stop_gradient(i[(0,) * i.ndim]) for i in arrays]
        value = sum(firsts[1:], start=firsts[0])
        return tuple(jnp.broadcast_to(jnp.asarray(value, s.dtype), s.shape) for s in shapes)

    return lax.cond(jnp.isnan(first), nothing, function, *arrays)


def _weighted(slices: Iterable[Array], taps: Taps) -> Array:
    """The sum of slices times taps; taps of 0 are left out, and slices of equal taps on either side added first."""
    parts = list(slices)
    if taps == taps[::-1]:
        half = len(taps) // 2
        parts = [a + b for a, b in zip(parts[:half], parts[: half - 1 + len(taps) % 2 : -1], strict=True)] + parts[
            half:
        ]
        parts, taps = parts[: len(taps) - half], taps[: len(taps) - half]
    terms = [s if t == 1.0 else s * t for s, t in zip(parts, taps, strict=True) if t != 0.0]
    return sum(terms[1:], start=terms[0])


def pad_image(
    x: Float[Array, "h w *c"], before: tuple[int, int], after: tuple[int, int], mode: str
) -> Float[Array, "h2 w2 *c"]:
    """Pads height and width by (height, width) pixels before and after; modes of `jnp.pad`."""
    widths = [(before[0], after[0]), (before[1], after[1])] + [(0, 0)] * (x.ndim - 2)
    return x if not any(map(any, widths)) else jnp.pad(x, widths, mode=mode)


def pool(x: Float[Array, "h w *c"], size: int) -> Float[Array, "h2 w2 *c"]:
    """Means of non-overlapping `size` x `size` squares; what is left over at the end is dropped."""
    return x if size == 1 else linear(_Pool(size), _PoolTransposed(size, x.shape), (x,))[0]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """`pool` as a linear map."""

    size: int

    def __call__(self, _: Arrays, maps: Arrays) -> tuple[Array]:
        size = self.size
        height, width = maps[0].shape[0] // size, maps[0].shape[1] // size

        def pooled(x: Array) -> tuple[Array]:
            x = x[: height * size, : width * size]
            tall = sum((x[i::size] for i in range(1, size)), start=x[::size])
            return (sum((tall[:, i::size] for i in range(1, size)), start=tall[:, ::size]) * (1.0 / size**2),)

        return (fenced(pooled, maps[0])[0],)


@dataclasses.dataclass(frozen=True)
class _PoolTransposed:
    """The transpose of `pool` of an image of this shape."""

    size: int
    shape: tuple[int, ...]

    def __call__(self, _: Arrays, maps: Arrays) -> tuple[Array]:
        size, (height, width, *rest) = self.size, maps[0].shape
        squares = jnp.broadcast_to(maps[0][:, None, :, None] * (1.0 / size**2), (height, size, width, size, *rest))
        whole = squares.reshape(height * size, width * size, *rest)
        left_over = (self.shape[0] - height * size, self.shape[1] - width * size)
        return (pad_image(whole, (0, 0), left_over, "constant"),)
