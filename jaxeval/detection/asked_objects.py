"""Objects that images were asked to show, from a file or a mapping, and those that a caption names."""

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval._arguments import first_of, shown
from jaxeval.detection.asked_files import asked_table, cells_of, names_of, pieces_of
from jaxeval.detection.coco_names import COCO_NAMES
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError

_LABEL, _LABELS = ("label", "class", "object", "category"), ("labels", "classes", "objects")
SOA_FOLDERS = "soa-folders"
"""In the place of a file: objects are told by folders, as the authors of semantic object accuracy lay images out."""

_SOA_FOLDER = re.compile(r"label_([0-9]{1,2})(?![0-9])")
_PLURALS = {"person": ("people", "persons"), "mouse": ("mice",), "knife": ("knives",), "sheep": ("sheep",)}


@dataclasses.dataclass(frozen=True)
class AskedObjects:
    """Objects that images were asked to show.

    Attributes:
      path: where they are from, for messages and records.
      sha256: of the file.
      names: what images of each prompt are called, with or without a number and an extension; unique.
      labels: of each prompt the objects, each once.
      prompts: of each what images were made from; the name where there is none.

    Raises:
      InputError: a name stands twice, or has no object, or one twice; the sentence names it.

    Example:
      >>> from jaxeval.detection import AskedObjects
      >>> AskedObjects.of({"park": ["dog", "bench"], "street": "car"}).labels
      (('dog', 'bench'), ('car',))
    """

    path: str
    sha256: str
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    prompts: tuple[str, ...]

    def __post_init__(self):
        seen: set[str] = set()
        for name, labels in zip(self.names, self.labels, strict=True):
            if name in seen:
                raise InputError(f"{self.path} has {name!r} twice; give each name once")
            seen.add(name)
            fault = fault_of((name, *labels))
            if fault is not None:
                raise InputError(f"{self.path}: {name!r} or one of its labels has {fault}")
            if not labels or not all(label.strip() for label in labels):
                raise InputError(f"{self.path} has no object for {name!r}; give one, or leave the row out")
            twice = next((label for label in labels if labels.count(label) > 1), None)
            if twice is not None:
                raise InputError(f"{self.path} asks {name!r} for {twice!r} twice; ask for each object once")

    @classmethod
    def of(cls, labels: Mapping[str, Any]) -> "AskedObjects":
        """Objects, one or several, by name.

        Raises:
          InputError: there is none, or one is no text.
        """
        if not labels:
            raise InputError("no object was asked for; give at least one")
        found = []
        for name, given in labels.items():
            several = [given] if isinstance(given, str) else given
            if not isinstance(several, Sequence | set | frozenset) or not all(isinstance(one, str) for one in several):
                raise InputError(f"the object for {name!r} is {shown(given)}; give a label, or a list of labels")
            found.append(tuple(sorted(several) if isinstance(several, set | frozenset) else several))
        names = tuple(unicodedata.normalize("NFC", str(name)) for name in labels)
        digest = hashlib.sha256(json.dumps(list(zip(names, found, strict=True))).encode()).hexdigest()
        return cls("the objects", digest, names, tuple(found), names)

    @classmethod
    def of_folders(cls, images: Sequence[str]) -> "AskedObjects":
        """The objects that folders are called by, with COCO's 80 classes from 0 on: `label_16_dog/0001.png` is a dog.

        Such names do not say which images have a caption in common: each is a prompt of its own.

        Args:
          images: relative names; each once.

        Raises:
          InputError: an image lies in no such folder.
        """
        labels, strange = [], []
        for image in images:
            numbers = [int(match[1]) for match in map(_SOA_FOLDER.search, image.split("/")[:-1]) if match]
            if len(numbers) == 1 and numbers[0] < len(COCO_NAMES):
                labels.append((COCO_NAMES[numbers[0]],))
            else:
                strange.append(image)
        if strange:
            raise InputError(
                f"{first_of(strange)}: the image lies in no folder that is called label_00 to "
                "label_79, by which the objects are told; give a file of objects"
            )
        digest = hashlib.sha256(json.dumps(list(images)).encode()).hexdigest()
        return cls(SOA_FOLDERS, digest, tuple(images), tuple(labels), tuple(images))

    def __len__(self) -> int:
        return len(self.names)


