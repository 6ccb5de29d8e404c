"""Every streaming metric, in every way of running it, beside NumPy and SciPy in float64: the tests' own cases and ways.

The tests' modules are taken from the checkout, so that what is compared on an accelerator is what is tested on a CPU.
"""

import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.comparison import Comparison, Finding
from benchmarks.kernels_of_images import pictures
from benchmarks.wide import in_float64
from jaxeval import metrics
from jaxeval.ops import image_quality as quality

_TESTS = Path(__file__).parents[1] / "tests" / "metrics"


def comparisons(scale: str) -> Iterator[Comparison]:
    """The cases of the tests in one run each way, and the metrics of pairs of images."""
    sys.path.insert(0, str(_TESTS))
    try:
        cases, ways = importlib.import_module("metric_cases"), importlib.import_module("ways")
    finally:
        sys.path.remove(str(_TESTS))
    counts = sorted({1, jax.device_count()})
    yield Comparison("metrics", "jit", functools.partial(_values, cases, ways.SINGLE["jit"], 1))
    for name, (metric, op, allowed) in _of_pairs().items():
        yield Comparison(name, "jit", functools.partial(_pairs, metric, op, allowed))
    for name in ("scan", "eager"):
        yield Comparison("metrics", name, functools.partial(_values, cases, ways.SINGLE[name], 1))
    for devices in counts:
        for name, way in {**ways.SPREAD, **ways.VARIANTS}.items():
            label = f"{name} on {devices} of {jax.device_count()}"
            yield Comparison("metrics", label, functools.partial(_values, cases, way, devices))


def _values(cases: Any, way: Any, devices: int) -> Iterator[Finding]:
    batches = cases.make_batches(devices)
    states = way(batches, devices)
    for name, case in cases.CASES.items():
        expected = case.expected(batches)
        value, on_device = case.metric.compute(states[name]), case.metric.compute_on_device(states[name])
        scale = None if case.scale is None else case.scale(batches)
        several = isinstance(expected, dict)
        for part in expected if several else [""]:
            want = expected[part] if several else expected
            both = (
                ("host", value.values[part] if several else value.value, case.tolerance),
                ("device", getattr(on_device, part) if several else on_device, case.device_tolerance),
            )
            for side, found, tolerance in both:
                allowed = tolerance * (abs(want) if scale is None else scale)
                what = f"{name} {part}".strip() + f", {side}"
                yield Finding(what, found, want, allowed, "NumPy and SciPy in float64")


def _of_pairs() -> dict[str, tuple[Any, Any, float]]:
    """Metrics that the tests' cases leave out: by name, the metric, its op, and how far a mean may be off."""
    weights = (0.4, 0.6)
    return {
        "SSIM": (metrics.SSIM(data_range=255.0), functools.partial(quality.ssim, data_range=255.0), 2e-6),
        "MS-SSIM": (
            metrics.ImageQuality(quality.ms_ssim, data_range=255.0, weights=weights),
            functools.partial(quality.ms_ssim, data_range=255.0, weights=weights),
            2e-6,
        ),
        "PooledPSNR": (metrics.PooledPSNR(data_range=255.0), None, 4e-6),
    }


def _pairs(metric: Any, op: Any, allowed: float) -> Iterator[Finding]:
    x, y = (pictures(12, 32, 40, seed).astype(np.float32) for seed in (0, 1))
    y = (0.8 * x + 0.2 * y).astype(np.float32)
    update, state = jax.jit(metric.update), metric.init()
    for first in range(0, len(x), 4):
        state = update(state, reference=x[first : first + 4], generated=y[first : first + 4])
    if op is None:
        error = np.square(x.astype(np.float64) - y.astype(np.float64)).mean()
        expected, against = 20 * np.log10(255.0) - 10 * np.log10(error), "NumPy in float64"
    else:
        expected, against = in_float64(op, x, y).mean(), "the op in float64"
    yield Finding("host", metric.compute(state).value, expected, allowed, against)
    yield Finding("device", metric.compute_on_device(state), expected, 2 * allowed, against)
