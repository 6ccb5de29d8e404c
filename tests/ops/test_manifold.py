"""Nearest-neighbour metrics against brute force in float64, closed forms, documented weaknesses, and references."""

import functools

import jax
import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxpr_checks import equations
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist

import jaxeval.ops.kth_neighbours as kth_neighbours
import jaxeval.ops.neighbours as neighbours
from jaxeval.errors import InputError
from jaxeval.ops.clipped import clipped_density_coverage
from jaxeval.ops.kth_neighbours import kth_squared_distances
from jaxeval.ops.manifold import membership, prdc, rarity, realism
from jaxeval.ops.neighbours import nearest, prepare_rows, squared_distances


def exact_squares(x, y):
    """All squared distances as sums of squared differences in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)


def brute(x, y, k, tie):
    xx, yy, xy = exact_squares(x, x), exact_squares(y, y), exact_squares(x, y)
    rx, ry = (np.sort(d, axis=1)[:, k] for d in (xx, yy))  # place 0 is the row itself, or a copy of it
    inside = np.less_equal if tie == "inclusive" else np.less
    in_x, in_y = inside(xy, rx[:, None]), inside(xy, ry[None, :])
    return (in_x.any(0).mean(), in_y.any(1).mean(), in_x.sum() / (k * len(y)), in_x.any(1).mean()), rx, xy


@pytest.fixture
def small_strips(monkeypatch):
    monkeypatch.setattr(neighbours, "_STRIP_ROWS", 16)


@pytest.mark.parametrize("tie", ["inclusive", "exclusive"])
@pytest.mark.parametrize(("n", "m", "d", "k"), [(50, 70, 3, 5), (33, 20, 40, 1), (7, 300, 2, 6)])
def test_prdc_equals_brute_force(small_strips, n, m, d, k, tie):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, d)), 0.9 * rng.standard_normal((m, d)) + 0.1
    assert prdc(reference=x, generated=y, k=k, tie=tie) == pytest.approx(brute(x, y, k, tie)[0], rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(24, 18, 2, 3), (12, 30, 3, 1)]),  # few shapes, so few compilations
    st.integers(0, 2**31),
    st.sampled_from(["inclusive", "exclusive"]),
)
def test_ties_and_copies_are_decided_exactly(sizes, seed, tie):
    n, m, d, k = sizes
    # Rows on a coarse grid, with an offset that float32 products would drown in: most distances are tied.
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 3, (n, d)) / 3 + 1000.0, rng.integers(0, 3, (m, d)) / 3 + 1000.0
    assert tuple(prdc(reference=x, generated=y, k=k, tie=tie)) == pytest.approx(brute(x, y, k, tie)[0], rel=1e-12)


def test_generated_copies_of_the_reference():
    x = np.random.default_rng(0).standard_normal((200, 64)).astype(np.float32)
    k = 5
    # Every ball holds its own centre's copy and its neighbours' copies, the last of them on the surface.
    inclusive = prdc(reference=x, generated=x.copy(), k=k, tie="inclusive")
    exclusive = prdc(reference=x, generated=x.copy(), k=k, tie="exclusive")
    assert inclusive == (1, 1, (k + 1) / k, 1)
    assert exclusive == (1, 1, 1, 1)


@pytest.mark.parametrize("offset", [0.0, 3e3])
def test_neighbours_are_those_of_float64(small_strips, offset):
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((90, 100)) + offset).astype(np.float32)
    x[10:20] = x[0:10]
    x[30] = x[31] + np.float32(1e-3)
    (rows,) = prepare_rows(x)
    found = nearest(rows, rows, 4)
    distances = exact_squares(x, x)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.squared_distances, np.take_along_axis(distances, order, 1), rtol=1e-13)


def test_one_repeated_row_has_zero_distances():
    (rows,) = prepare_rows(np.full((20, 3), 7.0))
    assert not nearest(rows, rows, 3).squared_distances.any()
    assert not kth_squared_distances(rows, 3).any()


def kth_by_brute_force(x, k):
    distances = exact_squares(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, k - 1]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(2, 1), (4, 3), (24, 1), (24, 5), (24, 22), (24, 23)]),
    st.integers(1, 4),
    st.integers(0, 2**31),
)
def test_kth_distances_among_ties_and_copies(sizes, levels, seed):
    # Few grid points for many rows: most rows have copies, and most distances are shared by many pairs.
    (n, k), rng = sizes, np.random.default_rng(seed)
    x = rng.integers(0, levels + 1, (n, 2)) / 3 + 1000.0
    (rows,) = prepare_rows(x)
    np.testing.assert_array_equal(kth_squared_distances(rows, k), kth_by_brute_force(x, k))


@pytest.mark.parametrize("k", [1, 4, 40, 88, 89])
@pytest.mark.parametrize("outlier", [0.0, 1e3, 1e12])
def test_kth_distances_beside_huge_norms(small_strips, k, outlier):
    rng = np.random.default_rng(k)
    x = rng.standard_normal((90, 60)) * 10.0 ** rng.uniform(-3, 0, (90, 1)) + 50.0
    x[3] = outlier
    x[20:24] = x[24]
    x[30] = x[31] * (1 + 1e-7)  # nearer than float32 can tell
    (rows,) = prepare_rows(x)
    np.testing.assert_allclose(kth_squared_distances(rows, k), kth_by_brute_force(x, k), rtol=1e-12)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of some 16 rows for sets of any width."""
    monkeypatch.setattr(kth_neighbours, "_TILE_ROWS", 16)
    monkeypatch.setattr(kth_neighbours, "_LEAST_WIDTH", 1)


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("n", [81, 96, 97])
def test_kth_distances_by_tiles(small_tiles, monkeypatch, n, k):
    left = []
    by_strips = kth_neighbours._by_strips

    def counting(rows, ks, distances, wanted):
        left.append(int(wanted.sum()))
        by_strips(rows, ks, distances, wanted)

    monkeypatch.setattr(kth_neighbours, "_by_strips", counting)
    rng = np.random.default_rng(n + k)
    x = rng.standard_normal((n, 30)) * 10.0 ** rng.uniform(-1, 0, (n, 1)) + 50.0
    x[20:22] = x[24]
    x[30:40] = x[40] + 1e-9 * rng.standard_normal((10, 30))  # all as near as float32 can tell
    (rows,) = prepare_rows(x)
    np.testing.assert_allclose(kth_squared_distances(rows, k), kth_by_brute_force(x, k), rtol=1e-12)
    # Only rows among or beside the crowd are compared with all others.
    assert sum(left) < (n if k > 10 else 30)
    if k == 1:
        assert sum(left) >= 10


