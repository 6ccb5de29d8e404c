"""The exceptions that jaxeval raises on purpose.

Each message is one sentence that names the offending file or value and says what to do, to be printed as it stands.
"""

import errno
from typing import Any

__all__ = [
    "IncompleteError",
    "InputError",
    "JaxevalError",
    "MissingPackageError",
    "OutOfMemoryError",
    "PreemptedError",
    "ProcessLostError",
    "WeightsError",
    "WeightsMissingError",
    "lack_of_memory",
    "said_by",
]

_LONGEST = 160  # letters of another library's message that are repeated


class JaxevalError(Exception):
    """Base of every error that a user can mend.

    Attributes:
      exit_code: with which a program that the error ends should exit.
      partial: what had been finished before the error, a record like that of the whole with the numbers there are; None
        if there are none.
      said_elsewhere: whether another process of the same run tells the user.
    """

    exit_code: int = 2
    partial: Any = None
    said_elsewhere: bool = False


class InputError(JaxevalError, ValueError):
    """Data, a file or an argument is not what was expected."""


class MissingPackageError(InputError, ImportError):
    """What was asked for needs a package that is not installed; `name` is the module's, as of every ImportError."""

    def __init__(self, message: str, *, name: str | None = None):
        ImportError.__init__(self, message, name=name)


class OutOfMemoryError(JaxevalError, MemoryError):
    """The host or the device has less memory than the work takes; the message says what to lower."""


class IncompleteError(JaxevalError):
    """Some of the numbers that were asked for by name could not be computed; the others were, and are written."""

    exit_code = 4


class PreemptedError(JaxevalError):
    """The run was told to end, has saved what it had, and goes on from there when it is started again."""

    exit_code = 75  # EX_TEMPFAIL, which schedulers take for "try again"


class ProcessLostError(JaxevalError):
    """Another process of the run has gone, so that this one cannot go on.

    Its `exit_code` is 75 where a checkpoint is there for the same command to go on from.
    """

    exit_code = 69  # EX_UNAVAILABLE


class WeightsError(JaxevalError):
    """A weights file is not what it claims to be: wrong checksum, names, shapes or format."""


class WeightsMissingError(WeightsError):
    """An extractor's weights are not in the cache folder."""

    exit_code = 3


def said_by(error: BaseException) -> str:
    """What an exception of another library says, for a sentence of ours: its first line, without a final period.

    Of one that says nothing it is the name of its type.
    """
    lines = str(error).strip().splitlines() or [""]
    return lines[0].rstrip(". ") or type(error).__name__


def lack_of_memory(error: BaseException) -> str | None:
    """What an exception of any library says of memory (or threads) that could not be had; None for all others."""
    text = " ".join(str(error).split())
    lacking = (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and ("RESOURCE_EXHAUSTED" in text or "can't start new thread" in text))
    )
    if not lacking:
        return None
    return text[:_LONGEST].rstrip(".,; ") or type(error).__name__
