"""What a metric and people say of the same rows, checked."""

import numpy as np
from jaxtyping import Float

from jaxeval._arrays import AnyArray, as_float64, check_shape
from jaxeval.errors import InputError


def value_pair(metric: AnyArray, human: AnyArray) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Both in float64 on the host.

    Raises:
      InputError: not two vectors of the same length, of two finite values at least.
    """
    for name, values in (("metric", metric), ("human", human)):
        check_shape(name, values, (None,), "a value of each row")
    sides = as_float64("metric", metric), as_float64("human", human)
    if len(sides[0]) != len(sides[1]) or len(sides[0]) < 2:
        raise InputError(
            f"metric has {len(sides[0])} values and human {len(sides[1])}; give both for the same rows, two at least"
        )
    return sides
