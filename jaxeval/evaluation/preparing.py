"""From what was asked to a run that can begin: networks loaded, sets opened, and the numbers chosen that can be had."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxeval.distributed import Processes, agree_on, peers, together
from jaxeval.errors import InputError
from jaxeval.evaluation.captions import load_captions
from jaxeval.evaluation.gathering import Gathering
from jaxeval.evaluation.jobs import (
    OF_ADM,
    Chosen,
    Job,
    NotComputed,
    Opened,
    check_names,
    choose,
    given_once,
    make_jobs,
    obstacles,
)
from jaxeval.evaluation.measures import choose_measures
from jaxeval.evaluation.protocols import Protocol, get_protocols
from jaxeval.evaluation.reading.batches import Networks, fitted_batch_size
from jaxeval.evaluation.reading.cache import FeatureCache
from jaxeval.evaluation.reading.data_set import DataSet
from jaxeval.evaluation.reading.features import FeatureSpec, feature_spec
from jaxeval.evaluation.reading.kept import KeptSet
from jaxeval.evaluation.reading.reader import Checkpoints, Reader
from jaxeval.evaluation.reading.whole_batches import in_whole_batches
from jaxeval.evaluation.request import Comparing, Evaluating, Explaining, FeaturesOf, Reading, Saving, StatisticsOf
from jaxeval.evaluation.run import Run
from jaxeval.extractors import Extractor, Precision, load_extractor
from jaxeval.files import local_path
from jaxeval.images import Source
from jaxeval.statistics import blocks_of


class _Sets(NamedTuple):
    """The sets of a run, opened."""

    reference: Opened
    generated: Sequence[Opened]
    held_out: Opened | None

    def sources(self) -> list[Source]:
        """All sources of images, those that a file keeps beside features among them."""
        known = [one for one in (self.reference, self.held_out, *self.generated) if one is not None]
        images = [one.images if isinstance(one, KeptSet) else one for one in known]
        return [source for source in images if source is not None]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A run that can begin, with its sets still to be read.

    Attributes:
      run: what makes results of sets.
      without: what it cannot compute.
      gathering: what reads the sets.
      sets: that are to be read.
    """

    run: Run
    without: list[NotComputed]
    gathering: Gathering
    sets: _Sets

    def reference(self) -> DataSet:
        """Reads the real images."""
        return self.gathering.data_set(self.sets.reference, 0, "reference")

    def held_out(self) -> DataSet | None:
        """Reads the real images that no generator has seen, if there are any."""
        opened = self.sets.held_out
        return None if opened is None else self.gathering.data_set(opened, 1, "held out")

    def generated(self) -> Iterator[DataSet]:
        """The generated sets, each read when it is asked for."""
        for index, opened in enumerate(self.sets.generated, 2):
            yield self.gathering.data_set(opened, index, "generated")


def prepare(
    request: Evaluating | Comparing | Explaining,
    states: Sequence[tuple[Protocol, Precision]] = (),
    *,
    comparison: bool = False,
) -> Prepared:
    """Makes a run of what is asked.

    Args:
      request: the sets, and what is asked of them.
      states: in the place of the request's protocols and precision: a protocol with a precision for each of several
        numbers of one metric. All have the name of the first.
      comparison: whether the generated sets are compared with one another, for which all of them need features.

    Raises:
      InputError: a set cannot be opened, a name is not known, or none of the numbers can be computed.
      WeightsMissingError: a network's weights have not been imported.
    """
    (reference, generated), held_out = request.given, request.unseen  # refused before a network is loaded
    protocols = tuple(protocol for protocol, _ in states) or _protocols(request)
    request.choices.check_use(choose_measures(OF_ADM if request.metrics is None else request.metrics)[0])
    protocols = tuple(map(request.choices.applied, protocols))
    precision: Precision = states[0][1] if states else request.precision  # pyright: ignore[reportAssignmentType]
    processes = request.processes()

    def work() -> tuple[list[Job], list[NotComputed], _Sets, Mapping[str, str] | None, Chosen]:
        networks = _networks(request.extractor, request)
        check_names(request.metrics, networks)
        opened = [request.sets.open(one) for one in generated]
        real = request.sets.open(reference)
        unseen = None if held_out is None else request.sets.open(held_out)
        given = request.captions
        captions = load_captions(given) if isinstance(given, str | Path) else given
        chosen = choose(request.metrics, real, protocols)
        request.choices.check_use(chosen.measures)
        lacking = obstacles(chosen, real, opened, unseen, captions=captions is not None, comparison=comparison)
        jobs, without = make_jobs(chosen, protocols, networks, obstacles=lacking, precision=precision)
        if states:
            jobs = [
                dataclasses.replace(job, spec=dataclasses.replace(job.spec, precision=its_own))
                for job, (_, its_own) in zip(jobs, states, strict=True)
            ]
        return given_once(jobs, real), without, _Sets(real, opened, unseen), captions, chosen

    jobs, without, sets, captions, chosen = together(work) if processes.count > 1 else work()
    sources = sets.sources()
    reader = reader_for(request, sources, processes)
    parts = {
        (id(source), batch): in_whole_batches(source, batch)
        for source in sources
        for batch in {job.spec.whole_batches for job in jobs if job.spec.whole_batches is not None}
    }
    # Where all protocols drop incomplete batches, nobody reads the others.
    whole = sources if any(job.spec.whole_batches is None for job in jobs) else []
    read_of = {id(source): source for source in (*whole, *parts.values())}
    prints = {place: reader.fingerprint(source) for place, source in read_of.items()}
    if processes.count > 1:
        agree_on("data", repr(list(prints.values())))
    limited = request.limit is not None
    gathering = Gathering(jobs, chosen.everything, reader, prints, parts, comparison, limited)
    run = Run(jobs, chosen.everything, reader, request.seed, captions, request.sets.record(), precision)
    return Prepared(run, without, gathering, sets)


