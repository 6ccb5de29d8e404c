"""MDSI by product against the paper's formulas in NumPy's complex numbers."""

import numpy as np
import pytest
import scipy.ndimage
from photographs import DISTORTIONS, photograph

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def gradient(plane):
    """Length of Prewitt's gradient, zero outside the image."""
    kernel = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0) / 3
    return np.hypot(*(scipy.ndimage.convolve(plane, k, mode="constant") for k in (kernel, kernel.T)))


def alike(a, b, constant):
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def mdsi_by_product(x, y):
    """Equations 3 to 10 of the paper for images below 384 pixels, which are not reduced first."""
    to_luma, to_h, to_m = ([0.2989, 0.587, 0.114], [0.3, 0.04, -0.35], [0.34, -0.6, 0.17])
    (luma_x, h_x, m_x), (luma_y, h_y, m_y) = ([i @ np.array(c) for c in (to_luma, to_h, to_m)] for i in (x, y))
    of_x, of_y, fused = gradient(luma_x), gradient(luma_y), gradient((luma_x + luma_y) / 2)
    gradients = alike(of_x, of_y, 140) + alike(of_x, fused, 55) - alike(of_y, fused, 55)
    chroma = (2 * (h_x * h_y + m_x * m_y) + 550) / (h_x**2 + h_y**2 + m_x**2 + m_y**2 + 550)
    combined = gradients.astype(complex) ** 0.2 * chroma.astype(complex) ** 0.1
    roots = combined**0.25
    return np.abs(roots - roots.mean()).mean() ** 0.25, (gradients < 0).sum(), (chroma < 0).sum()


def test_the_product_is_that_of_complex_numbers():
    reference = photograph("astronaut", 61, 78)
    negative = np.zeros(2, int)
    for kind, distort in DISTORTIONS.items():
        distorted = distort(reference, 5)
        expected, *counts = mdsi_by_product(distorted.astype(float), reference.astype(float))
        negative += counts
        value = iq.mdsi(distorted[None], reference[None], data_range=255, combination="mult")
        np.testing.assert_allclose(value, [expected], rtol=1e-5, err_msg=kind)
    # Opposite colours, whose similarity is negative too.
    opposite = 255 - reference
    expected, *counts = mdsi_by_product(opposite.astype(float), reference.astype(float))
    value = iq.mdsi(opposite[None], reference[None], data_range=255, combination="mult")
    np.testing.assert_allclose(value, [expected], rtol=1e-5)
    assert all(negative + counts > 0), "no root of a negative number was taken"


def test_a_combination_that_is_none():
    image = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="combination='product' is unknown; one of sum, mult is expected"):
        iq.mdsi(image, image, data_range=255, combination="product")
