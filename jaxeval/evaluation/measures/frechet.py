"""Fréchet distances: of fitted Gaussians, extrapolated, informed by memorisation, and over spatial features."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxeval import ops
from jaxeval.evaluation.measures.contrast import PERMUTED, contrast_of
from jaxeval.evaluation.measures.demands import (
    need_directions,
    need_images,
)
from jaxeval.evaluation.measures.measure import (
    DEVIATIONS,
    FEW,
    SAME,
    Contrast,
    Debiased,
    Measure,
    Number,
    Pair,
    Sets,
    normal_interval,
    subsampled,
)
from jaxeval.evaluation.measures.number_name import POSITIVE, UNIT, NumberName
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading.features import Wanted
from jaxeval.ops import Interval
from jaxeval.statistics import FeatureStatistics

FD = NumberName("fd", "FD", "lower", "FID", range=POSITIVE)
_FD_INFINITY = NumberName("fd-infinity", "FD-infinity", "lower", "FID-infinity", range=POSITIVE)
_SFD = NumberName("sfd", "sFD", "lower", "sFID", range=POSITIVE)
_MIFD = NumberName("mifd", "MiFD", "lower", "MiFID", range=POSITIVE)
_MEMORISATION = NumberName("memorisation", "Memorisation distance", "higher", range=UNIT, mean_over="generated")

# With a bias above this share of the value, two sets of other sizes cannot be compared.
_TELLING_BIAS = 0.05
_NO_SAMPLE = "none: the features of the images are not at hand"
# Of means and covariances of the same rows in another order: 2e-15 of the spread were seen.
_ROUNDING = 1e-13
# The same of a file of another tool, which may hold float32; two samples of millions of images differ by more.
_SINGLE = 2e-7
_THRESHOLD = 0.1
# Below it a memorisation distance is the rounding of unit vectors of float32 numbers.
_COPIES = 1e-12


# Of a jackknife: as many as are left out in turn, and the fewest whose spread tells anything.
_GROUPS, _FEWEST_GROUPS = 20, 5


def frechet(pair: Pair, name: NumberName = FD, what: str = "Gaussians fitted to the features") -> list[Number]:
    """Fréchet distance of fitted Gaussians."""
    ours, theirs = pair.reference.statistics, pair.generated.statistics
    assert ours is not None
    assert theirs is not None
    ddof = pair.protocol.ddof
    mean = "" if pair.protocol.mean == "float64" else f"mean in {pair.protocol.mean}, "
    definition = f"Fréchet distance between {what}, {mean}covariance over N - {ddof}, as in {pair.protocol.follows}"
    if _same_statistics(ours, theirs, ddof):
        return [Number(name, 0.0, definition, None, SAME, {"ddof": ddof})]
    value = ops.frechet_distance_between(*(gaussian_of(one, pair.protocol) for one in (ours, theirs)))
    found = _uncertainty(pair) if pair.with_intervals else None
    if found is None:
        return [Number(name, value, definition, None, _NO_SAMPLE, {"ddof": ddof})]
    exact = "" if ours.sample is not None else "; the reference counts as exact"
    how = f"influence of single images; about the distance at these counts, its bias included{exact}"
    interval, method = normal_interval(name, value, found.standard_error, how)
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
    number = Number(name, value, definition, interval, method, {"ddof": ddof}, warnings)
    # A singular covariance leaves the most of its bias to orders that nobody knows.
    return [
        number if few or interval is None else dataclasses.replace(number, debiased=debiased(name, value, found, exact))
    ]


def gaussian_of(statistics: FeatureStatistics, protocol: Protocol) -> ops.Gaussian:
    """The Gaussian that a protocol has of some features: its denominator, and the mean in its dtype."""
    gaussian = statistics.gaussian(protocol.ddof)
    if protocol.mean == "float64":
        return gaussian
    mean = np.asarray(gaussian.mean).astype(np.float32).astype(np.float64)
    return ops.Gaussian(mean=mean, covariance=gaussian.covariance, factor=gaussian.factor)


def debiased(name: NumberName, value: float, found: ops.FrechetUncertainty, note: str = "") -> Debiased:
    """A Fréchet distance without its bias, with the uncertainty of that.

    The interval grows without a step as images become few: downwards by what the bias may be more than what is known
    of it.
    """
    least = name.range[0]
    middle = max(least, value - found.bias)
    reach = DEVIATIONS * found.standard_error
    method = (
        f"95%, influence of single images; of the distance without its bias of {found.bias:.4g}, "
        f"which may be up to {found.bias_shortfall:.2g} more{note}"
    )
    low = value - found.bias - found.bias_shortfall - reach
    interval = Interval(low, middle + reach).within(middle, name.range)
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
    """Bias and standard error of the distance of two sets; None where the generated features are not at hand."""
    ours, theirs = pair.reference.statistics, pair.generated.statistics
    if ours is None or theirs is None or theirs.sample is None or theirs.count is None or len(theirs.sample) < 2:
        return None
    reference, rows, count = ours, theirs.sample, theirs.count
    return pair.once(
        ("uncertainty", id(ours), id(theirs)),  # of a file's own mean and covariance, or of the features
        lambda: ops.frechet_uncertainty(
            reference=reference.gaussian(),
            generated=theirs.gaussian(),
            reference_rows=reference.sample,
            generated_rows=rows,
            n_reference=None if reference.sample is None else reference.count,
            n_generated=count,
        ),
    )


def frechet_infinity(pair: Pair) -> list[Number]:
    """Fréchet distance extrapolated in 1/M."""
    need_images(3, "the line through distances of growing sets", pair.generated)
    options: dict[str, Any] = {"points": 15, "seed": pair.seed}
    found = ops.fd_infinity(**pair.rows(), **options)
    single = _uncertainty(pair)
    definition = "Fréchet distance extrapolated to infinitely many generated images (Chong and Forsyth, 2020)"
    parameters = options | {"points": len(found.counts), "slope": found.slope}
    if single is None:
        return [Number(_FD_INFINITY, found.value, definition, None, _NO_SAMPLE, parameters)]
    error = float(np.hypot(single.standard_error, np.nan_to_num(found.standard_error)))
    how = "influence of single images and the line's error; with the bias of the reference"
    interval, method = normal_interval(_FD_INFINITY, found.value, error, how)
    return [Number(_FD_INFINITY, found.value, definition, interval, method, parameters)]


def mifd(pair: Pair) -> list[Number]:
    """Memorisation-informed Fréchet distance, and the memorisation distance."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"memorisation": ops.memorisation_distance(**rows)}

    need_directions(pair.reference, pair.generated)
    definition = f"Fréchet distance over the memorisation distance where that is below {_THRESHOLD} (Bai et al., 2021)"
    parameters: dict[str, Any] = {"threshold": _THRESHOLD}
    mine = Number(_MIFD, 0.0, definition, None, SAME, parameters)
    if pair.family not in (None, "inception"):
        reason = f"its threshold of {_THRESHOLD} was chosen for inception features and says nothing of others"
        return [mine.without_meaning(reason), *_memorisation(pair)]
    if pair.same_rows():
        return [mine, *_memorisation(pair)]
    found = ops.mifid(**pair.rows(), **parameters)
    memorisation = _memorisation(pair, {"memorisation": found.memorisation_distance})
    if found.memorisation_distance < _COPIES:
        reason = "every generated image has the direction of a reference image, so that it is a distance over 0"
        return [mine.without_meaning(reason), *memorisation]
    single = _uncertainty(pair)
    divisor = found.frechet_distance / found.value if found.value > 0 else 1.0
    error = float("nan") if single is None else single.standard_error / divisor
    how = "influence of single images; of the value with its bias"
    interval, method = normal_interval(_MIFD, found.value, error, how)
    return [Number(_MIFD, found.value, definition, interval, method, parameters), *memorisation]


