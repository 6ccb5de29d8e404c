"""Which images of two sets belong together: those with the same relative name, whatever the extension.

Or those whose name is made of the reference's by a pattern. Letters are compared as Unicode has them composed (NFC):
file systems of Apple's store an accent behind its letter.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from jaxeval import _arguments
from jaxeval._arguments import first_of
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images.formats import STORED_EXTENSIONS
from jaxeval.images.opening import open_source
from jaxeval.images.source import Item

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_ARRAY = re.compile(r".+\.np[yz](\?[^?]*=[^?]*)?", re.IGNORECASE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Matching:
    """Images of one distorted set beside those of the reference.

    Attributes:
      name: of the distorted set, as the user wrote it.
      pairs: by the name without extension, in the reference's order: the reference's item and the distorted one.
      unmatched: sentences on images without a partner.
    """

    name: str
    pairs: Mapping[str, tuple[Item, Item]]
    unmatched: tuple[str, ...]


def sets_given(name: str, distorted: Any) -> Any:
    """Checks sets of images: one path, several, or several by name."""
    if isinstance(distorted, Mapping):
        return {own: _arguments.path(name, one) for own, one in distorted.items()}
    return _arguments.several(_arguments.path)(name, distorted)


def named_sets(
    given: str | Path | Sequence[str | Path] | Mapping[str, str | Path], what: str
) -> list[tuple[str, Path]]:
    """The sets that a user gave, by name; `what` one is, for messages.

    Raises:
      InputError: none is given, or one twice.
    """
    if isinstance(given, Mapping):
        named = [(str(name), local_path(path)) for name, path in given.items()]
    else:
        several = [given] if isinstance(given, str | Path) else list(given)
        named = [(str(path), local_path(path)) for path in several]
    if not named:
        raise InputError(f"no {what} was given; name at least one {'file' if what.startswith('file') else 'folder'}")
    twice = [name for name, _ in named if sum(name == other for other, _ in named) > 1]
    if twice:
        raise InputError(f"the {what} {twice[0]!r} is given twice")
    return named


class ImageSet(dict[str, Item]):
    """Images by their relative names without extension, or by their numbers (`000000`, ...) if they are an array's.

    Attributes:
      notes: what the place that they are from holds besides, with the keys of `ReadReport.notes`.
      numbered: whether they have no names, as those of an array.
      top_folder: of an archive, the one that all of its images lie in; empty if there is none, and of other places.
    """

    notes: Mapping[str, int] = MappingProxyType({})
    numbered: bool = False
    top_folder: str = ""

    def renamed(self, names: Iterable[str]) -> "ImageSet":
        """The same images by other names, in the same order."""
        found = ImageSet(zip(names, self.values(), strict=True))
        found.notes, found.numbered = self.notes, False
        return found

    def without_top_folder(self) -> "ImageSet":
        """The images by their names below the archive's top folder."""
        return self.renamed(stem.removeprefix(f"{self.top_folder}/") for stem in self)


def open_images(path: str | Path) -> ImageSet:
    """The images of a folder, an archive (.zip, .tar, .tar.gz, .tgz) or an array file (.npy, .npz); or the one image.

    Raises:
      InputError: it is none of these, cannot be read, holds no image, or two images differ only in their extension.
    """
    text = str(path)
    place = local_path(path)
    of_array = _ARRAY.fullmatch(text) is not None and not place.is_dir()
    if not place.exists() and not of_array:
        raise InputError(
            f"{text!r} does not exist; give a folder, an archive or an array file of images, or an image or video file"
        )
    if place.is_file() and not place.name.lower().endswith((*STORED_EXTENSIONS, *_ARCHIVES)) and not of_array:
        raise InputError(
            f"{text!r} is not an image file ({', '.join(sorted(STORED_EXTENSIONS))}), a folder of images, an archive "
            f"({', '.join(_ARCHIVES)}) or an array file (.npy, .npz)"
        )
    source, found = open_source(text if of_array else place, as_stored=True), ImageSet()
    found.numbered = source.named_by_index
    for item in source.items():
        stem = number_name(int(item.name)) if found.numbered else str(PurePosixPath(item.name).with_suffix(""))
        if stem in found:
            raise InputError(
                f"{text!r} holds {found[stem].name} and {item.name}, which differ only in their extension; "
                "pairs are matched without it, so keep one of them"
            )
        found[stem] = item
    found.notes = source.notes
    if place.is_file() and place.name.lower().endswith(_ARCHIVES):
        tops = {stem.partition("/")[0] if "/" in stem else "" for stem in found}
        found.top_folder = tops.pop() if len(tops) == 1 else ""
    return found


