"""Which images of two folders belong together: those with the same relative name, whatever the extension."""

import dataclasses
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


def match_pairs(
    reference_name: str, reference: Mapping[str, Item], name: str, distorted: Mapping[str, Item], *, skip: bool
) -> Matching:
    """Pairs of the same name; a single image on either side is a pair whatever the names.

    Args:
      reference_name: of the reference, for messages.
      reference: as `open_images` gives it.
      name: of the distorted set.
      distorted: as `reference`.
      skip: whether images without a partner are left out and said, and not an error.

    Raises:
      InputError: there is an image without a partner, or (also with `skip`) not a single pair.
    """
    if len(reference) == len(distorted) == 1:
        (stem, first), (second,) = next(iter(reference.items())), distorted.values()
        return Matching(name, {stem: (first, second)}, ())
    pairs = {stem: (item, distorted[stem]) for stem, item in reference.items() if stem in distorted}
    if not pairs:
        raise InputError(
            f"no image of {name!r} has the name of one in {reference_name!r} ({_some(list(distorted))} against "
            f"{_some(list(reference))}); pairs are matched by relative name without extension"
        )
    lonely = []
    for ours, own, others, theirs in (
        (reference_name, reference, distorted, name),
        (name, distorted, reference, reference_name),
    ):
        without = [stem for stem in own if stem not in others]
        if without:
            lonely.append(f"{len(without):,} of {len(own):,} images of {ours!r} have no partner in {theirs!r}: ")
            lonely[-1] += _some(without)
    if lonely and not skip:
        raise InputError(f"{'; '.join(lonely)}; complete the folders, or leave such images out (--unmatched skip)")
    return Matching(name, pairs, tuple(f"{sentence} (left out)" for sentence in lonely))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
