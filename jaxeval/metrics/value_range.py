"""The range of the pixel values that a state has seen, and what it says of the range that was stated.

Images in [-1, 1] or [0, 1] for a network that takes 0 to 255 look almost black to it, all of them alike, and its
numbers come out small and confident. No single batch shows that; the smallest and the largest value of all batches do.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arguments import value_range as checked_pair
from jaxeval._arrays import AnyArray
from jaxeval.errors import InputError
from jaxeval.metrics.metric import AxisName
from jaxeval.ops.image_quality.batches import lie_around_zero

_ROUNDING = 1e-3  # of a range's width: what resizing and rounding may add at its ends


class SeenRange(NamedTuple):
    """The smallest and the largest value seen, a pytree of two float32 scalars; of none, infinity and its negative."""

    low: AnyArray
    high: AnyArray


def no_range() -> SeenRange:
    """The range before any value was seen."""
    return SeenRange(jnp.full((), jnp.inf, jnp.float32), jnp.full((), -jnp.inf, jnp.float32))


def seen_range(images: Any, mask: Any = None) -> SeenRange:
    """The range of the values of a batch.

    Args:
      images: [N, ...], any real dtype; values that are not a number do not count.
      mask: [N], truth values; images where it is False do not count.
    """
    values = lax.stop_gradient(jnp.asarray(images)).astype(jnp.float32)
    counts = ~jnp.isnan(values)
    if mask is not None:
        counts &= jnp.asarray(mask).reshape(-1, *[1] * (values.ndim - 1))
    low = jnp.where(counts, values, jnp.inf).min(initial=jnp.inf)
    return SeenRange(low, jnp.where(counts, values, -jnp.inf).max(initial=-jnp.inf))


def merge_ranges(a: SeenRange, b: SeenRange) -> SeenRange:
    """The range that holds the values of both."""
    return SeenRange(jnp.minimum(a.low, b.low), jnp.maximum(a.high, b.high))


def reduce_range(seen: SeenRange, axis_name: AxisName) -> SeenRange:
    """The range of the values of all devices, inside `shard_map` or `pmap`."""
    return SeenRange(lax.pmin(seen.low, axis_name), lax.pmax(seen.high, axis_name))


def checked_value_range(value: Any) -> tuple[float, float]:
    """The values of black and white that a user stated.

    Raises:
      InputError: they are not two finite numbers, the lower first.
    """
    low, high = checked_pair("value_range", value)
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"value_range is {value}; give the values of black and white, the lower first, as in (-1, 1)")
    return low, high


def to_extractor_range(
    images: Any, stated: tuple[float, float], wanted: tuple[float, float], keyword: str
) -> Float[Array, "..."]:
    """Images of a stated range in that of an extractor, float32.

    Raises:
      InputError: they are of 8 bits, whose range is 0 to 255, and another was stated.
    """
    dtype = np.dtype(images.dtype) if hasattr(images, "dtype") else np.asarray(images).dtype
    if dtype == np.uint8 and stated != (0.0, 255.0):
        raise InputError(
            f"{keyword} is uint8, which is 0 to 255, and value_range is {_pair(stated)}; convert the images or leave "
            "value_range out"
        )
    images = jnp.asarray(images).astype(jnp.float32)
    scale = (wanted[1] - wanted[0]) / (stated[1] - stated[0])
    return images if stated == wanted else (images - stated[0]) * scale + wanted[0]


def value_range_doubt(
    seen: SeenRange, stated: tuple[float, float] | None, wanted: tuple[float, float], keyword: str
) -> str | None:
    """What a reader should know of images whose values do not look like those of their range; None if they do.

    Args:
      seen: range that a state has seen.
      stated: range that the user stated; None where none was, and the extractor's is taken for granted.
      wanted: the extractor's range.
      keyword: keyword that the images came by.
    """
    low, high = _numbers(seen)
    if not low <= high:
        return None
    found = f"{keyword} held values from {low:.6g} to {high:.6g}"
    if stated is None and wanted == (0.0, 255.0) and low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        likely = "(-1, 1)" if low < -_ROUNDING else "(0, 1)"
        return (
            f"{found} where the extractor takes 0 to 255; if that is their range, give the collection "
            f"value_range={likely}"
        )
    black, white = stated or wanted
    slack = _ROUNDING * (white - black)
    if low < black - slack or high > white + slack:
        named = f"value_range={_pair((black, white))}" if stated else f"the extractor's {black:g} to {white:g}"
        return f"{found}, outside of {named}"
    if stated is not None and black < 0 and (low >= (black + white) / 2):
        return f"{found}, the brighter half of value_range={_pair(stated)} alone; is that their range?"
    return None


def data_range_doubt(seen: SeenRange, data_range: float, name: str, *, of_differences: bool) -> str | None:
    """What a reader should know of images whose values do not look like those of a measure's `data_range`.

    Args:
      seen: range that a state has seen.
      data_range: the measure's.
      name: the measure's.
      of_differences: whether the measure sees differences of values alone, so that they may lie around 0.
    """
    low, high = _numbers(seen)
    if not low <= high:
        return None
    found = f"{name}: images held values from {low:.6g} to {high:.6g}"
    if high - low > data_range * (1 + _ROUNDING):
        return f"{found}, wider than data_range={data_range:g}"
    if data_range > 2 and low < high and low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        shifted = "" if of_differences else ", shifted by 1"
        likely = f"[-1, 1]{shifted}, data_range=2" if low < -_ROUNDING else "[0, 1], data_range=1"
        return f"{found} with data_range={data_range:g}; of images in {likely} is meant"
    if not of_differences and lie_around_zero(low, high, data_range):
        return f"{found}, around 0; shift them to [0, data_range={data_range:g}]"
    return None


def _numbers(seen: SeenRange) -> tuple[float, float]:
    return float(np.asarray(jax.device_get(seen.low))), float(np.asarray(jax.device_get(seen.high)))


def _pair(pair: tuple[float, float]) -> str:
    return f"({pair[0]:g}, {pair[1]:g})"
