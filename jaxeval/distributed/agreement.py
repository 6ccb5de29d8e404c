"""What processes tell one another: sums, gathered rows, and whether they do the same work.

Each is a computation that all processes run together, and gives the same bits on all of them.
"""

import hashlib
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Int, Shaped

from jaxeval.distributed._peers import exchange
from jaxeval.errors import InputError, JaxevalError

_AXIS = "process"
_EXPONENTS = 2048  # makes the binary exponent of any float64 positive
_Found = TypeVar("_Found")


def process_mesh() -> Mesh:
    """A mesh of one device of each process, in their order."""
    first = {device.process_index: device for device in reversed(jax.devices())}
    return Mesh(np.asarray([first[index] for index in sorted(first)]), (_AXIS,), axis_types=(AxisType.Auto,))


def sum_over_processes(*parts: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The sum of all parts of all processes, rounded once to float64: no process ever holds all of the summands.

    Added are integers, the parts' binary digits, some at a time. Such a sum is exact, so that neither the number of
    processes nor their order shows in it, and it needs no float64 of the backend.

    Args:
      parts: of one shape, the same on every process, as are the number of parts.

    Returns:
      The sum; where one of the parts is not finite, NaN.
    """
    rests = [np.array(part, np.float64) for part in parts]
    if jax.process_count() == 1 and len(rests) == 1:
        return rests[0]
    finite = [np.isfinite(rest) for rest in rests]
    for rest, known in zip(rests, finite, strict=True):
        rest[~known] = 0.0
    wrong = _int32_sum(np.asarray(np.sum([~known for known in finite], axis=0, dtype=np.int32)))
    summands = len(rests) * jax.process_count()
    width = 30 - summands.bit_length()  # binary digits at a time, so that their sum stays below 2^31
    exponents = [int(np.frexp(np.abs(rest).max(initial=0.0))[1]) for rest in rests]
    scale = largest(max(exponents) + _EXPONENTS) - _EXPONENTS
    sums: list[Int[np.ndarray, ...]] = []
    rests = [np.ldexp(rest, -scale) for rest in rests]  # below one
    while largest(int(any(rest.any() for rest in rests))):
        digits = np.zeros(rests[0].shape, np.int32)
        for index, rest in enumerate(rests):
            shifted = np.ldexp(rest, width)
            whole = np.rint(shifted)
            rests[index] = shifted - whole  # exact
            digits += whole.astype(np.int32)
        sums.append(_int32_sum(digits))
    # From the lowest digits on, with what rounding cuts off, so that it is rounded once, at the end.
    total, cut = np.zeros(rests[0].shape), np.zeros(rests[0].shape)
    for digits in reversed(sums):
        upper, lower = digits.astype(np.float64), np.ldexp(total, -width)
        total = upper + lower
        grown = total - upper
        cut = np.ldexp(cut, -width) + ((upper - (total - grown)) + (lower - grown))
    return np.where(wrong > 0, np.nan, np.ldexp(total + cut, scale - width))


def gather_rows(rows: Shaped[np.ndarray, "n d"]) -> Shaped[np.ndarray, "m d"]:
    """Every process's rows, in the order of the processes; for few rows, as all processes receive all of them.

    Args:
      rows: float32, float64, or of any dtype of which a row takes a multiple of four bytes; any number on each process,
        also none, of the same d.
    """
    if jax.process_count() == 1:
        return rows
    counts = _gather(np.asarray([rows.shape[0]]))[:, 0]
    padded = np.zeros((int(counts.max()), rows.shape[1]), rows.dtype)
    padded[: rows.shape[0]] = rows
    parts = _gather(padded.view(np.uint32))  # bits, since float64 would be cut to float32 on the way
    return np.concatenate([part.view(rows.dtype)[:count] for part, count in zip(parts, counts, strict=True)])


def gather_bytes(value: bytes) -> list[bytes]:
    """Every process's bytes, in the order of the processes; for short ones, as all processes receive all of them."""
    if jax.process_count() == 1:
        return [value]
    lengths = _gather(np.asarray([len(value)]))[:, 0]
    padded = np.zeros(max(int(lengths.max()), 1), np.uint8)
    padded[: len(value)] = np.frombuffer(value, np.uint8)
    return [row[:length].tobytes() for row, length in zip(_gather(padded), lengths, strict=True)]


def largest(value: int) -> int:
    """The largest of every process's numbers, for instance of the steps that each one needs."""
    return value if jax.process_count() == 1 else int(_gather(np.asarray([value])).max())


def agree_on(what: str, value: str) -> None:
    """Makes sure that all processes have the same text, for instance the same command.

    Raises:
      InputError: on every process, if one differs.
    """
    if jax.process_count() == 1:
        return
    found = gather_bytes(hashlib.sha256(value.encode()).digest())
    differing = [index for index, digest in enumerate(found) if digest != found[0]]
    if differing:
        raise InputError(
            f"process {differing[0]} has another {what} than process 0; start all processes with the same arguments "
            "and the same data"
        )


def any_process(*conditions: bool) -> tuple[bool, ...]:
    """For each of the conditions whether it holds on at least one process."""
    if jax.process_count() == 1:
        return conditions
    return tuple(bool(found) for found in _gather(np.asarray(conditions, np.int32)).max(0))


def together(work: Callable[[], _Found]) -> _Found:
    """Does each process's own work, which fails on all of them if it fails on one: nobody is left waiting.

    Args:
      work: without arguments; it must not exchange anything with the other processes.

    Returns:
      What this process's work returned.

    Raises:
      JaxevalError: the work of another process failed; the message names the process and repeats its error.
      Exception: whatever this process's own work raised.
    """
    if jax.process_count() == 1:
        return work()
    found, failure = None, None
    try:
        found = work()
    except Exception as error:  # of any kind: the others wait for this process
        failure = error
    texts = gather_bytes(b"" if failure is None else _described(failure).encode())
    if failure is not None:
        raise failure
    failed = [index for index, text in enumerate(texts) if text]
    if failed:
        code, _, text = texts[failed[0]].decode().partition(" ")
        error = JaxevalError(f"process {failed[0]} of {len(texts)} stopped: {text}")
        error.exit_code = int(code)
        error.said_elsewhere = jax.process_index() > 0
        raise error
    return found  # pyright: ignore[reportReturnType]


def _described(failure: Exception) -> str:
    if isinstance(failure, JaxevalError):
        return f"{failure.exit_code} {failure}"
    return f"1 {type(failure).__name__}: {' '.join(str(failure).split())}"


def _everywhere() -> NamedSharding:
    return NamedSharding(process_mesh(), PartitionSpec())


def _stack(part: Shaped[np.ndarray, "1 ..."]) -> jax.Array:
    return jax.make_array_from_process_local_data(NamedSharding(process_mesh(), PartitionSpec(_AXIS)), part)


def _gather(value: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "p ..."]:
    """The arrays of all processes (at most 32 bits an element), stacked along a new first axis."""
    narrow = value.astype(np.int32) if value.dtype == np.int64 else value
    with exchange():
        together = jax.jit(jnp.asarray, out_shardings=_everywhere())(_stack(narrow[None]))
        return np.asarray(together.addressable_data(0))


def _int32_sum(value: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The element-wise sum of every process's int32 values."""
    if jax.process_count() == 1:
        return value
    with exchange():
        total = jax.jit(_sum_of_parts, out_shardings=_everywhere())(_stack(value[None]))
        return np.asarray(total.addressable_data(0))


def _sum_of_parts(parts: Int[jax.Array, "p ..."]) -> Int[jax.Array, "..."]:
    return parts.sum(0, dtype=jnp.int32)
