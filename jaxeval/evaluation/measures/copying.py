"""Whether generated images are copies of the training images, by features: authenticity, FLD, C_T."""

import math
from typing import Any

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.demands import need_images, need_neighbours, varying
from jaxeval.evaluation.measures.measure import Measure, Number, Pair, Sets, all_copied, subsampled, with_held_out
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.evaluation.reading.features import Balls

_AUTHENTICITY = NumberName(
    "authenticity", "Authentic %", "higher", range=(0.0, 100.0), mean_over="generated", share=True
)
_FLD = NumberName("fld", "FLD", "lower")
_FLD_GAP = NumberName("fld-gap", "FLD gap", "higher")
_C_T = NumberName("c-t", "C_T", None)

# Of a FLD, in 1/100 nat a dimension: widths of some thousandths of the features' deviation. Bad generators have tens.
_WITHOUT_END = 1e6


_CELLS, _LEAST_IN_CELL = 3, 20  # of C_T


def authenticity(pair: Pair) -> list[Number]:
    """Share of images that are no copies."""
    need_neighbours(1, pair.reference, option=False)

    def compute(rows: Sets) -> dict[str, float]:
        return {"authenticity": ops.authenticity(**rows)}

    definition = "per cent of generated images whose nearest reference image has a nearer fellow (Alaa et al., 2022)"
    return subsampled(pair, compute, {_AUTHENTICITY: definition}, {}, known=pair.neighbours("reference"))


def likelihood(pair: Pair) -> list[Number]:
    """Feature likelihood divergence and its gap."""
    assert pair.held_out is not None
    need_images(2, "FLD", pair.reference, pair.held_out)
    if not varying(pair.held_out):
        raise InputError(f"all images of {pair.held_out.name!r} are alike, so that FLD has nothing to scale by")

    def compute(rows: Sets) -> dict[str, float]:
        found = ops.fld(**rows, **parameters)
        return {"fld": found.value, "fld-gap": found.gap}

    definitions = {
        _FLD: "how much worse the generated images explain held-out ones than half the reference (Jiralerspong, 2023)",
        _FLD_GAP: "how much better they explain held-out images than the reference: below 0 for copies",
    }
    assert pair.reference.rows is not None
    name = pair.generated.name
    parameters: dict[str, Any] = {"seed": pair.seed}
    if all_copied(pair.generated_rows(), pair.reference.rows):
        reason = (
            f"every image of {name!r} has the features of a reference image, and its Gaussian shrinks to nothing there"
        )
        numbers = [Number(own, math.nan, definition, None, "", parameters) for own, definition in definitions.items()]
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
    options: dict[str, Any] = {"cells": _CELLS, "components": 64, "least": _LEAST_IN_CELL, "seed": pair.seed}
    try:
        value = ops.c_t_score(**with_held_out(pair), **options).value
    except InputError as error:
        raise InputError(
            f"it divides {pair.reference.name!r} into {_CELLS} parts by likeness, each of which needs images of "
            f"{pair.held_out.name!r} and one of which more than {_LEAST_IN_CELL} of {pair.generated.name!r}; there are "
            "too few images for that, or too few that differ"
        ) from error
    interval = "none: it is itself in standard deviations of chance"
    return [Number(_C_T, value, definition, None, interval, options)]


MEASURES = (
    Measure(
        "authenticity",
        (_AUTHENTICITY,),
        authenticity,
        balls=lambda protocol: (Balls(frozenset([1])), None),
        what="per cent of images that are not copies",
        blind_to="depends on the dimension: compare with held-out images",
    ),
    Measure(
        "fld",
        (_FLD, _FLD_GAP),
        likelihood,
        needs_held_out=True,
        what="feature likelihood divergence and its gap",
        blind_to="features that are constant in the held-out set",
    ),
    Measure(
        "c-t",
        (_C_T,),
        copying,
        needs_held_out=True,
        what="z-score of copying, near 0 without",
        blind_to="copies of few images in many",
    ),
)
