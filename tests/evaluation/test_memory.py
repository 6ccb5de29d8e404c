"""Memory does not grow with the number of images."""

import numpy as np
import pytest
from peak_memory import printed_by, reads_proc

_SCRIPT = """
import sys
import jaxeval
(result,) = jaxeval.evaluate(sys.argv[1], sys.argv[1], extractor="random-conv", batch_size=64).results
assert result.n_generated == int(sys.argv[2])
print(peak())
"""


@reads_proc
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
    peaks = [printed_by(_SCRIPT, folder, count) for folder, count in ((few, 2_000), (many, 20_000))]
    assert np.ptp(peaks) / min(peaks) < 0.10, peaks
