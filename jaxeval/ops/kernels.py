"""Kernels on pairs of features, and their sums over all pairs of two sets, block by block.

A squared MMD is a small difference of three means of kernel values, so a constant in the kernel only costs digits.
Here every kernel value is computed as its difference from a constant that all three means share and that cancels:
polynomial kernels as a polynomial in the deviation from the centre's own value, exponential ones by `expm1`. Pairs are
computed in float32 on the device, one block at a time, each row of a block is summed there, and everything above a
row of a block is summed in float64 on the host.
"""

import dataclasses
import functools
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxeval.errors import InputError
from jaxeval.ops._features import common_centre, device_rows, padded_size, square_block

_LARGEST = float(np.finfo(np.float32).max)
OVERFLOW = "the kernel's values overflow float32 on these features; scale the features or lower gamma"


@dataclasses.dataclass(frozen=True)
class Polynomial:
    """k(x, y) = (gamma x.y + coef0)^degree; gamma None stands for 1 / D.

    Raises:
      InputError: degree below 1 or gamma not positive.
    """

    degree: int = 3
    gamma: float | None = None
    coef0: float = 1.0

    def __post_init__(self):
        if self.degree < 1:
            raise InputError(f"degree is {self.degree}; a polynomial kernel has degree 1 or more")
        if self.gamma is not None and not (self.gamma > 0 and math.isfinite(self.gamma)):
            raise InputError(f"gamma is {self.gamma}; it must be a positive number, or None for 1 / D")


@dataclasses.dataclass(frozen=True)
class Exponential:
    """Sum over the bandwidths b of exp(-|x-y|^2 / (2 b^2)) (norm "l2") or exp(-|x-y|_1 / b) (norm "l1").

    Raises:
      InputError: no bandwidth, or one that is not positive.
    """

    bandwidths: tuple[float, ...]
    norm: Literal["l1", "l2"] = "l2"

    def __post_init__(self):
        if not self.bandwidths or not all(b > 0 and math.isfinite(b) for b in self.bandwidths):
            raise InputError(f"bandwidth is {self.bandwidths}; give positive numbers")


Kernel = Polynomial | Exponential


class PreparedSets(NamedTuple):
    """Sets of features made ready for one kernel.

    Attributes:
      form: which formula `deviations` follows.
      coefficients: the formula's constants, float32.
      rows: centred, scaled rows of each set, [P, D] float32 each, filled up with zeros to whole blocks.
      terms: what each row adds to its pairs by itself, [P] float32 each.
      counts: how many rows of each set are real.
      diagonals: for each set, the sum of the deviations of its rows paired with themselves.
    """

    form: Literal["polynomial", "l1", "l2"]
    coefficients: Float[Array, " c"]
    rows: tuple[Float[Array, "_ d"], ...]
    terms: tuple[Float[Array, " _"], ...]
    counts: tuple[int, ...]
    diagonals: tuple[float, ...]


class PairSums(NamedTuple):
    """Sums of kernel deviations over the pairs of two sets, float64.

    Attributes:
      rows: for each row of the first set, the sum over the second, [N]; a row paired with itself is left out.
      columns: for each row of the second set, the sum over the first, [M].
      squares: sum of the squared deviations.
    """

    rows: Float[np.ndarray, " n"]
    columns: Float[np.ndarray, " m"]
    squares: float


def prepare(kernel: Kernel, *sets: np.ndarray, block: int = 1) -> PreparedSets:
    """Centres and scales the sets for `kernel`; see `PreparedSets`."""
    width = sets[0].shape[1]
    centre = common_centre(*sets)
    if isinstance(kernel, Polynomial):
        form = "polynomial"
        gamma = 1.0 / width if kernel.gamma is None else kernel.gamma
        scale = math.sqrt(gamma)
        # (t + delta)^n - t^n, where t is the value at the centre, as coefficients of delta, delta^2, ...
        at_centre = gamma * float(centre @ centre) + kernel.coef0
        n = kernel.degree
        coefficients = [math.comb(n, power) * at_centre ** (n - power) for power in range(1, n + 1)]
    else:
        form = kernel.norm
        widest = max(kernel.bandwidths)
        scale = 1 / widest if form == "l1" else 1 / (math.sqrt(2) * widest)
        coefficients = [(widest / b) ** (1 if form == "l1" else 2) for b in kernel.bandwidths]
    rows, terms, diagonals = [], [], []
    for features in sets:
        size = padded_size(len(features), block)
        on_device, norms, products = device_rows(features, centre, scale, size)
        term = np.zeros(size, np.float32)
        term[: len(features)] = products if form == "polynomial" else norms
        rows.append(on_device)
        terms.append(jax.device_put(term))
        # An exponential kernel deviates by nothing where the distance is 0.
        own = np.polynomial.polynomial.polyval(norms + 2 * products, [0.0, *coefficients]).sum()
        diagonals.append(float(own) if form == "polynomial" else 0.0)
    if not max(map(abs, coefficients)) <= _LARGEST:
        raise InputError(OVERFLOW)
    constants = jax.device_put(np.array(coefficients, np.float32))
    return PreparedSets(form, constants, tuple(rows), tuple(terms), tuple(map(len, sets)), tuple(diagonals))


