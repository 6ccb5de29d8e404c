"""Measures of how far one distribution of features is from another: Frechet, kernel and sliced distances."""

import dataclasses

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.demands import need_directions, need_images, need_width, varying
from jaxeval.evaluation.measure import (
    DEVIATIONS,
    NO_SPREAD,
    Debiased,
    Number,
    Pair,
    Sets,
    normal_interval,
    subsampled,
)
from jaxeval.evaluation.names import NUMBERS
from jaxeval.evaluation.protocols import DirectionRule, Protocol
from jaxeval.evaluation.reading.statistics import FeatureStatistics
from jaxeval.ops import Interval

__all__ = [
    "cmmd",
    "debiased",
    "frechet",
    "frechet_infinity",
    "frechet_of_space",
    "gaussian_of",
    "kernel_distance",
    "kernel_distance_full",
    "mifd",
    "rbf_discrepancy",
    "sliced",
    "sliced_draws",
]

# With a bias above this share of the value, two sets of other sizes cannot be compared.
_TELLING_BIAS = 0.05
_NO_SAMPLE = "none: the features of the images are not at hand"
SAME = "none: both sets have the same features, which say nothing of chance"
# Of means and covariances of the same rows in another order: 2e-15 of the spread were seen.
_ROUNDING = 1e-13
# The same of a file of another tool, which may hold float32; two samples of millions of images differ by more.
_SINGLE = 2e-7
_THRESHOLD = 0.1
# Below it a memorisation distance is the rounding of unit vectors of float32 numbers.
_COPIES = 1e-12


def frechet(pair: Pair, stem: str = "fd", what: str = "Gaussians fitted to the features") -> list[Number]:
    """Frechet distance of fitted Gaussians."""
    ours, theirs = pair.reference.statistics, pair.generated.statistics
    assert ours is not None
    assert theirs is not None
    ddof = pair.protocol.ddof
    mean = "" if pair.protocol.mean == "float64" else f"mean in {pair.protocol.mean}, "
    definition = f"Frechet distance between {what}, {mean}covariance over N - {ddof}, as in {pair.protocol.follows}"
    if _same_statistics(ours, theirs, ddof):
        return [Number(stem, 0.0, definition, None, SAME, {"ddof": ddof})]
    value = ops.frechet_distance_between(*(gaussian_of(one, pair.protocol) for one in (ours, theirs)))
    found = _uncertainty(pair) if pair.with_intervals else None
    if found is None:
        return [Number(stem, value, definition, None, _NO_SAMPLE, {"ddof": ddof})]
    exact = "" if ours.sample is not None else "; the reference counts as exact"
    how = f"influence of single images; about the distance at these counts, its bias included{exact}"
    interval, method = normal_interval(stem, value, found.standard_error, how)
    few = [
        f"{side.name} has {statistics.count:,} images for {statistics.feature_size:,} features: its covariance is "
        "singular and the distance biased upwards; compare only with equal counts"
        for side, statistics in ((pair.reference, ours), (pair.generated, theirs))
        if statistics.count is not None and statistics.count <= statistics.feature_size
    ]
    warnings = tuple(few)
    if not few and found.bias > _TELLING_BIAS * value:
        share = f"{found.bias / value:.0%}" if found.bias < value else "all"
        warnings = (
            f"{share} of {pair.generated.name}'s distance is what so few images cost (about {found.bias:.3g}); "
            "compare only with equal counts",
        )
    number = Number(stem, value, definition, interval, method, {"ddof": ddof}, warnings)
    # A singular covariance leaves the most of its bias to orders that nobody knows.
    return [
        number if few or interval is None else dataclasses.replace(number, debiased=debiased(stem, value, found, exact))
    ]


def gaussian_of(statistics: FeatureStatistics, protocol: Protocol) -> ops.Gaussian:
    """The Gaussian that a protocol has of some features: its denominator, and the mean in its dtype."""
    gaussian = statistics.gaussian(protocol.ddof)
    if protocol.mean == "float64":
        return gaussian
    mean = np.asarray(gaussian.mean).astype(np.float32).astype(np.float64)
    return ops.Gaussian(mean=mean, covariance=gaussian.covariance, factor=gaussian.factor)


