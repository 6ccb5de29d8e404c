"""What a table of documented default values is made of, and how a test sees each of them.

A default value is seen if leaving the argument out is giving the documented value, and giving another one is not.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from compilation import quick_compilation

from jaxeval.errors import InputError


class Default(NamedTuple):
    """A documented value.

    Attributes:
      value: what is documented.
      others: values whose results differ from its own; none where no input can tell (a bound that is never reached).
      given: arguments beside the example's (or in their place) that make the difference visible.
    """

    value: Any
    others: tuple[Any, ...]
    given: Mapping[str, Any] = {}


class Example(NamedTuple):
    """A function, arguments for it, and the documented value of each parameter that may be left out."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    defaults: Mapping[str, Default]


def defaults_of(table: Mapping[str, Example], *names: str) -> pytest.MarkDecorator:
    """Parametrizes a test by `example` and `parameter`: each default value of the functions that are named."""
    cases = [(name, parameter) for name in names for parameter in table[name].defaults]
    return pytest.mark.parametrize(
        ("example", "parameter"),
        [(table[name], parameter) for name, parameter in cases],
        ids=[f"{name}-{parameter}" for name, parameter in cases],
    )


def assert_default(example: Example, parameter: str) -> None:
    """Fails unless a call without the argument is one with the documented value, and no call with another value."""
    value, others, given = example.defaults[parameter]
    assert inspect.signature(example.function).parameters[parameter].default == value
    arguments = {name: of for name, of in {**example.arguments, **given}.items() if name != parameter}
    with quick_compilation():
        left_out = _outcome(example.function, arguments)
        assert _same(left_out, _outcome(example.function, {**arguments, parameter: value})), f"{parameter}={value!r}"
        for other in others:
            found = _outcome(example.function, {**arguments, parameter: other})
            assert not _same(left_out, found), f"{parameter}={other!r} gives what {value!r} gives"


def assert_complete(name: str, example: Example, inputs: frozenset[str] = frozenset()) -> None:
    """Fails unless the table has each parameter that may be left out, with its value; `inputs` are data, not values."""
    parameters = inspect.signature(example.function).parameters.values()
    optional = {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in inputs}
    assert optional == {parameter: default.value for parameter, default in example.defaults.items()}, name


def _outcome(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """The result, or what an InputError says: a threshold may decide between the two."""
    try:
        return function(**arguments)
    except InputError as error:
        return str(error)


def _same(one: Any, other: Any) -> bool:
    ours, theirs = jax.tree.leaves(one), jax.tree.leaves(other)
    return len(ours) == len(theirs) and all(
        isinstance(a, jax.Array) == isinstance(b, jax.Array) and _equal(np.asarray(a), np.asarray(b))
        for a, b in zip(ours, theirs, strict=True)
    )


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
