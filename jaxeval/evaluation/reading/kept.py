"""Sets that files of statistics or features stand for, in the place of their images.

A `KeptSet` is opened from what a user writes, and says for each feature that a run needs what it has of it: mean and
covariance, features, images that the same file holds, or why it has nothing.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval.errors import InputError
from jaxeval.evaluation.departures import reduction_matters, report_in_file, sampling_remarks
from jaxeval.evaluation.reading.features import FeatureSpec, Rows
from jaxeval.files import local_name, local_path
from jaxeval.images import ReadReport, Sampling, Source, matching_files
from jaxeval.statistics import KEPT_SUFFIXES, FeatureStatistics, FileContent, Part, Tool, read_kept

# What of an identity differs from one file of features of a set to the next.
_OF_EACH_FILE = (
    "data",
    "name",
    "report",
    "limit",
    "sample",
    "sampling_remarks",
    "versions",
    "protocol",
    "ddof",
)
# What files of statistics were made with that say nothing of it, and what makes others.
_UNRECORDED = {"reduction": "scale", "precision": "highest", "whole_batches": None}
_AGAIN = {
    ("reduction", "pillow"): "`jaxeval stats --exact-protocol`",
    ("reduction", "scale"): "`jaxeval stats` without --exact-protocol",
    ("precision", "highest"): "`jaxeval stats` without --precision",
    ("precision", "high"): "`jaxeval stats --precision high`",
    ("precision", "default"): "`jaxeval stats --precision default`",
}
_SPATIAL_TAP = "sfid"


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a kept set has of one kind of feature.

    Attributes:
      statistics: mean and covariance that are kept as such; None where `rows` are all there is.
      rows: the features; None where only statistics are kept.
    """

    statistics: FeatureStatistics | None
    rows: Rows | None


