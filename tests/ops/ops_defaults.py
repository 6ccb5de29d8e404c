"""The documented default value of every optional argument of `jaxeval.ops`, with inputs that can tell it from others.

Where a reference implementation has a default of its own, it is the reference's: torch-fidelity's 100 subsets of 1,000
and seed 2020, degree 3, 1 / D and 1, its 10 splits; k = 5 and balls without their surface in prdc; k = 3 with it
in the improved precision and recall; 20 clusters, 10 runs, 1,001 angles and F_8 in PRD; k = 4 and 1.2 in P-precision;
3 cells of more than 20 samples over 64 components in C_T; threshold 0.1 in MiFID; weight 2.5 in CLIPScore; 15 sizes in
FD-infinity.
"""

import math
from typing import Any

import numpy as np
from default_values import Default, Example

from jaxeval import ops

_OF_NEIGHBOURS = (
    "alpha_precision",
    "authenticity",
    "clipped_density_coverage",
    "prdc",
    "probabilistic_precision_recall",
    "rarity",
    "realism",
)
INPUTS = {
    "paired_clustered_difference": frozenset(
        {"first_denominators", "second_denominators", "first_strata", "second_strata"}
    ),
    "inception_score": frozenset({"logits", "probabilities"}),
    **dict.fromkeys(_OF_NEIGHBOURS, frozenset({"reference_neighbours", "generated_neighbours"})),
}
"""Optional arguments that are no values but data, one in place of another."""


