"""What a detector found, kept on disk image by image, so that nothing is looked at twice and a killed run goes on.

A detector has one file, of lines: first what it is, then an entry for each image, under the digest of its pixels. Each
entry has a checksum over the detector, the image and what was found; a line that a kill cut short, or that has another
checksum, is left out and its image looked at again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from jaxeval.detection.detector import Findings
from jaxeval.detection.masks import mask_of_segmentation, segmentation_of_mask
from jaxeval.detection.returned import raw_findings
from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, replace_file

try:
    import fcntl
except ImportError:  # Windows, where two runs should not share a folder
    fcntl = None

_VERSION = 1
_SUM = 32  # letters of a checksum


class KeptFindings:
    """The file of one detector in a folder.

    Args:
      folder: of the cache; made if need be.
      identity: what decides what the detector finds, plain values.

    Raises:
      InputError: the folder cannot be written, or the file not be read.

    Attributes:
      damaged: how many lines could not be believed.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from jaxeval.detection import Findings
      >>> from jaxeval.detection.kept_findings import KeptFindings
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     KeptFindings(folder, {"version": 1}).add({b"digest": Findings(np.zeros((0, 4)), np.zeros(0), ())})
      ...     found = KeptFindings(folder, {"version": 1}).find(b"digest", (8, 8))
      >>> len(found)
      0
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any]):
        known = json.dumps({"version": _VERSION, "identity": identity}, sort_keys=True)
        self._key = hashlib.sha256(known.encode()).hexdigest()
        self._head = known
        self._path = local_path(folder) / "detections" / f"{self._key}.jsonl"
        self.damaged = 0
        self._has_damage = False
        check_writable(self._path.parent)
        self._entries = self._read()

    def find(self, digest: bytes, size: tuple[int, int]) -> Findings | None:
        """What was found in an image; None where that is not known.

        Args:
          digest: of its pixels.
          size: its height and width.
        """
        entry = self._entries.get(digest.hex())
        if entry is None:
            return None
        try:
            return _findings(entry, size)
        except (InputError, KeyError, TypeError, ValueError, AttributeError):
            del self._entries[digest.hex()]
            self.damaged += 1
            return None

    def add(self, findings: Mapping[bytes, Findings]) -> None:
        """Keeps what was found in some more images, by the digests of their pixels.

        Raises:
          InputError: the disk is full, or the folder has become unwritable.
        """
        lines = []
        for digest, found in findings.items():
            entry = _plain(found)
            self._entries[digest.hex()] = entry
            line = {"image": digest.hex(), "found": entry, "sum": self._sum(digest.hex(), entry)}
            lines.append(json.dumps(line, allow_nan=False))
        try:
            with _opened(self._path) as file:
                end = file.seek(0, os.SEEK_END)
                before = "" if end else self._head + "\n"
                if end:
                    file.seek(end - 1)
                    before = "" if file.read(1) == b"\n" else "\n"  # behind a line that a kill cut short
                file.write((before + "\n".join([*lines, ""])).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"cannot write what was found to {str(self._path)!r} ({error.strerror}); make room, choose another "
                "folder, or run without --cache"
            ) from error

    def mend(self) -> None:
        """Takes the lines that could not be believed out of the file, so that they are said once.

        Where that cannot be done, they stay, and no harm is done but that they are said again.
        """
        if not self._has_damage:
            return
        with contextlib.suppress(OSError), _opened(self._path) as file:
            file.seek(0)
            lines = [line for line in file.read().splitlines() if self._record(line) is not None]
            replace_file(self._path, b"\n".join([self._head.encode(), *lines, b""]))
            self._has_damage = False

    def _read(self) -> dict[str, Any]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"{str(self._path)!r} cannot be read ({error.strerror}); remove it") from error
        entries: dict[str, Any] = {}
        for line in content.splitlines():
            if not line or line == self._head.encode():
                continue
            record = self._record(line)
            if record is None:
                self.damaged += 1
                self._has_damage = True
            else:
                entries[record["image"]] = record["found"]
        return entries

    def _record(self, line: bytes) -> Mapping[str, Any] | None:
        """What a line says; None if it cannot be believed."""
        try:
            record = json.loads(line)
            return record if record["sum"] == self._sum(record["image"], record["found"]) else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _sum(self, image: str, entry: Any) -> str:
        text = json.dumps([self._key, image, entry], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_SUM]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, to be written at its end by nobody else; not one that another run has put a mended one in the place of.

    Args:
      path: of the file, which is made if need be.
    """
    while True:
        with open(path, "a+b") as file, _locked(file):
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield file
                return


@contextlib.contextmanager
def _locked(file: BinaryIO):
    """Nobody else writes the file meanwhile, where the system can see to that."""
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _plain(found: Findings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "boxes": found.boxes.tolist(),
        "scores": found.scores.tolist(),
        "labels": list(found.labels),
    }
    if found.texts is not None:
        values["texts"] = list(found.texts)
    if found.masks is not None:
        values["masks"] = [segmentation_of_mask(mask) for mask in found.masks]
    return values


def _findings(entry: Mapping[str, Any], size: tuple[int, int]) -> Findings:
    values = dict(entry)
    if "masks" in values:
        values["masks"] = [mask_of_segmentation(mask) for mask in values["masks"]]
    raw = raw_findings(values, "a kept finding has", "xywh", size, bounded=False)
    if raw.labels.dtype.kind != "U":
        raise InputError("a kept finding has numbers in the place of names")
    return Findings(raw.boxes, raw.scores, tuple(raw.labels.tolist()), raw.texts, raw.masks)