@dataclasses.dataclass(frozen=True, eq=False)
class KeptSet:
    """A set without its images, or beside them.

    Attributes:
      name: as the user gave it.
      parts: what the files hold, each of one layer.
      tool: who writes such files.
      identity: how the features were made, for files of `jaxeval stats`; None for others.
      names: of the images, in the order of the features; empty where they are not kept.
      report: of the reading of the images, where the file says.
      remarks: what the file says of how a sample of them was taken.
      pixels: a digest of each item's pixels, zero for those that were skipped; None where they are not known.
      sample: how some of the features were taken, by this run or by the one that wrote them; None for all.
      image_key: the array that holds the images themselves, where the file has them too.
      images: that array, opened.
    """

    name: str
    parts: tuple[Part, ...]
    tool: Tool
    identity: Mapping[str, Any] | None = None
    names: tuple[str, ...] = ()
    report: ReadReport | None = None
    remarks: tuple[str, ...] = ()
    pixels: UInt8[np.ndarray, "m 16"] | None = None
    sample: Mapping[str, Any] | None = None
    image_key: str | None = None
    images: Source | None = None

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the images that the features are of, where the file says."""
        return None if self.identity is None else self.identity.get("data")

    def names_at(self, places: Collection[int]) -> list[str]:
        """Names of the items at some places, skipped ones counted as in `pixels`."""
        if self.pixels is None:
            return [self.names[place] for place in places]
        ranks = np.cumsum(self.pixels.any(1)) - 1
        return [self.names[ranks[place]] for place in places]

    def numbers_once(self, asked: Sequence[str]) -> str | None:
        """Of several protocols the one that numbers from it are given under; None where it says itself what it is of.

        Args:
          asked: names of protocols, in the user's order.
        """
        if self.identity is not None or len(asked) < 2:
            return None
        return next((one for one in self.tool.protocols if one in asked), asked[0])

    def has_rows(self) -> bool:
        """Whether there is more of the set than means and covariances."""
        return self.images is not None or any(part.rows is not None for part in self.parts)

    def serves(self, spec: FeatureSpec, protocol: str, *, rows: bool) -> bool:
        """Whether it has what is needed of a kind of feature without its images: `rows`, or statistics."""
        try:
            found = self.find(spec, protocol)
        except InputError:
            return False
        return found.rows is not None or not rows

    def find(self, spec: FeatureSpec, protocol: str) -> Found:
        """What it has of a kind of feature, images apart.

        Args:
          spec: which features.
          protocol: that asks for them, for messages.

        Raises:
          InputError: it has nothing of them; the message says why.
        """
        if self.identity is not None:
            self._check_identity(self.identity, spec, protocol)
        fitting = [part for part in self.parts if self._fits(part, spec)]
        statistics = [part.statistics for part in fitting if part.statistics is not None]
        rows = [part.rows for part in fitting if part.rows is not None]
        if not fitting:
            raise InputError(self._nothing_fits(spec))
        if len(statistics) > 1 or len(rows) > 1:
            labels = ", ".join(part.label for part in fitting)
            raise InputError(
                f"{self.name!r} holds {labels}, all of which could be features of extractor {spec.extractor.name!r}; "
                f"say which with ?key={fitting[0].label} after its name"
            )
        return Found(statistics[0] if statistics else None, rows[0] if rows else None)

    def _fits(self, part: Part, spec: FeatureSpec) -> bool:
        size = spec.extractor.taps[spec.tap]
        if part.extractor is not None and part.extractor != spec.extractor.name:
            return False
        spatial = spec.tap == _SPATIAL_TAP
        if part.spatial != spatial and (part.spatial or any(other.spatial for other in self.parts)):
            return False
        return size is None or part.feature_size == size

    def _nothing_fits(self, spec: FeatureSpec) -> str:
        size = spec.extractor.taps[spec.tap]
        layer = "" if spec.tap == spec.extractor.default_tap else f"layer {spec.tap!r} of "
        needed = f"{layer}extractor {spec.extractor.name!r}" + ("" if size is None else f" has {size}")
        if len(self.parts) == 1 and self.parts[0].extractor is None:
            part = self.parts[0]
            what = "statistics" if part.statistics is not None else "features"
            held = (
                f"has statistics of {part.feature_size} features"
                if what == "statistics"
                else (f"has features of {part.feature_size} numbers")
            )
        else:
            held = "holds " + " and ".join(
                f"{part.label} ({part.feature_size} features{f' of {part.extractor}' if part.extractor else ''})"
                for part in self.parts
            )
        return f"{self.name!r} {held} and {needed}; choose the extractor that they were made with"

    def _check_identity(self, identity: Mapping[str, Any], spec: FeatureSpec, protocol: str) -> None:
        """Refuses statistics that were made in another way than the one asked for."""
        for key, wanted in spec.identity().items():
            made = identity.get(key, _UNRECORDED.get(key))
            if made == wanted:
                continue
            if key == "whole_batches" and self._all_count(made, wanted):
                continue
            if key == "reduction" and not reduction_matters(self.report or ReadReport()):
                continue  # it makes no difference to any of its images
            raise InputError(
                f"the statistics in {self.name!r} were made with {key} {made!r}; protocol {protocol!r} with this "
                f"extractor needs {wanted!r}; write them again with {_AGAIN.get((key, str(wanted)), '`jaxeval stats`')}"
            )

    def _all_count(self, made: int | None, wanted: int | None) -> bool:
        """Whether a set has the same images whether incomplete batches are dropped or not."""
        count = 0 if self.report is None else self.report.count
        dropped = made is not None and str((self.sample or {}).get("rule", "")).startswith("whole batches")
        return count > 0 and not dropped and (wanted is None or count % wanted == 0)

    def warnings(self, asked: Sequence[str]) -> list[str]:
        """What a reader should know of numbers from it under these protocols."""
        found = [warning for part in self.parts if part.statistics is not None for warning in part.statistics.warnings]
        if self.identity is None:
            tool = ""
            if self.tool.name:
                tool = f", as {self.tool.name} writes them"
                if self.tool.protocols and not set(asked) & set(self.tool.protocols):
                    tool += f" (whose definition is protocol {self.tool.protocols[0]})"
            found.insert(
                0,
                f"{self.name} does not say how its statistics were made{tool}: the number means something only if they "
                "come from the same network, weights and resize",
            )
        chosen = self.numbers_once(asked)
        if chosen is not None:
            others = ", ".join(one for one in asked if one != chosen)
            why = "the one that such files are of" if chosen in self.tool.protocols else "the first that was asked for"
            found.append(
                f"{self.name} belongs to one protocol and does not say which: numbers from it are given once, under "
                f"{chosen}, {why}, and not under {others}"
            )
        return found

    def sampled(self, sampling: Sampling) -> "KeptSet":
        """The sample of its features that is wanted; a mean and a covariance alone stay what they are."""
        counts = {len(part.rows) for part in self.parts if part.rows is not None}
        places = sampling.places(max(counts)) if counts else None
        if places is None:
            return self
        parts = tuple(
            part if part.rows is None else dataclasses.replace(part, rows=part.rows[places], statistics=None)
            for part in self.parts
        )
        names = tuple(self.names[place] for place in places) if self.names else ()
        sample = sampling.describe(max(counts))
        return dataclasses.replace(self, parts=parts, names=names, pixels=None, sample=sample)


def open_kept(
    data: object, *, name: str | None = None, open_images: Callable[[str, str], Source] | None = None
) -> KeptSet | None:
    """The set that a file or a pattern of files stands for; None where what is given holds images alone, or is no file.

    Args:
      data: what the user gave: the name of a file, `FILE?key=NAME` for one of its arrays, or a pattern of files.
      name: for messages and tables; by default the text given.
      open_images: opens the images of an archive that has them too, from what names them and the set's name.

    Raises:
      InputError: a file is damaged, or is not what it should be, or those of a pattern do not belong together.
    """
    if not isinstance(data, str | os.PathLike):
        return None
    text, place = str(data), local_name(data)
    match = re.fullmatch(r"(.+?)(?:\?key=([^?&]+))?", place, re.DOTALL)
    if match is None:
        return None
    path, key = local_path(match[1]), match[2]
    if path.suffix.lower() not in KEPT_SUFFIXES:
        return None
    if path.is_file():
        content = read_kept(path, key)
        return None if content is None else _opened(content, name or text, path, open_images)
    if path.exists() or not re.search(r"[*?\[]|\{.*\}", match[1]):
        return None  # whoever looks for images says that nothing is there
    files = matching_files(str(path))
    if any(file.suffix.lower() not in KEPT_SUFFIXES for file in files):
        return None
    contents = {file: read_kept(file, key) for file in files}
    if not any(contents.values()):
        return None
    return _joined(contents, name or text)


def _opened(content: FileContent, name: str, path: Path, open_images: Callable[[str, str], Source] | None) -> KeptSet:
    images = None
    if content.image_key is not None and open_images is not None:
        images = open_images(f"{path}?key={content.image_key}", name)
    statistics, identity = content.parts[0].statistics, content.identity
    if identity is None or statistics is None:
        return KeptSet(name, content.parts, content.tool, image_key=content.image_key, images=images)
    return KeptSet(
        name,
        content.parts,
        content.tool,
        identity,
        _names(statistics),
        report_in_file(path, identity),
        tuple(sampling_remarks(path, identity)),
        statistics.pixels,
        identity.get("sample"),
    )


def _joined(contents: Mapping[Path, FileContent | None], name: str) -> KeptSet:
    """One set of the features of several files."""
    sets: list[KeptSet] = []
    for path, content in contents.items():
        if content is None or any(part.rows is None for part in content.parts):
            raise InputError(
                f"{str(path)!r} of {name!r} holds no features; only files of features can be taken together, and "
                "statistics are given one file at a time"
            )
        one = _opened(content, name, path, None)
        if sets:
            _check_alike(path, one, sets[0])
        sets.append(one)
    parts = tuple(
        dataclasses.replace(part, statistics=None, rows=np.concatenate([_rows(one.parts[index]) for one in sets]))
        for index, part in enumerate(sets[0].parts)
    )
    names = tuple(each for one in sets for each in one.names) if all(one.names for one in sets) else ()
    report = ReadReport()
    for one in sets:
        report.merge(one.report or ReadReport())
    pixels = [one.pixels for one in sets if one.pixels is not None]
    return KeptSet(
        name,
        parts,
        sets[0].tool,
        _shared(sets[0].identity),
        names,
        None if sets[0].identity is None else report,
        tuple(dict.fromkeys(remark for one in sets for remark in one.remarks)),
        np.concatenate(pixels) if len(pixels) == len(sets) else None,
    )


def _rows(part: Part) -> Rows:
    assert part.rows is not None
    return part.rows


def _shared(identity: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What of an identity the files of one set have in common."""
    return None if identity is None else {key: identity[key] for key in identity if key not in _OF_EACH_FILE}


def _names(statistics: FeatureStatistics) -> tuple[str, ...]:
    return () if statistics.names is None else tuple(map(str, statistics.names))


def _check_alike(path: Path, one: KeptSet, first: KeptSet) -> None:
    def kind(kept: KeptSet) -> Sequence[Any]:
        return [_shared(kept.identity), [(part.label, part.feature_size) for part in kept.parts]]

    if kind(first) != kind(one):
        labels = ", ".join(f"{part.label} of {part.feature_size} numbers" for part in one.parts)
        raise InputError(f"{str(path)!r} holds {labels}, made otherwise than those of the first file of {first.name!r}")
