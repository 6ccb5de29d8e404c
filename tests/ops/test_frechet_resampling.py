"""The Fréchet distance's jackknife against replicates from rows, known distributions, and its difference's tests."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

import jaxeval.ops.frechet_resampling as frechet_resampling
from jaxeval.errors import InputError
from jaxeval.ops.frechet import frechet_distance, frechet_distance_from_features
from jaxeval.ops.frechet_resampling import (
    frechet_difference,
    frechet_jackknife,
    frechet_jackknife_of_groups,
    frechet_witness,
)
from jaxeval.ops.gaussian import Gaussian, gaussian_from_features
from jaxeval.ops.moments import feature_moments, moments_on_device
from jaxeval.ops.resampling import group_numbers, jackknife_of_replicates


def sets(n, m, d, shift=0.2, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + 9, scale * rng.standard_normal((m, d)) + shift + 9


def distance(x, y):
    return frechet_distance_from_features(reference=x, generated=y)


def squares_of_second_order(*sets):
    """Twice the sum of the squared weights of the distance's second-order squares, of normal features."""
    both = np.concatenate([rows - rows.mean(0) for rows in sets])
    values = np.linalg.eigvalsh(both.T @ both / (len(both) - len(sets)))
    squares = list(values)  # of the means: l_i, variance 2 l_i^2
    for i, a in enumerate(values):
        for b in values[: i + 1]:
            # The entry's square over 2 (a + b), twice off the diagonal; the entry has variance a b, or 2 a^2.
            squares.append(a * b / (a + b) if a is not b else a / 2)
    return 2 * np.square(squares).sum()


def second_order(x, y):
    """Variance of second order of normal features, by enumeration of its squares."""
    return squares_of_second_order(x, y) * (1 / len(x) + 1 / len(y)) ** 2


def without_excess(variance, second_order, groups):
    """What a jackknife counts too often, taken off down to what it would be were all of it of second order."""
    counted = (2 - 3 / groups) / (1 - 1 / groups) ** 2
    return np.sqrt(max(variance - (counted - 1) * second_order, variance / counted))


@pytest.mark.parametrize(("n", "m", "d"), [(63, 50, 4), (24, 30, 40)])
def test_replicates_are_those_of_the_remaining_rows(n, m, d):
    x, y = sets(n, m, d)
    groups = 5
    gx, gy = group_numbers(n, groups, name="reference"), group_numbers(m, groups, name="generated")
    replicates = np.array([distance(x[gx != g], y[gy != g]) for g in range(groups)])
    expected = jackknife_of_replicates(np.asarray(distance(x, y)), replicates)
    found = frechet_jackknife(reference=x, generated=y, groups=groups)
    assert (found.value, found.bias) == pytest.approx((float(expected.value), float(expected.bias)), rel=1e-6)
    error = without_excess(expected.standard_error**2, second_order(x, y), groups)
    assert found.standard_error == pytest.approx(error, rel=1e-5)
    assert found.degrees == groups - 1
    parts = [[feature_moments(rows[of == g]) for g in range(groups)] for rows, of in ((x, gx), (y, gy))]
    assert frechet_jackknife_of_groups(reference=parts[0], generated=parts[1]) == pytest.approx(found, rel=1e-9)
    on_device = [[moments_on_device(part) for part in side] for side in parts]
    again = frechet_jackknife_of_groups(reference=on_device[0], generated=on_device[1])
    assert again.value == pytest.approx(found.value, rel=1e-6)


