"""What a detector is, and what it gives back of an image, whatever it is made of."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from jaxeval.detection.boxes import Mask
from jaxeval.detection.labels import checked_labels
from jaxeval.detection.returned import BoxLayout, Raw, check_box_layout, materialised, raw_findings, rows_returned
from jaxeval.errors import InputError, JaxevalError, MissingPackageError, lack_of_memory, said_by


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """What a detector found in one image, in its own order.

    Attributes:
      boxes: left, top, width and height in pixels, float64, shape [n, 4].
      scores: the detector's confidence, float64, shape [n].
      labels: the name of each box's category.
      texts: what is written in each box, of text detectors; None of others.
      masks: the object's pixels, where a detector gives them; None of others.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import Findings
      >>> Findings(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.9]), ("cat",)).labels
      ('cat',)
    """

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    labels: tuple[str, ...]
    texts: tuple[str, ...] | None = None
    masks: tuple[Mask, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """A detector: called with a batch of images, it gives back the findings of each.

    Attributes:
      name: what messages and tables call it.
      find: takes a list of uint8 RGB arrays [height, width, 3] of perhaps different sizes and gives back one row for
        each: a mapping with `boxes`, `scores` and `labels`, perhaps `masks` or `texts`, or these as a tuple.
      labels: names of the categories, by the numbers that `find` gives; None if it gives names.
      identity: what decides what it finds, plain values: the version of its package, digests of its weights, its
        options; empty if that is not known, so that what it finds cannot be kept.
      box_layout: how `find` gives boxes; one of `jaxeval.detection.returned.BOX_LAYOUTS`.
      first_label: the number of the first of `labels`.
      unbounded_scores: whether scores may be any finite number, and not only 0 to 1.
      one_by_one: whether `find` is called with one image at a time, so that what fails is known by name.
      reads: whether it says what is written in its boxes; None where only what it gives back tells.

    Raises:
      InputError: the layout is not known, a label has no name, or the identity has other than plain values.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import Detector
      >>> def find(batch):
      ...     return [{"boxes": [[1, 2, 4, 6]], "scores": [0.9], "labels": [0]} for image in batch]
      >>> found = Detector("constant", find, labels=("cat",))([np.zeros((8, 8, 3), np.uint8)])
      >>> found[0].boxes.tolist(), found[0].labels
      ([[1.0, 2.0, 3.0, 4.0]], ('cat',))
    """

    name: str
    find: Callable[[list[np.ndarray]], Any]
    labels: tuple[str, ...] | None = None
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    box_layout: BoxLayout = "xyxy"
    first_label: int = 0
    unbounded_scores: bool = False
    one_by_one: bool = False
    reads: bool | None = None

    def __post_init__(self):
        whose = f"the detector {self.name}"
        check_box_layout(self.box_layout, whose)
        if self.labels is not None:
            checked_labels(self.labels, whose)
        try:
            json.dumps(dict(self.identity), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{whose} has an identity of other than plain values ({said_by(error)}); give texts and numbers"
            ) from error

    def __call__(self, batch: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> list[Findings]:
        """The findings of each image of a batch.

        Raises:
          InputError: the detector fails, or gives back what is no finding; the sentence names it and the image.
        """
        return list(self.rows(batch, [f"image {place} of the batch" for place in range(len(batch))]))

    def rows(self, batch: Sequence[UInt8[np.ndarray, "_h _w 3"]], names: Sequence[str]) -> Iterator[Findings]:
        """The findings of one image after the other, so that those before a wrong one are not lost.

        Args:
          batch: the images.
          names: of the images, for messages.

        Raises:
          InputError: as when called.
        """
        if self.one_by_one and len(batch) > 1:
            for image, name in zip(batch, names, strict=True):
                yield from self.rows([image], [name])
            return
        of = names[0] if len(names) == 1 else f"{len(names)} images from {names[0]} on"
        with self._told(of):
            try:
                returned = materialised(self.find(list(batch)), len(batch))
            except MissingPackageError:
                raise
            except InputError as error:  # of jaxeval's own detectors, which do not know the image's name
                raise InputError(f"{of}: {error}") from error
            rows = rows_returned(returned, len(batch), self.name, of)
        for image, name, row in zip(batch, names, rows, strict=True):
            where = f"the detector {self.name} gives, of {name},"
            height, width = image.shape[:2]
            with self._told(name):
                raw = raw_findings(row, where, self.box_layout, (height, width), bounded=not self.unbounded_scores)
            yield Findings(raw.boxes, raw.scores, self._names(raw, where), raw.texts, raw.masks)

    @contextlib.contextmanager
    def _told(self, of: str) -> Iterator[None]:
        """The user's own code, also that of generators and of what it gives back, may raise anything: one sentence."""
        try:
            yield
        except JaxevalError:
            raise
        except Exception as error:
            if lack_of_memory(error):
                raise
            raise InputError(
                f"the detector {self.name} fails on {of} ({type(error).__name__}: {said_by(error)})"
            ) from error

    def _names(self, raw: Raw, where: str) -> tuple[str, ...]:
        if raw.labels.dtype.kind == "U":
            return tuple(raw.labels.tolist())
        if self.labels is None:
            raise InputError(
                f"{where} label {raw.labels[0]}, a number, and no names; give the callable an attribute `labels`, or "
                "add ?labels=FILE with one name a line"
            )
        places = raw.labels - self.first_label
        wrong = (places < 0) | (places >= len(self.labels))
        if wrong.any():
            last = self.first_label + len(self.labels) - 1
            raise InputError(
                f"{where} label {raw.labels[wrong][0]}; its {len(self.labels)} labels have the numbers from "
                f"{self.first_label} to {last}"
            )
        return tuple(self.labels[place] for place in places)