SAME_NAME = "*"
"""The pattern of distorted images that are called as the reference's."""


def check_pattern(pattern: str) -> str:
    """The pattern; raises InputError unless it has one `*`, the place of the reference's name."""
    if pattern.count("*") != 1:
        raise InputError(f"pattern {pattern!r} must have one *, which stands for the reference's name, as in '*x4'")
    return pattern


def number_name(number: int) -> str:
    """How an image without a name is called, by its number from 0."""
    return f"{number:06d}"


def with_names(
    sets: Mapping[str, ImageSet], patterns: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, ImageSet], list[str]]:
    """The sets by names that can be matched, and what to say of those that were changed.

    Archives lose the folder that all of their images lie in where their names match only without it. Sets without names
    have those of the first that has some, in order; arrays among themselves are matched by number.

    Args:
      sets: by the user's names, the reference first.
      patterns: what those sets call the reference's images that call them otherwise.

    Raises:
      InputError: such a set has another number of images, or the names have no order on which all agree.
    """
    sets, said = _without_top_folders(sets, patterns)
    named = next((name for name, images in sets.items() if not images.numbered), None)
    found = dict(sets)
    for name, images in sets.items():
        if named is None or not images.numbered:
            continue
        stems = list(sets[named])
        if len(stems) != len(images):
            raise InputError(
                f"{name!r} has {len(images):,} images without names and {named!r} {len(stems):,} with names; these are "
                "matched in order, and only if there are as many; give both with names, or both as arrays"
            )
        if not stems == sorted(stems) == sorted(stems, key=_natural):
            raise InputError(
                f"{name!r} has images without names, which are matched in order, but names such as those in {named!r} "
                f"({first_of(stems)}) can be put in more than one order; give them numbers of one length (0001, 0002, "
                "...)"
            )
        found[name] = images.renamed(stems)
        if len(stems) > 1:
            said.append(
                f"the images of {name!r} have no names and are matched with those of {named!r} in order: the first "
                f"with {stems[0]}, the last with {stems[-1]}"
            )
    return found, said


def _without_top_folders(
    sets: Mapping[str, ImageSet], patterns: Mapping[str, str]
) -> tuple[dict[str, ImageSet], list[str]]:
    """The sets, of which archives lack their top folder if only so every set has a name of the reference's."""
    named = {name: images for name, images in sets.items() if not images.numbered}
    reference = next(iter(named), "")
    for stripped in (False, True):
        if not named or (stripped and not named[reference].top_folder):
            break
        ours = named[reference].without_top_folder() if stripped else named[reference]
        found = {reference: ours}
        for name, images in named.items():
            ways = [images, *([images.without_top_folder()] if images.top_folder else [])]
            wanted = {_called(stem, patterns.get(name, SAME_NAME)) for stem in map(_composed_name, ours)}
            fitting = (one for one in ways if not wanted.isdisjoint(map(_composed_name, one)))
            found.setdefault(name, next(fitting, ImageSet()))
        if all(found.values()):
            said = [
                f"the images of {name!r} all lie in {named[name].top_folder!r}, which was left out of their names"
                for name, images in found.items()
                if images is not named[name]
            ]
            return {name: found.get(name, images) for name, images in sets.items()}, said
    return dict(sets), []


