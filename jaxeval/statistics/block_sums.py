"""Moments of a data set from those of its blocks, with the same bits however the blocks are shared out and ordered.

Images that follow one another make a block, of a size that the number of images decides. Each block's mean and scatter
are those of its rows alone. Of the scatters a sum is kept in two float64 parts, about 106 binary digits, in which the
order is lost long before the digits that are reported; the means are all kept, and put together in the blocks' order.
So a process may take any blocks, and go on with those of a process that is no more.

References: Chan, Golub, LeVeque 1979 for the moments of parts; Dekker, "A Floating-Point Technique for Extending the
Available Precision", 1971, for the sum in two parts.
"""

from collections.abc import Mapping

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from jaxeval.ops import Moments, feature_moments

# A block costs a pass over the d x d sums, which some hundred images are worth; yet there should be enough of them for
# many processes to have about as many images each.
_LEAST, _MOST = 16, 1024
_WORTH, _OF_FEW, _OF_MANY = 256, 16, 128
_STRIP = 64  # rows of the sums at a time: they stay in a core's cache

(_syrk,) = scipy.linalg.get_blas_funcs(("syrk",), dtype=np.float64)


def block_size(count: int) -> int:
    """Images in a block of a data set of `count` images: it depends on nothing else."""
    return min(max(_LEAST, min(-(-count // _OF_FEW), _WORTH), -(-count // _OF_MANY)), _MOST)


def blocks_of(count: int, index: int, processes: int) -> Int[np.ndarray, " n"]:
    """Places of a data set's images that a process reads: every `processes`-th block.

    The last process has the first block, so that process 0, which writes besides, has no more of them than any other.
    """
    size = block_size(count)
    places = np.arange(count)
    return places if processes == 1 else places[places // size % processes == processes - 1 - index]


class BlockSums:
    """Moments of blocks, as they come."""

    def __init__(self):
        self._scatter: np.ndarray | None = None  # on and above the diagonal; below it lies nothing of use
        self._scatter_lo: np.ndarray | None = None
        self._blocks: list[np.ndarray] = []

    @property
    def count(self) -> int:
        """Rows so far."""
        return int(sum(block[1] for block in self._blocks))

    @property
    def feature_size(self) -> int | None:
        """Length of the rows; None before the first."""
        return None if self._scatter is None else len(self._scatter)

    def add(self, number: int, rows: Float[np.ndarray, "n d"]) -> None:
        """Takes all rows of the block of that number, in their order."""
        centred = np.array(rows, np.float64)
        mean = centred.mean(0)
        if not np.isfinite(mean).all():
            feature_moments(rows)  # says which row it is
        centred -= mean
        self._blocks.append(np.concatenate([[number, len(rows)], mean]))
        self._add_scatter(_syrk(1.0, centred.T, lower=1).T)

    def scatter(self, feature_size: int) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, "d d"]]:
        """The sum of the blocks' scatters, as two parts."""
        if self._scatter is None or self._scatter_lo is None:
            return np.zeros((feature_size, feature_size)), np.zeros((feature_size, feature_size))
        return _mirrored(self._scatter), _mirrored(self._scatter_lo)

    def blocks(self, feature_size: int) -> Float[np.ndarray, "k e"]:
        """A row for each block: its number, its count of rows, and their mean."""
        return np.stack(self._blocks) if self._blocks else np.zeros((0, feature_size + 2))

    def moments(self) -> Moments | None:
        """Moments of all rows; None where there are none."""
        if self._scatter is None:
            return None
        upper, lower = self.scatter(len(self._scatter))
        return moments_of_blocks(self.blocks(len(self._scatter)), upper + lower)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, for `absorb`."""
        if self._scatter is None or self._scatter_lo is None:
            return {}
        return {"scatter": self._scatter, "scatter_lo": self._scatter_lo, "blocks": np.stack(self._blocks)}

    def absorb(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes the blocks of which `arrays` tells, too."""
        if "blocks" not in arrays:
            return
        self._blocks += list(arrays["blocks"])
        self._add_scatter(arrays["scatter"])
        assert self._scatter_lo is not None
        self._scatter_lo += arrays["scatter_lo"]

    def _add_scatter(self, scatter: Float[np.ndarray, "d d"]) -> None:
        if self._scatter is None or self._scatter_lo is None:
            self._scatter, self._scatter_lo = np.array(scatter, np.float64), np.zeros(scatter.shape)
            return
        for start in range(0, len(scatter), _STRIP):
            part = slice(start, start + _STRIP), slice(start, None)
            before, added = self._scatter[part], scatter[part]
            total = before + added
            grown = total - before
            added = added - grown
            grown -= total
            grown += before
            self._scatter_lo[part] += grown + added
            self._scatter[part] = total


def moments_of_blocks(blocks: Float[np.ndarray, "k e"], scatter: Float[np.ndarray, "d d"]) -> Moments:
    """Moments of all rows of some blocks.

    Args:
      blocks: their rows of `BlockSums.blocks`, in any order.
      scatter: the sum of their scatters.
    """
    blocks = blocks[np.argsort(blocks[:, 0], kind="stable")]
    counts, means = blocks[:, 1], blocks[:, 2:]
    count = counts.sum()
    offsets = means - means[0]  # keeps the digits where the mean is large beside the spread
    shift = (counts[:, None] * offsets).sum(0) / count
    offsets -= shift
    between = (counts[:, None] * offsets).T @ offsets
    return Moments(np.asarray(int(count), np.int64), means[0] + shift, scatter + (between + between.T) / 2)


def _mirrored(upper: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    return np.triu(upper) + np.triu(upper, 1).T
