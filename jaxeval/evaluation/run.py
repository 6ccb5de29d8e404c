"""What stays the same from one data set of a run to the next, and how two sides become results."""

import dataclasses
import datetime
import functools
import importlib.metadata
import math
import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import UInt8

from jaxeval._version import __version__
from jaxeval.errors import InputError, JaxevalError
from jaxeval.evaluation.collecting import Reader, Wanted, checkpoint_label, no_classes
from jaxeval.evaluation.comparing import Difference, contrasts_of, difference_of
from jaxeval.evaluation.copies import CopyFinder, ImageSet, Role
from jaxeval.evaluation.departures import departures, reduction_matters, report_in_file, sampling_remarks
from jaxeval.evaluation.faults import reason_of
from jaxeval.evaluation.measure import Contrast, Features, Measure, Number, Pair
from jaxeval.evaluation.names import better, metric_key, metric_label
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading import FeatureSpec
from jaxeval.evaluation.results import Result
from jaxeval.evaluation.statistics import FeatureStatistics, load_statistics, too_few_images
from jaxeval.extractors import Clip, Extractor
from jaxeval.images import ReadReport, SampledSource, Source, contrasts, remarks

__all__ = ["Job", "NotComputed", "Run", "Side", "device_name", "make_jobs", "versions"]


_Found = TypeVar("_Found")

_PROMPT = "A photo depicts "  # CLIPScore's, before every caption
# What files of statistics were made with that say nothing of it, and what makes others.
_UNRECORDED = {"reduction": "scale"}
_AGAIN = {
    ("reduction", "pillow"): "`jaxeval stats --exact-protocol`",
    ("reduction", "scale"): "`jaxeval stats` without --exact-protocol",
}


@dataclasses.dataclass(frozen=True)
class NotComputed:
    """Numbers that were asked for and cannot be had.

    Attributes:
      metric: the first of them, as results have it.
      protocol: by whose definition.
      generated: of which set; None where it is of none.
      reason: why.
      numbers: all of them; `metric` alone if empty.
      missing: whether they are missed: asked for by name, or lost to a fault; not so where `all` that can be had was
        asked for, and they cannot.
      cause: what was raised, if anything.
    """

    metric: str
    protocol: str
    generated: str | None
    reason: str
    numbers: tuple[str, ...] = ()
    missing: bool = False
    cause: Exception | None = None

    def __str__(self) -> str:
        of = "" if self.generated is None else f" of {self.generated}"
        labels = [metric_label(number) for number in self.numbers or (self.metric,)]
        return f"{', '.join(labels)}{of}: {self.reason}"

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "metric": self.metric,
            "numbers": list(self.numbers or (self.metric,)),
            "protocol": self.protocol,
            "generated": self.generated,
            "reason": self.reason,
            "missing": self.missing,
            "sentence": str(self),
        }


@dataclasses.dataclass(frozen=True)
class Job:
    """One measure under one protocol over one network."""

    measure: Measure
    protocol: Protocol
    spec: FeatureSpec

    @property
    def keys(self) -> tuple[str, ...]:
        """Its numbers, as results have them."""
        return tuple(metric_key(stem, self.spec.extractor.name) for stem in self.measure.stems)


@dataclasses.dataclass(frozen=True)
class Side:
    """One data set as it enters a comparison.

    Attributes:
      name: as the user gave it.
      fingerprint: of its content, where that is known.
      report: of its reading, where there was one.
      statistics: mean and covariance by kind of feature.
      rows: every image's features by kind.
      names: of its images, where a measure needs them.
      cached: whether no image had to be read.
      seconds: that it took.
      warnings: about the set as a whole.
      pixels: a digest of each item's pixels, zero for those that were skipped; None where they are not known.
      names_at: gives the names of the items at some places; None where only their digests or features are known.
    """

    name: str
    fingerprint: str | None
    report: ReadReport | None
    statistics: Mapping[FeatureSpec, FeatureStatistics]
    rows: Mapping[FeatureSpec, np.ndarray] = dataclasses.field(default_factory=dict)
    names: Sequence[str] = ()
    cached: bool = False
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    pixels: UInt8[np.ndarray, "m 16"] | None = None
    names_at: Callable[[Collection[int]], Sequence[str]] | None = None
    sample: Mapping[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        report = None if self.report is None else dataclasses.asdict(self.report)
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "report": report,
            "sample": self.sample,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
        }

    def features(
        self,
        spec: FeatureSpec,
        labels: np.ndarray | None = None,
        texts: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
    ) -> Features:
        """One kind of its features."""
        return Features(self.name, self.statistics.get(spec), self.rows.get(spec), labels, texts, classes)

    def classes(self) -> np.ndarray:
        """Class of each image: the folder that it lies in.

        Raises:
          InputError: an image lies in none.
        """
        folders = [PurePosixPath(name).parent.as_posix() for name in self.names]
        if not folders or "." in folders:
            raise InputError(no_classes(self.name))
        return np.asarray(folders)

    def count(self, spec: FeatureSpec) -> int | None:
        """Images that counted."""
        if spec in self.rows:
            return len(self.rows[spec])
        return self.statistics[spec].count if spec in self.statistics else None

    def feature_size(self, spec: FeatureSpec) -> int | None:
        """Length of its feature vectors; None where there are none of this kind."""
        if spec in self.rows:
            return self.rows[spec].shape[1]
        return self.statistics[spec].feature_size if spec in self.statistics else None


