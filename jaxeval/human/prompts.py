"""Prompts of the images of a study, from a file."""

import csv
import io
import json
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxeval._arguments import first_of
from jaxeval.errors import InputError
from jaxeval.files import local_path

LONGEST_PROMPT = 5_000
LONGEST_CATEGORY = 200


class Prompt(NamedTuple):
    """What an image was made from.

    Attributes:
      text: the prompt.
      category: the group that it belongs to; empty for none.
    """

    text: str
    category: str = ""


def load_prompts(path: str | Path, names: Collection[str]) -> dict[str, Prompt]:
    """Prompts by the names of images without extension.

    Args:
      path: a `.csv` with the columns `name`, `prompt` and perhaps `category`; a `.jsonl` of objects with these keys; or
        a `.txt` of lines "name, tab, prompt", perhaps with a further tab and the category. UTF-8. Names are relative to
        the set, with or without extension.
      names: of the images, without extension.

    Raises:
      InputError: the file cannot be read or is not of that form, names an image that there is not or one twice, or a
        prompt is empty or too long; the message names it.
    """
    place = local_path(path)
    readers = {".csv": _of_csv, ".jsonl": _of_jsonl, ".txt": _of_lines}
    reader = readers.get(place.suffix.lower())
    if reader is None:
        raise InputError(f"the prompts in {str(path)!r} must be a .csv, .jsonl or .txt file")
    try:
        text = place.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the prompts in {str(path)!r} ({error.strerror}); give another file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the prompts in {str(path)!r} are not UTF-8 (byte {error.start})") from error
    known = {_composed(name): name for name in names}
    found: dict[str, Prompt] = {}
    strange: list[str] = []
    for where, name, prompt, category in reader(text, str(path)):
        if not prompt.strip():
            raise InputError(f"{where} has no prompt for {name!r}; give one, or leave the line out")
        if len(prompt) > LONGEST_PROMPT or len(category) > LONGEST_CATEGORY:
            raise InputError(
                f"{where} has a prompt or category that is too long; the most are {LONGEST_PROMPT:,} and "
                f"{LONGEST_CATEGORY} characters"
            )
        composed = _composed(name)
        bare = str(PurePosixPath(composed).with_suffix("")) if PurePosixPath(composed).name else composed
        own = known.get(composed, known.get(bare))
        if own is None:
            strange.append(name)
        elif own in found:
            raise InputError(f"{where} has a second prompt for {name!r}; leave one of them out")
        else:
            found[own] = Prompt(prompt, category)
    if strange:
        raise InputError(
            f"{str(path)!r} has prompts for names that no image has: {first_of(strange, quoted=True)}; "
            "names are relative to the set, as in 'folder/0001'"
        )
    if not found:
        raise InputError(f"{str(path)!r} has no prompts; name and prompt are expected")
    return found


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _of_csv(text: str, path: str) -> Iterator[tuple[str, str, str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        if "name" not in columns or "prompt" not in columns:
            raise InputError(
                f"the first line of {path!r} names the columns {', '.join(columns) or '(none)'}; name,prompt or "
                "name,prompt,category is expected"
            )
        for row in reader:
            where = f"line {reader.line_num} of {path!r}"
            if row["name"] is None or row["prompt"] is None or None in row:
                raise InputError(f"{where} has not as many cells as the first line; quote cells with commas in them")
            yield where, row["name"], row["prompt"], row.get("category") or ""
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} of {path!r} is no CSV ({error}); quote it (RFC 4180)") from error


def _of_jsonl(text: str, path: str) -> Iterator[tuple[str, str, str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number} of {path!r}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is no JSON ({error}); give an object a line") from error
        if not isinstance(record, dict):
            raise InputError(f"{where} is no object with name and prompt")
        name, prompt, category = record.get("name"), record.get("prompt"), record.get("category") or ""
        if not (isinstance(name, str) and isinstance(prompt, str) and isinstance(category, str)):
            raise InputError(f"{where} is no object with name and prompt, perhaps category, all of them texts")
        yield where, name, prompt, category


def _of_lines(text: str, path: str) -> Iterator[tuple[str, str, str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        cells = line.rstrip("\r").split("\t")
        where = f"line {number} of {path!r}"
        if len(cells) not in (2, 3):
            raise InputError(f"{where} is not a name, a tab and a prompt: {line[:60]!r}")
        yield where, cells[0], cells[1], cells[2].strip() if len(cells) == 3 else ""
