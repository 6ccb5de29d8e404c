"""What the outputs of exported detectors mean: boxes, scores and classes, by who writes them so."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxeval.errors import InputError

Outputs = Mapping[str, np.ndarray]
_BOX, _ROW = 4, 6  # numbers of a box, and of a box with its score and class
_ROUNDING = 2.0**-10  # of a score in float16


class Candidates(NamedTuple):
    """What a network says of one image, before anything is left out.

    Attributes:
      boxes: left, top, right and bottom in pixels of its input.
      scores: of each box and class, shape [n, classes]; or shape [n] where `classes` tells whose they are.
      classes: of each box; None where there are scores of all.
    """

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, "..."]
    classes: Int[np.ndarray, " n"] | None


@dataclasses.dataclass(frozen=True)
class Decoding:
    """One meaning of outputs.

    Attributes:
      name: of the decoding.
      exporter: who writes outputs so, and what they are.
      arranged: the outputs that it needs, in its order, each of one image; None where they do not fit.
      decode: takes these and the height and width of the input.
      overlapping: whether one object has several boxes, so that all but one are to be suppressed.
      threshold: the overlap above which they are, by the exporter's own tool.
      fitting, normalisation, interpolation: how the exporter's own tool prepares images, see `network_input`; with the
        fitting `none` the network resizes by itself.
      clipped: whether its own tool cuts boxes off at the image's sides.
      first_label: the number of the first class.
    """

    name: str
    exporter: str
    arranged: Callable[[Outputs], tuple[np.ndarray, ...] | None]
    decode: Callable[..., Candidates]
    overlapping: bool = False
    threshold: float = 0.7
    fitting: str = "stretch"
    normalisation: str = "unit"
    interpolation: str = "pil-bilinear-uint8"
    clipped: bool = True
    first_label: int = 0


def _centres_to_corners(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def _sides(size: tuple[int, int]) -> Float[np.ndarray, "4"]:
    return np.array([size[1], size[0], size[1], size[0]], np.float64)


def _only_rows(outputs: Outputs) -> np.ndarray | None:
    """The one output of three axes, of one image; beside it there may be the raw maps of five axes."""
    found = [output for output in outputs.values() if output.ndim != 5]
    return found[0][0] if len(found) == 1 and found[0].ndim == 3 and found[0].shape[0] == 1 else None


def _columns_of_boxes(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    found = _only_rows(outputs)
    return (found,) if found is not None and _BOX < found.shape[0] <= found.shape[1] else None


def _decode_yolov8(found: np.ndarray, size: tuple[int, int]) -> Candidates:
    return Candidates(_centres_to_corners(found[:_BOX].T), found[_BOX:].T, None)


def _rows_of_boxes(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    found = _only_rows(outputs)
    return (found,) if found is not None and _BOX + 1 < found.shape[1] <= found.shape[0] else None


def _decode_yolov5(found: np.ndarray, size: tuple[int, int]) -> Candidates:
    scores = found[:, _BOX : _BOX + 1] * found[:, _BOX + 1 :]
    return Candidates(_centres_to_corners(found[:, :_BOX]), scores, None)


def _rows_of_six(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    found = _only_rows(outputs)
    return (found,) if found is not None and found.shape[1] == _ROW else None


def _decode_rows_of_six(found: np.ndarray, size: tuple[int, int]) -> Candidates:
    return Candidates(found[:, :_BOX], found[:, _BOX], _whole(found[:, _BOX + 1]))


def _queries(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    """Logits and boxes of queries: by their names, or as the outputs with four numbers and with more a query."""
    named = [outputs.get("logits"), outputs.get("pred_boxes")]
    if any(output is None for output in named):
        boxes = [output for output in outputs.values() if output.ndim == 3 and output.shape[2] == _BOX]
        others = [output for output in outputs.values() if output.ndim == 3 and output.shape[2] != _BOX]
        named = [others[0], boxes[0]] if len(outputs) == 2 and len(boxes) == len(others) == 1 else named
    logits, boxes = named
    if logits is None or boxes is None or logits.ndim != 3 or boxes.ndim != 3:
        return None
    fit = logits.shape[:2] == boxes.shape[:2] and logits.shape[0] == 1 and boxes.shape[2] == _BOX
    return (logits[0], boxes[0]) if fit else None


def _queries_or_nothing(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    found = _queries(outputs)
    return found if found is not None and found[0].shape[1] > 1 else None  # the last class is that of no object


def _decode_detr(logits: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Candidates:
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    return Candidates(_centres_to_corners(boxes) * _sides(size), chances[:, :-1], None)


def _decode_rt_detr(logits: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Candidates:
    """Of all pairs of a query and a class the best, as many as there are queries."""
    chances = 0.5 * (1 + np.tanh(logits / 2))
    best = np.argsort(-chances.reshape(-1), kind="stable")[: len(logits)]
    queries, classes = np.divmod(best, logits.shape[1])
    corners = _centres_to_corners(boxes) * _sides(size)
    return Candidates(corners[queries], chances.reshape(-1)[best], classes)


def _lists(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    """Boxes [n, 4], scores [n] and labels [n]: by their kinds, since exporters number the names."""
    boxes = [output for output in outputs.values() if output.ndim == 2 and output.shape[1] == _BOX]
    scores = [output for output in outputs.values() if output.ndim == 1 and output.dtype.kind == "f"]
    labels = [output for output in outputs.values() if output.ndim == 1 and output.dtype.kind in "iu"]
    if not len(boxes) == len(scores) == len(labels) == 1:
        return None
    same = len(boxes[0]) == len(scores[0]) == len(labels[0])
    return (boxes[0], scores[0], labels[0]) if same else None


def _decode_lists(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Candidates:
    return Candidates(boxes, scores, _whole(labels))


def _named_detections(outputs: Outputs) -> tuple[np.ndarray, ...] | None:
    plain = {name.partition(":")[0]: output for name, output in outputs.items()}
    keys = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    if not set(keys) <= set(plain):
        return None
    boxes, scores, classes, count = (plain[key] for key in keys)
    fit = boxes.ndim == 3 and boxes.shape[::2] == (1, _BOX) and scores.shape == classes.shape == boxes.shape[:2]
    return (boxes[0], scores[0], classes[0], count.reshape(-1)) if fit and count.size == 1 else None


def _decode_named(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, count: np.ndarray, size: tuple[int, int]
) -> Candidates:
    number = int(_whole(count)[0])
    if not 0 <= number <= len(boxes):
        raise InputError(f"num_detections is {number}, and there are {len(boxes)} boxes")
    return Candidates(boxes[:number, [1, 0, 3, 2]] * _sides(size), scores[:number], _whole(classes[:number]))


def _whole(values: np.ndarray) -> Int[np.ndarray, " n"]:
    wide = values.astype(np.float64)
    if not (np.isfinite(wide).all() and (wide == np.floor(wide)).all() and (np.abs(wide) < 2**31).all()):
        raise InputError(f"the classes have {wide[~(np.floor(wide) == wide)][:1].tolist()}, which are no whole numbers")
    return wide.astype(np.int64)


DECODINGS: Mapping[str, Decoding] = {
    decoding.name: decoding
    for decoding in (
        Decoding(
            "yolov8",
            "Ultralytics' YOLOv8, YOLO11 and YOLO12, exported without NMS: one output [1, 4 + classes, boxes] with "
            "centre, width and height in pixels of the input, then a score for each class",
            _columns_of_boxes,
            _decode_yolov8,
            overlapping=True,
            fitting="letterbox",
            interpolation="bilinear",
        ),
        Decoding(
            "yolov5",
            "YOLOv5 and YOLOv7, exported without NMS: one output [1, boxes, 5 + classes] with centre, width "
            "and height in pixels of the input, the chance of an object, then one for each class",
            _rows_of_boxes,
            _decode_yolov5,
            overlapping=True,
            threshold=0.45,
            fitting="letterbox",
            interpolation="bilinear",
        ),
        Decoding(
            "yolov8-nms",
            "Ultralytics' models exported with nms=True: one output [1, n, 6] with left, top, right and bottom in "
            "pixels of the input, score and class; rows of zeros fill it up",
            _rows_of_six,
            _decode_rows_of_six,
            fitting="letterbox",
            interpolation="bilinear",
        ),
        Decoding(
            "yolov10",
            "YOLOv10 and YOLO26, which need no NMS: one output [1, 300, 6] with left, top, right and bottom in pixels "
            "of the input, score and class",
            _rows_of_six,
            _decode_rows_of_six,
            fitting="letterbox",
            interpolation="bilinear",
        ),
        Decoding(
            "detr",
            "DETR and Table Transformer of Transformers: logits [1, queries, classes + 1], of which a softmax is "
            "taken and whose last class is no object, and pred_boxes [1, queries, 4] with centre, width and height in "
            "parts of the sides",
            _queries_or_nothing,
            _decode_detr,
            normalisation="imagenet",
            clipped=False,
        ),
        Decoding(
            "rt-detr",
            "RT-DETR of Transformers, and Conditional and Deformable DETR (these with normalisation=imagenet): logits "
            "[1, queries, classes], of which a sigmoid is taken, and pred_boxes as of detr; the best pairs of a query "
            "and a class, as many as queries",
            _queries,
            _decode_rt_detr,
            clipped=False,
        ),
        Decoding(
            "torchvision",
            "torchvision's detectors, of one image: boxes [n, 4] with left, top, right and bottom in pixels of the "
            "input, labels [n], of which 0 is the background, and scores [n]",
            _lists,
            _decode_lists,
            fitting="none",
        ),
        Decoding(
            "tensorflow",
            "models of TensorFlow's object detection API by tf2onnx: detection_boxes [1, n, 4] with top, left, bottom "
            "and right in parts of the sides, detection_scores, detection_classes from 1 on, and num_detections",
            _named_detections,
            _decode_named,
            fitting="none",
            normalisation="none",
            first_label=1,
        ),
    )
}
"""By name, each meaning of outputs that is known; a further one is one more entry."""


def fitting_decodings(outputs: Outputs) -> list[str]:
    """Names of the decodings that outputs of these shapes could have."""
    return [name for name, decoding in DECODINGS.items() if decoding.arranged(outputs) is not None]


def decoded(decoding: Decoding, outputs: Outputs, size: tuple[int, int]) -> Candidates:
    """What a network says of one image, in float64.

    Args:
      decoding: of its outputs.
      outputs: by name.
      size: height and width of the input.

    Raises:
      InputError: the outputs do not fit, or a value is not what it should be.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.box_decodings import DECODINGS, decoded
      >>> rows = np.array([[[1.0, 2.0, 3.0, 4.0, 0.5, 7.0]]])
      >>> decoded(DECODINGS["yolov10"], {"output0": rows}, (64, 64)).classes
      array([7])
    """
    arranged = decoding.arranged(outputs)
    if arranged is None:
        shapes = ", ".join(f"{name} {list(output.shape)} of {output.dtype}" for name, output in outputs.items())
        fits = ", ".join(fitting_decodings(outputs)) or "none that is known"
        raise InputError(
            f"the outputs are {shapes}, not those of decoding={decoding.name}; by their shapes fits: {fits}"
        )
    wide = [output.astype(np.float64) if output.dtype.kind == "f" else output for output in arranged]
    if not all(np.isfinite(output).all() for output in wide if output.dtype.kind == "f"):
        raise InputError(
            "the outputs have values that are not finite; the graph may be damaged, or too coarse in float16"
        )
    found = decoding.decode(*wide, size)
    if found.scores.size and not (found.scores.min() >= 0 and found.scores.max() <= 1 + _ROUNDING):
        least, most = float(found.scores.min()), float(found.scores.max())
        raise InputError(
            f"the scores are from {least:g} to {most:g} by decoding={decoding.name}; from 0 to 1 is expected, so "
            "that it is another decoding, or the graph gives logits"
        )
    return found
