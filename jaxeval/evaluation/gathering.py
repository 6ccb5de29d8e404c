"""From the sets of a run to their features: each read once for all measures, or taken from a file that keeps them."""

import dataclasses
import time
from collections.abc import Mapping, Sequence

from jaxeval.errors import InputError
from jaxeval.evaluation.copies import Role
from jaxeval.evaluation.jobs import Job, Opened, lacks_rows
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.reading.data_set import DataSet
from jaxeval.evaluation.reading.features import Balls, FeatureSpec, Wanted
from jaxeval.evaluation.reading.kept import Found, KeptSet
from jaxeval.evaluation.reading.reader import Reader, checkpoint_label
from jaxeval.images import ReadReport, SampledSource, Source, remarks
from jaxeval.statistics import FeatureStatistics, statistics_of_features


@dataclasses.dataclass(frozen=True)
class Gathering:
    """How a run comes by the features of its sets.

    Attributes:
      jobs: what is computed of them.
      everything: whether a measure that cannot be computed is left out, and is no error.
      reader: of images.
      fingerprints: of the sources by their id.
      parts: of a source by its id, the images that fill whole batches of so many.
      with_rows: whether the features of generated sets are wanted whatever the measures need.
      limited: whether a limit is put on the images of a set.
    """

    jobs: Sequence[Job]
    everything: bool
    reader: Reader
    fingerprints: Mapping[int, str | None]
    parts: Mapping[tuple[int, int], Source]
    with_rows: bool = False
    limited: bool = False

    @property
    def protocols(self) -> list[str]:
        """Names of those that have something to compute."""
        return list(dict.fromkeys(job.protocol.name for job in self.jobs))

    def data_set(self, opened: Opened, index: int, role: Role) -> DataSet:
        """The run's set of that number.

        Raises:
          InputError: it cannot be read; or it is the reference, from a file, and has not what a measure needs that was
            asked for by name.
        """
        begun = time.perf_counter()
        data = self._kept(opened, index, role) if isinstance(opened, KeptSet) else self._read_of(opened, index, role)
        return dataclasses.replace(data, seconds=time.perf_counter() - begun, balls=self._balls(role))

    def _balls(self, role: Role) -> dict[FeatureSpec, Balls]:
        """Which neighbours all measures want of a set, so that they are searched once."""
        found: dict[FeatureSpec, Balls] = {}
        for job in self.jobs:
            of_reference, of_generated = job.measure.balls(job.protocol)
            balls = {"reference": of_reference, "generated": of_generated}.get(role)
            if balls is not None:
                found[job.spec] = found[job.spec] | balls if job.spec in found else balls
        return found

    def _read_of(self, source: Source, index: int, role: Role) -> DataSet:
        wanted: dict[FeatureSpec, Wanted] = {}
        for job in self.jobs:
            if _takes_part(job.measure, role):
                needed = job.measure.wanted | Wanted(False, self.with_rows)
                wanted[job.spec] = wanted.get(job.spec, Wanted(False, False)) | needed
        return self._read(source, wanted, index)

    def _read(self, source: Source, wanted: Mapping[FeatureSpec, Wanted], index: int) -> DataSet:
        """What is wanted of a source: of all its images, and of those that fill whole batches, each in one reading."""
        batches = {spec.whole_batches for spec in wanted} or {job.spec.whole_batches for job in self.jobs[:1]}
        data: DataSet | None = None
        for batch in sorted(batches, key=lambda batch: batch or 0):  # all images first, where they are wanted
            mine = {spec: what for spec, what in wanted.items() if spec.whole_batches == batch}
            part = source if batch is None else self.parts[id(source), batch]
            label = checkpoint_label(index, source.name) + ("" if batch is None else f"-whole-{batch}")
            found = self.reader.collect(part, mine, fingerprint=self.fingerprints[id(part)], label=label)
            taken = {batch: part.remarks()} if isinstance(part, SampledSource) else {}
            names = self._names(part, found.report) if data is None else ()
            found = dataclasses.replace(found, taken=taken, names=names)
            data = found if data is None else data.with_features_of(found)
        assert data is not None
        return data

    def _names(self, source: Source, report: ReadReport | None) -> Sequence[str]:
        """Names of the images that were read without fault, where a measure needs names."""
        needed = any(job.measure.needs_labels or job.measure.needs_captions for job in self.jobs)
        return self.reader.names(source, report) if needed and report is not None else ()

    def _kept(self, kept: KeptSet, index: int, role: Role) -> DataSet:
        """A set from a file of statistics or features, and from the images in it, if it has any."""
        plan = self._plan(kept, role)
        statistics: dict[FeatureSpec, FeatureStatistics] = {}
        for spec, found in plan.features.items():
            assert found.rows is not None
            if found.statistics is not None and found.statistics.sample is not None:
                statistics[spec] = found.statistics
            elif len(found.rows) > 1:
                statistics[spec] = statistics_of_features(found.rows, kept.name)
        data = DataSet(
            kept.name,
            kept.fingerprint,
            kept.report,
            statistics,
            {spec: found.rows for spec, found in plan.features.items() if found.rows is not None},
            kept.pixels,
            kept.names_at if kept.names else None,
            kept.names,
            kept.sample,
            apart=plan.statistics,
            missing=plan.missing,
            once=plan.once,
        )
        if plan.images:
            assert kept.images is not None
            read = self._read(kept.images, plan.images, index)
            data = dataclasses.replace(
                read,
                name=kept.name,
                statistics={**data.statistics, **read.statistics},
                rows={**data.rows, **read.rows},
                apart=data.apart,
                missing=data.missing,
                once=data.once,
            )
        said = () if data.report is None else remarks(kept.name, data.report)
        warnings = (*kept.warnings(self.protocols), *plan.warnings, *kept.remarks, *said)
        return dataclasses.replace(data, warnings=tuple(dict.fromkeys(warnings)))

    def _plan(self, kept: KeptSet, role: Role) -> "_Plan":
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
            if self.limited:
                plan.warnings.append(f"{kept.name} keeps a mean and a covariance, which no limit changes")
        return plan


@dataclasses.dataclass
class _Plan:
    """What of a kept set serves a run: statistics, features or images by kind of feature, and what it has not."""

    statistics: dict[FeatureSpec, FeatureStatistics] = dataclasses.field(default_factory=dict)
    features: dict[FeatureSpec, Found] = dataclasses.field(default_factory=dict)
    images: dict[FeatureSpec, Wanted] = dataclasses.field(default_factory=dict)
    missing: dict[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    once: dict[tuple[str, FeatureSpec], str] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)


def _takes_part(measure: Measure, role: Role) -> bool:
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
