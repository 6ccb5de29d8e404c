"""CLIPScore through `evaluate`: each image meets its own caption, and files of captions are read or refused."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import load_captions
from jaxeval.extractors import Clip, Normalisation

WEIGHTS = np.random.default_rng(0).standard_normal((108, 8)).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Reader(Clip):
    """Knows of a text its last number alone: the embedding of caption `4` points along axis 4."""

    def text_embeddings(self, texts, *, truncate=False, precision="highest"):
        assert all(text.startswith("A photo depicts number ") for text in texts)
        return jnp.eye(8)[jnp.asarray([int(text.split()[-1]) for text in texts])] * 3


def reader() -> Reader:
    return Reader(
        name="clip-test",
        family="clip",
        image_size=(6, 6),
        resize="pil-bicubic-uint8",
        normalisation=Normalisation(127.0, 1 / 127),
        taps={"embedding": 8},
        default_tap="embedding",
        params=WEIGHTS,
        forward=lambda params, images, taps: {"embedding": images.reshape(len(images), -1) @ params},
        logit_scale=1.0,
        context=77,
        open_text=lambda: (None, lambda params, tokens: tokens),
        open_tokenizer=lambda: None,  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    made = crops(40, (6, 6), seed=2)
    write_pngs(folder / "made", made)
    (folder / "made" / "00005-broken.png").write_text("no picture")
    return crops(60, (6, 6), seed=1), folder / "made", made


def captions(change: int = 0) -> dict[str, str]:
    return {f"{number:05d}.png": f"number {(number + change) % 8}" for number in range(40)}


def test_the_score_is_that_of_each_image_with_its_own_caption(images):
    real, folder, made = images
    (result,) = jaxeval.evaluate(
        real, folder, extractor=reader(), metrics="clip-score", captions=captions(), on_error="skip"
    ).results
    embeddings = ((made.reshape(40, -1).astype(np.float64) - 127) / 127) @ WEIGHTS
    cosines = embeddings[np.arange(40), np.arange(40) % 8] / np.linalg.norm(embeddings, axis=1)
    scores = 2.5 * np.maximum(cosines, 0)
    assert result.value == pytest.approx(scores.mean(), rel=1e-5)
    assert result.metric == "clip-score-clip-test"
    assert result.interval == pytest.approx(
        (scores.mean() - 1.96 * scores.std(ddof=1) / 40**0.5, scores.mean() + 1.96 * scores.std(ddof=1) / 40**0.5),
        rel=1e-3,
    )


def test_a_missing_caption_is_named(images):
    real, folder, _ = images
    few = {name: text for name, text in captions().items() if name < "00030"}
    with pytest.raises(InputError, match=r"'00030\.png' of .* has no caption, nor have 9 others"):
        jaxeval.evaluate(real, folder, extractor=reader(), metrics="clip-score", captions=few, on_error="skip")
    with pytest.raises(InputError, match="'clip-score' cannot be computed: it needs captions"):
        jaxeval.evaluate(real, folder, extractor=reader(), metrics="clip-score", on_error="skip")


def test_two_sets_are_compared_by_their_captions(images):
    real, folder, _ = images
    comparison = jaxeval.compare(
        folder, folder, reference=real, extractor=reader(), metrics="clip-score", captions=captions(), on_error="skip"
    )
    (one,) = comparison.differences
    assert one.value == 0.0
    assert one.p_value == 1.0


def test_captions_are_read_from_every_kind_of_file(tmp_path):
    expected = {"a/1.png": "a cat, sitting", "2.png": "zwei Hunde, groß"}
    (tmp_path / "c.tsv").write_text("".join(f"{name}\t{text}\n" for name, text in expected.items()), "utf-8")
    (tmp_path / "c.json").write_text(json.dumps(expected))
    lines = [json.dumps({"file_name": name, "text": text}) for name, text in expected.items()]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n\n")
    for suffix in ("tsv", "json", "jsonl"):
        assert load_captions(tmp_path / f"c.{suffix}") == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "1.png a cat", "line 1 of .* is not a name and a caption"),
        ("a.tsv", "1.png\tx\n1.png\ty", "two captions for '1.png'"),
        ("a.tsv", "\n", "has no captions"),
        ("a.json", "[1]", "is not one JSON object"),
        ("a.json", "{", "is no JSON"),
        ("a.jsonl", '{"name": "a.png"}', "line 1 of"),
        ("a.jsonl", "nothing", "line 1 of"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_captions(tmp_path / name)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "latin.tsv").write_bytes(b"1.png\tcaf\xe9")
    for name in ("latin.tsv", "none.tsv"):
        with pytest.raises(InputError, match=f"cannot read the captions in .*{name}"):
            load_captions(tmp_path / name)
