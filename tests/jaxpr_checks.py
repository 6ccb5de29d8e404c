"""What a traced computation contains: checks that a CPU cannot make by value, since it always multiplies in full."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax import lax

# Primitives of jaxeval whose parameters are functions, not jaxprs.
_OF_FUNCTIONS = {"linear", "sloped"}
_CONTRACTIONS = {"dot_general", "conv_general_dilated", "ragged_dot", "ragged_dot_general"}


def equations(jaxpr: Any) -> Iterator[Any]:
    """Every equation of a jaxpr and of all jaxprs inside its equations' parameters."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        yield equation
        if equation.primitive.name in _OF_FUNCTIONS:
            computed = functools.partial(equation.primitive.impl, **equation.params)
            yield from equations(jax.make_jaxpr(computed)(*(variable.aval for variable in equation.invars)))
        for parameter in equation.params.values():
            for value in _flat(parameter):
                if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                    yield from equations(value)


def contractions(jaxpr: Any) -> list[Any]:
    """The equations that multiply matrices or convolve, at any depth."""
    return [equation for equation in equations(jaxpr) if equation.primitive.name in _CONTRACTIONS]


def assert_full_precision(function: Callable[..., Any], *arguments: Any, at_least: int = 1) -> None:
    """Fails unless `function` holds contractions, and all of them at `Precision.HIGHEST` on both operands."""
    found = contractions(jax.make_jaxpr(function)(*arguments))
    assert len(found) >= at_least, (
        f"{len(found)} contractions found, {at_least} expected: does the walk still see them?"
    )
    for equation in found:
        precision = equation.params["precision"]
        operands = precision if isinstance(precision, tuple) else (precision,)
        assert all(p == lax.Precision.HIGHEST for p in operands), f"precision {precision} in {equation}"


def _flat(parameter: Any) -> Iterator[Any]:
    if isinstance(parameter, (list, tuple)):
        for item in parameter:
            yield from _flat(item)
    else:
        yield parameter
