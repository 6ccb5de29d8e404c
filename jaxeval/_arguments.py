"""What callers pass, checked: an argument of another type is refused by its name and the right form."""

import functools
import inspect
import operator
import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from jaxeval.errors import InputError
from jaxeval.progress import Progress

_Parameters = ParamSpec("_Parameters")
_Found = TypeVar("_Found")
Check = Callable[[str, Any], Any]
"""Takes an argument's name and value, gives the value back as it is to be used, or raises an InputError."""

_LARGEST_SEED = 2**32 - 1  # of NumPy's generators


def whole_number(
    name: str, value: Any, least: int | None = None, most: int | None = None, *, enforce: bool = True
) -> int:
    """The value as a Python integer.

    Args:
      name: of the argument.
      value: an integer of Python or NumPy; True and False are none.
      least: the smallest that is possible.
      most: the largest.
      enforce: whether a number out of that range is refused here, and not by who knows more of it.

    Raises:
      InputError: it is no whole number, or out of its range.
    """
    above = "" if least is None else f" of {least:,} or more" if most is None else f" from {least:,} to {most:,}"
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise InputError(f"{name} is {shown(value)}; give a whole number{above}")
    if enforce and ((least is not None and found < least) or (most is not None and found > most)):
        raise InputError(f"{name} is {found}; give a whole number{above}")
    return found


def number(name: str, value: Any) -> Any:
    """A real number, as it was given.

    Raises:
      InputError: it is none.
    """
    if not _is_real(value):
        raise InputError(f"{name} is {shown(value)}; give a number")
    return value


def text(name: str, value: Any, form: str) -> str:
    """A text.

    Args:
      name: of the argument.
      value: the text.
      form: what to give, for the message.

    Raises:
      InputError: it is none.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}; give {form}")
    return value


def path(name: str, value: Any) -> Any:
    """A path of a file or folder, as it was given.

    Raises:
      InputError: it is none.
    """
    if not isinstance(value, str | os.PathLike) or value == "":
        raise InputError(f"{name} is {shown(value)}; give a path, as text or as a pathlib.Path")
    return value


def value_range(name: str, value: Any) -> tuple[float, float]:
    """Two numbers, the values of black and white.

    Raises:
      InputError: they are not.
    """
    pair = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes) and len(value) == 2
    if not pair or not all(map(_is_real, value)):
        raise InputError(
            f"{name} is {shown(value)}; give the values of black and white, the lower first, as in (-1, 1)"
        )
    return float(value[0]), float(value[1])


def shown(value: Any) -> str:
    """A value as the user would recognise it, in few words."""
    name = getattr(value, "__name__", None)
    if isinstance(value, type):
        return f"the class {name}"
    if callable(value) and name:
        return f"the function {name}"
    short = repr(value)
    large = callable(value) or len(short) > 40 or "\n" in short
    return f"an object of type {type(value).__name__}" if large else short


def first_of(names: Sequence[str], most: int = 3, *, quoted: bool = False) -> str:
    """The first of many names, perhaps in quotation marks, and how many more there are: "a, b, c and 4 more"."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most]) if quoted else names[:most]) + more


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def renamed(
    before: str, now: str, reading: Callable[[Any], Any] = lambda value: value
) -> Callable[[Callable[_Parameters, _Found]], Callable[_Parameters, _Found]]:
    """A decorator of a function whose keyword `now` was called `before`, which it goes on to take, with a warning.

    Args:
      before: the former name.
      now: the keyword's name.
      reading: turns what the former name took into what `now` takes.

    Raises:
      InputError: by the function, if both are given.
    """

    def decorate(function: Callable[_Parameters, _Found]) -> Callable[_Parameters, _Found]:
        @functools.wraps(function)
        def taking_both(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Found:
            if before not in kwargs:
                return function(*args, **kwargs)
            given: dict[str, Any] = dict(kwargs)
            if now in given:
                raise InputError(f"{before} is the former name of {now}; give {now} alone")
            warnings.warn(f"{before} is called {now} now", DeprecationWarning, stacklevel=2)
            given[now] = reading(given.pop(before))
            return function(*args, **given)  # pyright: ignore[reportCallIssue]

        return taking_both

    return decorate


def checked(**checks: Check) -> Callable[[Callable[_Parameters, _Found]], Callable[_Parameters, _Found]]:
    """A decorator of public functions: their arguments are checked by name before anything else is done.

    Args:
      checks: in the place of, or beside, those of `COMMON`.
    """

    def decorate(function: Callable[_Parameters, _Found]) -> Callable[_Parameters, _Found]:
        signature = inspect.signature(function)
        own = {name: check for name, check in {**COMMON, **checks}.items() if name in signature.parameters}

        @functools.wraps(function)
        def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Found:
            bound = signature.bind(*args, **kwargs)
            for name, check in own.items():
                if name in bound.arguments:
                    bound.arguments[name] = check(name, bound.arguments[name])
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def optional(check: Check) -> Check:
    """A check that lets None pass and otherwise does what `check` does."""
    return lambda name, value: None if value is None else check(name, value)


def or_automatic(check: Check) -> Check:
    """A check that lets `auto` pass and otherwise does what `check` does."""
    return lambda name, value: value if isinstance(value, str) and value == "auto" else check(name, value)


def several(check: Check) -> Check:
    """A check of a single value, or of each value of a list, tuple or other collection."""

    def check_all(name: str, value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            return check(name, value)
        return [check(name, one) for one in value]

    return check_all


def a_text(form: str) -> Check:
    """A check for text; `form` tells in the message what to give."""
    return lambda name, value: text(name, value, form)


def at_least(least: int, most: int | None = None, *, enforce: bool = True) -> Check:
    """A check for a whole number between `least` and `most`."""
    return lambda name, value: whole_number(name, value, least, most, enforce=enforce)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {shown(value)}; give True or False")
    return bool(value)


def _stop(name: str, value: Any) -> Any:
    if not callable(value):
        raise InputError(f"{name} is {shown(value)}; give a function without arguments that says whether to end")
    return value


def _on_error(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value not in ("fail", "skip"):
        raise InputError(f"{name} {shown(value)} is not known; choose 'fail' or 'skip'")
    return value


def _progress(name: str, progress: Any) -> Any:
    if isinstance(progress, type) or not isinstance(progress, Progress):
        raise InputError(
            f"{name} is {shown(progress)}; give an object with the methods begin, advance and end, or None "
            "(docs/evaluation.md#progress has one that is ready)"
        )
    return progress


COMMON: Mapping[str, Check] = {
    "batch_size": or_automatic(at_least(1)),
    "limit": optional(at_least(2)),
    "limit_first": _flag,
    "layout": optional(a_text("'NHWC', 'NCHW' or 'NHW'")),
    "seed": at_least(0, _LARGEST_SEED),
    "value_range": optional(value_range),
    "num_samples": optional(at_least(1, enforce=False)),
    "on_error": _on_error,
    "threads": optional(at_least(1)),
    "cache": optional(path),
    "checkpoint": optional(path),
    "checkpoint_every": at_least(1),
    "distributed": _flag,
    "stop": optional(_stop),
    "weights_dir": optional(path),
    "progress": optional(_progress),
}
"""Of arguments that have one meaning wherever they occur."""
