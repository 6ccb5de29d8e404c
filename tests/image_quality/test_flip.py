"""HDR-FLIP in every way of running, what FLIP refuses, and both against NVIDIA's own code."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from photographs import pairs, photograph

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.ops.image_quality.bands import banded

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def light(image, brightest=8.0):
    """Made light: a photograph with deeper shadows and brighter lights."""
    return np.ascontiguousarray(((image.astype(np.float32) / 255) ** 2.2 * brightest + 0.01) ** 1.5)


@pytest.mark.parametrize(("height", "size"), [(1, 3), (31, 21), (64, 21), (70, 69)])
def test_products_with_banded_matrices_are_correlations(height, size):
    rng = np.random.default_rng(height)
    taps, image = rng.standard_normal((2, size)), rng.standard_normal((height, 3, 5))
    expected = [scipy.ndimage.correlate1d(image, one, axis=0, mode="nearest") for one in taps]
    found = banded(jnp.asarray(image, jnp.float32), taps)
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-5)


def test_exposures_of_the_reference_are_those_that_a_person_would_give():
    """By the paper: the brightest pixel, and the median, become the tone 0.85; one exposure for each stop begun."""
    y = light(photograph("astronaut", 24, 29))
    x = light(photograph("coffee", 24, 29))
    luminance = np.sort((y.astype(float) @ np.array([0.2126, 0.7152, 0.0722])).ravel())
    # Of x / (1 + x) the tone is 0.85 at x = 0.85 / 0.15.
    first, last = np.log2(0.85 / 0.15 / luminance[[-1, luminance.size // 2]])
    number = int(np.ceil(last - first))
    assert number > 2
    given = iq.hdr_flip(x[None], y[None], tone_mapper="reinhard", exposures=(first, last, number))
    found = iq.hdr_flip(x[None], y[None], tone_mapper="reinhard")
    np.testing.assert_allclose(found, given, rtol=5e-6)
    other = iq.hdr_flip(x[None], y[None], tone_mapper="reinhard", exposures=(first, last, number + 5))
    assert abs(float(other[0]) - float(found[0])) > 5e-5  # ten times the difference that is allowed


def test_a_reference_that_is_mostly_black_has_no_exposures_of_its_own():
    y = np.zeros((1, 8, 9, 3), np.float32)
    y[0, :3] = 2.0
    x = y + 0.25
    assert np.isnan(iq.hdr_flip(x, y)).all()
    assert np.isfinite(iq.hdr_flip(x, y, exposures=(-1.0, 2.0, 3))).all()


@pytest.mark.slow
def test_hdr_flip_in_every_way_of_running():
    x, y = (
        np.stack([light(photograph(name, 24, 29)) for name in names])
        for names in (("coffee", "rocket"), ("chelsea", "astronaut"))
    )
    values = np.asarray(iq.hdr_flip(x, y))
    assert values.shape == (2,)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(iq.hdr_flip(y, y), np.zeros(2))
    np.testing.assert_allclose(jax.jit(iq.hdr_flip)(x, y), values, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(iq.hdr_flip)(x[:, None], y[:, None])[:, 0], values, rtol=1e-6)
    gray = iq.hdr_flip(x[..., :1], y[..., :1])
    np.testing.assert_allclose(gray, iq.hdr_flip(x[..., [0] * 3], y[..., [0] * 3]), rtol=1e-6)
    for exposures in (None, (-2.0, 3.0, 4)):
        total = functools.partial(lambda e, x, y: iq.hdr_flip(x, y, exposures=e).sum(), exposures)
        for gradient in jax.jit(jax.grad(total, argnums=(0, 1)))(x, y):
            assert np.isfinite(gradient).all()
            assert (np.abs(gradient).max((1, 2, 3)) > 0).all()
        assert np.isfinite(jax.grad(total)(y, y)).all()
    bad = x.copy()
    bad[1, 3, 4, 0] = np.nan
    assert np.isnan(jax.jit(iq.hdr_flip)(bad, y)).tolist() == [False, True]


def test_what_is_wrong_with_arguments_is_named():
    x = np.ones((1, 8, 9, 3), np.float32)
    with pytest.raises(InputError, match="flip: pixels_per_degree=0 is not a number of at least 1"):
        iq.flip(x, x, data_range=1.0, pixels_per_degree=0)
    with pytest.raises(InputError, match="hdr_flip: y has values down to -1; light is not negative"):
        iq.hdr_flip(x, -x)
    with pytest.raises(InputError, match=r"x has 1 values that are not finite, the first at \[0, 0, 0, 0\]"):
        iq.hdr_flip(np.where(np.arange(x.size).reshape(x.shape) == 0, np.inf, x).astype(np.float32), x)
    with pytest.raises(InputError, match="they must be the same"):
        iq.hdr_flip(x, x[:, 1:])
    for exposures in ((2.0, 1.0, 3), (0.0, 1.0, 1), (0.0, np.inf, 3)):
        with pytest.raises(InputError, match="with first <= last and at least two"):
            iq.hdr_flip(x, x, exposures=exposures)


# NVIDIA's mean is a sum of float32 one after the other; ours is compared with the mean of its map.
@pytest.mark.parity
@pytest.mark.slow
def test_flip_is_nvidias():
    import flip_evaluator

    for size, parameters in (((180, 203), {}), ((7, 9), {}), ((91, 84), {"ppd": 30.0})):
        for label, reference, distorted in pairs(size, ("astronaut", "coffee")):
            y, x = (i.astype(np.float32) / 255 for i in (reference, distorted))
            errors = flip_evaluator.evaluate(y, x, "LDR", applyMagma=False, parameters=parameters)[0]
            density = {"pixels_per_degree": parameters["ppd"]} if parameters else {}
            value = float(iq.flip(distorted[None], reference[None], data_range=255, **density)[0])
            assert abs(value - errors.mean(dtype=np.float64)) < 2e-6, (size, label)


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize("tone_mapper", ["aces", "hable", "reinhard"])
def test_hdr_flip_is_nvidias(tone_mapper):
    import flip_evaluator

    given = {"startExposure": -2.0, "stopExposure": 3.0, "numExposures": 4}
    for parameters, exposures in (({}, None), (given, (-2.0, 3.0, 4))):
        for label, reference, distorted in pairs((91, 120), ("astronaut", "coffee")):
            y, x = light(reference), light(distorted)
            options = {"tonemapper": tone_mapper, **parameters}
            errors = flip_evaluator.evaluate(y, x, "HDR", applyMagma=False, parameters=options)[0]
            value = float(iq.hdr_flip(x[None], y[None], tone_mapper=tone_mapper, exposures=exposures)[0])
            assert abs(value - errors.mean(dtype=np.float64)) < 2e-6, label
