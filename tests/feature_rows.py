"""Rows of features of unequal scales, and whether two accumulators of them have the same bits."""

import numpy as np

from jaxeval.statistics import StatisticsAccumulator


def rows_of(count: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(count + size)
    return (100.0 + rng.standard_normal((count, size)) * 10.0 ** rng.uniform(-3, 0, size)).astype(np.float32)


def same(one: StatisticsAccumulator, other: StatisticsAccumulator) -> bool:
    found, expected = one.finish(), other.finish()
    return (
        np.array_equal(found.mean, expected.mean)
        and np.array_equal(found.full_covariance(), expected.full_covariance())
        and np.array_equal(found.sample, expected.sample)  # pyright: ignore[reportArgumentType]
    )
