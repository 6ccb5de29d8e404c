"""The evaluator: two or more sets of images in, a table of numbers with their provenance out."""

import dataclasses
import datetime
import importlib.metadata
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxeval._version import __version__
from jaxeval.errors import InputError, JaxevalError
from jaxeval.evaluation.cache import FeatureCache
from jaxeval.evaluation.features import (
    DataSet,
    FeatureSpec,
    Progress,
    ReadOptions,
    extract_features,
    extract_statistics,
)
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, Protocol, get_protocols
from jaxeval.evaluation.results import Evaluation, Result
from jaxeval.evaluation.statistics import FeatureStatistics, is_statistics_file, load_statistics, save_statistics
from jaxeval.extractors import Extractor, load_extractor
from jaxeval.images import ReadReport, Source, open_source
from jaxeval.ops import frechet_distance_between

__all__ = ["evaluate", "features", "reference_statistics"]

Protocols = str | Protocol | Sequence[str | Protocol]
_METRICS = ("fid", "fd")


def evaluate(
    reference: Any,
    generated: Any,
    *,
    metrics: str | Sequence[str] | None = None,
    extractor: str | Extractor = "inception",
    protocol: Protocols = DEFAULT_PROTOCOL,
    batch_size: int = 32,
    limit: int | None = None,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    num_samples: int | None = None,
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures how far one or more sets of generated images are from a reference set.

    Args:
      reference: the real images: a folder, a zip, tar shards, `.npy`, `.npz`, `tfds:NAME:SPLIT`, an array
        [N, H, W, C], a function `(num_images, seed) -> images`, a `Source`; or an `.npz` of statistics.
      generated: the same, but for statistics; several as a list, or as a mapping from names of your choice.
      metrics: `fid` (over the FID Inception network only) or `fd` (over any extractor); by default the Frechet
        distance of the extractor.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`.
      protocol: whose definition to follow; several give several results from one reading of the images.
      batch_size: images at a time through the network; the numbers do not depend on it.
      limit: at most so many images of each set.
      seed: of everything random: random extractors, generating functions.
      value_range: (lowest, highest) value of float images.
      num_samples: how many images to draw from a generating function.
      on_error: `fail` at the first image that cannot be read, or `skip` it and say so in the result.
      threads: that decode images; None for one per processor.
      cache: a folder that keeps features and statistics from one run to the next.
      weights_dir: where weights are kept, if not in the usual place.
      progress: told how far the run has come.

    Returns:
      An `Evaluation`: a result for each generated set, protocol and metric, and a manifest.

    Raises:
      InputError: data or an argument is not what was expected; the error's `partial` attribute is the `Evaluation` of
        the sets that were finished before.
      WeightsMissingError: the extractor's weights have not been imported.
    """
    started = time.time()
    protocols = get_protocols(protocol)  # pyright: ignore[reportArgumentType]
    options = _read_options(batch_size, limit, on_error, threads)
    network = extractor if isinstance(extractor, Extractor) else _load(extractor, weights_dir, seed)
    keys = _metric_keys(metrics, network)
    specs = {item.name: _spec(item, network) for item in protocols}

    opened = [_open(data, name, value_range, num_samples, seed) for name, data in _named(generated)]
    if not opened:
        raise InputError("no generated images were given; name at least one set")
    reference_source = None if is_statistics_file(reference) else _open(reference, None, value_range, num_samples, seed)
    kept = FeatureCache(cache) if cache is not None else None
    prints = {id(source): source.fingerprint() for source in [*opened, reference_source] if source is not None}

    run = _Run(protocols, specs, network, keys, options, kept, prints, seed, progress)
    side = run.side_from_file(Path(reference)) if reference_source is None else run.side(reference_source)
    results: list[Result] = []
    sets = [side]
    try:
        for source in opened:
            other = run.side(source)
            sets.append(other)
            results += run.results(side, other)
    except JaxevalError as error:
        manifest = run.manifest(sets, started) | {"incomplete": str(error)}
        error.partial = Evaluation(tuple(results), manifest)
        raise
    return Evaluation(tuple(results), run.manifest(sets, started))


def features(
    data: Any,
    *,
    extractor: str | Extractor = "inception",
    tap: str | None = None,
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    batch_size: int = 32,
    limit: int | None = None,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    num_samples: int | None = None,
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
    """
    (chosen,) = _one(protocol)
    network = extractor if isinstance(extractor, Extractor) else _load(extractor, weights_dir, seed)
    source = _open(data, None, value_range, num_samples, seed)
    return extract_features(
        source,
        _spec(chosen, network, tap),
        _read_options(batch_size, limit, on_error, threads),
        fingerprint=source.fingerprint() if cache is not None else None,
        cache=FeatureCache(cache) if cache is not None else None,
        progress=progress,
    )


def reference_statistics(
    data: Any,
    path: str | Path,
    *,
    extractor: str | Extractor = "inception",
    protocol: str | Protocol = DEFAULT_PROTOCOL,
    batch_size: int = 32,
    limit: int | None = None,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    num_samples: int | None = None,
    on_error: str = "fail",
    threads: int | None = None,
    cache: str | Path | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> FeatureStatistics:
    """Computes a data set's statistics and writes them to an `.npz` that `evaluate` takes in the place of a reference.

    Raises:
      InputError: data or an argument is not what was expected, or the file cannot be written.
      WeightsMissingError: the extractor's weights have not been imported.
    """
    (chosen,) = _one(protocol)
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise InputError(f"statistics are written as .npz, which {str(path)!r} is not; give a name that ends in .npz")
    network = extractor if isinstance(extractor, Extractor) else _load(extractor, weights_dir, seed)
    spec = _spec(chosen, network)
    source = _open(data, None, value_range, num_samples, seed)
    fingerprint = source.fingerprint()
    found = extract_statistics(
        source,
        [spec],
        _read_options(batch_size, limit, on_error, threads),
        fingerprint=fingerprint,
        cache=FeatureCache(cache) if cache is not None else None,
        progress=progress,
    )
    identity = spec.identity() | {
        "protocol": chosen.name,
        "ddof": chosen.ddof,
        "weights_published": network.weights_published,
        "data": fingerprint,
        "name": source.name,
        "limit": limit,
        "report": dataclasses.asdict(found.report),
        "versions": _versions(),
    }
    save_statistics(path, found.statistics[spec], identity)
    return found.statistics[spec]


@dataclasses.dataclass(frozen=True)
class _Side:
    """One data set as it enters a comparison."""

    name: str
    fingerprint: str | None
    report: ReadReport | None
    statistics: Mapping[FeatureSpec, FeatureStatistics]
    cached: bool = False
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        report = None if self.report is None else dataclasses.asdict(self.report)
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "report": report,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
        }


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same from one data set of a run to the next."""

    protocols: tuple[Protocol, ...]
    specs: Mapping[str, FeatureSpec]
    network: Extractor
    keys: tuple[str, ...]
    options: ReadOptions
    cache: FeatureCache | None
    fingerprints: Mapping[int, str | None]
    seed: int
    progress: Progress | None

    def side(self, source: Source) -> _Side:
        begun = time.perf_counter()
        fingerprint = self.fingerprints[id(source)]
        found: DataSet = extract_statistics(
            source,
            list(self.specs.values()),
            self.options,
            fingerprint=fingerprint,
            cache=self.cache,
            progress=self.progress,
        )
        seconds = time.perf_counter() - begun
        return _Side(source.name, fingerprint, found.report, found.statistics, found.cached, seconds)

    def side_from_file(self, path: Path) -> _Side:
        statistics, identity = load_statistics(path)
        if identity is None:
            size = self.network.taps[self.network.default_tap]
            if size is not None and statistics.feature_size != size:
                raise InputError(
                    f"{str(path)!r} has statistics of {statistics.feature_size} features and extractor "
                    f"{self.network.name!r} has {size}; choose the extractor that they were made with"
                )
            warning = (
                f"{path} does not say how its statistics were made: the number means something only if they come from "
                "the same network, weights and resize"
            )
            return _Side(str(path), None, None, dict.fromkeys(self.specs.values(), statistics), warnings=(warning,))
        for protocol, spec in self.specs.items():
            _check_identity(path, identity, protocol, spec)
        report = identity.get("report", {})
        restored = ReadReport(
            count=statistics.count or 0, skipped=report.get("skipped", []), notes=report.get("notes", {})
        )
        return _Side(str(path), identity.get("data"), restored, dict.fromkeys(self.specs.values(), statistics))

    def results(self, reference: _Side, generated: _Side) -> list[Result]:
        return [self._result(key, protocol, reference, generated) for protocol in self.protocols for key in self.keys]

    def _result(self, key: str, protocol: Protocol, reference: _Side, generated: _Side) -> Result:
        spec = self.specs[protocol.name]
        ours, theirs = reference.statistics[spec], generated.statistics[spec]
        if ours.feature_size != theirs.feature_size:
            raise InputError(
                f"{generated.name!r} gives {theirs.feature_size:,} features an image and {reference.name!r} "
                f"{ours.feature_size:,}; with extractor {self.network.name!r} both need images of the same size"
            )
        return Result(
            metric=key,
            value=frechet_distance_between(ours.gaussian(protocol.ddof), theirs.gaussian(protocol.ddof)),
            interval=None,
            interval_method=None,
            protocol=protocol.name,
            definition=(
                f"Frechet distance between Gaussians fitted to {self.network.name} features, "
                f"covariance over N - {protocol.ddof}, as in {protocol.follows}"
            ),
            extractor=self.network.name,
            tap=spec.tap,
            weights=self.network.weights_hash,
            reference=reference.name,
            generated=generated.name,
            n_reference=ours.count,
            n_generated=theirs.count,
            skipped_reference=0 if reference.report is None else len(reference.report.skipped),
            skipped_generated=0 if generated.report is None else len(generated.report.skipped),
            feature_size=ours.feature_size,
            resize=spec.preparation.resize,
            quantise=spec.preparation.quantise,
            normalisation=(spec.normalisation.offset, spec.normalisation.scale),
            ddof=protocol.ddof,
            dtype="float32",
            precision="highest",
            statistics_dtype="float64",
            seed=self.seed,
            device=_device(),
            versions=_versions(),
            warnings=tuple(self._warnings(reference, generated, ours, theirs)),
        )

    def _warnings(self, reference: _Side, generated: _Side, ours: FeatureStatistics, theirs: FeatureStatistics):
        yield from reference.warnings
        if reference.fingerprint is not None and reference.fingerprint == generated.fingerprint:
            yield f"{generated.name} and {reference.name} hold the same images"
        for side, statistics in ((reference, ours), (generated, theirs)):
            if statistics.count is not None and statistics.count <= statistics.feature_size:
                yield (
                    f"{side.name} has {statistics.count:,} images for {statistics.feature_size:,} features: its "
                    "covariance is singular and the distance biased upwards; compare only with equal counts"
                )
        if self.network.name == "inception" and not self.network.weights_published:
            yield "the Inception weights are not the published FID checkpoint: compare the number with no published one"
        for side in (reference, generated):
            if side.report is None:
                continue
            if side.report.skipped:
                first, reason = side.report.skipped[0]
                yield f"{len(side.report.skipped)} of {side.name} skipped, the first being {first}: {reason}"

    def manifest(self, sets: Sequence[_Side], started: float) -> dict[str, Any]:
        return {
            "reference": sets[0].describe(),
            "generated": [side.describe() for side in sets[1:]],
            "protocols": {protocol.name: dataclasses.asdict(protocol) for protocol in self.protocols},
            "features": {name: spec.identity() for name, spec in self.specs.items()},
            "weights_published": self.network.weights_published,
            "batch_size": self.options.batch_size,
            "limit": self.options.limit,
            "on_error": self.options.on_error,
            "seed": self.seed,
            "device": _device(),
            "devices": len(jax.local_devices()),
            "versions": _versions(),
            "platform": platform.platform(),
            "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - started, 3),
        }


def _check_identity(path: Path, identity: Mapping[str, Any], protocol: str, spec: FeatureSpec) -> None:
    """Refuses statistics that were made in another way than the one asked for."""
    for key, wanted in spec.identity().items():
        if identity.get(key) != wanted:
            raise InputError(
                f"the statistics in {str(path)!r} were made with {key} {identity.get(key)!r}; protocol {protocol!r} "
                f"with this extractor needs {wanted!r}; write them again with `jaxeval stats`"
            )


def _metric_keys(metrics: str | Sequence[str] | None, network: Extractor) -> tuple[str, ...]:
    frechet = "fid" if network.name == "inception" else f"fd-{network.name}"
    if metrics is None:
        return (frechet,)
    names = [part.strip() for text in ([metrics] if isinstance(metrics, str) else metrics) for part in text.split(",")]
    keys: dict[str, None] = {}
    for name in filter(None, names):
        if name.lower() not in (*_METRICS, frechet):
            raise InputError(f"metric {name!r} is not known; choose from {', '.join(_METRICS)}")
        if name.lower() == "fid" and frechet != "fid":
            raise InputError(
                f"'fid' is the Frechet distance over the FID Inception network, not over {network.name!r}; "
                f"ask for --metrics fd, which is reported as {frechet!r}"
            )
        keys[frechet] = None
    if not keys:
        raise InputError(f"no metric was given; choose from {', '.join(_METRICS)}")
    return tuple(keys)


def _one(protocol: str | Protocol) -> tuple[Protocol, ...]:
    protocols = get_protocols(protocol)
    if len(protocols) != 1:
        raise InputError(f"one protocol is needed here, not {', '.join(item.name for item in protocols)}")
    return protocols


def _spec(protocol: Protocol, network: Extractor, tap: str | None = None) -> FeatureSpec:
    tap = network.default_tap if tap is None else tap
    if tap not in network.taps:
        raise InputError(f"extractor {network.name!r} has no tap {tap!r}; choose from {', '.join(network.taps)}")
    return FeatureSpec(network, tap, protocol.preparation(network), protocol.normalisation_for(network))


def _read_options(batch_size: int, limit: int | None, on_error: str, threads: int | None) -> ReadOptions:
    if batch_size < 1:
        raise InputError(f"batch size {batch_size} is not possible; give 1 or more")
    if limit is not None and limit < 2:
        raise InputError(f"limit {limit} leaves too few images for a covariance; give 2 or more")
    if on_error not in ("fail", "skip"):
        raise InputError(f"on_error {on_error!r} is not known; choose 'fail' or 'skip'")
    if threads is not None and threads < 1:
        raise InputError(f"{threads} threads cannot decode; give 1 or more")
    return ReadOptions(batch_size, limit, on_error, threads)


def _load(name: str, weights_dir: str | Path | None, seed: int) -> Extractor:
    return load_extractor(name, weights_dir=weights_dir, seed=seed)


def _named(generated: Any) -> list[tuple[str | None, Any]]:
    if isinstance(generated, Mapping):
        return [(str(name), data) for name, data in generated.items()]
    several = generated if isinstance(generated, list | tuple) else [generated]
    return [(None, data) for data in several]


def _open(
    data: Any, name: str | None, value_range: tuple[float, float] | None, num_samples: int | None, seed: int
) -> Source:
    if is_statistics_file(data):
        raise InputError(f"{str(data)!r} holds statistics, which can only stand in the place of the reference")
    return open_source(data, num_samples=num_samples, value_range=value_range, seed=seed, name=name)


def _device() -> str:
    device = jax.local_devices()[0]
    return device.platform if device.device_kind == device.platform else f"{device.platform} ({device.device_kind})"


def _versions() -> dict[str, str]:
    packages = ("jax", "jaxlib", "flax", "numpy", "scipy", "pillow")
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"jaxeval": __version__, "python": platform.python_version(), **found}
