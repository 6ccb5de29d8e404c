"""Captions of images, from a file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxeval import _arguments
from jaxeval.errors import InputError
from jaxeval.files import local_path


def load_captions(path: str | Path) -> dict[str, str]:
    """Captions by image name (the path within its set, with forward slashes).

    Args:
      path: a `.json` file of one object, name to caption; a `.jsonl` file of objects with `name` and `caption` (or
        `file_name` and `text`, as in Hugging Face's image folders); or any other text file of lines "name, tab,
        caption". UTF-8.

    Raises:
      InputError: the file cannot be read, is not of that form, or names an image twice.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.evaluation import load_captions
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     length = pathlib.Path(folder, "captions.json").write_text('{"0001.png": "a red bicycle"}')
      ...     captions = load_captions(f"{folder}/captions.json")
      >>> captions["0001.png"]
      'a red bicycle'
    """
    path = local_path(_arguments.path("path", path))
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the captions in {str(path)!r} ({error}); give a UTF-8 text file") from error
    captions: dict[str, str] = {}
    for name, caption in _pairs(path, text):
        if name in captions:
            raise InputError(f"{str(path)!r} has two captions for {name!r}; leave one of them out")
        captions[name] = caption
    if not captions:
        raise InputError(f"{str(path)!r} has no captions; lines of a name, a tab and a caption are expected")
    return captions


def _pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    if path.suffix.lower() == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InputError(f"{str(path)!r} is no JSON ({error}); give an object of names and captions") from error
        if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
            raise InputError(f"{str(path)!r} is not one JSON object with a caption for each name")
        yield from found.items()
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        pair = _from_json(line) if path.suffix.lower() == ".jsonl" else tuple(line.split("\t", 1))
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise InputError(f"line {number} of {str(path)!r} is not a name and a caption: {line[:60]!r}")
        yield pair[0].strip(), pair[1].strip()


def _from_json(line: str) -> tuple[Any, ...]:
    try:
        record = json.loads(line)
        return record.get("name", record.get("file_name")), record.get("caption", record.get("text"))
    except (ValueError, AttributeError):
        return ()
