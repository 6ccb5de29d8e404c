"""The keywords of a batch: which of them a metric takes, by which names, and which are misspelt."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxeval.errors import InputError

_SIDES = ("reference", "generated")
_PER_ROW = ("mask", "index")
# From the longer names on, so much alike is a slip of the pen; "generated_images" is still no "generated_mask" (0.867).
_ALIKE, _LONG = 0.88, 8


def keywords_of(inputs: Iterable[str]) -> tuple[str, ...]:
    """Everything that `update` of a metric with these inputs knows: they, and masks and indices of their rows."""
    return (*inputs, *_PER_ROW, *(f"{side}_{name}" for side in _SIDES for name in _PER_ROW))


def require_input(name: str, inputs: Sequence[str], given: Mapping[str, Any]) -> None:
    """Checks the keywords of one update of a metric.

    Args:
      name: name of the metric.
      inputs: the keywords that carry its data.
      given: the keywords of the update.

    Raises:
      InputError: none of the inputs is given, or a keyword is one of the metric's, misspelt.
    """
    known = keywords_of(inputs)
    check_spelling(name, known, given)
    if all(given.get(key) is None for key in inputs):
        wanted = " or ".join(f"{key}=" for key in inputs)
        raise InputError(f"{name} got nothing to add: pass {wanted} to update")


def check_spelling(name: str, known: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raises InputError for a keyword that is one of the `known`, misspelt; others that nobody knows are ignored.

    A keyword that was given under its right name cannot be what another was meant for.
    """
    missing = [key for key in known if given.get(key) is None]
    for key in given:
        if key in known or given[key] is None:
            continue
        for meant in missing:
            if _misspelt(key, meant):
                raise InputError(f"{name} does not know {key}=; write {meant}=, or rename what is not meant for it")


def _misspelt(word: str, meant: str) -> bool:
    """Whether one letter is too many, missing or in its neighbour's place, or of longer words a few are wrong."""
    if min(len(word), len(meant)) >= _LONG and difflib.SequenceMatcher(None, word, meant).ratio() >= _ALIKE:
        return True
    longer, shorter = sorted((word, meant), key=len, reverse=True)
    if len(longer) == len(shorter) + 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    return len(word) == len(meant) and any(
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] == meant for i in range(len(word) - 1)
    )


def renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Keywords of a batch as one metric knows them: `names` maps the metric's own to the batch's."""
    return {**inputs, **{own: inputs.get(theirs) for own, theirs in names.items()}}


def own_input(side: str, name: str, given: Mapping[str, Any]) -> Any:
    """The `mask` or `index` of one side: its own (`generated_mask`), or else the one for all sides."""
    own = given.get(f"{side}_{name}")
    return given.get(name) if own is None else own
