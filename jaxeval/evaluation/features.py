"""From a source of images to features: one reading, every network that is needed run once.

A `FeatureSpec` says which features: the network with its weights and tap, and the preparation before it. Protocols that
agree on all of it share the features; those that differ only in the preparation share the reading.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float

from jaxeval.errors import InputError
from jaxeval.evaluation.cache import CacheEntry, CacheWriter, FeatureCache
from jaxeval.evaluation.statistics import FeatureStatistics, StatisticsAccumulator
from jaxeval.extractors import Extractor, Normalisation
from jaxeval.images import Batch, Preparation, ReadReport, Source, read_batches

__all__ = ["DataSet", "FeatureSpec", "Progress", "ReadOptions", "extract_features", "extract_statistics"]

Rows = Float[np.ndarray, "n d"]


@runtime_checkable
class Progress(Protocol):
    """Who is told how far a long run has come."""

    def begin(self, name: str, total: int) -> None:
        """A data set of that many images is about to be read."""

    def advance(self, images: int) -> None:
        """So many more of its images are done."""

    def end(self, note: str = "") -> None:
        """The data set is finished."""


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """Which features: everything besides the images that determines them."""

    extractor: Extractor
    tap: str
    preparation: Preparation
    normalisation: Normalisation

    def identity(self) -> dict[str, Any]:
        """The same as plain values, for cache keys and for files that must be recognised later."""
        return {
            "extractor": self.extractor.name,
            "extractor_fingerprint": self.extractor.fingerprint,
            "tap": self.tap,
            "weights": self.extractor.weights_hash,
            "size": None if self.preparation.size is None else list(self.preparation.size),
            "resize": self.preparation.resize,
            "quantise": self.preparation.quantise,
            "normalisation": [self.normalisation.offset, self.normalisation.scale],
            "dtype": "float32",
        }


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How a source is read.

    Attributes:
      batch_size: images at a time through the network.
      limit: at most so many images; None for all.
      on_error: `fail` at the first image that cannot be read, or `skip` and count it.
      threads: that decode; None for as many as there are processors.
    """

    batch_size: int = 32
    limit: int | None = None
    on_error: str = "fail"
    threads: int | None = None


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What one reading of a source found.

    Attributes:
      statistics: by spec.
      report: images counted, files skipped with the reason, and notes on conversions.
      cached: whether no image had to be read.
    """

    statistics: dict[FeatureSpec, FeatureStatistics]
    report: ReadReport
    cached: bool


def extract_statistics(
    source: Source,
    specs: Sequence[FeatureSpec],
    options: ReadOptions,
    *,
    fingerprint: str | None,
    cache: FeatureCache | None,
    progress: Progress | None = None,
) -> DataSet:
    """Statistics of a source's features for every spec, from the cache or from one reading of the images.

    Raises:
      InputError: an image cannot be read, or a network gives a value that is not finite for it.
    """
    specs = list(dict.fromkeys(specs))
    found = _cached(source, specs, options, fingerprint, cache)
    missing = [spec for spec in specs if spec not in found]
    statistics = {spec: entry.statistics for spec, entry in found.items()}
    if not missing:
        report = _restored_report(found[specs[0]].report)
        if progress is not None:
            progress.begin(source.name, report.count)
            progress.end("from the cache")
        return DataSet(statistics, report, cached=True)
    report = ReadReport()
    accumulators = {spec: StatisticsAccumulator(source.name) for spec in missing}
    with contextlib.ExitStack() as stack:
        writers: dict[FeatureSpec, CacheWriter] = {}
        if cache is not None and fingerprint is not None:
            for spec in filter(_can_be_cached, missing):
                identity = cache_identity(source, spec, options, fingerprint)
                writers[spec] = stack.enter_context(cache.writer(identity))
        for rows in _feature_rows(source, missing, options, report, progress):
            for spec, values in rows.items():
                accumulators[spec].add(values)
                if spec in writers:
                    writers[spec].add(values)
        for spec in missing:
            statistics[spec] = accumulators[spec].finish()
            if spec in writers:
                writers[spec].commit(statistics[spec], dataclasses.asdict(report))
    return DataSet(statistics, report, cached=False)


def extract_features(
    source: Source,
    spec: FeatureSpec,
    options: ReadOptions,
    *,
    fingerprint: str | None = None,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> Rows:
    """The features themselves, shape [N, d], float32, in the source's order; memory-mapped where the cache has them.

    Raises:
      InputError: an image cannot be read, or the network gives a value that is not finite for it.
    """
    entry = _cached(source, [spec], options, fingerprint, cache).get(spec)
    kept = None if entry is None else entry.features()
    if kept is not None:
        return kept
    rows = [part[spec] for part in _feature_rows(source, [spec], options, ReadReport(), progress)]
    if not rows:
        raise InputError(f"{source.name!r} has no images")
    return np.concatenate(rows)


def cache_identity(source: Source, spec: FeatureSpec, options: ReadOptions, fingerprint: str) -> dict[str, Any]:
    """What decides the content of a cache entry: the data, how much of it is read, and the features."""
    limit = None if options.limit is None or options.limit >= len(source) else options.limit
    return {"data": fingerprint, "limit": limit, "on_error": options.on_error, **spec.identity()}


def _cached(
    source: Source,
    specs: Sequence[FeatureSpec],
    options: ReadOptions,
    fingerprint: str | None,
    cache: FeatureCache | None,
) -> dict[FeatureSpec, CacheEntry]:
    if cache is None or fingerprint is None:
        return {}
    entries = {
        spec: cache.load(cache_identity(source, spec, options, fingerprint)) for spec in filter(_can_be_cached, specs)
    }
    return {spec: entry for spec, entry in entries.items() if entry is not None}


def _can_be_cached(spec: FeatureSpec) -> bool:
    # A user's function that does not say what it is could have changed since yesterday.
    return spec.extractor.fingerprint is not None


def _restored_report(values: dict[str, Any]) -> ReadReport:
    skipped = [(str(name), str(reason)) for name, reason in values["skipped"]]
    return ReadReport(count=int(values["count"]), skipped=skipped, notes=dict(values["notes"]))


def _feature_rows(
    source: Source,
    specs: Sequence[FeatureSpec],
    options: ReadOptions,
    report: ReadReport,
    progress: Progress | None,
) -> Iterator[dict[FeatureSpec, Rows]]:
    preparations = tuple(dict.fromkeys(spec.preparation for spec in specs))
    run = _network_runner(specs, preparations)
    if progress is not None:
        total = len(source) if options.limit is None else min(options.limit, len(source))
        progress.begin(source.name, total)
    batches = read_batches(
        source,
        preparations,
        options.batch_size,
        limit=options.limit,
        on_error=options.on_error,  # pyright: ignore[reportArgumentType]
        threads=options.threads,
        report=report,
    )
    # The device works on one batch while the next is decoded and the last is accumulated.
    ahead: tuple[Batch, dict[FeatureSpec, jax.Array]] | None = None
    for batch in batches:
        started = (batch, run(batch))
        if ahead is not None:
            yield _finished(source, *ahead, progress)
        ahead = started
    if ahead is not None:
        yield _finished(source, *ahead, progress)
    if progress is not None:
        progress.end(f"{len(report.skipped)} skipped" if report.skipped else "")


def _network_runner(
    specs: Sequence[FeatureSpec], preparations: Sequence[Preparation]
) -> Callable[[Batch], dict[FeatureSpec, jax.Array]]:
    """One call of a network for all the taps that are wanted from the same input."""
    groups: dict[tuple[Extractor, Preparation, Normalisation], list[FeatureSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.extractor, spec.preparation, spec.normalisation), []).append(spec)

    def run(batch: Batch) -> dict[FeatureSpec, jax.Array]:
        rows: dict[FeatureSpec, jax.Array] = {}
        for (extractor, preparation, normalisation), group in groups.items():
            images = batch.images[preparations.index(preparation)]
            taps = tuple(dict.fromkeys(spec.tap for spec in group))
            features = extractor(images, taps=taps, normalisation=normalisation)
            rows.update({spec: features[spec.tap] for spec in group})
        return rows

    return run


def _finished(
    source: Source, batch: Batch, rows: dict[FeatureSpec, jax.Array], progress: Progress | None
) -> dict[FeatureSpec, Rows]:
    values = {spec: np.asarray(features)[batch.mask] for spec, features in rows.items()}
    for spec, features in values.items():
        bad = ~np.isfinite(features).all(1)
        if bad.any():
            first = batch.names[int(bad.argmax())]
            raise InputError(
                f"extractor {spec.extractor.name!r} gave features that are not finite for image {first!r} of "
                f"{source.name!r}, and for {int(bad.sum()) - 1} more of its batch; look at that image and the weights"
            )
    if progress is not None:
        progress.advance(len(batch.names))
    return values
