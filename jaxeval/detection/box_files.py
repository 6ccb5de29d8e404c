"""Files of boxes: COCO's annotations and results, tables, and jaxeval's own, which keeps all that a detector found."""

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval._arguments import checked, shown
from jaxeval.detection import coco_files
from jaxeval.detection.box_tables import found_boxes_of_table, true_boxes_of_table
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.documents import JsonFile, has_half, read_json
from jaxeval.detection.masks import mask_of_segmentation, segmentation_of_mask
from jaxeval.detection.parts_of_sides import pixels_of_parts, said_or_seen, too_far
from jaxeval.errors import InputError, said_by
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.tables import check_plain, read_table

FORMAT = "jaxeval detections"
FORMAT_VERSION = 1

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def read_true_boxes(path: str | Path, *, name: str | None = None, normalised: bool | None = None) -> TrueBoxes:
    r"""Boxes that are in images, or that were asked for, as in layouts that images were made from.

    Args:
      path: of COCO's annotations (`.json`), whose images may have a `prompt` or `caption` too; or of a table (`.csv`,
        `.tsv`, `.jsonl`, `.parquet`) with a row for each box and the columns image, label, and x, y, width, height or
        x1, y1, x2, y2; perhaps area, crowd (or iscrowd), difficult (or ignore), id, prompt, image_width and
        image_height. Columns may have the names of other tools, in any capitals: filename, class, confidence, xmin,
        ymin, xmax, ymax, left, top, right, bottom, caption and others that can be nothing else.
      name: what messages and tables call the set; by default the path.
      normalised: whether boxes are given in parts of their image's sides, 0 to 1, so that the file must have the sizes
        of images; areas are then those of the boxes. If nothing is said, boxes are in pixels, and a file in which
        nearly no box (one of a hundred) reaches beyond 1 is refused. Boxes in parts may reach beyond their image by
        0.001, which the digits that are printed may leave.

    Returns:
      The boxes; without an area of its own a box has that of its sides.

    Raises:
      InputError: the file is damaged or not what it should be; the sentence names the place.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection import read_true_boxes
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     place = pathlib.Path(folder) / "layouts.csv"
      ...     _ = place.write_text("image,label,x,y,width,height\na.png,cat,10,20,30,40\n")
      ...     print(read_true_boxes(place, name="layouts"))
      layouts: 1 box of 1 category in 1 image
    """
    name = str(path) if name is None else name
    if not _is_json(path):
        return true_boxes_of_table(read_table(path), name, normalised)
    file = read_json(path)
    if _is_own(file.content):
        raise InputError(f"{path} has what a detector found; give a file of annotations")
    file.check_letters()
    return coco_files.true_boxes(file, name, normalised)


def truth_given(name: str, value: Any) -> Any:
    """Checks annotations that may be left out."""
    if value is not None and not isinstance(value, TrueBoxes):
        raise InputError(f"{name} is {shown(value)}; give what `read_true_boxes` reads")
    return value


