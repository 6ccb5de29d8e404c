"""Reads the pickle inside a torch checkpoint without executing it.

An interpreter for the few opcodes, and the few globals, that a state dict is made of. Nothing is imported or called: a
global is a token, and the only "calls" build dictionaries and tensor descriptions. Whatever else a file asks for is
refused by name. `pickletools` does the reading of opcodes; it only parses.

TorchScript archives (OpenAI's CLIP checkpoints) hold modules in place of a dictionary: instances of classes that the
archive itself defines in code. The code is not looked at, and an instance is a `ScriptModule`: its attributes by name.
"""

import dataclasses
import io
import pickletools
from typing import Any, NoReturn

from jaxeval.errors import WeightsError

# Storage classes by name, and what NumPy calls their elements.
STORAGE_DTYPES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
}
_MAX_BYTES = 16 * 2**20  # a state dict's pickle holds names and shapes only: the largest networks stay below 1 MiB
_MARK = object()
_ORDERED_DICT = ("collections", "OrderedDict")
_REBUILD_TENSOR = ("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = ("torch._utils", "_rebuild_parameter")
_SCRIPT = "__torch__"  # the package of the classes that a TorchScript archive defines
_GLOBALS = {_ORDERED_DICT, _REBUILD_TENSOR, _REBUILD_PARAMETER} | {("torch", name) for name in STORAGE_DTYPES}


@dataclasses.dataclass(frozen=True)
class Global:
    """What stands for a class or a function: its module and its name."""

    name: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Storage:
    """A run of elements kept outside the pickle, under a key."""

    key: str
    dtype: str
    numel: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and strides count elements. Nothing about it has been checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class ScriptModule(dict[str, Any]):
    """The attributes of one module of a TorchScript archive: tensors, modules, and what neither is."""


class MalformedError(Exception):
    """The pickle contradicts itself; becomes a `WeightsError` that names the file."""


def read_pickle(stream: io.BytesIO, source: str) -> Any:
    """The object of one pickle: dictionaries, lists, tuples, text, numbers, None, `Tensor`.

    Args:
        stream: left just behind the pickle.
        source: the file's name, for messages.

    Raises:
        WeightsError: it needs a global or an opcode that no state dict needs, or it is damaged.
    """
    return PickleReader(source).read(stream)


class PickleReader:
    """The stack machine.

    Attributes:
        what: the kind of file, for messages.
        most_bytes: the longest pickle that is read.
    """

    what = "torch checkpoint"
    most_bytes = _MAX_BYTES

    def __init__(self, source: str):
        self.source = source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self, stream: io.BytesIO) -> Any:
        """The object of the pickle that begins where the stream is; the stream is left just behind it.

        Raises:
            WeightsError: it needs a global or an opcode that is not known here, or it is damaged.
        """
        start = stream.tell()
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if stream.tell() - start > self.most_bytes:
                    raise MalformedError(f"its index is larger than {self.most_bytes} bytes")
                if opcode.name == "STOP":
                    return self.pop()
                self.step(opcode.name, argument)
        except WeightsError:
            raise
        # `genops` raises ValueError for anything cut short or malformed; a hostile stack shows as the others.
        except (MalformedError, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            detail = str(error).split("\n")[0] or type(error).__name__
            raise WeightsError(f"{self.source}: damaged {self.what} ({detail}): get the file again") from error
        raise WeightsError(f"{self.source}: damaged {self.what} (its index has no end): get the file again")

    def step(self, name: str, argument: Any) -> None:
        """Carries out one opcode of the pickle."""
        if name in _PUSHED_ARGUMENT:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.top()
        elif name in _TUPLES:
            self.tuple_of(_TUPLES[name])
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise MalformedError("it refers to what it does not hold")
            self.stack.append(self.memo[argument])
        else:
            handler = _HANDLERS.get(name)
            if handler is None:
                self.refuse(f"the pickle operation {name}")
            getattr(self, handler)(argument)

    def top(self) -> Any:
        """The topmost value of the stack, which stays there."""
        if not self.stack or self.stack[-1] is _MARK:
            raise MalformedError("an operand is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        """Takes the topmost value off the stack."""
        value = self.top()
        self.stack.pop()
        return value

    def pop_to_mark(self) -> list[Any]:
        """Takes all that lies above the last mark, and the mark."""
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise MalformedError("a mark is missing")

    def refuse(self, what: str) -> NoReturn:
        """Raises the error that names what the pickle asks for and this reader does not know."""
        raise WeightsError(
            f"{self.source}: refused, because it asks for {what}, which a state dict has no need of; nothing was "
            f"executed: save the plain state dict with safetensors, or get the file from its publisher"
        )

    def ignore(self, argument: Any) -> None:
        """Passes over the opcodes PROTO and FRAME, which say nothing that matters here."""

    def mark(self, argument: Any) -> None:
        """Puts a mark on the stack, up to which a later opcode collects values."""
        self.stack.append(_MARK)

    def tuple_of(self, size: int) -> None:
        """Replaces the topmost `size` values of the stack by a tuple of them."""
        items = [self.pop() for _ in range(size)]
        self.stack.append(tuple(reversed(items)))

    def tuple_to_mark(self, argument: Any) -> None:
        """Replaces what lies above the last mark of the stack by a tuple of it."""
        self.stack.append(tuple(self.pop_to_mark()))

    def append(self, argument: Any) -> None:
        """Appends the topmost value to the list below it."""
        value = self.pop()
        self.expect(list).append(value)

    def appends(self, argument: Any) -> None:
        """Appends what lies above the last mark to the list below it."""
        values = self.pop_to_mark()
        self.expect(list).extend(values)

    def set_item(self, argument: Any) -> None:
        """Adds the topmost key and value to the dictionary below them."""
        value, key = self.pop(), self.pop()
        self.fill(self.expect(dict), [(key, value)])

    def set_items(self, argument: Any) -> None:
        """Adds the keys and values above the last mark to the dictionary below it."""
        items = self.pop_to_mark()
        if len(items) % 2:
            raise MalformedError("a dictionary key has no value")
        self.fill(self.expect(dict), list(zip(items[::2], items[1::2], strict=True)))

    def fill(self, target: dict[str, Any], items: list[Any]) -> None:
        """Adds pairs of key and value to a dictionary."""
        for item in items:
            # Text alone: hashing a deeply nested tuple would overflow the C stack.
            if not isinstance(item, list | tuple) or len(item) != 2 or not isinstance(item[0], str):
                raise MalformedError("a dictionary has a key that is not text")
            target[item[0]] = item[1]

    def expect(self, kind: type) -> Any:
        """The topmost value of the stack; an error unless it is of the expected kind."""
        if not isinstance(self.top(), kind):
            raise MalformedError(f"a {kind.__name__} was expected")
        return self.top()

    def global_name(self, argument: Any) -> None:
        """Puts on the stack the class or function that the opcode names."""
        self.push_global(*argument.split(" ", 1))

    def stack_global(self, argument: Any) -> None:
        """Puts on the stack the class or function whose module and name lie there."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise MalformedError("a global has no name")
        self.push_global(module, name)

    def push_global(self, module: str, name: str) -> None:
        """Puts a token for a class or function on the stack, if the pickle may name it; else refuses."""
        if not self.knows(module, name):
            self.refuse(f"the global {module}.{name}")
        self.stack.append(Global((module, name)))

    def knows(self, module: str, name: str) -> bool:
        """Whether a pickle may name this class or function."""
        return (module, name) in _GLOBALS or module.split(".")[0] == _SCRIPT

    def persistent(self, argument: Any) -> None:
        """`("storage", class, key, device, elements[, view])`: the data lies outside the pickle."""
        identity = self.pop()
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise MalformedError("a storage is not described as torch does it")
        kind, key, _, numel = identity[1:5]
        if len(identity) == 6 and identity[5] is not None:
            self.refuse("a view of a storage, as only torch before 0.4 wrote it")
        if not isinstance(kind, Global) or kind.name[1] not in STORAGE_DTYPES:
            raise MalformedError("a storage has no element type")
        if not isinstance(key, str) or not is_count(numel):
            raise MalformedError("a storage has no key or no size")
        self.stack.append(Storage(key, STORAGE_DTYPES[kind.name[1]], numel))

    def reduce(self, argument: Any) -> None:
        """Replaces a function and its arguments on the stack by the result, for the calls that are known."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise MalformedError("a call has no function or no arguments")
        if function.name == _ORDERED_DICT:
            if len(arguments) > 1 or not all(isinstance(items, list) for items in arguments):
                raise MalformedError("a dictionary is made in an unknown way")
            self.stack.append({})
            self.fill(self.stack[-1], arguments[0] if arguments else [])
        elif function.name == _REBUILD_TENSOR:
            self.stack.append(_tensor(arguments))
        elif function.name == _REBUILD_PARAMETER and arguments and isinstance(arguments[0], Tensor):
            self.stack.append(arguments[0])
        else:
            raise MalformedError(f"{'.'.join(function.name)} is called in an unknown way")

    def new_object(self, argument: Any) -> None:
        """An instance of a class: only of those that the archive defines, and those take no arguments."""
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, Global) or kind.name[0].split(".")[0] != _SCRIPT or arguments != ():
            raise MalformedError("an object is made in an unknown way")
        self.stack.append(ScriptModule())

    def build(self, argument: Any) -> None:
        """Attributes of a module, or of an ordered dictionary: torch's `_metadata`, of no use here."""
        attributes = self.pop()
        if isinstance(self.expect(dict), ScriptModule):
            if not isinstance(attributes, dict):
                raise MalformedError("a module has no attributes")
            self.top().update(attributes)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of 0 or more, as a number of elements is."""
    return type(value) is int and 0 <= value < 2**48


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
        raise MalformedError("a tensor is not described as torch does it")
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides) or len(shape) > 32:
        raise MalformedError("a tensor's shape and strides do not agree")
    if not all(is_count(number) for number in (offset, *shape, *strides)):
        raise MalformedError("a tensor's offset, shape or strides are not counts")
    return Tensor(storage, offset, shape, strides)


_PUSHED_ARGUMENT = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING",
}  # fmt: skip
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# By names, so that a reader of more kinds of objects can do some of them otherwise.
_HANDLERS = {
    "PROTO": "ignore",
    "FRAME": "ignore",
    "MARK": "mark",
    "TUPLE": "tuple_to_mark",
    "APPEND": "append",
    "APPENDS": "appends",
    "SETITEM": "set_item",
    "SETITEMS": "set_items",
    "GLOBAL": "global_name",
    "STACK_GLOBAL": "stack_global",
    "BINPERSID": "persistent",
    "REDUCE": "reduce",
    "NEWOBJ": "new_object",
    "BUILD": "build",
}
