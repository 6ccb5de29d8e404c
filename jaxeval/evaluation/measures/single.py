"""Scores of the generated images by themselves: Inception score, CLIPScore, Vendi score, RKE."""

import math
from typing import Any

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.contrast import PERMUTED, contrast_of
from jaxeval.evaluation.measures.demands import need_directions, need_images, need_width
from jaxeval.evaluation.measures.measure import Contrast, Measure, Number, Pair, Sets, normal_interval, subsampled
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.evaluation.protocols import SplitRule
from jaxeval.ops.split_rules import SHUFFLED, split_sizes

_IS = NumberName("is", "IS", "higher", "IS", range=(1.0, math.inf))
_CLIP_SCORE = NumberName("clip-score", "CLIPScore", "higher", range=(0.0, 2.5), mean_over="generated")
_VENDI = NumberName("vendi", "Vendi", "higher", range=(1.0, math.inf))
_RKE = NumberName("rke", "RKE", "higher", range=(1.0, math.inf))

_SEED = 2020  # of the splits, the references' own
_FEWEST_IN_SPLIT = 10  # images; below it a split's Inception score is mostly its own size


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
    options: dict[str, Any] = {"rule": rule.rule, "splits": rule.splits}
    if rule.rule in SHUFFLED:
        options["seed"] = _SEED
    found = ops.inception_score(logits=logits, **options)
    sizes = split_sizes(count, splits=rule.splits, rule=rule.rule)
    number = f"{rule.splits} split{'s'[: rule.splits != 1]}"
    whole = "splits" if rule.rule == "adm" else number
    departs = f", {rule.departs}" if rule.departs else ""
    definition = (
        f"exp of the mean KL divergence of class probabilities from their mean, over {whole} as by {rule.rule}{departs}"
    )
    error = found.mean * ops.inception_score_error(logits=logits) if count > 1 else float("nan")
    how = "delta method over images, for splits of this size"
    interval, method = normal_interval(_IS, found.mean, error, how, most=logits.shape[1])
    parameters = options | {"splits": len(sizes), "deviation_of_splits": found.std}
    warnings = [f"the Inception score is over {number}, {rule.departs}"] if rule.departs else []
    if min(sizes) < _FEWEST_IN_SPLIT:
        fewer = ", or fewer splits (--is-splits)" if len(sizes) > 1 else ""
        warnings.append(
            f"the smallest split of {name} has {min(sizes)} image{'s'[: min(sizes) != 1]}: so few draw the Inception "
            f"score towards 1, which that of a single image is; give more images{fewer}"
        )
    return [Number(_IS, found.mean, definition, interval, method, parameters, tuple(warnings))]


def caption_score(pair: Pair) -> list[Number]:
    """CLIPScore of the generated images and their captions."""
    texts = pair.generated.texts
    assert texts is not None
    need_directions(pair.generated)
    options: dict[str, Any] = {"weight": 2.5}
    found = ops.clip_score(images=pair.generated_rows(), texts=texts, **options)
    how = "standard error over images"
    interval, method = normal_interval(_CLIP_SCORE, found.value, found.error, how, counts=pair.counts())
    definition = "mean of 2.5 max(cosine, 0) of an image and 'A photo depicts ' its caption (Hessel et al., 2021)"
    return [Number(_CLIP_SCORE, found.value, definition, interval, method, options)]


def vendi(pair: Pair) -> list[Number]:
    """Vendi score of the generated images."""
    need_directions(pair.generated)
    options: dict[str, Any] = {"order": 1.0}

    def compute(rows: Sets) -> dict[str, float]:
        return {"vendi": ops.vendi_score(rows["generated"], **options)}

    definition = "effective number of different images: exp of the entropy of the cosine similarity's eigenvalues"
    most = {"vendi": float(min(pair.generated_rows().shape))}
    return subsampled(pair, compute, {_VENDI: definition}, options, alone=True, most=most)


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
    return subsampled(pair, compute, {_RKE: definition}, {"bandwidth": bandwidth}, alone=True, most=most)


def inception_score_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two Inception scores is known, each over all images at once."""
    found = ops.inception_score_difference(
        first=first.generated_rows(), second=second.generated_rows(), seed=first.seed
    )
    return [contrast_of(_IS, found, "delta method over images, without splits", PERMUTED)]


def caption_score_contrast(first: Pair, second: Pair) -> list[Contrast]:
    """How well a difference of two CLIPScores is known."""
    scores = []
    for pair in (first, second):
        assert pair.generated.texts is not None
        scores.append(ops.clip_score(images=pair.generated_rows(), texts=pair.generated.texts).pairs)
    found = ops.mean_difference(first=scores[0], second=scores[1], seed=first.seed)
    return [contrast_of(_CLIP_SCORE, found, "Welch's t over images", PERMUTED)]


MEASURES = (
    Measure(
        "is",
        (_IS,),
        inception_score,
        inception_score_contrast,
        alone=True,
        taps=("logits_unbiased", "logits"),
        what="Inception score",
        blind_to="the reference altogether; diversity within a class; memorised images score well",
    ),
    Measure(
        "clip-score",
        (_CLIP_SCORE,),
        caption_score,
        caption_score_contrast,
        alone=True,
        families=("clip",),
        needs_captions=True,
        what="agreement of images with their captions",
        blind_to="what CLIP does not read: counts, places, spelling",
    ),
    Measure(
        "vendi",
        (_VENDI,),
        vendi,
        alone=True,
        what="effective number of different images",
        blind_to="the reference: noise is diverse",
    ),
    Measure("rke", (_RKE,), rke, what="effective number of modes", blind_to="the reference: noise is diverse"),
)
