"""Numbers of the device beside those of float64: what is compared, how it is judged, and the ways of running it."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, PartitionSpec

_AXIS = "batch"


class Finding(NamedTuple):
    """A value, what it has to be, and how far from it it may be.

    Attributes:
      what: which value of its comparison; empty where there is one.
      found: number or array.
      expected: of the same shape, float64.
      allowed: the largest absolute difference, of one number or for each value; where it is from is in
        docs/precision.md.
      against: what computed `expected`.
    """

    what: str
    found: Any
    expected: Any
    allowed: Any
    against: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Something that is run in one way, and what comes of it.

    Attributes:
      name: of the metric, op or network.
      way: how it is run.
      run: computes both sides.
    """

    name: str
    way: str
    run: Callable[[], Iterable[Finding]]


def judged(finding: Finding) -> dict[str, Any]:
    """The largest difference, what was allowed there, and whether every value holds; NaN holds beside NaN alone."""
    found, expected = np.asarray(finding.found, np.float64), np.asarray(finding.expected, np.float64)
    row: dict[str, Any] = {"what": finding.what, "against": finding.against}
    if found.shape != expected.shape:
        return row | {"holds": False, "error": f"shape {found.shape} for {expected.shape}"}
    allowed = np.broadcast_to(np.asarray(finding.allowed, np.float64), found.shape)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(found - expected))
        share = np.where(same, 0.0, difference / np.maximum(allowed, np.finfo(np.float64).tiny))
    difference, share = (np.where(np.isnan(part), np.inf, part) for part in (difference, share))
    if not share.size:
        return row | {"holds": False, "error": "there is no value"}
    worst = np.unravel_index(int(share.argmax()), share.shape)
    return row | {
        "holds": bool(share[worst] <= 1),
        "found": float(found[worst]),
        "expected": float(expected[worst]),
        "difference": float(difference[worst]),
        "allowed": float(allowed[worst]),
    }


def rows_for_devices(least: int) -> int:
    """The fewest rows, `least` or more, of which every device gets as many as the others."""
    devices = jax.device_count()
    return -(-least // devices) * devices


Function = Callable[..., Any]


def _eager(function: Function, params: Any, rows: tuple[Any, ...]) -> Any:
    return function(params, *map(jnp.asarray, rows))


def _jit(function: Function, params: Any, rows: tuple[Any, ...]) -> Any:
    return jax.jit(function)(params, *rows)


def _scan(function: Function, params: Any, rows: tuple[Any, ...]) -> Any:
    """A row at a time."""

    def step(params: Any, row: tuple[Any, ...]) -> tuple[Any, Any]:
        return params, jax.tree.map(lambda part: part[0], function(params, *(part[None] for part in row)))

    return jax.jit(lambda params, rows: lax.scan(step, params, rows)[1])(params, tuple(map(jnp.asarray, rows)))


def _shard_map(function: Function, params: Any, rows: tuple[Any, ...]) -> Any:
    mesh = jax.make_mesh((jax.device_count(),), (_AXIS,), axis_types=(AxisType.Auto,))
    specs = (PartitionSpec(), *[PartitionSpec(_AXIS)] * len(rows))
    mapped = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(_AXIS))
    return jax.jit(mapped)(params, *rows)


def _pmap(function: Function, params: Any, rows: tuple[Any, ...]) -> Any:
    parts = [np.stack(np.split(np.asarray(part), jax.device_count())) for part in rows]
    found = jax.pmap(function, axis_name=_AXIS, in_axes=(None, *[0] * len(parts)))(params, *parts)
    return jax.tree.map(lambda part: np.asarray(part).reshape(-1, *part.shape[2:]), found)


# Each runs `function(params, *rows)`, of as many results as there are rows; the most telling ways first.
WAYS: dict[str, Callable[[Function, Any, tuple[Any, ...]], Any]] = {
    "jit": _jit,
    "eager": _eager,
    "scan": _scan,
    "shard_map": _shard_map,
    "pmap": _pmap,
}
