"""CLIP against transformers, against OpenAI's own code as torch-fidelity carries it, and their tokenizers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from array_differences import relative
from small_vocabulary import SENTENCES, learned_merges, numbered_tokens, vocabulary_text

from jaxeval.errors import WeightsError
from jaxeval.extractors import ClipTokenizer, WeightsStore, clip, load_clip
from jaxeval.extractors.catalogue import CATALOGUE, check_tensors
from jaxeval.extractors.clip_towers import (
    CLIP_B32,
    CLIP_L14,
    CLIP_L14_336,
    ClipPlan,
    ImageTower,
    TextTower,
    from_hugging_face,
)
from jaxeval.tensor_files import read_tensors

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
MERGES = learned_merges(150)
SMALL = ClipPlan(64, 16, 128, 3, 64, 3, 24, head=32, vocabulary=512 + len(MERGES) + 2)
CAPTIONS = [
    *SENTENCES,
    "A PHOTO of İstanbul — ΟΔΟΣ Straße №5",
    "don't\u00a0you're I'D we'll",
    "\u200b\x1c''s 'red 'S",
    "",
]


def hugging_face_config(plan):
    from transformers import CLIPConfig

    text = {
        "hidden_size": plan.text_width,
        "intermediate_size": 4 * plan.text_width,
        "num_hidden_layers": plan.text_blocks,
        "num_attention_heads": plan.text_width // plan.head,
        "vocab_size": plan.vocabulary,
        "bos_token_id": plan.vocabulary - 2,
        "eos_token_id": plan.vocabulary - 1,
    }
    vision = {
        "hidden_size": plan.image_width,
        "intermediate_size": 4 * plan.image_width,
        "num_hidden_layers": plan.image_blocks,
        "num_attention_heads": plan.image_width // plan.head,
        "image_size": plan.image_side,
        "patch_size": plan.patch,
    }
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=plan.embedding)


def random_weights(torch, module):
    """Sizes that training gives, so that every layer counts."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, 0, 0.1)
            elif parameter.ndim == 1 and ("norm" in name or "ln_" in name):
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            elif "embed" in name:
                torch.nn.init.normal_(parameter, 0, 0.3)
            elif parameter.ndim > 1:
                torch.nn.init.normal_(parameter, 0, 0.7 * parameter[0].numel() ** -0.5)
    return module.eval()


def features(network, name, *arguments):
    """An output of transformers' network as an array."""
    import torch

    with torch.inference_mode():
        return getattr(network, name)(*map(torch.as_tensor, arguments)).pooler_output.numpy()


def tokens_for(plan):
    """Rows of random tokens with an end each, and what OpenAI and Hugging Face write behind it."""
    rng = np.random.default_rng(4)
    tokens = np.zeros((4, 77), np.int64)
    for row, length in zip(tokens, (2, 9, 40, 77), strict=True):
        row[:length] = [plan.vocabulary - 2, *rng.integers(0, plan.vocabulary - 2, length - 2), plan.vocabulary - 1]
    tokens[1, 9:] = plan.vocabulary - 1
    return tokens


@pytest.fixture(scope="module")
def small(torch):
    from transformers import CLIPModel

    torch.manual_seed(1)
    return random_weights(torch, CLIPModel(hugging_face_config(SMALL)))


def test_small_towers_are_transformers(torch, small, tmp_path):
    small.save_pretrained(tmp_path)
    tensors = read_tensors((tmp_path / "model.safetensors").read_bytes(), "model.safetensors")
    assert {name: array.shape for name, array in tensors.items()} == SMALL.hugging_face_shapes()
    state = from_hugging_face(tensors, SMALL)
    images = np.random.default_rng(2).normal(size=(3, 64, 64, 3)).astype(np.float32)
    tokens = tokens_for(SMALL)
    theirs = features(small, "get_image_features", images.transpose(0, 3, 1, 2).copy())
    texts = features(small, "get_text_features", tokens)
    assert theirs.std(0).max() > 0.1
    assert texts.std(0).max() > 0.1
    image_tower, text_tower = ImageTower(state, SMALL), TextTower(state, SMALL)
    assert relative(jax.jit(lambda x: image_tower(x, ("embedding",)))(images)["embedding"], theirs) < TOLERANCE
    assert relative(jax.jit(text_tower)(jnp.asarray(tokens, jnp.int32)), texts) < TOLERANCE


