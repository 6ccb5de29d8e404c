"""Pixels that are stored as floats: what is known of them at once, and that all of them are finite."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from jaxeval.errors import InputError

_CHANNELS = {1: ("gray",), 3: ("red", "green", "blue")}


class FloatImage(NamedTuple):
    """An image whose values are floats, before they are read.

    Attributes:
      height, width: in pixels, of the image that `read` gives.
      channels: 1 for gray, 3 for RGB.
      alpha: whether it has an alpha channel too, which is not read.
      notes: what is done to it, as keys of `ReadReport.notes`.
      read: its values, [H, W, C], as floats of 16, 32 or 64 bits in any byte order. Raises what its library raises.
    """

    height: int
    width: int
    channels: int
    alpha: bool
    notes: tuple[str, ...]
    read: Callable[[], np.ndarray]


def single_floats(values: Float[np.ndarray, "h w c"], where: str) -> Float32[np.ndarray, "h w c"]:
    """Floats of 16, 32 or 64 bits in any byte order as float32, in rows.

    Args:
      values: as stored.
      where: the image's name, for messages.

    Raises:
      InputError: a value is not finite, or too large for float32; the message has its place.
    """
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(values, np.float32)
    wrong = ~np.isfinite(found)
    if wrong.any():
        row, column, channel = (int(place) for place in np.unravel_index(wrong.argmax(), wrong.shape))
        value = float(values[row, column, channel])
        kind = "not a number" if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:g}, beyond float32"
        colour = _CHANNELS[found.shape[2]][channel]
        raise InputError(
            f"{where} has {int(wrong.sum()):,} of {wrong.size:,} values that are not finite; the first, {colour} in "
            f"row {row}, column {column} from 0, is {kind}"
        )
    return found
