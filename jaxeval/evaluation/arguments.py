"""What callers pass, checked at the door: an argument of another type is refused by its name and the right form."""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

from jaxeval._arguments import path, shown, text, value_range, whole_number
from jaxeval.errors import InputError
from jaxeval.evaluation.protocols import PROTOCOLS, Protocol
from jaxeval.evaluation.reading import Progress
from jaxeval.extractors import Extractor, check_precision

__all__ = ["a_text", "at_least", "checked", "one_extractor", "one_protocol", "optional", "several"]

_Parameters = ParamSpec("_Parameters")
_Found = TypeVar("_Found")
_Check = Callable[[str, Any], Any]

_LARGEST_SEED = 2**32 - 1  # of NumPy's generators


def checked(**checks: _Check) -> Callable[[Callable[_Parameters, _Found]], Callable[_Parameters, _Found]]:
    """A decorator of public functions: their arguments are checked by name before anything else is done.

    Args:
      checks: in the place of, or beside, the checks that arguments of these names have everywhere. A check takes an
        argument's name and value, gives the value back as it is to be used, or raises an InputError.
    """

    def decorate(function: Callable[_Parameters, _Found]) -> Callable[_Parameters, _Found]:
        signature = inspect.signature(function)
        own = {name: check for name, check in {**_CHECKS, **checks}.items() if name in signature.parameters}

        @functools.wraps(function)
        def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Found:
            bound = signature.bind(*args, **kwargs)
            for name, check in own.items():
                if name in bound.arguments:
                    bound.arguments[name] = check(name, bound.arguments[name])
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def optional(check: _Check) -> _Check:
    """The same check, which lets None pass."""
    return lambda name, value: None if value is None else check(name, value)


def or_automatic(check: _Check) -> _Check:
    """The same check, which lets `auto` pass."""
    return lambda name, value: value if isinstance(value, str) and value == "auto" else check(name, value)


def one_extractor(name: str, extractor: Any) -> Any:
    """A name, or an `Extractor`."""
    form = "an Extractor, or the name of one, such as 'inception' (`jaxeval weights list` has them)"
    if isinstance(extractor, str | Extractor):
        return extractor
    if callable(extractor):
        raise InputError(
            f"{name} is {shown(extractor)}; wrap it, jaxeval.extractors.from_function(function, name='mine'), or give "
            f"{form}"
        )
    raise InputError(f"{name} is {shown(extractor)}; give {form}")


def one_protocol(name: str, protocol: Any) -> Any:
    """A name, or a `Protocol`."""
    if isinstance(protocol, str | Protocol):
        return protocol
    raise InputError(f"{name} is {shown(protocol)}; give a Protocol, or the name of one: {', '.join(PROTOCOLS)}")


def several(check: _Check) -> _Check:
    """The same check of a single value, or of each of several."""

    def check_all(name: str, value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            return check(name, value)
        return [check(name, one) for one in value]

    return check_all


def a_text(form: str) -> _Check:
    """Any text; `form` tells what to give."""
    return lambda name, value: text(name, value, form)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {shown(value)}; give True or False")
    return bool(value)


def _stop(name: str, value: Any) -> Any:
    if not callable(value):
        raise InputError(f"{name} is {shown(value)}; give a function without arguments that says whether to end")
    return value


def _on_error(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise InputError(f"{name} {shown(value)} is not known; choose 'fail' or 'skip'")
    return value


def _progress(name: str, progress: Any) -> Any:
    if isinstance(progress, type) or not isinstance(progress, Progress):
        raise InputError(
            f"{name} is {shown(progress)}; give an object with the methods begin, advance and end, such as "
            "jaxeval.report.progress_for(rich.console.Console(stderr=True)), or None"
        )
    return progress


def _captions(name: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        return value
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return value
    raise InputError(
        f"{name} is {shown(value)}; give a mapping from each image's name to its caption, or a file of them"
    )


def at_least(least: int, most: int | None = None, *, enforce: bool = True) -> _Check:
    """A whole number in a range."""
    return lambda name, value: whole_number(name, value, least, most, enforce=enforce)


_METRICS = a_text("names, such as 'fd,prdc' or ['fd', 'prdc'], or 'all'")

_CHECKS: Mapping[str, _Check] = {
    "metrics": optional(several(_METRICS)),
    "extractor": several(one_extractor),
    "protocol": several(one_protocol),
    "captions": optional(_captions),
    "batch_size": or_automatic(at_least(1, enforce=False)),
    "limit": optional(at_least(2, enforce=False)),
    "limit_first": _flag,
    "layout": optional(a_text("'NHWC', 'NCHW' or 'NHW'")),
    "seed": at_least(0, _LARGEST_SEED),
    "value_range": optional(value_range),
    "num_samples": optional(at_least(1, enforce=False)),
    "on_error": _on_error,
    "threads": optional(at_least(1, enforce=False)),
    "cache": optional(path),
    "checkpoint": optional(path),
    "checkpoint_every": at_least(1, enforce=False),
    "distributed": _flag,
    "stop": optional(_stop),
    "weights_dir": optional(path),
    "progress": optional(_progress),
    "precision": check_precision,
    "kid_subset_size": optional(at_least(2)),
    "kid_subsets": optional(at_least(1)),
    "k": optional(at_least(1)),
    "is_splits": optional(at_least(1)),
}
"""Of arguments that have one meaning wherever they occur."""
