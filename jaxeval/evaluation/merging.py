"""What the processes of a run have found in their shares, put together: the same bits on each of them."""

import dataclasses
import json

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxeval.distributed import gather_bytes, gather_rows, largest, sum_over_processes
from jaxeval.evaluation.statistics import (
    FeatureStatistics,
    StatisticsAccumulator,
    statistics_of_moments,
    statistics_of_rows,
    too_few_images,
)
from jaxeval.images import ReadReport
from jaxeval.ops import Moments, empty_moments

__all__ = ["merge_digests", "merge_reports", "merge_rows", "merge_statistics"]

# Rows of 2,048 features: 32 MB from each process at a time.
_ROWS_AT_A_TIME = 4096


def merge_statistics(accumulator: StatisticsAccumulator, name: str) -> FeatureStatistics:
    """Statistics of the rows of all processes.

    Sums of means and of d x d scatters, in float64; only where there are no more rows than features, so that the rows
    themselves are the smaller, are those gathered.

    Args:
      accumulator: with this process's rows, perhaps none.
      name: of the data set, for messages.

    Raises:
      InputError: on every process, if there are fewer than two images in all.
    """
    size = largest(accumulator.feature_size or 0)
    count = int(sum_over_processes(np.asarray(float(accumulator.count))))
    if count < 2:
        raise too_few_images(name, count)
    none = np.zeros((0, size), np.float32)
    rows, sample = accumulator.pending_rows(), accumulator.sample()
    sample = gather_rows(none if sample is None else sample)
    if count <= size:
        return statistics_of_rows(gather_rows(none if rows is None else rows), sample)
    own = accumulator.moments() or empty_moments(size, host=True)
    mean = sum_over_processes(np.asarray(own.mean) * (float(own.count) / count))
    offset = np.asarray(own.mean) - mean
    scatter = sum_over_processes(np.asarray(own.scatter) + float(own.count) * np.outer(offset, offset))
    return statistics_of_moments(Moments(np.asarray(count, np.int64), mean, scatter), sample)


def merge_rows(rows: Float[np.ndarray, "n d"], indices: Int[np.ndarray, " n"]) -> Float[np.ndarray, "m e"]:
    """The rows of all processes, in the order of the source.

    Args:
      rows: of this process; one that has none need not know how long they are.
      indices: each row's place in the source.
    """
    own = np.asarray(rows, np.float32).reshape(len(rows), largest(rows.shape[1]))
    found, places = [], []
    for start in range(0, largest(len(own)), _ROWS_AT_A_TIME):
        found.append(gather_rows(own[start : start + _ROWS_AT_A_TIME]))
        places.append(gather_rows(indices[start : start + _ROWS_AT_A_TIME, None].astype(np.float64))[:, 0])
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(found)[order]


def merge_digests(digests: UInt8[np.ndarray, "n 16"]) -> UInt8[np.ndarray, "m 16"]:
    """The digests of all processes' items, in the order of the source.

    Args:
      digests: one for each item of this process's share, which is every P-th item of the source.
    """
    found = gather_rows(digests)
    merged = np.empty_like(found)
    start, count = 0, jax.process_count()
    for process in range(count):
        share = merged[process::count]
        share[:] = found[start : start + len(share)]
        start += len(share)
    return merged


def merge_reports(report: ReadReport) -> ReadReport:
    """The reading of all processes as one; skipped images in the order of the processes."""
    merged = ReadReport()
    for text in gather_bytes(json.dumps(dataclasses.asdict(report)).encode()):
        merged.merge(ReadReport.from_plain(json.loads(text)))
    return merged