def test_tiles_give_the_bits_of_strips(small_tiles):
    x = np.random.default_rng(2).standard_normal((200, 40)).astype(np.float32)
    (rows,) = prepare_rows(x)
    distances = np.zeros((2, 200))
    kth_neighbours._by_strips(rows, (3, 5), distances, np.ones((2, 200), bool))
    found, sure = kth_neighbours._by_tiles(rows, (3, 5))
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(found[sure], distances[sure])


def test_tiles_follow_the_backend(small_tiles, monkeypatch):
    """Where a launch costs more than a tile's memory they are larger, and the distances the same."""
    sides, absorb = [], kth_neighbours._absorb_tiles

    def counting(tile, *arrays, side):
        sides.append(side)
        return absorb(tile, *arrays, side=side)

    monkeypatch.setattr(kth_neighbours, "_absorb_tiles", counting)
    x = np.random.default_rng(3).standard_normal((300, 30))
    (rows,) = prepare_rows(x)
    found = []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        found.append(kth_squared_distances(rows, 5))
    np.testing.assert_array_equal(*found)
    assert sorted(set(sides)) == [16, 60]


def test_tiles_are_for_many_rows_that_are_distinct(small_tiles, monkeypatch):
    tiles, absorb = [], kth_neighbours._absorb_tiles

    def counting(tile, *arrays, side):
        tiles.append((int(tile), side))
        return absorb(tile, *arrays, side=side)

    monkeypatch.setattr(kth_neighbours, "_absorb_tiles", counting)
    (rows,) = prepare_rows(np.random.default_rng(1).standard_normal((100, 4)))
    kth_squared_distances(rows, 2)
    assert tiles == [(tile, 15) for tile in range(7)]
    few = prepare_rows(np.random.default_rng(1).standard_normal((64, 4)))[0]
    kth_squared_distances(few, 2)
    copies = prepare_rows(np.repeat(np.random.default_rng(1).standard_normal((50, 4)), 2, axis=0))[0]
    kth_squared_distances(copies, 3)
    assert len(tiles) == 7  # few rows, and rows with copies, go by strips


