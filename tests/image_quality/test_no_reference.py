"""Statistics of single images against OpenCV's, SciPy's and scikit-image's definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import skimage.measure
from photographs import pairs, photograph

from jaxeval.errors import InputError
from jaxeval.ops.image_quality import colourfulness, entropy, exposure, sharpness, total_variation

LUMA = np.array([0.299, 0.587, 0.114])
OPS = (total_variation, sharpness, colourfulness, entropy)


def images():
    for label, x, y in pairs((33, 44), ("astronaut", "coffee")):
        yield label, x
        yield label, y


def test_values_are_the_definitions():
    for label, image in images():
        values = image.astype(float)
        plane = values @ LUMA
        opponents = values[..., 0] - values[..., 1], (values[..., 0] + values[..., 1]) / 2 - values[..., 2]
        spread = np.sqrt(np.var(opponents[0]) + np.var(opponents[1]))
        expected = {
            total_variation: np.abs(np.diff(values, axis=0)).sum() + np.abs(np.diff(values, axis=1)).sum(),
            # Mirrored about the border pixel, as OpenCV's default.
            sharpness: scipy.ndimage.laplace(plane, mode="mirror").var(),
            colourfulness: spread + 0.3 * np.hypot(opponents[0].mean(), opponents[1].mean()),
            entropy: skimage.measure.shannon_entropy(np.rint(plane).astype(np.uint8)),
        }
        for op, value in expected.items():
            # A luma that float32 rounds the other way moves one of 1452 pixels to the next code.
            tolerance = 2e-3 if op is entropy else 5e-6
            np.testing.assert_allclose(
                op(image[None], data_range=255), [value], rtol=tolerance, err_msg=f"{op.__name__} {label}"
            )
        found = exposure(image[None], data_range=255)
        np.testing.assert_allclose(found.mean, [plane.mean() / 255], rtol=2e-6)
        np.testing.assert_allclose(found.deviation, [plane.std() / 255], rtol=2e-6)
        np.testing.assert_allclose(found.black, [(image == 0).any(-1).mean()], rtol=1e-6)
        np.testing.assert_allclose(found.white, [(image == 255).any(-1).mean()], rtol=1e-6)


def test_scale_does_not_matter_where_it_should_not():
    image = photograph("coffee", 20, 30)[None]
    for op in (sharpness, colourfulness, entropy):
        np.testing.assert_allclose(
            op(image.astype(np.float32) / 255, data_range=1.0),
            op(image, data_range=255),
            rtol=1e-4,
            err_msg=op.__name__,
        )


@pytest.mark.slow
def test_constant_images_have_no_content_and_finite_gradients():
    flat = jnp.full((2, 9, 11, 3), 0.25)
    for op in OPS:
        np.testing.assert_allclose(op(flat, data_range=1.0), 0.0, atol=1e-5, err_msg=op.__name__)
        gradient = jax.grad(lambda x, op=op: op(x, data_range=1.0).sum())(flat)
        assert np.isfinite(gradient).all(), op.__name__
        if op is total_variation:
            np.testing.assert_array_equal(gradient, 0)
    gradient = jax.grad(lambda x: sum(v.sum() for v in exposure(x, data_range=1.0)))(flat)
    assert np.isfinite(gradient).all()


def test_norms_of_total_variation():
    image = photograph("camera", 15, 16)[None]
    squares = float(total_variation(image, data_range=255, norm="l2-squared")[0])
    root = float(total_variation(image, data_range=255, norm="l2")[0])
    assert root == pytest.approx(np.sqrt(squares), rel=1e-6)
    with pytest.raises(InputError, match="norm='l3' is unknown"):
        total_variation(image, data_range=255, norm="l3")


def test_blur_lowers_sharpness():
    values = [float(sharpness(y[None], data_range=255)[0]) for _, _, y in pairs((64, 64), ("astronaut",))]
    reference = float(sharpness(photograph("astronaut", 64, 64)[None], data_range=255)[0])
    assert values[2] < reference < values[1]  # blurred, noisy


def test_what_is_wrong_is_named():
    image = photograph("coffee", 12, 12)[None].astype(np.float32)
    for op in (*OPS, exposure):
        with pytest.raises(InputError, match="data_range is missing"):
            op(image)
        with pytest.raises(InputError, match="does not fit"):
            op(image, data_range=1.0)
        bad = image.copy()
        bad[0, 1, 2, 0] = np.nan
        with pytest.raises(InputError, match=r"x has 1 values that are not finite, the first at \[0, 1, 2, 0\]"):
            op(bad, data_range=255)
    with pytest.raises(InputError, match="has 1 channels; 3 expected"):
        colourfulness(image[..., :1], data_range=255)
    with pytest.raises(InputError, match="bins=1"):
        entropy(image, data_range=255, bins=1)


def test_not_a_number_stays_one_when_traced():
    image = photograph("coffee", 12, 12)[None].astype(np.float32)
    image[0, 3, 4] = np.nan
    for op in OPS:
        assert np.isnan(jax.jit(lambda x, op=op: op(x, data_range=255))(image)).all(), op.__name__
