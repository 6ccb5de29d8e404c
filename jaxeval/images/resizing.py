"""The seven resizings that published numbers rest on, on the host and as weight matrices.

| kind | follows | coordinates | weights |
|---|---|---|---|
| `tf1-bilinear` | TF 1 ResizeBilinear; torch-fidelity | i * in / out, no half pixels | 2 taps |
| `bilinear` | torch `F.interpolate(align_corners=False)`; pytorch-fid | half-pixel | 2 taps |
| `antialiased-bilinear` | the same with `antialias=True`; torchmetrics >= 1.8 | half-pixel | triangle, scaled |
| `grid-bilinear` | torch `affine_grid`, `grid_sample` with border padding; iMF, MeanFlow | half-pixel | 2 taps |
| `pil-bicubic-float` | clean-fid: Pillow, mode F | half-pixel | a = -0.5, scaled; clipped to 0..255 |
| `pil-bicubic-uint8` | Pillow on uint8; dgm-eval | half-pixel | the same, rounded and clipped after each axis |
| `pil-bilinear-uint8` | Pillow on uint8; jax-fid | half-pixel | triangle, scaled; rounded after each axis |

The bilinear kinds round coordinates to float32 where their references do: on a noisy image a half unit in the last
place of a coordinate is worth a thousandth of a level. `bilinear` and `grid-bilinear` have the same coordinates but for
that: those of a grid between -1 and 1 are good to a hundredth of a level.
"""

import functools
from typing import Literal, NamedTuple, get_args

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32, Int, Shaped
from PIL import Image

from jaxeval._door import takes_arrays
from jaxeval.errors import InputError

ResizeKind = Literal[
    "tf1-bilinear",
    "bilinear",
    "antialiased-bilinear",
    "grid-bilinear",
    "pil-bicubic-float",
    "pil-bicubic-uint8",
    "pil-bilinear-uint8",
]

ROUNDED_KINDS: dict[str, Image.Resampling] = {
    "pil-bicubic-uint8": Image.Resampling.BICUBIC,
    "pil-bilinear-uint8": Image.Resampling.BILINEAR,
}
"""Kinds that round between their passes: of uint8 images, and on the host only."""

_LERP_KINDS = ("tf1-bilinear", "bilinear", "grid-bilinear")

_CACHED_PLANS = 256  # a data set of mixed sizes has many; each is a few tens of kilobytes


@takes_arrays
def resize(
    image: Shaped[np.ndarray, "h w c"], size: tuple[int, int], kind: ResizeKind
) -> Float32[np.ndarray, "out_h out_w c"]:
    """One image at another size, on the host.

    Args:
      image: uint8 or float levels in 0..255.
      size: height and width wanted. The image's own size gives it back unchanged, as in every reference.
      kind: see the module's table.

    Returns:
      Levels in 0..255, not rounded (whole numbers for `ROUNDED_KINDS`).

    Raises:
      InputError: an unknown kind, a size below 1, or one of `ROUNDED_KINDS` of an image that is not uint8.

    Example:
      >>> import numpy as np
      >>> from jaxeval.images import resize
      >>> image = np.full((8, 8, 3), 128, np.uint8)
      >>> resized = resize(image, (16, 12), "antialiased-bilinear")
      >>> resized.shape, round(float(resized.max()))
      ((16, 12, 3), 128)
    """
    check_kind(kind)
    height, width = check_size(size)
    if kind in ROUNDED_KINDS:
        if image.dtype != np.uint8:
            raise InputError(f"{kind} resizes uint8 images, not {image.dtype}")
        return _resize_pil(image, height, width, ROUNDED_KINDS[kind]).astype(np.float32)
    if kind == "pil-bicubic-float":
        return _resize_pil(image.astype(np.float32), height, width, Image.Resampling.BICUBIC).clip(0.0, 255.0)
    if kind == "antialiased-bilinear":
        return _resize_sparse(image.astype(np.float32), height, width)
    return _resize_lerp(image, height, width, kind)


def resize_weights(in_size: int, out_size: int, kind: ResizeKind) -> Float[np.ndarray, "{out_size} {in_size}"]:
    """The matrix that resizes one axis; each row sums to 1.

    Args:
      in_size: length of the axis.
      out_size: length wanted.
      kind: see the module's table; `ROUNDED_KINDS` have the weights that they round with.

    Returns:
      float64 weights [out_size, in_size].

    Raises:
      InputError: an unknown kind or a size below 1.
    """
    check_kind(kind)
    check_size((in_size, out_size))
    index, weight = _taps(in_size, out_size, kind)
    matrix = np.zeros((out_size, in_size))
    np.add.at(matrix, (np.arange(out_size)[:, None], index), weight)
    return matrix


