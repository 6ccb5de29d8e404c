"""Every op of features that computes on the device, beside NumPy and SciPy in float64, or beside the host's own run."""

import dataclasses
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from scipy.spatial.distance import cdist

from benchmarks.comparison import Comparison, Finding
from benchmarks.kernels_of_features import features
from jaxeval import ops

_TESTS = Path(__file__).parents[1] / "tests"
_UNIT = 2.0**-24
_ROWS, _SIZE, _STEPS = 96, 16, 4
_NUMPY = "NumPy and SciPy in float64"
_LOOSE = {"fld": 1e-2}  # where float32 takes other steps of an optimiser


def comparisons(scale: str) -> Iterator[Comparison]:
    """Moments and distances, kernels, neighbours; then every op that the tests call, on the device and on the CPU."""
    for way, run in _MOMENTS.items():
        yield Comparison("feature_moments", way, functools.partial(_moments, run))
    for way in ("jit", "eager"):
        yield Comparison("frechet_distance_on_device", way, functools.partial(_frechet, way))
        yield Comparison("matrix_sqrt", way, functools.partial(_roots, way))
    yield Comparison("kernels", "as called", _kernels)
    yield Comparison("neighbours", "as called", _neighbours)
    if jax.default_backend() == "cpu":
        return  # each would be compared with itself
    folders = [str(_TESTS), str(_TESTS / "ops")]
    sys.path[:0] = folders
    try:
        calls = importlib.import_module("test_every_op").DEVICE
    finally:
        del sys.path[: len(folders)]
    for name, call in calls.items():
        if name != "reduce_moments":  # over two devices; among the moments above over those there are
            yield Comparison(name, "as called", functools.partial(_beside_the_cpu, name, call))


def _rows() -> tuple[np.ndarray, np.ndarray]:
    return features(_ROWS, _SIZE, 0), features(_ROWS, _SIZE, 1)


def _eager(rows: np.ndarray) -> Any:
    return ops.feature_moments(jnp.asarray(rows))


def _scan(rows: np.ndarray) -> Any:
    def step(state: Any, part: Any) -> tuple[Any, None]:
        return ops.merge_moments(state, ops.feature_moments(part)), None

    parts = jnp.asarray(rows).reshape(_STEPS, -1, rows.shape[1])
    return jax.jit(lambda parts: lax.scan(step, ops.empty_moments(rows.shape[1]), parts)[0])(parts)


def _reduced(part: Any) -> Any:
    return ops.reduce_moments(ops.feature_moments(part), "batch")


def _even(rows: np.ndarray) -> np.ndarray:
    """As many for each device, the last ones again where they do not go round."""
    count = jax.device_count()
    return np.concatenate([rows, rows[: -len(rows) % count]])


def _shard_map(rows: np.ndarray) -> Any:
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    mapped = jax.shard_map(_reduced, mesh=mesh, in_specs=PartitionSpec("batch"), out_specs=PartitionSpec())
    return jax.jit(mapped)(_even(rows))


def _pmap(rows: np.ndarray) -> Any:
    parts = np.stack(np.split(_even(rows), jax.device_count()))
    return jax.tree.map(lambda part: part[0], jax.pmap(_reduced, axis_name="batch")(parts))


_MOMENTS: dict[str, Callable[[np.ndarray], Any]] = {
    "eager": _eager,
    "jit": lambda rows: jax.jit(ops.feature_moments)(rows),
    "scan": _scan,
    "shard_map": _shard_map,
    "pmap": _pmap,
}


def _moments(run: Callable[[np.ndarray], Any]) -> Iterator[Finding]:
    rows, _ = _rows()
    counted = (_even(rows) if run in (_shard_map, _pmap) else rows).astype(np.float64)
    found = ops.gaussian_from_moments(ops.moments_on_host(run(rows)))
    spread = counted.std(0, ddof=1)
    yield Finding("mean", found.mean, counted.mean(0), 4 * _UNIT * spread, _NUMPY)
    allowed = 16 * _UNIT * np.outer(spread, spread)
    yield Finding("covariance", found.covariance, np.cov(counted, rowvar=False), allowed, _NUMPY)


