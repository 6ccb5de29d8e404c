"""Who is told how far a long run has come."""

from typing import Protocol, runtime_checkable

__all__ = ["Progress", "tell"]


@runtime_checkable
class Progress(Protocol):
    """Who is told how far a long run has come."""

    def begin(self, name: str, total: int, unit: str = "images") -> None:
        """Told that a data set of `total` images is about to be read, or its metrics computed (`unit` says which)."""

    def advance(self, count: int) -> None:
        """Told that `count` more images (or other units) are done."""

    def end(self, note: str = "") -> None:
        """Told that the data set is read, or its metrics are computed."""


def tell(progress: Progress | None, text: str) -> None:
    """Tells what is being done just now, such as "compiling SSIM", or with an empty text that it is over.

    A `Progress` may have a method `doing(text)` for it, and need not.
    """
    doing = getattr(progress, "doing", None)
    if doing is not None:
        doing(text)
