"""VGG's trunk and classifier against a NumPy float64 form, on a narrow network of the same depth."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest
import safetensors.numpy
from array_differences import relative
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision, contractions

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors import Normalisation, WeightsStore, load_extractor, load_trunk, registry, trunk_names
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.networks import NETWORKS
from jaxeval.extractors.vgg import VGG, VGG16, VGG19, VGGPlan, VGGTrunk

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
NARROW = VGGPlan((2, 2, 3, 3, 3), (4, 4, 6, 6, 8), hidden=12, classes=5)


@pytest.fixture(scope="module")
def state():
    return numpy_networks.random_state_dict(NARROW.shapes(), 3)


@pytest.fixture(scope="module")
def weights_dir(state, tmp_path_factory):
    """A weights folder in which `vgg16` is the narrow network."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CATALOGUE, "vgg16", dataclasses.replace(CATALOGUE["vgg16"], shapes=NARROW.shapes))
        safetensors.numpy.save_file(state, folder / "vgg16.safetensors")
        WeightsStore(folder).import_file("vgg16", folder / "vgg16.safetensors", unverified=True)
    return folder


@pytest.fixture(scope="module")
def narrow():
    network = dataclasses.replace(NETWORKS["vgg16"], build=lambda t: VGG(t, NARROW), taps=NARROW.taps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "vgg16", network)
        patch.setitem(registry._TRUNKS, "vgg16", NARROW)
        yield


@pytest.fixture(scope="module")
def trunk(weights_dir, narrow):
    return load_trunk("vgg16", weights_dir=weights_dir)


@pytest.fixture(scope="module")
def extractor(weights_dir, narrow):
    return load_extractor("vgg16", weights_dir=weights_dir)


def pictures(*size, count=2, seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 150, size[0])[None, :, None, None] * rng.random((count, 1, 1, 3))
    return (ramp + 100 * rng.random((count, *size, 3))).astype(np.uint8)


def normalised(images):
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return (images / 255 - mean) / deviation


def test_taps_are_the_definitions(extractor, state):
    images = pictures(224, 224)
    expected = numpy_networks.vgg(state, normalised(images), NARROW.convolutions)
    features = extractor(images, taps=extractor.taps)
    assert list(features) == ["fc2", "fc2_relu", "logits"]
    assert extractor.default_tap == "fc2_relu"
    assert (expected["fc2"] < 0).any()
    for tap, feature in features.items():
        assert feature.shape == (2, extractor.taps[tap])
        assert relative(feature, expected[tap]) < TOLERANCE, tap


