"""What a reader should be told of the reading of a set: conversions that others may do otherwise, and omissions."""

from collections.abc import Iterator

from jaxeval.images import report as notes
from jaxeval.images.report import ReadReport, Sizes

_MOST_NAMED = 3
_ALIKE = 0.5  # shares of gray images that differ by less are not set against each other
_STRAY = 0.05  # share of images without colour that a set of colour photographs may have, dark ones and the like
# What was done to how many images of a set.
_CONVERTED = {
    notes.ALPHA: "alpha dropped",
    notes.EXIF: "EXIF orientation ignored",
    notes.ANIMATION: "only the first of several frames read",
    notes.CMYK: "CMYK converted without its colour profile",
    notes.DATA_WINDOW: "EXR data window laid into the display window",
    notes.DOUBLE: "64-bit floats rounded to 32 bits",
    notes.EXTRA_CHANNELS: "EXR channels of other names ignored",
}
# What was left out of a set, and how many files.
_LEFT_OUT = {
    notes.NOT_IMAGE: "without an image's extension",
    notes.NOT_REGULAR: "links, pipes or devices",
}


def remarks(name: str, report: ReadReport) -> list[str]:
    """One sentence for each thing that happened to a set's images and that decides what its numbers mean.

    Args:
      name: of the set, as the user gave it.
      report: of its reading; what is said rests on its counts alone, so that a cached or resumed reading says the same.
    """
    return [*_converted(name, report), *_ranges(name, report), *_left_out(name, report)]


def contrasts(first_name: str, first: ReadReport, second_name: str, second: ReadReport) -> list[str]:
    """One sentence for each way in which the images of two sets that are compared differ before they are prepared.

    Args:
      first_name: of the reference.
      first: its reading. What it does not know, as that of statistics from other tools, is not spoken of.
      second_name: of the other set.
      second: its reading.
    """
    return [*_colours(first_name, first, second_name, second), *_sizes(first_name, first, second_name, second)]


def _converted(name: str, report: ReadReport) -> Iterator[str]:
    for what, sentence in _CONVERTED.items():
        count = report.notes.get(what, 0)
        if count:
            yield f"{name}: {sentence} ({count:,} of {report.count:,} images)"


def _left_out(name: str, report: ReadReport) -> Iterator[str]:
    unread = {
        what.removeprefix(notes.UNREAD_FORMAT): times
        for what, times in report.notes.items()
        if what.startswith(notes.UNREAD_FORMAT)
    }
    if unread:
        listed = ", ".join(f"{times:,} {extension}" for extension, times in sorted(unread.items()))
        yield f"{name}: {_files(sum(unread.values()))} left out, in formats that are not read ({listed})"
    for what, sentence in _LEFT_OUT.items():
        count = report.notes.get(what, 0)
        if count:
            yield f"{name}: {_files(count)} left out, {sentence}"
    count = report.notes.get(notes.DUPLICATE_ENTRY, 0)
    if count:
        yield f"{name}: {count:,} entries have the name of another one; all are read"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _colours(first_name: str, first: ReadReport, second_name: str, second: ReadReport) -> Iterator[str]:
    sides = {name: side for name, side in ((first_name, first), (second_name, second)) if side.count}
    shares = [side.colourless / side.count for side in sides.values()]
    if len(sides) == 2 and max(shares) - min(shares) >= _ALIKE:
        listed = ", ".join(f"{side.colourless:,} of {side.count:,} in {name}" for name, side in sides.items())
        yield f"gray against colour: images without colour are {listed}"
        return
    for name, side in sides.items():
        stored = 0 < side.notes.get(notes.GRAY, 0) < side.count
        if stored or _STRAY < side.colourless / side.count < 1 - _STRAY:
            yield f"{name}: gray and colour are mixed ({side.colourless:,} of {side.count:,} images are gray)"


def _sizes(first_name: str, first: ReadReport, second_name: str, second: ReadReport) -> Iterator[str]:
    ours, theirs = first.sizes, second.sizes
    if ours.least is None or theirs.least is None:
        return
    if (ours.least, ours.most) != (theirs.least, theirs.most):
        yield f"sizes differ (height x width): {first_name} {_sizes_text(ours)}, {second_name} {_sizes_text(theirs)}"
    elif ours.least != ours.most:
        both = first_name if first_name == second_name else f"{first_name} and {second_name}"
        yield f"sizes are mixed (height x width): {both} {_sizes_text(ours)}"


def _sizes_text(sizes: Sizes) -> str:
    if sizes.counts is not None and len(sizes.counts) <= _MOST_NAMED:
        return " and ".join(sorted(sizes.counts, key=_sides))
    assert sizes.least is not None
    assert sizes.most is not None
    return " to ".join(f"{height} x {width}" for height, width in (sizes.least, sizes.most))


def _sides(size: str) -> tuple[int, ...]:
    return tuple(int(side) for side in size.split(" x "))


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
