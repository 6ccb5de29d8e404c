"""The evaluator: two or more sets of images in, a table of numbers with their provenance out."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from jaxeval import _arguments
from jaxeval._arguments import a_text, optional
from jaxeval._faults import keep_finished
from jaxeval.distributed import Processes, agree_on, current_processes, peers, together
from jaxeval.errors import InputError, OutOfMemoryError, lack_of_memory
from jaxeval.evaluation.arguments import checked, one_extractor, one_protocol
from jaxeval.evaluation.captions import load_captions
from jaxeval.evaluation.choices import Choices
from jaxeval.evaluation.comparing import Comparison, Difference
from jaxeval.evaluation.measures import NUMBERS, Metrics, choose_measures, names_asked
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, Protocol, get_protocols
from jaxeval.evaluation.reading.batches import Networks, ReadOptions, fitted_batch_size
from jaxeval.evaluation.reading.cache import FeatureCache
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted, feature_spec
from jaxeval.evaluation.reading.kept import KeptSet
from jaxeval.evaluation.reading.reader import Checkpoints, Reader, checkpoint_label, has_classes, no_classes
from jaxeval.evaluation.reading.sets import NamedSet, SetOptions, named_sets, one_set
from jaxeval.evaluation.reading.whole_batches import in_whole_batches
from jaxeval.evaluation.results import Evaluation, Result
from jaxeval.evaluation.run import Job, NotComputed, Run, Side, lacks_rows, make_jobs
from jaxeval.extractors import Extractor, Precision, load_extractor
from jaxeval.files import local_path
from jaxeval.images import SampledSource, Sampling, Source
from jaxeval.progress import Progress
from jaxeval.records import versions
from jaxeval.statistics import FeatureStatistics, blocks_of, save_statistics, too_few_images

__all__ = ["compare", "evaluate", "features", "read_states", "reference_statistics"]

_ONE = {"extractor": one_extractor, "protocol": one_protocol}
Protocols = str | Protocol | Sequence[str | Protocol]


@checked()
def evaluate(
    reference: Any,
    generated: Any,
    *,
    metrics: Metrics | Sequence[Metrics] | None = None,
    extractor: str | Extractor | Sequence[str | Extractor] = "inception",
    protocol: Protocols = DEFAULT_PROTOCOL,
    held_out: Any = None,
    captions: Mapping[str, str] | str | Path | None = None,
    kid_subset_size: int | None = None,
    kid_subsets: int | None = None,
    k: int | None = None,
    is_splits: int | None = None,
    batch_size: int | Literal["auto"] = "auto",
    limit: int | None = None,
    limit_first: bool = False,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    out_of_range: str = "fail",
    layout: str | None = None,
    num_samples: int | None = None,
    exact_protocol: bool = False,
    precision: Precision = "highest",
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    distributed: bool = False,
    stop: Callable[[], bool] | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures how far one or more sets of generated images are from a reference set.

    Args:
      reference: the real images: a folder, a zip, tar shards, `.npy`, `.npz`, `tfds:NAME:SPLIT`, an array
        [N, H, W, C], a list of images (arrays [H, W, C] or [H, W] of any sizes, Pillow's images, image files), a
        function `(num_images, seed) -> images`, a `Source`; or a file of statistics or features, or a pattern of files
        of features: those of `reference_statistics` and of other tools (docs/statistics.md). `{name: data}` names them.
      generated: the same; several sets as a list, or as a mapping from names of your choice. A list
        of images is one set.
      metrics: names of `jaxeval.evaluation.MEASURES` or of their numbers, or `all` that the extractors and the data
        permit (the manifest names the others); `fid` and `kid` are `fd` and `kd` over the FID Inception network and
        over no other. Measures and functions of your own too (`jaxeval.evaluation.own_measure`), also by name, as
        `module:function`. By default the Fréchet distance, and against a reference file of ADM under its protocol the
        five numbers of ADM.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`, or several.
      protocol: whose definition to follow; several give several results from one reading of the images.
      held_out: real images that the generator has not seen, for `fld` and `c-t`, which are refused where most of them
        are images of the reference or of the generated set.
      captions: of the generated images by name, for `clip-score`; or a file of them (`load_captions`).
      kid_subset_size: images of either set in each subset of `kd`, in the place of the protocol's number. This and the
        next three are for sets that are too small for a protocol's rules; the result says where it departs from them.
      kid_subsets: how many subsets.
      k: which neighbour balls reach to, in the place of each metric's own: for `prdc`, `clipped`, `p-precision-recall`,
        `realism` and `rarity`.
      is_splits: of the Inception score; whatever the protocol, of about equally many images each.
      batch_size: images at a time through the network, and no more than the largest set has: on each accelerator of
        this process, or on its processor, however many devices that counts as. `auto` is 32 on a processor, and 32 to
        256 on an accelerator, by its memory. The numbers do not depend on it.
      limit: at most so many images of each set: a sample of the set, drawn with `seed`, in the set's order. Of what is
        read as a stream (tar archives, functions) the first ones, with a warning if it is no function.
      limit_first: take the first images of every set instead.
      seed: of everything random: samples, random extractors, generating functions.
      value_range: the values that mean black and white in arrays that are not uint8. Files and uint8 arrays have ranges
        of their own; where another one is stated for a set of uint8, a warning says that it was not applied.
      out_of_range: what values of arrays outside that range do: `fail`, or `clip` to the nearer bound and be counted in
        a warning. What rounding explains counts as the bound itself; NaN and infinity fail always.
      layout: `NHWC`, `NCHW` or `NHW`, of arrays whose shape can be read in two ways; for arrays that differ in it give
        `jaxeval.images.open_source(array, layout=...)`.
      num_samples: how many images to draw from a generating function.
      exact_protocol: whether each protocol's reference is followed where jaxeval departs from it for the better: files
        of more than 8 bits a value become what Pillow's `convert("RGB")` gives, which clips gray at 255.
      precision: of the networks' contractions: `highest`, which is full float32, or `high` or `default`, with which
        JAX code that names none ran on an accelerator; recorded in the result. A CPU has full float32 in any case.
      on_error: `fail` at the first image that cannot be read, or `skip` it and say so in the result.
      threads: that decode images; None for one per processor.
      cache: a folder that keeps features and statistics from one run to the next.
      checkpoint: a folder, seen by all processes, from which the same call goes on after a kill to the same numbers.
      checkpoint_every: batches between two checkpoints.
      distributed: whether all processes of a multi-process JAX program make this call, each to read its share of the
        images; all of them get the same result. Without it a process evaluates alone.
      stop: asked after every batch whether to end early, as when the machine is about to be taken away; needs
        `checkpoint`.
      weights_dir: where weights are kept, if not in the usual place.
      progress: told how far the run has come.

    Returns:
      An `Evaluation`: a result for each generated set, protocol and metric, and a manifest. A number that cannot be
      computed costs itself alone: it is left out, and named with the reason in `not_computed`.

    Raises:
      InputError: data or an argument is not what was expected, or not one number could be computed. The `partial`
        attribute of this and of any other exception is the `Evaluation` of what was finished before.
      OutOfMemoryError: the images at a time, or all of them together, do not fit into memory.
      PreemptedError: `stop` said so; what the run had is saved.
      WeightsMissingError: the extractor's weights have not been imported.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, fake = np.random.default_rng(0).integers(0, 256, size=(2, 64, 8, 8, 3), dtype=np.uint8)
      >>> evaluation = jaxeval.evaluate(real, {"untrained": fake}, metrics="fd", extractor="pixels")
      >>> [(result.metric, result.generated, result.n_generated) for result in evaluation.results]
      [('fd-pixels', 'untrained', 64)]
    """
    started = time.time()
    read = _read_options(batch_size, on_error, threads)
    saving = _Saving(cache, checkpoint, checkpoint_every, distributed, stop)
    sampling = _sampling(limit, limit_first, seed)
    loading = _Loading(SetOptions(value_range, out_of_range, layout, num_samples, seed, sampling), weights_dir)
    choices = Choices(kid_subset_size, kid_subsets, k, is_splits)
    given = one_set(reference, "reference"), named_sets(generated, layout), _held_out(held_out)
    asked = _Asked(*given, captions, metrics, extractor, protocol, exact_protocol, choices, precision)
    run, without, opened, real, unseen = _set_up(asked, loading, saving, read, progress)
    side = _side(run, real, 0, "reference")
    third = None if unseen is None else _side(run, unseen, 1, "held out")
    results: list[Result] = []
    sets = [side]
    try:
        for index, source in enumerate(opened, 2):
            other = _side(run, source, index, "generated")
            sets.append(other)
            for found, missing in run.results(side, other, third):
                results += found
                without += missing
        _check_any(results, without)
    except BaseException as error:  # also an interrupt: hours of work may lie in the sets that were finished
        manifest = run.manifest(sets, third, without, started) | _incomplete(error)
        keep_finished(error, Evaluation(tuple(results), manifest))
        raise
    return Evaluation(tuple(results), run.manifest(sets, third, without, started))


