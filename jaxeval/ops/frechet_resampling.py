"""Bias and standard error of a Fréchet distance by leaving out groups of rows, and the difference of two distances.

Everything is a merge of moments, so a replicate costs one evaluation of the distance and no pass over the rows. The
jackknife assumes neither a distribution nor that the rows outnumber the features (`frechet_uncertainty`, which is
faster, wants several times as many): measured for normal features, its bias is right to 1% from N = 2.3 d on, its error
at any N.

Where two distributions are alike the distance is of second order in what is sampled, and a jackknife counts variance of
second order (2 - 3/g) / (1 - 1/g)^2 times, with g groups. That of normal features is known,

    (1/N + 1/M)^2 (2 sum_i l_i^2 + sum_ij R_ij^2 + sum_i R_ii^2),    R_ij = l_i l_j / (l_i + l_j),

with l the eigenvalues of the common covariance; what it is counted too often is taken off.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, feature_rows, row_blocks
from jaxeval.ops.frechet import frechet_distance_between
from jaxeval.ops.gaussian import Gaussian, gaussian_factor, gaussian_from_moments
from jaxeval.ops.moments import Moments, covariance, host_moments, merge_moments, moments_on_host
from jaxeval.ops.resampling import Difference, group_numbers, jackknife_of_replicates, permutation_p_value

_ROUNDING = 1e-12  # of a sum of squares after most of it has been subtracted


class _Divided(NamedTuple):
    """A set whose rows are divided into groups.

    Attributes:
      total: moments of all rows.
      part: moments of one group, by its number; computed when asked for, so that they need not all be held.
      groups: number of groups.
    """

    total: Moments
    part: Callable[[int], Moments]
    groups: int

    def gaussian(self, without: int | None = None) -> Gaussian:
        """Of all rows, or of those outside one group."""
        return gaussian_from_moments(self.total if without is None else _remove(self.total, self.part(without)))


class FrechetJackknife(NamedTuple):
    """A Fréchet distance with its bias and standard error by the jackknife, in squared feature units.

    Attributes:
      value: the distance of all rows.
      bias: by how much it exceeds that of the distributions on average; `value - bias` estimates the latter where
        both sets have more than twice as many rows as features.
      standard_error: standard error of `value`, and of `value - bias`.
      degrees: degrees of freedom of the standard error.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> jackknife = ops.frechet_jackknife(reference=reference, generated=generated, groups=5)
      >>> jackknife._fields
      ('value', 'bias', 'standard_error', 'degrees')
      >>> jackknife.degrees
      4
    """

    value: float
    bias: float
    standard_error: float
    degrees: float


@takes_arrays
def frechet_jackknife(
    *, reference: Numbers | Gaussian, generated: Numbers, groups: int = 20, seed: int = 0
) -> FrechetJackknife:
    """Delete-a-group jackknife of the Fréchet distance, both sets at once.

    It costs `groups` + 1 distances and two passes over the rows; memory is that of a few covariances.

    Args:
      reference: shape [N, d], any real dtype, NumPy or JAX; or a Gaussian, which then counts as exact.
      generated: shape [M, d].
      groups: number of groups, each of which is left out in turn.
      seed: seeds the division into groups.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has fewer than two rows a group.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> jackknife = ops.frechet_jackknife(reference=reference, generated=generated + 1)
      >>> round(jackknife.value - jackknife.bias, 2), round(jackknife.standard_error, 2)
      (4.26, 0.42)
    """
    if isinstance(reference, Gaussian):
        return _jackknife(reference, _divide(feature_rows("generated", generated), groups, seed, "generated"))
    rows = feature_pair(reference, generated)
    ours, theirs = (
        _divide(part, groups, seed, name) for part, name in zip(rows, ("reference", "generated"), strict=True)
    )
    return _jackknife(ours, theirs)


@takes_arrays
def frechet_jackknife_of_groups(
    *, reference: Sequence[Moments] | Gaussian, generated: Sequence[Moments]
) -> FrechetJackknife:
    """The jackknife of a Fréchet distance from the moments of groups that are at hand, each a random part of its set.

    Groups may be what each process or shard has, or every g-th row.

    Args:
      reference: moments of each group, about equally many rows each; or a Gaussian that counts as exact.
      generated: as many groups of generated rows.

    Raises:
      InputError: fewer than two groups, unequal numbers of groups, or a group is too small.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 5, 40, 4))
      >>> jackknife = ops.frechet_jackknife_of_groups(
      ...     reference=[ops.feature_moments(group) for group in reference],
      ...     generated=[ops.feature_moments(group) for group in generated + 1],
      ... )
      >>> round(jackknife.value - jackknife.bias, 2), round(jackknife.standard_error, 2)
      (4.27, 0.41)
    """
    theirs = _given(generated)
    if isinstance(reference, Gaussian):
        return _jackknife(reference, theirs)
    ours = _given(reference)
    if ours.groups != theirs.groups:
        raise InputError(f"reference has {ours.groups} groups and generated {theirs.groups}; give as many of each")
    return _jackknife(ours, theirs)


@takes_arrays
def frechet_difference(
    *,
    reference: Numbers | Gaussian,
    first: Numbers,
    second: Numbers,
    groups: int = 20,
    permutations: int = 9999,
    seed: int = 0,
) -> Difference:
    """Fréchet distance of the second generator less that of the first, to one reference.

    The standard error is a jackknife's, each replicate leaving the same reference rows out on both sides; biases,
    which are nearly equal for equal numbers of rows, stay in. The p-value is by permuting rows between both
    generators, of the linear part of the difference (`frechet_witness`). It costs 2 `groups` + 2 distances.

    Args:
      reference: shape [N, d], any real dtype, NumPy or JAX; or a Gaussian, which then counts as exact.
      first: shape [A, d].
      second: shape [B, d].
      groups: number of groups, each of which is left out in turn.
      permutations: number of random permutations that the p-value is found from.
      seed: seeds the division into groups and the permutations.

    Raises:
      InputError: a shape, dtype or value is wrong, or a set has fewer than two rows a group.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 200, 4))
      >>> difference = ops.frechet_difference(
      ...     reference=reference, first=first, second=second + 1, groups=5, permutations=99
      ... )
      >>> round(difference.value, 2), round(difference.standard_error, 2), difference.p_value
      (3.71, 0.35, 0.01)
    """
    rows = [feature_rows(name, features) for name, features in (("first", first), ("second", second))]
    known = reference
    if not isinstance(known, Gaussian):
        known = _divide(feature_rows("reference", known), groups, seed, "reference")
    # The same rows of both sets are left out together: they may be made from the same prompts or noise.
    sides = [_divide(part, groups, seed, "generated") for part in rows]
    value, replicates = _distances(known, sides)
    found = jackknife_of_replicates(value[1] - value[0], replicates[:, 1] - replicates[:, 0])
    shares = [1 / int(side.total.count) for side in sides]
    shared = 1 / int(known.total.count) if isinstance(known, _Divided) else 0.0
    weight = shares[0] ** 2 + shares[1] ** 2 + 2 * shared * (shares[0] + shares[1])
    second_order = _second_order(sides) * weight
    whole = known.gaussian() if isinstance(known, _Divided) else known
    witness = frechet_witness(reference=whole, first=rows[0], second=rows[1])
    return Difference(
        value=float(found.value),
        standard_error=_without_excess(float(found.standard_error), second_order, groups),
        degrees=found.degrees,
        p_value=permutation_p_value(*witness, permutations=permutations, seed=seed),
    )


@takes_arrays
def frechet_witness(
    *, reference: Gaussian, first: Numbers, second: Numbers
) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " b"]]:
    """A value for each generated row whose means over both sets differ as their distances do.

    The Fréchet distance of a set to the reference moves with a row y of it by 2 (mean - mean_x).(y - mean) +
    (y - mean)^T (I - T) (y - mean), T the optimal transport map to the reference. Taken at both sets together, which a
    permutation of rows leaves as they are, its means differ by the distances' difference to third order.

    Args:
      reference: mean, and covariance or factor, of the reference's features.
      first: shape [A, d].
      second: shape [B, d].

    Raises:
      InputError: a shape, dtype or value is wrong.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, first, second = np.random.default_rng(0).normal(size=(3, 200, 4))
      >>> values = ops.frechet_witness(
      ...     reference=ops.gaussian_from_features(reference), first=first, second=second + 1
      ... )
      >>> [part.shape for part in values]
      [(200,), (200,)]
    """
    rows = [feature_rows(name, features) for name, features in (("first", first), ("second", second))]
    both = merge_moments(*(host_moments(part, name=name) for part, name in zip(rows, ("first", "second"), strict=True)))
    mean, spread = np.asarray(both.mean), np.asarray(covariance(both, ddof=0))
    factor = gaussian_factor(reference, "reference")
    if factor.shape[1] != len(mean):
        raise InputError(f"reference has {factor.shape[1]} features, first and second have {len(mean)}")
    # T = F^T (F S F^T)^(-1/2) F: the map's action on the directions that the reference has.
    eigenvalues, vectors = np.linalg.eigh(factor @ spread @ factor.T)
    # A reference without variance has no direction at all.
    kept = eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues.max(initial=0.0)
    half = (vectors[:, kept] / eigenvalues[kept] ** 0.25).T @ factor
    shift = 2 * (mean - np.asarray(reference.mean, np.float64))

    def values(part: np.ndarray) -> Float[np.ndarray, " n"]:
        return np.concatenate(
            [
                block @ shift + np.square(block).sum(1) - np.square(block @ half.T).sum(1)
                for block in (block - mean for block in row_blocks(part))
            ]
        )

    return values(rows[0]), values(rows[1])


def _divide(rows: np.ndarray, groups: int, seed: int, name: str) -> _Divided:
    numbers = group_numbers(len(rows), groups, seed=seed, name=name)
    if len(rows) < 2 * groups:
        raise InputError(f"{name} has {len(rows)} rows for {groups} groups; a jackknife needs two rows a group")
    return _Divided(
        host_moments(rows, name=name), lambda group: host_moments(rows[numbers == group], name=name), groups
    )


def _given(parts: Sequence[Moments]) -> _Divided:
    on_host = [moments_on_host(part) for part in parts]
    if len(on_host) < 2 or not all(int(part.count) for part in on_host):
        raise InputError(f"there are {len(on_host)} groups; a jackknife needs at least 2, of about equally many rows")
    return _Divided(functools.reduce(merge_moments, on_host), on_host.__getitem__, len(on_host))


def _jackknife(reference: Gaussian | _Divided, generated: _Divided) -> FrechetJackknife:
    value, replicates = _distances(reference, [generated])
    found = jackknife_of_replicates(value[0], replicates[:, 0])
    sides = [side for side in (reference, generated) if isinstance(side, _Divided)]
    second = _second_order(sides) * sum(1 / int(side.total.count) for side in sides) ** 2
    error = _without_excess(float(found.standard_error), second, generated.groups)
    return FrechetJackknife(float(found.value), float(found.bias), error, found.degrees)


def _distances(
    reference: Gaussian | _Divided, sides: Sequence[_Divided]
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "g s"]]:
    """Distances of each side to the reference: of all rows, and with each group left out."""

    def distances(without: int | None) -> list[float]:
        known = reference.gaussian(without) if isinstance(reference, _Divided) else reference
        return [frechet_distance_between(known, side.gaussian(without)) for side in sides]

    return np.array(distances(None)), np.array([distances(group) for group in range(sides[0].groups)])


def _remove(total: Moments, part: Moments) -> Moments:
    """The moments of all rows without those of a group: `merge_moments` backwards."""
    count = total.count - part.count
    shift = (part.mean - total.mean) * (part.count / max(int(count), 1))  # of the mean, by leaving the group out
    scatter = total.scatter - part.scatter
    scatter -= float(part.count * total.count / max(int(count), 1)) * np.outer(
        part.mean - total.mean, part.mean - total.mean
    )
    # A feature that varies in this group alone is constant without it; the subtraction leaves rounding of either sign.
    constant = np.diag(scatter) <= _ROUNDING * np.diag(total.scatter)
    scatter[constant, :] = scatter[:, constant] = 0.0
    return Moments(np.asarray(count, np.int64), total.mean - shift, scatter)


def _second_order(sides: Sequence[_Divided]) -> float:
    """The second-order variance of the module's formula, without its (1/N + 1/M)^2, of the sides' common covariance."""
    scatter = sum(np.asarray(side.total.scatter) for side in sides)
    matrix = np.asarray(scatter) / sum(int(side.total.count) - 1 for side in sides)
    values = np.maximum(np.linalg.eigvalsh(matrix), 0)
    pairs = values[:, None] * values / np.maximum(values[:, None] + values, np.finfo(float).tiny)
    return float(2 * np.square(values).sum() + np.square(pairs).sum() + np.square(np.diag(pairs)).sum())


def _without_excess(error: float, second_order: float, groups: int) -> float:
    """The error without what a jackknife of so many groups counts too often; never all of it."""
    counted = (2 - 3 / groups) / (1 - 1 / groups) ** 2
    return float(np.sqrt(max(error**2 - (counted - 1) * second_order, error**2 / counted)))
