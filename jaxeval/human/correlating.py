"""Metrics against people: how well each agrees with them, and which of two agrees better."""

import datetime
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxeval._arguments import at_least, checked, number, path
from jaxeval.errors import InputError
from jaxeval.human.correlation import (
    Agreeing,
    CurveAgreement,
    CurvePoints,
    HumanCorrelation,
    MetricAgreement,
    MetricComparison,
    TiedAccuracy,
)
from jaxeval.human.joining import LEVELS, Joined, join
from jaxeval.human.values import Scores, read_human_values, read_scores
from jaxeval.ops import agreement
from jaxeval.ops.agreement import Estimate, PairwiseAccuracy, PredictionErrors
from jaxeval.records import device_name, versions

OVER = ("auto", "item", "system", "both")
_CURVES = ("logistic-4", "logistic-5")
_PLACES = 201  # of a curve in a figure
_FEW = 20  # units whose bootstrap is rough
_DEFINITIONS = {
    "pearson": "Pearson's correlation",
    "spearman": "Spearman's rank correlation",
    "kendall": "Kendall's tau-b",
    "logistic-4": "VQEG's monotone logistic of 4 parameters, least squares",
    "logistic-5": "logistic of 5 parameters of Sheikh, Sabir and Bovik (2006), least squares",
    "rmse": "root of the squared errors over rows less parameters (ITU-T P.1401, 7.5.1)",
    "rmse_star": "the same of what errors exceed half the width of people's interval by (ITU-T P.1401, 7.7)",
    "outlier_ratio": "share of rows whose error exceeds half the width of people's interval (ITU-T P.1401, 7.5.2.2)",
    "pairwise": "pairwise accuracy with tie calibration (Deutsch, Foster, Freitag, 2023), epsilon from the same rows",
    "meng": "Meng, Rosenthal and Rubin (1992), two-sided",
    "williams": "Williams (1959) as in Steiger (1980), two-sided",
}


class _Found(NamedTuple):
    """The estimates of one metric, with their replicates.

    Attributes:
      statistics: by the name that comparisons have.
      errors: by curve.
      pairwise: over all pairs.
      within: within items; None where no item has two rows.
    """

    statistics: dict[str, Estimate]
    errors: tuple[PredictionErrors, ...]
    pairwise: PairwiseAccuracy
    within: PairwiseAccuracy | None


