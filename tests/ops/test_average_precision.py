"""Average precision against COCO's own evaluation, its fast reimplementation, and published values."""

import contextlib
import copy
import dataclasses
import io

import numpy as np
import pytest
from detection_sets import KINDS, BoxSet, as_coco, box_set, in_float32
from parity_stub import torchvision_stub

from jaxeval.errors import InputError
from jaxeval.ops import detection

STATS = (
    "ap",
    "ap50",
    "ap75",
    "ap-small",
    "ap-medium",
    "ap-large",
    "ar1",
    "ar10",
    "ar100",
    "ar-small",
    "ar-medium",
    "ar-large",
)
# pycocotools adds 2.2e-16 to each denominator, and sums 101 numbers in another order.
TOLERANCE = 1e-12


def reference(truth: dict, found: list, limits: tuple[int, ...] | None = None):
    """COCO's own evaluation."""
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        own = coco.COCO()
        own.dataset = copy.deepcopy(truth)
        own.createIndex()
        theirs = own.loadRes(copy.deepcopy(found)) if found else coco.COCO()
        if not found:
            theirs.dataset = {**copy.deepcopy(truth), "annotations": []}
            theirs.createIndex()
        run = evaluation.COCOeval(own, theirs, "bbox")
        if limits:
            run.params.maxDets = list(limits)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def ours(boxes: BoxSet, **options) -> tuple[detection.MatchedBoxes, detection.PrecisionRecall]:
    matched = detection.match_detections(**boxes.arguments(), **options)
    return matched, detection.precision_recall(matched)


def none_as_nan(values) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return np.where(values == -1, np.nan, values)


@pytest.mark.parity
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_pycocotools(kind):
    for seed in range(25):
        boxes = box_set(seed, **KINDS[kind])
        run = reference(*as_coco(boxes))
        matched, found = ours(boxes)
        precision = np.moveaxis(none_as_nan(run.eval["precision"]), 3, 0)  # [A, T, R, K, M]
        recall = np.moveaxis(none_as_nan(run.eval["recall"]), (3, 2), (0, 1))  # [M, A, T, K]
        message = f"{kind} {seed}"
        np.testing.assert_allclose(
            found.average_precision, precision[..., -1].mean(2), atol=TOLERANCE, err_msg=message, rtol=0
        )
        np.testing.assert_allclose(found.recall, recall, atol=TOLERANCE, err_msg=message, rtol=0)
        curves, _ = detection.precision_curves(matched)
        np.testing.assert_allclose(curves, precision[0, ..., -1], atol=TOLERANCE, err_msg=message, rtol=0)
        summary = found.summary()
        np.testing.assert_allclose(
            [summary[name] for name in STATS], none_as_nan(run.stats), atol=TOLERANCE, err_msg=message, rtol=0
        )


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["plain", "whole", "dense", "many"])
def test_summary_is_that_of_the_fast_reimplementation(kind):
    fast = pytest.importorskip("faster_coco_eval")
    for seed in range(3):
        boxes = box_set(seed, **KINDS[kind])
        truth, results = as_coco(boxes)
        with contextlib.redirect_stdout(io.StringIO()):
            own = fast.COCO(truth)
            run = fast.COCOeval_faster(own, own.loadRes(results), "bbox", print_function=lambda *_: None)
            run.run()
        summary = ours(boxes)[1].summary()
        np.testing.assert_allclose(
            [summary[name] for name in STATS], none_as_nan(run.stats[:12]), atol=TOLERANCE, rtol=0
        )


@pytest.mark.parity
def test_an_id_of_0_counts_as_unmatched_where_asked_for():
    boxes = box_set(3, images=8, found_per_image=20, crowds=0)
    boxes.boxes[0], boxes.scores[0] = boxes.true_boxes[0], 1.0
    boxes.image[0], boxes.label[0] = boxes.true_image[0], boxes.true_label[0]
    truth, found = as_coco(boxes, first_id=0)
    first = np.arange(len(boxes.true_image)) == 0
    there = reference(truth, found).stats
    summary = ours(boxes, unmatchable=first)[1].summary()
    np.testing.assert_allclose([summary[name] for name in STATS], none_as_nan(there), atol=TOLERANCE, rtol=0)
    right = ours(boxes)[1].summary()
    shifted = reference(*as_coco(boxes, first_id=1)).stats
    np.testing.assert_allclose([right[name] for name in STATS], none_as_nan(shifted), atol=TOLERANCE, rtol=0)
    assert right["ap"] != summary["ap"]


