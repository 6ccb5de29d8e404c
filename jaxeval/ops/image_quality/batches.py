"""What every image op shares: the checks that name the argument, and one image at a time on the device.

Ops are written for one image, [H, W, C] in float32. On a CPU the batch is mapped image by image, which keeps the
working set in cache (3 times faster than the whole batch at once) and branches apart, which `windows.fenced` needs:
several small images at once took up to 20 times as long. Elsewhere images are computed in blocks, batched, so that
memory does not grow with the batch. On a mesh with Explicit axes each device does its own images.
"""

import functools
import math
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jaxeval._arrays import AnyArray, Numbers
from jaxeval.errors import InputError

Scores = Float[Array, "*n"]  # one value an image

# Of one batch at once off the CPU. The gradient of FSIM, the hungriest, keeps 135 maps of this size: 4.3 GiB.
_BLOCK_VALUES = 1 << 23
_LEAST_VALUES = 1 << 16  # smaller images count as that many: some ops make them larger first

_MOST_CHANNELS = 4  # of pictures; a last axis that is longer, behind one of 1 or 3, is a width
_BELOW, _ABOVE = 0.1, 0.55  # shares of the data range: values below -0.1 and none above 0.55 are values around 0
_OVERSHOOT = 0.5  # how far, as a share of the data range, values may lie outside [0, data_range]


def image_pair(
    op: str,
    x: Numbers,
    y: Numbers,
    data_range: float | None,
    *,
    least_side: int = 1,
    colours: tuple[int, ...] = (),
    of_differences: bool = False,
) -> float:
    """Checks the arguments of a full-reference op; returns the data range.

    Args:
      op: the op's name, for messages.
      x: images, [N, H, W, C].
      y: as x.
      data_range: as given by the user.
      least_side: least height and width.
      colours: the numbers of channels that the op takes; empty for any.
      of_differences: whether the op sees differences of values alone, so that they may lie around 0.

    Raises:
      InputError: one of them is not what the op takes.
    """
    _check_pair(op, x, y, least_side, colours)
    return check_data_range(op, {"x": x, "y": y}, data_range, of_differences=of_differences)


def check_light(op: str, x: Numbers, y: Numbers) -> None:
    """Raises InputError unless x and y are RGB or gray images of one shape, of finite values from 0 upwards.

    Values are looked at where they are at hand.
    """
    _check_pair(op, x, y, 1, (1, 3))
    for name, array in (("x", x), ("y", y)):
        low, high = _extremes(array)
        _check_finite(op, name, array, low, high)
        if low < 0:
            raise InputError(f"{op}: {name} has values down to {low:g}; light is not negative")


def _check_pair(op: str, x: Numbers, y: Numbers, least_side: int, colours: tuple[int, ...]) -> None:
    for name, images in (("x", x), ("y", y)):
        check_images(op, name, images, least_side=least_side, colours=colours)
    if x.shape != y.shape:
        raise InputError(f"{op}: x has shape {tuple(x.shape)} and y {tuple(y.shape)}; they must be the same")


def check_images(op: str, name: str, images: Numbers, *, least_side: int = 1, colours: tuple[int, ...] = ()) -> None:
    """Raises InputError unless `images` is [N, H, W, C], large enough and of real numbers."""
    if images.ndim != 4:
        raise InputError(f"{op}: {name} has shape {tuple(images.shape)}; a batch [N, H, W, C] is expected")
    _, height, width, channels = images.shape
    if height in (1, 3) and channels > _MOST_CHANNELS:
        raise InputError(
            f"{op}: {name} has shape {tuple(images.shape)}, which looks like [N, C, H, W]; [N, H, W, C] is expected: "
            "transpose the axes by (0, 2, 3, 1)"
        )
    if min(height, width) < least_side:
        raise InputError(
            f"{op}: {name} has images of {height} x {width} pixels; at least {least_side} x {least_side} are needed"
        )
    if channels == 0 or (colours and channels not in colours):
        wanted = " or ".join(str(c) for c in colours) or "at least 1"
        raise InputError(f"{op}: {name} has {channels} channels; {wanted} expected, as the last axis")
    if jnp.issubdtype(images.dtype, jnp.complexfloating) or images.dtype == np.bool_:
        raise InputError(f"{op}: {name} holds {images.dtype} values; real numbers are expected")