def two_tight_clusters(rows, seed):
    """As far from their centre as rows of their scale can be, and near together: distances that float32 drowns in.

    Squared norms of 3.9 cost what a squared distance of 1e-6 would need; only the bound on the error says so.
    """
    rng = np.random.default_rng(seed)
    return 1.97 * np.where(np.arange(rows) % 2, 1.0, -1.0)[:, None] * [1, 0] + 1e-3 * rng.standard_normal((rows, 2))


def test_what_float32_cannot_tell_is_left_to_float64(small_strips, small_tiles):
    k = 3
    x, y = two_tight_clusters(98, 0), two_tight_clusters(66, 1)
    squares = exact_squares(x, x)
    in_float32 = np.square(x.astype(np.float32)).sum(1)
    rounded = in_float32[:, None] + in_float32[None, :] - 2 * x.astype(np.float32) @ x.astype(np.float32).T
    assert np.abs(rounded - squares).max() > np.median(squares[squares < 1]) / 10  # float32 alone would be wrong
    a, b = prepare_rows(x, y)
    np.testing.assert_array_equal(kth_squared_distances(a, k), kth_by_brute_force(x, k))
    distances = np.zeros((1, 98))
    kth_neighbours._by_strips(a, (k,), distances, np.ones((1, 98), bool))
    np.testing.assert_array_equal(distances[0], kth_by_brute_force(x, k))
    found = nearest(b, a, k)
    order = np.argsort(exact_squares(y, x), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.indices, order)
    for tie in ("inclusive", "exclusive"):
        assert prdc(reference=x, generated=y, k=k, tie=tie) == pytest.approx(brute(x, y, k, tie)[0], rel=1e-12)
    _, radii, pairs = brute(x, y, k, "exclusive")
    smallest = np.where(pairs < radii[:, None], np.sqrt(radii)[:, None], np.inf).min(0)
    np.testing.assert_allclose(rarity(reference=x, generated=y, k=k), np.where(np.isinf(smallest), np.nan, smallest))


def test_most_neighbours_are_only_counted():
    # What makes it cheaper than `nearest`: of the k nearest, all but a few are known to be nearer than the k-th.
    (rows,) = prepare_rows(np.random.default_rng(0).standard_normal((400, 256)))
    arrays = neighbours.strip_arrays(rows, rows)
    largest = np.asarray(rows.norms).max()
    ((counted, left),) = kth_neighbours._kth_strip(
        np.int32(0), arrays=arrays, slack=rows.slack, largest=largest, ks=(40,), block=rows.strip
    )
    assert np.mean(counted) > 38.5
    assert np.sum(left, axis=1).mean() < 2.5


def test_a_collapsed_generator_is_computed_once(monkeypatch, small_strips):
    gathered = []

    def counting(rows, at, columns, of):
        gathered.append(len(at))
        return squared_distances(rows, at, columns, of)

    monkeypatch.setattr(neighbours, "squared_distances", counting)
    monkeypatch.setattr(neighbours, "_SLAB_ELEMENTS", 4000)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((120, 6)), np.repeat(rng.standard_normal((2, 6)), 150, axis=0)
    y[0] += 0.1
    for tie in ("inclusive", "exclusive"):
        assert prdc(reference=x, generated=y, k=5, tie=tie) == pytest.approx(brute(x, y, 5, tie)[0], rel=1e-12)
        assert prdc(reference=y, generated=x, k=5, tie=tie) == pytest.approx(brute(y, x, 5, tie)[0], rel=1e-12)
    assert sum(gathered) < 10_000  # all pairs would be 4 (120^2 + 300^2 + 36,000)
    assert clipped_density_coverage(reference=x, generated=y).coverage < 0.1


