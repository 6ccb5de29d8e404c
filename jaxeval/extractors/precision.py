"""At which precision networks multiply matrices: in full float32, unless a caller asks for less.

On a CPU every precision is full float32. A TPU multiplies in bfloat16 by `default` (products of 8 bits), in three
passes of it by `high`, in six by `highest`; a GPU may use TF32 (11 bits) by `default`. It is what networks of other JAX
code run with where that names no precision, so that its numbers can be had again on the same hardware.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from jaxeval._arguments import shown
from jaxeval.errors import InputError

Precision = Literal["default", "high", "highest"]
PRECISIONS: tuple[Precision, ...] = ("default", "high", "highest")

_NAMED = {
    "default": lax.Precision.DEFAULT,
    "high": lax.Precision.HIGH,
    "highest": lax.Precision.HIGHEST,
}
_current: contextvars.ContextVar[Precision] = contextvars.ContextVar("precision", default="highest")


def network_precision() -> lax.Precision:
    """What a layer gives its contractions as `precision=`, at the time when it is traced."""
    return _NAMED[_current.get()]


@contextlib.contextmanager
def contractions_at(precision: Precision) -> Iterator[None]:
    """Has networks that are traced within multiply at this precision, and functions of users too that name none."""
    token = _current.set(precision)
    try:
        with jax.default_matmul_precision(precision):
            yield
    finally:
        _current.reset(token)


def in_float32(params: Any) -> Any:
    """Parameters as networks compute with them: those kept in 16 bits, for half the memory, are widened first."""

    def widened(leaf: Any) -> Any:
        short = jnp.issubdtype(leaf.dtype, jnp.floating) and jnp.finfo(leaf.dtype).bits < 32
        return leaf.astype(jnp.float32) if short else leaf

    return jax.tree.map(widened, params)


def check_precision(name: str, precision: object) -> Precision:
    """The precision; raises InputError if it is none."""
    if precision not in PRECISIONS:
        raise InputError(f"{name} is {shown(precision)}; choose {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")
    return precision  # pyright: ignore[reportReturnType]