def check_data_range(
    op: str, images: dict[str, Numbers], data_range: float | None, *, of_differences: bool = False
) -> float:
    """The data range as a float; raises InputError if it is missing, no positive number, or evidently not the data's.

    Values that lie around 0, as those in [-1, 1] do, are refused unless the op is one `of_differences`.

    What the dtype alone tells is checked under any transformation, what values tell where they are at hand; there also
    raises InputError if one is not finite.
    """
    if data_range is None:
        raise InputError(f"{op}: data_range is missing; give the width of the values' range, such as 1.0 or 255")
    try:
        value = float(data_range)
    except (TypeError, ValueError, jax.errors.ConcretizationTypeError) as error:
        raise InputError(f"{op}: data_range must be a plain number such as 1.0 or 255") from error
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{op}: data_range={data_range} is not a positive number")
    for name, array in images.items():
        _check_values(op, name, array, value, of_differences)
    return value


def lie_around_zero(low: float, high: float, data_range: float) -> bool:
    """Whether values from `low` to `high` look as if 0 was the middle of the data range and not its lower end."""
    return low < -_BELOW * data_range and high <= _ABOVE * data_range


def _check_values(op: str, name: str, array: Numbers, data_range: float, of_differences: bool) -> None:
    is_integer = jnp.issubdtype(array.dtype, jnp.integer)
    if is_integer and data_range < 2:
        raise InputError(f"{op}: {name} holds {array.dtype} values with data_range={data_range:g}; give 255 for 8 bits")
    if is_integer and array.dtype.itemsize == 1 and data_range > 255:
        raise InputError(f"{op}: {name} holds {array.dtype} values, which cannot span data_range={data_range:g}")
    low, high = _extremes(array)
    _check_finite(op, name, array, low, high)
    if low < -_OVERSHOOT * data_range or high > (1 + _OVERSHOOT) * data_range:
        raise InputError(
            f"{op}: {name} has values from {low:g} to {high:g}, which data_range={data_range:g} does not fit"
        )
    if not of_differences and lie_around_zero(low, high, data_range):
        raise InputError(
            f"{op}: {name} has values from {low:g} to {high:g}, around 0; shift them to [0, data_range={data_range:g}]"
        )
    # Floats between 0 and 1 with a range of 255: fractions, so that black images of the larger range pass.
    if not is_integer and data_range >= 100 and 0 < max(-low, high) <= 1.0:
        values = np.asarray(array).astype(np.float32)
        if (values != np.rint(values)).any():
            raise InputError(
                f"{op}: {name} has fractions from {low:g} to {high:g} with data_range={data_range:g}; give 1.0"
            )


def _check_finite(op: str, name: str, array: Numbers, low: float, high: float) -> None:
    """Raises InputError if one of the extremes of an array is not finite."""
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = np.argwhere(~np.isfinite(np.asarray(array).astype(np.float32)))
        place = ", ".join(str(i) for i in bad[0])
        raise InputError(f"{op}: {name} has {len(bad)} values that are not finite, the first at [{place}]")


def _extremes(array: AnyArray) -> tuple[float, float]:
    """Least and greatest value, NaN if there is one; (0, 0) where values cannot be looked at.

    They cannot under a transformation, nor on other hosts.
    """
    if isinstance(array, jax.Array):
        if isinstance(array, Tracer) or not array.is_fully_addressable:
            return 0.0, 0.0
        if next(iter(array.devices())).platform != "cpu":
            with jax.ensure_compile_time_eval():
                low, high = _extremes_on_device(array)
                return float(low), float(high)
    values = np.asarray(array)
    if values.size == 0:
        return 0.0, 0.0
    values = values.astype(np.float32) if values.dtype.itemsize == 2 and values.dtype.kind not in "iu" else values
    return float(values.min()), float(values.max())


