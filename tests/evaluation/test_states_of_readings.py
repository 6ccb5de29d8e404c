"""What processes have read of a set: any number of others take it over at any point, and go on to the same bits."""

from pathlib import Path

import numpy as np
import pytest
from feature_rows import rows_of, same

from jaxeval.distributed import Saved
from jaxeval.evaluation.reading.batches import FeatureBatch
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted
from jaxeval.evaluation.reading.state import ReadingState, RowFiles
from jaxeval.extractors import load_extractor
from jaxeval.images import Preparation, ReadReport
from jaxeval.statistics import StatisticsAccumulator, block_size, in_order

LENGTH = 333


class Simulated:
    """Processes that share a source of rows, in steps of a few images, and save to bytes."""

    def __init__(self, processes: int, folder: Path, saved: list[bytes] | None = None):
        network = load_extractor("pixels")
        self.spec = FeatureSpec(network, network.default_tap, Preparation(), network.normalisation)
        wanted = {self.spec: Wanted(statistics=True, rows=True)}
        self.states = [
            ReadingState("x", wanted, LENGTH, index, processes, RowFiles(folder, wanted)) for index in range(processes)
        ]
        if saved is not None:
            for index, state in enumerate(self.states):
                own = saved if len(saved) != processes else saved[index : index + 1]
                state.restore(Saved(tuple(own), len(saved)))
        self.rows, self.bases = rows_of(LENGTH, 20), [state.position for state in self.states]

    def step(self, index: int, images: int) -> None:
        state, base = self.states[index], self.bases[index]
        within = np.arange(state.position, min(state.position + images, len(state.places)))
        places = state.places[within]
        skipped = places % 10 == 3
        report = ReadReport(int((~skipped).sum()), [(str(place), "broken") for place in places[skipped]])
        digests = np.repeat(places[~skipped, None] % 251, 16, axis=1).astype(np.uint8)
        batch = FeatureBatch(
            {self.spec: self.rows[places[~skipped]]},
            within[~skipped] - base,
            digests,
            report,
        )
        state.add(batch, base)

    def saved(self) -> list[bytes]:
        return [state.to_bytes() for state in self.states]


@pytest.mark.parametrize("numbers", [(3, 2, 4, 1), (1, 4, 4, 2), (2, 5, 1, 3), (7, 1, 6, 2), (4, 3, 2, 1)])
def test_states_are_taken_over_by_any_number_of_processes(tmp_path, numbers):
    rng = np.random.default_rng(sum(numbers))
    saved, run = None, None
    for turn, processes in enumerate(numbers):
        run = Simulated(processes, tmp_path, saved)
        for index in range(processes):
            for _ in range(rng.integers(1, 4)):
                run.step(index, int(rng.integers(1, 30)))
        if turn < len(numbers) - 1:
            saved = run.saved()
    assert run is not None
    for index, state in enumerate(run.states):
        while state.position < len(state.places):
            run.step(index, 9)
    places = np.concatenate([state.places for state in run.states])
    np.testing.assert_array_equal(np.sort(places), np.arange(LENGTH))
    kept = np.arange(LENGTH)[np.arange(LENGTH) % 10 != 3]
    row_places = np.concatenate([state.row_places() for state in run.states])
    rows = in_order(np.concatenate([state.rows[run.spec].rows() for state in run.states]), row_places)
    np.testing.assert_array_equal(rows, run.rows[kept])
    digests = in_order(np.concatenate([state.digests for state in run.states]), places)
    np.testing.assert_array_equal(digests[:, 0], np.where(np.arange(LENGTH) % 10 == 3, 0, np.arange(LENGTH) % 251))
    assert sum(len(state.report.skipped) for state in run.states) == LENGTH // 10
    together, expected = (StatisticsAccumulator("x", block_size(LENGTH)) for _ in range(2))
    for state in run.states:
        together.absorb(state.accumulators[run.spec].state())
    expected.add(run.rows[kept], None, kept)
    assert same(together, expected)
