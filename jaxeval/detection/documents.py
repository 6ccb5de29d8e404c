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
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # as which JSON may have half of a character


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
    content = read_limited(path, _MOST_BYTES)
    found = parsed_json(content, str(path))
    half = _half_text(found) if _HALF.search(content) else ""
    return JsonFile(str(path), hashlib.sha256(content).hexdigest(), found, half)


def read_limited(path: str | Path, most: int) -> bytes:
    """A file's bytes.

    Raises:
      InputError: it cannot be read, or has more than `most`.
    """
    own = local_path(path)
    try:
        if own.stat().st_size > most:
            raise InputError(f"{path} is larger than {most >> 20:,} MiB, up to which such files are read; divide it")
        return own.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def parsed_json(content: bytes, name: str, *, finite: bool = False) -> Any:
    """What JSON says.

    Args:
      content: of a file, or of a line of one.
      name: what messages call it.
      finite: whether NaN and infinities, which are no JSON, are refused here and not by who knows their place.

    Raises:
      InputError: it is empty, no UTF-8, no JSON (with line and column), or nested too deeply; or an object has a name
        twice.

    Example:
      >>> from jaxeval.detection.documents import parsed_json
      >>> parsed_json(b'{"images": []}', "found.json")
      {'images': []}
    """
    check_plain(content, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not text.strip():
        raise InputError(f"{name} is empty; a JSON document is expected")
    try:
        return json.loads(text, object_pairs_hook=each_once, parse_constant=_no_number if finite else None)
    except InputError as error:
        raise InputError(f"{name} {error}") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name} is no JSON at line {error.lineno}, column {error.colno} ({error.msg}); it may have been cut short"
        ) from error
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply; no such file is") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{name} is no JSON that can be read ({said_by(error)})") from error


def _no_number(text: str) -> None:
    raise InputError(f"has {text}, which is no number of JSON")


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
