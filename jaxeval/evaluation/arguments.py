"""What callers of an evaluation pass, checked at the door: another type is refused by its name and the right form."""

import os
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from jaxeval._arguments import Check, at_least, optional, several, shown, text
from jaxeval._arguments import checked as checked_arguments
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.protocols import PROTOCOLS, Protocol
from jaxeval.extractors import Extractor, check_precision

_Parameters = ParamSpec("_Parameters")
_Found = TypeVar("_Found")


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


def _captions(name: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        return value
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return value
    raise InputError(
        f"{name} is {shown(value)}; give a mapping from each image's name to its caption, or a file of them"
    )


def _metric(name: str, value: Any) -> Any:
    if isinstance(value, Measure) or (callable(value) and not isinstance(value, type)):
        return value
    return text(name, value, "names, such as 'fd,prdc' or ['fd', 'prdc'], or 'all', or functions of features")


_CHECKS: Mapping[str, Check] = {
    "metrics": optional(several(_metric)),
    "extractor": several(one_extractor),
    "protocol": several(one_protocol),
    "captions": optional(_captions),
    "precision": check_precision,
    "kid_subset_size": optional(at_least(2)),
    "kid_subsets": optional(at_least(1)),
    "k": optional(at_least(1)),
    "is_splits": optional(at_least(1)),
}
"""Of arguments that have one meaning in all of evaluation."""


def checked(**checks: Check) -> Callable[[Callable[_Parameters, _Found]], Callable[_Parameters, _Found]]:
    """`jaxeval._arguments.checked`, with the checks of what all of evaluation takes."""
    return checked_arguments(**{**_CHECKS, **checks})
