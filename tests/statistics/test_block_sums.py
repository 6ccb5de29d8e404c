"""Blocks of images: their sums have one value whatever the order and the owners."""

from fractions import Fraction

import numpy as np
from feature_rows import rows_of, same
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.statistics import BlockSums, StatisticsAccumulator, block_size, blocks_of, moments_of_blocks


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
