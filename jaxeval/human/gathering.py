"""The sets of a study: which images belong together, and whether their sizes tell them apart."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.human.study import DEGRADED, NOISE
from jaxeval.images import Item, PixelRules, stored_image
from jaxeval.images.matching import ImageSet, match_pairs, open_images, with_names

_LONGEST_NAME = 500
_MOST_SYSTEMS = 1_000


@dataclasses.dataclass(frozen=True)
class Gathered:
    """The images of a study before they are encoded.

    Attributes:
      names: of the items, in order.
      systems: images by name, by system.
      reference: images by name; empty for none.
      remarks: sentences on what was left out or renamed.
    """

    names: list[str]
    systems: Mapping[str, Mapping[str, Item]]
    reference: Mapping[str, Item]
    remarks: tuple[str, ...]


def gather(design: str, sets: Sequence[tuple[str, Path]], reference: str | Path | None, *, skip: bool) -> Gathered:
    """Opens the sets and finds out which images belong together.

    Args:
      design: of the study; sets of "real-or-fake" are not matched.
      sets: by name.
      reference: of the study; None for none.
      skip: whether images without a partner are left out, and said.

    Raises:
      InputError: a set is given twice, holds no images, or does not match the others.
    """
    own = None if reference is None else str(reference)
    places_of: dict[str, str] = {}
    for name, path in (*sets, *([] if reference is None or own is None else [(own, local_path(reference))])):
        if len(name) > _LONGEST_NAME or name.startswith((DEGRADED, NOISE)) or not name.strip():
            raise InputError(f"a set cannot be called {name[:60]!r}; give it a shorter name, or another one")
        real = os.path.realpath(path)
        if real in places_of or name in places_of.values():
            raise InputError(f"{name!r} is given twice, also as {places_of.get(real, name)!r}; give other sets")
        places_of[real] = name
    if len(sets) > _MOST_SYSTEMS:
        raise InputError(f"{len(sets):,} sets are more than a study takes; the most are {_MOST_SYSTEMS:,}")
    if design == "2afc" and len(sets) < 2:
        raise InputError("2afc compares two images; give two sets or more")
    if design == "real-or-fake" and reference is None:
        raise InputError("real-or-fake needs real images; give them as the reference")
    opened = {name: open_images(path) for name, path in sets}
    if reference is not None and own is not None:
        opened[own] = open_images(local_path(reference))
    if design == "real-or-fake":
        return _unmatched_sets(opened, own)
    opened, said = with_names(opened)
    first, *others = opened
    matchings = [match_pairs(first, opened[first], other, opened[other], skip=skip, hint=False) for other in others]
    remarks = [*said, *(sentence for matching in matchings for sentence in matching.unmatched)]
    names = sorted(set(opened[first]).intersection(*(matching.pairs for matching in matchings)))
    if not names:
        raise InputError(f"no name is in all of {', '.join(map(repr, opened))}; images are matched by their names")
    found: dict[str, dict[str, Item]] = {}
    if matchings:
        found[first] = {name: matchings[0].pairs[name][0] for name in names}
        found |= {one.name: {name: one.pairs[name][1] for name in names} for one in matchings}
    else:
        found[first] = {name: opened[first][name] for name in names}
    _check_names(names)
    beside = found.pop(own) if own is not None else {}
    return Gathered(names, found, beside, tuple(remarks))


def _unmatched_sets(opened: Mapping[str, ImageSet], reference: str | None) -> Gathered:
    """Sets whose images have nothing to do with one another; equal names are one item all the same."""
    names = sorted({name for images in opened.values() for name in images})
    _check_names(names)
    systems = {name: images for name, images in opened.items() if name != reference}
    return Gathered(names, systems, opened[reference] if reference is not None else {}, ())


def _check_names(names: Sequence[str]) -> None:
    long = next((name for name in names if len(name) > _LONGEST_NAME), None)
    if long is not None:
        raise InputError(f"the name {long[:60]!r}... has {len(long)} characters; the most are {_LONGEST_NAME}")


def check_sizes(design: str, gathered: Gathered, rules: PixelRules, threads: int) -> None:
    """Refuses images whose size tells them apart.

    Raises:
      InputError: images of a name, of "real-or-fake" any images, differ in size, or one cannot be read.
    """
    flat = [
        (name, item) for images in (*gathered.systems.values(), gathered.reference) for name, item in images.items()
    ]
    with ThreadPoolExecutor(threads) as pool:
        layouts = list(pool.map(lambda one: stored_image(one[1], rules).layout, flat))
    first: dict[str, tuple[tuple[int, int], str]] = {}
    for (name, item), layout in zip(flat, layouts, strict=True):
        key, size = "" if design == "real-or-fake" else name, (layout.height, layout.width)
        other, where = first.setdefault(key, (size, item.where))
        if other != size:
            raise InputError(
                f"{item.where} is {size[0]} x {size[1]} and {where} {other[0]} x {other[1]} pixels; a size tells "
                "systems apart, so make them equal, or allow it (--sizes any)"
            )
