"""What a source of images is: a name, a length, a fingerprint of its content and an ordered stream of items."""

import abc
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from jaxtyping import Int
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.images import report
from jaxeval.images.formats import EXTENSIONS, STORED_EXTENSIONS, UNREAD_EXTENSIONS, extensions_read

ValueRange = tuple[float | int, float | int]

OutOfRange = Literal["fail", "clip"]
"""What values outside the stated range do: end the reading, or be taken as its nearer bound, and be counted."""
Content = bytes | np.ndarray | Image.Image

MAX_FILE_BYTES = 512 * 2**20
"""One encoded image larger than this is refused unread: it would not fit the pixel limit of `decoding` either."""

_FINGERPRINT_VERSION = b"jaxeval images 2"


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """One image before decoding.

    Attributes:
      name: what tells it from the others of its source, independent of where the source lies: a relative path with
        forward slashes, or the index in an array.
      content: an encoded file, pixels [H, W] or [H, W, C], or an image of Pillow's; or a function that reads one of
        these when a worker needs it.
      where: how messages call it.
      value_range: the values that mean black and white; None for encoded files and uint8 pixels, which have a range of
        their own (another one that was stated is kept here, and noted when they are decoded).
      out_of_range: what values outside that range do.
    """

    name: str
    content: Content | Callable[[], Content]
    where: str
    value_range: ValueRange | None = None
    out_of_range: OutOfRange = "fail"

    def read(self) -> Content:
        """The encoded file, the pixels, or Pillow's image.

        Raises:
          InputError: it cannot be read.
        """
        return self.content() if callable(self.content) else self.content


class Source(abc.ABC):
    """An ordered set of images. Iterating twice gives the same items in the same order.

    Attributes:
      name: the source as the user wrote it; for messages and tables.
      content_known: whether the images exist before they are read, so that they can have a fingerprint.
      named_by_index: whether the items' names are their places, 0 to `len(self) - 1`.
      sequential: whether an image is reached only through all those before it, as in an archive that is a stream.
    """

    name: str
    content_known: bool = True
    named_by_index: bool = False
    sequential: bool = False

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of items, unreadable ones included."""

    @abc.abstractmethod
    def items(self) -> Iterator[Item]:
        """The items in a deterministic order.

        Raises:
          InputError: the source as a whole cannot be read on, as with a corrupt archive.
        """

    def names(self) -> Iterator[str]:
        """The items' names in their order; cheaper than the items where these cannot be listed without being made.

        Raises:
          InputError: as for `items`.
        """
        return map(str, range(len(self))) if self.named_by_index else (item.name for item in self.items())

    def select(self, places: Int[np.ndarray, " n"]) -> Iterator[Item]:
        """The items at these places, which ascend; a source that can leave the others unread has a way of its own.

        Raises:
          InputError: as `items`.
        """
        wanted = iter(places.tolist())
        place = next(wanted, None)
        for index, item in enumerate(self.items()):
            if place is None:
                return
            if index == place:
                yield item
                place = next(wanted, None)

    @property
    def notes(self) -> Mapping[str, int]:
        """What the source left out, with the keys of `ReadReport.notes`; complete once items() has ended."""
        return {}

    def item_digests(self) -> bytes | None:
        """SHA-256 of each item's name and content, 32 bytes an item, one after the other in the source's order.

        Streams the content. An item that cannot be read counts as such, so that a source with a broken file still has
        digests. None where the content is not known.
        """
        return b"".join(map(_item_digest, self.items())) if self.content_known else None

    def fingerprint(self) -> str | None:
        """SHA-256 (hex) of names and content in order: equal for equal images, wherever and in whatever they lie.

        None where the content is not known.
        """
        digests = self.item_digests()
        return None if digests is None else combined_digest(digests)


def combined_digest(item_digests: bytes) -> str:
    """The fingerprint of a source whose items have these digests, each of 32 bytes."""
    return hashlib.sha256(_FINGERPRINT_VERSION + item_digests).hexdigest()


def _item_digest(item: Item) -> bytes:
    digest = hashlib.sha256()
    for part in (item.name.encode("utf-8", "surrogateescape"), *_content_parts(item)):
        digest.update(len(part).to_bytes(8, "little"))  # lengths first: no two items share one byte stream
        digest.update(part)
    return digest.digest()


def _content_parts(item: Item) -> tuple[bytes | memoryview, ...]:
    try:
        content = item.read()
    except InputError:
        return (b"unreadable",)
    if isinstance(content, bytes):
        return b"file", content
    if isinstance(content, Image.Image):
        palette = content.getpalette("RGBA") if content.mode in ("P", "PA") else None
        known = [content.info.get(key) for key in ("transparency", "exif")]
        return repr(("image", content.mode, content.size, content.format, palette, known)).encode(), content.tobytes()
    header = f"{content.dtype.str} {content.dtype.name} {content.shape} {item.value_range}"
    header += " clipped" if item.out_of_range == "clip" else ""
    return header.encode(), np.ascontiguousarray(content).view(np.uint8).reshape(-1).data


def classify_name(name: str, *, as_stored: bool = False) -> str | None:
    """Why an entry with this relative name is not read (a key of `ReadReport.notes`), or None for an image.

    Args:
      name: of the entry.
      as_stored: whether images are wanted as they are stored, so that those of light count too.
    """
    path = PurePosixPath(name)
    if any(part.startswith(".") for part in path.parts if part not in (".", "..")):
        return report.HIDDEN
    extension = path.suffix.lower()
    if extension in (STORED_EXTENSIONS if as_stored else EXTENSIONS):
        return None
    return report.UNREAD_FORMAT + extension if extension in UNREAD_EXTENSIONS else report.NOT_IMAGE


def check_entry_name(archive: str, name: str) -> None:
    """Refuses an archive entry whose name leaves the archive's own folder.

    Nothing is ever written to disk here, but such an archive was made to harm whoever unpacks it, or by mistake.

    Raises:
      InputError: the name is absolute, starts with a drive, or climbs out by `..`.
    """
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise InputError(
            f"{archive}: the entry {name!r} points outside the archive; rebuild the archive with relative names"
        )


def no_images(where: str, notes: Mapping[str, int]) -> InputError:
    """The error for a place without a single image."""
    ignored = "".join(f" ({what}: {count})" for what, count in notes.items())
    return InputError(f"{where} holds no images{ignored}; the extensions read are {extensions_read()}")
