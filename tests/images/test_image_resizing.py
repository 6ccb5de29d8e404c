"""Resizing against Pillow, SciPy and closed forms; against the references themselves in test_image_resizing_parity."""

import subprocess
import sys
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_samples import noise
from PIL import Image
from scipy.ndimage import map_coordinates

from jaxeval.errors import InputError
from jaxeval.images import ResizeKind, resize, resize_on_device, resize_weights

KINDS: tuple[ResizeKind, ...] = get_args(ResizeKind)
FLOAT_KINDS = tuple(kind for kind in KINDS if not kind.endswith("uint8"))
SHAPES = [
    ((28, 28), (224, 224)),
    ((32, 32), (299, 299)),
    ((512, 512), (299, 299)),
    ((33, 47), (299, 17)),
    ((301, 5), (7, 299)),
    ((1, 1), (3, 4)),
    ((1, 7), (5, 1)),
    ((64, 2), (1, 1)),
]


def pillow(image, size, filter_, mode="F"):
    height, width = size
    if mode == "RGB":
        return np.asarray(Image.fromarray(image).resize((width, height), filter_)).astype(np.float32)
    planes = [Image.fromarray(image[..., channel].astype(np.float32)) for channel in range(3)]
    return np.stack([np.asarray(plane.resize((width, height), filter_)) for plane in planes], axis=-1)


def interpolated(image, size, offset):
    """Bilinear values at (i + offset) * scale - offset, edges repeated: SciPy in float64."""
    axes = [
        np.clip((np.arange(n) + offset) * (m / n) - offset, 0, m - 1) for m, n in zip(image.shape, size, strict=False)
    ]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([map_coordinates(image[..., c].astype(np.float64), grid, order=1) for c in range(3)], axis=-1)


def coordinate_tolerance(shape):
    """A coordinate up to n carries a float32 error of n * 2^-24 in the scale and again in itself; neighbours differ by
    at most 255, on either axis; and the sums round at 255."""
    return 2 * 255 * 2**-24 * (shape[0] + shape[1]) + 1e-4


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_tf1_bilinear_samples_without_half_pixels(shape, size):
    image = noise(*shape, 3)
    expected = interpolated(image, size, 0.0)
    np.testing.assert_allclose(resize(image, size, "tf1-bilinear"), expected, atol=coordinate_tolerance(shape), rtol=0)


@pytest.mark.parametrize("kind", ["bilinear", "grid-bilinear"])
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_bilinear_samples_at_half_pixels(shape, size, kind):
    image = noise(*shape, 3)
    expected = interpolated(image, size, 0.5)
    np.testing.assert_allclose(resize(image, size, kind), expected, atol=coordinate_tolerance(shape), rtol=0)


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_antialiased_bilinear_is_pillows_bilinear(shape, size):
    image = noise(*shape, 3)
    expected = pillow(image, size, Image.Resampling.BILINEAR)
    actual = resize(image, size, "antialiased-bilinear")
    np.testing.assert_allclose(actual, expected, atol=coordinate_tolerance(shape), rtol=0)


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_pil_kinds_are_pillow(shape, size):
    image = noise(*shape, 3)
    as_float = pillow(image, size, Image.Resampling.BICUBIC).clip(0, 255)
    np.testing.assert_array_equal(resize(image, size, "pil-bicubic-float"), as_float)
    as_uint8 = pillow(image, size, Image.Resampling.BICUBIC, mode="RGB")
    np.testing.assert_array_equal(resize(image, size, "pil-bicubic-uint8"), as_uint8)
    bilinear = pillow(image, size, Image.Resampling.BILINEAR, mode="RGB")
    np.testing.assert_array_equal(resize(image, size, "pil-bilinear-uint8"), bilinear)


def test_pil_uint8_is_a_mode_of_its_own():
    image = noise(64, 64, 3)
    gap = np.abs(resize(image, (299, 299), "pil-bicubic-uint8") - resize(image, (299, 299), "pil-bicubic-float"))
    assert gap.max() > 5  # rounding alone would be 1


@pytest.mark.parametrize(("in_size", "out_size"), [(28, 224), (299, 37), (7, 7), (1, 5), (5, 1)])
@pytest.mark.parametrize(
    ("kind", "filter"),
    [("pil-bicubic-float", Image.Resampling.BICUBIC), ("pil-bilinear-uint8", Image.Resampling.BILINEAR)],
)
def test_weights_are_what_pillow_does_to_unit_impulses(in_size, out_size, kind, filter):
    impulses = Image.fromarray(np.eye(in_size, dtype=np.float32))
    matrix = np.asarray(impulses.resize((in_size, out_size), filter))
    # Pillow's result is float32: half a unit in the last place of weights up to 1.2.
    np.testing.assert_allclose(resize_weights(in_size, out_size, kind), matrix, atol=2**-24, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@given(in_size=st.integers(1, 90), out_size=st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_weights_sum_to_one_and_keep_the_identity(kind, in_size, out_size):
    weights = resize_weights(in_size, out_size, kind)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=2**-22, rtol=0)
    if in_size == out_size:
        np.testing.assert_array_equal(weights, np.eye(in_size))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [1, 7, 299])
