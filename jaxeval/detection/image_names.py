"""What files of boxes call images: as they are called, without extension, or by paths of another folder or system."""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int

_NONE, _SEVERAL = -1, -2


def places_of_names(
    names: Sequence[str], known: Sequence[str], *, extension: bool
) -> tuple[Int[np.ndarray, " n"], list[tuple[str, str]]]:
    r"""The place of each name among those of images; -1 of what is none's, and of what may be one of several.

    A name that is no image's exactly may be a path of Windows, or longer or shorter by the folders before it: `b.png`
    is `sub/b.png`, and so are `sub\b.png` and `/data/sub/b.png`, where no other image may be meant.

    Args:
      names: as a file has them.
      known: of the images.
      extension: whether names must have the image's extension; else one without, or with another, is the image's too.

    Returns:
      The places, and each name that was not found as it stands or without extension with the image's.

    Example:
      >>> from jaxeval.detection.image_names import places_of_names
      >>> places_of_names(["a.png", "b.png"], ["sub/b.png", "a.png"], extension=True)
      (array([1, 0]), [('b.png', 'sub/b.png')])
    """
    exact = {name: place for place, name in enumerate(known)}
    forms = [_plain] if extension else [_plain, _stem]
    ways = [(form, _once(list(map(form, known))), _by_endings(list(map(form, known)))) for form in forms]
    found = np.full(len(names), _NONE, np.int64)
    others: list[tuple[str, str]] = []
    for row, name in enumerate(names):
        place = exact.get(name, _NONE)
        for form, once, _ in ways:
            place = once.get(form(name), _NONE) if place == _NONE and _plain(name) == name else place
        if place < 0:
            place = next((at for form, *by in ways if (at := _by_folders(form(name), *by)) != _NONE), _NONE)
            if place >= 0:
                others.append((name, known[place]))
        found[row] = max(place, _NONE)
    return found, others


def said_of_others(path: str, others: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence on images that a file calls by other folders; none where there are none.

    Args:
      path: of the file.
      others: what it calls each, and its name.
    """
    if not others:
        return []
    own, name = others[0]
    count = "1 image was" if len(others) == 1 else f"{len(others):,} images were"
    return [f"{path}: {count} found by the end of their name only, first {own!r}, which is {name!r}"]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _stem(name: str) -> str:
    plain = _plain(name)
    return str(PurePosixPath(plain).with_suffix("")) if PurePosixPath(plain).name else plain


def _once(names: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places[name] = _SEVERAL if name in places else place
    return places


def _by_endings(names: Sequence[str]) -> dict[str, int]:
    """By what is left of each name without some of its folders, whose it is."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        for ending in _endings(name)[1:]:
            places[ending] = place if places.get(ending, place) == place else _SEVERAL
    return places


def _by_folders(name: str, once: dict[str, int], by_ending: dict[str, int]) -> int:
    """The image of which the name is the end; or else the one that is the longest end of the name."""
    at = once.get(name, by_ending.get(name, _NONE))
    return at if at != _NONE else next((once[ending] for ending in _endings(name)[1:] if ending in once), _NONE)


def _endings(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]
