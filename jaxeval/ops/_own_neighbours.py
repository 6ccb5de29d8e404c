"""The neighbours of a set's rows among themselves, found once for all the metrics that need them."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows
from jaxeval.ops.kth_neighbours import kth_squared_distances, several_kth_squared_distances
from jaxeval.ops.neighbours import Neighbours, PreparedRows, check_neighbours, nearest, prepare_rows


class OwnNeighbours(NamedTuple):
    """How far each row of a set is from its nearest fellows in the same set.

    Attributes:
      squared_distances: by k, those to the k-th nearest, [N], float64.
      lists: the nearest fellows themselves, as many as the largest k; None where they were not asked for.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> found = ops.own_neighbours(np.arange(4.0)[:, None], [1, 2])
      >>> found.squared_distances[2]
      array([4., 1., 1., 4.])
    """

    squared_distances: dict[int, Float[np.ndarray, " n"]]
    lists: Neighbours | None = None


@takes_arrays
def own_neighbours(rows: Numbers, ks: Collection[int], *, lists: bool = False) -> OwnNeighbours:
    """Finds the k-th nearest fellows of each row for several k at once, exact in float64.

    `prdc`, `realism`, `rarity`, `clipped_density_coverage`, `probabilistic_precision_recall`, `alpha_precision` and
    `authenticity` take what it gives as `reference_neighbours` and `generated_neighbours`, and give the same numbers
    as without, to the bit.

    Args:
      rows: features, shape [N, D], any real dtype, NumPy or JAX.
      ks: which neighbours, not counting the row itself.
      lists: whether the fellows themselves are wanted, which `clipped_density_coverage` uses.

    Raises:
      InputError: a shape, dtype or value is wrong, no k is given, or there are no more than k rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, *generated = np.random.default_rng(0).normal(size=(3, 100, 8))
      >>> known = ops.own_neighbours(reference, [3, 5])
      >>> for rows in generated:
      ...     found = ops.prdc(reference=reference, generated=rows, k=5, reference_neighbours=known)
      ...     realism = ops.realism(reference=reference, generated=rows, k=3, reference_neighbours=known)
      ...     print(round(found.precision, 2), round(realism.mean(), 2))
      0.94 1.07
      0.91 1.07
    """
    given = feature_rows("rows", rows)
    if not ks:
        raise InputError("no k is given; give one or more numbers of neighbours")
    for k in ks:
        check_neighbours(k, rows=len(given))
    (prepared,) = prepare_rows(given)
    wanted = tuple(sorted(set(ks)))
    if lists:
        found = nearest(prepared, prepared, wanted[-1])
        return OwnNeighbours({k: found.squared_distances[:, k - 1] for k in wanted}, found)
    return OwnNeighbours(dict(zip(wanted, several_kth_squared_distances(prepared, wanted), strict=True)))


def kth_or_known(name: str, rows: PreparedRows, k: int, known: OwnNeighbours | None) -> Float[np.ndarray, " n"]:
    """Squared distances to the k-th fellows of the set of a name: what is known of them, or a search.

    Raises:
      InputError: what is known is of another number of rows, or not of this k.
    """
    if known is None:
        return kth_squared_distances(rows, k)
    if k not in known.squared_distances:
        have = ", ".join(map(str, known.squared_distances))
        raise InputError(f"{name}_neighbours are of k {have}, and k is {k}; find them for {k} too")
    found = known.squared_distances[k]
    if len(found) != len(rows.original):
        raise InputError(f"{name}_neighbours are of {len(found)} rows, and {name} has {len(rows.original)}")
    return found


def nearest_or_known(name: str, rows: PreparedRows, k: int, known: OwnNeighbours | None) -> Neighbours:
    """The k nearest fellows of each row of the set of a name: what is known of them, or a search.

    Raises:
      InputError: as `kth_or_known`.
    """
    if known is None or known.lists is None:
        return nearest(rows, rows, k)
    kth_or_known(name, rows, k, known)
    return Neighbours(known.lists.squared_distances[:, :k], known.lists.indices[:, :k])