def test_same_size_changes_nothing(kind, side):
    image = noise(side, side, 3)
    np.testing.assert_array_equal(resize(image, (side, side), kind), image)


@pytest.mark.parametrize("kind", FLOAT_KINDS)
def test_a_ramp_shows_where_each_kind_samples(kind):
    # In the middle of a ramp every filter is exact: the value is the coordinate.
    ramp = np.repeat(np.arange(64, dtype=np.float32)[None, :, None], 3, axis=2)
    row = resize(ramp, (1, 128), kind)[0, 40:88, 0]
    offset = 0.0 if kind == "tf1-bilinear" else 0.5
    np.testing.assert_allclose(row, (np.arange(40, 88) + offset) / 2 - offset, atol=1e-5)


@pytest.mark.parametrize("kind", FLOAT_KINDS)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_device_equals_host(kind, shape, size):
    image = noise(*shape, 3)
    on_device = jax.jit(lambda images: resize_on_device(images, size, kind))(jnp.asarray(image, jnp.float32)[None])
    # Sums of at most 2 * 64 / 1 * 2 taps are the extreme here; each product and sum rounds at 255 * 2^-24 * 1.3.
    taps = 4 * max(1, shape[0] / size[0], shape[1] / size[1])
    np.testing.assert_allclose(
        on_device[0], resize(image, size, kind), atol=2 * (taps + 2) * 2**-24 * 255 * 1.3, rtol=0
    )


def test_device_resizing_is_linear_and_differentiable():
    images = jnp.asarray(noise(9, 11, 3), jnp.float32)[None] * 0.5 + 60.0
    total = lambda x: resize_on_device(x, (5, 7), "antialiased-bilinear").sum()  # noqa: E731
    gradient = jax.grad(total)(images)[0, :, :, 0]
    rows = resize_weights(9, 5, "antialiased-bilinear").sum(axis=0)
    columns = resize_weights(11, 7, "antialiased-bilinear").sum(axis=0)
    np.testing.assert_allclose(gradient, np.outer(rows, columns), rtol=1e-5)


def test_device_contractions_name_their_precision():
    jaxpr = jax.make_jaxpr(lambda x: resize_on_device(x, (5, 7), "bilinear"))(jnp.zeros((1, 9, 11, 3)))
    products = [equation for equation in jaxpr.eqns if equation.primitive.name == "dot_general"]
    highest = jax.lax.Precision.HIGHEST
    assert len(products) == 2
    assert all(equation.params["precision"] in (highest, (highest, highest)) for equation in products)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(FLOAT_KINDS)))
def test_the_uint8_kinds_stay_on_the_host(kind):
    with pytest.raises(InputError, match="host only"):
        resize_on_device(jnp.zeros((1, 4, 4, 3)), (2, 2), kind)
    with pytest.raises(InputError, match="float32"):
        resize(np.zeros((4, 4, 3), np.float32), (2, 2), kind)


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_sizes_below_one_are_refused(size):
    with pytest.raises(InputError, match="size"):
        resize(noise(4, 4, 3), size, "bilinear")
    with pytest.raises(InputError, match="size"):
        resize_on_device(jnp.zeros((1, 4, 4, 3)), size, "bilinear")


def test_unknown_words_are_refused():
    # In a process of its own, because in this one the type checker would speak first.
    script = """
import numpy
from jaxeval.images import Preparation, open_source, read_batches, resize, resize_weights
array = open_source(numpy.zeros((2, 8, 8, 3), numpy.uint8))
for call in (
    lambda: resize(numpy.zeros((4, 4, 3), numpy.uint8), (2, 2), "nearest"),
    lambda: resize_weights(4, 2, "nearest"),
    lambda: Preparation(resize="nearest"),
    lambda: Preparation(quantise="ceil"),
    lambda: Preparation(size=(2.5, 2)),
    lambda: read_batches(array, [], 2, on_error="ignore"),
    lambda: open_source(3),
    lambda: open_source(""),
):
    try:
        call()
    except ValueError as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    for line, word in zip(
        lines, ["nearest", "nearest", "nearest", "ceil", "2.5", "ignore", "int", "empty"], strict=True
    ):
        assert line.startswith("InputError")
        assert word in line