def debiased(stem: str, value: float, found: ops.FrechetUncertainty, note: str = "") -> Debiased:
    """A Frechet distance without its bias, with the uncertainty of that.

    The interval grows without a step as images become few: downwards by what the bias may be more than what is known
    of it.
    """
    least = NUMBERS[stem].range[0]
    middle = max(least, value - found.bias)
    reach = DEVIATIONS * found.standard_error
    method = (
        f"95%, influence of single images; of the distance without its bias of {found.bias:.4g}, "
        f"which may be up to {found.bias_shortfall:.2g} more{note}"
    )
    low = value - found.bias - found.bias_shortfall - reach
    interval = Interval(low, middle + reach).within(middle, NUMBERS[stem].range)
    return Debiased(middle, found.bias, found.bias_shortfall, interval, method)


def _same_statistics(ours: FeatureStatistics, theirs: FeatureStatistics, ddof: int) -> bool:
    """Whether two sets have one mean and one covariance, but for rounding: of sums in another order, or of a file."""
    known = ours.count is not None and theirs.count is not None
    if ours.feature_size != theirs.feature_size or (known and ours.count != theirs.count):
        return False
    spreads = [_spread(one.gaussian(ddof)) for one in (ours, theirs)]
    rounding = (_ROUNDING if known else _SINGLE) * (np.abs(ours.mean) + spreads[0])
    if (np.abs(ours.mean - theirs.mean) > rounding).any() or (np.abs(spreads[0] - spreads[1]) > rounding).any():
        return False
    off = np.abs(ours.full_covariance(ddof) - theirs.full_covariance(ddof))
    each = np.outer(rounding, spreads[0])
    return not (off > each + each.T).any()


def _spread(gaussian: ops.Gaussian) -> np.ndarray:
    """Standard deviation of each feature."""
    if gaussian.factor is not None:
        return np.sqrt(np.square(gaussian.factor).sum(0))
    return np.sqrt(np.maximum(np.diag(np.asarray(gaussian.covariance)), 0))


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
    interval, method = normal_interval("fd-infinity", found.value, error, how)
    return [Number("fd-infinity", found.value, definition, interval, method, parameters)]


def mifd(pair: Pair) -> list[Number]:
    """Memorisation-informed Frechet distance, and the memorisation distance."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"memorisation": ops.memorisation_distance(**rows)}

    need_directions(pair.reference, pair.generated)
    meaning = "mean over generated images of the least 1 - |cosine| to a reference image"
    memorisation = subsampled(pair, compute, {"memorisation": meaning}, {})
    definition = f"Frechet distance over the memorisation distance where that is below {_THRESHOLD} (Bai et al., 2021)"
    parameters = {"threshold": _THRESHOLD}
    mine = Number("mifd", 0.0, definition, None, SAME, parameters)
    if pair.extractor not in ("", "inception"):
        reason = f"its threshold of {_THRESHOLD} was chosen for inception features and says nothing of others"
        return [mine.without_meaning(reason), *memorisation]
    if pair.same_rows():
        return [mine, *memorisation]
    found = ops.mifid(**pair.rows(), threshold=_THRESHOLD)
    if found.memorisation_distance < _COPIES:
        reason = "every generated image has the direction of a reference image, so that it is a distance over 0"
        return [mine.without_meaning(reason), *memorisation]
    single = _uncertainty(pair)
    divisor = found.frechet_distance / found.value if found.value > 0 else 1.0
    error = float("nan") if single is None else single.standard_error / divisor
    how = "influence of single images; of the value with its bias"
    interval, method = normal_interval("mifd", found.value, error, how)
    return [Number("mifd", found.value, definition, interval, method, parameters), *memorisation]


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
    # The subsets are drawn from the same images: what their choice adds is the error of their mean.
    drawing_error = found.std / float(np.sqrt(rule.subsets))
    interval, method = _over_pairs(pair, "kd", found.mean, full, drawing_error)
    warnings = (departs,) if rule.departs else ()
    return [Number("kd", found.mean, definition, interval, method, parameters, warnings, drawing_error=drawing_error)]


def _smaller_subsets(count: int) -> str:
    return f"; or choose --kid-subset-size {count} or less" if count > 1 else ""


def kernel_distance_full(pair: Pair) -> list[Number]:
    """Kernel distance over all pairs."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    return [_full("kd-full", ops.kid_full(**pair.rows()), pair)]


def _full(stem: str, found: ops.Discrepancy, pair: Pair) -> Number:
    interval, method = _over_pairs(pair, stem, found.value, found)
    none = "" if stem == "kd-full" else f"; {pair.protocol.follows} has no kernel distance of its own"
    return Number(stem, found.value, f"cubic kernel distance over all pairs, unbiased{none}", interval, method)


