"""Fréchet distance on the device, in float32: for training losses and for monitoring inside a jit-compiled step.

The distance is |F_x - U F_y|^2 plus the squared shift of the means, where F^T F is a covariance and U the rotation
that brings the factors closest: U = P Q^T from the singular vectors of F_x F_y^T, whose singular values sum to the
nuclear norm that is tr sqrt(cov_x cov_y). Written as this sum of squares, nothing large is subtracted in float32, and
the distance of equal inputs is zero up to the square of rounding.

U is the best rotation, so the distance does not change with it to first order, and its derivative is the derivative at
fixed U (the envelope theorem). No derivative of a singular value decomposition is ever formed: gradients are finite at
equal inputs, at repeated singular values and at any rank. They are first derivatives: second ones would lack U's share.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval.errors import InputError
from jaxeval.ops._arrays import Numbers, check_shape, contract, replicate
from jaxeval.ops._polar import polar_factor
from jaxeval.ops.matrix_sqrt import matrix_sqrt
from jaxeval.ops.moments import Moments, covariance, device_mean_and_rows, moments_on_device

__all__ = ["frechet_distance_on_device"]


# Above this many rows and columns cuSOLVER has no Jacobi method, and `svd` falls to one that is far slower.
_LARGEST_JACOBI = 1024


def frechet_distance_on_device(
    *,
    reference: Moments | Numbers,
    generated: Moments | Numbers,
    ddof: int = 1,
    rotation: str = "auto",
) -> Float[Array, ""]:
    """Fréchet distance in float32, jit-able and differentiable with respect to either side.

    Each side is one of
      - features, shape [N, d]: best where there are fewer rows than dimensions, as in one training batch, for then no
        covariance is formed. On an Explicit mesh the rows are gathered;
      - a device state of `feature_moments`, the way to mask rows and to sum over steps, shards and hosts
        (`reduce_moments`). Its covariance is rooted by an eigendecomposition, which counts eigenvalues below 1e-6 of
        the largest as zero.

    Args:
      reference: features or moments.
      generated: features or moments; the two may differ in that.
      ddof: 1 for unbiased covariances, 0 to divide by the counts.
      rotation: how U is found: by a singular value decomposition (`"svd"`), or as the polar factor of F_x F_y^T by
        products alone (`"polar"`). `"auto"` is `"svd"` on the CPU, where it is several times as fast at every size,
        and elsewhere up to 1,024 rows or features, the fewer of them; `"polar"` above. The distances agree to rounding.

    Returns:
      The distance, in squared feature units, shape []; never negative, never NaN for finite inputs. A side of no more
      than `ddof` rows has no covariance and counts as a single point. NumPy features and host states are
      placed on the device.

    Raises:
      InputError: a shape is wrong, the feature sizes differ, or `rotation` is not known.
    """
    if rotation not in ("auto", "svd", "polar"):
        raise InputError(f"rotation is {rotation!r}; 'auto', 'svd' or 'polar' expected")
    mean_x, mean_lo_x, x = _side("reference", reference, ddof)
    mean_y, mean_lo_y, y = _side("generated", generated, ddof)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"reference has {x.shape[1]} features, generated has {y.shape[1]}")
    shift = (mean_x - mean_y) + (mean_lo_x - mean_lo_y)
    left, right = _closest_rotation(lax.stop_gradient(x), lax.stop_gradient(y), rotation)
    turned_x, turned_y = contract("nk,nd->kd", left, x), contract("mk,md->kd", right, y)
    # Rows of the longer factor that no rotation can match count in full.
    rest_x, rest_y = x - contract("nk,kd->nd", left, turned_x), y - contract("mk,kd->md", right, turned_y)
    parts = (shift, turned_x - turned_y, rest_x, rest_y)
    return jnp.stack([jnp.square(part).sum() for part in parts]).sum()


def _side(
    name: str, given: Moments | Numbers, ddof: int
) -> tuple[Float[Array, " d"], Float[Array, " d"], Float[Array, "n d"]]:
    """Mean in two parts, and a factor of the covariance."""
    if isinstance(given, Moments):
        given = moments_on_device(given)
        root = matrix_sqrt(covariance(given, ddof)).root
        return jnp.asarray(given.mean), jnp.asarray(given.mean_lo), jnp.asarray(root)
    features = jnp.asarray(given)
    check_shape(name, features, (None, None), "one row a sample")
    count, mean, mean_lo, rows = device_mean_and_rows(replicate(features), None)
    return mean, mean_lo, rows / jnp.sqrt(jnp.maximum(count - ddof, 1).astype(jnp.float32))


def _closest_rotation(
    x: Float[Array, "n d"], y: Float[Array, "m d"], rotation: str
) -> tuple[Float[Array, "n k"], Float[Array, "m k"]]:
    """Orthonormal L and R, k = min(n, m, d), with L R^T the polar factor of x y^T; by smaller triangles, if any."""
    basis_x, x = _triangle(x)
    basis_y, y = _triangle(y)
    cross = contract("nd,md->nm", x, y)
    if rotation == "auto" and min(cross.shape) > _LARGEST_JACOBI:
        left, right = lax.platform_dependent(cross, cpu=_by_svd, default=_by_polar)
    else:
        left, right = _by_polar(cross) if rotation == "polar" else _by_svd(cross)
    if basis_x is not None:
        left = contract("ni,ik->nk", basis_x, left)
    if basis_y is not None:
        right = contract("mi,ik->mk", basis_y, right)
    return left, right


def _by_svd(cross: Float[Array, "n m"]) -> tuple[Float[Array, "n k"], Float[Array, "m k"]]:
    left, _, right = jnp.linalg.svd(cross, full_matrices=False)
    return left, right.T


def _by_polar(cross: Float[Array, "n m"]) -> tuple[Float[Array, "n k"], Float[Array, "m k"]]:
    turn, (rows, columns) = polar_factor(cross), cross.shape
    if rows >= columns:
        return turn, jnp.eye(columns, dtype=cross.dtype)
    return jnp.eye(rows, dtype=cross.dtype), turn.T


def _triangle(factor: Float[Array, "n d"]) -> tuple[Float[Array, "n d"] | None, Float[Array, "r d"]]:
    rows, size = factor.shape
    return (None, factor) if rows <= size else jnp.linalg.qr(factor)
