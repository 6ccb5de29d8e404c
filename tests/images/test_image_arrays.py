"""Arrays, .npy and .npz files, and functions."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_samples import noise, read_all

from jaxeval.errors import InputError
from jaxeval.images import Preparation, ReadReport, open_source

IMAGES = np.stack([noise(6, 7, 3, seed=seed) for seed in range(5)])
TRUNCATE = Preparation(quantise="truncate")


def stacked(spec, **options):
    return np.stack(list(read_all(spec, **options).values()))


@pytest.mark.parametrize("spec", [IMAGES, jnp.asarray(IMAGES), IMAGES.transpose(0, 3, 1, 2)])
def test_layouts_and_libraries(spec):
    source = open_source(spec)
    assert len(source) == 5
    assert [item.name for item in source.items()] == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(stacked(source), IMAGES)


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_alpha_channels(channels):
    report = ReadReport()
    images = noise(6, 7, channels)[None]
    expected = np.repeat(images, 3, axis=3) if channels == 1 else images[..., :3]
    np.testing.assert_array_equal(stacked(images, report=report), expected)
    assert report.notes == {"gray to RGB" if channels == 1 else "alpha dropped": 1}


def test_stacks_of_gray_images():
    gray = IMAGES[..., 0]
    np.testing.assert_array_equal(stacked(gray), np.repeat(gray[..., None], 3, axis=3))


def test_ambiguous_layouts_must_be_said(tmp_path):
    images = np.stack([noise(3, 5, 3, seed=seed) for seed in range(2)])
    with pytest.raises(InputError, match="NHWC or as NCHW; say layout="):
        open_source(images)
    np.testing.assert_array_equal(stacked(images, layout="NHWC"), images)
    np.testing.assert_array_equal(stacked(images, layout="NCHW"), images.transpose(0, 2, 3, 1))
    np.save(tmp_path / "a.npy", images)
    np.testing.assert_array_equal(stacked(f"{tmp_path}/a.npy?layout=NHWC"), images)
    with pytest.raises(InputError, match="not NCHW"):
        open_source(IMAGES, layout="NCHW")


@pytest.mark.parametrize("shape", [(5,), (5, 6), (5, 6, 7, 2), (0, 6, 7, 3), (5, 0, 7, 3), (2, 5, 6, 7, 3)])
def test_shapes_that_are_no_images(shape, tmp_path):
    with pytest.raises(InputError, match="shape"):
        open_source(np.zeros(shape, np.uint8))
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=r"a\.npy has shape"):
        open_source(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint16, jnp.bfloat16])
def test_other_types_than_uint8_need_a_range(dtype):
    with pytest.raises(InputError, match=r"value_range=\(low, high\)"):
        open_source(np.zeros((2, 8, 8, 3), dtype))


@pytest.mark.parametrize("dtype", [np.bool_, np.complex64, "U1", object])
def test_types_that_are_no_levels(dtype):
    with pytest.raises(InputError, match="dtype"):
        open_source(np.zeros((2, 8, 8, 3), dtype), value_range=(0, 1))


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1)])
def test_ranges_must_be_ranges(value_range):
    with pytest.raises(InputError, match="low < high"):
        open_source(np.zeros((2, 8, 8, 3)), value_range=value_range)


@pytest.mark.parametrize("bad", [1.01, -0.01, np.nan, np.inf])
def test_values_outside_the_range_are_named_with_their_image(bad):
    images = np.full((5, 8, 8, 3), 0.5, np.float32)
    images[3, 4, 5, 1] = bad
    with pytest.raises(InputError, match=f"image 3 of .* has the value {bad:g}, outside the stated range 0 to 1"):
        read_all(images, value_range=(0, 1))


LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize("preparation", [Preparation(), TRUNCATE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value_range", "encoded"), [((0, 1), LEVELS / 255), ((-1, 1), LEVELS / 127.5 - 1), ((0, 255), LEVELS / 1.0)]
)
def test_levels_survive_the_trip_through_floats(value_range, encoded, dtype, preparation):
    decoded = stacked(encoded.astype(dtype), value_range=value_range, preparation=preparation)[..., :1]
    if preparation == TRUNCATE and value_range == (-1, 1):
        # Truncation loses a level where the float lies just under it: ADM's (x + 1) * 127.5 does too, in its own type.
        reference = ((encoded.astype(dtype) + dtype(1)) * dtype(127.5)).astype(np.uint8)
        np.testing.assert_array_equal(decoded, reference)
    elif preparation == TRUNCATE and value_range == (0, 1):
        np.testing.assert_array_equal(decoded, (encoded.astype(dtype) * dtype(255)).astype(np.uint8))  # torchmetrics
    else:
        np.testing.assert_array_equal(decoded, LEVELS)


def test_rounding_and_truncating():
    levels = np.array([0, 0.4, 0.5, 0.6, 1.4, 254.4, 254.5, 255], np.float64).reshape(1, 2, 4)
    rounded, truncated = (
        stacked(levels, value_range=(0, 255), preparation=preparation, layout="NHW")[0, ..., 0].ravel().tolist()
        for preparation in (Preparation(), TRUNCATE)
    )
    assert rounded == [0, 0, 1, 1, 1, 254, 255, 255]
    assert truncated == [0, 0, 0, 0, 1, 254, 254, 255]


@given(hnp.arrays(np.float32, (1, 5, 6, 3), elements=st.floats(-1, 1, width=32)))
@settings(max_examples=50, deadline=None)
def test_quantisation_is_within_half_a_level(images):
    exact = (images.astype(np.float64) + 1) * 127.5
    # float32 rounds the sum at 2 and the product at 255.
    assert np.abs(stacked(images, value_range=(-1, 1)) - exact).max() <= 0.5 + 2**-15
    gap = exact - stacked(images, value_range=(-1, 1), preparation=TRUNCATE)
    assert gap.min() >= -(2**-15)
    assert gap.max() < 1 + 2**-15


def test_bfloat16_images():
    images = jnp.asarray(IMAGES / 255, jnp.bfloat16)
    expected = np.floor(np.asarray(images, np.float32) * 255 + 0.5)
    np.testing.assert_array_equal(stacked(images, value_range=(0, 1)), expected)


def test_files_equal_the_array(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    np.savez(tmp_path / "b.npz", IMAGES)
    np.savez_compressed(tmp_path / "c.npz", images=IMAGES, labels=np.arange(5))
    np.savez(tmp_path / "adm.npz", IMAGES, np.arange(5))
    np.savez(tmp_path / "e.npz", first=IMAGES[:, :2], second=IMAGES)
    prints = {open_source(IMAGES).fingerprint()}
    for spec in ("a.npy", "b.npz", "c.npz", "adm.npz", "e.npz?key=second"):
        source = open_source(f"{tmp_path}/{spec}")
        assert len(source) == 5
        np.testing.assert_array_equal(stacked(source), IMAGES)
        prints.add(source.fingerprint())
    assert len(prints) == 1


def test_float_files_state_their_range_in_either_way(tmp_path):
    np.savez(tmp_path / "a.npz", samples=IMAGES.astype(np.float32) / 127.5 - 1)
    np.testing.assert_array_equal(stacked(tmp_path / "a.npz", value_range=(-1, 1)), IMAGES)
    np.testing.assert_array_equal(stacked(f"{tmp_path}/a.npz?range=-1,1"), IMAGES)
    assert open_source(f"{tmp_path}/a.npz?range=-1,1").fingerprint() != (
        open_source(f"{tmp_path}/a.npz?range=-2,2").fingerprint()
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("range=1", "two numbers"),
        ("range=a,b", "two numbers"),
        ("layout=HWC", "layout must"),
        ("keys=a", "unknown option"),
    ],
)
def test_options_are_checked(tmp_path, query, message):
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(InputError, match=message):
        open_source(f"{tmp_path}/a.npy?{query}")


def test_npz_without_clear_images(tmp_path):
    np.savez(tmp_path / "a.npz", first=IMAGES, second=IMAGES)
    with pytest.raises(InputError, match="first, second; say which"):
        open_source(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no array 'third'; it holds first, second"):
        open_source(f"{tmp_path}/a.npz?key=third")
    np.savez(tmp_path / "stats.npz", mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(InputError, match="holds statistics"):
        open_source(tmp_path / "stats.npz")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_nothing_is_unpickled(tmp_path, suffix):
    objects = np.empty((2, 4, 5, 3), object)
    objects[...] = Trap()
    (np.save if suffix == "npy" else np.savez)(tmp_path / f"a.{suffix}", objects)
    with pytest.raises(InputError, match=rf"a\.{suffix}.*unpickled"):
        open_source(tmp_path / f"a.{suffix}")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"b\.npy cannot be read"):
        open_source(tmp_path / "b.npy")


def test_files_cut_short_name_the_image(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-150])
    with pytest.raises(InputError, match=r"a\.npy is cut short: it ends inside image 3 of 5"):
        read_all(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(data[:40])
    with pytest.raises(InputError, match=r"a\.npy cannot be read"):
        open_source(tmp_path / "a.npy")


def test_fortran_order_says_what_to_do(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(IMAGES))
    with pytest.raises(InputError, match="ascontiguousarray"):
        open_source(tmp_path / "a.npy")


def make_images(num_images, seed):
    return np.random.default_rng(seed).integers(0, 256, (num_images, 6, 7, 3), np.uint8)


def test_functions_are_called_in_chunks_with_their_own_seeds():
    calls = []

    def function(num_images, seed):
        calls.append((num_images, seed))
        return make_images(num_images, seed)

    source = open_source(function, num_samples=150, seed=3)
    assert len(source) == 150
    assert source.fingerprint() is None
    first = stacked(source, batch_size=7)
    assert first.shape == (150, 6, 7, 3)
    assert [count for count, _ in calls] == [64, 64, 22]
    assert len({seed for _, seed in calls}) == 3
    assert all(0 <= seed < 2**31 for _, seed in calls)
    assert len(np.unique(first.reshape(150, -1), axis=0)) == 150
    np.testing.assert_array_equal(stacked(source, batch_size=40, threads=3), first)
    assert not np.array_equal(stacked(function, num_samples=150, seed=4), first)
    assert source.name.endswith("function")


def test_functions_may_return_floats_and_jax_arrays():
    floats = stacked(lambda n, seed: jnp.asarray(make_images(n, seed) / 255), num_samples=5, value_range=(0, 1))
    np.testing.assert_array_equal(floats, stacked(make_images, num_samples=5))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda n: make_images(n + 1, 0), "returned 4 images where 3 were asked for"),
        (lambda n: make_images(n, 0)[0, 0], "array returned by function .* has shape"),
        (lambda n: make_images(n, 0) / 255, "array returned by function .* value_range"),
        (lambda n: None, "array returned by function"),
    ],
)
def test_functions_that_return_something_else(returned, message):
    with pytest.raises(InputError, match=message):
        read_all(lambda n, seed: returned(n), num_samples=3)


@pytest.mark.parametrize("options", [{}, {"num_samples": 0}, {"num_samples": 3, "seed": -1}])
def test_functions_need_a_count_and_a_seed(options):
    with pytest.raises(InputError, match=r"make_images"):
        open_source(make_images, **options)
