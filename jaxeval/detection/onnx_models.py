"""Detectors that were exported to ONNX: `onnx:FILE?decoding=NAME&labels=FILE`."""

import ast
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxeval._packages import needed
from jaxeval.detection.box_decodings import DECODINGS, Candidates, Decoding, Outputs, decoded, fitting_decodings
from jaxeval.detection.detector import Detector
from jaxeval.detection.labels import labels_of_option, literal_labels
from jaxeval.detection.network_input import NetworkInput
from jaxeval.detection.options import Options
from jaxeval.detection.suppression import kept_boxes
from jaxeval.errors import InputError, lack_of_memory, said_by
from jaxeval.files import local_path

_MOST_BYTES = (1 << 31) - 1  # of a message of protobuf, which a model is
_MOST_THREADS = 64
_PROBE_SIDE = 64
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class _Graph(NamedTuple):
    """A session of onnxruntime with one image as its input.

    Attributes:
      session: of onnxruntime.
      input_name: of the graph's input.
      dtype: that it takes.
      batched: whether it takes several images; how many at once, 0 for any number.
      images: how many at once it takes; 0 for any number.
      channels_first: whether channels come before rows.
      size: height and width; None where either may be any.
      metadata: what the exporter wrote beside the graph.
    """

    session: Any
    input_name: str
    dtype: type
    batched: bool
    images: int
    channels_first: bool
    size: tuple[int, int] | None
    metadata: Mapping[str, str]

    def run(self, values: Float[np.ndarray, "a b c"]) -> Outputs:
        """The outputs of one image."""
        if self.dtype is np.uint8:
            values = np.clip(np.floor(values + 0.5), 0, 255)
        given = values.astype(self.dtype)
        if self.batched:
            # A graph for several images at once gets the same one so often: what is found does not hang on neighbours.
            given = np.repeat(given[None], self.images or 1, axis=0)
        names = [output.name for output in self.session.get_outputs()]
        found = self.session.run(names, {self.input_name: given})
        wrong = [name for name, output in zip(names, found, strict=True) if not isinstance(output, np.ndarray)]
        if wrong:
            raise InputError(f"the output {wrong[0]} is no array; export it without lists and maps")
        if self.batched and self.images > 1:
            found = [output[:1] if output.ndim and len(output) == self.images else output for output in found]
        return dict(zip(names, found, strict=True))


def onnx_detector(file: str, given: Mapping[str, str], weights_dir: str | Path | None = None) -> Detector:
    """A detector from an ONNX file.

    Args:
      file: the model.
      given: options as texts: `decoding` (see `box_decodings.DECODINGS`), `labels` (a file with one name a line, `coco`
        or `coco-by-number`; by default the names that the exporter wrote into the model), `first_label`, `confidence`
        (boxes with a score above it are kept, 0.25), `most` (boxes of an image, 300), of decodings that need it
        `iou` (the overlap above which boxes are suppressed), `agnostic` (whether classes do not count there) and
        `multi_label` (whether a box counts for each class above `confidence`); of the images `size` (of graphs that
        take any: a number, or HEIGHTxWIDTH), `fitting`, `centred`, `fill`, `interpolation`, `normalisation` and
        `channels` (see `NetworkInput`), by default as the decoding's exporter prepares images; and `threads`.
      weights_dir: where a file lies that is named without a folder and not in the working directory.

    Raises:
      InputError: the file is no model, an option is wrong, or the outputs do not fit the decoding.
      MissingPackageError: onnxruntime is not installed.
    """
    whose = f"the detector onnx:{file}"
    options = Options(whose, given)
    threads = options.whole("threads", _processors(), 1, _MOST_THREADS)
    content = _content(file, weights_dir, whose)
    graph, version = _opened(content, whose, threads)
    task = graph.metadata.get("task", "detect")
    if task != "detect":
        raise InputError(f"{whose} is a model for the task {task[:40]!r}; export one for the task 'detect'")
    name = options.text("decoding")
    if name is not None and name not in DECODINGS:
        raise InputError(f"{whose} has decoding={name}; choose from {', '.join(DECODINGS)}")
    decoding = DECODINGS[name] if name is not None else None
    if decoding is None and graph.size is None:
        raise InputError(
            f"{whose} needs decoding=NAME, which says what its outputs mean; choose from {', '.join(DECODINGS)}"
        )
    entry = _network_input(graph, decoding, options, whose)
    probe = _run(graph, entry, np.full((_PROBE_SIDE, _PROBE_SIDE, 3), 127, np.uint8), whose)
    if decoding is None:
        fits = ", ".join(fitting_decodings(probe)) or f"none; known are {', '.join(DECODINGS)}"
        raise InputError(f"{whose} needs decoding=NAME, which says what its outputs mean; by their shapes fits: {fits}")
    labels = _labels(graph, options, whose)
    first = options.whole("first_label", decoding.first_label, 0, 1)
    found = _Finder(
        whose,
        graph,
        entry,
        decoding,
        confidence=options.number("confidence", 0.25, 0, 1),
        iou=options.number("iou", decoding.threshold, 0, 1) if decoding.overlapping else None,
        agnostic=options.flag("agnostic", False) if decoding.overlapping else False,
        multi_label=options.flag("multi_label", False) if decoding.overlapping else False,
        most=options.whole("most", 300, 1, 100_000),
    )
    options.check_all_taken()
    found.check(probe, first + len(labels))
    identity = {
        "format": "onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "onnxruntime": version,
        **found.settings(),
        "labels": list(labels),
        "first_label": first,
    }
    return Detector(f"onnx:{file}", found, labels, identity, "xyxy", first, one_by_one=True, reads=False)


