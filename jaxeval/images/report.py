"""What happened while a source was read: how many images, which were skipped, and what was changed in the others."""

import dataclasses
from collections.abc import Iterable

__all__ = ["ReadReport"]

# The keys of `ReadReport.notes`. Each is counted once an image (or once a file, for the ignored ones).
ALPHA = "alpha dropped"
ANIMATION = "first frame of several"
CMYK = "CMYK converted"
EXIF = "exif-orientation ignored"
GRAY = "gray to RGB"
PALETTE = "palette expanded"
TIFF_ORIENTATION = "TIFF orientation applied"
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


@dataclasses.dataclass
class ReadReport:
    """Mutable record of one reading of a source.

    Attributes:
      count: images delivered.
      skipped: `(name, reason)` of each image that could not be read, in order; only with `on_error="skip"`.
      notes: how often each conversion or omission happened, for instance `{"alpha dropped": 12}`.
    """

    count: int = 0
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    notes: dict[str, int] = dataclasses.field(default_factory=dict)

    def note(self, what: str, times: int = 1) -> None:
        """Counts `what` as having happened `times` more."""
        if times:
            self.notes[what] = self.notes.get(what, 0) + times

    def note_all(self, whats: Iterable[str]) -> None:
        """Counts each of `whats` once more."""
        for what in whats:
            self.note(what)