def make_jobs(
    measures: Sequence[Measure],
    protocols: Sequence[Protocol],
    networks: Sequence[Extractor],
    *,
    everything: bool,
    obstacles: Mapping[str, str],
) -> tuple[list[Job], list[NotComputed]]:
    """What is to be computed, and what cannot be.

    Args:
      measures: that were asked for.
      protocols: whose definitions.
      networks: over which features.
      everything: whether `all` was asked for, so that what cannot be computed is left out.
      obstacles: by measure, why this run cannot compute it, over whatever features.

    Raises:
      InputError: without `everything`, a measure cannot be computed.
    """
    jobs, without = [], []
    for protocol in protocols:
        for network in networks:
            for measure in measures:
                reason = measure.obstacle(network) or obstacles.get(measure.name)
                tap = measure.tap_of(network)
                spec = FeatureSpec(network, tap, protocol.preparation(network), protocol.normalisation_for(network))
                job = Job(measure, protocol, spec)
                if reason is None:
                    jobs.append(job)
                elif everything:
                    without.append(NotComputed(job.keys[0], protocol.name, None, reason, job.keys))
                else:
                    raise InputError(f"metric {measure.name!r} cannot be computed: {reason}")
    if not jobs:
        raise InputError("none of the metrics can be computed; " + "; ".join(map(str, without)))
    return jobs, without


