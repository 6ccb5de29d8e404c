"""What goes wrong in a run, in the words of whoever can mend it, and never at the cost of what was finished."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError, JaxevalError, OutOfMemoryError, lack_of_memory


@contextlib.contextmanager
def memory_said(what: str, advice: str) -> Iterator[None]:
    """Turns the lack of memory of any library into one sentence.

    Args:
      what: cannot be done, as in "there is not enough memory to ...".
      advice: what to lower.

    Raises:
      OutOfMemoryError: the body ran out of memory, on the host or on the device.
    """
    try:
        yield
    except JaxevalError:
        raise
    except (MemoryError, OSError, RuntimeError) as error:
        detail = lack_of_memory(error)
        if detail is None:
            raise
        raise OutOfMemoryError(f"there is not enough memory to {what} ({detail}); {advice}") from error


def reason_of(error: Exception) -> str:
    """The sentence that tells the user why a number could not be computed."""
    if isinstance(error, InputError):
        return str(error)
    detail = lack_of_memory(error)
    if detail is not None:
        return f"there is not enough memory for it ({detail}); give fewer images (--limit)"
    text = " ".join(str(error).split()) or "no message"
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" in {Path(place[0].filename).name}, line {place[0].lineno}" if place else ""
    return f"a fault in jaxeval ({type(error).__name__}: {text}{where}); report it"


def keep_finished(error: BaseException, finished: Any) -> None:
    """Gives any exception the `partial` that `JaxevalError` declares: what was finished before it."""
    with contextlib.suppress(AttributeError, TypeError):  # an exception of an extension may take no attributes
        vars(error)["partial"] = finished


def finished_before(error: BaseException) -> Any:
    """The record that `keep_finished` gave an exception; None if nothing was kept."""
    return getattr(error, "partial", None)
