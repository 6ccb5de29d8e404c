"""What a run computes: which measures under which protocols over which networks, and why others cannot be had."""

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from jaxeval.errors import InputError
from jaxeval.evaluation.measures import NUMBERS, Metrics, choose_measures, names_asked
from jaxeval.evaluation.measures.measure import Features, Measure
from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading.data_set import DataSet, has_classes, no_classes
from jaxeval.evaluation.reading.features import FeatureSpec, feature_spec
from jaxeval.evaluation.reading.kept import KeptSet
from jaxeval.extractors import Extractor, Precision
from jaxeval.images import Source

Opened = Source | KeptSet
"""A set that can be read, or what a file keeps in its place."""


@dataclasses.dataclass(frozen=True)
class NotComputed:
    """Numbers that were asked for and cannot be had.

    Attributes:
      metric: the first of them, as results have it.
      protocol: by whose definition.
      generated: of which set; None where it is of none.
      reason: why.
      numbers: all of them; `metric` alone if empty.
      missing: whether they are missed: asked for by name, or lost to a fault; not so where `all` that can be had was
        asked for, and they cannot.
      cause: what was raised, if anything.
    """

    metric: str
    protocol: str
    generated: str | None
    reason: str
    labels: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    missing: bool = False
    cause: Exception | None = None

    def __str__(self) -> str:
        of = "" if self.generated is None else f" of {self.generated}"
        return f"{', '.join(self.labels)}{of}: {self.reason}"

    def describe(self) -> dict[str, Any]:
        """Gives the record for the manifest, as plain values."""
        return {
            "metric": self.metric,
            "numbers": list(self.numbers or (self.metric,)),
            "protocol": self.protocol,
            "generated": self.generated,
            "reason": self.reason,
            "missing": self.missing,
            "sentence": str(self),
        }


@dataclasses.dataclass(frozen=True)
class Job:
    """One measure under one protocol over one network.

    Attributes:
      measure: what is computed.
      protocol: by whose definition.
      spec: over which features.
      numbers: those of the measure's numbers that are given; all if None.
    """

    measure: Measure
    protocol: Protocol
    spec: FeatureSpec
    numbers: Collection[str] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Its numbers, as results have them."""
        return tuple(name.key(self.spec.extractor) for name in self.measure.numbers if self.gives(name.stem))

    @property
    def labels(self) -> tuple[str, ...]:
        """Its numbers as tables print them."""
        return tuple(name.label_over(self.spec.extractor) for name in self.measure.numbers if self.gives(name.stem))

    def gives(self, stem: str) -> bool:
        """Whether one of the measure's numbers is given."""
        return self.numbers is None or stem in self.numbers

    def features(
        self,
        data: DataSet,
        labels: np.ndarray | None = None,
        texts: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
    ) -> Features:
        """What the measure needs of a set's features."""
        known = data.known.setdefault(self.spec, {})
        if self.spec in data.apart and not self.measure.wanted.rows:
            return Features(data.name, data.apart[self.spec], None, labels, texts, classes, known=known)
        rows, balls = data.rows.get(self.spec), data.balls.get(self.spec)
        return Features(data.name, data.statistics.get(self.spec), rows, labels, texts, classes, balls, known)

    def count(self, data: DataSet) -> int | None:
        """Number of images of a set that take part; None where a statistics file does not say."""
        return self.features(data).count()

    def feature_size(self, data: DataSet) -> int | None:
        """Length of a set's feature vectors; None where there are none of this kind."""
        features = self.features(data)
        if features.rows is not None:
            return features.rows.shape[1]
        return None if features.statistics is None else features.statistics.feature_size


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The measures that were asked for, and how much of them.

    Attributes:
      measures: by name.
      everything: whether what cannot be had is left out with the reason; otherwise it is an error.
      numbers: those of the measures' numbers that are given; all if None.
    """

    measures: Sequence[Measure]
    everything: bool
    numbers: frozenset[str] | None = None


def make_jobs(
    chosen: Chosen,
    protocols: Sequence[Protocol],
    networks: Sequence[Extractor],
    *,
    obstacles: Mapping[str, str],
    precision: Precision = "highest",
) -> tuple[list[Job], list[NotComputed]]:
    """What is to be computed, and what cannot be.

    Args:
      chosen: what was asked for.
      protocols: whose definitions.
      networks: over which features.
      obstacles: by measure, why this run cannot compute it, over whatever features.
      precision: of the networks' contractions.

    Raises:
      InputError: a measure that was asked for by name cannot be computed.
    """
    jobs, without = [], []
    for protocol in protocols:
        for network in networks:
            for measure in chosen.measures:
                reason = measure.obstacle(network) or obstacles.get(measure.name)
                tap = measure.tap_of(network)
                spec = feature_spec(protocol, network, tap, precision)
                job = Job(measure, protocol, spec, chosen.numbers)
                if reason is None:
                    jobs.append(job)
                elif chosen.everything:
                    without.append(NotComputed(job.keys[0], protocol.name, None, reason, job.labels, job.keys))
                else:
                    raise InputError(f"metric {measure.name!r} cannot be computed: {reason}")
    if not jobs:
        raise InputError("none of the metrics can be computed; " + "; ".join(map(str, without)))
    return jobs, without


# What ADM's evaluator prints: FID, sFID, Inception score, precision and recall.
OF_ADM = ("fd", "sfd", "is", "precision", "recall")


def choose(metrics: Metrics | Sequence[Metrics] | None, reference: Opened, protocols: Sequence[Protocol]) -> Chosen:
    """The measures that were asked for; where none was, those that the reference's own tool computes."""
    of_adm = isinstance(reference, KeptSet) and reference.tool.name == "ADM"
    if metrics is None and of_adm and any(protocol.name == "adm" for protocol in protocols):
        measures, _ = choose_measures(OF_ADM)
        return Chosen(measures, everything=True, numbers=frozenset(OF_ADM))
    return Chosen(*choose_measures(metrics))


