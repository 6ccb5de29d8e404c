"""The interface that every extractor shares, shown on the two that need no weights and on user functions."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxeval.errors import InputError
from jaxeval.extractors import Normalisation, extractor_names, from_function, load_extractor

BATCH = 8


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (BATCH, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    return load_extractor("random-conv", seed=3)


def test_pixels_are_the_flattened_images(images):
    extractor = load_extractor("pixels")
    features = extractor(images)["pixels"]
    np.testing.assert_allclose(features, images.reshape(BATCH, -1) / 255.0, rtol=1e-6)
    assert extractor.weights_hash is None
    assert extractor(images[:, :5, :7])["pixels"].shape == (BATCH, 5 * 7 * 3)


def test_random_convolutions_are_what_their_definition_says(images):
    extractor = load_extractor("random-conv", seed=3)
    x = (images[:2].astype(np.float64) - 127.5) / 127.5
    raw = np.random.PCG64(3)
    fan_in = 3
    for channels, side in ((32, 5), (64, 3), (128, 3), (256, 3)):
        draws = np.array([raw.random_raw() for _ in range(side * side * fan_in * channels)], np.uint64)
        kernel = (2.0 * (draws >> np.uint64(11)) / 2.0**53 - 1.0) * np.sqrt(6 / (side * side * fan_in))
        kernel = kernel.reshape(side, side, fan_in, channels)
        total = side - 2  # "SAME" at stride 2 and an even size
        padded = np.pad(x, ((0, 0), *[(total // 2, total - total // 2)] * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::2, ::2]
        x = np.maximum(np.einsum("bhwcij,ijco->bhwo", windows, kernel), 0)
        fan_in = channels
    mean = x.mean((1, 2))
    expected = np.concatenate([mean, np.abs(x - mean[:, None, None]).mean((1, 2))], 1)
    np.testing.assert_allclose(extractor(images[:2])["512"], expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_random_convolutions_are_the_same_everywhere():
    # Pinned: PCG64's raw stream never changes, so these weights must not.
    extractor = load_extractor("random-conv")
    assert extractor.weights_hash == "a5656f7c14cfa0ba6b1cef4461aa7fbdd637902cbae169b74fb1d2919af25585"
    assert load_extractor("random-conv", seed=1).weights_hash != extractor.weights_hash
    digest = hashlib.sha256(b"".join(np.asarray(kernel).tobytes() for kernel in extractor.params)).hexdigest()
    assert digest == extractor.weights_hash


def test_the_name_carries_the_seed():
    assert load_extractor("random-conv", seed=5).name == "random-conv-5"
    again = load_extractor("random-conv-5", seed=9)
    assert (again.name, again.weights_hash) == ("random-conv-5", load_extractor("random-conv", seed=5).weights_hash)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError) as error:
        load_extractor("inceptoin")
    assert all(name in str(error.value) for name in extractor_names())


@pytest.mark.parametrize("shape", [(64, 64, 3), (2, 64, 64, 1), (2, 3, 64, 64)])
def test_wrong_shapes_are_named(network, shape):
    with pytest.raises(InputError, match=r"needs images of shape \[B, H, W, 3\], not \["):
        network.apply(network.params, jnp.zeros(shape))


def test_wrong_size_says_to_resize(network):
    with pytest.raises(InputError, match=r"needs 64 x 64 images, not 32 x 64: resize them first"):
        network(np.zeros((2, 32, 64, 3), np.float32))


@pytest.mark.parametrize("taps", [["513"], []])
def test_unknown_taps_list_the_known_ones(network, images, taps):
    with pytest.raises(InputError, match="its taps are 512"):
        network(images, taps=taps)


def test_a_protocol_can_replace_the_normalisation(images):
    extractor = load_extractor("pixels")
    features = extractor(images, normalisation=Normalisation(100.0, 0.5))["pixels"]
    np.testing.assert_array_equal(features, (images.reshape(BATCH, -1).astype(np.float32) - 100) * 0.5)


def test_apply_works_under_every_transform(network, images):
    expected = np.asarray(network(images)["512"])
    images = images.astype(np.float32)

    def features(params, images):
        return network.apply(params, images)["512"]

    def close(actual):
        np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6 * expected.max())

    close(features(network.params, jnp.asarray(images)))
    close(jax.jit(features)(network.params, images))
    pairs = images.reshape(4, 2, 64, 64, 3)
    close(jax.vmap(features, in_axes=(None, 0))(network.params, pairs).reshape(BATCH, -1))
    scan = jax.lax.scan(lambda carry, pair: (carry, features(network.params, pair)), None, pairs)[1]
    close(scan.reshape(BATCH, -1))
    for axis_type in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
        with jax.set_mesh(mesh):
            placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
            result = jax.jit(features)(jax.device_put(network.params, NamedSharding(mesh, PartitionSpec())), placed)
            assert result.sharding.spec[0] == "batch"
            close(result)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    sharded = jax.shard_map(features, mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec("batch")),
                            out_specs=PartitionSpec("batch"))  # fmt: skip
    close(jax.jit(sharded)(network.params, images))


def test_features_can_be_differentiated(network, images):
    def loss(images):
        return network.apply(network.params, images)["512"].sum()

    gradient = jax.jit(jax.grad(loss))(
        jnp.concatenate([jnp.asarray(images[:1], jnp.float32), jnp.zeros((1, 64, 64, 3))])
    )
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0]).max() > 0


def test_parameters_are_arguments_not_constants(network, images):
    constants = jax.make_jaxpr(lambda params, x: network.apply(params, x)["512"])(
        network.params, images.astype(np.float32)
    ).consts
    assert sum(np.size(constant) for constant in constants) < 1000
    assert len(network._jitted.lower(network.params, jnp.zeros((1, 64, 64, 3))).in_avals[0]) == 2


def test_a_user_function():
    extractor = from_function(lambda images: images.mean((1, 2)), name="colour", image_size=(6, 4))
    assert dict(extractor.taps) == {"features": 3}
    assert extractor.fingerprint is None
    np.testing.assert_allclose(extractor(np.full((2, 6, 4, 3), 7, np.uint8))["features"], np.full((2, 3), 7.0))


def test_a_user_function_with_parameters():
    def project(params, images):
        return images.reshape(images.shape[0], -1) @ params

    params = np.eye(12, dtype=np.float32)[:, :5]
    extractor = from_function(
        project, name="p", params=params, image_size=(2, 2), normalisation=Normalisation(1.0, 2.0), fingerprint="v2"
    )
    images = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    np.testing.assert_allclose(extractor(images)["features"], (images.reshape(2, -1)[:, :5] - 1) * 2)
    np.testing.assert_allclose(extractor.apply(0 * params, images)["features"], 0)
    assert extractor.fingerprint == "p:v2"


def test_a_host_function_is_not_traced():
    def host(images):
        return np.asarray(images).astype(np.float64).sum((1, 2))

    extractor = from_function(host, name="host", image_size=(2, 2), feature_size=3, jittable=False)
    np.testing.assert_allclose(extractor(np.ones((5, 2, 2, 3), np.uint8))["features"], np.full((5, 3), 4.0))


@pytest.mark.parametrize(("function", "size"), [(lambda images: images, None), (lambda images: images[:, 0, 0], 7)])
def test_a_user_function_of_the_wrong_shape(function, size):
    with pytest.raises(InputError, match=r"returned features of shape"):
        from_function(function, name="wrong", feature_size=size)(np.zeros((2, 4, 4, 3), np.float32))


@pytest.mark.parametrize("name", ["", "a/b", "..\\x", "a b"])
def test_a_name_must_fit_a_file_name(name):
    with pytest.raises(InputError, match="extractor name"):
        from_function(lambda images: images[:, 0, 0], name=name)


def test_extractors_do_not_change(network):
    with pytest.raises(AttributeError):
        network.name = "other"
    with pytest.raises(TypeError):
        network.taps["x"] = 3
