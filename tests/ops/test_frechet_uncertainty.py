"""Bias and standard error of the Fréchet distance against derivatives, many draws, closed forms and a jackknife."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.linalg

from jaxeval.errors import InputError
from jaxeval.ops import Gaussian, frechet_jackknife, frechet_uncertainty
from jaxeval.ops.frechet import frechet_distance_between
from jaxeval.ops.gaussian import gaussian_from_features


def uncertainty(x, y, **more):
    arguments = {
        "reference": gaussian_from_features(x),
        "generated": gaussian_from_features(y),
        "reference_rows": x,
        "generated_rows": y,
        "n_reference": len(x),
        "n_generated": len(y),
        **more,
    }
    return frechet_uncertainty(**arguments)


def distance(x, y):
    return frechet_distance_between(gaussian_from_features(x), gaussian_from_features(y))


def population(cov_x, cov_y, shift=0.0):
    root = scipy.linalg.sqrtm(scipy.linalg.sqrtm(cov_x) @ cov_y @ scipy.linalg.sqrtm(cov_x))
    return len(cov_x) * shift**2 + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(np.real(root))


def test_bias_of_equal_normals_is_the_closed_form():
    rng = np.random.default_rng(0)
    d, n, m = 24, 4000, 3000
    found = uncertainty(rng.standard_normal((n, d)), rng.standard_normal((m, d)))
    assert found.bias == pytest.approx(d * (d + 5) / 4 * (1 / n + 1 / m), rel=0.02)
    # Half of it for each feature an image of the smaller set.
    assert found.bias_shortfall == pytest.approx(found.bias * d / m / 2, rel=1e-9)


CASES = {
    "equal": (16, 400, 400, np.ones(16), 0.0, False),
    "shifted": (16, 600, 300, np.ones(16), 0.1, False),
    "scaled": (16, 400, 400, np.linspace(0.5, 1.5, 16), 0.0, False),
    "skewed": (12, 400, 500, np.linspace(0.5, 1.5, 12), 0.0, True),
}


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_the_distance_of_the_distributions(case):
    """95% in name; of 200 repeats 92% to 98% were seen for each case, and less than 90% would be seen once in 1,000."""
    d, n, m, scales, shift, skewed = CASES[case]
    draw = (lambda rng, size: rng.exponential(size=size)) if skewed else (lambda rng, size: rng.standard_normal(size))
    truth = population(np.eye(d), np.diag(scales**2), shift)
    if skewed:
        truth += np.square(1 - scales).sum()  # the means of exponentials move with their scale
    rng = np.random.default_rng(1)
    repeats, covered, values, found = 120, 0, [], []
    for _ in range(repeats):
        x, y = draw(rng, (n, d)), draw(rng, (m, d)) * scales + shift
        one = uncertainty(x, y)
        values.append(distance(x, y))
        found.append(one)
        covered += abs(values[-1] - one.bias - truth) <= 1.96 * one.standard_error
    assert 0.89 <= covered / repeats <= 0.998
    # Standard deviations of 120 values are known to 6.5%, their mean to a tenth of their spread.
    assert np.mean([one.standard_error for one in found]) == pytest.approx(np.std(values), rel=0.25)
    assert np.mean([one.bias for one in found]) == pytest.approx(
        np.mean(values) - truth, abs=float(0.3 * np.std(values))
    )


def test_a_jackknife_finds_the_same():
    """By leaving out groups of rows, which has nothing in common with a derivative."""
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((10, 10)) * np.geomspace(1, 0.05, 10)
    x, y = rng.standard_normal((3000, 10)) @ mixing, rng.standard_normal((2500, 10)) @ mixing * 1.2 + 0.1
    found, groups = uncertainty(x, y), frechet_jackknife(reference=x, generated=y, groups=100)
    # A jackknife of 100 groups knows the error to 7%, the bias to a tenth of the error.
    assert found.standard_error == pytest.approx(groups.standard_error, rel=0.2)
    assert found.bias == pytest.approx(groups.bias, abs=0.3 * found.standard_error)


def test_some_of_the_rows_do():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((6000, 8)), 1.2 * rng.standard_normal((5000, 8))
    whole, part = uncertainty(x, y), uncertainty(x, y, reference_rows=x[::4], generated_rows=y[1::3])
    assert part.standard_error == pytest.approx(whole.standard_error, rel=0.1)
    assert part.bias == pytest.approx(whole.bias, rel=0.1)


class Moved(NamedTuple):
    """A Gaussian in the form that derivatives are taken in: any rank, no root of a matrix."""

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, gaussian):
        factor = gaussian.factor
        if factor is None:
            values, vectors = np.linalg.eigh(gaussian.covariance)
            factor = (vectors * np.sqrt(np.maximum(values, 0))).T
        return cls(gaussian.mean, factor)

    def towards(self, row, step, path):
        """With a share `step` of its mass at a row: along the mixtures, or along straight lines in both moments."""
        offset = row - self.mean
        left = step * (1 - step) if path == "mixture" else step
        factor = np.concatenate([np.sqrt(1 - step) * self.factor, np.sqrt(left) * offset[None]])
        return Moved(self.mean + step * offset, factor)

    def distance(self, other):
        """By NumPy's singular values."""
        root = np.linalg.svd(self.factor @ other.factor.T, compute_uv=False).sum()
        traces = np.square(self.factor).sum() + np.square(other.factor).sum()
        return np.square(self.mean - other.mean).sum() + traces - 2 * root


