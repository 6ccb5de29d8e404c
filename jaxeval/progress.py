"""Who is told how far a long run has come."""

from typing import Protocol, runtime_checkable

__all__ = ["Progress"]


@runtime_checkable
class Progress(Protocol):
    """Who is told how far a long run has come."""

    def begin(self, name: str, total: int, unit: str = "images") -> None:
        """A data set of that many images is about to be read, or its metrics to be computed (`unit` says which)."""

    def advance(self, count: int) -> None:
        """So many more of them are done."""

    def end(self, note: str = "") -> None:
        """All are done."""
