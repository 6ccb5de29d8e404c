"""One data set read by all processes of a run, with what it takes to go on after a kill.

Each process reads every P-th block of images on its own and exchanges nothing until the end, but for one thing: every
few batches all agree whether to go on, so that an unreadable image or a notice of preemption on one of them ends the
reading on all. A checkpoint that another number of processes has written is shared out among those that there are.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from jaxeval._faults import memory_said
from jaxeval._version import __version__
from jaxeval.distributed import (
    Checkpointer,
    Processes,
    Saved,
    any_process,
    gather_bytes,
    peers,
    sum_over_processes,
    together,
)
from jaxeval.errors import InputError, PreemptedError
from jaxeval.evaluation.reading.batches import Networks, ReadOptions, feature_batches
from jaxeval.evaluation.reading.cache import CacheEntry, FeatureCache
from jaxeval.evaluation.reading.features import FeatureSpec, Rows, Wanted
from jaxeval.evaluation.reading.merging import merge_digests, merge_reports, merge_rows, merge_statistics
from jaxeval.evaluation.reading.state import STATE_FORMAT, RowFiles
from jaxeval.evaluation.reading.state import ReadingState as _State
from jaxeval.images import (
    DECODING_VERSION,
    ChosenPart,
    ReadReport,
    SampledSource,
    Source,
    SourcePart,
    combined_digest,
)
from jaxeval.progress import Progress
from jaxeval.statistics import FeatureStatistics, in_order, too_few_images

__all__ = ["Checkpoints", "DataSet", "Reader", "Wanted", "checkpoint_label", "has_classes", "no_classes"]

# Batches between two agreements to go on: an exchange of three numbers, which should cost nothing beside them.
_ROUND = 8


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Where and how often a run saves what it has.

    Attributes:
      folder: on a file system that all processes see.
      every: batches of each process between two saves.
    """

    folder: Path
    every: int = 100


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What one reading of a source found.

    Attributes:
      statistics: mean and covariance, for the specs that wanted them; none of a single image, which has none.
      rows: the features in the source's order, for the specs that wanted them.
      report: images counted, files skipped with the reason, and notes on conversions.
      pixels: a digest of each item's pixels, in the source's order, zero for those that were skipped.
      cached: whether no image had to be read.
    """

    statistics: Mapping[FeatureSpec, FeatureStatistics]
    rows: Mapping[FeatureSpec, Rows]
    report: ReadReport
    pixels: UInt8[np.ndarray, "m 16"]
    cached: bool = False


@dataclasses.dataclass(frozen=True)
class Reader:
    """How the data sets of a run are read.

    Attributes:
      options: batch size and the like.
      networks: what computes the features.
      cache: of features and statistics; only for a run of one process without checkpoints.
      processes: who shares the work.
      checkpoints: where to save, if anywhere.
      stop: whether the run has been told to end.
      progress: told of every batch.
    """

    options: ReadOptions
    networks: Networks
    cache: FeatureCache | None = None
    processes: Processes = dataclasses.field(default_factory=Processes)
    checkpoints: Checkpoints | None = None
    stop: Callable[[], bool] | None = None
    progress: Progress | None = None

    def fingerprint(self, source: Source) -> str | None:
        """The source's fingerprint, to which each process contributes its share; None where content is not known."""
        if self.processes.count == 1:
            return source.fingerprint()
        share = together(self._share(source).item_digests)
        shares = [_digests(found) for found in gather_bytes(b"" if share is None else share)]
        if share is None:
            return None
        # Process p had items p, p + P, ...: taken in turns they are in the source's order again.
        rows = [row for turn in itertools.zip_longest(*shares) for row in turn if row is not None]
        return combined_digest(b"".join(rows))

    def names(self, source: Source, report: ReadReport) -> list[str]:
        """Name of every image that counted, in the source's order."""
        skipped = {name for name, _ in report.skipped}
        return [item.name for item in source.items() if item.name not in skipped]

    def names_at(self, source: Source, places: Collection[int]) -> list[str]:
        """Names of the items at some places of what is read of a source, skipped ones counted."""
        names = enumerate(itertools.islice(source.names(), max(places, default=-1) + 1))
        found = {place: name for place, name in names if place in places}
        return [found[place] for place in places]

    def collect(
        self, source: Source, wanted: Mapping[FeatureSpec, Wanted], *, fingerprint: str | None, label: str
    ) -> DataSet:
        """All that is wanted of a source, from the cache, from a checkpoint, or from one reading of the images.

        Args:
          source: the whole; each process reads its share.
          wanted: which features and what of them.
          fingerprint: of the source.
          label: of the source in this run, for its checkpoints.

        Raises:
          InputError: an image cannot be read, or a network gives a value that is not finite for it.
          OutOfMemoryError: there is less memory than it takes.
          PreemptedError: the run was told to end; what it had is saved.
        """
        batch, threads = self.options.asked or self.options.batch_size, self.options.threads
        with memory_said(
            f"read {source.name!r} with --batch-size {batch:,}" + (f" and --threads {threads:,}" if threads else ""),
            f"lower {'one of them' if threads else 'it'}, or read fewer images (--limit)",
        ):
            return self._collect(source, wanted, fingerprint=fingerprint, label=label)

    def _collect(
        self, source: Source, wanted: Mapping[FeatureSpec, Wanted], *, fingerprint: str | None, label: str
    ) -> DataSet:
        if self.cache is not None:
            return self._collect_cached(source, dict(wanted), fingerprint, self.cache)
        if self.checkpoints is None:
            return self._merged(source, self._read(source, wanted, None, None), wanted)
        folder = self.checkpoints.folder / label
        configuration = self._configuration(source, wanted, fingerprint)
        checkpointer = Checkpointer(folder, configuration)
        try:
            return self._merged(source, self._read(source, wanted, checkpointer, RowFiles(folder, wanted)), wanted)
        finally:
            checkpointer.close()

    def _read(
        self,
        source: Source,
        wanted: Mapping[FeatureSpec, Wanted],
        checkpointer: Checkpointer | None,
        files: RowFiles | None,
    ) -> _State:
        """This process's share, from where a checkpoint left it."""
        index, count = self.processes.index, self.processes.count
        state = _State(source.name, wanted, len(source), index, count, files)
        saved = None if checkpointer is None else checkpointer.restore_saved()
        if saved is not None:
            self._together(lambda: state.restore(saved))
            self._note_saved(state)
        if self.progress is not None:
            self.progress.begin(source.name, len(state.places))
            self.progress.advance(state.position)
        if not state.finished:
            self._read_on(source, state, checkpointer)
        if self.progress is not None:
            self.progress.end(_summary(state, saved))
        return state

    def _read_on(self, source: Source, state: _State, checkpointer: Checkpointer | None) -> None:
        every = self.checkpoints.every if self.checkpoints is not None else 0
        round_size = min(_ROUND, every) if every else _ROUND
        base = state.position
        report = state.report()
        batches = feature_batches(
            self._rest(source, state),
            state.specs,
            self.options,
            self.networks,
            report=report,
            progress=self.progress,
            # None is no error where others have the rest, or where nothing was left after the checkpoint.
            empty_ok=self.processes.count > 1 or base > 0,
        )

        def read_some() -> bool:
            for _ in range(round_size):
                batch = next(batches, None)
                if batch is None:
                    state.end(report, with_notes=self.processes.writes)
                    return False
                state.add(batch, base, report)
                if self._told_to_stop():
                    break
            return True

        unsaved = 0
        with contextlib.closing(batches):
            while not state.finished:
                more = self._together(read_some if not state.exhausted else bool)
                unsaved += round_size
                more, stop = self._any_process(more, self._told_to_stop())
                state.finished = not more
                if checkpointer is not None and (unsaved >= every or stop or state.finished):
                    checkpointer.save(state.to_bytes())
                    self._note_saved(state)
                    unsaved = 0
                if stop and not state.finished:
                    raise self._preempted(state, checkpointer)

    def _rest(self, source: Source, state: _State) -> Source:
        """What this process has still to read."""
        if np.array_equal(state.places, np.arange(len(source))):
            return SourcePart(source, start=state.position)
        noted = state.noted or not self.processes.writes
        return ChosenPart(source, state.places[state.position :], with_notes=not noted)

    def _note_saved(self, state: _State) -> None:
        """For the sentence of a run that ends because another process has gone."""
        if self.checkpoints is not None and self.processes.count > 1:
            images = int(sum_over_processes(np.asarray(float(state.position))))
            peers.saved = f"{images:,} images of {state.name!r} are saved in {str(self.checkpoints.folder)!r}"

    def _share(self, source: Source) -> SourcePart:
        """The items whose content this process looks at for the fingerprint: every P-th."""
        index, count = self.processes.index, self.processes.count
        return SourcePart(source, start=index, step=count, with_notes=index == 0)

    def _together(self, work: Callable[[], Any]) -> Any:
        # A program of several processes may evaluate on one of them alone, without the others taking part.
        return work() if self.processes.count == 1 else together(work)

    def _any_process(self, *conditions: bool) -> tuple[bool, ...]:
        return conditions if self.processes.count == 1 else any_process(*conditions)

    def _told_to_stop(self) -> bool:
        return self.stop is not None and self.stop()

    def _preempted(self, state: _State, checkpointer: Checkpointer | None) -> PreemptedError:
        images = f"{state.position:,} images of {state.name!r}"
        if checkpointer is None or self.checkpoints is None:
            return PreemptedError(f"told to end after {images}; with --checkpoint the next run would go on from there")
        error = PreemptedError(
            f"told to end after {images}, which are saved in {str(self.checkpoints.folder)!r}; "
            "give the same command again to go on"
        )
        error.said_elsewhere = not self.processes.writes
        return error

    def _merged(self, source: Source, state: _State, wanted: Mapping[FeatureSpec, Wanted]) -> DataSet:
        alone = self.processes.count == 1
        report = state.report() if alone else merge_reports(state.report())
        if report.count == 0:
            first = f"; the first: {report.skipped[0][1]}" if report.skipped else ""
            raise InputError(f"none of the {len(report.skipped)} images of {source.name!r} could be read{first}")
        pixels = (in_order if alone else merge_digests)(state.digests, state.places)
        statistics, rows = {}, {}
        for spec, what in wanted.items():
            if what.statistics and report.count > 1:
                accumulator = state.accumulators[spec]
                found = accumulator.finish() if alone else merge_statistics(accumulator, source.name)
                statistics[spec] = dataclasses.replace(found, pixels=pixels)
            if what.rows:
                stored = state.rows[spec].rows()
                stored = (in_order if alone else merge_rows)(stored, state.row_places())
                rows[spec] = stored
        return DataSet(statistics, rows, report, pixels)

    def _configuration(
        self, source: Source, wanted: Mapping[FeatureSpec, Wanted], fingerprint: str | None
    ) -> dict[str, Any]:
        """What a checkpoint must have in common with the run that goes on with it."""
        data = f"{source.name}, {len(source)} images" if fingerprint is None else fingerprint
        return {
            "data": data,
            "decoding": DECODING_VERSION,
            "features": [spec.identity() | dataclasses.asdict(what) for spec, what in wanted.items()],
            "limit": source.describe() if isinstance(source, SampledSource) else None,
            "batch size": self.options.asked,
            "on_error": self.options.on_error,
            "format": STATE_FORMAT,
            "versions": {"jaxeval": __version__, "jax": jax.__version__},
        }

    def _collect_cached(
        self,
        source: Source,
        wanted: dict[FeatureSpec, Wanted],
        fingerprint: str | None,
        cache: FeatureCache,
    ) -> DataSet:
        identities = {
            # A user's function that does not say what it is could have changed since yesterday.
            spec: cache_identity(spec, self.options, fingerprint)
            for spec in wanted
            if fingerprint is not None and spec.extractor.fingerprint is not None and len(source) > 1
        }
        statistics: dict[FeatureSpec, FeatureStatistics] = {}
        rows: dict[FeatureSpec, Rows] = {}
        report: ReadReport | None = None
        pixels: np.ndarray | None = None
        for spec, identity in identities.items():
            found = _kept(cache.load(identity), wanted[spec])
            if found is None:
                continue
            entry, kept_rows = found
            statistics[spec], report = entry.statistics, ReadReport.from_plain(entry.report)
            pixels = entry.statistics.pixels
            if kept_rows is not None:
                rows[spec] = kept_rows
        missing = {spec: what for spec, what in wanted.items() if spec not in statistics}
        if not missing and report is not None and pixels is not None:
            if self.progress is not None:
                self.progress.begin(source.name, report.count)
                self.progress.end("from the cache")
            return DataSet(statistics, rows, report, pixels, cached=True)
        with contextlib.ExitStack() as stack:
            writers = {
                spec: stack.enter_context(cache.writer(identity))
                for spec, identity in identities.items()
                if spec in missing
            }
            # An entry has both, whatever is wanted today; its rows go to the disk and not through memory.
            needed = {spec: Wanted(True, what.rows and spec not in writers) for spec, what in missing.items()}
            state = _State(source.name, needed, len(source), writers=writers)
            if self.progress is not None:
                self.progress.begin(source.name, len(source))
            self._read_on(source, state, None)
            if self.progress is not None:
                self.progress.end(_summary(state, None))
            found = self._merged(source, state, needed)
            for spec, writer in writers.items():
                if spec not in found.statistics:
                    raise too_few_images(source.name, found.report.count)
                writer.commit(found.statistics[spec], dataclasses.asdict(found.report))
                entry = cache.load(identities[spec]) if wanted[spec].rows else None
                kept_rows = None if entry is None else entry.features()
                if kept_rows is not None:
                    rows[spec] = kept_rows
        return DataSet(statistics | dict(found.statistics), rows | dict(found.rows), found.report, found.pixels)


