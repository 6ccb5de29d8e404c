"""Memory does not grow with the number of images."""

import os
import subprocess
import sys

import numpy as np
import pytest

_SCRIPT = """
import resource, sys
import jaxeval
(result,) = jaxeval.evaluate(sys.argv[1], sys.argv[1], extractor="random-conv", batch_size=64).results
assert result.n_generated == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_ten_times_the_images_take_the_same_memory(tmp_path):
    from image_sets import crops, write_pngs

    images = crops(2_000, (24, 24))
    few = write_pngs(tmp_path / "few", images)
    many = tmp_path / "many"
    many.mkdir()
    for copy in range(10):
        for path in few.iterdir():
            (many / f"{copy}-{path.name}").hardlink_to(path)
    one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", _SCRIPT, str(folder), str(count)],
                capture_output=True,
                env=one_device,
                text=True,
                check=True,
            ).stdout
        )
        for folder, count in ((few, 2_000), (many, 20_000))
    ]
    assert np.ptp(peaks) / min(peaks) < 0.10, peaks
