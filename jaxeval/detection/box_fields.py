"""What records of boxes are given, as the arrays and tuples that they keep; anything else is refused by its name."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval._arguments import shown
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError

_ESCAPED = re.compile("[\udc80-\udcff]")

FARTHEST = 1e100
"""The largest coordinate or side that a box may have: areas and sums of such are finite."""


def set_name(given: Any) -> str:
    """What a set is called.

    Raises:
      InputError: it is no text, or half of one.
    """
    if not isinstance(given, str):
        raise InputError(f"the name of a set of boxes is {shown(given)}; give a text")
    fault = fault_of([_of_files(given)])
    if fault is not None:
        raise InputError(f"the name {given!r} of a set of boxes has {fault}")
    return given


def texts_of(whose: str, field: str, given: Any) -> tuple[str, ...]:
    """Texts, of a list, a tuple or an array of them.

    Raises:
      InputError: they are none.
    """
    values = _listed(whose, field, given, "texts")
    for number, one in enumerate(values):
        if not isinstance(one, str):
            raise InputError(f"{whose}: {field}[{number}] is {shown(one)}; give a text")
    whole = [_of_files(one) for one in values] if field == "images" else values
    if fault_of(whole) is not None:
        number, fault = next((place, fault_of([one])) for place, one in enumerate(whole) if fault_of([one]) is not None)
        raise InputError(f"{whose}: {field}[{number}] is {values[number][:40]!r}, which has {fault}")
    return values


def _of_files(name: str) -> str:
    """Without what stands for bytes of a file's name that are no UTF-8, as Python has them."""
    return _ESCAPED.sub("", name)


def ids_of(whose: str, field: str, given: Any) -> tuple[int | str, ...]:
    """Whole numbers or texts, by which files call images and categories.

    Raises:
      InputError: they are none.
    """
    values = tuple(int(one) if isinstance(one, np.integer) else one for one in _listed(whose, field, given, "ids"))
    for number, one in enumerate(values):
        if isinstance(one, bool) or not isinstance(one, int | str):
            raise InputError(f"{whose}: {field}[{number}] is {shown(one)}; give a whole number or a text")
    return values


def records_of(whose: str, field: str, given: Any, kind: type) -> tuple[Any, ...]:
    """Records of one kind, or None, of a list or a tuple of them.

    Raises:
      InputError: they are none.
    """
    values = _listed(whose, field, given, f"{kind.__name__} records or None")
    for number, one in enumerate(values):
        if one is not None and not isinstance(one, kind):
            raise InputError(f"{whose}: {field}[{number}] is {shown(one)}; give a {kind.__name__}, or None")
    return values


def plain_values(whose: str, field: str, given: Any) -> Mapping[str, Any]:
    """A mapping.

    Raises:
      InputError: it is none.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"{whose}: {field} is {shown(given)}; give plain values by name")
    return given


def whole_numbers(whose: str, field: str, given: Any, shape: tuple[int, ...] | None = None) -> Int[np.ndarray, "..."]:
    """Whole numbers as int64, in a row unless a shape is expected.

    Raises:
      InputError: they are none.
    """
    array = _array(whose, field, given, shape, "whole numbers")
    large = array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max
    if array.dtype.kind not in "iu" or large:
        raise InputError(f"{whose}: {field} has {_an_example(array, _is_whole)}; give whole numbers")
    return array.astype(np.int64)


def numbers(whose: str, field: str, given: Any, shape: tuple[int, ...] | None = None) -> Float[np.ndarray, "..."]:
    """Numbers as float64, in a row unless a shape is expected.

    Raises:
      InputError: they are none.
    """
    array = _array(whose, field, given, shape, "numbers")
    if array.dtype.kind not in "iuf":
        raise InputError(f"{whose}: {field} has {_an_example(array, _is_number)}; give numbers")
    return array.astype(np.float64)


def flags(whose: str, field: str, given: Any) -> Bool[np.ndarray, " n"]:
    """What holds and what does not: True and False, or 1 and 0.

    Raises:
      InputError: they are none.
    """
    array = _array(whose, field, given, None, "True and False")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iu" or not np.isin(array, (0, 1)).all():
        raise InputError(f"{whose}: {field} has {_an_example(array, _is_flag)}; give True or False of each box")
    return array.astype(bool)


def _listed(whose: str, field: str, given: Any, what: str) -> tuple[Any, ...]:
    if isinstance(given, np.ndarray) and given.ndim == 1:
        return tuple(given.tolist())
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise InputError(f"{whose}: {field} is {shown(given)}; give a list of {what}")
    return tuple(given)


def _array(whose: str, field: str, given: Any, shape: tuple[int, ...] | None, what: str) -> np.ndarray:
    """An array, which is empty and of whole numbers where a list is empty."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{whose}: {field} is no array, as its rows are not alike; give {what}") from error
    if array.ndim == 0 or (array.dtype.kind not in "biuf" and array.size == 0):
        raise InputError(f"{whose}: {field} is {shown(given)}; give a list or an array of {what}")
    if array.size == 0 and not isinstance(given, np.ndarray):
        array = np.zeros(shape or 0, np.int64) if shape is None or 0 in shape else array
    if shape is None and array.ndim != 1:
        raise InputError(f"{whose}: {field} has shape {list(array.shape)}; give one of {what} for each box, in a row")
    if shape is not None and array.shape != shape:
        raise InputError(f"{whose}: {field} have shape {list(array.shape)}; {list(shape)} is expected")
    return array


def _an_example(array: np.ndarray, right: Callable[[Any], bool]) -> str:
    """A value that is not as it must be."""
    values: Iterable[Any] = array.ravel().tolist()
    return shown(next((one for one in values if not right(one)), array.dtype.name))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= np.iinfo(np.int64).max


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | int) and value in (0, 1)
