"""Measures of how far one distribution of features is from another: Frechet, kernel and sliced distances."""

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.demands import need_directions, need_images, need_width, varying
from jaxeval.evaluation.measure import (
    DEVIATIONS,
    NO_SPREAD,
    Interval,
    Number,
    Pair,
    Sets,
    normal_interval,
    subsampled,
)
from jaxeval.evaluation.statistics import FeatureStatistics

__all__ = [
    "cmmd",
    "frechet",
    "frechet_infinity",
    "frechet_of_space",
    "kernel_distance",
    "kernel_distance_full",
    "mifd",
    "rbf_discrepancy",
    "sliced",
]

# With a bias above this share of the value, two sets of other sizes cannot be compared.
_TELLING_BIAS = 0.05
# Below it the bias is not known well enough to be taken out: at 4, for features of many unequal sizes, to 5-10%.
_IMAGES_PER_FEATURE = 10
_NO_SAMPLE = "none: the features of the images are not at hand"
_THRESHOLD = 0.1


def frechet(pair: Pair, stem: str = "fd", what: str = "Gaussians fitted to the features") -> list[Number]:
    """Frechet distance of fitted Gaussians."""
    ours, theirs = pair.reference.statistics, pair.generated.statistics
    assert ours is not None
    assert theirs is not None
    ddof = pair.protocol.ddof
    value = ops.frechet_distance_between(ours.gaussian(ddof), theirs.gaussian(ddof))
    interval, method, warnings = _frechet_interval(value, ours, theirs, pair)
    definition = f"Frechet distance between {what}, covariance over N - {ddof}, as in {pair.protocol.follows}"
    return [Number(stem, value, definition, interval, method, {"ddof": ddof}, warnings)]


def _frechet_interval(
    value: float, ours: FeatureStatistics, theirs: FeatureStatistics, pair: Pair
) -> tuple[Interval | None, str, tuple[str, ...]]:
    found = _uncertainty(pair)
    if found is None or not pair.with_intervals:
        return None, _NO_SAMPLE, ()
    if found.standard_error == 0.0:
        return None, NO_SPREAD, ()
    reach = DEVIATIONS * found.standard_error
    exact = "" if ours.sample is not None else "; the reference counts as exact"
    few = [
        f"{side.name} has {statistics.count:,} images for {statistics.feature_size:,} features: its covariance is "
        "singular and the distance biased upwards; compare only with equal counts"
        for side, statistics in ((pair.reference, ours), (pair.generated, theirs))
        if statistics.count is not None and statistics.count <= statistics.feature_size
    ]
    size = theirs.feature_size
    counts = [one.count for one in (ours, theirs) if one.count is not None]
    warnings = tuple(few)
    if not few and found.bias > _TELLING_BIAS * value:
        share = f"{found.bias / value:.0%}" if found.bias < value else "all"
        warnings = (
            f"{share} of {pair.generated.name}'s distance is what so few images cost (about {found.bias:.3g}); "
            "compare only with equal counts",
        )
    if min(counts) < _IMAGES_PER_FEATURE * size:
        known = "" if few else f" (about {found.bias:.3g})"
        method = f"95%, influence of single images; of the distance at these counts, its bias{known} included{exact}"
        return (max(0.0, value - reach), value + reach), method, warnings
    middle = value - found.bias
    method = f"95%, influence of single images; of the distance without its bias of {found.bias:.4g}{exact}"
    return (max(0.0, middle - reach), max(0.0, middle + reach)), method, warnings


def _uncertainty(pair: Pair) -> ops.FrechetUncertainty | None:
    """Of the distance of the two sets; None where the generated features are not at hand."""
    ours, theirs = pair.reference.statistics, pair.generated.statistics
    if ours is None or theirs is None or theirs.sample is None or theirs.count is None or len(theirs.sample) < 2:
        return None
    return ops.frechet_uncertainty(
        reference=ours.gaussian(),
        generated=theirs.gaussian(),
        reference_rows=ours.sample,
        generated_rows=theirs.sample,
        n_reference=None if ours.sample is None else ours.count,
        n_generated=theirs.count,
    )


def frechet_infinity(pair: Pair) -> list[Number]:
    """Frechet distance extrapolated in 1/M."""
    need_images(3, "the line through distances of growing sets", pair.generated)
    found = ops.fd_infinity(**pair.rows(), seed=pair.seed)
    single = _uncertainty(pair)
    definition = "Frechet distance extrapolated to infinitely many generated images (Chong and Forsyth, 2020)"
    parameters = {"points": len(found.counts), "seed": pair.seed, "slope": found.slope}
    if single is None:
        return [Number("fd-infinity", found.value, definition, None, _NO_SAMPLE, parameters)]
    error = float(np.hypot(single.standard_error, np.nan_to_num(found.standard_error)))
    how = "influence of single images and the line's error; with the bias of the reference"
    interval, method = normal_interval(found.value, error, how)
    return [Number("fd-infinity", found.value, definition, interval, method, parameters)]


