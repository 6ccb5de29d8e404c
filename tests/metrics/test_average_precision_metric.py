"""Average precision as a streaming metric: COCO's number from batches, its limits, and what it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from detection_sets import KINDS, BoxSet, box_set, in_float32

from jaxeval.errors import InputError
from jaxeval.metrics import AveragePrecision
from jaxeval.ops import detection


def padded(boxes: BoxSet, images: range) -> dict[str, np.ndarray]:
    """A batch of images, as many boxes to each as the one with most has."""
    batch: dict[str, np.ndarray] = {}
    for prefix, of, fields in (("", boxes.image, ("boxes", "scores")), ("true_", boxes.true_image, ("boxes", "areas"))):
        places = [np.flatnonzero(of == image) for image in images]
        most = max(map(len, places))
        label = np.full((len(places), most), -1, np.int32)
        for row, here in enumerate(places):
            label[row, : len(here)] = getattr(boxes, f"{prefix}label")[here]
        batch[f"{prefix}labels"] = label
        for field in fields:
            source = boxes.scores if field == "scores" else getattr(boxes, f"{prefix}{field}")
            values = np.full((*label.shape, *source.shape[1:]), np.nan, np.float32)
            for row, here in enumerate(places):
                values[row, : len(here)] = source[here]
            batch[f"{prefix}{field}"] = values
    crowd = np.zeros(batch["true_labels"].shape, bool)
    for row, image in enumerate(images):
        here = boxes.crowd[boxes.true_image == image]
        crowd[row, : len(here)] = here
    return {**batch, "crowd": crowd, "index": np.array(images, np.int32)}


@pytest.mark.parametrize("kind", ["plain", "tied", "crowded", "dense", "many", "no detection"])
def test_batches_give_the_number_of_flat_arrays(kind):
    boxes = in_float32(box_set(11, **{**KINDS[kind], "flat": 0.0}))
    metric = AveragePrecision(labels=boxes.labels, capacity=2000, layout="xywh")
    state = metric.init()
    middle = boxes.images // 2
    for images in (range(middle, boxes.images), range(middle)):  # the order of batches is of no account
        state = jax.jit(metric.update)(state, **padded(boxes, images))
    expected = detection.precision_recall(detection.match_detections(**boxes.arguments()))
    summary = {name: value for name, value in expected.summary().items() if not np.isnan(value)}
    value = metric.compute(state)
    assert dict(value.values) == pytest.approx(summary, abs=1e-12)
    np.testing.assert_allclose(
        metric.by_category(state).average_precision, expected.average_precision, atol=1e-12, rtol=0
    )
    assert float(metric.compute_on_device(state)) == pytest.approx(summary["ap"], abs=1e-6)
    intervals = detection.precision_intervals(detection.match_detections(**boxes.arguments()))
    if kind != "no detection":
        assert value.standard_error == pytest.approx(intervals.standard_errors["ap"], rel=1e-9)


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010"])
def test_voc_from_batches(protocol):
    boxes = in_float32(box_set(11, crowds=0, flat=0))
    metric = AveragePrecision(labels=boxes.labels, capacity=2000, layout="xywh", protocol=protocol)
    state = metric.update(metric.init(), **padded(boxes, range(boxes.images)))
    matched = detection.match_detections(**boxes.arguments(), protocol=protocol)
    expected = detection.precision_recall(matched, protocol=protocol).summary()
    assert dict(metric.compute(state).values) == pytest.approx(expected, abs=1e-12)
    assert float(metric.compute_on_device(state)) == pytest.approx(expected["ap50"], abs=1e-6)


def test_standard_errors_do_not_see_images_without_a_box():
    boxes = in_float32(box_set(3, images=5, labels=1, flat=0.0))
    other = dataclasses.replace(boxes, images=9)
    metric = AveragePrecision(labels=1, capacity=200, layout="xywh")
    state = metric.update(metric.init(), **padded(other, range(9)))
    expected = detection.precision_intervals(detection.match_detections(**other.arguments())).standard_errors["ap"]
    assert metric.compute(state).standard_error == pytest.approx(expected, rel=1e-9)


def one_box(**changed) -> dict[str, np.ndarray]:
    box = np.array([[[0.0, 0.0, 10.0, 10.0]]], np.float32)
    given = {
        "boxes": box,
        "scores": np.ones((1, 1), np.float32),
        "labels": np.zeros((1, 1), np.int32),
        "true_boxes": box,
        "true_labels": np.zeros((1, 1), np.int32),
    }
    return {**given, **changed}


METRIC = AveragePrecision(labels=2, capacity=4)


def test_numbers_without_a_true_box_are_none():
    value = METRIC.compute(METRIC.update(METRIC.init(), **one_box()))
    assert value.values["ap-small"] == 1
    assert "ap-large" not in value.values
    assert value.warnings == (
        "no true box counts for ap-medium, ap-large, ar-medium, ar-large",
        "no interval, as images have no index",
    )


def test_nothing_to_be_found_is_refused():
    none = one_box(true_labels=np.full((1, 1), -1, np.int32))
    state = METRIC.update(METRIC.init(), **none)
    with pytest.raises(InputError, match="no true box counts"):
        METRIC.compute(state)
    assert np.isnan(METRIC.compute_on_device(state))


WRONG = {
    "an index": ({"index": np.array([-5])}, "an index is negative"),
    "a score": ({"scores": np.full((1, 1), np.nan, np.float32)}, "a score or an area is no finite number"),
    "a side": ({"boxes": np.array([[[0, 0, -1, 1]]], np.float32)}, "a side that is negative"),
    "a true side": (
        {"true_boxes": np.array([[[0, 0, np.nan, 1]]], np.float32)},
        "a side that is negative or none",
    ),
    "a label": ({"labels": np.full((1, 1), 2, np.int32)}, "labels has 2; give numbers below labels=2"),
    "a true label": ({"true_labels": np.full((1, 1), 7, np.int32)}, "true_labels has 7"),
}


@pytest.mark.parametrize("case", WRONG)
def test_values_that_cannot_be_are_refused_by_compute(case):
    changed, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        METRIC.compute(METRIC.update(METRIC.init(), **one_box(**changed)))


SHAPES = {
    "boxes": ({"boxes": np.zeros((1, 2, 4))}, r"boxes has shape \(1, 2, 4\)"),
    "images": ({"true_labels": np.zeros((2, 1), int), "true_boxes": np.zeros((2, 1, 4))}, "of the same images"),
    "crowd": ({"crowd": np.zeros((1, 2), bool)}, r"crowd has shape \(1, 2\)"),
    "a mask of numbers": ({"mask": np.ones(1)}, "mask has dtype float32; bool is expected"),
    "crowds of numbers": ({"crowd": np.ones((1, 1), int)}, "crowd has dtype int32; bool is expected"),
    "labels of floats": ({"labels": np.zeros((1, 1))}, "labels has dtype float32; integers are expected"),
    "nothing": ({"scores": None}, "got no scores="),
    "another misspelt": ({"true_area": np.ones((1, 1))}, "write true_areas="),
    "a misspelt one": ({"true_label": np.zeros((1, 1), int), "true_labels": None}, "write true_labels="),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_are_named(case):
    changed, message = SHAPES[case]
    with pytest.raises(InputError, match=message):
        METRIC.update(METRIC.init(), **one_box(**changed))


@pytest.mark.parametrize("changed", [{"labels": 0}, {"capacity": 0}, {"protocol": "pascal"}, {"layout": "yxyx"}])
def test_configurations_that_cannot_be_are_refused(changed):
    with pytest.raises(InputError):
        AveragePrecision(**{"labels": 2, "capacity": 4, **changed})


def test_lost_boxes_are_named():
    state = METRIC.init()
    for _ in range(5):
        state = METRIC.update(state, **one_box())
    with pytest.raises(InputError, match="the true boxes buffer of 4 rows overflowed"):
        METRIC.compute(state)


def work(devices: int) -> float:
    """Operations of one device's program, for sixty-four images."""
    mesh = jax.make_mesh(
        (devices,), ("batch",), devices=jax.devices()[:devices], axis_types=(jax.sharding.AxisType.Auto,)
    )
    metric = AveragePrecision(labels=3, capacity=4096)
    specs = metric.state_specs("batch")
    rows = jax.sharding.PartitionSpec("batch")

    def accumulate(state, batch):
        return metric.accumulate(state, axis_name="batch", **batch)

    batch = {
        "boxes": jnp.zeros((64, 30, 4)),
        "scores": jnp.zeros((64, 30)),
        "labels": jnp.zeros((64, 30), jnp.int32),
        "true_boxes": jnp.zeros((64, 20, 4)),
        "true_labels": jnp.zeros((64, 20), jnp.int32),
    }
    mapped = jax.jit(jax.shard_map(accumulate, mesh=mesh, in_specs=(specs, rows), out_specs=specs))
    cost = mapped.lower(metric.init_on(mesh, "batch"), batch).compile().cost_analysis()
    return dict(cost or {})["flops"]


def test_the_work_is_divided_among_devices():
    assert work(4) < 0.35 * work(1)
