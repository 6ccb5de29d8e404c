"""What `correlate` finds: how well each metric agrees with people, and which of two agrees better."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval.records import Document, finite_values

CORRELATION_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Agreeing:
    """A number of a metric against people.

    Attributes:
      value: the number; not-a-number where it is not defined.
      low, high: its interval, by the bootstrap; not-a-number where there is none.
      standard_error: by the same bootstrap.

    Example:
      >>> from jaxeval.human import Agreeing
      >>> found = Agreeing(value=0.9, low=0.8, high=0.95, standard_error=0.04)
      >>> found.low < found.value < found.high
      True
    """

    value: float
    low: float
    high: float
    standard_error: float


@dataclasses.dataclass(frozen=True)
class CurveAgreement:
    """A metric against people after a curve has brought it to their scale.

    Attributes:
      curve: "logistic-4" or "logistic-5"; `jaxeval.ops.agreement.fit_logistic` has their definitions.
      parameters: of the curve; not-a-number where it cannot be fitted.
      pearson: correlation of the predicted values with people's.
      rmse: of the predicted values, in the unit of people's.
      rmse_star: of what exceeds people's own uncertainty; None where that is not known.
      outlier_ratio: share of rows whose error exceeds people's own uncertainty; None where that is not known.
      rising: whether people's values rise with the metric; None without a fit.
      monotone: whether the curve rises or falls all the way; None without a fit.
      remark: why there is no fit, or what is doubtful in it; empty where nothing is.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> curve = found.metrics[0].curves[0]
      >>> curve.curve, curve.rising, round(curve.pearson.value, 1)
      ('logistic-4', False, 1.0)
    """

    curve: str
    parameters: tuple[float, ...]
    pearson: Agreeing
    rmse: Agreeing
    rmse_star: Agreeing | None
    outlier_ratio: Agreeing | None
    rising: bool | None
    monotone: bool | None
    remark: str


@dataclasses.dataclass(frozen=True)
class TiedAccuracy:
    """Pairwise accuracy with tie calibration.

    Attributes:
      accuracy: share of pairs of which the metric says what people say: the one, the other, or a tie.
      epsilon: values of the metric that are no farther apart count as a tie.
      uncalibrated: the share where only equal values tie.
      pairs: number of pairs.
      tied: of them, those that people tie.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> found.metrics[0].pairwise.pairs, found.metrics[0].pairwise.tied
      (66, 0)
    """

    accuracy: Agreeing
    epsilon: float
    uncalibrated: float
    pairs: int
    tied: int


@dataclasses.dataclass(frozen=True)
class MetricAgreement:
    """How well one metric agrees with people.

    Attributes:
      metric: its name.
      better: "higher" or "lower", where that is known; None where it is not, and more is taken for better.
      n: number of rows.
      pearson, spearman, kendall: correlations of the metric, turned so that more is better, with people's values.
      curves: after curves; of the metric as it is.
      pairwise: accuracy over all pairs of rows.
      within_items: the same over the pairs of systems of each item, averaged over the items; None where no item has
        two rows.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> one = found.metrics[0]
      >>> one.metric, one.better, one.n, round(one.spearman.value, 2)
      ('blur', 'lower', 12, 0.98)
    """

    metric: str
    better: str | None
    n: int
    pearson: Agreeing
    spearman: Agreeing
    kendall: Agreeing
    curves: tuple[CurveAgreement, ...]
    pairwise: TiedAccuracy
    within_items: TiedAccuracy | None

    def __str__(self) -> str:
        ranks = f"Spearman {self.spearman.value:.3f} [{self.spearman.low:.3f}, {self.spearman.high:.3f}]"
        return (
            f"{self.metric}: {ranks}, Kendall {self.kendall.value:.3f}, Pearson {self.pearson.value:.3f} ({self.n:,})"
        )


@dataclasses.dataclass(frozen=True)
class MetricComparison:
    """Which of two metrics agrees with people better by one statistic, over the same rows.

    Attributes:
      first, second: the metrics.
      statistic: "pearson", "spearman", "kendall", "pearson-logistic-4", "pearson-logistic-5" or "pairwise".
      difference: the first one's number less the second one's.
      low, high: its interval, by the paired bootstrap.
      p_value: of no difference, by the same.
      meng: p-value of Meng, Rosenthal and Rubin's test; None where it is not for this statistic, or rows are clustered.
      williams: p-value of Williams' test, likewise.
      better: the metric that agrees better, where the interval leaves no doubt of it.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> one = found.comparisons[1]
      >>> one.first, one.second, one.statistic, one.better
      ('blur', 'noise', 'spearman', 'blur')
    """

    first: str
    second: str
    statistic: str
    difference: float
    low: float
    high: float
    p_value: float
    meng: float | None
    williams: float | None
    better: str | None


@dataclasses.dataclass(frozen=True)
class CurvePoints:
    """What a figure draws of a metric: rows and the curve of four parameters with its band.

    Attributes:
      metric: the name.
      values: of the metric, of each row.
      human: people's.
      reach: half the widths of people's intervals; None where they are not known.
      places: values of the metric at which the curve is known; empty without a fit.
      curve, low, high: the curve there, and its interval.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> points = found.points[0]
      >>> points.metric, points.values.shape, points.curve.shape == points.places.shape
      ('blur', (12,), True)
    """

    metric: str
    values: Float[np.ndarray, " n"]
    human: Float[np.ndarray, " n"]
    reach: Float[np.ndarray, " n"] | None
    places: Float[np.ndarray, " m"]
    curve: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]


@dataclasses.dataclass(frozen=True)
class HumanCorrelation(Document):
    """What `correlate` found; saved as `correlation.json`.

    Attributes:
      metrics: in the order of the file.
      comparisons: of each two metrics.
      points: for figures; not in the document.
      manifest: how it was found.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.jsonl"), pathlib.Path(folder, "mos.jsonl")
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         for i in range(12):
      ...             print(f'{{"item": "image-{i}", "blur": {i + i % 3}, "noise": {i % 5}}}', file=ours)
      ...             print(f'{{"item": "image-{i}", "mos": {5 - i / 4}}}', file=theirs)
      ...     found = correlate(scores, human, better={"blur": "lower", "noise": "lower"}, repeats=100)
      >>> sorted(found.to_dict())
      ['comparisons', 'manifest', 'metrics', 'schema_version']
    """

    file_name = "correlation.json"

    metrics: tuple[MetricAgreement, ...]
    comparisons: tuple[MetricComparison, ...]
    points: tuple[CurvePoints, ...]
    manifest: Mapping[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        return tuple(self.manifest["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; numbers that are not finite are null."""
        found = {
            "schema_version": CORRELATION_SCHEMA_VERSION,
            "metrics": [dataclasses.asdict(one) for one in self.metrics],
            "comparisons": [dataclasses.asdict(one) for one in self.comparisons],
            "manifest": dict(self.manifest),
        }
        return finite_values(found)

    def __str__(self) -> str:
        return "\n".join(map(str, self.metrics))