@pytest.mark.parametrize("groups", [3, 5, 20])
def test_how_often_a_jackknife_counts_variance_of_second_order(groups):
    """Of the square of a mean, whose expectation is 0: the mean of its jackknife over many draws, over its variance."""
    means = np.random.default_rng(4).standard_normal((200_000, groups))
    left = np.square((means.sum(1, keepdims=True) - means) / (groups - 1))
    counted = (groups - 1) * left.var(1).mean()
    true = 2 / groups**2
    assert counted / true == pytest.approx((2 - 3 / groups) / (1 - 1 / groups) ** 2, rel=0.02)
    # A jackknife that finds what it finds on average is taken for what it is.
    found = frechet_resampling._without_excess(np.sqrt(counted), true, groups)
    assert found == pytest.approx(np.sqrt(true), rel=0.02)
    assert frechet_resampling._without_excess(1.0, 100.0, groups) == pytest.approx(np.sqrt(true / counted), rel=0.02)
    assert frechet_resampling._without_excess(1.0, 0.0, groups) == 1


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("shifts", "seed"), [((0.3, 1.0), 3), ((0.0, 0.0), 3), ((0.0, 0.0), 4)])
def test_the_error_of_a_difference_is_that_of_its_replicates(shifts, seed, exact):
    """Distances of the rows that are left, the same ones of the reference on both sides."""
    rng = np.random.default_rng(seed)
    groups, (n, a, b), d = 6, (60, 50, 40), 3
    x = rng.standard_normal((n, d))
    y, z = (rng.standard_normal((m, d)) + shift for m, shift in zip((a, b), shifts, strict=True))
    gx = np.full(n, -1) if exact else group_numbers(n, groups, name="reference")
    gy, gz = (group_numbers(count, groups, name="generated") for count in (a, b))
    left = [[distance(x[gx != g], y[gy != g]), distance(x[gx != g], z[gz != g])] for g in range(groups)]
    differences = np.subtract(*np.transpose(left))
    variance = (groups - 1) / groups * np.square(differences - differences.mean()).sum()
    # Of e_1^2 - e_2^2 - 2 e (e_1 - e_2), with variances 1/A, 1/B and 1/N.
    weight = 1 / a**2 + 1 / b**2 + (0 if exact else 2 / n * (1 / a + 1 / b))
    second = squares_of_second_order(y, z) * weight
    found = frechet_difference(
        reference=gaussian_from_features(x) if exact else x, first=y, second=z, groups=groups, permutations=9
    )
    assert found.value == pytest.approx(distance(x, z) - distance(x, y), rel=1e-9)
    assert found.standard_error == pytest.approx(without_excess(variance, second, groups), rel=1e-6)
    assert found.degrees == groups - 1


def test_an_exact_reference_has_no_part_in_it():
    _, y = sets(10, 400, 6, seed=1)
    exact = Gaussian(np.full(6, 9.0), covariance=np.eye(6))
    found = frechet_jackknife(reference=exact, generated=y)
    assert found.bias == pytest.approx(6 * 11 / 4 / 400, rel=0.3)
    gy = group_numbers(400, 20, name="generated")
    parts = [feature_moments(y[gy == g]) for g in range(20)]
    assert frechet_jackknife_of_groups(reference=exact, generated=parts) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(("n", "d", "shift"), [(300, 16, 0.0), (150, 64, 0.0), (400, 8, 0.5)])
def test_bias_and_error_are_those_of_many_draws(n, d, shift):
    found = [frechet_jackknife(reference=x, generated=y) for x, y in (sets(n, n, d, shift, seed=s) for s in range(30))]
    values = np.array([f.value for f in found])
    truth = d * shift**2
    bias = np.array([f.bias for f in found])
    known = 3 * (values - bias).std() / np.sqrt(len(values))
    assert bias.mean() == pytest.approx(values.mean() - truth, rel=0.02, abs=known)
    many = np.std([distance(*sets(n, n, d, shift, seed=s)) for s in range(30, 230)])
    assert np.sqrt(np.mean([f.standard_error**2 for f in found])) == pytest.approx(many, rel=0.2)


def test_the_witness_is_the_derivative():
    x, y = sets(200, 60, 5, 0.4, 1.3)
    first, second = y[:25], y[25:]
    reference = gaussian_from_features(x)
    ones, others = frechet_witness(reference=reference, first=first, second=second)
    mean, spread = y.mean(0), np.cov(y.T, ddof=0)

    def moved(row, step):
        """Distance after a share `step` of the sample's mass was moved to one row."""
        shifted = (1 - step) * mean + step * row
        outer = (1 - step) * (spread + np.outer(mean - shifted, mean - shifted))
        outer += step * np.outer(row - shifted, row - shifted)
        return frechet_distance(mean_x=reference.mean, cov_x=np.cov(x.T), mean_y=shifted, cov_y=outer)

    slopes = np.array([(moved(row, 1e-5) - moved(row, -1e-5)) / 2e-5 for row in y])
    together = np.concatenate([ones, others])
    np.testing.assert_allclose(together - together.mean(), slopes - slopes.mean(), rtol=1e-5, atol=1e-6)
    # Rows have the same values whichever set they are in.
    swapped = frechet_witness(reference=reference, first=second, second=first)
    np.testing.assert_allclose(swapped[1], ones, rtol=1e-9)


