"""Crops against what they are defined by: sizes, symmetry and Pillow."""

import numpy as np
import pytest
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.extractors import ShortSideCrop, SquareCrop


def picture(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [50, 224, 300])
def test_a_square_is_only_resized(side, filter):
    image = picture(side, side)
    expected = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling[filter.upper()]))
    np.testing.assert_array_equal(ShortSideCrop(64, 64, filter)(image), expected)
    np.testing.assert_array_equal(SquareCrop(64, filter)(image), expected)


def test_the_middle_is_kept():
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 30:70] = 255
    assert (SquareCrop(40, "bicubic")(image) == 255).all()
    assert (ShortSideCrop(40, 40, "bicubic")(image) == 255).all()
    assert (ShortSideCrop(40, 30, "bicubic")(image.transpose(1, 0, 2)) == 255).all()


@pytest.mark.parametrize("size", [(31, 97), (97, 31), (500, 333), (3, 2)])
def test_the_size_is_the_one_asked_for(size):
    assert ShortSideCrop(256, 224, "bilinear")(picture(*size)).shape == (224, 224, 3)
    assert SquareCrop(336, "bicubic")(picture(*size)).shape == (336, 336, 3)


def test_what_cannot_be():
    with pytest.raises(InputError, match="a crop of 224 pixels does not fit a short side of 200"):
        ShortSideCrop(200, 224, "bicubic")
    with pytest.raises(InputError, match="unknown filter 'lanczos': choose one of bilinear, bicubic"):
        SquareCrop(10, "lanczos")
    with pytest.raises(InputError, match="a side of 0 pixels"):
        SquareCrop(0, "bicubic")
