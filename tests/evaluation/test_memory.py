"""Memory does not grow with the number of images."""

import pytest
from image_sets import crops, write_pngs
from peak_memory import printed_by, reads_proc

_SCRIPT = """
import sys
import jaxeval
(result,) = jaxeval.evaluate(sys.argv[1], sys.argv[1], extractor="pixels", batch_size=64).results
assert result.n_generated == int(sys.argv[2])
print(peak())
"""


@reads_proc
@pytest.mark.slow
def test_eight_times_the_images_take_the_same_memory(tmp_path):
    """Of 4,096 and of 32,768 images equally many, 4,096, are kept as a sample; nothing else may be."""
    side, few, copies = 24, 4096, 8
    images = crops(few, (side, side))
    folder = write_pngs(tmp_path / "few", images)
    many = tmp_path / "many"
    many.mkdir()
    for copy in range(copies):
        for path in folder.iterdir():
            (many / f"{copy}-{path.name}").hardlink_to(path)
    peaks = [printed_by(_SCRIPT, path, count) for path, count in ((folder, few), (many, copies * few))]
    features_of_the_others = 4 * side * side * 3 * (copies - 1) * few
    # Were they kept, of either set, it would show; half of one set's leaves room for names and for the
    # decoding threads, by which the peaks of equal runs differ by up to 45 MB.
    assert peaks[1] - peaks[0] < features_of_the_others / 2, peaks