def check_kind(kind: str) -> None:
    """Raises InputError unless `kind` is a `ResizeKind`."""
    if kind not in get_args(ResizeKind):
        raise InputError(f"unknown resize kind {kind!r}; choose from {', '.join(get_args(ResizeKind))}")


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width as ints; raises InputError unless they are two whole numbers of 1 or more."""
    if len(size) != 2 or any(int(side) != side or side < 1 for side in size):
        raise InputError(f"size {size} must be (height, width), whole numbers of 1 or more")
    return int(size[0]), int(size[1])


def _resize_pil(image: np.ndarray, height: int, width: int, filter: Image.Resampling) -> np.ndarray:
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), filter))
    out = np.empty((height, width, image.shape[2]), image.dtype)
    for channel in range(image.shape[2]):  # Pillow has no float mode of several channels
        plane = Image.fromarray(np.ascontiguousarray(image[:, :, channel]))
        out[:, :, channel] = np.asarray(plane.resize((width, height), filter))
    return out


def _resize_sparse(image: np.ndarray, height: int, width: int) -> np.ndarray:
    in_height, in_width, channels = image.shape
    rows = _sparse_weights(in_height, height) @ image.reshape(in_height, -1)
    columns = rows.reshape(height, in_width, channels).transpose(1, 0, 2).reshape(in_width, -1)
    resized = _sparse_weights(in_width, width) @ columns
    return np.ascontiguousarray(resized.reshape(width, height, channels).transpose(1, 0, 2))


@functools.lru_cache(_CACHED_PLANS)
def _sparse_weights(in_size: int, out_size: int) -> scipy.sparse.csr_array:
    index, weight = _taps(in_size, out_size, "antialiased-bilinear")
    starts = np.arange(out_size + 1) * index.shape[1]
    matrix = scipy.sparse.csr_array((weight.astype(np.float32).ravel(), index.ravel(), starts), (out_size, in_size))
    matrix.eliminate_zeros()
    return matrix


class _LerpPlan(NamedTuple):
    """Two neighbours for each output position, and how far it lies between them."""

    needed: Int[np.ndarray, " k"]  # the input positions that any output reads, ascending
    low: Int[np.ndarray, " out"]  # indices into `needed`
    high: Int[np.ndarray, " out"]
    fraction: Float32[np.ndarray, " out"]


def _resize_lerp(image: np.ndarray, height: int, width: int, kind: ResizeKind) -> np.ndarray:
    # Columns first, then rows, as low + (high - low) * fraction in float32: bit for bit what the references compute.
    rows = _lerp_plan(image.shape[0], height, 1, kind)
    columns = _lerp_plan(image.shape[1], width, image.shape[2], kind)
    if len(rows.needed) < image.shape[0]:
        image = image.take(rows.needed, axis=0)
    flat = image.reshape(image.shape[0], -1)
    # Gathering single values is several times faster than gathering pixels of 3 values; "clip" skips a range check.
    low = flat.take(columns.needed[columns.low], axis=1, mode="clip").astype(np.float32)
    high = flat.take(columns.needed[columns.high], axis=1, mode="clip").astype(np.float32)
    wide = _lerp(low, high, columns.fraction)
    low = wide.take(rows.low, axis=0, mode="clip")  # take() is also much faster than indexing
    high = wide.take(rows.high, axis=0, mode="clip")
    return _lerp(low, high, rows.fraction[:, None]).reshape(height, width, -1)


def _lerp(low: np.ndarray, high: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    high -= low
    high *= fraction
    high += low
    return high


@functools.lru_cache(_CACHED_PLANS)
def _lerp_plan(in_size: int, out_size: int, channels: int, kind: ResizeKind) -> _LerpPlan:
    low, high, fraction = _lerp_taps(in_size, out_size, kind)
    if channels > 1:
        channel = np.arange(channels)
        low = (low[:, None] * channels + channel).ravel()
        high = (high[:, None] * channels + channel).ravel()
        fraction = np.repeat(fraction, channels)
    needed, places = np.unique(np.stack([low, high]), return_inverse=True)
    places = places.reshape(2, -1)
    return _LerpPlan(needed, places[0], places[1], fraction)


def _taps(in_size: int, out_size: int, kind: ResizeKind) -> tuple[np.ndarray, np.ndarray]:
    """Indices and float64 weights [out_size, taps]; places outside the image have weight 0 and a valid index."""
    if kind in _LERP_KINDS:
        low, high, fraction = _lerp_taps(in_size, out_size, kind)
        upper = fraction.astype(np.float64)
        return np.stack([low, high], axis=1), np.stack([1.0 - upper, upper], axis=1)
    find = {"antialiased-bilinear": _triangle, "pil-bilinear-uint8": _pillow_triangle}.get(kind, _bicubic)
    index, weight = find(in_size, out_size)
    return np.clip(index, 0, in_size - 1), weight


def _lerp_taps(in_size: int, out_size: int, kind: ResizeKind) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if kind == "tf1-bilinear":
        position = np.arange(out_size, dtype=np.float32) * np.float32(in_size / out_size)
    elif kind == "grid-bilinear":
        position = _grid_positions(in_size, out_size)
    else:
        # torch multiplies and subtracts in one rounding (a fused multiply-add), which float64 imitates.
        scale = np.float64(np.float32(in_size) / np.float32(out_size))
        position = np.maximum((scale * (np.arange(out_size) + 0.5) - 0.5).astype(np.float32), np.float32(0))
    low = np.minimum(position.astype(np.int64), in_size - 1)
    high = np.minimum(low + 1, in_size - 1)
    return low, high, np.clip(position - low.astype(np.float32), np.float32(0), np.float32(1))


def _grid_positions(in_size: int, out_size: int) -> Float32[np.ndarray, " out"]:
    # The grid of torch's affine_grid for the identity, and what grid_sample makes of it with border padding. Its
    # linspace counts from both ends, with one rounding for product and sum, which float64 imitates.
    single, place = np.float32, np.arange(out_size)
    if in_size == out_size:
        return place.astype(single)  # what rounding makes of it there is left out
    step = np.float64(single(2) / single(max(out_size - 1, 1)))
    grid = np.where(place < out_size // 2, step * place - 1.0, 1.0 - step * (out_size - 1 - place)).astype(np.float32)
    grid = grid * single(out_size - 1) / single(out_size)
    return np.clip((grid + single(1)) * single(in_size / 2) - single(0.5), single(0), single(in_size - 1))


def _triangle(in_size: int, out_size: int) -> tuple[np.ndarray, np.ndarray]:
    # torch's _compute_indices_min_size_weights_aa for float32 tensors, rounding for rounding.
    single = np.float32
    scale = single(in_size) / single(out_size)
    support = max(scale, single(1))
    inverse = np.float64(single(1) / support)
    center = (np.float64(scale) * (np.arange(out_size) + 0.5)).astype(np.float32)
    index, inside = _window(in_size, (center - support) + 0.5, (center + support) + 0.5, float(support))
    distance = ((index.astype(np.float32) - center[:, None]).astype(np.float64) + 0.5) * inverse
    weight = np.where(inside, np.maximum(single(1) - np.abs(distance.astype(np.float32)), single(0)), single(0))
    return index, (weight / weight.sum(axis=1, keepdims=True, dtype=np.float32)).astype(np.float64)


def _bicubic(in_size: int, out_size: int) -> tuple[np.ndarray, np.ndarray]:
    # Pillow's precompute_coeffs with its bicubic filter (a = -0.5), in doubles as there.
    index, inside, x = _pillow_window(in_size, out_size, 2)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0)
    weight = np.where(inside & (x < 2.0), np.where(x < 1.0, near, far), 0.0)
    return index, weight / weight.sum(axis=1, keepdims=True)


def _pillow_triangle(in_size: int, out_size: int) -> tuple[np.ndarray, np.ndarray]:
    # The same with its bilinear filter.
    index, inside, x = _pillow_window(in_size, out_size, 1)
    weight = np.where(inside, np.maximum(1.0 - x, 0.0), 0.0)
    return index, weight / weight.sum(axis=1, keepdims=True)


def _pillow_window(in_size: int, out_size: int, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The input positions that each output reads, which of them are real, and how far they are in the filter's unit."""
    scale = in_size / out_size
    stretch = max(scale, 1.0)
    center = (np.arange(out_size) + 0.5) * scale
    support = reach * stretch
    index, inside = _window(in_size, center - support + 0.5, center + support + 0.5, support)
    return index, inside, np.abs((index - center[:, None] + 0.5) / stretch)


def _window(in_size: int, first: np.ndarray, last: np.ndarray, support: float) -> tuple[np.ndarray, np.ndarray]:
    """The run of input positions that each output reads, and which places of it are real."""
    start = np.maximum(first.astype(np.int64), 0)
    end = np.minimum(last.astype(np.int64), in_size)
    index = start[:, None] + np.arange(int(np.ceil(2 * support)) + 1)
    return index, index < end[:, None]
