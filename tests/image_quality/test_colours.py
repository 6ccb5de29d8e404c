"""`colour=` of every op that takes it: planes by MATLAB's and scikit-image's rules, values against published ones."""

import functools
import inspect
import warnings
from typing import Any

import jax
import numpy as np
import pytest
import skimage.color
from photographs import photograph
from published_pairs import NAMES, published_pair
from quality_ops import FULL_REFERENCE

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.metrics import PSNR, SSIM, MsSsim, PooledPSNR
from jaxeval.ops.image_quality.colour import check_colour

pytestmark = pytest.mark.usefixtures("quickly_compiled")

# The first row of the inverse of MATLAB's YIQ matrix: rgb2gray's weights.
MATLABS = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]


def rgb2gray(image):
    """MATLAB's, of unsigned integers: rounded, halves upwards."""
    return np.floor(image.astype(np.float64) @ MATLABS + 0.5)


PLANES = {
    "rgb2gray": rgb2gray,
    "y": lambda image: skimage.color.rgb2ycbcr(image)[..., 0],
    "y-rounded": lambda image: np.rint(skimage.color.rgb2ycbcr(image)[..., 0]),
    "bt601": lambda image: image.astype(float) @ [0.299, 0.587, 0.114],
    "bt709": lambda image: image.astype(float) @ [0.2126, 0.7152, 0.0722],
}
PLANES_OF_8_BITS = {name: plane for name, plane in PLANES.items() if name != "y"}
# Those of RGB images that look at gray alone, or at one channel after the other, and how small images may be.
TAKE_COLOUR = {
    name: functools.partial(getattr(iq, name), data_range=255)
    for name in iq.__all__
    if callable(getattr(iq, name)) and "colour" in inspect.signature(getattr(iq, name)).parameters
}
OF_TWO = [name for name, op in TAKE_COLOUR.items() if "y" in inspect.signature(op).parameters]


def pictures(height, width):
    a, b = (photograph(name, height, width) for name in ("astronaut", "coffee"))
    draws = np.random.default_rng(3).normal(size=a.shape) * 9
    return a, np.clip(a + draws, 0, 255).astype(np.uint8), b


def small(name):
    sides = {"ms_ssim": 161, "iw_ssim": 161, "vif": 65, "cw_ssim": 64, "niqe": 193, "niqe_features": 193}
    x, y, _ = pictures(sides.get(name, 48), sides.get(name, 48) + 3)
    return x[None], y[None]


def settings_of(name):
    if name == "niqe":
        return {"model": iq.NiqeModel(mean=np.zeros(36), covariance=np.eye(36), convention="matlab")}
    if name == "brisque":
        rng = np.random.default_rng(0)
        return {
            "model": iq.BrisqueModel(
                support=rng.uniform(-1, 1, (5, 36)), coefficients=rng.uniform(1, 2, 5), gamma=0.05, rho=-10.0,
                low=np.full(36, -1.0), high=np.full(36, 10.0), convention="matlab",
            )
        }  # fmt: skip
    if name == "fsim":
        return {"chromatic": False}
    return {}


def within(name):
    """A shape that rounding moves to its table's next entry, 0.001 on, moves NIQE and BRISQUE by about as much."""
    return 1e-3 if name.split("_")[0] in ("niqe", "brisque") else 2e-5


def value(name, images, **options):
    sides = images if name in OF_TWO else images[:1]
    found = TAKE_COLOUR[name](*sides, **settings_of(name), **options)
    return jax.tree.map(np.asarray, found)


def test_every_op_that_computes_on_gray_takes_a_colour():
    of_gray = {"ssim", "ms_ssim", "gmsd", "nlpd", "vif", "vifp", "cw_ssim", "niqe", "psnr", "dss", "mad", "piqe"}
    assert of_gray <= set(TAKE_COLOUR)


@pytest.mark.parametrize("colour", PLANES)
def test_planes_are_what_their_names_say(colour):
    x, y, _ = pictures(50, 60)
    expected = np.square(PLANES[colour](x) - PLANES[colour](y)).mean()
    found = iq.mse(x[None], y[None], data_range=255, colour=colour)
    np.testing.assert_allclose(found, [expected], rtol=3e-6)