@pytest.mark.parity
def test_other_limits_of_detections_leave_the_first_number():
    boxes = box_set(1, **KINDS["many"])
    truth, found = as_coco(boxes)
    there = reference(truth, found, limits=(1, 10, 200))
    assert there.stats[0] == -1  # its first number is of 100 detections, whatever was asked for
    protocol = dataclasses.replace(detection.COCO, max_detections=(1, 10, 200))
    matched = detection.match_detections(**boxes.arguments(), protocol=protocol)
    result = detection.precision_recall(matched, protocol=protocol)
    expected = none_as_nan(there.eval["precision"])[..., 0, 0, -1].mean(1)
    np.testing.assert_allclose(result.average_precision[0, :, 0], expected, atol=TOLERANCE, rtol=0)
    assert set(result.summary()) >= {"ap", "ar200"}


def test_published_values_of_torchmetrics():
    """The example of its documentation: one box of a person, found with an overlap of 0.7756."""
    matched = detection.match_detections(
        image=np.array([0]),
        label=np.array([0]),
        boxes=np.array([[258.0, 41.0, 606.0, 285.0]]),
        scores=np.array([0.536]),
        true_image=np.array([0]),
        true_label=np.array([0]),
        true_boxes=np.array([[214.0, 41.0, 562.0, 285.0]]),
        images=1,
        labels=1,
        layout="xyxy",
    )
    summary = detection.precision_recall(matched).summary()
    published = {"ap": 0.6, "ap50": 1.0, "ap75": 1.0, "ap-large": 0.6, "ar1": 0.6, "ar10": 0.6, "ar100": 0.6}
    assert {name: round(summary[name], 4) for name in published} == published
    assert np.isnan(summary["ap-small"])
    assert np.isnan(summary["ap-medium"])


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["plain", "crowded", "rare"])
def test_numbers_are_those_of_torchmetrics(kind):
    torch = pytest.importorskip("torch")
    torchvision_stub()
    detection_of_torchmetrics = pytest.importorskip("torchmetrics.detection")
    boxes = in_float32(box_set(5, **KINDS[kind]))
    metric = detection_of_torchmetrics.MeanAveragePrecision(box_format="xywh", backend="pycocotools")
    found, true = [], []
    for image in range(boxes.images):
        mine, theirs = boxes.image == image, boxes.true_image == image
        found.append({"boxes": boxes.boxes[mine], "scores": boxes.scores[mine], "labels": boxes.label[mine]})
        true.append({"boxes": boxes.true_boxes[theirs], "labels": boxes.true_label[theirs]})
        true[-1] |= {"iscrowd": boxes.crowd[theirs].astype(int), "area": boxes.true_areas[theirs]}
    as_tensors = [[{k: torch.as_tensor(v) for k, v in one.items()} for one in side] for side in (found, true)]
    metric.update(*as_tensors)
    there = {name: float(value) for name, value in metric.compute().items() if value.ndim == 0}
    names = {"map": "ap", "map_50": "ap50", "map_75": "ap75", "mar_1": "ar1", "mar_10": "ar10", "mar_100": "ar100"}
    names |= {f"m{kind}_{size}": f"{kind}-{size}" for kind in ("ap", "ar") for size in ("small", "medium", "large")}
    summary = ours(boxes)[1].summary()
    for theirs, own in names.items():
        # Its results are float32.
        assert summary[own] == pytest.approx(np.nan if there[theirs] == -1 else there[theirs], abs=6e-8, nan_ok=True)


def by_hand(right: list[bool], positives: int) -> list[tuple[float, float]]:
    """Recall and precision after each found box."""
    found, points = 0, []
    for place, hit in enumerate(right, start=1):
        found += hit
        points.append((found / positives, found / place))
    return points


