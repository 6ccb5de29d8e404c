"""The metrics of `jaxeval evaluate` by name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxeval._packages import object_at
from jaxeval.errors import InputError
from jaxeval.evaluation.measures import classes, copying, frechet, kernels, manifold, single, sliced
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.measures.number_name import NumberName
from jaxeval.evaluation.measures.own import own_measure

__all__ = ["MEASURES", "NUMBERS", "Metrics", "choose_measures", "names_asked"]

_FAMILIES = (frechet, kernels, single, manifold, sliced, copying, classes)

MEASURES: dict[str, Measure] = {measure.name: measure for family in _FAMILIES for measure in family.MEASURES}
"""By name, in the order in which results come."""

NUMBERS: dict[str, NumberName] = {number.stem: number for measure in MEASURES.values() for number in measure.numbers}
"""By stem."""


Metrics = str | Measure | Callable[..., Any]
"""A name, or several with commas between; a measure; or a function of features."""


def choose_measures(metrics: Metrics | Sequence[Metrics] | None) -> tuple[tuple[Measure, ...], bool]:
    """Measures by name, and whether all were asked for, so that those that cannot be computed are left out.

    Args:
      metrics: names of measures or of their numbers, `fid`, `kid` and the like for those over the FID Inception
        network, or `all`; several in a sequence or with commas between; None for the Fréchet distance. A measure or a
        function of features (`own_measure`) stands for itself, and `module:name` for one that can be imported.

    Raises:
      InputError: a name is not known, or that of a measure of the user's own is taken.
    """
    if metrics is None:
        return (MEASURES["fd"],), False
    chosen: dict[str, Measure] = {}
    asked = list(dict.fromkeys(_each(metrics)))
    everything = "all" in asked
    for one in (*MEASURES, *asked) if everything else asked:
        if one != "all":
            measure = _known(one) if isinstance(one, str) else _own(one)
            if chosen.setdefault(measure.name, measure).compute != measure.compute:
                raise InputError(f"two metrics have the name {measure.name!r}; give one of them another name")
    if not chosen:
        raise InputError(f"no metric was given; choose from {', '.join(MEASURES)}, or all")
    return tuple(chosen.values()), everything


def names_asked(metrics: Metrics | Sequence[Metrics] | None) -> list[str]:
    """Those that were asked for by name."""
    return [] if metrics is None else [one for one in _each(metrics) if isinstance(one, str)]


def _each(metrics: Metrics | Sequence[Metrics]) -> Iterator[Metrics]:
    """Single names, in lower case, and what stands for itself."""
    given = [metrics] if isinstance(metrics, str | Measure) or callable(metrics) else metrics
    for one in given:
        if not isinstance(one, str):
            yield one
            continue
        for part in filter(None, map(str.strip, one.split(","))):
            module, colon, name = part.partition(":")
            yield object_at(module, name, f"metric {part!r}") if colon else part.lower()


def _known(name: str) -> Measure:
    found = next((measure for measure in MEASURES.values() if name in _names(measure)), None)
    if found is None:
        known = dict.fromkeys(["fid", "fd", *(name for measure in MEASURES.values() for name in _names(measure))])
        raise InputError(
            f"metric {name!r} is not known; choose from {', '.join(known)}, or all; one of your own is module:function"
        )
    return found


def _own(given: Measure | Callable[..., Any]) -> Measure:
    measure = given if isinstance(given, Measure) else own_measure(given)
    taken = {name for known in MEASURES.values() for name in _names(known)}
    if measure is not MEASURES.get(measure.name) and taken & set(_names(measure)):
        raise InputError(f"metric name {measure.name!r} is that of one of jaxeval's; give yours another name")
    return measure


def _names(measure: Measure) -> list[str]:
    own = [name.own_key for name in measure.numbers]
    return [measure.name, *measure.stems, *(key for key in own if key is not None)]
