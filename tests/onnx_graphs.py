"""Graphs that really look at a picture: they find a red and a green rectangle and say it as an exported detector would.

Red is class 0 and green class 1, each with its own score. Where a decoding has rows to spare, they hold what must be
left out: where boxes are suppressed, a copy of the red box, a pixel wider, with a lower score; and boxes without a
score.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RED_SCORE, GREEN_SCORE, COPY_SCORE = 0.9, 0.8, 0.7
TYPES = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16, np.uint8: TensorProto.UINT8}


class Graph:
    """A graph under construction; each method adds a node and returns the name of what it gives."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def rows(self, *columns: str, axis: int = 1) -> str:
        """Numbers [1, 1] beside each other."""
        return self.add("Concat", *columns, axis=axis)

    def shaped(self, values: str, *shape: int) -> str:
        return self.add("Reshape", values, self.constant(shape, np.int64))

    def rectangle(self, image: str, channel: int, others: tuple[int, int], levels: float) -> list[str]:
        """Left, top, right, bottom and a 0 or 1 for whether there is one, of an image [1, 3, H, W]; each [1, 1]."""

        def plane(number: int) -> str:
            found = self.add("Gather", image, self.constant(number, np.int64), axis=1)
            return self.add("Div", found, self.constant(levels))

        rest = self.add("Add", plane(others[0]), plane(others[1]))
        above = self.add("Greater", self.add("Sub", plane(channel), rest), self.constant(0.5))
        mask = self.add("Cast", above, to=TensorProto.FLOAT)
        columns = self.add("ReduceMax", mask, axes=[1], keepdims=0)
        rows = self.add("ReduceMax", mask, axes=[2], keepdims=0)
        one = self.constant(1)

        def end(line: str, last: int) -> str:
            place = self.add("ArgMax", line, axis=1, keepdims=1, select_last_index=last)
            found = self.add("Cast", place, to=TensorProto.FLOAT)
            return self.add("Add", found, one) if last else found

        there = self.add("ReduceMax", rows, axes=[1], keepdims=1)
        return [end(columns, 0), end(rows, 0), end(columns, 1), end(rows, 1), there]

    def centred(self, box: list[str]) -> list[str]:
        """Centre, width and height of corners."""
        half = self.constant(0.5)
        left, top, right, bottom = box[:4]
        middle = [self.add("Mul", self.add("Add", a, b), half) for a, b in ((left, right), (top, bottom))]
        return [*middle, self.add("Sub", right, left), self.add("Sub", bottom, top)]

    def scaled(self, values: list[str], factors: list[float]) -> list[str]:
        return [self.add("Mul", value, self.constant(factor)) for value, factor in zip(values, factors, strict=True)]


