"""Differences of two generators against the metrics themselves, their spread over draws, and uniform p-values."""

import itertools

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import softmax

from jaxeval.errors import InputError
from jaxeval.ops import cmmd, inception_score, kid_full, mmd
from jaxeval.ops.differences import (
    cmmd_difference,
    inception_score_difference,
    mean_difference,
    mmd_difference,
    prdc_difference,
)
from jaxeval.ops.manifold import prdc
from jaxeval.ops.resampling import group_numbers, interval


def sets(n, a, b, d=6, shifts=(0.3, 0.4), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), *(rng.standard_normal((m, d)) + s for m, s in zip((a, b), shifts, strict=True))


@pytest.mark.parametrize(("n", "a", "b"), [(50, 40, 40), (60, 30, 45)])
def test_kernel_differences_are_those_of_the_estimates(n, a, b):
    x, y, z = sets(n, a, b)
    found = mmd_difference(reference=x, first=y, second=z, permutations=9)
    expected = kid_full(reference=x, generated=z).value - kid_full(reference=x, generated=y).value
    assert found.value == pytest.approx(expected, abs=2e-6)
    found = mmd_difference(reference=x, first=y, second=z, kernel="rbf", bandwidth=1.5, permutations=9)
    ours, theirs = (mmd(reference=x, generated=rows, bandwidth=1.5).value for rows in (y, z))
    assert found.value == pytest.approx(theirs - ours, abs=1e-6)
    found = cmmd_difference(reference=x, first=y, second=z, permutations=9)
    ours, theirs = (cmmd(reference=x, generated=rows, biased=False).value for rows in (y, z))
    assert found.value == pytest.approx(theirs - ours, abs=1e-3)


def cubic(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def gaussian_of_width_ten(x, y):
    return np.exp(-cdist(x, y, "sqeuclidean") / 200)


def enumerated_variance(x, y, z, kernel):
    """Unbiased variance of the difference by Hoeffding's decomposition, over distinct rows one by one."""
    n = len(x)
    ways = itertools.permutations

    def within(k):
        rows = range(len(k))
        square = np.mean([k[a, b] * k[c, d] for a, b, c, d in ways(rows, 4)])
        first = np.mean([k[a, b] * k[a, c] for a, b, c in ways(rows, 3)]) - square
        return first, np.mean([k[a, b] ** 2 for a, b in ways(rows, 2)]) - square - 2 * first

    def across(k):
        rows, columns = map(range, k.shape)
        pairs = [(ab, cd) for ab in ways(rows, 2) for cd in ways(columns, 2)]
        square = np.mean([k[a, c] * k[b, d] for (a, b), (c, d) in pairs])
        by_row = np.mean([k[a, c] * k[a, d] for a in rows for c, d in ways(columns, 2)]) - square
        by_column = np.mean([k[a, c] * k[b, c] for c in columns for a, b in ways(rows, 2)]) - square
        return by_row, by_column, (k**2).mean() - square - by_row - by_column

    firsts, rests, of_reference, columns = 0.0, [], 0.0, []
    for rows in (y, z):
        count, inner, outer = len(rows), kernel(rows, rows), kernel(rows, x)
        (first, rest), (by_row, by_column, other) = within(inner), across(outer)
        tied = np.mean([inner[a, b] * outer[a, c] for a, b in ways(range(count), 2) for c in range(n)])
        free = np.mean([inner[a, b] * outer[c, d] for a, b, c in ways(range(count), 3) for d in range(n)])
        firsts += 4 / count * (first + by_row - 2 * (tied - free))
        rests += [2 / (count * (count - 1)) * rest, 4 / (count * n) * other]
        of_reference += by_column
        columns.append(outer.mean(0))
    tied = (columns[0] * columns[1]).mean()
    free = np.mean([columns[0][a] * columns[1][b] for a, b in ways(range(n), 2)])
    rest = sum(max(part, 0) for part in rests)
    return max(firsts + 4 / n * (of_reference - 2 * (tied - free)) + rest, rest / 2)


@pytest.mark.parametrize("seed", range(4))
def test_kernel_errors_equal_enumeration(seed):
    x, y, z = sets(6, 5, 7, 3, (0.8, -0.5) if seed else (0, 0), seed)
    found = mmd_difference(reference=x, first=y, second=z, permutations=9)
    assert found.standard_error == pytest.approx(np.sqrt(enumerated_variance(x, y, z, cubic)), rel=1e-4)
    found = cmmd_difference(reference=x, first=y, second=z, permutations=9)
    a, b, c = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y, z))
    expected = 1000 * np.sqrt(enumerated_variance(a, b, c, gaussian_of_width_ten))
    assert found.standard_error == pytest.approx(expected, rel=2e-4)
    assert found.degrees == np.inf


