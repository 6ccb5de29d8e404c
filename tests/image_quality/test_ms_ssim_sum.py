"""MS-SSIM by weighted sum: against the authors' msssim.m step by step, and against its published values."""

import numpy as np
import pytest
import scipy.ndimage
from photographs import pairs
from published_pairs import published_pair

from jaxeval.errors import InputError
from jaxeval.ops.image_quality import MS_SSIM_WEIGHTS, ms_ssim

# MATLAB's rgb2gray: the first row of the inverse of NTSC's matrix.
LUMA = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]


def gray(image):
    return np.floor(image.astype(float) @ LUMA + 0.5)


def step_by_step(x, y, weights):
    """Windows of 11 x 11 that fit; squares of 2 x 2 from every second pixel on, mirrored beyond the end."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    square = np.full((2, 2), 0.25)

    def means(values):
        return scipy.ndimage.correlate(values, window)[5:-5, 5:-5]

    total = 0.0
    for scale, weight in enumerate(weights):
        if scale:
            # Of the pixel and the next ones: SciPy's origin lies at the second of two.
            x, y = (scipy.ndimage.correlate(i, square, mode="reflect", origin=-1)[::2, ::2] for i in (x, y))
        mean_x, mean_y = means(x), means(y)
        covariance = means(x * y) - mean_x * mean_y
        variances = means(x * x) - mean_x**2 + means(y * y) - mean_y**2
        term = (2 * covariance + (0.03 * 255) ** 2) / (variances + (0.03 * 255) ** 2)
        if scale == len(weights) - 1:
            term *= (2 * mean_x * mean_y + (0.01 * 255) ** 2) / (mean_x**2 + mean_y**2 + (0.01 * 255) ** 2)
        total += weight * term.mean()
    return total / sum(weights)


@pytest.mark.slow
def test_sums_are_the_authors_at_odd_sizes_too():
    weights = MS_SSIM_WEIGHTS[:3]
    for size in ((60, 84), (61, 83)):
        for label, reference, distorted in pairs(size, ("camera",)):
            for y in (reference, 255 - reference):  # whose terms are negative
                expected = step_by_step(distorted[..., 0].astype(float), y[..., 0].astype(float), weights)
                options = {"convention": "authors", "weights": weights, "combination": "sum"}
                value = ms_ssim(distorted[None], y[None], data_range=255, **options)
                np.testing.assert_allclose(value, [expected], atol=2e-6, err_msg=label)


def test_a_combination_that_is_none():
    image = np.zeros((1, 32, 32, 1), np.uint8)
    with pytest.raises(InputError, match="combination='mean' is unknown; one of product, sum is expected"):
        ms_ssim(image, image, data_range=255, combination="mean")


# The authors' msssim.m under MATLAB, four digits, published with pyiqa's calibration images.
@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"), [("I03", 0.6733), ("I04", 0.9996), ("I06", 0.9998), ("I08", 0.9566), ("I19", 0.8462)]
)
def test_values_are_the_authors(name, published):
    x, y = (gray(image).astype(np.uint8)[None, ..., None] for image in published_pair(name))
    value = ms_ssim(x, y, data_range=255, convention="authors", combination="sum")
    assert abs(float(value[0]) - published) <= 5.5e-5
