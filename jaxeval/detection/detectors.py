"""Detectors by name, of the user's own code, and of files: `load_detector`."""

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxeval._arguments import checked, shown
from jaxeval._packages import object_at
from jaxeval.detection.detector import Detector
from jaxeval.detection.faces import faces_detector
from jaxeval.detection.labels import MOST_LABELS, checked_labels, labels_of_option
from jaxeval.detection.ocr import ocr_detector
from jaxeval.detection.onnx_models import onnx_detector
from jaxeval.detection.options import parts_of
from jaxeval.detection.returned import check_box_layout
from jaxeval.errors import InputError, said_by

_CALLABLE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)", re.ASCII)
_OWN_OPTIONS = ("layout", "labels", "first_label", "unbounded_scores")  # of every callable; others are passed to it
_ONNX = "onnx:"
_NAMED: Mapping[str, Callable[[Mapping[str, str]], Detector]] = {"faces": faces_detector, "ocr": ocr_detector}
_FORMS = f"{', '.join(_NAMED)}, onnx:FILE?decoding=NAME, MODULE:FUNCTION?key=value, or a callable"


def detector_names() -> tuple[str, ...]:
    """Names of the detectors that are there without a file or code of the user's own; each needs an optional package.

    Example:
      >>> from jaxeval.detection import detector_names
      >>> detector_names()
      ('faces', 'ocr')
    """
    return tuple(_NAMED)


@checked()
def load_detector(spec: Any, *, weights_dir: str | Path | None = None) -> Detector:
    """A detector from what the user has.

    Args:
      spec: one of
        - `ocr`, which finds and reads text, with options as in `ocr?text_score=0.3`, see `ocr.ocr_detector`;
        - `faces`, which finds faces, with options as in `faces?min_neighbors=5`, see `faces.faces_detector`;
        - `onnx:FILE?decoding=NAME&labels=FILE&...`, a model that was exported to ONNX, see `onnx_models.onnx_detector`;
        - `MODULE:FUNCTION`, a callable by its name, which is imported with the current folder first in the path;
          `MODULE:FUNCTION?key=value&...` calls FUNCTION once with these texts, and it returns the callable. The options
          `layout`, `labels` (a file with one name a line, `coco` or `coco-by-number`), `first_label` (the number of the
          first, 0) and `unbounded_scores` (`yes`) are jaxeval's and not passed;
          What it finds is kept under the digest of MODULE's file: what that imports does not count;
        - a callable, of whose attributes `box_layout`, `labels`, `first_label`, `unbounded_scores` and `identity` those
          count that it has;
        - a `Detector`, which is returned as it is.
      weights_dir: where files of weights lie that are named without a folder.

    Raises:
      InputError: it is none of these, or cannot be loaded; the sentence says why.
      MissingPackageError: it needs a package that is not installed.

    Example:
      >>> from jaxeval.detection import load_detector
      >>> def nothing(batch):
      ...     return [([], [], []) for _ in batch]
      >>> load_detector(nothing).name
      'nothing'
    """
    if isinstance(spec, Detector):
        return spec
    if isinstance(spec, str):
        place, options = parts_of(spec)
        if place in _NAMED:
            return _NAMED[place](options)
        if place.startswith(_ONNX):
            return onnx_detector(place.removeprefix(_ONNX), options, weights_dir)
        match = _CALLABLE.fullmatch(place)
        if match is None:
            raise InputError(f"the detector {spec!r} is not known; give {_FORMS}")
        return _named_callable(match[1], match[2], options, spec)
    if callable(spec) and not isinstance(spec, type):
        name = getattr(spec, "__name__", None) or type(spec).__name__
        return _of_callable(spec, str(getattr(spec, "name", None) or name), {}, None)
    raise InputError(f"detector is {shown(spec)}; give {_FORMS}")


def _named_callable(module: str, function: str, options: Mapping[str, str], spec: str) -> Detector:
    name = f"{module}:{function}"
    found = object_at(module, function, f"the detector {name}")
    passed = {key: value for key, value in options.items() if key not in _OWN_OPTIONS}
    if passed or isinstance(found, type):
        try:
            found = found(**passed)
        except InputError:
            raise
        except Exception as error:  # the user's own code may raise anything
            raise InputError(
                f"the detector {spec} cannot be made with these options ({type(error).__name__}: {said_by(error)})"
            ) from error
    if not callable(found):
        raise InputError(f"the detector {spec} is a {type(found).__name__}, which cannot be called with images")
    source = _source_digest(module)
    return _of_callable(found, name, options, None if source is None else {"source": source, "options": passed})


def _of_callable(
    found: Callable[..., Any], name: str, options: Mapping[str, str], source: Mapping[str, Any] | None
) -> Detector:
    """A detector of a callable.

    Args:
      found: the callable.
      name: of the detector.
      options: those of the user's text.
      source: what its module's file says of it; None if it has none.
    """
    whose = f"the detector {name}"
    layout = check_box_layout(options.get("layout", getattr(found, "box_layout", "xyxy")), whose)
    labels: Any = getattr(found, "labels", None)
    if "labels" in options:
        labels = labels_of_option(options["labels"])
    labels = None if labels is None else checked_labels(labels, whose)
    first = _first_label(options.get("first_label", getattr(found, "first_label", 0)), whose)
    unbounded = options.get("unbounded_scores", getattr(found, "unbounded_scores", False))
    if unbounded not in (True, False, "yes", "no"):
        raise InputError(f"{whose} has unbounded_scores {shown(unbounded)}; give yes or no")
    unbounded = unbounded in (True, "yes")
    own = getattr(found, "identity", None)
    if own is not None and not isinstance(own, Mapping):
        raise InputError(f"{whose} has an identity that is no mapping but {shown(own)}; give a dict of plain values")
    known = dict(own if own is not None else source or {})
    if known:
        known = {
            "detector": name,
            "is": known,
            "box_layout": layout,
            "labels": None if labels is None else list(labels),
            "first_label": first,
        }
    return Detector(name, found, labels, known, layout, first, unbounded)


def _first_label(value: Any, whose: str) -> int:
    try:
        first = int(value)
    except (TypeError, ValueError):
        first = -1
    if isinstance(value, bool) or not 0 <= first < MOST_LABELS:
        raise InputError(f"{whose} has first_label {shown(value)}; give the number of the first label, 0 or 1")
    return first


def _source_digest(module: str) -> str | None:
    """SHA-256 of the file that a module was imported from."""
    try:
        file = inspect.getsourcefile(sys.modules[module])
        return hashlib.sha256(Path(file or "").read_bytes()).hexdigest()
    except (OSError, TypeError, KeyError):  # compiled, or typed into a session
        return None