@pytest.mark.parametrize("width", [2, 50, 2048, 20_000])
def test_float32_distances_stay_within_the_slack(width):
    rng = np.random.default_rng(width)
    x = np.abs(rng.standard_normal((64, width))) ** 3
    y = np.concatenate([x[:32] * (1 + 1e-6), rng.standard_normal((32, width))])  # near copies cancel worst
    a, b = prepare_rows(x, y)
    approximate, error = neighbours.float32_pairs(np.int32(0), neighbours.strip_arrays(a, b), a.slack, a.strip)
    i, j = (index.ravel() for index in np.indices((64, 64)))
    exact = squared_distances(x, i, y, j).reshape(64, 64) * a.scale**2
    share = np.abs(np.asarray(approximate)[:64, :64] - exact) / np.asarray(error)[:64, :64]
    assert share.max() < 1
    assert share.max() > 1e-4  # the bound is of use


@pytest.mark.parametrize("search", ["nearest", "kth_squared_distances", "ball_counts"])
def test_nothing_is_sorted_on_the_device(monkeypatch, search):
    """A sort or a top-k over N takes several times as long on a CPU as the products."""
    found = set()

    def traced(rows, compute, *wanted):
        jaxpr = jax.make_jaxpr(functools.partial(compute, block=rows.strip))(np.int32(0))
        found.update(equation.primitive.name for equation in equations(jaxpr))
        return pair_strips(rows, compute, *wanted)

    pair_strips = neighbours.pair_strips
    monkeypatch.setattr(neighbours, "pair_strips", traced)
    monkeypatch.setattr(kth_neighbours, "pair_strips", traced)
    x, y = prepare_rows(*np.random.default_rng(0).standard_normal((2, 50, 3)))
    if search == "nearest":
        nearest(x, y, 4)
    elif search == "kth_squared_distances":
        kth_squared_distances(x, 4)
    else:
        neighbours.ball_counts(x, y, centre_radii=np.ones(50), point_radii=np.ones(50), tie="exclusive")
    assert "dot_general" in found
    assert not [name for name in found if "sort" in name or "top_k" in name], found


def test_swapping_roles_swaps_precision_and_recall():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((100, 4)), 0.5 * rng.standard_normal((80, 4))
    one, other = prdc(reference=x, generated=y, k=3), prdc(reference=y, generated=x, k=3)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    assert one.precision > one.recall


def test_masks_have_the_metrics_as_means():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((100, 4)), 0.7 * rng.standard_normal((80, 4))
    masks, values = membership(reference=x, generated=y, k=3), prdc(reference=x, generated=y, k=3, tie="inclusive")
    assert masks.generated.shape == (80,)
    assert masks.reference.shape == (100,)
    assert (masks.generated.mean(), masks.reference.mean()) == (values.precision, values.recall)


# --- closed forms and documented behaviour ---


def gaussians(seed, shift=0.0, scale=1.0, n=1000, d=64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), scale * rng.standard_normal((n, d)) + shift


def test_same_distribution_in_64_dimensions():
    results = np.array([prdc(reference=x, generated=y, k=5) for x, y in (gaussians(s) for s in range(6))])
    # One draw gave P .732, R .722, D 1.033, C .972. The density's mean is 1 whatever the distribution (a sample is
    # within a ball with probability k/N) and the coverage's is known; hubs spread single densities by .08.
    assert (np.abs(results.mean(0) - [0.726, 0.726, 1.0, 0.969]) < [0.02, 0.02, 0.12, 0.01]).all()
    assert (np.abs(results - [0.732, 0.722, 1.033, 0.972]) < [0.06, 0.06, 0.25, 0.03]).all()


@pytest.mark.parametrize("k", [3, 5])
def test_coverage_of_the_same_distribution(k):
    n = m = 600
    expected = 1 - np.prod([(n - i) / (n + m - i) for i in range(1, k + 1)])
    values = [prdc(reference=x, generated=y, k=k).coverage for x, y in (gaussians(s, n=n, d=8) for s in range(6))]
    assert np.mean(values) == pytest.approx(expected, abs=0.012)


@pytest.mark.slow
def test_coverage_of_ten_thousand_samples():
    x, y = gaussians(0, n=10_000, d=8)
    for k, expected in ((3, 0.87504), (5, 0.96877)):
        assert 1 - np.prod([(10_000 - i) / (20_000 - i) for i in range(1, k + 1)]) == pytest.approx(expected, abs=5e-6)
        # A share of 10,000 has an error of .0033 at most, and balls share samples: half as much again.
        assert prdc(reference=x, generated=y, k=k).coverage == pytest.approx(expected, abs=0.015)


