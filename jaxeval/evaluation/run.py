"""How the sets of a run become results: numbers and differences, with what a reader should know of them."""

import dataclasses
import datetime
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from jaxeval._faults import reason_of
from jaxeval.errors import InputError, JaxevalError
from jaxeval.evaluation.comparing import Difference, contrasts_of, difference_of
from jaxeval.evaluation.copies import CopyFinder, ImageSet, Role
from jaxeval.evaluation.departures import departures
from jaxeval.evaluation.jobs import Job, NotComputed
from jaxeval.evaluation.measures.measure import Contrast, Measure, Number, Pair
from jaxeval.evaluation.reading.data_set import DataSet
from jaxeval.evaluation.reading.features import FeatureSpec
from jaxeval.evaluation.reading.reader import Reader
from jaxeval.evaluation.results import Result
from jaxeval.extractors import Clip, Precision
from jaxeval.images import contrasts
from jaxeval.records import device_name, versions
from jaxeval.statistics import too_few_images

_Found = TypeVar("_Found")

_PROMPT = "A photo depicts "  # CLIPScore's, before every caption


@dataclasses.dataclass(frozen=True)
class Run:
    """What stays the same from one data set of a run to the next."""

    jobs: Sequence[Job]
    everything: bool
    reader: Reader
    seed: int
    captions: Mapping[str, str] | None = None
    set_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    precision: Precision = "highest"
    copies: CopyFinder = dataclasses.field(default_factory=CopyFinder)
    image_sets: dict[int, tuple[DataSet, ImageSet]] = dataclasses.field(default_factory=dict)

    def results(
        self, reference: DataSet, generated: DataSet, held_out: DataSet | None
    ) -> Iterator[tuple[list[Result], list[NotComputed]]]:
        """Every number of a pair of data sets, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, generated)
        for job in self._watched_jobs(generated.name, (reference, generated)):
            yield self._attempt(job, generated.name, lambda job=job: self._results(job, reference, generated, held_out))

    def differences(
        self, reference: DataSet, first: DataSet, second: DataSet, held_out: DataSet | None
    ) -> Iterator[tuple[list[Difference], list[NotComputed]]]:
        """Every number of two generators and how far they differ, measure by measure, and those that cannot be had."""
        self._look_for_copies(reference, held_out, first, second)
        both = f"{first.name} and {second.name}"
        for job in self._watched_jobs(both, (reference, first, second)):
            yield self._attempt(job, both, lambda job=job: self._differences(job, reference, first, second, held_out))

    def remarks(self, reference: DataSet, generated: DataSet, jobs: Sequence[Job]) -> list[str]:
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

    def _look_for_copies(self, reference: DataSet, held_out: DataSet | None, *generated: DataSet) -> None:
        """Looks for copies in all sets that have not been looked at yet."""
        sides: list[tuple[DataSet | None, Role]] = [(reference, "reference"), (held_out, "held out")]
        for side in generated:
            sides.append((side, "generated"))
        for side, role in sides:
            if side is not None and id(side) not in self.image_sets:
                images = ImageSet(side.name, role, side.pixels, side.rows, side.names_at, side.fingerprint)
                self.image_sets[id(side)] = side, images  # the side too, so that its id stays its own
                self.copies.add(images)

    def _watched_jobs(self, name: str, sides: Sequence[DataSet]) -> Iterator[Job]:
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
        self, job: Job, reference: DataSet, first: DataSet, second: DataSet, held_out: DataSet | None
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
        self, job: Job, reference: DataSet, generated: DataSet, held_out: DataSet | None
    ) -> tuple[list[Result], list[NotComputed]]:
        (pair,) = self._pairs(job, reference, (generated,), held_out)
        found, undefined = self._results_of(job, pair, reference, generated, held_out)
        return [result for _, result in found.values()], undefined

    def _results_of(
        self, job: Job, pair: Pair, reference: DataSet, generated: DataSet, held_out: DataSet | None
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

    def _pairs(
        self, job: Job, reference: DataSet, generated: Sequence[DataSet], held_out: DataSet | None
    ) -> list[Pair]:
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
                features = job.features(side)
                count = features.count() if side.report is None else side.report.count
                if features.statistics is None and count is not None and count < 2:
                    raise too_few_images(side.name, count)
        sizes = [job.feature_size(side) for side in (reference, *generated)]
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
            labels = [None if own is None else own[: job.count(side)] for own, side in zip(labels, sides, strict=True)]
        ours = job.features(reference, labels[0], None, classes)
        unseen = None if held_out is None else job.features(held_out)
        return [
            Pair(
                ours,
                job.features(side, own, self._texts(job, side), classes),
                unseen,
                job.protocol,
                self.seed,
                family=spec.extractor.family,
            )
            for side, own in zip(generated, labels[1:], strict=True)
        ]

    def _texts(self, job: Job, side: DataSet) -> np.ndarray | None:
        """Embeddings of the captions of a side's images, where a measure needs them."""
        if not job.measure.needs_captions:
            return None
        assert self.captions is not None
        assert isinstance(job.spec.extractor, Clip)
        names = side.names[: job.count(side)]
        missing = [name for name in names if name not in self.captions]
        if missing:
            raise InputError(
                f"{missing[0]!r} of {side.name!r} has no caption, nor have {len(missing) - 1} others; names in the "
                "file of captions are those within the set"
            )
        texts = [_PROMPT + self.captions[name] for name in names]
        return np.asarray(job.spec.extractor.text_embeddings(texts, precision=job.spec.precision))

    def _result(
        self, job: Job, number: Number, warnings: tuple[str, ...], reference: DataSet, generated: DataSet
    ) -> Result:
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
            n_reference=job.count(reference),
            n_generated=job.count(generated),
            skipped_reference=0 if reference.report is None else len(reference.report.skipped),
            skipped_generated=0 if generated.report is None else len(generated.report.skipped),
            feature_size=job.feature_size(generated) or 0,
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

    def _warnings(self, job: Job, reference: DataSet, generated: DataSet, held_out: DataSet | None) -> Iterator[str]:
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
        self, sets: Sequence[DataSet], held_out: DataSet | None, without: Sequence[NotComputed], started: float
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


def _labels(*sides: DataSet) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Names of the classes of all sides, and each side's classes as integers that mean the same."""
    classes = [side.classes() for side in sides]
    names, numbers = np.unique(np.concatenate(classes), return_inverse=True)
    return tuple(map(str, names)), np.split(numbers, np.cumsum([len(part) for part in classes])[:-1])


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
