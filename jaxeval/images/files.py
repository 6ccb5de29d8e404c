"""Images in a folder, or a list of image files."""

import functools
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.source import MAX_FILE_BYTES, Item, Source, classify_name, no_images


class FileSource(Source):
    """Image files, each with a name, in the given order."""

    def __init__(self, name: str, files: Sequence[tuple[str, str]], notes: Mapping[str, int] | None = None):
        self.name = name
        self._files = files
        self._notes = dict(notes or {})

    def __len__(self) -> int:
        return len(self._files)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many files were left out, by the reason."""
        return self._notes

    def items(self) -> Iterator[Item]:
        """The files, read when a worker gets to them."""
        for name, path in self._files:
            yield Item(name, functools.partial(read_file, path), where=printable(path))


class FolderSource(FileSource):
    """Every image under a folder, at any depth, sorted by the bytes of its relative path.

    Hidden files and folders, other files, pipes and devices are left out and counted. Links are followed; a folder that
    two links reach, or a link into itself, is read once.

    Args:
      name: for messages and tables.
      folder: the folder.
      as_stored: as for `open_source`.

    Raises:
      InputError: the folder cannot be listed, or holds no image.
    """

    def __init__(self, name: str, folder: Path, *, as_stored: bool = False):
        files, notes = _walk(folder, as_stored)
        super().__init__(name, _Below(folder, files), notes)
        if not files:
            raise no_images(name, notes)


class _Below(Sequence[tuple[str, str]]):
    """Names and paths of files under a folder, put together when asked for: a million of them are only listed once."""

    def __init__(self, folder: Path, relative: list[str]):
        self._folder = folder
        self._relative = relative

    def __len__(self) -> int:
        return len(self._relative)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[str, str]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | Sequence[tuple[str, str]]:
        if isinstance(index, slice):
            return _Below(self._folder, self._relative[index])
        relative = self._relative[index]
        return printable(relative), os.path.join(self._folder, relative)


def read_file(path: str) -> bytes:
    """The bytes of one image file.

    Raises:
      InputError: it is missing, unreadable or larger than `MAX_FILE_BYTES`.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise InputError(f"{printable(path)} is larger than {MAX_FILE_BYTES >> 20} MiB, too large for an image")
            return file.read()
    except OSError as error:
        raise InputError(f"{printable(path)} cannot be read: {error.strerror}") from error


def printable(path: str) -> str:
    """The path as text that any terminal and any JSON file can hold; names that are not UTF-8 show their bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_pipe_or_device(path: str) -> bool:
    """Whether opening the path could wait for ever or have side effects; a missing path is neither."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # a broken link: reading it fails by name


def _walk(folder: Path, as_stored: bool) -> tuple[list[str], dict[str, int]]:
    # Real folders first, links to folders after them: which name a doubly reachable folder gets must not depend on the
    # order in which the file system lists it.
    found: list[str] = []
    tally = report.ReadReport()
    seen: set[tuple[int, int]] = set()
    waiting, links = [""], []
    while waiting or links:
        if not waiting:
            links.sort(key=os.fsencode, reverse=True)
        relative = waiting.pop() if waiting else links.pop()
        entries, key = _list(os.path.join(folder, relative))
        if key in seen:
            tally.note(report.LINKED_FOLDER)
            continue
        seen.add(key)
        for entry in entries:
            name = f"{relative}/{entry.name}" if relative else entry.name
            if entry.name.startswith("."):
                tally.note(report.HIDDEN)
            elif _is_folder(entry):
                (links if entry.is_symlink() else waiting).append(name)
            elif reason := classify_name(entry.name, as_stored=as_stored):
                tally.note(reason)
            elif entry.is_file(follow_symlinks=False) or not is_pipe_or_device(entry.path):
                found.append(name)
            else:
                tally.note(report.NOT_REGULAR)
    found.sort(key=os.fsencode)
    return found, tally.notes


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself: reading it fails by name


def _list(path: str) -> tuple[list[os.DirEntry[str]], tuple[int, int]]:
    try:
        status = os.stat(path)
        with os.scandir(path) as entries:
            return list(entries), (status.st_dev, status.st_ino)
    except OSError as error:
        raise InputError(f"{printable(path)} cannot be listed: {error.strerror}") from error
