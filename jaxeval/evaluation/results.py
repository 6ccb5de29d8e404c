"""Results: numbers that carry their own provenance, as plain frozen records that serialise to JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxeval.evaluation.measures.intervals import Debiased
from jaxeval.ops import Interval
from jaxeval.records import Document

SCHEMA_VERSION = 2


@dataclasses.dataclass(frozen=True)
class Result:
    """One number, and everything needed to know what it means.

    Attributes:
      metric: `fid` over the FID Inception network, `fd-<extractor>` over any other, and so on.
      stem: which number it is, whatever the network: `fd`.
      label: the metric's name as it is printed: `FID`, or `FD-<extractor>`.
      value: the number, computed in float64 on the host.
      better: `lower` or `higher`; None where neither is.
      interval: lower and upper bound of 95% about `value`, or None where there is no interval.
      interval_method: how the interval was found and what it covers, or why there is none.
      protocol: whose definition was followed; `definition` says it in words, `parameters` holds its numbers.
      extractor, tap, weights: the network, its layer, and the SHA-256 of its weights (None for weightless ones).
      reference, generated: the data sets as the user named them.
      n_reference, n_generated: number of images that took part; None where a statistics file does not say.
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

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, fake = np.random.default_rng(0).integers(0, 256, size=(2, 64, 8, 8, 3), dtype=np.uint8)
      >>> result = jaxeval.evaluate(real, fake, extractor="pixels").results[0]
      >>> result.metric, result.better, result.n_reference, result.feature_size, result.protocol
      ('fd-pixels', 'lower', 64, 192, 'torch-fidelity')
    """

    metric: str
    stem: str
    label: str
    value: float
    better: str | None
    interval: Interval | None
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

    def __str__(self) -> str:
        counts = " vs ".join("?" if n is None else f"{n:,}" for n in (self.n_reference, self.n_generated))
        interval = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        sides = f"{self.generated} against {self.reference}, {counts}"
        rest = ""
        if self.debiased is not None:
            low, high = self.debiased.interval
            rest = f", less its bias {self.debiased.value:.6g} [{low:.4g}, {high:.4g}]"
        return f"{self.label} {self.value:.6g}{interval}{rest} ({self.protocol}, {sides})"


@dataclasses.dataclass(frozen=True)
class Evaluation(Document):
    """What one call of `evaluate` found: the results, and a manifest of how; saved as `result.json`.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, fake = np.random.default_rng(0).integers(0, 256, size=(2, 64, 8, 8, 3), dtype=np.uint8)
      >>> evaluation = jaxeval.evaluate(real, fake, extractor="pixels")
      >>> sorted(evaluation.to_dict())
      ['manifest', 'results', 'schema_version']
    """

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