@dataclasses.dataclass(frozen=True)
class Run:
    """What stays the same from one data set of a run to the next."""

    jobs: Sequence[Job]
    everything: bool
    reader: Reader
    fingerprints: Mapping[int, str | None]
    seed: int
    captions: Mapping[str, str] | None = None
    with_rows: bool = False
    set_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    copies: CopyFinder = dataclasses.field(default_factory=CopyFinder)
    image_sets: dict[int, tuple[Side, ImageSet]] = dataclasses.field(default_factory=dict)

    def side(self, source: Source, index: int, *, role: str) -> Side:
        """Reads the run's data set of that number, as the reference, a generated or the held-out set."""
        begun = time.perf_counter()
        fingerprint = self.fingerprints[id(source)]
        wanted: dict[FeatureSpec, Wanted] = {}
        for job in self.jobs:
            if (role == "reference" and job.measure.alone) or (role == "held out" and not job.measure.needs_held_out):
                continue
            needed = job.measure.wanted | Wanted(False, self.with_rows)
            wanted[job.spec] = wanted.get(job.spec, Wanted(False, False)) | needed
        label = checkpoint_label(index, source.name)
        found = self.reader.collect(source, wanted, fingerprint=fingerprint, label=label)
        needs_names = any(job.measure.needs_labels or job.measure.needs_captions for job in self.jobs)
        names = self.reader.names(source, found.report) if needs_names else ()
        seconds = time.perf_counter() - begun
        sampled = source if isinstance(source, SampledSource) else None
        return Side(
            source.name,
            fingerprint,
            found.report,
            found.statistics,
            found.rows,
            names,
            found.cached,
            seconds,
            (*([] if sampled is None else sampled.remarks()), *remarks(source.name, found.report)),
            found.pixels,
            functools.partial(self.reader.names_at, source),
            None if sampled is None else sampled.describe(),
        )

    def side_from_file(self, path: Path, name: str | None = None) -> Side:
        """The reference from a file of statistics, by the file's name or one of the caller's choice.

        Raises:
          InputError: the file is damaged, or its statistics were made in another way.
        """
        statistics, identity = load_statistics(path)
        fitting: dict[FeatureSpec, FeatureStatistics] = {}
        for job in self.jobs:
            if job.measure.alone:
                continue
            try:
                _check_statistics(path, statistics, identity, job.protocol.name, job.spec)
            except InputError:
                if not self.everything:
                    raise
            else:
                fitting[job.spec] = statistics
        if identity is None:
            warning = (
                f"{path} does not say how its statistics were made: the number means something only if they come from "
                "the same network, weights and resize"
            )
            return Side(name or str(path), None, None, fitting, warnings=(warning, *statistics.warnings))
        name = name or str(path)
        restored = report_in_file(path, identity)
        warnings = (*sampling_remarks(path, identity), *remarks(name, restored), *statistics.warnings)
        return Side(
            name,
            identity.get("data"),
            restored,
            fitting,
            warnings=warnings,
            pixels=statistics.pixels,
            sample=identity.get("sample"),
        )

    def results(
        self, reference: Side, generated: Side, held_out: Side | None
    ) -> Iterator[tuple[list[Result], list[NotComputed]]]:
        """Every number of a pair of data sets, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, generated)
        for job in self._watched_jobs(generated.name):
            yield self._attempt(job, generated.name, lambda job=job: self._results(job, reference, generated, held_out))

    def differences(
        self, reference: Side, first: Side, second: Side, held_out: Side | None
    ) -> Iterator[tuple[list[Difference], list[NotComputed]]]:
        """Every number of two generators and how far they differ, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, first, second)
        both = f"{first.name} and {second.name}"
        for job in self._watched_jobs(both):
            yield self._attempt(job, both, lambda job=job: self._differences(job, reference, first, second, held_out))

    def _attempt(
        self, job: Job, name: str, work: Callable[[], tuple[list[_Found], list[NotComputed]]]
    ) -> tuple[list[_Found], list[NotComputed]]:
        """The work of a job; if it fails, in whatever way, that costs its own numbers and no others."""
        try:
            return work()
        except Exception as error:
            if isinstance(error, JaxevalError) and not isinstance(error, InputError):
                raise
            missing = not self.everything or not isinstance(error, InputError)
            reason = reason_of(error)
            return [], [NotComputed(job.keys[0], job.protocol.name, name, reason, job.keys, missing, error)]

    def _look_for_copies(self, reference: Side, held_out: Side | None, *generated: Side) -> None:
        """In all sets that have not been looked at yet."""
        sides: list[tuple[Side | None, Role]] = [(reference, "reference"), (held_out, "held out")]
        for side in generated:
            sides.append((side, "generated"))
        for side, role in sides:
            if side is not None and id(side) not in self.image_sets:
                images = ImageSet(side.name, role, side.pixels, side.rows, side.names_at, side.fingerprint)
                self.image_sets[id(side)] = side, images  # the side too, so that its id stays its own
                self.copies.add(images)

    def _watched_jobs(self, name: str) -> Iterator[Job]:
        progress = self.reader.progress if len(self.jobs) > 1 else None
        if progress is not None:
            progress.begin(name, len(self.jobs), "metrics")
        for job in self.jobs:
            yield job
            if progress is not None:
                progress.advance(1)
        if progress is not None:
            progress.end()

    def _differences(
        self, job: Job, reference: Side, first: Side, second: Side, held_out: Side | None
    ) -> tuple[list[Difference], list[NotComputed]]:
        pairs = self._pairs(job, reference, (first, second), held_out)
        both, without = [], []
        for side, pair in zip((first, second), pairs, strict=True):
            found, undefined = self._results_of(job, pair, reference, side, held_out)
            both.append(found)
            without += undefined
        stems = [stem for stem in both[0] if stem in both[1]]
        contrasts = _contrasts(job.measure, pairs) if stems else {}
        differences = []
        for stem in stems:
            (number, result), (other, its_result) = (found[stem] for found in both)
            differences.append(difference_of((number, other), (result, its_result), contrasts[stem]))
        return differences, without

    def _results(
        self, job: Job, reference: Side, generated: Side, held_out: Side | None
    ) -> tuple[list[Result], list[NotComputed]]:
        (pair,) = self._pairs(job, reference, (generated,), held_out)
        found, undefined = self._results_of(job, pair, reference, generated, held_out)
        return [result for _, result in found.values()], undefined

    def _results_of(
        self, job: Job, pair: Pair, reference: Side, generated: Side, held_out: Side | None
    ) -> tuple[dict[str, tuple[Number, Result]], list[NotComputed]]:
        """A pair's numbers by stem with the results that they become, and those of them that are not defined."""
        common = tuple(self._warnings(job, reference, generated, held_out))
        found, undefined = {}, []
        for number in job.measure.compute(pair):
            if np.isfinite(number.value):
                found[number.stem] = number, self._result(job, number, common, reference, generated)
                continue
            key = metric_key(number.stem, job.spec.extractor.name)
            reason = number.undefined or "it is not defined for these images"
            name = job.protocol.name
            undefined.append(NotComputed(key, name, generated.name, reason, missing=not self.everything))
        return found, undefined

    def _pairs(self, job: Job, reference: Side, generated: Sequence[Side], held_out: Side | None) -> list[Pair]:
        """The reference with each of the generated sets."""
        spec = job.spec
        if job.measure.needs_held_out:
            for side in generated:
                self.copies.check_held_out(self.image_sets[id(side)][1], job.measure.name)
        if job.measure.wanted.statistics:
            for side in (reference, *generated):
                if spec not in side.statistics and side.report is not None and side.report.count < 2:
                    raise too_few_images(side.name, side.report.count)
        sizes = [side.feature_size(spec) for side in (reference, *generated)]
        if not job.measure.alone and sizes[0] is None:
            raise InputError(f"the statistics in {reference.name!r} are not of these features")
        for side, size in zip(generated, sizes[1:], strict=True):
            if not job.measure.alone and size != sizes[0]:
                raise InputError(
                    f"{side.name!r} gives {size:,} features an image and {reference.name!r} "
                    f"{sizes[0]:,}; with extractor {spec.extractor.name!r} both need images of the same size"
                )
        labels: Sequence[np.ndarray | None] = [None] * (1 + len(generated))
        classes: tuple[str, ...] = ()
        if job.measure.needs_labels:
            classes, labels = _labels(reference, *generated)
        ours = reference.features(spec, labels[0], None, classes)
        unseen = None if held_out is None else held_out.features(spec)
        return [
            Pair(
                ours,
                side.features(spec, own, self._texts(job, side), classes),
                unseen,
                job.protocol,
                self.seed,
                extractor=spec.extractor.name,
            )
            for side, own in zip(generated, labels[1:], strict=True)
        ]

    def _texts(self, job: Job, side: Side) -> np.ndarray | None:
        """Embeddings of the captions of a side's images, where a measure needs them."""
        if not job.measure.needs_captions:
            return None
        assert self.captions is not None
        assert isinstance(job.spec.extractor, Clip)
        missing = [name for name in side.names if name not in self.captions]
        if missing:
            raise InputError(
                f"{missing[0]!r} of {side.name!r} has no caption, nor have {len(missing) - 1} others; names in the "
                "file of captions are those within the set"
            )
        return np.asarray(job.spec.extractor.text_embeddings([_PROMPT + self.captions[name] for name in side.names]))

    def _result(self, job: Job, number: Number, warnings: tuple[str, ...], reference: Side, generated: Side) -> Result:
        spec, network = job.spec, job.spec.extractor
        key = metric_key(number.stem, network.name)
        return Result(
            metric=key,
            value=number.value,
            better=better(key),
            interval=number.interval,
            interval_method=number.interval_method,
            protocol=job.protocol.name,
            definition=f"{number.definition}; {network.name} features",
            parameters={**number.parameters, **({"exact_protocol": True} if job.protocol.exact else {})},
            extractor=network.name,
            tap=spec.tap,
            weights=network.weights_hash,
            reference=reference.name,
            generated=generated.name,
            n_reference=reference.count(spec),
            n_generated=generated.count(spec),
            skipped_reference=0 if reference.report is None else len(reference.report.skipped),
            skipped_generated=0 if generated.report is None else len(generated.report.skipped),
            feature_size=generated.feature_size(spec) or 0,
            resize=spec.preparation.resize,
            quantise=spec.preparation.quantise,
            normalisation=(spec.normalisation.offset, spec.normalisation.scale),
            dtype="float32",
            precision="highest",
            statistics_dtype="float64",
            seed=self.seed,
            device=device_name(),
            versions=versions(),
            warnings=(*warnings, *number.warnings),
            debiased=number.debiased,
        )

    def _warnings(self, job: Job, reference: Side, generated: Side, held_out: Side | None) -> Iterator[str]:
        """What a reader should know of all numbers of a measure over a generated set."""
        network = job.spec.extractor
        sides = [reference, generated, *([held_out] if held_out is not None and job.measure.needs_held_out else [])]
        yield from departures(job.protocol, job.spec.preparation.reduction, {side.name: side.report for side in sides})
        for side in sides:
            yield from side.warnings
        for side in sides[1:]:
            if reference.report is not None and side.report is not None:
                yield from contrasts(reference.name, reference.report, side.name, side.report)
        # Of the held-out set with the numbers that it decides, and once at all where it decides none.
        with_held_out = job.measure.needs_held_out or not any(other.measure.needs_held_out for other in self.jobs)
        yield from self.copies.sentences(self.image_sets[id(generated)][1], held_out=with_held_out)
        if network.name == "inception" and not network.weights_published:
            yield "the Inception weights are not the published FID checkpoint: compare the number with no published one"
        for side in sides:
            if side.report is not None and side.report.skipped:
                first, reason = side.report.skipped[0]
                yield f"{len(side.report.skipped)} of {side.name} skipped, the first being {first}: {reason}"

    def manifest(
        self, sets: Sequence[Side], held_out: Side | None, without: Sequence[NotComputed], started: float
    ) -> dict[str, Any]:
        """How the numbers were found."""
        protocols = {job.protocol.name: job.protocol for job in self.jobs}
        networks = {job.spec.extractor.name: job.spec.extractor for job in self.jobs}
        specs = {f"{job.protocol.name}, {job.spec.extractor.name}, {job.spec.tap}": job.spec for job in self.jobs}
        return {
            "reference": sets[0].describe(),
            "generated": [side.describe() for side in sets[1:]],
            "held_out": None if held_out is None else held_out.describe(),
            "not_computed": [one.describe() for one in without],
            "protocols": {name: dataclasses.asdict(protocol) for name, protocol in protocols.items()},
            "features": {name: spec.identity() for name, spec in specs.items()},
            "weights_published": {name: network.weights_published for name, network in networks.items()},
            "batch_size": self.reader.options.batch_size,
            "copies": [copies.to_dict() for copies in self.copies.all()],
            "exact_protocol": any(protocol.exact for protocol in protocols.values()),
            "on_error": self.reader.options.on_error,
            **self.set_options,
            "seed": self.seed,
            "device": device_name(),
            "processes": self.reader.processes.count,
            "devices": len(jax.local_devices()),
            "versions": versions(),
            "platform": platform.platform(),
            "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - started, 3),
        }