def slopes(x, y, rows, path="mixture", step=1e-5):
    """First and second derivative of the distance of two Gaussians as mass of the first moves to each row."""
    values = np.array([[x.towards(row, s * step, path).distance(y) for s in (0, 1, 2, 3)] for row in rows])
    # One-sided differences: a Gaussian without all directions has no mass to give away in them.
    first = values @ [-11, 18, -9, 2] / (6 * step)
    return first, values @ [2, -5, 4, -1] / step**2


def second_order(x, y, n, m):
    """Variance of the distance's second-order term for normal rows: each of its independent squares, one by one."""
    spread = np.linalg.eigvalsh((x.factor.T @ x.factor if n else 0) / (n or 1) + y.factor.T @ y.factor / m)
    squares = list(spread)  # those of the means' difference
    roots = np.linalg.svd(x.factor @ y.factor.T, compute_uv=False)
    both = (1 / n if n else 0) + 1 / m
    for i, a in enumerate(roots):
        squares += [both * a * b / (a + b) for b in roots[:i] if a + b > 0]  # off the diagonal, twice each
        squares.append(both * a / 2)
    return 2 * np.square(squares).sum()


SHAPES = {"covariances": (40, 30, 4), "factors": (9, 7, 12), "a factor and a covariance": (9, 40, 6)}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_the_error_is_that_of_a_numerical_derivative(name, exact):
    """Efron's infinitesimal jackknife: how the distance changes as mass moves to a single image, taken by steps."""
    n, m, d = SHAPES[name]
    rng = np.random.default_rng(8)
    x, y = rng.exponential(size=(n, d)), 1.3 * rng.exponential(size=(m, d)) - 1.5
    gaussians = [gaussian_from_features(rows) for rows in (x, y)]
    moved = [Moved.of(gaussian) for gaussian in gaussians]
    variance = slopes(moved[1], moved[0], y)[0].var(ddof=1) / m
    if not exact:
        variance += slopes(moved[0], moved[1], x)[0].var(ddof=1) / n
    arguments = {"reference_rows": None, "n_reference": None} if exact else {}
    squares = second_order(moved[0], moved[1], 0 if exact else n, m)
    assert variance > 2 * squares  # else the floor is what is seen
    assert uncertainty(x, y, **arguments).standard_error == pytest.approx(np.sqrt(variance - squares), rel=1e-5)