def test_rgb2gray_is_exact_for_every_colour_of_a_lattice_and_for_16_bits():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 52, 3)
    wide = np.random.default_rng(0).integers(0, 65536, (1, 200, 200, 3)).astype(np.uint16)
    for images, data_range in ((lattice, 255), (wide, 65535), (wide // 64, 1023)):
        # The mean absolute error from black is the mean of the plane; from the plane itself, nothing.
        plane = rgb2gray(images[0])[None, ..., None]
        gray = np.repeat(plane, 3, -1).astype(np.float32)
        error = iq.mae(images.astype(np.float32), gray, data_range=data_range, colour="rgb2gray")
        np.testing.assert_array_equal(error, [0.0])


def test_fractions_of_1_are_rounded_to_255ths():
    x, y, _ = pictures(40, 41)
    floats = [(i / 255.0).astype(np.float32)[None] for i in (x, y)]
    found = iq.psnr(*floats, data_range=1.0, colour="rgb2gray")
    np.testing.assert_allclose(found, iq.psnr(x[None], y[None], data_range=255, colour="rgb2gray"), rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("psnr", "gmsd", "sharpness") else pytest.mark.slow)
        for name in TAKE_COLOUR
    ],
)
def test_an_op_of_a_colour_is_the_op_of_its_plane(name):
    images = small(name)
    for colour in ("rgb2gray", "bt709"):
        planes = [PLANES[colour](image[0])[None, ..., None].astype(np.float32) for image in images]
        expected = value(name, planes)
        found = value(name, images, colour=colour)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=within(name), atol=2e-5), found, expected)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("psnr", "ssim", "gmsd", "entropy") else pytest.mark.slow)
        for name in TAKE_COLOUR
        if not name.endswith("_features")
    ],
)
def test_each_channel_is_the_mean_over_channels(name):
    images = small(name)
    of_channels = [value(name, [image[..., c : c + 1] for image in images]) for c in range(3)]
    found = value(name, images, colour="each-channel")
    for part, own in zip(jax.tree.leaves(found), zip(*map(jax.tree.leaves, of_channels), strict=True), strict=True):
        if part.ndim == 1:
            np.testing.assert_allclose(part, np.mean(own, axis=0), rtol=within(name), atol=1e-6)


def test_equal_images_stay_equal():
    x, _, _ = pictures(48, 50)
    x = (x / 255.0).astype(np.float32)[None]
    for colour in ("each-channel", "rgb2gray", "bt709", "y-rounded"):
        np.testing.assert_array_equal(iq.ssim(x, x, data_range=1.0, colour=colour), [1.0])
        np.testing.assert_array_equal(iq.gmsd(x, x, data_range=1.0, colour=colour), [0.0])
        np.testing.assert_array_equal(iq.psnr(x, x, data_range=1.0, colour=colour), [np.inf])


def test_gray_images_are_their_own_luma_whatever_the_colour():
    x, y = (photograph(name, 30, 31)[None] for name in ("camera", "moon"))
    for colour in ("y", "rgb2gray", "bt709", "each-channel"):
        np.testing.assert_array_equal(
            iq.gmsd(x, y, data_range=255, colour=colour), iq.gmsd(x, y, data_range=255), err_msg=colour
        )


def test_y_of_gray_images_is_full_swing_and_that_of_colours_is_not():
    """So that PSNR of y differs by 20 log10(255 / 219) = 1.32 dB between a gray image and the same one as RGB."""
    x, y = (photograph(name, 30, 31)[None] for name in ("camera", "moon"))
    gray = iq.psnr(x, y, data_range=255, colour="y")
    as_rgb = iq.psnr(*(np.repeat(i, 3, -1) for i in (x, y)), data_range=255, colour="y")
    np.testing.assert_allclose(as_rgb - gray, [20 * np.log10(255 / 219)], atol=1e-4)


