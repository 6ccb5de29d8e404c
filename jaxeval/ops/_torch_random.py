"""torch's random permutations without torch, for rules that draw with them."""

import numpy as np
from jaxtyping import Int

__all__ = ["torch_permutation"]


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