def given_once(jobs: Sequence[Job], reference: Opened) -> list[Job]:
    """The jobs without those that a reference of another protocol would give another time."""
    asked = list(dict.fromkeys(job.protocol.name for job in jobs))
    chosen = reference.numbers_once(asked) if isinstance(reference, KeptSet) else None
    if chosen is None or not isinstance(reference, KeptSet):
        return list(jobs)

    def elsewhere(job: Job) -> bool:
        rows = job.measure.wanted.rows
        return job.measure.alone or not reference.serves(job.spec, job.protocol.name, rows=rows)

    return [job for job in jobs if job.protocol.name == chosen or elsewhere(job)]


def check_names(metrics: Metrics | Sequence[Metrics] | None, networks: Sequence[Extractor]) -> None:
    """Refuses `fid` and the like over other networks, and networks whose numbers would be called as others are."""
    own = {number.own_key: number for stem, number in NUMBERS.items() if number.own_key not in (None, stem)}
    others = [network for network in networks if network.family != "inception"]
    for name in names_asked(metrics):
        if name in own and others:
            raise InputError(
                f"{name!r} is over the FID Inception network, not over {others[0].name!r}; "
                f"ask for --metrics {own[name].stem}, which is reported as {own[name].key(others[0])!r}"
            )
    names = {*NUMBERS, *own}
    for network, number in itertools.product(networks, NUMBERS.values()):
        if number.key(network) in names - {number.stem, number.own_key}:
            raise InputError(
                f"over an extractor with the name {network.name!r}, {number.stem} would be called "
                f"{number.key(network)!r}, which is another number; give the extractor another name"
            )


def obstacles(
    chosen: Chosen,
    reference: Opened,
    generated: Sequence[Opened],
    held_out: Opened | None,
    *,
    captions: bool,
    comparison: bool,
) -> dict[str, str]:
    """By measure, what this run lacks for it."""
    found: dict[str, str] = {}
    lacking = [one.name for one in generated if not _has_rows(one)]
    if len(lacking) < len(generated) and not comparison:
        lacking = []  # those sets lack some numbers, and the others do not
    for measure in chosen.measures:
        if measure.needs_held_out and held_out is None:
            found[measure.name] = "it needs real images that the generator has not seen; name them with --held-out"
        elif measure.needs_captions and not captions:
            found[measure.name] = "it needs captions of the generated images; name a file of them with --captions"
        elif measure.wanted.rows and not measure.alone and not _has_rows(reference):
            found[measure.name] = lacks_rows(reference.name, "reference")
        elif (measure.wanted.rows or comparison) and lacking:
            found[measure.name] = lacks_rows(lacking[0], "generated")
        elif measure.needs_held_out and held_out is not None and not _has_rows(held_out):
            found[measure.name] = lacks_rows(held_out.name, "held out")
        elif measure.needs_labels and not _has_classes(reference):
            found[measure.name] = no_classes(reference.name)
    return found


def _has_rows(data: Opened) -> bool:
    return not isinstance(data, KeptSet) or data.has_rows()


def _has_classes(data: Opened) -> bool:
    if not isinstance(data, KeptSet):
        return has_classes(data)
    if data.images is not None:
        return has_classes(data.images)
    return bool(data.names) and "/" in data.names[0]


def lacks_rows(name: str, role: str) -> str:
    """Why a set of statistics alone does not do for a measure of features."""
    whose = "the reference's images or features, not their statistics" if role == "reference" else "images or features"
    return f"it needs {whose}, and {name!r} holds mean and covariance alone"
