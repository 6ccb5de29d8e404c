"""One data set read by all processes of a run, with what it takes to go on after a kill.

Each process reads every P-th block of images on its own and exchanges nothing until the end, but for one thing: every
few batches all agree whether to go on, so that an unreadable image or a notice of preemption on one of them ends the
reading on all. A checkpoint that another number of processes has written is shared out among those that there are.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import re
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

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
from jaxeval.evaluation.reading.cache import CacheEntry, CacheWriter, FeatureCache
from jaxeval.evaluation.reading.data_set import DataSet
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted
from jaxeval.evaluation.reading.merging import merge_digests, merge_reports, merge_rows, merge_statistics
from jaxeval.evaluation.reading.state import STATE_FORMAT, ReadingState, RowFiles
from jaxeval.images import (
    DECODING_VERSION,
    ChosenPart,
    ReadReport,
    SampledSource,
    Source,
    SourcePart,
    combined_digest,
    remarks,
)
from jaxeval.progress import Progress
from jaxeval.statistics import in_order, too_few_images

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
        begun = time.perf_counter()
        identities = self._cache_identities(source, wanted, fingerprint)
        kept = {
            spec: entry
            for spec, identity in identities.items()
            if self.cache is not None and (entry := self.cache.load(identity, with_rows=wanted[spec].rows)) is not None
        }
        if kept and len(kept) == len(wanted):
            data = self._from_cache(source, kept)
        else:
            missing = {spec: what for spec, what in wanted.items() if spec not in kept}
            to_keep = {spec: identity for spec, identity in identities.items() if spec in missing}
            data = self._read_and_kept(source, missing, to_keep, fingerprint, label)
        sampled = source if isinstance(source, SampledSource) else None
        assert data.report is not None
        return dataclasses.replace(
            data,
            fingerprint=fingerprint,
            statistics={**{spec: entry.statistics for spec, entry in kept.items()}, **data.statistics},
            rows={**{spec: entry.rows for spec, entry in kept.items() if entry.rows is not None}, **data.rows},
            names_at=functools.partial(self.names_at, source),
            sample=None if sampled is None else sampled.describe(),
            seconds=time.perf_counter() - begun,
            warnings=tuple(remarks(source.name, data.report)),
        )

    def _cache_identities(
        self, source: Source, wanted: Mapping[FeatureSpec, Wanted], fingerprint: str | None
    ) -> dict[FeatureSpec, dict[str, Any]]:
        """What the cache knows each feature by, for those that can be kept in it."""
        if self.cache is None or fingerprint is None or len(source) < 2:
            return {}
        # A user's function that does not say what it is could have changed since yesterday.
        lasting = [spec for spec in wanted if spec.extractor.fingerprint is not None]
        return {spec: cache_identity(spec, self.options, fingerprint) for spec in lasting}

    def _from_cache(self, source: Source, kept: Mapping[FeatureSpec, CacheEntry]) -> DataSet:
        """A set of whose images none has to be read."""
        last = list(kept.values())[-1]
        report = ReadReport.from_plain(last.report)
        if self.progress is not None:
            self.progress.begin(source.name, report.count)
            self.progress.end("from the cache")
        return DataSet(source.name, None, report, {}, pixels=last.statistics.pixels, cached=True)

    def _read_and_kept(
        self,
        source: Source,
        wanted: Mapping[FeatureSpec, Wanted],
        identities: Mapping[FeatureSpec, dict[str, Any]],
        fingerprint: str | None,
        label: str,
    ) -> DataSet:
        """One reading of the images: into statistics and rows, into the cache, and saved on the way."""
        with contextlib.ExitStack() as stack:
            writers: Mapping[FeatureSpec, CacheWriter] = {}
            checkpointer, files = None, None
            if self.cache is not None:
                writers = {spec: stack.enter_context(self.cache.writer(one)) for spec, one in identities.items()}
            # An entry has both, whatever is wanted today; its rows go to the disk and not through memory.
            needed = {spec: Wanted(True, False) if spec in writers else what for spec, what in wanted.items()}
            if self.checkpoints is not None:
                folder = self.checkpoints.folder / label
                files = RowFiles(folder, needed)
                checkpointer = Checkpointer(folder, self._configuration(source, needed, fingerprint))
                stack.callback(checkpointer.close)
            data = self._merged(source, self._read(source, needed, checkpointer, files, writers), needed)
            rows, report = dict(data.rows), data.report
            assert report is not None
            for spec, writer in writers.items():
                if spec not in data.statistics:
                    raise too_few_images(source.name, report.count)
                written = writer.commit(data.statistics[spec], dataclasses.asdict(report))
                if wanted[spec].rows:
                    rows[spec] = written
            return dataclasses.replace(data, rows=rows)

    def _read(
        self,
        source: Source,
        wanted: Mapping[FeatureSpec, Wanted],
        checkpointer: Checkpointer | None,
        files: RowFiles | None,
        writers: Mapping[FeatureSpec, CacheWriter],
    ) -> ReadingState:
        """This process's share, from where a checkpoint left it."""
        index, count = self.processes.index, self.processes.count
        state = ReadingState(source.name, wanted, len(source), index, count, files, writers)
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

    def _read_on(self, source: Source, state: ReadingState, checkpointer: Checkpointer | None) -> None:
        every = self.checkpoints.every if self.checkpoints is not None else 0
        round_size = min(_ROUND, every) if every else _ROUND
        base = state.position
        batches = feature_batches(
            self._rest(source, state),
            state.specs,
            self.options,
            self.networks,
            progress=self.progress,
            # None is no error where others have the rest, or where nothing was left after the checkpoint.
            empty_ok=self.processes.count > 1 or base > 0,
        )

        def read_some() -> bool:
            for _ in range(round_size):
                try:
                    batch = next(batches)
                except StopIteration as end:
                    state.end(end.value, with_notes=self.processes.writes)
                    return False
                state.add(batch, base)
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

    def _rest(self, source: Source, state: ReadingState) -> Source:
        """What this process has still to read."""
        if np.array_equal(state.places, np.arange(len(source))):
            return SourcePart(source, start=state.position)
        noted = state.noted or not self.processes.writes
        return ChosenPart(source, state.places[state.position :], with_notes=not noted)

    def _note_saved(self, state: ReadingState) -> None:
        """Notes what is saved, for the sentence of a run that ends because another process has gone."""
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

    def _preempted(self, state: ReadingState, checkpointer: Checkpointer | None) -> PreemptedError:
        images = f"{state.position:,} images of {state.name!r}"
        if checkpointer is None or self.checkpoints is None:
            return PreemptedError(f"told to end after {images}; with --checkpoint the next run would go on from there")
        error = PreemptedError(
            f"told to end after {images}, which are saved in {str(self.checkpoints.folder)!r}; "
            "give the same command again to go on"
        )
        error.said_elsewhere = not self.processes.writes
        return error

    def _merged(self, source: Source, state: ReadingState, wanted: Mapping[FeatureSpec, Wanted]) -> DataSet:
        alone = self.processes.count == 1
        report = state.report if alone else merge_reports(state.report)
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
        return DataSet(source.name, None, report, statistics, rows, pixels)

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


def cache_identity(spec: FeatureSpec, options: ReadOptions, fingerprint: str | None) -> dict[str, Any]:
    """What decides the content of a cache entry: the images that are read, a sample or all, and the features."""
    return {"data": fingerprint, "decoding": DECODING_VERSION, "on_error": options.on_error} | spec.identity()


def checkpoint_label(index: int, name: str) -> str:
    """Name of the folder with the checkpoints of one of a run's data sets: told apart by number, and readable."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:]
    return f"{index:03d}-{readable or 'images'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _digests(content: bytes) -> list[bytes]:
    return [content[start : start + 32] for start in range(0, len(content), 32)]


def _summary(state: ReadingState, saved: Saved | None) -> str:
    skipped = len(state.report.skipped)
    resumed = "resumed from a checkpoint"
    if saved is not None and saved.processes != state.processes:
        resumed += f" of {saved.processes} process{'es'[: 2 * (saved.processes != 1)]}"
    return ", ".join([*([f"{skipped:,} skipped"] if skipped else []), *([] if saved is None else [resumed])])
