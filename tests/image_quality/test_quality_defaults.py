"""Every default value of `jaxeval.ops.image_quality`: what is left out is what is documented, and nothing else.

Each is the reference's that the op's docstring names: scikit-image's SSIM over whole images, pytorch-msssim's five
scales, LPIPS v0.1, MATLAB's BRISQUE and NIQE, 256 gray levels, torchmetrics' scale of CLIP-IQA. `data_range` has none:
it must be given.
"""

import inspect
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from default_values import Default, Example, assert_complete, assert_default, defaults_of
from nrqm_models import one_split
from photographs import photograph

import jaxeval.ops.image_quality as iq

INPUTS = frozenset({"data_range", "y"})


def images(height: int, width: int, noise: float = 12.0) -> dict[str, Any]:
    x = photograph("astronaut", height, width)[None].astype(np.float32)
    y = np.clip(x + noise * np.random.default_rng(0).standard_normal(x.shape), 0, 255).astype(np.float32)
    return {"x": x, "y": y, "data_range": 255}


def alone(height: int, width: int) -> dict[str, Any]:
    return {name: value for name, value in images(height, width).items() if name != "y"}


def embeddings(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


MAPS = [[jnp.asarray(np.random.default_rng(seed).random((1, 4, 5, 3)) * 1e-4, jnp.float32)] for seed in (1, 2)]
OF_GRAY = {"colour": Default("own", ("bt709",))}
OF_PIXELS = {**OF_GRAY, "crop_border": Default(0, (1,))}
OF_WINDOWS = {
    "window_size": Default(None, (9,)),
    "sigma": Default(None, (1.0,)),
    "weighting": Default(None, ("uniform",)),
    "k1": Default(0.01, (0.02,)),
    "k2": Default(0.03, (0.02,)),
}
STABILITY = {"stability": Default(170.0, (160.0, 180.0))}
TWO_SCALES = {"weights": (0.4, 0.6)}


def clipped(side: int) -> dict[str, Any]:
    x = photograph("astronaut", side, side)[None, ..., :1].astype(np.float32)
    x[:, : side // 2, : side // 3] = 255
    return {"x": x, "data_range": 255}


# Of a rule per convention the default is one of the others.
FLAT_PIXELS = Default("convention", ("left", "right"))


def of_one(side: int) -> dict[str, Default]:
    """The default colour of an op of one image, which gray images do not show."""
    return {"colour": Default("own", ("bt709",), {"x": photograph("astronaut", side, side)[None]})}


NIQE = iq.NiqeModel(mean=np.zeros(36), covariance=np.eye(36), convention="matlab")
FOREST = one_split(1, 0.5, 2.0, 7.0)
NRQM = iq.NrqmModel(forests=(FOREST, FOREST, FOREST), linear=np.ones(4))
BRISQUE = iq.BrisqueModel(
    low=np.zeros(36), high=np.ones(36), support=np.eye(36)[:5], coefficients=np.ones(5), gamma=0.01, rho=0.0,
    convention="matlab",
)  # fmt: skip

DEFAULTS = {
    "brisque": Example(iq.brisque, {**clipped(32), "model": BRISQUE}, {"flat_pixels": FLAT_PIXELS, **of_one(32)}),
    "brisque_features": Example(
        iq.brisque_features,
        clipped(32),
        {"convention": Default("matlab", ("brisque",)), "flat_pixels": FLAT_PIXELS, **of_one(32)},
    ),
    "clip_iqa": Example(
        iq.clip_iqa,
        {"images": embeddings(3, 4), "prompts": embeddings(2, 2, 4)},
        {"logit_scale": Default(100.0, (99.0, 101.0, 1.0))},
    ),
    "cw_ssim": Example(iq.cw_ssim, images(64, 65), OF_GRAY),
    "dss": Example(iq.dss, images(24, 25), OF_GRAY),
    "entropy": Example(iq.entropy, alone(21, 20), {"bins": Default(256, (255, 257)), **OF_GRAY}),
    "flip": Example(iq.flip, images(16, 19), {"pixels_per_degree": Default(3840 * math.pi / 180, (67.0, 70.0))}),
    "hdr_flip": Example(
        iq.hdr_flip,
        {name: of for name, of in images(16, 19).items() if name != "data_range"},
        {
            "pixels_per_degree": Default(3840 * math.pi / 180, (67.0, 70.0)),
            "tone_mapper": Default("aces", ("hable", "reinhard")),
            "exposures": Default(None, ((-2.0, 3.0, 4),)),
        },
    ),
    "fsim": Example(
        iq.fsim,
        images(24, 29),
        {"chromatic": Default(True, (False,)), "convention": Default("piq", ("authors",)), **OF_GRAY},
    ),
    "gms": Example(iq.gms, images(17, 20), {**OF_GRAY, **STABILITY}),
    "gmsd": Example(iq.gmsd, images(17, 20), {**OF_GRAY, **STABILITY}),
    "haarpsi": Example(
        iq.haarpsi,
        images(24, 25),
        {
            "stability": Default(30.0, (29.0, 31.0)),
            "alpha": Default(4.2, (4.1, 4.3)),
            "halved": Default(True, (False,)),
        },
    ),
    "iw_ssim": Example(iq.iw_ssim, images(161, 162), OF_GRAY),
    "lpips_distance": Example(
        iq.lpips_distance,
        {"features_x": MAPS[0], "features_y": MAPS[1], "heads": [jnp.ones(3)]},
        {"convention": Default("lpips", ("torchmetrics",))},
    ),
    "mad": Example(iq.mad, images(48, 50, noise=60.0), OF_GRAY),
    "mae": Example(iq.mae, images(9, 12), OF_PIXELS),
    "mdsi": Example(iq.mdsi, images(17, 20), {"combination": Default("sum", ("mult",))}),
    "ms_gmsd": Example(
        iq.ms_gmsd,
        images(24, 29),
        {
            "chromatic": Default(False, (True,)),
            "scale_weights": Default((0.096, 0.596, 0.289, 0.019), ((0.1, 0.6, 0.2, 0.1),)),
            "masking": Default(0.5, (0.4,)),
            **OF_GRAY,
            **STABILITY,
        },
    ),
    "ms_ssim": Example(
        iq.ms_ssim,
        images(24, 29),
        {
            "convention": Default("pytorch-msssim", ("torchmetrics",), TWO_SCALES),
            # Five scales are too many for the image: both are one refusal, fewer are none.
            "weights": Default((0.0448, 0.2856, 0.3001, 0.2363, 0.1333), ((0.4, 0.6),)),
            "combination": Default("product", ("sum",), TWO_SCALES),
            **{name: default._replace(given=TWO_SCALES) for name, default in (OF_PIXELS | OF_WINDOWS).items()},
        },
    ),
    "mse": Example(iq.mse, images(9, 12), OF_PIXELS),
    "perceptual_index": Example(
        iq.perceptual_index, {**alone(205, 201), "model": NRQM, "niqe_model": NIQE}, {"crop_border": Default(4, (3,))}
    ),
    "niqe": Example(iq.niqe, {**clipped(193), "model": NIQE}, {"flat_pixels": FLAT_PIXELS, **of_one(193)}),
    "niqe_features": Example(
        iq.niqe_features,
        clipped(193),
        {"convention": Default("matlab", ("scikit-video",)), "flat_pixels": FLAT_PIXELS, **of_one(193)},
    ),
    "nlpd": Example(iq.nlpd, images(32, 37), {"convention": Default("authors", ("pyiqa",)), **OF_GRAY}),
    "piqe": Example(iq.piqe, alone(32, 33), OF_GRAY),
    "psnr": Example(iq.psnr, images(9, 12), OF_PIXELS),
    "psnr_hvs": Example(iq.psnr_hvs, images(16, 16), OF_GRAY),
    "psnr_hvs_m": Example(iq.psnr_hvs_m, images(16, 16), OF_GRAY),
    "rgb_to_y": Example(iq.rgb_to_y, alone(5, 6), {"rounded": Default(False, (True,))}),
    "rmse": Example(iq.rmse, images(9, 12), OF_PIXELS),
    "sharpness": Example(iq.sharpness, alone(9, 12), OF_GRAY),
    "sr_sim": Example(
        iq.sr_sim,
        images(40, 41),
        {
            "chromatic": Default(False, (True,)),
            "scale": Default(0.25, (0.3,)),
            "kernel_size": Default(3, (5,)),
            "sigma": Default(3.8, (3.0,)),
            "gaussian_size": Default(10, (9,)),
            **OF_GRAY,
        },
    ),
    "ssim": Example(
        iq.ssim, images(16, 19), {"convention": Default("scikit-image", ("torchmetrics",)), **OF_PIXELS, **OF_WINDOWS}
    ),
    "ssim_terms": Example(
        iq.ssim_terms,
        images(16, 19),
        {"convention": Default("scikit-image", ("torchmetrics",)), **OF_PIXELS, **OF_WINDOWS},
    ),
    "total_variation": Example(iq.total_variation, alone(9, 12), {"norm": Default("l1", ("l2", "l2-squared"))}),
    "vif": Example(iq.vif, images(65, 66), {"noise": Default(0.4, (0.5,)), **OF_GRAY}),
    "vifp": Example(iq.vifp, images(41, 42), {"noise": Default(2.0, (1.9,)), **OF_GRAY}),
}
QUICK = (
    "clip_iqa",
    "entropy",
    "flip",
    "gmsd",
    "lpips_distance",
    "mae",
    "mdsi",
    "ms_ssim",
    "mse",
    "psnr",
    "rgb_to_y",
    "rmse",
    "sharpness",
    "ssim",
    "total_variation",
)


def test_every_default_is_in_the_table():
    for name in iq.__all__:
        op = getattr(iq, name)
        if callable(op) and not inspect.isclass(op):
            assert_complete(name, DEFAULTS.get(name, Example(op, {}, {})), INPUTS)


@defaults_of(DEFAULTS, *QUICK)
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.slow
@defaults_of(DEFAULTS, *(name for name in DEFAULTS if name not in QUICK))
def test_default_values_of_ops_that_take_long_to_compile(example, parameter):
    assert_default(example, parameter)
