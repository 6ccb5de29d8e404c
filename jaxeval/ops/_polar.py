"""The orthonormal polar factor of a matrix by matrix products alone, for accelerators.

The Newton-Schulz iteration W <- W (3 - W^T W) / 2 takes every singular value of W to one; small ones grow by one half a
step. Scaled by what is known of the smallest, they grow 2.6-fold, and a fixed number of steps does for all that float32
can tell from zero.

References: Higham, "Functions of Matrices", 2008, section 8.3 (the iteration); Chen, Chow, "A Stable Scaling of
Newton-Schulz for Improving the Sign Function Computation of a Hermitian Matrix", 2014 (the scaling).
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import contract

# Of the Frobenius norm: the rounding of the product of two factors of 2,048 rows leaves singular values down to this.
_LEAST = 1e-12
_STABLE = 1.69770248526  # Chen and Chow's bound: one is taken to 0.1 and not nearer to zero, where it would lose digits
_UNSCALED = 2  # steps more, which take rounding of those before back to its square


def polar_factor(matrix: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """W with orthonormal columns (rows, where they are fewer) for which <W, matrix> is the nuclear norm.

    Directions in which the matrix is zero, and not only by rounding, are zero in W too; so is W of a zero matrix.
    """
    unit = matrix / _largest(matrix)
    norm = jnp.sqrt(jnp.maximum(jnp.square(unit).sum(), 1.0))  # of a matrix that is not zero it is one at least
    tall = unit if matrix.shape[0] >= matrix.shape[1] else unit.T

    def step(w: Float[Array, "r k"], scale: Float[Array, ""]) -> tuple[Float[Array, "r k"], None]:
        gram = contract("nk,nm->km", w, w)
        return 1.5 * scale * w - 0.5 * scale**3 * contract("nk,km->nm", w, gram), None

    found, _ = lax.scan(step, tall / norm, jnp.asarray(_scales(), jnp.float32))
    return found if matrix.shape[0] >= matrix.shape[1] else found.T


def orthonormalised(columns: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Columns that are orthonormal but for some hundred roundings, made so to rounding, by one step of the iteration.

    An accelerator's decompositions by Jacobi's rotations stop at such columns; a distance of two sets that lie close to
    each other inherits their error in units of the sets' size, not of the distance.
    """
    gram = contract("nk,nm->km", columns, columns)
    return columns + 0.5 * contract("nk,km->nm", columns, jnp.eye(gram.shape[0], dtype=gram.dtype) - gram)


def _largest(matrix: Float[Array, "n m"]) -> Float[Array, ""]:
    """Largest entry in magnitude, in units of which squares neither overflow nor vanish; one for a zero matrix."""
    largest = jnp.abs(matrix).max()
    return jnp.where(largest > 0.0, largest, 1.0)


def _scales() -> list[float]:
    """By what W is multiplied before each step, as the least singular value rises to one."""
    found, least = [], _LEAST
    while least < 1 - 1e-6:
        found.append(min(float(np.sqrt(3 / (1 + least + least**2))), _STABLE))
        scaled = found[-1] * least
        least = scaled * (3 - scaled**2) / 2
    return [*found, *[1.0] * _UNSCALED]
