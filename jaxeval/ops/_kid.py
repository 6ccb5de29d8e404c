"""Kernel (Inception) distance as its reference implementations compute it: the mean over random subsets.

Where all pairs of rows are less work than all subsets together, as with 100 subsets of 1,000 out of 5,000, each pair is
computed once, and what the subsets take of it is a product with their membership.

Reference: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, square_block
from jaxeval.ops._torch_random import torch_permutation
from jaxeval.ops.kernels import OVERFLOW, Exponential, Polynomial, PreparedSets, deviations, prepare

SubsetRule = Literal["torch-fidelity", "clean-fid", "dgm-eval", "torchmetrics"]

# Rows of the pooled subset's kernel matrix that one product fills; nothing left of its diagonal block is computed.
_STRIP = 250
# How much longer a pair takes where its rows have to be gathered first; measured on a CPU.
_GATHERING = 1.15


class KernelDistance(NamedTuple):
    """Mean and standard deviation (ddof 0) of the unbiased squared discrepancy over the subsets.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> distance = ops.kid(reference=reference, generated=generated + 1, subsets=10, subset_size=50)
      >>> round(distance.mean, 2), round(distance.std, 2)
      (8.34, 1.08)
    """

    mean: float
    std: float


@takes_arrays
def kid(
    *,
    reference: Numbers,
    generated: Numbers,
    subsets: int = 100,
    subset_size: int = 1000,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    seed: int = 2020,
    rule: SubsetRule | str = "torch-fidelity",
    kernel: Literal["polynomial", "rbf"] | str = "polynomial",
    bandwidth: float = 10.0,
) -> KernelDistance:
    """Kernel distance: the mean over random subsets of the unbiased squared maximum mean discrepancy.

    The rules draw the same rows as their namesakes:

    - "torch-fidelity": `RandomState(seed)`, generated rows first; an error if a set is smaller than a subset;
    - "clean-fid" (and StyleGAN3): the same draws as after `numpy.random.seed(seed)`; subsets shrink to the smaller set;
    - "dgm-eval": as clean-fid, reference rows first;
    - "torchmetrics": the permutations of torch after `torch.manual_seed(seed)`, reference rows first; an error if a set
      is smaller than a subset.

    Args:
      reference: shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      subsets: number of subsets.
      subset_size: rows of either set in a subset, drawn without replacement.
      degree: degree of the polynomial kernel (gamma x.y + coef0)^degree.
      gamma: factor of the inner product in that kernel; None stands for 1 / D.
      coef0: constant that is added to it.
      seed: seeds the draws.
      rule: the implementation whose draws are made.
      kernel: "rbf" for torch-fidelity's variant exp(-|x-y|^2 / (2 bandwidth^2)).
      bandwidth: bandwidth of the "rbf" kernel.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set is too small.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> distance = ops.kid(reference=reference, generated=generated, subsets=10, subset_size=50)
      >>> round(distance.mean, 3), round(distance.std, 3)
      (-0.042, 0.065)
    """
    rows = feature_pair(reference, generated)
    if kernel not in ("polynomial", "rbf"):
        raise InputError(f"kernel is {kernel!r}; choose polynomial or rbf")
    chosen = Polynomial(degree, gamma, coef0) if kernel == "polynomial" else Exponential((bandwidth,))
    draws = subset_indices(len(rows[0]), len(rows[1]), subsets, subset_size, seed, rule)
    prepared = prepare(chosen, *rows)
    route = _from_all_pairs if _all_pairs_are_less(*rows, draws) else _from_each_subset
    values = route(prepared, draws)
    if not np.isfinite(values).all():
        raise InputError(OVERFLOW)
    return KernelDistance(float(values.mean()), float(values.std()))


def subset_indices(
    n: int, m: int, subsets: int, subset_size: int, seed: int, rule: SubsetRule | str
) -> list[tuple[Int[np.ndarray, " s"], Int[np.ndarray, " s"]]]:
    """Row numbers of each subset, (reference, generated), as the rule's implementation draws them.

    Args:
      n: number of reference rows.
      m: number of generated rows.
      subsets: see `kid`, as for the rest.
      subset_size: rows of either set in a subset.
      seed: seeds the draws.
      rule: the implementation whose draws are made.

    Raises:
      InputError: a number is too small, or an unknown rule.
    """
    if rule not in ("torch-fidelity", "clean-fid", "dgm-eval", "torchmetrics"):
        raise InputError(f"rule is {rule!r}; choose torch-fidelity, clean-fid, dgm-eval or torchmetrics")
    if subsets < 1 or subset_size < 2:
        raise InputError(f"subsets is {subsets} and subset_size {subset_size}; at least 1 subset of 2 rows is needed")
    if rule in ("clean-fid", "dgm-eval"):
        subset_size = min(n, m, subset_size)
    if min(n, m) < max(subset_size, 2):
        raise InputError(
            f"subset_size is {subset_size}, but reference has {n} rows and generated {m}; "
            "pass a smaller subset_size or more samples"
        )
    return list(_draws(n, m, subsets, subset_size, np.random.RandomState(seed), rule))


def _draws(
    n: int, m: int, subsets: int, size: int, state: np.random.RandomState, rule: SubsetRule
) -> Iterator[tuple[Int[np.ndarray, " s"], Int[np.ndarray, " s"]]]:
    for _ in range(subsets):
        if rule == "torchmetrics":
            yield torch_permutation(state, n, size), torch_permutation(state, m, size)
        elif rule == "dgm-eval":
            first = state.choice(n, size, replace=False)
            yield first, state.choice(m, size, replace=False)
        else:
            first = state.choice(m, size, replace=False)
            yield state.choice(n, size, replace=False), first


_Draws = Sequence[tuple[Int[np.ndarray, " s"], Int[np.ndarray, " s"]]]


def _all_pairs_are_less(reference: np.ndarray, generated: np.ndarray, draws: _Draws) -> bool:
    """Whether all pairs, and their products with every subset's membership, are less work than the subsets' pairs."""
    (n, width), m, size = reference.shape, len(generated), len(draws[0][0])
    of_all = (n * n / 2 + m * m / 2 + n * m) * (width + len(draws))
    return of_all < _GATHERING * len(draws) * 2 * size * size * width


def _from_each_subset(prepared: PreparedSets, draws: _Draws) -> Float[np.ndarray, " subsets"]:
    return np.array([_unbiased(prepared, *indices) for indices in draws])


def _from_all_pairs(prepared: PreparedSets, draws: _Draws) -> Float[np.ndarray, " subsets"]:
    """As `_from_each_subset`: the sum of a subset's pairs is m^T K m, with 1 in m for its rows and 0 for the others."""
    sides = [_in_blocks(prepared, side, [indices[side] for indices in draws]) for side in (0, 1)]
    within, across = np.zeros(len(draws)), np.zeros(len(draws))
    for first, second in ((0, 0), (1, 1), (0, 1)):
        same = first == second
        for i, x in enumerate(sides[first]):
            strip = [
                _member_sums(prepared.form, prepared.coefficients, x, y, np.bool_(same and j == i))
                for j, y in enumerate(sides[second])
                if not same or j >= i
            ]
            # A block beside the diagonal stands for its mirror image too.
            sums = [(2 if same and j else 1) * np.asarray(part, np.float64).sum(0) for j, part in enumerate(strip)]
            (within if same else across)[...] += np.sum(sums, axis=0)
    size = len(draws[0][0])
    return within / (size * (size - 1)) - 2 * across / size**2


