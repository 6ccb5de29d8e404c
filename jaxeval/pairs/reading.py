"""What scoring with a reference and without have in common: the sets that were given, and their images' headers."""

from collections.abc import Mapping, Sequence

from jaxeval._arguments import Check, a_text, at_least, number, optional
from jaxeval.errors import InputError, MissingPackageError
from jaxeval.images import Item, PixelLayout, PixelRules, ReadReport, stored_image
from jaxeval.pairs.batches import Task

MOST_THREADS = 32
# Of the arguments that both have; there is no "auto" of the batch here.
CHECKS: dict[str, Check] = {
    "colour": a_text("'own', or a colour by name, such as 'y' or 'rgb2gray'"),
    "modcrop": at_least(1, enforce=False),
    "crop_border": at_least(0, enforce=False),
    "data_range": optional(number),
    "batch_size": at_least(1),
}


def example_of(tasks: Sequence[Task]) -> dict[PixelLayout, str]:
    """The place of one image of each layout, to be named in messages."""
    return {task.layout: task.distorted.where for task in reversed(tasks)}


class HeaderReader:
    """Reads headers, and keeps what is done to each image."""

    def __init__(self, rules: PixelRules):
        self._rules = rules
        self._notes: dict[int, tuple[str, ...]] = {}  # by the item's identity; items outlive the reader's use

    def layout_or_error(self, item: Item) -> PixelLayout | InputError:
        """What an image's pixels are, or why it cannot be read."""
        try:
            found = stored_image(item, self._rules)
        except MissingPackageError:  # which is no fault of the image, to be left out for it
            raise
        except InputError as error:
            return error
        self._notes[id(item)] = found.notes
        return found.layout

    def notes(self, item: Item) -> tuple[str, ...]:
        """The notes of what is done to an image's pixels as it is read."""
        return self._notes.get(id(item), ())

    def report(
        self,
        own: str,
        reference: str | None,
        scored: Sequence[Task],
        left_out: Sequence[tuple[Task, str]],
        of_place: Mapping[str, int],
    ) -> ReadReport:
        """How the images of a set were read, each counted once."""
        report = ReadReport()
        once: dict[int, tuple[Item, PixelLayout]] = {}
        for task in scored:
            item = task.reference if own == reference else task.distorted if task.set == own else None
            if item is not None:
                once[id(item)] = item, task.layout
        for item, layout in once.values():
            report.count += 1
            report.sizes.add(layout.height, layout.width)
            report.note_all(self.notes(item))
        report.skipped = [(task.image, reason) for task, reason in left_out if task.set == own]
        for what, times in of_place.items():
            report.note(what, times)
        return report
