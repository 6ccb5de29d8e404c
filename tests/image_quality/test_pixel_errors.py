"""Pixel errors against scikit-image and NumPy in float64."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
import skimage.color
import skimage.metrics
from photographs import pairs, photograph

from jaxeval.ops.image_quality import Colour, mae, mse, psnr, rgb_to_y, rgb_to_ycbcr, rmse

SIZE = (61, 84)


@pytest.mark.parametrize("scale", [1.0, pytest.param(255.0, marks=pytest.mark.slow), 65535.0])
def test_errors_are_those_of_float64(scale):
    for label, x, y in pairs(SIZE):
        x, y = (i[None] / 255.0 * scale for i in (x, y))
        if scale == 65535.0:
            x, y = (np.rint(i).astype(np.uint16) for i in (x, y))
        difference = (x.astype(float) - y)[0]
        expected = {
            mse: np.square(difference).mean(),
            mae: np.abs(difference).mean(),
            rmse: np.sqrt(np.square(difference).mean()),
            psnr: skimage.metrics.peak_signal_noise_ratio(x, y, data_range=scale),
        }
        for op, value in expected.items():
            np.testing.assert_allclose(op(x, y, data_range=scale), [value], rtol=2e-6, err_msg=f"{op.__name__} {label}")


def test_identical_images_have_no_error_and_infinite_psnr():
    x = photograph("coffee", 20, 30)[None]
    assert [float(op(x, x, data_range=255)[0]) for op in (mse, mae, rmse, psnr)] == [0, 0, 0, np.inf]


def test_gradients_are_0_where_images_are_identical():
    x = photograph("coffee", 6, 7)[None].astype(np.float32)
    for op in (mse, mae, rmse):
        gradient = jax.grad(lambda x, y, op=op: op(x, y, data_range=255).sum())(x, x)
        np.testing.assert_array_equal(gradient, 0, err_msg=op.__name__)


def test_psnr_has_no_ceiling():
    x = np.full((1, 64, 64, 1), 0.5, np.float32)
    y = x.copy()
    y[0, 3, 5] += 1e-3
    expected = 10 * np.log10(64 * 64 / float(y[0, 3, 5, 0] - x[0, 3, 5, 0]) ** 2)
    assert expected > 95
    np.testing.assert_allclose(psnr(x, y, data_range=1.0), [expected], rtol=1e-6)


def test_large_images_keep_their_digits():
    x = np.zeros((1, 2500, 3000, 1), np.float32)
    y = np.random.default_rng(0).random(x.shape, np.float32)
    np.testing.assert_allclose(mse(x, y, data_range=1.0), [np.square(y.astype(float)).mean()], rtol=1e-6)
    np.testing.assert_allclose(mae(x, y, data_range=1.0), [y.astype(float).mean()], rtol=1e-6)


@pytest.mark.parametrize("border", [0, 4])
def test_y_channel_and_border_as_in_super_resolution_papers(border):
    for label, x, y in pairs(SIZE, ("astronaut", "coffee")):
        inner = (slice(border, SIZE[0] - border), slice(border, SIZE[1] - border))
        planes = [skimage.color.rgb2ycbcr(i[inner])[..., 0] for i in (x, y)]
        views: list[tuple[Colour, Callable]] = [("y", np.asarray), ("y-rounded", np.rint)]
        for colour, of in views:
            expected = 10 * np.log10(255**2 / np.square(of(planes[0]) - of(planes[1])).mean())
            value = psnr(x[None], y[None], data_range=255, colour=colour, crop_border=border)
            np.testing.assert_allclose(value, [expected], atol=2e-5, err_msg=f"{label} {colour}")


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_ycbcr_is_scikit_images(scale):
    x = photograph("astronaut", 30, 41)
    expected = skimage.color.rgb2ycbcr(x) / 255.0 * scale
    images = (x / 255.0 * scale)[None]
    np.testing.assert_allclose(rgb_to_ycbcr(images, data_range=scale)[0], expected, atol=1e-6 * scale)
    np.testing.assert_allclose(rgb_to_y(images, data_range=scale)[0], expected[..., :1], atol=1e-6 * scale)
    codes = np.rint(expected[..., :1] / scale * 255)
    rounded = np.asarray(rgb_to_y(images, data_range=scale, rounded=True)[0]) / scale * 255
    assert np.abs(rounded - codes).max() < 1e-3


def test_gray_images_are_their_own_luma():
    x, y = photograph("camera", 20, 20)[None], photograph("moon", 20, 20)[None]
    np.testing.assert_array_equal(psnr(x, y, data_range=255, colour="y"), psnr(x, y, data_range=255))
