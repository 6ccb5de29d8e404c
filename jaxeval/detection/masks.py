"""Masks as COCO keeps them: run lengths down the columns, as a list or as letters of six bits each.

The letters say each run less the run two before it, five bits a letter, the lowest first; the sixth bit says that more
follow, and the last letter's fifth bit is the sign. Of the first three runs nothing is subtracted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxeval.detection.boxes import Mask
from jaxeval.errors import InputError

MOST_PIXELS = 1 << 28
"""Of one mask; larger ones are refused before anything is made of them."""

_FIRST = 48  # the letter "0" is zero
_LETTERS = 13  # more than five bits each are no 64-bit number


def mask_of_pixels(pixels: Bool[np.ndarray, "height width"]) -> Mask:
    """The mask whose pixels are True.

    Args:
      pixels: of the whole image.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.masks import mask_of_pixels
      >>> mask_of_pixels(np.array([[False, True, False], [True, False, False]])).runs
      (1, 2, 3)
    """
    height, width = pixels.shape
    down = np.concatenate([[False], pixels.T.reshape(-1)])
    changes = np.flatnonzero(down[1:] != down[:-1])
    runs = np.diff(np.concatenate([[0], changes, [height * width]]))
    return Mask(height, width, tuple(runs.tolist()))


def mask_of_segmentation(segmentation: Any) -> Mask:
    """The mask of a run-length segmentation of COCO's: `{"size": [height, width], "counts": list or text}`.

    Args:
      segmentation: as JSON gives it.

    Raises:
      InputError: it is none; the sentence says why, without naming the file.

    Example:
      >>> from jaxeval.detection.masks import mask_of_segmentation
      >>> mask_of_segmentation({"size": [2, 3], "counts": "123"}) .runs
      (1, 2, 3)
    """
    if not isinstance(segmentation, Mapping) or "size" not in segmentation or "counts" not in segmentation:
        raise InputError('a segmentation is no run-length mask; give {"size": [height, width], "counts": ...}')
    size, counts = segmentation["size"], segmentation["counts"]
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(map(_is_whole, size))):
        raise InputError(f"a mask has size {str(size)[:60]}; give [height, width] in whole pixels")
    height, width = map(int, size)
    if min(height, width) < 0 or height * width > MOST_PIXELS:
        raise InputError(f"a mask has {height} x {width} pixels; up to {MOST_PIXELS:,} are read")
    if isinstance(counts, str | bytes):
        runs = runs_of_text(counts)
    elif isinstance(counts, list | tuple) and all(map(_is_whole, counts)):
        if any(abs(count) > MOST_PIXELS for count in counts):
            raise InputError(f"a mask has a run of more than {MOST_PIXELS:,} pixels; its sum must be that of its size")
        runs = np.asarray(counts, np.int64)
    else:
        raise InputError("the counts of a mask are neither a list of whole numbers nor text; give one of these")
    return Mask(height, width, tuple(runs.tolist()))


def segmentation_of_mask(mask: Mask) -> dict[str, Any]:
    """The mask as COCO's results have it, with the runs as text.

    Args:
      mask: of an object.

    Example:
      >>> from jaxeval.detection import Mask
      >>> from jaxeval.detection.masks import segmentation_of_mask
      >>> segmentation_of_mask(Mask(2, 3, (1, 2, 3)))
      {'size': [2, 3], 'counts': '123'}
    """
    return {"size": [mask.height, mask.width], "counts": text_of_runs(mask.runs)}


def runs_of_text(text: str | bytes) -> Int[np.ndarray, " n"]:
    """The run lengths that COCO's letters stand for.

    Raises:
      InputError: a letter is none of them, or the text ends within a number.
    """
    content = text.encode("utf-8", "replace") if isinstance(text, str) else text
    codes = np.frombuffer(content, np.uint8).astype(np.int64) - _FIRST
    if not len(codes):
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() > 63:
        raise InputError("the counts of a mask have a letter that stands for no run; give COCO's compressed runs")
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not len(ends) or ends[-1] != len(codes) - 1:
        raise InputError("the counts of a mask end within a number; the text was cut short")
    lengths = ends - starts + 1
    if lengths.max() >= _LETTERS:
        raise InputError("the counts of a mask have a number of more than 60 bits; give COCO's compressed runs")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (5 * places), starts)
    values = np.where(codes[ends] & 16, values - (np.int64(1) << (5 * lengths)), values)
    if np.abs(values).max() > MOST_PIXELS:
        raise InputError(f"a mask has a run of more than {MOST_PIXELS:,} pixels; its sum must be that of its size")
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def text_of_runs(runs: tuple[int, ...]) -> str:
    """COCO's letters of these run lengths."""
    letters = []
    for place, run in enumerate(runs):
        left = run - runs[place - 2] if place > 2 else run
        while True:
            code, left = left & 31, left >> 5
            more = left != (-1 if code & 16 else 0)
            letters.append(chr((code | 32 if more else code) + _FIRST))
            if not more:
                break
    return "".join(letters)


def box_of_mask(mask: Mask) -> tuple[float, float, float, float]:
    """Left, top, width and height of the smallest box around a mask's pixels; zeros of a mask without any.

    Example:
      >>> from jaxeval.detection import Mask
      >>> from jaxeval.detection.masks import box_of_mask
      >>> box_of_mask(Mask(2, 3, (1, 2, 3)))
      (0.0, 0.0, 2.0, 2.0)
    """
    first, last = _object_runs(mask)
    if not len(first):
        return 0.0, 0.0, 0.0, 0.0
    left, right = first[0] // mask.height, last[-1] // mask.height
    across = (first // mask.height != last // mask.height).any()  # a run over the end of a column
    top = 0 if across else (first % mask.height).min()
    bottom = mask.height - 1 if across else (last % mask.height).max()
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def area_of_mask(mask: Mask) -> int:
    """Number of a mask's pixels.

    Example:
      >>> from jaxeval.detection import Mask
      >>> from jaxeval.detection.masks import area_of_mask
      >>> area_of_mask(Mask(2, 3, (1, 2, 3)))
      2
    """
    return sum(mask.runs[1::2])


def _object_runs(mask: Mask) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The first and the last pixel of each run of the object, down the columns."""
    runs = np.asarray(mask.runs, np.int64)
    ends = np.cumsum(runs)[1::2]
    lengths = runs[1::2]
    return (ends - lengths)[lengths > 0], ends[lengths > 0] - 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
