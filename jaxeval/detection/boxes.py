"""Boxes of a set of images: what a detector found, and what is asked for or true."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval.detection import box_fields
from jaxeval.errors import InputError

_KNOWN_OR_NONE = ("texts", "masks", "sizes", "crowd", "ignored", "ids", "image_ids", "label_ids", "prompts")


@dataclasses.dataclass(frozen=True, eq=False)
class Mask:
    """Which pixels of an image belong to an object, as runs, as COCO's files keep them.

    Attributes:
      height, width: of the image.
      runs: lengths of runs down the columns, from the upper left corner, first of pixels outside the object.

    Raises:
      InputError: the runs are not whole numbers from 0 on whose sum is the number of pixels.

    Example:
      >>> from jaxeval.detection import Mask
      >>> Mask(2, 3, (1, 2, 3)).pixels().astype(int).tolist()
      [[0, 1, 0], [1, 0, 0]]
    """

    height: int
    width: int
    runs: tuple[int, ...]

    def __post_init__(self):
        if min(self.runs, default=0) < 0 or sum(self.runs) != self.height * self.width:
            raise InputError(
                f"a mask of {self.height} x {self.width} pixels has runs that add up to {sum(self.runs)}; their sum "
                "must be the number of pixels, and none may be negative"
            )

    def pixels(self) -> Bool[np.ndarray, "height width"]:
        """True for the object's pixels."""
        runs = np.asarray(self.runs, np.int64)
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(self.width, self.height).T


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FoundBoxes:
    """What a detector found in a set of images: flat arrays, a row for each box.

    Rows of one image stand in the order in which the detector gave them, which decides between equal scores.

    Attributes:
      name: what messages and tables call the set.
      images: names of all images that were looked at, also of those in which nothing was found; unique.
      labels: names of the categories that the detector knows, or that its boxes have; unique.
      image: of each box, its image's place in `images`, shape [N].
      label: of each box, its label's place in `labels`, shape [N].
      boxes: left, top, width and height in pixels, float64, shape [N, 4]; the pixel in the upper left corner spans
        from 0 to 1.
      scores: the detector's confidence, float64, shape [N].
      texts: what is written in each box, as text detectors say; None of other detectors.
      masks: the object's pixels, where a detector gives them; None of other detectors.
      sizes: height and width of each image, shape [images, 2]; zeros where they are not known.
      identity: whose boxes they are, plain values: the detector's name, its weights' digests, its options.

    Lists do in the place of tuples and arrays, and are kept as these.

    Raises:
      InputError: a field is not of its kind or its length, an image or a label stands twice, a place points nowhere, a
        value is not finite, a coordinate is beyond 1e100, or a box has a negative width or height; the sentence names
        the set, the field, and the image where there is one.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes
      >>> found = FoundBoxes("ours", ("a.png", "b.png"), ("cat",), np.array([0]), np.array([0]),
      ...     np.array([[10.0, 20.0, 30.0, 40.0]]), np.array([0.9]))
      >>> print(found)
      ours: 1 box of 1 category in 2 images
    """

    name: str
    images: tuple[str, ...]
    labels: tuple[str, ...]
    image: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    texts: tuple[str, ...] | None = None
    masks: tuple[Mask | None, ...] | None = None
    sizes: Int[np.ndarray, "images 2"] | None = None
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        _check(self)
        _keep(self, "scores", box_fields.numbers)
        _check_rows(self, "scores", self.scores)
        _keep(self, "texts", box_fields.texts_of)
        _keep(self, "masks", functools.partial(box_fields.records_of, kind=Mask))
        _keep(self, "identity", box_fields.plain_values)
        for field in ("texts", "masks"):
            _check_count(self, field, len(self.image), "boxes")

    def __len__(self) -> int:
        return len(self.image)

    def __str__(self) -> str:
        return _counted(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_counted(self)}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TrueBoxes:
    """The boxes that are in a set of images, or that were asked for: flat arrays, a row for each box.

    Attributes:
      name: what messages and tables call the set.
      images: names of all images, also of those that have no box; unique.
      labels: names of the categories; unique.
      image: of each box, its image's place in `images`, shape [N].
      label: of each box, its label's place in `labels`, shape [N].
      boxes: left, top, width and height in pixels, float64, shape [N, 4].
      areas: in square pixels, by which small, medium and large are told apart, float64, shape [N]: of COCO's files the
        object's own, which is not the box's.
      crowd: whether a box is around a crowd, shape [N].
      ignored: whether a box counts neither as found nor as missed (VOC's difficult), shape [N].
      ids: of each box, its number in its file, shape [N]; None where it has none.
      sizes: height and width of each image, shape [images, 2]; zeros where they are not known.
      image_ids: of each image, what its file calls it, by which other files refer to it; None where names do that.
      label_ids: of each label, what its file calls it; None where names do that.
      prompts: of each image, the text it was made from; "" where there is none.

    Lists do in the place of tuples and arrays, and are kept as these; 1 and 0 are flags too.

    Raises:
      InputError: as of `FoundBoxes`, or an area is negative.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import TrueBoxes
      >>> asked = TrueBoxes("layouts", ("a.png",), ("cat", "dog"), np.array([0, 0]), np.array([0, 1]),
      ...     np.array([[10.0, 20.0, 30.0, 40.0], [0.0, 0.0, 8.0, 8.0]]), np.array([1200.0, 64.0]))
      >>> print(asked)
      layouts: 2 boxes of 2 categories in 1 image
    """

    name: str
    images: tuple[str, ...]
    labels: tuple[str, ...]
    image: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    areas: Float[np.ndarray, " n"]
    crowd: Bool[np.ndarray, " n"] | None = None
    ignored: Bool[np.ndarray, " n"] | None = None
    ids: Int[np.ndarray, " n"] | None = None
    sizes: Int[np.ndarray, "images 2"] | None = None
    image_ids: tuple[int | str, ...] | None = None
    label_ids: tuple[int | str, ...] | None = None
    prompts: tuple[str, ...] | None = None

    def __post_init__(self):
        _check(self)
        _keep(self, "areas", box_fields.numbers)
        _check_rows(self, "areas", self.areas)
        if (self.areas < 0).any():
            row = int(np.flatnonzero(self.areas < 0)[0])
            raise InputError(
                f"{self.name}: areas of {self.images[self.image[row]]} has {self.areas[row]:g}; none may be negative"
            )
        for field in ("crowd", "ignored"):
            _keep(self, field, box_fields.flags)
        _keep(self, "ids", box_fields.whole_numbers)
        for field in ("crowd", "ignored", "ids"):
            _check_count(self, field, len(self.image), "boxes")
        _keep(self, "image_ids", box_fields.ids_of)
        _keep(self, "label_ids", box_fields.ids_of)
        _keep(self, "prompts", box_fields.texts_of)
        for field in ("image_ids", "prompts"):
            _check_count(self, field, len(self.images), "images")
        _check_count(self, "label_ids", len(self.labels), "labels")

    def __len__(self) -> int:
        return len(self.image)

    def __str__(self) -> str:
        return _counted(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_counted(self)}>"


