"""How the reference implementations split the rows of an Inception score."""

import itertools
from typing import Literal

import numpy as np
from jaxtyping import Int

from jaxeval.errors import InputError
from jaxeval.ops._torch_random import torch_permutation

SplitRule = Literal["torch-fidelity", "torchmetrics", "stylegan3", "dgm-eval", "adm"]

SHUFFLED = ("torch-fidelity", "torchmetrics", "dgm-eval")
"""Rules that shuffle the rows before they split them, and use the seed."""

_ADM_SPLIT = 5000


def split_sizes(count: int, *, splits: int = 10, rule: SplitRule | str = "torch-fidelity") -> tuple[int, ...]:
    """How many rows each split of an Inception score has; see `inception_score`.

    Args:
      count: number of rows.
      splits: number of splits.
      rule: the implementation whose splits are made.

    Raises:
      InputError: fewer rows than splits, or an unknown rule.
    """
    return tuple(map(len, split_rows(count, splits, 0, rule)))


def split_rows(count: int, splits: int, seed: int, rule: SplitRule | str) -> list[Int[np.ndarray, " s"]]:
    """Row numbers of each split, in the order in which the rule takes them.

    Args:
      count: number of rows.
      splits: number of splits.
      seed: seeds the shuffle, where the rule has one.
      rule: the implementation whose splits are made.

    Raises:
      InputError: fewer rows than splits, or an unknown rule.
    """
    if rule not in ("torch-fidelity", "torchmetrics", "stylegan3", "dgm-eval", "adm"):
        raise InputError(f"rule is {rule!r}; choose torch-fidelity, torchmetrics, stylegan3, dgm-eval or adm")
    if rule != "adm" and not 1 <= splits <= count:
        raise InputError(f"splits is {splits} for {count} rows; it must be from 1 to the number of rows")
    order = np.arange(count)
    if rule in SHUFFLED:
        state = np.random.RandomState(seed)
        order = torch_permutation(state, count) if rule == "torchmetrics" else state.permutation(count)
    if rule == "adm":
        bounds = [*range(0, count, _ADM_SPLIT), count]
    elif rule == "torchmetrics":
        bounds = [*range(0, count, -(-count // splits)), count]
    elif rule == "dgm-eval":
        bounds = [i * (count // splits) for i in range(splits + 1)]
    else:
        bounds = [i * count // splits for i in range(splits + 1)]
    return [order[start:stop] for start, stop in itertools.pairwise(bounds)]
