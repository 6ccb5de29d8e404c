"""Pictures of rectangles, and a detector that finds them."""

import numpy as np

from jaxeval.detection import (
    FoundBoxes,
)

RED, GREEN = (255, 0, 0), (0, 255, 0)
BLACK = np.zeros((2, 10, 20, 3), np.uint8)


def rectangles(image: np.ndarray) -> list[tuple[int, int, int, int, str]]:
    """Corners of all that is purely red or green."""
    found = []
    for colour, label in ((RED, "red"), (GREEN, "green")):
        rows, columns = np.nonzero((image == colour).all(2))
        if len(rows):
            corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            found.append((*map(int, corners), label))
    return found


class Rectangles:
    """Finds what `rectangles` finds, and counts how many images it saw."""

    name = "rectangles"

    def __init__(self):
        self.identity = {"version": 1}
        self.seen = 0
        self.batches: list[int] = []

    def __call__(self, batch):
        self.seen += len(batch)
        self.batches.append(len(batch))
        rows = [rectangles(image) for image in batch]
        return [
            {"boxes": [one[:4] for one in row], "scores": [0.5] * len(row), "labels": [one[4] for one in row]}
            for row in rows
        ]


def plain(found: FoundBoxes) -> tuple:
    names = [(found.images[i], found.labels[c]) for i, c in zip(found.image, found.label, strict=True)]
    return found.images, names, found.boxes.tolist(), found.scores.tolist()


def row_of(batch, **parts):
    return [{"boxes": [[1, 2, 4, 6]], "scores": [0.5], "labels": ["cat"], **parts} for _ in batch]
