"""What every public op does first with the arrays it is given, whoever made them.

JAX takes NumPy arrays of the machine's own byte order. Others it refuses, but not where a program for their shape and
dtype has been compiled: then it reads their bytes in the wrong order. So each public op has its arguments made native
at its door, and takes whatever NumPy can read beside: lists of numbers, torch tensors on the CPU, data frames.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import AbstractArray

from jaxeval.errors import InputError, said_by

P = ParamSpec("P")
R = TypeVar("R")
Reader = Callable[[str, Any], Any]


def takes_arrays(
    function: Callable[P, R], *, but: tuple[str, ...] = (), others: Reader | None = None
) -> Callable[P, R]:
    """A public op that reads its arguments as its annotations say: `as_array` where they name arrays, else `native`.

    Args:
      function: the op.
      but: parameters that it gets as they were given.
      others: reads keywords that its signature does not name; `native` by default.
    """
    parameters = inspect.signature(function).parameters.items()
    readers = {name: _as_given if name in but else _reader(p.annotation) for name, p in parameters}
    in_order = list(readers.items())

    @functools.wraps(function)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        read = [reader(name, value) for (name, reader), value in zip(in_order, args, strict=False)]
        named = {name: readers.get(name, others or native)(name, value) for name, value in kwargs.items()}
        return function(*read, *args[len(read) :], **named)  # pyright: ignore[reportCallIssue]

    return reading


def as_array(name: str, value: Any) -> Any:
    """JAX and NumPy arrays as they are, but native; anything else as the NumPy array that it can be read as.

    Raises:
      InputError: it is no array.
    """
    if isinstance(value, jax.Array | np.ndarray | np.generic) or value is None or _is_record(value):
        return native(name, value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is {_described(value)}, which NumPy cannot read: {said_by(error)}") from error
    if array.dtype == object:
        raise InputError(f"{name} is {_described(value)}; an array of numbers is expected")
    return native(name, array)


def native(name: str, value: Any) -> Any:
    """The same value, with every array that tuples, lists and dictionaries hold in the machine's byte order.

    Arrays of other libraries become NumPy's.
    """
    if isinstance(value, np.ndarray):
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
    if isinstance(value, jax.Array | np.generic | str):
        return value
    if _is_record(value) or type(value) in (tuple, list):
        parts = [native(name, part) for part in value]
        if all(part is before for part, before in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if _is_record(value) else type(value)(parts)
    if type(value) is dict:
        return dict(zip(value, native(name, list(value.values())), strict=True))
    return as_array(name, value) if hasattr(value, "__array__") and not isinstance(value, type) else value


def native_or_numbers(name: str, value: Any) -> Any:
    """`native`, and lists of numbers, of any depth, as arrays: for keywords that no annotation describes."""
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    of_numbers = isinstance(value, list) and isinstance(first, bool | int | float)
    return as_array(name, value) if of_numbers else native(name, value)


def _reader(annotation: Any) -> Reader:
    """The function that turns an argument of this annotated type into what the op takes."""
    parts = [part for part in _members(annotation) if part is not types.NoneType]
    of_arrays = [part for part in parts if isinstance(part, type) and issubclass(part, AbstractArray)]
    if of_arrays and all(part in of_arrays or _is_record_type(part) for part in parts):
        return _on_device if all(part.array_type is jax.Array for part in of_arrays) else as_array
    held = typing.get_args(parts[0])[-1:] if len(parts) == 1 else ()
    if held and _reader(held[0]) is not native:
        if typing.get_origin(parts[0]) is Sequence:
            return functools.partial(_each_of, _reader(held[0]))
        if typing.get_origin(parts[0]) is Mapping:
            return functools.partial(_each_named, _reader(held[0]))
    return native


def _as_given(name: str, value: Any) -> Any:
    del name
    return value


def _members(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)


def _on_device(name: str, value: Any) -> Any:
    """`as_array` for ops that take JAX arrays alone: NumPy arrays become JAX arrays too."""
    array = as_array(name, value)
    return jnp.asarray(array) if isinstance(array, np.ndarray) else array


def _each_of(reader: Reader, name: str, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return native(name, value)
    return [reader(f"{name}[{number}]", part) for number, part in enumerate(value)]


def _each_named(reader: Reader, name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return native(name, value)
    return {key: reader(f"{name}[{key!r}]", part) for key, part in value.items()}


def _is_record(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_record_type(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _described(value: Any) -> str:
    kind = type(value)
    return f"a {kind.__name__}" if kind.__module__ == "builtins" else f"a {kind.__module__}.{kind.__name__}"
