"""Fidelity and diversity by neighbours: precision, recall, density, coverage and their relatives."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.contrast import PERMUTED, contrast_of, fewest, rows_of
from jaxeval.evaluation.measures.demands import need_neighbours
from jaxeval.evaluation.measures.measure import FEW, Contrast, Measure, Number, Pair, Sets, subsampled
from jaxeval.evaluation.measures.number_name import POSITIVE, UNIT, NumberName
from jaxeval.evaluation.protocols import PRDC_MANIFOLD, Protocol
from jaxeval.evaluation.reading.features import Balls

_PRECISION = NumberName("precision", "Precision", "higher", range=UNIT, mean_over="generated", share=True)
_RECALL = NumberName("recall", "Recall", "higher", range=UNIT, mean_over="reference", share=True)
_DENSITY = NumberName("density", "Density", "higher", range=POSITIVE, mean_over="generated")
_COVERAGE = NumberName("coverage", "Coverage", "higher", range=UNIT, mean_over="reference", share=True)
_CLIPPED_DENSITY = NumberName("clipped-density", "Clipped density", "higher", range=UNIT, mean_over="generated")
_CLIPPED_COVERAGE = NumberName("clipped-coverage", "Clipped coverage", "higher", range=UNIT, mean_over="reference")
_P_PRECISION = NumberName("p-precision", "P-precision", "higher", range=UNIT, mean_over="generated")
_P_RECALL = NumberName("p-recall", "P-recall", "higher", range=UNIT, mean_over="reference")
_PRD_PRECISION = NumberName("prd-precision", "PRD F1/8", "higher", range=UNIT, mean_over="generated")
_PRD_RECALL = NumberName("prd-recall", "PRD F8", "higher", range=UNIT, mean_over="reference")
_ALPHA_PRECISION = NumberName("alpha-precision", "alpha-Precision", "higher", range=UNIT, mean_over="generated")
_BETA_RECALL = NumberName("beta-recall", "beta-Recall", "higher", range=UNIT, mean_over="reference")
_REALISM = NumberName("realism", "Realism", "higher", range=POSITIVE)
_RARITY = NumberName("rarity", "Rarity", None, range=POSITIVE)

_CLUSTERS = 20  # of a precision-recall curve
_PRDC = (_PRECISION, _RECALL, _DENSITY, _COVERAGE)


def manifold(pair: Pair) -> list[Number]:
    """Precision, recall, density and coverage by the protocol's rule."""
    rule = pair.protocol.manifold or PRDC_MANIFOLD
    need_neighbours(rule.k, pair.reference, pair.generated)
    whose = rule.of or pair.protocol.follows
    options: dict[str, Any] = {"k": rule.k, "tie": rule.tie}
    if rule.departs:
        whose = f"{whose}, but for {rule.departs}"

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.prdc(**rows, **options)
        return {name.stem: getattr(found, name.stem) for name in _PRDC}

    k = f"balls to the {rule.k}. neighbour, surface {'inside' if rule.tie == 'inclusive' else 'outside'}, as in {whose}"
    definitions = {
        _PRECISION: f"share of generated images in a reference ball; {k}",
        _RECALL: f"share of reference images in a generated ball; {k}",
        _DENSITY: f"reference balls that a generated image lies in, over k; {k}",
        _COVERAGE: f"share of reference balls with a generated image; {k}",
    }
    warnings = (f"precision, recall, density and coverage are as in {whose}",) if rule.departs else ()
    return subsampled(pair, compute, definitions, options, warnings=warnings, known=pair.neighbours())


def clipped(pair: Pair) -> list[Number]:
    """Clipped density and coverage."""
    k, note = _neighbours(pair, 5)
    need_neighbours(k, pair.reference, pair.generated)

    def compute(rows: Sets, cut: bool = True) -> dict[str, float]:
        found = ops.clipped_density_coverage(**rows, k=k, cut=cut)
        return {"clipped-density": found.density, "clipped-coverage": found.coverage}

    whose = f"calibrated to the share of good images (Salvy et al., 2026){note}"
    definitions = {_CLIPPED_DENSITY: f"fidelity, {whose}", _CLIPPED_COVERAGE: f"coverage, {whose}"}
    uncut, known = functools.partial(compute, cut=False), pair.neighbours("reference")
    return subsampled(pair, compute, definitions, {"k": k}, uncut=uncut, known=known)