@pytest.mark.parametrize(
    ("plan", "name"), [(CLIP_B32, "clip-vit-b-32"), (CLIP_L14, "clip-vit-l-14"), (CLIP_L14_336, "clip-vit-l-14-336")]
)
def test_the_tables_of_tensors(torch, plan, name):
    from transformers import CLIPModel

    with torch.device("meta"):
        model = CLIPModel(hugging_face_config(plan))
    theirs = {key: tuple(parameter.shape) for key, parameter in model.named_parameters()}
    assert theirs == plan.hugging_face_shapes()
    assert CATALOGUE[name].shapes() == plan.shapes()


def openai_network(torch, plan):
    """OpenAI's whole network, its image side and blocks as torch-fidelity copies them from there."""
    from torch_fidelity.feature_extractor_clip import LayerNorm, Transformer, VisionTransformer

    class Clip(torch.nn.Module):
        def __init__(self):
            super().__init__()
            heads = plan.image_width // plan.head
            self.visual = VisionTransformer(
                plan.image_side, plan.patch, plan.image_width, plan.image_blocks, heads, plan.embedding
            )
            mask = torch.full((plan.context, plan.context), float("-inf")).triu_(1)
            self.transformer = Transformer(plan.text_width, plan.text_blocks, plan.text_width // plan.head, mask)
            self.token_embedding = torch.nn.Embedding(plan.vocabulary, plan.text_width)
            self.positional_embedding = torch.nn.Parameter(torch.randn(plan.context, plan.text_width))
            self.ln_final = LayerNorm(plan.text_width)
            self.text_projection = torch.nn.Parameter(torch.randn(plan.text_width, plan.embedding))
            self.logit_scale = torch.nn.Parameter(torch.tensor(np.log(1 / 0.07)))
            for name, value in (("input_resolution", plan.image_side), ("context_length", 77), ("vocab_size", 9)):
                self.register_buffer(name, torch.tensor(value))

        def forward(self, images, tokens):
            x = self.token_embedding(tokens) + self.positional_embedding
            x = self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
            x = self.ln_final(x)[torch.arange(len(x)), tokens.argmax(-1)]
            return self.visual(images), x @ self.text_projection

    torch.manual_seed(5)
    return random_weights(torch, Clip())


@pytest.mark.filterwarnings("ignore")  # torch calls its own TorchScript old, and tracing imprecise
@pytest.mark.parametrize("kind", ["traced", "state dict"])
def test_openais_archives_are_read_without_running_them(torch, kind, tmp_path, monkeypatch):
    network = openai_network(torch, SMALL)
    images = np.random.default_rng(6).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    tokens = tokens_for(SMALL)
    for parameter in network.parameters():  # as published: half precision where it is multiplied
        parameter.data = parameter.data.half().float()
    mean, deviation = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    x = torch.from_numpy(((images / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = [values.numpy() for values in network(x, torch.from_numpy(tokens))]
    path = tmp_path / "clip.pt"
    if kind == "traced":
        traced = torch.jit.trace(network, (x, torch.from_numpy(tokens)), check_trace=False)
        for parameter in traced.parameters():
            parameter.data = parameter.data.half()
        torch.jit.save(traced, path)
    else:
        torch.save({name: value.half() for name, value in network.state_dict().items()}, path)
    known = CATALOGUE["clip-vit-b-32"]
    monkeypatch.setitem(CATALOGUE, known.name, dataclasses.replace(known, shapes=SMALL.shapes))
    monkeypatch.setitem(clip.CLIPS, known.name, (SMALL, "small"))
    store = WeightsStore(tmp_path / "weights")
    store.import_file(known.name, path, unverified=True)
    ours = load_clip(known.name, weights_dir=store.folder)
    assert relative(ours(images)["embedding"], expected[0]) < TOLERANCE
    assert relative(ours.apply_text(ours.text_params, jnp.asarray(tokens, jnp.int32)), expected[1]) < TOLERANCE
    np.testing.assert_allclose(ours.logit_scale, 1 / 0.07, rtol=2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_torchscript_archives_are_refused_by_what_they_hold(torch, tmp_path):
    path = tmp_path / "other.pt"
    torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))), path)
    tensors = read_tensors(path.read_bytes(), "other.pt")
    assert {name: array.shape for name, array in tensors.items()} == {
        "0.weight": (3, 2), "0.bias": (3,), "1.weight": (3,), "1.bias": (3,)
    }  # fmt: skip
    with pytest.raises(WeightsError, match=r"other\.pt: not the network 'clip-vit-b-32'"):
        check_tensors(CATALOGUE["clip-vit-b-32"], tensors, "other.pt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), path)
    with pytest.raises(WeightsError, match="a TorchScript archive without tensors"):
        read_tensors(path.read_bytes(), "other.pt")


def test_the_tokenizer_is_transformers(torch):
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer(vocab=numbered_tokens(MERGES), merges=MERGES)
    ours = ClipTokenizer(MERGES)
    assert (theirs.bos_token_id, theirs.eos_token_id, len(theirs)) == (ours.start, ours.end, ours.size)
    letters = [*"abcdeghinorst 'é猫½٣!#&-.\u0301\u3000\n", "THE ", "photo", "'re", "</w>"]
    rng = np.random.default_rng(7)
    made = ["".join(rng.choice(letters, size)) for size in rng.integers(1, 60, 300)]
    for text in [*CAPTIONS, *made]:
        assert [ours.start, *ours.encode(text), ours.end] == theirs(text)["input_ids"], text


def test_the_tokenizer_reads_what_transformers_writes(torch, tmp_path):
    from transformers import CLIPTokenizer

    CLIPTokenizer(vocab=numbered_tokens(MERGES), merges=MERGES).save_pretrained(tmp_path)
    store = WeightsStore(tmp_path / "weights")
    store.import_file("clip-vocabulary", tmp_path / "tokenizer.json", unverified=True)
    kept = store.load("clip-vocabulary")["merges"].tobytes().decode()
    assert kept == vocabulary_text(MERGES).split("\n", 1)[1].rstrip("\n")


@pytest.mark.slow
def test_the_whole_of_vit_b_32(torch, tmp_path):
    from transformers import CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(8)
    model = random_weights(torch, CLIPModel(hugging_face_config(CLIP_B32)))
    model.save_pretrained(tmp_path)
    store = WeightsStore(tmp_path / "weights")
    store.import_file("clip-vit-b-32", tmp_path / "model.safetensors", unverified=True)
    ours = load_clip("clip-vit-b-32", weights_dir=store.folder)
    picture = np.random.default_rng(9).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    pictures = [picture, picture[:240, ::-1] // 2]
    values = CLIPImageProcessorPil()(pictures, return_tensors="pt")["pixel_values"]
    tokens = tokens_for(CLIP_B32)
    images = features(model, "get_image_features", values)
    texts = features(model, "get_text_features", tokens)
    assert ours.prepare is not None
    embeddings = ours(np.stack([ours.prepare(np.ascontiguousarray(image)) for image in pictures]))
    assert images.std(0).max() > 0.1
    assert relative(embeddings["embedding"], images) < TOLERANCE
    embed = jax.jit(ours.apply_text)
    assert relative(embed(ours.text_params, jnp.asarray(tokens, jnp.int32)), texts) < TOLERANCE
