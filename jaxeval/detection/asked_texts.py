"""Texts that images were asked to show, from a file or a mapping."""

import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval._arguments import shown
from jaxeval.detection.asked_files import asked_table, cells_of, names_of, pieces_of
from jaxeval.detection.reading_order import joined
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError

LONGEST_TEXT = 10_000
"""Letters of one asked text; the time that comparing takes grows as the square of it."""

_TEXT, _LINES = ("text", "texts"), ("lines", "words")


@dataclasses.dataclass(frozen=True)
class AskedTexts:
    """Texts that images were asked to show.

    Attributes:
      path: where they are from, for messages and records.
      sha256: of the file.
      names: what images of each are called, with or without a number and an extension; unique.
      lines: of each the lines; several words that are asked for in no order are lines, too.
      categories: of each; "" where there is none.
      prompts: of each what images were made from; the name where there is none.

    Raises:
      InputError: a name stands twice, or a text is empty or too long; the sentence names it.

    Example:
      >>> from jaxeval.detection import AskedTexts
      >>> asked = AskedTexts.of({"card": ["happy", "birthday"]})
      >>> asked.names, asked.lines, asked.text(0)
      (('card',), (('happy', 'birthday'),), 'happy birthday')
    """

    path: str
    sha256: str
    names: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    categories: tuple[str, ...]
    prompts: tuple[str, ...]

    def __post_init__(self):
        seen: set[str] = set()
        for name, lines in zip(self.names, self.lines, strict=True):
            if name in seen:
                raise InputError(
                    f"{self.path} has two texts for {name!r}; give each name one text, perhaps of several lines"
                )
            seen.add(name)
            fault = fault_of((name, *lines))
            if fault is not None:
                raise InputError(f"{self.path}: {name!r} or its text has {fault}")
            if not any(line.strip() for line in lines):
                raise InputError(f"{self.path} has no text for {name!r}; give one, or leave the row out")
            length = sum(map(len, lines))
            if length > LONGEST_TEXT:
                raise InputError(
                    f"{self.path}: the text for {name!r} has {length:,} letters; the most are {LONGEST_TEXT:,}"
                )

    @classmethod
    def of(cls, texts: Mapping[str, Any]) -> "AskedTexts":
        """Texts, or lists of lines, by name.

        Raises:
          InputError: there is none, or one is no text.
        """
        if not texts:
            raise InputError("no text was asked for; give at least one")
        for name, one in texts.items():
            if not _is_text(one):
                raise InputError(f"the text for {name!r} is {shown(one)}; give a text, or a list of lines")
        names = tuple(unicodedata.normalize("NFC", str(name)) for name in texts)
        lines = tuple(tuple(one.splitlines()) if isinstance(one, str) else tuple(one) for one in texts.values())
        digest = hashlib.sha256(json.dumps(list(zip(names, lines, strict=True))).encode()).hexdigest()
        return cls("the texts", digest, names, _without_empty(lines), ("",) * len(names), names)

    def text(self, number: int) -> str:
        """The lines of one as one text, as what was read is joined."""
        return joined(self.lines[number])

    def __len__(self) -> int:
        return len(self.names)


def read_texts(path: str | Path) -> AskedTexts:
    r"""Reads which text each image was asked to show.

    Args:
      path: a `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet` file with the columns `name` (or `image`: the name of an
        image, or what the names of several begin with), `text` (line breaks part lines) or, as a JSON list of texts,
        `lines` or `words`; and perhaps `category` and `prompt`. A `.json` file may also be an object of texts, or
        lists of lines, by name.

    Raises:
      InputError: the file cannot be read or is not of that form, names an image twice, or has an empty or too long
        text; the sentence names it.
      MissingPackageError: pyarrow, which reads Parquet, is not installed.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection import read_texts
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "texts.csv")
      ...     _ = file.write_text("name,text,category\nshop,SUMMER SALE,sign\ncard,Happy Birthday,card\n")
      ...     asked = read_texts(file)
      >>> asked.names, asked.lines, asked.categories
      (('shop', 'card'), (('SUMMER SALE',), ('Happy Birthday',)), ('sign', 'card'))
    """
    table = asked_table(path, "text")
    names = names_of(table)
    whole, parts = cells_of(table, _TEXT), cells_of(table, _LINES)
    if whole is None and parts is None:
        raise InputError(f"{path} has the columns {', '.join(table.columns)}; a column text (or lines) is needed")
    if whole is not None and parts is not None:
        raise InputError(f"{path} has both a text and a list of lines in columns of their own; keep one of them")
    if whole is not None:
        # A list in JSON is one of lines here, too; in a table, a text in brackets is a text.
        lists = str(path).lower().endswith((".json", ".jsonl", ".ndjson", ".parquet"))
        lines = [tuple((lists and pieces_of(cell)) or cell.splitlines()) for cell in whole]
    else:
        lines = []
        for place, cell in zip(table.places, parts or (), strict=True):
            pieces = pieces_of(cell)
            if pieces is None:
                raise InputError(f"{path}: {place} has the lines {shown(cell)}; give a JSON list of texts")
            lines.append(tuple(pieces))
    categories = cells_of(table, ("category",)) or [""] * len(table)
    prompts = cells_of(table, ("prompt", "caption")) or [""] * len(table)
    return AskedTexts(
        path=str(path),
        sha256=table.sha256,
        names=tuple(names),
        lines=_without_empty(lines),
        categories=tuple(category.strip() for category in categories),
        prompts=tuple(prompt or name for prompt, name in zip(prompts, names, strict=True)),
    )


def _without_empty(lines: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.strip() for line in own if line.strip()) for own in lines)


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Sequence) and not isinstance(value, bytes) and all(isinstance(one, str) for one in value)
    )
