"""Kernel distances: KD by subsets and over all pairs, MMD with a Gaussian kernel, CMMD."""

import math
from typing import Any

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.contrast import CLOSED, LEAST_ROWS, PERMUTED, contrast_of, fewest, rows_of
from jaxeval.evaluation.measures.demands import need_directions, need_images, need_width, varying
from jaxeval.evaluation.measures.measure import FEW, NO_SPREAD, Contrast, Measure, Number, Pair, normal_interval
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.ops import Interval

_KD = NumberName("kd", "KD", "lower", "KID")
_KD_FULL = NumberName("kd-full", "KD-full", "lower", "KID-full")
_MMD_RBF = NumberName("mmd-rbf", "MMD-RBF", "lower")
_CMMD = NumberName("cmmd", "CMMD", "lower", range=(0.0, 2000.0))

_SEED = 2020  # of the subsets, the references' own


def kernel_distance(pair: Pair) -> list[Number]:
    """Kernel distance by the protocol's rule."""
    rule = pair.protocol.subsets
    few = min((pair.reference, pair.generated), key=lambda side: 0 if side.rows is None else len(side.rows))
    if rule is not None and rule.needs_size and few.rows is not None and len(few.rows) < rule.size:
        raise InputError(
            f"{pair.protocol.follows} draws subsets of {rule.size:,} images and {few.name!r} has {len(few.rows):,}; "
            "kd-full is over all pairs, however few" + _smaller_subsets(len(few.rows))
        )
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    full = _kid_full(pair)
    if rule is None:
        return [_full(_KD, full, pair)]
    size = min(rule.size, *map(len, pair.rows().values()))
    options: dict[str, Any] = {"subsets": rule.subsets, "subset_size": size, "rule": rule.rule, "seed": _SEED}
    found = ops.kid(**pair.rows(), **options)
    definition = f"cubic kernel distance, mean over {rule.subsets:,} subsets of {size:,}, drawn as by {rule.rule}" + (
        f", {rule.departs}" if rule.departs else f"; as in {pair.protocol.follows}"
    )
    departs = f"the kernel distance is over {rule.subsets:,} subsets of {size:,} images, {rule.departs}"
    parameters = options | {"deviation_of_subsets": found.std}
    # The subsets are drawn from the same images: what their choice adds is the error of their mean.
    drawing_error = found.std / float(np.sqrt(rule.subsets))
    interval, method = _over_pairs(pair, _KD, found.mean, full, drawing_error)
    warnings = (departs,) if rule.departs else ()
    return [Number(_KD, found.mean, definition, interval, method, parameters, warnings, drawing_error=drawing_error)]


def _smaller_subsets(count: int) -> str:
    return f"; or choose --kid-subset-size {count} or less" if count > 1 else ""


def kernel_distance_full(pair: Pair) -> list[Number]:
    """Kernel distance over all pairs."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    return [_full(_KD_FULL, _kid_full(pair), pair)]


def _kid_full(pair: Pair) -> ops.Discrepancy:
    return pair.once("kid_full", lambda: ops.kid_full(**pair.rows()))


def _full(name: NumberName, found: ops.Discrepancy, pair: Pair) -> Number:
    interval, method = _over_pairs(pair, name, found.value, found)
    none = "" if name is _KD_FULL else f"; {pair.protocol.follows} has no kernel distance of its own"
    return Number(name, found.value, f"cubic kernel distance over all pairs, unbiased{none}", interval, method)


def _over_pairs(
    pair: Pair, name: NumberName, value: float, found: ops.Discrepancy, drawing_error: float = 0.0
) -> tuple[Interval | None, str]:
    """The interval about a value; none where no image differs, as the error is then rounding."""
    if not varying(pair.reference, pair.generated):
        return None, NO_SPREAD
    how = "closed form over all pairs" + ("; and spread between the subsets" if drawing_error else "")
    return normal_interval(name, value, float(np.hypot(found.standard_error, drawing_error)), how)


def rbf_discrepancy(pair: Pair) -> list[Number]:
    """Maximum mean discrepancy with a Gaussian kernel."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    found = ops.mmd(**pair.rows(), kernel="rbf", bandwidth=need_width(pair.reference, pair.generated))
    interval, method = _over_pairs(pair, _MMD_RBF, found.value, found)
    definition = "squared maximum mean discrepancy, Gaussian kernel as wide as the median distance, unbiased"
    return [Number(_MMD_RBF, found.value, definition, interval, method)]


def cmmd(pair: Pair) -> list[Number]:
    """CMMD, over CLIP embeddings."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    need_directions(pair.reference, pair.generated)
    found = ops.cmmd(**pair.rows())
    value = 0.0 if pair.same_rows() else found.value
    interval, method = _over_pairs(pair, _CMMD, value, found)
    definition = (
        "1,000 times the squared maximum mean discrepancy of unit CLIP embeddings, Gaussian kernel of width 10, "
        "biased, as in CMMD (Jayasumana et al., 2024)"
    )
    return [Number(_CMMD, value, definition, interval, method)]


def kernel_distance_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two kernel distances is known: the error over all pairs, and that of drawn subsets."""
    return _kernel(first, second, _KD, "polynomial")


def kernel_distance_full_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two kernel distances over all pairs is known."""
    return _kernel(first, second, _KD_FULL, "polynomial")


def rbf_discrepancy_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two discrepancies is known, with one Gaussian kernel for all three sets."""
    return _kernel(first, second, _MMD_RBF, "rbf")


def cmmd_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two CMMDs is known."""
    if fewest(first, second) < LEAST_ROWS:
        return [Contrast(_CMMD, None, math.inf, FEW)]
    found = ops.cmmd_difference(**rows_of(first, second), seed=first.seed)
    return [contrast_of(_CMMD, found, CLOSED, PERMUTED)]


def _kernel(first: Pair, second: Pair, name: NumberName, kernel: str) -> list[Contrast]:
    if fewest(first, second) < LEAST_ROWS:
        return [Contrast(name, None, math.inf, FEW)]
    found = ops.mmd_difference(**rows_of(first, second), kernel=kernel, seed=first.seed)
    return [contrast_of(name, found, CLOSED, PERMUTED)]


MEASURES = (
    Measure(
        "kd",
        (_KD,),
        kernel_distance,
        kernel_distance_contrast,
        what="squared kernel distance, over the protocol's subsets",
        blind_to="rare modes; close to 0 it has a sign",
    ),
    Measure(
        "kd-full",
        (_KD_FULL,),
        kernel_distance_full,
        kernel_distance_full_contrast,
        what="the same over all pairs",
        blind_to="as `kd`",
    ),
    Measure(
        "mmd-rbf",
        (_MMD_RBF,),
        rbf_discrepancy,
        rbf_discrepancy_contrast,
        what="the same with a Gaussian kernel of the median width",
        blind_to="structure much finer or coarser than the kernel",
    ),
    Measure(
        "cmmd",
        (_CMMD,),
        cmmd,
        cmmd_contrast,
        families=("clip",),
        what="squared kernel distance over CLIP embeddings",
        blind_to="what CLIP does not see; by definition biased by about 1,000 (1/N + 1/M) times 1 - mean kernel",
    ),
)
