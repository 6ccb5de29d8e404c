"""The public functions of evaluation: sets of images in, numbers with their provenance out."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from jaxeval._faults import keep_finished
from jaxeval.distributed import together
from jaxeval.errors import InputError, OutOfMemoryError, lack_of_memory
from jaxeval.evaluation.comparing import Comparison, Difference
from jaxeval.evaluation.jobs import NotComputed
from jaxeval.evaluation.preparing import one_network, prepare, reader_for, spec_of
from jaxeval.evaluation.reading.features import Wanted
from jaxeval.evaluation.reading.reader import checkpoint_label
from jaxeval.evaluation.reading.sets import one_set
from jaxeval.evaluation.reading.whole_batches import in_whole_batches
from jaxeval.evaluation.request import Comparing, Evaluating, FeaturesOf, StatisticsOf, asked_as
from jaxeval.evaluation.results import Evaluation, Result
from jaxeval.extractors import Extractor
from jaxeval.files import local_path
from jaxeval.images import SampledSource, Source
from jaxeval.records import versions
from jaxeval.statistics import FeatureStatistics, save_statistics, too_few_images


@asked_as(Evaluating)
def evaluate(request: Evaluating) -> Evaluation:
    """Measures how far one or more sets of generated images are from a reference set.

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
    prepared = prepare(request)
    run, without = prepared.run, prepared.without
    reference, held_out = prepared.reference(), prepared.held_out()
    results: list[Result] = []
    sets = [reference]
    try:
        for generated in prepared.generated():
            sets.append(generated)
            for found, missing in run.results(reference, generated, held_out):
                results += found
                without += missing
        _check_any(results, without)
    except BaseException as error:  # also an interrupt: hours of work may lie in the sets that were finished
        manifest = run.manifest(sets, held_out, without, started) | _incomplete(error)
        keep_finished(error, Evaluation(tuple(results), manifest))
        raise
    return Evaluation(tuple(results), run.manifest(sets, held_out, without, started))


@asked_as(Comparing)
def compare(request: Comparing) -> Comparison:
    """Compares two sets of generated images by the same reference: how far do their numbers differ beyond chance?

    What the choice of reference images does to both numbers cancels, so that their difference is known better than
    their own intervals tell.

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
    prepared = prepare(request, comparison=True)
    run, without = prepared.run, prepared.without
    reference, held_out = prepared.reference(), prepared.held_out()
    first, second = prepared.generated()
    sets = [reference, first, second]
    differences: list[Difference] = []
    try:
        for found, missing in run.differences(reference, first, second, held_out=held_out):
            differences += found
            without += missing
        _check_any(differences, without)
    except BaseException as error:
        manifest = run.manifest(sets, held_out, without, started) | _incomplete(error)
        keep_finished(error, Comparison(tuple(differences), manifest))
        raise
    return Comparison(tuple(differences), run.manifest(sets, held_out, without, started))


def _incomplete(error: BaseException) -> dict[str, str]:
    """What the manifest adds where a run ended early: the exception, in words."""
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


@asked_as(FeaturesOf)
def features(request: FeaturesOf) -> Float32[np.ndarray, "n d"]:
    """Gives the feature vectors of a set of images, prepared as a protocol says.

    Returns:
      Shape [N, d], float32, in the order of the set.

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
    protocol = request.only_protocol(request.protocol)
    given = one_set(request.data, "data")
    network = one_network(request)
    source = request.sets.open_images(given)
    reader = reader_for(request, [source])
    spec = spec_of(protocol, network, request.tap, request.precision)
    fingerprint = source.fingerprint() if request.cache is not None else None
    wanted = {spec: Wanted(statistics=False, rows=True)}
    return np.asarray(reader.collect(source, wanted, fingerprint=fingerprint, label="").rows[spec])


@asked_as(StatisticsOf)
def reference_statistics(request: StatisticsOf) -> FeatureStatistics:
    """Computes a data set's statistics and writes them to an `.npz` that `evaluate` takes in the place of the images.

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
    protocol = request.only_protocol(request.protocol)
    given = one_set(request.data, "data")
    processes = request.processes()

    def open_both() -> tuple[Extractor, Source]:
        return one_network(request), request.sets.open_images(given)

    network, source = together(open_both) if processes.count > 1 else open_both()
    spec = spec_of(protocol, network, precision=request.precision)
    source = in_whole_batches(source, spec.whole_batches)
    reader = reader_for(request, [source], processes)
    fingerprint = reader.fingerprint(source)
    wanted = {spec: Wanted(statistics=True, rows=request.features)}
    found = reader.collect(source, wanted, fingerprint=fingerprint, label=checkpoint_label(0, source.name))
    report = found.report
    assert report is not None
    if spec not in found.statistics:
        raise too_few_images(source.name, report.count)
    sampled = source if isinstance(source, SampledSource) else None
    identity: dict[str, Any] = spec.identity() | {
        "protocol": protocol.name,
        "ddof": protocol.ddof,
        "weights_published": network.weights_published,
        "data": fingerprint,
        "name": source.name,
        "limit": request.limit,
        "sample": None if sampled is None else sampled.describe(),
        "sampling_remarks": [] if sampled is None else sampled.remarks(),
        "report": dataclasses.asdict(report),
        "versions": versions(),
    }
    statistics = found.statistics[spec]
    if request.features:
        names = np.asarray(reader.names(source, report), np.str_)
        statistics = dataclasses.replace(statistics, features=np.asarray(found.rows[spec]), names=names)
    if processes.writes:
        save_statistics(local_path(request.path), statistics, identity)
    return statistics
