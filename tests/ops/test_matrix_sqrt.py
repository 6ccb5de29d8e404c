"""Square roots of matrices against SciPy, closed forms and finite differences."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops import matrix_sqrt

METHODS: list[Literal["eigh", "newton-schulz"]] = ["eigh", "newton-schulz"]
DTYPES = {"host": np.float64, "device": np.float32}


ON_DEVICE = {method: jax.jit(functools.partial(matrix_sqrt, method=method)) for method in METHODS}


def root_of(kind, matrix, method):
    if kind == "host":
        return matrix_sqrt(np.asarray(matrix, np.float64), method=method)
    return ON_DEVICE[method](jnp.asarray(matrix, jnp.float32))


def spectral(values, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (turn * values) @ turn.T, (turn * np.sqrt(values)) @ turn.T


# Matrix and root by construction.
CASES = {
    "one by one": np.array([3.0]),
    "identity": np.ones(16),
    "well conditioned": np.linspace(0.5, 2.0, 16),
    "condition 1000": np.geomspace(1.0, 1e-3, 16),
    "singular": np.r_[np.linspace(1.0, 2.0, 9), np.zeros(7)],
    "rank one": np.r_[5.0, np.zeros(15)],
    "zero": np.zeros(16),
    "tiny": np.linspace(1e-12, 2e-12, 16),
    "huge": np.linspace(1e12, 2e12, 16),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_roots_by_construction(name, kind, method):
    values, epsilon = CASES[name], np.finfo(DTYPES[kind]).eps
    matrix, root = spectral(values)
    ours = root_of(kind, matrix, method)
    positive = values[values > 0]
    assert ours.root.dtype == DTYPES[kind]
    # Three products of 16 terms and a decomposition; eigenvalues of zero stay zero, their roots are no sqrt(epsilon).
    np.testing.assert_allclose(ours.root, root, rtol=0, atol=20.0 * epsilon * np.sqrt(values.max()) + 1e-30)
    assert float(ours.residual) <= 20.0 * epsilon
    # One eigenvalue beside zeros is a matrix that the scaling alone has rooted.
    assert (int(ours.iterations) == 0) == (method == "eigh" or positive.size <= 1)


@pytest.mark.parametrize("name", ["well conditioned", "condition 1000", "singular", "rank one", "zero", "huge"])
def test_the_root_does_not_inherit_an_accelerators_error_of_eigenvectors(name, monkeypatch):
    eigh = jnp.linalg.eigh

    def of_cusolver(matrix):  # columns off by some thirty roundings, neither orthonormal nor eigenvectors
        values, vectors = eigh(matrix)
        noise = 2e-6 * np.random.default_rng(0).standard_normal(matrix.shape)
        vectors = np.asarray(vectors, np.float64) @ (np.eye(len(noise)) + noise)
        return values * (1 + 1e-6), jnp.asarray(vectors, jnp.float32)

    monkeypatch.setattr(jnp.linalg, "eigh", of_cusolver)
    matrix, root = spectral(CASES[name])
    ours = matrix_sqrt(jnp.asarray(matrix, jnp.float32))
    epsilon = np.finfo(np.float32).eps
    np.testing.assert_allclose(ours.root, root, rtol=0, atol=20.0 * epsilon * np.sqrt(CASES[name].max()))
    assert float(ours.residual) <= 20.0 * epsilon


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_square_overflows_or_vanishes(size, method):
    ours = matrix_sqrt(size * np.diag([1.0, 0.25, 0.0]), method=method)
    np.testing.assert_allclose(
        ours.root, np.sqrt(size) * np.diag([1.0, 0.5, 0.0]), rtol=1e-9, atol=1e-15 * np.sqrt(size)
    )
    assert 0 <= float(ours.residual) < 1e-12


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", DTYPES)
def test_covariances_agree_with_scipy_and_the_residual_is_true(kind, method):
    x = np.random.default_rng(1).standard_normal((300, 64))
    matrix = np.cov(x, rowvar=False)
    ours = root_of(kind, matrix, method)
    epsilon = float(np.finfo(DTYPES[kind]).eps)
    np.testing.assert_allclose(ours.root, np.real(scipy.linalg.sqrtm(matrix)), rtol=0, atol=50 * epsilon)
    root = np.asarray(ours.root, np.float64)
    residual = np.linalg.norm(root @ root - matrix) / np.linalg.norm(matrix)
    assert float(ours.residual) == pytest.approx(residual, abs=2 * epsilon)


def test_newton_schulz_stops_at_its_tolerance_and_at_its_bound():
    def stops(a):
        root = functools.partial(matrix_sqrt, a, method="newton-schulz")
        return root(tolerance=1e-2), root(), root(max_iterations=3)

    matrix = spectral(np.geomspace(1.0, 1e-3, 16))[0]
    for loose, exact, short in (stops(matrix), jax.jit(stops)(jnp.asarray(matrix, jnp.float32))):
        assert 1e-4 < float(loose.residual) <= 1e-2
        assert 0 < int(loose.iterations) < int(exact.iterations) < 30
        assert int(short.iterations) == 3
        assert float(short.residual) > float(loose.residual)  # cut off: the residual says so


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_are_finite_differences_forward_and_reverse(method):
    matrix = spectral(np.linspace(0.5, 2.0, 12))[0]
    rng = np.random.default_rng(2)
    weight, move = rng.standard_normal((2, 12, 12))
    move += move.T
    step = 1e-6
    there, back = (matrix_sqrt(matrix + sign * step * move).root for sign in (1, -1))
    expected = np.vdot(weight, np.asarray(there) - np.asarray(back)) / (2.0 * step)

    @jax.jit
    def weighted(a):
        return jnp.vdot(jnp.asarray(weight, jnp.float32), matrix_sqrt(a, method=method).root)

    a, tangent = jnp.asarray(matrix, jnp.float32), jnp.asarray(move, jnp.float32)
    size = float(np.linalg.norm(weight) * np.linalg.norm(move))
    assert np.vdot(jax.grad(weighted)(a), move) == pytest.approx(expected, abs=1e-6 * size)
    assert float(jax.jvp(weighted, (a,), (tangent,))[1]) == pytest.approx(expected, abs=1e-6 * size)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_finite_at_singular_and_degenerate_matrices(method):
    gradient = jax.jit(jax.grad(lambda a: matrix_sqrt(a, method=method).root.sum()))
    for values in (np.r_[np.linspace(1.0, 2.0, 6), np.zeros(6)], np.eye(12)[3], np.zeros(12), np.ones(12)):
        assert np.isfinite(gradient(jnp.asarray(spectral(values)[0], jnp.float32))).all()


@pytest.mark.parametrize("method", METHODS)
def test_no_gradient_flows_through_the_residual(method):
    matrix = jnp.asarray(spectral(np.linspace(0.5, 2.0, 6))[0], jnp.float32)
    assert not np.asarray(jax.jit(jax.grad(lambda a: matrix_sqrt(a, method=method).residual))(matrix)).any()


@pytest.mark.parametrize("method", METHODS)
def test_it_maps_over_a_batch(method):
    matrices = np.stack([spectral(np.linspace(0.5, top, 6), seed)[0] for seed, top in enumerate((1.0, 2.0, 3.0))])
    roots = jax.jit(jax.vmap(lambda a: matrix_sqrt(a, method=method).root))(jnp.asarray(matrices, jnp.float32))
    np.testing.assert_allclose(roots @ roots, matrices, atol=5e-6)


@defaults_of(DEFAULTS, "matrix_sqrt")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matrix_sqrt(np.zeros((3, 4))), r"a has shape \(3, 4\); expected \(3, 3\)"),
        (lambda: matrix_sqrt(jnp.zeros(3)), r"a has shape \(3,\)"),
        (lambda: matrix_sqrt(np.diag([1.0, np.nan])), "a has 1 values that are not finite"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("method", METHODS)
def test_second_derivatives_are_those_of_the_float64_root(method):
    a = spectral(np.linspace(0.5, 2.0, 5))[0]
    move, weights = (np.random.default_rng(seed).standard_normal((5, 5)) for seed in (1, 2))
    move += move.T

    def root(step):
        return np.vdot(weights, scipy.linalg.sqrtm(a + step * move))

    def curvature(step):
        return (root(step) - 2 * root(0.0) + root(-step)) / step**2

    expected = (4 * curvature(1e-3) - curvature(2e-3)) / 3

    def total(a):
        return jnp.vdot(matrix_sqrt(a, method=method).root, weights)

    @jax.jit
    def both(a):
        ahead = jax.jvp(jax.grad(total), (a,), (jnp.asarray(move, jnp.float32),))[1]
        return jnp.vdot(ahead, move), jnp.vdot(jax.grad(lambda a: jnp.vdot(jax.grad(total)(a), move))(a), move)

    np.testing.assert_allclose(both(jnp.asarray(a, jnp.float32)), expected, rtol=2e-5)
