"""Programs that know no sizes give what the ops give, of images of any size, and are compiled once for all."""

from typing import Any

import numpy as np
import pytest
from photographs import jpeg, photograph

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.ops.image_quality import batches
from jaxeval.ops.image_quality.by_tiles import SSIM_BY_TILES, pixel_error_by_tiles, ssim_by_tiles

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SIZES = ((11, 12), (246, 256), (257, 300), (512, 247))
KINDS = ("mse", "rmse", "mae", "psnr")


def sides(height, width):
    x = np.stack([photograph(name, height, width) for name in ("astronaut", "astronaut")])
    return np.stack([jpeg(x[0], 3), x[1]]), x


@pytest.mark.parametrize("colour", ["own", pytest.param("rgb2gray", marks=pytest.mark.slow), "bt709"])
@pytest.mark.parametrize("size", SIZES)
def test_errors_are_those_of_the_ops(size, colour):
    distorted, reference = sides(*size)
    for kind in KINDS:
        found = pixel_error_by_tiles(distorted, reference, kind=kind, data_range=255, colour=colour)
        expected = np.asarray(getattr(iq, kind)(distorted, reference, data_range=255, colour=colour), np.float64)
        # Float32's rounding of the op's own mean, and of its logarithm.
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=kind)
        assert found[1] == (np.inf if kind == "psnr" else 0.0)


@pytest.mark.parametrize(
    "convention",
    [pytest.param(name, marks=() if name == "scikit-image" else pytest.mark.slow) for name in SSIM_BY_TILES],
)
@pytest.mark.parametrize("colour", ["own", "each-channel", "y-rounded"])
def test_ssim_is_that_of_the_op(convention, colour):
    for size in SIZES[:: 1 if convention == "scikit-image" else 2]:
        distorted, reference = sides(*size)
        found = ssim_by_tiles(distorted, reference, data_range=255, convention=convention, colour=colour)
        expected = iq.ssim(distorted, reference, data_range=255, convention=convention, colour=colour)
        np.testing.assert_allclose(found, expected, atol=1.2e-7)
        assert found[1] == 1.0


def test_16_bits_and_gray():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 65536, (2, 3, 300, 270, 1)).astype(np.uint16)
    found = pixel_error_by_tiles(x, y, kind="mse", data_range=65535)
    np.testing.assert_allclose(found, np.square(x.astype(float) - y).mean((1, 2, 3)), rtol=1e-6)
    found = ssim_by_tiles(x, y, data_range=65535, convention="scikit-image")
    np.testing.assert_allclose(found, iq.ssim(x, y, data_range=65535), atol=1.2e-7)


def test_sizes_share_their_programs():
    program: Any = batches._each_image
    program.clear_cache()
    for size in SIZES:
        distorted, reference = sides(*size)
        pixel_error_by_tiles(distorted, reference, kind="psnr", data_range=255)
        ssim_by_tiles(distorted, reference, data_range=255, convention="scikit-image")
    assert program._cache_size() == 2


def test_what_the_ops_refuse_is_refused():
    x = np.zeros((1, 10, 30, 3), np.uint8)
    with pytest.raises(InputError, match="ssim: x has images of 10 x 30 pixels; at least 11 x 11 are needed"):
        ssim_by_tiles(x, x, data_range=255, convention="scikit-image")
    with pytest.raises(InputError, match="psnr: x has shape"):
        pixel_error_by_tiles(x, x[:, :5], kind="psnr", data_range=255)
    with pytest.raises(InputError, match="give 255 for 8 bits"):
        pixel_error_by_tiles(x, x, kind="psnr", data_range=1.0)