def deviations(
    form: Literal["polynomial", "l1", "l2"],
    coefficients: Float[Array, " c"],
    x: Float[Array, "n d"],
    x_terms: Float[Array, " n"],
    y: Float[Array, "m d"],
    y_terms: Float[Array, " m"],
) -> Float[Array, "n m"]:
    """Kernel values of all pairs of prepared rows, less the constant that an MMD cancels; float32, on the device."""
    if form == "l1":
        distances = _manhattan(x, y)
        return sum((jnp.expm1(-c * distances) for c in coefficients), start=jnp.zeros_like(distances))
    products = jnp.matmul(x, y.T, precision=lax.Precision.HIGHEST)
    if form == "l2":
        distances = jnp.maximum(x_terms[:, None] + y_terms[None, :] - 2 * products, 0)
        return sum((jnp.expm1(-c * distances) for c in coefficients), start=jnp.zeros_like(distances))
    delta = products + (x_terms[:, None] + y_terms[None, :])
    value = jnp.zeros_like(delta)
    for coefficient in coefficients[::-1]:
        value = (value + coefficient) * delta
    return value


def pair_sums(prepared: PreparedSets, first: int, second: int) -> PairSums:
    """Sums over all pairs of two prepared sets, or over all pairs of different rows of one set.

    Work is N M D (half of it within one set, whose kernel matrix is symmetric); memory is one block of pairs.

    Args:
      prepared: from `prepare` with `block` set to `_features.square_block()`.
      first: which set.
      second: which set; the same number for the pairs within one set.

    Raises:
      InputError: kernel values overflow float32.
    """
    within = first == second
    block = square_block()
    sizes = [prepared.rows[index].shape[0] for index in (first, second)]
    rows, columns = np.zeros(sizes[0]), np.zeros(sizes[1])
    squares = 0.0
    arrays = (prepared.rows[first], prepared.terms[first], prepared.rows[second], prepared.terms[second])
    counts = np.array([prepared.counts[first], prepared.counts[second]], np.int32)
    for i in range(0, sizes[0], block):
        starts = range(i if within else 0, sizes[1], block)
        strip = [
            _block_sums(
                prepared.form, block, prepared.coefficients, *arrays, counts, np.array([i, j, within], np.int32)
            )
            for j in starts
        ]
        for j, sums in zip(starts, strip, strict=True):
            by_row, by_column, square = (np.asarray(part, np.float64) for part in sums)
            rows[i : i + block] += by_row
            squares += float(square.sum())
            if not within:
                columns[j : j + block] += by_column
            elif j > i:  # the block on the other side of the diagonal
                rows[j : j + block] += by_column
                squares += float(square.sum())
    if not np.isfinite(squares):
        raise InputError(OVERFLOW)
    rows = rows[: counts[0]]
    return PairSums(rows, rows if within else columns[: counts[1]], squares)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _block_sums(
    form: Literal["polynomial", "l1", "l2"],
    block: int,
    coefficients: Float[Array, " c"],
    x: Float[Array, "n d"],
    x_terms: Float[Array, " n"],
    y: Float[Array, "m d"],
    y_terms: Float[Array, " m"],
    counts: Int[Array, "2"],
    place: Int[Array, "3"],
) -> tuple[Float[Array, " b"], Float[Array, " b"], Float[Array, " b"]]:
    i, j, within = place[0], place[1], place[2]
    part = [lax.dynamic_slice_in_dim(array, i, block) for array in (x, x_terms)]
    part += [lax.dynamic_slice_in_dim(array, j, block) for array in (y, y_terms)]
    row, column = i + jnp.arange(block, dtype=jnp.int32), j + jnp.arange(block, dtype=jnp.int32)
    counted = (row < counts[0])[:, None] & (column < counts[1])[None, :]
    counted &= (row[:, None] != column[None, :]) | (within == 0)
    values = jnp.where(counted, deviations(form, coefficients, *part), 0)
    return values.sum(1), values.sum(0), jnp.square(values).sum(1)


def _manhattan(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Float[Array, "n m"]:
    def row(one: Float[Array, " d"]) -> Float[Array, " m"]:
        return jnp.abs(one[:, None] - columns).sum(0)

    columns = y.T
    return lax.map(row, x)
