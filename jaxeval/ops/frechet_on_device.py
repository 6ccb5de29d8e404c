"""Fréchet distance on the device, in float32: for training losses and for monitoring inside a jit-compiled step.

The distance is |F_x - U F_y|^2 plus the squared shift of the means, where F^T F is a covariance and U the rotation
that brings the factors closest: U = P Q^T from the singular vectors of F_x F_y^T, whose singular values sum to the
nuclear norm that is tr sqrt(cov_x cov_y). Written as this sum of squares, nothing large is subtracted in float32, and
the distance of equal inputs is zero up to the square of rounding.

U is the best rotation, so the distance does not change with it to first order, and its derivative is the derivative at
fixed U (the envelope theorem). No derivative of a singular value decomposition is ever formed: gradients are finite at
equal inputs, at repeated singular values and at any rank. Second derivatives take U's share, of which that of singular
vectors is no part either: with F_x F_y^T = P S Q^T and its derivative C',

    U' = P ((K - K^T) / (s_i + s_j)) Q^T + (1 - P P^T) C' Q S^-1 Q^T + P S^-1 P^T C' (1 - Q Q^T),    K = P^T C' Q,

without the directions in which no singular value stands. Third derivatives are refused.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers, check_shape, contract, replicate
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._derivatives import Arrays, Tangents, filled, sloped
from jaxeval.ops._matrix_sqrt import matrix_sqrt
from jaxeval.ops._polar import orthonormalised, polar_factor
from jaxeval.ops.moments import Moments, covariance, device_mean_and_rows, moments_on_device

# Above this many rows and columns cuSOLVER has no Jacobi method, and `svd` falls to one that is far slower.
_LARGEST_JACOBI = 1024


@takes_arrays
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
      The distance, in squared feature units, shape []; within 1e-6 of the sum of both covariances' traces, and where
      spectra do not fall fast within 3e-6 of itself; never negative, never NaN for finite inputs. A side of no more
      than `ddof` rows has no covariance and counts as a single point. NumPy features and host states are
      placed on the device.

    Raises:
      InputError: a shape is wrong, the feature sizes differ, `rotation` is not known, or a third derivative is asked
        for, or the second one of the polar factor, which has no singular values: of more than 1,024 rows and features
        `"auto"` has none.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 16, 4)).astype(np.float32)
      >>> loss = jax.value_and_grad(lambda rows: ops.frechet_distance_on_device(reference=reference, generated=rows))
      >>> value, gradient = jax.jit(loss)(generated)
      >>> value.shape, gradient.shape
      ((), (16, 4))
    """
    if rotation not in ("auto", "svd", "polar"):
        raise InputError(f"rotation is {rotation!r}; 'auto', 'svd' or 'polar' expected")
    mean_x, mean_lo_x, x = _side("reference", reference, ddof)
    mean_y, mean_lo_y, y = _side("generated", generated, ddof)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"reference has {x.shape[1]} features, generated has {y.shape[1]}")
    shift = (mean_x - mean_y) + (mean_lo_x - mean_lo_y)
    return jnp.square(shift).sum() + _apart(x, y, rotation)


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


class _Rotation(NamedTuple):
    """P, S and Q of the singular value decomposition of x y^T, k = min(n, m, d): the closest rotation is P Q^T.

    Of the polar factor, which is that rotation, there is no S, and one of P and Q is a unit matrix.
    """

    left: Float[Array, "n k"]
    singular: Float[Array, " k"] | None
    right: Float[Array, "m k"]


def _apart(x: Float[Array, "n d"], y: Float[Array, "m d"], rotation: str) -> Float[Array, ""]:
    """|x - U y|^2 at the closest rotation."""
    found = _closest_rotation(lax.stop_gradient(x), lax.stop_gradient(y), rotation)
    if found.singular is None:
        return sloped(_apart_function, _slope_of_polar, (x, y, found.left, found.right))[0]
    return sloped(_apart_function, _apart_slope, (x, y, found.left, found.singular, found.right))[0]


def _apart_function(arguments: Arrays) -> Arrays:
    x, y, left, *_, right = arguments
    return (_apart_at(_Rotation(left, None, right), x, y),)


