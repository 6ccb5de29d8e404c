"""What a number is called, whether more of it is better, and what it can be."""

import dataclasses
import math
from typing import Literal

from jaxeval.extractors import Extractor

Better = Literal["lower", "higher"]

_ANY = (-math.inf, math.inf)
POSITIVE = (0.0, math.inf)
UNIT = (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class NumberName:
    """Names of one number, and what it can be.

    Attributes:
      stem: what its key begins with, and what `--metrics` takes.
      label: as it is printed, before the extractor's name.
      better: which direction is, if either.
      inception: its own name over the FID Inception network, where the field has one that means only that.
      range: the least and the largest that what the number estimates can be. An unbiased estimate of a squared
        discrepancy is below 0 half of the time where there is none, and is not bounded here.
      mean_over: of which images it is a mean, where it is one that ends at an edge of the range if all images do.
      share: whether each of those images counts all or nothing.
    """

    stem: str
    label: str
    better: Better | None
    inception: str | None = None
    range: tuple[float, float] = _ANY
    mean_over: Literal["generated", "reference"] | None = None
    share: bool = False

    @property
    def own_key(self) -> str | None:
        """The key of its own name over the FID Inception network; None where it has no such name."""
        return None if self.inception is None else self.inception.lower().replace(" ", "-")

    def key(self, extractor: Extractor) -> str:
        """A result's `metric`: `fd-lite0`; `fid` where the field's own name stands for the FID Inception network."""
        own = self.own_key if extractor.family == "inception" else None
        return own or f"{self.stem}-{extractor.name}"

    def label_over(self, extractor: Extractor) -> str:
        """What tables call the number over an extractor: `FID`, `FD-lite0`."""
        own = self.inception if extractor.family == "inception" else None
        return own or f"{self.label}-{extractor.name}"
