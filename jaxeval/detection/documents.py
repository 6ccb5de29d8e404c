"""JSON files that strangers wrote: read whole, or refused in a sentence that says where they are wrong."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path
from jaxeval.tables import check_plain, each_once

_MOST_BYTES = 4 << 30
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # as which JSON may have half of a character


@dataclasses.dataclass(frozen=True)
class JsonFile:
    """What a file says.

    Attributes:
      path: as the user named it.
      sha256: of the file.
      content: as `json` gives it.
      half: a text in it that has half of a character, as names of files have it that are no UTF-8; "" if none has.
    """

    path: str
    sha256: str
    content: Any
    half: str = ""

    def check_letters(self) -> None:
        """Raises InputError if a text has half of a character."""
        if self.half:
            raise InputError(f"{self.path} has the text {self.half[:40]!r}, which has half of a character; mend it")


def read_json(path: str | Path) -> JsonFile:
    """Reads a JSON file.

    Raises:
      InputError: it cannot be read, is too large, no UTF-8, no JSON (with line and column), or nested too deeply;
        or an object has a name twice.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection.documents import read_json
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     place = pathlib.Path(folder) / "found.json"
      ...     _ = place.write_text('{"images": []}')
      ...     read_json(place).content
      {'images': []}
    """
    own = local_path(path)
    try:
        size = own.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{path} has {size:,} bytes; files of up to {_MOST_BYTES:,} are read")
        content = own.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    check_plain(content, str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path} is empty; a JSON document is expected")
    try:
        found = json.loads(text, object_pairs_hook=each_once)
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is no JSON at line {error.lineno}, column {error.colno} ({error.msg}); it may have been cut short"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply; no file of boxes is") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path} is no JSON that can be read ({said_by(error)})") from error
    half = _half_text(found) if _HALF.search(text) else ""
    return JsonFile(str(path), hashlib.sha256(content).hexdigest(), found, half)


def has_half(text: str) -> bool:
    """Whether a text has half of a character: one of the two codes that UTF-16 has of some, alone."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _half_text(content: Any) -> str:
    left = [content]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str) and has_half(one):
            return one
    return ""
