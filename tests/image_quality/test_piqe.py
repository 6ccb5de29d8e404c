"""PIQE against its definition, block by block in float64, and against MATLAB's own values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from photographs import pairs, photograph
from published_pairs import published_pair

from jaxeval.errors import InputError
from jaxeval.ops.image_quality import piqe

pytestmark = pytest.mark.usefixtures("quickly_compiled")

# MATLAB's rgb2gray: the first row of the inverse of NTSC's matrix.
LUMA = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]


def half_up(values):
    return np.floor(values + 0.5)


def definition(image):
    plane = half_up(image.astype(float) @ LUMA) if image.shape[-1] == 3 else image[..., 0].astype(float)
    plane = half_up(255 * plane / plane.max())
    plane = np.pad(plane, [(0, -size % 16) for size in plane.shape], mode="symmetric")
    taps = np.exp(-((np.arange(7) - 3) ** 2) / (2 * (7 / 6) ** 2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    blurred = functools.partial(scipy.ndimage.correlate, weights=window, mode="nearest")
    mean = blurred(plane)
    normalised = (plane - mean) / (np.sqrt(np.abs(blurred(plane**2) - mean**2)) + 1)
    total, active, kinds = 0.0, 0, set()
    for top in range(0, normalised.shape[0], 16):
        for left in range(0, normalised.shape[1], 16):
            block = normalised[top : top + 16, left : left + 16]
            variance = block.var(ddof=1)
            if variance <= 0.1:
                kinds.add("inactive")
                continue
            active += 1
            segments = [edge[i : i + 6] for edge in (block[0], block[-1], block[:, 0], block[:, -1]) for i in range(11)]
            if min(segment.std(ddof=1) for segment in segments) < 0.1:
                total += 1 - variance
                kinds.add("artifact")
            middle, around = block[:, 7:9], np.delete(block, [7, 9], axis=1)
            share = middle.std(ddof=1) / around.std(ddof=1)
            deviation = np.sqrt(variance)
            if deviation > 2 * abs(deviation - share) / max(deviation, share):
                total += variance
                kinds.add("noise")
    return 100 * (total + 1) / (active + 1), kinds


def test_values_are_the_definition():
    seen = set()
    for label, reference, distorted in pairs((81, 110), ("astronaut", "coins", "chelsea")):
        for image in (reference, distorted):
            expected, kinds = definition(image)
            seen |= kinds
            np.testing.assert_allclose(piqe(image[None], data_range=255), [expected], rtol=2e-5, err_msg=label)
    assert seen == {"inactive", "artifact", "noise"}


def test_fractions_count_as_the_levels_that_they_are_nearest_to():
    image = photograph("coffee", 48, 50)[None]
    np.testing.assert_allclose(
        piqe(image.astype(np.float32) / 255, data_range=1.0), piqe(image, data_range=255), rtol=1e-5
    )


def test_images_without_texture_are_as_bad_as_can_be():
    flat = np.stack([np.full((20, 33, 3), level, np.uint8) for level in (0, 120, 255)])
    np.testing.assert_array_equal(piqe(flat, data_range=255), np.full(3, 100.0))


def _on_mesh(axis_type, op, x):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        return jax.jit(op)(jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch"))))


@pytest.mark.slow
def test_every_way_of_running_gives_the_same_values():
    op = functools.partial(piqe, data_range=255)
    x = np.stack([photograph(name, 32, 35) for name in ("astronaut", "coffee", "chelsea", "rocket") * 2])
    x = x.astype(np.float32)
    expected = np.asarray(op(x))
    assert expected.dtype == np.float32
    for way in (
        jax.jit(op),
        lambda x: jax.vmap(op)(x[:, None])[:, 0],
        functools.partial(_on_mesh, AxisType.Auto, op),
        functools.partial(_on_mesh, AxisType.Explicit, op),
    ):
        np.testing.assert_allclose(way(x), expected, rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda x: op(x).sum()))(x)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    x[3, 4, 5] = np.nan
    assert np.isnan(jax.jit(op)(x)).tolist() == [i == 3 for i in range(8)]


def test_what_is_wrong_is_named():
    image = jnp.zeros((1, 16, 16, 3))
    with pytest.raises(InputError, match="piqe: data_range is missing"):
        piqe(image)
    with pytest.raises(InputError, match="images of 15 x 16 pixels; at least 16 x 16 are needed"):
        piqe(image[:, 1:], data_range=1.0)
    with pytest.raises(InputError, match="does not fit"):
        piqe(image + 3, data_range=1.0)


# MATLAB's, to the digits that are published with pyiqa's calibration images.
@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "published"), [("I03", 100.00), ("I04", 21.62), ("I06", 35.86), ("I08", 41.15), ("I19", 76.95)]
)
def test_values_are_matlabs(name, published):
    distorted, _ = published_pair(name)
    assert abs(float(piqe(distorted[None], data_range=255)[0]) - published) <= 0.005