@pytest.mark.parametrize("size", [(32, 48), (37, 21), (16, 16)])
def test_maps_are_the_definitions_at_any_size(trunk, state, size):
    images = pictures(*size)
    expected = numpy_networks.vgg(state, normalised(images), NARROW.convolutions)
    maps = trunk(images, maps=trunk.maps)
    assert maps.keys() == {name for name in expected if name.startswith("relu")}
    for name, (channels, stride) in trunk.maps.items():
        assert maps[name].shape == (2, size[0] // stride, size[1] // stride, channels)
        assert relative(maps[name], expected[name]) < TOLERANCE, name


def test_the_maps_of_vgg16_and_vgg19():
    assert trunk_names() == ("alexnet", "squeezenet", "vgg16", "vgg19")
    assert VGG16.maps["relu5_3"] == VGG19.maps["relu5_4"] == (512, 16)
    assert (len(VGG16.maps), len(VGG19.maps)) == (13, 16)
    assert VGG16.taps["fc2_relu"] == 4096


def test_no_deeper_than_the_maps_need(trunk):
    image = jnp.zeros((1, 32, 32, 3))

    def count(*maps):
        return len(contractions(jax.make_jaxpr(lambda p, x: trunk.apply(p, x, maps=maps))(trunk.params, image)))

    assert (count("relu1_2"), count("relu3_1"), count("relu5_3", "relu1_1")) == (2, 5, 13)


def test_another_pool_between_the_blocks(state):
    images = normalised(pictures(32, 32))

    def mean(x):
        return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4

    expected = numpy_networks.vgg(state, images, NARROW.convolutions, pool=mean)["relu3_3"]
    maps = VGGTrunk(state, NARROW)(jnp.asarray(images, jnp.float32), ["relu3_3"], pool=mean)
    assert relative(maps["relu3_3"], expected) < TOLERANCE


def test_a_call_can_replace_the_trunks_normalisation(trunk):
    images = pictures(32, 32)
    unit = trunk(images / np.float32(255), maps=["relu1_2"], normalisation=Normalisation(0.5, 2.0))["relu1_2"]
    signed = trunk(images, maps="relu1_2", normalisation=Normalisation(127.5, 1 / 127.5))["relu1_2"]
    np.testing.assert_allclose(unit, signed, rtol=1e-4, atol=1e-5)


def test_maps_have_finite_gradients_everywhere(trunk):
    images = jnp.concatenate([jnp.asarray(pictures(32, 32), jnp.float32), jnp.full((1, 32, 32, 3), 128.0)])

    def loss(images):
        return sum((values**2).mean() for values in trunk.apply(trunk.params, images, maps=trunk.maps).values())

    gradient = jax.jit(jax.grad(loss))(images)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max((1, 2, 3)).min() > 0


@pytest.mark.parametrize("axis_type", [pytest.param(AxisType.Auto, marks=pytest.mark.slow), AxisType.Explicit])
def test_a_sharded_batch(trunk, extractor, axis_type):
    images = pictures(32, 32, count=4).astype(np.float32)
    expected = np.asarray(trunk(images, maps=["relu3_3"])["relu3_3"])
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(trunk.params, NamedSharding(mesh, PartitionSpec()))
        result = jax.jit(lambda p, x: trunk.apply(p, x, maps=["relu3_3"]))(params, placed)["relu3_3"]
        assert result.sharding.spec[0] == "batch"
        large = jax.device_put(np.zeros((4, 224, 224, 3), np.float32), NamedSharding(mesh, PartitionSpec("batch")))
        all_params = jax.device_put(extractor.params, NamedSharding(mesh, PartitionSpec()))
        assert jax.eval_shape(extractor.apply, all_params, large)["fc2_relu"].shape == (4, 12)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6 * expected.max())


def test_every_contraction_runs_in_full_precision(trunk, extractor):
    assert_full_precision(
        lambda p, x: trunk.apply(p, x, maps=trunk.maps), trunk.params, jnp.zeros((1, 32, 32, 3)), at_least=13
    )
    assert_full_precision(
        lambda p, x: extractor.apply(p, x, taps=extractor.taps), extractor.params, jnp.zeros((1, 224, 224, 3)),
        at_least=16,
    )  # fmt: skip


def test_both_say_which_weights_they_have(trunk, extractor, weights_dir):
    digest = WeightsStore(weights_dir).open("vgg16").sha256
    assert trunk.weights_hash == extractor.weights_hash == digest
    assert not trunk.weights_published
    assert not extractor.weights_published
    assert extractor.prepare is not None
    assert extractor.prepare(pictures(300, 400, count=1)[0]).shape == (224, 224, 3)


def test_bad_calls_say_what_to_do(trunk, weights_dir):
    with pytest.raises(InputError, match=r"has no map 'relu6_1': its maps are relu1_1, relu1_2"):
        trunk(pictures(32, 32), maps=["relu6_1"])
    with pytest.raises(InputError, match="to be asked for at least one map"):
        trunk(pictures(32, 32), maps=[])
    with pytest.raises(InputError, match=r"needs images of at least 16 x 16 pixels for 'relu5_1', not 32 x 15"):
        trunk(pictures(32, 15), maps=["relu5_1"])
    with pytest.raises(InputError, match=r"needs images of shape \[B, H, W, 3\]"):
        trunk(pictures(32, 32)[0], maps=["relu1_1"])
    with pytest.raises(InputError, match="unknown trunk 'vgg11': choose one of alexnet, squeezenet, vgg16, vgg19"):
        load_trunk("vgg11", weights_dir=weights_dir)


def test_a_checkpoint_of_another_network_is_refused(tmp_path, state):
    path = tmp_path / "narrow.safetensors"
    safetensors.numpy.save_file(state, path)
    with pytest.raises(WeightsError, match=r"tensor 'features.0.weight' has shape \[4, 3, 3, 3\], not \[64, 3, 3, 3\]"):
        WeightsStore(tmp_path / "weights").import_file("vgg16", path, unverified=True)
