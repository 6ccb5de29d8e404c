"""Functions that say what their derivative is: any order and direction, in whatever transforms them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, PartitionSpec

from jaxeval.ops._derivatives import filled, linear, sloped
from jaxeval.ops._error_free import settled

X = np.linspace(0.5, 2.0, 4).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Drop:
    """constants * operands without the first."""

    def __call__(self, constants, operands):
        return (constants[0][1:] * operands[0][1:],)


@dataclasses.dataclass(frozen=True)
class Undrop:
    def __call__(self, constants, cotangents):
        return (constants[0] * jnp.concatenate([jnp.zeros_like(cotangents[0][:1]), cotangents[0]]),)


def by_linear(x):
    return (linear(Drop(), Undrop(), (x,), (jnp.sin(x),))[0] ** 2).sum()


def plain_linear(x):
    return ((jnp.sin(x[1:]) * x[1:]) ** 2).sum()


def cosine(arguments):
    # As a loop, which has no derivative in reverse by itself.
    return (lax.fori_loop(0, jnp.int32(1), lambda _, x: jnp.cos(x), arguments[0]),)


def sine(arguments):
    return (lax.fori_loop(0, jnp.int32(1), lambda _, x: jnp.sin(x), arguments[0]),)


def slope_of_cosine(arguments, _, tangents):
    return (-sloped(sine, slope_of_sine, arguments)[0] * filled(arguments, tangents)[0],)


def slope_of_sine(arguments, _, tangents):
    return (sloped(cosine, slope_of_cosine, arguments)[0] * filled(arguments, tangents)[0],)


def by_slope(x):
    return (x * sloped(cosine, slope_of_cosine, (x,))[0]).sum()


def plain_slope(x):
    return (x * jnp.cos(x)).sum()


def over_devices(function):
    mesh = jax.make_mesh((2,), ("row",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    return lambda rows: jax.jit(
        jax.shard_map(
            lambda row: function(row[0])[None], mesh=mesh, in_specs=PartitionSpec("row"), out_specs=PartitionSpec("row")
        )
    )(rows)


WAYS: dict[str, Callable[..., Any]] = {
    "jit": lambda f: lambda rows: jnp.stack([jax.jit(f)(row) for row in rows]),
    "vmap": jax.vmap,
    "map": lambda f: functools.partial(lax.map, f),
    "shard_map": over_devices,
    "pmap": jax.pmap,
}
# What is differentiated: a loop and a checkpoint take a derivative apart into what is known and what is not.
INSIDE: dict[str, Callable[..., Any]] = {
    "as it is": lambda f: f,
    "in a loop": lambda f: lambda x: lax.scan(lambda total, scale: (total + f(scale * x), None), 0.0, jnp.ones(1))[0],
    "in a checkpoint": jax.checkpoint,
}
ORDERS: dict[str, Callable[..., Any]] = {
    "reverse": jax.grad,
    "forward over reverse": lambda f: lambda x: jax.jvp(jax.grad(f), (x,), (x,))[1],
    "reverse over reverse": lambda f: jax.grad(lambda x: jnp.vdot(jax.grad(f)(x), x)),
    "forward over forward": lambda f: lambda x: jax.jvp(lambda x: jax.jvp(f, (x,), (x,))[1], (x,), (x,))[1][None],
    "reverse over forward": lambda f: jax.grad(lambda x: jax.jvp(f, (x,), (x,))[1]),
    "third": lambda f: jax.grad(lambda x: jnp.vdot(jax.jvp(jax.grad(f), (x,), (x,))[1], x)),
}
PAIRS = {"linear": (by_linear, plain_linear), "sloped": (by_slope, plain_slope)}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_are_those_of_the_plain_function(pair: str, inside: str, order: str) -> None:
    ours, plain = (jax.jit(ORDERS[order](INSIDE[inside](f))) for f in PAIRS[pair])
    np.testing.assert_allclose(ours(X), plain(X), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_running_gives_the_same_derivatives(pair: str, way: str) -> None:
    rows = jnp.stack([X, 2 * X])
    ours, plain = (ORDERS["forward over reverse"](f) for f in PAIRS[pair])
    np.testing.assert_allclose(WAYS[way](ours)(rows), jax.vmap(plain)(rows), rtol=2e-5, atol=1e-5)


def test_only_constants_or_only_operands_may_be_mapped() -> None:
    def product(scale, x):
        return linear(Drop(), Undrop(), (x,), (scale,))[0].sum()

    rows = jnp.stack([X, 2 * X])
    for axes in ((0, None), (None, 0), (0, 0)):
        given = tuple(rows if axis == 0 else X for axis in axes)
        found = jax.vmap(jax.grad(product, argnums=1), in_axes=axes)(*given)
        expected = jnp.broadcast_to(given[0], (2, 4)).at[:, 0].set(0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("inside", INSIDE)
def test_a_settled_number_has_the_derivatives_of_the_number(inside: str) -> None:
    ours, plain = (INSIDE[inside](lambda x, f=f: jnp.sin(f(x * x)).sum()) for f in (settled, lambda x: x))
    for order in ("reverse", "forward over reverse"):
        found, expected = (jax.jit(ORDERS[order](f))(X) for f in (ours, plain))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