def reader_for(request: Reading, sources: Sequence[Source], processes: Processes | None = None) -> Reader:
    """What reads these sources: in batches that fit the largest, so that each network is compiled once for all.

    Args:
      request: how they are read, and what is kept.
      sources: all that will be read.
      processes: that share the work; this one alone if None.
    """
    processes = Processes() if processes is None else processes
    lengths = [len(blocks_of(len(source), processes.count - 1, processes.count)) for source in sources]
    options = request.reading
    options = dataclasses.replace(options, batch_size=fitted_batch_size(options.asked, max(lengths, default=1)))
    kept = None if request.cache is None else FeatureCache(request.cache)
    saved, stop = None, None
    if isinstance(request, Saving) and request.checkpoint is not None:
        folder = local_path(request.checkpoint)
        if any(folder.glob("*/[0-9]*")):
            peers.saved = f"what earlier runs saved is in {str(folder)!r}"
        saved, stop = Checkpoints(folder, request.checkpoint_every), request.stop
    return Reader(options, Networks(), kept, processes, saved, stop, request.progress)


def one_network(request: FeaturesOf | StatisticsOf) -> Extractor:
    """The network of a request for one.

    Raises:
      WeightsMissingError: its weights have not been imported.
    """
    given = request.extractor
    return given if isinstance(given, Extractor) else _load(given, request)


def spec_of(
    protocol: Protocol, network: Extractor, tap: str | None = None, precision: Precision = "highest"
) -> FeatureSpec:
    """The features of a network's layer under a protocol.

    Raises:
      InputError: the network has no such layer.
    """
    tap = network.default_tap if tap is None else tap
    if tap not in network.taps:
        raise InputError(f"extractor {network.name!r} has no tap {tap!r}; choose from {', '.join(network.taps)}")
    return feature_spec(protocol, network, tap, precision)


def _protocols(request: Evaluating | Comparing | Explaining) -> tuple[Protocol, ...]:
    assert not isinstance(request, Explaining)  # which has states
    given = request.protocol
    return get_protocols(
        given if isinstance(given, str | Protocol | tuple) else list(given), exact=request.exact_protocol
    )


def _load(name: str, request: Reading) -> Extractor:
    return load_extractor(name, weights_dir=request.weights_dir, seed=request.seed)


def _networks(given: str | Extractor | Sequence[str | Extractor], request: Reading) -> list[Extractor]:
    found: dict[str, Extractor] = {}
    for one in [given] if isinstance(given, str | Extractor) else given:
        for part in [one] if isinstance(one, Extractor) else filter(None, map(str.strip, one.split(","))):
            if isinstance(part, Extractor):
                if found.get(part.name, part) is not part:
                    raise InputError(f"two extractors have the name {part.name!r}; give one of them another name")
                found[part.name] = part
            else:
                network = _load(part, request)
                found[network.name] = network
    if not found:
        raise InputError("no extractor was given; see `jaxeval weights list`")
    return list(found.values())
