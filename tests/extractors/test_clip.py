"""CLIP's two networks against NumPy float64 forms, on a small one; the extractor with its text side."""

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
from PIL import Image
from small_vocabulary import SENTENCES, learned_merges, vocabulary_text

from jaxeval.errors import InputError, WeightsError, WeightsMissingError
from jaxeval.extractors import Clip, WeightsStore, clip, embed_prompts, extractor_names, load_clip, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.clip_towers import CLIP_B32, CLIP_L14, CLIP_L14_336, ClipPlan, from_hugging_face
from jaxeval.ops.image_quality import CLIP_IQA_PROMPTS, clip_iqa
from jaxeval.pairs import learned, score_images

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
MERGES = learned_merges(120)
SMALL = ClipPlan(32, 8, 24, 3, 16, 2, 10, head=8, context=77, vocabulary=512 + len(MERGES) + 2)
NAME = "clip-vit-b-32"
PUBLISHED = dict(CATALOGUE)
TEXTS = [*SENTENCES[:3], "cat", ""]


@pytest.fixture(scope="module")
def state():
    state = numpy_networks.random_state_dict(SMALL.shapes(), 7)
    return state | {"logit_scale": np.array(np.log(20), np.float32)}


@pytest.fixture(scope="module")
def small():
    """Makes `clip-vit-b-32` the small network."""
    known = CATALOGUE[NAME]
    layout = dataclasses.replace(
        known.layouts[0],
        shapes=SMALL.hugging_face_shapes,
        convert=lambda tensors: from_hugging_face(tensors, SMALL),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CATALOGUE, NAME, dataclasses.replace(known, shapes=SMALL.shapes, layouts=(layout,)))
        patch.setitem(clip.CLIPS, NAME, (SMALL, "small"))
        yield


@pytest.fixture
def store(small, tmp_path):
    """A weights folder, empty."""
    return WeightsStore(tmp_path / "weights")


def import_tensors(store, tensors, name=NAME):
    path = store.folder.parent / "import.safetensors"
    safetensors.numpy.save_file({name: np.asarray(array, order="C") for name, array in tensors.items()}, path)
    return store.import_file(name, path, unverified=True)


def import_vocabulary(store, merges):
    path = store.folder.parent / "merges.txt"
    path.write_text(vocabulary_text(merges), encoding="utf-8")
    store.import_file("clip-vocabulary", path, unverified=True)


@pytest.fixture(scope="module")
def network(state, small, tmp_path_factory):
    store = WeightsStore(tmp_path_factory.mktemp("clip") / "weights")
    import_tensors(store, state)
    import_vocabulary(store, MERGES)
    return load_clip(NAME, weights_dir=store.folder)


def pictures(count=2):
    return np.random.default_rng(3).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def normalised(images):
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return (images / 255 - mean) / deviation


def test_images_are_the_definitions(network, state):
    images = pictures()
    expected = numpy_networks.clip_image(state, normalised(images), 3)
    features = network(images)
    assert features["embedding"].shape == (2, network.taps["embedding"]) == (2, 10)
    assert expected.std(0).max() > 0.1
    assert relative(features["embedding"], expected) < TOLERANCE


def test_texts_are_the_definitions(network, state):
    numbers = [[network.tokenizer.start, *network.tokenizer.encode(text), network.tokenizer.end] for text in TEXTS]
    expected = numpy_networks.clip_text(state, numbers, 2)
    embeddings = network.text_embeddings(TEXTS)
    assert embeddings.shape == (5, 10)
    assert expected.std(0).max() > 0.1
    assert relative(embeddings, expected) < TOLERANCE


def test_many_texts_are_each_themselves(network):
    texts = [f"photo {index} of the cat" for index in range(70)]
    embeddings = np.asarray(network.text_embeddings(texts))
    np.testing.assert_allclose(embeddings[[0, 63, 64, 69]],
                               np.concatenate([network.text_embeddings([texts[i]]) for i in (0, 63, 64, 69)]),
                               rtol=1e-5, atol=1e-6)  # fmt: skip


