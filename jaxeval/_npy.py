"""Headers of NumPy's .npy format, which say what an array is before any of it is read."""

import tokenize
from typing import Any, NamedTuple

import numpy as np


class ArrayHeader(NamedTuple):
    """What the header of a .npy file says of its array: shape, dtype and order."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool


def read_header(stream: Any) -> ArrayHeader:
    """The header of the .npy format; the stream is left where the elements begin.

    Raises:
      ValueError: there is none.
    """
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the .npy format holds no plain array")
    try:
        shape, fortran, dtype = read(stream)
    except (SyntaxError, tokenize.TokenError, RecursionError) as error:  # NumPy's parser lets those of Python through
        raise ValueError("its header cannot be read") from error
    return ArrayHeader(shape, dtype, fortran)