def test_difference_of_means_of_the_witness_is_the_difference_of_the_distances():
    x, y = sets(3000, 6000, 6, 0.3, 1.1)
    first, second = y[:3000], 1.02 * y[3000:]
    ones, others = frechet_witness(reference=gaussian_from_features(x), first=first, second=second)
    found = frechet_difference(reference=x, first=first, second=second, permutations=99)
    assert found.value == pytest.approx(distance(x, second) - distance(x, first), rel=1e-9)
    assert others.mean() - ones.mean() == pytest.approx(found.value, abs=0.1 * found.standard_error)


def test_the_shared_reference_cancels():
    x, _ = sets(150, 1, 4)
    rng = np.random.default_rng(7)
    y = rng.standard_normal((150, 4)) + 9.5
    # Nearly the same generator twice: rows that differ little, so that the difference is known far better than either.
    found = frechet_difference(reference=x, first=y, second=y + 0.01 * rng.standard_normal(y.shape), permutations=99)
    assert found.standard_error < 0.1 * frechet_jackknife(reference=x, generated=y).standard_error


def test_p_values_without_and_with_a_difference():
    found = []
    for seed in range(40):
        x, y = sets(60, 120, 3, 0.5, seed=seed)
        found.append(frechet_difference(reference=x, first=y[:60], second=y[60:], groups=5, permutations=99).p_value)
    assert 0.3 < np.mean(found) < 0.7
    assert np.mean(np.array(found) <= 0.2) < 0.45
    x, y = sets(200, 400, 3, 0.5)
    assert frechet_difference(reference=x, first=y[:200], second=y[200:] + 0.5, permutations=199).p_value == 1 / 200


def test_singular_sets_have_an_error_too():
    x, y = sets(20, 24, 50)
    found = frechet_difference(reference=x, first=y, second=y[:22] + 0.1, groups=5, permutations=99)
    assert np.isfinite(found).all()
    assert found.standard_error > 0


@defaults_of(DEFAULTS, "frechet_difference", "frechet_jackknife")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 1}, "groups is 1"),
        ({"groups": 15}, "generated has 20 rows for 15 groups"),
        ({"generated": np.ones((30, 2))}, "same extractor"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    x, y = sets(40, 20, 3)
    with pytest.raises(InputError, match=message):
        frechet_jackknife(**({"reference": x, "generated": y} | arguments))


def test_wrong_groups_are_named():
    part = feature_moments(sets(10, 1, 3)[0])
    with pytest.raises(InputError, match="2 groups and generated 3"):
        frechet_jackknife_of_groups(reference=[part] * 2, generated=[part] * 3)
    with pytest.raises(InputError, match="there are 1 groups"):
        frechet_jackknife_of_groups(reference=[part] * 2, generated=[part])
    with pytest.raises(InputError, match="reference has 3 features"):
        frechet_witness(reference=gaussian_from_features(sets(9, 1, 3)[0]), first=np.eye(4), second=np.eye(4))


def test_features_that_vary_in_one_group_alone_are_constant_without_it():
    rng = np.random.default_rng(5)
    reference, first, second = (rng.standard_normal((200, 4)) for _ in range(3))
    for rows in (reference, first, second):
        rows[:, 2:4] = 0.1
        rows[7, 2:4] = [3.7, 1.9]  # as of units of a network that fire for one image
    found = frechet_difference(reference=reference, first=first, second=second)
    distances = [frechet_distance_from_features(reference=reference, generated=rows) for rows in (first, second)]
    assert found.value == pytest.approx(distances[1] - distances[0], rel=1e-6)
    assert 0 < found.standard_error < np.inf
