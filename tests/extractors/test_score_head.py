"""Heads over embeddings against NumPy, from the files that people have."""

import jax
import numpy as np
import pytest
import safetensors.numpy

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors import load_score_head

RNG = np.random.default_rng(0)
# LAION's improved predictor: five layers, between which only dropout comes.
SIZES = {"layers.0": (12, 8), "layers.2": (6, 12), "layers.4": (4, 6), "layers.6": (3, 4), "layers.10": (1, 3)}
LAYERS = {name: (RNG.normal(size=size), RNG.normal(size=size[0])) for name, size in SIZES.items()}
EMBEDDINGS = RNG.normal(size=(5, 8)).astype(np.float32) * 7
WITHIN = 5e-5  # scores reach 54; a relative 1e-6 of that through five layers of a dozen terms


def save(path, layers):
    tensors = {}
    for name, (weight, bias) in layers.items():
        prefix = f"{name}." if name else ""
        tensors |= {f"{prefix}weight": weight.astype(np.float32), f"{prefix}bias": bias.astype(np.float32)}
    safetensors.numpy.save_file(tensors, path)
    return path


def scores(layers, activation=lambda x: x, normalise=True):
    x = EMBEDDINGS.astype(np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if normalise else x
    for number, (weight, bias) in enumerate(layers.values()):
        x = (activation(x) if number else x) @ weight.T + bias
    return x[:, 0]


def test_layers_follow_each_other_by_number(tmp_path):
    path = save(tmp_path / "head.safetensors", dict(sorted(LAYERS.items())))  # layers.10 before layers.2
    head = load_score_head(path)
    np.testing.assert_allclose(head(EMBEDDINGS), scores(LAYERS), atol=WITHIN)
    np.testing.assert_allclose(jax.jit(head.apply)(head.params, EMBEDDINGS), scores(LAYERS), atol=WITHIN)
    rectified = load_score_head(path, activation="relu", normalise=False)
    expected = scores(LAYERS, lambda x: np.maximum(x, 0), normalise=False)
    np.testing.assert_allclose(rectified(EMBEDDINGS), expected, rtol=1e-5, atol=1e-4)
    gradient = jax.grad(lambda e: head(e).sum())(np.zeros((1, 8), np.float32))
    assert np.isfinite(gradient).all()


def test_a_single_layer_without_a_prefix(tmp_path):
    layers = {"": (RNG.normal(size=(1, 8)), RNG.normal(size=1))}
    np.testing.assert_allclose(load_score_head(save(tmp_path / "head", layers))(EMBEDDINGS), scores(layers), rtol=1e-5)


def test_what_is_no_head_is_named(tmp_path):
    head = load_score_head(save(tmp_path / "head", LAYERS))
    with pytest.raises(InputError, match=r"takes embeddings \[N, 8\], not \[5, 7\]"):
        head(EMBEDDINGS[:, :7])
    with pytest.raises(InputError, match="no such file"):
        load_score_head(tmp_path / "nothing")
    wrong = {**LAYERS, "layers.4": (RNG.normal(size=(4, 5)), RNG.normal(size=4))}
    with pytest.raises(WeightsError, match="each must take what the last gives"):
        load_score_head(save(tmp_path / "head", wrong))
    safetensors.numpy.save_file({"layers.0.weight": np.ones((1, 8), np.float32)}, tmp_path / "head")
    with pytest.raises(WeightsError, match=r"layers\.0: no weight \[out, in\] and bias \[out\] of one layer"):
        load_score_head(tmp_path / "head")