def test_what_follows_the_end_changes_nothing(network):
    tokens = network.tokenizer(TEXTS)
    filled = np.where(np.cumsum(tokens == network.tokenizer.end, 1) > 0, network.tokenizer.end, tokens)
    embed = jax.jit(network.apply_text)
    embeddings = [embed(network.text_params, jnp.asarray(t)) for t in (tokens, filled, tokens[:, :40])]
    np.testing.assert_allclose(embeddings[0], embeddings[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embeddings[0], embeddings[2], rtol=1e-5, atol=1e-6)


def test_it_is_an_extractor_like_the_others(network, state, store):
    row = import_tensors(store, state)
    assert isinstance(load_extractor(NAME, weights_dir=store.folder), Clip)
    assert network.weights_hash == row.sha256
    assert network.fingerprint == f"{NAME}:1:{network.weights_hash}"
    assert not network.weights_published
    np.testing.assert_allclose(network.logit_scale, 20, rtol=1e-6)
    assert network.prepare is not None
    assert network.prepare(np.zeros((50, 80, 3), np.uint8)).shape == (32, 32, 3)


def test_images_need_no_vocabulary_and_texts_say_how_to_get_it(state, store):
    import_tensors(store, state)
    network = load_clip(NAME, weights_dir=store.folder)
    assert np.isfinite(network(pictures())["embedding"]).all()
    with pytest.raises(WeightsMissingError, match="jaxeval weights import clip-vocabulary FILE"):
        network.text_embeddings(["a cat"])


def test_a_vocabulary_of_another_size_is_refused(state, store):
    import_tensors(store, state)
    import_vocabulary(store, MERGES[:-1])
    with pytest.raises(WeightsError, match=r"has 633 tokens, and the network 634: import CLIP's own"):
        load_clip(NAME, weights_dir=store.folder).text_embeddings(["a cat"])


def test_weights_that_change_before_the_texts_are_read(state, store):
    import_tensors(store, state)
    import_vocabulary(store, MERGES)
    network = load_clip(NAME, weights_dir=store.folder)
    import_tensors(store, state | {"logit_scale": np.array(0, np.float32)})
    with pytest.raises(WeightsError, match="are others now: load the extractor again"):
        network.text_embeddings(["a cat"])


@pytest.mark.parametrize("texts", [[], "a cat"])
def test_texts_come_as_a_list(network, texts):
    with pytest.raises(InputError, match="give a list of one or more texts"):
        network.text_embeddings(texts)


def test_a_long_text_is_an_error_unless_it_may_be_cut(network):
    with pytest.raises(InputError, match=r"has 90 tokens, and CLIP reads 75"):
        network.text_embeddings(["cat " * 90])
    cut = network.text_embeddings(["cat " * 90], truncate=True)
    np.testing.assert_allclose(cut, network.text_embeddings(["cat " * 75]), rtol=1e-5, atol=1e-6)


def test_unknown_names(store):
    with pytest.raises(InputError, match="unknown CLIP 'clip': choose one of clip-vit-b-32, clip-vit-l-14, clip"):
        load_clip("clip", weights_dir=store.folder)
    assert extractor_names()[5:8] == ("clip-vit-b-32", "clip-vit-l-14", "clip-vit-l-14-336")


def hugging_face(state):
    """The same tensors as Hugging Face names and divides them, written out by hand."""
    renamed = {
        "logit_scale": state["logit_scale"],
        "text_projection.weight": state["text_projection"].T,
        "visual_projection.weight": state["visual.proj"].T,
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
        "text_model.embeddings.position_ids": np.arange(77)[None],  # as files of transformers before 4.31 have it
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
    }
    norms = {"text_model.final_layer_norm": "ln_final", "vision_model.pre_layrnorm": "visual.ln_pre"}
    norms["vision_model.post_layernorm"] = "visual.ln_post"
    for theirs, ours, blocks, width in (
        ("text_model", "transformer", 2, 16),
        ("vision_model", "visual.transformer", 3, 24),
    ):
        for number in range(blocks):
            layer, block = f"{theirs}.encoder.layers.{number}", f"{ours}.resblocks.{number}"
            for name, source in (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"),
                                 ("mlp.fc2", "mlp.c_proj"), ("self_attn.out_proj", "attn.out_proj")):  # fmt: skip
                norms[f"{layer}.{name}"] = f"{block}.{source}"
            for part in ("weight", "bias"):
                for index, name in enumerate("qkv"):
                    rows = state[f"{block}.attn.in_proj_{part}"][index * width : (index + 1) * width]
                    renamed[f"{layer}.self_attn.{name}_proj.{part}"] = rows
    for theirs, ours in norms.items():
        renamed |= {f"{theirs}.{part}": state[f"{ours}.{part}"] for part in ("weight", "bias")}
    return renamed


def test_both_namings_give_the_same_stored_file(state, store):
    extra = {name: np.array(7) for name in ("input_resolution", "context_length", "vocab_size")}
    rows = [import_tensors(store, state | extra), import_tensors(store, hugging_face(state))]
    assert rows[0].sha256 == rows[1].sha256
    assert store.load(NAME)["logit_scale"].shape == ()


def test_a_tensor_of_another_shape_is_named_as_the_file_names_it(state, store):
    tensors = hugging_face(state)
    tensors["visual_projection.weight"] = tensors["visual_projection.weight"].T
    with pytest.raises(WeightsError, match=r"'visual_projection.weight' has shape \[24, 10\], not \[10, 24\]"):
        import_tensors(store, tensors)


def test_the_published_sizes():
    for name, plan, parameters in (
        ("clip-vit-b-32", CLIP_B32, 151_277_313),
        ("clip-vit-l-14", CLIP_L14, 427_616_513),
        ("clip-vit-l-14-336", CLIP_L14_336, 427_944_193),
    ):
        known = PUBLISHED[name]
        assert known.shapes() == plan.shapes()
        assert sum(int(np.prod(shape)) for shape in plan.shapes().values()) == parameters
        # Mostly two bytes a number; the norms and embeddings have four. Of one file the size is not known.
        assert 2 * parameters < known.bytes < 2.4 * parameters or known.bytes == 0
        assert f"/{known.sha256}/" in known.source


@pytest.mark.parametrize("axis_type", [pytest.param(AxisType.Auto, marks=pytest.mark.slow), AxisType.Explicit])
def test_a_sharded_batch(network, axis_type):
    images = pictures(4).astype(np.float32)
    expected = np.asarray(network(images)["embedding"])
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
    with jax.set_mesh(mesh):
        placed = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(network.params, NamedSharding(mesh, PartitionSpec()))
        features = jax.jit(lambda p, x: network.apply(p, x)["embedding"])(params, placed)
        assert features.sharding.spec[0] == "batch"
    assert relative(features, expected) < 1e-6


def test_gradients_and_precision(network):
    def features(params, images):
        return network.apply(params, images)["embedding"]

    images = jnp.full((1, 32, 32, 3), 128.0)
    gradient = jax.jit(jax.grad(lambda x: features(network.params, x)[:, 0].sum()))(images)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    assert_full_precision(features, network.params, images, at_least=2 + 7 * 3)
    tokens = jnp.asarray(network.tokenizer(["a cat"]))
    assert_full_precision(network.apply_text, network.text_params, tokens, at_least=1 + 7 * 2)


def test_clip_iqa_of_pairs_of_texts(network):
    prompts = [("the cat", "a photo"), ("photo of the cat", "the photo")]
    embedded = embed_prompts(network, prompts)
    assert embedded.shape == (2, 2, 10)
    flat = [text for pair in prompts for text in pair]
    np.testing.assert_array_equal(np.asarray(embedded).reshape(4, 10), network.text_embeddings(flat))
    images = np.asarray(network(pictures())["embedding"], np.float64)
    texts = np.asarray(embedded, np.float64)
    cosines = np.einsum("nd,pad->npa", *(e / np.linalg.norm(e, axis=-1, keepdims=True) for e in (images, texts)))
    expected = 1 / (1 + np.exp(20 * (cosines[..., 1] - cosines[..., 0])))
    found = clip_iqa(images=network(pictures())["embedding"], prompts=embedded, logit_scale=20.0)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (np.abs(expected - 0.5) > 0.01).any()
    with pytest.raises(InputError, match="prompts='beauty' is unknown; one of quality, brightness"):
        embed_prompts(network, ["beauty"])
    with pytest.raises(InputError, match="give a list of one or more prompts"):
        embed_prompts(network, "quality")
    with pytest.raises(InputError, match=r"images of shape \(2, 9\) and prompts of \(2, 2, 10\)"):
        clip_iqa(images=images[:, :9], prompts=embedded)
    assert len(CLIP_IQA_PROMPTS) == 16


def test_clip_iqa_as_a_measure_of_files(network, tmp_path):
    """`jaxeval score --metrics clip-iqa`: each file is prepared as CLIP's authors do, gray and 16 bits included."""
    rng = np.random.default_rng(5)
    stored = {
        "rgb": rng.integers(0, 256, (40, 50, 3)).astype(np.uint8),
        "gray": rng.integers(0, 256, (45, 38)).astype(np.uint8),
        "wide": rng.integers(0, 65536, (40, 40)).astype(np.uint16),
    }
    for name, pixels in stored.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "load_clip", lambda name, weights_dir: network)
        found = score_images(tmp_path, metrics="clip-iqa")
    eight = {"rgb": stored["rgb"], "gray": stored["gray"], "wide": np.rint(stored["wide"] / 257).astype(np.uint8)}
    prompts = embed_prompts(network)
    for score in found.scores:
        pixels = eight[score.image]
        pixels = np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels
        embedding = network(network.prepare(pixels)[None])["embedding"]
        expected = float(clip_iqa(images=embedding, prompts=prompts)[0, 0])
        assert score.values["clip-iqa"] == pytest.approx(expected, abs=1e-6)
    assert found.manifest["definitions"]["clip-iqa"]["weights"]["sha256"] == network.weights_hash
    assert (found.means[0].better, found.means[0].n) == ("higher", 3)
