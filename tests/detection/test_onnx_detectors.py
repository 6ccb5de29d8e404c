"""Exported detectors: each decoding on a graph that finds rectangles in pictures, run by onnxruntime."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnx_graphs as graphs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from jaxeval.detection import Detector, Findings, find_boxes, load_detector
from jaxeval.detection.coco_names import COCO_NAMES, COCO_NAMES_BY_NUMBER
from jaxeval.detection.network_input import NetworkInput
from jaxeval.detection.suppression import kept_boxes
from jaxeval.errors import InputError

RED, GREEN = [12, 8, 30, 22], [40, 4, 70, 16]  # left, top, right, bottom; even, so that halves are whole
NAMES = {"names": "{0: 'red', 1: 'green'}"}
# A decoding's graph, its input and what stands for white there, and the labels that its numbers need.
EXPORTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "yolov8": (graphs.yolov8, {}, "red\ngreen"),
    "yolov5": (graphs.yolov5, {}, "red\ngreen"),
    "yolov8-nms": (graphs.rows_of_six, {}, "red\ngreen"),
    "yolov10": (graphs.rows_of_six, {}, "red\ngreen"),
    "detr": (graphs.detr, {"levels": 1.0}, "red\ngreen"),
    "rt-detr": (graphs.rt_detr, {}, "red\ngreen"),
    "torchvision": (graphs.torchvision, {"shape": (3, "height", "width")}, "background\nred\ngreen"),
    "tensorflow": (graphs.tensorflow, {"shape": (1, 160, 160, 3), "dtype": np.uint8, "levels": 255.0}, "red\ngreen"),
}


def picture(height: int = 40, width: int = 80, *, green: bool = True) -> np.ndarray:
    pixels = np.full((height, width, 3), 60, np.uint8)
    for (left, top, right, bottom), colour in ((RED, (255, 0, 0)), (GREEN, (0, 255, 0)))[: 1 + green]:
        pixels[top:bottom, left:right] = colour
    return pixels


def exported(folder: Path, decoding: str, **options: str) -> Detector:
    build, inputs, labels = EXPORTS[decoding]
    model = graphs.write_model(folder / f"{decoding}.onnx", build, **inputs)
    (folder / "labels.txt").write_text(labels)
    if decoding == "detr":
        options = {"normalisation": "unit", **options}  # the graph looks at levels, not at deviations
    given = "".join(f"&{key}={value}" for key, value in options.items())
    return load_detector(f"onnx:{model}?decoding={decoding}&labels={folder / 'labels.txt'}{given}")


def corners(found: Findings) -> list[list[float]]:
    return np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], 1).tolist()


@pytest.mark.parametrize("decoding", EXPORTS)
@pytest.mark.parametrize("size", [(40, 80), (320, 160), (80, 160), (160, 160)])
def test_each_decoding_gives_the_planted_boxes_in_pixels_of_the_image(tmp_path, decoding, size):
    """Sizes that scale by 2, by 1/2 and by 1 on some axis, so that edges of rectangles stay on edges of pixels."""
    detector = exported(tmp_path, decoding)
    (found,) = detector([picture(*size)])
    assert found.labels == ("red", "green")
    # Boxes and scores go through float32 in the graph.
    np.testing.assert_allclose(corners(found), [RED, GREEN], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.scores, [graphs.RED_SCORE, graphs.GREEN_SCORE], rtol=0, atol=1e-6)


@pytest.mark.parametrize("decoding", EXPORTS)
def test_what_is_not_in_the_picture_is_not_found(tmp_path, decoding):
    detector = exported(tmp_path, decoding)
    one, none = detector([picture(green=False), np.zeros((50, 70, 3), np.uint8)])
    assert one.labels == ("red",)
    assert none.labels == ()
    assert none.boxes.shape == (0, 4)


@pytest.mark.parametrize("decoding", EXPORTS)
def test_exports_look_at_sets_and_are_kept_under_all_that_decides(tmp_path, decoding):
    detector = exported(tmp_path, decoding)
    images = np.stack([picture(), picture(green=False)])
    first = find_boxes(images, detector, cache=tmp_path / "cache")
    assert first.image.tolist() == [0, 0, 1]
    calls = []
    broken = Detector(detector.name, calls.append, detector.labels, detector.identity)
    again = find_boxes(images, broken, cache=tmp_path / "cache")
    assert calls == []
    assert again.boxes.tolist() == first.boxes.tolist()
    other = exported(tmp_path, decoding, confidence="0.85")
    assert find_boxes(images, other, cache=tmp_path / "cache").image.tolist() == [0, 1]
    assert json.dumps(detector.identity) != json.dumps(other.identity)
    assert len(detector.identity["sha256"]) == 64


@pytest.mark.parametrize(
    ("option", "value", "scores"),
    [
        ("confidence", "0.05", [0.9, 0.8, 0.1]),  # the five boxes of a low score are one place
        ("iou", "0.99", [0.9, 0.8, 0.7]),
        ("most", "1", [0.9]),
        ("agnostic", "yes", [0.9, 0.8]),
        ("confidence", "0.85", [0.9]),
    ],
)
def test_options_decide_what_is_kept(tmp_path, option, value, scores):
    (found,) = exported(tmp_path, "yolov8", **{option: value})([picture()])
    np.testing.assert_allclose(found.scores, scores, rtol=0, atol=1e-6)


def test_a_box_may_count_for_several_classes(tmp_path):
    def both(graph, red, green):
        scores = graph.constant([[0.6]]), graph.constant([[0.5]])
        column = graph.shaped(graph.rows(*graph.centred(red), *scores), 1, 6, 1)
        return {"output0": graph.add("Concat", column, graph.constant(np.zeros((1, 6, 6))), axis=2)}

    model = graphs.write_model(tmp_path / "m.onnx", both, metadata=NAMES)
    (one,) = load_detector(f"onnx:{model}?decoding=yolov8")([picture()])
    (two,) = load_detector(f"onnx:{model}?decoding=yolov8&multi_label=yes")([picture()])
    assert one.labels == ("red",)
    assert two.labels == ("red", "green")
    assert corners(two)[0] == corners(two)[1]


def test_networks_of_any_size_need_one_unless_it_is_written_or_they_resize_themselves(tmp_path):
    model = graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, shape=(1, 3, "h", "w"), metadata=NAMES)
    with pytest.raises(InputError, match=r"takes images of any size; give the size .* as in size=640"):
        load_detector(f"onnx:{model}?decoding=yolov8")
    for size in ("160", "80x160", "160,80", "320"):
        (found,) = load_detector(f"onnx:{model}?decoding=yolov8&size={size}")([picture(80, 80)])
        np.testing.assert_allclose(corners(found), [RED, GREEN], rtol=0, atol=1e-4)
    (found,) = load_detector(f"onnx:{model}?decoding=yolov8&fitting=none")([picture(43, 87)])
    np.testing.assert_allclose(corners(found), [RED, GREEN], rtol=0, atol=1e-4)
    written = graphs.write_model(
        tmp_path / "w.onnx", graphs.yolov8, shape=(1, 3, "h", "w"), metadata={**NAMES, "imgsz": "[160, 160]"}
    )
    detector = load_detector(f"onnx:{written}?decoding=yolov8")
    assert detector.identity["size"] == [160, 160]
    torch = exported(tmp_path, "torchvision")
    assert (torch.identity["size"], torch.identity["fitting"]) == (None, "none")
    with pytest.raises(InputError, match="takes images of 160 x 160 alone; leave size= out"):
        exported(tmp_path, "yolov8", size="320")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_any_type_and_number_of_images_is_taken(tmp_path, dtype, batch):
    model = graphs.write_model(
        tmp_path / "m.onnx", graphs.yolov8, shape=(batch, 3, 160, 160), dtype=dtype, metadata=NAMES
    )
    found = load_detector(f"onnx:{model}?decoding=yolov8")([picture(), picture()])
    assert [one.labels for one in found] == [("red", "green")] * 2


def test_channels_may_be_blue_first(tmp_path):
    blue = picture()[:, :, ::-1].copy()
    (found,) = exported(tmp_path, "yolov8", channels="bgr")([blue])
    np.testing.assert_allclose(corners(found), [RED, GREEN], rtol=0, atol=1e-4)


def test_names_are_those_of_the_model_unless_others_are_given(tmp_path):
    model = graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, metadata=NAMES)
    assert load_detector(f"onnx:{model}?decoding=yolov8").labels == ("red", "green")
    (tmp_path / "names.txt").write_text("rot\ngrün\n")
    assert load_detector(f"onnx:{model}?decoding=yolov8&labels={tmp_path / 'names.txt'}").labels == ("rot", "grün")
    with pytest.raises(InputError, match="gives scores of 2 classes by decoding=yolov8, and there are 80 labels"):
        load_detector(f"onnx:{model}?decoding=yolov8&labels=coco")
    unnamed = graphs.write_model(tmp_path / "u.onnx", graphs.yolov8)
    with pytest.raises(InputError, match=r"has no names of its categories; give labels=FILE .*, or labels=coco"):
        load_detector(f"onnx:{unnamed}?decoding=yolov8")


def test_names_of_coco_are_its_own():
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[-1]) == ("person", "toothbrush")
    assert len(COCO_NAMES_BY_NUMBER) == 91
    numbers = {"person": 1, "stop sign": 13, "cat": 17, "backpack": 27, "handbag": 31, "wine glass": 46, "book": 84}
    assert {name: COCO_NAMES_BY_NUMBER.index(name) for name in numbers} == numbers


@pytest.mark.parametrize(
    "names", ["[" * 100_000, "__import__('os').abort()", "{0: 'a', 2: 'b'}", "3", "{0: 1}", "'a'*9"]
)
def test_names_in_a_model_are_read_and_never_run(tmp_path, names):
    model = graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, metadata={"names": names})
    with pytest.raises(InputError, match=r"m\.onnx has (names|label)") as caught:
        load_detector(f"onnx:{model}?decoding=yolov8")
    assert len(str(caught.value)) < 400


@pytest.mark.parity
@pytest.mark.parametrize(("decoding", "classes"), [("detr", 5), ("rt-detr", 4)])
@pytest.mark.usefixtures("torch")
def test_queries_are_decoded_as_transformers_does(tmp_path, decoding, classes):
    import torch
    from transformers.models.detr.image_processing_detr import DetrImageProcessor
    from transformers.models.rt_detr.image_processing_rt_detr import RTDetrImageProcessor

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (1, 40, classes)).astype(np.float32)
    boxes = np.concatenate([rng.uniform(0.3, 0.7, (1, 40, 2)), rng.uniform(0.05, 0.5, (1, 40, 2))], 2).astype(
        np.float32
    )
    model = graphs.write_model(tmp_path / "m.onnx", constant_outputs({"logits": logits, "pred_boxes": boxes}))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    spec = f"onnx:{model}?decoding={decoding}&labels={tmp_path / 'labels.txt'}&confidence=0.3"
    (ours,) = load_detector(spec)([picture(123, 77)])
    processor = {"detr": DetrImageProcessor, "rt-detr": RTDetrImageProcessor}[decoding]()
    outputs = SimpleNamespace(logits=torch.tensor(logits), pred_boxes=torch.tensor(boxes))
    (theirs,) = processor.post_process_object_detection(outputs, threshold=0.3, target_sizes=[(123, 77)])
    order = np.argsort(-theirs["scores"].numpy(), kind="stable")
    assert len(ours) == len(order) > 10
    assert [*map("abcd".index, ours.labels)] == theirs["labels"].numpy()[order].tolist()
    # They compute in float32, of pixels below 123.
    np.testing.assert_allclose(ours.scores, theirs["scores"].numpy()[order], rtol=1e-6, atol=0)
    np.testing.assert_allclose(corners(ours), theirs["boxes"].numpy()[order], rtol=0, atol=1e-4)


# What does not fit.


def test_outputs_that_do_not_fit_are_named_with_the_decodings_that_would(tmp_path):
    model = graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, metadata=NAMES)
    with pytest.raises(
        InputError, match=r"outputs are output0 \[1, 6, 8\] of float32, not those of decoding=detr; .* fits: yolov8"
    ):
        load_detector(f"onnx:{model}?decoding=detr")
    with pytest.raises(InputError, match=r"needs decoding=NAME, .*; by their shapes fits: yolov8$"):
        load_detector(f"onnx:{model}")
    with pytest.raises(InputError, match="has decoding=yolo; choose from yolov8, yolov5"):
        load_detector(f"onnx:{model}?decoding=yolo")
    six = graphs.write_model(tmp_path / "six.onnx", graphs.rows_of_six, metadata=NAMES)
    with pytest.raises(InputError, match=r"by their shapes fits: yolov5, yolov8-nms, yolov10$"):
        load_detector(f"onnx:{six}")
    (tmp_path / "labels.txt").write_text("red\ngreen")
    masks = graphs.write_model(
        tmp_path / "s.onnx",
        lambda g, r, b: {**graphs.yolov8(g, r, b), "protos": g.constant(np.zeros((1, 32, 8, 8)))},
        metadata=NAMES,
    )
    with pytest.raises(
        InputError, match=r"protos \[1, 32, 8, 8\] of float32, not those of decoding=yolov8; .* fits: none"
    ):
        load_detector(f"onnx:{masks}?decoding=yolov8")


def constant_outputs(values: dict[str, Any]):
    return lambda graph, red, green: {name: graph.constant(one) for name, one in values.items()}


@pytest.mark.parametrize(
    ("decoding", "values", "message"),
    [
        (
            "yolov8",
            {"output0": np.full((1, 6, 8), 7.5)},
            "the scores are from 7.5 to 7.5 by decoding=yolov8; from 0 to 1",
        ),
        ("yolov8", {"output0": np.full((1, 6, 8), np.nan)}, "the outputs have values that are not finite"),
        ("yolov10", {"output0": np.full((1, 8, 6), 0.5)}, "the classes have .0.5., which are no whole numbers"),
        ("yolov10", {"output0": [[[0, 0, 1, 1, 0.5, 7]]]}, "gives, of image 0 of the batch, label 7; its 2 labels"),
        ("yolov10", {"output0": [[[9, 9, 1, 1, 0.5, 1]]]}, "gives, of image 0 of the batch, a box of width -"),
        (
            "tensorflow",
            {
                "detection_boxes": np.zeros((1, 3, 4)),
                "detection_classes": np.ones((1, 3)),
                "detection_scores": np.ones((1, 3)),
                "num_detections": [9.0],
            },
            "num_detections is 9, and there are 3 boxes",
        ),
    ],
)
def test_outputs_with_wrong_values_are_refused(tmp_path, decoding, values, message):
    model = graphs.write_model(tmp_path / "m.onnx", constant_outputs(values), metadata=NAMES)
    with pytest.raises(InputError, match=message):
        load_detector(f"onnx:{model}?decoding={decoding}")([picture()])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("decoding=yolov8&confidence=high", "has confidence=high; give a number from 0 to 1"),
        ("decoding=yolov8&iou=2", "has iou=2; give a number from 0 to 1"),
        ("decoding=yolov8&most=0", "has most=0; give a number from 1 to 100000"),
        ("decoding=yolov8&most=1.5", "has most=1.5; give a whole number"),
        ("decoding=yolov8&agnostic=perhaps", "has agnostic=perhaps; give yes or no"),
        ("decoding=yolov8&first_label=2", "has first_label=2"),
        ("decoding=yolov8&size=wide", "has size=wide; give a number of pixels, or HEIGHTxWIDTH"),
        ("decoding=yolov8&fitting=crop", "fitting is 'crop'; choose from letterbox, stretch, none"),
        ("decoding=yolov8&fitting=none", "fitting=none is for networks that take images of any size|fails on an input"),
        ("decoding=yolov8&normalisation=half", "normalisation is 'half'; choose from unit, imagenet"),
        ("decoding=yolov8&channels=gbr", "channels is 'gbr'; choose from rgb, bgr"),
        ("decoding=yolov8&interpolation=cubic", "interpolation is 'cubic'; choose from"),
        ("decoding=yolov8&fill=300", "has fill=300"),
        ("decoding=yolov8&colour=red", "has no option 'colour'; it has agnostic, centred"),
        ("decoding=yolov10&iou=0.5", "has no option 'iou'"),
        ("decoding=yolov8&threads=0", "has threads=0"),
        ("decoding=yolov8&labels=gone.txt", "the file of labels 'gone.txt' cannot be read"),
    ],
)
def test_options_that_are_none_are_refused(tmp_path, query, message):
    build = graphs.rows_of_six if "yolov10" in query else graphs.yolov8
    model = graphs.write_model(tmp_path / "m.onnx", build, metadata=NAMES)
    with pytest.raises(InputError, match=message):
        load_detector(f"onnx:{model}?{query}")


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.onnx cannot be read: No such file"):
        load_detector(f"onnx:{tmp_path / 'gone.onnx'}?decoding=yolov8")
    with pytest.raises(InputError, match=r"onnx: cannot be read"):
        load_detector("onnx:")
    model = graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, metadata=NAMES)
    for content in (b"", b"not a model", model.read_bytes()[: model.stat().st_size // 2]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.onnx (is no ONNX model that can be run|has the inputs)") as caught:
            load_detector(f"onnx:{tmp_path / 'bad.onnx'}?decoding=yolov8")
        assert "\n" not in str(caught.value)
    for task in ("segment", "pose"):
        other = graphs.write_model(tmp_path / "t.onnx", graphs.yolov8, metadata={**NAMES, "task": task})
        with pytest.raises(InputError, match=f"is a model for the task '{task}'; export one for the task 'detect'"):
            load_detector(f"onnx:{other}?decoding=yolov8")
    two = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["c"])],
        "two",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in "ab"],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, (1, 3, 8, 8))],
    )
    onnx.save(
        helper.make_model(two, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(tmp_path / "two.onnx")
    )
    with pytest.raises(InputError, match=r"has the inputs a \[1, 3, 8, 8\] tensor\(float\), b .*; one image"):
        load_detector(f"onnx:{tmp_path / 'two.onnx'}?decoding=yolov8")


def test_models_name_no_other_files(tmp_path):
    """Weights outside the file would be outside its digest, and anywhere on the disk."""
    model = onnx.load(str(graphs.write_model(tmp_path / "m.onnx", graphs.yolov8, metadata=NAMES)))
    onnx.save_model(
        model, str(tmp_path / "e.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").exists()
    with pytest.raises(InputError, match=r"is no ONNX model that can be run .*save it as one file"):
        load_detector(f"onnx:{tmp_path / 'e.onnx'}?decoding=yolov8")


def test_files_are_found_among_the_weights_by_their_names(tmp_path):
    graphs.write_model(tmp_path / "m_of_weights.onnx", graphs.yolov8, metadata=NAMES)
    detector = load_detector("onnx:m_of_weights.onnx?decoding=yolov8", weights_dir=tmp_path)
    assert detector.name == "onnx:m_of_weights.onnx"
    with pytest.raises(InputError, match="cannot be read"):
        load_detector("onnx:../m_of_weights.onnx?decoding=yolov8", weights_dir=tmp_path)


# Preparing images, and boxes back.


@given(
    image=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    fitting=st.sampled_from(["letterbox", "stretch"]),
    centred=st.booleans(),
)
def test_the_whole_image_is_the_whole_of_its_place_and_back(image, size, fitting, centred):
    entry = NetworkInput(size, fitting, centred)
    values, placed = entry.prepared(np.full((*image, 3), 255, np.uint8))
    assert values.shape == (3, *size)
    white = values[0] == 1.0
    rows, columns = np.nonzero(white)
    inside = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert white.sum() == (inside[2] - inside[0]) * (inside[3] - inside[1])
    # Two roundings of numbers below 300 each way.
    np.testing.assert_allclose(
        placed.to_image(np.array([inside], np.float64)), [[0, 0, image[1], image[0]]], rtol=0, atol=4 * 300 * 2**-52
    )
    assert np.isin(values, [1.0, 114 / 255]).all()
    if fitting == "letterbox":
        assert inside[2] - inside[0] == size[1] or inside[3] - inside[1] == size[0]


def test_letterboxes_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for height, width in ((37, 90), (200, 120), (64, 64), (301, 77)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        values, _ = NetworkInput((96, 128)).prepared(image)
        ratio = min(96 / height, 128 / width)
        inner = round(width * ratio), round(height * ratio)
        down, across = (96 - inner[1]) / 2, (128 - inner[0]) / 2
        ends = [round(down - 0.1), round(down + 0.1), round(across - 0.1), round(across + 0.1)]
        resized = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
        theirs = cv2.copyMakeBorder(resized, *ends, cv2.BORDER_CONSTANT, value=(114, 114, 114))
        # OpenCV's weights of 8-bit images have 11 bits: a level of rounding.
        assert np.abs(values * 255 - theirs.transpose(2, 0, 1)).max() <= 1 + 1e-9


def test_levels_are_normalised_by_name():
    image = np.tile(np.array([[[255, 0, 51]]], np.uint8), (4, 4, 1))
    expected = {
        "unit": [1, 0, 0.2],
        "none": [255, 0, 51],
        "signed": [1, -1, -0.6],
        "imagenet": [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225],
    }
    for name, values in expected.items():
        found, _ = NetworkInput((4, 4), normalisation=name).prepared(image)
        np.testing.assert_allclose(found[:, 0, 0], values, rtol=1e-15, atol=0)
        last, _ = NetworkInput((4, 4), normalisation=name, channels_first=False).prepared(image)
        assert (last.transpose(2, 0, 1) == found).all()


# Suppression.


def brute_force(boxes, scores, classes, threshold, agnostic):
    """The definition, box by box."""
    kept = []
    for place in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        left, top, right, bottom = boxes[place]
        good = True
        for other in kept:
            if not agnostic and classes[other] != classes[place]:
                continue
            l2, t2, r2, b2 = boxes[other]
            shared = max(0.0, min(right, r2) - max(left, l2)) * max(0.0, min(bottom, b2) - max(top, t2))
            union = (right - left) * (bottom - top) + (r2 - l2) * (b2 - t2) - shared
            if union > 0 and shared / union > threshold:
                good = False
        if good:
            kept.append(place)
    return kept


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 12, (count, 2)).astype(float)
    boxes = np.concatenate([places, places + rng.integers(0, 9, (count, 2))], 1)
    return boxes, rng.integers(0, 6, count) / 5, rng.integers(0, 3, count)  # with equal scores


@pytest.mark.parametrize(("threshold", "agnostic"), list(itertools.product([0.0, 0.3, 0.5, 1.0], [False, True])))
def test_suppression_is_its_definition(threshold, agnostic):
    for seed in range(40):
        boxes, scores, classes = random_boxes(seed, seed)
        expected = brute_force(boxes, scores, classes, threshold, agnostic)
        assert kept_boxes(boxes, scores, classes, threshold, agnostic=agnostic).tolist() == expected
        some = kept_boxes(boxes, scores, classes, threshold, agnostic=agnostic, most=3)
        assert some.tolist() == expected[:3]


def test_suppression_is_that_of_opencv():
    cv2 = pytest.importorskip("cv2")
    for seed in range(30):
        rng = np.random.default_rng(seed)
        places = rng.uniform(0, 50, (60, 2))
        boxes = np.concatenate([places, places + rng.uniform(1, 30, (60, 2))], 1)
        scores = rng.permutation(60) / 60 + 0.01
        sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        theirs = cv2.dnn.NMSBoxes(sides.tolist(), scores.tolist(), 0.0, 0.5)
        assert kept_boxes(boxes, scores, np.zeros(60, int), 0.5).tolist() == np.asarray(theirs).tolist()


def test_many_boxes_are_suppressed_quickly():
    import time

    rng = np.random.default_rng(0)
    places = rng.uniform(0, 600, (25_200, 2))
    boxes = np.concatenate([places, places + rng.uniform(5, 100, (25_200, 2))], 1)
    begin = time.process_time()
    kept_boxes(boxes, rng.random(25_200), rng.integers(0, 80, 25_200), 0.45, most=300)
    assert time.process_time() - begin < 5
