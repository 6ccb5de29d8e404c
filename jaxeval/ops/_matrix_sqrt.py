"""Square roots of symmetric positive semidefinite matrices, each reporting its residual.

Two methods:

- `"eigh"`: eigendecomposition. Any rank; eigenvalues that are rounding, or below zero, count as zero.
- `"newton-schulz"`: the coupled Newton-Schulz iteration, matrix products alone, made for accelerators, where an
  eigendecomposition is slow. It scales by the Frobenius norm, so that it converges for every semidefinite argument,
  and stops on the residual: at the tolerance, or one step after rounding has taken over. Eigenvalues below about
  machine epsilon times the largest come out too small; the residual says how much that matters.

NumPy arguments are computed on the host in float64, JAX arguments on the device in float32. There both methods
differentiate, forward, in reverse and again, by the equation of the derivative R' R + R R' = A'. At a singular matrix
the derivative does not exist: the methods then return a finite one, `"eigh"` that along which the rank stays what it is
(first and second derivatives, as of a covariance of fewer rows than features), `"newton-schulz"` one that is large in
the directions that no eigenvalue supports.

References: Higham, "Functions of Matrices", 2008, chapter 6 (the iteration) and section 6.1 (the derivative); Lin,
Maji, "Improved Bilinear Pooling with CNNs", BMVC 2017 (the same with gradients).
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxeval._arrays import AnyArray, Numbers, as_float64, check_shape, contract, on_host, replicate
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._derivatives import Arrays, Tangents, filled, linear, sloped
from jaxeval.ops._polar import orthonormalised


class MatrixSqrt(NamedTuple):
    """A root, and how good it is.

    Attributes:
      root: R, symmetric positive semidefinite, shape [d, d].
      residual: |R R - A|_F / |A|_F, shape []; 0 for a zero matrix. It carries no gradient.
      iterations: Newton-Schulz steps taken, shape []; 0 for `"eigh"`.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> result = ops.matrix_sqrt(np.array([[2.0, 1.0], [1.0, 2.0]]), method="newton-schulz")
      >>> result.root.round(4)
      array([[1.366, 0.366],
             [0.366, 1.366]])
      >>> bool(result.residual < 1e-12)
      True
    """

    root: Float[AnyArray, "d d"]
    residual: Float[AnyArray, ""]
    iterations: Int[AnyArray, ""]


@takes_arrays
def matrix_sqrt(
    a: Numbers,
    *,
    method: Literal["eigh", "newton-schulz"] = "eigh",
    tolerance: float | None = None,
    max_iterations: int = 60,
) -> MatrixSqrt:
    """The symmetric positive semidefinite square root of `a`, with its residual.

    Args:
      a: symmetric positive semidefinite, shape [d, d]. NumPy: float64 on the host. JAX: float32 on the device, under
        any transformation.
      method: `"eigh"` or `"newton-schulz"` (see the module).
      tolerance: residual at which Newton-Schulz stops; by default machine epsilon of the dtype.
      max_iterations: bound on the Newton-Schulz steps.

    Raises:
      InputError: `a` is not square, the method is not known, or, on the host, a value is not finite.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> ops.matrix_sqrt(np.diag([4.0, 9.0])).root
      array([[2., 0.],
             [0., 3.]])
    """
    check_shape("a", a, (None, None), "a square matrix")
    check_shape("a", a, (a.shape[0], a.shape[0]), "a square matrix")
    if method not in ("eigh", "newton-schulz"):
        raise InputError(f"method is {method!r}; 'eigh' or 'newton-schulz' expected")
    if on_host(a):
        return _on_host(as_float64("a", a), method, tolerance, max_iterations)
    return _on_device(replicate(jnp.asarray(a, jnp.float32)), method, tolerance, max_iterations)


def _on_host(a: Float[np.ndarray, "d d"], method: str, tolerance: float | None, max_iterations: int) -> MatrixSqrt:
    size = float(np.abs(a).max(initial=0.0)) or 1.0  # squares of entries neither overflow nor vanish in units of it
    unit = (a + a.T) / (2.0 * size)
    if method == "eigh":
        eigenvalues, vectors = np.linalg.eigh(unit)
        root = (vectors * np.sqrt(_without_rounding(np, eigenvalues))) @ vectors.T
        residual, steps = _residual(np.matmul, np, root, unit), 0
    else:
        root, residual, steps = _newton_schulz_on_host(unit, tolerance or _epsilon(unit), max_iterations)
    return MatrixSqrt(np.sqrt(size) * root, np.asarray(residual), np.asarray(steps))


def _on_device(a: Float[Array, "d d"], method: str, tolerance: float | None, max_iterations: int) -> MatrixSqrt:
    largest = lax.stop_gradient(jnp.abs(a).max(initial=0.0))
    size = jnp.where(largest > 0.0, largest, 1.0)
    unit = (a + a.T) / (2.0 * size)
    given = lax.stop_gradient(unit)
    if method == "eigh":
        root, spectrum = _root_by_eigh(given)
        steps = jnp.zeros((), jnp.int32)
        residual = _residual(_matmul, jnp, root, given)
    else:
        spectrum = None
        root, residual, steps = _newton_schulz_on_device(given, tolerance or _epsilon(unit), max_iterations)
    return MatrixSqrt(jnp.sqrt(size) * _differentiable_root(unit, root, spectrum), residual, steps)


def _root_by_eigh(a: Float[Array, "d d"]) -> tuple[Float[Array, "d d"], "_Spectrum"]:
    """The root, and the decomposition that it came from.

    An accelerator's eigenvectors are right to some fifty roundings only. Made orthonormal they leave `a` all but
    diagonal, and the root of such a matrix is known to first order: what is left of it between two directions, over
    the sum of their roots.
    """
    vectors = orthonormalised(jnp.linalg.eigh(a)[1])
    nearly = _matmul(_matmul(vectors.T, a), vectors)
    roots = jnp.sqrt(_without_rounding(jnp, jnp.diagonal(nearly)))
    spectrum = _Spectrum(roots, vectors)
    between = (nearly + nearly.T) / 2.0 * spectrum.inverse_sums
    inside = jnp.where(jnp.eye(a.shape[0], dtype=bool), roots[None], between)
    root = spectrum.turned_back(inside)
    return (root + root.T) / 2.0, spectrum


def _newton_schulz_on_host(
    a: Float[np.ndarray, "d d"], tolerance: float, max_iterations: int
) -> tuple[Float[np.ndarray, "d d"], float, int]:
    scale, y, z = _newton_schulz_start(np, a)
    unit, residual, steps = y, float(_residual(np.matmul, np, y, y)), 0
    while residual > tolerance and steps < max_iterations:
        next_y, next_z = _newton_schulz_step(np.matmul, np, y, z)
        reached = float(_residual(np.matmul, np, next_y, unit))
        if not reached < residual:  # rounding has taken over
            break
        y, z, residual, steps = next_y, next_z, reached, steps + 1
    return np.sqrt(scale) * (y + y.T) / 2.0, residual, steps


def _newton_schulz_on_device(
    a: Float[Array, "d d"], tolerance: float, max_iterations: int
) -> tuple[Float[Array, "d d"], Float[Array, ""], Int[Array, ""]]:
    scale, start, identity = _newton_schulz_start(jnp, a)

    def going(state: tuple) -> Array:
        _, _, residual, steps, improves = state
        return improves & (residual > tolerance) & (steps < max_iterations)

    def step(state: tuple) -> tuple:
        y, z, residual, steps, _ = state
        next_y, next_z = _newton_schulz_step(_matmul, jnp, y, z)
        reached = _residual(_matmul, jnp, next_y, start)
        better = reached < residual  # else rounding has taken over
        kept = (jnp.where(better, new, old) for new, old in ((next_y, y), (next_z, z), (reached, residual)))
        return *kept, steps + better.astype(steps.dtype), better

    first = (start, identity, _residual(_matmul, jnp, start, start), jnp.zeros((), jnp.int32), jnp.array(True))
    y, _, residual, steps, _ = lax.while_loop(going, step, first)
    return jnp.sqrt(scale) * (y + y.T) / 2.0, residual, steps


def _newton_schulz_start(xp: ModuleType, a: Float[AnyArray, "d d"]) -> tuple[Any, Any, Any]:
    norm = xp.sqrt(xp.square(a).sum())
    scale = xp.where(norm > 0.0, norm, 1.0)
    return scale, a / scale, xp.eye(a.shape[0], dtype=a.dtype)


def _newton_schulz_step(
    matmul: Callable, xp: ModuleType, y: Float[AnyArray, "d d"], z: Float[AnyArray, "d d"]
) -> tuple[Float[AnyArray, "d d"], Float[AnyArray, "d d"]]:
    """One step of y towards the root and of z towards its inverse."""
    correction = 1.5 * xp.eye(y.shape[0], dtype=y.dtype) - 0.5 * matmul(z, y)
    return matmul(y, correction), matmul(correction, z)


class _Spectrum(NamedTuple):
    """Eigenvalues of the root, and the eigenvectors: numbers without a derivative of their own."""

    roots: Float[Array, " d"]
    vectors: Float[Array, "d d"]

    @property
    def inverse_sums(self) -> Float[Array, "d d"]:
        """One over the sums of two roots; 0 between directions that no eigenvalue supports."""
        sums = self.roots[:, None] + self.roots[None, :]
        return jnp.where(sums > 0.0, 1.0 / jnp.where(sums > 0.0, sums, 1.0), 0.0)

    def turned(self, a: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """A matrix in the eigenvectors' basis."""
        return _matmul(_matmul(self.vectors.T, a), self.vectors)

    def turned_back(self, a: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """A matrix of the eigenvectors' basis in that of the others."""
        return _matmul(_matmul(self.vectors, a), self.vectors.T)


def _differentiable_root(
    a: Float[Array, "d d"], root: Float[Array, "d d"], spectrum: _Spectrum | None
) -> Float[Array, "d d"]:
    """`root`, with the derivatives that it has as the root of `a`; neither method has one in reverse by itself."""
    return sloped(_at_hand, _root_slope, (root, a, *(spectrum or ())))[0]


def _at_hand(arguments: Arrays) -> Arrays:
    return (arguments[0],)


def _root_slope(arguments: Arrays, values: Arrays, tangents: Tangents) -> Arrays:
    (_, moved, *_), (root,) = filled(arguments, tangents), values
    if len(arguments) > 2:
        return (_lyapunov_by_eigh(root, moved, _Spectrum(*arguments[2:])),)
    # The operator is its own transpose, which is what lets reverse mode through.
    derivative = lax.custom_linear_solve(
        lambda x: _matmul(root, x) + _matmul(x, root), moved, partial(_solve_lyapunov, root), symmetric=True
    )
    return (derivative,)


def _lyapunov_by_eigh(
    root: Float[Array, "d d"], right: Float[Array, "d d"], spectrum: _Spectrum
) -> Float[Array, "d d"]:
    """X with root X + X root = right; 0 between directions that no eigenvalue supports."""
    return linear(_solve_by_eigh, _solve_by_eigh, (right,), (root, *spectrum))[0]


def _solve_by_eigh(constants: Arrays, operands: Arrays) -> Arrays:
    """As a linear map, which is its own transpose."""
    root, *spectrum = constants
    return sloped(_solution_by_eigh, _solution_slope, (root, operands[0], *spectrum))


def _solution_by_eigh(arguments: Arrays) -> Arrays:
    spectrum = _Spectrum(*arguments[2:])
    return (spectrum.turned_back(spectrum.turned(arguments[1]) * spectrum.inverse_sums),)


def _solution_slope(arguments: Arrays, values: Arrays, tangents: Tangents) -> Arrays:
    (root, right, *parts), (solution,) = arguments, values
    moved_root, moved_right, *_ = filled(arguments, tangents)
    spectrum = _Spectrum(*parts)
    moved = spectrum.turned(moved_root)
    supported = spectrum.roots > 0.0
    inverse = jnp.where(supported, 1.0 / jnp.where(supported, spectrum.roots, 1.0), 0.0)[None]
    neither = ~supported[:, None] & ~supported[None, :]
    # Between unsupported directions the equation says nothing. A root whose rank stays what it is says the one term;
    # the other is its transpose, as the derivative of a map that is its own transpose must have it.
    found, given = spectrum.turned(solution), jnp.where(neither, spectrum.turned(right), 0.0)
    there = jnp.where(neither, _matmul(moved * inverse, found) + _matmul(found * inverse, moved), 0.0)
    back = _matmul(given, moved * inverse) + _matmul((moved * inverse).T, given)
    changed = moved_right - _matmul(moved_root, solution) - _matmul(solution, moved_root) + spectrum.turned_back(back)
    return (_lyapunov_by_eigh(root, changed, spectrum) + spectrum.turned_back(there),)


def _solve_lyapunov(root: Float[Array, "d d"], _: Callable, right: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """X with root X + X root = right: the upper right block of sign([[root, right], [0, -root]]), by Newton-Schulz."""
    norm = jnp.sqrt(jnp.square(root).sum())
    scale = jnp.where(norm > 0.0, norm, 1.0)
    identity = jnp.eye(root.shape[0], dtype=root.dtype)
    # The number of steps that lifts the smallest root float32 can tell from zero, sqrt(epsilon), by 1.5 a step to one.
    bound = int(np.ceil(0.5 * np.log(1.0 / _epsilon(root)) / np.log(1.5))) + 4

    def step(state: tuple) -> tuple:
        sign, block, square, steps = state
        mixed = _matmul(sign, block) - _matmul(block, sign)
        block = 1.5 * block - 0.5 * (_matmul(block, square) + _matmul(sign, mixed))
        sign = 1.5 * sign - 0.5 * _matmul(sign, square)
        return sign, block, _matmul(sign, sign), steps + 1

    def going(state: tuple) -> Array:
        _, _, square, steps = state
        return (jnp.square(identity - square).sum() > 1e-4) & (steps < bound)

    start = root / scale
    first = (start, right / scale, _matmul(start, start), jnp.zeros((), jnp.int32))
    state = lax.while_loop(going, step, first)
    return 0.5 * step(step(state))[1]  # quadratic convergence: from 1e-2 to below rounding in two


def _without_rounding(xp: ModuleType, eigenvalues: Float[AnyArray, " d"]) -> Float[AnyArray, " d"]:
    """Eigenvalues with zero for those that a decomposition in this precision cannot tell from it (measured: 2 eps)."""
    level = 8.0 * _epsilon(eigenvalues) * xp.abs(eigenvalues).max(initial=0.0)
    return xp.where(eigenvalues > level, eigenvalues, 0.0)


def _residual(matmul: Callable, xp: ModuleType, root: Float[AnyArray, "d d"], a: Float[AnyArray, "d d"]) -> Any:
    norm = xp.square(a).sum()
    missing = xp.square(matmul(root, root) - a).sum()
    return xp.sqrt(missing / xp.where(norm > 0.0, norm, 1.0))


def _epsilon(array: AnyArray) -> float:
    return float(np.finfo(array.dtype).eps)


def _matmul(a: Float[Array, "n k"], b: Float[Array, "k m"]) -> Float[Array, "n m"]:
    return contract("ik,kj->ij", a, b)