@pytest.mark.parametrize("exact", [False, True])
def test_where_nothing_moves_the_distance_its_second_order_is_the_error(exact):
    """The two sets are one: no row moves the distance to first order, and what is left has a closed form."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5))
    moved = Moved.of(gaussian_from_features(x))
    arguments = {"reference_rows": None, "n_reference": None} if exact else {}
    found = uncertainty(x, x, **arguments)
    assert found.standard_error == pytest.approx(np.sqrt(second_order(moved, moved, 0 if exact else 60, 60)), rel=1e-9)
    # Of the standard normal: (1/N + 1/M) sqrt(d (d + 9) / 4).
    white = x @ np.linalg.inv(moved.factor)
    stated = uncertainty(white, white, **arguments).standard_error
    assert stated == pytest.approx((1 if exact else 2) / 60 * np.sqrt(5 * 14 / 4), rel=1e-9)


@pytest.mark.parametrize("exact", [False, True])
def test_the_bias_is_that_of_a_second_numerical_derivative(exact):
    rng = np.random.default_rng(10)
    n, m, d = 2000, 1500, 4
    gaussians, moved, rows = [], [], []
    for scale, shift in ((1.0, 0.0), (1.5, 0.3)):
        mixing = scale * rng.standard_normal((d, d))
        draws = rng.exponential(size=(25, d))
        draws -= draws.mean(0)
        draws = draws @ np.linalg.inv(np.linalg.cholesky(draws.T @ draws / 25)).T @ mixing + shift
        # Rows that have the Gaussian's moments to the last digit, so that no share of 1/N is between both sides.
        gaussians.append(Gaussian(np.full(d, shift), covariance=mixing.T @ mixing))
        moved.append(Moved.of(gaussians[-1]))
        rows.append(draws)
    expected = 0.0
    for side, other, draws, count in ((0, 1, rows[0], n), (1, 0, rows[1], m)):
        if exact and side == 0:
            continue
        _, bends = slopes(moved[side], moved[other], draws, path="straight", step=2e-4)
        expected += bends.mean() / 2 / count
    roots = np.linalg.svd(moved[0].factor @ moved[1].factor.T, compute_uv=False).sum()
    expected *= 1 + expected / roots  # the next order, as measured
    found = frechet_uncertainty(
        reference=gaussians[0],
        generated=gaussians[1],
        reference_rows=None if exact else rows[0],
        generated_rows=rows[1],
        n_reference=None if exact else n,
        n_generated=m,
    )
    assert found.bias == pytest.approx(expected, rel=1e-4)


def test_the_bias_of_few_normals_is_that_of_many_draws():
    """At N = 6 d the first order alone is short by a tenth of the bias, the next one brings that down to 2%."""
    rng = np.random.default_rng(11)
    d, n = 16, 96
    draws = [rng.standard_normal((2, n, d)) for _ in range(120)]
    true = np.mean([distance(x, y) for x, y in draws])
    stated = np.mean([uncertainty(x, y).bias for x, y in draws])
    # 120 draws of 0.22 know the true one to 0.02, of 1.77.
    assert stated == pytest.approx(true, rel=0.045)


def test_what_shares_no_direction_is_biased_by_its_means_alone():
    """Unbiased covariances whose root is 0 add none: the bias is tr(cov) / N a side, whatever N is."""
    rng = np.random.default_rng(12)
    x, y = np.zeros((60, 6)), np.zeros((40, 6))
    x[:, :2], y[:, 2:] = rng.standard_normal((60, 2)), rng.standard_normal((40, 4))
    traces = [np.cov(rows.T).trace() / len(rows) for rows in (x, y)]
    assert uncertainty(x, y).bias == pytest.approx(sum(traces), rel=1e-12)
    collapsed = np.tile(rng.standard_normal(6), (40, 1))
    assert uncertainty(x, collapsed).bias == pytest.approx(traces[0], rel=1e-12)
    assert uncertainty(collapsed, y).bias == pytest.approx(traces[1], rel=1e-12)
    # The distance then is the mean squared length about a point: one row counts by its own squared length.
    lengths = np.square(x - collapsed[0]).sum(1)
    variance = lengths.var(ddof=1) / 60 - 2 * np.square(np.cov(x.T) / 60).sum()
    assert uncertainty(x, collapsed).standard_error == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_an_exact_reference_adds_nothing():
    rng = np.random.default_rng(4)
    y = rng.standard_normal((3000, 6))
    exact = Gaussian(mean=np.zeros(6), covariance=np.eye(6))
    found = uncertainty(y, y, reference=exact, reference_rows=None, n_reference=None)
    assert found.bias == pytest.approx(6 * 11 / 4 / 3000, rel=0.1)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 30, 40), (20, 300, 40), (300, 20, 40), (60, 60, 40)])
def test_any_rank_has_an_error(n, m, d):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.2
    values = [distance(rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.2) for _ in range(150)]
    assert uncertainty(x, y).standard_error == pytest.approx(np.std(values), rel=0.4)


def test_units_that_never_fire_change_nothing():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((300, 5)), rng.standard_normal((200, 5))
    padded = [np.column_stack([rows, np.zeros(len(rows))]) for rows in (x, y)]
    assert uncertainty(*padded) == pytest.approx(uncertainty(x, y), rel=1e-6)


def test_wrong_arguments_are_named():
    x = np.random.default_rng(0).standard_normal((30, 4))
    with pytest.raises(InputError, match="reference has 4 features, generated has 3"):
        uncertainty(x, x[:, :3])
    with pytest.raises(InputError, match="generated_rows has 1 rows"):
        uncertainty(x, x, generated_rows=x[:1])


def normal(rng, shape):
    return rng.standard_normal(shape)


def rectified(rng, shape):
    """As of a network: few large variances, many small ones, and tails."""
    return np.maximum(rng.standard_t(5, shape) - 0.5, 0) * np.exp(-6 * np.arange(shape[1]) / shape[1])


@pytest.mark.parametrize("draw", [normal, rectified])
@pytest.mark.parametrize(("n", "m"), [(24, 24), (48, 48), (160, 32), (320, 320)])
def test_what_is_missing_of_the_bias_is_within_what_may_be_missing(n, m, draw):
    """In 16 dimensions: from 1.5 images a feature to 20, equal counts and others."""
    d, draws = 16, 100
    rng = np.random.default_rng(7)
    values, found = [], []
    for _ in range(draws):
        x, y = draw(rng, (n, d)), draw(rng, (m, d))
        values.append(distance(x, y))
        found.append(uncertainty(x, y))
    bias = np.mean([one.bias for one in found])
    missing, noise = np.mean(values) - bias, np.std(values) / draws**0.5
    allowed = np.mean([one.bias_shortfall for one in found])
    assert missing <= allowed + 3 * noise
    assert allowed == pytest.approx(bias * d / min(n, m) / 2, rel=1e-9)


def test_nothing_is_missing_of_a_bias_that_means_alone_have():
    """Sets without a common direction: the bias is of the means, and exact."""
    rng = np.random.default_rng(8)
    x, y = np.zeros((40, 6)), np.zeros((40, 6))
    x[:, :3], y[:, 3:] = rng.standard_normal((2, 40, 3))
    assert uncertainty(x, y).bias_shortfall == 0
