"""Average precision of files and of layouts: COCO's numbers, the traps of the references, what is said of images."""

import contextlib
import dataclasses
import inspect
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from detection_sets import as_coco, box_set

from jaxeval.detection import FoundBoxes, TrueBoxes, score_boxes, score_layouts
from jaxeval.errors import InputError


def written(folder, truth: Any, found: Any, names=("truth.json", "found.json")) -> tuple[str, str]:
    for name, content in zip(names, (truth, found), strict=True):
        (folder / name).write_text(json.dumps(content))
    return str(folder / names[0]), str(folder / names[1])


def numbers(evaluation, name: str | None = None) -> dict[str, float | None]:
    return {one.metric: one.value for one in evaluation.scores if not one.category and name in (None, one.set)}


@pytest.mark.parity
def test_files_give_the_references_numbers(tmp_path):
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    truth, found = as_coco(box_set(8, images=30, labels=4, levels=20))
    paths = written(tmp_path, truth, found)
    with contextlib.redirect_stdout(io.StringIO()):
        own = coco.COCO(paths[0])
        run = cocoeval.COCOeval(own, own.loadRes(paths[1]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    evaluation = score_boxes(*paths)
    ours = list(numbers(evaluation).values())
    assert [math.nan if one is None else one for one in ours] == pytest.approx(
        [math.nan if one == -1 else one for one in run.stats], abs=1e-12, nan_ok=True
    )
    assert evaluation.manifest["counts"]["images"] == 30
    by_label = {one.category: one.value for one in evaluation.scores if one.metric == "ap" and one.category}
    precision = run.eval["precision"][:, :, :, 0, -1]
    assert list(by_label.values()) == pytest.approx(precision.mean((0, 1)), abs=1e-12)


def test_the_order_of_images_is_that_of_their_ids(tmp_path):
    """Equal confidences are in the order of images, which is not that of the file."""
    boxes = box_set(8, images=12, levels=2)
    truth, found = as_coco(boxes)
    straight = score_boxes(*written(tmp_path, truth, found))
    truth["images"].reverse()
    turned = score_boxes(*written(tmp_path, truth, found))
    assert numbers(straight) == numbers(turned)
    (said,) = [sentence for sentence in straight.warnings if "confidence of another" in sentence]
    assert "by image and as they were given" in said


@pytest.mark.parity
def test_ids_that_are_texts_are_in_their_order(tmp_path):
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    box = [0.0, 0.0, 10.0, 10.0]
    truth = {
        "images": [{"id": name, "file_name": f"{name}.png"} for name in "ba"],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": row + 1, "image_id": name, "category_id": 1, "bbox": box, "area": 100, "iscrowd": 0}
            for row, name in enumerate("ba")
        ],
    }
    found = [
        {"image_id": "b", "category_id": 1, "bbox": box, "score": 0.5},
        {"image_id": "a", "category_id": 1, "bbox": [50.0, 0.0, 10.0, 10.0], "score": 0.5},
    ]
    paths = written(tmp_path, truth, found)
    with contextlib.redirect_stdout(io.StringIO()):
        own = coco.COCO(paths[0])
        run = cocoeval.COCOeval(own, own.loadRes(paths[1]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert numbers(score_boxes(*paths))["ap"] == pytest.approx(run.stats[0], abs=1e-12)


def test_images_of_one_prompt_are_one_cluster(tmp_path):
    truth, found = as_coco(box_set(3, images=12))
    alone = score_boxes(*written(tmp_path, truth, found))
    for number, image in enumerate(truth["images"]):
        image |= {"file_name": f"{number}.png", "prompt": f"prompt {number % 4}" if number < 8 else ""}
    together = score_boxes(*written(tmp_path, truth, found))
    assert numbers(alone) == numbers(together)
    assert (alone.scores[0].n_prompts, together.scores[0].n_prompts) == (12, 8)
    assert alone.scores[0].interval != together.scores[0].interval


def test_an_id_of_0_is_said_with_what_it_does(tmp_path):
    boxes = box_set(3, images=8, found_per_image=20, crowds=0)
    boxes.boxes[0], boxes.scores[0] = boxes.true_boxes[0], 1.0
    boxes.image[0], boxes.label[0] = boxes.true_image[0], boxes.true_label[0]
    paths = written(tmp_path, *as_coco(boxes, first_id=0))
    reference, right = score_boxes(*paths), score_boxes(*paths, zero_ids="matched")
    shifted = score_boxes(*written(tmp_path, *as_coco(boxes, first_id=1)))
    assert numbers(right) == numbers(shifted) != numbers(reference)
    (said,) = [sentence for sentence in reference.warnings if "id 0" in sentence]
    assert f"AP is {numbers(reference)['ap']:.4f}" in said
    assert f"it is {numbers(right)['ap']:.4f} (--zero-ids matched)" in said
    assert not any("id 0" in sentence for sentence in (*right.warnings, *shifted.warnings))


def test_a_mark_to_ignore_is_said_and_can_be_honoured(tmp_path):
    truth, found = as_coco(box_set(3, crowds=0))
    unmarked = score_boxes(*written(tmp_path, truth, found))
    for annotation in truth["annotations"][::3]:
        annotation["ignore"] = 1
    paths = written(tmp_path, truth, found)
    assert numbers(score_boxes(*paths)) == numbers(unmarked)
    assert any("--ignored honoured" in sentence for sentence in score_boxes(*paths).warnings)
    assert numbers(score_boxes(*paths, ignored="honoured")) != numbers(unmarked)


def test_other_limits_of_detections_are_said(tmp_path):
    paths = written(tmp_path, *as_coco(box_set(3)))
    evaluation = score_boxes(*paths, max_detections=[1, 2])
    assert {"ap", "ar1", "ar2"} <= set(numbers(evaluation))
    assert any("AP is of 2 detections" in sentence for sentence in evaluation.warnings)
    with pytest.raises(InputError, match="max_detections"):
        score_boxes(*paths, max_detections=[10, 1])


def test_a_range_without_a_true_box_is_none(tmp_path):
    truth, found = as_coco(box_set(3, images=2, labels=1))
    for annotation in truth["annotations"]:
        annotation["area"] = 50.0
    evaluation = score_boxes(*written(tmp_path, truth, found))
    large = next(one for one in evaluation.scores if one.metric == "ap-large")
    assert large.value is None
    assert str(large).startswith("AP large none")
    json.loads(evaluation.to_json())


def test_two_sets_differ_image_by_image(tmp_path):
    boxes = box_set(3, images=60, labels=2, spread=3)
    truth, found = as_coco(boxes)
    worse = [{**one, "bbox": [one["bbox"][0] + 8, *one["bbox"][1:]]} for one in found]
    paths = written(tmp_path, truth, worse, ("truth.json", "worse.json"))
    (tmp_path / "better.json").write_text(json.dumps(found))
    evaluation = score_boxes(paths[0], {"worse": paths[1], "better": tmp_path / "better.json"})
    difference = next(one for one in evaluation.differences if one.metric == "ap" and not one.category)
    values = [numbers(evaluation, name)["ap"] for name in ("worse", "better")]
    assert values[0] is not None
    assert values[1] is not None
    assert difference.value == pytest.approx(values[1] - values[0], abs=1e-12)
    assert difference.interval is not None
    assert difference.interval[0] > 0
    assert difference.p_value is not None
    assert difference.p_value < 1e-3
    assert difference.n_prompts == 60


BOX = np.array([[10.0, 20.0, 30.0, 40.0]])


def boxes_of(name: str, images: tuple[str, ...], rows: list[tuple[int, str, list[float], float]]) -> FoundBoxes:
    labels = tuple(dict.fromkeys(row[1] for row in rows))
    return FoundBoxes(
        name,
        images,
        labels,
        np.array([row[0] for row in rows], int),
        np.array([labels.index(row[1]) for row in rows], int),
        np.array([row[2] for row in rows], float).reshape(-1, 4),
        np.array([row[3] for row in rows], float),
        sizes=np.full((len(images), 2), 100),
    )


LAYOUTS = TrueBoxes(
    "layouts",
    ("a.png", "b.png"),
    ("cat", "dog"),
    np.array([0, 0, 1]),
    np.array([0, 1, 1]),
    np.array([[10.0, 10.0, 20.0, 20.0], [50.0, 50.0, 40.0, 40.0], [0.0, 0.0, 50.0, 50.0]]),
    np.array([400.0, 1600.0, 2500.0]),
    sizes=np.array([[100, 100], [100, 100]]),
    prompts=("a cat and a dog", ""),
)


def test_layouts_say_what_is_missing_and_what_should_not_be_there():
    found = boxes_of(
        "ours",
        ("a_0.png", "a_1.png", "b_0.png"),
        [
            (0, "cat", [10, 10, 20, 20], 0.9),
            (0, "dog", [0, 50, 40, 40], 0.8),
            (1, "zebra", [0, 0, 10, 10], 0.99),
            (2, "dog", [0, 0, 50, 48], 0.7),
        ],
    )
    evaluation = score_layouts(LAYOUTS, found=found)
    first, second, third = evaluation.outcomes
    assert [one.values["found50"] for one in evaluation.outcomes] == [0.5, 0, 1]
    assert [one.prompt for one in evaluation.outcomes] == ["a cat and a dog", "a cat and a dog", "b.png"]
    assert first.reasons == (
        "asked for a dog at 50,50 40x40, found elsewhere only (confidence 0.80 at 0,50 40x40)",
        "found a dog (0.80) at 0,50 40x40, which is not asked for there",
    )
    assert second.reasons == (
        "asked for a cat at 10,10 20x20, found none in the image",
        "asked for a dog at 50,50 40x40, found none in the image",
    )
    assert [box.good for box in first.asked] == [True, False]
    assert [box.good for box in first.found] == [True, False]
    assert [box.label for box in second.found] == []  # no layout asks for zebras
    assert third.reasons == ()
    assert evaluation.scores[0].n == 3
    assert evaluation.scores[0].n_prompts == 2
    assert evaluation.manifest["counts"]["found boxes of other categories"] == 1


def test_boxes_of_a_layout_are_scaled_to_the_image():
    found = boxes_of("ours", ("a.png", "b.png"), [(0, "cat", [20, 20, 40, 40], 0.9), (1, "dog", [0, 0, 100, 100], 0.9)])
    large = FoundBoxes(
        found.name, found.images, found.labels, found.image, found.label, found.boxes, found.scores,
        sizes=np.array([[200, 200], [200, 200]]),
    )  # fmt: skip
    evaluation = score_layouts(LAYOUTS, found=large)
    assert [one.values["found50"] for one in evaluation.outcomes] == [0.5, 1]
    assert any("2 images are of another size" in sentence for sentence in evaluation.warnings)


def test_labels_that_no_box_has_are_said_and_no_label_at_all_is_an_error():
    images = ("a.png", "b.png")
    some = score_layouts(LAYOUTS, found=boxes_of("ours", images, [(0, "Cat", [10, 10, 20, 20], 0.9)]))
    assert some.outcomes[0].values["found50"] == 0.5  # capitals are of no account
    assert any("no box has the label 'dog'" in sentence for sentence in some.warnings)
    with pytest.raises(InputError, match=r"none of the labels of layouts \(cat, dog\) is one of ours \(katze\)"):
        score_layouts(LAYOUTS, found=boxes_of("ours", images, [(0, "katze", [10, 10, 20, 20], 0.9)]))
    nothing = score_layouts(LAYOUTS, found=boxes_of("ours", images, []))
    assert numbers(nothing)["ap"] == 0


def test_images_without_a_layout_are_named_or_left_out():
    found = boxes_of("ours", ("a.png", "b.png", "c.png"), [(0, "cat", [10, 10, 20, 20], 0.9)])
    with pytest.raises(InputError, match=r"c\.png"):
        score_layouts(LAYOUTS, found=found)
    evaluation = score_layouts(LAYOUTS, found=found, unmatched="skip")
    assert [one.image for one in evaluation.outcomes] == ["a.png", "b.png"]
    assert any("c.png" in sentence and "left out" in sentence for sentence in evaluation.warnings)


def test_sets_of_unequal_numbers_of_images_are_paired_by_layout():
    one = boxes_of("one", ("a.png", "b.png"), [(0, "cat", [10, 10, 20, 20], 0.9)])
    other = boxes_of("other", ("a_0.png", "a_1.png", "b_0.png"), [(0, "cat", [10, 10, 20, 20], 0.9)])
    evaluation = score_layouts(LAYOUTS, found={"one": one, "other": other})
    difference = evaluation.differences[0]
    assert (difference.first, difference.second, difference.n_prompts) == ("one", "other", 2)


def test_a_detector_looks_at_the_images(tmp_path):
    from PIL import Image

    for name, corner in (("a_0", (10, 10)), ("b_0", (0, 0))):
        pixels = np.zeros((100, 100, 3), np.uint8)
        pixels[corner[1] : corner[1] + 20, corner[0] : corner[0] + 20] = 255
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")

    def bright(batch):
        found = []
        for image in batch:
            rows, columns = np.nonzero(image[..., 0])
            found.append(([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], [0.9], ["cat"]))
        return found

    evaluation = score_layouts(LAYOUTS, str(tmp_path), detector=bright)
    assert [one.values["found50"] for one in evaluation.outcomes] == [0.5, 0]
    assert evaluation.manifest["sets"] == {tmp_path.name: str(tmp_path)} or list(
        evaluation.manifest["sets"].values()
    ) == [str(tmp_path)]


WRONG = {
    "an image that the truth has not": ((0, "cat"), ("z.png",), "boxes of the image 'z.png', which layouts has not"),
    "a category that it has not": (
        (0, "zebra"),
        ("a.png",),
        "the category 'zebra', which is none of layouts: cat, dog",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_boxes_of_something_else_are_named(case):
    (image, label), images, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        score_boxes(LAYOUTS, boxes_of("ours", images, [(image, label, [0, 0, 1, 1], 0.5)]))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_detections", [0]),
        ("seed", -1),
        ("zero_ids", "right"),
        ("ignored", "all"),
        ("protocol", "pascal"),
        ("groups", 1),
    ],
)
def test_options_that_cannot_be_are_named(option, value):
    found = boxes_of("ours", ("a.png", "b.png"), [(0, "cat", [10, 10, 20, 20], 0.9)])
    with pytest.raises(InputError):
        score_boxes(LAYOUTS, found, **{option: value})


def test_confidences_of_any_size_only_order_boxes():
    found = boxes_of("ours", ("a.png",), [(0, "cat", [10, 10, 20, 20], 37.5)])
    assert any("only their order counts" in sentence for sentence in score_boxes(LAYOUTS, found).warnings)


def test_the_document_is_the_same_as_text_and_as_values():
    found = boxes_of("ours", ("a.png", "b.png"), [(0, "cat", [10, 10, 20, 20], 0.9)])
    evaluation = score_boxes(LAYOUTS, found)
    assert json.loads(evaluation.to_json()) == json.loads(json.dumps(evaluation.to_dict()))
    nothing = dataclasses.replace(evaluation, outcomes=())
    assert json.loads(nothing.to_json())["images"] == []
    assert json.loads(evaluation.to_json())["images"][0] == json.loads(
        json.dumps(dataclasses.asdict(evaluation.outcomes[0]))
    )


@pytest.mark.parity
def test_results_of_masks_alone_have_the_masks_areas(tmp_path):
    mask = pytest.importorskip("pycocotools.mask")
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    corner, square = np.zeros((2, 200, 200), np.uint8)
    corner[10:70, 10:13] = corner[67:70, 10:70] = 1  # 60 x 60, of which strokes of 3 pixels are the object
    square[70:90, 70:90] = 1
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 200}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [70, 70, 20, 20], "area": 400, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [60, 60, 40, 40], "area": 1600, "iscrowd": 0},
        ],
    }
    found = []
    for pixels, score in ((corner, 0.9), (square, 0.5)):
        runs = mask.encode(np.asfortranarray(pixels))
        segmentation = {"size": runs["size"], "counts": runs["counts"].decode()}
        found.append({"image_id": 1, "category_id": 1, "segmentation": segmentation, "score": score})
    paths = written(tmp_path, truth, found)
    with contextlib.redirect_stdout(io.StringIO()):
        own = coco.COCO(paths[0])
        run = cocoeval.COCOeval(own, own.loadRes(paths[1]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ours = [math.nan if one is None else one for one in numbers(score_boxes(*paths)).values()]
    assert ours == pytest.approx([math.nan if one == -1 else one for one in run.stats], abs=1e-12, nan_ok=True)


def test_found_boxes_are_no_truth():
    found = boxes_of("ours", ("a.png",), [(0, "cat", [10, 10, 20, 20], 0.9)])
    with pytest.raises(InputError, match=r"truth has found boxes \(ours\)"):
        inspect.unwrap(score_boxes)(found, found)
    with pytest.raises(InputError, match=r"found has true boxes \(layouts\)"):
        inspect.unwrap(score_boxes)(LAYOUTS, LAYOUTS)


def test_found_boxes_in_parts_of_sides(tmp_path):
    truth, found = as_coco(box_set(3, flat=0))
    whole = score_boxes(*written(tmp_path, truth, found))
    for one in found:
        one["bbox"] = [side / 300 for side in one["bbox"]]
    kept = [one for one in found if min(one["bbox"]) >= 0 and one["bbox"][0] + one["bbox"][2] <= 1]
    kept = [one for one in kept if one["bbox"][1] + one["bbox"][3] <= 1]
    paths = written(tmp_path, truth, kept)
    with pytest.raises(InputError, match="normalised"):
        score_boxes(*paths)
    there = [{**one, "bbox": [side * 300 for side in one["bbox"]]} for one in kept]
    inside = score_boxes(*written(tmp_path, truth, there))
    paths = written(tmp_path, truth, kept)
    assert numbers(score_boxes(*paths, normalised=True))["ap"] == pytest.approx(numbers(inside)["ap"], abs=1e-9)
    assert numbers(whole)["ap"] is not None


def test_images_are_known_by_the_end_of_their_names():
    found = boxes_of(
        "ours", ("/data/val/a.png", "b"), [(0, "cat", [10, 10, 20, 20], 0.9), (1, "dog", [0, 0, 50, 50], 0.8)]
    )
    evaluation = score_boxes(LAYOUTS, found)
    assert [one.values["found50"] for one in evaluation.outcomes] == [0.5, 1]
    assert any("by the end of their name only, first '/data/val/a.png'" in sentence for sentence in evaluation.warnings)
    twice = boxes_of("ours", ("a.png", "x/a.png"), [(0, "cat", [0, 0, 9, 9], 0.9), (1, "cat", [0, 0, 9, 9], 0.8)])
    with pytest.raises(InputError, match="calls one image of layouts by two names"):
        score_boxes(LAYOUTS, twice)
