"""The comparison with published numbers: gray where the code takes gray, and what a row says, on made images."""

import numpy as np
from PIL import Image

from benchmarks import image_quality_published
from benchmarks.image_quality_published import IMAGES, PUBLISHED, Published, main, report, row_of


def mean_of(*images, data_range, colour="rgb2gray"):
    assert (data_range, colour) == (255, "rgb2gray")
    return np.mean(images[0], axis=(1, 2, 3)) - (np.mean(images[1]) if len(images) > 1 else 0)


def test_a_row_has_the_largest_difference():
    images = [np.full((4, 5, 3), level, np.uint8) for level in (1, 2, 3, 4, 5)]
    published = Published(mean_of, "mean", "nobody", (1.0, 2.0, 3.0, 4.25, 5.0), 2, alone=True)
    row = row_of(published, images, images)
    assert row == "| `mean` | nobody | 1.00, 2.00, 3.00, 4.25, 5.00 | 1.00, 2.00, 3.00, 4.00, 5.00 | 0.25 (I08) |"
    assert row in report([row])
    assert "| -2.00, -1.00, 0.00, 1.00, 2.00 |" in row_of(published._replace(alone=False), images, images)
    seen = []

    def listening(x, **options):
        seen.append(options)
        return mean_of(x, data_range=255)

    for gray in (True, False):
        row_of(published._replace(op=listening, gray=gray), images, images)
    assert seen == [{"data_range": 255, "colour": "rgb2gray"}, {"data_range": 255}]


def test_the_page_is_written(tmp_path, monkeypatch):
    for side in ("ref_dir", "dist_dir"):
        (tmp_path / side).mkdir()
        for name in IMAGES:
            Image.new("RGB", (8, 9), (7, 7, 7)).save(tmp_path / side / f"{name}.bmp")
    monkeypatch.setattr(image_quality_published, "PUBLISHED", (Published(mean_of, "m", "n", (0.0,) * 5, 3),))
    main([str(tmp_path), "--out", str(tmp_path / "page.md")])
    assert "| `m` | n | 0.000, 0.000, " in (tmp_path / "page.md").read_text()


def test_every_row_has_a_number_for_every_image():
    assert {len(published.values) for published in PUBLISHED} == {len(IMAGES)}
