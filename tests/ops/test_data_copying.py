"""The C_T score against scikit-learn and SciPy, exact copies, and known behaviour."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from jaxeval.errors import InputError
from jaxeval.ops.data_copying import c_t_score


def z_score(train, held_out, generated):
    tree = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train)
    q, p = (tree.kneighbors(rows)[0][:, 0] for rows in (generated, held_out))
    u = mannwhitneyu(q, p, alternative="less").statistic
    m, n = len(q), len(p)
    return (u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12)


@pytest.mark.parametrize("d", [3, 30])
def test_one_cell_equals_the_published_procedure(d):
    rng = np.random.default_rng(d)
    x, t, y = (rng.standard_normal((n, d)) for n in (80, 50, 60))
    y[:10] = x[:10]
    found = c_t_score(reference=x, held_out=t, generated=y, cells=1)
    assert found.value == pytest.approx(z_score(x, t, y), rel=1e-12)


@pytest.mark.parametrize("n", [200, 1000])
def test_exact_copies(n):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((n, 4)), rng.standard_normal((n, 4))
    found = c_t_score(reference=x, held_out=t, generated=x.copy(), cells=1)
    # U = 0; the continuity correction takes 1/2 of n^2/2 off.
    assert found.value == pytest.approx(-np.sqrt(3 * n * n / (2 * n + 1)), rel=1.5 / n**2)
    assert n != 1000 or found.value == pytest.approx(-38.72, abs=0.005)


def blobs(count, seed, spread=1.0, width=6):
    rng = np.random.default_rng(seed)
    centres = 20 * np.random.default_rng(5).standard_normal((3, width))
    members = np.arange(count) % 3
    return centres[members] + spread * rng.standard_normal((count, width)), members


def test_cells_are_scored_apart_and_weighed_by_held_out_shares():
    (x, a), (t, b), (y, c) = blobs(150, 0), blobs(121, 1), blobs(180, 2)
    y = y[c != 1]  # one mode is missing
    c = c[c != 1]
    y[c == 0] = x[a == 0][np.arange((c == 0).sum()) % 50]  # another is copied
    found = c_t_score(reference=x, held_out=t, generated=y)
    scores = {label: z_score(x[a == label], t[b == label], y[c == label]) for label in (0, 2)}
    shares = {label: (b == label).mean() for label in (0, 2)}
    expected = sum(shares[label] * scores[label] for label in (0, 2)) / sum(shares.values())
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert sorted(found.counts) == [0, 60, 60]
    assert found.included.sum() == 2
    assert np.isnan(found.scores[~found.included]).all()


def test_wide_features_are_projected_onto_principal_components():
    rng = np.random.default_rng(3)
    mix = rng.standard_normal((90, 90)) * 0.95 ** np.arange(90)
    x, t, y = (rng.standard_normal((n, 90)) @ mix for n in (150, 100, 120))
    basis = PCA(n_components=20).fit(x)
    found = c_t_score(reference=x, held_out=t, generated=y, cells=1, components=20)
    assert found.value == pytest.approx(z_score(*(basis.transform(rows) for rows in (x, t, y))), rel=1e-9)


def test_held_out_data_score_near_nothing():
    def sets(seed):
        rng = np.random.default_rng(seed)
        return [rng.standard_normal((n, 8)) for n in (300, 200, 250)]

    def score(x, t, y):
        return c_t_score(reference=x, held_out=t, generated=y).value

    scores = [score(*sets(seed)) for seed in range(4)]
    assert np.abs(scores).max() < 3.5
    assert abs(np.mean(scores)) < 1.5
    x, t, y = sets(0)
    assert score(x, t, 3 * y) > 5


@defaults_of(DEFAULTS, "c_t_score")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"generated": np.ones((4, 2))}, "3, 3, 2 features"),
        ({"cells": 0}, "cells is 0"),
        ({"components": 0}, "components 0"),
        ({"cells": 1}, "no cell has more than 20 generated"),
        ({"cells": 9}, "has no held_out sample"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    rng = np.random.default_rng(0)
    valid = {"reference": rng.standard_normal((10, 3)), "held_out": rng.standard_normal((5, 3))}
    with pytest.raises(InputError, match=message):
        c_t_score(**(valid | {"generated": rng.standard_normal((8, 3))} | arguments))
