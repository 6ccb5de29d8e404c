"""Float64 inside a function, whatever the caller has set."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Float64 on a processor for what is computed inside; the caller's settings stay as they were."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # a process that was started with an accelerator's platform alone
        device = None
    with jax.enable_x64(True), jax.default_device(device):
        yield
