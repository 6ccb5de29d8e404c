"""Paths as users write them, and writing files so that nobody ever sees half of one."""

import os
import re
import secrets
import tempfile
import urllib.parse
from pathlib import Path

from jaxeval.errors import InputError

__all__ = ["check_writable", "local_name", "local_path", "replace_file", "write_atomically"]

# A scheme has two letters at least: C:/ is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)(.*)", re.DOTALL)


def local_name(path: str | os.PathLike[str]) -> str:
    """The name of a file or folder of this machine that a user's text means.

    `file:///folder` and `file://localhost/folder` are that folder, with %20 and the like decoded; any other text is
    taken as it is. A URL that has lost one of its slashes, as in a `pathlib.Path`, means what it meant, but for a text
    that begins with a folder of that name (`run:/x`) which is there.

    Args:
      path: a path or URL.

    Raises:
      InputError: a URL of another scheme or of another machine, or no text that can be a name.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text:
        raise InputError(f"{path!r} cannot be the name of a file or folder; give a text without zero bytes")
    match = _URL.match(text)
    if match is None:
        return text
    scheme, slash, rest = match.groups()
    if isinstance(path, str) and not slash and os.path.isdir(f"{scheme}:"):
        return text
    if scheme.lower() != "file":
        raise InputError(
            f"{text!r} is on {scheme}://, which is not supported; give a path on this machine or on a file system that "
            "is mounted here"
        )
    host, root, inner = rest.partition("/") if slash else ("", "/", rest.removeprefix("localhost/"))
    if host.lower() not in ("", "localhost") or not root:
        raise InputError(f"{text!r} names the machine {host!r}; a folder of this machine is file:///FOLDER")
    name = root + urllib.parse.unquote(inner, errors="surrogateescape")
    if "\0" in name:
        raise InputError(f"{text!r} cannot be the name of a file or folder; give a text without zero bytes")
    return name


def local_path(path: str | os.PathLike[str]) -> Path:
    """`local_name` as a path, with `~` for the user's home.

    Raises:
      InputError: as `local_name`.
    """
    return Path(os.path.expanduser(local_name(path)))


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Writes a file all or nothing: a reader, or a run after a kill, sees the old content or the new.

    Args:
      path: of the file.
      content: its bytes.
      private: whether only the user may read it.

    Raises:
      OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        mode = 0o600 if private else 0o666
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(folder: str | Path) -> None:
    """Makes a folder and proves that a file can be written in it, before hours of work depend on it.

    Raises:
      InputError: it cannot be made or written; the message names it.
    """
    place = local_path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write in the folder {str(folder)!r} ({reason}); choose another one") from error


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Writes a file so that a reader, or a run after a kill, sees all of it or nothing.

    Args:
      path: of the file.
      content: its bytes.
      private: whether only the user may read it.

    Raises:
      InputError: the file cannot be written; the message names it.
    """
    try:
        replace_file(path, content, private=private)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r} ({error.strerror}); choose another place") from error