def probabilistic(pair: Pair) -> list[Number]:
    """Precision and recall with soft balls."""
    k, note = _neighbours(pair, 4)
    options: dict[str, Any] = {"k": k, "stretch": 1.2}
    need_neighbours(k, pair.reference, pair.generated)

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.probabilistic_precision_recall(**rows, **options, strict=False)
        return {"p-precision": found.precision, "p-recall": found.recall}

    whose = f"with soft balls of the mean radius (Park and Kim, 2023){note}"
    definitions = {_P_PRECISION: f"precision {whose}", _P_RECALL: f"recall {whose}"}
    alike = f"every image of {{!r}} has {k} copies or more in it, so that its balls have no radius"
    undefined = {
        "p-precision": alike.format(pair.reference.name),
        "p-recall": alike.format(pair.generated.name),
    }
    return subsampled(pair, compute, definitions, options, undefined=undefined, known=pair.neighbours())


def curves(pair: Pair) -> list[Number]:
    """Precision-recall curves of distributions."""
    options: dict[str, Any] = {"clusters": _CLUSTERS, "runs": 10, "seed": pair.seed}
    count = sum(map(len, pair.rows().values()))
    if count < _CLUSTERS:
        raise InputError(
            f"the curve is over {_CLUSTERS} clusters of images, and {pair.reference.name!r} and "
            f"{pair.generated.name!r} have {count} together; give more images"
        )

    def compute(rows: Sets) -> dict[str, float]:
        curve = ops.precision_recall_distribution(**rows, **options)
        recall, precision = ops.prd_f_scores(curve)
        return {"prd-recall": recall, "prd-precision": precision}

    whose = "of the precision-recall curve over shared clusters (Sajjadi et al., 2018)"
    definitions = {_PRD_RECALL: f"largest F8 {whose}", _PRD_PRECISION: f"largest F1/8 {whose}"}
    return subsampled(pair, compute, definitions, options)


def alpha(pair: Pair) -> list[Number]:
    """Alpha-precision and beta-recall."""
    need_neighbours(1, pair.reference, option=False)
    options: dict[str, Any] = {"steps": 30}

    def compute(rows: Sets, signed: bool = False) -> dict[str, float]:
        found = ops.alpha_precision(**rows, **options, signed=signed)
        return {"alpha-precision": found.precision, "beta-recall": found.recall}

    whose = "integrated over its levels, balls about the features' means (after Alaa et al., 2022)"
    definitions = {_ALPHA_PRECISION: f"alpha-precision {whose}", _BETA_RECALL: f"beta-recall {whose}"}
    uncut, known = functools.partial(compute, signed=True), pair.neighbours("reference")
    return subsampled(pair, compute, definitions, options, uncut=uncut, known=known)


def realism(pair: Pair) -> list[Number]:
    """Realism of the generated images."""
    k, note = _neighbours(pair, 3)
    need_neighbours(k, pair.reference)

    def compute(rows: Sets) -> dict[str, float]:
        return {"realism": float(ops.realism(**rows, k=k).mean())}

    definition = (
        f"mean over generated images of the largest radius over distance of a reference ball (Kynkäänniemi, 2019){note}"
    )
    undefined = {
        "realism": f"an image of {pair.generated.name!r} is a copy of one of {pair.reference.name!r}, whose realism is "
        f"infinite, or no ball of {pair.reference.name!r} is smaller than their median"
    }
    known = pair.neighbours("reference")
    return subsampled(pair, compute, {_REALISM: definition}, {"k": k}, undefined=undefined, known=known)