def voc(right: list[bool], positives: int, protocol: str) -> float:
    """What a protocol makes of boxes that are right or wrong, one to an image, by falling confidence."""
    there = np.flatnonzero(right)
    count = len(right) + positives - len(there)
    true_image = np.array([*there, *range(len(right), count)], np.int64)
    box = np.array([10.0, 10.0, 20.0, 20.0])
    matched = detection.match_detections(
        image=np.arange(len(right)),
        label=np.zeros(len(right), int),
        boxes=np.tile(box, (len(right), 1)),
        scores=-np.arange(len(right), dtype=float),
        true_image=true_image,
        true_label=np.zeros(positives, int),
        true_boxes=np.tile(box, (positives, 1)),
        images=count,
        labels=1,
        protocol=protocol,
    )
    return detection.precision_recall(matched, protocol=protocol).summary()["ap50"]


@pytest.mark.parametrize("right", [[True, False, True, True, False], [False, False, True], [True] * 4])
def test_voc_by_the_definition_of_its_papers(right):
    positives = sum(right) + (0 if all(right) else 2)
    points = by_hand(right, positives)
    levels = (0, 0.1, 0.2, 0.1 * 3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)  # as the kit's language counts
    eleven = [max((p for r, p in points if r >= level), default=0.0) for level in levels]
    assert voc(right, positives, "voc2007") == pytest.approx(np.mean(eleven), abs=1e-15)
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    assert voc(right, positives, "voc2010") == pytest.approx(area, abs=1e-15)


def voc_of_one_image(boxes, true_boxes, ignored=None) -> detection.MatchedBoxes:
    boxes, true_boxes = np.array(boxes, float), np.array(true_boxes, float)
    return detection.match_detections(
        image=np.zeros(len(boxes), int),
        label=np.zeros(len(boxes), int),
        boxes=boxes,
        scores=-np.arange(len(boxes), dtype=float),
        true_image=np.zeros(len(true_boxes), int),
        true_label=np.zeros(len(true_boxes), int),
        true_boxes=true_boxes,
        images=1,
        labels=1,
        ignored=ignored,
        protocol="voc2010",
        layout="xyxy",
    )


def test_voc_measures_from_pixel_to_pixel():
    # 5 x 10 of 10 x 10 pixels, both ends included: one half, which is enough.
    assert voc_of_one_image([[1, 1, 10, 5]], [[1, 1, 10, 10]]).hits.all()
    assert not voc_of_one_image([[1, 1, 10, 4]], [[1, 1, 10, 10]]).hits.any()


def test_voc_counts_a_second_box_as_wrong_and_no_box_of_a_difficult_one():
    pair = [[1, 1, 10, 10], [1, 1, 10, 9]]
    twice = voc_of_one_image(pair, [[1, 1, 10, 10], [1, 1, 10, 7]])
    assert twice.hits[0, 0].tolist() == [True, False]  # COCO would give it the other true box
    difficult = voc_of_one_image(pair, [[1, 1, 10, 10]], ignored=np.array([True]))
    assert not difficult.counted.any()
    assert np.isnan(detection.precision_recall(difficult, protocol="voc2010").summary()["ap50"])


@pytest.mark.parametrize("kind", ["plain", "dense", "crowded", "whole"])
def test_only_boxes_that_compete_are_matched_and_it_makes_no_difference(kind):
    """The greedy matching of whole images by itself, without the sparse way there."""
    boxes = box_set(7, **KINDS[kind])
    matched = detection.match_detections(**boxes.arguments())
    low, high = (np.array([area[end] for area in detection.COCO.areas])[:, None] for end in (1, 2))
    out = boxes.crowd | (boxes.true_areas < low) | (boxes.true_areas > high)
    for image, label in np.ndindex(boxes.images, boxes.labels):
        mine = np.flatnonzero((boxes.image == image) & (boxes.label == label))
        mine = mine[np.argsort(-boxes.scores[mine], kind="stable")][:100]
        true = np.flatnonzero((boxes.true_image == image) & (boxes.true_label == label))
        iou = detection.box_iou(boxes.boxes[mine], boxes.true_boxes[true], crowd=boxes.crowd[true], layout="xywh")
        found = detection.match_boxes(
            iou, thresholds=detection.COCO.least_overlaps, ignored=out[:, true], crowd=boxes.crowd[true]
        )
        places = np.argsort(matched.row)[np.searchsorted(np.sort(matched.row), mine)]
        assert np.array_equal(matched.hits[:, :, places], (found.true >= 0) & ~found.ignored)


