"""Measures of fidelity, diversity and copying: Inception score, neighbours, classes, held-out likelihood."""

import numpy as np

from jaxeval import ops
from jaxeval.evaluation.measure import Number, Pair, Sets, normal_interval, subsampled, with_held_out
from jaxeval.evaluation.protocols import ManifoldRule, SplitRule

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


def inception_score(pair: Pair) -> list[Number]:
    """Inception score by the protocol's rule."""
    rule = pair.protocol.splits or SplitRule("torch-fidelity")
    logits = pair.generated_rows()
    found = ops.inception_score(logits=logits, rule=rule.rule, splits=rule.splits)
    whole = "" if rule.rule == "adm" else f" {rule.splits}"
    definition = (
        f"exp of the mean KL divergence of class probabilities from their mean, over{whole} splits as by {rule.rule}"
    )
    error = found.mean * ops.inception_score_error(logits=logits)
    interval, method = normal_interval(found.mean, error, "delta method over images, for splits of this size")
    parameters = {"rule": rule.rule, "splits": rule.splits, "seed": 2020, "deviation_of_splits": found.std}
    return [Number("is", found.mean, definition, interval, method, parameters)]


def caption_score(pair: Pair) -> list[Number]:
    """CLIPScore of the generated images and their captions."""
    texts = pair.generated.texts
    assert texts is not None
    found = ops.clip_score(images=pair.generated_rows(), texts=texts)
    interval, method = normal_interval(found.value, found.error, "standard error over images")
    definition = "mean of 2.5 max(cosine, 0) of an image and 'A photo depicts ' its caption (Hessel et al., 2021)"
    return [Number("clip-score", found.value, definition, interval, method, {"weight": 2.5})]


def vendi(pair: Pair) -> list[Number]:
    """Vendi score of the generated images."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"vendi": ops.vendi_score(rows["generated"])}

    definition = "effective number of different images: exp of the entropy of the cosine similarity's eigenvalues"
    return subsampled(pair, compute, {"vendi": definition}, {"order": 1.0}, alone=True)


def rke(pair: Pair) -> list[Number]:
    """Renyi kernel entropy of the generated images."""
    assert pair.reference.rows is not None
    bandwidth = ops.median_distance(reference=pair.reference.rows, generated=pair.reference.rows)

    def compute(rows: Sets) -> dict[str, float]:
        return {"rke": ops.rke(rows["generated"], bandwidth=bandwidth)}

    definition = (
        "number of modes: exp of the Renyi entropy of a Gaussian kernel as wide as the reference's median distance"
    )
    return subsampled(pair, compute, {"rke": definition}, {"bandwidth": bandwidth}, alone=True)


def manifold(pair: Pair) -> list[Number]:
    """Precision, recall, density and coverage by the protocol's rule."""
    rule = pair.protocol.manifold or ManifoldRule(5, "exclusive")
    whose = pair.protocol.follows if pair.protocol.manifold is not None else "the package prdc"

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
    return subsampled(pair, compute, definitions, {"k": rule.k, "tie": rule.tie})


def clipped(pair: Pair) -> list[Number]:
    """Clipped density and coverage."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.clipped_density_coverage(**rows)
        return {"clipped-density": found.density, "clipped-coverage": found.coverage}

    whose = "calibrated to the share of good images (Salvy et al., 2026)"
    definitions = {"clipped-density": f"fidelity, {whose}", "clipped-coverage": f"coverage, {whose}"}
    return subsampled(pair, compute, definitions, {"k": 5})


def probabilistic(pair: Pair) -> list[Number]:
    """Precision and recall with soft balls."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.probabilistic_precision_recall(**rows)
        return {"p-precision": found.precision, "p-recall": found.recall}

    whose = "with soft balls of the mean radius (Park and Kim, 2023)"
    definitions = {"p-precision": f"precision {whose}", "p-recall": f"recall {whose}"}
    return subsampled(pair, compute, definitions, {"k": 4, "stretch": 1.2})


def alpha(pair: Pair) -> list[Number]:
    """Alpha-precision and beta-recall."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.alpha_precision(**rows)
        return {"alpha-precision": found.precision, "beta-recall": found.recall}

    whose = "integrated over its levels, balls about the features' means (after Alaa et al., 2022)"
    definitions = {"alpha-precision": f"alpha-precision {whose}", "beta-recall": f"beta-recall {whose}"}
    return subsampled(pair, compute, definitions, {"steps": 30})


def curves(pair: Pair) -> list[Number]:
    """Precision-recall curves of distributions."""

    def compute(rows: Sets) -> dict[str, float]:
        curve = ops.precision_recall_distribution(**rows, seed=pair.seed)
        recall, precision = ops.prd_f_scores(curve)
        return {"prd-recall": recall, "prd-precision": precision}

    whose = "of the precision-recall curve over shared clusters (Sajjadi et al., 2018)"
    definitions = {"prd-recall": f"largest F8 {whose}", "prd-precision": f"largest F1/8 {whose}"}
    return subsampled(pair, compute, definitions, {"clusters": 20, "runs": 10, "seed": pair.seed})


def realism(pair: Pair) -> list[Number]:
    """Realism of the generated images."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"realism": float(ops.realism(**rows).mean())}

    definition = (
        "mean over generated images of the largest radius over distance of a reference ball (Kynkaanniemi, 2019)"
    )
    return subsampled(pair, compute, {"realism": definition}, {"k": 3})