def test_a_median_bandwidth_does_not_depend_on_which_is_first():
    x, y, z = sets(40, 30, 35)
    one, other = (
        mmd_difference(reference=x, first=p, second=q, kernel="rbf", permutations=9) for p, q in ((y, z), (z, y))
    )
    assert one.value == pytest.approx(-other.value, rel=1e-5)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-4)


@pytest.mark.parametrize("shifts", [(0.0, 0.0), (0.3, 0.5)])
def test_kernel_errors_are_the_spread_over_draws(shifts):
    found = [
        mmd_difference(reference=x, first=y, second=z, kernel="rbf", bandwidth=2.0, permutations=1)
        for x, y, z in (sets(60, 50, 40, 4, shifts, seed=s) for s in range(150))
    ]
    spread = np.std([f.value for f in found], ddof=1)
    stated = np.sqrt(np.mean([f.standard_error**2 for f in found]))
    assert 0.85 < stated / spread < 1.18  # 150 draws know a standard deviation to 6%


def test_the_shared_reference_cancels():
    x, y, z = sets(40, 400, 400, 4, (0.5, 0.5))
    alone = mmd(reference=x, generated=y, bandwidth=2.0).standard_error
    both = mmd_difference(reference=x, first=y, second=z, kernel="rbf", bandwidth=2.0, permutations=1).standard_error
    assert both < 0.6 * alone


def test_kernel_p_values():
    without = [
        mmd_difference(reference=x, first=y, second=z, kernel="linear", permutations=99, seed=s).p_value
        for s, (x, y, z) in enumerate(sets(40, 30, 35, 3, (0.4, 0.4), seed=s) for s in range(80))
    ]
    assert stats.kstest(without, "uniform").pvalue > 0.01
    x, y, z = sets(200, 200, 200, 3, (0.2, 1.0))
    assert mmd_difference(reference=x, first=y, second=z, permutations=199).p_value == 1 / 200


def test_prdc_differences():
    x, y, z = sets(240, 240, 200, 4, (0.0, 1.5))
    found = prdc_difference(reference=x, first=y, second=z, k=3, permutations=199)
    ours, theirs = (prdc(reference=x, generated=rows, k=3) for rows in (y, z))
    expected = np.subtract(theirs, ours)
    np.testing.assert_allclose([part.value for part in found], expected, rtol=1e-12)
    assert max(part.p_value for part in found) < 0.05
    assert found.precision.p_value == found.density.p_value == 1 / 200
    same = prdc_difference(reference=x, first=y, second=sets(1, 1, 200, 4, (0, 0), seed=9)[2], k=3, permutations=199)
    assert all(part.p_value > 0.01 and abs(part.value) < 4 * part.standard_error for part in same)


