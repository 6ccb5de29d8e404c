"""What one process has found in its share of a data set so far, as a checkpoint keeps it.

A share is a list of places in the source. It starts as every P-th block; a run that goes on with another number of
processes shares out the states that there are, and the blocks that nobody has begun.
"""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxeval.distributed import Saved
from jaxeval.evaluation.reading.batches import FeatureBatch
from jaxeval.evaluation.reading.cache import CacheWriter
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted
from jaxeval.evaluation.reading.row_store import RowStore
from jaxeval.images import DIGEST_BYTES, ReadReport
from jaxeval.statistics import SAMPLE, StatisticsAccumulator, block_size, blocks_of

STATE_FORMAT = 3
"""Of what `ReadingState.to_bytes` gives."""


@dataclasses.dataclass(frozen=True)
class RowFiles:
    """Where the processes of a run keep their rows.

    Attributes:
      folder: that all processes see.
      wanted: what is kept of each kind of feature.
    """

    folder: Path
    wanted: Mapping[FeatureSpec, Wanted]

    def path(self, spec: FeatureSpec, process: int) -> Path:
        """The file of one process's rows of one kind."""
        return self.folder / f"rows-{list(self.wanted).index(spec)}-process-{process}.f32"


class ReadingState:
    """What this process has found so far in a source.

    Args:
      name: of the source.
      wanted: which features and what of them.
      length: items in the source.
      index: of this process.
      processes: how many share the source.
      files: for the rows, in the place of memory.
      writers: of cache entries, which get all rows too.
    """

    def __init__(
        self,
        name: str,
        wanted: Mapping[FeatureSpec, Wanted],
        length: int,
        index: int = 0,
        processes: int = 1,
        files: RowFiles | None = None,
        writers: Mapping[FeatureSpec, CacheWriter] | None = None,
    ):
        self.name = name
        self.processes = processes
        self.specs = tuple(wanted)
        self.places = blocks_of(length, index, processes)
        """Of the share's items in the source: those that were read, in their order, and those still to be read."""
        self._block = block_size(length)
        self._every = -(-length // SAMPLE)
        self.accumulators = {
            spec: StatisticsAccumulator(name, self._block) for spec, what in wanted.items() if what.statistics
        }
        self._index, self._files = index, files
        self.rows = {
            spec: RowStore(length, None if files is None else files.path(spec, index))
            for spec, what in wanted.items()
            if what.rows
        }
        self.finished = False
        """Whether all processes have read their shares."""
        self.exhausted = False
        """Whether this process has."""
        self.noted = False
        """Whether what the source as a whole left out is in the report."""
        self.digests = np.zeros((len(self.places), DIGEST_BYTES), np.uint8)
        """Of the pixels of each item of the share; zero for those that were skipped or are still to be read."""
        self._writers = {} if writers is None else writers
        self._report = ReadReport()
        self._indices: list[np.ndarray] = []

    @property
    def position(self) -> int:
        """Items of the share that have been read, skipped ones included."""
        return self._report.count + len(self._report.skipped)

    @property
    def report(self) -> ReadReport:
        """The report of the reading so far."""
        return self._report

    def row_places(self) -> Int[np.ndarray, " n"]:
        """Place in the source of every row."""
        return np.concatenate(self._indices) if self._indices else np.zeros(0, np.int64)

    def add(self, batch: FeatureBatch, base: int) -> None:
        """Takes a batch; `base` is the place in the share of the first item that its reading had."""
        within = base + batch.indices.astype(np.int64)
        places = self.places[within]
        self.digests[within] = batch.digests
        for spec, values in batch.rows.items():
            if spec in self.accumulators:
                self.accumulators[spec].add(values, places % self._every == 0, places)
            if spec in self.rows:
                self.rows[spec].add(values)
            if spec in self._writers:
                self._writers[spec].add(values)
        if self.rows:
            self._indices.append(places)
        self._report.merge(batch.report)

    def end(self, rest: ReadReport, *, with_notes: bool) -> None:
        """The share is exhausted, `rest` being what no batch had, `with_notes` on the source as a whole or not."""
        self._report.merge(rest)
        self.exhausted = True
        self.noted |= with_notes

    def to_bytes(self) -> bytes:
        """All of it, once the rows that are kept in files are safe on the disk."""
        arrays: dict[str, np.ndarray] = {"digests": self.digests[: self.position], "places": self.places}
        kept = {}
        for number, spec in enumerate(self.specs):
            if spec in self.accumulators:
                state = self.accumulators[spec].state()
                arrays |= {f"{number}/{key}": value for key, value in state.items()}
            if spec in self.rows:
                self.rows[spec].flush()
                rows = self.rows[spec].rows()
                kept[str(number)] = list(rows.shape)
        if self.rows:
            arrays["indices"] = self.row_places()
        record = {
            "report": dataclasses.asdict(self._report),
            "finished": self.finished,
            "exhausted": self.exhausted,
            "noted": self.noted,
            "rows": kept,
        }
        buffer = io.BytesIO()
        np.savez(buffer, record=np.asarray(json.dumps(record)), **arrays)  # pyright: ignore[reportArgumentType]
        return buffer.getvalue()

    def restore(self, saved: Saved) -> None:
        """Takes this process's part of what a checkpoint has; nothing was read before.

        Raises:
          InputError: the files of rows are not there any more.
        """
        states = [_Loaded.of(content) for content in saved.states]
        alone = len(states) == 1 and saved.processes == self.processes
        numbers = [self._index] if alone else list(range(saved.processes))
        numbered = zip(numbers, states, strict=True)
        mine = [(number, state) for number, state in numbered if number % self.processes == self._index]
        for number, state in mine:
            self._absorb(number, state)
        begun = [(state.places[: state.position], state.places[state.position :]) for state in states]
        to_read = begun[0][1] if alone else _share_out(begun, self._block, self._index, self.processes)
        done = [state.places[: state.position] for _, state in mine]
        self.places = np.concatenate([*done, to_read]).astype(np.int64)
        digests = np.zeros((len(self.places), DIGEST_BYTES), np.uint8)
        if mine:
            digests[: len(self.places) - len(to_read)] = np.concatenate([state.arrays["digests"] for _, state in mine])
        self.digests = digests
        self.finished = all(state.record["finished"] for state in states)
        # To be found out by reading where nothing is left but notes on the source.
        self.exhausted = alone and bool(states[0].record["exhausted"])

    def _absorb(self, number: int, state: "_Loaded") -> None:
        """Takes what the process of that number had found."""
        for place, spec in enumerate(self.specs):
            prefix = f"{place}/"
            if spec in self.accumulators:
                self.accumulators[spec].absorb(
                    {key.removeprefix(prefix): value for key, value in state.arrays.items() if key.startswith(prefix)}
                )
            if spec in self.rows and self._files is not None:
                count, size = state.record["rows"][str(place)]
                if number == self._index:
                    self.rows[spec].keep(count, size)
                elif count:
                    self.rows[spec].add_file(self._files.path(spec, number), count, size)
        if self.rows:
            self._indices.append(state.arrays["indices"])
        self._report.merge(ReadReport.from_plain(state.record["report"]))
        self.noted |= bool(state.record["noted"])


@dataclasses.dataclass(frozen=True)
class _Loaded:
    """A state that `to_bytes` has written."""

    record: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @staticmethod
    def of(content: bytes) -> "_Loaded":
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        return _Loaded(json.loads(str(arrays.pop("record")[()])), arrays)

    @property
    def places(self) -> Int[np.ndarray, " n"]:
        return self.arrays["places"]

    @property
    def position(self) -> int:
        return len(self.arrays["digests"])


def _share_out(
    shares: Sequence[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]], block: int, index: int, processes: int
) -> Int[np.ndarray, " n"]:
    """Places that are left for one of so many processes, ascending.

    Args:
      shares: of the processes that were: the places that were read, and those that were not.
      block: images in a block. The rest of one that was begun goes with the rows that there are of it.
      index: of the process.
      processes: how many there are.
    """
    own, free = [], []
    for number, (done, rest) in enumerate(shares):
        begun = np.isin(rest // block, np.unique(done // block))
        free.append(rest[~begun])
        if number % processes == index:
            own.append(rest[begun])
    untouched = np.sort(np.concatenate(free))
    blocks = np.unique(untouched // block)
    dealt = untouched[np.isin(untouched // block, blocks[processes - 1 - index :: processes])]
    return np.sort(np.concatenate([*own, dealt]))
