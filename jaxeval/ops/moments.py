"""Streaming mean and scatter of feature vectors: the state under every Fréchet distance.

Rows are centred before their scatter is formed and states merge by Chan's formula, so features whose mean is large
beside their spread keep their digits. States form a commutative monoid: any split of the rows over batches, devices
or hosts gives the same moments.

The type of the features decides where the work runs:

- NumPy arrays: on the host, in float64, block by block, so that no float64 copy of all rows ever exists;
- JAX arrays and tracers: on the device, in float32, under any transformation. A float32 sum over a million rows would
  drop digits that the distance needs, so a device state carries what rounding cut off in `mean_lo` and `scatter_lo`:
  the value is the unevaluated sum of both parts (TwoSum, Knuth, TAOCP vol. 2, 4.2.2).

Reference: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Real

from jaxeval._arrays import AnyArray, Numbers, check_shape, contract, on_host
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._collectives import differ, sum_over
from jaxeval.ops._error_free import fast_two_sum, settled, two_sum

_syrk, _syr = scipy.linalg.get_blas_funcs(("syrk", "syr"), dtype=np.float64)

# A block of rows converted to float64: 32 MB, large enough for the multiplication to run at full speed.
_BLOCK_ELEMENTS = 1 << 22
# A product of fewer columns runs at a lower rate; more strips save little.
_LEAST_STRIP, _STRIPS = 256, 4
# Side of the tiles in which a triangle is mirrored: half a megabyte, which stays in a core's cache.
_TILE = 256


class Moments(NamedTuple):
    """Count, mean and scatter of a set of rows: a pytree, on the host or on the device.

    Attributes:
      count: number of rows, shape []; int64 on the host, int32 on the device (two thousand million rows).
      mean: mean of the rows, shape [d]; float64 on the host, float32 on the device.
      scatter: sum of the outer products of the centred rows, shape [d, d]; same dtypes.
      mean_lo: what rounding cut off `mean`, shape [d], float32; on the host a zero of shape [].
      scatter_lo: what rounding cut off `scatter`, shape [d, d], float32; on the host a zero of shape [].

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> moments = ops.feature_moments(np.array([[0.0, 0.0], [2.0, 4.0]]))
      >>> int(moments.count), moments.mean, moments.scatter.tolist()
      (2, array([1., 2.]), [[2.0, 4.0], [4.0, 8.0]])
    """

    count: AnyArray  # pyright: ignore[reportIncompatibleMethodOverride]  (hides tuple.count, which nobody needs here)
    mean: AnyArray
    scatter: AnyArray
    mean_lo: AnyArray = np.zeros(())
    scatter_lo: AnyArray = np.zeros(())


def empty_moments(feature_size: int, *, host: bool = False) -> Moments:
    """Moments of no rows: the neutral element of `merge_moments`, with the dtypes of a full state.

    Args:
      feature_size: d.
      host: whether the state is to accumulate NumPy features in float64 instead of JAX features in float32.

    Example:
      >>> from jaxeval import ops
      >>> moments = ops.empty_moments(2048, host=True)
      >>> int(moments.count), moments.mean.shape, moments.scatter.shape
      (0, (2048,), (2048, 2048))
    """
    if feature_size < 1:
        raise InputError(f"feature_size is {feature_size}; a feature has at least one dimension")
    vector, matrix = (feature_size,), (feature_size, feature_size)
    if host:
        return Moments(np.zeros((), np.int64), np.zeros(vector), np.zeros(matrix))
    f32 = jnp.float32
    zeros = (jnp.zeros(vector, f32), jnp.zeros(matrix, f32), jnp.zeros(vector, f32), jnp.zeros(matrix, f32))
    return Moments(jnp.zeros((), jnp.int32), *zeros)


@takes_arrays
def feature_moments(features: Numbers, mask: Bool[AnyArray, "..."] | None = None) -> Moments:
    """Moments of the rows of `features`; rows where `mask` is False do not count, whatever they hold.

    Args:
      features: shape [N, d], any real dtype; the type decides where the work runs (see the module).
      mask: shape [N], boolean.

    Returns:
      A host state in float64 for NumPy features, a device state in float32 for JAX features. Within one device call
      the scatter is one float32 product: stream more than some ten thousand rows through `merge_moments`.

    Raises:
      InputError: a shape is wrong or, on the host, a counted row holds a value that is not finite. (On the device
        such a value shows up as NaN in the state: raising there would cost a synchronisation.)

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.random.default_rng(0).normal(size=(100, 4))
      >>> moments = ops.feature_moments(features, mask=np.arange(100) < 80)
      >>> int(moments.count), moments.mean.shape, moments.scatter.shape
      (80, (4,), (4, 4))
    """
    check_shape("features", features, (None, None), "one row a sample")
    if features.shape[1] < 1:
        raise InputError(f"features has shape {features.shape}; a feature has at least one dimension")
    if mask is not None:
        check_shape("mask", mask, (features.shape[0],), "one truth value a row of features")
    if on_host(features):
        return host_moments(features, None if mask is None else np.asarray(mask))
    return _device_moments(jnp.asarray(features), None if mask is None else jnp.asarray(mask))


@takes_arrays
def merge_moments(a: Moments, b: Moments) -> Moments:
    """Moments of both sets of rows together; associative and commutative to rounding.

    Args:
      a: a host state or a device state.
      b: another of the same kind and feature size.

    Raises:
      InputError: the feature sizes differ, or one state is on the host and the other on the device.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> moments = ops.empty_moments(4, host=True)
      >>> for batch in np.random.default_rng(0).normal(size=(3, 32, 4)):
      ...     moments = ops.merge_moments(moments, ops.feature_moments(batch))
      >>> int(moments.count)
      96
    """
    if on_host(a.mean) != on_host(b.mean):
        raise InputError("merge_moments got a host state and a device state; bring both to the host: moments_on_host")
    if a.mean.shape != b.mean.shape:
        raise InputError(f"merge_moments got states of {a.mean.shape[-1]} and {b.mean.shape[-1]} features")
    return _merge_on_host(a, b) if on_host(a.mean) else _merge_on_device(a, b)


@takes_arrays
def reduce_moments(moments: Moments, axis_name: str | tuple[str, ...]) -> Moments:
    """Moments over all devices of a mapped axis, inside `shard_map` or `pmap`: sums only, no state is gathered.

    Args:
      moments: each device's own device state.
      axis_name: the mapped axis, or several.

    Returns:
      The same state on every device.

    Example:
      >>> import jax
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> features = np.ones((jax.local_device_count(), 16, 4), np.float32)
      >>> total = jax.pmap(lambda part: ops.reduce_moments(ops.feature_moments(part), "devices"), "devices")(features)
      >>> (total.count == 16 * jax.local_device_count()).all().item()
      True
    """
    local = jnp.asarray(moments.count, jnp.float32)
    count = lax.psum(moments.count, axis_name)
    total = jnp.maximum(count, 1).astype(jnp.float32)
    # A pilot that all devices share: means are then compared as small differences, which keep their digits in a sum.
    pilot = lax.stop_gradient(settled(lax.psum(local * moments.mean, axis_name) / total))
    # A device without rows has no mean to compare: its zero may be far from the others and would cost digits.
    offset = jnp.where(local > 0, (moments.mean - pilot) + moments.mean_lo, 0.0)
    correction = settled(sum_over(local * offset, axis_name) / total)
    apart = offset - differ(correction, axis_name)
    scatter, rest = two_sum(moments.scatter, settled(local * _outer(apart)))
    mean, mean_lo = fast_two_sum(pilot, correction)
    scatter, scatter_lo = fast_two_sum(*sum_over((scatter, moments.scatter_lo + rest), axis_name))
    return Moments(count, mean, scatter, mean_lo, scatter_lo)


@takes_arrays
def moments_on_host(moments: Moments) -> Moments:
    """A device state as a host state in float64, both parts joined; a host state as it is.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval import ops
      >>> moments = ops.moments_on_host(ops.feature_moments(jnp.ones((10, 4))))
      >>> int(moments.count), moments.mean
      (10, array([1., 1., 1., 1.]))
    """
    # By dtype, not by type: a device state that was fetched or restored holds NumPy arrays, in two float32 parts.
    if moments.mean.dtype == np.float64:
        return moments
    count, mean, scatter, mean_lo, scatter_lo = (np.asarray(part) for part in jax.device_get(moments))
    scatter = scatter + scatter_lo.astype(np.float64)
    # A collective between hosts may add up the two triangles in different orders.
    return Moments(count.astype(np.int64), mean + mean_lo.astype(np.float64), (scatter + scatter.T) / 2)


@takes_arrays
def moments_on_device(moments: Moments) -> Moments:
    """A host state as a device state, each value split into two float32 parts; a device state as it is.

    With `Moments(count, mean, covariance * (count - 1))` it brings stored statistics to the device.

    Raises:
      InputError: the count does not fit int32.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> moments = ops.moments_on_device(ops.feature_moments(np.ones((10, 4))))
      >>> moments.mean.dtype, moments.mean_lo.shape
      (dtype('float32'), (4,))
    """
    if not on_host(moments.mean):
        return moments
    if not 0 <= int(moments.count) <= np.iinfo(np.int32).max:
        raise InputError(f"count is {moments.count}; a device state counts up to {np.iinfo(np.int32).max} rows")
    (mean, mean_lo), (scatter, scatter_lo) = _split(moments.mean), _split(moments.scatter)
    return Moments(jnp.asarray(moments.count, jnp.int32), mean, scatter, mean_lo, scatter_lo)


@takes_arrays
def covariance(moments: Moments, ddof: int = 1) -> Float[AnyArray, "d d"]:
    """Covariance matrix with `count - ddof` in the denominator, in the dtype of the state.

    Args:
      moments: a host or a device state.
      ddof: 1 for the unbiased estimate, 0 to divide by the count.

    Raises:
      InputError: a host state has no more than `ddof` rows. (On the device the covariance of so few is zero.)

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> moments = ops.feature_moments(np.array([[0.0, 0.0], [2.0, 4.0]]))
      >>> ops.covariance(moments)
      array([[2., 4.],
             [4., 8.]])
    """
    if on_host(moments.mean):
        rows = int(moments.count)
        if rows <= ddof:
            raise InputError(f"a covariance with ddof={ddof} needs more than {ddof} rows; {rows} counted")
        return np.asarray(moments.scatter / float(rows - ddof))
    return (moments.scatter + moments.scatter_lo) / jnp.maximum(moments.count - ddof, 1).astype(jnp.float32)


def host_moments(
    features: Real[np.ndarray, "n d"], mask: Bool[np.ndarray, " n"] | None = None, *, name: str = "features"
) -> Moments:
    """`feature_moments` of NumPy features under another name in its messages."""
    size = features.shape[1]
    step = max(1, _BLOCK_ELEMENTS // size)
    count, mean, lower = 0, np.zeros(size), np.zeros((size, size), order="F")
    for start in range(0, features.shape[0], step):
        rows = features[start : start + step]
        if mask is not None:
            rows = rows[mask[start : start + step]]
        if not rows.shape[0]:
            continue
        block = np.array(rows, np.float64)
        block_mean = block.mean(0)
        if not np.isfinite(block_mean).all():
            _report_rows(features, mask, name)
        block -= block_mean
        # Chan's merge in place and on one triangle: a new d x d matrix a block would cost a quarter more time.
        share = len(block) / (count + len(block))
        lower = _syrk(1.0, block.T, beta=1.0, c=lower, lower=1, overwrite_c=1)
        lower = _syr(count * share, block_mean - mean, a=lower, lower=1, overwrite_a=1)
        mean += share * (block_mean - mean)
        count += len(block)
    return Moments(np.asarray(count, np.int64), mean, _mirrored(lower))


def _mirrored(lower: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """The symmetric matrix with this lower triangle, in its place: ten times as fast as adding two triangles."""
    size = len(lower)
    for start in range(0, size, _TILE):
        stop = min(start + _TILE, size)
        lower[start:stop, stop:] = lower[stop:, start:stop].T
        tile = lower[start:stop, start:stop]
        tile[...] = np.tril(tile) + np.tril(tile, -1).T
    return lower.T  # the same matrix, in NumPy's usual order


def device_mean_and_rows(
    features: Real[Array, "n d"], mask: Bool[Array, " n"] | None
) -> tuple[Int[Array, ""], Float[Array, " d"], Float[Array, " d"], Float[Array, "n d"]]:
    """Count, mean in two parts, and centred rows of a batch, in float32; rows that the mask leaves out are zero."""
    keep = jnp.ones(features.shape[0], bool) if mask is None else mask
    # `where`, not a product: a masked NaN must leak neither here nor into a gradient.
    rows = jnp.where(keep[:, None], features.astype(jnp.float32), 0.0)
    count = keep.sum(dtype=jnp.int32)
    size = jnp.maximum(count, 1).astype(jnp.float32)
    pilot = lax.stop_gradient(settled(rows.sum(0) / size))
    offsets = jnp.where(keep[:, None], rows - pilot[None], 0.0)  # exact where the mean is large beside the spread
    correction = settled(offsets.sum(0) / size)
    mean, mean_lo = fast_two_sum(pilot, correction)
    return count, mean, mean_lo, jnp.where(keep[:, None], offsets - correction[None], 0.0)


@jax.jit  # one program where a caller is not inside jit: eager steps would each be compiled
def _device_moments(features: Real[Array, "n d"], mask: Bool[Array, " n"] | None) -> Moments:
    count, mean, mean_lo, centred = device_mean_and_rows(features, mask)
    scatter = _scatter_of(centred)
    return Moments(count, mean, scatter, mean_lo, jnp.zeros_like(scatter))


def _scatter_of(centred: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """The rows' product with themselves, in strips from the diagonal on: five eighths of the work for four strips."""
    size = centred.shape[1]
    step = -(-size // max(1, min(_STRIPS, size // _LEAST_STRIP)))
    # A copy, which the barrier keeps XLA from undoing: on a CPU products along rows take 0.7 of the time.
    along = lax.optimization_barrier(centred.T)
    strips = [contract("dn,ne->de", along[i : i + step], centred[:, i:]) for i in range(0, size, step)]
    blocks: list[Array] = []
    for number, strip in enumerate(strips):
        mirrored = [
            above[:, (number - i) * step : (number - i + 1) * step].T for i, above in enumerate(strips[:number])
        ]
        blocks.append(jnp.concatenate([*mirrored, strip], axis=1))
    # Kept out of a merge that follows: fused with it, a batch of 1,000 x 2,048 took 100 ms on a CPU instead of 88.
    return lax.optimization_barrier(jnp.concatenate(blocks))


def _report_rows(features: Real[np.ndarray, "n d"], mask: Bool[np.ndarray, " n"] | None, name: str) -> None:
    bad = ~np.isfinite(features).all(1)
    if mask is not None:
        bad &= mask
    indices = np.flatnonzero(bad)
    if not indices.size:
        raise InputError(f"{name} holds values so large that their sum overflows float64; scale them down")
    raise InputError(
        f"{name} has {indices.size} rows with values that are not finite, the first is row {indices[0]}; "
        "remove them or leave them out by mask"
    )


def _merge_on_host(a: Moments, b: Moments) -> Moments:
    count = a.count + b.count
    share = b.count / max(int(count), 1)
    shift = b.mean - a.mean
    scatter = a.scatter + b.scatter
    scatter += float(a.count * share) * np.outer(shift, shift)
    return Moments(np.asarray(count, np.int64), a.mean + share * shift, scatter)


@jax.jit
def _merge_on_device(a: Moments, b: Moments) -> Moments:
    count = a.count + b.count
    before, added = a.count.astype(jnp.float32), b.count.astype(jnp.float32)
    share = added / jnp.maximum(count, 1).astype(jnp.float32)
    shift, shift_lo = two_sum(b.mean, -a.mean)
    shift_lo += b.mean_lo - a.mean_lo
    step = settled(share * shift)
    mean, cut = two_sum(a.mean, step)
    mean, mean_lo = fast_two_sum(mean, a.mean_lo + (cut + ((share * shift - step) + share * shift_lo)))
    scatter, cut_within = two_sum(a.scatter, b.scatter)
    scatter, cut_between = two_sum(scatter, settled(before * share * _outer(shift + shift_lo)))
    scatter, scatter_lo = fast_two_sum(scatter, a.scatter_lo + b.scatter_lo + cut_within + cut_between)
    return Moments(count, mean, scatter, mean_lo, scatter_lo)


def _split(values: AnyArray) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    rounded = np.asarray(values, np.float32)
    return jnp.asarray(rounded), jnp.asarray(values - rounded, jnp.float32)


def _outer(vector: Float[Array, " d"]) -> Float[Array, "d d"]:
    return vector[:, None] * vector[None, :]