def cache_identity(spec: FeatureSpec, options: ReadOptions, fingerprint: str | None) -> dict[str, Any]:
    """What decides the content of a cache entry: the images that are read, a sample or all, and the features."""
    return {"data": fingerprint, "decoding": DECODING_VERSION, "on_error": options.on_error} | spec.identity()


def checkpoint_label(index: int, name: str) -> str:
    """Name of the folder with the checkpoints of one of a run's data sets: told apart by number, and readable."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:]
    return f"{index:03d}-{readable or 'images'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def has_classes(source: Source) -> bool:
    """Whether the source's first image lies in a folder, which then names its class."""
    first = next(iter(source.items()), None)
    return first is not None and PurePosixPath(first.name).parent.as_posix() != "."


def no_classes(name: str) -> str:
    """Why there are no classes, and how there could be."""
    return f"{name!r} has no classes; put the images of each class into a folder of its own, which then names the class"


def _digests(content: bytes) -> list[bytes]:
    return [content[start : start + 32] for start in range(0, len(content), 32)]


def _kept(entry: CacheEntry | None, what: Wanted) -> tuple[CacheEntry, Rows | None] | None:
    """The entry and its rows, if it has all that is wanted."""
    if entry is None or not what.rows:
        return None if entry is None else (entry, None)
    rows = entry.features()
    return None if rows is None else (entry, rows)


def _summary(state: _State, saved: Saved | None) -> str:
    skipped = len(state.report().skipped)
    resumed = "resumed from a checkpoint"
    if saved is not None and saved.processes != state.processes:
        resumed += f" of {saved.processes} process{'es'[: 2 * (saved.processes != 1)]}"
    return ", ".join([*([f"{skipped:,} skipped"] if skipped else []), *([] if saved is None else [resumed])])
