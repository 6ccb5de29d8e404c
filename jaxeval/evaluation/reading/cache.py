"""The cache of features and statistics on disk: found by what they are, verified before they are believed.

An entry's key is the digest of everything that decides its content. Its files are written under another name and moved
into place, the record last, so that a killed run leaves nothing that looks like an entry; sizes and checksums are
verified on reading, and an entry that fails is computed again.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval.errors import InputError
from jaxeval.evaluation.reading.features import Rows
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.statistics import FeatureStatistics, load_statistics, save_statistics

_ENTRY_VERSION = 2


@dataclasses.dataclass(frozen=True)
class CacheEntry:
    """What is kept of one data set's features, verified.

    Attributes:
      statistics: of the features.
      report: of the reading, as plain values.
      rows: the features, memory-mapped, where they were asked for.
    """

    statistics: FeatureStatistics
    report: Mapping[str, Any]
    rows: Rows | None = None


class FeatureCache:
    """A folder of features and statistics, keyed by what they are.

    Raises:
      InputError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path):
        self._folder = local_path(folder)
        check_writable(self._folder)

    def load(self, identity: Mapping[str, Any], *, with_rows: bool = False) -> CacheEntry | None:
        """The entry with this identity, or None where there is none that can be trusted."""
        stem = self._stem(identity)
        try:
            record = json.loads(stem.with_suffix(".json").read_text())
            whole = record["version"] == _ENTRY_VERSION and record["identity"] == _plain(identity)
            if not whole or _digest(stem.with_suffix(".npz")) != record["statistics"]:
                return None
            statistics, _ = load_statistics(stem.with_suffix(".npz"))
            rows, size = record["shape"]
            if statistics.pixels is None or not isinstance(record["report"], dict):
                return None
            if (statistics.count, statistics.feature_size) != (rows, size):
                return None
            features = stem.with_suffix(".f32")
            if with_rows and (features.stat().st_size != 4 * rows * size or _digest(features) != record["features"]):
                return None
            return CacheEntry(statistics, record["report"], _mapped(features, (rows, size)) if with_rows else None)
        except (OSError, ValueError, KeyError, TypeError):  # InputError is a ValueError
            return None

    def writer(self, identity: Mapping[str, Any]) -> "CacheWriter":
        """Opens a new entry; it exists once it has been committed."""
        return CacheWriter(self._stem(identity), identity)

    def _stem(self, identity: Mapping[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(_plain(identity), sort_keys=True).encode()).hexdigest()
        return self._folder / key[:2] / key


class CacheWriter:
    """Writes one entry, features as they come; leaves nothing behind unless it is committed."""

    def __init__(self, stem: Path, identity: Mapping[str, Any]):
        self._stem = stem
        self._identity = identity
        self._hash = hashlib.sha256()
        self._rows = 0
        check_writable(stem.parent)
        handle, name = tempfile.mkstemp(dir=stem.parent, prefix=".part-")
        self._file = os.fdopen(handle, "wb")
        self._part = Path(name)

    def __enter__(self) -> "CacheWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, rows: Float[np.ndarray, "n d"]) -> None:
        """Appends the features of some more images.

        Raises:
          InputError: the disk is full or the folder has become unwritable.
        """
        content = np.ascontiguousarray(rows, dtype="<f4").tobytes()
        self._hash.update(content)
        self._rows += rows.shape[0]
        try:
            self._file.write(content)
        except OSError as error:
            raise InputError(
                f"cannot write the cache in {str(self._stem.parent)!r} ({error.strerror}); "
                "make room, choose another folder, or run without --cache"
            ) from error

    def commit(self, statistics: FeatureStatistics, report: Mapping[str, Any]) -> Rows:
        """Puts the entry in place: features, then statistics, then the record that vouches for both.

        Returns:
          The features, memory-mapped.
        """
        self._file.close()
        rows = _mapped(self._part, (self._rows, statistics.feature_size))  # these, whoever else writes the entry
        os.replace(self._part, self._stem.with_suffix(".f32"))
        save_statistics(self._stem.with_suffix(".npz"), statistics, {**self._identity, "ddof": 1})
        record = {
            "version": _ENTRY_VERSION,
            "identity": _plain(self._identity),
            "shape": [self._rows, statistics.feature_size],
            "features": self._hash.hexdigest(),
            "statistics": _digest(self._stem.with_suffix(".npz")),
            "report": _plain(report),
        }
        write_atomically(self._stem.with_suffix(".json"), json.dumps(record, indent=1).encode())
        return rows


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as it comes back from JSON, where tuples are lists."""
    return json.loads(json.dumps(value))


def _mapped(path: Path, shape: tuple[int, int]) -> Rows:
    return np.memmap(path, np.dtype("<f4"), "r", shape=shape)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
