"""DINOv2 against a NumPy float64 form, on a small network; and its two namings of tensors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest
import safetensors.numpy
from array_differences import relative
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision

from jaxeval.errors import WeightsError
from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.dinov2 import DINOV2_B14, DINOV2_L14, DINOv2, DINOv2Plan, from_hugging_face, resample_positions
from jaxeval.extractors.networks import NETWORKS

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
SMALL = DINOv2Plan(width=24, blocks=3, heads=3, grid=5)
SIZE = (56, 56)
PUBLISHED = dict(CATALOGUE)


@pytest.fixture(scope="module")
def state():
    return numpy_networks.random_state_dict(SMALL.shapes(), 5)


def pictures(count=2, size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *size, 3)).astype(np.float32) * rng.random((count, 1, 1, 3), np.float32)


def jitted(network, images):
    return jax.jit(lambda images: network(images, ("cls",))["cls"])(images)


def hugging_face(state):
    """The same tensors as Hugging Face names and divides them, written out by hand."""
    renamed = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.mask_token": np.zeros((1, SMALL.width), np.float32),
        "embeddings.position_embeddings": state["pos_embed"],
        "embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "layernorm.weight": state["norm.weight"],
        "layernorm.bias": state["norm.bias"],
    }
    for number in range(SMALL.blocks):
        ours, theirs = f"blocks.{number}.", f"encoder.layer.{number}."
        for part in ("weight", "bias"):
            for index, name in enumerate(("query", "key", "value")):
                rows = slice(index * SMALL.width, (index + 1) * SMALL.width)
                renamed[f"{theirs}attention.attention.{name}.{part}"] = state[f"{ours}attn.qkv.{part}"][rows]
            renamed[f"{theirs}attention.output.dense.{part}"] = state[f"{ours}attn.proj.{part}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                renamed[f"{theirs}{name}.{part}"] = state[f"{ours}{name}.{part}"]
        for index in (1, 2):
            renamed[f"{theirs}layer_scale{index}.lambda1"] = state[f"{ours}ls{index}.gamma"]
    return renamed


def test_the_class_token_is_the_definitions(state):
    images = pictures()
    positions = resample_positions(state["pos_embed"][0, 1:], (4, 4), offset=0.1)
    expected = numpy_networks.dinov2(state, images.astype(np.float64), SMALL.heads, positions)
    token = jitted(DINOv2(state, SMALL, size=SIZE), images)
    assert token.shape == (2, SMALL.width)
    assert expected.std(0).max() > 0.1
    assert relative(token, expected) < TOLERANCE


def test_positions_are_left_alone_at_the_trained_size(state):
    images = pictures(size=(70, 70))
    expected = numpy_networks.dinov2(state, images.astype(np.float64), SMALL.heads, state["pos_embed"][:, 1:])
    token = jitted(DINOv2(state, SMALL, size=(70, 70)), images)
    assert relative(token, expected) < TOLERANCE


def test_resampled_positions_keep_what_is_linear():
    rows, columns = np.mgrid[:37, :37]
    table = np.stack([np.ones((37, 37)), rows, columns], -1).reshape(-1, 3)
    same = resample_positions(table, (37, 37), offset=0.0)
    np.testing.assert_allclose(same, table, atol=1e-12)
    inner = resample_positions(table, (16, 16), offset=0.1).reshape(16, 16, 3)[1:-1, 1:-1]
    step = 37 / 16.1
    place = step * (np.arange(1, 15) + 0.5) - 0.5
    np.testing.assert_allclose(inner[..., 0], 1, rtol=1e-12)
    np.testing.assert_allclose(inner[..., 1], np.broadcast_to(place[:, None], (14, 14)), atol=0.05)
    np.testing.assert_allclose(inner[..., 2], np.broadcast_to(place, (14, 14)), atol=0.05)
    with pytest.raises(ValueError, match="7 positions are not a square"):
        resample_positions(np.zeros((7, 2)), (2, 2), offset=0.0)


def test_the_published_sizes():
    count = {plan: sum(int(np.prod(shape)) for shape in plan.shapes().values()) for plan in (DINOV2_B14, DINOV2_L14)}
    # As the model card has them: 86 M and 300 M parameters.
    assert (count[DINOV2_B14], count[DINOV2_L14]) == (86_579_712, 304_367_616)
    for name, plan in (("dinov2-vit-b-14", DINOV2_B14), ("dinov2-vit-l-14", DINOV2_L14)):
        known = PUBLISHED[name]
        assert known.shapes() == plan.shapes()
        # Weights, the mask token and torch's index of some 320 bytes a tensor fill the published number of bytes.
        assert 300 < (known.bytes - 4 * (count[plan] + plan.width)) / len(plan.shapes()) < 340
        assert known.source.endswith(
            f"/{name.replace('-', '_').replace('vit_', 'vit').replace('_14', '14')}_pretrain.pth"
        )


@pytest.fixture(scope="module")
def small():
    """Makes `dinov2-vit-b-14` the small network."""
    known, network = CATALOGUE["dinov2-vit-b-14"], NETWORKS["dinov2-vit-b-14"]
    layout = dataclasses.replace(
        known.layouts[0],
        shapes=SMALL.hugging_face_shapes,
        convert=lambda tensors: from_hugging_face(tensors, SMALL),
    )
    network = dataclasses.replace(
        network, build=lambda t: DINOv2(t, SMALL, size=SIZE), taps=SMALL.taps, image_size=SIZE
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CATALOGUE, known.name, dataclasses.replace(known, shapes=SMALL.shapes, layouts=(layout,)))
        patch.setitem(NETWORKS, known.name, network)
        yield


@pytest.fixture
def store(small, tmp_path):
    """A weights folder, empty."""
    return WeightsStore(tmp_path / "weights")


def test_both_namings_give_the_same_stored_file(state, store, tmp_path):
    rows = []
    for number, tensors in enumerate((state | {"mask_token": np.zeros((1, 24), np.float32)}, hugging_face(state))):
        path = tmp_path / f"{number}.safetensors"
        safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path)
        rows.append(store.import_file("dinov2-vit-b-14", path, unverified=True))
    assert rows[0].sha256 == rows[1].sha256
    assert store.load("dinov2-vit-b-14").keys() == SMALL.shapes().keys()


def test_a_tensor_of_another_shape_is_named_as_the_file_names_it(state, store, tmp_path):
    tensors = hugging_face(state)
    name = "encoder.layer.1.attention.attention.key.weight"
    tensors[name] = tensors[name][:12]
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, tmp_path / "x")
    with pytest.raises(WeightsError, match=rf"x: tensor '{name}' has shape \[12, 24\], not \[24, 24\]"):
        store.import_file("dinov2-vit-b-14", tmp_path / "x", unverified=True)
    with pytest.raises(WeightsError, match=r"not the network 'dinov2-vit-l-14': \d+ missing .*, nothing unexpected"):
        store.import_file("dinov2-vit-l-14", tmp_path / "x", unverified=True)


@pytest.fixture(scope="module")
def extractor(state, small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    safetensors.numpy.save_file(state, folder / "dinov2.safetensors")
    WeightsStore(folder).import_file("dinov2-vit-b-14", folder / "dinov2.safetensors", unverified=True)
    return load_extractor("dinov2-vit-b-14", weights_dir=folder)


def test_the_extractor_normalises_as_imagenet_does(extractor, state):
    images = np.random.default_rng(3).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    normalised = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    positions = resample_positions(state["pos_embed"][0, 1:], (4, 4), offset=0.1)
    expected = numpy_networks.dinov2(state, normalised, SMALL.heads, positions)
    assert relative(extractor(images)["cls"], expected) < TOLERANCE


@pytest.mark.parametrize("axis_type", [pytest.param(AxisType.Auto, marks=pytest.mark.slow), AxisType.Explicit])
def test_a_sharded_batch(extractor, axis_type):
    images = 255 * np.abs(pictures(4))
    expected = np.asarray(extractor(images)["cls"])
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(extractor.params, NamedSharding(mesh, PartitionSpec()))
        token = jax.jit(lambda p, x: extractor.apply(p, x)["cls"])(params, placed)
        assert token.sharding.spec[0] == "batch"
    assert relative(token, expected) < 1e-6


def test_it_can_be_mapped_and_differentiated_in_full_precision(extractor):
    def features(params, images):
        return extractor.apply(params, images)["cls"]

    pairs = jnp.zeros((3, 2, *SIZE, 3))
    assert jax.eval_shape(jax.vmap(features, in_axes=(None, 0)), extractor.params, pairs).shape == (3, 2, 24)
    gradient = jax.jit(jax.grad(lambda x: features(extractor.params, x)[:, 0].sum()))(pairs[0] + 128)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    assert_full_precision(features, extractor.params, pairs[0], at_least=1 + 7 * SMALL.blocks)