@pytest.mark.parity
def test_gmsd_of_rgb2gray_is_the_authors():
    """GMSD.m's values of five pairs of TID2013 (IQA-PyTorch's table of official results)."""
    published = (0.220347639470143, 0.000522058505050, 0.000448281481001, 0.134631933046914, 0.204996493556054)
    x, y = (np.stack(side) for side in zip(*map(published_pair, NAMES), strict=True))
    found = iq.gmsd(x, y, data_range=255, colour="rgb2gray")
    np.testing.assert_allclose(found, published, atol=5e-6)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(iq.gmsd(x, y, data_range=255), published, atol=5e-5)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("op", "published"),
    [
        (functools.partial(iq.ssim, convention="pytorch-msssim"), (0.6993, 0.9978, 0.9989, 0.9669, 0.6519)),
        (iq.cw_ssim, (0.2763, 0.9996, 1.0000, 0.9068, 0.8658)),
        (iq.vif, (0.0172, 0.9891, 0.9924, 0.9103, 0.1745)),
        (iq.nlpd, (0.561610096893874, 0.019534798560102, 0.015915631543598, 0.302802106557736, 0.432604962261603)),
    ],
    ids=["ssim", "cw_ssim", "vif", "nlpd"],
)
def test_rgb2gray_gives_the_authors_published_values(op, published):
    x, y = (np.stack(side) for side in zip(*map(published_pair, NAMES), strict=True))
    np.testing.assert_allclose(op(x, y, data_range=255, colour="rgb2gray"), published, atol=5.5e-5)


@pytest.mark.slow
def test_gradients_pass_through_every_colour():
    x, y, _ = pictures(32, 33)
    colours: Any = ("each-channel", "rgb2gray", "bt601", "y")
    for colour in colours:
        slope = jax.grad(lambda i, c=colour: iq.gmsd(i, y[None], data_range=255, colour=c).sum())(
            x[None].astype(np.float32)
        )
        assert np.isfinite(slope).all()
        assert np.abs(slope).max(axis=(0, 1, 2)).min() > 0


def test_unknown_colours_are_refused():
    with pytest.raises(InputError, match="gmsd: colour='luma' is unknown; one of own, each-channel, y, "):
        check_colour("gmsd", np.zeros((1, 9, 9, 3)), "luma")


def test_four_channels_have_no_luma():
    with pytest.raises(InputError, match="psnr: colour='bt709' needs RGB or gray images; x has 4 channels"):
        iq.psnr(np.zeros((1, 9, 9, 4)), np.zeros((1, 9, 9, 4)), data_range=1.0, colour="bt709")


@pytest.mark.parametrize("name", ["fsim", "sr_sim", "ms_gmsd"])
def test_chroma_is_not_compared_of_gray(name):
    images = np.zeros((1, 48, 48, 3))
    with pytest.raises(InputError, match=f"{name}: colour='y' leaves no chroma to compare; give chromatic=False"):
        getattr(iq, name)(images, images, data_range=1.0, colour="y", chromatic=True)


def test_the_former_name_goes_on_with_a_warning():
    x, y, _ = pictures(30, 31)
    ops: Any = (iq.psnr, iq.mse, iq.mae, iq.rmse, iq.ssim)
    for op in ops:
        for before, now in (("y", "y"), ("all", "own")):
            with pytest.warns(DeprecationWarning, match="channels is called colour now"):
                former = op(x[None], y[None], data_range=255, channels=before)
            np.testing.assert_array_equal(former, op(x[None], y[None], data_range=255, colour=now))
    with pytest.raises(InputError, match="channels is the former name of colour"):
        ops[0](x[None], y[None], data_range=255, channels="y", colour="y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iq.psnr(x[None], y[None], data_range=255, colour="y")


def test_streaming_metrics_take_a_colour_and_its_former_name():
    metrics: Any = (PSNR, PooledPSNR, SSIM, MsSsim)
    for metric in metrics:
        with pytest.warns(DeprecationWarning, match="channels is called colour now"):
            assert metric(data_range=1.0, channels="y") == metric(data_range=1.0, colour="y")


def test_ops_of_colours_are_compared_like_others():
    """The table of all ops' promises has some with a colour, so that they are kept for these too."""
    assert {"gmsd of rgb2gray", "ssim of each channel"} <= set(FULL_REFERENCE)
