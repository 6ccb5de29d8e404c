"""Results: numbers that carry their own provenance, as plain frozen records that serialise to JSON."""

import abc
import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from jaxeval._files import local_path, replace_file
from jaxeval.errors import InputError
from jaxeval.evaluation.intervals import Debiased
from jaxeval.evaluation.names import metric_label

__all__ = ["SCHEMA_VERSION", "Document", "Evaluation", "Result", "check_writable", "write_atomically"]

SCHEMA_VERSION = 2


@dataclasses.dataclass(frozen=True)
class Result:
    """One number, and everything needed to know what it means.

    Attributes:
      metric: `fid` over the FID Inception network, `fd-<extractor>` over any other, and so on.
      value: the number, computed in float64 on the host.
      better: `lower` or `higher`; None where neither is.
      interval: lower and upper bound of 95% about `value`, or None where there is no interval.
      interval_method: how the interval was found and what it covers, or why there is none.
      protocol: whose definition was followed; `definition` says it in words, `parameters` holds its numbers.
      extractor, tap, weights: the network, its layer, and the SHA-256 of its weights (None for weightless ones).
      reference, generated: the data sets as the user named them.
      n_reference, n_generated: images that counted; None where a statistics file does not say.
      skipped_reference, skipped_generated: files that could not be read and were left out (`on_error="skip"`).
      feature_size: length of the feature vectors.
      resize, quantise, normalisation: the image preparation; offset and scale, perhaps one for each channel.
      dtype, precision: of the features, and of the contractions that made them.
      statistics_dtype: of the moments and of the distance.
      seed: of everything random in the run.
      device: kind of the device that computed the features.
      versions: of the packages that took part.
      warnings: what a reader should know before trusting the number.
      debiased: the number without what it exceeds that of the distributions by on average, with an interval of its
        own; None where the metric has no such bias, or it is not known.
    """

    metric: str
    value: float
    better: str | None
    interval: tuple[float, float] | None
    interval_method: str
    protocol: str
    definition: str
    parameters: Mapping[str, Any]
    extractor: str
    tap: str
    weights: str | None
    reference: str
    generated: str
    n_reference: int | None
    n_generated: int | None
    skipped_reference: int
    skipped_generated: int
    feature_size: int
    resize: str
    quantise: str
    normalisation: tuple[Any, Any]
    dtype: str
    precision: str
    statistics_dtype: str
    seed: int
    device: str
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    debiased: Debiased | None = None

    @property
    def label(self) -> str:
        """The metric's name as it is printed: `FID`, or `FD-<extractor>`."""
        return metric_label(self.metric)

    def __str__(self) -> str:
        counts = " vs ".join("?" if n is None else f"{n:,}" for n in (self.n_reference, self.n_generated))
        interval = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        sides = f"{self.generated} against {self.reference}, {counts}"
        rest = ""
        if self.debiased is not None:
            low, high = self.debiased.interval
            rest = f", less its bias {self.debiased.value:.6g} [{low:.4g}, {high:.4g}]"
        return f"{self.label} {self.value:.6g}{interval}{rest} ({self.protocol}, {sides})"


class Document(abc.ABC):
    """What a call gives back as a whole, and how it is kept.

    Attributes:
      file_name: under which a folder keeps it.
      manifest: how the numbers were found.
    """

    file_name: ClassVar[str]
    manifest: Mapping[str, Any]

    @property
    def not_computed(self) -> tuple[str, ...]:
        """What was asked for and could not be had, with the reason; a sentence each."""
        return tuple(str(one["sentence"]) for one in self.manifest["not_computed"])

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of `not_computed` that were asked for by name, or that a fault cost; the command line exits with 4."""
        return tuple(str(one["sentence"]) for one in self.manifest["not_computed"] if one["missing"])

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""

    def to_json(self) -> str:
        """The JSON document as text; every number in it is finite."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def save(self, folder: str | Path) -> Path:
        """Writes the document into a folder, which is made if need be, and returns its path.

        Raises:
          InputError: the folder cannot be written.
        """
        path = local_path(folder) / self.file_name
        check_writable(path.parent)
        write_atomically(path, (self.to_json() + "\n").encode())
        return path


@dataclasses.dataclass(frozen=True)
class Evaluation(Document):
    """What one call of `evaluate` found: the results, and a manifest of how; saved as `result.json`."""

    file_name = "result.json"

    results: tuple[Result, ...]
    manifest: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: `schema_version`, `results`, `manifest`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "results": [dataclasses.asdict(result) for result in self.results],
            "manifest": dict(self.manifest),
        }

    def __str__(self) -> str:
        return "\n".join(str(result) for result in self.results)


def check_writable(folder: str | Path) -> None:
    """Makes a folder and proves that a file can be written in it, before hours of work depend on it.

    Raises:
      InputError: it cannot be made or written; the message names it.
    """
    place = local_path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write in the folder {str(folder)!r} ({reason}); choose another one") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, or a run after a kill, sees all of it or nothing.

    Raises:
      InputError: the file cannot be written; the message names it.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r} ({error.strerror}); choose another place") from error
