"""Arrays of an .npz, one by one, and only those that are asked for; nothing is unpickled.

An archive of the field also holds images, which can be gigabytes, or Python objects beside its arrays. What a header
claims is checked against the bytes that are there before memory is taken for it.
"""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval._npy import ArrayHeader, read_header
from jaxeval.errors import InputError

_ERRORS = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,  # zipfile's, of a method of compression that it does not know
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_array_headers(path: Path, needed: Collection[str]) -> dict[str, ArrayHeader] | None:
    """Every array of an .npz by name; None where the file is no archive.

    Args:
      path: of the file.
      needed: arrays that are worth nothing without a header; others are left out where theirs cannot be read.

    Raises:
      InputError: one of the needed arrays is there, and its header cannot be read.
    """
    found = {}
    try:
        archive = zipfile.ZipFile(path)
    except _ERRORS:
        return None
    with archive:
        for member in archive.namelist():
            key = member.removesuffix(".npy")
            if member.endswith(".npy"):
                with _named(path) if key in needed else contextlib.suppress(*_ERRORS), archive.open(member) as stream:
                    found[key] = read_header(stream)
    return found


def read_arrays(path: Path, keys: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the arrays of an .npz that are there, read-only.

    Raises:
      InputError: the file is damaged, or one of the arrays holds Python objects.
    """
    found = {}
    with _named(path), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            key = member.filename.removesuffix(".npy")
            if key in keys and member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    found[key] = _read(stream, key, member.file_size)
    return found


def _read(stream: Any, key: str, size: int) -> np.ndarray:
    shape, dtype, fortran = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"{key} holds Python objects, which would have to be unpickled")
    length = math.prod(shape) * dtype.itemsize
    if length > size:
        raise ValueError(f"{key} is cut short")
    content = stream.read(length)
    while stream.read(2**20):  # to the end, where the archive's checksum is looked at
        pass
    if len(content) < length:
        raise ValueError(f"{key} is cut short")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        if isinstance(error, InputError):
            raise
        detail = str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"cannot read the arrays in {str(path)!r} ({detail}); write the file again") from error
