"""Eigenvalues and inverses of small covariance matrices, with derivatives also where eigenvalues are equal."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import contract
from jaxeval.ops._derivatives import Arrays, Tangents, filled, sloped

_SINGULAR = 1e-6  # eigenvalues below this share of the greatest count as 0: float32 cannot tell them from it


def spectrum(covariance: Float[Array, "k k"]) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
    """Eigenvalues of a covariance C, and C^-1, both without directions that are singular.

    First derivatives take none of the eigenvectors', which do not exist where eigenvalues are equal.
    """
    given = lax.stop_gradient(covariance)
    values, basis = jnp.linalg.eigh(given)
    kept = values > _SINGULAR * values[-1]
    inverse = contract("ik,jk->ij", basis * jnp.where(kept, 1.0 / jnp.where(kept, values, 1.0), 0.0)[None], basis)
    inverse = 2.0 * inverse - _product(_product(inverse, given), inverse)  # a step of Newton's iteration
    (eigenvalues,) = sloped(_eigenvalues, _eigenvalues_slope, (covariance, basis))
    (inverse,) = sloped(_second, _inverse_slope, (covariance, inverse))
    return jnp.where(kept, eigenvalues, 0.0), inverse


def _second(arguments: Arrays) -> Arrays:
    """A result that is at hand, whose derivative is that of a function of the first argument."""
    return (arguments[1],)


def _eigenvalues(arguments: Arrays) -> Arrays:
    """v^T C v for each eigenvector v, whose derivative is that of fixed vectors."""
    matrix, basis = arguments
    return ((basis * _product(matrix, basis)).sum(0),)


def _eigenvalues_slope(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    (basis,) = sloped(_second, _basis_slope, arguments)
    return ((basis * _product(filled(arguments, tangents)[0], basis)).sum(0),)


def _basis_slope(arguments: Arrays, found: Arrays, tangents: Tangents) -> Arrays:
    """Of the eigenvectors; 0 between those of equal eigenvalues."""
    (basis,), (values,) = found, sloped(_eigenvalues, _eigenvalues_slope, arguments)
    apart = values[None, :] - values[:, None]
    differ = apart != 0.0
    turned = _product(_product(basis.T, filled(arguments, tangents)[0]), basis) / jnp.where(differ, apart, 1.0)
    return (_product(basis, jnp.where(differ, turned, 0.0)),)


def _inverse_slope(arguments: Arrays, found: Arrays, tangents: Tangents) -> Arrays:
    return (-_product(_product(found[0], filled(arguments, tangents)[0]), found[0]),)


def _product(a: Float[Array, "i j"], b: Float[Array, "j m"]) -> Float[Array, "i m"]:
    return contract("ij,jm->im", a, b)
