"""The two networks against NumPy float64 forms of their definitions, with seeded random weights."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest
import safetensors.numpy
from array_differences import relative
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision, contractions
from random_inception import random_inception_state_dict, save_random_inception

from jaxeval.extractors import Normalisation, WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE

TOLERANCE = 1e-5  # max |difference| over max |value|: float32 through up to 20 layers; docs/precision.md


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    store = WeightsStore(folder)
    store.import_file("inception", save_random_inception(folder / "inception.safetensors", 1), unverified=True)
    lite0 = numpy_networks.random_state_dict(CATALOGUE["lite0"].shapes(), 2)
    safetensors.numpy.save_file(lite0, folder / "lite0.safetensors")
    store.import_file("lite0", folder / "lite0.safetensors", unverified=True)
    return folder


@pytest.fixture(scope="module")
def inception(weights_dir):
    return load_extractor("inception", weights_dir=weights_dir)


@pytest.fixture(scope="module")
def lite0(weights_dir):
    return load_extractor("lite0", weights_dir=weights_dir)


def pictures(size, count=2, seed=0):
    """Noise over gradients of different directions, so that features differ from image to image."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 150, size[0])[None, :, None, None] * rng.random((count, 1, 1, 3))
    return (ramp + 100 * rng.random((count, *size, 3))).astype(np.uint8)


def test_the_table_of_layers_is_the_published_one():
    shapes = {name: array.shape for name, array in random_inception_state_dict(0).items()}
    assert CATALOGUE["inception"].shapes() == shapes


def test_inception_is_its_definition_at_every_tap(inception):
    images = pictures((299, 299), 1)
    expected = numpy_networks.inception(random_inception_state_dict(1), (images.astype(np.float64) - 128) / 128)
    features = inception(images, taps=inception.taps)
    assert list(features) == list(inception.taps)
    for tap, size in inception.taps.items():
        assert features[tap].shape == (1, size)
        assert features[tap].dtype == jnp.float32
        assert relative(features[tap], expected[tap]) < TOLERANCE, tap


def test_inception_takes_a_protocols_normalisation(inception):
    images = pictures((299, 299), 1)
    features = inception(images, taps=["64"], normalisation=Normalisation(127.5, 1 / 127.5))["64"]
    same_input = (images - 127.5) / 127.5 * 128 + 128  # undone by the network's own (x - 128) / 128
    assert relative(features, np.asarray(inception(same_input, taps=["64"])["64"])) < 1e-6
    assert relative(features, np.asarray(inception(images, taps=["64"])["64"])) > 1e-4  # so the choice shows


def test_inception_computes_only_as_deep_as_its_taps_need(inception):
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)

    def contractions_at(*taps):
        jaxpr = jax.make_jaxpr(lambda p, x: inception.apply(p, x, taps=taps))(inception.params, image)
        return len(contractions(jaxpr))

    assert contractions_at("64") == 3
    assert contractions_at("192") == 5
    depths = [contractions_at(tap) for tap in ("64", "192", "sfid", "768", "2048", "logits")]
    assert depths == sorted(set(depths))
    assert contractions_at("64", "2048") == contractions_at("2048")
    assert contractions_at("logits", "logits_unbiased") == contractions_at("logits")


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_inception_of_a_sharded_batch(inception, axis_type):
    images = pictures((299, 299), 2).astype(np.float32)
    expected = np.asarray(inception(images, taps=["192"])["192"])
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(inception.params, NamedSharding(mesh, PartitionSpec()))

        def features(params, images, *taps):
            return inception.apply(params, images, taps=taps)

        deep = jax.eval_shape(lambda p, x: features(p, x, *inception.taps), params, placed)
        assert {tap: feature.shape for tap, feature in deep.items()} == {
            tap: (2, size) for tap, size in inception.taps.items()
        }
        feature = jax.jit(lambda p, x: features(p, x, "192"))(params, placed)["192"]
    assert feature.sharding.spec[0] == "batch"
    assert relative(feature, expected) < 1e-6


def test_lite0_is_its_definition_at_every_tap(lite0, weights_dir):
    images = pictures((224, 224))
    state = WeightsStore(weights_dir).load("lite0")
    expected = numpy_networks.lite0(state, (images.astype(np.float64) - 127) / 128)
    features = lite0(images, taps=["logits", "1280"])
    assert list(features) == ["logits", "1280"]
    for tap, feature in features.items():
        assert feature.shape == (2, lite0.taps[tap])
        assert relative(feature, expected[tap]) < TOLERANCE, tap


def test_lite0_of_a_sharded_batch(lite0):
    images = pictures((224, 224), 2).astype(np.float32)
    expected = np.asarray(lite0(images)["1280"])
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(lite0.params, NamedSharding(mesh, PartitionSpec()))
        assert relative(jax.jit(lambda p, x: lite0.apply(p, x)["1280"])(params, placed), expected) < 1e-6


@pytest.mark.parametrize("name", ["inception", "lite0"])
def test_networks_can_be_mapped_and_differentiated(name, request):
    extractor = request.getfixturevalue(name)
    pairs = jax.ShapeDtypeStruct((3, 2, *extractor.image_size, 3), jnp.float32)

    def features(params, images):
        return extractor.apply(params, images)[extractor.default_tap]

    mapped = jax.eval_shape(jax.vmap(features, in_axes=(None, 0)), extractor.params, pairs)
    assert mapped.shape == (3, 2, extractor.taps[extractor.default_tap])
    one = jax.ShapeDtypeStruct(pairs.shape[1:], jnp.float32)
    gradient = jax.eval_shape(jax.grad(lambda p, x: features(p, x).sum(), argnums=1), extractor.params, one)
    assert gradient.shape == one.shape


@pytest.mark.parametrize("name", ["inception", "lite0"])
def test_custom_weights_are_not_called_published(name, request):
    extractor = request.getfixturevalue(name)
    assert not extractor.weights_published
    assert extractor.weights_hash in extractor.fingerprint


@pytest.mark.parametrize(("name", "at_least"), [("inception", 60), ("lite0", 34), ("random-conv", 4)])
def test_every_contraction_runs_in_full_precision(name, at_least, weights_dir):
    extractor = load_extractor(name, weights_dir=weights_dir)
    assert extractor.image_size is not None
    images = jnp.zeros((1, *extractor.image_size, 3))
    assert_full_precision(
        lambda params, x: extractor.apply(params, x, taps=tuple(extractor.taps)),
        extractor.params,
        images,
        at_least=at_least,
    )
