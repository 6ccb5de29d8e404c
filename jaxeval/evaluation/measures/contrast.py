"""Whether two generators differ: standard errors of the difference of their numbers against one reference.

Beside them, where it costs no further evaluation, the p-value of a permutation test: of the hypothesis that both make
the same distribution, which is more than that one number does not differ.
"""

import math
from typing import Any

from jaxeval import ops
from jaxeval.evaluation.measures.measure import FEW, Contrast, Pair
from jaxeval.evaluation.measures.number_name import NumberName

PERMUTED = "9,999 permutations of images between both sets"
LEAST_ROWS = 4  # a set, for the closed form
CLOSED = "closed form over all pairs, the reference shared"


def fewest(first: Pair, second: Pair) -> int:
    """Images in the smallest of the three sets."""
    return min(map(len, rows_of(first, second).values()))


def rows_of(first: Pair, second: Pair) -> dict[str, Any]:
    """The features of the three sets, under the names that `jaxeval.ops` has for them."""
    return {
        "reference": first.rows()["reference"],
        "first": first.generated_rows(),
        "second": second.generated_rows(),
    }


def contrast_of(name: NumberName, found: ops.Difference, method: str, alike_method: str) -> Contrast:
    """What an op found of a difference, and how."""
    if not math.isfinite(found.standard_error):
        return Contrast(name, None, math.inf, FEW)
    alike = found.p_value if alike_method else None
    return Contrast(name, found.standard_error, found.degrees, method, alike, alike_method)
