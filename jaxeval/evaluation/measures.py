"""The metrics of `jaxeval evaluate` by name."""

from collections.abc import Sequence

from jaxeval.errors import InputError
from jaxeval.evaluation import contrasts, distances, scores
from jaxeval.evaluation.measure import Measure
from jaxeval.evaluation.names import NUMBERS
from jaxeval.evaluation.reading.features import Wanted

__all__ = ["MEASURES", "choose_measures"]


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
    own = [NUMBERS[stem].inception for stem in measure.stems]
    return [measure.name, *measure.stems, *(name.lower().replace(" ", "-") for name in own if name is not None)]


_LOGITS = ("logits_unbiased", "logits")
_STATISTICS, _BOTH = Wanted(statistics=True), Wanted(statistics=True, rows=True)

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("fd", ("fd",), distances.frechet, contrasts.frechet, _STATISTICS),
        Measure("kd", ("kd",), distances.kernel_distance, contrasts.kernel_distance),
        Measure("kd-full", ("kd-full",), distances.kernel_distance_full, contrasts.kernel_distance_full),
        Measure(
            "is",
            ("is",),
            scores.inception_score,
            contrasts.inception_score,
            alone=True,
            taps=("logits_unbiased", "logits"),
        ),
        Measure("prdc", ("precision", "recall", "density", "coverage"), scores.manifold, contrasts.manifold),
        Measure("clipped", ("clipped-density", "clipped-coverage"), scores.clipped),
        Measure("p-precision-recall", ("p-precision", "p-recall"), scores.probabilistic),
        Measure("prd", ("prd-precision", "prd-recall"), scores.curves),
        Measure("alpha-beta", ("alpha-precision", "beta-recall"), scores.alpha),
        Measure("realism", ("realism",), scores.realism),
        Measure("rarity", ("rarity",), scores.rarity),
        Measure("vendi", ("vendi",), scores.vendi, alone=True),
        Measure("rke", ("rke",), scores.rke),
        Measure("sliced", ("sw2", "mind"), distances.sliced, draws=distances.sliced_draws),
        Measure("mmd-rbf", ("mmd-rbf",), distances.rbf_discrepancy, contrasts.rbf_discrepancy),
        Measure("cmmd", ("cmmd",), distances.cmmd, contrasts.cmmd, extractors=("clip",)),
        Measure(
            "clip-score",
            ("clip-score",),
            scores.caption_score,
            contrasts.caption_score,
            alone=True,
            extractors=("clip",),
            needs_captions=True,
        ),
        Measure("fd-infinity", ("fd-infinity",), distances.frechet_infinity, wanted=_BOTH),
        Measure("mifd", ("mifd", "memorisation"), distances.mifd, wanted=_BOTH),
        Measure("authenticity", ("authenticity",), scores.authenticity),
        Measure("sfd", ("sfd",), distances.frechet_of_space, contrasts.frechet_of_space, _STATISTICS, taps=("sfid",)),
        Measure("fld", ("fld", "fld-gap"), scores.likelihood, needs_held_out=True),
        Measure("c-t", ("c-t",), scores.copying, needs_held_out=True),
        Measure("by-class", ("class-fd", "class-accuracy"), scores.by_class, needs_labels=True),
        Measure(
            "class-diversity", ("diversity-within", "diversity-between"), scores.class_diversity, needs_labels=True
        ),
    )
}
"""By name, in the order in which results come."""
