"""Blocks of images: their sums have one value whatever the order, and a share can be taken over at any point."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.distributed import Saved
from jaxeval.evaluation.reading.batches import FeatureBatch
from jaxeval.evaluation.reading.block_sums import BlockSums, block_size, blocks_of, moments_of_blocks
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted
from jaxeval.evaluation.reading.state import ReadingState, RowFiles
from jaxeval.evaluation.reading.statistics import StatisticsAccumulator, in_order
from jaxeval.extractors import load_extractor
from jaxeval.images import Preparation, ReadReport


def rows_of(count: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(count + size)
    return (100.0 + rng.standard_normal((count, size)) * 10.0 ** rng.uniform(-3, 0, size)).astype(np.float32)


def sums_of(rows: np.ndarray, block: int, order: np.ndarray) -> BlockSums:
    found = BlockSums()
    for number in order.tolist():
        found.add(number, rows[number * block : (number + 1) * block])
    return found


def test_the_order_of_blocks_and_their_owners_leave_no_trace():
    rows, block, rng = rows_of(1000, 40), 16, np.random.default_rng(1)
    numbers = np.arange(-(-len(rows) // block))
    first = sums_of(rows, block, numbers).moments()
    assert first is not None
    for owners in (1, 2, 3, 7):
        parts = [sums_of(rows, block, rng.permutation(numbers[index::owners])) for index in range(owners)]
        together = BlockSums()
        for index in rng.permutation(owners):
            together.absorb(parts[index].arrays())
        found = together.moments()
        assert found is not None
        for one, other in zip(found, first, strict=True):
            np.testing.assert_array_equal(one, other)


def test_moments_are_those_of_exact_arithmetic():
    """Rounding of 1,000 terms in blocks of 16: sixteen roundings and a few, of terms that do not cancel."""
    rows = rows_of(1000, 3)
    found = sums_of(rows, 16, np.arange(63)).moments()
    assert found is not None
    columns = [[Fraction(value) for value in column] for column in rows.T.tolist()]
    means = [sum(column) / len(column) for column in columns]
    centred = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    np.testing.assert_allclose(found.mean, [float(mean) for mean in means], rtol=1e-15)
    exact = [[float(sum(a * b for a, b in zip(one, other, strict=True))) for other in centred] for one in centred]
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.all(np.abs(np.asarray(found.scatter) - np.asarray(exact)) < 32 * 2.0**-53 * scale)


def test_one_block_and_none():
    rows = rows_of(5, 4)
    found = sums_of(rows, 16, np.arange(1)).moments()
    assert found is not None
    np.testing.assert_array_equal(found.mean, rows.astype(np.float64).mean(0))
    assert BlockSums().moments() is None
    assert (BlockSums().count, BlockSums().blocks(4).shape) == (0, (0, 6))
    blocks = np.asarray([[1.0, 1, 3.0], [0.0, 3, 1.0]])
    moments = moments_of_blocks(blocks, np.zeros((1, 1)))
    assert (int(moments.count), moments.mean.tolist(), moments.scatter.tolist()) == (4, [1.5], [[3.0]])


@given(st.integers(0, 5000), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_every_image_is_in_one_share(count, processes):
    shares = [blocks_of(count, index, processes) for index in range(processes)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.arange(count))


def test_many_processes_have_about_as_many_images_each():
    for count, processes, worst in ((50_000, 8, 1.01), (50_000, 64, 1.01), (5_000_000, 128, 1.03), (5000, 4, 1.1)):
        most = len(blocks_of(count, processes - 1, processes))  # nobody has a block more than the last
        assert most <= worst * count / processes, (count, processes, most)
    assert [block_size(count) for count in (1, 100, 2000, 50_000, 5_000_000)] == [16, 16, 125, 391, 1024]


def test_rows_of_every_dtype_in_batches_of_any_size_give_the_same_bits():
    rows = rows_of(300, 20)
    expected = StatisticsAccumulator("x", 16)
    expected.add(rows)
    for size in (1, 7, 64):
        accumulator = StatisticsAccumulator("x", 16)
        for start in range(0, 300, size):
            accumulator.add(rows[start : start + size])
        assert same(accumulator, expected)


def same(one: StatisticsAccumulator, other: StatisticsAccumulator) -> bool:
    found, expected = one.finish(), other.finish()
    return (
        np.array_equal(found.mean, expected.mean)
        and np.array_equal(found.full_covariance(), expected.full_covariance())
        and np.array_equal(found.sample, expected.sample)  # pyright: ignore[reportArgumentType]
    )


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
        self.reports = [state.report() for state in self.states]

    def step(self, index: int, images: int) -> None:
        state, base, report = self.states[index], self.bases[index], self.reports[index]
        within = np.arange(state.position, min(state.position + images, len(state.places)))
        places = state.places[within]
        skipped = places % 10 == 3
        report.skipped += [(str(place), "broken") for place in places[skipped]]
        report.count += int((~skipped).sum())
        digests = np.repeat(places[~skipped, None] % 251, 16, axis=1).astype(np.uint8)
        batch = FeatureBatch(
            {self.spec: self.rows[places[~skipped]]},
            within[~skipped] - base,
            digests,
            len(report.skipped),
            ReadReport(count=report.count),
        )
        state.add(batch, base, report)

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
    assert sum(len(state.report().skipped) for state in run.states) == LENGTH // 10
    together, expected = (StatisticsAccumulator("x", block_size(LENGTH)) for _ in range(2))
    for state in run.states:
        together.absorb(state.accumulators[run.spec].state())
    expected.add(run.rows[kept], None, kept)
    assert same(together, expected)
