"""What the processes of a run have found in their shares, put together: the same bits on each of them."""

import dataclasses
import json

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxeval.distributed import gather_bytes, gather_rows, largest, sum_over_processes
from jaxeval.images import ReadReport
from jaxeval.statistics import (
    FeatureStatistics,
    StatisticsAccumulator,
    in_order,
    moments_of_blocks,
    statistics_of_moments,
    statistics_of_rows,
    too_few_images,
)

# Rows of 2,048 features: 32 MB from each process at a time.
_ROWS_AT_A_TIME = 4096


def merge_statistics(accumulator: StatisticsAccumulator, name: str) -> FeatureStatistics:
    """Statistics of the rows of all processes.

    The d x d scatters are summed exactly, and the means of the blocks gathered, so that they have the bits that one
    process gives them. Only where there are no more rows than features, so that the rows themselves are the smaller,
    are those gathered.

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
    sample = _gather_in_order(accumulator.sample(), size)
    if count <= size:
        return statistics_of_rows(_gather_in_order(accumulator.pending_rows(), size), sample)
    sums = accumulator.sums()
    scatter = sum_over_processes(*sums.scatter(size))
    return statistics_of_moments(moments_of_blocks(gather_rows(sums.blocks(size)), scatter), sample)


def merge_rows(rows: Float[np.ndarray, "n d"], places: Int[np.ndarray, " n"]) -> Float[np.ndarray, "m e"]:
    """The rows of all processes, in the order of the source.

    Args:
      rows: of this process; one that has none need not know how long they are.
      places: each row's place in the source.
    """
    own = np.asarray(rows, np.float32).reshape(len(rows), largest(rows.shape[1]))
    found = [
        gather_rows(own[start : start + _ROWS_AT_A_TIME]) for start in range(0, largest(len(own)), _ROWS_AT_A_TIME)
    ]
    whole = [
        _gather_places(places[start : start + _ROWS_AT_A_TIME])
        for start in range(0, largest(len(own)), _ROWS_AT_A_TIME)
    ]
    return in_order(np.concatenate(found), np.concatenate(whole))


def merge_digests(digests: UInt8[np.ndarray, "n 16"], places: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "m 16"]:
    """The digests of all processes' items, in the order of the source.

    Args:
      digests: one for each item of this process's share.
      places: of these items in the source.
    """
    return in_order(gather_rows(digests), _gather_places(places))


def _gather_in_order(
    found: tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]] | None, size: int
) -> Float[np.ndarray, "m d"]:
    rows, places = (np.zeros((0, size), np.float32), np.zeros(0, np.int64)) if found is None else found
    return in_order(gather_rows(np.asarray(rows, np.float32)), _gather_places(places))


def _gather_places(places: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    return gather_rows(np.ascontiguousarray(places, np.int64)[:, None])[:, 0]


def merge_reports(report: ReadReport) -> ReadReport:
    """The reading of all processes as one; skipped images in the order of the processes."""
    merged = ReadReport()
    for text in gather_bytes(json.dumps(dataclasses.asdict(report)).encode()):
        merged.merge(ReadReport.from_plain(json.loads(text)))
    return merged