@checked(scores=path, human=path, repeats=at_least(2), confidence=number)
def correlate(
    scores: str | Path,
    human: str | Path,
    *,
    metrics: str | Sequence[str] | None = None,
    better: Mapping[str, str] | None = None,
    level: Literal["auto", "item", "system"] | str = "auto",
    over: Literal["auto", "item", "system", "both"] | str = "auto",
    value: str | None = None,
    question: str | None = None,
    unmatched: Literal["error", "skip"] | str = "error",
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> HumanCorrelation:
    """Says how well metrics agree with people, with bootstrap intervals, and which of two metrics agrees better.

    Args:
      scores: `scores.csv` of `jaxeval pairs` or `score`, `result.json` of `jaxeval evaluate`, or a table (.csv, .tsv,
        .jsonl, .parquet) with a column `item` or `system`, or both, and a column for each metric.
      human: `analysis.json` of `jaxeval human analyse`, or a table with the same columns of names, and people's value,
        larger for what is better, in `value`, `mos`, `score`, `strength` or `win_rate`; `low` and `high`, or `std` and
        `n`, where its uncertainty is known.
      metrics: those that are wanted, as "psnr,ssim" or a list of names; None takes all.
      better: by metric "lower" or "higher", where the file of scores does not say it.
      level: "item" matches rows of items, "system" whole systems; "auto" takes items where both sides have them.
      over: what the bootstrap draws: "item" or "system" with all their rows, or "both", each by itself; "auto" takes
        items where there are any.
      value: the column of people's values, where there are several or it has another name.
      question: of an analysis of several.
      unmatched: what to do about rows without a partner or a value: "error" or "skip".
      repeats: number of bootstrap repeats.
      confidence: of the intervals.
      seed: seeds the bootstrap; all metrics are of the same draws.

    Raises:
      InputError: a file or an option does not fit; the message names the file, line and value.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import correlate
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     scores, human = pathlib.Path(folder, "scores.csv"), pathlib.Path(folder, "mos.csv")
      ...     rows = [(f"image-{i}", i + i % 3, 1 + i / 4) for i in range(12)]
      ...     with scores.open("w") as ours, human.open("w") as theirs:
      ...         print("item,sharpness", *(f"{name},{score}" for name, score, _ in rows), sep=chr(10), file=ours)
      ...         print("item,mos", *(f"{name},{mos}" for name, _, mos in rows), sep=chr(10), file=theirs)
      ...     found = correlate(scores, human, better={"sharpness": "higher"})
      >>> found.metrics[0].metric, round(found.metrics[0].spearman.value, 2)
      ('sharpness', 0.98)
    """
    _check_choices(level, over, unmatched)
    chosen = [name.strip() for name in metrics.split(",") if name.strip()] if isinstance(metrics, str) else metrics
    read, people = read_scores(scores, chosen), read_human_values(human, value=value, question=question)
    directions = _directions(read, better or {})
    joined = join(read, people, level=level, unmatched=unmatched)
    clusters, drawn = _clusters(joined, over)
    options: dict[str, Any] = {"repeats": repeats, "confidence": confidence, "seed": seed}
    found = {
        name: _estimates(_turned(joined, name, directions), joined.metrics[name], joined, clusters, options)
        for name in joined.metrics
    }
    agreements = tuple(_agreement(name, directions.get(name), one, joined) for name, one in found.items())
    comparisons = tuple(
        comparison
        for first, second in itertools.combinations(found, 2)
        for comparison in _comparisons(first, second, found, joined, directions, clusters, confidence)
    )
    manifest = {
        "kind": "human-correlation",
        "scores": {"path": read.path, "sha256": read.sha256, "kind": read.kind, "rows": len(read.keys)},
        "human": {"path": people.path, "sha256": people.sha256, "value": people.value, "rows": len(people.keys)},
        "level": joined.level,
        "rows": len(joined.human),
        "units": {what: len(np.unique(labels)) for what, labels in drawn.items()},
        "interval": f"{confidence:.0%}, bias-corrected percentiles of a bootstrap over {' and '.join(drawn)}s",
        "repeats": repeats,
        "confidence": confidence,
        "seed": seed,
        "definitions": _DEFINITIONS,
        "ignored": list(read.ignored),
        "device": device_name(),
        "versions": versions(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "warnings": [*joined.notes, *_warnings(joined, directions, agreements, drawn, over)],
        "not_computed": [],
    }
    points = tuple(_points(name, joined, one.errors[0]) for name, one in found.items())
    return HumanCorrelation(agreements, comparisons, points, manifest)


def _check_choices(level: str, over: str, unmatched: str) -> None:
    for name, chosen, known in (
        ("level", level, LEVELS),
        ("over", over, OVER),
        ("unmatched", unmatched, ("error", "skip")),
    ):
        if chosen not in known:
            raise InputError(f"{name} {chosen!r} is not known; choose {', '.join(known)}")


def _directions(scores: Scores, given: Mapping[str, str]) -> dict[str, str]:
    """Which direction of each metric is better, as far as that is known."""
    for name, better in given.items():
        if better not in ("lower", "higher"):
            raise InputError(f"better of {name} is {better!r}; it is lower or higher")
        if name not in scores.values:
            raise InputError(f"better names {name!r}, which {scores.path} has not; it has {', '.join(scores.values)}")
    return {**scores.better, **given}


def _turned(joined: Joined, name: str, directions: Mapping[str, str]) -> Float[np.ndarray, " n"]:
    """A metric of which more is better."""
    return -joined.metrics[name] if directions.get(name) == "lower" else joined.metrics[name]


def _clusters(joined: Joined, over: str) -> tuple[Int[np.ndarray, "n c"], dict[str, Int[np.ndarray, " n"]]]:
    """The labels of what is drawn whole, and the same by name."""
    names = {"item": 0, "system": 1}
    has = [what for what, part in names.items() if joined.keys[0][part]]
    chosen = {"auto": has[:1], "both": ["item", "system"]}.get(over, [over])
    for what in chosen:
        if what not in has:
            raise InputError(f"over is {over!r}, and the rows have no {what}s; choose {has[0]!r}")
    drawn = {what: joined.labels(names[what]) for what in chosen}
    return np.column_stack(list(drawn.values())), drawn


def _estimates(
    turned: Float[np.ndarray, " n"],
    values: Float[np.ndarray, " n"],
    joined: Joined,
    clusters: Int[np.ndarray, "n c"],
    options: Mapping[str, Any],
) -> _Found:
    human = joined.human
    places = np.linspace(values.min(), values.max(), _PLACES)
    errors = tuple(
        agreement.prediction_errors(
            values, human, curve=curve, reach=joined.reach, band_at=places, clusters=clusters, **options
        )
        for curve in _CURVES
    )
    pairwise = agreement.pairwise_accuracy(turned, human, clusters=clusters, **options)
    within = None
    if joined.several(0):
        within = agreement.pairwise_accuracy(turned, human, groups=joined.labels(0), **options)
    statistics = {
        "pearson": agreement.pearson(turned, human, clusters=clusters, **options),
        "spearman": agreement.spearman(turned, human, clusters=clusters, **options),
        "kendall": agreement.kendall_tau(turned, human, clusters=clusters, **options),
        **{f"pearson-{curve}": one.pearson for curve, one in zip(_CURVES, errors, strict=True)},
        "pairwise": pairwise.accuracy,
    }
    return _Found(statistics, errors, pairwise, within)


def _agreeing(estimate: Estimate) -> Agreeing:
    return Agreeing(estimate.value, estimate.interval.low, estimate.interval.high, estimate.standard_error)


def _agreement(name: str, better: str | None, found: _Found, joined: Joined) -> MetricAgreement:
    curves = tuple(_curve(one) for one in found.errors)
    return MetricAgreement(
        name,
        better,
        len(joined.human),
        _agreeing(found.statistics["pearson"]),
        _agreeing(found.statistics["spearman"]),
        _agreeing(found.statistics["kendall"]),
        curves,
        _tied(found.pairwise),
        None if found.within is None else _tied(found.within),
    )


def _curve(errors: PredictionErrors) -> CurveAgreement:
    fit = errors.fit
    assert fit is not None
    star, outliers = (None if one is None else _agreeing(one) for one in (errors.rmse_star, errors.outlier_ratio))
    pearson, rmse = _agreeing(errors.pearson), _agreeing(errors.rmse)
    return CurveAgreement(
        fit.curve, fit.parameters, pearson, rmse, star, outliers, fit.rising, fit.monotone, fit.remark
    )


def _tied(found: PairwiseAccuracy) -> TiedAccuracy:
    return TiedAccuracy(_agreeing(found.accuracy), found.epsilon, found.uncalibrated, found.pairs, found.tied)


def _comparisons(
    first: str,
    second: str,
    found: Mapping[str, _Found],
    joined: Joined,
    directions: Mapping[str, str],
    clusters: Int[np.ndarray, "n c"],
    confidence: float,
) -> list[MetricComparison]:
    sides = [_turned(joined, name, directions) for name in (first, second)]
    count = len(joined.human)
    # Both tests take rows as independent of each other.
    alone = count >= 4 and clusters.shape[1] == 1 and len(np.unique(clusters)) == count
    between = {"pearson": agreement.pearson, "spearman": agreement.spearman}
    rows = []
    for statistic in found[first].statistics:
        ours, theirs = (found[name].statistics[statistic] for name in (first, second))
        difference = agreement.paired_difference(ours, theirs, confidence=confidence)
        meng = williams = None
        if statistic in between and alone:
            values: dict[str, Any] = {
                "first": ours.value,
                "second": theirs.value,
                "between": between[statistic](*sides, repeats=1).value,
                "count": count,
            }
            meng, williams = agreement.meng_test(**values).p_value, agreement.williams_test(**values).p_value
        low, high = difference.interval
        winner = first if low > 0 else second if high < 0 else None
        rows.append(
            MetricComparison(
                first, second, statistic, difference.value, low, high, difference.p_value, meng, williams, winner
            )
        )
    return rows


def _points(name: str, joined: Joined, errors: PredictionErrors) -> CurvePoints:
    values = joined.metrics[name]
    places = np.linspace(values.min(), values.max(), _PLACES)
    fit, band = errors.fit, errors.band
    if fit is None or band is None or np.isnan(fit.rmse):
        places, curve, band = np.zeros(0), np.zeros(0), (np.zeros(0), np.zeros(0))
    else:
        curve = fit.predict(places)
    return CurvePoints(name, values, joined.human, joined.reach, places, curve, *band)


def _warnings(
    joined: Joined,
    directions: Mapping[str, str],
    agreements: Sequence[MetricAgreement],
    drawn: Mapping[str, Int[np.ndarray, " n"]],
    over: str,
) -> list[str]:
    """What a reader should know, a sentence each."""
    said = []
    unknown = [name for name in joined.metrics if name not in directions]
    if unknown:
        said.append(
            f"nothing says whether more or less of {', '.join(unknown)} is better; more is taken for better "
            f"(--better {unknown[0]}=lower says otherwise)"
        )
    for what, labels in drawn.items():
        count = len(np.unique(labels))
        if count < _FEW:
            said.append(f"there are {count} {what}s: a bootstrap over so few is rough, its intervals too narrow")
    if over == "auto" and joined.several(0):
        said.append(
            "rows of one item are drawn together, and the same systems are in all of them: the intervals are for other "
            "items of these systems (--over both is for other systems too)"
        )
    for one in agreements:
        curve = one.curves[0]
        if one.better is not None and curve.rising is not None and curve.rising != (one.better == "higher"):
            way = "rise" if curve.rising else "fall"
            said.append(f"people's values {way} with {one.metric}, of which {one.better} is better")
        said += [f"{fit.curve} of {one.metric}: {fit.remark}" for fit in one.curves if fit.remark]
        said += [
            f"{fit.curve} of {one.metric} turns: it does not rise or fall all the way"
            for fit in one.curves
            if fit.monotone is False
        ]
    return said