_Block = tuple[Float[Array, "_ d"], Float[Array, " _"], Float[Array, "_ subsets"]]


def _in_blocks(prepared: PreparedSets, side: int, subsets: Sequence[Int[np.ndarray, " s"]]) -> list[_Block]:
    """Rows, terms and membership in blocks of one size, filled up with rows that are in no subset."""
    count = prepared.counts[side]
    blocks = -(-count // square_block())
    size = -(-count // blocks)
    members = np.zeros((blocks * size, len(subsets)), np.float32)
    for number, indices in enumerate(subsets):
        members[indices, number] = 1.0
    missing = blocks * size - count
    rows, terms = (
        jnp.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1))
        for part in (prepared.rows[side], prepared.terms[side])
    )
    on_device = jax.device_put(members)
    parts = [slice(start, start + size) for start in range(0, len(members), size)]
    return [(rows[part], terms[part], on_device[part]) for part in parts]


@functools.partial(jax.jit, static_argnums=0)
def _member_sums(
    form: Literal["polynomial", "l1", "l2"],
    coefficients: Float[Array, " c"],
    x: _Block,
    y: _Block,
    diagonal: Bool[Array, ""] | np.bool_,
) -> Float[Array, "_ subsets"]:
    """For each row of x, the sum over each subset's rows of y, where the subset holds the row itself."""
    values = deviations(form, coefficients, *x[:2], *y[:2])
    values = jnp.where(diagonal & jnp.eye(*values.shape, dtype=bool), 0.0, values)
    return x[2] * jnp.matmul(values, y[2], precision=lax.Precision.HIGHEST)


def _unbiased(prepared: PreparedSets, reference: Int[np.ndarray, " s"], generated: Int[np.ndarray, " s"]) -> float:
    rows, terms = prepared.rows, prepared.terms
    x = (rows[0], terms[0], reference.astype(np.int32))
    y = (rows[1], terms[1], generated.astype(np.int32))
    within, across = _subset_sums(prepared.form, prepared.coefficients, x, y)
    size = len(reference)
    total_within, total_across = (float(np.asarray(part, np.float64).sum()) for part in (within, across))
    return total_within / (size * (size - 1)) - 2 * total_across / size**2


_Set = tuple[Float[Array, "_ d"], Float[Array, " _"], Int[np.ndarray | Array, " s"]]


@functools.partial(jax.jit, static_argnums=0)
def _subset_sums(
    form: Literal["polynomial", "l1", "l2"], coefficients: Float[Array, " c"], x: _Set, y: _Set
) -> tuple[Float[Array, " 2*s"], Float[Array, " s"]]:
    """For each row of the pooled subset, its sums over different rows of its own set and over the other set."""
    size = x[2].shape[0]
    rows = jnp.concatenate([x[0][x[2]], y[0][y[2]]])
    terms = jnp.concatenate([x[1][x[2]], y[1][y[2]]])
    within, across = [], []
    for owner in (0, size):
        for start in range(owner, owner + size, _STRIP):
            stop = min(start + _STRIP, owner + size)
            values = deviations(form, coefficients, rows[start:stop], terms[start:stop], rows[start:], terms[start:])
            own = values[:, : owner + size - start]
            # Pairs right of the diagonal block stand for their mirror images too.
            row, column = (
                jnp.arange(own.shape[0], dtype=jnp.int32)[:, None],
                jnp.arange(own.shape[1], dtype=jnp.int32)[None, :],
            )
            weight = jnp.where(row == column, 0.0, jnp.where(column < stop - start, 1.0, 2.0))
            within.append((own * weight).sum(1))
            if owner == 0:
                across.append(values[:, size - start :].sum(1))
    return jnp.concatenate(within), jnp.concatenate(across)