@pytest.mark.parametrize("matching", ["coco", "voc"])
def test_device_matches_as_the_host(matching):
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    # Sixteenths are exact in float32.
    iou = rng.integers(-8, 17, (5, 12, 7)) / 16
    ignored, crowd = rng.random((5, 3, 7)) < 0.3, rng.random((5, 7)) < 0.2
    levels = (0.5, 0.75)
    host = detection.match_boxes(iou, thresholds=levels, ignored=ignored, crowd=crowd, matching=matching)

    def match(iou, ignored, crowd):
        return detection.match_boxes(iou, thresholds=levels, ignored=ignored, crowd=crowd, matching=matching)

    device = jax.jit(match)(jnp.asarray(iou), jnp.asarray(ignored), jnp.asarray(crowd))
    assert np.array_equal(host.true, device.true)
    assert np.array_equal(host.ignored, device.ignored)


def test_overlaps_on_the_device_are_those_of_the_host():
    import jax.numpy as jnp

    boxes = box_set(0, images=1, found_per_image=30)
    host = detection.box_iou(boxes.boxes, boxes.true_boxes, crowd=boxes.crowd, layout="xywh")
    arrays = (jnp.asarray(boxes.boxes, jnp.float32), jnp.asarray(boxes.true_boxes, jnp.float32))
    device = detection.box_iou(*arrays, crowd=jnp.asarray(boxes.crowd), layout="xywh")
    # Corners of up to 500 pixels in float32, over sides of 2 pixels and more.
    np.testing.assert_allclose(device, host, atol=500 * 2**-23 / 2 * 4)


@pytest.mark.parity
def test_overlaps_are_the_references_to_the_last_bit():
    mask = pytest.importorskip("pycocotools.mask")
    boxes = box_set(0, images=1, found_per_image=100, true_per_image=60)
    theirs = mask.iou(boxes.boxes, boxes.true_boxes, boxes.crowd.astype(np.uint8))
    own = detection.box_iou(boxes.boxes, boxes.true_boxes, crowd=boxes.crowd, layout="xywh")
    assert np.array_equal(own, theirs)


def orders(boxes: BoxSet) -> list[float]:
    """AP of many orders of the images, between which scores are tied."""
    rng, found = np.random.default_rng(0), []
    for _ in range(40):
        place = rng.permutation(boxes.images)
        other = dataclasses.replace(boxes, image=place[boxes.image], true_image=place[boxes.true_image])
        found.append(ours(other)[1].summary()["ap"])
    return found


def test_ties_say_how_far_their_order_matters():
    boxes = box_set(5, images=12, levels=4)
    matched, result = ours(boxes)
    tied = detection.tied_scores(matched)
    seen = orders(boxes)
    assert tied.boxes > 20
    assert tied.low["ap"] <= min(seen) < max(seen) <= tied.high["ap"]
    assert tied.low["ap"] <= result.summary()["ap"] <= tied.high["ap"]
    # With one threshold and a box an image the range is what orders can reach.
    assert tied.high["ap"] - tied.low["ap"] < 4 * (max(seen) - min(seen))
    untied = detection.tied_scores(ours(box_set(5))[0])
    assert untied.boxes == 0
    assert untied.low == untied.high


def test_the_order_of_images_is_of_no_account_without_ties():
    boxes = box_set(2, images=10)
    assert max(orders(boxes)) - min(orders(boxes)) < 1e-15


