"""What the machine can do: rates of products and copies, measured just before a kernel, and what it is."""

import functools
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_PACKAGES = ("jax", "jaxlib", "numpy", "scipy")
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}


def describe() -> dict[str, Any]:
    """Device, processor and its vector instructions, and versions."""
    from jaxeval import __version__

    device = jax.devices()[0]
    return {
        "device": device.device_kind if device.platform != "cpu" else "CPU",
        "platform": device.platform,
        "processor": _processor(),
        "cores": _cores(),
        "python": platform.python_version(),
        "versions": {
            "jaxeval": __version__,
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }


def measure_rates() -> dict[str, float]:
    """Operations a second of products, bytes a second of a copy (read and written), measured once.

    `gemm_f32` and `copy` are the default device's, `gemm_f64` is the host's LAPACK: what the kernels run on.
    """
    rates = {}
    for name, (amount, run) in _probes().items():
        begun = time.perf_counter()
        jax.block_until_ready(run())
        rates[name] = amount / (time.perf_counter() - begun)
    return rates


@functools.cache
def _probes() -> dict[str, tuple[float, Callable[[], Any]]]:
    """Work by rate, and what does it; compiled and warm."""
    on_cpu = jax.default_backend() == "cpu"
    side, host_side = 2048 if on_cpu else 8192, 1536
    a, wide = jnp.ones((side, side), jnp.float32), np.ones((host_side, host_side))
    multiply = jax.jit(functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST))
    elements = 1 << (24 if on_cpu else 28)
    moved = np.ones(elements, np.float32) if on_cpu else jnp.ones(elements, jnp.float32)
    target = np.empty(elements if on_cpu else 0, np.float32)
    probes: dict[str, tuple[float, Callable[[], Any]]] = {
        "gemm_f32": (2.0 * side**3, lambda: multiply(a, a)),
        "gemm_f64": (2.0 * host_side**3, lambda: wide @ wide),
        "copy": (8.0 * elements, lambda: np.copyto(target, moved) if on_cpu else jnp.negative(moved)),
    }
    for _, run in probes.values():
        jax.block_until_ready(run())
    return probes


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # The width of its vectors says more about products than its name, which clouds shorten.
    flags = found.get("flags", "").split()
    vectors = next((f" with {name}" for flag, name in _VECTORS.items() if flag in flags), "")
    return found.get("model name", platform.machine()) + vectors


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
