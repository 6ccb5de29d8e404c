"""Reads named tensors from a checkpoint: safetensors, and torch's two formats, without torch and without trusting it.

torch since 1.6 writes a zip of `<name>/data.pkl` beside `<name>/data/<key>`; before, and on request since, it wrote
five pickles followed by the storages' bytes ("legacy"; the published FID Inception checkpoint is one). In both the
pickle says where each tensor lies, and that is checked against the bytes that are there before it is looked at.
TorchScript archives are such zips too, with modules in place of a dictionary; their code is not looked at.

`read_saved` reads what else people save: arrays and tensors in dictionaries and lists, by `torch.save` or by `pickle`.
"""

import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from jaxeval._packages import needed
from jaxeval.errors import MissingPackageError, WeightsError
from jaxeval.tensor_files._array_pickle import ArrayPickleReader, PickledArray
from jaxeval.tensor_files._torch_pickle import ScriptModule, Storage, Tensor, read_pickle

# What the readers raise for hostile bytes; RuntimeError is zipfile's for an encrypted member.
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_DEEPEST, _MOST_VALUES = 6, 100_000  # of the containers of a file of arrays
_ReadIndex = Callable[[io.BytesIO], Any]
_ReadStorage = Callable[[Storage], bytes | memoryview]
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_DTYPES: dict[str, np.dtype] = {
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "int64": np.dtype("<i8"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


def read_tensors(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Every tensor of a checkpoint by name, in the file's own dtype; arrays are read-only views of `content`.

    Args:
        content: a safetensors file, a state dict saved by `torch.save` (either format), or a TorchScript archive. Told
            apart by content.
        source: the file's name, for messages.

    Raises:
        WeightsError: none of these formats, damaged, or more than a state dict.
    """

    def read_index(stream: io.BytesIO) -> Any:
        return read_pickle(stream, source)

    try:
        if content[:4] == b"PK\x03\x04":
            return _tensors(*_read_zip(content, source, read_index), source)
        if content[:1] == b"\x80":
            if read_pickle(io.BytesIO(content), source) != _LEGACY_MAGIC:
                raise WeightsError(f"{source}: a pickle, but not a torch checkpoint: refused, and nothing was executed")
            state, read = _read_legacy(
                content, source, read_index, lambda state: _named_tensors(state, source).values()
            )
            return _tensors(state, read, source)
        if content[8:9] == b"{":
            return _read_safetensors(content)
    except MissingPackageError:
        raise
    except _DAMAGED as error:
        raise WeightsError(f"{source}: damaged checkpoint ({error}): get the file again") from error
    raise WeightsError(f"{source}: neither a torch checkpoint nor a safetensors file: check that the download is whole")


def _read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    package = needed("safetensors", "a safetensors file")
    try:
        return needed("safetensors.numpy", "a safetensors file").load(content)
    except package.SafetensorError as error:
        raise ValueError(str(error)) from error


def read_saved(content: bytes, source: str) -> Any:
    """What a file of arrays holds: dictionaries, lists and tuples of arrays, text, numbers and None.

    Args:
        content: what `torch.save` wrote (either format), or `pickle.dump`. Told apart by content.
        source: the file's name, for messages.

    Returns:
        The object, with read-only NumPy arrays in the place of arrays and tensors.

    Raises:
        WeightsError: it is damaged, or holds more than that. Nothing is executed.
    """

    def read_index(stream: io.BytesIO) -> Any:
        return ArrayPickleReader(source).read(stream)

    try:
        if content[:4] == b"PK\x03\x04":
            return _resolved(*_read_zip(content, source, read_index), source)
        found = read_index(io.BytesIO(content))
        if found != _LEGACY_MAGIC or type(found) is not int:
            return _resolved(found, _no_storage(source), source)
        return _resolved(
            *_read_legacy(content, source, read_index, lambda state: _tensors_within(state, source)), source
        )
    except _DAMAGED as error:
        raise WeightsError(f"{source}: damaged file ({error}): get the file again") from error


def _no_storage(source: str) -> _ReadStorage:
    def read(storage: Storage) -> bytes:
        raise WeightsError(f"{source}: a pickle whose tensors lie elsewhere: write it with torch.save")

    return read


def _walk(value: Any, source: str) -> Iterator[Any]:
    """The leaves of nested containers, each container once; so that neither depth nor sharing can be exploited."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    count = 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            raise WeightsError(f"{source}: containers nested too deeply, or too many: save plain arrays in an .npz")
        if isinstance(one, dict):
            waiting += [(inner, depth + 1) for inner in one.values()]
        elif isinstance(one, list | tuple):
            waiting += [(inner, depth + 1) for inner in one]
        elif isinstance(one, PickledArray) and isinstance(one.value, list):
            waiting += [(inner, depth + 1) for inner in one.value]
        else:
            yield one


def _tensors_within(state: Any, source: str) -> list[Tensor]:
    return [leaf for leaf in _walk(state, source) if isinstance(leaf, Tensor)]


def _resolved(state: Any, read: _ReadStorage, source: str) -> Any:
    """The same containers, with arrays where arrays and tensors were described."""
    for _ in _walk(state, source):  # what passes this is small enough for recursion
        pass
    storages: dict[str, tuple[Storage, np.ndarray]] = {}

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [resolved(inner) for inner in value]
        if isinstance(value, Tensor):
            return _array_of(value, "of the file", storages, read, source)
        if not isinstance(value, PickledArray):
            return value
        if isinstance(value.value, list):  # an array of one object is how np.save keeps what is no array
            return resolved(value.value[0] if len(value.value) == 1 else value.value)
        if value.value is None:
            raise WeightsError(f"{source}: damaged pickle (an array has no content): get the file again")
        return value.value

    return resolved(state)


def _read_zip(content: bytes, source: str, read_index: _ReadIndex) -> tuple[Any, _ReadStorage]:
    archive = zipfile.ZipFile(io.BytesIO(content))  # of bytes in memory: no file is left open
    members = {info.filename: info for info in archive.infolist()}
    indices = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(indices) != 1:
        raise WeightsError(f"{source}: a zip, but not a torch checkpoint: it holds {len(indices)} data.pkl")
    folder = indices[0].removesuffix("data.pkl")

    def read(name: str, size: int | None = None) -> bytes:
        info = members.get(folder + name)
        if info is None:
            raise WeightsError(f"{source}: damaged torch checkpoint (no member {name!r}): get the file again")
        # torch stores without compression; anything else could unpack to any size.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(content):
            raise WeightsError(f"{source}: refused, because member {name!r} is compressed, as torch never does")
        if size is not None and info.file_size != size:
            raise WeightsError(
                f"{source}: damaged torch checkpoint (member {name!r} has {info.file_size} bytes, its index "
                f"says {size}): get the file again"
            )
        return archive.read(info)

    if folder + "byteorder" in members and read("byteorder") != b"little":
        raise WeightsError(f"{source}: saved on a big-endian machine; save it again on a little-endian one")
    state = read_index(io.BytesIO(read("data.pkl")))
    return state, lambda storage: read(f"data/{storage.key}", _bytes_of(storage))


def _read_legacy(
    content: bytes, source: str, read_index: _ReadIndex, tensors: Callable[[Any], Iterable[Tensor]]
) -> tuple[Any, _ReadStorage]:
    """The index of a file that begins with the magic number, and its storages; `tensors` finds those of the index."""
    stream = io.BytesIO(content)
    read_index(stream)
    if read_index(stream) != _LEGACY_VERSION:
        raise WeightsError(f"{source}: an unknown version of torch's legacy format: save it again with a newer torch")
    system = read_index(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightsError(f"{source}: saved on a big-endian machine; save it again on a little-endian one")
    state = read_index(stream)
    keys = read_index(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError(f"{source}: damaged torch checkpoint (no list of storages): get the file again")
    declared = {tensor.storage.key: tensor.storage for tensor in tensors(state)}
    found: dict[str, bytes | memoryview] = {}
    position, view = stream.tell(), memoryview(content)
    for key in keys:
        if key not in declared:  # without a type its length cannot be known, so neither where the next one starts
            raise WeightsError(
                f"{source}: damaged torch checkpoint (no tensor uses storage {key!r}): get the file again"
            )
        size = _bytes_of(declared[key])
        header = view[position : position + 8]
        if len(header) < 8 or struct.unpack("<q", header)[0] != declared[key].numel:
            raise WeightsError(
                f"{source}: damaged torch checkpoint (storage {key!r} has another size): get the file again"
            )
        if position + 8 + size > len(content):
            raise WeightsError(f"{source}: cut short in storage {key!r}: get the file again")
        found[key] = view[position + 8 : position + 8 + size]
        position += 8 + size

    def read(storage: Storage) -> bytes | memoryview:
        if storage.key not in found:
            raise WeightsError(f"{source}: damaged torch checkpoint (storage {storage.key!r} is missing): get it again")
        return found[storage.key]

    return state, read


def _bytes_of(storage: Storage) -> int:
    return storage.numel * _DTYPES[storage.dtype].itemsize


def _tensors_of_modules(root: ScriptModule, source: str) -> dict[str, Tensor]:
    """Tensors of a tree of modules under torch's names, `block.linear.weight`; other attributes are configuration."""
    found: dict[str, Tensor] = {}
    waiting, seen = [("", root)], {id(root)}
    while waiting:
        prefix, module = waiting.pop()
        for name, value in module.items():
            if isinstance(value, Tensor):
                found[prefix + name] = value
            elif isinstance(value, ScriptModule):
                if id(value) in seen:  # it could contain itself
                    raise WeightsError(
                        f"{source}: damaged TorchScript archive (module {prefix + name!r} is there twice)"
                    )
                seen.add(id(value))
                waiting.append((f"{prefix}{name}.", value))
    if not found:
        raise WeightsError(f"{source}: a TorchScript archive without tensors: get the file again")
    return found


def _named_tensors(state: Any, source: str) -> dict[str, Tensor]:
    if isinstance(state, ScriptModule):
        return _tensors_of_modules(state, source)
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{source}: not a state dict (a dictionary of tensors): save `model.state_dict()`")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{source}: entry {name!r} is not a tensor: save `model.state_dict()` alone")
    return state


def _tensors(state: Any, read: _ReadStorage, source: str) -> dict[str, np.ndarray]:
    storages: dict[str, tuple[Storage, np.ndarray]] = {}
    named = _named_tensors(state, source)
    return {name: _array_of(tensor, repr(name), storages, read, source) for name, tensor in named.items()}


def _array_of(
    tensor: Tensor, name: str, storages: dict[str, tuple[Storage, np.ndarray]], read: _ReadStorage, source: str
) -> np.ndarray:
    """A tensor as an array; each storage is read once."""
    storage = tensor.storage
    if storage.key not in storages:
        storages[storage.key] = storage, np.frombuffer(read(storage), _DTYPES[storage.dtype])
    known, elements = storages[storage.key]
    if known != storage:
        raise WeightsError(f"{source}: damaged torch checkpoint (storage {storage.key!r} is described twice)")
    return _view(name, tensor, elements, source)


def _view(name: str, tensor: Tensor, elements: np.ndarray, source: str) -> np.ndarray:
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    # No tensor of a state dict repeats elements; one that does could be made as large as one likes.
    if count > elements.size or (count and last >= elements.size):
        raise WeightsError(f"{source}: damaged torch checkpoint (tensor {name} reaches outside its storage)")
    if not count:
        return np.zeros(tensor.shape, elements.dtype)
    strides = [stride * elements.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)
