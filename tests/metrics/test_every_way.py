"""One law, every way of running it: a metric's value is that of all rows that count, by NumPy and SciPy in float64."""

import functools
from typing import Any

import pytest
import ways
from metric_cases import CASES, make_batches

RUNS = [(name, 1) for name in ways.SINGLE]
RUNS += [(name, devices) for name in ways.SPREAD for devices in (1, 2, 4, 8)]
RUNS += [(name, 4) for name in ways.VARIANTS]


@functools.cache
def final_states(way: str, devices: int) -> dict[str, Any]:
    """All metrics at once, so that each way is compiled once."""
    function = {**ways.SINGLE, **ways.SPREAD, **ways.VARIANTS}[way]
    return function(CASES, make_batches(devices), devices)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("way", "devices"), RUNS, ids=[f"{way} on {devices}" for way, devices in RUNS])
def test_value_is_that_of_the_rows_that_count(way: str, devices: int, case: str):
    tested = CASES[case]
    state = final_states(way, devices)[case]
    expected = tested.expected(make_batches(devices))
    assert tested.metric.compute(state).value == pytest.approx(expected, rel=tested.tolerance)
    assert float(tested.metric.compute_on_device(state)) == pytest.approx(expected, rel=tested.device_tolerance)
