"""The lines of a text from the boxes in which its parts were read.

Boxes whose heights overlap by half of the lower one are one line. Lines are read from above to below, and the boxes of
a line from left to right, or from right to left where most of its letters are of a script that is written so (Hebrew,
Arabic and others; what a box says is in the order in which it is spoken). Between boxes of a line, and between lines
where they are made one text, stands a space, except between letters of scripts without spaces (Chinese, Japanese: what
Unicode calls wide). Columns of vertical writing are read as lines of one letter each: tell such text by its words.
"""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

_OVERLAP = 0.5  # of the lower box's height


def reading_order(boxes: Float[np.ndarray, "n 4"], texts: Sequence[str]) -> list[list[int]]:
    """The lines from above to below: of each the numbers of its boxes in the order in which they are read.

    Args:
      boxes: left, top, width and height.
      texts: what was read in each, by which the direction of a line is told.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.reading_order import reading_order
      >>> boxes = np.array([[60.0, 11.0, 50.0, 10.0], [0.0, 40.0, 50.0, 10.0], [0.0, 10.0, 50.0, 10.0]])
      >>> reading_order(boxes, ["birthday", "Ann", "happy"])
      [[2, 0], [1]]
    """
    middles = boxes[:, 1] + boxes[:, 3] / 2
    lines: list[list[int]] = []
    for box in np.lexsort((boxes[:, 0], middles)).tolist():
        overlaps = [_overlap(boxes[box], boxes[line]) for line in lines]
        if overlaps and max(overlaps) >= _OVERLAP:
            lines[int(np.argmax(overlaps))].append(box)
        else:
            lines.append([box])
    lines.sort(key=lambda line: float(middles[line].mean()))
    return [_across(line, boxes, texts) for line in lines]


def joined(pieces: Iterable[str]) -> str:
    """Pieces of text as one: a space between them where their scripts have spaces; empty ones are left out.

    Example:
      >>> from jaxeval.detection.reading_order import joined
      >>> joined(["happy", "birthday"]), joined(["生日", "快乐"])
      ('happy birthday', '生日快乐')
    """
    text = ""
    for piece in pieces:
        if piece:
            space = " " if text and not (_is_wide(text[-1]) and _is_wide(piece[0])) else ""
            text += space + piece
    return text


def read_lines(boxes: Float[np.ndarray, "n 4"], texts: Sequence[str]) -> tuple[str, ...]:
    """What the lines say, from above to below.

    Args:
      boxes: left, top, width and height.
      texts: what was read in each.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.reading_order import read_lines
      >>> read_lines(np.array([[60.0, 11.0, 50.0, 10.0], [0.0, 10.0, 50.0, 10.0]]), ["birthday", "happy"])
      ('happy birthday',)
    """
    lines = (joined(texts[box].strip() for box in line) for line in reading_order(boxes, texts))
    return tuple(line for line in lines if line)


def _overlap(box: Float[np.ndarray, "4"], line: Float[np.ndarray, "m 4"]) -> float:
    """By how much of the lower of both heights a box overlaps with the mean of a line's."""
    top, bottom = line[:, 1].mean(), (line[:, 1] + line[:, 3]).mean()
    lower = min(box[3], bottom - top)
    shared = min(box[1] + box[3], bottom) - max(box[1], top)
    if lower > 0:
        return float(shared / lower)
    return 1.0 if shared >= 0 else 0.0


def _across(line: list[int], boxes: Float[np.ndarray, "n 4"], texts: Sequence[str]) -> list[int]:
    if _is_leftward("".join(texts[box] for box in line)):
        return sorted(line, key=lambda box: -float(boxes[box, 0] + boxes[box, 2]))
    return sorted(line, key=lambda box: float(boxes[box, 0]))


def _is_leftward(text: str) -> bool:
    """Whether most of its letters are of scripts that are written from right to left."""
    directions = [unicodedata.bidirectional(letter) for letter in text]
    return sum(one in ("R", "AL") for one in directions) > directions.count("L")


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in ("W", "F")
