"""What a reader should be told of the reading of a set: conversions that other tools may do otherwise, and omissions."""

from collections.abc import Iterator

from jaxeval.images import report as notes
from jaxeval.images.report import ReadReport

__all__ = ["remarks"]


def remarks(name: str, report: ReadReport) -> list[str]:
    """One sentence for each thing that happened to a set's images and that decides what its numbers mean.

    Args:
      name: of the set, as the user gave it.
      report: of its reading; what is said rests on its counts alone, so that a cached or resumed reading says the same.
    """
    return [*_ranges(name, report)]


def _ranges(name: str, report: ReadReport) -> Iterator[str]:
    """What was done by a range of values, and sets that look as if they had another one than they were read with."""

    def images(what: str) -> str | None:
        count = report.notes.get(what, 0)
        share = f"all {count:,} images" if count == report.count else f"{count:,} of {report.count:,} images"
        return share if count else None

    def common(what: str) -> bool:
        return 0 < report.count <= 2 * report.notes.get(what, 0)

    if share := images(notes.RANGE_IGNORED):
        yield f"{name}: the value range was not applied, as uint8 values are levels from 0 to 255 ({share})"
    if share := images(notes.CLIPPED):
        yield f"{name}: values outside the stated range clipped to it ({share})"
    if share := images(notes.STRETCHED):
        yield f"{name}: samples of fewer than 16 bits, as their sBIT chunk says, scaled to full range ({share})"
    advice = "if they are 0 to 1, scale them to 0 to 255, or give them as an array of floats with that value range"
    if (most := _largest_wide_value(report)) is not None:
        yield (
            f"{name}: no value of its images of more than 8 bits is above {most:,}, so that each is nearly of one "
            f"shade; if they have {most.bit_length()} bits, scale them to 16, or give them as an array with the value "
            f"range 0 to {most}"
        )
    elif common(notes.BLACK):
        yield f"{name}: no level is above 1 of 255, which is black ({images(notes.BLACK)}); {advice}"
    elif common(notes.NARROW):
        share = images(notes.NARROW)
        yield f"{name}: values fill less than 1% of the stated range ({share}); state the range that they have"
    if report.count and report.notes.get(notes.ONE_SIDED, 0) == report.count:
        yield (
            f"{name}: no value is below 0, though the stated range begins there; if 0 is black, state a range from 0 on"
        )


def _largest_wide_value(report: ReadReport) -> int | None:
    """The most that values of more than 8 bits come to, if none in the whole set uses all its bits; of 2^k - 1."""
    unused = {most: report.notes.get(note, 0) for most, note in notes.UNUSED_BITS.items()}
    files = sum(report.notes.get(note, 0) for note in (notes.WIDE_GRAY, notes.WIDE_COLOUR))
    # Arrays are wide all or none, and have no such notes.
    wide = files - report.notes.get(notes.STRETCHED, 0) if files else report.count
    return max(most for most, count in unused.items() if count) if 0 < sum(unused.values()) == wide else None
