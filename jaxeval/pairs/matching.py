"""Which images of two folders belong together: those with the same relative name, whatever the extension.

Or those whose name is made of the reference's by a pattern. Letters are compared as Unicode has them composed (NFC):
file systems of Apple's store an accent behind its letter.
"""

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images import Item, open_source
from jaxeval.images.formats import EXTENSIONS

_NAMED = 3  # in messages


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


class ImageSet(dict[str, Item]):
    """Images by their relative names without extension.

    Attributes:
      notes: what the place that they are from holds besides, with the keys of `ReadReport.notes`.
    """

    notes: Mapping[str, int] = MappingProxyType({})


def open_images(path: str | Path) -> ImageSet:
    """The images of a folder by their relative names without extension; of a file, the one.

    Raises:
      InputError: it is no folder or image file, holds no image, or two images differ only in their extension.
    """
    text = str(path)
    place = local_path(path)
    if not place.exists():
        raise InputError(f"{text!r} does not exist; give a folder of images, or an image or video file")
    if place.is_file() and place.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{text!r} is not an image file ({', '.join(sorted(EXTENSIONS))}) or a folder of images")
    source, found = open_source(place), ImageSet()
    for item in source.items():
        stem = str(PurePosixPath(item.name).with_suffix(""))
        if stem in found:
            raise InputError(
                f"{text!r} holds {found[stem].name} and {item.name}, which differ only in their extension; "
                "pairs are matched without it, so keep one of them"
            )
        found[stem] = item
    found.notes = source.notes
    return found


SAME_NAME = "*"
"""The pattern of distorted images that are called as the reference's."""


def check_pattern(pattern: str) -> str:
    """The pattern; raises InputError unless it has one `*`, the place of the reference's name."""
    if pattern.count("*") != 1:
        raise InputError(f"pattern {pattern!r} must have one *, which stands for the reference's name, as in '*x4'")
    return pattern


def match_pairs(
    reference_name: str,
    reference: Mapping[str, Item],
    name: str,
    distorted: Mapping[str, Item],
    *,
    skip: bool,
    pattern: str = SAME_NAME,
) -> Matching:
    """Pairs of the same name; a single image on either side is a pair whatever the names.

    Args:
      reference_name: of the reference, for messages.
      reference: as `open_images` gives it.
      name: of the distorted set.
      distorted: as `reference`.
      skip: whether images without a partner are left out and said, and not an error.
      pattern: what the distorted images are called, with `*` for the reference's name; folders stay what they are.

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
            f"no image of {name!r} has the name of one in {reference_name!r} ({_some(list(distorted))} against "
            f"{_some(list(reference))}); {how}{_pattern_to_try(ours, theirs) if pattern == SAME_NAME else ''}"
        )
    wanted = set(partners.values())
    lonely = []
    for place, own, without, others in (
        (reference_name, ours, [stem for stem in ours if partners[stem] not in theirs], name),
        (name, theirs, [stem for stem in theirs if stem not in wanted], reference_name),
    ):
        if without:
            lonely.append(f"{len(without):,} of {len(own):,} images of {place!r} have no partner in {others!r}: ")
            lonely[-1] += _some(without)
    if lonely and not skip:
        raise InputError(f"{'; '.join(lonely)}; complete the folders, or leave such images out (--unmatched skip)")
    return Matching(name, pairs, tuple(f"{sentence} (left out)" for sentence in lonely))


def _composed(place: str, images: Mapping[str, Item]) -> dict[str, Item]:
    """The images by their composed names."""
    found: dict[str, Item] = {}
    for stem, item in images.items():
        composed = unicodedata.normalize("NFC", stem)
        if composed in found:
            raise InputError(
                f"{place!r} holds {found[composed].name!r} and {item.name!r}, which are one name with its accents "
                "composed and not; keep one of them"
            )
        found[composed] = item
    return found


def _called(stem: str, pattern: str) -> str:
    """What a distorted image is called whose reference has this relative name."""
    place = PurePosixPath(stem)
    before, after = unicodedata.normalize("NFC", pattern).split("*")
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


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
