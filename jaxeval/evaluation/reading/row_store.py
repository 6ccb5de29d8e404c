"""Rows of features kept whole, for the metrics that need every one of them: in memory, or in a file that survives."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxeval.errors import InputError
from jaxeval.files import check_writable

_ROWS_AT_A_TIME = 4096


class RowStore:
    """Rows of one kind of feature, which come in batches.

    Args:
      capacity: how many rows there can be at most; memory is taken as they come.
      path: of a file of little-endian float32 numbers, in the place of memory; what it holds is continued.
    """

    def __init__(self, capacity: int, path: Path | None = None):
        self._capacity = capacity
        self._path = path
        self._memory: np.ndarray | None = None
        self._count = 0
        self._size = 0

    def __len__(self) -> int:
        """Number of rows."""
        return self._count

    def add(self, rows: Float[np.ndarray, "n d"]) -> None:
        """Appends rows.

        Raises:
          InputError: rows of another length than before, or the disk is full.
        """
        if self._count and rows.shape[1] != self._size:
            raise InputError(f"features of {rows.shape[1]:,} numbers follow such of {self._size:,}; use one image size")
        self._size = rows.shape[1]
        if self._path is None:
            if self._memory is None:
                self._memory = np.empty((self._capacity, self._size), np.float32)
            self._memory[self._count : self._count + len(rows)] = rows
        else:
            self._append(self._path, np.ascontiguousarray(rows, "<f4").tobytes())
        self._count += len(rows)

    def keep(self, count: int, feature_size: int) -> None:
        """Goes back to the first `count` rows of a file, as after a kill.

        Raises:
          InputError: the file has fewer.
        """
        assert self._path is not None
        wanted = 4 * count * feature_size
        try:
            found = self._path.stat().st_size if self._path.exists() else 0
            if found > wanted:
                os.truncate(self._path, wanted)
        except OSError as error:
            raise InputError(f"cannot go on with {str(self._path)!r} ({error.strerror}); start afresh") from error
        if found < wanted:
            raise InputError(f"{str(self._path)!r} is shorter than its checkpoint says; delete the checkpoints")
        self._count, self._size = count, feature_size

    def add_file(self, path: Path, count: int, feature_size: int) -> None:
        """Appends the first `count` rows of another store's file.

        Raises:
          InputError: the file has fewer.
        """
        found = path.stat().st_size if path.exists() else 0
        if found < 4 * count * feature_size:
            raise InputError(f"{str(path)!r} is shorter than its checkpoint says; delete the checkpoints")
        rows = np.memmap(path, np.dtype("<f4"), "r", shape=(count, feature_size))
        for start in range(0, count, _ROWS_AT_A_TIME):
            self.add(rows[start : start + _ROWS_AT_A_TIME])

    def flush(self) -> None:
        """Makes sure that what was added is on the disk."""
        if self._path is not None and self._count:
            with open(self._path, "rb") as file:
                os.fsync(file.fileno())

    def rows(self) -> Float[np.ndarray, "n d"]:
        """All rows, shape [N, d], float32; mapped from the file where there is one."""
        if self._path is not None and self._count:
            return np.memmap(self._path, np.dtype("<f4"), "r", shape=(self._count, self._size))
        return np.zeros((0, self._size), np.float32) if self._memory is None else self._memory[: self._count]

    def _append(self, path: Path, content: bytes) -> None:
        if not self._count:
            check_writable(path.parent)
        try:
            with open(path, "ab" if self._count else "wb") as file:
                file.write(content)
        except OSError as error:
            raise InputError(f"cannot write features to {str(path)!r} ({error.strerror}); make room there") from error
