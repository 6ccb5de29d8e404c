"""Reads NumPy arrays and torch tensors out of a pickle without executing it.

`_torch_pickle` reads what a state dict is made of; this reads what the statistics and features of other tools are made
of: dictionaries, lists, tuples, text, numbers, arrays and tensors. As there, nothing is imported or called: the
functions by which NumPy rebuilds an array are tokens, and what they would do is done here, on bytes whose number has
been checked against the shape. A file that asks for anything else is refused by the name of what it asks for.

Format: NumPy's `ndarray.__reduce__` and `ndarray.__reduce_ex__(5)`, `dtype.__reduce__`, and those of scalars.
"""

import dataclasses
import math
import re
from typing import Any, NoReturn

import numpy as np

from jaxeval.errors import WeightsError
from jaxeval.tensor_files._torch_pickle import Global, MalformedError, PickleReader, is_count

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since NumPy 2
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")
_RECONSTRUCT = {(module, "_reconstruct") for module in _MULTIARRAY}
_SCALAR = {(module, "scalar") for module in _MULTIARRAY}
_FROM_BUFFER = {(module, "_frombuffer") for module in _NUMERIC}
_BYTES = {(module, name) for module in _BUILTINS for name in ("bytes", "bytearray")}
_ENCODE, _DTYPE, _NDARRAY = ("_codecs", "encode"), ("numpy", "dtype"), ("numpy", "ndarray")
_GLOBALS = _RECONSTRUCT | _SCALAR | _FROM_BUFFER | _BYTES | {_ENCODE, _DTYPE, _NDARRAY}
_MOST_BYTES = 2**40  # as many as the file has: arrays lie in the pickle itself
_MOST_AXES = 8
_OBJECT = "O"


class PickledArray:
    """An array whose content may still be to come.

    Attributes:
        value: the array; for an array of Python objects, a list of them.
    """

    def __init__(self):
        self.value: np.ndarray | list[Any] | None = None


@dataclasses.dataclass
class _Dtype:
    code: str
    order: str = "="

    def numpy(self) -> np.dtype:
        return np.dtype(self.code).newbyteorder("=" if self.order == "|" else self.order)  # pyright: ignore[reportArgumentType]


class ArrayPickleReader(PickleReader):
    """A reader of pickles (a stack machine) that knows NumPy's arrays besides plain values."""

    what = "pickle"
    most_bytes = _MOST_BYTES

    def step(self, name: str, argument: Any) -> None:
        """Carries out one opcode of the pickle."""
        if name in _PUSHED_ARGUMENT:
            self.stack.append(argument)
        elif name in _MORE_HANDLERS:
            _MORE_HANDLERS[name](self)
        else:
            super().step(name, argument)

    def refuse(self, what: str) -> NoReturn:
        """Raises the error that names what the pickle asks for and this reader does not know."""
        raise WeightsError(
            f"{self.source} was refused, because it asks for {what}, of which mean, covariance and features have no "
            "need; nothing was executed: save them as arrays in an .npz"
        )

    def knows(self, module: str, name: str) -> bool:
        """Whether a pickle may name this class or function."""
        return (module, name) in _GLOBALS or super().knows(module, name)

    def fill(self, target: dict[Any, Any], items: list[Any]) -> None:
        """Adds items to a dictionary whose keys are text or numbers: hashing more could overflow the C stack."""
        for item in items:
            if not isinstance(item, list | tuple) or len(item) != 2:
                raise MalformedError("a dictionary has an item that is no pair")
            key = item[0]
            if not (key is None or isinstance(key, str | int | float | bytes)):
                raise MalformedError("a dictionary has a key that is neither text nor a number")
            target[key] = item[1]

    def reduce(self, argument: Any) -> None:
        """Replaces a function and its arguments on the stack by the result, for calls that make arrays."""
        if len(self.stack) < 2 or not isinstance(self.stack[-2], Global) or self.stack[-2].name not in _GLOBALS:
            super().reduce(argument)
            return
        arguments, function = self.pop(), self.pop().name
        if not isinstance(arguments, tuple):
            raise MalformedError("a call has no arguments")
        if function in _RECONSTRUCT:
            self.stack.append(PickledArray())  # of no elements until `build` fills it
        elif function == _DTYPE:
            self.stack.append(_dtype(arguments))
        elif function in _SCALAR:
            self.stack.append(_scalar(arguments))
        elif function in _FROM_BUFFER:
            self.stack.append(_from_buffer(arguments))
        elif function == _ENCODE or function in _BYTES:
            self.stack.append(_bytes(arguments))
        else:
            raise MalformedError(f"{'.'.join(function)} is called in an unknown way")

    def build(self, argument: Any) -> None:
        """Fills an array with its elements, or completes a dtype, from the state on the stack."""
        if len(self.stack) > 1 and isinstance(self.stack[-2], PickledArray):
            state = self.pop()
            self.stack[-1].value = _elements(state)
        elif len(self.stack) > 1 and isinstance(self.stack[-2], _Dtype):
            state = self.pop()
            if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
                raise MalformedError("a dtype has no byte order")
            self.stack[-1].order = state[1]
        else:
            super().build(argument)

    def new_object(self, argument: Any) -> None:
        """Refuses to make an instance of a class: statistics need none."""
        self.pop()
        kind = self.pop()
        self.refuse(f"an object of {'.'.join(kind.name)}" if isinstance(kind, Global) else "an object of its own")

    def list_to_mark(self) -> None:
        """Replaces what lies above the last mark of the stack by a list of it."""
        self.stack.append(self.pop_to_mark())

    def dict_to_mark(self) -> None:
        """Replaces what lies above the last mark of the stack by a dictionary of it."""
        items = self.pop_to_mark()
        if len(items) % 2:
            raise MalformedError("a dictionary key has no value")
        self.stack.append({})
        self.fill(self.stack[-1], list(zip(items[::2], items[1::2], strict=True)))


