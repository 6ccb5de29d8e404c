"""Images in one tar archive or a set of tar shards, plain or gzipped, read in one sequential pass."""

import functools
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.source import MAX_FILE_BYTES, Item, Source, check_entry_name, classify_name, no_images

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

_MOST_HELD = 2 * 2**30

_READ_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


class TarSource(Source):
    """Images of tar archives: shards in the given order, the entries of each in the order in which it stores them.

    A sequential pass is all that it needs, so that gzipped archives stream; sorting would need a first pass. `len()`
    makes that pass, over the headers alone where the archive is not compressed.

    Args:
      name: for messages and tables.
      paths: the archives.
      as_stored: as for `open_source`. Items then last: those of a plain archive are read where they lie when they are
        wanted, those of a gzipped one are held in memory, up to 2 GiB.

    Raises:
      InputError: at once, a first header that is no tar header; while reading, a damaged or cut archive, an entry that
        points outside it, an entry larger than `MAX_FILE_BYTES`, more to hold than fits, or no image.
    """

    sequential = True

    def __init__(self, name: str, paths: Sequence[Path], *, as_stored: bool = False):
        self.name = name
        self._as_stored = as_stored
        self._paths = list(paths)
        self._length: int | None = None
        self._notes: dict[str, int] = {}
        for path in self._paths:
            with _opened(path) as archive:
                if archive.next() is None:
                    raise InputError(f"{path} is an empty tar archive")

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(1 for _ in self._entries(report.ReadReport(), with_content=False))
        return self._length

    def names(self) -> Iterator[str]:
        """The image entries' names, from the headers alone where the archive is not compressed."""
        return (item.name for item in self._entries(report.ReadReport(), with_content=False))

    @property
    def notes(self) -> Mapping[str, int]:
        """Entries that were left out, once items() has ended."""
        return self._notes

    def items(self) -> Iterator[Item]:
        """The image entries with their content, which a sequential archive gives in passing."""
        tally = report.ReadReport()
        count = 0
        for item in self._entries(tally, with_content=True):
            count += 1
            yield item
        self._length, self._notes = count, tally.notes

    def _entries(self, tally: report.ReadReport, with_content: bool) -> Iterator[Item]:
        found, held = False, 0
        for path in self._paths:
            names: set[str] = set()
            with _opened(path) as archive:
                while (member := archive.next()) is not None:
                    if not _wanted(path, member, tally, self._as_stored):
                        continue
                    found = True
                    name = member.name.removeprefix("./")
                    tally.note(report.DUPLICATE_ENTRY, name in names)
                    names.add(name)
                    label = name if len(self._paths) == 1 else f"{path.name}/{name}"
                    where = f"{path}: entry {member.name!r}"
                    content: bytes | Callable[[], bytes] = b""
                    if with_content and self._as_stored and not (_is_gzipped(path) or member.issparse()):
                        content = functools.partial(_read_at, path, member.offset_data, member.size, where)
                    elif with_content:
                        content = archive.read(member)
                        held += len(content)
                        if self._as_stored and held > _MOST_HELD:
                            raise InputError(
                                f"{self.name} holds more than {_MOST_HELD >> 30} GiB of images, which would all be "
                                "held in memory; unpack it, or give a zip or a tar that is not compressed"
                            )
                    yield Item(label, content, where)
        if not found:
            raise no_images(self.name, tally.notes)


def _wanted(path: Path, member: tarfile.TarInfo, tally: report.ReadReport, as_stored: bool) -> bool:
    check_entry_name(str(path), member.name)
    if member.isdir():
        return False
    if reason := classify_name(member.name, as_stored=as_stored):
        tally.note(reason)
        return False
    if not member.isreg():
        tally.note(report.NOT_REGULAR)
        return False
    if member.size > MAX_FILE_BYTES:
        raise InputError(
            f"{path}: the entry {member.name!r} holds {member.size} bytes, too many for an image; remove it"
        )
    return True


def _is_gzipped(path: Path) -> bool:
    return path.name.lower().endswith((".gz", ".tgz"))


def _read_at(path: Path, offset: int, size: int, where: str) -> bytes:
    """The content of an entry of a tar archive that is not compressed, whose header was sound."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    if len(data) < size:
        raise InputError(f"{where} is cut short; the archive has changed since it was opened")
    return data


@contextmanager
def _opened(path: Path) -> Iterator["_Archive"]:
    try:
        with (gzip.open if _is_gzipped(path) else open)(path, "rb") as stream:
            yield _Archive(stream)
    except _READ_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable tar archive, or is cut short: {said_by(error)}") from error


class _Archive:
    """A tar archive read forwards, in constant memory, in which damage is an error."""

    def __init__(self, stream: io.BufferedIOBase):
        self._stream = _Recorder(stream)
        self._tar: Any = tarfile.TarFile(fileobj=cast("Any", self._stream))

    def next(self) -> tarfile.TarInfo | None:
        """The next entry, or None at the end-of-archive marker."""
        member = self._tar.next()
        self._tar.members.clear()  # TarFile keeps every header that it has seen: memory would grow with N
        if member is None and self._stream.last.strip(b"\0"):
            raise tarfile.ReadError(f"damaged header at byte {self._tar.offset}")  # TarFile takes it for the end
        if member is None and not self._stream.last:
            raise tarfile.ReadError("no end-of-archive marker")
        return member

    def read(self, member: tarfile.TarInfo) -> bytes:
        """The content of the entry that next() gave last."""
        return self._tar.extractfile(member).read()


class _Recorder:
    """A file that keeps its last read and bounds each one: a header may claim any size, and gzip would unpack it."""

    mode = "rb"
    name = ""

    def __init__(self, stream: io.BufferedIOBase):
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > MAX_FILE_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        self.last = self._stream.read(size)
        return self.last
