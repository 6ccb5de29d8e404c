"""Reads named tensors from a checkpoint: safetensors, and torch's two formats, without torch and without trusting it.

torch since 1.6 writes a zip of `<name>/data.pkl` beside `<name>/data/<key>`; before, and on request since, it wrote
five pickles followed by the storages' bytes ("legacy"; the published FID Inception checkpoint is one). In both the
pickle says where each tensor lies, and that is checked against the bytes that are there before it is looked at.
TorchScript archives are such zips too, with modules in place of a dictionary; their code is not looked at.
"""

import io
import math
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from jaxeval.errors import WeightsError
from jaxeval.extractors.torch_pickle import ScriptModule, Storage, Tensor, read_pickle

__all__ = ["read_tensors"]

# What the zip and safetensors readers raise for hostile bytes; RuntimeError is zipfile's for an encrypted member.
_DAMAGED = (
    zipfile.BadZipFile,
    safetensors.SafetensorError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
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
    try:
        if content[:4] == b"PK\x03\x04":
            return _read_zip(content, source)
        if content[:1] == b"\x80":
            return _read_legacy(content, source)
        if content[8:9] == b"{":
            return safetensors.numpy.load(content)
    except _DAMAGED as error:
        raise WeightsError(f"{source}: damaged checkpoint ({error}): get the file again") from error
    raise WeightsError(f"{source}: neither a torch checkpoint nor a safetensors file: check that the download is whole")


def _read_zip(content: bytes, source: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
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
        state = read_pickle(io.BytesIO(read("data.pkl")), source)
        return _tensors(state, lambda storage: read(f"data/{storage.key}", _bytes_of(storage)), source)


def _read_legacy(content: bytes, source: str) -> dict[str, np.ndarray]:
    stream = io.BytesIO(content)
    if read_pickle(stream, source) != _LEGACY_MAGIC:
        raise WeightsError(f"{source}: a pickle, but not a torch checkpoint: refused, and nothing was executed")
    if read_pickle(stream, source) != _LEGACY_VERSION:
        raise WeightsError(f"{source}: an unknown version of torch's legacy format: save it again with a newer torch")
    system = read_pickle(stream, source)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightsError(f"{source}: saved on a big-endian machine; save it again on a little-endian one")
    state = read_pickle(stream, source)
    keys = read_pickle(stream, source)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError(f"{source}: damaged torch checkpoint (no list of storages): get the file again")
    declared = {tensor.storage.key: tensor.storage for tensor in _named_tensors(state, source).values()}
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

    return _tensors(state, read, source)


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


def _tensors(state: Any, read: Callable[[Storage], bytes | memoryview], source: str) -> dict[str, np.ndarray]:
    storages: dict[str, tuple[Storage, np.ndarray]] = {}
    arrays = {}
    for name, tensor in _named_tensors(state, source).items():
        storage = tensor.storage
        if storage.key not in storages:
            storages[storage.key] = storage, np.frombuffer(read(storage), _DTYPES[storage.dtype])
        known, elements = storages[storage.key]
        if known != storage:
            raise WeightsError(f"{source}: damaged torch checkpoint (storage {storage.key!r} is described twice)")
        arrays[name] = _view(name, tensor, elements, source)
    return arrays


def _view(name: str, tensor: Tensor, elements: np.ndarray, source: str) -> np.ndarray:
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    # No tensor of a state dict repeats elements; one that does could be made as large as one likes.
    if count > elements.size or (count and last >= elements.size):
        raise WeightsError(f"{source}: damaged torch checkpoint (tensor {name!r} reaches outside its storage)")
    if not count:
        return np.zeros(tensor.shape, elements.dtype)
    strides = [stride * elements.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)
