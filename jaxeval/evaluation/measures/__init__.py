"""The metrics of `jaxeval evaluate` by name."""

from collections.abc import Sequence

from jaxeval.errors import InputError
from jaxeval.evaluation.measures import classes, copying, frechet, kernels, manifold, single, sliced
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.measures.number_name import NumberName

__all__ = ["MEASURES", "NUMBERS", "choose_measures"]

_FAMILIES = (frechet, kernels, single, manifold, sliced, copying, classes)

MEASURES: dict[str, Measure] = {measure.name: measure for family in _FAMILIES for measure in family.MEASURES}
"""By name, in the order in which results come."""

NUMBERS: dict[str, NumberName] = {number.stem: number for measure in MEASURES.values() for number in measure.numbers}
"""By stem."""


def choose_measures(names: str | Sequence[str] | None) -> tuple[tuple[Measure, ...], bool]:
    """Measures by name, and whether all were asked for, so that those that cannot be computed are left out.

    Args:
      names: of measures or of their numbers, `fid`, `kid` and the like for those over the FID Inception network, or
        `all`; several in a sequence or with commas between; None for the Frechet distance.

    Raises:
      InputError: a name is not known.
    """
    if names is None:
        return (MEASURES["fd"],), False
    texts = [names] if isinstance(names, str) else list(names)
    asked = [part.strip().lower() for text in texts for part in text.split(",") if part.strip()]
    if "all" in asked:
        return tuple(MEASURES.values()), True
    chosen: dict[str, Measure] = {}
    for name in asked:
        found = [measure for measure in MEASURES.values() if name in _names(measure)]
        if not found:
            known = dict.fromkeys(["fid", "fd", *(name for measure in MEASURES.values() for name in _names(measure))])
            raise InputError(f"metric {name!r} is not known; choose from {', '.join(known)}, or all")
        chosen[found[0].name] = found[0]
    if not chosen:
        raise InputError(f"no metric was given; choose from {', '.join(MEASURES)}, or all")
    return tuple(chosen.values()), False


def _names(measure: Measure) -> list[str]:
    own = [name.own_key for name in measure.numbers]
    return [measure.name, *measure.stems, *(key for key in own if key is not None)]
