"""torch's random permutations and normal numbers without torch, for rules that draw with them."""

import numpy as np
from jaxtyping import Float, Int

from jaxeval.errors import InputError

_GROUP = 16  # numbers that torch makes of one another: eight radii and eight angles


def torch_permutation(state: np.random.RandomState, count: int, taken: int | None = None) -> Int[np.ndarray, " taken"]:
    """The first entries of `torch.randperm(count)` on the CPU, if `state` was seeded like torch's generator.

    Both generators are Mersenne twisters with the same seeding; torch shuffles by count - 1 swaps forward, one 32-bit
    word each.

    Args:
      state: `RandomState(seed)` where torch has `torch.manual_seed(seed)`; moved on as torch's would be.
      count: how many numbers are permuted.
      taken: how many of them to return; all by default.
    """
    order = np.arange(count)
    words = state.randint(0, 2**32, size=max(count - 1, 0), dtype=np.uint32)
    for i in range(len(words) if taken is None else min(taken, len(words))):
        other = i + int(words[i]) % (count - i)
        order[i], order[other] = order[other], order[i]
    return order[:taken]


def torch_normal(state: np.random.RandomState, count: int) -> Float[np.ndarray, " count"]:
    """`torch.randn(count)` in float32 on the CPU, to its rounding, if `state` was seeded like torch's generator.

    Uniform numbers of 24 bits, one word each, become normal ones by Box and Muller's transformation in groups of 16:
    the first eight give the radii, the others the angles. Where the count is no multiple of 16, torch draws the last
    16 once more.

    Args:
      state: as for `torch_permutation`.
      count: how many numbers.

    Returns:
      Shape [count], float64, within 2e-6 of torch's: an angle in float32 is off by 4e-7, a radius is 5 at most.

    Raises:
      InputError: fewer than 16 numbers, which torch draws in another way.
    """
    if count < _GROUP:
        raise InputError(f"torch's draws are known for {_GROUP} numbers and more, not for {count}")
    uniform = _uniform(state, count)
    whole = count - count % _GROUP
    normal = np.empty(count)
    normal[:whole] = _box_muller(uniform[:whole])
    if whole < count:
        normal[-_GROUP:] = _box_muller(_uniform(state, _GROUP))
    return normal


def _uniform(state: np.random.RandomState, count: int) -> Float[np.ndarray, " n"]:
    words = state.randint(0, 2**32, size=count, dtype=np.uint32)
    return (words & 0xFFFFFF) / 2.0**24


def _box_muller(uniform: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    radii, angles = (uniform.reshape(-1, 2, _GROUP // 2)[:, part] for part in (0, 1))
    radii, angles = np.sqrt(-2 * np.log1p(-radii)), 2 * np.pi * angles
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1).ravel()
