"""A part of a source: what one process of several reads, or what is left of a reading that was interrupted."""

import itertools
from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from jaxeval.errors import InputError
from jaxeval.images.source import Item, Source

_Found = TypeVar("_Found")


class SourcePart(Source):
    """Every `step`-th item of a source, from `start` on and below `stop`, as a slice of a list would have them.

    With `start=process` and `step=processes` the parts of all processes are the whole, each item in exactly one, and
    differ in length by one at most.

    Args:
      source: the whole.
      start: index of the first item.
      stop: index behind the last; None for the end.
      step: distance of the items.
      with_notes: whether this part reports what the whole source left out; one of several parts should.

    Raises:
      InputError: a negative start or a step below one.
    """

    def __init__(
        self, source: Source, start: int = 0, stop: int | None = None, step: int = 1, *, with_notes: bool = True
    ):
        if start < 0 or step < 1:
            raise InputError(f"a part of {source.name} cannot start at {start} with step {step}")
        self.name = source.name
        self.content_known = source.content_known
        self._source = source
        self._start, self._stop, self._step = start, stop, step
        self._with_notes = with_notes

    def __len__(self) -> int:
        """The number of items in the part."""
        return len(range(len(self._source))[self._start : self._stop : self._step])

    def items(self) -> Iterator[Item]:
        """The part's items, in the source's order."""
        return itertools.islice(self._source.items(), self._start, self._stop, self._step)

    def names(self) -> Iterator[str]:
        """The names of the images in the part."""
        return itertools.islice(self._source.names(), self._start, self._stop, self._step)

    @property
    def notes(self) -> Mapping[str, int]:
        """What the whole source left out, if this is the part that reports it."""
        return self._source.notes if self._with_notes else {}


class ChosenPart(Source):
    """The items of a source at some places.

    Args:
      source: the whole.
      places: of the items, ascending.
      with_notes: whether this part reports what the whole source left out; one of several parts should.
    """

    def __init__(self, source: Source, places: Int[np.ndarray, " n"], *, with_notes: bool = True):
        self.name = source.name
        self.content_known = source.content_known
        self._source = source
        self._places = places
        self._with_notes = with_notes

    def __len__(self) -> int:
        """The number of items in the part."""
        return len(self._places)

    def items(self) -> Iterator[Item]:
        """The part's items, in the source's order."""
        if not self._with_notes:
            return self._source.select(self._places)
        return self._at_places(self._source.items())  # to the end, for the notes to be complete

    def names(self) -> Iterator[str]:
        """The names of the images in the part."""
        return self._at_places(self._source.names())

    @property
    def notes(self) -> Mapping[str, int]:
        """What the whole source left out, if this is the part that reports it."""
        return self._source.notes if self._with_notes else {}

    def _at_places(self, found: Iterator[_Found]) -> Iterator[_Found]:
        chosen = set(self._places.tolist())
        return (one for place, one in enumerate(found) if place in chosen)
