"""Measures of fidelity, diversity and copying: Inception score, neighbours, classes, held-out likelihood."""

import dataclasses
import functools
import math

import numpy as np

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.demands import (
    need_classes,
    need_directions,
    need_images,
    need_neighbours,
    need_width,
    one_class,
    varying,
)
from jaxeval.evaluation.distances import SAME, debiased
from jaxeval.evaluation.intervals import interval_about
from jaxeval.evaluation.measure import (
    Number,
    Pair,
    Sets,
    all_copied,
    attempted,
    normal_interval,
    same_rows,
    subsampled,
    with_held_out,
)
from jaxeval.evaluation.protocols import PRDC_MANIFOLD, SplitRule
from jaxeval.ops.inception_score import split_sizes

__all__ = [
    "alpha",
    "authenticity",
    "by_class",
    "caption_score",
    "class_diversity",
    "clipped",
    "copying",
    "curves",
    "inception_score",
    "likelihood",
    "manifold",
    "probabilistic",
    "rarity",
    "realism",
    "rke",
    "vendi",
]

_CLUSTERS = 20  # of a precision-recall curve
_CELLS, _LEAST_IN_CELL = 3, 20  # of C_T
_FEWEST_IN_SPLIT = 10  # images; below it a split's Inception score is mostly its own size
# Of a FLD, in 1/100 nat a dimension: widths of some thousandths of the features' deviation. Bad generators have tens.
_WITHOUT_END = 1e6


def inception_score(pair: Pair) -> list[Number]:
    """Inception score by the protocol's rule."""
    rule = pair.protocol.splits or SplitRule("torch-fidelity")
    logits, name = pair.generated_rows(), pair.generated.name
    count = len(logits)
    if rule.rule != "adm" and rule.splits > count:
        raise InputError(
            f"the score is over {rule.splits} splits and {name!r} has {count} image{'s'[: count != 1]}; give more "
            f"images, or fewer splits (--is-splits {max(1, count // _FEWEST_IN_SPLIT)})"
        )
    found = ops.inception_score(logits=logits, rule=rule.rule, splits=rule.splits)
    number = f"{rule.splits} split{'s'[: rule.splits != 1]}"
    whole = "splits" if rule.rule == "adm" else number
    departs = f", {rule.departs}" if rule.departs else ""
    definition = (
        f"exp of the mean KL divergence of class probabilities from their mean, over {whole} as by {rule.rule}{departs}"
    )
    error = found.mean * ops.inception_score_error(logits=logits) if count > 1 else float("nan")
    how = "delta method over images, for splits of this size"
    interval, method = normal_interval("is", found.mean, error, how, most=logits.shape[1])
    parameters = {"rule": rule.rule, "splits": rule.splits, "seed": 2020, "deviation_of_splits": found.std}
    warnings = [f"the Inception score is over {number}, {rule.departs}"] if rule.departs else []
    sizes = split_sizes(count, splits=rule.splits, rule=rule.rule)
    if min(sizes) < _FEWEST_IN_SPLIT:
        fewer = ", or fewer splits (--is-splits)" if len(sizes) > 1 else ""
        warnings.append(
            f"the smallest split of {name} has {min(sizes)} image{'s'[: min(sizes) != 1]}: so few draw the Inception "
            f"score towards 1, which that of a single image is; give more images{fewer}"
        )
    return [Number("is", found.mean, definition, interval, method, parameters, tuple(warnings))]


def caption_score(pair: Pair) -> list[Number]:
    """CLIPScore of the generated images and their captions."""
    texts = pair.generated.texts
    assert texts is not None
    need_directions(pair.generated)
    found = ops.clip_score(images=pair.generated_rows(), texts=texts)
    how = "standard error over images"
    interval, method = normal_interval("clip-score", found.value, found.error, how, counts=pair.counts())
    definition = "mean of 2.5 max(cosine, 0) of an image and 'A photo depicts ' its caption (Hessel et al., 2021)"
    return [Number("clip-score", found.value, definition, interval, method, {"weight": 2.5})]


def vendi(pair: Pair) -> list[Number]:
    """Vendi score of the generated images."""
    need_directions(pair.generated)

    def compute(rows: Sets) -> dict[str, float]:
        return {"vendi": ops.vendi_score(rows["generated"])}

    definition = "effective number of different images: exp of the entropy of the cosine similarity's eigenvalues"
    most = {"vendi": float(min(pair.generated_rows().shape))}
    return subsampled(pair, compute, {"vendi": definition}, {"order": 1.0}, alone=True, most=most)


