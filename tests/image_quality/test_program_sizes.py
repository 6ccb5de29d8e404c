"""How large the programs of the image ops are: their compilation grows with them, and no machine's load moves it.

A program that outgrows its limit has unrolled a loop over maps, taps, scales or orientations. Raise the limit only for
what an op computes more than before.
"""

import functools

import jax
import jax.numpy as jnp
import pytest

from jaxeval.ops import image_quality
from jaxeval.pairs import PAIR_MEASURES

# Instructions of a program as it is lowered for a CPU, for four images of 256 x 256 x 3: a tenth more than there are.
LIMITS = {
    "psnr": 70,
    "ssim": 260,
    "ms_ssim": 1390,
    "mse": 50,
    "rmse": 60,
    "mae": 50,
    "psnr_hvs": 130,
    "psnr_hvs_m": 400,
    "cw_ssim": 320,
    "iw_ssim": 2680,
    "vif": 3130,
    "vifp": 1280,
    "fsim": 760,
    "sr_sim": 720,
    "vsi": 850,
    "gms": 270,
    "gmsd": 290,
    "ms_gmsd": 890,
    "mdsi": 540,
    "haarpsi": 990,
    "dss": 550,
    "flip": 850,
    "hdr_flip": 990,
    "mad": 1020,
    "nlpd": 1370,
    "piqe": 610,
    "sharpness": 110,
    "colourfulness": 120,
    "entropy": 130,
    "total_variation": 60,
    "brisque_features": 1320,
    "niqe_features": 1240,
    "ilniqe_features": 3790,
    "nrqm_features": 3610,
}


def instructions(name: str) -> int:
    """Of an op's program, before the compiler has seen it."""
    images = jax.ShapeDtypeStruct((4, 256, 256, 3), jnp.float32)
    measure = PAIR_MEASURES.get(name.replace("_", "-"))
    alone = name.endswith("_features") or (measure is not None and measure.alone)
    # Linear light has no range.
    settings = {} if name == "hdr_flip" else {"data_range": 1.0}
    op = functools.partial(getattr(image_quality, name), **settings)
    traced = jax.jit(op).trace(*[images] * (1 if alone else 2))
    return sum(" = " in line for line in traced.lower(lowering_platforms=("cpu",)).as_text().splitlines())


@pytest.mark.parametrize("name", LIMITS)
def test_programs_stay_small(name: str) -> None:
    assert instructions(name) <= LIMITS[name]


def test_every_measure_has_a_limit() -> None:
    names = {name.replace("-", "_") for name, measure in PAIR_MEASURES.items() if not measure.weights}
    assert names & set(image_quality.__all__) - set(LIMITS) == set()