def test_prdc_errors_are_the_spread_between_thirds():
    """Brute force in each third of each of five divisions, the same reference rows on both sides."""

    def shares(x, y, k):
        radii, others = (np.sort(cdist(rows, rows), axis=1)[:, k] for rows in (x, y))
        pairs = cdist(x, y)
        held = pairs < radii[:, None]
        return held.any(0).mean(), (pairs < others).any(1).mean(), held.sum() / (k * len(y)), held.any(1).mean()

    x, y, z = sets(60, 60, 60, 3, (0.2, 0.6))
    variances = []
    for repeat in range(5):
        parts = [
            group_numbers(len(rows), 3, seed=7 + 1000 * repeat, name=name)
            for name, rows in (("reference", x), ("first", y), ("second", z))
        ]
        values = []
        for third in range(3):
            known, ours, theirs = (rows[of == third] for rows, of in zip((x, y, z), parts, strict=True))
            values.append(np.subtract(shares(known, ours, 2), shares(known, theirs, 2)))
        variances.append(np.var(values, axis=0, ddof=1))
    expected = np.sqrt(np.mean(variances, axis=0) / 3)
    found = prdc_difference(reference=x, first=y, second=z, k=2, permutations=99, seed=7)
    np.testing.assert_allclose([part.standard_error for part in found], expected, rtol=1e-12)
    assert {part.degrees for part in found} == {10}  # five divisions, each of two degrees
    for part in (found.recall, found.coverage):
        assert part.p_value == pytest.approx(2 * stats.t.sf(abs(part.value) / part.standard_error, 10), rel=1e-12)


def test_inception_score_errors_are_those_of_numerical_derivatives():
    rng = np.random.default_rng(2)
    logits = [3 * rng.standard_normal((n, 5)) for n in (25, 40)]

    def score(x, weights):
        p = softmax(x, axis=1)
        return np.exp(weights @ stats.entropy(p, (weights @ p)[None], axis=1))

    variance, step = 0.0, 1e-6
    for x in logits:
        n = len(x)
        even = np.full(n, 1 / n)
        slopes = [(score(x, even + s) - score(x, even - s)) / (2 * step) for s in step * (np.eye(n) - even)]
        variance += np.var(slopes, ddof=1) / n
    found = inception_score_difference(first=logits[0], second=logits[1], permutations=9)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert found.degrees == np.inf


def test_inception_score_differences():
    rng = np.random.default_rng(0)
    y, z = 2 * rng.standard_normal((300, 8)), 2.5 * rng.standard_normal((250, 8))
    found = inception_score_difference(first=y, second=z, permutations=199)
    ours, theirs = (inception_score(logits=rows, splits=1).mean for rows in (y, z))
    assert found.value == pytest.approx(theirs - ours, rel=1e-10)
    assert found.p_value == 1 / 200
    repeats = [
        inception_score_difference(first=a[:150], second=a[150:], permutations=99, seed=s)
        for s, a in enumerate(2 * np.random.default_rng(s).standard_normal((300, 8)) for s in range(60))
    ]
    assert np.mean([r.standard_error for r in repeats]) == pytest.approx(np.std([r.value for r in repeats]), rel=0.3)
    assert stats.kstest([r.p_value for r in repeats], "uniform").pvalue > 0.01


def test_mean_difference_is_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal(40), 2 * rng.standard_normal(25) + 0.4
    found, expected = mean_difference(first=a, second=b), stats.ttest_ind(b, a, equal_var=False)
    low, high = expected.confidence_interval(0.9)
    ours = interval(found.value, found.standard_error, degrees=found.degrees, confidence=0.9)
    assert ours == pytest.approx((low, high), rel=1e-12)
    assert mean_difference(first=np.ones(3), second=np.ones(4))[:2] == (0, 0)


@defaults_of(
    DEFAULTS, "cmmd_difference", "inception_score_difference", "mean_difference", "mmd_difference", "prdc_difference"
)
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


def test_wrong_arguments_are_named():
    x, y, z = sets(20, 20, 20)
    with pytest.raises(InputError, match="6, 6, 2 features"):
        mmd_difference(reference=x, first=y, second=z[:, :2])
    with pytest.raises(InputError, match="20, 20 and 3 rows"):
        mmd_difference(reference=x, first=y, second=z[:3])
    with pytest.raises(InputError, match="kernel is 'cubic'"):
        mmd_difference(reference=x, first=y, second=z, kernel="cubic")
    with pytest.raises(InputError, match="6 rows, too few"):
        prdc_difference(reference=x, first=y, second=z, k=6)
    with pytest.raises(InputError, match="at least 2"):
        inception_score_difference(first=x, second=x[:1])
