"""Images in a zip archive, read without unpacking."""

import functools
import stat
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxeval.errors import InputError, said_by
from jaxeval.images import report
from jaxeval.images.source import MAX_FILE_BYTES, Item, Source, check_entry_name, classify_name, no_images

# Image files hardly shrink; what shrinks a hundredfold and is large is there to fill the memory.
_BOMB_BYTES = 64 * 2**20
_BOMB_RATIO = 100

_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class ZipSource(Source):
    """Every image in a zip archive, sorted by the bytes of its name, as a folder with the same files would be.

    Args:
      name: for messages and tables.
      path: the archive.
      as_stored: as for `open_source`.

    Raises:
      InputError: not a zip, an entry that points outside it, an encrypted entry, an entry that unpacks to more than an
        image can hold, or no image.
    """

    def __init__(self, name: str, path: Path, *, as_stored: bool = False):
        self.name = name
        self._lock = threading.Lock()  # ZipFile's count of open entries is not safe against two threads
        try:
            self._archive = zipfile.ZipFile(path)
        except _READ_ERRORS as error:
            raise InputError(f"{name} is not a readable zip archive: {said_by(error)}") from error
        tally = report.ReadReport()
        entries = [info for info in self._archive.infolist() if _wanted(name, info, tally, as_stored)]
        self._entries = sorted(entries, key=lambda info: info.filename.encode("utf-8", "surrogateescape"))
        tally.note(report.DUPLICATE_ENTRY, len(entries) - len({info.filename for info in entries}))
        self._notes = tally.notes
        if not entries:
            raise no_images(name, self._notes)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many entries were left out, by the reason."""
        return self._notes

    def items(self) -> Iterator[Item]:
        """The image entries, read when a worker gets to them."""
        for info in self._entries:
            name = info.filename.removeprefix("./")
            yield Item(name, functools.partial(self._read, info), where=f"{self.name}: entry {info.filename!r}")

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            with self._lock, self._archive.open(info) as entry:
                return entry.read(info.file_size)  # never more than the entry declared, whatever it unpacks to
        except _READ_ERRORS as error:
            raise InputError(f"{self.name}: entry {info.filename!r} cannot be unpacked: {said_by(error)}") from error


def _wanted(archive: str, info: zipfile.ZipInfo, tally: report.ReadReport, as_stored: bool) -> bool:
    check_entry_name(archive, info.orig_filename)
    if info.is_dir():
        return False
    if reason := classify_name(info.filename, as_stored=as_stored):
        tally.note(reason)
        return False
    if stat.S_ISLNK(info.external_attr >> 16):
        tally.note(report.NOT_REGULAR)
        return False
    where = f"{archive}: the entry {info.filename!r}"
    if info.flag_bits & 1:
        raise InputError(f"{where} is encrypted; make an archive without a password")
    inflated = info.file_size > _BOMB_BYTES and info.file_size > _BOMB_RATIO * info.compress_size
    if inflated or info.file_size > MAX_FILE_BYTES:
        raise InputError(
            f"{where} unpacks from {info.compress_size} to {info.file_size} bytes, too many for an image; remove it"
        )
    return True