def rarity(pair: Pair) -> list[Number]:
    """Rarity of the generated images."""

    def compute(rows: Sets) -> dict[str, float]:
        scores = ops.rarity(**rows)
        inside = np.isfinite(scores)
        return {"rarity": float(scores[inside].mean()) if inside.any() else float("nan")}

    definition = (
        "mean radius of the smallest reference ball around a generated image, over those in one (Han et al., 2023)"
    )
    return subsampled(pair, compute, {"rarity": definition}, {"k": 3})


def authenticity(pair: Pair) -> list[Number]:
    """Share of images that are no copies."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"authenticity": ops.authenticity(**rows)}

    definition = "per cent of generated images whose nearest reference image has a nearer fellow (Alaa et al., 2022)"
    return subsampled(pair, compute, {"authenticity": definition}, {})


def likelihood(pair: Pair) -> list[Number]:
    """Feature likelihood divergence and its gap."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.fld(**rows, seed=pair.seed)
        return {"fld": found.value, "fld-gap": found.gap}

    definitions = {
        "fld": "how much worse the generated images explain held-out ones than half the reference (Jiralerspong, 2023)",
        "fld-gap": "how much better they explain held-out images than the reference: below 0 for copies",
    }
    return subsampled(pair, compute, definitions, {"seed": pair.seed}, held_out=True)


def copying(pair: Pair) -> list[Number]:
    """C_T test of data copying."""

    def compute(rows: Sets) -> dict[str, float]:
        return {"c-t": ops.c_t_score(**rows, seed=pair.seed).value}

    definition = (
        "z-score of distances to the reference, generated against held-out; -3 and less for copies (Meehan, 2020)"
    )
    rows = with_held_out(pair)
    interval = "none: it is itself in standard deviations of chance"
    parameters = {"cells": 3, "components": 64, "seed": pair.seed}
    return [Number("c-t", compute(rows)["c-t"], definition, None, interval, parameters)]


def by_class(pair: Pair) -> list[Number]:
    """Class-conditional Frechet distance and classification accuracy."""
    rows, labels = pair.rows(), (pair.reference.labels, pair.generated.labels)
    assert labels[0] is not None
    assert labels[1] is not None
    given = {**rows, "reference_labels": labels[0], "generated_labels": labels[1]}
    distances, accuracy = ops.class_frechet(**given), ops.classification_accuracy_score(**given)
    errors = (
        [float("nan")]
        if not pair.with_intervals
        else [
            _frechet_error(rows["reference"][labels[0] == label], rows["generated"][labels[1] == label])
            for label in distances.classes
        ]
    )
    error = float(np.sqrt(np.square(errors).sum())) / len(errors)
    how = "influence of single images, about the value and its bias"
    interval, method = normal_interval(distances.mean, error, how)
    first = Number(
        "class-fd",
        distances.mean,
        "mean over the classes of the Frechet distance of their images",
        interval,
        method,
        {"classes": len(distances.classes)},
    )
    share, count = accuracy.accuracy, len(accuracy.correct)
    interval, method = normal_interval(
        share, float(np.sqrt(share * (1 - share) / count)), "binomial over the reference images, for this classifier"
    )
    definition = "share of reference images that a linear classifier of generated images labels right"
    return [first, Number("class-accuracy", share, definition, interval, method, {"regularisation": 1e-3})]


def _frechet_error(reference: np.ndarray, generated: np.ndarray) -> float:
    return ops.frechet_uncertainty(
        reference=ops.gaussian_from_features(reference),
        generated=ops.gaussian_from_features(generated),
        reference_rows=reference,
        generated_rows=generated,
        n_reference=len(reference),
        n_generated=len(generated),
    ).standard_error


def class_diversity(pair: Pair) -> list[Number]:
    """Diversity within classes and between them."""

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.class_diversity(rows["generated"], rows["generated_labels"])
        return {"diversity-within": found.within, "diversity-between": found.between}

    definitions = {
        "diversity-within": "mean cosine distance of two generated images of one class",
        "diversity-between": "mean cosine distance of two generated images of different classes",
    }
    return subsampled(pair, compute, definitions, {}, labelled=True, alone=True)