def rke(pair: Pair) -> list[Number]:
    """Renyi kernel entropy of the generated images."""
    need_images(2, "a median distance", pair.reference)
    bandwidth = need_width(pair.reference)

    def compute(rows: Sets) -> dict[str, float]:
        return {"rke": ops.rke(rows["generated"], bandwidth=bandwidth)}

    definition = (
        "number of modes: exp of the Renyi entropy of a Gaussian kernel as wide as the reference's median distance"
    )
    most = {"rke": float(len(pair.generated_rows()))}
    return subsampled(pair, compute, {"rke": definition}, {"bandwidth": bandwidth}, alone=True, most=most)


def manifold(pair: Pair) -> list[Number]:
    """Precision, recall, density and coverage by the protocol's rule."""
    rule = pair.protocol.manifold or PRDC_MANIFOLD
    need_neighbours(rule.k, pair.reference, pair.generated)
    whose = rule.of or pair.protocol.follows
    if rule.departs:
        whose = f"{whose}, but for {rule.departs}"

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.prdc(**rows, k=rule.k, tie=rule.tie)
        return {stem: getattr(found, stem) for stem in ("precision", "recall", "density", "coverage")}

    k = f"balls to the {rule.k}. neighbour, surface {'inside' if rule.tie == 'inclusive' else 'outside'}, as in {whose}"
    definitions = {
        "precision": f"share of generated images in a reference ball; {k}",
        "recall": f"share of reference images in a generated ball; {k}",
        "density": f"reference balls that a generated image lies in, over k; {k}",
        "coverage": f"share of reference balls with a generated image; {k}",
    }
    warnings = (f"precision, recall, density and coverage are as in {whose}",) if rule.departs else ()
    return subsampled(pair, compute, definitions, {"k": rule.k, "tie": rule.tie}, warnings=warnings)


def clipped(pair: Pair) -> list[Number]:
    """Clipped density and coverage."""
    k, note = _neighbours(pair, 5)
    need_neighbours(k, pair.reference, pair.generated)

    def compute(rows: Sets, cut: bool = True) -> dict[str, float]:
        found = ops.clipped_density_coverage(**rows, k=k, cut=cut)
        return {"clipped-density": found.density, "clipped-coverage": found.coverage}

    whose = f"calibrated to the share of good images (Salvy et al., 2026){note}"
    definitions = {"clipped-density": f"fidelity, {whose}", "clipped-coverage": f"coverage, {whose}"}
    return subsampled(pair, compute, definitions, {"k": k}, uncut=functools.partial(compute, cut=False))


def probabilistic(pair: Pair) -> list[Number]:
    """Precision and recall with soft balls."""
    k, note = _neighbours(pair, 4)
    need_neighbours(k, pair.reference, pair.generated)

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.probabilistic_precision_recall(**rows, k=k, strict=False)
        return {"p-precision": found.precision, "p-recall": found.recall}

    whose = f"with soft balls of the mean radius (Park and Kim, 2023){note}"
    definitions = {"p-precision": f"precision {whose}", "p-recall": f"recall {whose}"}
    alike = f"every image of {{!r}} has {k} copies or more in it, so that its balls have no radius"
    undefined = {
        "p-precision": alike.format(pair.reference.name),
        "p-recall": alike.format(pair.generated.name),
    }
    return subsampled(pair, compute, definitions, {"k": k, "stretch": 1.2}, undefined=undefined)


def alpha(pair: Pair) -> list[Number]:
    """Alpha-precision and beta-recall."""
    need_neighbours(1, pair.reference, option=False)

    def compute(rows: Sets, signed: bool = False) -> dict[str, float]:
        found = ops.alpha_precision(**rows, signed=signed)
        return {"alpha-precision": found.precision, "beta-recall": found.recall}

    whose = "integrated over its levels, balls about the features' means (after Alaa et al., 2022)"
    definitions = {"alpha-precision": f"alpha-precision {whose}", "beta-recall": f"beta-recall {whose}"}
    return subsampled(pair, compute, definitions, {"steps": 30}, uncut=functools.partial(compute, signed=True))


