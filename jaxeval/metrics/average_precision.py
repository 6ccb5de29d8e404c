"""Average precision of a detector's boxes as a streaming metric."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxeval._arguments import whole_number
from jaxeval.errors import InputError
from jaxeval.metrics.buffered import BufferedMetric, BufferedState, DeviceRows
from jaxeval.metrics.keywords import check_spelling
from jaxeval.metrics.metric import AxisName, check_whole, on_host
from jaxeval.metrics.value import MetricValue
from jaxeval.ops.detection import (
    MatchedBoxes,
    PrecisionRecall,
    convert_boxes,
    detection_protocol,
    precision_intervals,
    precision_recall,
)
from jaxeval.ops.detection.on_device import match_batch, precision_on_device

_BITS = 16  # of a flag's number, which float32 holds exactly
_FOUND = 5  # score, label, rank, and the image's number in two parts
_TRUE = 3  # label, and the image's number in two parts
_UNKNOWN = 2**32 - 1  # the number of an image that has none
_GROUPS = 20


class _Batch(NamedTuple):
    """One update's arrays."""

    boxes: Float[Array, "b n 4"]
    scores: Float[Array, "b n"]
    label: Int[Array, "b n"]
    true_boxes: Float[Array, "b m 4"]
    true_label: Int[Array, "b m"]
    true_areas: Float[Array, "b m"]
    crowd: Bool[Array, "b m"]
    ignored: Bool[Array, "b m"]
    image: UInt[Array, " b"]
    misnumbered: Bool[Array, " b"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AveragePrecision(BufferedMetric):
    """Average precision and recall of found boxes against true ones, by COCO's protocol or Pascal VOC's.

    `update` matches a batch of images on the device, each image by itself, so that the work is divided among devices as
    images are. What is kept of a box is its score, category and image, and of each threshold and range of areas whether
    it is right: `compute` takes it from there in float64 on the host, `compute_on_device` in float32.

    Attributes:
      labels: how many categories there are.
      capacity: found boxes, and true ones, that the state holds, all devices together.
      protocol: `coco`, `voc2007`, `voc2010` or a `jaxeval.ops.detection.DetectionProtocol`.
      layout: of all boxes: `xyxy`, `xywh` or `cxcywh`, in pixels.
      name: what results call it.
      inputs: the keywords of `update` that carry its data.

    Reference: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014 (arXiv:1405.0312); Everingham et al.,
    "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.

    Raises:
      InputError: labels or capacity below 1, or an unknown protocol or layout.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval import metrics
      >>> precision = metrics.AveragePrecision(labels=2, capacity=100)
      >>> boxes = jnp.array([[[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]]])
      >>> state = precision.update(
      ...     precision.init(), boxes=boxes, scores=jnp.array([[0.9, 0.8]]), labels=jnp.array([[0, 1]]),
      ...     true_boxes=boxes, true_labels=jnp.array([[0, 0]]))
      >>> value = precision.compute(state)
      >>> round(value.value, 3), round(value.values["ar100"], 3)
      (0.505, 0.5)
    """

    labels: int
    capacity: int
    protocol: Any = "coco"
    layout: str = "xyxy"
    name: str = "average_precision"
    feature_size: int = dataclasses.field(default=0, init=False, repr=False)
    overflow: Any = dataclasses.field(default="error", init=False, repr=False)
    seed: int = dataclasses.field(default=0, init=False, repr=False)
    inputs: tuple[str, ...] = dataclasses.field(
        default=("boxes", "scores", "labels", "true_boxes", "true_labels"), init=False, repr=False
    )

    def __post_init__(self):
        whole_number("labels", self.labels, 1)
        object.__setattr__(self, "protocol", detection_protocol(self.protocol))
        convert_boxes(np.zeros(4), given=self.layout)
        flags = 2 * len(self.protocol.areas) * len(self.protocol.thresholds)
        width = max(_FOUND + -(-flags // _BITS), _TRUE + -(-len(self.protocol.areas) // _BITS))
        object.__setattr__(self, "feature_size", width)
        super().__post_init__()

    @property
    def least_rows(self) -> int:
        """None: nothing found and nothing true are results, too."""
        return 0

    @property
    def sides(self) -> tuple[str, ...]:
        """True boxes and found ones."""
        return BufferedState._fields

    def update(self, state: BufferedState, **inputs: Any) -> BufferedState:
        """The state with the boxes of a batch of images added.

        Args:
          state: before.
          inputs: `boxes` [B, N, 4], `scores` [B, N] and `labels` [B, N] of found boxes, `true_boxes` [B, M, 4] and
            `true_labels` [B, M]; labels are from 0, and below 0 for padding. Of true boxes perhaps `true_areas` [B, M]
            (the boxes' own by default), `crowd` [B, M] and `ignored` [B, M], truth values. `mask`, [B] truth values:
            images that count. `index`, [B] integers: each image's number in its data set, for intervals over images
            and for one order of equal scores, whatever the batches.

        Raises:
          InputError: an array is missing, or shapes do not fit.
        """
        check_spelling(self.name, _KNOWN, inputs)
        return super().update(state, **inputs)

    def accumulate(self, state: BufferedState, *, axis_name: AxisName, **inputs: Any) -> BufferedState:
        """`update` inside `shard_map` or `pmap`: each device matches its own images; rows are dealt out to all."""
        check_spelling(self.name, _KNOWN, inputs)
        return super().accumulate(state, axis_name=axis_name, **inputs)

    def _added(self, state: BufferedState, inputs: dict[str, Any], axis_name: AxisName | None = None) -> BufferedState:
        batch = self._batch(inputs)
        found, found_mask, true, true_mask = _anywhere(functools.partial(_rows, self), batch)
        rows = {"reference": true, "generated": found, "reference_mask": true_mask, "generated_mask": found_mask}
        return super()._added(state, rows, axis_name)

    def _batch(self, inputs: dict[str, Any]) -> _Batch:
        missing = [name for name in self.inputs if inputs.get(name) is None]
        if missing:
            raise InputError(f"{self.name} got no {missing[0]}=; give all of {', '.join(self.inputs)}")
        given = {name: jnp.asarray(value) for name, value in inputs.items() if name in _KNOWN and value is not None}
        shapes = {"boxes": (*given["scores"].shape, 4), "labels": given["scores"].shape}
        truth = given["true_labels"].shape
        shapes |= {"true_boxes": (*truth, 4), "true_areas": truth, "crowd": truth, "ignored": truth}
        shapes |= {"mask": truth[:1], "index": truth[:1]}
        for name, shape in shapes.items():
            if name in given and (given[name].shape != shape or len(shape) < 1):
                raise InputError(
                    f"{self.name}: {name} has shape {given[name].shape} beside scores {given['scores'].shape} and "
                    f"true_labels {truth}; {shape} is expected"
                )
        if given["scores"].ndim != 2 or len(truth) != 2 or truth[0] != given["scores"].shape[0]:
            raise InputError(
                f"{self.name}: scores have shape {given['scores'].shape} and true_labels {truth}; [B, N] and [B, M] of "
                "the same images are expected"
            )
        for name in ("labels", "true_labels", "index"):
            if name in given and not jnp.issubdtype(given[name].dtype, jnp.integer):
                raise InputError(f"{self.name}: {name} has dtype {given[name].dtype}; integers are expected")
        for name in ("mask", "crowd", "ignored"):
            if name in given and given[name].dtype != bool:
                raise InputError(f"{self.name}: {name} has dtype {given[name].dtype}; bool is expected")
        boxes, true_boxes = (
            convert_boxes(given[name].astype(jnp.float32), given=self.layout) for name in ("boxes", "true_boxes")
        )
        label, true_label = given["labels"].astype(jnp.int32), given["true_labels"].astype(jnp.int32)
        if "mask" in given:
            mask = given["mask"][:, None]
            label, true_label = jnp.where(mask, label, -1), jnp.where(mask, true_label, -1)
        none = jnp.zeros_like(true_label, bool)
        areas = jnp.asarray(given.get("true_areas", true_boxes[..., 2] * true_boxes[..., 3]))
        index = given.get("index")
        if (
            index is None
        ):  # then there is no interval over images; made of labels, it varies over mapped axes as they do
            image = (0 * label.sum(1)).astype(jnp.uint32) + jnp.uint32(_UNKNOWN)
            misnumbered = image != jnp.uint32(_UNKNOWN)
        else:
            image, misnumbered = index.astype(jnp.uint32), index < 0
        return _Batch(
            jnp.asarray(boxes),
            given["scores"].astype(jnp.float32),
            label,
            jnp.asarray(true_boxes),
            true_label,
            areas.astype(jnp.float32),
            given.get("crowd", none).astype(bool),
            given.get("ignored", none).astype(bool),
            image,
            misnumbered,
        )

    def compute(self, state: BufferedState) -> MetricValue:
        """The protocol's numbers, in float64 on the host; on several processes every one must call this.

        `value` is the first of `values`: `ap`, or of a protocol with one threshold `ap50`. A number without a true box,
        such as of small ones where all are large, is not among them, and a warning says so.

        Raises:
          InputError: rows were lost to overflow, no true box counts, a label is not below `labels`, a score or an
            area is not finite, or a box has a side that is negative or not finite.
        """
        return self._compute_on_host(**self._rows_on_host(state))

    def _compute_on_host(
        self, *, reference: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
    ) -> MetricValue:
        matched = self._matched(reference, generated)
        summary = precision_recall(matched, protocol=self.protocol).summary()
        values = {name: value for name, value in summary.items() if not math.isnan(value)}
        if not values:
            raise InputError(f"{self.name}: no true box counts, so that there is nothing to be found")
        warnings, error = [], None
        if len(values) < len(summary):
            names = ", ".join(name for name in summary if name not in values)
            warnings.append(f"no true box counts for {names}")
        if (matched.image < 0).any() or (matched.true_image < 0).any():
            warnings.append("no interval, as images have no index")
        else:
            found = precision_intervals(matched, protocol=self.protocol, groups=_GROUPS)
            error = found.standard_errors[next(iter(values))]
        return MetricValue(
            self.name,
            next(iter(values.values())),
            values,
            standard_error=error if error is not None and math.isfinite(error) else None,
            n_reference=len(matched.true_image),
            n_generated=len(matched.image),
            warnings=tuple(warnings),
        )

    def by_category(self, state: BufferedState) -> PrecisionRecall:
        """Average precision and recall of each category, in float64 on the host.

        Raises:
          InputError: as of `compute`.
        """
        return precision_recall(self._matched(**self._rows_on_host(state)), protocol=self.protocol)

    def _rows_on_host(self, state: BufferedState) -> dict[str, Float[np.ndarray, "n d"]]:
        check_whole(self, state)
        whole = on_host(state)
        return {
            "reference": self.buffer.rows(whole.reference, "true boxes"),
            "generated": self.buffer.rows(whole.generated, "found boxes"),
        }

    def _matched(self, reference: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]) -> MatchedBoxes:
        true, found = reference.astype(np.float64), generated.astype(np.float64)
        if not (np.isfinite(found).all() and np.isfinite(true).all()):
            raise InputError(
                f"{self.name}: a score or an area is no finite number, an index is negative, or a box has a side that "
                "is negative or none"
            )
        for name, labels in (("labels", found[:, 1]), ("true_labels", true[:, 0])):
            if len(labels) and labels.max() >= self.labels:
                raise InputError(f"{self.name}: {name} has {labels.max():g}; give numbers below labels={self.labels}")
        images, true_images = found[:, 3] + found[:, 4] * 2**_BITS, true[:, 1] + true[:, 2] * 2**_BITS
        known = np.unique(np.concatenate([images, true_images]))
        places = [np.where(one == _UNKNOWN, -1, np.searchsorted(known, one)) for one in (images, true_images)]
        order = np.lexsort((found[:, 2], images, -found[:, 0], found[:, 1]))
        areas, thresholds = len(self.protocol.areas), len(self.protocol.thresholds)
        flags = _unpacked(found[order, _FOUND:], 2 * areas * thresholds).T.reshape(2, areas, thresholds, -1)
        counts = _unpacked(true[:, _TRUE:], areas).T
        return MatchedBoxes(
            image=places[0][order],
            label=found[order, 1].astype(np.int64),
            rank=found[order, 2].astype(np.int64),
            scores=found[order, 0],
            row=order,
            hits=flags[0],
            counted=flags[1],
            partner=np.full(len(found), -1),
            true_image=places[1],
            true_label=true[:, 0].astype(np.int64),
            true_counts=counts,
            images=len(known),
            labels=self.labels,
        )

    def _as_value(self, computed: Any, n_reference: int, n_generated: int) -> MetricValue:
        return MetricValue(self.name, float(computed), n_reference=n_reference, n_generated=n_generated)

    def _compute_rows(
        self, reference: DeviceRows, generated: DeviceRows, axis_name: AxisName | None
    ) -> Float[Array, ""]:
        if axis_name is not None:
            reference, generated = lax.all_gather((reference, generated), axis_name, tiled=True)
        areas, thresholds = len(self.protocol.areas), len(self.protocol.thresholds)
        found, true = generated.rows, reference.rows
        flags = _unpacked_on_device(found[:, _FOUND:], 2 * areas * thresholds)
        lines = flags.T.reshape(2, areas, thresholds, -1)[:, 0]
        counts = _unpacked_on_device(true[:, _TRUE:], areas)[:, 0] & reference.mask
        label = true[:, 0].astype(jnp.int32)
        positives = jax.ops.segment_sum(
            counts.astype(jnp.int32), jnp.where(counts, label, self.labels), self.labels + 1
        )
        precision = precision_on_device(
            scores=found[:, 0],
            label=found[:, 1].astype(jnp.int32),
            image=found[:, 4].astype(jnp.uint32) * 2**_BITS + found[:, 3].astype(jnp.uint32),
            rank=found[:, 2].astype(jnp.int32),
            mask=generated.mask,
            hits=lines[0],
            counted=lines[1],
            positives=jnp.broadcast_to(positives[:-1], (thresholds, self.labels)),
            recalls=self.protocol.recalls,
        )
        value = jnp.nanmean(precision)
        return value if axis_name is None else lax.pmax(value, axis_name)  # equal on all; this says so


_KNOWN = ("boxes", "scores", "labels", "true_boxes", "true_labels", "true_areas", "crowd", "ignored", "mask", "index")


def _rows(metric: AveragePrecision, batch: _Batch) -> tuple[Array, Array, Array, Array]:
    """Rows of found boxes and of true ones for the buffers, and which of them there are."""
    arrays = batch._asdict()
    number, misnumbered = arrays.pop("image"), arrays.pop("misnumbered")[:, None]
    found = match_batch(**arrays, protocol=metric.protocol)
    # What cannot be a box is told to `compute`, which can refuse it.
    right, true_right = (
        (jnp.isfinite(boxes).all(-1) & (boxes[..., 2:] >= 0).all(-1)) for boxes in (found.boxes, batch.true_boxes)
    )
    scores = jnp.where(right & ~misnumbered, found.scores, jnp.nan)
    true_label = jnp.where(true_right & jnp.isfinite(batch.true_areas) & ~misnumbered, batch.true_label, jnp.nan)
    size = number.shape[0]
    parts = jnp.stack([number & (2**_BITS - 1), number >> _BITS], axis=-1).astype(jnp.float32)

    def rows(columns: list[Array], flags: Bool[Array, "b n f"]) -> Array:
        count = flags.shape[1]
        images = jnp.broadcast_to(parts[:, None], (size, count, 2))
        packed = [*(column[..., None].astype(jnp.float32) for column in columns), images, _packed(flags)]
        together = jnp.concatenate(packed, axis=-1)
        wide = jnp.pad(together, ((0, 0), (0, 0), (0, metric.feature_size - together.shape[-1])))
        return wide.reshape(size * count, metric.feature_size)

    flags = jnp.stack([found.hits, found.counted], axis=1)
    flags = jnp.moveaxis(flags.reshape(size, math.prod(flags.shape[1:4]), flags.shape[-1]), 1, 2)
    return (
        rows([scores, found.label, found.rank], flags),
        found.mask.reshape(-1),
        rows([true_label], jnp.moveaxis(found.true_counts, 1, 2)),
        found.true_mask.reshape(-1),
    )


def _packed(flags: Bool[Array, "*n f"]) -> Float[Array, "*n c"]:
    """Truth values as numbers of sixteen bits."""
    count = flags.shape[-1]
    padded = jnp.pad(flags, (*((0, 0) for _ in flags.shape[:-1]), (0, -count % _BITS)))
    bits = padded.reshape(*flags.shape[:-1], padded.shape[-1] // _BITS, _BITS)
    return (bits * (2 ** np.arange(_BITS)).astype(np.int32)).sum(-1, dtype=jnp.int32).astype(jnp.float32)


def _unpacked(numbers: Float[np.ndarray, "n c"], count: int) -> Bool[np.ndarray, "n f"]:
    bits = numbers.astype(np.int64)[..., None] >> np.arange(_BITS) & 1
    return bits.astype(bool).reshape(len(numbers), numbers.shape[1] * _BITS)[:, :count]


def _unpacked_on_device(numbers: Float[Array, "n c"], count: int) -> Bool[Array, "n f"]:
    bits = numbers.astype(jnp.int32)[..., None] >> np.arange(_BITS) & 1
    return bits.astype(bool).reshape(numbers.shape[0], numbers.shape[1] * _BITS)[:, :count]


def _anywhere(function: Any, batch: _Batch) -> tuple[Array, Array, Array, Array]:
    """`function(batch)`, with an Explicit mesh's axes left to the compiler, and rows divided as the images are."""
    shardings = [jax.typeof(leaf).sharding for leaf in batch]
    explicit = [one for one in shardings if AxisType.Explicit in one.mesh.axis_types]
    if not explicit:
        return function(batch)
    divided = NamedSharding(explicit[0].mesh, PartitionSpec(next((one.spec[0] for one in explicit if one.spec), None)))
    on_auto_axes: Any = jax.sharding.auto_axes(function, out_sharding=(divided,) * 4)
    return on_auto_axes(batch)