def _frechet(way: str) -> Iterator[Finding]:
    x, y = _rows()
    measure: Any = ops.frechet_distance_on_device
    run = jax.jit(measure) if way == "jit" else measure
    for what, count in (("", _ROWS), ("fewer rows than features", _SIZE // 2)):
        a, b = x[:count], y[:count]
        expected = ops.frechet_distance_from_features(reference=a, generated=b)
        found = run(reference=jnp.asarray(a), generated=jnp.asarray(b))
        yield Finding(what or "features", found, expected, 40 * _UNIT * expected, "the host's, float64")
        sides = {"reference": ops.feature_moments(jnp.asarray(a)), "generated": ops.feature_moments(jnp.asarray(b))}
        yield Finding(f"moments {what}".strip(), run(**sides), expected, 40 * _UNIT * expected, "the host's, float64")


def _roots(way: str) -> Iterator[Finding]:
    covariance = np.cov(_rows()[0].astype(np.float64), rowvar=False).astype(np.float32)
    expected = np.real(scipy.linalg.sqrtm(covariance.astype(np.float64)))
    for method in ("eigh", "newton-schulz"):
        root: Any = functools.partial(ops.matrix_sqrt, method=method)
        found = (jax.jit(root) if way == "jit" else root)(jnp.asarray(covariance)).root
        yield Finding(method, found, expected, 20 * 2 * _UNIT * np.abs(expected).max(), _NUMPY)


def _kernels() -> Iterator[Finding]:
    x, y = _rows()
    a, b = x.astype(np.float64), y.astype(np.float64)
    both = np.concatenate([a, b])
    squares, sums = cdist(both, both, "sqeuclidean"), cdist(both, both, "cityblock")
    polynomial = (both @ both.T / _SIZE + 1) ** 3
    found = {
        "kid_full": (ops.kid_full(reference=x, generated=y), polynomial, False),
        "rbf": (ops.mmd(reference=x, generated=y, kernel="rbf", bandwidth=4.0), np.exp(-squares / 32), False),
        "rbf, biased": (
            ops.mmd(reference=x, generated=y, kernel="rbf", bandwidth=4.0, biased=True),
            np.exp(-squares / 32),
            True,
        ),
        "laplacian": (ops.mmd(reference=x, generated=y, kernel="laplacian", bandwidth=9.0), np.exp(-sums / 9), False),
        "linear": (ops.mmd(reference=x, generated=y, kernel="linear"), both @ both.T, False),
    }
    for what, (value, kernel, biased) in found.items():
        n, off = len(a), not biased
        within = [(part.sum() - off * np.trace(part)) / (n * (n - off)) for part in (kernel[:n, :n], kernel[n:, n:])]
        expected = sum(within) - 2 * kernel[:n, n:].mean()
        yield Finding(what, value.value, expected, 2e-7 * np.abs(kernel).max(), _NUMPY)


def _neighbours() -> Iterator[Finding]:
    x, y = _rows()
    y = (y - 0.02 + 0.3 * features(_ROWS, _SIZE, 2)).astype(np.float32)
    a, b, k = x.astype(np.float64), y.astype(np.float64), 5
    across = cdist(a, b)
    of_a, of_b = (np.sort(cdist(rows, rows), axis=1)[:, k, None] for rows in (a, b))
    expected = {
        "precision": (across < of_a).any(0).mean(),
        "recall": (across < of_b.T).any(1).mean(),
        "density": (across < of_a).sum() / (k * len(b)),
        "coverage": (across < of_a).any(1).mean(),
    }
    found = ops.prdc(reference=x, generated=y, k=k)
    for what, value in expected.items():
        yield Finding(what, getattr(found, what), value, 1e-12, _NUMPY)


def _beside_the_cpu(name: str, call: Callable[[int], Any]) -> Iterator[Finding]:
    found = _numbers(call(60))
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        expected = _numbers(call(60))
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} values on the device, {len(expected)} on the CPU")
    for number, (value, want) in enumerate(zip(found, expected, strict=True)):
        largest = np.abs(want[np.isfinite(want)]).max(initial=1.0)
        what = "" if len(found) == 1 else f"value {number}"
        yield Finding(what, value, want, _LOOSE.get(name, 64 * _UNIT) * largest, "the same on the CPU")


def _numbers(result: Any) -> list[np.ndarray]:
    """Every number of a result, as arrays in the order of its fields."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = tuple(getattr(result, field.name) for field in dataclasses.fields(result))
    if isinstance(result, (tuple, list)):
        return [part for one in result for part in _numbers(one)]
    if isinstance(result, dict):
        return [part for one in result.values() for part in _numbers(one)]
    values = np.asarray(result)
    return [values.astype(np.float64)] if np.issubdtype(values.dtype, np.number) or values.dtype == bool else []