def curves(pair: Pair) -> list[Number]:
    """Precision-recall curves of distributions."""
    count = sum(map(len, pair.rows().values()))
    if count < _CLUSTERS:
        raise InputError(
            f"the curve is over {_CLUSTERS} clusters of images, and {pair.reference.name!r} and "
            f"{pair.generated.name!r} have {count} together; give more images"
        )

    def compute(rows: Sets) -> dict[str, float]:
        curve = ops.precision_recall_distribution(**rows, clusters=_CLUSTERS, seed=pair.seed)
        recall, precision = ops.prd_f_scores(curve)
        return {"prd-recall": recall, "prd-precision": precision}

    whose = "of the precision-recall curve over shared clusters (Sajjadi et al., 2018)"
    definitions = {"prd-recall": f"largest F8 {whose}", "prd-precision": f"largest F1/8 {whose}"}
    return subsampled(pair, compute, definitions, {"clusters": _CLUSTERS, "runs": 10, "seed": pair.seed})


def realism(pair: Pair) -> list[Number]:
    """Realism of the generated images."""
    k, note = _neighbours(pair, 3)
    need_neighbours(k, pair.reference)

    def compute(rows: Sets) -> dict[str, float]:
        return {"realism": float(ops.realism(**rows, k=k).mean())}

    definition = (
        f"mean over generated images of the largest radius over distance of a reference ball (Kynkaanniemi, 2019){note}"
    )
    undefined = {
        "realism": f"an image of {pair.generated.name!r} is a copy of one of {pair.reference.name!r}, whose realism is "
        f"infinite, or no ball of {pair.reference.name!r} is smaller than their median"
    }
    return subsampled(pair, compute, {"realism": definition}, {"k": k}, undefined=undefined)


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
    return subsampled(pair, compute, {"rarity": definition + note}, {"k": k}, undefined=undefined)


def _neighbours(pair: Pair, own: int) -> tuple[int, str]:
    """The k of a metric whose own is given, and in words how the user's choice departs from it."""
    chosen = pair.protocol.neighbours
    return (own, "") if chosen in (None, own) else (chosen, f", but for k = {chosen} where it has {own}")


def authenticity(pair: Pair) -> list[Number]:
    """Share of images that are no copies."""
    need_neighbours(1, pair.reference, option=False)

    def compute(rows: Sets) -> dict[str, float]:
        return {"authenticity": ops.authenticity(**rows)}

    definition = "per cent of generated images whose nearest reference image has a nearer fellow (Alaa et al., 2022)"
    return subsampled(pair, compute, {"authenticity": definition}, {})


def likelihood(pair: Pair) -> list[Number]:
    """Feature likelihood divergence and its gap."""
    assert pair.held_out is not None
    need_images(2, "FLD", pair.reference, pair.held_out)
    if not varying(pair.held_out):
        raise InputError(f"all images of {pair.held_out.name!r} are alike, so that FLD has nothing to scale by")

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.fld(**rows, seed=pair.seed)
        return {"fld": found.value, "fld-gap": found.gap}

    definitions = {
        "fld": "how much worse the generated images explain held-out ones than half the reference (Jiralerspong, 2023)",
        "fld-gap": "how much better they explain held-out images than the reference: below 0 for copies",
    }
    assert pair.reference.rows is not None
    name, parameters = pair.generated.name, {"seed": pair.seed}
    if all_copied(pair.generated_rows(), pair.reference.rows):
        reason = (
            f"every image of {name!r} has the features of a reference image, and its Gaussian shrinks to nothing there"
        )
        numbers = [Number(stem, math.nan, definition, None, "", parameters) for stem, definition in definitions.items()]
        return [number.without_meaning(reason) for number in numbers]
    numbers = subsampled(pair, compute, definitions, parameters, held_out=True)
    if not any(abs(number.value) >= _WITHOUT_END for number in numbers):
        return numbers
    reason = f"the Gaussians of {name!r} have shrunk onto copies of reference images, and the fit's end decides how far"
    return [number.without_meaning(reason) for number in numbers]