def _over_pairs(
    pair: Pair, stem: str, value: float, found: ops.Discrepancy, drawing_error: float = 0.0
) -> tuple[Interval | None, str]:
    """The interval about a value; none where no image differs, as the error is then rounding."""
    if not varying(pair.reference, pair.generated):
        return None, NO_SPREAD
    how = "closed form over all pairs" + ("; and spread between the subsets" if drawing_error else "")
    return normal_interval(stem, value, float(np.hypot(found.standard_error, drawing_error)), how)


def rbf_discrepancy(pair: Pair) -> list[Number]:
    """Maximum mean discrepancy with a Gaussian kernel."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    found = ops.mmd(**pair.rows(), kernel="rbf", bandwidth=need_width(pair.reference, pair.generated))
    interval, method = _over_pairs(pair, "mmd-rbf", found.value, found)
    definition = "squared maximum mean discrepancy, Gaussian kernel as wide as the median distance, unbiased"
    return [Number("mmd-rbf", found.value, definition, interval, method)]


def cmmd(pair: Pair) -> list[Number]:
    """CMMD, over CLIP embeddings."""
    need_images(2, "a kernel distance", pair.reference, pair.generated)
    need_directions(pair.reference, pair.generated)
    found = ops.cmmd(**pair.rows())
    value = 0.0 if pair.same_rows() else found.value
    interval, method = _over_pairs(pair, "cmmd", value, found)
    definition = (
        "1,000 times the squared maximum mean discrepancy of unit CLIP embeddings, Gaussian kernel of width 10, "
        "biased, as in CMMD (Jayasumana et al., 2024)"
    )
    return [Number("cmmd", value, definition, interval, method)]


def sliced(pair: Pair) -> list[Number]:
    """Sliced Wasserstein distances by the protocol's rule."""
    rule = pair.protocol.directions or DirectionRule("quantiles")
    whose = "Berthet, 2026" if pair.protocol.directions is None else "as in torch-fidelity 0.5"
    along = f"along {rule.projections:,} random directions"
    definitions = {
        "mind": f"3 d times the mean squared Wasserstein-2 distance {along} ({whose})",
        "sw2": f"root of the mean squared Wasserstein-2 distance {along} (those of MIND {whose})",
    }
    parameters = dataclasses.asdict(rule) | {"seed": _seed(rule, pair)}
    if pair.same_rows():
        return [Number(stem, 0.0, definition, None, SAME, parameters) for stem, definition in definitions.items()]
    factor = 3 * pair.generated_rows().shape[1]

    def numbers(costs: np.ndarray) -> dict[str, float]:
        mind = float((factor * costs).mean())
        return {"mind": mind, "sw2": float(np.sqrt(mind / factor))}

    def compute(rows: Sets) -> dict[str, float]:
        return numbers(_costs(rows, rule, pair))

    costs = _costs(pair.rows(), rule, pair)
    errors = _direction_errors(factor * costs, _of_root(costs))
    return subsampled(pair, compute, definitions, parameters, values=numbers(costs), drawing_errors=errors)


def sliced_draws(first: Pair, second: Pair) -> dict[str, float]:
    """Standard errors of differences of sliced distances over the directions, which are the same on both sides."""
    rule = first.protocol.directions or DirectionRule("quantiles")
    sides = [_costs(pair.rows(), rule, pair) for pair in (first, second)]
    factor = 3 * first.generated_rows().shape[1]
    return _direction_errors(factor * (sides[0] - sides[1]), _of_root(sides[0]) - _of_root(sides[1]))


def _costs(rows: Sets, rule: DirectionRule, pair: Pair) -> np.ndarray:
    return ops.sliced_costs(**rows, projections=rule.projections, seed=_seed(rule, pair), rule=rule.rule)


def _seed(rule: DirectionRule, pair: Pair) -> int:
    return pair.seed if rule.seed is None else rule.seed


def _of_root(costs: np.ndarray) -> np.ndarray:
    """By how much each direction moves the root of their mean."""
    return costs / (2 * np.sqrt(costs.mean())) if costs.any() else costs


def _direction_errors(mind: np.ndarray, root: np.ndarray) -> dict[str, float]:
    """Of the means of values of single directions."""
    return {stem: float(one.std(ddof=1) / np.sqrt(len(one))) for stem, one in (("mind", mind), ("sw2", root))}
