"""One law, every way of running it: a metric's value is that of all rows that count, by NumPy and SciPy in float64."""

import functools
from typing import Any

import pytest
import ways
from metric_cases import CASES, make_batches

WAYS = {**ways.SINGLE, **ways.SPREAD, **ways.VARIANTS}
FAST = [*((name, 1) for name in ways.SINGLE), *((name, 4) for name in ways.SPREAD)]
# Each run compiles a program of its own, which takes seconds; the rest of the matrix is for the slow tier.
SLOW = [(name, devices) for name in ways.SPREAD for devices in (1, 2, 8)]
SLOW += [(name, devices) for name in ways.VARIANTS for devices in (2, 8)]
RUNS = [pytest.param(*run, id=f"{run[0]} on {run[1]}") for run in FAST]
RUNS += [pytest.param(*run, id=f"{run[0]} on {run[1]}", marks=pytest.mark.slow) for run in SLOW]


@functools.cache
def final_states(way: str, devices: int) -> dict[str, Any]:
    """All metrics at once, so that each way is compiled once."""
    return WAYS[way](CASES, make_batches(devices), devices)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("way", "devices"), RUNS)
def test_value_is_that_of_the_rows_that_count(way: str, devices: int, case: str):
    tested, state = CASES[case], final_states(way, devices)[case]
    computed = tested.metric.compute(state)
    found = dict(computed.values) if case == "manifold" else computed.value
    assert found == tested.close_to(make_batches(devices))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("way", "devices"), [run for run in RUNS if run.values[0] in ("jit", *ways.SPREAD)])
def test_value_on_the_device_agrees(way: str, devices: int, case: str):
    tested, state = CASES[case], final_states(way, devices)[case]
    computed = tested.metric.compute_on_device(state)
    found = computed._asdict() if case == "manifold" else computed
    assert found == tested.close_to(make_batches(devices), device=True)


def test_every_run_sees_the_hazards():
    batches = make_batches(devices=4)
    for mask in (batches["reference_mask"], batches["generated_mask"]):
        assert not mask[2].any()
        assert not mask[:, :4].any()
        assert 0 < mask.sum() < mask.size
    assert (batches["reference_mask"] != batches["generated_mask"]).any()
