"""Faces in images, by the cascades that come with OpenCV 4."""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval.detection.detector import Detector
from jaxeval.detection.opencv import opencv
from jaxeval.detection.options import Options
from jaxeval.errors import InputError

_PACKAGE = "'jaxeval[faces]'"
_PREFIX = "haarcascade_"
_LABELS = {
    "eye": "eye",
    "eye_tree_eyeglasses": "eye",
    "frontalcatface": "cat face",
    "frontalcatface_extended": "cat face",
    "fullbody": "person",
    "lefteye_2splits": "left eye",
    "license_plate_rus_16stages": "license plate",
    "lowerbody": "lower body",
    "righteye_2splits": "right eye",
    "russian_plate_number": "license plate",
    "smile": "smile",
    "upperbody": "upper body",
}


def faces_detector(given: Mapping[str, str]) -> Detector:
    """A detector of faces, or of what another cascade of OpenCV's finds.

    Its scores are the weights of a cascade's last stage: above its threshold, larger is surer, but they have no bounds
    and are no probabilities.

    Args:
      given: options as texts: `cascade` (the file's name between `haarcascade_` and `.xml`, frontalface_default),
        `scale_factor` (between sizes at which it looks, 1.1), `min_neighbors` (how many of its windows must agree, 3),
        `min_size` and `max_size` (of a face's sides in pixels, 0 for any), and `equalise` (whether the histogram of
        gray is made flat first, no).

    Raises:
      InputError: an option is wrong, or this OpenCV has no cascades.
      MissingPackageError: OpenCV is not installed.
    """
    whose = "the detector faces"
    options = Options(whose, given)
    library = opencv(whose, "faces")
    data = getattr(getattr(library, "data", None), "haarcascades", None)
    if not hasattr(library, "CascadeClassifier") or data is None:
        raise InputError(
            f"{whose} needs the cascades of OpenCV 4, and this is {library.__version__}; install it: "
            f"pip install {_PACKAGE}"
        )
    known = {path.stem.removeprefix(_PREFIX): path for path in sorted(Path(data).glob(f"{_PREFIX}*.xml"))}
    name = options.text("cascade", "frontalface_default") or ""
    if name not in known:
        raise InputError(f"{whose} has no cascade {name[:40]!r}; choose from {', '.join(known) or 'none'}")
    chosen = {
        "cascade": name,
        "scale_factor": options.number("scale_factor", 1.1, 1.01, 4),
        "min_neighbors": options.whole("min_neighbors", 3, 0, 1000),
        "min_size": options.whole("min_size", 0, 0, 100_000),
        "max_size": options.whole("max_size", 0, 0, 100_000),
        "equalise": options.flag("equalise", False),
    }
    options.check_all_taken()
    content = known[name].read_bytes()
    cascade = library.CascadeClassifier(str(known[name]))
    if cascade.empty():
        raise InputError(f"{whose} cannot read {known[name].name}; install OpenCV again: pip install {_PACKAGE}")
    identity = {
        "opencv": library.__version__,
        "sha256": hashlib.sha256(content).hexdigest(),
        "options": chosen,
    }
    alone = threading.Lock()  # a cascade keeps what it computes of an image

    def find(batch: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        with alone:
            return [_row(library, cascade, image, chosen) for image in batch]

    labels = (_LABELS.get(name, "face"),)
    return Detector("faces", find, labels, identity, "xywh", unbounded_scores=True, one_by_one=True, reads=False)


def _row(
    library: Any, cascade: Any, image: UInt8[np.ndarray, "h w 3"], chosen: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gray = library.cvtColor(image, library.COLOR_RGB2GRAY)
    if chosen["equalise"]:
        gray = library.equalizeHist(gray)
    boxes, _, weights = cascade.detectMultiScale3(
        gray,
        scaleFactor=chosen["scale_factor"],
        minNeighbors=chosen["min_neighbors"],
        minSize=(chosen["min_size"],) * 2,
        maxSize=(chosen["max_size"],) * 2,
        outputRejectLevels=True,
    )
    found = np.array(boxes, np.float64).reshape(-1, 4)
    scores = np.array(weights, np.float64).reshape(-1)
    # OpenCV's threads come in any order, and by theirs equal scores would be told apart.
    order = np.lexsort((found[:, 2], found[:, 0], found[:, 1], -scores))
    return found[order], scores[order], np.zeros(len(found), np.int64)
