"""What metrics demand of the sets, refused in the user's words: the sets by their names, options that exist.

The functions of `jaxeval.ops` refuse the same, but know neither.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.measure import Features
from jaxeval.evaluation.reading.features import Rows


def need_images(least: int, what: str, *sides: Features) -> None:
    """Refuses a set of fewer images.

    Args:
      least: as many as are needed.
      what: needs them, as in "... needs 4 images".
      sides: the sets that need to have them.

    Raises:
      InputError: one has fewer.
    """
    for side in sides:
        count = len(_rows(side))
        if count < least:
            raise InputError(f"{what} needs {least} images of a set and {side.name!r} has {count}; give more images")


def need_neighbours(k: int, *sides: Features, option: bool = True) -> None:
    """Refuses a set in which an image has no k-th neighbour.

    Args:
      k: which neighbour.
      sides: the sets whose images need it.
      option: whether the user can choose another k.

    Raises:
      InputError: one has no more than k images.
    """
    for side in sides:
        count = len(_rows(side))
        if count > k:
            continue
        lower = f", or --k {count - 1} or less" if option and count > 1 else ""
        raise InputError(
            f"{side.name!r} has {count} image{'s'[: count != 1]}, and balls to the {k}. neighbour of each need {k + 1} "
            f"or more; give more images{lower}"
        )


def need_directions(*sides: Features) -> None:
    """Refuses a set with an image whose features are all 0, where only their direction counts.

    Raises:
      InputError: there is one.
    """
    for side in sides:
        empty = np.flatnonzero(~_rows(side).any(1))
        if len(empty):
            others = f", nor have {len(empty) - 1} others" if len(empty) > 1 else ""
            raise InputError(
                f"image {empty[0] + 1} of {side.name!r} has features that are all 0, which have no direction{others}; "
                "leave such images out"
            )


def need_classes(least: int, *sides: Features) -> None:
    """Refuses classes with too few images.

    Args:
      least: images that each labelled set needs of every class that one of them has.
      sides: the sets.

    Raises:
      InputError: a class has fewer in one of them.
    """
    labels = [_labels(side) for side in sides]
    for label in np.unique(np.concatenate(labels)):
        for side, own in zip(sides, labels, strict=True):
            count = int((own == label).sum())
            if count < least:
                name = repr(side.classes[label]) if side.classes else str(label)
                raise InputError(
                    f"{side.name!r} has {count} image{'s'[: count != 1]} of the class {name} and {least} are needed; "
                    "give more of them, or leave the class out"
                )


def one_class(side: Features) -> bool:
    """Whether all of a set's images are of the same class."""
    labels = _labels(side)
    return bool((labels == labels[0]).all())


def need_width(*sides: Features) -> float:
    """The median distance between two images of these sets, which a kernel is to be as wide as.

    Raises:
      InputError: it is 0.
    """
    rows = [_rows(side) for side in sides]
    if sum(map(len, rows)) > 1:
        try:
            return ops.median_distance(reference=rows[0], generated=rows[-1])
        except InputError as error:
            if varying(*sides):
                raise InputError(
                    f"most images of {_names(sides)} are alike, so that their median distance is 0"
                ) from error
    raise InputError(f"all images of {_names(sides)} are alike, so that no kernel is as wide as their distance")


def varying(*sides: Features) -> bool:
    """Whether two images of one of the sets differ."""
    return any(bool((rows != rows[:1]).any()) for rows in map(_rows, sides))


def _names(sides: Sequence[Features]) -> str:
    return " and ".join(dict.fromkeys(repr(side.name) for side in sides))


def _rows(side: Features) -> Rows:
    assert side.rows is not None
    return side.rows


def _labels(side: Features) -> Int[np.ndarray, " n"]:
    assert side.labels is not None
    return side.labels
