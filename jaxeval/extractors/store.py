"""The weights folder: checkpoints converted to safetensors, each under its SHA-256, with an index of names.

Everything in the folder is treated as untrusted: the index can name digests only, never paths, and each file's digest
is computed again whenever it is loaded.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import importlib.metadata
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxeval._packages import needed, user_cache_folder
from jaxeval.errors import InputError, WeightsError, WeightsMissingError
from jaxeval.extractors.catalogue import CATALOGUE, known_weights, tensors_of
from jaxeval.extractors.known_weights import KnownWeights, git_blob
from jaxeval.files import local_path, replace_file

_INDEX = "index.json"
_MAX_FILE_BYTES = 2 * 2**30
_TIMEOUT_SECONDS = 30.0

State = Literal["ready", "missing", "damaged", "custom"]


@dataclasses.dataclass(frozen=True)
class WeightsRow:
    """What there is of one network's weights.

    Attributes:
        name: of the extractor.
        description: one line, of the weights at hand.
        licence: of the published weights; empty for the user's own.
        source: where they are published; the file's name of the user's own.
        state: `ready` (published weights), `custom` (the user's own), `missing`, or `damaged`.
        path: the file that `load` reads, if there is one.
        sha256: of that file; of the published file where it still lies in its package.
        bytes: its size.
        checksum: by which checksum published weights are known: `SHA-256`, or `git blob SHA-1`, which is weaker.
    """

    name: str
    description: str
    licence: str
    source: str
    state: State
    path: Path | None = None
    sha256: str | None = None
    bytes: int | None = None
    checksum: str = "SHA-256"


@dataclasses.dataclass(frozen=True)
class LoadedWeights:
    """Tensors whose file has just been verified: its SHA-256, and whether they are the published ones."""

    tensors: dict[str, np.ndarray]
    sha256: str
    published: bool


@dataclasses.dataclass(frozen=True)
class _Entry:
    """What the weights folder's index says of one network's file."""

    sha256: str
    source_sha256: str
    source: str
    published: bool
    converter: int
    bytes: int


class WeightsStore:
    """Weights by network name, kept in one folder.

    Args:
        folder: the folder; by default `$JAXEVAL_WEIGHTS`, else `weights` in the user's cache folder for jaxeval. It is
            made when something is first written.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None):
        if folder is None:
            folder = os.environ.get("JAXEVAL_WEIGHTS") or user_cache_folder("the weights folder") / "weights"
        self.folder = local_path(folder)

    def list(self) -> tuple[WeightsRow, ...]:
        """Every known network and what there is of it; files are looked for, not read."""
        entries = self._entries()
        return tuple(self._row(known, entries.get(name)) for name, known in CATALOGUE.items())

    def verify(self) -> tuple[WeightsRow, ...]:
        """`list`, after reading every file and comparing its checksum."""
        return tuple(self._verified(row) for row in self.list())

    def load(self, name: str) -> dict[str, np.ndarray]:
        """A network's tensors, float32, in torch's names and layout. Raises as `open` does."""
        return self.open(name).tensors

    def open(self, name: str) -> LoadedWeights:
        """A network's tensors with the checksum of the file that they came from, verified now.

        Raises:
            InputError: unknown name.
            WeightsMissingError: there are none; the message says how to get them.
            WeightsError: the file is damaged.
        """
        known = known_weights(name)
        entry = self._entries().get(name)
        if entry is None or entry.converter != known.converter:
            if known.package is not None:
                return self._from_package(known)
            raise WeightsMissingError(f"no weights for {name!r} in {self.folder}: {known.how_to_get}")
        path = self._path(entry.sha256)
        if not path.exists():
            raise WeightsMissingError(f"{path}, the weights of {name!r}, is gone: {known.how_to_get}")
        content = _read(path)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise WeightsError(f"{path}: damaged, its SHA-256 is no longer that of its name: {known.how_to_get}")
        return LoadedWeights(_safetensors().load(content), entry.sha256, entry.published)

    def import_file(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        ranges: str | os.PathLike[str] | None = None,
        unverified: bool = False,
    ) -> WeightsRow:
        """Takes a network's weights from a checkpoint; nothing in it is executed.

        Args:
            name: of the network.
            path: a torch state dict (either format) or TorchScript archive, or safetensors, under the names of the
                network's authors or (DINOv2, CLIP) of Hugging Face; for a vocabulary, its text file.
            ranges: of BRISQUE's regression, the file of its features' ranges (libsvm's `svm-scale -s`), without which a
                regression is not taken; only the package's own needs none.
            unverified: take weights that are not the published ones; they are marked as custom.

        Raises:
            InputError: unknown name, no such file, or ranges that are missing or have no use.
            WeightsError: not the published file (unless `unverified`), not this network, or one that is published under
                another name.
        """
        known = known_weights(name)
        path, beside = local_path(path), None if ranges is None else local_path(ranges)
        for file, what in ((path, "checkpoint"), (beside, "ranges")):
            if file is not None and not file.is_file():
                raise InputError(f"{file}: no such file: give the path of the {what} of {name!r}")
        given = None if beside is None else (_read(beside), str(beside))
        return self._import(known, _read(path), str(path), ranges=given, unverified=unverified)

    def download(
        self, name: str, *, url: str | None = None, progress: Callable[[int, int], None] | None = None
    ) -> WeightsRow:
        """Downloads a network's published weights, verifies their checksum, and takes them in.

        Args:
            name: of the network.
            url: a mirror (http or https); by default the official address.
            progress: called with the bytes so far and in all, 0 where that is not known.

        Raises:
            InputError: unknown name, or an address that is not http(s).
            WeightsMissingError: no connection, or the weights come in a package that is not installed.
            WeightsError: what came is not the published file.
        """
        known = known_weights(name)
        if known.package is not None and url is None:
            self._from_package(known)
            return self._row(known, self._entries().get(name))
        url = url or known.source
        content = _fetch(known.name, url, known.bytes, progress)
        beside = known.ranges
        ranges = None if beside is None else (_fetch(known.name, beside.source, beside.bytes, None), beside.source)
        return self._import(known, content, url, ranges=ranges, unverified=False)

    def _import(
        self,
        known: KnownWeights,
        content: bytes,
        source: str,
        *,
        ranges: tuple[bytes, str] | None = None,
        unverified: bool,
    ) -> WeightsRow:
        digest = hashlib.sha256(content).hexdigest()
        digests = (digest, git_blob(content))
        published = known.is_published(*digests)
        other = next((one.name for one in CATALOGUE.values() if not published and one.is_published(*digests)), None)
        if other is not None:
            raise WeightsError(
                f"{source}: the published weights of {other!r}, not of {known.name!r}: import them as that"
            )
        if not published and not unverified:
            found, expected = (digest, known.sha256) if known.sha256 else (digests[1], known.git_blob)
            raise _not_published(source, found, known.name, expected, known.checksum)
        published = _with_ranges(known, source, published, ranges)
        if not published and not unverified and ranges is not None and known.ranges is not None:
            raise _not_published(ranges[1], hashlib.sha256(ranges[0]).hexdigest(), known.name, known.ranges.sha256)
        stored = _safetensors().save(tensors_of(known, content, source, ranges))
        entry = _Entry(
            sha256=hashlib.sha256(stored).hexdigest(),
            source_sha256=digest,
            source=Path(source).name,
            published=published,
            converter=known.converter,
            bytes=len(stored),
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._path(entry.sha256), stored)
            entries = {name: dataclasses.asdict(kept) for name, kept in self._entries().items()}
            entries[known.name] = dataclasses.asdict(entry)
            replace_file(self.folder / _INDEX, json.dumps({"version": 1, "weights": entries}, indent=2).encode())
        except OSError as error:
            raise WeightsError(
                f"{self.folder}: cannot write there ({error.strerror or error}): set JAXEVAL_WEIGHTS to another"
            ) from error
        return self._row(known, entry)

    def _from_package(self, known: KnownWeights) -> LoadedWeights:
        path = _package_file(known)
        if path is None:
            raise WeightsMissingError(f"no weights for {known.name!r}, and its package is missing: {known.how_to_get}")
        content = _read(path)
        digest = hashlib.sha256(content).hexdigest()
        if digest != known.sha256:
            raise WeightsError(
                f"{path}: its SHA-256 is {digest}, not the published {known.sha256}: reinstall the package "
                f"{known.package and known.package[0]}"
            )
        # The next run then starts from the converted file; a folder that cannot be written costs only time.
        with contextlib.suppress(WeightsError):
            self._import(known, content, str(path), unverified=False)
            return self.open(known.name)
        tensors = tensors_of(known, content, str(path))
        return LoadedWeights(tensors, hashlib.sha256(_safetensors().save(tensors)).hexdigest(), published=True)

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.safetensors"

    def _row(self, known: KnownWeights, entry: _Entry | None) -> WeightsRow:
        row = WeightsRow(known.name, known.description, known.licence, known.source, "missing", checksum=known.checksum)
        if entry is not None and entry.converter == known.converter:
            path = self._path(entry.sha256)
            if not path.exists():
                return row
            size = path.stat().st_size
            state: State = "damaged" if size != entry.bytes else "ready" if entry.published else "custom"
            if not entry.published:
                own = f"your own weights of {known.name}, from {entry.source}"
                row = dataclasses.replace(row, description=own, licence="", source=entry.source)
            return dataclasses.replace(row, state=state, path=path, sha256=entry.sha256, bytes=size)
        packaged = _package_file(known)
        if packaged is None:
            return row
        size = packaged.stat().st_size
        state = "ready" if size == known.bytes else "damaged"
        return dataclasses.replace(row, state=state, path=packaged, sha256=known.sha256, bytes=size)

    def _verified(self, row: WeightsRow) -> WeightsRow:
        if row.path is None or hashlib.sha256(_read(row.path)).hexdigest() == row.sha256:
            return row
        return dataclasses.replace(row, state="damaged")

    def _entries(self) -> dict[str, _Entry]:
        path = self.folder / _INDEX
        if not path.exists():
            return {}
        try:
            document = json.loads(_read(path))
            return {name: _entry(fields) for name, fields in document["weights"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{path}: damaged: delete it and import or download the weights again") from error


def _entry(fields: Any) -> _Entry:
    entry = _Entry(**fields)
    # A digest becomes part of a path, so it must be one.
    for digest in (entry.sha256, entry.source_sha256):
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(digest)
    if not isinstance(entry.published, bool) or not isinstance(entry.bytes, int):
        raise ValueError(fields)
    return entry


def _package_file(known: KnownWeights) -> Path | None:
    if known.package is None:
        return None
    distribution, name = known.package
    try:
        path = Path(str(importlib.metadata.distribution(distribution).locate_file(name)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise WeightsError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, which no known checkpoint is")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}): check its permissions") from error


def _with_ranges(known: KnownWeights, source: str, published: bool, ranges: tuple[bytes, str] | None) -> bool:
    """Whether a file and the ranges that came with it are what is published; refuses one without its own ranges."""
    if not known.takes_ranges:
        if ranges is not None:
            raise InputError(f"{known.name!r} has no ranges: leave {ranges[1]} out")
        return published
    fixed = published and known.ranges is None
    if ranges is None and not fixed:
        raise InputError(
            f"{source}: give the ranges of its features too (--ranges FILE, what libsvm's svm-scale -s wrote): a "
            "regression belongs to its ranges"
        )
    if ranges is not None and fixed:
        raise InputError(f"{source}: the published {known.name!r} regression has its own ranges: leave {ranges[1]} out")
    return published and (
        known.ranges is None
        or (ranges is not None and known.ranges.is_published(hashlib.sha256(ranges[0]).hexdigest()))
    )


def _not_published(source: str, digest: str, name: str, published: str, checksum: str = "SHA-256") -> WeightsError:
    return WeightsError(
        f"{source}: its {checksum} is {digest}, but that of the published {name!r} weights is {published}: get the "
        "file again, or accept weights of your own with --unverified"
    )


def _fetch(name: str, url: str, size: int, progress: Callable[[int, int], None] | None) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: not an http or https address")
    content = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            while chunk := response.read(2**20):
                content += chunk
                if size and len(content) > size:
                    raise WeightsError(f"{url}: larger than the published {size} bytes: not the right file")
                if len(content) > _MAX_FILE_BYTES:
                    raise WeightsError(f"{url}: larger than {_MAX_FILE_BYTES} bytes, which no known checkpoint is")
                if progress is not None:
                    progress(len(content), size)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise WeightsMissingError(
            f"{url}: cannot be downloaded ({reason}); get it on a machine with a connection and run "
            f"`jaxeval weights import {name} FILE`"
        ) from error
    return bytes(content)


def _safetensors() -> Any:
    return needed("safetensors.numpy", "the weights folder")
