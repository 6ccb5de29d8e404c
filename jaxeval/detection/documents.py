"""JSON files that strangers wrote: read whole, or refused in a sentence that says where they are wrong."""

import codecs
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path

_MOST_BYTES = 4 << 30
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclasses.dataclass(frozen=True)
class JsonFile:
    """What a file says.

    Attributes:
      path: as the user named it.
      sha256: of the file.
      content: as `json` gives it.
    """

    path: str
    sha256: str
    content: Any


def read_json(path: str | Path) -> JsonFile:
    """Reads a JSON file.

    Raises:
      InputError: it cannot be read, is too large, no UTF-8, no JSON (with line and column), or nested too deeply.

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
    if content.startswith(_MARKS):
        raise InputError(f"{path} is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path} is empty; a JSON document is expected")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is no JSON at line {error.lineno}, column {error.colno} ({error.msg}); it may have been cut short"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply; no file of boxes is") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path} is no JSON that can be read ({said_by(error)})") from error
    return JsonFile(str(path), hashlib.sha256(content).hexdigest(), found)