def test_one_outlier_in_the_reference_lifts_precision():
    results = []
    for seed in range(3):
        x, y = gaussians(seed, shift=1.0)
        x[0] = 1.0
        results.append(prdc(reference=x, generated=y, k=5))
    precision, recall, density, coverage = np.mean(results, axis=0)
    assert 0.85 < precision < 0.97
    assert recall < 0.03
    assert 0.1 < density < 0.3
    assert coverage < 0.02


def test_a_shrunken_generator_has_precision_without_recall():
    x, y = gaussians(0, scale=0.5)
    values = prdc(reference=x, generated=y, k=5)
    assert (values.precision, values.recall, values.coverage) == (1, 0, 1)
    assert values.density == pytest.approx(121, rel=0.1)


# --- scores of single samples ---


def test_realism_equals_brute_force(small_strips):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((61, 6)), rng.standard_normal((45, 6))
    y[3] = x[np.argmin(brute(x, y, 3, "inclusive")[1])]
    _, squared, xy = brute(x, y, 3, "inclusive")
    radii = np.sqrt(squared)
    small = radii < np.median(radii)
    with np.errstate(divide="ignore"):
        expected = (radii[small][:, None] / np.sqrt(xy[small])).max(0)
    found = realism(reference=x, generated=y, k=3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[3] == np.inf


def test_realism_without_a_small_ball_is_undefined():
    assert np.isnan(realism(reference=np.eye(6), generated=np.ones((2, 6)), k=2)).all()


@pytest.mark.parametrize("tie", ["inclusive", "exclusive"])
def test_rarity_equals_brute_force(small_strips, tie):
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 4, (61, 2)).astype(float), rng.integers(-1, 5, (45, 2)).astype(float)
    y[0] = 100
    _, squared, xy = brute(x, y, 3, tie)
    inside = xy <= squared[:, None] if tie == "inclusive" else xy < squared[:, None]
    expected = np.where(inside, np.sqrt(squared)[:, None], np.inf).min(0)
    expected[np.isinf(expected)] = np.nan
    found = rarity(reference=x, generated=y, k=3, tie=tie)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@defaults_of(DEFAULTS, "membership", "prdc", "rarity", "realism")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 5}, "generated has 5 rows, too few for their 5 nearest"),
        ({"k": 6}, "reference has 6 rows"),
        ({"k": 0}, "at least 1"),
        ({"tie": "both"}, "both"),
        ({"generated": np.full((5, 4), np.inf)}, "5 rows with values that are not finite"),
        ({"generated": np.ones((5, 3))}, "same extractor"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    rng = np.random.default_rng(0)
    valid = {"reference": rng.standard_normal((6, 4)), "generated": rng.standard_normal((5, 4)), "k": 2}
    with pytest.raises(InputError, match=message):
        prdc(**(valid | arguments))


# --- parity ---


@pytest.mark.parity
@pytest.mark.parametrize("k", [3, 5])
def test_package_prdc(k):
    from prdc import compute_prdc

    rng = np.random.default_rng(7)
    x, y = (np.abs(rng.standard_normal((400, 128)) + 0.1 * i).astype(np.float32) for i in range(2))
    theirs = compute_prdc(real_features=x, fake_features=y, nearest_k=k)
    assert prdc(reference=x, generated=y, k=k)._asdict() == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parity
def test_torch_fidelity():
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    rng = np.random.default_rng(8)
    x, y = (np.abs(rng.standard_normal((400, 128)) + 0.1 * i).astype(np.float32) for i in range(2))
    theirs = prc_features_to_metric(torch.from_numpy(y), torch.from_numpy(x), verbose=False)
    ours = prdc(reference=x, generated=y, k=3, tie="inclusive")
    # torch-fidelity returns float32 means.
    assert ours.precision == pytest.approx(theirs["precision"], rel=1e-6)
    assert ours.recall == pytest.approx(theirs["recall"], rel=1e-6)
    assert 0.05 < ours.precision < 0.95


def test_against_scipy_distances():
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((80, 16)), rng.standard_normal((60, 16))
    a, b = prepare_rows(x, y)
    np.testing.assert_allclose(
        np.sqrt(nearest(b, a, 3).squared_distances), np.sort(cdist(y, x), axis=1)[:, :3], rtol=1e-12
    )
