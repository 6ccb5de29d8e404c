"""The paths of iMF and jax-fid, from images to the number, with torch's resize, the same random network and SciPy.

Neither's repository can be installed (their networks download weights): what they do is built here of torch's own
functions, torch-fidelity's layers, pytorch-fid's network and NumPy.
"""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from image_sets import crops
from parity_stub import torchvision_stub
from random_inception import random_inception_for_both

import jaxeval
from jaxeval.ops import inception_score

pytestmark = [pytest.mark.parity, pytest.mark.slow]

COUNT = 54  # of which jax-fid takes 50


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_inception_for_both(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def sets():
    real = crops(COUNT, (80, 96), 1)
    fake = crops(COUNT, (80, 96), 2)
    noise = np.random.default_rng(0).normal(0, 0.02, fake.shape)
    return real, np.clip(fake / 127.5 - 1 + noise, -1, 1).astype(np.float32)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """By singular values of the centred rows, as there are fewer than features."""
    shift = x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)
    a, b = ((one - one.mean(0)) / np.sqrt(len(one) - 1) for one in (x.astype(np.float64), y.astype(np.float64)))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(shift @ shift + np.square(a).sum() + np.square(b).sum() - 2 * root)


def ours(sets, weights, protocol, metrics="fid"):
    options = {"protocol": protocol, "weights_dir": weights[1], "batch_size": 18, "value_range": (-1, 1)}
    return jaxeval.evaluate(*sets, metrics=metrics, **options).results


def test_imf(sets, weights):
    torchvision_stub()
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights[0]))
    levels = [sets[0], np.clip(np.float32(127.5) * sets[1] + np.float32(128), 0, 255).astype(np.uint8)]
    found, logits = [], []
    for images in levels:
        x = torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2))
        grid = torch.nn.functional.affine_grid(
            torch.eye(2, 3)[None].repeat(len(x), 1, 1), [len(x), 3, 299, 299], align_corners=False
        )
        x = torch.nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        x = (x - 128) / 128
        with torch.no_grad():
            for name, layer in network.named_children():
                if name in ("fc", "Dropout"):
                    continue
                x = layer(x)
                if name == "AvgPool":
                    break
            features = torch.flatten(x, 1)
            logits.append((features @ network.fc.weight.T).numpy())
        found.append(features.numpy())
    results = {one.metric: one.value for one in ours(sets, weights, "imf", "fid,is")}
    assert results["fid"] == pytest.approx(distance(*found), rel=1e-4)
    # Ten splits of five, four images left out.
    probabilities = scipy.special.softmax(logits[1].astype(np.float64), axis=1)
    probabilities = probabilities[np.random.RandomState(2020).permutation(COUNT)][:50].reshape(10, 5, -1)
    scores = [np.exp(np.mean([scipy.stats.entropy(one, part.mean(0)) for one in part])) for part in probabilities]
    assert results["is"] == pytest.approx(np.mean(scores), rel=1e-4)
    assert inception_score(logits=logits[1], rule="dgm-eval").mean == pytest.approx(np.mean(scores), rel=1e-6)


def test_jax_fid(sets, weights, monkeypatch):
    torchvision_stub()
    import pytorch_fid.inception
    import torch

    state = torch.load(weights[0], weights_only=True)
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *arguments, **more: state)
    network = pytorch_fid.inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    levels = [sets[0], np.clip(np.float32(127.5) * sets[1] + np.float32(128), 0, 255).astype(np.uint8)]
    found = []
    for images in levels:
        x = torch.from_numpy((2 * (images[:50] / 255.0) - 1).astype(np.float32).transpose(0, 3, 1, 2))
        with torch.no_grad():
            found.append(network(x)[0].squeeze(-1).squeeze(-1).numpy())
    (result,) = ours(sets, weights, "jax-fid")
    assert result.value == pytest.approx(distance(*found), rel=1e-4)
    assert (result.n_reference, result.n_generated) == (50, 50)