@checked(truth=truth_given)
def read_found_boxes(
    path: str | Path, *, truth: TrueBoxes | None = None, name: str | None = None, normalised: bool | None = None
) -> FoundBoxes:
    r"""Boxes that a detector found.

    Args:
      path: of jaxeval's own file (`.json`); of COCO's results (`.json`), which need `truth`; or of a table with a row
        for each box: image, label, score, and the box as for `read_true_boxes`, perhaps text.
      truth: the annotations whose ids COCO's results have. With it, every image of theirs counts as looked at.
      name: what messages and tables call the set; by default the path, or what jaxeval's own file has.
      normalised: whether boxes are given in parts of their image's sides, 0 to 1, so that the table or `truth` must
        have the sizes of images. If nothing is said, boxes are in pixels, and a file in which (nearly) no box reaches
        beyond 1 is refused; of jaxeval's own, only beside a `truth` whose boxes do.

    Returns:
      The boxes, in the file's order; those of COCO's results that have a mask alone are the boxes around it. Where the
      first result is such a one, `identity["areas"]` is "masks": COCO's reference then takes the area of each mask
      (`jaxeval.detection.masks.area_of_mask` of each of `masks`) for that of the detection.

    Raises:
      InputError: the file is damaged or not what it should be; the sentence names the place.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.detection import read_found_boxes
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     place = pathlib.Path(folder) / "found.csv"
      ...     _ = place.write_text("image,label,score,x1,y1,x2,y2\na.png,cat,0.9,10,20,40,60\n")
      ...     read_found_boxes(place).boxes.tolist()
      [[10.0, 20.0, 30.0, 40.0]]
    """
    if not _is_json(path):
        return found_boxes_of_table(read_table(path), str(path) if name is None else name, truth, normalised)
    file = read_json(path)
    if _is_own(file.content):
        return _own_in_pixels(_own_boxes(file, name), file.path, truth, normalised)
    file.check_letters()
    if isinstance(file.content, Mapping):
        raise InputError(
            f"{path} is neither a list of COCO's results nor a file that jaxeval wrote of what a detector found; give "
            "one of these"
        )
    return coco_files.found_boxes(file, str(path) if name is None else name, truth, normalised)


def write_found_boxes(found: FoundBoxes, path: str | Path) -> Path:
    """Writes boxes as jaxeval's own file, from which `read_found_boxes` makes the same again.

    Args:
      found: the boxes.
      path: of the file, whose name ends in `.json`.

    Returns:
      The file.

    Raises:
      InputError: it cannot be written, or the identity has other than plain values.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, read_found_boxes, write_found_boxes
      >>> place, box = np.array([0]), np.array([[1.0, 2.0, 3.0, 4.0]])
      >>> found = FoundBoxes("ours", ("a.png",), ("cat",), place, place, box, np.array([0.1 + 0.2]))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     read_found_boxes(write_found_boxes(found, f"{folder}/detections.json")).scores.tolist()
      [0.30000000000000004]
    """
    if too_far(found.boxes).any():
        box = found.boxes[too_far(found.boxes)][0].tolist()
        raise InputError(f"{found.name} has the box {box}, which would not be read again; no image is so large")
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": found.name,
        "identity": dict(found.identity),
        "images": list(found.images),
        "sizes": None if found.sizes is None else found.sizes.tolist(),
        "labels": list(found.labels),
        "image": found.image.tolist(),
        "label": found.label.tolist(),
        "boxes": found.boxes.tolist(),
        "scores": found.scores.tolist(),
        "texts": None if found.texts is None else list(found.texts),
        "masks": None
        if found.masks is None
        else [None if mask is None else segmentation_of_mask(mask) for mask in found.masks],
    }
    return _written(document, path)


@checked(truth=truth_given)
def write_coco_results(found: FoundBoxes, path: str | Path, *, truth: TrueBoxes) -> Path:
    """Writes boxes as COCO's results.

    Args:
      found: the boxes.
      path: of the file, whose name ends in `.json`.
      truth: the annotations whose ids of images and categories are written.

    Returns:
      The file.

    Raises:
      InputError: a box is of an image or category that the annotations have not, or the file cannot be written.

    Example:
      >>> import pathlib, tempfile
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, TrueBoxes, write_coco_results
      >>> place, box = np.array([0]), np.array([[1.0, 2.0, 3.0, 4.0]])
      >>> truth = TrueBoxes("asked", ("a.png",), ("cat",), place, place, box, np.array([12.0]), image_ids=(7,),
      ...     label_ids=(17,))
      >>> found = FoundBoxes("ours", ("a.png",), ("cat",), place, place, box, np.array([0.5]))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     print(write_coco_results(found, f"{folder}/results.json", truth=truth).read_text().strip())
      [{"image_id": 7, "category_id": 17, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}]
    """
    return _written(coco_files.results_of(found, truth), path)


