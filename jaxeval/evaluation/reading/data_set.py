"""One set of images as a run has it: what was read of them, or what a file keeps in their place."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval.errors import InputError
from jaxeval.evaluation.reading.features import Balls, FeatureSpec, Rows
from jaxeval.images import ReadReport, Source
from jaxeval.statistics import FeatureStatistics


@dataclasses.dataclass(frozen=True)
class DataSet:
    """One set of images: its features, and how they came about.

    Attributes:
      name: as the user gave it.
      fingerprint: of its content, where that is known.
      report: of its reading, where there was one: images counted, files skipped with the reason, notes on conversions.
      statistics: mean and covariance by kind of feature, where they are wanted; none of a single image, which has none.
      rows: every image's features by kind, in the set's order, where they are wanted.
      pixels: a digest of each item's pixels, in the set's order, zero for those that were skipped; None where they are
        not known.
      names_at: gives the names of the items at some places; None where only their digests or features are known.
      names: of its images, where a measure needs them.
      sample: how it was drawn from a larger one, if it was.
      cached: whether no image had to be read.
      seconds: that it took.
      warnings: about the set as a whole.
      apart: mean and covariance that a file keeps, perhaps of other images than it holds; for measures that want no
        more than them.
      missing: by measure and feature, why a file has not what the measure needs.
      once: by measure and feature, the one protocol under which numbers from a file are given.
      balls: which neighbours among themselves the measures of a run want of its features, by kind.
      known: what measures have found of its features, by kind, for others.
      taken: what to tell of the images that were taken of it, by the `whole_batches` of features.
    """

    name: str
    fingerprint: str | None
    report: ReadReport | None
    statistics: Mapping[FeatureSpec, FeatureStatistics]
    rows: Mapping[FeatureSpec, Rows] = dataclasses.field(default_factory=dict)
    pixels: UInt8[np.ndarray, "m 16"] | None = None
    names_at: Callable[[Collection[int]], Sequence[str]] | None = None
    names: Sequence[str] = ()
    sample: Mapping[str, Any] | None = None
    cached: bool = False
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    apart: Mapping[FeatureSpec, FeatureStatistics] = dataclasses.field(default_factory=dict)
    missing: Mapping[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    once: Mapping[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    balls: Mapping[FeatureSpec, Balls] = dataclasses.field(default_factory=dict)
    known: dict[FeatureSpec, dict[Any, Any]] = dataclasses.field(default_factory=dict)
    taken: Mapping[int | None, Sequence[str]] = dataclasses.field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Gives the record for the manifest, as plain values."""
        report = None if self.report is None else dataclasses.asdict(self.report)
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "report": report,
            "sample": self.sample,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
        }

    def with_features_of(self, other: "DataSet") -> "DataSet":
        """The same set with the features of another reading of its images too."""
        return dataclasses.replace(
            self,
            statistics={**self.statistics, **other.statistics},
            rows={**self.rows, **other.rows},
            cached=self.cached and other.cached,
            seconds=self.seconds + other.seconds,
            taken={**self.taken, **other.taken},
        )

    def classes(self) -> np.ndarray:
        """Class of each image: the folder that it lies in.

        Raises:
          InputError: an image lies in none.
        """
        folders = [PurePosixPath(name).parent.as_posix() for name in self.names]
        if not folders or "." in folders:
            raise InputError(no_classes(self.name))
        return np.asarray(folders)


def has_classes(source: Source) -> bool:
    """Whether the source's first image lies in a folder, which then names its class."""
    first = next(iter(source.items()), None)
    return first is not None and PurePosixPath(first.name).parent.as_posix() != "."


def no_classes(name: str) -> str:
    """Why there are no classes, and how there could be."""
    return f"{name!r} has no classes; put the images of each class into a folder of its own, which then names the class"