def _memorisation(pair: Pair, values: Mapping[str, float] | None = None) -> list[Number]:
    """The memorisation distance, with its value where that is known."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"memorisation": ops.memorisation_distance(**rows)}

    meaning = "mean over generated images of the least 1 - |cosine| to a reference image"
    return subsampled(pair, compute, {_MEMORISATION: meaning}, {}, values=values)


def frechet_of_space(pair: Pair) -> list[Number]:
    """Fréchet distance over features that keep where things are."""
    return frechet(pair, _SFD, "Gaussians fitted to spatial features")


def frechet_contrast(first: Pair, second: Pair, name: NumberName = FD) -> list[Contrast]:
    """How well a difference of two Fréchet distances is known."""
    if first.reference.rows is not None:
        reference = first.reference.rows
    else:
        assert first.reference.statistics is not None
        reference = first.reference.statistics.gaussian()
    first_rows, second_rows = first.generated_rows(), second.generated_rows()
    sizes = [len(first_rows), len(second_rows), *([] if isinstance(reference, ops.Gaussian) else [len(reference)])]
    groups = min(_GROUPS, min(sizes) // 2)  # a jackknife needs two images a group
    permuted = f"{PERMUTED}, of the distance's linear part"
    if groups >= _FEWEST_GROUPS:
        found = ops.frechet_difference(
            reference=reference, first=first_rows, second=second_rows, groups=groups, seed=first.seed
        )
        return [contrast_of(name, found, f"jackknife of {groups} groups, the reference shared", permuted)]
    known = reference if isinstance(reference, ops.Gaussian) else ops.gaussian_from_features(reference)
    witness = ops.frechet_witness(reference=known, first=first_rows, second=second_rows)
    return [Contrast(name, None, math.inf, FEW, ops.permutation_p_value(*witness, seed=first.seed), permuted)]


def frechet_of_space_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two Fréchet distances over spatial features is known."""
    return frechet_contrast(first, second, _SFD)


_STATISTICS, _BOTH = Wanted(statistics=True), Wanted(statistics=True, rows=True)

MEASURES = (
    Measure(
        "fd",
        (FD,),
        frechet,
        frechet_contrast,
        _STATISTICS,
        what="Fréchet distance of fitted Gaussians",
        blind_to=(
            "everything but mean and covariance; single images; copies of the training set. Biased by d(d+5)/4 "
            "(1/N + 1/M)-like amounts: compare equal counts"
        ),
    ),
    Measure(
        "fd-infinity",
        (_FD_INFINITY,),
        frechet_infinity,
        wanted=_BOTH,
        what="the same, extrapolated to infinitely many generated images",
        blind_to="as `fd`; the reference's part of the bias stays",
    ),
    Measure(
        "sfd",
        (_SFD,),
        frechet_of_space,
        frechet_of_space_contrast,
        _STATISTICS,
        taps=("sfid",),
        what="the same over a spatial layer",
        blind_to="as `fd`; the pooled content",
    ),
    Measure(
        "mifd",
        (_MIFD, _MEMORISATION),
        mifd,
        wanted=_BOTH,
        what="Fréchet distance, worse for copies, over the FID Inception network alone; memorisation distance",
        blind_to="copies in other poses; above the threshold it is `fd`",
    ),
)
