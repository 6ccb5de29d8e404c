"""One law, every way of running it: a metric's value is that of all rows that count, by NumPy and SciPy in float64."""

import contextlib
from typing import Any

import pytest
import ways
from compilation import quick_compilation
from metric_cases import CASES, make_batches

WAYS = {**ways.SINGLE, **ways.SPREAD, **ways.VARIANTS}
# Each run compiles programs of its own, which takes seconds; most of the matrix is for the slow tier, and about whose
# rows count where, for which machine code without optimisation will do.
FAST = [("jit", 1), ("scan", 1), ("Explicit mesh", 4)]
SLOW = [("eager", 1), *((name, devices) for name in ways.SPREAD for devices in (1, 2, 4, 8))]
SLOW = [run for run in SLOW if run not in FAST]
SLOW += [(name, devices) for name in ways.VARIANTS for devices in (2, 8)]
RUNS = [pytest.param(*run, id=f"{run[0]} on {run[1]}") for run in FAST]
RUNS += [pytest.param(*run, id=f"{run[0]} on {run[1]}", marks=pytest.mark.slow) for run in SLOW]


@pytest.mark.parametrize(("way", "devices"), RUNS)
def test_every_value_is_that_of_the_rows_that_count(way: str, devices: int):
    """All metrics at once, so that each way is compiled once; on the host and on the device."""
    batches = make_batches(devices)
    with contextlib.nullcontext() if (way, devices) in FAST else quick_compilation():
        check_every_value(way, devices, batches)


def check_every_value(way: str, devices: int, batches: dict[str, Any]) -> None:
    states = WAYS[way](batches, devices)
    found: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for name, case in CASES.items():
        value, on_device = case.metric.compute(states[name]), case.metric.compute_on_device(states[name])
        several = bool(value.values) and name == "manifold"
        found[f"{name}, host"] = dict(value.values) if several else value.value
        found[f"{name}, device"] = on_device._asdict() if several else on_device
        expected[f"{name}, host"] = case.close_to(batches)
        expected[f"{name}, device"] = case.close_to(batches, device=True)
    wrong = {key: (value, expected[key]) for key, value in found.items() if value != expected[key]}
    assert not wrong


def test_every_run_sees_the_hazards():
    batches = make_batches(devices=4)
    for mask in (batches["reference_mask"], batches["generated_mask"]):
        assert not mask[2].any()
        assert not mask[:, :4].any()
        assert 0 < mask.sum() < mask.size
    assert (batches["reference_mask"] != batches["generated_mask"]).any()
