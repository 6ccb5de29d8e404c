"""Intervals of metrics that have no closed form, from the spread between disjoint thirds of the images."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np

from jaxeval import ops

__all__ = ["half_widths", "spread"]

_FEWEST = 60  # images a side; a third of them is 20


def spread(
    compute: Callable[[Mapping[str, Any]], Mapping[str, float]], rows: Mapping[str, Any], seed: int
) -> tuple[dict[str, float], float] | None:
    """Standard errors by subsampling without replacement (`jaxeval.ops.subsampling`), and their degrees of freedom.

    Args:
      compute: from arrays to values by name.
      rows: arrays of one row an image; `x_labels` is cut to the same rows as `x`.
      seed: of the draws.

    Returns:
      The errors of those values that all thirds of the images have; None where there are too few images, or no such
      value.
    """
    sizes = {name: len(values) for name, values in rows.items() if not name.endswith("_labels")}
    if min(sizes.values()) < _FEWEST:
        return None
    names: list[str] = []

    def statistic(**indices: np.ndarray) -> list[float]:
        kept = {name: np.asarray(values[indices[name.removesuffix("_labels")]]) for name, values in rows.items()}
        found = compute(kept)
        names[:] = list(found)
        return list(found.values())

    with np.errstate(invalid="ignore"):  # a value that is infinite, or none, has no spread
        found = ops.subsampling(statistic, sizes, seed=seed)
    errors = {name: error for name, error in zip(names, found.standard_error.tolist(), strict=True) if isfinite(error)}
    return (errors, found.degrees) if errors else None


def half_widths(
    compute: Callable[[Mapping[str, Any]], Mapping[str, float]], rows: Mapping[str, Any], seed: int
) -> dict[str, float] | None:
    """Half-widths of the 95% intervals that follow from `spread`."""
    found = spread(compute, rows, seed)
    if found is None:
        return None
    errors, degrees = found
    return {name: ops.interval(0.0, error, degrees=degrees).high for name, error in errors.items()}
