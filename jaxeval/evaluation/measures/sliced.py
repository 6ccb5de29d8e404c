"""Sliced Wasserstein distances: SW2 and MIND."""

import dataclasses

import numpy as np

from jaxeval import ops
from jaxeval.evaluation.measures.measure import (
    SAME,
    Measure,
    Number,
    Pair,
    Sets,
    subsampled,
)
from jaxeval.evaluation.measures.number_name import POSITIVE, NumberName
from jaxeval.evaluation.protocols import DirectionRule

_SW2 = NumberName("sw2", "SW2", "lower", range=POSITIVE)
_MIND = NumberName("mind", "MIND", "lower", range=POSITIVE)


def sliced(pair: Pair) -> list[Number]:
    """Sliced Wasserstein distances by the protocol's rule."""
    rule = pair.protocol.directions or DirectionRule("quantiles")
    whose = "Berthet, 2026" if pair.protocol.directions is None else "as in torch-fidelity 0.5"
    along = f"along {rule.projections:,} random directions"
    definitions = {
        _MIND: f"3 d times the mean squared Wasserstein-2 distance {along} ({whose})",
        _SW2: f"root of the mean squared Wasserstein-2 distance {along} (those of MIND {whose})",
    }
    parameters = dataclasses.asdict(rule) | {"seed": _seed(rule, pair)}
    if pair.same_rows():
        return [Number(name, 0.0, definition, None, SAME, parameters) for name, definition in definitions.items()]
    factor = 3 * pair.generated_rows().shape[1]

    def numbers(costs: np.ndarray) -> dict[str, float]:
        mind = float((factor * costs).mean())
        return {"mind": mind, "sw2": float(np.sqrt(mind / factor))}

    def compute(rows: Sets) -> dict[str, float]:
        return numbers(_costs(rows, rule, pair))

    costs = _costs_of_all(rule, pair)
    errors = _direction_errors(factor * costs, _of_root(costs))
    return subsampled(pair, compute, definitions, parameters, values=numbers(costs), drawing_errors=errors)


def sliced_draws(first: Pair, second: Pair) -> dict[str, float]:
    """Standard errors of differences of sliced distances over the directions, which are the same on both sides."""
    rule = first.protocol.directions or DirectionRule("quantiles")
    sides = [_costs_of_all(rule, pair) for pair in (first, second)]
    factor = 3 * first.generated_rows().shape[1]
    return _direction_errors(factor * (sides[0] - sides[1]), _of_root(sides[0]) - _of_root(sides[1]))


def _costs_of_all(rule: DirectionRule, pair: Pair) -> np.ndarray:
    """Costs along all directions of all rows of a pair, which its numbers and a comparison both need."""
    return pair.once(("costs along", rule, _seed(rule, pair)), lambda: _costs(pair.rows(), rule, pair))


def _costs(rows: Sets, rule: DirectionRule, pair: Pair) -> np.ndarray:
    return ops.sliced_costs(**rows, projections=rule.projections, seed=_seed(rule, pair), rule=rule.rule)


def _seed(rule: DirectionRule, pair: Pair) -> int:
    return pair.seed if rule.seed is None else rule.seed


def _of_root(costs: np.ndarray) -> np.ndarray:
    """By how much each direction moves the root of their mean."""
    return costs / (2 * np.sqrt(costs.mean())) if costs.any() else costs


def _direction_errors(mind: np.ndarray, root: np.ndarray) -> dict[str, float]:
    """Standard errors of the means of values that belong to single directions."""
    return {stem: float(one.std(ddof=1) / np.sqrt(len(one))) for stem, one in (("mind", mind), ("sw2", root))}


MEASURES = (
    Measure(
        "sliced",
        (_SW2, _MIND),
        sliced,
        draws=sliced_draws,
        what="sliced Wasserstein distances",
        blind_to=(
            "differences that few directions show; another 1,000 directions give another number (the interval knows)"
        ),
    ),
)
