"""Arrays of any maker and byte order at the door of every public op."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_every_op
from jaxtyping import AbstractArray

from jaxeval import ops
from jaxeval._door import _members, as_array, native
from jaxeval.errors import InputError
from jaxeval.ops import agreement, image_quality, losses


class Unreadable:
    """As a torch tensor on another device, or one that has a gradient."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("can't convert it to numpy. Use it.cpu() first.")


class Foreign:
    """As a torch tensor on the CPU."""

    def __init__(self, values: Any):
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        del copy
        return np.asarray(self.values, dtype)


def is_array(annotation: Any) -> bool:
    return any(isinstance(part, type) and issubclass(part, AbstractArray) for part in _members(annotation))


PUBLIC = {
    f"{room.__name__}.{name}": getattr(room, name)
    for room in (ops, agreement, image_quality, losses)
    for name in room.__all__
    if inspect.isfunction(getattr(room, name))
}
ARRAYS = {
    (name, parameter.name): function
    for name, function in PUBLIC.items()
    for parameter in inspect.signature(function).parameters.values()
    if is_array(parameter.annotation)
}


def arguments_of(function: Any, wrong: str, value: Any) -> dict[str, Any]:
    """Something for each array, with the wrong one among them."""
    names = [p.name for p in inspect.signature(function).parameters.values() if is_array(p.annotation)]
    return {name: value if name == wrong else jnp.zeros(()) for name in names}


@pytest.mark.parametrize(("name", "parameter"), ARRAYS)
def test_what_is_no_array_is_named(name: str, parameter: str) -> None:
    function = PUBLIC[name]
    with pytest.raises(
        InputError, match=rf"^{parameter} is a \S*Unreadable, which NumPy cannot read: can't convert it"
    ):
        function(**arguments_of(function, parameter, Unreadable()))
    with pytest.raises(InputError, match=rf"^{parameter} is a list"):
        function(**arguments_of(function, parameter, [[1.0, 2.0], [3.0]]))
    with pytest.raises(InputError, match=rf"^{parameter} is a \S*object; an array of numbers is expected"):
        function(**arguments_of(function, parameter, object()))


def swapped(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("S"))


MAKERS = {"bytes in the other order": swapped, "lists": np.ndarray.tolist, "another library": Foreign}


@pytest.mark.parametrize("maker", MAKERS)
def test_images_of_any_maker_count_as_the_same_values(maker: str) -> None:
    x, y = np.random.default_rng(0).random((2, 2, 5, 6, 3)).astype(np.float32)
    expected = image_quality.psnr(x, y, data_range=1.0)  # compiles what would take other bytes for its own
    found = image_quality.psnr(MAKERS[maker](x), y=MAKERS[maker](y), data_range=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    codes = (255 * x).astype(np.uint16)
    expected = image_quality.mae(codes, codes[::-1], data_range=255)
    np.testing.assert_allclose(
        image_quality.mae(MAKERS[maker](codes), codes[::-1], data_range=255), expected, rtol=1e-6
    )


def test_arrays_inside_of_arguments_are_made_native() -> None:
    values = np.random.default_rng(0).random((1, 2, 3, 4)).astype(np.float32)
    expected = losses.content_loss({"a": jnp.asarray(values)}, {"a": jnp.asarray(values + 1)})
    maps: tuple[Any, Any] = ({"a": swapped(values)}, {"a": Foreign(values + 1)})
    np.testing.assert_allclose(losses.content_loss(*maps), expected)
    moments = ops.feature_moments(np.eye(3))
    foreign = ops.Moments(*(swapped(np.asarray(part)) for part in moments))
    assert ops.moments_on_host(foreign).mean.dtype.isnative
    np.testing.assert_array_equal(ops.covariance(foreign), ops.covariance(moments))


def test_what_is_native_is_not_copied() -> None:
    array = np.arange(3.0)
    for value in (array, jnp.arange(3), None):
        assert as_array("x", value) is value
    assert native("x", [array, "text", 3])[0] is array


def test_traced_values_pass() -> None:
    x = jnp.zeros((1, 4, 4, 3))
    assert jax.eval_shape(lambda x: image_quality.mse(x, x, data_range=1.0), x).shape == (1,)


class Readable:
    """The arrays of `test_every_op`, as another maker would give them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.monkeypatch, self.plain = monkeypatch, test_every_op.sides

    def made_by(self, maker: Any) -> None:
        self.monkeypatch.setattr(
            test_every_op, "sides", lambda rows: {side: maker(values) for side, values in self.plain(rows).items()}
        )


def leaves(result: Any) -> list[np.ndarray]:
    return [
        np.asarray(leaf) for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array | np.ndarray | float | int)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", test_every_op.OPS)
def test_every_op_reads_bytes_in_the_other_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = leaves(test_every_op.OPS[name](30))
    Readable(monkeypatch).made_by(swapped)
    monkeypatch.setattr(test_every_op, "on_device", lambda rows: test_every_op.sides(rows))
    for found, there in zip(leaves(test_every_op.OPS[name](30)), expected, strict=True):
        np.testing.assert_allclose(found, there, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*test_every_op.DEVICE, *test_every_op.OTHERS])
def test_every_op_computes_in_float32_and_promotes_nothing(name: str) -> None:
    def dtypes() -> list[Any]:
        return [leaf.dtype for leaf in jax.tree.leaves(test_every_op.OPS[name](26)) if isinstance(leaf, jax.Array)]

    expected = dtypes()
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert dtypes() == expected
