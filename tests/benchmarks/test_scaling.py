"""Work per device falls as one over the number of devices, and is counted right."""

import pytest

from benchmarks.scaling import extractor_step, frechet_step, kernel_distance, manifold, measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("program", "operations"),
    [
        # One product of the batch with itself.
        (lambda devices: frechet_step(devices, rows=256, feature_size=128), 2 * 256 * 128 * 128),
        # Three products of all pairs: within both sides, and across.
        (lambda devices: kernel_distance(devices, rows=4096, feature_size=32), 3 * 2 * 4096 * 4096 * 32),
        # Distances within both sides for the radii, then across.
        (lambda devices: manifold(devices, rows=4096, feature_size=32), 3 * 2 * 4096 * 4096 * 32),
    ],
    ids=["frechet", "kernel distance", "manifold"],
)
@pytest.mark.parametrize("devices", [1, 4])
def test_contractions_are_divided_among_the_devices(program, operations, devices):
    # Sums and means, of the order of N d, come on top.
    assert measure(program(devices)).operations * devices == pytest.approx(operations, rel=0.01)


def test_images_are_divided_among_the_devices():
    whole, part = measure(extractor_step(1, batch=16)), measure(extractor_step(8, batch=16))
    assert part.operations * 8 == whole.operations > 0
    assert part.sent == 0
