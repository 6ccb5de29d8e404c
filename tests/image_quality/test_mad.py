"""MAD against what the authors' own code gave on images made of whole numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quality_ops import FULL_REFERENCE, one_by_one, small_pairs

import jaxeval.ops.image_quality as iq
from jaxeval.ops.image_quality import batches

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def made(kind, width, height):
    """Images by formula, of levels from 0 to 255: two textures, a ramp, one texture with a patch of the other, gray."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    first, second = (37 * x + 91 * y + x * y) % 256, ((17 * x ^ 29 * y) + 3 * x + 5 * y) % 256
    if kind == "patched":
        return np.where((x >= 20) & (x < 40) & (y >= 10) & (y < 30), second, first)
    return {"first": first, "second": second, "ramp": (x + 2 * y) % 256, "gray": np.full_like(x, 128)}[kind]


# Reference, distorted, width, height, and what hi_index.m and lo_index.m of the authors' STMAD_2011 gave on them under
# GNU Octave, published in the tests of zenmetrics' mad-iqa. There the first index has a factor of 10, in MAD_index.m of
# the same year and in the paper's release one of 200.
PUBLISHED = (
    ("first", "second", 64, 64, 131572.283897184563, 9.688765373323),
    ("first", "second", 65, 63, 132302.255032831221, 9.384997604771),
    ("patched", "second", 96, 80, 102819.537075095577, 8.893306321210),
    ("ramp", "second", 37, 41, 218003.466036476486, 13.090370420302),
    ("first", "second", 34, 34, 112251.749213334246, 5.846236835626),
    ("gray", "first", 64, 64, 149462.479444795055, 16.601442321003),
)
PUBLISHED_OF_LARGE = (
    ("first", "second", 256, 256, 101143.088739909173, 9.065290225621),
    ("second", "ramp", 256, 256, 64478.986671323131, 16.523224071463),
    ("first", "patched", 300, 260, 5168.494644471720, 0.662500927369),
    ("gray", "ramp", 512, 512, 246576.072716682946, 21.979369283852),
)


@pytest.mark.parametrize(
    "case", [*PUBLISHED, *(pytest.param(case, marks=pytest.mark.slow) for case in PUBLISHED_OF_LARGE)], ids=str
)
def test_values_are_those_of_the_authors_code(case):
    reference, distorted, width, height, faint, strong = case
    faint *= 20
    share = 1 / (1 + math.exp(-2.55 / 3.35) * faint ** (1 / (math.log(10) * 3.35)))
    y, x = (made(kind, width, height).astype(np.uint8)[None, ..., None] for kind in (reference, distorted))
    expected = strong ** (1 - share) * faint**share
    np.testing.assert_allclose(iq.mad(x, y, data_range=255), [expected], rtol=2e-5)


def test_a_distortion_that_cannot_be_seen_is_none():
    """The first index is 0 then, and with it the blend, by the authors' formula."""
    y = made("first", 40, 37).astype(np.float32)[None, ..., None]
    assert float(iq.mad(y + 0.01, y, data_range=255)[0]) == 0
    assert float(iq.mad(y, made("gray", 40, 37).astype(np.float32)[None, ..., None], data_range=255)[0]) > 1


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences(monkeypatch):
    """Of images without black: there the slope of the luminance is infinite, and the gradient that of the others."""
    monkeypatch.setattr(batches, "_each_image", one_by_one)
    with jax.enable_x64(True):
        x, y = (0.1 + 0.8 * jnp.asarray(i[:2], jnp.float64) for i in small_pairs(FULL_REFERENCE["mad"]))
        total_and_gradient = jax.jit(jax.value_and_grad(lambda x: iq.mad(x, y, data_range=1.0).sum()))
        direction = np.random.default_rng(1).standard_normal(x.shape)
        gradient = np.asarray(total_and_gradient(x)[1])
        above, below = (float(total_and_gradient(x + s * direction)[0]) for s in (1e-7, -1e-7))
    np.testing.assert_allclose(np.vdot(gradient, direction), (above - below) / 2e-7, rtol=1e-4)