@jax.jit
def _extremes_on_device(array: Array) -> tuple[Array, Array]:
    return array.min(), array.max()


def check_choice(op: str, argument: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises InputError unless `value` is one of `choices`."""
    if value not in choices:
        raise InputError(f"{op}: {argument}={value!r} is unknown; one of {', '.join(choices)} is expected")


def check_positive(op: str, **settings: float) -> None:
    """Raises InputError unless every setting is a positive number."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
            raise InputError(f"{op}: {name}={value!r} is not a positive number")


def each_image(function: Callable[..., Any], *images: Numbers, **options: Hashable) -> Any:
    """`function(*image, **options)` for every image of the batches [N, H, W, C], as float32 arrays [H, W, C].

    Args:
      function: a function of module level, which compilation is cached by; returns arrays of any shapes.
      *images: batches of the same number of images, of any real dtype.
      **options: static arguments.

    Returns:
      What `function` returns, with a leading axis of N.
    """
    return _each_image(function, tuple(sorted(options.items())), *images)


def each_enlarged(function: Callable[..., Any], counts_as: int, *images: Numbers, **options: Hashable) -> Any:
    """`each_image` of a function that makes images larger first: in blocks, each counts as that many values or more."""
    return _each_image(function, tuple(sorted(options.items())), *images, counts_as=counts_as)


def _in_blocks(one: Callable[..., Any], *batches: Array, counts_as: int | None = None) -> Any:
    """`one` of every image, as many of them at once as memory is meant to hold; gradients redo a block."""
    count = batches[0].shape[0]
    values = max(math.prod(batches[0].shape[1:]), counts_as or _LEAST_VALUES)
    blocks = -(-count * values // _BLOCK_VALUES)
    if blocks <= 1:
        return jax.vmap(one)(*batches)
    # As few blocks as can be, of as equal sizes as can be; what is missing is filled up with the first images.
    blocks = min(blocks, count)
    size = -(-count // blocks)

    def divided(batch: Array) -> Array:
        filled = jnp.concatenate([batch, batch[: blocks * size - count]]) if blocks * size > count else batch
        # A block is every n-th image, so that devices which share the batch share each block of it.
        return jnp.moveaxis(filled.reshape(size, blocks, *batch.shape[1:]), 1, 0)

    block_again = jax.checkpoint(jax.vmap(one), prevent_cse=False)
    found = lax.map(lambda block: block_again(*block), tuple(divided(batch) for batch in batches))
    return jax.tree.map(lambda part: jnp.moveaxis(part, 0, 1).reshape(-1, *part.shape[2:])[:count], found)


@functools.partial(jax.jit, static_argnames=("function", "options", "counts_as"))
def _each_image(
    function: Callable[..., Any],
    options: tuple[tuple[str, Hashable], ...],
    *images: Array,
    counts_as: int | None = None,
) -> Any:
    def one(*image: Array) -> Any:
        return function(*(i.astype(jnp.float32) for i in image), **dict(options))

    # Gradients redo an image's forward pass: to keep its maps for the whole batch costs more time, and much memory.
    one_again = jax.checkpoint(one, prevent_cse=False)

    def in_cache(*batches: Array) -> Any:
        return lax.map(lambda image: one_again(*image), batches)

    def run(*batches: Array) -> Any:
        return lax.platform_dependent(
            *batches, cpu=in_cache, default=functools.partial(_in_blocks, one, counts_as=counts_as)
        )

    sharding = jax.typeof(images[0]).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return run(*images)
    if sharding.spec[0] is None:
        # Nothing to divide here; `vmap` may have an axis that is divided, which `shard_map` would gather.
        return jax.sharding.auto_axes(run, out_sharding=NamedSharding(sharding.mesh, PartitionSpec()))(*images)
    spec = PartitionSpec(sharding.spec[0])
    placed = [jax.sharding.reshard(i, NamedSharding(sharding.mesh, spec)) for i in images]
    # The check of varying axes would refuse branches that return constants.
    return jax.shard_map(run, mesh=sharding.mesh, in_specs=(spec,) * len(placed), out_specs=spec, check_vma=False)(
        *placed
    )