def _dtype(arguments: tuple[Any, ...]) -> _Dtype:
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or not re.fullmatch(r"[fiu][1248]|b1|O8?|[US]\d{1,6}", code):
        raise MalformedError("an array has elements that are no numbers")
    return _Dtype(code)


def _raw(value: Any) -> bytes | bytearray:
    """The bytes of a value that is bytes, or text as Python 2 wrote bytes."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if not isinstance(value, bytes | bytearray):
        raise MalformedError("an array has no bytes")
    return value


def _array(data: Any, dtype: Any, shape: Any, *, fortran: bool) -> np.ndarray:
    """An array of bytes whose number has been checked."""
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise MalformedError("an array has no dtype or no shape")
    if not all(is_count(size) for size in shape) or dtype.code.startswith(_OBJECT):
        raise MalformedError("an array's shape or dtype is impossible")
    content, kind = _raw(data), dtype.numpy()
    if math.prod(shape) * kind.itemsize != len(content):
        raise MalformedError("an array's shape and its bytes disagree")
    flat = np.frombuffer(content, kind) if kind.itemsize else np.zeros(math.prod(shape), kind)
    values = flat.reshape(shape, order="F" if fortran else "C")
    values.flags.writeable = False
    return values


def _elements(state: Any) -> np.ndarray | list[Any]:
    """The array of `(version, shape, dtype, whether in Fortran's order, bytes or a list)`."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise MalformedError("an array is not described as NumPy does it")
    shape, dtype, fortran, data = state[-4:]
    if isinstance(dtype, _Dtype) and dtype.code.startswith(_OBJECT):
        if not isinstance(data, list):
            raise MalformedError("an array of objects has none")
        return data
    return _array(data, dtype, shape, fortran=fortran is True)


def _scalar(arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 2:
        raise MalformedError("a number is not described as NumPy does it")
    return _array(arguments[1], arguments[0], (), fortran=False).reshape(-1)[0]


def _from_buffer(arguments: tuple[Any, ...]) -> PickledArray:
    if len(arguments) != 4 or arguments[3] not in ("C", "F"):
        raise MalformedError("an array is not described as NumPy does it")
    made = PickledArray()
    made.value = _array(*arguments[:3], fortran=arguments[3] == "F")
    return made


def _bytes(arguments: tuple[Any, ...]) -> bytes:
    """`_codecs.encode(text, "latin1")`, by which old protocols write bytes, or `bytes()` and `bytearray(...)`."""
    if not arguments:
        return b""
    content, *coding = arguments
    if coding and coding not in (["latin1"], ["latin-1"]):
        raise MalformedError("bytes are made in an unknown way")
    return bytes(_raw(content))


_PUSHED_ARGUMENT = {
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "STRING", "BINSTRING", "LONG4", "FLOAT",
}  # fmt: skip
_MORE_HANDLERS = {
    "LIST": ArrayPickleReader.list_to_mark,
    "DICT": ArrayPickleReader.dict_to_mark,
    "POP": ArrayPickleReader.pop,
    "POP_MARK": ArrayPickleReader.pop_to_mark,
}