def rarity(pair: Pair) -> list[Number]:
    """Rarity of the generated images."""
    k, note = _neighbours(pair, 3)
    need_neighbours(k, pair.reference)

    def compute(rows: Sets) -> dict[str, float]:
        scores = ops.rarity(**rows, k=k)
        inside = np.isfinite(scores)
        return {"rarity": float(scores[inside].mean()) if inside.any() else float("nan")}

    definition = (
        "mean radius of the smallest reference ball around a generated image, over those in one (Han et al., 2023)"
    )
    undefined = {"rarity": f"no image of {pair.generated.name!r} lies in a ball of {pair.reference.name!r}"}
    known = pair.neighbours("reference")
    return subsampled(pair, compute, {_RARITY: definition + note}, {"k": k}, undefined=undefined, known=known)


def _neighbours(pair: Pair, own: int) -> tuple[int, str]:
    """The k of a metric whose own is given, and in words how the user's choice departs from it."""
    chosen = _k(pair.protocol, own)
    return chosen, "" if chosen == own else f", but for k = {chosen} where it has {own}"


def _k(protocol: Protocol, own: int) -> int:
    """The user's k, or a metric's own."""
    return own if protocol.neighbours is None else protocol.neighbours


def _balls(own: int, *, both: bool = False, lists: bool = False) -> Callable[[Protocol], tuple[Balls, Balls | None]]:
    """Those of a metric whose own k is given: of the reference, or of both sets."""

    def wanted(protocol: Protocol) -> tuple[Balls, Balls | None]:
        ks = frozenset([_k(protocol, own)])
        return Balls(ks, lists), Balls(ks) if both else None

    return wanted


def _balls_of_rule(protocol: Protocol) -> tuple[Balls, Balls]:
    balls = Balls(frozenset([(protocol.manifold or PRDC_MANIFOLD).k]))
    return balls, balls


def manifold_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well differences of precision, recall, density and coverage are known."""
    rule = first.protocol.manifold or PRDC_MANIFOLD
    if fewest(first, second) // 3 <= rule.k:  # a third of the images has no k-th neighbours
        return [Contrast(name, None, math.inf, FEW) for name in _PRDC]
    found = ops.prdc_difference(**rows_of(first, second), k=rule.k, tie=rule.tie, seed=first.seed)
    method = "spread between thirds of the images, the reference shared"
    return [
        contrast_of(name, getattr(found, name.stem), method, PERMUTED if name in (_PRECISION, _DENSITY) else "")
        for name in _PRDC
    ]


MEASURES = (
    Measure(
        "prdc",
        _PRDC,
        manifold,
        manifold_contrast,
        balls=_balls_of_rule,
        what="precision, recall, density, coverage by balls to the k-th neighbour",
        blind_to=(
            "how far outside a ball an image lies; precision and density rise when diversity falls; one outlier "
            "in the reference makes a huge ball: precision .92 for a generator that misses everything (in the "
            "tests)"
        ),
    ),
    Measure(
        "clipped",
        (_CLIPPED_DENSITY, _CLIPPED_COVERAGE),
        clipped,
        balls=_balls(5, lists=True),
        what="clipped density, clipped coverage",
        blind_to="nothing of the outlier of `prdc`; differences within the share of good images",
    ),
    Measure(
        "p-precision-recall",
        (_P_PRECISION, _P_RECALL),
        probabilistic,
        balls=_balls(4, both=True),
        what="precision and recall with soft balls",
        blind_to="as `prdc`, less jumpy",
    ),
    Measure(
        "prd",
        (_PRD_PRECISION, _PRD_RECALL),
        curves,
        what="F8 (recall) and F1/8 (precision) of the precision-recall curve of distributions",
        blind_to="everything finer than 20 clusters",
    ),
    Measure(
        "alpha-beta",
        (_ALPHA_PRECISION, _BETA_RECALL),
        alpha,
        balls=lambda protocol: (Balls(frozenset([1])), None),
        what="integrated alpha-precision, beta-recall",
        blind_to="shape: balls about one centre; even ideal samples have a beta-recall of about .5",
    ),
    Measure(
        "realism",
        (_REALISM,),
        realism,
        balls=_balls(3),
        what="mean realism of single images",
        blind_to="diversity",
    ),
    Measure(
        "rarity",
        (_RARITY,),
        rarity,
        balls=_balls(3),
        what="mean rarity of single images",
        blind_to="images in no ball, which have none and are left out",
    ),
)