@checked()
def compare(
    first: Any,
    second: Any,
    *,
    reference: Any,
    metrics: Metrics | Sequence[Metrics] | None = "fd,kd-full,prdc",
    extractor: str | Extractor | Sequence[str | Extractor] = "inception",
    protocol: Protocols = DEFAULT_PROTOCOL,
    held_out: Any = None,
    captions: Mapping[str, str] | str | Path | None = None,
    kid_subset_size: int | None = None,
    kid_subsets: int | None = None,
    k: int | None = None,
    is_splits: int | None = None,
    batch_size: int | Literal["auto"] = "auto",
    limit: int | None = None,
    limit_first: bool = False,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    out_of_range: str = "fail",
    layout: str | None = None,
    num_samples: int | None = None,
    exact_protocol: bool = False,
    precision: Precision = "highest",
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    distributed: bool = False,
    stop: Callable[[], bool] | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compares two sets of generated images by the same reference: how far do their numbers differ beyond chance?

    What the choice of reference images does to both numbers cancels, so that their difference is known better than
    their own intervals tell.

    Args:
      first: images of one generator, as `evaluate` takes a reference; `{name: data}` names them.
      second: images of the other.
      reference: the real images, or their statistics.
      metrics: as for `evaluate`.
      extractor: as for `evaluate`, as is all that follows.
      protocol: whose definition to follow.
      held_out: real images that neither generator has seen.
      captions: of the generated images, the same names in both sets.
      kid_subset_size: of `kd`, as for `evaluate`; its interval is over all pairs, whatever the subsets.
      kid_subsets: of `kd`.
      k: of the metrics of neighbours, as for `evaluate`.
      is_splits: of the Inception score; its interval is over all images at once.
      batch_size: images at a time.
      limit: at most so many images of each set: a sample drawn with `seed`.
      limit_first: take the first images of every set instead.
      seed: of everything random.
      value_range: of arrays that are not uint8.
      out_of_range: what values outside it do.
      layout: of arrays whose shape can be read in two ways.
      num_samples: how many images to draw from a generating function.
      exact_protocol: whether the references are followed where jaxeval departs from them.
      precision: of the networks' contractions.
      on_error: `fail` or `skip`.
      threads: that decode images.
      cache: a folder for features.
      checkpoint: a folder to go on from after a kill.
      checkpoint_every: batches between two checkpoints.
      distributed: whether all processes make this call.
      stop: asked whether to end early.
      weights_dir: where weights are kept.
      progress: told how far the run has come.

    Returns:
      A `Comparison`: for each number both values, their difference with an interval, and a p-value; the numbers that
      could not be computed in `not_computed`.

    Raises:
      InputError: data or an argument is not what was expected, or not one number could be computed. As with
        `evaluate`, the `partial` attribute of any exception is the `Comparison` of what was finished before.
      OutOfMemoryError: as with `evaluate`.
      PreemptedError: `stop` said so; what the run had is saved.
      WeightsMissingError: the extractor's weights have not been imported.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, first, second = np.random.default_rng(0).integers(0, 256, size=(3, 64, 5, 5, 3), dtype=np.uint8)
      >>> comparison = jaxeval.compare(first, second // 2, reference=real, metrics="fd", extractor="pixels")
      >>> difference = comparison.differences[0]
      >>> difference.value > 0, difference.p_value < 0.05
      (True, True)
    """
    started = time.time()
    read = _read_options(batch_size, on_error, threads)
    saving = _Saving(cache, checkpoint, checkpoint_every, distributed, stop)
    sampling = _sampling(limit, limit_first, seed)
    loading = _Loading(SetOptions(value_range, out_of_range, layout, num_samples, seed, sampling), weights_dir)
    choices = Choices(kid_subset_size, kid_subsets, k, is_splits)
    given = one_set(reference, "reference"), [one_set(first, "first"), one_set(second, "second")], _held_out(held_out)
    asked = _Asked(*given, captions, metrics, extractor, protocol, exact_protocol, choices, precision)
    run, without, opened, real, unseen = _set_up(asked, loading, saving, read, progress, with_rows=True)
    side = _side(run, real, 0, "reference")
    third = None if unseen is None else _side(run, unseen, 1, "held out")
    sides = [_side(run, source, index, "generated") for index, source in enumerate(opened, 2)]
    differences: list[Difference] = []
    try:
        for found, missing in run.differences(side, *sides, held_out=third):
            differences += found
            without += missing
        _check_any(differences, without)
    except BaseException as error:
        manifest = run.manifest([side, *sides], third, without, started) | _incomplete(error)
        keep_finished(error, Comparison(tuple(differences), manifest))
        raise
    return Comparison(tuple(differences), run.manifest([side, *sides], third, without, started))


def _incomplete(error: BaseException) -> dict[str, str]:
    """For the manifest of what was finished before an exception."""
    return {"incomplete": str(error) or type(error).__name__}


def _check_any(found: Sequence[Any], without: Sequence[NotComputed]) -> None:
    """Raises where not one number could be computed: what was raised for the first, in the user's words."""
    if found:
        return
    failed = [one for one in without if one.generated is not None]
    first, more = failed[0], len(failed) - 1
    sentence = f"none of the numbers can be computed; {first}; and {more} more" if more else str(first)
    if first.cause is None or isinstance(first.cause, InputError):
        raise InputError(sentence) from first.cause
    if lack_of_memory(first.cause) is not None:
        raise OutOfMemoryError(sentence) from first.cause
    raise first.cause


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is to be compared with what, and how."""

    reference: NamedSet
    generated: Sequence[NamedSet]
    held_out: NamedSet | None
    captions: Mapping[str, str] | str | Path | None
    metrics: Metrics | Sequence[Metrics] | None
    extractor: str | Extractor | Sequence[str | Extractor]
    protocol: Protocols
    exact_protocol: bool
    choices: Choices
    precision: Precision = "highest"
    states: Sequence[tuple[Protocol, Precision]] = ()
    """In the place of `protocol` and `precision`: what numbers of one metric are to follow, one after the other."""

    def __post_init__(self):
        if isinstance(self.captions, str | Path):
            local_path(self.captions)  # refused now, and not after the networks are loaded


@dataclasses.dataclass(frozen=True)
class _Loading:
    """What opening a set or a network needs to know."""

    sets: SetOptions
    weights_dir: str | Path | None

    def __post_init__(self):
        if self.weights_dir is not None:
            local_path(self.weights_dir)  # as above, and also where no network needs weights


def _set_up(
    asked: _Asked,
    loading: _Loading,
    saving: "_Saving",
    read: ReadOptions,
    progress: Progress | None,
    *,
    with_rows: bool = False,
) -> tuple[Run, list[NotComputed], list["_Set"], "_Set", "_Set | None"]:
    """The run, what it cannot compute, and the sets: generated, reference, held out."""
    protocols = tuple(protocol for protocol, _ in asked.states) or get_protocols(
        asked.protocol,  # pyright: ignore[reportArgumentType]
        exact=asked.exact_protocol,
    )
    asked.choices.check_use(choose_measures(_OF_ADM if asked.metrics is None else asked.metrics)[0])
    protocols = tuple(map(asked.choices.applied, protocols))
    processes = saving.processes()

    def prepare() -> tuple[
        list[Job], list[NotComputed], list[_Set], _Set, _Set | None, Mapping[str, str] | None, _Chosen
    ]:
        networks = _networks(asked.extractor, loading.weights_dir, loading.sets.seed)
        _check_names(asked.metrics, networks)
        opened = [loading.sets.open(given) for given in asked.generated]
        real = loading.sets.open(asked.reference)
        unseen = None if asked.held_out is None else loading.sets.open(asked.held_out)
        captions = load_captions(asked.captions) if isinstance(asked.captions, str | Path) else asked.captions
        chosen = _choose(asked.metrics, real, protocols)
        asked.choices.check_use(chosen.measures)
        obstacles = _obstacles(chosen, real, opened, unseen, captions=captions is not None, comparison=with_rows)
        jobs, without = make_jobs(
            chosen.measures,
            protocols,
            networks,
            everything=chosen.everything,
            obstacles=obstacles,
            numbers=chosen.numbers,
            precision=asked.precision,
        )
        if asked.states:
            jobs = [
                dataclasses.replace(job, spec=dataclasses.replace(job.spec, precision=precision))
                for job, (_, precision) in zip(jobs, asked.states, strict=True)
            ]
        return _once(jobs, real), without, opened, real, unseen, captions, chosen

    jobs, without, opened, real, unseen, captions, chosen = together(prepare) if processes.count > 1 else prepare()
    images = [one.images if isinstance(one, KeptSet) else one for one in (real, unseen, *opened)]
    sources = [source for source in images if source is not None]
    reader = saving.reader(_fitting(read, sources, processes), progress)
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
    record = loading.sets.record()
    seed, precision = loading.sets.seed, asked.precision
    run = Run(jobs, chosen.everything, reader, prints, seed, captions, with_rows, record, parts, precision)
    return run, without, opened, real, unseen


_Set = Source | KeptSet


def _side(run: Run, data: _Set, index: int, role: str) -> Side:
    if isinstance(data, KeptSet):
        return run.kept_side(data, index, role=role)
    return run.side(data, index, role=role)


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """What is computed.

    Attributes:
      measures: by name.
      everything: whether what cannot be had is left out with the reason; otherwise it is an error.
      numbers: those of the measures' numbers that are given; all if None.
    """

    measures: Sequence[Measure]
    everything: bool
    numbers: frozenset[str] | None = None


# What ADM's evaluator prints: FID, sFID, Inception score, precision and recall.
_OF_ADM = ("fd", "sfd", "is", "precision", "recall")


def _choose(metrics: Metrics | Sequence[Metrics] | None, reference: _Set, protocols: Sequence[Protocol]) -> _Chosen:
    """The measures that were asked for; where none was, those that the reference's own tool computes."""
    of_adm = isinstance(reference, KeptSet) and reference.tool.name == "ADM"
    if metrics is None and of_adm and any(protocol.name == "adm" for protocol in protocols):
        measures, _ = choose_measures(_OF_ADM)
        return _Chosen(measures, everything=True, numbers=frozenset(_OF_ADM))
    return _Chosen(*choose_measures(metrics))


def _once(jobs: Sequence[Job], reference: _Set) -> list[Job]:
    """The jobs without those that a reference of another protocol would give another time."""
    asked = list(dict.fromkeys(job.protocol.name for job in jobs))
    chosen = reference.numbers_once(asked) if isinstance(reference, KeptSet) else None
    if chosen is None or not isinstance(reference, KeptSet):
        return list(jobs)

    def elsewhere(job: Job) -> bool:
        rows = job.measure.wanted.rows
        return job.measure.alone or not reference.serves(job.spec, job.protocol.name, rows=rows)

    return [job for job in jobs if job.protocol.name == chosen or elsewhere(job)]


def read_states(
    reference: NamedSet,
    generated: NamedSet,
    states: Sequence[tuple[Protocol, Precision]],
    *,
    extractor: str | Extractor,
    batch_size: int | Literal["auto"],
    limit: int | None,
    limit_first: bool,
    seed: int,
    value_range: tuple[float, float] | None,
    out_of_range: str,
    layout: str | None,
    num_samples: int | None,
    on_error: str,
    threads: int | None,
    cache: str | Path | None,
    checkpoint: str | Path | None,
    checkpoint_every: int,
    distributed: bool,
    stop: Callable[[], bool] | None,
    weights_dir: str | Path | None,
    progress: Progress | None,
) -> tuple[Run, tuple[Side, Side]]:
    """Two sets with what the Frechet distance needs of them at each of several states, from one reading.

    A state is a protocol with a precision; all have one name, that of the first. The other arguments are as for
    `evaluate`. Returned are the run, with a job for each state, and both sides.
    """
    read = _read_options(batch_size, on_error, threads)
    saving = _Saving(cache, checkpoint, checkpoint_every, distributed, stop)
    sampling = _sampling(limit, limit_first, seed)
    loading = _Loading(SetOptions(value_range, out_of_range, layout, num_samples, seed, sampling), weights_dir)
    asked = _Asked(reference, [generated], None, None, "fd", extractor, "", False, Choices(), states=states)
    run, _, (fake,), real, _ = _set_up(asked, loading, saving, read, progress)
    return run, (_side(run, real, 0, "reference"), _side(run, fake, 1, "generated"))


@checked(**_ONE, tap=optional(a_text("the name of a layer of the extractor")))
def features(
    data: Any,
    *,
    extractor: str | Extractor = "inception",
    tap: str | None = None,
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    batch_size: int | Literal["auto"] = "auto",
    limit: int | None = None,
    limit_first: bool = False,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    out_of_range: str = "fail",
    layout: str | None = None,
    num_samples: int | None = None,
    exact_protocol: bool = False,
    precision: Precision = "highest",
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
):
    """Feature vectors of a set of images, shape [N, d], float32, prepared as the protocol says; see `evaluate`.

    Raises:
      InputError: data or an argument is not what was expected.
      WeightsMissingError: the extractor's weights have not been imported.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> images = np.random.default_rng(0).integers(0, 256, size=(10, 8, 8, 3), dtype=np.uint8)
      >>> features = jaxeval.features(images, extractor="pixels")
      >>> features.shape, features.dtype
      ((10, 192), dtype('float32'))
    """
    (chosen,) = _one(protocol, exact_protocol)
    saving, read = _Saving(cache), _read_options(batch_size, on_error, threads)
    sampling = _sampling(limit, limit_first, seed)
    loading = _Loading(SetOptions(value_range, out_of_range, layout, num_samples, seed, sampling), weights_dir)
    given = one_set(data, "data")
    network = extractor if isinstance(extractor, Extractor) else _load(extractor, weights_dir, seed)
    source = loading.sets.open_images(given)
    reader = saving.reader(_fitting(read, [source]), progress)
    spec = _spec(chosen, network, tap, precision)
    wanted = {spec: Wanted(statistics=False, rows=True)}
    fingerprint = source.fingerprint() if cache is not None else None
    return reader.collect(source, wanted, fingerprint=fingerprint, label="").rows[spec]


@checked(**_ONE, path=_arguments.path)
def reference_statistics(
    data: Any,
    path: str | Path,
    *,
    features: bool = False,
    extractor: str | Extractor = "inception",
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    batch_size: int | Literal["auto"] = "auto",
    limit: int | None = None,
    limit_first: bool = False,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    out_of_range: str = "fail",
    layout: str | None = None,
    num_samples: int | None = None,
    exact_protocol: bool = False,
    precision: Precision = "highest",
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    distributed: bool = False,
    stop: Callable[[], bool] | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> FeatureStatistics:
    """Computes a data set's statistics and writes them to an `.npz` that `evaluate` takes in the place of the images.

    Args:
      data: the images, as for `evaluate`.
      path: of the file, which ends in `.npz`.
      features: whether every image's features and name are kept too. Statistics alone give the Frechet distance; with
        features the file stands for the images in every metric over them, as reference, generated or held-out set.
      extractor: as for `evaluate`, one.
      protocol: as for `evaluate`, one.
      batch_size: as for `evaluate`, as is all that follows.
      limit: at most so many images.
      limit_first: take the first ones instead of a sample.
      seed: of everything random.
      value_range: of arrays that are not uint8.
      out_of_range: what values outside it do.
      layout: of arrays whose shape can be read in two ways.
      num_samples: how many images to draw from a generating function.
      exact_protocol: whether the protocol's reference is followed in everything.
      precision: of the network's contractions; kept in the file, and refused where a run needs another.
      on_error: `fail` or `skip`.
      threads: that decode images.
      cache: a folder for features.
      checkpoint: a folder to go on from after a kill.
      checkpoint_every: batches between two checkpoints.
      distributed: whether all processes make this call.
      stop: asked whether to end early.
      weights_dir: where weights are kept.
      progress: told how far the run has come.

    Returns:
      What was written.

    Raises:
      InputError: data or an argument is not what was expected, or the file cannot be written.
      WeightsMissingError: the extractor's weights have not been imported.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> import jaxeval
      >>> images = np.random.default_rng(0).integers(0, 256, size=(20, 8, 8, 3), dtype=np.uint8)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     statistics = jaxeval.reference_statistics(images, f"{folder}/reference.npz", extractor="pixels")
      ...     evaluation = jaxeval.evaluate(f"{folder}/reference.npz", images, extractor="pixels")
      >>> statistics.mean.shape, evaluation.results[0].n_reference
      ((192,), 20)
    """
    (chosen,) = _one(protocol, exact_protocol)
    path = local_path(path)
    if path.suffix.lower() != ".npz":
        raise InputError(f"statistics are written as .npz, which {str(path)!r} is not; give a name that ends in .npz")
    read = _read_options(batch_size, on_error, threads)
    saving = _Saving(cache, checkpoint, checkpoint_every, distributed, stop)
    sampling = _sampling(limit, limit_first, seed)
    loading = _Loading(SetOptions(value_range, out_of_range, layout, num_samples, seed, sampling), weights_dir)
    given = one_set(data, "data")
    processes = saving.processes()

    def prepare() -> tuple[Extractor, Source]:
        network = extractor if isinstance(extractor, Extractor) else _load(extractor, weights_dir, seed)
        return network, loading.sets.open_images(given)

    network, source = together(prepare) if processes.count > 1 else prepare()
    spec = _spec(chosen, network, precision=precision)
    source = in_whole_batches(source, spec.whole_batches)
    reader = saving.reader(_fitting(read, [source], processes), progress)
    fingerprint = reader.fingerprint(source)
    wanted = {spec: Wanted(statistics=True, rows=features)}
    found = reader.collect(source, wanted, fingerprint=fingerprint, label=checkpoint_label(0, source.name))
    if spec not in found.statistics:
        raise too_few_images(source.name, found.report.count)
    identity = spec.identity() | {
        "protocol": chosen.name,
        "ddof": chosen.ddof,
        "weights_published": network.weights_published,
        "data": fingerprint,
        "name": source.name,
        "limit": limit,
        "sample": source.describe() if isinstance(source, SampledSource) else None,
        "sampling_remarks": source.remarks() if isinstance(source, SampledSource) else [],
        "report": dataclasses.asdict(found.report),
        "versions": versions(),
    }
    statistics = found.statistics[spec]
    if features:
        names = np.asarray(reader.names(source, found.report), np.str_)
        statistics = dataclasses.replace(statistics, features=np.asarray(found.rows[spec]), names=names)
    if processes.writes:
        save_statistics(path, statistics, identity)
    return statistics


@dataclasses.dataclass(frozen=True)
class _Saving:
    """What a caller asked for about keeping and sharing work."""

    cache: str | Path | None = None
    checkpoint: str | Path | None = None
    checkpoint_every: int = 100
    distributed: bool = False
    stop: Callable[[], bool] | None = None

    def __post_init__(self):
        for folder in (self.cache, self.checkpoint):
            if folder is not None:
                local_path(folder)  # as above

    def processes(self) -> Processes:
        """Those that share the work.

        Raises:
          InputError: two wishes exclude each other.
        """
        processes = current_processes() if self.distributed else Processes()
        if self.checkpoint_every < 1:
            raise InputError(f"checkpoints every {self.checkpoint_every} batches are not possible; give 1 or more")
        if self.cache is not None and self.checkpoint is not None:
            raise InputError("--cache and --checkpoint cannot be combined: a checkpoint keeps what was finished too")
        if self.cache is not None and processes.count > 1:
            raise InputError("--cache is for runs of one process; give --checkpoint to keep what several have found")
        if self.checkpoint is not None and not self.distributed and jax.process_count() > 1:
            raise InputError("in a program of several processes a checkpoint needs all of them: pass distributed=True")
        if self.stop is not None and self.checkpoint is None:
            raise InputError("stop has a use only where there is a checkpoint to save to")
        return processes

    def reader(self, options: ReadOptions, progress: Progress | None) -> Reader:
        """How the run's data sets are read."""
        if self.checkpoint is not None and any(local_path(self.checkpoint).glob("*/[0-9]*")):
            peers.saved = f"what earlier runs saved is in {str(local_path(self.checkpoint))!r}"
        kept = FeatureCache(self.cache) if self.cache is not None else None
        saved = Checkpoints(local_path(self.checkpoint), self.checkpoint_every) if self.checkpoint is not None else None
        return Reader(options, Networks(), kept, self.processes(), saved, self.stop, progress)


def _networks(
    extractor: str | Extractor | Sequence[str | Extractor], weights_dir: str | Path | None, seed: int
) -> list[Extractor]:
    given = [extractor] if isinstance(extractor, str | Extractor) else list(extractor)
    found: dict[str, Extractor] = {}
    for one in given:
        parts = [one] if isinstance(one, Extractor) else [name.strip() for name in one.split(",") if name.strip()]
        for part in parts:
            network = part if isinstance(part, Extractor) else _load(part, weights_dir, seed)
            if isinstance(part, Extractor) and found.get(network.name, network) is not network:
                raise InputError(f"two extractors have the name {network.name!r}; give one of them another name")
            found[network.name] = network
    if not found:
        raise InputError("no extractor was given; see `jaxeval weights list`")
    return list(found.values())


def _check_names(metrics: Metrics | Sequence[Metrics] | None, networks: Sequence[Extractor]) -> None:
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


def _obstacles(
    chosen: _Chosen,
    reference: _Set,
    generated: Sequence[_Set],
    held_out: _Set | None,
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


def _has_rows(data: _Set) -> bool:
    return not isinstance(data, KeptSet) or data.has_rows()


def _has_classes(data: _Set) -> bool:
    if not isinstance(data, KeptSet):
        return has_classes(data)
    if data.images is not None:
        return has_classes(data.images)
    return bool(data.names) and "/" in data.names[0]


def _one(protocol: str | Protocol, exact: bool) -> tuple[Protocol, ...]:
    protocols = get_protocols(protocol, exact=exact)
    if len(protocols) != 1:
        raise InputError(f"one protocol is needed here, not {', '.join(item.name for item in protocols)}")
    return protocols


def _spec(
    protocol: Protocol, network: Extractor, tap: str | None = None, precision: Precision = "highest"
) -> FeatureSpec:
    tap = network.default_tap if tap is None else tap
    if tap not in network.taps:
        raise InputError(f"extractor {network.name!r} has no tap {tap!r}; choose from {', '.join(network.taps)}")
    return feature_spec(protocol, network, tap, precision)


def _read_options(batch_size: int | Literal["auto"], on_error: str, threads: int | None) -> ReadOptions:
    asked = None if batch_size == "auto" else batch_size
    if asked is not None and asked < 1:
        raise InputError(f"batch size {batch_size} is not possible; give 1 or more")
    if on_error not in ("fail", "skip"):
        raise InputError(f"on_error {on_error!r} is not known; choose 'fail' or 'skip'")
    if threads is not None and threads < 1:
        raise InputError(f"{threads} threads cannot decode; give 1 or more")
    return ReadOptions(on_error=on_error, threads=threads, asked=asked)


def _sampling(limit: int | None, first: bool, seed: int) -> Sampling:
    if limit is not None and limit < 2:
        raise InputError(f"limit {limit} leaves too few images for a covariance; give 2 or more")
    return Sampling(limit, first, seed)


def _fitting(read: ReadOptions, sources: Sequence[Source], processes: Processes | None = None) -> ReadOptions:
    """The options with batches no larger than the largest set, of which each process has a share.

    One size for all sets of a run, so that each network is compiled once.
    """
    count = 1 if processes is None else processes.count
    lengths = [len(blocks_of(len(source), count - 1, count)) for source in sources]
    return dataclasses.replace(read, batch_size=fitted_batch_size(read.asked, max(lengths, default=1)))


def _load(name: str, weights_dir: str | Path | None, seed: int) -> Extractor:
    return load_extractor(name, weights_dir=weights_dir, seed=seed)


def _held_out(data: Any) -> NamedSet | None:
    return None if data is None else one_set(data, "held_out")
