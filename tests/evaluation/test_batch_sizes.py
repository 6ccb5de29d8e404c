"""Images at a time: on each accelerator, by its memory, and on a processor all together."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxeval
from jaxeval.evaluation.reading import batches
from jaxeval.evaluation.reading.batches import default_batch_size, fitted_batch_size

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Device:
    """What of a device decides."""

    platform: str
    memory: int | None = None

    def memory_stats(self) -> dict[str, int] | None:
        if self.memory == -1:
            raise RuntimeError("UNIMPLEMENTED: GetAllocatorStats")
        return None if self.memory is None else {"bytes_limit": self.memory}


@pytest.mark.parametrize(
    ("memory", "expected"), [(0, 32), (2 * GIB, 32), (8 * GIB, 64), (12 * GIB, 64), (16 * GIB, 128), (60 * GIB, 256)]
)
def test_the_default_follows_the_memory(memory, expected):
    assert default_batch_size(memory) == expected


@pytest.mark.parametrize(
    ("devices", "asked", "share", "expected"),
    [
        ([Device("cpu")] * 4, None, 1000, 32),
        ([Device("cpu")] * 4, 50, 1000, 50),
        ([Device("cpu")] * 4, 50, 20, 20),
        ([Device("cpu")], None, 0, 1),
        ([Device("gpu", 60 * GIB)] * 8, None, 100_000, 8 * 256),
        ([Device("gpu", 60 * GIB)] * 8, 32, 100_000, 8 * 32),
        ([Device("gpu", 60 * GIB), Device("gpu", 9 * GIB)], None, 100_000, 2 * 64),
        ([Device("tpu")] * 4, None, 100_000, 4 * 32),
        ([Device("tpu", -1)] * 4, None, 100_000, 4 * 32),
        ([Device("tpu", -1)] * 4, 1, 3, 3),
    ],
)
def test_a_batch_is_for_each_accelerator_and_no_larger_than_the_share(monkeypatch, devices, asked, share, expected):
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    assert fitted_batch_size(asked, share) == expected


def test_it_is_what_the_run_records(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (90, 5, 6, 3), dtype=np.uint8)
    assert jaxeval.evaluate(images, images[:40], extractor="pixels").manifest["batch_size"] == 32
    monkeypatch.setattr(batches, "_DEFAULT_BATCH", 7)
    assert jaxeval.evaluate(images, images[:40], extractor="pixels").manifest["batch_size"] == 7