def mifd(pair: Pair) -> list[Number]:
    """Memorisation-informed Frechet distance, and the memorisation distance."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"memorisation": ops.memorisation_distance(**rows)}

    need_directions(pair.reference, pair.generated)
    found = ops.mifid(**pair.rows(), threshold=_THRESHOLD)
    definition = f"Frechet distance over the memorisation distance where that is below {_THRESHOLD} (Bai et al., 2021)"
    single = _uncertainty(pair)
    divisor = found.frechet_distance / found.value if found.value > 0 else 1.0
    error = float("nan") if single is None else single.standard_error / divisor
    interval, method = normal_interval(found.value, error, "influence of single images; of the value with its bias")
    mine = Number("mifd", found.value, definition, interval, method, {"threshold": _THRESHOLD})
    meaning = "mean over generated images of the least 1 - |cosine| to a reference image"
    return [mine, *subsampled(pair, compute, {"memorisation": meaning}, {})]


def frechet_of_space(pair: Pair) -> list[Number]:
    """Frechet distance over features that keep where things are."""
    return frechet(pair, "sfd", "Gaussians fitted to spatial features")


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
    full = ops.kid_full(**pair.rows())
    if rule is None:
        return [_full("kd", full, pair)]
    found = ops.kid(**pair.rows(), rule=rule.rule, subsets=rule.subsets, subset_size=rule.size)
    size = min(rule.size, *map(len, pair.rows().values()))
    definition = f"cubic kernel distance, mean over {rule.subsets:,} subsets of {size:,}, drawn as by {rule.rule}" + (
        f", {rule.departs}" if rule.departs else f"; as in {pair.protocol.follows}"
    )
    departs = f"the kernel distance is over {rule.subsets:,} subsets of {size:,} images, {rule.departs}"
    parameters = {
        "subsets": rule.subsets,
        "subset_size": size,
        "rule": rule.rule,
        "seed": 2020,
        "deviation_of_subsets": found.std,
    }
    interval, method = _over_pairs(pair, full.value, full)
    return [Number("kd", found.mean, definition, interval, method, parameters, (departs,) if rule.departs else ())]


def _smaller_subsets(count: int) -> str:
    return f"; or choose --kid-subset-size {count} or less" if count > 1 else ""


def kernel_distance_full(pair: Pair) -> list[Number]:
    """Kernel distance over all pairs."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    return [_full("kd-full", ops.kid_full(**pair.rows()), pair)]


def _full(stem: str, found: ops.Discrepancy, pair: Pair) -> Number:
    interval, method = _over_pairs(pair, found.value, found)
    none = "" if stem == "kd-full" else f"; {pair.protocol.follows} has no kernel distance of its own"
    return Number(stem, found.value, f"cubic kernel distance over all pairs, unbiased{none}", interval, method)


def _over_pairs(pair: Pair, value: float, found: ops.Discrepancy) -> tuple[Interval | None, str]:
    """The interval about a value; none where no image differs, as the error is then rounding."""
    if not varying(pair.reference, pair.generated):
        return None, NO_SPREAD
    return normal_interval(value, found.standard_error, "closed form over all pairs")


def rbf_discrepancy(pair: Pair) -> list[Number]:
    """Maximum mean discrepancy with a Gaussian kernel."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    found = ops.mmd(**pair.rows(), kernel="rbf", bandwidth=need_width(pair.reference, pair.generated))
    interval, method = _over_pairs(pair, found.value, found)
    definition = "squared maximum mean discrepancy, Gaussian kernel as wide as the median distance, unbiased"
    return [Number("mmd-rbf", found.value, definition, interval, method)]


def cmmd(pair: Pair) -> list[Number]:
    """CMMD, over CLIP embeddings."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    need_directions(pair.reference, pair.generated)
    found = ops.cmmd(**pair.rows())
    interval, method = _over_pairs(pair, found.value, found)
    definition = (
        "1,000 times the squared maximum mean discrepancy of unit CLIP embeddings, Gaussian kernel of width 10, "
        "biased, as in CMMD (Jayasumana et al., 2024)"
    )
    return [Number("cmmd", found.value, definition, interval, method)]


def sliced(pair: Pair) -> list[Number]:
    """Sliced Wasserstein distances."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.mind(**rows, seed=pair.seed).value
        return {"mind": found, "sw2": float(np.sqrt(found / (3 * rows["reference"].shape[1])))}

    definitions = {
        "mind": "3 d times the mean squared Wasserstein-2 distance along 1,000 random directions (Berthet, 2026)",
        "sw2": "root of the mean squared Wasserstein-2 distance along 1,000 random directions",
    }
    return subsampled(pair, compute, definitions, {"projections": 1000, "seed": pair.seed})
