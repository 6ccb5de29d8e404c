"""A part of a set in the place of all of it: a sample drawn at random, or the first images."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxeval.errors import InputError
from jaxeval.images.generators import GeneratorSource
from jaxeval.images.source import Item, Source

_UNIFORM = "uniform, without replacement, in the set's order"
_FIRST = "the first"


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which images of each set a run takes.

    A sample is the images with the smallest of the numbers that a generator with this seed gives to all of the set, one
    each: every choice is equally likely, nothing but the seed and the set's length decides it, and a larger sample of
    the same set holds the smaller ones.

    Attributes:
      limit: at most so many; None for all.
      first: whether to take the first ones. It is so of sets that are read as a stream in any case.
      seed: of the choice.

    Raises:
      InputError: a limit below 1, `first` without a limit, or a negative seed.
    """

    limit: int | None = None
    first: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.limit is None:
            if self.first:
                raise InputError("limit_first says which images a limit leaves; give a limit too (--limit N)")
            return
        if self.limit < 1:
            raise InputError(f"limit {self.limit} must be 1 or more")
        if self.seed < 0:
            raise InputError(f"seed {self.seed} of a sample must not be negative")

    def of(self, source: Source) -> Source:
        """The source, or the part of it that is taken."""
        if self.limit is None:
            return source
        if self.first or source.sequential:
            return SampledSource(source, self.limit, asked=self.first)
        chosen = self.places(len(source))
        return source if chosen is None else SampledSource(source, self.limit, chosen, seed=self.seed)

    def places(self, whole: int) -> Int[np.ndarray, " n"] | None:
        """Which images of a set of that many are taken, ascending, where any can be read; None for all of them."""
        if self.limit is None or self.limit >= whole:
            return None
        if self.first:
            return np.arange(self.limit)
        # The raw numbers of a bit generator are the same in every version of NumPy; `choice` may change.
        numbers = np.random.PCG64(np.random.SeedSequence([self.seed])).random_raw(whole)
        return np.sort(np.argsort(numbers, kind="stable")[: self.limit])

    def describe(self, whole: int) -> dict[str, Any] | None:
        """How a sample of a set of that many is taken, as plain values; None where all are."""
        if self.places(whole) is None:
            return None
        rule, seed = (_FIRST, None) if self.first else (_UNIFORM, self.seed)
        return {"rule": rule, "seed": seed, "count": self.limit, "of": whole}


class SampledSource(Source):
    """Some images of a source, in its order; its fingerprint is that of these images.

    Args:
      source: the whole.
      limit: how many images at most.
      chosen: which, ascending; None for the first ones.
      seed: that chose.
      asked: whether it is known to the user that these are the first ones.
    """

    def __init__(
        self,
        source: Source,
        limit: int,
        chosen: Int[np.ndarray, " n"] | None = None,
        *,
        seed: int | None = None,
        asked: bool = False,
    ):
        self.name = source.name
        self.content_known = source.content_known
        self.sequential = source.sequential
        self._source = source
        self._limit = limit
        self._chosen = chosen
        self._seed = seed
        self._asked = asked

    def __len__(self) -> int:
        return min(self._limit, len(self._source))

    def items(self) -> Iterator[Item]:
        """The sample's images, in the source's order."""
        if self._chosen is None:
            return itertools.islice(self._source.items(), self._limit)
        return self._source.select(self._chosen)

    def names(self) -> Iterator[str]:
        """The names of the images in the sample."""
        if self._chosen is None:
            return itertools.islice(self._source.names(), self._limit)
        chosen = set(self._chosen.tolist())
        return (name for place, name in enumerate(self._source.names()) if place in chosen)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many files the whole source left out, by the reason."""
        return self._source.notes

    def describe(self) -> dict[str, Any]:
        """How the sample was taken, as plain values: by what rule, with what seed, how many of how many."""
        rule = _FIRST if self._chosen is None else _UNIFORM
        return {"rule": rule, "seed": self._seed, "count": len(self), "of": len(self._source)}

    def remarks(self) -> list[str]:
        """What a reader should be told: that the first images of a stream are no random sample of it."""
        # What a function makes is drawn at random in any case.
        if self._asked or self._chosen is not None or isinstance(self._source, GeneratorSource):
            return []
        whole = len(self._source)
        if self._limit >= whole:
            return []
        return [
            f"the first {self._limit:,} of {whole:,} images of {self.name} were taken, as it is read as a stream; "
            "they are no random sample of it"
        ]
