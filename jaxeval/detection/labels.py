"""Names of a detector's categories, by the numbers that it gives them."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxeval._arguments import shown
from jaxeval.detection.coco_names import COCO_NAMES, COCO_NAMES_BY_NUMBER
from jaxeval.detection.documents import has_half
from jaxeval.errors import InputError
from jaxeval.files import local_path

MOST_LABELS = 100_000
_LONGEST_LABEL = 1_000  # letters
_LONGEST_TEXT = 1 << 20  # letters of a mapping that is written as Python would
_BY_NAME = {"coco": COCO_NAMES, "coco-by-number": COCO_NAMES_BY_NUMBER}


def labels_of_option(text: str) -> tuple[str, ...]:
    """The names that `labels=` means: `coco`, the 80; `coco-by-number`, the same by COCO's own numbers; or a file.

    Raises:
      InputError: as `read_labels`.
    """
    return _BY_NAME[text] if text in _BY_NAME else read_labels(text)


def read_labels(path: str | Path) -> tuple[str, ...]:
    r"""Names of categories from a file, one a line.

    Raises:
      InputError: it cannot be read, is not UTF-8, or has an empty line between names.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection.labels import read_labels
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     place = pathlib.Path(folder) / "names.txt"
      ...     _ = place.write_text("person\ncar\n")
      ...     read_labels(place)
      ('person', 'car')
    """
    try:
        lines = local_path(path).read_bytes().decode("utf-8-sig").rstrip().split("\n")
    except OSError as error:
        raise InputError(f"the file of labels {str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the file of labels {str(path)!r} is not UTF-8; save it as UTF-8") from error
    return checked_labels(tuple(line.strip() for line in lines), f"the file of labels {str(path)!r}")


def literal_labels(text: str, whose: str) -> tuple[str, ...]:
    """Names from a list or a mapping of numbers that is written as Python writes it; nothing of it is run.

    Raises:
      InputError: it is none.

    Example:
      >>> from jaxeval.detection.labels import literal_labels
      >>> literal_labels("{0: 'person', 1: 'car'}", "the model")
      ('person', 'car')
    """
    try:
        found = ast.literal_eval(text) if len(text) <= _LONGEST_TEXT else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, list | tuple | Mapping):
        raise InputError(f"{whose} has names of categories that cannot be read; give labels=FILE with one name a line")
    return checked_labels(found, whose)


def checked_labels(labels: Any, whose: str) -> tuple[str, ...]:
    """Names by number; of a mapping of numbers from 0 on, in their order.

    Raises:
      InputError: they are none.
    """
    if isinstance(labels, Mapping):
        if sorted(map(str, labels)) != sorted(map(str, range(len(labels)))):
            raise InputError(f"{whose} has labels by numbers that are not 0, 1, 2 and so on; give a list of names")
        labels = [labels.get(number, labels.get(str(number))) for number in range(len(labels))]
    if isinstance(labels, str) or not hasattr(labels, "__iter__"):
        raise InputError(f"{whose} has labels {shown(labels)}; give a list of names")
    names = list(labels)
    if not names or len(names) > MOST_LABELS:
        raise InputError(f"{whose} has {len(names):,} labels; give 1 to {MOST_LABELS:,}")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_LABEL or has_half(name):
            raise InputError(f"{whose} has label number {number} {shown(name)}; give each category a name")
    return tuple(names)
