"""A program that was written for float32, evaluated in float64 on the host.

Jaxeval's device ops make float32 of whatever they are given, so that float64 arguments alone change nothing. Here the
traced program is evaluated again, operation by operation, with float64 in the place of every float32. What reads the
bits of a float32 still does, on the value rounded to it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

_WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}
_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where a call of another program keeps it


@contextlib.contextmanager
def float64_on_the_host() -> Iterator[None]:
    """Within it arrays are float64 by default and live on the CPU, beside whatever accelerator there is."""
    with jax.enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def in_float64(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` of the arguments would be if all of its float32 were float64: NumPy arrays.

    Raises:
      TypeError: the function goes down to another precision than float32.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    leaves = [np.asarray(part) for part in jax.tree.leaves(arguments)]
    with float64_on_the_host():
        wide = [jnp.asarray(part, _wide_dtype(part.dtype)) for part in leaves]
        constants = [jnp.asarray(np.asarray(part), _wide_dtype(np.asarray(part).dtype)) for part in closed.consts]
        run = jax.jit(lambda constants, *values: _evaluated(closed.jaxpr, constants, values))
        options: Any = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
        found = run.lower(constants, *wide).compile(compiler_options=options)(constants, *wide)
        found = [np.asarray(part) for part in found]
    narrow = sorted({part.dtype.name for part in found if jnp.issubdtype(part.dtype, jnp.floating)} - {"float64"})
    if narrow:
        raise TypeError(f"a value that was to be float64 came out as {', '.join(narrow)}")
    return jax.tree.unflatten(jax.tree.structure(shape), found)


def _wide_dtype(dtype: Any) -> Any:
    return _WIDER.get(np.dtype(dtype), dtype) if isinstance(dtype, (np.dtype, type)) else dtype


def _is_float32(atom: Any) -> bool:
    return getattr(atom.aval, "dtype", None) == np.float32


def _evaluated(jaxpr: Any, constants: Any, values: Any) -> list[Any]:
    known: dict[Any, Any] = {**dict(zip(jaxpr.constvars, constants, strict=True))}
    known |= dict(zip(jaxpr.invars, values, strict=True))

    def value_of(atom: Any) -> Any:
        if isinstance(atom, core.Literal):
            kind: Any = atom.aval
            return jnp.asarray(np.asarray(atom.val), _wide_dtype(kind.dtype))
        return known[atom]

    for equation in jaxpr.eqns:
        found = _one(equation, [value_of(atom) for atom in equation.invars])
        known |= dict(zip(equation.outvars, found, strict=True))
    return [value_of(atom) for atom in jaxpr.outvars]


def _called(program: Any) -> Callable[..., list[Any]]:
    """A program within a program, as a function."""
    constants = [np.asarray(part) for part in getattr(program, "consts", ())]
    widened = [jnp.asarray(part, _wide_dtype(part.dtype)) for part in constants]
    return lambda *values: _evaluated(getattr(program, "jaxpr", program), widened, values)


def _one(equation: Any, values: list[Any]) -> list[Any]:
    """One operation's results."""
    name, given = equation.primitive.name, equation.params
    if name == "scan":
        return _scan(given, values)
    if name == "while":
        return _while(given, values)
    if name == "cond":
        index, *operands = values
        return list(lax.switch(index, [_called(branch) for branch in given["branches"]], *operands))
    if name == "reduce_precision" and _is_float32(equation.invars[0]) and given["mantissa_bits"] >= 23:
        return values
    if name == "bitcast_convert_type":
        narrow = [value.astype(np.float32) if value.dtype == np.float64 else value for value in values]
        found = lax.bitcast_convert_type(narrow[0], given["new_dtype"])
        return [found.astype(np.float64) if found.dtype == np.float32 else found]
    inner = next((given[key] for key in _CALLS if key in given), None)
    if inner is not None:
        return _called(inner)(*values)
    changed = {key: _wide_dtype(value) for key, value in given.items()}
    found = equation.primitive.bind(*values, **changed)
    return list(found) if equation.primitive.multiple_results else [found]


def _scan(given: dict[str, Any], values: list[Any]) -> list[Any]:
    if "ft_in" in given:  # from jax 0.11
        constants, carried, rows = map(list, given["ft_in"].update(values).unpack())
    else:
        split = given["num_consts"], given["num_consts"] + given["num_carry"]
        constants, carried, rows = values[: split[0]], values[split[0] : split[1]], values[split[1] :]
    body = _called(given["jaxpr"])

    def step(carried: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        found = body(*constants, *carried, *row)
        return found[: len(carried)], found[len(carried) :]

    last, found = lax.scan(step, carried, rows, length=given["length"], reverse=given["reverse"])
    return [*last, *found]


def _while(given: dict[str, Any], values: list[Any]) -> list[Any]:
    split = given["cond_nconsts"], given["cond_nconsts"] + given["body_nconsts"]
    for_test, for_body, carried = values[: split[0]], values[split[0] : split[1]], values[split[1] :]
    test, body = _called(given["cond_jaxpr"]), _called(given["body_jaxpr"])
    return lax.while_loop(lambda state: test(*for_test, *state)[0], lambda state: body(*for_body, *state), carried)
