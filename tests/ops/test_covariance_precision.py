"""Covariances of fewer digits than float64's: what rounding explains counts, what it does not is refused."""

import ml_dtypes
import numpy as np
import pytest

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.ops.gaussian import semidefinite_covariance


def features(rows, *, seed, size=96):
    """Rectified mixtures, as a network gives them: positive means, a spectrum over four decades."""
    rng = np.random.default_rng(seed)
    mixture = np.random.default_rng(9).standard_normal((size, size)) * np.geomspace(1.0, 1e-2, size)[:, None]
    return np.maximum(rng.standard_normal((rows, size)) @ mixture + 0.5, 0.0)


def statistics(rows, dtype: type = np.float64):
    return rows.mean(0).astype(dtype), np.cov(rows, rowvar=False).astype(dtype)


def nuclear(x, y):
    """The distance by NumPy's singular values of the centred rows: no covariance is formed."""
    a, b = ((rows - rows.mean(0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2.0 * trace


# Fewer rows than features, nearly as many, one more, and many more.
@pytest.mark.parametrize("rows", [20, 90, 96, 97, 110, 400])
@pytest.mark.parametrize("other", [20, 400])
def test_float32_statistics_give_the_distance_of_the_features(rows, other):
    x, y = features(rows, seed=1), features(other, seed=2)
    (mean_x, cov_x), (mean_y, cov_y) = statistics(x, np.float32), statistics(y, np.float32)
    found = ops.frechet_distance(mean_x=mean_x, cov_x=cov_x, mean_y=mean_y, cov_y=cov_y)
    assert found == pytest.approx(nuclear(x, y), rel=1e-5)
    mixed = ops.frechet_distance_between(ops.Gaussian(mean_x, cov_x), ops.gaussian_from_features(y))
    assert mixed == pytest.approx(nuclear(x, y), rel=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1.2e-3), (ml_dtypes.bfloat16, 1e-2)])
def test_half_precision_is_taken_for_what_it_is(dtype, tolerance):
    # Entries keep 11 or 8 bits, and the distance is .4 of the traces: 2^-11 and 2^-8 over that share.
    x, y = features(20, seed=1), features(400, seed=2)
    mean, cov = statistics(x, dtype)
    found = ops.frechet_distance_between(ops.Gaussian(mean, cov), ops.gaussian_from_features(y))
    assert found == pytest.approx(nuclear(x, y), rel=tolerance)


def test_every_op_of_gaussians_takes_float32():
    x, first, second = (features(rows, seed=seed) for rows, seed in ((20, 1), (60, 2), (60, 3)))
    exact, stored = ops.Gaussian(*statistics(x)), ops.Gaussian(*statistics(x, np.float32))
    for call in (
        lambda one: ops.frechet_jackknife(reference=one, generated=first, groups=4).value,
        lambda one: ops.frechet_jackknife(reference=one, generated=first, groups=4).standard_error,
        lambda one: ops.frechet_difference(reference=one, first=first, second=second, groups=4, permutations=9).value,
        lambda one: ops.frechet_witness(reference=one, first=first, second=second)[0].std(),
        lambda one: (
            ops.frechet_uncertainty(
                reference=one,
                generated=ops.gaussian_from_features(first),
                reference_rows=None,
                generated_rows=first,
                n_reference=None,
                n_generated=60,
            ).standard_error
        ),
    ):
        assert call(stored) == pytest.approx(call(exact), rel=1e-4)


def test_a_matrix_that_is_positive_definite_is_not_touched():
    matrix = statistics(features(400, seed=1), np.float32)[1]
    found = semidefinite_covariance(matrix, mean=np.zeros(96), name="sigma")
    np.testing.assert_array_equal(found.matrix, matrix.astype(np.float64))
    assert found.negative == 0.0


def test_a_singular_matrix_in_float64_is_not_touched():
    mean, matrix = statistics(features(20, seed=1))
    found = semidefinite_covariance(matrix, mean=mean, name="sigma")
    np.testing.assert_array_equal(found.matrix, matrix)
    assert found.negative == 0.0


def with_least_eigenvalue(share, size=8):
    """A matrix of trace 1 whose least eigenvalue is -share."""
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]
    values = np.full(size, (1.0 + share) / (size - 1))
    values[0] = -share
    return (turn * values) @ turn.T


# With means at zero, float32 arithmetic explains 16 * 2^-24 = 9.5e-7 of the trace, and rounding to a dtype its unit
# (2^-24, 2^-11, 2^-8) times the Frobenius norm, here 1 / sqrt(7) of the trace.
@pytest.mark.parametrize(
    ("dtype", "most"),
    [
        (np.float64, 9.5e-7),
        (np.float32, 9.5e-7 + 2.0**-24 / np.sqrt(7)),
        (np.float16, 9.5e-7 + 2.0**-11 / np.sqrt(7)),
        (ml_dtypes.bfloat16, 9.5e-7 + 2.0**-8 / np.sqrt(7)),
    ],
)
def test_what_rounding_explains_counts_as_zero_and_no_more(dtype, most):
    # Rounding the test's own matrix moves its least eigenvalue too, by less than its unit's share.
    matrix = with_least_eigenvalue(0.5 * most).astype(dtype)
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    least = np.linalg.eigvalsh(matrix.astype(np.float64))
    found = semidefinite_covariance(matrix, mean=np.zeros(8), name="sigma")
    assert found.negative == pytest.approx(-least[0] / least.sum(), rel=1e-6)
    eigenvalues = np.linalg.eigvalsh(found.matrix)
    assert abs(eigenvalues[0]) < 1e-15
    np.testing.assert_allclose(eigenvalues[1:], least[1:], rtol=1e-12)
    with pytest.raises(InputError, match=r"sigma is not positive semidefinite: its least eigenvalue is -"):
        semidefinite_covariance(with_least_eigenvalue(3 * most).astype(dtype), mean=np.zeros(8), name="sigma")


def test_means_that_were_not_subtracted_first_explain_more():
    mean = np.full(8, 10.0)  # squared length 800, so that float32 sums err by 800 times as much
    matrix = with_least_eigenvalue(1e-4)
    assert semidefinite_covariance(matrix, mean=mean, name="sigma").negative == pytest.approx(1e-4, rel=1e-6)
    with pytest.raises(InputError, match="sigma is not positive semidefinite"):
        semidefinite_covariance(matrix, mean=np.zeros(8), name="sigma")


def test_a_float64_argument_computed_in_float32_is_told_how_to_be_given():
    rows = features(20, seed=1).astype(np.float32)
    mean, cov = rows.mean(0), np.cov(rows, rowvar=False, dtype=np.float32)
    arguments = {"mean_x": mean, "mean_y": mean, "cov_y": np.eye(96)}
    with pytest.raises(InputError, match=r"cov_x is not positive semidefinite.*computed in float32 as float32"):
        ops.frechet_distance(**arguments, cov_x=cov.astype(np.float64))
    assert np.isfinite(ops.frechet_distance(**arguments, cov_x=cov))


def test_nothing_but_zeros_is_a_covariance():
    found = semidefinite_covariance(np.zeros((3, 3), np.float32), mean=np.ones(3), name="sigma")
    np.testing.assert_array_equal(found.matrix, np.zeros((3, 3)))
    assert found.negative == 0.0