def copying(pair: Pair) -> list[Number]:
    """C_T test of data copying."""
    assert pair.held_out is not None
    definition = (
        "z-score of distances to the reference, generated against held-out; -3 and less for copies (Meehan, 2020)"
    )
    try:
        value = ops.c_t_score(**with_held_out(pair), cells=_CELLS, least=_LEAST_IN_CELL, seed=pair.seed).value
    except InputError as error:
        raise InputError(
            f"it divides {pair.reference.name!r} into {_CELLS} parts by likeness, each of which needs images of "
            f"{pair.held_out.name!r} and one of which more than {_LEAST_IN_CELL} of {pair.generated.name!r}; there are "
            "too few images for that, or too few that differ"
        ) from error
    interval = "none: it is itself in standard deviations of chance"
    parameters = {"cells": _CELLS, "components": 64, "seed": pair.seed}
    return [Number("c-t", value, definition, None, interval, parameters)]


def by_class(pair: Pair) -> list[Number]:
    """Class-conditional Frechet distance and classification accuracy."""
    assert pair.reference.labels is not None
    assert pair.generated.labels is not None
    given = {
        **pair.rows(),
        "reference_labels": pair.reference.labels,
        "generated_labels": pair.generated.labels,
    }
    return [
        attempted("class-fd", lambda: _distance_of_classes(pair, given)),
        attempted("class-accuracy", lambda: _accuracy_of_classes(pair, given)),
    ]


def _accuracy_of_classes(pair: Pair, given: Sets) -> Number:
    if one_class(pair.generated):
        raise InputError(f"all images of {pair.generated.name!r} are of one class, and a classifier needs two")
    need_classes(1, pair.reference, pair.generated)
    accuracy = ops.classification_accuracy_score(**given)
    interval = interval_about("class-accuracy", accuracy.accuracy, 0.0, {"reference": len(accuracy.correct)})
    method = "95%, binomial over the reference images (Clopper and Pearson, 1934), for this classifier"
    definition = "share of reference images that a linear classifier of generated images labels right"
    return Number("class-accuracy", accuracy.accuracy, definition, interval, method, {"regularisation": 1e-3})


def _distance_of_classes(pair: Pair, given: Sets) -> Number:
    """The class-conditional Frechet distance, and without its bias where every class has more images than features."""
    need_classes(2, pair.reference, pair.generated)
    distances = ops.class_frechet(**given)
    parts = [
        [given[side][given[f"{side}_labels"] == label] for side in ("reference", "generated")]
        for label in distances.classes
    ]
    value = 0.0 if all(same_rows(*part) for part in parts) else distances.mean
    definition = "mean over the classes of the Frechet distance of their images"
    number = Number("class-fd", value, definition, None, SAME, {"classes": len(parts)})
    if value == 0 or not pair.with_intervals:
        return number
    found = [_frechet_uncertainty(*part) for part in parts]
    whole = ops.FrechetUncertainty(
        bias=float(np.mean([one.bias for one in found])),
        standard_error=float(np.sqrt(np.square([one.standard_error for one in found]).sum())) / len(found),
        bias_shortfall=float(np.mean([one.bias_shortfall for one in found])),
    )
    how = "influence of single images, about the value and its bias"
    interval, method = normal_interval("class-fd", value, whole.standard_error, how)
    number = dataclasses.replace(number, interval=interval, interval_method=method)
    fewest, size = min(len(side) for part in parts for side in part), parts[0][0].shape[1]
    if fewest <= size or interval is None:
        return number
    return dataclasses.replace(number, debiased=debiased("class-fd", value, whole))


def _frechet_uncertainty(reference: np.ndarray, generated: np.ndarray) -> ops.FrechetUncertainty:
    return ops.frechet_uncertainty(
        reference=ops.gaussian_from_features(reference),
        generated=ops.gaussian_from_features(generated),
        reference_rows=reference,
        generated_rows=generated,
        n_reference=len(reference),
        n_generated=len(generated),
    )


def class_diversity(pair: Pair) -> list[Number]:
    """Diversity within classes and between them."""
    need_classes(2, pair.generated)
    need_directions(pair.generated)

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.class_diversity(rows["generated"], rows["generated_labels"])
        return {"diversity-within": found.within, "diversity-between": found.between}

    definitions = {
        "diversity-within": "mean cosine distance of two generated images of one class",
        "diversity-between": "mean cosine distance of two generated images of different classes",
    }
    undefined = {"diversity-between": f"all images of {pair.generated.name!r} are of one class"}
    return subsampled(pair, compute, definitions, {}, labelled=True, alone=True, undefined=undefined)
