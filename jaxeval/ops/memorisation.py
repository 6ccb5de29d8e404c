"""Are generated samples copies? The memorisation distance of MiFID, and the share of authentic samples.

References: Bai et al., "On Training Sample Memorization: Lessons from Benchmarking Generative Modeling with a
Large-scale Competition", KDD 2021 (MiFID); Alaa et al., "How Faithful is your Synthetic Data?", ICML 2022
(authenticity).
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_pair, unit_rows
from jaxeval.ops._own_neighbours import OwnNeighbours, kth_or_known
from jaxeval.ops.frechet import frechet_distance_from_features
from jaxeval.ops.neighbours import (
    check_neighbours,
    nearest,
    pair_strips,
    places,
    prepare_rows,
    strip_arrays,
)

# The published code's, so that a set of copies has a finite score.
_LEAST_DISTANCE = 10e-15
# Of the product of a unit row with itself: a smaller distance is that.
_ROUNDING = 4 * float(np.finfo(np.float64).eps)


class MemorisationInformedFrechet(NamedTuple):
    """MiFID and its two factors.

    Attributes:
      value: the Fréchet distance over the memorisation distance; the latter counts as 1 from the threshold on.
      frechet_distance: the Fréchet distance, in squared feature units.
      memorisation_distance: the memorisation distance, from 0 to 1.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> score = ops.mifid(reference=reference, generated=1 + reference + 0.1 * generated)
      >>> round(score.frechet_distance, 2), round(score.memorisation_distance, 2), round(score.value, 2)
      (8.02, 0.15, 8.02)
    """

    value: float
    frechet_distance: float
    memorisation_distance: float


@takes_arrays
def memorisation_distance(
    *, reference: Numbers, generated: Numbers, over: Literal["generated", "reference"] | str = "generated"
) -> float:
    """Mean over samples of the smallest cosine distance 1 - |cos| to a sample of the other set.

    Args:
      reference: the training set, shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      over: whose samples the mean is over: the generated ones as in the competition's code, or the reference's as in
        torchmetrics (1.9), where samples that nobody copied count too.

    Raises:
      InputError: a shape, dtype or value is wrong, or a row is all zeros.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> round(ops.memorisation_distance(reference=reference, generated=generated), 2)
      0.18
      >>> round(ops.memorisation_distance(reference=reference, generated=2 * reference), 6)
      0.0
    """
    rows = feature_pair(reference, generated)
    units = unit_rows("reference", rows[0]), unit_rows("generated", rows[1])
    if over not in ("generated", "reference"):
        raise InputError(f"over is {over!r}; choose generated or reference")
    x, y = prepare_rows(*units, centred=False)
    samples, others = (y, x) if over == "generated" else (x, y)
    compute = functools.partial(_same_direction, arrays=strip_arrays(samples, others), slack=x.slack)
    closest = np.zeros(len(samples.original))
    for start, stop, candidates in pair_strips(samples, compute):
        row, column = places(candidates[: stop - start])
        row += start
        for part in np.array_split(np.arange(len(row)), len(row) // 64 + 1):
            cosines = np.einsum("pd,pd->p", samples.original[row[part]], others.original[column[part]])
            np.maximum.at(closest, row[part], np.abs(cosines))
    distances = 1 - closest
    return float(np.where(distances < _ROUNDING, 0, distances).mean())


@takes_arrays
def mifid(
    *,
    reference: Numbers,
    generated: Numbers,
    threshold: float = 0.1,
    over: Literal["generated", "reference"] | str = "generated",
) -> MemorisationInformedFrechet:
    """Memorisation-informed Fréchet distance (MiFID): the Fréchet distance over the memorisation distance.

    Args:
      reference: the training set, shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      threshold: memorisation distances from here on are no cause for suspicion and count as 1.
      over: see `memorisation_distance`.

    Raises:
      InputError: a shape, dtype or value is wrong, a row is all zeros, or a set has fewer than two rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> score = ops.mifid(reference=reference, generated=generated)
      >>> round(score.value, 2), round(score.memorisation_distance, 2)
      (0.38, 0.18)
    """
    distance = memorisation_distance(reference=reference, generated=generated, over=over)
    frechet = frechet_distance_from_features(reference=reference, generated=generated)
    penalty = distance + _LEAST_DISTANCE if distance < threshold else 1.0
    return MemorisationInformedFrechet(frechet / penalty, frechet, distance)


@takes_arrays
def authenticity(*, reference: Numbers, generated: Numbers, reference_neighbours: OwnNeighbours | None = None) -> float:
    """AuthPct: percentage of generated samples that are farther from their nearest training sample than its fellows.

    A sample is authentic if the training sample nearest to it has another training sample nearer to itself. Copies
    are not; but samples of the data's own distribution do not score 50: about 40 in 2 dimensions, 70 in 16, 81 in 64.
    Read it beside the same number for held-out data.

    Args:
      reference: the training set, shape [N, D], any real dtype, NumPy or JAX.
      generated: shape [M, D].
      reference_neighbours: of the reference, where `own_neighbours` has found them already.

    Returns:
      From 0 to 100.

    Raises:
      InputError: a shape, dtype or value is wrong, or fewer than two training samples.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 8))
      >>> ops.authenticity(reference=reference, generated=generated)
      63.0
      >>> ops.authenticity(reference=reference, generated=reference)
      0.0
    """
    rows = feature_pair(reference, generated)
    check_neighbours(1, reference=len(rows[0]))
    x, y = prepare_rows(*rows)
    fellow = kth_or_known("reference", x, 1, reference_neighbours)
    found = nearest(y, x, 1)
    return float(100 * (fellow[found.indices[:, 0]] < found.squared_distances[:, 0]).mean())


@functools.partial(jax.jit, static_argnames=("block",))
def _same_direction(
    start: Int[Array, ""] | np.int32,
    *,
    arrays: tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "q d"], Float[Array, " q"]],
    slack: Float[Array, ""] | float,
    block: int,
) -> Bool[Array, "b q"]:
    """For each row of a strip of unit rows, which columns can have the largest |cos|."""
    strip = lax.dynamic_slice_in_dim(arrays[0], start, block)
    cosines = jnp.abs(jnp.matmul(strip, arrays[2].T, precision=lax.Precision.HIGHEST))
    cosines = jnp.where(jnp.isfinite(arrays[3])[None, :], cosines, -1.0)
    # A product of unit rows is off by at most `slack`.
    return cosines >= cosines.max(1, keepdims=True) - 2 * slack
