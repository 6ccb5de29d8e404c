"""COCO's JSON files: annotations, of what is in images or is asked for, and results, of what was found."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval.detection.boxes import FoundBoxes, Mask, TrueBoxes
from jaxeval.detection.documents import JsonFile
from jaxeval.detection.masks import box_of_mask, mask_of_segmentation, segmentation_of_mask
from jaxeval.detection.parts_of_sides import pixels_of_parts, said_or_seen, too_far
from jaxeval.errors import InputError

_LARGEST = 2**53  # ids and sides beyond it are no numbers that JSON's readers agree on
_PROMPTS = ("prompt", "caption")
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_Row = Mapping[str, Any]


def true_boxes(file: JsonFile, name: str, normalised: bool | None) -> TrueBoxes:
    """The boxes of a file of annotations.

    Args:
      file: what it says.
      name: of the set.
      normalised: whether boxes are given in parts of the image's sides; None if nothing was said of it.

    Raises:
      InputError: a piece is missing or of another kind, an id stands twice or points nowhere, or a value is not finite
        or negative.
    """
    path, content = file.path, file.content
    if isinstance(content, list):
        raise InputError(
            f"{path} is a list, as COCO's results are; give a file of annotations, an object with images, annotations "
            "and categories"
        )
    images, rows, categories = (_list(content, key, path) for key in ("images", "annotations", "categories"))
    image_ids, label_ids = (_ids(of, what, path) for of, what in ((images, "image"), (categories, "category")))
    if any("file_name" in image for image in images):
        names = _texts(images, "file_name", "image", path)
    else:  # COCO's reference does without, and so do files that only it reads
        names = tuple(map(str, image_ids))
    labels = _texts(categories, "name", "category", path)
    sizes = _sizes(images, path)
    places = _places(rows, "image_id", image_ids, "image", "annotation", path)
    categories_of = _places(rows, "category_id", label_ids, "category", "annotation", path)
    boxes = _boxes([row.get("bbox") for row in rows], rows, "annotation", path)
    boxes = pixels_of_parts(boxes, sizes, places, names, path, normalised)
    areas = boxes[:, 2] * boxes[:, 3]
    if not normalised:  # exporters write null for what they do not know
        own = [row.get("area") for row in rows]
        given = [area if one is None else one for one, area in zip(own, areas.tolist(), strict=True)]
        areas = _numbers(given, rows, "area", "annotation", path)
        _refuse(areas < 0, rows, "annotation", path, lambda row: f"has the area {row['area']}, which is negative")
    return TrueBoxes(
        name=name,
        images=names,
        labels=labels,
        image=places,
        label=categories_of,
        boxes=boxes,
        areas=areas,
        crowd=_flags(rows, "iscrowd", path),
        ignored=_flags(rows, "ignore", path),
        ids=_own_ids(rows, path),
        sizes=sizes,
        image_ids=image_ids,
        label_ids=label_ids,
        prompts=_prompts(images, path),
    )


def found_boxes(file: JsonFile, name: str, truth: TrueBoxes | None, normalised: bool | None) -> FoundBoxes:
    """The boxes of a file of results.

    Args:
      file: what it says.
      name: of the set.
      truth: whose images and categories the ids are of.
      normalised: as for `true_boxes`; boxes around masks are in pixels all the same.

    Raises:
      InputError: as for `true_boxes`; or `truth` is not there.
    """
    path, rows = file.path, file.content
    if truth is None:
        raise InputError(
            f"{path} has COCO's results, whose images and categories are numbers; give the file of annotations that "
            "they are of too"
        )
    rows = _rows(rows, "result", path)
    places = _places(rows, "image_id", truth.image_ids or truth.images, "image", "result", path)
    labels = _places(rows, "category_id", truth.label_ids or truth.labels, "category", "result", path)
    warnings: list[str] = []
    masks = _masks(rows, places, truth, path, warnings)
    given = [row.get("bbox") for row in rows]
    boxed = np.ones(len(rows), bool)
    if masks is not None:
        boxed = np.array([bool(box) or mask is None for box, mask in zip(given, masks, strict=True)], bool)
        given = [
            box if own or mask is None else list(box_of_mask(mask))
            for box, mask, own in zip(given, masks, boxed, strict=True)
        ]
    boxes = _boxes(given, rows, "result", path)
    said = said_or_seen(normalised, truth)
    boxes[boxed] = pixels_of_parts(boxes[boxed], truth.sizes, places[boxed], truth.images, path, said)
    scores = _numbers([row.get("score") for row in rows], rows, "score", "result", path)
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        warnings.append(f"{path}: {outside:,} of {len(scores):,} scores are not from 0 to 1; only their order counts")
    return FoundBoxes(
        name=name,
        images=truth.images,
        labels=truth.labels,
        image=places,
        label=labels,
        boxes=boxes,
        scores=scores,
        masks=masks,
        sizes=truth.sizes,
        identity={
            "file": path,
            "sha256": file.sha256,
            "format": "coco-results",
            # As COCO's reference does, the first result decides for all.
            **({"areas": "masks"} if len(boxed) and not boxed[0] else {}),
            "warnings": warnings,
        },
    )


def results_of(found: FoundBoxes, truth: TrueBoxes) -> list[dict[str, Any]]:
    """The boxes as COCO's results.

    Args:
      found: the boxes.
      truth: the annotations whose ids are written.

    Raises:
      InputError: a box is of an image or category that the annotations have not.
    """
    images = dict(zip(truth.images, truth.image_ids or truth.images, strict=True))
    labels = dict(zip(truth.labels, truth.label_ids or truth.labels, strict=True))
    for what, names, known, used in (
        ("image", found.images, images, found.image),
        ("category", found.labels, labels, found.label),
    ):
        unknown = [names[place] for place in np.unique(used) if names[place] not in known]
        if unknown:
            raise InputError(f"{found.name} has boxes of the {what} {unknown[0]!r}, which {truth.name} has not")
    rows = []
    for row, (image, label, box, score) in enumerate(
        zip(found.image.tolist(), found.label.tolist(), found.boxes.tolist(), found.scores.tolist(), strict=True)
    ):
        entry: dict[str, Any] = {
            "image_id": images[found.images[image]],
            "category_id": labels[found.labels[label]],
            "bbox": box,
            "score": score,
        }
        mask = None if found.masks is None else found.masks[row]
        if mask is not None:
            entry["segmentation"] = segmentation_of_mask(mask)
        rows.append(entry)
    return rows


def _list(content: Any, key: str, path: str) -> list[Any]:
    if not isinstance(content, Mapping) or key not in content:
        raise InputError(f"{path} has no {key!r}; COCO's annotations have images, annotations and categories")
    return _rows(content[key], {"images": "image", "annotations": "annotation"}.get(key, "category"), path)


def _rows(rows: Any, what: str, path: str) -> list[Any]:
    if not isinstance(rows, list):
        raise InputError(f"{path} has {_said(rows)} where a list with an object for each {what} is expected")
    for number, row in enumerate(rows):
        if type(row) is not dict:
            raise InputError(f"{path}: {what} number {number} is {_said(row)}; an object is expected")
    return rows


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _where(row: _Row, number: int, what: str) -> str:
    named = row.get("id") if what != "result" else None
    usual = type(named) is str or (type(named) is int and abs(named) <= _LARGEST)
    return f"{what} {_said(named)}" if usual else f"{what} number {number}"


def _fail(rows: Sequence[_Row], number: int, what: str, path: str, why: str) -> NoReturn:
    raise InputError(f"{path}: {_where(rows[number], number, what)} {why}")


def _refuse(
    wrong: Bool[np.ndarray, " n"], rows: Sequence[_Row], what: str, path: str, why: Callable[[_Row], str]
) -> None:
    if wrong.any():
        number = int(np.flatnonzero(wrong)[0])
        _fail(rows, number, what, path, why(rows[number]))


def _ids(rows: Sequence[_Row], what: str, path: str) -> tuple[int | str, ...]:
    ids = []
    for number, row in enumerate(rows):
        own = row.get("id")
        if type(own) is float and own.is_integer():
            own = int(own)
        if type(own) not in (int, str) or (type(own) is int and abs(own) > _LARGEST):
            _fail(rows, number, what, path, f"has the id {_said(own)}; give a whole number or a text")
        ids.append(own)
    seen: set[int | str] = set()
    for number, own in enumerate(ids):
        if own in seen:
            raise InputError(f"{path}: {what} number {number} has the id {own!r} again; give each its own")
        seen.add(own)
    return tuple(ids)


def _own_ids(rows: Sequence[_Row], path: str) -> Int[np.ndarray, " n"] | None:
    """Of annotations; none where none has one, or where they are texts.

    Texts of whole numbers are these, as they are when COCO's reference puts ids into arrays.
    """
    if not any("id" in row for row in rows):
        return None
    ids = _ids(rows, "annotation", path)
    if not all(type(one) is int or _WHOLE.fullmatch(str(one)) for one in ids):
        return None
    numbers = list(map(int, ids))
    if len(set(numbers)) != len(numbers):
        seen: set[int] = set()
        number = next(number for number, own in enumerate(numbers) if own in seen or seen.add(own))
        raise InputError(
            f"{path}: annotation number {number} has the id {ids[number]!r} again, as a number or text; give each its "
            "own"
        )
    return np.array(numbers, np.int64)


def _texts(rows: Sequence[_Row], key: str, what: str, path: str) -> tuple[str, ...]:
    texts, seen = [], set()
    for number, row in enumerate(rows):
        text = row.get(key)
        if not isinstance(text, str) or not text.strip():
            _fail(rows, number, what, path, f"has no {key}; give it a name")
        if text in seen:
            _fail(rows, number, what, path, f"has the {key} {text!r}, which another one has; give each its own")
        seen.add(text)
        texts.append(text)
    return tuple(texts)


def _sizes(images: Sequence[_Row], path: str) -> Int[np.ndarray, "images 2"]:
    sizes = np.zeros((len(images), 2), np.int64)
    for number, row in enumerate(images):
        sides: Any = row.get("height"), row.get("width")
        if sides == (None, None):
            continue
        if not all(type(side) in (int, float) and 0 <= side < _LARGEST and side == int(side) for side in sides):
            _fail(
                images, number, "image", path, f"has height {_said(sides[0])} and width {_said(sides[1])}; give pixels"
            )
        sizes[number] = sides
    return sizes


def _prompts(images: Sequence[_Row], path: str) -> tuple[str, ...] | None:
    """Of each image its prompt, or its caption where it has none; None where no image has either."""
    if not any(row.get(key) is not None for row in images for key in _PROMPTS):
        return None
    texts = []
    for number, row in enumerate(images):
        given = [(key, row[key]) for key in _PROMPTS if row.get(key) is not None]
        wrong = next(((key, text) for key, text in given if not isinstance(text, str)), None)
        if wrong is not None:
            _fail(images, number, "image", path, f"has the {wrong[0]} {_said(wrong[1])}; give a text")
        texts.append(next((text for _, text in given if text), ""))
    return tuple(texts)


def _places(
    rows: Sequence[_Row], key: str, ids: Sequence[int | str], of: str, what: str, path: str
) -> Int[np.ndarray, " n"]:
    places: dict[Any, int] = {own: place for place, own in enumerate(ids)}
    given = [row.get(key) for row in rows]
    if set(map(type, given)) <= {int, float, str}:  # whatever else there is may have no hash, or be equal to a number
        found = [places.get(one, -1) for one in given]
        if -1 not in found:
            return np.array(found, np.int64)
        number = found.index(-1)
    else:
        number = next(number for number, one in enumerate(given) if type(one) not in (int, float, str))
    if key not in rows[number]:
        _fail(rows, number, what, path, f"has no {key}")
    hint = "mend or remove it"
    one = given[number]
    if type(one) in (int, str):
        other = {str(own): own for own in ids}.get(str(one))
        if other is not None:
            hint = f"that of one is {other!r}, {'a number' if type(other) is int else 'a text'}: write both alike"
    _fail(rows, number, what, path, f"has {key} {_said(one)}, and there is no {of} of that id; {hint}")


def _boxes(given: list[Any], rows: Sequence[_Row], what: str, path: str) -> Float[np.ndarray, "n 4"]:
    whole = set(map(type, given)) <= {list} and set(map(len, given)) <= {4}
    if not whole:
        number = next(number for number, box in enumerate(given) if type(box) is not list or len(box) != 4)
        said = "no bbox" if given[number] is None else f"the bbox {_said(given[number])}"
        _fail(rows, number, what, path, f"has {said}; [left, top, width, height] is expected")
    flat = _numbers(list(itertools.chain.from_iterable(given)), rows, "bbox", what, path, per_row=4)
    boxes = flat.reshape(-1, 4)
    _refuse(too_far(boxes), rows, what, path, lambda row: f"has the bbox {_said(row['bbox'])}; no image is so large")
    negative = boxes[:, 2:].min(1) < 0
    _refuse(negative, rows, what, path, lambda row: f"has the bbox {row['bbox']}, whose width or height is negative")
    return boxes


def _numbers(
    given: list[Any], rows: Sequence[_Row], key: str, what: str, path: str, per_row: int = 1
) -> Float[np.ndarray, " n"]:
    try:
        found = np.array(given, np.float64) if set(map(type, given)) <= {int, float} else None
    except OverflowError:
        found = None
    if found is not None and np.isfinite(found).all():
        return found
    number = next(number for number, one in enumerate(given) if not _is_number(one))
    value = given[number]
    said = f"no {key}" if value is None and per_row == 1 else f"{_said(value)} in its {key}"
    _fail(rows, number // per_row, what, path, f"has {said}; a finite number is expected")


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and bool(np.isfinite(float(value)))
    except OverflowError:
        return False


def _flags(rows: Sequence[_Row], key: str, path: str) -> Bool[np.ndarray, " n"]:
    given = [0 if row.get(key) is None else row[key] for row in rows]
    for number, one in enumerate(given):
        if type(one) not in (int, bool, float) or one not in (0, 1):
            _fail(rows, number, "annotation", path, f"has {key} {_said(one)}; give 0 or 1")
    return np.array(given, bool)


def _masks(
    rows: Sequence[_Row], places: Int[np.ndarray, " n"], truth: TrueBoxes, path: str, warnings: list[str]
) -> tuple[Mask | None, ...] | None:
    if not any(row.get("segmentation") is not None for row in rows):
        return None
    found: list[Mask | None] = []
    polygons = 0
    for number, row in enumerate(rows):
        given, mask = row.get("segmentation"), None
        if isinstance(given, list) and row.get("bbox") is not None:
            polygons += 1
        elif given is not None:
            try:
                mask = mask_of_segmentation(given)
            except InputError as error:
                _fail(rows, number, "result", path, f"is wrong: {error}")
            size = (0, 0) if truth.sizes is None else tuple(truth.sizes[places[number]].tolist())
            if size not in ((0, 0), (mask.height, mask.width)):
                _fail(
                    rows,
                    number,
                    "result",
                    path,
                    f"has a mask of {mask.height} x {mask.width} pixels, and {truth.images[places[number]]} has "
                    f"{size[0]} x {size[1]}",
                )
        found.append(mask)
    if polygons:
        warnings.append(f"{path}: {polygons:,} segmentations are polygons, which are not read; their boxes are")
    return tuple(found)
