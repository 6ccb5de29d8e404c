"""Inception score: closed forms, split rules, references."""

import itertools

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.special import softmax
from scipy.stats import entropy

from jaxeval.errors import InputError
from jaxeval.ops import inception_score, inception_score_error

# torch.manual_seed(3); torch.randperm(23), torch 2.13
TORCH_PERMUTATION = [12, 9, 0, 10, 6, 17, 3, 2, 1, 16, 15, 14, 13, 22, 11, 20, 7, 5, 18, 19, 4, 8, 21]
RULES = ["torch-fidelity", "torchmetrics", "stylegan3", "dgm-eval", "adm"]


def logits(n, c=20, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal((n, c))).astype(np.float32)


def score(p):
    return np.exp(np.mean([entropy(row, p.mean(0)) for row in p]))


@pytest.mark.parametrize("rule", RULES)
def test_balanced_one_hot_scores_the_number_of_classes(rule):
    p = np.eye(7)
    assert inception_score(probabilities=p, splits=1, rule=rule).mean == pytest.approx(7, rel=1e-14)
    assert inception_score(logits=1e3 * p, splits=1, rule=rule).mean == pytest.approx(7, rel=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_a_constant_scores_one(rule):
    p = np.tile(softmax(logits(1, 9), axis=1).astype(np.float64), (40, 1))
    p /= p.sum(1, keepdims=True)
    assert inception_score(probabilities=p, splits=4, rule=rule).mean == pytest.approx(1, rel=1e-13)


def test_classes_that_no_sample_has_count_for_nothing():
    x = logits(30, 5)
    x[:, 3] = -1e4
    with_class, without = (inception_score(logits=a, splits=3) for a in (x, np.delete(x, 3, axis=1)))
    assert with_class == pytest.approx(without, rel=1e-12)
    assert inception_score(probabilities=np.eye(6)[:3], splits=1).mean == pytest.approx(3, rel=1e-14)


def test_logits_and_probabilities_agree():
    x = logits(100).astype(np.float64)
    one, other = inception_score(logits=x), inception_score(probabilities=softmax(x, axis=1))
    assert one == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize(
    ("rule", "bounds", "ddof"),
    [
        ("torch-fidelity", [0, 5, 11, 17, 23], 0),
        ("stylegan3", [0, 5, 11, 17, 23], 0),
        ("dgm-eval", [0, 5, 10, 15, 20], 0),
        ("torchmetrics", [0, 6, 12, 18, 23], 1),
        ("adm", [0, 23], 0),
    ],
)
def test_splits(rule, bounds, ddof):
    p = softmax(logits(23).astype(np.float64), axis=1)
    if rule in ("torch-fidelity", "dgm-eval"):
        shuffled = p[np.random.RandomState(3).permutation(23)]
    elif rule == "torchmetrics":
        shuffled = p[TORCH_PERMUTATION]
    else:
        shuffled = p
    scores = [score(shuffled[a:b]) for a, b in itertools.pairwise(bounds)]
    found = inception_score(probabilities=p, splits=4, seed=3, rule=rule)
    assert found == pytest.approx((np.mean(scores), np.std(scores, ddof=ddof)), rel=1e-12)


def log_score(p, weights):
    """Logarithm of the score of images that count by weights."""
    weights = weights / weights.sum()
    return weights @ entropy(p, (weights @ p)[None], axis=1)


@pytest.mark.parametrize(("n", "c", "absent"), [(30, 5, False), (200, 20, False), (25, 6, True)])
def test_the_error_is_that_of_a_numerical_derivative(n, c, absent):
    """How the score's logarithm changes as weight moves to one image, taken by steps, for each image in turn."""
    x = logits(n, c).astype(np.float64)
    if absent:  # a class that no image has, and images of one class alone: p log p is 0, not NaN
        x[:, 3] = -1e4
        x[:4] = np.where(np.arange(c) == 1, 0.0, -1e4)
    p, step = softmax(x, axis=1)[:, np.arange(c) != (3 if absent else -1)], 1e-6
    slopes = [(log_score(p, 1 + step * n * one) - log_score(p, 1 - step * n * one)) / (2 * step) for one in np.eye(n)]
    error = inception_score_error(logits=x)
    assert error == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(n), rel=1e-6)
    # Leaving out images in turn, with nothing derived.
    left = [log_score(p, 1 - one) for one in np.eye(n)]
    assert error == pytest.approx(np.sqrt((n - 1) / n * np.square(np.subtract(left, np.mean(left))).sum()), rel=0.1)


def test_the_error_is_the_spread_over_draws():
    draws = [logits(400, 8, seed) for seed in range(150)]
    scores = [np.log(inception_score(logits=x, splits=1).mean) for x in draws]
    stated = np.mean([inception_score_error(logits=x) for x in draws])
    assert stated == pytest.approx(np.std(scores, ddof=1), rel=0.2)  # 150 draws know a deviation to 6%


def test_an_error_needs_two_images_and_a_deviation_two_splits():
    assert inception_score_error(logits=np.array([[2.0, 0], [2, 0]])) == 0
    with pytest.raises(InputError, match="logits has 1 rows"):
        inception_score_error(logits=np.ones((1, 2)))
    one = inception_score(logits=logits(6), splits=1, rule="torchmetrics")
    assert np.isnan(one.std)
    assert inception_score(logits=logits(6), splits=1).std == 0


def test_adm_splits_hold_5000():
    p = softmax(logits(7000, 4).astype(np.float64), axis=1)
    expected = [score(p[:5000]), score(p[5000:])]
    assert inception_score(probabilities=p, rule="adm").mean == pytest.approx(np.mean(expected), rel=1e-12)


@defaults_of(DEFAULTS, "inception_score")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either"),
        ({"logits": np.ones((4, 2)), "probabilities": np.ones((4, 2))}, "either"),
        ({"logits": np.ones((4, 2))}, "splits is 10 for 4 rows"),
        ({"logits": np.ones(4)}, r"\[N, D\]"),
        ({"probabilities": np.ones((20, 2))}, "row 0 sums to 2"),
        ({"probabilities": np.array([[2.0, -1.0]] * 20)}, "negative"),
        ({"logits": np.ones((40, 2)), "rule": "mine"}, "mine"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        inception_score(**arguments)


@pytest.mark.parity
def test_torch_fidelity():
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    x = logits(503, 1008)
    theirs = isc_features_to_metric(torch.from_numpy(x))
    ours = inception_score(logits=x)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-10)


@pytest.mark.parity
@pytest.mark.parametrize("n", [503, 12])
def test_torchmetrics(n):
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch
    from torchmetrics.image.inception import InceptionScore

    x = logits(n, 200)
    metric = InceptionScore(feature=torch.nn.Identity())
    metric.update(torch.from_numpy(x))
    torch.manual_seed(5)
    mean, std = metric.compute()
    ours = inception_score(logits=x, seed=5, rule="torchmetrics")
    # torchmetrics works in float32: sums of 200 terms, then an exponential of a few units.
    assert ours.mean == pytest.approx(mean.item(), rel=5e-6)
    assert ours.std == pytest.approx(std.item(), rel=1e-4)