class _Finder:
    """Called with images, it runs the graph on each and says what is in it."""

    def __init__(
        self,
        whose: str,
        graph: _Graph,
        entry: NetworkInput,
        decoding: Decoding,
        *,
        confidence: float,
        iou: float | None,
        agnostic: bool,
        multi_label: bool,
        most: int,
    ):
        self._whose, self._graph, self._entry, self._decoding = whose, graph, entry, decoding
        self._confidence, self._iou, self._agnostic = confidence, iou, agnostic
        self._multi_label, self._most = multi_label, most

    def settings(self) -> dict[str, Any]:
        """What decides what is found, beside the graph."""
        entry = self._entry
        return {
            "decoding": self._decoding.name,
            "confidence": self._confidence,
            "iou": self._iou,
            "agnostic": self._agnostic,
            "multi_label": self._multi_label,
            "most": self._most,
            "size": None if entry.size is None else list(entry.size),
            "fitting": entry.fitting,
            "centred": entry.centred,
            "fill": entry.fill,
            "interpolation": entry.interpolation,
            "normalisation": entry.normalisation,
            "channels": entry.channels,
        }

    def check(self, outputs: Outputs, classes: int) -> None:
        """Refuses outputs that do not fit the decoding, or have scores for another number of classes than `classes`."""
        found = self._decoded(outputs, (_PROBE_SIDE, _PROBE_SIDE))
        if found.classes is None and found.scores.shape[1] != classes:
            raise InputError(
                f"{self._whose} gives scores of {found.scores.shape[1]} classes by decoding={self._decoding.name}, and "
                f"there are {classes} labels; give labels=FILE with a name for each, or another decoding"
            )

    def __call__(self, batch: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return [self._found(image) for image in batch]

    def _found(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values, placed = self._entry.prepared(image)
        height, width = image.shape[:2]
        candidates = self._decoded(_run_values(self._graph, values, self._whose), (height, width))
        boxes, scores, classes = self._chosen(candidates)
        boxes = placed.to_image(boxes)
        if self._decoding.clipped:
            boxes = np.clip(boxes, 0, [width, height, width, height])
        return boxes, scores, classes

    def _decoded(self, outputs: Outputs, image: tuple[int, int]) -> Candidates:
        try:
            return decoded(self._decoding, outputs, self._entry.size or image)
        except InputError as error:
            raise InputError(f"{self._whose}: {error}") from error

    def _chosen(self, found: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is above the confidence, and of what overlaps the best, by falling score."""
        boxes, scores, classes = found
        if classes is None and self._multi_label:
            rows, classes = np.nonzero(scores > self._confidence)
            boxes, scores = boxes[rows], scores[rows, classes]
        elif classes is None:
            classes = scores.argmax(1)
            scores = scores.max(1)
        above = scores > self._confidence
        boxes, scores, classes = boxes[above], scores[above], classes[above]
        if self._iou is None:
            kept = np.argsort(-scores, kind="stable")[: self._most]
        else:
            kept = kept_boxes(boxes, scores, classes, self._iou, agnostic=self._agnostic, most=self._most)
        return boxes[kept], scores[kept], classes[kept]


def _processors() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _content(file: str, weights_dir: str | Path | None, whose: str) -> bytes:
    path = local_path(file)
    if weights_dir is not None and not path.exists() and path.name == str(path):
        path = local_path(weights_dir) / path.name
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{whose} has {size:,} bytes; models of up to {_MOST_BYTES:,} in one file are read")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{whose} cannot be read: {error.strerror or error}") from error


def _opened(content: bytes, whose: str, threads: int) -> tuple[_Graph, str]:
    """The graph, and the version of what runs it.

    It is made from the file's bytes: so it can name no other files, and its digest is that of all weights.
    """
    runtime = needed("onnxruntime", whose, package="'jaxeval[onnx]'")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4  # what is wrong is raised, and said here
    try:
        session = runtime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen types
        if lack_of_memory(error):
            raise
        external = "external" in str(error).lower()
        advice = "its weights are in other files; save it as one file" if external else "it may be damaged"
        raise InputError(f"{whose} is no ONNX model that can be run ({said_by(error)[:200]}); {advice}") from error
    inputs = session.get_inputs()
    named = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    batched = len(shape) == 4
    spatial = shape[1:] if batched else shape
    first, last = len(spatial) == 3 and spatial[0] == 3, len(spatial) == 3 and spatial[2] == 3
    if not (first or last) or inputs[0].type not in _TYPES:
        raise InputError(
            f"{whose} has the inputs {named or 'none'}; one image [N, 3, H, W] or [N, H, W, 3] of {', '.join(_TYPES)} "
            "is expected"
        )
    sides = spatial[1:] if first else spatial[:2]
    size = (int(sides[0]), int(sides[1])) if all(isinstance(side, int) and side > 0 for side in sides) else None
    images = shape[0] if batched and isinstance(shape[0], int) and shape[0] > 0 else 0
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return (
        _Graph(session, inputs[0].name, _TYPES[inputs[0].type], batched, images, first, size, metadata),
        str(runtime.__version__),
    )


def _network_input(graph: _Graph, decoding: Decoding | None, options: Options, whose: str) -> NetworkInput:
    usual = decoding or next(iter(DECODINGS.values()))
    given = options.text("size")
    fitting = options.text("fitting")
    size = graph.size
    if given is not None:
        size = _size(given, f"{whose} has size={given[:40]}")
        if graph.size not in (None, size):
            raise InputError(f"{whose} takes images of {graph.size[0]} x {graph.size[1]} alone; leave size= out")
    elif size is None and fitting != "none":
        size = _written_size(graph.metadata)
        if size is None and usual.fitting != "none":
            raise InputError(
                f"{whose} takes images of any size; give the size that it was trained with, as in size=640"
            )
    normalisation = options.text("normalisation")
    bytes_taken = graph.dtype is np.uint8
    if bytes_taken and normalisation not in (None, "none"):
        raise InputError(f"{whose} takes whole levels from 0 to 255; leave normalisation= out")
    try:
        return NetworkInput(
            size=None if fitting == "none" else size,
            fitting=fitting or ("none" if size is None else "stretch" if usual.fitting == "none" else usual.fitting),
            centred=options.flag("centred", True),
            fill=options.whole("fill", 114, 0, 255),
            interpolation=options.text("interpolation") or usual.interpolation,
            normalisation=normalisation or ("none" if bytes_taken else usual.normalisation),
            channels=options.text("channels") or "rgb",
            channels_first=graph.channels_first,
        )
    except InputError as error:
        raise InputError(f"{whose}: {error}") from error


def _size(text: str, what: str) -> tuple[int, int]:
    parts = text.lower().replace(",", "x").split("x")
    if not 1 <= len(parts) <= 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise InputError(f"{what}; give a number of pixels, or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])


def _written_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """The size that Ultralytics' exporter writes, height first; None if it is not there."""
    try:
        height, width = ast.literal_eval(metadata.get("imgsz", "")[:100])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return (height, width) if type(height) is int and type(width) is int else None


def _labels(graph: _Graph, options: Options, whose: str) -> tuple[str, ...]:
    given = options.text("labels")
    if given is not None:
        return labels_of_option(given)
    if "names" in graph.metadata:
        return literal_labels(graph.metadata["names"], whose)
    raise InputError(
        f"{whose} has no names of its categories; give labels=FILE with one name a line, or labels=coco or "
        "labels=coco-by-number if it was trained on COCO"
    )


def _run(graph: _Graph, entry: NetworkInput, image: UInt8[np.ndarray, "h w 3"], whose: str) -> Outputs:
    return _run_values(graph, entry.prepared(image)[0], whose)


def _run_values(graph: _Graph, values: Float[np.ndarray, "a b c"], whose: str) -> Outputs:
    try:
        return graph.run(values)
    except InputError as error:
        raise InputError(f"{whose}: {error}") from error
    except Exception as error:  # onnxruntime raises a dozen types
        if lack_of_memory(error):
            raise
        shape = list(values.shape)
        raise InputError(f"{whose} fails on an input of shape {shape} ({said_by(error)[:200]})") from error
