"""Text in images: found and read by RapidOCR, whose package holds its models."""

import hashlib
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval._packages import needed
from jaxeval.detection.detector import Detector
from jaxeval.detection.opencv import opencv
from jaxeval.detection.options import Options
from jaxeval.errors import InputError, lack_of_memory, said_by

_PACKAGE = "rapidocr-onnxruntime"
_LABEL = "text"
_LARGEST_RATIO = 20  # RapidOCR brings the short side to 736 pixels, and the long one would fill the memory


def ocr_detector(given: Mapping[str, str]) -> Detector:
    """A detector of text: a box around each line of words, with what is written there.

    Its boxes are the hulls, with sides along the image's, of the quadrilaterals that RapidOCR gives; its scores are
    those of the reading, the mean over the letters.

    Args:
      given: options as texts, named as RapidOCR names them: `text_score` (lines read with a lower score are left out,
        0.5), `box_thresh` (those that were found with a lower one are not read, 0.5), `unclip_ratio` (how far boxes
        reach beyond what was found, 1.6), `use_cls` (whether lines upside down are turned, yes), `max_side_len` (larger
        images are made smaller first, 2000); and `threads`.

    Raises:
      InputError: an option is wrong, or RapidOCR cannot be loaded.
      MissingPackageError: it is not installed.
    """
    whose = "the detector ocr"
    options = Options(whose, given)
    threads = options.whole("threads", min(8, _processors()), 1, 64)
    chosen = {
        "text_score": options.number("text_score", 0.5, 0, 1),
        "use_cls": options.flag("use_cls", True),
        "max_side_len": options.whole("max_side_len", 2000, 32, 10_000),
        "det_box_thresh": options.number("box_thresh", 0.5, 0, 1),
        "det_unclip_ratio": options.number("unclip_ratio", 1.6, 1, 10),
    }
    options.check_all_taken()
    library = opencv(whose, "ocr")
    package = needed("rapidocr_onnxruntime", whose, package="'jaxeval[ocr]'")
    try:
        # It takes no more threads than the machine has processors for a number, and all of them then.
        engine = package.RapidOCR(
            **chosen, intra_op_num_threads=min(threads, os.cpu_count() or 1), inter_op_num_threads=1
        )
    except Exception as error:  # onnxruntime and YAML raise a dozen types
        if lack_of_memory(error):
            raise
        raise InputError(f"{whose} cannot be loaded ({said_by(error)[:200]}); install {_PACKAGE} again") from error
    folder = Path(package.__file__).parent
    identity = {
        **{name: importlib.metadata.version(name) for name in (_PACKAGE, "onnxruntime")},
        "opencv": library.__version__,
        "files": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [folder / "config.yaml", *sorted((folder / "models").glob("*.onnx"))]
        },
        "options": chosen,
    }

    def find(batch: list[np.ndarray]) -> list[dict[str, Any]]:
        for image in batch:
            height, width = image.shape[:2]
            if max(height, width) > _LARGEST_RATIO * min(height, width):
                raise InputError(
                    f"{whose} takes images with one side up to {_LARGEST_RATIO} times the other, and this one has "
                    f"{height} x {width} pixels; leave it out"
                )
        return [_row(engine(np.ascontiguousarray(image[:, :, ::-1]))[0]) for image in batch]  # it takes blue first

    return Detector("ocr", find, (_LABEL,), identity, one_by_one=True, reads=True)


def _row(found: list[Any] | None) -> dict[str, Any]:
    """Of what RapidOCR gives: for each line its quadrilateral, its text and its score; nothing where there is none."""
    lines = found or []
    corners = np.array([line[0] for line in lines], np.float64).reshape(-1, 4, 2)
    return {
        "boxes": np.concatenate([corners.min(1), corners.max(1)], 1),
        "scores": np.array([float(line[2]) for line in lines]),
        "labels": np.zeros(len(lines), np.int64),
        "texts": [str(line[1]) for line in lines],
    }


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
