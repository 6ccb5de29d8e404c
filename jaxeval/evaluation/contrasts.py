"""Whether two generators differ: standard errors of the difference of their numbers against one reference.

Beside them, where it costs no further evaluation, the p-value of a permutation test: of the hypothesis that both make
the same distribution, which is more than that one number does not differ.
"""

import math
from typing import Any

from jaxeval import ops
from jaxeval.evaluation.measure import FEW, Contrast, Pair
from jaxeval.evaluation.protocols import PRDC_MANIFOLD

__all__ = [
    "caption_score",
    "cmmd",
    "frechet",
    "frechet_of_space",
    "inception_score",
    "kernel_distance",
    "kernel_distance_full",
    "manifold",
    "rbf_discrepancy",
]

_PERMUTED = "9,999 permutations of images between both sets"
# Of a jackknife: as many as are left out in turn, and the fewest whose spread tells anything.
_GROUPS, _FEWEST_GROUPS = 20, 5
_LEAST_ROWS = 4  # a set, for the closed form
_CLOSED = "closed form over all pairs, the reference shared"


def frechet(first: Pair, second: Pair, stem: str = "fd") -> list[Contrast]:
    """Of Frechet distances."""
    if first.reference.rows is not None:
        reference = first.reference.rows
    else:
        assert first.reference.statistics is not None
        reference = first.reference.statistics.gaussian()
    first_rows, second_rows = first.generated_rows(), second.generated_rows()
    sizes = [len(first_rows), len(second_rows), *([] if isinstance(reference, ops.Gaussian) else [len(reference)])]
    groups = min(_GROUPS, min(sizes) // 2)  # a jackknife needs two images a group
    permuted = f"{_PERMUTED}, of the distance's linear part"
    if groups >= _FEWEST_GROUPS:
        found = ops.frechet_difference(
            reference=reference, first=first_rows, second=second_rows, groups=groups, seed=first.seed
        )
        return [_contrast(stem, found, f"jackknife of {groups} groups, the reference shared", permuted)]
    known = reference if isinstance(reference, ops.Gaussian) else ops.gaussian_from_features(reference)
    witness = ops.frechet_witness(reference=known, first=first_rows, second=second_rows)
    return [Contrast(stem, None, math.inf, FEW, ops.permutation_p_value(*witness, seed=first.seed), permuted)]


def frechet_of_space(first: Pair, second: Pair) -> list[Contrast]:
    """Of Frechet distances over features that keep where things are."""
    return frechet(first, second, "sfd")


def kernel_distance(first: Pair, second: Pair) -> list[Contrast]:
    """Of kernel distances; the error is that of all pairs, to which that of the choice of subsets comes."""
    return _kernel(first, second, "kd", "polynomial")


def kernel_distance_full(first: Pair, second: Pair) -> list[Contrast]:
    """Of kernel distances over all pairs."""
    return _kernel(first, second, "kd-full", "polynomial")


def rbf_discrepancy(first: Pair, second: Pair) -> list[Contrast]:
    """Of maximum mean discrepancies with a Gaussian kernel, as wide as the median distance in all three sets."""
    return _kernel(first, second, "mmd-rbf", "rbf")


def cmmd(first: Pair, second: Pair) -> list[Contrast]:
    """Of CMMDs."""
    if _fewest(first, second) < _LEAST_ROWS:
        return [Contrast("cmmd", None, math.inf, FEW)]
    found = ops.cmmd_difference(**_rows(first, second), seed=first.seed)
    return [_contrast("cmmd", found, _CLOSED, _PERMUTED)]


def manifold(first: Pair, second: Pair) -> list[Contrast]:
    """Of precision, recall, density and coverage."""
    rule = first.protocol.manifold or PRDC_MANIFOLD
    stems = ("precision", "recall", "density", "coverage")
    if _fewest(first, second) // 3 <= rule.k:  # a third of the images has no k-th neighbours
        return [Contrast(stem, None, math.inf, FEW) for stem in stems]
    found = ops.prdc_difference(**_rows(first, second), k=rule.k, tie=rule.tie, seed=first.seed)
    method = "spread between thirds of the images, the reference shared"
    return [
        _contrast(stem, getattr(found, stem), method, _PERMUTED if stem in ("precision", "density") else "")
        for stem in stems
    ]


def inception_score(first: Pair, second: Pair) -> list[Contrast]:
    """Of Inception scores, each over all images at once."""
    found = ops.inception_score_difference(
        first=first.generated_rows(), second=second.generated_rows(), seed=first.seed
    )
    return [_contrast("is", found, "delta method over images, without splits", _PERMUTED)]


def caption_score(first: Pair, second: Pair) -> list[Contrast]:
    """Of CLIPScores."""
    scores = []
    for pair in (first, second):
        assert pair.generated.texts is not None
        scores.append(ops.clip_score(images=pair.generated_rows(), texts=pair.generated.texts).pairs)
    found = ops.mean_difference(first=scores[0], second=scores[1], seed=first.seed)
    return [_contrast("clip-score", found, "Welch's t over images", _PERMUTED)]


def _kernel(first: Pair, second: Pair, stem: str, kernel: str) -> list[Contrast]:
    if _fewest(first, second) < _LEAST_ROWS:
        return [Contrast(stem, None, math.inf, FEW)]
    found = ops.mmd_difference(**_rows(first, second), kernel=kernel, seed=first.seed)
    return [_contrast(stem, found, _CLOSED, _PERMUTED)]


def _fewest(first: Pair, second: Pair) -> int:
    """Images in the smallest of the three sets."""
    return min(map(len, _rows(first, second).values()))


def _rows(first: Pair, second: Pair) -> dict[str, Any]:
    return {
        "reference": first.rows()["reference"],
        "first": first.generated_rows(),
        "second": second.generated_rows(),
    }


def _contrast(stem: str, found: ops.Difference, method: str, alike_method: str) -> Contrast:
    if not math.isfinite(found.standard_error):
        return Contrast(stem, None, math.inf, FEW)
    alike = found.p_value if alike_method else None
    return Contrast(stem, found.standard_error, found.degrees, method, alike, alike_method)
