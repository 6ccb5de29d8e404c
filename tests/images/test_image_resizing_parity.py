"""Resizing against the reference implementations' own functions."""

import numpy as np
import pytest
from image_samples import noise
from parity_stub import torchvision_stub

from jaxeval.images import resize

pytestmark = pytest.mark.parity

SHAPES = [
    ((28, 28), (299, 299)),
    ((32, 32), (224, 224)),
    ((512, 512), (299, 299)),
    ((300, 298), (299, 299)),
    ((33, 47), (299, 17)),
    ((1000, 61), (299, 299)),
    ((1, 1), (3, 4)),
    ((1, 7), (5, 1)),
    ((64, 2), (1, 1)),
    ((299, 299), (299, 299)),
]
ROUNDING = 1e-4  # two interpolations of up to three float32 roundings at 255 each, on both sides: 12 * 2^-17


def to_torch(image):
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32))[None]


def from_torch(tensor):
    return tensor[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_tf1_bilinear_is_torch_fidelitys_bit_for_bit(shape, size):
    torchvision_stub()
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    image = noise(*shape, 3)
    expected = from_torch(interpolate_bilinear_2d_like_tensorflow1x(to_torch(image), size, align_corners=False))
    np.testing.assert_array_equal(resize(image, size, "tf1-bilinear"), expected)


@pytest.mark.parametrize(("kind", "antialias"), [("bilinear", False), ("antialiased-bilinear", True)])
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_bilinear_kinds_are_torchs(shape, size, kind, antialias):
    import torch

    image = noise(*shape, 3)
    expected = torch.nn.functional.interpolate(
        to_torch(image), size=size, mode="bilinear", align_corners=False, antialias=antialias
    )
    np.testing.assert_allclose(resize(image, size, kind), from_torch(expected), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES])
def test_pil_bicubic_float_is_clean_fids(shape):
    torchvision_stub()
    from cleanfid.resize import build_resizer

    image = noise(*shape, 3)
    np.testing.assert_array_equal(resize(image, (299, 299), "pil-bicubic-float"), build_resizer("clean")(image))


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_grid_bilinear_is_torchs_affine_grid(shape, size):
    import torch

    image = noise(*shape, 3)
    identity = torch.eye(2, 3)[None]
    grid = torch.nn.functional.affine_grid(identity, [1, 3, *size], align_corners=False)
    expected = torch.nn.functional.grid_sample(
        to_torch(image), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    # Coordinates of the grid are rounded at 1, three times, and torch's vector kernels round some of them otherwise.
    tolerance = ROUNDING + 3 * 255 * 2**-24 * sum(shape)
    np.testing.assert_allclose(resize(image, size, "grid-bilinear"), from_torch(expected), atol=tolerance, rtol=0)
