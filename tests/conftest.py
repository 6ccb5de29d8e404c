"""Set-up for every test: simulated devices and run-time checks of every shape and type in jaxeval's signatures."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kept_programs import forget_old_programs, kept_programs

# Where the machine is busy, eight devices on a few cores meet late: by default XLA aborts the process after 40 s.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=8"
    " --xla_cpu_collective_call_terminate_timeout_seconds=600 --xla_cpu_collective_timeout_seconds=600",
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAXEVAL_COMPILATION_CACHE"] = "off"  # tests neither fill the user's cache nor profit from it
# Of the programs that several tests, workers, their processes and later runs compile, each is compiled once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(kept_programs()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import hypothesis
import jax
import pytest
from compilation import quick_compilation
from jaxtyping import install_import_hook

# A deadline would be an assertion about the machine, and what is compiled at the first example would break it.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

MAPPINGS, MOST_MAPPINGS = Path("/proc/self/maps"), 25_000

# Left in place, not used as a context: jaxeval's rooms are imported when they are first used.
install_import_hook("jaxeval", "type_checks.checked")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, not in every worker
        forget_old_programs()


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, beside which torchvision can be imported; for the parity tier."""
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch

    return torch


@pytest.fixture(scope="module")
def quickly_compiled() -> Iterator[None]:
    """For modules whose machine code is not what they are about: both sides of what they compare are compiled alike."""
    with quick_compilation():
        yield


@pytest.fixture(scope="module", autouse=True)
def few_programs_in_memory() -> Iterator[None]:
    """Lets go of compiled programs before they exhaust what the kernel lets a process map, which XLA does not survive.

    Each program is several mappings; Linux allows 65,530 of them, which a worker of the slow tests came to.
    """
    yield
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()
        gc.collect()
