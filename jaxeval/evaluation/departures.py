"""What to tell of how images were read: departures from the named protocol, and what a file of statistics says."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError
from jaxeval.evaluation.protocols import Protocol, get_protocols
from jaxeval.images import ReadReport, remarks
from jaxeval.images.report import STRETCHED, WIDE_CLIPPED, WIDE_COLOUR, WIDE_GRAY
from jaxeval.statistics import load_statistics


def departures(protocol: Protocol, reduction: str, reports: Mapping[str, ReadReport | None]) -> Iterator[str]:
    """One sentence for each departure that touched an image, and for each that `--exact-protocol` took back.

    Args:
      protocol: that was named.
      reduction: of the preparation that was used, `scale` or `pillow`.
      reports: of the sets by name; None where nothing is known.
    """
    known = {name: report for name, report in reports.items() if report is not None}
    gray = _listed({name: _wide_gray(report) for name, report in known.items()})
    colour = _listed({name: _stretched_colour(report) for name, report in known.items()})
    if reduction == "pillow":
        if gray:
            yield f"gray of more than 8 bits is clipped at 255, as {protocol.name} does ({gray})"
    elif protocol.by_pillow:
        if gray:
            yield f"16-bit gray is scaled, where {protocol.name} clips it at 255 ({gray}): see --exact-protocol"
        if colour:
            yield f"16-bit colour is scaled by sBIT, which {protocol.name} ignores ({colour}): see --exact-protocol"
    elif gray:
        yield f"16-bit gray is scaled; {protocol.name} says nothing of such files ({gray})"


def reduction_matters(report: ReadReport) -> bool:
    """Whether there are images of which the ways to reduce more than 8 bits to 8 make different pixels."""
    return bool(_wide_gray(report) or _stretched_colour(report))


def _wide_gray(report: ReadReport) -> int:
    # One reading may have served preparations of both kinds; it counts the same images under both.
    return max(report.notes.get(WIDE_GRAY, 0), report.notes.get(WIDE_CLIPPED, 0))


def _stretched_colour(report: ReadReport) -> int:
    """Images of colour whose samples were scaled by the bits that count; gray ones may be among those counted."""
    return min(report.notes.get(STRETCHED, 0), report.notes.get(WIDE_COLOUR, 0))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)


def report_in_file(path: Path, identity: Mapping[str, Any]) -> ReadReport:
    """How the images of a file of statistics were read, as it says itself.

    Raises:
      InputError: what it says is no such record.
    """
    try:
        return ReadReport.from_plain(identity.get("report", {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the record in {str(path)!r} of how it was made is damaged; write it again") from error


def sampling_remarks(path: Path, identity: Mapping[str, Any]) -> list[str]:
    """What a file of statistics says itself of the images that were taken.

    Raises:
      InputError: what it says is no such record.
    """
    said = identity.get("sampling_remarks", [])
    if not isinstance(said, list) or not all(isinstance(sentence, str) for sentence in said):
        raise InputError(f"the record in {str(path)!r} of how it was made is damaged; write it again")
    return said


def statistics_remarks(path: str | Path) -> list[str]:
    """What a reader should be told of the images in a file that `reference_statistics` wrote, a sentence each.

    Raises:
      InputError: it cannot be read, or is not such a file.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from jaxeval import evaluation
      >>> images = np.random.default_rng(0).integers(0, 256, size=(20, 8, 8, 3), dtype=np.uint8)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     written = evaluation.reference_statistics(images, f"{folder}/reference.npz", extractor="pixels")
      ...     list(evaluation.statistics_remarks(f"{folder}/reference.npz"))
      []
    """
    _, identity = load_statistics(Path(path))
    if identity is None:
        raise InputError(
            f"{str(path)!r} does not say how its statistics were made; it is not a file of `jaxeval stats`"
        )
    report, name = report_in_file(Path(path), identity), str(identity.get("name", path))
    (protocol,) = get_protocols(str(identity.get("protocol")))
    departed = departures(protocol, str(identity.get("reduction", "scale")), {name: report})
    return [*sampling_remarks(Path(path), identity), *departed, *remarks(name, report)]
