"""Feature statistics on the host in float64: how they accumulate, and the files of ours and others that keep them."""

from jaxeval.statistics.block_sums import BlockSums, block_size, blocks_of, moments_of_blocks
from jaxeval.statistics.feature_statistics import (
    SAMPLE,
    FeatureStatistics,
    StatisticsAccumulator,
    in_order,
    load_statistics,
    save_statistics,
    statistics_of_features,
    statistics_of_moments,
    statistics_of_rows,
    too_few_images,
)
from jaxeval.statistics.foreign_statistics import KEPT_SUFFIXES, FileContent, Part, Tool, read_kept, statistics_in

__all__ = [
    "KEPT_SUFFIXES",
    "SAMPLE",
    "BlockSums",
    "FeatureStatistics",
    "FileContent",
    "Part",
    "StatisticsAccumulator",
    "Tool",
    "block_size",
    "blocks_of",
    "in_order",
    "load_statistics",
    "moments_of_blocks",
    "read_kept",
    "save_statistics",
    "statistics_in",
    "statistics_of_features",
    "statistics_of_moments",
    "statistics_of_rows",
    "too_few_images",
]
