"""What happened while a source was read: how many images, which were skipped, and what was changed in the others."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

# The keys of `ReadReport.notes`. Each is counted once an image (or once a file, for the ignored ones).
ALPHA = "alpha dropped"
ALPHA_OVER_BLACK = "alpha over black"
ALPHA_OVER_WHITE = "alpha over white"
ANIMATION = "first frame of several"
CMYK = "CMYK converted"
DATA_WINDOW = "EXR display window filled from another data window"
DOUBLE = "64-bit floats rounded to 32"
EXIF = "exif-orientation ignored"
EXIF_APPLIED = "exif-orientation applied"
EXTRA_CHANNELS = "further EXR channels ignored"
GRAY = "gray to RGB"
MODCROPPED = "sides cropped to multiples"
PALETTE = "palette expanded"
TIFF_ORIENTATION = "TIFF orientation applied"
WIDE_CLIPPED = "more than 8 bits clipped at 255"
WIDE_COLOUR = "16-bit colour cut to 8 bits"
WIDE_GRAY = "16-bit scaled"
YCBCR = "YCbCr converted"

# What values say of their range: a set full of these may have another range than it was read with.
BLACK = "no level above 1"
NARROW = "levels within 2 of one another"
ONE_SIDED = "no value below 0 of a range around 0"
UNUSED_BITS = {(1 << bits) - 1: f"more than 8 bits, no value above {(1 << bits) - 1:,}" for bits in (8, 10, 12, 14)}

CLIPPED = "values outside the range clipped"
RANGE_IGNORED = "value range not applied to uint8"
STRETCHED = "16-bit scaled from its significant bits"

DUPLICATE_ENTRY = "duplicate entry name"
HIDDEN = "hidden file or folder ignored"
LINKED_FOLDER = "link to a folder that is read already ignored"
NOT_IMAGE = "file without an image extension ignored"
NOT_REGULAR = "link, pipe or device ignored"
UNREAD_FORMAT = "file in a format that is not read ignored: "
"""Followed by the extension, of which `source` has a list: there are never many such keys."""

_MOST_SIZES = 64


@dataclasses.dataclass
class Sizes:
    """The sizes of images as they were stored, in bounded memory: the same whatever the order and the parts.

    Attributes:
      least: smallest height and smallest width of all, in pixels; None before the first image.
      most: largest height and largest width.
      counts: images of each size, by "HEIGHT x WIDTH"; None once there have been more than 64 different sizes.
    """

    least: tuple[int, int] | None = None
    most: tuple[int, int] | None = None
    counts: dict[str, int] | None = dataclasses.field(default_factory=dict)

    def add(self, height: int, width: int) -> None:
        """Counts one more image, of the given height and width."""
        self.merge(Sizes((height, width), (height, width), {f"{height} x {width}": 1}))

    def merge(self, other: "Sizes") -> None:
        """Adds the sizes that another reading counted."""
        if other.least is None or other.most is None:
            return
        least, most = self.least or other.least, self.most or other.most
        self.least = min(least[0], other.least[0]), min(least[1], other.least[1])
        self.most = max(most[0], other.most[0]), max(most[1], other.most[1])
        if self.counts is None or other.counts is None:
            self.counts = None
            return
        for size, times in other.counts.items():
            self.counts[size] = self.counts.get(size, 0) + times
        if len(self.counts) > _MOST_SIZES:
            self.counts = None

    def copy(self) -> "Sizes":
        """A copy that later counting in this one does not change."""
        return Sizes(self.least, self.most, None if self.counts is None else dict(self.counts))


@dataclasses.dataclass
class ReadReport:
    """Mutable record of one reading of a source.

    Attributes:
      count: images delivered.
      skipped: `(name, reason)` of each image that could not be read, in order; only with `on_error="skip"`.
      notes: how often each conversion or omission happened, for instance `{"alpha dropped": 12}`.
      sizes: of the images delivered, before any resizing.
      colourless: images whose red, green and blue are equal in every pixel, however they are stored.
    """

    count: int = 0
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    notes: dict[str, int] = dataclasses.field(default_factory=dict)
    sizes: Sizes = dataclasses.field(default_factory=Sizes)
    colourless: int = 0

    def note(self, what: str, times: int = 1) -> None:
        """Counts `what` as having happened `times` more."""
        if times:
            self.notes[what] = self.notes.get(what, 0) + times

    def note_all(self, whats: Iterable[str]) -> None:
        """Counts each of the notes `whats` as having happened once more."""
        for what in whats:
            self.note(what)

    def merge(self, other: "ReadReport") -> None:
        """Takes the reading of another part of the source in."""
        self.count += other.count
        self.skipped += other.skipped
        for what, times in other.notes.items():
            self.note(what, times)
        self.sizes.merge(other.sizes)
        self.colourless += other.colourless

    def copy(self) -> "ReadReport":
        """A copy that later reading does not change."""
        return ReadReport(self.count, list(self.skipped), dict(self.notes), self.sizes.copy(), self.colourless)

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> "ReadReport":
        """The report of which `dataclasses.asdict` made these values, perhaps through JSON.

        What an earlier version did not record is empty.

        Raises:
          KeyError, TypeError, ValueError: they are no such values.
        """
        skipped = [(str(name), str(reason)) for name, reason in values.get("skipped", ())]
        notes = {str(what): int(times) for what, times in values.get("notes", {}).items()}
        # An image stored as gray has no colour; of the others an earlier version did not know.
        colourless = int(values.get("colourless", notes.get(GRAY, 0)))
        return ReadReport(int(values.get("count", 0)), skipped, notes, _sizes(values.get("sizes")), colourless)


def _sizes(values: Mapping[str, Any] | None) -> Sizes:
    if values is None or values["least"] is None:
        return Sizes()
    counts = values["counts"]
    return Sizes(
        _size(values["least"]),
        _size(values["most"]),
        None if counts is None else {str(size): int(times) for size, times in counts.items()},
    )


def _size(sides: Iterable[Any]) -> tuple[int, int]:
    height, width = sides
    return int(height), int(width)
