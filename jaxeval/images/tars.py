"""Images in one tar archive or a set of tar shards, plain or gzipped, read in one sequential pass."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.source import MAX_FILE_BYTES, Item, Source, check_entry_name, classify_name, no_images

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

_READ_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


class TarSource(Source):
    """Images of tar archives: shards in the given order, the entries of each in the order in which it stores them.

    A sequential pass is all that it needs, so that gzipped archives stream; sorting would need a first pass. `len()`
    makes that pass, over the headers alone where the archive is not compressed.

    Raises:
      InputError: at once, a first header that is no tar header; while reading, a damaged or cut archive, an entry that
        points outside it, an entry larger than `MAX_FILE_BYTES`, or no image.
    """

    sequential = True

    def __init__(self, name: str, paths: Sequence[Path]):
        self.name = name
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
        found = False
        for path in self._paths:
            names: set[str] = set()
            with _opened(path) as archive:
                while (member := archive.next()) is not None:
                    if not _wanted(path, member, tally):
                        continue
                    found = True
                    name = member.name.removeprefix("./")
                    tally.note(report.DUPLICATE_ENTRY, name in names)
                    names.add(name)
                    label = name if len(self._paths) == 1 else f"{path.name}/{name}"
                    content = archive.read(member) if with_content else b""
                    yield Item(label, content, f"{path}: entry {member.name!r}")
        if not found:
            raise no_images(self.name, tally.notes)


def _wanted(path: Path, member: tarfile.TarInfo, tally: report.ReadReport) -> bool:
    check_entry_name(str(path), member.name)
    if member.isdir():
        return False
    if reason := classify_name(member.name):
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


@contextmanager
def _opened(path: Path) -> Iterator["_Archive"]:
    gzipped = path.name.lower().endswith((".gz", ".tgz"))
    try:
        with (gzip.open if gzipped else open)(path, "rb") as stream:
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