def test_intervals_of_few_clusters():
    boxes = box_set(2, images=10)
    matched = ours(boxes)[0]
    alone = detection.precision_intervals(matched, clusters=np.zeros(10, int))
    assert alone.intervals["ap"] is None
    assert alone.values == detection.precision_recall(matched).summary()
    categories = detection.precision_recall(matched).categories()
    assert {name: len(ends) for name, ends in alone.categories.items()} == dict.fromkeys(categories, 3)
    assert np.nanmean(categories["ap50"]) == pytest.approx(alone.values["ap50"])
    halves = detection.precision_intervals(matched, clusters=np.arange(10) // 5)
    assert halves.degrees == 1
    with pytest.raises(InputError, match="a whole number for each of 10 images"):
        detection.precision_intervals(matched, clusters=[1, 2])


def test_differences_of_a_set_with_itself_are_nothing():
    matched = ours(box_set(2, images=30))[0]
    found = detection.precision_differences(matched, matched)
    assert found.summary["ap"].value == 0
    assert found.summary["ap"].standard_error == 0
    assert [one.value for one in found.categories["ap50"]] == [0, 0, 0]


def of_images(right: list[bool], images: int) -> detection.MatchedBoxes:
    """One true box an image, and one found, which is right or beside it."""
    place = np.arange(len(right))
    box = np.tile([10.0, 10.0, 20.0, 20.0], (len(right), 1))
    moved = box + np.where(right, 0.0, 50.0)[:, None] * np.array([1, 0, 0, 0])
    return detection.match_detections(
        image=place, label=0 * place, boxes=moved, scores=1.0 - place / 1000, true_image=place, true_label=0 * place,
        true_boxes=box, images=images, labels=1,
    )  # fmt: skip


def test_differences_are_of_the_clusters_that_both_sets_have():
    first, second = of_images([True] * 10, 10), of_images([True] * 5 + [False] * 5, 10)
    # The second's images 0 to 4 are of the clusters 5 to 9, and in these both are perfect.
    found = detection.precision_differences(
        first, second, clusters=np.arange(10), second_clusters=np.arange(5, 15)
    ).summary["ap"]
    assert (found.value, found.p_value, found.interval) == (0, 1, None)
    with pytest.raises(InputError, match="no cluster in common"):
        detection.precision_differences(first, second, clusters=np.arange(10), second_clusters=np.arange(20, 30))


def test_numbers_without_a_spread_have_no_interval():
    for right in ([True] * 30, [False] * 2):
        found = detection.precision_intervals(of_images(right, len(right)))
        assert found.values["ap"] == float(right[0])  # 1 and no more
        assert found.intervals["ap"] is None
        assert found.categories["ap"] == (None,)
    difference = detection.precision_differences(of_images([False] * 2, 2), of_images([True] * 2, 2)).summary["ap"]
    assert (difference.value, difference.interval, difference.p_value) == (1, None, None)


def test_images_without_a_box_are_in_no_group():
    alone, beside = of_images([True, False, True, True], 4), of_images([True, False, True, True], 9)
    one, other = detection.precision_intervals(alone), detection.precision_intervals(beside)
    assert one.standard_errors == pytest.approx(other.standard_errors, nan_ok=True)
    assert one.intervals == other.intervals


def test_areas_of_found_boxes_can_be_given():
    box = np.array([[0.0, 0.0, 50.0, 50.0]])
    given = {
        "image": np.array([0]), "label": np.array([0]), "boxes": box, "scores": np.array([0.5]),
        "true_image": np.array([0]), "true_label": np.array([0]), "true_boxes": box + 200,
        "true_areas": np.array([100.0]), "images": 1, "labels": 1,
    }  # fmt: skip
    small = detection.match_detections(**given, areas=np.array([100.0]))
    assert small.counted[:, 0, 0].tolist() == [True, True, False, False]
    assert detection.match_detections(**given).counted[:, 0, 0].tolist() == [True, False, True, False]


def test_pairing_by_image_makes_differences_surer():
    truth = box_set(4, images=200, labels=1, true_per_image=3, spread=4)
    worse = dataclasses.replace(truth, boxes=truth.boxes + np.array([3.0, 0, 0, 0]))
    first, second = ours(worse)[0], ours(truth)[0]
    paired = detection.precision_differences(first, second).summary["ap50"]
    alone = [detection.precision_intervals(one).standard_errors["ap50"] for one in (first, second)]
    assert paired.value > 0
    assert paired.standard_error < 0.8 * np.hypot(alone[0], alone[1])
    assert paired.p_value is not None
    assert paired.p_value < 0.05


def fresh_ap(seed: int) -> detection.MatchedBoxes:
    """Another sample of images of one population of hard and easy ones."""
    rng = np.random.default_rng([seed, 5])
    images = 150
    counts = rng.poisson(2, images)
    true_image = np.repeat(np.arange(images), counts)
    easy = rng.beta(2, 1.5, images)
    size = len(true_image)
    box = np.tile([10.0, 10.0, 40.0, 40.0], (size, 1)) + 100 * np.arange(size)[:, None] * np.array([1, 0, 0, 0])
    hit = rng.random(size) < easy[true_image]
    moved = box + np.where(hit, 2.0, 60.0)[:, None] * np.array([1, 0, 0, 0])
    return detection.match_detections(
        image=true_image,
        label=np.zeros(size, int),
        boxes=moved,
        scores=rng.normal(hit * 1.0, 1.0),
        true_image=true_image,
        true_label=np.zeros(size, int),
        true_boxes=box,
        images=images,
        labels=1,
    )


@pytest.mark.slow
def test_intervals_hold_the_value_of_many_images():
    samples = [fresh_ap(seed) for seed in range(200)]
    found = [detection.precision_intervals(sample, seed=seed) for seed, sample in enumerate(samples)]
    truth = np.mean([one.values["ap50"] for one in found])
    ends = [one.intervals["ap50"] for one in found]
    held = np.mean([float(end is not None and end.low <= truth <= end.high) for end in ends])
    # Two hundred draws of a chance of 0.95 are below 0.905 once in five hundred times.
    assert 0.905 <= held <= 0.99
    widths = np.mean([one.standard_errors["ap50"] for one in found])
    spread = np.std([one.values["ap50"] for one in found], ddof=1)
    assert widths == pytest.approx(spread, rel=0.15)


WRONG = {
    "scores of an image": ({"scores": np.zeros(3)}, r"scores has shape \(3,\)"),
    "not-a-number": ({"boxes": np.full((2, 4), np.nan)}, "boxes has 8 values that are not finite"),
    "infinite scores": ({"scores": np.array([np.inf, 0])}, "scores has 1 values that are not finite"),
    "negative sides": ({"boxes": np.array([[0, 0, -1, 1], [0, 0, 1, 1]])}, "negative width or height"),
    "unknown image": ({"image": np.array([0, 1])}, "image has numbers from 0 to 1; give 0 to 0"),
    "unknown label": ({"label": np.array([0, -1])}, "label has numbers from -1 to 0"),
    "broken numbers": ({"label": np.array([0.5, 1.0])}, "whole numbers"),
    "shape": ({"boxes": np.zeros((2, 5))}, r"\[N, 4\]"),
    "huge sides": ({"boxes": np.full((2, 4), 1e200)}, "of 1e\\+200; no image is as large"),
    "negative areas": ({"true_areas": np.array([-1.0])}, "true_areas has -1; areas are 0 or more"),
    "flags": ({"crowd": np.array([0.5])}, "crowd has values that are neither true nor false"),
    "no image": ({"images": 0}, "image has numbers from 0 to 0; there are no images"),
    "crowd": ({"crowd": np.zeros(3)}, r"crowd has shape \(3,\)"),
    "protocol": ({"protocol": "pascal"}, "the protocol 'pascal' is not known; give one of coco, voc2007, voc2010"),
    "layout": ({"layout": "yxyx"}, "give one of xyxy, xywh, cxcywh"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_named(case):
    changed, message = WRONG[case]
    given = {
        "image": np.array([0, 0]),
        "label": np.array([0, 0]),
        "boxes": np.array([[0, 0, 1, 1], [0, 0, 1, 1]]),
        "scores": np.array([0.1, 0.2]),
        "true_image": np.array([0]),
        "true_label": np.array([0]),
        "true_boxes": np.array([[0, 0, 1, 1]]),
        "images": 1,
        "labels": 1,
    }
    with pytest.raises(InputError, match=message):
        detection.match_detections(**given | changed)


def test_a_protocol_of_other_thresholds_is_refused():
    matched = ours(box_set(0))[0]
    with pytest.raises(InputError, match="give the protocol that they were matched by"):
        detection.precision_recall(matched, protocol="voc2007")


@pytest.mark.parametrize(
    "changed",
    [
        {"thresholds": ()},
        {"thresholds": (0.0,)},
        {"max_detections": (10, 1)},
        {"recalls": (0.5, 0.1)},
        {"matching": "best"},
        {"areas": (("all", 2.0, 1.0),)},
    ],
)
def test_protocols_that_cannot_be_are_refused(changed):
    with pytest.raises(InputError):
        dataclasses.replace(detection.COCO, **changed)
