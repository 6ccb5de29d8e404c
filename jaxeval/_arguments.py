"""What callers pass, checked: an argument of another type is refused by its name and the right form."""

import operator
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxeval.errors import InputError

__all__ = ["number", "path", "shown", "text", "value_range", "whole_number"]


def whole_number(
    name: str, value: Any, least: int | None = None, most: int | None = None, *, enforce: bool = True
) -> int:
    """The value as a Python integer.

    Args:
      name: of the argument.
      value: an integer of Python or NumPy; True and False are none.
      least: the smallest that is possible.
      most: the largest.
      enforce: whether a number out of that range is refused here, and not by who knows more of it.

    Raises:
      InputError: it is no whole number, or out of its range.
    """
    above = "" if least is None else f" of {least:,} or more" if most is None else f" from {least:,} to {most:,}"
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise InputError(f"{name} is {shown(value)}; give a whole number{above}")
    if enforce and ((least is not None and found < least) or (most is not None and found > most)):
        raise InputError(f"{name} is {found}; give a whole number{above}")
    return found


def number(name: str, value: Any) -> Any:
    """A real number, as it was given.

    Raises:
      InputError: it is none.
    """
    if not _is_real(value):
        raise InputError(f"{name} is {shown(value)}; give a number")
    return value


def text(name: str, value: Any, form: str) -> str:
    """A text.

    Args:
      name: of the argument.
      value: the text.
      form: what to give, for the message.

    Raises:
      InputError: it is none.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}; give {form}")
    return value


def path(name: str, value: Any) -> Any:
    """A path of a file or folder, as it was given.

    Raises:
      InputError: it is none.
    """
    if not isinstance(value, str | os.PathLike) or value == "":
        raise InputError(f"{name} is {shown(value)}; give a path, as text or as a pathlib.Path")
    return value


def value_range(name: str, value: Any) -> tuple[float, float]:
    """Two numbers, the values of black and white.

    Raises:
      InputError: they are not.
    """
    pair = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes) and len(value) == 2
    if not pair or not all(map(_is_real, value)):
        raise InputError(
            f"{name} is {shown(value)}; give the values of black and white, the lower first, as in (-1, 1)"
        )
    return float(value[0]), float(value[1])


def shown(value: Any) -> str:
    """A value as the user would recognise it, in few words."""
    name = getattr(value, "__name__", None)
    if isinstance(value, type):
        return f"the class {name}"
    if callable(value) and name:
        return f"the function {name}"
    short = repr(value)
    large = callable(value) or len(short) > 40 or "\n" in short
    return f"an object of type {type(value).__name__}" if large else short


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
