"""Kernel (Inception) distance as its reference implementations compute it: the mean over random subsets.

Reference: Binkowski et al., "Demystifying MMD GANs", ICLR 2018.
"""

import functools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxeval.errors import InputError
from jaxeval.ops._arrays import Numbers
from jaxeval.ops._features import feature_pair
from jaxeval.ops._torch_random import torch_permutation
from jaxeval.ops.kernels import OVERFLOW, Exponential, Polynomial, PreparedSets, deviations, prepare

__all__ = ["KernelDistance", "SubsetRule", "kid", "subset_indices"]

SubsetRule = Literal["torch-fidelity", "clean-fid", "dgm-eval", "torchmetrics"]

# Rows of the pooled subset's kernel matrix that one product fills; nothing left of its diagonal block is computed.
_STRIP = 250


class KernelDistance(NamedTuple):
    """Mean and standard deviation (ddof 0) of the unbiased squared discrepancy over the subsets."""

    mean: float
    std: float


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
      subsets: how many.
      subset_size: rows of either set in a subset, drawn without replacement.
      degree: of the kernel (gamma x.y + coef0)^degree.
      gamma: see degree; None is 1 / D.
      coef0: see degree.
      seed: of the draws.
      rule: whose draws.
      kernel: "rbf" for torch-fidelity's variant exp(-|x-y|^2 / (2 bandwidth^2)).
      bandwidth: of the "rbf" kernel.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set is too small.
    """
    rows = feature_pair(reference, generated)
    if kernel not in ("polynomial", "rbf"):
        raise InputError(f"kernel is {kernel!r}; choose polynomial or rbf")
    chosen = Polynomial(degree, gamma, coef0) if kernel == "polynomial" else Exponential((bandwidth,))
    draws = subset_indices(len(rows[0]), len(rows[1]), subsets, subset_size, seed, rule)
    prepared = prepare(chosen, *rows)
    values = np.array([_unbiased(prepared, *indices) for indices in draws])
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
      seed: of the draws.
      rule: whose draws.

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
            row, column = jnp.arange(own.shape[0])[:, None], jnp.arange(own.shape[1])[None, :]
            weight = jnp.where(row == column, 0.0, jnp.where(column < stop - start, 1.0, 2.0))
            within.append((own * weight).sum(1))
            if owner == 0:
                across.append(values[:, size - start :].sum(1))
    return jnp.concatenate(within), jnp.concatenate(across)
