"""From values with a stated range to levels in 0..255, and what the values tell of the range."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.source import OutOfRange, ValueRange
from jaxeval.images.wide import unused_bits

_ROUNDING = 1e-5
_WIDE = frozenset((1 << bits) - 1 for bits in range(9, 17))  # upper ends of ranges of more than 8 bits
# Of 255 levels: what 0 to 1 are in a range of 0 to 255, and -1 to 1 in -128 to 127.
_NARROW = 2.0 / 255.0 + _ROUNDING


def to_levels(
    pixels: np.ndarray, value_range: ValueRange, out_of_range: OutOfRange, where: str
) -> tuple[Float[np.ndarray, "..."], bool]:
    """Values as levels, and whether some were clipped.

    Values that rounding takes over a bound count as the bound: by 1e-5 of the range, or by one unit in the last place
    of the array's own type at the bound. Integers are not rounded.

    Args:
      pixels: of a real type.
      value_range: the values that mean black and white.
      out_of_range: whether values further out fail or are clipped. Values that are not finite fail.
      where: the image, for messages.

    Returns:
      Levels in the array's own precision, in the references' order of operations.

    Raises:
      InputError: a value is not finite, or outside the range; the message has the first in the array's order.
    """
    low, high = value_range
    dtype = _working_type(pixels)
    values = pixels.astype(dtype)
    with np.errstate(invalid="ignore"):  # NaN is found right below
        least, most = values.min(), values.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        raise _outside(pixels, ~np.isfinite(values), value_range, where, "")
    clipped = False
    if least < low or most > high:
        below, above = low - _slack(pixels.dtype, low, value_range), high + _slack(pixels.dtype, high, value_range)
        clipped = bool(least < below or most > above)
        if clipped and out_of_range == "fail":
            advice = " (state the range that it has, or have such values clipped and counted: --out-of-range clip)"
            raise _outside(pixels, (values < below) | (values > above), value_range, where, advice)
        np.clip(values, low, high, out=values)
    # (x - low) * (255 / (high - low)) is their x * 255 and (x + 1) * 127.5, so that truncation falls on the same side.
    values -= dtype(low)
    values *= dtype(255.0 / (high - low))
    return values, clipped


def rounded_levels(pixels: np.ndarray, value_range: ValueRange) -> UInt8[np.ndarray, "..."] | None:
    """Values of -1 to 1 as 127.5 x + 128 cut to whole numbers, which StyleGAN3, EDM2 and iMF make of them.

    It is floor(level + 1/2), but where the last digits of the values' own precision decide; there it is what those
    compute. None for values of another range, for which no reference has such a rule.

    Args:
      pixels: finite values; what lies beyond the range is clipped.
      value_range: the values that mean black and white.
    """
    if value_range != (-1, 1):
        return None
    dtype = _working_type(pixels)
    return np.clip(dtype(127.5) * pixels.astype(dtype) + dtype(128), dtype(0), dtype(255)).astype(np.uint8)


def _working_type(pixels: np.ndarray) -> type[np.float32] | type[np.float64]:
    return np.float64 if pixels.dtype.kind in "iu" or pixels.dtype == np.float64 else np.float32


def range_notes(pixels: np.ndarray, value_range: ValueRange) -> list[str]:
    """What to note of an image that uses a part only of the range that was stated for it.

    Args:
      pixels: as they were given, without alpha.
      value_range: the values that mean black and white.
    """
    low, high = value_range
    least, most = float(pixels.min()), float(pixels.max())
    notes = []
    if low == 0 and high in _WIDE:
        notes += unused_bits(most, below=int(high))
    if 0 < most - least <= _NARROW * (high - low):  # one shade alone tells nothing of its range
        notes.append(report.NARROW)
    if low < 0 < high and least >= 0:
        notes.append(report.ONE_SIDED)
    return notes


def level_notes(levels: UInt8[np.ndarray, "..."]) -> list[str]:
    """What to note of an image of 8 bits that is as black as one whose values are 0 and 1."""
    return [report.BLACK] if levels.max() <= 1 else []


def _slack(dtype: np.dtype, bound: float, value_range: ValueRange) -> float:
    """How far beyond a bound a value is still that bound, but for rounding."""
    if dtype.kind in "iu":
        return 0.0
    low, high = value_range
    own = np.finfo(dtype) if dtype.kind == "f" else jnp.finfo(dtype)
    return max(_ROUNDING * (high - low), float(own.eps) * abs(bound))


def _outside(pixels: np.ndarray, bad: np.ndarray, value_range: ValueRange, where: str, advice: str) -> InputError:
    value = pixels[bad][0]
    text = _shortest(value if pixels.dtype.kind in "iuf" else np.float32(value))
    low, high = (_shortest(float(bound)) for bound in value_range)
    return InputError(f"{where} has the value {text}, outside the stated range {low} to {high}{advice}")


def _shortest(number: np.generic | float) -> str:
    """As few digits as tell the number from its neighbours."""
    return str(number).removesuffix(".0")