def _slope_of_polar(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    moved_x, moved_y = filled(arguments, tangents)[:2]
    x, y, left, right = sloped(_as_they_are, _refuse_second, arguments)
    slope_x = x - contract("nk,kd->nd", left, contract("mk,md->kd", right, y))
    slope_y = y - contract("mk,kd->md", right, contract("nk,nd->kd", left, x))
    return (2.0 * ((slope_x * moved_x).sum() + (slope_y * moved_y).sum()),)


def _apart_slope(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    (x, y, left, singular, right), moved = arguments, filled(arguments, tangents)
    slope_x, slope_y = x - _turned(x, y, left, singular, right), y - _turned(y, x, right, singular, left)
    return (2.0 * ((slope_x * moved[0]).sum() + (slope_y * moved[1]).sum()),)


def _apart_at(rotation: _Rotation, x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, ""]:
    turned_x, rest_x = _split(rotation.left, x)
    turned_y, rest_y = _split(rotation.right, y)
    # Rows of the longer factor that no rotation can match count in full.
    return jnp.stack([jnp.square(part).sum() for part in (turned_x - turned_y, rest_x, rest_y)]).sum()


def _split(directions: Float[Array, "n k"], x: Float[Array, "n d"]) -> tuple[Float[Array, "k d"], Float[Array, "n d"]]:
    """What orthonormal directions see of x, and the rest of it."""
    seen = contract("nk,nd->kd", directions, x)
    return seen, x - contract("nk,kd->nd", directions, seen)


def _turned(
    x: Float[Array, "n d"],
    y: Float[Array, "m d"],
    left: Float[Array, "n k"],
    singular: Float[Array, " k"],
    right: Float[Array, "m k"],
) -> Float[Array, "n d"]:
    """U y, with the derivative that it has where the rotation is the closest one of x and y."""
    return sloped(_turned_function, _turned_slope, (x, y, left, singular, right))[0]


def _turned_function(arguments: Arrays) -> Arrays:
    _, y, left, _, right = arguments
    return (contract("nk,kd->nd", left, contract("mk,md->kd", right, y)),)


def _turned_slope(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    """U y' + U' y."""
    moved_x, moved_y = filled(arguments, tangents)[:2]
    x, y, left, singular, right = sloped(_as_they_are, _refuse, arguments)
    (seen_x, rest_x), (seen_y, rest_y) = _split(left, x), _split(right, y)
    (new_x, new_rest_x), new_y = _split(left, moved_x), contract("mk,md->kd", right, moved_y)
    # A factor of centred rows has a direction that no singular value supports, and nothing moves along.
    least = 8.0 * float(jnp.finfo(singular.dtype).eps) * singular.max(initial=0.0)
    sums = singular[:, None] + singular[None, :]
    of_sums = jnp.where(sums > 2.0 * least, 1.0 / jnp.where(sums > 2.0 * least, sums, 1.0), 0.0)
    of_each = jnp.where(singular > least, 1.0 / jnp.where(singular > least, singular, 1.0), 0.0)[:, None]
    inside = contract("id,jd->ij", new_x, seen_y) + contract("id,jd->ij", seen_x, new_y)
    by_pairs = contract("ij,jd->id", (inside - inside.T) * of_sums, seen_y)
    beyond_x = contract("nd,kd->nk", new_rest_x, seen_y) + contract("nd,kd->nk", rest_x, new_y)
    beyond_y = contract("kd,md->km", new_x, rest_y) + contract("kd,md->km", seen_x, moved_y)
    by_rest = of_each * contract("km,md->kd", beyond_y, rest_y)
    outside = contract("nk,kd->nd", beyond_x, of_each * seen_y)
    return (contract("nk,kd->nd", left, new_y + by_pairs + by_rest) + outside,)


def _as_they_are(arguments: Arrays) -> Arrays:
    return arguments


def _refuse(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    del arguments, tangents
    raise InputError("a third derivative of frechet_distance_on_device was asked for; it has a first and a second one")


def _refuse_second(arguments: Arrays, _: Arrays, tangents: Tangents) -> Arrays:
    del arguments, tangents
    raise InputError(
        "a second derivative of frechet_distance_on_device by the polar factor was asked for, which has none; "
        "rotation='svd' has"
    )


def _closest_rotation(x: Float[Array, "n d"], y: Float[Array, "m d"], rotation: str) -> _Rotation:
    """By the triangles of x and y where those are smaller."""
    basis_x, x = _triangle(x)
    basis_y, y = _triangle(y)
    cross = contract("nd,md->nm", x, y)
    if rotation == "auto" and min(cross.shape) > _LARGEST_JACOBI:
        left, right = lax.platform_dependent(cross, cpu=_by_svd, default=_by_polar)
        singular = None
    elif rotation == "polar":
        (left, right), singular = _by_polar(cross), None
    else:
        left, singular, right = jnp.linalg.svd(cross, full_matrices=False)
        right = right.T
    if basis_x is not None:
        left = contract("ni,ik->nk", basis_x, left)
    if basis_y is not None:
        right = contract("mi,ik->mk", basis_y, right)
    return _Rotation(orthonormalised(left), singular, orthonormalised(right))


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
