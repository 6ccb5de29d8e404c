"""What stays the same from one data set of a run to the next, and how two sides become results."""

import dataclasses
import datetime
import functools
import math
import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import UInt8

from jaxeval._faults import reason_of
from jaxeval.errors import InputError, JaxevalError
from jaxeval.evaluation.comparing import Difference, contrasts_of, difference_of
from jaxeval.evaluation.copies import CopyFinder, ImageSet, Role
from jaxeval.evaluation.departures import departures
from jaxeval.evaluation.measures.measure import Contrast, Features, Measure, Number, Pair
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted, feature_spec
from jaxeval.evaluation.reading.kept import Found, KeptSet
from jaxeval.evaluation.reading.reader import DataSet, Reader, checkpoint_label, no_classes
from jaxeval.evaluation.results import Result
from jaxeval.extractors import Clip, Extractor, Precision
from jaxeval.images import ReadReport, SampledSource, Source, contrasts, remarks
from jaxeval.records import device_name, versions
from jaxeval.statistics import FeatureStatistics, statistics_of_features, too_few_images

__all__ = [
    "Job",
    "NotComputed",
    "Run",
    "Side",
    "lacks_rows",
    "make_jobs",
    "precision_remarks",
]


_Found = TypeVar("_Found")

_PROMPT = "A photo depicts "  # CLIPScore's, before every caption


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
    labels: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    missing: bool = False
    cause: Exception | None = None

    def __str__(self) -> str:
        of = "" if self.generated is None else f" of {self.generated}"
        return f"{', '.join(self.labels)}{of}: {self.reason}"

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
    """One measure under one protocol over one network.

    Attributes:
      measure: what is computed.
      protocol: by whose definition.
      spec: over which features.
      numbers: those of the measure's numbers that are given; all if None.
    """

    measure: Measure
    protocol: Protocol
    spec: FeatureSpec
    numbers: Collection[str] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Its numbers, as results have them."""
        return tuple(name.key(self.spec.extractor) for name in self.measure.numbers if self.gives(name.stem))

    @property
    def labels(self) -> tuple[str, ...]:
        """The same as they are printed."""
        return tuple(name.label_over(self.spec.extractor) for name in self.measure.numbers if self.gives(name.stem))

    def gives(self, stem: str) -> bool:
        """Whether one of the measure's numbers is given."""
        return self.numbers is None or stem in self.numbers


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
      sample: how it was drawn from a larger one, if it was.
      apart: mean and covariance that a file keeps, perhaps of other images than it holds; for measures that want no
        more than them.
      missing: by measure and feature, why a file has not what the measure needs.
      once: by measure and feature, the one protocol under which numbers from a file are given.
      taken: what to tell of the images that were taken of it, by the `whole_batches` of features.
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
    apart: Mapping[FeatureSpec, FeatureStatistics] = dataclasses.field(default_factory=dict)
    missing: Mapping[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    once: Mapping[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    taken: Mapping[int | None, Sequence[str]] = dataclasses.field(default_factory=dict)

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
        job: Job,
        labels: np.ndarray | None = None,
        texts: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
    ) -> Features:
        """What a measure needs of its features."""
        if job.spec in self.apart and not job.measure.wanted.rows:
            return Features(self.name, self.apart[job.spec], None, labels, texts, classes)
        return Features(self.name, self.statistics.get(job.spec), self.rows.get(job.spec), labels, texts, classes)

    def classes(self) -> np.ndarray:
        """Class of each image: the folder that it lies in.

        Raises:
          InputError: an image lies in none.
        """
        folders = [PurePosixPath(name).parent.as_posix() for name in self.names]
        if not folders or "." in folders:
            raise InputError(no_classes(self.name))
        return np.asarray(folders)

    def count(self, job: Job) -> int | None:
        """Images that counted in a measure."""
        return self.features(job).count()

    def feature_size(self, job: Job) -> int | None:
        """Length of its feature vectors; None where there are none of this kind."""
        features = self.features(job)
        if features.rows is not None:
            return features.rows.shape[1]
        return None if features.statistics is None else features.statistics.feature_size


def make_jobs(
    measures: Sequence[Measure],
    protocols: Sequence[Protocol],
    networks: Sequence[Extractor],
    *,
    everything: bool,
    obstacles: Mapping[str, str],
    numbers: Collection[str] | None = None,
    precision: Precision = "highest",
) -> tuple[list[Job], list[NotComputed]]:
    """What is to be computed, and what cannot be.

    Args:
      measures: that were asked for.
      protocols: whose definitions.
      networks: over which features.
      everything: whether `all` was asked for, so that what cannot be computed is left out.
      obstacles: by measure, why this run cannot compute it, over whatever features.
      numbers: those of the measures' numbers that are wanted; all if None.
      precision: of the networks' contractions.

    Raises:
      InputError: without `everything`, a measure cannot be computed.
    """
    jobs, without = [], []
    for protocol in protocols:
        for network in networks:
            for measure in measures:
                reason = measure.obstacle(network) or obstacles.get(measure.name)
                tap = measure.tap_of(network)
                spec = feature_spec(protocol, network, tap, precision)
                job = Job(measure, protocol, spec, numbers)
                if reason is None:
                    jobs.append(job)
                elif everything:
                    without.append(NotComputed(job.keys[0], protocol.name, None, reason, job.labels, job.keys))
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
    parts: Mapping[tuple[int, int], Source] = dataclasses.field(default_factory=dict)
    precision: Precision = "highest"
    copies: CopyFinder = dataclasses.field(default_factory=CopyFinder)
    image_sets: dict[int, tuple[Side, ImageSet]] = dataclasses.field(default_factory=dict)

    @property
    def protocols(self) -> list[str]:
        """Names of those that have something to compute."""
        return list(dict.fromkeys(job.protocol.name for job in self.jobs))

    def side(self, source: Source, index: int, *, role: str) -> Side:
        """Reads the run's data set of that number, as the reference, a generated or the held-out set."""
        begun = time.perf_counter()
        wanted: dict[FeatureSpec, Wanted] = {}
        for job in self.jobs:
            if not _takes_part(job.measure, role):
                continue
            needed = job.measure.wanted | Wanted(False, self.with_rows)
            wanted[job.spec] = wanted.get(job.spec, Wanted(False, False)) | needed
        parts = self._read(source, wanted, index)
        source, found = parts[0].source, parts[0].found
        names = self._names(source, found.report)
        seconds = time.perf_counter() - begun
        sampled = source if isinstance(source, SampledSource) else None
        return Side(
            source.name,
            self.fingerprints[id(source)],
            found.report,
            {spec: one for part in parts for spec, one in part.found.statistics.items()},
            {spec: one for part in parts for spec, one in part.found.rows.items()},
            names,
            all(part.found.cached for part in parts),
            seconds,
            tuple(remarks(source.name, found.report)),
            found.pixels,
            functools.partial(self.reader.names_at, source),
            None if sampled is None else sampled.describe(),
            taken=_taken(parts),
        )

    def _read(self, source: Source, wanted: Mapping[FeatureSpec, Wanted], index: int) -> list["_Reading"]:
        """What is wanted of a source: of all its images, and of those that fill whole batches, each in one reading."""
        batches = {spec.whole_batches for spec in wanted} or {job.spec.whole_batches for job in self.jobs[:1]}
        found: list[_Reading] = []
        for batch in sorted(batches, key=lambda batch: batch or 0):  # all images first, where they are wanted
            mine = {spec: what for spec, what in wanted.items() if spec.whole_batches == batch}
            part = source if batch is None else self.parts[id(source), batch]
            label = checkpoint_label(index, source.name) + ("" if batch is None else f"-whole-{batch}")
            read = self.reader.collect(part, mine, fingerprint=self.fingerprints[id(part)], label=label)
            found.append(_Reading(batch, part, read))
        return found

    def _names(self, source: Source, report: ReadReport) -> Sequence[str]:
        """Of the images that counted, where a measure needs them."""
        needed = any(job.measure.needs_labels or job.measure.needs_captions for job in self.jobs)
        return self.reader.names(source, report) if needed else ()

    def kept_side(self, kept: KeptSet, index: int, *, role: str) -> Side:
        """The run's data set of that number from a file of statistics or features, and from its images, if it has any.

        Raises:
          InputError: it is the reference and has not what a measure needs that was asked for by name.
        """
        begun = time.perf_counter()
        plan = self._plan(kept, role)
        statistics: dict[FeatureSpec, FeatureStatistics] = {}
        for spec, found in plan.features.items():
            assert found.rows is not None
            if found.statistics is not None and found.statistics.sample is not None:
                statistics[spec] = found.statistics
            elif len(found.rows) > 1:
                statistics[spec] = statistics_of_features(found.rows, kept.name)
        side = Side(
            kept.name,
            kept.fingerprint,
            kept.report,
            statistics,
            {spec: found.rows for spec, found in plan.features.items() if found.rows is not None},
            kept.names,
            pixels=kept.pixels,
            names_at=kept.names_at if kept.names else None,
            sample=kept.sample,
            apart=plan.statistics,
            missing=plan.missing,
            once=plan.once,
        )
        if plan.images:
            assert kept.images is not None
            parts = self._read(kept.images, plan.images, index)
            images, read = parts[0].source, parts[0].found
            sampled = images if isinstance(images, SampledSource) else None
            side = dataclasses.replace(
                side,
                fingerprint=self.fingerprints[id(images)],
                report=read.report,
                statistics={
                    **statistics,
                    **{spec: one for part in parts for spec, one in part.found.statistics.items()},
                },
                rows={**side.rows, **{spec: one for part in parts for spec, one in part.found.rows.items()}},
                names=self._names(images, read.report),
                cached=all(part.found.cached for part in parts),
                pixels=read.pixels,
                names_at=functools.partial(self.reader.names_at, images),
                sample=None if sampled is None else sampled.describe(),
                taken=_taken(parts),
            )
        said = () if side.report is None else remarks(kept.name, side.report)
        warnings = (*kept.warnings(self.protocols), *plan.warnings, *kept.remarks, *said)
        seconds = time.perf_counter() - begun
        return dataclasses.replace(side, seconds=seconds, warnings=tuple(dict.fromkeys(warnings)))

    def _plan(self, kept: KeptSet, role: str) -> "_Plan":
        """What serves each measure that a kept set takes part in."""
        plan = _Plan()
        chosen = kept.numbers_once(self.protocols)
        for job in self.jobs:
            if not _takes_part(job.measure, role):
                continue
            spec, needed = job.spec, job.measure.wanted
            if self.with_rows and role == "generated":
                needed |= Wanted(False, rows=True)
            found, reason = _found(kept, job)
            server = _server(found, needed)
            if server == "images":
                if kept.images is not None:
                    plan.images[spec] = plan.images.get(spec, Wanted(False, rows=False)) | needed
                    if reason is not None and needed.statistics:
                        plan.warnings.append(f"{reason.split('; ')[0]}: the images in the file are used")
                    continue
                reason = reason or lacks_rows(kept.name, role)
                if role == "reference" and not self.everything:
                    raise InputError(reason)  # before any image is read
                plan.missing[job.measure.name, spec] = reason
                continue
            assert found is not None
            if chosen is not None:
                plan.once[job.measure.name, spec] = chosen
            if server == "features":
                plan.features[spec] = found
                continue
            assert found.statistics is not None
            plan.statistics[spec] = found.statistics
            if self.set_options.get("limit") is not None:
                plan.warnings.append(f"{kept.name} keeps a mean and a covariance, which no limit changes")
        return plan

    def results(
        self, reference: Side, generated: Side, held_out: Side | None
    ) -> Iterator[tuple[list[Result], list[NotComputed]]]:
        """Every number of a pair of data sets, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, generated)
        for job in self._watched_jobs(generated.name, (reference, generated)):
            yield self._attempt(job, generated.name, lambda job=job: self._results(job, reference, generated, held_out))

    def differences(
        self, reference: Side, first: Side, second: Side, held_out: Side | None
    ) -> Iterator[tuple[list[Difference], list[NotComputed]]]:
        """Every number of two generators and how far they differ, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, first, second)
        both = f"{first.name} and {second.name}"
        for job in self._watched_jobs(both, (reference, first, second)):
            yield self._attempt(job, both, lambda job=job: self._differences(job, reference, first, second, held_out))

    def remarks(self, reference: Side, generated: Side, jobs: Sequence[Job]) -> list[str]:
        """What a reader should know of the numbers of a pair of data sets, each sentence once."""
        self._look_for_copies(reference, None, generated)
        return list(dict.fromkeys(one for job in jobs for one in self._warnings(job, reference, generated, None)))

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
            return [], [NotComputed(job.keys[0], job.protocol.name, name, reason, job.labels, job.keys, missing, error)]

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

    def _watched_jobs(self, name: str, sides: Sequence[Side]) -> Iterator[Job]:
        def counts(job: Job) -> bool:
            """Whether it is under the protocol of a set's file that gives its numbers once, the reference's first."""
            chosen = [side.once.get((job.measure.name, job.spec)) for side in sides]
            return next((one for one in chosen if one is not None), job.protocol.name) == job.protocol.name

        jobs = [job for job in self.jobs if counts(job)]
        progress = self.reader.progress if len(jobs) > 1 else None
        if progress is not None:
            progress.begin(name, len(jobs), "metrics")
        for job in jobs:
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
            if not job.gives(number.stem):
                continue
            if np.isfinite(number.value):
                found[number.stem] = number, self._result(job, number, common, reference, generated)
                continue
            network = job.spec.extractor
            key, label = number.name.key(network), number.name.label_over(network)
            reason = number.undefined or "it is not defined for these images"
            name = job.protocol.name
            undefined.append(NotComputed(key, name, generated.name, reason, (label,), missing=not self.everything))
        return found, undefined

    def _pairs(self, job: Job, reference: Side, generated: Sequence[Side], held_out: Side | None) -> list[Pair]:
        """The reference with each of the generated sets."""
        spec = job.spec
        for side in (reference, *generated, *([] if held_out is None else [held_out])):
            if (job.measure.name, spec) in side.missing:
                raise InputError(side.missing[job.measure.name, spec])
        if job.measure.needs_held_out:
            for side in generated:
                self.copies.check_held_out(self.image_sets[id(side)][1], job.measure.name)
        if job.measure.wanted.statistics:
            for side in (reference, *generated):
                features = side.features(job)
                count = features.count() if side.report is None else side.report.count
                if features.statistics is None and count is not None and count < 2:
                    raise too_few_images(side.name, count)
        sizes = [side.feature_size(job) for side in (reference, *generated)]
        for side, size in zip(generated, sizes[1:], strict=True):
            if not job.measure.alone and size != sizes[0]:
                raise InputError(
                    f"{side.name!r} gives {size or 0:,} features an image and {reference.name!r} "
                    f"{sizes[0] or 0:,}; with extractor {spec.extractor.name!r} both need images of the same size"
                )
        labels: Sequence[np.ndarray | None] = [None] * (1 + len(generated))
        classes: tuple[str, ...] = ()
        if job.measure.needs_labels:
            classes, labels = _labels(reference, *generated)
            # Images of an incomplete batch are the last ones, and have no features under some protocols.
            sides = (reference, *generated)
            labels = [None if own is None else own[: side.count(job)] for own, side in zip(labels, sides, strict=True)]
        ours = reference.features(job, labels[0], None, classes)
        unseen = None if held_out is None else held_out.features(job)
        return [
            Pair(
                ours,
                side.features(job, own, self._texts(job, side), classes),
                unseen,
                job.protocol,
                self.seed,
                family=spec.extractor.family,
            )
            for side, own in zip(generated, labels[1:], strict=True)
        ]

    def _texts(self, job: Job, side: Side) -> np.ndarray | None:
        """Embeddings of the captions of a side's images, where a measure needs them."""
        if not job.measure.needs_captions:
            return None
        assert self.captions is not None
        assert isinstance(job.spec.extractor, Clip)
        names = side.names[: side.count(job)]
        missing = [name for name in names if name not in self.captions]
        if missing:
            raise InputError(
                f"{missing[0]!r} of {side.name!r} has no caption, nor have {len(missing) - 1} others; names in the "
                "file of captions are those within the set"
            )
        texts = [_PROMPT + self.captions[name] for name in names]
        return np.asarray(job.spec.extractor.text_embeddings(texts, precision=job.spec.precision))

    def _result(self, job: Job, number: Number, warnings: tuple[str, ...], reference: Side, generated: Side) -> Result:
        spec, network = job.spec, job.spec.extractor
        return Result(
            metric=number.name.key(network),
            stem=number.stem,
            label=number.name.label_over(network),
            value=number.value,
            better=number.name.better,
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
            n_reference=reference.count(job),
            n_generated=generated.count(job),
            skipped_reference=0 if reference.report is None else len(reference.report.skipped),
            skipped_generated=0 if generated.report is None else len(generated.report.skipped),
            feature_size=generated.feature_size(job) or 0,
            resize="none" if spec.preparation.size is None else spec.preparation.resize,
            quantise=spec.preparation.quantise,
            normalisation=(spec.normalisation.offset, spec.normalisation.scale),
            dtype="float32",
            precision=spec.precision,
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
        yield from precision_remarks(job.spec)
        for side in sides:
            yield from side.taken.get(job.spec.whole_batches, ())
            yield from side.warnings
        for side in sides[1:]:
            if reference.report is not None and side.report is not None:
                yield from contrasts(reference.name, reference.report, side.name, side.report)
        # Of the held-out set with the numbers that it decides, and once at all where it decides none.
        with_held_out = job.measure.needs_held_out or not any(other.measure.needs_held_out for other in self.jobs)
        yield from self.copies.sentences(self.image_sets[id(generated)][1], held_out=with_held_out)
        if network.family == "inception" and not network.weights_published:
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
            "precision": self.precision,
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
        return {name.stem: Contrast(name, None, math.inf, f"none: {error}") for name in measure.numbers}


def _labels(*sides: Side) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Names of the classes of all sides, and each side's classes as integers that mean the same."""
    classes = [side.classes() for side in sides]
    names, numbers = np.unique(np.concatenate(classes), return_inverse=True)
    return tuple(map(str, names)), np.split(numbers, np.cumsum([len(part) for part in classes])[:-1])


class _Reading(NamedTuple):
    """One reading of a set: of its images in whole batches of so many, or of all."""

    batch: int | None
    source: Source
    found: DataSet


def _taken(parts: Sequence[_Reading]) -> dict[int | None, list[str]]:
    return {part.batch: part.source.remarks() for part in parts if isinstance(part.source, SampledSource)}


@dataclasses.dataclass
class _Plan:
    """What of a kept set serves a run: statistics, features or images by kind of feature, and what it has not."""

    statistics: dict[FeatureSpec, FeatureStatistics] = dataclasses.field(default_factory=dict)
    features: dict[FeatureSpec, Found] = dataclasses.field(default_factory=dict)
    images: dict[FeatureSpec, Wanted] = dataclasses.field(default_factory=dict)
    missing: dict[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    once: dict[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)


def _takes_part(measure: Measure, role: str) -> bool:
    """Whether a set of that role counts in a measure."""
    return not ((role == "reference" and measure.alone) or (role == "held out" and not measure.needs_held_out))


def _found(kept: KeptSet, job: Job) -> tuple[Found | None, str | None]:
    """What a kept set has for a job, or why nothing."""
    try:
        return kept.find(job.spec, job.protocol.name), None
    except InputError as error:
        return None, str(error)


def _server(found: Found | None, needed: Wanted) -> str:
    """What serves a need: `statistics` that are kept, `features` that are kept, or `images`."""
    if found is None:
        return "images"
    if found.rows is not None:
        same = found.statistics is None or found.statistics.count == len(found.rows)
        return "features" if same or needed.rows else "statistics"
    return "images" if needed.rows else "statistics"


def lacks_rows(name: str, role: str) -> str:
    """Why a set of statistics alone does not do for a measure of features."""
    whose = "the reference's images or features, not their statistics" if role == "reference" else "images or features"
    return f"it needs {whose}, and {name!r} holds mean and covariance alone"


def precision_remarks(spec: FeatureSpec) -> list[str]:
    """What a reader should be told of features at less than full float32."""
    if spec.precision == "highest":
        return []
    network, device = spec.extractor.name, jax.local_devices()[0].platform
    if not spec.extractor.jittable:
        return [f"precision {spec.precision} does not reach {network}, a function that computes on the host"]
    if device == "cpu":
        return [f"precision {spec.precision} was asked for; a CPU multiplies in full float32 whatever is asked"]
    return [
        f"{network} multiplied at precision {spec.precision}, less than full float32 on {device_name()}: how far the "
        f"number is off, `jaxeval explain` tells with --precision {spec.precision},highest"
    ]
