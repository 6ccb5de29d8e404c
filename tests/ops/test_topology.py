"""Holes of sets of rows, against ranks of boundary matrices over Z/2 and against the authors' counting."""

import itertools
import sys

import numpy as np
import pytest
import scipy.spatial.distance
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError, MissingPackageError
from jaxeval.ops import geometry_score, relative_living_times, topology


def circle(count):
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def disc(count):
    radii = np.sqrt((np.arange(count) + 0.5) / count)
    angles = np.pi * (1 + 5**0.5) * np.arange(count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def rank(matrix):
    """Over Z/2."""
    matrix, found = matrix.astype(bool).copy(), 0
    for column in range(matrix.shape[1]):
        pivots = np.flatnonzero(matrix[found:, column]) + found
        if len(pivots):
            matrix[[found, pivots[0]]] = matrix[[pivots[0], found]]
            others = np.flatnonzero(matrix[:, column])
            matrix[others[others != found]] ^= matrix[found]
            found += 1
    return found


def simplices_of(distances, relaxation):
    """Those all of whose faces some row sees as its nearest landmarks, but for the relaxation."""
    count = distances.shape[1]
    kept: set[tuple[int, ...]] = {(corner,) for corner in range(count)}
    for size in (2, 3):
        for simplex in itertools.combinations(range(count), size):
            others = [corner for corner in range(count) if corner not in simplex]
            seen = distances[:, simplex].max(1) <= distances[:, others].min(1) + relaxation
            if seen.any() and all(face in kept for face in itertools.combinations(simplex, size - 1)):
                kept.add(simplex)
    return [sorted(simplex for simplex in kept if len(simplex) == size) for size in (1, 2, 3)]


def holes_of(distances, relaxation):
    corners, edges, triangles = simplices_of(distances, relaxation)
    of_edges = np.array([[corner[0] in edge for edge in edges] for corner in corners]).reshape(len(corners), len(edges))
    of_triangles = np.array([[set(edge) < set(triangle) for triangle in triangles] for edge in edges])
    return len(edges) - rank(of_edges) - (rank(of_triangles.reshape(len(edges), -1)) if triangles else 0)


@pytest.mark.parametrize("seed", range(4))
def test_holes_are_those_of_ranks_over_z2(seed):
    rng = np.random.default_rng(seed)
    rows = circle(60) + 0.1 * rng.normal(size=(60, 2))
    distances = scipy.spatial.distance.cdist(rows, rows[rng.choice(60, 9, replace=False)])
    found = topology._holes(distances, 1.0)
    for relaxation in np.linspace(0.013, 0.987, 23):
        alive = (found[:, 0] <= relaxation) & (relaxation < found[:, 1])
        assert alive.sum() == holes_of(distances, relaxation), relaxation


def test_a_circle_has_one_hole_and_a_disc_none():
    options = {"landmarks": 24, "gamma": 1 / 8, "draws": 30}
    around, filled = (relative_living_times(rows, **options) for rows in (circle(600), disc(600)))
    assert around.argmax() == 1
    assert around[1] > 0.8
    assert filled.argmax() == 0
    for times in (around, filled):
        assert times.sum() == pytest.approx(1.0)
    score = geometry_score(reference=circle(600), generated=disc(600), **options)
    assert score == pytest.approx(np.square(around - filled).sum(), rel=1e-12)
    assert score > 0.5


def test_shares_by_hand():
    holes = np.array([[0.0, 0.5], [0.25, 1.0], [0.25, 0.75]])
    # None after 1; one in [0, 1/4), three in [1/4, 1/2), two in [1/2, 3/4), one in [3/4, 1), none in [1, 2).
    np.testing.assert_allclose(topology._shares(holes, 2.0, 5), [0.5, 0.25, 0.125, 0.125, 0.0])
    np.testing.assert_allclose(topology._shares(holes, 2.0, 3), [0.5, 0.25, 0.125])
    np.testing.assert_allclose(topology._shares(np.zeros((0, 2)), 2.0, 2), [1.0, 0.0])


def test_only_distances_count():
    rows = disc(200) + 0.1 * np.random.default_rng(0).normal(size=(200, 2))
    options = {"landmarks": 16, "gamma": 0.1, "draws": 5}
    turned = np.concatenate([rows[:, ::-1], np.zeros((200, 3))], axis=1)
    assert geometry_score(reference=rows, generated=turned, **options) == pytest.approx(0.0, abs=1e-12)
    one_point = np.ones((20, 3))
    np.testing.assert_array_equal(relative_living_times(one_point, draws=2, most_holes=2), [1.0, 0.0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"landmarks": 1}, "landmarks is 1; give a whole number of 2 or more"),
        ({"draws": 0}, "draws is 0"),
        ({"most_holes": 0}, "most_holes is 0"),
        ({"gamma": 0.0}, "gamma is 0.0; give a positive number"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(InputError, match=said):
        relative_living_times(circle(20), **options)


def test_without_gudhi(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'jaxeval\[topology\]'"):
        relative_living_times(circle(20), draws=1)


@defaults_of(DEFAULTS, "geometry_score", "relative_living_times")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)