def _natural(stem: str) -> list[tuple[int, str]]:
    """A key that puts 10 after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", stem)]


def match_pairs(
    reference_name: str,
    reference: Mapping[str, Item],
    name: str,
    distorted: Mapping[str, Item],
    *,
    skip: bool,
    pattern: str = SAME_NAME,
    hint: bool = True,
) -> Matching:
    """Pairs of the same name; a single image on either side is a pair whatever the names.

    Args:
      reference_name: of the reference, for messages.
      reference: as `open_images` gives it.
      name: of the distorted set.
      distorted: as `reference`.
      skip: whether images without a partner are left out and said, and not an error.
      pattern: what the distorted images are called, with `*` for the reference's name; folders stay what they are.
      hint: whether an error names the pattern that would pair them.

    Raises:
      InputError: there is an image without a partner, or (also with `skip`) not a single pair.
    """
    if len(reference) == len(distorted) == 1:
        (stem, first), (second,) = next(iter(reference.items())), distorted.values()
        return Matching(name, {stem: (first, second)}, ())
    ours, theirs = _composed(reference_name, reference), _composed(name, distorted)
    partners = {stem: _called(stem, pattern) for stem in ours}
    pairs = {stem: (ours[stem], theirs[own]) for stem, own in partners.items() if own in theirs}
    if not pairs:
        how = "pairs are matched by relative name without extension"
        if pattern != SAME_NAME:
            how += f", here by the pattern {pattern!r}"
        raise InputError(
            f"no image of {name!r} has the name of one in {reference_name!r} ({first_of(list(distorted))} against "
            f"{first_of(list(reference))}); {how}"
            f"{_pattern_to_try(ours, theirs) if hint and pattern == SAME_NAME else ''}"
        )
    wanted = set(partners.values())
    lonely = []
    for place, own, without, others in (
        (reference_name, ours, [stem for stem in ours if partners[stem] not in theirs], name),
        (name, theirs, [stem for stem in theirs if stem not in wanted], reference_name),
    ):
        if without:
            lonely.append(f"{len(without):,} of {len(own):,} images of {place!r} have no partner in {others!r}: ")
            lonely[-1] += first_of(without)
    if lonely and not skip:
        raise InputError(f"{'; '.join(lonely)}; complete the folders, or leave such images out (--unmatched skip)")
    return Matching(name, pairs, tuple(f"{sentence} (left out)" for sentence in lonely))


def _composed(place: str, images: Mapping[str, Item]) -> dict[str, Item]:
    """The images by their composed names."""
    found: dict[str, Item] = {}
    for stem, item in images.items():
        composed = _composed_name(stem)
        if composed in found:
            raise InputError(
                f"{place!r} holds {found[composed].name!r} and {item.name!r}, which are one name with its accents "
                "composed and not; keep one of them"
            )
        found[composed] = item
    return found


def _composed_name(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _called(stem: str, pattern: str) -> str:
    """What a distorted image is called whose reference has this relative name."""
    place = PurePosixPath(stem)
    before, after = _composed_name(pattern).split("*")
    return str(place.with_name(f"{before}{place.name}{after}"))


def _pattern_to_try(reference: Mapping[str, Item], distorted: Mapping[str, Item]) -> str:
    """What to say where all distorted images are called as the reference's, but for one and the same addition."""
    additions = set()
    for stem in reference:
        own = [other for other in distorted if PurePosixPath(stem).name in PurePosixPath(other).name]
        if len(own) != 1:
            return ""
        before, _, after = PurePosixPath(own[0]).name.partition(PurePosixPath(stem).name)
        additions.add((before, after))
    if len(additions) != 1:
        return ""
    before, after = additions.pop()
    return f" (--pattern '{before}*{after}' would pair them)"
