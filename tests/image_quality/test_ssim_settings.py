"""Windows and constants of SSIM and MS-SSIM, and what conventions do at borders and with large images."""

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from photographs import jpeg, pairs, photograph
from skimage.metrics import structural_similarity

from jaxeval.errors import InputError
from jaxeval.ops.image_quality import SsimConvention, ms_ssim, ssim, ssim_terms

pytestmark = pytest.mark.usefixtures("quickly_compiled")

WANG: Any = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5, "channel_axis": -1}
WITHIN = 2e-6

SETTINGS = {
    "sigma": ({"sigma": 2.5}, WANG | {"sigma": 2.5}),
    "size": (
        {"window_size": 9, "weighting": "uniform"},
        {"win_size": 9, "channel_axis": -1, "use_sample_covariance": False},
    ),
    "default size": ({"convention": "scikit-image-default", "window_size": 5}, {"win_size": 5, "channel_axis": -1}),
    "constants": ({"k1": 0.02, "k2": 0.1}, WANG | {"K1": 0.02, "K2": 0.1}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_scikit_images(name):
    ours, theirs = SETTINGS[name]
    for label, x, y in pairs((47, 64), ("astronaut",)):
        expected = structural_similarity(x, y, data_range=255, **theirs)
        np.testing.assert_allclose(ssim(x[None], y[None], data_range=255, **ours), [expected], atol=WITHIN)
        terms = ssim_terms(x[None], y[None], data_range=255, **ours)
        np.testing.assert_allclose(terms.ssim, [expected], atol=WITHIN, err_msg=label)


@pytest.mark.parametrize(("convention", "mode"), [("matlab", "edge"), ("gaussian-splatting", "constant")])
@pytest.mark.parametrize("size", [(47, 64), pytest.param((7, 9), marks=pytest.mark.slow)])
def test_borders_are_continued_by_the_convention(convention, mode, size):
    """Of an image with its border, scikit-image's map inside it is the whole map of the image."""
    for label, x, y in pairs(size, ("astronaut",)):
        wide = [np.pad(i, ((10, 10), (10, 10), (0, 0)), mode=mode) for i in (x, y)]
        full: Any = structural_similarity(*wide, data_range=255, full=True, **WANG)
        expected = full[1][10:-10, 10:-10]
        np.testing.assert_allclose(
            ssim(x[None], y[None], data_range=255, convention=convention), [expected.mean()], atol=WITHIN, err_msg=label
        )
        terms = ssim_terms(x[None], y[None], data_range=255, convention=convention)
        np.testing.assert_allclose(terms.map[0], expected, atol=1e-4, err_msg=label)


def test_matlabs_window_follows_its_sigma():
    x, y = photograph("camera", 40, 41), jpeg(photograph("camera", 40, 41), 3)
    found = ssim(x[None], y[None], data_range=255, convention="matlab", sigma=2.2)
    # ssim(..., "Radius", 2.2) filters with 2 * ceil(6.6) + 1 = 15 taps.
    a, b = (i[..., 0].astype(float) for i in (x, y))
    mean_a, mean_b, squares_a, squares_b, products = (
        scipy.ndimage.gaussian_filter(i, 2.2, mode="nearest", radius=7) for i in (a, b, a * a, b * b, a * b)
    )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    contrast = (2 * (products - mean_a * mean_b) + c2) / (squares_a - mean_a**2 + squares_b - mean_b**2 + c2)
    expected = contrast * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    np.testing.assert_allclose(found, [expected.mean()], atol=WITHIN)


@pytest.mark.parametrize(
    ("size", "factor"),
    [((383, 400), 1), ((384, 390), 2), ((700, 641), 3), pytest.param((1000, 1101), 4, marks=pytest.mark.slow)],
)
def test_authors_average_large_images_about_every_nth_pixel(size, factor):
    x = np.tile(photograph("coffee"), (3, 2, 1))[: size[0], : size[1]]
    y = jpeg(x, 3)
    middle: Any = (-1 + factor % 2, -1 + factor % 2, 0)
    # MATLAB's imfilter has the middle of an even filter before its half: SciPy's lies one further.
    smaller = [
        scipy.ndimage.correlate(i.astype(float), np.full((factor, factor, 1), 1 / factor**2), origin=middle)[
            ::factor, ::factor
        ]
        for i in (x, y)
    ]
    expected = structural_similarity(*smaller, data_range=255, **WANG)
    found = ssim(x[None], y[None], data_range=255, convention="authors")
    np.testing.assert_allclose(found, [expected], atol=WITHIN)
    as_piq = ssim(x[None], y[None], data_range=255, convention="piq")
    assert (abs(float(found[0] - as_piq[0])) > 2e-5) == (factor > 2)


# tf.image.ssim_multiscale, tf.image.ssim, and the latter with filter_size=8, filter_sigma=2.0, k1=0.02 and k2=0.05, of
# TensorFlow 2.21.0 in float32 on the CPU.
OF_TENSORFLOW = {
    (241, 243): (0.8656175136566162, 0.41318270564079285, 0.509501576423645),
    (199, 330): (0.870603621006012, 0.40100717544555664, 0.4971790015697479),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", OF_TENSORFLOW)
def test_tensorflows_own_values(size):
    x = photograph("astronaut", *size)
    y = np.clip(x + np.random.default_rng(8).integers(-40, 41, x.shape), 0, 255).astype(np.uint8)
    own = {"data_range": 255, "convention": "tensorflow"}
    found = (
        ms_ssim(y[None], x[None], **own),
        ssim(y[None], x[None], **own),
        ssim(y[None], x[None], **own, window_size=8, sigma=2.0, k1=0.02, k2=0.05),
    )
    np.testing.assert_allclose(found[0], OF_TENSORFLOW[size][:1], atol=1e-5)
    # Its variances are differences of squares in float32, each rounded by up to 2e-3 beside constants of 58 and 163.
    np.testing.assert_allclose(np.concatenate(found[1:]), OF_TENSORFLOW[size][1:], atol=4e-5)
    # Zeros around an odd side, as pytorch-msssim has them, give another number.
    assert abs(float(ms_ssim(y[None], x[None], data_range=255)[0] - found[0][0])) > 1e-4


def test_conventions_take_their_own_settings():
    x, y = photograph("camera", 40, 41)[None], photograph("moon", 40, 41)[None]
    for convention in ("tensorflow", "authors", "dm-pix"):
        even = ssim(x, y, data_range=255, convention=convention, window_size=8, weighting="uniform")
        means = [scipy.ndimage.uniform_filter(i[0, ..., 0].astype(float), 8)[4:-3, 4:-3] for i in (x, y)]
        squares = [
            scipy.ndimage.uniform_filter(a[0, ..., 0].astype(float) * b[0, ..., 0], 8)[4:-3, 4:-3]
            for a, b in ((x, x), (y, y), (x, y))
        ]
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        covariance = squares[2] - means[0] * means[1]
        variances = squares[0] - means[0] ** 2, squares[1] - means[1] ** 2
        luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
        expected = luminance * (2 * covariance + c2) / (variances[0] + variances[1] + c2)
        np.testing.assert_allclose(even, [expected.mean()], atol=WITHIN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window_size": 8}, "window_size=8 is even; the convention scikit-image needs a middle pixel"),
        ({"window_size": 1}, "window_size=1 is not a whole number of 2 or more pixels"),
        ({"window_size": 99}, "at least 99 x 99 are needed"),
        ({"sigma": 0.0}, "sigma=0.0 is not a positive number"),
        ({"k1": 0.0}, "k1=0.0 is not a positive number"),
        ({"k2": float("nan")}, "k2=nan is not a positive number"),
        ({"weighting": "uniform", "sigma": 2.0}, "sigma=2.0 is of Gaussian windows"),
    ],
)
@pytest.mark.parametrize("op", [ssim, ssim_terms, ms_ssim])
def test_impossible_windows_are_refused(op, settings, said):
    images = np.zeros((1, 70, 71, 3))
    options = {"convention": "torchmetrics", "weights": (0.5, 0.5)} if op is ms_ssim else {}
    with pytest.raises(InputError, match=said.replace("scikit-image", options.get("convention", "scikit-image"))):
        op(images, images, data_range=1.0, **options, **settings)


def test_smallest_images_of_each_border():
    x = np.random.default_rng(0).uniform(size=(1, 11, 11, 1))
    leasts: dict[SsimConvention, int] = {"matlab": 1, "gaussian-splatting": 1, "torchmetrics": 6, "authors": 11}
    for convention, least in leasts.items():
        small = x[:, :least, :least]
        np.testing.assert_array_equal(ssim(small, small, data_range=1.0, convention=convention), [1.0])
        if least > 1:
            with pytest.raises(InputError, match=f"at least {least} x {least} are needed"):
                ssim(small[:, 1:], small[:, 1:], data_range=1.0, convention=convention)


@pytest.mark.parity
def test_settings_of_other_packages(torch):
    import piq
    import pytorch_msssim
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure as ms_ssim_of_torchmetrics,
    )
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim_of_torchmetrics

    settings: Any = {"window_size": 9, "sigma": 2.0, "k1": 0.02, "k2": 0.05}
    for label, x, y in pairs((201, 190), ("astronaut",)):
        a, b = (torch.from_numpy(i.transpose(2, 0, 1)[None].astype(np.float64)) for i in (x, y))
        ours: dict[str, Any] = {}
        names: tuple[Any, ...] = ("piq", "pytorch-msssim", "torchmetrics")
        for name in names:
            # torchmetrics takes a Gaussian's size from its sigma.
            own: Any = settings | ({"window_size": 15} if name == "torchmetrics" else {})
            ours[name] = ssim(x[None], y[None], data_range=255, convention=name, **own)
            weights = (0.3, 0.3, 0.4)
            ours[f"ms {name}"] = ms_ssim(x[None], y[None], data_range=255, convention=name, weights=weights, **own)
        theirs = {
            "piq": piq.ssim(a, b, kernel_size=9, kernel_sigma=2.0, data_range=255, k1=0.02, k2=0.05),
            "pytorch-msssim": pytorch_msssim.ssim(a, b, data_range=255, win_size=9, win_sigma=2.0, K=(0.02, 0.05)),
            "torchmetrics": ssim_of_torchmetrics(a, b, sigma=2.0, data_range=255.0, k1=0.02, k2=0.05),
            "ms piq": piq.multi_scale_ssim(
                a, b, kernel_size=9, kernel_sigma=2.0, data_range=255, k1=0.02, k2=0.05,
                scale_weights=torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64),
            ),
            "ms pytorch-msssim": pytorch_msssim.ms_ssim(
                a, b, data_range=255, win_size=9, win_sigma=2.0, K=(0.02, 0.05), weights=[0.3, 0.3, 0.4]
            ),
            "ms torchmetrics": ms_ssim_of_torchmetrics(
                a, b, sigma=2.0, data_range=255.0, k1=0.02, k2=0.05, betas=(0.3, 0.3, 0.4)
            ),
        }  # fmt: skip
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], [float(value)], atol=1e-5, err_msg=f"{label} {name}")