def rows(count: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((count, width)) + shift


def pair(n: int = 30, m: int = 24, d: int = 3, shift: float = 0.3, scale: float = 1.2) -> dict[str, Any]:
    return {"reference": rows(n, d, 0), "generated": rows(m, d, 1, shift, scale)}


def generators(n: int = 48, d: int = 3) -> dict[str, Any]:
    return {"reference": rows(n, d, 0), "first": rows(n, d, 1, 0.3), "second": rows(n, d, 2, 0.45)}


def on_a_grid(n: int, m: int) -> dict[str, Any]:
    """Most distances are those of other pairs, too."""
    rng = np.random.default_rng(3)
    return {"reference": rng.integers(0, 4, (n, 2)) / 2, "generated": rng.integers(0, 4, (m, 2)) / 2}


def beside(distance: float) -> dict[str, Any]:
    """Sets along two directions at a cosine distance."""
    towards = np.array([1 - distance, math.sqrt(1 - (1 - distance) ** 2)])
    return {"reference": np.array([[1.0, 0], [2, 0]]), "generated": np.outer([1.0, 3], towards)}


def mean_of(values: np.ndarray) -> Any:
    return lambda chosen: values[chosen].mean()


STATE = ops.feature_moments(rows(9, 3, 4))
CURVE = ops.prd_curve(reference=np.array([3.0, 1, 4]), generated=np.array([2.0, 5, 1]))
LOGITS = rows(60, 6, 5, scale=2.0)
LABELS = np.arange(60) % 3
SCORES = {"first": rows(12, 1, 6)[:, 0], "second": rows(15, 1, 7, 0.3)[:, 0]}
SIMILARITIES = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
ILL_CONDITIONED = np.diag(np.geomspace(1.0, 1e-6, 8))
# What is wrong with the generated rows lies in the 64th principal component alone.
FALLING = np.repeat([1.0, 0.1, 0.001], [63, 1, 6])
TRIO = {
    "reference": rows(120, 70, 8) * FALLING,
    "held_out": rows(60, 70, 9) * FALLING,
    "generated": rows(90, 70, 10) * FALLING + 4 * (np.arange(70) == 63),
}
ON_SURFACES = {"reference": np.array([[0.0], [1], [2], [3]]), "generated": np.array([[-3.0], [6], [50], [60]])}
MANY_SUBSETS = {"reference": rows(1001, 2, 11), "generated": rows(1001, 2, 12, 0.1)}

ROWS_OF_CLUSTERS = {"values": np.arange(8) % 3 / 2, "clusters": np.arange(8) // 2}

ANY_SEED = Default(0, (1,))
ANY_CONFIDENCE = Default(0.95, (0.949, 0.951, 0.9))
ALL_PERMUTATIONS = Default(9999, (9998, 10_000))
UNBIASED = Default(1, (0,))
POLYNOMIAL = {"kernel": "polynomial"}

HOLES = {
    "landmarks": Default(64, (16,), {"draws": 2, "gamma": 0.05}),
    "gamma": Default(None, (0.2,), {"draws": 2}),
    "most_holes": Default(100, (1,), {"draws": 2, "gamma": 0.2}),
    "draws": Default(1000, (2,), {"gamma": 0.02}),
    "seed": Default(0, (1,), {"draws": 2, "gamma": 0.2}),
}


DEFAULTS = {
    "alpha_precision": Example(
        ops.alpha_precision,
        pair(scale=0.8, shift=0.0),
        {"steps": Default(30, (29, 31)), "signed": Default(False, (True,))},
    ),
    "c_t_score": Example(
        ops.c_t_score,
        TRIO,
        {
            "cells": Default(3, (2,)),
            "components": Default(64, (63,), {"cells": 1}),
            "least": Default(20, (21,), {"cells": 1, "generated": TRIO["generated"][:21]}),
            "seed": ANY_SEED,
        },
    ),
    "class_diversity": Example(
        ops.class_diversity,
        {"features": LOGITS, "labels": LABELS},
        {"distance": Default("cosine", ("squared_euclidean",))},
    ),
    "classification_accuracy_score": Example(
        ops.classification_accuracy_score,
        {
            "reference": rows(3000, 2, 13),
            "reference_labels": np.arange(3000) % 3,
            "generated": LOGITS[:, :2] + LABELS[:, None],
            "generated_labels": LABELS,
        },
        {"regularisation": Default(1e-3, (5e-4, 2e-3))},
    ),
    "clip_score": Example(
        ops.clip_score, {"images": rows(9, 4, 14), "texts": rows(9, 4, 15)}, {"weight": Default(2.5, (2.0, 3.0, 100.0))}
    ),
    "clipped_density_coverage": Example(
        ops.clipped_density_coverage,
        pair(scale=0.5, shift=0.0),
        {"k": Default(5, (4, 6), {"cut": False}), "cut": Default(True, (False,))},
    ),
    "clustered_mean": Example(
        ops.clustered_mean, ROWS_OF_CLUSTERS, {"limits": Default(None, ((0, 1),)), "confidence": ANY_CONFIDENCE}
    ),
    "clustered_ratio": Example(
        ops.clustered_ratio,
        {
            "numerators": ROWS_OF_CLUSTERS["values"],
            "denominators": np.arange(1, 9),
            "clusters": ROWS_OF_CLUSTERS["clusters"],
        },
        {
            "strata": Default(None, (np.arange(8) % 2,)),
            "limits": Default(None, ((0, 1),)),
            "confidence": ANY_CONFIDENCE,
        },
    ),
    "cmmd": Example(ops.cmmd, pair(), {"biased": Default(True, (False,))}),
    "cmmd_difference": Example(ops.cmmd_difference, generators(), {"permutations": ALL_PERMUTATIONS, "seed": ANY_SEED}),
    "covariance": Example(ops.covariance, {"moments": STATE}, {"ddof": UNBIASED}),
    "empty_moments": Example(ops.empty_moments, {"feature_size": 3}, {"host": Default(False, (True,))}),
    "fd_infinity": Example(ops.fd_infinity, pair(), {"points": Default(15, (14, 16)), "seed": ANY_SEED}),
    "feature_moments": Example(
        ops.feature_moments, {"features": rows(5, 2, 16)}, {"mask": Default(None, (np.arange(5) > 0,))}
    ),
    "fld": Example(
        ops.fld,
        {"reference": rows(8, 2, 17), "held_out": rows(6, 2, 18), "generated": rows(12, 2, 19)},
        {"at_most": Default(10_000, (11,)), "seed": ANY_SEED},
    ),
    "frechet_difference": Example(
        ops.frechet_difference,
        generators(),
        {"groups": Default(20, (19, 21)), "permutations": ALL_PERMUTATIONS, "seed": ANY_SEED},
    ),
    "frechet_distance_from_features": Example(ops.frechet_distance_from_features, pair(), {"ddof": UNBIASED}),
    "frechet_distance_on_device": Example(
        ops.frechet_distance_on_device, pair(), {"ddof": UNBIASED, "rotation": Default("auto", ("unknown",))}
    ),
    "frechet_jackknife": Example(
        ops.frechet_jackknife, pair(48, 44), {"groups": Default(20, (19, 21)), "seed": ANY_SEED}
    ),
    "gaussian_from_features": Example(
        ops.gaussian_from_features,
        {"features": rows(9, 3, 20)},
        {"ddof": UNBIASED, "name": Default("features", ("rows",), {"features": np.ones((1, 3))})},
    ),
    "gaussian_from_moments": Example(ops.gaussian_from_moments, {"moments": STATE}, {"ddof": UNBIASED}),
    "group_numbers": Example(
        ops.group_numbers, {"count": 30, "groups": 4}, {"seed": ANY_SEED, "name": Default("a set", ("a",))}
    ),
    "inception_score": Example(
        ops.inception_score,
        {"logits": LOGITS},
        {
            "splits": Default(10, (9, 11)),
            "seed": Default(2020, (2019, 0)),
            "rule": Default("torch-fidelity", ("torchmetrics", "stylegan3", "adm")),
        },
    ),
    "inception_score_difference": Example(
        ops.inception_score_difference,
        {"first": LOGITS[:28], "second": LOGITS[28:]},
        {"permutations": ALL_PERMUTATIONS, "seed": ANY_SEED},
    ),
    "interval": Example(
        ops.interval,
        {"value": 1.0, "standard_error": 2.0},
        {"degrees": Default(math.inf, (1e4,)), "confidence": Default(0.95, (0.949, 0.951, 0.9))},
    ),
    "jackknife": Example(
        ops.jackknife,
        {"statistic": mean_of(LOGITS[:, 0]), "sizes": {"chosen": 60}},
        {"groups": Default(20, (19, 21)), "seed": ANY_SEED},
    ),
    "kid": Example(
        ops.kid,
        {**pair(40, 44), "subsets": 7, "subset_size": 20},
        {
            "subsets": Default(100, (99, 101)),
            "subset_size": Default(1000, (999, 1001), MANY_SUBSETS),
            "degree": Default(3, (2, 4)),
            "gamma": Default(None, (1.0, 0.3)),
            "coef0": Default(1.0, (0.9, 0.0)),
            "seed": Default(2020, (2019, 0)),
            "rule": Default("torch-fidelity", ("dgm-eval", "torchmetrics")),
            "kernel": Default("polynomial", ("rbf",)),
            "bandwidth": Default(10.0, (9.0, 11.0), {"kernel": "rbf"}),
        },
    ),
    "kid_full": Example(
        ops.kid_full,
        pair(),
        {"degree": Default(3, (2, 4)), "gamma": Default(None, (1.0, 0.3)), "coef0": Default(1.0, (0.9, 0.0))},
    ),
    "matrix_sqrt": Example(
        ops.matrix_sqrt,
        {"a": ILL_CONDITIONED},
        {
            "method": Default("eigh", ("newton-schulz",)),
            "tolerance": Default(None, (1e-12,), {"method": "newton-schulz"}),
            "max_iterations": Default(60, (), {"method": "newton-schulz"}),
        },
    ),
    "mean_difference": Example(ops.mean_difference, SCORES, {"permutations": ALL_PERMUTATIONS, "seed": ANY_SEED}),
    "mean_interval": Example(
        ops.mean_interval, {"values": SCORES["first"]}, {"confidence": Default(0.95, (0.949, 0.951, 0.9))}
    ),
    "median_distance": Example(ops.median_distance, pair(), {"norm": Default("l2", ("l1",))}),
    "membership": Example(
        ops.membership,
        pair(60, 60, 2),
        {"k": Default(3, (2, 4)), "tie": Default("inclusive", ("exclusive",), ON_SURFACES)},
    ),
    "memorisation_distance": Example(ops.memorisation_distance, pair(), {"over": Default("generated", ("reference",))}),
    "mifid": Example(
        ops.mifid,
        beside(0.105),
        {"threshold": Default(0.1, (0.11,)), "over": Default("generated", ("reference",), pair())},
    ),
    "mind": Example(
        ops.mind,
        pair(),
        {
            "projections": Default(1000, (999, 1001)),
            "seed": ANY_SEED,
            "rule": Default("quantiles", ("torch-fidelity",)),
        },
    ),
    "mmd": Example(
        ops.mmd,
        pair(),
        {
            "kernel": Default("rbf", ("laplacian", "linear", "polynomial")),
            "bandwidth": Default("median", (1.0,)),
            "degree": Default(3, (2, 4), POLYNOMIAL),
            "gamma": Default(None, (1.0, 0.3), POLYNOMIAL),
            "coef0": Default(1.0, (0.9, 0.0), POLYNOMIAL),
            "biased": Default(False, (True,)),
        },
    ),
    "geometry_score": Example(ops.geometry_score, pair(), HOLES),
    "msid": Example(
        ops.msid,
        pair(),
        {
            "k": Default(5, (4, 6)),
            "vectors": Default(100, (99, None)),
            "steps": Default(10, (3,)),
            "seed": Default(0, (1,)),
        },
    ),
    "relative_living_times": Example(ops.relative_living_times, {"features": rows(30, 3, 0)}, HOLES),
    "mmd_difference": Example(
        ops.mmd_difference,
        generators(),
        {
            "kernel": Default("polynomial", ("rbf", "laplacian", "linear")),
            "bandwidth": Default("median", (1.0,), {"kernel": "rbf"}),
            "degree": Default(3, (2, 4)),
            "gamma": Default(None, (1.0, 0.3)),
            "coef0": Default(1.0, (0.9, 0.0)),
            "permutations": ALL_PERMUTATIONS,
            "seed": ANY_SEED,
        },
    ),
    "own_neighbours": Example(
        ops.own_neighbours, {"rows": rows(20, 3, 0), "ks": (2,)}, {"lists": Default(False, (True,))}
    ),
    "paired_clustered_difference": Example(
        ops.paired_clustered_difference,
        {
            "first": np.arange(60) % 3 / 2,
            "first_clusters": np.arange(60) // 2,
            "second": np.arange(60) % 7 / 6,
            "second_clusters": np.arange(60) // 2,
        },
        {
            "limits": Default(None, ((0, 1),)),
            "confidence": ANY_CONFIDENCE,
            "exchanges": Default(9999, (9998, 99)),
            "seed": ANY_SEED,
        },
    ),
    "permutation_p_value": Example(
        ops.permutation_p_value, SCORES, {"permutations": ALL_PERMUTATIONS, "seed": ANY_SEED}
    ),
    "prd_curve": Example(
        ops.prd_curve,
        {"reference": np.array([3.0, 1, 4]), "generated": np.array([2.0, 5, 1])},
        {"angles": Default(1001, (1000, 1002))},
    ),
    "prd_f_scores": Example(ops.prd_f_scores, {"curve": CURVE}, {"beta": Default(8.0, (7.0, 9.0))}),
    "prdc": Example(
        ops.prdc, pair(), {"k": Default(5, (4, 6)), "tie": Default("exclusive", ("inclusive",), on_a_grid(9, 8))}
    ),
    "prdc_difference": Example(
        ops.prdc_difference,
        generators(),
        {
            "k": Default(5, (4,)),
            "tie": Default(
                "exclusive", ("inclusive",), {name: np.round(part, 0) for name, part in generators().items()}
            ),
            "permutations": ALL_PERMUTATIONS,
            "seed": ANY_SEED,
        },
    ),
    "precision_recall_distribution": Example(
        ops.precision_recall_distribution,
        pair(),
        {
            "clusters": Default(20, (19, 21)),
            "runs": Default(10, (9, 11)),
            "angles": Default(1001, (1000, 1002)),
            "seed": ANY_SEED,
        },
    ),
    "probabilistic_precision_recall": Example(
        ops.probabilistic_precision_recall,
        pair(),
        {
            "k": Default(4, (3, 5)),
            "stretch": Default(1.2, (1.1, 1.3)),
            "strict": Default(True, (False,), {"generated": np.ones((6, 3))}),
        },
    ),
    "rarity": Example(
        ops.rarity, pair(), {"k": Default(3, (2, 4)), "tie": Default("exclusive", ("inclusive",), on_a_grid(9, 8))}
    ),
    "realism": Example(ops.realism, pair(), {"k": Default(3, (2, 4))}),
    "share_interval": Example(
        ops.share_interval,
        {"share": 0.3, "count": 40},
        {"reach": Default(0.0, (0.3,)), "confidence": Default(0.95, (0.949, 0.951, 0.9))},
    ),
    "sliced_costs": Example(
        ops.sliced_costs,
        pair(),
        {
            "p": Default(2, (1,)),
            "projections": Default(1000, (999, 1001)),
            "seed": ANY_SEED,
            "rule": Default("quantiles", ("torch-fidelity",)),
        },
    ),
    "sliced_wasserstein": Example(
        ops.sliced_wasserstein,
        pair(),
        {"p": Default(2, (1,)), "projections": Default(1000, (999, 1001)), "seed": ANY_SEED},
    ),
    "subsampling": Example(
        ops.subsampling,
        {"statistic": mean_of(LOGITS[:, 0]), "sizes": {"chosen": 60}},
        {"parts": Default(3, (2, 4)), "repeats": Default(5, (4, 6)), "seed": ANY_SEED},
    ),
    "two_sided_p_value": Example(
        ops.two_sided_p_value, {"value": 1.0, "standard_error": 0.6}, {"degrees": Default(math.inf, (1e4,))}
    ),
    "vendi_score": Example(
        ops.vendi_score,
        {"features": LOGITS},
        {"order": Default(1.0, (0.9, 1.1, 2.0)), "normalise": Default(True, (False,))},
    ),
    "vendi_score_of_similarities": Example(
        ops.vendi_score_of_similarities, {"similarities": SIMILARITIES}, {"order": Default(1.0, (0.9, 1.1, 2.0))}
    ),
}