def _counted(rows: FoundBoxes | TrueBoxes) -> str:
    boxes = f"{len(rows)} box" if len(rows) == 1 else f"{len(rows):,} boxes"
    used = len(np.unique(rows.label))
    categories = f"{used} category" if used == 1 else f"{used} categories"
    images = f"{len(rows.images)} image" if len(rows.images) == 1 else f"{len(rows.images):,} images"
    return f"{rows.name}: {boxes} of {categories} in {images}"


def _keep(rows: FoundBoxes | TrueBoxes, field: str, reader: Callable[[str, str, Any], Any]) -> None:
    """A field as it is kept; None stays where nothing is known."""
    given = getattr(rows, field)
    if given is not None or field not in _KNOWN_OR_NONE:
        object.__setattr__(rows, field, reader(rows.name, field, given))


def _check_count(rows: FoundBoxes | TrueBoxes, field: str, count: int, what: str) -> None:
    given = getattr(rows, field)
    if given is not None and len(given) != count:
        raise InputError(f"{rows.name}: there are {len(given)} {field} for {count} {what}")


def _check(rows: FoundBoxes | TrueBoxes) -> None:
    box_fields.set_name(rows.name)
    for field in ("images", "labels"):
        _keep(rows, field, box_fields.texts_of)
    for field in ("image", "label"):
        _keep(rows, field, box_fields.whole_numbers)
    for field, shape in (("boxes", (len(rows.image), 4)), ("sizes", (len(rows.images), 2))):
        reader = box_fields.numbers if field == "boxes" else box_fields.whole_numbers
        _keep(rows, field, functools.partial(reader, shape=shape))
    for field in ("images", "labels"):
        names = getattr(rows, field)
        if len(set(names)) != len(names):
            seen: set[str] = set()
            twice = next(name for name in names if name in seen or seen.add(name))
            raise InputError(f"{rows.name}: {field} has {twice!r} twice; name each once")
    for field, names in (("image", rows.images), ("label", rows.labels)):
        places = getattr(rows, field)
        if len(places) and not (places.min() >= 0 and places.max() < len(names)):
            wrong = places[(places < 0) | (places >= len(names))][0]
            raise InputError(f"{rows.name}: a box has {field} {wrong}, and there are {len(names)} {field}s, from 0 on")
    if len(rows.label) != len(rows.image):
        raise InputError(f"{rows.name}: there are {len(rows.label)} places in label and {len(rows.image)} in image")
    if rows.sizes is not None and (rows.sizes < 0).any():
        place = int(np.flatnonzero((rows.sizes < 0).any(1))[0])
        raise InputError(f"{rows.name}: sizes of {rows.images[place]} has a negative number; give height and width")
    _check_rows(rows, "boxes", rows.boxes)
    far = (np.abs(rows.boxes) > box_fields.FARTHEST).any(1)
    if far.any():
        row = int(np.flatnonzero(far)[0])
        raise InputError(
            f"{rows.name}: boxes of {rows.images[rows.image[row]]} has {np.abs(rows.boxes[row]).max():g}; no "
            f"coordinate may be beyond {box_fields.FARTHEST:g}"
        )
    negative = (rows.boxes[:, 2:] < 0).any(1)
    if negative.any():
        row = int(np.flatnonzero(negative)[0])
        width, height = rows.boxes[row, 2:]
        raise InputError(
            f"{rows.name}: a box of {rows.images[rows.image[row]]} has width {width:g} and height {height:g}; neither "
            "may be negative"
        )


def _check_rows(rows: FoundBoxes | TrueBoxes, field: str, values: np.ndarray) -> None:
    if len(values) != len(rows.image):
        raise InputError(f"{rows.name}: there are {len(values)} {field} for {len(rows.image)} boxes")
    broken = ~np.isfinite(values).all(tuple(range(1, values.ndim)))
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise InputError(
            f"{rows.name}: {field} of {rows.images[rows.image[row]]} has {values[row]}; every value must be finite"
        )
