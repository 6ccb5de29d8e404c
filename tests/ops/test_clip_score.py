"""CLIPScore: known angles, SciPy's cosine, and the laws that follow from the definition."""

import jax.numpy as jnp
import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cosine

from jaxeval.errors import InputError
from jaxeval.ops import clip_score


def embeddings(count=40, width=12, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, width)).astype(np.float32)
    return images, (0.3 * images + rng.normal(size=(count, width))).astype(np.float32)


def test_known_angles():
    images = np.array([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0], [2.0, 0.0]])
    texts = np.array([[5.0, 0.0], [1.0, 0.0], [0.0, 7.0], [-1.0, 0.0]])
    score = clip_score(images=images, texts=texts)
    np.testing.assert_allclose(score.pairs, [2.5, 0, 2.5 / np.sqrt(2), 0], atol=1e-15)
    np.testing.assert_allclose(score.value, (2.5 + 2.5 / np.sqrt(2)) / 4)


def test_scipys_cosine():
    images, texts = embeddings()
    pairs = [max(1 - cosine(i.astype(np.float64), t.astype(np.float64)), 0) for i, t in zip(images, texts, strict=True)]
    score = clip_score(images=images, texts=texts, weight=100)
    assert min(pairs) == 0
    np.testing.assert_allclose(score.pairs, 100 * np.array(pairs), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(score.value, 100 * np.mean(pairs), rtol=1e-12)
    np.testing.assert_allclose(score.error, 100 * np.std(pairs, ddof=1) / np.sqrt(40), rtol=1e-12)


def test_the_error_is_that_of_pairs_left_out():
    images, texts = embeddings(23)
    score = clip_score(images=images, texts=texts)
    left = [clip_score(images=np.delete(images, i, 0), texts=np.delete(texts, i, 0)).value for i in range(23)]
    assert score.error == pytest.approx(np.sqrt(22 / 23 * np.square(np.subtract(left, np.mean(left))).sum()), rel=1e-9)
    two = clip_score(images=images[:2], texts=texts[:2])
    assert two.error == pytest.approx(abs(two.pairs[0] - two.pairs[1]) / 2, rel=1e-12)
    assert two.error > 0


def test_lengths_count_for_nothing_and_order_only_pairwise():
    images, texts = embeddings()
    scale = np.random.default_rng(1).uniform(1e-3, 1e3, (40, 1))
    score, permutation = clip_score(images=images, texts=texts), np.random.default_rng(2).permutation(40)
    np.testing.assert_allclose(clip_score(images=images * scale, texts=texts / scale).pairs, score.pairs, rtol=1e-9)
    np.testing.assert_allclose(clip_score(images=images[permutation], texts=texts[permutation]).value, score.value)
    assert clip_score(images=images[permutation], texts=texts).value < score.value
    assert clip_score(images=texts, texts=images).value == pytest.approx(score.value, rel=1e-12)


def test_device_arrays_and_a_single_pair():
    images, texts = embeddings()
    np.testing.assert_array_equal(
        clip_score(images=jnp.asarray(images), texts=jnp.asarray(texts)).pairs,
        clip_score(images=images, texts=texts).pairs,
    )
    single = clip_score(images=images[:1], texts=images[:1])
    assert single.value == pytest.approx(2.5, rel=1e-15)
    assert np.isnan(single.error)


@defaults_of(DEFAULTS, "clip_score")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": np.ones((39, 12))}, r"images has shape \(40, 12\) and texts \(39, 12\)"),
        ({"texts": np.ones((40, 11))}, "embedded by the same CLIP"),
        ({"texts": np.zeros((40, 12))}, "texts has a row of zeros, row 0"),
        ({"images": np.full((40, 12), np.nan)}, "images has 40 rows with values that are not finite"),
        ({"images": np.ones(12)}, r"images has shape \(12,\); expected \[N, D\]"),
        ({"weight": 0.0}, "weight is 0.0; a positive number"),
        ({"weight": np.inf}, "weight is inf; a positive number"),
    ],
)
def test_what_cannot_be_scored(change, message):
    images, texts = embeddings()
    with pytest.raises(InputError, match=message):
        clip_score(**{"images": images, "texts": texts} | change)