def _contrasts(measure: Measure, pairs: Sequence[Pair]) -> Mapping[str, Contrast]:
    """The differences of two pairs' numbers; without intervals, where only the numbers can be had."""
    try:
        return contrasts_of(measure, *pairs)
    except InputError as error:
        return {stem: Contrast(stem, None, math.inf, f"none: {error}") for stem in measure.stems}


def _labels(*sides: Side) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Names of the classes of all sides, and each side's classes as integers that mean the same."""
    classes = [side.classes() for side in sides]
    names, numbers = np.unique(np.concatenate(classes), return_inverse=True)
    return tuple(map(str, names)), np.split(numbers, np.cumsum([len(part) for part in classes])[:-1])


def _check_statistics(
    path: Path, statistics: FeatureStatistics, identity: Mapping[str, Any] | None, protocol: str, spec: FeatureSpec
) -> None:
    """Refuses statistics that were made in another way than the one asked for."""
    size = spec.extractor.taps[spec.tap]
    if identity is None and size is not None and statistics.feature_size != size:
        raise InputError(
            f"{str(path)!r} has statistics of {statistics.feature_size} features and extractor "
            f"{spec.extractor.name!r} has {size}; choose the extractor that they were made with"
        )
    for key, wanted in spec.identity().items():
        if identity is None or identity.get(key, _UNRECORDED.get(key)) == wanted:
            continue
        if key == "reduction" and not reduction_matters(report_in_file(path, identity)):
            continue  # it makes no difference to any of its images
        made = identity.get(key, _UNRECORDED.get(key))
        raise InputError(
            f"the statistics in {str(path)!r} were made with {key} {made!r}; protocol {protocol!r} with this extractor "
            f"needs {wanted!r}; write them again with {_AGAIN.get((key, wanted), '`jaxeval stats`')}"
        )


def device_name() -> str:
    """The kind of device that computes, for the record."""
    device = jax.local_devices()[0]
    return device.platform if device.device_kind == device.platform else f"{device.platform} ({device.device_kind})"


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a number."""
    packages = ("jax", "jaxlib", "flax", "numpy", "scipy", "pillow")
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"jaxeval": __version__, "python": platform.python_version(), **found}
