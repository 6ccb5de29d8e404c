"""From a source of images to rows of features: one reading, every network that is needed run once.

A `FeatureSpec` says which features: the network with its weights and tap, and the preparation before it. Protocols that
agree on all of it share the features; those that differ only in the preparation share the reading.
"""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, UInt8

from jaxeval.distributed import batch_mesh, replicate_on
from jaxeval.errors import InputError
from jaxeval.evaluation.reading.features import FeatureSpec, Rows
from jaxeval.extractors import Extractor, Normalisation, Precision
from jaxeval.images import Batch, Preparation, ReadReport, Source, read_batches
from jaxeval.progress import Progress

_DEFAULT_BATCH, _LARGEST_DEFAULT = 32, 256
_BYTES_AN_IMAGE = 128 * 2**20


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How a source is read.

    Attributes:
      batch_size: images at a time through the network, on all devices of this process together
        (`fitted_batch_size`).
      on_error: `fail` at the first image that cannot be read, or `skip` and count it.
      threads: that decode; None for as many as there are processors.
      asked: the batch size that the user gave, if any: what `batch_size` was before it was fitted to devices and sets.
    """

    batch_size: int = 32
    on_error: str = "fail"
    threads: int | None = None
    asked: int | None = None


def fitted_batch_size(asked: int | None, share: int) -> int:
    """Images at a time on all devices of this process together.

    Args:
      asked: how many on each accelerator, or on the processor, however many devices it counts as; None for as many as
        the memory of an accelerator suggests, and 32 on the processor.
      share: images that this process will read at most.
    """
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return max(1, min(asked or _DEFAULT_BATCH, share))
    each = asked or default_batch_size(min(map(_memory, devices)))
    return max(1, min(each * len(devices), share))


def default_batch_size(memory: int) -> int:
    """Images at a time on an accelerator of so many bytes; of 0, which it may not tell, as on the processor.

    A power of two; more than 256 at a time were of no use to any network, and 128 MiB an image are enough for all.
    """
    if memory < _DEFAULT_BATCH * _BYTES_AN_IMAGE:
        return _DEFAULT_BATCH
    return min(1 << (memory // _BYTES_AN_IMAGE).bit_length() - 1, _LARGEST_DEFAULT)


def _memory(device: Any) -> int:
    """Bytes that programs may take on a device; 0 where it does not tell."""
    try:
        return int((device.memory_stats() or {}).get("bytes_limit", 0))
    except RuntimeError:  # JAX's own, of a backend that keeps no statistics
        return 0


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureBatch:
    """The features of one batch, and what was read for it.

    Attributes:
      rows: by spec, the real images' features only.
      indices: which item of the source each row is.
      digests: of each image's pixels (`jaxeval.images.pixel_digest`).
      report: of what was read for this batch, and no other.
    """

    rows: dict[FeatureSpec, Rows]
    indices: Int[np.ndarray, " n"]
    digests: UInt8[np.ndarray, "n 16"]
    report: ReadReport


class Networks:
    """Runs extractors on this process's devices, a batch split over all of them, the parameters copied to each once."""

    def __init__(self):
        devices = jax.local_devices()
        self._mesh = batch_mesh(devices) if len(devices) > 1 else None
        self._parameters: dict[Extractor, Any] = {}

    def batch_size(self, wanted: int, specs: Sequence[FeatureSpec]) -> int:
        """The batch size that is used where `wanted` is asked for: rounded up to a multiple of the devices."""
        if self._mesh is None or not any(spec.extractor.jittable for spec in specs):
            return wanted
        return -(-wanted // self._mesh.size) * self._mesh.size

    def run(
        self, specs: Sequence[FeatureSpec], preparations: Sequence[Preparation], batch: Batch
    ) -> dict[FeatureSpec, Float[Array, "b _"]]:
        """Features of a batch, on the device: one call of a network for all the taps wanted from the same input."""
        groups: dict[tuple[Extractor, Preparation, Normalisation, Precision], list[FeatureSpec]] = {}
        for spec in specs:
            groups.setdefault((spec.extractor, spec.preparation, spec.normalisation, spec.precision), []).append(spec)
        rows: dict[FeatureSpec, Float[Array, "b _"]] = {}
        for (extractor, preparation, normalisation, precision), group in groups.items():
            images = batch.images[preparations.index(preparation)]
            taps = tuple(dict.fromkeys(spec.tap for spec in group))
            how = {
                "taps": taps,
                "normalisation": normalisation,
                "precision": precision,
                "any_size": preparation.size != extractor.image_size,  # only by a protocol's own wish
            }
            if self._mesh is None or not extractor.jittable:
                features = extractor(images, **how)
            else:
                if extractor not in self._parameters:
                    self._parameters[extractor] = replicate_on(self._mesh, extractor.params)
                split = jax.device_put(images, NamedSharding(self._mesh, PartitionSpec(self._mesh.axis_names[0])))
                features = extractor(split, params=self._parameters[extractor], **how)
            rows.update({spec: features[spec.tap] for spec in group})
        return rows


def feature_batches(
    source: Source,
    specs: Sequence[FeatureSpec],
    options: ReadOptions,
    networks: Networks,
    *,
    progress: Progress | None = None,
    empty_ok: bool = False,
) -> Generator[FeatureBatch, None, ReadReport]:
    """The features of a source, batch by batch, in its order.

    Args:
      source: where from.
      specs: which features.
      options: how to read.
      networks: what they run on.
      progress: told of every batch.
      empty_ok: whether a source without a single image is no error.

    Returns:
      A generator of batches; its own value is the report of what no batch has, as that of `read_batches`.

    Raises:
      InputError: an image cannot be read, or a network gives a value that is not finite for it.
    """
    preparations = tuple(dict.fromkeys(spec.preparation for spec in specs))
    batches = read_batches(
        source,
        preparations,
        networks.batch_size(options.batch_size, specs),
        on_error=options.on_error,  # pyright: ignore[reportArgumentType]
        threads=options.threads,
        empty_ok=empty_ok,
    )

    # The device works on one batch while the next is decoded and the last is accumulated.
    ahead: tuple[Batch, dict[FeatureSpec, Float[Array, "b _"]]] | None = None
    try:
        while True:
            try:
                batch = next(batches)
            except StopIteration as end:
                rest: ReadReport = end.value
                break
            started = batch, networks.run(specs, preparations, batch)
            if ahead is not None:
                yield _finished(source, *ahead, progress)
            ahead = started
        if ahead is not None:
            yield _finished(source, *ahead, progress)
        return rest
    finally:
        batches.close()


def _finished(
    source: Source,
    batch: Batch,
    rows: dict[FeatureSpec, Float[Array, "b _"]],
    progress: Progress | None,
) -> FeatureBatch:
    values = {spec: np.asarray(features)[batch.mask] for spec, features in rows.items()}
    for spec, features in values.items():
        bad = ~np.isfinite(features).all(1)
        if bad.any():
            first = batch.names[int(bad.argmax())]
            raise InputError(
                f"extractor {spec.extractor.name!r} gave features that are not finite for image {first!r} of "
                f"{source.name!r}, and for {int(bad.sum()) - 1} more of its batch; look at that image and the weights"
            )
    if progress is not None:
        progress.advance(len(batch.names))
    return FeatureBatch(values, batch.indices, batch.digests, batch.report)