def _is_json(path: str | Path) -> bool:
    place = local_path(path)
    ending = place.suffix.lower()
    if str(path) in ("", "."):
        raise InputError(f"{str(path)!r} is no file of boxes; give the path of one")
    if place.is_file() and ending not in (".json", *_TABLES):
        with contextlib.suppress(OSError), open(place, "rb") as file:
            check_plain(file.read(4), str(path))
        raise InputError(
            f"{path} is no file of boxes that is known by its name; give a .json, .csv, .tsv, .jsonl or .parquet file"
        )
    return ending == ".json"


def _is_own(content: Any) -> bool:
    return isinstance(content, Mapping) and content.get("format") == FORMAT


def _written(document: Any, path: str | Path) -> Path:
    place = local_path(path)
    if place.suffix.lower() != ".json":
        raise InputError(f"{str(path)!r} would not be read as JSON again; give a name that ends in .json")
    try:
        content = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the identity of these boxes has other than plain values ({said_by(error)})") from error
    check_writable(place.parent)
    write_atomically(place, (content + "\n").encode())
    return place


def _own_boxes(file: JsonFile, name: str | None) -> FoundBoxes:
    content, path = file.content, file.path
    if content.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path} is of version {str(content.get('version'))[:20]} of jaxeval's files of boxes; this jaxeval reads "
            f"version {FORMAT_VERSION}"
        )
    try:
        count = len(content["boxes"])
        masks = content["masks"]
        found = FoundBoxes(
            name=name if name is not None else _text(content["name"]),
            images=tuple(map(_name, content["images"])),
            labels=tuple(map(_text, content["labels"])),
            image=_whole(content["image"]),
            label=_whole(content["label"]),
            boxes=_floats(content["boxes"]).reshape(count, 4),
            scores=_floats(content["scores"]),
            texts=None if content["texts"] is None else tuple(map(_text, content["texts"])),
            masks=None
            if masks is None
            else tuple(None if mask is None else mask_of_segmentation(mask) for mask in masks),
            sizes=None if content["sizes"] is None else _whole(content["sizes"]).reshape(len(content["images"]), 2),
            identity=dict(content["identity"]),
        )
        warnings = found.identity.get("warnings", [])
        if not isinstance(warnings, list) or not all(isinstance(one, str) for one in warnings):
            raise TypeError("its identity has warnings that are no list of texts")
        if too_far(found.boxes).any():
            raise ValueError(f"a box is {found.boxes[too_far(found.boxes)][0].tolist()}; no image is so large")
        return found
    except InputError as error:
        raise InputError(f"{path} is damaged ({error}); write it again") from error
    except KeyError as error:
        raise InputError(f"{path} is damaged (it has no {error}); write it again") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is damaged ({said_by(error)}); write it again") from error


def _own_in_pixels(found: FoundBoxes, path: str, truth: TrueBoxes | None, normalised: bool | None) -> FoundBoxes:
    """The boxes, which are in pixels unless a detector gave something else than it was said to give."""
    if not normalised and (truth is None or not len(truth)):
        return found
    sizes = found.sizes
    if normalised and truth is not None and truth.sizes is not None and (sizes is None or not sizes.any()):
        of = dict(zip(truth.images, truth.sizes.tolist(), strict=True))
        sizes = np.array([of.get(own, (0, 0)) for own in found.images], np.int64).reshape(-1, 2)
    boxes = pixels_of_parts(found.boxes, sizes, found.image, found.images, path, said_or_seen(normalised, truth))
    return dataclasses.replace(found, boxes=boxes, sizes=sizes)


def _text(value: Any) -> str:
    if has_half(_name(value)):
        raise ValueError(f"{value[:40]!r} has half of a character")
    return value


def _name(value: Any) -> str:
    """Of an image, which may be what its file system has, and no Unicode."""
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]} is no text")
    return value


def _floats(values: Sequence[Any]) -> np.ndarray:
    found = np.array(values)
    if found.dtype.kind not in "if" and found.size:
        raise TypeError("there are values that are no numbers")
    return found.astype(np.float64)


def _whole(values: Sequence[Any]) -> np.ndarray:
    found = np.array(values)
    if found.dtype.kind != "i" and found.size:
        raise TypeError("there are places or sizes that are no whole numbers")
    return found.astype(np.int64)
