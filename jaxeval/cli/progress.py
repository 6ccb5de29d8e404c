"""The progress of a command, shown on stderr."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def progress_on_stderr(quiet: bool) -> Iterator[Any]:
    """Shows progress on stderr, and gives the terminal back whatever happens."""
    if quiet:
        yield None
        return
    from rich.console import Console

    from jaxeval.report import progress_for

    progress = progress_for(Console(stderr=True))
    try:
        yield progress
    finally:
        progress.close()