def read_objects(path: str | Path, *, known: Collection[str] | None = None) -> AskedObjects:
    r"""Reads which objects each image was asked to show.

    Args:
      path: a `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet` file with the columns `name` (or `image`: the name of an
        image, or what the names of several begin with) and `label` (a row for each object of an image) or, as a JSON
        list, `labels`; and perhaps `prompt`. A `.json` file may also be an object of lists of labels by name.
      known: labels by which captions are read where the file has prompts and no labels, as `labels_of_caption` does;
        images whose caption names none are refused.

    Raises:
      InputError: the file cannot be read or is not of that form, a row has no name or no object, one object is asked
        for twice, or one name has two prompts; the sentence names it.
      MissingPackageError: pyarrow, which reads Parquet, is not installed.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection import read_objects
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "objects.csv")
      ...     _ = file.write_text("name,label,prompt\n0001,dog,a dog on a bench\n0001,bench,a dog on a bench\n")
      ...     asked = read_objects(file)
      >>> asked.names, asked.labels, asked.prompts
      (('0001',), (('dog', 'bench'),), ('a dog on a bench',))
    """
    table = asked_table(path, "labels")
    names = names_of(table)
    single, several = cells_of(table, _LABEL), cells_of(table, _LABELS)
    prompts = cells_of(table, ("prompt", "caption"))
    if single is not None and several is not None:
        raise InputError(f"{path} has both a label and a list of labels in columns of their own; keep one of them")
    rows: list[tuple[str, ...]] = []
    for row, place in enumerate(table.places):
        if single is not None:
            rows.append((single[row].strip(),))
        elif several is not None:
            # An object of labels by name has one label as a text, and several as a list.
            cell = several[row].strip()
            pieces = pieces_of(cell)
            if pieces is None and (not cell or cell.startswith("[")):
                raise InputError(f"{path}: {place} has the labels {shown(cell)}; give a JSON list of texts")
            rows.append(tuple(one.strip() for one in pieces) if pieces is not None else (cell,))
        elif known is not None and prompts is not None:
            rows.append(labels_of_caption(prompts[row], known))
        else:
            raise InputError(f"{path} has the columns {', '.join(table.columns)}; a column label (or labels) is needed")
    labels: dict[str, tuple[str, ...]] = {}
    said: dict[str, str] = {}
    for row, name in enumerate(names):
        if name in labels and single is None:
            raise InputError(f"{path} has {name!r} twice, again in {table.places[row]}; give each name once")
        labels[name] = labels.get(name, ()) + rows[row]
        prompt = prompts[row] if prompts is not None else ""
        if said.setdefault(name, prompt) != prompt:
            raise InputError(f"{path}: {table.places[row]} has another prompt for {name!r} than a row before it")
    return AskedObjects(
        path=str(path),
        sha256=table.sha256,
        names=tuple(labels),
        labels=tuple(labels.values()),
        prompts=tuple(said[name] or name for name in labels),
    )


def labels_of_caption(caption: str, labels: Collection[str]) -> tuple[str, ...]:
    """The labels that a caption names, in its order: by their own words, in singular or regular plural.

    Of words that could be of two labels the longer one has them: a hot dog is no dog. Nothing else is understood: no
    other word for the same thing (a puppy), and no negation. The lists of words of Hinz et al., by which they chose the
    captions of semantic object accuracy, are their own: this rule gives other captions.

    Args:
      caption: a text.
      labels: that there are.

    Example:
      >>> from jaxeval.detection import labels_of_caption
      >>> labels_of_caption("Two dogs beside a hot dog and people on benches", ["dog", "hot dog", "person", "bench"])
      ('dog', 'hot dog', 'person', 'bench')
    """
    of_form: dict[str, str] = {}
    for label in labels:
        for form in _forms(label.casefold()):
            of_form.setdefault(form, label)
    if not of_form:
        return ()
    longest_first = sorted(of_form, key=len, reverse=True)
    shape = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    told = " ".join(caption.casefold().split())
    return tuple(dict.fromkeys(of_form[match[0]] for match in shape.finditer(told)))


def _forms(label: str) -> tuple[str, ...]:
    """A label's singular and plural; only its last word changes."""
    start, space, last = label.rpartition(" ")
    if last in _PLURALS:
        plurals = _PLURALS[last]
    elif re.search("(s|x|z|ch|sh)$", last):
        plurals = (f"{last}es",)
    elif re.search("[^aeiou]y$", last):
        plurals = (f"{last[:-1]}ies",)
    else:
        plurals = (f"{last}s",)
    return (label, *(f"{start}{space}{one}" for one in plurals))