def write_model(
    path: Path,
    outputs: Callable[[Graph, list[str], list[str]], dict[str, str]],
    *,
    shape: tuple = (1, 3, 160, 160),
    dtype: type = np.float32,
    levels: float = 1.0,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Writes a model.

    Args:
      path: of the file.
      outputs: adds nodes to a graph that has found the red and the green rectangle, and names its outputs.
      shape: of the input.
      dtype: of the input.
      levels: what white is there.
      metadata: beside the graph.
    """
    graph = Graph()
    image = graph.add("Cast", "images", to=TensorProto.FLOAT)
    if shape[-1] == 3:
        image = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    if len(shape) == 3:
        image = graph.add("Unsqueeze", image, graph.constant([0], np.int64))
    red = graph.rectangle(image, 0, (1, 2), levels)
    green = graph.rectangle(image, 1, (0, 2), levels)
    named = outputs(graph, red, green)
    for name, inner in named.items():
        graph.nodes.append(helper.make_node("Identity", [inner], [name]))
    kinds = {"labels": TensorProto.INT64}
    made = helper.make_graph(
        graph.nodes,
        "rectangles",
        [helper.make_tensor_value_info("images", TYPES[dtype], shape)],
        [helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), None) for name in named],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
    return path


def _scores(graph: Graph, box: list[str], score: float, place: int, classes: int = 2) -> list[str]:
    own = graph.add("Mul", box[4], graph.constant(score))
    zero = graph.constant([[0.0]])
    return [own if number == place else zero for number in range(classes)]


def yolov8(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    copy = [red[0], red[1], graph.add("Add", red[2], graph.constant(1.0)), red[3], red[4]]
    columns = []
    for box, score, place in ((copy, COPY_SCORE, 0), (red, RED_SCORE, 0), (green, GREEN_SCORE, 1)):
        numbers = [*graph.centred(box), *_scores(graph, box, score, place)]
        columns.append(graph.shaped(graph.rows(*numbers), 1, 6, 1))
    rest = graph.constant(np.tile([[8], [8], [16], [16], [0.1], [0.0]], (1, 1, 5)))
    return {"output0": graph.add("Concat", *columns, rest, axis=2)}


def yolov5(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    copy = [red[0], red[1], graph.add("Add", red[2], graph.constant(1.0)), red[3], red[4]]
    rows = []
    for box, score, place in ((copy, COPY_SCORE, 0), (red, RED_SCORE, 0), (green, GREEN_SCORE, 1)):
        numbers = [*graph.centred(box), graph.constant([[0.5]]), *_scores(graph, box, 1.0, place)]
        numbers[4] = graph.add("Mul", box[4], graph.constant(score))
        rows.append(graph.shaped(graph.rows(*numbers), 1, 1, 7))
    rest = graph.constant(np.tile([8, 8, 16, 16, 0.2, 1.0, 0.0], (1, 5, 1)))
    maps = graph.constant(np.zeros((1, 3, 4, 4, 7)))
    return {"output0": graph.add("Concat", *rows, rest, axis=1), "raw": maps}


def rows_of_six(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    rows = []
    for box, score, place in ((green, GREEN_SCORE, 1), (red, RED_SCORE, 0)):
        own = graph.add("Mul", box[4], graph.constant(score))
        rows.append(graph.shaped(graph.rows(*box[:4], own, graph.constant([[float(place)]])), 1, 1, 6))
    return {"output0": graph.add("Concat", *rows, graph.constant(np.zeros((1, 10, 6))), axis=1)}


def _queries(graph: Graph, boxes: list[list[str]], sides: float) -> str:
    rows = [graph.shaped(graph.rows(*graph.scaled(graph.centred(box), [1 / sides] * 4)), 1, 1, 4) for box in boxes]
    return graph.add("Concat", *rows, graph.constant(np.full((1, 2, 4), 0.25)), axis=1)


def _logits(graph: Graph, box: list[str], there: list[float], absent: list[float]) -> str:
    """The first where the box is there, the second where it is not."""
    difference = graph.constant([np.subtract(there, absent)])
    row = graph.add("Add", graph.add("Mul", difference, box[4]), graph.constant([absent]))
    return graph.shaped(row, 1, 1, len(there))


def detr(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    """Logits whose softmax is the score of the class, and the rest of no object."""
    nothing = [-30.0, -30.0, 0.0]
    rows = [
        _logits(graph, red, [np.log(RED_SCORE), -30.0, np.log(1 - RED_SCORE)], nothing),
        _logits(graph, green, [-30.0, np.log(GREEN_SCORE), np.log(1 - GREEN_SCORE)], nothing),
    ]
    rest = graph.constant(np.tile(nothing, (1, 2, 1)))
    logits = graph.add("Concat", *rows, rest, axis=1)
    return {"logits": logits, "pred_boxes": _queries(graph, [red, green], 160.0)}


def rt_detr(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    """Logits whose sigmoid is the score."""

    def logit(score: float) -> float:
        return float(np.log(score / (1 - score)))

    nothing = [-30.0, -30.0]
    rows = [
        _logits(graph, red, [logit(RED_SCORE), -30.0], nothing),
        _logits(graph, green, [-30.0, logit(GREEN_SCORE)], nothing),
    ]
    logits = graph.add("Concat", *rows, graph.constant(np.tile(nothing, (1, 2, 1))), axis=1)
    return {"logits": logits, "pred_boxes": _queries(graph, [red, green], 160.0)}


def torchvision(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    boxes = graph.add("Concat", *(graph.rows(*box[:4]) for box in (red, green)), axis=0)
    scores = [graph.add("Mul", box[4], graph.constant(s)) for box, s in ((red, RED_SCORE), (green, GREEN_SCORE))]
    labels = graph.constant([1, 2], np.int64)
    return {"boxes": boxes, "labels": labels, "scores": graph.shaped(graph.rows(*scores), 2)}


def tensorflow(graph: Graph, red: list[str], green: list[str]) -> dict[str, str]:
    rows = []
    for box in (red, green):
        swapped = [box[1], box[0], box[3], box[2]]
        rows.append(graph.shaped(graph.rows(*graph.scaled(swapped, [1 / 160] * 4)), 1, 1, 4))
    scores = [graph.add("Mul", box[4], graph.constant(s)) for box, s in ((red, RED_SCORE), (green, GREEN_SCORE))]
    rest = graph.constant(np.full((1, 3, 4), 0.5))
    return {
        "detection_boxes": graph.add("Concat", *rows, rest, axis=1),
        "detection_classes": graph.constant([[1.0, 2.0, 9.0, 9.0, 9.0]]),
        "detection_scores": graph.add("Concat", *scores, graph.constant([[0.99, 0.99, 0.99]]), axis=1),
        "num_detections": graph.constant([2.0]),
    }
