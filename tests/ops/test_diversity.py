"""Diversity of one set against published values, closed forms and plain NumPy."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist

from jaxeval.errors import InputError
from jaxeval.ops.diversity import class_diversity, rke, vendi_score, vendi_score_of_similarities


def test_three_pairs_of_points():
    points = np.array([0, 0, 10, 10, 20, 20.0])
    similarities = np.exp(-np.abs(points[:, None] - points))
    assert 2.9999 < vendi_score_of_similarities(similarities) < 3  # published, cut off, as 2.9999


@pytest.mark.parametrize(
    ("order", "expected"),
    [(0, 3), (0.1, 2.84554), (0.5, 2.42035), (1, 2.1573), (2, 1.94805), (5, 1.75251), (np.inf, 1.57895)],
)
def test_published_orders(order, expected):
    similarities = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])
    assert vendi_score_of_similarities(similarities, order=order) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, np.inf])
@pytest.mark.parametrize(("n", "d"), [(60, 7), (20, 33), (25, 25)])
def test_both_sides_equal_the_singular_values(n, d, order):
    x = np.random.default_rng(n).standard_normal((n, d)) + 0.3
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    shares = np.linalg.svd(unit, compute_uv=False) ** 2 / n
    if order == 1:
        expected = np.exp(-(shares * np.log(shares)).sum())
    elif np.isinf(order):
        expected = 1 / shares.max()
    else:
        expected = (shares**order).sum() ** (1 / (1 - order))
    assert vendi_score(x, order=order) == pytest.approx(expected, rel=1e-12)
    assert vendi_score(unit, order=order, normalise=False) == pytest.approx(expected, rel=1e-12)
    assert vendi_score_of_similarities(unit @ unit.T, order=order) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("order", [0, 0.1, 1, 2, np.inf])
def test_orthogonal_copies_count_once(order):
    # Rank 4 in 50 samples: rounding leaves eigenvalues of 1e-17, which order 0.1 would count as .02 each.
    x = np.repeat(np.linalg.qr(np.random.default_rng(0).standard_normal((60, 60)))[0][:4], [10, 10, 10, 10], axis=0)
    assert vendi_score(x, order=order) == pytest.approx(4, rel=1e-12)
    assert vendi_score(np.concatenate([x, x]), order=order) == pytest.approx(4, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_the_score_falls_with_the_order_and_is_between_one_and_n(n, d, seed):
    x = np.random.default_rng(seed).standard_normal((n, d))
    scores = [vendi_score(x, order=order) for order in (0, 0.5, 1, 2, np.inf)]
    assert min(n, d) + 1e-9 >= scores[0]
    assert scores[-1] >= 1 - 1e-9
    assert (np.diff(scores) <= 1e-9).all()


def test_rke_equals_numpy_and_the_vendi_score_of_order_two():
    x = np.random.default_rng(0).standard_normal((80, 5)) + 50
    similarities = np.exp(-cdist(x, x, "sqeuclidean") / (2 * 1.5**2))
    found = rke(x, bandwidth=1.5)
    assert found == pytest.approx(1 / (similarities**2).mean(), rel=2e-6)
    assert found == pytest.approx(vendi_score_of_similarities(similarities, order=2), rel=2e-6)


@pytest.mark.parametrize(("scale", "d"), [(0.5, 2), (1.0, 3)])
def test_rke_counts_separated_modes(scale, d):
    modes, each, bandwidth = 5, 400, 2.0
    rng = np.random.default_rng(1)
    x = np.concatenate([100.0 * i + scale * rng.standard_normal((each, d)) for i in range(modes)])
    expected = modes * (1 + 4 * scale**2 / bandwidth**2) ** (d / 2)
    assert rke(x, bandwidth=bandwidth) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("distance", ["cosine", "squared_euclidean"])
def test_class_distances_equal_all_pairs(distance):
    rng = np.random.default_rng(2)
    x, labels = rng.standard_normal((40, 6)) + 1, np.array([7, -1, 3])[rng.integers(0, 3, 40)]
    pairs = cdist(x, x, "cosine" if distance == "cosine" else "sqeuclidean")
    within = [
        pairs[np.ix_(labels == c, labels == c)].sum() / ((labels == c).sum() * ((labels == c).sum() - 1))
        for c in (-1, 3, 7)
    ]
    between = [pairs[np.ix_(labels == a, labels == b)].mean() for a, b in ((-1, 3), (-1, 7), (3, 7))]
    found = class_diversity(x, labels, distance=distance)
    assert found == pytest.approx((np.mean(within), np.mean(between)), rel=1e-12)


def test_one_class_has_no_distance_between_classes():
    assert np.isnan(class_diversity(np.eye(4), np.zeros(4, int)).between)


@defaults_of(DEFAULTS, "class_diversity", "vendi_score", "vendi_score_of_similarities")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vendi_score(np.ones((3, 2)), order=-1.0), "order is -1"),
        (lambda: vendi_score(np.zeros((3, 2))), "row 0"),
        (lambda: vendi_score_of_similarities(np.ones((3, 2))), r"\[N, N\]"),
        (lambda: vendi_score_of_similarities(2 * np.eye(3)), "ones on the diagonal"),
        (lambda: rke(np.ones((3, 2)), bandwidth=0.0), "positive"),
        (lambda: class_diversity(np.eye(3), np.array([0, 0, 1])), "class 1 has one sample"),
        (lambda: class_diversity(np.eye(3), np.ones(3)), "integer"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
