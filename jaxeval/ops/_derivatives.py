"""Functions that say what their derivative is, in every order, forward and in reverse.

`jax.custom_vjp` gives a function a gradient of its own and takes its forward derivatives away. `jax.custom_jvp` keeps
both, but where a loop or a checkpoint is differentiated JAX keeps the function's body and forgets its rule, so that a
derivative of the gradient is that of the body: slow to compile, or wrong where the body has none, as of bits or of
eigenvectors. And a derivative that JAX makes by itself can be transposed, but into a program that may run and compile
many times as long. The two primitives here are kept as they are by whatever transforms them:

- `linear`: a linear map and its transpose. The transpose of the transpose is the map again.
- `sloped`: a function and its derivative, which may be made of linear maps and of such functions.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from jaxeval._arrays import AnyArray

Arrays = tuple[Array, ...]
Tangents = tuple[Array | None, ...]  # None: zero, whatever happens
Map = Callable[[Arrays, Arrays], Arrays]
Function = Callable[[Arrays], Arrays]
Slope = Callable[[Arrays, Arrays, Tangents], Arrays]


def linear(
    forward: Map,
    transpose: Map,
    operands: Sequence[AnyArray],
    constants: Sequence[AnyArray] = (),
) -> Arrays:
    """`forward(constants, operands)`, which is linear in the operands and whose transpose is `transpose`.

    The derivative with respect to the constants is that of `forward`.

    Args:
      forward: takes two tuples of arrays and returns one. To be compiled once it must be equal to itself when it is
        made again: a function of a module, or a frozen dataclass with `__call__`.
      transpose: of the same kind: takes the constants and one cotangent for each result of `forward`, and returns one
        cotangent for each operand.
      operands: in which both are linear.
      constants: in which they need not be.
    """
    how = {"forward": forward, "transpose": transpose, "constants": len(constants)}
    return tuple(_linear_p.bind(*map(jnp.asarray, (*constants, *operands)), **how))


def sloped(function: Function, slope: Slope, arguments: Sequence[AnyArray]) -> Arrays:
    """`function(arguments)`, whose derivative is `slope(arguments, values, tangents)`.

    Args:
      function: takes a tuple of arrays and returns one; of the kind of `linear`'s `forward`.
      slope: of that kind too: takes the arguments, the values there and a tangent for each argument, and returns one
        for each value, linear in the tangents. Its own derivatives are taken as it stands, those of the values by
        `slope` again.
      arguments: of the function.
    """
    return tuple(_sloped_p.bind(*map(jnp.asarray, arguments), function=function, slope=slope))


def filled(arguments: Sequence[Array], tangents: Tangents) -> Arrays:
    """Tangents with zeros where there are none."""
    return tuple(jnp.zeros_like(a) if t is None else t for a, t in zip(arguments, tangents, strict=True))


def _primitive(
    name: str, call: Callable[..., Arrays], jvp: Callable[..., Any], batched: Callable[..., Any]
) -> Primitive:
    made = Primitive(name)
    made.multiple_results = True
    made.def_impl(call)
    made.def_abstract_eval(lambda *types, **how: jax.make_jaxpr(lambda *a: call(*a, **how))(*types).out_avals)
    ad.primitive_jvps[made] = jvp
    batching.primitive_batchers[made] = batched
    mlir.register_lowering(made, mlir.lower_fun(call, multiple_results=True))
    return made


def _first(arrays: Sequence[Array], axes: Sequence[int | None]) -> list[Array]:
    """Arrays mapped over their first axis, also those that were not mapped."""
    size = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
    return [
        jnp.broadcast_to(array, (size, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    ]


def _given(tangents: Sequence[Any]) -> Tangents:
    return tuple(None if isinstance(t, ad.Zero) else t for t in tangents)


# A linear map.


def _call_linear(*arrays: Array, forward: Map, constants: int, **_: Any) -> Arrays:
    return tuple(forward(arrays[:constants], arrays[constants:]))


def _jvp_linear(
    arrays: Sequence[Array], tangents: Sequence[Any], *, forward: Map, transpose: Map, constants: int
) -> Any:
    fixed, operands = tuple(arrays[:constants]), tuple(arrays[constants:])
    of_fixed, of_operands = _given(tangents[:constants]), _given(tangents[constants:])
    values = linear(forward, transpose, operands, fixed)
    found = tuple(jnp.zeros_like(value) for value in values)
    if any(t is not None for t in of_operands):
        found = linear(forward, transpose, filled(operands, of_operands), fixed)
    if any(t is not None for t in of_fixed):
        _, moved = jax.jvp(lambda *now: tuple(forward(now, operands)), fixed, filled(fixed, of_fixed))
        found = tuple(a + b for a, b in zip(found, moved, strict=True))
    return values, found


def _transposed_linear(
    cotangents: Sequence[Any], *arrays: Any, forward: Map, transpose: Map, constants: int
) -> list[Any]:
    given = [ad.instantiate_zeros(c) for c in cotangents]
    return [None] * constants + list(linear(transpose, forward, given, arrays[:constants]))


@dataclasses.dataclass(frozen=True)
class _MappedLinear:
    one: Map
    axes: tuple[int | None, ...]  # of the constants

    def __call__(self, constants: Arrays, operands: Arrays) -> Arrays:
        return jax.vmap(self.one, in_axes=(self.axes, 0))(constants, operands)


def _batched_linear(
    arrays: Sequence[Array],
    axes: Sequence[int | None],
    *,
    forward: Map,
    transpose: Map,
    constants: int,
) -> Any:
    # Operands are mapped together, since the transpose returns a cotangent for each of them and each row.
    rows = _first([*arrays[constants:], *arrays[:constants]], [*axes[constants:], *axes[:constants]])
    operands = rows[: len(arrays) - constants]
    of_constants = tuple(axes[:constants])
    one, back = (_MappedLinear(each, of_constants) for each in (forward, transpose))
    results = linear(one, back, operands, arrays[:constants])
    return results, [0] * len(results)


_linear_p = _primitive("linear", _call_linear, _jvp_linear, _batched_linear)
ad.primitive_transposes[_linear_p] = _transposed_linear


# A function with its derivative.


def _call_sloped(*arguments: Array, function: Function, **_: Any) -> Arrays:
    return tuple(function(arguments))


def _jvp_sloped(arguments: Sequence[Array], tangents: Sequence[Any], *, function: Function, slope: Slope) -> Any:
    values = sloped(function, slope, arguments)
    return values, slope(tuple(arguments), values, _given(tangents))


@dataclasses.dataclass(frozen=True)
class _MappedFunction:
    one: Function

    def __call__(self, arguments: Arrays) -> Arrays:
        return jax.vmap(self.one)(arguments)


@dataclasses.dataclass(frozen=True)
class _MappedSlope:
    one: Slope

    def __call__(self, arguments: Arrays, values: Arrays, tangents: Tangents) -> Arrays:
        return jax.vmap(self.one)(arguments, values, tangents)


def _batched_sloped(arguments: Sequence[Array], axes: Sequence[int | None], *, function: Function, slope: Slope) -> Any:
    rows = _first(arguments, axes)
    results = sloped(_MappedFunction(function), _MappedSlope(slope), rows)
    return results, [0] * len(results)


_sloped_p = _primitive("sloped", _call_sloped, _jvp_sloped, _batched_sloped)
