"""The command line: thin, and quick to answer; the rooms do the work."""

from jaxeval.cli._main import main

__all__ = ["main"]
