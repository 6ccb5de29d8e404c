"""What a reader should be told of the reading of a set: conversions that other tools may do otherwise, and omissions."""

from jaxeval.images.report import ReadReport

__all__ = ["remarks"]


def remarks(name: str, report: ReadReport) -> list[str]:
    """One sentence for each thing that happened to a set's images and that decides what its numbers mean.

    Args:
      name: of the set, as the user gave it.
      report: of its reading; what is said rests on its counts alone, so that a cached or resumed reading says the same.
    """
    return []
