"""The wavelet VIF against the paper's procedure written out in float64 with SciPy."""

import numpy as np
import pytest
import scipy.ndimage
from photographs import pairs, photograph

from jaxeval.ops.image_quality import vif, vifp

# The steerable pyramid's sp5Filters, up to the middle row and column: low pass of the image, low pass of a level, and
# the band along one axis, which is odd from top to bottom.
FIRST = """0.00341614 -0.01551246 -0.03848215
-0.01551246 0.05586982 0.15925570
-0.03848215 0.15925570 0.40304148"""
LOW = """0.00085404 -0.00244917 -0.00387812 -0.00944432 -0.00962054
-0.00244917 -0.00523281 -0.00661117 0.00410600 0.01002988
-0.00387812 -0.00661117 0.01396746 0.03277038 0.03981393
-0.00944432 0.00410600 0.03277038 0.06426333 0.08169618
-0.00962054 0.01002988 0.03981393 0.08169618 0.10096540"""
BAND = """0.00277643 0.00496194 0.01026699 0.01455399
-0.00986904 -0.00893064 0.01189859 0.02755155
-0.01021852 -0.03075356 -0.08226445 -0.11732297
0 0 0 0"""


def kernel(quarter, sign=1.0):
    corner = np.array([line.split() for line in quarter.splitlines()], float)
    top = np.concatenate([corner, corner[:, -2::-1]], 1)
    return np.concatenate([top, sign * top[-2::-1]])


def bands(plane):
    """Window sizes and bands, from the finest level to the coarsest, along both axes."""

    def filtered(plane, weights):
        return scipy.ndimage.correlate(plane, weights, mode="mirror")

    plane = filtered(plane, kernel(FIRST))
    for size in (17, 9, 5, 3):
        for weights in (kernel(BAND, -1.0), kernel(BAND, -1.0).T):
            yield size, filtered(plane, weights)
        plane = filtered(plane, 2 * kernel(LOW))[::2, ::2]


def wavelet_vif(distorted, reference):
    shared, whole = 0.0, 0.0
    for (size, y), (_, x) in zip(bands(reference), bands(distorted), strict=True):
        height, width = (side // 3 * 3 for side in y.shape)
        x, y = x[:height, :width], y[:height, :width]

        def mean(values, size=size):
            return scipy.ndimage.uniform_filter(values, size, mode="mirror")[1::3, 1::3]

        var_x, var_y = (np.maximum(mean(v * v) - mean(v) ** 2, 0) for v in (x, y))
        covariance = mean(x * y) - mean(x) * mean(y)
        gain = np.maximum(covariance, 0) / (var_y + 1e-15)
        noise = np.maximum(var_x - gain * covariance, 1e-15) + 0.4
        vectors = np.lib.stride_tricks.sliding_window_view(y, (3, 3)).reshape(-1, 9)
        mixed = np.cov(vectors.T, bias=True)
        blocks = y.reshape(height // 3, 3, width // 3, 3).transpose(0, 2, 1, 3).reshape(height // 3, width // 3, 9)
        scale = np.einsum("ijk,kl,ijl->ij", blocks, np.linalg.pinv(mixed), blocks) / 9
        border = -(-(size // 2) // 3)
        inner = (slice(border, -border),) * 2
        for value in np.linalg.eigvalsh(mixed):
            shared += np.log2(1 + (gain**2 * scale * value / noise)[inner]).sum()
            whole += np.log2(1 + (scale * value / 0.4)[inner]).sum()
    return shared / whole


@pytest.mark.slow
@pytest.mark.parametrize("size", [(65, 80), (131, 109)])
def test_vif_is_the_papers(size):
    weights = np.array([0.299, 0.587, 0.114])
    for label, reference, distorted in pairs(size, ("astronaut", "camera")):
        planes = [
            i.astype(float) @ weights if i.shape[-1] == 3 else i[..., 0].astype(float) for i in (distorted, reference)
        ]
        value = vif(distorted[None], reference[None], data_range=255)
        np.testing.assert_allclose(value, [wavelet_vif(*planes)], atol=5e-6, err_msg=label)


@pytest.mark.slow
def test_vif_is_not_that_of_the_pixel_domain():
    reference = photograph("camera", 96, 96)[None].astype(np.float32)
    blurred = scipy.ndimage.gaussian_filter(reference, (0, 1, 1, 0))
    values = [float(op(blurred, reference, data_range=255)[0]) for op in (vif, vifp)]
    assert abs(values[0] - values[1]) > 0.01
    constant = np.full_like(reference, 80.0)
    assert [
        float(v)
        for v in vif(np.stack([constant[0], reference[0]]), np.stack([constant[0] + 5, constant[0]]), data_range=255)
    ] == [1, 1]
